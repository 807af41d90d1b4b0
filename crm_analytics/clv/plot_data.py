"""Which numbers show whether a model of lifetime value deserves belief?  The tables behind the pictures.

One function per picture of plots.py, without any drawing: observed beside expected, in purchases (days with a
purchase) per customer or in all, time in days.  The tables are those of Fader, Hardie and Lee (2005),
Marketing Science 24(2): frequency (table 2), tracking (figures 2 and 3), conditional expectation (figure 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.maximum_likelihood import MaximumLikelihoodModel
from crm_analytics.clv.models.patterns import HISTORY, number_column
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling import arguments
from crm_analytics.warehouse import SqlFile, Warehouse

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

HIGHEST_BAND = 7
GRID = 61
# What a tracking table, and its plot, name themselves.
_TRACKED = {"ends_on", "actual", "is_holdout", "observed", "cumulative_actual"}


def frequency_table(model: PurchaseModel, summary: pd.DataFrame, *, up_to: int = 6) -> pd.DataFrame:
    """Return how many customers made 0, 1, ... repeat purchases in their T, and how many the model expects.

    Parameters
    ----------
    model : PurchaseModel
        Fitted.
    summary : DataFrame
        frequency, recency, T (days), and the covariates of the model.
    up_to : int
        Last count with a row of its own, default 6; the last row holds all above.

    Returns
    -------
    DataFrame
        Index: purchases (text, "0" ... "7+"). Columns: actual, expected (customers).

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> known = pd.DataFrame({"frequency": [0, 2], "recency": [0, 90], "T": [180, 200]})
    >>> frequency_table(model, known, up_to=2).round(2).to_dict("list")
    {'actual': [1, 0, 1, 0], 'expected': [1.25, 0.38, 0.15, 0.22]}
    """
    arguments.instance("model", model, PurchaseModel, "a fitted purchase model")
    up_to = arguments.whole("up_to", up_to)
    frequency, ages = number_column(summary, "frequency"), number_column(summary, "T")
    new = summary.assign(**dict.fromkeys(HISTORY, 0.0))
    expected = np.zeros(up_to + 2)
    differ = bool(model.coefficient_names)
    for days, count in zip(*np.unique(ages, return_counts=True), strict=True):
        same = new[ages == days] if differ else new.iloc[:1]
        share = model.purchase_count_probabilities(same, horizon_days=float(days), up_to=up_to).to_numpy()
        expected[:-1] += share.sum(axis=0) if differ else count * share[0]
    expected[-1] = len(summary) - expected[:-1].sum()
    actual = np.bincount(np.minimum(frequency, up_to + 1).astype(np.intp), minlength=up_to + 2)
    names = pd.Index([*map(str, range(up_to + 1)), f"{up_to + 1}+"], name="purchases")
    return pd.DataFrame({"actual": actual, "expected": expected}, index=names)


def daily_purchases(wh: Warehouse, *, as_of: date, born_before: date | None = None) -> pd.DataFrame:
    """Return per day before as_of how many customers bought first and how many again: input of tracking.

    Parameters
    ----------
    wh : Warehouse
        Where the orders are.
    as_of : date
        First day not seen.
    born_before : date, optional
        Only customers whose first purchase lies before this day (the end of the calibration); default as_of.

    Returns
    -------
    DataFrame
        ordered_on, first_purchases, repeat_purchases; days without a purchase are left out.

    Examples
    --------
    >>> daily_purchases(Warehouse.open(), as_of=date(2025, 7, 1)).columns.tolist()
    ['ordered_on', 'first_purchases', 'repeat_purchases']
    """
    as_of = arguments.day("as_of", as_of)
    born = as_of if born_before is None else arguments.day("born_before", born_before)
    settle_currency(arguments.warehouse(wh))
    return wh.frame(SqlFile.beside(__file__, "daily_purchases.sql"), as_of=as_of, born_before=born)


def tracking_table(
    model: PurchaseModel | Mapping[str, PurchaseModel],
    daily: pd.DataFrame,
    *,
    calibration_end: date,
    as_of: date,
    every_days: int = 7,
) -> pd.DataFrame:
    """Return repeat purchases per period and in all, as they came and as the model expected them.

    Each customer counts from its first purchase on, with what the model expects of a new customer: the
    expectation uses nothing of what the customer did, before or after calibration_end.

    Parameters
    ----------
    model : PurchaseModel, or mapping of name to PurchaseModel
        Fitted to what was known at calibration_end, without covariates. Of several, each has its columns.
    daily : DataFrame
        As from `daily_purchases`: ordered_on, first_purchases, repeat_purchases.
    calibration_end : date
        First day that the fit did not see; it marks rows (is_holdout), nothing else.
    as_of : date
        First day that `daily` does not know.
    every_days : int
        Length of a period, default 7. Only whole periods are shown.

    Returns
    -------
    DataFrame
        Index: period (1, 2, ...). Columns: ends_on (first day after the period), actual, expected,
        cumulative_actual, cumulative_expected, is_holdout (the period ends after calibration_end). Several
        models: their names stand for "expected".

    Raises
    ------
    UsageError
        A model has covariates, or is named as a column of the table.
    NotEnoughData
        There are no purchases, or not one whole period.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> days = pd.DataFrame({"ordered_on": ["2024-01-01", "2024-01-09"]})
    >>> days = days.assign(first_purchases=[9, 1], repeat_purchases=[0, 2])
    >>> end, as_of = date(2024, 1, 8), date(2024, 1, 15)
    >>> tracking_table(model, days, calibration_end=end, as_of=as_of)["actual"].tolist()
    [0, 2]
    """
    every_days = arguments.whole("every_days", every_days, least=1, what=" of days")
    as_of = arguments.day("as_of", as_of)
    calibration_end = arguments.day("calibration_end", calibration_end)
    arguments.refuse_no_table(daily, "daily")
    models = tracked_models(model)
    if any(one.coefficient_names for one in models.values()):
        raise UsageError("Tracking counts all customers as alike; fit the model without covariates for it.")
    if daily.empty:
        raise NotEnoughData("There are no purchases to track. Use a later as_of, or load more orders.")
    start = pd.Timestamp(daily["ordered_on"].min())
    day = (pd.to_datetime(daily["ordered_on"]) - start).dt.days.to_numpy()
    periods = (pd.Timestamp(as_of) - start).days // every_days
    if periods < 1:
        raise NotEnoughData(f"Not one period of {every_days} days lies before {as_of}. Use fewer every_days.")
    born = np.bincount(day, daily["first_purchases"].to_numpy(dtype=np.float64)).astype(np.float64)
    came = np.bincount(day, daily["repeat_purchases"].to_numpy(dtype=np.float64))
    ends = every_days * np.arange(1, periods + 1)
    until = np.concatenate([[0.0], came.cumsum()])[np.minimum(ends, len(came))]
    ages = np.unique(np.subtract.outer(ends, np.flatnonzero(born)))
    expected = {name: _expected_until(one, born, ends, ages[ages > 0]) for name, one in models.items()}
    dates = [start + pd.Timedelta(days=int(end)) for end in ends]
    columns = {
        "ends_on": dates,
        "actual": np.diff(until, prepend=0.0).astype(np.int64),
        **{name: np.diff(total, prepend=0.0) for name, total in expected.items()},
        "cumulative_actual": until.astype(np.int64),
        **{f"cumulative_{name}": total for name, total in expected.items()},
    }
    table = pd.DataFrame(columns, index=pd.RangeIndex(1, periods + 1, name="period"))
    return table.assign(is_holdout=table["ends_on"] > pd.Timestamp(calibration_end))


def tracked_models(model: PurchaseModel | Mapping[str, PurchaseModel]) -> dict[str, PurchaseModel]:
    """Return the models of a tracking table by column; the name of another column is a UsageError."""
    models = _named_models(model) if isinstance(model, Mapping) else {"expected": model}
    for name, one in models.items():
        arguments.instance(f"model {name!r}", one, PurchaseModel, "a fitted purchase model")
        if name in _TRACKED or f"cumulative_{name}" in _TRACKED:
            raise UsageError(
                f"A tracked model may not be named {name!r}: the table and the plot have that already. Use "
                f"another name than {', '.join(sorted(_TRACKED))}."
            )
    return models


def _named_models(models: object) -> dict[str, PurchaseModel]:
    """Return models by name, at least one."""
    given = dict(arguments.instance("models", models, Mapping, "a mapping of names to fitted models"))
    for name, one in given.items():
        arguments.instance(f"the name {name!r} of a model", name, str, "text")
        arguments.instance(f"model {name!r}", one, PurchaseModel, "a fitted purchase model")
    if not given:
        raise UsageError("models must hold at least one fitted model by its name, got none.")
    return given


def _expected_until(model: PurchaseModel, born: Floats, ends: Indices, ages: Indices) -> Floats:
    """Return the repeat purchases expected until each end, in days, of customers born on each day."""
    by_age = np.zeros(int(ends[-1]) + 1)
    for age in ages:
        by_age[age] = model.expected_purchases_new(float(age))
    days = np.flatnonzero(born)
    return np.array([(born[past] * by_age[end - past]).sum() for end in ends for past in [days[days < end]]])


def conditional_table(
    models: Mapping[str, PurchaseModel],
    known: pd.DataFrame,
    *,
    horizon_days: float,
    by: str = "frequency",
    bands: int = 8,
) -> pd.DataFrame:
    """Return purchases of the hold-out per customer, as they came and as each model expected them.

    Parameters
    ----------
    models : mapping
        Name -> fitted model.
    known : DataFrame
        Summary at the end of the calibration with the column actual (purchases in the hold-out).
    horizon_days : float
        Length of the hold-out.
    by : str
        "frequency": 0, 1, ... 7+. "recency": age at the last purchase, in `bands` equal steps of days.
    bands : int
        Steps of recency, default 8.

    Returns
    -------
    DataFrame
        Index: frequency or recency (text; recency "0-34" in days). Columns: customers, actual, one per model.

    Raises
    ------
    UsageError
        There is no model, or one is named as a column of the table.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> known = pd.DataFrame({"frequency": [0, 2], "recency": [0, 90], "T": [180, 200], "actual": [0, 1]})
    >>> conditional_table({"BG/NBD": model}, known, horizon_days=90).round(2).to_dict("list")
    {'customers': [1, 1], 'actual': [0.0, 1.0], 'BG/NBD': [0.1, 0.4]}
    """
    arguments.one_of("by", by, ("frequency", "recency"))
    arguments.refuse_no_table(known, "known")
    bands, models = arguments.whole("bands", bands, least=1), _named_models(models)
    if taken := {"actual", "customers", "observed"} & models.keys():
        raise UsageError(f"A model may not be named {min(taken)!r}: the table has that column already.")
    actual = number_column(known, "actual")
    predicted = {
        name: model.expected_purchases(known, horizon_days=horizon_days).to_numpy()
        for name, model in models.items()
    }
    rows = pd.DataFrame({"actual": actual, **predicted})
    if by == "frequency":
        place = np.minimum(number_column(known, "frequency"), HIGHEST_BAND).astype(np.intp)
        names = [*map(str, range(HIGHEST_BAND)), f"{HIGHEST_BAND}+"]
    else:
        recency = number_column(known, "recency")
        step = max(int(np.ceil((recency.max(initial=0.0) + 1.0) / bands)), 1)
        place = (recency // step).astype(np.intp)
        names = [f"{step * n}-{step * (n + 1) - 1}" for n in range(int(place.max(initial=0)) + 1)]
    groups = rows.groupby(place)
    table = groups.mean()
    table.insert(0, "customers", groups.size())
    table.index = pd.Index([names[n] for n in table.index], name=by)
    return table


def calibration_table(predicted: pd.Series, actual: pd.Series, *, groups: int = 10) -> pd.DataFrame:
    """Return mean prediction and mean outcome of groups of customers with like predictions.

    Equal predictions stay in one group, so there may be fewer groups than asked for.

    Parameters
    ----------
    predicted, actual : Series
        One number per customer: expected and actual purchases, or a chance and 0 / 1. Two Series belong
        together by their labels, in any order; arrays and lists by position. Customers without one
        of them (excluded ones have no prediction) are left out.
    groups : int
        At most so many groups of about equal size, default 10.

    Returns
    -------
    DataFrame
        Index: group (1 = lowest prediction). Columns: customers, predicted, actual, standard_error (of the
        mean of actual). ``attrs["left_out"]`` says how many customers were left out.

    Raises
    ------
    UsageError
        There are not as many predictions as outcomes, none of both, or they are not numbers; two Series are
        not of the same customers.

    Examples
    --------
    >>> table = calibration_table(pd.Series([0.5, 1.5, None]), pd.Series([0, 2, 1]), groups=3)
    >>> table["customers"].tolist(), table.attrs
    ([1, 1], {'left_out': 1})
    """
    groups = arguments.whole("groups", groups, least=1)
    for name, column in (("predicted", predicted), ("actual", actual)):
        arguments.instance(name, column, (pd.Series, np.ndarray, list), "a Series of one number per customer")
    if len(predicted) != len(actual) or not len(predicted):
        raise UsageError(
            f"{len(predicted)} predictions and {len(actual)} outcomes: give one of each per customer."
        )
    if isinstance(predicted, pd.Series) and isinstance(actual, pd.Series):
        actual = _of_the_same(predicted, actual)
    given = pd.DataFrame({"predicted": np.asarray(predicted), "actual": np.asarray(actual)})
    rows = pd.DataFrame({name: number_column(given, name) for name in given})
    known = np.isfinite(rows).all(axis=1)
    rows = rows[known]
    if rows.empty:
        raise UsageError(f"None of the {len(known)} customers has both a prediction and an outcome.")
    rank = rows["predicted"].rank(method="average")
    by = rows.groupby(np.ceil(rank * groups / len(rows)).to_numpy())
    table = by.mean()
    table.insert(0, "customers", by.size())
    table["standard_error"] = by["actual"].std().fillna(0.0) / np.sqrt(table["customers"])
    table.index = pd.RangeIndex(1, len(table) + 1, name="group")
    table.attrs["left_out"] = int((~known).sum())
    return table


def _of_the_same(predicted: pd.Series, actual: pd.Series) -> pd.Series:
    """Return the outcomes in the order of the predictions' labels."""
    if predicted.index.equals(actual.index):
        return actual
    if not (predicted.index.is_unique and actual.index.is_unique):
        raise UsageError(
            "predicted and actual have labels that are there twice, in different orders. Give both the same "
            "labels (set_index('customer_id')), or arrays (.to_numpy()) in the same order."
        )
    if len(unknown := predicted.index.difference(actual.index, sort=False)):
        raise UsageError(
            f"predicted and actual are not of the same customers: {len(unknown):,} of {len(predicted):,} "
            f"labels of predicted are not in actual, the first {unknown[0]!r}. Give both the same labels "
            "(set_index('customer_id')), or arrays (.to_numpy()) in the same order."
        )
    return actual.reindex(predicted.index)


def alive_matrix(model: PurchaseModel, *, age_days: float, up_to: int = 20) -> pd.DataFrame:
    """Return the probability of being alive by frequency and recency, of customers of one age.

    Parameters
    ----------
    model : PurchaseModel
        Fitted, without covariates.
    age_days : float
        Days from the first purchase to today (T), > 0.
    up_to : int
        Highest frequency, default 20.

    Returns
    -------
    DataFrame
        Index: recency (days, 0 to age_days). Columns: frequency, 0 to up_to. Missing where there is no such
        history: a customer without repeat purchases has recency 0, any other more, and at most one purchase
        a day.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> alive_matrix(model, age_days=60, up_to=2).loc[60].round(2).tolist()
    [nan, 0.75, 0.81]
    """
    arguments.instance("model", model, PurchaseModel, "a fitted purchase model")
    age_days, up_to = arguments.future_days(age_days, "age_days"), arguments.whole("up_to", up_to, least=1)
    recency = np.unique(np.round(np.linspace(0.0, age_days, GRID)))
    grid = pd.DataFrame(
        [(x, t) for t in recency for x in range(up_to + 1)], columns=["frequency", "recency"], dtype=float
    )
    exists = (grid["recency"] >= grid["frequency"]) & ((grid["frequency"] > 0) | (grid["recency"] == 0))
    alive = pd.Series(np.nan, index=grid.index)
    alive[exists] = model.probability_alive(grid[exists].assign(T=max(age_days, recency[-1])))
    matrix = alive.to_numpy().reshape(len(recency), up_to + 1)
    return pd.DataFrame(
        matrix,
        index=pd.Index(recency, name="recency"),
        columns=pd.RangeIndex(up_to + 1, name="frequency"),
    )


def alive_history(model: PurchaseModel, purchase_days: Sequence[date], *, as_of: date) -> pd.DataFrame:
    """Return day by day how probable it was that one customer was still there, as known on that day.

    Parameters
    ----------
    model : PurchaseModel
        Fitted, without covariates.
    purchase_days : sequence of date
        Days with a purchase, in any order; equal days count once.
    as_of : date
        First day not shown.

    Returns
    -------
    DataFrame
        Index: day, from the first purchase to the day before as_of. Columns: frequency, recency, T (days),
        probability_alive, is_purchase.

    Raises
    ------
    NotEnoughData
        There was no purchase before as_of.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> model = BetaGeoModel.from_parameters({"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43})
    >>> bought = [date(2024, 1, 1), date(2024, 1, 3)]
    >>> alive_history(model, bought, as_of=date(2024, 1, 5))["probability_alive"].round(2).tolist()
    [1.0, 1.0, 0.75, 0.75]
    """
    arguments.instance("model", model, PurchaseModel, "a fitted purchase model")
    as_of = arguments.day("as_of", as_of)
    arguments.instance("purchase_days", purchase_days, Iterable, "a sequence of dates")
    days_given = [arguments.day("purchase_days", day) for day in purchase_days]
    bought = pd.DatetimeIndex(days_given).unique().sort_values()
    bought = bought[bought < pd.Timestamp(as_of)]
    if bought.empty:
        raise NotEnoughData(f"The customer did not buy before {as_of}; choose a later as_of.")
    days = pd.date_range(bought[0], pd.Timestamp(as_of) - pd.Timedelta(days=1), name="day")
    seen = bought.searchsorted(days, side="right") - 1
    history = pd.DataFrame(
        {"frequency": seen, "recency": (bought[seen] - bought[0]).days, "T": (days - bought[0]).days},
        index=days,
    )
    alive = model.probability_alive(history)
    return history.assign(probability_alive=alive, is_purchase=days.isin(bought))


def retention_table(
    model: ShiftedBetaGeoModel,
    *,
    periods: int,
    survivors: Sequence[float] | None = None,
    covariates: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """Return what share of contracts is left after each period, and what share of those renews.

    Parameters
    ----------
    model : ShiftedBetaGeoModel
        Fitted.
    periods : int
        How far to look, at least 1.
    survivors : sequence of float, optional
        Contracts left at the beginning and after 1, 2, ... periods, as far as known.
    covariates : mapping, optional
        Of the contracts, for a model that has some; those not given are 0.

    Returns
    -------
    DataFrame
        Index: period (0, 1, ...). Columns: survival, retention (missing at 0), actual_survival,
        actual_retention (missing where unknown).

    Examples
    --------
    >>> from crm_analytics.clv import ShiftedBetaGeoModel
    >>> model = ShiftedBetaGeoModel.from_parameters({"alpha": 0.704, "beta": 1.182}, period_days=365)
    >>> retention_table(model, periods=2, survivors=[100, 65])["survival"].round(2).tolist()
    [1.0, 0.63, 0.47]
    """
    arguments.instance("model", model, ShiftedBetaGeoModel, "a fitted ShiftedBetaGeoModel")
    periods = arguments.whole("periods", periods, least=1)
    known = [] if survivors is None else survivors
    counts = arguments.numbers("survivors", known, "contracts left after 0, 1, ... periods", least=0.0)
    survival = model.survival(periods, covariates=covariates)
    table = pd.DataFrame({"survival": survival, "retention": model.retention(periods, covariates=covariates)})
    left = pd.Series(counts).reindex(table.index)
    return table.assign(actual_survival=left / left.iloc[0], actual_retention=left / left.shift())


def parameter_correlation(model: MaximumLikelihoodModel) -> pd.DataFrame:
    """Return the correlation of the estimates, in logarithms; missing where a parameter has no error.

    Two parameters with a correlation near 1 are known only together (as a and b, whose ratio is the mean
    dropout): read their joint effect, not each by itself.

    Parameters
    ----------
    model : MaximumLikelihoodModel
        Fitted.

    Returns
    -------
    DataFrame
        One row and one column per parameter, in -1..1.

    Examples
    --------
    >>> from crm_analytics.clv import BetaGeoModel
    >>> known = np.diag([0.01, 0.01, 0.04, 0.04]) + 0.005
    >>> found = {"r": 0.24, "alpha": 31.0, "a": 0.79, "b": 2.43}
    >>> model = BetaGeoModel.from_parameters(found, log_covariance=known)
    >>> parameter_correlation(model).loc["r"].round(2).tolist()
    [1.0, 0.33, 0.19, 0.19]
    """
    arguments.instance("model", model, MaximumLikelihoodModel, "a fitted model")._fitted()
    names, error = list(model.all_names), np.sqrt(np.maximum(np.diag(model.log_covariance_), 0.0))
    error[error == 0.0] = np.nan
    return pd.DataFrame(model.log_covariance_ / np.outer(error, error), index=names, columns=names)
