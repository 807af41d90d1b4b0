"""Do the files of one Salesforce export fit together, and is a report that cannot be read surely refused?"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from crm_analytics.entities import checks
from crm_analytics.errors import FileRefused
from crm_analytics.ingest import Load, load
from crm_analytics.warehouse import Warehouse

FILES = Path(__file__).parent / "files"
MEMBERS = {
    "Account.csv": "salesforce_account",
    "Campaign.csv": "salesforce_campaign",
    "CampaignMember.csv": "salesforce_campaign_member",
    "Case.csv": "salesforce_case",
    "Contact.csv": "salesforce_contact",
    "Contract.csv": "salesforce_contract",
    "Event.csv": "salesforce_event",
    "Lead.csv": "salesforce_lead",
    "Opportunity.csv": "salesforce_opportunity",
    "OpportunityHistory.csv": "salesforce_opportunity_history",
    "OpportunityLineItem.csv": "salesforce_opportunity_line_item",
    "Order.csv": "salesforce_order",
    "OrderItem.csv": "salesforce_order_item",
    "Product2.csv": "salesforce_product",
    "Task.csv": "salesforce_task",
    "User.csv": "salesforce_user",
}
REPORT = "Opportunity ID,Opportunity Name,Stage,Amount,Close Date,Created Date\n"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Warehouse, list[Load]]]:
    """A warehouse, to be read, with what the Data Export Service would make of our golden files."""
    path = tmp_path_factory.mktemp("export") / "WE_00D4x00000Orgn1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, profile in MEMBERS.items():
            archive.writestr(member, (FILES / f"{profile}.csv").read_bytes())
    with Warehouse.open(reporting_currency="EUR") as wh:
        yield wh, load(wh, path, received_at="2025-07-01", encoding="cp1252")


def test_every_member_of_an_export_is_recognised_and_accounted_for(
    loaded: tuple[Warehouse, list[Load]],
) -> None:
    _, loads = loaded
    assert {one.file.rpartition("/")[2]: one.profile for one in loads} == MEMBERS
    for one in loads:
        assert one.rows_in == one.rows_loaded + one.rows_quarantined + one.rows_merged, one.file


def test_an_order_counts_net_of_its_reduction_and_the_products_of_deals_count_nowhere(
    loaded: tuple[Warehouse, list[Load]],
) -> None:
    wh, _ = loaded
    orders = wh.rows(
        "select ordered_on, line_count, gross_amount, returned_amount, net_amount, is_purchase "
        "from facts.orders_before(date '2025-01-01')"
    )
    broken = [one.check for one in checks.run(wh)]
    assert [(str(day), *rest) for day, *rest in orders] == [
        ("2023-06-01", 2, Decimal("12000.5"), Decimal(1200), Decimal("10800.5"), True)
    ]
    assert broken == []


def test_reports_whose_days_and_months_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(REPORT + "0064x00000Opp01,Kitchen,Closed Won,100,05/03/2023,01/02/2023\n")
    with Warehouse.open() as wh:
        with pytest.raises(FileRefused, match=r"column .C[a-z]+ Date.: .*as month/day") as refusal:
            load(wh, path, received_at="2025-07-01")
        assert refusal.value.reason == "ambiguous_date"
        [loaded] = load(wh, path, received_at="2025-07-01", date_format="%d/%m/%Y")
        assert loaded.rows_loaded == 1
        assert wh.value("select expected_close_on from entities.opportunities") == date(2023, 3, 5)


def test_a_report_without_ids_is_refused_for_names_are_none(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text(
        "Opportunity Name,Account Name,Stage,Amount,Close Date,Created Date\n"
        "Kitchen,Acme GmbH,Closed Won,100,2023-03-05,2023-02-01\n"
    )
    with Warehouse.open() as wh, pytest.raises(FileRefused, match=r"column 'Id' .*is missing") as refusal:
        load(wh, path, received_at="2025-07-01")
    assert refusal.value.reason == "missing_column"


@pytest.mark.parametrize("layout", ["salesforce_currency_type", "salesforce_dated_rate"])
def test_rates_are_refused_until_the_corporate_currency_is_said(layout: str) -> None:
    with Warehouse.open() as wh, pytest.raises(FileRefused, match="for all records, say default_currency"):
        load(wh, FILES / f"{layout}.csv")


def test_an_amount_is_priced_by_the_rate_of_its_day() -> None:
    with Warehouse.open(reporting_currency="USD") as wh:
        load(wh, FILES / "salesforce_dated_rate.csv", default_currency="USD")
        rates = wh.rows(
            "select priced_on, round(1 / rate, 6) from facts.daily_rates_before(date '2024-05-01') "
            "where currency = 'MXN' and priced_on in (date '2024-03-31', date '2024-04-01') order by all"
        )
    assert rates == [(date(2024, 3, 31), 17.05), (date(2024, 4, 1), 18.2)]


def test_a_list_of_currencies_that_marks_another_as_corporate_is_refused() -> None:
    with Warehouse.open() as wh, pytest.raises(FileRefused, match=r"marks USD .* EUR was said") as refusal:
        load(wh, FILES / "salesforce_currency_type.csv", default_currency="EUR")
    assert refusal.value.reason == "other_currency"


def test_rates_of_the_currency_list_do_not_replace_dated_ones() -> None:
    with Warehouse.open(reporting_currency="USD") as wh:
        load(wh, FILES / "salesforce_dated_rate.csv", default_currency="USD")
        load(wh, FILES / "salesforce_currency_type.csv", default_currency="USD")
        rates = wh.rows(
            "select currency, cast(round(1 / rate, 2) as double) "
            "from facts.daily_rates_before(date '2024-07-01') "
            "where priced_on in (date '2024-02-01', date '2024-06-30') order by currency, priced_on"
        )
    assert rates == [("COP", 4500.0), ("MXN", 17.05), ("MXN", 18.2)]
