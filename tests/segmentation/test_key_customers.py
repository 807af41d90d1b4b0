"""ABC classes, priorities and cohorts: golden rows, ties, laws."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import UsageError
from crm_analytics.segmentation import abc, cohort_triangle, cohorts, plot_cohorts, priorities, share_of_best
from tests import build

AS_OF = date(2025, 1, 1)


def bought(amounts: dict[str, str], day: str = "2024-06-01") -> list[dict[str, Any]]:
    return [
        line | {"unit_price": amounts[line["customer_source_id"]]}
        for line in build.order_lines_of({name: [day] for name in amounts})
    ]


def test_equal_amounts_share_a_class_and_who_crosses_the_line_is_in_the_better_one() -> None:
    """Of 100: a 50; b, c, d 15 each: the three of them cross 80 together. e 4, f 1 after 95 and 99."""
    amounts = {"a": "50", "b": "15", "c": "15", "d": "15", "e": "4", "f": "1", "z": "0"}
    with build.warehouse(order_lines=bought(amounts)) as wh:
        found = abc(wh, as_of=AS_OF).set_index("customer_id")
        narrow = abc(wh, as_of=AS_OF, a_share=0.5).set_index("customer_id")
    assert found["abc_class"].to_list() == ["A", "A", "A", "A", "C", "C", "C"]
    assert found["customer_rank"].to_list() == [1, 2, 2, 2, 5, 6, 7]
    assert found["before_share"].to_list() == pytest.approx([0, 0.5, 0.5, 0.5, 0.95, 0.99, 1])
    assert narrow["abc_class"].to_list() == ["A", "B", "B", "B", "C", "C", "C"]
    assert share_of_best(found.reset_index(), 1 / 7) == pytest.approx(0.5)


@pytest.fixture(scope="module")
def random_company() -> Any:
    """Many customers with many ties, a refund beyond the purchases among them."""
    draw = random.Random(7)
    amounts = {
        f"C{n:03d}": f"{draw.choice([5, 10, 10, 20, 200]) + draw.choice([0, 0.25]):.2f}" for n in range(120)
    }
    lines = bought(amounts)
    lines += [
        line | {"order_source_id": f"old-{n}", "occurred_at": "2022-01-01"}
        for n, line in enumerate(lines[:20])
    ]
    returns = [
        {
            "source_id": "R",
            "order_source_id": "C000-0",
            "occurred_at": "2024-07-01",
            "amount": "900",
            "currency": "EUR",
        }
    ]
    with build.warehouse(order_lines=lines, returns=returns) as wh:
        yield wh


def test_classes_are_ordered_by_amount_and_hold_their_shares(random_company: Warehouse) -> None:
    found = abc(random_company, as_of=AS_OF).sort_values("amount", ascending=False)
    assert len(found) == 120
    assert found["abc_class"].is_monotonic_increasing
    assert found.groupby("amount")["abc_class"].nunique().max() == 1
    assert found["amount_share"].sum() == pytest.approx(1)
    a = found[found["abc_class"] == "A"]
    least = a[a["amount"] == a["amount"].min()]["amount_share"].sum()
    assert a["amount_share"].sum() >= 0.8 > a["amount_share"].sum() - least
    assert found.set_index("customer_id")["amount_share"]["default:C000"] == 0
    assert share_of_best(found, 0) == 0
    assert share_of_best(found, 1) == pytest.approx(1)


def test_priorities_join_value_now_and_value_to_come(random_company: Warehouse) -> None:
    now = priorities(random_company, as_of=AS_OF).set_index("customer_id")
    assert now["class_to_come"].isna().all()
    assert set(now["tier"]) == {1, 4, 5}
    values = {"C001": 500.0, "C002": 1.0, "C003": 300.0, "lapsed": 400.0}
    rows = pd.DataFrame(
        {"customer_id": [f"default:{name}" for name in values], "lifetime_revenue": values.values()}
    )
    columns = random_company.rows(
        "select column_name, data_type from duckdb_columns() where table_name = 'clv' and not is_nullable"
    )
    filled = {
        name: "x" if kind == "VARCHAR" else 1
        for name, kind in columns
        if name not in rows and name != "as_of"
    }
    random_company.replace_as_of("scores.clv", rows.assign(as_of=AS_OF, **filled), as_of=AS_OF)
    both = priorities(random_company, as_of=AS_OF).set_index("customer_id")
    random_company.execute("delete from scores.clv")
    assert both.loc["default:C001", "class_to_come"] == "A"
    assert both.loc["default:C002", "class_to_come"] == "C"
    assert both.loc["default:lapsed"].to_list()[:4] == ["C", "A", 2, "grow"]
    assert both.loc["default:C010", "tier"] == now.loc["default:C010", "tier"]
    assert both["tier"].between(1, 5).all()


def test_unknown_money_is_no_ground_for_the_least_care() -> None:
    yen = [line | {"currency": "JPY"} for line in bought({"y": "9"})]
    with build.warehouse(order_lines=[*bought({"a": "50"}), *yen]) as wh:
        found = priorities(wh, as_of=AS_OF).set_index("customer_id")
    assert found["tier"].isna().to_list() == [False, True]
    assert found.loc["default:y", "tier_name"] == "unknown"


def test_shares_out_of_order_are_refused() -> None:
    with Warehouse.open() as wh:
        for a_share, b_share in ((0.9, 0.8), (0, 0.5), (0.8, 1.2)):
            with pytest.raises(UsageError, match="must be in order"):
                abc(wh, as_of=AS_OF, a_share=a_share, b_share=b_share)
        with pytest.raises(UsageError, match="window_days=0 must be a whole number of days from 1"):
            abc(wh, as_of=AS_OF, window_days=0)
        for ask in (abc, priorities):
            with pytest.raises(UsageError, match="money='margin' must be one of net_spend, net_margin"):
                ask(wh, as_of=AS_OF, money="margin")  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="'week' is no period"):
            cohorts(wh, as_of=AS_OF, period="week")  # type: ignore[arg-type]


def test_cohorts_are_those_of_pandas() -> None:
    draw, start = random.Random(8), date(2024, 1, 1)
    days = {
        f"C{n}": sorted(
            {(start + timedelta(draw.randrange(360))).isoformat() for _ in range(draw.randint(1, 6))}
        )
        for n in range(60)
    }
    with build.warehouse(order_lines=build.order_lines_of(days, amount="10")) as wh:
        found = cohorts(wh, as_of=date(2024, 12, 27), period="quarter")
    table = pd.DataFrame(
        [(c, pd.Timestamp(d)) for c, given in days.items() for d in given], columns=["c", "day"]
    )
    table = table[table["day"] < "2024-12-27"]
    table["quarter"] = table["day"].dt.to_period("Q").map(lambda p: p.ordinal)
    first = table.groupby("c")["quarter"].transform("min")
    grouped = table.groupby([first, table["quarter"] - first])
    expected = grouped["c"].nunique().unstack(fill_value=0)
    matrix = found.pivot(index="cohort_on", columns="age", values="customer_count").fillna(0)
    assert np.array_equal(matrix.to_numpy(), expected.to_numpy())
    spent = found.pivot(index="cohort_on", columns="age", values="net_spend").fillna(0)
    assert np.array_equal(spent.to_numpy(), 10 * grouped.size().unstack(fill_value=0).to_numpy())
    assert found[found["age"] == 0]["buying_share"].eq(1).all()
    assert not found["is_complete"].all()
    assert found[~found["is_complete"]]["age"].to_list() == [3, 2, 1, 0]


def test_a_cohort_is_followed_month_by_month_and_a_cut_month_is_no_part_of_the_triangle() -> None:
    import matplotlib.pyplot as plt

    days = {"once": ["2024-01-10"], "again": ["2024-01-10", "2024-03-05"], "late": ["2024-03-01"]}
    lines = build.order_lines_of(days, amount="10")
    yen = [line | {"currency": "JPY"} for line in build.order_lines_of({"yen": ["2024-03-02"]})]
    with build.warehouse(order_lines=lines + yen) as wh:
        found = cohorts(wh, as_of=date(2024, 4, 15))
    triangle = cohort_triangle(found)
    january, march = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-03-01")
    assert triangle.loc[january, [0, 1, 2]].to_list() == [1.0, 0.0, 0.5]
    assert triangle.loc[march].isna().to_list() == [False, True, True]  # April is not over
    spent = plot_cohorts(found, column="net_spend")
    assert spent.loc[january].to_list() == [10.0, 0.0, 5.0]
    assert np.isnan(spent.loc[march, 0])  # a part has no rate
    pd.testing.assert_frame_equal(plot_cohorts(found), triangle)
    plt.close("all")
