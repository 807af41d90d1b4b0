"""How does what a file says become versions, so that nothing known is overwritten or counted twice?

The typed records of a delivery are appended to a `Staging`, block by block, and stored at its end in
``entities.<name>_versions``:

- *Keyed rows* (customers, orders ...): the row is its key within its source system. A record that
  equals the version before it says nothing new and is merged. Of several different records of one
  row in one delivery all become versions; the last one counts, the others are merged in the account.
- *Lines without an id of their own* (schema ``repeat_key``): the row is all of its fields and, where
  equal lines are separate facts, its n-th occurrence. A line that matches nothing while the store
  holds a line of the same order, product and customer, received earlier and of a day near by, that
  the delivery does not repeat, is an edit; further away it is another order. An order of another
  customer is a correction only where all of its lines are the same; else it is another order. All of
  these are counted.
- *Events with an id of their own* that another delivery knows of another customer or amount are counted
  (`Replaced`): the later one counts, but two branches may have given one number.

Versions of a row are ordered by ``recorded_at``, ``record_number``, ``content_id``, never by the order
of the loads: a delivery that comes late finds its place (`crm_analytics.entities.rewinding`). Deliveries
of one ``received_at`` are parts of one; only on a thing without ``modified_at`` they may not contradict one
another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from crm_analytics.entities import rewinding
from crm_analytics.entities.digests import content_digest, key_digest, line_digest, repeat_digest
from crm_analytics.entities.storing import (
    Delivery,
    LinesTold,
    Replaced,
    find_current,
    forget,
    run,
    store_rows,
    versions_table,
)
from crm_analytics.entities.version_sql import (
    APPEND,
    CURRENT_RECORDS,
    FIRST_CURRENT_RECORDS,
    OUTDATED,
    SAID_TWICE,
    STAGED,
    UNCONTESTED,
)
from crm_analytics.errors import UsageError
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

if TYPE_CHECKING:
    import pyarrow as pa

# What was delivered when; removals of a snapshot are added by `crm_analytics.ingest.snapshot`.
_DELIVERED = """
    insert into ops.deliveries
    select
        $load_id, '{entity}', $source_system, $received_at, $repeats, coalesce(max(record_number), 0),
        null, false
    from {staged}"""


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
    """What became of a delivery.

    Attributes
    ----------
    records : int
        Records with at least one current row; of equal records of one row it is the first that has it.
    entities : dict of str to Stored
        Each entity's account.
    lines : LinesTold
        What is to be said of lines without an id of their own.
    differing : dict of str to (int, int)
        Entity -> rows that several records of the delivery tell differently, for the same moment, and the
        number of one such record. Not of things that records of something else describe along with it
        (the customer of a line): there the moment is the record's.
    replaced : dict of str to Replaced
        Entity -> events with an id of their own that another delivery knows of another customer or amount.
    outdated : int
        Rows told otherwise than they are known now, by a state that is later than this.
    contradicted : int
        Rows told otherwise than they are known now, by another delivery of the same moment.
    """

    records: int
    entities: dict[str, Stored]
    lines: LinesTold
    differing: dict[str, tuple[int, int]]
    replaced: dict[str, Replaced]
    outdated: int
    contradicted: int


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
        self._delivery = Delivery(load_id, source_system, received_at, repeats)
        self._has_lines: dict[str, bool] = {}
        self._targets: set[str] = set()
        self._stored: dict[str, Stored] = {}
        self._rewound: dict[str, rewinding.Rewound] = {}
        self._lines = LinesTold()
        self._differing: dict[str, tuple[int, int]] = {}
        self._replaced: dict[str, Replaced] = {}
        self._said_twice: dict[str, str] = {}
        self._outdated = 0
        self._contradicted = 0

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._drop(*map(_table, self._has_lines), *self._said_twice.values())

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

    def store(self, *, covers_all: Collection[str] = ()) -> None:
        """Make versions of everything that was appended; once, before `finish`.

        Parameters
        ----------
        covers_all : collection of str
            Entities of which the delivery tells every row there is: a snapshot, whose removals are written
            between `store` and `finish`.
        """
        self._run("create or replace temp table versions_current (record_number bigint)")
        for name, has_lines in self._has_lines.items():
            declared, staged = entity(name), _table(name)
            beside = has_lines and rewinding.find_shared(self._wh, declared, self._delivery, staged=staged)
            if beside or rewinding.has_later(self._wh, declared, self._delivery):
                self._rewound[name] = rewinding.rewind(
                    self._wh, declared, self._delivery, staged=staged, covers_all=name in covers_all
                )
            outcome = store_rows(
                self._wh,
                declared,
                self._delivery,
                staged=staged,
                has_lines=has_lines,
                beside=rewinding.undone(declared) if beside else None,
            )
            self._lines += outcome.lines
            self._replaced[name] = outcome.replaced
            if outcome.differing and (declared.kind == "event" or len(self._targets) == 1):
                self._differing[name] = (outcome.differing, outcome.differing_record)
            if name not in self._rewound:
                self._stored[name] = self._account(declared, outcome.new)
            forget(self._wh)
            self._run(_DELIVERED.format(entity=name, staged=staged))

    def finish(self) -> StoredDelivery:
        """Tell again what was received later, and return the account; once, after `store`."""
        for name, rewound in self._rewound.items():
            declared, staged = entity(name), _table(name)
            lines, replaced = rewinding.tell_again(self._wh, declared, self._delivery, rewound)
            self._lines += lines
            self._replaced[name] += replaced
            self._run(
                "create or replace temp table versions_contested as "
                f"select distinct row_id from {staged} where row_id is not null"
            )
            self._stored[name] = self._account(declared, 0)
            forget(self._wh)
        if len(self._targets) == 1:
            [records] = [stored.loaded for stored in self._stored.values()]
        else:
            records = int(self._run("select count(distinct record_number) from versions_current")[0][0])
        self._drop("versions_current", "versions_corrected")
        return StoredDelivery(
            records,
            self._stored,
            self._lines,
            self._differing,
            self._replaced,
            self._outdated,
            self._contradicted,
        )

    def table(self, entity_name: str) -> str | None:
        """Return the table of what was appended of an entity, with ``row_id`` once it is stored."""
        return _table(entity_name) if entity_name in self._has_lines else None

    def said_twice(self, entity_name: str) -> str:
        """Return a table of the records (`place`, `record_number`) that repeat a row of their own delivery.

        Of the records that tell a row the one that counts is not in it: the first of the last content.
        """
        declared, table = entity(entity_name), quote_ident(f"versions_said_twice_{entity_name}")
        if entity_name not in self._said_twice:
            is_line = f"{quote_ident(declared.key[0])} is null" if declared.repeat_key else "false"
            self._run(SAID_TWICE.format(said_twice=table, staged=_table(entity_name), is_line=is_line))
            self._said_twice[entity_name] = table
        return self._said_twice[entity_name]

    def _account(self, declared: Entity, new: int) -> Stored:
        """Count the rows of an entity whose current version came with this delivery."""
        staged = _table(declared.name)
        find_current(self._wh, declared, self._delivery)
        contested = int(self._run(f"select count(*) from ({CURRENT_RECORDS})")[0][0])
        [(outdated, contradicted)] = self._run(OUTDATED.format(staged=staged))
        self._outdated += int(outdated)
        self._contradicted += int(contradicted)
        if len(self._targets) > 1:
            told = f"select record_number from {staged} as staged {UNCONTESTED}"
            first = FIRST_CURRENT_RECORDS.format(staged=staged)
            self._run(f"insert into versions_current {told} union all {first}")
        rows = int(self._run(f"select count(*) from {staged}")[0][0])
        return Stored(loaded=new + contested, merged=rows - new - contested)

    def _holds_lines(self, declared: Entity) -> bool:
        """Does the store hold lines without an id of their own, which a delivery could repeat or edit?"""
        found = self._run(
            f"select 1 from {versions_table(declared)} "
            f"where source_system = $source_system and {quote_ident(declared.key[0])} is null limit 1"
        )
        return bool(found)

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self._wh, self._delivery, sql)

    def _drop(self, *names: str) -> None:
        for name in names:
            self._run(f"drop table if exists temp.{name}")


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
        staging.store()
        return staging.finish().entities[entity_name]


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
    row_id = key_digest(declared)
    if declared.repeat_key:
        line_id = "null" if has_lines else line_digest(declared, "content_id", "1")
        has_key = f"{quote_ident(declared.key[0])} is not null"
        row_id = f"case when {has_key} then {row_id} else {line_id} end"
        if declared.key[0] not in given:
            row_id = line_id
    return APPEND.format(
        staged=_table(declared.name),
        content=content_digest(declared, has_deleted=has_deleted),
        row_id=row_id,
        repeat_id=repeat_digest(declared) if has_lines else "null",
        deleted="coalesce(cast(is_deleted as boolean), false)" if has_deleted else "false",
        typed=typed,
    )
