"""How is one entity's record written and read?  add, update, delete, get, find, history."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from crm_analytics.errors import RecordNotFound, UsageError, VersionConflict
from crm_analytics.records import statements
from crm_analytics.records.database import Database, Statement
from crm_analytics.records.record import Record
from crm_analytics.records.tables import VERSION_COLUMNS, EntityTables, is_foreign_key, record_tables
from crm_analytics.records.validation import checked, missing, moment, nearest, refuse

RecordId = str | Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Session:
    """What the records of all entities of one open store share."""

    database: Database
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    changed_by: str | None


class EntityRecords:
    """The records of one entity: add, update, delete, get, find, history."""

    def __init__(self, session: Session, tables: EntityTables) -> None:
        self._session = session
        self._tables = tables
        self._entity = tables.entity
        self._names = (*tables.entity.column_names, *VERSION_COLUMNS)
        self._statements: dict[object, Statement] = {}

    def add(self, values: Mapping[str, Any], *, changed_by: str | None = None) -> Record:
        """Write a new record and return it.

        Parameters
        ----------
        values : mapping
            Declared columns. ``source_id`` gets a random id and ``created_at`` the present moment
            when they are not given.
        changed_by : str, optional
            Who writes, where it is not the store's own ``changed_by``.

        Raises
        ------
        RecordInvalid
            Lists every problem: unknown columns, wrong types, unknown words, missing values, references
            to records that are not there, an id that is taken.
        """
        given = self._columns(values)
        if self._entity.key == ("source_id",) and given.get("source_id") is None:
            given["source_id"] = self._session.new_id()
        with self._session.database.writing():
            now = self._now()
            if "created_at" in self._entity.column_names and given.get("created_at") is None:
                given["created_at"] = now
            good, problems = checked(self._entity, given)
            problems += [*missing(self._entity, given), *self._dangling(good)]
            refuse(self._entity, problems)
            values = dict.fromkeys(self._entity.column_names) | good
            last = self._last(self._key_of(values))
            if last is not None and not last.is_deleted:
                refuse(self._entity, [f"{', '.join(self._entity.key)}: such a record exists; use update"])
            if last is not None:
                refuse(self._entity, self._backdated(good, last))
            return self._append(values, last, now, changed_by, is_deleted=False)

    def update(
        self,
        id: RecordId,
        changes: Mapping[str, Any],
        *,
        expected_version: int | None = None,
        changed_by: str | None = None,
    ) -> Record:
        """Change some columns of a record and return its new version.

        A change that changes nothing writes nothing. ``modified_at`` becomes the present moment when
        it is not given.

        Parameters
        ----------
        id : str, sequence or mapping
            ``source_id``, or for an entity without one the key's values (see `Record.id`) by order or name.
        changes : mapping
            Columns to change; None empties one. The columns of the key cannot be changed.
        expected_version : int, optional
            Refuse when the record is no longer at this version.

        Raises
        ------
        RecordNotFound
            There is no such record.
        VersionConflict
            Somebody else has changed the record since ``expected_version``.
        RecordInvalid
            Lists every problem of the changes.
        """
        good, problems = checked(self._entity, self._columns(changes))
        with self._session.database.writing():
            last = self._existing(id, expected_version)
            values = {name: last[name] for name in self._entity.column_names}
            problems += [
                f"{name}: identifies the record and cannot change; add a new record"
                for name in self._entity.key
                if name in good and good[name] != values[name]
            ]
            changed = {name: value for name, value in good.items() if value != values[name]}
            problems += [*missing(self._entity, values | changed), *self._dangling(changed)]
            problems += self._backdated(changed, last)
            refuse(self._entity, problems)
            if not changed:
                return last
            return self._append(values | changed, last, self._now(), changed_by, is_deleted=False)

    def delete(
        self, id: RecordId, *, expected_version: int | None = None, changed_by: str | None = None
    ) -> Record:
        """Say that a record is gone, and return that last version; its history stays.

        Raises RecordNotFound and VersionConflict as `update` does.
        """
        with self._session.database.writing():
            last = self._existing(id, expected_version)
            values = {name: last[name] for name in self._entity.column_names}
            return self._append(values, last, self._now(), changed_by, is_deleted=True)

    def get(self, id: RecordId, *, as_of: date | datetime | None = None) -> Record:
        """Return a record, as it is or as it was recorded before ``as_of``.

        Raises RecordNotFound when there is none.
        """
        key = self._id_text(id)
        if as_of is None:
            found = self._last(key)
        else:
            rows = self._run("version_at", statements.version_at, {"key": key, "as_of": moment(as_of)})
            found = self._record(rows[0]) if rows else None
        if found is None or found.is_deleted:
            when = "" if as_of is None else f" before {moment(as_of).isoformat()}"
            raise RecordNotFound(f"{self._entity.name}: the record store holds no record of that id{when}.")
        return found

    def find(
        self,
        *,
        as_of: date | datetime | None = None,
        order: str | None = None,
        limit: int | None = None,
        **equals: Any,
    ) -> list[Record]:
        """Return the records whose columns equal the given values (all records when none is given).

        Parameters
        ----------
        as_of : date or datetime, optional
            Search what was recorded before it, not what is there now.
        order : str, optional
            Column to order by, ``"-column"`` for descending; empty values come last, ties in key order.
            Default: key order.
        limit : int, optional
            At most so many records. Default: all.
        **equals
            Column = value; None finds empty columns.

        Raises
        ------
        UsageError
            Lists every problem: unknown columns, values that no record could hold.
        """
        good, problems = checked(self._entity, equals)
        column = order.removeprefix("-") if order is not None else None
        if column is not None and column not in self._names:
            problems.append(f"order={order!r} is no column.{nearest(column, self._names)}")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            problems.append(f"limit={limit!r} must be a whole number, 0 or more")
        if problems:
            raise UsageError(f"{self._entity.name}: cannot search:" + "".join(f"\n  - {p}" for p in problems))
        filled = tuple(sorted(name for name, value in good.items() if value is not None))
        empty = tuple(sorted(name for name, value in good.items() if value is None))
        values = {f"is_{name}": good[name] for name in filled} | {"limit": -1 if limit is None else limit}
        make = statements.search
        if as_of is not None:
            make = statements.search_past
            values["as_of"] = moment(as_of)
        name = (make.__name__, filled, empty, order)
        rows = self._run(name, lambda tables: make(tables, filled, empty, order), values)
        return [self._record(row) for row in rows]

    def history(self, id: RecordId) -> list[Record]:
        """Return all versions of a record, the oldest first; RecordNotFound when there never was one."""
        rows = self._run("all_versions", statements.all_versions, {"key": self._id_text(id)})
        if not rows:
            raise RecordNotFound(f"{self._entity.name}: the record store never held a record of that id.")
        return [self._record(row) for row in rows]

    def __repr__(self) -> str:
        return f"<{self._entity.name} of {self._session.database.path}>"

    # What is written ------------------------------------------------------------------------------

    def _append(
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
                values["modified_at"] = max(now, _since(last) or now)
        row = values | {
            "version": version,
            "recorded_at": now,
            "changed_by": changed_by or self._session.changed_by,
            "is_deleted": is_deleted,
        }
        key = self._key_of(values)
        self._run("next_number", lambda _: statements.next_number(), {})
        number = self._run("last_number", lambda _: statements.last_number(), {})[0][0]
        head = {"version": version, "change_number": number, "is_deleted": is_deleted}
        if last is None:
            self._run("add_head", lambda tables: tables.heads.insert(), head | {self._tables.key: key})
        else:
            self._run("move_head", statements.move_head, head | {"head": key})
        stored = row | {self._tables.key: key, "change_number": number}
        self._run("add_version", lambda tables: tables.versions.insert(), stored)
        return Record(self._entity, {name: row[name] for name in self._names})

    def _existing(self, id: RecordId, expected_version: int | None) -> Record:
        last = self._last(self._id_text(id))
        if last is None or last.is_deleted:
            raise RecordNotFound(f"{self._entity.name}: the record store holds no record of that id.")
        if expected_version is not None and expected_version != last.version:
            raise VersionConflict(
                f"{self._entity.name}: the record is at version {last.version}, not {expected_version}; "
                "somebody else changed it. Read it again and repeat the change."
            )
        return last

    def _dangling(self, values: Mapping[str, Any]) -> list[str]:
        """Return a problem for each reference to a record that the store must hold and does not."""
        problems = []
        for name, value in values.items():
            column = self._entity.column(name)
            if value is None or column.refers is None or not is_foreign_key(self._entity, column):
                continue
            referred = record_tables()[column.refers]
            found = self._run(referred.heads, statements.is_deleted, {"key": value}, referred)
            if not found or found[0][0]:
                problems.append(f"{name}: {column.refers} holds no record of that id; add it first")
        return problems

    def _backdated(self, values: Mapping[str, Any], last: Record) -> list[str]:
        """Return a problem when a version would hold since a time before the version it follows."""
        given = values.get("modified_at")
        if given is None:
            return []
        since = _since(last)
        if since is None or given >= since:
            return []
        return [f"modified_at: {given.isoformat()} is before the version it follows ({since.isoformat()})"]

    def _columns(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(values, Mapping):
            raise UsageError(f"{self._entity.name}: a dict of columns expected, got {type(values).__name__}.")
        return dict(values)

    # What identifies a record ---------------------------------------------------------------------

    def _id_text(self, id: RecordId) -> str:
        """Return the key column's text for what a caller names a record by."""
        key = self._entity.key
        if isinstance(id, Mapping):
            named = {name: id[name] for name in key if name in id}
        elif len(key) == 1:
            named = {key[0]: id}
        else:
            is_list = isinstance(id, Sequence) and not isinstance(id, str) and len(id) == len(key)
            named = dict(zip(key, id, strict=True)) if is_list else {}
        good, problems = checked(self._entity, named)
        if named:
            problems += [told for told in missing(self._entity, named) if told.partition(":")[0] in key]
        else:
            problems.append(f"a record is named by {', '.join(key)}; give a tuple or dict of them")
        if problems:
            raise UsageError(f"{self._entity.name}: no record can have that id: {'; '.join(problems)}.")
        return self._key_of(dict.fromkeys(key) | good)

    def _key_of(self, values: Mapping[str, Any]) -> str:
        if len(self._entity.key) == 1:
            return str(values[self._entity.key[0]])
        parts = [values[name] for name in self._entity.key]
        return json.dumps(
            [part.isoformat() if isinstance(part, date) else part for part in parts], ensure_ascii=False
        )

    # Statements, each compiled on first use -------------------------------------------------------

    def _run(
        self,
        name: object,
        make: Callable[[EntityTables], sa.ClauseElement],
        values: Mapping[str, Any],
        tables: EntityTables | None = None,
    ) -> list[Sequence[Any]]:
        statement = self._statements.get(name)
        if statement is None:
            statement = Statement(make(tables or self._tables), self._session.database.dialect)
            self._statements[name] = statement
        with self._session.database.reading() as connection:
            return statement.run(connection, values)

    def _last(self, key: str) -> Record | None:
        rows = self._run("latest", statements.latest, {"key": key})
        return self._record(rows[0]) if rows else None

    def _record(self, row: Sequence[Any]) -> Record:
        return Record(self._entity, dict(zip(self._names, row, strict=True)))

    def _now(self) -> datetime:
        return self._session.clock().astimezone(UTC)


def _since(version: Record) -> datetime | None:
    """Return since when a version of a state holds, as the warehouse will see it."""
    since: datetime | None = version["modified_at"] or version["created_at"]
    return since
