"""What is kept of one person?  `export_subject`: everything, as JSON and CSV, for the person to have.

Every version of every record, with the file and load it came from and when it was learned; scores with their
reasons; decisions on identity; raw records in quarantine; the record store's history. Nobody else's data: of
a pair of records only the person's own side is told. Cells of the CSV files that a spreadsheet would run as
formulas begin with an apostrophe; the JSON file holds them as they are.
"""

from __future__ import annotations

import csv
import io
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from crm_analytics.errors import RecordNotFound, UsageError
from crm_analytics.privacy.mentions import Mentions, decoded
from crm_analytics.privacy.stores import Records, given_stores, sync_stores
from crm_analytics.privacy.subject import Subject, about, find, others_with
from crm_analytics.records import RecordStore
from crm_analytics.records.tables import record_tables
from crm_analytics.reports.customer_360.look_up import asked_text
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse, audit_log, quote_ident, quote_table
from crm_analytics.warehouse.privacy_tags import privacy_tags
from crm_analytics.warehouse.whole_files import write_whole

Row = dict[str, Any]
JSON_FILE = "subject.json"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Blanks and signs without width, which may stand before a formula.
_UNSEEN = " \u00a0\u1680\u202f\u205f\u2060\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x2010)))
_NOT_TOLD = ("row_id", "content_id")


@dataclass(frozen=True)
class SubjectExport:
    """All that is kept of a person.

    Attributes
    ----------
    tables : dict of str to list of dict
        Table -> its rows about the person.
    """

    tables: dict[str, list[Row]]

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write ``subject.json`` and one CSV file per table into a new folder, readable by you alone.

        Raises
        ------
        UsageError
            The folder exists already.
        """
        target = Path(folder)
        if target.exists():
            raise UsageError(f"{target}: exists already. Name a new folder.")
        target.mkdir(mode=0o700, parents=True)
        target.chmod(0o700)
        content = json.dumps(self.tables, ensure_ascii=False, indent=1, default=_plain)
        files = [target / JSON_FILE]
        write_whole(files[0], f"{content}\n".encode())
        for name, rows in self.tables.items():
            if rows:
                files.append(target / f"{name}.csv")
                write_whole(files[-1], _as_csv(rows))
        return files


def export_subject(wh: Warehouse, customer: str, *, records: Records = None) -> SubjectExport:
    """Return all that is kept of one person.

    Parameters
    ----------
    wh : Warehouse
    customer : str
        As of `crm_analytics.erase`.
    records : RecordStore or list of RecordStore, optional
        As of `crm_analytics.erase`: synced first; their history is told too.

    Returns
    -------
    SubjectExport

    Raises
    ------
    UsageError
        Nobody is named so, or several are; a record store that was synced is not given.

    Examples
    --------
    >>> import crm_analytics as crm, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = Path(folder, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\nC2,Bob\\n")
    ...     _ = crm.load(wh, file)
    ...     kept = export_subject(wh, "C1")
    >>> [(row["name"], row["file"]) for row in kept.tables["entities.customers"]]
    [('Ada', 'customers.csv')]
    """
    text = asked_text(customer)
    sync_stores(wh, records)
    subject = find(wh, text)
    tables: dict[str, list[Row]] = {}
    for name in entities():
        tables[f"entities.{name}"] = _of_entity(wh, name, subject)
    for table, tags in privacy_tags().items():
        if tags.keys:
            tables[table] = _of_table(wh, table, dict(tags.keys), subject)
    tables["ops.quarantine"] = _of_quarantine(wh, subject)
    for store, system in given_stores(wh, records).items():
        for name, rows in _of_records(store, system, subject).items():
            tables.setdefault(name, []).extend(rows)
    told = {name: rows for name, rows in tables.items() if rows}
    audit_log.record(wh, "export_subject", "one person", rows=sum(map(len, told.values())))
    return SubjectExport(told)


def _of_entity(wh: Warehouse, name: str, subject: Subject) -> list[Row]:
    places = [place for _, place in about(wh, name, subject)]
    if not places:
        return []
    versions = f"entities.{quote_ident(f'{name}_versions')}"
    columns = [*entities()[name].system_columns, *entities()[name].column_names]
    told = ", ".join(f"version.{quote_ident(one)}" for one in columns if one not in _NOT_TOLD)
    with wh.registered(told_rows=pa.table({"place": pa.array(places, pa.int64())})):
        return _rows(
            wh,
            f"select load.file as file, {told} from {versions} as version left join ops.loads as load "
            "using (load_id) where version.rowid in (select place from told_rows) order by all",
        )


def _of_table(wh: Warehouse, table: str, keys: dict[str, str], subject: Subject) -> list[Row]:
    tests, shown, given = [], [], {}
    for column, entity in keys.items():
        if own := subject.full_keys(entity):
            text = "source_system || ':' || source_id" if column == "source_id" else quote_ident(column)
            tests.append(f"coalesce(list_contains(${column}, {text}), false)")
            given[column] = own
    if not tests:
        return []
    for column in privacy_tags()[table].columns:
        is_key = column in keys and table.startswith("entities.")
        if is_key and column in given and column != "source_id":
            name = quote_ident(column)
            shown.append(f"case when list_contains(${column}, {name}) then {name} end as {name}")
        elif is_key and "source_id" in given:
            is_own = "list_contains($source_id, source_system || ':' || source_id)"
            shown.append(f"case when {is_own} then source_id end as source_id")
        else:
            shown.append(quote_ident(column))
    return _rows(
        wh,
        f"select {', '.join(shown)} from {quote_table(table)} where {' or '.join(tests)} order by all",
        **given,
    )


def _of_quarantine(wh: Warehouse, subject: Subject) -> list[Row]:
    rows = _rows(
        wh,
        "select load.file, load.received_at, record.load_id, record_number, line_number, column_name, "
        "record.reason, message, raw, layout.encoding as encoding, load.source_system as system "
        "from ops.quarantine as record join ops.loads as load using (load_id) "
        "left join ops.load_layouts as layout using (load_id) "
        "order by record.load_id, record_number",
    )
    mentions = Mentions(subject, others_with(wh, subject))
    return [
        {name: value for name, value in row.items() if name not in ("encoding", "system")}
        | {"raw": decoded(row["raw"], row["encoding"])}
        for row in rows
        if mentions.is_in(row["raw"], row["encoding"], system=row["system"])
    ]


def _of_records(records: RecordStore, system: str, subject: Subject) -> dict[str, list[Row]]:
    """Return the history of the person's records; what the warehouse knows from exports alone has none."""
    found: dict[str, list[Row]] = {}
    for name in record_tables():
        rows = found[f"records.{name}"] = []
        for of, source_id in sorted(subject.keys.get(name, ())):
            if of == system:
                with suppress(RecordNotFound):
                    rows += [dict(one) for one in records.entity(name).history(source_id)]
    return found


def _rows(wh: Warehouse, sql: str, **parameters: Any) -> list[Row]:
    found: list[Row] = wh.arrow(sql, **parameters).to_pylist()
    return found


def _as_csv(rows: list[Row]) -> bytes:
    told = io.StringIO()
    writer = csv.writer(told, lineterminator="\r\n")
    names = list(rows[0])
    writer.writerow(names)
    for row in rows:
        writer.writerow([guarded(row.get(name)) for name in names])
    return told.getvalue().encode("utf-8-sig")


def guarded(value: object) -> str:
    """Return a value as a cell that no spreadsheet runs as a formula; numbers stay numbers.

    Examples
    --------
    >>> guarded("=cmd|' /C calc'!A0"), guarded(-5), guarded("  @SUM(1)"), guarded(None)
    ("'=cmd|' /C calc'!A0", '-5', "'  @SUM(1)", '')
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(_plain(value)) if not isinstance(value, bool | int | float) else str(value)
    return f"'{value}" if value.lstrip(_UNSEEN).startswith(_FORMULA) else value


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date | Decimal):
        return str(value)
    if isinstance(value, dict | list):
        return value
    return str(value)
