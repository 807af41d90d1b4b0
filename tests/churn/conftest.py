"""What do the churn tests share?  A simulated shop in which slow complaints make customers leave, and its
model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from crm_analytics.churn import train, training
from crm_analytics.churn.model import ChurnModel
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)
FIRST = date(2023, 10, 1)


def shop(customers: int = 400, seed: int = 7) -> dict[str, list[dict[str, Any]]]:
    """Customers buy every 10 to 60 days; a third meets a slow complaint and most of those never come back."""
    draw = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    tickets: list[dict[str, Any]] = []
    for number in range(customers):
        customer, gap = f"c{number:03d}", float(draw.uniform(10, 60))
        day = FIRST + timedelta(days=int(draw.integers(0, 120)))
        slow, trouble_on = draw.random() < 0.33, FIRST + timedelta(days=int(draw.integers(60, 270)))
        leaves = slow and draw.random() < 0.95
        while day < AS_OF + timedelta(days=120):
            if leaves and day > trouble_on:
                break
            lines += build.order_lines_of({f"{customer}": [day.isoformat()]}, amount="20")
            lines[-1]["order_source_id"] = f"{customer}-{day}"
            if draw.random() < 0.03:
                break
            day += timedelta(days=max(1, int(draw.exponential(gap))))
        tickets.append(
            {
                "source_id": f"T{number}",
                "customer_source_id": customer,
                "kind": "complaint",
                "created_at": (trouble_on - timedelta(days=1)).isoformat(),
                "resolved_at": (trouble_on + timedelta(days=20 if slow else 2)).isoformat(),
            }
        )
    return {"order_lines": lines, "tickets": tickets}


@contextmanager
def half_a_year() -> Iterator[None]:
    """Train on the cutoffs of half a year while the block runs: for laws that hold for any number of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "MAX_MONTHS", 6)
        yield


@pytest.fixture(scope="session")
def shop_rows() -> dict[str, list[dict[str, Any]]]:
    return shop()


@pytest.fixture(scope="session")
def wh(shop_rows: dict[str, list[dict[str, Any]]]) -> Iterator[Warehouse]:
    with build.warehouse(**shop_rows) as opened:
        yield opened


@pytest.fixture(scope="session")
def model(wh: Warehouse) -> ChurnModel:
    return train(wh, as_of=AS_OF, horizon_days=60, active_days=120)
