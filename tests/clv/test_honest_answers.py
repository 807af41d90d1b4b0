"""Is what cannot be known missing and said so, and what cannot be meant refused in our words?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.cohort_models import NO_PRICE, Models, fit_models
from crm_analytics.clv.customer_value import score_summary
from crm_analytics.clv.lifetimes_bridge import to_lifetimes
from crm_analytics.clv.models.bg_bb import BetaGeoBetaBinomModel
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.covariates import likelihood_ratio_test
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.seasonality import SeasonalIndex
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import ModelFileError, UsageError

MODEL = BetaGeoModel.from_parameters({"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5})
SPEND = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
MONEY = [
    "expected_spend",
    "lifetime_revenue",
    "lifetime_revenue_low",
    "lifetime_revenue_high",
    "lifetime_value",
]


def cohort(*rows: tuple[float, float, float], paid: float = 20.0) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float)
    table.insert(0, "customer_id", [str(number) for number in range(len(table))])
    return table.assign(monetary_value=np.where(table["frequency"] > 0, paid, 0.0))


def varied() -> pd.DataFrame:
    return cohort(*[(n % 7, 30 * (n % 7), 200 + n) for n in range(90)])


@pytest.mark.parametrize("rows", [[(3, 60, 100)] * 50, [(3, 60, 100), (1, 20, 50), (0, 0, 30)] * 10])
def test_the_next_purchase_of_customers_all_alike_is_that_of_the_model(
    rows: list[tuple[int, int, int]],
) -> None:
    known = cohort(*rows)
    used = fit_models(known)
    days = score_summary(known, models=used)["next_purchase_days"]
    np.testing.assert_allclose(days, used.purchases.next_purchase_days(known), rtol=0.02)


@pytest.mark.parametrize("paid", [np.nan, np.inf])
def test_without_a_price_value_is_missing_and_says_so(paid: float) -> None:
    scored = score_summary(varied().assign(monetary_value=paid), margin_rate=0.3)
    assert scored[MONEY].isna().all(axis=None)
    assert scored["expected_purchases"].notna().all()
    assert set(scored["status"]) == {"fallback"}
    assert set(scored["status_reason"]) == {NO_PRICE}


SAVED = MODEL.with_covariance(np.eye(4) * 0.01).to_json()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"params": {"r": -1, "alpha": 42.0, "a": 0.8, "b": 2.5}}, "cannot be"),
        ({"params": {"r": math.nan, "alpha": 42.0, "a": 0.8, "b": 2.5}}, "cannot be"),
        ({"params": {"r": 1, "alpha": 42.0, "a": 0.8, "b": 2.5, "c": 1}}, "should be r, alpha, a, b"),
        ({"log_covariance": np.eye(3).tolist()}, r"shape \(3, 3\)"),
        ({"log_covariance": (-np.eye(4)).tolist()}, "positive semidefinite"),
        ({"log_covariance": (np.eye(4) * math.nan).tolist()}, "not finite"),
        ({"unit": "week"}, "saved models are in days"),
        ({"customers": -1}, "customers and purchases"),
        ({"verdict": {"status": "fine", "reasons": []}}, "verdict is 'fine'"),
        ({"params": [1, 2]}, "AttributeError"),
    ],
)
def test_a_saved_model_that_cannot_be_true_is_refused(change: dict[str, Any], complaint: str) -> None:
    assert BetaGeoModel.from_json(SAVED).to_json() == SAVED
    with pytest.raises(ModelFileError, match=complaint):
        BetaGeoModel.from_json(json.dumps(json.loads(SAVED) | change))


def test_a_model_of_known_parameters_has_no_likelihood() -> None:
    assert math.isnan(MODEL.describe("week")["log_likelihood"])
    assert math.isnan(MODEL.bic())
    assert math.isnan(MODEL.aic())
    assert math.isnan(BetaGeoModel.from_json(MODEL.to_json()).log_likelihood_)


def test_covariates_that_say_the_same_are_named() -> None:
    rng = np.random.default_rng(1)
    web = rng.integers(0, 2, 90).astype(float)
    known = varied().assign(web=web, shop=1.0 - web, other=rng.normal(size=90))
    with pytest.raises(UsageError, match="Covariates 'web', 'shop' are collinear"):
        BetaGeoModel(purchase_covariates=["web", "other", "shop"]).fit(known)
    with pytest.raises(UsageError, match=r"'word' of the summary is not numeric.*trait in words"):
        BetaGeoModel(purchase_covariates=["word"]).fit(known.assign(word="x"))


def test_a_likelihood_ratio_needs_nested_models() -> None:
    def fitted(*names: str) -> BetaGeoModel:
        size = 4 + len(names)
        params = {"r": 0.5, "alpha": 40.0, "a": 0.8, "b": 2.5, **{f"purchase_{name}": 0.1 for name in names}}
        model = BetaGeoModel.from_parameters(params, purchase_covariates=list(names))
        model._learn(
            model.log_parameters(), np.eye(size), -10.0 + size, model.verdict_, customers=9, purchases=9
        )
        return model

    assert likelihood_ratio_test(fitted("x"), fitted("x", "y")).degrees_of_freedom == 1
    with pytest.raises(UsageError, match="Not there: purchase_x"):
        likelihood_ratio_test(fitted("x"), fitted("y", "z"))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"horizon_days": "x"}, "horizon_days='x' must be a number"),
        ({"horizon_days": None}, "horizon_days=None must be a number"),
        ({"margin_rate": "0.3"}, "margin_rate='0.3' must be a number"),
        ({"margin_rate": pd.Series({"0": "much"})}, "margin_rate is not numeric"),
        ({"model": "pareto_nbd"}, "models holds a 'bg_nbd', but model='pareto_nbd'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_named(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        score_summary(varied(), models=Models(MODEL, SPEND), **wrong)


def test_questions_that_cannot_be_meant_are_named() -> None:
    with pytest.raises(UsageError, match="BetaGeoModel is not fitted yet"):
        to_lifetimes(BetaGeoModel())
    with pytest.raises(UsageError, match="up_to=-1 must be a whole number"):
        MODEL.purchase_count_probabilities(varied(), horizon_days=30, up_to=-1)


CUSTOMERS = pd.DataFrame(
    {"frequency": [0, 1, 3, 0], "recency": [0, 9, 30, 0], "T": 40, "monetary_value": [0.0, 5.0, 6.0, 0.0]}
)
KNOWN = NBDModel.from_parameters({"r": 0.5, "alpha": 30.0})
CONTRACTS = ShiftedBetaGeoModel.from_parameters({"alpha": 1.0, "beta": 2.0})
WORD: Any = "x"
NOTHING: Any = None
LIVES = pd.DataFrame({"periods": [1, 2], "has_ended": [True, False]})


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (lambda: NBDModel().fit(CUSTOMERS, weights=[WORD] * 4), "weights must be one finite number"),
        (lambda: NBDModel().fit(NOTHING), "table .* is needed, got NoneType"),
        (lambda: GammaGammaModel().fit(list(WORD)), "table .* is needed, got list"),
        (lambda: ShiftedBetaGeoModel().fit(NOTHING), "table .* is needed, got NoneType"),
        (lambda: score_summary(NOTHING), "table .* is needed, got NoneType"),
        (lambda: KNOWN.expected_purchases(CUSTOMERS, horizon_days=WORD), "horizon_days='x'"),
        (lambda: KNOWN.expected_purchases(CUSTOMERS, horizon_days=NOTHING), "horizon_days=None"),
        (
            lambda: KNOWN.discounted_expected_purchases(CUSTOMERS, annual_discount_rate=WORD),
            "annual_discount_rate='x'",
        ),
        (lambda: KNOWN.next_purchase_days(CUSTOMERS, quantile=WORD), "quantile='x'"),
        (lambda: CONTRACTS.expected_renewals(LIVES, horizon_days=WORD), "horizon_days='x'"),
        (
            lambda: CONTRACTS.discounted_expected_lifetime(LIVES, annual_discount_rate=NOTHING),
            "annual_discount_rate=None",
        ),
        (lambda: CONTRACTS.survival(WORD), "periods='x'"),
        (lambda: BetaGeoBetaBinomModel(period_days=WORD).fit(CUSTOMERS), "period_days='x'"),
        (
            lambda: SeasonalIndex.given("month", [1.0] * 12).operational_days(date(2024, 1, 1), WORD),
            "days='x'",
        ),
        (lambda: NBDModel.from_parameters({"r": WORD, "alpha": 1.0}), "one number for each .* r, alpha"),
        (lambda: NBDModel.from_parameters(NOTHING), "one number for each .* r, alpha"),
    ],
)
def test_an_argument_that_cannot_be_is_named(question: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        question()


@pytest.mark.parametrize("wrong", [np.inf, np.nan, -1.0, 1.5])
def test_spend_of_a_frequency_that_cannot_be_is_refused(wrong: float) -> None:
    odd = CUSTOMERS.assign(frequency=[0, 1, 3, wrong])
    for question in (GammaGammaModel().fit, SPEND.expected_spend, SPEND.scores):
        with pytest.raises(UsageError, match=r"frequency is no whole number .* at position 3"):
            question(odd)


@pytest.mark.parametrize("column", ["monetary_value", "net_spend", "serving_cost"])
def test_an_amount_beyond_all_money_is_excluded_and_the_others_stay_finite(column: str) -> None:
    customers = CUSTOMERS.assign(customer_id=list("abcd"), net_spend=10.0, serving_cost=0.0)
    customers.loc[2, column] = 1e308
    scored = score_summary(customers)
    assert scored["status"].tolist() == ["fallback", "fallback", "excluded", "fallback"]
    assert "above 1e18" in scored.loc[2, "status_reason"]
    assert np.isfinite(scored.loc[[0, 1, 3], "lifetime_revenue"]).all()
    everyone = SPEND.expected_spend(CUSTOMERS).iloc[0]
    if column == "monetary_value":
        assert SPEND.expected_spend(customers).iloc[2] == everyone
