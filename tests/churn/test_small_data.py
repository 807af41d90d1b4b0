"""Does churn say what it can with few customers, and never break?  There is no least number of them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analytics.churn import CANDIDATES, score, train
from crm_analytics.churn.candidates import candidates_for, fit_all
from crm_analytics.churn.choice import choose
from crm_analytics.churn.kinds import kind_of
from tests import build

AS_OF = date(2024, 7, 1)


def purchases(count: int) -> dict[str, list[str]]:
    """Customers who buy for a while, from April on, and then no longer; the first has never left."""
    draw = np.random.default_rng(count)
    days: dict[str, list[str]] = {}
    for number in range(count):
        last = 90 if number == 0 else int(draw.integers(1, 120))
        gaps = np.cumsum(1 + draw.exponential(12, 30).astype(int))
        bought = [date(2024, 4, 1) + timedelta(days=int(gap)) for gap in gaps if gap <= last]
        days[f"c{number}"] = [day.isoformat() for day in bought]
    return days


def test_of_a_single_customer_the_shrunk_rate_of_one_is_all_that_can_be_said() -> None:
    with build.warehouse(order_lines=build.order_lines_of(purchases(1))) as wh:
        model = train(wh, as_of=AS_OF, horizon_days=20, active_days=60)
        chance = score(wh, model, as_of=AS_OF)["churn_probability"]
    assert chance.tolist() == pytest.approx([0.75])
    assert "since the only customer left" in model.card.verdict


@pytest.mark.parametrize("count", [5, 50, 200])
def test_few_customers_get_the_baseline_and_are_told_so(count: int) -> None:
    with build.warehouse(order_lines=build.order_lines_of(purchases(count))) as wh:
        model = train(wh, as_of=AS_OF, horizon_days=20, active_days=60)
        scores = score(wh, model, as_of=AS_OF)
    if count <= 50:
        assert CANDIDATES[model.chosen].is_baseline
        assert model.card.verdict.startswith("Use with care")
    asked = scores["status"].isin(["ok", "new", "low_information"])
    assert asked.any()
    assert scores.loc[asked, "churn_probability"].between(0, 1).all()
    assert scores.loc[~asked, "churn_probability"].isna().all()


def test_the_card_of_two_customers_says_in_words_that_it_is_not_enough() -> None:
    days = {"a": ["2024-01-05", "2024-05-20", "2024-06-10"], "b": ["2024-01-10", "2024-02-20"]}
    with build.warehouse(order_lines=build.order_lines_of(days)) as wh:
        judged, unjudged = (
            train(wh, as_of=AS_OF, horizon_days=horizon, active_days=active).card
            for horizon, active in ((20, 136), (20, 35))
        )
    for card in (judged, unjudged):
        page = card.to_markdown()
        assert "nan" not in page.replace("\n", " ").split()
        assert "nan%" not in page
        assert all(cutoff.row_count for cutoff in card.cutoffs)
        assert "not enough" in card.verdict
        assert "Here is the baseline: the " in card.verdict
        assert card.answers()[1][1].startswith("Not known: no later window had enough")
    assert "Of 2 in a later window 1 left and 1 stayed; it takes 25 of both." in judged.verdict


@settings(max_examples=5, deadline=None)
@given(
    rows=st.integers(2, 30),
    seed=st.integers(0, 10_000),
    gaps=st.sampled_from([0.0, 0.3, 0.95]),
    size=st.sampled_from([1e-6, 1.0, 1e12]),
    kind=st.sampled_from(["purchase", "contract"]),
)
def test_no_table_of_any_size_gives_a_number_that_is_none(
    rows: int, seed: int, gaps: float, size: float, kind: str
) -> None:
    draw = np.random.default_rng(seed)
    columns = kind_of(kind).columns
    values = draw.exponential(size, (rows, len(columns))) * (draw.random(len(columns)) < 0.7)
    values[draw.random(values.shape) < gaps] = np.nan
    table = pd.DataFrame(values, columns=list(columns))
    table.insert(0, "churned", (draw.random(rows) < 0.5).astype(int))
    table.loc[:1, "churned"] = [0, 1]
    table.insert(0, "customer_id", [f"c{number % 9}" for number in range(rows)])
    days = pd.date_range("2024-01-01", periods=4, freq="30D")
    table.insert(0, "as_of", days[np.sort(draw.integers(0, 4, rows))])
    choice = choose(table, horizon_days=30, seed=0)
    assert choice.chosen in candidates_for(table)
    for fitted in fit_all(table, seed=0).values():
        odds = fitted.log_odds(table) + fitted.levels.expected(date(2024, 7, 1))
        assert np.isfinite(odds).all()
