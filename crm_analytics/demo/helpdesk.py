"""What do customers ask and complain about, and how are they answered?  Tickets, their statuses, feedback.

The complaints come from `planted` (they decide who stays); questions, problems and requests are added here
and change nothing. A ticket's status, resolution and first answer are as they stand on the day of the
export; what they were before is in the status history.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crm_analytics.demo.clock import DAY, END, awake, moment_text
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.planted import Complaint
from crm_analytics.demo.purchases import Purchase

OTHER_TICKET_SHARE = 0.075
AGENTS = ("U05", "U06", "U07", "U08")
SUBJECTS = {
    "complaint": (
        ("delivery", "Parcel arrived damaged"),
        ("delivery", "Still waiting for my parcel"),
        ("quality", "Machine leaks water"),
        ("quality", "Beans taste stale"),
        ("billing", "Charged twice for one order"),
    ),
    "question": (
        ("product", "Which grinder fits my machine?"),
        ("product", "Are the capsules compostable?"),
        ("delivery", "When will my order be sent?"),
        ("billing", "Where do I find my invoice?"),
    ),
    "problem": (
        ("account", "I cannot log in"),
        ("product", "Machine shows a descaling light"),
        ("delivery", "One article is missing"),
    ),
    "request": (
        ("account", "Please change my address"),
        ("billing", "Please send the invoice again"),
        ("product", "Please tell me when it is back in stock"),
    ),
}
GLAD_WORDS = (
    "Quick and friendly",
    "Solved at once, thank you",
    "Very good coffee",
    "Happy with everything",
    "Great service",
)
PLAIN_WORDS = ("Fine", "It works", "As expected", "Could be faster", "")
ANGRY_WORDS = (
    "Nobody answered for weeks",
    "Very disappointed",
    "Too slow",
    "I will not order again",
    "Poor service",
)


@dataclass
class HelpdeskFiles:
    """Rows of the helpdesk's files."""

    tickets: list[dict[str, str]] = field(default_factory=list)
    statuses: list[dict[str, str]] = field(default_factory=list)
    feedback: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Ticket:
    customer_id: str
    order: str
    kind: str
    opened_at: int
    resolved_at: int


def helpdesk_files(
    purchases: list[Purchase], complaints: list[Complaint], number_of: dict[tuple[str, int], str], seed: int
) -> HelpdeskFiles:
    """Return the rows of tickets, statuses and feedback, by time."""
    draws = Draws(seed, "helpdesk")
    cases = [
        _Ticket(c.customer_id, number_of[c.purchase.key], "complaint", c.opened_at, c.resolved_at)
        for c in complaints
    ]
    for purchase in purchases:
        if draws.chance(OTHER_TICKET_SHARE) and not purchase.customer.is_special:
            opened_at = awake(purchase.at + draws.whole(600, 12 * DAY))
            kind = draws.weighted(("question", "problem", "request"), (0.5, 0.3, 0.2))
            resolved_at = awake(opened_at + 1_200 + int(draws.gamma(0.8, 1.6 * DAY)))
            if opened_at < END:
                order = number_of[purchase.key] if draws.chance(0.8) else ""
                cases.append(_Ticket(purchase.customer_id, order, kind, opened_at, resolved_at))
    cases.sort(key=lambda case: (case.opened_at, case.customer_id))
    files = HelpdeskFiles()
    for number, case in enumerate(cases, start=1):
        _ticket(f"K{number:05d}", case, files, draws)
    _surveys(purchases, number_of, files, draws)
    files.feedback.sort(key=lambda row: (row["occurred_at"], row["customer_source_id"]))
    for number, row in enumerate(files.feedback, start=1):
        row["source_id"] = f"F{number:05d}"
    return files


def _ticket(number: str, case: _Ticket, files: HelpdeskFiles, draws: Draws) -> None:
    agent = draws.pick(AGENTS)
    category, subject = draws.pick(SUBJECTS[case.kind])
    lasted = case.resolved_at - case.opened_at
    steps = [(case.opened_at, "New", "open", "")]
    answered_at = min(awake(case.opened_at + int(lasted * draws.uniform(0.05, 0.5))), case.resolved_at - 60)
    steps.append((answered_at, "In progress", "open", agent))
    if lasted > 2 * DAY and draws.chance(0.4):
        waiting_at = awake(answered_at + int((case.resolved_at - answered_at) * draws.uniform(0.1, 0.4)))
        steps.append((waiting_at, "Waiting for customer", "waiting", agent))
    is_reopened = lasted > 6 * DAY and draws.chance(0.15)
    if is_reopened:
        steps.append((awake(case.opened_at + int(lasted * 0.7)), "Solved", "resolved", agent))
        steps.append((awake(case.opened_at + int(lasted * 0.8)), "Reopened", "open", ""))
    steps.append((case.resolved_at, "Solved", "resolved", agent))
    if draws.chance(0.6):
        steps.append((case.resolved_at + 4 * DAY, "Closed", "closed", ""))
    steps = [step for step in steps if step[0] < END]
    is_resolved = case.resolved_at < END
    files.tickets.append(
        {
            "source_id": number,
            "customer_source_id": case.customer_id,
            "order_source_id": case.order,
            "kind": case.kind,
            "category": category,
            "priority": draws.weighted(("low", "normal", "high", "urgent"), (0.2, 0.6, 0.16, 0.04)),
            "status": steps[-1][1],
            "channel": draws.weighted(("email", "phone", "chat", "form"), (0.4, 0.25, 0.2, 0.15)),
            "subject": subject,
            "first_response_at": moment_text(answered_at if answered_at < END else None),
            "resolved_at": moment_text(case.resolved_at if is_resolved else None),
            "reopen_count": str(sum(step[1] == "Reopened" for step in steps)),
            "owner_source_id": agent,
            "created_at": moment_text(case.opened_at),
        }
    )
    for at, status, kind, user in steps:
        files.statuses.append(
            {
                "ticket_source_id": number,
                "occurred_at": moment_text(at),
                "status": status,
                "status_kind": kind,
                "user_source_id": user,
            }
        )
    answer_at = awake(case.resolved_at + draws.whole(3_600, 2 * DAY))
    if answer_at < END and draws.chance(0.4):
        days = lasted / DAY
        score = max(
            1, min(5, round(4.7 - 0.16 * days - (case.kind == "complaint") * 0.7 + 0.8 * draws.normal()))
        )
        _answer(
            files, draws, case.customer_id, answer_at, kind="csat", score=score, scale=(1, 5), ticket=number
        )


def _surveys(
    purchases: list[Purchase], number_of: dict[tuple[str, int], str], files: HelpdeskFiles, draws: Draws
) -> None:
    """Add product reviews and the answers to a yearly question whether one would recommend the shop."""
    for purchase in purchases:
        at = purchase.at + draws.whole(6, 20) * DAY
        if purchase.customer.is_special or at >= END:
            continue
        if draws.chance(0.035):
            score = draws.weighted((1, 2, 3, 4, 5), (0.05, 0.06, 0.12, 0.30, 0.47))
            product = purchase.lines[0].product_id
            order = number_of[purchase.key]
            _answer(
                files,
                draws,
                purchase.customer_id,
                at,
                kind="review",
                score=score,
                scale=(1, 5),
                order=order,
                product=product,
            )
        if draws.chance(0.04):
            score = min(10, max(0, round(8.0 + 2.0 * draws.normal())))
            _answer(files, draws, purchase.customer_id, at, kind="nps", score=score, scale=(0, 10))


def _answer(
    files: HelpdeskFiles,
    draws: Draws,
    customer_id: str,
    at: int,
    *,
    kind: str,
    score: int,
    scale: tuple[int, int],
    ticket: str = "",
    order: str = "",
    product: str = "",
) -> None:
    rate = (score - scale[0]) / (scale[1] - scale[0])
    words = GLAD_WORDS if rate > 0.7 else PLAIN_WORDS if rate > 0.4 else ANGRY_WORDS
    files.feedback.append(
        {
            "customer_source_id": customer_id,
            "ticket_source_id": ticket,
            "order_source_id": order,
            "product_source_id": product,
            "occurred_at": moment_text(at),
            "kind": kind,
            "score": str(score),
            "scale_min": str(scale[0]),
            "scale_max": str(scale[1]),
            "comment": draws.pick(words) if draws.chance(0.5) else "",
        }
    )
