"""Does customer_scores bring the scores of one night together, and say why one is missing?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import pytest

from crm_analytics.errors import UsageError
from crm_analytics.scoring import customer_scores
from crm_analytics.segmentation.rfm import rfm
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    """Two buyers, a prospect and a test record; segments are there, churn and offers of one buyer only."""
    rows = build.order_lines_of({"a": ["2024-05-01"], "b": ["2024-06-01", "2024-06-20"], "t": ["2024-06-01"]})
    people = [
        {"source_id": "p", "country": "DE", "created_at": "2024-01-01"},
        {"source_id": "t", "is_test": True, "created_at": "2024-01-01"},
    ]
    with build.warehouse(order_lines=rows, customers=people) as opened:
        yield opened


def write(wh: Warehouse, table: str, as_of: date, **values: Any) -> None:
    wh.append(table, pd.DataFrame([{"as_of": as_of, **values}]))


def night(wh: Warehouse, as_of: date = AS_OF) -> None:
    columns = ["customer_id", "days_since_last_order", "order_count", "net_spend", "r_score", "f_score"]
    scored = rfm(wh, as_of=as_of)[[*columns, "m_score", "segment"]]
    wh.replace_as_of("scores.rfm", scored.assign(as_of=as_of), as_of=as_of)


def test_every_known_customer_has_one_row_with_the_scores_of_that_night(wh: Warehouse) -> None:
    night(wh)
    churn = {"customer_id": "default:a", "churn_probability": 0.7, "risk_band": "high", "status": "ok"}
    write(wh, "scores.churn", AS_OF, **churn, reason_1="silent")
    write(wh, "scores.churn", date(2024, 6, 30), **{**churn, "churn_probability": 0.1})
    offer = {"customer_id": "default:a", "probability": 0.3, "expected_value": 3.0, "reason": "popular"}
    write(wh, "scores.next_best_offers", AS_OF, **offer, rank=1, product_id="P9")
    write(wh, "scores.next_best_offers", AS_OF, **offer, rank=2, product_id="P8")
    found = customer_scores(wh, as_of=AS_OF).set_index("source_id")
    assert found.index.tolist() == ["a", "b", "p", "t"]
    assert found["order_count"].tolist() == [1, 2, 0, 0]
    assert found["churn_probability"].tolist()[0] == 0.7
    assert found["churn_probability"].isna().tolist() == [False, True, True, True]
    assert found["churn_status"].tolist() == ["ok", "not_computed", "no_purchase", "excluded"]
    assert found["value_status"].tolist() == ["not_computed", "not_computed", "no_purchase", "excluded"]
    assert found["offer_product_id"].tolist()[0] == "P9"
    assert found.loc["a", "reason_1"] == "silent"
    assert found.loc["p", "country"] == "DE"


def test_without_the_segments_of_that_day_it_says_which_nights_there_are(wh: Warehouse) -> None:
    night(wh, date(2024, 6, 30))
    with pytest.raises(UsageError, match=r"no rows of 2024-07-01.*Nights that are there: 2024-06-30"):
        customer_scores(wh, as_of=AS_OF)


def test_an_empty_warehouse_has_no_scores_and_no_complaint() -> None:
    with build.warehouse() as empty:
        assert customer_scores(empty, as_of=AS_OF).empty


def test_the_table_takes_what_the_function_returns(wh: Warehouse) -> None:
    night(wh)
    found = customer_scores(wh, as_of=AS_OF)
    assert wh.replace_as_of("scores.customer_scores", found.assign(as_of=AS_OF), as_of=AS_OF) == 4
    assert wh.value("select count(*) from scores.customer_scores where order_count > 0") == 2
