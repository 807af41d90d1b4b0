"""How are many records written as one change?  Rows of a DataFrame, all of them kept or none.

Every row is tried, so that all problems are told at once, each with the number of its row (the first is 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from crm_analytics.errors import CrmError, RecordInvalid, RecordNotFound, UsageError, VersionConflict
from crm_analytics.records.database import Database
from crm_analytics.records.record import Record, columns_of
from crm_analytics.records.validation import refuse
from crm_analytics.schema import Entity

if TYPE_CHECKING:
    import pandas as pd

    from crm_analytics.records.record import Columns

    Rows: TypeAlias = pd.DataFrame | Iterable[Columns]

_EXACT_AS_FLOAT = 2**53


def rows_of(entity: Entity, given: Rows) -> Iterator[dict[str, Any]]:
    """Give the rows of a DataFrame, or of any iterable of dicts or dataclasses, as dicts of plain values.

    An index of a DataFrame that has a name is a column like any other. NaN, NaT and NA are empty, and a whole
    number that pandas holds as a float (because a cell of its column, or of the column ``version``, is empty)
    is whole again. Nothing else is changed.

    Examples
    --------
    >>> import pandas as pd
    >>> from crm_analytics.schema import entity
    >>> frame = pd.DataFrame({"name": ["Acme", None], "employee_count": [12, None]})
    >>> list(rows_of(entity("customers"), frame))
    [{'name': 'Acme', 'employee_count': 12}, {'name': None, 'employee_count': None}]
    """
    if not _is_frame(given):
        if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
            raise UsageError(
                f"{entity.name}: a DataFrame or a list of dicts expected, got {type(given).__name__}."
            )
        for number, row in enumerate(given, start=1):
            columns = columns_of(row)
            if columns is None:
                raise UsageError(f"{entity.name}: row {number}: a dict expected, got {type(row).__name__}.")
            yield columns
        return
    if any(name is not None for name in given.index.names):
        given = given.reset_index(
            [name for name in given.index.names if name is not None], allow_duplicates=True
        )
    names = [str(name) for name in given.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"{entity.name}: columns that come twice: {', '.join(twice)}. Rename or drop one.")
    whole = {column.name for column in entity.columns if column.type == "BIGINT"} | {"version"}
    for values in given.itertuples(index=False, name=None):
        yield {name: _cell(value, name in whole) for name, value in zip(names, values, strict=True)}


def write_rows(
    database: Database,
    entity: Entity,
    rows: Iterable[dict[str, Any]],
    write: Callable[[dict[str, Any]], Record],
) -> list[Record]:
    """Write each row in one transaction; raise one error that lists what is wrong with which row.

    `write` must refuse a row before it writes anything of it. The error is RecordInvalid, or
    VersionConflict or RecordNotFound where nothing else is wrong.
    """
    written: list[Record] = []
    problems: list[str] = []
    kinds: set[type[CrmError]] = set()
    with database.writing():
        for number, row in enumerate(rows, start=1):
            try:
                written.append(write(row))
            except RecordInvalid as error:
                problems += [f"row {number}: {problem}" for problem in error.problems]
                kinds.add(RecordInvalid)
            except (VersionConflict, RecordNotFound, UsageError) as error:
                problems.append(f"row {number}: {str(error).removeprefix(f'{entity.name}: ')}")
                kinds.add(type(error))
        try:
            refuse(entity, problems)
        except RecordInvalid as error:
            if len(kinds) == 1 and kinds != {RecordInvalid}:
                raise kinds.pop()(str(error)) from None
            raise
    return written


def _is_frame(given: Rows) -> TypeGuard[pd.DataFrame]:
    return hasattr(given, "itertuples")


def _cell(value: Any, is_whole: bool) -> Any:
    """Turn a cell into what a dict would hold: None for empty, Python's own numbers and moments."""
    if hasattr(value, "item") and not hasattr(value, "isoformat") and not getattr(value, "ndim", 0):
        value = value.item()  # NumPy
    if isinstance(value, float):
        if value != value:
            return None
        if is_whole and value.is_integer() and abs(value) < _EXACT_AS_FLOAT:
            return int(value)
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value
