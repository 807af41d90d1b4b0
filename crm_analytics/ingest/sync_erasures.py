"""What does a sync take out of the warehouse?  The records that were erased in the record store.

The record store tells the entity and a keyed hash of the key. Every version of the record goes, also those
that came from an export under the same source system: they are the same person. ``ops.erased_records`` keeps
what was asked and how many versions went; the bytes leave the warehouse's file when it is next rewritten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.ingest.erased_subjects import erased_records
from crm_analytics.ingest.ledger import Quarantine
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import Erasure
from crm_analytics.records.tables import record_tables
from crm_analytics.warehouse import Warehouse, quote_ident


def remove_erased(
    wh: Warehouse, records: RecordStore, erased: Sequence[Erasure], *, source_system: str
) -> None:
    """Delete every version of the erased records, in the caller's transaction."""
    rows = []
    for entity in sorted({erasure.entity for erasure in erased}):
        of_entity = [erasure for erasure in erased if erasure.entity == entity]
        found = _rows_by_hash(wh, records, entity, source_system, {one.key_hash for one in of_entity})
        for one in of_entity:
            # An id that was erased, entered again and erased again comes twice; its rows go once.
            row_ids = found.pop(one.key_hash, [])
            rows.append(
                {
                    "store_id": records.store_id,
                    "change_number": one.change_number,
                    "source_system": source_system,
                    "entity": entity,
                    "key_hash": one.key_hash,
                    "erased_at": one.recorded_at,
                    "versions_removed": sum(_remove(wh, entity, row_id) for row_id in row_ids),
                }
            )
    if rows:
        wh.append("ops.erased_records", pa.Table.from_pylist(rows))


def keep_out(
    wh: Warehouse,
    records: RecordStore,
    new: Mapping[str, pa.Table],
    *,
    load_id: int,
    source_system: str,
) -> set[int]:
    """Set the changes of persons aside who were erased here but not there; return their change numbers.

    An id that was erased in the record store too, and entered there again, is another record: it comes in.
    """
    quarantine = Quarantine(wh, load_id, PurePath(records.path).name, ())
    if not quarantine.erased:
        return set()
    again = {
        (row[0], row[1])
        for row in wh.rows(
            "select entity, key_hash from ops.erased_records where store_id = $store_id",
            store_id=records.store_id,
        )
    }
    gone = erased_records(
        quarantine.erased,
        new.items(),
        source_system=source_system,
        number="change_number",
        is_new=lambda entity, source_id: (
            entity in record_tables() and (entity, records.hash_of(entity, source_id)) in again
        ),
    )
    quarantine.set_aside_erased(sorted(gone))
    return gone


def _rows_by_hash(
    wh: Warehouse, records: RecordStore, entity: str, source_system: str, wanted: set[str]
) -> dict[str, list[int]]:
    """Return hash -> row ids of the rows here whose key has one of the hashes."""
    key = records.entity(entity).key
    columns = ", ".join(quote_ident(name) for name in key)
    known = wh.rows(
        f"select distinct row_id, {columns} from entities.{quote_ident(f'{entity}_versions')} "
        "where source_system = $source_system",
        source_system=source_system,
    )
    found: dict[str, list[int]] = {}
    for row_id, *values in known:
        try:
            key_hash = records.hash_of(entity, dict(zip(key, values, strict=True)))
        except UsageError:  # no record can have that key, so none of it was erased
            continue
        if key_hash in wanted:
            found.setdefault(key_hash, []).append(row_id)
    return found


def _remove(wh: Warehouse, entity: str, row_id: int) -> int:
    table = f"entities.{quote_ident(f'{entity}_versions')}"
    count = wh.value(f"select count(*) from {table} where row_id = $row_id", row_id=row_id)
    wh.execute(f"delete from {table} where row_id = $row_id", row_id=row_id)
    return int(count)
