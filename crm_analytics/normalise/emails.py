"""When are two e-mail addresses one, and whose are they: a person's, or a desk's that many people share?

Addresses are compared without case, hosts in the letters that the net knows (bücher.example is
xn--bcher-kva.example: RFC 3490, by Python's codec "idna"); what follows a plus sign is a label, and in
Google's mail dots do not count (support page "Dots don't matter in Gmail addresses"). Role names (info@,
sales@, office@) are those of RFC 2142 and what offices use.
"""

from __future__ import annotations

import re

from crm_analytics.normalise.letters import fold_letters
from crm_analytics.normalise.names import name_words

_SHAPE = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]{2,}")
_WITHOUT_DOTS = frozenset({"gmail.com", "googlemail.com"})


def fold_email(text: str) -> str | None:
    """Return an e-mail address as it is compared, or None for what is no address.

    Examples
    --------
    >>> fold_email(" Ada.Lovelace+news@GMAIL.com "), fold_email("mailto:bob@example.org"), fold_email("n/a")
    ('adalovelace@gmail.com', 'bob@example.org', None)
    >>> fold_email("a@bücher.example") == fold_email("A@XN--bcher-kva.example")
    True
    """
    plain = text.strip().casefold() if text.isascii() else fold_letters(text)
    found = _SHAPE.fullmatch(plain.removeprefix("mailto:").strip("<>"))
    if found is None:
        return None
    local, _, host = found[0].rpartition("@")
    label = local.find("+")
    if label > 0:
        local = local[:label]
    if host in _WITHOUT_DOTS:
        local, host = local.replace(".", ""), "gmail.com"
    return f"{local}@{_known_to_the_net(host)}"


def _known_to_the_net(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def is_role(email: str) -> bool:
    """Is a folded address that of a desk, not of a person?

    Examples
    --------
    >>> is_role("info@example.org"), is_role("sales-berlin@example.org"), is_role("ada@example.org")
    (True, True, False)
    """
    local, roles = email.partition("@")[0], name_words("mailboxes")
    return local in roles or re.split(r"[._\-0-9]", local, maxsplit=1)[0] in roles
