"""What was known of each customer at as_of?  One SQL file per theme, joined into one table.

Each file of this folder is a theme: one row per customer of whom the theme knows something. Customers
without such a row have NaN there: unknown, not zero.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crm_analytics.warehouse import SqlFile, Warehouse

if TYPE_CHECKING:
    import pandas as pd

# In this order they are computed, joined and shown.
THEMES = (
    "rhythm",
    "value",
    "returns",
    "breadth",
    "tickets",
    "engagement",
    "campaigns",
    "satisfaction",
    "seasonality",
    "payments",
    "contracts",
)


def theme_file(theme: str) -> SqlFile:
    """Return the SQL file of a theme."""
    return SqlFile.load(Path(__file__).parent / f"{theme}.sql")


def feature_themes() -> dict[str, str]:
    """Return every feature column with its theme, in order."""
    return {
        column: theme for theme in THEMES for column in theme_file(theme).columns if column != "customer_id"
    }


def features(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int,
    customers: pd.Series | None = None,
    active_days: int | None = None,
    known_at: datetime | None = None,
) -> pd.DataFrame:
    """Return what was known of customers before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen.
    horizon_days : int
        Length of the window that is to be predicted (the seasonal theme looks at the same days of last
        year).
    customers : Series of str, optional
        Who is asked about, sorted. Default: everybody with a purchase before `as_of`.
    active_days : int, optional
        The breadth of buying, which costs most, is looked up only of customers with a purchase in so many
        days before `as_of`; the others have NaN there. Default: of everybody.
    known_at : datetime, optional
        What was recorded later is left out: late arrivals, edits, withdrawals. Default: all that is known.

    Returns
    -------
    DataFrame
        ``customer_id`` (sorted) and one float64 column per feature; NaN = unknown. Units and meaning are
        in the header of each theme's SQL file.

    Examples
    --------
    >>> features(Warehouse.open(), as_of=date(2024, 1, 1), horizon_days=90).shape[0]
    0
    """
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    given = {
        "as_of": as_of,
        "horizon_days": horizon_days,
        "active_days": active_days,
        "known_at": known_at,
    }
    if customers is None:
        file = SqlFile.load(Path(__file__).parents[1] / "customers.sql")
        customers = wh.frame(file, as_of=as_of, known_at=known_at)["customer_id"]
    ids = customers.reset_index(drop=True)
    asked = pa.array(ids, type=pa.string())
    names = list(feature_themes())
    # one array for all columns, each of them contiguous; nothing is copied for the frame
    values = np.full((len(ids), len(names)), np.nan, order="F")
    files = [theme_file(theme) for theme in THEMES]
    tables = [wh.arrow(file, **{name: given[name] for name in file.parameters}) for file in files]
    # one call for all themes: hashing a million customers takes longer than finding them
    told = pa.chunked_array(
        [part for table in tables for part in table["customer_id"].chunks], type=pa.string()
    )
    places = pc.index_in(told, value_set=asked)
    for file, table in zip(files, tables, strict=True):
        place, places = places.slice(0, table.num_rows), places.slice(table.num_rows)
        is_asked = pc.is_valid(place).to_numpy()
        rows = place.drop_null().to_numpy()
        for name in file.columns:
            if name != "customer_id":
                found = table[name].cast(pa.float64()).to_numpy()
                values[rows, names.index(name)] = found[is_asked]
    result = pd.DataFrame(values, columns=names, copy=False)
    result.insert(0, "customer_id", ids)
    return result
