"""Do the view of a customer, an erasure and an export mean the same person, however they are named?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crm_analytics as crm
from crm_analytics.errors import UsageError
from crm_analytics.facts import one_customer
from crm_analytics.privacy.subject import find
from crm_analytics.schema import entities
from crm_analytics.warehouse import SqlFile, Warehouse

CUSTOMERS = """customer_id,name,email,phone,country
S1,Sara,Al.Pha@gmail.com,0912 111 2233,IR
S2,Kurz GmbH,info@kurz.example.com,030 901820,DE
S6,Anna Alt,anna@example.com,+1 202 555 0143,US
S7,Bert Berg,bert@example.com,(202) 555-0143,US
D1,Dora,d.o.ra@gmail.com,,DE
D2,Dora,dora@gmail.com,,DE
"""


@pytest.fixture(scope="module")
def wh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    file = tmp_path_factory.mktemp("in") / "customers.csv"
    file.write_text(CUSTOMERS)
    with Warehouse.open() as opened, crm.RecordStore.open(":memory:") as records:
        crm.load(opened, file, source_system="shop")
        at_kurz = {"phone": "030 555123", "name": "Jan Ott"}
        with records.transaction():
            records.contacts.add({"source_id": "K1", "customer_source_id": "S2", "email": "jan@example.com"})
            records.contacts.add({"source_id": "K2", "customer_source_id": "S2", **at_kurz})
            records.contacts.add({"source_id": "K3", "customer_source_id": "S2", **at_kurz})
            records.leads.add({"source_id": "K1", "email": "lead@example.com"})
            records.consents.add(
                {
                    "customer_source_id": "K2",
                    "channel": "email",
                    "purpose": "marketing",
                    "occurred_at": "2024-05-01T00:00:00Z",
                    "is_granted": True,
                }
            )
        crm.sync(opened, records, source_system="shop")
        yield opened


@pytest.mark.parametrize(
    "text",
    [
        *("S1", "shop:S1", " S1 ", "al.pha@googlemail.com", "ALPHA+news@gmail.com", "mailto:alpha@gmail.com"),
        *("۰۹۱۲ ۱۱۱ ۲۲۳۳", "+98 (0)912 111 2233", "00989121112233", "0912-111-2233"),
    ],
)
def test_whoever_the_view_finds_is_found_by_erasure_and_export(wh: Warehouse, text: str) -> None:
    assert crm.customer(wh, text).customer_id == "shop:S1"
    assert find(wh, text).full_keys("customers") == ["shop:S1"]


@pytest.mark.parametrize("text", ["202-555-0143", "+12025550143", "(202) 555 0143", "dora@gmail.com"])
def test_what_means_two_customers_to_the_view_erases_and_exports_nobody(wh: Warehouse, text: str) -> None:
    with pytest.raises(UsageError, match="belongs to 2 customers"):
        crm.customer(wh, text)
    with pytest.raises(UsageError, match="names 2 customers"):
        find(wh, text)


def test_the_address_of_a_contact_person_means_the_person_not_the_company(wh: Warehouse) -> None:
    assert crm.customer(wh, "jan@example.com").customer_id == "shop:S2"
    found = find(wh, "Jan@Example.com")
    assert (found.full_keys("contacts"), found.full_keys("customers")) == (["shop:K1"], [])


def test_several_people_behind_one_number_or_id_are_not_erased_together(wh: Warehouse) -> None:
    with pytest.raises(UsageError, match=r"names 2 leads and contacts: contacts:shop:K2, contacts:shop:K3"):
        find(wh, "(030) 555123")
    with pytest.raises(UsageError, match=r"names 2 leads and contacts: leads:shop:K1, contacts:shop:K1"):
        find(wh, "K1")
    assert find(wh, "leads:shop:K1").full_keys("leads") == ["shop:K1"]
    assert find(wh, "contacts:K3").full_keys("contacts") == ["shop:K3"]


def test_a_contact_person_whose_id_a_consent_names_goes_with_the_consent(wh: Warehouse) -> None:
    found = find(wh, "K2")
    assert (found.full_keys("contacts"), found.full_keys("customers")) == (["shop:K2"], ["shop:K2"])


@pytest.mark.parametrize("given", [None, 5, b"S1", "", "  ", ["S1"]])
def test_what_is_no_text_is_refused_by_all_three(wh: Warehouse, given: Any) -> None:
    for ask in (crm.customer, crm.erase, crm.export_subject):
        with pytest.raises(UsageError, match="Name a customer by customer_id"):
            ask(wh, given)


def test_whoever_is_in_a_load_that_was_taken_back_can_still_be_erased(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name,email\nC1,Ada,ada@example.com\n")
    with Warehouse.open() as wh:
        [load] = crm.load(wh, file)
        assert load.load_id is not None
        crm.unload(wh, load.load_id)
        with pytest.raises(UsageError, match="No customer has this e-mail"):
            crm.customer(wh, "ada@example.com")
        assert crm.erase(wh, "ada@example.com").rows_removed == {"entities.customers_versions": 1}


def test_every_reference_to_a_customer_makes_an_id_known() -> None:
    told = SqlFile.beside(one_customer.__file__, "records_by_mention.sql").text
    for name, declared in entities().items():
        for column in declared.columns:
            if column.refers == "customers" and column.name != "parent_source_id":
                assert f"from entities.{name}_versions where {column.name}" in " ".join(told.split()), name
