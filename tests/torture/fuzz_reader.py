"""Does any damage to an export make the reader crash, hang or lose count?  Mutated files, loaded one by one.

Files of the corpus, and the same rows as zip, workbook, JSON, JSON lines and Parquet, are mutated (bytes
flipped, inserted, cut, repeated, spliced, packed) and loaded. Of every load it is checked that

- it ends, with accounts or with an error that is ours (`InputError`);
- the account balances, and the quarantine holds as many records as it says;
- every quarantined record's bytes stand in the file at the offset that is told;
- a refused file leaves nothing behind.

    make fuzz                                                # ten minutes
    python -m tests.torture.fuzz_reader --minutes 1 --seed 3 --keep out/fuzz
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import os
import random
import re
import sys
import time
import traceback
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from crm_analytics.errors import FileRefused, InputError
from crm_analytics.ingest import Load, load
from crm_analytics.warehouse import Warehouse
from tests.ingest.export_files import workbook

SHARED = Path(os.environ.get("CRM_TEST_DATA", Path(__file__).parents[3] / "shared"))
RECEIVED_AT = "2025-06-30"
LARGEST_BYTES = 300_000
SLOW_SECONDS = 60.0
LOADS_PER_WAREHOUSE = 40
TOKENS = (
    *(b'"', b'""', b",", b";", b"\t", b"\n", b"\r", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"1e400",
        b"NaN",
        b"-",
        b"2024-02-30",
        b"1403/05/12",
        "۱۲٫۵".encode(),
        b"\xe2\x80\x8b",
        b"=1+1",
        b'"a\nb"',
    ),
    *(b"{", b"}", b"[", b"]", b"null", b"\\u0000", b"\\ud800", b"PK\x03\x04", b"\x1f\x8b", b"\xf0\x9f\x98"),
)


@dataclass(frozen=True)
class Seed:
    """A file to begin from: name, bytes, and the options it is loaded with."""

    name: str
    data: bytes
    options: dict[str, Any]


@dataclass
class Report:
    """What a run did: outcomes by name, and the cases that failed."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


def seeds() -> list[Seed]:
    """Return the corpus files that are not too large, and the other kinds made of a clean one."""
    found = []
    with (SHARED / "dirty-inputs" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for case in csv.DictReader(file):
            data = (SHARED / "dirty-inputs" / case["file"]).read_bytes()
            if len(data) <= LARGEST_BYTES and case["file"] != "gzip_bomb.csv.gz":
                given = _options(case["options"]) | {"profile": case["entity"]}
                found.append(Seed(case["file"], data, given))
    return [*found, *_other_kinds(next(one for one in found if one.name == "clean_utf8.csv"))]


def _options(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {"received_at": RECEIVED_AT}
    for one in re.split(r"(?<!\\)\|(?=\w+=)", text) if text else []:
        name, _, value = one.partition("=")
        given[name] = int(value) if name == "skip_rows" else value
    return given


def _other_kinds(clean: Seed) -> Iterator[Seed]:
    rows = list(csv.DictReader(io.StringIO(clean.data.decode("utf-8-sig"))))[:60]
    table = pyarrow.csv.read_csv(pa.BufferReader(clean.data)).slice(0, 200)
    parquet, packed = io.BytesIO(), io.BytesIO()
    pyarrow.parquet.write_table(table, parquet)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("transactions.csv", clean.data)
        archive.writestr("more/again.csv", clean.data[:5000])
        archive.writestr("readme.md", "no export")
    book = workbook({"Sheet1": [list(rows[0]), *(list(row.values()) for row in rows)], "Empty": []})
    lines = "\n".join(json.dumps(row) for row in rows)
    for name, data in (
        ("clean.json", json.dumps(rows).encode()),
        ("clean.ndjson", lines.encode()),
        ("clean.parquet", parquet.getvalue()),
        ("clean.zip", packed.getvalue()),
        ("clean.xlsx", book),
    ):
        yield Seed(name, data, clean.options)
    text = clean.data.decode("utf-8-sig")
    yield Seed("utf16.csv", text.encode("utf-16"), clean.options)
    yield Seed("cp1252.csv", text.encode("cp1252", "replace"), clean.options | {"encoding": "cp1252"})
    quoted = io.StringIO(newline="")
    csv.writer(quoted, quoting=csv.QUOTE_ALL).writerows(csv.reader(io.StringIO(text)))
    yield Seed("quoted.csv", quoted.getvalue().encode(), clean.options)


def mutated(draw: random.Random, data: bytes, others: list[Seed]) -> bytes:
    """Return the bytes with one to four things done to them."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        at = draw.randrange(len(data) + 1)
        until = min(len(data), at + draw.choice((1, 3, 20, 500, 5000)))
        kind = draw.randrange(9)
        if kind == 0 and data:
            at = draw.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << draw.randrange(8))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + draw.choice(TOKENS) * draw.choice((1, 1, 1, 3)) + data[at:]
        elif kind == 2:
            data = data[:at] + draw.randbytes(draw.choice((1, 2, 50))) + data[at:]
        elif kind == 3:
            data = data[:at] + data[until:]
        elif kind == 4:
            data = data[:at]
        elif kind == 5:
            data = data[:until] + data[at:until] * draw.choice((1, 3)) + data[until:]
        elif kind == 6:
            other = draw.choice(others).data
            start = draw.randrange(len(other) + 1)
            data = data[:at] + other[start : start + draw.choice((10, 1000, 20_000))] + data[at:]
        elif kind == 7:
            data = data.replace(draw.choice((b",", b"\n", b'"', b"2")), draw.choice(TOKENS))
        elif draw.random() < 0.3:
            data = gzip.compress(data, mtime=0)
        if len(data) > 4 * LARGEST_BYTES:
            data = data[: 4 * LARGEST_BYTES]
    return data


def fuzz(
    folder: Path,
    *,
    seconds: float,
    seed: int,
    keep: Path | None = None,
    told: Callable[[str], None] = lambda text: None,
) -> Report:
    """Load mutated files until the time is over; the same seed gives the same files in the same order."""
    draw = random.Random(seed)
    started_from = seeds()
    report = Report()
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        with Warehouse.open() as wh:
            for _ in range(LOADS_PER_WAREHOUSE):
                number += 1
                begun = draw.choice(started_from)
                data = mutated(draw, begun.data, started_from)
                given = dict(begun.options)
                if draw.random() < 0.3:
                    given["profile"] = None
                path = folder / begun.name
                path.write_bytes(data)
                _load_one(wh, path, given, report, f"{seed}/{number}", keep)
                if time.monotonic() > until:
                    break
        told(f"{number} files, {len(report.failures)} failures, slowest {report.slowest:.1f} s\n")
    return report


def _load_one(
    wh: Warehouse, path: Path, given: dict[str, Any], report: Report, case: str, keep: Path | None
) -> None:
    """Load one file and add what came of it to the report."""
    begun = time.monotonic()
    try:
        loads = load(wh, path, **given)
        problems = [problem for one in loads for problem in _problems(wh, path, one)]
        report.outcomes.update(one.status for one in loads)
    except InputError as refusal:
        reason = refusal.reason if isinstance(refusal, FileRefused) else type(refusal).__name__
        report.outcomes[f"refused: {reason}"] += 1
        problems = list(_problems_of_refusal(wh))
    except Exception:
        problems = [traceback.format_exc(limit=-6)]
    seconds = time.monotonic() - begun
    report.slowest = max(report.slowest, seconds)
    if seconds > SLOW_SECONDS:
        problems.append(f"took {seconds:.0f} s")
    for problem in problems:
        report.failures.append(f"{case} {path.name} {given}: {problem}")
    if problems and keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{case.replace('/', '-')}-{path.name}").write_bytes(path.read_bytes())


def _problems_of_refusal(wh: Warehouse) -> Iterator[str]:
    load_id, status = wh.rows("select load_id, status from ops.loads order by load_id desc limit 1")[0]
    if status != "refused":
        yield f"the refusal is not in the ledger (last: {status})"
    for table in ("ops.quarantine", "entities.order_lines_versions", "entities.customers_versions"):
        if wh.value(f"select count(*) from {table} where load_id = $load_id", load_id=load_id):
            yield f"the refused file left rows in {table}"


def _problems(wh: Warehouse, path: Path, account: Load) -> Iterator[str]:
    if account.rows_in != account.rows_loaded + account.rows_quarantined + account.rows_merged:
        yield f"the account does not balance: {account}"
    if min(account.rows_loaded, account.rows_quarantined, account.rows_merged) < 0:
        yield f"a negative count: {account}"
    if account.status != "loaded":
        return
    rows = wh.rows(
        "select record_number, raw, raw_length, byte_offset from ops.quarantine where load_id = $load_id",
        load_id=account.load_id,
    )
    if len(rows) != account.rows_quarantined or len({row[0] for row in rows}) != len(rows):
        yield f"{account.rows_quarantined} records quarantined, {len(rows)} kept"
    current = wh.value(
        "select sum(rows_loaded) from ops.load_entities where load_id = $load_id", load_id=account.load_id
    )
    if (current or 0) != account.rows_loaded:
        yield f"{account.rows_loaded} records loaded, {current} rows of entities"
    whole = _text_of(path, account.file)
    if whole is not None:
        for number, raw, length, offset in rows:
            if whole[offset : offset + length] != raw and length == len(raw):
                yield f"record {number}: its bytes are not at offset {offset}"


def _text_of(path: Path, name: str) -> bytes | None:
    """Return the bytes that offsets refer to; None where the kind of file has no offsets."""
    data = path.read_bytes()
    if path.suffix in (".json", ".xlsx", ".parquet") or data.startswith((b"PAR1", b"[")):
        return None
    if data.startswith(b"\x1f\x8b"):
        expanded = b""
        while data.strip(b"\x00"):
            member = zlib.decompressobj(wbits=31)
            expanded += member.decompress(data.lstrip(b"\x00"))
            data = member.unused_data
        return None if expanded.startswith((b"[", b"PK", b"PAR1", b"{")) else expanded
    if data.startswith(b"PK"):
        member_name = name.removeprefix(f"{path.name}/")
        return zipfile.ZipFile(path).read(member_name) if member_name.endswith(".csv") else None
    return data


def main() -> None:
    """Fuzz as long as the command line says; exit code 1 when something failed."""
    parser = argparse.ArgumentParser(description="Load mutated export files and check the accounts.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="where failing files are kept")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = fuzz(
            Path(folder),
            seconds=60 * given.minutes,
            seed=given.seed,
            keep=given.keep,
            told=_tell,
        )
    for outcome, count in report.outcomes.most_common():
        sys.stdout.write(f"{count:8,}  {outcome}\n")
    for failure in report.failures:
        sys.stdout.write(f"FAILED {failure}\n")
    sys.exit(bool(report.failures))


def _tell(text: str) -> None:
    sys.stderr.write(text)


if __name__ == "__main__":
    main()
