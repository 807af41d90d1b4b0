"""What is gone, when a file holds all rows there are?  Snapshot mode: missing rows become deletions.

A snapshot speaks for the main entity of its layout in its source system; one of orders with lines speaks
for both. Too little is as suspicious as a wrong file: an empty snapshot is refused, and so is one that
would remove more than a fifth of the rows, unless it is forced. While records are set aside nobody knows
which rows they tell: then nothing is removed before they are replayed, unless it is forced; nor where the
file holds fewer records than a control total or the file itself tells of.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from crm_analytics.entities.removals import count_standing, remove_missing
from crm_analytics.entities.rewinding import has_later, rewind, tell_again
from crm_analytics.entities.storing import Delivery
from crm_analytics.entities.versions import Staging
from crm_analytics.errors import FileRefused
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.options import option
from crm_analytics.ingest.profile import Profile
from crm_analytics.schema import entity
from crm_analytics.warehouse import Warehouse

SHRINK_RATE = 0.2

# A document and its lines are one: a line whose order is gone would count as an order of its own.
_TOGETHER = frozenset({"orders", "order_lines"})

# Snapshots that removed nothing, and that no standing replay has completed.
_HELD_BACK = """
    select held.entity, held.source_system, held.recorded_at, held.repeats
    from ops.deliveries as held
    where held.load_id = $load_id and held.is_held_back and not exists (
        select 1
        from ops.deliveries as later
        anti join ops.withdrawals on ops.withdrawals.load_id = later.load_id
        where later.entity = held.entity and list_contains(later.snapshot_loads, held.load_id)
    )
    order by held.entity"""

# A load, what it is a replay of, and all standing replays of its quarantine; the first one first.
_FAMILY = """
    with recursive origin as (
        select $load_id as load_id
        union
        select resolution.load_id
        from ops.quarantine_resolutions as resolution
        join origin on origin.load_id = resolution.replay_load_id
    ),
    family as (
        select load_id from origin
        union
        select resolution.replay_load_id
        from ops.quarantine_resolutions as resolution
        join family on family.load_id = resolution.load_id
    )
    select distinct load_id from family anti join ops.withdrawals using (load_id) order by load_id"""

_STILL_OPEN = """
    select 1 from ops.quarantine
    anti join ops.quarantine_resolutions using (load_id, record_number)
    where list_contains($family, load_id) limit 1"""

# A replay that tells nothing of an entity is a delivery of it all the same: its deletions are found by it.
_ALSO_DELIVERED = """
    insert into ops.deliveries
    select $load_id, entity, source_system, recorded_at, repeats, 0, null, false
    from ops.deliveries
    where load_id = $like and entity = $entity and not exists (
        select 1 from ops.deliveries where load_id = $load_id and entity = $entity
    )"""


@dataclass(frozen=True)
class Removal:
    """What a snapshot removed: rows by entity, and what was noticed."""

    removed: Mapping[str, int] = field(default_factory=dict)
    issues: tuple[Issue, ...] = ()


class Snapshot:
    """The rows that stood before a snapshot was stored, and what becomes of them; made before it is.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    used : Profile
        Layout, with ``snapshot`` set.
    file : str
        Name for messages.
    is_forced : bool
        Remove however much is missing, and whatever was set aside?

    Raises
    ------
    FileRefused
        ``no_snapshot``: a table of relations is never all of them.
    """

    def __init__(self, wh: Warehouse, used: Profile, *, file: str, is_forced: bool) -> None:
        self._wh, self._used, self._file, self._is_forced = wh, used, file, is_forced
        if used.main.entity == "relations":
            text = (
                "a table of relations tells those of two kinds of records alone, so that it is never a "
                f"snapshot of all. Load it without {option('snapshot')}"
            )
            raise _refused(file, "no_snapshot", text)
        told = {target.entity for target in used.targets}
        names = told & _TOGETHER if used.main.entity in _TOGETHER else {used.main.entity}
        self._before = {name: count_standing(wh, name, used.source_system) for name in sorted(names)}

    @property
    def covers_all(self) -> Collection[str]:
        """Entities of which the snapshot tells every row there is."""
        return self._before.keys()

    def remove(
        self,
        staging: Staging,
        *,
        load_id: int,
        received_at: datetime,
        rows_in: int,
        quarantined: int,
        lacking: int = 0,
    ) -> Removal:
        """Write the deletions, after the delivery was stored; none where records are set aside or `lacking`.

        Raises
        ------
        FileRefused
            ``empty_snapshot`` or ``snapshot_shrinks``.
        """
        if rows_in == quarantined:
            text = "a snapshot without a sound record would remove everything"
            raise _refused(self._file, "empty_snapshot", text)
        if (quarantined or lacking > 0) and not self._is_forced:
            self._wh.execute(
                "update ops.deliveries set is_held_back = true "
                "where load_id = $load_id and list_contains($entities, entity)",
                load_id=load_id,
                entities=list(self._before),
            )
            text = (
                f"{quarantined:,} records were set aside: which rows they tell is unknown, so none is "
                f"removed until they are replayed, or the file is loaded with {option('force')}"
            )
            if not quarantined:
                text = (
                    f"the file holds {lacking:,} records less than are told of it, so it is cut, and none is "
                    f"removed unless it is loaded with {option('force')}"
                )
            return Removal(issues=(Issue("snapshot_held_back", "", text, quarantined or lacking),))
        removed = {}
        for name, before in self._before.items():
            if staging.table(name) is None:
                continue
            delivery = Delivery(load_id, self._used.source_system, received_at, self._used.repeats)
            removed[name] = _remove(self._wh, name, delivery, told_by=[load_id])
            _check_shrinking(self._file, name, delivery, removed[name], before, self._is_forced)
        return Removal(removed, _issues(removed))


def held_back(wh: Warehouse, file_sha256: str, profile_sha256: str) -> bool:
    """Is there a standing snapshot of these bytes, read in the same way, that has removed nothing so far?"""
    found = wh.rows(
        "select load_id from ops.loads anti join ops.withdrawals using (load_id) where status = 'loaded' "
        "and file_sha256 = $file_sha256 and profile_sha256 = $profile_sha256 order by load_id desc limit 1",
        file_sha256=file_sha256,
        profile_sha256=profile_sha256,
    )
    return bool(found) and bool(wh.rows(_HELD_BACK, load_id=found[0][0]))


def complete(wh: Warehouse, load_id: int, *, replayed_as: int, file: str, is_forced: bool = False) -> Removal:
    """Remove what a held back snapshot lacks, once the last of its records that were set aside is replayed.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the replay, after it was loaded and its records were resolved.
    load_id : int
        Load that the replayed records come from: the snapshot, or a replay of it.
    replayed_as : int
        Load of the replay; the deletions are its own.
    file : str
        Name for messages.
    is_forced : bool, default False
        Remove however much is missing?

    Returns
    -------
    Removal
        Of nothing, where no snapshot was held back or records of it are still open.

    Raises
    ------
    FileRefused
        ``snapshot_shrinks``.
    """
    family = [row[0] for row in wh.rows(_FAMILY, load_id=load_id)]
    held = [row for one in family for row in wh.rows(_HELD_BACK, load_id=one)]
    if not held or wh.rows(_STILL_OPEN, family=family):
        return Removal()
    removed = {}
    for name, source_system, received_at, repeats in held:
        declared = entity(name)
        late = Delivery(replayed_as, source_system, received_at, repeats)
        before = count_standing(wh, name, source_system)
        is_late = has_later(wh, declared, late)
        rewound = rewind(wh, declared, late, staged=None, covers_all=True) if is_late else None
        wh.execute(_ALSO_DELIVERED, load_id=replayed_as, like=family[0], entity=name)
        removed[name] = _remove(wh, name, late, told_by=family)
        if rewound is not None:
            tell_again(wh, declared, late, rewound)
        _check_shrinking(file, name, late, removed[name], before, is_forced)
    return Removal(removed, _issues(removed))


def _remove(wh: Warehouse, name: str, delivery: Delivery, *, told_by: list[int]) -> int:
    count = remove_missing(wh, entity(name), delivery, told_by=told_by)
    wh.execute(
        "update ops.deliveries set snapshot_loads = $told_by where load_id = $load_id and entity = $entity",
        told_by=told_by,
        load_id=delivery.load_id,
        entity=name,
    )
    return count


def _issues(removed: Mapping[str, int]) -> tuple[Issue, ...]:
    return tuple(
        Issue("removed", "", f"{count:,} {name} are not in the snapshot any more", count)
        for name, count in removed.items()
        if count
    )


def _check_shrinking(
    file: str, name: str, delivery: Delivery, removed: int, before: int, is_forced: bool
) -> None:
    if removed > SHRINK_RATE * before and not is_forced:
        text = (
            f"{removed:,} of {before:,} {name} would be removed, more than a fifth. Is it the whole snapshot "
            f"of {delivery.source_system!r}? If so, say {option('force')}"
        )
        raise _refused(file, "snapshot_shrinks", text)


def _refused(file: str, reason: str, text: str) -> FileRefused:
    return FileRefused(f"{file}: {text}.", file=file, reason=reason)
