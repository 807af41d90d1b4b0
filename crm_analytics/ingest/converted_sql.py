"""Which statement turns a block of cells into typed columns?  SQL of a whole plan, from that of its columns.

Two statements come of one plan. The quick one uses what is known of the block's cells as a whole, returns
the rows of all targets at once, and marks every record of which anything is to be noticed. Only those go
through the thorough one, which makes the tables `texts` and `converted`, where each value stands beside its
fault (the reason code) and its note.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from crm_analytics.ingest.cell_facts import NOTHING, Facts
from crm_analytics.ingest.conversions import (
    NONE,
    NUMBERS,
    Conversion,
    Field,
    convert_boolean,
    convert_currency,
    convert_id,
    convert_text,
    convert_word,
)
from crm_analytics.ingest.dates import convert_date
from crm_analytics.ingest.planning import Cells, MappingPlan, TargetPlan, has_tests
from crm_analytics.normalise.local_time import odd_local_times
from crm_analytics.warehouse import quote_ident

_FIRST_YEAR = 1990
_DATES = ("DATE", "TIMESTAMP")


@dataclass(frozen=True)
class Statements:
    """The SQL of one plan, for blocks of whose cells the same is known.

    Attributes
    ----------
    quick_lookups, quick : tuple of str, str
        Tables of values that are looked up once for all equal texts; and the query over `cells`:
        record_number, the values of all targets (`output`), who is told of, and ``is_noticed``.
    texts, lookups, converted : str, tuple of str, str
        The thorough way: table `texts`, such tables, and table `converted`.
    counts : tuple of (str, str)
        What is counted in `converted`: name, SQL.
    """

    quick_lookups: tuple[str, ...]
    quick: str
    texts: str
    lookups: tuple[str, ...]
    converted: str
    counts: tuple[tuple[str, str], ...]


def statements(plan: MappingPlan, facts: Mapping[int, Facts]) -> Statements:
    """Return the SQL of a plan; `facts` are what is known of the columns, by place."""
    conversions = {one.key: conversion(one) for one in plan.fields}
    cells = Cells(plan, facts)
    return Statements(
        quick_lookups=_lookups(plan, conversions, lambda one: f"{cells.text(one)} as {one.text} from cells"),
        quick=_quick(plan, facts),
        texts=f"create or replace temp table texts as {_texts(plan, {})}",
        lookups=_lookups(plan, conversions, lambda one: f"{one.text} from texts"),
        converted=_converted(plan, conversions),
        counts=tuple(_counts(plan, conversions)),
    )


def _lookups(
    plan: MappingPlan, conversions: Mapping[str, Conversion], texts: Callable[[Field], str]
) -> tuple[str, ...]:
    return tuple(
        f"create or replace temp table {one.part('lookup')} as select {one.text} as text, "
        f"{conversions[one.key].lookup} as local from (select distinct {texts(one)})"
        for one in plan.fields
        if conversions[one.key].lookup is not None
    )


def conversion(one: Field) -> Conversion:
    """Return how a field's text becomes its value."""
    column = one.column
    if is_constant(one):
        return Conversion(f"cast({one.bindings.add(one.rule.constant)} as {column.sql_type})")
    if column.type in NUMBERS:
        return NUMBERS[column.type](one)
    if column.type in _DATES:
        return convert_date(one)
    if column.type == "BOOLEAN":
        return convert_boolean(one)
    if column.type == "CURRENCY":
        return convert_currency(one)
    if column.words is not None:
        return convert_word(one)
    return convert_id(one) if one.is_id else convert_text(one)


def is_constant(one: Field) -> bool:
    """Is the field the same for all records?"""
    return not one.rule.sources and one.rule.constant is not None


def is_read_date(one: Field) -> bool:
    """Is the field a date that the file tells?"""
    return one.column.type in _DATES and bool(one.rule.sources)


def output(planned: TargetPlan, name: str) -> str:
    """Return the name of a target's column in the quick query's result."""
    return f"{planned.target.name} {name}"


def _texts(plan: MappingPlan, facts: Mapping[int, Facts]) -> str:
    """Return SQL of the text of every field, NULL where it is blank, and of who is told of."""
    cells = _TrimmedOnce(plan, facts)
    columns = ["record_number"]
    for planned in plan.targets:
        for one in planned.fields.values():
            if is_constant(one):
                continue
            columns.append(f"{cells.text(one)} as {one.text}")
            if has_tests(one.rule):
                columns.append(f"{cells.bad_tests(one.rule)} as {one.part('test')}")
            for suffix, source in (("months", one.rule.plus_months), ("minutes", one.rule.plus_minutes)):
                if source is not None:
                    columns.append(f"{cells.cell(source)} as {one.part(suffix)}")
        columns.append(f"{cells.all_hold(planned.target.when)} as {planned.told}")
    return f"select {', '.join(columns)} from {cells.source}"


class _TrimmedOnce(Cells):
    """Cells of which those that may have outer blanks are trimmed in a step before (t0, t1 ...).

    A field may name a cell twenty times, and DuckDB plans every mention.
    """

    def __init__(self, plan: MappingPlan, facts: Mapping[int, Facts]) -> None:
        super().__init__(plan, facts)
        self._trimmed: dict[str, str] = {}

    def cell(self, source: str) -> str:
        sql = super().cell(source)
        if not sql.startswith("case "):
            return sql
        name = f"t{self._places[source]}"
        self._trimmed[name] = sql
        return name

    @property
    def source(self) -> str:
        """SQL of what the texts asked for so far are read from."""
        columns = "".join(f", {sql} as {name}" for name, sql in self._trimmed.items())
        return f"(select *{columns} from cells)" if columns else "cells"


def _quick(plan: MappingPlan, facts: Mapping[int, Facts]) -> str:
    places = plan.places
    fields: list[Field] = []
    for one in plan.fields:
        # A cell that is taken as it stands is as its column is; of any other text nothing is known.
        source = one.rule.choices[0][0] if one.is_as_written else None
        fields.append(
            replace(one, facts=facts.get(places[source], NOTHING) if source is not None else NOTHING)
        )
    conversions = {one.key: conversion(one) for one in fields}
    noticed = [
        f"{one.part(kind)} is not null"
        for one in fields
        for kind, told in (("fault", _fault(one, conversions[one.key])), ("note", conversions[one.key].note))
        if told != NONE
    ]
    if not all(planned.may_be_untold for planned in plan.targets):
        noticed.append(f"not ({is_told(plan)})")
    columns = [
        f"{sql} as {quote_ident(output(planned, name))}"
        for planned in plan.targets
        for name, sql in _outputs(planned).items()
    ]
    columns += [planned.told for planned in plan.targets]
    return (
        f"with texts as ({_texts(plan, facts)}), {_steps(plan, fields, conversions)} "
        f"select record_number, {', '.join(columns)}, {' or '.join(noticed) or 'false'} as is_noticed "
        f"from valued{' order by record_number' if 'found_' in _source(plan, conversions) else ''}"
    )


def _converted(plan: MappingPlan, conversions: Mapping[str, Conversion]) -> str:
    return (
        "create or replace temp table converted as "
        f"with {_steps(plan, plan.fields, conversions)} "
        f"select *, {_is_broken(plan, conversions)} as is_broken from valued"
    )


def _source(plan: MappingPlan, conversions: Mapping[str, Conversion]) -> str:
    """Return SQL of the texts beside what is looked up for them."""
    joins = [
        f"left join {one.part('lookup')} as found_{number} on found_{number}.text = texts.{one.text}"
        for number, one in enumerate(plan.fields)
        if conversions[one.key].lookup is not None
    ]
    return " ".join(["texts", *joins])


def _steps(plan: MappingPlan, fields: Sequence[Field], conversions: Mapping[str, Conversion]) -> str:
    """Return the steps from texts to values, each of which uses what the one before computed."""
    plain, parts, odd, judged, values = ["texts.*"], ["*"], ["*"], ["*"], ["record_number"]
    dates = _OddTimes(plan)
    for number, one in enumerate(fields):
        how = conversions[one.key]
        plain += [f"{sql} as {one.part(suffix)}" for suffix, sql in how.plain.items()]
        parts += [f"{sql} as {one.part(suffix)}" for suffix, sql in how.parts.items()]
        if how.lookup is not None:
            plain.append(f"found_{number}.local as {one.part('local')}")
        if how.is_date:
            odd.append(f"{dates.kind(one.part('local')) if how.is_time else NONE} as {one.part('odd')}")
        fault = _fault(one, how)
        value = how.value
        if fault != NONE:
            judged.append(f"{fault} as {one.part('fault')}")
            values.append(one.part("fault"))
            value = f"case when {one.part('fault')} is null then {value} end"
        if how.note != NONE:
            note = f"case when {one.part('fault')} is null then {how.note} end" if fault != NONE else how.note
            values.append(f"{note} as {one.part('note')}")
        values.append(f"{value} as {one.part('value')}")
    for number, planned in enumerate(plan.targets):
        told = [planned.told]
        # What is described along with something else may be missing; a line that is said to be told may not.
        if number and not (planned.entity.repeat_key and planned.target.when):
            told += [
                f"{one.text} is not null"
                for one in planned.fields.values()
                if one.is_id and one.rule.required and one.rule.sources
            ]
        if planned.entity.name == "exchange_rates":
            told.append(f"not {_is_own_rate(planned, conversions)}")
        values.append(f"{' and '.join(told)} as {planned.told}")
    return (
        f"plain as (select {', '.join(plain)} from {_source(plan, conversions)}), "
        f"parsed as (select {', '.join(parts)} from plain), "
        f"placed as (select {', '.join(odd)} from parsed), "
        f"judged as (select {', '.join(judged)} from placed), "
        f"valued as (select {', '.join(values)} from judged)"
    )


def _is_own_rate(planned: TargetPlan, conversions: Mapping[str, Conversion]) -> str:
    """Return SQL that is true where a currency is told to be worth 1 of itself: nothing new."""
    code, rate = planned.fields["to_currency"], conversions[planned.fields["rate"].key].value
    return f"coalesce({code.part('code')} = {code.priced} and {rate} = 1, false)"


def _fault(one: Field, how: Conversion) -> str:
    """Return SQL of the reason why a field's text is not its value."""
    fault = how.fault
    if one.rule.required and one.rule.sources and one.facts.has_blank:
        fault = f"case when {one.text} is null then 'missing_value' else {fault} end"
    if has_tests(one.rule):
        fault = f"case when {one.part('test')} then 'bad_boolean' else {fault} end"
    return fault


def _is_broken(plan: MappingPlan, conversions: Mapping[str, Conversion]) -> str:
    """Return SQL that is true for records that fail an entity they tell of, or tell of none."""
    tests = []
    for planned in plan.targets:
        required = [planned.fields[name] for name in planned.required]
        faults = [
            f"{one.part('fault')} is not null"
            for one in required
            if _fault(one, conversions[one.key]) != NONE
        ]
        if faults:
            tests.append(f"({planned.told} and ({' or '.join(faults)}))")
    if not all(planned.may_be_untold for planned in plan.targets):
        tests.append(f"not ({is_told(plan)})")
    return " or ".join(tests) or "false"


def is_told(plan: MappingPlan) -> str:
    """Return SQL that is true for records that tell of some entity."""
    return " or ".join(planned.told for planned in plan.targets)


def _counts(plan: MappingPlan, conversions: Mapping[str, Conversion]) -> list[tuple[str, str]]:
    counts = [
        ("broken", "count(*) filter (is_broken)"),
        ("untold", f"count(*) filter (not is_broken and not ({is_told(plan)}))"),
    ]
    for planned in plan.targets:
        stays = f"not is_broken and {planned.told}"
        for name, one in planned.fields.items():
            how, fault = conversions[one.key], one.part("fault")
            has_fault = _fault(one, how) != NONE
            if name not in planned.required and has_fault:
                counts.append((f"{one.key} fault", f"count(*) filter ({fault} is not null and {stays})"))
            if how.note != NONE:
                counts.append(
                    (f"{one.key} note", f"count(*) filter ({one.part('note')} is not null and {stays})")
                )
            if is_read_date(one):
                bad = f"{fault} in ('bad_date', 'date_out_of_range')"
                is_text = f"coalesce({fault}, 'missing_value') <> 'missing_value'"
                counts.append((f"{one.key} bad", f"count(*) filter ({bad})"))
                counts.append(
                    (f"{one.key} texts", f"count(*) filter ({one.part('value')} is not null or {is_text})")
                )
    return counts


def staged(planned: TargetPlan) -> str:
    """Return SQL of a target's sound rows in `converted`, as `store_versions` takes them."""
    columns = [f"{sql} as {quote_ident(name)}" for name, sql in _outputs(planned).items()]
    return (
        f"select record_number, {', '.join(columns)} from converted where not is_broken and {planned.told} "
        "order by record_number"
    )


def _outputs(planned: TargetPlan) -> dict[str, str]:
    """Return the columns of a target's rows: name -> SQL over the values."""
    columns = {name: one.part("value") for name, one in planned.fields.items()}
    if planned.entity.name == "order_lines":
        columns["amount"] = _amount(planned)
    return columns


def output_names(planned: TargetPlan) -> list[str]:
    """Return the columns of a target's rows."""
    return list(_outputs(planned))


def _amount(planned: TargetPlan) -> str:
    def value(name: str, sql_type: str = "decimal(18, 4)") -> str:
        one = planned.fields.get(name)
        return one.part("value") if one is not None else f"cast(null as {sql_type})"

    quantity, price = value("quantity"), value("unit_price")
    # DuckDB keeps a product of two DECIMAL(18) in 64 bits: widen one where they are large
    wide = f"cast(cast({quantity} as decimal(38, 4)) * {price} as decimal(38, 4))"
    small = f"{quantity} between -10000 and 10000 and {price} between -900000 and 900000"
    narrow = f"cast({quantity} * {price} as decimal(18, 4))"
    computed = f"case when {small} then {narrow} else {wide} end"
    if "discount_amount" in planned.fields:
        computed = f"{computed} - coalesce({value('discount_amount')}, 0)"
    return f"coalesce({value('amount', 'decimal(38, 4)')}, cast({computed} as decimal(38, 4)))"


class _OddTimes:
    """SQL of the local times that a zone skips or repeats, when its summer time begins and ends."""

    def __init__(self, plan: MappingPlan) -> None:
        self._times = odd_local_times(plan.zone, _FIRST_YEAR, plan.received_at.year + 1)
        self._bindings = plan.bindings

    def kind(self, local: str) -> str:
        """Return SQL of the reason code of a local time, or NULL."""
        if not self._times:
            return NONE
        days = self._bindings.add(sorted({at.date() for _, start, end in self._times for at in (start, end)}))
        times = self._bindings.add(
            [{"kind": kind, "start": start, "stop": end} for kind, start, end in self._times]
        )
        # Midnight is how exports write a day without a time: no day lacks its beginning. Lists, for DuckDB
        # plans each of some seventy comparisons where they are written out.
        return (
            f"case when list_contains({days}, cast({local} as date)) "
            f"and {local} <> date_trunc('day', {local}) "
            f"then list_filter({times}, lambda odd: {local} >= odd.start and {local} < odd.stop)[1].kind end"
        )
