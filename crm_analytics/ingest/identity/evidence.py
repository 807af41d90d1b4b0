"""What does a pair of records say for itself?  Who may be linked, who may not, and why.

A score alone would join a household: same family name, address, telephone. So a link needs evidence of the
*person* and evidence beyond the name; a city is none, nor is a mailbox made of the name. Sure keys (national
id, mailbox, telephone) link by themselves where the names agree. Another given name, or a date of birth that
is no slip of the pen, contradicts; only a national id outweighs that. A name that may be another one (Paul
and Paula, or one in another script) needs more beside it than what a household shares. What agrees in a sure
key and is not linked is listed for a person.
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

_SAME_GIVEN = ("equal", "equal in another spelling", "one slip", "swapped", "short form")
_SAME_FAMILY = (
    *("equal", "equal in another spelling", "equal in another script"),
    *("close", "swapped", "short form"),
)
_SAME_BIRTH = ("equal", "one slip")
_NEAR_BIRTH = ("two slips", "one off")

# Why a rule linked a pair, whatever the model thinks of it.
BY_RULE = ("same national id and name", "same e-mail address and name", "same telephone number and name")


def _is(pairs: pd.DataFrame, field: str, *labels: str) -> Flags:
    name = f"{field}_level"
    if name not in pairs.columns:
        return np.zeros(len(pairs), bool)
    return np.asarray(pairs[name].isin(list(labels)), dtype=bool)


def _is_known(pairs: pd.DataFrame, field: str) -> Flags:
    name = f"{field}_level"
    if name not in pairs.columns:
        return np.zeros(len(pairs), bool)
    return np.asarray(pairs[name].notna(), dtype=bool)


def shares_key(pairs: pd.DataFrame) -> Flags:
    """Say which pairs have one national id, mailbox or telephone number."""
    return _is(pairs, "national_id", "equal") | _is(pairs, "email", "equal") | _is(pairs, "phone", "equal")


def is_contradicted(pairs: pd.DataFrame) -> Flags:
    """Say which pairs are two people: another given name or date of birth, and not the same national id.

    Twins share everything but the given name, father and son of one name all but the date of birth: neither
    a mailbox nor a telephone number outweighs these.
    """
    registered = _is(pairs, "national_id", "equal")
    return (_is(pairs, "given_name", "different") | _is(pairs, "birth", "different")) & ~registered


def _is_named(pairs: pd.DataFrame) -> Flags:
    """Say where the given names are one, as far as names and what confirms them can say.

    A slip in the name needs a date of birth that is not far off: sisters of like names have two.
    """
    born, registered = _is(pairs, "birth", *_SAME_BIRTH), _is(pairs, "national_id", "equal")
    both_keys = _is(pairs, "email", "equal") & _is(pairs, "phone", "equal")
    return (
        _is(pairs, "given_name", *_SAME_GIVEN)
        | (_is(pairs, "given_name", "close") & (born | _is(pairs, "birth", *_NEAR_BIRTH)))
        | (_is(pairs, "given_name", "equal in another script") & (born | both_keys))
        | (_is_known(pairs, "given_name") & registered)
    )


def has_evidence(pairs: pd.DataFrame) -> Flags:
    """Say which pairs agree in what a person has alone, and in more than the name, without contradiction."""
    named, nameless = _is_named(pairs), ~_is_known(pairs, "given_name")
    born, near = _is(pairs, "birth", *_SAME_BIRTH), _is(pairs, "birth", *_NEAR_BIRTH)
    registered = _is(pairs, "national_id", "equal", "one slip")
    mailbox = _is(pairs, "email", "equal", "same before the @", "close")
    beyond = [
        born | near & named,
        registered,
        mailbox,
        _is(pairs, "phone", "equal", "one slip"),
        _is(pairs, "address", "equal", "close", "same postcode"),
    ]
    count = np.add.reduce(beyond, dtype=int)
    # Where no given name is known (organisations have none), the family name or a second field stands for it.
    family = _is(pairs, "family_name", *_SAME_FAMILY) & (count > 0)
    unnamed = (born | registered) & (count > 1) | mailbox & ((count > 1) | near)
    found: Flags = (named & (count > 0) | nameless & (family | unnamed)) & ~is_contradicted(pairs)
    return found


def decide(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs that are linked, to be reviewed or told apart, with ``decision`` and ``because``.

    Parameters
    ----------
    pairs : DataFrame
        As of `crm_analytics.ingest.identity.model.Scored`.
    """
    probability = pairs["probability"].to_numpy()
    enough, against = has_evidence(pairs), is_contradicted(pairs)
    family = _is(pairs, "family_name", *_SAME_FAMILY)
    known = _is_named(pairs) & family & ~against
    id_, mail, phone = (_is(pairs, field, "equal") for field in ("national_id", "email", "phone"))
    nameless = ~_is_known(pairs, "given_name") & family & ~against
    by_rule = [id_ & (known | nameless), mail & known, phone & known]
    linked = np.logical_or.reduce([*by_rule, enough & (probability >= LINKED_FROM)])
    household = phone & ~mail & ~id_ & _is(pairs, "given_name", "different")
    reviewed = ~linked & ~household & (shares_key(pairs) | ~against & (probability >= REVIEWED_FROM))
    because = np.select(
        [
            *by_rule,
            household,
            against & _is(pairs, "birth", "different"),
            against,
            linked,
            shares_key(pairs),
            ~enough,
        ],
        [
            *BY_RULE,
            "same telephone number, another given name",
            "another date of birth",
            "another given name",
            "agrees in enough fields",
            "same national id, e-mail address or telephone number, but not surely the same name",
            "alike, but not in what a person has alone",
        ],
        "agrees, but not in enough fields",
    )
    decision = np.select([linked, reviewed], ["link", "review"], "apart")
    decided = pairs.assign(decision=decision, because=because)
    return decided[linked | reviewed | household].reset_index(drop=True)
