"""Are the retention figures what a person with pencil and paper would count?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest

from crm_analytics import churn
from crm_analytics.churn.activity import active_days
from crm_analytics.churn.post_mortem import cliffs_delta
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build
from tests.churn.conftest import AS_OF as SHOP_AS_OF

AS_OF = date(2024, 1, 1)


def line(customer: str, day: str, amount: str, **more: object) -> dict[str, object]:
    return {
        "customer_source_id": customer,
        "order_source_id": f"{customer}-{day}",
        "product_source_id": "P1",
        "occurred_at": day,
        "unit_price": amount,
        **more,
    }


@pytest.fixture(scope="module")
def shop() -> Iterator[Warehouse]:
    """Two years: 2022 and 2023."""
    lines = [
        line("gone", "2022-03-01", "100"),
        line("less", "2022-05-01", "100"),
        line("less", "2023-05-01", "40"),
        line("more", "2022-06-01", "100"),
        line("more", "2023-06-01", "130"),
        line("more", "2023-09-01", "100"),
        line("new", "2023-02-10", "500"),
        line("own", "2022-01-05", "900"),
        line("old", "2021-12-31", "70"),
        line("old", "2022-01-01", "50"),
    ]
    people = [{"source_id": "own", "is_internal": True, "created_at": "2021-01-01"}]
    with build.warehouse(order_lines=lines, customers=people) as wh:
        yield wh


def test_purchases_kept_lost_and_grown_are_counted_as_defined(shop: Warehouse) -> None:
    found = churn.retention(shop, as_of=AS_OF, period_count=2).iloc[-1]
    assert (found["starting_count"], found["kept_count"], found["lost_count"]) == (4, 2, 2)
    assert found["won_count"] == 1
    assert found["logo_churn_rate"] == pytest.approx(0.5)
    assert float(found["starting_amount"]) == 350  # gone 100, less 100, more 100, old 50
    assert found["gross_retention_rate"] == pytest.approx((40 + 100) / 350)
    assert found["revenue_churn_rate"] == pytest.approx(1 - 140 / 350)
    assert found["net_retention_rate"] == pytest.approx((40 + 230) / 350)


def test_periods_follow_each_other_and_the_first_day_belongs_to_the_later_window(shop: Warehouse) -> None:
    found = churn.retention(shop, as_of=AS_OF, period_days=365, period_count=2)
    assert found["from_on"].astype(str).tolist() == ["2022-01-01", "2023-01-01"]
    assert found["until_on"].tolist()[0] == found["from_on"].tolist()[1]
    # 2021: old alone, and it bought on the very first day of 2022
    assert found["starting_count"].tolist() == [1, 4]
    assert found["kept_count"].tolist()[0] == 1


def test_a_window_that_the_data_do_not_cover_has_counts_and_no_rates(shop: Warehouse) -> None:
    found = churn.retention(shop, as_of=AS_OF, period_count=2)
    assert found["began_on"].astype(str).tolist() == ["2021-12-31"] * 2
    assert found["is_covered"].tolist() == [False, True]  # 2021 is one day of data
    rates = ["logo_churn_rate", "logo_churn_low", "gross_retention_rate", "net_retention_rate"]
    assert found[rates].isna().all(axis=1).tolist() == [True, False]
    # 18 days of a year may be missing, 19 not
    for day, is_covered in (("2022-01-19", True), ("2022-01-20", False)):
        with build.warehouse(order_lines=[line("a", day, "9"), line("a", "2023-02-01", "9")]) as wh:
            late = churn.retention(wh, as_of=AS_OF, period_count=1).iloc[0]
        assert late["is_covered"] == is_covered
        assert np.isfinite(late["net_retention_rate"]) == is_covered


def test_few_customers_are_marked_and_the_share_lost_has_limits(shop: Warehouse) -> None:
    last = churn.retention(shop, as_of=AS_OF, period_count=1).iloc[0]
    assert last["has_few_customers"]
    # Wilson's limits of 2 in 4
    assert (last["logo_churn_low"], last["logo_churn_high"]) == pytest.approx((0.1500, 0.8500), abs=5e-4)


def test_returns_of_a_customer_lower_what_was_kept_but_not_below_nothing() -> None:
    lines = [
        line("earlier", "2021-12-01", "1"),
        line("a", "2022-05-01", "100"),
        line("a", "2023-05-01", "80"),
        line("a", "2023-06-01", "30", quantity=-4),
    ]
    with build.warehouse(order_lines=lines) as wh:
        found = churn.retention(wh, as_of=AS_OF, period_count=1).iloc[0]
    assert found["kept_count"] == 1
    assert found["gross_retention_rate"] == 0.0
    assert found["net_retention_rate"] == 0.0


def test_contracts_lost_shrunk_and_grown_are_counted_per_thirty_days() -> None:
    def contract(number: str, customer: str, **more: object) -> dict[str, object]:
        base = {"source_id": number, "customer_source_id": customer, "started_on": "2022-06-01"}
        price = {"amount": "30", "currency": "EUR", "billing_period_days": 30, "created_at": "2022-06-01"}
        return {**base, **price, **more}

    contracts = [
        contract("1", "quit", cancelled_on="2023-05-01", cancel_kind="voluntary"),
        contract("2", "unpaid", cancelled_on="2023-05-01", cancel_kind="involuntary", amount="60"),
        contract("3", "stays", amount="365", billing_period_days=365),  # 30 per 30 days
        contract("4", "shrinks"),
        contract("5", "shrinks", cancelled_on="2023-02-01", cancel_kind="voluntary"),
        contract("6", "grows"),
        contract("7", "grows", started_on="2023-03-01"),
        contract("8", "won", started_on="2023-03-01"),
        contract("9", "lapsed", ends_on="2023-07-31", renews=False),
    ]
    with build.warehouse(contracts=contracts) as wh:
        found = churn.retention(wh, as_of=AS_OF, period_count=1, of="contracts").iloc[0]
    assert (found["starting_count"], found["kept_count"], found["lost_count"]) == (6, 3, 3)
    assert (found["involuntary_lost_count"], found["won_count"]) == (1, 1)
    assert float(found["starting_amount"]) == 30 + 60 + 30 + 60 + 30 + 30
    assert float(found["kept_amount"]) == 30 + 30 + 30
    assert float(found["later_amount"]) == 30 + 30 + 60
    assert found["logo_churn_rate"] == pytest.approx(0.5)
    assert found["gross_retention_rate"] == pytest.approx(90 / 240)
    assert found["net_retention_rate"] == pytest.approx(120 / 240)


def test_money_without_a_rate_is_neither_kept_nor_lost() -> None:
    lines = [line(f"k{n}", day, "100") for n in range(20) for day in ("2022-01-05", "2023-05-05")]
    lines += [line(f"k{n}", "2024-05-05", "100", currency="JPY") for n in range(20)]
    lines += [
        line("f", "2022-02-05", "100"),
        line("f", "2023-02-05", "9", currency="JPY"),
        line("f", "2023-03-05", "9"),
    ]
    with build.warehouse(order_lines=lines) as wh:
        few, many = churn.retention(wh, as_of=date(2024, 12, 31), period_count=2).to_dict("records")
        lost = churn.win_back(wh, as_of=date(2024, 12, 31), contact_cost=0.0, active_days=100)
    assert (few["lost_count"], few["unknown_amount_count"], float(few["starting_amount"])) == (0, 1, 2000)
    assert few["gross_retention_rate"] == 1.0
    assert lost.empty  # what they brought in their last year is unknown
    assert (many["lost_count"], many["unknown_amount_count"]) == (1, 21)
    assert np.isnan(
        [many[f"{name}_rate"] for name in ("gross_retention", "revenue_churn", "net_retention")]
    ).all()


AMOUNTS = ["starting_amount", "kept_amount", "later_amount"]


def test_money_of_which_nothing_is_known_is_missing_and_never_nothing() -> None:
    yen = [line(who, day, "100", currency="JPY") for who in "ab" for day in ("2022-01-05", "2023-05-05")]
    plan = {"customer_source_id": "a", "started_on": "2022-01-01", "created_at": "2022-01-01"}
    priced = {"amount": "9", "currency": "JPY", "billing_period_days": 30}
    with build.warehouse(order_lines=yen, contracts=[plan | priced | {"source_id": "1"}]) as wh:
        for of, count in (("purchases", 2), ("contracts", 1)):
            nobody, unknown = churn.retention(wh, as_of=AS_OF, period_count=2, of=of).to_dict("records")
            assert unknown["starting_count"] == unknown["unknown_amount_count"] == count, of
            assert np.isnan([float(unknown[name]) for name in AMOUNTS]).all(), of
            assert np.isnan([unknown["gross_retention_rate"], unknown["net_retention_rate"]]).all(), of
            # of nobody the sum is known
            assert [nobody["starting_count"], *(float(nobody[name]) for name in AMOUNTS)] == [0] * 4, of


def test_a_currency_that_falls_is_no_loss_of_contracts() -> None:
    base = {
        "started_on": "2022-01-01",
        "amount": "100",
        "billing_period_days": 30,
        "created_at": "2022-01-01",
    }
    contracts = [
        {**base, "source_id": "1", "customer_source_id": "dollar", "currency": "USD"},
        {**base, "source_id": "2", "customer_source_id": "yen", "currency": "JPY"},
        {**base, "source_id": "3", "customer_source_id": "crown", "currency": "SEK"},
    ]
    rates = [
        {"currency": "USD", "to_currency": "EUR", "occurred_at": "2022-01-01", "rate": "1.0"},
        {"currency": "USD", "to_currency": "EUR", "occurred_at": "2023-06-01", "rate": "0.8"},
        {"currency": "SEK", "to_currency": "EUR", "occurred_at": "2023-06-01", "rate": "0.1"},
    ]
    with build.warehouse(contracts=contracts, exchange_rates=rates) as wh:
        found = churn.retention(wh, as_of=AS_OF, period_count=1, of="contracts").iloc[0]
    # the yen has no rate at all; the crown had none at the start, so its later one holds for both ends
    assert found["unknown_amount_count"] == 1
    assert [float(found[name]) for name in AMOUNTS] == [110.0] * 3


def test_silence_is_asked_at_every_step_that_was_reached_and_whose_answer_is_known() -> None:
    # pauses of 40 and 100 days, then silence from 2023-05-21 on: 224 days until the last day seen
    rows = build.order_lines_of({"a": ["2023-01-01", "2023-02-10", "2023-05-21"]})
    with build.warehouse(order_lines=rows) as wh:
        found = churn.leaving_rates(wh, as_of=AS_OF, horizon_days=60).set_index("silent_days")
    # pause of 40: back at 0 and 30. Of 100: left at 0 and 30, back at 60 and 90. Of 224: left at every step
    assert found["case_count"].to_dict() == {0: 3, 30: 3, 60: 2, 90: 2, 120: 1, 150: 1}
    assert found["left_count"].to_dict() == {0: 2, 30: 2, 60: 1, 90: 1, 120: 1, 150: 1}
    assert found.loc[0, "leaving_rate"] == pytest.approx(2 / 3)
    assert found.loc[0, "low"] < 2 / 3 < found.loc[0, "high"]


def test_tenure_asks_only_those_who_were_still_active() -> None:
    rows = build.order_lines_of({"a": ["2022-01-01", "2022-01-31"], "b": ["2022-01-01", "2022-04-15"]})
    with build.warehouse(order_lines=rows) as wh:
        found = churn.leaving_rates(wh, as_of=AS_OF, by="tenure", horizon_days=60, active_days=60)
    # day 0: a back after 30 days, b (after 104) not; day 90: a's last was 60 days before (no longer active),
    # b's first 90; day 180: b's last was 76 days before
    assert found[["tenure_days", "case_count", "left_count"]].to_numpy().tolist() == [[0, 2, 1]]
    assert not found["has_bought_again"].any()


def test_one_time_buyers_are_a_curve_of_their_own_so_that_active_days_make_no_peak() -> None:
    import matplotlib.pyplot as plt

    regular = {
        f"r{n}": [f"202{year}-{month:02}-15" for year in (1, 2, 3) for month in range(1, 13)] for n in "abc"
    }
    rows = build.order_lines_of({**regular, **{f"once{n}": ["2021-01-15"] for n in range(9)}})
    with build.warehouse(order_lines=rows) as wh:
        short, long = (
            churn.leaving_rates(wh, as_of=AS_OF, by="tenure", active_days=days).set_index("tenure_days")
            for days in (200, 400)
        )
    for found, last in ((short, 180), (long, 360)):
        once = found[~found["has_bought_again"]]
        # on the day of the first purchase everybody has bought once
        assert (once.index[-1], once.loc[0, "case_count"], set(once["left_count"])) == (last, 12, {9})
        again = found[found["has_bought_again"]]
        assert set(again["case_count"]) == {3}
        assert not again["left_count"].any()
        assert churn.plot_leaving(found.reset_index(), least_cases=1) is not None
        assert plt.gca().get_title(loc="left").startswith("0% of repeat buyers and 9")
    plt.close("all")


def test_the_lost_begin_where_the_scored_end(wh: Warehouse) -> None:
    active = active_days(wh, as_of=SHOP_AS_OF, horizon_days=60)  # as `train` takes it
    assert 60 <= active < 365
    asked: dict[str, Any] = {"as_of": SHOP_AS_OF, "horizon_days": 60, "contact_cost": 0.0, "capacity": 10**6}
    lost, all_silent = churn.win_back(wh, **asked), churn.win_back(wh, active_days=1, **asked)
    gone = all_silent["silent_days"] >= active
    assert gone.any()
    assert not gone.all()
    assert set(lost["customer_id"]) == set(all_silent.loc[gone, "customer_id"])


def test_the_lost_are_ranked_by_chance_of_return_times_last_years_margin() -> None:
    # half of all 400-day silences end within 90 days: chances are measured, not assumed
    lines = [
        line(f"back{n}", day, "10") for n in range(10) for day in ("2021-01-01", "2022-03-01", "2023-12-01")
    ]
    lines += [line("rich", "2022-11-20", "400"), line("rich", "2021-11-19", "9999")]
    lines += [
        line("poor", "2022-11-20", "3"),
        line("out", "2022-11-20", "800"),
        line("here", "2023-11-20", "800"),
    ]
    lines += [line("costly", "2022-11-20", "300", product_source_id="P2")]
    lines += [line("no mails", "2022-11-20", "700")]
    consents = [
        {"customer_source_id": who, "channel": channel, "is_granted": granted, "occurred_at": "2023-01-01"}
        for who, channel, granted in (
            ("out", "phone", False),
            ("no mails", "email", False),
            ("no mails", "phone", True),
            ("rich", "phone", False),
            ("rich", "email", True),
        )
    ]
    products = [{"source_id": "P2", "unit_cost": "150", "currency": "EUR", "created_at": "2020-01-01"}]
    with build.warehouse(order_lines=lines, consents=consents, products=products) as wh:
        rates = churn.leaving_rates(wh, as_of=AS_OF).set_index("silent_days")["leaving_rate"]
        found = churn.win_back(wh, as_of=AS_OF, active_days=365, contact_cost=5.0).set_index("source_id")
        by_phone = churn.win_back(wh, as_of=AS_OF, active_days=365, channel="phone")
    chance = 1 - rates[390]  # the last step below 406 days of silence
    assert 0 < chance < 1
    assert list(found.index) == ["rich", "costly"]  # poor would bring less than the letter costs
    assert by_phone["source_id"].tolist() == ["no mails", "costly"]  # each list asks its own consent
    assert found["silent_days"].tolist() == [406, 406]
    assert found["return_rate"].tolist() == pytest.approx([chance, chance])
    # rich: only the year up to the last purchase counts; its margin is unknown, so the known half is taken
    assert found["value_at_stake"].tolist() == pytest.approx([200.0, 150.0])
    assert found["expected_value"].tolist() == pytest.approx([chance * 200 - 5, chance * 150 - 5])


def test_the_post_mortem_finds_the_slow_complaints(wh: Warehouse) -> None:
    found = churn.post_mortem(wh, as_of=SHOP_AS_OF, horizon_days=60, active_days=120)
    assert found["effect"].abs().is_monotonic_decreasing
    assert (found["low"] <= found["effect"]).all()
    assert (found["effect"] <= found["high"]).all()
    by_feature = found.set_index("feature")
    slow = by_feature.loc["slowest_complaint_days"]
    assert slow["theme"] == "tickets"
    assert slow["low"] > 0
    assert slow["lost_median"] > slow["kept_median"]
    assert by_feature.loc["days_since_last_order", "low"] > 0


def test_the_effect_is_the_chance_of_more_minus_the_chance_of_less() -> None:
    one, other = np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 3.0, 9.0])
    pairs = np.sign(one[:, None] - other[None, :])
    effect, error = cliffs_delta(one, other)
    assert effect == pytest.approx(pairs.mean())
    assert error > 0
    assert cliffs_delta(other, one)[0] == pytest.approx(-effect)


def test_the_interval_of_the_effect_holds_the_truth_nineteen_times_in_twenty() -> None:
    draw = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        effect, error = cliffs_delta(draw.normal(0.5, 1, 40), draw.normal(0, 1, 60))
        inside += abs(effect - 0.2763) <= 1.96 * error  # 2 x Phi(0.5 / sqrt 2) - 1
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda wh: churn.retention(wh, as_of=AS_OF, of="hearts"),
            "of='hearts' must be one of purchases, contracts",
        ),
        (lambda wh: churn.retention(wh, as_of=AS_OF, period_days=0), "period_days=0"),
        (
            lambda wh: churn.leaving_rates(wh, as_of=AS_OF, by="mood"),
            "by='mood' must be one of silence, tenure",
        ),
        (lambda wh: churn.leaving_rates(wh, as_of=AS_OF, horizon_days=0), "horizon_days=0"),
        (lambda wh: churn.leaving_rates(wh, as_of=AS_OF, by="tenure", active_days=0), "active_days=0"),
        (lambda wh: churn.win_back(wh, as_of=AS_OF, contact_cost=-1.0), r"contact_cost=-1\.0"),
        (lambda wh: churn.win_back(wh, as_of=AS_OF, contact_cost=math.nan), "contact_cost=nan"),
        (
            lambda wh: churn.win_back(wh, as_of=AS_OF, capacity=2.5),  # type: ignore[arg-type]
            r"capacity=2\.5 must be a whole number",
        ),
        (lambda wh: churn.win_back(wh, as_of=AS_OF, active_days=-5), "active_days=-5"),
        (lambda wh: churn.win_back(wh, as_of=AS_OF, channel="pigeon"), "channel='pigeon' must be one of"),
        (lambda wh: churn.post_mortem(wh, as_of=AS_OF, horizon_days=-9), "horizon_days=-9"),
    ],
)
def test_questions_without_sense_are_refused(call: object, message: str, shop: Warehouse) -> None:
    with pytest.raises(UsageError, match=message):
        call(shop)  # type: ignore[operator]


def test_an_empty_warehouse_has_no_retention_and_no_error() -> None:
    with Warehouse.open(reporting_currency="EUR") as wh:
        found = churn.retention(wh, as_of=AS_OF)
        assert found["logo_churn_rate"].isna().all()
        assert churn.leaving_rates(wh, as_of=AS_OF, by="tenure").empty
        assert churn.win_back(wh, as_of=AS_OF).empty
        with pytest.raises(NotEnoughData, match="0 were lost and 0 kept"):
            churn.post_mortem(wh, as_of=AS_OF)
        for draw, table in (
            (churn.plot_retention, found),
            (churn.plot_leaving, churn.leaving_rates(wh, as_of=AS_OF)),
        ):
            with pytest.raises(NotEnoughData):
                draw(table)


def test_pictures_return_what_they_draw(shop: Warehouse) -> None:
    import matplotlib.pyplot as plt

    drawn = churn.plot_retention(churn.retention(shop, as_of=AS_OF, period_count=2))
    assert drawn["gross_retention_rate"].tolist() == pytest.approx([0.4])  # 2022 is not covered
    ax = plt.gca()
    words = " ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])
    assert "1 left out: the data do not reach back" in words
    assert "only 4 customers" in ax.get_xticklabels()[0].get_text()
    rates = churn.leaving_rates(shop, as_of=AS_OF)
    assert (churn.plot_leaving(rates, least_cases=2)["case_count"] >= 2).all()
    plt.close("all")
