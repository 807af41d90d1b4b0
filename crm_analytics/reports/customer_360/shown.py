"""How does a customer look, on a terminal and in a notebook?  The same sections as text and as HTML.

Values come from outside. As text, characters that act on a terminal are written as ``\\x1b`` and the like;
as HTML everything is escaped by the template.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics.reports.customer_360.timeline import unconverted
from crm_analytics.reports.words import count

if TYPE_CHECKING:
    from crm_analytics.reports.customer_360.view import Customer

_EVENTS_SHOWN = 20
_ROWS_SHOWN = 10
_SIGNS_SHOWN = 100


@dataclass(frozen=True)
class Section:
    """One table of the view.

    Attributes
    ----------
    title : str
        Its heading, with what its rows add up to.
    columns : tuple of str
        Names of the columns.
    rows : tuple of tuple of str
        Cells, formatted but not escaped.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(one: Customer) -> tuple[Section, ...]:
    """Return what is shown of a customer, in order; sections that would be empty are left out."""
    return tuple(section for section in _all_sections(one) if section.rows)


def as_text(one: Customer) -> str:
    """Return the view as plain text."""
    lines = [headline(one), ""]
    for section in sections(one):
        rows = [section.columns, *section.rows]
        shown = [[visible(_cut(cell)) for cell in row] for row in rows]
        widths = [max(len(row[place]) for row in shown) for place in range(len(section.columns))]
        lines.append(visible(section.title))
        for row in shown:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            lines.append(f"  {'  '.join(cells)}".rstrip())
        lines.append("")
    return "\n".join(lines)


def as_html(one: Customer) -> str:
    """Return the view as HTML that stands by itself: styles inline, no script, nothing loaded."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("customer.html.j2")
    return template.render(headline=headline(one), facts=_tiles(one), sections=sections(one))


def headline(one: Customer) -> str:
    """Return one line that says who it is: the id, the name where it is known, and the day."""
    name = next((str(field.value) for field in one.identity.fields if field.name == "name"), "")
    unknown = "" if one.identity.records or one.timeline or one.deals.open else "not known yet on that day"
    return visible(" · ".join(filter(None, (one.customer_id, name, f"as of {one.as_of}", unknown))))


def visible(text: str) -> str:
    r"""Return text in which no character acts on a terminal.

    Examples
    --------
    >>> print(visible("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in "\u200c\u200d"
        else char
        for char in text
    )


def _tiles(one: Customer) -> list[tuple[str, str]]:
    """What a person who picks up the phone wants to know first."""
    open_tickets = sum(not row["is_resolved"] for row in one.tickets)
    risk = _share(one.scores.get("churn_probability"))
    open_amount = _money(one.deals.open_amount, one.currency)
    return [
        ("stage of life", _words(one.lifecycle.state) if one.lifecycle.state else "– (no night of that day)"),
        ("purchases", f"{one.orders.purchase_count:,}{_without(one.orders.unconverted, ' and')}"),
        ("net spend", _money(one.orders.net_amount, one.currency) + _unpriced(one)),
        ("last order", _cell(one.orders.last_on)),
        (
            "open deals",
            f"{one.deals.open_count:,} ({open_amount}){_without(one.deals.unconverted, ', of which')}",
        ),
        ("in the funnel", _words(one.deals.funnel_stage)),
        ("open tickets", f"{open_tickets:,} of {len(one.tickets):,}"),
        ("risk of leaving", f"{risk} {one.scores.get('risk_band') or ''}".strip()),
    ]


def _all_sections(one: Customer) -> Iterator[Section]:
    yield Section("At a glance", ("what", "now"), tuple(_tiles(one)))
    records = ", ".join(row["record_id"] for row in one.identity.records)
    yield Section(
        f"Identity: {count(len(one.identity.records), 'source record')}"
        + (f" ({records})" if records else ""),
        ("field", "value", "told by"),
        tuple((_words(f.name), _cell(f.value), f.told_by or "newest record") for f in one.identity.fields),
    )
    yield _table(
        "Consents, newest first",
        one.consents,
        {
            "channel": "channel",
            "purpose": "purpose",
            "is_granted": "granted",
            "decided_on": "since",
            "is_last": "holds",
        },
    )
    yield Section("Scores", ("score", "value"), tuple(_scores(one)))
    yield _table(
        "Offers, best first",
        one.offers,
        {
            "product_id": "product",
            "probability": "probability",
            "expected_value": _in(one, "expected"),
            "reason": "why",
        },
    )
    yield _table(
        "States of life, as the nights saw them",
        [{**row, "lifecycle_state": _words(row["lifecycle_state"])} for row in one.lifecycle.transitions],
        {
            "lifecycle_state": "state",
            "since_on": "since",
            "first_night_on": "first night",
            "last_night_on": "last night",
        },
    )
    yield _table(
        f"Open deals ({one.deals.won_count} won and {one.deals.lost_count} lost before)",
        one.deals.open,
        {
            "opportunity_id": "deal",
            "name": "title",
            "stage": "stage",
            "amount": _in(one, "amount"),
            "source_amount": "as written",
            "currency": "currency",
            "created_on": "opened",
        },
    )
    bought = count(one.orders.purchase_count, "purchase")
    orders = f"{bought}, net {_money(one.orders.net_amount, one.currency)}"
    yield _table(
        f"Orders, newest first: {orders}",
        [{**row, "net_amount": unconverted(row) or row["net_amount"]} for row in one.orders.last],
        {
            "order_id": "order",
            "ordered_on": "day",
            "net_amount": _in(one, "net"),
            "returned_amount": _in(one, "returned"),
            "line_count": "lines",
        },
    )
    yield _table(
        "Orders without a rate, in no sum, newest first",
        one.orders.unconverted,
        {"order_id": "order", "ordered_on": "day", "source_amount": "as written", "currency": "currency"},
    )
    yield _table(
        "Contracts",
        one.contracts,
        {
            "contract_id": "contract",
            "started_on": "began",
            "ends_on": "ends",
            "period_amount": _in(one, "per period"),
            "agreed_amount": "as agreed",
            "currency": "currency",
            "is_active": "active",
        },
    )
    yield _table(
        "Tickets, newest first",
        one.tickets,
        {
            "ticket_id": "ticket",
            "opened_on": "opened",
            "kind": "kind",
            "category": "category",
            "subject": "subject",
            "status": "status",
            "resolved_on": "resolved",
        },
    )
    yield _table(
        "Campaigns, newest first",
        one.campaign_contacts,
        {
            "campaign_id": "campaign",
            "contacted_on": "day",
            "is_control": "held out",
            "responded_on": "responded",
        },
    )
    last = tuple(reversed(one.timeline[-_EVENTS_SHOWN:]))
    yield Section(
        f"Timeline: the last {len(last)} of {count(len(one.timeline), 'event')}, newest first",
        ("day", "what", "", _in(one, "amount"), "source"),
        tuple((_cell(e.happened_on), e.kind, e.what, _cell(e.amount, ""), e.source) for e in last),
    )


def _scores(one: Customer) -> Iterator[tuple[str, str]]:
    scores = one.scores
    if not scores:
        return
    yield "segment", _cell(scores["segment"])
    for name in ("churn_probability", "probability_alive"):
        yield _words(name), _share(scores[name])
    yield "risk band", _cell(scores["risk_band"])
    for name in ("reason_1", "reason_2", "reason_3"):
        if scores[name]:
            yield f"because ({name[-1]})", scores[name]
    if scores["contract_churn_probability"] is not None:
        risk, why = _share(scores["contract_churn_probability"]), scores["contract_reason"]
        yield (
            "risk that no contract is left",
            f"{risk}, {scores['contract_risk_band']}{f': {why}' if why else ''}",
        )
    for name in ("lifetime_revenue", "lifetime_value"):
        yield _words(name), _money(scores[name], one.currency)
    yield "marketing", "opted out" if scores["has_opted_out"] else "not opted out"


def _table(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> Section:
    shown = tuple(tuple(_cell(row[name]) for name in columns) for row in rows[:_ROWS_SHOWN])
    more = f" (the first {_ROWS_SHOWN} of {len(rows):,})" if len(rows) > _ROWS_SHOWN else ""
    return Section(title + more, tuple(columns.values()), shown)


def _cell(value: Any, missing: str = "–") -> str:
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, float):
        return f"{value:,.3f}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _cut(text: str) -> str:
    """Shorten a text that would make a line of the terminal too long."""
    return text if len(text) <= _SIGNS_SHOWN else f"{text[: _SIGNS_SHOWN - 1]}…"


def _money(value: Decimal | float | None, currency: str | None) -> str:
    return "–" if value is None else f"{value:,.2f} {currency or ''}".strip()


def _unpriced(one: Customer) -> str:
    """Say which orders are in no sum, and why."""
    if not one.orders.unpriced_count:
        return ""
    why = "no known price or rate" if one.currency else "no reporting currency is set (crm.toml)"
    return f", without {count(one.orders.unpriced_count, 'order')}: {why}"


def _in(one: Customer, name: str) -> str:
    """Name a column of amounts in the reporting currency."""
    return f"{name} {one.currency or ''}".strip()


def _without(rows: Sequence[Mapping[str, Any]], joined: str) -> str:
    """Say what is in no sum: rows whose currency has no rate, added up by currency."""
    if not rows:
        return ""
    sums: dict[str, Decimal] = {}
    for row in rows:
        name = row["currency"] or "of no currency"
        sums[name] = sums.get(name, Decimal(0)) + row["source_amount"]
    told = ", ".join(f"{amount:,.2f} {name}" for name, amount in sorted(sums.items()))
    return f"{joined} {len(rows):,} not converted ({told})"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _words(text: str | None) -> str:
    return text.replace("_", " ") if text else "–"
