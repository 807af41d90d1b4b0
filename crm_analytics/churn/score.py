"""How likely is each customer to leave in the coming window, and why?  Scores of a trained model at a day.

Everybody who has ever bought (had a contract) gets a row. Only active customers get a probability: who has
been silent for longer than the model's `active_days`, or has no running contract, has left already.

| status          | meaning                                                                    | probability |
|-----------------|----------------------------------------------------------------------------|-------------|
| ok              | bought on two days or more; a contract runs                                | yes         |
| low_information | bought on one day only, more than thirty days ago                          | yes         |
| new             | bought on one day only, in the last thirty days; contract begun in them    | yes         |
| inactive        | nothing bought in the last `active_days`, no running contract: gone        | no          |
| excluded        | test or internal record                                                    | no          |
"""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.known import known
from crm_analytics.churn.model import ChurnModel
from crm_analytics.churn.reasons import reason_codes, reasons
from crm_analytics.errors import UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import instance
from crm_analytics.modelling.arguments import known as known_moment
from crm_analytics.warehouse import Warehouse, check_day

# Odds of leaving so many times the usual ones are high, so many times lower ones are low.
BAND_ODDS = 2.0
_FLOOR = 1e-12
REASONS = ("reason_1", "reason_2", "reason_3")
_NEW_DAYS = 30
# Status of a kind -> why; {} = the model's `active_days`.  Who is excluded has the reason with the record.
_STATUS_REASONS = {
    "purchase": {
        "ok": None,
        "low_information": "bought on one day only",
        "new": "bought on one day only, in the last 30 days",
        "inactive": "nothing bought for {} days or more: had left before",
    },
    "contract": {
        "ok": None,
        "new": "contract begun in the last 30 days",
        "inactive": "no contract runs: had left before",
    },
}


def score(wh: Warehouse, model: ChurnModel, *, as_of: date, known_at: datetime | None = None) -> pd.DataFrame:
    """Score every customer with a purchase (a contract) before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    model : ChurnModel
        As `train` or `load_model` returned it; it must not have seen labels that end after `as_of`.
    as_of : date
        First day not seen; the probability is of the ``model.horizon_days`` from it on.
    known_at : datetime, optional
        Score with what was recorded by then, without late arrivals and edits. Default: all that is known.

    Returns
    -------
    DataFrame
        Ordered by customer_id: ``customer_id, source_system, source_id, churn_probability`` (0..1, NaN
        unless active), ``risk_band`` (against the usual risk: the mean log-odds of those scored, see
        `risk_cuts`), ``reason_1, reason_2, reason_3`` (in words, strongest first: what raises the risk of
        who is above the usual one, what lowers it of the others; missing where fewer matter),
        ``reason_code`` (theme of the first, where it raises the risk), ``status`` (see the module) and
        ``status_reason`` (why, in words; missing where it is ok).

    Raises
    ------
    UsageError
        The model was trained on labels that end after `as_of`.
    """
    return score_frame(model, *asked(wh, model, as_of=as_of, known_at=known_at), as_of=as_of)


def asked(
    wh: Warehouse, model: ChurnModel, *, as_of: date, known_at: datetime | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the model needs to know at a day, and who is asked about; both sorted by customer_id."""
    check_day(as_of)
    instance("model", model, ChurnModel, "a ChurnModel, as train or load_model returns it")
    known_moment(known_at)
    if model.as_of > as_of:
        raise UsageError(
            f"as_of={as_of}: this model was trained on outcomes up to {model.as_of}, so it knows the answer. "
            f"Score at {model.as_of} or later, or train with as_of={as_of}."
        )
    settle_currency(wh)
    kind = kind_of(model.kind)
    with wh.holding(*kind.held_facts, as_of=as_of, known_at=known_at):
        # by way of Arrow, which hands millions of texts over without making an object of each
        customers = wh.arrow(kind.file(kind.customers), as_of=as_of, known_at=known_at).to_pandas()
        frame = known(
            wh,
            kind,
            as_of=as_of,
            horizon_days=model.horizon_days,
            customers=customers["customer_id"],
            history=kind.history(wh, as_of=as_of, known_at=known_at),
            theory=model.theory,
            active_days=model.active_days,
            known_at=known_at,
        )
    return frame, customers


def score_frame(
    model: ChurnModel, frame: pd.DataFrame, customers: pd.DataFrame, *, as_of: date
) -> pd.DataFrame:
    """Return the scores of `score` from what `asked` returned."""
    result = customers.drop(columns="excluded_as")
    status = _status(frame, customers["excluded_as"].notna().to_numpy(), model)
    active = np.isin(status, ("ok", "new", "low_information"))
    probability = np.full(len(frame), np.nan)
    rows = frame[active].reset_index(drop=True)
    probability[active] = model.probability(rows, as_of=as_of)
    result["churn_probability"] = probability
    result["risk_band"] = _bands(probability, usual_risk(probability[active]))
    said: dict[str, NDArray[np.object_]] = {
        name: np.full(len(frame), None, dtype=object) for name in (*REASONS, "reason_code")
    }
    if active.any():
        parts = model.relative_parts(rows)
        # the parts are measured from the mean log-odds too: no reason contradicts what they add up to
        raises = sum(parts.values(), np.zeros(len(rows))) > 0.0
        found = (*reasons(rows, parts, raises), reason_codes(parts, raises))
        for texts, told in zip(said.values(), found, strict=True):
            texts[active] = told
    for name, texts in said.items():
        result[name] = pd.Series(texts, dtype="str")
    result["status"] = pd.Series(status, dtype="str")
    why = {
        name: text and text.format(model.active_days) for name, text in _STATUS_REASONS[model.kind].items()
    }
    result["status_reason"] = customers["excluded_as"].astype("str").fillna(result["status"].map(why))
    return result


def _status(frame: pd.DataFrame, is_excluded: NDArray[np.bool_], model: ChurnModel) -> NDArray[np.str_]:
    if model.kind == "contract":
        age = frame["contract_age_days"].to_numpy()
        names = ["excluded", "inactive", "new"]
        return np.select([is_excluded, np.isnan(age), age < _NEW_DAYS], names, default="ok")
    silent = frame["days_since_last_order"].to_numpy()
    single = frame["order_day_count"].to_numpy() == 1
    return np.select(
        [is_excluded, silent >= model.active_days, single & (silent < _NEW_DAYS), single],
        ["excluded", "inactive", "new", "low_information"],
        default="ok",
    )


def usual_risk(probability: NDArray[np.float64]) -> float:
    """Return the probability at the mean log-odds of those scored; NaN without any.

    Bands and reasons are measured from it, as the parts of a score are. A few with a very high risk raise the
    mean of the probabilities above most customers; they do not raise what is usual.

    Examples
    --------
    >>> round(usual_risk(np.array([0.2, 0.5, 0.8])), 3)
    0.5
    """
    if not len(probability):
        return float("nan")
    held = np.clip(probability, _FLOOR, 1.0 - _FLOOR)
    return float(1.0 / (1.0 + np.exp(-np.mean(np.log(held) - np.log1p(-held)))))


def risk_cuts(usual: float) -> tuple[float, float]:
    """Return up to which probability the risk is low and from which it is high, where `usual` is usual.

    High: the odds of leaving are at least twice the usual ones; low: half of them or less. Fixed cuts
    would call everybody high in a long horizon, and nobody where few leave.

    Examples
    --------
    >>> [round(cut, 3) for cut in risk_cuts(0.5)], [round(cut, 3) for cut in risk_cuts(0.05)]
    ([0.333, 0.667], [0.026, 0.095])
    """
    return usual / (BAND_ODDS - (BAND_ODDS - 1) * usual), BAND_ODDS * usual / (1 + (BAND_ODDS - 1) * usual)


def _bands(probability: NDArray[np.float64], usual: float) -> pd.Series:
    low, high = risk_cuts(usual)
    conditions = [probability >= high, probability > low, probability <= low]
    names = np.select(conditions, ["high", "medium", "low"], default="")
    return pd.Series(names, dtype="str").where(names != "", None)
