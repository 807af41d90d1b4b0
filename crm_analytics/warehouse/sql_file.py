"""What does this SQL file promise?  A header (kind, purpose, grain, reads, columns) and one statement.

    -- kind:    features
    -- purpose: How often and how recently did each customer buy before as_of?
    -- grain:   customer_id
    -- reads:   facts.order_days_before
    -- columns:
    --   customer_id    canonical customer
    --   order_count    orders before as_of

Kinds: ``facts`` (becomes a table macro), ``features``, ``label``, ``score``, ``check`` (returns bad
rows), ``quality``, ``kpi``, ``statement`` (a query of the machinery) and ``table`` (creates a table).
``$name`` in the body is a parameter. Checks and quality files may have one line more, which says what
becomes of the night when they fail: ``-- gate: warn above 0`` or ``-- gate: stop above 0.5`` (a check counts
the rows it returns; of a quality file it is the share of bad rows, per entity, field and system).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crm_analytics.errors import StoreError

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("entities", "facts", "features", "label", "score", "check", "quality", "kpi", "statement", "table")
PACKAGE = Path(__file__).parent.parent
_PARAMETER = re.compile(r"\$([a-z_]+)")
_GATE = re.compile(r"(warn|stop) above (\d+(?:\.\d+)?)")
_NOT_CODE = re.compile(r"--[^\n]*|'(?:[^']|'')*'")


@dataclass(frozen=True)
class SqlFile:
    """One SQL file: its header and its statement.

    Attributes
    ----------
    path : pathlib.Path
        Where it lies.
    kind, purpose : str
        One of ``KINDS``; the question it answers.
    grain : tuple of str
        Columns that identify a row of the result; empty where a check has no grain.
    reads : tuple of str
        Tables and macros it reads, as ``schema.name``.
    columns : dict of str to str
        Returned column -> meaning with unit, in order.
    text : str
        The whole file, header included (SQL comments do no harm).
    parameters : tuple of str
        Names used as ``$name``, sorted.
    gate : {"", "warn", "stop"}
        What a night does when more than `limit` is bad.
    limit : float
        Rows that a check may return; share of bad rows of a quality file.
    """

    path: Path
    kind: str
    purpose: str
    grain: tuple[str, ...]
    reads: tuple[str, ...]
    columns: dict[str, str]
    text: str
    parameters: tuple[str, ...]
    gate: str = ""
    limit: float = 0.0

    @staticmethod
    @cache
    def load(path: Path) -> SqlFile:
        """Read and parse one file; StoreError when its header is incomplete."""
        text = path.read_text(encoding="utf-8")
        header = _header(text)
        missing = [name for name in ("kind", "purpose", "grain", "reads", "columns") if name not in header]
        if missing:
            raise StoreError(f"{path.name}: the header lacks {', '.join(missing)}.")
        if header["kind"][0] not in KINDS:
            raise StoreError(f"{path.name}: unknown kind {header['kind'][0]!r}. Kinds: {', '.join(KINDS)}.")
        gate = _GATE.fullmatch(" ".join(header.get("gate", ["warn above 0"])))
        if gate is None:
            raise StoreError(f"{path.name}: gate must be 'warn above <limit>' or 'stop above <limit>'.")
        return SqlFile(
            path=path,
            kind=header["kind"][0],
            purpose=" ".join(header["purpose"]),
            grain=_names(header["grain"]),
            reads=_names(header["reads"]),
            columns=_columns(header["columns"]),
            text=text,
            parameters=tuple(sorted(set(_PARAMETER.findall(_NOT_CODE.sub("", text))))),
            gate=gate[1] if "gate" in header else "",
            limit=float(gate[2]),
        )

    @staticmethod
    def beside(module_file: str, name: str) -> SqlFile:
        """Read the SQL file `name` that lies beside a Python file (pass its ``__file__``)."""
        return SqlFile.load(Path(module_file).parent / name)

    def check(self, frame: pd.DataFrame) -> None:
        """Raise StoreError when a result breaks the header: other columns, or grain not unique."""
        if list(frame.columns) != list(self.columns):
            raise StoreError(
                f"{self.path.name} returned columns {list(frame.columns)}, but declares {list(self.columns)}."
            )
        if self.grain and frame.duplicated(subset=list(self.grain)).any():
            raise StoreError(f"{self.path.name}: rows are not unique by {', '.join(self.grain)}.")


@cache
def all_sql_files() -> tuple[SqlFile, ...]:
    """Return every SQL file of the package, sorted by path."""
    return tuple(SqlFile.load(path) for path in sorted(PACKAGE.rglob("*.sql")))


def _header(text: str) -> dict[str, list[str]]:
    """Split the leading comment block into its named parts; each is a list of lines."""
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        content = line[2:].rstrip()
        named = re.match(r" (kind|purpose|gate|grain|reads|columns):\s*(.*)$", content)
        if named:
            current = parts.setdefault(named[1], [])
            if named[2]:
                current.append(named[2].strip())
        elif content.strip():
            current.append(content)
    return parts


def _names(lines: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in " ".join(lines).split(",") if name.strip())
    return () if names == ("none",) else names


def _columns(lines: list[str]) -> dict[str, str]:
    """Parse `name   meaning` lines; a line indented deeper continues the one above."""
    columns: dict[str, str] = {}
    last = ""
    for line in lines:
        named = re.match(r"   ?([A-Za-z_][A-Za-z0-9_]*)(?:\s{2,}|\s*$)(.*)$", line)
        if named:
            last = named[1]
            columns[last] = named[2].strip()
        elif last:
            columns[last] = f"{columns[last]} {line.strip()}"
    return columns
