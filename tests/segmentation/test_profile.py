"""Profiles: effects, limits and q-values against independent computations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.segmentation import profile
from crm_analytics.segmentation.profile import benjamini_hochberg, cliffs_delta, share_difference

SAMPLES = st.lists(st.integers(0, 8), min_size=1, max_size=15).map(lambda v: np.array(v, dtype=float))


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=40))
@how(deadline=None)
def test_q_values_are_those_of_statsmodels(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(p_values, method="fdr_bh")[1]
    assert benjamini_hochberg(np.array(p_values)) == pytest.approx(expected)


@given(inside=SAMPLES, outside=SAMPLES)
def test_delta_is_the_chance_of_more_less_the_chance_of_less(inside: np.ndarray, outside: np.ndarray) -> None:
    pairs = list(product(inside, outside))
    expected = (sum(a > b for a, b in pairs) - sum(a < b for a, b in pairs)) / len(pairs)
    delta, low, high, p_value = cliffs_delta(inside, outside)
    assert delta == pytest.approx(expected)
    assert -1 <= low <= delta <= high <= 1
    assert low < high
    assert 0 <= p_value <= 1
    turned = cliffs_delta(outside, inside)
    assert (turned[0], turned[3]) == (pytest.approx(-delta), pytest.approx(p_value))


def test_delta_has_the_variance_of_delong_in_its_limits() -> None:
    draw = np.random.default_rng(4)
    inside, outside = draw.normal(0.4, 1, 300), draw.normal(0, 1, 500)
    _, low, high, _ = cliffs_delta(inside, outside)
    above = (inside[:, None] > outside[None, :]).astype(float)
    variance = above.mean(axis=1).var(ddof=1) / 300 + above.mean(axis=0).var(ddof=1) / 500
    width = 2 * 1.96 * 2 * np.sqrt(variance)
    assert high - low == pytest.approx(width, rel=0.02)


def test_limits_hold_the_truth_about_as_often_as_they_say() -> None:
    draw, held = np.random.default_rng(5), 0
    truth = 2 * 0.6381631950841 - 1  # P(N(0.5, 1) > N(0, 1)) = Phi(0.5 / sqrt(2))
    for _ in range(300):
        _, low, high, _ = cliffs_delta(draw.normal(0.5, 1, 40), draw.normal(0, 1, 60))
        held += low <= truth <= high
    assert 0.92 <= held / 300 <= 0.98


def test_difference_of_shares_has_the_limits_of_newcombe() -> None:
    """Newcombe (1998), table II, method 10, his contrasts (a) and (h)."""
    assert share_difference(56, 70, 48, 80)[:3] == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert share_difference(10, 10, 0, 10)[1:3] == pytest.approx((0.6075, 1.0), abs=5e-5)


def test_a_planted_difference_is_found_and_noise_is_not() -> None:
    draw = np.random.default_rng(6)
    count = 600
    inside = np.arange(count) < 200
    noise = {f"noise_{n}": draw.normal(size=count) for n in range(30)}
    table = pd.DataFrame(
        {
            "customer_id": [f"c{n}" for n in range(count)],
            "order_count": draw.poisson(3 + 2 * inside),
            "country": np.where(inside & (draw.random(count) < 0.4), "AT", "DE"),
            "has_opted_out": draw.random(count) < 0.2,
            **noise,
        }
    )
    table.loc[::7, "noise_0"] = np.nan
    found = profile(table, set(table["customer_id"][inside])).set_index(["measure", "value"])
    different = found[found["is_different"]]
    assert set(different.index) == {("order_count", ""), ("country", "AT"), ("country", "DE")}
    assert found.loc[("country", "AT"), "in_rest"] == 0
    assert found.loc[("order_count", ""), "in_segment"] > found.loc[("order_count", ""), "in_rest"]
    assert ("has_opted_out", "true") in found.index
    assert len(found) == 1 + 2 + 1 + 30


def test_who_cannot_be_compared_is_told() -> None:
    table = pd.DataFrame({"customer_id": ["a", "b"], "order_count": [1, 2]})
    for members in (set(), {"a", "b"}):
        with pytest.raises(NotEnoughData, match="one of the two has no customers"):
            profile(table, members)
    with pytest.raises(UsageError, match="no measure 'net_spent'"):
        profile(table, {"a"}, only=["net_spent"])
