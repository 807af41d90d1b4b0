"""Is the churn driver that was planted in the sample company found?  See data/sample/README.md, truth (a)."""

from __future__ import annotations

from datetime import date

from crm_analytics import churn
from crm_analytics.warehouse import Warehouse

AS_OF = date(2025, 1, 1)


def test_complaints_that_took_more_than_ten_days_raise_the_risk_and_are_the_reason(
    company: Warehouse,
) -> None:
    model = churn.train(company, as_of=AS_OF)
    assert (
        model.card.metrics["boosted"]["log_loss"].value < model.card.metrics["closed_form"]["log_loss"].value
    )
    scores = churn.score(company, model, as_of=AS_OF).dropna(subset="churn_probability")
    slow = company.rows(
        "select distinct customer_id from facts.tickets_before($as_of) "
        "where kind = 'complaint' and days_to_resolve > 10 and opened_on >= cast($as_of as date) - 180",
        as_of=AS_OF,
    )
    waited = scores["customer_id"].isin([row[0] for row in slow])
    assert waited.sum() >= 30
    mean = scores.groupby(waited.to_numpy())["churn_probability"].mean()
    assert mean[True] > mean[False] + 0.25
    assert scores.loc[waited, "reason_1"].str.startswith("waited").mean() > 0.7
