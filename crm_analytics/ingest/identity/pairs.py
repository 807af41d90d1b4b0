"""Why were two records linked, and which pairs should a person look at?  Pairs with evidence, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crm_analytics.errors import UsageError
from crm_analytics.ingest.identity.comparisons import COMPARISONS
from crm_analytics.ingest.identity.evidence import BY_RULE
from crm_analytics.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

_WORDS = {
    "given_name": "given name",
    "family_name": "family name",
    "birth": "date of birth",
    "email": "e-mail address",
    "phone": "telephone number",
    "national_id": "national id",
    "address": "address",
}
# Pairs that no standing decision of a person speaks of. A link that did not come about, since it would bring
# together what contradicts, is for a person to look at.
_OPEN = """
    select
        pairs.* replace (
            case when pairs.decision = 'link' and is_cut then 'review' else pairs.decision end as decision,
            case when pairs.decision = 'link' and is_cut then $cut else pairs.because end as because
        )
    from (
        select
            pairs.*,
            coalesce(l.customer_id, pairs.left_id) <> coalesce(r.customer_id, pairs.right_id) as is_cut
        from entities.identity_pairs as pairs
        left join entities.customer_ids() as l
            on l.source_system || ':' || l.source_id = pairs.left_id
        left join entities.customer_ids() as r
            on r.source_system || ':' || r.source_id = pairs.right_id
    ) as pairs
    where not exists (
        select 1 from entities.identity_log as decided
        where least(decided.left_id, decided.right_id) = pairs.left_id
            and greatest(decided.left_id, decided.right_id) = pairs.right_id and decided.change_number
            not in (select undoes from entities.identity_log where kind = 'undo')
    )"""
_CUT = "would bring together two who contradict each other; could be either"
_PAIR = "select * from entities.identity_pairs where left_id = $left and right_id = $right"


def review(wh: Warehouse, *, decision: str = "review") -> pd.DataFrame:
    """Return the pairs that a person should look at, the likeliest first.

    Parameters
    ----------
    wh : Warehouse
    decision : {"review", "link", "apart"}, default "review"
        The uncertain pairs; or those that are linked, or told apart, by the last run.

    Returns
    -------
    DataFrame
        ``left_id``, ``right_id``, ``probability`` (by the model; missing where a rule decided), ``weight``
        (bits), ``because``, ``evidence`` (in words, without values). Pairs that were merged or separated by
        hand are not among them.

    Examples
    --------
    >>> with Warehouse.open() as wh:
    ...     review(wh).empty
    True
    """
    if decision not in ("review", "link", "apart"):
        raise UsageError(f"decision={decision!r}: there are 'review', 'link' and 'apart'.")
    found = wh.frame(
        f"select * from ({_OPEN}) where decision = $decision order by weight desc, left_id, right_id",
        decision=decision,
        cut=_CUT,
    )
    evidence = [_evidence(row) for row in found.to_dict("records")]
    by_rule = found["because"].isin(BY_RULE)
    return found[["left_id", "right_id", "probability", "weight", "because"]].assign(
        probability=found["probability"].mask(by_rule), evidence=evidence
    )


def counted(wh: Warehouse) -> dict[str, int]:
    """Return how many pairs `review` shows of each decision."""
    return dict(wh.rows(f"select decision, count(*) from ({_OPEN}) group by decision", cut=_CUT))


def pair(wh: Warehouse, a: str, b: str) -> pd.DataFrame:
    """Return the evidence on one pair of records, field by field.

    Parameters
    ----------
    wh : Warehouse
    a, b : str
        Keys, ``system:id``.

    Returns
    -------
    DataFrame
        ``field``, ``level`` (how it compares), ``weight`` (bits: what it adds to the odds), the strongest
        first. Empty where the last run did not find the two alike.
    """
    import pandas as pd

    found = wh.frame(_PAIR, left=min(a, b), right=max(a, b)).to_dict("records")
    rows = [row for one in found for row in _fields(one)]
    return pd.DataFrame(rows, columns=["field", "level", "weight"])


def _fields(row: dict[str, Any]) -> list[tuple[str, str, float]]:
    said = [
        (_WORDS[field], row[f"{field}_level"], float(row[f"{field}_weight"]))
        for field in COMPARISONS
        if isinstance(row[f"{field}_level"], str)
    ]
    return sorted(said, key=lambda one: (-one[2], one[0]))


def _evidence(row: dict[str, Any]) -> str:
    return "; ".join(f"{field} {level} ({weight:+.1f})" for field, level, weight in _fields(row))
