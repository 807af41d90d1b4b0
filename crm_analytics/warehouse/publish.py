"""How do other applications get the scores?  Whole runs in a folder, and one pointer to the live one.

    published/current.json                     {"run_id": ..., "as_of": ..., "earlier": [...]}
    published/runs/<run_id>/<table>.parquet    one per score table, rows in key order
    published/runs/<run_id>/warehouse.duckdb   the warehouse as others may see it, for reading
    published/runs/<run_id>/run.json           what the run was made from, and a digest of every file

A run is built in a staging folder, synced, renamed, and only then does the pointer move (write, fsync,
rename, fsync of the folder), so a reader sees one whole run or another, never a mixture, and waits for
nobody. Whatever a killed publish leaves behind is not pointed to, and the next one removes it. Files
are 0600 and folders 0700. What is published passes through `masking`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crm_analytics.errors import CrmError, DiskFullError, StoreCorrupt, StoreIOError, UsageError
from crm_analytics.warehouse.audit_log import record
from crm_analytics.warehouse.checkpoint_guard import blocks_path
from crm_analytics.warehouse.commit_mark import mark_path
from crm_analytics.warehouse.connection import Warehouse
from crm_analytics.warehouse.identifiers import quote_ident, quote_table
from crm_analytics.warehouse.locking import FileLock
from crm_analytics.warehouse.lookup import KEY_FILE, lookup_key
from crm_analytics.warehouse.masking import masked_select, prepare_key
from crm_analytics.warehouse.whole_files import sync, write_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

POINTER = "current.json"
DATABASE = "warehouse.duckdb"
_STAGING = ".staging-"
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_READ_ATTEMPTS = 5
_TABLES = (
    "select schema_name || '.' || table_name from duckdb_tables() "
    "where database_name = $database and not internal and not temporary order by all"
)


@dataclass(frozen=True)
class Published:
    """One published run.

    Attributes
    ----------
    run_id : str
        The live run. When nothing had changed this is the run that was live already.
    folder : pathlib.Path
        Where its files are.
    rows : int
        Rows in all its score tables.
    is_new : bool
        False when the live run held the same results from the same inputs, so nothing was written.
    """

    run_id: str
    folder: Path
    rows: int
    is_new: bool


def publish(
    wh: Warehouse,
    folder: str | os.PathLike[str],
    run_id: str,
    tables: Mapping[str, Sequence[str]],
    *,
    as_of: date,
    made_from: Mapping[str, Any],
    keep_runs: int = 3,
    lay_out: Callable[[Warehouse, Warehouse], object] | None = None,
) -> Published:
    """Publish the results of one night, and make them live.

    Parameters
    ----------
    wh : Warehouse
        Where the results are.
    folder : path
        The folder other applications read from; created if need be.
    run_id : str
        Name of the run: letters, digits, "-" and "_".
    tables : mapping of str to sequence of str
        Score table (``scores.clv``) -> its key columns besides as_of, which order its rows.
    as_of : date
        Which rows of these tables.
    made_from : mapping
        What the results depend on (parameters, versions, loads, models): kept in run.json. The same
        results made from the same are not published twice.
    keep_runs : int, default 3
        Runs that stay on disk, the live one included; at least 2, for readers that have just begun.
    lay_out : callable, optional
        Called with the warehouse and its copy, open for writing, to add tables to the copy. What it adds from
        the warehouse itself must not be personal.

    Raises
    ------
    StoreIOError
        The disk refused; the earlier run stays live.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(f"run_id={run_id[:80]!r}: use 1 to 64 letters, digits, '-' and '_'.")
    target = Path(folder)
    with _disk_errors(target):
        _private_folder(target)
        _private_folder(target / "runs")
        lock = FileLock(target / POINTER)
        try:
            return _publish(wh, target, run_id, tables, as_of, made_from, max(2, keep_runs), lay_out)
        finally:
            lock.release()


def read_scores(folder: str | os.PathLike[str], table: str = "customer_scores") -> pd.DataFrame:
    """Return a table of the latest published run: one row per customer, never blocked.

    Parameters
    ----------
    folder : path
        The published folder.
    table : str, default "customer_scores"
        Or rfm, clv, churn, next_best_offers: any that the run holds.

    Raises
    ------
    UsageError
        Nothing was published there yet, or the run holds no such table.

    Examples
    --------
    >>> read_scores("no/such/folder")
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: no/such/folder: nothing is published there yet. Run the night first.
    """
    import pyarrow.parquet as pq

    if not _RUN_ID.fullmatch(table):
        raise UsageError(f"table={table[:80]!r}: the name of a table, such as 'customer_scores', not a path.")

    return _retrying(folder, f"{table}.parquet", lambda path: pq.read_table(path).to_pandas())


def open_published(folder: str | os.PathLike[str]) -> Warehouse:
    """Open the latest published run as a read-only warehouse (personal columns are empty in it).

    Parameters
    ----------
    folder : path
        The published folder.

    Returns
    -------
    Warehouse
        At any time, also while a night runs; what is published later is not in it.

    Raises
    ------
    UsageError
        Nothing was published there yet.

    Examples
    --------
    >>> open_published("no/such/folder")
    Traceback (most recent call last):
    ...
    crm_analytics.errors.UsageError: no/such/folder: nothing is published there yet. Run the night first.
    """
    opened: Warehouse = _retrying(folder, DATABASE, lambda path: Warehouse.open(path, read_only=True))
    return opened


def live_run(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return what run.json says about the live run, and its ``folder``; None before the first."""
    pointer = _pointer(Path(folder))
    if pointer is None:
        return None
    path = Path(folder) / "runs" / pointer["run_id"]
    run: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
    return run | {"folder": path}


def withdraw_runs(folder: str | os.PathLike[str]) -> tuple[str, ...]:
    """Remove every published run, the live one first; return their names. Readers wait for the next one.

    For an erasure: every run names every customer. A folder where nothing was published is left alone.
    """
    target = Path(folder)
    if not (target / "runs").is_dir():
        return ()
    with _disk_errors(target):
        lock = FileLock(target / POINTER)
        try:
            (target / POINTER).unlink(missing_ok=True)
            sync(target)
            names = sorted(path.name for path in (target / "runs").iterdir())
            _remove_orphans(target, None)
        finally:
            lock.release()
    return tuple(name for name in names if not name.startswith(_STAGING))


def _publish(
    wh: Warehouse,
    folder: Path,
    run_id: str,
    tables: Mapping[str, Sequence[str]],
    as_of: date,
    made_from: Mapping[str, Any],
    keep_runs: int,
    lay_out: Callable[[Warehouse, Warehouse], object] | None,
) -> Published:
    pointer = _pointer(folder)
    _remove_orphans(folder, pointer)
    if (folder / "runs" / run_id).exists():
        raise UsageError(f"{run_id} is published already. Give the run another run_id.")
    staging = folder / "runs" / f"{_STAGING}{run_id}"
    _private_folder(staging)
    files = {name: _write_parquet(wh, staging, name, keys, as_of) for name, keys in tables.items()}
    content = json.loads(json.dumps({"as_of": as_of.isoformat(), "files": files, "made_from": made_from}))
    rows = sum(file["rows"] for file in files.values())
    live = live_run(folder)
    if live is not None and {key: live.get(key) for key in content} == content:
        shutil.rmtree(staging)
        return Published(live["run_id"], live["folder"], rows, is_new=False)
    _copy_database(wh, staging / DATABASE, lay_out)
    if lay_out is not None:
        write_whole(folder / KEY_FILE, lookup_key(wh).hex().encode())
    write_whole(staging / "run.json", _json({"run_id": run_id} | content))
    os.rename(staging, folder / "runs" / run_id)
    sync(folder / "runs")
    earlier = [pointer["run_id"], *pointer["earlier"]][: keep_runs - 1] if pointer else []
    moved = {"run_id": run_id, "as_of": as_of.isoformat(), "earlier": earlier}
    write_whole(folder / POINTER, _json(moved))
    record(wh, "publish", run_id, rows=rows)
    _remove_orphans(folder, moved)
    return Published(run_id, folder / "runs" / run_id, rows, is_new=True)


def _write_parquet(
    wh: Warehouse, folder: Path, table: str, keys: Sequence[str], as_of: date
) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    select, parameters = masked_select(wh, table, where="as_of = $as_of")
    order = ", ".join(quote_ident(key) for key in keys)
    rows: pa.Table = wh.arrow(f"{select} order by {order}", **parameters, as_of=as_of).combine_chunks()
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    content = sink.getvalue().to_pybytes()
    name = f"{table.partition('.')[2]}.parquet"
    write_whole(folder / name, content)
    return {"file": name, "rows": rows.num_rows, "sha256": hashlib.sha256(content).hexdigest()}


def _copy_database(
    wh: Warehouse, target: Path, lay_out: Callable[[Warehouse, Warehouse], object] | None
) -> None:
    """Fill a new warehouse of the same definitions, table by table: no deleted bytes are carried over."""
    Warehouse.open(target).close()
    _leave_alone(target)
    names = wh.rows(_TABLES, database=wh.value("select current_database()"))
    prepare_key(wh)
    wh.execute("attach $path as published_copy", path=str(target))
    try:
        wh.execute("delete from published_copy.ops.settings")
        declared = {row[0] for row in wh.rows(_TABLES, database="published_copy")}
        for (name,) in names:
            _copy_table(wh, name, is_there=name in declared)
        wh.execute("checkpoint published_copy")
    finally:
        wh.execute("detach published_copy")
    if lay_out is not None:
        with Warehouse.open(target) as copy:
            lay_out(wh, copy)
            copy.execute("checkpoint")
        _leave_alone(target)
    target.chmod(0o600)
    sync(target)


def _leave_alone(target: Path) -> None:
    """Take away what a writer keeps beside its file."""
    for beside in (Path(f"{target}.lock"), mark_path(target), blocks_path(target)):
        beside.unlink(missing_ok=True)


def _copy_table(wh: Warehouse, table: str, *, is_there: bool) -> None:
    """Fill a table of the copy; one of the user's own is made. What is empty costs nothing."""
    if is_there and not wh.rows(f"select 1 from {quote_table(table)} limit 1"):
        return
    select, parameters = masked_select(wh, table)
    if is_there:
        wh.execute(f"insert into published_copy.{quote_table(table)} by name {select}", **parameters)
    else:
        schema = quote_ident(table.partition(".")[0])
        wh.execute(f"create schema if not exists published_copy.{schema}")
        wh.execute(f"create table published_copy.{quote_table(table)} as {select}", **parameters)


def _pointer(folder: Path) -> dict[str, Any] | None:
    try:
        pointer = json.loads((folder / POINTER).read_text(encoding="utf-8"))
        if _RUN_ID.fullmatch(pointer["run_id"]):
            return {"earlier": [], **pointer}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        pass
    raise StoreCorrupt(
        f"{folder / POINTER} is damaged. Run the night again; the runs themselves are in runs/."
    )


def _retrying(folder: str | os.PathLike[str], name: str, read: Any) -> Any:
    """Read a file of the live run; when that run was just removed, of the one that is live by then."""
    for _ in range(_READ_ATTEMPTS):
        pointer = _pointer(Path(folder))
        if pointer is None:
            raise UsageError(f"{os.fspath(folder)}: nothing is published there yet. Run the night first.")
        path = Path(folder) / "runs" / pointer["run_id"] / name
        try:
            return read(path)
        except (OSError, CrmError):
            if path.exists():
                raise
            if _pointer(Path(folder)) == pointer:
                break
    tables = ", ".join(sorted(one.stem for one in path.parent.glob("*.parquet")))
    raise UsageError(f"{os.fspath(folder)}: the live run holds no {name}. It holds the tables {tables}.")


def _remove_orphans(folder: Path, pointer: Mapping[str, Any] | None) -> None:
    kept = {pointer["run_id"], *pointer["earlier"]} if pointer else set()
    for path in (folder / "runs").iterdir():
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.name not in kept:
            shutil.rmtree(path)
    (folder / f".{POINTER}.tmp").unlink(missing_ok=True)


def _private_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = DiskFullError if error.errno == errno.ENOSPC else StoreIOError
        raise kind(f"{folder}: publishing failed: {error.strerror}. The earlier run stays live.") from error
