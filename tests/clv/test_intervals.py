"""Do the limits hold what they promise: exact distributions, and 90 % of what comes inside?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from crm_analytics.clv.cohort_models import Models, fit_models, fit_purchases
from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.group_totals import group_totals, purchase_limits
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import HISTORY
from crm_analytics.clv.parameter_points import moved, parameter_points, possible_models
from crm_analytics.clv.pattern_scores import pattern_scores

HORIZON = 270.0
TRUTH = {
    "bg_nbd": {"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5},
    "mbg_nbd": {"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5},
    "pareto_nbd": {"r": 0.55, "alpha": 42.0, "s": 0.6, "beta": 80.0},
}
SPEND = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})


def customers(
    model: str, size: int, seed: int, *, horizon: float = HORIZON, youngest: float = 90.0, step: float = 110.0
) -> pd.DataFrame:
    """Customers of six ages drawn from a known model, with what they buy and spend in the horizon."""
    ages = np.repeat(youngest + step * np.arange(6), size // 6)
    drawn = MODELS[model].from_parameters(TRUTH[model]).simulate(ages, horizon_days=horizon, seed=seed)
    rng = np.random.default_rng(seed)
    p, q, v = SPEND.params_.values()
    own = rng.gamma(q, 1 / v, len(drawn))
    x, later = (drawn[name].to_numpy() for name in ("frequency", "future_purchases"))
    mean = rng.gamma(p * np.maximum(x, 1)) / own / np.maximum(x, 1)
    spent = np.where(later > 0, rng.gamma(p * np.maximum(later, 1)) / own, 0.0)
    return drawn.assign(monetary_value=np.where(x > 0, mean, 0.0), spent=spent)


@pytest.mark.parametrize("name", TRUTH)
def test_ninety_percent_limits_cover_ninety_percent_of_totals_and_of_customers(name: str) -> None:
    """240 totals of forty customers; 400 cohorts, each with a fit: `python -m benchmarks.clv coverage`."""
    totals, single = [], []
    for seed in range(5):
        drawn = customers(name, 960, seed)
        used = fit_models(drawn, model=name)
        group = np.arange(960) % 24
        found = group_totals(drawn, used, group, horizon_days=HORIZON, annual_discount_rate=0.0)
        for came, figure in (("future_purchases", "expected_purchases"), ("spent", "lifetime_revenue")):
            actual = np.bincount(group, drawn[came])
            totals += list((actual >= found[f"{figure}_low"]) & (actual <= found[f"{figure}_high"]))
        distinct, row = used.purchases._histories(drawn).distinct(HISTORY)
        limits = pattern_scores(
            used.purchases, used.spend, distinct, horizon_days=HORIZON, annual_discount_rate=0.0, level=0.9
        ).iloc[row]
        relative = drawn["spent"].to_numpy() / used.spend.expected_spend(drawn).to_numpy()
        for actual, figure in (
            (drawn["future_purchases"].to_numpy(), "expected_purchases"),
            (relative, "spend"),
        ):
            low, high = limits[f"{figure}_low"].to_numpy(), limits[f"{figure}_high"].to_numpy()
            single += list((actual >= low * (1 - 1e-9)) & (actual <= high * (1 + 1e-9)))
    least, most = binom.interval(0.99, 240, 0.9) / np.float64(240)
    assert least <= np.mean(totals) <= most
    assert np.mean(single) >= 0.87


@pytest.mark.parametrize("name", ["bg_nbd", "pareto_nbd"])
def test_limits_of_a_whole_cohort_hold_what_the_parameters_may_be(name: str) -> None:
    """Young customers, two years ahead: of 24 cohorts 20 and 21; without the fit's uncertainty 14 and 11."""
    inside = 0
    for seed in range(24):
        drawn = customers(name, 480, seed, horizon=730.0, youngest=60.0, step=60.0)
        used = fit_purchases(drawn, model=name).model
        distinct, row = used._histories(drawn).distinct(HISTORY)
        futures = FutureCounts(used, distinct, horizon_days=730.0, estimate_only=True)
        count = np.bincount(row).astype(np.float64)
        low, high = purchase_limits(used, distinct, count, futures, level=0.9)
        inside += low <= drawn["future_purchases"].sum() <= high
    assert binom.ppf(0.005, 24, 0.9) <= inside <= 23


@pytest.mark.parametrize("name", MODELS)
def test_interpolated_distributions_are_those_of_the_model(name: str, cdnow: pd.DataFrame) -> None:
    fitted = MODELS[name]().fit(cdnow)
    fitted = fitted.with_covariance(np.zeros_like(fitted.log_covariance_))
    some = cdnow.drop_duplicates(list(HISTORY)).iloc[::12]
    distinct, row = fitted._histories(some).distinct(HISTORY)
    futures = FutureCounts(fitted, distinct, horizon_days=365.0)
    exact = fitted.purchase_count_probabilities(some, horizon_days=365.0, up_to=20).to_numpy().cumsum(axis=1)
    alive = fitted.probability_alive(some).to_numpy()
    tables = futures.tables(0, futures.rows)
    for n in (0, 1, 2, 5, 20):
        found = tables.up_to(futures.row[row], np.full(len(some), n))
        np.testing.assert_allclose(alive * found + 1.0 - alive, exact[:, n], atol=1e-4)


@pytest.mark.parametrize("k", [1, 2, 4, 12])
def test_regular_buyers_of_any_recency_get_the_distribution_of_the_model(k: int) -> None:
    """Phases of the running gap are mixed, not interpolated: what is left is the interpolation over T."""
    model = MODELS["mbg_cnbd"].from_parameters(TRUTH["mbg_nbd"] | {"alpha": 42.0 / k}, k=k)
    rows = [(x, T * s, T) for x in (1, 6, 40, 150) for T in (155.0, 333.0) for s in (0.02, 0.6, 0.97, 1.0)]
    known = pd.DataFrame([*rows, (0, 0.0, 200.0)], columns=["frequency", "recency", "T"])
    distinct, row = model._histories(known).distinct(HISTORY)
    futures = FutureCounts(model, distinct, horizon_days=HORIZON)
    tables, alive = futures.tables(0, futures.rows), model.probability_alive(known).to_numpy()
    exact = (
        model.purchase_count_probabilities(known, horizon_days=HORIZON, up_to=20).to_numpy().cumsum(axis=1)
    )
    for n in (0, 1, 5, 20):
        found = tables.up_to(futures.row[row], np.full(len(known), n))
        np.testing.assert_allclose(alive * found + 1.0 - alive, exact[:, n], atol=1e-4)
    # other parameters make other phases likely
    other = moved(model, model.log_parameters() + 0.1)
    living = other.discounted_of_the_living(futures.nodes, annual_discount_rate=0.0, horizon_days=HORIZON)
    of_rows = futures.between(living, 0, futures.rows, model=other)[futures.row][row]
    expected = other.expected_purchases(known, horizon_days=HORIZON)
    np.testing.assert_allclose(other.probability_alive(known) * of_rows, expected, rtol=1e-4)


def test_spend_limits_are_those_of_drawn_futures() -> None:
    model = MODELS["bg_nbd"].from_parameters(TRUTH["bg_nbd"])
    known = pd.DataFrame({"frequency": [6], "recency": [280.0], "T": [290.0]})
    distinct, _ = model._histories(known).distinct(HISTORY)
    scores = pattern_scores(
        model, SPEND, distinct, horizon_days=HORIZON, annual_discount_rate=0.0, level=0.8
    ).iloc[0]
    counts = model.purchase_count_probabilities(known, horizon_days=HORIZON, up_to=200).to_numpy()[0]
    rng = np.random.default_rng(1)
    number = rng.choice(len(counts), 400_000, p=counts / counts.sum())
    p, q, _ = SPEND.params_.values()
    shape = p * 6 + q
    spent = np.where(number > 0, rng.gamma(p * np.maximum(number, 1)), 0.0) / rng.gamma(
        shape, size=len(number)
    )
    expected = p / (shape - 1.0)
    assert scores["spend_low"] == pytest.approx(np.quantile(spent, 0.1) / expected, rel=0.02, abs=0.02)
    assert scores["spend_high"] == pytest.approx(np.quantile(spent, 0.9) / expected, rel=0.01)


def test_discount_and_next_purchase_are_those_of_the_model(cdnow: pd.DataFrame) -> None:
    model = MODELS["pareto_nbd"]().fit(cdnow)
    model = model.with_covariance(np.zeros_like(model.log_covariance_))
    some = cdnow.drop_duplicates(list(HISTORY)).iloc[::9]
    distinct, row = model._histories(some).distinct(HISTORY)
    scores = pattern_scores(
        model, SPEND, distinct, horizon_days=730.0, annual_discount_rate=0.15, level=0.9
    ).iloc[row]
    exact = model.discounted_expected_purchases(some, annual_discount_rate=0.15, horizon_days=730.0)
    np.testing.assert_allclose(scores["discounted_purchases"], exact, rtol=1e-7)
    for name, quantile in (("", 0.5), ("_low", 0.05), ("_high", 0.95)):
        days = model.next_purchase_days(some, quantile=quantile).to_numpy()
        found = scores[f"next_purchase_days{name}"].to_numpy()
        np.testing.assert_allclose(found, np.where(days <= 36_500, days, np.nan), rtol=3e-3)


def test_parameter_points_have_the_covariance_of_the_fit(cdnow: pd.DataFrame) -> None:
    model = MODELS["mbg_nbd"]().fit(cdnow)
    theta = np.log([list(one.params_.values()) for pair in parameter_points(model) for one in pair])
    np.testing.assert_allclose(theta.mean(axis=0), np.log(list(model.params_.values())), rtol=1e-9)
    np.testing.assert_allclose(np.cov(theta.T, bias=True), model.log_covariance_, rtol=1e-7)
    certain = model.with_covariance(model.log_covariance_ * 1e-4)
    assert possible_models(certain) == [certain]
    assert len(possible_models(model)) == 8


def test_less_certain_parameters_give_wider_limits(cdnow: pd.DataFrame) -> None:
    model, spend = MODELS["bg_nbd"]().fit(cdnow), GammaGammaModel().fit(cdnow)
    widths = []
    for factor in (0.0, 1.0, 9.0):
        used = Models(
            model.with_covariance(model.log_covariance_ * factor),
            spend.with_covariance(spend.log_covariance_ * factor),
        )
        total = group_totals(cdnow, used, np.zeros(len(cdnow), dtype=int), horizon_days=273.0).iloc[0]
        widths.append(total["lifetime_revenue_high"] / total["lifetime_revenue_low"])
    assert widths[0] < 0.97 * widths[1] < 0.9 * widths[2]


def test_groups_add_up_and_do_not_depend_on_the_order_of_rows(cdnow: pd.DataFrame) -> None:
    used = Models(MODELS["bg_nbd"]().fit(cdnow), GammaGammaModel().fit(cdnow))
    group = (np.arange(len(cdnow)) % 3).astype(int)
    parts = group_totals(cdnow, used, group, horizon_days=365.0, margin_rate=0.3)
    whole = group_totals(cdnow, used, np.zeros(len(cdnow), dtype=int), horizon_days=365.0, margin_rate=0.3)
    np.testing.assert_allclose(parts["lifetime_value"].sum(), whole["lifetime_value"].iloc[0], rtol=1e-12)
    np.testing.assert_allclose(whole["lifetime_value"], 0.3 * whole["lifetime_revenue"], rtol=1e-12)
    np.testing.assert_allclose(whole["lifetime_value_low"], 0.3 * whole["lifetime_revenue_low"], rtol=1e-9)
    assert (parts["expected_purchases_low"] < parts["expected_purchases"]).all()
    order = np.random.default_rng(3).permutation(len(cdnow))
    shuffled = group_totals(cdnow.iloc[order], used, group[order], horizon_days=365.0, margin_rate=0.3)
    pd.testing.assert_frame_equal(parts, shuffled, check_exact=True)
