"""Which pairs of records are worth comparing?  Those that share a key, of as many kinds as the size allows.

A key is a field or two that are equal. Values that very many records share say little and would make the
work grow with the square of the size: they are no keys. Kinds of key are taken from the most to the least
telling while the number of pairs stays within a budget that grows in proportion: few records are compared
nearly all with all, a million only where much agrees. For a slip in one field, other keys are there.
"""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

from crm_analytics.warehouse.sandbox import Sandbox

LARGEST_BLOCK = 60
PAIRS_PER_RECORD = 5
PAIRS_AT_LEAST = 400_000

# part of a key -> (column it is made from, SQL)
_PARTS: MappingProxyType[str, tuple[str, str]] = MappingProxyType(
    {
        "given_3": ("given_name", "left(given_name, 3)"),
        "given_1": ("given_name", "left(given_name, 1)"),
        "family_3": ("family_name", "left(family_name, 3)"),
        "year": ("birth", "left(birth, 4)"),
        "month": ("birth", "left(birth, 7)"),
        "day": ("birth", "right(birth, 5)"),
        "mailbox": ("email", "mailbox"),
        "names": (
            "given_name",
            "least(given_name, family_name) || ' ' || greatest(given_name, family_name)",
        ),
    }
)
KEYS: tuple[tuple[str, ...], ...] = (
    ("national_id",),
    ("email",),
    ("phone",),
    ("names", "birth"),
    ("family_name", "birth"),
    ("given_name", "birth"),
    ("birth", "postcode"),
    ("street", "postcode"),
    ("names", "city"),
    ("names", "postcode"),
    ("given_name", "postcode"),
    ("family_name", "postcode"),
    ("mailbox",),
    ("names",),
    ("given_3", "family_3", "day"),
    ("given_3", "family_3", "year"),
    ("birth", "city"),
    ("given_3", "family_3", "city"),
    ("given_1", "family_3", "month"),
    ("street", "city"),
    ("given_name", "day"),
    ("family_name", "day"),
    ("given_name", "city"),
    ("family_name", "city"),
    ("birth",),
    ("given_name", "year"),
    ("family_name", "year"),
    ("given_3", "month"),
    ("street",),
    ("family_name",),
)

_COUNT = """
    select
        coalesce(sum(n * (n - 1) // 2) filter (n <= $largest), 0),
        coalesce(list(value order by value) filter (n > $largest), [])
    from (select hash({key}) as value, count(*) as n from compared where {key} is not null group by value)
    where n > 1"""


def keys(sandbox: Sandbox, filled: Collection[str], count: int) -> dict[str, str]:
    """Return the keys to block on: name -> SQL of a number, NULL where the record has no such key.

    Parameters
    ----------
    sandbox : Sandbox
        With the table ``compared`` (`crm_analytics.ingest.identity.compared`).
    filled : collection of str
        Columns that are filled.
    count : int
        Records.
    """
    budget = PAIRS_PER_RECORD * count + PAIRS_AT_LEAST
    chosen: dict[str, str] = {}
    for number, parts in enumerate(KEYS):
        made_from = [_PARTS.get(part, (part, part)) for part in parts]
        if not {column for column, _ in made_from} <= set(filled):
            continue
        key = " || chr(31) || ".join(f"({sql})" for _, sql in made_from)
        [(pairs, frequent)] = sandbox.rows(_COUNT.format(key=key), largest=LARGEST_BLOCK)
        if 0 < pairs <= budget:
            budget -= int(pairs)
            excluded = f" and hash({key}) not in ({', '.join(map(str, frequent))})" if frequent else ""
            chosen[f"key_{number}"] = f"case when {key} is not null{excluded} then hash({key}) end"
    return chosen
