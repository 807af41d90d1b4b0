"""Records that a relation alone tells of: do they go with the person, and does a published copy keep them?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import crm_analytics as crm
from crm_analytics.reports.customer_360 import lay_out
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import open_published, publish

COMPANIES = "id,is_deleted,property_name,property_createdate,property_industry\n{}\n"
DEALS = "deal_id,is_deleted,property_dealname,property_createdate\n{}\n"
ENGAGEMENTS = "engagement_id,_fivetran_deleted,property_hs_timestamp,property_hs_email_subject,type\n{}\n"
OF_DEALS = "company_id,deal_id,type_id,category\n{}\n"
OF_ENGAGEMENTS = "deal_id,engagement_id,engagement_type,type_id,category\n{}\n"
FILES = {
    "company.csv": COMPANIES.format(
        "7000000001,false,Ada Example,2024-01-01 10:00:00,\n7000000002,false,Bob Example,2024-01-01 10:00:00,"
    ),
    "deal.csv": DEALS.format(
        "5000000001,false,Mill,2024-02-01 10:00:00\n5000000002,false,Barn,2024-02-01 10:00:00"
    ),
    "engagement_email.csv": ENGAGEMENTS.format(
        "9000000001,false,2024-03-01 10:00:00,Dear Ada,EMAIL\n"
        "9000000002,false,2024-03-01 10:00:00,Dear Bob,EMAIL"
    ),
    "deal_company.csv": OF_DEALS.format(
        "7000000001,5000000001,5,HUBSPOT_DEFINED\n7000000002,5000000002,5,HUBSPOT_DEFINED"
    ),
    # what a deal itself says goes before the relation
    "deal_list.csv": "Record ID,Deal Name,Associated Company IDs,Create Date\n"
    "5000000003,Shed,7000000002,2024-02-01 10:00\n",
    "deal_company_2.csv": OF_DEALS.format("7000000001,5000000003,5,HUBSPOT_DEFINED"),
    "engagement_deal.csv": OF_ENGAGEMENTS.format(
        "5000000001,9000000001,EMAIL,210,HUBSPOT_DEFINED\n5000000002,9000000002,EMAIL,210,HUBSPOT_DEFINED"
    ),
}


def loaded(wh: Warehouse, folder: Path) -> list[crm.Load]:
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return crm.load(wh, folder, received_at="2025-06-30")


def test_erasing_a_customer_takes_what_only_relations_relate(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        loaded(wh, tmp_path / "first")
        receipt = crm.erase(wh, "hubspot:7000000001")
        assert receipt.rows_removed == {
            "entities.customers_versions": 1,
            "entities.opportunities_versions": 1,
            "entities.interactions_versions": 1,
            "entities.relations_versions": 3,
        }
        assert wh.rows("select name from entities.opportunities order by all") == [("Barn",), ("Shed",)]
        assert wh.rows("select summary from entities.interactions") == [("Dear Bob",)]
        again = {one.file: one.reasons for one in loaded(wh, tmp_path / "again") if one.reasons}
        assert again == {}, "the same bytes are not read again"
        (tmp_path / "again" / "engagement_email.csv").write_text(FILES["engagement_email.csv"] + "\n")
        [account] = crm.load(wh, tmp_path / "again" / "engagement_email.csv", received_at="2025-07-01")
        assert account.reasons == {"erased_subject": 1}


def test_a_published_copy_knows_whose_a_deal_is_though_it_holds_no_names(tmp_path: Path) -> None:
    as_of = date(2025, 7, 1)
    (tmp_path / "accounts.csv").write_text(
        '"Name";"ID";"Website";"Office Phone";"Industry";"Type";"Date Created";"Date Modified";"Deleted"\n'
        '"Prairie Inc";"a1";"";"";"";"Customer";"2024-01-01 10:00";"2024-01-01 10:00";"0"\n'
    )
    (tmp_path / "deals.csv").write_text(
        '"Opportunity Name";"ID";"Opportunity Amount";"Currency";"Expected Close Date";"Sales Stage";'
        '"Account Name";"Date Created";"Date Modified";"Deleted"\n'
        '"Silo";"d1";"50.00";"-99";"2024-06-30";"Closed Won";"prairie inc";"2024-04-03 21:30";'
        '"2024-06-30 09:00";"0"\n'
    )
    with Warehouse.open(tmp_path / "crm.duckdb", reporting_currency="USD") as wh:
        for name in ("accounts.csv", "deals.csv"):
            crm.load(wh, tmp_path / name, received_at="2025-06-30", default_currency="USD", timezone="UTC")
        publish(
            wh,
            tmp_path / "published",
            "one",
            {},
            as_of=as_of,
            made_from={},
            lay_out=lambda wh, copy: lay_out(wh, copy, as_of=as_of),
        )
    with open_published(tmp_path / "published") as copy:
        assert copy.rows("select customer_name, customer_source_id from entities.relations") == [(None, "a1")]
        found = copy.rows("select opportunity_id, customer_id from by_customer.opportunities_before")
        assert found == [("suitecrm:d1", "suitecrm:a1")]


def test_a_name_that_an_erased_customer_shared_means_nobody_who_is_left(tmp_path: Path) -> None:
    accounts = "Name,ID,Website,Office Phone,Industry,Type,Date Created,Date Modified,Deleted\n"
    deals = (
        "Opportunity Name,ID,Opportunity Amount,Currency,Expected Close Date,Sales Stage,Account Name,"
        "Date Created,Date Modified,Deleted\n"
    )
    row = "{},{},,,,,2024-01-01 10:00,2024-01-01 10:00,0\n"
    deal = "Silo,d1,{},-99,2024-06-30,Closed Won,TWIN,2024-04-03 21:30,2024-04-03 21:30,0\n"
    (tmp_path / "accounts.csv").write_text(accounts + row.format("Twin", "b1") + row.format("Twin ", "b2"))
    options = {"default_currency": "USD", "timezone": "UTC"}
    with Warehouse.open(reporting_currency="USD") as wh:
        crm.load(wh, tmp_path / "accounts.csv", received_at="2025-06-30", **options)  # type: ignore[arg-type]
        (tmp_path / "deals.csv").write_text(deals + deal.format(50))
        crm.load(wh, tmp_path / "deals.csv", received_at="2025-06-30", **options)  # type: ignore[arg-type]
        assert crm.erase(wh, "suitecrm:b1").rows_emptied == {"entities.relations_versions": 1}
        (tmp_path / "again.csv").write_text(deals + deal.format(50) + "\n")
        crm.load(wh, tmp_path / "again.csv", received_at="2025-07-01", **options)  # type: ignore[arg-type]
        found = wh.rows("select opportunity_id, customer_id from facts.opportunities_before('2025-12-01')")
        assert found == [("suitecrm:d1", None)]
