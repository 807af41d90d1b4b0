"""Which purchase and which spend model score a cohort, and whom must the reader be told about?

Odd customers count less in the fits, and where a cohort cannot identify a model a stated, cautious stand-in
takes its place.  Input is a summary (days, reporting currency) without impossible rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models import MODELS
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.nbd import NBDModel
from crm_analytics.clv.models.patterns import HISTORY, Histories, number_column
from crm_analytics.clv.models.purchase_model import PurchaseModel
from crm_analytics.clv.odd_customers import (
    Typical,
    alone_in_age,
    counted_share,
    influence,
    odd_age,
    odd_frequency,
    odd_spend,
    typical_spend,
)
from crm_analytics.errors import DegenerateCohortError, NotEnoughData, UsageError
from crm_analytics.modelling.arguments import flag, one_of, refuse_no_table

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

LEAST_REPEATERS = 10
NO_PRICE = "no price of any purchase is known, so that nothing can be said of spend or value"


# Cook's distance above which a history, and above how many times the mean of all and of those that bought
# again, is judged by a fit without it.
_FAR, _FAR_SHARE, _FAR_REPEATERS = 0.05, 25.0, 5.0
_ROUNDS = 2
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Purchases:
    """A purchase model of a cohort, and what its readers must be told (empty = nothing).

    ``fallback`` is the reason why a cautious mean stands in for a fitted model; ``remark`` says what a fitted
    model's verdict found; ``counted`` is how much of each row of the summary counts in the fit, 0 to 1.
    """

    model: PurchaseModel
    counted: Floats
    fallback: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Models:
    """The models that score a cohort, and what their readers must be told (empty = nothing).

    ``purchase_fallback`` and ``spend_fallback`` are reasons why a cautious mean stands in for a fitted model;
    ``remark`` says what a fitted model's verdict found; ``odd_customers`` are those that count less than
    others in the fit, or not at all, and ``typical_spend`` is what spend is odd against.
    """

    purchases: PurchaseModel
    spend: GammaGammaModel
    purchase_fallback: str = ""
    spend_fallback: str = ""
    remark: str = ""
    odd_customers: frozenset[str] = frozenset()
    typical_spend: Typical | None = None

    @property
    def priceless(self) -> bool:
        """Whether no purchase has a price: spend and value are missing then."""
        return self.spend_fallback == NO_PRICE


def fit_models(summary: pd.DataFrame, *, model: str = "bg_nbd", robust: bool = True) -> Models:
    """Fit a purchase and a spend model to a summary without impossible rows.

    With fewer than 10 repeat customers, or where no optimum is found, a stated stand-in is used: for
    purchases a Gamma-Poisson with r = 0.5 and the mean rate of the cohort (half a purchase added), nobody
    leaving; for spend a Gamma-Gamma with p = 2, q = 3 and the mean spend per purchase day of the cohort.

    Parameters
    ----------
    summary : DataFrame
        As returned by `crm_analytics.clv.summary`.
    model : str
        Key of `crm_analytics.clv.models.MODELS`, default "bg_nbd".
    robust : bool
        True (default): odd customers (odd_customers.py) count less, so that one moves the
        median of the others' values over a year by less than 1 % (measured on CDNOW: decision 0015).
        False: the maximum of the plain likelihood, as in the literature, every customer in full.

    Returns
    -------
    Models
        Fitted, or the stand-ins.

    Raises
    ------
    DegenerateCohortError
        All customers were first seen on the last day of observation.
    """
    purchases = fit_purchases(summary, model=model, robust=robust)
    spend, spend_fallback = _fit_spend(summary, robust, purchases.counted > 0)
    return Models(
        purchases.model, spend, purchases.fallback, spend_fallback, purchases.remark,
        frozenset(summary["customer_id"][purchases.counted < 1.0]),
        typical_spend(summary) if robust else None,
    )  # fmt: skip


def summary_ids(summary: pd.DataFrame) -> pd.Series:
    """Return the customers of a summary, one row each; without that column, or without spend, it is none."""
    refuse_no_table(summary)
    if "customer_id" not in summary or "monetary_value" not in summary:
        raise UsageError(
            "The summary needs customer_id and monetary_value; make it with crm.clv.summary(wh, as_of=...)."
        )
    if not summary.columns.is_unique:
        name = summary.columns[summary.columns.duplicated()][0]
        count = int((summary.columns == name).sum())
        raise UsageError(f"The summary has {count} columns {name!r}. Drop or rename all but one.")
    customers = summary["customer_id"]
    if customers.hasnans:
        missing = customers.isna().to_numpy()
        raise UsageError(
            f"There is no customer_id in {_rows(int(missing.sum()))} of the summary, the first at position "
            f"{int(np.argmax(missing))}. Fill it, or drop them."
        )
    if not customers.is_unique:
        first = customers[customers.duplicated()].iloc[0]
        raise UsageError(
            f"customer_id {first!r} is there more than once ({_rows(int((customers == first).sum()))}). Give "
            "each customer one row."
        )
    return customers


def _rows(count: int) -> str:
    return f"{count:,} row{'s' if count > 1 else ''}"


def fit_purchases(summary: pd.DataFrame, *, model: str = "bg_nbd", robust: bool = True) -> Purchases:
    """Fit a purchase model as `fit_models` does, without spend."""
    one_of("model", model, MODELS)
    flag("robust", robust)
    if summary_ids(summary).empty:
        raise NotEnoughData("The summary has no customer. Use a later as_of, or load earlier orders.")
    nobody = np.zeros(len(summary), dtype=bool)
    too_old = odd_age(summary) if robust else nobody
    suspicious = too_old | (odd_frequency(summary) if robust else nobody)
    frequency, age = number_column(summary, "frequency"), number_column(summary, "T")
    if not age[~suspicious].max() > 0:
        raise DegenerateCohortError(
            f"All {len(summary)} customers were first seen on the last day before as_of (T = 0): no time has "
            "passed in which anybody could buy again. Use a later as_of, or load earlier orders."
        )
    counted = np.where(suspicious, 0.0, 1.0)
    repeaters = int((frequency[~suspicious] > 0).sum())
    fallback, remark = "", ""
    if repeaters < LEAST_REPEATERS:
        fallback = f"only {repeaters} customers bought on a second day (a model needs {LEAST_REPEATERS})"
    else:
        fitted = MODELS[model]().fit(summary[~suspicious] if suspicious.any() else summary)
        if robust and fitted.verdict_.status == "ok":
            fitted, counted = _bounded(fitted, summary, counted, too_old)
        verdict = "; ".join(fitted.verdict_.reasons)
        if fitted.verdict_.status == "failed":
            fallback = f"the purchase model found no optimum: {verdict}"
        elif fitted.verdict_.status == "boundary":
            remark = f"the purchase model lies at its edge: {verdict}"
    if fallback:
        fitted = _mean_rate(frequency[counted > 0], age[counted > 0])
    return Purchases(fitted, counted, fallback, remark)


def _bounded(
    model: PurchaseModel, summary: pd.DataFrame, counted: Floats, too_old: Flags
) -> tuple[PurchaseModel, Floats]:
    """Let everybody count for what `counted_share` allows.

    Who may outweigh the others is first left out altogether, so that the fit that judges is not its own work.
    A suspicious customer that would move nothing (one heavy buyer among a million) is let in, else it stays
    out; one that looked usual but outweighs the others is held back (far older: stays out).
    Where that would be most of those that bought again, or too few would be left to judge, nobody is odd,
    and the fit stays as it was.
    """
    suspicious, repeats = counted == 0, number_column(summary, "frequency") > 0
    known, row = model._histories(summary).distinct(HISTORY)
    judge, inside = model, counted > 0
    share, far = _judged(judge, known, row, inside)
    for _ in range(_ROUNDS):
        trusted = ~(too_old | far | (share < 1.0))
        if np.array_equal(trusted, inside):
            break
        if (trusted & repeats).sum() < max(LEAST_REPEATERS, (inside & repeats).sum() / 2.0):
            return model, counted
        inside = trusted
        judge = model.fit_near(summary[inside])
        if judge.verdict_.status != "ok":
            return model, counted
        share, far = _judged(judge, known, row, inside)
    alone = suspicious | alone_in_age(summary)
    share = np.where(too_old | (alone & (share < 1.0)) | (share < _LEAST_SHARE), 0.0, share)
    if np.array_equal(share, counted) or not share[repeats].any():
        return model, counted
    fitted = model.fit_near(summary, share)
    return (fitted, share) if fitted.verdict_.status == "ok" else (model, counted)


def _judged(model: PurchaseModel, known: Histories, row: Indices, inside: Flags) -> tuple[Floats, Flags]:
    """Return how much of every customer may count, and who is far enough to be left out while judging."""
    customers = np.bincount(row, inside, len(known)).astype(np.float64)
    size, again = len(model.params_), max(float(customers[known.frequency > 0].sum()), 1.0)
    far = max(_FAR, _FAR_SHARE * size / float(customers.sum()), _FAR_REPEATERS * size / again)
    return counted_share(model, known, customers)[row], (influence(model, known) > far)[row]


def _fit_spend(summary: pd.DataFrame, robust: bool, counted: Flags) -> tuple[GammaGammaModel, str]:
    usual = summary[counted & ~odd_spend(summary)] if robust else summary
    spend = number_column(usual, "monetary_value")
    repeaters = int(((number_column(usual, "frequency") > 0) & np.isfinite(spend) & (spend > 0)).sum())
    if repeaters >= LEAST_REPEATERS:
        model = GammaGammaModel().fit(usual)
        if model.verdict_.status != "failed":
            return model, ""
        reason = "the spend model found no optimum: " + "; ".join(model.verdict_.reasons)
    else:
        reason = f"only {repeaters} repeat customers have positive spend (a model needs {LEAST_REPEATERS})"
    each = _mean_spend(summary)
    if each is None:
        # a scale without meaning: whoever shows amounts leaves them out
        return GammaGammaModel.from_parameters({"p": 2.0, "q": 3.0, "v": 1.0}), NO_PRICE
    return GammaGammaModel.from_parameters({"p": 2.0, "q": 3.0, "v": each}), reason


def _mean_rate(frequency: Floats, age: Floats) -> PurchaseModel:
    """Return a Gamma-Poisson (NBD: nobody leaves) with r = 0.5 around the cohort's rate."""
    rate = (frequency.sum() + 0.5) / age.sum()
    return NBDModel.from_parameters({"r": 0.5, "alpha": 0.5 / rate})


def _mean_spend(summary: pd.DataFrame) -> float | None:
    """Return the median customer's net spend per purchase day (one odd amount must not rule).

    None where nothing has a price; hardly anything where all was given away.
    """
    frequency, each = number_column(summary, "frequency"), number_column(summary, "monetary_value")
    priced = np.isfinite(each) & (frequency > 0)
    if "net_spend" in summary:
        each = number_column(summary, "net_spend") / (frequency + 1.0)
        priced |= np.isfinite(each)
    positive = each[np.isfinite(each) & (each > 0)]
    if len(positive):
        return float(np.median(positive))
    return 1e-9 if priced.any() else None
