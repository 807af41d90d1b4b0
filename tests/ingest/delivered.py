"""How does a test deliver a list?  Written to a file and loaded, its folder as the source system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crm_analytics import Warehouse, load
from crm_analytics.ingest.load import Load


def deliver(wh: Warehouse, folder: Path, text: str, **how: Any) -> Load:
    file = folder / "list.csv"
    file.write_text(text, encoding="utf-8")
    [account] = load(wh, file, received_at="2025-02-01", source_system=folder.name, **how)
    return account
