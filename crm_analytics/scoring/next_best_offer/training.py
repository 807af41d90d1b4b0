"""How likely is a purchase, and is the blend better than offering what is popular?  Walk-forward learning.

The blend is learned on the last window that ended by `as_of` (customers and scores as they stood when it
began). To judge it, the same is done one window earlier and tried on the last one: whom did the first k
offers hit, against the same number of popular products? Where the blend is not better there, popularity
alone is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.cutoffs import Cutoff, rolling_cutoffs
from crm_analytics.modelling.evaluate import Metric, bootstrap_weights
from crm_analytics.modelling.logistic import sigmoid
from crm_analytics.modelling.model_card import CutoffUse, ModelCard
from crm_analytics.scoring.next_best_offer.blend import ACTIVITY, Blend, chunks, fit_blend, inputs_of
from crm_analytics.scoring.next_best_offer.model import INPUTS, KIND, OfferModel
from crm_analytics.scoring.next_best_offer.purchases import Purchases, bought_matrix, purchases_before
from crm_analytics.scoring.next_best_offer.recommenders import RECOMMENDERS, Scorer
from crm_analytics.warehouse import Warehouse, check_day

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
# Learned and judged on a draw of customers: at most so many, and so many customer-product pairs.
CUSTOMERS = 20_000
CELLS = 20_000_000
PAIRS = 400_000
_POPULAR_ONLY = ("popular", *ACTIVITY)


class _Window(NamedTuple):
    """Customers of a window with what was known when it began and what they bought in it."""

    cutoff: Cutoff
    known: Purchases
    bought: Bools
    scorers: dict[str, Scorer]


class _Blends(NamedTuple):
    first_time: Blend
    again: Blend

    def log_odds(self, inputs: dict[str, Floats], owned: Bools) -> Floats:
        return np.where(owned, self.again.log_odds(inputs), self.first_time.log_odds(inputs))


def train_offers(
    wh: Warehouse, *, as_of: date, horizon_days: int = 90, k: int = 5, seed: int = 0
) -> OfferModel:
    """Learn what the recommenders' scores are worth, from windows that ended by `as_of`.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    horizon_days : int, default 90
        Window of the purchase that is predicted.
    k : int, default 5
        Offers per customer by which the blend is judged.
    seed : int, default 0
        Seed of the draw of customers and pairs to learn from, and of the intervals.

    Returns
    -------
    OfferModel
        ``card.verdict`` says how it compares with popularity.

    Raises
    ------
    NotEnoughData
        Nothing was bought in the window before `as_of` by customers known before it.
    """
    check_day(as_of)
    if horizon_days < 1 or k < 1:
        raise UsageError(f"horizon_days={horizon_days} and k={k} must both be at least 1.")
    settle_currency(wh)
    cutoffs = rolling_cutoffs(end_on=as_of, horizon_days=horizon_days, first_on=date.min, max_count=2)
    last = _window(wh, cutoffs[1], seed)
    if not last.bought.any():
        raise NotEnoughData(
            f"Nothing that was on sale before {last.cutoff.as_of} was bought by a known customer in the "
            f"{horizon_days} days before {as_of}. Use a longer horizon_days, or load more orders."
        )
    earlier = _window(wh, cutoffs[0], seed)
    metrics, names, verdict = _judge(earlier, last, k, seed)
    first_time, again = _fit(last, names, seed)
    windows = [("train", earlier)] if metrics else []
    windows.append(("hold-out" if metrics else "train", last))
    card = ModelCard(
        name=KIND,
        event=f"the customer buys the product in the {horizon_days} days from the day of the score on",
        as_of=as_of,
        horizon_days=horizon_days,
        cutoffs=tuple(
            CutoffUse(w.cutoff.as_of, role, len(w.bought), float(np.mean(w.bought.any(axis=1))))
            for role, w in windows
        ),
        features=names,
        metrics=metrics,
        baselines=("popular",),
        chosen="blend" if names == INPUTS else "popular",
        verdict=verdict,
        notes=(
            f"hit rate: share of buyers who bought one of their first {k} offers",
            "recall: share of what they bought that was among those offers",
        ),
    )
    return OfferModel(horizon_days, as_of, first_time, again, card)


def _window(wh: Warehouse, cutoff: Cutoff, seed: int) -> _Window:
    """Look at a window with a seeded draw of customers; totals are taken over all of them."""
    known = purchases_before(wh, as_of=cutoff.as_of)
    scorers = {name: make(known, cutoff.horizon_days) for name, make in RECOMMENDERS.items()}
    count = len(known.customers)
    size = min(CUSTOMERS, CELLS // max(1, len(known.products)))
    if count > size:
        drawn = np.random.default_rng(seed).choice(count, size=size, replace=False)
        known = known.only(np.sort(drawn))
    bought = bought_matrix(wh, known, as_of=cutoff.as_of, horizon_days=cutoff.horizon_days)
    return _Window(cutoff, known, bought, scorers)


def _fit(window: _Window, names: tuple[str, ...], seed: int) -> _Blends:
    """Fit both blends on all bought pairs and a weighted draw of the others."""
    generator = np.random.default_rng(seed)
    share = min(1.0, PAIRS / max(1, window.bought.size))
    parts: list[pd.DataFrame] = []
    for rows, inputs in _inputs(window):
        bought, owned = window.bought[rows], window.known.owned(rows)
        taken = bought | (generator.random(bought.shape) < share)
        values = {name: np.broadcast_to(inputs[name], bought.shape)[taken] for name in names}
        parts.append(pd.DataFrame({**values, "bought": bought[taken], "owned": owned[taken]}))
    pairs = pd.concat(parts, ignore_index=True)
    weight = np.where(pairs["bought"], 1.0, 1.0 / share)
    everything = _fit_pairs(pairs, names, weight)
    blends = []
    for is_owned in (False, True):
        mine = (pairs["owned"] == is_owned).to_numpy()
        # too few purchases of one kind: both kinds share what was learned from all pairs
        enough = int(pairs.loc[mine, "bought"].sum()) >= 20
        blends.append(_fit_pairs(pairs[mine], names, weight[mine]) if enough else everything)
    return _Blends(blends[0], blends[1])


def _fit_pairs(pairs: pd.DataFrame, names: tuple[str, ...], weight: Floats) -> Blend:
    inputs = {name: pairs[name].to_numpy() for name in names}
    return fit_blend(inputs, pairs["bought"].to_numpy(dtype=bool), weight)


def _inputs(window: _Window) -> Iterator[tuple[slice, dict[str, Floats]]]:
    for rows in chunks(window.known):
        yield rows, inputs_of(window.scorers, window.known, rows)


def _judge(
    earlier: _Window, last: _Window, k: int, seed: int
) -> tuple[dict[str, dict[str, Metric]], tuple[str, ...], str]:
    """Learn one window earlier and try it on the last; return metrics, inputs to use and verdict."""
    if not earlier.bought.any():
        return {}, INPUTS, "Use with care: there is no earlier window to judge the offers on."
    metrics = _measure(last, _fit(earlier, INPUTS, seed), k, seed)
    ours, theirs = metrics["blend"]["hit_rate"].value, metrics["popular"]["hit_rate"].value
    found = f"{ours:.1%} of buyers bought one of their first {k} offers, {theirs:.1%} with popular products"
    if ours <= theirs:
        return (
            metrics,
            _POPULAR_ONLY,
            f"The blend is no better than popularity, which is used instead: {found}.",
        )
    level = metrics["blend"]["calibration_in_the_large"].value
    return (
        metrics,
        INPUTS,
        f"May be used to rank: {found}, in a later window. Probabilities there added up to {level:.2f} times "
        "what was bought: their level follows the season before.",
    )


def _measure(window: _Window, blends: _Blends, k: int, seed: int) -> dict[str, dict[str, Metric]]:
    """Return hit rate and recall of the first k offers among customers who bought something.

    By the blend and by each recommender alone; for the blend also expected over actual purchases.
    """
    hits: dict[str, list[Floats]] = {name: [] for name in ("blend", *RECOMMENDERS)}
    expected: list[Floats] = []
    for rows, inputs in _inputs(window):
        mine = window.bought[rows]
        blended = blends.log_odds(inputs, window.known.owned(rows))
        expected.append(sigmoid(blended).sum(axis=1))
        ranks = {"blend": blended, **{name: np.array(inputs[name]) for name in RECOMMENDERS}}
        for name, values in ranks.items():
            found = np.take_along_axis(mine, top(values, k), axis=1)
            hits[name].append(found.sum(axis=1).astype(np.float64))
    bought = window.bought.sum(axis=1).astype(np.float64)
    buyers = bought > 0
    draws = list(bootstrap_weights(int(buyers.sum()), customers=None, seed=seed, replicates=200))
    metrics = {}
    for name, parts in hits.items():
        hit = np.concatenate(parts)[buyers]
        metrics[name] = {
            "hit_rate": _ratio((hit > 0).astype(np.float64), np.ones(len(hit)), draws),
            "recall": _ratio(hit, bought[buyers], draws),
        }
    everybody = list(bootstrap_weights(len(bought), customers=None, seed=seed, replicates=200))
    metrics["blend"]["calibration_in_the_large"] = _ratio(np.concatenate(expected), bought, everybody)
    return metrics


def _ratio(above: Floats, below: Floats, draws: list[Floats]) -> Metric:
    """Return sum(above) / sum(below) with a bootstrap interval."""
    drawn = [float(np.sum(w * above) / np.sum(w * below)) for w in draws if np.sum(w * below) > 0]
    low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
    return Metric(float(np.sum(above) / np.sum(below)), float(low), float(high))


def top(values: Floats, k: int) -> NDArray[np.int64]:
    """Return the columns of the k highest values of each row, best first; equal values by column number.

    `values` is used up: what was taken becomes minus infinity.

    Examples
    --------
    >>> top(np.array([[1.0, 3.0, 3.0]]), 2).tolist()
    [[1, 2]]
    """
    rows = np.arange(len(values))
    found = np.empty((len(values), min(k, values.shape[1])), dtype=np.int64)
    for place in range(found.shape[1]):
        best = np.argmax(values, axis=1)
        found[:, place] = best
        values[rows, best] = -np.inf
    return found
