"""Which record stores may hold a person, and does the warehouse know all that is in them?

Whoever is erased or exported is looked for in the warehouse; what people and apps have written since the
last sync is not there yet. So every store that was ever synced must be given, and is synced first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from crm_analytics.errors import UsageError
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.warehouse import Warehouse

Records: TypeAlias = RecordStore | Iterable[RecordStore] | None


def given_stores(wh: Warehouse, records: Records) -> dict[RecordStore, str]:
    """Return the stores that were given, and the source system that each was synced as.

    Raises
    ------
    UsageError
        A store that was synced into the warehouse is not among them; or what was given is no record store.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     given_stores(wh, None)
    {}
    """
    stores = [records] if isinstance(records, RecordStore) else _listed(records)
    systems = dict(wh.rows("select store_id, source_system from ops.sync_state order by store_id"))
    missing = sorted(set(systems) - {one.store_id for one in stores})
    if missing:
        raise UsageError(
            f"{_counted(len(systems))} synced into this warehouse and may hold the person: give it as "
            "records=, or all of them as a list. Not given: "
            + ", ".join(f"the store {one} (synced as {systems[one]!r})" for one in missing)
            + ". One that exists no more is given up by crm.forget_records(wh, store_id)."
        )
    return {one: systems.get(one.store_id, "default") for one in stores}


def sync_stores(wh: Warehouse, records: Records) -> None:
    """Bring into the warehouse what the given stores hold and it does not know yet.

    Raises
    ------
    UsageError
        As of `given_stores`; or one of them was never synced and holds something.
    """
    stores = given_stores(wh, records)
    known = {one for (one,) in wh.rows("select store_id from ops.sync_state order by store_id")}
    for one in stores:
        if one.store_id not in known and one.last_change_number:
            raise UsageError(
                f"{one.path}: was never synced into this warehouse, so it is not known whose records are in "
                "it. Sync it first: crm.sync(wh, records), or `crm-analytics sync`."
            )
    for store, system in stores.items():
        sync(wh, store, source_system=system)


def _listed(records: object) -> list[RecordStore]:
    if records is None:
        return []
    stores = []
    for one in records if isinstance(records, Iterable) else [records]:
        if not isinstance(one, RecordStore):
            raise UsageError(
                f"records: a RecordStore (or a list of them) expected, not {type(one).__name__}."
            )
        stores.append(one)
    return stores


def _counted(number: int) -> str:
    return "A record store was" if number == 1 else f"{number} record stores were"
