"""How is one entity's record written and read?  add, update, delete, get, find, history, and in bulk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from crm_analytics.errors import RecordNotFound, UsageError, VersionConflict
from crm_analytics.records import statements
from crm_analytics.records.bulk import rows_of, write_rows
from crm_analytics.records.entity_table import EntityTable, RecordId, holds_since
from crm_analytics.records.record import Record, columns_of
from crm_analytics.records.tables import VERSION_COLUMNS, is_foreign_key, record_tables
from crm_analytics.records.validation import checked, missing, moment, nearest, refuse

if TYPE_CHECKING:
    from crm_analytics.records.bulk import Rows
    from crm_analytics.records.record import Columns
    from crm_analytics.schema import Entity

_LARGEST_LIMIT = 2**63 - 1


class EntityRecords:
    """The records of one entity: add, update, delete, get, find, history, and add_many, update_many."""

    def __init__(self, table: EntityTable) -> None:
        self.table = table
        self._entity = table.entity
        self._database = table.session.database
        self._references = {
            column.name: record_tables()[column.refers]
            for column in table.entity.columns
            if column.refers is not None and is_foreign_key(table.entity, column)
        }

    @property
    def declared(self) -> Entity:
        """The entity as ``schema/*.toml`` declares it."""
        return self._entity

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the columns that identify a record."""
        return self._entity.key

    def add(self, values: Columns, *, changed_by: str | None = None) -> Record:
        """Write a new record and return it.

        Parameters
        ----------
        values : mapping or dataclass
            Declared columns; of a dataclass every field. ``source_id`` gets a random id and
            ``created_at`` the present moment when they are not given. What the store keeps itself
            (version, recorded_at, changed_by, is_deleted) is passed over, so that
            ``dict(record) | {...}`` makes a record like another.
        changed_by : str, optional
            Who writes, where it is not the store's own ``changed_by``.

        Raises
        ------
        RecordInvalid
            Lists every problem: unknown columns, wrong types, unknown words, missing values, references
            to records that are not there, an id that is taken.
        """
        given = self._columns(values)
        with self._database.writing():
            return self._add(given, changed_by)

    def add_many(self, rows: Rows, *, changed_by: str | None = None) -> list[Record]:
        """Write many new records as one change: all of them are kept, or none.

        Parameters
        ----------
        rows : pandas.DataFrame, or iterable of mappings or dataclasses
            Columns as of `add`; empty cells (NaN, NaT, NA) are empty columns. A row may refer to one
            above it.
        changed_by : str, optional
            As of `add`.

        Returns
        -------
        list of Record
            In the order of the rows.

        Raises
        ------
        RecordInvalid
            Lists every problem of every row with the row's number; the first is 1. ``problems`` holds all of
            them where the message shows the first 50.
        """
        given = rows_of(self._entity, rows)
        return write_rows(
            self._database, self._entity, given, lambda row: self._add(self._columns(row), changed_by)
        )

    def update(
        self,
        id: RecordId,
        changes: Columns,
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
        changes : mapping or dataclass
            Columns to change; None empties one, also as the field of a dataclass. The columns of the key
            cannot be changed. What the store keeps itself is passed over as of `add`; ``version`` is no
            condition here: `expected_version` is.
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
        given = self._columns(changes)
        with self._database.writing():
            return self._update(id, given, expected_version, changed_by)

    def update_many(self, rows: Rows, *, changed_by: str | None = None) -> list[Record]:
        """Change many records as one change: all of it is kept, or nothing.

        What `find` gave may come back as it is: ``frame = pd.DataFrame(records.customers.find())``, change
        cells, ``update_many(frame)``.

        Parameters
        ----------
        rows : pandas.DataFrame, or iterable of mappings or dataclasses
            The key's columns, and the columns to change; an empty cell empties its column. A column
            ``version`` holds the version that each record must still be at, and may not be empty. The other
            columns that the store keeps itself (recorded_at, changed_by, is_deleted) are passed over.
        changed_by : str, optional
            As of `add`.

        Raises
        ------
        RecordInvalid
            Lists every problem of every row with the row's number, also records that are not there or were
            changed by somebody else; where nothing else is wrong, RecordNotFound and VersionConflict.
        """

        def write(row: dict[str, Any]) -> Record:
            if "version" in row and row["version"] is None:
                refuse(
                    self._entity,
                    ["version: empty; give the version that was read, or leave out the column for all rows"],
                )
            changes = {name: value for name, value in row.items() if name not in VERSION_COLUMNS}
            return self._update(row, changes, row.get("version"), changed_by)

        return write_rows(self._database, self._entity, rows_of(self._entity, rows), write)

    def delete(
        self, id: RecordId, *, expected_version: int | None = None, changed_by: str | None = None
    ) -> Record:
        """Say that a record is gone, and return that last version; its history stays.

        Raises RecordNotFound and VersionConflict as `update` does.
        """
        with self._database.writing():
            last = self._existing(id, expected_version)
            values = {name: last[name] for name in self._entity.column_names}
            return self.table.append(values, last, self.table.session.now(), changed_by, is_deleted=True)

    def get(self, id: RecordId, *, as_of: date | datetime | None = None) -> Record:
        """Return a record, as it is or as it was recorded before ``as_of``.

        Raises RecordNotFound when there is none.
        """
        key = self.table.id_text(id)
        if as_of is None:
            found = self.table.last(key)
        else:
            rows = self.table.run("version_at", statements.version_at, {"key": key, "as_of": moment(as_of)})
            found = self.table.record(rows[0]) if rows else None
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
        column = order.removeprefix("-") if isinstance(order, str) else order
        if column is not None and column not in self.table.names:
            problems.append(f"order={order!r} is no column.{nearest(column, self.table.names)}")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            problems.append(f"limit={limit!r} must be a whole number, 0 or more")
        if problems:
            raise UsageError(f"{self._entity.name}: cannot search:" + "".join(f"\n  - {p}" for p in problems))
        filled = tuple(sorted(name for name, value in good.items() if value is not None))
        empty = tuple(sorted(name for name, value in good.items() if value is None))
        values = {f"is_{name}": good[name] for name in filled} | {
            "limit": statements.NO_LIMIT if limit is None else min(limit, _LARGEST_LIMIT)
        }
        make = statements.search
        if as_of is not None:
            make = statements.search_past
            values["as_of"] = moment(as_of)
        name = (make.__name__, filled, empty, order)
        rows = self.table.run(name, lambda tables: make(tables, filled, empty, order), values)
        return [self.table.record(row) for row in rows]

    def history(self, id: RecordId) -> list[Record]:
        """Return all versions of a record, the oldest first; RecordNotFound when there never was one."""
        rows = self.table.run("all_versions", statements.all_versions, {"key": self.table.id_text(id)})
        if not rows:
            raise RecordNotFound(f"{self._entity.name}: the record store never held a record of that id.")
        return [self.table.record(row) for row in rows]

    def __repr__(self) -> str:
        return f"<{self._entity.name} of {self._database.path}>"

    # One record in the running transaction; refused before anything of it is written -----------------

    def _add(self, given: dict[str, Any], changed_by: str | None) -> Record:
        now = self.table.session.now()
        if self._entity.key == ("source_id",) and given.get("source_id") is None:
            given["source_id"] = self.table.session.new_id()
        if "created_at" in self._entity.column_names and given.get("created_at") is None:
            given["created_at"] = now
        good, problems = checked(self._entity, given)
        problems += [*missing(self._entity, given), *self._dangling(good)]
        values = dict.fromkeys(self._entity.column_names) | good
        is_named = all(
            good.get(name) is not None
            or (given.get(name) is None and name not in self._entity.required_names)
            for name in self._entity.key
        )
        last = self.table.last(self.table.tables.key_of(values)) if is_named else None
        if last is not None and not last.is_deleted:
            problems.append(f"{', '.join(self._entity.key)}: such a record exists; use update")
        elif last is not None:
            problems += self._backdated(good, last)
        refuse(self._entity, problems)
        return self.table.append(values, last, now, changed_by, is_deleted=False)

    def _update(
        self, id: RecordId, changes: dict[str, Any], expected_version: int | None, changed_by: str | None
    ) -> Record:
        good, problems = checked(self._entity, changes)
        try:
            last = self._existing(id, expected_version)
        except RecordNotFound:
            if problems:
                refuse(self._entity, [*problems, "the record store holds no record of that id"])
            raise
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
        return self.table.append(
            values | changed, last, self.table.session.now(), changed_by, is_deleted=False
        )

    def _existing(self, id: RecordId, expected_version: int | None) -> Record:
        is_number = isinstance(expected_version, int) and not isinstance(expected_version, bool)
        if expected_version is not None and not is_number:
            raise UsageError(
                f"{self._entity.name}: expected_version={expected_version!r} must be a whole number, such as "
                f"record.version; got {type(expected_version).__name__}."
            )
        last = self.table.last(self.table.id_text(id))
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
        for name, referred in self._references.items():
            value = values.get(name)
            if value is None:
                continue
            found: Sequence[Any] = self.table.run(
                referred.heads, statements.is_deleted, {"key": value}, referred
            )
            if not found or found[0][0]:
                problems.append(f"{name}: {referred.entity.name} holds no record of that id; add it first")
        return problems

    def _backdated(self, values: Mapping[str, Any], last: Record) -> list[str]:
        """Return a problem when a version would hold since a time before the version it follows."""
        given = values.get("modified_at")
        if given is None:
            return []
        since = holds_since(last)
        if since is None or given >= since:
            return []
        return [f"modified_at: {given.isoformat()} is before the version it follows ({since.isoformat()})"]

    def _columns(self, given: Columns) -> dict[str, Any]:
        columns = columns_of(given)
        if columns is None:
            raise UsageError(
                f"{self._entity.name}: a dict or dataclass of columns expected, got {type(given).__name__}."
            )
        return {name: value for name, value in columns.items() if name not in VERSION_COLUMNS}
