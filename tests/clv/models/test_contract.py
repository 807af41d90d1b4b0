"""Does every model of purchasing keep the promises that users of any of them rely on?

Each test runs over all of MODELS: units, order of rows, weights, batches and threads change nothing; the
answers to different questions are one story; simulated customers behave as foretold.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import possible_histories
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.errors import DegenerateCohortError, ModelFileError, NotEnoughData, UsageError

BETA_GEO = {"r": 0.5, "alpha": 14.0, "a": 0.8, "b": 1.6}
TRUTH: dict[str, tuple[dict[str, float], dict[str, Any]]] = {
    "nbd": ({"r": 0.6, "alpha": 60.0}, {}),
    "bg_nbd": (BETA_GEO, {}),
    "mbg_nbd": (BETA_GEO, {}),
    "pareto_nbd": ({"r": 0.6, "alpha": 60.0, "s": 0.6, "beta": 90.0}, {}),
    "bg_cnbd": (BETA_GEO, {"k": 3}),
    "mbg_cnbd": (BETA_GEO, {"k": 2}),
}
every_model = pytest.mark.parametrize("name", MODELS)


def truth(name: str) -> PurchaseModel:
    parameters, settings = TRUTH[name]
    return MODELS[name].from_parameters(parameters, **settings)


def new(name: str) -> PurchaseModel:
    return MODELS[name](**TRUTH[name][1])


def histories() -> pd.DataFrame:
    rows = [(0, 0, 270), (0, 0, 0), (1, 3, 270), (2, 213, 272), (9, 266, 266), (9, 90, 266), (60, 250, 270)]
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float)
    return table.assign(log_gap_sum=0.0)


def in_units_of(summary: pd.DataFrame, days: float) -> pd.DataFrame:
    return summary.assign(
        recency=summary["recency"] / days,
        T=summary["T"] / days,
        log_gap_sum=summary["log_gap_sum"] - summary["frequency"] * np.log(days),
    )


def test_every_model_is_tested() -> None:
    assert set(TRUTH) == set(MODELS)


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> dict[str, PurchaseModel]:
    return {name: new(name).fit(cdnow) for name in MODELS}


@every_model
@pytest.mark.parametrize("days", [7.0, 365.25 / 12.0])
def test_the_unit_of_time_changes_nothing(
    name: str, days: float, fitted: dict[str, PurchaseModel], cdnow: pd.DataFrame
) -> None:
    model, table = fitted[name], in_units_of(cdnow, days)
    other = new(name).fit(table)
    assert other.verdict_ == model.verdict_
    unit = "week" if days == 7.0 else "month"
    assert other.describe() == pytest.approx(model.describe(unit), rel=1e-9)
    for days_answer, other_answer in (
        (
            model.expected_purchases(cdnow, horizon_days=273),
            other.expected_purchases(table, horizon_days=273 / days),
        ),
        (model.probability_alive(cdnow), other.probability_alive(table)),
        (
            model.probability_no_purchase(cdnow, horizon_days=90),
            other.probability_no_purchase(table, horizon_days=90 / days),
        ),
        (model.next_purchase_days(cdnow), days * other.next_purchase_days(table)),
    ):
        np.testing.assert_allclose(days_answer, other_answer, rtol=1e-9)


@pytest.mark.parametrize("units", [100.0, 640_000.0], ids=["cent", "rial"])
def test_the_unit_of_money_changes_nothing(units: float, cdnow: pd.DataFrame) -> None:
    other_money = cdnow.assign(monetary_value=cdnow["monetary_value"] * units)
    euros, others = GammaGammaModel().fit(cdnow), GammaGammaModel().fit(other_money)
    assert others.params_["p"] == pytest.approx(euros.params_["p"], rel=1e-9)
    assert others.params_["v"] / units == pytest.approx(euros.params_["v"], rel=1e-9)
    np.testing.assert_allclose(
        others.expected_spend(other_money) / units, euros.expected_spend(cdnow), rtol=1e-9
    )


@every_model
def test_order_of_rows_and_number_of_threads_change_no_bit(
    name: str, fitted: dict[str, PurchaseModel], cdnow: pd.DataFrame
) -> None:
    order = np.random.default_rng(6).permutation(len(cdnow))
    with threadpool_limits(1):
        shuffled = new(name).fit(cdnow.iloc[order])
        answers = shuffled.expected_purchases(cdnow.iloc[order], horizon_days=90)
    assert shuffled.to_json() == fitted[name].to_json()
    expected = fitted[name].expected_purchases(cdnow, horizon_days=90)
    pd.testing.assert_series_equal(expected, answers.sort_index(), check_exact=True)


@every_model
def test_weights_count_like_repeated_rows(name: str, cdnow: pd.DataFrame) -> None:
    some = cdnow.iloc[:600].reset_index(drop=True)
    weights = np.arange(600) % 3
    repeated, weighted = (
        new(name).fit(some.loc[some.index.repeat(weights)]),
        new(name).fit(some, weights=weights),
    )
    assert weighted.params_ == pytest.approx(repeated.params_, rel=1e-9)
    assert weighted.log_likelihood_ == pytest.approx(repeated.log_likelihood_, rel=1e-12)
    assert weighted.customers_ == weights.sum()
    with pytest.raises(UsageError, match="weights must be one finite number"):
        new(name).fit(some, weights=[1.0])


@every_model
def test_a_customer_alone_gets_the_answer_of_the_batch(name: str) -> None:
    model, table = truth(name), histories()
    batch = pd.DataFrame(
        {
            "expected": model.expected_purchases(table, horizon_days=90),
            "alive": model.probability_alive(table, days_ahead=30),
            "discounted": model.discounted_expected_purchases(table, annual_discount_rate=0.1),
            "next": model.next_purchase_days(table, quantile=0.1),
        }
    )
    for row in range(len(table)):
        one = table.iloc[[row]]
        alone = pd.DataFrame(
            {
                "expected": model.expected_purchases(one, horizon_days=90),
                "alive": model.probability_alive(one, days_ahead=30),
                "discounted": model.discounted_expected_purchases(one, annual_discount_rate=0.1),
                "next": model.next_purchase_days(one, quantile=0.1),
            }
        )
        pd.testing.assert_frame_equal(alone, batch.iloc[[row]], check_exact=True)


@every_model
def test_counts_sum_to_one_and_their_mean_is_the_expectation(name: str) -> None:
    model, table = truth(name), histories()
    counts = model.purchase_count_probabilities(table, horizon_days=273, up_to=600)
    assert (counts >= 0).all().all()
    np.testing.assert_allclose(counts.sum(axis=1), 1.0, atol=1e-10)
    expected = model.expected_purchases(table, horizon_days=273)
    np.testing.assert_allclose(counts.mul(counts.columns).sum(axis=1), expected, rtol=1e-8)
    silent = model.probability_no_purchase(table, horizon_days=273)
    np.testing.assert_allclose(counts[0], silent, rtol=1e-10)
    newcomer = model.purchase_count_probabilities_new(273, up_to=600)
    assert (newcomer * newcomer.index).sum() == pytest.approx(model.expected_purchases_new(273), rel=1e-8)


@every_model
def test_the_chance_of_at_least_so_many_is_what_the_counts_add_up_to(name: str) -> None:
    model = truth(name)
    known = possible_histories(histories())
    core = model.core(np.array(list(model.params_.values())), known)
    below = model.counts_if_alive(core, known, 273.0, 300).cumsum(axis=1)
    for number in (1, 4, 50, 300):
        at_least = model.at_least_if_alive(core, known, 273.0, np.full(len(known), float(number)))
        np.testing.assert_allclose(at_least, 1.0 - below[:, number - 1], atol=1e-10)


@every_model
def test_probability_alive_is_a_probability_that_falls_with_time(name: str) -> None:
    model, table = truth(name), histories()
    path = [model.probability_alive(table, days_ahead=days) for days in (0.0, 1.0, 30.0, 365.0, 70_000.0)]
    assert all(alive.between(0, 1).all() for alive in path)
    for sooner, later in pairwise(path):
        assert (later <= sooner + 1e-12).all()


@every_model
def test_expectations_begin_at_zero_and_grow_with_the_horizon(name: str) -> None:
    model, table = truth(name), histories()
    path = [model.expected_purchases(table, horizon_days=days) for days in (0.0, 1.0, 30.0, 365.0, 70_000.0)]
    assert (path[0] == 0).all()
    for sooner, later in pairwise(path):
        assert (later > sooner).all()


@every_model
def test_discounted_purchases_for_ever_are_the_limit_and_fall_with_the_rate(name: str) -> None:
    model, table = truth(name), histories()
    ever = model.discounted_expected_purchases(table, annual_discount_rate=0.1)
    long = model.discounted_expected_purchases(table, annual_discount_rate=0.1, horizon_days=200_000)
    np.testing.assert_allclose(long, ever, rtol=2e-6)
    assert (model.discounted_expected_purchases(table, annual_discount_rate=0.2) < ever).all()
    one_year = model.discounted_expected_purchases(table, annual_discount_rate=0.1, horizon_days=365)
    assert (one_year < ever).all()
    plain = model.expected_purchases(table, horizon_days=365)
    assert (one_year < plain).all()
    assert (one_year > plain / 1.1).all()
    undiscounted = model.discounted_expected_purchases(table, annual_discount_rate=0.0, horizon_days=365)
    np.testing.assert_allclose(undiscounted, plain, rtol=1e-12)
    with pytest.raises(UsageError, match="for ever need annual_discount_rate > 0"):
        model.discounted_expected_purchases(table, annual_discount_rate=0.0)


@every_model
@pytest.mark.parametrize("quantile", [0.05, 0.3, 0.9])
def test_next_purchase_and_no_purchase_agree(name: str, quantile: float) -> None:
    model, table = truth(name), histories()
    days = model.next_purchase_days(table, quantile=quantile)
    for row, day in days.items():
        one = table.loc[[row]]
        if np.isfinite(day):
            assert 1.0 - model.probability_no_purchase(one, horizon_days=day).item() == pytest.approx(
                quantile, rel=1e-8
            )
        else:
            assert 1.0 - model.probability_no_purchase(one, horizon_days=1e9).item() < quantile


@every_model
def test_simulation_agrees_with_the_formulas_and_is_found_again(name: str) -> None:
    model = truth(name)
    ages = np.random.default_rng(1).uniform(100, 600, 12_000)
    drawn = model.simulate(ages, horizon_days=300, seed=7)
    pd.testing.assert_frame_equal(drawn, model.simulate(ages, horizon_days=300, seed=7))
    assert not drawn.equals(model.simulate(ages, horizon_days=300, seed=8))
    future = drawn["future_purchases"]
    pairs = {
        "purchases to come": (future, model.expected_purchases(drawn, horizon_days=300)),
        "alive": (drawn["is_alive"].astype(float), model.probability_alive(drawn)),
        "silent": ((future == 0).astype(float), model.probability_no_purchase(drawn, horizon_days=300)),
        "three to come": (
            (future == 3).astype(float),
            model.purchase_count_probabilities(drawn, horizon_days=300, up_to=3)[3],
        ),
    }
    for what, (seen, expected) in pairs.items():
        off = seen - expected
        error = off.std() / np.sqrt(len(off))
        assert abs(off.mean()) <= 3.5 * error, (what, off.mean() / error)
        band = drawn["frequency"].clip(upper=5)
        z = off.groupby(band).mean() / (off.groupby(band).std() / np.sqrt(off.groupby(band).size()))
        assert z.abs().max() < 4.0 or off.groupby(band).std().min() == 0, (what, z)
    found = new(name).fit(drawn)
    for parameter, value in model.params_.items():
        assert abs(found.params_[parameter] - value) < 3.5 * found.standard_errors_[parameter], parameter


@every_model
def test_saved_model_comes_back_equal_and_settings_are_cloned(
    name: str, fitted: dict[str, PurchaseModel], cdnow: pd.DataFrame
) -> None:
    model = fitted[name]
    back = MODELS[name].from_json(model.to_json())
    assert back.to_json() == model.to_json()
    pd.testing.assert_series_equal(
        back.expected_purchases(cdnow, horizon_days=90), model.expected_purchases(cdnow, horizon_days=90)
    )
    copy = clone(model)
    assert not hasattr(copy, "params_")
    assert copy.get_params() == model.get_params()
    with pytest.raises(UsageError, match="is not fitted yet"):
        copy.expected_purchases(cdnow, horizon_days=1)
    with pytest.raises(ModelFileError, match="is not a saved"):
        MODELS[name].from_json("cos\nsystem")


@every_model
def test_degenerate_cohorts_are_refused_with_the_reason(name: str) -> None:
    table = histories()
    with pytest.raises(NotEnoughData, match="the summary has none"):
        new(name).fit(table.iloc[:0])
    with pytest.raises(DegenerateCohortError, match="bought on a second day"):
        new(name).fit(table.iloc[[0, 0, 0]])
    with pytest.raises(DegenerateCohortError, match="no time has passed"):
        new(name).fit(table.iloc[[1, 1]])


@every_model
@pytest.mark.parametrize(
    "rows",
    [
        [(3, 10, 12)],
        [(5, 20, 20), (4, 20, 20), (6, 20, 20)],
        [(10, 20, 21)] * 50,
        [(1, 1, 50), *[(0, 0, 50)] * 9],
        [(1_000_000, 2_000_000, 2_000_001), *[(0, 0, 300), (1, 100, 300), (2, 150, 300)] * 5],
    ],
    ids=["one customer", "nobody leaves", "all alike", "one repeat purchase", "a million orders"],
)
def test_thin_cohorts_get_a_verdict_and_finite_answers(name: str, rows: list[tuple[float, ...]]) -> None:
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float)
    gaps = (table["recency"] / table["frequency"].clip(lower=1)).where(table["frequency"] > 0, 1.0)
    table["log_gap_sum"] = table["frequency"] * np.log(gaps) / 2
    model = new(name).fit(table)
    assert model.verdict_.status in ("ok", "boundary", "failed")
    assert (model.verdict_.reasons == ()) == (model.verdict_.status == "ok")
    for numbers in (
        list(model.params_.values()),
        list(model.standard_errors_.values()),
        model.expected_purchases(table, horizon_days=365),
        model.probability_alive(table),
        model.discounted_expected_purchases(table, annual_discount_rate=0.1),
    ):
        assert np.isfinite(numbers).all()
