"""What does a pair of records say for itself?  Who may be linked, who may not, and why.

A score alone would join a household: same family name, address, telephone. So a link needs evidence of the
*person* (given name, date of birth, national id, or an own mailbox where nothing contradicts) and evidence
beyond the name. A name alone never links. Sure keys link by themselves where the names agree;
contradictions veto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Flags = npt.NDArray[np.bool_]

# From which probability on two records are linked, and from which a person is asked.
LINKED_FROM = 0.9
REVIEWED_FROM = 0.5

_SAME_NAME = ("equal", "close", "swapped", "short form")


def _is(pairs: pd.DataFrame, field: str, *labels: str) -> Flags:
    name = f"{field}_level"
    if name not in pairs.columns:
        return np.zeros(len(pairs), bool)
    return np.asarray(pairs[name].isin(list(labels)), dtype=bool)


def is_contradicted(pairs: pd.DataFrame) -> Flags:
    """Say which pairs are two people: other given name, and neither date of birth nor national id agrees.

    Another date of birth is a contradiction as well unless a national id or an own mailbox agrees: father and
    son share name, address and telephone.
    """
    born = _is(pairs, "birth", "equal", "one slip")
    registered = _is(pairs, "national_id", "equal", "one slip")
    mailbox = _is(pairs, "email", "equal", "same before the @", "close")
    other_name = _is(pairs, "given_name", "different") & ~born & ~registered
    other_birth = _is(pairs, "birth", "different") & ~registered & ~mailbox
    return other_name | other_birth


def has_evidence(pairs: pd.DataFrame) -> Flags:
    """Say which pairs agree in what a person has alone, and in more than the name, without contradiction."""
    given_known = ~np.asarray(pairs.get("given_name_level", _none(pairs)).isna(), dtype=bool)
    mailbox = _is(pairs, "email", "equal")
    person = (
        _is(pairs, "given_name", *_SAME_NAME)
        | _is(pairs, "birth", "equal", "one slip")
        | _is(pairs, "national_id", "equal", "one slip")
        | (mailbox & (~given_known | _is(pairs, "given_name", "alike")))
        # an organisation has no given name: its own name stands for it
        | (~given_known & _is(pairs, "family_name", "equal", "close"))
    )
    beyond = (
        _is(pairs, "birth", "equal", "one slip")
        | _is(pairs, "national_id", "equal", "one slip")
        | _is(pairs, "email", "equal", "same before the @", "close")
        | _is(pairs, "phone", "equal", "one slip")
        | _is(pairs, "address", "equal", "close", "same postcode", "same city", "similar city")
    )
    return person & beyond & ~is_contradicted(pairs)


def decide(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that are linked or to be reviewed, with ``decision`` and ``because``.

    Parameters
    ----------
    pairs : DataFrame
        As of `crm_analytics.ingest.identity.model.Scored`.
    """
    probability = pairs["probability"].to_numpy()
    enough, against = has_evidence(pairs), is_contradicted(pairs)
    names = _is(pairs, "given_name", *_SAME_NAME) & _is(pairs, "family_name", *_SAME_NAME)
    known = names & ~against
    by_id = _is(pairs, "national_id", "equal") & _is(pairs, "family_name", *_SAME_NAME) & ~against
    by_mail, by_phone = known & _is(pairs, "email", "equal"), known & _is(pairs, "phone", "equal")
    because = np.select(
        [by_id, by_mail, by_phone, against, ~enough, probability >= LINKED_FROM],
        [
            "same national id and name",
            "same e-mail address and name",
            "same telephone number and name",
            "alike, but given name or date of birth contradict",
            "alike, but not in what a person has alone",
            "agrees in enough fields",
        ],
        "agrees, but not in enough fields",
    )
    linked = by_id | by_mail | by_phone | (enough & (probability >= LINKED_FROM))
    uncertain = ~linked & ~against & (probability >= REVIEWED_FROM)
    decided = pairs.assign(decision=np.where(linked, "link", "review"), because=because)
    return decided[linked | uncertain].reset_index(drop=True)


def _none(pairs: pd.DataFrame) -> pd.Series:
    import pandas as pd

    return pd.Series([None] * len(pairs), index=pairs.index, dtype=object)
