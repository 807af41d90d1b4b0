"""Does the list call those whose call saves most, and leave the others in peace?"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crm_analytics import actions
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)
EARLIER = AS_OF - timedelta(days=7)
HOW: dict[str, Any] = {"save_rate": 0.2, "contact_cost": 5.0}


def company(customers: dict[str, dict[str, Any]], *, earlier: dict[str, float] | None = None) -> Warehouse:
    """A warehouse in which each customer bought once and has the given scores tonight."""
    wh = build.warehouse(
        order_lines=build.order_lines_of({name: ["2024-06-01"] for name in customers}),
        customers=[
            {
                "source_id": name,
                "created_at": "2024-01-01",
                "owner_source_id": given.get("owner"),
                "is_test": given.get("is_test", False),
            }
            for name, given in customers.items()
        ],
        contracts=[
            {
                "source_id": f"V {name}",
                "customer_source_id": name,
                "started_on": "2024-01-01",
                "created_at": "2024-01-01",
                "ends_on": given["contract_ends"],
                "amount": given.get("contract_price", "10"),
                "currency": "EUR",
                "billing_period_days": 365,
            }
            for name, given in customers.items()
            if "contract_ends" in given
        ],
        consents=[
            {
                "customer_source_id": name,
                "channel": channel,
                "is_granted": granted,
                "occurred_at": f"2024-05-{number:02d}",
            }
            for name, given in customers.items()
            for number, (channel, granted) in enumerate(given.get("words", []), start=1)
        ],
    )
    night(wh, AS_OF, customers)
    if earlier is not None:
        night(wh, EARLIER, {name: {"p": p} for name, p in earlier.items()})
    return wh


def night(wh: Warehouse, as_of: date, customers: dict[str, dict[str, Any]]) -> None:
    ids = [f"default:{name}" for name in customers]
    given = list(customers.values())
    churn = pd.DataFrame({"customer_id": ids}).assign(
        as_of=as_of,
        churn_probability=[one["p"] for one in given],
        risk_band="high",
        reason_1=[one.get("reason", "silent 64 days, usually buys every 21") for one in given],
        reason_code=[one.get("code", "rhythm") for one in given],
        status="ok",
    )
    wh.replace_as_of("scores.churn", churn, as_of=as_of)
    held = churn.assign(churn_probability=[one.get("contract_p") for one in given])
    wh.replace_as_of("scores.contract_churn", held.dropna(subset="churn_probability"), as_of=as_of)
    clv = pd.DataFrame({"customer_id": ids}).assign(
        as_of=as_of, horizon_days=365.0, frequency=1, recency=1, T=30, model="bg_nbd", status="ok",
        status_reason="",
        probability_alive=[one.get("alive", 1.0) for one in given],
        lifetime_value=[one.get("value") for one in given],
        lifetime_revenue=[one.get("revenue", 2 * (one.get("value") or 0.0)) for one in given],
    )  # fmt: skip
    wh.replace_as_of("scores.clv", clv, as_of=as_of)


def test_a_call_is_worth_probability_times_value_times_save_rate_less_its_cost() -> None:
    people: dict[str, dict[str, Any]] = {
        "sure": {"p": 0.9, "value": 100.0},  # 0.9 x 100 x 0.2 - 5 = 13
        "rich": {"p": 0.3, "value": 500.0},  # 25
        "fading": {"p": 0.8, "value": 100.0, "alive": 0.5},  # leaves alive .3 of .5: 0.6 x 100 x 0.2 - 5 = 7
        "unknown": {"p": 0.5, "value": None, "revenue": 400.0},  # at the others' half: 15
        "poor": {"p": 0.9, "value": 20.0},  # -1.4: no
        "gone": {"p": 0.98, "value": 9.35, "alive": 0.023},  # no more at stake than the 9.35 still expected
        "never": {"p": 1.0, "value": 0.0, "alive": 0.0},
        "other models": {
            "p": 0.3,
            "value": 900.0,
            "alive": 0.6,
        },  # likelier dead than churned: nothing to save
    }
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
        decided = actions.decisions(wh, as_of=AS_OF, **HOW)
    assert found["customer_id"].tolist() == [f"default:{n}" for n in ("rich", "unknown", "sure", "fading")]
    assert found["expected_saved_margin"].tolist() == pytest.approx([25.0, 15.0, 13.0, 7.0])
    assert found["rank"].tolist() == [1, 2, 3, 4]
    assert set(found["value_kind"]) == {"margin"}
    assert found["due_on"].unique().tolist() == [AS_OF + timedelta(days=7)]
    left = decided.set_index("customer_id")
    assert left.loc["default:poor", "decision"] == "not worth the call"
    assert left.loc["default:gone", "decision"] == left.loc["default:never", "decision"] == "probably gone"
    assert left.loc["default:gone", "value_at_stake"] == pytest.approx(9.35 * 0.003 / 0.023)
    assert left.loc[["default:never", "default:other models"], "value_at_stake"].tolist() == [0.0, 0.0]


def test_who_must_not_be_called_is_not_and_the_reason_is_told() -> None:
    people: dict[str, dict[str, Any]] = {
        "no": {"p": 0.9, "value": 900.0, "words": [("email", False)]},
        "no calls": {"p": 0.9, "value": 900.0, "words": [("email", True), ("phone", True), ("phone", False)]},
        "no mails": {
            "p": 0.9,
            "value": 250.0,
            "words": [("phone", False), ("phone", True), ("email", False)],
        },
        "own": {"p": 0.9, "value": 900.0, "is_test": True},
        "yes": {"p": 0.9, "value": 300.0, "owner": "U7"},
        "next": {"p": 0.9, "value": 200.0},
    }
    with company(people) as wh:
        decided = actions.decisions(wh, as_of=AS_OF, capacity=1, **HOW).set_index("customer_id")
        found = actions.call_list(wh, as_of=AS_OF, capacity=1, **HOW)
    assert decided["decision"].to_dict() == {
        "default:no": "opted out",
        "default:no calls": "refuses calls",
        "default:no mails": "over capacity",
        "default:yes": "listed",
        "default:next": "over capacity",
    }
    assert found[["customer_id", "owner_source_id", "source_id"]].to_numpy().tolist() == [
        ["default:yes", "U7", "yes"]
    ]
    assert actions.left_out(decided) == "2 over capacity, 1 opted out, 1 refuses calls"


def test_who_refuses_on_the_very_day_of_the_list_is_not_called() -> None:
    with company({"late": {"p": 0.9, "value": 900.0}, "yes": {"p": 0.9, "value": 900.0}}) as wh:
        said = {"customer_source_id": "late", "is_granted": False, "occurred_at": f"{AS_OF}T08:00:00+00:00"}
        build.add(wh, "consents", [said | {"channel": "phone"}, said | {"channel": "email"}])
        decided = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")["decision"]
    assert decided.to_dict() == {"late": "opted out", "yes": "listed"}


def test_what_both_risks_threaten_is_added_and_who_is_listed_stands_there_once() -> None:
    ends: dict[str, Any] = {
        "contract_ends": "2025-06-30"
    }  # priced for a year; the others' margin rate is a half
    people: dict[str, dict[str, Any]] = {
        "both": {"p": 0.6, "contract_p": 0.8, "value": 100.0, "contract_price": "100", **ends},  # 60 + 40
        "ending": {
            "p": 0.1,
            "contract_p": 0.9,
            "value": 100.0,
            "alive": 0.9,
            "contract_price": "900",
            **ends,
        },
        "silent": {"p": 0.8, "value": 100.0},
        "gone": {"p": 0.99, "contract_p": 0.1, "value": 10.0, "alive": 0.1, "contract_price": "1", **ends},
    }
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW).set_index("source_id")
        decided = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")["decision"]
    assert found["leaving"].to_dict() == {"ending": "contract", "both": "purchase", "silent": "purchase"}
    assert found["churn_probability"].tolist() == [0.9, 0.6, 0.8]
    assert found["value_at_stake"].tolist() == pytest.approx([405.0, 100.0, 80.0])
    assert found["expected_saved_margin"].tolist() == pytest.approx([76.0, 15.0, 11.0])
    assert found.loc["both", "reason"].endswith("; also 40 at stake with the contract, which may end")
    # a contract runs, so nobody has gone
    assert decided["gone"] == "not worth the call"


def test_a_contract_score_that_tells_nobody_apart_lists_nobody() -> None:
    """One rate for everybody: who orders is judged by that, and whose contract is all there is, is not."""
    ends = {"contract_ends": "2025-06-30", "contract_price": "9000", "contract_p": 0.208}
    people: dict[str, dict[str, Any]] = {
        "loyal": {"p": 0.05, "value": 900.0, **ends},
        "fading": {"p": 0.9, "value": 100.0, "code": None, **ends},
        "holder": {"p": None, "revenue": None, **ends},
    }
    with company(people) as wh:
        decided = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")
        assert set(decided["leaving"]) == {"purchase"}
        assert decided["decision"].to_dict() == {"loyal": "listed", "fading": "listed"}
        assert decided["value_at_stake"].to_dict() == pytest.approx({"loyal": 45.0, "fading": 90.0})
        assert decided.loc["fading", "reason"] == "risk of 90%, 90 at stake"
        wh.execute("delete from scores.churn")
        with pytest.raises(NotEnoughData, match="contracts that gives everybody one rate"):
            actions.decisions(wh, as_of=AS_OF, **HOW)


def test_the_reason_says_that_the_risk_is_that_of_a_contract() -> None:
    ends = {"contract_ends": "2025-06-30", "revenue": None, "p": None}
    people: dict[str, dict[str, Any]] = {
        "held": {"contract_p": 0.5, "contract_price": "180", "code": None, **ends},
        "told": {"contract_p": 0.4, "contract_price": "180", "reason": "complained 3 days ago", **ends},
    }
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
    assert found["reason"].tolist() == [
        "contract may end: risk of 50%, 90 at stake",
        "contract may end: complained 3 days ago",
    ]
    assert set(found["value_kind"]) == {"revenue"}


def test_a_contract_whose_price_is_unknown_is_no_free_one() -> None:
    ends = {"contract_ends": "2025-06-30", "contract_price": None, "revenue": None}
    people: dict[str, dict[str, Any]] = {
        "unpriced": {"p": None, "contract_p": 0.5, **ends},
        "orders": {"p": 0.5, "value": 300.0, "contract_p": 0.9, **ends} | {"revenue": 600.0},
    }
    with company(people) as wh:
        decided = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")
    assert decided["decision"].to_dict() == {"unpriced": "value unknown", "orders": "listed"}
    assert decided.loc["orders", ["leaving", "value_at_stake"]].tolist() == ["purchase", 150.0]


def test_where_no_margin_is_known_the_list_is_by_revenue_and_says_so() -> None:
    people = {
        name: {"p": 0.5, "value": None, "revenue": worth} for name, worth in (("a", 300.0), ("b", 400.0))
    }
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
    assert set(found["value_kind"]) == {"revenue"}
    assert found["value_at_stake"].tolist() == [200.0, 150.0]


def test_a_risk_that_rose_more_than_everybodys_is_an_alert_and_comes_first() -> None:
    people: dict[str, dict[str, Any]] = {f"c{n}": {"p": 0.5, "value": 500.0} for n in range(5)}
    people["risen"] = {"p": 0.7, "value": 100.0, "code": "tickets", "reason": "complained 3 days ago"}
    # everybody's risk rose by 0.1 (a season), that of one by 0.5
    before = dict.fromkeys(people, 0.4) | {"risen": 0.2}
    with company(people, earlier=before) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
    first = found.iloc[0]
    assert (first["customer_id"], first["kind"], first["rank"]) == ("default:risen", "alert", 1)
    assert first["earlier_probability"] == pytest.approx(0.2)
    assert (first["reason_code"], first["reason"]) == ("tickets", "complained 3 days ago")
    assert set(found["kind"].iloc[1:]) == {"call"}


def test_a_rise_is_measured_from_the_earliest_night_of_four_weeks() -> None:
    people = {name: {"p": 0.6, "value": 300.0} for name in ("slow", "b", "c")}
    with company(people, earlier={"slow": 0.5, "b": 0.6, "c": 0.6}) as wh:
        night(wh, AS_OF - timedelta(days=28), {"slow": {"p": 0.3}, "b": {"p": 0.6}, "c": {"p": 0.6}})
        night(wh, AS_OF - timedelta(days=29), {"slow": {"p": 0.6}, "b": {"p": 0.1}, "c": {"p": 0.6}})
        kinds = actions.call_list(wh, as_of=AS_OF, **HOW).set_index("customer_id")["kind"]
    assert kinds.to_dict() == {"default:slow": "alert", "default:b": "call", "default:c": "call"}


def keep(wh: Warehouse, listed: pd.DataFrame, as_of: date) -> None:
    """Do what the night does with a list."""
    columns = wh.frame("select * from scores.actions limit 0").columns
    wh.replace_as_of("scores.actions", listed.assign(as_of=as_of)[columns], as_of=as_of)


def test_a_night_that_runs_again_lists_the_same_and_the_next_ones_leave_them_alone() -> None:
    people = {f"c{n}": {"p": 0.5, "value": 200.0 + n} for n in range(6)}
    with company(people) as wh:
        first = actions.call_list(wh, as_of=AS_OF, capacity=2, **HOW)
        keep(wh, first, AS_OF)
        again = actions.call_list(wh, as_of=AS_OF, capacity=2, **HOW)
        assert_frame_equal(again, first, check_exact=True)
        night(wh, AS_OF + timedelta(days=1), people)
        second = actions.call_list(wh, as_of=AS_OF + timedelta(days=1), capacity=2, **HOW)
        assert not set(second["customer_id"]) & set(first["customer_id"])
        # 30 days later they are open again, on the 31st day after the list
        for days, expected in ((30, "cooling down"), (31, "listed")):
            night(wh, AS_OF + timedelta(days=days), people)
            decided = actions.decisions(wh, as_of=AS_OF + timedelta(days=days), cool_down_days=30, **HOW)
            found = decided.set_index("customer_id")["decision"]
            assert {found[name] for name in first["customer_id"]} == {expected}
        # what came later does not change the night
        assert_frame_equal(actions.call_list(wh, as_of=AS_OF, capacity=2, **HOW), first, check_exact=True)


def test_equal_customers_are_called_in_the_order_of_their_ids_whatever_the_order_of_rows() -> None:
    names = [f"c{n}" for n in range(9)]
    frames = []
    for order in (names, names[::-1]):
        with company({name: {"p": 0.5, "value": 100.0} for name in order}) as wh:
            frames.append(actions.call_list(wh, as_of=AS_OF, capacity=4, **HOW))
    assert frames[0]["customer_id"].tolist() == [f"default:c{n}" for n in range(4)]
    assert_frame_equal(frames[0], frames[1], check_exact=True)


def test_reasons_for_staying_are_no_reason_to_call() -> None:
    people = {"a": {"p": 0.4, "value": 300.0, "reason": "loyal: 9 order days so far", "code": None}}
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
    assert found["reason"].tolist() == ["risk of 40%, 120 at stake"]
    assert found["reason_code"].isna().all()
    with company(
        people | {f"c{n}": {"p": 0.2, "value": 1.0} for n in range(3)},
        earlier={"a": 0.1, "c0": 0.2, "c1": 0.2, "c2": 0.2},
    ) as wh:
        risen = actions.call_list(wh, as_of=AS_OF, **HOW)
    assert risen["reason"].tolist() == ["risk rose from 10% to 40%"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"capacity": -1}, "capacity=-1"),
        ({"cool_down_days": -1}, "cool_down_days=-1"),
        ({"save_rate": 1.2}, r"save_rate=1\.2 must be a number in 0\.\.1"),
        ({"contact_cost": -0.5}, r"contact_cost=-0\.5"),
        ({"min_rise": math.nan}, "min_rise=nan"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(wrong: dict[str, Any], message: str) -> None:
    with company({"a": {"p": 0.5, "value": 1.0}}) as wh, pytest.raises(UsageError, match=message):
        actions.call_list(wh, as_of=AS_OF, **wrong)


def test_without_scores_or_values_there_is_no_list() -> None:
    with company({"a": {"p": 0.5, "value": 1.0}}) as wh:
        with pytest.raises(NotEnoughData, match="no churn probability of 2024-07-02"):
            actions.call_list(wh, as_of=AS_OF + timedelta(days=1))
        wh.execute("delete from scores.clv")
        with pytest.raises(NotEnoughData, match="No customer at risk has a value"):
            actions.call_list(wh, as_of=AS_OF)


def test_no_capacity_is_an_empty_list_and_no_error() -> None:
    with company({"a": {"p": 0.5, "value": 900.0}}) as wh:
        assert actions.call_list(wh, as_of=AS_OF, capacity=0, **HOW).empty


def test_by_one_rate_the_list_ranks_by_value_and_says_so() -> None:
    people: dict[str, dict[str, Any]] = {
        name: {"p": 0.5, "value": value, "reason": None, "code": None}
        for name, value in (("small", 100.0), ("large", 400.0))
    }
    with company(people) as wh:
        found = actions.call_list(wh, as_of=AS_OF, **HOW)
    assert found["customer_id"].tolist() == ["default:large", "default:small"]
    assert found["reason"].tolist() == [
        "risk of 50% as of everybody: by value alone, 200 at stake",
        "risk of 50% as of everybody: by value alone, 50 at stake",
    ]
