"""Which columns have moved since an earlier night, by how much, and is that more than chance or habit?

Four verdicts. ``unchanged``: chance explains it (q-value above 5 %, over all columns). ``slight``: no chance,
but a population stability index up to 0.1, or up to what this column did between earlier nights. ``clear``:
beyond 0.1, beyond what one unchanged comparison in a thousand reaches (`shift`), and beyond what is usual.
``large``: the same beyond 0.25 in place of 0.1. What is usual is known from eight earlier comparisons over
about as many days: the limit that one more of them exceeds once in a thousand times, were their logarithms
Normal (Hahn 1969, JASA 64).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from crm_analytics.errors import NotEnoughData
from crm_analytics.monitoring.shift import MISSING, Shift, as_numbers, shift
from crm_analytics.segmentation.profile import benjamini_hochberg
from crm_analytics.warehouse import SqlFile, Warehouse, check_day
from crm_analytics.warehouse.run_log import published_nights

COLUMNS = (
    "column_name", "psi", "chance_limit", "usual_limit", "p_value", "q_value", "superiority",
    "typical_before", "typical_now", "verdict", "told",
)  # fmt: skip
CLEAR, LARGE = 0.1, 0.25
_Q_VALUE = 0.05
_LEAST_COMPARISONS = 8
_TAIL = 0.999
# Below this a change is nothing; so the logarithm of no change at all is no minus infinity.
_NOTHING = 1e-3


def drift(
    before: pd.DataFrame,
    now: pd.DataFrame,
    *,
    since: str = "before",
    usual_limits: Mapping[str, float] | None = None,
    large: float = LARGE,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare every column that two tables of customers share.

    Parameters
    ----------
    before, now : DataFrame
        One row per customer each, with ``customer_id``. Ids, reasons in words and columns without any value
        are passed over.
    since : str
        What the earlier state is called in words, for example "on 2024-06-01".
    usual_limits : mapping of str to float, optional
        Column -> index that is not unusual for it.
    large : float, default 0.25
        Index from which a change is large.
    seed : int, default 0
        Seed of `shift`.

    Returns
    -------
    DataFrame
        One row per column, the farthest first: columns as in ``drift_table.sql`` without the nights.

    Examples
    --------
    >>> ids = [f"c{number}" for number in range(300)]
    >>> numbers = np.arange(300)
    >>> then = pd.DataFrame({"customer_id": ids, "order_count": numbers % 7, "silent_days": numbers})
    >>> found = drift(then, then.assign(silent_days=then["silent_days"] + 60), since="on 2024-06-01")
    >>> found[["column_name", "verdict"]].values.tolist()
    [['silent_days', 'large'], ['order_count', 'unchanged']]
    >>> found["told"][0]
    'silent days: the typical customer has 60 days more than on 2024-06-01 (210, was 150)'
    """
    first, second = before.set_index("customer_id"), now.set_index("customer_id")
    names = [name for name in second if name in first and _is_compared(str(name), first, second)]
    if not names or not (len(first) and len(second)):
        return pd.DataFrame(columns=list(COLUMNS))
    shifts = {str(name): shift(first[name], second[name], seed=seed) for name in names}
    q_values = benjamini_hochberg(np.array([found.p_value for found in shifts.values()]))
    usual = usual_limits or {}
    rows = [
        {
            "column_name": name,
            "psi": found.psi,
            "chance_limit": found.chance_limit,
            "usual_limit": usual.get(name, math.nan),
            "p_value": found.p_value,
            "q_value": float(q_value),
            "superiority": found.superiority,
            "typical_before": _typical(first[name], found),
            "typical_now": _typical(second[name], found),
            "verdict": _verdict(found, float(q_value), usual.get(name, 0.0), large),
            "told": _told(name, first[name], second[name], found, since),
        }
        for (name, found), q_value in zip(shifts.items(), q_values, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["psi", "column_name"], ascending=[False, True], ignore_index=True)


def score_drift(
    wh: Warehouse, *, as_of: date, since: date | None = None, large: float = LARGE, seed: int = 0
) -> pd.DataFrame:
    """Compare the scores of two nights (`drift`), knowing what was usual between earlier nights.

    Parameters
    ----------
    wh : Warehouse
        With the scores of both nights; a published copy will do.
    as_of : date
        The later night.
    since : date, optional
        The earlier one; default: the last published before it.
    large : float
        Which index counts as much even where chance explains it; as of `drift`.
    seed : int, default 0
        Seed of the limits of chance.

    Returns
    -------
    DataFrame
        As of `drift`: one row per column of ``scores.customer_scores``.

    Raises
    ------
    NotEnoughData
        One of the nights has no scores, or no night was published before.

    Examples
    --------
    >>> score_drift(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: No night before 2024-01-01 was published, so there is nothing to ...
    """
    earlier = since or last_published(wh, as_of)
    before, now = (night_scores(wh, night) for night in (earlier, as_of))
    limits = usual_limits(wh, as_of=as_of, gap_days=(as_of - earlier).days)
    told = f"on {earlier.isoformat()}"
    return drift(before, now, since=told, usual_limits=limits, large=large, seed=seed)


def feature_drift(
    wh: Warehouse, *, as_of: date, since: date, horizon_days: int = 90, seed: int = 0
) -> pd.DataFrame:
    """Compare what churn models know of every customer at two days, from the facts of today (`drift`).

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of, since : date
        First day not seen, now and then; no night need have been run.
    horizon_days : int, default 90
        As of `crm_analytics.churn.train` (the seasonal features look at it).
    seed : int, default 0
        Seed of the limits of chance.

    Returns
    -------
    DataFrame
        As of `drift`: one row per feature.
    """
    from crm_analytics.churn.features import features

    before, now = (features(wh, as_of=day, horizon_days=horizon_days) for day in (since, as_of))
    return drift(before, now, since=f"on {since.isoformat()}", seed=seed)


def last_published(wh: Warehouse, as_of: date) -> date:
    """Return the last published night before one.

    Parameters
    ----------
    wh : Warehouse
        With the log of the nights; a published copy will do.
    as_of : date
        The later night.

    Raises
    ------
    NotEnoughData
        There is none.

    Examples
    --------
    >>> last_published(Warehouse.open(), date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: No night before 2024-01-01 was published, so there is nothing to ...
    """
    check_day(as_of)
    earlier = [night for night in published_nights(wh) if night < as_of]
    if not earlier:
        raise NotEnoughData(
            f"No night before {as_of.isoformat()} was published, so there is nothing to compare with."
        )
    return max(earlier)


def night_scores(wh: Warehouse, as_of: date) -> pd.DataFrame:
    """Return ``scores.customer_scores`` of a night; NotEnoughData when it has none."""
    found = wh.frame("select * exclude (as_of) from scores.customer_scores where as_of = $as_of", as_of=as_of)
    if found.empty:
        raise NotEnoughData(f"There are no scores of {as_of.isoformat()}. Run the night of that day first.")
    return found


def usual_limits(wh: Warehouse, *, as_of: date, gap_days: int) -> dict[str, float]:
    """Return how far each column usually moves in so many days; columns compared too rarely are left out.

    Parameters
    ----------
    wh : Warehouse
        With the comparisons that earlier nights kept (``scores.drift``).
    as_of : date
        Nights before this one count.
    gap_days : int
        Days between the two nights that are compared.

    Returns
    -------
    dict
        Column -> population stability index that is usual.

    Examples
    --------
    >>> usual_limits(Warehouse.open(), as_of=date(2024, 1, 1), gap_days=1)
    {}
    """
    from scipy.stats import t

    file = SqlFile.beside(__file__, "earlier_shifts.sql")
    earlier = wh.frame(file, as_of=as_of, gap_days=gap_days)
    limits = {}
    for name, rows in earlier.groupby("column_name", sort=True):
        count = len(rows)
        if count >= _LEAST_COMPARISONS:
            logs = np.log(rows["psi"].to_numpy(dtype=np.float64) + _NOTHING)
            reach = float(t.ppf(_TAIL, count - 1)) * float(logs.std(ddof=1)) * math.sqrt(1 + 1 / count)
            limits[str(name)] = math.exp(float(logs.mean()) + reach)
    return limits


def _is_compared(name: str, before: pd.DataFrame, now: pd.DataFrame) -> bool:
    if name in ("source_id", "as_of") or "reason" in name:
        return False
    return bool(before[name].notna().any() or now[name].notna().any())


def _verdict(found: Shift, q_value: float, usual: float, large: float) -> str:
    if q_value > _Q_VALUE:
        return "unchanged"
    beyond = max(found.chance_limit, usual)
    if found.psi > max(large, beyond):
        return "large"
    return "clear" if found.psi > max(CLEAR, beyond) else "slight"


def _typical(values: pd.Series, found: Shift) -> float:
    known = as_numbers(values) if not math.isnan(found.superiority) else np.empty(0)
    return float(np.median(known)) if len(known) else math.nan


def _told(name: str, before: pd.Series, now: pd.Series, found: Shift, since: str) -> str:
    """Say what moved: the typical customer, or where that is the same the share that changed most."""
    words = name.replace("_", " ")
    then, later = _typical(before, found), _typical(now, found)
    if math.isfinite(then) and math.isfinite(later) and not math.isclose(then, later, rel_tol=1e-6):
        change, unit = _amounts(name, abs(later - then))
        direction = "more" if later > then else "less"
        values = f"{_amounts(name, later)[0]}, was {_amounts(name, then)[0]}"
        return f"{words}: the typical customer has {change}{unit} {direction} than {since} ({values})"
    shares = found.bins[["before", "now"]] / found.bins[["before", "now"]].sum()
    place = int((shares["now"] - shares["before"]).abs().to_numpy().argmax())
    label = str(found.bins["label"][place])
    if label == MISSING:
        what = "have none"
    elif math.isnan(found.superiority):
        what = f'are "{label}"'
    else:
        what = f"have {label}"
    share_now, share_then = (f"{100 * shares[side][place]:.1f} %" for side in ("now", "before"))
    return f"{words}: {share_now} of customers {what}, {since} {share_then}"


def _amounts(name: str, value: float) -> tuple[str, str]:
    if "probability" in name or name.endswith(("_rate", "_share")):
        return f"{100 * value:.1f} %", "-points"
    if "days" in name:
        return f"{value:,.0f}", " days"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}", ""
