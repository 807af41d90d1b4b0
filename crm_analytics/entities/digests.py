"""By which digests are rows and contents known again?  SQL for identities of 128 bits (decision 0001).

A content is all fields of a record; a row is its key within its source system, or, where a line has no id
of its own, its content and its number among equal ones. The same source, the same digests, for ever: they
are stored.
"""

from __future__ import annotations

from crm_analytics.schema import Entity
from crm_analytics.warehouse import quote_ident


def content_digest(declared: Entity, *, has_deleted: bool) -> str:
    """Return SQL for the digest of all fields of a record, and of whether it says that the row is gone."""
    text = _digest_text(declared, declared.column_names)
    if has_deleted:
        text += " || case when is_deleted then '-' else '' end"
    return f"md5_number({text})"


def key_digest(declared: Entity) -> str:
    """Return SQL for the row of a record that has an id of its own."""
    return _row_digest(declared.name, _digest_text(declared, declared.key))


def line_digest(declared: Entity, content_id: str, nth: str) -> str:
    """Return SQL for the row of the nth line of a content; one digest serves all that are the first."""
    line = _row_digest(declared.name, f"'line', {nth}")
    return f"xor({content_id}, {line})"


def repeat_digest(declared: Entity) -> str:
    """Return SQL for the digest of the repeat key; "a|b" stands for a, else b."""
    texts = []
    for name in declared.repeat_key:
        first, _, second = name.partition("|")
        text = _digest_text(declared, (first,))
        if second:
            other = _digest_text(declared, (second,))
            text = f"case when {quote_ident(first)} is null then 'else ' || {other} else {text} end"
        texts.append(text)
    return f"md5_number(concat_ws(chr(31), {', '.join(texts)}))"


def _row_digest(entity_name: str, text: str) -> str:
    return f"md5_number(concat_ws(chr(31), strlen($source_system), $source_system, '{entity_name}', {text}))"


def _digest_text(declared: Entity, names: tuple[str, ...]) -> str:
    """Return SQL for a text that differs whenever one of the columns does (NULL is not '').

    Texts come first, then their lengths and all other values: these hold no separator, so that the text
    can be taken apart from its end, whatever characters the texts hold.
    """
    texts, others = [], []
    for column in map(declared.column, names):
        name = quote_ident(column.name)
        if column.sql_type == "VARCHAR":
            texts.append(f"coalesce({name}, '')")
            others.append(f"coalesce(strlen({name}), -1)")
        elif column.sql_type == "TIMESTAMPTZ":
            others.append(f"coalesce(cast(epoch_us({name}) as varchar), '')")
        elif column.sql_type == "DECIMAL(38,4)":
            # the same text; DuckDB writes numbers of 64 bits in half the time
            is_short = f"{name} between -99999999999999 and 99999999999999"
            short = f"cast(cast({name} as decimal(18, 4)) as varchar)"
            text = f"case when {is_short} then {short} else cast({name} as varchar) end"
            others.append(f"coalesce({text}, '')")
        else:
            others.append(f"coalesce(cast({name} as varchar), '')")
    return f"concat_ws(chr(31), {', '.join(texts + others)})"
