"""Rows of the security table: identifiers, formulas, permissions, links, the audit log."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from datetime import date
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics import cli
from crm_analytics.cli.output import safe
from crm_analytics.errors import CrmError, DiskFullError, StoreCorrupt
from crm_analytics.privacy.subject_export import SubjectExport, guarded
from crm_analytics.warehouse import Warehouse, audit_log
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.backup import backup
from crm_analytics.warehouse.publish import publish
from tests.privacy import told

CANARY = "kanarie"
ATTACKS = ("drop schema entities cascade", "update ops.settings set value = 'x'", "pragma database_list")
NAMES = [
    'x"; drop table entities.customers_versions; --',
    "x'); delete from ops.loads; --",
    "x]; attach 'other.db'; --",
    "$name",
    "{entity}",
    "%s",
    "?",
    "select",
    "customer_id; copy ops.settings to 'out.csv'",
    "/* */",
    "--",
    "\\",
    "`id`",
    "a.b.c",
    '""',
    "x\x1b[2J",
    "\u202eid",
    "read_text('/etc/passwd')",
    "x' union select value from ops.settings --",
    "case when 1=1 then load_extension('x') end",
    *(
        f"{quote}{end} {attack}"
        for quote in ("'", '"', "$$", "e'\\\\'")
        for end in (";", ")", "--")
        for attack in ATTACKS
    ),
    *("null", "true", "1=1", "rowid", "*", "a as b", "count(*)", "\x00x", "😀", "ą" * 200),
]


def catalog(wh: Warehouse) -> list[tuple[object, ...]]:
    return wh.rows(
        "select schema_name, table_name, column_count from duckdb_tables() where not temporary order by all"
    )


def test_a_header_never_reaches_sql_as_sql(tmp_path: Path) -> None:
    """S1: every payload as the name of a column, all in one file, and as the name of a file."""
    file = tmp_path / "customers.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["customer_id", "name", *NAMES])
        writer.writerow(["C1", "Ada", *("v" for _ in NAMES)])
    odd = tmp_path / "x'); drop table ops.loads; --.csv"
    odd.write_text("customer_id,name\nC2,Bob\n")
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        before = catalog(wh)
        crm.load(wh, file, profile="customers")
        crm.load(wh, odd)
        assert catalog(wh) == before
        assert wh.value("select count(*) from entities.customers") == 2
        assert wh.value("select count(*) from ops.loads") == 2


def test_a_customer_named_like_sql_is_looked_up_as_text() -> None:
    """S1: what a caller asks for is a value."""
    with Warehouse.open() as wh:
        before = catalog(wh)
        for name in NAMES:
            with pytest.raises(crm.errors.UsageError, match="Nobody is known"):
                crm.export_subject(wh, name)
        assert catalog(wh) == before


def test_cells_that_a_spreadsheet_would_run_are_text(tmp_path: Path) -> None:
    """S4: what is written as CSV for people begins with an apostrophe; numbers stay numbers."""
    values = ["=1+1", "+1", "-1+2", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "  =1"]
    values += ["\u00a0=1", "\u200b\ufeff@A1", "Ada", "a=b"]
    rows = [{"value": value, "number": -5} for value in values]
    files = SubjectExport({"entities.customers": rows}).write(tmp_path / "out")
    text = files[1].read_bytes().decode("utf-8-sig")
    told = list(csv.DictReader(io.StringIO(text, newline="")))
    for given, one in zip(values, told, strict=True):
        assert one["number"] == "-5"
        assert one["value"] == (given if given in ("Ada", "a=b") else f"'{given}")
        assert one["value"].removeprefix("'") == given
    assert json.loads(files[0].read_text(encoding="utf-8"))["entities.customers"] == rows


def test_signs_that_act_on_a_terminal_are_shown_not_sent() -> None:
    """S6."""
    for sign in ("\x1b", "\r", "\n", "\x00", "\x9b", "\u202e", "\u2066", "\x07"):
        assert sign not in safe(f"a{sign}b")
    assert guarded("a") == "a"


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """S11: warehouse, its log, lock, marks, backup, published runs, exports and the record store."""
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    export = tmp_path / "customers.csv"
    export.write_text("customer_id,name\nC1,Ada\nC2,Bob\n")
    old = os.umask(0)
    try:
        with Warehouse.open(store / "crm.duckdb") as wh, crm.RecordStore.open(store / "r.db") as records:
            records.customers.add({"source_id": "C7", "name": "Cyd"})
            crm.load(wh, export)
            backup(wh, store / "b.duckdb")
            day = {"as_of": date(2025, 7, 1), "made_from": {}}
            publish(wh, store / "published", "run-1", {"scores.rfm": ("customer_id",)}, **day)
            crm.export_subject(wh, "C2").write(store / "bundle")
            crm.sync(wh, records)
            crm.erase(wh, "C1", records=records)
            with wh.transaction():
                wh.execute("insert into ops.settings values ('x', 'y')")
            found = {path: path.stat().st_mode & 0o777 for path in store.rglob("*")}
    finally:
        os.umask(old)
    assert any(path.name == "crm.duckdb.wal" for path in found)
    wrong = {
        path.name: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)
    }
    assert wrong == {}


def test_planted_links_are_not_followed(tmp_path: Path) -> None:
    """S10: a link at a name that is about to be written; what it points to stays."""
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / "customers.csv").write_text("customer_id,name\nC1,Ada\n")
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        crm.load(wh, tmp_path / "customers.csv")
        for name in (".crm.duckdb.rewriting", ".crm.duckdb.audit.tmp", ".crm.duckdb.commits.tmp"):
            (tmp_path / name).symlink_to(target)
        crm.erase(wh, "C1")
    assert target.read_text() == "mine"


def test_a_link_planted_where_the_mark_of_a_record_store_will_be_is_refused(tmp_path: Path) -> None:
    """S10: the mark would be written over what the link points to."""
    target = tmp_path / "precious"
    target.write_text("mine")
    (tmp_path / "r.db.mark").symlink_to(target)
    with pytest.raises(CrmError, match=r"r\.db\.mark: cannot be opened for writing"):
        crm.RecordStore.open(tmp_path / "r.db")
    assert target.read_text() == "mine"


def test_an_entry_that_was_changed_removed_moved_or_cut_is_named(tmp_path: Path) -> None:
    """S18."""
    tampering = {
        "update ops.audit_log set detail = '{}' where entry_number = 2": "Entry 2 .* was changed",
        "delete from ops.audit_log where entry_number = 2": "hold together at entry 2",
        "update ops.audit_log set entry_number = 5 - entry_number where entry_number in (2, 3)": "entry 2",
        "delete from ops.audit_log where entry_number = 4": "its end was cut",
    }
    for number, (sql, named) in enumerate(tampering.items()):
        with Warehouse.open(tmp_path / f"{number}.duckdb") as wh:
            for entry in range(1, 5):
                record(wh, "load", f"load {entry}", rows=entry)
            assert crm.verify_audit(wh).entries == 4
            wh.execute(sql)
            with pytest.raises(StoreCorrupt, match=named):
                crm.verify_audit(wh)


def test_what_is_done_after_the_end_was_cut_does_not_hide_it(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        for entry in range(1, 5):
            record(wh, "load", f"load {entry}", rows=entry)
        wh.execute("delete from ops.audit_log where entry_number > 2")
        for entry in range(3, 7):
            record(wh, "load", f"other load {entry}")
        with pytest.raises(StoreCorrupt, match=r"Entry 4 of the audit log is not the one that was written"):
            crm.verify_audit(wh)


def test_a_head_that_was_taken_away_is_told_and_not_forgotten(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        for entry in range(1, 3):
            record(wh, "load", f"load {entry}")
        audit_log.head_path(wh).unlink()
        assert not crm.verify_audit(wh).is_compared
        record(wh, "load", "load 3")
        report = crm.verify_audit(wh)
        assert (report.is_compared, report.found_missing) == (True, (3,))


def test_a_cut_end_shows_although_the_file_with_the_head_was_deleted_too(tmp_path: Path) -> None:
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        for entry in range(1, 5):
            record(wh, "load", f"load {entry}", rows=entry)
        wh.execute("delete from ops.audit_log where entry_number > 2")
        audit_log.head_path(wh).unlink()
        with pytest.raises(StoreCorrupt, match="2 entries, 4 were written: its end was cut"):
            crm.verify_audit(wh)
        for entry in range(3, 7):
            record(wh, "load", f"other load {entry}")
        with pytest.raises(StoreCorrupt, match="Entry 4 of the audit log is not the one that was written"):
            crm.verify_audit(wh)


def test_a_missing_head_fails_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with Warehouse.open("crm.duckdb") as wh:
        head = audit_log.head_path(wh)
    assert cli.main(["verify-audit"]) == cli.OK, "nothing was done yet"
    with Warehouse.open("crm.duckdb") as wh:
        record(wh, "load", "load 1")
    assert cli.main(["verify-audit"]) == cli.OK
    head.unlink()
    capsys.readouterr()
    assert cli.main(["verify-audit"]) == cli.FAILED
    assert "The head is missing" in capsys.readouterr().err


def test_a_head_that_cannot_be_written_is_our_error_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "customers.csv").write_text("customer_id,name\nC1,Ada\n")
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        with monkeypatch.context() as patch:
            patch.setattr(audit_log, "write_whole", full)
            with pytest.raises(DiskFullError, match="is done and kept"):
                crm.load(wh, tmp_path / "customers.csv")
        assert wh.value("select count(*) from entities.customers") == 1
        record(wh, "note", "after the disk was mended")
        assert crm.verify_audit(wh).entries == 2


def test_a_day_leaves_one_entry_for_each_thing_done_and_nothing_personal(tmp_path: Path) -> None:
    """S19."""
    file = tmp_path / "customers.csv"
    file.write_text(f"customer_id,name\n{CANARY}1,{CANARY} A\n{CANARY}2,{CANARY} B\n{CANARY}3,{CANARY} C\n")
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        [load] = crm.load(wh, file)
        merge_id = crm.merge(wh, f"default:{CANARY}1", f"default:{CANARY}2", reason=f"{CANARY} says so")
        crm.undo(wh, merge_id)
        crm.export_subject(wh, f"{CANARY}3")
        publish(
            wh,
            tmp_path / "p",
            "run-1",
            {"scores.rfm": ("customer_id",)},
            as_of=date(2025, 7, 1),
            made_from={},
        )
        backup(wh, tmp_path / "b.duckdb")
        crm.erase(wh, f"{CANARY}3")
        crm.unload(wh, load.load_id or 0, reason=f"{CANARY} was wrong")
        entries = wh.rows("select action, actor, subject, detail from ops.audit_log order by entry_number")
        assert crm.verify_audit(wh).entries == 8
    done = ["load", "merge", "undo", "export_subject", "publish", "backup", "erase", "unload"]
    assert [one[0] for one in entries] == done
    assert all(actor for _, actor, _, _ in entries)
    assert CANARY not in str(entries)


def test_control_characters_of_files_their_names_and_values_are_written_out(tmp_path: Path) -> None:
    """F6: nothing said of a file acts on a terminal, or looks like a line of its own."""
    acting = "\x1b[2J\u202e\x9b\r\nFORGED"
    lines = "customer_id,order_id,order_date,sku,quantity,unit_price,currency\n"
    files = {
        "date.csv": f'{lines}C1,O1,"31.02{acting}",P,1,1,EUR\n',
        "price.csv": f'{lines}C1,O1,2024-02-01,P,1,"1{acting}",EUR\n',
        "unknown.csv": f'customer_id,name,"column{acting}"\nC1,A,B\n',
        "twice.csv": f'customer_id,"name{acting}","name{acting}"\nC1,A,B\n',
        "nothing.csv": f'"a{acting}",b\nC1,A\n',
        f"quote{acting}.csv": 'customer_id,name\nC1,"A\n',
        f"missing{acting}.csv": "customer_id,name\n,A\n",
        f"broken{acting}.csv.gz": "\x1f\x8b broken",
        f"broken{acting}.json": "[{",
    }
    shown = []
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        for name, text in files.items():
            (tmp_path / name).write_bytes(text.encode("latin-1" if name.endswith("gz") else "utf-8"))
            try:
                shown += [f"{load} {load.trouble}" for load in crm.load(wh, tmp_path / name)]
            except CrmError as error:
                shown += told.texts_of_error(error)
        shown += told.texts_of_tables(wh)
    assert len(shown) > len(files)
    for text in shown:
        assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(text), text
        assert "\nFORGED" not in text


def test_errors_and_run_records_hold_no_personal_values(tmp_path: Path) -> None:
    """F6: canaries in every cell of records that are refused or set aside, control characters in names."""
    bad = {
        "customers.csv": f"customer_id,name,email,birth_on\n,{CANARY} A,{CANARY}@example.com,1990-01-01\n",
        "leads.csv": f"lead_id,name,email,created_at\nL1,{CANARY},{CANARY}@example.com,{CANARY}\n",
        "transactions.csv": "customer_id,order_id,order_date,sku,quantity,unit_price,currency\n"
        f"{CANARY}1,{CANARY}2,31.02.2024,{CANARY}3,1,x{CANARY},EUR\n",
        "notes.csv": f"{CANARY} name,remarks\n{CANARY}\x1b[2J,{CANARY}\r\n",
        "broken.csv": f'customer_id,name\nC1,"{CANARY}\n',
        "shifted.csv": "customer_id,name,created_at,email,country\nC1,Ada,2024-01-01,ada@example.com,DE\n"
        + "".join(f"C{one},Ada {CANARY},{CANARY}@example.com,+49 30 55501{one},DE\n" for one in (22, 33)),
    }
    said = []
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        for name, text in bad.items():
            file = tmp_path / name
            file.write_text(text)
            try:
                said += [repr(load) + str(load.trouble) for load in crm.load(wh, file)]
            except CrmError as error:
                said.append(f"{error!r} {error}")
        for table in ("ops.loads", "ops.load_issues", "ops.audit_log", "ops.runs", "ops.run_steps"):
            said.append(str(wh.rows(f"select * from {table}")))
        said.append(str(wh.rows("select * exclude (raw) from ops.quarantine")))
    assert len(said) > len(bad)
    for text in said:
        assert CANARY not in text, text
        assert "\x1b" not in text
