"""When does the invented company live?  Its three years, and how its systems write dates.

A moment is a whole number of seconds of wall-clock time (Europe/Berlin) since 2022-07-01 00:00, a day a
whole number of days since then; both may be negative. Nothing happens between 0 and 6 o'clock, so no moment
falls into the hour that a change of the clock skips or repeats.
"""

from __future__ import annotations

from datetime import date, timedelta

FIRST_DAY = date(2022, 7, 1)
AS_OF = date(2025, 7, 1)
DAY = 86_400
DAY_COUNT = (AS_OF - FIRST_DAY).days
END = DAY_COUNT * DAY

# How much is bought in each month against an average one, January first.
SEASON = (0.80, 0.82, 0.95, 1.00, 0.95, 0.88, 0.80, 0.82, 0.98, 1.10, 1.60, 1.75)
_MONTH_OF_DAY = tuple((FIRST_DAY + timedelta(days=day)).month for day in range(DAY_COUNT + 62))


def day_of(when: date) -> int:
    """Return the number of a calendar day.

    Examples
    --------
    >>> day_of(date(2022, 7, 2))
    1
    """
    return (when - FIRST_DAY).days


def calendar_day(day: int) -> date:
    """Return the calendar day of a day number."""
    return FIRST_DAY + timedelta(days=day)


def day_text(day: int | None) -> str:
    """Write a day as ISO 8601; empty for None."""
    return "" if day is None else calendar_day(day).isoformat()


def moment_text(at: int | None) -> str:
    """Write a moment as ISO 8601 local time; empty for None.

    Examples
    --------
    >>> moment_text(86_400 + 3_661)
    '2022-07-02 01:01:01'
    """
    if at is None:
        return ""
    day, second = divmod(at, DAY)
    return f"{day_text(day)} {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def awake(at: int) -> int:
    """Return a moment between 6 and 24 o'clock of the same day, never earlier; order is kept.

    Examples
    --------
    >>> awake(0) // 3_600, awake(12 * 3_600) // 3_600
    (6, 15)
    """
    day, second = divmod(at, DAY)
    return day * DAY + DAY // 4 + second * 3 // 4


def office_hour(at: int) -> int:
    """Return a moment between 9 and 18 o'clock of the same day.

    Examples
    --------
    >>> office_hour(0) // 3_600, office_hour(20 * 3_600) // 3_600
    (9, 11)
    """
    day, second = divmod(at, DAY)
    return day * DAY + 9 * 3_600 + second % (9 * 3_600)


def season(day: int) -> float:
    """Return how much is bought on a day against an average one (1 = average)."""
    return SEASON[_MONTH_OF_DAY[day] - 1]
