"""Is every Jalali date the right day, by an implementation that is not ours?"""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from crm_analytics.normalise.calendar import (
    FIRST_YEAR,
    LAST_YEAR,
    LEAP_YEARS,
    MONTHS,
    days_to_jalali,
    jalali_to_days,
)
from crm_analytics.normalise.letters import fold_letters

# SHA-256 of "days since 1970-01-01,year,month,day" of every day from 1821-03-21 to 2122-03-20, a line each,
# as jdatetime 6 and persiantools 6 both convert them.
EVERY_DAY = "b770cdb4f21d9da93b117d8c0861c7149575d315aa1052f0cecb9c67f342ee49"


def test_every_day_of_three_centuries_is_what_two_other_implementations_say() -> None:
    days = np.arange(np.datetime64("1821-03-21"), np.datetime64("2122-03-21"), dtype="datetime64[D]")
    parts = days_to_jalali(days)
    rows = zip(days.astype(int).tolist(), *(part.tolist() for part in parts), strict=True)
    text = "\n".join(",".join(map(str, row)) for row in rows)
    assert hashlib.sha256(text.encode()).hexdigest() == EVERY_DAY
    assert np.array_equal(jalali_to_days(*parts), days)


@pytest.mark.parametrize(
    ("jalali", "day"),
    [
        ((1357, 11, 22), "1979-02-11"),
        ((1375, 12, 30), "1997-03-20"),
        ((1399, 12, 30), "2021-03-20"),
        ((1403, 1, 1), "2024-03-20"),
        ((1403, 5, 12), "2024-08-02"),
        ((1404, 1, 1), "2025-03-21"),
        ((1408, 12, 30), "2030-03-20"),
    ],
)
def test_known_days(jalali: tuple[int, int, int], day: str) -> None:
    year, month, of_month = jalali
    assert str(jalali_to_days([year], [month], [of_month])[0]) == day


@pytest.mark.parametrize(
    "jalali",
    [(1404, 12, 30), (1403, 7, 31), (1403, 0, 1), (1403, 13, 1), (1403, 1, 0), (1403, 1, 32), (1199, 1, 1)],
)
def test_date_that_does_not_exist_is_no_day(jalali: tuple[int, int, int]) -> None:
    year, month, day = jalali
    assert np.isnat(jalali_to_days([year], [month], [day])[0])


def test_days_outside_the_table_have_no_jalali_date() -> None:
    days = np.array(["1821-03-20", "2122-03-21", "NaT"], dtype="datetime64[D]")
    assert [part.tolist() for part in days_to_jalali(days)] == [[0, 0, 0]] * 3


def test_leap_years_are_those_of_the_rule_that_the_sql_uses() -> None:
    by_rule = [year for year in range(FIRST_YEAR, LAST_YEAR + 1) if (8 * year + 29) % 33 < 8]
    assert list(LEAP_YEARS) == by_rule


def test_every_month_has_its_names_in_folded_letters() -> None:
    assert set(MONTHS.values()) == set(range(1, 13))
    assert all(fold_letters(name) == name for name in MONTHS)
