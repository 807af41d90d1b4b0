"""Are the models right to eight digits where formulas break down, and finite everywhere?

The oracle works with 40 digits (mpmath) and with other formulas than the models: hypergeometric functions
where they use quadrature, plain sums where they use roots of one.  Ages in weeks; the models store days, so
parameters are given per week.  `EXTREME` reaches x = 5,000, a = 1 and s = 1 exactly, r = 50 and horizons of
10,000 weeks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import mpmath as mp
import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.bg_bb import BetaGeoBetaBinomModel
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel

Number = Any
History = tuple[int, float, float]

DISCOUNT = 0.0027  # per week, 15 % per year
ANNUAL = float(np.expm1(DISCOUNT / 7 * 365))
# x, t_x, T in weeks, and the horizon in weeks
HISTORIES: list[tuple[History, float]] = [
    ((0, 0.0, 1.0), 10_000.0),
    ((0, 0.0, 39.0), 39.0),
    ((1, 0.25, 200.0), 0.5),
    ((2, 30.43, 38.86), 39.0),
    ((26, 30.857, 31.0), 10_000.0),
    ((600, 77.0, 78.0), 52.0),
    ((5000, 499.9, 500.0), 10_000.0),
]
BETA = [(0.02, 0.05), (1.0, 2.4), (0.793, 2.426), (30.0, 5.0)]
RATE = [(0.01, 4.4), (0.243, 4.414), (50.0, 3000.0)]


def near(found: float, exact: Number, rel: float = 1e-8) -> bool:
    return bool(abs(mp.mpf(float(found)) - exact) <= rel * abs(exact) + mp.mpf(10) ** -290)


def customer(history: History) -> pd.DataFrame:
    x, t, T = history
    return pd.DataFrame({"frequency": [x], "recency": [t * 7], "T": [T * 7]}, dtype=float)


def spread(*grids: list[Any]) -> list[tuple[Any, ...]]:
    """Every third combination: all values of each grid in varied company."""
    return list(product(*grids))[::3]


# ------------------------------------------------------------------------------- BG/NBD and MBG/NBD


def beta_geo_alive(params: dict[str, float], history: History, modified: bool) -> Number:
    r, alpha, a, b = (mp.mpf(v) for v in params.values())
    x, t, T = (mp.mpf(v) for v in history)
    if x == 0 and not modified:
        return mp.mpf(1)
    return 1 / (1 + a / (b + x - (0 if modified else 1)) * ((alpha + T) / (alpha + t)) ** (r + x))


def beta_geo_expected(params: dict[str, float], history: History, modified: bool, weeks: float) -> Number:
    """Fader, Hardie and Lee's eq. (10) after Euler's transformation, given alive; a = 1 as a limit."""
    r, alpha, a, b = (mp.mpf(v) for v in params.values())
    x, _, T = (mp.mpf(v) for v in history)
    with mp.workdps(90):
        a += mp.mpf(10) ** -40 if a == 1 else 0
        b += x + (1 if modified else 0)
        z = mp.mpf(weeks) / (alpha + T + mp.mpf(weeks))
        closed = mp.hyp2f1(a + b - 1 - r - x, a - 1, a + b - 1, z)
        return (a + b - 1) / (a - 1) * (1 - (1 - z) ** (a - 1) * closed)


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd"])
def test_beta_geometric_models_equal_forty_digits(name: str) -> None:
    modified = name == "mbg_nbd"
    with mp.workdps(40):
        for (r, alpha), (a, b), (history, weeks) in spread(RATE, BETA, HISTORIES):
            params = {"r": r, "alpha": alpha, "a": a, "b": b}
            model, one = MODELS[name].from_parameters(params, unit="week"), customer(history)
            alive = beta_geo_alive(params, history, modified)
            expected = alive * beta_geo_expected(params, history, modified, weeks)
            assert near(model.probability_alive(one).item(), alive), (params, history)
            found = model.expected_purchases(one, horizon_days=weeks * 7).item()
            assert near(found, expected), (params, history, weeks, found, expected)


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd"])
def test_beta_geometric_values_for_ever_and_chances_equal_forty_digits(name: str) -> None:
    modified = name == "mbg_nbd"
    with mp.workdps(40):
        for a, (history, weeks) in product((0.793, 1.0), (HISTORIES[3], HISTORIES[5])):
            params = {"r": 0.243, "alpha": 4.414, "a": a, "b": 2.426}
            model, one = MODELS[name].from_parameters(params, unit="week"), customer(history)
            r, alpha, _, b = (mp.mpf(v) for v in params.values())
            x, _, T = (mp.mpf(v) for v in history)
            alive, b = beta_geo_alive(params, history, modified), b + x + (1 if modified else 0)
            with mp.workdps(20):
                rate = mp.quad(
                    lambda u: mp.exp(-DISCOUNT * u) * mp.hyp2f1(r + x + 1, a, a + b, -u / (alpha + T)),  # noqa: B023
                    [0, 30, 1000, 18_000],
                )
            ever = alive * (r + x) / (alpha + T) * rate
            assert near(model.discounted_expected_purchases(one, annual_discount_rate=ANNUAL).item(), ever)
            silent = 1 - alive + alive * ((alpha + T) / (alpha + T + weeks)) ** (r + x)
            assert near(model.probability_no_purchase(one, horizon_days=weeks * 7).item(), silent)
            z = mp.mpf(weeks) / (alpha + T)
            staying = alive * mp.hyp2f1(r + x, a, a + b, -z)
            assert near(model.probability_alive(one, days_ahead=weeks * 7).item(), staying)
            stays = mp.beta(a, b + 2) / mp.beta(a, b) * negative_binomial(2, r + x, z)
            more = 1 - negative_binomial(0, r + x, z) - negative_binomial(1, r + x, z)
            two = alive * (stays + mp.beta(a + 1, b + 1) / mp.beta(a, b) * more)
            counts = model.purchase_count_probabilities(one, horizon_days=weeks * 7, up_to=2)
            assert near(counts[2].item(), two), (params, history)


def negative_binomial(n: int, shape: Number, ratio: Number) -> Number:
    """P(n events) with rate Gamma(shape, 1) in a time ratio."""
    return mp.rf(shape, n) / mp.factorial(n) * ratio**n / (1 + ratio) ** (shape + n)


# -------------------------------------------------------------------------------- Pareto/NBD and NBD


def pareto_alive(params: dict[str, float], history: History) -> Number:
    r, alpha, s, beta = (mp.mpf(v) for v in params.values())
    x, t, T = (mp.mpf(v) for v in history)
    if t == T:
        return mp.mpf(1)
    stayed = (alpha + T) ** -(r + x) * (beta + T) ** -s
    # the integrand falls like exp(-k y) at first and like a power later: smooth in q = log(1 + k (y - t))
    k = (r + x) / (alpha + t) + (s + 1) / (beta + t)
    with mp.workdps(22):
        left = mp.quad(
            lambda q: (
                (alpha + t + mp.expm1(q) / k) ** -(r + x)
                * (beta + t + mp.expm1(q) / k) ** -(s + 1)
                * mp.exp(q)
                / k
            ),
            mp.linspace(0, mp.log1p(k * (T - t)), 8),
        )
    return stayed / (stayed + s * left)


def test_pareto_nbd_equals_forty_digits() -> None:
    with mp.workdps(40):
        for (r, alpha), (s, beta), (history, weeks) in spread(
            RATE, [(0.606, 11.669), (1.0, 1e-2), (5.0, 3000.0)], HISTORIES
        ):
            params = {"r": r, "alpha": alpha, "s": s, "beta": beta}
            model, one = MODELS["pareto_nbd"].from_parameters(params, unit="week"), customer(history)
            shape, rate, left = mp.mpf(r) + history[0], mp.mpf(alpha) + history[2], mp.mpf(beta) + history[2]
            alive = pareto_alive(params, history)
            assert near(model.probability_alive(one).item(), alive), (params, history)
            growth = mp.log1p(mp.mpf(weeks) / left)
            lived = growth if s == 1 else -mp.expm1(-(mp.mpf(s) - 1) * growth) / (mp.mpf(s) - 1)
            expected = alive * shape * left / rate * lived
            found = model.expected_purchases(one, horizon_days=weeks * 7).item()
            assert near(found, expected), (params, history, found, expected)
            z = mp.mpf(DISCOUNT) * left
            ever = alive * shape / rate * left * mp.hyperu(1, 2 - mp.mpf(s), z)
            found = model.discounted_expected_purchases(one, annual_discount_rate=ANNUAL).item()
            assert near(found, ever), (params, history, found, ever)


def test_nbd_equals_forty_digits() -> None:
    with mp.workdps(40):
        for (r, alpha), (history, weeks) in product(RATE, HISTORIES):
            model = MODELS["nbd"].from_parameters({"r": r, "alpha": alpha}, unit="week")
            one, shape = customer(history), mp.mpf(r) + history[0]
            ratio = mp.mpf(weeks) / (mp.mpf(alpha) + history[2])
            assert near(model.expected_purchases(one, horizon_days=weeks * 7).item(), shape * ratio)
            counts = model.purchase_count_probabilities(one, horizon_days=weeks * 7, up_to=3)
            assert near(counts[3].item(), negative_binomial(3, shape, ratio))


# ---------------------------------------------------------------------------------------- CNBD-k


def erlang_case(
    params: dict[str, float], k: int, history: History, modified: bool
) -> tuple[Number, list[Number]]:
    """P(alive), and P(phase = 0 .. k - 1) of the living."""
    r, alpha, a, b = (mp.mpf(v) for v in params.values())
    x, t, T = (mp.mpf(v) for v in history)
    shape = r + k * x
    terms = [mp.rf(shape, j) * ((T - t) / (alpha + T)) ** j / mp.factorial(j) for j in range(k)]
    stayed = mp.fsum(terms) * (alpha + T) ** -shape
    left = a / (b + x - (0 if modified else 1)) * (alpha + t) ** -shape if x or modified else mp.mpf(0)
    return stayed / (stayed + left), [term / mp.fsum(terms) for term in terms]


def erlang_expected(a: Number, b: Number, k: int, phase: int, shape: Number, ratio: Number) -> Number:
    """Sum over m of E[(1 - p)^(m - 1)] P(N >= m k - phase), N summed event by event."""
    total, stays, m = mp.mpf(0), mp.mpf(1), 1
    with mp.workdps(45):
        pmf, below, n = (1 + ratio) ** -shape, mp.mpf(0), 0
        while True:
            while n < m * k - phase:
                below += pmf
                pmf *= (shape + n) / (n + 1) * ratio / (1 + ratio)
                n += 1
            total += stays * (1 - below)
            if 1 - below < mp.mpf(10) ** -20 * total:
                return total
            stays *= (b + m - 1) / (a + b + m - 1)
            m += 1


@pytest.mark.parametrize(
    ("name", "k", "a", "b", "history", "weeks"),
    [
        ("bg_cnbd", 2, 0.793, 2.426, (2, 30.43, 38.86), 39.0),
        ("bg_cnbd", 12, 1.0, 2.4, (0, 0.0, 39.0), 52.0),
        ("mbg_cnbd", 3, 0.02, 0.05, (26, 30.857, 31.0), 500.0),
        ("mbg_cnbd", 3, 1.0, 0.05, (1, 0.25, 100.0), 10_000.0),
        ("bg_cnbd", 5, 30.0, 5.0, (600, 77.0, 78.0), 52.0),
        ("mbg_cnbd", 2, 0.793, 2.426, (5000, 499.9, 500.0), 10.0),
    ],
)
def test_regular_purchases_equal_forty_digits(
    name: str, k: int, a: float, b: float, history: History, weeks: float
) -> None:
    modified, params = name == "mbg_cnbd", {"r": 0.4, "alpha": 2.0, "a": a, "b": b}
    model, one = MODELS[name].from_parameters(params, unit="week", k=k), customer(history)
    with mp.workdps(40):
        alive, phases = erlang_case(params, k, history, modified)
        assert near(model.probability_alive(one).item(), alive)
        shape, ratio = mp.mpf(0.4) + k * history[0], mp.mpf(weeks) / (2 + mp.mpf(history[2]))
        b_now = mp.mpf(b) + history[0] + (1 if modified else 0)
        expected = alive * mp.fsum(
            weight * erlang_expected(mp.mpf(a), b_now, k, j, shape + j, ratio)
            for j, weight in enumerate(phases)
        )
        found = model.expected_purchases(one, horizon_days=weeks * 7).item()
        assert near(found, expected), (found, expected)


def test_regular_purchases_for_ever_equal_forty_digits() -> None:
    """The sum over purchases of their discount, averaged over lambda by another rule than the model's."""
    params, k, history = {"r": 0.4, "alpha": 2.0, "a": 0.8, "b": 2.4}, 3, (2, 30.0, 38.0)
    model = MODELS["bg_cnbd"].from_parameters(params, unit="week", k=k)
    found = model.discounted_expected_purchases(customer(history), annual_discount_rate=ANNUAL).item()
    with mp.workdps(18):
        alive, phases = erlang_case(params, k, history, modified=False)
        a, b, discount = mp.mpf(0.8), mp.mpf(2.4) + 2, mp.mpf(DISCOUNT) * (2 + 38)

        def value(shape: Number, phase: int) -> Number:
            def at(rate: Number) -> Number:
                w = rate / (rate + discount)
                each = w ** (k - phase) * mp.hyp2f1(1, b, a + b, w**k)
                return mp.exp((shape - 1) * mp.log(rate) - rate - mp.loggamma(shape)) * each

            return mp.quad(at, [0, 3, 10, 30, 70])

        exact = alive * mp.fsum(weight * value(mp.mpf(0.4) + k * 2 + j, j) for j, weight in enumerate(phases))
        assert near(found, exact), (found, exact)


# ------------------------------------------------------------------------- BG/BB and contracts


def test_opportunities_equal_forty_digits() -> None:
    params = {"alpha": 1.2, "beta": 0.75, "gamma": 1.0, "delta": 2.78}
    model = BetaGeoBetaBinomModel.from_parameters(params, period_days=7)
    with mp.workdps(40):
        alpha, beta, gamma, delta = (mp.mpf(v) for v in params.values())
        for x, t, n, ahead in ((0, 0, 6, 10), (3, 4, 6, 1000), (500, 900, 1000, 52)):
            one = customer((x, t, n))
            stayed = mp.beta(alpha + x, beta + n - x) * mp.beta(gamma, delta + n)
            left = mp.fsum(
                mp.beta(alpha + x, beta + m - x) * mp.beta(gamma + 1, delta + m) for m in range(t, n)
            )
            alive = stayed / (stayed + left)
            assert near(model.probability_alive(one).item(), alive)
            total = mp.log(stayed + left) - mp.log(mp.beta(alpha, beta)) - mp.log(mp.beta(gamma, delta))
            assert near(model.log_likelihood(one).item(), total)
            uses = alive * (alpha + x) / (alpha + beta + n)
            lived = mp.fsum(mp.beta(gamma, delta + n + j) for j in range(1, ahead + 1)) / mp.beta(
                gamma, delta + n
            )
            assert near(model.expected_purchases(one, horizon_days=7.0 * ahead).item(), uses * lived)
            discount = mp.exp(-mp.mpf(DISCOUNT))
            first = (delta + n) / (gamma + delta + n) * discount
            ever = uses * first * mp.hyp2f1(1, delta + n + 1, gamma + delta + n + 1, discount)
            found = model.discounted_expected_purchases(one, annual_discount_rate=ANNUAL).item()
            assert near(found, ever), (x, t, n, found, ever)


@pytest.mark.parametrize(("alpha", "beta"), [(0.02, 5.0), (0.704, 1.182), (1.0, 1.0), (50.0, 400.0)])
def test_contracts_equal_forty_digits(alpha: float, beta: float) -> None:
    model = ShiftedBetaGeoModel.from_parameters({"alpha": alpha, "beta": beta}, period_days=7)
    with mp.workdps(40):
        for periods in (0, 3, 5000):
            table = pd.DataFrame({"periods": [periods], "has_ended": [False]})
            a, b, discount = mp.mpf(alpha), mp.mpf(beta) + periods, mp.exp(-mp.mpf(DISCOUNT))
            exact = b / (a + b) * mp.hyp2f1(1, b + 1, a + b + 1, discount)
            found = model.discounted_expected_lifetime(table, annual_discount_rate=ANNUAL).item()
            assert near(found, exact), (periods, found, exact)


# --------------------------------------------------------------------------------- finite everywhere

STRESS: dict[str, list[dict[str, float]]] = {
    "nbd": [{"r": r, "alpha": alpha} for r, alpha in product((0.01, 50.0), (0.1, 20_000.0))],
    "pareto_nbd": [
        {"r": r, "alpha": alpha, "s": s, "beta": beta}
        for (r, alpha), (s, beta) in product(
            [(0.01, 0.1), (50.0, 2e4)], [(1e-3, 0.01), (1.0, 2e4), (30.0, 0.01), (1.0, 0.01)]
        )
    ],
    "bg_nbd": [
        {"r": r, "alpha": alpha, "a": a, "b": b}
        for r, alpha, a, b in product((0.01, 50.0), (0.1, 20_000.0), (1e-5, 1.0, 1e5), (1e-3, 1e5))
    ],
}
STRESS |= dict.fromkeys(("mbg_nbd", "bg_cnbd", "mbg_cnbd"), STRESS["bg_nbd"])
QUESTIONS: list[Callable[[PurchaseModel, pd.DataFrame], Any]] = [
    lambda model, table: model.expected_purchases(table, horizon_days=70_000),
    lambda model, table: model.expected_purchases(table, horizon_days=1e-3),
    lambda model, table: model.probability_alive(table),
    lambda model, table: model.probability_alive(table, days_ahead=70_000),
    lambda model, table: model.probability_no_purchase(table, horizon_days=365),
    lambda model, table: model.purchase_count_probabilities(table, horizon_days=365, up_to=3),
    lambda model, table: model.discounted_expected_purchases(table, annual_discount_rate=0.1),
    lambda model, table: model.log_likelihood(table),
]


def test_every_model_is_stressed() -> None:
    assert set(STRESS) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_missing_or_infinite_at_the_ends_of_the_scale(name: str) -> None:
    rows = [
        (x, T * share if x else 0.0, T)
        for x, T, share in product((0, 1, 600, 5000), (1.0, 5200.0), (0.001, 1.0))
    ]
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"], dtype=float).drop_duplicates()
    table["log_gap_sum"] = -1e6 * (table["frequency"] > 0)
    settings = {"k": 3} if name.endswith("cnbd") else {}
    for params in STRESS[name]:
        model = MODELS[name].from_parameters(params, **settings)
        for position, question in enumerate(QUESTIONS):
            answer = np.asarray(question(model, table))
            assert np.isfinite(answer).all(), (params, position, answer)
            assert (answer >= 0).all() or position == len(QUESTIONS) - 1, (params, position, answer)
