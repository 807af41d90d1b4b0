"""Who was erased?  Known again by keyed hashes only: of the keys of records, and of contact points.

The key is that of the warehouse (`crm_analytics.warehouse.masking.prepare_key`), so nobody without the
warehouse can try out addresses against the hashes. An address or number counts only for a record that
is set aside anyway: whoever shares a mailbox with an erased person is not kept out.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.masking import prepare_key

REASON = "erased_subject"
# An id of fewer characters is any number: it is known only in the column that it belongs to.
TELLING_CHARACTERS = 4
_PHONE_DIGITS = 7
_MARKS = re.compile(r"""[\s,;|:"'<>()\[\]{}\x00]+""")
_PARTS = re.compile(r"""[,;|\t\r\n"\x00]+""")


@dataclass(frozen=True)
class ErasedKeys:
    """The hashes of the erased, and the key to compare with."""

    hash_key: bytes
    hashes: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def holds(self, entity: str, source_system: str, source_id: str) -> bool:
        """Was the record with this key erased?"""
        return key_hash(self.hash_key, entity, source_system, source_id) in self.hashes

    def is_mentioned(self, raw: bytes) -> bool:
        """Does a raw record hold an id, address or number of an erased person?"""
        return any(value_hash(self.hash_key, one) in self.hashes for one in telling_values(raw))


def erased_keys(wh: Warehouse) -> ErasedKeys:
    """Return what is remembered of the erased; empty (and false) where nobody was."""
    found = frozenset(row[0] for row in wh.rows("select distinct key_hash from ops.erased_keys"))
    return ErasedKeys(bytes.fromhex(prepare_key(wh)) if found else b"", found)


def remember(
    wh: Warehouse,
    erasure_id: int,
    keys: Iterable[tuple[str, str, str]],
    values: Iterable[str],
) -> None:
    """Keep the hashes of an erased person.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the erasure.
    erasure_id : int
        Its number.
    keys : iterable of (entity, source_system, source_id)
        Records that went.
    values : iterable of str
        Ids, addresses and numbers.
    """
    secret = bytes.fromhex(prepare_key(wh))
    hashes = {key_hash(secret, *key) for key in keys}
    hashes |= {value_hash(secret, told) for value in values for told in telling_values(value.encode())}
    rows = [{"erasure_id": erasure_id, "key_hash": one} for one in sorted(hashes)]
    wh.append("ops.erased_keys", pa.Table.from_pylist(rows))


def key_hash(secret: bytes, entity: str, source_system: str, source_id: str) -> str:
    """Return the hash that the key of a record is remembered by."""
    told = f"key\0{entity}\0{source_system}\0{source_id}"
    return hmac.new(secret, told.encode(), hashlib.sha256).hexdigest()


def value_hash(secret: bytes, value: str) -> str:
    """Return the hash that an id, address or number is remembered by."""
    return hmac.new(secret, f"value\0{value}".encode(), hashlib.sha256).hexdigest()


def telling_values(raw: bytes) -> set[str]:
    """Return what of a raw record could be an id, an address or a telephone number of a person.

    Examples
    --------
    >>> sorted(telling_values(b'C-77;Ada <ADA@example.org>;+49 30 1234567;12'))
    ['+49 30 1234567', '49301234567', 'ada <ada@example.org>', 'ada@example.org', 'c-77']
    """
    found: set[str] = set()
    for cell in _cells(raw):
        plain = cell.strip().casefold()
        if len(plain) >= TELLING_CHARACTERS:
            found.add(plain)
        digits = re.sub(r"\D", "", plain).lstrip("0")
        if _PHONE_DIGITS <= len(digits) <= 15:
            found.add(digits)
        if "@" in plain:
            found.update(part for part in _MARKS.split(plain) if "@" in part)
    return found


def _cells(raw: bytes) -> Iterator[str]:
    if raw[1:2] == b"\0" or raw[:1] == b"\0":
        raw = raw.replace(b"\0", b"")  # UTF-16 of what is mostly ASCII
    text = raw.decode("utf-8", "backslashreplace")
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield from _leaves(json.loads(text))
        except ValueError:
            pass
        else:
            return
    yield from _PARTS.split(text)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None:
        yield str(value)
