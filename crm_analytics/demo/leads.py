"""Who might become a customer?  Leads, converted or not, and the mails and calls of their first weeks.

About two thirds of the organisations began as leads. Leads that came by referral or at a fair, from larger
organisations, and that opened their mail and took their calls became customers more often.
"""

from __future__ import annotations

from datetime import date

from crm_analytics.demo.clock import DAY, END, awake, day_of, moment_text, office_hour
from crm_analytics.demo.contacts import SalesFiles, add_call
from crm_analytics.demo.customers import COUNTRIES, COUNTRY_SHARES, Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.people import INDUSTRIES, JOB_TITLES, Directory, country_text, phone_text, plain

SALES_USERS = ("U01", "U02", "U03", "U04")
LOST_LEAD_COUNT = 560
LEAD_SOURCES = ("referral", "event", "web", "paid_search", "organic_search", "social")
WON_SHARES = (0.30, 0.24, 0.14, 0.12, 0.14, 0.06)
LOST_SHARES = (0.09, 0.12, 0.25, 0.26, 0.13, 0.15)
FAIR_AT = day_of(date(2024, 3, 13)) * DAY + 11 * 3_600


def add_leads(
    organisations: list[Customer],
    contact_of: dict[str, dict[str, str]],
    files: SalesFiles,
    directory: Directory,
    draws: Draws,
) -> None:
    """Add all leads by time: those of organisations that became customers, and those that came to nothing."""
    drafts: list[tuple[int, int | None, dict[str, str]]] = []
    for customer in organisations:
        created_at = office_hour(customer.registered_at - draws.whole(4, 45) * DAY)
        if created_at < 0 or not draws.chance(0.68):
            continue
        contact = contact_of[customer.customer_id]
        row = {
            "name": contact["name"],
            "company": customer.row["name"],
            "email": contact["email"],
            "phone": contact["phone"],
            "job_title": contact["job_title"],
            "industry": customer.row["industry"],
            "country": customer.row["country"],
            "employee_count": customer.row["employee_count"],
            "status": "Converted",
            "is_converted": "true",
            "converted_at": customer.row["created_at"],
            "converted_customer_source_id": customer.customer_id,
            "owner_source_id": customer.row["owner_source_id"],
        }
        drafts.append((created_at, customer.registered_at, row))
    drafts += [
        (office_hour(draws.whole(0, END - 1)), None, _lost_lead(directory, draws))
        for _ in range(LOST_LEAD_COUNT)
    ]
    for number, (created_at, converted_at, row) in enumerate(sorted(drafts, key=lambda d: d[:1]), start=1):
        source = draws.weighted(LEAD_SOURCES, WON_SHARES if converted_at is not None else LOST_SHARES)
        if source == "event" and abs(created_at - FAIR_AT) > 30 * DAY:
            source = "web"
        campaign = {"event": "FAIR-2024", "paid_search": "SEARCH-ADS", "social": "SOCIAL-ADS"}.get(source, "")
        if converted_at is not None and converted_at >= END:
            converted_at = None
        if converted_at is None and not row["status"]:
            row["status"] = (
                "Working" if created_at > END - 60 * DAY else draws.pick(("Lost", "Nurturing", "No answer"))
            )
        lead_id = f"D{number:05d}"
        files.leads.append(
            {
                "source_id": lead_id,
                "lead_source": source,
                "campaign_source_id": campaign,
                "created_at": moment_text(created_at),
            }
            | row
        )
        _lead_contacts(lead_id, created_at, converted_at, row["owner_source_id"], files, draws)


def _lost_lead(directory: Directory, draws: Draws) -> dict[str, str]:
    country = draws.weighted(COUNTRIES, COUNTRY_SHARES)
    _, first, last = directory.person()
    company = directory.company(country)
    return {
        "name": f"{first} {last}",
        "company": company,
        "email": directory.email(first, last, f"{plain(company.split()[0])}-{plain(last)}.example.org"),
        "phone": phone_text(directory.phone(country), draws) if draws.chance(0.6) else "",
        "job_title": draws.pick(JOB_TITLES),
        "industry": draws.pick(INDUSTRIES),
        "country": country_text(country, draws),
        "employee_count": str(max(1, int(draws.gamma(0.7, 25.0)))) if draws.chance(0.85) else "",
        "status": "",
        "is_converted": "false",
        "converted_at": "",
        "converted_customer_source_id": "",
        "owner_source_id": draws.pick(SALES_USERS),
    }


def _lead_contacts(
    lead_id: str, created_at: int, converted_at: int | None, owner: str, files: SalesFiles, draws: Draws
) -> None:
    """Add the mails and calls of a lead's first weeks; who converts answers more of them."""
    until = min(END, converted_at if converted_at is not None else created_at + 30 * DAY)
    liking = 0.65 if converted_at is not None else 0.25
    sent_at = created_at + 900
    if sent_at < until:
        _lead_mail(files, lead_id, sent_at, "sent")
        opened_at = awake(sent_at + 60 + int(draws.exponential(0.2 * DAY)))
        if opened_at < until and draws.chance(liking):
            _lead_mail(files, lead_id, opened_at, "opened")
            if draws.chance(liking * 0.7) and opened_at + 40 < until:
                _lead_mail(files, lead_id, opened_at + 40, "clicked")
    for _ in range(draws.whole(0, 2)):
        at = office_hour(created_at + draws.whole(1, 20) * DAY + draws.whole(0, 7 * 3_600))
        if at < until:
            add_call(files, at, draws.chance(liking), draws, lead=lead_id, user=owner)


def _lead_mail(files: SalesFiles, lead_id: str, at: int, outcome: str) -> None:
    files.lead_mails.append(
        {
            "customer_source_id": "",
            "lead_source_id": lead_id,
            "occurred_at": moment_text(at),
            "kind": "email",
            "direction": "out",
            "outcome": outcome,
            "campaign_source_id": "",
        }
    )
