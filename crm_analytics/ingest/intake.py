"""How does a delivery of any size pass into the warehouse?  `take_in`: block by block, then stored at once.

While one block is appended, the next is converted and the one after that is read, each in a thread of its
own; nothing holds the whole. What can only be known at the end (are too many records broken, is the
encoding another, was a calendar mistaken) is decided there: the caller's transaction forgets the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import pyarrow.compute as pc

from crm_analytics.entities.line_sql import SAME_ORDER_DAYS
from crm_analytics.entities.storing import Replaced
from crm_analytics.entities.versions import Staging, StoredDelivery
from crm_analytics.errors import FileRefused
from crm_analytics.ingest.ends import with_last
from crm_analytics.ingest.erased_subjects import erased_records, without
from crm_analytics.ingest.footers import WithoutFooters
from crm_analytics.ingest.ledger import Quarantine
from crm_analytics.ingest.mapping import Issue, Mapper
from crm_analytics.ingest.options import option
from crm_analytics.ingest.planning import MappingPlan, plan_mapping
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.readers import read
from crm_analytics.ingest.reconcile import RECORDS, Control, Counted, sums_of
from crm_analytics.ingest.records import Block, BrokenRecord, Delivery, Part
from crm_analytics.ingest.snapshot import Removal, Snapshot
from crm_analytics.ingest.text_reader import ends_within_line
from crm_analytics.ingest.total_rows import TotalRows
from crm_analytics.ingest.totals import compare_totals, refuse_wrong
from crm_analytics.warehouse import Warehouse

REJECT_RATE = 0.1
REJECT_RECORDS = 50
# An undeclared file that is not UTF-8: so many records with other bytes, and fewer with proper ones.
ENCODING_RECORDS = 3
ENCODING_LOOKED_AT = 10_000

# Called with the name of a part, the bytes of its file read so far, and the bytes in all. When the last
# bytes are read, the records are still to be stored.
Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Intake:
    """What was taken in.

    Attributes
    ----------
    header : tuple of str
        Column names as the file has them.
    rows_in, record_count : int
        Rows of the part that its layout does not leave out; those that are neither totals nor doubtful ends.
    quarantine : Quarantine
        Those set aside.
    stored : StoredDelivery
        What the others became.
    issues : tuple of Issue
        What was noticed without losing a record.
    stated_counts : tuple of int
        Numbers of records that the file states of itself.
    removed : mapping of str to int
        Entity -> rows that a snapshot no longer tells.
    sums : mapping of str to Counted
        What the control totals add up to here.
    totals : tuple of Control
        The file's own rows of totals beside ours.
    """

    header: tuple[str, ...]
    rows_in: int
    record_count: int
    quarantine: Quarantine
    stored: StoredDelivery
    issues: tuple[Issue, ...]
    stated_counts: tuple[int, ...]
    removed: Mapping[str, int]
    sums: Mapping[str, Counted]
    totals: tuple[Control, ...]


@dataclass(frozen=True)
class _Staged:
    """A delivery that has passed through, but is not stored yet."""

    rows_in: int
    issues: tuple[Issue, ...]
    stated_counts: tuple[int, ...]
    again: MappingPlan | None
    totals: TotalRows


def take_in(
    wh: Warehouse,
    part: Part,
    used: Profile,
    *,
    load_id: int,
    received_at: datetime,
    show_values: bool = False,
    progress: Progress | None = None,
    is_forced: bool = False,
    control_totals: Mapping[str, Decimal] = MappingProxyType({}),
) -> Intake:
    """Read, convert and store one part, in the caller's transaction.

    Parameters
    ----------
    wh : Warehouse
        Where to.
    part : Part
        What to read.
    used : Profile
        How, with the caller's options in place.
    load_id : int
        Number of the load; must be new.
    received_at : datetime
        When it was received, with a time zone.
    show_values : bool, default False
        May messages hold values of personal columns?
    progress : callable, optional
        Called after each block.
    is_forced : bool, default False
        May a snapshot remove however much is missing?
    control_totals : mapping of str to Decimal
        What to add up (`crm_analytics.ingest.reconcile.sums_of`), and what it should come to: a snapshot of
        fewer records than these or the file itself tell of removes nothing.

    Raises
    ------
    FileRefused
        Whatever the reader and the mapping refuse, ``invalid_encoding`` and ``too_many_broken``; of a
        snapshot ``empty_snapshot`` and ``snapshot_shrinks``; ``wrong_total`` where the profile says so.
    """
    delivery = read(part, used.dialect)
    plan: MappingPlan | None = plan_mapping(
        delivery.header,
        used,
        file=part.name,
        zone=wh.settings.timezone,
        received_at=received_at,
        show_values=show_values,
    )
    with ExitStack() as stack:
        while plan is not None:
            read_by = plan
            stack.close()
            quarantine = Quarantine(wh, load_id, part.name, delivery.header)
            staging = stack.enter_context(
                Staging(
                    wh,
                    load_id=load_id,
                    source_system=used.source_system,
                    received_at=received_at,
                    repeats=used.repeats,
                )
            )
            staged = _stage(delivery, plan, quarantine, staging, part, used, progress)
            plan = staged.again
        _check_rejects(part.name, used, quarantine, staged.rows_in)
        snapshot = Snapshot(wh, used, file=part.name, is_forced=is_forced) if used.snapshot else None
        staging.store(covers_all=snapshot.covers_all if snapshot is not None else ())
        removal = Removal()
        record_count = staged.rows_in - quarantine.no_record_count
        told_of = (record_count, *staged.stated_counts, control_totals.get(RECORDS, 0))
        if snapshot is not None:
            removal = snapshot.remove(
                staging,
                load_id=load_id,
                received_at=received_at,
                rows_in=staged.rows_in - quarantine.total_count,
                quarantined=quarantine.count - quarantine.erased_count - quarantine.total_count,
                lacking=int(max(told_of)) - record_count,
            )
        stored = staging.finish()
        sums = sums_of(wh, staging, used, tuple(control_totals), record_count)
        repeats = _repeats(wh, staging, used) if staged.totals.rows else {}
    totals, not_compared = _compared(wh, load_id, delivery, read_by, staged.totals, repeats)
    issues = tuple(Issue(issue, "", sentence, 0) for issue, sentence in part.notes)
    issues += staged.issues + removal.issues + not_compared
    issues += _told_of(stored)
    if not staged.rows_in:
        is_cut = part.kind == "text" and ends_within_line(part, used.dialect)
        told = "; it ends within the header's line: was it cut off?" if is_cut else ""
        issues += (Issue("no_records", "", f"the file has a header and no records{told}", 0),)
    return Intake(
        header=delivery.header,
        rows_in=staged.rows_in,
        record_count=record_count,
        quarantine=quarantine,
        stored=stored,
        issues=issues,
        stated_counts=staged.stated_counts,
        removed=removal.removed,
        sums=sums,
        totals=totals,
    )


def _repeats(wh: Warehouse, staging: Staging, used: Profile) -> dict[str, list[int]]:
    """Return the records that repeat a row of their own file, by its entity."""
    names = {target.entity for target in used.targets}
    tables = {name: staging.said_twice(name) for name in names if staging.table(name) is not None}
    return {
        name: [number for (number,) in wh.rows(f"select record_number from {table} order by record_number")]
        for name, table in tables.items()
    }


def _compared(
    wh: Warehouse,
    load_id: int,
    delivery: Delivery,
    plan: MappingPlan,
    found: TotalRows,
    repeats: Mapping[str, Collection[int]],
) -> tuple[tuple[Control, ...], tuple[Issue, ...]]:
    """Compare a file with its own rows of totals, where it has any; refuse it where the profile says so."""
    if not found.rows:
        return (), ()
    rows = wh.rows("select record_number from ops.quarantine where load_id = $load_id", load_id=load_id)
    blocks = WithoutFooters(delivery.blocks(), plan.profile.rows.footers, plan.required_places)
    controls, issues = compare_totals(blocks, plan, found, {number for (number,) in rows}, repeats)
    if plan.profile.rows.wrong_total == "refuse":
        refuse_wrong(controls, file=plan.file)
    return tuple(controls), tuple(issues)


def _told_of(stored: StoredDelivery) -> tuple[Issue, ...]:
    """Say what became of rows that were known otherwise."""
    lines = stored.lines
    moved = f"; {lines.moved:,} of them moved the day" if lines.moved else ""
    found = {
        "customer_corrected": (
            lines.corrections,
            "lines were known of another customer, or of none, in the same order of the same lines (a named "
            "customer: the very same products, times, quantities and prices): corrected, counted once",
        ),
        "number_of_another_customer": (
            lines.shared,
            "lines have an order number, product and time that are known of another customer, and the orders "
            "are not the same line by line, or several are: taken as another order, both count. If it is the "
            "same order, corrected, take this load back (unload) and deliver the whole order",
        ),
        "told_beside": (
            lines.beside,
            "lines differ from those of another file received at the same moment (order, product, customer "
            f"are the same): both count. If one file corrects the other, say when: {option('received_at')}",
        ),
        "lines_edited": (
            lines.edits,
            "lines without an id of their own differ between deliveries (order, product, customer are the "
            f"same): taken as edits, the one received last counts{moved}",
        ),
        "number_used_again": (
            lines.used_again,
            f"lines have an order number, product and customer that are known more than {SAME_ORDER_DAYS} "
            "days apart: taken as another order, both count",
        ),
        "outdated": (
            stored.outdated,
            "rows are known in a later state already: kept as history, the later state counts",
        ),
    }
    issues = tuple(Issue(issue, "", text, count) for issue, (count, text) in found.items() if count)
    for name, (count, record) in stored.differing.items():
        text = (
            f"rows of {name} are told differently by several records of this file: the last of them counts; "
            f"for example that of record {record}"
        )
        issues += (Issue("told_differently", "", text, count),)
    for name, replaced in stored.replaced.items():
        issues += _told_of_replaced(name, replaced)
    if stored.contradicted:
        text = (
            "rows are told otherwise by another file received at the same moment, and one of the two counts. "
            f"If one is the later, say when: {option('received_at')}"
        )
        issues += (Issue("told_beside", "", text, stored.contradicted),)
    return issues


def _told_of_replaced(name: str, replaced: Replaced) -> tuple[Issue, ...]:
    """Say what another delivery told of another customer or amount under the same id."""

    def example(record: int) -> str:
        return f"; for example that of record {record}" if record else ""

    customers = (
        f"rows of {name} are known of another customer under the same number: the one received last counts, "
        f"the other is history only{example(replaced.customer_record)}. If they are of two branches or shops "
        "that number alike, take the load back and load each as a system of its own: "
        f"{option('source_system', 'branch_2')}"
    )
    amounts = (
        f"rows of {name} are known with another amount under the same number: the one received last "
        f"counts{example(replaced.amount_record)}"
    )
    found = (
        Issue("customer_replaced", "", customers, replaced.customers),
        Issue("amount_replaced", "", amounts, replaced.amounts),
    )
    return tuple(one for one in found if one.row_count)


def _stage(
    delivery: Delivery,
    plan: MappingPlan,
    quarantine: Quarantine,
    staging: Staging,
    part: Part,
    used: Profile,
    progress: Progress | None,
) -> _Staged:
    """Take all blocks of a delivery in, but store nothing yet."""
    encoding = _EncodingCheck(part.name, used)
    rows_in = 0
    with Mapper(plan) as mapper, ExitStack() as stack:
        passing = WithoutFooters(delivery.blocks(), used.rows.footers, plan.required_places)
        blocks = stack.enter_context(closing(_ahead(iter(passing))))
        told = with_last(blocks, is_asked=mapper.looks_at_ends)
        mapping = ((one, mapper.add(one, is_last=is_last)) for one, is_last in told)
        mapped_blocks = stack.enter_context(closing(_ahead(mapping)))
        for block, mapped in mapped_blocks:
            rows_in += block.record_count - mapped.ignored
            gone: set[int] = set()
            if quarantine.erased:
                tables = [(target.entity, table) for target, table in mapped.staged]
                gone = erased_records(quarantine.erased, tables, source_system=used.source_system)
            quarantine.add(block, mapped.faults, gone)
            encoding.add(block)
            for target, table in mapped.staged:
                staging.append(target.entity, without(table, gone), target=target.name)
            if progress is not None:
                progress(part.name, block.read_bytes, part.size)
        encoding.check()
        findings = mapper.finish()
        for cells in passing.left_out:
            findings.totals.add_left_out(cells, has_count=False)
    stated = (*passing.stated, *delivery.controls().values())
    return _Staged(rows_in, findings.issues, stated, findings.again, findings.totals)


def _ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """Yield the items of an iterator; another thread makes the next one meanwhile."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]


class _EncodingCheck:
    """Refuses an undeclared file in which foreign bytes are the rule, not a slip."""

    def __init__(self, file: str, used: Profile) -> None:
        self._file = file
        self._is_declared = used.dialect.encoding is not None
        self._undecodable = 0
        self._first: BrokenRecord | None = None
        self._looked_at = 0
        self._proper = 0

    def add(self, block: Block) -> None:
        """Count the records of a block whose bytes beyond ASCII are UTF-8, and those where they are not."""
        for one in block.broken:
            if one.reason == "invalid_encoding":
                self._undecodable += 1
                self._first = self._first or one
        cells = block.cells.slice(0, max(ENCODING_LOOKED_AT - self._looked_at, 0))
        self._looked_at += cells.num_rows
        if cells.num_rows:
            is_foreign = np.zeros(cells.num_rows, dtype=bool)
            for name in cells.column_names:
                if name != "record_number":
                    is_ascii = pc.fill_null(pc.string_is_ascii(cells[name]), True)
                    is_foreign |= ~is_ascii.to_numpy()
            self._proper += int(is_foreign.sum())

    def check(self) -> None:
        """Refuse the file if that is so."""
        first = self._first
        if first is None or self._is_declared:
            return
        if self._undecodable < ENCODING_RECORDS or self._proper > self._undecodable:
            return
        try:
            first.raw.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = f"byte 0x{first.raw[error.start]:02x} at offset {first.offset + error.start}"
        raise FileRefused(
            f"{self._file}, line {first.line}: {byte} is not UTF-8, and {self._undecodable} records have "
            f"such bytes. Say {option('encoding', 'cp1252', 'cp1256')}.",
            file=self._file,
            reason="invalid_encoding",
            record=first.number,
            line=first.line,
        )


def _check_rejects(file: str, used: Profile, aside: Quarantine, rows_in: int) -> None:
    """Refuse a file of which too much is broken; orders of guests are not broken."""
    first = aside.first_broken
    if first is None or rows_in < REJECT_RECORDS or aside.broken_count <= REJECT_RATE * rows_in:
        return
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in aside.broken_reasons.items())
    raise FileRefused(
        f"{file}: {aside.broken_count:,} of {rows_in:,} records are broken "
        f"({reasons}), more than 10 %. First: {first.message} Is the profile {used.name!r} right?",
        file=file,
        reason="too_many_broken",
        record=first.record_number,
        line=first.line_number,
        column=first.column_name or None,
    )
