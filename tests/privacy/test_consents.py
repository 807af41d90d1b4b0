"""Is an opt-out a fact with a date, that holds from then on and not before?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics.records import RecordStore
from crm_analytics.vocabulary import WORDS as WORD_LISTS
from tests import build

WORDS = [
    ("email", "2024-01-10", True),
    ("phone", "2024-01-10", True),
    ("email", "2024-03-05", False),
    ("phone", "2024-03-05", False),
    ("email", "2024-06-01", True),
]


@pytest.mark.parametrize(
    ("as_of", "has_opted_out"),
    [("2024-03-05", False), ("2024-03-06", True), ("2024-06-01", True), ("2024-06-02", False)],
)
def test_an_opt_out_holds_from_its_day_until_it_is_taken_back(as_of: str, has_opted_out: bool) -> None:
    consents = [
        {
            "customer_source_id": "C1",
            "channel": channel,
            "purpose": "marketing",
            "occurred_at": f"{day}T12:00:00+00:00",
            "is_granted": granted,
        }
        for channel, day, granted in WORDS
    ]
    with build.warehouse(
        customers=[{"source_id": "C1", "created_at": "2023-01-01"}], consents=consents
    ) as wh:
        found = wh.rows(
            "select has_opted_out from facts.customers_before($as_of)", as_of=date.fromisoformat(as_of)
        )
        assert wh.value("select count(*) from entities.consents") == len(WORDS)
    assert found == [(has_opted_out,)]


# words (channel, purpose, day, granted) -> must the person get no marketing e-mail of 2024-08-01?
SAID: dict[str, tuple[list[tuple[str, str | None, str, bool]], bool]] = {
    "a service mail is no marketing": (
        [("email", "marketing", "06-01", False), ("email", "service", "07-01", True)],
        True,
    ),
    "a refusal of all is one of marketing": (
        [("email", None, "06-01", False), ("email", "Service", "07-01", True)],
        True,
    ),
    "marketing was granted again": (
        [("email", "all", "06-01", False), ("email", " Marketing", "07-01", True)],
        False,
    ),
    "only a survey was refused, before": (
        [("email", "survey", "06-01", False), ("email", "marketing", "07-01", True)],
        False,
    ),
    "a newsletter was refused, later": (
        [("email", "marketing", "06-01", True), ("email", "newsletter", "07-01", False)],
        True,
    ),
    "a newsletter was refused and ordered again": (
        [("email", "newsletter", "06-01", False), ("email", "newsletter", "07-01", True)],
        False,
    ),
    "one form: no profiling, marketing yes": (
        [("email", "profiling", "07-01", False), ("email", "marketing", "07-01", True)],
        False,
    ),
    "no and yes at one moment": (
        [("email", "marketing", "07-01", True), ("email", "all", "07-01", False)],
        True,
    ),
    "a service text message does not stand against a refusal": (
        [("email", "service", "06-01", True), ("post", "marketing", "06-01", False)],
        True,
    ),
    "another channel is allowed": (
        [("phone", "marketing", "06-01", False), ("post", "marketing", "06-01", True)],
        False,
    ),
    "refused on the day of the list": ([("email", "marketing", "08-01", False)], True),
    "refused later, and known": (
        [("email", "marketing", "07-01", True), ("email", "marketing", "08-09", False)],
        True,
    ),
    "granted later: not yet": (
        [("email", "marketing", "07-01", False), ("email", "marketing", "08-09", True)],
        True,
    ),
    "said nothing": ([], False),
}


def test_a_refusal_stands_until_marketing_or_the_same_purpose_is_granted_and_counts_once_known() -> None:
    consents = [
        {
            "customer_source_id": name,
            "channel": channel,
            "purpose": purpose,
            "occurred_at": f"2024-{day}T08:00:00+00:00",
            "is_granted": granted,
        }
        for name, (words, _) in SAID.items()
        for channel, purpose, day, granted in words
    ]
    people = [{"source_id": name, "created_at": "2023-01-01"} for name in SAID]
    with build.warehouse(customers=people, consents=consents) as wh:
        found = wh.rows(
            "select customer_id from facts.refusals_known($as_of, 'email')", as_of=date(2024, 8, 1)
        )
        as_then = wh.rows(
            "select customer_id from facts.customers_before($as_of) where has_opted_out",
            as_of=date(2024, 8, 1),
        )
    refused = {name for name, (_, is_refused) in SAID.items() if is_refused}
    assert {row[0].removeprefix("default:") for row in found} == refused
    # what a model may know of that day has no later word in it
    assert not {"refused on the day of the list", "refused later, and known"} & {
        row[0].removeprefix("default:") for row in as_then
    }


def test_the_day_on_which_it_was_said_decides_not_the_order_in_which_it_was_learned() -> None:
    said = [("late no", "05-01", False), ("late no", "06-01", True)]
    said += [("late yes", "05-01", True), ("late yes", "06-01", False)]
    words = [
        {
            "customer_source_id": name,
            "channel": "email",
            "purpose": "marketing",
            "occurred_at": f"2024-{day}T08:00:00+00:00",
            "is_granted": granted,
        }
        for name, day, granted in said
    ]
    people = [{"source_id": name, "created_at": "2023-01-01"} for name in ("late no", "late yes", "other")]
    with build.warehouse(customers=people) as wh:
        for number, word in enumerate(reversed(words)):
            learned = build.RECORDED_AT + timedelta(days=number)
            build.add(wh, "consents", [word], recorded_at=learned)
        asked = "select customer_id from facts.refusals_known($as_of, 'email') order by all"
        assert wh.rows(asked, as_of=date(2024, 8, 1)) == [("default:late yes",)]
        # one customer of two records: the refusal of one is the customer's
        crm.merge(wh, "default:other", "default:late yes")
        assert wh.rows(asked, as_of=date(2024, 8, 1)) == [("default:late yes",)]
        crm.merge(wh, "default:late no", "default:late yes")
        assert wh.rows(asked, as_of=date(2024, 8, 1)) == [("default:late no",)]
        assert wh.rows(
            "select customer_id, has_opted_out from facts.customers_before($as_of)", as_of=date(2024, 8, 1)
        ) == [("default:late no", True)]


HEADER = "customer_source_id,channel,purpose,occurred_at,is_granted\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[crm.Warehouse]:
    """Of which every test below takes customers whose names begin with letters of its own."""
    with build.warehouse() as wh:
        yield wh


def load(wh: crm.Warehouse, folder: Path, *rows: str) -> crm.Load:
    """Load our own layout of consents."""
    file = folder / f"consents_{wh.value('select count(*) from ops.loads')}.csv"
    file.write_text(HEADER + "".join(f"{row}\n" for row in rows), "utf-8")
    [loaded] = crm.load(wh, file, profile="plain_consents")
    return loaded


def refused(wh: crm.Warehouse, channel: str, among: str) -> set[str]:
    """Return who of those with such first letters must get no marketing there on 2025-01-01."""
    found = wh.rows(
        "select customer_id from facts.refusals_known($as_of, $channel)",
        as_of=date(2025, 1, 1),
        channel=channel,
    )
    names = {row[0].removeprefix("default:") for row in found}
    return {name for name in names if name[0] in among}


def test_a_refusal_on_all_on_none_or_on_a_channel_nobody_knows_counts_for_every_channel(
    shared: crm.Warehouse, tmp_path: Path
) -> None:
    general = ("all", "ANY", "*", "", "fax", "phone + e-mail")
    spelled = {"telephone": "phone", "Tel.": "phone", "E-Mail": "email", "mail": "email", " Phone": "phone"}
    known = [f"{channel},marketing,2024-01-02,true" for channel in ("phone", "email")]
    people = [f"G{n}" for n in range(len(general))] + [f"S{n}" for n in range(len(spelled))]
    load(shared, tmp_path, *(f"{one},{word}" for one in people for word in known))
    told = [f"G{n},{word},marketing,2024-06-01,false" for n, word in enumerate(general)]
    told += [f"S{n},{word},marketing,2024-06-01,false" for n, word in enumerate(spelled)]
    loaded = load(shared, tmp_path, *told)
    assert (loaded.rows_loaded, [(one.issue, one.row_count) for one in loaded.issues]) == (
        len(told),
        [("unknown_word", 1)] * 2,
    )
    everybody = {f"G{n}" for n in range(len(general))}
    for channel in ("phone", "email"):
        own = {f"S{n}" for n, ours in enumerate(spelled.values()) if ours == channel}
        assert refused(shared, channel, "GS") == everybody | own
    assert refused(shared, "post", "GS") == everybody
    # a later grant lifts the refusal of its own channel; one of an unknown channel or day before, none
    later = ["G0,phone,marketing,2024-07-01,true", "G1,fax,marketing,2024-07-01,true"]
    later += ["G2,phone,marketing,2024-05-31,true", "G3,phone,service,2024-07-01,true"]
    load(shared, tmp_path, *later, "G4,all,marketing,2024-07-01,true")
    assert refused(shared, "phone", "G") == everybody - {"G0", "G4"}
    assert refused(shared, "email", "G") == everybody - {"G4"}


def test_every_channel_of_the_vocabulary_is_one_of_all() -> None:
    consent = {"customer_source_id": "C1", "channel": "all", "occurred_at": "2024-06-01", "is_granted": False}
    with build.warehouse(consents=[consent]) as wh:
        found = wh.rows(
            "select channel from facts.last_consents($as_of, false) order by 1", as_of=date(2025, 1, 1)
        )
    assert tuple(row[0] for row in found) == WORD_LISTS["channels"]


def test_of_yes_and_no_at_one_moment_no_wins_in_any_order_until_its_load_is_taken_back(
    shared: crm.Warehouse, tmp_path: Path
) -> None:
    said = "{},email,marketing,2024-06-01,{}"
    load(shared, tmp_path, said.format("A", "true"), said.format("A", "false"))
    load(shared, tmp_path, said.format("B", "false"), said.format("B", "true"))
    load(shared, tmp_path, said.format("C", "true"))
    no = load(shared, tmp_path, said.format("C", "false"), said.format("D", "false"))
    load(shared, tmp_path, said.format("D", "true"), said.format("E", "true"))
    assert refused(shared, "email", "ABCDE") == {"A", "B", "C", "D"}
    assert no.load_id is not None
    crm.unload(shared, no.load_id)
    assert refused(shared, "email", "ABCDE") == {"A", "B"}


def test_what_a_person_corrects_in_the_record_store_replaces_what_stood_there() -> None:
    given = {"customer_source_id": "A", "channel": "email", "purpose": "marketing", "is_granted": False}
    with build.warehouse(customers=[{"source_id": "A"}]) as wh, RecordStore.open(":memory:") as records:
        records.customers.add({"source_id": "A", "name": "Ada Example"})
        consent = records.consents.add(given | {"occurred_at": build.RECORDED_AT.replace(year=2024)})
        crm.sync(wh, records)
        assert refused(wh, "email", "A") == {"A"}
        records.consents.update(consent.id, {"is_granted": True})
        crm.sync(wh, records)
        assert refused(wh, "email", "A") == set()


def test_a_refusal_without_a_day_holds_since_it_was_received_and_a_consent_without_one_is_set_aside(
    shared: crm.Warehouse, tmp_path: Path
) -> None:
    load(shared, tmp_path, "X,email,marketing,2024-01-02,true", "Y,email,marketing,2024-01-02,true")
    loaded = load(
        shared,
        tmp_path,
        "X,email,marketing,,false",
        "Z,email,marketing,,true",
        "Z,,marketing,2024-01-02,true",
    )
    assert (loaded.rows_loaded, dict(loaded.reasons)) == (1, {"missing_value": 2})
    assert refused(shared, "email", "XYZ") == {"X"}
