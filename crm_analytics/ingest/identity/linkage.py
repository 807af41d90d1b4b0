"""Who is who?  One run of the linkage: the sources' records in, groups of records out.

`link` compares all customers of a warehouse and writes pairs with their evidence
(``entities.identity_pairs``) and groups (`crm_analytics.entities.identity_log`). Nothing is overwritten
that a person decided, and a second run on the same records changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from crm_analytics.entities.identity_log import groups, record_link
from crm_analytics.ingest.identity.blocking import LARGEST_BLOCK
from crm_analytics.ingest.identity.compared import compared
from crm_analytics.ingest.identity.comparisons import (
    COMPARISONS,
    IS_SLIP,
    ONE_LIFE,
    ONE_OFF,
    OTHER_ID,
    OTHER_NAME,
    SIMILAR_BIRTH,
)
from crm_analytics.ingest.identity.evidence import decide
from crm_analytics.ingest.identity.model import score
from crm_analytics.ingest.identity.pairs import counted
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.sandbox import Sandbox

if TYPE_CHECKING:
    import pandas as pd

RECORDS = SqlFile.beside(__file__, "records.sql")
# Part of what a run remembers: other rules ask for another run.
RULES = "5"

_TOLD_BY = (
    *("given_name", "given_is_rtl", "given_spelt", "given_bare", "given_count", "given_is_known"),
    *("family_name", "whole_name"),
    *("birth", "birth_day"),
    *("national_id", "is_checked", "country", "is_of_two", "is_organisation"),
)

_COLUMNS = ("left_id", "right_id", "probability", "weight", "decision", "is_contradicted", "because")
# Which pairs contradict each other, of those within one group and of those that are reviewed?
_CONTRADICTING = f"""
    with asked as (
        select l.unique_id as l_id, r.unique_id as r_id, l.member_of as member_of
        from members as l join members as r on l.member_of = r.member_of and l.unique_id < r.unique_id
        union all
        select l_id, r_id, -1 as member_of from reviewed
    ),

    pairs as (
        select
            asked.*,
            {", ".join(f"a.{column} as {column}_l, b.{column} as {column}_r" for column in _TOLD_BY)}
        from asked
        join compared as a on a.unique_id = asked.l_id
        join compared as b on b.unique_id = asked.r_id
    ),

    told as (
        select
            l_id,
            r_id,
            member_of,
            coalesce({OTHER_NAME}, false) as is_other_name,
            {IS_SLIP} as is_slip,
            coalesce(given_name_l = given_name_r, false) as is_named_as_one,
            coalesce({SIMILAR_BIRTH} or {ONE_OFF}, false) as is_born_near,
            birth_l is not null and birth_r is not null as is_born,
            {ONE_LIFE} as is_one_life,
            coalesce({OTHER_ID}, false)
                or coalesce(is_checked_l and is_checked_r and national_id_l <> national_id_r, false)
                or is_of_two_l <> is_of_two_r
                or is_organisation_l <> is_organisation_r as is_registered_apart,
            coalesce(national_id_l = national_id_r, false) as is_registered_as_one
        from pairs
    ),

    sides as (
        select
            member_of,
            unnest([l_id, r_id]) as one_id,
            unnest([r_id, l_id]) as other_id,
            is_registered_as_one or is_named_as_one or is_slip as explains_name,
            is_born_near as explains_birth
        from told
        where member_of >= 0
    ),

    explained as (
        select
            one.one_id as l_id,
            other.other_id as r_id,
            bool_or(one.explains_name and other.explains_name) as has_name,
            bool_or(one.explains_birth and other.explains_birth) as has_birth
        from sides as one
        join sides as other on other.member_of = one.member_of and other.one_id = one.other_id
        where one.one_id < other.other_id
            and one.member_of in (
                select member_of from members group by member_of having count(*) <= {LARGEST_BLOCK}
            )
        group by all
    )

    select distinct told.l_id, told.r_id
    from told
    left join explained using (l_id, r_id)
    where is_registered_apart
        or not is_registered_as_one and (
            is_other_name and not (is_slip and is_born_near) and not coalesce(has_name, false)
            or is_born and not is_born_near and (not is_one_life or not coalesce(has_birth, false))
        )
    order by all"""


@dataclass(frozen=True)
class LinkReport:
    """What a run of the linkage did.

    Attributes
    ----------
    change_number : int
        Of the run in ``entities.identity_log``; the last run's where nothing had changed.
    records : int
        Records that were compared.
    linked_pairs, reviewed_pairs : int
        Pairs that are linked, and pairs that a person should look at; not those that a person decided.
    customers : int
        Groups and single records.
    is_new : bool
        False: the records are those of the last run, nothing was done.
    """

    change_number: int
    records: int
    linked_pairs: int
    reviewed_pairs: int
    customers: int
    is_new: bool


def link(
    wh: Warehouse, *, seed: int = 1, linked_at: datetime | None = None, again: bool = False
) -> LinkReport:
    """Find out which customers' records are one customer, and remember it.

    Parameters
    ----------
    wh : Warehouse
        Open for writing.
    seed : int, default 1
        Of the sampling; another one changes weights in the third digit.
    linked_at : datetime, optional
        When, with a time zone; default: now. Facts as known before that time do not know of the links.
    again : bool, default False
        Run also where neither records nor rules changed since the last run.

    Returns
    -------
    LinkReport

    Examples
    --------
    >>> import crm_analytics as crm, pathlib, tempfile
    >>> rows = ["customer_id,name,email", "C1,Ada Byron,ada@example.org", "C2,ADA BYRON,Ada@example.org"]
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = pathlib.Path(folder, "customers.csv")
    ...     _ = file.write_text("\\n".join(rows))
    ...     _ = crm.load(wh, file, profile="customers")
    ...     report = link(wh)
    >>> report.records, report.linked_pairs, report.customers
    (2, 1, 1)
    """
    state = _state(wh, seed)
    with wh.transaction():
        last = wh.rows("select change_number, reason from entities.identity_log where kind = 'link'")
        if last and not again and max(last)[1] == state:
            return _report(wh, max(last)[0], is_new=False)
        pairs = link_records(wh.arrow(RECORDS), seed=seed)
        wh.execute("delete from entities.identity_pairs")
        wh.append("entities.identity_pairs", pairs)
        number = record_link(wh, reason=state, recorded_at=linked_at)
        return _report(wh, number, is_new=True)


def link_records(records: pa.Table, *, seed: int = 1) -> pd.DataFrame:
    """Compare records and return the pairs that are linked, to be reviewed, or told apart.

    Parameters
    ----------
    records : pyarrow.Table
        ``record_id`` (``system:id``, each once) and any of ``type``, ``name``, ``first_name``, ``last_name``,
        ``email``, ``phone``, ``national_id``, ``street``, ``city``, ``postcode``, ``country``, ``birth_on``.
    seed : int, default 1
        Of the sampling. The result does not depend on the order of the records.

    Returns
    -------
    DataFrame
        Columns of ``entities.identity_pairs``. Pairs that are told apart (decision "apart") are given only
        where links would bring them together.

    Examples
    --------
    >>> rows = [{"record_id": f"a:{n}", "name": "Ada Byron", "email": "ada@example.org"} for n in (1, 2)]
    >>> link_records(pa.Table.from_pylist(rows))[["left_id", "right_id", "because"]].values.tolist()
    [['a:1', 'a:2', 'same e-mail address and name']]
    """
    import pandas as pd

    table = compared(records)
    scored = score(table, seed=seed) if table.num_rows > 1 else None
    fields = [f"{field}_{part}" for field in COMPARISONS for part in ("level", "weight")]
    if scored is None:
        return pd.DataFrame(columns=[*_COLUMNS, *fields])
    decided = decide(scored.pairs)
    kinds = table["is_organisation"].to_numpy()
    decided = decided[kinds[decided["l_id"]] == kinds[decided["r_id"]]]
    found = _with_told_apart(table, decided).reindex(columns=["l_id", "r_id", *_COLUMNS[2:], *fields])
    ids = table["record_id"].to_numpy(zero_copy_only=False)
    found.insert(0, "left_id", ids[found.pop("l_id").to_numpy()])
    found.insert(1, "right_id", ids[found.pop("r_id").to_numpy()])
    for field in COMPARISONS:
        levels = found[f"{field}_level"].astype(object)
        found[f"{field}_level"] = levels.where(levels.notna(), None)
    return found.sort_values(
        ["weight", "left_id", "right_id"], ascending=[False, True, True], ignore_index=True
    )


def _with_told_apart(table: pa.Table, decided: pd.DataFrame) -> pd.DataFrame:
    """Return the decided pairs, with those that links would bring together though they contradict each other.

    Every pair that contradicts itself is marked, whatever was decided on it: no other record makes the two
    one customer. One that was linked is to be reviewed.
    """
    links = decided[decided["decision"] == "link"]
    linked = [
        (str(left), str(right), "link", 0.0) for left, right in zip(links["l_id"], links["r_id"], strict=True)
    ]
    members = [(int(key), n) for n, group in enumerate(groups([], linked)) if len(group) > 1 for key in group]
    with Sandbox() as sandbox:
        sandbox.register("compared", table)
        rows = [dict(zip(("unique_id", "member_of"), one, strict=True)) for one in sorted(members)]
        sandbox.register("members", pa.Table.from_pylist(rows, schema=_SCHEMA))
        reviewed = decided.loc[decided["decision"] == "review", ["l_id", "r_id"]]
        sandbox.register("reviewed", pa.Table.from_pandas(reviewed, preserve_index=False))
        found = sandbox.arrow(_CONTRADICTING).to_pandas()
    both = decided.merge(found.assign(is_contradicted=True), on=["l_id", "r_id"], how="outer")
    both["is_contradicted"] = both["is_contradicted"].notna()
    is_new, is_cut = both["decision"].isna(), both["is_contradicted"] & (both["decision"] == "link")
    both["because"] = both["because"].mask(is_new | is_cut, _NEVER)
    both["decision"] = both["decision"].mask(is_new, "apart").mask(is_cut, "review")
    return both.fillna({"probability": 0.0, "weight": -100.0})


_NEVER = "never in one group: names, dates of birth or national ids contradict"
_SCHEMA = pa.schema({"unique_id": pa.int64(), "member_of": pa.int64()})


def _state(wh: Warehouse, seed: int) -> str:
    """Return what a run depends on: the standing records, the rules and the seed."""
    [(count, digest)] = wh.rows(
        "select count(*), coalesce(bit_xor(hash(row_id, content_id)), 0) from entities.customers"
    )
    return f"{count} records, state {digest:x}, rules {RULES}, seed {seed}"


def _report(wh: Warehouse, change_number: int, *, is_new: bool) -> LinkReport:
    counts = counted(wh)
    records = int(wh.value("select count(*) from entities.customers"))
    merged = int(
        wh.value(
            "select count(*) from entities.customers as c "
            "semi join entities.customer_ids() as i "
            "on i.source_system = c.source_system and i.source_id = c.source_id"
        )
    )
    return LinkReport(
        change_number=change_number,
        records=records,
        linked_pairs=counts.get("link", 0),
        reviewed_pairs=counts.get("review", 0),
        customers=records - merged,
        is_new=is_new,
    )
