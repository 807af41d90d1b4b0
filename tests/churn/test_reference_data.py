"""Does churn reach the published reference figures on CDNOW?  Skips where the shared data are absent.

CDNOW master (23,570 customers): as_of 1998-04-01, 90 days, active within 500 days. References on the same
split: closed form AUC .833 (log-loss .302), logistic .836 (.3035), a plain xgboost .839 (.299).
"""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

from crm_analytics import churn
from tests import build
from tests.churn.plain_baselines import compare, kept_tables

AS_OF = date(1998, 4, 1)


def order_lines(path: Path) -> list[dict[str, str]]:
    """Each line of the file is a purchase: customer, yyyymmdd, number of CDs, dollars."""
    with gzip.open(path, "rt") as file:
        rows = [line.split() for line in file]
    return [
        {
            "order_source_id": f"{number}",
            "customer_source_id": row[0],
            "occurred_at": f"{row[1][:4]}-{row[1][4:6]}-{row[1][6:]}",
            "amount": row[3],
            "unit_price": row[3],
            "currency": "USD",
        }
        for number, row in enumerate(rows)
        if len(row) == 4 and row[0].isdigit()
    ]


def test_churn_on_cdnow_beats_the_references(shared_data: Path) -> None:
    lines = order_lines(shared_data / "data" / "cdnow" / "CDNOW_master.txt.gz")
    assert len(lines) == 69_659
    with build.warehouse(reporting_currency="USD", order_lines=lines) as wh:
        with kept_tables() as tables:
            model = churn.train(wh, as_of=AS_OF, horizon_days=90, active_days=500)
        found, plain = compare(wh, model, tables[0])
        assert (
            wh.value("select count(distinct customer_id) from facts.orders_before($as_of)", as_of=AS_OF)
            == 23_570
        )
    assert found["auc"].value >= 0.84
    assert found["log_loss"].value <= 0.298
    assert found["log_loss"].value <= min(plain.values()) + 0.002
    losses = {name: metrics["log_loss"].value for name, metrics in model.card.metrics.items()}
    assert losses[model.chosen] < losses["closed_form"] < losses["days_since_last_order"]
