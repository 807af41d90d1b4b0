"""How probable is each number of events in a horizon, if the rate is gamma distributed?

Rates are Gamma(shape, rate); ratio = horizon / rate, a pure number.  In logarithms from one number to the
next, so that nothing underflows on the way; what lies beyond the last one is a regularised incomplete beta
function, and chances of at least n are sums from there downwards: positive terms, no cancellation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

Floats = NDArray[np.float64]


def event_chances(shape: Floats, ratio: Floats, up_to: int) -> tuple[Floats, Floats]:
    """Return P(exactly n) and P(at least n) for n = 0 .. up_to, shape (rows, up_to + 1) each.

    Parameters
    ----------
    shape, ratio : array of shape (rows,)
        Shape of the rate, > 0; horizon / rate, >= 0.
    up_to : int
        Largest number of events, >= 0.

    Examples
    --------
    >>> exactly, at_least = event_chances(np.array([1.0]), np.array([1.0]), 2)     # halves: 1/2, 1/4, 1/8
    >>> exactly.round(9).tolist(), at_least.round(9).tolist()
    ([[0.5, 0.25, 0.125]], [[1.0, 0.5, 0.25]])
    """
    n = np.arange(1.0, up_to + 1.0)
    # the logarithms depend on the shape only, and many rows share it
    shapes, position = np.unique(shape, return_inverse=True)
    ways = np.zeros((len(shapes), up_to + 1))
    np.cumsum(np.log((shapes[:, None] + (n - 1.0)) / n), axis=1, out=ways[:, 1:])
    logs = ways[position]
    with np.errstate(divide="ignore"):
        logs[:, 1:] -= np.log1p(1.0 / ratio)[:, None] * n
    logs -= (shape * np.log1p(ratio))[:, None]
    exactly = np.exp(logs, out=logs)
    more = betainc(up_to + 1.0, shape, ratio / (1.0 + ratio))
    at_least = np.cumsum(exactly[:, ::-1], axis=1)[:, ::-1] + more[:, None]
    return exactly, at_least
