"""Which day is a Jalali date, and which Jalali date is a day?  The Iranian calendar, 1200 to 1500.

The year begins on the day whose noon in Tehran (meridian 52.5 degrees east) follows the vernal equinox; so
a leap year, which ends on 30 Esfand, is a matter of astronomy, not of a cycle. The table agrees, in every
year, with equinoxes computed after Meeus (Astronomical Algorithms, 1998, chapter 27) and with two
independent implementations; the first year in which those differ is 1502, where the equinox falls too near
to noon. Days are whole days since 1970-01-01, or numpy ``datetime64[D]``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_YEAR, LAST_YEAR = 1200, 1500

LEAP_YEARS = (
    1201, 1205, 1210, 1214, 1218, 1222, 1226, 1230, 1234, 1238, 1243, 1247, 1251, 1255, 1259, 1263, 1267,
    1271, 1276, 1280, 1284, 1288, 1292, 1296, 1300, 1304, 1309, 1313, 1317, 1321, 1325, 1329, 1333, 1337,
    1342, 1346, 1350, 1354, 1358, 1362, 1366, 1370, 1375, 1379, 1383, 1387, 1391, 1395, 1399, 1403, 1408,
    1412, 1416, 1420, 1424, 1428, 1432, 1436, 1441, 1445, 1449, 1453, 1457, 1461, 1465, 1469, 1474, 1478,
    1482, 1486, 1490, 1494, 1498,
)  # fmt: skip

_MONTH_NAMES = (
    ("فروردین", "farvardin"),
    ("اردیبهشت", "ordibehesht"),
    ("خرداد", "khordad"),
    ("تیر", "tir"),
    ("مرداد", "امرداد", "mordad"),
    ("شهریور", "shahrivar"),
    ("مهر", "mehr"),
    ("ابان", "aban"),
    ("اذر", "azar"),
    ("دی", "dey", "dei"),
    ("بهمن", "bahman"),
    ("اسفند", "esfand"),
)
# Name of a month -> its number. Letters as `crm_analytics.normalise.letters` folds them.
MONTHS: MappingProxyType[str, int] = MappingProxyType(
    {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names}
)

_FIRST_NOWRUZ = -54_342  # 1 Farvardin 1200 = 1821-03-21
Integers = npt.NDArray[np.int64]


def _new_year_days() -> Integers:
    """Return the day of 1 Farvardin of every year from the first to the one after the last."""
    lengths = np.full(LAST_YEAR - FIRST_YEAR + 1, 365, dtype=np.int64)
    lengths[np.array(LEAP_YEARS) - FIRST_YEAR] += 1
    return np.concatenate(([_FIRST_NOWRUZ], _FIRST_NOWRUZ + np.cumsum(lengths)))


NEW_YEAR_DAYS: Integers = _new_year_days()


def jalali_to_days(year: npt.ArrayLike, month: npt.ArrayLike, day: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return the Gregorian days of Jalali dates.

    Parameters
    ----------
    year, month, day : array_like of int, shape (n,)
        Parts of the dates.

    Returns
    -------
    ndarray of datetime64[D], shape (n,)
        NaT where there is no such date (30 Esfand of a common year, a year outside 1200 to 1500).

    Examples
    --------
    >>> jalali_to_days([1403, 1403, 1404], [5, 12, 12], [12, 30, 30])
    array(['2024-08-02', '2025-03-20',        'NaT'], dtype='datetime64[D]')
    """
    year, month, day = (np.asarray(part, dtype=np.int64) for part in (year, month, day))
    is_year = (year >= FIRST_YEAR) & (year <= LAST_YEAR)
    at = np.where(is_year, year - FIRST_YEAR, 0)
    before = np.where(month <= 7, (month - 1) * 31, 186 + (month - 7) * 30)
    length = np.where(month <= 6, 31, 30)
    number = NEW_YEAR_DAYS[at] + before + day - 1
    is_date = is_year & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length)
    is_date &= number < NEW_YEAR_DAYS[at + 1]
    return np.where(is_date, number.astype("datetime64[D]"), np.datetime64("NaT", "D"))


def days_to_jalali(dates: npt.ArrayLike) -> tuple[Integers, Integers, Integers]:
    """Return year, month and day of the Jalali dates of Gregorian days.

    Parameters
    ----------
    dates : array_like of datetime64[D], shape (n,)
        Days; NaT gives 0, 0, 0, as does a day outside the years 1200 to 1500.

    Examples
    --------
    >>> [part.tolist() for part in days_to_jalali(np.array(["2024-08-02", "NaT"], "datetime64[D]"))]
    [[1403, 0], [5, 0], [12, 0]]
    """
    given = np.asarray(dates, dtype="datetime64[D]")
    number = np.where(np.isnat(given), NEW_YEAR_DAYS[0] - 1, given.astype(np.int64))
    is_known = (number >= NEW_YEAR_DAYS[0]) & (number < NEW_YEAR_DAYS[-1])
    at = np.clip(np.searchsorted(NEW_YEAR_DAYS, number, side="right") - 1, 0, LAST_YEAR - FIRST_YEAR)
    of_year = number - NEW_YEAR_DAYS[at]
    is_early = of_year < 186
    month = np.where(is_early, of_year // 31 + 1, (of_year - 186) // 30 + 7)
    day = np.where(is_early, of_year % 31 + 1, (of_year - 186) % 30 + 1)
    year, month, day = (np.where(is_known, part, 0) for part in (at + FIRST_YEAR, month, day))
    return year, month, day
