"""May these values become a record?  Checked against the schema, all problems reported at once.

Nothing is coerced silently. Money and rates are Decimal, int or text ("19.99"), never float; whole
numbers are int; dates are `datetime.date` or ISO text; moments are `datetime` with a time zone or
ISO text with an offset. Error texts show values only of columns whose privacy tag is ``none``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from crm_analytics.errors import RecordInvalid, UsageError
from crm_analytics.records.tables import LOOKED_UP_BY, decimal_digits
from crm_analytics.schema import Column, Entity
from crm_analytics.vocabulary import WORDS

MAX_TEXT_LENGTH = 1_000_000
# Ids and what is looked up by stand in indexes; PostgreSQL takes 2,704 bytes there.
MAX_ID_LENGTH = 500
_INDEXED = frozenset({"source_id", *LOOKED_UP_BY})
# How a column may be called; anything else (an address, a number) may be a value in the place of a name.
_NAME = re.compile(r"[^\W\d][\w -]{0,59}")
MAX_PROBLEMS_SHOWN = 50
_LARGEST_INTEGER = 2**63 - 1
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_DECIMAL_TEXT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DATE_TEXT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT_TEXT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)


class _Problem(Exception):
    """One value is wrong; the text says how, without the value."""


def checked(entity: Entity, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the good values in their exact Python types, and the problems of the others.

    Examples
    --------
    >>> from crm_analytics.schema import entity
    >>> good, problems = checked(entity("tasks"), {"status": "opne", "due_on": "2024-05-01"})
    >>> good, problems
    ({'due_on': datetime.date(2024, 5, 1)},
     ["status: 'opne' is not one of open, done, dropped. Did you mean 'open'?"])
    """
    good: dict[str, Any] = {}
    problems: list[str] = []
    known = entity.by_name
    for name, value in values.items():
        column = known.get(name)
        if column is None:
            shown = repr(name) if _NAME.fullmatch(str(name)) else "a name that is none"
            problems.append(f"{shown} is no column of {entity.name}.{nearest(name, known)}")
            continue
        try:
            good[name] = None if value is None else _CHECKS[column.type](column, value)
        except _Problem as problem:
            problems.append(f"{name}: {problem}")
    return good, problems


def missing(entity: Entity, values: Mapping[str, Any]) -> list[str]:
    """Return a problem for every required column that is absent or empty.

    Examples
    --------
    >>> from crm_analytics.schema import entity
    >>> missing(entity("contracts"), {"source_id": "K1", "started_on": None})
    ['customer_source_id: required, but missing', 'started_on: required, but missing']
    """
    return [f"{name}: required, but missing" for name in entity.required_names if values.get(name) is None]


def refuse(entity: Entity, problems: list[str]) -> None:
    """Raise RecordInvalid that lists the problems; do nothing when there are none."""
    if problems:
        shown = "".join(f"\n  - {problem}" for problem in problems[:MAX_PROBLEMS_SHOWN])
        if len(problems) > MAX_PROBLEMS_SHOWN:
            shown += f"\n  and {len(problems) - MAX_PROBLEMS_SHOWN:,} more; all of them: error.problems"
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        raise RecordInvalid(f"{entity.name}: {count}; nothing was written.{shown}", problems)


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a sentence that suggests the nearest known name, or an empty text.

    Examples
    --------
    >>> nearest("emial", ["email", "phone"])
    " Did you mean 'email'?"
    """
    found = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def moment(value: date | datetime) -> datetime:
    """Return the moment that ``as_of`` cuts at, in UTC; a date means its midnight in UTC.

    Examples
    --------
    >>> moment(date(2024, 5, 1))
    datetime.datetime(2024, 5, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise UsageError(f"as_of={value.isoformat()} has no time zone. Add one, e.g. tzinfo=UTC.")
        try:
            return value.astimezone(UTC)
        except OverflowError:
            raise UsageError(f"as_of={value.isoformat()} lies outside the years 1 to 9999 in UTC.") from None
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise UsageError(f"as_of must be a date or a datetime, not {type(value).__name__}.")


def _shown(column: Column, value: Any) -> str:
    """Name a wrong value: as it is where it tells nothing of a person, else by its type."""
    if column.privacy == "none":
        try:
            text = repr(value)
        except ValueError:  # an int of more digits than Python writes
            text = "a number of thousands of digits"
        if column.shows(text.strip("'\"")) or not isinstance(value, str):
            return text if len(text) <= 80 else f"{text[:77]}..."
    return f"the {type(value).__name__} given"


def _text(column: Column, value: Any) -> str:
    if not isinstance(value, str):
        raise _Problem(f"text expected, got {_shown(column, value)} ({type(value).__name__})")
    text = str.__str__(value)
    if len(text) > MAX_TEXT_LENGTH:
        raise _Problem(f"{len(text):,} characters, at most {MAX_TEXT_LENGTH:,} are allowed")
    if len(text) > MAX_ID_LENGTH and (column.refers or column.name in _INDEXED):
        raise _Problem(
            f"{len(text):,} characters, at most {MAX_ID_LENGTH} are allowed in what is looked up by"
        )
    if _NOT_TEXT.search(text):
        raise _Problem("holds a NUL or half a surrogate pair, which no database keeps")
    if column.required and not text.strip():
        raise _Problem("required, but blank")
    if column.words is not None and text not in WORDS[column.words]:
        words = WORDS[column.words]
        raise _Problem(f"{_shown(column, text)} is not one of {', '.join(words)}.{nearest(text, words)}")
    return text


def _currency(column: Column, value: Any) -> str:
    text = _text(column, value)
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise _Problem(f"{_shown(column, text)} is no ISO 4217 code; write three capital letters, e.g. 'EUR'")
    return text


def _integer(column: Column, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Problem(f"whole number expected, got {_shown(column, value)} ({type(value).__name__})")
    if abs(value) > _LARGEST_INTEGER:
        raise _Problem("does not fit 64 bits")
    return int(value)


def _boolean(column: Column, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Problem(f"True or False expected, got {_shown(column, value)} ({type(value).__name__})")
    return value


def _decimal(column: Column, value: Any) -> Decimal:
    if isinstance(value, float):
        raise _Problem(
            f"{_shown(column, value)} is a float, which cannot hold money exactly; "
            "use Decimal('19.99'), an int or text"
        )
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        raise _Problem(f"Decimal, int or text expected, got {type(value).__name__}")
    if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
        raise _Problem(f"{_shown(column, value)} is no decimal number; write it like '1234.50'")
    number = Decimal(value)
    digits = decimal_digits(column)
    assert digits is not None
    precision, scale = digits
    if not number.is_finite():
        raise _Problem(f"{_shown(column, value)} is not a finite number")
    if number and number.adjusted() >= precision - scale:
        raise _Problem(f"{_shown(column, value)} has more than {precision - scale} digits before the point")
    quantized = number.quantize(Decimal(1).scaleb(-scale))
    if quantized != number:
        raise _Problem(f"{_shown(column, value)} has more than {scale} decimal places; round it first")
    return quantized


def _date(column: Column, value: Any) -> date:
    if isinstance(value, datetime) or not isinstance(value, (date, str)):
        raise _Problem(f"date expected, got {_shown(column, value)} ({type(value).__name__})")
    if isinstance(value, date):
        return value
    try:
        if not _DATE_TEXT.fullmatch(value):
            raise ValueError(value)
        return date.fromisoformat(value)
    except ValueError:
        raise _Problem(f"{_shown(column, value)} is no date; write it like '2024-05-01'") from None


def _timestamp(column: Column, value: Any) -> datetime:
    if type(value) is datetime and value.tzinfo is UTC:
        return value
    if isinstance(value, str):
        try:
            if not _MOMENT_TEXT.fullmatch(value):
                raise ValueError(value)
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise _Problem(
                f"{_shown(column, value)} is no moment; write it like '2024-05-01T09:30:00+00:00'"
            ) from None
    elif isinstance(value, datetime) and value == value:  # NaT is a datetime that is not itself
        parsed = value
    else:
        raise _Problem(f"datetime expected, got {_shown(column, value)} ({type(value).__name__})")
    if getattr(parsed, "nanosecond", 0):
        raise _Problem("is finer than a microsecond; round it first")
    if parsed.tzinfo is None:
        raise _Problem("has no time zone; add one, e.g. tzinfo=UTC or '+00:00'")
    try:
        in_utc = parsed.astimezone(UTC)
    except OverflowError:
        raise _Problem("lies outside the years 1 to 9999") from None
    return datetime(*in_utc.timetuple()[:6], in_utc.microsecond, tzinfo=UTC)


_CHECKS: dict[str, Callable[[Column, Any], Any]] = {
    "TEXT": _text,
    "CURRENCY": _currency,
    "BIGINT": _integer,
    "BOOLEAN": _boolean,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
    "MONEY": _decimal,
    "QUANTITY": _decimal,
    "DECIMAL(9,4)": _decimal,
    "DECIMAL(9,6)": _decimal,
    "RATE": _decimal,
}
