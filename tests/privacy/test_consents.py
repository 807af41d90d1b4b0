"""Is an opt-out a fact with a date, that holds from then on and not before?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

import crm_analytics as crm
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
