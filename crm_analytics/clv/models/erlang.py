"""What may be expected of a customer who is still there and buys at regular gaps?  Erlang-k purchase times.

A gap between purchases is k phases long, each exponential with the customer's own rate lambda; after every
purchase the customer leaves with a probability p of its own.  Known of a living customer: how many phases j
of the running gap are over (0 <= j < k), lambda ~ Gamma(shape, rate), p ~ Beta(a, b).  Time enters as ratio =
horizon / rate, a pure number.  The number N of phases in the horizon is negative binomial: P(N >= n) is the
regularised incomplete beta function I(ratio / (1 + ratio); n, shape); purchase m comes with phase m k - j.

Expected purchases are the sum over m of E[(1 - p)^(m - 1)] P(N >= m k - j).  Where at most 256 terms matter
they are summed.  Beyond that, with s = 1 - p, the sum is E[(1 - s^floor((N + j) / k)) / p], where s^floor(n /
k) is a sum of k powers (of s^(1/k) times the k-th roots of one) whose negative binomial means are elementary;
p is averaged over by the nodes of quadrature.py.  Against arithmetic with 40 digits (k to 12, shape to 6,000,
ratio to 5,000) the largest relative error is below 1e-10.

Derived here; k = 1 gives the formulas of bg_nbd.py.  Model: Platzer and Reutterer (2016), Marketing Science
35(5), 779-799; Reutterer, Platzer and Schroeder (2021), Int. J. of Research in Marketing 38(2), 194-215.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, gammaln

from crm_analytics.clv.models.negative_binomial import event_chances
from crm_analytics.clv.models.quadrature import dropout_nodes

Floats = NDArray[np.float64]

_SERIES = (8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256)
# Phases of a gap from which on single beta functions cost less than all numbers in between.
_LARGE_STEPS = 8
_LIKELY = 0.5
_LIKELY_TERMS = 64
_RATES = 160
_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class RunningGap:
    """How likely the silence so far is for a customer still there, less that of k = 1, one value per row.

    With S the sum over phases j < k of (shape)_j / j! share^j: ``log_total`` = log S; its derivatives by the
    shape, ``by_shape``, and by log share, ``phase`` (the mean of j); ``bend_shape``, ``bend_both`` and
    ``bend_phase`` are the second derivatives.
    """

    log_total: Floats
    by_shape: Floats
    phase: Floats
    bend_shape: Floats
    bend_both: Floats
    bend_phase: Floats


def running_gap(k: int, shape: Floats, share: Floats) -> RunningGap:
    """Return log S and its derivatives; arguments as in `phase_weights`.

    Examples
    --------
    >>> gap = running_gap(2, np.array([1.0]), np.array([0.5]))      # S = 1 + shape share
    >>> bool(np.isclose(gap.log_total.item(), np.log(1.5)))
    True
    """
    j = np.arange(1.0, k)[:, None]
    step = shape + (j - 1.0)
    product = np.cumprod(share * step / j, axis=0)
    total = 1.0 + product.sum(axis=0)
    term = product / total
    slope, bend = np.cumsum(1.0 / step, axis=0), np.cumsum(step**-2.0, axis=0)
    weighted = term * slope
    by_shape, phase = weighted.sum(axis=0), (term * j).sum(axis=0)
    squared = (weighted * slope - term * bend).sum(axis=0)
    both, phase_squared = (weighted * j).sum(axis=0), (term * j**2).sum(axis=0)
    return RunningGap(
        np.log(total), by_shape, phase,
        squared - by_shape**2, both - by_shape * phase, phase_squared - phase**2,
    )  # fmt: skip


def phase_weights(k: int, shape: Floats, share: Floats) -> Floats:
    """Return P(phase = 0 .. k - 1) of living customers, shape (rows, k).

    Parameters
    ----------
    k : int
        Phases of a gap, >= 1.
    shape : array of shape (rows,)
        lambda ~ Gamma(shape, alpha) after the purchases seen.
    share : array of shape (rows,)
        (T - recency) / (alpha + T): the silence so far.

    Examples
    --------
    >>> phase_weights(2, np.array([1.0]), np.array([0.5])).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    terms = np.ones((len(shape), k))
    for j in range(1, k):
        terms[:, j] = terms[:, j - 1] * (shape + j - 1.0) * share / j
    return np.asarray(terms / terms.sum(axis=1, keepdims=True))


def expected_in_phase(k: int, phase: int, shape: Floats, a: float, b: Floats, ratio: Floats) -> Floats:
    """Return the expected purchases of living customers in a known phase.

    Parameters
    ----------
    k, phase : int
        Phases of a gap, and how many are over (0 .. k - 1).
    shape, b, ratio : array of shape (rows,)
        lambda ~ Gamma(shape, rate) in that phase; p ~ Beta(a, b); horizon / rate, >= 0.

    Examples
    --------
    >>> one = np.array([1.0])                                  # p uniform: integral of (1 + p)^-1
    >>> bool(np.isclose(expected_in_phase(1, 0, one, 1.0, one, one).item(), np.log(2.0)))
    True
    """
    result = np.zeros(len(shape))
    needed = _terms_needed(k, shape, ratio)
    for fewest, terms in zip((-np.inf, *_SERIES[:-1]), _SERIES, strict=True):
        for rows in _portions((needed > fewest) & (needed <= terms), terms * k):
            reached = _reached(k, phase, shape[rows], ratio[rows], terms)
            result[rows] = (reached * _stays(a, b[rows], terms)).sum(axis=1)
    for rows in _portions(needed > _SERIES[-1], 144 * 8):
        result[rows] = _by_roots_of_one(k, phase, shape[rows], a, b[rows], ratio[rows])
    return result


def silent_in_phase(k: int, phase: int, shape: Floats, ratio: Floats) -> Floats:
    """Return P(no purchase in the horizon) of living customers in a known phase: too few phases come."""
    odds = ratio / (1.0 + ratio)
    term = np.exp(-shape * np.log1p(ratio))
    total = np.array(term)
    for n in range(1, k - phase):
        term = term * odds * ((shape + (n - 1.0)) / n)
        total += term
    return np.asarray(np.minimum(total, 1.0))


def counts_in_phase(
    k: int, phase: int, shape: Floats, a: float, b: Floats, ratio: Floats, up_to: int
) -> Floats:
    """Return P(0), ... P(up_to purchases) of living customers in a known phase, shape (rows, up_to + 1)."""
    exactly, at_least = event_chances(shape, ratio, (up_to + 1) * k - 1 - phase)
    each = np.concatenate([np.zeros((len(shape), phase)), exactly], axis=1)
    result = each.reshape(len(shape), up_to + 1, k).sum(axis=2) * _stays(a, b, up_to + 1)
    if up_to:
        leaves = (a / (a + b))[:, None] * _stays(a + 1.0, b, up_to)
        result[:, 1:] += leaves * at_least[:, k - phase :: k]
    return np.asarray(result)


def at_least_in_phase(
    k: int, phase: int, shape: Floats, a: Any, b: Floats, ratio: Floats, number: Floats
) -> Floats:
    """Return P(at least `number` purchases) of living customers in a known phase; one number >= 1 per row.

    Purchase n comes with phase n k - j, if none of the n - 1 before it was the last.

    Examples
    --------
    >>> one = np.array([1.0])                                  # halves for the time, 1/2 and 1/3 for staying
    >>> at_least_in_phase(1, 0, one, 1.0, one, one, np.array([2.0])).round(9).tolist()
    [0.125]
    """
    stays = np.exp(betaln(a, b + (number - 1.0)) - betaln(a, b))
    return np.asarray(stays * betainc(number * k - phase, shape, ratio / (1.0 + ratio)))


def discounted_in_phase(k: int, phase: int, shape: Floats, a: float, b: Floats, discount: Floats) -> Floats:
    """Return purchases for ever, discounted, of living customers in a known phase.

    With w = lambda / (lambda + rate of discount), each phase counts w, and the sum over all purchases is
    w^(k - j) / (1 - (1 - p) w^k), averaged over p and lambda.

    Parameters
    ----------
    k, phase, shape, a, b
        As in `expected_in_phase`.
    discount : array of shape (rows,)
        Rate of discount times the rate of the gamma distribution, > 0.
    """
    result = np.zeros(len(shape))
    for rows in _portions(np.ones(len(shape), dtype=bool), 144 * _RATES):
        nodes = dropout_nodes(a, b[rows], np.ones(len(rows)), shape[rows] / (k * discount[rows]))
        rate, weight = _gamma_nodes(shape[rows], discount[rows])
        log_w = -np.log1p(discount[rows, None] / rate)
        gap = np.exp(k * log_w)[:, :, None]
        ends = -np.expm1(k * log_w)[:, :, None] + nodes.probability[:, None, :] * gap
        over_p = (nodes.weight[:, None, :] / ends).sum(axis=2)
        result[rows] = (weight * np.exp((k - phase) * log_w) * over_p).sum(axis=1)
    return result


def _reached(k: int, phase: int, shape: Floats, ratio: Floats, terms: int) -> Floats:
    """Return P(N >= m k - phase), m = 1 .. terms, shape (rows, terms)."""
    if k > _LARGE_STEPS:
        n = np.arange(1, terms + 1) * float(k) - phase
        return np.asarray(betainc(n, shape[:, None], (ratio / (1.0 + ratio))[:, None]))
    return event_chances(shape, ratio, terms * k - phase)[1][:, k - phase :: k]


def _stays(a: float, b: Floats, terms: int) -> Floats:
    """Return E[(1 - p)^(m - 1)], m = 1 .. terms, shape (rows, terms)."""
    steps = b[:, None] + np.arange(terms - 1)
    result = np.ones((len(b), terms))
    result[:, 1:] = np.cumprod(steps / (a + steps), axis=1)
    return result


def _terms_needed(k: int, shape: Floats, ratio: Floats) -> Floats:
    """Return a number of purchases that is exceeded with a probability that does not matter."""
    tail = 40.0 / np.log1p(1.0 / np.maximum(ratio, 1e-300))
    mean = shape * ratio
    return np.asarray((mean + 9.0 * np.sqrt(mean * (1.0 + ratio)) + tail) / k + 1.0)


def _portions(chosen: NDArray[np.bool_], size: int) -> list[NDArray[np.intp]]:
    """Return the positions of the chosen rows in portions whose work fits in memory."""
    rows = np.flatnonzero(chosen)
    step = max(1, _AT_ONCE // size)
    return [rows[first : first + step] for first in range(0, len(rows), step)]


def _by_roots_of_one(k: int, phase: int, shape: Floats, a: float, b: Floats, ratio: Floats) -> Floats:
    """Return the expected purchases for long horizons: k elementary terms per node of p.

    Nodes with p > 1/2, where powers of 1 / s would cancel, are summed over purchases: 64 terms are all.
    """
    nodes = dropout_nodes(a, b, shape / k, ratio / k)
    likely = (nodes.probability > _LIKELY) & (k > 1)
    p = np.where(likely, _LIKELY, nodes.probability)
    weight = np.where(likely, 0.0, nodes.weight)
    with np.errstate(divide="ignore"):
        step = -np.log1p(-p) / k
    shape, ratio = shape[:, None], ratio[:, None]
    within = np.log1p(sum(np.expm1(i * step) for i in range(1, k)) / k) if k > 1 else 0.0
    later = phase * step if phase else 0.0  # of phase 0 nothing, be the step (at p = 1) infinite
    value = -np.expm1(within - later - shape * np.log1p(ratio * -np.expm1(-step))) / p
    for turn in range(1, k // 2 + 1):
        root = np.exp(-step + 2j * np.pi * turn / k)
        power = root**phase * np.exp(-shape * np.log1p(ratio * (1.0 - root))) / (1.0 - 1.0 / root)
        value += (1.0 if 2 * turn == k else 2.0) * power.real / (k * (1.0 - p))
    result = (weight * value).sum(axis=1)
    if likely.any():
        reached = _reached(k, phase, shape[:, 0], ratio[:, 0], _LIKELY_TERMS)
        stays = np.where(likely, nodes.weight, 0.0)
        for m in range(_LIKELY_TERMS):
            result += stays.sum(axis=1) * reached[:, m]
            stays *= 1.0 - nodes.probability
    return np.asarray(result)


def _gamma_nodes(shape: Floats, feature: Floats) -> tuple[Floats, Floats]:
    """Return nodes and weights for averages over Gamma(shape, 1) of functions that change near `feature`.

    Trapezoidal rule in the logarithm; shape (rows, nodes) each.
    """
    spread = 12.0 / np.sqrt(shape)
    low = np.where(
        shape > 30.0,
        np.log(shape) - spread - 40.0 / shape,
        np.minimum(np.log(shape), np.log(feature)) - 40.0 / (shape + 1.0) - 3.0,
    )
    high = np.where(shape > 30.0, np.log(shape) + spread, np.log(shape + 12.0 * np.sqrt(shape) + 45.0))
    step = (high - low) / (_RATES - 1)
    y = low[:, None] + step[:, None] * np.arange(_RATES)
    density = np.exp(shape[:, None] * y - np.exp(y) - gammaln(shape)[:, None]) * step[:, None]
    whole = np.where(shape > 30.0, density.sum(axis=1), 1.0)
    return np.exp(y), density / whole[:, None]
