"""How would an analyst do the same job in one script?  pandas, lifetimes and xgboost, for comparison.

Same inputs, same horizons, the same kinds of output: RFM quintiles, BG/NBD and Gamma-Gamma with a 12-month
value, a churn probability from gradient boosting on walk-forward labels, five products per customer from
item co-occurrence, one Parquet file with a row per customer. Everything stays in memory between the steps.

Where it is less careful than crm_analytics, so that the ratios are read for what they are:

- Rows are not checked: no accounts, no quarantine, no repeats within or between deliveries, no history, no
  as-of reads; returns are taken as lines of their own. Money is floating point.
- Quintiles are cut by rank, so equal customers may get different scores.
- One BG/NBD fit with a fixed small penalty; no status, no intervals, no check whether the model can be
  identified. Months are 30 days, so 12 of them are 360 days.
- Churn: one kind of model, fixed settings, a column set of purchases only; AUC and log-loss on the last
  window but no baselines, no calibration, no intervals, no reasons per customer.
- Offers: a similarity score, not a probability; not judged on a later window; the product's mean price
  instead of an expected value; no reasons.
- The result is one file, not published in one go, and a reader may see half of it. No audit, no report.

    python -m benchmarks.plain_script out/bench/20000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import summary_data_from_transaction_data
from scipy.sparse import csr_matrix
from sklearn.metrics import log_loss, roc_auc_score
from xgboost import XGBClassifier

from benchmarks.measure import Side, Work

AS_OF = pd.Timestamp("2025-07-01")
HORIZON = pd.Timedelta(days=90)
ACTIVE = pd.Timedelta(days=365)
CUTOFF_COUNT = 6
OFFER_COUNT = 5


@dataclass
class Script:
    """The frames that the steps hand on."""

    folder: Path
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    model: XGBClassifier | None = None

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self.frames[name]

    def keep(self, name: str, frame: pd.DataFrame) -> int:
        self.frames[name] = frame
        return len(frame)


@contextmanager
def open_script(folder: Path) -> Iterator[Script]:
    """Start with nothing read."""
    yield Script(folder)


def read(script: Script) -> int:
    """Read both files; one row per line and one per order."""
    lines = pd.read_csv(script.folder / "transactions.csv", parse_dates=["order_date"])
    customers = pd.read_csv(script.folder / "customers.csv", parse_dates=["created_at"])
    lines = lines[lines["order_date"] < AS_OF]
    lines["amount"] = lines["quantity"] * lines["unit_price"]
    orders = lines.groupby(["customer_id", "order_id", "order_date"], as_index=False)[
        ["amount", "quantity"]
    ].sum()
    script.keep("orders", orders)
    return script.keep("customers", customers) + script.keep("lines", lines)


def rfm(script: Script) -> int:
    """Cut recency, number of orders and spend into quintiles."""
    orders = script["orders"]
    bought = orders[orders["quantity"] > 0].groupby("customer_id")
    table = pd.DataFrame(
        {
            "days_since_last_order": (AS_OF - bought["order_date"].max()).dt.days - 1,
            "order_count": bought.size(),
            "net_spend": orders.groupby("customer_id")["amount"].sum(),
        }
    ).dropna()
    ranked = {
        "r_score": -table["days_since_last_order"],
        "f_score": table["order_count"],
        "m_score": table["net_spend"],
    }
    for name, values in ranked.items():
        table[name] = pd.qcut(values.rank(method="first"), 5, labels=[1, 2, 3, 4, 5]).astype(int)
    best, lost = table["r_score"] >= 4, table["r_score"] <= 2
    often = table["f_score"] >= 4
    table["segment"] = np.select(
        [best & often, best, ~lost & often, lost & often, lost],
        ["best", "new", "loyal", "at risk", "lost"],
        "other",
    )
    return script.keep("rfm", table)


def lifetime_value(script: Script) -> int:
    """Fit BG/NBD and Gamma-Gamma by lifetimes, and value 12 months at 10 % a year."""
    orders = script["orders"]
    summary = summary_data_from_transaction_data(
        orders[orders["quantity"] > 0], "customer_id", "order_date", "amount",
        observation_period_end=AS_OF - pd.Timedelta(days=1), freq="D",
    )  # fmt: skip
    purchases = BetaGeoFitter(penalizer_coef=0.001).fit(
        summary["frequency"], summary["recency"], summary["T"]
    )
    repeat = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
    spend = GammaGammaFitter(penalizer_coef=0.001).fit(repeat["frequency"], repeat["monetary_value"])
    history = summary["frequency"], summary["recency"], summary["T"]
    summary["probability_alive"] = purchases.conditional_probability_alive(*history)
    summary["expected_purchases"] = purchases.conditional_expected_number_of_purchases_up_to_time(
        365, *history
    )
    summary["lifetime_revenue"] = spend.customer_lifetime_value(
        purchases, *history, summary["monetary_value"], time=12, discount_rate=1.1 ** (1 / 12) - 1, freq="D"
    )
    return script.keep("clv", summary)


def features_at(orders: pd.DataFrame, lines: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Return what was known of every customer active before `day`."""
    orders, lines = orders[orders["order_date"] < day], lines[lines["order_date"] < day]
    bought = orders[orders["quantity"] > 0]
    days = bought.groupby(["customer_id", "order_date"], as_index=False)["amount"].sum()
    days = days.sort_values(["customer_id", "order_date"])
    days["gap"] = days.groupby("customer_id")["order_date"].diff().dt.days
    days["age"] = (day - days["order_date"]).dt.days
    by_customer = days.groupby("customer_id")
    table = pd.DataFrame(
        {
            "days_since_last_order": by_customer["age"].min(),
            "tenure_days": by_customer["age"].max(),
            "order_day_count": by_customer.size(),
            "mean_gap": by_customer["gap"].mean(),
            "gap_deviation": by_customer["gap"].std(),
            "longest_gap": by_customer["gap"].max(),
            "last_gap": by_customer["gap"].last(),
            "spend": by_customer["amount"].sum(),
            "last_spend": by_customer["amount"].last(),
        }
    )
    table["silence_ratio"] = table["days_since_last_order"] / table["mean_gap"]
    for window in (30, 90, 180, 365):
        recent = days[days["age"] <= window].groupby("customer_id")
        table[f"order_day_count_{window}"] = recent.size().reindex(table.index, fill_value=0)
        table[f"spend_{window}"] = recent["amount"].sum().reindex(table.index, fill_value=0.0)
    returned = -orders.loc[orders["amount"] < 0].groupby("customer_id")["amount"].sum()
    table["returned_rate"] = returned.reindex(table.index, fill_value=0.0) / table["spend"]
    table["product_count"] = lines[lines["quantity"] > 0].groupby("customer_id")["product_id"].nunique()
    table["month"] = day.month
    return table[table["days_since_last_order"] <= ACTIVE.days]


def train_churn(script: Script) -> int:
    """Label six windows that ended, judge on the last, fit on all."""
    orders, lines = script["orders"], script["lines"]
    parts = []
    for number in range(CUTOFF_COUNT, 0, -1):
        day = AS_OF - number * HORIZON
        part = features_at(orders, lines, day)
        is_after = (
            (orders["order_date"] >= day) & (orders["order_date"] < day + HORIZON) & (orders["quantity"] > 0)
        )
        part["churned"] = ~part.index.isin(orders.loc[is_after, "customer_id"])
        parts.append(part.assign(as_of=day))
    table = pd.concat(parts)
    last = table["as_of"] == table["as_of"].max()
    inputs, label = table.drop(columns=["churned", "as_of"]), table["churned"].astype(int)
    trial = _trees().fit(inputs[~last], label[~last])
    found = trial.predict_proba(inputs[last])[:, 1]
    script.keep(
        "quality",
        pd.DataFrame(
            {"auc": [roc_auc_score(label[last], found)], "log_loss": [log_loss(label[last], found)]}
        ),
    )
    script.model = _trees().fit(inputs, label)
    return len(table)


def _trees() -> Any:
    return XGBClassifier(
        n_estimators=200, max_depth=4, learning_rate=0.05, subsample=0.8, colsample_bytree=0.8, random_state=0
    )


def score_churn(script: Script) -> int:
    """Score every active customer."""
    assert script.model is not None, "train_churn comes first"
    table = features_at(script["orders"], script["lines"], AS_OF)
    table["churn_probability"] = script.model.predict_proba(table)[:, 1]
    return script.keep("churn", table[["churn_probability"]])


def offers(script: Script) -> int:
    """Recommend by cosine similarity of products that the same customers bought."""
    lines = script["lines"]
    bought = lines[lines["quantity"] > 0]
    customer, customers = pd.factorize(bought["customer_id"])
    product, products = pd.factorize(bought["product_id"])
    owned = csr_matrix((np.ones(len(bought)), (customer, product)), shape=(len(customers), len(products)))
    owned.data[:] = 1.0
    together = (owned.T @ owned).toarray()
    size = np.sqrt(np.diag(together))
    similarity = together / np.outer(size, size)
    np.fill_diagonal(similarity, 0.0)
    price = bought.groupby("product_id")["amount"].mean().reindex(products).to_numpy()
    parts = []
    for start in range(0, len(customers), 10_000):
        score = owned[start : start + 10_000] @ similarity
        rows = np.arange(len(score))[:, None]
        best = np.argpartition(-score, OFFER_COUNT, axis=1)[:, :OFFER_COUNT]
        best = np.take_along_axis(best, np.argsort(-score[rows, best], axis=1), axis=1)
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": np.repeat(customers[start : start + 10_000], OFFER_COUNT),
                    "rank": np.tile(np.arange(1, OFFER_COUNT + 1), len(score)),
                    "product_id": products[best.ravel()],
                    "score": score[rows, best].ravel(),
                    "price": price[best.ravel()],
                }
            )
        )
    return script.keep("offers", pd.concat(parts, ignore_index=True))


def write(script: Script) -> int:
    """Join everything to one row per customer, and write Parquet."""
    first = script["offers"].query("rank == 1").set_index("customer_id")[["product_id", "score"]]
    table = script["customers"].set_index("customer_id")[["country"]]
    columns = ["probability_alive", "expected_purchases", "lifetime_revenue"]
    table = table.join([script["rfm"], script["clv"][columns], script["churn"], first])
    table.to_parquet(script.folder / "plain_customer_scores.parquet")
    script["offers"].to_parquet(script.folder / "plain_offers.parquet")
    return len(table)


SIDE = Side(
    steps={
        "read": Work(read, ("pyarrow.parquet",)),
        "rfm": Work(rfm, ()),
        "clv": Work(lifetime_value, ()),
        "churn.train": Work(train_churn, ()),
        "churn.score": Work(score_churn, ()),
        "offers": Work(offers, ()),
        "write": Work(write, ()),
    },
    open=open_script,
)


def main() -> None:
    """Do the whole job for one folder."""
    parser = argparse.ArgumentParser(description="The plain script, all steps, without measuring.")
    parser.add_argument("folder", type=Path)
    script = Script(parser.parse_args().folder)
    for work in SIDE.steps.values():
        work.run(script)


if __name__ == "__main__":
    main()
