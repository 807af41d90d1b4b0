"""Does the spend model reproduce the published figures, in any currency, and stay finite at its edges?"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.errors import NotEnoughData, UsageError


def customers(frequency: list[float], spend: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"frequency": frequency, "monetary_value": spend})


def test_cdnow_parameters_and_standard_errors_are_the_published_ones(cdnow: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cdnow)
    expected = {"p": (6.249572, 1.19007), "q": (3.744225, 0.290135), "v": (15.443523, 4.159478)}
    for name, (value, error) in expected.items():
        assert model.params_[name] == pytest.approx(value, abs=5e-6), name
        assert model.standard_errors_[name] == pytest.approx(error, rel=1e-3), name
    assert model.log_likelihood_ == pytest.approx(-4055.91769, abs=1e-4)
    assert model.customers_ == 946
    assert model.left_out_ == 0
    assert model.verdict_.status == "ok"


def test_expected_spend_of_hardies_customers() -> None:
    model = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
    spend = model.expected_spend(customers([2, 1, 0, 7, 2], [22.35, 11.77, 0, 73.74, 25.55]))
    assert spend.round(2).tolist() == [24.66, 18.92, 35.22, 71.47, 27.29]


def test_lifetimes_agrees_on_expected_spend(cdnow: pd.DataFrame, lifetimes: ModuleType) -> None:
    model = GammaGammaModel().fit(cdnow)
    fitter = lifetimes.GammaGammaFitter()
    fitter.params_ = pd.Series(model.params_)
    repeat = cdnow[cdnow["frequency"] > 0]
    theirs = fitter.conditional_expected_average_profit(repeat["frequency"], repeat["monetary_value"])
    np.testing.assert_allclose(model.expected_spend(repeat), theirs, rtol=1e-12)


@pytest.mark.parametrize("factor", [100.0, 1e7], ids=["cents", "rial"])
def test_currency_unit_changes_nothing_but_the_unit(cdnow: pd.DataFrame, factor: float) -> None:
    in_units = GammaGammaModel().fit(cdnow)
    in_parts = GammaGammaModel().fit(cdnow.assign(monetary_value=cdnow["monetary_value"] * factor))
    assert in_parts.params_["p"] == pytest.approx(in_units.params_["p"], rel=1e-9)
    assert in_parts.params_["q"] == pytest.approx(in_units.params_["q"], rel=1e-9)
    assert in_parts.params_["v"] / factor == pytest.approx(in_units.params_["v"], rel=1e-9)


def test_order_of_the_rows_changes_no_bit_and_weights_count_as_rows(cdnow: pd.DataFrame) -> None:
    weights = np.arange(len(cdnow)) % 3
    order = np.random.default_rng(1).permutation(len(cdnow))
    weighted = GammaGammaModel().fit(cdnow, weights=weights)
    shuffled = GammaGammaModel().fit(cdnow.iloc[order], weights=weights[order])
    assert weighted.to_json() == shuffled.to_json()
    repeated = GammaGammaModel().fit(cdnow.loc[cdnow.index.repeat(weights)])
    assert weighted.params_ == pytest.approx(repeated.params_, rel=1e-9)


def test_customers_without_positive_spend_are_left_out_and_counted(cdnow: pd.DataFrame) -> None:
    strange = customers([2, 3, 1, 4], [0.0, -5.0, np.nan, np.inf])
    both = pd.concat([cdnow[["frequency", "monetary_value"]], strange], ignore_index=True)
    model = GammaGammaModel().fit(both)
    assert model.left_out_ == 4
    assert model.params_ == GammaGammaModel().fit(cdnow).params_
    everyone = model.params_["p"] * model.params_["v"] / (model.params_["q"] - 1)
    assert model.expected_spend(strange).tolist() == [everyone] * 4


@pytest.mark.parametrize(
    "cohort",
    [
        customers([3], [10.0]),
        customers([3, 3], [10.0, 10.0]),
        customers([1] * 50, [10.0] * 50),
        customers([5] * 50, list(np.geomspace(1, 1e12, 50))),
    ],
    ids=["one customer", "two alike", "constant amounts", "no mean exists"],
)
def test_no_optimum_is_named_and_gives_finite_positive_spend(cohort: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cohort)
    assert model.verdict_.status in {"boundary", "failed"}
    assert "runs to" in model.verdict_.reasons[-1]
    assert model.params_["q"] > 1
    spend = model.expected_spend(cohort)
    assert np.isfinite(spend).all()
    assert (spend > 0).all()


def test_constant_amounts_predict_the_constant() -> None:
    model = GammaGammaModel().fit(customers([1, 2, 3] * 30, [10.0] * 90))
    np.testing.assert_allclose(model.expected_spend(customers([2, 0], [10.0, 0.0])), 10.0, rtol=1e-3)


def test_simulated_parameters_are_found_again() -> None:
    rng = np.random.default_rng(3)
    truth = {"p": 5.0, "q": 4.0, "v": 20.0}
    frequency = rng.integers(1, 8, 3000)
    own = rng.gamma(truth["q"], 1 / truth["v"], 3000)
    model = GammaGammaModel().fit(
        customers(frequency.tolist(), (rng.gamma(truth["p"] * frequency) / own / frequency).tolist())
    )
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 3 * model.standard_errors_[name], (name, model.params_)


def test_nobody_to_learn_from_is_said_in_words() -> None:
    with pytest.raises(NotEnoughData, match="none of the 2 customers has one"):
        GammaGammaModel().fit(customers([0, 2], [0.0, -3.0]))
    with pytest.raises(UsageError, match="has no column 'monetary_value'"):
        GammaGammaModel().fit(pd.DataFrame({"frequency": [1]}))
    with pytest.raises(UsageError, match=r"each a number > \{'q': 1.0\}"):
        GammaGammaModel.from_parameters({"p": 1.0, "q": 0.9, "v": 1.0})


def test_saved_model_comes_back_equal_and_can_be_cloned(cdnow: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cdnow)
    back = GammaGammaModel.from_json(model.to_json())
    assert back.params_ == model.params_
    assert back.to_json() == model.to_json()
    assert clone(model).get_params() == {}
