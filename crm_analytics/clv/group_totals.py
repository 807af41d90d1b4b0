"""What will groups of customers bring together, and within which limits?

The limits hold for the actual total of a group.  Process noise: customers are independent given the
parameters, so variances add up.  Parameter noise: the totals at the parameter points of parameter_points.py
tell how the logarithm of a group's total moves along each principal axis (slope and curvature); since the
parameters are shared, this noise does not cancel in large groups.  A total is taken as gamma distributed
around its mean, and the mean as log-normal.  Nothing is drawn.

With N purchases in the horizon, e expected spend per purchase and A = p x + q of the Gamma-Gamma model, the
mean square of a customer's spend is e^2 (A - 1) / (A - 2) (E[N^2] + E[N] / p); A is held above 2.2, since
below 2 there is no variance.  Discounted, N is the sum of what each purchase counts (discounted_futures.py),
and E[N] / p becomes the sum of the squares of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammainc, ndtri

from crm_analytics.clv.cohort_models import Models, summary_ids
from crm_analytics.clv.customer_value import check_terms, margins, serving_costs, spend_per_purchase
from crm_analytics.clv.discounted_futures import futures_of
from crm_analytics.clv.future_counts import FutureCounts
from crm_analytics.clv.models.patterns import HISTORY, Histories, number_column
from crm_analytics.clv.models.purchase_model import DAYS_PER_YEAR, PurchaseModel
from crm_analytics.clv.parameter_points import parameter_points
from crm_analytics.clv.pattern_scores import discounts
from crm_analytics.modelling import arguments

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

TOTALS = tuple(
    f"{name}{side}"
    for name in ("expected_purchases", "lifetime_revenue", "lifetime_value")
    for side in ("", "_low", "_high")
)
_LEAST_SHAPE = 2.2
_NODES = 24
_HALVINGS = 50
_CHUNK = 512


@dataclass(frozen=True)
class _Axis:
    """Totals of every group at the two points of one principal axis, `distance` deviations away."""

    low: Floats
    high: Floats
    distance: float


def group_totals(
    known: pd.DataFrame,
    used: Models,
    group: Indices,
    *,
    horizon_days: float,
    annual_discount_rate: float = 0.1,
    margin_rate: float | pd.Series | None = None,
    level: float = 0.9,
    costs: Floats | None = None,
) -> pd.DataFrame:
    """Return the totals of groups of customers, with limits of the actual.

    Parameters
    ----------
    known : DataFrame
        A summary without impossible rows.
    used : Models
        Models fitted before (`fit_models`).
    group : array of shape (rows,)
        Number of the group of each row, 0, 1, ...
    horizon_days, annual_discount_rate, margin_rate, level
        As in `score_summary`.
    costs : array of shape (rows,), optional
        What serving each customer costs per purchase day; default: `serving_costs` of these rows. Where the
        rows are a part of a cohort, give what the whole cohort says.

    Returns
    -------
    DataFrame
        One row per group: expected_purchases, lifetime_revenue and lifetime_value, each with _low and _high.
        lifetime_value is missing for a group in which the margin of a customer is unknown.
    """
    arguments.refuse_no_table(known, "known")
    summary_ids(known)
    arguments.instance("used", used, Models, "fitted models (crm.clv.fit_models)")
    check_terms(horizon_days, annual_discount_rate, level, margin_rate)
    group = _checked_groups(group, len(known))
    if costs is not None and len(arguments.numbers("costs", costs, "one number per row")) != len(known):
        arguments.refuse("costs", costs, f"one number per row ({len(known)})")
    if known.empty:
        return pd.DataFrame(columns=list(TOTALS), dtype=float)
    model, spend = used.purchases, used.spend
    distinct, row = model._histories(known).distinct(HISTORY)
    futures = FutureCounts(model, distinct, horizon_days=horizon_days, estimate_only=True)
    counts = _counts(model, distinct, futures, 0.0)
    worth = _counts(model, distinct, futures, annual_discount_rate) if annual_discount_rate else counts
    expected, square, each_square = (column[row] for column in (worth.mean, worth.square, worth.each_square))
    spread = square - expected**2

    each = spend_per_purchase(known, used)
    margin, cost = margins(known, margin_rate), serving_costs(known) if costs is None else costs
    p, q, _ = spend.params_.values()
    frequency, paid = number_column(known, "frequency"), number_column(known, "monetary_value")
    shape = np.maximum(p * np.where(np.isfinite(paid) & (paid > 0), frequency, 0.0) + q, _LEAST_SHAPE)
    heavy = (shape - 1.0) / (shape - 2.0) * (square + each_square / p) - expected**2
    revenue_spread = each**2 * heavy
    value_spread = margin**2 * revenue_spread + cost**2 * spread - 2 * margin * cost * each * spread
    weights = {
        "expected_purchases": (counts, np.ones(len(known)), (counts.square - counts.mean**2)[row]),
        "lifetime_revenue": (worth, each, revenue_spread),
        "lifetime_value": (worth, margin * each - cost, value_spread),
    }
    # summed in an order of their own, so that the order of the rows changes nothing
    order = np.lexsort((cost, margin, each, row, group))
    groups = int(group.max(initial=-1)) + 1

    def total(values: Floats) -> Floats:
        return np.asarray(np.bincount(group[order], values[order], groups), dtype=np.float64)

    dearer = [
        [np.where(each > 0, one.expected_spend(known).to_numpy(), 0.0) for one in pair]
        for pair in parameter_points(spend)
    ]
    result: dict[str, Floats] = {}
    for name, (number, weight, variance) in weights.items():
        at_estimate = number.mean[row]
        axes = [
            _Axis(total(low[row] * weight), total(high[row] * weight), len(model.params_) ** 0.5)
            for low, high in number.at_points
        ]
        if name != "expected_purchases":
            share = margin if name == "lifetime_value" else np.ones(len(known))
            steps = [[total(at_estimate * (weight + share * (e - each))) for e in pair] for pair in dearer]
            axes += [_Axis(low, high, len(spend.params_) ** 0.5) for low, high in steps]
        mean = total(at_estimate * weight)
        result[name] = mean
        result[f"{name}_low"], result[f"{name}_high"] = _limits(mean, total(variance), axes, level)
    return pd.DataFrame(result)


def _checked_groups(group: object, rows: int) -> Indices:
    allowed = f"one whole number >= 0 per row ({rows})"
    found = arguments.numbers("group", group, allowed, least=0)
    if len(found) != rows or (found != np.floor(found)).any():
        arguments.refuse("group", group, allowed)
    return np.asarray(found, dtype=np.intp)


def purchase_limits(
    model: PurchaseModel, distinct: Histories, customers: Floats, futures: FutureCounts, *, level: float
) -> tuple[float, float]:
    """Return the limits of the purchases of all customers together, given how many have each history."""
    counts = _counts(model, distinct, futures, 0.0)
    variance = np.array([(customers * (counts.square - counts.mean**2)).sum()])
    axes = [
        _Axis(
            np.array([(customers * low).sum()]),
            np.array([(customers * high).sum()]),
            len(model.params_) ** 0.5,
        )
        for low, high in counts.at_points
    ]
    low, high = _limits(np.array([(customers * counts.mean).sum()]), variance, axes, level)
    return float(low[0]), float(high[0])


@dataclass(frozen=True)
class _Counts:
    """Discounted purchases of each history: expected, at the estimate and at both points of every axis; mean
    square; and the mean of the sum of the squares of what each purchase counts."""

    mean: Floats
    at_points: list[tuple[Floats, Floats]]
    square: Floats
    each_square: Floats


def _counts(model: PurchaseModel, distinct: Histories, futures: FutureCounts, annual_rate: float) -> _Counts:
    """Ask the estimate about every history, and the parameter points at the nodes of the distributions."""
    days, nodes = futures.horizon_days, futures.nodes

    def of_each(point: PurchaseModel, at_nodes: Floats) -> Floats:
        of_rows = futures.between(at_nodes, 0, futures.rows, model=point)
        return np.asarray(point._alive(distinct) * of_rows[futures.row])

    def at(point: PurchaseModel, rate: float = annual_rate) -> Floats:
        living = point.discounted_of_the_living(nodes, annual_discount_rate=rate, horizon_days=days)
        return of_each(point, living)

    mean = model._expected(distinct, days)
    if annual_rate > 0.0:
        mean = mean * discounts(model, futures, annual_rate)
    return _Counts(
        mean=mean,
        at_points=[(at(low), at(high)) for low, high in parameter_points(model)],
        square=of_each(model, _squares(futures, float(np.log1p(annual_rate)) / DAYS_PER_YEAR)),
        each_square=mean if annual_rate == 0.0 else at(model, (1.0 + annual_rate) ** 2 - 1.0),
    )


def _squares(futures: FutureCounts, daily_rate: float) -> Floats:
    """Return the mean square of the discounted purchases of the living at every node.

    Undiscounted from the exact distributions; else, and where these end too early, from `futures_of`, put
    right by what that misses undiscounted, by as much as the last day of the horizon still counts.
    """
    tables = futures.at_nodes
    exact, known = tables.moments[1], tables.ends
    if daily_rate == 0.0 and known.all():
        return exact

    rates = (0.0,) if daily_rate == 0.0 else (0.0, daily_rate)
    taken = np.empty((len(rates), len(exact)))
    for some in np.array_split(np.arange(len(exact)), len(exact) // _CHUNK + 1):
        part = futures.nodes.take(some)
        drawn = futures_of(futures.possible, part, days=futures.horizon_days, daily_rates=rates)
        taken[:, some] = [(one.mean**2 + one.variance).mean(axis=1) for one in drawn]
    plain = taken[0]
    missed = np.divide(exact, plain, out=np.ones_like(plain), where=known & (plain > 0))
    if daily_rate == 0.0:
        return np.where(known, exact, plain)
    return np.asarray(taken[1] * missed ** np.exp(-daily_rate * futures.horizon_days))


def _limits(mean: Floats, variance: Floats, axes: list[_Axis], level: float) -> list[Floats]:
    """Return lower and upper limits of totals, given process variance and where parameters may move them."""
    positive = (mean > 0) & np.all([(axis.low > 0) & (axis.high > 0) for axis in axes] or [mean > 0], axis=0)
    known = np.isfinite(mean)
    lean = np.array([(axis.high - axis.low) / (2.0 * axis.distance) for axis in axes]).reshape(-1, len(mean))
    deviation = np.sqrt(variance + (lean**2).sum(axis=0))
    tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    limits = [np.where(known, mean + ndtri(tail) * deviation, np.nan) for tail in tails]
    some = np.flatnonzero(positive & (variance > 0))
    if len(some):
        lows, highs = (
            np.log([getattr(axis, side)[some] for axis in axes]).reshape(-1, len(some))
            for side in ("low", "high")
        )
        distance = np.array([axis.distance for axis in axes])[:, None]
        start = np.log(mean[some])
        slope, bend = (highs - lows) / (2.0 * distance), (highs + lows - 2.0 * start) / distance**2
        centre = start + bend.sum(axis=0) / 2.0
        spread = np.sqrt((slope**2 + bend**2 / 2.0).sum(axis=0))
        for limit, tail in zip(limits, tails, strict=True):
            limit[some] = _quantile(centre, spread, mean[some] / variance[some], tail)
    return limits


def _quantile(centre: Floats, spread: Floats, per_unit: Floats, tail: float) -> Floats:
    """Return a quantile of Gamma(mean m, variance m / per_unit), where log m is Normal(centre, spread)."""
    z, weight = np.polynomial.hermite_e.hermegauss(_NODES)
    log_mean = centre[:, None] + spread[:, None] * z
    shape = np.exp(log_mean) * per_unit[:, None]
    reach = 8.0 * spread + 8.0 / np.sqrt(shape.min(axis=1)) + 1.0
    low, high = centre - reach, centre + reach
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        reached = gammainc(shape, per_unit[:, None] * np.exp(middle)[:, None])
        below = (reached * weight).sum(axis=1) / weight.sum() < tail
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray(np.exp((low + high) / 2.0))
