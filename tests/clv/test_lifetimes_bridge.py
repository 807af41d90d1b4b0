"""Do the fitters of lifetimes and our models predict the same, in both directions and in every unit?"""

from __future__ import annotations

import subprocess
import sys
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import lifetimes_bridge
from crm_analytics.clv.models.bg_bb import BetaGeoBetaBinomModel
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.errors import UsageError

PURCHASES = [BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel]
FITTERS = ["BetaGeoFitter", "ModifiedBetaGeoFitter", "ParetoNBDFitter"]
DONORS = {"alpha": 1.20, "beta": 0.75, "gamma": 0.66, "delta": 2.78}


@pytest.mark.parametrize("unit", ["day", "week"])
@pytest.mark.parametrize("model_class", PURCHASES)
def test_a_fitter_predicts_what_the_model_predicts(
    model_class: type[PurchaseModel], unit: str, cdnow: pd.DataFrame
) -> None:
    days = {"day": 1.0, "week": 7.0}[unit]
    some = cdnow.sort_values("frequency").iloc[::40]
    model = model_class().fit(cdnow)
    fitter = lifetimes_bridge.to_lifetimes(model, unit=unit)
    history = some["frequency"], some["recency"] / days, some["T"] / days
    np.testing.assert_allclose(
        fitter.predict(273 / days, *history), model.expected_purchases(some, horizon_days=273), rtol=1e-6
    )
    np.testing.assert_allclose(
        fitter.conditional_probability_alive(*history), model.probability_alive(some), rtol=1e-6
    )


def test_gamma_gamma_in_lifetimes_expects_the_same_spend(cdnow: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cdnow)
    fitter = lifetimes_bridge.to_lifetimes(model, summary=cdnow)
    theirs = fitter.conditional_expected_average_profit(cdnow["frequency"], cdnow["monetary_value"])
    np.testing.assert_allclose(theirs, model.expected_spend(cdnow), rtol=1e-9)


def test_bg_bb_counts_opportunities() -> None:
    model = BetaGeoBetaBinomModel.from_parameters(DONORS, period_days=365.25)
    fitter = lifetimes_bridge.to_lifetimes(model)
    ten = fitter.conditional_expected_number_of_purchases_up_to_time(
        10, *(np.array([number]) for number in (3, 4, 6))
    )
    assert ten.item() == pytest.approx(1.8408127, abs=5e-8)
    back = lifetimes_bridge.from_lifetimes(fitter, unit="year")
    assert back.get_params() == {"period_days": 365.25}
    assert back.params_ == pytest.approx(model.params_, rel=1e-12)


@pytest.mark.filterwarnings("ignore")  # of lifetimes while it fits
@pytest.mark.parametrize(("name", "model_class"), list(zip(FITTERS[:2], PURCHASES[:2], strict=True)))
def test_a_fitter_fitted_by_lifetimes_comes_over(
    name: str, model_class: type[PurchaseModel], cdnow: pd.DataFrame, lifetimes: ModuleType
) -> None:
    weeks = cdnow["frequency"], cdnow["recency"] / 7, cdnow["T"] / 7
    fitter = getattr(lifetimes, name)().fit(*weeks)
    model = lifetimes_bridge.from_lifetimes(fitter, unit="week")
    ours = model_class().fit(cdnow)
    assert type(model) is model_class
    assert model.params_ == pytest.approx(ours.params_, rel=1e-2)
    assert model.standard_errors_ == pytest.approx(ours.standard_errors_, rel=2e-2)
    # their variance_matrix_ is not symmetric; the covariance we take over is
    np.testing.assert_allclose(model.log_covariance_, ours.log_covariance_, rtol=0.05, atol=2e-4)


@pytest.mark.parametrize("model_class", [*PURCHASES, GammaGammaModel])
@pytest.mark.parametrize("unit", ["day", "week"])
def test_there_and_back_again(
    model_class: type[MaximumLikelihoodModel], unit: str, cdnow: pd.DataFrame
) -> None:
    model: Any = model_class().fit(cdnow)  # type: ignore[attr-defined]
    fitter = lifetimes_bridge.to_lifetimes(model, unit=unit, summary=cdnow)
    back = lifetimes_bridge.from_lifetimes(fitter, unit=unit)
    assert back.params_ == pytest.approx(model.params_, rel=1e-12)
    assert back.standard_errors_ == pytest.approx(model.standard_errors_, rel=1e-8)
    np.testing.assert_allclose(back.log_covariance_, model.log_covariance_, rtol=1e-6, atol=1e-12)


def test_with_the_summary_the_fitter_has_data_and_errors(cdnow: pd.DataFrame) -> None:
    model = BetaGeoModel().fit(cdnow)
    fitter = lifetimes_bridge.to_lifetimes(model, unit="week", summary=cdnow)
    assert fitter.standard_errors_["alpha"] == pytest.approx(0.378224, rel=1e-3)
    assert fitter.summary.loc["r", "coef"] == pytest.approx(0.242595, abs=1e-6)
    np.testing.assert_allclose(fitter.data["T"], cdnow["T"] / 7)
    np.testing.assert_allclose(fitter.variance_matrix_, fitter.variance_matrix_.T)


def test_lifetimes_changes_nothing_of_the_process() -> None:
    code = """
import sys, warnings
import numpy as np, pandas as pd
def state():
    names = ("display.max_rows", "display.width", "display.precision", "mode.string_storage")
    return list(warnings.filters), np.geterr(), [pd.get_option(name) for name in names]
from crm_analytics.clv import BetaGeoModel, to_lifetimes
assert not [name for name in sys.modules if name.startswith("lifetimes")]
before = state()
to_lifetimes(BetaGeoModel.from_parameters({"r": 0.2, "alpha": 30.0, "a": 0.8, "b": 2.4}))
assert "lifetimes" in sys.modules
assert state() == before
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_has_no_counterpart_is_refused(lifetimes: ModuleType) -> None:
    with pytest.raises(UsageError, match="no fitter for NBDModel"):
        lifetimes_bridge.to_lifetimes(NBDModel.from_parameters({"r": 0.4, "alpha": 60.0}))
    params = {"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.4, "purchase_online": 0.7}
    with pytest.raises(UsageError, match="know no covariates"):
        lifetimes_bridge.to_lifetimes(BetaGeoModel.from_parameters(params, purchase_covariates=["online"]))
    with pytest.raises(UsageError, match="not fitted yet"):
        lifetimes_bridge.from_lifetimes(lifetimes.BetaGeoFitter(), unit="day")
    with pytest.raises(UsageError, match="no fitter of lifetimes"):
        lifetimes_bridge.from_lifetimes(object(), unit="day")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitter = lifetimes_bridge.to_lifetimes(BetaGeoBetaBinomModel.from_parameters(DONORS))
    with pytest.raises(UsageError, match=r"unit='.*' must be one of day, week, month, year"):
        lifetimes_bridge.from_lifetimes(fitter, unit="fortnight")
