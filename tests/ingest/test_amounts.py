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
