"""Is the churn model chosen, kept and used honestly?"""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crm_analytics import churn
from crm_analytics.churn.boosting import Trees
from crm_analytics.churn.candidates import CANDIDATES, Fitted, fit_all, read_candidate
from crm_analytics.churn.choice import BLEND_MARGIN
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.known import CURVE
from crm_analytics.churn.model import ChurnModel, load_model
from crm_analytics.churn.score import asked, risk_cuts, score, usual_risk
from crm_analytics.churn.training import train
from crm_analytics.churn.tree_parts import contributions
from crm_analytics.errors import ModelFileError, NotEnoughData, UsageError
from crm_analytics.modelling.evaluate import evaluate
from crm_analytics.segmentation import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse
from tests import build
from tests.churn.conftest import AS_OF
from tests.poison import poison_the_future


@pytest.fixture(scope="module")
def table(wh: Warehouse, model: ChurnModel) -> pd.DataFrame:
    """What the model sees at AS_OF, as if it were two cutoffs."""
    features, _ = asked(wh, model, as_of=AS_OF)
    found = features.copy()
    half = np.arange(len(found)) < len(found) // 2
    found.insert(0, "as_of", pd.to_datetime(np.where(half, "2024-01-01", "2024-02-01")))
    return found


@pytest.fixture(scope="module")
def all_fitted(table: pd.DataFrame, wh: Warehouse) -> dict[str, Fitted]:
    """Every candidate, fitted on what the model sees at AS_OF and on what came then."""
    return fit_all(table.assign(churned=table["customer_id"].map(label_of(wh)).fillna(1)), seed=0)


NAMES = [name for name, one in CANDIDATES.items() if one.needs != CURVE]


def label_of(wh: Warehouse) -> pd.Series:
    file = SqlFile.load(Path(churn.__file__).parent / "label.sql")
    found = wh.frame(file, as_of=AS_OF, horizon_days=60, active_days=120)
    return found.set_index("customer_id")["churned"]


def test_the_hold_outs_come_after_what_was_learned_and_every_label_had_ended(model: ChurnModel) -> None:
    uses = model.card.cutoffs
    days = [use.as_of for use in uses]
    assert days == sorted(days)
    assert all((AS_OF - day).days >= 60 for day in days)
    judged = [use.as_of for use in uses if use.role == "hold-out"]
    assert judged[-1] == days[-1]
    # for each hold-out there are cutoffs whose window had ended by then
    assert all(any((day - earlier).days >= 60 for earlier in days) for day in judged)
    assert {use.role for use in uses} == {"train", "hold-out"}


def test_the_choice_beats_the_baselines_and_the_verdict_names_the_best_of_them(model: ChurnModel) -> None:
    losses = {name: found["log_loss"].value for name, found in model.card.metrics.items()}
    assert list(losses) == NAMES
    learned = {name: loss for name, loss in losses.items() if not CANDIDATES[name].is_baseline}
    assert model.chosen == model.card.chosen
    assert losses[model.chosen] <= min(learned.values()) + BLEND_MARGIN
    assert losses[model.chosen] < min(set(losses.values()) - set(learned.values()))
    assert "better than the best baseline" in model.card.verdict


def test_the_model_is_right_about_customers_it_has_not_seen_the_end_of(
    wh: Warehouse, model: ChurnModel
) -> None:
    scores = score(wh, model, as_of=AS_OF).set_index("customer_id")
    truth = label_of(wh)
    found = evaluate(truth, scores.loc[truth.index, "churn_probability"])
    assert found["auc"].value > 0.75
    assert 0.8 < found["calibration_in_the_large"].value < 1.25


def test_slow_complaints_show_among_the_reasons(wh: Warehouse, model: ChurnModel) -> None:
    scores = score(wh, model, as_of=AS_OF).set_index("customer_id")
    slow = wh.rows(
        "select customer_id from facts.tickets_before($as_of) where days_to_resolve > 10 "
        "and opened_on >= cast($as_of as date) - 60",
        as_of=AS_OF,
    )
    asked = scores.loc[[row[0] for row in slow if row[0] in scores.index]]
    asked = asked[asked["churn_probability"].notna()]
    assert len(asked) >= 5
    assert asked["churn_probability"].mean() > scores["churn_probability"].mean() + 0.1
    texts = asked[["reason_1", "reason_2", "reason_3"]]
    said = texts.apply(lambda column: column.str.contains("complaint", na=False))
    assert said.any(axis=1).mean() > 0.8


def test_status_band_and_probability_belong_together(wh: Warehouse, model: ChurnModel) -> None:
    scores = score(wh, model, as_of=AS_OF)
    assert scores["customer_id"].is_monotonic_increasing
    assert scores["customer_id"].is_unique
    gone = scores["status"] == "inactive"
    assert gone.any()
    assert scores.loc[gone, ["churn_probability", "risk_band", "reason_1"]].isna().all(axis=None)
    rest = scores[~gone]
    assert rest["churn_probability"].between(0, 1).all()
    low, high = risk_cuts(usual_risk(rest["churn_probability"].to_numpy()))
    expected = np.select(
        [rest["churn_probability"] <= low, rest["churn_probability"] < high], ["low", "medium"], "high"
    )
    assert rest["risk_band"].tolist() == expected.tolist()
    assert (scores["source_system"] + ":" + scores["source_id"]).tolist() == scores["customer_id"].tolist()


def test_inactive_means_inactive_to_the_day() -> None:
    rows = build.order_lines_of({"old": ["2024-05-02"], "edge": ["2024-05-03"], "new": ["2024-06-30"]})
    with build.warehouse(order_lines=rows) as small:
        simple = _closed_form(active_days=60)
        status = score(small, simple, as_of=AS_OF).set_index("source_id")["status"]
    # 2024-05-02 lies 60 days before AS_OF: the first day that still counts as active
    assert status.to_dict() == {"old": "low_information", "edge": "low_information", "new": "new"}
    with build.warehouse(order_lines=rows) as small:
        status = score(small, replace(simple, active_days=59), as_of=AS_OF).set_index("source_id")["status"]
    assert status["old"] == "inactive"


def test_test_and_internal_records_get_no_score() -> None:
    rows = build.order_lines_of({"own": ["2024-06-20"], "real": ["2024-06-20"]})
    people = [{"source_id": "own", "is_internal": True, "created_at": "2024-01-01"}]
    with build.warehouse(order_lines=rows, customers=people) as small:
        found = score(small, _closed_form(active_days=60), as_of=AS_OF).set_index("source_id")
    assert found["status"].to_dict() == {"own": "excluded", "real": "new"}
    assert found["status_reason"].to_dict() == {
        "own": "internal record",
        "real": "bought on one day only, in the last 30 days",
    }
    assert np.isnan(found.loc["own", "churn_probability"])


def test_later_events_and_the_order_of_rows_change_neither_model_nor_scores(
    shop_rows: dict[str, list[dict[str, Any]]], wh: Warehouse, model: ChurnModel, tmp_path: Path
) -> None:
    lines, tickets = (shop_rows[name][::-1] for name in ("order_lines", "tickets"))
    with build.warehouse(order_lines=lines, tickets=tickets) as other:
        poison_the_future(other, AS_OF)
        again = train(other, as_of=AS_OF, horizon_days=60, active_days=120)
        assert again.save(tmp_path / "b.json").read_text() == model.save(tmp_path / "a.json").read_text()
        assert_frame_equal(score(other, again, as_of=AS_OF), score(wh, model, as_of=AS_OF), check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_scores_a_customer_alone_as_in_a_batch(
    name: str, table: pd.DataFrame, all_fitted: dict[str, Fitted]
) -> None:
    fitted = all_fitted[name]
    together = fitted.log_odds(table)
    alone = np.concatenate([fitted.log_odds(table.iloc[[row]]) for row in range(0, len(table), 29)])
    assert np.array_equal(together[::29], alone)
    reversed_rows = fitted.log_odds(table.iloc[::-1])
    assert np.array_equal(reversed_rows[::-1], together)


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_every_candidate_add_up_to_its_log_odds_and_survive_json(
    name: str, table: pd.DataFrame, all_fitted: dict[str, Fitted]
) -> None:
    fitted = all_fitted[name]
    total = sum(fitted.parts(table).values(), np.zeros(len(table)))
    rest = fitted.log_odds(table) - total  # a constant: intercept, or the mean of the trees
    assert np.ptp(rest) < 1e-4
    stored = json.loads(json.dumps(fitted.to_dict()))
    assert np.array_equal(read_candidate(name, stored).log_odds(table), fitted.log_odds(table))


def test_reasons_follow_the_direction_of_the_score(
    wh: Warehouse, model: ChurnModel, table: pd.DataFrame
) -> None:
    from crm_analytics.churn.reasons import WORDINGS

    scores = score(wh, model, as_of=AS_OF)
    shown = scores[scores["churn_probability"].notna()].reset_index(drop=True)
    raising = shown["churn_probability"] > usual_risk(shown["churn_probability"].to_numpy())
    openings = {
        raises: tuple(w.text.split("{")[0] for w in WORDINGS if w.raises == raises)
        for raises in (True, False)
    }
    for column in ("reason_1", "reason_2", "reason_3"):
        for said, raises in zip(shown[column], raising, strict=True):
            if isinstance(said, str):
                assert said.startswith(openings[bool(raises)]), said
    assert shown["reason_1"].notna().mean() > 0.8


def test_a_saved_model_gives_the_same_bits(wh: Warehouse, model: ChurnModel, tmp_path: Path) -> None:
    back = load_model(model.save(tmp_path / "churn.json"))
    assert back.save(tmp_path / "again.json").read_bytes() == (tmp_path / "churn.json").read_bytes()
    assert_frame_equal(score(wh, back, as_of=AS_OF), score(wh, model, as_of=AS_OF), check_exact=True)


def test_a_changed_or_foreign_model_file_is_refused(model: ChurnModel, tmp_path: Path) -> None:
    path = model.save(tmp_path / "churn.json")
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"active_days": 120', b'"active_days": 121'))
    with pytest.raises(ModelFileError, match="does not match its sha256"):
        load_model(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelFileError, match=r"churn\.json: not a model"):
        load_model(path)
    path.write_bytes(pickle.dumps({"format": "crm_analytics model 1"}))
    with pytest.raises(ModelFileError, match="not a model"):
        load_model(path)


def test_a_frame_with_other_or_reordered_columns_is_refused(model: ChurnModel, table: pd.DataFrame) -> None:
    with pytest.raises(ModelFileError, match="missing \\['tenure_days'\\]"):
        model.probability(table.drop(columns=["as_of", "tenure_days"]), as_of=AS_OF)
    with pytest.raises(ModelFileError, match="another order"):
        model.probability(table[["customer_id", *reversed(kind_of("purchase").columns)]], as_of=AS_OF)


def test_a_model_that_knows_the_answer_may_not_score(wh: Warehouse, model: ChurnModel) -> None:
    with pytest.raises(UsageError, match="knows the answer"):
        score(wh, model, as_of=date(2024, 6, 30))


def test_damaged_trees_are_refused() -> None:
    with pytest.raises(ModelFileError, match="boosted trees"):
        Trees("{}", ["tenure_days"])


def test_where_nobody_or_everybody_left_all_get_a_shrunk_rate_and_the_card_says_not_enough() -> None:
    loyal = {f"c{n}": build.daily("2024-03-01", 5, 40) for n in range(5)}
    once = {f"c{n}": ["2024-03-15"] for n in range(5)}
    alone = {"c0": ["2024-03-15", "2024-06-01"]}
    for days, who, rate in (
        (loyal, "all 5 customers stayed", 0.5 / 6),
        (once, "all 5 customers left", 5.5 / 6),
        (alone, "the only customer stayed", 0.5 / 2),
    ):
        with build.warehouse(order_lines=build.order_lines_of(days)) as small:
            model = train(small, as_of=AS_OF, horizon_days=60, active_days=200)
            scores = score(small, model, as_of=AS_OF)
        assert model.chosen == model.card.chosen == "base_rate"
        assert scores["churn_probability"].to_numpy() == pytest.approx(rate)
        assert scores["risk_band"].eq("medium").all()
        assert scores[["reason_1", "reason_code"]].isna().all(axis=None)
        assert model.card.verdict.startswith(f"Use with care: not enough to learn from, since {who}")
        assert f"one rate for everybody, {rate:.2%} (95 % interval" in model.card.verdict
        assert "goes by value alone" in model.card.verdict
        assert "nan" not in model.card.to_markdown()


def test_nobody_to_learn_from_is_not_enough_data() -> None:
    with (
        build.warehouse(
            order_lines=build.order_lines_of({"a": ["2023-01-05"], "b": ["2024-06-30"]})
        ) as small,
        pytest.raises(NotEnoughData, match="Nobody was active at the"),
    ):
        train(small, as_of=AS_OF, horizon_days=30, active_days=30)


def test_too_short_a_history_is_not_enough_data() -> None:
    with (
        build.warehouse(order_lines=build.order_lines_of({"a": ["2024-06-01"]})) as small,
        pytest.raises(NotEnoughData, match="begin on 2024-06-01"),
    ):
        train(small, as_of=AS_OF, horizon_days=60)


def test_active_days_come_from_the_customers_own_pauses() -> None:
    steady = {f"c{n:02d}": build.daily("2024-03-01", 28, 2 + n % 4) for n in range(40)}
    with build.warehouse(order_lines=build.order_lines_of(steady)) as small:
        found = train(small, as_of=AS_OF, horizon_days=25)
    assert found.active_days == 28


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"as_of": "2024-07-01"}, "as_of='2024-07-01' is no day"),
        ({"as_of": AS_OF, "horizon_days": 0}, "horizon_days=0 must be a whole number of days from 1"),
        ({"as_of": AS_OF, "active_days": 0}, "active_days=0 must be a whole number of days from 1"),
    ],
)
def test_calls_that_cannot_mean_anything_are_refused(
    given: dict[str, Any], message: str, wh: Warehouse
) -> None:
    with pytest.raises(UsageError, match=message):
        train(wh, **given)


def _closed_form(*, active_days: int) -> ChurnModel:
    """A model of the base rate alone, for tests of what surrounds the probability."""
    from crm_analytics.churn.candidates import Constant
    from crm_analytics.modelling.model_card import ModelCard

    card = ModelCard("churn", "none", date(2024, 1, 1), 60, (), (), {}, (), "base_rate", "For tests.")
    return ChurnModel(
        "purchase", "any", 60, active_days, date(2024, 1, 1), "base_rate", Constant(0.0), None, card
    )


def test_the_simulated_shop_has_both_outcomes(
    wh: Warehouse, shop_rows: dict[str, list[dict[str, Any]]]
) -> None:
    assert len(shop_rows["order_lines"]) > 2000
    assert 0.05 < label_of(wh).mean() < 0.95


def test_tree_parts_equal_xgboosts_own_contributions(
    table: pd.DataFrame, all_fitted: dict[str, Fitted]
) -> None:
    import xgboost

    fitted = all_fitted["boosted"]
    columns = list(fitted.to_dict()["columns"])
    booster = xgboost.Booster()
    booster.load_model(bytearray(fitted.to_dict()["text"], "utf-8"))
    frame = table[columns].mask(np.random.default_rng(1).random((len(table), len(columns))) < 0.1)
    theirs = booster.predict(xgboost.DMatrix(frame), pred_contribs=True)[:, :-1]
    values = np.asfortranarray(frame.to_numpy(dtype=np.float32))
    ours = contributions(fitted.to_dict()["text"], values, range(len(columns)), len(columns))
    assert np.abs(theirs).max() > 0.1
    assert np.allclose(ours, theirs, atol=2e-5)


def test_the_card_of_a_trained_model_carries_its_evidence(model: ChurnModel) -> None:
    card = model.card
    hold_outs = [use for use in card.cutoffs if use.role == "hold-out"]
    assert list(card.by_cutoff) == [use.as_of.isoformat() for use in hold_outs]
    for use in hold_outs:
        groups = [group for group in card.reliability if group.as_of == use.as_of]
        assert sum(group.row_count for group in groups) == use.row_count
        came = sum(group.row_count * group.event_rate for group in groups)
        assert came == pytest.approx(use.row_count * use.event_rate)
    names = [rule.label for rule in segment_names() if rule.label in card.by_segment]
    assert list(card.by_segment) == names
    assert len(names) >= 4
    assert all("earned_by_calling_a_tenth" in found for found in card.metrics.values())
    assert "In the tenth it rated highest, it happened to" in card.to_markdown()
