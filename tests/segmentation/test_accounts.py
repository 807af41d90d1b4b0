"""Accounts: contacts and everything else rolled up to the organisation, as it was known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from crm_analytics import Warehouse
from crm_analytics.segmentation import account_contacts, accounts
from tests import build

AS_OF = date(2025, 1, 1)


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    customers = [
        {"source_id": "ORG", "type": "organisation", "owner_source_id": "U1", "created_at": "2024-01-01"},
        {"source_id": "LONE", "type": "organisation", "created_at": "2024-01-01"},
        {"source_id": "TEST", "type": "organisation", "is_test": True, "created_at": "2024-01-01"},
        {"source_id": "ANNA", "type": "person", "created_at": "2024-01-01"},
    ]
    contacts = [
        {"source_id": "P1", "customer_source_id": "ORG", "job_title": "Chef", "created_at": "2024-02-01"},
        {"source_id": "P2", "customer_source_id": "ORG", "job_title": "Buyer", "created_at": "2024-03-01"},
        {"source_id": "P3", "customer_source_id": "ORG", "job_title": "Late", "created_at": "2025-01-01"},
    ]
    lines = build.order_lines_of({"ORG": ["2024-05-01", "2024-12-01"], "ANNA": ["2024-05-01"]}, amount="50")
    tickets = [{"source_id": "K", "customer_source_id": "ORG", "kind": "problem", "created_at": "2024-12-30"}]
    with build.warehouse(customers=customers, contacts=contacts, order_lines=lines, tickets=tickets) as made:
        yield made


def test_one_row_per_organisation_holds_what_all_of_it_did(wh: Warehouse) -> None:
    found = accounts(wh, as_of=AS_OF).set_index("customer_id")
    assert list(found.index) == ["default:LONE", "default:ORG"]
    org = found.loc["default:ORG"]
    assert (org["contact_count"], org["owner_source_id"], org["net_spend"]) == (2, "U1", 100.0)
    assert (org["order_count_365_days"], org["open_ticket_count"], org["days_since_last_order"]) == (2, 1, 30)
    assert found.loc["default:LONE", ["contact_count", "net_spend"]].to_list() == [0, 0.0]


def test_contacts_are_listed_per_account_and_those_of_later_days_are_not(wh: Warehouse) -> None:
    found = account_contacts(wh, as_of=AS_OF)
    assert found[["contact_id", "job_title"]].to_numpy().tolist() == [
        ["default:P1", "Chef"],
        ["default:P2", "Buyer"],
    ]
    later = account_contacts(wh, as_of=date(2025, 1, 2), with_empty=True)
    assert later["contact_id"].fillna("none").to_list() == ["none", "default:P1", "default:P2", "default:P3"]
