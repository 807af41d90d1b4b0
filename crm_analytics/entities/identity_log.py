"""Which source records are one customer, who decided so, and how is it taken back?

A group of source records comes from three kinds of words, the later of two on the same pair holding:

- links of the last linkage run (``entities.identity_pairs``);
- `merge`: two are one customer, whatever the linkage thinks;
- `separate`: two are never one customer, whatever the linkage thinks.

Decisions of people are facts in ``entities.identity_log``: loading or linking again never touches them,
`undo` adds a fact. Of two changes the one with the higher number holds, whatever times they were given;
numbers only go up, also where `erase` took rows away. A group's customer_id is the smallest key
(``system:id``) in it, so it does not depend on the order of loads. What follows from a change is appended to
``entities.identity``; facts look there, as of any ``known_at``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.audit_log import record

Pair = tuple[str, str]
Link = tuple[str, str, float]  # weight in bits

_STANDING = """
    select change_number, kind, left_id, right_id from entities.identity_log
    where kind in ('merge', 'separate')
        and change_number not in (select undoes from entities.identity_log where kind = 'undo')
    order by change_number"""
_PAIRS = """
    select left_id, right_id, case when decision = 'link' then 'link' else 'apart' end, weight
    from entities.identity_pairs
    where decision in ('link', 'apart') or is_contradicted
    order by weight desc, left_id, right_id"""
# Of a record that could be either of two who are not one, the better link is taken where it is .9 probable
# that it is the one of the two: bits.
CLEARLY_BETTER = math.log2(0.9 / 0.1)
_IS_KNOWN = """
    select exists (
        select 1 from entities.customers where source_system = $system and source_id = $id
        union all
        select 1 from entities.orders where source_system = $system and customer_source_id = $id
        union all
        select 1 from entities.order_lines where source_system = $system and customer_source_id = $id
        union all
        select 1 from entities.contracts where source_system = $system and customer_source_id = $id
        union all
        select 1 from entities.tickets where source_system = $system and customer_source_id = $id
    )"""
# The log itself loses rows when a person is erased; a warehouse of before the counter has only the log.
_NEXT = """
    select 1 + greatest(
        coalesce((select max(last_number) from entities.identity_numbers), 0),
        coalesce((select max(change_number) from entities.identity_log), 0)
    )"""
_KINDS = {"merge": "are one customer", "separate": "are never one customer"}


@dataclass(frozen=True)
class Decision:
    """One word of a person on two customers that stands.

    Attributes
    ----------
    change_number : int
        Its number in ``entities.identity_log``.
    kind : {"merge", "separate"}
        One customer, or never one.
    left_id, right_id : str
        The two keys, as ``system:id``.
    """

    change_number: int
    kind: str
    left_id: str
    right_id: str

    @property
    def pair(self) -> Pair:
        """The two keys in order."""
        return (min(self.left_id, self.right_id), max(self.left_id, self.right_id))


def merge(wh: Warehouse, a: str, b: str, *, reason: str = "", decided_at: datetime | None = None) -> int:
    """Say that two customers are one; return the merge_id, for `undo`.

    Parameters
    ----------
    wh : Warehouse
    a, b : str
        Their keys, ``system:id``: any source record of each.
    reason : str, default ""
        Why; kept with the fact.
    decided_at : datetime, optional
        When, with a time zone; default: now.

    Raises
    ------
    UsageError
        A key is unknown, both are one key, a standing `separate` forbids it, or standing merges say
        so already.

    Examples
    --------
    >>> import crm_analytics as crm, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = pathlib.Path(folder, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\nC2,Ada L.\\n")
    ...     _ = crm.load(wh, file)
    ...     merge_id = merge(wh, "default:C1", "default:C2", reason="same desk")
    ...     merged = members(wh, "default:C2")
    ...     _ = undo(wh, merge_id)
    ...     merged, members(wh, "default:C2")
    (('default:C1', 'default:C2'), ('default:C2',))
    """
    return _decide(wh, "merge", a, b, reason, decided_at)


def separate(wh: Warehouse, a: str, b: str, *, reason: str = "", decided_at: datetime | None = None) -> int:
    """Say that two customers are never one; return the change's number, for `undo`.

    Parameters
    ----------
    wh, a, b, reason, decided_at
        As of `merge`. `a` and `b` are the very records that must not meet.

    Raises
    ------
    UsageError
        A key is unknown, both are one key, standing merges say that they are one, or they are
        separated already.
    """
    return _decide(wh, "separate", a, b, reason, decided_at)


def undo(wh: Warehouse, merge_id: int, *, reason: str = "", decided_at: datetime | None = None) -> int:
    """Take back a `merge` or `separate`, as a new fact; return the number of the change.

    Links of the linkage are not undone but contradicted: `separate`.

    Raises
    ------
    UsageError
        There is no such decision, it is undone already, or a merge whose records would stay one customer all
        the same, by the linkage.
    """
    with wh.transaction():
        standing = {one.change_number: one for one in decisions(wh)}
        taken_back = standing.get(merge_id)
        if taken_back is None:
            raise UsageError(
                f"{merge_id!r} is no merge or separation that stands (`crm-analytics identity log`); "
                "a link that the linkage made is contradicted by `separate`."
            )
        number = _write(wh, "undo", (None, None), merge_id, reason, _moment(decided_at))
        regroup(wh, number)
        left, right = taken_back.pair
        if taken_back.kind == "merge" and right in members(wh, left):
            raise UsageError(
                f"Undoing {merge_id} would change nothing: {left} and {right} stay one customer by what the "
                "linkage found. `separate` them if they are two."
            )
    return number


def decisions(wh: Warehouse) -> list[Decision]:
    """Return the merges and separations that stand, in the order in which they were made."""
    return [Decision(*row) for row in wh.rows(_STANDING)]


def members(wh: Warehouse, key: str) -> tuple[str, ...]:
    """Return the keys of all source records of the customer that a key belongs to, smallest first."""
    system, source_id = split_key(key)
    leading = wh.value(
        "select customer_id from entities.customer_ids() where source_system = $system and source_id = $id",
        system=system,
        id=source_id,
    )
    others = wh.rows(
        "select source_system || ':' || source_id from entities.customer_ids() "
        "where customer_id = $customer_id",
        customer_id=leading or key,
    )
    return tuple(sorted({leading or key, *(row[0] for row in others)}))


def record_link(wh: Warehouse, *, reason: str, recorded_at: datetime | None = None) -> int:
    """Write down a run of the linkage, whose pairs are in ``entities.identity_pairs``, and group anew."""
    with wh.transaction():
        number = _write(wh, "link", (None, None), None, reason, _moment(recorded_at))
        regroup(wh, number)
    return number


def regroup(wh: Warehouse, change_number: int) -> int:
    """Work out all groups from what stands, append what changed to ``entities.identity``; return its rows.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the change.
    change_number : int
        The change that asks for it; its time is that of the new rows.
    """
    wanted = {
        key: min(group) for group in groups(decisions(wh), wh.rows(_PAIRS)) for key in group if len(group) > 1
    }
    current = {
        f"{row[0]}:{row[1]}": row[2]
        for row in wh.rows("select source_system, source_id, customer_id from entities.customer_ids()")
    }
    changed = {
        key: wanted.get(key, key)
        for key in sorted({*wanted, *current})
        if wanted.get(key, key) != current.get(key, key)
    }
    if changed:
        at = wh.value(
            "select recorded_at from entities.identity_log where change_number = $n", n=change_number
        )
        keys = [split_key(key) for key in changed]
        rows = {
            "change_number": [change_number] * len(changed),
            "source_system": [system for system, _ in keys],
            "source_id": [source_id for _, source_id in keys],
            "customer_id": list(changed.values()),
            "recorded_at": [at] * len(changed),
        }
        wh.append("entities.identity", pa.table(rows))
    return len(changed)


def groups(standing: Iterable[Decision], pairs: Iterable[tuple[str, str, str, float]]) -> list[set[str]]:
    """Return the groups that decisions and pairs make; single records need not be among them.

    Merges come first. Then the links join groups, the surest first, unless that would bring together two
    records that are separated or that the linkage tells apart, however many records lie between them. A
    record that could be either of two such joins the better one where that is clearly better
    (`CLEARLY_BETTER`), and else neither.

    Parameters
    ----------
    standing : iterable of Decision
        In the order in which they were made: the later of two on one pair holds.
    pairs : iterable of (left_id, right_id, "link" or "apart", weight)
        The surest links first; weights in bits.

    Examples
    --------
    >>> links = [("a", "b", "link", 25.0), ("b", "c", "link", 20.0), ("a", "c", "apart", 0.0)]
    >>> [sorted(group) for group in groups([], links)]
    [['a', 'b'], ['c']]
    >>> [sorted(group) for group in groups([Decision(1, "merge", "b", "c")], links)]
    [['b', 'c']]
    >>> groups([], [("a", "b", "link", 20.0), *links[1:]])  # b is as surely a as c
    []
    """
    last = {one.pair: one.kind for one in standing}
    links = []
    forbidden = [pair for pair, kind in last.items() if kind == "separate"]
    for left, right, decision, weight in pairs:
        if decision == "link" and last.get((left, right)) != "separate":
            links.append((left, right, weight))
        elif decision == "apart" and last.get((left, right)) != "merge":
            forbidden.append((left, right))
    while True:
        found = _Groups()
        for pair, kind in last.items():
            if kind == "merge":
                found.join(*pair)
        for left, right in forbidden:
            found.forbid(left, right)
        for left, right, _ in links:
            if not found.is_forbidden(left, right):
                found.join(left, right)
        unsure = _unsure(found, links)
        if not unsure:
            return found.all()
        links = [link for link in links if link not in unsure]


def _unsure(found: _Groups, links: list[Link]) -> set[Link]:
    """Return the links of records that could as well be in another group, which their own contradicts."""
    own: dict[str, list[Link]] = {}
    cut: dict[str, list[Link]] = {}
    for link in links:
        left, right, _ = link
        is_one = found.find(left) == found.find(right)
        for key, other in ((left, right), (right, left)):
            if is_one:
                own.setdefault(key, []).append(link)
            elif not found.is_foe(key, other):
                cut.setdefault(key, []).append(link)
    return {
        link
        for key, others in cut.items()
        if key in own and own[key][0][2] - others[0][2] < CLEARLY_BETTER  # the surest come first
        for link in own[key] + others
    }


class _Groups:
    """Disjoint sets of keys, some of which must not meet."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._foes: dict[str, set[str]] = {}

    def find(self, key: str) -> str:
        parent = self._parent.setdefault(key, key)
        while parent != self._parent[parent]:
            self._parent[parent] = self._parent[self._parent[parent]]
            parent = self._parent[parent]
        self._parent[key] = parent
        return parent

    def forbid(self, left: str, right: str) -> None:
        """Keep two keys apart from now on; two that are joined already stay so."""
        self._foes.setdefault(left, set()).add(right)
        self._foes.setdefault(right, set()).add(left)

    def is_forbidden(self, left: str, right: str) -> bool:
        mine, theirs = self._all_of(self.find(left)), self._all_of(self.find(right))
        if len(mine) > len(theirs):
            mine, theirs = theirs, mine
        other = set(theirs)
        return any(not other.isdisjoint(self._foes.get(key, ())) for key in mine)

    def is_foe(self, key: str, other: str) -> bool:
        """Is a key itself kept apart from any in the group of another?"""
        return not self._foes.get(key, set()).isdisjoint(self._all_of(self.find(other)))

    def join(self, left: str, right: str) -> None:
        big, small = self.find(left), self.find(right)
        if big == small:
            return
        if len(self._all_of(big)) < len(self._all_of(small)):
            big, small = small, big
        self._members[big] = self._all_of(big) + self._all_of(small)
        self._members.pop(small, None)
        self._parent[small] = big

    def all(self) -> list[set[str]]:
        """Return the groups, the largest first, then by their smallest key."""
        found = [set(self._all_of(key)) for key in self._parent if self._parent[key] == key]
        return sorted(found, key=lambda group: (-len(group), min(group)))

    def _all_of(self, root: str) -> list[str]:
        return self._members.get(root, [root])


def split_key(key: str) -> tuple[str, str]:
    """Split ``system:id``; UsageError when it is none.

    Examples
    --------
    >>> split_key("shop:C:1")
    ('shop', 'C:1')
    """
    system, mark, source_id = key.partition(":")
    if not (system and mark and source_id):
        raise UsageError(
            f"{key!r} is no customer key. Write system:id, as in customer_id: for example shop:C1."
        )
    return system, source_id


def _decide(wh: Warehouse, kind: str, a: str, b: str, reason: str, decided_at: datetime | None) -> int:
    moment = _moment(decided_at)
    if a == b:
        raise UsageError(f"{a!r} was named twice. Name two different records.")
    with wh.transaction():
        for key in (a, b):
            _check_known(wh, key)
        new = Decision(0, kind, a, b)
        _check_new(decisions(wh), new)
        standing = [one for one in decisions(wh) if one.pair != new.pair]
        for one in _contradicting([*standing, new]):
            raise UsageError(
                f"{a} and {b} cannot be said to be {_KINDS[kind].removeprefix('are ')}: change "
                f"{one.change_number} says that {one.left_id} and {one.right_id} {_KINDS[one.kind]}. "
                "Undo that first."
            )
        number = _write(wh, kind, (a, b), None, reason, moment)
        regroup(wh, number)
    return number


def _check_new(standing: list[Decision], new: Decision) -> None:
    """Refuse what was said already: undoing it once would change nothing."""
    last = {one.pair: one for one in standing}
    same = last.get(new.pair)
    if same is not None and same.kind == new.kind:
        raise UsageError(
            f"Change {same.change_number} says already that {new.left_id} and {new.right_id} "
            f"{_KINDS[new.kind]}. Nothing was changed."
        )
    found = _Groups()
    for one in last.values():
        if one.kind == "merge" and one.pair != new.pair:
            found.join(*one.pair)
    if new.kind == "merge" and found.find(new.left_id) == found.find(new.right_id):
        merges = ", ".join(
            str(one.change_number)
            for one in last.values()
            if one.kind == "merge" and found.find(one.left_id) == found.find(new.left_id)
        )
        raise UsageError(
            f"{new.left_id} and {new.right_id} are one customer already, by merges {merges}. "
            "Nothing was changed."
        )


def _contradicting(standing: list[Decision]) -> Iterator[Decision]:
    """Yield a decision that the last one contradicts, when the separations and merges cannot all hold."""
    found = _Groups()
    for one in standing:
        if one.kind == "merge":
            found.join(one.left_id, one.right_id)
    for one in standing:
        if one.kind == "separate" and found.find(one.left_id) == found.find(one.right_id):
            new = standing[-1]
            group = found.find(new.left_id)
            yield (
                one
                if one is not new
                else next(old for old in standing if old.kind == "merge" and found.find(old.left_id) == group)
            )


def _check_known(wh: Warehouse, key: str) -> None:
    if not isinstance(key, str):
        raise UsageError(f"Name a customer as text, system:id; got {type(key).__name__}.")
    system, source_id = split_key(key)
    if not wh.value(_IS_KNOWN, system=system, id=source_id):
        raise UsageError(
            f"{key!r} is no customer of this warehouse: no record, order, contract or ticket names it."
        )


def _write(
    wh: Warehouse,
    kind: str,
    pair: tuple[str | None, str | None],
    undoes: int | None,
    reason: str,
    at: datetime,
) -> int:
    number = int(wh.value(_NEXT))
    wh.execute("delete from entities.identity_numbers")
    wh.execute("insert into entities.identity_numbers (last_number) values ($number)", number=number)
    wh.execute(
        "insert into entities.identity_log by name select $number as change_number, $kind as kind, "
        "cast($left as varchar) as left_id, cast($right as varchar) as right_id, "
        "cast($undoes as bigint) as undoes, cast($at as timestamptz) as recorded_at, $reason as reason",
        number=number,
        kind=kind,
        left=pair[0],
        right=pair[1],
        undoes=undoes,
        at=at,
        reason=reason,
    )
    record(wh, kind, f"change {number}", **({} if undoes is None else {"undoes": undoes}))
    return number


def _moment(given: datetime | None) -> datetime:
    moment = given or datetime.now(UTC)
    if moment.tzinfo is None:
        raise UsageError(f"decided_at={moment} has no time zone. Give one, for example tzinfo=UTC.")
    return moment
