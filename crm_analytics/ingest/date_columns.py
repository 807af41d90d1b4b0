"""Which calendar are the dates of a column written in, and in a form that somebody declared?

Both are asked of a whole column, never of one value: a Jalali-looking date in a Gregorian column is a fault,
and a column of 01/02/2024 is refused until somebody says what comes first. The first block with dates
decides; when all blocks have passed, the counts of the whole file say whether it decided well.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.conversions import Field, ascii_text
from crm_analytics.ingest.converted_sql import is_read_date
from crm_analytics.ingest.dates import gregorian_day, jalali_local, may_be_jalali
from crm_analytics.ingest.options import option
from crm_analytics.ingest.planning import MappingPlan
from crm_analytics.ingest.profile import Calendar
from crm_analytics.normalise.digits import fold_digits

# Runs a statement over the tables `texts` and `converted`, with the values it names.
Run = Callable[[str], list[tuple[Any, ...]]]

# So many dates of a column, all in a form that nobody declared, refuse a file before it is read to its end.
CERTAIN_DATES = 1_000

# Ordinary ways to write a day that are not ISO, and what to do about a whole column of them. "{form}"
# stands for the forms that its dates allow, with their own mark.
_DAY_OR_MONTH = r"(0?[1-9]|1[0-2])[/.-](0?[1-9]|1[0-2])[/.-](\d{4}|\d{2})([ ,].*)?"
_DAY_AND_MONTH = r"\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})([ ,].*)?"
_DAY_FIRST = r"(1[3-9]|2\d|3[01])[/.-]\d{1,2}[/.-].*"
_MONTH_FIRST = r"\d{1,2}[/.-](1[3-9]|2\d|3[01])[/.-].*"
_YEAR_FIRST = r"\d{4}[/.]\d{1,2}[/.]\d{1,2}( .*)?"
_UNDECLARED = {
    _DAY_OR_MONTH: ("ambiguous_date", "every date reads as day/month and as month/day. Say {form}"),
    _DAY_AND_MONTH: ("bad_date", "the dates are not ISO 8601. Say how they are written: {form}"),
    _YEAR_FIRST: ("bad_date", "the dates are not ISO 8601. Say {form}"),
    r"\d{8}": ("bad_date", f"these look like dates without marks. Say {option('date_format', '%Y%m%d')}"),
    r"\d{5}(\.\d+)?": (
        "bad_date",
        f"these look like Excel serial numbers, not dates. Say {option('date_format', 'excel')}, or export "
        "ISO dates",
    ),
    r"\d{10}(\.\d+)?": (
        "bad_date",
        f"these look like seconds since 1970. Say {option('date_format', 'epoch')}",
    ),
    r"\d{13}": (
        "bad_date",
        f"these look like milliseconds since 1970. Say {option('date_format', 'epoch_ms')}",
    ),
}


@dataclass
class _DateCounts:
    """What the texts of one date column look like, over all blocks."""

    texts: int = 0
    jalali: int = 0
    gregorian: int = 0
    example: str | None = None


class DateColumns:
    """What is known of the date columns of a delivery so far."""

    def __init__(self, plan: MappingPlan) -> None:
        self._seen = {one.key: _DateCounts() for one in plan.fields if is_read_date(one)}
        self._undeclared: dict[tuple[str, str], int] = defaultdict(int)

    def add(self, one: Field, count: int) -> None:
        """Count dates that were read in the field's calendar."""
        seen = self._seen[one.key]
        seen.texts += count
        if one.calendar == "jalali":
            seen.jalali += count
        else:
            seen.gregorian += count

    def look(self, plan: MappingPlan, counts: Mapping[str, int], run: Run) -> dict[str, Calendar]:
        """Count what the dates of a block look like; return calendars that are to be changed."""
        changed: dict[str, Calendar] = {}
        for one in plan.fields:
            if one.key not in self._seen:
                continue
            seen = self._seen[one.key]
            is_first = seen.texts == 0
            texts, bad = counts[f"{one.key} texts"], counts[f"{one.key} bad"]
            if not bad:
                self.add(one, texts)
                continue
            [(jalali, gregorian, example)] = run(
                f"select count({jalali_local(one)}), count({gregorian_day(one)}), min({one.text}) from texts"
            )
            seen.texts += texts
            seen.jalali += jalali
            seen.gregorian += gregorian
            seen.example = seen.example or example
            if is_first and may_be_jalali(one) and one.key not in plan.calendars and jalali > gregorian:
                changed[one.key] = "jalali"
            elif one.calendar == "gregorian":
                self._count_undeclared(one, run)
        return changed

    def _count_undeclared(self, one: Field, run: Run) -> None:
        for pattern in (*_UNDECLARED, _DAY_FIRST, _MONTH_FIRST):
            matching = f"regexp_full_match({ascii_text(one.text)}, {one.bindings.add(pattern)})"
            [(count,)] = run(
                f"select count(*) filter ({matching}) from texts join converted using (record_number) "
                f"where {one.part('fault')} in ('bad_date', 'date_out_of_range')"
            )
            self._undeclared[one.key, pattern] += count

    def refuse_undeclared(self, plan: MappingPlan, least: int) -> None:
        """Refuse a file with `least` dates or more in a column, all in a form that nobody declared."""
        for (key, pattern), matching in self._undeclared.items():
            seen = self._seen[key]
            if pattern not in _UNDECLARED or seen.texts < least or matching < seen.texts:
                continue
            reason, advice = _UNDECLARED[pattern]
            [one] = [field for field in plan.fields if field.key == key]
            there = [plan.header[plan.places[name]] for name in one.rule.sources if name in plan.places]
            source = ", ".join(there)
            is_open = plan.show_values or one.column.shows(seen.example or "")
            shown = f" (for example {seen.example!r})" if is_open else ""
            raise FileRefused(
                f"{plan.file}: column {source!r}: {advice.format(form=self._form(key, pattern))}{shown}.",
                file=plan.file,
                reason=reason,
                column=source,
            )

    def _form(self, key: str, pattern: str) -> str:
        """Return the option that reads a column's dates: their own mark, and the order that they prove."""
        example = self._seen[key].example or ""
        marks = re.findall("[/.-]", fold_digits(example))
        mark, short = (
            (marks or ["/"])[0],
            re.fullmatch(r"\d{1,2}[/.-]\d{1,2}[/.-]\d{2}([ ,].*)?", fold_digits(example)),
        )
        year = "%y" if short else "%Y"
        forms = [f"%d{mark}%m{mark}{year}", f"%m{mark}%d{mark}{year}"]
        is_day_first, is_month_first = (self._undeclared[key, one] > 0 for one in (_DAY_FIRST, _MONTH_FIRST))
        if pattern == _YEAR_FIRST:
            forms = [f"%Y{mark}%m{mark}%d"]
        elif is_day_first != is_month_first:
            forms = forms[:1] if is_day_first else forms[1:]
        if short:
            forms.append(f"%y{mark}%m{mark}%d")
        times = " (a time of day may follow: 14:30, 14:30:05 or 2:30 PM)" if ":" in example else ""
        return f"{option('date_format', *forms)}{times}"

    def better_plan(self, plan: MappingPlan) -> MappingPlan | None:
        """Return the plan with other calendars, where most dates of a column proved to be of the other."""
        wrong: dict[str, Calendar] = {}
        for one in plan.fields:
            seen = self._seen.get(one.key)
            if seen is None or not may_be_jalali(one):
                continue
            better: Calendar = "jalali" if seen.jalali > seen.gregorian else "gregorian"
            if better != one.calendar and seen.jalali != seen.gregorian:
                wrong[one.key] = better
        if not wrong:
            return None
        decided = {one.key: one.calendar for one in plan.fields if one.key in self._seen}
        return plan.with_calendars(decided | wrong)

    def jalali_columns(self, plan: MappingPlan) -> Iterator[tuple[str, str, int]]:
        """Yield the columns whose dates were taken for Jalali: column, what is to be said, how many."""
        for one in plan.fields:
            if one.calendar == "jalali" and one.key in self._seen and may_be_jalali(one):
                seen = self._seen[one.key]
                detail = f"the dates are Jalali and were read as such; {option('calendar')} says otherwise"
                yield one.column.name, detail, seen.jalali
