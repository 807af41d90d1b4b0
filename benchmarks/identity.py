"""How good and how fast is the linkage?  F1 on published data; seconds and precision by size.

    python -m benchmarks.identity                                # F1 on Febrl 1-3 and fake_1000
    python -m benchmarks.identity --sizes 20000,100000,1000000   # invented people: seconds, memory, precision

One configuration for everything, the default. Febrl (Freely Extensible Biomedical Record Linkage, Christen
2008) and fake_1000 (of the Splink project) lie in the folder of test data, CRM_TEST_DATA.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa

from benchmarks.people import people
from crm_analytics.entities.identity_log import groups
from crm_analytics.ingest.identity import link_records

DATA = Path(os.environ.get("CRM_TEST_DATA", Path(__file__).parents[2] / "shared")) / "data/entity_resolution"
LIMITS = {"febrl1": 0.97, "febrl2": 0.97, "febrl3": 0.95, "fake_1000": 0.90}


def published(name: str) -> tuple[pa.Table, list[str]]:
    """Return the records of a published data set in our columns, and who each of them is."""
    if name == "fake_1000":
        raw = pd.read_csv(DATA / "splink_fake_1000" / "fake_1000.csv", dtype=str)
        born = pd.to_datetime(raw["dob"], format="%Y-%m-%d", errors="coerce")
        columns = {"first_name": raw["first_name"], "last_name": raw["surname"], "email": raw["email"]}
        columns |= {"city": raw["city"], "birth_on": born.dt.strftime("%Y-%m-%d")}
        return _table(columns, raw["unique_id"]), raw["cluster"].tolist()
    file = DATA / "febrl" / f"dataset{name.removeprefix('febrl')}.csv.gz"
    raw = pd.read_csv(file, dtype=str, skipinitialspace=True)
    born = pd.to_datetime(raw["date_of_birth"], format="%Y%m%d", errors="coerce")
    parts = raw[["street_number", "address_1", "address_2"]].fillna("").agg(" ".join, axis=1).str.strip()
    columns = {"first_name": raw["given_name"], "last_name": raw["surname"], "street": parts}
    columns |= {"city": raw["suburb"], "postcode": raw["postcode"], "region": raw["state"]}
    columns |= {"national_id": raw["soc_sec_id"], "birth_on": born.dt.strftime("%Y-%m-%d")}
    return _table(columns, raw["rec_id"]), raw["rec_id"].str.extract(r"rec-(\d+)-")[0].tolist()


def _table(columns: dict[str, pd.Series], ids: pd.Series) -> pa.Table:
    frame = pd.DataFrame(columns).astype(object).where(lambda cells: cells.notna() & (cells != ""), None)
    frame.insert(0, "record_id", "s:" + ids.astype(str))
    return pa.Table.from_pandas(frame, preserve_index=False)


def customer_ids(pairs: pd.DataFrame, record_ids: list[str]) -> list[str]:
    """Return the customer of every record that the pairs make."""
    telling = pairs[(pairs["decision"] != "review") | pairs["is_contradicted"]]
    rows = telling.assign(decision=telling["decision"].replace("review", "apart"))[
        ["left_id", "right_id", "decision", "weight"]
    ]
    found = {
        key: min(group) for group in groups([], rows.itertuples(index=False, name=None)) for key in group
    }
    return [found.get(key, key) for key in record_ids]


def pairwise(truth: list[str], found: list[str]) -> tuple[float, float, float]:
    """Return precision, recall and F1 over pairs of records in one group.

    Examples
    --------
    >>> pairwise(["a", "a", "b"], ["1", "1", "1"])
    (0.3333333333333333, 1.0, 0.5)
    """
    both = pd.DataFrame({"truth": truth, "found": found})
    right, made, there = (
        int((sizes * (sizes - 1) // 2).sum())
        for sizes in (both.value_counts(), both["found"].value_counts(), both["truth"].value_counts())
    )
    return right / max(made, 1), right / max(there, 1), 2 * right / max(made + there, 1)


def _lines(names: list[str], sizes: list[int], seed: int) -> Iterator[tuple[str, bool]]:
    for name in names:
        records, truth = published(name)
        started = time.perf_counter()
        pairs = link_records(records, seed=seed)
        seconds = time.perf_counter() - started
        precision, recall, f1 = pairwise(truth, customer_ids(pairs, records["record_id"].to_pylist()))
        figures = f"P {precision:.4f} R {recall:.4f} F1 {f1:.4f} (limit {LIMITS[name]})"
        yield f"{name:10} {figures} {seconds:.1f} s", f1 >= LIMITS[name]
    for size in sizes:
        crowd = people(size)
        who = crowd.pop("person").astype(str).tolist()
        crowd.insert(0, "record_id", crowd.pop("source_system") + ":" + crowd.pop("source_id"))
        records = pa.Table.from_pandas(crowd, preserve_index=False)
        started, processor = time.perf_counter(), time.process_time()
        pairs = link_records(records, seed=seed)
        found = customer_ids(pairs, records["record_id"].to_pylist())
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
        precision, recall, f1 = pairwise(who, found)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        review = int((pairs["decision"] == "review").sum())
        cost = f"{seconds:.1f} s ({processor:.1f} s of processor), {peak} MB"
        line = (
            f"{size:>9,} people: {cost}; P {precision:.4f} R {recall:.4f} F1 {f1:.4f}; {review:,} to review"
        )
        yield line, True


def main() -> int:
    """Run what the command line asks for; 1 = a limit is missed."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--sizes", default="", help="numbers of invented people, with commas")
    parser.add_argument("--names", default="", help="published data sets; default: all, unless --sizes")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",") if size]
    names = [name for name in given.names.split(",") if name] or ([] if sizes else list(LIMITS))
    good = True
    for line, is_good in _lines(names, sizes, given.seed):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        good &= is_good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
