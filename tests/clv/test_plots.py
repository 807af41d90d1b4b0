"""Does every plot return what it drew, name its lines and axes, and say what was found?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from crm_analytics.clv import plot_data, plots
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import UsageError

CALIBRATION_END, AS_OF = date(1997, 10, 1), date(1998, 7, 1)


@pytest.fixture(scope="module")
def bg(cdnow: pd.DataFrame) -> BetaGeoModel:
    return BetaGeoModel().fit(cdnow)


@pytest.fixture
def ax() -> Iterator[Axes]:
    plt.switch_backend("Agg")
    figure, ax = plt.subplots(layout="constrained")
    yield ax
    figure.canvas.draw()
    plt.close(figure)


def words(ax: Axes) -> str:
    return " | ".join([ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def height(ax: Axes) -> np.ndarray:
    return np.asarray(ax.lines[1].get_ydata(), dtype=np.float64)


def test_frequency(bg: BetaGeoModel, cdnow: pd.DataFrame, ax: Axes) -> None:
    table = plots.plot_frequency(bg, cdnow, ax=ax)
    pd.testing.assert_frame_equal(table, plot_data.frequency_table(bg, cdnow))
    heights = [bar.get_bbox().height for bar in ax.patches if isinstance(bar, Rectangle)]
    np.testing.assert_allclose(heights, [*table["actual"], *table["expected"]])
    assert "bg_nbd puts 1.3% of the customers" in words(ax)
    assert ax.get_ylabel() == "customers"


@pytest.mark.parametrize(("cumulative", "unit"), [(False, "per 7 days"), (True, "all so far")])
def test_tracking(
    bg: BetaGeoModel, cdnow_orders: pd.DataFrame, cumulative: bool, unit: str, ax: Axes
) -> None:
    days = cdnow_orders.drop_duplicates(["customer_id", "ordered_on"])
    is_first = days["ordered_on"] == days.groupby("customer_id")["ordered_on"].transform("min")
    counts = days.assign(first_purchases=is_first.astype(int), repeat_purchases=(~is_first).astype(int))
    daily = counts.groupby("ordered_on", as_index=False)[["first_purchases", "repeat_purchases"]].sum()
    table = plots.plot_tracking(
        bg, daily, calibration_end=CALIBRATION_END, as_of=AS_OF, cumulative=cumulative, ax=ax
    )
    np.testing.assert_allclose(height(ax), table["cumulative_expected" if cumulative else "expected"])
    assert "fewer purchases than came in the hold-out" in words(ax)
    assert {"observed", "bg_nbd"} <= {text.get_text().strip() for text in ax.texts}
    assert unit in ax.get_ylabel()


def test_tracking_draws_several_models(bg: BetaGeoModel, cdnow: pd.DataFrame, ax: Axes) -> None:
    days = pd.to_datetime([date(1997, 1, 1), date(1997, 2, 1), date(1997, 3, 1)])
    daily = pd.DataFrame({"ordered_on": days, "first_purchases": [100, 0, 0], "repeat_purchases": [0, 20, 5]})
    draw = partial(
        plots.plot_tracking, daily=daily, calibration_end=date(1997, 2, 1), as_of=date(1997, 3, 2), ax=ax
    )
    models = {"with leaving": bg, "without": NBDModel().fit(cdnow)}
    table = draw(models)
    np.testing.assert_allclose(height(ax), table["with leaving"])
    np.testing.assert_allclose(np.asarray(ax.lines[2].get_ydata(), dtype=np.float64), table["without"])
    assert {"observed", *models} <= {text.get_text().strip() for text in ax.texts}
    later = table[table["is_holdout"]]
    errors = {name: abs(later[name].sum() - later["actual"].sum()) for name in models}
    assert f"Closest: {min(errors, key=lambda name: errors[name])} expects" in words(ax)
    alone = draw(models["without"])
    pd.testing.assert_series_equal(alone["expected"], table["without"], check_names=False)
    with pytest.raises(UsageError, match="model may not be named 'actual'"):
        draw({"actual": bg})


@pytest.mark.parametrize("by", ["frequency", "recency"])
def test_conditional(bg: BetaGeoModel, cdnow: pd.DataFrame, by: str, ax: Axes) -> None:
    models = {"bg_nbd": bg, "nbd": NBDModel().fit(cdnow)}
    table = plots.plot_conditional(models, cdnow, horizon_days=273, by=by, ax=ax)
    np.testing.assert_allclose(height(ax), table["bg_nbd"])
    assert "Closest: bg_nbd" in words(ax)
    assert {"observed", "bg_nbd", "nbd"} <= {text.get_text().strip() for text in ax.texts}


def test_names_at_the_ends_of_lines_do_not_overlap(ax: Axes) -> None:
    ax.set_ylim(0, 10)
    plots._label_ends(ax, 1, {"one": 5.0, "two": 5.0, "three": 5.1}, colours=["red", "blue", "green"])
    heights = sorted(text.xy[1] for text in ax.texts)  # type: ignore[attr-defined]
    assert min(np.diff(heights)) > 0.5
    assert all(text.xyann == (7, 0) for text in ax.texts)  # type: ignore[attr-defined]


def test_calibration(bg: BetaGeoModel, cdnow: pd.DataFrame, ax: Axes) -> None:
    expected = bg.expected_purchases(cdnow, horizon_days=273)
    table = plots.plot_calibration(expected, cdnow["actual"], ax=ax)
    np.testing.assert_allclose(height(ax), table["actual"])
    assert "groups came as predicted" in words(ax)


def test_calibration_says_how_many_it_left_out(ax: Axes) -> None:
    plots.plot_calibration(pd.Series([0.1, np.nan, 2.0]), pd.Series([0.0, 1.0, 2.0]), ax=ax)
    assert "1 customers without a number left out" in ax.get_title(loc="left")


def test_alive_matrix(ax: Axes) -> None:
    model = ModifiedBetaGeoModel.from_parameters(
        {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, unit="week"
    )
    table = plots.plot_alive_matrix(model, age_days=270, up_to=12, ax=ax)
    assert table.shape == (61, 13)
    assert "Half are gone after" in words(ax)


def test_histories_that_cannot_be_look_unlike_customers_that_left(ax: Axes) -> None:
    plots.plot_alive_matrix(NBDModel.from_parameters({"r": 0.4, "alpha": 60.0}), age_days=30, up_to=3, ax=ax)
    nobody = ax.collections[0].get_cmap()(0.0)
    assert np.abs(np.array(to_rgb(ax.get_facecolor())) - nobody[:3]).min() > 0.1
    assert "grey: cannot be" in words(ax)


def test_alive_matrix_where_nobody_ever_leaves(ax: Axes) -> None:
    plots.plot_alive_matrix(NBDModel.from_parameters({"r": 0.4, "alpha": 60.0}), age_days=270, ax=ax)
    assert "silent for how long" in words(ax)


def test_alive_history(bg: BetaGeoModel, ax: Axes) -> None:
    bought = [date(1997, 1, 1), date(1997, 3, 1)]
    table = plots.plot_alive_history(bg, bought, as_of=date(1997, 7, 1), customer="customer 7", ax=ax)
    now = f"{table['probability_alive'].iloc[-1]:.0%}"
    assert f"Is customer 7 still there? {now} after 121 days of silence" in words(ax)


@pytest.mark.parametrize("survivors", [None, [1000, 869, 743]])
def test_retention(survivors: list[float] | None, ax: Axes) -> None:
    model = ShiftedBetaGeoModel.from_parameters({"alpha": 0.668, "beta": 3.806}, period_days=365)
    plots.plot_retention(model, periods=12, survivors=survivors, ax=ax)
    assert "85% renew the first time" in words(ax)
    assert ("observed" in words(ax)) == (survivors is not None)


@pytest.mark.parametrize("draw", [True, False], ids=["fitted", "given parameters"])
def test_parameter_correlation(bg: BetaGeoModel, draw: bool, ax: Axes) -> None:
    model = bg if draw else BetaGeoModel.from_parameters(bg.params_)
    plots.plot_parameter_correlation(model, ax=ax)
    assert ("a and b depend most on each other: 0.94" in words(ax)) == draw


def test_without_axes_a_figure_is_made(bg: BetaGeoModel) -> None:
    plt.switch_backend("Agg")
    count = len(plt.get_fignums())
    plots.plot_parameter_correlation(bg)
    assert len(plt.get_fignums()) == count + 1
    plt.close("all")
