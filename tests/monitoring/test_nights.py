"""Do nights judge each other rightly: what they predicted, their parameters, their scores?"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics import clv, merge, monitoring
from crm_analytics.errors import NotEnoughData
from crm_analytics.modelling.evaluate import evaluate
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.run_log import begin, published_nights
from tests import build

START = date(2022, 1, 1)
FIRST, SECOND, TODAY = date(2023, 7, 1), date(2023, 10, 1), date(2024, 1, 1)
CUSTOMERS = 600


def purchases(seed: int = 11, slower_from: date | None = None) -> list[tuple[int, date]]:
    """Draw customers of MBG/NBD up to today; from a day on they may buy at a third of their pace."""
    draw = np.random.default_rng(seed)
    days, found = (TODAY - START).days, []
    change = np.inf if slower_from is None else (slower_from - START).days
    for customer in range(CUSTOMERS):
        rate, leaves = draw.gamma(0.8, 1 / 35), draw.beta(0.9, 3)
        moment = draw.uniform(0, days)
        while moment < days:
            found.append((customer, START + timedelta(days=int(moment))))
            if draw.random() < leaves:
                break
            gap = draw.exponential(1 / rate)
            beyond = moment + gap - max(change, moment)
            moment += gap + (2 * beyond if beyond > 0 else 0)
    return found


def order_lines(bought: list[tuple[int, date]]) -> list[dict[str, Any]]:
    return [
        {
            "customer_source_id": f"C{customer:04d}",
            "order_source_id": f"O{number}",
            "occurred_at": day.isoformat(),
            "unit_price": f"{10 + customer % 30}.00",
        }
        for number, (customer, day) in enumerate(bought)
    ]


def run_night(wh: Warehouse, as_of: date, *, model: str = "mbg_nbd") -> None:
    """Keep what monitoring needs of a night, as the nightly job does."""
    with begin(wh, as_of=as_of, parameters={"churn": {"horizon_days": 90}}) as log:
        known = clv.summary(wh, as_of=as_of)
        models = clv.fit_models(known, model=model, robust=False)
        kept = known[["customer_id", "frequency", "recency", "T", "monetary_value"]].assign(
            as_of=as_of, horizon_days=365.0, model=model, status="ok", status_reason=""
        )
        wh.execute("delete from scores.clv where as_of = $as_of", as_of=as_of)
        with wh.registered(given=kept):
            wh.execute("insert into scores.clv by name select * from given")
        wh.replace_as_of("scores.fitted_models", clv.models_table(models, as_of=as_of), as_of=as_of)
        log.finish("published")


@pytest.fixture(scope="module")
def shop_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which nothing ever changes, with three nights; to be copied."""
    path = tmp_path_factory.mktemp("shop") / "shop.duckdb"
    with Warehouse.open(path, reporting_currency="EUR") as wh:
        build.add(wh, "order_lines", order_lines(purchases()))
        for night in (FIRST, SECOND, TODAY):
            run_night(wh, night)
    return path


@pytest.fixture
def shop(shop_file: Path, tmp_path: Path) -> Iterator[Warehouse]:
    path = tmp_path / "shop.duckdb"
    for file in shop_file.parent.glob("shop.duckdb*"):
        shutil.copy(file, tmp_path / file.name)
    with Warehouse.open(path) as wh:
        yield wh


def test_what_nights_expected_is_set_beside_what_came(shop: Warehouse) -> None:
    found = monitoring.value_performance(shop, as_of=TODAY)
    assert found["as_of"].tolist() == [FIRST, SECOND]
    assert found["elapsed_days"].tolist() == [184, 92]
    bought = purchases()
    for night, row in zip((FIRST, SECOND), found.itertuples(), strict=True):
        known = {customer for customer, day in bought if day < night}
        came = {(customer, day) for customer, day in bought if customer in known and day >= night}
        assert row.customer_count == len(known)
        assert row.purchase_day_count == len(came)
        spent = [10 + customer % 30 for customer, day in bought if (customer, day) in came]
        assert row.net_spend == pytest.approx(sum(spent))
        assert row.expected_purchases_low < row.expected_purchases < row.expected_purchases_high
        assert row.purchase_day_count == pytest.approx(row.expected_purchases, rel=0.2)
        assert row.net_spend == pytest.approx(row.expected_revenue, rel=0.2)


def test_nothing_is_fitted_again(shop: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    before = monitoring.value_performance(shop, as_of=TODAY)
    monkeypatch.setattr(clv.ModifiedBetaGeoModel, "fit", None)
    monkeypatch.setattr(clv.GammaGammaModel, "fit", None)
    # what is delivered late counts as having come, and changes no prediction
    build.add(
        shop,
        "order_lines",
        [
            {
                "customer_source_id": "C0000",
                "order_source_id": f"late{number}",
                "occurred_at": (SECOND + timedelta(days=number)).isoformat(),
                "unit_price": "1000",
            }
            for number in range(80)
        ],
    )
    after = monitoring.value_performance(shop, as_of=TODAY)
    pd.testing.assert_series_equal(before["expected_purchases"], after["expected_purchases"])
    assert (after["purchase_day_count"] > before["purchase_day_count"] + 60).all()
    assert after["told"].str.contains("came: more").all()


def test_a_night_that_was_not_published_is_not_judged(shop: Warehouse) -> None:
    shop.execute("update ops.runs set status = 'blocked' where as_of = $night", night=FIRST)
    assert list(published_nights(shop)) == [SECOND, TODAY]
    assert monitoring.value_performance(shop, as_of=TODAY)["as_of"].tolist() == [SECOND]
    assert monitoring.last_published(shop, TODAY) == SECOND
    with pytest.raises(NotEnoughData, match="No night before 2023-10-01 was published"):
        monitoring.last_published(shop, SECOND)


def test_who_was_merged_since_is_counted_once(shop: Warehouse) -> None:
    before = monitoring.value_performance(shop, as_of=TODAY, nights=[SECOND])
    merge(shop, "default:C0001", "default:C0002")
    after = monitoring.value_performance(shop, as_of=TODAY, nights=[SECOND])
    both = {(customer, day) for customer, day in purchases() if customer in (1, 2) and day >= SECOND}
    twice = len(both) - len({day for _, day in both})
    assert after["purchase_day_count"][0] == before["purchase_day_count"][0] - twice
    assert after["net_spend"][0] == before["net_spend"][0]


def test_churn_is_judged_when_its_horizon_has_ended(shop: Warehouse) -> None:
    for night in (FIRST, SECOND, date(2023, 12, 1)):
        shop.execute(
            "insert into scores.churn by name select $night as as_of, customer_id, 'ok' as status, "
            "least(0.9, 0.2 + 0.001 * row_number() over (order by customer_id)) as churn_probability "
            "from scores.clv where as_of = $kept",
            night=night,
            kept=min(night, SECOND),
        )
    nights = [FIRST, SECOND, date(2023, 12, 1)]
    found = monitoring.churn_performance(shop, as_of=TODAY, nights=nights)
    assert found["as_of"].tolist() == [FIRST, SECOND]
    bought = purchases()
    known = sorted({customer for customer, day in bought if day < SECOND})
    until = SECOND + timedelta(days=90)
    came = {customer for customer, day in bought if SECOND <= day < until}
    probability = np.minimum(0.9, 0.2 + 0.001 * (1 + np.arange(len(known))))
    churned = np.array([int(customer not in came) for customer in known])
    expected = evaluate(churned, probability)
    row = found.iloc[1]
    for name in ("auc", "log_loss", "calibration_in_the_large"):
        assert row[name] == pytest.approx(expected[name].value, rel=1e-12)
    assert row["churn_rate"] == churned.mean()
    assert row["told"].startswith("the night of 2023-10-01 expected ")
    assert len(monitoring.churn_reliability(shop, night=SECOND)) == 10


def test_parameters_of_a_shop_that_never_changes_have_not_drifted(shop: Warehouse) -> None:
    found = monitoring.parameter_drift(shop, as_of=TODAY, since=FIRST)
    assert found.parameters["parameter"].tolist() == ["r", "alpha", "a", "b", "p", "q", "v"]
    purchases_row = found.joint.iloc[0]
    assert purchases_row["degrees"] == 4
    assert purchases_row["p_value"] > 0.01
    assert "chance explains it" in purchases_row["told"]


def test_parameters_of_customers_who_slow_down_have_drifted() -> None:
    with build.warehouse(order_lines=order_lines(purchases(slower_from=FIRST))) as wh:
        run_night(wh, FIRST)
        run_night(wh, TODAY)
        found = monitoring.parameter_drift(wh, as_of=TODAY).joint.iloc[0]
        assert found["p_value"] < 1e-3
        assert found["effect_now"] < found["effect_before"]
        assert "more than chance" in found["told"]
        came = monitoring.value_performance(wh, as_of=TODAY)["told"].iloc[0]
        assert "came: fewer; revenue" in came


def test_parameters_that_cannot_be_compared_say_why(shop: Warehouse) -> None:
    day_after = SECOND + timedelta(days=1)
    run_night(shop, day_after)
    close = monitoring.parameter_drift(shop, as_of=day_after, since=SECOND)
    assert close.parameters.empty
    assert "customers bought since (at least 100 are needed)" in close.joint["told"][0]
    run_night(shop, day_after, model="nbd")
    other = monitoring.parameter_drift(shop, as_of=day_after, since=FIRST).joint["told"][0]
    assert "the parameters are not compared: other models (mbg_nbd, now nbd)" in other
    with pytest.raises(NotEnoughData, match="night of 2023-07-02 kept no fitted models"):
        monitoring.parameter_drift(shop, as_of=TODAY, since=FIRST + timedelta(days=1))


def test_kept_models_are_those_that_were_fitted(shop: Warehouse) -> None:
    kept = clv.kept_models(shop, as_of=TODAY)
    assert kept is not None
    again = clv.fit_models(clv.summary(shop, as_of=TODAY), model="mbg_nbd", robust=False)
    assert kept.purchases.params_ == again.purchases.params_
    assert kept.spend.params_ == again.spend.params_


def shifts(wh: Warehouse, psi: list[float], gap_days: int) -> None:
    rows = [
        {
            "as_of": FIRST + timedelta(days=number),
            "column_name": "net_spend",
            "compared_with": FIRST + timedelta(days=number - gap_days),
            "psi": value,
            "chance_limit": 0.0,
            "p_value": 1.0,
            "q_value": 1.0,
            "verdict": "slight",
            "told": "",
        }
        for number, value in enumerate(psi)
    ]
    with wh.registered(given=pd.DataFrame(rows)):
        wh.execute("insert into scores.drift by name select * from given")


def test_what_is_usual_is_known_from_eight_comparisons_over_as_many_days() -> None:
    psi = [0.02, 0.03, 0.05, 0.02, 0.04, 0.03, 0.02]
    with Warehouse.open() as wh:
        shifts(wh, psi, gap_days=7)
        assert monitoring.usual_limits(wh, as_of=TODAY, gap_days=7) == {}
        wh.execute("delete from scores.drift")
        shifts(wh, [*psi, 0.03], gap_days=6)
        limit = monitoring.usual_limits(wh, as_of=TODAY, gap_days=7)["net_spend"]
        assert 0.1 < limit < 0.3
        assert monitoring.usual_limits(wh, as_of=TODAY, gap_days=40) == {}
        assert monitoring.usual_limits(wh, as_of=FIRST, gap_days=7) == {}


def customer_scores(wh: Warehouse, night: date, draw: np.random.Generator, more: float = 0.0) -> None:
    rows = pd.DataFrame(
        {
            "as_of": night,
            "customer_id": [f"default:C{number:04d}" for number in range(300)],
            "source_system": "default",
            "source_id": [f"C{number:04d}" for number in range(300)],
            "is_excluded": False,
            "has_opted_out": False,
            "order_count": draw.poisson(3, 300),
            "net_spend": np.round(draw.gamma(2.0, 50.0, 300) + more, 2),
            "value_status": "ok",
            "churn_status": "ok",
        }
    )
    wh.execute("delete from scores.customer_scores where as_of = $night", night=night)
    with wh.registered(given=rows):
        wh.execute("insert into scores.customer_scores by name select * from given")


def test_a_night_is_monitored_as_a_whole_and_drawn(shop: Warehouse) -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.use("Agg")
    draw = np.random.default_rng(2)
    customer_scores(shop, SECOND, draw)
    customer_scores(shop, TODAY, draw, more=60.0)
    found = monitoring.monitor(shop, as_of=TODAY)
    assert (found.since, found.as_of) == (SECOND, TODAY)
    assert found.moved["column_name"].tolist() == ["net_spend"]
    assert found.value["as_of"].tolist() == [FIRST, SECOND]
    assert found.parameters is not None
    assert found.parameters.since == SECOND
    bars = monitoring.plot_drift(shop, "net_spend", as_of=TODAY, since=SECOND)
    assert bars[["share_before", "share_now"]].sum().tolist() == pytest.approx([1.0, 1.0])
    table = monitoring.plot_performance(found.value)
    inside = found.value["purchase_day_count"].between(table["low"], table["high"])
    assert table["is_inside"].tolist() == inside.tolist()
    assert table["came"].tolist() == found.value["purchase_day_count"].tolist()
    plt.close("all")
    kept = monitoring.score_drift(shop, as_of=TODAY).assign(as_of=TODAY, compared_with=SECOND)
    with shop.registered(given=kept):
        shop.execute("insert into scores.drift by name select * from given")
    again = monitoring.monitor(shop, as_of=TODAY)
    assert again.drift["told"].tolist() == found.drift["told"].tolist()


def test_features_of_two_days_are_compared_from_the_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[date, int]] = []

    def features(wh: Warehouse, *, as_of: date, horizon_days: int) -> pd.DataFrame:
        asked.append((as_of, horizon_days))
        tenure = np.arange(200.0) + (as_of - START).days
        return pd.DataFrame({"customer_id": [f"c{number}" for number in range(200)], "tenure_days": tenure})

    monkeypatch.setattr(importlib.import_module("crm_analytics.churn.features"), "features", features)
    with Warehouse.open() as wh:
        found = monitoring.feature_drift(wh, as_of=TODAY, since=FIRST, horizon_days=30)
    assert asked == [(FIRST, 30), (TODAY, 30)]
    assert found["told"].tolist() == [
        "tenure days: the typical customer has 184 days more than on 2023-07-01 (830, was 646)"
    ]
