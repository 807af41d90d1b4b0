"""Is a sync exact when the store's writer and the warehouse's are killed?  A short run of `sync_kills`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.sync_kills import torment


@pytest.mark.parametrize("seed", [3])
def test_a_sync_is_exact_when_either_side_is_killed(tmp_path: Path, seed: int) -> None:
    counts = torment(tmp_path, kills=4, seed=seed)
    assert counts["versions"] > 10
    bad = ("missing", "wrong", "twice", "not idempotent", "unbalanced")
    assert {name: counts[name] for name in bad} == dict.fromkeys(bad, 0), counts
