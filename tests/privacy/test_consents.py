"""Is an opt-out a fact with a date, that holds from then on and not before?"""

from __future__ import annotations

from datetime import date

import pytest

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
