"""What lies in an inbox and is no ordinary file is told, and neither followed nor waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import UsageError
from crm_analytics.ingest import inbox

CUSTOMERS = "customer_id,name\nC1,Ada\n"


def test_links_pipes_and_folders_with_names_of_files_are_told(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "inbox"
    for place in (outside, folder, folder / "deep.csv"):
        place.mkdir()
    (outside / "secret.csv").write_text(CUSTOMERS)
    (folder / "deep.csv" / "customers.csv").write_text(CUSTOMERS)
    (folder / "again.csv").symlink_to(folder / "deep.csv" / "customers.csv")
    (folder / "away.csv").symlink_to(outside / "secret.csv")
    (folder / "gone.csv").symlink_to(folder / "nowhere")
    (folder / "far.csv").symlink_to(outside, target_is_directory=True)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    os.mkfifo(folder / "pipe.csv")
    (folder / ".hidden.csv").write_text(CUSTOMERS)
    with Warehouse.open() as wh:
        accounts = {one.file: one for one in load(wh, folder)}
        found = {name: (one.status, *one.reasons) for name, one in accounts.items()}
        assert found == {
            "again.csv": ("loaded",),
            "away.csv": ("refused", "not_a_file"),
            "customers.csv": ("unchanged",),
            "far.csv": ("refused", "not_a_file"),
            "gone.csv": ("refused", "not_a_file"),
            "pipe.csv": ("refused", "not_a_file"),
        }
        assert "leads out of the folder" in str(accounts["away.csv"].trouble)
        assert wh.value("select count(*) from ops.loads where status = 'refused'") == 4
        with pytest.raises(UsageError, match="neither a file nor a folder"):
            load(wh, folder / "pipe.csv")
    assert [path.name for path in inbox.passed_over(folder)] == ["loop"]


def test_a_subfolder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def guarded(path: object) -> object:
        if str(path) == str(closed):
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", guarded)
    with Warehouse.open() as wh:
        found = {one.file: (one.status, *one.reasons) for one in load(wh, tmp_path)}
    assert found == {"closed": ("refused", "unreadable"), "customers.csv": ("loaded",)}
