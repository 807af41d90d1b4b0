"""How good are these probabilities?  Discrimination, calibration and lift, each with an interval.

Intervals are percentile bootstrap intervals that resample *customers* (a customer at several cutoffs
counts as one), so they do not pretend to more evidence than there is (Efron and Tibshirani 1993, ch. 13).
Equal probabilities are treated as one group everywhere, so the order of rows does not matter.

- auc: chance that an event is ranked above a non-event (best 1)
- average_precision: precision averaged over recall (best 1)
- log_loss: mean negative log-likelihood in nats (best 0); models are chosen by it
- brier: mean squared error of the probability (best 0)
- calibration_in_the_large: sum of probabilities / number of events (best 1)
- calibration_slope: slope of the logistic curve of the outcome over the log-odds (best 1; below 1 the
probabilities are too extreme, above 1 too timid; Cox 1958, Biometrika 45). Its interval takes one Newton
step per bootstrap sample from the fit to all rows
- expected_calibration_error: mean gap between probability and event rate over ten groups of equal size
(best 0)
- lift_at_top_decile: event rate among the highest tenth / overall event rate (high is good)
- capture_at_top_decile, capture_at_top_two_deciles: share of all events that lie among the highest tenth
and fifth (high is good)

With `windows`, ranks count within a window only: pairs for the auc, tenths for lift and capture, and average
precision is the mean over events. One rate for everybody in each window tells nobody apart (an auc of .5, a
tenth captured by a tenth, no slope), although the rates of the windows differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.errors import UsageError
from crm_analytics.modelling.logistic import sigmoid

METRICS = (
    "auc",
    "average_precision",
    "log_loss",
    "brier",
    "calibration_in_the_large",
    "calibration_slope",
    "expected_calibration_error",
    "lift_at_top_decile",
    "capture_at_top_decile",
    "capture_at_top_two_deciles",
)
_FLOOR = 1e-12
_GROUPS = 10
# A slope needs some of both outcomes; with fewer it is not defined.
_SLOPE_CASES = 5

Floats = NDArray[np.float64]
Customers: TypeAlias = Sequence[object] | pd.Series | None


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
    customers: Customers = None,
    windows: ArrayLike | None = None,
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
    windows : array, shape (n,), optional
        Window (fold) of each row: what depends on ranks then compares rows of the same window only.
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
    ranks = _Ranks(y, p, np.zeros(len(y)) if windows is None else windows)

    def measure(weight: Floats) -> tuple[float, ...]:
        found = sample.measure(weight) | ranks.measure(weight)
        return tuple(found[name] for name in METRICS)

    measured = measure(np.ones(len(y)))
    weights = bootstrap_weights(len(y), customers=customers, seed=seed, replicates=replicates)
    draws = np.array([measure(weight) for weight in weights])
    return {
        name: Metric(float(measured[column]), *_interval(draws[:, column]))
        for column, name in enumerate(METRICS)
    }


def evaluate_by(
    outcome: ArrayLike,
    probability: ArrayLike,
    by: Sequence[object] | pd.Series,
    *,
    customers: Customers = None,
    windows: ArrayLike | None = None,
    seed: int = 0,
    replicates: int = 200,
) -> dict[str, dict[str, Metric]]:
    """Measure probabilities separately per group of rows: per cutoff, per segment.

    Parameters
    ----------
    by : sequence
        Group of each row; rows without one (NaN, None) are left out.
    outcome, probability, customers, windows, seed, replicates
        As in `evaluate`.

    Returns
    -------
    dict of str to dict of str to Metric
        Group, as text and sorted -> what `evaluate` says of its rows.

    Examples
    --------
    >>> found = evaluate_by([0, 1, 0, 1], [0.2, 0.9, 0.6, 0.5], ["new", "new", "old", "old"])
    >>> {group: metrics["auc"].value for group, metrics in found.items()}
    {'new': 1.0, 'old': 0.0}
    """
    y, p = checked(outcome, probability)
    groups = pd.Series(list(by), dtype=object)
    if len(groups) != len(y):
        raise UsageError(f"by has {len(groups)} entries for {len(y)} rows.")
    names = groups.astype(str).where(groups.notna())
    whom = None if customers is None else pd.Series(list(customers), dtype=object)
    window_of = None if windows is None else np.asarray(windows)
    found = {}
    for name in sorted(names.dropna().unique()):
        rows = np.flatnonzero((names == name).to_numpy())
        found[name] = evaluate(
            y[rows],
            p[rows],
            customers=None if whom is None else whom.iloc[rows],
            windows=None if window_of is None else window_of[rows],
            seed=seed,
            replicates=replicates,
        )
    return found


def profit_at_capacity(
    outcome: ArrayLike,
    probability: ArrayLike,
    value: ArrayLike,
    *,
    capacity: int,
    save_rate: float,
    contact_cost: float,
    customers: Customers = None,
    seed: int = 0,
    replicates: int = 200,
) -> Metric:
    """Return what calling the most promising customers would have earned.

    Those with the highest probability x value are called, as many as there is capacity for and as long as
    probability x value x save_rate exceeds the cost. A call to a leaver saves `value` with `save_rate`; a
    call to anybody else earns nothing; every call costs `contact_cost`.

    Parameters
    ----------
    outcome, probability : array, shape (n,)
        1 = left; the predicted probability.
    value : array of float, shape (n,)
        What a customer who stays brings, currency; unknown (NaN) counts as 0.
    capacity : int
        Calls that can be made.
    save_rate : float
        Share of leavers whom a call keeps, 0..1.
    contact_cost : float
        Cost of a call, currency.
    customers, seed, replicates
        As in `evaluate`.

    Examples
    --------
    >>> earned = profit_at_capacity(
    ...     [1, 0, 1], [0.9, 0.5, 0.1], [100, 100, 100], capacity=2, save_rate=0.5, contact_cost=5.0
    ... )
    >>> earned.value
    40.0
    """
    y, p = checked(outcome, probability)
    worth = np.nan_to_num(np.asarray(value, dtype=np.float64))
    if worth.shape != y.shape:
        raise UsageError(f"value has {len(worth)} entries for {len(y)} rows.")
    if capacity < 0 or not 0.0 <= save_rate <= 1.0 or contact_cost < 0.0:
        raise UsageError(
            f"capacity={capacity} and contact_cost={contact_cost} must not be negative, and "
            f"save_rate={save_rate} must lie in 0..1."
        )
    order = np.argsort(-(p * worth), kind="stable")
    promised = (p * worth)[order]
    earned = (y * worth * save_rate - contact_cost)[order]
    ends = np.flatnonzero(np.r_[promised[1:] != promised[:-1], True])
    calls_pay = promised * save_rate > contact_cost
    weights = bootstrap_weights(len(y), customers=customers, seed=seed, replicates=replicates)

    def total(weight: Floats) -> float:
        called = np.where(calls_pay, weight[order], 0.0)
        made, gained = np.cumsum(called)[ends], np.cumsum(called * earned)[ends]
        return float(np.interp(capacity, np.r_[0.0, made], np.r_[0.0, gained]))

    return Metric(total(np.ones(len(y))), *_interval(np.array([total(weight) for weight in weights])))


def reliability(outcome: ArrayLike, probability: ArrayLike, *, groups: int = 10) -> pd.DataFrame:
    """Return what was predicted beside what came, over groups of about equal size.

    Parameters
    ----------
    outcome, probability : array, shape (n,)
        As in `evaluate`.
    groups : int, default 10
        At most so many groups; equal probabilities are never parted.

    Returns
    -------
    DataFrame
        Ordered by probability: ``row_count``, ``mean_probability``, ``event_rate`` and its 95 % limits
        ``low``, ``high`` (Wilson 1927, JASA 22), all 0..1.

    Examples
    --------
    >>> reliability([0, 1, 1, 1], [0.2, 0.2, 0.8, 0.8], groups=2)[["mean_probability", "event_rate"]]
       mean_probability  event_rate
    0               0.2         0.5
    1               0.8         1.0
    """
    y, p = checked(outcome, probability)
    sample = _Sorted(y, p, groups)
    size = np.bincount(sample.group, minlength=groups).astype(np.float64)
    kept = size > 0
    size = size[kept]
    rate = np.bincount(sample.group, weights=sample.y, minlength=groups)[kept] / size
    mean = np.bincount(sample.group, weights=sample.p, minlength=groups)[kept] / size
    low, high = wilson_limits(rate, size)
    found = {"row_count": size.astype(int), "mean_probability": mean, "event_rate": rate}
    return pd.DataFrame({**found, "low": low, "high": high})[::-1].reset_index(drop=True)


def wilson_limits(rate: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % limits of an observed share (Wilson 1927), which stay within 0..1.

    Examples
    --------
    >>> [limit.round(3).item() for limit in wilson_limits(np.array([0.5]), np.array([100.0]))]
    [0.404, 0.596]
    """
    z2 = 1.959963984540054**2
    middle = (rate + z2 / (2.0 * size)) / (1.0 + z2 / size)
    spread = np.sqrt(z2 * rate * (1.0 - rate) / size + (z2 / (2.0 * size)) ** 2) / (1.0 + z2 / size)
    return np.clip(middle - spread, 0.0, 1.0), np.clip(middle + spread, 0.0, 1.0)


def log_loss_gain(
    outcome: ArrayLike,
    probability: ArrayLike,
    than: ArrayLike,
    *,
    customers: Customers = None,
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
    draws = np.array([np.dot(weight, gain) / np.sum(weight) for weight in weights])
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
    row_count: int, *, customers: Customers, seed: int, replicates: int
) -> Iterator[Floats]:
    """Yield, per replicate, how often each row was drawn when customers are drawn with replacement."""
    generator = np.random.default_rng(seed)
    codes = np.arange(row_count) if customers is None else pd.factorize(pd.Series(customers))[0]
    if len(codes) != row_count:
        raise UsageError(f"customers has {len(codes)} entries for {row_count} rows.")
    count = int(codes.max()) + 1
    for _ in range(replicates):
        drawn = np.bincount(generator.integers(0, count, count), minlength=count)
        yield drawn[codes].astype(np.float64)


def _loss(y: Floats, p: Floats) -> Floats:
    held = np.clip(p, _FLOOR, 1.0 - _FLOOR)
    return np.asarray(-(y * np.log(held) + (1.0 - y) * np.log1p(-held)), dtype=np.float64)


def _interval(draws: Floats) -> tuple[float, float]:
    usable = draws[np.isfinite(draws)]
    if not len(usable):
        return float("nan"), float("nan")
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(low), float(high)


class _Ranks:
    """Rows sorted by falling probability within each window once: what depends on ranks.

    It comes from two cumulative sums per window, read where the probability changes.
    """

    def __init__(self, y: Floats, p: Floats, windows: ArrayLike) -> None:
        codes = pd.factorize(np.asarray(windows))[0]
        if len(codes) != len(y):
            raise UsageError(f"windows has {len(codes)} entries for {len(y)} rows.")
        self.parts = []
        for code in range(int(codes.max()) + 1):
            rows = np.flatnonzero(codes == code)
            rows = rows[np.argsort(-p[rows], kind="stable")]
            ends = np.flatnonzero(np.r_[p[rows][1:] != p[rows][:-1], True])
            self.parts.append((rows, y[rows], ends))
        self.tells_apart = any(len(ends) > 1 for _, _, ends in self.parts)

    def measure(self, weight: Floats) -> dict[str, float]:
        """Return the metrics of ranks when rows count `weight` times; no slope where nobody is told apart."""
        right = pairs = events = precision = 0.0
        tenths = np.zeros(2)
        for rows, y, ends in self.parts:
            w = weight[rows]
            drawn = np.r_[0.0, np.cumsum(w)[ends]]
            hits = np.r_[0.0, np.cumsum(w * y)[ends]]
            misses = drawn - hits
            count, came = float(hits[-1] * misses[-1]), float(hits[-1])
            if count > 0.0:  # equal probabilities of an event and a non-event: a half
                right, pairs = right + count * _auc(hits, misses), pairs + count
            if came > 0.0:
                events += came
                precision += came * _average_precision(hits[1:], drawn[1:])
                tenths += np.interp([0.1 * drawn[-1], 0.2 * drawn[-1]], drawn, hits)
        tenth, fifth = tenths / (events if events else np.nan)
        found = {
            "auc": right / pairs if pairs else float("nan"),
            "average_precision": precision / events if events else float("nan"),
            "lift_at_top_decile": float(tenth) * 10.0,
            "capture_at_top_decile": float(tenth),
            "capture_at_top_two_deciles": float(fifth),
        }
        return found if self.tells_apart else found | {"calibration_slope": float("nan")}


class _Sorted:
    """Rows sorted by falling probability once, so that each weighted measurement takes linear time.

    What is a sum over rows (log-loss, Brier, calibration) is one product of the weights with `columns`.
    """

    def __init__(self, y: Floats, p: Floats, groups: int = _GROUPS) -> None:
        self.order = np.argsort(-p, kind="stable")
        self.y, self.p = y[self.order], p[self.order]
        starts = np.flatnonzero(np.r_[True, self.p[1:] != self.p[:-1]])
        sizes = np.diff(np.r_[starts, len(p)])
        # Equal probabilities stay together: each takes the group of its first row.
        self.group = np.repeat(np.minimum(starts * groups // len(p), groups - 1), sizes)
        gap = self.p - self.y
        by_group = np.zeros((len(p), groups))
        by_group[np.arange(len(p)), self.group] = gap
        self.slope, slope_columns = _slope_fit(self.y, self.p)
        loss = _loss(self.y, self.p)
        self.columns = np.array(
            [np.ones(len(p)), self.y, self.p, loss, gap**2, *by_group.T, *slope_columns.T]
        )

    def measure(self, row_weights: Floats) -> dict[str, float]:
        """Return the metrics that are sums over rows, when rows count `row_weights` times."""
        # einsum: the same bits for any number of threads
        sums = np.einsum("kn,n->k", self.columns, row_weights[self.order])
        total, events, expected, loss, squares = (float(value) for value in sums[:5])
        gaps, slope_sums = sums[5:-5], sums[-5:]
        return {
            "log_loss": loss / total,
            "brier": squares / total,
            "calibration_in_the_large": expected / events if events > 0.0 else float("nan"),
            "calibration_slope": self._slope(slope_sums) if 0.0 < events < total else float("nan"),
            "expected_calibration_error": float(np.sum(np.abs(gaps))) / total,
        }

    def _slope(self, sums: Floats) -> float:
        """Take one Newton step from the slope of all rows; with those rows themselves it is no step."""
        g0, g1, h0, h1, h2 = sums
        determinant = h0 * h2 - h1 * h1
        if not np.isfinite(self.slope) or determinant <= 1e-9 * max(h0 * h2, 1.0):
            return float("nan")
        return float(self.slope + (h0 * g1 - h1 * g0) / determinant)


def _slope_fit(y: Floats, p: Floats) -> tuple[float, Floats]:
    """Fit outcome ~ sigmoid(a + b x log-odds); return b, and gradient and curvature per row at the fit."""
    held = np.clip(p, _FLOOR, 1.0 - _FLOOR)
    x = np.log(held) - np.log1p(-held)
    a, b = 0.0, 1.0
    defined = min(y.sum(), len(y) - y.sum()) >= _SLOPE_CASES and np.ptp(x) > 0.0
    for _ in range(50 if defined else 0):
        q = sigmoid(a + b * x)
        w = q * (1.0 - q)
        g = np.array([np.sum(y - q), np.sum((y - q) * x)])
        h = np.array([[np.sum(w), np.sum(w * x)], [np.sum(w * x), np.sum(w * x * x)]])
        if np.linalg.cond(h) > 1e12:
            defined = False  # the outcomes part completely: no finite slope
            break
        step = np.linalg.solve(h, g)
        a, b = a + float(step[0]), b + float(step[1])
        if float(np.max(np.abs(step))) < 1e-10:
            break
    q = sigmoid(a + b * x)
    w = q * (1.0 - q)
    columns = np.column_stack([y - q, (y - q) * x, w, w * x, w * x * x])
    return (b if defined else float("nan")), columns


def _auc(hits: Floats, misses: Floats) -> float:
    """Return the area from cumulative hits and misses by falling probability, 0 first."""
    lost = np.sum(np.diff(hits) * (misses[1:] + misses[:-1])) / 2.0
    return float(1.0 - lost / (hits[-1] * misses[-1]))


def _average_precision(hits: Floats, drawn: Floats) -> float:
    precision = np.divide(hits, drawn, out=np.zeros_like(drawn), where=drawn > 0)
    return float(np.sum(precision * np.diff(hits, prepend=0.0)) / hits[-1])
