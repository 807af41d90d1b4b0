"""How is something averaged over the unknown day on which a customer left?

The Pareto/NBD needs integrals over y from t to T of (alpha + y)^-c (beta + y)^-d.  Their closed forms are
differences of two 2F1, which cancel and overflow.  The integrand is positive, so Gauss-Legendre nodes after
y = t + (exp(q) - 1) / k, where k is the steepness at t, give it without cancellation and without a case for
alpha < beta.

Against 40-digit arithmetic over c to 5,050, alpha and beta from .01 to 3,000, the largest error of the
logarithm with 48 nodes is 4e-11; nothing is NaN.  Where q runs less than 2.5 (most histories), 24 nodes do as
well (1.3e-10 over the same cases); `nodes_by_row` says where.  Where the integrand dies long before T, the
nodes end where it has fallen by exp(-45).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crm_analytics.clv.models.quadrature import legendre

Floats = NDArray[np.float64]

NODES = 48
FEW_NODES = 24
_SHORT = 2.5
_DEAD = 45.0
_LONG = 8.0
_HALVINGS = 8


@dataclass(frozen=True)
class LeavingNodes:
    """Nodes over the day of leaving, one row per history.

    Attributes
    ----------
    log_total : array of shape (n,)
        Logarithm of the integral; minus infinity where T = t.
    weight : array of shape (n, nodes)
        Share of each node in the integral; every row sums to one.
    at : array of shape (4, n, nodes)
        log(alpha + y), alpha + y, log(beta + y) and beta + y at the nodes.
    """

    log_total: Floats
    weight: Floats
    at: Floats


def leaving_nodes(
    c: Any, alpha: Any, d: Any, beta: Any, *, start: Floats, end: Floats, nodes: int = NODES
) -> LeavingNodes:
    """Return nodes for integrals of (alpha + y)^-c (beta + y)^-d from start to end.

    Parameters
    ----------
    c, alpha, d, beta : float or array of shape (n,)
        Exponents >= 0 (one of them > 0) and offsets > 0.
    start, end : array of shape (n,)
        Limits, 0 <= start <= end.
    nodes : int
        Number of nodes, default 48.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> found = leaving_nodes(2.0, 1.0, 0.0, 1.0, start=0 * one, end=one)   # of (1 + y)^-2
    >>> round(float(np.exp(found.log_total[0])), 12)
    0.5
    """
    first_alpha, first_beta = alpha + start, beta + start
    steep = c / first_alpha + d / first_beta
    span = _living_span(c, first_alpha, d, first_beta, steep, np.log1p(steep * (end - start)))
    points, weights = legendre(nodes)
    q = span[:, None] * points
    at = np.empty((4, *q.shape))
    day = np.exp(q)
    day -= 1.0  # steep >= c / alpha, so that what is lost here is a rounding error of alpha + y
    day /= steep[:, None]
    for place, offset in ((1, first_alpha), (3, first_beta)):
        np.add(day, offset[:, None], out=at[place])
        np.log(at[place], out=at[place - 1])
    log_term = np.multiply(np.asarray(c)[..., None], at[0], out=day)
    log_term += np.asarray(d)[..., None] * at[2]
    log_term -= np.log(weights)
    weight = np.subtract(q, log_term, out=q)
    top = weight.max(axis=1)
    weight -= top[:, None]
    np.exp(weight, out=weight)
    total = weight.sum(axis=1)
    weight /= total[:, None]
    with np.errstate(divide="ignore"):
        log_total = top + np.log(total) + np.log(span) - np.log(steep)
    return LeavingNodes(log_total, weight, at)


def nodes_by_row(c: Any, alpha: Any, d: Any, beta: Any, *, start: Floats, end: Floats) -> NDArray[np.intp]:
    """Return how many nodes each integral of `leaving_nodes` needs; it depends on nothing but its own row."""
    steep = c / (alpha + start) + d / (beta + start)
    return np.where(steep * (end - start) < np.expm1(_SHORT), FEW_NODES, NODES)


def _living_span(c: Any, alpha: Floats, d: Any, beta: Floats, steep: Floats, span: Floats) -> Floats:
    """Return the span of q in which the integrand lives."""
    long = np.flatnonzero(span > _LONG)
    if not len(long):
        return span
    c, d = np.broadcast_to(c, span.shape)[long], np.broadcast_to(d, span.shape)[long]
    alpha, beta, steep = alpha[long], beta[long], steep[long]
    low, high = np.zeros(len(long)), span[long]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        day = np.expm1(middle) / steep
        is_dead = c * np.log1p(day / alpha) + d * np.log1p(day / beta) - middle > _DEAD
        low, high = np.where(is_dead, low, middle), np.where(is_dead, middle, high)
    result = span.copy()
    result[long] = high
    return result
