"""Which truths are planted in the sample, so that a test can ask whether the analysis finds them?

(a) A churn driver: a complaint that took more than 10 days to resolve makes customers stop buying.
(b) A product affinity: who buys the espresso machine buys the grinder within 60 days.
(c) A campaign effect: SPRING-2025 makes more of those addressed buy than of those held out; and its
    opposite, a null: AUTUMN-2024 was measured in the same way and changed nothing.

The constants say what was planted; what came out with the committed seed stands in data/sample/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from crm_analytics.demo.catalogue import ESPRESSO, GRINDER
from crm_analytics.demo.clock import DAY, END, awake, day_of
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.purchases import Purchase, make_purchase, owned_before

SLOW_COMPLAINT_DAYS = 10
SLOW_COMPLAINT_SHARE = 0.12
FAST_COMPLAINT_SHARE = 0.12
STOP_PROBABILITY = 0.88

AFFINITY_FROM, AFFINITY_TO = ESPRESSO, GRINDER
AFFINITY_DAYS = 60
AFFINITY_PROBABILITY = 0.55

EFFECT_CAMPAIGN = "SPRING-2025"
EFFECT_SENT_ON = date(2025, 4, 1)
NULL_CAMPAIGN = "AUTUMN-2024"
NULL_SENT_ON = date(2024, 10, 8)
EFFECT_DAYS = 30
EFFECT_RATE = 0.08
CONTROL_SHARE = 0.4


@dataclass(frozen=True)
class Complaint:
    """One complaint about an order: opened and resolved as moments (resolved may lie after the end)."""

    customer_id: str
    purchase: Purchase
    opened_at: int
    resolved_at: int

    @property
    def is_slow(self) -> bool:
        """More than ten days from opening to resolution."""
        return self.resolved_at - self.opened_at > SLOW_COMPLAINT_DAYS * DAY


@dataclass(frozen=True)
class Membership:
    """One customer in a campaign: addressed, or held out on purpose."""

    campaign_id: str
    customer_id: str
    at: int
    is_control: bool


def plant_affinity(purchases: list[Purchase], draws: Draws) -> list[Purchase]:
    """Return the purchases with the grinders that buyers of the espresso machine come back for."""
    added = []
    for purchase in purchases:
        if purchase.holds(ESPRESSO) and draws.chance(AFFINITY_PROBABILITY):
            at = purchase.at + draws.whole(3, AFFINITY_DAYS - 5) * DAY
            if at < END and not owned_before(purchases, purchase.customer, GRINDER, at):
                added.append(make_purchase(purchase.customer, at, draws, wanted=GRINDER))
    return sorted(purchases + added, key=lambda purchase: purchase.at)


def plant_complaints(
    purchases: list[Purchase], customer_count: int, draws: Draws
) -> tuple[list[Purchase], list[Complaint]]:
    """Return what is left of the purchases once slow complaints drove customers away, and all complaints.

    Both kinds of complaint fall on the same kind of customers and orders, so that the time to resolution is
    all that tells them apart.
    """
    by_customer: dict[str, list[Purchase]] = {}
    for purchase in purchases:
        if not purchase.customer.is_special and not purchase.customer.second_id:
            by_customer.setdefault(purchase.customer.customer_id, []).append(purchase)
    repeaters = [customer_id for customer_id, made in by_customer.items() if len(made) >= 2]
    slow_count = round(SLOW_COMPLAINT_SHARE * customer_count)
    chosen = draws.some(repeaters, slow_count + round(FAST_COMPLAINT_SHARE * customer_count))
    complaints, gone_from = [], {}
    for place, customer_id in enumerate(chosen):
        made = by_customer[customer_id]
        about = made[draws.whole(0, len(made) - 2)]
        opened_at = about.at + draws.whole(2, 9) * DAY
        days = draws.uniform(11.0, 32.0) if place < slow_count else draws.uniform(0.2, 6.0)
        if opened_at >= END:
            continue
        complaint = Complaint(customer_id, about, opened_at, awake(opened_at + int(days * DAY)))
        complaints.append(complaint)
        if complaint.is_slow and draws.chance(STOP_PROBABILITY):
            gone_from[customer_id] = opened_at
    kept = [p for p in purchases if p.at < gone_from.get(p.customer.customer_id, END)]
    return kept, complaints


def plant_campaign(
    purchases: list[Purchase],
    customers: list[Customer],
    complaints: list[Complaint],
    draws: Draws,
    *,
    campaign_id: str,
    sent_on: date,
    effect: float,
) -> tuple[list[Purchase], list[Membership]]:
    """Return the purchases with those that a campaign caused, and its members with the held-out group.

    Who is held out is drawn within groups of customers that ordered equally often in the year before and
    would have done the same without the campaign, so the difference between addressed and held-out is what
    was planted and not luck; ``effect`` is the share of the addressed who buy because of it.
    """
    sent_at = day_of(sent_on) * DAY + 9 * 3_600
    until = sent_at + EFFECT_DAYS * DAY
    recent: dict[str, int] = {}
    buyers_anyway = set()
    for purchase in purchases:
        if sent_at - 365 * DAY <= purchase.at < sent_at:
            recent[purchase.customer.customer_id] = recent.get(purchase.customer.customer_id, 0) + 1
        if sent_at <= purchase.at < until:
            buyers_anyway.add(purchase.customer.customer_id)
    groups: dict[tuple[int, bool], list[Customer]] = {}
    for customer in customers:
        is_known = customer.first_at is not None and customer.first_at < sent_at - 14 * DAY
        if is_known and customer.wants_mail and customer.row["email"] and not customer.second_id:
            order_count = recent.get(customer.customer_id, 0)
            groups.setdefault((min(order_count, 4), customer.customer_id in buyers_anyway), []).append(
                customer
            )
    members, willing = [], []
    angry = {complaint.customer_id for complaint in complaints if complaint.is_slow}
    treated_count = 0
    for _, group in sorted(groups.items()):
        mixed = draws.some(group, len(group))
        control_count = round(CONTROL_SHARE * len(mixed))
        for place, customer in enumerate(mixed):
            is_control = place < control_count
            members.append(Membership(campaign_id, customer.customer_id, sent_at, is_control))
            treated_count += not is_control
            if not is_control and customer.customer_id not in buyers_anyway | angry:
                willing.append(customer)
    caused = [
        make_purchase(customer, sent_at + draws.whole(1, EFFECT_DAYS - 2) * DAY, draws)
        for customer in draws.some(willing, round(effect * treated_count))
    ]
    members.sort(key=lambda member: member.customer_id)
    return sorted(purchases + caused, key=lambda purchase: purchase.at), members
