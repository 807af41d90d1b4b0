"""Whom did marketing address, and what did they do?  Campaigns, members, mail events, consents, ad spend.

SPRING-2025 and AUTUMN-2024 have a group that was held out on purpose (`planted`); the other mailings went to
everybody who had agreed. Customers who still buy open their mail more often than those who are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from crm_analytics.demo.catalogue import money
from crm_analytics.demo.clock import (
    DAY,
    DAY_COUNT,
    END,
    awake,
    calendar_day,
    day_of,
    day_text,
    moment_text,
    season,
)
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.planted import (
    EFFECT_CAMPAIGN,
    EFFECT_DAYS,
    EFFECT_SENT_ON,
    NULL_CAMPAIGN,
    NULL_SENT_ON,
    Membership,
)
from crm_analytics.demo.purchases import Purchase

# id, name, channel, first day, last day, budget, cost (euro cents; 0 = see ad_spend), expected response
CAMPAIGNS = (
    (
        "XMAS-2022",
        "Christmas gifts 2022",
        "email",
        date(2022, 11, 22),
        date(2022, 12, 20),
        60_000,
        54_000,
        0.04,
    ),
    (
        "SEARCH-ADS",
        "Search advertising",
        "paid_search",
        date(2022, 7, 1),
        date(2025, 12, 31),
        3_600_000,
        0,
        0.02,
    ),
    (
        "SOCIAL-ADS",
        "Social advertising",
        "social",
        date(2022, 7, 1),
        date(2025, 12, 31),
        2_000_000,
        0,
        0.01,
    ),
    (
        "XMAS-2023",
        "Christmas gifts 2023",
        "email",
        date(2023, 11, 21),
        date(2023, 12, 20),
        80_000,
        76_000,
        0.05,
    ),
    ("FAIR-2024", "Coffee fair 2024", "event", date(2024, 3, 12), date(2024, 3, 15), 900_000, 940_000, 0.10),
    (NULL_CAMPAIGN, "Autumn tea weeks 2024", "email", NULL_SENT_ON, date(2024, 11, 7), 90_000, 88_000, 0.05),
    (
        EFFECT_CAMPAIGN,
        "Spring coffee weeks 2025",
        "email",
        EFFECT_SENT_ON,
        date(2025, 4, 30),
        100_000,
        97_000,
        0.06,
    ),
)
OPEN_MAILINGS = ("XMAS-2022", "XMAS-2023")
MEMBERS_OF_OPEN_MAILINGS = 420


@dataclass
class MailingFiles:
    """Rows of marketing's files."""

    campaigns: list[dict[str, str]] = field(default_factory=list)
    members: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, str]] = field(default_factory=list)
    consents: list[dict[str, str]] = field(default_factory=list)
    ad_spend: list[dict[str, str]] = field(default_factory=list)


def mailing_files(
    customers: list[Customer],
    purchases: list[Purchase],
    measured: list[Membership],
    lead_mails: list[dict[str, str]],
    seed: int,
) -> MailingFiles:
    """Return the rows of all files.

    ``measured`` are the members of the campaigns with a held-out group; ``lead_mails`` went to leads.
    """
    draws = Draws(seed, "mailing")
    bought_at: dict[str, list[int]] = {}
    for purchase in purchases:
        bought_at.setdefault(purchase.customer.customer_id, []).append(purchase.at)
    files = MailingFiles(campaigns=_campaign_rows(), ad_spend=_ad_spend_rows(draws))
    members = _open_mailings(customers, draws) + measured
    members.sort(key=lambda member: (member.at, member.customer_id))
    for member in members:
        _member(member, bought_at.get(member.customer_id, []), files, draws)
    files.events += lead_mails
    files.events.sort(
        key=lambda row: (row["occurred_at"], row["customer_source_id"] or row["lead_source_id"])
    )
    for number, row in enumerate(files.events, start=1):
        row["source_id"] = f"E{number:06d}"
    for customer in customers:
        _consents(customer, files, draws)
    files.consents.sort(key=lambda row: (row["occurred_at"], row["customer_source_id"]))
    return files


def _campaign_rows() -> list[dict[str, str]]:
    return [
        {
            "source_id": campaign_id,
            "name": name,
            "channel": channel,
            "started_on": first.isoformat(),
            "ended_on": last.isoformat(),
            "budget_amount": money(budget),
            "cost_amount": money(cost) if cost else "",
            "expected_response_rate": f"{expected:.2f}",
            "currency": "EUR",
            "created_at": moment_text((day_of(first) - 21) * DAY + 10 * 3_600),
        }
        for campaign_id, name, channel, first, last, budget, cost, expected in CAMPAIGNS
    ]


def _ad_spend_rows(draws: Draws) -> list[dict[str, str]]:
    """Return what was spent on Mondays for the week."""
    rows = []
    adverts = (
        ("paid_search", "SEARCH-ADS", "coffee beans", 9_000, 0.045),
        ("paid_search", "SEARCH-ADS", "espresso machine", 7_500, 0.030),
        ("social", "SOCIAL-ADS", "", 8_500, 0.011),
    )
    for day in range(DAY_COUNT):
        if calendar_day(day).weekday() == 0:
            for channel, campaign, keyword, usual, click_rate in adverts:
                amount = int(usual * season(day) * draws.uniform(0.8, 1.2))
                shown = int(amount * draws.uniform(1.4, 2.2))
                rows.append(
                    {
                        "occurred_at": day_text(day),
                        "channel": channel,
                        "campaign_source_id": campaign,
                        "keyword": keyword,
                        "amount": money(amount),
                        "currency": "EUR",
                        "impression_count": str(shown),
                        "click_count": str(int(shown * click_rate * draws.uniform(0.8, 1.2))),
                    }
                )
    return rows


def _open_mailings(customers: list[Customer], draws: Draws) -> list[Membership]:
    members = []
    for campaign_id, _, _, first, *_ in CAMPAIGNS:
        if campaign_id in OPEN_MAILINGS:
            at = day_of(first) * DAY + 9 * 3_600
            known = [
                c for c in customers if c.registered_at < at - 7 * DAY and c.wants_mail and c.row["email"]
            ]
            chosen = draws.some(known, MEMBERS_OF_OPEN_MAILINGS)
            members += [
                Membership(campaign_id, customer.customer_id, at, is_control=False) for customer in chosen
            ]
    return members


def _member(member: Membership, bought_at: list[int], files: MailingFiles, draws: Draws) -> None:
    is_active = any(member.at - 150 * DAY <= at < member.at for at in bought_at)
    after = [at for at in bought_at if member.at <= at < member.at + EFFECT_DAYS * DAY]
    opened_at = awake(member.at + int(draws.exponential(0.6 * DAY)) + 60)
    is_opened = not member.is_control and draws.chance(0.75 if after else 0.42 if is_active else 0.15)
    is_clicked = is_opened and draws.chance(0.6 if after else 0.12)
    clicked_at = awake(opened_at + draws.whole(5, 900))
    status = (
        "held out" if member.is_control else "clicked" if is_clicked else "opened" if is_opened else "sent"
    )
    responded_at = min(after) if after and not member.is_control else None
    files.members.append(
        {
            "campaign_source_id": member.campaign_id,
            "customer_source_id": member.customer_id,
            "occurred_at": moment_text(member.at),
            "is_control": "true" if member.is_control else "false",
            "status": status,
            "responded_at": moment_text(responded_at),
        }
    )
    steps = [] if member.is_control else [(member.at, "sent")]
    steps += [(opened_at, "opened")] if is_opened else []
    steps += [(clicked_at, "clicked")] if is_clicked else []
    for at, outcome in steps:
        files.events.append(
            {
                "customer_source_id": member.customer_id,
                "lead_source_id": "",
                "occurred_at": moment_text(at),
                "kind": "email",
                "direction": "out",
                "outcome": outcome,
                "campaign_source_id": member.campaign_id,
            }
        )


def _consents(customer: Customer, files: MailingFiles, draws: Draws) -> None:
    given = [(customer.registered_at, customer.wants_mail, "registration form")]
    if customer.wants_mail and draws.chance(0.06):
        withdrawn_at = customer.registered_at + draws.whole(60, 900) * DAY
        if day_of(EFFECT_SENT_ON) * DAY + EFFECT_DAYS * DAY < withdrawn_at < END:
            given.append((withdrawn_at, False, "unsubscribe link"))
    for at, is_granted, evidence in given:
        files.consents.append(
            {
                "customer_source_id": customer.customer_id,
                "channel": "email",
                "purpose": "marketing",
                "occurred_at": moment_text(at),
                "is_granted": "true" if is_granted else "false",
                "evidence": evidence,
            }
        )
