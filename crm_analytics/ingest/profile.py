"""Which column of an export means what?  Profiles, and the plain layouts.

A profile says how one layout is written (dialect), how its records lie (rows), which entities they tell
of (targets; the first is the main one) and where each column of an entity comes from. It holds no code:
only names, constants and word lists. The files are read by `crm_analytics.ingest.profile_file`, whose
docstring gives the keys. The plain layouts, one per entity, need no file: their headers are our own
column names (``plain_customers`` ...).
"""

from __future__ import annotations

import codecs
import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Literal
from zoneinfo import available_timezones

from crm_analytics.errors import ProfileError
from crm_analytics.ingest.options import option
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.phones import countries

# What a draft writes where only a person can decide; a profile with it is refused.
UNDECIDED = "DECIDE"
# What a profile states for a time that the file does not tell: when the file was received.
RECEIVED = "received"
_SHOWN_SPELLINGS = 3
DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"

# Forms of dates that are no pattern of strptime.
ISO, EPOCH, EPOCH_MS, EXCEL, EXCEL_1904 = "iso", "epoch", "epoch_ms", "excel", "excel_1904"
SPECIAL_DATE_FORMATS = (ISO, EPOCH, EPOCH_MS, EXCEL, EXCEL_1904)

Calendar = Literal["gregorian", "jalali"]
MoneyUnit = Literal["rial", "toman"]


@dataclass(frozen=True)
class Dialect:
    """How a layout is written; None where the file itself tells or the default holds.

    ``thousands`` is the mark between groups of three digits (" " stands for any narrow or wide blank),
    ``signs`` are texts before or after an amount that say nothing ("$", "ریال"), ``blanks`` texts that
    mean an empty cell ("NULL"). ``date_format`` is a pattern of strptime or one of
    ``SPECIAL_DATE_FORMATS``. ``money_unit`` holds for the columns whose unit is told by the header.
    ``brackets`` = "negative": (4) is -4, as in accounting; without it such a number is bad.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: str | None = None
    brackets: Literal["negative"] | None = None
    signs: tuple[str, ...] = ()
    blanks: tuple[str, ...] = ()
    date_format: str | None = None
    calendar: Calendar | None = None
    money_unit: MoneyUnit | None = None
    skip_rows: int = 0
    timezone: str | None = None
    default_country: str | None = None
    default_currency: str | None = None
    header: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Test:
    """One condition on a cell.

    ``if_equal``, ``if_starts`` and their opposites compare with `texts` in any case; ``if_differs`` with the
    column named there. An empty cell is not true, not equal and does not begin so. ``if_not_ahead`` holds
    unless the cell is an ISO day or time after the day of receipt: a plan has not happened.
    """

    __test__ = False

    kind: str
    source: str
    texts: tuple[str, ...] = ()

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Columns of the file that it reads."""
        return (self.source, *self.texts) if self.kind == "if_differs" else (self.source,)

    def is_known(self, has: Callable[[str], bool]) -> bool:
        """Can it be told of a file that has only some columns?  A column that is absent is empty,
        but nobody knows whether it would be true, or equal to something.
        """
        may_be_absent = ("if_filled", "if_empty", "if_not_true", "if_not_ahead")
        return self.kind in may_be_absent or all(map(has, self.sources))


# A column, or several that are joined; `ColumnRule.choices` are tried in order.
Choice = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A value (``then``; "" = none) or the first filled choice, for the records that pass every test."""

    tests: tuple[Test, ...] = ()
    then: str | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class ColumnRule:
    """Where one column of an entity comes from.

    Attributes
    ----------
    cases : tuple of Case
        The first that fits tells the value; then the choices, then the constant.
    choices : tuple of tuple of str
        The first choice that is filled tells the value. The columns of a choice are joined.
    join : str | None
        What they are joined by, blanks left out; None: by "-", and all of them must be filled.
    constant : str | None
        The same for all records.
    required : bool
        A record without it is quarantined.
    words : tuple of (str, str)
        Word of the source (any case) -> ours. A ``then`` or constant is ours already.
    clean : tuple of str
        Cleaners (`crm_analytics.ingest.cleaning`) of each cell.
    date_format, calendar
        As in `Dialect`; of several forms the first that reads the text holds.
    day : bool
        The source means a day, whatever time or offset it writes: no time zone moves it.
    minor_units, factor, unit
        Amounts in the smallest unit of the currency; what numbers are multiplied by; rial or toman
        ("header": as the header says).
    each : str | None
        Mark that parts several values in one cell: each is a row of its own.
    plus_months, plus_days, plus_minutes
        Columns with months and minutes, and a number of days, that are added to a date.
    """

    choices: tuple[Choice, ...] = ()
    join: str | None = None
    cases: tuple[Case, ...] = ()
    constant: str | None = None
    required: bool = False
    words: tuple[tuple[str, str], ...] = ()
    clean: tuple[str, ...] = ()
    date_format: tuple[str, ...] = ()
    calendar: Calendar | None = None
    day: bool = False
    minor_units: bool = False
    factor: str | None = None
    unit: Literal["rial", "toman", "header"] | None = None
    each: str | None = None
    plus_months: str | None = None
    plus_days: int = 0
    plus_minutes: str | None = None

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Columns of the file that it reads, in order."""
        found = [source for choice in self.choices for source in choice]
        for case in self.cases:
            found += [source for test in case.tests for source in test.sources]
            found += [source for choice in case.choices for source in choice]
        return tuple(dict.fromkeys([*found, *self.added]))

    @property
    def added(self) -> tuple[str, ...]:
        """Columns of the file with what is added to a date."""
        return tuple(source for source in (self.plus_months, self.plus_minutes) if source is not None)

    def within(self, has: Callable[[str], bool]) -> ColumnRule | None:
        """Return the rule for a file that has only some of the columns; None where it tells nothing.

        Cases end at the first that cannot be told: no deal is lost because a file lacks the column that
        says which were won.
        """
        if not all(map(has, self.added)):
            return None
        cases: list[Case] = []
        for case in self.cases:
            if not all(test.is_known(has) for test in case.tests):
                break
            cases.append(replace(case, choices=self._choices_within(case.choices, has)))
        choices = self._choices_within(self.choices, has)
        tells = any(one.then or one.choices for one in cases)
        if not (tells or choices) and self.constant is None:
            return None
        return replace(self, cases=tuple(cases), choices=choices)

    def _choices_within(self, choices: tuple[Choice, ...], has: Callable[[str], bool]) -> tuple[Choice, ...]:
        kept = [
            tuple(filter(has, choice)) if self.join is not None else choice
            for choice in choices
            if self.join is not None or all(map(has, choice))
        ]
        return tuple(filter(None, kept))


@dataclass(frozen=True)
class Target:
    """One entity that the records of a layout tell of.

    ``name`` is unique within a profile: the entity's, with "_2" ... where a profile has several of one
    entity. A record tells of it only where every test of ``when`` holds.
    """

    name: str
    entity: str
    columns: Mapping[str, ColumnRule] = field(default_factory=dict)
    when: tuple[Test, ...] = ()


@dataclass(frozen=True)
class Rows:
    """How records lie in the file.

    Attributes
    ----------
    fill_columns : tuple of str
        Empty cells of these columns take the value of the record above.
    fill_by : tuple of str
        ... if that has the same values in these columns (where empty: the same as above). None named: always.
    fill_leading : bool
        ... and only in records that have nothing to the left of the column: how reports are grouped.
    footers : tuple of str
        Trailing lines that begin so are no records.
    ignore : tuple of str
        Records whose first filled cell begins so (any case), or fits a pattern written as "/.../", are
        subtotals and headings of groups: no records.
    wrong_total : {"show", "refuse"}
        What becomes of a file whose records do not add up to its own rows of totals.
    own_currency, own_mark : str | None
        Column with the currency that a file without a column of it means, in the record that this column
        marks: it contradicts a ``default_currency`` that is another.
    """

    fill_columns: tuple[str, ...] = ()
    fill_by: tuple[str, ...] = ()
    fill_leading: bool = False
    footers: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    wrong_total: Literal["show", "refuse"] = "show"
    own_currency: str | None = None
    own_mark: str | None = None


@dataclass(frozen=True)
class Profile:
    """One export layout.

    Attributes
    ----------
    name, purpose : str
        Name, and what it is for.
    targets : tuple of Target
        Entities its records tell of; the columns that the first one requires make a file recognisable.
    source_system : str
        System the ids are scoped by, unless the caller names another.
    repeats : {"merge", "keep"}
        Are equal lines one fact or several?
    guest : {"quarantine", "keep"}
        What becomes of a record without customer id, where one is required.
    snapshot : bool
        Does a file hold all rows there are, so that those it lacks are gone?
    bare_ends : {"quarantine", "keep"}
        What becomes of doubtful rows at an end of the list (`crm_analytics.ingest.ends`).
    evidence : str
        How well the layout is known: "verified", "partial: why", "unverified: why".
    files : tuple of str
        Patterns of file names; they decide between profiles that fit a header equally well.
    recognised_by : tuple of tuple of str
        Columns that a file of this layout has as well; of each group one is enough.
    headers : mapping of str to tuple of str
        Column of the file -> other spellings. Columns that no target reads are known and not loaded.
    """

    name: str
    targets: tuple[Target, ...]
    purpose: str = ""
    source_system: str = "default"
    repeats: Literal["merge", "keep"] = "merge"
    guest: Literal["quarantine", "keep"] = "quarantine"
    snapshot: bool = False
    bare_ends: Literal["quarantine", "keep"] = "quarantine"
    evidence: str = "verified"
    files: tuple[str, ...] = ()
    recognised_by: tuple[tuple[str, ...], ...] = ()
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)
    dialect: Dialect = field(default_factory=Dialect)

    @property
    def main(self) -> Target:
        """The first target."""
        return self.targets[0]

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Columns of the file that the profile knows, in order."""
        named = [source for one in self.targets for rule in one.columns.values() for source in rule.sources]
        named += [source for one in self.targets for test in one.when for source in test.sources]
        named += [source for group in self.recognised_by for source in group]
        named += self.rows.fill_columns
        rows = self.rows
        named += [*rows.fill_by, *(one for one in (rows.own_currency, rows.own_mark) if one is not None)]
        return tuple(dict.fromkeys([*named, *self.headers]))

    def shown(self, source: str) -> str:
        """Return a column for messages, with its spellings and the columns that do as well."""
        group = next((one for one in self.recognised_by if one[0] == source), (source,))
        named = [name for one in group for name in (one, *self.headers.get(one, ())[:1])]
        others = list(dict.fromkeys(name for name in named if name != source))
        told = ", ".join(map(repr, others[:_SHOWN_SPELLINGS]))
        return (
            f"{source!r} (or {told}{' ...' if len(others) > _SHOWN_SPELLINGS else ''})"
            if told
            else repr(source)
        )

    @property
    def sha256(self) -> str:
        """Digest of everything that decides what a file becomes."""
        targets = [(one.name, one.entity, sorted(one.columns.items()), one.when) for one in self.targets]
        told = repr((replace(self, targets=(), headers={}), targets, sorted(self.headers.items())))
        return hashlib.sha256(told.encode()).hexdigest()

    def missing(self, has: Callable[[str], bool], *, default_currency: str | None = None) -> list[str]:
        """Return the columns that a file lacks to be of this layout; none of currencies beside a default."""
        default_currency = default_currency or self.dialect.default_currency
        lacking = [group[0] for group in self.recognised_by if not any(map(has, group))]
        for name, rule in self.main.columns.items():
            if name == "currency" and default_currency is not None:
                continue
            if rule.required and rule.within(has) is None:
                first = rule.choices[0] if rule.choices else rule.sources
                lacking += [source for source in (*first, *rule.added) if not has(source)]
        return list(dict.fromkeys(lacking))

    def with_options(self, **options: Any) -> Profile:
        """Return the profile with the caller's options (those that are not None) in place.

        A ``date_format`` of the caller also stands in place of the patterns of single columns.
        """
        given = {name: value for name, value in options.items() if value is not None}
        own = {
            name: given.pop(name) for name in ("repeats", "guest", "snapshot", "bare_ends") if name in given
        }
        changed = replace(self, **own, dialect=replace(self.dialect, **given))
        check_options(changed)
        if "date_format" in given:
            changed = changed._with_rules(_without_patterns)
        if changed.guest == "keep":
            changed = changed._with_rules(_not_required, only="customer_source_id")
        return changed

    def _with_rules(self, change: Callable[[ColumnRule], ColumnRule], only: str | None = None) -> Profile:
        targets = []
        for one in self.targets:
            columns = {
                name: change(rule) if only in (None, name) else rule for name, rule in one.columns.items()
            }
            targets.append(replace(one, columns=columns))
        return replace(self, targets=tuple(targets))


def _without_patterns(rule: ColumnRule) -> ColumnRule:
    kept = tuple(one for one in rule.date_format if "%" not in one)
    return replace(rule, date_format=kept) if kept != rule.date_format else rule


def _not_required(rule: ColumnRule) -> ColumnRule:
    return replace(rule, required=False)


def check_options(one: Profile) -> None:
    """Refuse values of a profile or of the caller that cannot be; each message names the key."""
    dialect = one.dialect
    _choice(one, "repeats", one.repeats, ("merge", "keep"))
    _choice(one, "guest", one.guest, ("quarantine", "keep"))
    _choice(one, "bare_ends", one.bare_ends, ("quarantine", "keep"))
    _choice(one, "decimal", dialect.decimal, (".", ","))
    if dialect.thousands is not None:
        _choice(one, "thousands", dialect.thousands, {",", ".", " ", "'"} - {dialect.decimal})
    if dialect.brackets is not None:
        _choice(one, "brackets", dialect.brackets, ("negative",))
    if dialect.calendar is not None:
        _choice(one, "calendar", dialect.calendar, ("gregorian", "jalali"))
    if dialect.money_unit is not None:
        _choice(one, "money_unit", dialect.money_unit, ("rial", "toman"))
    if dialect.timezone is not None:
        _choice(one, "timezone", dialect.timezone, _time_zones(), example="Europe/Berlin")
    if dialect.default_currency is not None:
        _choice(one, "default_currency", dialect.default_currency, CURRENCIES, example="EUR")
    if dialect.default_country is not None and dialect.default_country not in countries():
        raise ProfileError(
            f"{one.name}: default_country={dialect.default_country!r} is not known. Use the code of two "
            f"letters (ISO 3166), as 'DE' or 'IR'.{nearest(dialect.default_country.upper(), countries())}"
        )
    mark = dialect.delimiter
    if mark not in (None, WHITESPACE) and (len(mark.encode()) != 1 or mark in '"\r\n'):
        raise ProfileError(f"{one.name}: delimiter={mark!r} must be one ASCII character.")
    if dialect.encoding is not None and not _is_encoding(dialect.encoding):
        raise ProfileError(
            f"{one.name}: encoding={dialect.encoding!r} is not known. "
            f"Say {option('encoding', 'utf-8', 'cp1252', 'cp1256')}."
        )
    if not isinstance(dialect.skip_rows, int) or dialect.skip_rows < 0:
        raise ProfileError(f"{one.name}: skip_rows={dialect.skip_rows!r} must be a number of lines.")
    if dialect.date_format is not None:
        check_date_formats(one.name, (dialect.date_format,))


@cache
def _time_zones() -> frozenset[str]:
    """Return the names of all time zones: looked up on the disk once."""
    return frozenset(available_timezones())


def _is_encoding(name: str) -> bool:
    """Is it the name of an encoding of text?"""
    try:
        codecs.getincrementaldecoder(name)().decode(b"").encode("utf-8")
        "".encode(name)
    except (LookupError, AttributeError, TypeError, ValueError):
        return False
    return True


def check_date_formats(where: str, formats: tuple[str, ...]) -> None:
    """Refuse what is no form of a date, and forms that read one text as two days."""
    for one in formats:
        if one not in SPECIAL_DATE_FORMATS and not _is_date_pattern(str(one)):
            raise ProfileError(
                f"{where}: date_format={one!r} must be a pattern such as '%d/%m/%Y' (strptime), or one of "
                f"{', '.join(SPECIAL_DATE_FORMATS)}. ISO times with an offset need none."
            )
    shapes: dict[str, str] = {}
    for one in formats:
        shape = re.sub("%[dmYyBb]", "%?", one.replace("%-", "%"))
        if shape in shapes and shapes[shape] != one:
            raise ProfileError(
                f"{where}: date_format {shapes[shape]!r} and {one!r} can read the same text as two days. "
                "Name one of them."
            )
        shapes[shape] = one


def _is_date_pattern(text: str) -> bool:
    """Does a pattern of strptime have a year, only parts that exist, and no offset?"""
    parts = re.findall(r"%-?(.?)", text)
    return set(parts) <= set("aAbBdfgHIjmMnpSyY%") and bool({"y", "Y"} & set(parts))


def _choice(one: Profile, key: str, value: str, choices: Iterable[str], *, example: str = "") -> None:
    """Refuse what is none of some values; with an `example` there are too many to list them."""
    if value not in choices:
        shown = ", ".join(name if name.isalpha() else repr(name) for name in sorted(choices))
        told = (
            f" Write it as {example!r}.{nearest(str(value), choices)}" if example else f" Use one of {shown}."
        )
        raise ProfileError(f"{one.name}: {key}={value!r} is not known.{told}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the known words nearest to a name, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=2)
    return f" Did you mean {' or '.join(repr(one) for one in near)}?" if near else ""
