"""How do tests get a small warehouse?  Rows of our own entities, written as versions without any file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse

RECORDED_AT = datetime(2030, 1, 1, tzinfo=UTC)
_SCALES = {"MONEY": (18, 4), "AMOUNT": (38, 4), "QUANTITY": (18, 4), "DECIMAL(9,4)": (9, 4)}
_SCALES |= {"DECIMAL(9,6)": (9, 6), "RATE": (28, 18)}


def warehouse(
    *, timezone: str = "UTC", reporting_currency: str | None = "EUR", **rows: Sequence[Mapping[str, Any]]
) -> Warehouse:
    """Open a warehouse in memory that holds the given rows: ``warehouse(order_lines=[...], tickets=[...])``.

    Times may be given as ISO text or dates (midnight in `timezone`), money as text or numbers.
    Order lines get occurred_at = 2024-01-01, one piece and currency EUR unless they say otherwise.
    """
    wh = Warehouse.open(timezone=timezone, reporting_currency=reporting_currency)
    for name, given in rows.items():
        add(wh, name, given)
    return wh


def add(
    wh: Warehouse,
    entity_name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    recorded_at: datetime = RECORDED_AT,
    source_system: str = "default",
) -> None:
    """Write rows as first versions of an entity (or as revisions, where the key is known already)."""
    declared = entity(entity_name)
    zone = ZoneInfo(wh.settings.timezone)
    known = {str(row[0]) for row in wh.rows(f"select row_id from entities.{entity_name}_versions")}
    start = wh.value(f"select count(*) from entities.{entity_name}_versions")
    records = []
    for number, given in enumerate(rows, start=start + 1):
        record = _typed(declared, _completed(entity_name, given), zone)
        key = [record.get(k) for k in declared.key]
        if not any(key):
            key = [number]
        row_id = _digest([source_system, entity_name, *key])
        record |= {
            "source_system": source_system,
            "row_id": row_id,
            "content_id": _digest(sorted((k, str(v)) for k, v in record.items())),
            "recorded_at": recorded_at,
            "load_id": 0,
            "record_number": number,
            "is_revision": row_id in known,
            "is_deleted": False,
        }
        known.add(row_id)
        if declared.kind == "event":
            moment = record.get("occurred_at")
            record["occurred_on"] = moment.astimezone(zone).date() if moment else None
        else:
            record["valid_from"] = record.get("modified_at") or record.get("created_at") or recorded_at
        records.append(record)
    names = [*declared.system_columns, *declared.column_names]
    table = pa.table(
        {name: pa.array([r.get(name) for r in records], type=_arrow_type(declared, name)) for name in names}
    )
    casts = ", ".join(
        f"cast({n} as uhugeint) as {n}" if n in ("row_id", "content_id") else f'"{n}"' for n in names
    )
    with wh.registered(built_rows=table):
        wh.execute(f"insert into entities.{entity_name}_versions by name select {casts} from built_rows")


def order_lines_of(days: Mapping[str, Sequence[str]], *, amount: str = "10") -> list[dict[str, Any]]:
    """Make one order line per customer and day: ``order_lines_of({"A": ["2024-01-01", "2024-02-01"]})``."""
    return [
        {
            "order_source_id": f"{customer}-{number}",
            "customer_source_id": customer,
            "occurred_at": day,
            "unit_price": amount,
            "product_source_id": "P1",
        }
        for customer, given in days.items()
        for number, day in enumerate(given)
    ]


def daily(start: str, every_days: int, count: int) -> list[str]:
    """List ISO days from `start` on, `every_days` apart."""
    first = date.fromisoformat(start)
    return [(first + timedelta(days=every_days * n)).isoformat() for n in range(count)]


def _completed(entity_name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    if entity_name != "order_lines":
        return dict(given)
    line = {"occurred_at": "2024-01-01", "quantity": 1, "unit_price": "10", "currency": "EUR", **given}
    if "amount" not in line and line["unit_price"] is not None:
        total = Decimal(str(line["quantity"])) * Decimal(str(line["unit_price"]))
        line["amount"] = total - Decimal(str(line.get("discount_amount") or 0))
    return line


def _typed(declared: Entity, given: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    return {name: _value(declared.column(name).type, value, zone) for name, value in given.items()}


def _value(kind: str, value: Any, zone: ZoneInfo) -> Any:
    if value is None:
        return None
    if kind == "TIMESTAMP":
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    if kind == "DATE":
        return value if isinstance(value, date) else date.fromisoformat(value)
    if kind in _SCALES:
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-_SCALES[kind][1]))
    return value


def _arrow_type(declared: Entity, name: str) -> pa.DataType:
    sql = declared.system_columns[name][0] if name in declared.system_columns else None
    kind = declared.column(name).type if sql is None else sql
    if kind in _SCALES:
        return pa.decimal128(*_SCALES[kind])
    return {
        "TIMESTAMP": pa.timestamp("us", "UTC"),
        "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
        "DATE": pa.date32(),
        "BIGINT": pa.int64(),
        "BOOLEAN": pa.bool_(),
    }.get(kind, pa.string())


def _digest(values: Sequence[Any]) -> str:
    text = json.dumps([str(value) for value in values])
    return str(int(hashlib.md5(text.encode()).hexdigest(), 16))
