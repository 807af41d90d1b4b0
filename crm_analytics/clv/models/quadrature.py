"""How is something averaged over a customer's unknown probability of leaving?

The beta-geometric models give every customer a dropout probability p ~ Beta(a, b).  Averages such as
E[(1 - (1 + p z)^-s) / p] have closed forms with 2F1, which scipy returns as NaN or silently wrong in the
corners, and Gauss-Jacobi nodes lose all digits there when the horizon is long against the age (z large: the
integrand is steep near p = 0, where the nodes are far apart; 17 % off at a = 1, x = 5,000, z = 300).  So the
integral is taken over y = logit p, where every term is smooth, by the trapezoidal rule after y = centre +
scale sinh(u) (double-exponential quadrature).

Against 60-digit arithmetic over a in [.02, 30], b + x in [.05, 5030], s to 5050, z to 5000, the largest
relative error with 144 nodes is 4e-9, the median 2e-16.  Nothing is NaN or infinite, a = 1 and b = 1
included.

Sources: Takahasi and Mori (1974), Publ. RIMS 9, 721-741, for the rule; the integrals are derived in
bg_nbd.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, roots_legendre

Floats = NDArray[np.float64]

NODES = 144
_TINY = 1e-300


@dataclass(frozen=True)
class DropoutNodes:
    """Nodes and weights for averages over p ~ Beta(a, b), one row per customer pattern.

    ``probability`` and ``weight`` have shape (patterns, nodes); each row of weights sums to one.
    """

    probability: Floats
    weight: Floats

    def mean_purchases(self, shape: Floats, ratio: Floats) -> Floats:
        """Return E[(1 - (1 + p z)^-s) / p] per pattern, for shape s and z = horizon / rate.

        This is the expected number of purchases of a customer whose rate is Gamma(s, rate) and who leaves
        with probability p after each purchase.
        """
        growth = np.log1p(self.probability * ratio[:, None])
        return np.asarray(
            (self.weight * (-np.expm1(-shape[:, None] * growth) / self.probability)).sum(axis=1)
        )

    def mean_staying(self, shape: Floats, ratio: Floats) -> Floats:
        """Return E[(1 + p z)^-s] per pattern: the chance that such a customer has not left by then."""
        growth = np.log1p(self.probability * ratio[:, None])
        return np.asarray((self.weight * np.exp(-shape[:, None] * growth)).sum(axis=1))


def dropout_nodes(
    a: float | Floats, b: Floats, shape: Floats, ratio: Floats, nodes: int = NODES
) -> DropoutNodes:
    """Return nodes for p ~ Beta(a, b) that resolve p near 1 / (shape * ratio) as well as near a / (a + b).

    Parameters
    ----------
    a : float or array of shape (patterns,)
        First parameter of the beta distribution, > 0.
    b, shape, ratio : array of shape (patterns,)
        Second parameter; shape s and largest ratio z = horizon / rate at which the integrand will be asked
        for. All > 0.
    nodes : int
        Number of nodes, default 144.

    Examples
    --------
    >>> nodes = dropout_nodes(2.0, np.array([3.0]), np.array([1.0]), np.array([1.0]))
    >>> round(float((nodes.weight * nodes.probability).sum()), 9)       # a / (a + b)
    0.4
    """
    a = np.asarray(a, dtype=np.float64)
    bulk = np.log(a / b)
    spread = np.sqrt(1.0 / a + 1.0 / b)
    steep = -np.log(shape * ratio)
    lowest = np.where(a < 2.0, np.maximum(np.minimum(bulk, steep), bulk - 40.0 / a), bulk)
    centre = (lowest + bulk) / 2.0
    scale = np.maximum((bulk - lowest) / 2.0, np.minimum(spread, 1.5))
    narrow = np.arcsinh(12.0 * spread / scale)
    left = np.where(a >= 50.0, narrow, np.arcsinh((40.0 / a + 5.0) / scale))
    right = np.arcsinh((40.0 / b + 3.0 + np.log1p(40.0 / a) + bulk - centre) / scale)
    right = np.where((a >= 50.0) & (b >= 50.0), narrow, right)
    step = (left + right) / (nodes - 1)
    grown = np.exp(-left[:, None] + step[:, None] * np.arange(nodes))
    shrunk = 1.0 / grown
    y = centre[:, None] + scale[:, None] / 2.0 * (grown - shrunk)
    # p = 1 / (1 + exp(-y)), without overflow, and its logarithms with one logarithm
    small = np.exp(-np.abs(y))
    far = np.log1p(small)
    log_p, log_q = np.minimum(y, 0.0) - far, -np.maximum(y, 0.0) - far
    log_density = np.asarray(a)[..., None] * log_p + b[:, None] * log_q - betaln(a, b)[:, None]
    weight = np.exp(log_density) * (scale * step)[:, None] * (grown + shrunk)
    return DropoutNodes(
        probability=np.maximum(np.where(y < 0.0, small, 1.0) / (1.0 + small), _TINY),
        weight=weight / weight.sum(axis=1, keepdims=True),
    )


@cache
def legendre(nodes: int) -> tuple[Floats, Floats]:
    """Return nodes and weights of the Gauss-Legendre rule on [0, 1]; the weights sum to one.

    From scipy: it knows that the matrix is tridiagonal (400 nodes in 10 ms; NumPy's rule takes .7 s).
    """
    points, weights = roots_legendre(nodes)
    return (points + 1.0) / 2.0, weights / 2.0
