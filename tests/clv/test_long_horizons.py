"""Do limits of discounted spend hold far ahead, rise with the horizon, and never go missing?"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.customer_value import score_summary
from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.group_totals import _counts, group_totals
from crm_analytics.clv.intervals import future_limits
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.futures import Luck
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import HISTORY
from crm_analytics.clv.models.purchase_model import PurchaseModel

SPEND = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
BETA = {"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5}
TIME = {"r": 0.55, "alpha": 42.0, "s": 0.6, "beta": 80.0}
PARAMETERS = {
    "bg_nbd": BETA, "mbg_nbd": BETA, "bg_cnbd": BETA, "mbg_cnbd": BETA, "pareto_nbd": TIME,
    "nbd": {"r": 0.55, "alpha": 42.0},
}  # fmt: skip
NUMBERS = [
    f"{figure}{side}"
    for figure in ("expected_purchases", "lifetime_revenue")
    for side in ("", "_low", "_high")
]
YEARS = (1, 10, 60, 100)
RATE = 0.1


def of(name: str) -> PurchaseModel:
    settings: dict[str, Any] = {"k": 2} if name.endswith("cnbd") else {}
    return MODELS[name].from_parameters(PARAMETERS[name], **settings)


def history(x: float, t: float, T: float, paid: float = 30.0) -> pd.DataFrame:
    return pd.DataFrame(
        {"customer_id": ["a"], "frequency": [x], "recency": [t], "T": [T], "monetary_value": [paid]}
    )


def drawn(model: PurchaseModel, one: pd.DataFrame, days: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Discounted purchases and spend of futures of one customer, purchase by purchase."""
    rng = np.random.default_rng(3)
    known = model._histories(one)
    core = model.core(np.array(list(model.params_.values())), known)
    latent = model.latent_if_alive(core, known, Luck.draw(size, rng))
    rate, life, last = (
        np.broadcast_to(part, (1, size))[0] for part in (latent.rate, latent.lifetime_days, latent.last)
    )
    x, paid = one["frequency"].item(), one["monetary_value"].item()
    p, q, v = SPEND.params_.values()
    dearness = rng.gamma(p * x + q, 1.0 / (v + x * paid), size)
    number, spent, day, count = np.zeros(size), np.zeros(size), np.zeros(size), 0
    buying = np.flatnonzero(rng.random(size) < model.probability_alive(one).item())
    while len(buying):
        day[buying] += rng.exponential(1.0 / rate[buying])
        buying = buying[day[buying] < np.minimum(life[buying], days)]
        count, worth = count + 1, (1.0 + RATE) ** (-day[buying] / 365)
        number[buying] += worth
        spent[buying] += worth * rng.gamma(p, 1.0 / dearness[buying])
        buying = buying[count < last[buying]]
    return number, spent


@pytest.mark.parametrize("name", ["bg_nbd", "pareto_nbd"])
@pytest.mark.parametrize("years", [5, 40])
def test_limits_of_discounted_spend_are_those_of_drawn_futures(name: str, years: int) -> None:
    """Share above the upper limit within .01 of .05; 60,000 futures, to 100 years: .046 to .052."""
    model, one = of(name), history(8, 350.0, 360.0)
    number, spent = drawn(model, one, 365.0 * years, 6_000)
    scores = score_summary(one, models=Models(model, SPEND), model=name, horizon_days=365 * years)
    assert np.mean(spent > scores["lifetime_revenue_high"].item()) == pytest.approx(0.05, abs=0.01)
    assert scores["lifetime_revenue"].item() == pytest.approx(spent.mean(), rel=0.04)
    known, _ = model._histories(one).distinct(HISTORY)
    futures = FutureCounts(model, known, horizon_days=365.0 * years, estimate_only=True)
    assert _counts(model, known, futures, RATE).square.item() == pytest.approx((number**2).mean(), rel=0.08)


@pytest.mark.parametrize("name", ["bg_nbd", "pareto_nbd"])
def test_limits_rise_with_the_horizon_and_come_to_rest(name: str) -> None:
    used = Models(of(name), SPEND)
    rows = pd.concat([history(8, 350.0, 360.0), history(1, 20.0, 60.0)]).assign(customer_id=["a", "b"])
    high, width = [], []
    for years in YEARS:
        days = 365.0 * years
        high.append(score_summary(rows, models=used, model=name, horizon_days=days)["lifetime_revenue_high"])
        total = group_totals(rows, used, np.zeros(2, dtype=int), horizon_days=days)
        width.append(total["lifetime_revenue_high"].item())
    highs = np.array(high)
    assert (np.diff(highs, axis=0) >= -1e-9 * highs[:-1]).all()
    assert (np.diff(width) > 0).all()
    np.testing.assert_allclose(highs[-1], highs[-2], rtol=0.02)
    assert width[-1] == pytest.approx(width[-2], rel=0.02)


def test_without_a_discount_limits_are_those_of_the_exact_distribution() -> None:
    used, one = Models(of("bg_nbd"), SPEND), history(8, 350.0, 360.0)
    plain, hardly = (
        score_summary(one, models=used, annual_discount_rate=rate)["lifetime_revenue_high"].item()
        for rate in (0.0, 1e-9)
    )
    assert hardly == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "k", "x", "days"),
    [
        ("bg_nbd", 1, 1_000, 3_650), ("mbg_nbd", 1, 5_000, 365), ("pareto_nbd", 1, 5_000, 3_650),
        ("bg_cnbd", 12, 400, 3_650), ("mbg_cnbd", 4, 2_000, 1_095), ("nbd", 1, 5_000, 3_650),
    ],
)  # fmt: skip
def test_limits_of_many_purchases_are_those_of_drawn_futures(name: str, k: int, x: int, days: int) -> None:
    """Purchases and spend: four standard errors of 20,000 futures; docs/lifetime-value.md has 60,000."""
    settings: dict[str, Any] = {"k": k} if k > 1 else {}
    rare = {"pareto_nbd": {"s": 0.6, "beta": 3_000.0}, "nbd": {}}
    parameters = {"r": 0.55, "alpha": 42.0, **rare.get(name, {"a": 0.2, "b": 60.0})}
    model = MODELS[name].from_parameters(parameters, **settings)
    rng, size, T = np.random.default_rng(4), 20_000, 900.0
    phase = np.zeros(size, dtype=int)
    known = model._histories(history(x, T - 0.5, T))
    if k > 1:
        phase = rng.choice(k, size=size, p=model.kind_weights(known)[0])
    rate = rng.gamma(0.55 + k * x + phase, 1.0 / (42.0 + T))
    if name == "pareto_nbd":
        life = rng.exponential(1.0 / rng.gamma(0.6, 1.0 / (3_000.0 + T), size))
        number = rng.poisson(rate * np.minimum(life, days))
    elif name == "nbd":
        number = rng.poisson(rate * days)
    else:
        last = rng.geometric(rng.beta(0.2, 60.0 + x + name.startswith("mbg"), size))
        number = np.minimum((rng.poisson(rate * days) + phase) // k, last)
    futures = FutureCounts(model, known, horizon_days=days)
    limits = future_limits(futures, SPEND, known, alive=np.ones(1), level=0.9)
    p, q, _ = SPEND.params_.values()
    dearness = rng.gamma(p * x + q, size=size) * p / (p * x + q - 1.0)
    spent = np.where(number > 0, rng.gamma(p * np.maximum(number, 1.0)), 0.0) / dearness
    for came, low, high in (
        (number, limits.purchases_low.item(), limits.purchases_high.item()),
        (spent, limits.spend_low.item(), limits.spend_high.item()),
    ):
        for limit, tail in ((low, 0.05), (high, 0.95)):
            error = 4.0 * np.sqrt(tail * (1.0 - tail) / size)
            assert np.mean(came <= limit) >= tail - error
            assert np.mean(came < limit) <= tail + error


@pytest.mark.parametrize(("name", "x"), [("bg_nbd", 400), ("pareto_nbd", 64)])
def test_limits_of_discounted_spend_of_many_purchases_are_those_of_drawn_futures(name: str, x: int) -> None:
    """Ten years, many purchases each: within four standard errors of 4,000 futures."""
    model, one = of(name), history(x, 899.5, 900.0)
    _, spent = drawn(model, one, 3_650.0, 4_000)
    scores = score_summary(one, models=Models(model, SPEND), model=name, horizon_days=3_650)
    for side, tail in (("low", 0.05), ("high", 0.95)):
        error = 4.0 * np.sqrt(tail * (1.0 - tail) / 4_000)
        limit = scores[f"lifetime_revenue_{side}"].item()
        assert np.mean(spent <= limit) == pytest.approx(tail, abs=error)


@pytest.mark.parametrize("name", MODELS)
def test_no_score_is_missing_or_infinite_at_the_ends_of_the_scale(name: str) -> None:
    rows = [
        (x, T * share if x else 0.0, T)
        for x, T, share in product((0, 60, 5000), (266.0, 5_600.0, 36_400.0), (0.9,))
        if x < T  # more purchase days than days are no history
    ]
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float).drop_duplicates()
    table["log_gap_sum"] = -1e6 * (table["frequency"] > 0)
    table["monetary_value"] = np.where(table["frequency"] > 0, 26.0, 0.0)
    table["customer_id"] = [str(number) for number in range(len(table))]
    scores = score_summary(
        table.reset_index(drop=True), models=Models(of(name), SPEND), model=name, horizon_days=70_000
    )[NUMBERS]
    assert np.isfinite(scores.to_numpy()).all()
    assert (scores["lifetime_revenue_high"] >= scores["lifetime_revenue_low"]).all()
