"""What do all tests share?  Where the data outside the project lie."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from crm_analytics import Warehouse

PROJECT = Path(__file__).parent.parent

# The same examples in every run: a test that fails once fails again. A busy machine makes none fail.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with data/ and dirty-inputs/ (CRM_TEST_DATA, default beside the project); skips without it."""
    folder = Path(os.environ.get("CRM_TEST_DATA", PROJECT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test data outside the project: {folder} is absent (set CRM_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse file just made, without a row."""
    from crm_analytics import Warehouse

    path = tmp_path_factory.mktemp("empty") / "empty.duckdb"
    with Warehouse.open(path) as wh:
        wh.execute("checkpoint")
    return path


@pytest.fixture(scope="session", autouse=True)
def new_warehouses_are_copies(empty_warehouse: Path) -> Iterator[None]:
    """Let each new warehouse of a test begin as a copy of an empty one: a tenth of the work of making it.

    `tests/warehouse/test_connection.py` checks that the copy holds what `tables.definitions` makes.
    """
    from crm_analytics.warehouse import connection
    from crm_analytics.warehouse.connection import Warehouse
    from crm_analytics.warehouse.tables import fingerprint

    make, connect = Warehouse._create_tables, connection._connect
    copied: set[str] = set()
    has_tables = "select count(*) from duckdb_schemas() where schema_name = 'ops'"

    def copy_or_connect(path: str, key: Any, *given: Any, **options: Any) -> Any:
        absent = not any(Path(f"{path}{ending}").exists() for ending in ("", ".wal"))
        if path != ":memory:" and key is None and absent:
            shutil.copyfile(empty_warehouse, path)
            copied.add(path)
        return connect(path, key, *given, **options)

    def copy_or_make(self: Warehouse) -> None:
        is_copy = self.path in copied
        if not is_copy and not self.value(has_tables):
            database = self.value("select current_database()")
            self.execute(f"attach '{empty_warehouse}' as empty_warehouse (read_only)")
            self.execute(f'copy from database empty_warehouse to "{database}"')
            self.execute("detach empty_warehouse")
            is_copy = True
        if is_copy:
            copied.discard(self.path)
            self._store("definitions", fingerprint())  # the first commit, with its mark beside the file
        make(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Warehouse, "_create_tables", copy_or_make)
        patch.setattr(connection, "_connect", copy_or_connect)
        yield


@pytest.fixture(scope="session")
def company_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample company, loaded once in a run for all workers; each has its own file, which tests copy."""
    own = tmp_path_factory.mktemp("company") / "company.duckdb"
    everybodys = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        everybodys = everybodys.parent
    made = everybodys / "company_of_all_workers.duckdb"
    with made.with_suffix(".making").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not made.exists():
            _load_company(own)
            shutil.copy(own, made.with_suffix(".part"))
            made.with_suffix(".part").rename(made)
    if not own.exists():
        shutil.copy(made, own)
    return own


def _load_company(path: Path) -> None:
    from crm_analytics import Warehouse, load

    with Warehouse.open(path, timezone="Europe/Berlin", reporting_currency="EUR") as wh:
        load(wh, PROJECT / "data" / "sample", received_at="2025-07-01")


@pytest.fixture(scope="session")
def company(company_file: Path) -> Iterator[Warehouse]:
    """The sample company, to be read and not changed."""
    from crm_analytics import Warehouse

    with Warehouse.open(company_file) as wh:
        yield wh


@pytest.fixture(scope="session")
def company_with_a_poisoned_future(
    company_file: Path, company: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    """The sample company with garbage in everything from 2025-01-01 on (`tests/poison.py`)."""
    from crm_analytics import Warehouse
    from tests.poison import poison_the_future

    company.execute("checkpoint")
    path = tmp_path_factory.mktemp("poisoned") / "company.duckdb"
    shutil.copy(company_file, path)
    with Warehouse.open(path) as wh:
        poison_the_future(wh, date(2025, 1, 1))
        yield wh
