"""Does BG/BB reproduce the published donations, and keep the laws of a model of opportunities?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics.clv.models.bg_bb import BetaGeoBetaBinomModel
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError

YEAR = 365
# frequency, last opportunity used, donors, donations of the next five years (n = 6)
DONORS = [
    (6, 6, 1203, 4252), (5, 6, 728, 2227), (4, 6, 512, 1393), (3, 6, 357, 817), (2, 6, 234, 442),
    (1, 6, 129, 190), (5, 5, 335, 582), (4, 5, 284, 542), (3, 5, 225, 373), (2, 5, 173, 244),
    (1, 5, 119, 136), (4, 4, 240, 201), (3, 4, 181, 170), (2, 4, 155, 114), (1, 4, 78, 44),
    (3, 3, 322, 148), (2, 3, 255, 118), (1, 3, 129, 78), (2, 2, 613, 244), (1, 2, 277, 103),
    (1, 1, 1091, 238), (0, 0, 3464, 604),
]  # fmt: skip
MANUAL = {"alpha": 1.20, "beta": 0.75, "gamma": 0.66, "delta": 2.78}
WALKTHROUGH = {"alpha": 1.203528, "beta": 0.749726, "gamma": 0.656781, "delta": 2.783796}


def years(*rows: tuple[int, int, int]) -> pd.DataFrame:
    """frequency, last opportunity used, opportunities: a summary in days."""
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    return table.assign(recency=table["recency"] * YEAR, T=table["T"] * YEAR)


def manual() -> BetaGeoBetaBinomModel:
    return BetaGeoBetaBinomModel.from_parameters(MANUAL, period_days=YEAR)


@pytest.fixture(scope="module")
def donors() -> pd.DataFrame:
    table = years(*((x, t, 6) for x, t, _, _ in DONORS))
    return table.assign(count=[row[2] for row in DONORS], later=[row[3] for row in DONORS])


@pytest.fixture(scope="module")
def fitted(donors: pd.DataFrame) -> BetaGeoBetaBinomModel:
    return BetaGeoBetaBinomModel(YEAR).fit(donors, weights=donors["count"])


def test_parameters_log_likelihood_and_standard_errors_of_the_donations(
    fitted: BetaGeoBetaBinomModel,
) -> None:
    assert fitted.params_["alpha"] == pytest.approx(1.2035, abs=5e-5)
    assert fitted.params_["beta"] == pytest.approx(0.7497, abs=5e-5)
    assert fitted.params_["gamma"] == pytest.approx(0.6567, abs=5e-5)
    assert 2.7834 <= fitted.params_["delta"] <= 2.7839
    assert fitted.log_likelihood_ == pytest.approx(-33225.58, abs=5e-3)
    expected = {"alpha": 0.06939, "beta": 0.02945, "gamma": 0.05101, "delta": 0.32082}
    assert fitted.standard_errors_ == pytest.approx(expected, rel=1e-3)
    assert fitted.verdict_.status == "ok", fitted.verdict_


def test_means_and_variances_of_buying_and_leaving(fitted: BetaGeoBetaBinomModel) -> None:
    a, b, c, d = fitted.params_.values()
    assert a / (a + b) == pytest.approx(0.6162, abs=5e-5)
    assert a * b / (a + b) ** 2 / (a + b + 1) == pytest.approx(0.0801, abs=5e-5)
    assert c / (c + d) == pytest.approx(0.1909, abs=5e-5)
    assert c * d / (c + d) ** 2 / (c + d + 1) == pytest.approx(0.0348, abs=5e-5)


def test_donations_of_the_next_five_years(donors: pd.DataFrame, fitted: BetaGeoBetaBinomModel) -> None:
    total = fitted.expected_purchases(donors, horizon_days=5 * YEAR) * donors["count"]
    assert total.sum() == pytest.approx(12884.2, abs=0.05)
    assert donors["later"].sum() == 13_260
    by_frequency = (
        total.groupby(donors["frequency"]).sum() / donors["count"].groupby(donors["frequency"]).sum()
    )
    published = [0.07286, 0.32489, 0.70896, 1.33369, 2.03124, 2.78452, 3.75254]
    np.testing.assert_allclose(by_frequency, published, atol=6e-6)


def test_single_donors_of_the_walkthrough() -> None:
    model = BetaGeoBetaBinomModel.from_parameters(WALKTHROUGH, period_days=YEAR)
    pair = model.expected_purchases(years((0, 0, 6), (4, 5, 6)), horizon_days=10 * YEAR)
    np.testing.assert_allclose(pair, [0.1302169, 3.627858], rtol=3e-5)
    assert model.expected_purchases_new(10 * YEAR) == pytest.approx(3.1798, abs=5e-5)
    alive = model.probability_alive(years((0, 0, 6), (2, 4, 6), (6, 6, 6)), days_ahead=YEAR)
    np.testing.assert_allclose(alive, [0.108, 0.590, 0.930], atol=5e-4)
    yearly = np.diff([model.expected_purchases_new(n * YEAR) for n in range(12)]) * 11_104
    published = [5535.8, 4717.1, 4147.6, 3724.7, 3395.9, 3131.6, 2913.8, 2730.5, 2573.7, 2437.9, 2318.7]
    np.testing.assert_allclose(yearly, published, atol=0.11)


def test_example_of_the_manual() -> None:
    model, one = manual(), years((3, 4, 6))
    assert model.log_likelihood(one).item() == pytest.approx(-5.06086818, abs=5e-9)
    assert model.expected_purchases(one, horizon_days=10 * YEAR).item() == pytest.approx(1.8408127, abs=5e-8)
    assert model.probability_alive(one, days_ahead=YEAR).item() == pytest.approx(0.43834385, abs=5e-9)


def test_discounted_purchases_for_ever() -> None:
    one = manual().discounted_expected_purchases(years((3, 4, 6)), annual_discount_rate=0.1).item()
    assert one == pytest.approx(1.62137919, abs=1e-8)
    recent = manual().discounted_expected_purchases(
        years(*((x, 6, 6) for x in range(1, 7))), annual_discount_rate=0.1
    )
    published = [1.8020448, 2.6211561, 3.4402673, 4.2593788, 5.0784899, 5.8976012]
    np.testing.assert_allclose(recent, published, atol=6e-8)
    long = manual().discounted_expected_purchases(
        years((3, 4, 6)), annual_discount_rate=0.1, horizon_days=1000 * YEAR
    )
    assert long.item() == pytest.approx(one, rel=1e-10)


def test_discounting_knows_how_long_a_period_is() -> None:
    monthly = BetaGeoBetaBinomModel.from_parameters(MANUAL, period_days=30)
    yearly = manual().discounted_expected_purchases(years((3, 4, 6)), annual_discount_rate=0.1).item()
    table = years((3, 4, 6)) * [1, 30 / YEAR, 30 / YEAR]
    same_per_period = float(1.1 ** (YEAR / 30) - 1)
    assert monthly.discounted_expected_purchases(
        table, annual_discount_rate=same_per_period
    ).item() == pytest.approx(yearly, rel=1e-12)


def test_counts_sum_to_one_and_their_mean_is_the_expectation() -> None:
    model, table = manual(), years((0, 0, 6), (3, 4, 6), (6, 6, 6), (0, 0, 0))
    counts = model.purchase_count_probabilities(table, horizon_days=20 * YEAR, up_to=25)
    np.testing.assert_allclose(counts.sum(axis=1), 1.0, atol=1e-12)
    expected = model.expected_purchases(table, horizon_days=20 * YEAR)
    np.testing.assert_allclose(counts.mul(counts.columns).sum(axis=1), expected, rtol=1e-11)
    silent = model.probability_no_purchase(table, horizon_days=20 * YEAR)
    np.testing.assert_allclose(counts[0], silent, rtol=1e-11)
    assert (counts.loc[:, 21:] == 0).all().all()


def test_next_purchase_is_the_first_opportunity_that_reaches_the_chance() -> None:
    model, table = manual(), years((0, 0, 6), (3, 4, 6), (6, 6, 6))
    days = model.next_purchase_days(table, quantile=0.4)
    assert np.isnan(days[0])
    for row in (1, 2):
        one = table.iloc[[row]]
        assert model.probability_no_purchase(one, horizon_days=days[row]).item() <= 0.6
        assert model.probability_no_purchase(one, horizon_days=days[row] - YEAR).item() > 0.6


def test_simulation_agrees_with_the_formulas() -> None:
    model = manual()
    drawn = model.simulate(np.full(20_000, 8 * YEAR), horizon_days=5 * YEAR, seed=3)
    for seen, expected in (
        (drawn["future_purchases"], model.expected_purchases(drawn, horizon_days=5 * YEAR)),
        (drawn["is_alive"].astype(float), model.probability_alive(drawn)),
        (drawn["frequency"], pd.Series(model.expected_purchases_new(8 * YEAR), index=drawn.index)),
    ):
        off = seen - expected
        assert abs(off.mean()) < 3.5 * off.std() / np.sqrt(len(off))
    found = BetaGeoBetaBinomModel(YEAR).fit(drawn)
    for name, value in MANUAL.items():
        assert abs(found.params_[name] - value) < 3.5 * found.standard_errors_[name], name


def test_weights_order_and_saving_change_nothing(donors: pd.DataFrame, fitted: BetaGeoBetaBinomModel) -> None:
    backwards = donors.iloc[::-1]
    again = BetaGeoBetaBinomModel(YEAR).fit(backwards, weights=backwards["count"])
    assert again.to_json() == fitted.to_json()
    few = donors.assign(count=donors["count"] // 50)
    repeated = few.loc[few.index.repeat(few["count"])]
    once = BetaGeoBetaBinomModel(YEAR).fit(repeated).params_
    assert BetaGeoBetaBinomModel(YEAR).fit(few, weights=few["count"]).params_ == pytest.approx(once, rel=1e-9)
    back = BetaGeoBetaBinomModel.from_json(fitted.to_json())
    assert back.to_json() == fitted.to_json()
    assert clone(back).get_params() == {"period_days": YEAR}


def test_period_length_does_not_matter_to_the_fit(
    donors: pd.DataFrame, fitted: BetaGeoBetaBinomModel
) -> None:
    weekly = donors.assign(recency=donors["recency"] / YEAR * 7, T=donors["T"] / YEAR * 7)
    other = BetaGeoBetaBinomModel(7).fit(weekly, weights=donors["count"])
    assert other.params_ == pytest.approx(fitted.params_, rel=1e-9)
    np.testing.assert_allclose(
        other.expected_purchases(weekly, horizon_days=35),
        fitted.expected_purchases(donors, horizon_days=5 * YEAR),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 1, 2)],
        [(3, 3, 3)] * 5,
        [(0, 0, 5)] * 9 + [(1, 1, 5)],
        [(1000, 1000, 1000), (0, 0, 1000), (3, 9, 1000)],
    ],
    ids=["one customer", "always", "one purchase", "a thousand purchases"],
)
def test_edges_are_named_and_give_finite_answers(rows: list[tuple[int, int, int]]) -> None:
    table = years(*rows)
    model = BetaGeoBetaBinomModel(YEAR).fit(table)
    assert (model.verdict_.status == "ok") == (len(rows) == 3), model.verdict_
    assert (model.verdict_.reasons == ()) == (len(rows) == 3)
    for answer in (
        model.expected_purchases(table, horizon_days=5 * YEAR),
        model.probability_alive(table),
        model.discounted_expected_purchases(table, annual_discount_rate=0.1),
    ):
        assert np.isfinite(answer).all()


def test_bad_input_is_refused_in_words() -> None:
    model = manual()
    with pytest.raises(UsageError, match=r"1 rows .* position 1 is no whole number of periods"):
        model.expected_purchases(
            pd.DataFrame({"frequency": [0, 1], "recency": [0, 400], "T": [730, 730]}), horizon_days=365
        )
    with pytest.raises(UsageError, match="position 0 holds more purchases than opportunities"):
        BetaGeoBetaBinomModel(YEAR).fit(years((3, 2, 6)))
    with pytest.raises(UsageError, match=r"400 days are no whole number of opportunities .* for example 730"):
        model.expected_purchases(years((1, 1, 2)), horizon_days=400)
    with pytest.raises(UsageError, match="period_days=0 must be"):
        BetaGeoBetaBinomModel(0).fit(years((1, 1, 2)))
    with pytest.raises(DegenerateCohortError, match="none of the 2 customers"):
        BetaGeoBetaBinomModel(YEAR).fit(years((0, 0, 3), (0, 0, 4)))
    with pytest.raises(DegenerateCohortError, match="no time has passed"):
        BetaGeoBetaBinomModel(YEAR).fit(years((0, 0, 0)))
    with pytest.raises(NotEnoughData, match="the summary has none"):
        BetaGeoBetaBinomModel(YEAR).fit(years())
