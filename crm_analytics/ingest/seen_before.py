"""Was this file loaded before, and what became of it?  Then it says nothing new, or is not tried again.

The same bytes, read by the same profile and options, change nothing the second time. Under the name whose
latest load held them they are the same delivery still lying there, and confirm nothing. What was taken back
does not come again because the file still lies in the folder, and what was set aside whole is not set aside
again every night: the name of the file brings both in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.withdraw import unload
from crm_analytics.warehouse import Warehouse, quote_ident

# The last load of the same bytes in the same way, with what became of it.
_LAST = """
    select load.load_id, load.rows_in, withdrawal.load_id is not null, withdrawal.reason
    from ops.loads as load
    left join ops.withdrawals as withdrawal using (load_id)
    where load.status = 'loaded' and file_sha256 = $file_sha256 and profile_sha256 = $profile_sha256
    order by load.load_id desc
    limit 1"""

# A load of the same bytes under the end of the path, so that the file lies where it was loaded from; unless
# it was met in the folder under another path with the same end already.
_LOADED_FROM_WITHIN = """
    select 1
    from ops.loads as load
    anti join ops.withdrawals using (load_id)
    where load.status = 'loaded' and load.file_sha256 = $file_sha256
        and load.profile_sha256 = $profile_sha256 and ends_with($file, '/' || load.file)
        and not exists (
            select 1 from ops.loads as other
            where other.file_sha256 = load.file_sha256 and ends_with(other.file, '/' || load.file)
        )
    limit 1"""

# A standing load of the same bytes in another way.
_READ_OTHERWISE = """
    select max(load_id), max_by(rows_in - rows_quarantined, load_id)
    from ops.loads
    anti join ops.withdrawals using (load_id)
    where status = 'loaded' and file_sha256 = $file_sha256 and rows_quarantined < rows_in"""

# Standing loads of the same bytes that set every record aside, and of which nothing was corrected since.
_SET_ASIDE_WHOLE = """
    select load_id, rows_in, profile_sha256
    from ops.loads
    anti join ops.withdrawals using (load_id)
    where status = 'loaded' and file_sha256 = $file_sha256 and rows_in > 0 and rows_quarantined = rows_in
        and load_id not in (select load_id from ops.quarantine_resolutions)
        and load_id not in (select replay_load_id from ops.quarantine_resolutions)
    order by load_id"""


@dataclass(frozen=True)
class Seen:
    """Why a file is not read again.

    Attributes
    ----------
    status : {"unchanged", "withdrawn"}
    rows_in : int
        Its records, which the store knows; 0 where nothing of it is in the store.
    issues : tuple of Issue
        What became of it.
    may_confirm : bool
        Is it delivered once more, so that it confirms what it says if the caller said when?
    """

    status: Literal["unchanged", "withdrawn"]
    rows_in: int
    issues: tuple[Issue, ...] = ()
    may_confirm: bool = False


def seen_before(
    wh: Warehouse, part: Part, used: Profile, *, received_at: datetime, is_dated: bool, is_folder: bool
) -> Seen | None:
    """Tell whether a part need not be read, and why.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    part, used : Part, Profile
        The part, and how it would be read, the caller's options in place.
    received_at : datetime
        When it was received; `is_dated`: the caller said so.
    is_dated, is_folder : bool
        Does it come with the folder it lies in? Then only what is new is read.

    Returns
    -------
    Seen or None
        None: it is to be read.
    """
    seen = _loaded_before(wh, part, used, received_at=received_at, is_dated=is_dated, is_folder=is_folder)
    if seen is not None:
        return seen
    if not is_folder:
        return None
    for load_id, waiting, profile_sha256 in wh.rows(_SET_ASIDE_WHOLE, file_sha256=part.sha256):
        if profile_sha256 == used.sha256:
            told = (
                f"all {waiting:,} records are in quarantine since load {load_id} (`crm-analytics quarantine "
                f"list --load {load_id}`). Say how the file is written and load it by name, or correct them."
            )
            return Seen("unchanged", 0, (Issue("still_set_aside", "", told, waiting),))
    for load_id, count, is_withdrawn, reason in wh.rows(
        _LAST, file_sha256=part.sha256, profile_sha256=used.sha256
    ):
        if is_withdrawn:
            why = f" ({reason})" if reason else ""
            [(standing, known)] = wh.rows(_READ_OTHERWISE, file_sha256=part.sha256)
            if standing is not None:
                told = f"withdrawn as load {load_id}{why}; what it says is in the store as load {standing}"
                return Seen("unchanged", known, (Issue("read_otherwise", "", told, known),))
            told = (
                f"all {count:,} records were withdrawn as load {load_id}{why}; load the file by its name to "
                "bring it back, or take it out of the folder"
            )
            return Seen("withdrawn", 0, (Issue("still_withdrawn", "", told, count),))
    return None


def supersede(wh: Warehouse, part: Part, load_id: int) -> tuple[Issue, ...]:
    """Withdraw earlier loads of the same bytes that set every record aside: the file was read anew."""
    issues = []
    for earlier, count, _ in wh.rows(_SET_ASIDE_WHOLE, file_sha256=part.sha256):
        if earlier < load_id:
            unload(wh, earlier, reason=f"read anew as load {load_id}")
            told = f"load {earlier}, which set all {count:,} records of the file aside, was withdrawn"
            issues.append(Issue("read_anew", "", told, count))
    return tuple(issues)


def _loaded_before(
    wh: Warehouse, part: Part, used: Profile, *, received_at: datetime, is_dated: bool, is_folder: bool
) -> Seen | None:
    """Tell of an earlier load of the same bytes in the same way, if there was one.

    A file that still lies where it was says nothing new, whenever that is looked at, and by whichever end of
    its path it was called; asked for by its name, it is told if later loads said otherwise. One that is
    delivered anew (under another name, over a file of other bytes, or received before it was known) may take
    back a value that was changed since: then it is read again. A file of which every record was set aside was
    not loaded. One that was withdrawn is read again.
    """
    rows = wh.rows(
        "select load_id, rows_in, received_at > $received_at from ops.loads "
        "anti join ops.withdrawals using (load_id) "
        "where status = 'loaded' and file_sha256 = $file_sha256 and profile_sha256 = $profile_sha256 "
        "and rows_quarantined < greatest(rows_in, 1) order by load_id desc limit 1",
        file_sha256=part.sha256,
        profile_sha256=used.sha256,
        received_at=received_at,
    )
    if not rows:
        return None
    load_id, rows_in, is_earlier = rows[0]
    last_bytes = wh.value(
        "select file_sha256 from ops.loads where status in ('loaded', 'unchanged', 'withdrawn') "
        "and file = $file order by load_id desc limit 1",
        file=part.name,
    )
    is_lying = last_bytes == part.sha256
    if last_bytes is None and is_folder:
        digests = {"file_sha256": part.sha256, "profile_sha256": used.sha256}
        is_lying = bool(wh.rows(_LOADED_FROM_WITHIN, **digests, file=part.name))
    is_delivered_anew = not is_lying or (is_dated and is_earlier)
    if (is_folder and not is_delivered_anew) or not _has_revisions_since(wh, used, load_id):
        return Seen("unchanged", int(rows_in), may_confirm=is_delivered_anew)
    if is_delivered_anew:
        return None
    told = (
        f"it lies where load {load_id} read it, and later loads told rows of its kind otherwise: they stand. "
        "Was this file delivered again? Load it under another name. Was a later load wrong? `unload` that."
    )
    return Seen("unchanged", int(rows_in), (Issue("told_otherwise_since", "", told, int(rows_in)),))


def _has_revisions_since(wh: Warehouse, used: Profile, load_id: int) -> bool:
    """Did a later load change something that was known of the layout's entities in that system?"""
    return any(
        wh.rows(
            f"select 1 from entities.{quote_ident(name + '_versions')} where (is_revision or $is_snapshot) "
            "and load_id > $load_id and source_system = $source_system limit 1",
            load_id=load_id,
            source_system=used.source_system,
            is_snapshot=used.snapshot,
        )
        for name in {target.entity for target in used.targets}
    )
