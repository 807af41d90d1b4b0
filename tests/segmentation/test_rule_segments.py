"""Rule segments: the planted question, entry and exit, files that are wrong, leads."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import SettingsError
from crm_analytics.segmentation import (
    RuleSegment,
    keep_rule_segments,
    kept_nights,
    load_rule_segments,
    measures,
    parse_rule,
    rule_segments,
    segment_history,
    segment_overlap,
)
from tests import build

AS_OF = date(2025, 7, 1)
SAMPLE = Path(__file__).parents[2] / "data" / "sample"


def table(name: str, day: str = "") -> pd.DataFrame:
    """Read a file; a row whose day or numbers cannot be read is left out, as loading sets it aside."""
    read = pd.read_csv(SAMPLE / f"{name}.csv", dtype="str")
    for column in ("quantity", "unit_price", "unit_cost", "discount_amount", "rate"):
        if column in read:
            read[column] = pd.to_numeric(read[column], errors="coerce")
    if day:
        read["day"] = pd.to_datetime(read[day], errors="coerce").dt.normalize().astype("datetime64[ns]")
        read = read[read["day"].notna()]
    return read


def expected_silent_high_margin() -> set[str]:
    """Answer the question from the files with pandas alone."""
    heads = table("shop_orders", "occurred_at")
    heads = heads[heads["status"] == "confirmed"]
    heads = heads.rename(columns={"source_id": "order_id", "customer_source_id": "customer_id"})
    shop = table("shop_order_lines").rename(
        columns={"order_source_id": "order_id", "product_source_id": "product_id"}
    )
    shop = shop.merge(heads[["order_id", "customer_id", "day", "currency"]], on="order_id")
    till = table("pos_transactions", "order_date").drop_duplicates()
    lines = pd.concat([shop, till[till["customer_id"].notna()]], ignore_index=True)
    rates = table("exchange_rates", "occurred_at").sort_values("day")[["currency", "day", "rate"]]
    lines = pd.merge_asof(lines.sort_values("day"), rates, on="day", by="currency")
    rate = lines["rate"].where(lines["currency"] != "EUR", 1.0)
    lines["amount"] = (lines["quantity"] * lines["unit_price"] - lines["discount_amount"].fillna(0)) * rate
    products = table("shop_products").set_index("source_id")
    lines["cost"] = lines["quantity"] * lines["product_id"].map(products["unit_cost"])

    # the last day with something left after returns
    back = table("shop_returns").groupby("order_source_id")["quantity"].sum()
    orders = lines.groupby(["order_id", "customer_id"], as_index=False).agg(
        quantity=("quantity", "sum"), day=("day", "min")
    )
    orders = orders[orders["quantity"] - orders["order_id"].map(back).fillna(0) > 0]
    last = orders.groupby("customer_id")["day"].max()
    silent = set(last[last <= pd.Timestamp(AS_OF) - pd.Timedelta(days=91)].index)

    ordered = lines[lines["quantity"] > 0]
    by_product = ordered[ordered["cost"].notna()].groupby("product_id")[["amount", "cost"]].sum()
    by_product = by_product[by_product["amount"] > 0.005]
    margin_rate = 1 - by_product["cost"] / by_product["amount"]
    best = margin_rate[margin_rate >= np.quantile(margin_rate, 2 / 3)].index
    known = ordered[ordered["product_id"].isin(margin_rate.index)]
    of_best = known["amount"].where(known["product_id"].isin(best), 0.0)
    share = of_best.groupby(known["customer_id"]).sum() / known.groupby("customer_id")["amount"].sum()
    customers = table("shop_customers").set_index("source_id")
    special = set(customers[(customers["is_test"] == "true") | (customers["is_internal"] == "true")].index)
    return (silent & set(share[share >= 0.5].index)) - special


def test_a_segment_is_found_by_its_name_in_the_sample_company(company: Warehouse) -> None:
    """No purchase for 3 months and buys high-margin products."""
    [rule] = [one for one in load_rule_segments() if one.name == "silent_high_margin"]
    assert rule.where == "days_since_last_order >= 90 and high_margin_share >= 0.5"
    found = rule_segments(company, as_of=AS_OF, rules=[replace(rule, channel="")])
    members = {member.partition(":")[2] for member in found["member_id"]}
    assert len(members) > 100
    assert members == expected_silent_high_margin()
    # it is a list for e-mails: who refused is not on it
    mailed = set(rule_segments(company, as_of=AS_OF, rules=[rule])["member_id"])
    refused = company.rows("select customer_id from facts.refusals_known($as_of, 'email')", as_of=AS_OF)
    assert 0 < len(mailed) < len(members)
    assert mailed == set(found["member_id"]) - {row[0] for row in refused}


def test_every_default_segment_whose_advice_is_to_write_says_on_which_channel() -> None:
    writes = re.compile(r"\b(offer for|e-mail|nurturing|newsletter)\b", re.IGNORECASE)
    for one in load_rule_segments():
        assert bool(writes.search(one.advice)) == (one.channel == "email"), one.name


def test_who_refused_is_in_no_segment_that_is_written_to(tmp_path: Path) -> None:
    """Also who refused on the very day, and leads; and a rule whose members are sent nothing keeps them."""
    file = tmp_path / "segments.toml"
    rule = '[[segment]]\nname = "{}"\nwhere = "tenure_days >= 0"\n{}\n'
    lead = '[[segment]]\nname = "leads"\nwhere = "days_since_created >= 0"\nfound_among = "leads"\n'
    lead += 'channel = "email"'
    file.write_text(rule.format("mailed", 'channel = "email"') + rule.format("known", "") + lead)
    people = [{"source_id": name, "created_at": "2025-01-01"} for name in ("yes", "no", "late")]
    leads = [{"source_id": name, "created_at": "2025-01-01"} for name in ("L1", "L2")]
    said = [
        {"customer_source_id": name, "channel": "email", "is_granted": False, "occurred_at": day}
        for name, day in (("no", "2025-01-02"), ("late", AS_OF.isoformat()), ("L1", "2025-01-02"))
    ]
    with build.warehouse(customers=people, leads=leads, consents=said) as wh:
        found = rule_segments(wh, as_of=AS_OF, rules=load_rule_segments(file))
    members = found.groupby("segment")["member_id"].agg(list).to_dict()
    assert members["mailed"] == ["default:yes"]
    assert sorted(members["known"]) == ["default:late", "default:no", "default:yes"]
    assert members["leads"] == ["default:L2"]
    file.write_text(rule.format("mailed", 'channel = "e-mail"'))
    with pytest.raises(SettingsError, match="segment 'mailed': channel must be one of"):
        load_rule_segments(file)


RULES = """
[[segment]]
name = "silent"
where = "days_since_last_order >= 30"

[[segment]]
name = "big"
label = "Big spenders"
where = "net_spend > 25"

[[segment]]
name = "open_leads"
found_among = "leads"
where = "not has_bought"
"""


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Three nights; A falls silent and comes back, B spends, the lead becomes customer N."""
    path = tmp_path_factory.mktemp("rules") / "segments.toml"
    path.write_text(RULES, encoding="utf-8")
    lines = build.order_lines_of(
        {"A": ["2024-01-10", "2024-04-01"], "B": ["2024-01-10", "2024-02-25"], "N": ["2024-04-01"]},
        amount="20",
    )
    leads = [
        {
            "source_id": "L1",
            "created_at": "2024-01-01",
            "converted_at": "2024-03-20",
            "converted_customer_source_id": "N",
        },
        {"source_id": "L2", "created_at": "2024-03-05"},
    ]
    wh = build.warehouse(order_lines=lines, leads=leads)
    rules = load_rule_segments(path)
    for night in NIGHTS:
        keep_rule_segments(wh, as_of=night, rules=rules)
    return wh


NIGHTS = [date(2024, 3, 1), date(2024, 3, 31), date(2024, 4, 2)]


def test_members_have_entry_and_exit_dates(nights: Warehouse) -> None:
    history = segment_history(nights, as_of=NIGHTS[-1], segmentation="rules")
    told = [
        (row.customer_id.partition(":")[2], row.segment, row.entered_on, row.left_on, row.night_count)
        for row in history.astype({"entered_on": "str", "left_on": "str"}).fillna("still").itertuples()
    ]
    assert told == [
        ("A", "silent", "2024-03-01", "2024-04-02", 2),
        ("A", "big", "2024-04-02", "still", 1),
        ("B", "big", "2024-03-01", "still", 3),
        ("B", "silent", "2024-03-31", "still", 2),
    ]
    kept = nights.rows(
        "select segment, customer_id, entered_on from scores.rule_segments where as_of = $d order by all",
        d=NIGHTS[-1],
    )
    assert [(s, c[-1], on.isoformat()) for s, c, on in kept] == [
        ("big", "A", "2024-04-02"),
        ("big", "B", "2024-03-01"),
        ("silent", "B", "2024-03-31"),
    ]


def test_sizes_say_who_came_and_who_left(nights: Warehouse) -> None:
    sizes = nights.rows(
        "select segment, as_of, member_count, entered_count, left_count from scores.segment_sizes "
        "order by all"
    )
    assert [(row[0], *row[2:]) for row in sizes] == [
        ("big", 1, 1, 0),
        ("big", 1, 0, 0),
        ("big", 2, 1, 0),
        ("open_leads", 1, 1, 0),
        ("open_leads", 2, 1, 0),
        ("open_leads", 1, 0, 1),
        ("silent", 1, 1, 0),
        ("silent", 2, 1, 0),
        ("silent", 1, 0, 1),
    ]
    assert kept_nights(nights, as_of=NIGHTS[1], segmentation="rules") == NIGHTS[:2]


def test_a_lead_leaves_the_list_on_the_night_after_it_bought(nights: Warehouse) -> None:
    leads = nights.rows("select as_of, lead_id from scores.lead_segments order by all")
    assert [(night, lead[-2:]) for night, lead in leads] == [
        (NIGHTS[0], "L1"),
        (NIGHTS[1], "L1"),
        (NIGHTS[1], "L2"),
        (NIGHTS[2], "L2"),
    ]


def test_a_rerun_of_a_night_changes_nothing_and_later_nights_do_not_matter(
    nights: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "segments.toml"
    path.write_text(RULES, encoding="utf-8")
    queries = [
        f"select * from scores.{name} order by all"
        for name in ("rule_segments", "lead_segments", "segment_sizes")
    ]
    before = [nights.rows(query) for query in queries]
    keep_rule_segments(nights, as_of=NIGHTS[1], rules=load_rule_segments(path))
    assert [nights.rows(query) for query in queries] == before


def test_overlap_counts_customers_in_both(nights: Warehouse) -> None:
    overlap = segment_overlap(nights, as_of=NIGHTS[-1])
    assert overlap.to_numpy().tolist() == [[2, 1], [1, 1]]
    assert list(overlap.index) == list(overlap.columns) == ["big", "silent"]


def test_rules_of_the_package_are_understood_and_found_names_are_unique() -> None:
    rules = load_rule_segments()
    assert {"silent_high_margin", "leads_not_bought"} <= {rule.name for rule in rules}
    assert all(rule.meaning and rule.advice for rule in rules)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[[segment]]\nname = "A b"\nwhere = "order_count > 1"',
            "segment 1: name = 'A b' must be small letters",
        ),
        ('[[segment]]\nname = "a"', "segment 'a': the rule is missing"),
        (
            '[[segment]]\nname = "a"\nwhere = "order_cont > 1"',
            "'a': Rule, character 1.*did you mean 'order_count'",
        ),
        ('[[segment]]\nname = "a"\nwhere = 3', "'a': where must be text"),
        ('[[segment]]\nname = "a"\nwher = "x"', "unknown key 'wher'; did you mean 'where'"),
        ('[[segment]]\nname = "a"\nwhere = "has_bought"\nfound_among = "lead"', "one of customers, leads"),
        ('[[segment]]\nname = "a"\nwhere = "has_bought"', "no measure 'has_bought'"),
        ('[[segment]]\nname = "a"\nwhere = "order_count > 1"\n' * 2, "segment 'a' is there twice"),
        ('[segments]\nname = "a"', r"unknown part \[segments\]"),
        ('[segment]\nname = "a"', "double brackets"),
        ("x = ", "cannot be read as TOML"),
    ],
)
def test_a_file_of_segments_that_is_wrong_says_what_and_where(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = tmp_path / "segments.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=problem):
        load_rule_segments(path)


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "segments.toml"
    path.write_text(
        '[[segment]]\nname = "a"\nwhere = "zz > 1"\n[[segment]]\nname = "b"\nwhere = "type > 1"',
        encoding="utf-8",
    )
    with pytest.raises(SettingsError, match=r"'a': .*; segment 'b': .*type has no order"):
        load_rule_segments(path)
    with pytest.raises(SettingsError, match="no such file of segments"):
        load_rule_segments(tmp_path / "none.toml")


def test_a_word_is_found_in_either_case_and_with_either_yeh() -> None:
    people = [
        {"source_id": "A", "city": "کیش", "country": "DE", "created_at": "2024-01-01"},
        {"source_id": "B", "city": "Graz", "country": "AT", "created_at": "2024-01-01"},
    ]
    wheres = {"arabic": "city = 'كيش'", "small": "country in ('at')", "both": "city = country"}
    rules = [RuleSegment(name, name, text, parse_rule(text, measures())) for name, text in wheres.items()]
    with build.warehouse(customers=people) as wh:
        found = rule_segments(wh, as_of=AS_OF, rules=rules)
    pairs = found[["segment", "member_id"]].itertuples(index=False, name=None)
    assert set(pairs) == {("arabic", "default:A"), ("small", "default:B")}


def test_a_rule_that_asks_for_scores_of_no_night_says_that_they_count_as_missing(nights: Warehouse) -> None:
    [given] = [one for one in load_rule_segments() if one.name == "spending_less"]
    rule = replace(given, rule=parse_rule("churn_probability > 0.7 or order_count > 90", measures()))
    with pytest.warns(UserWarning, match=r"No scores of 2025-07-01 are kept, so churn_probability count as"):
        assert rule_segments(nights, as_of=AS_OF, rules=[rule]).empty
