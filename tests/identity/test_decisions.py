"""Merges, separations and undoing: facts that no loading and no linking touches."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crm_analytics as crm
from crm_analytics.entities.identity_log import Decision, decisions, groups, members, regroup
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)


def company(*ids: str, **more: Any) -> Warehouse:
    rows = [{"source_id": one, "name": one, "created_at": "2024-01-01"} for one in ids]
    return build.warehouse(customers=rows, **more)


def keys(*ids: str) -> tuple[str, ...]:
    return tuple(f"default:{one}" for one in ids)


def test_a_merge_makes_one_customer_under_the_smallest_key() -> None:
    with company("B", "A", "C") as wh:
        crm.merge(wh, "default:B", "default:A")
        assert members(wh, "default:B") == keys("A", "B")
        found = wh.rows("select customer_id from facts.customers_before($d) order by 1", d=AS_OF)
    assert [row[0] for row in found] == list(keys("A", "C"))


def test_orders_of_both_records_are_those_of_the_one_customer() -> None:
    lines = [
        {"order_source_id": "1", "customer_source_id": "A", "occurred_at": "2024-02-01"},
        {"order_source_id": "2", "customer_source_id": "B", "occurred_at": "2024-03-01"},
    ]
    with company("A", "B", order_lines=lines) as wh:
        merge_id = crm.merge(wh, "default:A", "default:B")
        sql = "select customer_id, count(*) from facts.orders_before($d) group by 1 order by 1"
        together = wh.rows(sql, d=AS_OF)
        crm.undo(wh, merge_id)
        apart = wh.rows(sql, d=AS_OF)
    assert together == [("default:A", 2)]
    assert apart == [("default:A", 1), ("default:B", 1)]


def test_what_was_known_before_the_merge_does_not_know_of_it() -> None:
    before, after = datetime(2031, 1, 1, tzinfo=UTC), datetime(2032, 1, 2, tzinfo=UTC)
    with company("A", "B") as wh:
        crm.merge(wh, "default:A", "default:B", decided_at=datetime(2032, 1, 1, tzinfo=UTC))
        sql = "select count(*) from facts.customers_before($d, _known_at := $at)"
        assert (wh.value(sql, d=AS_OF, at=before), wh.value(sql, d=AS_OF, at=after)) == (2, 1)


def test_a_customer_that_only_orders_name_can_be_merged() -> None:
    lines = [{"order_source_id": "1", "customer_source_id": "X", "occurred_at": "2024-02-01"}]
    with company("A", order_lines=lines) as wh:
        crm.merge(wh, "default:X", "default:A")
        assert wh.value("select customer_id from facts.orders_before($d)", d=AS_OF) == "default:A"


def test_fields_that_belong_together_come_from_one_record() -> None:
    old = {"source_id": "A", "street": "Elm 1", "city": "Ulm", "postcode": "89073", "country": "DE"}
    new = {"source_id": "B", "city": "Graz", "email": "b@example.com"}
    rows = [old | {"created_at": "2024-01-01"}, new | {"created_at": "2024-02-01"}]
    with build.warehouse(customers=rows) as wh:
        crm.merge(wh, "default:A", "default:B")
        [found] = wh.arrow("select * from facts.customer_profiles_before($d)", d=AS_OF).to_pylist()
    assert (found["street"], found["city"], found["postcode"]) == ("Elm 1", "Ulm", "89073")
    assert (found["address_from"], found["email_from"]) == keys("A", "B")
    assert (found["record_count"], found["customer_id"]) == (2, "default:A")


def test_opting_out_by_one_record_is_the_last_word_of_the_customer() -> None:
    said = {"channel": "email", "purpose": "marketing"}
    consents = [
        said | {"customer_source_id": "A", "occurred_at": "2024-01-01", "is_granted": True},
        said | {"customer_source_id": "B", "occurred_at": "2024-02-01", "is_granted": False},
    ]
    with company("A", "B", consents=consents) as wh:
        crm.merge(wh, "default:A", "default:B")
        assert wh.rows("select customer_id, has_opted_out from facts.customers_before($d)", d=AS_OF) == [
            ("default:A", True)
        ]


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("default:A", "default:Z", "no customer of this warehouse"),
        ("default:A", "default:A", "named twice"),
        ("A", "default:B", "system:id"),
    ],
)
def test_what_cannot_be_merged_says_why(a: str, b: str, told: str) -> None:
    with company("A", "B") as wh, pytest.raises(UsageError, match=told):
        crm.merge(wh, a, b)


def test_decisions_that_contradict_are_refused_and_name_the_other() -> None:
    with company("A", "B", "C") as wh:
        crm.merge(wh, "default:A", "default:B")
        crm.separate(wh, "default:A", "default:C")
        with pytest.raises(UsageError, match="change 2 says that default:A and default:C"):
            crm.merge(wh, "default:B", "default:C")
        with pytest.raises(UsageError, match="3 is no merge"):
            crm.undo(wh, 3)
        assert members(wh, "default:B") == keys("A", "B")


def test_the_later_word_on_one_pair_holds() -> None:
    with company("A", "B") as wh:
        crm.merge(wh, "default:A", "default:B")
        crm.separate(wh, "default:B", "default:A")
        assert members(wh, "default:A") == keys("A")


def test_what_was_said_already_is_refused_so_that_one_undo_takes_it_back() -> None:
    with company("A", "B", "C") as wh:
        crm.merge(wh, "default:A", "default:B")
        crm.merge(wh, "default:B", "default:C")
        with pytest.raises(UsageError, match="Change 1 says already that default:B and default:A are one"):
            crm.merge(wh, "default:B", "default:A")
        with pytest.raises(UsageError, match="by merges 1, 2"):
            crm.merge(wh, "default:C", "default:A")
        crm.undo(wh, 1)
        assert members(wh, "default:A") == keys("A")


def test_an_undo_that_the_linkage_makes_idle_is_refused() -> None:
    same = {"name": "Ada Byron", "email": "ada@example.com", "created_at": "2024-01-01"}
    with build.warehouse(customers=[same | {"source_id": "A"}, same | {"source_id": "B"}]) as wh:
        merge_id = crm.merge(wh, "default:A", "default:B")
        crm.identity.link(wh)
        with pytest.raises(UsageError, match="would change nothing: default:A and default:B stay one"):
            crm.undo(wh, merge_id)
        assert [one.change_number for one in decisions(wh)] == [merge_id]


def test_a_number_is_never_given_again_after_an_erasure() -> None:
    with company("A", "B", "E", "F") as wh:
        stale = crm.merge(wh, "default:A", "default:B")
        crm.erase(wh, "default:A")
        assert crm.merge(wh, "default:E", "default:F") == stale + 1
        with pytest.raises(UsageError, match=f"{stale} is no merge"):
            crm.undo(wh, stale)
        assert members(wh, "default:E") == keys("E", "F")


@pytest.mark.parametrize(("merged", "undone"), [(2032, 2026), (2026, 2020)])
def test_an_undo_holds_whatever_the_clock_said(merged: int, undone: int) -> None:
    with company("A", "B") as wh:
        one = crm.merge(wh, "default:A", "default:B", decided_at=datetime(merged, 1, 1, tzinfo=UTC))
        crm.undo(wh, one, decided_at=datetime(undone, 1, 1, tzinfo=UTC))
        assert members(wh, "default:A") == keys("A")
        assert crm.customer(wh, "default:B", as_of=date(2026, 1, 1)).customer_id == "default:B"


def test_a_group_is_cut_at_its_weakest_link_where_two_contradict() -> None:
    pairs = [("a", "b", "link", 30.0), ("c", "d", "link", 28.0), ("b", "c", "link", 20.0)]
    pairs += [("a", "d", "apart", 0.0)]
    assert [sorted(group) for group in groups([], pairs)] == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize(
    ("to_a", "to_b", "made"),
    [
        pytest.param(30.0, 26.0, [["a", "c"]], id="clearly the one"),
        pytest.param(30.0, 28.0, [], id="either"),
        pytest.param(30.0, 30.0, [], id="quite as well"),
    ],
)
@pytest.mark.parametrize("by_hand", [False, True])
def test_who_could_be_either_of_two_is_the_better_one_only_when_that_is_clear(
    to_a: float, to_b: float, made: list[list[str]], by_hand: bool
) -> None:
    pairs = [("a", "c", "link", to_a), ("b", "c", "link", to_b)]
    separated = [Decision(1, "separate", "a", "b")] if by_hand else []
    told = [] if by_hand else [("a", "b", "apart", 5.0)]
    found = groups(separated, pairs + told)
    assert [sorted(group) for group in found if len(group) > 1] == made


def test_two_who_contradict_never_meet_through_a_chain_of_any_length() -> None:
    chain = "abcdefgh"
    links = [(one, other, "link", 30.0) for one, other in pairwise(chain)]
    [*_, weakest] = links = [*links[:3], *links[4:], ("d", "e", "link", 20.0)]
    found = groups([Decision(1, "separate", "a", "h")], links)
    assert sorted(sorted(group) for group in found) == [list("abcd"), list("efgh")]
    assert weakest[:2] == ("d", "e")


RECORDS = "abcdef"
PAIRS = st.sampled_from(list(combinations(RECORDS, 2)))


@settings(max_examples=150, deadline=None)
@given(
    decided=st.lists(st.tuples(st.sampled_from(["merge", "separate"]), PAIRS), max_size=6),
    linked=st.lists(st.tuples(PAIRS, st.sampled_from(["link", "apart"])), max_size=10),
)
def test_no_link_ever_outvotes_a_person(
    decided: list[tuple[str, tuple[str, str]]], linked: list[tuple[tuple[str, str], str]]
) -> None:
    """Whatever the linkage says: merged stays merged, and separated records never meet."""
    last = {pair: kind for kind, pair in decided}
    merged = groups([Decision(0, "merge", *pair) for pair, kind in last.items() if kind == "merge"], [])
    of = {key: number for number, group in enumerate(merged) for key in group}
    separated = [pair for pair, kind in last.items() if kind == "separate"]
    if any(a in of and of.get(a) == of.get(b) for a, b in separated):
        return  # `merge` and `separate` refuse to write this down
    standing = [Decision(number, kind, *pair) for number, (kind, pair) in enumerate(decided)]
    found = groups(standing, [(a, b, decision, 40.0 - n) for n, ((a, b), decision) in enumerate(linked)])
    place = {key: number for number, group in enumerate(found) for key in group}
    for (a, b), decision in linked:
        if decision == "apart" and last.get((a, b)) != "merge" and (a not in of or b not in of):
            assert place.get(a, a) != place.get(b, b)
    for a, b in last:
        if last[a, b] == "merge":
            assert place[a] == place[b]
        else:
            assert place.get(a, a) != place.get(b, b)


def test_loading_and_linking_again_loses_no_decision() -> None:
    same = {"first_name": "Ada", "last_name": "Byron", "email": "ada@example.com", "created_at": "2024-01-01"}
    other = {"first_name": "Bo", "last_name": "Quist", "created_at": "2024-01-01"}
    with build.warehouse(customers=[same | {"source_id": "A"}, same | {"source_id": "B"}]) as wh:
        build.add(wh, "customers", [other | {"source_id": "C"}])
        assert crm.identity.link(wh).linked_pairs == 1
        assert members(wh, "default:A") == keys("A", "B")
        crm.separate(wh, "default:A", "default:B", reason="twins")
        crm.merge(wh, "default:A", "default:C")
        build.add(wh, "customers", [same | {"source_id": "D"}])
        assert crm.identity.link(wh).is_new
        assert not crm.identity.link(wh).is_new
        assert members(wh, "default:C") == keys("A", "C")
        assert members(wh, "default:B") == keys("B")
        assert members(wh, "default:D") == keys("D"), "D could be A as well as B"
        waiting = crm.identity.review(wh)
        assert waiting[["left_id", "right_id"]].to_numpy().tolist() == [
            ["default:A", "default:D"],
            ["default:B", "default:D"],
        ]
        assert set(waiting["because"]) == {
            "would bring together two who contradict each other; could be either"
        }
        assert [one.kind for one in decisions(wh)] == ["separate", "merge"]
        assert regroup(wh, 1) == 0
        history = wh.rows(
            "select customer_id from entities.identity where source_id = 'B' order by change_number"
        )
    assert [row[0] for row in history] == list(keys("A", "B"))
