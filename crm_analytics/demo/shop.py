"""How do the web shop and the till export what was sold?  Orders, lines, payments, returns and till receipts.

The shop keeps heads and lines apart and knows payments and returns; the till writes one flat line per
product and takes goods back as a receipt of its own with a negative quantity. Amounts are in the currency of
the order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crm_analytics.demo.catalogue import PRODUCTS, money
from crm_analytics.demo.clock import DAY, END, awake, day_text, moment_text
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.purchases import Line, Purchase

CANCELLED_SHARE = 0.015
RETURNED_SHARE = 0.05
UNPAID_SHARE = 0.03
FREE_SHIPPING_FROM = 5_000
SHIPPING = 490
RETURN_REASONS = ("damaged", "not as described", "changed mind", "wrong item", "too late")


@dataclass
class ShopFiles:
    """Rows of the shop's and the till's files, and the number that each purchase got."""

    orders: list[dict[str, str]] = field(default_factory=list)
    lines: list[dict[str, str]] = field(default_factory=list)
    payments: list[dict[str, str]] = field(default_factory=list)
    returns: list[dict[str, str]] = field(default_factory=list)
    till: list[dict[str, str]] = field(default_factory=list)
    receipt_count: int = 0
    number_of: dict[tuple[str, int], str] = field(default_factory=dict)


def shop_files(purchases: list[Purchase], deals: dict[tuple[str, int], str], seed: int) -> ShopFiles:
    """Return the rows of all files; ``deals`` says which purchase came from which won opportunity."""
    draws = Draws(seed, "shop")
    files = ShopFiles()
    for purchase in purchases:
        if purchase.channel == "store":
            _till_receipt(purchase, files, draws)
        else:
            _shop_order(purchase, files, deals.get(purchase.key, ""), draws)
    for rows in (files.payments, files.returns):
        rows.sort(key=lambda row: (row["occurred_at"], row["order_source_id"]))
    for number, row in enumerate(files.payments, start=1):
        row["source_id"] = f"PY{number:06d}"
    for number, row in enumerate(files.returns, start=1):
        row["source_id"] = f"R{number:05d}"
    return files


def _till_receipt(purchase: Purchase, files: ShopFiles, draws: Draws) -> None:
    number = f"T{200_001 + files.receipt_count}"
    files.receipt_count += 1
    files.number_of[purchase.key] = number
    for line in purchase.lines:
        files.till.append(_till_line(purchase, number, line, purchase.at // DAY, line.quantity))
    if draws.chance(RETURNED_SHARE) and (purchase.at // DAY + 9) * DAY < END:
        line = purchase.lines[0]
        back_on = purchase.at // DAY + draws.whole(1, 9)
        number = f"T{200_001 + files.receipt_count}"
        files.receipt_count += 1
        files.till.append(_till_line(purchase, number, line, back_on, -line.quantity))


def _till_line(purchase: Purchase, number: str, line: Line, day: int, quantity: int) -> dict[str, str]:
    return {
        "customer_id": purchase.customer_id,
        "order_id": number,
        "order_date": day_text(day),
        "product_id": line.product_id,
        "product": PRODUCTS[line.product_id].name,
        "quantity": str(quantity),
        "unit_price": money(line.unit_price),
        "currency": purchase.customer.currency,
    }


def _shop_order(purchase: Purchase, files: ShopFiles, deal: str, draws: Draws) -> None:
    customer = purchase.customer
    number = f"S{100_001 + len(files.orders)}"
    files.number_of[purchase.key] = number
    net = sum(line.amount for line in purchase.lines)
    shipping = 0 if net >= FREE_SHIPPING_FROM or customer.is_organisation else SHIPPING
    cancelled_at = awake(purchase.at + draws.whole(600, 2 * DAY)) if draws.chance(CANCELLED_SHARE) else None
    if deal or (cancelled_at is not None and cancelled_at >= END):
        cancelled_at = None
    files.orders.append(
        {
            "source_id": number,
            "customer_source_id": purchase.customer_id,
            "occurred_at": moment_text(purchase.at),
            "status": "confirmed" if cancelled_at is None else "cancelled",
            "cancelled_at": moment_text(cancelled_at),
            "channel": purchase.channel,
            "currency": customer.currency,
            "total_amount": money(net + shipping),
            "shipping_amount": money(shipping),
            "ship_country": customer.country,
            "opportunity_source_id": deal,
        }
    )
    line_numbers = []
    for line in purchase.lines:
        line_numbers.append(f"L{300_001 + len(files.lines)}")
        files.lines.append(
            {
                "line_source_id": line_numbers[-1],
                "order_source_id": number,
                "product_source_id": line.product_id,
                "quantity": str(line.quantity),
                "unit_price": money(line.unit_price),
                "discount_amount": money(line.discount) if line.discount else "",
            }
        )
    if cancelled_at is None:
        _payment(purchase, number, net + shipping, files, draws)
        for line, line_number in zip(purchase.lines, line_numbers, strict=True):
            if line.amount > 0 and draws.chance(RETURNED_SHARE):
                _return(purchase, number, line, line_number, files, draws)


def _payment(purchase: Purchase, number: str, amount: int, files: ShopFiles, draws: Draws) -> None:
    day = purchase.at // DAY
    paid_on: int | None = day
    due_on = day
    method = draws.weighted(("card", "paypal", "direct debit"), (0.5, 0.35, 0.15))
    if purchase.customer.is_organisation:
        method = "transfer"
        due_on = day + 30
        paid_on = day + draws.whole(5, 30) if draws.chance(0.8) else due_on + 1 + int(draws.exponential(14.0))
        if draws.chance(UNPAID_SHARE) or paid_on * DAY >= END:
            paid_on = None
    files.payments.append(
        {
            "customer_source_id": purchase.customer_id,
            "order_source_id": number,
            "occurred_at": day_text(day),
            "due_on": day_text(due_on),
            "paid_on": day_text(paid_on),
            "amount": money(amount),
            "currency": purchase.customer.currency,
            "method": method,
        }
    )


def _return(
    purchase: Purchase, number: str, line: Line, line_number: str, files: ShopFiles, draws: Draws
) -> None:
    at = purchase.at + draws.whole(3, 24) * DAY
    if at >= END:
        return
    quantity = line.quantity if draws.chance(0.7) else 1
    files.returns.append(
        {
            "order_source_id": number,
            "line_source_id": line_number,
            "customer_source_id": purchase.customer_id,
            "occurred_at": moment_text(at),
            "product_source_id": line.product_id,
            "quantity": str(quantity),
            "amount": money(line.amount * quantity // line.quantity),
            "currency": purchase.customer.currency,
            "reason": draws.pick(RETURN_REASONS),
        }
    )
