"""Do tables as a connector copies them load with balanced accounts, and how many of their relations resolve?

The tables are those of ``data/crm_system_schemas``: a few rows each, cut and obfuscated, so most ids point to
records that were left out. What resolves is therefore counted a second time from the files with plain pandas,
and the shares that are true of these files are written down here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from crm_analytics.ingest import Load, load
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse
from tests.ingest.connector_tables import SYSTEMS, Relation, System


@dataclass(frozen=True)
class Loaded:
    """One system's folder, its loads by file, and the warehouse they went to."""

    folder: Path
    system: System
    loads: Mapping[str, Load]
    wh: Warehouse


@pytest.fixture(scope="module", params=SYSTEMS)
def loaded(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[Loaded]:
    """The tables of one system, loaded as a folder."""
    folder = shared_data / "data" / "crm_system_schemas" / request.param
    if not folder.is_dir():
        pytest.skip(f"no tables of {request.param} in {folder.parent.name}")
    with Warehouse.open() as wh:
        loads = load(wh, folder, received_at=SYSTEMS[request.param].received_at)
        yield Loaded(folder, SYSTEMS[request.param], {one.file: one for one in loads}, wh)


def test_every_table_is_loaded_or_passed_over_for_a_reason(loaded: Loaded) -> None:
    listed = {**loaded.system.profiles, **loaded.system.passed_over}
    assert set(listed) == {path.name for path in loaded.folder.glob("*.csv")}
    recognised = {file: one.profile for file, one in loaded.loads.items() if one.status != "refused"}
    assert recognised == loaded.system.profiles
    why = {file: loaded.loads[file].issues[0].detail for file in loaded.system.passed_over}
    assert {file: f"({reason})" in why[file] for file, reason in loaded.system.passed_over.items()} == (
        dict.fromkeys(why, True)
    )
    assert not [one.file for one in loaded.loads.values() if one.trouble]


def test_accounts_are_balanced_and_nothing_is_quarantined(loaded: Loaded) -> None:
    for file in loaded.system.profiles:
        one = loaded.loads[file]
        rows = len(_table(loaded.folder, file))
        assert (one.rows_in, one.rows_quarantined) == (rows, 0), file
        assert one.rows_merged == loaded.system.nothing_new.get(file, 0), file
        assert one.rows_in == one.rows_loaded + one.rows_merged, file


def test_relations_resolve_as_far_as_these_files_allow(loaded: Loaded) -> None:
    found = {name: _resolving(loaded.wh, name, one) for name, one in loaded.system.relations.items()}
    counted = {name: _counted(loaded.folder, one) for name, one in loaded.system.relations.items()}
    assert found == counted
    assert found == {name: (one.filled, one.resolving) for name, one in loaded.system.relations.items()}


def _resolving(wh: Warehouse, name: str, relation: Relation) -> tuple[int, int]:
    """Return how many things name an id, and how many of those ids are known (deleted ones count as well)."""
    entity, _, column = name.partition(" of ")[0].partition(".")
    target = relation.refers or entities()[entity].column(column).refers
    [(filled, resolving)] = wh.rows(
        "select count(*), count(known.source_id) from ("
        f"select distinct row_id, {column} as id from entities.{entity}_versions "
        f"where {column} is not null and {relation.ours}"
        f") as named left join (select distinct source_id from entities.{target}_versions) as known "
        "on known.source_id = named.id"
    )
    return filled, resolving


def _counted(folder: Path, relation: Relation) -> tuple[int, int]:
    """Return the same from the files, without any of our code."""
    named = []
    for file, column in relation.named:
        table = _table(folder, file)
        rows = _where(table.dropna(subset=[column]), relation.only)
        named.append(rows[[*relation.key, column]].set_axis([*relation.key, "named id"], axis=1))
    pairs = pd.concat(named).drop_duplicates()
    tables = ((_where(_table(folder, file), relation.known_only), column) for file, column in relation.known)
    known = set[str]().union(*(set(table[column]) for table, column in tables))
    return len(pairs), int(pairs["named id"].isin(known).sum())


def _where(table: pd.DataFrame, query: str) -> pd.DataFrame:
    return table.query(query, engine="python") if query else table


def _table(folder: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(folder / file, dtype=str, keep_default_na=False, na_values=[""])
