"""What does each record say of its entity, and which records cannot be trusted?  Cells -> typed columns.

A bad required value breaks the record; a bad optional value is emptied and reported. The work is done a
column at a time in the sandbox (`crm_analytics.ingest.conversions` holds the rules). The amount of an
order line is the one given, else quantity x unit price - discount, in DECIMAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol
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
from crm_analytics.ingest.profile import ColumnRule, Profile, Target, columns_missing, header_key
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


class Cells(Protocol):
    """What of a block the mapping reads."""

    @property
    def cells(self) -> pa.Table:
        """``record_number`` and the text columns c0, c1 ..."""


@dataclass(frozen=True)
class Fault:
    """One record that cannot be trusted.

    Attributes
    ----------
    row, record_number : int
        Row of the block's cells, and number of the record in the file.
    column : str
        Column of the entity; "" where the record as a whole is wrong.
    reason : str
        A key of `crm_analytics.ingest.ledger.MESSAGES`.
    sources : tuple of str
        Columns of the file it is made from.
    place : int | None
        The cell to show: column ``c<place>`` of the cells.
    is_open : bool
        May messages show the value (its column is tagged ``none``, or the caller asked)?
    """

    row: int
    record_number: int
    column: str
    reason: str
    sources: tuple[str, ...] = ()
    place: int | None = None
    is_open: bool = False


@dataclass(frozen=True)
class Issue:
    """Something noticed without losing a record (ops.load_issues)."""

    issue: str
    column_name: str
    detail: str
    row_count: int


@dataclass(frozen=True)
class Control:
    """What a file says of itself, beside what was found: a subtotal or total that is no record."""

    name: str
    stated: str
    found: str


@dataclass(frozen=True)
class MappedBlock:
    """The typed records of a block, by target of the profile, and those that failed.

    A target's table has ``record_number`` and the columns of its entity that the file tells (also
    ``is_deleted``, where the profile says it).
    """

    staged: tuple[tuple[Target, pa.Table], ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True)
class Findings:
    """What is known when all blocks are mapped.

    ``again`` is the plan to map the whole delivery with once more, where what the first block showed of a
    column (its calendar) proved wrong; what was staged so far is then to be forgotten. None: all is well.
    """

    issues: tuple[Issue, ...]
    controls: tuple[Control, ...] = ()
    again: MappingPlan | None = None


@dataclass(frozen=True)
class Mapped:
    """The typed records of a delivery, those that failed, and what else was noticed."""

    staged: pa.Table
    faults: tuple[Fault, ...]
    issues: tuple[Issue, ...]


@dataclass(frozen=True)
class MappingPlan:
    """What is converted: the columns at hand, where they stand, and how each becomes a value."""

    file: str
    header: tuple[str, ...]
    profile: Profile
    target: Target
    zone: str
    received_at: datetime
    show_values: bool
    entity: Entity
    rules: Mapping[str, ColumnRule]
    places: Mapping[str, int]
    conversions: Mapping[str, Conversion]

    @property
    def required(self) -> list[str]:
        """Columns without which a record is broken."""
        return [name for name, rule in self.rules.items() if rule.required and rule.sources]


class Mapper:
    """Converts the blocks of one delivery, in their order; a context manager.

    Examples
    --------
    >>> from datetime import UTC
    >>> from crm_analytics.ingest.profile import profile
    >>> from crm_analytics.ingest.records import Block
    >>> cells = pa.table({"record_number": [1, 2], "c0": ["C1", ""], "c1": ["Ada", "Nobody"]})
    >>> block = Block(cells, (), 2, lambda row: (row + 2, 0, b""))
    >>> plan = plan_mapping(
    ...     ("customer_id", "name"), profile("customers"), file="customers.csv", zone="UTC",
    ...     received_at=datetime(2025, 6, 30, tzinfo=UTC),
    ... )
    >>> with Mapper(plan) as mapper:
    ...     mapped = mapper.add(block)
    ...     findings = mapper.finish()
    >>> [(target.entity, table.to_pylist()) for target, table in mapped.staged]
    [('customers', [{'record_number': 1, 'source_id': 'C1', 'name': 'Ada'}])]
    >>> [(fault.record_number, fault.column, fault.reason) for fault in mapped.faults]
    [(2, 'source_id', 'missing_value')]
    """

    def __init__(self, plan: MappingPlan) -> None:
        self._plan = plan
        self._sandbox = Sandbox()
        self._undeclared: dict[tuple[str, str], tuple[int, int, str | None]] = {}
        self._issues: dict[tuple[str, str, str], tuple[int, int]] = {}
        odd_times = _odd_times(plan.zone, plan.received_at)
        self._sandbox.register("odd_times", odd_times)
        self._sandbox.register("words", _words(plan))
        self._converted = _converted(plan, has_odd_times=odd_times.num_rows > 0)
        self._parameters = _parameters(self._converted, plan)

    def __enter__(self) -> Mapper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sandbox.__exit__(kind, error, trace)

    def add(self, block: Cells) -> MappedBlock:
        """Convert one block.

        Raises
        ------
        FileRefused
            ``ambiguous_date``, or ``bad_date``: all dates of a column are in a form nobody declared.
        """
        plan, sandbox = self._plan, self._sandbox
        sandbox.register("cells", block.cells)
        sandbox.rows(_texts(plan))
        if plan.profile.dialect.date_format is None:
            self._count_undeclared_dates()
        sandbox.rows(self._converted, **self._parameters)
        faults = _faults(sandbox, plan, block.cells)
        self._count_issues()
        return MappedBlock(((plan.target, sandbox.arrow(_staged(plan))),), faults)

    def finish(self) -> Findings:
        """Return what was noticed in all blocks.

        Raises
        ------
        FileRefused
            As `add`.
        """
        self._refuse_undeclared_dates()
        found = [
            Issue(issue, name, f"{text}, first in record {first}", count)
            for (issue, name, text), (count, first) in self._issues.items()
        ]
        found.sort(key=lambda one: (one.issue, one.column_name, -one.row_count, one.detail))
        return Findings((*found, *_unknown_columns(self._plan.header, self._plan.places)))

    def _count_undeclared_dates(self) -> None:
        for name, rule in self._plan.rules.items():
            if self._plan.entity.column(name).type not in ("DATE", "TIMESTAMP") or rule.constant is not None:
                continue
            text = quote_ident(name)
            for pattern in _UNDECLARED:
                count, matching, example = self._sandbox.rows(
                    f"select count({text}), count(*) filter (regexp_full_match({text}, $pattern)), "
                    f"min({text}) from texts",
                    pattern=pattern,
                )[0]
                before = self._undeclared.get((name, pattern), (0, 0, None))
                self._undeclared[name, pattern] = (
                    before[0] + count,
                    before[1] + matching,
                    before[2] or example,
                )

    def _refuse_undeclared_dates(self) -> None:
        """Refuse a file whose dates are, in a whole column, in a form that nobody declared."""
        plan = self._plan
        for (name, pattern), (count, matching, example) in self._undeclared.items():
            if count and count == matching:
                reason, advice = _UNDECLARED[pattern]
                source = ", ".join(plan.rules[name].sources)
                is_open = plan.show_values or plan.entity.column(name).privacy == "none"
                shown = f" (for example {example!r})" if is_open else ""
                raise FileRefused(
                    f"{plan.file}: column {source!r}: {advice}{shown}.",
                    file=plan.file,
                    reason=reason,
                    column=source,
                )

    def _count_issues(self) -> None:
        for issue, name, text, count, first in _issues(self._sandbox, self._plan):
            before = self._issues.get((issue, name, text), (0, first))
            self._issues[issue, name, text] = (before[0] + count, min(before[1], first))


def map_delivery(
    delivery: Delivery, profile: Profile, *, received_at: datetime, timezone: str, show_values: bool = False
) -> Mapped:
    """Convert a whole delivery at once (until `crm_analytics.ingest.load` reads block by block)."""
    plan = plan_mapping(
        delivery.header,
        profile,
        file=delivery.source.name,
        zone=profile.dialect.timezone or timezone,
        received_at=received_at,
        show_values=show_values,
    )
    with Mapper(plan) as mapper:
        mapped = mapper.add(delivery)
        findings = mapper.finish()
    return Mapped(mapped.staged[0][1], mapped.faults, findings.issues)


def plan_mapping(
    header: Sequence[str],
    profile: Profile,
    *,
    file: str,
    zone: str,
    received_at: datetime,
    show_values: bool = False,
) -> MappingPlan:
    """Find the columns of a profile in a header, and say how each becomes a value.

    Parameters
    ----------
    header : sequence of str
        Column names as the file has them.
    profile : Profile
        With the caller's options in place.
    file : str
        Name of the part, for messages.
    zone : str
        IANA zone of the warehouse: where local times are, unless the profile says otherwise.
    received_at : datetime
        Dates after its day are future dates.
    show_values : bool, default False
        May messages hold values of personal columns?

    Raises
    ------
    FileRefused
        ``missing_column`` or ``duplicate_column``.
    """
    [target] = profile.targets
    declared = entity(target.entity)
    places = _places(header, profile, file)
    rules = {
        name: rule
        for name, rule in target.columns.items()
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
    return MappingPlan(
        file=file,
        header=tuple(header),
        profile=profile,
        target=target,
        zone=profile.dialect.timezone or zone,
        received_at=received_at,
        show_values=show_values,
        entity=declared,
        rules=rules,
        places=places,
        conversions=conversions,
    )


def _places(header: Sequence[str], profile: Profile, file: str) -> dict[str, int]:
    """Return where each column of the profile stands in the file."""
    keys = [header_key(name) for name in header]
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
        found = ", ".join(repr(name[:40]) for name in header[:12])
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


def _texts(plan: MappingPlan) -> str:
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
    return f"create or replace temp table texts as select {', '.join(columns)} from cells"


def _trimmed(cell: str) -> str:
    """Return SQL of a cell without outer blanks; most have none, and trimming is slow."""
    has_none = " and ".join(
        [f"{cell} >= '!'", f"not starts_with({cell}, chr(160))"]
        + [f"not ends_with({cell}, {blank})" for blank in ("' '", "chr(9)", "chr(160)")]
    )
    return f"case when {has_none} then {cell} else nullif(trim({cell}, {_BLANKS}), '') end"


def _converted(plan: MappingPlan, *, has_odd_times: bool) -> str:
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
        "create or replace temp table converted as "
        f"with parsed as (select {', '.join(parts)} from texts), "
        f"placed as (select {', '.join(odd)} from parsed {' '.join(joins)}) "
        f"select {', '.join(outputs)} from placed"
    )


def _parameters(sql: str, plan: MappingPlan) -> dict[str, Any]:
    given: dict[str, Any] = {
        f"constant_{name}": rule.constant
        for name, rule in plan.target.columns.items()
        if rule.constant is not None
    }
    given |= {
        "zone": plan.zone,
        "received_on": plan.received_at.astimezone(ZoneInfo(plan.zone)).date(),
        "date_format": plan.profile.dialect.date_format,
        "default_country": plan.profile.dialect.default_country,
    }
    return {name: value for name, value in given.items() if f"${name}" in sql}


def _is_broken(plan: MappingPlan) -> str:
    faults = [f"{part(name, 'fault')} is not null" for name in plan.required]
    return f"({' or '.join(faults)})" if faults else "false"


def _faults(sandbox: Sandbox, plan: MappingPlan, cells: pa.Table) -> tuple[Fault, ...]:
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
    numbers = cells["record_number"].to_numpy()
    rows = numbers.searchsorted([record for record, _, _ in broken]).tolist()
    found = []
    for row, (record, column, reason) in zip(rows, broken, strict=True):
        if _is_header(cells, plan.header, row):
            found.append(Fault(row, record, "", "repeated_header"))
            continue
        sources = plan.rules[column].sources
        is_open = plan.show_values or plan.entity.column(column).privacy == "none"
        found.append(Fault(row, record, column, reason, sources, plan.places[sources[0]], is_open))
    return tuple(found)


def _is_header(cells: pa.Table, header: Sequence[str], row: int) -> bool:
    if header_key(cells["c0"][row].as_py() or "") != header_key(header[0]):
        return False
    record = cells.slice(row, 1).to_pylist()[0]
    texts = [record[f"c{place}"] or "" for place in range(len(header))]
    return [header_key(text) for text in texts] == [header_key(name) for name in header]


def _issues(sandbox: Sandbox, plan: MappingPlan) -> Iterator[tuple[str, str, str, int, int]]:
    """Yield what was noticed of records that stay (emptied values, unknown words, rounded numbers):
    issue, column, value as shown, count, first record."""
    for name in plan.rules:
        column = plan.entity.column(name)
        kinds = ["note"] if name in plan.required else ["fault", "note"]
        for kind in kinds:
            noticed = part(name, kind)
            if kind == "note" and plan.conversions[name].note == NONE:
                continue
            shown = "''"
            if plan.rules[name].constant is None and (plan.show_values or column.privacy == "none"):
                shown = f"left({quote_ident(name)}, 80)"
            rows = sandbox.rows(
                f"select {noticed}, {shown} as shown, count(*), min(record_number) "
                f"from converted join texts using (record_number) "
                f"where {noticed} is not null and not {_is_broken(plan)} "
                "group by all order by count(*) desc, shown limit 100"
            )
            for issue, text, count, first in rows:
                yield issue, name, f"{escaped(text)!r}" if text else "value withheld", count, first


def _unknown_columns(header: tuple[str, ...], places: Mapping[str, int]) -> tuple[Issue, ...]:
    known = set(places.values())
    unknown = [escaped(name[:80]) for place, name in enumerate(header) if place not in known]
    if len(unknown) > LISTED_UNKNOWN_COLUMNS:
        first = ", ".join(unknown[:LISTED_UNKNOWN_COLUMNS])
        detail = f"{len(unknown):,} columns are not in the profile and not loaded: {first} ..."
        return (Issue("unknown_column", "", detail, len(unknown)),)
    return tuple(Issue("unknown_column", name, "not in the profile, not loaded", 1) for name in unknown)


def _staged(plan: MappingPlan) -> str:
    """Return SQL of the sound records: what `store_versions` takes."""
    columns = [f"{part(name, 'value')} as {quote_ident(name)}" for name in plan.rules]
    if plan.entity.name == "order_lines":
        columns = [column for column in columns if not column.endswith('as "amount"')]
        columns.append(f"{_amount(plan)} as amount")
    return f"select record_number, {', '.join(columns)} from converted where not {_is_broken(plan)}"


def _amount(plan: MappingPlan) -> str:
    def value(name: str) -> str:
        return part(name, "value") if name in plan.rules else "cast(null as decimal(18, 4))"

    discount = f"coalesce({value('discount_amount')}, 0)"
    # DuckDB keeps a product of two DECIMAL(18) in 64 bits: widen one of them first
    product = f"cast({value('quantity')} as decimal(38, 4)) * {value('unit_price')}"
    computed = f"cast({product} as decimal(38, 4)) - {discount}"
    given = part("amount", "value") if "amount" in plan.rules else "cast(null as decimal(38, 4))"
    return f"coalesce({given}, cast({computed} as decimal(38, 4)))"


def _odd_times(zone: str, received_at: datetime) -> pa.Table:
    times = odd_local_times(zone, _FIRST_YEAR, received_at.year + 1)
    return pa.table(
        {
            "kind": pa.array([kind for kind, _, _ in times], pa.string()),
            "starts": pa.array([start for _, start, _ in times], pa.timestamp("us")),
            "ends": pa.array([end for _, _, end in times], pa.timestamp("us")),
        }
    )


def _words(plan: MappingPlan) -> pa.Table:
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
