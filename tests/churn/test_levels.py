"""Is the level of churn taken from the most comparable window?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.churn.levels import Levels, fit_levels, level_of_rows
from crm_analytics.churn.training import MAX_CUTOFFS, _cutoffs
from crm_analytics.modelling.cutoffs import months_before

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
