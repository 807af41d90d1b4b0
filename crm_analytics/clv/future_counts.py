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

    @property
    def longest(self) -> int:
        """Number of entries of the longest row."""
        return int(self.length.max(initial=1))

    def up_to(self, row: Indices, n: Indices) -> Floats:
        """Return P(at most n) of the given rows, n >= 0."""
        return np.asarray(self.at_most[self.start[row] + np.minimum(n, self.length[row] - 1)])

    def quantile(self, row: Indices, tail: Floats) -> Floats:
        """Return the least n with P(at most n) >= tail, tail < 1; NaN where the row ends before."""
        found = rank(self.at_most, np.repeat(np.arange(len(self.length)), self.length), row, tail)
        number = found - self.start[row]
        return np.where(number < self.length[row], number, np.nan)

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


class FutureCounts:
    """Distributions of the purchases of living customers in the horizon.

    Attributes
    ----------
    horizon_days : float
        Length of the future window.
    possible : list of PurchaseModel
        Models of equal weight: the parameter points, or the estimate alone.
    row : array of shape (histories,)
        Which distribution each history has.
    rows : int
        Number of different distributions, in ascending order of their columns.
    nodes : Histories
        Where the model was asked, ascending by frequency.
    at_nodes : Tables
        The distributions there.
    """

    def __init__(
        self, model: PurchaseModel, known: Histories, *, horizon_days: float, estimate_only: bool = False
    ) -> None:
        """Ask the model at the nodes around the histories; or, without parameter noise, the estimate only."""
        self.horizon_days = horizon_days
        distinct, self.row = known.distinct(model.living_columns)
        self.rows = len(distinct)
        self._distinct, self._kind_weight = distinct, model.kind_weights(distinct)
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

    def between(
        self, at_nodes: Floats, first: int, last: int, *, model: PurchaseModel | None = None
    ) -> Floats:
        """Interpolate any numbers given per node, shape (nodes, ...), for the rows [first, last).

        ``model`` says how likely the kinds of customers are; default: the model that was asked.
        """
        pair, few = self._pairs(first, last)
        node, weight = self._node[few], self._weight[few]
        shape = (-1,) + (1,) * at_nodes.ndim
        total = at_nodes[node[:, 0]] * weight[:, 0].reshape(shape)
        for corner in range(1, node.shape[1]):
            total += at_nodes[node[:, corner]] * weight[:, corner].reshape(shape)
        kinds = self._kind_weight if model is None else model.kind_weights(self._distinct)
        if kinds.shape[1] == 1:
            return np.asarray(total[pair, 0])
        shape = shape[:-1]
        mixed = total[pair, 0] * kinds[first:last, 0].reshape(shape)
        for kind in range(1, kinds.shape[1]):
            mixed += total[pair, kind] * kinds[first:last, kind].reshape(shape)
        return np.asarray(mixed)

    def tables(self, first: int, last: int) -> Tables:
        """Return the distributions of the rows [first, last)."""
        pair, few = self._pairs(first, last)
        node, weight = self._node[few], self._weight[few]
        found = _ragged(self.at_nodes.length[node].max(axis=(1, 2)))
        n = np.arange(len(found.row)) - found.start[found.row]
        of_kind = np.zeros((node.shape[2], len(n)))
        for kind, corner in np.ndindex(node.shape[2], node.shape[1]):
            at_node = self.at_nodes.up_to(node[found.row, corner, kind], n)
            of_kind[kind] += weight[found.row, corner] * at_node
        if len(pair) == len(node) and len(of_kind) == 1:
            return Tables(of_kind[0], found.start, found.length)
        rows = _ragged(found.length[pair])
        place = np.arange(len(rows.row)) + (found.start[pair] - rows.start)[rows.row]
        kinds = self._kind_weight[first:last]
        at_most = sum(kinds[rows.row, kind] * one[place] for kind, one in enumerate(of_kind))
        return Tables(np.asarray(at_most), rows.start, rows.length)

    def _pairs(self, first: int, last: int) -> tuple[Indices, slice]:
        """Return which pairs of frequency and T the rows have, and each row's place among these."""
        pair = self._pair[first:last]
        return pair - pair[0], slice(int(pair[0]), int(pair[-1]) + 1)


@dataclass(frozen=True)
class _Ragged:
    """Rows of different length, one after the other: start and length of each, and the row of every entry."""

    start: Indices
    length: Indices
    row: Indices


def _step(model: PurchaseModel, frequency: Floats) -> Floats:
    """Return the distance of the nodes in log T: the more is known of a rate, the closer they lie."""
    return np.asarray(_STEP / np.sqrt(np.maximum(frequency * model.living_kinds / _KNOWN, 1.0)))


def _ragged(length: Indices) -> _Ragged:
    start = np.cumsum(length) - length
    return _Ragged(start, length, np.repeat(np.arange(len(length)), length))


def grid_quantile(log_grid: Floats, at_most: Floats, row: Indices, tail: Floats) -> Floats:
    """Return what is not exceeded with probability `tail`, given P(at most) on a grid for every row.

    Interpolated in log-odds over the logarithms of the grid; 0 where the first entry reaches the tail, NaN
    where the last does not.
    """
    result = np.where(at_most[row, -1] < tail, np.nan, 0.0)
    some = np.flatnonzero((at_most[row, 0] < tail) & (at_most[row, -1] >= tail))
    row, tail, width = row[some], tail[some], at_most.shape[1]
    found = rank(at_most.ravel(), np.repeat(np.arange(len(at_most)), width), row, tail)
    high = np.clip(found - row * width, 1, width - 1)
    at_low, at_high, wanted = (_logit(value) for value in (at_most[row, high - 1], at_most[row, high], tail))
    rise = at_high - at_low
    share = np.clip((wanted - at_low) / np.where(rise > 0, rise, 1.0), 0.0, 1.0)
    result[some] = np.exp(log_grid[high - 1] + share * (log_grid[high] - log_grid[high - 1]))
    return result


def _logit(probability: Floats) -> Floats:
    held = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(np.log(held) - np.log1p(-held))


def rank(ascending: Floats, row: Indices, wanted_row: Indices, wanted: Floats) -> Indices:
    """Return where, in one array of many rows of probabilities, a row first reaches what is wanted (< 1).

    ``row`` names the row of every entry, ascending; past the end of a row that does not reach it.
    """
    # what interpolation bends by 1e-7 must not mislead the search
    keys = np.maximum.accumulate(row + np.minimum(ascending, 1.0 - 1e-12))
    return np.searchsorted(keys, wanted_row + wanted)


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
