"""Is a sync exact when the store's writer and the warehouse's are killed?  A short run of `sync_kills`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_a_sync_is_exact_when_either_side_is_killed(tmp_path: Path) -> None:
    # in a process of its own, which forks: this one may have threads of databases that other tests opened
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.sync_kills", str(tmp_path), "4", "3"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["versions"] > 10
    bad = ("missing", "wrong", "twice", "not idempotent", "unbalanced")
    assert {name: counts[name] for name in bad} == dict.fromkeys(bad, 0), counts
