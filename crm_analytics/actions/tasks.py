"""How do tonight's calls reach the people who make them?  As tasks in the record store, each written once.

A task has a key made of the night and the customer, so a night that runs again writes nothing twice, and a
task that somebody deleted or changed stays as it is. The key is a digest: it names no customer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from crm_analytics.errors import RecordNotFound
from crm_analytics.records import RecordStore

# How `crm_analytics.sync` scopes the ids of the record store.
OWN_SYSTEM = "default"


def task_key(as_of: date, customer_id: str) -> str:
    """Return the id of the task of a night about a customer.

    Parameters
    ----------
    as_of : date
        Day of the night.
    customer_id : str
        Whom the task is about.

    Examples
    --------
    >>> task_key(date(2024, 7, 1), "shop:1")
    'keep-2024-07-01-5998f0dcbdfe6e44'
    """
    digest = hashlib.sha256(f"{as_of.isoformat()} {customer_id}".encode()).hexdigest()
    return f"keep-{as_of.isoformat()}-{digest[:16]}"


def write_tasks(records: RecordStore, listed: pd.DataFrame, *, as_of: date) -> int:
    """Write one open task per listed customer, in one transaction; return how many were new.

    Parameters
    ----------
    records : RecordStore
        Where to.
    listed : DataFrame
        As `call_list` returned it.
    as_of : date
        Night of the list.

    Returns
    -------
    int
        Tasks written; those that exist, or ever did, are left alone.

    Examples
    --------
    >>> write_tasks(RecordStore.open(":memory:"), pd.DataFrame(), as_of=date(2024, 7, 1))
    0
    """
    written = 0
    with records.transaction():
        for row in listed.to_dict("records"):
            task = _task({str(name): value for name, value in row.items()}, as_of)
            if not _ever_held(records, task["source_id"]):
                records.tasks.add(task, changed_by="nightly")
                written += 1
    return written


def _task(row: Mapping[str, Any], as_of: date) -> dict[str, Any]:
    is_alert = row["kind"] == "alert"
    owner = row["owner_source_id"]
    return {
        "source_id": task_key(as_of, row["customer_id"]),
        # the record store's own customers are known there by their id alone
        "customer_source_id": row["source_id"] if row["source_system"] == OWN_SYSTEM else row["customer_id"],
        "kind": "churn alert" if is_alert else "keep",
        "subject": f"Call: may leave ({row['churn_probability']:.0%}). {row['reason']}",
        "reason": row["reason_code"] if isinstance(row["reason_code"], str) else "churn risk",
        "priority": "high" if is_alert else "normal",
        "status": "open",
        "due_on": row["due_on"],
        "owner_source_id": owner if isinstance(owner, str) else None,
    }


def _ever_held(records: RecordStore, source_id: str) -> bool:
    try:
        records.tasks.history(source_id)
    except RecordNotFound:
        return False
    return True
