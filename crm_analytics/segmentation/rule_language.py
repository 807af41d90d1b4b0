"""What does a rule say?  A small language over measures, read into a tree.

    days_since_last_order >= 90 and high_margin_share >= 0.5
    country in ('DE', 'AT') and not has_opted_out
    net_spend_365_days < net_spend_previous_365_days or satisfaction_rate is missing
    first_ordered_on between 2025-01-01 and 2025-03-31

In words: ``rule = term or term ...``; ``term = part and part ...``; a part is a comparison, a measure that is
true or false, ``not part`` or ``(rule)``. Comparisons: ``= != < <= > >=`` with a value or a measure of the
same kind, ``[not] in (...)``, ``[not] between low and high`` (both included), ``is [not] missing``. Values:
numbers, 'words' in single or double quotes, days as 2025-01-31, ``true`` and ``false``. There is no
function.

What is missing compares as unknown, and unknown stays unknown under ``not``: a member is only who fits for
certain. Words compare as people read them: upper and lower case are one, so are Persian and Arabic forms of a
letter and of a digit (``fold_letters``); every other difference counts. Of segment, lifecycle_state and
risk_band all words are known, and any other is refused; so is a number outside the bounds of its measure (a
share of 50), and a comparison that nothing within the bounds can fit (a share above 1, fewer orders than 0).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, NoReturn

from crm_analytics.errors import UsageError
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.letters import fold_letters
from crm_analytics.segmentation.measures import Kind, Measure

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
Value = Decimal | str | date | bool
MAX_LENGTH, MAX_DEPTH = 4000, 30
_WORDS: dict[Kind, str] = {
    "number": "a number",
    "text": "text in quotes",
    "day": "a day such as 2025-01-31",
    "truth": "true or false",
}
_OPPOSITES: dict[Operator, Operator] = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "=": "!=", "!=": "="}
_KEYWORDS = frozenset(("and", "or", "not", "in", "between", "is", "missing", "true", "false"))
_MOVING_DAYS = ("today", "now", "yesterday", "tomorrow", "as_of")
_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<day>\d{4}-\d{2}-\d{2}(?!\w))
    |(?P<number>-?(?:\d+(?:\.\d+)?|\.\d+)(?![\w.]))
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign><=|>=|!=|<>|==|=|<|>|\(|\)|,)""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Named:
    """A measure that is true or false, on its own: ``has_opted_out``."""

    measure: Measure


@dataclass(frozen=True)
class Comparison:
    """A measure against a value or against another measure: ``net_spend >= 100``."""

    measure: Measure
    operator: Operator
    other: Value | Measure


@dataclass(frozen=True)
class OneOf:
    """``country in ('DE', 'AT')``; empty lists cannot be written."""

    measure: Measure
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Between:
    """``order_count between 2 and 5``, both ends included."""

    measure: Measure
    low: Value
    high: Value


@dataclass(frozen=True)
class Missing:
    """``satisfaction_rate is missing``; never unknown."""

    measure: Measure


@dataclass(frozen=True)
class Not:
    """The opposite of a part."""

    part: Rule


@dataclass(frozen=True)
class Both:
    """Every part fits."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True)
class Either:
    """At least one part fits."""

    parts: tuple[Rule, ...]


Rule = Named | Comparison | OneOf | Between | Missing | Not | Both | Either


def parse_rule(text: str, measures: Mapping[str, Measure]) -> Rule:
    """Read a rule.

    Parameters
    ----------
    text : str
        The rule, as in the description of this module; at most 4,000 characters.
    measures : mapping of str to Measure
        What it may ask, as from `measures`.

    Raises
    ------
    UsageError
        The rule cannot be understood: the message names the place, what was expected there, and for an
        unknown measure the nearest that exists.

    Examples
    --------
    >>> from crm_analytics.segmentation import measures
    >>> rule = parse_rule("days_since_last_order >= 90 and high_margin_share >= .5", measures())
    >>> write_rule(rule)
    'days_since_last_order >= 90 and high_margin_share >= 0.5'
    """
    if not isinstance(text, str):
        raise UsageError(f"A rule is a text such as 'order_count >= 2', not {type(text).__name__}.")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"The rule has {len(text):,} characters; {MAX_LENGTH:,} are allowed.")
    return _Parser(text, measures).rule()


def write_rule(rule: Rule) -> str:
    """Write a rule as text that reads back as the same rule, with as few brackets as that needs."""
    match rule:
        case Named(measure):
            return measure.name
        case Comparison(measure, operator, other):
            right = other.name if isinstance(other, Measure) else _written(other)
            return f"{measure.name} {operator} {right}"
        case OneOf(measure, values):
            return f"{measure.name} in ({', '.join(map(_written, values))})"
        case Between(measure, low, high):
            return f"{measure.name} between {_written(low)} and {_written(high)}"
        case Missing(measure):
            return f"{measure.name} is missing"
        case Not(part):
            return f"not {_inside(part, Both, Either)}"
        case Both(parts):
            return " and ".join(_inside(part, Both, Either) for part in parts)
        case Either(parts):
            return " or ".join(_inside(part, Either) for part in parts)


def asked_measures(rule: Rule) -> Iterator[Measure]:
    """Yield every measure that a rule asks, in its order.

    Examples
    --------
    >>> from crm_analytics.segmentation import measures
    >>> rule = parse_rule("net_spend > net_margin or not has_opted_out", measures())
    >>> [measure.name for measure in asked_measures(rule)]
    ['net_spend', 'net_margin', 'has_opted_out']
    """
    match rule:
        case Not(part):
            yield from asked_measures(part)
        case Both(parts) | Either(parts):
            for part in parts:
                yield from asked_measures(part)
        case _:
            yield rule.measure
            if isinstance(rule, Comparison) and isinstance(rule.other, Measure):
                yield rule.other


def _inside(part: Rule, *bracketed: type) -> str:
    return f"({write_rule(part)})" if isinstance(part, bracketed) else write_rule(part)


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else value.isoformat()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        found = _TOKENS.match(text, at)
        if found is None:
            if text[at] in "'\"":
                _refuse(text, at, "the quote that opens here is never closed")
            if text[at].isdigit():
                word = text[at : at + 30].split()[0]
                _refuse(text, at, f"{word!r} is no number or day: write 1234.5 or 2025-01-31")
            hint = "; a share of 50 % is 0.5" if text[at] == "%" else ""
            _refuse(text, at, f"{text[at]!r} has no meaning in a rule{hint}")
        if found.lastgroup != "space":
            word = found.group()
            is_keyword = found.lastgroup == "name" and word.lower() in _KEYWORDS
            yield _Token("keyword" if is_keyword else str(found.lastgroup), word, at)
        at = found.end()
    yield _Token("end", "", len(text))


class _Parser:
    """Reads the tokens of one rule from left to right; `_at` is the next one."""

    def __init__(self, text: str, measures: Mapping[str, Measure]) -> None:
        self._text, self._measures = text, measures
        self._tokens = list(_tokens(text))
        self._at, self._depth = 0, 0
        self._is_negated = False  # an odd number of 'not' stands before what is read

    def rule(self) -> Rule:
        if self._next.kind == "end":
            _refuse(self._text, 0, "the rule is empty; write a condition such as order_count >= 2")
        rule = self._either()
        if self._next.kind != "end":
            self._refuse(f"expected 'and', 'or' or the end of the rule{self._after_number()}")
        return rule

    def _after_number(self) -> str:
        """Say what a number may be followed by, where one is followed by something else."""
        if self._tokens[self._at - 1].kind != "number":
            return ""
        if self._next.text == ",":
            return "; a number is written without a comma, such as 1000 or 0.5"
        return "; numbers have no unit: days are days, money is in the reporting currency"

    def _either(self) -> Rule:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Rule:
        parts = [self._part()]
        while self._takes("and"):
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _part(self) -> Rule:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._refuse(f"more than {MAX_DEPTH} brackets or 'not' inside each other")
        try:
            if self._takes("not"):
                self._is_negated = not self._is_negated
                part = Not(self._part())
                self._is_negated = not self._is_negated
                return part
            if self._takes("("):
                inner = self._either()
                self._expect(")")
                return inner
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Rule:
        place = self._next
        measure = self._measure()
        if self._takes("is"):
            negated = self._takes("not")
            if not self._takes("missing"):
                self._refuse(f"expected 'missing', as in {measure.name} is {'not ' * negated}missing")
            return Not(Missing(measure)) if negated else Missing(measure)
        negated = self._takes("not")
        if self._takes("in"):
            found: Rule = OneOf(measure, self._list(measure))
        elif self._takes("between"):
            found = self._between(measure, is_outside=negated != self._is_negated)
        elif negated:
            self._refuse("expected 'in' or 'between' after 'not'")
        elif self._next.text in ("=", "==", "!=", "<>", "<", "<=", ">", ">="):
            return self._comparison(measure)
        elif measure.kind == "truth":
            return Named(measure)
        else:
            whole = place.position + len(place.text)
            _refuse(
                self._text,
                whole,
                f"{measure.name} is {_WORDS[measure.kind].removesuffix(' in quotes')}: compare it, "
                f"for example {_EXAMPLES[measure.kind].format(measure.name)}",
            )
        return Not(found) if negated else found

    def _comparison(self, measure: Measure) -> Rule:
        sign = self._next
        self._at += 1
        operator: Operator = {"==": "=", "<>": "!="}.get(sign.text, sign.text)  # type: ignore[assignment]
        if measure.kind in ("text", "truth") and operator not in ("=", "!="):
            _refuse(self._text, sign.position, f"{measure.name} has no order: use = or !=")
        if measure.kind == "day" and self._next.text.lower() in _MOVING_DAYS:
            self._refuse(
                f"{measure.name} is compared with a day such as 2025-01-31; for so many days ago ask "
                "days_since_last_order or tenure_days"
            )
        if self._next.kind == "name" and (measure.kind != "text" or self._next.text in self._measures):
            place = self._next
            other = self._measure()
            if other.kind != measure.kind:
                message = f"{measure.name} is {_WORDS[measure.kind]}, {other.name} is {_WORDS[other.kind]}"
                _refuse(self._text, place.position, message.replace(" in quotes", ""))
            return Comparison(measure, operator, other)
        value = self._value(measure)
        asked = _OPPOSITES[operator] if self._is_negated else operator
        if isinstance(value, Decimal) and measure.bounds:
            least, most = measure.bounds
            if (asked == "<" and value <= least) or (asked == ">" and most is not None and value >= most):
                _refuse(
                    self._text,
                    sign.position,
                    f"{measure.name} is never {asked} {_written(value)}: {_range(measure.bounds)}; for those "
                    f"at the end write {measure.name} = {least if asked == '<' else most}",
                )
        return Comparison(measure, operator, value)

    def _between(self, measure: Measure, *, is_outside: bool) -> Rule:
        if measure.kind in ("text", "truth"):
            self._refuse(f"{measure.name} has no order: use = or in")
        place = self._next
        low = self._value(measure)
        self._expect("and")
        high = self._value(measure)
        if low > high:  # type: ignore[operator]
            _refuse(self._text, place.position, f"nothing lies between {_written(low)} and {_written(high)}")
        if is_outside and measure.bounds and (low, high) == measure.bounds:
            _refuse(
                self._text, place.position, f"{measure.name} never lies outside: {_range(measure.bounds)}"
            )
        return Between(measure, low, high)

    def _list(self, measure: Measure) -> tuple[Value, ...]:
        self._expect("(")
        values = [self._value(measure)]
        while self._takes(","):
            values.append(self._value(measure))
        self._expect(")")
        return tuple(values)

    def _measure(self) -> Measure:
        token = self._next
        if token.kind != "name":
            self._refuse("expected the name of a measure")
        if token.text.lower() not in self._measures:
            near = difflib.get_close_matches(token.text.lower(), self._measures, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "`crm-analytics segments measures` lists them"
            self._refuse(f"there is no measure {token.text!r}; {hint}")
        self._at += 1
        return self._measures[token.text.lower()]

    def _value(self, measure: Measure) -> Value:
        token, expected = self._next, _WORDS[measure.kind]
        value = self._literal(token)
        kinds: dict[type, Kind] = {Decimal: "number", str: "text", date: "day", bool: "truth"}
        if value is None or kinds[type(value)] != measure.kind:
            hint = ""
            if token.kind == "name" and measure.kind == "text":
                hint = f": write '{token.text}'"
            self._refuse(f"{measure.name} is compared with {expected}{hint}")
        if isinstance(value, str) and measure.words and fold_letters(value) not in measure.words:
            near = difflib.get_close_matches(fold_letters(value).replace(" ", "_"), measure.words, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"it is one of {', '.join(measure.words)}"
            self._refuse(f"{measure.name} is never {_written(value)}; {hint}")
        if isinstance(value, Decimal) and measure.bounds:
            least, most = measure.bounds
            if value < least or (most is not None and value > most):
                self._refuse(f"{measure.name} is never {_written(value)}: {_range(measure.bounds)}")
        self._at += 1
        return value

    def _literal(self, token: _Token) -> Value | None:
        if token.kind == "number":
            value = Decimal(token.text)
            if abs(value) >= 10**18 or -int(value.as_tuple().exponent) > 10:
                self._refuse("a number has at most 18 digits, and 10 after the point")
            return value
        if token.kind == "day":
            try:
                return date.fromisoformat(fold_digits(token.text))
            except ValueError:
                self._refuse(f"{token.text} is no day of the calendar")
        if token.kind == "text":
            quote = token.text[0]
            return token.text[1:-1].replace(quote * 2, quote)
        if token.kind == "keyword" and token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        return None

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _takes(self, word: str) -> bool:
        token = self._next
        if token.kind in ("keyword", "sign") and token.text.lower() == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            self._refuse(f"expected {word!r}")

    def _refuse(self, problem: str) -> NoReturn:
        _refuse(self._text, self._next.position, problem)


_EXAMPLES: dict[Kind, str] = {
    "number": "{} >= 1",
    "text": "{} = 'word'",
    "day": "{} >= 2025-01-31",
    "truth": "{} = true",
}


def _range(bounds: tuple[int, int | None]) -> str:
    """Say between which numbers a measure lies."""
    least, most = bounds
    if most is None:
        return f"it is never below {least}"
    hint = " (write 0.5 for 50 %)" if most == 1 else ""
    return f"it always lies between {least} and {most}{hint}"


def _refuse(text: str, position: int, problem: str) -> NoReturn:
    """Raise UsageError that shows the place: the rule up to it, a mark, and the rest."""
    before, after = text[max(0, position - 40) : position], text[position : position + 25]
    found = f" near {before}▶{after}" if text else ""
    end = "" if problem.endswith("?") else "."
    raise UsageError(f"Rule, character {position + 1}: {problem}{end}{found}")
