"""Are the benchmark's data realistic at any size, repeatable, and free of accidental repeats?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.generate import AS_OF, FIRST_DAY, generate


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    transactions, _ = generate(tmp_path_factory.mktemp("bench"), 3_000)
    return pd.read_csv(transactions, parse_dates=["order_date"])


def test_the_same_seed_writes_the_same_bytes_and_another_one_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate(tmp_path / name, 300, seed)
    for file in ("transactions.csv", "customers.csv"):
        first = (tmp_path / "a" / file).read_bytes()
        assert first == (tmp_path / "b" / file).read_bytes()
        assert first != (tmp_path / "c" / file).read_bytes()


def test_headers_are_those_of_the_flat_layouts(tmp_path: Path) -> None:
    transactions, customers = generate(tmp_path, 50)
    flat = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency"
    assert ",".join(pd.read_csv(transactions).columns) == flat
    assert ",".join(pd.read_csv(customers).columns) == "customer_id,name,email,phone,country,created_at"


def test_every_customer_buys_and_there_are_about_ten_lines_each(lines: pd.DataFrame) -> None:
    assert lines["customer_id"].nunique() == 3_000
    assert 9 < len(lines) / 3_000 < 11.5
    assert lines["order_date"].between(pd.Timestamp(FIRST_DAY), pd.Timestamp(AS_OF), inclusive="left").all()


def test_no_line_is_a_repeat_of_another(lines: pd.DataFrame) -> None:
    assert lines.duplicated().sum() == 0
    assert lines.duplicated(["order_id", "product_id"]).sum() == 0


def test_an_order_belongs_to_one_customer_one_day_and_one_currency(lines: pd.DataFrame) -> None:
    columns = ["customer_id", "order_date", "currency"]
    bought = lines[lines["quantity"] > 0]
    assert (bought.groupby("order_id")[columns].nunique() == 1).all(axis=None)


def test_one_line_in_twenty_comes_back_later_for_the_same_price(lines: pd.DataFrame) -> None:
    back = lines[lines["quantity"] < 0]
    assert len(back) / len(lines) == pytest.approx(0.047, abs=0.008)
    origin = lines.assign(order_id=lines["order_id"].str.replace("B", "R"), quantity=-lines["quantity"])
    met = back.merge(origin, on=["customer_id", "order_id", "product_id", "quantity", "unit_price"])
    assert len(met) == len(back)
    assert (met["order_date_x"] > met["order_date_y"]).all()


def test_december_is_busier_than_july_and_some_products_go_together(lines: pd.DataFrame) -> None:
    by_month = lines["order_date"].dt.month.value_counts()
    assert by_month[12] > 1.7 * by_month[7]
    number = lines["product_id"].str[1:].astype(int) - 1
    in_order = set(zip(lines["order_id"], number, strict=True))
    even = [(order, product) for order, product in in_order if product % 2 == 0]
    assert sum((order, product + 1) in in_order for order, product in even) / len(even) > 0.15


def test_a_fifth_buys_in_other_currencies_when_asked(tmp_path: Path) -> None:
    transactions, _ = generate(tmp_path, 2_000, with_currencies=True)
    lines = pd.read_csv(transactions).drop_duplicates("customer_id")
    assert (lines["currency"] != "EUR").mean() == pytest.approx(0.2, abs=0.03)
