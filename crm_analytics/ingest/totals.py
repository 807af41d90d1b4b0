"""Do the columns of a file add up to what its own rows of totals say?  The file is read once more for that.

Columns are added up as they are written, by the file's own rules for numbers, rial and toman, before anything
is computed. A row of totals (`crm_analytics.ingest.total_rows`) adds up

- all records above it, where no sound record follows, and its word means all of them or no row with a word of
  its kind stands between records;
- the records since the last such row of this or an outer group, where the layout says that records lie in
  groups (``fill_down`` without ``by``);
- else nobody knows what: it is said that it was not compared.

Amounts in several currencies are not added. What is in quarantine is added apart, and so is what repeats a
row of its own file (it is not in the store).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pyarrow as pa

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.conversions import Field
from crm_analytics.ingest.converted_sql import Statements, statements
from crm_analytics.ingest.mapping import Issue
from crm_analytics.ingest.planning import MappingPlan
from crm_analytics.ingest.reconcile import AMOUNTS, RECORDS, Control
from crm_analytics.ingest.records import Block
from crm_analytics.ingest.total_rows import TotalRow, TotalRows, is_number, stated_count
from crm_analytics.warehouse import Sandbox

LISTED_GROUPS = 5
_NO_GROUPS = "of a page or a group, or followed by records: the layout does not say of which records"
_NOT_READ = "the column is not read as one number"
_NO_NUMBER = "this is no number in the form of the column"
_CURRENCIES = "the amounts are in several currencies"
_NO_COUNT = "it may be the sum of a column, or there are several"


@dataclass(frozen=True)
class _Column:
    """A column that can be added up: `scope` as it is shown, its place in the file, SQL of its currency."""

    scope: str
    entity: str
    place: int
    field: Field
    currency: str


@dataclass
class _Sum:
    """What the records between two rows of totals add up to, by currency."""

    sound: Decimal = Decimal(0)
    aside: Decimal = Decimal(0)
    repeats: Decimal = Decimal(0)


@dataclass(frozen=True)
class _Covered:
    """Which stretches between rows of totals one of them adds up: from `first` up to itself."""

    first: int
    is_group: bool


def compare_totals(
    blocks: Iterable[Block],
    plan: MappingPlan,
    found: TotalRows,
    aside: Collection[int],
    repeats: Mapping[str, Collection[int]],
) -> tuple[list[Control], list[Issue]]:
    """Return the rows of totals beside what their columns add up to, and which could not be compared.

    Parameters
    ----------
    blocks : iterable of Block
        The whole delivery again, without its footers.
    plan : MappingPlan
        By which it was read.
    found : TotalRows
        Its rows of totals.
    aside : collection of int
        Numbers of the records that are in quarantine.
    repeats : mapping of str to collection of int
        Entity -> numbers of the records that repeat a row of the file.
    """
    rows = sorted(found.rows, key=lambda one: one.number)
    columns = _columns(plan)
    with Sandbox() as sandbox:
        adding = _Adding(sandbox, plan, columns, rows, found.left_out, aside, repeats)
        for block in blocks:
            adding.add(block)
        theirs = adding.stated()
    covered = _coverage(rows, adding.sound_counts, is_grouped=_is_grouped(plan))
    return _Comparison(plan, rows, columns, covered, adding).compare(theirs)


def refuse_wrong(controls: Sequence[Control], *, file: str) -> None:
    """Refuse a file of which a total is wrong, also with what is in quarantine or repeats a row of the file.

    Raises
    ------
    FileRefused
        ``wrong_total``.
    """
    totals: dict[tuple[str, str, str], list[Control]] = defaultdict(list)
    for one in controls:
        totals[one.control.partition("_with_")[0], one.scope, one.source_id].append(one)
    for (name, scope, row), told in totals.items():
        if name in ("total", "group_total") and all(one.difference for one in told):
            raise FileRefused(
                f"{file}, {row}: the total of {scope} is {told[0].theirs}, its records add up to "
                f"{told[-1].ours}. "
                "Correct the file, or take wrong_total out of the profile: the difference is then shown.",
                file=file,
                reason="wrong_total",
                record=int(row.removeprefix("record ")),
                column=scope,
            )


def _is_grouped(plan: MappingPlan) -> bool:
    rows = plan.profile.rows
    return bool(rows.fill_columns) and not rows.fill_by


def _columns(plan: MappingPlan) -> list[_Column]:
    """Return the columns of the file that become one number each."""
    found: dict[int, _Column] = {}
    for planned in plan.targets:
        money = planned.fields.get("currency")
        for name, one in planned.fields.items():
            choices = one.rule.choices
            is_one_cell = (
                len(choices) == 1 and len(choices[0]) == 1 and not (one.rule.cases or one.rule.words)
            )
            if one.column.type not in AMOUNTS or not is_one_cell or planned.entity.name == "exchange_rates":
                continue
            place = plan.places[choices[0][0]]
            currency = "''"
            if money is not None and one.column.is_money:
                currency = f"coalesce({money.part('value')}, '')"
            found.setdefault(
                place, _Column(f"{planned.target.name}.{name}", planned.entity.name, place, one, currency)
            )
    return list(found.values())


class _Adding:
    """Adds columns up, by the stretches between rows of totals (stretch n ends at row n).

    Attributes
    ----------
    sound_counts, counts : numpy.ndarray
        Records by stretch: sound ones, and all.
    sums : mapping of (str, int) to mapping of str to _Sum
        Scope and stretch -> currency -> sums.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        plan: MappingPlan,
        columns: list[_Column],
        rows: list[TotalRow],
        left_out: list[int],
        aside: Collection[int],
        repeats: Mapping[str, Collection[int]],
    ) -> None:
        self._sandbox, self._plan, self._columns, self._rows = (
            sandbox,
            _numbers_of(plan, columns),
            columns,
            rows,
        )
        self._statements: Statements = statements(self._plan, {})
        self._totals = np.array([one.number for one in rows], dtype=np.int64)
        self._no_records = np.concatenate([self._totals, np.array(left_out, dtype=np.int64)])
        self._aside = np.array(sorted(aside), dtype=np.int64)
        self._repeats = {
            one.entity: np.array(list(repeats.get(one.entity, ())), dtype=np.int64) for one in columns
        }
        self.counts = np.zeros(len(rows) + 1, dtype=np.int64)
        self.sound_counts = np.zeros(len(rows) + 1, dtype=np.int64)
        self.sums: dict[tuple[str, int], dict[str, _Sum]] = defaultdict(dict)

    def add(self, block: Block) -> None:
        """Add one block up."""
        numbers = block.cells["record_number"].to_numpy()
        is_record = ~np.isin(numbers, self._no_records)
        numbers = numbers[is_record]
        stretches = np.searchsorted(self._totals, numbers)
        is_aside = np.isin(numbers, self._aside)
        unread = np.array([one.number for one in block.broken], dtype=np.int64)
        size = len(self.counts)
        self.sound_counts += np.bincount(stretches[~is_aside], minlength=size)
        self.counts += np.bincount(stretches, minlength=size)
        self.counts += np.bincount(np.searchsorted(self._totals, unread), minlength=size)
        self._convert(block.cells)
        places = {"record_number": numbers, "stretch": stretches, "is_aside": is_aside}
        is_repeat = {f"repeats_{name}": np.isin(numbers, known) for name, known in self._repeats.items()}
        self._sandbox.register("places", pa.table(places | is_repeat))
        for one in self._columns:
            value = one.field.part("value")
            for stretch, aside, repeat, currency, total in self._sandbox.rows(
                f"select stretch, is_aside, repeats_{one.entity}, {one.currency}, "
                f"sum(cast({value} as decimal(38, 4))) "
                f"from converted join places using (record_number) where {value} is not null group by all"
            ):
                known = self.sums[one.scope, stretch].setdefault(currency, _Sum())
                if aside:
                    known.aside += total
                elif repeat:
                    known.repeats += total
                else:
                    known.sound += total

    def stated(self) -> dict[tuple[int, str], Decimal]:
        """Return the numbers of the rows of totals, by their number and scope."""
        width = len(self._plan.header)
        texts = {
            f"c{place}": pa.array([one.cells[place] for one in self._rows], pa.string())
            for place in range(width)
        }
        self._convert(pa.table({"record_number": self._totals, **texts}))
        return {
            (number, one.scope): value
            for one in self._columns
            for number, value in self._sandbox.rows(
                f"select record_number, cast({one.field.part('value')} as decimal(38, 4)) from converted "
                f"where {one.field.part('value')} is not null"
            )
        }

    def _convert(self, cells: pa.Table) -> None:
        self._sandbox.register("cells", cells)
        for sql in (self._statements.texts, self._statements.converted):
            self._sandbox.rows(sql, **self._plan.bindings.used_in(sql))


def _numbers_of(plan: MappingPlan, columns: list[_Column]) -> MappingPlan:
    """Return the plan with nothing but those columns and their currencies."""
    keys = {one.field.key for one in columns}
    targets = []
    for planned in plan.targets:
        fields = {name: one for name, one in planned.fields.items() if one.key in keys or name == "currency"}
        if planned.entity.name != "exchange_rates":
            targets.append(replace(planned, target=replace(planned.target, when=()), fields=fields))
    return replace(plan, targets=tuple(targets))


def _coverage(
    rows: list[TotalRow], sound_counts: np.ndarray[tuple[int], np.dtype[np.int64]], *, is_grouped: bool
) -> list[_Covered | None]:
    """Return what each row of totals adds up, where that is known."""
    is_followed = np.cumsum(sound_counts[::-1])[::-1][1:] > 0
    between = {one.kind for one, followed in zip(rows, is_followed, strict=True) if followed}
    last_at: dict[tuple[bool, int], int] = {}
    covered: list[_Covered | None] = []
    for index, one in enumerate(rows):
        is_count = one.kind == "count"
        if not is_followed[index] and (
            one.kind == "grand" or (one.kind in ("total", "count") and one.kind not in between)
        ):
            covered.append(_Covered(0, is_group=False))
        elif is_grouped and one.kind != "grand":
            before = [at for (kind, place), at in last_at.items() if kind == is_count and place <= one.place]
            covered.append(_Covered(max(before, default=-1) + 1, is_group=True))
        else:
            covered.append(None)
        last_at[is_count, one.place] = index
    return covered


class _Comparison:
    """Sets the rows of totals beside the sums."""

    def __init__(
        self,
        plan: MappingPlan,
        rows: list[TotalRow],
        columns: list[_Column],
        covered: list[_Covered | None],
        adding: _Adding,
    ) -> None:
        self._plan, self._rows, self._columns = plan, rows, columns
        self._covered, self._adding = covered, adding
        self._controls: list[Control] = []
        self._of_groups: dict[str, list[list[Control]]] = defaultdict(list)
        self._not_compared: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], int] = {}

    def compare(self, theirs: Mapping[tuple[int, str], Decimal]) -> tuple[list[Control], list[Issue]]:
        """Return the controls, and what could not be compared."""
        by_place = {one.place: one for one in self._columns}
        for index, row in enumerate(self._rows):
            places = [
                place
                for place, text in enumerate(row.cells)
                if place != row.place and is_number(text) and place < len(self._plan.header)
            ]
            stated = stated_count(row, list(by_place))
            covered = self._covered[index]
            if covered is None:
                if places or stated is not None:
                    self._pass_over("", _NO_GROUPS, row)
                continue
            if stated is not None:
                self._count(row, covered, index, stated)
            if row.kind == "count":
                if places and stated is None:
                    self._pass_over("", _NO_COUNT, row)
                continue
            for place in places:
                column = by_place.get(place)
                name = self._plan.header[place]
                if column is None:
                    self._pass_over(name, _NOT_READ, row)
                elif (row.number, column.scope) not in theirs:
                    self._pass_over(name, _NO_NUMBER, row)
                else:
                    self._sum(row, covered, index, column, theirs[row.number, column.scope])
        return self._controls + self._group_controls(), self._issues()

    def _count(self, row: TotalRow, covered: _Covered, index: int, stated: int) -> None:
        ours = int(self._adding.counts[covered.first : index + 1].sum())
        self._note(RECORDS, row, covered, Decimal(stated), _Sum(Decimal(ours)))

    def _sum(self, row: TotalRow, covered: _Covered, index: int, column: _Column, theirs: Decimal) -> None:
        added: dict[str, _Sum] = {}
        for stretch in range(covered.first, index + 1):
            for currency, part in self._adding.sums.get((column.scope, stretch), {}).items():
                total = added.setdefault(currency, _Sum())
                total.sound += part.sound
                total.aside += part.aside
                total.repeats += part.repeats
        if len(added) > 1:
            self._pass_over(self._plan.header[column.place], _CURRENCIES, row)
            return
        ours = next(iter(added.values()), _Sum())
        self._note(column.scope, row, covered, theirs, ours)

    def _note(self, scope: str, row: TotalRow, covered: _Covered, theirs: Decimal, ours: _Sum) -> None:
        name = "group_total" if covered.is_group else "total"
        control = Control(name, scope, f"record {row.number}", theirs, ours.sound)
        told = control.with_added(quarantine=ours.aside, repeats=ours.repeats)
        if scope == RECORDS and not covered.is_group:
            self._controls.append(replace(control, control=RECORDS, scope="file"))
        elif covered.is_group:
            self._of_groups[scope].append(told)
        else:
            self._controls += told

    def _group_controls(self) -> list[Control]:
        """Return how many groups agree, and those that differ most."""
        told = []
        for scope, groups in self._of_groups.items():
            differing = [one for one in groups if one[0].difference]
            agreeing = Decimal(len(groups) - len(differing))
            told.append(Control("groups_agreeing", scope, "", Decimal(len(groups)), agreeing))
            worst = sorted(differing, key=lambda one: -abs(one[0].difference))[:LISTED_GROUPS]
            for controls in worst:
                told += controls
        return told

    def _pass_over(self, column: str, reason: str, row: TotalRow) -> None:
        self._not_compared[column, reason] += 1
        self._first.setdefault((column, reason), row.number)

    def _issues(self) -> list[Issue]:
        return [
            Issue(
                "total_not_compared",
                column,
                f"{reason}; first in record {self._first[column, reason]}",
                count,
            )
            for (column, reason), count in self._not_compared.items()
        ]
