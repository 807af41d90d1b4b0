"""Is what was acknowledged still there after a failing disk and after kill -9?  A part of the sweep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.torture.warehouse_faults import MODES, fault_sweep, faults_of, kill_loads

needs_a_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None and shutil.which("cc") is None, reason="no C compiler for the failing disk"
)


@needs_a_compiler
def test_a_failing_disk_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    reports = fault_sweep(tmp_path, step=10, first=5, timeout_seconds=400)
    broken = {(report["mode"], report["call"]): faults_of(report) for report in reports if faults_of(report)}
    assert broken == {}
    assert {report["mode"] for report in reports} == set(MODES)
    assert any(report["is_old"] for report in reports)
    assert any(report["is_new"] for report in reports)


def test_a_load_that_was_acknowledged_outlives_kill_9(tmp_path: Path) -> None:
    counts = kill_loads(tmp_path, kills=4, seed=5)
    assert counts["acknowledged"] > 0
    assert counts["lost"] == counts["torn"] == 0
