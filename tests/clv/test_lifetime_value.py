"""Is every customer's value finite, explained by a status, and independent of what does not matter?"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import simpson

from crm_analytics.clv import lifetime_value, score_summary
from crm_analytics.clv.cohort_models import NO_PRICE, Models, fit_models, fit_purchases
from crm_analytics.clv.customer_value import NUMBERS
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.odd_customers import odd_age, odd_frequency, odd_spend
from crm_analytics.errors import DegenerateCohortError, UsageError
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(1997, 10, 1)
STATUSES = {"ok", "low_information", "fallback", "excluded"}


def cohort(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    """Frequency, recency, T and monetary_value per customer."""
    table = pd.DataFrame(list(rows), columns=["frequency", "recency", "T", "monetary_value"], dtype=float)
    x, recency = table["frequency"], table["recency"]
    gaps = np.where((x > 0) & (recency > 0), x * np.log(recency.clip(lower=1e-9) / x.clip(lower=1)), 0.0)
    ids = [f"C{number:05d}" for number in range(len(table))]
    return table.assign(customer_id=ids, log_gap_sum=gaps)


def with_one_more(cdnow: pd.DataFrame, *row: float) -> pd.DataFrame:
    odd = cohort(row).assign(customer_id="odd")  # type: ignore[arg-type]
    return pd.concat([cdnow.drop(columns="actual"), odd], ignore_index=True)


@pytest.fixture(scope="module")
def models(cdnow: pd.DataFrame) -> Models:
    """The models that score CDNOW by default."""
    return fit_models(cdnow)


@pytest.fixture(scope="module")
def scored_cdnow(cdnow: pd.DataFrame) -> pd.DataFrame:
    """CDNOW's customers with a margin of 30 %; nobody changes the table."""
    return score_summary(cdnow, margin_rate=0.3)


def assert_published(scored: pd.DataFrame) -> None:
    """Promise E1: finite and in range, or a status instead of a number."""
    assert set(scored["status"]) <= STATUSES
    assert (scored.loc[scored["status"] != "ok", "status_reason"] != "").all()
    assert (scored.loc[scored["status"] == "ok", "status_reason"] == "").all()
    numbers = scored[scored["status"] != "excluded"][list(NUMBERS)]
    days = numbers.filter(like="next_purchase_days")
    assert days.isna().any(axis=1).eq(days["next_purchase_days_high"].isna()).all(), (
        "the latest is lost first"
    )
    assert ((days >= 0) | days.isna()).all(axis=None)
    numbers = numbers.drop(columns=[name for name in numbers if "value" in name or "days" in name])
    if (scored["model"] == "mean_rate").any():
        numbers = numbers.drop(columns="probability_alive")
    else:
        assert numbers["probability_alive"].between(0, 1).all()
    if scored["status_reason"].str.contains(NO_PRICE).any():
        money = [name for name in numbers if "spend" in name or "revenue" in name]
        assert numbers[money].isna().all(axis=None), "nothing has a price"
        numbers = numbers.fillna(dict.fromkeys(money, 0.0))
    assert np.isfinite(numbers.to_numpy()).all()
    assert (numbers >= 0).all(axis=None)
    assert (numbers["expected_purchases_low"] <= numbers["expected_purchases_high"]).all()
    assert (numbers["lifetime_revenue_low"] <= numbers["lifetime_revenue_high"]).all()
    assert (numbers["lifetime_revenue"] <= numbers["expected_spend"] * (1 + 1e-12)).all()
    assert scored.loc[scored["status"] == "excluded", list(NUMBERS)].isna().all(axis=None)


def test_cdnow_gets_the_expected_purchases_of_the_model(cdnow: pd.DataFrame) -> None:
    plain = Models(BetaGeoModel().fit(cdnow), GammaGammaModel().fit(cdnow))
    scored = score_summary(cdnow, horizon_days=39 * 7, models=plain)
    assert scored["expected_purchases"].sum() == pytest.approx(1653.41, abs=5e-3)
    spend = GammaGammaModel().fit(cdnow).expected_spend(cdnow)
    np.testing.assert_allclose(scored["expected_spend"], scored["expected_purchases"] * spend, rtol=1e-12)
    assert scored["lifetime_value"].isna().all()
    assert scored["status"].value_counts().to_dict() == {"low_information": 1411, "ok": 946}
    assert_published(scored)


def test_revenue_is_discounted_with_the_rate_of_purchases(cdnow: pd.DataFrame, models: Models) -> None:
    """Against the discounted purchases so far, integrated by parts with Simpson's rule."""
    some = cdnow.iloc[[0, 3, 5, 100]]
    scored = score_summary(some, horizon_days=730, annual_discount_rate=0.15, models=models)
    days, rate = np.linspace(0, 730, 101), np.log(1.15) / 365
    cumulated = np.array([models.purchases.expected_purchases(some, horizon_days=day) for day in days])
    worth = np.exp(-rate * days)[:, None] * cumulated
    discounted = worth[-1] + rate * simpson(worth, x=days, axis=0)
    np.testing.assert_allclose(
        scored["lifetime_revenue"], discounted * models.spend.expected_spend(some), rtol=1e-6
    )
    undiscounted = score_summary(some, horizon_days=730, annual_discount_rate=0, models=models)
    np.testing.assert_allclose(undiscounted["lifetime_revenue"], undiscounted["expected_spend"], rtol=1e-12)


def test_value_is_revenue_times_margin_and_missing_where_margin_is_unknown(
    cdnow: pd.DataFrame, models: Models, scored_cdnow: pd.DataFrame
) -> None:
    ids = cdnow["customer_id"]
    np.testing.assert_allclose(scored_cdnow["lifetime_value"], 0.3 * scored_cdnow["lifetime_revenue"])
    few = cdnow.iloc[:40]
    some = score_summary(few, margin_rate=pd.Series([0.5, 0.2], index=[ids[7], ids[2]]), models=models)
    assert some["lifetime_value"].notna().sum() == 2
    assert some.loc[7, "lifetime_value"] == 0.5 * some.loc[7, "lifetime_revenue"]
    known = few.assign(net_spend=100.0, net_margin=np.where(few["customer_id"] == ids[7], 25.0, np.nan))
    own = score_summary(known, models=models)
    assert own.loc[7, "lifetime_value"] == 0.25 * own.loc[7, "lifetime_revenue"]
    assert own["lifetime_value"].notna().sum() == 1
    filled = score_summary(known, margin_rate=0.3, models=models)
    assert filled.loc[7, "lifetime_value"] == own.loc[7, "lifetime_value"]
    assert filled.loc[2, "lifetime_value"] == 0.3 * filled.loc[2, "lifetime_revenue"]


def test_limits_cover_the_actual_purchases_of_cdnow(cdnow: pd.DataFrame) -> None:
    scored = score_summary(cdnow, horizon_days=39 * 7)
    actual = cdnow["actual"]
    inside = actual.between(scored["expected_purchases_low"], scored["expected_purchases_high"]).mean()
    assert 0.87 <= inside <= 0.98


def simulated(size: int, seed: int, horizon: float) -> pd.DataFrame:
    """Customers of a known BG/NBD and Gamma-Gamma, with purchases and discounted revenue of the horizon."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(size):
        rate, leave = rng.gamma(0.8, 1 / 50), rng.beta(0.9, 3.0)
        own, age = rng.gamma(4.0, 1 / 20), float(rng.integers(60, 700))
        now, seen, spend, later, revenue = 0.0, [0.0], [], 0, 0.0
        while True:
            now += rng.exponential(1 / rate) if rate > 1e-12 else np.inf
            if now > age + horizon:
                break
            amount = rng.gamma(5.0, 1 / own)
            if now <= age:
                seen.append(now)
                spend.append(amount)
            else:
                later += 1
                revenue += amount * 1.1 ** (-(now - age) / 365)
            if rng.random() < leave:
                break
        mean = float(np.mean(spend)) if spend else 0.0
        rows.append((f"C{number:05d}", len(spend), seen[-1], age, mean, later, revenue))
    names = ["customer_id", "frequency", "recency", "T", "monetary_value", "later", "revenue"]
    return pd.DataFrame(rows, columns=names)


def test_limits_cover_simulated_purchases_and_revenue() -> None:
    customers = simulated(2500, seed=8, horizon=365)
    scored = score_summary(customers, horizon_days=365, level=0.9)
    for actual, name in (("later", "expected_purchases"), ("revenue", "lifetime_revenue")):
        low, high = scored[f"{name}_low"], scored[f"{name}_high"]
        inside = customers[actual].between(low * (1 - 1e-12), high * (1 + 1e-12))
        assert inside.mean() >= 0.87, name
        assert inside[customers["frequency"] >= 5].mean() >= 0.85, name
        assert (customers[actual] > high).mean() <= 0.07, name
    assert scored["lifetime_revenue"].sum() == pytest.approx(customers["revenue"].sum(), rel=0.08)


def test_wider_level_gives_wider_limits_and_nothing_is_drawn(
    cdnow: pd.DataFrame, models: Models, scored_cdnow: pd.DataFrame
) -> None:
    narrow, usual = score_summary(cdnow, models=models, level=0.5, margin_rate=0.3), scored_cdnow
    for name in ("expected_purchases", "lifetime_revenue"):
        assert (narrow[f"{name}_low"] >= usual[f"{name}_low"]).all()
        assert (narrow[f"{name}_high"] <= usual[f"{name}_high"]).all()
    again = score_summary(cdnow, models=models, margin_rate=0.3)
    pd.testing.assert_frame_equal(usual, again, check_exact=True)


def test_order_of_the_rows_changes_no_bit(cdnow: pd.DataFrame, scored_cdnow: pd.DataFrame) -> None:
    order = np.random.default_rng(2).permutation(len(cdnow))
    shuffled = score_summary(cdnow.iloc[order], margin_rate=0.3).sort_index()
    pd.testing.assert_frame_equal(scored_cdnow, shuffled, check_exact=True)


def test_a_customer_alone_gets_the_row_of_the_batch(
    cdnow: pd.DataFrame, models: Models, scored_cdnow: pd.DataFrame
) -> None:
    for row in (0, 5, 900):
        alone = score_summary(cdnow.iloc[[row]], models=models, margin_rate=0.3)
        own = scored_cdnow.loc[[row]].assign(cohort_revenue=alone["cohort_revenue"])
        pd.testing.assert_frame_equal(alone, own, check_exact=True)


def test_days_and_hours_cents_and_euros_give_the_same_value(cdnow: pd.DataFrame) -> None:
    cdnow = cdnow.iloc[::3]
    days = score_summary(cdnow, horizon_days=364, annual_discount_rate=0)
    in_hours = cdnow.assign(
        recency=cdnow["recency"] * 24, T=cdnow["T"] * 24, monetary_value=cdnow["monetary_value"] * 100
    )
    hours = score_summary(in_hours, horizon_days=364 * 24, annual_discount_rate=0)
    np.testing.assert_allclose(hours["lifetime_revenue"], days["lifetime_revenue"] * 100, rtol=1e-9)
    np.testing.assert_allclose(hours["lifetime_revenue_high"], days["lifetime_revenue_high"] * 100, rtol=1e-6)


@pytest.mark.parametrize(
    "row",
    [
        (1_000_000, 999_999, 1_000_000, 20),
        (270, 271, 272, 20),
        (60, 60, 200, 20),
        (3, 100, 200, 1e12),
        (3, 100, 200, 1e-9),
        (1, 9_000, 20_000, 20),
        (0, 0, 20_000, 0),
    ],
    ids=["a million orders", "every day", "a burst", "a trillion", "a billionth", "typed 1943", "born 1943"],
)
def test_one_odd_customer_moves_the_others_by_less_than_one_percent(
    cdnow: pd.DataFrame, models: Models, row: tuple[float, ...]
) -> None:
    everybody = with_one_more(cdnow, *row)
    after = fit_models(everybody)
    bought = [used.purchases.expected_purchases(cdnow, horizon_days=365) for used in (models, after)]
    paid = [used.spend.expected_spend(cdnow) for used in (models, after)]
    assert np.abs(bought[1] / bought[0] - 1).max() < 0.01
    assert np.abs(bought[1] * paid[1] / (bought[0] * paid[0]) - 1).max() < 0.01
    scored = score_summary(everybody.iloc[-40:], models=after)
    assert scored.iloc[-1]["status"] == "low_information"
    assert_published(scored)


BURSTS = ((12, 150), (30, 33), (2, 2), (5, 5), (7, 100), (10, 100), (20, 20), (34, 271), (43, 150))


@pytest.mark.parametrize("model", ["nbd", "bg_nbd", "mbg_nbd", "pareto_nbd", "mbg_cnbd"])
def test_no_history_moves_the_median_of_the_others_by_one_percent(cdnow: pd.DataFrame, model: str) -> None:
    before = fit_purchases(cdnow, model=model).model.expected_purchases(cdnow, horizon_days=365)
    for frequency, recency in BURSTS[:2] if model == "mbg_cnbd" else BURSTS:  # the worst of 43 come first
        fitted = fit_purchases(with_one_more(cdnow, frequency, recency, 272, 20.0), model=model).model
        change = np.abs(fitted.expected_purchases(cdnow, horizon_days=365) / before - 1)
        assert np.median(change) < 0.01, (frequency, recency)


@pytest.mark.parametrize("model", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
def test_a_plain_old_customer_moves_the_median_of_the_others_by_less_than_one_percent(
    cdnow: pd.DataFrame, model: str
) -> None:
    before = fit_purchases(cdnow, model=model).model.expected_purchases(cdnow, horizon_days=365)
    for row in ((3, 450, 450), (1, 1000, 1000), (34, 1000, 1000), (1, 3600, 3600)):
        fitted = fit_purchases(with_one_more(cdnow, *row, 20.0), model=model).model
        change = np.abs(fitted.expected_purchases(cdnow, horizon_days=365) / before - 1)
        assert np.median(change) < 0.01, row


def test_one_customer_of_cdnow_outweighs_the_others_and_counts_less(
    cdnow: pd.DataFrame, scored_cdnow: pd.DataFrame
) -> None:
    """21 purchases in 33 days, then silence for 172: alone it moves the median of the others by 2.4 %."""
    assert not (odd_age(cdnow) | odd_frequency(cdnow)).any()
    assert not odd_spend(cdnow).any()
    plain, without = (
        BetaGeoModel().fit(some).expected_purchases(cdnow, horizon_days=365)
        for some in (cdnow, cdnow[cdnow["customer_id"] != "01901"])
    )
    assert np.median(np.abs(plain / without - 1)) == pytest.approx(0.024, abs=0.001)
    held = fit_purchases(cdnow)
    assert cdnow["customer_id"][held.counted < 1].tolist() == ["01901"]
    assert 0.1 < held.counted.min() < 0.5
    moved = held.model.expected_purchases(cdnow, horizon_days=365) / without - 1
    assert np.median(np.abs(moved)) < 0.01
    scored = scored_cdnow.set_index("customer_id")
    assert "counts less in the fit" in scored.loc["01901", "status_reason"]


def test_without_protection_the_published_fit_values_the_customers(cdnow: pd.DataFrame) -> None:
    scored = score_summary(cdnow, horizon_days=39 * 7, robust=False).set_index("customer_id")
    assert scored["expected_purchases"].sum() == pytest.approx(1653.41, abs=5e-3)
    assert scored.loc["01901", "status"] == "ok"


def test_heavy_buyers_of_a_large_cohort_stay_in_the_fit() -> None:
    """Far from the others, but too few to move twenty thousand customers."""
    model = BetaGeoModel.from_parameters({"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5})
    customers = model.simulate(np.linspace(30, 730, 20_000), seed=4).assign(monetary_value=10.0)
    assert odd_frequency(customers).any()
    assert not fit_models(customers).odd_customers


MATRIX = {
    "one customer": cohort((3, 40, 60, 20)),
    "two alike": cohort((3, 40, 60, 20), (3, 40, 60, 20)),
    "one buyer of one day": cohort((0, 0, 60, 0)),
    "all one-time": cohort(*[(0, 0, 20 + n, 0) for n in range(60)]),
    "nobody leaves": cohort(*[(1 + n % 9, 300, 300, 20 + n) for n in range(60)]),
    "all alike": cohort(*[(10, 200, 210, 20)] * 60),
    "constant amounts": cohort(*[(n % 7, 30 * (n % 7), 250, 10 * (n % 7 > 0)) for n in range(90)]),
    "only returns": cohort(*[(n % 7, 30 * (n % 7), 250, -5.0 * (n % 7 > 0)) for n in range(90)]),
    "free": cohort(*[(n % 7, 30 * (n % 7), 250, 0.0) for n in range(90)]),
    "heavy tail": cohort(*[(n % 7, 30 * (n % 7), 250, 10.0 ** (n % 7)) for n in range(90)]),
    "T in seconds": cohort(*[(n % 7, 2e6 * (n % 7), 2e7 + n, 10.0 + n) for n in range(90)]),
    "rial": cohort(*[(n % 7, 30 * (n % 7), 250, 1e7 * (10.0 + n)) for n in range(90)]),
    "whale": cohort((200, 240, 250, 1e6), *[(n % 3, 30 * (n % 3), 250, 10.0 + n) for n in range(90)]),
    "nobody old": cohort(*[(0, 0, n % 2, 0) for n in range(60)]),
    "unpriced": cohort(*[(n % 7, 30 * (n % 7), 250, np.nan) for n in range(90)]),
}


SPEND_ONLY = ("only returns", "free", "heavy tail", "rial", "unpriced")  # purchases of "constant amounts"


@pytest.mark.parametrize(
    ("name", "model"),
    [(name, model) for name in MATRIX for model in MODELS if name not in SPEND_ONLY or model == "bg_nbd"],
)
def test_degenerate_cohorts_give_finite_values_and_a_status(name: str, model: str) -> None:
    scored = score_summary(MATRIX[name], model=model, margin_rate=0.4)
    assert len(scored) == len(MATRIX[name])
    assert_published(scored)
    if MATRIX[name]["frequency"].gt(0).sum() < 10:
        assert set(scored["status"]) == {"fallback"}
        assert scored["probability_alive"].isna().all(), "certainty nobody found must not be published"


def test_one_time_buyers_are_not_expected_to_return_often() -> None:
    scored = score_summary(MATRIX["all one-time"].assign(net_spend=40.0))
    assert scored["expected_purchases"].between(0, 0.5).all()
    assert scored["lifetime_revenue"].between(1e-6, 20.0).all()
    assert scored["status_reason"].iloc[0].startswith("only 0 customers bought on a second day")


def test_no_time_passed_is_one_teaching_error() -> None:
    with pytest.raises(DegenerateCohortError, match="no time has passed in which anybody could buy again"):
        score_summary(cohort((0, 0, 0, 0), (0, 0, 0, 0)))


def test_rows_that_cannot_be_true_are_excluded_and_change_nobody_else(
    cdnow: pd.DataFrame, scored_cdnow: pd.DataFrame
) -> None:
    wrong = [
        (np.nan, 1, 2, 3), (2, 50, 40, 9), (-1, 0, 5, 0), (1, 0, 5, 9), (2, 3, np.inf, 9),
        (0, 3, 9, 0), (1.5, 3, 9, 9),
    ]  # fmt: skip
    bad = cohort(*wrong)
    both = pd.concat([cdnow.drop(columns="actual"), bad], ignore_index=True)
    scored = score_summary(both, margin_rate=0.3)
    assert_published(scored)
    assert (scored["status"].iloc[-len(wrong) :] == "excluded").all()
    plain = scored_cdnow[list(NUMBERS)]
    pd.testing.assert_frame_equal(scored[list(NUMBERS)].iloc[: -len(wrong)], plain, check_exact=True)
    assert set(score_summary(bad)["status"]) == {"excluded"}


def test_spend_that_says_nothing_gets_a_status(cdnow: pd.DataFrame) -> None:
    summary = cdnow.iloc[:600].assign(unpriced_order_count=0).astype({"monetary_value": float})
    summary.loc[[0, 1, 5, 6, 8], "monetary_value"] = [0.0, -4.0, np.nan, np.inf, 22.0]
    summary.loc[8, "unpriced_order_count"] = 2
    scored = score_summary(summary)
    assert_published(scored)
    assert (scored.loc[[0, 1], "lifetime_revenue"] == 0).all()
    assert (scored.loc[[5, 6], "lifetime_revenue"] > 0).all()
    reasons = scored["status_reason"]
    assert "no positive net spend" in reasons[0]
    assert "no price" in reasons[5]
    assert "no price or exchange rate" in reasons[8]


def test_failed_models_are_replaced_and_named(cdnow: pd.DataFrame) -> None:
    stand_in = Models(
        BetaGeoModel().fit(cdnow),
        GammaGammaModel().fit(cdnow),
        spend_fallback="the spend model found no optimum",
    )
    scored = score_summary(cdnow.iloc[:50], models=stand_in)
    assert set(scored["status"]) == {"fallback"}
    assert set(scored["status_reason"]) == {"the spend model found no optimum"}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"horizon_days": 0}, "horizon_days=0"),
        ({"horizon_days": np.inf}, "horizon_days=inf"),
        ({"annual_discount_rate": -0.1}, "fraction per year"),
        ({"annual_discount_rate": 10}, "write 0.1 for 10 %"),
        ({"level": 1.0}, "level=1.0"),
        ({"model": "bgnbd"}, "model='bgnbd' must be one of nbd, bg_nbd"),
        ({"margin_rate": 30}, "write 0.3 for 30 %"),
        ({"margin_rate": float("nan")}, "margin_rate=nan must be a number"),
        ({"margin_rate": pd.Series([0.1, 0.2], index=["a", "a"])}, "names a customer_id twice"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    cdnow: pd.DataFrame, wrong: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        score_summary(cdnow, **wrong)  # type: ignore[arg-type]


def test_summary_without_names_or_spend_is_refused(cdnow: pd.DataFrame) -> None:
    with pytest.raises(UsageError, match="needs customer_id and monetary_value"):
        score_summary(cdnow.drop(columns="customer_id"))


def test_the_callers_table_is_not_changed(cdnow: pd.DataFrame) -> None:
    some = cdnow.iloc[::20].copy()
    score_summary(some)
    pd.testing.assert_frame_equal(some, cdnow.iloc[::20])


def test_scores_of_the_warehouse_fit_the_table(cdnow_warehouse: Warehouse, cdnow: pd.DataFrame) -> None:
    scored = lifetime_value(cdnow_warehouse, as_of=AS_OF, horizon_days=273, model="bg_nbd")
    assert scored["customer_id"].is_monotonic_increasing
    assert scored["expected_purchases"].sum() == pytest.approx(1662.60, abs=0.01)
    assert set(scored["source_id"]) == set(cdnow["customer_id"])
    rows = scored.drop(columns=["source_system", "source_id"]).assign(as_of=AS_OF)
    for _ in range(2):
        assert cdnow_warehouse.replace_as_of("scores.clv", rows, as_of=AS_OF) == len(scored)
    assert cdnow_warehouse.value("select count(*) from scores.clv") == len(scored)
    assert cdnow_warehouse.value("select count(*) from scores.clv where lifetime_value is not null") == 0


def test_nobody_bought_is_an_empty_table_with_the_same_columns() -> None:
    with Warehouse.open() as wh:
        empty = lifetime_value(wh, as_of=AS_OF)
    assert empty.empty
    assert {"customer_id", "status", *NUMBERS} <= set(empty.columns)


def test_margin_comes_from_product_costs_where_they_are_known() -> None:
    days = {f"C{n:02d}": build.daily("2024-01-01", 10 + n, 5) for n in range(12)}
    lines = build.order_lines_of(days)
    products = [{"source_id": "P1", "unit_cost": "6", "currency": "EUR", "created_at": "2023-01-01"}]
    with build.warehouse(order_lines=lines) as wh:
        assert lifetime_value(wh, as_of=date(2024, 9, 1), model="bg_nbd")["lifetime_value"].isna().all()
    with build.warehouse(order_lines=lines, products=products) as wh:
        scored = lifetime_value(wh, as_of=date(2024, 9, 1), model="bg_nbd")
    np.testing.assert_allclose(scored["lifetime_value"], 0.4 * scored["lifetime_revenue"])


@pytest.mark.parametrize("file", ["cohort_all_one_time.csv", "cohort_same_day.csv"])
def test_cohorts_of_the_dirty_inputs(shared_data: Path, file: str) -> None:
    lines = pd.read_csv(shared_data / "dirty-inputs" / file, dtype=str)
    rows = [
        {
            "order_source_id": line.order_id,
            "customer_source_id": line.customer_id,
            "occurred_at": line.order_date,
            "product_source_id": line.product_id,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
        }
        for line in lines.itertuples()
    ]
    last = date.fromisoformat(lines["order_date"].max())
    with build.warehouse(order_lines=rows) as wh:
        scored = lifetime_value(wh, as_of=date(last.year + 1, 1, 1))
        assert set(scored["status"]) == {"fallback"}
        assert_published(scored)
        if file == "cohort_same_day.csv":
            with pytest.raises(DegenerateCohortError, match="no time has passed"):
                lifetime_value(wh, as_of=date(last.year, last.month, last.day + 1))


@pytest.mark.parametrize("model", ["nbd", "pareto_nbd"])
@pytest.mark.parametrize(("customers", "once", "twice"), [(500, 16, 4), (1000, 40, 10), (5000, 16, 4)])
def test_few_repeat_customers_among_many_are_not_odd_for_having_bought_again(
    customers: int, once: int, twice: int, model: str
) -> None:
    again = once + twice
    nobody = [0] * (customers - again)
    cohort = pd.DataFrame(
        {
            "customer_id": [str(number) for number in range(customers)],
            "frequency": [1] * once + [2] * twice + nobody,
            "recency": [100] * again + nobody,
            "T": 200,
            "monetary_value": [20.0] * again + [0.0] * (customers - again),
        }
    )
    robust, plain = (fit_purchases(cohort, model=model, robust=robust) for robust in (True, False))
    assert robust.fallback == ""
    assert (robust.counted == 1.0).all()
    assert robust.model.params_ == plain.model.params_
    assert (score_summary(cohort, model=model)["expected_purchases"] > 0).all()


@pytest.mark.parametrize("day", [12, 16, 20])
def test_the_first_days_of_cdnow_are_scored_although_hardly_anybody_bought_again(
    cdnow_orders: pd.DataFrame, day: int
) -> None:
    as_of = pd.Timestamp(1997, 1, day)
    seen = cdnow_orders[cdnow_orders["ordered_on"] < as_of].drop_duplicates(["customer_id", "ordered_on"])
    by = seen.groupby("customer_id")["ordered_on"]
    early = pd.DataFrame(
        {
            "frequency": by.size() - 1,
            "recency": (by.max() - by.min()).dt.days,
            "T": (as_of - by.min()).dt.days - 1,
            "monetary_value": np.where(by.size() > 1, 20.0, 0.0),
        }
    ).reset_index()
    assert (early["frequency"] > 0).sum() >= 10
    for model in ("bg_nbd", "nbd"):
        assert (score_summary(early, model=model)["expected_purchases"] > 0).all()
