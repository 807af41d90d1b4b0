"""Which SQL need not be parsed again?  The texts that were run last, kept as DuckDB parsed them.

A load, a night and a view run the same texts again and again, and parsing takes a seventh to a half of a
short statement's time. Only what is kept is the parse tree: names are looked up at each run anew.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache

import duckdb

# How many texts are kept, and how many characters in all; a new warehouse and a load run some 200 texts of
# 300,000. What is parsed takes 10 to 20 times the memory of its text.
KEPT_TEXTS, KEPT_CHARACTERS = 512, 2_000_000
# What DuckDB parses without looking at a catalog, a file or a setting; not PRAGMA, IMPORT, ATTACH or PIVOT.
_KINDS = (
    duckdb.StatementType.SELECT,
    duckdb.StatementType.INSERT,
    duckdb.StatementType.UPDATE,
    duckdb.StatementType.DELETE,
    duckdb.StatementType.CREATE,
)


def parsed(cursor: duckdb.DuckDBPyConnection, text: str) -> duckdb.Statement | str:
    """Return a statement as it is to be run: parsed where its kind allows to keep that, else its text.

    Parameters
    ----------
    cursor : duckdb.DuckDBPyConnection
        Any connection; the text is parsed by it where it is new.
    text : str
        SQL. Several statements are returned as they are.

    Raises
    ------
    duckdb.ParserException
        The text is no SQL.

    Examples
    --------
    >>> statement = parsed(duckdb.connect(), "select $a + 1")
    >>> duckdb.connect().execute(statement, {"a": 41}).fetchall()
    [(42,)]
    """
    kept = _kept()
    statement = kept.pop(text, None)
    is_new = statement is None
    if statement is None:
        statements = cursor.extract_statements(text)
        if len(statements) != 1 or statements[0].type not in _KINDS:
            return text
        [statement] = statements
    kept[text] = statement  # the newest last
    if is_new:
        # another thread may change them meanwhile: it keeps to the limits as well
        with suppress(KeyError, RuntimeError, StopIteration):
            while len(kept) > KEPT_TEXTS or sum(map(len, kept)) > KEPT_CHARACTERS:
                del kept[next(iter(kept))]
    return statement


@cache
def _kept() -> dict[str, duckdb.Statement]:
    return {}
