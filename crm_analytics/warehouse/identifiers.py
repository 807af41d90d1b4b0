"""How does a name from outside get into SQL safely?  Quoted here, and nowhere else."""

from __future__ import annotations

from crm_analytics.errors import UsageError

MAX_IDENTIFIER_LENGTH = 128


def quote_ident(name: str) -> str:
    """Return `name` as a quoted SQL identifier.

    Parameters
    ----------
    name : str
        Of a table, a column or a schema.

    Raises
    ------
    UsageError
        For an empty name, one longer than 128 characters, or one that holds a NUL.

    Examples
    --------
    >>> print(quote_ident('a"b'))
    "a""b"
    """
    if not name or len(name) > MAX_IDENTIFIER_LENGTH or "\x00" in name:
        raise UsageError(f"{name[:40]!r} cannot be a name in SQL: 1 to 128 characters, no NUL.")
    return '"' + name.replace('"', '""') + '"'


def quote_table(name: str) -> str:
    """Return ``schema.table`` with both parts quoted.

    Parameters
    ----------
    name : str
        With one dot.

    Raises
    ------
    UsageError
        The name has no schema, or a part cannot be a name (`quote_ident`).

    Examples
    --------
    >>> quote_table("scores.clv")
    '"scores"."clv"'
    """
    schema, dot, table = name.partition(".")
    if not dot:
        raise UsageError(f"{name!r} needs its schema, for example 'scores.{name}'.")
    return f"{quote_ident(schema)}.{quote_ident(table)}"
