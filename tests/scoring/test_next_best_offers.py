"""Are the offers right, calibrated, blind to the future, and better than what is popular?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crm_analytics import scoring
from crm_analytics.errors import ModelFileError, NotEnoughData, UsageError
from crm_analytics.scoring.next_best_offer.model import OfferModel, load_offer_model
from crm_analytics.scoring.next_best_offer.offers import COLUMNS, next_best_offers
from crm_analytics.scoring.next_best_offer.training import train_offers
from crm_analytics.warehouse import SqlFile, Warehouse
from tests import build
from tests.scoring.conftest import AS_OF, order

FOLDER = Path(scoring.__file__).parent / "next_best_offer"


@pytest.fixture(scope="module")
def offers(wh: Warehouse, model: OfferModel) -> pd.DataFrame:
    return next_best_offers(wh, as_of=AS_OF, k=3, rank_by="probability", model=model)


def test_every_customer_gets_k_different_offers_in_order(offers: pd.DataFrame) -> None:
    assert tuple(offers.columns) == COLUMNS
    by_customer = offers.groupby("customer_id")
    assert (by_customer.size() == 3).all()
    assert offers.groupby("customer_id")["rank"].apply(list).map(lambda r: r == [1, 2, 3]).all()
    assert not offers.duplicated(["customer_id", "product_id"]).any()
    assert offers["probability"].between(0, 1).all()
    falls = by_customer["probability"].apply(lambda p: p.is_monotonic_decreasing)
    assert falls.all()
    assert offers["customer_id"].is_monotonic_increasing


def test_prospects_get_what_is_popular_and_staff_get_nothing(offers: pd.DataFrame) -> None:
    mine = offers[offers["source_id"] == "prospect"]
    assert mine["reason"].str.startswith("popular in your segment (DE)").all()
    assert "staff" not in set(offers["source_id"])


def test_owners_of_the_machine_are_offered_the_grinder(wh: Warehouse, model: OfferModel) -> None:
    new = next_best_offers(wh, as_of=AS_OF, k=1, new_only=True, model=model)
    owners = {
        row[0]
        for row in wh.rows(
            "select customer_id from facts.basket_items_before($as_of) group by customer_id having "
            "bool_or(product_id = 'default:ESPRESSO') and not bool_or(product_id = 'default:GRINDER')",
            as_of=AS_OF,
        )
    }
    asked = new[new["customer_id"].isin(owners)]
    assert len(asked) > 20
    assert (asked["product_id"] == "default:GRINDER").mean() > 0.9
    assert set(asked.loc[asked["product_id"] == "default:GRINDER", "reason"]) == {
        "bought together with Espresso"
    }


def test_new_only_offers_nothing_bought_before(wh: Warehouse, model: OfferModel) -> None:
    new = next_best_offers(wh, as_of=AS_OF, k=7, new_only=True, model=model)
    basket = wh.frame(SqlFile.load(FOLDER / "basket.sql"), as_of=AS_OF)
    pairs = set(zip(basket["customer_id"], basket["product_id"], strict=True))
    assert not pairs & set(zip(new["customer_id"], new["product_id"], strict=True))
    counts = new.groupby("customer_id").size()
    owned = basket.groupby("customer_id").size().reindex(counts.index).fillna(0)
    assert (counts + owned == 7).all()


def test_expected_value_is_probability_times_the_usual_order_amount(wh: Warehouse, model: OfferModel) -> None:
    found = next_best_offers(wh, as_of=AS_OF, k=3, model=model)
    amount = found["product_id"].map({"default:GRINDER": 90, "default:ESPRESSO": 190, "default:BEANS": 12})
    known = amount.notna()
    assert np.allclose(found["expected_value"][known], (found["probability"] * amount)[known])
    falls = found.groupby("customer_id")["expected_value"].apply(lambda v: v.is_monotonic_decreasing)
    assert falls.all()


def test_probabilities_are_right_on_the_window_that_followed(wh: Warehouse, model: OfferModel) -> None:
    found = next_best_offers(wh, as_of=AS_OF, k=7, rank_by="probability", model=model)
    bought = wh.frame(SqlFile.load(FOLDER / "bought.sql"), as_of=AS_OF, horizon_days=60)
    truth = found.merge(bought.assign(bought=1), on=["customer_id", "product_id"], how="left")[
        "bought"
    ].fillna(0)
    assert 0.8 < found["probability"].sum() / truth.sum() < 1.25
    high = found["probability"] > 0.4
    assert truth[high].mean() == pytest.approx(found["probability"][high].mean(), abs=0.1)


def test_the_blend_beats_popularity_and_the_card_says_by_how_much(model: OfferModel) -> None:
    blend, popular = model.card.metrics["blend"], model.card.metrics["popular"]
    assert blend["hit_rate"].value > popular["hit_rate"].value
    assert blend["recall"].low > popular["recall"].value
    assert model.card.chosen == "blend"
    assert model.card.baselines == ("popular",)
    assert f"{popular['hit_rate'].value:.1%} with popular products" in model.card.verdict


def test_later_events_and_the_order_of_rows_change_no_offer(
    shop_rows: dict[str, list[dict[str, Any]]], model: OfferModel, offers: pd.DataFrame
) -> None:
    past = [row for row in shop_rows["order_lines"] if row["occurred_at"] < AS_OF.isoformat()]
    later = [order(f"c{n:03d}", date(2024, 7, 1), "ESPRESSO") for n in range(100)]
    rows = {**shop_rows, "order_lines": [*later, *reversed(past)]}
    with build.warehouse(**rows) as other:
        again = train_offers(other, as_of=AS_OF, horizon_days=60, k=2)
        found = next_best_offers(other, as_of=AS_OF, k=3, rank_by="probability", model=again)
    assert again == model
    assert_frame_equal(found, offers, check_exact=True)


def test_a_saved_model_makes_the_same_offers(
    wh: Warehouse, model: OfferModel, offers: pd.DataFrame, tmp_path: Path
) -> None:
    path = model.save(tmp_path / "offers.json")
    back = load_offer_model(path)
    found = next_best_offers(wh, as_of=AS_OF, k=3, rank_by="probability", model=back)
    assert_frame_equal(found, offers, check_exact=True)
    path.write_text(path.read_text().replace('"horizon_days": 60', '"horizon_days": 61'))
    with pytest.raises(ModelFileError, match="sha256"):
        load_offer_model(path)


def test_one_customer_is_enough_to_get_an_answer() -> None:
    days = [date(2024, 1, 10), date(2024, 2, 10), date(2024, 4, 10), date(2024, 6, 10)]
    lines = [order("solo", day, "BEANS") for day in days] + [order("solo", days[0], "TEA")]
    with build.warehouse(order_lines=lines) as small:
        found = next_best_offers(small, as_of=AS_OF, k=5, rank_by="probability", horizon_days=60)
    assert found["product_id"].tolist() == ["default:BEANS", "default:TEA"]
    assert found["reason"].tolist() == ["bought again every 51 days", "bought before"]


def test_who_refused_marketing_gets_no_offer(model: OfferModel) -> None:
    """Also who refused on the very day: the table is sent from. Another channel may still be allowed."""
    lines = [order(name, date(2024, 6, 1), "BEANS") for name in ("yes", "no", "late", "post")]
    said = [
        {"customer_source_id": name, "channel": channel, "is_granted": granted, "occurred_at": day}
        for name, channel, granted, day in (
            ("no", "email", False, "2024-01-01"),
            ("late", "email", False, "2024-07-01"),
            ("post", "email", False, "2024-01-01"),
            ("post", "post", True, "2024-01-01"),
        )
    ]
    with build.warehouse(order_lines=lines, consents=said) as small:
        mailed = next_best_offers(small, as_of=AS_OF, k=1, model=model)
        posted = next_best_offers(small, as_of=AS_OF, k=1, model=model, channel="post")
    assert mailed["source_id"].tolist() == ["yes"]
    assert posted["source_id"].tolist() == ["post", "yes"]


def test_nothing_bought_lately_is_not_enough_data() -> None:
    with (
        build.warehouse(order_lines=[order("solo", date(2024, 1, 10), "BEANS")]) as small,
        pytest.raises(NotEnoughData, match="was bought by a known customer in the 60 days before 2024-07-01"),
    ):
        next_best_offers(small, as_of=AS_OF, horizon_days=60)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"k": 0}, "k=0 must be at least 1"), ({"rank_by": "price"}, "rank_by='price' is unknown")],
)
def test_calls_that_cannot_mean_anything_are_refused(
    given: dict[str, Any], message: str, wh: Warehouse, model: OfferModel
) -> None:
    with pytest.raises(UsageError, match=message):
        next_best_offers(wh, as_of=AS_OF, model=model, **given)


def test_a_model_that_knows_the_answer_may_not_offer(wh: Warehouse, model: OfferModel) -> None:
    with pytest.raises(UsageError, match="learned from purchases up to 2024-07-01"):
        next_best_offers(wh, as_of=date(2024, 6, 1), model=model)


def test_golden_rows_of_the_inputs() -> None:
    lines = [
        order("a", date(2024, 6, 1), "BEANS"),
        order("a", date(2024, 6, 11), "BEANS"),
        {**order("a", date(2024, 6, 11), "BEANS"), "quantity": 3},
        order("a", date(2024, 7, 1), "TEA"),
        {**order("b", date(2023, 7, 1), "MUG"), "product_name": "Mug, old"},
        {**order("b", date(2024, 6, 30), "CUP"), "product_name": "Cup", "amount": None, "unit_price": None},
    ]
    products = [{"source_id": "BEANS", "name": "Beans 1 kg", "created_at": "2020-01-01"}]
    people = [{"source_id": "b", "country": "FR", "created_at": "2023-01-01"}]
    no = [{"customer_source_id": "b", "channel": "email", "is_granted": False, "occurred_at": "2024-07-01"}]
    with build.warehouse(order_lines=lines, products=products, customers=people, consents=no) as small:
        basket = small.rows(SqlFile.load(FOLDER / "basket.sql"), as_of=AS_OF)
        goods = small.rows(SqlFile.load(FOLDER / "products.sql"), as_of=AS_OF)
        audience = small.rows(SqlFile.load(FOLDER / "audience.sql"), as_of=AS_OF, channel="email")
        bought = small.rows(SqlFile.load(FOLDER / "bought.sql"), as_of=date(2024, 6, 11), horizon_days=20)
    assert basket == [
        ("default:a", "default:BEANS", 2, 30, 20),
        ("default:b", "default:CUP", 1, 1, 1),
        ("default:b", "default:MUG", 1, 366, 366),
    ]
    # two orders of beans: 12 and 12 + 36; the mug was sold too long ago; the cup has no price
    assert goods == [("default:BEANS", "Beans 1 kg", 30.0), ("default:CUP", "Cup", None)]
    assert audience == [
        ("default:a", "default", "a", None, 2, 19, False),
        ("default:b", "default", "b", "FR", 2, 0, True),
    ]
    assert bought == [("default:a", "default:BEANS"), ("default:b", "default:CUP")]
