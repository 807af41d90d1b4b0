"""Is this a day that a question can be asked about?  The one check of ``as_of`` for the whole library."""

from __future__ import annotations

from datetime import date, datetime

from crm_analytics.errors import UsageError


def check_day(as_of: object) -> None:
    """Refuse what is no day: a text, a moment, nothing. `Warehouse` asks it of every query about a day.

    Parameters
    ----------
    as_of : object
        What somebody gave for a day.

    Raises
    ------
    UsageError
        It is no `datetime.date`, or one with a time.

    Examples
    --------
    >>> check_day("2025-07-01")
    Traceback (most recent call last):
    crm_analytics.errors.UsageError: as_of='2025-07-01' is no day: a datetime.date is expected, not str; ...
    """
    if not isinstance(as_of, date) or isinstance(as_of, datetime):
        kind = type(as_of).__name__
        raise UsageError(
            f"as_of={as_of!r} is no day: a datetime.date is expected, not {kind}; give as_of=date(2025, 7, 1)"
        )
