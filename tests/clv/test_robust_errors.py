"""Do sandwich and bootstrap say how far the parameters of resampled customers scatter?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.robust_errors import bootstrap_covariance, sandwich_covariance
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import NotEnoughData, UsageError


def spread(covariance: np.ndarray) -> np.ndarray:
    return np.sqrt(np.diag(covariance))


def test_cdnow_parameters_are_less_sure_than_the_curvature_says(cdnow: pd.DataFrame) -> None:
    """200 weighted refits gave, elsewhere, .111 for log r of Pareto/NBD and .103 for log alpha of BG/NBD."""
    pareto, bg = ParetoNBDModel().fit(cdnow), BetaGeoModel().fit(cdnow)
    assert spread(pareto.log_covariance_)[0] == pytest.approx(0.086, abs=1e-3)
    assert spread(sandwich_covariance(pareto, cdnow))[0] == pytest.approx(0.111, rel=0.1)
    assert spread(bg.log_covariance_)[1] == pytest.approx(0.086, abs=1e-3)
    assert spread(sandwich_covariance(bg, cdnow))[1] == pytest.approx(0.103, rel=0.1)


def test_bootstrap_agrees_with_the_sandwich(cdnow: pd.DataFrame) -> None:
    model = BetaGeoModel().fit(cdnow)
    by_refits = spread(bootstrap_covariance(model, cdnow, replications=100, seed=1))
    np.testing.assert_allclose(by_refits, spread(sandwich_covariance(model, cdnow)), rtol=0.25)
    spend = GammaGammaModel().fit(cdnow)
    by_refits = spread(bootstrap_covariance(spend, cdnow, replications=60, seed=1))
    np.testing.assert_allclose(by_refits, spread(sandwich_covariance(spend, cdnow)), rtol=0.35)


def test_where_the_model_is_true_all_three_agree() -> None:
    truth = NBDModel.from_parameters({"r": 0.8, "alpha": 50.0})
    customers = truth.simulate(np.full(3000, 400.0), seed=4)
    model = NBDModel().fit(customers)
    own = spread(model.log_covariance_)
    np.testing.assert_allclose(spread(sandwich_covariance(model, customers)), own, rtol=0.1)
    by_refits = spread(bootstrap_covariance(model, customers, replications=150, seed=2))
    np.testing.assert_allclose(by_refits, own, rtol=0.2)


def test_order_of_the_rows_and_weights_for_rows_change_nothing(cdnow: pd.DataFrame) -> None:
    some = cdnow.iloc[:300].drop(columns="customer_id")
    model, order = BetaGeoModel().fit(some), np.random.default_rng(1).permutation(300)
    plain = sandwich_covariance(model, some)
    assert np.array_equal(plain, sandwich_covariance(model, some.iloc[order]))
    refits = bootstrap_covariance(model, some, replications=20, seed=3)
    assert np.array_equal(refits, bootstrap_covariance(model, some.iloc[order], replications=20, seed=3))
    twice = pd.concat([some, some])
    np.testing.assert_allclose(
        sandwich_covariance(model, twice),
        sandwich_covariance(model, some, weights=np.full(300, 2.0)),
        rtol=1e-9,
    )


def test_a_model_takes_another_covariance_and_keeps_its_parameters(cdnow: pd.DataFrame) -> None:
    model = ParetoNBDModel().fit(cdnow)
    robust = model.with_covariance(sandwich_covariance(model, cdnow))
    assert robust.params_ == model.params_
    assert robust.standard_errors_["r"] > model.standard_errors_["r"]
    table, wider = model.parameter_table(), robust.parameter_table()
    assert wider.loc["r", "low"] < table.loc["r", "low"]
    assert ParetoNBDModel.from_json(robust.to_json()).standard_errors_ == robust.standard_errors_


def test_too_little_to_resample_is_said(cdnow: pd.DataFrame) -> None:
    model = BetaGeoModel().fit(cdnow)
    with pytest.raises(UsageError, match="replications=5 must be a whole number >= 20"):
        bootstrap_covariance(model, cdnow, replications=5, seed=1)
    nobody = pd.DataFrame({"frequency": [0.0, 1.0], "recency": [0.0, 5.0], "T": [9.0, 9.0]})
    with pytest.raises(NotEnoughData, match="refits to resampled customers"):
        bootstrap_covariance(model, nobody, weights=[1.0, 1e-9], replications=20, seed=1)


def test_contracts_have_a_sandwich_and_a_bootstrap() -> None:
    lives = ShiftedBetaGeoModel.from_parameters({"alpha": 0.7, "beta": 1.2}).simulate([6] * 2000, seed=1)
    lives["web"] = np.arange(2000) % 2 == 0
    model = ShiftedBetaGeoModel(equal_covariates=["web"]).fit(lives)
    assert np.abs(model.scores(lives).sum(axis=0)).max() < 0.01  # at the optimum they balance
    own = spread(model.log_covariance_)
    np.testing.assert_allclose(spread(sandwich_covariance(model, lives)), own, rtol=0.15)
    grouped = lives.groupby(["periods", "has_ended", "web"]).size().reset_index(name="count")
    weights = grouped["count"].to_numpy(float)
    np.testing.assert_allclose(
        sandwich_covariance(model, grouped, weights), sandwich_covariance(model, lives), rtol=1e-9
    )
    as_digits = grouped.astype({"periods": int}).astype({"periods": str})
    by_refits = bootstrap_covariance(model, as_digits, weights, replications=30, seed=1)
    np.testing.assert_allclose(spread(by_refits), own, rtol=0.4)
