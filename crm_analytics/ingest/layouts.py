"""How was a load read?  Kept for loads with a quarantine: corrected records are read in the same way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from crm_analytics.errors import UsageError
from crm_analytics.ingest.profile import Profile
from crm_analytics.warehouse import Warehouse

# Options of a profile whose keyword in `crm_analytics.load` is another.
_KEYWORDS = {"repeats": "duplicates"}


@dataclass(frozen=True)
class Layout:
    """One load: what it read, and how.

    Attributes
    ----------
    load_id : int
        Number of the load.
    file, source_system : str
        Name of the part; system its ids are scoped by.
    received_at : datetime
        When it was received.
    kind : str
        Kind of the file: text, json, ndjson, parquet or workbook.
    header : tuple of str
        Column names; `has_header` is False where the file has no line of them.
    delimiter, encoding : str | None
        Of a text.
    profile : str
        Profile to ask for.
    options : dict of str to object
        Options of the caller, as keyword arguments of `crm_analytics.load`.
    """

    load_id: int
    file: str
    source_system: str
    received_at: datetime
    kind: str
    header: tuple[str, ...]
    has_header: bool
    delimiter: str | None
    encoding: str | None
    profile: str
    options: dict[str, Any]


def write_layout(
    wh: Warehouse,
    load_id: int,
    *,
    kind: str,
    header: Sequence[str],
    used: Profile,
    asked: str | None,
    options: Mapping[str, Any],
) -> None:
    """Write how a load is read: with the profile `asked` for, else `used`, and with these options."""
    row = {
        "load_id": load_id,
        "kind": kind,
        "header": json.dumps(list(header)),
        "has_header": used.dialect.header is None,
        "delimiter": used.dialect.delimiter,
        "encoding": used.dialect.encoding,
        "profile": asked or used.name,
        "options": json.dumps(
            {_KEYWORDS.get(name, name): value for name, value in options.items() if value is not None}
        ),
    }
    wh.append("ops.load_layouts", pa.Table.from_pylist([row]))


def read_layout(wh: Warehouse, load_id: int) -> Layout:
    """Return how a load was read.

    Raises
    ------
    UsageError
        No record of that load was set aside.
    """
    rows = wh.rows(
        "select load_id, file, source_system, received_at, kind, header, has_header, delimiter, encoding, "
        "layout.profile, options from ops.load_layouts as layout join ops.loads using (load_id) "
        "where load_id = $load_id",
        load_id=load_id,
    )
    if not rows:
        raise UsageError(f"Load {load_id} has no record in quarantine. See `crm-analytics quarantine`.")
    [row] = rows
    return Layout(
        load_id=row[0],
        file=row[1],
        source_system=row[2],
        received_at=row[3],
        kind=row[4],
        header=tuple(json.loads(row[5])),
        has_header=row[6],
        delimiter=row[7],
        encoding=row[8],
        profile=row[9],
        options=json.loads(row[10]),
    )
