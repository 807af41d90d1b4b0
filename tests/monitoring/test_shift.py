"""Is a change found when it matters, and none where nothing changed, however many customers there are?"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from crm_analytics.monitoring import shift
from crm_analytics.monitoring.drift import CLEAR, LARGE, drift

TEXTBOOK = 0.25


def two_nights(customers: int, *, same: float, moved: float, seed: int) -> tuple[pd.Series, pd.Series]:
    """Normal scores of the same customers, correlated by `same`, the second `moved` deviations higher."""
    draw = np.random.default_rng(seed)
    ids = pd.Index([f"c{number}" for number in range(customers)])
    first = draw.normal(size=customers)
    second = same * first + np.sqrt(1 - same**2) * draw.normal(size=customers) + moved
    return pd.Series(first, ids), pd.Series(second, ids)


@pytest.mark.parametrize("same", [0.0, 0.8])
@pytest.mark.parametrize(("customers", "nights"), [(100, 60), (1_000, 30), (50_000, 4)])
def test_unchanged_nights_are_not_called_changed(customers: int, nights: int, same: float) -> None:
    """At 1 in 1,000 one false alarm of these 94 comparisons would already be improbable."""
    for seed in range(nights):
        found = shift(*two_nights(customers, same=same, moved=0.0, seed=seed))
        assert found.psi <= max(CLEAR, found.chance_limit), (customers, seed)


def test_p_values_of_unchanged_nights_are_spread_evenly() -> None:
    p_values = np.array(
        [shift(*two_nights(150, same=0.8, moved=0.0, seed=seed)).p_value for seed in range(120)]
    )
    for level in (0.1, 0.5):
        assert abs(np.mean(p_values <= level) - level) < 3 * np.sqrt(level * (1 - level) / 120)


def test_the_textbook_limit_calls_many_unchanged_nights_changed_and_this_one_none() -> None:
    found = [shift(*two_nights(100, same=0.0, moved=0.0, seed=seed)) for seed in range(60)]
    assert sum(one.psi > TEXTBOOK for one in found) >= 6
    assert not any(one.psi > max(TEXTBOOK, one.chance_limit) for one in found)


@pytest.mark.parametrize("customers", [1_000, 50_000])
def test_half_a_standard_deviation_is_a_clear_change(customers: int) -> None:
    for seed in range(20 if customers == 1_000 else 3):
        found = shift(*two_nights(customers, same=0.0, moved=0.5, seed=seed))
        assert found.psi > max(CLEAR, found.chance_limit)


def test_the_same_customers_leave_less_to_chance_than_strangers() -> None:
    first, second = two_nights(300, same=0.99, moved=0.2, seed=1)
    paired = shift(first, second)
    strangers = shift(first, second.set_axis([f"other{number}" for number in range(300)]))
    assert paired.psi == strangers.psi
    assert paired.p_value < strangers.p_value
    assert paired.chance_limit < 0.8 * strangers.chance_limit


def test_ties_categories_and_missing_values_are_bins() -> None:
    ids = [f"c{number}" for number in range(100)]
    mostly_zero = pd.Series([0] * 70 + list(range(1, 31)), index=ids)
    assert shift(mostly_zero, mostly_zero).bins["before"].tolist()[0] == 70
    half_lost = mostly_zero.astype(float).where(np.arange(100) % 2 == 0)
    lost = shift(mostly_zero, half_lost)
    assert lost.bins.iloc[-1].tolist() == ["missing", 0, 50]
    assert lost.psi > lost.chance_limit
    words = pd.Series(["a", "b", None, "c"] * 25, index=ids)
    assert shift(words, words).bins["label"].tolist() == ["a", "b", "c", "others", "missing"]
    money = pd.Series([Decimal("1.5"), None] * 50, index=ids)
    assert shift(money, money).bins["label"].tolist() == ["1.5", "missing"]
    nothing = pd.Series([None] * 100, index=ids)
    assert shift(nothing, nothing).p_value == 1.0


def test_rare_categories_share_a_bin() -> None:
    names = pd.Series([f"p{number % 40}" for number in range(400)], index=range(400))
    bins = shift(names, names).bins
    assert len(bins) == 22
    assert bins.set_index("label").loc["others", "before"] == 200


def test_customers_who_came_or_went_are_counted() -> None:
    ids = [f"c{number}" for number in range(300)]
    old = pd.Series(np.arange(300.0), index=ids)
    came = pd.Series([1_000.0] * 200, index=[f"new{number}" for number in range(200)])
    grown = shift(old, pd.concat([old, came]))
    assert grown.psi > max(LARGE, grown.chance_limit)  # those who came are not like the others
    replaced = shift(old, pd.concat([old.iloc[:100], came]))
    assert replaced.psi > max(LARGE, replaced.chance_limit)


def test_the_same_seed_gives_the_same_figures_in_any_order_of_rows() -> None:
    first, second = two_nights(500, same=0.5, moved=0.1, seed=3)
    there, again = shift(first, second), shift(first.sample(frac=1, random_state=1), second)
    assert (there.psi, there.p_value, there.chance_limit) == (again.psi, again.p_value, again.chance_limit)


def test_words_say_what_moved_and_by_how_much() -> None:
    ids = [f"c{number}" for number in range(400)]
    before = pd.DataFrame(
        {
            "customer_id": ids,
            "source_id": ids,
            "reason_1": "silent",
            "churn_probability": np.linspace(0.1, 0.5, 400),
            "segment": ["lost"] * 100 + ["loyal"] * 300,
            "order_count": 2,
        }
    )
    now = before.assign(
        churn_probability=before["churn_probability"] + 0.2, segment=["lost"] * 300 + ["loyal"] * 100
    )
    found = drift(before, now, since="on 2026-10-01").set_index("column_name")
    assert list(found.index) == ["churn_probability", "segment", "order_count"]
    assert found["verdict"].tolist() == ["large", "large", "unchanged"]
    assert found["told"].tolist() == [
        "churn probability: the typical customer has 20.0 %-points more than on 2026-10-01 "
        "(50.0 %, was 30.0 %)",
        'segment: 75.0 % of customers are "lost", on 2026-10-01 25.0 %',
        "order count: 100.0 % of customers have 2, on 2026-10-01 100.0 %",
    ]
    usual = drift(before, now, usual_limits={"segment": 9.0}).set_index("column_name")
    assert usual.loc["segment", "verdict"] == "slight"


def test_a_table_without_customers_has_nothing_to_compare() -> None:
    empty = pd.DataFrame({"customer_id": pd.Series(dtype=str), "order_count": pd.Series(dtype=float)})
    assert drift(empty, empty).empty
