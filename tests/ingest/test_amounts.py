"""A line's amount is exact, however large quantity and price are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from crm_analytics import Warehouse, load

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"


def test_the_largest_quantity_times_the_largest_price_is_exact(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A,1,2024-01-01,P,x,1000000000,999999999999.9999,IRR\n")
    with Warehouse.open() as wh:
        load(wh, file)
        assert wh.value("select amount from entities.order_lines") == Decimal("999999999999999900000.0000")


RETURNS = "source_id,order_source_id,customer_source_id,occurred_at,amount,currency\n"
NEGATIVE_RETURNS = """
profile = "negative_returns"
source_system = "shop"
[[entity]]
name = "returns"
[entity.columns]
source_id = { from = "source_id" }
order_source_id = { from = "order_source_id" }
occurred_at = { from = "occurred_at" }
amount = { from = "amount", factor = -1 }
currency = { from = "currency" }
"""


def test_refund_below_zero_is_told_and_the_profile_can_turn_its_sign(tmp_path: Path) -> None:
    file, layout = tmp_path / "returns.csv", tmp_path / "negative_returns.toml"
    rows = "R1,O1,C1,2024-05-02,-4,EUR\nR2,O1,C1,2024-05-02,-5,EUR\nR3,O1,C1,2024-05-02,6,EUR\n"
    file.write_text(RETURNS + rows)
    layout.write_text(NEGATIVE_RETURNS)
    with Warehouse.open() as wh:
        [plain] = load(wh, file, profile="plain_returns", source_system="a", received_at="2025-01-01")
        [turned] = load(wh, file, profile=str(layout), source_system="b", received_at="2025-01-01")
        amounts = wh.rows("select source_system, sum(amount) from entities.returns group by all order by all")
    [told] = [one for one in plain.issues if one.issue == "below_zero"]
    assert (told.column_name, told.row_count) == ("amount", 2)
    assert "raises revenue" in told.detail
    assert "factor = -1" in told.detail
    assert [one.row_count for one in turned.issues if one.issue == "below_zero"] == [1]
    assert amounts == [("a", Decimal(-3)), ("b", Decimal(3))]


def test_discount_below_zero_is_told(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    header = "شماره فاکتور,کد مشتری,تاریخ,کد کالا,تعداد,فی (تومان),تخفیف (تومان)\n"
    file.write_text(header + "F1,C1,1403/02/05,P1,2,1500,-500\n")
    with Warehouse.open() as wh:
        [account] = load(wh, file, received_at="2025-01-01")
    [told] = [one for one in account.issues if one.issue == "below_zero"]
    assert told.column_name == "discount_amount"
    assert "on a line of returned goods" in told.detail


BRACKETS = """
profile = "brackets"
source_system = "shop"
[dialect]
brackets = "negative"
thousands = ","
signs = ["$"]
[[entity]]
name = "payments"
[entity.columns]
source_id = { from = "id" }
customer_source_id = { from = "customer" }
occurred_at = { from = "at" }
amount = { from = "amount", required = true }
currency = { constant = "USD" }
"""


def test_brackets_are_a_minus_where_it_is_declared(tmp_path: Path) -> None:
    texts = ["(4)", "(1,234.5678)", "$(5.50)", "($6)", "( 7 )", "-8", "9", "(-4)", "(4", "4)", "()", "((4))"]
    file, layout = tmp_path / "payments.csv", tmp_path / "brackets.toml"
    rows = [f'{number},C1,2024-05-02,"{text}"\n' for number, text in enumerate(texts)]
    file.write_text("id,customer,at,amount\n" + "".join(rows))
    layout.write_text(BRACKETS)
    plain = tmp_path / "plain.toml"
    plain.write_text(BRACKETS.replace('brackets = "negative"\n', "").replace('"brackets"', '"plain"'))
    with Warehouse.open() as wh:
        [declared] = load(wh, file, profile=str(layout), source_system="a", received_at="2025-01-01")
        [told] = load(wh, file, profile=str(plain), source_system="b", received_at="2025-01-01")
        amounts = wh.rows(
            "select amount from entities.payments where source_system = 'a' order by source_id::int"
        )
        [message] = wh.rows("select message from ops.quarantine where load_id = 2 and record_number = 1")
    assert [str(one) for (one,) in amounts] == [
        "-4.0000", "-1234.5678", "-5.5000", "-6.0000", "-7.0000", "-8.0000", "9.0000",
    ]  # fmt: skip
    assert declared.reasons == {"bad_number": 5}
    assert told.reasons == {"bad_number": 10}
    assert "where (4) means -4, brackets='negative'" in message[0]


NAMES = {"deals": "opportunities", "contracts": "contracts"}


def test_amounts_of_deals_and_contracts_without_a_currency_are_told(tmp_path: Path) -> None:
    deals, contracts = tmp_path / "deals.csv", tmp_path / "contracts.csv"
    deals.write_text("source_id,name,stage,amount\nD1,A,new,5\nD2,B,new,\n")
    contracts.write_text("source_id,customer_source_id,started_on,amount\nK1,C1,2024-01-01,9\n")
    with Warehouse.open() as wh:
        found = [
            (one.row_count, one.detail.partition(":")[0])
            for file in (deals, contracts)
            for account in load(wh, file, profile=f"plain_{NAMES[file.stem]}", received_at="2025-01-01")
            for one in account.issues
            if one.issue == "no_currency"
        ]
    assert found == [(1, "opportunities"), (1, "contracts")]
