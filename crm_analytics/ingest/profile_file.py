"""How is a profile written down?  TOML, read strictly: an unknown key is an error that names the nearest.

    profile = "shop_orders"        purpose = "..."       source_system = "shop"
    evidence = "verified"          # or "partial: why", "unverified: why"
    repeats = "keep"               # equal lines are separate facts; default "merge"
    guest = "keep"                 # lines without customer stay, as revenue of nobody; default "quarantine"
    bare_ends = "keep"             # the last rows are records, however little they fill; default "quarantine"
    snapshot = true                # a file holds all rows there are: those it lacks are gone; default false
    files = ["orders_*"]           # decides between profiles that fit a header equally well
    recognised_by = ["Created at", ["Id", "Order ID"]]   # headers it also has; of a list inside one is enough
    not_loaded = ["Fax"]           # columns that are known and left out: they help to recognise the layout
    [dialect]                      # encoding, delimiter ("whitespace" too), decimal, thousands, signs,
                                   # brackets ("negative": (4) is -4), blanks, date_format, calendar,
                                   # money_unit, skip_rows, timezone, default_country, default_currency,
                                   # header (names, where there is none)
    [headers]                      # column -> other spellings
    "StageName" = ["Stage"]
    [rows]                         # footers, ignore, report = "salesforce" (the footers of its reports), and
    fill_down = { by = ["Name", "Id"], columns = ["Email"] }   # or, by groups, { columns = ["Stage"] };
                                   # with leading = true only where nothing stands to its left
    own_currency = { if_true = "IsCorporate", from = "IsoCode" }   # must be default_currency
    wrong_total = "refuse"         # a file that does not add up to its own totals; default "show"
    [[entity]]                     # the first is the main one: its required columns tell the layout
    name = "orders"
    when = ["Financial Status"]    # a record tells of it only where these columns are filled; or tests:
    # when = [{ if_true = "Opted out" }, { if_filled = "Email" }]      (all of them; the tests of cases)
    [entity.columns]               # our column -> a rule (`crm_analytics.ingest.profile.ColumnRule`):
    source_id = { from = "Name", required = true }
    customer_source_id = { first_of = ["Email", "Phone"], clean = "lower" }
    contact_source_id = { from = "Contact IDs", each = ";" }     # a row for each of them
    name = { first_of = ["Name", ["First name", "Last name"]], join = " " }
    currency = { constant = "USD" }
    modified_at = { from = "Changed", constant = "received" }    # where none is told
    status = { from = "State", words = { "Paid" = "confirmed" } }
    cancelled_on = { cases = [{ if_true = "Cancelled", from = "Updated" }], day = true }
    kind = { cases = [{ if_starts = ["Name", "C"], then = "quote" }, { then = "order" }] }
    is_deleted = { from = "Deleted" }

Tests: if_true, if_false, if_not_true (empty too), if_filled, if_empty, if_not_ahead (a day that is not after
the day of receipt) = "column"; if_equal, if_starts, if_not_equal and if_not_starts (the last two of an empty
cell too) = ["column", "text", ...]; if_differs = ["column", "other column"]. Several in one table hold
together.
A column that the entity requires is required here too, said or not.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from crm_analytics.errors import ProfileError, UsageError
from crm_analytics.ingest.cleaning import CLEANERS
from crm_analytics.ingest.profile import (
    RECEIVED,
    UNDECIDED,
    Case,
    ColumnRule,
    Dialect,
    Profile,
    Rows,
    Target,
    Test,
    check_date_formats,
    check_options,
    nearest,
)
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.letters import lowered
from crm_analytics.schema import Column, Entity, entity
from crm_analytics.vocabulary import WORDS

# What a profile may say beside the columns of the entity: the source marks the record as deleted.
IS_DELETED = Column("is_deleted", "BOOLEAN", "the source marks the record as deleted", "none")

_KEYS = (
    "profile", "purpose", "source_system", "evidence", "repeats", "guest", "snapshot", "bare_ends", "files",
    "recognised_by", "not_loaded", "dialect", "headers", "rows", "entity",
)  # fmt: skip
_RULE_KEYS = (
    "from", "first_of", "join", "cases", "constant", "required", "words", "clean", "date_format",
    "calendar", "day", "minor_units", "factor", "unit", "each", "plus_months", "plus_days", "plus_minutes",
)  # fmt: skip
# Keys of a rule that only columns of one kind may have.
_KEYS_OF_KIND = {
    "money": ("minor_units", "unit"),
    "numbers": ("factor",),
    "ids": ("each",),
    "dates": ("date_format", "calendar", "day", "plus_months", "plus_days", "plus_minutes"),
}
_TESTS_OF_ONE = ("if_true", "if_false", "if_not_true", "if_not_ahead", "if_filled", "if_empty")
_TESTS = (*_TESTS_OF_ONE, "if_equal", "if_not_equal", "if_starts", "if_not_starts", "if_differs")
# How the footers of a system's reports begin: those in English, for they are in the language of the user.
_REPORT_FOOTERS: Mapping[str, tuple[str, ...]] = {
    "salesforce": (
        "Grand Totals", "Confidential Information", "Copyright", "Generated By", "As of ", "Filtered By",
    ),
}  # fmt: skip
_EVIDENCE = ("verified", "partial", "unverified")
_NUMBERS = ("QUANTITY", "MONEY", "AMOUNT", "BIGINT", "DECIMAL(9,4)", "DECIMAL(9,6)", "RATE")
_DATES = ("DATE", "TIMESTAMP")


def read_profile(path: Path) -> Profile:
    """Read a profile from a TOML file.

    Raises
    ------
    ProfileError
        The file is absent, no TOML, or has keys, columns, words or values that cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path.name}: the profile cannot be read: {error}.") from error
    return parse_profile(text, path.name)


def parse_profile(text: str, where: str) -> Profile:
    """Read a profile from the text of a TOML file; `where` names it in messages.

    Raises
    ------
    ProfileError
        As `read_profile`.

    Examples
    --------
    >>> text = '''
    ... profile = "shop"
    ... source_system = "shop"
    ... [[entity]]
    ... name = "customers"
    ... [entity.columns]
    ... source_id = { from = "Number", requird = true }
    ... '''
    >>> parse_profile(text, "x")
    Traceback (most recent call last):
    crm_analytics.errors.ProfileError: x customers.source_id: unknown key 'requird'. Did you mean 'required'?
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{where}: the profile cannot be read: {error}.") from error
    _only(where, given, _KEYS)
    missing = [key for key in ("profile", "source_system", "entity") if key not in given]
    if missing:
        raise ProfileError(f"{where}: the keys {', '.join(missing)} are missing.")
    for key in ("profile", "purpose", "source_system", "evidence", "repeats", "guest", "bare_ends"):
        if not isinstance(given.get(key, ""), str):
            raise ProfileError(f"{where}: {key} must be a text.")
    if not isinstance(given.get("snapshot", False), bool):
        raise ProfileError(f"{where}: snapshot must be true or false.")
    evidence = given.get("evidence", "verified")
    if evidence.partition(":")[0] not in _EVIDENCE or (evidence != "verified" and ": " not in evidence):
        raise ProfileError(
            f"{where}: evidence={evidence!r} must be 'verified', 'partial: why' or 'unverified: why'."
        )
    read = Profile(
        name=given["profile"],
        targets=_targets(where, given["entity"], text),
        purpose=given.get("purpose", ""),
        source_system=given["source_system"],
        repeats=given.get("repeats", "merge"),
        guest=given.get("guest", "quarantine"),
        snapshot=given.get("snapshot", False),
        bare_ends=given.get("bare_ends", "quarantine"),
        evidence=evidence,
        files=_texts(f"{where} files", given.get("files", [])),
        recognised_by=_groups(f"{where} recognised_by", given.get("recognised_by", [])),
        headers=dict.fromkeys(_texts(f"{where} not_loaded", given.get("not_loaded", [])), ())
        | {
            name: _texts(f"{where} [headers] {name}", others)
            for name, others in _headers(f"{where} [headers]", given.get("headers", {}), text).items()
        },
        rows=_rows(f"{where} [rows]", given.get("rows", {})),
        dialect=_dialect(f"{where} [dialect]", given.get("dialect", {}), text),
    )
    check_options(read)
    return read


def _dialect(where: str, given: Any, text: str) -> Dialect:
    told = dict(_table(where, given))
    _only(where, told, [one.name for one in fields(Dialect)])
    open_keys = [key for key, value in told.items() if value == UNDECIDED]
    if open_keys:
        raise ProfileError(_to_decide(where, open_keys[0], text))
    for key in ("header", "signs", "blanks"):
        if key in told:
            told[key] = _texts(f"{where} {key}", told[key])
    return Dialect(**told)


def _headers(where: str, given: Any, text: str) -> dict[str, Any]:
    told = dict(_table(where, given))
    open_names = [name for name, others in told.items() if others == UNDECIDED]
    if open_names:
        raise ProfileError(_to_decide(where, open_names[0], text))
    return told


def _to_decide(where: str, key: str, text: str) -> str:
    """Say which line of a draft is open, and what may stand there."""
    begins = re.compile(rf'\s*"?{re.escape(key)}"?\s*=\s*"{UNDECIDED}"')
    line = next((number for number, one in enumerate(text.splitlines(), 1) if begins.match(one)), 0)
    told = f'{where}, line {line}: {key} = "{UNDECIDED}" is for you to decide.'
    if where.endswith("[headers]"):
        return (
            f"{told} It may be money, and no column of the profile reads any. Write [] instead, and a rule "
            f'for it (such as amount = {{ from = "{key}" }}) where it is to be loaded.'
        )
    if key != "decimal":
        return told
    return (
        f'{told} With decimal = "." the text 1.234 is one and a bit, and 1,234 is 1234 where thousands = "," '
        'stands below; with decimal = "," the text 1,234 is one and a bit, and 1.234 is 1234 where thousands '
        '= "." stands below. Write the one that the amounts of the file mean.'
    )


def _rows(where: str, given: Any) -> Rows:
    told = _table(where, given)
    _only(where, told, ("fill_down", "footers", "report", "ignore", "own_currency", "wrong_total"))
    report = told.get("report")
    _one_of(where, "report", report, tuple(_REPORT_FOOTERS))
    if told.get("wrong_total", "show") not in ("show", "refuse"):
        raise ProfileError(f'{where} wrong_total: write "show" or "refuse".')
    own = _table(f"{where} own_currency", told.get("own_currency", {}))
    _only(f"{where} own_currency", own, ("if_true", "from"))
    if len(own) == 1:
        raise ProfileError(f"{where} own_currency: say both if_true and from.")
    fill = _table(f"{where} fill_down", told.get("fill_down", {"columns": []}))
    _only(f"{where} fill_down", fill, ("by", "columns", "leading"))
    if "columns" not in fill:
        raise ProfileError(f"{where} fill_down: say which columns.")
    if not isinstance(fill.get("leading", False), bool) or ("leading" in fill and "by" in fill):
        raise ProfileError(f"{where} fill_down: leading is true or false, and goes without by.")
    ignore = _texts(f"{where} ignore", told.get("ignore", []))
    for one in ignore:
        if one.startswith("/"):
            _check_pattern(f"{where} ignore", one)
    return Rows(
        fill_columns=_texts(f"{where} fill_down columns", fill["columns"]),
        fill_by=_texts(f"{where} fill_down by", fill.get("by", [])),
        fill_leading=fill.get("leading", False),
        footers=(
            *_texts(f"{where} footers", told.get("footers", [])),
            *_REPORT_FOOTERS.get(report or "", ()),
        ),
        ignore=ignore,
        wrong_total=told.get("wrong_total", "show"),
        own_currency=own.get("from"),
        own_mark=own.get("if_true"),
    )


def _check_pattern(where: str, pattern: str) -> None:
    try:
        re.compile(pattern[1:-1])
    except re.error as error:
        raise ProfileError(f"{where}: {pattern!r} is no pattern: {error}.") from error
    if len(pattern) < 3 or not pattern.endswith("/"):
        raise ProfileError(f"{where}: the pattern {pattern!r} must end in '/'.")


def _targets(where: str, given: Any, text: str) -> tuple[Target, ...]:
    if not isinstance(given, list) or not given:
        raise ProfileError(f"{where}: entity must be written as [[entity]] with name and columns.")
    found: list[Target] = []
    counts: Counter[str] = Counter()
    for one in given:
        _only(f"{where} [[entity]]", one, ("name", "when", "columns"))
        if "name" not in one or "columns" not in one:
            raise ProfileError(f"{where} [[entity]]: name and columns are needed.")
        try:
            declared = entity(one["name"])
        except UsageError as error:
            raise ProfileError(f"{where}: {error}") from error
        counts[declared.name] += 1
        count = counts[declared.name]
        name = declared.name if count == 1 else f"{declared.name}_{count}"
        columns = _columns(f"{where} {name}", declared, one["columns"], text)
        when = _when(f"{where} {name} when", one.get("when", []))
        found.append(Target(name, declared.name, columns, when))
    return tuple(found)


def _columns(where: str, declared: Entity, given: Any, text: str) -> dict[str, ColumnRule]:
    told = _table(f"{where}.columns", given)
    _only(where, told, (*declared.column_names, IS_DELETED.name))
    unfilled = [one.name for one in declared.columns if one.required and one.name not in told]
    if unfilled:
        raise ProfileError(f"{where}: {', '.join(unfilled)} must be filled. {_how_to_fill(unfilled, text)}")
    return {
        name: _rule(f"{where}.{name}", declared_column(declared, name), rule) for name, rule in told.items()
    }


def _how_to_fill(names: Sequence[str], text: str) -> str:
    """Return which lines of a draft to complete, or what to write where it has none."""
    begins = re.compile(rf"#\s*({'|'.join(map(re.escape, names))})\s*=")
    lines = [str(number) for number, line in enumerate(text.splitlines(), 1) if begins.match(line)]
    if not lines:
        return f'Write {names[0]} = {{ from = "name of the column in the file" }} below [entity.columns].'
    return (
        f"Complete line {' and line '.join(lines)} of the draft: take the first # away, and write the name "
        "of the column in the file in place of the question mark."
    )


def declared_column(declared: Entity, name: str) -> Column:
    """Return a column of the entity, or the mark of deletion."""
    return IS_DELETED if name == IS_DELETED.name else declared.column(name)


def _rule(where: str, column: Column, given: Any) -> ColumnRule:
    told = _table(where, given)
    _only(where, told, _RULE_KEYS)
    ways = [key for key in ("from", "first_of", "constant") if key in told]
    is_default = told.get("constant") == RECEIVED and column.type == "TIMESTAMP"
    if len(ways) > 1 + is_default or not (ways or "cases" in told):
        raise ProfileError(f"{where}: say either from, first_of, cases or constant.")
    fits = {
        "ids": column.name.endswith("source_id"),
        "money": column.is_money,
        "numbers": column.type in _NUMBERS,
        "dates": column.type in _DATES,
    }
    for kind, keys in _KEYS_OF_KIND.items():
        for key in keys:
            if key in told and not fits[kind]:
                raise ProfileError(f"{where}: {key} is for {kind}; the column is {column.type}.")
    rule = ColumnRule(
        choices=_choices(where, told),
        join=told.get("join"),
        cases=tuple(_case(f"{where} cases", column, one) for one in told.get("cases", [])),
        constant=_constant(where, column, told["constant"]) if "constant" in told else None,
        required=bool(told.get("required", False)) or (column.required and "constant" not in told),
        words=tuple(sorted(_words(where, column, told.get("words", {})).items())),
        clean=_texts(f"{where} clean", told.get("clean", [])),
        date_format=_texts(f"{where} date_format", told.get("date_format", [])),
        calendar=told.get("calendar"),
        day=bool(told.get("day", False)),
        minor_units=bool(told.get("minor_units", False)),
        factor=None if "factor" not in told else str(told["factor"]),
        unit=told.get("unit"),
        each=told.get("each"),
        plus_months=told.get("plus_months"),
        plus_days=told.get("plus_days", 0),
        plus_minutes=told.get("plus_minutes"),
    )
    for key, value in (
        ("join", rule.join),
        ("each", rule.each),
        ("plus_months", rule.plus_months),
        ("plus_minutes", rule.plus_minutes),
    ):
        if not isinstance(value, str | None):
            raise ProfileError(f"{where}: {key} must be a text.")
    if not isinstance(rule.plus_days, int):
        raise ProfileError(f"{where}: plus_days must be a whole number.")
    for one in rule.clean:
        if one.partition(":")[0] not in CLEANERS:
            raise ProfileError(
                f"{where}: {one!r} is no cleaner.{nearest(one, CLEANERS)} Cleaners: {', '.join(CLEANERS)}."
            )
    check_date_formats(where, rule.date_format)
    _one_of(where, "calendar", rule.calendar, ("gregorian", "jalali"))
    _one_of(where, "unit", rule.unit, ("rial", "toman", "header"))
    if rule.factor is not None:
        _check_number(where, "factor", rule.factor)
    return rule


def _case(where: str, column: Column, given: Any) -> Case:
    told = _table(where, given)
    _only(where, told, (*_TESTS, "then", "from", "first_of"))
    if sum(key in told for key in ("then", "from", "first_of")) != 1:
        raise ProfileError(f"{where}: say either then (a value), from or first_of (columns).")
    then = told.get("then")
    if then is not None and then != "":
        then = _constant(where, column, then)
    return Case(_tests(where, told), then, _choices(where, told))


def _when(where: str, given: Any) -> tuple[Test, ...]:
    if not isinstance(given, list):
        raise ProfileError(f"{where}: {given!r} must be a list of columns or tests.")
    tests: list[Test] = []
    for one in given:
        told = {"if_filled": one} if isinstance(one, str) else _table(where, one)
        _only(where, told, _TESTS)
        tests += _tests(where, told)
    return tuple(tests)


def _tests(where: str, told: Mapping[str, Any]) -> tuple[Test, ...]:
    tests = []
    for kind in _TESTS:
        if kind not in told:
            continue
        source, *texts = _texts(f"{where} {kind}", told[kind]) or ("",)
        if kind in _TESTS_OF_ONE and (texts or not source):
            raise ProfileError(f"{where}: {kind} names one column.")
        if kind not in _TESTS_OF_ONE and not texts:
            raise ProfileError(f"{where}: {kind} = [column, text, ...].")
        if kind == "if_differs":
            tests.append(Test(kind, source, tuple(texts[:1])))
        else:
            tests.append(Test(kind, source, tuple(map(lowered, texts))))
    return tuple(tests)


def _choices(where: str, told: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    if "from" in told:
        return tuple(filter(None, [_texts(f"{where} from", told["from"])]))
    return _groups(f"{where} first_of", told.get("first_of", []))


def _groups(where: str, given: Any) -> tuple[tuple[str, ...], ...]:
    """Return a list of texts and lists of texts as groups."""
    if not isinstance(given, list):
        raise ProfileError(f"{where}: {given!r} must be a list.")
    return tuple(_texts(where, one) for one in given)


def _constant(where: str, column: Column, given: Any) -> str:
    """Return a value that a profile states, as text; it must be one of the column's own."""
    text = str(given).lower() if isinstance(given, bool) else str(given)
    if column.words is not None and text not in WORDS[column.words]:
        raise ProfileError(
            f"{where}: {text!r} is no word of {column.words}. Words: {', '.join(WORDS[column.words])}."
        )
    if column.type == "CURRENCY" and text not in CURRENCIES:
        raise ProfileError(f"{where}: {text!r} is no ISO 4217 code.")
    if column.type == "BOOLEAN" and text not in ("true", "false"):
        raise ProfileError(f"{where}: {text!r} must be true or false.")
    if column.type in _NUMBERS:
        _check_number(where, "the value", text)
    return text


def _words(where: str, column: Column, given: Any) -> Mapping[str, str]:
    told: dict[str, str] = {}
    for theirs, ours in _table(f"{where} words", given).items():
        told[lowered(theirs)] = _constant(where, column, ours)
    return told


def _check_number(where: str, key: str, text: str) -> None:
    try:
        is_number = Decimal(text).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number:
        raise ProfileError(f"{where}: {key} {text!r} is no number.")


def _one_of(where: str, key: str, value: Any, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise ProfileError(f"{where}: {key}={value!r} is not known. Use one of {', '.join(choices)}.")


def _texts(where: str, given: Any) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise ProfileError(f"{where}: {given!r} must be a text or a list of texts.")
    return tuple(listed)


def _table(where: str, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ProfileError(f"{where}: {given!r} must be a table of keys and values.")
    return given


def _only(where: str, given: Any, allowed: Iterable[str]) -> None:
    allowed = list(allowed)
    for key in _table(where, given):
        if key not in allowed:
            raise ProfileError(f"{where}: unknown key {key!r}.{nearest(key, allowed)}")
