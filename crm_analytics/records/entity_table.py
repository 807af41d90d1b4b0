"""How do the versions of one entity get into the database and back?  Statements, keys, digests.

The verbs that people call are in `crm_analytics.records.entity_records`; here is what they are made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from crm_analytics.errors import StoreCorrupt, UsageError
from crm_analytics.records import statements
from crm_analytics.records.database import Database
from crm_analytics.records.record import Record
from crm_analytics.records.statement import Statement
from crm_analytics.records.tables import VERSION_COLUMNS, EntityTables
from crm_analytics.records.validation import checked, missing

RecordId = str | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Session:
    """What the records of all entities of one open store share."""

    database: Database
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    changed_by: str | None

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return self.clock().astimezone(UTC)


class EntityTable:
    """The versions of one entity of one open store."""

    def __init__(self, session: Session, tables: EntityTables) -> None:
        self.session = session
        self.tables = tables
        self.entity = tables.entity
        self.names = (*tables.entity.column_names, *VERSION_COLUMNS)
        keys = tuple(column for column in self.entity.columns if column.name in self.entity.key)
        self._by_key = replace(self.entity, columns=keys)
        self._statements: dict[object, Statement] = {}

    def run(
        self,
        name: object,
        make: Callable[[EntityTables], sa.ClauseElement],
        values: Mapping[str, Any],
        tables: EntityTables | None = None,
    ) -> list[Sequence[Any]]:
        """Run a statement (about another entity's tables, if given), compiled once and kept by its name."""
        statement = self._statements.get(name)
        if statement is None:
            statement = Statement(make(tables or self.tables), self.session.database.dialect)
            self._statements[name] = statement
        return self.session.database.run(statement, values)

    def last(self, key: str) -> Record | None:
        """Return the last version of a record, deleted or not."""
        rows = self.run("latest", statements.latest, {"key": key})
        return self.record(rows[0]) if rows else None

    def record(self, row: Sequence[Any]) -> Record:
        """Make a record of a row; StoreCorrupt when it is not what was written."""
        values = dict(zip(self.names, row, strict=False))  # the digest comes last and has no name
        if row[-1] is not None and row[-1] != digest(values):
            raise StoreCorrupt(
                f"{self.session.database.path}: a version of {self.entity.name} is not what was written; "
                "the file is damaged, restore a backup."
            )
        return Record(self.entity, values)

    def append(
        self,
        values: dict[str, Any],
        last: Record | None,
        now: datetime,
        changed_by: str | None,
        *,
        is_deleted: bool,
    ) -> Record:
        """Write one version in the running transaction: never dated before the version it follows."""
        version = 1
        if last is not None:
            version = last.version + 1
            now = max(now, last.recorded_at)
            if "modified_at" in values and values["modified_at"] in (None, last["modified_at"]):
                values["modified_at"] = max(now, holds_since(last) or now)
        row = values | {
            "version": version,
            "recorded_at": now,
            "changed_by": changed_by or self.session.changed_by,
            "is_deleted": is_deleted,
        }
        key = self.tables.key_of(values)
        number = self.next_change_number()
        head = {"version": version, "change_number": number, "is_deleted": is_deleted}
        if last is None:
            self.run("add_head", lambda tables: tables.heads.insert(), head | {self.tables.key: key})
        else:
            self.run("move_head", statements.move_head, head | {"head": key})
        stored = row | {self.tables.key: key, "change_number": number, "digest": digest(row)}
        self.run("add_version", lambda tables: tables.versions.insert(), stored)
        return Record(self.entity, {name: row[name] for name in self.names})

    def next_change_number(self) -> int:
        """Count one change more, in the running transaction."""
        self.run("next_number", lambda _: statements.next_number(), {})
        number = int(self.run("last_number", lambda _: statements.last_number(), {})[0][0])
        self.session.database.committing(number)
        return number

    def id_text(self, id: RecordId) -> str:
        """Return the key column's text for what a caller names a record by."""
        key = self.entity.key
        if isinstance(id, Mapping):
            named = {name: id[name] for name in key if name in id}
        elif len(key) == 1:
            named = {key[0]: id}
        else:
            is_list = isinstance(id, Sequence) and not isinstance(id, str) and len(id) == len(key)
            named = dict(zip(key, id, strict=True)) if is_list else {}
        good, problems = checked(self._by_key, named)
        if named:
            problems += missing(self._by_key, named)
        else:
            problems.append(f"a record is named by {', '.join(key)}; give a tuple or dict of them")
        if problems:
            raise UsageError(f"{self.entity.name}: no record can have that id: {'; '.join(problems)}.")
        return self.tables.key_of(dict.fromkeys(key) | good)


def digest(values: Mapping[str, Any]) -> str:
    """Return what tells a version's values from any others; columns that are empty do not count.

    Examples
    --------
    >>> digest({"name": "Ada", "city": None}) == digest({"name": "Ada"}) != digest({"name": "Eda"})
    True
    """
    told = [f"{name}\x1e{value}" for name, value in values.items() if value is not None]
    told.sort()
    return hashlib.blake2b("\x1f".join(told).encode(), digest_size=8).hexdigest()


def holds_since(version: Record) -> datetime | None:
    """Return since when a version of a state holds, as the warehouse will see it."""
    since: datetime | None = version["modified_at"] or version["created_at"]
    return since
