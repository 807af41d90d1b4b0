"""Is a person found in bytes of any encoding, in any spelling of the name, and nobody else with them?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics.privacy.mentions import Mentions
from crm_analytics.privacy.subject import Others, Subject, find, others_with
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


def person(
    *points: str, ids: tuple[str, ...] = (), names: tuple[str, ...] = (), others: tuple[str, ...] = ()
) -> Mentions:
    """A customer of the shop; `others`: what of it somebody else has as well."""
    keys = {"customers": frozenset(("shop", one) for one in ids)}
    shared = Others((), frozenset(points) & frozenset(others), frozenset(ids) & frozenset(others))
    return Mentions(Subject(keys, frozenset(names), frozenset(points)), shared)


ANN = person("ann@web.example", "+65 9123 4567", "1111111", "123456", ids=("10000001", "C-1-Long-Id"))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "mail joann@web.example about my illness",
            "jo.ann@web.example",
            "o'ann@web.example",
            "x+ann@web.example",
        ),
        *("ann@web.example.org", "ann@web.example-shop.org", "ann@web.examples", "ann@webXexample"),
        *("order 210000001 is late", "100000012", "X10000001", "AB-10000001Z", "c-1-long-id2"),
        *("article 9123456 broken", "A123456", "1234567"),
        *("tracking 00340434391234567123", "invoice 11111112345", "0034 0434 3912 3456 7123", "+1 9123 4567"),
        *("912345678", "x91234567", "IBAN DE1191234567", "0034 9123 4567 12", "41111111"),
    ],
)
def test_a_part_of_a_longer_address_id_or_number_is_a_strangers(text: str) -> None:
    assert not ANN.is_in(text.encode())
    assert not ANN.is_in(json.dumps({"id": 7, "subject": text, "n": 12}).encode())


@pytest.mark.parametrize(
    "text",
    [
        *("<ANN@web.example>, you", "mailto:ann@web.example", "ann@web.example.", "'Ann@Web.example'"),
        *(
            "a|ann@web.example|b",
            "to=ann@web.example&x",
            "list of ann@web.example.csv",
            "ann@web.example_2.csv",
        ),
        *("order 10000001 is late", "(10000001)", "c-1-LONG-id.", "invoice_10000001.pdf", "id:123456!"),
        *(
            "tel 91234567",
            "ring 9123-4567.",
            "+65 (0)9123 4567",
            "0065/91234567",
            "09123 4567",
            "65 9123 4567",
        ),
        *("flat 12 +65 9123 4567 10:00", "2025-01-01 91234567", "call 1111111 now", "111-11-11"),
    ],
)
def test_an_address_id_or_number_that_stands_alone_is_the_persons(text: str) -> None:
    assert ANN.is_in(text.encode())
    assert ANN.is_in(json.dumps({"id": 7, "subject": text, "n": 12}).encode())


@pytest.mark.parametrize(
    "name",
    ["Frau Schmidt", "Walk-in customer", "Unknown Unknown", "Dr. Prof. Li", "مشتری ناشناس", "Kunde Schmidt"],
)
def test_a_title_or_a_word_for_no_name_names_nobody(name: str) -> None:
    assert not person(names=(name,)).is_in(f"{name} aus Ulm,{name}".encode())


def test_a_name_is_found_with_and_without_its_title_and_before_a_number() -> None:
    named = person(names=("Dr. İpek Weißgerber",))
    for text in ("Weissgerber, Dr. Ipek", "ipek weissgerber", "İpek Weißgerber2.csv", "Weißgerber İpek"):
        assert named.is_in_text(text), text
    for text in ("Dr. Weißgerber", "İpek Weißgerberin", "Dr. İpek"):
        assert not named.is_in_text(text), text


@pytest.mark.parametrize("point", ["info@acme.example", "+49 30 7654321", "AB123456"])
def test_what_others_have_as_well_counts_only_beside_a_name_or_id(point: str) -> None:
    shared = person(point, ids=("C6",), names=("Frau Schmidt",), others=(point,))
    assert not shared.is_in(f"Q,cc {point},x".encode())
    assert shared.is_shared_in(f"Q,cc {point},x".encode())
    assert not shared.is_in(b"C6,Frau Schmidt")
    assert shared.is_in(f"Q,cc {point},schmidt frau".encode())
    assert shared.is_in(f"C6,cc {point}".encode())
    assert not shared.is_in(f"C66,cc {point}".encode())


def test_an_id_that_others_have_elsewhere_is_the_persons_in_the_persons_system() -> None:
    shared = person(ids=("20001234",), others=("20001234",))
    assert shared.is_in(b"T1,20001234,late", system="shop")
    assert not shared.is_in(b"T1,20001234,late", system="desk")


def test_records_with_a_mailbox_that_two_share_stay_byte_for_byte_and_are_named(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text(
        "source_id,name,email\nC1,Ann Lee,info@acme.example\n"
        "C2,Joann Leeds,info@acme.example\nC3,Bob O,b@b.example\n"
    )
    day = "2025-01-01T00:00:00+00:00"
    asked = ["cc info@acme.example", "info@acme.example by Lee Ann", "joann lee"]
    lines = [f"Q{n},C3,{text},no day" for n, text in enumerate(asked)]
    (tmp_path / "t.csv").write_text(
        "\n".join(["source_id,customer_source_id,subject,created_at", f"T1,C3,fine,{day}", *lines, ""])
    )
    with Warehouse.open() as wh:
        crm.load(wh, tmp_path / "customers.csv", profile="plain_customers")
        crm.load(wh, tmp_path / "t.csv", profile="plain_tickets")
        assert others_with(wh, find(wh, "default:C1")).keys == ("default:C2",)
        told = crm.export_subject(wh, "default:C1").tables["ops.quarantine"]
        assert [row["raw"].split(",")[0] for row in told] == ["Q1"]
        receipt = crm.erase(wh, "default:C1")
        kept = [
            bytes(raw).strip() for (raw,) in wh.rows("select raw from ops.quarantine order by record_number")
        ]
        assert kept == [lines[0].encode(), b"", lines[2].encode()]
        assert (receipt.rows_emptied["ops.quarantine"], receipt.set_aside_left) == (1, ((2, 2),))


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
