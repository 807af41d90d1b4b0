"""Is a season found in the totals, and do models in operational time foresee it?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.seasonality import SeasonalIndex
from crm_analytics.errors import NotEnoughData, UsageError

SHOP = [0.7, 0.7, 0.8, 0.9, 1.0, 1.0, 0.8, 0.8, 1.0, 1.1, 1.5, 2.2]
TRUTH = SeasonalIndex.given("month", SHOP)
AS_OF = date(2024, 11, 1)


@pytest.fixture(scope="module")
def purchases() -> pd.DataFrame:
    """Purchases of customers who come evenly over four years, buy in operational time and rarely leave."""
    rng = np.random.default_rng(8)
    size, start = 4000, date(2021, 1, 1)
    birth = np.sort(rng.integers(0, 1700, size))
    clock = TRUTH.operational_days
    operational_birth = np.array([clock(start, int(day)) for day in np.unique(birth)])
    own_birth = operational_birth[np.searchsorted(np.unique(birth), birth)]
    rate, lifetime = rng.gamma(1.2, 1 / 60.0, size), rng.exponential(1 / rng.gamma(0.8, 1 / 400.0, size))
    rows = [np.column_stack([np.arange(size), birth])]
    now, who = own_birth.copy(), np.arange(size)
    for _ in range(400):
        now[who] += rng.exponential(1.0, len(who)) / rate[who]
        who = who[(now[who] < own_birth[who] + lifetime[who]) & (now[who] < 2000)]
        day = TRUTH.calendar_days(start, pd.Series(now[who])).to_numpy()
        rows.append(np.column_stack([who, np.floor(day)]))
    table = pd.DataFrame(np.vstack(rows), columns=["customer", "day"]).astype(int).drop_duplicates()
    return table.assign(ordered_on=pd.Timestamp(start) + pd.to_timedelta(table["day"], unit="D"))


def summary(purchases: pd.DataFrame, as_of: date) -> pd.DataFrame:
    seen = purchases[purchases["ordered_on"] < pd.Timestamp(as_of)].groupby("customer")["ordered_on"]
    first, last = seen.min(), seen.max()
    return pd.DataFrame(
        {
            "frequency": seen.size() - 1.0,
            "recency": (last - first).dt.days,
            "T": (pd.Timestamp(as_of) - first).dt.days - 1,
        }
    )


def test_the_season_is_found_in_the_totals(purchases: pd.DataFrame) -> None:
    repeats = purchases[purchases.duplicated("customer")]
    found = SeasonalIndex.from_purchases(repeats["ordered_on"], as_of=AS_OF)
    np.testing.assert_allclose(found.values, TRUTH.values, rtol=0.12)
    shuffled = SeasonalIndex.from_purchases(
        repeats["ordered_on"].sample(frac=1.0, random_state=1), as_of=AS_OF
    )
    assert shuffled == found
    weekly = SeasonalIndex.from_purchases(repeats["ordered_on"], period="week", as_of=AS_OF)
    assert np.mean(weekly.values[48:51]) == pytest.approx(TRUTH.values[11], rel=0.15)


def test_growth_is_no_season() -> None:
    days = pd.date_range("2020-01-01", "2023-12-31")
    growing = pd.Series(days.repeat(np.round(100 * np.exp(np.arange(len(days)) / 700)).astype(int)))
    np.testing.assert_allclose(SeasonalIndex.from_purchases(growing).values, 1.0, atol=0.02)


def test_december_is_foreseen_in_operational_time_only(purchases: pd.DataFrame) -> None:
    past, horizon = summary(purchases, AS_OF), 61
    future = purchases[
        (purchases["ordered_on"] >= pd.Timestamp(AS_OF))
        & (purchases["ordered_on"] < pd.Timestamp(AS_OF) + pd.Timedelta(days=horizon))
    ]
    actual = future["customer"].isin(past.index).sum()
    found = SeasonalIndex.from_purchases(
        purchases.loc[purchases.duplicated("customer"), "ordered_on"][lambda day: day < pd.Timestamp(AS_OF)],
        as_of=AS_OF,
    )
    plain = ParetoNBDModel().fit(past).expected_purchases(past, horizon_days=horizon).sum()
    stretched = found.operational_summary(past, as_of=AS_OF)
    seasonal = (
        ParetoNBDModel()
        .fit(stretched)
        .expected_purchases(stretched, horizon_days=found.operational_days(AS_OF, horizon))
        .sum()
    )
    assert seasonal == pytest.approx(actual, rel=0.1)
    assert plain < 0.75 * actual


def test_an_even_season_changes_nothing() -> None:
    even = SeasonalIndex.given("month", [7.0] * 12)
    table = pd.DataFrame({"frequency": [2, 0, 1], "recency": [30.0, 0.0, 0.5], "T": [100.0, 7.0, 1.5]})
    pd.testing.assert_frame_equal(even.operational_summary(table, as_of=AS_OF), table)
    assert even.operational_days(AS_OF, 90) == pytest.approx(90, rel=1e-12)


def test_days_and_operational_days_are_inverse_and_a_year_is_a_year() -> None:
    assert TRUTH.operational_days(date(2021, 3, 7), 365) == pytest.approx(365, rel=1e-12)
    assert TRUTH.operational_days(AS_OF, 1e6) == pytest.approx(1e6, rel=1e-3)
    days = pd.Series([0.0, 10.5, 400.0, 1e6, np.nan])
    there = pd.Series([TRUTH.operational_days(AS_OF, day) for day in days[:4]] + [np.nan])
    np.testing.assert_allclose(TRUTH.calendar_days(AS_OF, there), days, rtol=1e-9)
    past = pd.DataFrame({"frequency": [1], "recency": [10.0], "T": [31.0]})
    october = TRUTH.operational_summary(past, as_of=AS_OF)
    assert october["T"].item() == pytest.approx(31 * TRUTH.values[9])
    assert october["recency"].item() == pytest.approx(10 * TRUTH.values[9])


def test_what_cannot_be_a_season_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="is 12 numbers > 0, got 2"):
        SeasonalIndex.given("month", [1.0, 2.0])
    with pytest.raises(UsageError, match="is 12 numbers > 0"):
        SeasonalIndex.given("month", [0.0] * 12)
    with pytest.raises(UsageError, match=r"period=.* must be one of month, week"):
        SeasonalIndex.given("decade", [1.0])  # type: ignore[arg-type]
    days = pd.Series(pd.date_range("2023-01-01", "2024-06-30"))
    with pytest.raises(NotEnoughData, match="cover 18 whole seasons"):
        SeasonalIndex.from_purchases(days)
    with pytest.raises(NotEnoughData, match="no purchase to learn"):
        SeasonalIndex.from_purchases(days[:0])
    with pytest.raises(NotEnoughData, match="Month 7 of the year has no purchase"):
        SeasonalIndex.from_purchases(
            pd.Series([day for day in pd.date_range("2021-01-01", "2023-12-31") if day.month != 7])
        )
    with pytest.raises(UsageError, match="must be a number of days >= 0"):
        TRUTH.operational_days(AS_OF, -1)
