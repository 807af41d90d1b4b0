"""In which currency are amounts added?  Settled before the first sum, never guessed."""

from __future__ import annotations

from crm_analytics.errors import CurrencyError
from crm_analytics.warehouse import Warehouse

_CURRENCIES = """
    select currency from entities.order_lines where currency is not null
    union
    select currency from entities.orders where currency is not null
    order by currency
"""


def settle_currency(wh: Warehouse) -> str | None:
    """Return the reporting currency; when none is set and only one occurs in the orders, store that one.

    Returns None while the warehouse holds no amounts at all.

    Parameters
    ----------
    wh : Warehouse
        Whose setting it is.

    Raises
    ------
    CurrencyError
        Orders are in several currencies and no reporting currency was chosen: the sum of euros and
        dollars means nothing.

    Examples
    --------
    >>> wh = Warehouse.open(reporting_currency="EUR")
    >>> settle_currency(wh)
    'EUR'
    """
    chosen: str | None = wh.settings.reporting_currency
    if chosen is not None:
        return chosen
    found: list[str] = [row[0] for row in wh.rows(_CURRENCIES)]
    if len(found) > 1:
        raise CurrencyError(
            f"Orders are in {', '.join(found)}, and no reporting currency is set. Choose one with "
            "Warehouse.open(..., reporting_currency='EUR') or in crm.toml, and load an exchange_rates file: "
            "amounts without a rate are counted, but not priced."
        )
    if found:
        wh.set_reporting_currency(found[0])
        return found[0]
    return None
