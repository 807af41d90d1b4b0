"""Which words may a closed column hold?  The word lists that profiles translate every source into.

Other usual spellings of a word are in `SPELLINGS`. A word of a source that neither these nor a profile
translate is kept as it is and reported with its load; it is never guessed. Columns name their list in
``schema/*.toml`` (``words = "channels"``).
"""

from __future__ import annotations

from types import MappingProxyType

_CHANNELS = (
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
)

WORDS: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "cancel_kinds": ("voluntary", "involuntary"),
        "channels": _CHANNELS,
        "consent_channels": (*_CHANNELS, "all"),
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

# How others write a word of a list (in small letters) -> our word. Only what can mean nothing else.
SPELLINGS: MappingProxyType[str, MappingProxyType[str, str]] = MappingProxyType(
    {
        "consent_channels": MappingProxyType(
            {
                **dict.fromkeys(("*", "any", "every", "everything", "all channels", "any channel"), "all"),
                **dict.fromkeys(("e-mail", "e mail", "mail", "mails", "emails", "e-mails"), "email"),
                **dict.fromkeys(("telephone", "tel", "tel.", "call", "calls", "phone call"), "phone"),
                **dict.fromkeys(("text", "texts", "text message", "text messages"), "sms"),
                **dict.fromkeys(("letter", "letters", "postal", "postal mail"), "post"),
                **dict.fromkeys(("in person", "in-person"), "in_person"),
                **dict.fromkeys(("website", "web site"), "web"),
                "social media": "social",
            }
        )
    }
)
