"""A2, A3: does a record store survive a failing or full disk?  A part of the sweep over every call."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.record_faults import run_sweep


def test_at_any_call_a_failing_disk_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    results = run_sweep(tmp_path, step=9)
    if not results:
        pytest.skip("no C compiler for the failing disk")
    for mode, count in results.items():
        bad = ("lost", "torn", "unannounced", "foreign errors", "does not open")
        assert {name: count.get(name, 0) for name in bad} == dict.fromkeys(bad, 0), (mode, count)
        assert count["trials"] >= count["calls"] // 9 > 4
    assert results["input/output error once"]["errors of ours"] > 3
    assert results["disk full from then on"]["disk full"] > 3
    assert results["death before the call"]["deaths"] > 3
