"""Does every recommender keep the common promises?  One test per promise, over the whole registry."""

from __future__ import annotations

import numpy as np
import pytest

from crm_analytics.scoring.next_best_offer.blend import chunks
from crm_analytics.scoring.next_best_offer.purchases import Purchases, purchases_before
from crm_analytics.scoring.next_best_offer.recommenders import NOT_OWNED, RECOMMENDERS, pair_lifts
from crm_analytics.warehouse import Warehouse
from tests.scoring.conftest import AS_OF


@pytest.fixture(scope="module")
def known(wh: Warehouse) -> Purchases:
    return purchases_before(wh, as_of=AS_OF)


def column(known: Purchases, product: str) -> int:
    return known.products["product_id"].tolist().index(f"default:{product}")


def test_there_are_recommenders() -> None:
    assert set(RECOMMENDERS) >= {"popular", "bought_together", "buy_again"}


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_scores_are_finite_and_of_the_right_shape(name: str, known: Purchases) -> None:
    scores = RECOMMENDERS[name](known, 60)(known, slice(3, 50))
    assert scores.shape == (47, len(known.products))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_customer_scores_alone_as_in_a_batch(name: str, known: Purchases) -> None:
    score = RECOMMENDERS[name](known, 60)
    together = score(known, slice(0, len(known.customers)))
    for row in range(0, len(known.customers), 40):
        assert np.array_equal(score(known, slice(row, row + 1))[0], together[row])
    some = np.arange(5, len(known.customers), 7)
    assert np.array_equal(score(known.only(some), slice(0, len(some))), together[some])


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_a_customer_without_purchases_gets_a_score(name: str, known: Purchases) -> None:
    row = known.customers["source_id"].tolist().index("prospect")
    assert np.isfinite(RECOMMENDERS[name](known, 60)(known, slice(row, row + 1))).all()


def test_what_many_buy_is_popular(known: Purchases) -> None:
    scores = RECOMMENDERS["popular"](known, 60)(known, slice(0, 2))
    assert (scores[:, column(known, "BEANS")] > scores[:, column(known, "GRINDER")]).all()


def test_the_machine_speaks_for_the_grinder_and_not_for_itself(known: Purchases) -> None:
    lifts = pair_lifts(known)
    machine, grinder = column(known, "ESPRESSO"), column(known, "GRINDER")
    assert np.argmax(lifts[machine]) == grinder
    assert lifts[machine, grinder] > np.log(1.8)
    assert np.isneginf(np.diagonal(lifts)).all()


def test_a_checkerboard_gives_its_empty_diagonal_back() -> None:
    """Customers of one colour buy all products of that colour but one: that one is bought together."""
    size = 40
    bought = [[p for p in range(size) if p % 2 == c % 2 and p != c] for c in range(size)]
    known = purchases_of(bought, size)
    best = RECOMMENDERS["bought_together"](known, 60)(known, slice(0, size))
    best[known.owned(slice(0, size))] = -np.inf
    assert np.argmax(best, axis=1).tolist() == list(range(size))


def test_buying_again_follows_the_customers_own_rhythm(known: Purchases) -> None:
    scores = RECOMMENDERS["buy_again"](known, 60)(known, slice(0, len(known.customers)))
    owned = known.owned(slice(0, len(known.customers)))
    assert (scores[~owned] == NOT_OWNED).all()
    assert (scores[owned] > NOT_OWNED).all()
    assert (scores < 0).all()
    beans = column(known, "BEANS")
    mine = known.product == beans
    customer = np.repeat(np.arange(len(known.customers)), np.diff(known.starts))[mine]
    rate = known.order_count[mine] / known.first_days[mine]
    order = np.argsort(rate)
    rare, often = scores[customer[order[:30]], beans].mean(), scores[customer[order[-30:]], beans].mean()
    assert often > rare + 0.5


def test_chunks_cover_every_customer_once(known: Purchases) -> None:
    rows = [row for part in chunks(known) for row in range(part.start, part.stop)]
    assert rows == list(range(len(known.customers)))


def purchases_of(bought: list[list[int]], product_count: int) -> Purchases:
    import pandas as pd

    product = np.array([p for mine in bought for p in mine])
    ones = np.ones(len(product))
    return Purchases(
        customers=pd.DataFrame({"customer_id": [f"c{n:02d}" for n in range(len(bought))]}),
        products=pd.DataFrame({"product_id": [f"p{n:02d}" for n in range(product_count)]}),
        starts=np.concatenate([[0], np.cumsum([len(mine) for mine in bought])]),
        product=product,
        order_count=ones,
        first_days=ones * 10,
        last_days=ones * 10,
        segment=np.full(len(bought), -1),
        segment_names=(),
    )
