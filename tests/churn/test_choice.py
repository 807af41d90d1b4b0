"""Does the verdict say when nobody can be told apart?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.churn.choice import Choice, judge
from crm_analytics.churn.known import THEORY


def of(strength: float) -> Choice:
    """Judge three windows of different levels in which a learned model sees so much of what happens."""
    draw = np.random.default_rng(4)
    judged, odds = [], []
    for level in (-1.0, 0.0, -0.5):
        signal = draw.normal(size=150)
        left = draw.random(150) < 1 / (1 + np.exp(-(level + strength * signal)))
        judged.append(pd.DataFrame({"customer_id": range(150), "churned": left.astype(int)}))
        flat = np.full(150, -0.4)
        guessed = flat + max(strength, 0.2) * signal
        odds.append({"base_rate": flat, "logistic": guessed, "boosted": guessed, "blend": guessed})
    return judge(judged, odds, table=judged[0], where="3 later windows", seed=0)


def test_where_no_model_is_shown_to_beat_one_rate_everybody_gets_it_and_the_verdict_says_so() -> None:
    coin = of(0.0)
    assert coin.chosen == "base_rate"
    assert coin.verdict.startswith("Not to be used for telling customers apart")
    assert coin.metrics["base_rate"]["auc"].value == 0.5


def test_a_model_that_is_shown_to_beat_one_rate_may_be_used() -> None:
    found = of(1.5)
    assert found.chosen == "blend"
    assert found.verdict.startswith("May be used: the mean of")


def of_one_window(count: int, *, is_thin: bool, signal: float = 1.2, theory: float = 0.8) -> Choice:
    """Judge one window in which theory sees some of what happens, and a learned model more of it."""
    draw = np.random.default_rng(4)
    x = draw.normal(size=count)
    left = draw.random(count) < 1 / (1 + np.exp(-signal * x))
    rows = pd.DataFrame({"customer_id": range(count), "churned": left.astype(int), THEORY: theory * x})
    odds = {"base_rate": np.zeros(count), "closed_form": theory * x}
    odds |= dict.fromkeys(("logistic", "boosted", "blend"), signal * x)
    return judge([rows], [odds], table=rows, where="a later window", is_thin=is_thin, seed=0)


def test_after_a_short_history_theory_stays_unless_another_model_is_clearly_better() -> None:
    short = of_one_window(90, is_thin=True)
    assert short.chosen == "closed_form"
    assert short.verdict.startswith("Use with care: the history before a later window is too short to learn")
    assert of_one_window(90, is_thin=False).chosen == "blend"
    assert of_one_window(3000, is_thin=True).chosen == "blend"


def test_after_a_short_history_theory_that_is_clearly_wrong_does_not_stay() -> None:
    turned = of_one_window(3000, is_thin=True, signal=0.0, theory=1.0)
    assert turned.chosen == "base_rate"


def test_of_too_few_customers_everybody_gets_the_base_rate_unless_a_baseline_is_shown_to_beat_it() -> None:
    chance = of_one_window(35, is_thin=False, signal=0.0)
    assert chance.chosen == "base_rate"
    assert chance.verdict == (
        "Use with care: not enough customers to judge a learned model. Of 35 in a later window 19 left and "
        "16 stayed; it takes 25 of both. Here is the baseline: one rate for everybody, since no simple "
        "way was shown to be better."
    )
    assert set(chance.metrics) == {"base_rate", "closed_form"}  # of learned ones nothing can be said
    told = of_one_window(45, is_thin=False, signal=6.0, theory=5.0)
    assert told.chosen == "closed_form"
    assert "the purchase model's closed form, clearly better than one rate for everybody" in told.verdict
    few = of_one_window(12, is_thin=False, signal=0.0)
    assert not few.metrics
    assert few.verdict.endswith("Here is the baseline: the overall churn rate, unproven.")


def test_the_verdict_tells_a_newest_window_that_was_missed_by_more_than_chance() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=800)
    left = (draw.random(800) < 1 / (1 + np.exp(-2 * x))).astype(int)
    days = pd.to_datetime(np.repeat(["2024-01-01", "2024-04-01"], 400))
    rows = pd.DataFrame({"as_of": days, "customer_id": range(800), "churned": left})
    parts = [rows[:400], rows[400:]]

    def judged(newest_level: float) -> str:
        odds = [
            {"base_rate": np.zeros(400), "logistic": z, "boosted": z * 1.001, "blend": z * 0.99}
            for z in (2 * x[:400], 2 * x[400:] + newest_level)
        ]
        hold_outs = (date(2024, 1, 1), date(2024, 4, 1))
        return judge(parts, odds, table=rows, where="2 later windows", hold_outs=hold_outs, seed=0).verdict

    missed = judged(2.0)
    assert "in the newest window (from 2024-04-01) it expected 1." in missed
    assert "too high by more than chance." in missed
    fair = judged(0.0)
    assert "newest window" not in fair
    assert "alone did better there, by 0.000" in fair
    assert fair.endswith("so the mean is used.")


def test_the_card_says_that_the_windows_chose_the_model_and_what_a_blind_choice_did_on_the_newest() -> None:
    draw = np.random.default_rng(2)
    x = draw.normal(size=900)
    left = (draw.random(900) < 1 / (1 + np.exp(-2 * x))).astype(int)
    days = pd.to_datetime(np.repeat(["2023-10-01", "2024-01-01", "2024-04-01"], 300))
    rows = pd.DataFrame({"as_of": days, "customer_id": range(900), "churned": left})
    parts = [rows[:300], rows[300:600], rows[600:]]
    seen = [{"base_rate": np.zeros(300), "logistic": z, "boosted": z, "blend": z} for z in np.split(2 * x, 3)]

    def note(newest: float, count: int = 3) -> str:
        odds = [*seen[:2], {**seen[2], **dict.fromkeys(("logistic", "boosted", "blend"), newest * x[600:])}]
        hold_outs = (date(2023, 10, 1), date(2024, 1, 1), date(2024, 4, 1))[-count:]
        found = judge(parts[-count:], odds[-count:], table=rows, where="windows", hold_outs=hold_outs, seed=0)
        return found.evidence.notes[0]

    assert "also chose the model, so they are somewhat too good" in note(2.0)
    assert "on the newest, which that choice had not seen, its log-loss is lower by 0." in note(2.0)
    assert "its log-loss is higher by 0." in note(-0.5)
    assert note(2.0, count=1).endswith("no later window is there to check them")


def test_xgboost_as_it_comes_is_a_baseline_that_takes_enough_customers() -> None:
    draw = np.random.default_rng(3)
    x = draw.normal(size=3000)
    left = (draw.random(3000) < 1 / (1 + np.exp(-3 * x))).astype(int)
    rows = pd.DataFrame({"customer_id": range(3000), "churned": left})
    odds = {"base_rate": np.zeros(3000), "plain_xgboost": 3 * x}
    odds |= dict.fromkeys(("logistic", "boosted", "blend"), 0.5 * x)
    many = judge([rows], [odds], table=rows, where="a later window", seed=0)
    assert many.chosen == "plain_xgboost"  # ours do not beat it, so they are not used
    few = {name: z[:35] for name, z in odds.items()}
    judged = judge([rows[:35]], [few], table=rows, where="a later window", seed=0)
    assert judged.chosen == "base_rate"
    assert set(judged.metrics) == {"base_rate"}
