"""Does every picture of leaving and segments refuse the wrong table in our words, and draw the smallest?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from crm_analytics import actions, churn, segmentation
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling.model_card import ModelCard

LEAVING = {"silent_days": [0], "case_count": [90], "leaving_rate": [0.2], "low": [0.1], "high": [0.3]}
RETENTION = {
    "until_on": ["2024-01-01"],
    "is_covered": [True],
    "starting_count": [1],
    "has_few_customers": [True],
    "logo_churn_rate": [0.0],
    "logo_churn_low": [0.0],
    "logo_churn_high": [0.9],
    "gross_retention_rate": [1.0],
    "net_retention_rate": [1.0],
}
COHORTS = {"cohort_on": ["2024-01-01"] * 2, "age": [0, 1], "cohort_size": [1, 1], "is_complete": [True] * 2}
# the smallest table that can be drawn
SMALLEST: dict[str, pd.DataFrame] = {
    "plot_leaving": pd.DataFrame(LEAVING),
    "plot_retention": pd.DataFrame(RETENTION),
    "plot_post_mortem": pd.DataFrame({"feature": ["a"], "effect": [0.5], "low": [0.3], "high": [0.7]}),
    "plot_segments": pd.DataFrame({"customer_id": ["a"], "net_spend": [9.0], "segment": ["champions"]}),
    "plot_movement": pd.DataFrame({"champions": [1]}, index=["not_yet"]),
    "plot_cohorts": pd.DataFrame({**COHORTS, "buying_share": [1.0, 0.0]}),
}
PICTURES = {
    name: getattr(package, name)
    for package in (churn, segmentation, actions)
    for name in dir(package)
    if name.startswith("plot_")
}
TABLES = sorted(set(PICTURES) - {"plot_reliability"})
SUMMED = pd.DataFrame({"segment": ["champions"], "label": ["Champions"], "customer_count": [1]})


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_every_picture_is_swept() -> None:
    assert sorted(SMALLEST) == TABLES


@pytest.mark.parametrize("name", TABLES)
def test_the_smallest_table_is_drawn(name: str) -> None:
    assert len(PICTURES[name](SMALLEST[name])) >= 1


@pytest.mark.parametrize("name", sorted(PICTURES))
@pytest.mark.parametrize("given", [None, 3, "table", [1, 2], {}], ids=str)
def test_what_is_no_table_is_refused_by_the_name_of_the_argument(name: str, given: Any) -> None:
    with pytest.raises(UsageError, match=r"^(scored|table|found|card) must be "):
        PICTURES[name](given)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_another_question_is_refused_and_the_right_one_named(name: str) -> None:
    right = r"give it what (churn|segmentation)\.\w+\(wh, as_of=\.\.\.\) returns"
    others = {"summed": SUMMED} | {other: SMALLEST[other] for other in TABLES if other != name}
    for other, given in others.items():
        # silence by itself is a table of counts to nobody: that of movement has no columns of its own
        with pytest.raises(UsageError, match=f"(?i){right}"):
            PICTURES[name](given)
            pytest.fail(f"{name} took the table of {other}")
    words = SMALLEST[name].map(lambda _: "x")
    with pytest.raises(UsageError, match=f"(?i){right}"):
        PICTURES[name](words)


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_is_told_and_not_drawn(name: str) -> None:
    with pytest.raises(NotEnoughData, match=r"\.$"):
        PICTURES[name](SMALLEST[name].iloc[:0])
    if name != "plot_movement":  # whose columns are the segments that there are
        with pytest.raises(UsageError, match="Its columns: none"):
            PICTURES[name](pd.DataFrame())


def test_a_card_of_a_model_that_was_not_judged_is_told() -> None:
    card = ModelCard("churn", "x", pd.Timestamp("2024-07-01").date(), 90, (), (), {}, (), "base_rate", "v")
    with pytest.raises(NotEnoughData, match="judged on no later window"):
        churn.plot_reliability(card)


def test_a_segment_that_nobody_declared_is_refused() -> None:
    with pytest.raises(UsageError, match="the segment 'Champs', which segment_names"):
        segmentation.plot_segments(SMALLEST["plot_segments"].assign(segment="Champs"))
    with pytest.raises(UsageError, match="has no column 'age_of_all'"):
        segmentation.plot_cohorts(SMALLEST["plot_cohorts"], column="age_of_all")
