"""What does one record of JSON say, as text cells?  Objects inside it become columns "a.b", lists JSON text.

null, "", {} and [] are empty. Numbers never pass through a float. A key that comes twice, NaN and nesting
beyond 64 levels make a record broken. Format: RFC 8259.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from crm_analytics.ingest.row_blocks import number_text

MAX_DEPTH = 64


class _Number(str):
    """A number of JSON, in its own text."""

    __slots__ = ()


class BrokenJson(ValueError):
    """A record that is no record: reason, and the key where it is wrong."""

    def __init__(self, reason: str, key: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BrokenJson("duplicate_key", Counter(key for key, _ in pairs).most_common(1)[0][0])
    return found


def _not_finite(_: str) -> Any:
    raise BrokenJson("non_finite")


_READ = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_not_finite
)


def json_cells(text: bytes, decimal: str) -> dict[str, str | None]:
    """Return the cells of a record by column, with the decimal mark of the dialect in numbers.

    Raises
    ------
    BrokenJson
        ``bad_json``, ``not_an_object``, ``duplicate_key``, ``non_finite``, ``too_deep`` or
        ``invalid_encoding``.

    Examples
    --------
    >>> json_cells(b'{"id": 7, "owner": {"id": "U1"}, "tags": [1.50, "x"]}', ".")
    {'id': '7', 'owner.id': 'U1', 'tags': '[1.50, "x"]'}
    """
    found: dict[str, str | None] = {}
    _flatten(_parsed(text), "", 1, decimal, found)
    return found


def json_names(text: bytes) -> Iterable[str]:
    """Return the columns of a record; their values are not looked into.

    Raises
    ------
    BrokenJson
        As `json_cells`, but for what is wrong inside a list.
    """
    value = _parsed(text)
    if dict not in map(type, value.values()):
        return value
    found: dict[str, str | None] = {}
    _flatten(value, "", 1, ".", found)
    return found


def _parsed(text: bytes) -> dict[str, Any]:
    """Return the object that is the whole of a text."""
    try:
        told = text.decode("utf-8").strip(" \t\r\n")
        value, end = _READ.raw_decode(told)
    except UnicodeDecodeError as error:
        raise BrokenJson("invalid_encoding") from error
    except RecursionError as error:
        raise BrokenJson("too_deep") from error
    except json.JSONDecodeError as error:
        raise BrokenJson("bad_json") from error
    if end != len(told):
        raise BrokenJson("bad_json")
    if type(value) is not dict:
        raise BrokenJson("not_an_object")
    return value


def _flatten(
    value: dict[str, Any], prefix: str, depth: int, decimal: str, found: dict[str, str | None]
) -> None:
    if depth > MAX_DEPTH:
        raise BrokenJson("too_deep")
    for key, one in value.items():
        name = prefix + key if prefix else key
        kind = type(one)
        if kind is dict:
            _flatten(one, name + ".", depth + 1, decimal, found)
            continue
        if name in found:
            raise BrokenJson("duplicate_key", name)
        if kind is str or one is None:
            found[name] = one
        elif kind is _Number:
            found[name] = number_text(one, decimal)
        elif kind is bool:
            found[name] = "true" if one else "false"
        else:
            found[name] = _list_text(one, depth + 1) if one else None


def _list_text(value: Any, depth: int) -> str:
    """Return JSON text with every number as it was written."""
    if depth > MAX_DEPTH:
        raise BrokenJson("too_deep")
    if isinstance(value, list):
        return "[" + ", ".join(_list_text(one, depth + 1) for one in value) + "]"
    if isinstance(value, dict):
        pairs = (
            f"{json.dumps(key, ensure_ascii=False)}: {_list_text(one, depth + 1)}"
            for key, one in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
