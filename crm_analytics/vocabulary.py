"""Which words may a closed column hold?  The word lists that profiles translate every source into.

A word of a source that no profile translates is kept as it is and reported with its load; it is
never guessed. Columns name their list in ``schema/*.toml`` (``words = "channels"``).
"""

from __future__ import annotations

from types import MappingProxyType

WORDS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "cancel_kinds": ("voluntary", "involuntary"),
        "channels": (
            "affiliate",
            "app",
            "chat",
            "direct",
            "display",
            "email",
            "event",
            "form",
            "in_person",
            "marketplace",
            "organic_search",
            "paid_search",
            "partner",
            "phone",
            "post",
            "referral",
            "sms",
            "social",
            "store",
            "web",
        ),
        "customer_types": ("person", "organisation"),
        "directions": ("in", "out", "missed"),
        "feedback_kinds": ("csat", "nps", "ces", "review"),
        "interaction_kinds": ("call", "email", "visit", "chat", "sms", "web", "note", "device"),
        "interaction_outcomes": (
            "answered",
            "bounced",
            "clicked",
            "delivered",
            "opened",
            "sent",
            "unsubscribed",
            "viewed",
        ),
        "order_kinds": ("quote", "order", "invoice"),
        "order_states": ("draft", "confirmed", "cancelled", "closed"),
        "priorities": ("low", "normal", "high", "urgent"),
        "stage_kinds": ("open", "won", "lost"),
        "task_states": ("open", "done", "dropped"),
        "ticket_kinds": ("question", "problem", "complaint", "request"),
        "ticket_status_kinds": ("open", "waiting", "resolved", "closed"),
    }
)
