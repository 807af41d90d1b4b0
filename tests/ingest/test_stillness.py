"""A file that is written to while it is read is not loaded."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import FileRefused

HEADER = "customer_id,name\n"


def longer(file: Path) -> None:
    with file.open("a") as out:
        out.write("C2,Bob\n")


def other_of_the_same_length(file: Path) -> None:
    file.write_text(HEADER + "C9,Eve\n")
    os.utime(file, (1, 1))


def replaced(file: Path) -> None:
    other = file.with_suffix(".new")
    other.write_bytes(file.read_bytes())
    other.replace(file)


def gone(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [longer, other_of_the_same_length, replaced, gone])
def test_a_file_that_changes_while_it_is_read_is_refused_and_nothing_is_loaded(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(HEADER + "C1,Ada\n")
    changes = iter([change])

    def meanwhile(name: str, read: int, size: int) -> None:
        for one in changes:
            one(file)

    with Warehouse.open() as wh:
        with pytest.raises(FileRefused, match="written to or replaced while it was read") as refusal:
            load(wh, file, progress=meanwhile)
        assert refusal.value.reason == "file_changed"
        assert wh.value("select count(*) from entities.customers_versions") == 0
        assert wh.rows("select status, reason from ops.loads") == [("refused", "file_changed")]
        file.write_text(HEADER + "C1,Ada\n")
        assert load(wh, file)[0].rows_loaded == 1


def test_an_archive_that_changes_while_its_second_member_is_read_keeps_the_first(tmp_path: Path) -> None:
    file = tmp_path / "export.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a_customers.csv", HEADER + "C1,Ada\n")
        archive.writestr("b_customers.csv", HEADER + "C2,Bob\n")

    def meanwhile(name: str, read: int, size: int) -> None:
        if name.endswith("b_customers.csv"):
            os.utime(file)

    with Warehouse.open() as wh:
        accounts = load(wh, file, progress=meanwhile)
        assert [(one.status, list(one.reasons)) for one in accounts] == [
            ("loaded", []),
            ("refused", ["file_changed"]),
        ]
