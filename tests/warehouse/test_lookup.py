"""Are keys of many rows, made in SQL, those that a look-up makes of one value in Python?"""

from __future__ import annotations

import pyarrow as pa

from crm_analytics.warehouse.lookup import keyed_hash, keyed_rows, lookup_key, masked_id
from crm_analytics.warehouse.masking import prepare_key
from tests import build


def test_keys_of_many_rows_are_those_of_one_value_and_lead_to_the_customer_of_the_record() -> None:
    told = pa.table(
        {
            "source_system": ["shop", "shop", "shop"],
            "source_id": ["1", "ada@example.com", "2"],
            "value": ["email:ada@example.com", "id:ada@example.com", "phone:۰۱۲"],
        }
    )
    with build.warehouse() as wh:
        wh.execute(
            "insert into entities.identity "
            "values (1, 'shop', '2', 'shop:ada@example.com', timestamptz '2024-01-01')"
        )
        rows = keyed_rows(wh, told).to_pylist()
        key, id_key = lookup_key(wh), bytes.fromhex(prepare_key(wh))
    ada = masked_id(id_key, "shop:ada@example.com")
    assert "@" not in ada
    assert sorted((row["key"], row["customer_id"], row["is_shared"]) for row in rows) == sorted(
        [
            (keyed_hash(key, "email", "ada@example.com"), "shop:1", False),
            (keyed_hash(key, "id", "ada@example.com"), ada, False),
            (keyed_hash(key, "phone", "۰۱۲"), ada, True),
        ]
    )
