"""How is a load taken back that should not have been made?  `unload`: as a recorded fact, nothing deleted.

A load made with the wrong profile, decimal mark or time zone is withdrawn: its versions stay where they
are, and the views of the entities pass them over from the moment of the withdrawal on (``known_at`` before
it still shows them). What the load had replaced is current again, what standing loads said again of it is
told by them (`crm_analytics.entities.taking_back`): all is as if it had never been loaded. The file can be
loaded anew.
This file reads the clock: the time of the withdrawal, when the caller gives none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from crm_analytics.entities.taking_back import tell_without
from crm_analytics.errors import UsageError
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse, quote_ident
from crm_analytics.warehouse.audit_log import record

# Standing loads that said again what the withdrawn ones had brought.
_REPEATED = """
    select distinct load.file
    from ops.repeats as again
    join ops.loads as load using (load_id)
    anti join ops.withdrawals using (load_id)
    where list_contains($load_ids, again.version_load_id)
    order by load.file"""


@dataclass(frozen=True)
class Withdrawal:
    """What was taken back.

    Attributes
    ----------
    load_ids : tuple of int
        The load, and the replays of its quarantine, which go with it.
    file : str
        Name of the file.
    versions : dict of str to int
        Entity -> versions that no longer count.
    repeated_in : tuple of str
        Files of standing loads that said some of these rows again (of any entity, also in records that told
        something else too): those rows stay, told by them.
    """

    load_ids: tuple[int, ...]
    file: str
    versions: dict[str, int]
    repeated_in: tuple[str, ...]


def unload(
    wh: Warehouse, load_id: int, *, reason: str = "", withdrawn_at: datetime | None = None
) -> Withdrawal:
    """Withdraw a load, and the replays of its quarantine, in one transaction.

    Parameters
    ----------
    wh : Warehouse
        Where it was loaded.
    load_id : int
        Number of the load (``crm-analytics loads``).
    reason : str, default ""
        Why; kept with the fact.
    withdrawn_at : datetime, optional
        When, with a time zone; default: now.

    Returns
    -------
    Withdrawal

    Raises
    ------
    UsageError
        There is no such load, it brought nothing, was withdrawn before, or came from the record store.

    Examples
    --------
    >>> import crm_analytics as crm, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = pathlib.Path(folder, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\n")
    ...     [wrong] = crm.load(wh, file)
    ...     taken_back = unload(wh, wrong.load_id, reason="the wrong shop")
    ...     left = wh.value("select count(*) from entities.customers")
    ...     [again] = crm.load(wh, file)
    >>> taken_back.versions, left, again.rows_loaded
    ({'customers': 1}, 0, 1)
    """
    if isinstance(load_id, bool) or not isinstance(load_id, int):
        raise UsageError(f"{load_id!r} is no load_id. It is a whole number: see `crm-analytics loads`.")
    moment = withdrawn_at or datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError(f"withdrawn_at={moment} has no time zone. Give one, for example tzinfo=UTC.")
    with wh.transaction():
        file = _check(wh, load_id)
        load_ids = with_replays(wh, load_id)
        fact = {"withdrawn_at": moment, "withdrawn_with": load_id, "reason": reason}
        rows = [{"load_id": one} | fact for one in load_ids]
        wh.append("ops.withdrawals", pa.Table.from_pylist(rows))
        versions = {name: _count(wh, name, load_ids) for name in entities()}
        record(wh, "unload", f"load {load_id}", loads=load_ids)
        repeated = wh.rows(_REPEATED, load_ids=load_ids)
        tell_without(wh, load_ids)
    return Withdrawal(
        load_ids=tuple(load_ids),
        file=file,
        versions={name: count for name, count in versions.items() if count},
        repeated_in=tuple(row[0] for row in repeated),
    )


def with_replays(wh: Warehouse, load_id: int) -> list[int]:
    """Return the load and every standing load that replayed its quarantine, or that of its replays."""
    rows = wh.rows(
        "with recursive taken as (select $load_id as load_id union "
        "select replay_load_id from ops.quarantine_resolutions join taken using (load_id)) "
        "select load_id from taken anti join ops.withdrawals using (load_id) order by load_id",
        load_id=load_id,
    )
    return [row[0] for row in rows]


def _check(wh: Warehouse, load_id: int) -> str:
    """Return the file of a load that can be withdrawn."""
    found: list[tuple[Any, ...]] = wh.rows(
        "select load.file, load.status, load.file_sha256, withdrawal.withdrawn_at from ops.loads as load "
        "left join ops.withdrawals as withdrawal using (load_id) where load.load_id = $load_id",
        load_id=load_id,
    )
    if not found:
        last = wh.value("select max(load_id) from ops.loads") or 0
        raise UsageError(f"There is no load {load_id}; the last one is {last}. See `crm-analytics loads`.")
    [(file, status, digest, withdrawn_at)] = found
    if withdrawn_at is not None:
        raise UsageError(f"Load {load_id} ({file}) was withdrawn on {withdrawn_at:%Y-%m-%d %H:%M} already.")
    if status != "loaded":
        raise UsageError(f"Load {load_id} ({file}) brought nothing ({status}): there is nothing to withdraw.")
    if digest is None:
        raise UsageError(
            f"Load {load_id} ({file}) brought changes of the record store. Change them back there: the next "
            "sync brings it."
        )
    return str(file)


def _count(wh: Warehouse, entity_name: str, load_ids: list[int]) -> int:
    return int(
        wh.value(
            f"select count(*) from entities.{quote_ident(entity_name + '_versions')} "
            "where list_contains($load_ids, load_id)",
            load_ids=load_ids,
        )
    )
