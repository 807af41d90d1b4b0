"""Does the spend model reproduce the published figures, in any currency, and stay finite at its edges?"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import gamma
from sklearn.base import clone

from crm_analytics.clv.models import gamma_gamma
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.patterns import levels
from crm_analytics.errors import NotEnoughData, UsageError


def customers(frequency: list[float], spend: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"frequency": frequency, "monetary_value": spend})


def test_cdnow_parameters_and_standard_errors_are_the_published_ones(cdnow: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cdnow)
    expected = {"p": (6.249572, 1.19007), "q": (3.744225, 0.290135), "v": (15.443523, 4.159478)}
    for name, (value, error) in expected.items():
        assert model.params_[name] == pytest.approx(value, abs=5e-6), name
        assert model.standard_errors_[name] == pytest.approx(error, rel=1e-3), name
    assert model.log_likelihood_ == pytest.approx(-4055.91769, abs=1e-4)
    assert model.customers_ == 946
    assert model.left_out_ == 0
    assert model.verdict_.status == "ok"


def test_expected_spend_of_hardies_customers() -> None:
    model = GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
    spend = model.expected_spend(customers([2, 1, 0, 7, 2], [22.35, 11.77, 0, 73.74, 25.55]))
    assert spend.round(2).tolist() == [24.66, 18.92, 35.22, 71.47, 27.29]


def test_lifetimes_agrees_on_expected_spend(cdnow: pd.DataFrame, lifetimes: ModuleType) -> None:
    model = GammaGammaModel().fit(cdnow)
    fitter = lifetimes.GammaGammaFitter()
    fitter.params_ = pd.Series(model.params_)
    repeat = cdnow[cdnow["frequency"] > 0]
    theirs = fitter.conditional_expected_average_profit(repeat["frequency"], repeat["monetary_value"])
    np.testing.assert_allclose(model.expected_spend(repeat), theirs, rtol=1e-12)


@pytest.mark.parametrize("factor", [100.0, 1e7], ids=["cents", "rial"])
def test_currency_unit_changes_nothing_but_the_unit(cdnow: pd.DataFrame, factor: float) -> None:
    in_units = GammaGammaModel().fit(cdnow)
    in_parts = GammaGammaModel().fit(cdnow.assign(monetary_value=cdnow["monetary_value"] * factor))
    assert in_parts.params_["p"] == pytest.approx(in_units.params_["p"], rel=1e-9)
    assert in_parts.params_["q"] == pytest.approx(in_units.params_["q"], rel=1e-9)
    assert in_parts.params_["v"] / factor == pytest.approx(in_units.params_["v"], rel=1e-9)


def test_order_of_the_rows_changes_no_bit_and_weights_count_as_rows(cdnow: pd.DataFrame) -> None:
    weights = np.arange(len(cdnow)) % 3
    order = np.random.default_rng(1).permutation(len(cdnow))
    weighted = GammaGammaModel().fit(cdnow, weights=weights)
    shuffled = GammaGammaModel().fit(cdnow.iloc[order], weights=weights[order])
    assert weighted.to_json() == shuffled.to_json()
    repeated = GammaGammaModel().fit(cdnow.loc[cdnow.index.repeat(weights)])
    assert weighted.params_ == pytest.approx(repeated.params_, rel=1e-9)


def test_customers_without_positive_spend_are_left_out_and_counted(cdnow: pd.DataFrame) -> None:
    strange = customers([2, 3, 1, 4], [0.0, -5.0, np.nan, np.inf])
    both = pd.concat([cdnow[["frequency", "monetary_value"]], strange], ignore_index=True)
    model = GammaGammaModel().fit(both)
    assert model.left_out_ == 4
    assert model.params_ == GammaGammaModel().fit(cdnow).params_
    everyone = model.params_["p"] * model.params_["v"] / (model.params_["q"] - 1)
    assert model.expected_spend(strange).tolist() == [everyone] * 4


@pytest.mark.parametrize(
    "cohort",
    [
        customers([3], [10.0]),
        customers([3, 3], [10.0, 10.0]),
        customers([1] * 50, [10.0] * 50),
        customers([5] * 50, list(np.geomspace(1, 1e12, 50))),
    ],
    ids=["one customer", "two alike", "constant amounts", "no mean exists"],
)
def test_no_optimum_is_named_and_gives_finite_positive_spend(cohort: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cohort)
    assert model.verdict_.status in {"boundary", "failed"}
    assert "runs to" in model.verdict_.reasons[-1]
    assert model.params_["q"] > 1
    spend = model.expected_spend(cohort)
    assert np.isfinite(spend).all()
    assert (spend > 0).all()


def test_constant_amounts_predict_the_constant() -> None:
    model = GammaGammaModel().fit(customers([1, 2, 3] * 30, [10.0] * 90))
    np.testing.assert_allclose(model.expected_spend(customers([2, 0], [10.0, 0.0])), 10.0, rtol=1e-3)


def test_simulated_parameters_are_found_again() -> None:
    rng = np.random.default_rng(3)
    truth = {"p": 5.0, "q": 4.0, "v": 20.0}
    frequency = rng.integers(1, 8, 3000)
    own = rng.gamma(truth["q"], 1 / truth["v"], 3000)
    model = GammaGammaModel().fit(
        customers(frequency.tolist(), (rng.gamma(truth["p"] * frequency) / own / frequency).tolist())
    )
    for name, value in truth.items():
        assert abs(model.params_[name] - value) < 3 * model.standard_errors_[name], (name, model.params_)


def simulated(seed: int, size: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers with one to some single amounts each, and what each really spends on average."""
    rng = np.random.default_rng(seed)
    frequency, own = rng.geometric(0.45, size), rng.gamma(3.74, 1 / 15.44, size)
    buyer = np.repeat(np.arange(size), frequency)
    amount = rng.gamma(6.25, 1 / own[buyer])
    sums = np.bincount(buyer, amount), np.bincount(buyer, np.log(amount))
    table = customers(frequency.tolist(), (sums[0] / frequency).tolist())
    return table.assign(log_spend_sum=sums[1]), 6.25 / own


def test_likelihood_of_single_amounts_is_the_integral_over_the_customers_own_rate() -> None:
    """One customer with four amounts: the product of their densities, averaged over nu."""
    amounts = np.array([12.0, 7.5, 30.25, 9.0])
    one = customers([4.0], [amounts.mean()]).assign(log_spend_sum=np.log(amounts).sum())
    model = GammaGammaModel("amounts").fit(pd.concat([one] * 30 + [simulated(1, 200)[0]]))
    p, q, v = model.params_.values()

    def joint(nu: float) -> float:
        return float(np.prod(gamma.pdf(amounts, p, scale=1 / nu)) * gamma.pdf(nu, q, scale=1 / v))

    exact = np.log(quad(joint, 0, np.inf, epsabs=0, epsrel=1e-11)[0])
    theta, (ours, slope) = model.log_parameters(), (rows(model, one))
    assert ours == pytest.approx(exact, abs=1e-9)
    for i, step in enumerate(1e-6 * np.eye(3)):
        high, low = (rows(from_logs(theta + move), one)[0] for move in (step, -step))
        assert slope[i] == pytest.approx((high - low) / 2e-6, abs=1e-6)


def rows(model: GammaGammaModel, table: pd.DataFrame) -> tuple[float, np.ndarray]:
    """The log-likelihood of one customer with given parameters, and the model's scores of it."""
    x, m, log_sum = (table[name].to_numpy(float) for name in ("frequency", "monetary_value", "log_spend_sum"))
    value = gamma_gamma._rows(model.log_parameters(), levels(x), m, log_sum)[0]
    return value.item(), model.scores(table)[0]


def from_logs(theta: np.ndarray) -> GammaGammaModel:
    p, above_one, v = np.exp(theta)
    return GammaGammaModel.from_parameters({"p": p, "q": 1 + above_one, "v": v}, learn_from="amounts")


def test_single_amounts_tell_p_several_times_more_surely_than_means() -> None:
    table, real = simulated(5, 3000)
    means, amounts = GammaGammaModel().fit(table), GammaGammaModel("amounts").fit(table)
    for name, value in {"p": 6.25, "q": 3.74, "v": 15.44}.items():
        assert abs(amounts.params_[name] - value) < 3 * amounts.standard_errors_[name], (
            name,
            amounts.params_,
        )
    assert amounts.standard_errors_["p"] < means.standard_errors_["p"] / 3
    assert amounts.standard_errors_["q"] < means.standard_errors_["q"]
    # in small cohorts whose mean to trust is guesswork, from means alone
    errors = {"means": 0.0, "amounts": 0.0}
    for seed in range(8):
        few, real = simulated(seed, 100)
        for how in errors:
            errors[how] += float(
                np.sqrt(((GammaGammaModel(how).fit(few).expected_spend(few) - real) ** 2).mean())
            )
    assert errors["amounts"] < 0.98 * errors["means"]


@pytest.mark.parametrize("factor", [100.0, 1e7], ids=["cents", "rial"])
def test_single_amounts_in_another_currency_unit(factor: float) -> None:
    table, _ = simulated(2, 400)
    more = table["log_spend_sum"] + table["frequency"] * np.log(factor)
    parts = table.assign(monetary_value=table["monetary_value"] * factor, log_spend_sum=more)
    one, other = GammaGammaModel("amounts").fit(table), GammaGammaModel("amounts").fit(parts.iloc[::-1])
    assert other.params_["p"] == pytest.approx(one.params_["p"], rel=1e-9)
    assert other.params_["v"] / factor == pytest.approx(one.params_["v"], rel=1e-9)
    change = -float(table["frequency"].sum()) * np.log(factor)
    assert other.log_likelihood_ == pytest.approx(one.log_likelihood_ + change, rel=1e-12)
    back = GammaGammaModel.from_json(one.to_json())
    assert (back.get_params(), back.params_) == ({"learn_from": "amounts"}, one.params_)


def test_single_amounts_that_cannot_be_are_refused_and_missing_ones_left_out() -> None:
    table, _ = simulated(4, 60)
    some = table.assign(log_spend_sum=table["log_spend_sum"].where(table.index != 3))
    assert GammaGammaModel("amounts").fit(some).left_out_ == 1
    wrong = table.assign(log_spend_sum=table["log_spend_sum"] + 9.0)
    with pytest.raises(UsageError, match="log_spend_sum cannot be true in 60 rows"):
        GammaGammaModel("amounts").fit(wrong)
    with pytest.raises(UsageError, match="has no column 'log_spend_sum'"):
        GammaGammaModel("amounts").fit(table[["frequency", "monetary_value"]])
    with pytest.raises(UsageError, match="learn_from='sums' must be one of means, amounts"):
        GammaGammaModel("sums").fit(table)


def test_single_amounts_of_cdnow_foresee_the_spend_of_the_holdout_better(
    cdnow: pd.DataFrame, cdnow_orders: pd.DataFrame
) -> None:
    days = cdnow_orders.groupby(["customer_id", "ordered_on"])["spend"].sum().reset_index()
    repeat = days[days["customer_id"].duplicated() & (days["ordered_on"] <= "1997-09-30")]
    later = days[days["ordered_on"] > "1997-09-30"].groupby("customer_id")["spend"].mean()
    log_sum = np.log(repeat["spend"]).groupby(repeat["customer_id"]).sum()
    known = cdnow.set_index("customer_id").assign(log_spend_sum=log_sum).fillna({"log_spend_sum": 0.0})
    count = known.loc[later.index, "actual"]
    errors, models = [], [GammaGammaModel(), GammaGammaModel("amounts")]
    for model in models:
        spend = model.fit(known).expected_spend(known)[later.index]
        errors.append(float(np.sqrt((count * (spend - later) ** 2).sum() / count.sum())))
    assert errors == pytest.approx([23.906, 23.258], abs=2e-3)
    assert models[1].params_["p"] == pytest.approx(3.609959, abs=1e-5)
    assert models[1].standard_errors_["p"] < models[0].standard_errors_["p"] / 10


def test_nobody_to_learn_from_is_said_in_words() -> None:
    with pytest.raises(NotEnoughData, match="none of the 2 customers has one"):
        GammaGammaModel().fit(customers([0, 2], [0.0, -3.0]))
    with pytest.raises(UsageError, match="has no column 'monetary_value'"):
        GammaGammaModel().fit(pd.DataFrame({"frequency": [1]}))
    with pytest.raises(UsageError, match=r"each a number > \{'q': 1.0\}"):
        GammaGammaModel.from_parameters({"p": 1.0, "q": 0.9, "v": 1.0})


def test_saved_model_comes_back_equal_and_can_be_cloned(cdnow: pd.DataFrame) -> None:
    model = GammaGammaModel().fit(cdnow)
    back = GammaGammaModel.from_json(model.to_json())
    assert back.params_ == model.params_
    assert back.to_json() == model.to_json()
    assert clone(model).get_params() == {"learn_from": "means"}
