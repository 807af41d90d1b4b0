"""How good are these probabilities?  Discrimination, calibration and lift, each with an interval.

Intervals are percentile bootstrap intervals that resample *customers* (a customer at several cutoffs
counts as one), so they do not pretend to more evidence than there is (Efron and Tibshirani 1993, ch. 13).
Equal probabilities are treated as one group everywhere, so the order of rows does not matter.

- auc: chance that an event is ranked above a non-event (best 1)
- average_precision: precision averaged over recall (best 1)
- log_loss: mean negative log-likelihood in nats (best 0); models are chosen by it
- brier: mean squared error of the probability (best 0)
- calibration_in_the_large: sum of probabilities / number of events (best 1)
- expected_calibration_error: mean gap between probability and event rate over ten groups of equal size
(best 0)
- lift_at_top_decile: event rate among the highest tenth / overall event rate (high is good)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.errors import UsageError

METRICS = (
    "auc",
    "average_precision",
    "log_loss",
    "brier",
    "calibration_in_the_large",
    "expected_calibration_error",
    "lift_at_top_decile",
)
_FLOOR = 1e-12
_GROUPS = 10

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A measured figure with its 95 % interval; NaN where it is not defined (one class only)."""

    value: float
    low: float
    high: float


def evaluate(
    outcome: ArrayLike,
    probability: ArrayLike,
    *,
    customers: Sequence[object] | pd.Series | None = None,
    seed: int = 0,
    replicates: int = 200,
) -> dict[str, Metric]:
    """Measure probabilities against what happened.

    Parameters
    ----------
    outcome : array of 0 and 1, shape (n,)
        1 = the event happened.
    probability : array of float, shape (n,)
        Predicted probability of the event.
    customers : sequence, optional
        Customer of each row, for the intervals; default: every row is a customer of its own.
    seed : int, default 0
        Seed of the bootstrap.
    replicates : int, default 200
        Bootstrap samples.

    Returns
    -------
    dict of str to Metric
        Keys are ``METRICS``.

    Raises
    ------
    UsageError
        Different lengths, no rows, an outcome other than 0 or 1, or a probability outside 0..1.

    Examples
    --------
    >>> found = evaluate([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    >>> found["auc"].value, round(found["log_loss"].value, 4)
    (0.75, 0.4723)
    """
    y, p = checked(outcome, probability)
    sample = _Sorted(y, p)
    weights = bootstrap_weights(len(y), customers=customers, seed=seed, replicates=replicates)
    measured = sample.measure(np.ones(len(y)))
    draws = np.array([sample.measure(weight) for weight in weights])
    return {
        name: Metric(float(measured[column]), *_interval(draws[:, column]))
        for column, name in enumerate(METRICS)
    }


def log_loss_gain(
    outcome: ArrayLike,
    probability: ArrayLike,
    than: ArrayLike,
    *,
    customers: Sequence[object] | pd.Series | None = None,
    seed: int = 0,
    replicates: int = 200,
) -> Metric:
    """Return by how much `probability` has a smaller log-loss `than` another one, with a paired interval.

    Parameters are those of `evaluate`; positive = `probability` is better.

    Examples
    --------
    >>> log_loss_gain([0, 1], [0.1, 0.9], than=[0.5, 0.5]).value > 0
    True
    """
    y, p = checked(outcome, probability)
    _, q = checked(outcome, than)
    gain = _loss(y, q) - _loss(y, p)
    weights = bootstrap_weights(len(y), customers=customers, seed=seed, replicates=replicates)
    draws = np.array([np.sum(weight * gain) / np.sum(weight) for weight in weights])
    return Metric(float(np.mean(gain)), *_interval(draws))


def log_loss(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean negative log-likelihood, in nats; probabilities are held off 0 and 1 by 1e-12."""
    y, p = checked(outcome, probability)
    return float(np.mean(_loss(y, p)))


def checked(outcome: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    """Return outcome and probability as arrays, or say what is wrong with them."""
    y = np.asarray(outcome, dtype=np.float64)
    p = np.asarray(probability, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise UsageError(
            f"outcome and probability need the same length, at least 1; got {y.shape}, {p.shape}."
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise UsageError("outcome holds values other than 0 and 1 (or NaN). Leave unknown outcomes out.")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise UsageError("probability holds values outside 0..1 (or NaN).")
    return y, p


def bootstrap_weights(
    row_count: int, *, customers: Sequence[object] | pd.Series | None, seed: int, replicates: int
) -> Iterator[Floats]:
    """Yield, per replicate, how often each row was drawn when customers are drawn with replacement."""
    generator = np.random.default_rng(seed)
    codes = np.arange(row_count) if customers is None else pd.factorize(pd.Series(customers))[0]
    if len(codes) != row_count:
        raise UsageError(f"customers has {len(codes)} entries for {row_count} rows.")
    count = int(codes.max()) + 1
    chance = np.full(count, 1.0 / count)
    for _ in range(replicates):
        yield generator.multinomial(count, chance)[codes].astype(np.float64)


def _loss(y: Floats, p: Floats) -> Floats:
    held = np.clip(p, _FLOOR, 1.0 - _FLOOR)
    return np.asarray(-(y * np.log(held) + (1.0 - y) * np.log1p(-held)), dtype=np.float64)


def _interval(draws: Floats) -> tuple[float, float]:
    usable = draws[np.isfinite(draws)]
    if not len(usable):
        return float("nan"), float("nan")
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(low), float(high)


class _Sorted:
    """Rows sorted by falling probability once, so that each weighted measurement takes linear time."""

    def __init__(self, y: Floats, p: Floats) -> None:
        self.order = np.argsort(-p, kind="stable")
        self.y, self.p = y[self.order], p[self.order]
        self.starts = np.flatnonzero(np.r_[True, self.p[1:] != self.p[:-1]])
        self.loss = _loss(self.y, self.p)
        self.squares = (self.p - self.y) ** 2
        groups = np.minimum((np.arange(len(p)) * _GROUPS) // len(p), _GROUPS - 1)
        # Equal probabilities stay together: each takes the group of its first row.
        self.group = np.repeat(groups[self.starts], np.diff(np.r_[self.starts, len(p)]))

    def measure(self, row_weights: Floats) -> tuple[float, ...]:
        """Return the metrics, in the order of METRICS, when rows count `row_weights` times."""
        w = row_weights[self.order]
        total, events = float(np.sum(w)), float(np.sum(w * self.y))
        hits = np.add.reduceat(w * self.y, self.starts)
        sizes = np.add.reduceat(w, self.starts)
        both = 0.0 < events < total
        return (
            _auc(hits, sizes - hits) if both else float("nan"),
            _average_precision(hits, sizes) if events else float("nan"),
            float(np.sum(w * self.loss)) / total,
            float(np.sum(w * self.squares)) / total,
            float(np.sum(w * self.p)) / events if events else float("nan"),
            self._calibration_error(w, total),
            _top_rate(hits, sizes, share=0.1) * total / events if events else float("nan"),
        )

    def _calibration_error(self, w: Floats, total: float) -> float:
        gap = np.bincount(self.group, weights=w * (self.p - self.y), minlength=_GROUPS)
        return float(np.sum(np.abs(gap))) / total


def _auc(hits: Floats, misses: Floats) -> float:
    missed_above = np.cumsum(misses) - misses
    lost = np.sum(hits * (missed_above + misses / 2.0))
    return float(1.0 - lost / (np.sum(hits) * np.sum(misses)))


def _average_precision(hits: Floats, sizes: Floats) -> float:
    drawn = np.cumsum(sizes)
    precision = np.divide(np.cumsum(hits), drawn, out=np.zeros_like(drawn), where=drawn > 0)
    return float(np.sum(precision * hits) / np.sum(hits))


def _top_rate(hits: Floats, sizes: Floats, *, share: float) -> float:
    """Event rate among the highest `share` of the weight; a group on the border counts in part."""
    wanted = share * float(np.sum(sizes))
    before = np.cumsum(sizes) - sizes
    taken = np.clip(wanted - before, 0.0, sizes)
    rate = np.divide(hits, sizes, out=np.zeros_like(hits), where=sizes > 0)
    return float(np.sum(taken * rate)) / wanted
