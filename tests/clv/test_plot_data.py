"""Do the tables behind the plots show the published figures?"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv import plot_data
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.pareto_nbd import ParetoNBDModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.warehouse import Warehouse

CALIBRATION_END, AS_OF = date(1997, 10, 1), date(1998, 7, 1)


@pytest.fixture(scope="module")
def bg(cdnow: pd.DataFrame) -> BetaGeoModel:
    return BetaGeoModel().fit(cdnow)


@pytest.fixture(scope="module")
def daily(cdnow_warehouse: Warehouse) -> pd.DataFrame:
    return plot_data.daily_purchases(cdnow_warehouse, as_of=AS_OF, born_before=CALIBRATION_END)


def test_frequency_of_cdnow(bg: BetaGeoModel, cdnow: pd.DataFrame) -> None:
    table = plot_data.frequency_table(bg, cdnow)
    assert table["actual"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    expected = [1407.68, 460.32, 192.46, 101.16, 59.85, 38.12, 25.55, 71.85]
    np.testing.assert_allclose(table["expected"], expected, atol=0.006)
    assert table.index.tolist() == ["0", "1", "2", "3", "4", "5", "6", "7+"]


def test_frequency_with_a_covariate_averages_over_the_customers(cdnow: pd.DataFrame) -> None:
    some = cdnow.iloc[:60].assign(online=[0.0, 1.0] * 30)
    params = {"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.4, "purchase_online": 0.7}
    model = BetaGeoModel.from_parameters(params, purchase_covariates=["online"])
    table = plot_data.frequency_table(model, some)
    by_hand = sum(
        model.purchase_count_probabilities_new(float(age), 6, covariates={"online": online})
        for age, online in zip(some["T"], some["online"], strict=True)
    )
    np.testing.assert_allclose(table["expected"].iloc[:7], by_hand, rtol=1e-10)


def test_tracking_of_the_walkthrough(bg: BetaGeoModel, daily: pd.DataFrame) -> None:
    table = plot_data.tracking_table(bg, daily, calibration_end=CALIBRATION_END, as_of=AS_OF)
    weeks = table.loc[20:25]
    assert weeks["cumulative_actual"].tolist() == [1359, 1414, 1484, 1517, 1573, 1672]
    walkthrough = [1312.46, 1387.35, 1460.39, 1531.71, 1601.42, 1669.6]
    np.testing.assert_allclose(weeks["cumulative_expected"], walkthrough, atol=0.15)
    assert table.index[-1] == 78
    assert table.loc[78, "cumulative_actual"] == 4339
    assert table.loc[78, "cumulative_expected"] == pytest.approx(4165.7, abs=0.1)
    np.testing.assert_allclose(table["expected"].cumsum(), table["cumulative_expected"])
    np.testing.assert_array_equal(table["actual"].cumsum(), table["cumulative_actual"])
    # 39 weeks and a day: the 39th week ends on the last day of the calibration
    assert not table.loc[39, "is_holdout"]
    assert table.loc[40, "is_holdout"]


def test_daily_purchases_leave_out_who_came_later(cdnow_warehouse: Warehouse, daily: pd.DataFrame) -> None:
    early = plot_data.daily_purchases(cdnow_warehouse, as_of=AS_OF, born_before=date(1997, 2, 1))
    assert daily["first_purchases"].sum() == 2357
    assert daily["repeat_purchases"].sum() == 2457 + 1882
    assert 0 < early["first_purchases"].sum() < 2357
    assert early.loc[early["first_purchases"] > 0, "ordered_on"].max() < pd.Timestamp("1997-02-01")


def test_conditional_expectation_by_frequency(bg: BetaGeoModel, cdnow: pd.DataFrame) -> None:
    models = {"bg_nbd": bg, "pareto_nbd": ParetoNBDModel().fit(cdnow)}
    table = plot_data.conditional_table(models, cdnow, horizon_days=273)
    assert table["customers"].tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    assert table["actual"].round(4).tolist() == [
        0.2367, 0.6970, 1.3925, 1.5600, 2.5323, 2.9474, 3.8621, 6.3594,
    ]  # fmt: skip
    assert table["bg_nbd"].round(4).tolist() == [
        0.2251, 0.5231, 1.0441, 1.5203, 2.1639, 2.6538, 3.5040, 6.1572,
    ]  # fmt: skip
    assert table["pareto_nbd"].round(4).tolist() == [
        0.1384, 0.5995, 1.1958, 1.7138, 2.3983, 2.9072, 3.8186, 6.4031,
    ]  # fmt: skip


def test_conditional_expectation_by_recency_keeps_every_customer(
    bg: BetaGeoModel, cdnow: pd.DataFrame
) -> None:
    table = plot_data.conditional_table({"bg_nbd": bg}, cdnow, horizon_days=273, by="recency")
    assert table["customers"].sum() == 2357
    assert (table["customers"] * table["bg_nbd"]).sum() == pytest.approx(1653.41, abs=0.01)
    assert (table["customers"] * table["actual"]).sum() == pytest.approx(1882)
    assert len(table) == 8
    assert table.index[0].startswith("0-")


def test_calibration_keeps_equal_predictions_together(bg: BetaGeoModel, cdnow: pd.DataFrame) -> None:
    expected = bg.expected_purchases(cdnow, horizon_days=273)
    table = plot_data.calibration_table(expected, cdnow["actual"])
    assert table["customers"].sum() == 2357
    assert (table["customers"] * table["predicted"]).sum() == pytest.approx(1653.41, abs=0.01)
    assert table["predicted"].is_monotonic_increasing
    tied = plot_data.calibration_table(pd.Series([0.0] * 9 + [1.0]), pd.Series([0, 1] * 5))
    assert tied["customers"].tolist() == [9, 1]


def test_calibration_leaves_out_who_has_no_prediction_and_says_how_many() -> None:
    predicted, actual = pd.Series([0.1, np.nan, 2.0, 3.0]), pd.Series([0.0, 1.0, 2.0, np.nan])
    table = plot_data.calibration_table(predicted, actual, groups=3)
    assert table["customers"].tolist() == [1, 1]
    assert table["actual"].tolist() == [0.0, 2.0]
    assert table.attrs == {"left_out": 2}
    with pytest.raises(UsageError, match="None of the 4 customers has both"):
        plot_data.calibration_table(predicted * np.nan, actual)
    with pytest.raises(UsageError, match=r"'actual' .* is not numeric"):
        plot_data.calibration_table(predicted, pd.Series(list("abcd")))


def test_the_alive_matrix_asks_the_model() -> None:
    model = ModifiedBetaGeoModel.from_parameters(
        {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, unit="week"
    )
    matrix = plot_data.alive_matrix(model, age_days=300, up_to=10)
    one = pd.DataFrame({"frequency": [4], "recency": [150], "T": [300]})
    assert matrix.loc[150, 4] == pytest.approx(model.probability_alive(one).item(), rel=1e-12)
    assert matrix[0].notna().sum() == 1  # no repeat purchase: recency 0
    assert matrix.loc[0].notna().sum() == 1
    assert np.isnan(matrix.loc[5, 6])  # seven days with a purchase do not fit into six days


def test_the_history_of_one_customer(bg: BetaGeoModel) -> None:
    bought = [date(1997, 3, 1), date(1997, 1, 1), date(1997, 3, 1)]
    history = plot_data.alive_history(bg, bought, as_of=date(1997, 7, 1))
    assert len(history) == 181
    assert history.loc["1997-02-28", "probability_alive"] == 1.0  # BG/NBD: nobody leaves before a repeat
    assert history.loc["1997-03-01", ["frequency", "recency", "T"]].tolist() == [1, 59, 59]
    last = pd.DataFrame({"frequency": [1], "recency": [59], "T": [180]})
    assert history["probability_alive"].iloc[-1] == pytest.approx(bg.probability_alive(last).item())
    assert history["is_purchase"].sum() == 2


def test_retention_of_the_paper() -> None:
    model = ShiftedBetaGeoModel.from_parameters({"alpha": 0.668, "beta": 3.806}, period_days=365)
    left = [1000, 869, 743, 653, 593, 551, 517, 491]
    table = plot_data.retention_table(model, periods=12, survivors=left)
    np.testing.assert_allclose(table.loc[8:, "survival"], [0.4604, 0.4358, 0.4142, 0.3952, 0.3780], atol=2e-4)
    assert table.loc[3, "actual_retention"] == pytest.approx(653 / 743)
    assert table.loc[7, "actual_survival"] == 0.491
    assert table["actual_survival"].isna().sum() == 5


def test_retention_of_contracts_with_traits_is_that_of_their_own_parameters() -> None:
    params = {"alpha": 0.7, "beta": 3.8, "dropout_web": 0.5, "renewal_web": -0.2}
    model = ShiftedBetaGeoModel.from_parameters(
        params, dropout_covariates=["web"], renewal_covariates=["web"]
    )
    own = {"alpha": 0.7 * np.exp(0.5), "beta": 3.8 * np.exp(-0.2)}
    pd.testing.assert_frame_equal(
        plot_data.retention_table(model, periods=12, covariates={"web": 1.0}),
        plot_data.retention_table(ShiftedBetaGeoModel.from_parameters(own), periods=12),
    )


def test_correlation_of_the_estimates(bg: BetaGeoModel) -> None:
    table = plot_data.parameter_correlation(bg)
    assert table.loc["r", "alpha"] == pytest.approx(0.780, abs=5e-4)
    assert table.loc["a", "b"] == pytest.approx(0.940, abs=5e-4)
    assert table.loc["r", "a"] == pytest.approx(-0.038, abs=5e-4)
    assert plot_data.parameter_correlation(BetaGeoModel.from_parameters(bg.params_)).isna().all(axis=None)


def test_questions_that_cannot_be_meant(bg: BetaGeoModel, cdnow: pd.DataFrame, daily: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="must be one of frequency, recency"):
        plot_data.conditional_table({"bg": bg}, cdnow, horizon_days=10, by="age")
    with pytest.raises(UsageError, match="every_days=0"):
        plot_data.tracking_table(bg, daily, calibration_end=AS_OF, as_of=AS_OF, every_days=0)
    with pytest.raises(NotEnoughData, match="did not buy"):
        plot_data.alive_history(bg, [date(2020, 1, 1)], as_of=date(2020, 1, 1))
    with pytest.raises(NotEnoughData, match="no purchases to track"):
        plot_data.tracking_table(bg, daily.iloc[:0], calibration_end=AS_OF, as_of=AS_OF)
    with pytest.raises(UsageError, match="age_days=0"):
        plot_data.alive_matrix(bg, age_days=0)
