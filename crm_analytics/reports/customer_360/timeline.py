"""What happened to one customer, in order, and which row says so?

Days, not times: facts know business days. On one day the order is that of `_KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from crm_analytics.reports.words import count

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes
    ----------
    happened_on : date
        Business day.
    kind : str
        order, return, ticket opened, deal won ...
    what : str
        In words.
    amount : Decimal | None
        Reporting currency, where there is one.
    source : str
        What tells it: its fact, and the id there; of a campaign's contact the campaign, of a consent what it
        is about, for these have no id of their own.
    """

    happened_on: date
    kind: str
    what: str
    amount: Decimal | None
    source: str


def _words(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part not in (None, ""))


def _titled(title: str | None, *words: Any) -> str:
    return ": ".join(filter(None, (_words(*words), title)))


@dataclass(frozen=True)
class _Kind:
    """A kind of event: which rows tell it, on which day, and by which columns (parted by blanks)."""

    section: str
    name: str
    day: str
    key: str
    what: Callable[[Row], str]
    amount: str | None = None


_KINDS = (
    _Kind("leads", "lead came in", "created_on", "lead_id", lambda r: _words("by", r["lead_source"])),
    _Kind("records", "record created", "known_on", "record_id", lambda r: _words("in", r["source_system"])),
    _Kind("leads", "lead converted", "converted_on", "lead_id", lambda r: ""),
    _Kind(
        "consents",
        "consent",
        "decided_on",
        "channel purpose",
        lambda r: _words(r["channel"], r["purpose"], "given" if r["is_granted"] else "withdrawn"),
    ),
    _Kind(
        "campaign_contacts",
        "campaign",
        "contacted_on",
        "campaign_id",
        lambda r: _words(r["campaign_id"], "held out" if r["is_control"] else "addressed"),
    ),
    _Kind(
        "campaign_contacts",
        "campaign response",
        "responded_on",
        "campaign_id",
        lambda r: _words(r["campaign_id"]),
    ),
    _Kind(
        "interactions",
        "contact",
        "occurred_on",
        "interaction_id",
        lambda r: _words(r["kind"], r["direction"], r["outcome"], r["page"]),
    ),
    _Kind("deals", "deal opened", "created_on", "opportunity_id", lambda r: _titled(r["name"])),
    _Kind(
        "deals",
        "deal closed",
        "closed_on",
        "opportunity_id",
        lambda r: _titled(r["name"], r["stage_kind"]),
        amount="amount",
    ),
    _Kind("contracts", "contract began", "started_on", "contract_id", lambda r: _words(r["product_id"])),
    _Kind(
        "contracts", "contract cancelled", "cancelled_on", "contract_id", lambda r: _words(r["cancel_kind"])
    ),
    _Kind(
        "orders",
        "order",
        "ordered_on",
        "order_id",
        lambda r: ", ".join(filter(None, ("" if r["is_purchase"] else "wholly returned", unconverted(r)))),
        amount="net_amount",
    ),
    _Kind(
        "unconverted_orders",
        "order",
        "ordered_on",
        "order_id",
        lambda r: unconverted(r),
    ),
    _Kind(
        "returns",
        "return",
        "returned_on",
        "return_id",
        lambda r: _words("of", r["order_id"]),
        amount="amount",
    ),
    _Kind("payments", "payment asked", "requested_on", "payment_id", lambda r: "", amount="amount"),
    _Kind(
        "payments",
        "payment made",
        "paid_on",
        "payment_id",
        lambda r: f"{count(r['days_late'], 'day')} late" if r["days_late"] else "",
        amount="amount",
    ),
    _Kind(
        "tickets",
        "ticket opened",
        "opened_on",
        "ticket_id",
        lambda r: _titled(r["subject"], r["kind"], r["category"]),
    ),
    _Kind(
        "tickets", "ticket resolved", "resolved_on", "ticket_id", lambda r: _titled(r["subject"], r["kind"])
    ),
    _Kind(
        "feedback",
        "feedback",
        "occurred_on",
        "feedback_id",
        lambda r: _words(
            r["kind"], None if r["score_rate"] is None else f"{r['score_rate']:.0%} of the scale"
        ),
    ),
    _Kind("tasks", "task given", "created_on", "task_id", lambda r: _words(r["kind"])),
    _Kind("tasks", "task done", "done_on", "task_id", lambda r: _words(r["kind"])),
    _Kind(
        "lifecycle", "became", "since_on", "lifecycle_state", lambda r: r["lifecycle_state"].replace("_", " ")
    ),
)


def unconverted(row: Row) -> str:
    """Say what of an order has no rate, as written; nothing where all of it is known.

    Examples
    --------
    >>> unconverted({"source_amount": Decimal(900), "currency": "IRR"})
    '900.00 IRR, not converted'
    """
    amount = row["source_amount"]
    return "" if amount is None else f"{amount:,.2f} {row['currency'] or ''}".strip() + ", not converted"


def timeline(rows: Mapping[str, Sequence[Row]]) -> tuple[Event, ...]:
    """Return the events in the rows of all sections, oldest first.

    Examples
    --------
    >>> order = {"order_id": "shop:1", "ordered_on": date(2025, 1, 2), "is_purchase": True}
    >>> order |= {"net_amount": Decimal(5), "source_amount": None}
    >>> [event] = timeline({"orders": [order]})
    >>> event.happened_on.isoformat(), event.kind, event.source
    ('2025-01-02', 'order', 'orders shop:1')
    """
    placed = sorted(_events(rows), key=lambda one: (one[1].happened_on, one[0], one[1].source))
    return tuple(event for _, event in placed)


def _events(rows: Mapping[str, Sequence[Row]]) -> Iterator[tuple[int, Event]]:
    for place, kind in enumerate(_KINDS):
        for row in rows.get(kind.section, ()):
            if row[kind.day] is not None:
                amount = row[kind.amount] if kind.amount else None
                source = _words(kind.section, *(row[name] for name in kind.key.split()))
                yield place, Event(row[kind.day], kind.name, kind.what(row), amount, source)
