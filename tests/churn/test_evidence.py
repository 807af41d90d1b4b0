"""Is the chosen model judged window by window, and for every kind of customer, by its own rows?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_analytics.churn.evidence import SAVE_RATE, evidence
from crm_analytics.modelling.evaluate import evaluate

DAYS = pd.to_datetime(["2024-01-01", "2024-04-01"])


@pytest.fixture(scope="module")
def judged() -> tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]]:
    draw = np.random.default_rng(4)
    rows = pd.DataFrame(
        {
            "as_of": np.repeat(DAYS, 300),
            "customer_id": [f"c{n % 400:03d}" for n in range(600)],
            "net_margin_365": np.nan,
            "net_spend_365": draw.integers(-5, 500, 600).astype(float),
        },
        index=np.arange(600)[::-1],  # as parts of a table have it
    )
    p = draw.uniform(0.05, 0.95, 600)
    y = (draw.random(600) < p).astype(float)
    return rows, y, {"base_rate": np.full(600, 0.5), "blend": p}


@pytest.fixture(scope="module")
def segment() -> pd.Series:
    """A segment for each of a table's rows, of which the judged ones are a part; every fifth has none."""
    words = ["Loyal", "New", "Loyal", "New", None] * 180
    return pd.Series(pd.Categorical(words, categories=["New", "Loyal", "Lost"]))


def test_windows_and_segments_are_judged_by_their_own_rows(
    judged: tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]], segment: pd.Series
) -> None:
    rows, y, p = judged
    found = evidence(rows, y, p, chosen="blend", segment=segment, seed=0)
    assert list(found.by_cutoff) == ["2024-01-01", "2024-04-01"]
    assert list(found.by_segment) == ["New", "Loyal"]
    first = evaluate(y[:300], p["blend"][:300], customers=rows["customer_id"][:300], seed=0)
    assert found.by_cutoff["2024-01-01"] == first
    new = (segment == "New").to_numpy()[rows.index]
    windows = rows["as_of"].to_numpy()[new]
    alone = evaluate(y[new], p["blend"][new], customers=rows["customer_id"][new], windows=windows, seed=0)
    assert found.by_segment["New"] == alone
    sizes = pd.Series([group.row_count for group in found.reliability], dtype=int)
    days = pd.Series([group.as_of for group in found.reliability])
    assert sizes.groupby(days).sum().tolist() == [300, 300]


@pytest.mark.parametrize(("left", "stayed", "is_shown"), [(10, 10, True), (9, 50, False), (50, 9, False)])
def test_a_segment_is_shown_from_ten_who_left_and_ten_who_stayed_on(
    left: int, stayed: int, is_shown: bool
) -> None:
    outcome = np.r_[np.ones(left), np.zeros(stayed), np.arange(100) % 2]
    rows = pd.DataFrame({"as_of": DAYS[0], "customer_id": [f"c{n}" for n in range(len(outcome))]})
    words = pd.Series(pd.Categorical(["Small"] * (left + stayed) + ["Large"] * 100))
    p = {"blend": np.linspace(0.1, 0.9, len(outcome))}
    found = evidence(rows, outcome, p, chosen="blend", segment=words, seed=0)
    assert list(found.by_segment) == ["Large", *(["Small"] if is_shown else [])]


def test_calls_earn_what_the_leavers_among_the_called_spent_last_year(
    judged: tuple[pd.DataFrame, np.ndarray, dict[str, np.ndarray]],
) -> None:
    rows, y, p = judged
    found = evidence(rows, y, p, chosen="blend", segment=None, seed=0)
    worth = rows["net_spend_365"].clip(lower=0).to_numpy()
    called = np.argsort(-(worth * p["blend"]), kind="stable")[:60]
    assert found.earned["blend"].value == pytest.approx(SAVE_RATE * (y * worth)[called].sum())
    assert found.earned["blend"].value > found.earned["base_rate"].value
    assert "net spend" in found.notes[0]
    without = evidence(
        rows.drop(columns=["net_margin_365", "net_spend_365"]), y, p, chosen="blend", segment=None, seed=0
    )
    assert (without.earned, without.notes) == ({}, ())
