"""Does every cell come out as it went in, or is its record set aside?  Drawn cells against their own text."""

from __future__ import annotations

import csv
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import crm_analytics as crm
from crm_analytics.warehouse import Warehouse

HEADER = ("customer_id", "order_id", "order_date", "product_id", "quantity", "unit_price", "currency")
IDS = (
    *("007", "1e5", "12E4", "0x1F", "#1001", "9007199254740993", "340282366920938463463374607431768211457"),
    *(
        "true",
        "NaN",
        "NULL",
        "NA",
        "12:30",
        "1,000",
        "2024-01-01",
        "-5",
        "+5",
        " 12",
        "12 ",
        "a  b",
        "É",
        "١٢",
    ),
    *('say "x"', "a;b", "=1+1", "C1", "c1"),
)
DAYS = (
    *(
        "2024-02-29",
        "2024-01-05 23:59:59",
        "2024-01-05T10:00:00",
        "2024-03-31T01:30:00+03:30",
        "2024-07-01 10:00",
    ),
    *(
        "2024-06-30T23:30:00Z",
        "2024-06-30T23:30:00-05:00",
        "2023-02-29",
        "1402-01-05",
        "05/06/2024",
        "10:00 PM",
        "",
    ),
)
AMOUNTS = (
    "1",
    "2.50",
    "0.0001",
    "1234567.8901",
    "-1",
    "+3",
    "5.7",
    "1e3",
    "0x1F",
    "12,5",
    "1.234,5",
    "NaN",
    "",
    "٣",
)


def drawn(count: int) -> list[tuple[str, ...]]:
    """Rows of drawn cells; the same in every run."""
    draw = random.Random(20_251_122)
    usual = {"order_date": DAYS[:7], "quantity": AMOUNTS[:4], "unit_price": AMOUNTS[:4]}
    odd = {"order_date": DAYS, "quantity": AMOUNTS, "unit_price": AMOUNTS}
    rows = []
    for number in range(count):
        # a strange day or amount in every fourth record, so that the file is not refused as a whole
        kinds = odd if number % 4 == 0 and draw.random() < 0.3 else usual
        row = [draw.choice(IDS), f"{draw.choice(IDS)}-{number}"]
        row += [draw.choice(kinds["order_date"]), draw.choice(IDS)]
        row += [draw.choice(kinds["quantity"]), draw.choice(kinds["unit_price"]), "EUR"]
        rows.append(tuple(row))
    return rows


def test_a_cell_is_what_its_text_says_or_its_record_is_set_aside(tmp_path: Path) -> None:
    rows = drawn(2000)
    with (tmp_path / "transactions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])
    with Warehouse.open(timezone="UTC", reporting_currency="EUR") as wh:
        [load] = crm.load(wh, tmp_path / "transactions.csv", profile="transactions", received_at="2025-01-01")
        loaded = wh.rows(
            "select record_number, customer_source_id, order_source_id, occurred_at, product_source_id, "
            "quantity, unit_price from entities.order_lines_versions order by record_number"
        )
        aside = {number for (number,) in wh.rows("select record_number from ops.quarantine")}
    assert load.rows_in == len(rows)
    assert {row[0] for row in loaded}.isdisjoint(aside)
    assert len(loaded) + len(aside) + load.rows_merged == len(rows)
    assert len(loaded) > len(rows) / 2
    assert len(aside) > 50
    for number, customer, order, at, product, quantity, price in loaded:
        told = rows[number - 1]
        # ids without the blanks around them; times in the zone of the warehouse; numbers exact
        assert (customer, order, product) == (told[0].strip(), told[1].strip(), told[3].strip() or None), (
            number
        )
        day = datetime.fromisoformat(told[2])
        assert at == (day if day.tzinfo else day.replace(tzinfo=UTC)), told[2]
        assert (quantity, price) == (Decimal(told[4]), Decimal(told[5])), told[4:6]
