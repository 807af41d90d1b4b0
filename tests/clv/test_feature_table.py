"""Does every function that the feature table promises exist?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crm_analytics import clv

PAGE = Path(__file__).parent.parent.parent / "docs" / "lifetime-value.md"
TABLE = (
    PAGE.read_text(encoding="utf-8").split("## What other packages can")[1].split("## What is left out")[0]
)
ROWS = [line.strip("|").split("|") for line in TABLE.splitlines() if line.startswith("| ")][1:]
OPTIONS = {"ridge", "equal_covariates", "days_ahead", "weights", "unit"}


@pytest.mark.parametrize(("capability", "answer"), ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_capability_is_answered(capability: str, answer: str) -> None:
    names = [name for name in re.findall(r"`([\w.]+)`", answer) if name not in OPTIONS]
    assert names, capability
    for name in names:
        found: object = clv
        for part in name.split("."):
            if part == "verdict_":
                assert part in vars(clv.BetaGeoModel.from_parameters({"r": 1, "alpha": 1, "a": 1, "b": 1}))
                break
            found = getattr(found, part)
            assert callable(found), name


def test_the_table_has_all_rows() -> None:
    assert len(ROWS) >= 28
