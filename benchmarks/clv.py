"""What does lifetime value cost at a million customers, against lifetimes, and do the limits hold?

Parts (all by default), each measured in this process, one after the other:

    fit       CDNOW and simulated customers with daily grain: BG/NBD, Pareto/NBD against lifetimes on the same
              rows; also against lifetimes with its own weighting of equal rows
    growth    how the cost of a fit grows with customers at equal patterns, and with patterns
    choose    lifetime_value on CDNOW with a model, and with the choice left to the evidence
    score     expected purchases, alive, next purchase, revenue with limits, as customers and patterns grow
    regular   scoring with purchases at regular gaps (MBG/CNBD-k, k = 2 and 4)
    database  scoring in the database: seconds and peak memory
    coverage  share of simulated cohorts whose total, and of customers whose number, lay inside 90 % limits

    python -m benchmarks.clv fit score --customers 1000000
    python -m benchmarks.clv database --customers 10000000
    python -m benchmarks.clv coverage --cohorts 1000

Figures are printed and merged into `results/clv.json`.  Processor seconds are of all threads; on a busy
machine they are the better figure.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm_analytics import Warehouse, clv, load
from crm_analytics.clv.cohort_models import Models, fit_models
from crm_analytics.clv.group_totals import group_totals
from crm_analytics.clv.models.patterns import HISTORY
from crm_analytics.clv.pattern_scores import pattern_scores
from crm_analytics.demo.cdnow import cdnow_path

RESULTS = Path(__file__).parent / "results" / "clv.json"
TRUTH = {"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5}
TRUTHS: dict[str, dict[str, float]] = {
    "bg_nbd": TRUTH,
    "mbg_nbd": TRUTH,
    "pareto_nbd": {"r": 0.55, "alpha": 42.0, "s": 0.6, "beta": 80.0},
}
SPEND = {"p": 6.25, "q": 3.74, "v": 15.44}
SHARD = 1_000_000
PARTS = ("fit", "growth", "choose", "score", "regular", "database", "coverage")


def customers(count: int, seed: int = 1, days: int = 730) -> pd.DataFrame:
    """Draw customers of a BG/NBD with daily grain (purchases of one day are one) and Gamma-Gamma spend."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(TRUTH["r"], 1 / TRUTH["alpha"], count)
    last = rng.geometric(np.clip(rng.beta(TRUTH["a"], TRUTH["b"], count), 1e-12, 1.0))
    age = rng.integers(30, days, count).astype(float)
    x, recency, now = np.zeros(count), np.zeros(count), np.zeros(count)
    buying, number = np.arange(count), 0
    while len(buying):
        number += 1
        now[buying] += rng.exponential(1 / np.maximum(rate[buying], 1e-12))
        buying = buying[now[buying] <= age[buying]]
        day = np.floor(now[buying])
        new = day > recency[buying]
        x[buying[new]] += 1
        recency[buying[new]] = day[new]
        buying = buying[number < last[buying]]
    own = rng.gamma(SPEND["q"], 1 / SPEND["v"], count)
    spend = np.where(x > 0, rng.gamma(SPEND["p"] * np.maximum(x, 1)) / own / np.maximum(x, 1), 0.0)
    return pd.DataFrame(
        {
            "customer_id": pd.array([f"{seed:03d}-{n:07d}" for n in range(count)], dtype="str"),
            "frequency": x.astype(np.int64),
            "recency": recency.astype(np.int64),
            "T": age.astype(np.int64),
            "monetary_value": spend.round(2),
        }
    )


def timed(work: Callable[[], Any], repeats: int = 1) -> dict[str, float]:
    """Return the least seconds on the clock and of the processor of some repeats."""
    clock, processor = [], []
    for _ in range(repeats):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        clock.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_cpu)
    return {"seconds": round(min(clock), 4), "cpu_seconds": round(min(processor), 4)}


def fit(count: int) -> dict[str, Any]:
    """Fit on CDNOW (lifetimes' own summary) and on simulated customers; ratios are theirs over ours.

    Their Pareto/NBD takes some ten minutes at a million rows.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weekly = importlib.import_module("lifetimes.datasets").load_cdnow_summary()
    return {
        "cdnow": against_lifetimes(
            weekly.assign(recency=weekly["recency"] * 7, T=weekly["T"] * 7), repeats=50
        ),
        f"{count}": against_lifetimes(customers(count), repeats=2),
    }


def against_lifetimes(data: pd.DataFrame, *, repeats: int) -> dict[str, Any]:
    """Fit ours and theirs to the same rows; theirs also to distinct rows with weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lifetimes = importlib.import_module("lifetimes")
    fitters = {"bg_nbd": lifetimes.BetaGeoFitter, "pareto_nbd": lifetimes.ParetoNBDFitter}
    merged = data.groupby(list(HISTORY), as_index=False).size()
    found: dict[str, Any] = {"customers": len(data), "patterns": len(merged)}
    for name in fitters:

        def theirs(table: pd.DataFrame, weights: Any = None, name: str = name) -> Any:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return fitters[name]().fit(table["frequency"], table["recency"], table["T"], weights=weights)

        row: dict[str, Any] = {
            "ours": timed(partial(clv.MODELS[name]().fit, data), repeats),
            "lifetimes": timed(partial(theirs, data)),
            "lifetimes_weighted": timed(partial(theirs, merged, merged["size"])),
        }
        for other in ("lifetimes", "lifetimes_weighted"):
            for clock in ("seconds", "cpu_seconds"):
                row[f"{other}_over_ours_{clock}"] = round(row[other][clock] / row["ours"][clock], 1)
        found[name] = row
    return found


def sizes(full: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return a tenth of the customers, the same ten times over (no new pattern), and all."""
    part = full.iloc[: len(full) // 10]
    return [
        ("a tenth", part),
        (
            "a tenth, ten times",
            pd.concat([part] * 10, ignore_index=True).assign(customer_id=full["customer_id"]),
        ),
        ("all", full),
    ]


def growth(full: pd.DataFrame) -> dict[str, Any]:
    """Fit as customers grow at equal patterns, and as patterns grow with them."""
    return {
        label: {"customers": len(data), "patterns": len(data.drop_duplicates(list(HISTORY)))}
        | {name: timed(partial(clv.MODELS[name]().fit, data), 2) for name in ("bg_nbd", "pareto_nbd")}
        for label, data in sizes(full)
    }


def score(count: int) -> dict[str, Any]:
    """Score with limits, as customers grow at equal patterns and as patterns grow with them."""
    found: dict[str, Any] = {}
    for label, data in sizes(customers(count)):
        models = fit_models(data)
        figures = timed(partial(clv.score_summary, data, models=models), 2)
        patterns = len(data.drop_duplicates(list(HISTORY)))
        found[label] = {"customers": len(data), "patterns": patterns, **figures}
    return found


def regular(count: int) -> dict[str, Any]:
    """Score with limits as `score` does, by a model of regular purchases with known parameters."""
    data = customers(count).assign(log_gap_sum=0.0)
    spend = clv.GammaGammaModel.from_parameters(SPEND)
    found: dict[str, Any] = {"customers": count, "patterns": len(data.drop_duplicates(list(HISTORY)))}
    for k in (2, 4):
        phases = TRUTH | {"alpha": TRUTH["alpha"] / k}
        models = Models(clv.MODELS["mbg_cnbd"].from_parameters(phases, k=k), spend)
        found[f"k = {k}"] = timed(partial(clv.score_summary, data, models=models, model="mbg_cnbd"))
    return found


def choose() -> dict[str, Any]:
    """Value CDNOW's customers from a warehouse, with a named model and with the choice of one."""
    found: dict[str, Any] = {}
    with Warehouse.open(":memory:") as wh:
        load(wh, cdnow_path(), profile="cdnow")
        for model in ("bg_nbd", "pareto_nbd", None):
            found[model or "the winner of compare"] = timed(
                partial(clv.lifetime_value, wh, as_of=date(1998, 7, 1), model=model), 3
            )
    return found


def database(count: int) -> dict[str, Any]:
    """Score simulated customers in a database file; peak memory is that of this process."""
    with tempfile.TemporaryDirectory() as folder:
        with Warehouse.open(Path(folder) / "bench.duckdb", memory_limit="2GB") as wh:
            first = customers(min(count, SHARD))
            models = fit_models(first)
            for seed in range(1, max(count // SHARD, 1) + 1):
                shard = first if seed == 1 else customers(SHARD, seed)
                with wh.registered(shard=shard):
                    how = (
                        "create table scores.bench_summary as"
                        if seed == 1
                        else "insert into scores.bench_summary"
                    )
                    wh.execute(f"{how} select * from shard")
                del shard
            del first
            before = peak_mb()
            figures = timed(
                lambda: clv.score_in_database(
                    wh,
                    as_of=date(2025, 1, 1),
                    models=models,
                    into="scores.bench",
                    summary_table="scores.bench_summary",
                )
            )
            rows = wh.value("select count(*) from scores.bench")
            patterns = wh.value(
                'select count(*) from (select distinct frequency, recency, "T" from scores.bench)'
            )
        size_mb = os.path.getsize(Path(folder) / "bench.duckdb") // 1_000_000
    return {
        "customers": rows, "patterns": patterns, **figures, "duckdb_memory_limit": "2GB",
        "peak_mb_before": before, "peak_mb": peak_mb(), "file_mb": size_mb,
    }  # fmt: skip


def coverage(cohorts: int, size: int = 600) -> dict[str, Any]:
    """Return the share inside 90 % limits over simulated cohorts, per model."""
    found: dict[str, Any] = {}
    ages = np.repeat(np.arange(60.0, 660.0, 50.0), size // 12)
    p, q, v = SPEND.values()
    for name, truth in TRUTHS.items():
        totals, revenues, single = [], [], []
        for seed in range(cohorts):
            drawn = clv.MODELS[name].from_parameters(truth).simulate(ages, horizon_days=270, seed=seed)
            rng = np.random.default_rng(seed)
            own, x, later = rng.gamma(q, 1 / v, size), drawn["frequency"], drawn["future_purchases"]
            mean = rng.gamma(p * np.maximum(x, 1)) / own / np.maximum(x, 1)
            spent = np.where(later > 0, rng.gamma(p * np.maximum(later, 1)) / own, 0.0)
            drawn["monetary_value"] = np.where(x > 0, mean, 0.0)
            used = Models(clv.MODELS[name]().fit(drawn), clv.GammaGammaModel().fit(drawn))
            one = group_totals(
                drawn, used, np.zeros(size, dtype=np.intp), horizon_days=270.0, annual_discount_rate=0.0
            ).iloc[0]
            totals.append(one["expected_purchases_low"] <= later.sum() <= one["expected_purchases_high"])
            revenues.append(one["lifetime_revenue_low"] <= spent.sum() <= one["lifetime_revenue_high"])
            if seed % 10 == 0:
                distinct, row = used.purchases._histories(drawn).distinct(HISTORY)
                limits = pattern_scores(
                    used.purchases,
                    used.spend,
                    distinct,
                    horizon_days=270.0,
                    annual_discount_rate=0.0,
                    level=0.9,
                ).iloc[row]
                low, high = (limits[f"expected_purchases_{side}"].to_numpy() for side in ("low", "high"))
                single.append(float(((later >= low) & (later <= high)).mean()))
        found[name] = {
            "cohorts": cohorts,
            "customers": size,
            "totals": round(float(np.mean(totals)), 4),
            "revenue_totals": round(float(np.mean(revenues)), 4),
            "single_customers": round(float(np.mean(single)), 4),
        }
    return found


def peak_mb() -> int:
    """Return the most memory this process has had; ru_maxrss is in KiB on Linux and in bytes on macOS."""
    unit = 1_000_000 if sys.platform == "darwin" else 1_000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def main() -> None:
    """Measure the parts that the command line names, and keep the figures."""
    parser = argparse.ArgumentParser(description="Measure lifetime value.")
    parser.add_argument("parts", nargs="*", default=[], help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--cohorts", type=int, default=400)
    given = parser.parse_args()
    unknown = [name for name in given.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(PARTS)}, or name none for all")
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "fit": lambda: fit(given.customers),
        "growth": lambda: growth(customers(given.customers)),
        "choose": choose,
        "score": lambda: score(given.customers),
        "regular": lambda: regular(given.customers),
        "database": lambda: database(given.customers),
        "coverage": lambda: coverage(given.cohorts),
    }
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in given.parts or PARTS:
        kept[name] = parts[name]() | {"load_average": round(os.getloadavg()[0], 1)}
        RESULTS.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
        sys.stdout.write(json.dumps({name: kept[name]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
