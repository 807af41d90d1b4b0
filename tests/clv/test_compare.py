"""Is the choice of a model reproducible, explained, and made from what was known before?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import compare
from crm_analytics.clv.compare import MAE_NOTE, Comparison, _winner
from crm_analytics.clv.rolling_origins import Origin
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

PLAIN = ("bg_nbd", "mbg_nbd", "nbd")


@pytest.fixture(scope="module")
def judged(cdnow_warehouse: Warehouse) -> Comparison:
    return compare(cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=PLAIN)


def test_cdnow_is_judged_on_the_published_window(judged: Comparison) -> None:
    assert judged.origins == (date(1997, 10, 1),)
    table = judged.models
    assert table["actual"].dropna().eq(1882.0).all()
    assert table.loc["same_rate", "expected"] == pytest.approx(2930.10, abs=5e-3)
    assert table.loc["zero", "mae"] == pytest.approx(1882 / 2357)
    assert table.loc["mean", "expected"] == pytest.approx(2928.95, abs=0.01)
    assert table.loc["bg_nbd", "expected"] == pytest.approx(1662.60, abs=5e-3)
    assert table.loc["bg_nbd", "total_error"] == pytest.approx(1662.60 / 1882 - 1, abs=1e-4)
    assert table.loc[list(PLAIN), "coverage"].between(0.87, 1.0).all()
    assert set(table["total_coverage"].dropna()) <= {0.0, 1.0}
    assert judged.by_frequency["customers"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert judged.by_frequency["actual"].round(4).tolist()[:3] == [0.2367, 0.697, 1.3925]
    assert MAE_NOTE in judged.notes


def test_the_winner_is_nearest_to_what_came_of_those_that_predict_equally_well(judged: Comparison) -> None:
    tied = judged.models.loc[["bg_nbd", "mbg_nbd"]]
    assert judged.winner == tied["total_error"].abs().idxmin() == "bg_nbd"
    assert tied["bic"].idxmin() == "mbg_nbd"
    assert "mbg_nbd" in judged.reason
    assert judged.models.index[-3:].tolist() == ["zero", "mean", "same_rate"]
    assert judged.models.loc["nbd", "log_score"] < judged.models.loc["bg_nbd", "log_score"] - 0.05


def test_a_winner_that_missed_its_own_total_is_said_to_have(judged: Comparison) -> None:
    missed = judged.models.loc[judged.winner, "total_coverage"] < 1.0
    said = [note for note in judged.notes if "outside the 90 % limits" in note]
    assert len(said) == int(missed) == 1
    assert said[0].endswith(f"of {judged.winner}: 1,663 expected, 1,882 came")


def _origin(totals: dict[str, float], inside: dict[str, bool]) -> Origin:
    ones = np.ones(100)
    return Origin(
        as_of=date(2024, 1, 1), actual=ones, band=np.ones(100, dtype=np.intp),
        predictions={name: total / 100 * ones for name, total in totals.items()},
        log_scores=dict.fromkeys(totals, -ones), inside={}, total_inside=inside, verdicts={},
    )  # fmt: skip


_NEAREST = "c: its totals were nearest (1.0% off), of those that predicted 1 past window equally well (a)."


def test_ties_are_broken_by_limits_that_held_then_by_totals_then_by_bic() -> None:
    fits = pd.DataFrame({"bic": {"a": 1.0, "b": 2.0, "c": 3.0}})
    everywhere = {"a": True, "b": True, "c": True}
    totals = {"a": 106.0, "b": 101.5, "c": 101.0}
    held = _winner(fits, [_origin(totals, {"a": False, "b": False, "c": True})], list("abc"))
    assert held[0] == "c"
    assert "held the total more often" in held[1]
    near = _winner(fits, [_origin(totals, everywhere)], list("abc"))
    assert near[0] == "b"  # c is nearer by half a point only
    assert "lowest BIC" in near[1]
    nearest = _winner(fits, [_origin(totals, everywhere)], ["a", "c"])
    assert nearest == ("c", _NEAREST)


def test_choosing_again_gives_the_same_to_the_last_bit(
    judged: Comparison, cdnow_warehouse: Warehouse
) -> None:
    again = compare(cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=PLAIN)
    assert again.winner == judged.winner
    pd.testing.assert_frame_equal(again.models, judged.models, check_exact=True)


def test_a_part_of_the_customers_is_taken_by_their_ids(cdnow_warehouse: Warehouse) -> None:
    part = compare(
        cdnow_warehouse, as_of=date(1998, 7, 1), horizon_days=273, models=("bg_nbd",), max_customers=1000
    )
    assert part.by_origin["customers"].iloc[0] == 786
    assert any("one customer in 3" in note for note in part.notes)


def test_a_short_history_is_judged_by_bic_alone(cdnow_warehouse: Warehouse) -> None:
    early = compare(cdnow_warehouse, as_of=date(1997, 4, 1), horizon_days=90, models=PLAIN)
    assert early.origins == ()
    assert "lowest BIC" in early.reason
    assert early.winner == early.models["bic"].idxmin()
    assert early.by_frequency.empty


def test_a_model_that_cannot_be_fitted_does_not_win_and_says_why() -> None:
    days = {f"C{n:02d}": [f"2024-01-{n % 27 + 1:02d}"] for n in range(40)}
    with (
        build.warehouse(order_lines=build.order_lines_of(days)) as wh,
        pytest.raises(NotEnoughData, match=r"No candidate can be fitted.*bought on a second day"),
    ):
        compare(wh, as_of=date(2024, 9, 1), models=("bg_nbd", "mbg_nbd"))


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"models": ("bg", "nbd")}, r"models=\('bg', 'nbd'\) must be a list of at least one of nbd"),
        ({"models": ()}, r"models=\(\) must be a list"),
        ({"horizon_days": 0}, "horizon_days=0 must be a whole number of days >= 1"),
        ({"max_customers": 5}, "max_customers=5"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(wrong: dict[str, object], complaint: str) -> None:
    with Warehouse.open() as wh, pytest.raises(UsageError, match=complaint):
        compare(wh, as_of=date(2024, 1, 1), **wrong)  # type: ignore[arg-type]


def test_no_score_is_missing_for_a_candidate(judged: Comparison) -> None:
    figures = judged.models.loc[list(PLAIN)].drop(columns="verdict").astype(float)
    assert np.isfinite(figures.to_numpy()).all()


def test_pareto_nbd_is_chosen_on_cdnow_by_two_windows_of_ninety_days(cdnow_warehouse: Warehouse) -> None:
    judged = compare(cdnow_warehouse, as_of=date(1997, 10, 1), models=("mbg_nbd", "pareto_nbd"))
    assert (judged.winner, judged.horizon_days, len(judged.origins)) == ("pareto_nbd", 90, 2)
    assert judged.models["bic"].idxmin() == "mbg_nbd"
