"""What lies in an inbox and is no ordinary file is told, and neither followed nor waited for."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load, replay
from crm_analytics.errors import UsageError
from crm_analytics.ingest import inbox
from crm_analytics.ingest.quarantine import export_quarantine

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
            "deep.csv/customers.csv": ("unchanged",),
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


def two_shops(folder: Path, first: str, second: str) -> None:
    """Write one name in two subfolders, as a file and as a member of an archive."""
    for shop, text in (("a", first), ("b", second)):
        (folder / shop).mkdir()
        (folder / shop / "customers.csv").write_text(text)
        with zipfile.ZipFile(folder / shop / "more.zip", "w") as archive:
            archive.writestr("customers.csv", text.replace("C", "Z"))


def test_files_of_one_name_in_two_subfolders_are_two_files(tmp_path: Path) -> None:
    two_shops(tmp_path, CUSTOMERS, "customer_id,name\nC2,Bob\n,Nobody\n")
    names = [f"{shop}/{name}" for shop in "ab" for name in ("customers.csv", "more.zip/customers.csv")]
    with Warehouse.open() as wh:
        accounts = load(wh, tmp_path, received_at="2025-06-01")
        assert [(one.file, one.status, one.rows_loaded, one.rows_quarantined) for one in accounts] == [
            (name, "loaded", 1, 1 if name.startswith("b") else 0) for name in names
        ]
        assert wh.rows("select file from ops.loads order by load_id") == [(name,) for name in names]
        again = load(wh, tmp_path, received_at="2025-06-02")
        assert [(one.file, one.status) for one in again] == [(name, "unchanged") for name in names]
        waiting = wh.rows("select file from ops.quarantine join ops.loads using (load_id) order by all")
        assert waiting == [("b/customers.csv",), ("b/more.zip/customers.csv",)]


def test_each_of_two_files_of_one_name_is_replayed_by_itself(tmp_path: Path) -> None:
    inbox, work = tmp_path / "inbox", tmp_path / "work"
    inbox.mkdir()
    two_shops(inbox, "customer_id,name\nC1,Ada\n,Ann\n", "customer_id,name\nC2,Bob\n,Ben\n")
    with Warehouse.open() as wh:
        load(wh, inbox)
        exported = export_quarantine(wh, work)
        assert len({one.file.name for one in exported}) == 4
        for number, one in enumerate(exported):
            text = one.file.read_text()
            one.file.write_text(text.replace(",,", f",N{number},"))
            replayed = replay(wh, one.file)
            assert (replayed.rows_in, replayed.rows_loaded) == (1, 1)
        assert wh.value("select count(*) from entities.customers") == 8


def test_the_same_bytes_in_two_subfolders_are_known_once_and_told_twice(tmp_path: Path) -> None:
    two_shops(tmp_path, CUSTOMERS, CUSTOMERS)
    with Warehouse.open() as wh:
        found = [(one.file, one.status) for one in load(wh, tmp_path)]
        assert found == [
            ("a/customers.csv", "loaded"),
            ("a/more.zip/customers.csv", "loaded"),
            ("b/customers.csv", "unchanged"),
            ("b/more.zip/customers.csv", "unchanged"),
        ]
        assert wh.value("select count(*) from entities.customers_versions") == 2


def test_what_still_lies_in_two_subfolders_takes_nothing_back(tmp_path: Path) -> None:
    """Night after night: a customer of both files is what the later one said."""
    names, rows = [], []
    with Warehouse.open() as wh:
        for day, shop, name in (
            ("2025-06-01", "a", "Ada"),
            ("2025-06-02", "b", "Ida"),
            ("2025-06-03", "b", "Ida"),
        ):
            (tmp_path / shop).mkdir(exist_ok=True)
            (tmp_path / shop / "customers.csv").write_text(CUSTOMERS.replace("Ada", name))
            accounts = load(wh, tmp_path, received_at=day)
            names.append(wh.value("select name from entities.customers"))
            rows.append(wh.value("select count(*) from entities.customers_versions"))
    assert names == ["Ada", "Ida", "Ida"]
    assert rows == [1, 2, 2]
    assert [one.status for one in accounts] == ["unchanged", "unchanged"]


def dated_folders(tmp_path: Path, *names: str) -> None:
    """A folder a month, each with a file of one name that calls a customer otherwise."""
    for number, name in enumerate(names, start=1):
        file = tmp_path / f"2025-0{number}" / "customers.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CUSTOMERS.replace("Ada", name))


@pytest.mark.parametrize("names", [("Old", "New"), ("Zed", "Abe"), ("Abe", "Zed")])
def test_of_files_of_one_name_in_dated_subfolders_the_last_counts(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    dated_folders(tmp_path, *names)
    with Warehouse.open() as wh:
        accounts = load(wh, tmp_path)
        assert wh.rows("select name from entities.customers") == [(names[1],)]
        assert not any(one.issues for one in accounts)


@pytest.mark.parametrize("names", [("Old", "New"), ("Zed", "Abe"), ("Abe", "Zed"), ("New", "Old")])
def test_files_said_to_be_of_one_moment_are_none_the_later_state(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    dated_folders(tmp_path, *names)
    with Warehouse.open() as wh:
        accounts = load(wh, tmp_path, received_at="2025-06-01")
        [(name,)] = wh.rows("select name from entities.customers")
    found = [one.issue for account in accounts for one in account.issues]
    assert found == (["told_beside"] if name == names[0] else [])


def test_a_file_that_was_loaded_by_its_name_lies_in_the_folder_still(tmp_path: Path) -> None:
    """Its name in the folder is another; it takes nothing back, but a copy of it does."""
    dated_folders(tmp_path, "New", "Old")
    with Warehouse.open() as wh:
        load(wh, tmp_path / "2025-02" / "customers.csv", received_at="2025-06-01")
        load(wh, tmp_path / "2025-01" / "customers.csv", received_at="2025-06-02")
        assert [one.status for one in load(wh, tmp_path)] == ["unchanged", "unchanged"]
        assert wh.rows("select name from entities.customers") == [("New",)]
        dated_folders(tmp_path, "New", "Old", "Old")
        assert [one.status for one in load(wh, tmp_path)] == ["unchanged", "unchanged", "loaded"]
        assert wh.rows("select name from entities.customers") == [("Old",)]
