"""What may a rule ask, of which kind is the answer, and in which unit?  The registry of measures.

A measure is a column of ``measures.sql`` (customers) or ``lead_measures.sql`` (leads); its meaning is
that of the header. Its kind follows from its name, as the vocabulary fixes it: ``_on`` is a day, ``is_`` and
``has_`` are true or false, the names in ``TEXTS`` are words, all others are numbers. Words that only this
package writes are closed (``CLOSED``): no other can ever be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from crm_analytics.facts import settle_currency
from crm_analytics.segmentation.movement import LIFECYCLE_STATES
from crm_analytics.segmentation.names import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "text", "day", "truth"]
FoundAmong = Literal["customers", "leads"]

# found among -> (file, column that names the member)
_FILES: dict[FoundAmong, tuple[str, str]] = {
    "customers": ("measures.sql", "customer_id"),
    "leads": ("lead_measures.sql", "lead_id"),
}
FOUND_AMONG = tuple(_FILES)
TEXTS = frozenset(
    (
        "type",
        "country",
        "region",
        "city",
        "occupation",
        "acquisition_channel",
        "owner_source_id",
        "favourite_category",
        "favourite_brand",
        "segment",
        "lifecycle_state",
        "cluster_name",
        "risk_band",
        "lead_source",
        "industry",
        "job_title",
    )
)
CLOSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "segment": tuple(rule.name for rule in segment_names()),
        "lifecycle_state": LIFECYCLE_STATES,
        "risk_band": ("low", "medium", "high"),
    }
)
# Shares lie between 0 and 1, scores between 1 and 5, and nobody bought less than never: a rule that asks for
# a share of 50 means something else, and one that asks for more than 1 has no members.
SHARES = frozenset(
    (
        "high_margin_share",
        "favourite_category_share",
        "favourite_brand_share",
        "satisfaction_rate",
        "campaign_response_rate",
        "late_payment_share",
        "probability_alive",
        "churn_probability",
        "contract_churn_probability",
    )
)
SCORES = ("r_score", "f_score", "m_score")
# Days that are never below 0, as those whose name begins with it.
LENGTHS = frozenset(("tenure_days", "mean_gap_days", "longest_resolution_days"))
# facts that measures.sql asks for more than once, and what they rest on: a fact after those it reads
_HELD = ("products_before", "order_lines_before", "orders_before", "order_days_before", "customers_before")


@dataclass(frozen=True)
class Measure:
    """One thing that a rule can ask about.

    Attributes
    ----------
    name : str
        As it is written in rules.
    kind : {"number", "text", "day", "truth"}
        What it can be compared with.
    meaning : str
        What it says, with its unit.
    words : tuple of str
        The only words it can hold; empty = any.
    bounds : tuple of least and most, optional
        It never lies outside; most is None where there is no upper end.
    is_scored : bool
        Rests on scores: missing unless they are kept for the day.
    """

    name: str
    kind: Kind
    meaning: str
    words: tuple[str, ...] = ()
    bounds: tuple[int, int | None] | None = None
    is_scored: bool = False


@cache
def measures(found_among: FoundAmong = "customers") -> Mapping[str, Measure]:
    """Return every measure by its name, in the order of the SQL file.

    Parameters
    ----------
    found_among : {"customers", "leads"}
        Whom the rule is about.

    Examples
    --------
    >>> measures()["high_margin_share"].kind
    'number'
    >>> measures("leads")["has_bought"].meaning
    'the customer it became has bought'
    """
    file, member = _FILES[found_among]
    columns = SqlFile.beside(__file__, file).columns
    names = list(columns)
    scored = set(names[names.index(SCORES[0]) :]) if SCORES[0] in columns else set()
    return MappingProxyType(
        {
            name: Measure(name, _kind(name), meaning, CLOSED.get(name, ()), _bounds(name), name in scored)
            for name, meaning in columns.items()
            if name != member
        }
    )


def member_column(found_among: FoundAmong) -> str:
    """Return the column that names a member: customer_id or lead_id."""
    return _FILES[found_among][1]


def measure_table(
    wh: Warehouse,
    *,
    as_of: date,
    found_among: FoundAmong = "customers",
    high_margin_rate: float | None = None,
) -> pa.Table:
    """Measure every customer (or lead) as of a day.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    found_among : {"customers", "leads"}
        Whom to measure.
    high_margin_rate : float, optional
        Margin per unit of amount from which a product counts as high-margin; default the best third of the
        products sold so far. Leads have no such measure.

    Returns
    -------
    pyarrow.Table
        customer_id (or lead_id), then the columns of `measures`, ordered by the first; money is exact.
        Measures that rest on scores (segment, churn_probability ...) are missing unless those scores are kept
        for `as_of`.

    Examples
    --------
    >>> measure_table(Warehouse.open(), as_of=date(2025, 7, 1)).num_rows
    0
    """
    settle_currency(wh)
    sql = SqlFile.beside(__file__, _FILES[found_among][0])
    if found_among == "leads":
        return wh.arrow(sql, as_of=as_of)
    with wh.holding(*_HELD, as_of=as_of):
        return wh.arrow(sql, as_of=as_of, high_margin_rate=high_margin_rate)


def _kind(name: str) -> Kind:
    if name.endswith("_on"):
        return "day"
    if name.startswith(("is_", "has_")):
        return "truth"
    return "text" if name in TEXTS else "number"


def _bounds(name: str) -> tuple[int, int | None] | None:
    if name in SHARES:
        return 0, 1
    if name in SCORES:
        return 1, 5
    is_count = name.endswith("_count") or "_count_" in name
    return (0, None) if is_count or name in LENGTHS or name.startswith("days_") else None
