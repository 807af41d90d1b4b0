"""Do the rules over the entities find what they are for, and nothing else?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from crm_analytics.entities import checks, store_versions
from crm_analytics.warehouse import Warehouse

AT = datetime(2024, 5, 1, tzinfo=UTC)
TIMES = {"received_at": AT, "started_at": AT, "finished_at": AT}
COUNTS = {"rows_in": 3, "rows_loaded": 1, "rows_quarantined": 1, "rows_merged": 0}
UNBALANCED = {"load_id": 1, "file": "a.csv", "status": "loaded"} | COUNTS | TIMES


def store(wh: Warehouse, entity: str, *records: dict[str, Any]) -> None:
    staged = pa.Table.from_pylist([one | {"record_number": n} for n, one in enumerate(records, 1)])
    store_versions(wh, entity, staged, load_id=1, source_system="shop", received_at=AT)


def consistent(wh: Warehouse) -> None:
    store(wh, "customers", {"source_id": "C1"})
    store(
        wh,
        "orders",
        {"source_id": "O1", "occurred_at": AT, "customer_source_id": "C1", "total_amount": 5},
    )
    store(wh, "order_lines", {"order_source_id": "O1", "quantity": 1, "customer_source_id": None})


def test_consistent_entities_break_no_rule() -> None:
    with Warehouse.open() as wh:
        consistent(wh)
        assert checks.run(wh) == []


@pytest.mark.parametrize(
    ("entity", "record", "rule"),
    [
        ("order_lines", {"order_source_id": "O9", "quantity": 1}, "lines_without_time"),
        ("orders", {"source_id": "O9", "occurred_at": AT, "total_amount": 5}, "orders_without_lines"),
        (
            "order_lines",
            {"order_source_id": "O1", "quantity": 1, "customer_source_id": "C9"},
            "customers_nobody_described",
        ),
    ],
)
def test_rule_finds_what_it_is_for(entity: str, record: dict[str, Any], rule: str) -> None:
    with Warehouse.open() as wh:
        consistent(wh)
        store(wh, entity, record)
        found = checks.run(wh)
    assert [(one.check, one.row_count) for one in found] == [(rule, 1)]
    assert str(found[0]).startswith(f"{rule}: 1 rows. Which ")


def test_lines_of_a_document_that_is_a_return_need_no_time_of_their_own() -> None:
    with Warehouse.open() as wh:
        consistent(wh)
        store(wh, "returns", {"source_id": "R1", "occurred_at": AT, "amount": 5, "currency": "EUR"})
        store(wh, "order_lines", {"order_source_id": "R1", "line_source_id": "R1-1", "quantity": -1})
        assert checks.run(wh) == []


def test_rows_counted_twice_and_accounts_out_of_balance_are_found() -> None:
    with Warehouse.open() as wh:
        consistent(wh)
        wh.execute("insert into entities.order_lines_versions select * from entities.order_lines_versions")
        wh.append("ops.loads", pa.Table.from_pylist([UNBALANCED]))
        assert [one.check for one in checks.run(wh)] == ["accounts_out_of_balance", "rows_counted_twice"]


def test_a_replay_that_is_not_tied_to_what_it_corrects_is_found() -> None:
    tie = {"load_id": 1, "record_number": 3, "replay_load_id": 2, "replay_record_number": 1}
    replay = {"load_id": 2, "file": "a.csv", "status": "loaded", "rows_in": 2, "rows_loaded": 2}
    replay |= {"rows_quarantined": 0, "rows_merged": 0} | TIMES
    with Warehouse.open() as wh:
        wh.append("ops.loads", pa.Table.from_pylist([replay]))
        rows = [tie | {"outcome": "accepted", "resolved_at": AT}]
        wh.append("ops.quarantine_resolutions", pa.Table.from_pylist(rows))
        assert [(one.check, one.gate) for one in checks.run(wh)] == [("replays_out_of_balance", "stop")]
        rows = [tie | {"record_number": 4, "outcome": "accepted", "resolved_at": AT}]
        wh.append("ops.quarantine_resolutions", pa.Table.from_pylist(rows))
        assert checks.run(wh) == []
