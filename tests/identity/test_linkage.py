"""Who is linked, who is not, and how well: by rules that hold for every data set, and on published data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from benchmarks import identity as benchmark
from benchmarks.people import people
from crm_analytics.ingest.identity import link_records
from crm_analytics.ingest.identity.compared import compared
from crm_analytics.ingest.identity.comparisons import COMPARISONS

Pair = tuple[str, str]


def linked(pairs: pd.DataFrame) -> set[Pair]:
    chosen = pairs[pairs["decision"] == "link"]
    return set(zip(chosen["left_id"], chosen["right_id"], strict=True))


@cache
def crowd() -> pa.Table:
    """Three hundred invented people, among whom the cases below stand."""
    found = people(300).drop(columns="person")
    found.insert(0, "record_id", found.pop("source_system") + ":" + found.pop("source_id"))
    return pa.Table.from_pandas(found, preserve_index=False)


def pairs_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """Link the crowd and the given records; return the pairs of the given ones."""
    names = crowd().column_names
    given = [{"record_id": f"t:{number}", "type": "person"} | row for number, row in enumerate(rows)]
    more = pa.Table.from_pylist([{name: row.get(name) for name in names} for row in given], crowd().schema)
    pairs = link_records(pa.concat_tables([crowd(), more]))
    return pairs[pairs["left_id"].str.startswith("t:") & pairs["right_id"].str.startswith("t:")]


ADA = {"first_name": "Ada", "last_name": "Lovelace", "country": "DE"}
HOME = {"street": "Elm 1", "city": "Ulm", "postcode": "89073", "phone": "+4973112345"}


@pytest.fixture(scope="module")
def cases() -> pd.DataFrame:
    """All cases in one run: 0-1 mail, 2-3 name alone, 4-5 couple, 6-8 switchboard, 9-10 father and son."""
    bo, eve, ian = (
        {"first_name": given, "last_name": family}
        for given, family in (("Bo", "Quist"), ("Eve", "Oram"), ("Ian", "Undset"))
    )
    desk = {"phone": "+49301234567", "email": "info@firm.example"}
    return pairs_of(
        ADA | {"email": "Ada@Example.com", "phone": "0049 731 777777"},
        ADA | {"email": "ada@example.com", "first_name": "ADA"},
        bo,
        bo,
        eve | HOME | {"email": "oram@example.org"},
        eve | HOME | {"email": "oram@example.org", "first_name": "Adam"},
        {"first_name": "Uwe", "last_name": "Falk"} | desk,
        {"first_name": "Kim", "last_name": "Moor"} | desk,
        {"first_name": "Pia", "last_name": "Zech"} | desk,
        ian | {"street": "Oak 7", "city": "Bonn", "postcode": "53111", "birth_on": "1950-03-04"},
        ian | {"street": "Oak 7", "city": "Bonn", "postcode": "53111", "birth_on": "1981-11-25"},
    )


def test_the_same_mailbox_and_name_are_one_person_whatever_the_spelling(cases: pd.DataFrame) -> None:
    assert ("t:0", "t:1") in linked(cases)
    [said] = cases.loc[cases["left_id"] == "t:0", "because"]
    assert said == "same e-mail address and name"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(2, 3, id="a name alone"),
        pytest.param(4, 5, id="a couple with one mailbox, telephone and address"),
        pytest.param(6, 7, id="strangers behind one switchboard"),
        pytest.param(7, 8, id="strangers with one mailbox of a desk"),
        pytest.param(9, 10, id="father and son of one name at one address"),
    ],
)
def test_these_are_never_glued(cases: pd.DataFrame, one: int, other: int) -> None:
    assert (f"t:{one}", f"t:{other}") not in linked(cases)


def test_every_pair_has_a_score_and_its_evidence(cases: pd.DataFrame) -> None:
    assert cases["probability"].between(0, 1).all()
    first = cases[cases["left_id"] == "t:0"].iloc[0]
    assert (first["email_level"], first["family_name_level"]) == ("equal", "equal")
    assert pd.isna(first["birth_level"])
    assert first["email_weight"] > 5 > 0 == first["birth_weight"]
    weights = sum(first[f"{field}_weight"] for field in COMPARISONS if pd.notna(first[f"{field}_weight"]))
    assert weights > first["weight"]  # the prior odds are against any two records


def test_the_order_of_the_records_does_not_matter() -> None:
    shuffled = crowd().take(list(reversed(range(crowd().num_rows))))
    pd.testing.assert_frame_equal(link_records(crowd()), link_records(shuffled))


def test_organisations_are_compared_by_name_without_legal_form_and_never_with_people() -> None:
    firm = {"type": "organisation", "email": "buying@quistworks.example"}
    rows = [
        firm | {"record_id": "t:1", "name": "Quist Works GmbH", "email": "bo.q@quistworks.example"},
        firm | {"record_id": "t:2", "name": "QUIST WORKS", "email": "bo.q@quistworks.example"},
        {"record_id": "t:3", "name": "Works Quist", "type": "person", "email": "bo.q@quistworks.example"},
    ]
    assert linked(link_records(pa.Table.from_pylist(rows))) <= {("t:1", "t:2")}
    names = compared(pa.Table.from_pylist(rows))["family_name"].to_pylist()
    assert names == ["quist works", "quist works", "quist"]


def test_nothing_and_one_record_make_no_pairs() -> None:
    assert link_records(pa.table({"record_id": pa.array([], pa.string())})).empty
    assert link_records(pa.table({"record_id": ["a:1"], "name": ["Ada"]})).empty


@pytest.mark.parametrize("name", ["febrl1", "fake_1000"])
def test_f1_on_published_data(name: str, shared_data: Path) -> None:
    records, truth = benchmark.published(name)
    pairs = link_records(records)
    _, _, f1 = benchmark.pairwise(truth, benchmark.customer_ids(pairs, records["record_id"].to_pylist()))
    assert f1 >= benchmark.LIMITS[name]
