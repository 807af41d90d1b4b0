"""How does the CRM hold the business with organisations?  Its files, put together in the order of the story.

First come the contact persons, then the leads they began as, the deals with them, contracts and calls.
"""

from __future__ import annotations

from crm_analytics.demo.contacts import SalesFiles, add_contacts, add_follow_up_calls, user_rows
from crm_analytics.demo.customers import Customer
from crm_analytics.demo.deals import add_contracts, add_opportunities
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.leads import add_leads
from crm_analytics.demo.people import Directory
from crm_analytics.demo.purchases import Purchase


def sales_files(
    customers: list[Customer], purchases: list[Purchase], directory: Directory, seed: int
) -> SalesFiles:
    """Return the rows of all files."""
    draws = Draws(seed, "sales")
    files = SalesFiles(users=user_rows())
    bought: dict[str, list[Purchase]] = {}
    for purchase in purchases:
        bought.setdefault(purchase.customer.customer_id, []).append(purchase)
    organisations = [customer for customer in customers if customer.is_organisation]
    contact_of = {c.customer_id: add_contacts(c, files, directory, draws) for c in organisations}
    add_leads(organisations, contact_of, files, directory, draws)
    for customer in organisations:
        add_opportunities(
            customer, contact_of[customer.customer_id], bought.get(customer.customer_id, []), files, draws
        )
    add_contracts(customers, bought, files, draws)
    add_follow_up_calls(organisations, contact_of, files, draws)
    _number(files.calls, "A", "occurred_at")
    _number(files.tasks, "TA", "created_at")
    return files


def _number(rows: list[dict[str, str]], letter: str, column: str) -> None:
    rows.sort(key=lambda row: (row[column], row.get("customer_source_id", ""), row.get("lead_source_id", "")))
    for number, row in enumerate(rows, start=1):
        row["source_id"] = f"{letter}{number:05d}"
