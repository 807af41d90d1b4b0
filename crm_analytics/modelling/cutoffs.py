"""At which past days can a prediction be trained and judged?  Cutoffs that walk forward in time.

A cutoff is a day on which we pretend to stand: features use what happened before ``as_of``, the label is
what happened in ``[as_of, as_of + horizon_days)``. A cutoff may be used for a model of day d only when its
label window has ended by d, so that the model could really have been trained then.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count

from crm_analytics.errors import UsageError


@dataclass(frozen=True, order=True)
class Cutoff:
    """A past day to learn from.

    Attributes
    ----------
    as_of : date
        First day not seen by the features; first day of the label window.
    horizon_days : int
        Length of the label window in days, at least 1.

    Examples
    --------
    >>> Cutoff(date(2024, 1, 1), 90).until_on
    datetime.date(2024, 3, 31)
    """

    as_of: date
    horizon_days: int

    def __post_init__(self) -> None:
        if self.horizon_days < 1:
            raise UsageError(f"horizon_days={self.horizon_days}: a label window needs at least one day.")

    @property
    def until_on(self) -> date:
        """First day after the label window."""
        return self.as_of + timedelta(days=self.horizon_days)


def rolling_cutoffs(
    *, end_on: date, horizon_days: int, first_on: date, step_days: int | None = None, max_count: int = 8
) -> tuple[Cutoff, ...]:
    """Return cutoffs whose label windows end at or before a day, oldest first.

    Parameters
    ----------
    end_on : date
        No label window reaches beyond this day (it is the first day after the last window).
    horizon_days : int
        Length of the label window in days.
    first_on : date
        No cutoff lies before this day (there would be nothing to know).
    step_days : int, optional
        Days between cutoffs; default is `horizon_days`, so that windows do not overlap.
    max_count : int, default 8
        At most so many, the latest.

    Returns
    -------
    tuple of Cutoff
        Empty when no window fits.

    Examples
    --------
    >>> days = rolling_cutoffs(end_on=date(2024, 4, 1), horizon_days=30, first_on=date(2024, 1, 15))
    >>> [str(cutoff.as_of) for cutoff in days]
    ['2024-02-01', '2024-03-02']
    """
    step = horizon_days if step_days is None else step_days
    if step < 1 or max_count < 1:
        raise UsageError(f"step_days={step} and max_count={max_count} must both be at least 1.")
    last = Cutoff(end_on - timedelta(days=horizon_days), horizon_days)
    fitting = []
    for number in range(max_count):
        as_of = last.as_of - timedelta(days=number * step)
        if as_of < first_on:
            break
        fitting.append(Cutoff(as_of, horizon_days))
    return tuple(reversed(fitting))


def monthly_cutoffs(
    *, end_on: date, horizon_days: int, first_on: date, max_months: int
) -> tuple[Cutoff, ...]:
    """Return cutoffs a calendar month apart, counted back from a day, whose label windows end by it.

    The cutoff twelve places before another is the same day of the year before: the same season. Windows
    longer than a month overlap.

    Parameters
    ----------
    end_on : date
        No label window reaches beyond this day.
    horizon_days : int
        Length of the label window in days.
    first_on : date
        No cutoff lies before this day.
    max_months : int
        No cutoff lies more months before `end_on`.

    Returns
    -------
    tuple of Cutoff
        Oldest first; empty when no window fits. The 31st becomes the last day of a shorter month.

    Examples
    --------
    >>> since = date(2024, 1, 1)
    >>> days = monthly_cutoffs(end_on=date(2024, 5, 31), horizon_days=45, first_on=since, max_months=9)
    >>> [str(cutoff.as_of) for cutoff in days]
    ['2024-01-31', '2024-02-29', '2024-03-31']
    """
    fitting = []
    for months in count(1):
        cutoff = Cutoff(months_before(end_on, months), horizon_days)
        if months > max_months or cutoff.as_of < first_on:
            break
        if cutoff.until_on <= end_on:
            fitting.append(cutoff)
    return tuple(reversed(fitting))


def months_before(day: date, month_count: int) -> date:
    """Return the same day of the month so many months before, or the last day of a shorter month.

    Examples
    --------
    >>> months_before(date(2024, 3, 31), 1)
    datetime.date(2024, 2, 29)
    """
    year, month = divmod(day.year * 12 + day.month - 1 - month_count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
