"""Which local times of a time zone do not exist, and which happen twice?  (Changes to and from summer time.)

Times are naive local datetimes; zones are IANA names of the ``zoneinfo`` module.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@cache
def odd_local_times(
    timezone: str, first_year: int, last_year: int
) -> tuple[tuple[Literal["nonexistent_time", "ambiguous_time"], datetime, datetime], ...]:
    """Return the stretches of local time that a zone skips or repeats, in order.

    Parameters
    ----------
    timezone : str
        IANA name.
    first_year, last_year : int
        Years to look at, both included.

    Returns
    -------
    tuple of (kind, start, end)
        Half-open local stretches ``[start, end)``.

    Examples
    --------
    >>> [(kind, str(start), str(end)) for kind, start, end in odd_local_times("Europe/Berlin", 2024, 2024)]
    [('nonexistent_time', '2024-03-31 02:00:00', '2024-03-31 03:00:00'),
     ('ambiguous_time', '2024-10-27 02:00:00', '2024-10-27 03:00:00')]
    """
    zone = ZoneInfo(timezone)
    found: list[tuple[Literal["nonexistent_time", "ambiguous_time"], datetime, datetime]] = []
    day = datetime(first_year, 1, 1, tzinfo=UTC)
    while day < datetime(last_year + 1, 1, 1, tzinfo=UTC):
        if _offset(day, zone) != _offset(day + _DAY, zone):
            change = _change(day, day + _DAY, zone)
            before = (change + _offset(change - _SECOND, zone)).replace(tzinfo=None)
            after = (change + _offset(change, zone)).replace(tzinfo=None)
            if after > before:
                found.append(("nonexistent_time", before, after))
            else:
                found.append(("ambiguous_time", after, before))
        day += _DAY
    return tuple(found)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second at which the offset differs from that at `low`."""
    before = _offset(low, zone)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=int((high - low).total_seconds() // 2))
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high
