"""Are curves and hazards right?  Against a textbook's figures, and against lives drawn from a known hazard.

The textbook's data are the 42 leukaemia patients of Freireich et al. (1963), Blood 21, as in Gehan (1965):
weeks of remission with and without 6-mercaptopurine.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from crm_analytics.churn import fit_cox, fit_hazard, hazard_by_age, survival_curve
from crm_analytics.churn.hazards import DiscreteHazard
from crm_analytics.errors import NotEnoughData, UsageError

TREATED = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
TREATED_ENDED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def test_the_curve_equals_the_textbooks() -> None:
    curve = survival_curve(TREATED, TREATED_ENDED)
    assert curve.days.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    # Kleinbaum and Klein (2012), Survival Analysis, table 2.3
    expected = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert curve.survival == pytest.approx(expected, abs=5e-5)
    assert curve.median_days().value == 23
    assert survival_curve(PLACEBO, [1] * 21).median_days().value == 8
    # log-log limits at 10 weeks, worked out from Greenwood's error of 0.0963
    z, s, se = 1.959964, 0.752941, 0.096350
    wide = np.exp(z * se / (s * abs(np.log(s))))
    assert (curve.low[2], curve.high[2]) == pytest.approx((s**wide, s ** (1 / wide)), abs=1e-5)
    assert np.isnan(curve.at([36])[0])
    assert curve.at([35])[0] == pytest.approx(0.4482, abs=5e-5)


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    curve = survival_curve(TREATED, TREATED_ENDED)
    grid = np.linspace(0, 35, 350_001)
    mean = curve.restricted_mean(35)
    assert mean.value == pytest.approx(np.mean(curve.at(grid)) * 35, abs=1e-3)
    # without censoring it is the mean of the lives, and its error that of a mean (n in place of n - 1)
    whole = survival_curve(PLACEBO, [1] * 21).restricted_mean(23)
    assert whole.value == pytest.approx(np.mean(PLACEBO))
    assert (whole.high - whole.value) / 1.959964 == pytest.approx(np.std(PLACEBO) / np.sqrt(21), rel=1e-6)
    with pytest.raises(UsageError, match="not beyond 35"):
        curve.restricted_mean(36)


def test_limits_hold_what_they_promise() -> None:
    inside = []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        life, cut = draw.exponential(100, 80), draw.uniform(20, 300, 80)
        curve = survival_curve(np.minimum(life, cut), life <= cut)
        at = np.searchsorted(curve.days, 60, side="right") - 1
        inside.append(curve.low[at] <= np.exp(-0.6) <= curve.high[at])
    assert 0.92 <= np.mean(inside) <= 0.98


def test_lives_that_came_late_are_counted_from_then_on() -> None:
    # observed from age 10 on: at age 5 only the first is at risk
    curve = survival_curve([5, 20, 30], [1, 1, 0], entered_days=[0, 10, 10])
    assert curve.at_risk.tolist() == [1, 2]


def test_cox_equals_the_published_ratio() -> None:
    frame = pd.DataFrame({"placebo": [0] * 21 + [1] * 21})
    life, ended = TREATED + PLACEBO, TREATED_ENDED + [1] * 21
    model = fit_cox(life, ended, frame)
    # R's survival (Efron's ties): 1.572 (0.412), published many times for these data
    assert model.log_hazard_ratios[0] == pytest.approx(1.572, abs=5e-4)
    assert model.standard_errors[0] == pytest.approx(0.412, abs=5e-4)
    within = model.probability_within([0.5, 0.5], horizon_days=10, frame=pd.DataFrame({"placebo": [0, 1]}))
    assert within == pytest.approx([1 - 0.7529, 1 - 8 / 21], abs=0.08)
    assert model.probability_within([500.0], horizon_days=10, frame=frame[:1])[0] > 0.0


def test_hazards_find_the_truth_they_were_drawn_from() -> None:
    draw = np.random.default_rng(11)
    count = 3000
    monthly = (draw.random(count) < 0.5).astype(float)
    frame = pd.DataFrame({"monthly": monthly, "noise": draw.normal(size=count)})
    rate = 0.002 * np.where(monthly == 1.0, 3.0, 1.0)
    life, cut = np.ceil(draw.exponential(1 / rate)), np.ceil(draw.uniform(100, 900, count))
    seen, ended = np.minimum(life, cut), life <= cut
    truth = 1 - np.exp(-90 * rate)
    cox = fit_cox(seen, ended, frame)
    assert cox.log_hazard_ratios == pytest.approx((np.log(3.0), 0.0), abs=0.1)
    age = np.full(count, 200.0)
    assert np.abs(cox.probability_within(age, horizon_days=90, frame=frame) - truth).max() < 0.06
    hazard = fit_hazard(seen, ended, frame=frame)
    found = hazard.probability_within(age, horizon_days=90, frame=frame)
    assert np.abs(found - truth).mean() < 0.02
    back = DiscreteHazard.from_dict(hazard.to_dict())
    assert np.array_equal(back.probability_within(age, horizon_days=90, frame=frame), found)
    # without the columns, the whole's: those who are left at 200 days are mostly the slow ones
    plain = fit_hazard(seen, ended)
    at_200 = life > 200
    share = np.mean(life[at_200] <= 290)
    assert plain.probability_within([200.0], horizon_days=90)[0] == pytest.approx(share, abs=0.04)


def test_a_part_of_a_period_counts_in_proportion() -> None:
    hazard = fit_hazard([30, 60, 90, 400, 400, 400], [1, 1, 1, 0, 0, 0])
    one = hazard.probability_within([0.0], horizon_days=30)[0]
    assert hazard.probability_within([0.0], horizon_days=15)[0] == pytest.approx(1 - np.sqrt(1 - one))
    assert hazard.probability_within([10_000.0], horizon_days=10_000)[0] <= 1.0


def test_hazard_by_age_counts_the_censored_as_half() -> None:
    table = hazard_by_age([10, 20, 40, 50, 90, 90], [1, 0, 1, 0, 1, 0])
    assert table["at_risk"].tolist() == [5.5, 3.5, 1.5]
    assert table["ended"].tolist() == [1, 1, 1]
    assert (table["hazard_low"] < table["hazard"]).all()
    assert (table["hazard"] < table["hazard_high"]).all()


def test_lives_that_tell_nothing_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="None of 3 lives has ended"):
        fit_hazard([1, 2, 3], [0, 0, 0])
    with pytest.raises(UsageError, match="not longer than 0 days"):
        fit_hazard([0, 2, 3], [1, 0, 0])
    with pytest.raises(NotEnoughData, match="no column varies"):
        fit_cox([1, 2, 3], [1, 0, 1], pd.DataFrame({"same": [1, 1, 1]}))
    with pytest.raises(UsageError, match="plan have gaps"):
        fit_cox([1, 2], [1, 0], pd.DataFrame({"plan": [1.0, None]}))
    with pytest.raises(NotEnoughData, match="no life"):
        survival_curve([], [])
    nobody = survival_curve([5, 9], [0, 0])
    assert nobody.at([7]).tolist() == [1.0]
    assert nobody.median_days().value == float("inf")
