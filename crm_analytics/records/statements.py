"""Which statements does an entity's record keeping consist of?  All of them, in SQLAlchemy's terms.

Parameters: ``key`` (text of the key column), ``as_of`` (versions recorded before it), ``is_<column>``
(the value searched for), ``limit`` (`NO_LIMIT` = all).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from crm_analytics.records.tables import EntityTables, erasures_table, store_table

NO_LIMIT = 2**63 - 1


def latest(tables: EntityTables) -> sa.Select[Any]:
    """Return the last version of a record, deleted or not."""
    heads, versions = tables.heads, tables.versions
    return (
        sa.select(*tables.record_columns)
        .join_from(heads, versions, versions.c.change_number == heads.c.change_number)
        .where(heads.c[tables.key] == sa.bindparam("key"))
    )


def all_versions(tables: EntityTables) -> sa.Select[Any]:
    """Return every version of a record, the oldest first."""
    versions = tables.versions
    of_key = versions.c[tables.key] == sa.bindparam("key")
    return sa.select(*tables.record_columns).where(of_key).order_by(versions.c.version)


def version_at(tables: EntityTables) -> sa.Select[Any]:
    """Return the last version of a record that was recorded before ``as_of``."""
    versions = tables.versions
    return (
        sa.select(*tables.record_columns)
        .where(versions.c[tables.key] == sa.bindparam("key"))
        .where(versions.c.recorded_at < sa.bindparam("as_of"))
        .order_by(versions.c.version.desc())
        .limit(1)
    )


def search(
    tables: EntityTables, filled: tuple[str, ...], empty: tuple[str, ...], order: str | None
) -> sa.Select[Any]:
    """Return the present records whose columns hold given values, or are empty."""
    heads, versions = tables.heads, tables.versions
    is_latest = sa.and_(
        heads.c[tables.key] == versions.c[tables.key], heads.c.change_number == versions.c.change_number
    )
    found = sa.select(*tables.record_columns).join_from(versions, heads, is_latest)
    return _filtered(found, tables, filled, empty, order)


def search_past(
    tables: EntityTables, filled: tuple[str, ...], empty: tuple[str, ...], order: str | None
) -> sa.Select[Any]:
    """Return the same of what was recorded before ``as_of``."""
    versions = tables.versions
    other = versions.alias("other")
    last_then = (
        sa.select(sa.func.max(other.c.version))
        .where(other.c[tables.key] == versions.c[tables.key])
        .where(other.c.recorded_at < sa.bindparam("as_of"))
        .scalar_subquery()
    )
    found = sa.select(*tables.record_columns).where(versions.c.version == last_then)
    return _filtered(found, tables, filled, empty, order)


def is_deleted(tables: EntityTables) -> sa.Select[Any]:
    """Return whether a record is gone; no row when there never was one."""
    heads = tables.heads
    return sa.select(heads.c.is_deleted).where(heads.c[tables.key] == sa.bindparam("key"))


def move_head(tables: EntityTables) -> sa.Update:
    """Point a record at its new version (``head`` = the key, so that it is not taken for a new value)."""
    heads = tables.heads
    moved: dict[str, Any] = {name: sa.bindparam(name) for name in ("version", "change_number", "is_deleted")}
    return heads.update().where(heads.c[tables.key] == sa.bindparam("head")).values(moved)


def next_number() -> sa.Update:
    """Count one change more."""
    return store_table.update().values(last_change_number=store_table.c.last_change_number + 1)


def last_number() -> sa.Select[Any]:
    """Return the number of the last change."""
    return sa.select(store_table.c.last_change_number)


def is_wipe_due() -> sa.Select[Any]:
    """Return whether bytes of erased records are still to leave the files."""
    return sa.select(store_table.c.wipe_due)


def set_wipe_due() -> sa.Update:
    """Note that they are (``due``), or are no longer."""
    return store_table.update().values(wipe_due=sa.bindparam("due"))


def changes_since(tables: EntityTables) -> sa.Select[Any]:
    """Return the versions with ``since < change_number <= until``, in change order."""
    number = tables.versions.c.change_number
    wanted = sa.select(number, *tables.record_columns).where(number > sa.bindparam("since"))
    return wanted.where(number <= sa.bindparam("until")).order_by(number)


def adrift(tables: EntityTables) -> sa.Select[Any]:
    """Count the records that do not point at their last version, and the versions that no record points past.

    Whoever reads a record goes through its head, which has no digest: damage there would show as a record
    that is not found, or is as it was before.
    """
    heads, versions = tables.heads, tables.versions
    same = [heads.c[name] == versions.c[name] for name in ("change_number", "version", "is_deleted")]
    of_key = heads.c[tables.key] == versions.c[tables.key]
    lost = sa.select(sa.func.count()).select_from(heads.outerjoin(versions, sa.and_(of_key, *same)))
    ahead = sa.select(sa.func.count()).select_from(versions.outerjoin(heads, of_key))
    is_ahead = sa.or_(heads.c.change_number.is_(None), heads.c.change_number < versions.c.change_number)
    return sa.select(
        lost.where(versions.c.change_number.is_(None)).scalar_subquery()
        + ahead.where(is_ahead).scalar_subquery()
    )


def all_adrift(every: Iterable[EntityTables]) -> sa.CompoundSelect[Any]:
    """Return the name of every entity that `adrift` finds something of, in one statement."""
    return sa.union_all(
        *(
            sa.select(sa.literal_column(f"'{tables.entity.name}'")).where(
                adrift(tables).scalar_subquery() > 0
            )
            for tables in every
        )
    )


def erasures_since() -> sa.Select[Any]:
    """Return the erasures with ``since < change_number <= until``, in change order."""
    columns = erasures_table.c
    wanted = sa.select(columns.change_number, columns.entity, columns.key_hash, columns.recorded_at)
    wanted = wanted.where(columns.change_number > sa.bindparam("since"))
    return wanted.where(columns.change_number <= sa.bindparam("until")).order_by(columns.change_number)


def keys_that_refer(tables: EntityTables, column: str) -> sa.Select[Any]:
    """Return the keys of the records whose last version refers to the record ``referred``."""
    heads, versions = tables.heads, tables.versions
    is_latest = sa.and_(
        heads.c[tables.key] == versions.c[tables.key], heads.c.change_number == versions.c.change_number
    )
    found = sa.select(versions.c[tables.key]).join_from(versions, heads, is_latest)
    return found.where(versions.c[column] == sa.bindparam("referred"))


def versions_that_refer(tables: EntityTables, column: str) -> sa.Select[Any]:
    """Return number, then record, of every version that refers to the record ``referred``."""
    versions = tables.versions
    found = sa.select(versions.c.change_number, *tables.record_columns)
    return found.where(versions.c[column] == sa.bindparam("referred"))


def empty_reference(tables: EntityTables, column: str) -> sa.Update:
    """Take a reference out of the version ``number``, and give it the digest of what is left."""
    versions = tables.versions
    left = {column: sa.null(), "digest": sa.bindparam("new_digest")}
    return versions.update().where(versions.c.change_number == sa.bindparam("number")).values(left)


def delete_versions(tables: EntityTables) -> sa.Delete:
    """Delete every version of a record."""
    versions = tables.versions
    return versions.delete().where(versions.c[tables.key] == sa.bindparam("key"))


def delete_head(tables: EntityTables) -> sa.Delete:
    """Delete what points at a record's last version."""
    return tables.heads.delete().where(tables.heads.c[tables.key] == sa.bindparam("key"))


def _filtered(
    found: sa.Select[Any],
    tables: EntityTables,
    filled: tuple[str, ...],
    empty: tuple[str, ...],
    order: str | None,
) -> sa.Select[Any]:
    versions = tables.versions
    found = found.where(versions.c.is_deleted.is_(False))
    found = found.where(*(versions.c[name] == sa.bindparam(f"is_{name}") for name in filled))
    found = found.where(*(versions.c[name].is_(None) for name in empty))
    if order is not None:
        by = versions.c[order.removeprefix("-")]
        found = found.order_by((by.desc() if order.startswith("-") else by.asc()).nulls_last())
    return found.order_by(versions.c[tables.key]).limit(sa.bindparam("limit"))
