"""How many purchases will each customer make, if one may leave at any time?  Pareto/NBD of Schmittlein,
Morrison and Colombo (1987).

While there, a customer buys at random at a rate lambda of its own (Gamma(r, alpha) among customers) and
leaves at a rate mu of its own (Gamma(s, beta)), whether or not it buys.  Input: one row per customer as in
clv/summary.sql (frequency, recency, T; in days).  alpha and beta are in days, r and s are pure numbers.

Everything about a customer alive after (x, T) is what holds of a new customer, with r + x, alpha + T, s and
beta + T for r, alpha, s and beta.

Sources: Schmittlein, Morrison and Colombo (1987), Management Science 33(1), 1-24; the likelihood as in Fader
and Hardie (2005), "A Note on Deriving the Pareto/NBD Model", its integral by quadrature
(lifetime_quadrature.py) instead of by 2F1; discounted purchases of Fader, Hardie and Lee (2005), Journal of
Marketing Research 42(4), 415-430, as an integral of the expected rate, since their confluent hypergeometric
function is inexact near whole s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaincinv, gammaln, psi, zeta

from crm_analytics.clv.models.futures import Latent, Luck
from crm_analytics.clv.models.lifetime_quadrature import LeavingNodes, leaving_nodes, nodes_by_row
from crm_analytics.clv.models.patterns import Histories, Patterns, levels
from crm_analytics.clv.models.purchase_model import BUYING_EDGES, PurchaseModel
from crm_analytics.clv.models.quadrature import legendre

Floats = NDArray[np.float64]
Rows = slice | NDArray[np.intp]

NO_NODES = np.zeros(1, dtype=np.intp)
_CHUNK = 1_024
_DISCOUNT_NODES = 64
_CELL_NODES = 3
_FEW, _MANY = 80, 400
_LARGE = 100.0
# From one number of purchases to the next by a factor, but after so many anew: what underflows is lost
# for no longer.
_ANEW = 16
_ROUGH_NODES = 10
_NEWTON_STEPS = 60
_MOST_LOG = 700.0
_NEVER = 1e12
# How far from its middle the day of a purchase is looked for: standard deviations, and over shape or number.
_WIDE, _TAIL = 9.0, 20.0


class ParetoNBDModel(PurchaseModel):
    """Pareto/NBD: purchases, and silent departure at any time, of customers without contracts.

    Parameters
    ----------
    purchase_covariates, dropout_covariates, equal_covariates : sequence of str
        Columns of the summary that change how fast customers buy and how soon they leave; default none.
    ridge : float
        Penalty on their effects, default 0; all four as in `PurchaseModel`.

    Attributes
    ----------
    params_ : dict
        r, alpha (days), s, beta (days).
    log_covariance_ : array of shape (4, 4)
        Covariance of (log r, log alpha, log s, log beta).
    log_likelihood_, standard_errors_, verdict_
        As of every `PurchaseModel`.

    Examples
    --------
    >>> import pandas as pd
    >>> weekly = {"r": 0.553, "alpha": 10.578, "s": 0.606, "beta": 11.669}
    >>> model = ParetoNBDModel.from_parameters(weekly, unit="week")
    >>> one = pd.DataFrame({"frequency": [2], "recency": [30.43 * 7], "T": [38.86 * 7]})
    >>> round(float(model.expected_purchases(one, horizon_days=39 * 7).iloc[0]), 6)
    1.455123
    """

    name: ClassVar[str] = "pareto_nbd"
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    time_parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    has_rough_rows: ClassVar[bool] = True
    start: ClassVar[Floats] = np.log([0.5, 0.3, 0.5, 0.3])
    second_start: ClassVar[Floats] = np.log([0.25, 0.15, 0.25, 0.1])
    covariate_effects: ClassVar[Mapping[str, tuple[str, float]]] = {
        "purchase": ("alpha", -1.0),
        "dropout": ("beta", -1.0),
    }
    edges: ClassVar[Mapping[str, tuple[str, str]]] = {
        **BUYING_EDGES,
        "s": ("no customer was seen to leave (plain NBD)", "all customers leave at the same rate"),
        "beta": (
            "customers leave at once or never",
            "no customer was seen to leave (plain NBD), or all leave at the same rate",
        ),
    }

    def rows(self, core: Sequence[Any], patterns: Patterns) -> tuple[Floats, Floats]:
        """Return per pattern the log-likelihood and its derivatives by log r, log alpha, log s, log beta."""
        return self.bent_rows(core, patterns)[:2]

    def bent_rows(
        self, core: Sequence[Any], patterns: Patterns, *, roughly: bool = False
    ) -> tuple[Floats, Floats, Callable[[], Floats] | None]:
        """Return what `rows` says, and second derivatives where the parameters are the same for all."""
        size, is_common = len(patterns), not any(np.ndim(parameter) for parameter in core)
        value, scores, bends = np.empty(size), np.empty((size, 4)), np.zeros((4, 4))
        known = patterns.histories
        nodes = np.array([_ROUGH_NODES]) if roughly else self._nodes(core, known)
        for rows, own, part, each in _parts(core, known, nodes):
            r, alpha, s, beta = own
            stayed, left, days = self._two_cases(own, part, each)
            top = np.maximum(stayed, left)
            w_stayed, w_left = np.exp(stayed - top), np.exp(left - top)
            total = w_stayed + w_left
            value[rows] = r * np.log(alpha) + s * np.log(beta) + top + np.log(total)
            w_stayed, w_left = w_stayed / total, w_left / total
            # at T and per node: log(alpha + y), alpha / (alpha + y), log(beta + y), beta / (beta + y)
            end, node = np.empty((4, len(part))), days.at
            for place, offset in ((1, alpha), (3, beta)):
                end[place] = offset + part.T
                np.log(end[place], out=end[place - 1])
                np.divide(offset, end[place], out=end[place])
                np.divide(np.asarray(offset)[..., None], node[place], out=node[place])
            weighted = days.weight * node
            mean = weighted.sum(axis=2)
            # derivatives of the two cases: minus these averages, times
            stays, leaves = np.empty_like(end), np.empty_like(end)
            stays[0], stays[1], stays[2], stays[3] = r, r + part.frequency, s, s
            leaves[:3], leaves[3] = stays[:3], s + 1.0
            if is_common:
                bends += _bends(
                    (weighted, node, mean, end), (leaves, stays),
                    (patterns.weight[rows] * w_left, patterns.weight[rows] * w_stayed), w_stayed,
                )  # fmt: skip
            stays, leaves = stays * end, leaves * mean
            leaves[2] -= 1.0
            slope = -(w_stayed * stays + w_left * leaves)
            slope[0] += r * np.log(alpha)
            slope[1] += r
            slope[2] += s * np.log(beta)
            slope[3] += s
            scores[rows] = slope.T
        value += patterns.frequency.map(lambda x, r: gammaln(r + x) - gammaln(r), core[0])
        scores[:, 0] += patterns.frequency.map(lambda x, r: (psi(r + x) - psi(r)) * r, core[0])
        if not is_common:
            return value, scores, None
        r, alpha, s, beta = core
        x, count = patterns.frequency.values, patterns.customers_by_frequency
        bends[0, 0] += (count * r * (psi(r + x) - psi(r) + r * (zeta(2, r + x) - zeta(2, r)))).sum()
        bends[0, 0] += patterns.customers * r * np.log(alpha)
        bends[0, 1] += patterns.customers * r
        bends[2, 2] += patterns.customers * s * np.log(beta)
        bends[2, 3] += patterns.customers * s
        return value, scores, lambda: -(np.triu(bends) + np.triu(bends, 1).T)

    def alive(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return P(alive at the end of T); 1 where the last purchase was at the end."""
        result = np.empty(len(known))
        for rows, own, part, each in _parts(core, known, self._nodes(core, known)):
            stayed, left, _ = self._two_cases(own, part, each)
            result[rows] = np.exp(stayed - np.logaddexp(stayed, left))
        return result

    def _nodes(self, core: Sequence[Any], known: Histories) -> NDArray[np.intp]:
        r, alpha, s, beta = core
        return nodes_by_row(r + known.frequency, alpha, s + 1.0, beta, start=known.recency, end=known.T)

    def _two_cases(
        self, core: Sequence[Any], known: Histories, nodes: int
    ) -> tuple[Floats, Floats, LeavingNodes]:
        """Return the log weights of still being there and of having left, and the nodes of the latter."""
        r, alpha, s, beta = core
        shape, T = r + known.frequency, known.T
        days = leaving_nodes(shape, alpha, s + 1.0, beta, start=known.recency, end=T, nodes=nodes)
        stayed = -shape * np.log(alpha + T) - s * np.log(beta + T)
        return stayed, np.log(s) + days.log_total, days

    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return the mean rate times the expected time until the customer leaves or the days are over."""
        r, alpha, s, beta = core
        log_growth = np.log1p(days / (beta + known.T))
        with np.errstate(invalid="ignore", divide="ignore"):
            stay = np.where(s == 1.0, log_growth, -np.expm1((1.0 - s) * log_growth) / (s - 1.0))
        return np.asarray((r + known.frequency) / (alpha + known.T) * (beta + known.T) * stay)

    def discounted_if_alive(
        self, core: Sequence[Any], known: Histories, days: float, daily_rate: float
    ) -> Floats:
        """Return the mean rate times the discounted time in which the customer stays, by 64 nodes."""
        r, alpha, s, beta = core
        steep = daily_rate + s / (beta + known.T)
        span = np.log1p(steep * min(days, 45.0 / daily_rate))
        time = np.zeros(len(known))
        for point, weight in zip(*legendre(_DISCOUNT_NODES), strict=True):
            day = np.expm1(span * point) / steep
            stays = np.exp(-daily_rate * day - s * np.log1p(day / (beta + known.T)))
            time += weight * span * (day + 1.0 / steep) * stays
        return np.asarray((r + known.frequency) / (alpha + known.T) * time)

    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return ((beta + T) / (beta + T + days))^s."""
        s, beta = core[2:]
        return np.asarray(np.exp(-s * np.log1p(days / (beta + known.T))))

    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return the chance to stay without buying, or to leave before buying."""
        result = np.empty(len(known))
        for rows, (r, alpha, s, beta), part, _ in _parts(core, known):
            shape, rate, left = r + part.frequency, alpha + part.T, beta + part.T
            stays = np.exp(-shape * np.log1p(days[rows] / rate) - s * np.log1p(days[rows] / left))
            nodes = leaving_nodes(shape, rate, s + 1.0, left, start=0.0 * rate, end=days[rows])
            leaves = np.log(s) + shape * np.log(rate) + s * np.log(left) + nodes.log_total
            result[rows] = stays + np.exp(leaves)
        return np.minimum(result, 1.0)

    def bought_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return the chance by each of the days, as a running integral of the density of the next purchase.

        Three Gauss-Legendre nodes between neighbouring days; exact to 1e-8 where they are a tenth apart in
        their logarithms.
        """
        r, alpha, s, beta = (np.asarray(value)[..., None] for value in core)
        shape, rate = r + known.frequency[:, None], alpha + known.T[:, None]
        start = np.concatenate([[0.0], days[:-1]])
        chance = np.zeros((len(known), len(days)))
        for point, weight in zip(*legendre(_CELL_NODES), strict=True):
            day = start + point * (days - start)
            density = np.exp(
                -(shape + 1.0) * np.log1p(day / rate) - s * np.log1p(day / (beta + known.T[:, None]))
            )
            chance += weight * (days - start) * shape / rate * density
        return np.minimum(np.cumsum(chance, axis=1), 1.0)

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days after which a customer alive now has bought with this chance; NaN if never.

        By Newton steps in v = log(1 + days / (alpha + T)): the chance is concave in v, so that the steps
        arrive from the left; they start where a customer that never leaves would be.
        """
        result = np.empty(len(known))
        for rows, (r, alpha, s, beta), part, _ in _parts(core, known):
            shape, rate, left = r + part.frequency, alpha + part.T, beta + part.T
            log_scale = np.log(shape) + shape * np.log(rate) + s * np.log(left)
            wanted = chance[rows]
            v = -np.log1p(-wanted) / shape
            moving = np.ones(len(v), dtype=bool)  # each row stops by itself, whoever else is asked about
            for _ in range(_NEWTON_STEPS):
                with np.errstate(over="ignore"):
                    days = np.minimum(rate * np.expm1(v), _NEVER)
                nodes = leaving_nodes(shape + 1.0, rate, s, left, start=0.0 * rate, end=days)
                bought = np.exp(log_scale + nodes.log_total)
                slope = shape * np.exp(-shape * v - s * np.log1p(days / left))
                step = (wanted - bought) / np.maximum(slope, 1e-300)
                v = np.where(moving, np.minimum(v + np.maximum(step, 0.0), _MOST_LOG), v)
                moving &= np.abs(step) > 1e-12 * v
                if not moving.any():
                    break
            with np.errstate(over="ignore"):
                days = rate * np.expm1(v)
            result[rows] = np.where(days < _NEVER, days, np.nan)
        return result

    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days): staying, or leaving on one of the days."""
        result = np.empty((len(known), up_to + 1))
        for rows, (r, alpha, s, beta), part, _ in _parts(core, known):
            many = np.maximum(part.frequency, up_to) > _LARGE
            for group, nodes in ((~many, _FEW), (many, _MANY)):
                if group.any():
                    own = [np.broadcast_to(value, len(part))[group] for value in (r, alpha, s, beta)]
                    result[np.arange(len(known))[rows][group]] = _counts(
                        own, part.take(np.flatnonzero(group)), days, up_to, nodes
                    )
        return result

    def at_least_if_alive(self, core: Sequence[Any], known: Histories, days: float, number: Floats) -> Floats:
        """Return the mean chance of still being there on the day of that purchase, if it is not too late.

        Days over rate are beta prime (number, shape) for who never leaves; 64 Gauss-Legendre nodes in their
        logarithm, as far as there is anything.
        """
        result = np.empty(len(known))
        for rows, (r, alpha, s, beta), part, _ in _parts(core, known):
            shape, rate, n = r + part.frequency, alpha + part.T, number[rows]
            middle, spread = psi(n) - psi(shape), np.sqrt(zeta(2, n) + zeta(2, shape))
            low = middle - _WIDE * spread - _TAIL / n
            high = np.minimum(middle + _WIDE * spread + _TAIL / shape, np.log(days / rate))
            span = np.maximum(high - low, 0.0)
            log_ways, total = -betaln(n, shape), np.zeros(len(part))
            for point, weight in zip(*legendre(_DISCOUNT_NODES), strict=True):
                at = low + span * point
                log_odds = np.logaddexp(0.0, at)
                stays = -s * np.log1p(rate * np.exp(at) / (beta + part.T))
                total += weight * span * np.exp(log_ways + n * (at - log_odds) - shape * log_odds + stays)
            result[rows] = total
        return np.clip(result, 0.0, 1.0)

    def latent_if_alive(self, core: Sequence[Any], known: Histories, luck: Luck) -> Latent:
        """Return rates and days until the customer leaves."""
        r, alpha, s, beta = core
        x = levels(known.frequency)
        with np.errstate(over="ignore", under="ignore"):
            rate = gammaincinv(r + x.values[:, None], luck.rate)[x.position]
            lifetime = np.minimum(np.expm1(-np.log(luck.when) / s), 1e15)
        return Latent(
            rate / (alpha + known.T[:, None]), lifetime * (beta + known.T[:, None]), np.array(np.inf),
            np.array(0.0),
        )  # fmt: skip


def _bends(
    averages: tuple[Floats, Floats, Floats, Floats],
    factors: tuple[Floats, Floats],
    weights: tuple[Floats, Floats],
    w_stayed: Floats,
) -> Floats:
    """Return second derivatives of the logarithm of both cases together, in the upper triangle.

    Averages: weighted nodes, nodes, means, values at T, as in `bent_rows`; factors and weights of having
    left and of still being there.
    """
    weighted, node, mean, end = averages
    (leaves, stays), (moved, at_end) = factors, weights
    total = np.zeros((4, 4))
    for j in range(4):
        for k in range(j, 4):
            second = np.einsum("iq,iq->i", weighted[j], node[k])
            total[j, k] = (moved * leaves[j] * leaves[k] * (second - mean[j] * mean[k])).sum()
            if j == k and j in (1, 3):
                curved = moved * leaves[j] * (second - mean[j]) + at_end * stays[j] * end[j] * (end[j] - 1.0)
                total[j, j] += curved.sum()
    for j in (0, 2):
        total[j, j] -= (moved * leaves[j] * mean[j] + at_end * stays[j] * end[j]).sum()
        total[j, j + 1] -= (moved * leaves[j] * mean[j + 1] + at_end * stays[j] * end[j + 1]).sum()
    apart = stays * end - leaves * mean
    apart[2] += 1.0
    total += np.triu(np.einsum("ji,ki->jk", moved * w_stayed * apart, apart))
    return total


def _parts(
    core: Sequence[Any], known: Histories, nodes: NDArray[np.intp] = NO_NODES
) -> Iterator[tuple[Rows, list[Any], Histories, int]]:
    """Return histories in chunks that fit the processor's cache, with their parameters and number of nodes.

    ``nodes`` is that of every history, or one for all.
    """
    for count in np.unique(nodes).tolist():
        chosen = np.flatnonzero(nodes == count) if len(nodes) > 1 else None
        for first in range(0, len(known) if chosen is None else len(chosen), _CHUNK):
            rows: Rows = slice(first, first + _CHUNK)
            rows = rows if chosen is None else chosen[rows]
            yield rows, [part if np.ndim(part) == 0 else part[rows] for part in core], known.take(rows), count


def _counts(core: Sequence[Floats], known: Histories, days: float, up_to: int, nodes: int) -> Floats:
    r, alpha, s, beta = core
    shape, rate, left = r + known.frequency, alpha + known.T, beta + known.T
    steep = shape / rate + (s + 1.0) / left
    points, weights = legendre(nodes)
    span = np.log1p(steep * days)[:, None]
    day = np.expm1(span * points) / steep[:, None]
    log_leave = (
        np.log(s / left)[:, None] - (s + 1.0)[:, None] * np.log1p(day / left[:, None])
        + np.log(weights) + span * points + np.log(span / steep[:, None])
    )  # fmt: skip
    log_stay = -s * np.log1p(days / left)
    day = np.column_stack([day, np.full(len(known), days)])
    log_case = np.column_stack([log_leave, log_stay])
    silent = log_case - shape[:, None] * np.log1p(day / rate[:, None])
    log_odds = np.log(day) - np.log(rate[:, None] + day)
    odds, result = np.exp(log_odds), np.empty((len(known), up_to + 1))
    for n in range(up_to + 1):
        if n % _ANEW == 0:
            log_ways = gammaln(shape + n) - gammaln(shape) - gammaln(n + 1.0)
            term = np.exp(log_ways[:, None] + silent + n * log_odds)
        else:
            term *= odds * ((shape + (n - 1.0)) / n)[:, None]
        result[:, n] = term.sum(axis=1)
    return result
