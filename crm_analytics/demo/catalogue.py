"""What does the invented company sell, and for how much?  Morvell, a shop for coffee, tea and kitchen things.

Prices and costs are whole cents. Each product has a weight (how often it is bought within its category) and
the first day on which it can be bought. Three products can be had for nothing, as promotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from crm_analytics.demo.clock import calendar_day, day_of, day_text, moment_text
from crm_analytics.demo.draws import Draws

COMPANY = "Morvell"
ESPRESSO = "P-ESPRESSO"
GRINDER = "P-GRINDER"
PLANS = ("P-PLAN-HOME", "P-PLAN-OFFICE", "P-SERVICE")

# Price lists: what one euro of the list price becomes. Exchange rates move around the inverse.
PRICE_FACTOR = {"EUR": 1.0, "USD": 1.10, "GBP": 0.87}
CURRENCY_OF_COUNTRY = {"GB": "GBP", "US": "USD"}


@dataclass(frozen=True)
class Product:
    """One product: price and cost in euro cents, weight within its category, first day on sale."""

    product_id: str
    name: str
    category: str
    brand: str
    price: int
    cost: int
    weight: float
    first_day: int

    def price_in(self, currency: str) -> int:
        """Return the list price in cents of a currency, ending in ..9."""
        if self.price == 0 or currency == "EUR":
            return self.price
        return int(self.price * PRICE_FACTOR[currency]) // 10 * 10 + 9


# category -> (share of purchases, brand, ((id, name, price, cost, weight), ...))
_RANGE: dict[str, tuple[float, str, tuple[tuple[str, str, int, int, float], ...]]] = {
    "coffee": (
        0.34,
        "Morvell Roast",
        (
            ("P-BEANS-HOUSE", "House blend beans 1 kg", 1890, 980, 5.0),
            ("P-BEANS-DARK", "Dark roast beans 1 kg", 1990, 1020, 3.5),
            ("P-BEANS-DECAF", "Decaf beans 500 g", 1290, 690, 1.5),
            ("P-BEANS-SINGLE", "Single estate beans 500 g", 1690, 880, 2.0),
            ("P-GROUND-HOUSE", "House blend ground 500 g", 990, 510, 2.5),
            ("P-CAPSULES-50", "Capsules, box of 50", 1590, 760, 2.0),
            ("P-COLDBREW", "Cold brew concentrate 1 l", 1190, 520, 0.8),
        ),
    ),
    "tea": (
        0.16,
        "Hollin Tea",
        (
            ("P-TEA-GREEN", "Green tea loose 250 g", 1150, 480, 2.0),
            ("P-TEA-BLACK", "Black tea loose 250 g", 990, 410, 2.5),
            ("P-TEA-HERB", "Herb tea, 40 bags", 590, 220, 2.0),
            ("P-TEA-EARLGREY", "Earl Grey loose 250 g", 1090, 450, 1.2),
            ("P-TEA-CHAI", "Chai spice mix 300 g", 1290, 540, 1.0),
            ("P-TEAPOT", "Glass teapot 1.2 l", 3490, 1700, 0.5),
            ("P-TEA-INFUSER", "Steel infuser", 890, 260, 0.6),
        ),
    ),
    "machines": (
        0.03,
        "Tarvik",
        (
            ("P-FILTERMACHINE", "Filter coffee machine", 7990, 4900, 1.0),
            ("P-KETTLE", "Electric kettle 1.7 l", 4990, 2700, 1.6),
            ("P-FROTHER", "Milk frother", 3990, 1900, 1.4),
            (ESPRESSO, "Espresso machine", 18900, 11800, 0.0),
            (GRINDER, "Burr grinder", 8900, 5100, 0.0),
        ),
    ),
    "brewing": (
        0.12,
        "Tarvik",
        (
            ("P-FRENCHPRESS", "French press 1 l", 2790, 1200, 1.2),
            ("P-POUROVER", "Pour-over dripper", 1990, 700, 1.1),
            ("P-FILTERS-100", "Paper filters, 100 pieces", 390, 110, 3.5),
            ("P-MOKA", "Moka pot, 6 cups", 2990, 1300, 1.0),
            ("P-SCALE", "Coffee scale with timer", 3490, 1600, 0.6),
            ("P-TAMPER", "Tamper 58 mm", 2490, 900, 0.5),
            ("P-SERVER", "Glass server 600 ml", 1890, 760, 0.6),
        ),
    ),
    "tableware": (
        0.14,
        "Linden & Lake",
        (
            ("P-MUG-RED", "Mug red 300 ml", 1090, 380, 1.6),
            ("P-MUG-BLUE", "Mug blue 300 ml", 1090, 380, 1.6),
            ("P-MUG-WHITE", "Mug white 300 ml", 990, 340, 1.8),
            ("P-CUPS-ESP", "Espresso cups, set of 4", 2490, 980, 1.0),
            ("P-GLASS-LATTE", "Latte glasses, set of 2", 1690, 640, 1.0),
            ("P-SAUCER", "Saucer, set of 4", 1590, 560, 0.5),
            ("P-TUMBLER", "Travel tumbler 400 ml", 2290, 920, 1.3),
            ("P-TRAY", "Beech tray", 2790, 1250, 0.4),
        ),
    ),
    "care": (
        0.09,
        "Klarin",
        (
            ("P-DESCALER", "Descaler 500 ml", 890, 250, 2.0),
            ("P-CLEAN-TABS", "Cleaning tablets, 20 pieces", 1190, 340, 1.6),
            ("P-BRUSH", "Grinder brush", 690, 180, 0.7),
            ("P-WATERFILTER", "Water filter cartridge", 1490, 520, 1.4),
            ("P-MILK-CLEANER", "Milk system cleaner 1 l", 1290, 390, 0.9),
        ),
    ),
    "sweets": (
        0.12,
        "Feldner",
        (
            ("P-BISCUITS", "Almond biscuits 250 g", 490, 190, 2.2),
            ("P-CHOCOLATE", "Dark chocolate 100 g", 390, 150, 2.4),
            ("P-SYRUP-VAN", "Vanilla syrup 700 ml", 990, 360, 1.2),
            ("P-SYRUP-CAR", "Caramel syrup 700 ml", 990, 360, 1.2),
            ("P-HONEY", "Forest honey 500 g", 890, 420, 1.0),
            ("P-GIFTBOX", "Gift box small", 2990, 1400, 0.9),
            ("P-ADVENT", "Advent calendar", 3490, 1650, 0.6),
        ),
    ),
    "promotion": (
        0.0,
        COMPANY,
        (
            ("P-SAMPLE", "Coffee sample 50 g", 0, 60, 3.0),
            ("P-TOTE", "Cotton bag", 0, 140, 1.0),
            ("P-STICKERS", "Sticker sheet", 0, 20, 1.0),
        ),
    ),
    "service": (
        0.0,
        COMPANY,
        (
            ("P-PLAN-HOME", "Coffee plan home, monthly", 2490, 1300, 1.0),
            ("P-PLAN-OFFICE", "Coffee plan office, monthly", 14900, 8200, 1.0),
            ("P-SERVICE", "Machine service, yearly", 19900, 6100, 1.0),
        ),
    ),
}
_LAUNCHES = {
    "P-COLDBREW": date(2023, 5, 2),
    "P-SCALE": date(2023, 9, 4),
    "P-TEA-CHAI": date(2023, 10, 2),
    "P-TUMBLER": date(2024, 2, 5),
    "P-GLASS-LATTE": date(2024, 9, 2),
}
_BEFORE = -30

PRODUCTS: dict[str, Product] = {
    product_id: Product(
        product_id=product_id,
        name=name,
        category=category,
        brand=brand,
        price=price,
        cost=cost,
        weight=weight,
        first_day=day_of(_LAUNCHES[product_id]) if product_id in _LAUNCHES else _BEFORE,
    )
    for category, (_, brand, members) in _RANGE.items()
    for product_id, name, price, cost, weight in members
}
CATEGORY_SHARE = {category: share for category, (share, _, _) in _RANGE.items() if share > 0}
BY_CATEGORY = {
    category: tuple(p for p in PRODUCTS.values() if p.category == category and p.weight > 0)
    for category in _RANGE
}

# Mild, natural pairs: who buys the left one sometimes takes the right one along.
COMPANIONS = {
    "P-POUROVER": ("P-FILTERS-100", 0.45),
    "P-FILTERMACHINE": ("P-FILTERS-100", 0.55),
    "P-TEAPOT": ("P-TEA-INFUSER", 0.30),
    "P-MUG-RED": ("P-MUG-BLUE", 0.25),
    "P-BEANS-SINGLE": ("P-CHOCOLATE", 0.15),
    "P-DESCALER": ("P-CLEAN-TABS", 0.25),
    "P-FROTHER": ("P-SYRUP-VAN", 0.30),
}


def money(cents: int) -> str:
    """Write cents as a decimal amount.

    Examples
    --------
    >>> money(-1990)
    '-19.90'
    """
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def product_rows() -> list[dict[str, str]]:
    """Return the rows of shop_products.csv."""
    return [
        {
            "source_id": product.product_id,
            "name": product.name,
            "category": product.category,
            "brand": product.brand,
            "unit_price": money(product.price),
            "unit_cost": money(product.cost),
            "currency": "EUR",
            "is_active": "true",
            "created_at": moment_text(product.first_day * 86_400 + 8 * 3_600),
        }
        for product in sorted(PRODUCTS.values(), key=lambda product: product.product_id)
    ]


def exchange_rate_rows(draws: Draws, day_count: int) -> list[dict[str, str]]:
    """Return the rows of exchange_rates.csv: each currency in euro, on the first of every month."""
    rows = []
    for currency in ("GBP", "USD"):
        rate = 1.0 / PRICE_FACTOR[currency]
        for day in range(day_count):
            if calendar_day(day).day == 1:
                rows.append(
                    {
                        "currency": currency,
                        "to_currency": "EUR",
                        "occurred_at": day_text(day),
                        "rate": f"{rate:.4f}",
                    }
                )
                rate *= 1.0 + draws.uniform(-0.015, 0.015)
    return rows
