"""Which mistakes does the sample hold on purpose?  Records that cannot be loaded, and a block sent twice.

Each broken record stands alone (nothing refers to it), so that the rest of the sample stays whole. Slips in
names, phone numbers and addresses are not here: they are loaded as written (`customers`, `people`).
"""

from __future__ import annotations

# file -> records that a loader must set aside, and why. Columns not named are empty.
BROKEN: dict[str, tuple[dict[str, str], ...]] = {
    "shop_orders.csv": (
        {
            "source_id": "S199901",
            "customer_source_id": "C000101",
            "occurred_at": "2023-02-30 11:20:00",
            "status": "confirmed",
            "channel": "web",
            "currency": "EUR",
            "total_amount": "18.90",
        },
        {
            "source_id": "S199902",
            "customer_source_id": "C000102",
            "occurred_at": "",
            "status": "confirmed",
            "channel": "app",
            "currency": "EUR",
            "total_amount": "9.90",
        },
    ),
    "shop_order_lines.csv": (
        {
            "line_source_id": "L399901",
            "product_source_id": "P-MUG-RED",
            "quantity": "1",
            "unit_price": "10.90",
        },
        {
            "line_source_id": "L399902",
            "order_source_id": "S100010",
            "product_source_id": "P-MUG-RED",
            "quantity": "two",
            "unit_price": "10.90",
        },
    ),
    "shop_customers.csv": (
        {"type": "person", "name": "Nobody Unknown", "country": "DE", "created_at": "2024-05-06 10:00:00"},
    ),
    "shop_payments.csv": (
        {
            "source_id": "PY999901",
            "customer_source_id": "C000103",
            "occurred_at": "2024-03-04",
            "amount": "n/a",
            "currency": "EUR",
            "method": "card",
        },
    ),
    "shop_returns.csv": (
        {
            "source_id": "R99901",
            "order_source_id": "S100020",
            "occurred_at": "2023-11-31 10:00:00",
            "amount": "10.90",
            "currency": "EUR",
        },
    ),
    "helpdesk_tickets.csv": (
        {
            "source_id": "K99901",
            "customer_source_id": "C000104",
            "kind": "question",
            "status": "New",
            "created_at": "",
        },
    ),
    "consents.csv": (
        {
            "customer_source_id": "",
            "channel": "email",
            "purpose": "marketing",
            "occurred_at": "2024-01-09 12:00:00",
            "is_granted": "true",
        },
    ),
    "pos_transactions.csv": (
        {
            "customer_id": "C000105",
            "order_id": "T299901",
            "order_date": "2024-13-05",
            "product_id": "P-MUG-BLUE",
            "product": "Mug blue 300 ml",
            "quantity": "1",
            "unit_price": "10.90",
            "currency": "EUR",
        },
        {
            "customer_id": "",
            "order_id": "T299902",
            "order_date": "2024-06-07",
            "product_id": "P-MUG-BLUE",
            "product": "Mug blue 300 ml",
            "quantity": "1",
            "unit_price": "10.90",
            "currency": "EUR",
        },
        {
            "customer_id": "C000106",
            "order_id": "T299903",
            "order_date": "2024-06-08",
            "product_id": "P-MUG-BLUE",
            "product": "Mug blue 300 ml",
            "quantity": "1",
            "unit_price": "10,9O",
            "currency": "EUR",
        },
    ),
}
BROKEN_COUNT = {file: len(records) for file, records in BROKEN.items()}

# The till sent these lines of one file twice: (file, first line, number of lines).
REPEATED_FILE = "pos_transactions.csv"
REPEATED_FROM = 400
REPEATED_COUNT = 30


def soil(tables: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
    """Return the tables with broken records spread through them and one block of lines repeated."""
    soiled = dict(tables)
    block = tables[REPEATED_FILE][REPEATED_FROM : REPEATED_FROM + REPEATED_COUNT]
    rows = tables[REPEATED_FILE]
    soiled[REPEATED_FILE] = (
        rows[: REPEATED_FROM + REPEATED_COUNT] + block + rows[REPEATED_FROM + REPEATED_COUNT :]
    )
    for file, records in BROKEN.items():
        rows = list(soiled[file])
        for place, record in enumerate(records, start=1):
            rows.insert(place * len(rows) // (len(records) + 1), record)
        soiled[file] = rows
    return soiled
