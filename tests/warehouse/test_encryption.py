"""Does a stolen disk tell nothing, and is nothing promised that cannot be kept?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from crm_analytics.errors import SettingsError, StoreError, UsageError
from crm_analytics.ingest import load
from crm_analytics.warehouse import Warehouse, encryption
from crm_analytics.warehouse.backup import backup
from crm_analytics.warehouse.publish import open_published, publish
from crm_analytics.warehouse.rewriting import rewrite

CANARY = "Zyxwenna Quorthalis"
KEY = "correct horse battery staple"


def unsafe_module(connection: duckdb.DuckDBPyConnection) -> None:
    """Stand in for the secure module, which cannot be had without network: the same format, in tests only."""
    connection.execute("set force_mbedtls_unsafe = 'true'").fetchall()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.KEY, KEY)
    monkeypatch.setattr(encryption, "load_module", unsafe_module)


def holding(folder: Path, text: str) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file() and text.encode() in file.read_bytes()]


def test_without_the_module_there_is_an_error_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        encryption.load_module(duckdb.connect())
    except duckdb.Error:
        pass
    else:
        pytest.skip("the secure crypto module is installed here")
    monkeypatch.setenv(encryption.KEY, KEY)
    with pytest.raises(StoreError, match=r"secure crypto module, .* is not installed\. Nothing was written"):
        Warehouse.open(tmp_path / "crm.duckdb", encrypt=True)
    assert list(tmp_path.iterdir()) == []


def test_there_must_be_a_key_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(encryption.KEY, "short")
    with pytest.raises(SettingsError, match=r"CRM_ANALYTICS_KEY, of 16 characters") as caught:
        Warehouse.open(tmp_path / "crm.duckdb", encrypt=True)
    assert "short" not in str(caught.value)
    monkeypatch.setenv(encryption.KEY, KEY)
    with pytest.raises(UsageError, match="in memory cannot be encrypted"):
        Warehouse.open(encrypt=True)


def test_the_file_its_log_and_its_copies_tell_nothing_and_only_the_key_opens_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: None
) -> None:
    store, inbox = tmp_path / "store", tmp_path / "inbox"
    store.mkdir()
    inbox.mkdir()
    (inbox / "customers.csv").write_text(f"customer_id,name,country\nC1,{CANARY},GB\n")
    file = store / "crm.duckdb"
    with Warehouse.open(file, encrypt=True) as wh:
        load(wh, inbox)
        assert (store / "crm.duckdb.wal").exists()
        assert holding(store, CANARY) == []
        assert wh.value("select current_setting('temp_file_encryption')")
        assert str(wh.value("select current_setting('temp_directory')")).startswith(str(store))
        told = [*wh.rows("select * from duckdb_databases()"), *wh.rows("select * from duckdb_settings()")]
        assert KEY not in f"{told}{vars(wh)}"
        backup(wh, store / "kept.duckdb")
        rewrite(wh)
        assert wh.value("select name from entities.customers") == CANARY
        publish(wh, tmp_path / "published", "run", {}, as_of=date(2025, 1, 1), made_from={})
    assert holding(tmp_path / "store", CANARY) == []
    assert holding(tmp_path / "published", CANARY) == []
    with open_published(tmp_path / "published") as copy:
        assert copy.value("select count(*) from entities.customers") == 1
    for one in (file, store / "kept.duckdb"):
        with Warehouse.open(one, encrypt=True) as wh:
            assert wh.value("select name from entities.customers") == CANARY
        with pytest.raises(StoreError, match=r"Open it with encrypt=True, and its key in CRM_ANALYTICS_KEY"):
            Warehouse.open(one)
    monkeypatch.setenv(encryption.KEY, f"not {KEY}")
    with pytest.raises(StoreError, match="encrypted by another key") as caught:
        Warehouse.open(file, encrypt=True)
    assert KEY not in str(caught.value)
    Warehouse.open(tmp_path / "plain.duckdb").close()
    with pytest.raises(StoreError, match="The file is not encrypted, and stays so"):
        Warehouse.open(tmp_path / "plain.duckdb", encrypt=True)


def test_the_module_that_duckdb_calls_unsafe_is_never_asked_for() -> None:
    package = Path(encryption.__file__).parents[1]
    assert not [file for file in package.rglob("*.py") if "force_mbedtls" in file.read_text("utf-8")]
