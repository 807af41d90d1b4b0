"""CDNOW for the tests of lifetime value, and lifetimes as an oracle with its side effects contained."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from crm_analytics.warehouse import Warehouse
from tests import build

CALIBRATION_END = pd.Timestamp("1997-09-30")
OBSERVATION_END = pd.Timestamp("1998-06-30")


@pytest.fixture(scope="session")
def cdnow_orders() -> pd.DataFrame:
    """The 1/10 sample: one row per order with customer_id, ordered_on, spend."""
    spec = importlib.util.find_spec("lifetimes")
    assert spec is not None
    assert spec.origin is not None
    orders = pd.read_csv(
        Path(spec.origin).parent / "datasets" / "CDNOW_sample.txt",
        sep=r"\s+",
        header=None,
        names=["master_id", "customer_id", "ordered_on", "units", "spend"],
        dtype={"customer_id": str, "ordered_on": str},
    )
    return orders.assign(
        customer_id=orders["customer_id"].str.zfill(5), ordered_on=pd.to_datetime(orders["ordered_on"])
    )[["customer_id", "ordered_on", "spend"]]


@pytest.fixture(scope="session")
def cdnow(cdnow_orders: pd.DataFrame) -> pd.DataFrame:
    """Calibration summary (39 weeks, in days) with the actual repeat purchase days of the holdout."""
    days = cdnow_orders.groupby(["customer_id", "ordered_on"], as_index=False)["spend"].sum()
    seen = days[days["ordered_on"] <= CALIBRATION_END].sort_values(["customer_id", "ordered_on"])
    held = days[(days["ordered_on"] > CALIBRATION_END) & (days["ordered_on"] <= OBSERVATION_END)]
    by = seen.groupby("customer_id")
    first, last = by["ordered_on"].min(), by["ordered_on"].max()
    frequency = by.size() - 1
    repeat_spend = by["spend"].sum() - by["spend"].first()
    log_gaps = np.log(by["ordered_on"].diff().dt.days)
    return pd.DataFrame(
        {
            "frequency": frequency,
            "recency": (last - first).dt.days,
            "T": (CALIBRATION_END - first).dt.days,
            "monetary_value": np.where(frequency > 0, repeat_spend / np.maximum(frequency, 1), 0.0),
            "log_gap_sum": log_gaps.groupby(seen["customer_id"]).sum(),
            "actual": held.groupby("customer_id").size().reindex(first.index).fillna(0).astype(int),
        }
    ).reset_index()


@pytest.fixture(scope="session")
def lifetimes() -> ModuleType:
    """The package lifetimes; the warning filters it sets at import are taken back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("lifetimes")
        importlib.import_module("lifetimes.utils")
    return module


@pytest.fixture(scope="session")
def cdnow_warehouse(cdnow_orders: pd.DataFrame) -> Iterator[Warehouse]:
    """CDNOW as order lines in a warehouse; customer_id is "default:" and the number of the customer."""
    lines = [
        {
            "order_source_id": str(number),
            "customer_source_id": row.customer_id,
            "occurred_at": row.ordered_on.date().isoformat(),
            "unit_price": f"{row.spend:.2f}",
            "product_source_id": "CD",
        }
        for number, row in enumerate(cdnow_orders.itertuples())
    ]
    with build.warehouse(order_lines=lines) as wh:
        yield wh
