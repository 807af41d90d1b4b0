"""Do ten seconds of damaged files find nothing?  (`make fuzz` takes ten minutes.)"""

from __future__ import annotations

from pathlib import Path

from tests.torture.fuzz_reader import fuzz

SECONDS = 10.0


def test_damaged_files_are_loaded_with_balanced_accounts_or_refused(
    shared_data: Path, tmp_path: Path
) -> None:
    report = fuzz(tmp_path, seconds=SECONDS, seed=20_250_630)
    assert report.failures == []
    assert report.outcomes["loaded"] > 0
    assert any(outcome.startswith("refused") for outcome in report.outcomes)
