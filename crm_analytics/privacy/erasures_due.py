"""Which erasures have begun and are not finished?  A note in the warehouse that says who is to go.

The note holds all that a person is known by, so that what is left of them is found although part of it is
gone already. It goes with the person.
"""

from __future__ import annotations

import json
from datetime import datetime

from crm_analytics.privacy.subject import Subject
from crm_analytics.warehouse import Warehouse


def noted(wh: Warehouse) -> dict[int, Subject]:
    """Return who is to go, by the number of the note.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     noted(wh)
    {}
    """
    rows = wh.rows("select due_id, subject from ops.erasures_due order by due_id")
    return {due_id: _read(text) for due_id, text in rows}


def note(wh: Warehouse, subject: Subject, *, asked_at: datetime) -> int:
    """Note durably who is to go, and return the note's number.

    A note of the same person, left by an erasure that was cut short, grows instead.
    """
    for due_id, known in noted(wh).items():
        if any(not of.isdisjoint(known.keys.get(name, ())) for name, of in subject.keys.items()):
            with wh.transaction():
                wh.execute(
                    "update ops.erasures_due set subject = $subject where due_id = $due_id",
                    subject=_written(_both(known, subject)),
                    due_id=due_id,
                )
            return due_id
    with wh.transaction():
        new_id = int(wh.value("select coalesce(max(due_id), 0) + 1 from ops.erasures_due"))
        wh.execute(
            "insert into ops.erasures_due values ($due_id, $asked_at, $subject)",
            due_id=new_id,
            asked_at=asked_at,
            subject=_written(subject),
        )
    return new_id


def take_back(wh: Warehouse, due_id: int) -> None:
    """Forget a note, in the transaction that erases."""
    wh.execute("delete from ops.erasures_due where due_id = $due_id", due_id=due_id)


def _both(one: Subject, other: Subject) -> Subject:
    nothing: frozenset[tuple[str, str]] = frozenset()
    keys = {
        name: one.keys.get(name, nothing) | other.keys.get(name, nothing) for name in {*one.keys, *other.keys}
    }
    return Subject(keys, one.names | other.names, one.points | other.points)


def _written(subject: Subject) -> str:
    keys = {name: sorted(of) for name, of in sorted(subject.keys.items())}
    return json.dumps({"keys": keys, "names": sorted(subject.names), "points": sorted(subject.points)})


def _read(text: str) -> Subject:
    told = json.loads(text)
    keys = {name: frozenset((system, id_) for system, id_ in of) for name, of in told["keys"].items()}
    return Subject(keys, frozenset(told["names"]), frozenset(told["points"]))
