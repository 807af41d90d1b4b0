"""What does each record say of its entity, and which records cannot be trusted?  Cells -> typed columns.

A bad required value breaks the record; a bad optional value is emptied and reported. The work is done a
column at a time in the sandbox (`crm_analytics.ingest.conversions` holds the rules). The amount of an
order line is the one given, else quantity x unit price - discount, in DECIMAL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.conversions import (
    CONVERSIONS,
    NONE,
    Conversion,
    convert_id,
    convert_text,
    convert_word,
    part,
)
from crm_analytics.ingest.profile import ColumnRule, Profile, columns_missing, header_key
from crm_analytics.ingest.readers import Delivery
from crm_analytics.normalise.local_time import odd_local_times
from crm_analytics.schema import Column, Entity, entity
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import Sandbox, quote_ident

LISTED_UNKNOWN_COLUMNS = 10
_BLANKS = "' ' || chr(9) || chr(160)"
_FIRST_YEAR = 1990

# Ordinary ways to write a day that are not ISO, and what to do about a whole column of them.
_UNDECLARED = {
    r"(0?[1-9]|1[0-2])[/.-](0?[1-9]|1[0-2])[/.-]\d{4}( .*)?": (
        "ambiguous_date",
        "every date reads as day/month and as month/day. Say date_format='%d/%m/%Y' or '%m/%d/%Y'",
    ),
    r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}( .*)?": (
        "bad_date",
        "the dates are not ISO 8601. Say date_format=, for example '%d/%m/%Y'",
    ),
    r"\d{5}(\.\d+)?": (
        "bad_date",
        "these look like Excel serial numbers, not dates. Export the column as ISO dates",
    ),
}


@dataclass(frozen=True)
class Fault:
    """One record that cannot be trusted: row of the delivery's cells, column of the entity, reason."""

    row: int
    record_number: int
    column: str
    reason: str


@dataclass(frozen=True)
class Issue:
    """Something noticed without losing a record (ops.load_issues)."""

    issue: str
    column_name: str
    detail: str
    row_count: int


@dataclass(frozen=True)
class Mapped:
    """The typed records of a delivery, those that failed, and what else was noticed."""

    staged: pa.Table
    faults: tuple[Fault, ...]
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class _Plan:
    """What is converted: the columns at hand, where they stand, and how each becomes a value."""

    entity: Entity
    rules: Mapping[str, ColumnRule]
    places: Mapping[str, int]
    conversions: Mapping[str, Conversion]

    @property
    def required(self) -> list[str]:
        return [name for name, rule in self.rules.items() if rule.required and rule.sources]


def map_delivery(
    delivery: Delivery, profile: Profile, *, received_at: datetime, timezone: str, show_values: bool = False
) -> Mapped:
    """Convert a delivery's cells to the columns of the profile's entity.

    Parameters
    ----------
    delivery : Delivery
        What the reader found.
    profile : Profile
        With the caller's options in place.
    received_at : datetime
        Dates after its day are future dates.
    timezone : str
        IANA zone of the warehouse: where local times are, unless the profile says otherwise.
    show_values : bool, default False
        May messages hold values of personal columns?

    Raises
    ------
    FileRefused
        ``missing_column``, ``duplicate_column``, ``ambiguous_date``, or ``bad_date`` when all dates of a
        column are in an undeclared form.
    """
    plan = _plan(delivery, profile)
    zone = profile.dialect.timezone or timezone
    odd_times = _odd_times(zone, received_at)
    with Sandbox() as sandbox:
        sandbox.register("cells", delivery.cells)
        sandbox.register("odd_times", odd_times)
        sandbox.register("words", _words(plan))
        sandbox.rows(_texts(plan))
        if profile.dialect.date_format is None:
            _refuse_undeclared_dates(sandbox, delivery, plan, show_values)
        sql = _converted(plan, has_odd_times=odd_times.num_rows > 0)
        sandbox.rows(sql, **_parameters(sql, profile, zone, received_at))
        faults = _faults(sandbox, plan, delivery)
        issues = _issues(sandbox, plan, show_values) + _unknown_columns(delivery.header, plan.places)
        staged = sandbox.arrow(_staged(plan))
    return Mapped(staged, faults, issues)


def _plan(delivery: Delivery, profile: Profile) -> _Plan:
    declared = entity(profile.entity)
    places = _places(delivery, profile)
    rules = {
        name: rule
        for name, rule in profile.columns.items()
        if rule.constant is not None or all(source in places for source in rule.sources)
    }
    conversions = {}
    for name, rule in rules.items():
        column = declared.column(name)
        if rule.constant is not None:
            conversions[name] = Conversion(f"cast($constant_{name} as {column.sql_type})")
        elif column.type != "TEXT":
            conversions[name] = CONVERSIONS[column.type](column, profile.dialect)
        elif column.words is not None:
            conversions[name] = convert_word(column, profile.dialect)
        elif _is_id(declared, column):
            conversions[name] = convert_id(column, profile.dialect)
        else:
            conversions[name] = convert_text(column, profile.dialect)
    return _Plan(declared, rules, places, conversions)


def _places(delivery: Delivery, profile: Profile) -> dict[str, int]:
    """Return where each column of the profile stands in the file."""
    file = delivery.source.name
    keys = [header_key(name) for name in delivery.header]
    places: dict[str, int] = {}
    for source in profile.sources:
        count = keys.count(header_key(source))
        if count > 1:
            raise FileRefused(
                f"{file}: column {source!r} occurs {count} times. Remove or rename one.",
                file=file,
                reason="duplicate_column",
                column=source,
            )
        if count:
            places[source] = keys.index(header_key(source))
    missing = [source for source in profile.required_sources if source not in places]
    if missing:
        found = ", ".join(repr(name[:40]) for name in delivery.header[:12])
        hint = " Only 1 column: is delimiter= right?" if len(keys) == 1 else ""
        hint += " Is the header on a later line (skip_rows=)?" if not places else ""
        raise FileRefused(
            f"{file}: {columns_missing(missing)} for profile {profile.name!r}. Found: {found}.{hint}",
            file=file,
            reason="missing_column",
            column=missing[0],
        )
    return places


def _is_id(declared: Entity, column: Column) -> bool:
    return column.refers is not None or column.name.endswith("source_id") or column.name in declared.key


def _texts(plan: _Plan) -> str:
    """Return SQL for table `texts`: one text per column of the entity, NULL where it is blank."""
    columns = ["record_number"]
    for name, rule in plan.rules.items():
        if rule.constant is None:
            column = plan.entity.column(name)
            cells = [f"c{plan.places[source]}" for source in rule.sources]
            if column.type == "TEXT" and column.words is None and not _is_id(plan.entity, column):
                # Free text stays as typed, outer blanks and all.
                text = f"case when {_trimmed(cells[0])} is not null then {cells[0]} end"
            else:
                text = " || '-' || ".join(_trimmed(cell) for cell in cells)
            columns.append(f"{text} as {quote_ident(name)}")
    return f"create temp table texts as select {', '.join(columns)} from cells"


def _trimmed(cell: str) -> str:
    """Return SQL of a cell without outer blanks; most have none, and trimming is slow."""
    has_none = " and ".join(
        [f"{cell} >= '!'", f"not starts_with({cell}, chr(160))"]
        + [f"not ends_with({cell}, {blank})" for blank in ("' '", "chr(9)", "chr(160)")]
    )
    return f"case when {has_none} then {cell} else nullif(trim({cell}, {_BLANKS}), '') end"


def _converted(plan: _Plan, *, has_odd_times: bool) -> str:
    """Return SQL for table `converted`: value, fault and note of every column."""
    parts, odd, joins, outputs = ["*"], ["parsed.*"], [], ["record_number"]
    for number, (name, how) in enumerate(plan.conversions.items()):
        parts += [f"{sql} as {part(name, suffix)}" for suffix, sql in how.parts.items()]
        if "local" in how.parts:
            local, times = part(name, "local"), f"times_{number}"
            if how.is_time and has_odd_times:
                joins.append(f"asof left join odd_times as {times} on parsed.{local} >= {times}.starts")
                # Midnight is how exports write a day without a time: no day lacks its beginning.
                known = f"{local} < {times}.ends and {local} <> date_trunc('day', {local})"
                odd.append(f"case when {known} then {times}.kind end as {part(name, 'odd')}")
            else:
                odd.append(f"{NONE} as {part(name, 'odd')}")
        missing = ""
        if plan.rules[name].required:
            missing = f"case when {quote_ident(name)} is null then 'missing_value' end"
        fault = f"coalesce({missing}, {how.fault})" if missing else how.fault
        outputs += [
            f"{how.value} as {part(name, 'value')}",
            f"{fault} as {part(name, 'fault')}",
            f"{how.note} as {part(name, 'note')}",
        ]
    return (
        "create temp table converted as "
        f"with parsed as (select {', '.join(parts)} from texts), "
        f"placed as (select {', '.join(odd)} from parsed {' '.join(joins)}) "
        f"select {', '.join(outputs)} from placed"
    )


def _parameters(sql: str, profile: Profile, zone: str, received_at: datetime) -> dict[str, Any]:
    given: dict[str, Any] = {
        f"constant_{name}": rule.constant
        for name, rule in profile.columns.items()
        if rule.constant is not None
    }
    given |= {
        "zone": zone,
        "received_on": received_at.astimezone(ZoneInfo(zone)).date(),
        "date_format": profile.dialect.date_format,
        "default_country": profile.dialect.default_country,
    }
    return {name: value for name, value in given.items() if f"${name}" in sql}


def _is_broken(plan: _Plan) -> str:
    faults = [f"{part(name, 'fault')} is not null" for name in plan.required]
    return f"({' or '.join(faults)})" if faults else "false"


def _faults(sandbox: Sandbox, plan: _Plan, delivery: Delivery) -> tuple[Fault, ...]:
    """Return the broken records: the first bad required column of each, or a header that came again."""
    in_order = sorted(
        plan.required, key=lambda name: min(map(plan.places.__getitem__, plan.rules[name].sources))
    )
    first_column = " ".join(f"when {part(n, 'fault')} is not null then '{n}'" for n in in_order)
    first_fault = ", ".join(part(name, "fault") for name in in_order)
    if not in_order:
        return ()
    broken = sandbox.rows(
        f"select record_number, case {first_column} end, coalesce({first_fault}, '') "
        f"from converted where {_is_broken(plan)} order by record_number"
    )
    if not broken:
        return ()
    numbers = delivery.cells["record_number"].to_numpy()
    rows = numbers.searchsorted([record for record, _, _ in broken]).tolist()
    found = []
    for row, (record, column, reason) in zip(rows, broken, strict=True):
        if _is_header(delivery, row):
            column, reason = "", "repeated_header"
        found.append(Fault(row, record, column, reason))
    return tuple(found)


def _is_header(delivery: Delivery, row: int) -> bool:
    if header_key(delivery.cells["c0"][row].as_py() or "") != header_key(delivery.header[0]):
        return False
    cells = delivery.cells.slice(row, 1).to_pylist()[0]
    texts = [cells[f"c{place}"] or "" for place in range(len(delivery.header))]
    return [header_key(text) for text in texts] == [header_key(name) for name in delivery.header]


def _issues(sandbox: Sandbox, plan: _Plan, show_values: bool) -> tuple[Issue, ...]:
    """Return what was noticed of records that stay: emptied values, unknown words, rounded numbers."""
    found: list[Issue] = []
    for name in plan.rules:
        column = plan.entity.column(name)
        kinds = ["note"] if name in plan.required else ["fault", "note"]
        for kind in kinds:
            noticed = part(name, kind)
            if kind == "note" and plan.conversions[name].note == NONE:
                continue
            shown = "''"
            if plan.rules[name].constant is None and (show_values or column.privacy == "none"):
                shown = f"left({quote_ident(name)}, 80)"
            rows = sandbox.rows(
                f"select {noticed}, {shown} as shown, count(*), min(record_number) "
                f"from converted join texts using (record_number) "
                f"where {noticed} is not null and not {_is_broken(plan)} "
                "group by all order by count(*) desc, shown limit 100"
            )
            for issue, text, count, first in rows:
                detail = f"{escaped(text)!r}" if text else "value withheld"
                found.append(Issue(issue, name, f"{detail}, first in record {first}", count))
    return tuple(found)


def _unknown_columns(header: tuple[str, ...], places: Mapping[str, int]) -> tuple[Issue, ...]:
    known = set(places.values())
    unknown = [escaped(name[:80]) for place, name in enumerate(header) if place not in known]
    if len(unknown) > LISTED_UNKNOWN_COLUMNS:
        first = ", ".join(unknown[:LISTED_UNKNOWN_COLUMNS])
        detail = f"{len(unknown):,} columns are not in the profile and not loaded: {first} ..."
        return (Issue("unknown_column", "", detail, len(unknown)),)
    return tuple(Issue("unknown_column", name, "not in the profile, not loaded", 1) for name in unknown)


def _staged(plan: _Plan) -> str:
    """Return SQL of the sound records: what `store_versions` takes."""
    columns = [f"{part(name, 'value')} as {quote_ident(name)}" for name in plan.rules]
    if plan.entity.name == "order_lines":
        columns = [column for column in columns if not column.endswith('as "amount"')]
        columns.append(f"{_amount(plan)} as amount")
    return f"select record_number, {', '.join(columns)} from converted where not {_is_broken(plan)}"


def _amount(plan: _Plan) -> str:
    def value(name: str) -> str:
        return part(name, "value") if name in plan.rules else "cast(null as decimal(18, 4))"

    discount = f"coalesce({value('discount_amount')}, 0)"
    # DuckDB keeps a product of two DECIMAL(18) in 64 bits: widen one of them first
    product = f"cast({value('quantity')} as decimal(38, 4)) * {value('unit_price')}"
    computed = f"cast({product} as decimal(38, 4)) - {discount}"
    given = part("amount", "value") if "amount" in plan.rules else "cast(null as decimal(38, 4))"
    return f"coalesce({given}, cast({computed} as decimal(38, 4)))"


def _refuse_undeclared_dates(sandbox: Sandbox, delivery: Delivery, plan: _Plan, show_values: bool) -> None:
    """Refuse a file whose dates are, in a whole column, in a form that nobody declared."""
    for name, rule in plan.rules.items():
        column = plan.entity.column(name)
        if column.type not in ("DATE", "TIMESTAMP") or rule.constant is not None:
            continue
        text = quote_ident(name)
        for pattern, (reason, advice) in _UNDECLARED.items():
            count, matching, example = sandbox.rows(
                f"select count({text}), count(*) filter (regexp_full_match({text}, $pattern)), min({text}) "
                "from texts",
                pattern=pattern,
            )[0]
            if count and count == matching:
                source = ", ".join(rule.sources)
                shown = f" (for example {example!r})" if show_values or column.privacy == "none" else ""
                raise FileRefused(
                    f"{delivery.source.name}: column {source!r}: {advice}{shown}.",
                    file=delivery.source.name,
                    reason=reason,
                    column=source,
                )


def _odd_times(zone: str, received_at: datetime) -> pa.Table:
    times = odd_local_times(zone, _FIRST_YEAR, received_at.year + 1)
    return pa.table(
        {
            "kind": pa.array([kind for kind, _, _ in times], pa.string()),
            "starts": pa.array([start for _, start, _ in times], pa.timestamp("us")),
            "ends": pa.array([end for _, _, end in times], pa.timestamp("us")),
        }
    )


def _words(plan: _Plan) -> pa.Table:
    listed: dict[tuple[str, str], str] = {}
    for name, rule in plan.rules.items():
        words = plan.entity.column(name).words
        if words is not None:
            listed |= {(name, word): word for word in WORDS[words]}
            listed |= {(name, theirs.lower()): ours for theirs, ours in rule.words}
    return pa.table(
        {
            "column_name": pa.array([name for name, _ in listed], pa.string()),
            "theirs": pa.array([theirs for _, theirs in listed], pa.string()),
            "ours": pa.array(list(listed.values()), pa.string()),
        }
    )


def escaped(text: str) -> str:
    """Return text with control and direction characters made visible, for messages and tables.

    Examples
    --------
    >>> escaped("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
