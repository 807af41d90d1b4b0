"""What would the plain ways have predicted?  Baselines on the rows that our model learned from.

Days since the last order; the closed forms of BG/NBD and MBG/NBD; logistic regression on recency, frequency,
spend and age; xgboost as it comes, on all our features. On a frame without dates: what it says of age and
spend, all of it, and xgboost as it comes and with small trees.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from crm_analytics import clv
from crm_analytics.churn import training
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.model import ChurnModel
from crm_analytics.churn.score import asked, score_frame
from crm_analytics.errors import AnalysisError
from crm_analytics.modelling.baselines import base_rate, single_feature
from crm_analytics.modelling.evaluate import Metric, evaluate, log_loss
from crm_analytics.modelling.logistic import fit_logistic, sigmoid
from crm_analytics.warehouse import Warehouse

Folds = list[tuple[np.ndarray, np.ndarray]]
RFM = ["days_since_last_order", "order_day_count", "net_spend", "tenure_days"]


@contextmanager
def kept_tables() -> Iterator[list[pd.DataFrame]]:
    """Keep the tables that churn models learn from while the block runs."""
    tables: list[pd.DataFrame] = []
    make = training._table

    def kept(*given: object, **named: object) -> pd.DataFrame:
        tables.append(make(*given, **named))  # type: ignore[arg-type]
        return tables[-1]

    training._table = kept
    try:
        yield tables
    finally:
        training._table = make


def compare(
    wh: Warehouse,
    model: ChurnModel,
    table: pd.DataFrame,
    known: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> tuple[dict[str, Metric], dict[str, float]]:
    """Return our figures, and every plain way's log-loss, on the window after the model's day.

    The plain ways learn from `table`, which the model learned from; `known` is what `asked` said already.
    """
    as_of, kind = model.as_of, kind_of("purchase")
    days = {"as_of": as_of, "horizon_days": model.horizon_days, "active_days": model.active_days}
    truth = wh.frame(kind.file(kind.label), **days).set_index("customer_id")["churned"]
    frame, customers = known or asked(wh, model, as_of=as_of)
    scores = score_frame(model, frame, customers, as_of=as_of).set_index("customer_id")
    rows = frame.set_index("customer_id").loc[truth.index]
    y, learned = table["churned"].to_numpy(dtype=float), list(kind.columns)
    trees = XGBClassifier(n_jobs=1, random_state=0).fit(table[learned], y)
    theory = sigmoid(rows[kind.theory_column].to_numpy(dtype=float))
    found = {
        "days since last order": single_feature(table, y, "days_since_last_order").probability(rows),
        "logistic on recency, frequency, spend, age": fit_logistic(table[RFM], y).probability(rows),
        "plain xgboost": trees.predict_proba(rows[learned])[:, 1].astype(float),
        "MBG closed form": np.where(np.isnan(theory), base_rate(y), theory),
    }
    history = clv.summary(wh, as_of=as_of)
    try:
        silent = (
            clv.BetaGeoModel().fit(history).probability_no_purchase(history, horizon_days=model.horizon_days)
        )
        held = pd.Series(silent.to_numpy(), index=history["customer_id"].to_numpy()).loc[truth.index]
        found["BG closed form"] = held.to_numpy()
    except AnalysisError:
        pass
    return (
        evaluate(truth, scores.loc[truth.index, "churn_probability"], replicates=1),
        {name: log_loss(truth, np.clip(chance, 1e-6, 1 - 1e-6)) for name, chance in found.items()},
    )


def compare_frame(frame: pd.DataFrame, left: pd.Series, folds: Folds) -> dict[str, dict[str, Metric]]:
    """Return every plain way's figures on a feature frame; no model has seen the fold it is judged on."""
    y, numbers = left.to_numpy(dtype=float), list(frame.select_dtypes("number").columns)
    table = pd.get_dummies(frame).astype(float)
    small = {"n_estimators": 100, "max_depth": 3, "learning_rate": 0.05}
    found: dict[str, np.ndarray] = {}
    for inner, outer in folds:
        learn, judge, outcome = table.iloc[inner], table.iloc[outer], y[inner]
        chances = {
            "one rate": np.full(len(outer), base_rate(outcome)),
            "logistic on the numbers": fit_logistic(learn[numbers], outcome).probability(judge),
            "our logistic": fit_logistic(learn, outcome).probability(judge),
        }
        as_it_comes = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000))
        chances["logistic"] = as_it_comes.fit(learn, outcome).predict_proba(judge)[:, 1]
        for name, how in (("plain xgboost", {}), ("xgboost of small trees", small)):
            trees = XGBClassifier(n_jobs=1, random_state=0, **how).fit(learn, outcome)
            chances[name] = trees.predict_proba(judge)[:, 1].astype(float)
        for name, chance in chances.items():
            found.setdefault(name, np.zeros(len(y)))[outer] = np.clip(chance, 1e-6, 1 - 1e-6)
    return {name: evaluate(y, chance, replicates=1) for name, chance in found.items()}
