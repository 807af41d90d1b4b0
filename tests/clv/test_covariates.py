"""Are effects of covariates found, on their own scale, and do models without them stay what they were?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.covariates import likelihood_ratio_test
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.errors import UsageError

CORE = {
    BetaGeoModel: {"r": 0.6, "alpha": 30.0, "a": 0.9, "b": 3.0},
    ModifiedBetaGeoModel: {"r": 0.9, "alpha": 30.0, "a": 0.6, "b": 3.0},
    ParetoNBDModel: {"r": 0.7, "alpha": 30.0, "s": 0.8, "beta": 200.0},
}
both_families = pytest.mark.parametrize("model_class", list(CORE))


def truth(model_class: Any, **effects: float) -> PurchaseModel:
    model: PurchaseModel = model_class.from_parameters(
        CORE[model_class] | effects,
        purchase_covariates=["web"] if "purchase_web" in effects else [],
        dropout_covariates=["web", "age"] if "dropout_web" in effects else [],
        equal_covariates=["web"] if "both_web" in effects else [],
    )
    return model


def customers(model: PurchaseModel, size: int = 4000) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    traits = pd.DataFrame({"web": rng.integers(0, 2, size), "age": rng.integers(2, 7, size) * 10.0})
    return model.simulate(rng.integers(200, 700, size).astype(float), covariates=traits, seed=7).assign(
        web=traits["web"], age=traits["age"]
    )


@both_families
def test_simulated_effects_are_found_again(model_class: Any) -> None:
    real = truth(model_class, purchase_web=0.8, dropout_web=-0.7, dropout_age=0.02)
    fitted = clone(real).fit(customers(real))
    assert fitted.verdict_.status == "ok", fitted.verdict_
    assert list(fitted.params_) == [*CORE[model_class], "purchase_web", "dropout_web", "dropout_age"]
    for name, value in real.params_.items():
        assert abs(fitted.params_[name] - value) < 3 * fitted.standard_errors_[name], (name, fitted.params_)


@both_families
def test_the_unit_of_a_covariate_only_changes_the_unit_of_its_effect(
    model_class: Any,
) -> None:
    table = customers(truth(model_class), 1500)
    years = model_class(purchase_covariates=["age"]).fit(table)
    months = model_class(purchase_covariates=["age"]).fit(table.assign(age=table["age"] * 12.0 - 5.0))
    assert months.params_["purchase_age"] * 12.0 == pytest.approx(years.params_["purchase_age"], rel=1e-6)
    assert months.log_likelihood_ == pytest.approx(years.log_likelihood_, rel=1e-11)
    np.testing.assert_allclose(
        years.expected_purchases(table, horizon_days=90),
        months.expected_purchases(table.assign(age=table["age"] * 12.0 - 5.0), horizon_days=90),
        rtol=1e-6,
    )


@both_families
def test_an_effect_of_zero_is_no_covariate(model_class: Any) -> None:
    plain, zero = truth(model_class), truth(model_class, purchase_web=0.0, dropout_web=0.0, dropout_age=0.0)
    table = customers(plain, 300)
    questions: list[Callable[[PurchaseModel], pd.Series]] = [
        lambda model: model.expected_purchases(table, horizon_days=60),
        lambda model: model.probability_alive(table, days_ahead=30),
        lambda model: model.log_likelihood(table),
        lambda model: model.next_purchase_days(table, quantile=0.3),
        lambda model: model.discounted_expected_purchases(table, annual_discount_rate=0.1),
        lambda model: model.purchase_count_probabilities(table, horizon_days=60, up_to=3)[2],
    ]
    for question in questions:
        np.testing.assert_allclose(question(zero), question(plain), rtol=1e-12)


def test_faster_buyers_buy_more_and_early_leavers_stay_shorter() -> None:
    model = truth(ParetoNBDModel, purchase_web=0.8, dropout_web=0.5, dropout_age=0.0)
    one = pd.DataFrame({"frequency": 2.0, "recency": 50.0, "T": 100.0, "web": [0, 1], "age": 30.0})
    assert model.probability_alive(one).diff().iloc[1] < 0
    assert model.expected_purchases_new(100, covariates={"web": 1.0}) > model.expected_purchases_new(100)
    with pytest.raises(UsageError, match="has no covariate 'wep'"):
        model.expected_purchases_new(100, covariates={"wep": 1.0})


@pytest.mark.parametrize("model_class", [BetaGeoModel, ParetoNBDModel])
def test_likelihood_ratio_tells_real_effects_from_none(model_class: Any) -> None:
    table = customers(truth(model_class, purchase_web=0.5, dropout_web=0.5, dropout_age=0.0), 3000)
    plain = model_class().fit(table)
    equal = model_class(equal_covariates=["web"]).fit(table)
    free = model_class(purchase_covariates=["web"], dropout_covariates=["web"]).fit(table)
    real, difference = likelihood_ratio_test(plain, equal), likelihood_ratio_test(equal, free)
    assert real.degrees_of_freedom == difference.degrees_of_freedom == 1
    assert real.p_value < 1e-4
    assert difference.p_value > 0.01
    noise = model_class(purchase_covariates=["noise"]).fit(
        table.assign(noise=np.random.default_rng(2).normal(size=len(table)))
    )
    assert likelihood_ratio_test(plain, noise).p_value > 0.01
    assert free.bic() > equal.bic()
    with pytest.raises(UsageError, match="with more parameters"):
        likelihood_ratio_test(equal, plain)
    with pytest.raises(UsageError, match="ridge penalty"):
        likelihood_ratio_test(plain, model_class(equal_covariates=["web"], ridge=5.0).fit(table))


def test_ridge_draws_effects_to_zero() -> None:
    table = customers(truth(BetaGeoModel, purchase_web=0.8, dropout_web=0.5, dropout_age=0.0), 1500)
    effects = [
        BetaGeoModel(purchase_covariates=["web"], ridge=ridge).fit(table) for ridge in (0.0, 100.0, 1e6)
    ]
    sizes = [model.params_["purchase_web"] for model in effects]
    assert sizes[0] > sizes[1] > sizes[2] > 0
    assert sizes[2] == pytest.approx(0.0, abs=1e-2)
    assert effects[0].log_likelihood_ > effects[1].log_likelihood_ > effects[2].log_likelihood_
    assert effects[2].log_likelihood_ == pytest.approx(BetaGeoModel().fit(table).log_likelihood_, abs=0.5)


@both_families
def test_order_of_rows_changes_no_bit_and_saved_models_come_back(model_class: Any) -> None:
    table = customers(truth(model_class), 500)
    settings = {"purchase_covariates": ["web"], "dropout_covariates": ["age"], "ridge": 1.0}
    fitted = model_class(**settings).fit(table)
    shuffled = model_class(**settings).fit(table.sample(frac=1.0, random_state=1))
    assert fitted.to_json() == shuffled.to_json()
    back = model_class.from_json(fitted.to_json())
    assert back.to_json() == fitted.to_json()
    pd.testing.assert_series_equal(back.influence(table), fitted.influence(table))


def test_wrong_covariates_are_refused_in_words() -> None:
    table = customers(truth(BetaGeoModel), 50)
    with pytest.raises(UsageError, match="has no column 'shop'"):
        BetaGeoModel(purchase_covariates=["shop"]).fit(table)
    with pytest.raises(UsageError, match="'one' is the same for all customers"):
        BetaGeoModel(purchase_covariates=["one"]).fit(table.assign(one=1.0))
    with pytest.raises(UsageError, match="'web' is missing or infinite in 1 of 50 rows"):
        BetaGeoModel(purchase_covariates=["web"]).fit(table.assign(web=[np.nan, *[1.0] * 49]))
    with pytest.raises(UsageError, match="Name it in one place"):
        BetaGeoModel(purchase_covariates=["web"], equal_covariates=["web"]).fit(table)
    with pytest.raises(UsageError, match="distinct column names"):
        BetaGeoModel(purchase_covariates="web").fit(table)
