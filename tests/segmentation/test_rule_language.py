"""Rules: what they mean, what they refuse and how, and that nothing of them reaches the SQL text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from crm_analytics import Warehouse
from crm_analytics.errors import UsageError
from crm_analytics.segmentation import measure_table, measures, parse_rule, write_rule
from crm_analytics.segmentation.measures import FOUND_AMONG, member_column
from crm_analytics.segmentation.rule_language import (
    Between,
    Both,
    Comparison,
    Either,
    Measure,
    Missing,
    Named,
    Not,
    OneOf,
    Rule,
)
from crm_analytics.segmentation.rule_sql import condition, folded

KNOWN = measures()


@pytest.fixture(scope="module")
def asked() -> Any:
    with Warehouse.open() as wh:
        yield wh


@pytest.mark.parametrize("found_among", FOUND_AMONG)
def test_the_kind_of_every_measure_is_that_of_its_column(asked: Warehouse, found_among: Any) -> None:
    schema = measure_table(asked, as_of=date(2025, 1, 1), found_among=found_among).schema
    fits = {
        "number": lambda t: pa.types.is_integer(t) or pa.types.is_decimal(t) or pa.types.is_floating(t),
        "text": pa.types.is_string,
        "day": pa.types.is_date,
        "truth": pa.types.is_boolean,
    }
    assert list(schema.names) == [member_column(found_among), *measures(found_among)]
    for measure in measures(found_among).values():
        assert fits[measure.kind](schema.field(measure.name).type), measure.name
        assert measure.meaning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "character 1: the rule is empty"),
        ("day_since_last_order > 3", "character 1.*no measure.*did you mean 'days_since_last_order'"),
        ("zzz = 3", "no measure 'zzz'.*segments measures"),
        ("order_count", "character 12: order_count is a number: compare it, for example order_count >= 1"),
        ("order_count >= 'x'", "character 16: order_count is compared with a number"),
        ("order_count >= 3 and", "character 21: expected the name of a measure"),
        ("order_count >= 3 net_spend > 1", "character 18: expected 'and', 'or' or the end"),
        ("country = DE", "country is compared with text in quotes: write 'DE'"),
        ("country > 'DE'", "country has no order"),
        ("country between 'A' and 'B'", "country has no order"),
        ("days_since_last_order >= 3 months", "character 28: expected 'and'.*numbers have no unit"),
        ("net_spend > 1,000", "written without a comma, such as 1000"),
        ("first_ordered_on > 31.01.2025", "character 20: '31.01.2025' is no number or day: .*2025-01-31"),
        ("first_ordered_on = today", "compared with a day such as 2025-01-31; for so many days ago"),
        ("high_margin_share >= 50%", "character 24: '%' has no meaning in a rule; a share of 50 % is 0.5"),
        (
            "high_margin_share >= 50",
            r"character 22: high_margin_share is never 50: it always lies between 0 and 1 \(write 0\.5",
        ),
        ("churn_probability > 70", r"never 70: it always lies between 0 and 1 \(write 0\.5 for 50 %"),
        ("churn_probability not between 0 and 70", "never 70: it always lies between 0 and 1"),
        ("r_score in (5, 6)", "r_score is never 6: it always lies between 1 and 5"),
        (
            "high_margin_share > 1",
            r"character 19: high_margin_share is never > 1: it always lies between 0 and 1 .*; "
            "for those at the end write high_margin_share = 1",
        ),
        ("satisfaction_rate < 0", "is never < 0: .* for those at the end write satisfaction_rate = 0"),
        ("r_score < 1 or order_count > 1", "r_score is never < 1: it always lies between 1 and 5"),
        ("not (has_opted_out or probability_alive <= 1)", "probability_alive is never > 1"),
        ("late_payment_share not between 0 and 1", "never lies outside: it always lies between 0 and 1"),
        ("not m_score between 1 and 5", "never lies outside: it always lies between 1 and 5"),
        ("order_count < 0", "order_count is never < 0: it is never below 0; .* order_count = 0"),
        ("web_visit_count_90_days = -1", "is never -1: it is never below 0"),
        ("days_since_last_order < 0", "is never < 0: it is never below 0"),
        ("order_count is null", "character 16: expected 'missing', as in order_count is missing"),
        ("country in ()", "character 13: country is compared with text"),
        ("country not = 'DE'", "expected 'in' or 'between' after 'not'"),
        ("country = order_count", "country is text, order_count is a number"),
        ("first_ordered_on > 2025-02-30", "character 20: 2025-02-30 is no day"),
        ("first_ordered_on > 5", "first_ordered_on is compared with a day such as 2025-01-31"),
        ("order_count between 5 and 2", "nothing lies between 5 and 2"),
        ("order_count > 1; drop table x", "character 16: ';' has no meaning"),
        ("country = 'DE", "character 11: the quote that opens here is never closed"),
        ("upper(country) = 'DE'", "character 1: there is no measure 'upper'"),
        ("order_count > 0.12345678901", "at most 18 digits, and 10 after the point"),
        ("(order_count > 1", "expected '\\)'"),
        ("order_count is missin", "expected 'missing'"),
        ("segment = 'champion'", "character 11: segment is never 'champion'; did you mean 'champions'\\?"),
        ("segment != 'Big spender'", "did you mean 'big_spenders'"),
        (
            "lifecycle_state in ('active', 'nonsense')",
            "character 31: .*'nonsense'; it is one of prospect",
        ),
        ("not risk_band = 'huge'", "risk_band is never 'huge'; it is one of low, medium, high"),
        ("not " * 40 + "has_opted_out", "more than 30 brackets"),
        ("order_count > 1 or " * 300 + "order_count > 1", "4,000 are allowed"),
    ],
)
def test_a_rule_that_cannot_be_understood_says_where_and_why(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_rule(text, KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "high_margin_share >= 1",
        "high_margin_share <= 0 or churn_probability = 1",
        "not (not churn_probability < 1)",
        "not high_margin_share > 0",
        "r_score not between 2 and 5",
        "order_count > 0 and not order_count = 0",
        "net_spend < 0 or returned_share > 1 or contract_ends_in_days < 0",
    ],
)
def test_what_lies_at_the_end_of_a_range_may_be_asked(text: str) -> None:
    assert parse_rule(write_rule(parse_rule(text, KNOWN)), KNOWN) == parse_rule(text, KNOWN)


def test_names_of_measures_may_be_written_in_capitals_as_keywords_may() -> None:
    assert write_rule(parse_rule("Order_Count >= 2 AND NOT HAS_OPTED_OUT", KNOWN)) == (
        "order_count >= 2 and not has_opted_out"
    )


def test_numbers_and_days_may_be_written_in_persian_and_arabic_digits() -> None:
    rule = parse_rule("order_count >= ۹۰ and last_ordered_on >= ۲۰۲۵-۰۱-۳۱", KNOWN)
    assert write_rule(rule) == "order_count >= 90 and last_ordered_on >= 2025-01-31"


def test_and_binds_more_closely_than_or_and_not_more_closely_than_both() -> None:
    rule = parse_rule("has_opted_out or not has_opted_out and order_count > 1", KNOWN)
    opted_out = Named(KNOWN["has_opted_out"])
    many = Comparison(KNOWN["order_count"], ">", Decimal(1))
    assert rule == Either((opted_out, Both((Not(opted_out), many))))


@pytest.mark.parametrize(
    "nasty", ["' or 1=1 --", '"; drop table scores.rfm; --', "$value_9", "%s", "\\x00", "{}", "DE'"]
)
def test_words_of_a_rule_are_parameters_and_never_sql_text(asked: Warehouse, nasty: str) -> None:
    written = nasty.replace("'", "''")
    sql, parameters = condition(parse_rule(f"country = '{written}' or country in ('{written}', 'x')", KNOWN))
    assert nasty not in sql
    assert list(parameters.values()) == [nasty.lower(), nasty.lower(), "x"]
    table = pa.table({"customer_id": ["a", "b", "c"], "country": [nasty, "x", "other"]})
    with asked.registered(measured=folded(table)):
        found = asked.rows(f"select customer_id from measured where {sql} order by customer_id", **parameters)
    assert [row[0] for row in found] == ["a", "b"]
    assert asked.value("select count(*) from scores.rfm") == 0


# The law: what SQL answers is what three-valued logic says, for any rule over any values.
NUMBER, TEXT, DAY, TRUTH = (
    KNOWN["contract_ends_in_days"],  # a whole number without bounds
    KNOWN["country"],
    KNOWN["last_ordered_on"],
    KNOWN["has_opted_out"],
)
MONEY = KNOWN["net_spend"]
VALUES = {
    NUMBER: st.integers(-3, 3).map(Decimal),
    MONEY: st.decimals(-3, 3, places=2),
    TEXT: st.sampled_from(["DE", "de", "ايران", "ایران", "o'clock", ""]),
    DAY: st.dates(date(2024, 1, 1), date(2024, 1, 5)),
    TRUTH: st.booleans(),
}
ORDERED = st.sampled_from([NUMBER, MONEY, DAY])


def comparisons(measure: Measure) -> st.SearchStrategy[Rule]:
    signs = ["=", "!="] + (["<", "<=", ">", ">="] if measure in (NUMBER, MONEY, DAY) else [])
    others: st.SearchStrategy[Any] = VALUES[measure]
    if measure in (NUMBER, MONEY):
        others = st.one_of(others, st.sampled_from([NUMBER, MONEY]))
    return st.builds(Comparison, st.just(measure), st.sampled_from(signs), others)


LEAVES = st.one_of(
    st.sampled_from(list(VALUES)).flatmap(comparisons),
    st.sampled_from(list(VALUES)).flatmap(
        lambda m: st.builds(OneOf, st.just(m), st.lists(VALUES[m], min_size=1, max_size=3).map(tuple))
    ),
    ORDERED.flatmap(
        lambda m: st.tuples(VALUES[m], VALUES[m]).map(lambda ends: Between(m, min(ends), max(ends)))
    ),
    st.sampled_from(list(VALUES)).map(Missing),
    st.just(Named(TRUTH)),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Both(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Either(tuple(parts))),
    ),
    max_leaves=6,
)
ROWS = st.fixed_dictionaries({m.name: st.none() | VALUES[m] for m in VALUES})


def same(value: Any) -> Any:
    """Words are one in either case, and with an Arabic yeh as with a Persian one."""
    return value.lower().replace("ي", "ی") if isinstance(value, str) else value


def truth(rule: Rule, row: dict[str, Any]) -> bool | None:
    """Kleene's logic, written down a second time: None is unknown."""
    if isinstance(rule, Missing):
        return row[rule.measure.name] is None
    if isinstance(rule, Not):
        inner = truth(rule.part, row)
        return None if inner is None else not inner
    if isinstance(rule, Both | Either):
        found = [truth(part, row) for part in rule.parts]
        decisive = isinstance(rule, Either)
        if decisive in found:
            return decisive
        return None if None in found else not decisive
    value = row[rule.measure.name]
    if isinstance(rule, Named) or value is None:
        return value
    if isinstance(rule, OneOf):
        return same(value) in map(same, rule.values)
    if isinstance(rule, Between):
        return rule.low <= value <= rule.high
    other = row[rule.other.name] if isinstance(rule.other, Measure) else rule.other
    if other is None:
        return None
    return {
        "=": same(value) == same(other),
        "!=": same(value) != same(other),
        "<": value < other,
        "<=": value <= other,
        ">": value > other,
        ">=": value >= other,
    }[rule.operator]


@given(rule=RULES, rows=st.lists(ROWS, min_size=1, max_size=6))
@how(max_examples=60, deadline=None)
def test_sql_answers_as_three_valued_logic_says(asked: Warehouse, rule: Rule, rows: list[Any]) -> None:
    types = {
        NUMBER.name: pa.int64(),
        MONEY.name: pa.decimal128(38, 4),
        TEXT.name: pa.string(),
        DAY.name: pa.date32(),
        TRUTH.name: pa.bool_(),
    }
    columns = {
        name: pa.array(
            [int(r[name]) if kind == pa.int64() and r[name] is not None else r[name] for r in rows], kind
        )
        for name, kind in types.items()
    }
    table = pa.table({"number": pa.array(range(len(rows))), **columns})
    sql, parameters = condition(rule)
    with asked.registered(measured=folded(table)):
        found = {row[0] for row in asked.rows(f"select number from measured where {sql}", **parameters)}
    assert found == {number for number, row in enumerate(rows) if truth(rule, row) is True}


@given(rule=RULES)
@how(max_examples=100, deadline=None)
def test_a_written_rule_reads_back_as_the_same_rule(rule: Rule) -> None:
    assert parse_rule(write_rule(rule), KNOWN) == rule
