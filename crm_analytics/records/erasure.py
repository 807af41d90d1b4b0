"""What goes when a person is erased?  Every version's bytes, and what is about the person; a hash stays.

A record that refers to an erased customer, lead, deal or ticket is about the same person and goes with it.
Any other reference to what is erased is emptied, in every version: a company's deal with an erased contact
stays, and so does a ticket that was once the person's and is now somebody else's.
Of each erased record one row remains in ``erasures``: its change number and a hash of entity and key under
the store's own secret key. Sync hands it to the warehouse, which removes the record there (`hash_of`).

The transaction that deletes also notes that bytes are still to leave the files; a process that dies before
they have leaves that note, and whoever opens the store next wipes them (`finish_wiping`).

What cannot be reached from here: backups, copies, and what the file system or PostgreSQL's log keeps of
overwritten blocks until they are used again.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from crm_analytics.errors import StoreBusy, UsageError
from crm_analytics.records import statements
from crm_analytics.records.entity_table import EntityTable, RecordId, digest
from crm_analytics.records.tables import erasures_table

_ABOUT_THE_SAME = ("customers", "leads", "opportunities", "tickets")


@dataclass(frozen=True)
class Erased:
    """What an erasure removed.

    Attributes
    ----------
    records : dict
        Entity -> how many records went, with all their versions.
    emptied : int
        Versions of other records in which a reference was emptied.
    """

    records: dict[str, int]
    emptied: int


def erase(
    tables: Mapping[str, EntityTable], wanted: Mapping[str, Iterable[RecordId]], hash_key: bytes
) -> Erased:
    """Remove records with all their versions, in one transaction; then wipe their bytes from the files.

    See `crm_analytics.records.RecordStore.erase`.
    """
    database = tables["customers"].session.database
    start = {(name, tables[name].id_text(id)) for name, ids in wanted.items() for id in ids}
    if database.is_writing:
        raise UsageError("erase cannot be part of a transaction: it rewrites the files. Call it by itself.")
    with database.writing():
        going = sorted(_with_what_is_about_them(tables, start))
        present = [(name, key) for name, key in going if tables[name].last(key) is not None]
        emptied = sum(_empty_references(tables, name, key, going) for name, key in going)
        for name, key in present:
            tables[name].run("delete_versions", statements.delete_versions, {"key": key})
        for name, key in present:
            tables[name].run("delete_head", statements.delete_head, {"key": key})
        for name, key in going:  # also what is not here: the warehouse may know it from an export
            row = {
                "change_number": tables[name].next_change_number(),
                "entity": name,
                "key_hash": hash_of(hash_key, name, key),
                "recorded_at": tables[name].session.now(),
            }
            tables[name].run("add_erasure", lambda _: erasures_table.insert(), row)
        _note(tables, is_due=True)
    _wipe(tables)
    return Erased(records=dict(Counter(name for name, _ in present)), emptied=emptied)


def finish_wiping(tables: Mapping[str, EntityTable]) -> None:
    """Wipe what an erasure that was cut short left; while a reader is in the way, the next opening does."""
    (due,) = tables["customers"].run("is_wipe_due", lambda _: statements.is_wipe_due(), {})[0]
    if due:
        with suppress(StoreBusy):
            _wipe(tables)


def _wipe(tables: Mapping[str, EntityTable]) -> None:
    """Let the bytes of deleted rows leave the files, then take the note back."""
    database = tables["customers"].session.database
    kept = [table for name in tables for table in (tables[name].tables.heads, tables[name].tables.versions)]
    with database.reading() as connection:
        database.engine.wipe(connection, [table.name for table in kept])
    with database.writing():
        _note(tables, is_due=False)


def _note(tables: Mapping[str, EntityTable], *, is_due: bool) -> None:
    tables["customers"].run("set_wipe_due", lambda _: statements.set_wipe_due(), {"due": is_due})


def hash_of(hash_key: bytes, entity: str, key: str) -> str:
    """Return the hash under which an erased record is remembered.

    Examples
    --------
    >>> hash_of(bytes(32), "customers", "C1")[:16]
    'c034193143daf053'
    """
    return hmac.new(hash_key, f"{entity}\0{key}".encode(), hashlib.sha256).hexdigest()


def _with_what_is_about_them(
    tables: Mapping[str, EntityTable], start: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Add the records whose last version refers to one that goes, and those that refer to these."""
    going, todo = set(start), sorted(start)
    while todo:
        name, key = todo.pop()
        if name not in _ABOUT_THE_SAME:
            continue
        for referring, column in _references_to(tables, name):
            if referring == name:
                continue  # a subsidiary is not its parent: the reference is emptied
            table = tables[referring]
            keys = table.run(
                ("last_refers", column),
                partial(statements.keys_that_refer, column=column),
                {"referred": key},
            )
            new = {(referring, str(found)) for (found,) in keys} - going
            going |= new
            todo += sorted(new)
    return going


def _empty_references(
    tables: Mapping[str, EntityTable], name: str, key: str, going: list[tuple[str, str]]
) -> int:
    """Empty the references of what stays to one record that goes; return in how many versions."""
    gone, emptied = set(going), 0
    for referring, column in _references_to(tables, name):
        table = tables[referring]
        rows = table.run(
            ("refers", column),
            partial(statements.versions_that_refer, column=column),
            {"referred": key},
        )
        for number, *row in rows:
            values = dict(table.record(row))
            if (referring, table.tables.key_of(values)) not in gone:
                new = {"number": number, "new_digest": digest(values | {column: None})}
                table.run(
                    ("empty", column),
                    partial(statements.empty_reference, column=column),
                    new,
                )
                emptied += 1
    return emptied


def _references_to(tables: Mapping[str, EntityTable], name: str) -> list[tuple[str, str]]:
    """Return (entity, column) of everything that can refer to an entity."""
    return [
        (referring, column.name)
        for referring, table in tables.items()
        for column in table.entity.columns
        if column.refers == name
    ]
