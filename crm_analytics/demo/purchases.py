"""What does each customer buy, and when?  Baskets over three years, before anything is planted in them.

While a customer is active, purchases come as a Poisson process whose rate moves with the season; after each
one the customer may drop out for good. What is in the basket depends on the customer's taste.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from crm_analytics.demo.catalogue import BY_CATEGORY, COMPANIONS, ESPRESSO, GRINDER, PRODUCTS
from crm_analytics.demo.clock import DAY, END, awake, season
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.draws import Draws

HIGHEST_SEASON = 1.75
ESPRESSO_PROBABILITY = 0.055
GRINDER_PROBABILITY = 0.004
TILL_SHARE = 0.16


@dataclass(frozen=True)
class Line:
    """One product in a basket; prices in cents of the purchase's currency."""

    product_id: str
    quantity: int
    unit_price: int
    discount: int

    @property
    def amount(self) -> int:
        """What the line costs, in cents."""
        return self.quantity * self.unit_price - self.discount


@dataclass(frozen=True)
class Purchase:
    """One basket of one customer at one moment."""

    customer: Customer
    at: int
    channel: str
    lines: tuple[Line, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What tells the purchase from all others: whose, and when."""
        return self.customer.customer_id, self.at

    def holds(self, product_id: str) -> bool:
        """Say whether a product is in the basket."""
        return any(line.product_id == product_id for line in self.lines)

    @property
    def customer_id(self) -> str:
        """Number under which the customer bought: the second one since it exists."""
        second_at = self.customer.second_at
        return (
            self.customer.second_id
            if second_at is not None and self.at >= second_at
            else self.customer.customer_id
        )


def make_purchases(customers: list[Customer], seed: int) -> list[Purchase]:
    """Return every purchase, by time."""
    draws = Draws(seed, "purchases")
    purchases: list[Purchase] = []
    for customer in customers:
        owned: set[str] = set()
        for at in _moments(customer, draws):
            wanted = ""
            for product_id, chance in ((ESPRESSO, ESPRESSO_PROBABILITY), (GRINDER, GRINDER_PROBABILITY)):
                if product_id not in owned and draws.chance(chance):
                    wanted = product_id
            owned.add(wanted)
            purchases.append(make_purchase(customer, at, draws, wanted=wanted))
    return sorted(purchases, key=lambda purchase: purchase.at)


def make_purchase(customer: Customer, at: int, draws: Draws, *, wanted: str = "") -> Purchase:
    """Return one purchase with a basket after the customer's taste; ``wanted`` is in it for certain."""
    day, second = divmod(at, DAY)
    at = awake(at) if second < DAY // 4 else at
    on_sale = [product for product in customer.taste if PRODUCTS[product].first_day <= day]
    weights = [customer.taste[product] for product in on_sale]
    chosen = [wanted] if wanted else []
    for _ in range(min(7, 1 + int(draws.exponential(1.1)))):
        product_id = draws.weighted(on_sale, weights)
        if product_id not in chosen:
            chosen.append(product_id)
        companion, chance = COMPANIONS.get(product_id, ("", 0.0))
        if companion and companion not in chosen and draws.chance(chance):
            chosen.append(companion)
    if draws.chance(0.05):
        chosen.append(draws.pick(BY_CATEGORY["promotion"]).product_id)
    is_reduced = draws.chance(0.09)
    lines = tuple(_line(product_id, customer, draws, is_reduced) for product_id in chosen)
    return Purchase(customer, at, _channel(customer, draws), lines)


def owned_before(purchases: list[Purchase], customer: Customer, product_id: str, at: int) -> bool:
    """Say whether the customer bought a product before a moment."""
    return any(
        purchase.customer is customer and purchase.at < at and purchase.holds(product_id)
        for purchase in purchases
    )


def _moments(customer: Customer, draws: Draws) -> list[int]:
    moments: list[int] = []
    if customer.first_at is None or customer.first_at >= END:
        return moments
    at = customer.first_at
    while at < END:
        if not moments or draws.chance(season(at // DAY) / HIGHEST_SEASON):
            moments.append(at)
            if draws.chance(customer.dropout):
                break
        at += DAY // 4 + int(draws.exponential(DAY / (customer.purchases_per_day * HIGHEST_SEASON)))
    return moments


def _channel(customer: Customer, draws: Draws) -> str:
    if customer.is_organisation:
        return draws.weighted(("web", "phone", "email"), (0.6, 0.25, 0.15))
    return draws.weighted(("web", "app", "store", "phone"), (0.60, 0.21, TILL_SHARE, 0.03))


def _line(product_id: str, customer: Customer, draws: Draws, is_reduced: bool) -> Line:
    product = PRODUCTS[product_id]
    quantity = 1
    if product.category not in ("machines", "promotion"):
        quantity += int(draws.exponential(1.6 if customer.is_organisation else 0.55))
    if customer.is_organisation and product.category in ("coffee", "tea", "tableware"):
        quantity *= draws.whole(1, 4)
    price = product.price_in(customer.currency)
    discount = math.floor(quantity * price * 0.1) if is_reduced else 0
    return Line(product_id, quantity, price, discount)
