"""Is what was computed elsewhere read as it was meant, or refused: durations, columns and customers twice?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.compare import compare
from crm_analytics.clv.customer_value import NO_MARGIN, WRONG_GAPS, score_summary
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.contract_cohorts import lives_from_survivors
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import TOO_DENSE
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.clv.plot_data import calibration_table
from crm_analytics.clv.statuses import REASONS
from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse

MODEL = BetaGeoModel.from_parameters({"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5})
USED = Models(MODEL, GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44}))


def customers() -> pd.DataFrame:
    number = np.arange(60)
    frequency = number % 4
    return pd.DataFrame(
        {
            "customer_id": [f"c{n:02d}" for n in number],
            "frequency": frequency,
            "recency": 30 * frequency,
            "T": 200 + number,
            "monetary_value": np.where(frequency > 0, 20.0 + number % 7, 0.0),
        }
    )


def as_days(column: pd.Series) -> pd.Series:
    return pd.to_timedelta(column, unit="D")


@pytest.mark.parametrize("name", ["T", "recency"])
@pytest.mark.parametrize("kind", [None, object])
def test_a_duration_is_no_number_of_days(name: str, kind: Any) -> None:
    known = customers()
    durations = known.assign(**{name: as_days(known[name]).astype(kind or "timedelta64[ns]")})
    with pytest.raises(UsageError, match=rf"Column '{name}'.*summary\['{name}'\].dt.days"):
        score_summary(durations)


@pytest.mark.parametrize(
    "ages",
    [
        pd.Timestamp("2024-01-01"),
        pd.Period("2024-01"),
        3.0 + 1j,
        pd.Series([3.0 + 1j] * 60, dtype=object),
        True,
    ],
)
def test_dates_complex_numbers_and_truth_are_no_ages(ages: object) -> None:
    with pytest.raises(UsageError, match="Column 'T' of the summary is not numeric"):
        MODEL.expected_purchases(customers().assign(T=ages), horizon_days=365)


def test_contracts_do_not_last_durations() -> None:
    lives = pd.DataFrame({"periods": as_days(pd.Series([1, 2, 3])), "has_ended": [True, True, False]})
    with pytest.raises(UsageError, match=r"Column 'periods'.*\.dt\.days"):
        ShiftedBetaGeoModel(period_days=30).fit(lives)


def test_decimals_and_numbers_of_databases_are_read() -> None:
    known = customers()
    same = known.assign(frequency=known["frequency"].map(Decimal)).astype({"T": "Int64"})
    pd.testing.assert_series_equal(
        MODEL.expected_purchases(same, horizon_days=365), MODEL.expected_purchases(known, horizon_days=365)
    )


@pytest.mark.parametrize("weights", [as_days(pd.Series([1] * 60)), np.full(60, 1 + 1j), ["1"] * 60])
def test_weights_are_numbers(weights: Any) -> None:
    with pytest.raises(UsageError, match="weights must be one finite number >= 0"):
        BetaGeoModel().fit(customers(), weights=weights)


@pytest.mark.parametrize("days", [np.timedelta64(365, "D"), pd.Timedelta(days=365)])
def test_a_horizon_is_a_number_of_days(days: Any) -> None:
    with pytest.raises(UsageError, match=r"horizon_days=.* must be a number of days"):
        MODEL.expected_purchases(customers(), horizon_days=days)


@pytest.mark.parametrize("name", ["frequency", "T", "monetary_value", "customer_id"])
def test_a_column_that_is_there_twice_is_named(name: str) -> None:
    doubled = pd.concat([customers(), customers()[[name]]], axis=1)
    with pytest.raises(UsageError, match=f"2 columns '{name}'"):
        score_summary(doubled)


def test_models_name_a_column_that_is_there_twice() -> None:
    doubled = pd.concat([customers(), customers()[["monetary_value", "T"]]], axis=1)
    with pytest.raises(UsageError, match="2 columns 'T'"):
        BetaGeoModel().fit(doubled)
    with pytest.raises(UsageError, match="2 columns 'monetary_value'"):
        GammaGammaModel().fit(doubled)


def test_a_customer_that_is_there_twice_is_named() -> None:
    with pytest.raises(UsageError, match="customer_id 'c03' is there more than once"):
        score_summary(pd.concat([customers(), customers().iloc[[3, 5]]]))


def test_a_row_without_a_customer_is_refused() -> None:
    known = customers()
    known.loc[7, "customer_id"] = None
    with pytest.raises(UsageError, match="no customer_id in 1 row of the summary, the first at position 7"):
        score_summary(known)


def test_predictions_and_outcomes_belong_together_by_their_labels() -> None:
    predicted = pd.Series([0.1, 1.0, 2.0, 3.0], index=list("abcd"))
    actual = pd.Series([3, 2, 1, 0], index=list("dcba"))
    table = calibration_table(predicted, actual, groups=4)
    assert table["actual"].tolist() == [0, 1, 2, 3]
    by_place = calibration_table(predicted, actual.tolist(), groups=4)
    assert by_place["actual"].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ("abce", "1 of 4 labels of predicted are not in actual, the first 'd'"),
        ("aacd", "labels that are there twice"),
    ],
)
def test_predictions_and_outcomes_of_other_customers_are_not_compared(labels: str, complaint: str) -> None:
    predicted = pd.Series([0.1, 1.0, 2.0, 3.0], index=list("abcd"))
    with pytest.raises(UsageError, match=complaint):
        calibration_table(predicted, pd.Series([0, 1, 2, 3], index=list(labels)))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (pd.Series([0.3, 0.2]), "index must hold customer_id .as 'c00'., got 0, 1"),
        (pd.Series([], dtype=float), "names none of the 60 customers"),
        (pd.Series(["0.3"], index=["c00"]), "margin_rate is not numeric"),
        (pd.Series([True], index=["c00"]), "margin_rate is not numeric"),
        (pd.Series([0.2, 30.0], index=["c00", "c01"]), "from -1 to 1 .0.3 for 30 %., got .*30.0.* for 'c01'"),
        (pd.Series([-1.5], index=["c00"]), "from -1 to 1"),
        (pd.Series([0.3, 0.4], index=["c00", "c00"]), "names a customer_id twice"),
        (-5.0, "margin_rate=-5.0 must be a number from -1 to 1"),
    ],
)
def test_margins_that_are_nobodys_or_impossible_are_refused(given: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        score_summary(customers(), margin_rate=given)


def test_who_has_no_margin_is_told_so_and_the_others_are_scored() -> None:
    rates = pd.Series([Decimal("0.3"), Decimal("0.2")], index=["c01", "c02"])
    scored = score_summary(customers(), models=USED, margin_rate=rates).set_index("customer_id")
    assert scored["lifetime_value"].notna().sum() == 2
    assert scored.loc[["c01", "c02"], "status"].tolist() == ["ok", "ok"]
    assert scored.loc["c03", ["status", "status_reason"]].tolist() == ["low_information", NO_MARGIN]
    assert scored.loc["c00", "status_reason"].endswith(NO_MARGIN)
    assert scored.loc["c00", "status_reason"].startswith(REASONS["one_time"])


@pytest.mark.parametrize("covariance", [-np.eye(4), np.diag([1.0, 1, 1, -2]), np.triu(np.ones((4, 4)))])
def test_a_covariance_has_no_negative_variance(covariance: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"log_covariance=.* must be symmetric, without a negative variance"):
        MODEL.with_covariance(covariance)


def test_models_to_compare_are_a_list_of_names() -> None:
    with (
        Warehouse.open(":memory:") as wh,
        pytest.raises(UsageError, match="a list of at least one of nbd, bg_nbd"),
    ):
        compare(wh, as_of=date(2025, 1, 1), models="bg_nbd")


@pytest.mark.parametrize("survivors", [[1000, 800], pd.DataFrame({"a": [1]})])
def test_a_table_of_survivors_says_which_columns_it_needs(survivors: Any) -> None:
    with pytest.raises(UsageError, match=r"survivors must be a table .* columns period"):
        lives_from_survivors(survivors)


def test_more_purchase_days_than_days_are_excluded() -> None:
    known = customers().astype({"recency": float})
    known.loc[5, ["frequency", "recency"]] = 3, 1
    known.loc[6, ["frequency", "recency"]] = 2, 1.5
    scored = score_summary(known, models=USED)
    assert scored.loc[5, ["status", "status_reason"]].tolist() == ["excluded", TOO_DENSE]
    assert scored["status"].eq("excluded").sum() == 1


def test_no_horizon_holds_more_purchase_days_than_days() -> None:
    daily = customers().assign(frequency=199, recency=199, T=200)
    scored = score_summary(daily, models=USED, horizon_days=30)
    limited = scored[["expected_purchases_low", "expected_purchases", "expected_purchases_high"]]
    assert limited.max().tolist() == pytest.approx([11, 23.39, 30], abs=0.01)


def test_a_row_with_impossible_gaps_is_excluded_and_the_others_are_scored() -> None:
    known = customers()
    known["log_gap_sum"] = known["frequency"] * np.log(30.0)
    known.loc[[5, 7], "log_gap_sum"] = [1e3, np.nan]
    scored = score_summary(known, model="mbg_cnbd")
    assert scored.index[scored["status"] == "excluded"].tolist() == [5, 7]
    assert scored.loc[[5, 7], "status_reason"].tolist() == [WRONG_GAPS, WRONG_GAPS]
    assert scored["expected_purchases"].notna().sum() == 58
