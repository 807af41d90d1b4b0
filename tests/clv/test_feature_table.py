"""Does every function that the feature table promises exist?"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from crm_analytics import clv

PAGE = Path(__file__).parent.parent.parent / "docs" / "lifetime-value.md"
ANSWERS = PAGE.read_text(encoding="utf-8").split("## What other packages can")[1].split("## How exact")[0]
TABLE, ELSEWHERE = (
    [line.strip("|").split("|") for line in part.splitlines() if line.startswith("| ")][1:]
    for part in ANSWERS.split("Elsewhere in the package")
)
ROWS = [*TABLE, *ELSEWHERE]
OPTIONS = {
    "ridge",
    "equal_covariates",
    "dropout_covariates",
    "renewal_covariates",
    "days_ahead",
    "weights",
    "unit",
    "robust",
    "entered_days",
    "learn_from",
}


@pytest.mark.parametrize(("capability", "answer"), ROWS, ids=[row[0].strip() for row in ROWS])
def test_a_capability_is_answered(capability: str, answer: str) -> None:
    names = [name for name in re.findall(r"`([\w.]+)`", answer) if name not in OPTIONS]
    assert names or answer.strip() == "left out", capability
    for name in names:
        folder, _, rest = name.partition(".")
        is_elsewhere = [capability, answer] in ELSEWHERE
        found: object = importlib.import_module(f"crm_analytics.{folder}") if is_elsewhere else clv
        for part in (rest if is_elsewhere else name).split("."):
            if part == "verdict_":
                assert part in vars(clv.BetaGeoModel.from_parameters({"r": 1, "alpha": 1, "a": 1, "b": 1}))
                break
            found = getattr(found, part)
        assert callable(found), name


def test_the_table_has_all_rows_and_leaves_out_what_the_task_leaves_out() -> None:
    assert len(ROWS) >= 45
    left_out = [capability.strip() for capability, answer in ROWS if answer.strip().startswith("left out")]
    assert left_out == [
        "GGompertz/NBD",
        "Pareto/GGG, Pareto/NBD-Abe",
        "ZILN, learned regressions of value",
        "Purchase and dropout correlated",
        "Time-varying covariates; seasonality",
    ]


def test_what_is_left_out_names_what_to_use() -> None:
    left_out = PAGE.read_text(encoding="utf-8").split("## What is left out")[1]
    rows = [line.strip("|").split("|") for line in left_out.splitlines() if line.startswith("| ")][1:]
    assert all(len(row) == 2 and row[1].strip() for row in rows)
    for gap in (
        "Time-varying covariates",
        "Full MCMC",
        "GGompertz/NBD",
        "Pareto/GGG",
        "Abe",
        "Sarmanov",
        "ZILN",
    ):
        assert any(gap in row[0] for row in rows), gap
