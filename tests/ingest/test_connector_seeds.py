"""Do tables as a connector copies them load with balanced accounts, and how many of their relations resolve?

The tables are those of ``data/crm_system_schemas``: a few rows each, cut and obfuscated, so most ids point to
records that were left out. What resolves is therefore counted a second time from the files with plain pandas,
and the shares that are true of these files are written down here.
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

Column = tuple[str, str]


@dataclass(frozen=True)
class Relation:
    """Which ids one column of ours names, and where they are in the files.

    Attributes
    ----------
    filled, resolving : int
        Things that name an id, and those among them whose id is known: what is true of these files.
    named : tuple of (file, id column)
        Columns of the files that name the ids.
    known : tuple of (file, id column)
        Columns of the files that hold the ids they point to.
    key : tuple of str
        Columns that tell the things apart.
    only, ours : str
        Which rows of the files (pandas query) and of the warehouse (SQL) count.
    """

    filled: int
    resolving: int
    named: tuple[Column, ...]
    known: tuple[Column, ...]
    key: tuple[str, ...] = ("id",)
    only: str = ""
    ours: str = "true"


@dataclass(frozen=True)
class System:
    """Tables of one system: file -> profile; file -> why no entity is told; our column -> relation."""

    profiles: Mapping[str, str]
    passed_over: Mapping[str, str]
    relations: Mapping[str, Relation]


_ACCOUNTS = (("sf_account_data.csv", "id"), ("sf_account_history_data.csv", "id"))
_CONTACTS = (("sf_contact_data.csv", "id"), ("sf_contact_history_data.csv", "id"))
_DEALS = (("sf_opportunity_data.csv", "id"), ("sf_opportunity_history_data.csv", "id"))
_SALES_USERS = (("sf_user_data.csv", "id"),)

SYSTEMS = {
    "salesforce": System(
        profiles={
            "sf_account_data.csv": "salesforce_account",
            "sf_account_history_data.csv": "salesforce_account",
            "sf_contact_data.csv": "salesforce_contact",
            "sf_contact_history_data.csv": "salesforce_contact",
            "sf_event_data.csv": "salesforce_event",
            "sf_lead_data.csv": "salesforce_lead",
            "sf_opportunity_data.csv": "salesforce_opportunity",
            "sf_opportunity_history_data.csv": "salesforce_opportunity",
            "sf_opportunity_line_item_data.csv": "salesforce_opportunity_line_item",
            "sf_order_data.csv": "salesforce_order",
            "sf_product_2_data.csv": "salesforce_product",
            "sf_task_data.csv": "salesforce_task",
            "sf_user_data.csv": "salesforce_user",
        },
        passed_over={"sf_user_role_data.csv": "names of positions; a user's role is text"},
        relations={
            "contacts.customer_source_id": Relation(
                3,
                0,
                (("sf_contact_data.csv", "account_id"), ("sf_contact_history_data.csv", "account_id")),
                _ACCOUNTS,
            ),
            "customers.owner_source_id": Relation(
                10,
                0,
                (("sf_account_data.csv", "owner_id"), ("sf_account_history_data.csv", "owner_id")),
                _SALES_USERS,
            ),
            "opportunities.customer_source_id": Relation(
                10,
                0,
                (
                    ("sf_opportunity_data.csv", "account_id"),
                    ("sf_opportunity_history_data.csv", "account_id"),
                ),
                _ACCOUNTS,
            ),
            "order_lines.product_source_id": Relation(
                10,
                0,
                (("sf_opportunity_line_item_data.csv", "product_2_id"),),
                (("sf_product_2_data.csv", "id"),),
            ),
            "order_lines.order_source_id": Relation(
                10, 0, (("sf_opportunity_line_item_data.csv", "opportunity_id"),), _DEALS
            ),
            "orders.customer_source_id": Relation(
                10, 0, (("sf_order_data.csv", "account_id"),), _ACCOUNTS, ours="kind = 'order'"
            ),
            "tasks.customer_source_id": Relation(9, 0, (("sf_task_data.csv", "account_id"),), _ACCOUNTS),
            "tasks.opportunity_source_id": Relation(
                7, 0, (("sf_task_data.csv", "what_id"),), _DEALS, only="what_id.str.startswith('006')"
            ),
            "interactions.contact_source_id": Relation(
                10, 0, (("sf_event_data.csv", "who_id"),), _CONTACTS, only="who_id.str.startswith('003')"
            ),
            "leads.converted_customer_source_id": Relation(
                1, 0, (("sf_lead_data.csv", "converted_account_id"),), _ACCOUNTS
            ),
        },
    ),
    "zendesk": System(
        profiles={
            "organization_data.csv": "zendesk_organization",
            "ticket_data.csv": "zendesk_ticket",
            "ticket_field_history_data.csv": "zendesk_ticket_field_history",
            "user_data.csv": "zendesk_user",
        },
        passed_over={
            "audit_log_data.csv": "changes of Zendesk's own settings",
            "brand_data.csv": "brands of the help desk",
            "daylight_time_data.csv": "a calendar of time zones",
            "domain_name_data.csv": "mail domains of organizations",
            "group_data.csv": "groups of agents; the users do not name theirs",
            "organization_tag_data.csv": "tags",
            "schedule_data.csv": "business hours of the help desk",
            "schedule_holiday_data.csv": "holidays of the help desk",
            "sla_policy_metric_history_data.csv": "agreed times of answer",
            "ticket_chat_data.csv": "chats without a time",
            "ticket_chat_event_data.csv": "events of chats without ticket or customer",
            "ticket_comment_data.csv": "comments; it is not said whether agent or customer wrote them",
            "ticket_form_history_data.csv": "forms of the help desk",
            "ticket_schedule_data.csv": "business hours that hold for a ticket",
            "ticket_sla_policy_data.csv": "agreed times of answer of a ticket",
            "ticket_tag_data.csv": "tags",
            "time_zone_data.csv": "a list of time zones",
            "user_tag_data.csv": "tags",
        },
        relations={
            "tickets.customer_source_id": Relation(
                10,
                1,
                (("ticket_data.csv", "requester_id"),),
                (("user_data.csv", "id"), ("organization_data.csv", "id")),
            ),
            "tickets.owner_source_id": Relation(
                9, 1, (("ticket_data.csv", "assignee_id"),), (("user_data.csv", "id"),)
            ),
            "customers.parent_source_id": Relation(
                9,
                0,
                (("user_data.csv", "organization_id"),),
                (("organization_data.csv", "id"),),
                only="role == 'end-user'",
            ),
            "ticket_statuses.ticket_source_id": Relation(
                27,
                13,
                (("ticket_field_history_data.csv", "ticket_id"),),
                (("ticket_data.csv", "id"),),
                key=("ticket_id", "updated", "value"),
                only="field_name == 'status'",
            ),
        },
    ),
}


@dataclass(frozen=True)
class Loaded:
    """One system's folder, its loads by file, and the warehouse they went to."""

    folder: Path
    system: System
    loads: Mapping[str, Load]
    wh: Warehouse


@pytest.fixture(scope="module", params=SYSTEMS)
def loaded(request: pytest.FixtureRequest, shared_data: Path) -> Iterator[Loaded]:
    """The tables of one system, loaded as a folder."""
    folder = shared_data / "data" / "crm_system_schemas" / request.param
    if not folder.is_dir():
        pytest.skip(f"no tables of {request.param} in {folder.parent.name}")
    with Warehouse.open() as wh:
        loads = load(wh, folder, received_at="2025-07-01")
        yield Loaded(folder, SYSTEMS[request.param], {one.file: one for one in loads}, wh)


def test_every_table_is_loaded_or_passed_over_for_a_reason(loaded: Loaded) -> None:
    listed = {**loaded.system.profiles, **loaded.system.passed_over}
    assert set(listed) == {path.name for path in loaded.folder.glob("*.csv")}
    recognised = {file: one.profile for file, one in loaded.loads.items() if one.status != "refused"}
    assert recognised == loaded.system.profiles


def test_accounts_are_balanced_and_nothing_is_quarantined(loaded: Loaded) -> None:
    for file in loaded.system.profiles:
        one = loaded.loads[file]
        rows = len(_table(loaded.folder, file))
        assert (one.rows_in, one.rows_quarantined) == (rows, 0), file
        assert one.rows_in == one.rows_loaded + one.rows_merged, file


def test_relations_resolve_as_far_as_these_files_allow(loaded: Loaded) -> None:
    found = {name: _resolving(loaded.wh, name, one) for name, one in loaded.system.relations.items()}
    counted = {name: _counted(loaded.folder, one) for name, one in loaded.system.relations.items()}
    assert found == counted
    assert found == {name: (one.filled, one.resolving) for name, one in loaded.system.relations.items()}


def _resolving(wh: Warehouse, name: str, relation: Relation) -> tuple[int, int]:
    """Return how many things name an id, and how many of those ids are known (deleted ones count as well)."""
    entity, _, column = name.partition(".")
    target = entities()[entity].column(column).refers
    if name == "order_lines.order_source_id":
        target = "opportunities"  # these lines are lines of opportunities
    [(filled, resolving)] = wh.rows(
        "select count(*), count(known.source_id) from ("
        f"select distinct row_id, {column} as id from entities.{entity}_versions "
        f"where {column} is not null and {relation.ours}"
        f") as named left join (select distinct source_id from entities.{target}_versions) as known "
        "on known.source_id = named.id"
    )
    return filled, resolving


def _counted(folder: Path, relation: Relation) -> tuple[int, int]:
    """Return the same from the files, without any of our code."""
    named = []
    for file, column in relation.named:
        table = _table(folder, file)
        rows = table.dropna(subset=[column])
        rows = rows.query(relation.only, engine="python") if relation.only else rows
        named.append(rows[[*relation.key, column]].set_axis([*relation.key, "named id"], axis=1))
    pairs = pd.concat(named).drop_duplicates()
    known = set[str]().union(*(set(_table(folder, file)[column]) for file, column in relation.known))
    return len(pairs), int(pairs["named id"].isin(known).sum())


def _table(folder: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(folder / file, dtype=str, keep_default_na=False, na_values=[""])
