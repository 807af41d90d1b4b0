"""Who are this company's customers, what are they worth, who is leaving, what to offer: one HTML page.

The page is made from a published run, so it holds no personal data. It loads nothing: styles and
charts are inline, there is no script, and its content security policy forbids both. Money is in the
reporting currency; sums of value are over the horizon of `scores.clv`.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.reports import charts
from crm_analytics.reports.segment_moves import segment_moves
from crm_analytics.reports.small_groups import SMALLEST_GROUP, is_small, part_of, without_small
from crm_analytics.reports.what_changed import what_changed
from crm_analytics.reports.words import count, day, is_missing, money, number, percent, short
from crm_analytics.segmentation.names import segment_names
from crm_analytics.warehouse import SqlFile, Warehouse
from crm_analytics.warehouse.run_log import load_accounts

TEMPLATES = Path(__file__).parent / "templates"
MONTHS_SHOWN, ROWS_SHOWN, CALLS_SHOWN = 24, 10, 12
BANDS = ("high", "medium", "low")
_VALUE_STATUSES = {
    "ok": "from repeat purchases of the customer's own",
    "low_information": "mostly from what all customers do (a single purchase, or amounts unusual or unknown)",
    "fallback": "from a cautious mean, because no model fits these data",
    "excluded": "no value, because the record cannot be a purchase history",
    "none": "not valued",
}
_SHOWN_METRICS = {
    "auc": "AUC",
    "log_loss": "log loss",
    "calibration_in_the_large": "calibration",
    "lift_at_top_decile": "lift in the top tenth",
}


def company_report(
    wh: Warehouse,
    *,
    as_of: date,
    models: Mapping[str, Any] | None = None,
    title: str = "Customers",
    smallest_group: int = SMALLEST_GROUP,
) -> str:
    """Return the report of one night as a self-contained HTML page.

    Parameters
    ----------
    wh : Warehouse
        A published run (`crm_analytics.open_published`), or a warehouse with the night's scores.
    as_of : date
        First day not seen; its scores must be there.
    models : mapping, optional
        Model name -> {"card": a ModelCard as a dict}, as run.json keeps it.
    title : str, default "Customers"
        Heading of the page.
    smallest_group : int, default 5
        Groups of fewer customers are counted and described nowhere on the page, nor any group from which they
        could be worked out (`crm_analytics.reports.small_groups`). Lists that name customers by id stay.
    """
    import jinja2

    customers = _frame(wh, "customers.sql", as_of)
    cards = {name: model["card"] for name, model in (models or {}).items()}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    currency = wh.settings.reporting_currency or ""
    of_contracts = _frame(wh, "contract_churn.sql", as_of)
    own = _own_prefix(pd.concat([customers["customer_id"], of_contracts["customer_id"]]))
    segments = _segments(customers, smallest_group)
    churn = _churn(customers, _frame(wh, "calls.sql", as_of), cards.get("churn"), smallest_group)
    named = {rule.name: rule.label for rule in segment_names() if rule.label not in segments["hidden"]}

    def in_currency(value: Any, digits: int = 0) -> str:
        return money(value, currency, digits)

    environment.filters |= {
        "money": in_currency,
        "number": number,
        "count": count,
        "percent": percent,
        "day": day,
        "spark": charts.spark,
        "id": lambda value: str(value).removeprefix(own),
        "segment": lambda name: named.get(name, "–"),
    }
    css = (TEMPLATES / "company.css").read_text(encoding="utf-8")
    return environment.get_template("company.html.j2").render(
        title=title,
        as_of=as_of,
        css=Markup(css),  # our own file
        css_sha256=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        currency=currency,
        smallest_group=smallest_group,
        headline=_headline(wh, customers, churn, as_of, smallest_group),
        months=_months(wh, as_of, currency),
        segments=segments,
        moves=segment_moves(wh, as_of=as_of, smallest_group=smallest_group),
        period=_period(customers["horizon_days"]),
        value=_value(customers, currency, smallest_group),
        churn=churn,
        contracts=_contracts(of_contracts, cards.get("contract_churn"), smallest_group),
        offers=_offers(wh, as_of, customers, smallest_group) | {"card": cards.get("offers")},
        loads=_loads(wh),
        changed=what_changed(wh, as_of=as_of),
    )


def _headline(
    wh: Warehouse, customers: pd.DataFrame, churn: Mapping[str, Any], as_of: date, smallest: int
) -> dict[str, Any]:
    row: dict[str, Any] = _frame(wh, "headline.sql", as_of).iloc[0].to_dict()
    before = float(row["previous_year_net_spend"])
    high = next(
        (band for band in churn["bands"] if band["band"] == "high"), {"customer_count": 0, "value": None}
    )
    bought_lately = part_of(int(row["year_customer_count"]), len(customers), smallest)
    return row | {
        "customer_count": len(customers),
        "change_rate": float(row["year_net_spend"]) / before - 1 if before > 0 else None,
        "value_total": total(customers["lifetime_revenue"]),
        "year_customer_count": bought_lately,
        "at_risk_count": high["customer_count"] if churn["has_model"] else None,
        "at_risk_value": high["value"],
    }


def _months(wh: Warehouse, as_of: date, currency: str) -> dict[str, Any]:
    """Revenue by month, the last ones; a month that as_of cuts is drawn faint."""
    months = _frame(wh, "months.sql", as_of).tail(MONTHS_SHOWN).reset_index(drop=True)
    starts = [pd.Timestamp(start) for start in months["month_on"]]
    labels = [
        f"{start:%b}" + (f" {start:%Y}" if start.month == 1 or not number_ else "")
        if number_ % 3 == 0
        else ""
        for number_, start in enumerate(starts)
    ]
    chart, _ = charts.columns(
        months.assign(label=labels),
        label="label",
        value="net_spend",
        tick=lambda value: short(value),
        title=f"Revenue by month in {currency}",
        faint_last=bool(len(months)) and as_of.day > 1 and starts[-1].date() == as_of.replace(day=1),
    )
    return {"chart": chart, "rows": _records(months)}


def _segments(customers: pd.DataFrame, smallest: int) -> dict[str, Any]:
    spent = total(customers["net_spend"]) or 0.0
    rows = []
    for rule in segment_names():
        members = customers[customers["segment"] == rule.name]
        if len(members):
            rows.append(
                {
                    "label": rule.label,
                    "meaning": rule.meaning,
                    "advice": rule.advice,
                    "customer_count": len(members),
                    "customer_share": len(members) / len(customers),
                    "revenue_share": (total(members["net_spend"]) or 0.0) / spent if spent > 0 else None,
                    "churn": members["churn_probability"].mean(),
                    "value": members["lifetime_revenue"].mean(),
                    "scored_count": int(members["churn_probability"].notna().sum()),
                    "valued_count": int(members["lifetime_revenue"].notna().sum()),
                }
            )
    figures = ["customer_share", "revenue_share", "churn", "value", "scored_count", "valued_count"]
    rows, _ = without_small(rows, "customer_count", figures, smallest=smallest)
    for count_of, mean in (("scored_count", "churn"), ("valued_count", "value")):
        rows, _ = without_small(rows, count_of, [mean], smallest=smallest)
    shown = [row for row in rows if row["customer_count"] is not None]
    table = pd.DataFrame(shown, columns=["label", "customer_count"])
    table["text"] = [
        f"{row['customer_count']:,} · {percent(row['revenue_share'])} of revenue" for row in shown
    ]
    chart, _ = charts.bars(
        table, label="label", value="customer_count", text="text", title="Customers by segment"
    )
    gone = {row["label"] for row in rows if row["customer_count"] is None}
    return {"rows": rows, "hidden": gone, "chart": chart, "dash_note": _dash_note(customers)}


def _dash_note(customers: pd.DataFrame) -> str:
    """Say why a segment has no mean churn probability; empty when every one has or the cause is another."""
    if not customers["churn_status"].notna().any():
        return "No churn model could be trained on these data, so there is no churn probability."
    scored = customers["churn_probability"].notna().groupby(customers["segment"]).transform("any")
    dashed = customers[~scored]
    if len(dashed) and (dashed["churn_status"] == "inactive").all():
        return "– in churn probability: nobody of the segment is active any more."
    return ""


def _value(customers: pd.DataFrame, currency: str, smallest: int) -> dict[str, Any]:
    values = customers["lifetime_revenue"]
    known = values.dropna()
    kinds = [
        {"words": words, "customer_count": count}
        for status, words in _VALUE_STATUSES.items()
        if (count := int((customers["value_status"].fillna("none") == status).sum()))
    ]
    with_margin = part_of(int(customers["lifetime_value"].notna().sum()), len(customers), smallest)
    chart, _ = charts.histogram(
        values,
        tick=lambda value: f"{value:,.0f}",
        title="Customers by expected revenue",
        axis=f"expected revenue, {currency} per customer",
        smallest=smallest,
    )
    curve, shares = charts.share_curve(
        values, title="Share of expected revenue carried by the best customers"
    )
    best = customers.sort_values(["lifetime_revenue", "customer_id"], ascending=[False, True])
    return {
        "chart": chart,
        "curve": curve,
        "top_tenth_share": float(shares["value_share"].iloc[10]) if len(shares) else None,
        "mean": known.mean() if len(known) else None,
        "median": known.median() if len(known) else None,
        "total": None if is_small(len(known), smallest) else total(values),
        "limits": _limits_of_total(customers),
        "known_count": len(known),
        "margin_total": total(customers["lifetime_value"]),
        "margin_count": with_margin,
        "statuses": without_small(kinds, "customer_count", smallest=smallest)[0],
        "best": _records(best.head(ROWS_SHOWN)) if len(known) else [],
    }


def _churn(
    customers: pd.DataFrame, calls: pd.DataFrame, card: Mapping[str, Any] | None, smallest: int
) -> dict[str, Any]:
    scored = customers[customers["churn_probability"].notna()]
    bands, others_are_shown = _bands(scored, smallest, others=len(customers) - len(scored))
    read = None if card is None else ModelCard.from_dict(card)
    points = pd.DataFrame(
        []
        if read is None
        else [vars(group) for group in read.reliability if not is_small(group.row_count, smallest)]
    )
    return {
        "is_anybody_scored": len(scored) > 0,
        "scored_count": len(scored) if others_are_shown else None,
        "has_model": bool(customers["churn_status"].notna().any()),
        "bands": bands,
        "calls": _records(calls.head(CALLS_SHOWN)),
        "call_count": len(calls),
        "alert_count": int((calls["kind"] == "alert").sum()),
        "card": card,
        "comparison": "" if read is None else read.answers()[1][1],
        "reliability": charts.reliability(points, title="Predicted and observed share that left")[0],
        "metric_names": _SHOWN_METRICS,
    }


def _contracts(scored: pd.DataFrame, card: Mapping[str, Any] | None, smallest: int) -> dict[str, Any]:
    """Who may be without a contract; nobody is named where the model gives everybody one rate."""
    tells_apart = scored["churn_probability"].nunique() > 1
    read = None if card is None or not tells_apart else ModelCard.from_dict(card)
    return {
        "is_anybody_scored": len(scored) > 0,
        "scored_count": None if is_small(len(scored), smallest) else len(scored),
        "bands": _bands(scored.assign(lifetime_revenue=None), smallest)[0],
        "likeliest": _records(scored.head(ROWS_SHOWN)) if tells_apart else [],
        "card": card,
        "comparison": "" if read is None else read.answers()[1][1],
    }


def _bands(scored: pd.DataFrame, smallest: int, *, others: int = 0) -> tuple[list[dict[str, Any]], bool]:
    """Return how many are in each band of risk, and whether the number of the others may be shown."""
    bands = [
        {
            "band": band,
            "customer_count": len(members),
            "share": len(members) / len(scored),
            "mean_probability": members["churn_probability"].mean(),
            "expected_leavers": math.fsum(members["churn_probability"]),
            "value": total(members["lifetime_revenue"]),
        }
        for band in BANDS
        if len(members := scored[scored["risk_band"] == band])
    ]
    figures = ["share", "mean_probability", "expected_leavers", "value"]
    return without_small(bands, "customer_count", figures, smallest=smallest, others=others)


def _offers(wh: Warehouse, as_of: date, customers: pd.DataFrame, smallest: int) -> dict[str, Any]:
    offers = _frame(wh, "offers.sql", as_of)
    first = offers[(offers["rank"] == 1) & ~offers["is_refused"].astype(bool)]
    products = (
        first.groupby(["product_id", "product_name"], sort=True)
        .agg(customer_count=("customer_id", "size"), probability=("probability", "mean"))
        .reset_index()
        .sort_values(["customer_count", "product_id"], ascending=[False, True])
    )
    worth = first.groupby("product_id")["expected_value"].apply(total).rename("expected_value")
    products = products.join(worth, on="product_id")
    offered = first["customer_id"].nunique()
    groups, others_are_shown = without_small(
        _records(products),
        "customer_count",
        ["probability", "expected_value"],
        smallest=smallest,
        others=len(customers) - offered,
    )
    single = first.sort_values(["expected_value", "customer_id"], ascending=[False, True])
    return {
        "is_anybody_offered": offered > 0,
        "customer_count": offered if others_are_shown else None,
        "product_count": len(products),
        "ranked_by": _ranked_by(offers),
        "products": groups[:ROWS_SHOWN],
        "single": _records(single.head(ROWS_SHOWN)),
    }


def _ranked_by(offers: pd.DataFrame) -> str:
    """Say what the first offer is best in, as the ranks themselves show it; empty when they show neither."""
    ordered = offers.sort_values(["customer_id", "rank"]).fillna({"expected_value": 0.0})
    falls = {
        name: not (ordered.groupby("customer_id")[name].diff() > 0).any()
        for name in ("expected_value", "probability")
    }
    if falls["expected_value"] == falls["probability"]:
        return ""
    return "expected value" if falls["expected_value"] else "probability"


def _loads(wh: Warehouse) -> list[dict[str, Any]]:
    """The loads that brought something or were refused; the same bytes once more are left out."""
    accounts = load_accounts(wh)
    return _records(accounts[accounts["status"] != "unchanged"])


def _limits_of_total(customers: pd.DataFrame) -> tuple[float, float] | None:
    """Return 90 % limits of the sum of what customers really bring, by chance alone.

    Customers are taken as independent and the model as right; a customer's standard deviation is read
    off its own 90 % limits (2 x 1.645 standard deviations apart). A wrong model errs by more.
    """
    known = customers[["lifetime_revenue", "lifetime_revenue_low", "lifetime_revenue_high"]].dropna()
    if known.empty:
        return None
    middle = math.fsum(known["lifetime_revenue"])
    spread = (known["lifetime_revenue_high"] - known["lifetime_revenue_low"]) / 2
    by_chance = math.sqrt(math.fsum(spread**2))
    return max(0.0, middle - by_chance), middle + by_chance


def _own_prefix(ids: pd.Series) -> str:
    """Return what every id begins with when all come from one system, else nothing.

    Examples
    --------
    >>> _own_prefix(pd.Series(["shop:1", "shop:2"])), _own_prefix(pd.Series(["shop:1", "till:1"]))
    ('shop:', '')
    """
    systems = {str(customer_id).partition(":")[0] for customer_id in ids}
    return f"{systems.pop()}:" if len(systems) == 1 else ""


def _period(horizon_days: pd.Series) -> str:
    days = horizon_days.max()
    return "12 months" if is_missing(days) or days == 365 else f"{days:.0f} days"


def total(values: pd.Series) -> float | None:
    """Add what is known, exactly and in any order; None when nothing is."""
    known = values.dropna()
    return math.fsum(known) if len(known) else None


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as dicts, with None for what is missing: templates know no NaN."""
    plain = frame.astype(object)
    return list(plain.where(frame.notna(), None).to_dict("records"))


def _frame(wh: Warehouse, name: str, as_of: date) -> pd.DataFrame:
    return wh.frame(SqlFile.beside(__file__, name), as_of=as_of)
