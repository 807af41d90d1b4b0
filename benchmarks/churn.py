"""What do churn features and scores cost at a million customers, against a plain pandas script?

Parts, each measured in this process, one after the other, on lines written straight into a warehouse file
(what loading costs is a matter of `benchmarks.run`):

    features  our features of all customers, facts and theory included; beside them the purchase columns of
              `benchmarks.plain_script` on a frame in memory
    score     probabilities, bands and worded reasons from those features; beside them XGBClassifier's
              predict_proba on the script's columns

    python -m benchmarks.churn --customers 1000000

The script computes 14 columns of purchases and no reasons, knows no returns by order, no versions, no
tickets, mails or contracts, and its frame is in memory already. Figures are printed and merged into
`results/churn.json`. Processor seconds are of all threads; on a busy machine they are the better figure.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks import generate
from crm_analytics import Warehouse, churn
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.score import asked, score_frame
from crm_analytics.facts import settle_currency

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).parent / "results" / "churn.json"
AS_OF = generate.AS_OF.astype("datetime64[D]").item()
TRAIN_CUSTOMERS = 20_000
"""A model is trained on so many customers: what it costs to train is measured in `benchmarks.run`."""


def lines(count: int, seed: int = 7) -> pa.Table:
    """Return the order lines of so many customers, as `benchmarks.generate` draws them."""
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, generate.DAY_COUNT - 30, count)
    orders = generate.draw_orders(rng, entry)
    return generate.order_lines(rng, orders, np.zeros(count, dtype=np.int64))


def write(wh: Warehouse, table: pa.Table) -> None:
    """Write lines as first versions, as a load would leave them; what came back is a negative line."""
    table = table.set_column(1, "order_id", pc.replace_substring_regex(table["order_id"], "^[BR]", ""))
    with wh.registered(lines=table):
        wh.execute(
            "insert into entities.order_lines_versions by name "
            "select 'default' as source_system, md5_number(order_id || product_id || quantity) as row_id, "
            "md5_number(order_id || product_id || quantity) as content_id, order_date as occurred_on, "
            "cast(order_date as timestamptz) as occurred_at, "
            "cast(timestamptz '2025-07-01' as timestamptz) as recorded_at, 0 as load_id, "
            "row_number() over () as record_number, false as is_revision, false as is_deleted, "
            "order_id as order_source_id, customer_id as customer_source_id, "
            "product_id as product_source_id, "
            "product as product_name, cast(quantity as decimal(18, 4)) as quantity, "
            "cast(unit_price as decimal(18, 4)) as unit_price, "
            "cast(quantity * cast(unit_price as decimal(18, 4)) as decimal(38, 4)) as amount, "
            "currency from lines"
        )


@contextmanager
def measured(into: dict[str, Any]) -> Iterator[None]:
    """Put seconds on the clock and of the processor into a dict."""
    began, began_cpu = time.perf_counter(), time.process_time()
    yield
    into["seconds"] = round(time.perf_counter() - began, 2)
    into["cpu_seconds"] = round(time.process_time() - began_cpu, 2)


def measure(count: int) -> dict[str, Any]:
    """Return the figures of both sides for so many customers."""
    found: dict[str, Any] = {"customers": count}
    kind = kind_of("purchase")
    with tempfile.TemporaryDirectory() as folder:
        with Warehouse.open(Path(folder) / "small.duckdb", reporting_currency="EUR") as wh:
            write(wh, lines(min(count, TRAIN_CUSTOMERS), seed=8))
            model = churn.train(wh, as_of=AS_OF, horizon_days=90)
        table = lines(count)
        with Warehouse.open(Path(folder) / "large.duckdb", reporting_currency="EUR") as wh:
            write(wh, table)
            settle_currency(wh)
            found["lines"], found["chosen"] = len(table), model.chosen
            found["features"], found["score"] = {}, {}
            with measured(found["features"]):
                frame, customers = asked(wh, model, as_of=AS_OF)
            with measured(found["score"]):
                scores = score_frame(model, frame, customers, as_of=AS_OF)
            found["columns"] = len(kind.columns)
            found["scored"] = int(scores["churn_probability"].notna().sum())
    del frame, scores
    found["plain"] = plain(table)
    for part in ("features", "score"):
        ratio = found[part]["cpu_seconds"] / max(found["plain"][part]["cpu_seconds"], 0.01)
        found[part]["times_plain"] = round(ratio, 1)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000
    found["load_average"] = round(os.getloadavg()[0], 1)
    return found


def plain(table: pa.Table) -> dict[str, Any]:
    """Return the figures of the plain script's churn columns and scores on the same lines."""
    import pandas as pd
    from xgboost import XGBClassifier

    from benchmarks.plain_script import features_at

    frame = table.to_pandas()
    frame["order_date"] = pd.to_datetime(frame["order_date"])
    frame["amount"] = frame["quantity"] * frame["unit_price"].astype("float64")
    found: dict[str, Any] = {"features": {}, "score": {}}
    with measured(found["features"]):
        orders = frame.groupby(["customer_id", "order_id", "order_date"], as_index=False)
        columns = features_at(orders[["amount", "quantity"]].sum(), frame, pd.Timestamp(AS_OF))
    draw = np.random.default_rng(1)
    sample = columns.iloc[:TRAIN_CUSTOMERS]
    model = XGBClassifier(n_estimators=200, max_depth=4, learning_rate=0.05, n_jobs=2)
    model.fit(sample, draw.random(len(sample)) < 0.5)
    with measured(found["score"]):
        model.predict_proba(columns)
    found["columns"] = columns.shape[1]
    return found


def main() -> None:
    """Measure for as many customers as the command line says, and keep the figures."""
    parser = argparse.ArgumentParser(description="Measure churn features and scores.")
    parser.add_argument("--customers", type=int, default=1_000_000)
    given = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    found = kept[str(given.customers)] = measure(given.customers)
    RESULTS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
