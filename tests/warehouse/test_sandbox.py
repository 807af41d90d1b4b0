"""Can anything that a file says reach the disk, the network or the configuration?"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from crm_analytics.errors import StoreError
from crm_analytics.warehouse import Sandbox
from crm_analytics.warehouse import sandbox as sandbox_module

ATTACKS = [
    "select * from read_text('{outside}')",
    "select * from read_csv('{outside}')",
    "select * from read_blob('{outside}')",
    "select * from glob('{folder}/*')",
    "select * from '{outside}'",
    "copy (select 1) to '{folder}/stolen.csv'",
    "copy (select 1) to '{folder}/stolen.parquet'",
    "export database '{folder}/stolen'",
    "attach '{folder}/stolen.duckdb'",
    "install httpfs",
    "load httpfs",
    "select * from read_csv('https://example.org/x.csv')",
    "set enable_external_access = true",
    "set allowed_paths = ['/']",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "set temp_directory = '{folder}'",
    "reset lock_configuration",
    "pragma enable_profiling",
    "create secret s (type s3, key_id 'a', secret 'b')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_sandbox_refuses(attack: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    with Sandbox() as sandbox, pytest.raises(StoreError, match=r"disabled|locked|does not exist"):
        sandbox.rows(attack.format(outside=outside, folder=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"outside.txt"}


def test_only_registered_tables_can_be_read() -> None:
    secret = pa.table({"a": [1]})
    with Sandbox() as sandbox:
        with pytest.raises(StoreError, match="secret"):
            sandbox.rows("select * from secret")
        sandbox.register("handed_over", secret)
        assert sandbox.arrow("select a from handed_over").equals(secret)


def test_sandboxes_of_a_process_share_a_database_and_see_nothing_of_each_other() -> None:
    with Sandbox() as one, Sandbox() as other:
        one.register("handed_over", pa.table({"a": [1]}))
        one.rows("create temp table kept as select a from handed_over")
        for table in ("handed_over", "kept"):
            with pytest.raises(StoreError, match=table):
                other.rows(f"select * from {table}")
    with Sandbox() as later:
        assert (
            later.rows(
                "select table_name from duckdb_tables() union all select view_name from duckdb_views() "
                "where not internal"
            )
            == []
        )
        assert later.rows("select current_setting('TimeZone'), current_setting('enable_progress_bar')") == [
            ("UTC", False)
        ]


def test_what_a_sandbox_of_its_own_makes_no_other_sees() -> None:
    with Sandbox(is_alone=True) as alone, Sandbox() as other:
        alone.rows("create table made as select 1 as a")
        with pytest.raises(StoreError, match="made"):
            other.rows("select * from made")


def test_a_sandbox_works_in_a_forked_child(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.rows("select 1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads in the parent
        child = os.fork()
    if child == 0:
        try:
            with Sandbox() as sandbox:
                (tmp_path / "answer").write_text(str(sandbox.rows("select 42")[0][0]))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "answer").read_text() == "42"


def test_a_database_that_broke_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def cursor(self) -> Broken:
            return self

        def execute(self, sql: str) -> None:
            raise duckdb.FatalException("database has been invalidated because of a previous fatal error")

    made = sandbox_module._locked_down
    broken = iter([Broken()])
    monkeypatch.setattr(sandbox_module, "_locked_down", lambda: next(broken, None) or made())
    sandbox_module._shared.cache_clear()
    with Sandbox() as sandbox:
        assert sandbox.rows("select 1") == [(1,)]
    assert list(broken) == []
