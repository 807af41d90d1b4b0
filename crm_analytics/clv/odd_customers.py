"""Which customers are so unlike all others that they must not shape the model (test accounts, typing errors)?

A likelihood has no defence: one customer with a million orders moves r of CDNOW from 0.24 to 0.04 for
everybody.  Two rules:

1. A value is odd if its logarithm lies more than `limit` robust standard deviations (1.4826 times the median
   absolute deviation, at least 0.7) from the median logarithm; stated in medians, so that odd customers
   cannot hide each other.  Customers far too old, and odd amounts, are left out; customers that bought far
   more often are left out unless they would move nothing by rule 2.
2. A history counts in full as long as one such customer moves the expected purchases of the others (in the
   median, by its score and the covariance of the fit) by no more than 0.8 %, or four times what the root mean
   square customer moves them (customers beyond four per repeat customer do not reckon); else it counts for
   that much (`counted_share`).  What it moves is judged by a fit in which it has no part.
   One among the oldest hundredth and about twice as old as usual or more (`alone_in_age`) that may not count
   in full does not count at all, since nobody else speaks of its years.

Odd customers are scored like the others, with a status that says so.  Measured on CDNOW (2,357 customers):
the second rule holds one real customer back (21 purchases in 33 days, then silence for 172, which alone moves
the others by 2.4 %).  What one customer added to CDNOW moves at most is in decision 0015: the median of the
others by less than 1 % over a year, not each of them, and not over two years.

Source of the second rule: Krasker and Welsch (1982), "Efficient bounded-influence regression estimation",
Journal of the American Statistical Association 77(379), 595-604; here for a likelihood and a prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.patterns import Histories, number_column
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.parameter_points import moved

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FREQUENCY_LIMIT = 3.0
AGE_LIMIT = 4.0
OLD_LIMIT = 1.0
SPEND_LIMIT = 5.0
SHIFT_LIMIT = 0.008
SHARE_LIMIT = 4.0
_LEAST_REST = 0.1
_TELLING = 4.0
_OTHERS = 64
_STEP = 1e-3
_LEAST_SPREAD = 0.7


@dataclass(frozen=True)
class Typical:
    """Median logarithm of positive values, and their robust standard deviation."""

    median: float = 0.0
    spread: float = _LEAST_SPREAD

    def distance(self, values: Floats) -> Floats:
        """Return how many robust standard deviations each positive value is above the median (others: 0)."""
        usable = np.isfinite(values) & (values > 0)
        return np.where(usable, (np.log(np.where(usable, values, 1.0)) - self.median) / self.spread, 0.0)


def typical(values: Floats) -> Typical:
    """Return what is typical of the positive values."""
    usable = values[np.isfinite(values) & (values > 0)]
    if not len(usable):
        return Typical()
    logs = np.log(usable)
    median = float(np.median(logs))
    return Typical(median, max(1.4826 * float(np.median(np.abs(logs - median))), _LEAST_SPREAD))


def odd_frequency(summary: pd.DataFrame) -> Flags:
    """Return which customers bought on far more days than the others."""
    frequency = number_column(summary, "frequency")
    return typical(frequency).distance(frequency) > FREQUENCY_LIMIT


def odd_age(summary: pd.DataFrame) -> Flags:
    """Return which customers were first seen far earlier than the others (a typing error, as a rule)."""
    age = number_column(summary, "T")
    return typical(age).distance(age) > AGE_LIMIT


def alone_in_age(summary: pd.DataFrame) -> Flags:
    """Return which customers are among the oldest hundredth and far older than usual."""
    age = number_column(summary, "T")
    return (typical(age).distance(age) > OLD_LIMIT) & (age > np.quantile(age, 0.99))


def counted_share(model: PurchaseModel, known: Histories, customers: Floats) -> Floats:
    """Return for how much of a customer each history may count in a fit, 0 < share <= 1 (rule 2).

    Parameters
    ----------
    model : PurchaseModel
        Fitted, with a covariance.
    known : Histories
        Distinct, in any order.
    customers : array of shape (histories,)
        How many customers with this history are in the fit; of one that is, it is judged what leaving it out
        would do.
    """
    scores, covariance = model._scores(known), model.log_covariance_
    steps = scores @ covariance
    own = np.maximum((steps * scores).sum(axis=1), 0.0)
    steps /= np.where(customers > 0, np.maximum(1.0 - own, _LEAST_REST), 1.0)[:, None]
    slopes = _slopes(model, _some(known, customers))
    uncertain = np.einsum("ij,jk,ik->i", slopes, covariance, slopes)
    # where few have bought again they are most of what is known: none is odd merely for being one of them
    tell = min(customers.sum(), _TELLING * max(customers[known.frequency > 0].sum(), 1.0))
    limit = max(SHIFT_LIMIT, SHARE_LIMIT * float(np.sqrt(np.median(uncertain) / tell)))
    # no customer moves another by more than the root of both their distances
    reach = np.sqrt(own * uncertain.max()) / np.maximum(1.0 - own, _LEAST_REST)
    far = np.flatnonzero(reach > limit)
    share = np.ones(len(known))
    shift = np.median(np.abs(steps[far] @ slopes.T), axis=1)
    share[far] = np.minimum(1.0, limit / np.maximum(shift, 1e-300))
    return share


def influence(model: PurchaseModel, known: Histories) -> Floats:
    """Return the squared shift of the parameters, in standard errors, by one customer of each history."""
    scores = model._scores(known)
    return np.asarray(((scores @ model.log_covariance_) * scores).sum(axis=1))


def _some(known: Histories, customers: Floats) -> Histories:
    """Return at most 64 histories that stand for all customers, evenly in the order of their columns."""
    order = np.lexsort((known.recency, known.T, known.frequency))
    upto = customers[order].cumsum()
    place = (np.arange(_OTHERS) + 0.5) / _OTHERS * upto[-1]
    return known.take(order[np.minimum(np.searchsorted(upto, place), len(order) - 1)])


def _slopes(model: PurchaseModel, known: Histories) -> Floats:
    """Return derivatives of log expected purchases by the log-parameters, (histories, parameters).

    Those expected in as long again as the customers were observed, so that the unit of time does not matter.
    """
    theta, horizon = model.log_parameters(), max(float(np.median(known.T)), float(known.T.max()) / 10.0)
    columns = []
    for move in _STEP * np.eye(len(theta)):
        low, high = (np.log(moved(model, theta + step)._expected(known, horizon)) for step in (-move, move))
        columns.append((high - low) / (2.0 * _STEP))
    return np.stack(columns, axis=1)


def typical_spend(summary: pd.DataFrame) -> Typical:
    """Return what repeat customers typically spend per purchase day."""
    spend, frequency = number_column(summary, "monetary_value"), number_column(summary, "frequency")
    return typical(spend[frequency > 0])


def odd_spend(summary: pd.DataFrame, usual: Typical | None = None) -> Flags:
    """Return which repeat customers spend far more or far less per purchase day than usual."""
    spend, frequency = number_column(summary, "monetary_value"), number_column(summary, "frequency")
    distance = (usual or typical_spend(summary)).distance(np.where(frequency > 0, spend, 0.0))
    return np.abs(distance) > SPEND_LIMIT
