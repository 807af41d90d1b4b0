"""Which column of an export means what?  Profiles (TOML), the plain layouts, and recognising a header.

A profile says how one layout is written (dialect) and where each column of one entity comes from. The
plain layouts, one per entity, need no file: their headers are our own column names
(``plain_customers`` ...). A profile holds no code: only names, constants and word lists.

    profile = "cdnow"              entity = "order_lines"          source_system = "cdnow"
    repeats = "keep"               # equal lines are separate facts; default "merge"
    guest = "keep"                 # lines without customer stay, as revenue of nobody; default "quarantine"
    [dialect]                      # encoding, delimiter ("whitespace" too), decimal, date_format,
                                   # skip_rows, timezone, default_country, header (names, for a file without)
    [columns]
    customer_source_id = { from = "customer_id", required = true }
    order_source_id = { from = ["customer_id", "date"] }         # joined by "-"
    currency = { constant = "USD" }
    status = { from = "State", words = { "Paid" = "confirmed" } }
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from crm_analytics.errors import FileRefused, ProfileError, UsageError
from crm_analytics.schema import entities, entity
from crm_analytics.vocabulary import WORDS

PLAIN = "plain_"
DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"


@dataclass(frozen=True)
class Dialect:
    """How a layout is written; None where the file itself tells or the default holds."""

    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    date_format: str | None = None
    skip_rows: int = 0
    timezone: str | None = None
    default_country: str | None = None
    header: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ColumnRule:
    """Where one column of the entity comes from: columns of the file (joined by "-"), or a constant."""

    sources: tuple[str, ...] = ()
    constant: str | None = None
    required: bool = False
    words: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Target:
    """One entity that the records of a layout tell of.

    ``name`` is unique within a profile: the entity's, with "_2" ... where a profile has several of one
    entity. The first target of a profile is the main one.
    """

    name: str
    entity: str
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    when: tuple[str, ...] = ()


@dataclass(frozen=True)
class Profile:
    """One export layout.

    Attributes
    ----------
    name, purpose : str
        Name, and what it is for.
    entity : str
        Entity its records become.
    source_system : str
        System the ids are scoped by, unless the caller names another.
    repeats : {"merge", "keep"}
        Are equal lines one fact or several?
    guest : {"quarantine", "keep"}
        What becomes of a record without customer id, where one is required.
    columns : mapping of str to ColumnRule
        Column of the entity -> where it comes from.
    dialect : Dialect
        How it is written.
    """

    name: str
    entity: str
    purpose: str = ""
    source_system: str = "default"
    repeats: Literal["merge", "keep"] = "merge"
    guest: Literal["quarantine", "keep"] = "quarantine"
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    dialect: Dialect = field(default_factory=Dialect)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Entities its records become; the first is the main one."""
        return (Target(self.entity, self.entity, self.columns),)

    @property
    def sources(self) -> tuple[str, ...]:
        """Columns of the file that the profile knows, in order."""
        return tuple(dict.fromkeys(name for rule in self.columns.values() for name in rule.sources))

    @property
    def required_sources(self) -> tuple[str, ...]:
        """Columns without which a file is not of this layout."""
        return tuple(
            dict.fromkeys(name for rule in self.columns.values() if rule.required for name in rule.sources)
        )

    @property
    def sha256(self) -> str:
        """Digest of everything that decides what a file becomes."""
        told = repr((replace(self, columns={}), sorted(self.columns.items())))
        return hashlib.sha256(told.encode()).hexdigest()

    def with_options(self, **options: Any) -> Profile:
        """Return the profile with the caller's options (those that are not None) in place."""
        given = {name: value for name, value in options.items() if value is not None}
        own = {name: given.pop(name) for name in ("repeats", "guest") if name in given}
        changed = replace(self, **own, dialect=replace(self.dialect, **given))
        _check(changed)
        if changed.guest == "keep" and "customer_source_id" in changed.columns:
            rule = replace(changed.columns["customer_source_id"], required=False)
            changed = replace(changed, columns={**changed.columns, "customer_source_id": rule})
        return changed


@cache
def profiles() -> Mapping[str, Profile]:
    """Return every profile by name: the files of ``profiles/`` and the plain layouts.

    Examples
    --------
    >>> profiles()["transactions"].entity, profiles()["plain_orders"].entity
    ('order_lines', 'orders')
    """
    found = [read_profile(path) for path in sorted((Path(__file__).parent / "profiles").glob("*.toml"))]
    found += [_plain(name) for name in entities()]
    return {one.name: one for one in found}


def profile(name: str) -> Profile:
    """Return one profile by name, or read it from a path that ends in ``.toml``.

    Raises
    ------
    ProfileError
        No such profile; the message names the nearest.
    """
    if name.endswith(".toml"):
        return read_profile(Path(name))
    known = profiles()
    if name not in known:
        raise ProfileError(f"{name!r} is no profile.{_nearest(name, known)} Profiles: {', '.join(known)}.")
    return known[name]


def read_profile(path: Path) -> Profile:
    """Read a profile from TOML, strictly: an unknown key is an error that names the nearest.

    Raises
    ------
    ProfileError
        The file is absent, no TOML, or has keys, columns, words or values that cannot be.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ProfileError(f"{path.name}: the profile cannot be read: {error}.") from error
    where = path.name
    allowed = {"profile", "entity", "purpose", "source_system", "repeats", "guest", "dialect", "columns"}
    _only(where, given, allowed)
    missing = {"profile", "entity", "source_system", "columns"} - set(given)
    if missing:
        raise ProfileError(f"{where}: the keys {sorted(missing)} are missing.")
    try:
        declared = entity(given["entity"])
    except UsageError as error:
        raise ProfileError(f"{where}: {error}") from error
    _only(f"{where} [columns]", given["columns"], declared.column_names)
    dialect = dict(given.get("dialect", {}))
    _only(f"{where} [dialect]", dialect, [one.name for one in fields(Dialect)])
    if "header" in dialect:
        dialect["header"] = tuple(dialect["header"])
    read = Profile(
        name=given["profile"],
        entity=declared.name,
        purpose=given.get("purpose", ""),
        source_system=given["source_system"],
        repeats=given.get("repeats", "merge"),
        guest=given.get("guest", "quarantine"),
        columns={name: _rule(where, name, rule) for name, rule in given["columns"].items()},
        dialect=Dialect(**dialect),
    )
    _check(read)
    for name, rule in read.columns.items():
        words = declared.column(name).words
        for _, ours in rule.words:
            if words is None or ours not in WORDS[words]:
                raise ProfileError(
                    f"{where} [columns.{name}]: {ours!r} is no word of {words or 'a word list'}."
                    + (f" Words: {', '.join(WORDS[words])}." if words else "")
                )
    return read


def detect(file: str, headers: Sequence[tuple[str, Sequence[str]]]) -> tuple[Profile, str]:
    """Recognise a layout by its header.

    Of the profiles whose required columns are all there, the one that knows most of the header wins.

    Parameters
    ----------
    file : str
        Name for messages.
    headers : sequence of (delimiter, names)
        The header as each delimiter would split it.

    Returns
    -------
    (Profile, delimiter)

    Raises
    ------
    FileRefused
        ``missing_column``: one profile fits but for a few columns.
    ProfileError
        No profile fits, or several do.
    """
    best: list[tuple[int, str, str]] = []
    near: list[tuple[int, str, list[str]]] = []
    for one in profiles().values():
        if one.dialect.header is not None:
            continue
        for delimiter, names in headers:
            if delimiter != one.dialect.delimiter and (one.dialect.delimiter or delimiter == WHITESPACE):
                continue
            have = {header_key(name) for name in names}
            missing = [name for name in one.required_sources if header_key(name) not in have]
            known = sum(header_key(name) in have for name in one.sources)
            if not missing:
                best.append((known, one.name, delimiter))
            elif known:
                near.append((known, one.name, missing))
    top = max((known for known, _, _ in best), default=0)
    if not best or any(known > top for known, _, _ in near):
        raise _unknown_layout(file, headers, near)
    fitting = sorted({(name, delimiter) for known, name, delimiter in best if known == top})
    if len(fitting) > 1:
        raise ProfileError(
            f"{file}: several profiles fit: {', '.join(sorted({name for name, _ in fitting}))}. "
            "Say which with profile=."
        )
    name, delimiter = fitting[0]
    return profiles()[name], delimiter


def header_key(name: str) -> str:
    """Return what header names are compared by: no outer blanks, single inner ones, no case."""
    return " ".join(name.split()).casefold()


def _unknown_layout(
    file: str,
    headers: Sequence[tuple[str, Sequence[str]]],
    near: list[tuple[int, str, list[str]]],
) -> Exception:
    near.sort(key=lambda one: (-one[0], one[1]))
    widest = max((names for delimiter, names in headers if delimiter != WHITESPACE), key=len, default=())
    found = ", ".join(repr(name[:40]) for name in widest[:12])
    clear = near and near[0][0] >= 3 and (len(near) == 1 or near[1][0] < near[0][0])
    if clear and len(near[0][2]) <= 2:
        _, name, missing = near[0]
        return FileRefused(
            f"{file}: {columns_missing(missing)} for profile {name!r}. Found: {found}. "
            "Export them too, or name another profile=.",
            file=file,
            reason="missing_column",
            column=missing[0],
        )
    listed = "; ".join(f"{name} (missing: {', '.join(missing[:4])})" for _, name, missing in near[:3])
    hint = " Is the delimiter right (delimiter=), or the header on a later line (skip_rows=)?"
    hint = hint if len(widest) <= 2 else ""
    return ProfileError(
        f"{file}: no profile fits the columns {found}.{hint} "
        + (f"Nearest: {listed}. " if listed else "")
        + "Name one with profile=, or add one: docs/how-to-add/export-profile.md."
    )


def columns_missing(missing: Sequence[str]) -> str:
    """Return "column 'a' is missing" for a message."""
    names = ", ".join(repr(name) for name in missing)
    return f"column {names} is missing" if len(missing) == 1 else f"columns {names} are missing"


def _plain(entity_name: str) -> Profile:
    declared = entities()[entity_name]
    return Profile(
        name=PLAIN + entity_name,
        purpose=f"Our own layout of {entity_name}: {declared.row}.",
        entity=entity_name,
        columns={
            column.name: ColumnRule(sources=(column.name,), required=column.required)
            for column in declared.columns
        },
    )


def _rule(where: str, name: str, given: Mapping[str, Any]) -> ColumnRule:
    _only(f"{where} [columns.{name}]", given, ("from", "constant", "required", "words"))
    if ("from" in given) == ("constant" in given):
        raise ProfileError(f"{where} [columns.{name}]: say either from or constant.")
    sources = given.get("from", ())
    return ColumnRule(
        sources=(sources,) if isinstance(sources, str) else tuple(sources),
        constant=given.get("constant"),
        required=bool(given.get("required", False)),
        words=tuple(sorted(given.get("words", {}).items())),
    )


def _check(one: Profile) -> None:
    """Refuse values that cannot be; each message names the key."""
    dialect = one.dialect
    _choice(one, "repeats", one.repeats, ("merge", "keep"))
    _choice(one, "guest", one.guest, ("quarantine", "keep"))
    _choice(one, "decimal", dialect.decimal, (".", ","))
    if dialect.timezone is not None:
        _choice(one, "timezone", dialect.timezone, available_timezones(), listed=False)
    if dialect.delimiter is not None and dialect.delimiter != WHITESPACE:
        if len(dialect.delimiter.encode()) != 1 or dialect.delimiter in '"\r\n':
            raise ProfileError(f"{one.name}: delimiter={dialect.delimiter!r} must be one ASCII character.")
        if dialect.delimiter == "," == dialect.decimal:
            raise ProfileError(f"{one.name}: decimal=',' needs another delimiter than ','.")
    if not isinstance(dialect.skip_rows, int) or dialect.skip_rows < 0:
        raise ProfileError(f"{one.name}: skip_rows={dialect.skip_rows!r} must be a number of lines.")
    if dialect.date_format is not None and ("%" not in dialect.date_format or "%z" in dialect.date_format):
        raise ProfileError(
            f"{one.name}: date_format={dialect.date_format!r} must be a pattern such as '%d/%m/%Y'. "
            "ISO times with an offset need none."
        )


def _choice(one: Profile, key: str, value: str, choices: Iterable[str], *, listed: bool = True) -> None:
    if value not in choices:
        told = f" Use one of {', '.join(choices)}." if listed else _nearest(str(value), choices)
        raise ProfileError(f"{one.name}: {key}={value!r} is not known.{told}")


def _only(where: str, given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    allowed = list(allowed)
    for key in given:
        if key not in allowed:
            raise ProfileError(f"{where}: unknown key {key!r}.{_nearest(key, allowed)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=2)
    return f" Did you mean {' or '.join(repr(one) for one in near)}?" if near else ""
