"""Whom does the CRM know, and when was there a call?  Users, contact persons and calls.

One or two contact persons stand for each organisation; their account manager calls every few months.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crm_analytics.demo.clock import DAY, DAY_COUNT, END, moment_text, office_hour, season
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.people import JOB_TITLES, Directory, phone_text, plain

USERS = (
    ("U01", "Hedda Lindmark", "sales", "account manager"),
    ("U02", "Kaan Norbach", "sales", "account manager"),
    ("U03", "Wiebke Radhagen", "sales", "account manager"),
    ("U04", "Moritz Tellrath", "sales", "head of sales"),
    ("U05", "Svenja Holdahl", "service", "agent"),
    ("U06", "Milan Queberg", "service", "agent"),
    ("U07", "Yara Steinvang", "service", "agent"),
    ("U08", "Ole Brennau", "service", "head of service"),
    ("U09", "Carla Immenforst", "marketing", "marketing manager"),
)


@dataclass
class SalesFiles:
    """Rows of the CRM's files, and the deal behind each purchase that came from one."""

    users: list[dict[str, str]] = field(default_factory=list)
    contacts: list[dict[str, str]] = field(default_factory=list)
    leads: list[dict[str, str]] = field(default_factory=list)
    lead_mails: list[dict[str, str]] = field(default_factory=list)
    opportunities: list[dict[str, str]] = field(default_factory=list)
    stages: list[dict[str, str]] = field(default_factory=list)
    tasks: list[dict[str, str]] = field(default_factory=list)
    contracts: list[dict[str, str]] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)
    deals: dict[tuple[str, int], str] = field(default_factory=dict)


def user_rows() -> list[dict[str, str]]:
    """Return the rows of crm_users.csv."""
    return [
        {
            "source_id": user_id,
            "name": name,
            "email": f"{plain(name.split()[0])}.{plain(name.split()[1])}@morvell.example.com",
            "team": team,
            "role": role,
            "is_active": "true",
            "created_at": moment_text(-30 * DAY + 9 * 3_600),
        }
        for user_id, name, team, role in USERS
    ]


def add_contacts(customer: Customer, files: SalesFiles, directory: Directory, draws: Draws) -> dict[str, str]:
    """Add one or two contacts of an organisation and return the first."""
    domain = customer.row["email"].partition("@")[2]
    added = []
    for _ in range(1 + draws.chance(0.45)):
        _, first, last = directory.person()
        added.append(
            {
                "source_id": f"P{len(files.contacts) + 1:05d}",
                "customer_source_id": customer.customer_id,
                "name": f"{first} {last}",
                "first_name": first,
                "last_name": last,
                "email": directory.email(first, last, domain),
                "phone": phone_text(directory.phone(customer.country), draws),
                "job_title": draws.pick(JOB_TITLES),
                "owner_source_id": customer.row["owner_source_id"],
                "created_at": moment_text(customer.registered_at + draws.whole(0, 1_800)),
            }
        )
        files.contacts.append(added[-1])
    return added[0]


def add_follow_up_calls(
    organisations: list[Customer], contact_of: dict[str, dict[str, str]], files: SalesFiles, draws: Draws
) -> None:
    """Add the calls between each organisation and its account manager."""
    for customer in organisations:
        at = office_hour(customer.registered_at + 20 * DAY)
        while at < END:
            contact = contact_of[customer.customer_id]
            user = customer.row["owner_source_id"]
            add_call(
                files,
                at,
                draws.chance(0.7),
                draws,
                customer=customer.customer_id,
                contact=contact["source_id"],
                user=user,
            )
            at = office_hour(
                at + int(draws.gamma(2.0, 190.0) / season(min(at // DAY, DAY_COUNT)) * DAY) + DAY
            )


def add_call(
    files: SalesFiles,
    at: int,
    is_answered: bool,
    draws: Draws,
    *,
    customer: str = "",
    contact: str = "",
    lead: str = "",
    user: str,
) -> None:
    """Add one call with a contact or a lead; one that nobody answered was missed, or went out in vain."""
    direction = draws.pick(("in", "out", "out")) if is_answered else draws.pick(("missed", "out"))
    files.calls.append(
        {
            "customer_source_id": customer,
            "contact_source_id": contact,
            "lead_source_id": lead,
            "occurred_at": moment_text(at),
            "kind": "call",
            "direction": direction,
            "outcome": "answered" if is_answered else "",
            "duration_seconds": str(30 + int(draws.gamma(1.2, 260.0))) if is_answered else "0",
            "user_source_id": user,
        }
    )
