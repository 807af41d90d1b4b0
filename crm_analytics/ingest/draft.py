"""What would a profile of this file look like?  For home-made systems.

`draft_profile` writes a commented TOML: a guess for every column and the reason, from its name (in nine
languages) and its values. A draft is a beginning: a person reads it, corrects it, and checks it
(`crm_analytics.ingest.check`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.kinds import BYTE_ORDER_MARKS
from crm_analytics.ingest.look import Look, look_at
from crm_analytics.ingest.options import option
from crm_analytics.ingest.planning import unit_of_header
from crm_analytics.ingest.profile import UNDECIDED, WHITESPACE, Dialect
from crm_analytics.ingest.readers import headers, read
from crm_analytics.ingest.recognise import asked_profile, detect, is_header
from crm_analytics.ingest.records import Part
from crm_analytics.ingest.source import open_source
from crm_analytics.ingest.total_rows import TotalRow, TotalRows
from crm_analytics.normalise.digits import fold_digits
from crm_analytics.normalise.header_words import has_tax, meaning_of
from crm_analytics.normalise.state_words import order_state
from crm_analytics.schema import entity

SAMPLE = 2_000
SHOWN_CHARACTERS = 40

# Meaning of a column (normalise/header_words.toml) -> our column, by entity; in order of preference.
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "order_lines": {
        "order_id": "order_source_id",
        "line_id": "line_source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "product_id": "product_source_id",
        "product_name": "product_name",
        "quantity": "quantity",
        "unit_price": "unit_price",
        "discount": "discount_amount",
        "amount": "amount",
        "currency": "currency",
        "country": "ship_country",
    },
    "orders": {
        "order_id": "source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "status": "status",
        "amount": "total_amount",
        "discount": "discount_amount",
        "currency": "currency",
        "owner": "owner_source_id",
        "source": "channel",
    },
    "payments": {
        "payment_id": "source_id",
        "order_id": "order_source_id",
        "customer_id": "customer_source_id",
        "date": "occurred_at",
        "amount": "amount",
        "currency": "currency",
    },
    "products": {
        "product_id": "source_id",
        "product_name": "name",
        "customer_name": "name",
        "category": "category",
        "brand": "brand",
        "unit_price": "unit_price",
        "unit_cost": "unit_cost",
        "currency": "currency",
        "created_at": "created_at",
        "modified_at": "modified_at",
    },
    "opportunities": {
        "deal_id": "source_id",
        "deal_name": "name",
        "customer_id": "customer_source_id",
        "stage": "stage",
        "amount": "amount",
        "currency": "currency",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
        "modified_at": "modified_at",
    },
    "leads": {
        "lead_id": "source_id",
        "customer_name": "name",
        "email": "email",
        "phone": "phone",
        "source": "lead_source",
        "status": "status",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
    },
    "tickets": {
        "ticket_id": "source_id",
        "customer_id": "customer_source_id",
        "subject": "subject",
        "status": "status",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "date": "created_at",
    },
    "customers": {
        "customer_id": "source_id",
        "customer_name": "name",
        "first_name": "first_name",
        "last_name": "last_name",
        "email": "email",
        "phone": "phone",
        "national_id": "national_id",
        "street": "street",
        "city": "city",
        "region": "region",
        "postcode": "postcode",
        "country": "country",
        "birth_on": "birth_on",
        "gender": "gender",
        "owner": "owner_source_id",
        "created_at": "created_at",
        "modified_at": "modified_at",
    },
}
# What a record is, by the meanings that must be there; the first that fits is the main entity.
_SIGNS_OF = {
    "tickets": ("ticket_id",),
    "leads": ("lead_id",),
    "opportunities": ("deal_id",),
    "payments": ("payment_id", "amount"),
    "order_lines": ("order_id", "quantity"),
    "orders": ("order_id", "date"),
    "products": ("product_id",),
    "customers": ("customer_id",),
}
# A column called "customer" or "product" may hold names.
_NAME_OF = {"customer_id": "customer_name", "product_id": "product_name"}
# When an event happened is told by the main entity of a file, required by its schema or not.
_EVENT_TIME = "occurred_at"
_KEYS_OF_OTHERS = {"customers": "customer_id", "products": "product_id"}
_CURRENCY_OF_SIGN = {
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₺": "TRY",
    "﷼": "IRR",
    "ریال": "IRR",
    "تومان": "IRR",
}
# The column of money without which an entity is worth nothing.
_AMOUNT_OF = {"order_lines": "amount", "orders": "total_amount"}
_MONEY = ("MONEY", "AMOUNT")
_MEANINGS_OF_MONEY = ("amount", "unit_price")
# What shows that a list tells of sales, though no name tells the number of an order.
_SIGNS_OF_SALES = {"quantity", "unit_price", "amount"}
_OF_LINES = {"quantity", "unit_price", "product_id", "product_name"}
_CONTACT = {"email", "phone", "street", "city", "postcode"}
# Kinds of values that a line of names does not have, and how many columns of them tell that it is one.
_TYPED, _MANY_TYPED = ("date", "number", "email", "phone"), 2
# What may stand behind a word of totals: a bracket, a number and what it counts.
_BEHIND = re.compile(r"\s*(\([^()]*\)|\d[^()]*)\W*$")


@dataclass(frozen=True)
class _Seen:
    """One column of the file: its name, what the name means, what its values look like.

    `states`: the words of its values that mean a state of an order, as they are written, and the state.
    `within`: the column that it is an id together with. `doubt`: why it is not read as its name says.
    """

    name: str
    meaning: str | None
    look: Look
    states: tuple[tuple[str, str], ...] = ()
    within: str | None = None
    doubt: str = ""


def draft_profile(
    path: Path,
    *,
    name: str | None = None,
    source_system: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    skip_rows: int | None = None,
    part: str | None = None,
    has_header: bool | None = None,
) -> str:
    """Write a draft of a profile for a file: commented TOML with a guess for every column.

    Parameters
    ----------
    path : pathlib.Path
        The export.
    name, source_system : str, optional
        Names to write; default: the file's name.
    encoding, delimiter, skip_rows : optional
        How it is written, where it does not tell itself.
    part : str, optional
        Which table of a zip or workbook; default: the first that can be read.
    has_header : bool, optional
        Is the first line one of column names? Default: judged by what it holds, and by the kinds of values
        below it. A draft never holds values of the file: without names, columns are called by their place.

    Returns
    -------
    str
        TOML; what a person must decide is marked ``DECIDE``, what is missing ``REQUIRED``.

    Raises
    ------
    FileRefused
        The file cannot be read.
    ProfileError
        It has no such part, or no header.
    UsageError
        An option that cannot be.
    """
    asked_profile(None, encoding=encoding, delimiter=delimiter, skip_rows=skip_rows)
    chosen = _part(path, part)
    asked = Dialect(encoding=encoding, delimiter=delimiter, skip_rows=skip_rows or 0)
    if encoding is None:
        guessed = _encoding_of(chosen)
        asked = Dialect(encoding=guessed, delimiter=delimiter, skip_rows=skip_rows or 0)
    found = [one for one in headers(chosen, asked) if one[0] != WHITESPACE or delimiter == WHITESPACE]
    split_by, header = max(found, key=lambda one: len(one[1]), default=("", ()))
    if not any(header):
        raise ProfileError(
            f"{chosen.name}: no header was found. Say {option('skip_rows')} or {option('delimiter')}."
        )
    is_named = chosen.kind not in ("text", "workbook")
    has_names = is_named or is_header(header) if has_header is None else has_header
    texts, count = _sample(chosen, replace(asked, delimiter=split_by or None), len(header))
    if not has_names and (has_header is False or not _differs_below(header, texts)):
        if chosen.kind != "text":
            raise ProfileError(
                f"{chosen.name}: the first row seems to hold values, no column names. Put a row of names "
                "above it, or say has_header=True (--header) if it is one."
            )
        header = tuple(f"column_{place}" for place in range(1, len(header) + 1))
        asked = replace(asked, header=header)
        texts, count = _sample(chosen, replace(asked, delimiter=split_by or None), len(header))
    seen = _ids_apart([_seen(one, texts[place]) for place, one in enumerate(header)], texts)
    totals = _total_rows(texts)
    left_out = {one.number for one in totals}
    records = [one for number, one in enumerate(zip(*texts, strict=True), 1) if number not in left_out]
    seen = _net_of_tax(_line_ids(seen, records))
    title = name or re.sub(r"\W+", "_", path.name.partition(".")[0]).strip("_").lower() or "export"
    lines = _heading(chosen, title, source_system or title, count, header, found)
    lines += _dialect_lines(seen, asked, split_by)
    lines += _rows_lines(totals)
    lines += _entity_lines(seen)
    return "\n".join(lines) + "\n"


def _differs_below(header: Sequence[str], texts: Sequence[Sequence[str]]) -> bool:
    """Is a first line of unknown words one of names?  Then what stands below it is of other kinds.

    All its cells are different words without digits, and below two of them at least there are none.
    """
    names = [name.strip() for name in header]
    if len(set(names)) < len(names) or any(not name or any(map(str.isdigit, name)) for name in names):
        return False
    if any(look_at([name]).kind != "text" for name in names):
        return False
    return sum(look_at(column).kind in _TYPED for column in texts) >= _MANY_TYPED


def _net_of_tax(seen: Sequence[_Seen]) -> list[_Seen]:
    """Let amounts with tax be left, where others of the same meaning are without."""
    net = {one.meaning for one in seen if one.meaning in _MEANINGS_OF_MONEY and not has_tax(one.name)}
    why = "with tax; another column is without"
    return [
        replace(one, meaning=None, doubt=why) if one.meaning in net and has_tax(one.name) else one
        for one in seen
    ]


def _seen(name: str, texts: Sequence[str]) -> _Seen:
    """Look at a column; what is called like an id and holds words with blanks is a name."""
    look, meaning = look_at(texts), meaning_of(name)
    if meaning in _NAME_OF and look.kind == "text":
        filled = [text.strip() for text in texts if text.strip()]
        wordy = sum(" " in text and not any(map(str.isdigit, text)) for text in filled)
        if wordy * 2 >= len(filled):
            meaning = _NAME_OF[meaning]
    words = sorted({text.strip().lower() for text in texts if text.strip()}) if meaning == "status" else []
    states = tuple((word, state) for word in words if (state := order_state(word)) is not None)
    return _Seen(name, meaning, look, states)


def _ids_apart(seen: Sequence[_Seen], texts: Sequence[Sequence[str]]) -> list[_Seen]:
    """Let one column be the id where several may be: the others hold the name, or are not read."""
    found = list(seen)
    for meaning, name in _NAME_OF.items():
        places = [place for place, one in enumerate(seen) if one.meaning == meaning]
        digits = {place: _share_of_digits(texts[place]) for place in places}
        places.sort(key=lambda place: (-digits[place], -len(seen[place].name)))
        for place in places[1:]:
            is_name = digits[place] < 0.5 and seen[place].look.kind == "text"
            found[place] = replace(seen[place], meaning=name if is_name else None)
    return found


def _line_ids(seen: Sequence[_Seen], records: Sequence[Sequence[str]]) -> list[_Seen]:
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


def _share_of_digits(texts: Sequence[str]) -> float:
    """Return how many of the filled texts hold a digit."""
    filled = [text for text in texts if text.strip()]
    return sum(any(map(str.isdigit, text)) for text in filled) / max(len(filled), 1)


def _part(path: Path, name: str | None) -> Part:
    parts = open_source(path)
    for one in parts:
        if isinstance(one, Part) and name in (None, one.name, one.member):
            return one
    for one in parts:
        if isinstance(one, FileRefused) and name is None:
            raise one
    names = ", ".join(one.member or one.name for one in parts if isinstance(one, Part))
    raise ProfileError(f"{path.name}: it has no part {name!r}. Parts: {names}.")


def _encoding_of(part: Part) -> str | None:
    """Return a guess at the encoding of a text that is not UTF-8; None where nothing speaks against it."""
    if part.kind != "text":
        return None
    data = b""
    for piece, _ in part.chunks():
        data += piece
        if len(data) > 1 << 16:
            break
    data = data[: 1 << 16]
    if data.startswith(tuple(BYTE_ORDER_MARKS)):
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start > len(data) - 4:
            return None
    else:
        return None
    foreign = [one for one in data.decode("cp1256", "replace") if ord(one) > 127]
    arabic = sum("\u0600" <= one <= "\u06ff" for one in foreign)
    # Latin texts have one foreign letter here and there, Arabic and Persian words are made of them.
    return "cp1256" if arabic > 0.6 * len(foreign) and arabic > 0.1 * len(data) else "cp1252"


def _sample(part: Part, dialect: Dialect, width: int) -> tuple[list[list[str]], int]:
    """Return the texts of the first records, by column, and how many records there were."""
    texts: list[list[str]] = [[] for _ in range(width)]
    count = 0
    for block in read(part, dialect).blocks():
        some = block.cells.slice(0, SAMPLE - count)
        for place in range(width):
            texts[place] += [text or "" for text in some[f"c{place}"].to_pylist()]
        count += some.num_rows
        if count >= SAMPLE:
            break
    return texts, count


def _heading(
    part: Part,
    title: str,
    system: str,
    count: int,
    header: Sequence[str],
    found: Sequence[tuple[str, Sequence[str]]],
) -> list[str]:
    lines = [
        f"# Draft, from the header and {count:,} records. Read every line, correct it, and check it:",
        f"#     crm-analytics profile check {part.name.partition('/')[0]} --profile {title}.toml",
    ]
    with suppress(FileRefused, ProfileError):
        lines.append(f"# The profile {detect(part.name, list(found))[0].name!r} fits this file already.")
    return [
        *lines,
        f"profile = {_text(title)}",
        f"purpose = {_text(f'DECIDE: which export of which system is this? ({len(header)} columns)')}",
        f"source_system = {_text(system)}  # tables whose ids belong together share it",
        'evidence = "unverified: drafted from one file"',
        "",
    ]


def _dialect_lines(seen: Sequence[_Seen], asked: Dialect, split_by: str) -> list[str]:
    lines = ["[dialect]"]
    if split_by:
        lines.append(f"# delimiter = {_text(split_by)}  # found; needs no word here")
    if asked.encoding is not None:
        lines.append(f"encoding = {_text(asked.encoding)}  # the file is not UTF-8; look at its names")
    if asked.header is not None:
        lines.append(
            "# DECIDE: the first line seems to hold values, no column names. Write the names here and below;"
        )
        lines.append(
            "# if it is a header in words that no list knows, draft with has_header=True (--header)."
        )
        lines.append(f"header = [{', '.join(map(_text, asked.header))}]")
    if asked.skip_rows:
        lines.append(f"skip_rows = {asked.skip_rows}")
    numbers = [one for one in seen if one.look.kind == "number" and not _is_key(one)]
    doubtful = _doubtful_marks(numbers)
    lines += doubtful
    for key in ("decimal", "thousands") if not doubtful else ():
        told = {
            getattr(one.look, key): one for one in reversed(numbers) if getattr(one.look, key) is not None
        }
        told.pop("." if key == "decimal" else None, None)
        for value, one in list(told.items())[:1]:
            lines.append(f"{key} = {_text(value)}  # as in {_shown(one.name)}: {one.look.words}")
    if not doubtful:
        lines += _points_beside_commas(numbers)
    signs = sorted({one.look.sign for one in numbers if one.look.sign})
    if signs:
        lines.append(f"signs = [{', '.join(map(_text, signs))}]  # stand beside numbers")
    lines.append('# timezone = "Europe/Berlin"  # DECIDE where times are not those of the company')
    return [*lines, ""]


def _doubtful_marks(numbers: Sequence[_Seen]) -> list[str]:
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


def _points_beside_commas(numbers: Sequence[_Seen]) -> list[str]:
    """Let points part thousands, where another column has decimal commas and none tells otherwise."""
    doubtful = [one for one in numbers if one.look.is_ambiguous and one.look.thousands is None]
    if not doubtful or any(one.look.thousands for one in numbers):
        return []
    names = ", ".join(_shown(one.name) for one in doubtful)
    return [f'thousands = "."  # in {names}: decimals are marked by a comma in other columns']


def _total_rows(texts: Sequence[Sequence[str]]) -> list[TotalRow]:
    """Return the rows that begin with a word of totals and hold nothing but numbers."""
    cells = {f"c{place}": list(column) for place, column in enumerate(texts)}
    found = TotalRows()
    found.take(pa.table({"record_number": range(1, len(texts[0]) + 1), **cells}))
    return found.rows


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


def _entity_lines(seen: Sequence[_Seen]) -> list[str]:
    meanings = {one.meaning for one in seen}
    main = next((name for name, signs in _SIGNS_OF.items() if meanings.issuperset(signs)), None)
    reason = f"its columns tell {', '.join(_SIGNS_OF[main])}" if main else ""
    if main in (None, "customers", "products") and _tells_sales(seen):
        main = "orders" if "amount" in meanings and not meanings & _OF_LINES else "order_lines"
        reason = "a day beside money or quantities: it tells of sales"
    reason = reason or "DECIDE: no name of a column tells it"
    main = main or "customers"
    targets = [main]
    for other, key in _KEYS_OF_OTHERS.items():
        extra = set(_COLUMNS[other]) - set(_COLUMNS[main]) - {"currency", "created_at", "modified_at"}
        if other != main and key in meanings and meanings & extra:
            targets.append(other)
    read_by: set[str] = set()
    blocks: list[str] = []
    for number, name in enumerate(targets):
        why = reason if number == 0 else f"the records tell of {name} as well"
        lines, names = _target_lines(name, seen, is_main=number == 0)
        blocks += ["[[entity]]", f"name = {_text(name)}  # {why}", "[entity.columns]", *lines, ""]
        read_by |= names
    unread = [one for one in seen if one.name not in read_by]
    if not unread:
        return blocks
    has_money = any(one.name in read_by and _is_money(one, main) for one in seen)
    known = [_unread_line(one, is_open=not has_money and _is_money(one, main)) for one in unread]
    return ["[headers]", "# Columns that no rule below reads: known, not loaded.", *known, "", *blocks]


def _tells_sales(seen: Sequence[_Seen]) -> bool:
    """Does a list tell of sales, though no name tells the number of an order?

    A day of an event stands beside money or quantities, by their names or, where customers come twice or
    nothing else is told of them, by their values.
    """
    meanings = {one.meaning for one in seen}
    is_of_somebody = bool(meanings & {"customer_id", "customer_name", "quantity"})
    if "date" in meanings and meanings & _SIGNS_OF_SALES and is_of_somebody:
        return True
    keys = [one for one in seen if one.meaning == "customer_id"]
    comes_twice = any(not one.look.is_unique for one in keys) or not meanings & _CONTACT
    has_day = any(one.look.kind == "date" and one.meaning in (None, "date") for one in seen)
    has_money = any(one.meaning is None and _has_marks(one.look) for one in seen)
    return bool(keys) and comes_twice and has_day and has_money


def _is_money(one: _Seen, main: str) -> bool:
    """May a column be money?  By its name; or its numbers have a sign or decimals, or stand beside orders."""
    if one.meaning in _MEANINGS_OF_MONEY:
        return True
    return (one.meaning is None and not one.doubt and one.look.kind == "number") and (
        main in _AMOUNT_OF or _has_marks(one.look) or unit_of_header(one.name) is not None
    )


def _has_marks(look: Look) -> bool:
    return look.kind == "number" and (look.sign is not None or look.has_decimals)


def _unread_line(one: _Seen, *, is_open: bool) -> str:
    """Say what a column looks like that nothing reads; money, where none is read, is to be decided."""
    told = "DECIDE: money, which column of ours is it? " if unit_of_header(one.name) is not None else ""
    words = (told if one.look.kind == "number" else "") + one.look.words
    words += f"; {one.doubt}" if one.doubt else ""
    if not is_open:
        return f"{_text(one.name)} = []  # {words}"
    return f"{_text(one.name)} = {_text(UNDECIDED)}  # money? Write a rule for it below, or [] here; {words}"


def _target_lines(name: str, seen: Sequence[_Seen], *, is_main: bool) -> tuple[list[str], set[str]]:
    declared = entity(name)
    lines: list[str] = []
    done: set[str] = set()
    read_by: set[str] = set()
    for meaning, column_name in _COLUMNS[name].items():
        columns = [one for one in seen if one.meaning == meaning]
        if not columns or column_name in done:
            continue
        done.add(column_name)
        read_by |= {one.name for one in columns}
        column = declared.column(column_name)
        means = f"the name means {meaning.replace('_', ' ')}"
        lines += [f"# {_shown(one.name)}: {means}; {one.look.words}" for one in columns]
        lines += [f"# {one.doubt}" for one in columns if one.doubt]
        keys = [_from(columns)]
        if column.required or (is_main and column_name == _EVENT_TIME):
            keys.append("required = true")
        if column.type in ("DATE", "TIMESTAMP"):
            keys += _date_keys(columns[0].look, lines)
        if column.type in _MONEY and _is_iranian(columns[0].name, seen):
            keys.append('unit = "header"')
            if unit_of_header(columns[0].name) is None:
                lines.append('# DECIDE: unit = "rial" or unit = "toman" (10 rial); the header does not say')
        states = [f"{_text(word)} = {_text(state)}" for one in columns for word, state in one.states]
        if column.words == "order_states" and states:
            keys.append(f"words = {{ {', '.join(dict.fromkeys(states))} }}")
        lines.append(f"{column_name} = {{ {', '.join(keys)} }}")
    if "currency" in declared.column_names and "currency" not in done and done & set(_money_columns(name)):
        lines += _currency_lines(seen)
    numbers = [
        one.name for one in seen if one.look.kind == "number" and one.name not in read_by and not _is_key(one)
    ]
    amount = _AMOUNT_OF.get(name)
    if is_main and amount is not None and numbers and not done & set(_money_columns(name)):
        shown = ", ".join(map(_shown, numbers[:3]))
        lines.append(f'# {amount} = {{ from = "?" }}  # DECIDE: no name tells money. Numbers: {shown}.')
    free = [one.name for one in seen if one.look.is_unique and one.name not in read_by]
    for column in declared.columns:
        if column.required and column.name not in done:
            hint = f" No value comes twice in {', '.join(map(_shown, free[:3]))}." if free else ""
            lines.append(f'# {column.name} = {{ from = "?" }}  # REQUIRED: {column.doc}.{hint}')
    return lines, read_by


def _from(columns: Sequence[_Seen]) -> str:
    if columns[0].within is not None:
        return f"from = [{_text(columns[0].within)}, {_text(columns[0].name)}]"
    names = [_text(one.name) for one in columns]
    return f"from = {names[0]}" if len(names) == 1 else f"first_of = [{', '.join(names)}]"


def _date_keys(look: Look, lines: list[str]) -> list[str]:
    if look.is_ambiguous:
        other = (look.date_format or "").replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        lines.append(f"# DECIDE: date_format = {_text(look.date_format or '')} or {_text(other)}")
        return []
    keys = [f"date_format = {_text(look.date_format)}"] if look.date_format is not None else []
    return keys + ([f"calendar = {_text(look.calendar)}"] if look.calendar is not None else [])


def _currency_lines(seen: Sequence[_Seen]) -> list[str]:
    for one in seen:
        code = _CURRENCY_OF_SIGN.get(one.look.sign or "")
        if code is not None or _is_iranian(one.name, [one]):
            return [
                f"# no column tells the currency; {_shown(one.name)} speaks for it",
                f"currency = {{ constant = {_text(code or 'IRR')} }}",
            ]
    return ['# currency = { constant = "EUR" }  # DECIDE: no column tells the currency']


def _money_columns(name: str) -> Iterator[str]:
    return (column.name for column in entity(name).columns if column.type in _MONEY)


def _is_iranian(name: str, seen: Sequence[_Seen]) -> bool:
    """Is a column of money in rial or toman?  Its header says so, or it is in Persian and no column tells."""
    if unit_of_header(name) is not None:
        return True
    is_persian = any(letter in name for letter in "پچژگکی") or any(
        "\u0600" <= one <= "\u06ff" for one in name
    )
    return (
        is_persian
        and meaning_of(name) in ("amount", "unit_price", "discount", "unit_cost")
        and not any(one.meaning == "currency" for one in seen)
    )


def _is_key(one: _Seen) -> bool:
    return (one.meaning or "").endswith("_id") or one.meaning in ("phone", "postcode")


def _shown(name: str) -> str:
    return _text(name[:SHOWN_CHARACTERS])


def _text(text: str) -> str:
    """Return a text as TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in escaped) + '"'
