"""What should each customer be offered next, and why?  The k best products per customer, with a
probability.

The value of an offer is its probability times the mean net amount of an order of the product: expected
*revenue*, not margin, because costs are known for few sources. What is sold rarely and dear can therefore
rank above what is likely and cheap; rank by probability where that is not wanted.

Nobody who refused marketing on the channel of the offers gets any: the table is published and sent from.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import one_of
from crm_analytics.scoring.next_best_offer.blend import chunks, inputs_of
from crm_analytics.scoring.next_best_offer.model import OfferModel
from crm_analytics.scoring.next_best_offer.purchases import Purchases, purchases_before
from crm_analytics.scoring.next_best_offer.recommenders import RECOMMENDERS, Scorer, pair_lifts
from crm_analytics.scoring.next_best_offer.training import top, train_offers
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import Warehouse, check_day

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# A pair is worth naming when buyers of the one buy the other at least so much more often than others do.
_NOTABLE_LIFT = float(np.log(1.2))
COLUMNS = (
    "customer_id",
    "source_system",
    "source_id",
    "rank",
    "product_id",
    "product_name",
    "probability",
    "expected_value",
    "reason",
)


def next_best_offers(
    wh: Warehouse,
    *,
    as_of: date,
    k: int = 5,
    new_only: bool = False,
    rank_by: Literal["expected_value", "probability"] = "expected_value",
    horizon_days: int = 90,
    model: OfferModel | None = None,
    seed: int = 0,
    channel: str = "email",
) -> pd.DataFrame:
    """Return the k best products for every customer known before `as_of` who may be sent an offer.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    k : int, default 5
        Offers per customer, fewer where fewer products are on sale (or new to the customer).
    new_only : bool, default False
        Only products that the customer has never bought.
    rank_by : {"expected_value", "probability"}, default "expected_value"
        What the first offer is best in. Products without a known price come last by expected value.
    horizon_days : int, default 90
        Window of the purchase; not used when a `model` is given, which has its own.
    model : OfferModel, optional
        As `train_offers` or `load_offer_model` returned it; default: one is trained at `as_of`.
    seed : int, default 0
        Seed of that training.
    channel : str, default "email"
        How offers go out, a word of the channels (``email``, ``post`` ...): who is known to have refused
        marketing on it, or on every channel, gets none.

    Returns
    -------
    DataFrame
        Ordered by customer_id and rank: ``customer_id, source_system, source_id, rank`` (1 = best),
        ``product_id, product_name, probability`` (0..1, of a purchase in the horizon), ``expected_value``
        (probability x mean net amount of an order of it, reporting currency; NaN = no price) and
        ``reason``.

    Raises
    ------
    NotEnoughData
        There is nothing to learn from (see `train_offers`).
    UsageError
        `k` below 1, an unknown `rank_by` or `channel`, or a model that saw purchases at or after `as_of`.
    """
    check_day(as_of)
    if k < 1:
        raise UsageError(f"k={k} must be at least 1.")
    if rank_by not in ("expected_value", "probability"):
        raise UsageError(f"rank_by={rank_by!r} is unknown. Use 'expected_value' or 'probability'.")
    one_of("channel", channel, WORDS["channels"])
    if model is None:
        model = train_offers(wh, as_of=as_of, horizon_days=horizon_days, seed=seed)
    if model.as_of > as_of:
        raise UsageError(
            f"as_of={as_of}: the model learned from purchases up to {model.as_of}. "
            f"Train one with as_of={as_of}, or leave the model out."
        )
    settle_currency(wh)
    known = purchases_before(wh, as_of=as_of, channel=channel)
    scorers = {name: make(known, model.horizon_days) for name, make in RECOMMENDERS.items()}
    lifts = pair_lifts(known)
    amounts = known.products["mean_amount"].to_numpy(dtype=np.float64)
    parts = [
        _offers(known, rows, model, scorers, lifts, amounts, k, new_only, rank_by) for rows in chunks(known)
    ]
    found = pd.concat(parts, ignore_index=True) if parts else _empty()
    refused = known.customers.loc[known.customers["is_refused"].astype(bool), "customer_id"]
    return found[~found["customer_id"].isin(refused)].reset_index(drop=True)


def _offers(
    known: Purchases,
    rows: slice,
    model: OfferModel,
    scorers: dict[str, Scorer],
    lifts: Floats,
    amounts: Floats,
    k: int,
    new_only: bool,
    rank_by: str,
) -> pd.DataFrame:
    """Return the offers of one slice of customers."""
    owned = known.owned(rows)
    inputs = inputs_of(scorers, known, rows)
    probability = model.probability(inputs, owned)
    worth = (
        probability * np.where(np.isnan(amounts), 0.0, amounts)
        if rank_by == "expected_value"
        else probability
    )
    worth = np.where(owned, -np.inf, worth) if new_only else worth.copy()
    possible = np.isfinite(worth).sum(axis=1)
    first = top(worth, k)
    kept = np.arange(first.shape[1])[None, :] < possible[:, None]
    position, place = np.nonzero(kept)
    product = first[position, place]
    chance = probability[position, product]
    people = known.customers.iloc[rows].iloc[position]
    goods = known.products.iloc[product]
    return pd.DataFrame(
        {
            "customer_id": people["customer_id"].to_numpy(),
            "source_system": people["source_system"].to_numpy(),
            "source_id": people["source_id"].to_numpy(),
            "rank": place + 1,
            "product_id": goods["product_id"].to_numpy(),
            "product_name": goods["product_name"].to_numpy(),
            "probability": chance,
            "expected_value": chance * amounts[product],
            "reason": _reasons(known, rows, position, product, owned[position, product], lifts),
        },
        columns=list(COLUMNS),
    ).astype(dict.fromkeys(("customer_id", "source_system", "source_id", "product_id", "reason"), "str"))


def _reasons(
    known: Purchases,
    rows: slice,
    position: Integers,
    product: Integers,
    owned: NDArray[np.bool_],
    lifts: Floats,
) -> list[str]:
    """Say for each offer what speaks for it: an own rhythm, a product the customer has, or popularity."""
    names = [
        str(identity) if pd.isna(name) else str(name)
        for identity, name in zip(known.products["product_id"], known.products["product_name"], strict=True)
    ]
    partner, lift = _partners(known, rows, position, product, lifts)
    every = _rhythm(known, rows, position, product)
    segment = known.segment[rows][position]
    texts = []
    for number in range(len(product)):
        if owned[number]:
            days = every[number]
            texts.append(
                "bought before" if np.isnan(days) else f"bought again every {max(1.0, days):.0f} days"
            )
        elif lift[number] >= _NOTABLE_LIFT:
            texts.append(f"bought together with {names[partner[number]]}")
        elif segment[number] >= 0:
            texts.append(f"popular in your segment ({known.segment_names[segment[number]]})")
        else:
            texts.append("popular with all customers")
    return texts


def _partners(
    known: Purchases, rows: slice, position: Integers, product: Integers, lifts: Floats
) -> tuple[Integers, Floats]:
    """Return, per offer, the customer's product that speaks most for it, and its ln lift (-inf = none)."""
    begin, end = known.starts[rows.start : rows.stop], known.starts[rows.start + 1 : rows.stop + 1]
    count = (end - begin)[position]
    offer = np.repeat(np.arange(len(product)), count)
    first = np.cumsum(count) - count
    entry = np.arange(len(offer)) - np.repeat(first, count) + np.repeat(begin[position], count)
    mine = known.product[entry]
    value = lifts[mine, product[offer]]
    # the highest lift of each offer; equal lifts by product number
    order = np.lexsort((mine, -value, offer))
    best = np.full(len(product), -np.inf)
    partner = np.zeros(len(product), dtype=np.int64)
    has = count > 0
    best[has], partner[has] = value[order][first[has]], mine[order][first[has]]
    return partner, best


def _rhythm(known: Purchases, rows: slice, position: Integers, product: Integers) -> Floats:
    """Return the mean days between the customer's purchases of the product; NaN = fewer than two."""
    where, entry_position = known.entries(rows)
    gaps = np.full((rows.stop - rows.start, len(known.products)), np.nan)
    count = known.order_count[where]
    days = known.first_days[where] - known.last_days[where]
    gaps[entry_position, known.product[where]] = np.where(
        count > 1, days / np.maximum(count - 1.0, 1.0), np.nan
    )
    return np.asarray(gaps[position, product], dtype=np.float64)


def _empty() -> pd.DataFrame:
    numbers = {"rank": "int64", "probability": "float64", "expected_value": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=numbers.get(name, "str")) for name in COLUMNS})
