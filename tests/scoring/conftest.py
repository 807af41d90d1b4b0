"""What do the scoring tests share?  A shop where who buys an espresso machine soon buys a grinder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from crm_analytics.scoring.next_best_offer.model import OfferModel
from crm_analytics.scoring.next_best_offer.training import train_offers
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2024, 7, 1)
PRODUCTS = {
    "BEANS": "12",
    "TEA": "8",
    "MUG": "10",
    "CUP": "9",
    "ESPRESSO": "190",
    "GRINDER": "90",
    "FREE": "0",
}


def order(customer: str, day: date, product: str) -> dict[str, Any]:
    return {
        "order_source_id": f"{customer}-{day}-{product}",
        "customer_source_id": customer,
        "occurred_at": day.isoformat(),
        "product_source_id": product,
        "unit_price": PRODUCTS[product],
    }


def shop(customers: int = 400, seed: int = 11) -> dict[str, list[dict[str, Any]]]:
    draw = np.random.default_rng(seed)
    lines: list[dict[str, Any]] = []
    for number in range(customers):
        customer = f"c{number:03d}"
        favourite = ("BEANS", "TEA")[number % 2]
        day = date(2023, 10, 1) + timedelta(days=int(draw.integers(0, 60)))
        machine_on = date(2023, 11, 1) + timedelta(days=int(draw.integers(0, 300)))
        if draw.random() < 0.4:
            lines.append(order(customer, machine_on, "ESPRESSO"))
            if draw.random() < 0.6:
                later = machine_on + timedelta(days=int(draw.integers(5, 60)))
                lines.append(order(customer, later, "GRINDER"))
        while day < AS_OF + timedelta(days=60):
            product = favourite if draw.random() < 0.7 else str(draw.choice(["MUG", "CUP", "FREE"]))
            lines.append(order(customer, day, product))
            day += timedelta(days=max(2, int(draw.exponential(45))))
    return {
        "order_lines": lines,
        "products": [
            {"source_id": name, "name": name.title(), "created_at": "2020-01-01"} for name in PRODUCTS
        ],
        "customers": [
            {"source_id": f"c{n:03d}", "country": "DE" if n % 3 else "FR", "created_at": "2023-10-01"}
            for n in range(customers)
        ]
        + [{"source_id": "staff", "is_internal": True, "created_at": "2023-10-01"}]
        + [{"source_id": "prospect", "country": "DE", "created_at": "2024-06-01"}],
    }


@pytest.fixture(scope="session")
def shop_rows() -> dict[str, list[dict[str, Any]]]:
    return shop()


@pytest.fixture(scope="session")
def wh(shop_rows: dict[str, list[dict[str, Any]]]) -> Iterator[Warehouse]:
    with build.warehouse(**shop_rows) as opened:
        yield opened


@pytest.fixture(scope="session")
def model(wh: Warehouse) -> OfferModel:
    return train_offers(wh, as_of=AS_OF, horizon_days=60, k=2)
