"""Does the summary count days, spend and ages as the models need them?"""

from __future__ import annotations

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


def line(customer: str, day: str, order: str, price: str = "10", **more: object) -> dict[str, object]:
    return {
        "customer_source_id": customer,
        "occurred_at": day,
        "order_source_id": order,
        "unit_price": price,
        "product_source_id": "P1",
        **more,
    }


def one(
    lines: list[dict[str, object]], as_of: date = AS_OF, **more: list[dict[str, object]]
) -> dict[str, object]:
    with build.warehouse(order_lines=lines, **more) as wh:
        (row,) = summary(wh, as_of=as_of).to_dict("records")
    return row


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


def test_several_orders_of_a_day_are_one_purchase_day() -> None:
    row = one(
        [line("A", "2024-01-01", "1"), line("A", "2024-02-01", "2"), line("A", "2024-02-01", "3", "30")]
    )
    assert (row["frequency"], row["order_count"]) == (1, 3)
    assert row["monetary_value"] == 40.0
    assert row["net_spend"] == 50.0


def test_recency_and_T_run_from_the_first_day_to_the_last_and_to_the_day_before_as_of() -> None:
    row = one([line("A", "2024-01-01", "1"), line("A", "2024-01-31", "2")])
    assert (row["recency"], row["T"]) == (30, 181)
    assert one([line("A", "2024-06-30", "1")])["T"] == 0


def test_log_gap_sum_adds_the_logarithms_of_the_days_between_purchases() -> None:
    returned = {"source_id": "R1", "customer_source_id": "A", "occurred_at": "2024-01-20", "amount": 1}
    row = one(
        [line("A", day, day) for day in ("2024-01-01", "2024-01-11", "2024-01-12", "2024-03-12")]
        + [line("A", "2024-01-11", "again")],
        returns=[{"quantity": 1, "currency": "EUR", **returned}],
    )
    assert row["frequency"] == 3
    assert row["log_gap_sum"] == pytest.approx(np.log(10) + np.log(1) + np.log(60), abs=1e-14)
    assert one([line("A", "2024-01-01", "1")])["log_gap_sum"] == 0.0


def test_log_gap_sum_of_cdnow_is_that_of_its_days(
    cdnow_warehouse: Warehouse, cdnow_orders: pd.DataFrame
) -> None:
    days = cdnow_orders[cdnow_orders["ordered_on"] < "1997-10-01"][["customer_id", "ordered_on"]]
    gaps = days.drop_duplicates().sort_values(["customer_id", "ordered_on"])
    gaps["gap"] = gaps.groupby("customer_id")["ordered_on"].diff().dt.days
    theirs = np.log(gaps["gap"]).groupby(gaps["customer_id"]).sum()
    ours = summary(cdnow_warehouse, as_of=date(1997, 10, 1)).set_index("source_id")["log_gap_sum"]
    np.testing.assert_allclose(ours, theirs.loc[ours.index], atol=1e-12)


def test_one_purchase_day_has_no_recency_and_no_monetary_value() -> None:
    row = one([line("A", "2024-01-01", "1", "99")])
    assert (row["frequency"], row["recency"], row["monetary_value"]) == (0, 0, 0.0)


def test_orders_on_and_after_as_of_do_not_exist() -> None:
    lines = [line("A", "2024-01-01", "1"), line("A", "2024-07-01", "2")]
    assert one(lines)["frequency"] == 0
    assert one(lines, as_of=date(2024, 7, 2))["frequency"] == 1


def test_a_return_lowers_spend_and_is_no_purchase() -> None:
    returned = {
        "source_id": "R1",
        "customer_source_id": "A",
        "occurred_at": "2024-05-01",
        "quantity": 1,
        "amount": 10,
        "currency": "EUR",
    }
    row = one([line("A", "2024-01-01", "1"), line("A", "2024-02-01", "2", "30")], returns=[returned])
    assert (row["frequency"], row["recency"]) == (1, 31)
    assert row["monetary_value"] == 20.0
    assert row["net_spend"] == 30.0


def test_an_order_without_a_rate_counts_as_a_purchase_and_not_as_an_amount() -> None:
    row = one(
        [
            line("A", "2024-01-01", "1"),
            line("A", "2024-02-01", "2", "30"),
            line("A", "2024-03-01", "3", "5", currency="USD"),
        ]
    )
    assert (row["frequency"], row["unpriced_order_count"]) == (2, 1)
    assert row["monetary_value"] == 30.0
    assert pd.isna(row["net_spend"])


def test_test_customers_are_not_summarised() -> None:
    rows = [line("A", "2024-01-01", "1"), line("T", "2024-01-01", "2")]
    with build.warehouse(order_lines=rows, customers=[{"source_id": "T", "is_test": True}]) as wh:
        assert summary(wh, as_of=AS_OF)["source_id"].tolist() == ["A"]


def test_several_currencies_without_a_reporting_currency_are_refused() -> None:
    rows = [line("A", "2024-01-01", "1"), line("A", "2024-02-01", "2", currency="USD")]
    with (
        build.warehouse(order_lines=rows, reporting_currency=None) as wh,
        pytest.raises(CurrencyError, match="EUR, USD"),
    ):
        summary(wh, as_of=AS_OF)
