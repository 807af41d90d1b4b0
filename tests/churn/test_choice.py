"""Does the verdict say when nobody can be told apart?"""

from __future__ import annotations

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
