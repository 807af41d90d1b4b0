"""Does a warehouse written by an earlier state of the library open, with what it held?  (A14)

`data/*.duckdb.gz` are warehouses as they were written on a day: two exports loaded, one record set aside, two
customers merged. A file is added for every release, and none is ever changed; `write_today` makes one.
"""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import crm_analytics as crm
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.tables import COLUMNS

KEPT = sorted((Path(__file__).parent / "data").glob("*.duckdb.gz"))
CUSTOMERS = (
    "customer_id,name,email,created_at\nC1,Ada,ada@example.com,2024-01-05\nC2,Ada B,,2024-02-01\n,Nobody,,\n"
)
LINES = (
    "customer_id,order_id,order_date,product_id,quantity,unit_price,currency\n"
    "C1,o1,2024-03-01,P1,2,10.50,EUR\nC2,o2,2024-04-01,P2,1,7,EUR\nC1,o3,2024-05-01,P1,-1,10.50,EUR\n"
)


def exports(folder: Path) -> list[Path]:
    files = [folder / "customers.csv", folder / "transactions.csv"]
    for file, text in zip(files, (CUSTOMERS, LINES), strict=True):
        file.write_text(text)
    return files


def write_today(folder: Path, target: Path) -> None:
    """Write the warehouse of today's library as a file to keep."""
    path = folder / "crm.duckdb"
    with Warehouse.open(path, timezone="Europe/Berlin", reporting_currency="EUR") as wh:
        for file in exports(folder):
            crm.load(wh, file, received_at="2025-01-01")
        crm.merge(wh, "default:C1", "default:C2", reason="one person")
    target.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name.partition(".")[0])
def test_a_warehouse_of_an_earlier_day_opens_with_what_it_held(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    path.write_bytes(gzip.decompress(kept.read_bytes()))
    with Warehouse.open(path) as wh:
        assert wh.settings.timezone == "Europe/Berlin"
        assert wh.rows("select rows_in, rows_loaded, rows_quarantined from ops.loads order by file") == [
            (3, 2, 1),
            (3, 3, 0),
        ]
        one = crm.customer(wh, "C2", as_of=date(2024, 6, 1))
        assert one.customer_id == "default:C1"
        assert (one.orders.purchase_count, one.orders.net_amount) == (2, Decimal("17.50"))
        again = [load for file in exports(tmp_path) for load in crm.load(wh, file, received_at="2025-01-02")]
        assert [load.rows_loaded for load in again] == [0, 0], "rows are known by the same keys as then"
        assert crm.verify_audit(wh).entries > 0


def test_there_is_a_file_to_open() -> None:
    assert KEPT


def test_every_table_of_an_earlier_day_gets_the_columns_declared_since(tmp_path: Path) -> None:
    path = tmp_path / "crm.duckdb"
    lacking = ("entities.customers_versions.phone", "scores.churn.risk_band", "ops.loads.reason")
    with Warehouse.open(path) as wh:
        whole = wh.rows(COLUMNS)
        wh.execute("drop view entities.customers cascade")
        for name in lacking:
            table, _, column = name.rpartition(".")
            wh.execute(f"alter table {table} drop column {column}")
        wh.execute("update ops.settings set value = 'of an earlier day' where name = 'definitions'")
    with Warehouse.open(path) as wh:
        assert sorted(wh.rows(COLUMNS)) == sorted(whole)
        crm.load(wh, exports(tmp_path)[0])
        assert crm.export_subject(wh, "C1").tables
