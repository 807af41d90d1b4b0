"""Do the files of quality/ count what they say, row for row?  And what do their gates do?"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import nightly
from crm_analytics.entities import checks
from crm_analytics.errors import AuditBlocked, StoreError
from crm_analytics.schema import entities
from crm_analytics.settings import Settings
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.field_views import field_views
from tests import build

FOLDER = Path(checks.__file__).parent / "quality"
AS_OF = date(2024, 7, 1)


def counted(wh: Warehouse, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return wh.rows(SqlFile.load(FOLDER / f"{name}.sql"), **parameters)


def test_every_quality_file_has_the_same_columns() -> None:
    same = ["entity", "field", "source_system", "owner_source_id", "row_count", "bad_count"]
    files = [SqlFile.load(path) for path in FOLDER.glob("*.sql")]
    assert len(files) == 7
    assert [list(one.columns) for one in files] == [same] * len(files)


def test_completeness_counts_empty_fields_by_system_and_owner() -> None:
    contacts = [
        {"source_id": "1", "email": "a@example.com", "owner_source_id": "U1"},
        {"source_id": "2", "owner_source_id": "U1"},
        {"source_id": "3"},
    ]
    with build.warehouse(contacts=contacts) as wh:
        build.add(wh, "contacts", [{"source_id": "1"}], source_system="other")
        rows = [row for row in counted(wh, "completeness") if row[1] in ("email", "source_id")]
        named = {row[1] for row in counted(wh, "completeness")}
    assert rows == [
        ("contacts", "email", "default", "", 1, 1),
        ("contacts", "email", "default", "U1", 2, 1),
        ("contacts", "email", "other", "", 1, 1),
        ("contacts", "source_id", "default", "", 1, 0),
        ("contacts", "source_id", "default", "U1", 2, 0),
        ("contacts", "source_id", "other", "", 1, 0),
    ]
    assert named == set(entities()["contacts"].column_names)


def test_an_added_column_is_measured_without_another_word() -> None:
    made = "\n".join(field_views())
    [links] = [one for one in field_views() if 'entities."links"' in one]
    branches = {one.name: "" for one in entities().values()} | {
        text.split("'")[1]: text for text in links.split("select entity, field, target")[1:]
    }
    for one in entities().values():
        for column in one.columns:
            assert f'count("{column.name}")' in made
            assert f"'{column.name}'" in made
        refers = [column for column in one.columns if column.refers is not None]
        listed = [
            f"[{', '.join(texts)}]"
            for texts in (
                [f"'{column.name}'" for column in refers],
                [f"'{column.refers}'" for column in refers],
                [f'"{column.name}"' for column in refers],
            )
        ]
        assert not refers or all(text in branches[one.name] for text in listed), one.name


def test_validity_finds_values_that_cannot_be_right() -> None:
    customers: list[dict[str, Any]] = [
        {"source_id": "1", "email": "a@example.com", "phone": "+49 30 1234567", "birth_on": "1980-02-01"},
        {"source_id": "2", "email": "a at example", "phone": "n/a", "birth_on": "1080-02-01"},
        {"source_id": "3", "phone": "۰۲۱۸۸۷۷۶۶۵۵"},
    ]
    orders = [
        {"source_id": "O1", "occurred_at": "2024-02-01", "cancelled_at": "2024-01-01"},
        {"source_id": "O2", "occurred_at": "2024-02-01", "cancelled_at": "2024-03-01"},
        {"source_id": "O3", "occurred_at": "2024-02-01"},
    ]
    lines = [{"order_source_id": "O1", "unit_price": "-1"}, {"order_source_id": "O2"}]
    with build.warehouse(customers=customers, orders=orders, order_lines=lines) as wh:
        rows = counted(wh, "validity")
    assert rows == [
        ("customers", "birth_on", "default", "", 2, 1),
        ("customers", "email", "default", "", 2, 1),
        ("customers", "phone", "default", "", 3, 1),
        ("order_lines", "unit_price", "default", "", 2, 1),
        ("orders", "cancelled_at", "default", "", 2, 1),
    ]


def test_duplicates_share_what_should_be_theirs_alone_within_one_system() -> None:
    customers = [
        {"source_id": "1", "email": "Ada@example.com", "phone": "030 123456"},
        {"source_id": "2", "email": "ada@example.com ", "phone": "030/123456"},
        {"source_id": "3", "email": "bob@example.com"},
    ]
    with build.warehouse(customers=customers) as wh:
        build.add(wh, "customers", [{"source_id": "1", "email": "bob@example.com"}], source_system="other")
        rows = counted(wh, "duplicates")
    assert rows == [
        ("customers", "email", "default", "", 3, 2),
        ("customers", "email", "other", "", 1, 0),
        ("customers", "phone", "default", "", 2, 2),
    ]


def test_staleness_is_told_from_as_of() -> None:
    deals = [
        {
            "source_id": "1",
            "stage_kind": "open",
            "modified_at": "2024-06-01",
            "expected_close_on": "2024-06-30",
        },
        {
            "source_id": "2",
            "stage_kind": "open",
            "modified_at": "2024-02-01",
            "expected_close_on": "2024-08-01",
        },
        {"source_id": "3", "stage_kind": "won", "modified_at": "2020-02-01"},
    ]
    tasks = [
        {"source_id": "1", "status": "open", "due_on": "2024-06-30", "owner_source_id": "U1"},
        {"source_id": "2", "status": "open", "due_on": "2024-07-01", "owner_source_id": "U1"},
        {"source_id": "3", "status": "done", "due_on": "2024-01-01", "owner_source_id": "U1"},
    ]
    with build.warehouse(opportunities=deals, tasks=tasks) as wh:
        rows = counted(wh, "staleness", as_of=AS_OF)
    assert rows == [
        ("opportunities", "expected_close_on", "default", "", 2, 1),
        ("opportunities", "modified_at", "default", "", 2, 1),
        ("tasks", "due_on", "default", "U1", 2, 1),
    ]


def test_priced_lines_take_the_currency_of_their_order() -> None:
    orders = [{"source_id": "O1", "occurred_at": "2024-02-01", "currency": "EUR"}]
    lines = [
        {"order_source_id": "O1", "currency": None},
        {"order_source_id": "O2", "currency": None},
        {"order_source_id": "O2", "unit_price": None, "amount": None},
    ]
    with build.warehouse(orders=orders, order_lines=lines) as wh:
        assert counted(wh, "priced_lines") == [
            ("order_lines", "amount", "default", "", 3, 1),
            ("order_lines", "currency", "default", "", 3, 1),
        ]


LINKS = [
    (entity.name, column.name, column.refers)
    for entity in entities().values()
    for column in entity.columns
    if column.refers is not None
]


@pytest.fixture(scope="module")
def linked() -> Any:
    """Per link a row that finds its target and one that does not; system 'bare' has no targets."""
    with build.warehouse() as wh:
        for name in {refers for _, _, refers in LINKS}:
            build.add(wh, name, [{"source_id": "X"}])
        for name in dict.fromkeys(entity for entity, _, _ in LINKS):
            fields = [column for entity, column, _ in LINKS if entity == name]
            for system in ("default", "bare"):
                rows: list[dict[str, Any]] = [
                    {"source_id": f"{name} {told}"} | dict.fromkeys(fields, told)
                    for told in ("X", "nowhere")
                    if "source_id" in entities()[name].column_names
                ] or [dict.fromkeys(fields, told) for told in ("X", "nowhere")]
                if name == "order_lines":  # lines with a time of their own need no head
                    rows = [row | {"occurred_at": None} for row in rows]
                build.add(wh, name, rows, source_system=system)
        sums: dict[Any, tuple[int, int]] = {}
        for *place, _, row_count, bad_count in counted(wh, "relations"):
            before = sums.get(tuple(place), (0, 0))
            sums[tuple(place)] = (before[0] + row_count, before[1] + bad_count)
    return sums


@pytest.mark.parametrize(("entity", "column", "refers"), LINKS, ids=lambda one: str(one))
def test_relations_look_at_every_link_of_the_schema(
    linked: dict[tuple[str, str, str], tuple[int, int]], entity: str, column: str, refers: str
) -> None:
    assert linked[entity, column, "default"] == (2, 1), f"{entity}.{column} -> {refers}"


def test_ids_of_a_system_that_delivers_no_such_rows_are_not_judged(linked: dict[Any, Any]) -> None:
    assert ("order_lines", "product_source_id", "bare") not in linked


def test_lines_that_tell_their_own_time_are_documents_without_a_head() -> None:
    lines: list[dict[str, Any]] = [{"order_source_id": "R1"}, {"order_source_id": "R2", "occurred_at": None}]
    tickets = [{"source_id": str(n), "order_source_id": f"R{n}"} for n in (1, 2)]
    with build.warehouse(order_lines=lines, tickets=tickets) as wh:
        rows = counted(wh, "relations")
    assert rows == [
        ("order_lines", "order_source_id", "default", "", 2, 1),
        ("tickets", "order_source_id", "default", "", 2, 1),
    ]


def test_a_consent_may_be_that_of_a_contact_person() -> None:
    given = {"channel": "email", "occurred_at": "2024-01-01", "is_granted": True}
    consents = [given | {"customer_source_id": one} for one in ("C", "P", "nobody")]
    customers, contacts = [{"source_id": "C"}], [{"source_id": "P"}]
    with build.warehouse(customers=customers, contacts=contacts, consents=consents) as wh:
        rows = counted(wh, "relations")
    assert rows == [("consents", "customer_source_id", "default", "", 3, 1)]


def unpriced(count: int, of: int) -> list[dict[str, Any]]:
    priced = build.order_lines_of({f"C{n}": ["2024-01-01"] for n in range(of)})
    return [one | ({"unit_price": None, "amount": None} if n < count else {}) for n, one in enumerate(priced)]


def test_a_share_gates_only_beyond_its_limit_and_of_enough_rows() -> None:
    for count, of, found in ((10, 20, []), (11, 20, ["priced_lines"]), (5, 5, [])):
        with build.warehouse(order_lines=unpriced(count, of)) as wh:
            findings = checks.run(wh)
        assert [one.check for one in findings] == found
    with build.warehouse(order_lines=unpriced(11, 20)) as wh:
        [finding] = checks.run(wh)
        measured = checks.quality(wh, as_of=AS_OF, by_owner=True)
    assert (finding.gate, finding.row_count) == ("stop", 11)
    assert finding.where == "order_lines.amount of default: 55.0% of 20"
    [worst] = measured[measured["is_beyond_limit"]].itertuples()
    assert (worst.check, worst.field, worst.good_rate) == ("priced_lines", "amount", pytest.approx(0.45))


def test_quality_per_owner_adds_up_to_quality_per_system() -> None:
    tasks = [
        {"source_id": str(n), "subject": "x" if n else None, "owner_source_id": f"U{n % 2}"} for n in range(4)
    ]
    with build.warehouse(tasks=tasks) as wh:
        whole, parts = checks.quality(wh), checks.quality(wh, by_owner=True)
    subject = whole[whole["field"] == "subject"]
    assert subject[["row_count", "bad_count"]].values.tolist() == [[4, 1]]
    assert parts[parts["field"] == "subject"]["owner_source_id"].tolist() == ["U0", "U1"]
    assert parts["row_count"].sum() == whole["row_count"].sum()


def test_a_stopping_check_blocks_the_night_and_is_named(tmp_path: Path) -> None:
    settings = Settings.default(tmp_path)
    steps: list[str] = []
    with build.warehouse(order_lines=unpriced(15, 20)) as wh:
        with pytest.raises(AuditBlocked, match=r"stopped before its models.*priced_lines: 15 rows"):
            nightly.run(wh, settings, as_of=AS_OF, on_step=steps.append)
        assert steps == ["load", "link identities", "checks"], "no model was asked"
        assert wh.rows("select status from ops.runs") == [("blocked",)]
        assert not (tmp_path / "published" / "current.json").exists()


def test_a_warning_check_is_noted_and_stops_nothing(tmp_path: Path) -> None:
    lines = build.order_lines_of({f"C{n}": ["2024-01-01"] for n in range(20)})
    customers = [{"source_id": f"C{n}", "email": "same@example.com"} for n in range(20)]
    with build.warehouse(order_lines=lines, customers=customers) as wh:
        report = nightly.run(wh, Settings.default(tmp_path), as_of=AS_OF)
    [step] = [step for step in report.steps if step.name == "checks"]
    assert step.status == "warned"
    assert "duplicates: 20 rows (customers.email of default: 100.0% of 20)" in step.note


@pytest.mark.parametrize("gate", ["halt above 0", "stop", "warn above much"])
def test_a_gate_that_cannot_be_is_refused(tmp_path: Path, gate: str) -> None:
    file = tmp_path / "odd.sql"
    header = f"-- kind:    check\n-- purpose: Why?\n-- gate:    {gate}\n-- grain:   a\n-- reads:   none\n"
    file.write_text(header + "-- columns:\n--   a    one\nselect 1 as a\n")
    with pytest.raises(StoreError, match="gate must be 'warn above <limit>'"):
        SqlFile.load(file)


def test_names_counts_records_whose_customer_is_not_known_by_its_name() -> None:
    names = {"1": "Acme", "2": " acme ", "3": "Twin", "4": "Nobody", "5": None}
    relations = [
        {"kind": "account", "opportunity_source_id": number, "customer_name": name}
        for number, name in names.items()
    ]
    customers = [{"source_id": "A", "name": "ACME"}] + [{"source_id": n, "name": "Twin"} for n in "TU"]
    with build.warehouse(relations=relations, customers=customers) as wh:
        build.add(wh, "relations", relations, source_system="bare")
        assert counted(wh, "names") == [("opportunities", "customer_name", "default", "", 4, 2)]
        deals = [{"source_id": "3", "customer_source_id": "T"}, {"source_id": "4", "customer_source_id": "?"}]
        build.add(wh, "opportunities", deals)
        assert counted(wh, "names") == [("opportunities", "customer_name", "default", "", 3, 1)], (
            "an id that a customer has goes before the name"
        )
