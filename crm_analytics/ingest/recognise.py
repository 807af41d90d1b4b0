"""Which layout is a file of?  All profiles, and recognising one by the header.

Of the profiles whose required columns are all there, the one that knows most of the header wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from crm_analytics.errors import FileRefused, ProfileError, UsageError
from crm_analytics.ingest.headers import HeaderIndex, find_columns, fold_header
from crm_analytics.ingest.look import look_at
from crm_analytics.ingest.not_loaded import REASON as NOT_LOADED
from crm_analytics.ingest.not_loaded import table_not_loaded
from crm_analytics.ingest.options import option
from crm_analytics.ingest.own_layouts import nearest_own
from crm_analytics.ingest.profile import WHITESPACE, ColumnRule, Profile, Target, nearest
from crm_analytics.ingest.profile_file import read_profile
from crm_analytics.normalise.header_words import meaning_of
from crm_analytics.schema import entities

PLAIN = "plain_"
_NO_NAME = "options"
# How a byte that is not UTF-8 stands in a name.
_FOREIGN_BYTE = re.compile(r"\\x[89a-f][0-9a-f]")
_SHOWN_COLUMNS, _SHOWN_CHARACTERS = 12, 40
# Of the layouts that are nearest to a file: how many are shown, and how many columns that it lacks.
_SHOWN_LAYOUTS, _SHOWN_MISSING = 3, 4
_OTHERWISE = (
    "`crm-analytics profile new FILE` drafts a layout for it; an existing one is named with "
    f"{option('profile')}"
)
# Marks that stand within names, and how often one that parts them comes at least.
_IN_WORDS, _LEAST_MARKS = " _.-'/()@+", 2
# Kinds of looks that column names do not have.
_VALUES = ("date", "number", "email", "phone")


@cache
def profiles() -> Mapping[str, Profile]:
    """Return every profile by name: the files of ``profiles/`` and the plain layouts of all other entities.

    Examples
    --------
    >>> profiles()["transactions"].main.entity, profiles()["plain_orders"].main.entity
    ('order_lines', 'orders')
    """
    found = [read_profile(path) for path in sorted((Path(__file__).parent / "profiles").glob("*.toml"))]
    written = {one.name for one in found}
    found += [_plain(name) for name in entities() if PLAIN + name not in written]
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
        raise ProfileError(
            f"{name!r} is no profile.{nearest(name, known)} `crm-analytics profile list` shows them all."
        )
    return known[name]


def asked_profile(name: str | None, **options: Any) -> Profile:
    """Return the profile that a caller names, with the options of the call in place; or only those.

    Raises
    ------
    UsageError
        No such profile, or an option that cannot be: the call is wrong, whatever the file is.

    Examples
    --------
    >>> asked_profile("customers", decimal=",", delimiter=";").dialect.decimal
    ','
    >>> asked_profile(None, calendar="julian")
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: calendar='julian' is not known. Use one of gregorian, jalali.
    """
    try:
        found = profile(name) if name is not None else Profile(_NO_NAME, ())
        return found.with_options(**options)
    except ProfileError as error:
        raise UsageError(str(error).removeprefix(f"{_NO_NAME}: ")) from error


def is_header(names: Sequence[str]) -> bool:
    """Is a first line one of column names, rather than a record of a file without header row?

    A fourth of them must be names that a layout or the word lists know, and none may look like a value.

    Examples
    --------
    >>> is_header(["Customer ID", "Shoe size"]), is_header(["C1", "Ada Example", "2024-01-05"])
    (True, False)
    """
    filled = [name for name in names if name.strip()]
    known = sum(map(_is_known, filled))
    return known * 4 >= len(filled) > 0 and not any(look_at([name]).kind in _VALUES for name in filled)


def shown_columns(names: Sequence[str], *, show_values: bool) -> str:
    """Return the first columns of a file for a message; what may be a value is told by place and kind.

    Examples
    --------
    >>> shown_columns(["C1", "Ada Example", "2024-01-05"], show_values=False)
    'column 1 (text), column 2 (text), column 3 (date)'
    """
    are_names = show_values or is_header(names)
    return ", ".join(
        repr(name[:_SHOWN_CHARACTERS])
        if are_names or _is_known(name)
        else f"column {place} ({look_at([name]).kind})"
        for place, name in enumerate(names[:_SHOWN_COLUMNS], start=1)
    )


def without_header(names: Sequence[str], *, show_values: bool) -> str:
    """Return a sentence about a first line that may hold values, or nothing."""
    if is_header(names) or not any(name.strip() for name in names):
        return ""
    asked = ""
    if any(look_at([name]).kind in _VALUES for name in names):
        asked = " The first line looks like values: does the file have a header row?"
    hidden = f" What may be a value is not shown; {option('show_values')} shows it."
    return asked + (hidden if not show_values else "")


@cache
def _known_names() -> frozenset[str]:
    return frozenset(
        fold_header(name)
        for one in profiles().values()
        for source in one.sources
        for name in (source, *one.headers.get(source, ()))
    )


def _is_known(name: str) -> bool:
    return fold_header(name) in _known_names() or meaning_of(name) is not None


def detect(
    file: str,
    headers: Sequence[tuple[str, Sequence[str]]],
    *,
    default_currency: str | None = None,
    show_values: bool = False,
) -> tuple[Profile, str]:
    """Recognise a layout by its header.

    Parameters
    ----------
    file : str
        Name for messages; it also decides between profiles that fit equally and say which files are theirs.
    headers : sequence of (delimiter, names)
        The header as each delimiter would split it.
    default_currency : str, optional
        Said by the caller: a file needs no column of currencies.
    show_values : bool, default False
        May messages hold a first line that may be a record?

    Returns
    -------
    (Profile, delimiter)

    Raises
    ------
    FileRefused
        ``missing_column``: one profile fits but for a few columns; ``not_loaded``: a table of a known system
        that tells of no entity of ours.
    ProfileError
        No profile fits, or several do.
    """
    best: list[tuple[int, str, str]] = []
    near: list[tuple[int, str, list[str]]] = []
    indexed = [(delimiter, HeaderIndex(names)) for delimiter, names in headers]
    for one in profiles().values():
        if one.dialect.header is not None:
            continue
        for delimiter, index in indexed:
            if delimiter != one.dialect.delimiter and (one.dialect.delimiter or delimiter == WHITESPACE):
                continue
            places = find_columns(index, one.sources, one.headers).places
            missing = one.missing(places.__contains__, default_currency=default_currency)
            # Our own layouts have our own names: a foreign table may have one of them by chance.
            if one.name.startswith(PLAIN) and len(places) * 2 < index.size:
                continue
            if not missing:
                best.append((len(places), one.name, delimiter))
            elif places:
                near.append((len(places), one.name, missing))
    top = max((known for known, _, _ in best), default=0)
    if not best or any(known > top for known, _, _ in near):
        _refuse_known_table(file, headers)
        raise _unknown_layout(file, headers, near, show_values=show_values)
    fitting = sorted({(name, delimiter) for known, name, delimiter in best if known == top})
    base = file.replace("\\", "/").rpartition("/")[2].casefold()
    named = [one for one in fitting if any(fnmatchcase(base, form) for form in profiles()[one[0]].files)]
    if len(named or fitting) > 1:
        raise ProfileError(
            f"{file}: several profiles fit: {', '.join(sorted({name for name, _ in named or fitting}))}. "
            f"Say which with {option('profile')}."
        )
    name, delimiter = (named or fitting)[0]
    return profiles()[name], delimiter


def _refuse_known_table(file: str, headers: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Raise where a file is a table that is known and not loaded, whatever parts its fields."""
    for found in filter(None, (table_not_loaded(names, file=file) for _, names in headers)):
        raise FileRefused(
            f"{file}: it has the columns of table {found.table!r} of {found.system}, which is known and not "
            f"loaded ({found.why}). If it is another table, name its profile with {option('profile')}.",
            file=file,
            reason=NOT_LOADED,
        )


def _unknown_layout(
    file: str,
    headers: Sequence[tuple[str, Sequence[str]]],
    near: list[tuple[int, str, list[str]]],
    *,
    show_values: bool,
) -> Exception:
    near.sort(key=lambda one: (-one[0], one[1]))
    widest = max((names for delimiter, names in headers if delimiter != WHITESPACE), key=len, default=())
    found = shown_columns(widest, show_values=show_values)
    clear = near and near[0][0] >= 3 and (len(near) == 1 or near[1][0] < near[0][0])
    own = nearest_own(widest, profiles())
    if clear and len(near[0][2]) <= 2:
        _, name, missing = near[0]
        hint = currency_hint(profiles()[name], missing)
        remedy = "" if hint else " Export them too, if it is of that layout."
        other = _nearest([own] if own is not None and own[0] != name else [])
        return FileRefused(
            f"{file}: {columns_missing(missing, profiles()[name])}. Found: {found}.{hint}{remedy}{other} "
            f"{_OTHERWISE}.",
            file=file,
            reason="missing_column",
            column=missing[0],
        )
    # One common word is no resemblance.
    alike = [
        (name, missing)
        for known, name, missing in near
        if known > 1 and len(missing) * 2 <= len(profiles()[name].missing(_none))
    ]
    if own is not None:
        alike = [own, *(one for one in alike if one[0] != own[0])]
    hint = " Is the delimiter right, or does the header stand on a later line?"
    hint += f" {_parting_mark(widest)}Say {option('delimiter')} or {option('skip_rows')}."
    hint = hint if len(widest) <= 2 else ""
    if any(_FOREIGN_BYTE.search(name) for name in widest):
        hint += f" Its names hold bytes that are not UTF-8: say {option('encoding', 'cp1252', 'cp1256')}."
    hint += without_header(widest, show_values=show_values)
    near_ones = _nearest(alike) or " None is near."
    return ProfileError(
        f"{file}: no profile fits the columns {found}.{hint}{near_ones} {_OTHERWISE}. "
        "See docs/how-to-add/export-profile.md."
    )


def _nearest(alike: Sequence[tuple[str, list[str]]]) -> str:
    """Return a sentence about the layouts nearest to a file and what it lacks of them, or nothing."""
    if not alike:
        return ""
    told = (
        f"{name} (missing: {', '.join(missing[:_SHOWN_MISSING]) or 'only its own names of columns'})"
        for name, missing in alike[:_SHOWN_LAYOUTS]
    )
    return f" Nearest: {'; '.join(told)}."


def _parting_mark(names: Sequence[str]) -> str:
    """Return a sentence about the mark that comes most often in a line of one or two fields, or nothing."""
    marks = Counter(one for name in names for one in name if not one.isalnum() and one not in _IN_WORDS)
    if not marks or max(marks.values()) < _LEAST_MARKS:
        return ""
    mark, count = marks.most_common(1)[0]
    if not mark.isascii():
        return (
            f"The mark {mark!r} comes {count} times in it and cannot part fields here: export it with ';'. "
        )
    return f"The mark {mark!r} comes {count} times in it: is it {option('delimiter', mark)}? "


def _none(_: str) -> bool:
    return False


def currency_hint(used: Profile, missing: Sequence[str]) -> str:
    """Return a sentence where a missing column names a currency that the caller may say, or nothing."""
    rule = used.main.columns.get("currency")
    if rule is None or not set(rule.sources) & set(missing):
        return ""
    return f" Where it is one currency for all records, say {option('default_currency', 'EUR')}."


def columns_missing(missing: Sequence[str], used: Profile) -> str:
    """Return "column 'a' (or 'b') is missing for profile 'c'" for a message."""
    names = ", ".join(map(used.shown, missing))
    lacks = f"column {names} is missing" if len(missing) == 1 else f"columns {names} are missing"
    return f"{lacks} for profile {used.name!r}"


def _plain(entity_name: str) -> Profile:
    declared = entities()[entity_name]
    columns = {
        one.name: ColumnRule(choices=((one.name,),), required=one.required) for one in declared.columns
    }
    return Profile(
        name=PLAIN + entity_name,
        purpose=f"Our own layout of {entity_name}: {declared.row}.",
        targets=(Target(entity_name, entity_name, columns),),
        files=(f"*{entity_name}*",),
    )
