"""A record that comes twice in a file is merged as a whole, wherever it stands and whatever it tells."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.ingest.check import check_profile

PERSIAN = "شماره فاکتور,کد مشتری,نام مشتری,تاریخ,نام کالا,تعداد,قیمت واحد (تومان)\n"
FLAT = "order,customer,name,day,product,title,state\n"
FLAT_PROFILE = """
profile = "flat"
source_system = "shop"
[[entity]]
name = "order_lines"
[entity.columns]
order_source_id = { from = "order", required = true }
product_source_id = { from = "product" }
quantity = { constant = "1" }
[[entity]]
name = "orders"
[entity.columns]
source_id = { from = "order", required = true }
customer_source_id = { from = "customer" }
occurred_at = { from = "day", required = true }
channel = { from = "state" }
[[entity]]
name = "customers"
[entity.columns]
source_id = { from = "customer", required = true }
name = { from = "name" }
[[entity]]
name = "products"
[entity.columns]
source_id = { from = "product", required = true }
name = { from = "title" }
"""


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as one:
        yield one


def persian(number: int, drawn: random.Random) -> str:
    """A line of its own; its customer is named in one of two ways."""
    customer, name = drawn.randrange(20), drawn.choice(["علی", "علی رضایی"])
    return f"F{number // 2},C{customer},{name},1403/05/12,کالای {number},1,1500\n"


def flat(number: int, drawn: random.Random) -> str:
    """A line of its own; its order, customer and product are told in one of two ways."""
    name, title, state = (drawn.choice("xy") for _ in range(3))
    return f"O{number // 5},C{number % 20},{name},2024-05-12,P{number % 200},{title},{state}\n"


@pytest.mark.parametrize("layout", ["persian_order_lines", "flat"])
def test_exact_duplicates_are_merged_and_everything_else_is_loaded(
    wh: Warehouse, tmp_path: Path, layout: str
) -> None:
    header, write, profile = PERSIAN, persian, layout
    if layout == "flat":
        header, write, profile = FLAT, flat, str(tmp_path / "flat.toml")
        Path(profile).write_text(FLAT_PROFILE)
    drawn = random.Random(7)
    records = [write(number, drawn) for number in range(1000)]
    records += drawn.sample(records, 200)
    drawn.shuffle(records)
    file = tmp_path / "lines.csv"
    file.write_text(header + "".join(records), encoding="utf-8")
    [account] = load(wh, file, profile=profile, source_system=layout)
    assert (account.rows_in, account.rows_loaded, account.rows_merged) == (1200, 1000, 200)


def test_of_equal_records_the_first_is_counted(wh: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    first, second = (f"F1,C1,{name},1403/05/12,کالا,{n},1500\n" for n, name in ((1, "علی"), (2, "علی رضایی")))
    file.write_text(PERSIAN + first + second + first, encoding="utf-8")
    [account] = load(wh, file, source_system="first")
    assert (account.rows_loaded, account.rows_merged) == (2, 1)
    name = "select name from entities.customers where source_system = 'first'"
    assert wh.value(name) == "علی", "what is told last counts, as ever"


def test_check_tells_how_many_rows_would_be_merged(tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    one, two = ("F1,C1,علی,1403/05/12,کالا,1,1500\n", "F2,C1,علی,1403/05/12,کالا,1,1500\n")
    file.write_text(PERSIAN + one + two + one, encoding="utf-8")
    for duplicates, merged in (("merge", {"order_lines": 1, "customers": 2}), ("keep", {"customers": 2})):
        [check] = check_profile(
            file, "persian_order_lines", received_at=datetime(2025, 1, 1, tzinfo=UTC), repeats=duplicates
        )
        assert (check.rows, check.repeats) == ({"order_lines": 3, "customers": 3}, merged)
