"""How does what a file says become versions, so that nothing known is overwritten or counted twice?

The typed records of a delivery are appended to a `Staging`, block by block, and stored at its end in
``entities.<name>_versions``:

- *Keyed rows* (customers, orders ...): the row is its key within its source system. A record that
  equals the version before it says nothing new and is merged. Of several different records of one
  row in one delivery all become versions; the last one counts, the others are merged in the account.
- *Lines without an id of their own* (schema ``repeat_key``): the row is all of its fields and, where
  equal lines are separate facts, its n-th occurrence. A line that matches nothing while the store
  holds a line of the same order and product, and of the same customer or time, that the delivery does
  not repeat, is an edit.

Versions of a row are ordered by ``recorded_at``, ``record_number``, ``content_id``, never by the order
of the loads: files that repeat one another may come in any order. Files of one ``received_at`` that
contradict one another on a line without an id, or on a thing without ``modified_at``, may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from crm_analytics.entities.version_sql import (
    APPEND,
    CONTESTED,
    CURRENT,
    INSERT,
    KEPT,
    KNOWN,
    LINES,
    NAME,
    NAMED,
    NAMED_AFRESH,
    REPEATED,
    STAGED,
    STORED,
    UNCONTESTED,
)
from crm_analytics.errors import UsageError
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

if TYPE_CHECKING:
    import pyarrow as pa

_TEMPORARY = ("repeated", "lines", "stored", "named", "known", "contested", "kept")


@dataclass(frozen=True)
class Stored:
    """What became of the rows that a delivery told of one entity.

    Attributes
    ----------
    loaded : int
        Rows whose current version came with this delivery.
    merged : int
        Rows that say nothing new, or that a later record of the delivery or store outdates.
    """

    loaded: int
    merged: int


@dataclass(frozen=True)
class StoredDelivery:
    """What became of a delivery: records with at least one current row, and each entity's account."""

    records: int
    entities: dict[str, Stored]


class Staging:
    """The typed records of one delivery on their way into the store; a context manager.

    Everything happens in the caller's transaction, in temporary tables that DuckDB may move to disk.

    Parameters
    ----------
    wh : Warehouse
        Where to.
    load_id : int
        Number of the load in ``ops.loads``; must be new.
    source_system : str
        System that the ids are scoped by.
    received_at : datetime
        When it was received, with a time zone; becomes ``recorded_at``.
    repeats : {"merge", "keep"}, default "merge"
        Are equal lines of one file one fact, or several? Only for lines without an id of their own.

    Raises
    ------
    UsageError
        For an impossible source system, or a time without time zone.
    """

    def __init__(
        self,
        wh: Warehouse,
        *,
        load_id: int,
        source_system: str,
        received_at: datetime,
        repeats: Literal["merge", "keep"] = "merge",
    ) -> None:
        if not source_system or ":" in source_system:
            raise UsageError(
                f"source_system={source_system!r} must be a name without ':', "
                "which parts system and id in customer_id."
            )
        if received_at.tzinfo is None:
            raise UsageError(f"received_at={received_at} has no time zone. Give one, for example tzinfo=UTC.")
        self._wh = wh
        self._parameters = {
            "load_id": load_id,
            "source_system": source_system,
            "received_at": received_at,
            "repeats": repeats,
        }
        self._has_lines: dict[str, bool] = {}
        self._targets: set[str] = set()

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._drop(*(_table(name) for name in self._has_lines))

    def append(self, entity_name: str, rows: pa.Table, *, target: str | None = None) -> None:
        """Add typed rows of one entity.

        Parameters
        ----------
        entity_name : str
            A name of `crm_analytics.schema.entities`.
        rows : pyarrow.Table
            Columns of the entity (those that are missing are empty), ``record_number`` and, where rows can
            go, ``is_deleted``.
        target : str, optional
            Which of the rows that a record tells these are; a record number comes once in a target. Default:
            the entity.

        Raises
        ------
        UsageError
            For an unknown entity, or columns it lacks.
        """
        declared = entity(entity_name)
        given = rows.column_names
        _check_columns(declared, given)
        self._targets.add(target or entity_name)
        if entity_name not in self._has_lines:
            self._has_lines[entity_name] = bool(declared.repeat_key) and self._holds_lines(declared)
            columns = ", ".join(f"{quote_ident(c.name)} {c.sql_type}" for c in declared.columns)
            self._run(STAGED.format(staged=_table(entity_name), columns=columns))
        sql = _append(declared, given, has_lines=self._has_lines[entity_name])
        with self._wh.registered(versions_given=rows):
            self._run(sql)

    def store(self) -> StoredDelivery:
        """Make versions of everything that was appended; once, at the end."""
        self._run("create or replace temp table versions_current (record_number bigint)")
        entities = {name: self._store(entity(name), has_lines) for name, has_lines in self._has_lines.items()}
        if len(self._targets) == 1:
            [records] = [stored.loaded for stored in entities.values()]
        else:
            records = int(self._run("select count(distinct record_number) from versions_current")[0][0])
        self._drop("versions_current")
        return StoredDelivery(records, entities)

    def table(self, entity_name: str) -> str | None:
        """Return the table of what was appended of an entity, with ``row_id`` once it is stored."""
        return _table(entity_name) if entity_name in self._has_lines else None

    def _store(self, declared: Entity, has_lines: bool) -> Stored:
        staged = _table(declared.name)
        versions = f"entities.{quote_ident(declared.name + '_versions')}"
        has = set(declared.column_names)
        modified = "staged.modified_at" if "modified_at" in has else "cast(null as timestamptz)"
        created = "staged.created_at" if "created_at" in has else "cast(null as timestamptz)"
        if has_lines:
            self._match_lines(declared)
        self._run(REPEATED.format(staged=staged))
        if declared.repeat_key and not has_lines:
            self._number_lines(declared)
        self._run(KNOWN.format(versions=versions, staged=staged, modified=modified))
        self._run(CONTESTED)
        loaded = self._insert(declared, versions, UNCONTESTED, "false", (modified, created))
        valid_from = "valid_from desc," if declared.kind == "state" else ""
        current = CURRENT.format(versions=versions, valid_from=valid_from)
        if self._run("select 1 from versions_contested limit 1"):
            self._run(KEPT.format(staged=staged, modified=modified, created=created))
            chosen = "join versions_kept as kept on kept.place = staged.rowid"
            since = (f"greatest({modified}, kept.returned_at)", "kept.created_at")
            self._insert(declared, versions, chosen, "kept.is_revision", since)
            loaded += int(self._run(f"select count(*) from ({current})")[0][0])
        if len(self._targets) > 1:
            new = f"select record_number from {staged} as staged {UNCONTESTED}"
            self._run(f"insert into versions_current {new} union all {current}")
        rows = int(self._run(f"select count(*) from {staged}")[0][0])
        self._drop(*(f"versions_{name}" for name in _TEMPORARY))
        return Stored(loaded=loaded, merged=rows - loaded)

    def _insert(
        self, declared: Entity, versions: str, chosen: str, is_revision: str, since: tuple[str, str]
    ) -> int:
        time = f"coalesce({', '.join(since)}, $received_at) as valid_from"
        if declared.kind == "event":
            time = "cast(staged.occurred_at as date) as occurred_on"
        [(count,)] = self._run(
            INSERT.format(
                versions=versions,
                staged=_table(declared.name),
                is_revision=is_revision,
                time=time,
                columns=", ".join(f"staged.{quote_ident(name)}" for name in declared.column_names),
                chosen=chosen,
            )
        )
        return int(count)

    def _number_lines(self, declared: Entity) -> None:
        """Give lines that come several times rows of their own, or none, where the store holds no lines."""
        if self._run("select 1 from versions_repeated limit 1"):
            staged, key = _table(declared.name), quote_ident(declared.key[0])
            new_row = _line_digest(declared, "unmatched.content_id", "unmatched.nth")
            self._run(NAMED_AFRESH.format(staged=staged, key=key, new_row=new_row))
            self._run(NAME.format(staged=staged))

    def _match_lines(self, declared: Entity) -> None:
        """Find the row of every line that has no id of its own among those that the store holds."""
        staged, key = _table(declared.name), quote_ident(declared.key[0])
        new_row = _line_digest(declared, "unmatched.content_id", "unmatched.nth")
        agreeing = ", ".join(quote_ident(name) for name in declared.repeat_agrees)
        self._run(LINES.format(staged=staged, key=key, agreeing=agreeing))
        self._run(
            STORED.format(
                staged=staged,
                entity=quote_ident(declared.name),
                repeat_id=_repeat_id(declared),
                agreeing=agreeing,
                document=quote_ident(declared.repeat_key[0]),
                key=key,
            ),
        )
        self._run(
            NAMED.format(
                new_row=new_row,
                other_row=_line_digest(declared, "unmatched.content_id", "unmatched.nth, $load_id"),
                agreeing=agreeing,
                agrees=" or ".join(
                    f"not_repeated.{quote_ident(name)} = unmatched.{quote_ident(name)}"
                    for name in declared.repeat_agrees
                ),
            ),
        )
        self._run(NAME.format(staged=staged))

    def _holds_lines(self, declared: Entity) -> bool:
        """Does the store hold lines without an id of their own, which a delivery could repeat or edit?"""
        found = self._run(
            f"select 1 from entities.{quote_ident(declared.name + '_versions')} "
            f"where source_system = $source_system and {quote_ident(declared.key[0])} is null limit 1"
        )
        return bool(found)

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement with those of the delivery's parameters that it names."""
        named = {name: value for name, value in self._parameters.items() if f"${name}" in sql}
        return self._wh.rows(sql, **named)

    def _drop(self, *names: str) -> None:
        for name in names:
            self._run(f"drop table if exists temp.{quote_ident(name)}")


def store_versions(
    wh: Warehouse,
    entity_name: str,
    staged: pa.Table,
    *,
    load_id: int,
    source_system: str,
    received_at: datetime,
    repeats: Literal["merge", "keep"] = "merge",
) -> Stored:
    """Store one delivery that tells of one entity, in the caller's transaction.

    Parameters
    ----------
    wh, load_id, source_system, received_at, repeats
        As of `Staging`.
    entity_name, staged
        As of `Staging.append`; every record number comes once.

    Returns
    -------
    Stored
        ``loaded + merged`` is the number of staged records.

    Raises
    ------
    UsageError
        For an unknown entity, staged columns it lacks, or a time without time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import pyarrow as pa
    >>> staged = pa.table({"record_number": [1, 2], "source_id": ["C1", "C2"], "name": ["Ada", "Bob"]})
    >>> same = {"source_system": "shop", "received_at": datetime(2024, 5, 1, tzinfo=UTC)}
    >>> with Warehouse.open() as wh:
    ...     [store_versions(wh, "customers", staged, load_id=load_id, **same) for load_id in (1, 2)]
    [Stored(loaded=2, merged=0), Stored(loaded=0, merged=2)]
    """
    with (
        wh.transaction(),
        Staging(
            wh, load_id=load_id, source_system=source_system, received_at=received_at, repeats=repeats
        ) as staging,
    ):
        staging.append(entity_name, staged)
        return staging.store().entities[entity_name]


def _table(entity_name: str) -> str:
    name: str = quote_ident(f"versions_of_{entity_name}")
    return name


def _check_columns(declared: Entity, given: list[str]) -> None:
    unknown = set(given) - {*declared.column_names, "record_number", "is_deleted"}
    if unknown or "record_number" not in given:
        raise UsageError(
            f"{declared.name}: staged columns unknown {sorted(unknown)}; record_number is needed. "
            f"Columns: {', '.join(declared.column_names)}."
        )


def _append(declared: Entity, given: list[str], *, has_lines: bool) -> str:
    """Return SQL that types and digests given rows."""
    typed = ", ".join(
        f"cast({quote_ident(c.name) if c.name in given else 'null'} as {c.sql_type}) as {quote_ident(c.name)}"
        for c in declared.columns
    )
    has_deleted = "is_deleted" in given
    content = _digest_text(declared, declared.column_names)
    if has_deleted:
        content += " || case when is_deleted then '-' else '' end"
    row_id = _row_digest(declared.name, _digest_text(declared, declared.key))
    if declared.repeat_key:
        line_id = "null" if has_lines else _line_digest(declared, "content_id", "1")
        has_key = f"{quote_ident(declared.key[0])} is not null"
        row_id = f"case when {has_key} then {row_id} else {line_id} end"
        if declared.key[0] not in given:
            row_id = line_id
    return APPEND.format(
        staged=_table(declared.name),
        content=content,
        row_id=row_id,
        repeat_id=_repeat_id(declared) if has_lines else "null",
        deleted="coalesce(cast(is_deleted as boolean), false)" if has_deleted else "false",
        typed=typed,
    )


def _line_digest(declared: Entity, content_id: str, nth: str) -> str:
    """Return SQL for the row of the nth line of a content; one digest serves all that are the first."""
    line = _row_digest(declared.name, f"'line', {nth}")
    return f"xor({content_id}, {line})"


def _row_digest(entity_name: str, text: str) -> str:
    return f"md5_number(concat_ws(chr(31), strlen($source_system), $source_system, '{entity_name}', {text}))"


def _repeat_id(declared: Entity) -> str:
    """Return SQL for the digest of the repeat key; "a|b" stands for a, else b."""
    texts = []
    for name in declared.repeat_key:
        first, _, second = name.partition("|")
        text = _digest_text(declared, (first,))
        if second:
            other = _digest_text(declared, (second,))
            text = f"case when {quote_ident(first)} is null then 'else ' || {other} else {text} end"
        texts.append(text)
    return f"md5_number(concat_ws(chr(31), {', '.join(texts)}))"


def _digest_text(declared: Entity, names: tuple[str, ...]) -> str:
    """Return SQL for a text that differs whenever one of the columns does (NULL is not '').

    Texts come first, then their lengths and all other values: these hold no separator, so that the text
    can be taken apart from its end, whatever characters the texts hold.
    """
    texts, others = [], []
    for column in map(declared.column, names):
        name = quote_ident(column.name)
        if column.sql_type == "VARCHAR":
            texts.append(f"coalesce({name}, '')")
            others.append(f"coalesce(strlen({name}), -1)")
        elif column.sql_type == "TIMESTAMPTZ":
            others.append(f"coalesce(cast(epoch_us({name}) as varchar), '')")
        else:
            others.append(f"coalesce(cast({name} as varchar), '')")
    return f"concat_ws(chr(31), {', '.join(texts + others)})"
