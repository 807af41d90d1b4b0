"""Is who was scored, listed or sorted on an earlier night still found after two records were made one?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

import crm_analytics as crm
from crm_analytics import actions
from crm_analytics.segmentation import load_rule_segments, movement, segment_history
from crm_analytics.segmentation.rule_segments import keep_rule_segments
from crm_analytics.warehouse import SqlFile, Warehouse, all_sql_files
from tests import build
from tests.actions.test_call_list import AS_OF, EARLIER, HOW, company, keep, night

# Score tables with a row per customer, of which an earlier night may hold a key of its day.
OF_CUSTOMERS = {
    f"scores.{found[1]}"
    for file in all_sql_files()
    if file.kind == "table" and "customer_id" in file.columns
    for found in [re.search(r"create table if not exists scores\.(\w+)", file.text)]
    if found
}
THE_PLACES = {"facts.segments_of_nights", "facts.risks_of_nights", "facts.calls_of_nights"}
TONIGHT = re.compile(r"as_of = (cast\(\$as_of as date\)|\w+\.as_of)")


def reaches_back(file: SqlFile) -> bool:
    """Whether the SQL asks a score table for rows of another night than tonight's."""
    code = re.sub(r"--[^\n]*", "", file.text)
    read = [name for name in re.findall(r"(?:from|join) (scores\.\w+)", code) if name in OF_CUSTOMERS]
    last_night = r"(?:max|min)\((?:\w+\.)?as_of\)((?!\bfrom\b).)*\bfrom scores\."
    looks_for_night = re.search(last_night, code, re.DOTALL)
    return len(read) > len(TONIGHT.findall(code)) or bool(looks_for_night)


READERS = [
    file
    for file in all_sql_files()
    if OF_CUSTOMERS & set(file.reads) and f"facts.{file.path.stem}" not in THE_PLACES
]


def test_there_are_readers_of_customers_scores() -> None:
    assert len(READERS) > 10
    assert {"scores.actions", "scores.churn", "scores.rfm", "scores.rule_segments"} <= OF_CUSTOMERS


@pytest.mark.parametrize("file", READERS, ids=lambda file: "/".join(file.path.parts[-2:]))
def test_sql_that_reads_customers_of_an_earlier_night_goes_through_the_one_place(file: SqlFile) -> None:
    """Of scores.* tonight's rows are read directly; earlier ones only under the keys of today."""
    # a past night against what came since, under the keys of then; one customer by the keys of all records
    maps = "facts.source_records_before" in file.reads or "record_ids" in file.parameters
    names_customers = "customer_id" in re.sub(r"--[^\n]*", "", file.text)
    assert maps or not (names_customers and reaches_back(file)), "read facts.*_of_nights instead"


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    """Two nights; a is likelier to leave tonight than b was, both were listed on the earlier one."""
    people = {name: {"p": 0.6, "value": 300.0} for name in ("a", "b", "c", "d", "e")}
    with company(people, earlier={"a": 0.9, "b": 0.1, "c": 0.6, "d": 0.6, "e": 0.6}) as made:
        rfm(made, EARLIER, {"a": ("lost", 300), "b": ("champions", 5), "c": ("loyal", 30)})
        rfm(made, AS_OF, {"a": ("champions", 12), "c": ("loyal", 37)})
        yield made


def rfm(wh: Warehouse, as_of: date, found: dict[str, tuple[str, int]]) -> None:
    rows = pd.DataFrame(
        {
            "customer_id": [f"default:{name}" for name in found],
            "segment": [segment for segment, _ in found.values()],
            "days_since_last_order": [days for _, days in found.values()],
        }
    ).assign(order_count=1, net_spend=1, r_score=1, f_score=1, m_score=1, as_of=as_of)
    wh.replace_as_of("scores.rfm", rows, as_of=as_of)


def changed(wh: Warehouse, merged: dict[str, str]) -> None:
    """Score tonight anew, as the night does: under the keys of today."""
    for table in ("scores.churn", "scores.clv"):
        rows = wh.frame(f"select * from {table} where as_of = $as_of", as_of=AS_OF)
        rows["customer_id"] = rows["customer_id"].replace(merged)
        wh.replace_as_of(table, rows.drop_duplicates("customer_id"), as_of=AS_OF)


def test_after_a_merge_the_earlier_risk_is_of_who_had_bought_last_and_an_undo_gives_it_back(
    wh: Warehouse,
) -> None:
    merge_id = crm.merge(wh, "default:a", "default:b")
    changed(wh, {"default:b": "default:a"})
    risen = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")
    assert risen.loc["a", "earlier_probability"] == pytest.approx(0.1)
    assert risen.loc["a", "kind"] == "alert"
    crm.undo(wh, merge_id)
    again = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")
    assert again.loc["a", "earlier_probability"] == pytest.approx(0.9)


def test_who_was_called_under_another_key_is_left_alone_and_judged_by_what_was_bought_since(
    wh: Warehouse,
) -> None:
    listed = actions.call_list(wh, as_of=AS_OF, horizon_days=7, **HOW)
    keep(wh, listed[listed["source_id"].isin(["b", "c"])], EARLIER)
    lines = build.order_lines_of({"b": ["2024-06-26"]})
    build.add(wh, "order_lines", [line | {"order_source_id": "again"} for line in lines])
    outcomes = SqlFile.beside(actions.call_list.__code__.co_filename, "outcomes.sql")
    before = wh.frame(outcomes, as_of=AS_OF).set_index("listed_id")
    merge_id = crm.merge(wh, "default:a", "default:b")
    changed(wh, {"default:b": "default:a"})
    decided = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")["decision"]
    assert (decided["a"], decided["c"]) == ("cooling down", "cooling down")
    found = wh.frame(outcomes, as_of=AS_OF).set_index("listed_id")
    assert found["has_left"].to_dict() == {"default:b": False, "default:c": True}
    assert found.loc["default:b", "customer_id"] == "default:a"
    crm.undo(wh, merge_id)
    pd.testing.assert_frame_equal(wh.frame(outcomes, as_of=AS_OF).set_index("listed_id"), before)
    night(wh, AS_OF, {"a": {"p": 0.6, "value": 300.0}, "b": {"p": 0.6, "value": 300.0}})
    apart = actions.decisions(wh, as_of=AS_OF, **HOW).set_index("source_id")["decision"]
    assert (apart["a"], apart["b"]) == ("listed", "cooling down")


def test_who_was_made_one_has_not_moved_and_goes_on_with_the_stay(wh: Warehouse) -> None:
    apart = movement(wh, as_of=AS_OF)
    assert (apart.loc["lost", "champions"], apart.loc["champions", "gone"]) == (1, 1)
    crm.merge(wh, "default:a", "default:b")
    table = movement(wh, as_of=AS_OF)
    assert table.to_numpy().sum() == 2
    assert table.loc["champions", "champions"] == 1
    stays = segment_history(wh, as_of=AS_OF, customer_id="default:a")
    assert stays[["segment", "night_count"]].to_numpy().tolist() == [["champions", 2]]
    assert stays["left_on"].isna().all()


RULE = '[[segment]]\nname = "buyers"\nwhere = "order_count >= {}"\n'


def test_a_stay_by_a_rule_goes_on_after_a_merge_and_ends_where_the_rule_is_another(
    tmp_path: Path,
) -> None:
    file = tmp_path / "segments.toml"
    nights = [AS_OF + timedelta(days=n) for n in range(4)]
    with company({"b": {"p": 0.6}, "c": {"p": 0.6}}) as wh:
        build.add(wh, "customers", [{"source_id": "a", "created_at": "2024-01-01"}])

        def kept(as_of: date, least: int) -> tuple[object, ...]:
            file.write_text(RULE.format(least))
            sizes = keep_rule_segments(wh, as_of=as_of, rules=load_rule_segments(file)).iloc[0]
            members = wh.frame("select * from scores.rule_segments where as_of = $as_of", as_of=as_of)
            entered = members.set_index("customer_id")["entered_on"].astype("str").to_dict()
            return (*(int(sizes[f"{name}_count"]) for name in ("member", "entered", "left")), entered)

        kept(nights[0], 1)
        crm.merge(wh, "default:a", "default:b")
        found = kept(nights[1], 1)
        assert found == (2, 0, 0, {"default:a": str(nights[0]), "default:c": str(nights[0])})
        found = kept(nights[2], 0)
        assert found == (2, 2, 2, {"default:a": str(nights[2]), "default:c": str(nights[2])})
        found = kept(nights[3], 0)
        assert found == (2, 0, 0, {"default:a": str(nights[2]), "default:c": str(nights[2])})
        stays = segment_history(wh, as_of=nights[3], segmentation="rules", customer_id="default:a")
    told = stays.astype({"entered_on": "str", "left_on": "str"}).fillna("still").to_numpy().tolist()
    assert told == [
        ["default:a", "buyers", str(nights[0]), str(nights[2]), 2],
        ["default:a", "buyers", str(nights[2]), "still", 2],
    ]
