"""Do real Odoo files load with balanced accounts, and does what they refer to resolve?

``data/odoo`` holds the samples of Odoo's own import help (labels, no ids in some of them) and the files of
one bike shop (technical names, external ids). Every expectation is counted from the files with plain pandas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from crm_analytics.ingest import Load, load
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse

# file -> the profile that reads it
PROFILES = {
    "base_import": {
        "External_id_3rd_party_application_products.csv": "odoo_product",
        "m2m_customers_tags.csv": "odoo_partner",
        "o2m_customers_contacts.csv": "odoo_partner",
        "res.partner.csv": "odoo_partner",
    },
    "specibike": {
        "product.product.csv": "odoo_product",
        "res.partner.csv": "odoo_partner",
        "sale.order.csv": "odoo_sale_order",
        "sale.order.line.csv": "odoo_sale_order_line",
    },
}
# file -> why no entity is told
PASSED_OVER = {
    "base_import": {"o2m_purchase_order_lines.csv": "what the company buys of its suppliers"},
    "specibike": {
        "LICENCE-AGPL-3.txt": "a licence, no table",
        "crm.case.section.csv": "teams of salespeople; an order names the person",
        "product.category.csv": "names of categories; a product names its category",
    },
}
# our column -> things that name an id, those among them whose id is known
RESOLVING = {
    "base_import": {
        # persons of a company name it; res.partner.csv has ids and yet names the company by its name
        "customers.parent_source_id": (8, 4),
    },
    "specibike": {
        "orders.customer_source_id": (22, 22),
        # the salespeople were left out of the scenario
        "orders.owner_source_id": (22, 0),
        "order_lines.order_source_id": (29, 29),
        "order_lines.product_source_id": (29, 29),
        # the parent of the ten partners that have one is the company itself, which is no row
        "customers.parent_source_id": (10, 0),
    },
}


@dataclass(frozen=True)
class Loaded:
    """One folder of Odoo files, its loads by file, and the warehouse they went to."""

    folder: Path
    loads: Mapping[str, Load]
    wh: Warehouse


def _load(shared_data: Path, name: str) -> Iterator[Loaded]:
    """Load one folder as a whole; no file of it names a currency."""
    folder = shared_data / "data" / "odoo" / name
    if not folder.is_dir():
        pytest.skip(f"no {name} in {folder.parent.name}")
    with Warehouse.open(timezone="Europe/Paris") as wh:
        loads = load(wh, folder, received_at="2024-07-01", default_currency="EUR")
        yield Loaded(folder, {one.file: one for one in loads}, wh)


@pytest.fixture(scope="module", params=PROFILES)
def loaded(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[Loaded]:
    """Each of the folders."""
    yield from _load(shared_data, request.param)


@pytest.fixture(scope="module")
def bike_shop(shared_data: Path) -> Iterator[Loaded]:
    """The files of the bike shop alone."""
    yield from _load(shared_data, "specibike")


def test_every_file_is_loaded_or_passed_over_for_a_reason(loaded: Loaded) -> None:
    profiles, passed_over = PROFILES[loaded.folder.name], PASSED_OVER[loaded.folder.name]
    assert {**profiles, **passed_over}.keys() == {path.name for path in loaded.folder.iterdir()}
    read = {file: one.profile for file, one in loaded.loads.items() if one.status != "refused"}
    assert read == profiles


def test_every_record_is_loaded(loaded: Loaded) -> None:
    for file in PROFILES[loaded.folder.name]:
        one, rows = loaded.loads[file], len(_table(loaded.folder, file))
        assert (one.rows_in, one.rows_loaded, one.rows_quarantined, one.rows_merged) == (rows, rows, 0, 0), (
            file
        )


def test_relations_resolve_as_far_as_the_files_allow(loaded: Loaded) -> None:
    wanted = RESOLVING[loaded.folder.name]
    assert {name: _resolving(loaded.wh, name) for name in wanted} == wanted
    assert {name: _counted(loaded.folder, name) for name in wanted} == wanted


def test_what_the_bike_shop_sold_is_the_sum_of_its_lines(bike_shop: Loaded) -> None:
    lines = _table(bike_shop.folder, "sale.order.line.csv")
    sold = (lines["price_unit"].astype(float) * lines["product_uom_qty"].astype(float)).sum()
    [(found, currencies)] = bike_shop.wh.rows(
        "select sum(quantity * unit_price), list(distinct currency) from entities.order_lines"
    )
    assert float(found) == pytest.approx(sold, abs=0.001)
    assert currencies == ["EUR"]


def test_times_of_the_bike_shop_are_utc(bike_shop: Loaded) -> None:
    [(times,)] = bike_shop.wh.rows(
        "select list(distinct strftime(occurred_at at time zone 'UTC', '%Y-%m-%d %H:%M:%S')) "
        "from entities.orders"
    )
    assert times == list(_table(bike_shop.folder, "sale.order.csv")["date_order"].unique())


def _resolving(wh: Warehouse, name: str) -> tuple[int, int]:
    """Return how many things name an id, and how many of those ids are known."""
    entity, _, column = name.partition(".")
    target = entities()[entity].column(column).refers
    [(filled, resolving)] = wh.rows(
        f"select count(*), count(known.source_id) from (select {column} as id from entities.{entity} "
        f"where {column} is not null) as named "
        f"left join (select distinct source_id from entities.{target}) as known on known.source_id = named.id"
    )
    return filled, resolving


def _counted(folder: Path, name: str) -> tuple[int, int]:
    """Return the same from the files, without any of our code."""
    if folder.name == "base_import":
        partners = [
            _table(folder, file) for file, profile in PROFILES["base_import"].items() if "partner" in profile
        ]
        known = set[str]().union(*(set(one["ID"] if "ID" in one else one["Name"]) for one in partners))
        columns = [one[column] for one in partners for column in one if column.lower() == "related company"]
        named = pd.concat(columns).dropna()
        return len(named), int(named.isin(known).sum())
    source, column, target = {
        "orders.customer_source_id": ("sale.order.csv", "partner_id/id", "res.partner.csv"),
        "orders.owner_source_id": ("sale.order.csv", "user_id/id", ""),
        "order_lines.order_source_id": ("sale.order.line.csv", "order_id/id", "sale.order.csv"),
        "order_lines.product_source_id": ("sale.order.line.csv", "product_id/id", "product.product.csv"),
        "customers.parent_source_id": ("res.partner.csv", "parent_id/id", "res.partner.csv"),
    }[name]
    named = _table(folder, source)[column].dropna()
    known = set(_table(folder, target)["id"]) if target else set()
    return len(named), int(named.isin(known).sum())


def _table(folder: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(folder / file, dtype=str, keep_default_na=False, na_values=[""])
