"""How does a test draft a profile?  A file is written, drafted, and loaded by its draft."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from crm_analytics.ingest import load
from crm_analytics.ingest.draft import draft_profile
from crm_analytics.warehouse import Warehouse

RECEIVED = datetime(2025, 6, 30, tzinfo=UTC)
FRENCH = (
    "N° commande;Code client;Nom;Prénom;Courriel;Date de commande;"
    "Désignation;Quantité;Prix unitaire HT;Devise\n"
    "1001;CL1;Exemple;Élodie;elodie@example.com;03/04/2024;Tasse;1;1 234,50 €;EUR\n"
    "1002;CL2;Modèle;Zoé;zoe@example.com;13/04/2024;Assiette;3;7,25 €;EUR\n"
)


def drafted(folder: Path, text: str, encoding: str = "utf-8") -> tuple[Path, str]:
    """Write a file and return it with the draft of its profile."""
    file = folder / "export.csv"
    file.write_text(text, encoding=encoding)
    return file, draft_profile(file)


def loaded_by_its_draft(folder: Path, text: str) -> tuple[str, list[tuple[object, ...]]]:
    """Return the draft of a file, and number, sum and currency of the lines that it loads."""
    file, draft = drafted(folder, text)
    profile = folder / "draft.toml"
    profile.write_text(draft, encoding="utf-8")
    with Warehouse.open() as wh:
        load(wh, file, profile=str(profile), received_at=RECEIVED)
        lines = "select count(*), cast(sum(amount) as varchar), min(currency) from entities.order_lines"
        return draft, wh.rows(lines)
