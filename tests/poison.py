"""What if everything after as_of were garbage?  Rewrites a warehouse's future, for the no-future tests."""

from __future__ import annotations

from datetime import date, timedelta

from crm_analytics.schema import Column, Entity, entities
from crm_analytics.warehouse import Warehouse, quote_ident
from tests.build import add

# Agreed in advance, so a day after as_of may be known before it.
AGREED = {"ends_on", "due_on", "expected_close_on"}
# What a fact reads although its past is unknown: only beside a day before as_of, or as a correction.
DATED = {("contracts", "cancel_kind"), ("opportunities", "stage_kind"), ("opportunities", "amount")}
DATED |= {("orders", "status"), ("leads", "converted_customer_source_id"), ("campaigns", "cost_amount")}


def poison_the_future(wh: Warehouse, as_of: date) -> None:
    """Change and add versions of every entity at or after `as_of`; nothing before it is touched."""
    with wh.transaction():
        for entity in entities().values():
            versions = f"entities.{quote_ident(entity.name + '_versions')}"
            for column in entity.columns:
                _poison_column(wh, entity, column, versions, as_of)
            _add_versions(wh, entity, versions, as_of)
        add(wh, "orders", [_order_without_a_rate(as_of)])


def _order_without_a_rate(as_of: date) -> dict[str, object]:
    return {
        "source_id": "NO-RATE",
        "customer_source_id": "C000004",
        "occurred_at": as_of + timedelta(days=9),
        "total_amount": "97531",
        "currency": "XPF",
    }


def _poison_column(wh: Warehouse, entity: Entity, column: Column, versions: str, as_of: date) -> None:
    name = quote_ident(column.name)
    if column.type in ("DATE", "TIMESTAMP") and column.name not in AGREED:
        # still in the future, but another day
        later = f"{name} + interval 17 days"
        wh.execute(
            f"update {versions} set {name} = {later} where cast({name} as date) >= $as_of", as_of=as_of
        )
    if entity.kind == "event" and ("DECIMAL" in column.sql_type):
        wh.execute(
            f"update {versions} set {name} = {_garbage(column)} where occurred_on >= $as_of", as_of=as_of
        )
    if entity.kind != "event" and column.type == "BOOLEAN":
        # of a record first told of at or after as_of this version stands in: its flags must not
        wh.execute(
            f"update {versions} set {name} = true where cast(valid_from as date) >= $as_of", as_of=as_of
        )
    days = ("DATE", "TIMESTAMP")
    if not column.has_history and column.type not in days and (entity.name, column.name) not in DATED:
        wh.execute(f"update {versions} set {name} = {_garbage(column)}")


def _add_versions(wh: Warehouse, entity: Entity, versions: str, as_of: date) -> None:
    """Copy rows into the future: as new events of known customers, and as new states of known things."""
    if entity.kind == "event":
        keep = {*entity.key, "customer_source_id", "currency", "to_currency", "kind"}
        system = "md5_number('poison' || record_number || load_id) as row_id, false as is_revision"
        time = "occurred_on"
        moved = "cast($as_of as date) + cast(record_number % 50 as integer) as occurred_on"
    else:
        keep = {*entity.key}
        system = "row_id as row_id, true as is_revision"
        time = "valid_from"
        start = "greatest(valid_from, cast(cast($as_of as date) as timestamptz))"
        moved = f"{start} + interval 400 days as valid_from"
    columns = []
    for column in entity.columns:
        name = quote_ident(column.name)
        if column.name == "occurred_at":
            columns.append(
                f"cast(cast($as_of as date) + cast(record_number % 50 as integer) as timestamptz) as {name}"
            )
        elif column.name in keep:
            columns.append(f"{name} as {name}")
        else:
            columns.append(f"{_garbage(column)} as {name}")
    skipped = {"row_id", "is_revision", time, "record_number", "content_id"}
    others = ", ".join(quote_ident(n) for n in entity.system_columns if n not in skipped)
    wh.execute(
        f"insert into {versions} by name select {others}, {system}, {moved}, "
        f"record_number + 1000000 as record_number, content_id + 1 as content_id, {', '.join(columns)} "
        f"from {versions}",
        as_of=as_of,
    )


def _garbage(column: Column) -> str:
    if column.type == "TEXT":
        return "'POISON'"
    if column.type == "CURRENCY":
        return "'EUR'"
    if column.type == "BOOLEAN":
        return "true"
    if column.type in ("DATE", "TIMESTAMP"):
        return f"cast(date '2031-01-01' as {column.sql_type})"
    return (
        f"cast(97531 as {column.sql_type})" if column.type not in ("DECIMAL(9,4)", "DECIMAL(9,6)") else "0.5"
    )
