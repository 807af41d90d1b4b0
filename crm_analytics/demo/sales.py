"""How does the CRM hold the business with organisations?  Contacts, leads, deals, tasks, contracts, calls.

About two thirds of the organisations began as leads. Leads that came by referral or at a fair, from larger
organisations, and that opened their mail and took their calls became customers more often. A won deal leads
to one of the organisation's orders in the shop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date

from crm_analytics.demo.catalogue import PRODUCTS, money
from crm_analytics.demo.clock import DAY, DAY_COUNT, END, awake, day_of, day_text, moment_text, season
from crm_analytics.demo.customers import COUNTRIES, COUNTRY_SHARES, Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.people import INDUSTRIES, JOB_TITLES, Directory, country_text, phone_text, plain
from crm_analytics.demo.purchases import Purchase

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
SALES_USERS = ("U01", "U02", "U03", "U04")
LOST_LEAD_COUNT = 560
LEAD_SOURCES = ("referral", "event", "web", "paid_search", "organic_search", "social")
WON_SHARES = (0.30, 0.24, 0.14, 0.12, 0.14, 0.06)
LOST_SHARES = (0.09, 0.12, 0.25, 0.26, 0.13, 0.15)
STAGES = (("Qualification", 0.2), ("Proposal", 0.45), ("Negotiation", 0.7))
DEAL_SUBJECTS = ("coffee supply", "machines", "tableware", "office plan")
LOSS_REASONS = ("price", "competitor", "no budget", "no answer")
FAIR_AT = day_of(date(2024, 3, 13)) * DAY + 11 * 3_600


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


def sales_files(
    customers: list[Customer], purchases: list[Purchase], directory: Directory, seed: int
) -> SalesFiles:
    """Return the rows of all files."""
    draws = Draws(seed, "sales")
    files = SalesFiles(users=_user_rows())
    bought: dict[str, list[Purchase]] = {}
    for purchase in purchases:
        bought.setdefault(purchase.customer.customer_id, []).append(purchase)
    organisations = [customer for customer in customers if customer.is_organisation]
    contact_of = {c.customer_id: _contacts(c, files, directory, draws) for c in organisations}
    _leads(organisations, contact_of, files, directory, draws)
    for customer in organisations:
        _opportunities(
            customer, contact_of[customer.customer_id], bought.get(customer.customer_id, []), files, draws
        )
    _contracts(customers, bought, files, draws)
    _follow_up_calls(organisations, contact_of, files, draws)
    _number(files.calls, "A", "occurred_at")
    _number(files.tasks, "TA", "created_at")
    return files


def _user_rows() -> list[dict[str, str]]:
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


def _contacts(customer: Customer, files: SalesFiles, directory: Directory, draws: Draws) -> dict[str, str]:
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


def _leads(
    organisations: list[Customer],
    contact_of: dict[str, dict[str, str]],
    files: SalesFiles,
    directory: Directory,
    draws: Draws,
) -> None:
    drafts: list[tuple[int, int | None, dict[str, str]]] = []
    for customer in organisations:
        created_at = _office_hour(customer.registered_at - draws.whole(4, 45) * DAY)
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
        (_office_hour(draws.whole(0, END - 1)), None, _lost_lead(directory, draws))
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
        at = _office_hour(created_at + draws.whole(1, 20) * DAY + draws.whole(0, 7 * 3_600))
        if at < until:
            _call(files, at, draws.chance(liking), draws, lead=lead_id, user=owner)


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


def _opportunities(
    customer: Customer, contact: dict[str, str], bought: list[Purchase], files: SalesFiles, draws: Draws
) -> None:
    lead = next(
        (r["source_id"] for r in files.leads if r["converted_customer_source_id"] == customer.customer_id), ""
    )
    orders = [purchase for purchase in bought if purchase.channel != "store"]
    for place in range(draws.weighted((0, 1, 2, 3), (0.1, 0.4, 0.3, 0.2))):
        created_at = _office_hour(customer.registered_at + (1 + place * draws.whole(90, 300)) * DAY)
        if created_at >= END:
            continue
        number = f"O{len(files.opportunities) + 1:05d}"
        amount = int(math.exp(draws.uniform(math.log(400.0), math.log(12_000.0)))) * 100
        owner = customer.row["owner_source_id"]
        is_won = draws.chance(0.62 if place else 0.52 if lead else 0.40)
        reached = 3 if is_won else draws.whole(1, 3)
        at, steps = created_at, []
        for stage, probability in STAGES[:reached]:
            steps.append((at, stage, "open", probability))
            at = _office_hour(at + draws.whole(3, 24) * DAY)
        steps.append((at, "Won", "won", 1.0) if is_won else (at, "Lost", "lost", 0.0))
        steps = [step for step in steps if step[0] < END]
        last_at, stage, kind, probability = steps[-1]
        order = (
            next((p for p in orders if p.at > last_at and p.key not in files.deals), None)
            if kind == "won"
            else None
        )
        if order is not None and order.at < last_at + 60 * DAY:
            files.deals[order.key] = number
            amount = sum(line.amount for line in order.lines)
        files.opportunities.append(
            {
                "source_id": number,
                "customer_source_id": customer.customer_id,
                "contact_source_id": contact["source_id"],
                "lead_source_id": lead if place == 0 else "",
                "name": f"{customer.row['name'].split()[0]}: {draws.pick(DEAL_SUBJECTS)}",
                "stage": stage,
                "stage_kind": kind,
                "amount": money(amount),
                "currency": customer.currency,
                "probability_rate": f"{probability:.2f}",
                "expected_close_on": day_text(created_at // DAY + draws.whole(30, 75)),
                "closed_on": "" if kind == "open" else day_text(last_at // DAY),
                "loss_reason": draws.pick(LOSS_REASONS) if kind == "lost" else "",
                "owner_source_id": owner,
                "created_at": moment_text(created_at),
            }
        )
        for step_at, step_stage, step_kind, _ in steps:
            files.stages.append(
                {
                    "opportunity_source_id": number,
                    "occurred_at": moment_text(step_at),
                    "stage": step_stage,
                    "stage_kind": step_kind,
                    "amount": money(amount),
                    "currency": customer.currency,
                    "user_source_id": owner,
                }
            )
        _task(customer, number, owner, created_at, files, draws)


def _task(
    customer: Customer, deal: str, owner: str, created_at: int, files: SalesFiles, draws: Draws
) -> None:
    due = created_at // DAY + draws.whole(3, 14)
    done_at = _office_hour((due - 1 + int(draws.exponential(3.0))) * DAY)
    is_done = done_at < END and draws.chance(0.88)
    files.tasks.append(
        {
            "customer_source_id": customer.customer_id,
            "opportunity_source_id": deal,
            "kind": "follow_up",
            "subject": draws.pick(
                ("Call about the offer", "Send samples", "Arrange a tasting", "Ask for the decision")
            ),
            "priority": draws.pick(("normal", "normal", "high")),
            "status": "done" if is_done else "open" if due > DAY_COUNT - 30 else "dropped",
            "due_on": day_text(due),
            "done_at": moment_text(done_at if is_done else None),
            "outcome": draws.pick(("reached", "left a message", "no interest now")) if is_done else "",
            "owner_source_id": owner,
            "created_at": moment_text(created_at + 600),
        }
    )


def _contracts(
    customers: list[Customer], bought: dict[str, list[Purchase]], files: SalesFiles, draws: Draws
) -> None:
    """Add coffee plans (monthly) and machine service (yearly) of customers who bought at least twice."""
    for customer in customers:
        made = bought.get(customer.customer_id, [])
        if (
            len(made) < 2
            or customer.is_special
            or not draws.chance(0.55 if customer.is_organisation else 0.14)
        ):
            continue
        is_service = customer.is_organisation and draws.chance(0.35)
        product = (
            "P-SERVICE" if is_service else "P-PLAN-OFFICE" if customer.is_organisation else "P-PLAN-HOME"
        )
        started = made[1].at // DAY + draws.whole(1, 30)
        if started >= DAY_COUNT:
            continue
        last = made[-1].at // DAY
        lasts = int(draws.exponential(900.0 if customer.is_organisation else 420.0))
        cancelled: int | None = max(started + 20, min(started + lasts, last + draws.whole(20, 200)))
        if cancelled is not None and cancelled >= DAY_COUNT:
            cancelled = None
        kind = "" if cancelled is None else draws.weighted(("voluntary", "involuntary"), (0.82, 0.18))
        term = 365 * (1 + ((cancelled or DAY_COUNT) - started) // 365)
        files.contracts.append(
            {
                "source_id": f"V{len(files.contracts) + 1:05d}",
                "customer_source_id": customer.customer_id,
                "product_source_id": product,
                "started_on": day_text(started),
                "ends_on": day_text(started + term) if is_service else "",
                "cancelled_on": day_text(cancelled),
                "cancel_kind": kind,
                "renews": "true",
                "amount": money(PRODUCTS[product].price_in(customer.currency)),
                "currency": customer.currency,
                "billing_period_days": "365" if is_service else "30",
                "created_at": moment_text(started * DAY + 10 * 3_600),
            }
        )


def _follow_up_calls(
    organisations: list[Customer], contact_of: dict[str, dict[str, str]], files: SalesFiles, draws: Draws
) -> None:
    for customer in organisations:
        at = _office_hour(customer.registered_at + 20 * DAY)
        while at < END:
            contact = contact_of[customer.customer_id]
            user = customer.row["owner_source_id"]
            _call(
                files,
                at,
                draws.chance(0.7),
                draws,
                customer=customer.customer_id,
                contact=contact["source_id"],
                user=user,
            )
            at = _office_hour(
                at + int(draws.gamma(2.0, 190.0) / season(min(at // DAY, DAY_COUNT)) * DAY) + DAY
            )


def _call(
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


def _office_hour(at: int) -> int:
    """Return a moment of the same day between 9 and 18 o'clock."""
    day, second = divmod(at, DAY)
    return day * DAY + 9 * 3_600 + second % (9 * 3_600)


def _number(rows: list[dict[str, str]], letter: str, column: str) -> None:
    rows.sort(key=lambda row: (row[column], row.get("customer_source_id", ""), row.get("lead_source_id", "")))
    for number, row in enumerate(rows, start=1):
        row["source_id"] = f"{letter}{number:05d}"
