"""Does a delivery bring back somebody who was erased?  Such records are set aside, with nothing kept of them.

A record is about an erased person when the key of one of its rows, or a reference in it, was erased
(`crm_analytics.warehouse.erased_keys`); a record that is broken anyway, also when it holds an id, address or
number of one. Of these only the place in the file and the reason ``erased_subject`` stay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse.erased_keys import ErasedKeys

# Entities whose erased records others may refer to.
KEYED = (
    *("customers", "contacts", "leads", "opportunities", "tickets", "orders"),
    *("interactions", "tasks"),
)


def columns_that_tell(declared: Entity) -> list[tuple[str, str]]:
    """Return (column, entity) of what says whom or what a row is about.

    Examples
    --------
    >>> columns_that_tell(entity("payments"))
    [('customer_source_id', 'customers'), ('order_source_id', 'orders')]
    """
    own = [("source_id", declared.name)] if declared.name in KEYED else []
    refers = [
        (column.name, column.refers)
        for column in declared.columns
        if column.refers in KEYED and not is_aside(declared.name, column.name)
    ]
    return own + [(name, referred) for name, referred in refers if referred is not None]


def is_aside(entity_name: str, column: str) -> bool:
    """Does a reference only stand beside what the row is about?  A subsidiary is not its parent."""
    return (entity_name, column) in {
        ("customers", "parent_source_id"),
        ("opportunities", "contact_source_id"),
    }


def erased_records(
    erased: ErasedKeys,
    staged: Iterable[tuple[str, pa.Table]],
    *,
    source_system: str,
    number: str = "record_number",
    is_new: Callable[[str, str], bool] = lambda entity, source_id: False,
) -> set[int]:
    """Return the numbers of the records of which some row is about an erased person.

    Parameters
    ----------
    erased : ErasedKeys
    staged : iterable of (entity, table)
        Typed rows with ``record_number``.
    source_system : str
        System that the ids are scoped by.
    number : str, default "record_number"
        Column with the number of the record.
    is_new : callable, optional
        Was the record of this entity and id entered anew after its erasure?  Then it is another record.
    """
    found: set[int] = set()
    for name, table in staged:
        for column, referred in columns_that_tell(entity(name)):
            if column not in table.column_names:
                continue
            values = table.column(column)
            hit = [
                one
                for one in pc.unique(values.drop_null()).to_pylist()
                if erased.holds(referred, source_system, str(one)) and not is_new(referred, str(one))
            ]
            if hit:
                is_hit = pc.is_in(values, pa.array(hit, values.type))
                found.update(table.column(number).filter(is_hit).to_pylist())
    return found


def without(table: pa.Table, numbers: Collection[int], number: str = "record_number") -> pa.Table:
    """Return the rows of the other records."""
    if not numbers:
        return table
    column = table.column(number)
    return table.filter(pc.invert(pc.is_in(column, pa.array(sorted(numbers), column.type))))
