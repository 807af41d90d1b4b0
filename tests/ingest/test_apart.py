"""Does a file that crashes its reader take anything with it?"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from crm_analytics.errors import FileRefused, StoreBusy, UsageError
from crm_analytics.ingest import apart, load
from crm_analytics.warehouse import Warehouse

# Stands in for an engine that a crafted file kills, when all of the file is stored and nothing is committed.
CRASHING = """
import importlib, os, signal
load = importlib.import_module("crm_analytics.ingest.load")
def die(path, before, *, file):
    if "crafted" in file:
        os.kill(os.getpid(), signal.SIGSEGV)
load.check_still = die
"""
CUSTOMERS = "customer_id,name,country\n{0}1,Ada,GB\n{0}2,Bob,US\n,Nobody,FR\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "crafted.csv").write_text(CUSTOMERS.format("X"))
    (folder / "sound.csv").write_text(CUSTOMERS.format("C"))
    return folder


def test_a_file_that_kills_the_reader_is_refused_and_the_rest_is_loaded(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(CRASHING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    file = tmp_path / "crm.duckdb"
    with Warehouse.open(file, timezone="Europe/Berlin") as wh:
        crafted, sound = load(wh, inbox, isolate=True)
        assert (crafted.status, crafted.reasons) == ("refused", {"reader_crashed": 0})
        assert crafted.trouble is not None
        assert "crafted.csv: the process that loaded it died of SIGSEGV" in crafted.trouble
        assert (sound.status, sound.rows_in, sound.rows_loaded, sound.reasons) == (
            "loaded", 3, 2, {"missing_value": 1},
        )  # fmt: skip
        assert set(wh.rows("select source_id from entities.customers")) == {("C1",), ("C2",)}
        assert wh.rows("select file, status, reason from ops.loads order by load_id") == [
            ("crafted.csv", "refused", "reader_crashed"),
            ("sound.csv", "loaded", None),
        ]
        assert wh.value("select count(*) from ops.quarantine") == 1
        with pytest.raises(StoreBusy, match="in use by process"):
            Warehouse.open(file)
        [again] = load(wh, inbox / "sound.csv")
        assert again.status == "unchanged"
    with Warehouse.open(file) as wh:
        assert wh.value("select count(*) from entities.customers") == 2


def test_a_file_that_takes_too_long_is_refused(
    inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "PROCESSOR_SECONDS", 0)
    monkeypatch.setattr(apart, "PROCESSOR_SECONDS_PER_MB", 0)
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        with pytest.raises(FileRefused, match=r"sound\.csv: .* needed more than 0 seconds of processor"):
            load(wh, inbox / "sound.csv", isolate=True)
        assert wh.value("select count(*) from entities.customers") == 0


def test_only_a_warehouse_in_a_file_that_is_not_in_use_is_lent(inbox: Path, tmp_path: Path) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match="only a warehouse in a file"):
        load(wh, inbox / "sound.csv", isolate=True)
    with (
        Warehouse.open(tmp_path / "crm.duckdb") as wh,
        wh.transaction(),
        pytest.raises(UsageError, match="Finish the transaction"),
    ):
        load(wh, inbox / "sound.csv", isolate=True)


@pytest.mark.parametrize("name", ["customers.csv", "customers.parquet"])
def test_a_database_file_from_outside_is_no_export_and_is_never_opened(tmp_path: Path, name: str) -> None:
    duckdb.connect(str(tmp_path / "made.duckdb")).close()
    shutil.move(tmp_path / "made.duckdb", tmp_path / name)
    with Warehouse.open() as wh, pytest.raises(FileRefused, match="customers"):
        load(wh, tmp_path / name, profile="customers")


def test_only_copies_that_we_write_are_attached() -> None:
    package = Path(apart.__file__).parents[1]
    attaching = {
        file.name
        for pattern in ("*.py", "*.sql")
        for file in package.rglob(pattern)
        if '"attach ' in file.read_text(encoding="utf-8").lower()
    }
    assert attaching == {"connection.py", "encryption.py", "publish.py"}
