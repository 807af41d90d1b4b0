"""What do the tests of the record store share?  A clock that ticks, and a store on each kind of database."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from crm_analytics.records import RecordStore
from crm_analytics.records.tables import erasures_table, record_tables, store_table
from tests.records.postgres_server import NoPostgresError, server

START = datetime(2024, 5, 1, 12, tzinfo=UTC)

# Makes the address of a new, empty database each time it is called.
NewPlace = Callable[[], str]


def ticking(start: datetime = START) -> Callable[[], datetime]:
    """Return a clock that shows `start`, then a second later each time it is looked at."""
    shown = start - timedelta(seconds=1)

    def clock() -> datetime:
        nonlocal shown
        shown += timedelta(seconds=1)
        return shown

    return clock


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[NewPlace]:
    """A PostgreSQL server of this test run; skips with the reason where there is none."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed (extra 'postgres')")
    folder = tmp_path_factory.getbasetemp()
    try:
        with server(folder if worker_id == "master" else folder.parent) as socket:
            numbers = itertools.count()

            def address(name: str) -> str:
                return f"postgresql:///{name}?host={socket}&user=tests"

            with psycopg.connect(address("postgres"), autocommit=True) as admin:

                def new_place() -> str:
                    name = f"crm_{worker_id}_{next(numbers)}"
                    admin.execute(f"create database {name}")
                    return address(name)

                yield new_place
    except NoPostgresError as reason:
        pytest.skip(f"not on PostgreSQL: {reason}")


@pytest.fixture(params=["sqlite", "postgresql"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """Addresses of empty databases: SQLite files, then databases of a PostgreSQL server."""
    if request.param == "postgresql":
        place: NewPlace = request.getfixturevalue("postgres")
        return place
    numbers = itertools.count()
    return lambda: str(tmp_path / f"{next(numbers)}.records.db")


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of one empty store, for several processes."""
    if request.param == "postgresql":
        return emptied(request.getfixturevalue("postgres_store"))
    return str(tmp_path / "a.records.db")


@pytest.fixture(scope="session")
def postgres_store(postgres: NewPlace) -> str:
    """A database of the server with the tables made; tests empty it."""
    place = postgres()
    RecordStore.open(place).close()
    return place


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest) -> Iterator[RecordStore]:
    """An empty store in memory, then one in PostgreSQL."""
    path = ":memory:" if request.param == "sqlite" else emptied(request.getfixturevalue("postgres_store"))
    with RecordStore.open(path, changed_by="tests", clock=ticking()) as store:
        yield store


def emptied(place: str) -> str:
    """Take everything out of a store in PostgreSQL, which is faster than making another."""
    with RecordStore.open(place) as store, store.database.defining() as connection:
        for tables in record_tables().values():
            connection.execute(tables.versions.delete())
        for tables in record_tables().values():
            connection.execute(tables.heads.delete())
        connection.execute(erasures_table.delete())
        connection.execute(store_table.update().values(store_id=uuid4().hex, last_change_number=0))
    return place
