"""Does the summary count days, spend and ages as the models need them?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import summary
from crm_analytics.errors import CurrencyError
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)


def line(day: str, price: str = "10", **more: object) -> dict[str, object]:
    return {"occurred_at": day, "unit_price": price, "product_source_id": "P1", **more}


def returned(customer: str, day: str) -> dict[str, object]:
    row = {"source_id": f"R-{customer}", "customer_source_id": customer, "occurred_at": day}
    return row | {"quantity": 1, "amount": 10, "currency": "EUR"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Warehouse]:
    """One customer per question of this file; no order number is used twice."""
    bought: dict[str, list[dict[str, object]]] = {
        "same day": [line("2024-01-01"), line("2024-02-01"), line("2024-02-01", "30")],
        "two days": [line("2024-01-01"), line("2024-01-31")],
        "last day": [line("2024-06-30")],
        "gaps": [
            line(day) for day in ("2024-01-01", "2024-01-11", "2024-01-12", "2024-03-12", "2024-01-11")
        ],
        "one day": [line("2024-01-01", "99")],
        "as of": [line("2024-01-01"), line("2024-07-01")],
        "returns": [line("2024-01-01"), line("2024-02-01", "30")],
        "no rate": [
            line("2024-01-01"), line("2024-02-01", "30"), line("2024-03-01", "5", currency="USD")
        ],
        "test": [line("2024-01-01")],
    }  # fmt: skip
    lines = [
        {"customer_source_id": name, "order_source_id": f"{name} {number}", **row}
        for name, rows in bought.items()
        for number, row in enumerate(rows)
    ]
    with build.warehouse(
        order_lines=lines,
        returns=[returned("gaps", "2024-01-20"), returned("returns", "2024-05-01")],
        customers=[{"source_id": "test", "is_test": True}],
    ) as wh:
        yield wh


@pytest.fixture(scope="module")
def known(shop: Warehouse) -> pd.DataFrame:
    return summary(shop, as_of=AS_OF).set_index("source_id")


def test_cdnow_equals_lifetimes_to_the_last_digit(
    cdnow_warehouse: Warehouse, cdnow_orders: pd.DataFrame, lifetimes: ModuleType
) -> None:
    theirs = lifetimes.utils.summary_data_from_transaction_data(
        cdnow_orders,
        "customer_id",
        "ordered_on",
        monetary_value_col="spend",
        observation_period_end="1997-09-30",
    ).sort_index()
    ours = summary(cdnow_warehouse, as_of=date(1997, 10, 1))
    assert ours["source_id"].tolist() == theirs.index.tolist()
    for name in ("frequency", "recency", "T"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    np.testing.assert_allclose(ours["monetary_value"], theirs["monetary_value"], rtol=1e-14)
    assert ours["frequency"].sum() == 2457


def test_several_orders_of_a_day_are_one_purchase_day(known: pd.DataFrame) -> None:
    row = known.loc["same day"]
    assert (row["frequency"], row["order_count"]) == (1, 3)
    assert row["monetary_value"] == 40.0
    assert row["net_spend"] == 50.0


def test_recency_and_T_run_from_the_first_day_to_the_last_and_to_the_day_before_as_of(
    known: pd.DataFrame,
) -> None:
    assert known.loc["two days", ["recency", "T"]].tolist() == [30, 181]
    assert known.loc["last day", "T"] == 0


def test_log_gap_sum_adds_the_logarithms_of_the_days_between_purchases(known: pd.DataFrame) -> None:
    row = known.loc["gaps"]
    assert row["frequency"] == 3
    assert row["log_gap_sum"] == pytest.approx(np.log(10) + np.log(1) + np.log(60), abs=1e-14)
    assert known.loc["one day", "log_gap_sum"] == 0.0


def test_log_gap_sum_of_cdnow_is_that_of_its_days(
    cdnow_warehouse: Warehouse, cdnow_orders: pd.DataFrame
) -> None:
    days = cdnow_orders[cdnow_orders["ordered_on"] < "1997-10-01"][["customer_id", "ordered_on"]]
    gaps = days.drop_duplicates().sort_values(["customer_id", "ordered_on"])
    gaps["gap"] = gaps.groupby("customer_id")["ordered_on"].diff().dt.days
    theirs = np.log(gaps["gap"]).groupby(gaps["customer_id"]).sum()
    ours = summary(cdnow_warehouse, as_of=date(1997, 10, 1)).set_index("source_id")["log_gap_sum"]
    np.testing.assert_allclose(ours, theirs.loc[ours.index], atol=1e-12)


def test_log_spend_sum_adds_the_logarithms_of_the_repeat_days_amounts(known: pd.DataFrame) -> None:
    logs = known["log_spend_sum"]
    assert logs["same day"] == pytest.approx(np.log(40.0), abs=1e-14)
    assert logs["one day"] == 0.0
    # goods came back on a day without a purchase; a day has no price
    assert logs[["gaps", "returns", "no rate"]].isna().all()


def test_one_purchase_day_has_no_recency_and_no_monetary_value(known: pd.DataFrame) -> None:
    assert known.loc["one day", ["frequency", "recency", "monetary_value"]].tolist() == [0, 0, 0.0]


def test_orders_on_and_after_as_of_do_not_exist(shop: Warehouse, known: pd.DataFrame) -> None:
    assert known.loc["as of", "frequency"] == 0
    later = summary(shop, as_of=date(2024, 7, 2)).set_index("source_id")
    assert later.loc["as of", "frequency"] == 1


def test_a_return_lowers_spend_and_is_no_purchase(known: pd.DataFrame) -> None:
    row = known.loc["returns"]
    assert (row["frequency"], row["recency"]) == (1, 31)
    assert row["monetary_value"] == 20.0
    assert row["net_spend"] == 30.0


def test_an_order_without_a_rate_counts_as_a_purchase_and_not_as_an_amount(known: pd.DataFrame) -> None:
    row = known.loc["no rate"]
    assert (row["frequency"], row["unpriced_order_count"]) == (2, 1)
    assert row["monetary_value"] == 30.0
    assert pd.isna(row["net_spend"])


def test_test_customers_are_not_summarised(known: pd.DataFrame) -> None:
    assert "test" not in known.index
    assert len(known) == 8


def test_several_currencies_without_a_reporting_currency_are_refused() -> None:
    rows = [
        {"customer_source_id": "A", "order_source_id": day, **line(day, currency=currency)}
        for day, currency in (("2024-01-01", "EUR"), ("2024-02-01", "USD"))
    ]
    with (
        build.warehouse(order_lines=rows, reporting_currency=None) as wh,
        pytest.raises(CurrencyError, match="EUR, USD"),
    ):
        summary(wh, as_of=AS_OF)
