"""What was negotiated and signed?  Opportunities with their stages, tasks, and contracts.

A won deal leads to one of the organisation's orders in the shop, when there is one within 60 days.
"""

from __future__ import annotations

import math

from crm_analytics.demo.catalogue import PRODUCTS, money
from crm_analytics.demo.clock import DAY, DAY_COUNT, END, day_text, moment_text, office_hour
from crm_analytics.demo.contacts import SalesFiles
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.purchases import Purchase

STAGES = (("Qualification", 0.2), ("Proposal", 0.45), ("Negotiation", 0.7))
DEAL_SUBJECTS = ("coffee supply", "machines", "tableware", "office plan")
LOSS_REASONS = ("price", "competitor", "no budget", "no answer")


def add_opportunities(
    customer: Customer, contact: dict[str, str], bought: list[Purchase], files: SalesFiles, draws: Draws
) -> None:
    """Add the deals of one organisation, and which of its orders came from a won one."""
    lead = next(
        (r["source_id"] for r in files.leads if r["converted_customer_source_id"] == customer.customer_id), ""
    )
    orders = [purchase for purchase in bought if purchase.channel != "store"]
    for place in range(draws.weighted((0, 1, 2, 3), (0.1, 0.4, 0.3, 0.2))):
        created_at = office_hour(customer.registered_at + (1 + place * draws.whole(90, 300)) * DAY)
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
            at = office_hour(at + draws.whole(3, 24) * DAY)
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


def add_contracts(
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


def _task(
    customer: Customer, deal: str, owner: str, created_at: int, files: SalesFiles, draws: Draws
) -> None:
    due = created_at // DAY + draws.whole(3, 14)
    done_at = office_hour((due - 1 + int(draws.exponential(3.0))) * DAY)
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
