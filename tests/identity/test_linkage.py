"""Who is linked, who is not, and how well: by rules that hold for every data set, and on published data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import crm_analytics as crm
from benchmarks import identity as benchmark
from benchmarks.people import people
from crm_analytics.entities.identity_log import members
from crm_analytics.ingest.identity import link_records
from crm_analytics.ingest.identity.compared import compared
from crm_analytics.ingest.identity.comparisons import COMPARISONS
from crm_analytics.ingest.identity.model import score
from crm_analytics.warehouse import Warehouse
from tests import build

Pair = tuple[str, str]


def linked(pairs: pd.DataFrame) -> set[Pair]:
    chosen = pairs[pairs["decision"] == "link"]
    return set(zip(chosen["left_id"], chosen["right_id"], strict=True))


@cache
def crowd() -> pa.Table:
    """Three hundred invented people, among whom the cases below stand."""
    found = people(300).drop(columns="person")
    found.insert(0, "record_id", found.pop("source_system") + ":" + found.pop("source_id"))
    table = pa.Table.from_pandas(found, preserve_index=False)
    return table.append_column("national_id", pa.nulls(table.num_rows, pa.string()))


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


SAME = {"type": "person", "country": "DE"}


def named(given: str, family: str, **more: Any) -> dict[str, Any]:
    return SAME | {"first_name": given, "last_name": family} | more


# name of the case -> two records; every case has a family name of its own
DECIDED: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "a name and a city": (
        "review",
        named("Ulrike", "Einzig", city="Ulm"),
        named("Ulrike", "Einzig", city="Ulm"),
    ),
    "a mailbox made of the name": (
        "review",
        named("Ulrike", "Zweizig", city="Ulm", email="ulrike.zweizig@a.example"),
        named("Ulrike", "Zweizig", city="Ulm", email="ulrike.zweizig@b.example"),
    ),
    "a mailbox made of the name, with its umlaut written out": (
        "review",
        named("Jörg", "Dräxlmüh", email="joerg.draexlmueh@a.example"),
        named("Jörg", "Dräxlmüh", email="joerg.draexlmueh@b.example"),
    ),
    "another ending": (
        "review",
        named("Peter", "Adlerhorst", email="ah7@example.com", phone="+49731111222"),
        named("Petra", "Adlerhorst", email="ah7@example.com", phone="+49731111222"),
    ),
    "twins, another vowel": (
        "review",
        named("Lena", "Zwillich", email="zw8@example.com", birth_on="1990-05-06"),
        named("Lina", "Zwillich", email="zw8@example.com", birth_on="1990-05-06"),
    ),
    "twins, other names": (
        "review",
        named("Bert", "Doppelt", email="do8@example.com", birth_on="1990-05-06"),
        named("Anna", "Doppelt", email="do8@example.com", birth_on="1990-05-06"),
    ),
    "twins, of whose names one is rare here": (
        "review",
        named("Lena", "Vogtherr", birth_on="2001-02-02", email="vo8@example.com", phone="+49731113333"),
        named("Lea", "Vogtherr", birth_on="2001-02-02", email="vo8@example.com", phone="+49731113333"),
    ),
    "a slip in a name that is usual": (
        "link",
        named("Lena", "Vogelsteller", birth_on="2001-02-02", email="vs8@example.com"),
        named("Lnea", "Vogelsteller", birth_on="2001-02-02", email="vs8@example.com"),
    ),
    "brothers": (
        "review",
        named("Marco", "Brugger", email="br8@example.com", birth_on="1980-01-01"),
        named("Marko", "Brugger", email="br8@example.com", birth_on="1984-03-09"),
    ),
    "father and son with one mailbox": (
        "review",
        named("Michael", "Sohnreich", email="so7@example.com", phone="+49731111333", birth_on="1960-01-01"),
        named("Michael", "Sohnreich", email="so7@example.com", phone="+49731111333", birth_on="1990-01-01"),
    ),
    "a telephone number of zeros": (
        "review",
        named("Paula", "Nullinger", phone="+49 30 0000000"),
        named("Paula", "Nullinger", phone="+49 30 0000000"),
    ),
    "a household's telephone": (
        "apart",
        named("Olga", "Ypsilon", phone="+49731111444"),
        named("Viktor", "Ypsilon", phone="+49731111444"),
    ),
    "two scripts": (
        "link",
        named("Sara", "Ahmadi", email="sara.ahmadi@example.com", phone="+989123456789"),
        named("سارا", "احمدی", email="sara.ahmadi@example.com", phone="+989123456789"),
    ),
    "two scripts and a national id": (
        "link",
        named("Reza", "Karimi", national_id="0084575948"),
        named("رضا", "کریمی", national_id="۰۰۸۴۵۷۵۹۴۸"),
    ),
    "a married name and a national id": (
        "link",
        named("Mina", "Jafari", national_id="0013542419"),
        named("Mina", "Hosseini", national_id="0013542419"),
    ),
    "one mailbox, nothing else alike": (
        "review",
        named("Olga", "Sternberg", email="shared77@example.com"),
        named("Viktor", "Mondschein", email="shared77@example.com"),
    ),
    "an umlaut written out, and a host in both its forms": (
        "link",
        named("Jörg", "Weißkopf", email="jw12@bücher.example"),
        named("Joerg", "Weisskopf", email="jw12@xn--bcher-kva.example"),
    ),
    "a day of birth one off": (
        "link",
        named("Ulrike", "Tagmann", email="ut5@example.com", birth_on="1980-05-06"),
        named("Ulrike", "Tagmann", email="ut5@example.com", birth_on="1980-06-05"),
    ),
    "two national ids": (
        "review",
        named("Karl", "Cordesius", email="co5@example.com", national_id="12345678901"),
        named("Karl", "Cordesius", email="co5@example.com", national_id="98765432109"),
    ),
    "two national ids with letters, nothing known of the country": (
        "review",
        named("Karl", "Dreyhaupt", phone="+49731113911", national_id="ID778899", country=None),
        named("Karl", "Dreyhaupt", phone="+49731113911", national_id="ID112233"),
    ),
    "two national ids of Poland": (
        "review",
        named("Karl", "Zegarek", email="ze5@example.com", national_id="44051401359", country="PL"),
        named("Karl", "Zegarek", email="ze5@example.com", national_id="02070803628", country="pl"),
    ),
    "two national ids, born one slip apart": (
        "review",
        named("Karl", "Ebertin", email="eb5@example.com", national_id="ID448811", birth_on="1960-05-05"),
        named("Karl", "Ebertin", email="eb5@example.com", national_id="ID907733", birth_on="1960-05-06"),
    ),
    "a couple's letter box": (
        "review",
        named("Klaus", "Zornikau", email="zk5@example.com"),
        named("Klaus und Eva", "Zornikau", email="zk5@example.com"),
    ),
    "a couple's letter box, twice": (
        "link",
        named("Klaus & Eva", "Kornblum", email="kk5@example.com"),
        named("KLAUS & EVA", "Kornblum", email="kk5@example.com"),
    ),
    "a couple's letter box in Persian": (
        "review",
        named("سارا", "گلستانی", email="sg5@example.com"),
        named("سارا و علی", "گلستانی", email="sg5@example.com"),
    ),
    "a number that was renewed": (
        "link",
        named("Karl", "Fuchsinger", email="fu5@example.com", national_id="T22000129", birth_on="1960-05-05"),
        named("Karl", "Fuchsinger", email="fu5@example.com", national_id="L01X00T47", birth_on="1960-05-05"),
    ),
    "national ids of two countries": (
        "link",
        named("Karl", "Grubenau", email="gr5@example.com", national_id="44051401359", country="PL"),
        named("Karl", "Grubenau", email="gr5@example.com", national_id="70907812345"),
    ),
    "a national id with a digit mistaken": (
        "link",
        named("Karl", "Habermas", email="ha5@example.com", national_id="44051401457", country="PL"),
        named("Karl", "Habermas", email="ha5@example.com", national_id="44051401957", country="PL"),
    ),
    "a national id with two digits in each other's place": (
        "link",
        named("Karl", "Imhofen", email="im5@example.com", national_id="ID551298"),
        named("Karl", "Imhofen", email="im5@example.com", national_id="id 55-1289"),
    ),
    "a national id that a spreadsheet shortened": (
        "link",
        named("Karl", "Jacobsohn", email="ja5@example.com", national_id="0071829304"),
        named("Karl", "Jacobsohn", email="ja5@example.com", national_id="71829304"),
    ),
}


ZORN = {"email": "zo9@example.com", "phone": "+49731111555"}
OTTO = {"email": "ot9@example.com", "phone": "+49731111666"}
LANG = {"email": "la9@example.com", "phone": "+49731111777"}
KURZ = {"email": "ku9@example.com", "phone": "+49731111888"}
KLUG = {"email": "kl9@example.com", "phone": "+49731111999"}
ROTH = {"email": "ro9@example.com", "phone": "+49731112111"}
FARR = {"email": "fa9@example.com", "phone": "+49731112222"}
NATT = {"email": "na9@example.com", "phone": "+49731113944"}
OBER = {"email": "ob9@example.com", "phone": "+49731113955"}
# name of the case -> records, and those of them (by place) that become one customer
TOGETHER: dict[str, tuple[list[dict[str, Any]], list[list[int]]]] = {
    "a couple and an initial": (
        [
            named("Peter", "Zornig", birth_on="1960-01-05", **ZORN),
            named("Paula", "Zornig", birth_on="1962-07-30", **ZORN),
            named("P.", "Zornig", **ZORN),
        ],
        [],
    ),
    "a couple without dates and an initial": (
        [named("Petra", "Rothaug", **ROTH), named("Peter", "Rothaug", **ROTH), named("P", "Rothaug", **ROTH)],
        [],
    ),
    "father and son, and who is not known by date": (
        [
            named("Karl", "Ottonow", birth_on="1928-03-11", **OTTO),
            named("Karl", "Ottonow", birth_on="1970-06-26", **OTTO),
            named("Karl", "Ottonow", **OTTO),
        ],
        [],
    ),
    "cousins of one name, and who is not known by date": (
        [
            named("Karl", "Langohr", birth_on="1990-01-01", **LANG),
            named("Karl", "Langohr", birth_on="1999-09-30", **LANG),
            named("Karl", "Langohr", **LANG),
        ],
        [],
    ),
    "clearly the son": (
        [
            named("Karl", "Kurzmann", birth_on="1928-03-11", **KURZ),
            named("Karl", "Kurzmann", birth_on="1970-06-26", **KURZ),
            named("Karl", "Kurzmann", birth_on="1970-06-26", **KURZ),
            named("Karl", "Kurzmann", birth_on="1970-06-27", **KURZ),
        ],
        [[1, 2, 3]],
    ),
    "twins and an initial": (
        [
            named("Arne", "Klugmeier", birth_on="1990-05-06", **KLUG),
            named("Anna", "Klugmeier", birth_on="1990-05-06", **KLUG),
            named("A.", "Klugmeier", birth_on="1990-05-06", **KLUG),
        ],
        [],
    ),
    "two national ids and a record without": (
        [
            named("Mina", "Farrokhi", national_id="0013542419", **FARR),
            named("Mina", "Farrokhi", national_id="0084575948", **FARR),
            named("Mina", "Farrokhi", **FARR),
        ],
        [],
    ),
    "two national ids without check digits and a record without": (
        [
            named("Karl", "Natterer", national_id="12345678901", **NATT),
            named("Karl", "Natterer", **NATT),
            named("Karl", "Natterer", national_id="98765432109", **NATT),
        ],
        [],
    ),
    "one national id, a slip of it, a record without and another id": (
        [
            named("Karl", "Oberlin", national_id="ID330044", **OBER),
            named("Karl", "Oberlin", national_id="ID 330045", **OBER),
            named("Karl", "Oberlin", **OBER),
            named("Karl", "Oberlin", national_id="ID918273", **OBER),
        ],
        [[0, 1]],
    ),
}


def places_of_groups() -> dict[str, list[str]]:
    """Return the keys of the records of each case of `TOGETHER`, which follow those of `DECIDED`."""
    counts = [len(rows) for rows, _ in TOGETHER.values()]
    starts = [2 * len(DECIDED) + sum(counts[:n]) for n in range(len(counts))]
    return {
        case: [f"t:{start + n}" for n in range(count)]
        for case, start, count in zip(TOGETHER, starts, counts, strict=True)
    }


@pytest.fixture(scope="module")
def decided() -> pd.DataFrame:
    """All of `DECIDED` and `TOGETHER` in one run: records 2n and 2n + 1 are the n-th case of `DECIDED`."""
    return pairs_of(
        *(record for _, one, other in DECIDED.values() for record in (one, other)),
        *(record for records, _ in TOGETHER.values() for record in records),
    )


@pytest.mark.parametrize("case", TOGETHER)
def test_who_contradicts_each_other_is_never_one_customer_through_a_third_record(
    decided: pd.DataFrame, case: str
) -> None:
    keys = places_of_groups()[case]
    of = dict(zip(keys, benchmark.customer_ids(decided, keys), strict=True))
    made = [[n for n, key in enumerate(keys) if of[key] == group] for group in sorted(set(of.values()))]
    assert [group for group in made if len(group) > 1] == TOGETHER[case][1]
    chained = benchmark.customer_ids(decided.assign(is_contradicted=False), keys)
    assert len(set(chained)) < len(keys), "links alone would bring them together"


@pytest.mark.parametrize("case", DECIDED)
def test_what_becomes_of_a_pair(decided: pd.DataFrame, case: str) -> None:
    number = 2 * list(DECIDED).index(case)
    keys = sorted([f"t:{number}", f"t:{number + 1}"])
    found = decided[(decided["left_id"] == keys[0]) & (decided["right_id"] == keys[1])]
    assert found["decision"].tolist() == [DECIDED[case][0]]


def test_a_pair_that_contradicts_itself_is_marked_although_no_third_record_is_there(
    decided: pd.DataFrame,
) -> None:
    """A person may merge a third record with one of them later."""
    for case in (
        "father and son with one mailbox",
        "another ending",
        "twins, other names",
        "two national ids",
        "a couple's letter box",
    ):
        number = 2 * list(DECIDED).index(case)
        both = [f"t:{number}", f"t:{number + 1}"]
        found = decided[decided["left_id"].isin(both) & decided["right_id"].isin(both)]
        assert found["is_contradicted"].tolist() == [True], case


def test_a_name_of_two_people_is_told_from_a_family_called_von_und_zu_and_a_company() -> None:
    two = [
        "Klaus und Eva Zornik",
        "K. & E. Zornik",
        "Klaus&Eva Zornik",
        "سارا و علی احمدی",
        "Ann and Bob Lee",
    ]
    one = ["Karl von und zu Lindwurm", "Undine Andersen", "Anders Land", "Wanda Sand", "Cher"]
    rows = [{"record_id": f"s:{n:02}", "name": name} for n, name in enumerate([*two, *one])]
    rows.append({"record_id": "s:99", "name": "Quist & Works", "type": "organisation"})
    told = compared(pa.Table.from_pylist([{"type": None} | row for row in rows]))["is_of_two"].to_pylist()
    assert told == [True] * 5 + [False] * 6


def test_no_level_says_more_than_a_better_one_and_what_differs_speaks_for_no_pair() -> None:
    # twenty given names and one city: of names that are close there is nothing to learn from
    names = [f"{a}{b}" for a in ("Anna", "Bert", "Clara", "David") for b in ("", "ke", "son", "lie", "mar")]
    rows = [
        named(names[n % 20], f"Muster{n // 20}", city="Ulm", email=f"x{n % 380}@example.com")
        | {"record_id": f"s:{n}"}
        for n in range(400)
    ]
    scored = score(compared(pa.Table.from_pylist(rows)))
    assert scored is not None
    for comparison in scored.parameters["comparisons"]:
        levels = comparison["comparison_levels"][1:]
        bits = [math.log2(one["m_probability"] / one["u_probability"]) for one in levels]
        assert bits == sorted(bits, reverse=True)
        assert bits[-1] <= 0


@pytest.fixture(scope="module")
def family() -> Iterator[Warehouse]:
    """Ada twice; and Karl, his father Karl, and a Karl of whom no date is known."""
    ada = {"name": "Ada Byron", "email": "ada@example.com", "created_at": "2024-01-01"}
    karl = {"name": "Karl Ott", "email": "ott@example.com", "created_at": "2024-01-01"}
    born = {"K1": "1928-03-11", "K2": "1970-06-26"}
    rows = [ada | {"source_id": "A"}, ada | {"source_id": "B"}]
    rows += [karl | {"source_id": key, "birth_on": day} for key, day in born.items()]
    with build.warehouse(customers=[*rows, karl | {"source_id": "K3"}]) as wh:
        crm.identity.link(wh)
        yield wh


def test_where_a_rule_decided_no_probability_is_shown(family: Warehouse) -> None:
    [found] = crm.identity.review(family, decision="link").to_dict("records")
    assert pd.isna(found["probability"])
    assert (found["because"], "e-mail address equal" in found["evidence"]) == (
        "same e-mail address and name",
        True,
    )


def test_who_could_be_the_father_as_well_as_the_son_is_reviewed_and_exported_with_neither(
    family: Warehouse,
) -> None:
    waiting = crm.identity.review(family)[["left_id", "right_id", "because"]]
    either = "would bring together two who contradict each other; could be either"
    assert sorted(map(tuple, waiting.to_numpy())) == [
        ("default:K1", "default:K2", "another date of birth"),
        ("default:K1", "default:K3", either),
        ("default:K2", "default:K3", either),
    ]
    told = crm.export_subject(family, "default:K1").tables["entities.customers"]
    assert [row["source_id"] for row in told] == ["K1"]
    merge_id = crm.merge(family, "default:K3", "default:K2")
    assert members(family, "default:K3") == ("default:K2", "default:K3")
    crm.undo(family, merge_id)
    assert members(family, "default:K3") == ("default:K3",)


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
