"""What does a company of any size look like?  Customers and their order lines, for the benchmarks.

A vectorised cousin of `crm_analytics.demo`: heterogeneous purchase rates, dropout after purchases, seasons,
product affinities, returns and, if asked for, several currencies; about ten lines per customer. Two files:
`transactions.csv` in the flat `transactions` layout and `customers.csv` in the `customers` layout. The same
seed and size give the same rows under one NumPy version (NumPy does not promise it across versions).
Model of purchases: Fader, Hardie and Lee (2005), "Counting your customers the easy way".

    python -m benchmarks.generate 20000 out/bench-20000
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

FIRST_DAY = np.datetime64("2022-07-01")
AS_OF = np.datetime64("2025-07-01")
DAY_COUNT = int((AS_OF - FIRST_DAY).astype(int))
SEASON = np.array([0.80, 0.82, 0.95, 1.00, 0.95, 0.88, 0.80, 0.82, 0.98, 1.10, 1.60, 1.75])
PRODUCT_COUNT = 400
CATEGORY_COUNT = 20
COMPANION_SHARE = 0.15
RETURN_SHARE = 0.05
CURRENCIES = np.array(["EUR", "GBP", "USD"])
CURRENCY_SHARES = (0.8, 0.1, 0.1)
COUNTRIES = np.array(["DE", "AT", "FR", "GB", "US", "IE"])

Integers = np.ndarray[tuple[int], np.dtype[np.int64]]
Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Orders:
    """Orders in the order of their numbers: customer (0, 1, ...) and day (0 = first day) of each."""

    customer: Integers
    day: Integers


def generate(
    folder: str | Path, customer_count: int, seed: int = 7, *, with_currencies: bool = False
) -> tuple[Path, Path]:
    """Write both files and return their paths: transactions, customers.

    Parameters
    ----------
    folder : str or Path
        Made when it does not exist.
    customer_count : int
        Number of customers; each has at least one order.
    seed : int, default 7
        Seed of all draws.
    with_currencies : bool, default False
        A fifth of the customers buys in GBP or USD; otherwise everything is in EUR.
    """
    rng = np.random.default_rng(seed)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    entry = rng.integers(0, DAY_COUNT - 30, customer_count)
    orders = draw_orders(rng, entry)
    currency = np.zeros(customer_count, dtype=np.int64)
    if with_currencies:
        currency = rng.choice(len(CURRENCIES), customer_count, p=CURRENCY_SHARES)
    transactions, customers = target / "transactions.csv", target / "customers.csv"
    pa.csv.write_csv(
        order_lines(rng, orders, currency), transactions, pa.csv.WriteOptions(quoting_style="none")
    )
    pa.csv.write_csv(_customers(rng, entry), customers, pa.csv.WriteOptions(quoting_style="none"))
    return transactions, customers


def draw_orders(rng: np.random.Generator, entry: Integers) -> Orders:
    """Return the orders of all customers, by day, given the day on which each one arrives.

    Every round gives each active customer the next order; a customer leaves the rounds by dropping out or by
    reaching the last day. Orders in quiet months are thinned out.
    """
    rate = rng.gamma(0.9, 5.5 / 0.9, entry.size) / 365
    dropout = rng.beta(0.8, 7.0, entry.size)
    customer, at = np.arange(entry.size), entry.astype(float)
    is_order = np.ones(entry.size, dtype=bool)
    days, customers = [entry], [customer]
    while customer.size:
        stays = ~is_order | (rng.random(customer.size) >= dropout[customer])
        customer, at = customer[stays], at[stays]
        at = at + 0.25 + rng.exponential(1.0, customer.size) / (rate[customer] * SEASON.max())
        is_inside = at < DAY_COUNT
        customer, at = customer[is_inside], at[is_inside]
        day = at.astype(np.int64)
        is_order = rng.random(customer.size) < SEASON[_month(day)] / SEASON.max()
        days.append(day[is_order])
        customers.append(customer[is_order])
    all_days, all_customers = np.concatenate(days), np.concatenate(customers)
    by_day = np.lexsort((all_customers, all_days))
    return Orders(all_customers[by_day], all_days[by_day])


def order_lines(rng: np.random.Generator, orders: Orders, currency: Integers) -> pa.Table:
    """Return the order lines by order; what comes back is a line of its own, a few days later."""
    order = np.repeat(np.arange(orders.day.size), rng.geometric(0.62, orders.day.size))
    product = _products(rng, orders.customer[order], currency.size)
    has_companion = (rng.random(order.size) < COMPANION_SHARE) & (product % 2 == 0)
    # A product stands once in an order: two equal lines would be taken for a repeat.
    pairs = np.unique(
        np.concatenate([order, order[has_companion]]) * PRODUCT_COUNT
        + np.concatenate([product, product[has_companion] + 1])
    )
    order, product = np.divmod(pairs, PRODUCT_COUNT)
    quantity = rng.geometric(0.6, order.size)
    day = orders.day[order]
    back_on = day + rng.integers(2, 25, order.size)
    returned = np.flatnonzero((rng.random(order.size) < RETURN_SHARE) & (back_on < DAY_COUNT))
    letter = np.concatenate([np.zeros(order.size, dtype=np.int64), np.ones(returned.size, dtype=np.int64)])
    order = np.concatenate([order, order[returned]])
    product = np.concatenate([product, product[returned]])
    quantity = np.concatenate([quantity, -quantity[returned]])
    day = np.concatenate([day, back_on[returned]])
    by_day = np.lexsort((product, order, day))
    letter, order, product, quantity, day = (part[by_day] for part in (letter, order, product, quantity, day))
    customer = orders.customer[order]
    cents = 290 + (np.arange(PRODUCT_COUNT) * 7_919) % 9_700
    prices = [f"{price // 100}.{price % 100:02d}" for price in cents]
    names = [f"Product {number:04d}" for number in range(1, PRODUCT_COUNT + 1)]
    return pa.table(
        {
            "customer_id": _numbered("C", customer + 1, 7),
            "order_id": pc.binary_join_element_wise(
                pa.array(["B", "R"]).take(pa.array(letter)), _numbered("", order + 1, 8), ""
            ),
            "order_date": pa.array(FIRST_DAY + day),
            "product_id": _numbered("P", product + 1, 4),
            "product": pa.array(names).take(pa.array(product)),
            "quantity": pa.array(quantity),
            "unit_price": pa.array(prices).take(pa.array(product)),
            "currency": pa.array(CURRENCIES.tolist()).take(pa.array(currency[customer])),
        }
    )


def _products(rng: np.random.Generator, customer: Integers, customer_count: int) -> Integers:
    """Return a product for each line: mostly of the favourite category, popular ones more often."""
    in_category = PRODUCT_COUNT // CATEGORY_COUNT
    popularity = 1.0 / np.arange(1, in_category + 1) ** 0.8
    favourite = rng.integers(0, CATEGORY_COUNT, customer_count)[customer]
    anywhere = rng.integers(0, CATEGORY_COUNT, customer.size)
    category = np.where(rng.random(customer.size) < 0.6, favourite, anywhere)
    place = np.searchsorted(np.cumsum(popularity / popularity.sum()), rng.random(customer.size), side="right")
    return category * in_category + np.minimum(place, in_category - 1)


def _customers(rng: np.random.Generator, entry: Integers) -> pa.Table:
    """Return one row per customer; no phone numbers, for the ranges nobody has are too small for so many."""
    number = np.arange(1, entry.size + 1)
    country = rng.choice(COUNTRIES.size, entry.size, p=(0.66, 0.08, 0.08, 0.09, 0.07, 0.02))
    return pa.table(
        {
            "customer_id": _numbered("C", number, 7),
            "name": _numbered("Customer ", number, 7),
            "email": pc.binary_join_element_wise(_numbered("c", number, 7), "@example.com", ""),
            "phone": pa.array(np.full(entry.size, "")),
            "country": pa.array(COUNTRIES.tolist()).take(pa.array(country)),
            "created_at": pa.array(FIRST_DAY + entry),
        }
    )


def _numbered(prefix: str, number: Integers, width: int) -> pa.Array:
    padded = pc.utf8_lpad(pa.array(number).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, padded, "")


def _month(day: Integers) -> Integers:
    """Return 0 for January to 11 for December."""
    return (FIRST_DAY + day).astype("datetime64[M]").astype(np.int64) % 12


def main() -> None:
    """Write both files as the command line says."""
    parser = argparse.ArgumentParser(description="Write customers and order lines for the benchmarks.")
    parser.add_argument("customer_count", type=int, help="for example 20000, 60000 or 200000")
    parser.add_argument("folder", help="where transactions.csv and customers.csv are written")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--currencies", action="store_true", help="a fifth of the customers in GBP or USD")
    given = parser.parse_args()
    generate(given.folder, given.customer_count, given.seed, with_currencies=given.currencies)


if __name__ == "__main__":
    main()
