"""What is gone, when a file holds all rows there are?  Snapshot mode: missing rows become deletions.

A snapshot speaks for the main entity of its layout in its source system; one of orders with lines speaks
for both. Too little is as suspicious as a wrong file: an empty snapshot is refused, and so is one that
would remove more than a fifth of the rows, unless it is forced. While records are set aside nobody knows
which rows they tell: then nothing is removed, unless it is forced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from crm_analytics.entities.removals import count_standing, remove_missing
from crm_analytics.entities.versions import Staging
from crm_analytics.errors import FileRefused
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.options import option
from crm_analytics.ingest.profile import Profile
from crm_analytics.warehouse import Warehouse

SHRINK_RATE = 0.2

# A document and its lines are one: a line whose order is gone would count as an order of its own.
_TOGETHER = frozenset({"orders", "order_lines"})


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
    """

    def __init__(self, wh: Warehouse, used: Profile, *, file: str, is_forced: bool) -> None:
        self._wh, self._used, self._file, self._is_forced = wh, used, file, is_forced
        told = {target.entity for target in used.targets}
        names = told & _TOGETHER if used.main.entity in _TOGETHER else {used.main.entity}
        self._before = {name: count_standing(wh, name, used.source_system) for name in sorted(names)}

    def remove(
        self, staging: Staging, *, load_id: int, received_at: datetime, rows_in: int, quarantined: int
    ) -> Removal:
        """Write the deletions, after the delivery was stored.

        Raises
        ------
        FileRefused
            ``empty_snapshot`` or ``snapshot_shrinks``.
        """
        if rows_in == quarantined:
            raise self._refused("empty_snapshot", "a snapshot without a sound record would remove everything")
        if quarantined and not self._is_forced:
            text = (
                f"{quarantined:,} records were set aside: which rows they tell is unknown, so none is removed"
            )
            return Removal(issues=(Issue("snapshot_held_back", "", text, quarantined),))
        removed = {}
        for name, before in self._before.items():
            staged = staging.table(name)
            if staged is None:
                continue
            removed[name] = remove_missing(
                self._wh,
                name,
                staged,
                load_id=load_id,
                source_system=self._used.source_system,
                received_at=received_at,
                rows_in=rows_in,
            )
            if removed[name] > SHRINK_RATE * before and not self._is_forced:
                raise self._refused(
                    "snapshot_shrinks",
                    f"{removed[name]:,} of {before:,} {name} would be removed, more than a fifth. Is it the "
                    f"whole snapshot of {self._used.source_system!r}? If so, say {option('force')}",
                )
        issues = (
            Issue("removed", "", f"{count:,} {name} are not in the snapshot any more", count)
            for name, count in removed.items()
            if count
        )
        return Removal(removed, tuple(issues))

    def _refused(self, reason: str, text: str) -> FileRefused:
        return FileRefused(f"{self._file}: {text}.", file=self._file, reason=reason)
