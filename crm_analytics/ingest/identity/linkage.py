"""Who is who?  One run of the linkage: the sources' records in, groups of records out.

`link` compares all customers of a warehouse and writes pairs with their evidence
(``entities.identity_pairs``) and groups (`crm_analytics.entities.identity_log`). Nothing is overwritten
that a person decided, and a second run on the same records changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crm_analytics.entities.identity_log import groups, record_link
from crm_analytics.ingest.identity.compared import compared
from crm_analytics.ingest.identity.comparisons import (
    ALIKE,
    COMPARISONS,
    MAY_BE_ANOTHER,
    ONE_LIFE,
    ONE_OFF,
    SIMILAR_BIRTH,
)
from crm_analytics.ingest.identity.evidence import decide
from crm_analytics.ingest.identity.model import score
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.sandbox import Sandbox

if TYPE_CHECKING:
    import pandas as pd

RECORDS = SqlFile.beside(__file__, "records.sql")
# Part of what a run remembers: other rules ask for another run.
RULES = "2"

_TOLD_BY = (
    *("given_name", "given_is_rtl", "given_spelt", "given_bare", "family_name", "whole_name"),
    *("birth", "birth_day"),
    *("national_id", "is_checked", "is_organisation"),
)

_COLUMNS = ("left_id", "right_id", "probability", "weight", "decision", "because")
_MEMBERS = f"""
    with pairs as (
        select
            l.unique_id as l_id,
            r.unique_id as r_id,
            {", ".join(f"a.{column} as {column}_l, b.{column} as {column}_r" for column in _TOLD_BY)}
        from members as l join members as r on l.member_of = r.member_of and l.unique_id < r.unique_id
        join compared as a on a.unique_id = l.unique_id
        join compared as b on b.unique_id = r.unique_id
    )
    select l_id, r_id from pairs
    where is_checked_l and is_checked_r and national_id_l <> national_id_r
        or is_organisation_l <> is_organisation_r
        or not coalesce(national_id_l = national_id_r, false) and (
            (
                jaro_winkler_similarity(given_name_l, given_name_r) < {ALIKE}
                and not starts_with(given_name_l, given_name_r)
                and not starts_with(given_name_r, given_name_l)
                and given_is_rtl_l = given_is_rtl_r
                or {MAY_BE_ANOTHER}
            )
            and not coalesce(given_name_l = family_name_r or given_name_r = family_name_l, false)
            and not coalesce({SIMILAR_BIRTH}, false)
            or not ({SIMILAR_BIRTH} or {ONE_OFF})
            and (
                not ({ONE_LIFE})
                or given_name_l <> given_name_r
                and not coalesce(given_name_l = family_name_r or given_name_r = family_name_l, false)
            )
        )
    order by l_id, r_id"""


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
        Pairs that are linked, and pairs that a person should look at.
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
    apart = _told_apart(table, decided)
    found = pd.concat([decided, apart], ignore_index=True).reindex(
        columns=["l_id", "r_id", *_COLUMNS[2:], *fields]
    )
    ids = table["record_id"].to_numpy(zero_copy_only=False)
    found.insert(0, "left_id", ids[found.pop("l_id").to_numpy()])
    found.insert(1, "right_id", ids[found.pop("r_id").to_numpy()])
    for field in COMPARISONS:
        levels = found[f"{field}_level"].astype(object)
        found[f"{field}_level"] = levels.where(levels.notna(), None)
    return found.sort_values(
        ["weight", "left_id", "right_id"], ascending=[False, True, True], ignore_index=True
    )


def _told_apart(table: pa.Table, decided: pd.DataFrame) -> pd.DataFrame:
    """Return pairs of records that links would bring into one group though they contradict each other."""
    links = decided[decided["decision"] == "link"]
    linked = [
        (str(left), str(right), "link") for left, right in zip(links["l_id"], links["r_id"], strict=True)
    ]
    members = {
        "unique_id": [int(key) for group in groups([], linked) if len(group) > 2 for key in sorted(group)],
        "member_of": [
            number for number, group in enumerate(groups([], linked)) if len(group) > 2 for _ in group
        ],
    }
    with Sandbox() as sandbox:
        sandbox.register("compared", table)
        sandbox.register("members", pa.table(members, schema=_SCHEMA))
        found = sandbox.arrow(_MEMBERS).to_pandas()
    because = "never in one group: given names, dates of birth or national ids contradict"
    keys = decided[["l_id", "r_id"]].assign(is_decided=True)
    new = found.merge(keys, on=["l_id", "r_id"], how="left")
    new = new[new.pop("is_decided").isna()]
    return new.assign(decision="apart", because=because, probability=0.0, weight=-100.0)


_SCHEMA = pa.schema({"unique_id": pa.int64(), "member_of": pa.int64()})


def _state(wh: Warehouse, seed: int) -> str:
    """Return what a run depends on: the standing records, the rules and the seed."""
    [(count, digest)] = wh.rows(
        "select count(*), coalesce(bit_xor(hash(row_id, content_id)), 0) from entities.customers"
    )
    return f"{count} records, state {digest:x}, rules {RULES}, seed {seed}"


def _report(wh: Warehouse, change_number: int, *, is_new: bool) -> LinkReport:
    counts: dict[str, Any] = dict(
        wh.rows("select decision, count(*) from entities.identity_pairs group by decision")
    )
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
        linked_pairs=int(counts.get("link", 0)),
        reviewed_pairs=int(counts.get("review", 0)),
        customers=records - merged,
        is_new=is_new,
    )
