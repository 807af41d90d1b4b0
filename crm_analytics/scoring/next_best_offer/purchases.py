"""Who has bought what before a day?  The facts that recommenders work on, as arrays.

Customers and products are numbered in the order of their ids, so that results do not depend on the order
of rows. A purchase history is a list of (customer, product) entries sorted by customer, then product.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Purchases:
    """What is known of all purchases before a day.

    Attributes
    ----------
    customers : DataFrame
        Columns of audience.sql, sorted by customer_id; row number = customer number.
    products : DataFrame
        Columns of products.sql, sorted by product_id; row number = product number.
    starts : array of int, shape (customers + 1,)
        Entries of customer c are ``starts[c]`` up to ``starts[c + 1]``.
    product : array of int
        Product number of each entry.
    order_count, first_days, last_days : array of float
        Orders, and days since first and last purchase, of each entry.
    segment : array of int
        Segment number of each customer; -1 = unknown.
    segment_names : tuple of str
        Names of the segments.
    """

    customers: pd.DataFrame
    products: pd.DataFrame
    starts: Integers
    product: Integers
    order_count: Floats
    first_days: Floats
    last_days: Floats
    segment: Integers
    segment_names: tuple[str, ...]

    def entries(self, rows: slice) -> tuple[slice, Integers]:
        """Return which entries belong to customers `rows`, and the position within `rows` of each."""
        counts = np.diff(self.starts[rows.start : rows.stop + 1])
        where = slice(int(self.starts[rows.start]), int(self.starts[rows.stop]))
        return where, np.repeat(np.arange(rows.stop - rows.start), counts)

    def owned(self, rows: slice) -> NDArray[np.bool_]:
        """Return which products customers `rows` have bought, shape (customers, products)."""
        where, position = self.entries(rows)
        found = np.zeros((rows.stop - rows.start, len(self.products)), dtype=bool)
        found[position, self.product[where]] = True
        return found

    def only(self, numbers: Integers) -> Purchases:
        """Return the same for some customers, by number in ascending order."""
        counts = np.diff(self.starts)[numbers]
        starts = np.concatenate([[0], np.cumsum(counts)])
        entries = np.repeat(self.starts[numbers] - starts[:-1], counts) + np.arange(int(starts[-1]))
        return Purchases(
            customers=self.customers.iloc[numbers].reset_index(drop=True),
            products=self.products,
            starts=starts,
            product=self.product[entries],
            order_count=self.order_count[entries],
            first_days=self.first_days[entries],
            last_days=self.last_days[entries],
            segment=self.segment[numbers],
            segment_names=self.segment_names,
        )


def purchases_before(wh: Warehouse, *, as_of: date, channel: str = "email") -> Purchases:
    """Return what customers bought before `as_of`, for the products that were sold in the year before it.

    Who refused marketing on `channel` is marked (``is_refused``): others are learned from them all the same.
    """
    customers = wh.frame(_sql("audience.sql"), as_of=as_of, channel=channel)
    products = wh.frame(_sql("products.sql"), as_of=as_of)
    basket = wh.frame(_sql("basket.sql"), as_of=as_of)
    customer, product = numbered(basket, customers, products)
    known = (customer >= 0) & (product >= 0)
    customer, basket = customer[known], basket[known]
    segments, names = pd.factorize(customers["segment"], sort=True)
    return Purchases(
        customers=customers,
        products=products,
        starts=np.searchsorted(customer, np.arange(len(customers) + 1)),
        product=product[known],
        order_count=basket["order_count"].to_numpy(dtype=np.float64),
        first_days=basket["days_since_first"].to_numpy(dtype=np.float64),
        last_days=basket["days_since_last"].to_numpy(dtype=np.float64),
        segment=np.asarray(segments, dtype=np.int64),
        segment_names=tuple(str(name) for name in names),
    )


def bought_matrix(wh: Warehouse, known: Purchases, *, as_of: date, horizon_days: int) -> NDArray[np.bool_]:
    """Return which products the customers of `known` bought in the window, shape (customers, products)."""
    label = wh.frame(_sql("bought.sql"), as_of=as_of, horizon_days=horizon_days)
    customer, product = numbered(label, known.customers, known.products)
    counted = (customer >= 0) & (product >= 0)
    found = np.zeros((len(known.customers), len(known.products)), dtype=bool)
    found[customer[counted], product[counted]] = True
    return found


def numbered(
    pairs: pd.DataFrame, customers: pd.DataFrame, products: pd.DataFrame
) -> tuple[Integers, Integers]:
    """Return the customer and product number of each pair; -1 = not among them."""
    customer = pd.Index(customers["customer_id"]).get_indexer(pairs["customer_id"])
    product = pd.Index(products["product_id"]).get_indexer(pairs["product_id"])
    return np.asarray(customer, dtype=np.int64), np.asarray(product, dtype=np.int64)


def _sql(name: str) -> SqlFile:
    return SqlFile.beside(__file__, name)
