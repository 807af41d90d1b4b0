"""Does a checkpoint that was cut in the middle of a block leave what was acknowledged?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crm_analytics.errors import StoreCorrupt
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.checkpoint_guard import BLOCK, HEADERS, blocks_path, put_back


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A warehouse as it lies when its process dies: two commits, of which only the log has the second."""
    path = tmp_path / "live" / "crm.duckdb"
    path.parent.mkdir()
    with Warehouse.open(path) as wh:
        wh.set_reporting_currency("EUR")
    with Warehouse.open(path) as wh:
        wh.set_reporting_currency("USD")
        shutil.copytree(path.parent, tmp_path / "killed")
    return tmp_path / "killed" / "crm.duckdb"


def tear(path: Path) -> int:
    """Spoil every block that a checkpoint may overwrite, and return their number."""
    kept = blocks_path(path).read_bytes()[32 + HEADERS :]
    numbers = [int.from_bytes(kept[at : at + 8], "little") for at in range(0, len(kept), 8 + BLOCK)]
    with path.open("r+b") as file:
        for number in numbers:
            file.seek(HEADERS + BLOCK * number)
            file.write(b"torn" * (BLOCK // 4))
    return len(numbers)


def test_spoilt_blocks_are_put_back_and_nothing_acknowledged_is_lost(killed: Path) -> None:
    assert tear(killed) > 0
    with Warehouse.open(killed) as wh:
        assert wh.settings.reporting_currency == "USD"
        wh.execute("checkpoint")
    with Warehouse.open(killed) as wh:
        assert wh.settings.reporting_currency == "USD"


def test_without_them_the_file_would_not_open(killed: Path) -> None:
    tear(killed)
    blocks_path(killed).unlink()
    with pytest.raises(StoreCorrupt, match="checksum"):
        Warehouse.open(killed)


def test_damaged_or_outdated_blocks_are_never_put_back(killed: Path) -> None:
    kept = bytearray(blocks_path(killed).read_bytes())
    assert put_back(killed) == 0, "nothing differs"
    tear(killed)
    kept[-1] ^= 1
    blocks_path(killed).write_bytes(kept)
    assert put_back(killed) == 0
    with Warehouse.open(killed.parents[1] / "live" / "crm.duckdb") as wh:
        path = Path(wh.path)
    before = path.read_bytes()
    shutil.copy(blocks_path(killed), blocks_path(path))
    assert put_back(path) == 0
    assert path.read_bytes() == before
