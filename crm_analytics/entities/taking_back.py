"""What do standing loads tell once another one is withdrawn?  What they would have told without it.

A load that says again what another one said leaves no version of its own (``ops.repeats``), and a line
without an id of its own finds its row among those that stood. So when a load is withdrawn, what loads
received at the same moment or later said of its rows, or of the documents of its lines, is taken out and told
again without it, by the same statements as the first time. The versions of the withdrawn load itself stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from crm_analytics.entities.rewinding import has_later, rewind, tell_again
from crm_analytics.entities.storing import Delivery, said_again, versions_table
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident

# What the withdrawn loads told, and, of lines, the documents they told of.
_TAKEN_BACK = """
    create or replace temp table versions_taken_back as
    select row_id {also}
    from {versions}
    where list_contains($load_ids, load_id)
    union
    select row_id {also}
    from {said_again}
    where again.entity = '{entity}' and list_contains($load_ids, again.load_id)"""


def tell_without(wh: Warehouse, load_ids: Sequence[int]) -> None:
    """Tell again, without withdrawn loads, what standing ones said of the same rows.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the withdrawal, after it was written to ``ops.withdrawals``.
    load_ids : sequence of int
        The loads that were withdrawn together.
    """
    delivered = wh.rows(
        "select entity, source_system, min(recorded_at) from ops.deliveries "
        "where list_contains($load_ids, load_id) group by entity, source_system order by entity",
        load_ids=list(load_ids),
    )
    for name, source_system, received_at in delivered:
        # Parts of the same moment are told again too: the place before it has no parts.
        place = received_at - timedelta(microseconds=1)
        delivery = Delivery(min(load_ids), source_system, place, "merge")
        declared = entity(name)
        if has_later(wh, declared, delivery):
            also = "".join(f", {quote_ident(one)}" for one in _line_columns(declared))
            names = {"versions": versions_table(declared), "said_again": said_again(declared)}
            wh.execute(_TAKEN_BACK.format(**names, entity=name, also=also), load_ids=list(load_ids))
            rewound = rewind(wh, declared, delivery, staged="versions_taken_back", covers_all=False)
            tell_again(wh, declared, delivery, rewound, keeps_rows=True)
            wh.execute("drop table temp.versions_taken_back")
            wh.execute("drop table if exists temp.versions_corrected")


def _line_columns(declared: Entity) -> tuple[str, ...]:
    """Return the columns by which lines without an id of their own are found."""
    return (declared.key[0], declared.repeat_key[0]) if declared.repeat_key else ()
