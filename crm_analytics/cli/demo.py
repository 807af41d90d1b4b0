"""What does the library make of data one knows?  The sample company, and CDNOW with its published figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics.cli import output as out
from crm_analytics.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from crm_analytics.nightly import RunReport
    from crm_analytics.warehouse import Warehouse

SAMPLE_AS_OF = date(2025, 7, 1)
SAMPLE_FOLDER = Path("data") / "sample"

# CDNOW 1/10 sample: calibration to 1997-09-30, then 39 weeks of hold-out (Fader and Hardie, 2001).
CDNOW_AS_OF = date(1997, 10, 1)
CDNOW_HOLD_OUT_DAYS = 39 * 7

_NIGHT_STEPS = 10
DEMO_STEPS = {"sample": 1 + _NIGHT_STEPS, "cdnow": 2 + _NIGHT_STEPS}

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Demo:
    """What a demo found: tables for people, one dict for machines."""

    tables: tuple[tuple[str, list[str], list[list[str]]], ...]
    as_json: dict[str, Any]
    night: RunReport

    def show(self) -> None:
        """Print the tables and where the report is."""
        for title, columns, rows in self.tables:
            out.print_table(title, columns, rows)
        out.print_lines(f"Report: {self.night.report}")


def run_sample(folder: Path, on_step: OnStep) -> Demo:
    """Run one night over the sample company; the sample is written when ``data/sample`` is absent."""
    import crm_analytics as crm
    from crm_analytics.demo import sample

    on_step("sample data")
    inbox = SAMPLE_FOLDER.resolve()
    if not inbox.is_dir():
        inbox = (folder / "sample").resolve()
        if not inbox.is_dir():
            sample.write_sample(inbox)
    settings = _settings(
        folder, inbox=inbox, timezone=sample.TIMEZONE, reporting_currency=sample.REPORTING_CURRENCY
    )
    with _open(settings) as wh:
        night = crm.nightly.run(wh, settings, as_of=SAMPLE_AS_OF, on_step=on_step)
    segments = segment_overview(crm.read_scores(settings.paths.published))
    rows = [
        [
            row.label,
            out.number(row.customer_count),
            out.percent(row.revenue_share),
            out.percent(row.mean_churn_probability),
            out.number(row.mean_value, 2),
        ]
        for row in segments.itertuples()
    ]
    columns = ["segment", "customers", "revenue share", "mean churn probability", "mean 12-month value"]
    title = f"Customers on {SAMPLE_AS_OF}: {night.published.run_id} ({night.seconds:.0f} s)"
    return Demo(
        tables=((title, columns, rows),),
        as_json={"segments": segments.to_dict("records"), **_night_json(night)},
        night=night,
    )


def run_cdnow(folder: Path, on_step: OnStep) -> Demo:
    """Run one night over CDNOW, and set the models' figures beside the published ones."""
    import crm_analytics as crm
    from crm_analytics.demo.cdnow import cdnow_path

    inbox = folder / "cdnow"
    on_step("CDNOW")
    if not inbox.is_dir():
        inbox.mkdir(mode=0o700)
        (inbox / "cdnow_sample.txt").write_bytes(cdnow_path().read_bytes())
    settings = _settings(folder, inbox=inbox.resolve(), profile="cdnow")
    with _open(settings) as wh:
        night = crm.nightly.run(wh, settings, as_of=CDNOW_AS_OF, on_step=on_step)
        on_step("figures")
        figures = cdnow_figures(wh)
    rows = [[name, out.number(value, digits)] for name, value, digits in figures]
    return Demo(
        tables=((f"CDNOW, calibration to 1997-09-30 ({night.seconds:.0f} s)", ["figure", "value"], rows),),
        as_json={"figures": {name: value for name, value, _ in figures}, **_night_json(night)},
        night=night,
    )


def cdnow_figures(wh: Warehouse) -> list[tuple[str, float, int]]:
    """Fit BG/NBD and Gamma-Gamma at the end of calibration; return name, value and digits of each figure."""
    import crm_analytics as crm

    summary = crm.clv.summary(wh, as_of=CDNOW_AS_OF)
    purchases = crm.clv.BetaGeoModel().fit(summary)
    spend = crm.clv.GammaGammaModel().fit(summary)
    weekly = purchases.describe(unit="week")
    expected = float(purchases.expected_purchases(summary, horizon_days=CDNOW_HOLD_OUT_DAYS).sum())
    actual = wh.value(
        "select count(*) from facts.purchases_between($from_on, $until_on) "
        "where customer_id in (select customer_id from facts.order_days_before($from_on))",
        from_on=CDNOW_AS_OF,
        until_on=CDNOW_AS_OF + timedelta(days=CDNOW_HOLD_OUT_DAYS),
    )
    return [
        *((f"BG/NBD {name}", float(weekly[name]), 4) for name in ("r", "alpha", "a", "b")),
        ("BG/NBD log-likelihood (weeks)", float(weekly["log_likelihood"]), 3),
        *((f"Gamma-Gamma {name}", float(spend.params_[name]), 2) for name in ("p", "q", "v")),
        ("expected repeat purchases in 39 weeks", expected, 1),
        ("actual repeat purchases in 39 weeks", float(actual), 0),
    ]


def segment_overview(scores: pd.DataFrame) -> pd.DataFrame:
    """Sum customer_scores by segment: customers, revenue share, mean churn probability, mean value."""
    from crm_analytics.segmentation.names import segment_names

    total = float(scores["net_spend"].sum())
    rows = []
    for rule in segment_names():
        members = scores[scores["segment"] == rule.name]
        if len(members):
            rows.append(
                {
                    "segment": rule.name,
                    "label": rule.label,
                    "customer_count": len(members),
                    "revenue_share": float(members["net_spend"].sum()) / total if total > 0 else None,
                    "mean_churn_probability": members["churn_probability"].mean(),
                    "mean_value": members["lifetime_revenue"].mean(),
                }
            )
    import pandas as pd

    return pd.DataFrame(rows)


def _settings(folder: Path, *, inbox: Path, profile: str | None = None, **business: str) -> Settings:
    given: dict[str, Any] = {"warehouse": business, "paths": {"inbox": str(inbox)}}
    if profile is not None:
        given["ingest"] = {"profile": profile}
    return Settings.from_mapping(given, folder=folder)


def _open(settings: Settings) -> Warehouse:
    import crm_analytics as crm

    return crm.Warehouse.open(
        settings.warehouse.path,
        timezone=settings.warehouse.timezone,
        reporting_currency=settings.warehouse.reporting_currency,
    )


def _night_json(night: RunReport) -> dict[str, Any]:
    return {
        "run_id": night.published.run_id,
        "is_new": night.published.is_new,
        "report": night.report,
        "seconds": night.seconds,
    }
