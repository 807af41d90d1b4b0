"""What would a file become under a profile?  Looked at without loading anything.

Values of personal columns are shown with their letters and digits hidden, unless the caller asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.ends import with_last
from crm_analytics.ingest.footers import WithoutFooters
from crm_analytics.ingest.headers import HeaderIndex, find_columns
from crm_analytics.ingest.mapping import Issue, MappedBlock, Mapper, MappingPlan, plan_mapping
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.readers import headers, read
from crm_analytics.ingest.recognise import asked_profile, detect
from crm_analytics.ingest.records import Block, Part
from crm_analytics.ingest.source import open_source

SHOWN_VALUES = 3
SHOWN_CHARACTERS = 40
SHOWN_FAULTS = 10


@dataclass(frozen=True)
class ColumnCheck:
    """What one column of an entity would get.

    Attributes
    ----------
    target, column : str
        Target of the profile and column of its entity.
    sources : tuple of str
        Columns of the file, as it names them.
    values : tuple of str
        The first values; letters and digits of personal ones are hidden ("aaaa@aaaaa.aaa").
    filled : int
        Rows with a value.
    """

    target: str
    column: str
    sources: tuple[str, ...]
    values: tuple[str, ...]
    filled: int


@dataclass(frozen=True)
class ProfileCheck:
    """What one part of a file would become; nothing of it was loaded.

    Attributes
    ----------
    file, profile : str
        Part of the file, and the profile it was read by.
    records : int
        Records looked at; `is_whole`: there are no more.
    rows : dict of str to int
        Target -> sound rows; `repeats` of them (0: not in it) repeat a row of the file and would be merged.
    reasons : dict of str to int
        Reason code -> records that would be set aside.
    first_faults : tuple of str
        The first of them: record, column, reason.
    columns : tuple of ColumnCheck
        Columns that would be filled.
    unread : tuple of str
        Columns of the file that no rule reads.
    issues : tuple of Issue
        Emptied values, unknown words and what else would be reported.
    refusal : str | None
        Why the part would be refused as a whole.
    """

    file: str
    profile: str
    records: int = 0
    is_whole: bool = True
    rows: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    first_faults: tuple[str, ...] = ()
    columns: tuple[ColumnCheck, ...] = ()
    unread: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    refusal: str | None = None


def check_profile(
    path: Path,
    profile_name: str | None = None,
    *,
    received_at: datetime,
    home_zone: str = "UTC",
    show_values: bool = False,
    most_records: int = 100_000,
    **options: Any,
) -> list[ProfileCheck]:
    """Tell what `crm_analytics.load` would make of a file, without loading anything.

    Parameters
    ----------
    path : pathlib.Path
        The export.
    profile_name : str, optional
        Name of a profile or path of a ``.toml``; default: recognised by the header.
    received_at : datetime
        Dates after its day are future dates.
    home_zone : str, default "UTC"
        Zone of the company: of the times, where neither profile nor options (``timezone``) name one.
    show_values : bool, default False
        Show personal values as they are.
    most_records : int, default 100_000
        Stop after the block in which so many records are reached.
    **options
        How the file is written, as for ``crm_analytics.load``.

    Returns
    -------
    list of ProfileCheck
        One per part; what would be refused says why in ``refusal``.

    Raises
    ------
    UsageError
        No such profile, or an option that cannot be.
    """
    asked_profile(None, **options)
    named = asked_profile(profile_name, **options) if profile_name is not None else None
    checks = []
    for part in open_source(path):
        if isinstance(part, FileRefused):
            checks.append(ProfileCheck(part.file, profile_name or "", refusal=str(part)))
            continue
        try:
            used = _used(part, named, options, show_values=show_values)
            checks.append(
                _check(part, used, received_at, home_zone, show_values=show_values, most_records=most_records)
            )
        except (FileRefused, ProfileError) as refusal:
            checks.append(ProfileCheck(part.name, profile_name or "", refusal=str(refusal)))
    return checks


def _used(part: Part, named: Profile | None, options: Mapping[str, Any], *, show_values: bool) -> Profile:
    """Return the profile to read a part by, with the options and its own delimiter in place."""
    if named is None:
        split = headers(part, asked_profile(None, **options).dialect)
        currency = options.get("default_currency")
        found, delimiter = detect(part.name, split, default_currency=currency, show_values=show_values)
        return found.with_options(**{**options, "delimiter": delimiter or None})
    if named.dialect.delimiter is not None:
        return named
    split = headers(part, named.dialect)
    delimiter, _ = max(
        split, key=lambda one: len(find_columns(HeaderIndex(one[1]), named.sources, named.headers).places)
    )
    return named.with_options(delimiter=delimiter or None)


def _check(
    part: Part, used: Profile, received_at: datetime, zone: str, *, show_values: bool, most_records: int
) -> ProfileCheck:
    delivery = read(part, used.dialect)
    plan: MappingPlan | None = plan_mapping(
        delivery.header, used, file=part.name, zone=zone, received_at=received_at, show_values=show_values
    )
    seen = _Tally(show_values)
    while plan is not None:
        seen = _Tally(show_values)
        used_plan = plan
        with Mapper(plan) as mapper:
            blocks = WithoutFooters(delivery.blocks(), used.rows.footers, used_plan.required_places)
            for block, is_last in with_last(blocks, is_asked=mapper.looks_at_ends):
                if seen.records >= most_records:
                    seen.is_whole = False
                    break
                seen.add(used_plan, block, mapper.add(block, is_last=is_last))
            findings = mapper.finish()
        plan = findings.again
    sources = {source for one in used_plan.fields for source in one.rule.sources}
    read_places = {place for source, place in used_plan.places.items() if source in sources}
    return ProfileCheck(
        file=part.name,
        profile=used.name,
        records=seen.records,
        is_whole=seen.is_whole,
        rows=seen.rows,
        repeats=seen.repeats(used_plan),
        reasons=dict(sorted(seen.reasons.items(), key=lambda one: (-one[1], one[0]))),
        first_faults=tuple(seen.first_faults),
        columns=seen.columns(used_plan),
        unread=tuple(name for place, name in enumerate(delivery.header) if place not in read_places),
        issues=findings.issues,
    )


class _Tally:
    """What the blocks of a part came to."""

    def __init__(self, show_values: bool) -> None:
        self._show_values = show_values
        self.records = 0
        self.is_whole = True
        self.rows: dict[str, int] = {}
        self.reasons: dict[str, int] = {}
        self.first_faults: list[str] = []
        self._filled: dict[tuple[str, str], int] = {}
        self._values: dict[tuple[str, str], list[str]] = {}
        self._told: dict[str, list[pa.Table]] = {}

    def add(self, plan: MappingPlan, block: Block, mapped: MappedBlock) -> None:
        """Take in one block."""
        self.records += block.record_count - mapped.ignored
        reasons = [(one.number, "", one.reason) for one in block.broken]
        reasons += [(one.record_number, one.column, one.reason) for one in mapped.faults]
        for number, column, reason in sorted(reasons):
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
            if len(self.first_faults) < SHOWN_FAULTS:
                self.first_faults.append(f"record {number}, {column or 'the whole record'}: {reason}")
        for target, table in mapped.staged:
            self.rows[target.name] = self.rows.get(target.name, 0) + table.num_rows
            self._told.setdefault(target.name, []).append(table.drop_columns("record_number"))
            for name in table.column_names[1:]:
                key = (target.name, name)
                values = table[name].drop_null()
                self._filled[key] = self._filled.get(key, 0) + len(values)
                shown = self._values.setdefault(key, [])
                shown += [str(value) for value in values.slice(0, SHOWN_VALUES - len(shown)).to_pylist()]

    def repeats(self, plan: MappingPlan) -> dict[str, int]:
        """Return the rows that have the key of another row; of lines without an id, those that are equal."""
        found = {}
        for planned in plan.targets:
            told = self._told.get(planned.target.name)
            if not told:
                continue
            table = pa.concat_tables(told)
            key = [name for name in planned.entity.key if name in table.column_names]
            if planned.entity.repeat_key and not key:
                if plan.profile.repeats == "keep":
                    continue
                key = table.column_names
            elif planned.entity.repeat_key:
                table = table.filter(table[key[0]].is_valid())
            count = table.num_rows - table.group_by(key).aggregate([]).num_rows
            if count:
                found[planned.target.name] = count
        return found

    def columns(self, plan: MappingPlan) -> tuple[ColumnCheck, ...]:
        """Return what every column got."""
        return tuple(
            ColumnCheck(
                target=planned.target.name,
                column=name,
                sources=tuple(
                    plan.header[plan.places[source]] for source in one.rule.sources if source in plan.places
                ),
                values=tuple(
                    self._shown(text, is_open=one.column.shows(text))
                    for text in self._values.get((planned.target.name, name), ())
                ),
                filled=self._filled.get((planned.target.name, name), 0),
            )
            for planned in plan.targets
            for name, one in planned.fields.items()
        )

    def _shown(self, text: str, *, is_open: bool) -> str:
        text = text[:SHOWN_CHARACTERS]
        if is_open or self._show_values:
            return text
        return re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "a", text))
