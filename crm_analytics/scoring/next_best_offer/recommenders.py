"""How well does each product fit each customer?  Three simple recommenders, each from one idea.

A recommender looks at all purchases before a day and returns a scorer: for a slice of customers, a matrix
(customers, products) of natural logarithms, higher = fits better, finite everywhere. A customer's row
depends on that customer's own purchases and on totals over all customers, never on who else is in the
slice.

To add one: write a function with the same signature and add a line to ``RECOMMENDERS``; the tests of the
common promises run over all of them. What a score is worth as a probability is learned in `blend`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from crm_analytics.scoring.next_best_offer.purchases import Purchases

Floats = NDArray[np.float64]
Scorer = Callable[[Purchases, slice], Floats]

RECENT_DAYS = 180
# Each prior counts as much as so many customers.
_SEGMENT_PRIOR = 50.0
_PAIR_PRIOR = 20.0
# ... and the repeat rate of a product as much as half a repeat purchase of the customer's own.
_REPEAT_PRIOR = 0.5
# A product speaks for at most so many others: its strongest partners.
PARTNERS = 50
NOT_OWNED = float(np.log(1e-6))


def popular(known: Purchases, horizon_days: int) -> Scorer:
    """Score by the share of customers of the same segment who bought the product in the last 180 days.

    Shares of small segments are drawn towards the overall share (a prior of 50 customers); a customer of
    unknown segment gets the overall share.
    """
    product_count = len(known.products)
    recent = known.last_days <= RECENT_DAYS
    customer = np.repeat(np.arange(len(known.customers)), np.diff(known.starts))
    overall = np.bincount(known.product[recent], minlength=product_count)
    share = (overall + 0.5) / (len(known.customers) + 1.0)
    rates = np.empty((len(known.segment_names) + 1, product_count))
    rates[-1] = share
    for number in range(len(known.segment_names)):
        mine = recent & (known.segment[customer] == number)
        bought = np.bincount(known.product[mine], minlength=product_count)
        members = int(np.sum(known.segment == number))
        rates[number] = (bought + _SEGMENT_PRIOR * share) / (members + _SEGMENT_PRIOR)
    logs = np.log(rates)

    def score(of: Purchases, rows: slice) -> Floats:
        return np.asarray(logs[of.segment[rows]], dtype=np.float64)

    return score


def bought_together(known: Purchases, horizon_days: int) -> Scorer:
    """Score by the best lift among the customer's products: ln of P(product | one of mine) / P(product).

    P(j | i) is the share of buyers of i who bought j, drawn towards P(j) (a prior of 20 customers), so that
    few buyers make no strong pair. A product speaks for its 50 strongest partners (`PARTNERS`) with a lift
    above 1, and never for itself; 0 = no product of the customer speaks for it.
    """
    partner, lift = strongest_partners(pair_lifts(known))

    def score(of: Purchases, rows: slice) -> Floats:
        where, position = of.entries(rows)
        mine = of.product[where]
        best = np.zeros((rows.stop - rows.start, len(of.products)))
        np.maximum.at(best, (position[:, None], partner[mine]), lift[mine])
        return best

    return score


def buy_again(known: Purchases, horizon_days: int) -> Scorer:
    """Score by the probability of buying again in the horizon what was bought before, as its logarithm.

    Repeat purchases are taken as a Poisson stream whose rate is the customer's own (repeats / days since
    the first purchase), drawn towards the product's (gamma prior worth half a repeat). Products the
    customer does not own get ln(1e-6).
    """
    product_count = len(known.products)
    repeats = np.bincount(known.product, weights=known.order_count - 1.0, minlength=product_count)
    exposure = np.bincount(known.product, weights=known.first_days, minlength=product_count)
    overall = (float(np.sum(repeats)) + 0.5) / (float(np.sum(exposure)) + 365.0)
    # a product nobody has had for long stands at the overall rate
    typical = (repeats + 365.0 * overall) / (exposure + 365.0)

    def score(of: Purchases, rows: slice) -> Floats:
        where, position = of.entries(rows)
        product = of.product[where]
        rate = (of.order_count[where] - 1.0 + _REPEAT_PRIOR) / (
            of.first_days[where] + _REPEAT_PRIOR / typical[product]
        )
        found = np.full((rows.stop - rows.start, len(of.products)), NOT_OWNED)
        found[position, product] = np.log(-np.expm1(-horizon_days * rate))
        return found

    return score


RECOMMENDERS: dict[str, Callable[[Purchases, int], Scorer]] = {
    "popular": popular,
    "bought_together": bought_together,
    "buy_again": buy_again,
}


def pair_lifts(known: Purchases) -> Floats:
    """Return ln lift of product j (column) among the buyers of product i (row).

    The diagonal is minus infinity: a product says nothing of itself.
    """
    from scipy.sparse import csr_array

    count, product_count = len(known.customers), len(known.products)
    basket = csr_array(
        (np.ones(len(known.product)), known.product, known.starts), shape=(count, product_count)
    )
    together = (basket.T @ basket).toarray()
    buyers = np.diagonal(together).copy()
    share = (buyers + 0.5) / (count + 1.0)
    given = (together + _PAIR_PRIOR * share[None, :]) / (buyers[:, None] + _PAIR_PRIOR)
    lifts = np.log(given / share[None, :])
    np.fill_diagonal(lifts, -np.inf)
    return np.asarray(lifts, dtype=np.float64)


def strongest_partners(lifts: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return, per product, the columns of its strongest partners and their ln lifts (0 = lift below 1).

    Both have shape (products, at most `PARTNERS`).

    Examples
    --------
    >>> partner, lift = strongest_partners(np.array([[-np.inf, 0.7], [-0.2, -np.inf]]))
    >>> lift.max(axis=1).tolist()
    [0.7, 0.0]
    """
    count = min(PARTNERS, lifts.shape[1])
    partner = np.argpartition(-lifts, count - 1, axis=1)[:, :count] if count else np.empty(lifts.shape, int)
    return np.asarray(partner, np.int64), np.maximum(np.take_along_axis(lifts, partner, axis=1), 0.0)
