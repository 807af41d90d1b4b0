"""Do the parts shared by every prediction keep their word?"""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from crm_analytics.errors import ModelFileError, NotEnoughData, UsageError
from crm_analytics.modelling.baselines import base_rate, single_feature
from crm_analytics.modelling.cutoffs import Cutoff, monthly_cutoffs, months_before, rolling_cutoffs
from crm_analytics.modelling.evaluate import METRICS, evaluate, log_loss_gain
from crm_analytics.modelling.logistic import LogisticModel, fit_logistic, fit_logistic_by_group
from crm_analytics.modelling.model_card import CutoffUse, ModelCard, ReliabilityGroup
from crm_analytics.modelling.saved_model import check_features, load_model, save_model
from crm_analytics.modelling.training_table import training_table


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    probability = draw.beta(2, 3, 4000).round(2)  # many ties
    return (draw.random(4000) < probability).astype(float), probability


def test_no_label_window_reaches_beyond_the_day_and_windows_do_not_overlap() -> None:
    found = rolling_cutoffs(end_on=date(2024, 7, 1), horizon_days=90, first_on=date(2023, 1, 1))
    assert found[-1].until_on == date(2024, 7, 1)
    assert all(a.until_on == b.as_of for a, b in pairwise(found))
    assert found[0].as_of >= date(2023, 1, 1)
    assert len(found) == 6


def test_no_cutoff_fits_into_too_short_a_history() -> None:
    assert rolling_cutoffs(end_on=date(2024, 1, 31), horizon_days=31, first_on=date(2024, 1, 1)) == ()
    assert len(rolling_cutoffs(end_on=date(2024, 2, 1), horizon_days=31, first_on=date(2024, 1, 1))) == 1


def test_monthly_cutoffs_meet_the_same_day_of_the_year_before_and_end_in_time() -> None:
    found = monthly_cutoffs(
        end_on=date(2024, 3, 31), horizon_days=90, first_on=date(2022, 1, 1), max_months=24
    )
    days = [one.as_of for one in found]
    assert all(one.until_on <= date(2024, 3, 31) for one in found)
    assert days[-1] == date(2023, 12, 31)
    assert days[0] == date(2022, 3, 31)
    assert all(months_before(day, 12) in days for day in days[12:])
    assert date(2023, 2, 28) in days


def test_groups_have_levels_of_their_own_and_the_weights_are_freed_of_them() -> None:
    draw = np.random.default_rng(2)
    group = np.repeat([0, 1], 4000)
    # the second group is higher in x and lower in level: without levels the weight of x is too small
    x = draw.normal(size=8000) + 2.0 * group
    outcome = (draw.random(8000) < 1.0 / (1.0 + np.exp(-(x - 4.0 * group)))).astype(float)
    frame = pd.DataFrame({"x": x})
    model, levels = fit_logistic_by_group(frame, outcome, group)
    alone = fit_logistic(frame, outcome)
    assert levels[0] - levels[1] == pytest.approx(4.0, abs=1.0)
    assert model.weights[0] > alone.weights[0] + 0.5
    both = model.log_odds(frame) + levels[group]
    for one in (0, 1):
        expected = (1.0 / (1.0 + np.exp(-both[group == one]))).sum()
        assert expected == pytest.approx(outcome[group == one].sum(), rel=0.02)


def test_a_window_without_days_is_refused() -> None:
    with pytest.raises(UsageError, match="horizon_days=0"):
        Cutoff(date(2024, 1, 1), 0)


def test_training_rows_are_sorted_and_the_unknown_stays_unknown() -> None:
    def features(cutoff: Cutoff, customers: pd.Series) -> pd.DataFrame:
        assert customers.tolist() == ["a", "z"]
        return pd.DataFrame({"customer_id": ["b", "a"], "x": [2.0, float(cutoff.as_of.month)]})

    def label(cutoff: Cutoff) -> pd.DataFrame:
        return pd.DataFrame({"customer_id": ["z", "a"], "churned": [1, 0]})

    cutoffs = [Cutoff(date(2024, 2, 1), 10), Cutoff(date(2024, 1, 1), 10)]
    table = training_table(cutoffs, features=features, label=label)
    assert table["customer_id"].tolist() == ["a", "z", "a", "z"]
    assert table["x"].tolist()[::2] == [1.0, 2.0]
    assert table["x"].isna().tolist() == [False, True, False, True]


def test_metrics_agree_with_an_independent_implementation(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    found = evaluate(y, p, replicates=20)
    assert tuple(found) == METRICS
    assert found["auc"].value == pytest.approx(reference.roc_auc_score(y, p), abs=1e-12)
    assert found["average_precision"].value == pytest.approx(
        reference.average_precision_score(y, p), abs=1e-12
    )
    assert found["log_loss"].value == pytest.approx(reference.log_loss(y, p), abs=1e-9)
    assert found["brier"].value == pytest.approx(reference.brier_score_loss(y, p), abs=1e-12)
    assert found["calibration_in_the_large"].value == pytest.approx(p.sum() / y.sum())
    assert found["expected_calibration_error"].value < 0.03
    assert found["lift_at_top_decile"].value > 1.5


def test_intervals_hold_the_value_and_narrow_with_more_customers(
    judged: tuple[np.ndarray, np.ndarray],
) -> None:
    y, p = judged
    many, few = evaluate(y, p), evaluate(y[:200], p[:200])
    for name in METRICS[:4]:
        assert many[name].low < many[name].value < many[name].high
        assert many[name].high - many[name].low < few[name].high - few[name].low


def test_rows_of_one_customer_are_no_independent_evidence(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    customers = np.arange(len(y))
    once = evaluate(y, p, customers=customers)["auc"]
    doubled = evaluate(np.r_[y, y], np.r_[p, p], customers=np.r_[customers, customers])["auc"]
    pretended = evaluate(np.r_[y, y], np.r_[p, p])["auc"]
    assert doubled.high - doubled.low == pytest.approx(once.high - once.low, rel=1e-9)
    assert pretended.high - pretended.low < 0.85 * (once.high - once.low)


def test_the_order_of_rows_does_not_matter(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    order = np.random.default_rng(0).permutation(len(y))
    assert evaluate(y, p, replicates=1)["auc"].value == pytest.approx(
        evaluate(y[order], p[order], replicates=1)["auc"].value, abs=1e-12
    )


def test_one_class_leaves_undefined_what_is_not_defined() -> None:
    found = evaluate([0, 0, 0], [0.1, 0.2, 0.3])
    assert np.isnan([found["auc"].value, found["average_precision"].value]).all()
    assert found["brier"].value == pytest.approx(0.14 / 3)


@pytest.mark.parametrize(
    ("outcome", "probability", "message"),
    [
        ([0, 1], [0.5], "same length"),
        ([], [], "at least 1"),
        ([0, 2], [0.5, 0.5], "other than 0 and 1"),
        ([0, np.nan], [0.5, 0.5], "other than 0 and 1"),
        ([0, 1], [0.5, 1.5], "outside"),
        ([0, 1], [0.5, np.nan], "outside"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    outcome: list[float], probability: list[float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(outcome, probability)


def test_a_gain_is_positive_for_the_better_probability(judged: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = judged
    gain = log_loss_gain(y, p, than=np.full(len(y), y.mean()))
    assert 0 < gain.low < gain.value < gain.high
    assert log_loss_gain(y, p, than=p).value == 0


def test_base_rate_is_never_zero_or_one_and_needs_a_row() -> None:
    assert base_rate([0, 0]) == pytest.approx(1 / 6)
    assert base_rate([1]) == 0.75
    with pytest.raises(NotEnoughData, match="not one customer"):
        base_rate([])


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    draw = np.random.default_rng(5)
    frame = pd.DataFrame({"days": draw.gamma(2, 50, 3000), "spend": draw.normal(size=3000), "same": 1.0})
    y = (draw.random(3000) < 1 / (1 + np.exp(3 - frame["days"] / 40))).astype(float)
    frame.loc[draw.random(3000) < 0.2, "spend"] = np.nan
    return frame, y.to_numpy()


def test_a_logistic_curve_over_one_column_is_monotone(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, y = table
    model = single_feature(frame, y, "days")
    line = model.probability(pd.DataFrame({"days": np.arange(0.0, 400.0, 10)}))
    assert (np.diff(line) >= 0).all()
    assert line[0] < 0.1 < 0.9 < line[-1]


def test_logistic_parts_add_up_and_json_keeps_the_bits(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, y = table
    model = fit_logistic(frame, y)
    odds = model.log_odds(frame)
    assert model.contributions(frame).sum(axis=1) + model.intercept == pytest.approx(odds)
    assert model.weights[2] == 0.0  # a column that never varies says nothing
    back = LogisticModel.from_dict(json.loads(json.dumps(model.to_dict())))
    assert np.array_equal(back.log_odds(frame), odds)
    assert np.array_equal(model.log_odds(frame.iloc[[17]]), odds[[17]])


def test_logistic_holds_values_far_outside_what_it_saw(table: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, y = table
    model = fit_logistic(frame[["days"]], y)
    far = model.log_odds(pd.DataFrame({"days": [1e9, 1e12, np.nan]}))
    assert far[0] == far[1]
    assert np.isfinite(far).all()


def test_one_class_cannot_be_learned() -> None:
    with pytest.raises(NotEnoughData, match="0 events in 3 rows"):
        fit_logistic(pd.DataFrame({"x": [1.0, 2.0, 3.0]}), [0, 0, 0])


@pytest.fixture
def card() -> ModelCard:
    figures = evaluate([0, 1, 1, 0], [0.2, 0.7, 0.6, 0.4])
    undefined = evaluate([0, 0], [0.2, 0.7])
    return ModelCard(
        name="churn",
        event="no order",
        as_of=date(2024, 7, 1),
        horizon_days=90,
        cutoffs=(CutoffUse(date(2024, 4, 2), "hold-out", 1200, 0.25),),
        features=("days",),
        metrics={"base_rate": undefined, "boosted": figures},
        baselines=("base_rate",),
        chosen="boosted",
        verdict="May be used.",
        notes=("A note.",),
    )


def test_a_card_survives_json_and_reads_as_text(card: ModelCard) -> None:
    back = ModelCard.from_dict(json.loads(json.dumps(card.to_dict(), allow_nan=False)))
    assert back.to_dict() == card.to_dict()
    text = back.to_markdown()
    for expected in (
        "May be used.",
        "no order",
        "| 2024-04-02 |  hold-out |     1,200 |          25.0% |",
        "base rate (simple)",
        "not defined",
    ):
        assert expected in text


def test_a_broken_card_is_a_model_file_error(card: ModelCard) -> None:
    stored = card.to_dict()
    del stored["verdict"]
    with pytest.raises(ModelFileError, match="verdict"):
        ModelCard.from_dict(stored)


def test_a_model_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.json", kind="churn", features=["a", "b"], content={"x": [0.1, None]})
    assert load_model(path, kind="churn") == (("a", "b"), {"x": [0.1, None]})
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.parametrize("position", [30, 60, 90, 120])
def test_any_flipped_byte_is_noticed(tmp_path: Path, position: int) -> None:
    path = save_model(tmp_path / "m.json", kind="churn", features=["a", "b"], content={"x": [0.1, 0.25]})
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(ModelFileError):
        load_model(path, kind="churn")


class _Trap:
    """Would leave a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (str(self.trace),))


def test_a_pickle_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    path, trace = tmp_path / "m.json", tmp_path / "trace"
    path.write_bytes(pickle.dumps(_Trap(trace)))
    with pytest.raises(ModelFileError, match="Nothing of it was run"):
        load_model(path, kind="churn")
    assert not trace.exists()


def test_another_kind_of_model_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    path = save_model(tmp_path / "m.json", kind="next_best_offer", features=[], content={})
    with pytest.raises(ModelFileError, match="kind 'next_best_offer', but 'churn' was asked for"):
        load_model(path, kind="churn")
    with pytest.raises(UsageError, match="no such model file"):
        load_model(tmp_path / "other.json", kind="churn")
    with pytest.raises(UsageError, match="does not exist"):
        save_model(tmp_path / "no" / "m.json", kind="churn", features=[], content={})


def test_features_are_compared_by_name_and_order() -> None:
    check_features(["a", "b"], ["a", "b"], model="churn")
    with pytest.raises(ModelFileError, match=r"missing \['b'\], not known to the model \['c'\]"):
        check_features(["a", "b"], ["a", "c"], model="churn")
    with pytest.raises(ModelFileError, match="another order"):
        check_features(["a", "b"], ["b", "a"], model="churn")


def test_a_card_answers_what_a_marketing_manager_asks(card: ModelCard) -> None:
    y = np.array([1] * 20 + [0] * 80)
    p = np.linspace(0.99, 0.01, 100)
    silence = np.r_[p[50:], p[:50]]
    judged = {"base_rate": np.full(100, 0.2), "days_since_last_order": silence, "boosted": p}
    found = replace(
        card,
        cutoffs=(),
        metrics={name: evaluate(y, values, replicates=20) for name, values in judged.items()},
        baselines=("base_rate", "days_since_last_order"),
    )
    answers = dict(found.answers())
    assert "no order" in answers["What was predicted?"]
    compared = answers["How good is it against doing nothing clever?"]
    assert "50%" in compared
    assert "blindly, a tenth finds 10 %" in compared
    assert "the best of the simple ways (base rate) finds 10%" in compared
    assert "Where 100 came, it had expected 250" in compared
    assert answers["May I use it?"] == "May be used."
    # where the rate of the days it was judged on is known, the tenth is compared with that
    days = (CutoffUse(card.as_of, "train", 900, 0.5), CutoffUse(card.as_of, "hold-out", 100, 0.2))
    rated = dict(replace(found, cutoffs=days).answers())["How good is it against doing nothing clever?"]
    assert rated.startswith("In the tenth it rated highest, it happened to 100% (")
    assert "Picking blindly, it is 20%; the best of the simple ways (base rate) finds 20%." in rated
    beaten = dict(replace(found, chosen="base_rate").answers())[
        "How good is it against doing nothing clever?"
    ]
    assert beaten.startswith("It gives everybody the same probability, so it picks nobody out.")
    assert "no model that learns beat it" in beaten
    # where none that learns was judged, none failed
    simple = {name: figures for name, figures in found.metrics.items() if name in found.baselines}
    alone = dict(replace(found, chosen="base_rate", metrics=simple).answers())
    assert "no model that learns" not in alone["How good is it against doing nothing clever?"]
    unproven = replace(found, metrics={})
    assert "no later window" in dict(unproven.answers())["How good is it against doing nothing clever?"]


def test_a_card_lines_up_on_a_terminal_and_is_safe_in_a_notebook(card: ModelCard) -> None:
    evil = "<script>alert(1)</script>"
    group = {evil: evaluate([0, 1, 1, 0], [0.2, 0.7, 0.6, 0.4], replicates=5)}
    rows = (ReliabilityGroup(date(2024, 4, 2), 4, 0.5, 0.5, 0.2, 0.8),)
    found = replace(card, by_segment=group, by_cutoff={"2024-04-02": group[evil]}, reliability=rows)
    assert ModelCard.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()
    text = found.to_markdown()
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for lines in tables:
        assert len({len(line) for line in lines}) == 1
    page = found._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<table>") == page.count("</table>") == 4
