"""Does the shifted beta-geometric model reproduce Fader and Hardie's cohorts, and keep its laws?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics.clv.models.contract_cohorts import fit_cohorts, lives_from_survivors
from crm_analytics.clv.models.covariates import likelihood_ratio_test
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError

YEAR = 365
LEFT = {
    "regular": [1000, 631, 468, 382, 326, 289, 262, 241],
    "high_end": [1000, 869, 743, 653, 593, 551, 517, 491],
}
FITTED = {
    "regular": ((0.70408, 1.18204), (0.0656, 0.1525), -1680.265, [22.01, 20.44, 19.12, 17.99, 17.00]),
    "high_end": ((0.66809, 3.80609), (0.1037, 0.7855), -1611.158, [46.04, 43.58, 41.42, 39.51, 37.80]),
}
every_cohort = pytest.mark.parametrize("cohort", LEFT)


def lives(*cohorts: str) -> pd.DataFrame:
    parts = [pd.DataFrame({"cohort": c, "period": range(8), "customers": LEFT[c]}) for c in cohorts]
    return lives_from_survivors(pd.concat(parts))


def fitted(cohort: str) -> ShiftedBetaGeoModel:
    table = lives(cohort)
    return ShiftedBetaGeoModel(YEAR).fit(table, weights=table["customer_count"])


def running(*periods: int) -> pd.DataFrame:
    return pd.DataFrame({"periods": periods, "has_ended": [False] * len(periods)})


@every_cohort
def test_parameters_log_likelihood_errors_and_projection(cohort: str) -> None:
    model, (parameters, errors, log_likelihood, later) = fitted(cohort), FITTED[cohort]
    np.testing.assert_allclose(list(model.params_.values()), parameters, atol=5e-6)
    np.testing.assert_allclose(list(model.standard_errors_.values()), errors, atol=6e-5)
    assert model.log_likelihood_ == pytest.approx(log_likelihood, abs=1e-3)
    assert model.verdict_.status == "ok", model.verdict_
    np.testing.assert_allclose(model.survival(12)[8:] * 100, later, atol=5.1e-3)


@pytest.mark.parametrize(
    ("alpha", "beta", "lifetimes"),
    [
        (0.668, 3.806, [5.4149, 5.9018, 6.2943, 6.6203, 6.8971]),
        (0.704, 1.182, [2.9647, 4.1035, 4.8701, 5.4424, 5.8944]),
    ],
)
def test_discounted_expected_residual_lifetime(alpha: float, beta: float, lifetimes: list[float]) -> None:
    model = ShiftedBetaGeoModel.from_parameters({"alpha": alpha, "beta": beta}, period_days=YEAR)
    table = running(0, 1, 2, 3, 4)
    ours = model.discounted_expected_lifetime(table, annual_discount_rate=0.1)
    np.testing.assert_allclose(ours, lifetimes, atol=5.1e-5)
    long = model.discounted_expected_lifetime(table, annual_discount_rate=0.1, horizon_days=1000 * YEAR)
    np.testing.assert_allclose(long, ours, rtol=1e-10)
    twice = model.discounted_expected_lifetime(table, annual_discount_rate=0.2)
    assert (twice < ours).all()


def test_curves_and_renewals_are_one_story() -> None:
    model = fitted("regular")
    survival, retention = model.survival(30), model.retention(30)
    assert survival[0] == 1.0
    assert (survival.diff().dropna() < 0).all()
    assert (retention.diff().dropna() > 0).all()
    np.testing.assert_allclose(survival[1:], retention.cumprod(), rtol=1e-12)
    np.testing.assert_allclose(
        model.renewal_probability(running(0, 5)), [retention[1], retention[6]], rtol=1e-12
    )
    expected = model.expected_renewals(running(3), horizon_days=4 * YEAR).item()
    assert expected == pytest.approx(survival[4:7].sum() / survival[3] + survival[7] / survival[3], rel=1e-12)
    undiscounted = model.discounted_expected_lifetime(
        running(3), annual_discount_rate=0.0, horizon_days=4 * YEAR
    )
    assert undiscounted.item() == pytest.approx(expected, rel=1e-12)


def test_what_has_ended_is_not_renewed() -> None:
    model, ended = fitted("regular"), pd.DataFrame({"periods": [3], "has_ended": [True]})
    assert model.renewal_probability(ended).item() == 0.0
    assert model.expected_renewals(ended, horizon_days=YEAR).item() == 0.0
    assert model.discounted_expected_lifetime(ended, annual_discount_rate=0.1).item() == 0.0


def test_cohorts_that_differ_are_told_apart_and_equal_ones_are_not() -> None:
    table = lives("regular", "high_end")
    fits = fit_cohorts(table, table["customer_count"], period_days=YEAR)
    assert list(fits.by_cohort) == ["high_end", "regular"]
    assert fits.by_cohort["regular"].params_ == pytest.approx(fitted("regular").params_, rel=1e-9)
    separate = sum(model.log_likelihood_ for model in fits.by_cohort.values())
    assert fits.likelihood_ratio == pytest.approx(2 * (separate - fits.pooled.log_likelihood_), rel=1e-9)
    assert fits.p_value < 1e-10
    same = pd.concat([lives("regular"), lives("regular").assign(cohort="again")])
    assert fit_cohorts(same, same["customer_count"]).p_value == pytest.approx(1.0, abs=1e-6)


def test_a_cohort_that_shows_nothing_is_left_out_with_the_reason() -> None:
    new = pd.DataFrame({"cohort": ["new"], "periods": [0], "has_ended": [False], "customer_count": [50.0]})
    table = pd.concat([lives("regular"), new])
    fits = fit_cohorts(table, table["customer_count"])
    assert "first renewal" in fits.left_out["new"]
    assert (fits.likelihood_ratio, fits.p_value) == (0.0, 1.0)


def test_cohorts_of_different_age_are_fitted_together() -> None:
    truth = ShiftedBetaGeoModel.from_parameters({"alpha": 0.9, "beta": 2.5})
    ages = np.random.default_rng(2).integers(1, 24, 8000).astype(float)
    found = ShiftedBetaGeoModel().fit(truth.simulate(ages, seed=12))
    for name, value in truth.params_.items():
        assert abs(found.params_[name] - value) < 3 * found.standard_errors_[name], (name, found.params_)


def test_weights_order_and_saving_change_nothing() -> None:
    table = lives("high_end")
    model = ShiftedBetaGeoModel(YEAR).fit(table, weights=table["customer_count"])
    backwards = table.iloc[::-1]
    assert ShiftedBetaGeoModel(YEAR).fit(backwards, backwards["customer_count"]).to_json() == model.to_json()
    repeated = table.loc[table.index.repeat(table["customer_count"].astype(int))]
    assert ShiftedBetaGeoModel(YEAR).fit(repeated).params_ == pytest.approx(model.params_, rel=1e-9)
    assert ShiftedBetaGeoModel.from_json(model.to_json()).to_json() == model.to_json()
    none = dict.fromkeys(("dropout_covariates", "renewal_covariates", "equal_covariates"), ())
    assert clone(model).get_params() == {"period_days": YEAR, "ridge": 0.0} | none


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"periods": [1], "has_ended": [True]}),
        pd.DataFrame({"periods": [1] * 9, "has_ended": [True] * 9}),
        pd.DataFrame({"periods": [5, 5, 5, 2], "has_ended": [False, False, False, True]}),
        pd.DataFrame({"periods": [1, 1_000_000], "has_ended": [True, False]}),
    ],
    ids=["one contract", "all at once", "one left", "a million renewals"],
)
def test_edges_are_named_and_give_finite_answers(table: pd.DataFrame) -> None:
    model = ShiftedBetaGeoModel().fit(table)
    assert model.verdict_.status in ("ok", "boundary"), model.verdict_
    assert np.isfinite(list(model.params_.values())).all()
    assert np.isfinite(list(model.standard_errors_.values())).all()
    assert np.isfinite(model.discounted_expected_lifetime(table, annual_discount_rate=0.1)).all()
    assert model.retention(50).between(0, 1).all()


def test_degenerate_cohorts_are_refused_with_the_reason() -> None:
    with pytest.raises(DegenerateCohortError, match="none of the 3 contracts has ended"):
        ShiftedBetaGeoModel().fit(running(3, 4, 5))
    with pytest.raises(NotEnoughData, match="none of the 2 contracts has come to its first renewal"):
        ShiftedBetaGeoModel().fit(running(0, 0))


def test_bad_tables_are_refused_in_words() -> None:
    with pytest.raises(UsageError, match="no column 'has_ended'"):
        ShiftedBetaGeoModel().fit(pd.DataFrame({"periods": [1]}))
    with pytest.raises(UsageError, match=r"1 rows are no lives of contracts, the first at position 1"):
        ShiftedBetaGeoModel().fit(pd.DataFrame({"periods": [1, 0], "has_ended": [True, True]}))
    with pytest.raises(UsageError, match="whole number of periods of 365 days"):
        fitted("regular").expected_renewals(running(1), horizon_days=400)
    with pytest.raises(UsageError, match="for ever need annual_discount_rate > 0"):
        fitted("regular").discounted_expected_lifetime(running(1), annual_discount_rate=0.0)
    with pytest.raises(UsageError, match="without a gap"):
        lives_from_survivors(pd.DataFrame({"period": [0, 2], "customers": [10, 5]}))
    with pytest.raises(UsageError, match="never grow"):
        lives_from_survivors(pd.DataFrame({"period": [0, 1], "customers": [10, 11]}))


def known(**effects: float) -> ShiftedBetaGeoModel:
    """Return the model with these effects on alpha = 0.9 and beta = 2.5."""
    settings: dict[str, Any] = {
        f"{word}_covariates": [name.partition("_")[2] for name in effects if name.startswith(process)]
        for process, word in (("dropout", "dropout"), ("renewal", "renewal"), ("both", "equal"))
    }
    return ShiftedBetaGeoModel.from_parameters({"alpha": 0.9, "beta": 2.5} | effects, **settings)


def simulated(effects: Mapping[str, float], size: int = 6000) -> pd.DataFrame:
    """Contracts of up to 24 periods; web ones and dear ones end sooner or later by the given effects."""
    rng = np.random.default_rng(3)
    traits = pd.DataFrame({"web": rng.integers(0, 2, size), "price": rng.integers(1, 6, size) * 10.0})
    ages = rng.integers(1, 24, size).astype(float)
    drawn = known(**effects).simulate(ages, covariates=traits, seed=9)
    return drawn.assign(web=traits["web"], price=traits["price"])


def assert_found(found: ShiftedBetaGeoModel, truth: ShiftedBetaGeoModel) -> None:
    assert found.verdict_.status == "ok", found.verdict_
    for name, value in truth.params_.items():
        assert abs(found.params_[name] - value) < 3 * found.standard_errors_[name], (name, found.params_)


def test_simulated_effects_are_found_again_and_their_likelihood_ratio_tells_them_from_none() -> None:
    effects = {"dropout_web": 0.8, "dropout_price": -0.02}
    table = simulated(effects)
    plain = ShiftedBetaGeoModel().fit(table)
    found = ShiftedBetaGeoModel(dropout_covariates=["web", "price"]).fit(table)
    assert_found(found, known(**effects))
    test = likelihood_ratio_test(plain, found)
    assert (test.degrees_of_freedom, test.p_value < 1e-10) == (2, True)
    nothing = simulated({}, 1500)
    noise = ShiftedBetaGeoModel(dropout_covariates=["web"]).fit(nothing)
    assert likelihood_ratio_test(ShiftedBetaGeoModel().fit(nothing), noise).p_value > 0.01
    strict = ShiftedBetaGeoModel(dropout_covariates=["web", "price"], ridge=1e7).fit(table)
    assert strict.params_["dropout_web"] == pytest.approx(0.0, abs=1e-3)
    assert strict.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=0.5)


def test_effects_on_alpha_and_on_beta_are_told_apart() -> None:
    effects = {"dropout_web": 0.8, "dropout_price": -0.02, "renewal_web": 1.6, "renewal_price": 0.02}
    table, both = simulated(effects), ["web", "price"]
    found = ShiftedBetaGeoModel(dropout_covariates=both, renewal_covariates=both).fit(table)
    assert_found(found, known(**effects))
    only_alpha = ShiftedBetaGeoModel(dropout_covariates=both).fit(table)
    equal = ShiftedBetaGeoModel(equal_covariates=both).fit(table)
    for smaller in (only_alpha, equal):
        test = likelihood_ratio_test(smaller, found)
        assert (test.degrees_of_freedom, test.p_value < 1e-6) == (2, True)
    noisy = table.assign(noise=np.arange(len(table)) % 7)
    with pytest.raises(UsageError, match="Not there: both_web, both_price"):
        likelihood_ratio_test(
            equal, ShiftedBetaGeoModel(dropout_covariates=both, renewal_covariates=["noise"]).fit(noisy)
        )


def test_a_common_effect_moves_the_spread_of_contracts_and_not_the_first_retention() -> None:
    truth = {"both_web": 1.5}
    table = simulated(truth)
    found = ShiftedBetaGeoModel(equal_covariates=["web"]).fit(table)
    assert_found(found, known(**truth))
    apart = ShiftedBetaGeoModel(dropout_covariates=["web"], renewal_covariates=["web"]).fit(table)
    assert likelihood_ratio_test(found, apart).p_value > 0.01
    shop, web = (found.retention(9, covariates={"web": value}) for value in (0.0, 1.0))
    assert shop[1] == pytest.approx(web[1], rel=1e-12)
    assert (shop[2:] > web[2:]).all()
    with pytest.raises(UsageError, match="'web' has one effect on both"):
        ShiftedBetaGeoModel(equal_covariates=["web"], renewal_covariates=["web"]).fit(table)


def test_without_effects_on_beta_the_model_is_that_of_alpha_alone() -> None:
    effects = {"dropout_web": 0.8, "dropout_price": -0.02}
    alpha = known(**effects)
    free = known(**effects, renewal_web=0.0, renewal_price=0.0)
    table = simulated(effects, 300)
    np.testing.assert_array_equal(free.renewal_probability(table), alpha.renewal_probability(table))
    ours, theirs = (
        model.discounted_expected_lifetime(table, annual_discount_rate=0.1) for model in (free, alpha)
    )
    np.testing.assert_array_equal(ours, theirs)
    ours, theirs = (model.survival(20, covariates={"web": 1.0, "price": 30.0}) for model in (free, alpha))
    np.testing.assert_array_equal(ours, theirs)
    held = ShiftedBetaGeoModel(dropout_covariates=["web"], renewal_covariates=["price"], ridge=1e9).fit(table)
    assert held.log_likelihood_ == pytest.approx(ShiftedBetaGeoModel().fit(table).log_likelihood_, abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout_covariates": ["web", "price"]},
        {"renewal_covariates": ["web", "price"]},
        {"dropout_covariates": ["web"], "renewal_covariates": ["web"], "equal_covariates": ["price"]},
    ],
    ids=["alpha", "beta", "each and both"],
)
def test_gradient_with_covariates_is_that_of_the_log_likelihood(settings: dict[str, Any]) -> None:
    model = ShiftedBetaGeoModel(**settings, ridge=2.0)
    table = simulated({"dropout_web": 0.5, "dropout_price": 0.01}, 40)
    periods, ended = (table[name].to_numpy(dtype=float) for name in ("periods", "has_ended"))
    traits, count = table[["web", "price"]].to_numpy(dtype=float), np.arange(40.0)
    theta = np.array([-0.3, 0.8, 0.4, -0.03, 0.02])[: len(model.all_names)]
    slope = model._penalised_total(theta, periods, ended, traits, count)[1]
    for i, step in enumerate(1e-6 * np.eye(len(theta))):
        high, low = (
            model._penalised_total(theta + move, periods, ended, traits, count)[0] for move in (step, -step)
        )
        assert slope[i] == pytest.approx((high - low) / 2e-6, rel=1e-6, abs=1e-4)


@pytest.mark.parametrize(
    ("effects", "alpha", "beta"),
    [
        ({"dropout_web": 0.8}, 0.8, 0.0),
        ({"renewal_web": -0.4}, 0.0, -0.4),
        ({"dropout_web": 0.8, "renewal_web": -0.4}, 0.8, -0.4),
        ({"both_web": 0.7}, 0.7, 0.7),
    ],
    ids=["alpha", "beta", "each", "both"],
)
def test_a_contract_with_covariates_is_one_of_its_own_alpha_and_beta(
    effects: dict[str, float], alpha: float, beta: float
) -> None:
    model = known(**effects)
    table = running(0, 3, 3).assign(web=[1.0, 1.0, 0.0])
    for web, rows in ((1.0, [0, 1]), (0.0, [2])):
        own = ShiftedBetaGeoModel.from_parameters(
            {"alpha": 0.9 * np.exp(alpha * web), "beta": 2.5 * np.exp(beta * web)}
        )
        some = table.iloc[rows]
        np.testing.assert_allclose(model.renewal_probability(some), own.renewal_probability(some), rtol=1e-12)
        for horizon in (300, None):
            ours, theirs = (
                m.discounted_expected_lifetime(some, annual_discount_rate=0.1, horizon_days=horizon)
                for m in (model, own)
            )
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        ours, theirs = (m.expected_renewals(some, horizon_days=300) for m in (model, own))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        np.testing.assert_allclose(model.survival(9, covariates={"web": web}), own.survival(9), rtol=1e-12)
        drawn = model.simulate([20] * 9, covariates=pd.DataFrame({"web": [web] * 9}), seed=4)
        pd.testing.assert_frame_equal(drawn[["periods", "has_ended"]], own.simulate([20] * 9, seed=4))
    assert ShiftedBetaGeoModel.from_json(model.to_json()).to_json() == model.to_json()
    with pytest.raises(UsageError, match="has no covariate 'wep'"):
        model.survival(3, covariates={"wep": 1.0})


def test_covariates_that_cannot_be_used_are_refused_in_words() -> None:
    model = known(renewal_web=0.8)
    with pytest.raises(UsageError, match="has no column 'web'"):
        model.renewal_probability(running(1))
    with pytest.raises(UsageError, match="one row per contract"):
        model.simulate([1, 2], covariates=pd.DataFrame({"web": [1.0]}), seed=1)
    both = ["web", "web_too"]
    with pytest.raises(UsageError, match="'web', 'web_too' are collinear"):
        ShiftedBetaGeoModel(renewal_covariates=both).fit(
            simulated({}, 200).assign(web_too=lambda t: 2 * t["web"])
        )
