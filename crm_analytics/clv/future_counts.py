"""How many purchases will a customer make who is still there?  The whole distribution, for many at once.

A purchase model gives the distribution exactly (`counts_if_alive`), but not cheaply for a million.
Given that a customer is alive it depends on frequency and T and changes smoothly with T.  So it is computed
at nodes of T for every frequency, and interpolated by cubics of log(1 + T / c) between them, c being the
shortest time among the parameters, the closer the more purchases have told of a rate: error below 1e-4 of
probability (k to 12, frequency to 400).  For regular purchases it depends on
recency too, but through the chances of the phases of the running gap only (`kind_weights`): it is computed
for every phase, and mixed exactly.  A million customers need a few thousand nodes.  A node depends on the
model alone, so a customer's numbers do not depend on who else is asked about.

The distribution is the mean over the parameter points of parameter_points.py; the chances of the phases are
taken at the estimate, as P(alive) is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crm_analytics.clv.models.patterns import Histories, distinct_rows
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.parameter_points import possible_models

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_STEP = 0.1
_KNOWN = 16.0
REST = 1e-7
_FIRST_TABLE, _LONGEST_TABLE = 15, 511
_CELLS = 1_000_000


@dataclass(frozen=True)
class Tables:
    """Distributions P(at most n), one ragged row after the other.

    ``start`` and ``length`` tell where each row lies in ``at_most``; beyond its end a row stays as it is.
    """

    at_most: Floats
    start: Indices
    length: Indices

    def up_to(self, row: Indices, n: Indices) -> Floats:
        """Return P(at most n) of the given rows, n >= 0."""
        return np.asarray(self.at_most[self.start[row] + np.minimum(n, self.length[row] - 1)])

    @property
    def ends(self) -> NDArray[np.bool_]:
        """Whether a row goes on until almost nothing is left; else more may come than its last entry."""
        return np.asarray(1.0 - self.at_most[self.start + self.length - 1] <= REST)

    @cached_property
    def moments(self) -> tuple[Floats, Floats]:
        """Mean and mean square of every row."""
        n = np.arange(len(self.at_most)) - np.repeat(self.start, self.length)
        more = 1.0 - self.at_most
        # E[N] is the sum of P(N > n), E[N^2] that of (2 n + 1) P(N > n)
        return np.add.reduceat(more, self.start), np.add.reduceat((2.0 * n + 1.0) * more, self.start)


@dataclass(frozen=True)
class Curves:
    """Probabilities that rise along a row, each row a mixture of its kinds.

    ``of_kind`` has the shape (kinds, entries), ``weight`` (rows, kinds); ``start`` and ``length`` tell where
    each row lies; beyond its end a row stays as it is.  Rows that differ in their weights only share entries.
    """

    of_kind: Floats
    start: Indices
    length: Indices
    weight: Floats

    @property
    def longest(self) -> int:
        """Number of entries of the longest row."""
        return int(self.length.max(initial=1))

    def along(self, row: Indices) -> Callable[[Indices], Floats]:
        """Return the function that gives the entry of every given row at its place, places >= 0."""
        start, last = self.start[row], self.length[row] - 1
        weight = [self.weight[row, kind] for kind in range(len(self.of_kind))]

        def at(place: Indices) -> Floats:
            entry = start + np.minimum(place, last)
            if len(weight) == 1:
                return np.asarray(self.of_kind[0][entry])
            return np.asarray(sum(w * one[entry] for w, one in zip(weight, self.of_kind, strict=True)))

        return at

    def up_to(self, row: Indices, n: Indices) -> Floats:
        """Return the entries n of the given rows, n >= 0."""
        return self.along(row)(n)

    def first_reaching(self, row: Indices, wanted: Floats) -> Indices:
        """Return the least place at which a row reaches what is wanted, its length where it does not.

        By bisection: an entry is asked for only where the search comes by, so nothing is mixed in vain.
        """
        at, low, high = self.along(row), np.zeros(len(row), dtype=np.intp), self.length[row]
        for _ in range(self.longest.bit_length()):
            middle = (low + high) // 2
            is_reached = at(middle) >= wanted
            low, high = np.where(is_reached, low, middle + 1), np.where(is_reached, middle, high)
            low = np.minimum(low, high)
        return high

    def quantile(self, row: Indices, tail: Floats) -> Floats:
        """Return the least n with P(at most n) >= tail, tail < 1; NaN where the row ends before."""
        number = self.first_reaching(row, tail)
        return np.where(number < self.length[row], number, np.nan)

    def grid_quantile(self, log_grid: Floats, row: Indices, tail: Floats) -> Floats:
        """Return what is not exceeded with probability `tail`, all rows being P(at most) on one grid.

        Interpolated in log-odds over the logarithms of the grid; 0 where the first entry reaches the tail,
        NaN where the last does not.
        """
        found, at = self.first_reaching(row, tail), self.along(row)
        high = np.clip(found, 1, len(log_grid) - 1)
        at_low, at_high, wanted = (_logit(value) for value in (at(high - 1), at(high), tail))
        rise = at_high - at_low
        share = np.clip((wanted - at_low) / np.where(rise > 0, rise, 1.0), 0.0, 1.0)
        between = np.exp(log_grid[high - 1] + share * (log_grid[high] - log_grid[high - 1]))
        return np.where(found == 0, 0.0, np.where(found < len(log_grid), between, np.nan))


class FutureCounts:
    """Distributions of the purchases of living customers in the horizon.

    Attributes
    ----------
    horizon_days : float
        Length of the future window.
    possible : list of PurchaseModel
        Models of equal weight: the parameter points, or the estimate alone.
    model : PurchaseModel
        The estimate.
    row : array of shape (histories,)
        Which distribution each history has.
    rows : int
        Number of different distributions, in ascending order of their columns.
    distinct : Histories
        A history of each.
    nodes : Histories
        Where the model was asked, ascending by frequency.
    at_nodes : Tables
        The distributions there.
    """

    def __init__(
        self, model: PurchaseModel, known: Histories, *, horizon_days: float, estimate_only: bool = False
    ) -> None:
        """Ask the model at the nodes around the histories; or, without parameter noise, the estimate only."""
        self.horizon_days, self.model = horizon_days, model
        distinct, self.row = known.distinct(model.living_columns)
        self.rows = len(distinct)
        self.distinct, self._kind_weight = distinct, model.kind_weights(distinct)
        pairs, self._pair = distinct.distinct(("frequency", "T"))
        unit = min((model.params_[name] for name in model.time_parameters), default=horizon_days)
        along_age, self._weight = stencil(np.log1p(pairs.T / unit) / _step(model, pairs.frequency))
        kinds = model.living_kinds
        (x, age, kind, *others), node = distinct_rows(
            np.repeat(pairs.frequency, 4 * kinds),
            np.repeat(along_age, kinds).astype(np.float64),
            np.tile(np.arange(float(kinds)), along_age.size),
            *np.repeat(pairs.covariates, 4 * kinds, axis=0).T,
        )
        self._node = node.reshape(len(pairs), 4, kinds)
        ages = np.maximum(unit * np.expm1(_step(model, x) * age), 1e-9 * unit)
        covariates = np.stack(others, axis=1) if others else np.empty((len(x), 0))
        self.nodes = model.of_kind(Histories(x, np.where(x > 0, ages, 0.0), ages, covariates), kind)
        self.possible = [model] if estimate_only else possible_models(model)
        self.at_nodes = _tables(self.possible, self.nodes, horizon_days)

    @property
    def is_mixed(self) -> bool:
        """Is a history a mixture of kinds of customers (phases of a regular buyer)?"""
        return bool(self._kind_weight.shape[1] > 1)

    def between(
        self, at_nodes: Floats, first: int, last: int, *, model: PurchaseModel | None = None
    ) -> Floats:
        """Interpolate a number given per node, shape (nodes,), for the rows [first, last).

        ``model`` says how likely the kinds of customers are; default: the model that was asked.
        """
        pair, few = self._pairs(first, last)
        of_kind = (at_nodes[self._node[few]] * self._weight[few, :, None]).sum(axis=1)
        kinds = self._kind_weight if model is None else model.kind_weights(self.distinct)
        return np.asarray((of_kind[pair] * kinds[first:last]).sum(axis=1))

    def tables(self, first: int, last: int) -> Curves:
        """Return the distributions of the rows [first, last): P(at most 0, 1, ...)."""
        pair, few = self._pairs(first, last)
        node, weight = self._node[few], self._weight[few]
        length = self.at_nodes.length[node].max(axis=(1, 2))
        start, row = np.cumsum(length) - length, np.repeat(np.arange(len(length)), length)
        n = np.arange(len(row)) - start[row]
        of_kind = np.zeros((node.shape[2], len(n)))
        for kind, corner in np.ndindex(node.shape[2], node.shape[1]):
            of_kind[kind] += weight[row, corner] * self.at_nodes.up_to(node[row, corner, kind], n)
        return Curves(of_kind, start[pair], length[pair], self._kind_weight[first:last])

    def at_most(self, rows: Indices, number: Floats) -> Floats:
        """Return P(at most so many purchases) of some rows, one number each: from the models, exactly."""
        known, kinds, total = self.distinct.take(rows), self._kind_weight.shape[1], np.zeros(len(rows))
        for kind in range(kinds):
            weight = self._kind_weight[rows, kind] / len(self.possible)
            some = np.flatnonzero(weight)
            part = self.model.of_kind(known.take(some), np.full(len(some), float(kind)))
            for model in self.possible:
                core = model.core(np.array(list(model.params_.values())), part)
                more = model.at_least_if_alive(core, part, self.horizon_days, number[some] + 1.0)
                total[some] += weight[some] * more
        return 1.0 - total

    def at_most_at_nodes(self, node: Indices, number: Floats) -> Floats:
        """Return P(at most so many purchases) at some nodes, shape (nodes, numbers) as `number`.

        From the tables, and where these end too early from the models.
        """
        last = (self.at_nodes.length[node] - 1.0)[:, None]
        found = self.at_nodes.up_to(node[:, None], np.minimum(number, last).astype(np.intp))
        row, place = np.nonzero((number > last) & ~self.at_nodes.ends[node][:, None])
        if len(row):
            part, more = self.nodes.take(node[row]), np.zeros(len(row))
            for model in self.possible:
                core = model.core(np.array(list(model.params_.values())), part)
                more += model.at_least_if_alive(core, part, self.horizon_days, number[row, place] + 1.0)
            found[row, place] = 1.0 - more / len(self.possible)
        return found

    def curves(self, at_nodes: Floats, first: int, last: int) -> Curves:
        """Interpolate P(at most) on a grid, shape (nodes, grid), for the rows [first, last)."""
        pair, few = self._pairs(first, last)
        node, weight = self._node[few], self._weight[few, :, None]
        width = at_nodes.shape[1]
        of_kind = np.empty((node.shape[2], len(node) * width))
        for kind in range(len(of_kind)):
            corners = (at_nodes[node[:, corner, kind]] * weight[:, corner] for corner in range(node.shape[1]))
            of_kind[kind] = np.asarray(sum(corners)).ravel()
        return Curves(of_kind, pair * width, np.full(len(pair), width), self._kind_weight[first:last])

    def _pairs(self, first: int, last: int) -> tuple[Indices, slice]:
        """Return which pairs of frequency and T the rows have, and each row's place among these."""
        pair = self._pair[first:last]
        if not len(pair):
            return pair, slice(0, 0)
        return pair - pair[0], slice(int(pair[0]), int(pair[-1]) + 1)


def _step(model: PurchaseModel, frequency: Floats) -> Floats:
    """Return the distance of the nodes in log T: the more is known of a rate, the closer they lie."""
    return np.asarray(_STEP / np.sqrt(np.maximum(frequency * model.living_kinds / _KNOWN, 1.0)))


def _logit(probability: Floats) -> Floats:
    held = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(np.log(held) - np.log1p(-held))


def stencil(position: Floats, highest: int | None = None) -> tuple[Indices, Floats]:
    """Return the four whole numbers around each position, and the weights of the cubic through them."""
    start = np.maximum(np.floor(position).astype(np.intp) - 1, 0)
    if highest is not None:
        start = np.minimum(start, highest - 3)
    o = position - start
    weights = [
        (1.0 - o) * (2.0 - o) * (3.0 - o) / 6.0,
        o * (2.0 - o) * (3.0 - o) / 2.0,
        o * (o - 1.0) * (3.0 - o) / 2.0,
        o * (o - 1.0) * (o - 2.0) / 6.0,
    ]
    return start[:, None] + np.arange(4), np.stack(weights, axis=1)


def _tables(models: list[PurchaseModel], nodes: Histories, horizon_days: float) -> Tables:
    """Return the distributions at the nodes, each as long as it takes to leave no more than 1e-7 out."""
    length = np.zeros(len(nodes), dtype=np.intp)
    found: list[tuple[Indices, Floats]] = []
    todo, up_to = np.arange(len(nodes)), _FIRST_TABLE
    while len(todo):
        short = []
        for some in np.array_split(todo, len(todo) * up_to // _CELLS + 1):
            at_most = np.minimum(np.cumsum(_mean(models, nodes.take(some), horizon_days, up_to), axis=1), 1.0)
            done = (1.0 - at_most[:, -1] <= REST) | (up_to >= _LONGEST_TABLE)
            found.append((some[done], at_most[done]))
            length[some[done]] = up_to + 1
            short.append(some[~done])
        todo, up_to = np.concatenate(short), 2 * up_to + 1
    start = np.cumsum(length) - length
    flat = np.empty(int(length.sum()))
    for node, rows in found:
        flat[start[node][:, None] + np.arange(rows.shape[1])] = rows
    return Tables(flat, start, length)


def _mean(models: list[PurchaseModel], nodes: Histories, horizon_days: float, up_to: int) -> Floats:
    """Return P(0, 1, ... up_to purchases) of living customers, averaged over the models."""
    total = np.zeros((len(nodes), up_to + 1))
    for model in models:
        core = model.core(np.array(list(model.params_.values())), nodes)
        total += model.counts_if_alive(core, nodes, horizon_days, up_to)
    return total / len(models)
