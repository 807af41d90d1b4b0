"""What does each record say of its entities, and which records cannot be trusted?  Cells -> typed columns.

A bad required value breaks the record; a bad optional value is emptied and reported. A record tells of a
further entity only where the ids that this one requires are filled. The work is done a column at a time
in the sandbox (`crm_analytics.ingest.conversions` and `dates` hold the rules), block by block. The amount
of an order line is the one given, else quantity x unit price - discount, in DECIMAL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.cell_facts import Facts, facts_of
from crm_analytics.ingest.conversions import NONE, Field
from crm_analytics.ingest.converted_sql import (
    Statements,
    is_read_date,
    output,
    output_names,
    staged,
    statements,
)
from crm_analytics.ingest.date_columns import CERTAIN_DATES, DateColumns
from crm_analytics.ingest.ends import Ends
from crm_analytics.ingest.headers import header_key
from crm_analytics.ingest.options import option
from crm_analytics.ingest.planning import Cells, MappingPlan, TargetPlan, plan_mapping
from crm_analytics.ingest.profile import Target, Test
from crm_analytics.ingest.row_shapes import RowShapes
from crm_analytics.ingest.total_rows import TotalRows
from crm_analytics.warehouse import Sandbox

__all__ = [
    "Fault",
    "Findings",
    "Issue",
    "MappedBlock",
    "Mapper",
    "MappingPlan",
    "escaped",
    "plan_mapping",
]

LISTED_UNKNOWN_COLUMNS = 10
LISTED_VALUES = 100
_BELOW_ZERO = (
    "refunds, returns and discounts are positive: one below zero raises revenue. If this system writes them "
    "as negative numbers, declare factor = -1 on the column in the profile"
)
_BELOW_ZERO_ON_LINES = (
    "; on a line of returned goods (its quantity is below zero too) it takes away from what is given back, "
    "and stands right: declare nothing where all of them are such lines"
)
# Entities whose amounts are added up, and that do not require a currency.
_WORTH_MONEY = ("orders", "order_lines", "opportunities", "contracts")
_NO_AMOUNT = "lines with neither a price nor an amount: what they are worth is in no total"
_FURTHER = "cells hold several values: the first one counts, the others are not loaded"
# Cleaners that take one value of several, and what parts these.
_FIRST_IN = {"first_in_list": ";", "first_in_comma_list": ","}
_NO_CURRENCY = (
    "amounts without a currency, which are in no total. Declare currency in the profile, or say "
    f"{option('default_currency', 'EUR')}"
)


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
    target : str
        Target of the profile.
    """

    row: int
    record_number: int
    column: str
    reason: str
    sources: tuple[str, ...] = ()
    place: int | None = None
    is_open: bool = False
    target: str = ""


@dataclass(frozen=True)
class Issue:
    """Something noticed without losing a record (ops.load_issues)."""

    issue: str
    column_name: str
    detail: str
    row_count: int


@dataclass(frozen=True)
class MappedBlock:
    """The typed records of a block, by target of the profile, and those that failed.

    A target's table has ``record_number`` and the columns of its entity that the file tells (also
    ``is_deleted``, where the profile says it). `ignored` rows of the block are no records.
    """

    staged: tuple[tuple[Target, pa.Table], ...]
    faults: tuple[Fault, ...]
    ignored: int = 0


@dataclass(frozen=True)
class Findings:
    """What is known when all blocks are mapped.

    ``again`` is the plan to map the whole delivery with once more, where what the first block showed of a
    column (its calendar) proved wrong; what was staged so far is then to be forgotten. None: all is well.
    ``totals`` are the rows that add others up.
    """

    issues: tuple[Issue, ...]
    again: MappingPlan | None = None
    totals: TotalRows = field(default_factory=TotalRows)


class HasCells(Protocol):
    """What of a block the mapping reads."""

    @property
    def cells(self) -> pa.Table:
        """``record_number`` and the text columns c0, c1 ..."""


class Mapper:
    """Converts the blocks of one delivery, in their order; a context manager.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from crm_analytics.ingest.recognise import profile
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
        self._sandbox = Sandbox()
        self._shapes = RowShapes(plan, self._sandbox)
        self._dates = DateColumns(plan)
        self._issues: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._untold = 0
        self._unpriced: dict[str, int] = {}
        self._worthless: dict[str, int] = {}
        self._further: dict[str, int] = {}
        self._totals = TotalRows()
        self._ends = Ends(_required(plan) if plan.profile.bare_ends == "quarantine" else ())
        self._use(plan)

    def _use(self, plan: MappingPlan) -> None:
        self._plan = plan
        self._thorough = statements(plan, {})
        self._quick: dict[tuple[Facts, ...], Statements] = {}

    def __enter__(self) -> Mapper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sandbox.__exit__(kind, error, trace)

    @property
    def looks_at_ends(self) -> bool:
        """Does it matter which block is the last?"""
        return self._ends.is_needed

    def add(self, block: HasCells, *, is_last: bool = False) -> MappedBlock:
        """Convert one block; `is_last`: none follows.

        Raises
        ------
        FileRefused
            ``ambiguous_date``, or ``bad_date``: all dates of a column are in a form nobody declared;
            ``other_currency``: the file says that ``default_currency`` is wrong.
        """
        ignored, cells = 0, block.cells
        totals: list[int] = []
        if not self._shapes.is_plain:
            left_out, cells = self._shapes.apply(cells)
            ignored = left_out.num_rows
            self._totals.add_left_out(left_out)
            among = _without(block.cells, left_out["record_number"].to_pylist())
        else:
            among = cells
        totals = self._totals.take(among, _required(self._plan))
        cells = _without(cells, totals) if totals else cells
        ends = self._ends.take(cells, is_last=is_last)
        self._totals.left_out += ends
        cells = _without(cells, ends) if ends else cells
        self._check_own_currency(cells)
        quick, rest = self._convert_quickly(cells)
        parts = [(rest, self._convert_thoroughly(rest))] if rest.num_rows or quick is None else []
        rows: list[tuple[Target, pa.Table]] = []
        for planned in self._plan.targets:
            tables = [_told_rows(quick, planned)] if quick is not None else []
            tables += [self._sandbox.arrow(staged(planned)) for _ in parts]
            rows.append((planned.target, _each(planned, _in_order(tables))))
            self._note_no_currency(planned, rows[-1][1])
            self._note_no_amount(planned, rows[-1][1])
        self._note_further_values(cells)
        none = dict.fromkeys(totals, "not_a_record") | dict.fromkeys(ends, "doubtful_end")
        at = block.cells["record_number"].to_numpy().searchsorted(list(none)).tolist()
        faults = tuple(
            Fault(row, number, "", why) for row, (number, why) in zip(at, none.items(), strict=True)
        )
        faults += self._faults(block.cells) if parts and parts[0][1]["broken"] else ()
        return MappedBlock(tuple(rows), faults, ignored)

    def _note_no_currency(self, planned: TargetPlan, rows: pa.Table) -> None:
        """Count records with an amount and no currency; a line without a day leans on its head."""
        names = set(rows.column_names)
        is_line = planned.entity.name == "order_lines"
        if planned.entity.name not in _WORTH_MONEY or (is_line and "occurred_at" not in names):
            return
        money = [one.name for one in planned.entity.columns if one.type in ("MONEY", "AMOUNT")]
        if "currency" in names and not rows["currency"].null_count:
            return
        is_priced = np.zeros(rows.num_rows, dtype=bool)
        for name in names.intersection(money):
            is_priced |= pc.is_valid(rows[name]).to_numpy()
        if "currency" in names:
            is_priced &= pc.is_null(rows["currency"]).to_numpy()
        count = int(is_priced.sum())
        if count:
            self._unpriced[planned.target.name] = self._unpriced.get(planned.target.name, 0) + count

    def _note_further_values(self, cells: pa.Table) -> None:
        """Count cells of several values of which one is taken, unless another rule takes each."""
        places = self._plan.places
        fields = [(name, one.rule) for planned in self._plan.targets for name, one in planned.fields.items()]
        kept = {source for _, rule in fields if rule.each is not None for source in rule.sources}
        for name, rule in fields:
            for mark in (mark for cleaner, mark in _FIRST_IN.items() if cleaner in rule.clean):
                several = rf"[^{mark}\s]\s*{mark}[{mark}\s]*[^{mark}\s]"
                for source in rule.sources:
                    if source in places and source not in kept:
                        found = pc.match_substring_regex(cells[f"c{places[source]}"], several)
                        self._further[name] = self._further.get(name, 0) + (pc.sum(found).as_py() or 0)

    def _note_no_amount(self, planned: TargetPlan, rows: pa.Table) -> None:
        """Count lines of orders with neither a price nor an amount."""
        if planned.entity.name != "order_lines":
            return
        is_priced = np.zeros(rows.num_rows, dtype=bool)
        for name in {"unit_price", "amount"}.intersection(rows.column_names):
            is_priced |= pc.is_valid(rows[name]).to_numpy()
        count = int((~is_priced).sum())
        if count:
            self._worthless[planned.target.name] = self._worthless.get(planned.target.name, 0) + count

    def _check_own_currency(self, cells: pa.Table) -> None:
        """Refuse a file that marks a currency as its own, where the caller said another."""
        plan = self._plan
        said, rows = plan.profile.dialect.default_currency, plan.profile.rows
        code, mark = rows.own_currency, rows.own_mark
        if said is None or code is None or mark is None or not {code, mark} <= set(plan.places):
            return
        self._sandbox.register("cells", cells)
        of_file = Cells(plan)
        told = f"upper({of_file.cell(code)})"
        sql = (
            f"select {told} from cells where {of_file.all_hold([Test('if_true', mark)])} "
            f"and {told} <> {plan.bindings.add(said)} order by record_number limit 1"
        )
        for (found,) in self._run(sql):
            shown = escaped(found[:80])
            raise FileRefused(
                f"{plan.file}: its column {mark!r} marks {shown} as the currency that the others are "
                f"priced in, and {said} was said. Say {option('default_currency', shown)}.",
                file=plan.file,
                reason="other_currency",
                column=code,
            )

    def _convert_quickly(self, cells: pa.Table) -> tuple[pa.Table | None, pa.Table]:
        """Convert what is beyond doubt; return the rows of all targets, and the cells of the rest."""
        plan = self._plan
        places = sorted(set(plan.places.values()))
        facts = tuple(facts_of(cells[f"c{place}"]) for place in places)
        if facts not in self._quick:
            self._quick[facts] = statements(plan, dict(zip(places, facts, strict=True)))
        if not cells.num_rows:
            return None, cells
        self._sandbox.register("cells", cells)
        for sql in self._quick[facts].quick_lookups:
            self._run(sql)
        sql = self._quick[facts].quick
        valued = self._sandbox.arrow(sql, **self._parameters(sql))
        noticed = valued["is_noticed"]
        rest = cells.slice(0, 0)
        if pc.any(noticed).as_py():
            numbers = valued["record_number"].filter(noticed)
            rest = cells.filter(pc.is_in(cells["record_number"], numbers.combine_chunks()))
            valued = valued.filter(pc.invert(noticed))
        for planned in plan.targets:
            for name, one in planned.fields.items():
                if is_read_date(one):
                    column = valued[output(planned, name)]
                    self._dates.add(one, len(column) - column.null_count)
        self._untold += _untold(valued, plan)
        return valued, rest

    def _convert_thoroughly(self, cells: pa.Table) -> dict[str, int]:
        """Convert cells value by value (tables `texts`, `converted`), and note what is noticed."""
        self._sandbox.register("cells", cells)
        counts = self._convert()
        calendars = self._dates.look(self._plan, counts, self._run)
        if calendars:
            self._use(self._plan.with_calendars(calendars))
            counts = self._convert()
        self._dates.refuse_undeclared(self._plan, CERTAIN_DATES)
        self._untold += counts["untold"]
        self._note_issues(counts)
        return counts

    def finish(self) -> Findings:
        """Return what was noticed in all blocks.

        Raises
        ------
        FileRefused
            As `add`.
        """
        self._dates.refuse_undeclared(self._plan, 1)
        issues = [
            Issue(issue, name, f"{text}, first in record {first}", count)
            for (issue, name, text), (count, first) in self._issues.items()
        ]
        issues.sort(key=lambda one: (one.issue, one.column_name, -one.row_count, one.detail))
        issues += [
            Issue("jalali_dates", column, detail, count)
            for column, detail, count in self._dates.jalali_columns(self._plan)
        ]
        if self._shapes.ignored_count:
            detail = f"subtotals and headings, no records; first in record {self._shapes.first_ignored}"
            issues.append(Issue("ignored_row", "", detail, self._shapes.ignored_count))
        if self._untold:
            detail = "records that, as the profile says, tell of none of its entities"
            issues.append(Issue("not_told", "", detail, self._untold))
        for name, count in self._unpriced.items():
            issues.append(Issue("no_currency", "", f"{name}: {_NO_CURRENCY}", count))
        for name, count in self._further.items():
            if count:
                issues.append(Issue("further_values", name, _FURTHER, count))
        for name, count in self._worthless.items():
            issues.append(Issue("no_amount", "", f"{name}: {_NO_AMOUNT}", count))
        for name, lacking in self._plan.absent:
            issues.append(Issue("entity_not_told", "", f"{name}: the file lacks {' and '.join(lacking)}", 1))
        issues += _unknown_columns(self._plan)
        return Findings(tuple(issues), self._dates.better_plan(self._plan), self._totals)

    def _convert(self) -> dict[str, int]:
        """Make table `converted` of table `cells`; return its counts."""
        for sql in (self._thorough.texts, *self._thorough.lookups, self._thorough.converted):
            self._run(sql)
        counts = self._thorough.counts
        [row] = self._sandbox.rows(f"select {', '.join(sql for _, sql in counts)} from converted")
        return dict(zip((name for name, _ in counts), row, strict=True))

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a statement with the values it names."""
        return self._sandbox.rows(sql, **self._parameters(sql))

    def _parameters(self, sql: str) -> dict[str, Any]:
        plan = self._plan
        named = {
            "zone": plan.zone,
            "home_zone": plan.home_zone,
            "received_on": plan.received_at.astimezone(ZoneInfo(plan.home_zone)).date(),
        }
        return plan.bindings.used_in(sql) | {key: value for key, value in named.items() if f"${key}" in sql}

    def _note_issues(self, counts: Mapping[str, int]) -> None:
        """Note what is to be said of records that stay: emptied values, unknown words, rounded numbers."""
        for planned in self._plan.targets:
            for name, one in planned.fields.items():
                for kind in ("fault", "note"):
                    if counts.get(f"{one.key} {kind}"):
                        self._note(planned, name, one, kind)

    def _note(self, planned: TargetPlan, name: str, one: Field, kind: str) -> None:
        noticed = one.part(kind)
        shown = "''"
        if one.rule.sources and (self._plan.show_values or one.column.privacy == "none"):
            shown = f"left({one.text}, 80)"
        rows = self._sandbox.rows(
            f"select {noticed}, case when {noticed} <> 'below_zero' then {shown} else '' end as shown, "
            f"count(*), min(record_number) "
            f"from converted join texts using (record_number) "
            f"where {noticed} is not null and not converted.is_broken and converted.{planned.told} "
            f"group by all order by count(*) desc, shown limit {LISTED_VALUES}"
        )
        for issue, told, count, first in rows:
            text = told if self._plan.show_values or one.column.shows(told) else ""
            on_lines = _BELOW_ZERO_ON_LINES if planned.entity.name == "order_lines" else ""
            said = _BELOW_ZERO + on_lines if issue == "below_zero" else "value withheld"
            key = (issue, name, f"{escaped(text)!r}" if text else said)
            if key not in self._issues and len(self._issues) >= LISTED_VALUES * len(self._plan.fields):
                continue
            before = self._issues.get(key, (0, first))
            self._issues[key] = (before[0] + count, min(before[1], first))

    def _faults(self, cells: pa.Table) -> tuple[Fault, ...]:
        """Return the broken records: the first bad required column of each, or a header that came again."""
        plan = self._plan
        required = [
            (planned, name, planned.fields[name]) for planned in plan.targets for name in planned.required
        ]
        required.sort(key=lambda one: _place(plan, one[2]))
        tests = " ".join(
            f"when {planned.told} and {one.part('fault')} is not null then {number}"
            for number, (planned, _, one) in enumerate(required)
        )
        first = f"case {tests} end" if tests else "cast(null as integer)"
        reason = " ".join(
            f"when {number} then {one.part('fault')}" for number, (_, _, one) in enumerate(required)
        )
        reason = f"case first_bad {reason} end" if reason else NONE
        broken = self._sandbox.rows(
            f"select record_number, first_bad, {reason} from (select *, {first} as first_bad from converted "
            "where is_broken) order by record_number"
        )
        rows = cells["record_number"].to_numpy().searchsorted([record for record, _, _ in broken]).tolist()
        found = []
        for row, (record, number, code) in zip(rows, broken, strict=True):
            if _is_header(cells, plan.header, row):
                found.append(Fault(row, record, "", "repeated_header"))
            elif number is None:
                found.append(Fault(row, record, "", "tells_nothing"))
            else:
                planned, name, one = required[number]
                place = plan.places[one.rule.sources[0]]
                is_open = plan.show_values or one.column.shows(cells[f"c{place}"][row].as_py() or "")
                sources = one.rule.sources
                found.append(Fault(row, record, name, code, sources, place, is_open, planned.target.name))
        return tuple(found)


def _untold(valued: pa.Table, plan: MappingPlan) -> int:
    """Return how many records tell of no entity."""
    told = [valued[planned.told.strip('"')] for planned in plan.targets]
    if any(pc.all(one).as_py() for one in told) or not valued.num_rows:
        return 0
    of_any = told[0]
    for one in told[1:]:
        of_any = pc.or_(of_any, one)
    untold: int = valued.num_rows - pc.sum(of_any).as_py()
    return untold


def _required(plan: MappingPlan) -> list[list[int]]:
    """Return the columns of each thing that the main target requires."""
    main = plan.targets[0]
    sources = [main.fields[name].rule.sources for name in main.required]
    return [[plan.places[one] for one in some if one in plan.places] for some in sources if some]


def _without(cells: pa.Table, numbers: Sequence[int]) -> pa.Table:
    """Return cells without the records of some numbers."""
    gone = pc.is_in(cells["record_number"], pa.array(numbers, pa.int64()))
    return cells.filter(pc.invert(gone))


def _told_rows(valued: pa.Table, planned: TargetPlan) -> pa.Table:
    """Return the rows of one target from those of all."""
    names = output_names(planned)
    told = valued[planned.told.strip('"')]
    rows = valued.select(["record_number", *(output(planned, name) for name in names)])
    rows = rows.rename_columns(["record_number", *names])
    return rows if pc.all(told).as_py() else rows.filter(told)


def _in_order(tables: list[pa.Table]) -> pa.Table:
    """Return rows in the order of their records."""
    filled = [one for one in tables if one.num_rows] or tables[:1]
    if len(filled) == 1:
        return filled[0]
    return pa.concat_tables(filled).sort_by("record_number")


def _each(planned: TargetPlan, rows: pa.Table) -> pa.Table:
    """Return rows with one for each value of cells that hold several, each value once."""
    for name, one in planned.fields.items():
        if one.rule.each is None:
            continue
        parted = [_parted(text, one.rule.each) for text in rows[name].to_pylist()]
        at = pa.array([row for row, texts in enumerate(parted) for _ in texts], pa.int64())
        place = rows.column_names.index(name)
        values = pa.array([text for texts in parted for text in texts], rows.schema.field(name).type)
        rows = rows.take(at).set_column(place, name, values)
    return rows


def _parted(text: str | None, mark: str) -> list[str | None]:
    """Return the values of a cell; what holds none is one that is empty."""
    found = dict.fromkeys(one.strip() for one in (text or "").split(mark))
    return [one for one in found if one] or [None]


def _place(plan: MappingPlan, one: Field) -> int:
    return min(plan.places[source] for source in one.rule.sources if source in plan.places)


def _is_header(cells: pa.Table, header: Sequence[str], row: int) -> bool:
    if header_key(cells["c0"][row].as_py() or "") != header_key(header[0]):
        return False
    record = cells.slice(row, 1).to_pylist()[0]
    texts = [record[f"c{place}"] or "" for place in range(len(header))]
    return [header_key(text) for text in texts] == [header_key(name) for name in header]


def _unknown_columns(plan: MappingPlan) -> tuple[Issue, ...]:
    known = set(plan.places.values())
    unknown = [escaped(name[:80]) for place, name in enumerate(plan.header) if place not in known]
    if len(unknown) > LISTED_UNKNOWN_COLUMNS:
        first = ", ".join(unknown[:LISTED_UNKNOWN_COLUMNS])
        detail = f"{len(unknown):,} columns are not in the profile and not loaded: {first} ..."
        return (Issue("unknown_column", "", detail, len(unknown)),)
    return tuple(Issue("unknown_column", name, "not in the profile, not loaded", 1) for name in unknown)


def escaped(text: str) -> str:
    """Return text with control and direction characters made visible, for messages and tables.

    Examples
    --------
    >>> escaped("a\\x1b[31m")
    'a\\\\x1b[31m'
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)
