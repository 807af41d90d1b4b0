"""What is known of each entity?  Every column, with type, unit and privacy, declared once in TOML.

The warehouse's entity tables, the record store's tables, the plain import layouts and the data
dictionary are all made from these files. An entity is either *state* (versions of a thing, cut by
``valid_from``) or *event* (something that happened, cut by ``occurred_on``); neither is overwritten.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from crm_analytics.errors import UsageError
from crm_analytics.vocabulary import WORDS

SQL_TYPES = {
    "TEXT": "VARCHAR",
    "CURRENCY": "VARCHAR",
    "BIGINT": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMPTZ",
    "MONEY": "DECIMAL(18,4)",
    "AMOUNT": "DECIMAL(38,4)",
    "QUANTITY": "DECIMAL(18,4)",
    "DECIMAL(9,4)": "DECIMAL(9,4)",
    "DECIMAL(9,6)": "DECIMAL(9,6)",
    "RATE": "DECIMAL(28,18)",
}

# Columns that the loader adds to every row of every entity: name -> (SQL type, meaning).
SYSTEM_COLUMNS = {
    "source_system": ("VARCHAR", "system the row came from; source ids are unique within it"),
    "row_id": ("UHUGEINT", "identity of the thing or event (128-bit digest of system and key)"),
    "content_id": ("UHUGEINT", "digest of all other columns: equal = nothing new"),
    "recorded_at": ("TIMESTAMPTZ", "when we learned it (received_at of the load)"),
    "load_id": ("BIGINT", "load that brought it (ops.loads)"),
    "record_number": ("BIGINT", "number of the data record in its file; the first is 1"),
    "is_revision": ("BOOLEAN", "some version of the row was known before"),
    "is_deleted": ("BOOLEAN", "this version says that the row is gone"),
}
EVENT_COLUMNS = {"occurred_on": ("DATE", "business day of occurred_at, in the warehouse's time zone")}
STATE_COLUMNS = {"valid_from": ("TIMESTAMPTZ", "since when the state holds")}


# What a message must not show: words (of a name) where none belong, and telephone numbers; a day is none.
_WORD = re.compile(r"[^\W\d_]{3,}")
_DAY = re.compile(r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?!\d)")
_TELEPHONE = re.compile(r"(?<![\d.,])(?:[+(]\d|00?[1-9])(?:[\s()/.-]*\d){6,}")


@dataclass(frozen=True)
class Column:
    """One declared column of an entity.

    Attributes
    ----------
    name, type, doc : str
        Name, declared type (a key of ``SQL_TYPES``) and meaning.
    privacy : {"pii", "quasi", "none"}
        pii identifies a person, quasi helps to; none does neither.
    required : bool
        A record without it is quarantined.
    unit, refers, words : str | None
        Unit; entity that the id points to; word list of `crm_analytics.vocabulary`.
    has_history : bool
        False: sources do not give past values, so as-of reads must not use it as it stands.
    is_positive : bool
        What it takes away is written as a positive number; one below zero is told at the load.
    """

    name: str
    type: str
    doc: str
    privacy: Literal["pii", "quasi", "none"]
    required: bool = False
    unit: str | None = None
    refers: str | None = None
    words: str | None = None
    has_history: bool = True
    is_positive: bool = False

    @property
    def sql_type(self) -> str:
        """DuckDB type of the column."""
        return SQL_TYPES[self.type]

    @property
    def is_money(self) -> bool:
        """Is it an amount of a currency?"""
        return self.type in ("MONEY", "AMOUNT")

    def shows(self, text: str) -> bool:
        """May a message show a text that was told for the column, though it cannot be read?

        Not where the column is personal, nor where the text looks like something of a person that slipped in
        from another column: an address of e-mail, a telephone number, words where a number or a day belongs.

        Examples
        --------
        >>> created_at, status = entity("customers").column("created_at"), entity("tasks").column("status")
        >>> created_at.shows("2024-13-45"), created_at.shows("Ada Example"), status.shows("opne")
        (True, False, True)
        >>> status.shows("ada@example.com"), status.shows("+49 30 5550123")
        (False, False)
        """
        if self.privacy != "none" or "@" in text:
            return False
        may_have_a_word = self.type == "CURRENCY" or any(map(str.isdigit, text))  # "5 pcs", "12 May 2024"
        if self.type != "TEXT" and len(_WORD.findall(text)) > may_have_a_word:
            return False
        return _DAY.match(text) is not None or _TELEPHONE.search(text) is None


@dataclass(frozen=True)
class Entity:
    """One entity: what a row is, what identifies it, and its columns in order.

    ``repeat_key`` ("a|b" = a, else b) and ``repeat_agrees`` are for rows without an id of their own: which
    of them may be edits of one another (`crm_analytics.entities.versions`).
    """

    name: str
    kind: Literal["state", "event"]
    row: str
    key: tuple[str, ...]
    repeat_key: tuple[str, ...]
    repeat_agrees: tuple[str, ...]
    in_record_store: bool
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column of that name; UsageError when there is none."""
        found = self.by_name.get(name)
        if found is None:
            raise UsageError(f"{self.name} has no column {name!r}. It has: {', '.join(self.column_names)}.")
        return found

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Names of the declared columns, in order."""
        return tuple(self.by_name)

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """The declared columns by their names, in order."""
        return MappingProxyType({column.name: column for column in self.columns})

    @cached_property
    def required_names(self) -> tuple[str, ...]:
        """Names of the columns without which there is no record."""
        return tuple(column.name for column in self.columns if column.required)

    @property
    def system_columns(self) -> dict[str, tuple[str, str]]:
        """Columns that the loader adds: name -> (SQL type, meaning)."""
        return SYSTEM_COLUMNS | (EVENT_COLUMNS if self.kind == "event" else STATE_COLUMNS)


@cache
def entities() -> dict[str, Entity]:
    """Return every declared entity by name, in alphabetical order.

    Examples
    --------
    >>> entities()["customers"].column("email").privacy
    'pii'
    """
    found = {path.stem: _read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))}
    for entity in found.values():
        for column in entity.columns:
            if column.refers is not None and column.refers not in found:
                raise UsageError(f"{entity.name}.{column.name} refers to unknown entity {column.refers!r}.")
    return found


def entity(name: str) -> Entity:
    """Return one entity; UsageError with the nearest names when there is none.

    Examples
    --------
    >>> entity("orders").kind
    'event'
    """
    known = entities()
    if name not in known:
        raise UsageError(f"{name!r} is no entity. Entities: {', '.join(known)}.")
    return known[name]


def _read(path: Path) -> Entity:
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    columns = tuple(
        Column(
            name=name,
            type=given["type"],
            doc=given["doc"],
            privacy=given["privacy"],
            required=given.get("required", False),
            unit=given.get("unit"),
            refers=given.get("refers"),
            words=given.get("words"),
            has_history=given.get("history") != "none",
            is_positive=given.get("positive", False),
        )
        for name, given in declared["columns"].items()
    )
    for column in columns:
        if column.type not in SQL_TYPES or column.privacy not in ("pii", "quasi", "none"):
            raise UsageError(f"{path.name}: column {column.name!r} has an unknown type or privacy tag.")
        if column.words is not None and column.words not in WORDS:
            raise UsageError(f"{path.name}: column {column.name!r} names unknown words {column.words!r}.")
    return Entity(
        name=declared["entity"],
        kind=declared["kind"],
        row=declared["row"],
        key=tuple(declared["key"]),
        repeat_key=tuple(declared.get("repeat_key", ())),
        repeat_agrees=tuple(declared.get("repeat_agrees", ())),
        in_record_store=declared.get("in_record_store", False),
        columns=columns,
    )
