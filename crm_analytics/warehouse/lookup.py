"""How is a customer found by e-mail in a copy that holds no e-mail addresses?  By keyed hashes.

The key is derived from the warehouse's own (HMAC-SHA-256, RFC 2104), so it gives away nothing of the hashes
that stand for ids, and lies beside the pointer (``published/lookup.key``, 0600), never inside a run. Who may
read the published folder can look up; who gets hold of a run alone (a copied database or parquet file)
cannot guess addresses. Decision 0022.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

from crm_analytics.errors import UsageError
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.masking import masked_customer, pads, prepare_key

if TYPE_CHECKING:
    import pyarrow as pa

KEY_FILE = "lookup.key"
_PURPOSE = b"look up by e-mail, phone or id"
_KEYED = """
    with named as (
        select
            coalesce(ids.customer_id, told.source_system || ':' || told.source_id) as customer_id,
            ids.customer_id is not null as is_shared,
            told.value as value
        from told_of_records as told
        left join entities.customer_ids(_known_at := null) as ids
            on ids.source_system = told.source_system and ids.source_id = told.source_id
    )
    select
        left(sha256($key_outer || unhex(sha256($key_inner || encode(value)))), 32) as key,
        {customer} as customer_id,
        is_shared
    from named"""


def lookup_key(wh: Warehouse) -> bytes:
    """Return the key of look-ups in what this warehouse publishes."""
    return hmac.digest(bytes.fromhex(prepare_key(wh)), _PURPOSE, "sha256")


def read_lookup_key(copy: Warehouse) -> bytes:
    """Return the key that lies beside the runs of a published copy; UsageError when there is none."""
    path = Path(copy.path).parent.parent.parent / KEY_FILE
    try:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise UsageError(
            f"This copy is looked up by e-mail or phone with {KEY_FILE} of the published folder, which is "
            "not there or not readable. Look up by customer_id."
        ) from None


def keyed_hash(key: bytes, kind: str, value: str) -> str:
    """Return what stands for a value in a published copy.

    Parameters
    ----------
    key : bytes
        Of `lookup_key`.
    kind : {"email", "phone", "id"}
        Values of different kinds never meet.
    value : str
        As it is compared: `crm_analytics.normalise.emails.fold_email`, ``phones.fold_phone``.

    Examples
    --------
    >>> keyed_hash(bytes(32), "email", "ada@example.org")
    '09fd2dfd3914ef8f93b756fd60801f41'
    """
    return hmac.digest(key, f"{kind}:{value}".encode(), hashlib.sha256).hex()[:32]


def keyed_rows(wh: Warehouse, told: pa.Table) -> pa.Table:
    """Return what stands for many values in a published copy, and for the customers of whom they are told.

    Parameters
    ----------
    wh : Warehouse
        Where the identities and the keys are.
    told : pyarrow.Table
        ``source_system``, ``source_id`` of a record, ``value`` as "kind:value" of `keyed_hash`.

    Returns
    -------
    pyarrow.Table
        ``key`` as of `keyed_hash`, ``customer_id`` as the copy writes it, ``is_shared`` (the record stands
        under the key of another one); one row per row told, in no order.
    """
    inner, outer = pads(bytes.fromhex(prepare_key(wh)))
    key_inner, key_outer = pads(lookup_key(wh))
    with wh.registered(told_of_records=told):
        return wh.arrow(
            _KEYED.format(customer=masked_customer("customer_id")),
            inner_pad=inner,
            outer_pad=outer,
            key_inner=key_inner,
            key_outer=key_outer,
        )


def masked_id(wh_key: bytes, customer_id: str) -> str:
    """Return a customer_id as `crm_analytics.warehouse.masking` writes it.

    Examples
    --------
    >>> masked_id(bytes(32), "shop:1"), masked_id(bytes(32), "shop:ada@example.org")[:7]
    ('shop:1', 'shop:ac')
    """
    system, _, source_id = customer_id.partition(":")
    if "@" not in customer_id:
        return customer_id
    return f"{system}:{hmac.digest(wh_key, source_id.encode(), hashlib.sha256).hex()[:32]}"
