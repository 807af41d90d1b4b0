"""What is leaving?  Two kinds: customers who fall silent, and customers whose contracts end.

| kind     | who is asked about                         | leaving                               |
|----------|--------------------------------------------|---------------------------------------|
| purchase | bought in the `active_days` before the day | no purchase in the horizon            |
| contract | a contract runs on the day before          | none runs any more at the horizon's end |

Theory is, in this order, the MBG/NBD's probability of no purchase and the discrete-time hazard by age.
All else is shared: features, candidates, choice, scores. Theory is one feature among others, the starting
point of the boosted trees, and a baseline of its own. A model is judged for each segment as well: the RFM
segments of the day; for contracts, by their age. Sources: Batislam, Denizel and Filiztekin (2007) for
the closed form; `crm_analytics.churn.hazards` for the curve.

Odd customers (a test account with an order a day, an amount of a billion, a date of 1943) bend nobody's
score: the purchase model is fitted as lifetime value fits it (bounded influence, decision 0015), and who is
unlike all others in age, purchase days or spend is left out of what the models learn from. They are scored.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics import clv, segmentation
from crm_analytics.churn.features import feature_themes
from crm_analytics.churn.hazards import DiscreteHazard, contract_durations, fit_hazard
from crm_analytics.churn.known import CURVE, THEORY
from crm_analytics.clv.cohort_models import fit_purchases
from crm_analytics.clv.models.mbg_nbd import ModifiedBetaGeoModel
from crm_analytics.clv.models.patterns import number_column
from crm_analytics.clv.odd_customers import SPEND_LIMIT, odd_age, typical
from crm_analytics.errors import AnalysisError, UsageError
from crm_analytics.warehouse import SqlFile, Warehouse

LEAVING = ("any", "voluntary", "involuntary")
_FLOOR = 1e-4
_AGES = ("first year", "second and third year", "later")
_AGE_LIMITS = (364.5, 1094.5)


@dataclass(frozen=True)
class Kind:
    """One kind of leaving.

    Attributes
    ----------
    model : str
        What its models are called, and the table of its scores (in the schema ``scores``).
    label, customers, first_day : str
        SQL files of this folder: who is asked about and left, who gets a score, how far back facts reach.
    theory_column : str
        Column with the log-odds that theory says.
    history : function of Warehouse and date to DataFrame
        What theory is fitted on and applied to.
    fit_theory : function of that DataFrame
        The fitted theory; None when the data cannot identify it.
    odd : function of that DataFrame to array of bool
        Who is so unlike all others that nothing is learned from them.
    probability : function of theory, history and horizon_days to Series
        What theory says per customer_id.
    to_dict, from_dict : function
        Theory as plain JSON types and back.
    segments : function of Warehouse, features, as_of and known_at to Categorical
        Segment of each row of the features, in words; its categories stand in the order of showing.
    held_facts : tuple of str
        What most of its SQL reads, computed once per day; what others rest on comes first.
    """

    model: str
    label: str
    customers: str
    first_day: str
    theory_column: str
    history: Callable[..., pd.DataFrame]
    fit_theory: Callable[[pd.DataFrame], Any]
    odd: Callable[[pd.DataFrame], NDArray[np.bool_]]
    probability: Callable[[Any, pd.DataFrame, int], pd.Series]
    to_dict: Callable[[Any], Any]
    from_dict: Callable[[Any], Any]
    segments: Callable[[Warehouse, pd.DataFrame, date, datetime | None], pd.Categorical]
    held_facts: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the features of a model of this kind, theory last."""
        return (*feature_themes(), self.theory_column)

    def file(self, name: str) -> SqlFile:
        """Return one of its SQL files."""
        return SqlFile.beside(__file__, name)

    def log_odds(self, theory: Any, history: pd.DataFrame, horizon_days: int) -> pd.Series:
        """Return the log-odds of leaving by customer_id, as theory sees them."""
        held = np.clip(self.probability(theory, history, horizon_days), _FLOOR, 1.0 - _FLOOR)
        return np.log(held) - np.log1p(-held)


def kind_of(name: str) -> Kind:
    """Return a kind by its name; UsageError when there is none such."""
    if not isinstance(name, str) or name not in KINDS:
        raise UsageError(f"kind={name!r} is not known. Kinds of churn: {', '.join(KINDS)}.")
    return KINDS[name]


def _fit_purchases(history: pd.DataFrame) -> ModifiedBetaGeoModel | None:
    try:
        found = fit_purchases(history, model=ModifiedBetaGeoModel.name)
        if isinstance(found.model, ModifiedBetaGeoModel):
            return found.model
        return ModifiedBetaGeoModel().fit(history)  # few who came back: still better than no theory
    except AnalysisError:
        return None


def _odd_buyers(history: pd.DataFrame) -> NDArray[np.bool_]:
    """Return who is far older, or bought or spent more by over 5 robust standard deviations."""
    frequency = number_column(history, "frequency")
    found = odd_age(history)
    for values in (frequency, number_column(history, "net_spend") / (frequency + 1.0)):
        found = found | (typical(values).distance(values) > SPEND_LIMIT)
    return found


def _nobody(history: pd.DataFrame) -> NDArray[np.bool_]:
    return np.zeros(len(history), dtype=bool)


def _no_purchase(theory: ModifiedBetaGeoModel, history: pd.DataFrame, horizon_days: int) -> pd.Series:
    silent = theory.probability_no_purchase(history, horizon_days=horizon_days).to_numpy()
    return pd.Series(silent, index=history["customer_id"].to_numpy())


def _fit_lives(history: pd.DataFrame) -> DiscreteHazard | None:
    try:
        return fit_hazard(history["life_days"], history["is_ended"])
    except AnalysisError:
        return None


def _all_end(theory: DiscreteHazard, history: pd.DataFrame, horizon_days: int) -> pd.Series:
    """A customer leaves when each running contract ends; they are taken to end independently."""
    running = history[~history["is_ended"]]
    ends = theory.probability_within(running["life_days"], horizon_days=horizon_days)
    logs = pd.Series(np.log(np.clip(ends, 1e-12, 1.0)), index=running["customer_id"].to_numpy())
    return np.exp(logs.groupby(level=0, sort=True).sum())


def _rfm_segments(
    wh: Warehouse, frame: pd.DataFrame, as_of: date, known_at: datetime | None
) -> pd.Categorical:
    scored = segmentation.rfm(wh, as_of=as_of, known_at=known_at)
    labels = {rule.name: rule.label for rule in segmentation.segment_names()}
    found = frame["customer_id"].map(scored.set_index("customer_id")["segment"].map(labels))
    return pd.Categorical(found, categories=list(labels.values()))


def _ages(wh: Warehouse, frame: pd.DataFrame, as_of: date, known_at: datetime | None) -> pd.Categorical:
    age = frame["contract_age_days"].to_numpy(dtype=np.float64)
    band = np.where(np.isnan(age), -1, np.searchsorted(_AGE_LIMITS, age))
    return pd.Categorical.from_codes(band, categories=list(_AGES))


KINDS: dict[str, Kind] = {
    "purchase": Kind(
        model="churn",
        label="label.sql",
        customers="customers.sql",
        first_day="history.sql",
        theory_column=THEORY,
        history=clv.summary,
        fit_theory=_fit_purchases,
        odd=_odd_buyers,
        probability=_no_purchase,
        to_dict=lambda theory: json.loads(theory.to_json()),
        from_dict=lambda stored: ModifiedBetaGeoModel.from_json(json.dumps(stored)),
        segments=_rfm_segments,
        held_facts=("orders_before", "order_days_before", "customers_before"),
    ),
    "contract": Kind(
        model="contract_churn",
        label="contract_label.sql",
        customers="contract_customers.sql",
        first_day="contract_history.sql",
        theory_column=CURVE,
        history=contract_durations,
        fit_theory=_fit_lives,
        odd=_nobody,
        probability=_all_end,
        to_dict=lambda theory: theory.to_dict(),
        from_dict=DiscreteHazard.from_dict,
        segments=_ages,
        held_facts=("orders_before", "order_days_before", "contracts_before", "customers_before"),
    ),
}
