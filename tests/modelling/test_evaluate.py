"""Do calibration, capture and profit say what they claim?  Against plain arithmetic and other libraries."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from crm_analytics.errors import UsageError
from crm_analytics.modelling.evaluate import (
    METRICS,
    evaluate,
    evaluate_by,
    profit_at_capacity,
    reliability,
    wilson_limits,
)


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(5)
    p = draw.beta(2, 3, 1500).round(3)  # rounded, so that some are equal
    return (draw.random(1500) < p).astype(float), p


def log_odds(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def test_the_slope_is_that_of_a_logistic_regression_on_the_log_odds(
    judged: tuple[np.ndarray, np.ndarray],
) -> None:
    y, p = judged
    fitted = LogisticRegression(C=1e12, tol=1e-12, max_iter=1000).fit(log_odds(p)[:, None], y)
    assert evaluate(y, p, replicates=2)["calibration_slope"].value == pytest.approx(
        float(fitted.coef_[0, 0]), abs=1e-4
    )


def test_too_extreme_probabilities_have_a_slope_below_one_and_its_interval_knows(
    judged: tuple[np.ndarray, np.ndarray],
) -> None:
    y, p = judged
    extreme = 1 / (1 + np.exp(-2 * log_odds(p)))
    right, wrong = evaluate(y, p)["calibration_slope"], evaluate(y, extreme)["calibration_slope"]
    assert right.low < 1 < right.high
    assert wrong.value == pytest.approx(right.value / 2, rel=1e-6)
    assert wrong.high < 0.7


def test_the_one_step_interval_is_that_of_refitted_slopes() -> None:
    draw = np.random.default_rng(2)
    p = draw.uniform(0.05, 0.95, 600)
    y = (draw.random(600) < p).astype(float)
    quick = evaluate(y, p, replicates=300, seed=3)["calibration_slope"]
    generator, slopes = np.random.default_rng(3), []
    for _ in range(30):
        rows = generator.integers(0, 600, 600)
        fitted = LogisticRegression(C=1e12, max_iter=200).fit(log_odds(p[rows])[:, None], y[rows])
        slopes.append(float(fitted.coef_[0, 0]))
    # 30 refits know their own spread to about an eighth
    assert (quick.high - quick.low) / 3.92 == pytest.approx(float(np.std(slopes)), rel=0.3)


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [0.1] * 6 + [0.9] * 6),
        ([0, 1] * 6, [0.5] * 12),
        ([0, 1, 1, 1, 1, 1, 1], np.linspace(0.1, 0.9, 7)),
    ],
    ids=["parted completely", "one probability", "one non-event"],
)
def test_where_no_finite_slope_exists_it_is_not_defined(y: list[int], p: list[float]) -> None:
    assert np.isnan(evaluate(y, p, replicates=5)["calibration_slope"].value)


def test_capture_counts_the_events_among_the_highest(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    unique = p + np.arange(len(p)) * 1e-9
    found = evaluate(y, unique, replicates=2)
    top = y[np.argsort(-unique)]
    assert found["capture_at_top_decile"].value == pytest.approx(top[:150].sum() / y.sum())
    assert found["capture_at_top_two_deciles"].value == pytest.approx(top[:300].sum() / y.sum())
    assert found["lift_at_top_decile"].value == pytest.approx(top[:150].mean() / y.mean())


def test_equal_probabilities_capture_no_more_than_chance() -> None:
    found = evaluate([1, 0] * 50, [0.5] * 100, replicates=2)
    assert found["capture_at_top_decile"].value == pytest.approx(0.1)
    assert found["capture_at_top_two_deciles"].value == pytest.approx(0.2)
    assert found["auc"].value == 0.5


def test_every_interval_holds_its_value(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    for name, metric in evaluate(y, p).items():
        # the mean gap of ten groups is biased upwards by resampling, so only its lower limit is asked
        assert name == "expected_calibration_error" or metric.low <= metric.value <= metric.high, name


def test_groups_are_judged_by_their_own_rows(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    by = pd.Series(["b", "a", None])[np.arange(len(y)) % 3].reset_index(drop=True)
    customers = np.arange(len(y)) // 2
    found = evaluate_by(y, p, by, customers=customers, replicates=5)
    assert list(found) == ["a", "b"]
    alone = evaluate(y[1::3], p[1::3], customers=customers[1::3], replicates=5)
    for name in METRICS:
        assert found["a"][name] == alone[name]
    with pytest.raises(UsageError, match=r"by has 1 entries for 1500 rows"):
        evaluate_by(y, p, ["a"])


def test_profit_is_what_the_called_leavers_bring_less_the_calls() -> None:
    y, p, value = [1, 0, 1, 1, 0], [0.9, 0.8, 0.5, 0.2, 0.1], [50, 200, 100, 10, np.nan]
    given = {"save_rate": 0.25, "contact_cost": 4.0, "replicates": 10}
    # p x value: 45, 160, 50, 2, 0; worth a call (times 0.25 above 4): the first three
    assert profit_at_capacity(y, p, value, capacity=1, **given).value == pytest.approx(-4.0)
    assert profit_at_capacity(y, p, value, capacity=2, **given).value == pytest.approx(-8 + 25)
    assert profit_at_capacity(y, p, value, capacity=3, **given).value == pytest.approx(-12 + 25 + 12.5)
    assert profit_at_capacity(y, p, value, capacity=99, **given).value == pytest.approx(-12 + 25 + 12.5)
    assert profit_at_capacity(y, p, value, capacity=0, **given).value == 0.0


def test_a_better_ranking_earns_more(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    value = np.full(len(y), 100.0)
    given = {"capacity": 200, "save_rate": 0.2, "contact_cost": 5.0}
    clever = profit_at_capacity(y, p, value, **given)
    blind = profit_at_capacity(y, np.full(len(y), y.mean()), value, **given)
    assert clever.low > blind.high
    assert blind.value == pytest.approx(200 * (y.mean() * 20 - 5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"capacity": -1}, "capacity=-1"),
        ({"save_rate": 1.5}, r"save_rate=1\.5"),
        ({"contact_cost": -2.0}, r"contact_cost=-2\.0"),
        ({"value": [1.0]}, "value has 1 entries for 2 rows"),
    ],
)
def test_profit_refuses_what_makes_no_sense(wrong: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"value": [1, 1], "capacity": 1, "save_rate": 0.1, "contact_cost": 1.0}
    with pytest.raises(UsageError, match=message):
        profit_at_capacity([0, 1], [0.1, 0.9], **(given | wrong))  # type: ignore[arg-type]


def test_reliability_counts_every_row_once_and_its_gaps_are_the_calibration_error(
    judged: tuple[np.ndarray, np.ndarray],
) -> None:
    y, p = judged
    table = reliability(y, p)
    assert table["row_count"].sum() == len(y)
    assert table["mean_probability"].is_monotonic_increasing
    assert (table["event_rate"] * table["row_count"]).sum() == pytest.approx(y.sum())
    gap = (table["mean_probability"] - table["event_rate"]).abs() * table["row_count"] / len(y)
    expected = evaluate(y, p, replicates=2)["expected_calibration_error"].value
    assert gap.sum() == pytest.approx(expected)
    assert (table["low"] <= table["event_rate"]).all()
    assert (table["event_rate"] <= table["high"]).all()


def test_equal_probabilities_are_one_group_of_the_reliability_table() -> None:
    table = reliability([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3])
    assert table["row_count"].tolist() == [4]


def test_wilson_limits_stay_within_zero_and_one() -> None:
    low, high = wilson_limits(np.array([0.0, 1.0]), np.array([20.0, 20.0]))
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert high[0] == pytest.approx(0.1611, abs=1e-4)  # Newcombe 1998, table I, without correction


def test_one_rate_per_window_ranks_nobody_although_the_windows_differ() -> None:
    outcome, windows = [0, 0, 0, 1, 1, 1, 1, 0], [1] * 4 + [2] * 4
    for rates in ([0.9] * 4 + [0.1] * 4, [0.1] * 4 + [0.9] * 4):
        found = evaluate(outcome, rates, windows=windows, replicates=20)
        assert (found["auc"].value, found["auc"].low, found["auc"].high) == (0.5, 0.5, 0.5)
        assert evaluate(outcome, rates, replicates=2)["auc"].value in (0.25, 0.75)
    ranked = evaluate(outcome, [0.2, 0.1, 0.3, 0.9, 0.5, 0.5, 0.6, 0.5], windows=windows, replicates=2)
    assert ranked["auc"].value == pytest.approx((3 + 2) / 6)
    # one leaver in ten in the first window and four in the second: a tenth of each is called
    many, part = np.r_[np.arange(20) % 10 == 0, np.arange(20) % 10 < 4], np.repeat([1, 2], 20)
    blind = evaluate(many, np.where(part == 1, 0.1, 0.4), windows=part, replicates=20)
    assert blind["capture_at_top_decile"].value == pytest.approx(0.1)
    assert blind["capture_at_top_two_deciles"].value == pytest.approx(0.2)
    assert (blind["lift_at_top_decile"].value, blind["auc"].value) == (pytest.approx(1.0), 0.5)
    assert blind["average_precision"].value == pytest.approx((2 * 0.1 + 8 * 0.4) / 10)
    assert np.isnan(blind["calibration_slope"].value)
    best = evaluate(many, np.where(many, 0.9, 0.1) + part / 1000, windows=part, replicates=2)
    assert best["capture_at_top_decile"].value == pytest.approx((2 + 2) / 10)
    # without windows the second, which has the higher rate, is called alone
    pooled = evaluate(many, np.where(part == 1, 0.1, 0.4), replicates=2)
    assert pooled["capture_at_top_decile"].value == pytest.approx(4 * 0.4 / 10)
    halves = np.where(np.arange(40) % 2, "odd", "even")
    apart = evaluate_by(many, np.where(part == 1, 0.1, 0.4), halves, windows=part, replicates=2)
    assert {found["auc"].value for found in apart.values()} == {0.5}
    with pytest.raises(UsageError, match="windows has 2 entries for 8 rows"):
        evaluate(outcome, rates, windows=[1, 2])
