"""How does a model of purchasing learn that December is not June?  One seasonal index, as operational time.

A multiplicative index per month or week of the year, the same for all customers, stretches the days of busy
seasons and shrinks those of quiet ones: operational time is the sum of the index over days.  Recency and T in
operational days go into any purchase model as they are; a horizon is mapped through the season that comes.
The index is 1 on average, so that an operational year is a year and parameters keep their meaning.

    index = SeasonalIndex.from_purchases(orders["ordered_on"])      # or SeasonalIndex.given("month", [...])
    model = ParetoNBDModel().fit(index.operational_summary(summary, as_of=day))
    model.expected_purchases(index.operational_summary(summary, as_of=day),
                             horizon_days=index.operational_days(day, 90))

For the purchases this is exact if all rates follow the index.  Departure (Pareto/NBD) and discounting are
then counted in operational days too, which within a year differ from days by less than the swing of a season.

Source: operational time as in Cox and Lewis (1966), "The Statistical Analysis of Series of Events"; the index
by ratio to a centred moving average of one year (classical decomposition).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.patterns import number_column
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling import arguments

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]
Period = Literal["month", "week"]

SEASONS: dict[str, int] = {"month": 12, "week": 52}
_DAY = np.timedelta64(1, "D")
_FARTHEST_DAYS = 20_000


@dataclass(frozen=True)
class SeasonalIndex:
    """Busyness of each season of the year, 1 on average over the days of a year.

    Attributes
    ----------
    period : str
        month (12 values) or week (52: days 1-7 of the year, 8-14, ...; the last has 8 or 9 days).
    values : tuple of float
        > 0; 1.5 = half as many purchases again as on an average day. Use `given`, which brings them to 1 on
        average.

    Examples
    --------
    >>> index = SeasonalIndex.given("month", [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3])
    >>> round(index.operational_days(date(2024, 12, 1), 31), 1)         # December counts as 74 days
    74.3
    """

    period: Period
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        wanted = SEASONS[arguments.one_of("period", self.period, SEASONS)]
        if len(self.values) != wanted or not all(arguments.is_number(v) and v > 0 for v in self.values):
            raise UsageError(
                f"A seasonal index by {self.period} is {wanted} numbers > 0, got {len(self.values)}: "
                f"{list(self.values)[:5]} ... A season without any purchase gets a small number."
            )

    @classmethod
    def given(cls, period: Period, values: Sequence[float]) -> SeasonalIndex:
        """Return an index with these proportions, brought to 1 on average over the days of a year."""
        allowed = "one number > 0 per season"
        raw = cls(period, tuple(arguments.numbers("values", values, allowed, least=0.0).tolist()))
        year = np.arange("2001-01-01", "2002-01-01", dtype="datetime64[D]")
        mean = float(raw._of(year).mean())
        return cls(period, tuple(value / mean for value in raw.values))

    @classmethod
    def from_purchases(
        cls,
        purchased_on: pd.Series,
        *,
        period: Period = "month",
        first_day: date | None = None,
        as_of: date | None = None,
    ) -> SeasonalIndex:
        """Return the index that the totals of all purchases follow.

        Per season, purchases a day divided by the centred moving average of a year around it, averaged over
        the years; growth therefore does not look like a season.

        Parameters
        ----------
        purchased_on : Series of dates
            One per purchase.
        period : str
            month (default) or week.
        first_day, as_of : date, optional
            First day observed and first day not observed; default the first purchase and the day after the
            last. Seasons that are not observed whole are left out.

        Raises
        ------
        NotEnoughData
            Fewer than two whole years are observed (a season cannot be told from growth), or a season of the
            year has no purchase at all.
        """
        arguments.one_of("period", period, SEASONS)
        days = _days_of(purchased_on)
        if not len(days):
            raise NotEnoughData("There is no purchase to learn a season from.")
        start = days.min() if first_day is None else np.datetime64(arguments.day("first_day", first_day), "D")
        end = days.max() + _DAY if as_of is None else np.datetime64(arguments.day("as_of", as_of), "D")
        rates, season = _daily_rates(days, start, end, period)
        length = SEASONS[period]
        ends = np.full(length + 1, 1.0 / length)
        ends[[0, -1]] /= 2.0
        if len(rates) < 2 * length:
            raise NotEnoughData(
                f"Purchases from {start} to {end} cover {len(rates)} whole seasons; telling a season from "
                f"growth takes two years ({2 * length}). Load more orders, or give the index: "
                f"SeasonalIndex.given({period!r}, [...])."
            )
        typical = np.convolve(rates, ends, mode="valid")
        around = slice(length // 2, length // 2 + len(typical))
        ratio = np.divide(rates[around], typical, out=np.zeros_like(typical), where=typical > 0)
        count = np.bincount(season[around], minlength=length)
        total = np.bincount(season[around], ratio, minlength=length)
        if (total <= 0).any():
            raise NotEnoughData(
                f"{period.capitalize()} {int(np.argmin(total)) + 1} of the year has no purchase, which "
                "leaves its index unknown. Use period='month', or give the index."
            )
        return cls.given(period, (total / np.maximum(count, 1)).tolist())

    def operational_summary(self, summary: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
        """Return the summary with recency and T in operational days (T ends on the day before as_of)."""
        recency, age = number_column(summary, "recency"), number_column(summary, "T")
        last_day = np.datetime64(arguments.day("as_of", as_of), "D") - _DAY
        length = int(np.ceil(np.nan_to_num(age).max(initial=0.0)))
        past = last_day - np.arange(length) * _DAY
        elapsed = np.concatenate([[0.0], self._of(past).cumsum()])
        since_first, since_last = (
            np.interp(days, np.arange(length + 1), elapsed) for days in (age, age - recency)
        )
        return summary.assign(recency=np.where(recency > 0, since_first - since_last, 0.0), T=since_first)

    def operational_days(self, as_of: date, days: float) -> float:
        """Return the operational length of the `days` from as_of on."""
        ahead = np.array([arguments.days(days, "days")])
        return float(self._ahead(as_of, ahead, is_inverse=False)[0])

    def calendar_days(self, as_of: date, operational: pd.Series) -> pd.Series:
        """Return after how many days from as_of so many operational days are over (NaN stays)."""
        arguments.instance("operational", operational, pd.Series, "a Series of operational days")
        values = self._ahead(
            as_of, number_column(operational.to_frame("operational"), "operational"), is_inverse=True
        )
        return pd.Series(values, index=operational.index, name=operational.name)

    def _ahead(self, as_of: date, values: Floats, *, is_inverse: bool) -> Floats:
        """Map days from as_of on to operational days or back; after 55 years both run alike."""
        future = np.datetime64(arguments.day("as_of", as_of), "D") + np.arange(_FARTHEST_DAYS) * _DAY
        days = np.arange(_FARTHEST_DAYS + 1, dtype=np.float64)
        elapsed = np.concatenate([[0.0], self._of(future).cumsum()])
        source, target = (elapsed, days) if is_inverse else (days, elapsed)
        beyond = np.maximum(values - source[-1], 0.0)
        return np.asarray(np.interp(values, source, target) + beyond)

    def _of(self, days: Days) -> Floats:
        return np.array(self.values)[_season(days, self.period)]


def _days_of(purchased_on: pd.Series) -> Days:
    """Return the days of a column of dates."""
    arguments.instance("purchased_on", purchased_on, pd.Series, "a Series of dates")
    try:
        found = pd.to_datetime(purchased_on)
    except (TypeError, ValueError) as problem:
        raise UsageError(f"purchased_on must be a Series of dates: {problem}.") from None
    if found.isna().any():
        raise UsageError(f"purchased_on is missing in {int(found.isna().sum())} rows. Leave them out.")
    return np.asarray(found.to_numpy().astype("datetime64[D]"))


def _season(days: Days, period: str) -> NDArray[np.int64]:
    """Return the number of the season of each day, from 0."""
    if period == "month":
        return days.astype("datetime64[M]").astype(np.int64) % 12
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    return np.asarray(np.minimum(day_of_year // 7, 51))


def _daily_rates(
    days: Days, start: np.datetime64, end: np.datetime64, period: str
) -> tuple[Floats, NDArray[np.int64]]:
    """Return purchases a day in each season that is observed whole, in order of time, and its number."""
    # a margin on both sides shows where the seasons at the ends really begin and end
    axis = np.arange(start - 40 * _DAY, end + 40 * _DAY)
    season = _season(axis, period)
    run = np.concatenate([[0], np.cumsum(season[1:] != season[:-1])])
    observed = (axis >= start) & (axis < end)
    length = np.bincount(run)
    whole = np.bincount(run, observed) == length
    inside = days[(days >= start) & (days < end)]
    position = ((inside - axis[0]) / _DAY).astype(np.int64)
    total = np.bincount(run[position], minlength=len(length))
    number = season[np.unique(run, return_index=True)[1]]
    return (total / length)[whole].astype(np.float64), number[whole]
