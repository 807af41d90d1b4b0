"""Which organisations are our accounts, what happens with each in total, and whom does one speak to there?

Orders, tickets, deals, contracts and payments of an organisation carry its own customer_id, whoever of its
people placed them; contact persons are rolled up to it. Names and addresses stay out: contact_id leads to
them.
"""

from __future__ import annotations

from datetime import date

import pandas as pd

from crm_analytics.segmentation.measures import measure_table
from crm_analytics.warehouse import SqlFile, Warehouse

MEASURES = (
    "tenure_days",
    "days_since_last_order",
    "order_count_365_days",
    "net_spend",
    "net_spend_365_days",
    "net_margin",
    "high_margin_share",
    "open_ticket_count",
    "satisfaction_rate",
    "days_since_last_contact",
    "has_running_contract",
    "overdue_amount",
    "open_deal_count",
    "open_deal_amount",
)


def accounts(wh: Warehouse, *, as_of: date) -> pd.DataFrame:
    """Roll everything known of each organisation up into one row.

    Returns
    -------
    DataFrame
        customer_id, owner_source_id, contact_count, then the measures of ``MEASURES`` (units: `measures`;
        amounts as float64), ordered by customer_id. Test and internal organisations are left out.

    Examples
    --------
    >>> accounts(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    people = account_contacts(wh, as_of=as_of, with_empty=True)
    rolled = people.groupby("customer_id", sort=True).agg(
        owner_source_id=("owner_source_id", "first"), contact_count=("contact_id", "count")
    )
    table: pd.DataFrame = measure_table(wh, as_of=as_of).select(["customer_id", *MEASURES]).to_pandas()
    money = [name for name in MEASURES if table[name].dtype == object]
    table[money] = table[money].astype("float64")
    return rolled.join(table.set_index("customer_id")).reset_index()


def account_contacts(wh: Warehouse, *, as_of: date, with_empty: bool = False) -> pd.DataFrame:
    """List the contact persons of every account.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    with_empty : bool, default False
        Also one row, with contact_id missing, for each account without a contact person.

    Returns
    -------
    DataFrame
        customer_id, owner_source_id, contact_id, job_title, department, has_opted_out (of the account);
        ordered by customer_id and contact_id.

    Examples
    --------
    >>> account_contacts(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    found = wh.frame(SqlFile.beside(__file__, "accounts.sql"), as_of=as_of)
    return found if with_empty else found[found["contact_id"].notna()].reset_index(drop=True)
