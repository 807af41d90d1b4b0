"""Do the Maven CRM files load whole, with their relations resolved?  Skips where the data are absent."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd

from crm_analytics.ingest import load
from crm_analytics.warehouse import Warehouse


def test_the_maven_pipeline_loads_whole_and_its_relations_resolve(shared_data: Path) -> None:
    folder = shared_data / "data" / "maven_crm_opportunities"
    with gzip.open(folder / "sales_pipeline.csv.gz", "rt") as file:
        deals = pd.read_csv(file, dtype=str)
    accounts = pd.read_csv(folder / "accounts.csv", dtype=str)["account"]
    with Warehouse.open(reporting_currency="USD") as wh:
        files = ["accounts.csv", "products.csv", "sales_teams.csv", "sales_pipeline.csv.gz"]
        loads = {name: load(wh, folder / name)[0] for name in files}
        assert [one.status for one in loads.values()] == ["loaded"] * 4
        assert [one.rows_loaded for one in loads.values()] == [85, 7, 35, 8800]
        assert all(one.rows_in == one.rows_loaded for one in loads.values())
        kinds = dict(wh.rows("select stage_kind, count(*) from entities.opportunities group by all"))
        assert kinds == {"won": 4238, "lost": 2473, "open": 1589 + 500}
        won = wh.value("select sum(amount) from entities.opportunities where stage_kind = 'won'")
        assert won == 10_005_534
        named, resolved = wh.rows(
            "select count(o.customer_source_id), count(c.source_id) from entities.opportunities as o "
            "left join entities.customers as c on c.source_id = o.customer_source_id"
        )[0]
        owned = wh.value(
            "select count(*) from entities.opportunities as o "
            "join entities.users as u on u.source_id = o.owner_source_id"
        )
    # 1,425 open deals name no account; all others find theirs, and every deal its salesperson
    assert named == deals["account"].notna().sum() == 7375
    assert resolved == deals["account"].isin(accounts).sum() == 7375
    assert owned == 8800
