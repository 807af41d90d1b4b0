"""Does a fit arrive wherever it starts, from part of the data as from all, and say where there is no peak?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.models import history_fit
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.optimiser import Likelihood, maximise
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.patterns import find_patterns
from crm_analytics.clv.models.purchase_model import PurchaseModel

MODELS = (NBDModel, BetaGeoModel, ModifiedBetaGeoModel, ParetoNBDModel)
every_model = pytest.mark.parametrize("model_class", MODELS)


def whole_days(customers: pd.DataFrame) -> pd.DataFrame:
    return customers.assign(recency=np.minimum(np.ceil(customers["recency"]), customers["T"]))


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    truth = ModifiedBetaGeoModel.from_parameters({"r": 0.5, "alpha": 40.0, "a": 0.8, "b": 2.5})
    return whole_days(truth.simulate(np.random.default_rng(1).integers(1, 400, 12_000).astype(float), seed=2))


@every_model
def test_part_of_the_patterns_leads_to_the_optimum_of_all(
    model_class: type[PurchaseModel], shop: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = model_class().fit(shop)
    monkeypatch.setattr(history_fit, "_FEW_PATTERNS", 500)
    assert len(find_patterns(shop)) > 5000
    by_part = model_class().fit(shop)
    assert by_part.params_ == pytest.approx(everything.params_, rel=1e-9)
    assert by_part.log_likelihood_ == pytest.approx(everything.log_likelihood_, rel=1e-13)
    assert by_part.verdict_ == everything.verdict_
    assert by_part.verdict_.status == "ok"


@every_model
def test_any_start_arrives_at_the_same_place(model_class: type[PurchaseModel], cdnow: pd.DataFrame) -> None:
    expected = model_class().fit(cdnow).params_
    rng = np.random.default_rng(3)
    for _ in range(6):
        model = model_class()
        model.__dict__["start"] = model.start + rng.normal(0.0, 1.5, len(model.start))
        assert model.fit(cdnow).params_ == pytest.approx(expected, rel=1e-8)
        assert model.verdict_.status == "ok"


@every_model
def test_given_curvature_is_that_of_the_gradient(
    model_class: type[PurchaseModel], cdnow: pd.DataFrame
) -> None:
    model, patterns = model_class(), find_patterns(cdnow).scaled(200.0)
    theta = np.log([0.4, 0.6, 0.8, 1.7])[: len(model.start)]
    likelihood = Likelihood(lambda place: history_fit.penalised_total(model, place, patterns))
    by_differences = Likelihood.without_curvature(
        lambda place: history_fit.penalised_total(model, place, patterns)[:2]
    )
    np.testing.assert_allclose(
        likelihood.curvature(theta), by_differences.curvature(theta), rtol=1e-5, atol=1e-3
    )
    step = 1e-5 * np.eye(len(theta))
    slopes = [(likelihood(theta + h)[0] - likelihood(theta - h)[0]) / 2e-5 for h in step]
    np.testing.assert_allclose(likelihood(theta)[1], slopes, rtol=1e-6, atol=1e-4)


def test_customers_who_never_leave_are_named_a_plain_nbd() -> None:
    truth = NBDModel.from_parameters({"r": 2.0, "alpha": 60.0})
    ages = np.random.default_rng(4).integers(100, 500, 1500).astype(float)
    customers = whole_days(truth.simulate(ages, seed=9))
    plain = NBDModel().fit(customers)
    for model in (BetaGeoModel().fit(customers), ParetoNBDModel().fit(customers)):
        if model.verdict_.status == "ok":  # a trace of departure may be read into chance silences
            assert model.log_likelihood_ - plain.log_likelihood_ < 3.0
        else:
            assert model.verdict_.status == "boundary"
            assert "plain NBD" in " ".join(model.verdict_.reasons), model.verdict_
        expected = model.expected_purchases(customers, horizon_days=100).sum()
        assert expected == pytest.approx(
            plain.expected_purchases(customers, horizon_days=100).sum(), rel=0.02
        )


def test_customers_who_all_buy_alike_are_named_poisson() -> None:
    rng, ages = np.random.default_rng(5), np.full(400, 300.0)
    times = [np.sort(rng.uniform(0, 300, count)) for count in rng.poisson(6.0, 400)]
    customers = pd.DataFrame(
        {
            "frequency": [float(len(t)) for t in times],
            "recency": [float(t[-1]) if len(t) else 0.0 for t in times],
            "T": ages,
        }
    )
    verdict = NBDModel().fit(customers).verdict_
    if verdict.status == "ok":
        assert NBDModel().fit(customers).params_["r"] > 30
    else:
        assert "Poisson" in " ".join(verdict.reasons) or "all rates are equal" in " ".join(verdict.reasons)


def test_two_peaks_an_edge_and_a_flat_top_get_their_verdicts() -> None:
    def meaning(parameter: int, upper: bool) -> str:
        return f"parameter {parameter} {'up' if upper else 'down'}"

    def judge(objective: object, start: float = -3.0) -> object:
        return maximise(
            objective,  # type: ignore[arg-type]
            start=np.array([start]),
            second_start=np.array([3.0]),
            customers=100.0,
            edge_meaning=meaning,
        ).verdict

    def peaks(theta: np.ndarray) -> tuple[float, np.ndarray]:
        left, right = np.exp(-((theta + 3.2) ** 2)), 2.0 * np.exp(-((theta - 3.2) ** 2))
        slope = -2.0 * (theta + 3.2) * left - 2.0 * (theta - 3.2) * right
        return float(100.0 * (left + right)[0]), 100.0 * slope

    two = judge(peaks)
    assert two.status == "failed"  # type: ignore[attr-defined]
    assert "another start" in two.reasons[0]  # type: ignore[attr-defined]
    edge = judge(lambda theta: (float(100.0 * theta[0]), np.array([100.0])))
    assert edge.status == "boundary"  # type: ignore[attr-defined]
    assert edge.reasons == ("parameter 0 up",)  # type: ignore[attr-defined]
    still = judge(lambda theta: (0.0, np.array([0.0])))
    assert still.status == "failed"  # type: ignore[attr-defined]
    assert "did not move" in still.reasons[0]  # type: ignore[attr-defined]
