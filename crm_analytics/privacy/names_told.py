"""Which references by name could mean an erased person, and what becomes of them?  They are emptied.

A name that several customers have means none of them (decision 0024); once one of them is gone it must not
mean the one who is left. Names are compared as `crm_analytics.normalise.letters.fold_letters` folds them.
"""

from __future__ import annotations

import pyarrow as pa

from crm_analytics.normalise.letters import fold_letters
from crm_analytics.privacy.subject import Subject
from crm_analytics.warehouse import Warehouse


def names_told(wh: Warehouse, subject: Subject) -> pa.Table:
    """Return (system, name) of the references by name that could mean the person."""
    keys = subject.keys.get("customers", frozenset())
    given = pa.table(
        {
            "system": pa.array([system for system, _ in keys], pa.string()),
            "id": pa.array([source_id for _, source_id in keys], pa.string()),
        }
    )
    with wh.registered(subject_keys=given):
        borne = {
            (system, fold_letters(name))
            for system, name in wh.rows(
                "select distinct source_system, name from entities.customers_versions where name is not null "
                "and (source_system, source_id) in (select (system, id) from subject_keys)"
            )
        }
    systems = sorted({system for system, _ in borne})
    told = (
        [
            (system, name)
            for system, name in wh.rows(
                "select distinct source_system, customer_name from entities.relations_versions "
                "where customer_name is not null and list_contains($systems, source_system)",
                systems=systems,
            )
            if (system, fold_letters(name)) in borne
        ]
        if systems
        else []
    )
    return pa.table(
        {
            "system": pa.array([system for system, _ in told], pa.string()),
            "name": pa.array([name for _, name in told], pa.string()),
        }
    )


def empty_names(wh: Warehouse, told: pa.Table) -> int:
    """Empty the name in references that stay: whom they meant is not decided by who is left."""
    if not told.num_rows:
        return 0
    with wh.registered(erased_names=told):
        return wh.execute(
            "update entities.relations_versions set customer_name = null "
            "where (source_system, customer_name) in (select (system, name) from erased_names)"
        )
