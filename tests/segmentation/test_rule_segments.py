"""Rule segments: the planted question, entry and exit, files that are wrong, leads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import SettingsError
from crm_analytics.segmentation import (
    keep_rule_segments,
    kept_nights,
    load_rule_segments,
    rule_segments,
    segment_history,
    segment_overlap,
)
from tests import build

AS_OF = date(2025, 7, 1)
SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def table(name: str, *days: str) -> pd.DataFrame:
    return pd.read_csv(SAMPLE / f"{name}.csv", dtype={"customer_id": "str"}, parse_dates=list(days))


def expected_silent_high_margin() -> set[str]:
    """Answer the question from the files with pandas alone."""
    heads = table("shop_orders", "occurred_at").rename(
        columns={"source_id": "order_id", "customer_source_id": "customer_id", "occurred_at": "day"}
    )
    heads = heads[~heads["status"].isin(["cancelled", "draft"])]
    shop = table("shop_order_lines").rename(
        columns={"order_source_id": "order_id", "product_source_id": "product_id"}
    )
    shop = shop.merge(heads[["order_id", "customer_id", "day", "currency"]], on="order_id")
    till = table("pos_transactions", "order_date").rename(columns={"order_date": "day"})
    lines = pd.concat([shop, till], ignore_index=True)
    lines["day"] = lines["day"].dt.normalize()
    rates = table("exchange_rates", "occurred_at").sort_values("occurred_at")
    lines = pd.merge_asof(
        lines.sort_values("day"), rates, left_on="day", right_on="occurred_at", by="currency"
    )
    rate = lines["rate"].where(lines["currency"] != "EUR", 1.0)
    lines["amount"] = (lines["quantity"] * lines["unit_price"] - lines["discount_amount"].fillna(0)) * rate
    products = table("shop_products").set_index("source_id")
    lines["cost"] = lines["quantity"] * lines["product_id"].map(products["unit_cost"])

    # the last day with something left after returns
    back = table("shop_returns").groupby("order_source_id")["quantity"].sum()
    orders = lines.groupby(["order_id", "customer_id"], as_index=False).agg(
        quantity=("quantity", "sum"), day=("day", "min")
    )
    orders = orders[orders["quantity"] - orders["order_id"].map(back).fillna(0) > 0]
    last = orders.groupby("customer_id")["day"].max()
    silent = set(last[last <= pd.Timestamp(AS_OF) - pd.Timedelta(days=91)].index)

    ordered = lines[lines["quantity"] > 0]
    by_product = ordered[ordered["cost"].notna()].groupby("product_id")[["amount", "cost"]].sum()
    by_product = by_product[by_product["amount"] > 0.005]
    margin_rate = 1 - by_product["cost"] / by_product["amount"]
    best = margin_rate[margin_rate >= np.quantile(margin_rate, 2 / 3)].index
    known = ordered[ordered["product_id"].isin(margin_rate.index)]
    of_best = known["amount"].where(known["product_id"].isin(best), 0.0)
    share = of_best.groupby(known["customer_id"]).sum() / known.groupby("customer_id")["amount"].sum()
    customers = table("shop_customers").set_index("source_id")
    special = set(customers[(customers["is_test"] == True) | (customers["is_internal"] == True)].index)  # noqa: E712
    return (silent & set(share[share >= 0.5].index)) - special


def test_a_segment_is_found_by_its_name_in_the_sample_company(company: Warehouse) -> None:
    """No purchase for 3 months and buys high-margin products."""
    [rule] = [one for one in load_rule_segments() if one.name == "silent_high_margin"]
    assert rule.where == "days_since_last_order >= 90 and high_margin_share >= 0.5"
    found = rule_segments(company, as_of=AS_OF, rules=[rule])
    members = {member.partition(":")[2] for member in found["member_id"]}
    assert len(members) > 100
    assert members == expected_silent_high_margin()
