"""What would the plain ways have predicted?  Baselines on the rows that our model learned from.

Days since the last order; the closed forms of BG/NBD and MBG/NBD; logistic regression on recency, frequency,
spend and age; xgboost as it comes, on all our features.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from xgboost import XGBClassifier

from crm_analytics import churn, clv
from crm_analytics.churn import training
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.model import ChurnModel
from crm_analytics.churn.score import asked, score_frame
from crm_analytics.errors import AnalysisError
from crm_analytics.modelling.baselines import base_rate, single_feature
from crm_analytics.modelling.evaluate import Metric, evaluate, log_loss
from crm_analytics.modelling.logistic import fit_logistic, sigmoid
from crm_analytics.warehouse import Warehouse

RFM = ["days_since_last_order", "order_day_count", "net_spend", "tenure_days"]


def train_and_compare(
    wh: Warehouse, *, as_of: date, horizon_days: int, active_days: int | None
) -> tuple[ChurnModel, dict[str, Metric], dict[str, float]]:
    """Train at a day; return our model, its figures, and every plain way's log-loss on the next window."""
    tables: list[pd.DataFrame] = []
    make = training._table

    def kept(*given: object, **named: object) -> pd.DataFrame:
        tables.append(make(*given, **named))  # type: ignore[arg-type]
        return tables[-1]

    training._table = kept  # type: ignore[assignment]
    try:
        model = churn.train(wh, as_of=as_of, horizon_days=horizon_days, active_days=active_days)
    finally:
        training._table = make
    table, kind = tables[0], kind_of("purchase")
    days = {"as_of": as_of, "horizon_days": horizon_days, "active_days": model.active_days}
    truth = wh.frame(kind.file(kind.label), **days).set_index("customer_id")["churned"]
    frame, customers = asked(wh, model, as_of=as_of)
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
        silent = clv.BetaGeoModel().fit(history).probability_no_purchase(history, horizon_days=horizon_days)
        held = pd.Series(silent.to_numpy(), index=history["customer_id"].to_numpy()).loc[truth.index]
        found["BG closed form"] = held.to_numpy()
    except AnalysisError:
        pass
    ours = scores.loc[truth.index, "churn_probability"]
    return (
        model,
        evaluate(truth, ours, replicates=1),
        {name: log_loss(truth, np.clip(chance, 1e-6, 1 - 1e-6)) for name, chance in found.items()},
    )
