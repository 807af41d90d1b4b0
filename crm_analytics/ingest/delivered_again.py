"""Does it matter that the same file was received at another time too?  Only what came in between tells.

A file that says at two times the same stands twice against what was received between them. So when the caller
says that the bytes were received at a time of its own, they are read again where anything else was received
since; otherwise it is enough to note that they came again (``ops.repeats``), in case something comes late.
"""

from __future__ import annotations

from datetime import datetime

from crm_analytics.entities.rewinding import say_again
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.records import Part
from crm_analytics.warehouse import Warehouse

_SAME_BYTES = """
    select load_id, received_at
    from ops.loads
    anti join ops.withdrawals using (load_id)
    where status in ('loaded', 'unchanged') and file_sha256 = $file_sha256
        and profile_sha256 = $profile_sha256 and received_at <= $received_at
        and (status = 'loaded' or load_id in (select load_id from ops.deliveries))
    order by received_at desc, load_id desc"""

_OTHERS_SINCE = """
    select 1
    from ops.deliveries
    anti join ops.withdrawals using (load_id)
    where source_system = $source_system and recorded_at > $since
        and load_id not in (
            select load_id from ops.loads
            where file_sha256 = $file_sha256 and profile_sha256 = $profile_sha256
        )
    limit 1"""


def counts_anew(wh: Warehouse, part: Part, used: Profile, received_at: datetime) -> bool:
    """Must a part be read although its bytes were loaded before, because of when it was received?

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    part, used : Part, Profile
        The part, and how it would be read, the caller's options in place.
    received_at : datetime
        As the caller said.
    """
    digests = {"file_sha256": part.sha256, "profile_sha256": used.sha256}
    before = wh.rows(_SAME_BYTES, **digests, received_at=received_at)
    if before and before[0][1] == received_at:
        return False
    if not before:
        return True
    since = before[0][1]
    return bool(wh.rows(_OTHERS_SINCE, **digests, source_system=used.source_system, since=since))


def note_again(wh: Warehouse, part: Part, used: Profile, *, as_load: int, received_at: datetime) -> None:
    """Note that a part whose bytes were loaded before was received again, and said nothing new."""
    before = wh.rows(
        _SAME_BYTES, file_sha256=part.sha256, profile_sha256=used.sha256, received_at=received_at
    )
    if before and before[0][1] < received_at:
        say_again(wh, before[0][0], as_load=as_load, received_at=received_at)
