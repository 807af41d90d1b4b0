"""How is a guess at a profile written down, for a person to correct?  As TOML with the reasons as comments.

What a person must decide is marked ``DECIDE``, what is missing ``REQUIRED``; a profile in which an amount is
left open is refused (`crm_analytics.ingest.profile_file`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.draft_columns import SHARE, STATES, SeenColumn
from crm_analytics.ingest.draft_entities import (
    AMOUNT_OF,
    columns_filled,
    currency_told,
    is_iranian_money,
    main_entity,
    may_be_money,
    money_columns,
    told_beside,
)
from crm_analytics.ingest.draft_sample import Sample
from crm_analytics.ingest.look import Look
from crm_analytics.ingest.planning import unit_of_header
from crm_analytics.ingest.profile import UNDECIDED, Dialect
from crm_analytics.ingest.recognise import detect
from crm_analytics.ingest.total_rows import TotalRow
from crm_analytics.schema import Column, entity

SHOWN_CHARACTERS = 40
# When an event happened is told by the main entity of a file, required by its schema or not.
_EVENT_TIME = "occurred_at"
# What may stand behind a word of totals: a bracket, a number and what it counts.
_BEHIND = re.compile(r"\s*(\([^()]*\)|\d[^()]*)\W*$")


def draft_text(
    sample: Sample,
    seen: Sequence[SeenColumn],
    *,
    totals: Sequence[TotalRow],
    name: str,
    source_system: str,
) -> str:
    """Write a draft down.

    Parameters
    ----------
    sample : Sample
        The beginning of the file.
    seen : sequence of SeenColumn
        What each of its columns holds.
    totals : sequence of TotalRow
        The rows of totals among its records, which the profile leaves out.
    name, source_system : str
        Of the profile, and of the system that its ids belong to.

    Returns
    -------
    str
        TOML, line by line.
    """
    lines = _heading(sample, name, source_system)
    lines += _dialect_lines(seen, sample.dialect, sample.split_by)
    lines += _rows_lines(totals)
    lines += _entity_lines(seen)
    return "\n".join(lines) + "\n"


def _heading(sample: Sample, name: str, source_system: str) -> list[str]:
    file = sample.part.name
    lines = [
        f"# Draft, from the header and {sample.record_count:,} records. "
        "Read every line, correct it, and check it:",
        f"#     crm-analytics profile check {file.partition('/')[0]} --profile {name}.toml",
    ]
    with suppress(FileRefused, ProfileError):
        lines.append(f"# The profile {detect(file, sample.headers)[0].name!r} fits this file already.")
    return [
        *lines,
        f"profile = {_text(name)}",
        f"purpose = {_text(f'DECIDE: which export of which system is this? ({len(sample.names)} columns)')}",
        f"source_system = {_text(source_system)}  # tables whose ids belong together share it",
        'evidence = "unverified: drafted from one file"',
        "",
    ]


def _dialect_lines(seen: Sequence[SeenColumn], dialect: Dialect, split_by: str) -> list[str]:
    lines = ["[dialect]"]
    if split_by:
        lines.append(f"# delimiter = {_text(split_by)}  # found; needs no word here")
    if dialect.encoding is not None:
        lines.append(f"encoding = {_text(dialect.encoding)}  # the file is not UTF-8; look at its names")
    if dialect.header is not None:
        lines.append(
            "# DECIDE: the first line seems to hold values, no column names. Write the names here and below;"
        )
        lines.append(
            "# if it is a header in words that no list knows, draft with has_header=True (--header)."
        )
        lines.append(f"header = [{', '.join(map(_text, dialect.header))}]")
    if dialect.skip_rows:
        lines.append(f"skip_rows = {dialect.skip_rows}")
    numbers = [one for one in seen if one.look.kind == "number" and not one.is_key]
    lines += _mark_lines(numbers)
    signs = sorted({one.look.sign for one in numbers if one.look.sign})
    if signs:
        lines.append(f"signs = [{', '.join(map(_text, signs))}]  # stand beside numbers")
    lines.append('# timezone = "Europe/Berlin"  # DECIDE where times are not those of the company')
    return [*lines, ""]


def _mark_lines(numbers: Sequence[SeenColumn]) -> list[str]:
    """Say what marks decimals and thousands, as the columns tell; nothing where decimals have points."""
    doubtful = _doubtful_marks(numbers)
    if doubtful:
        return doubtful
    lines = []
    for key, plain in (("decimal", "."), ("thousands", None)):
        told = {getattr(one.look, key): one for one in reversed(numbers)}
        mark = next((one for one in told if one not in (None, plain)), None)
        if mark is not None:
            lines.append(f"{key} = {_text(mark)}  # as in {_shown(told[mark].name)}: {told[mark].look.words}")
    return lines + _points_beside_commas(numbers)


def _doubtful_marks(numbers: Sequence[SeenColumn]) -> list[str]:
    """Ask what marks the decimals, where no column tells; a profile that leaves it open is refused."""
    doubtful = [one for one in numbers if one.look.is_ambiguous]
    marks = {one.look.decimal for one in numbers if not one.look.is_ambiguous and one.look.decimal == ","}
    if not doubtful or marks:
        return []
    names = ", ".join(_shown(one.name) for one in doubtful)
    lines = [f"# DECIDE: in {names} each mark stands before three digits, so that both readings fit:"]
    if any(one.look.decimal == "." and one.look.thousands is None for one in doubtful):
        lines.append(
            '# 1.234 is one and a bit with decimal = ".", and 1234 with decimal = "," and thousands = "."'
        )
    else:
        lines.append(
            '# 1,234 is one and a bit with decimal = ",", and 1234 with decimal = "." and thousands = ","'
        )
    return [*lines, f"decimal = {_text(UNDECIDED)}"]


def _points_beside_commas(numbers: Sequence[SeenColumn]) -> list[str]:
    """Let points part thousands, where another column has decimal commas and none tells otherwise."""
    doubtful = [one for one in numbers if one.look.is_ambiguous and one.look.thousands is None]
    if not doubtful or any(one.look.thousands for one in numbers):
        return []
    names = ", ".join(_shown(one.name) for one in doubtful)
    return [f'thousands = "."  # in {names}: decimals are marked by a comma in other columns']


def _rows_lines(found: Sequence[TotalRow]) -> list[str]:
    """Leave rows of totals out."""
    words = dict.fromkeys(_BEHIND.sub("", one.cells[one.place]).rstrip(" :.") for one in found)
    words.pop("", None)
    if not words:
        return []
    return [
        "[rows]",
        f"# {len(found)} rows begin so and hold nothing but numbers: totals, compared with the sums of",
        '# their columns. wrong_total = "refuse" refuses a file that does not add up to them.',
        f"ignore = [{', '.join(map(_text, words))}]",
        "",
    ]


def _entity_lines(seen: Sequence[SeenColumn]) -> list[str]:
    told, reason = main_entity(seen)
    main = told or "customers"
    blocks: list[str] = []
    read_by: set[str] = set()
    for name in (main, *told_beside(main, seen)):
        filled = columns_filled(name, seen, main=main)
        why = reason or "DECIDE: no name of a column tells it"
        why = why if name == main else f"the records tell of {name} as well"
        rules = _rules(name, filled, seen, is_main=name == main)
        blocks += ["[[entity]]", f"name = {_text(name)}  # {why}", "[entity.columns]", *rules, ""]
        read_by |= {one.name for columns in filled.values() for one in columns}
    unread = [one for one in seen if one.name not in read_by]
    if not unread:
        return blocks
    has_money = any(one.name in read_by and may_be_money(one, main) for one in seen)
    has_amount = any(one.meaning == "amount" for one in seen)
    known = []
    for one in unread:
        if one.meaning == SHARE and main in AMOUNT_OF and not has_amount:
            known.append(_open_line(one, "Do the prices hold it? Then []; else the export must tell amounts"))
        elif one.meaning in STATES and main in AMOUNT_OF:
            known.append(_open_line(one, "Are there sales among them that are none? Else []"))
        else:
            known.append(_unread_line(one, is_open=not has_money and may_be_money(one, main)))
    return ["[headers]", "# Columns that no rule below reads: known, not loaded.", *known, "", *blocks]


def _unread_line(one: SeenColumn, *, is_open: bool) -> str:
    """Say what a column looks like that nothing reads; money, where none is read, is to be decided."""
    told = "DECIDE: money, which column of ours is it? " if unit_of_header(one.name) is not None else ""
    words = (told if one.look.kind == "number" else "") + one.look.words
    if is_open:
        return _open_line(one, "money? Write a rule for it below, or [] here")
    words += f"; {one.doubt}" if one.doubt else ""
    return f"{_text(one.name)} = []  # {words}"


def _open_line(one: SeenColumn, question: str) -> str:
    """Ask about a column that nothing reads; a profile that leaves it open is refused."""
    words = "; ".join(filter(None, (question, one.look.words, one.doubt)))
    return f"{_text(one.name)} = {_text(UNDECIDED)}  # {words}"


def _rules(
    name: str, filled: Mapping[str, Sequence[SeenColumn]], seen: Sequence[SeenColumn], *, is_main: bool
) -> list[str]:
    """Write the rules of an entity, and below them what no column fills and somebody must."""
    declared = entity(name)
    lines: list[str] = []
    for column, columns in filled.items():
        lines += _rule(declared.column(column), columns, seen, is_main=is_main)
    has_money = not filled.keys().isdisjoint(money_columns(name))
    if "currency" in declared.column_names and "currency" not in filled and has_money:
        lines += _currency_lines(seen)
    unread = [one for one in seen if not any(one in columns for columns in filled.values())]
    numbers = [_shown(one.name) for one in unread if one.look.kind == "number" and not one.is_key]
    if is_main and name in AMOUNT_OF and numbers and not has_money:
        shown = ", ".join(numbers[:3])
        lines.append(
            f'# {AMOUNT_OF[name]} = {{ from = "?" }}  # DECIDE: no name tells money. Numbers: {shown}.'
        )
    free = [_shown(one.name) for one in unread if one.look.is_unique]
    hint = f" No value comes twice in {', '.join(free[:3])}." if free else ""
    return lines + [
        f'# {column.name} = {{ from = "?" }}  # REQUIRED: {column.doc}.{hint}'
        for column in declared.columns
        if column.required and column.name not in filled
    ]


def _rule(
    column: Column, columns: Sequence[SeenColumn], seen: Sequence[SeenColumn], *, is_main: bool
) -> list[str]:
    """Write how a column of ours is filled, below the reasons."""
    first = columns[0]
    means = f"the name means {(first.meaning or '').replace('_', ' ')}"
    lines = [f"# {_shown(one.name)}: {means}; {one.look.words}" for one in columns]
    lines += [f"# {one.doubt}" for one in columns if one.doubt]
    keys = [_from(columns)]
    if column.required or (is_main and column.name == _EVENT_TIME):
        keys.append("required = true")
    if column.type in ("DATE", "TIMESTAMP") and first.look.is_ambiguous:
        lines.append(_doubtful_date(first.look))
    elif column.type in ("DATE", "TIMESTAMP"):
        told = {"date_format": first.look.date_format, "calendar": first.look.calendar}
        keys += [f"{key} = {_text(value)}" for key, value in told.items() if value is not None]
    if column.is_money and is_iranian_money(first.name, seen):
        keys.append('unit = "header"')
        if unit_of_header(first.name) is None:
            lines.append('# DECIDE: unit = "rial" or unit = "toman" (10 rial); the header does not say')
    states = dict.fromkeys(f"{_text(word)} = {_text(state)}" for one in columns for word, state in one.states)
    if column.words == "order_states" and first.meaning == "cancelled":
        test = "if_filled" if first.look.kind == "date" else "if_true"
        keys = [f'cases = [{{ {test} = {_text(first.name)}, then = "cancelled" }}]']
    elif column.words == "order_states" and states:
        keys.append(f"words = {{ {', '.join(states)} }}")
    return [*lines, f"{column.name} = {{ {', '.join(keys)} }}"]


def _from(columns: Sequence[SeenColumn]) -> str:
    if columns[0].within is not None:
        return f"from = [{_text(columns[0].within)}, {_text(columns[0].name)}]"
    names = [_text(one.name) for one in columns]
    return f"from = {names[0]}" if len(names) == 1 else f"first_of = [{', '.join(names)}]"


def _doubtful_date(look: Look) -> str:
    """Ask which of day and month stands first."""
    read = look.date_format or ""
    other = read.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
    return f"# DECIDE: date_format = {_text(read)} or {_text(other)}"


def _currency_lines(seen: Sequence[SeenColumn]) -> list[str]:
    told = currency_told(seen)
    if told is None:
        return ['# currency = { constant = "EUR" }  # DECIDE: no column tells the currency']
    code, column = told
    return [
        f"# no column tells the currency; {_shown(column.name)} speaks for it",
        f"currency = {{ constant = {_text(code)} }}",
    ]


def _shown(name: str) -> str:
    return _text(name[:SHOWN_CHARACTERS])


def _text(text: str) -> str:
    """Return a text as TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in escaped) + '"'
