"""Which steps has the whole job, from two exports to published scores?  Ours, each on the warehouse file.

The steps are those of `crm_analytics.nightly`, through the public functions, with training apart from
scoring. What a step leaves for the next is where the night leaves it too: score tables, model files.
Reads transactions.csv and customers.csv of the folder (see `benchmarks.generate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crm_analytics as crm
from benchmarks.measure import Side, Work

if TYPE_CHECKING:
    import pandas as pd

AS_OF = date(2025, 7, 1)
DATABASE, PUBLISHED, CHURN_MODEL, OFFER_MODEL = "crm.duckdb", "published", "churn.json", "offers.json"


@dataclass(frozen=True)
class Company:
    """The open warehouse of a company and its folder."""

    wh: crm.Warehouse
    folder: Path


@contextmanager
def open_company(folder: Path) -> Iterator[Company]:
    """Open the folder's warehouse for writing; it is made when it is not there."""
    with crm.Warehouse.open(folder / DATABASE) as wh:
        yield Company(wh, folder)


def load(company: Company) -> int:
    """Load both exports; a refused file or a row set aside is an error here."""
    loads = [
        found
        for name in ("transactions.csv", "customers.csv")
        for found in crm.load(company.wh, company.folder / name)
    ]
    for found in loads:
        if found.rows_loaded != found.rows_in:
            raise ValueError(f"{found.file}: {found.rows_loaded} of {found.rows_in} rows were loaded.")
    return sum(found.rows_loaded for found in loads)


def rfm(company: Company) -> int:
    """Score recency, order count and spend."""
    return _keep(company, "scores.rfm", crm.segmentation.rfm(company.wh, as_of=AS_OF))


def lifetime_value(company: Company) -> int:
    """Fit BG/NBD and Gamma-Gamma, and value every customer over 12 months."""
    return _keep(company, "scores.clv", crm.clv.lifetime_value(company.wh, as_of=AS_OF, horizon_days=365))


def train_churn(company: Company) -> int:
    """Build the walk-forward table, compare the candidates, save the best."""
    model = crm.churn.train(company.wh, as_of=AS_OF, horizon_days=90)
    model.save(company.folder / CHURN_MODEL)
    return sum(use.row_count for use in model.card.cutoffs)


def score_churn(company: Company) -> int:
    """Score every active customer, with reasons."""
    model = crm.churn.load_model(company.folder / CHURN_MODEL)
    return _keep(company, "scores.churn", crm.churn.score(company.wh, model, as_of=AS_OF))


def train_offers(company: Company) -> int:
    """Learn what the recommenders' scores are worth, and judge it on a later window."""
    model = crm.scoring.train_offers(company.wh, as_of=AS_OF, horizon_days=90)
    model.save(company.folder / OFFER_MODEL)
    return sum(use.row_count for use in model.card.cutoffs)


def offers(company: Company) -> int:
    """Offer every customer five products, with probability and reason."""
    model = crm.scoring.load_offer_model(company.folder / OFFER_MODEL)
    found = crm.scoring.next_best_offers(company.wh, as_of=AS_OF, k=5, model=model)
    return _keep(company, "scores.next_best_offers", found)


def customer_scores(company: Company) -> int:
    """Bring all scores together, one row per customer."""
    found = crm.scoring.customer_scores(company.wh, as_of=AS_OF)
    return _keep(company, "scores.customer_scores", found)


def audit(company: Company) -> int:
    """Check the score tables; a finding is an error here."""
    from crm_analytics.audit import audit as check

    findings = check(company.wh, as_of=AS_OF, tables=crm.nightly.SCORE_TABLES)
    if findings:
        raise ValueError("; ".join(finding.message for finding in findings))
    return 0


def publish(company: Company) -> int:
    """Write the Parquet files and the read-only copy, and make them live."""
    from crm_analytics.warehouse.publish import publish as to_folder

    made_from: dict[str, Any] = {"load_ids": [], "models": {}, "parameters": {}, "versions": {}}
    tables = crm.nightly.SCORE_TABLES
    folder = company.folder / PUBLISHED
    return to_folder(company.wh, folder, "benchmark", tables, as_of=AS_OF, made_from=made_from).rows


def report(company: Company) -> int:
    """Write the HTML report from what was published."""
    from crm_analytics.reports.company import company_report

    with crm.open_published(company.folder / PUBLISHED) as copy:
        html = company_report(copy, as_of=AS_OF, models={})
    (company.folder / "report.html").write_text(html, encoding="utf-8")
    return len(html.splitlines())


def _keep(company: Company, table: str, scores: pd.DataFrame) -> int:
    """Replace the rows of the day by those columns that the table has, as the night does."""
    from crm_analytics.warehouse import quote_table

    columns = company.wh.frame(f"select * from {quote_table(table)} limit 0").columns
    rows: int = company.wh.replace_as_of(table, scores.assign(as_of=AS_OF)[columns], as_of=AS_OF)
    return rows


_TABLES = ("pandas", "duckdb", "pyarrow.parquet", "crm_analytics.nightly")
_FITTING = ("scipy.optimize", "scipy.special", "scipy.integrate")
_LEARNING = (*_FITTING, "sklearn.linear_model", "threadpoolctl", "scipy.sparse")
_OFFERS = "crm_analytics.scoring.next_best_offer"
SIDE = Side(
    steps={
        "load": Work(load, (*_TABLES, "crm_analytics.ingest.load", "pyarrow.compute", "pyarrow.csv")),
        "rfm": Work(rfm, (*_TABLES, "crm_analytics.segmentation.rfm")),
        "clv": Work(lifetime_value, (*_TABLES, *_FITTING, "crm_analytics.clv.lifetime_value")),
        "churn.train": Work(train_churn, (*_TABLES, *_LEARNING, "crm_analytics.churn.training", "xgboost")),
        "churn.score": Work(score_churn, (*_TABLES, *_LEARNING, "crm_analytics.churn.score", "xgboost")),
        "offers.train": Work(train_offers, (*_TABLES, *_LEARNING, f"{_OFFERS}.training")),
        "offers": Work(offers, (*_TABLES, *_LEARNING, f"{_OFFERS}.offers")),
        "customer_scores": Work(customer_scores, (*_TABLES, "crm_analytics.scoring.customer_scores")),
        "audit": Work(audit, (*_TABLES, "crm_analytics.audit", "pyarrow.compute")),
        "publish": Work(publish, (*_TABLES, "crm_analytics.warehouse.publish", "pyarrow.compute")),
        "report": Work(report, (*_TABLES, "crm_analytics.reports.company", "matplotlib.figure", "jinja2")),
    },
    open=open_company,
)  # fmt: skip
