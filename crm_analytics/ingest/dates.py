"""Which moment does a text name?  SQL of days and times, in both calendars.

Dates are ISO 8601 unless a format is declared; a Jalali date is year, month, day (``1403/05/12``) or has
the month in words. Days lie between 1990 and the day of receipt. Times without an offset are local; what
has an offset or counts from an epoch is exact. Which calendar a column is written in is decided for the
whole column (`crm_analytics.ingest.mapping`), never for one value.
"""

from __future__ import annotations

import re
from dataclasses import replace

from crm_analytics.ingest.conversions import Conversion, Field, ascii_text, no_formula
from crm_analytics.ingest.profile import EPOCH, EPOCH_MS, EXCEL, EXCEL_1904, ISO
from crm_analytics.normalise.calendar import FIRST_YEAR, LAST_YEAR, MONTHS, NEW_YEAR_DAYS
from crm_analytics.normalise.letters import LETTERS

FIRST_DAY = "1990-01-01"
FIRST_DAY_OF_BIRTH = "1900-01-01"
LAST_DAY_AHEAD = "2200-01-01"

# Days that may lie ahead of the day of receipt: plans and terms.
_MAY_LIE_AHEAD = {"cancelled_on", "due_on", "ended_on", "ends_on", "expected_close_on", "started_on"}

_DAY = r"\d{4}-\d{2}-\d{2}"
_TIME = r"[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_OFFSET = r" ?(Z|z|[+-]\d{2}(:?\d{2})?)"

# How a time may follow a day whose form was declared without one.
_TIMES = (
    *(f"{mark}{time}" for mark in (" ", ", ") for time in ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")),
    *(" %I:%M%p", " %I:%M:%S%p"),
)

_CLOCK = r"(?:[T ,\x{060C}-]+(\d{1,2}:\d{2}(?::\d{2})?))?"
_YEAR_FIRST = rf"'^(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}$'"
_IN_WORDS = rf"'^(\d{{1,2}}) (\p{{L}}+) (\d{{4}}){_CLOCK}$'"
# Code of strptime -> part of a date, and how it is written.
_CODES = {
    "Y": ("y", r"(\d{4})"),
    "y": ("short", r"(\d{2})"),
    "m": ("m", r"(\d{1,2})"),
    "d": ("d", r"(\d{1,2})"),
    "B": ("m", r"(\p{L}+)"),
    "b": ("m", r"(\p{L}+)"),
    "H": ("hour", r"(\d{1,2})"),
    "M": ("minute", r"(\d{2})"),
    "S": ("second", r"(\d{2})"),
}
_FOLDED = {one: other for one, other in LETTERS.items() if other}
_MONTH_NUMBERS = " ".join(f"when '{name}' then {number}" for name, number in MONTHS.items())
# Within the years of the table a leap year is one whose 8 * year + 29 leaves less than 8 over 33 (tested).
_BEFORE_YEAR_0 = NEW_YEAR_DAYS[0] - 365 * FIRST_YEAR - (8 * FIRST_YEAR + 21) // 33
_NEW_YEAR = f"{_BEFORE_YEAR_0} + 365 * f.year + (8 * f.year + 21) // 33"


def convert_date(field: Field) -> Conversion:
    """Days and times; exact instants where an offset is given, else local to the zone."""
    name, local, offset, odd = field.text, field.part("local"), field.part("offset"), field.part("odd")
    is_date = field.column.type == "DATE"
    text = name if field.facts.is_ascii else field.part("ascii")
    parts = _parts(field, text)
    is_translated = text != name and any(text in sql for sql in parts.values())
    zone = "$zone"
    if field.dialect.timezone is not None and not field.rule.day:
        # A day without a time is a day of the company, whatever zone the file's times are in.
        parts["dateless"] = _dateless(field)
        zone = f"case when {field.part('dateless')} then $home_zone else $zone end"
    has_offset = "offset" in parts
    instant = f"timezone({zone}, {local})"
    if has_offset:
        exact = f"timezone('UTC', {local} - to_minutes({offset}))"
        instant = f"case when {offset} is null then {instant} else {exact} end"
    if field.rule.day:
        instant = f"timezone($home_zone, date_trunc('day', {local}))"
    # A day that was stored as midnight of some zone is that day, wherever it is read.
    day = f"cast({local} as date)"
    if has_offset and not field.rule.day:
        unmoved = f"{offset} is null" + (f" or {local} = date_trunc('day', {local})" if is_date else "")
        day = f"cast(case when {unmoved} then {local} else timezone($zone, {instant}) end as date)"
    value = _later(field, day if is_date else instant)
    first = FIRST_DAY_OF_BIRTH if field.column.name == "birth_on" else FIRST_DAY
    late = (
        f"{day} > date '{LAST_DAY_AHEAD}' then 'date_out_of_range'"
        if field.column.name in _MAY_LIE_AHEAD
        else f"{day} > $received_on then 'future_date'"
    )
    fault = (
        f"case {no_formula(field)}when {name} is not null and {local} is null then 'bad_date' "
        f"when {day} < date '{first}' then 'date_out_of_range' when {late} "
        f"when {f'{offset} is null' if has_offset else 'true'} then {odd} end"
    )
    return Conversion(
        value,
        fault,
        plain={"ascii": ascii_text(name)} if is_translated else {},
        parts=parts,
        is_date=True,
        is_time=not is_date and not field.rule.day,
        lookup=jalali_local(field) if field.calendar == "jalali" else None,
    )


def _later(field: Field, value: str) -> str:
    """Return SQL of a date after what the rule adds to it."""
    rule = field.rule
    if rule.plus_months is not None:
        months = field.part("months")
        count = f"case when regexp_full_match({months}, '\\d{{1,3}}(\\.0+)?') then {months} end"
        value = f"{value} + to_months(cast(cast({count} as decimal(9, 1)) as integer))"
    if rule.plus_minutes is not None:
        minutes = field.part("minutes")
        count = f"case when regexp_full_match({minutes}, '\\d{{1,7}}(\\.\\d{{1,4}})?') then {minutes} end"
        value = f"{value} + to_seconds(cast(cast({count} as decimal(18, 4)) * 60 as bigint))"
    if rule.plus_days:
        value = f"{value} + to_days({rule.plus_days})"
    return f"cast({value} as {field.column.sql_type})" if value else value


def _dateless(field: Field) -> str:
    """Return SQL that is true where the text has a day and no time."""
    if field.facts.iso is not None:
        return "true" if field.facts.iso == "day" else "false"
    is_number = f"regexp_full_match({field.text}, '\\d{{9,}}|\\d+\\.\\d+')"
    return f"not contains({field.text}, ':') and not {is_number}"


def formats_of(field: Field) -> tuple[str, ...]:
    """Return the forms in which a field's dates may be written, in the order in which they are tried."""
    dialect = (field.dialect.date_format,) if field.dialect.date_format is not None else ()
    formats = field.rule.date_format or dialect
    # What a workbook holds as a date is read as ISO, whatever its texts are like.
    is_text = all("%" in one for one in formats)
    return tuple(dict.fromkeys((*formats, ISO))) if is_text else formats


def with_times(date_format: str) -> tuple[str, ...]:
    """Return a form of strptime; where it names a day and no time, also with the times that may follow.

    An export writes some columns as days and others as days with a time, in one order and with one mark.

    Examples
    --------
    >>> with_times("%m/%d/%Y")[:4]
    ('%m/%d/%Y', '%m/%d/%Y %H:%M', '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %I:%M %p')
    >>> with_times("%d.%m.%Y %H:%M")
    ('%d.%m.%Y %H:%M',)
    """
    codes = set(re.findall("%-?(.)", date_format))
    return (date_format, *(f"{date_format}{time}" for time in _TIMES if codes.isdisjoint("HIMSfp")))


def may_be_jalali(field: Field) -> bool:
    """Is the calendar of the field told by its dates (and not by the profile or the form)?"""
    declared = field.rule.calendar or field.dialect.calendar
    return declared is None and all(
        one == ISO or ("%Y" in one and jalali_pattern(one) is not None) for one in formats_of(field)
    )


def jalali_local(field: Field) -> str:
    """Return SQL of the local time that a text names in the Jalali calendar, or NULL."""
    text = ascii_text(field.text)
    letters = f"translate({text}, '{''.join(_FOLDED)}', '{''.join(_FOLDED.values())}')"
    found = []
    for one in formats_of(field):
        if one == ISO:
            found.append(_jalali(text, _YEAR_FIRST, ("y", "m", "d", "t")))
            found.append(_jalali(letters, _IN_WORDS, ("d", "m", "y", "t")))
        elif "%" in one and (read := jalali_pattern(one)) is not None:
            pattern, names = read
            if "hour" not in names:
                pattern, names = f"{pattern[:-1]}{_CLOCK}$", (*names, "t")
            found.append(_jalali(letters, field.bindings.add(pattern), names))
    return f"coalesce({', '.join([*found, 'null'])})"


def gregorian_day(field: Field) -> str:
    """Return SQL of the local time that a text names in the Gregorian calendar since 1800, or NULL."""
    text = ascii_text(field.text)
    local = _parts(replace(field, calendar="gregorian"), text)["local"]
    slashed = f"try_strptime({text}, ['%Y/%m/%d', '%Y/%m/%d %H:%M', '%Y/%m/%d %H:%M:%S'])"
    return f"case when coalesce({local}, {slashed}) >= timestamp '1800-01-01' then 1 end"


def _parts(field: Field, text: str) -> dict[str, str]:
    """Return SQL of the local time and the offset that an ASCII text names."""
    if field.calendar == "jalali":
        return {}
    formats = formats_of(field)
    if field.facts.iso is not None and formats == (ISO,):
        return {"local": f"try_cast({field.text} as timestamp)"}
    if formats == (ISO,):
        return _iso(text)
    locals_: list[str] = []
    offsets: list[str] = []
    patterns = [form for one in formats if "%" in one for form in with_times(one)]
    for one in dict.fromkeys("%" if "%" in one else one for one in formats):
        if one == ISO:
            iso = _iso(text)
            locals_.append(iso["local"])
            offsets.append(iso["offset"])
        elif one == "%":
            locals_.append(f"try_strptime({text}, {field.bindings.add(patterns)})")
        else:
            locals_.append(_SPECIAL[one](text))
            if one in (EPOCH, EPOCH_MS):
                offsets.append(f"case when {locals_[-1]} is not null then 0 end")
    parts = {"local": locals_[0] if len(locals_) == 1 else f"coalesce({', '.join(locals_)})"}
    if offsets:
        parts["offset"] = f"cast(coalesce({', '.join(offsets)}, null) as bigint)"
    return parts


def _iso(text: str) -> dict[str, str]:
    is_zoned = f"regexp_full_match({text}, '{_DAY}{_TIME}{_OFFSET}')"
    told = f"regexp_extract({text}, '{_OFFSET}$', 1)"
    minutes = (
        f"(case when {told}[1] = '-' then -1 else 1 end) * (cast({told}[2:3] as bigint) * 60 "
        f"+ coalesce(try_cast(replace({told}[4:], ':', '') as bigint), 0))"
    )
    return {
        "local": (
            f"case when regexp_full_match({text}, '{_DAY}({_TIME})?') then try_cast({text} as timestamp) "
            f"when {is_zoned} then try_cast(regexp_replace({text}, '{_OFFSET}$', '') as timestamp) end"
        ),
        "offset": f"case when {is_zoned} then case when upper({told}) = 'Z' then 0 else {minutes} end end",
    }


def _epoch(text: str) -> str:
    """Seconds since 1970 in UTC."""
    is_count = f"regexp_full_match({text}, '-?\\d{{1,11}}(\\.\\d{{1,6}})?')"
    micros = f"cast(cast({text} as decimal(38, 6)) * 1000000 as bigint)"
    return f"case when {is_count} then make_timestamp({micros}) end"


def _epoch_ms(text: str) -> str:
    """Milliseconds since 1970 in UTC."""
    is_count = f"regexp_full_match({text}, '-?\\d{{1,14}}(\\.0+)?')"
    return (
        f"case when {is_count} then make_timestamp(cast(cast({text} as decimal(38, 3)) * 1000 as bigint)) end"
    )


def _excel(text: str) -> str:
    """Days since 1899-12-30, local; below 60 one more: Excel has a 29 February 1900 (60), which is none."""
    days = f"cast({text} as decimal(38, 10))"
    early = f"case when {days} < 60 then 1 else 0 end"
    seconds = f"cast(round({days} * 86400) as bigint)"
    moment = f"timestamp '1899-12-30' + to_days({early}) + to_seconds({seconds})"
    return f"case when {_is_serial(text)} and not ({days} >= 60 and {days} < 61) then {moment} end"


def _excel_1904(text: str) -> str:
    """Days since 1904-01-01, local (workbooks of old Macintosh Excel)."""
    seconds = f"cast(round(cast({text} as decimal(38, 10)) * 86400) as bigint)"
    return f"case when {_is_serial(text)} then timestamp '1904-01-01' + to_seconds({seconds}) end"


def _is_serial(text: str) -> str:
    return f"regexp_full_match({text}, '\\d{{1,6}}(\\.\\d{{1,12}})?')"


_SPECIAL = {EPOCH: _epoch, EPOCH_MS: _epoch_ms, EXCEL: _excel, EXCEL_1904: _excel_1904}


def jalali_pattern(date_format: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a regular expression for a pattern of strptime, and the names of its groups.

    None where the pattern has codes that a Jalali date cannot be read by.
    """
    pattern, names = "", []
    for literal, code in re.findall("([^%]+)|%-?(.)", date_format):
        if literal:
            pattern += re.escape(literal)
        elif code in _CODES:
            name, group = _CODES[code]
            pattern += group
            names.append(name)
        else:
            return None
    return f"^{pattern}$", tuple(names)


def _jalali(text: str, pattern: str, names: tuple[str, ...]) -> str:
    """Return SQL of the local time that a text names by a pattern whose groups are the named parts."""
    year = "try_cast(f.y as integer)" if "y" in names else "try_cast(f.short as integer)"
    if "short" in names:
        year = f"{year} + case when {year} < 50 then 1400 else 1300 end"
    month = f"coalesce(try_cast(f.m as integer), case lower(f.m) {_MONTH_NUMBERS} end)"
    before = "case when f.month <= 7 then (f.month - 1) * 31 else 186 + (f.month - 7) * 30 end"
    number = f"{_NEW_YEAR} + {before} + f.day - 1"
    is_day = (
        f"f.year between {FIRST_YEAR} and {LAST_YEAR} and f.month between 1 and 12 and f.day between 1 and "
        f"case when f.month <= 6 then 31 when f.month <= 11 or (8 * f.year + 29) % 33 < 8 then 30 else 29 end"
    )
    clock = "cast('00:00:00' as time)"
    if "t" in names:
        clock = "case when f.t = '' then time '00:00:00' else try_cast(f.t as time) end"
    elif "hour" in names:
        parts = [
            f"try_cast(f.{one} as integer)" if one in names else "0" for one in ("hour", "minute", "second")
        ]
        is_clock = f"{parts[0]} < 24 and {parts[1]} < 60 and {parts[2]} < 60"
        clock = f"case when {is_clock} then make_time({', '.join(parts)}) end"
    # Each lambda names a value that is used several times, so that it is computed once.
    listed = ", ".join(f"'{name}'" for name in names)
    return (
        f"list_transform(list_transform([regexp_extract({text}, {pattern}, [{listed}])], lambda f: "
        f"{{'year': {year}, 'month': {month}, 'day': try_cast(f.d as integer), 'clock': {clock}}}), "
        f"lambda f: case when {is_day} then (date '1970-01-01' + {number}) + f.clock end)[1]"
    )
