"""What does each column of an unknown file hold?  Told by its name (nine languages) and by its values.

The name says what a column means (`crm_analytics.normalise.header_words`), its values what they look like
(`crm_analytics.ingest.look`); where the two do not agree, or two columns mean the same, the values decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crm_analytics.ingest.look import Look, look_at
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.header_words import has_tax, meaning_of
from crm_analytics.normalise.letters import lowered
from crm_analytics.normalise.state_words import order_state

# What a column is that is called like an id ("customer") and holds names.
_NAME_OF = {"customer_id": "customer_name", "product_id": "product_name"}
_PRICES = ("amount", "unit_price")
# A share of a price, which no column of ours holds: told by a mark in its name or values, by no word.
SHARE = "share_of_price"
# What tells that an order was cancelled.
STATES = ("status", "cancelled")
_PERCENT = re.compile(
    r"(\b(in|en))? *%|٪|per ?cent(age)?|prozent|\bpct\b|porcentaje|pourcentage|pourcent|yüzde|درصد|"
    r"\brate\b|oranı|satz\b|\btaux (de )?|\btasa (de )?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SeenColumn:
    """One column of the file.

    Attributes
    ----------
    name : str
        As in the file.
    meaning : str | None
        What the name means (a key of ``header_words.toml``), as far as the values bear it out.
    look : Look
        What the values look like.
    states : tuple of (str, str)
        The words of its values that mean a state of an order, as they are written, and the state.
    within : str | None
        The column that it is an id together with.
    doubt : str
        Why it is not read as its name says; empty where it is.
    """

    name: str
    meaning: str | None
    look: Look
    states: tuple[tuple[str, str], ...] = ()
    within: str | None = None
    doubt: str = ""

    @property
    def is_key(self) -> bool:
        """Are its digits a mark, and no number?"""
        return (self.meaning or "").endswith("_id") or self.meaning in ("phone", "postcode")


def seen_columns(
    names: Sequence[str], columns: Sequence[Sequence[str]], *, totals: frozenset[int] = frozenset()
) -> list[SeenColumn]:
    """Look at each column.

    Parameters
    ----------
    names : sequence of str
        The names of the columns.
    columns : sequence of sequence of str
        The texts of each, of the same records.
    totals : frozenset of int, default empty
        Which records are rows of totals (the first is 1): they have no id.

    Returns
    -------
    list of SeenColumn
        One for each name, in its place.

    Examples
    --------
    >>> told = seen_columns(["order no", "customer"], [["A1", "A2"], ["Ada Example", "Bob Example"]])
    >>> [one.meaning for one in told]
    ['order_id', 'customer_name']
    """
    seen = [_seen(name, texts) for name, texts in zip(names, columns, strict=True)]
    records = [one for number, one in enumerate(zip(*columns, strict=True), 1) if number not in totals]
    return _one_state_an_order(_net_of_tax(_line_ids(_ids_apart(seen, columns), records)), records)


def _seen(name: str, texts: Sequence[str]) -> SeenColumn:
    """Look at a column; what is called like an id and holds words with blanks is a name."""
    look, meaning = look_at(texts), meaning_of(name)
    if meaning in _NAME_OF and look.kind == "text":
        filled = [text.strip() for text in texts if text.strip()]
        wordy = sum(" " in text and not any(map(str.isdigit, text)) for text in filled)
        if wordy * 2 >= len(filled):
            meaning = _NAME_OF[meaning]
    filled = [text for text in texts if text.strip()]
    is_percent = any(_PERCENT.search(text) for text in (name, *filled))
    if is_percent and "discount" in (meaning_of(name), meaning_of(_PERCENT.sub(" ", name))):
        return SeenColumn(name, SHARE, look, doubt="a percentage, and no money")
    if meaning == "cancelled" and look.kind not in ("boolean", "date", "empty"):
        return SeenColumn(name, meaning, look, doubt="neither yes or no nor a day")
    words = sorted({lowered(text.strip()) for text in filled}) if meaning == "status" else []
    states = tuple((word, state) for word in words if (state := order_state(word)) is not None)
    return SeenColumn(name, meaning, look, states)


def _ids_apart(seen: Sequence[SeenColumn], columns: Sequence[Sequence[str]]) -> list[SeenColumn]:
    """Let one column be the id where several may be: the others hold the name, or are not read."""
    found = list(seen)
    for meaning, name in _NAME_OF.items():
        places = [place for place, one in enumerate(seen) if one.meaning == meaning]
        digits = {place: _share_of_digits(columns[place]) for place in places}
        places.sort(key=lambda place: (-digits[place], -len(seen[place].name)))
        for place in places[1:]:
            is_name = digits[place] < 0.5 and seen[place].look.kind == "text"
            found[place] = replace(seen[place], meaning=name if is_name else None)
    return found


def _share_of_digits(texts: Sequence[str]) -> float:
    """Return how many of the filled texts hold a digit."""
    filled = [text for text in texts if text.strip()]
    return sum(any(map(str.isdigit, text)) for text in filled) / max(len(filled), 1)


def _line_ids(seen: Sequence[SeenColumn], records: Sequence[Sequence[str]]) -> list[SeenColumn]:
    """Let a number of a line be its id only where it is one: else together with the order's, or not at all.

    An id alone would merge the lines of all orders that count theirs from one. Equal records count once.
    """
    found = list(seen)
    different = list(dict.fromkeys(tuple(map(str.strip, one)) for one in records if any(map(str.strip, one))))
    order = next((place for place, one in enumerate(seen) if one.meaning == "order_id"), None)
    if order is None or not different:
        return found
    orders = [record[order] for record in different]
    columns = {
        place: [record[place] for record in different]
        for place, one in enumerate(seen)
        if one.meaning == "line_id"
    }
    has_id = False
    for place, values in sorted(columns.items(), key=lambda one: not _is_filled_once(one[1])):
        why = "another column is the id of a line" if has_id else _why_no_id(values, orders)
        pairs = [f"{left}-{right}" for left, right in zip(orders, values, strict=True)]
        if not why:
            has_id = True
        elif not has_id and all(orders) and all(values) and _is_filled_once(pairs):
            has_id = True
            told = f"{why}; joined with the order's"
            found[place] = replace(seen[place], within=seen[order].name, doubt=told)
        else:
            found[place] = replace(seen[place], meaning=None, doubt=why)
    return found


def _why_no_id(values: Sequence[str], orders: Sequence[str]) -> str:
    """Say why the values are no ids of lines by themselves; nothing where they are."""
    if not all(values):
        return "some are empty: not an id"
    if not _is_filled_once(values):
        return "values repeat: a number within the order, not an id"
    if {fold_digits(value) for value in values} == {str(place + 1) for place in range(len(values))}:
        return "values count the lines from 1: the next file may do so too"
    return "" if len(set(orders)) > 1 else "the lines of one order do not tell an id"


def _is_filled_once(values: Sequence[str]) -> bool:
    """Is every value filled, and none there twice?"""
    return all(values) and len(set(values)) == len(values)


def _one_state_an_order(seen: Sequence[SeenColumn], records: Sequence[Sequence[str]]) -> list[SeenColumn]:
    """Let a state that differs from line to line of an order be none of the order's."""
    order = next((place for place, one in enumerate(seen) if one.meaning == "order_id"), None)
    found = list(seen)
    for place, one in enumerate(seen):
        if order is None or one.meaning not in STATES:
            continue
        told = {(record[order], record[place].strip()) for record in records}
        if len(told) > len({number for number, _ in told}):
            found[place] = replace(one, doubt="lines of one order tell different states")
    return found


def _net_of_tax(seen: Sequence[SeenColumn]) -> list[SeenColumn]:
    """Let amounts with tax be left, where others of the same meaning are without."""
    net = {one.meaning for one in seen if one.meaning in _PRICES and not has_tax(one.name)}
    why = "with tax; another column is without"
    return [
        replace(one, meaning=None, doubt=why) if one.meaning in net and has_tax(one.name) else one
        for one in seen
    ]
