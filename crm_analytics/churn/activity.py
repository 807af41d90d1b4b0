"""After how long a silence has a customer left?  The pause that hardly anybody ends, as the data give it.

A customer is active who bought in the `active_days` before a day. Not given, they are the length that 95 of
100 pauses between a customer's purchase days do not exceed, but not less than the horizon, and 365 where
nobody came back. Odd customers (a test account that buys every day) are left out of the count. The churn
model, win-back and the rates of leaving all ask here, so that whoever is not scored has left, and who has
not left is scored.
"""

from __future__ import annotations

from datetime import date, datetime

from crm_analytics.churn.kinds import kind_of
from crm_analytics.warehouse import SqlFile, Warehouse

UNKNOWN_DAYS = 365


def active_days(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int,
    given: int | None = None,
    known_at: datetime | None = None,
) -> int:
    """Return `given`, or the active days that the purchases before `as_of` show.

    Examples
    --------
    >>> wh = Warehouse.open()
    >>> active_days(wh, as_of=date(2024, 1, 1), horizon_days=90)
    365
    >>> active_days(wh, as_of=date(2024, 1, 1), horizon_days=90, given=120)
    120
    """
    if given is not None:
        return given
    kind = kind_of("purchase")
    history = kind.history(wh, as_of=as_of, known_at=known_at)
    odd = frozenset(history["customer_id"][kind.odd(history)])
    return purchases_show(wh, as_of=as_of, horizon_days=horizon_days, known_at=known_at, odd=odd)[1]


def purchases_show(
    wh: Warehouse, *, as_of: date, horizon_days: int, known_at: datetime | None, odd: frozenset[str]
) -> tuple[date | None, int]:
    """Return the first purchase day, None without any, and the active days."""
    file = SqlFile.beside(__file__, "history.sql")
    first_on, _customers, _gaps, usual = wh.rows(file, as_of=as_of, known_at=known_at, odd=sorted(odd))[0]
    return first_on, max(horizon_days, usual or UNKNOWN_DAYS)
