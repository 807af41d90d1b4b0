"""What have people and apps written since the last sync?  The record store's changes into the warehouse.

Every version travels, deletions too, in the order in which they were committed. How far the
warehouse knows a record store is kept in ``ops.sync_state``, written in the same transaction as the
rows, so a sync that is interrupted anywhere is as if it had not begun, and a repeated one brings
nothing twice. What was erased there is taken out here (`crm_analytics.ingest.sync_erasures`). The state of
a record holds since its ``modified_at`` (kept by the record store);
``recorded_at`` of what a sync brings is the time of the last change in it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.entities.versions import store_versions
from crm_analytics.errors import StoreError, UsageError
from crm_analytics.ingest.erased_subjects import without
from crm_analytics.ingest.ledger import Entry, next_load_id, write_entry
from crm_analytics.ingest.load import Load
from crm_analytics.ingest.sync_erasures import keep_out, remove_erased
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes, erasures
from crm_analytics.records.tables import record_tables
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.erased_keys import REASON

PROFILE = "records"
_NOT_OF_THE_ENTITY = ("version", "recorded_at", "changed_by")


@dataclass(frozen=True)
class _Known:
    """How far the warehouse knows a record store (ops.sync_state)."""

    source_system: str
    change_number: int
    changed_at: datetime | None
    received_at: datetime


def sync(wh: Warehouse, records: RecordStore, *, source_system: str = "default") -> Load:
    """Bring what is new in a record store into the warehouse, in one transaction.

    Parameters
    ----------
    wh : Warehouse
        Where to.
    records : RecordStore
        Where from; other processes may go on writing to it.
    source_system : str, default "default"
        System that the ids are scoped by. The default is that of the plain layouts, so that a customer in
        the record store and in an export with the same id are one.

    Returns
    -------
    Load
        ``rows_in`` changes came; ``rows_loaded`` of them are now the current version of their record (or took
        it out, where it was erased), ``rows_merged`` have been followed by a later one (as history they are
        kept), or say nothing new.
        Status "unchanged" when there was nothing new.

    Raises
    ------
    StoreError
        The record store lacks changes that the warehouse knows: it was restored from a backup.
    UsageError
        It was synced under another ``source_system`` before.

    Examples
    --------
    >>> with Warehouse.open() as wh, RecordStore.open(":memory:") as records:
    ...     task = records.tasks.add({"customer_source_id": "C1", "status": "open"})
    ...     first = sync(wh, records)
    ...     again = sync(wh, records)
    >>> (first.status, first.rows_in, first.rows_loaded), (again.status, again.rows_in)
    (('loaded', 1, 1), ('unchanged', 0))
    """
    if not isinstance(wh, Warehouse) or not isinstance(records, RecordStore):
        raise UsageError(
            "sync takes a Warehouse, then a RecordStore; got "
            f"{type(wh).__name__} and {type(records).__name__}. Open them first: RecordStore.open(path)."
        )
    started_at = records.now()
    with wh.transaction():
        known = _known(wh, records)
        _check_history(records, known, source_system)
        until = records.last_change_number
        since = known.change_number if known else 0
        load_id = next_load_id(wh)
        new = {name: changes(records, name, since, until=until) for name in record_tables()}
        new = {name: table for name, table in new.items() if table.num_rows}
        rows_in = sum(table.num_rows for table in new.values())
        erased = erasures(records, since, until=until)
        if not new and not erased:
            return _load(records, load_id=None, rows_in=0, rows_loaded=0)
        # First: an id that was erased and entered again is another record.
        remove_erased(wh, records, erased, source_system=source_system)
        moments = [pc.max(table.column("recorded_at")).as_py() for table in new.values()]
        received_at = max([*moments, *(erasure.recorded_at for erasure in erased)])
        if known is not None:
            received_at = max(received_at, known.received_at)
        kept_out = keep_out(wh, records, new, load_id=load_id, source_system=source_system)
        loaded = len(erased)
        for name, table in new.items():
            stored = store_versions(
                wh,
                name,
                _staged(without(table, kept_out, "change_number")),
                load_id=load_id,
                source_system=source_system,
                received_at=received_at,
                repeats="merge",
            )
            loaded += stored.loaded
        load = _load(
            records,
            load_id=load_id,
            rows_in=len(erased) + rows_in,
            rows_loaded=loaded,
            rows_quarantined=len(kept_out),
        )
        write_entry(
            wh,
            Entry(
                load_id=load_id,
                file=load.file,
                file_sha256=None,
                profile=load.profile,
                profile_sha256=None,
                source_system=source_system,
                entity=None,
                status=load.status,
                rows_in=load.rows_in,
                rows_loaded=load.rows_loaded,
                rows_quarantined=load.rows_quarantined,
                rows_merged=load.rows_merged,
                reason=None,
                received_at=received_at,
                started_at=started_at,
                finished_at=records.now(),
            ),
        )
        _remember(wh, records, _Known(source_system, until, _changed_at(records, until), received_at))
    return load


def forget_records(wh: Warehouse, store_id: str) -> None:
    """Give up a record store that exists no more: nobody is looked for in it from now on.

    What it brought stays. Should it come back, a sync brings all of it again.

    Parameters
    ----------
    wh : Warehouse
    store_id : str
        Its id (`RecordStore.store_id`), as the refusal of an erasure names it.

    Raises
    ------
    UsageError
        No store of that id was synced.

    Examples
    --------
    >>> with Warehouse.open() as wh, RecordStore.open(":memory:") as records:
    ...     task = records.tasks.add({"customer_source_id": "C1", "status": "open"})
    ...     _ = sync(wh, records)
    ...     forget_records(wh, records.store_id)
    """
    with wh.transaction():
        if not wh.execute("delete from ops.sync_state where store_id = $store_id", store_id=store_id):
            known = [one for (one,) in wh.rows("select store_id from ops.sync_state order by store_id")]
            raise UsageError(
                f"No record store {store_id!r} was synced into this warehouse. Synced: "
                f"{', '.join(known) or 'none'}."
            )
        record(wh, "forget_records", f"record store {store_id}")


def _staged(table: pa.Table) -> pa.Table:
    """Name the change number as `store_versions` wants it; leave out what only the record store keeps."""
    return table.drop_columns(list(_NOT_OF_THE_ENTITY)).rename_columns({"change_number": "record_number"})


def _check_history(records: RecordStore, known: _Known | None, source_system: str) -> None:
    """Refuse a store whose past is not the one that the warehouse knows."""
    if known is None:
        return
    if known.source_system != source_system:
        raise UsageError(
            f"source_system={source_system!r}: {records.path} was synced as {known.source_system!r} before. "
            "Use the same again, or a new warehouse."
        )
    changed_at = _changed_at(records, known.change_number)
    if records.last_change_number < known.change_number or changed_at not in (None, known.changed_at):
        raise StoreError(
            f"{records.path}: the warehouse knows change {known.change_number}, and this record store has "
            "another past. It was restored from a backup: restore the warehouse of the same time, or "
            "load into a new one."
        )


def _changed_at(records: RecordStore, number: int) -> datetime | None:
    """Return when a change was recorded; None when the record store does not hold it (any more)."""
    for name in record_tables():
        for moment in changes(records, name, number - 1, until=number).column("recorded_at").to_pylist():
            return cast("datetime", moment)
    return next((erasure.recorded_at for erasure in erasures(records, number - 1, until=number)), None)


def _known(wh: Warehouse, records: RecordStore) -> _Known | None:
    rows = wh.rows(
        "select source_system, change_number, changed_at, received_at from ops.sync_state "
        "where store_id = $store_id",
        store_id=records.store_id,
    )
    return _Known(*rows[0]) if rows else None


def _remember(wh: Warehouse, records: RecordStore, known: _Known) -> None:
    wh.execute("delete from ops.sync_state where store_id = $store_id", store_id=records.store_id)
    row = {"store_id": records.store_id} | asdict(known)
    wh.append("ops.sync_state", pa.Table.from_pylist([row]))


def _load(
    records: RecordStore, *, load_id: int | None, rows_in: int, rows_loaded: int, rows_quarantined: int = 0
) -> Load:
    return Load(
        file=Path(records.path).name,
        profile=PROFILE,
        status="loaded" if rows_in else "unchanged",
        rows_in=rows_in,
        rows_loaded=rows_loaded,
        rows_quarantined=rows_quarantined,
        rows_merged=rows_in - rows_loaded - rows_quarantined,
        reasons={REASON: rows_quarantined} if rows_quarantined else {},
        load_id=load_id,
    )
