"""What the source says a file adds up to stands beside what was counted; a difference is shown."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import UsageError
from crm_analytics.ingest.load import Load
from crm_analytics.ingest.reconcile import Control
from crm_analytics.warehouse.run_log import load_record

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
LINES = (
    "C1,O1,2024-01-04,P1,Mug,2,10.25,EUR\n",
    "C2,O2,2024-01-04,P1,Mug,1,4,USD\n",
    "C2,O2,2024-01-04,P1,Mug,one,4,USD\n",
)


def deliver(wh: Warehouse, folder: Path, *rows: str, **how: Any) -> Load:
    file = folder / "sales.csv"
    file.write_text(HEADER + "".join(rows))
    [account] = load(wh, file, received_at="2024-02-01", **how)
    return account


def differences(account: Load) -> dict[str, Decimal]:
    return {one.control: one.difference for one in account.controls}


def test_control_totals_are_compared_with_the_sound_records_of_the_file(tmp_path: Path) -> None:
    totals = {"records": 3, "amount:USD": "8", "amount:EUR": 20.5, "quantity": 4}
    with Warehouse.open() as wh:
        account = deliver(wh, tmp_path, *LINES, control_totals=totals)
        assert differences(account) == {
            "records": 0,
            "amount:USD": Decimal("-4"),
            "amount:EUR": 0,
            "quantity": Decimal("-1"),
        }
        record = load_record(wh, 1)
        assert [(one["control"], one["theirs"], one["ours"]) for one in record.controls][1] == (
            "amount:USD",
            Decimal("8.0000"),
            Decimal("4.0000"),
        )
        again = deliver(wh, tmp_path, LINES[0], control_totals={"order_lines.amount": "20.50"})
        assert (again.rows_merged, differences(again)) == (1, {"order_lines.amount": Decimal(0)}), (
            "also what is not new"
        )


def test_amounts_of_several_currencies_have_no_total(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        with pytest.raises(UsageError, match=r"'amount': .* EUR, USD\. Say one total for each: 'amount:EUR'"):
            deliver(wh, tmp_path, *LINES, control_totals={"amount": "24.50"})
        assert wh.rows("select * from entities.order_lines_versions") == []
        account = deliver(wh, tmp_path, *LINES, control_totals={"quantity": 3})
    assert differences(account) == {"quantity": Decimal(0)}, "a number of things has no currency"


def test_totals_that_cannot_be_compared_say_why_and_nothing_comes_in(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, object]] = {
        r"'price' is no number of profile 'transactions'\. It has: records, order_lines\.quantity": {
            "price": 3
        },
        r"amount='a lot' is no number": {"amount": "a lot"},
        r"amount:XX1: 'XX1' is no ISO 4217 currency": {"amount:XX1": 4},
        r"records=nan is no number": {"records": float("nan")},
    }
    with Warehouse.open() as wh:
        for message, totals in wrong.items():
            with pytest.raises(UsageError, match=message):
                deliver(wh, tmp_path, *LINES, control_totals=totals)
        with pytest.raises(UsageError, match="those of one file"):
            load(wh, tmp_path, control_totals={"records": 3})
        assert wh.value("select count(*) from ops.loads") == 0


ORDERS = "source_id,occurred_at,currency,total_amount,discount_amount,shipping_amount,tax_amount\n"
ORDER_LINES = "order_source_id,product_source_id,quantity,amount\n"


def deliver_orders(wh: Warehouse, folder: Path, heads: str, lines: str) -> tuple[Load, Load]:
    (folder / "heads.csv").write_text(ORDERS + heads)
    (folder / "lines.csv").write_text(ORDER_LINES + lines)
    how: dict[str, Any] = {"received_at": "2024-02-01"}
    [first] = load(wh, folder / "heads.csv", profile="plain_orders", **how)
    [second] = load(wh, folder / "lines.csv", profile="plain_order_lines", **how)
    return first, second


def test_heads_are_compared_with_their_lines_once_both_are_there(tmp_path: Path) -> None:
    heads = (
        "O1,2024-01-01,EUR,30.00,,,\n"  # agrees
        "O2,2024-01-01,EUR,12.40,1,5,1.40\n"  # 8 - 1 + 5 and tax in the lines: 12.00, with tax 13.40: nearer
        "O3,2024-01-01,EUR,11.90,,,1.90\n"  # tax on top
        "O4,2024-01-01,EUR,11.90,,,1.90\n"  # tax in the lines
        "O5,2024-01-01,USD,100.00,,,\n"  # a line is missing
        "O6,2024-01-01,EUR,7.00,,,\n"  # no line yet
        "O7,2024-01-01,EUR,7.00,,,\n"  # a line without a price
    )
    lines = "O1,P1,1,10\nO1,P2,2,20\nO2,P1,1,8\nO3,P1,1,10\nO4,P1,1,11.90\nO5,P1,1,60\nO7,P1,1,7\nO7,P2,1,\n"
    with Warehouse.open() as wh:
        first, second = deliver_orders(wh, tmp_path, heads, lines)
        assert first.controls == ()
        told = [(one.control, one.scope, one.source_id, one.theirs, one.ours) for one in second.controls]
    assert told == [
        ("orders_agreeing", "EUR", "", 4, 3),
        ("orders_agreeing", "USD", "", 1, 0),
        ("order_total", "EUR", "", Decimal("66.2"), Decimal("65.8")),
        ("order_total", "USD", "", 100, 60),
        ("order_total", "EUR", "O2", Decimal("12.4"), 12),
        ("order_total", "USD", "O5", 100, 60),
    ]


def test_only_the_orders_that_a_load_speaks_of_are_compared_and_the_worst_are_named(tmp_path: Path) -> None:
    heads = "".join(f"O{n},2024-01-01,EUR,10,,,\n" for n in range(9))
    lines = "".join(f"O{n},P1,1,{10 + n}\n" for n in range(9))
    with Warehouse.open() as wh:
        deliver_orders(wh, tmp_path, heads, lines)
        (tmp_path / "heads.csv").write_text(
            ORDERS + heads.replace("O8,2024-01-01,EUR,10", "O8,2024-01-01,EUR,18")
        )
        [account] = load(wh, tmp_path / "heads.csv", profile="plain_orders", received_at="2024-03-01")
        assert account.controls == (
            Control("orders_agreeing", "EUR", "", Decimal(1), Decimal(1)),
            Control("order_total", "EUR", "", Decimal(18), Decimal(18)),
        )
        named = [row["source_id"] for row in load_record(wh, 2).controls if row["source_id"]]
        assert named == ["O8", "O7", "O6", "O5", "O4"]
