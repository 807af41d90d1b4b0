"""How much does each customer spend per purchase?  Gamma-Gamma of Fader and Hardie (2013).

A customer's purchases vary around a mean of its own (shape p), and the means vary among customers (q, v);
spend is taken to be independent of how often one buys.  Input: frequency and monetary_value (mean net spend
per repeat purchase day) as in clv/summary.sql.  v is in the currency of monetary_value; p and q are pure
numbers.

q is kept above 1, because for q <= 1 the mean spend of customers does not exist (other programs then return
negative or enormous amounts).

Source: Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value", eqs. (1a) and (5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln, psi

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel, fingerprint
from crm_analytics.clv.models.optimiser import maximise
from crm_analytics.clv.models.patterns import (
    Levels,
    checked_weights,
    distinct_rows,
    levels,
    number_column,
)
from crm_analytics.errors import NotEnoughData

Floats = NDArray[np.float64]

_START = np.log([2.0, 2.0, 1.0])
_SECOND_START = np.log([0.7, 6.0, 4.0])
_EDGES = {
    "p": ("purchases of one customer have no typical size", "a customer always spends the same amount"),
    "q": ("a few customers spend so much that no mean exists", "all customers spend alike"),
    "v": ("a few customers spend so much that no mean exists", "all customers spend alike"),
}


class GammaGammaModel(MaximumLikelihoodModel):
    """Mean spend per purchase day, shrunk towards all customers where little is known of one.

    Attributes
    ----------
    params_ : dict
        p, q (> 1), v (currency).
    log_covariance_ : array of shape (3, 3)
        Covariance of (log p, log(q - 1), log v).
    left_out_ : int
        Repeat customers whose monetary_value is missing or not positive: the model has no place for them.

    Examples
    --------
    >>> model = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
    >>> customers = pd.DataFrame({"frequency": [2, 0], "monetary_value": [22.35, 0.0]})
    >>> model.expected_spend(customers).round(2).tolist()
    [24.66, 35.22]
    """

    name: ClassVar[str] = "gamma_gamma"
    parameter_names: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    lower_limits: ClassVar[Mapping[str, float]] = {"q": 1.0}
    left_out_: int

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from customers with at least one repeat purchase and positive spend.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, monetary_value. Other columns are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            No customer has a repeat purchase with positive spend.
        """
        frequency, spend = number_column(summary, "frequency"), number_column(summary, "monetary_value")
        weight = checked_weights(summary, weights)
        usable = (frequency > 0) & _is_positive(spend) & (weight > 0)
        self.left_out_ = int(((frequency > 0) & ~_is_positive(spend)).sum())
        if not usable.any():
            raise NotEnoughData(
                f"{type(self).__name__} learns from repeat purchases with positive spend, but none of the "
                f"{len(summary)} customers has one. Load more orders, or orders with prices."
            )
        (x, m), count = _merge(frequency[usable], spend[usable], weight[usable])
        times = levels(x)
        scale = _median(m, count)
        estimate = maximise(
            lambda theta: _log_likelihood(theta, times, m / scale, count),
            start=_START,
            second_start=_SECOND_START,
            customers=float(count.sum()),
            edge_meaning=self._edge_meaning,
        )
        self._learn(
            estimate.theta + np.array([0.0, 0.0, np.log(scale)]),
            estimate.covariance,
            estimate.log_likelihood - float(count.sum() * np.log(scale)),
            estimate.verdict,
            customers=float(count.sum()),
            purchases=float((count * x).sum()),
            fingerprint=fingerprint(x, m, count),
        )
        return self

    def expected_spend(self, summary: pd.DataFrame) -> pd.Series:
        """Return the expected net spend per future purchase day, in the currency of monetary_value.

        A customer without a repeat purchase, or whose monetary_value is missing or not positive, gets the
        mean of all customers, p v / (q - 1).
        """
        frequency, spend = number_column(summary, "frequency"), number_column(summary, "monetary_value")
        p, q, v = self._fitted().values()
        usable = (frequency > 0) & _is_positive(spend)
        x, m = np.where(usable, frequency, 0.0), np.where(usable, spend, 0.0)
        return pd.Series(p * (v + x * m) / (p * x + q - 1.0), index=summary.index, name="expected_spend")

    def scores(self, summary: pd.DataFrame) -> Floats:
        """Return derivatives of each customer's log-likelihood by log p, log(q - 1), log v, (rows, 3).

        0 for customers that the model has no place for.
        """
        frequency, spend = number_column(summary, "frequency"), number_column(summary, "monetary_value")
        usable = (frequency > 0) & _is_positive(spend)
        result = np.zeros((len(summary), 3))
        result[usable] = _rows(self.log_parameters(), levels(frequency[usable]), spend[usable])[1]
        return result

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.parameter_names[parameter]
        target = "infinity" if upper else str(self.lower_limits.get(name, 0))
        return f"{name} runs to {target}: {_EDGES[name][upper]}"


def _log_likelihood(theta: Floats, frequency: Levels, m: Floats, count: Floats) -> tuple[float, Floats]:
    """Return the total log-likelihood and its gradient in theta = (log p, log(q - 1), log v)."""
    value, scores = _rows(theta, frequency, m)
    return float((count * value).sum()), np.einsum("i,ij->j", count, scores)


def _rows(theta: Floats, frequency: Levels, m: Floats) -> tuple[Floats, Floats]:
    """Return the log-likelihood of each row and its derivatives by log p, log(q - 1), log v."""
    p, above_one, v = np.exp(theta)
    q, x = 1.0 + above_one, frequency.values
    shape = p * x
    by_x = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * theta[2] + shape * np.log(x)
    share = x * (np.log(x) + psi(shape + q) - psi(shape))
    rest = psi(shape + q) - psi(q) + theta[2]
    by_x, share, rest, x = np.stack([by_x, share, rest, x])[:, frequency.position]
    log_total, log_m = np.log(v + x * m), np.log(m)
    value = by_x + (p * x - 1.0) * log_m - (p * x + q) * log_total
    d_p = share + x * (log_m - log_total)
    d_v = q / v - (p * x + q) / (v + x * m)
    return value, np.column_stack([d_p * p, (rest - log_total) * above_one, d_v * v])


def _is_positive(amounts: Floats) -> NDArray[np.bool_]:
    return np.isfinite(amounts) & (amounts > 0)


def _merge(frequency: Floats, spend: Floats, weight: Floats) -> tuple[tuple[Floats, Floats], Floats]:
    (x, m), position = distinct_rows(frequency, spend)
    order = np.lexsort((weight, position))
    return (x, m), np.bincount(position[order], weight[order], len(x)).astype(np.float64)


def _median(amounts: Floats, count: Floats) -> float:
    """Return the amount that half of the customers do not exceed."""
    order = np.argsort(amounts, kind="stable")
    total = count[order].cumsum()
    return float(amounts[order][np.searchsorted(total, total[-1] / 2.0)])
