"""Is a person found in bytes of any encoding, in any spelling of the name, and nobody else with them?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics.privacy.mentions import Mentions
from crm_analytics.privacy.subject import Subject, find
from crm_analytics.warehouse import Warehouse

PERSON = Mentions(
    Subject(
        {"customers": frozenset({("shop", "KANARIE-77")})},
        frozenset({"Jörg Weißmüller-Çelik", "سارا احمدی", "İpek Işık"}),
        frozenset({"jw@example.com", "+49 30 7654321", "0912 111 2233"}),
    )
)
TOLD = [
    "Q1;ring Jörg Weißmüller-Çelik now",
    "JÖRG WEISSMÜLLER-ÇELIK",
    "jo\u0308rg weißmüller-çelik",
    "Weißmüller-Çelik, Jörg",
    'x;"Jörg";"Weißmüller-Çelik"',
    "Jörg_Weißmüller-Çelik.csv",
    "نامهٔ سارا احمدي رسید",
    "احمدی، سارا",
    "به سارا احمدي",
    "IPEK ISIK, ipek ışık",
    "please ring 030-765 43 21 today, flat 12",
    "(+49) 30 / 7654321",
    "tel 0049307654321",
    "شماره ۰۹۱۲۱۱۱۲۲۳۳",
    "write <JW@Example.com> please",
]
ENCODINGS = ["utf-8", "cp1252", "cp1254", "cp1256", "utf-16-le", "utf-16-be"]


def can(text: str, encoding: str) -> bool:
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeEncodeError:
        return False


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_person_is_found_in_every_spelling_and_encoding(encoding: str) -> None:
    written = [text for text in TOLD if can(text, encoding)]
    assert len(written) >= 5
    declared = None if encoding.startswith("utf-16") else encoding
    for text in written:
        assert PERSON.is_in(f"Q,{text},x\r\n".encode(encoding), declared), text
    for text in TOLD:
        whole = json.dumps({"subject": f"about {text}"}).encode()
        assert PERSON.is_in(whole), text
        assert PERSON.is_in(whole.removesuffix(b"}")), f"{text}, cut"


def test_a_name_in_two_fields_of_an_object_is_found() -> None:
    told = {"first": "Jörg", "tags": [{"last": "Weißmüller-Çelik"}], "n": 1}
    assert PERSON.is_in(json.dumps(told).encode())
    assert not PERSON.is_in(json.dumps(told | {"first": "Anna"}).encode())


def test_who_has_a_given_and_a_family_name_only_is_found_by_both(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("source_id,first_name,last_name\nC1,Jörg,Weißmüller\n")
    with Warehouse.open() as wh:
        crm.load(wh, file, profile="plain_customers")
        assert Mentions(find(wh, "default:C1")).is_in_text("Weissmüller Jörg called")


def test_records_of_utf_16_that_are_cut_in_the_line_end_are_read_all_the_same() -> None:
    for order in ("utf-16-le", "utf-16-be"):
        raw = "\nQ,سارا احمدی,x\n".encode(order)
        assert PERSON.is_in(raw[1:])
        assert PERSON.is_in(raw[:-1])


@pytest.mark.parametrize(
    "text",
    [
        "Jörg Müller",
        "Weißmüller schrieb",
        "Jörg Weißmüller-Çelikoglu",
        "سارا محمدی",
        "2024-05-01 10:00 030-765 43 22",
        "order 7654321",
        "KANARIE",
        "jw@example.org",
        "",
    ],
)
def test_nobody_else_is_found(text: str) -> None:
    for encoding in ("utf-8", "utf-16-le", "cp1256"):
        assert not PERSON.is_in(f"Q,{text},x".encode(encoding, "replace"), encoding)


@pytest.fixture
def wh(tmp_path: Path) -> Warehouse:
    """A person, two bystanders, and records set aside that name the person only by name."""
    store, inbox = tmp_path / "store", tmp_path / "inbox"
    store.mkdir()
    inbox.mkdir()
    wh = Warehouse.open(store / "crm.duckdb")
    customers = "customer_id,name\nC1,Jörg Weißmüller\nC2,Bob Ott\nC3,Eve Ott\n"
    (inbox / "customers.csv").write_text(customers)
    crm.load(wh, inbox / "customers.csv")
    head, day = "source_id,customer_source_id,subject,created_at", "2025-01-01T00:00:00+00:00"
    said = {"cp1252": "WANT1 Jörg Weißmüller", "utf-16": "WANT2 Weißmüller, Jörg".replace(",", "")}
    for number, (encoding, text) in enumerate(said.items()):
        file = inbox / f"tickets_{number}.csv"
        lines = (
            f"{head}\nT{number},C2,fine,{day}\nQ{number},C2,{text},no day\nB{number},C2,BOB {encoding},no\n"
        )
        file.write_bytes(lines.encode(encoding))
        crm.load(wh, file, encoding=encoding if encoding == "cp1252" else None)
    rows = [["TJ", "fine", day], ["QJ", "WANT3 Jörg Weißmüller", "no day"]]
    names = ("source_id", "subject", "created_at")
    objects = [dict(zip(names, row, strict=True)) | {"customer_source_id": "C2"} for row in rows]
    (inbox / "tickets.ndjson").write_text("".join(f"{json.dumps(one)}\n" for one in objects))
    crm.load(wh, inbox / "tickets.ndjson", profile="plain_tickets")
    named = inbox / "JÖRG Weißmüller.csv"
    named.write_text("source_id,name,Weißmüller Jörg\nC4,Dora,1\n")
    crm.load(wh, named, profile="plain_customers")
    crm.merge(wh, "default:C2", "default:C3", reason="as Jörg Weissmüller told")
    return wh


def test_an_export_and_an_erasure_find_who_is_named_in_another_encoding_or_in_escapes(wh: Warehouse) -> None:
    with wh:
        told = crm.export_subject(wh, "default:C1").tables["ops.quarantine"]
        raws = " ".join(sorted(row["raw"] for row in told))
        assert len(told) == 3
        for wanted in ("WANT1 Jörg Weißmüller", "WANT2 Weißmüller Jörg", "WANT3 J"):
            assert wanted in raws
        assert "BOB" not in raws
        assert set(told[0]) >= {"file", "raw", "reason"}
        assert "encoding" not in told[0]

        assert crm.erase(wh, "default:C1").rows_emptied["ops.quarantine"] == 3
        kept = [raw for (raw,) in wh.rows("select raw from ops.quarantine where raw <> ''::blob")]
        assert len(kept) == 2
        wh.execute("checkpoint")
        content = Path(wh.path).read_bytes()
    for text, encoding in (
        ("Weißmüller", "utf-8"),
        ("Weißmüller", "cp1252"),
        ("Weißmüller", "utf-16-le"),
        ("WANT1", "utf-8"),
        ("WANT2", "utf-16-le"),
        ("WANT3", "utf-8"),
        ("Weissmüller", "utf-8"),
    ):
        assert text.encode(encoding) not in content, (text, encoding)


def test_names_of_files_headers_and_reasons_that_name_the_person_are_emptied(wh: Warehouse) -> None:
    with wh:
        crm.erase(wh, "default:C1")
        removed = "removed: a person was erased"
        assert wh.rows("select file from ops.loads order by load_id")[-1] == (removed,)
        assert (removed,) in wh.rows("select column_name from ops.load_issues")
        assert wh.rows("select left_id, reason from entities.identity_log") == [("default:C2", removed)]
        assert ("tickets_0.csv",) in wh.rows("select file from ops.loads")
