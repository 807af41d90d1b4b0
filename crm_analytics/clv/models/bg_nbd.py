"""How many purchases will each customer make, and is the customer still there?  BG/NBD of Fader, Hardie and
Lee (2005).

While there, a customer buys at random at a rate lambda of its own (Gamma(r, alpha) among customers) and
leaves after any purchase with a probability p of its own (Beta(a, b)).  Input: one row per customer as in
clv/summary.sql (frequency, recency, T; in days).  alpha is in days, r, a and b are pure numbers.

In this model a customer without a repeat purchase cannot have left: P(alive) = 1 at frequency 0.  The
modified model (mbg_nbd.py) does not say so; prefer it where probability_alive itself matters.

The likelihood is written for gaps between purchases of k phases (cnbd.py); here k = 1.

Sources: likelihood, eq. (6), and expected purchases, eq. (10), of Fader, Hardie and Lee (2005), Marketing
Science 24(2), 275-284; the latter as an average over p instead of by 2F1 (quadrature.py): given alive, lambda
~ Gamma(r + x, alpha + T) and p ~ Beta(a, b + x), and a customer with (lambda, p) is expected to buy (1 -
exp(-lambda p t)) / p times in t, and to stay through t with probability exp(-lambda p t).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaincinv, gammaln, psi, zeta

from crm_analytics.clv.models.erlang import at_least_in_phase, running_gap
from crm_analytics.clv.models.futures import Latent, Luck, geometric
from crm_analytics.clv.models.negative_binomial import event_chances
from crm_analytics.clv.models.patterns import Histories, Patterns, chunks, levels
from crm_analytics.clv.models.purchase_model import BUYING_EDGES, PurchaseModel
from crm_analytics.clv.models.quadrature import dropout_nodes

Floats = NDArray[np.float64]

_CHUNK = 8_192


class BetaGeoModel(PurchaseModel):
    """BG/NBD: purchases and silent departure of customers without contracts.

    Parameters
    ----------
    purchase_covariates, dropout_covariates, equal_covariates : sequence of str
        Columns of the summary that change how fast customers buy and how soon they leave; default none.
    ridge : float
        Penalty on their effects, default 0; all four as in `PurchaseModel`.

    Attributes
    ----------
    params_ : dict
        r, alpha (days), a, b.
    log_covariance_ : array of shape (4, 4)
        Covariance of (log r, log alpha, log a, log b).
    log_likelihood_, standard_errors_, verdict_
        As of every `PurchaseModel`.

    Examples
    --------
    >>> import pandas as pd
    >>> weekly = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    >>> model = BetaGeoModel.from_parameters(weekly, unit="week")
    >>> one = pd.DataFrame({"frequency": [2], "recency": [30.43 * 7], "T": [38.86 * 7]})
    >>> round(float(model.expected_purchases(one, horizon_days=39 * 7).iloc[0]), 6)
    1.226028
    """

    name: ClassVar[str] = "bg_nbd"
    leaves_at_first: ClassVar[bool] = False  # is there a chance to leave at the first purchase already?
    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    time_parameters: ClassVar[tuple[str, ...]] = ("alpha",)
    start: ClassVar[Floats] = np.log([0.5, 0.3, 1.0, 3.0])
    second_start: ClassVar[Floats] = np.log([0.3, 0.1, 0.5, 1.0])
    covariate_effects: ClassVar[Mapping[str, tuple[str, float]]] = {
        "purchase": ("alpha", -1.0),
        "dropout": ("a", 1.0),
    }
    edges: ClassVar[Mapping[str, tuple[str, str]]] = {
        **BUYING_EDGES,
        "a": ("no customer was seen to leave (plain NBD)", "all customers leave with the same probability"),
        "b": (
            "customers leave at once or never",
            "no customer was seen to leave (plain NBD), or all leave with the same probability",
        ),
    }

    @property
    def phases(self) -> int:
        """Return of how many exponential phases a gap between purchases consists: 1, they come at random."""
        return 1

    def rows(self, core: Sequence[Any], patterns: Patterns) -> tuple[Floats, Floats]:
        """Return per pattern the log-likelihood and its derivatives by log r, log alpha, log a, log b."""
        return self.bent_rows(core, patterns)[:2]

    def bent_rows(
        self, core: Sequence[Any], patterns: Patterns, *, roughly: bool = False
    ) -> tuple[Floats, Floats, Callable[[], Floats] | None]:
        """Return what `rows` says, and second derivatives where the parameters are the same for all."""
        is_common, k = not any(np.ndim(parameter) for parameter in core), self.phases
        if is_common:
            slopes = self._by_frequency(patterns.frequency.values, *core)
            by_x = patterns.frequency.spread(slopes)
        else:
            by_x = patterns.frequency.table(self._by_frequency, *core)
        by_T = patterns.T.table(_by_day, core[1])
        by_t = patterns.recency.table(_by_day, core[1])
        value, scores = np.empty(len(patterns)), np.empty((4, len(patterns)))
        total = self._bend_by_frequency(core, patterns, slopes) if is_common else np.zeros((4, 4))
        for rows in chunks(len(patterns), _CHUNK):
            r = core[0] if np.ndim(core[0]) == 0 else core[0][rows]
            known, d_r, d_a, d_b, shape, leaving, away = by_x(rows)
            (log_T, near_T), (log_t, near_t) = by_T(rows), by_t(rows)
            stayed, left = -shape * log_T, leaving - shape * log_t
            d_stayed = [-r * log_T, -shape * near_T]
            if k > 1:
                gap = running_gap(k, shape, -np.expm1(log_t - log_T))
                stayed += gap.log_total
                d_stayed[0] += r * gap.by_shape
                d_stayed[1] -= near_T * gap.phase
            w_stayed = expit(stayed - left)
            w_left = 1.0 - w_stayed
            value[rows] = known + np.maximum(stayed, left) - np.log(np.maximum(w_stayed, w_left))
            scores[0, rows] = d_r + w_stayed * d_stayed[0] - w_left * r * log_t
            scores[1, rows] = r + w_stayed * d_stayed[1] - w_left * shape * near_t
            scores[2, rows] = d_a + w_left
            scores[3, rows] = d_b - w_left * away
            if is_common:
                weight = patterns.weight[rows]
                apart = np.stack(
                    [d_stayed[0] + r * log_t, d_stayed[1] + shape * near_t, np.full(len(away), -1.0), away]
                )
                total += np.einsum("in,jn->ij", apart * (weight * w_stayed * w_left), apart)
                both = w_stayed * near_T + w_left * near_t
                curved = shape * (w_stayed * near_T * (near_T - 1.0) + w_left * near_t * (near_t - 1.0))
                if k > 1:
                    total[0, 0] += r**2 * (weight * w_stayed * gap.bend_shape).sum()
                    both += w_stayed * near_T * gap.bend_both
                    curved += w_stayed * near_T * (near_T * gap.bend_phase + (near_T - 1.0) * gap.phase)
                total[0, 0] += (weight * scores[0, rows]).sum()
                total[0, 1] += r * (weight * (1.0 - both)).sum()
                total[1, 0] = total[0, 1]
                total[1, 1] += (weight * curved).sum()
                total[3, 3] += (weight * w_left * away * (away - 1.0)).sum()
        return value, scores.T, (lambda: -total) if is_common else None

    def _by_frequency(self, x: Floats, r: Any, alpha: Any, a: Any, b: Any) -> Floats:
        """Return what depends on the frequency only.

        The rows: log-likelihood, its derivatives by log r, log a, log b; r + k x; the log weight of having
        left; b / b_left.
        """
        b_end, b_left, may_leave = self.b_alive(b, x), self._b_left(b, x), self.may_have_left(x)
        psi_ab, psi_end, shape = psi(a + b), psi(a + b_end), r + self.phases * x
        value = (
            gammaln(shape) - gammaln(r) + r * np.log(alpha) - x * gammaln(self.phases)
            + gammaln(a + b) - gammaln(b) + gammaln(b_end) - gammaln(a + b_end)
        )  # fmt: skip
        return np.stack(
            [
                value,
                r * (psi(shape) - psi(r) + np.log(alpha)),
                a * (psi_ab - psi_end),
                b * (psi_ab - psi_end - psi(b) + psi(b_end)),
                shape,
                np.where(may_leave, np.log(a / b_left), -np.inf),
                b / b_left,
            ]
        )

    def _bend_by_frequency(self, core: Sequence[Any], patterns: Patterns, slopes: Floats) -> Floats:
        """Return second derivatives by the log-parameters of what depends on the frequency only."""
        r, _, a, b = core
        x, count = patterns.frequency.values, patterns.customers_by_frequency
        b_end = self.b_alive(b, x)
        joint = zeta(2, a + b) - zeta(2, a + b_end)
        total = np.zeros((4, 4))
        total[0, 0] = (count * r**2 * (zeta(2, r + self.phases * x) - zeta(2, r))).sum()
        total[2, 2] = (count * (a**2 * joint + slopes[2])).sum()
        total[2, 3] = total[3, 2] = (count * a * b * joint).sum()
        total[3, 3] = (count * (b**2 * (joint - zeta(2, b) + zeta(2, b_end)) + slopes[3])).sum()
        return total

    def _b_left(self, b: Any, x: Floats) -> Floats:
        """Return b_alive - 1, which weighs having left; 1 where one cannot have left."""
        return np.where(self.may_have_left(x), self.b_alive(b, x) - 1.0, 1.0)

    def alive(self, core: Sequence[Any], known: Histories) -> Floats:
        """Return P(alive at the end of T): 1 where one cannot have left."""
        r, alpha, a, b = core
        x, t, T, k = known.frequency, known.recency, known.T, self.phases
        odds = (r + k * x) * np.log1p((T - t) / (alpha + t)) + np.log(a) - np.log(self._b_left(b, x))
        if k > 1:
            odds = odds - running_gap(k, r + k * x, (T - t) / (alpha + T)).log_total
        return np.where(self.may_have_left(x), expit(-odds), 1.0)

    def purchases_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return E[(1 - (1 + p z)^-s) / p], with s = r + x and z = days / (alpha + T)."""
        r, alpha, a, b = core
        shape, ratio = r + known.frequency, days / (alpha + known.T)
        nodes = dropout_nodes(a, self.b_alive(b, known.frequency), shape, ratio)
        return nodes.mean_purchases(shape, ratio)

    def staying_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return E[(1 + p z)^-s]: no purchase before `days` was the last."""
        r, alpha, a, b = core
        shape, ratio = r + known.frequency, days / (alpha + known.T)
        nodes = dropout_nodes(a, self.b_alive(b, known.frequency), shape, ratio)
        return nodes.mean_staying(shape, ratio)

    def silence_if_alive(self, core: Sequence[Any], known: Histories, days: Floats) -> Floats:
        """Return ((alpha + T) / (alpha + T + days))^(r + x)."""
        r, alpha = core[:2]
        return np.asarray(np.exp(-(r + known.frequency) * np.log1p(days / (alpha + known.T))))

    def waiting_if_alive(self, core: Sequence[Any], known: Histories, chance: Floats) -> Floats:
        """Return the days after which a customer alive now has bought with this chance (closed form)."""
        r, alpha = core[:2]
        with np.errstate(over="ignore"):
            return np.asarray((alpha + known.T) * np.expm1(-np.log1p(-chance) / (r + known.frequency)))

    def counts_if_alive(self, core: Sequence[Any], known: Histories, days: float, up_to: int) -> Floats:
        """Return P(0), ... P(up_to purchases in the next days); eq. (8) with updated parameters."""
        r, alpha, a, b = core
        exactly, at_least = event_chances(r + known.frequency, days / (alpha + known.T), up_to)
        a, b = np.asarray(a)[..., None], self.b_alive(b, known.frequency)[:, None]
        n = np.arange(float(up_to))
        # E[(1 - p)^n] and E[p (1 - p)^(n - 1)]
        stays = np.cumprod(np.concatenate([np.ones((len(b), 1)), (b + n) / (a + b + n)], axis=1), axis=1)
        counts = stays * exactly
        counts[:, 1:] += stays[:, :-1] * a / (a + b + n) * at_least[:, 1:]
        return np.asarray(counts)

    def at_least_if_alive(self, core: Sequence[Any], known: Histories, days: float, number: Floats) -> Floats:
        """Return P(at least so many purchases in the next days)."""
        r, alpha, a, b = core
        shape, ratio = r + known.frequency, days / (alpha + known.T)
        return at_least_in_phase(1, 0, shape, a, self.b_alive(b, known.frequency), ratio, number)

    def latent_if_alive(self, core: Sequence[Any], known: Histories, luck: Luck) -> Latent:
        """Return rates and the purchase after which the customer leaves."""
        r, alpha, a, b = core
        x = levels(known.frequency)
        with np.errstate(over="ignore", under="ignore"):
            if np.ndim(r) == 2 or np.ndim(b) == 2 or np.ndim(a) == 2:
                own, column = np.arange(len(known)), known.frequency[:, None]
            else:
                own, column = x.position, x.values[:, None]
            rate = gammaincinv(r + column, luck.rate)[own]
            left, stayed = gammaincinv(a, luck.leave), gammaincinv(self.b_alive(b, column), luck.stay)
            leaving = (left / np.maximum(left + stayed, 1e-300))[own]
            last = geometric(luck.when, leaving)
        return Latent(rate / (alpha + known.T[:, None]), np.array(np.inf), last, leaving)

    def b_alive(self, b: Any, frequency: Floats) -> Any:
        """Return the second parameter of the beta distribution of p, of a customer alive after x repeats."""
        return b + frequency + float(self.leaves_at_first)

    def may_have_left(self, frequency: Floats) -> NDArray[np.bool_]:
        """Return whether a customer with x repeat purchases may have left."""
        return (frequency > 0) | self.leaves_at_first


def _by_day(day: Floats, alpha: Any) -> Floats:
    """Return log(alpha + day) and alpha / (alpha + day)."""
    return np.stack([np.log(alpha + day), alpha / (alpha + day)])
