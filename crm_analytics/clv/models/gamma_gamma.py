"""How much does each customer spend per purchase?  Gamma-Gamma of Fader and Hardie (2013).

A customer's purchases vary around a mean of its own (shape p), and the means vary among customers (q, v);
spend is taken to be independent of how often one buys.  Input: frequency and monetary_value (mean net spend
per repeat purchase day) as in clv/summary.sql.  v is in the currency of monetary_value; p and q are pure
numbers.

q is kept above 1, because for q <= 1 the mean spend of customers does not exist (other programs then return
negative or enormous amounts).

The parameters can be learned from each customer's mean (as the literature does) or from its single amounts,
of which the number, the mean and the sum of the logarithms say all.  Within-customer spread is seen only in
single amounts, so they tell p, and whose mean to trust, several times more surely (docs/lifetime-value.md has
the measurement); but a mean is closer to gamma than a single amount, and a net amount of almost nothing
weighs heavily in a logarithm.

Source: Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value", eqs. (1a) and (5).  With amounts
z_1 ... z_x ~ Gamma(p, nu) and nu ~ Gamma(q, v), their joint density, nu integrated out, is
Gamma(p x + q) / (Gamma(p)^x Gamma(q)) v^q (z_1 ... z_x)^(p - 1) / (v + z_1 + ... + z_x)^(p x + q).
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
    LARGEST_AMOUNT,
    Levels,
    checked_weights,
    distinct_rows,
    levels,
    number_column,
)
from crm_analytics.errors import NotEnoughData, UsageError

Floats = NDArray[np.float64]

LEARN_FROM = ("means", "amounts")
_START = np.log([2.0, 2.0, 1.0])
_SECOND_START = np.log([0.7, 6.0, 4.0])
_EDGES = {
    "p": ("purchases of one customer have no typical size", "a customer always spends the same amount"),
    "q": ("a few customers spend so much that no mean exists", "all customers spend alike"),
    "v": ("a few customers spend so much that no mean exists", "all customers spend alike"),
}


class GammaGammaModel(MaximumLikelihoodModel):
    """Mean spend per purchase day, shrunk towards all customers where little is known of one.

    Parameters
    ----------
    learn_from : str
        "means" (default): from frequency and monetary_value, as in the literature. "amounts": from the single
        amounts of repeat purchase days too, by their log_spend_sum; bic() of the two cannot be compared.

    Attributes
    ----------
    params_ : dict
        p, q (> 1), v (currency).
    log_covariance_ : array of shape (3, 3)
        Covariance of (log p, log(q - 1), log v).
    left_out_ : int
        Repeat customers for whom the model has no place: monetary_value is missing, not positive or above
        1e18, or (learning from amounts) log_spend_sum is missing.

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

    def __init__(self, learn_from: str = "means") -> None:
        self.learn_from = learn_from

    def fit(self, summary: pd.DataFrame, weights: Sequence[float] | Floats | pd.Series | None = None) -> Self:
        """Learn the parameters from customers with at least one repeat purchase and positive spend.

        Parameters
        ----------
        summary : DataFrame
            One row per customer: frequency, monetary_value; to learn from amounts also log_spend_sum, the sum
            of the logarithms of the repeat purchase days' amounts. Other columns are ignored.
        weights : array of shape (rows,), optional
            How many customers each row stands for; default one.

        Raises
        ------
        NotEnoughData
            No customer has a repeat purchase with positive spend.
        UsageError
            learn_from is neither, a frequency is no whole number >= 0, or a log_spend_sum cannot be true.
        """
        x, m, *logs = self._amounts(summary)
        weight = checked_weights(summary, weights)
        usable = (x > 0) & np.isfinite(m) & (weight > 0)
        self.left_out_ = int(((x > 0) & np.isnan(m)).sum())
        if not usable.any():
            raise NotEnoughData(
                f"{type(self).__name__} learns from repeat purchases with positive spend, but none of the "
                f"{len(summary)} customers has one. Load more orders, or orders with prices."
            )
        (x, m, *logs), count = _merge([column[usable] for column in (x, m, *logs)], weight[usable])
        times = levels(x)
        scale = _median(m, count)
        scaled = [log_sum - np.log(scale) * x for log_sum in logs]
        estimate = maximise(
            lambda theta: _log_likelihood(theta, count, times, m / scale, *scaled),
            start=_START,
            second_start=_SECOND_START,
            customers=float(count.sum()),
            edge_meaning=self._edge_meaning,
        )
        densities = (count * x).sum() if logs else count.sum()
        self._learn(
            estimate.theta + np.array([0.0, 0.0, np.log(scale)]),
            estimate.covariance,
            estimate.log_likelihood - float(densities * np.log(scale)),
            estimate.verdict,
            customers=float(count.sum()),
            purchases=float((count * x).sum()),
            fingerprint=fingerprint(x, m, *logs, count),
        )
        return self

    def expected_spend(self, summary: pd.DataFrame) -> pd.Series:
        """Return the expected net spend per future purchase day, in the currency of monetary_value.

        A customer without a repeat purchase, or whose monetary_value is missing, not positive or above 1e18,
        gets the mean of all customers, p v / (q - 1).
        """
        frequency, spend = _purchase_days(summary), number_column(summary, "monetary_value")
        p, q, v = self._fitted().values()
        usable = (frequency > 0) & _is_positive(spend)
        x, m = np.where(usable, frequency, 0.0), np.where(usable, spend, 0.0)
        return pd.Series(p * (v + x * m) / (p * x + q - 1.0), index=summary.index, name="expected_spend")

    def scores(self, summary: pd.DataFrame) -> Floats:
        """Return derivatives of each customer's log-likelihood by log p, log(q - 1), log v, (rows, 3).

        0 for customers that the model has no place for.
        """
        x, m, *logs = self._amounts(summary)
        usable = (x > 0) & np.isfinite(m)
        result = np.zeros((len(summary), 3))
        result[usable] = _rows(
            self.log_parameters(), levels(x[usable]), m[usable], *(column[usable] for column in logs)
        )[1]
        return result

    def _amounts(self, summary: pd.DataFrame) -> list[Floats]:
        """Return frequency, mean (NaN: the model has no place) and, to learn from amounts, log_spend_sum."""
        if self.learn_from not in LEARN_FROM:
            raise UsageError(f"learn_from={self.learn_from!r} must be one of {', '.join(LEARN_FROM)}.")
        x, m = _purchase_days(summary), number_column(summary, "monetary_value")
        m = np.where((x > 0) & _is_positive(m), m, np.nan)
        if self.learn_from == "means":
            return [x, m]
        log_sum = number_column(summary, "log_spend_sum")
        most = x * np.log(m)
        wrong = log_sum > most + 1e-6 * (1.0 + np.abs(most))
        if wrong.any():
            first = int(np.argmax(wrong))
            raise UsageError(
                f"log_spend_sum cannot be true in {int(wrong.sum())} rows of the summary, the first at "
                f"position {first}: {log_sum[first]} with frequency {x[first]:g} and monetary_value "
                f"{m[first]:g}, where at most {most[first]:.6f} is possible. It is the sum of the logarithms "
                "of the amounts, in the currency of monetary_value; crm.clv.summary gives it."
            )
        return [x, np.where(np.isfinite(log_sum), m, np.nan), log_sum]

    def _edge_meaning(self, parameter: int, upper: bool) -> str:
        name = self.parameter_names[parameter]
        target = "infinity" if upper else str(self.lower_limits.get(name, 0))
        return f"{name} runs to {target}: {_EDGES[name][upper]}"


def _log_likelihood(
    theta: Floats, count: Floats, frequency: Levels, m: Floats, log_sum: Floats | None = None
) -> tuple[float, Floats]:
    """Return the total log-likelihood and its gradient in theta = (log p, log(q - 1), log v)."""
    value, scores = _rows(theta, frequency, m, log_sum)
    return float((count * value).sum()), np.einsum("i,ij->j", count, scores)


def _rows(
    theta: Floats, frequency: Levels, m: Floats, log_sum: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the log-likelihood of each row and its derivatives by log p, log(q - 1), log v.

    Of the single amounts where the sum of their logarithms is given, else of their mean.
    """
    p, above_one, v = np.exp(theta)
    q, x = 1.0 + above_one, frequency.values
    shape = p * x
    by_x = gammaln(shape + q) - gammaln(q) + q * theta[2]
    share = x * psi(shape + q)
    if log_sum is None:
        by_x += shape * np.log(x) - gammaln(shape)
        share += x * (np.log(x) - psi(shape))
    else:
        by_x -= x * gammaln(p)
        share -= x * psi(p)
    rest = psi(shape + q) - psi(q) + theta[2]
    by_x, share, rest, x = np.stack([by_x, share, rest, x])[:, frequency.position]
    log_total, log_m = np.log(v + x * m), np.log(m)
    logs, size = (x * log_m, log_m) if log_sum is None else (log_sum, log_sum)
    value = by_x + p * logs - size - (p * x + q) * log_total
    d_p = share + logs - x * log_total
    d_v = q / v - (p * x + q) / (v + x * m)
    return value, np.column_stack([d_p * p, (rest - log_total) * above_one, d_v * v])


def _purchase_days(summary: pd.DataFrame) -> Floats:
    """Return the frequencies; one that is no number of purchase days is a UsageError."""
    frequency = number_column(summary, "frequency")
    wrong = ~(np.isfinite(frequency) & (frequency >= 0) & (frequency == np.floor(frequency)))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise UsageError(
            f"frequency is no whole number of repeat purchase days >= 0 in {int(wrong.sum())} rows of the "
            f"summary, the first at position {first}: {frequency[first]}. Correct or drop them."
        )
    return frequency


def _is_positive(amounts: Floats) -> NDArray[np.bool_]:
    return (amounts > 0) & (amounts <= LARGEST_AMOUNT)


def _merge(columns: list[Floats], weight: Floats) -> tuple[list[Floats], Floats]:
    rows, position = distinct_rows(*columns)
    order = np.lexsort((weight, position))
    return rows, np.bincount(position[order], weight[order], len(rows[0])).astype(np.float64)


def _median(amounts: Floats, count: Floats) -> float:
    """Return the amount that half of the customers do not exceed."""
    order = np.argsort(amounts, kind="stable")
    total = count[order].cumsum()
    return float(amounts[order][np.searchsorted(total, total[-1] / 2.0)])
