"""What are groups of customers worth, what did they cost, and does everything add up?"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import choose_model, lifetime_value, load_choice, score_summary, value_by
from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 9, 1)
valuing = importlib.import_module("crm_analytics.clv.lifetime_value")
grouping = importlib.import_module("crm_analytics.clv.value_by")


@pytest.fixture(scope="module", autouse=True)
def each_summary_is_read_once() -> Iterator[None]:
    """The shop does not change, and its summary is the dearest part of most tests here."""
    with pytest.MonkeyPatch.context() as patch:
        once = cache(valuing.costed_summary)
        for module in (valuing, grouping):
            patch.setattr(module, "costed_summary", lambda wh, **how: once(wh, **how).copy())
        yield


@pytest.fixture(scope="module")
def scored(shop: Warehouse) -> pd.DataFrame:
    return lifetime_value(shop, as_of=AS_OF, model="bg_nbd")


@pytest.fixture(scope="module")
def shop() -> Warehouse:
    """40 customers from two channels; goods cost 6 of 10; search cost 200, a campaign 80; 3 tickets."""
    days = {
        f"C{n:02d}": [f"2024-0{1 + n % 3}-{5 + n % 20:02d}", *[f"2024-0{m}-11" for m in range(4, 5 + n % 5)]]
        for n in range(40)
    }
    return build.warehouse(
        order_lines=build.order_lines_of(days),
        products=[{"source_id": "P1", "unit_cost": "6", "currency": "EUR", "created_at": "2023-01-01"}],
        customers=[
            {
                "source_id": name,
                "acquisition_channel": "paid_search" if number % 2 else "referral",
                "created_at": "2024-01-01",
            }
            for number, name in enumerate(days)
        ],
        ad_spend=[
            {"occurred_at": f"2024-0{month}-03", "channel": "paid_search", "amount": "100", "currency": "EUR"}
            for month in (2, 3)
        ],
        campaigns=[
            {"source_id": "M1", "channel": "email", "started_on": "2024-05-01", "ended_on": "2024-05-31",
             "cost_amount": "80", "currency": "EUR", "created_at": "2024-04-01"},
            {"source_id": "M2", "channel": "email", "started_on": "2024-08-01", "ended_on": "2024-09-30",
             "cost_amount": "999", "currency": "EUR", "created_at": "2024-07-01"},
        ],
        campaign_members=[
            {"campaign_source_id": m, "customer_source_id": c, "occurred_at": "2024-05-02",
             "is_control": c == "C39"}
            for m in ("M1", "M2") for c in ("C00", "C01", "C02", "C03", "C39")
        ],
        tickets=[
            {"source_id": f"T{n}", "customer_source_id": "C05", "created_at": "2024-06-01"}
            for n in range(3)
        ],
    )  # fmt: skip


def test_campaigns_and_tickets_are_counted_against_margins(shop: Warehouse, scored: pd.DataFrame) -> None:
    plain = scored.set_index("customer_id")
    priced = lifetime_value(shop, as_of=AS_OF, model="bg_nbd", ticket_cost=4.0).set_index("customer_id")
    margin = 0.4 * plain["historic_revenue"]
    # 80 / 4 each; the held-out one and the campaign that still runs cost nothing
    cost = (margin - plain["historic_value"]).round(9)
    assert cost[[f"default:C0{n}" for n in range(4)]].tolist() == [20.0] * 4
    assert cost.drop([f"default:C0{n}" for n in range(4)]).eq(0.0).all()
    assert (plain["historic_value"] - priced["historic_value"]).round(9)["default:C05"] == 12.0
    assert priced["lifetime_value"]["default:C05"] < plain["lifetime_value"]["default:C05"]
    assert (plain["lifetime_value"] < 0.4 * plain["lifetime_revenue"]).all()
    assert (plain["lifetime_value_low"] <= plain["lifetime_value_high"]).all()
    with pytest.raises(UsageError, match="ticket_cost=-1"):
        lifetime_value(shop, as_of=AS_OF, ticket_cost=-1)


def test_channels_show_what_they_cost_and_bring(shop: Warehouse) -> None:
    found = value_by(shop, as_of=AS_OF, by="channel", model="bg_nbd")
    search = found.loc["paid_search"]
    assert found["customers"].to_dict() == {"paid_search": 20, "referral": 20}
    assert search["acquisition_cost"] == 200.0
    # first purchases from February on, when the spend began
    assert search["acquired_customers"] == 13
    assert search["cost_per_customer"] == pytest.approx(200 / 13)
    assert 0 < search["value_to_cost"] < 0.41 * search["revenue_to_cost"]
    assert found.loc["referral", ["acquisition_cost", "cost_per_customer", "value_to_cost"]].isna().all()


@pytest.mark.parametrize("by", ["all", "cohort", "country", "type"])
def test_groups_add_up_to_everybody(shop: Warehouse, scored: pd.DataFrame, by: str) -> None:
    found = value_by(shop, as_of=AS_OF, by=by, model="bg_nbd")
    for name in ("historic_revenue", "expected_purchases", "lifetime_revenue", "lifetime_value"):
        assert found[name].sum() == pytest.approx(scored[name].sum(), rel=1e-7), name
    assert (found["lifetime_revenue_low"] <= found["lifetime_revenue_high"]).all()
    if by == "cohort":
        assert found.index.tolist() == ["2024-01", "2024-02", "2024-03"]
        assert found["acquisition_cost"].tolist()[1:] == [100.0, 100.0]
        assert np.isnan(found["acquisition_cost"].iloc[0])


def test_any_grouping_can_be_given(shop: Warehouse) -> None:
    mine = pd.Series({"default:C00": "vip", "default:C01": "vip"})
    found = value_by(shop, as_of=AS_OF, by=mine, model="bg_nbd")
    assert found["customers"].to_dict() == {"unknown": 38, "vip": 2}
    with pytest.raises(UsageError, match="by='colour' must be one of all, segment"):
        value_by(shop, as_of=AS_OF, by="colour")
    with pytest.raises(UsageError, match="No segments are kept for 2024-09-01"):
        value_by(shop, as_of=AS_OF, by="segment", model="bg_nbd")


def test_customers_without_a_margin_are_counted_and_the_others_valued(
    shop: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = valuing.costed_summary(shop, as_of=AS_OF)
    known["net_margin"] = known["net_margin"].astype(float)
    without = known["customer_id"].isin(["default:C01", "default:C03", "default:C05"])
    known.loc[without, "net_margin"] = np.nan
    monkeypatch.setattr(grouping, "costed_summary", lambda wh, **how: known.copy())
    found = value_by(shop, as_of=AS_OF, by="channel", model="bg_nbd")
    assert found["customers_without_value"].to_dict() == {"paid_search": 3, "referral": 0}
    assert np.isnan(found.loc["paid_search", "lifetime_value"])
    assert np.isfinite(found.loc["paid_search", "lifetime_revenue"])
    each = score_summary(known).set_index("customer_id")["lifetime_value"]
    odd = [name for name in each.index if int(name[-2:]) % 2]
    assert each.isna().sum() == 3
    worth = found["lifetime_value_of_the_others"]
    assert worth["paid_search"] == pytest.approx(each[odd].sum(), rel=1e-7)
    assert worth["referral"] == found.loc["referral", "lifetime_value"]
    per_customer = found["lifetime_value_per_customer"].to_dict()
    assert per_customer == pytest.approx({"paid_search": worth.iloc[0] / 17, "referral": worth.iloc[1] / 20})
    # a given margin fills the gaps; where nobody has one, nothing is left to value
    filled = value_by(shop, as_of=AS_OF, by="channel", model="bg_nbd", margin_rate=0.4)
    assert filled["customers_without_value"].eq(0).all()
    assert filled.loc["paid_search", "lifetime_value"] > worth["paid_search"]
    known["net_margin"] = np.nan
    nothing = value_by(shop, as_of=AS_OF, by="all", model="bg_nbd").iloc[0]
    assert nothing["customers_without_value"] == 40
    assert nothing[["lifetime_value_of_the_others", "lifetime_value_per_customer"]].isna().all()


def test_robust_is_that_of_the_fit(shop: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    known = valuing.costed_summary(shop, as_of=AS_OF)
    known.loc[known["customer_id"] == "default:C04", "frequency"] = 90
    monkeypatch.setattr(grouping, "costed_summary", lambda wh, **how: known.copy())
    sums = {}
    for robust in (True, False):
        found = value_by(shop, as_of=AS_OF, by="all", model="bg_nbd", robust=robust)
        sums[robust] = score_summary(known, robust=robust)["expected_purchases"].sum()
        assert found["expected_purchases"].item() == pytest.approx(sums[robust], rel=1e-9)
    assert sums[True] != pytest.approx(sums[False], rel=0.01)


def test_the_choice_of_a_model_is_kept_in_a_file(shop: Warehouse, tmp_path: Path) -> None:
    chosen = choose_model(shop, as_of=AS_OF, models=("bg_nbd", "nbd"))
    path = chosen.save(tmp_path / "value.json")
    again = load_choice(path)
    assert (again.model, again.as_of, again.horizon_days) == (chosen.model, AS_OF, 90)
    assert again.card.to_dict() == chosen.card.to_dict()
    assert again.card.chosen == chosen.model
    assert again.card.to_markdown().startswith("# Model card: value")
    path.write_text(path.read_text().replace(chosen.model, "oracle", 1))
    with pytest.raises(ModelFileError):
        load_choice(path)
