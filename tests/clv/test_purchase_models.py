"""Do the purchase models reproduce the published figures, and do they keep the laws every such model must
keep?

Times in the papers are weeks; models store days.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.errors import DegenerateCohortError, ModelFileError, NotEnoughData, UsageError

HOLDOUT_DAYS = 39 * 7
BETA_GEO: dict[str, type[BetaGeoModel]] = {"bg_nbd": BetaGeoModel, "mbg_nbd": ModifiedBetaGeoModel}
every_model = pytest.mark.parametrize("model_class", BETA_GEO.values(), ids=BETA_GEO)

PUBLISHED = {
    "bg_nbd": {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426},
    "mbg_nbd": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
}
FITTED = {
    "bg_nbd": (
        {"r": 0.242595, "alpha": 4.413602, "a": 0.792922, "b": 2.425907},
        {"r": 0.012557, "alpha": 0.378224, "a": 0.185734, "b": 0.705415},
        -9582.42921,
    ),
    "mbg_nbd": (
        {"r": 0.524843, "alpha": 6.183085, "a": 0.891360, "b": 1.614003},
        {"r": 0.083268, "alpha": 0.695622, "a": 0.154790, "b": 0.537496},
        -9582.13572,
    ),
}
BY_FREQUENCY = {
    "bg_nbd": (
        [0.2251, 0.5231, 1.0441, 1.5203, 2.1639, 2.6538, 3.5040, 6.1572],
        1653.41,
        0.78545,
        1.60798,
        0.62565,
    ),
    "mbg_nbd": (
        [0.1852, 0.5514, 1.0490, 1.4929, 2.1043, 2.5636, 3.3608, 5.8485],
        1576.73,
        0.76478,
        1.60718,
        0.62725,
    ),
}


def weekly(frequency: object, recency: object, T: object) -> pd.DataFrame:
    """A summary whose times are given in weeks."""
    columns = {"frequency": frequency, "recency": recency, "T": T}
    summary = pd.DataFrame(
        {name: np.atleast_1d(np.asarray(value, dtype=float)) for name, value in columns.items()}
    )
    return summary.assign(recency=summary["recency"] * 7, T=summary["T"] * 7)


def published(model_class: type[BetaGeoModel]) -> BetaGeoModel:
    return model_class.from_parameters(PUBLISHED[model_class.name], unit="week")


@pytest.fixture(scope="module")
def fitted(cdnow: pd.DataFrame) -> dict[str, BetaGeoModel]:
    return {name: model_class().fit(cdnow) for name, model_class in BETA_GEO.items()}


@every_model
def test_cdnow_parameters_log_likelihood_and_standard_errors_are_the_published_ones(
    model_class: type[BetaGeoModel], fitted: dict[str, BetaGeoModel]
) -> None:
    model = fitted[model_class.name]
    parameters, errors, log_likelihood = FITTED[model_class.name]
    weeks, table = model.describe("week"), model.parameter_table("week")
    for name, value in parameters.items():
        assert weeks[name] == table.loc[name, "value"] == pytest.approx(value, abs=2e-6), name
        assert table.loc[name, "standard_error"] == pytest.approx(errors[name], rel=1e-3), name
        assert table.loc[name, "low"] < value < table.loc[name, "high"]
    assert weeks["log_likelihood"] == pytest.approx(log_likelihood, abs=1e-4)
    assert model.verdict_.status == "ok", model.verdict_
    assert model.params_["alpha"] == pytest.approx(7 * weeks["alpha"])


def test_bg_nbd_log_scale_correlations_on_cdnow(fitted: dict[str, BetaGeoModel]) -> None:
    covariance = fitted["bg_nbd"].log_covariance_
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    assert correlation[0, 1] == pytest.approx(0.780, abs=6e-4)
    assert correlation[2, 3] == pytest.approx(0.940, abs=6e-4)
    assert correlation[0, 2] == pytest.approx(-0.038, abs=6e-4)


@every_model
def test_cdnow_holdout_table(
    model_class: type[BetaGeoModel], fitted: dict[str, BetaGeoModel], cdnow: pd.DataFrame
) -> None:
    bands, total, mae, rmse, correlation = BY_FREQUENCY[model_class.name]
    expected = fitted[model_class.name].expected_purchases(cdnow, horizon_days=HOLDOUT_DAYS)
    error = expected - cdnow["actual"]
    assert cdnow["actual"].sum() == 1882
    assert expected.groupby(cdnow["frequency"].clip(upper=7)).mean().round(4).tolist() == bands
    assert round(expected.sum(), 2) == total
    assert error.abs().mean() == pytest.approx(mae, abs=6e-6)
    assert (error**2).mean() ** 0.5 == pytest.approx(rmse, abs=6e-6)
    assert np.corrcoef(expected, cdnow["actual"])[0, 1] == pytest.approx(correlation, abs=6e-6)


@pytest.mark.parametrize(
    ("model_class", "purchases", "alive"),
    [(BetaGeoModel, 1.226028, 0.726579), (ModifiedBetaGeoModel, 1.262961, 0.706202)],
)
def test_customer_of_hardies_spreadsheet(
    model_class: type[BetaGeoModel], purchases: float, alive: float
) -> None:
    customer, model = weekly(2, 30.43, 38.86), published(model_class)
    assert model.expected_purchases(customer, horizon_days=HOLDOUT_DAYS).item() == pytest.approx(
        purchases, abs=5e-7
    )
    assert model.probability_alive(customer).item() == pytest.approx(alive, abs=5e-7)


def test_customer_1516_of_the_btyd_walkthrough(fitted: dict[str, BetaGeoModel]) -> None:
    customer, model = weekly(26, 30.857, 31), fitted["bg_nbd"]
    assert model.expected_purchases(customer, horizon_days=52 * 7).item() == pytest.approx(25.757, abs=2e-3)
    assert model.probability_alive(customer).item() == pytest.approx(0.96885, abs=2e-5)
    assert model.expected_purchases_new(52 * 7) == pytest.approx(1.4440, abs=5e-5)


def test_more_purchases_long_ago_mean_fewer_to_come(fitted: dict[str, BetaGeoModel]) -> None:
    customers = weekly([10, 15, 20, 25], [20] * 4, [39] * 4)
    expected = fitted["bg_nbd"].expected_purchases(customers, horizon_days=52 * 7)
    np.testing.assert_allclose(expected, [0.34746, 0.042834, 0.0041590, 0.00035837], rtol=2e-4)


def test_bg_nbd_purchases_of_a_new_customer(fitted: dict[str, BetaGeoModel]) -> None:
    weeks = [0.1429, 1, 3, 31.8571, 32, 78]
    expected = [fitted["bg_nbd"].expected_purchases_new(week * 7) for week in weeks]
    np.testing.assert_allclose(expected, [0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.858], atol=5.1e-4)
    assert fitted["bg_nbd"].expected_purchases_new(0) == 0.0


def test_bg_nbd_counts_of_a_new_customer_as_in_the_btyd_manual() -> None:
    model = published(BetaGeoModel)
    assert model.purchase_count_probabilities_new(2 * 7)[10] == pytest.approx(1.07869e-07, rel=5e-6)
    assert model.purchase_count_probabilities_new(39 * 7)[0] == pytest.approx(0.5737864, abs=5e-8)
    thirty = model.purchase_count_probabilities_new(30 * 7, up_to=20).loc[11:].tolist()
    expected = [
        0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638,
        0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260,
    ]  # fmt: skip
    np.testing.assert_allclose(thirty, expected, atol=5e-11)


def test_bg_nbd_counts_of_the_next_39_weeks() -> None:
    customer, model = weekly(2, 30.43, 38.86), published(BetaGeoModel)
    counts = model.purchase_count_probabilities(customer, horizon_days=HOLDOUT_DAYS, up_to=2000).iloc[0]
    np.testing.assert_allclose(counts[:4], [0.445373, 0.239319, 0.144183, 0.080850], atol=5e-7)
    assert (counts * counts.index).sum() == pytest.approx(1.226028, abs=5e-7)


def test_expected_calibration_histogram_of_bg_nbd(
    fitted: dict[str, BetaGeoModel], cdnow: pd.DataFrame
) -> None:
    by_age = cdnow.groupby("T").size()
    expected = sum(
        count * fitted["bg_nbd"].purchase_count_probabilities_new(float(age), up_to=6)
        for age, count in by_age.items()
    )
    np.testing.assert_allclose(expected, [1407.68, 460.32, 192.46, 101.16, 59.85, 38.12, 25.55], atol=5e-3)


def test_discounted_purchases_of_a_living_customer_reach_the_published_total() -> None:
    """DERT of a customer alive: 15 % per year, .0027 per week; 60 years stand for ever."""
    model = published(BetaGeoModel)
    customer, annual = weekly(2, 30.43, 38.86), float(np.expm1(0.0027 / 7 * 365))
    value = model.discounted_expected_purchases(customer, annual_discount_rate=annual).item()
    assert value == pytest.approx(5.156379826, abs=1e-8)
    assert value / model.probability_alive(customer).item() == pytest.approx(7.096795912, abs=1e-8)


@every_model
def test_lifetimes_agrees_on_cdnow(
    model_class: type[BetaGeoModel], fitted: dict[str, BetaGeoModel], cdnow: pd.DataFrame, lifetimes: object
) -> None:
    oracle = {"bg_nbd": "BetaGeoFitter", "mbg_nbd": "ModifiedBetaGeoFitter"}[model_class.name]
    fitter = getattr(lifetimes, oracle)()
    fitter.params_ = pd.Series(fitted[model_class.name].params_)
    some = cdnow.iloc[::7]
    history = (some["frequency"].to_numpy(), some["recency"].to_numpy(), some["T"].to_numpy())
    ours = fitted[model_class.name]
    np.testing.assert_allclose(
        ours.expected_purchases(some, horizon_days=100),
        fitter.conditional_expected_number_of_purchases_up_to_time(100, *history),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        ours.probability_alive(some), fitter.conditional_probability_alive(*history), rtol=1e-12
    )


@every_model
def test_weeks_and_days_give_the_same_answers(model_class: type[BetaGeoModel], cdnow: pd.DataFrame) -> None:
    days = model_class().fit(cdnow)
    weeks = model_class().fit(cdnow.assign(recency=cdnow["recency"] / 7, T=cdnow["T"] / 7))
    assert days.params_["alpha"] / 7 == pytest.approx(weeks.params_["alpha"], rel=1e-9)
    assert days.describe("week")["log_likelihood"] == pytest.approx(weeks.log_likelihood_, rel=1e-12)
    np.testing.assert_allclose(
        days.expected_purchases(cdnow, horizon_days=273),
        weeks.expected_purchases(
            cdnow.assign(recency=cdnow["recency"] / 7, T=cdnow["T"] / 7), horizon_days=39
        ),
        rtol=1e-9,
    )


@every_model
def test_order_of_the_rows_changes_no_bit(model_class: type[BetaGeoModel], cdnow: pd.DataFrame) -> None:
    weights = np.random.default_rng(5).uniform(0.5, 2.0, len(cdnow))
    order = np.random.default_rng(6).permutation(len(cdnow))
    plain = model_class().fit(cdnow, weights=weights)
    shuffled = model_class().fit(cdnow.iloc[order], weights=weights[order])
    assert plain.params_ == shuffled.params_
    assert plain.to_json() == shuffled.to_json()
    one_way = plain.expected_purchases(cdnow, horizon_days=90)
    other_way = shuffled.expected_purchases(cdnow.iloc[order], horizon_days=90)
    pd.testing.assert_series_equal(one_way, other_way.sort_index(), check_exact=True)


@every_model
def test_weights_count_like_repeated_rows(model_class: type[BetaGeoModel], cdnow: pd.DataFrame) -> None:
    some = cdnow.iloc[:400].reset_index(drop=True)
    weights = np.arange(400) % 3
    repeated = some.loc[some.index.repeat(weights)]
    weighted = model_class().fit(some, weights=weights)
    assert weighted.params_ == pytest.approx(model_class().fit(repeated).params_, rel=1e-9)
    assert weighted.customers_ == len(repeated)


@every_model
def test_a_customer_alone_gets_the_answer_of_the_batch(
    fitted: dict[str, BetaGeoModel], model_class: type[BetaGeoModel], cdnow: pd.DataFrame
) -> None:
    model = fitted[model_class.name]
    batch = model.expected_purchases(cdnow, horizon_days=90)
    for row in (0, 17, 2000):
        assert model.expected_purchases(cdnow.iloc[[row]], horizon_days=90).item() == batch.iloc[row]


histories = st.tuples(
    st.integers(0, 400), st.floats(0.0, 1.0), st.floats(1.0, 5000.0), st.floats(0.1, 20_000.0)
)
parameters = st.fixed_dictionaries(
    {
        "r": st.floats(0.01, 50),
        "alpha": st.floats(0.1, 3000),
        "a": st.one_of(st.just(1.0), st.floats(0.02, 30)),
        "b": st.floats(0.05, 30),
    }
)


@every_model
@settings(max_examples=60, deadline=None)
@given(history=histories, params=parameters)
def test_laws_of_a_purchase_model(
    model_class: type[BetaGeoModel], history: tuple[int, float, float, float], params: dict[str, float]
) -> None:
    frequency, share, T, horizon = history
    model = model_class.from_parameters(params)
    recency = max(share, 1e-3) * T if frequency else 0.0
    customer = pd.DataFrame({"frequency": [frequency], "recency": [recency], "T": [T]})
    alive = model.probability_alive(customer).item()
    soon = model.expected_purchases(customer, horizon_days=horizon).item()
    later = model.expected_purchases(customer, horizon_days=2 * horizon).item()
    silent = model.probability_no_purchase(customer, horizon_days=horizon).item()
    counts = model.purchase_count_probabilities(customer, horizon_days=horizon, up_to=0)
    assert 0.0 <= alive <= 1.0
    assert 0.0 <= soon <= later < np.inf
    assert model.expected_purchases(customer, horizon_days=0).item() == 0.0
    assert soon <= (params["r"] + frequency) / (params["alpha"] + T) * horizon * (1 + 1e-9)
    assert counts.iloc[0, 0] == pytest.approx(silent, abs=1e-12)
    assert soon >= (1.0 - silent) * (1 - 1e-7) - 1e-12
    discounted = [
        model.discounted_expected_purchases(customer, annual_discount_rate=rate, horizon_days=horizon).item()
        for rate in (0.0, 0.05, 0.4)
    ]
    # with a discount the purchases are summed numerically: at the extremes (r = 50 at a horizon of thousands
    # of times the age) the sum is good to some 1e-7
    assert discounted[0] * (1 + 1e-6) >= discounted[1]
    assert discounted[1] * (1 + 1e-6) >= discounted[2] >= 0.0
    assert discounted[0] == pytest.approx(soon, rel=1e-12)


@every_model
def test_mean_of_the_count_distribution_is_the_expected_number(model_class: type[BetaGeoModel]) -> None:
    model = published(model_class)
    customers = weekly([0, 2, 9], [0, 30, 38], [38.86] * 3)
    counts = model.purchase_count_probabilities(customers, horizon_days=HOLDOUT_DAYS, up_to=3000)
    np.testing.assert_allclose(counts.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(
        counts.mul(counts.columns).sum(axis=1),
        model.expected_purchases(customers, horizon_days=HOLDOUT_DAYS),
        rtol=1e-7,
    )
    new = model.purchase_count_probabilities_new(HOLDOUT_DAYS, up_to=3000)
    assert (new * new.index).sum() == pytest.approx(model.expected_purchases_new(HOLDOUT_DAYS), rel=1e-6)


@every_model
def test_nothing_overflows_at_the_ends_of_the_scale(model_class: type[BetaGeoModel]) -> None:
    frequency, T, gap = (
        grid.ravel() for grid in np.meshgrid([0, 1, 30, 600, 5000, 100_000], [1, 40, 5200], [0, 0.5, 0.999])
    )
    customers = weekly(frequency, np.where(frequency > 0, T * (1 - gap), 0.0), T)
    for r in (0.01, 1.0, 50.0):
        for alpha in (0.1, 30.0, 20_000.0):
            for a in (1e-5, 0.02, 1.0, 30.0, 1e5):
                for b in (1e-3, 1.0, 1e5):
                    model = model_class.from_parameters({"r": r, "alpha": alpha, "a": a, "b": b})
                    expected = model.expected_purchases(customers, horizon_days=70_000)
                    assert np.isfinite(expected).all(), (r, alpha, a, b)
                    assert (expected >= 0).all()
                    assert model.probability_alive(customers).between(0, 1).all()


def test_expected_purchases_equal_arithmetic_with_60_digits() -> None:
    """E[(1 - (1 + p z)^-s) / p] by mpmath's 2F1 at 60 digits, where Gauss-Jacobi is off by percents."""
    cases = [  # a, b + x, r + x, horizon / (alpha + T), exact value
        (0.79, 0.05, 50.0, 5000.0, 4.4884969281358895),
        (2.5, 0.05, 50.0, 10.0, 1.0333289372069758),
        (0.02, 90.0, 60.24, 0.5, 30.027741601690845),
        (0.02, 5000.05, 5000.24, 0.5, 2489.3276610974185),
        (0.02, 5002.4, 5000.24, 10.0, 48394.90924559035),
        (0.02, 5000.05, 5000.24, 5000.0, 21514709.24457423),
        (0.02, 30.0, 0.05, 0.5, 0.024995675894063995),
    ]
    for a, b, shape, ratio, exact in cases:
        model = BetaGeoModel.from_parameters({"r": shape, "alpha": 1.0, "a": a, "b": b})
        assert model.expected_purchases_new(ratio) == pytest.approx(exact, rel=1e-8), (a, b, shape, ratio)


@every_model
def test_simulated_parameters_are_found_again(model_class: type[BetaGeoModel]) -> None:
    rng = np.random.default_rng(20)
    truth = {"r": 0.6, "alpha": 40.0, "a": 0.9, "b": 2.5}
    rows = []
    for _ in range(4000):
        rate, leave = rng.gamma(truth["r"], 1 / truth["alpha"]), rng.beta(truth["a"], truth["b"])
        age, now, times = rng.uniform(100, 700), 0.0, [0.0]
        alive = model_class is BetaGeoModel or rng.random() > leave
        while alive:
            now += rng.exponential(1 / rate) if rate > 0 else np.inf
            if now > age:
                break
            times.append(now)
            alive = rng.random() > leave
        rows.append((len(times) - 1, times[-1], age))
    model = model_class().fit(pd.DataFrame(rows, columns=["frequency", "recency", "T"]))
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 3 * model.standard_errors_[name], (name, model.params_)


@every_model
def test_scikit_learn_can_clone_and_configure(model_class: type[BetaGeoModel], cdnow: pd.DataFrame) -> None:
    model = model_class()
    before = cdnow.copy()
    assert model.fit(cdnow) is model
    copy = clone(model)
    assert not hasattr(copy, "params_")
    assert copy.get_params() == model.get_params()
    with pytest.raises(UsageError, match="has no setting 'tol'"):
        model.set_params(tol=1)
    pd.testing.assert_frame_equal(cdnow, before)


@every_model
def test_saved_model_comes_back_equal(
    model_class: type[BetaGeoModel], fitted: dict[str, BetaGeoModel]
) -> None:
    model = fitted[model_class.name]
    back = model_class.from_json(model.to_json())
    assert back.params_ == model.params_
    assert back.to_json() == model.to_json()
    other = ModifiedBetaGeoModel if model_class is BetaGeoModel else BetaGeoModel
    with pytest.raises(ModelFileError, match=f"holds model '{model.name}'"):
        other.from_json(model.to_json())
    with pytest.raises(ModelFileError, match="is not a saved"):
        model_class.from_json("cos\nsystem")
    with pytest.raises(ModelFileError, match="is not a saved"):
        model_class.from_json(model.to_json().replace('"alpha"', '"alhpa"'))


def test_unfitted_model_says_so() -> None:
    with pytest.raises(UsageError, match="not fitted yet"):
        BetaGeoModel().expected_purchases_new(30)


@every_model
def test_degenerate_cohorts_are_refused_with_the_reason(model_class: type[BetaGeoModel]) -> None:
    with pytest.raises(NotEnoughData, match="the summary has none"):
        model_class().fit(weekly([], [], []))
    with pytest.raises(DegenerateCohortError, match="none of the 3 customers bought on a second day"):
        model_class().fit(weekly([0, 0, 0], [0, 0, 0], [3, 4, 5]))
    with pytest.raises(DegenerateCohortError, match="no time has passed"):
        model_class().fit(weekly([0, 0], [0, 0], [0, 0]))


@every_model
@pytest.mark.parametrize(
    "cohort",
    [
        weekly([3], [10], [12]),
        weekly([3, 3], [10, 10], [12, 12]),
        weekly([5, 4, 6, 5], [20, 20, 20, 20], [20, 20, 20, 20]),
        weekly([1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [50] * 5),
        weekly([10] * 50, [20] * 50, [21] * 50),
    ],
    ids=["one customer", "two alike", "nobody leaves", "one repeat purchase", "all alike"],
)
def test_edge_of_the_model_is_named_and_gives_finite_answers(
    model_class: type[BetaGeoModel], cohort: pd.DataFrame
) -> None:
    model = model_class().fit(cohort)
    assert model.verdict_.status == "boundary", model.verdict_
    assert model.verdict_.reasons
    assert np.isfinite(list(model.params_.values())).all()
    assert np.isfinite(list(model.standard_errors_.values())).all()
    assert np.isfinite(model.expected_purchases(cohort, horizon_days=365)).all()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ((2, 50, 40), "recency is larger than T"),
        ((2, 0, 40), "recency is 0"),
        ((0, 3, 40), "there is no repeat purchase"),
        ((-1, 3, 40), "negative"),
        ((1.5, 3, 40), "not a whole number"),
        ((np.nan, 3, 40), "missing or infinite"),
        ((1, 3, np.inf), "missing or infinite"),
    ],
)
def test_impossible_histories_are_refused_with_their_position(row: tuple[float, ...], complaint: str) -> None:
    summary = pd.DataFrame([(1, 2, 3), row], columns=["frequency", "recency", "T"])
    with pytest.raises(UsageError, match=f"1 of 2 rows(?s:.*){complaint}(?s:.*)position 1"):
        BetaGeoModel().fit(summary)


def test_wrong_tables_are_refused_in_words(cdnow: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="has no column 'T'; found 'frequency', 'recency'"):
        BetaGeoModel().fit(cdnow[["frequency", "recency"]])
    with pytest.raises(UsageError, match="Column 'recency' of the summary is not numeric"):
        BetaGeoModel().fit(cdnow.assign(recency="x"))
    with pytest.raises(UsageError, match="weights must be one finite number"):
        BetaGeoModel().fit(cdnow, weights=[1.0])
    with pytest.raises(UsageError, match="must be a number of days >= 0"):
        published(BetaGeoModel).expected_purchases(cdnow, horizon_days=-1)
    with pytest.raises(UsageError, match=r"unit='.*' must be one of day, week, month, year"):
        published(BetaGeoModel).describe("fortnight")
    with pytest.raises(UsageError, match="needs exactly the parameters r, alpha, a, b"):
        BetaGeoModel.from_parameters({"r": 1.0, "alpha": 2.0, "a": 1.0})
