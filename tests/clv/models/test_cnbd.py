"""Do BG/CNBD-k and MBG/CNBD-k reproduce the published checks, choose k well, and foresee exactly?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.cnbd import BetaGeoErlangModel, ModifiedBetaGeoErlangModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.pattern_scores import discounts
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError

WEEKLY = {"r": 0.5, "alpha": 2.0, "a": 0.8, "b": 1.6}
PAIRS = [(BetaGeoErlangModel, BetaGeoModel), (ModifiedBetaGeoErlangModel, ModifiedBetaGeoModel)]
both_models = pytest.mark.parametrize("model_class", [BetaGeoErlangModel, ModifiedBetaGeoErlangModel])


def customers() -> pd.DataFrame:
    table = pd.DataFrame(
        {"frequency": [0, 2, 9, 40, 26], "recency": [0, 213, 266, 270, 216], "T": [272, 272, 272, 272, 217]}
    )
    return table.assign(log_gap_sum=[0.0, 3.0, 4.0, 5.0, 6.0])


def test_log_likelihoods_checked_against_btydplus() -> None:
    model = BetaGeoErlangModel.from_parameters({"r": 0.5, "alpha": 2.0, "a": 0.3, "b": 0.6}, k=3)
    rows = pd.DataFrame({"frequency": [3, 4], "recency": [12] * 2, "T": [14] * 2, "log_gap_sum": [3.0] * 2})
    np.testing.assert_allclose(model.log_likelihood(rows), [-10.42500, -12.22396], atol=5e-6)


@pytest.mark.parametrize(
    ("model_class", "chance"), [(BetaGeoErlangModel, 0.05669), (ModifiedBetaGeoErlangModel, 0.04548)]
)
def test_counts_of_a_new_customer_checked_against_btydplus(
    model_class: type[BetaGeoErlangModel], chance: float
) -> None:
    model = model_class.from_parameters({"r": 0.5, "alpha": 2.0, "a": 0.3, "b": 0.6}, k=3)
    assert model.purchase_count_probabilities_new(10)[2] == pytest.approx(chance, abs=5e-6)


@pytest.mark.parametrize(("erlang", "exponential"), PAIRS)
def test_k_one_is_the_model_without_regularity(
    erlang: type[BetaGeoErlangModel], exponential: type[BetaGeoModel]
) -> None:
    one, plain = (
        erlang.from_parameters(WEEKLY, unit="week", k=1), exponential.from_parameters(WEEKLY, unit="week")
    )  # fmt: skip
    table = customers()
    for model_question in (
        lambda m: m.expected_purchases(table, horizon_days=273),
        lambda m: m.expected_purchases(table, horizon_days=70_000),
        lambda m: m.probability_alive(table, days_ahead=100),
        lambda m: m.probability_no_purchase(table, horizon_days=33),
        lambda m: m.purchase_count_probabilities(table, horizon_days=273),
        lambda m: m.discounted_expected_purchases(table, annual_discount_rate=0.15),
        lambda m: m.discounted_expected_purchases(table, annual_discount_rate=0.15, horizon_days=1000),
        lambda m: m.next_purchase_days(table, quantile=0.3),
        lambda m: m.log_likelihood(table),
    ):
        np.testing.assert_allclose(model_question(one), model_question(plain), rtol=4e-12)


@pytest.mark.parametrize(("erlang", "exponential"), PAIRS)
def test_cdnow_is_not_regular(
    erlang: type[BetaGeoErlangModel], exponential: type[BetaGeoModel], cdnow: pd.DataFrame
) -> None:
    chosen, plain = erlang().fit(cdnow), exponential().fit(cdnow)
    assert chosen.k_ == 1
    assert chosen.log_likelihood_ == pytest.approx(plain.log_likelihood_, abs=1e-6)
    assert chosen.params_ == pytest.approx(plain.params_, rel=1e-6)
    assert chosen.bic() == pytest.approx(plain.bic() + np.log(len(cdnow)), abs=1e-5)
    assert chosen.aic() == pytest.approx(plain.aic() + 2.0, abs=1e-5)
    assert plain.aic() == pytest.approx(8.0 - 2.0 * plain.log_likelihood_, abs=1e-9)
    assert erlang(2).fit(cdnow).log_likelihood_ < chosen.log_likelihood_ - 100


@both_models
def test_simulated_k_and_parameters_are_found_again(model_class: type[BetaGeoErlangModel]) -> None:
    truth = model_class.from_parameters(WEEKLY, unit="week", k=3)
    ages = np.random.default_rng(8).uniform(150, 700, 6000)
    simulated = truth.simulate(ages, horizon_days=300, seed=21)
    found = model_class().fit(simulated)
    assert found.k_ == 3
    assert found.verdict_.status == "ok", found.verdict_
    for name, value in truth.params_.items():
        assert abs(found.params_[name] - value) < 3 * found.standard_errors_[name], (name, found.params_)


@both_models
def test_expected_purchases_are_right_in_total_and_in_every_band_of_frequency(
    model_class: type[BetaGeoErlangModel],
) -> None:
    """The rescaled approximation is far off in single bands; the exact sum is within sampling noise."""
    model = model_class.from_parameters(WEEKLY, unit="week", k=2)
    simulated = model.simulate(np.full(30_000, 500.0), horizon_days=400, seed=4)
    simulated["expected"] = model.expected_purchases(simulated, horizon_days=400)
    band = simulated["frequency"].clip(upper=8)
    off = (simulated["future_purchases"] - simulated["expected"]).groupby(band)
    z = off.mean() / (off.std() / np.sqrt(off.size()))
    assert z.abs().max() < 3.5, z
    total = simulated["future_purchases"] - simulated["expected"]
    assert abs(total.mean()) < 3 * total.std() / np.sqrt(len(total))


@both_models
def test_a_customer_alone_gets_the_answer_of_the_batch(model_class: type[BetaGeoErlangModel]) -> None:
    model, table = model_class.from_parameters(WEEKLY, unit="week", k=4), customers()
    batch = model.expected_purchases(table, horizon_days=90)
    for row in range(len(table)):
        assert model.expected_purchases(table.iloc[[row]], horizon_days=90).item() == batch.iloc[row]


@both_models
def test_gradient_is_that_of_the_log_likelihood(model_class: type[BetaGeoErlangModel]) -> None:
    table = customers()
    for k in (1, 2, 7):
        model = model_class.from_parameters(WEEKLY, unit="week", k=k)
        scores = model._scores(model._histories(table))
        for position, name in enumerate(model.parameter_names):
            up, down = (
                model_class.from_parameters(model.params_ | {name: model.params_[name] * np.exp(step)}, k=k)
                for step in (1e-5, -1e-5)
            )
            slope = (up.log_likelihood(table) - down.log_likelihood(table)) / 2e-5
            np.testing.assert_allclose(scores[:, position], slope, rtol=1e-6, atol=1e-6)


def test_regular_customers_lie_at_the_largest_k_and_are_scored() -> None:
    x = np.arange(1.0, 60.0)
    metronomes = pd.DataFrame(
        {"frequency": x, "recency": 7 * x, "T": 7 * x + 3, "log_gap_sum": x * np.log(7)}
    )
    model = BetaGeoErlangModel().fit(metronomes)
    assert model.k_ == 12
    assert model.verdict_.status == "boundary"
    assert np.isfinite(model.expected_purchases(metronomes, horizon_days=365)).all()


@both_models
def test_k_is_a_setting_that_is_cloned_saved_and_checked(
    model_class: type[BetaGeoErlangModel], cdnow: pd.DataFrame
) -> None:
    chosen = model_class().fit(cdnow)
    assert clone(chosen).get_params() == {"k": None}
    back = model_class.from_json(chosen.to_json())
    assert (back.k, back.k_) == (None, 1)
    assert back.to_json() == chosen.to_json()
    for wrong in (0, 13, 2.5):
        with pytest.raises(UsageError, match=f"k={wrong} must be a whole number from 1 to 12"):
            model_class(wrong).fit(cdnow)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="needs its k: give k=1 to 12"):
        model_class.from_parameters(WEEKLY)


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ({"log_gap_sum": 40.0}, r"log_gap_sum cannot be true in \d+ rows"),
        ({"log_gap_sum": np.nan}, r"log_gap_sum cannot be true in \d+ rows"),
    ],
)
def test_gaps_that_cannot_be_true_are_refused(
    cdnow: pd.DataFrame, column: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        BetaGeoErlangModel().fit(cdnow.assign(**column))
    with pytest.raises(UsageError, match="no column 'log_gap_sum'"):
        BetaGeoErlangModel().fit(cdnow.drop(columns="log_gap_sum"))
    with pytest.raises(UsageError, match="cannot be true"):  # weeks beside logarithms of days
        BetaGeoErlangModel().fit(cdnow.assign(recency=cdnow["recency"] / 7, T=cdnow["T"] / 7))


@both_models
def test_degenerate_cohorts_are_refused_with_the_reason(model_class: type[BetaGeoErlangModel]) -> None:
    table = customers()
    with pytest.raises(NotEnoughData, match="the summary has none"):
        model_class().fit(table.iloc[:0])
    with pytest.raises(DegenerateCohortError, match="none of the 1 customers bought on a second day"):
        model_class().fit(table.iloc[:1])
    with pytest.raises(DegenerateCohortError, match="no time has passed"):
        model_class().fit(table.iloc[:1].assign(T=0))


def test_discounting_of_the_most_regular_buyers_is_good_to_eight_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = pd.DataFrame({"frequency": [0, 1, 5, 40], "recency": [0, 20, 100, 260], "T": [30, 39, 200, 272]})
    known = known.assign(log_gap_sum=[0.0, 3.0, 14.0, 70.0])
    model = BetaGeoErlangModel.from_parameters({"r": 0.5, "alpha": 2.0, "a": 0.3, "b": 0.6}, k=12)
    found = {}
    for nodes in (model.discount_nodes, (200, 200)):
        monkeypatch.setattr(BetaGeoErlangModel, "discount_nodes", nodes)
        found[nodes] = model.discounted_expected_purchases(known, annual_discount_rate=0.15, horizon_days=365)
    np.testing.assert_allclose(*found.values(), rtol=1e-8)


def test_a_newcomer_without_regularity_has_long_horizons_too() -> None:
    """k = 1 at p = 1: an infinite step times phase 0 was NaN."""
    known = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [30.0], "log_gap_sum": [0.0]})
    params = {"r": 0.5, "alpha": 20.0, "a": 0.3, "b": 0.6}
    regular = BetaGeoErlangModel.from_parameters(params, k=1).expected_purchases(known, horizon_days=1500)
    plain = BetaGeoModel.from_parameters(params).expected_purchases(known, horizon_days=1500)
    assert regular[0] == pytest.approx(plain[0], rel=1e-8)


@both_models
@pytest.mark.parametrize("k", [1, 4])
def test_scores_discount_as_the_model_does(model_class: type[BetaGeoErlangModel], k: int) -> None:
    """The phases of the running gap are averaged before the ratio is taken, not after."""
    model = model_class.from_parameters({"r": 0.6, "alpha": 15.0, "a": 0.5, "b": 2.2}, k=k)
    known = model._histories(customers())
    for horizon_days, rate in ((365, 0.1), (3650, 0.3)):
        found = discounts(model, FutureCounts(model, known, horizon_days=horizon_days), rate)
        discounted, plain = (
            model.discounted_of_the_living(known, annual_discount_rate=one, horizon_days=horizon_days)
            for one in (rate, 0.0)
        )
        np.testing.assert_allclose(found, discounted / plain, rtol=1e-6)
