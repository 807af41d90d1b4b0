"""What would one small company hand over?  `data/sample`, written anew with the same bytes every time.

Morvell sells coffee, tea and what belongs to them; the company, its customers and its employees are invented.
Three years (2022-07-01 to 2025-06-30) of about 2,000 customers, one CSV file per system and entity, in the
library's plain layouts, the till in the flat `transactions` layout. Time zone Europe/Berlin, reporting
currency EUR. What was planted for tests to find is in `planted`, what was broken on purpose in `dirt`.

    python -m crm_analytics.demo.sample data/sample
"""

from __future__ import annotations

import csv
import io
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from crm_analytics.demo.catalogue import exchange_rate_rows, product_rows
from crm_analytics.demo.clock import DAY_COUNT
from crm_analytics.demo.customers import Customer, customer_rows, make_customers
from crm_analytics.demo.dirt import soil
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.helpdesk import helpdesk_files
from crm_analytics.demo.mailing import mailing_files
from crm_analytics.demo.people import Directory
from crm_analytics.demo.planted import (
    EFFECT_CAMPAIGN,
    EFFECT_RATE,
    EFFECT_SENT_ON,
    NULL_CAMPAIGN,
    NULL_SENT_ON,
    Complaint,
    Membership,
    plant_affinity,
    plant_campaign,
    plant_complaints,
)
from crm_analytics.demo.purchases import Purchase, make_purchases
from crm_analytics.demo.sales import sales_files
from crm_analytics.demo.shop import shop_files
from crm_analytics.errors import UsageError

TIMEZONE = "Europe/Berlin"
REPORTING_CURRENCY = "EUR"

# file -> its columns, in order.
COLUMNS: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("files.toml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Company:
    """The invented company: the rows of every file, and the truth behind them.

    Attributes
    ----------
    tables : dict of str to list of dict
        File name -> rows as they are written.
    customers : list of Customer
        Everybody once, with habits; ``second_id`` is the number of a second registration.
    complaints : list of Complaint
        All complaints; the slow ones drove customers away.
    members : list of Membership
        Members of the two campaigns with a held-out group.
    """

    tables: dict[str, list[dict[str, str]]]
    customers: list[Customer]
    complaints: list[Complaint]
    members: list[Membership]


def build(seed: int = 7) -> Company:
    """Return the invented company in memory.

    Examples
    --------
    >>> company = build(seed=7)
    >>> sum(customer.second_id != "" for customer in company.customers)
    40
    """
    directory = Directory(Draws(seed, "names"))
    customers = make_customers(directory, seed)
    purchases, complaints, members = _plant(customers, seed)
    sales = sales_files(customers, purchases, directory, seed)
    shop = shop_files(purchases, sales.deals, seed)
    helpdesk = helpdesk_files(purchases, complaints, shop.number_of, seed)
    mailing = mailing_files(customers, purchases, members, sales.lead_mails, seed)
    tables = {
        "ad_spend.csv": mailing.ad_spend,
        "calls.csv": sales.calls,
        "consents.csv": mailing.consents,
        "crm_contacts.csv": sales.contacts,
        "crm_contracts.csv": sales.contracts,
        "crm_leads.csv": sales.leads,
        "crm_opportunities.csv": sales.opportunities,
        "crm_opportunity_stages.csv": sales.stages,
        "crm_tasks.csv": sales.tasks,
        "crm_users.csv": sales.users,
        "exchange_rates.csv": exchange_rate_rows(Draws(seed, "rates"), DAY_COUNT),
        "helpdesk_feedback.csv": helpdesk.feedback,
        "helpdesk_ticket_statuses.csv": helpdesk.statuses,
        "helpdesk_tickets.csv": helpdesk.tickets,
        "mail_campaign_members.csv": mailing.members,
        "mail_campaigns.csv": mailing.campaigns,
        "mail_events.csv": mailing.events,
        "pos_transactions.csv": shop.till,
        "shop_customers.csv": customer_rows(customers, seed),
        "shop_order_lines.csv": shop.lines,
        "shop_orders.csv": shop.orders,
        "shop_payments.csv": shop.payments,
        "shop_products.csv": product_rows(),
        "shop_returns.csv": shop.returns,
    }
    return Company(soil(tables), customers, complaints, members)


def write_sample(folder: str | Path, seed: int = 7) -> list[Path]:
    """Write the sample's CSV files into a folder and return their paths, by name.

    Parameters
    ----------
    folder : str or Path
        Made when it does not exist; files of the same names are replaced, others are left alone.
    seed : int, default 7
        Another seed gives another company of the same kind; 7 is the committed one.

    Returns
    -------
    list of Path
        The files.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = []
    for file, rows in sorted(build(seed).tables.items()):
        paths.append(target / file)
        paths[-1].write_bytes(_csv_bytes(COLUMNS[file], rows))
    return paths


def main(arguments: list[str]) -> None:
    """Write the sample into the folder given as the only argument."""
    if len(arguments) != 1:
        raise UsageError("Name the folder to write: python -m crm_analytics.demo.sample data/sample")
    write_sample(arguments[0])


def _plant(customers: list[Customer], seed: int) -> tuple[list[Purchase], list[Complaint], list[Membership]]:
    purchases = plant_affinity(make_purchases(customers, seed), Draws(seed, "affinity"))
    purchases, complaints = plant_complaints(purchases, len(customers), Draws(seed, "complaints"))
    members: list[Membership] = []
    for campaign_id, sent_on, effect in (
        (NULL_CAMPAIGN, NULL_SENT_ON, 0.0),
        (EFFECT_CAMPAIGN, EFFECT_SENT_ON, EFFECT_RATE),
    ):
        purchases, added = plant_campaign(
            purchases,
            customers,
            complaints,
            Draws(seed, campaign_id),
            campaign_id=campaign_id,
            sent_on=sent_on,
            effect=effect,
        )
        members += added
    return purchases, complaints, members


def _csv_bytes(columns: list[str], rows: list[dict[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
