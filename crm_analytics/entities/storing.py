"""How do the typed rows of one delivery and entity become versions?  `store_rows`, also used to tell anew.

Everything known of the rows must have been received before, or at the same moment: a delivery that comes late
is stored between what was received before and after it (`crm_analytics.entities.rewinding`).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from crm_analytics.entities import line_sql
from crm_analytics.entities import version_sql as sql
from crm_analytics.entities.digests import line_digest, repeat_digest
from crm_analytics.schema import Entity
from crm_analytics.warehouse import Warehouse, quote_ident

# Rows of one customer are stored side by side, so that one customer is read without reading everybody's: the
# database knows the smallest and the largest value of every 122,880 rows, and passes over those in vain.
_WHOSE = ("customer_source_id", "source_id")
# What another customer's line must agree in to be the same line, corrected.
_NUMBERS = ("QUANTITY", "MONEY", "AMOUNT", "CURRENCY")
# The amount of a document or payment, by entity: what is told where a later delivery gives another.
_AMOUNTS = ("total_amount", "amount")
# Which version a row of ops.repeats means: a record may give several rows.
_SAID_AGAIN = """ops.repeats as again
    join {versions} as version
        on version.load_id = again.version_load_id
        and version.record_number = again.version_record_number
        and cast(version.row_id & 4294967295 as uinteger) = again.row_part"""
_TEMPORARY = ("repeated", "lines", "stored", "told_now", "named", "known", "contested", "kept", "counting")


@dataclass(frozen=True)
class Delivery:
    """What is said of a delivery as a whole; the columns are those of ``ops/deliveries.sql``."""

    load_id: int
    source_system: str
    received_at: datetime
    repeats: Literal["merge", "keep"]


@dataclass(frozen=True)
class LinesTold:
    """What is to be said of lines without an id of their own.

    Attributes
    ----------
    corrections : int
        Those that were known of another customer, or of none, and are the same order.
    beside : int
        Those that another delivery of the same moment tells otherwise: both count.
    edits : int
        Those that were known otherwise, of the same customer: the new version counts.
    moved : int
        Those of the edits that were known of another day.
    used_again : int
        Those of which order number, customer and product are known of a day too far away to be the same
        order: both count.
    shared : int
        Those of which order number, product and time are known of another customer whose order is not the
        same line by line: both count.
    """

    corrections: int = 0
    beside: int = 0
    edits: int = 0
    moved: int = 0
    used_again: int = 0
    shared: int = 0

    def __add__(self, other: LinesTold) -> LinesTold:
        """Return the sums."""
        return LinesTold(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Replaced:
    """Events with an id of their own (orders, payments ...) that other deliveries told otherwise.

    Attributes
    ----------
    customers : int
        Those known of another customer, where both are named.
    customer_record : int
        One record of the delivery that says so; 0 where there is none.
    amounts : int
        Those of the same customer, or of none, known with another amount.
    amount_record : int
        As `customer_record`.
    """

    customers: int = 0
    customer_record: int = 0
    amounts: int = 0
    amount_record: int = 0

    def __add__(self, other: Replaced) -> Replaced:
        """Return the sums, with the records of the first."""
        return replace(self, customers=self.customers + other.customers, amounts=self.amounts + other.amounts)


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of one entity.

    Attributes
    ----------
    new : int
        Rows that nothing was known of.
    lines : LinesTold
        What is to be said of lines without an id of their own.
    differing : int
        Rows that several records of the delivery tell differently, for the same moment.
    differing_record : int
        A record that does so and that another of them contradicts; 0 where there is none.
    replaced : Replaced
        Rows that other deliveries know of another customer or amount.
    """

    new: int
    lines: LinesTold
    differing: int
    differing_record: int
    replaced: Replaced


def run(wh: Warehouse, delivery: Delivery, text: str) -> list[tuple[Any, ...]]:
    """Run one statement with those of the delivery's values that it names."""
    given = vars(delivery)
    return wh.rows(text, **{name: value for name, value in given.items() if f"${name}" in text})


def versions_table(declared: Entity) -> str:
    """Return the quoted name of an entity's table of versions."""
    return f"entities.{quote_ident(declared.name + '_versions')}"


def said_again(declared: Entity) -> str:
    """Return SQL for what loads said again of an entity: ``again``, joined with the ``version`` it means."""
    return _SAID_AGAIN.format(versions=versions_table(declared))


def store_rows(
    wh: Warehouse,
    declared: Entity,
    delivery: Delivery,
    *,
    staged: str,
    has_lines: bool,
    against: int | None = None,
    beside: str | None = None,
    is_decided: bool = False,
    former_row: str = "cast(null as uhugeint)",
) -> Outcome:
    """Store the rows of a staged table (`crm_analytics.entities.version_sql.STAGED`), once.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    declared, delivery : Entity, Delivery
        What is told, and by which delivery.
    staged : str
        Quoted name of the table; lines without an id get their ``row_id`` in it.
    has_lines : bool
        May the store hold lines without an id of their own, which these could repeat or edit?
    against : int, optional
        Tell of lines only what concerns those of this load. Default: of all.
    beside : str, optional
        Table of what was taken out and is told again later (`crm_analytics.entities.rewinding`): its lines of
        the same moment are parts of this delivery where orders are compared as a whole.
    is_decided : bool, default False
        Was that decided already, with another part of the same moment?
    former_row : str, default NULL
        Expression for the row that a line without an id was in before it was taken out.

    Returns
    -------
    Outcome
        The temporary table ``versions_contested`` is left: the rows of which more was known or told, for
        `find_current`; `forget` drops it.
    """
    versions = versions_table(declared)
    has = set(declared.column_names)
    modified = "staged.modified_at" if "modified_at" in has else "cast(null as timestamptz)"
    created = "staged.created_at" if "created_at" in has else "cast(null as timestamptz)"
    lines = LinesTold()
    if has_lines:
        lines = _match_lines(wh, declared, delivery, staged, against, beside, is_decided, former_row)
    run(wh, delivery, sql.REPEATED.format(staged=staged))
    differing = differing_record = 0
    if wh.rows("select 1 from versions_repeated where differs limit 1"):
        [(differing, first)] = run(wh, delivery, sql.DIFFERING.format(staged=staged, modified=modified))
        differing_record = first or 0
    if declared.repeat_key and not has_lines:
        _number_lines(wh, declared, delivery, staged)
    run(wh, delivery, sql.KNOWN.format(versions=versions, staged=staged, modified=modified))
    run(wh, delivery, sql.CONTESTED)
    replaced = Replaced()
    new = _insert(wh, declared, delivery, staged, sql.UNCONTESTED, "false", (modified, created))
    if wh.rows("select 1 from versions_contested limit 1"):
        run(wh, delivery, sql.KEPT.format(staged=staged, modified=modified, created=created))
        chosen = "join versions_kept as kept on kept.place = staged.rowid"
        since = (f"greatest({modified}, kept.returned_at)", "kept.created_at")
        _insert(wh, declared, delivery, staged, chosen, "kept.is_revision", since)
        run(wh, delivery, sql.SAID_AGAIN.format(entity=declared.name, staged=staged))
        replaced = _find_replaced(wh, declared, delivery, staged, against)
    return Outcome(new, lines, differing, differing_record, replaced)


def find_current(wh: Warehouse, declared: Entity, delivery: Delivery) -> None:
    """Find the current versions of the contested rows (`crm_analytics.entities.version_sql.CURRENT`)."""
    valid_from = "valid_from desc," if declared.kind == "state" else ""
    run(wh, delivery, sql.CURRENT.format(versions=versions_table(declared), valid_from=valid_from))


def forget(wh: Warehouse) -> None:
    """Drop the temporary tables of `store_rows`."""
    for name in _TEMPORARY:
        wh.execute(f"drop table if exists temp.versions_{name}")


def _insert(
    wh: Warehouse,
    declared: Entity,
    delivery: Delivery,
    staged: str,
    chosen: str,
    is_revision: str,
    since: tuple[str, str],
) -> int:
    time = f"coalesce({', '.join(since)}, $received_at) as valid_from"
    if declared.kind == "event":
        time = "cast(staged.occurred_at as date) as occurred_on"
    text = sql.INSERT.format(
        versions=versions_table(declared),
        staged=staged,
        is_revision=is_revision,
        time=time,
        columns=", ".join(f"staged.{quote_ident(name)}" for name in declared.column_names),
        chosen=chosen,
        side_by_side=next(
            (f"order by staged.{name}" for name in _WHOSE if name in declared.column_names), ""
        ),
    )
    return int(run(wh, delivery, text)[0][0])


def _find_replaced(
    wh: Warehouse, declared: Entity, delivery: Delivery, staged: str, against: int | None
) -> Replaced:
    """Count the events with an id of their own that change their customer or amount.

    A state changes: that is what its versions are for. An event happened once.
    """
    names = declared.column_names
    amount = next((name for name in _AMOUNTS if name in names), None)
    if declared.kind != "event" or "customer_source_id" not in names:
        return Replaced()
    has_id = f"staged.{quote_ident(declared.key[0])} is not null"
    text = sql.REPLACED.format(
        staged=staged,
        versions=versions_table(declared),
        whose="staged.customer_source_id",
        amount=f"staged.{quote_ident(amount)}" if amount else "cast(null as decimal(18, 4))",
        has_id=has_id,
    )
    given = {"load_id": delivery.load_id, "received_at": delivery.received_at, "against": against}
    [counts] = wh.rows(text, **given)
    return Replaced(*counts)


def _number_lines(wh: Warehouse, declared: Entity, delivery: Delivery, staged: str) -> None:
    """Give lines that come several times rows of their own, or none, where the store holds no lines."""
    if wh.rows("select 1 from versions_repeated limit 1"):
        key = quote_ident(declared.key[0])
        new_row = line_digest(declared, "unmatched.content_id", "unmatched.nth")
        run(wh, delivery, line_sql.NAMED_AFRESH.format(staged=staged, key=key, new_row=new_row))
        run(wh, delivery, line_sql.NAME.format(staged=staged))


def _match_lines(
    wh: Warehouse,
    declared: Entity,
    delivery: Delivery,
    staged: str,
    against: int | None,
    beside: str | None,
    is_decided: bool,
    former_row: str,
) -> LinesTold:
    """Find the row of every line without an id among those that the store holds; count what is told."""
    whose, moment = map(quote_ident, declared.repeat_agrees)
    numbers = ", ".join(quote_ident(one.name) for one in declared.columns if one.type in _NUMBERS)
    names = {
        "staged": staged,
        "key": quote_ident(declared.key[0]),
        "document": quote_ident(declared.repeat_key[0]),
        "whose": whose,
        "moment": moment,
        "numbers": f"hash({numbers})",
        "former_row": former_row,
    }
    run(wh, delivery, line_sql.LINES.format(**names))
    names |= {"entity": quote_ident(declared.name), "repeat_id": repeat_digest(declared)}
    run(wh, delivery, line_sql.STORED.format(**names))
    names["entity"] = declared.name
    run(wh, delivery, line_sql.TOLD_NOW.format(said_again=said_again(declared), entity=declared.name))
    if not is_decided:
        parts = "" if beside is None else line_sql.BESIDE.format(**names, undone=beside)
        run(
            wh,
            delivery,
            line_sql.CORRECTED.format(beside=parts, same_order_days=line_sql.SAME_ORDER_DAYS),
        )
    named = line_sql.NAMED.format(
        line_pairing=line_sql.PAIRING.format(line="distinct_lines"),
        stored_pairing=line_sql.PAIRING.format(line="versions_stored"),
        same_order_days=line_sql.SAME_ORDER_DAYS,
        new_row=line_digest(declared, "unmatched.content_id", "unmatched.nth"),
        other_row=line_digest(declared, "unmatched.content_id", "unmatched.nth, $load_id"),
    )
    run(wh, delivery, named)
    run(wh, delivery, line_sql.NAME.format(staged=staged))
    run(wh, delivery, line_sql.LINES_SAID_AGAIN.format(entity=declared.name))
    [counts] = wh.rows(
        line_sql.LINES_TOLD.format(same_order_days=line_sql.SAME_ORDER_DAYS),
        received_at=delivery.received_at,
        against=against,
    )
    return LinesTold(*counts)
