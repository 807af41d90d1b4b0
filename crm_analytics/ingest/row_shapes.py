"""How do records lie in a file that is no plain table?  Cells filled from above, subtotals left out.

Shopify, Odoo and grouped reports write what lines have in common on the first line only; reports put
subtotals and headings of groups between the records. Here a block of cells becomes plain records. What
the last record said is carried into the next block. A record that could not be read breaks the chain:
nothing is filled across it from a group that nobody knows.
"""

from __future__ import annotations

import re

import pyarrow as pa

from crm_analytics.ingest.cleaning import cleaned
from crm_analytics.ingest.planning import Cells, MappingPlan
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.letters import fold_letters
from crm_analytics.normalise.total_words import count_units
from crm_analytics.warehouse import Sandbox

_UNIT = "|".join(sorted(map(re.escape, count_units()), key=len, reverse=True))
_NUMBER = r"(?<![\d.,])(\d[\d,.٬]*)"
_COUNT = re.compile(rf"\({_NUMBER} (?:{_UNIT})\)|{_NUMBER} +(?:{_UNIT})\W*$", re.IGNORECASE)
_AFTER = r"[^\p{L}]*(\([^()]*\))?[^\p{L}]*"


def footer_count(text: str) -> int | None:
    """Return the number of records that a footer states, if it does.

    Examples
    --------
    >>> footer_count("Grand Totals (1,204 records)"), footer_count("Total")
    (1204, None)
    >>> footer_count("تعداد کل: ۲ نفر"), footer_count("Total: 12")
    (2, None)
    """
    found = _COUNT.search(fold_digits(text))
    return int(re.sub("[,.٬]", "", found[1] or found[2])) if found else None


class RowShapes:
    """Turns the blocks of one delivery into plain records, in their order.

    Parameters
    ----------
    plan : MappingPlan
        Of the delivery.
    sandbox : Sandbox
        Where the work is done.
    """

    def __init__(self, plan: MappingPlan, sandbox: Sandbox) -> None:
        rows = plan.profile.rows
        self._sandbox = sandbox
        self._bindings = plan.bindings
        self._cells = Cells(plan)
        self._names = [f"c{place}" for place in range(len(plan.header))]
        self._by = [plan.places[one] for one in rows.fill_by if one in plan.places]
        filled = (*rows.fill_columns, *rows.fill_by)
        self._fill = {plan.places[one] for one in filled if one in plan.places}
        self._leading = rows.fill_leading
        self._ignored = self._ignored_sql(plan) if rows.ignore else "false"
        self._carried: pa.Table | None = None
        self._seen = 0
        self.ignored_count = 0
        self.first_ignored: int | None = None

    @property
    def is_plain(self) -> bool:
        """Is there nothing to do?"""
        return not self._fill and self._ignored == "false"

    def apply(self, cells: pa.Table) -> tuple[pa.Table, pa.Table]:
        """Return the cells of the rows of a block that are no records, and of the others."""
        sandbox = self._sandbox
        sandbox.register("delivered", cells)
        parameters = self._bindings.used_in(self._ignored)
        # `gaps` counts the records before this one that could not be read.
        sandbox.rows(
            "create or replace temp table numbered as select *, "
            f"record_number - ({self._seen} + row_number() over (order by record_number)) as gaps, "
            f"coalesce({self._ignored}, false) as is_ignored from delivered",
            **parameters,
        )
        self._seen += cells.num_rows
        cells_of = f"select record_number, {', '.join(self._names)} from"
        ignored = sandbox.arrow(f"{cells_of} numbered where is_ignored order by record_number")
        self.ignored_count += ignored.num_rows
        if ignored.num_rows and self.first_ignored is None:
            self.first_ignored = ignored["record_number"][0].as_py()
        sandbox.rows(self._filled())
        if self._fill:
            last = sandbox.arrow("select * from filled order by record_number desc limit 1")
            self._carried = last if last.num_rows else self._carried
        records = sandbox.arrow(f"{cells_of} filled where not is_carried order by record_number")
        return ignored, records

    def _filled(self) -> str:
        names = ", ".join(self._names)
        if not self._fill:
            return (
                "create or replace temp table filled as "
                f"select record_number, {names}, gaps, false as is_carried from numbered where not is_ignored"
            )
        carried = ""
        if self._carried is not None:
            self._sandbox.register("carried", self._carried)
            carried = f" union all select record_number, {names}, gaps, true as is_carried from carried"
        keys = [f"nullif(trim(c{place}), '')" for place in self._by]
        window = "(order by record_number rows between unbounded preceding and 1 preceding)"
        # A new group begins where a key changes; a blank key after a gap belongs to nobody knows whom.
        # Without a key, everything up to a gap is one group.
        is_start = "gaps <> lag(gaps) over (order by record_number)"
        is_start += f" and {keys[0]} is null" if keys else ""
        for key in keys:
            known = f"last_value({key} ignore nulls) over {window}"
            is_start += f" or ({key} is not null and {key} is distinct from {known})"
        within = "(partition by part order by record_number rows between unbounded preceding and current row)"
        columns = []
        for place, name in enumerate(self._names):
            filled = f"last_value(nullif(trim({name}), '') ignore nulls) over {within}"
            if place in self._fill and self._leading and place:
                # Reports are grouped by their first columns: a blank to the right of something told is blank.
                left = ", ".join(f"nullif(trim({one}), '')" for one in self._names[:place])
                filled = f"case when coalesce({left}) is null then {filled} else {name} end"
            columns.append(f"{filled} as {name}" if place in self._fill else name)
        return (
            "create or replace temp table filled as "
            f"with listed as (select record_number, {names}, gaps, false as is_carried from numbered "
            f"where not is_ignored{carried}), "
            f"marked as (select *, coalesce({is_start}, false) as is_start from listed), "
            "parted as (select *, count(*) filter (is_start) over (order by record_number) as part "
            "from marked) "
            f"select record_number, {', '.join(columns)}, gaps, is_carried from parted"
        )

    def _ignored_sql(self, plan: MappingPlan) -> str:
        first = f"coalesce({', '.join(f'nullif(trim({name}), $empty)' for name in self._names)})".replace(
            "$empty", "''"
        )
        texts, patterns = [], []
        for one in plan.profile.rows.ignore:
            if one.startswith("/"):
                patterns.append(self._bindings.add(one[1:-1]))
            else:
                texts.append(self._bindings.add("(?i)" + re.escape(fold_letters(one)) + _AFTER))
        matches = [f"regexp_full_match({cleaned(first, 'fold_letters')}, {text})" for text in texts]
        required = [
            source
            for name in plan.targets[0].required
            for source in plan.targets[0].fields[name].rule.sources
        ]
        blank = " or ".join(f"{self._cells.cell(source)} is null" for source in required) or "false"
        matches += [f"(regexp_full_match({first}, {pattern}) and ({blank}))" for pattern in patterns]
        return " or ".join(matches)
