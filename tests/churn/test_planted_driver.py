"""Is the churn driver that was planted in the sample company found, and the future left out?  See
data/sample/README.md, truth (a)."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crm_analytics import churn
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.model import ChurnModel
from crm_analytics.churn.score import asked, score_frame
from crm_analytics.warehouse import Warehouse
from tests.churn.plain_baselines import compare, kept_tables

AS_OF = date(2025, 1, 1)


@pytest.fixture(scope="module")
def trained(company: Warehouse) -> tuple[ChurnModel, pd.DataFrame]:
    """The model, and what it learned from."""
    with kept_tables() as tables:
        return churn.train(company, as_of=AS_OF), tables[0]


@pytest.fixture(scope="module")
def model(trained: tuple[ChurnModel, pd.DataFrame]) -> ChurnModel:
    return trained[0]


@pytest.fixture(scope="module")
def known(company: Warehouse, model: ChurnModel) -> tuple[pd.DataFrame, pd.DataFrame]:
    return asked(company, model, as_of=AS_OF)


def test_the_model_is_no_worse_than_any_plain_way_on_the_months_to_come(
    company: Warehouse, trained: tuple[ChurnModel, pd.DataFrame], known: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    found, plain = compare(company, *trained, known)
    assert found["log_loss"].value <= min(plain.values()) + 0.002


def test_complaints_that_took_more_than_ten_days_raise_the_risk_and_are_the_reason(
    company: Warehouse, model: ChurnModel, known: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    losses = {name: found["log_loss"].value for name, found in model.card.metrics.items()}
    assert losses["boosted"] < losses["closed_form"]
    assert losses[model.chosen] <= min(losses[name] for name in model.card.baselines) + 0.002
    scores = score_frame(model, *known, as_of=AS_OF).dropna(subset="churn_probability")
    slow = company.rows(
        "select distinct customer_id from facts.tickets_before($as_of) "
        "where kind = 'complaint' and days_to_resolve > 10 and opened_on >= cast($as_of as date) - 180",
        as_of=AS_OF,
    )
    waited = scores["customer_id"].isin([row[0] for row in slow])
    assert waited.sum() >= 30
    mean = scores.groupby(waited.to_numpy())["churn_probability"].mean()
    assert mean[True] > mean[False] + 0.25
    assert scores.loc[waited, "reason_1"].str.startswith("waited").mean() > 0.7


def test_the_card_compares_with_all_plain_ways_on_the_same_windows(model: ChurnModel) -> None:
    assert set(model.card.baselines) == {
        "base_rate", "days_since_last_order", "closed_form", "recency_frequency_spend_age", "plain_xgboost",
    }  # fmt: skip
    page = model.card.to_markdown()
    for name in model.card.baselines:
        loss = model.card.metrics[name]["log_loss"]
        assert loss.low < loss.value < loss.high
        assert f"| {name.replace('_', ' ')} (simple)" in page
    assert "also chose the model" in page


def test_no_reason_of_anybody_contradicts_what_the_parts_of_the_score_add_up_to(
    model: ChurnModel, known: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    scores = score_frame(model, *known, as_of=AS_OF)
    rows = known[0][scores["churn_probability"].notna().to_numpy()].reset_index(drop=True)
    scores = scores.dropna(subset="churn_probability").reset_index(drop=True)
    parts = pd.DataFrame(model.relative_parts(rows))
    total = parts.sum(axis=1)
    chance = scores["churn_probability"]
    odds = np.log(chance) - np.log1p(-chance)
    assert np.abs(total - (odds - odds.mean())).max() < 1e-4  # trees speak single precision
    assert len(scores) > 900
    raised = scores["reason_code"].notna()
    assert not (raised & (total <= 0.0)).any()
    assert (total[scores["risk_band"] == "high"] > 0.0).all()
    assert (total[scores["risk_band"] == "low"] <= 0.0).all()
    # the theme that is named raises, and whoever is above the usual has one that does
    assert all(parts.loc[row, scores.loc[row, "reason_code"]] > 0.0 for row in scores.index[raised])
    assert raised[total > 0.2].all()
    clear = (total.abs() > 0.2) & scores["reason_1"].isna()
    assert not clear.any()


def test_garbage_in_every_later_fact_changes_no_feature_no_exclusion_and_no_score(
    company: Warehouse,
    company_with_a_poisoned_future: Warehouse,
    model: ChurnModel,
    known: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    shops = (company, company_with_a_poisoned_future)
    features, customers = known
    theirs, their_customers = asked(company_with_a_poisoned_future, model, as_of=AS_OF)
    assert_frame_equal(theirs, features, check_exact=True)
    assert_frame_equal(their_customers, customers, check_exact=True)
    assert customers["excluded_as"].notna().any()
    assert_frame_equal(
        score_frame(model, theirs, their_customers, as_of=AS_OF),
        score_frame(model, features, customers, as_of=AS_OF),
        check_exact=True,
    )
    # a label looks ahead, but who is asked about is known before
    file = kind_of("purchase").file("label.sql")
    given = {"as_of": AS_OF, "horizon_days": 90, "active_days": 365, "known_at": None}
    ours, poisoned = (shop.frame(file, **given).sort_values("customer_id") for shop in shops)
    assert poisoned["customer_id"].tolist() == ours["customer_id"].tolist()
    assert poisoned["churned"].tolist() != ours["churned"].tolist()
