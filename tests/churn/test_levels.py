"""Is the level of churn taken from the most comparable window?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.churn.candidates import CANDIDATES, fit_all
from crm_analytics.churn.known import THEORY
from crm_analytics.churn.levels import Levels, fit_levels, level_of_rows
from crm_analytics.churn.training import MAX_CUTOFFS, _cutoffs
from crm_analytics.modelling.cutoffs import months_before
from crm_analytics.modelling.logistic import sigmoid

MONTHS = tuple(months_before(date(2024, 1, 15), months) for months in range(18, 2, -1))


def test_the_level_is_that_of_the_season_moved_by_half_of_the_years_change() -> None:
    # 2022-07-15 .. 2023-10-15: high in January, and 0.4 higher in the second year
    values = tuple((1.0 if day.month == 1 else 0.0) + (0.4 if day.year == 2023 else 0.0) for day in MONTHS)
    levels = Levels(MONTHS, values)
    assert MONTHS[-1] == date(2023, 10, 15)
    # the January before stood at 1.4; October rose by 0.4 within a year
    assert levels.expected(date(2024, 1, 15)) == pytest.approx(1.4 + 0.5 * 0.4)


@pytest.mark.parametrize(
    ("days", "values", "expected"),
    [
        ((), (), 0.0),
        ((date(2023, 10, 15),), (0.7,), 0.7),
        # the season is known, its change is not
        ((date(2023, 1, 15), date(2023, 10, 15)), (-1.0, 0.7), -0.15),
        # a month away from the season is another season
        ((date(2023, 2, 15), date(2023, 10, 15)), (-1.0, 0.7), 0.7),
    ],
)
def test_a_shorter_history_gives_what_it_can(
    days: tuple[date, ...], values: tuple[float, ...], expected: float
) -> None:
    assert Levels(days, values).expected(date(2024, 1, 15)) == pytest.approx(expected)


def test_with_its_level_each_cutoff_expects_what_came() -> None:
    draw = np.random.default_rng(1)
    table = pd.DataFrame({"as_of": pd.to_datetime(["2023-01-01"] * 300 + ["2023-02-01"] * 100)})
    log_odds = draw.normal(size=400)
    outcome = (draw.random(400) < np.where(np.arange(400) < 300, 0.2, 0.7)).astype(float)
    outcome[300:] = 1.0
    levels = fit_levels(table, outcome, log_odds)
    chances = 1.0 / (1.0 + np.exp(-(log_odds + level_of_rows(table, levels))))
    assert chances[:300].sum() == pytest.approx(outcome[:300].sum())
    # where everybody left, half an event is held back
    assert chances[300:].sum() == pytest.approx(99.5)


def test_levels_survive_json() -> None:
    levels = Levels((date(2023, 1, 1),), (0.25,))
    assert Levels.from_list(levels.to_list()) == levels


def test_a_long_history_is_thinned_and_keeps_the_season_and_the_year_of_the_last_window() -> None:
    for horizon_days in (30, 90, 180):
        days = [one.as_of for one in _cutoffs(date(2015, 1, 1), date(2025, 7, 1), horizon_days)]
        assert len(days) <= MAX_CUTOFFS
        assert date(2024, 7, 1) in days
        assert months_before(days[-1], 12) in days
    short = _cutoffs(date(2024, 1, 1), date(2025, 7, 1), 90)
    assert len(short) == 10


def test_a_season_that_was_never_seen_takes_theorys_level_and_the_seen_part_of_the_gap() -> None:
    days = (date(2024, 10, 1), date(2024, 11, 1), date(2024, 12, 1))
    christmas = Levels(days, (-0.4, -0.6, -0.8), (0.1, 0.0, 0.2))
    # 92 days of a year were seen; there as few left as 0.7 below theory
    assert christmas.expected(date(2025, 1, 1)) == pytest.approx(0.2 - 0.7 * 92 / 365)
    assert Levels(days, christmas.values).expected(date(2025, 1, 1)) == -0.8  # without theory the last
    # a year later the season is known, and speaks for itself
    assert christmas.expected(date(2025, 10, 1)) == pytest.approx((-0.4 - 0.8) / 2)
    assert Levels.from_list(christmas.to_list()) == christmas
    assert Levels.from_list(Levels(days, christmas.values).to_list()).theory == ()


def test_a_model_that_learned_from_christmas_does_not_expect_it_in_january() -> None:
    draw = np.random.default_rng(2)
    rows = []
    for day, level in (("2024-10-01", -1.2), ("2024-11-01", -1.2)):
        x = draw.normal(size=400)
        left = draw.random(400) < sigmoid(x + level)
        rows.append(pd.DataFrame({"as_of": pd.Timestamp(day), "churned": left.astype(int), THEORY: x}))
    table = pd.concat(rows, ignore_index=True).assign(customer_id="c", days_since_last_order=9.0)
    january = pd.DataFrame({THEORY: draw.normal(size=400), "days_since_last_order": 9.0})
    for name, fitted in fit_all(table, seed=0).items():
        if not CANDIDATES[name].is_baseline:
            found = sigmoid(fitted.log_odds(january) + fitted.levels.expected(date(2025, 1, 1))).mean()
            seen = sigmoid(fitted.log_odds(january) + fitted.levels.values[-1]).mean()
            assert seen < 0.33 < 0.4 < found < 0.5, name
