"""What is said of a file that is no table, or that is written in an encoding of two or four bytes?"""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import InputError

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
SALE = HEADER + "C1,O1,2024-01-04,P1,Mug,2,10.25,EUR\n"


def refusal_of(wh: Warehouse, folder: Path, content: bytes) -> str:
    (folder / "sales.csv").write_bytes(content)
    with pytest.raises(InputError) as refusal:
        load(wh, folder / "sales.csv", received_at="2024-02-01")
    return str(refusal.value)


def test_a_web_page_is_told_by_its_kind_and_none_of_its_text_is_kept(tmp_path: Path) -> None:
    with Warehouse.open() as wh:
        said = refusal_of(wh, tmp_path, b"<html><body>login mina@example.com")
        assert "it looks like a web page" in said
        tables = wh.rows("select table_name from information_schema.tables where table_schema = 'ops'")
        kept = [wh.rows(f"select * from ops.{table}") for (table,) in tables]
    assert "not_a_table" in repr(kept)
    assert "mina" not in said + repr(kept)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_named_by_its_byte_order_and_then_loads(
    tmp_path: Path, encoding: str
) -> None:
    with Warehouse.open() as wh:
        said = refusal_of(wh, tmp_path, SALE.encode(encoding))
        assert f"encoding='{encoding}' (--encoding)" in said
        [account] = load(wh, tmp_path / "sales.csv", received_at="2024-02-01", encoding=encoding)
    assert account.rows_loaded == 1


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_utf_32_is_read_by_its_mark_and_hinted_at_without_one(tmp_path: Path, encoding: str) -> None:
    mark = {"utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE}[encoding]
    with Warehouse.open() as wh:
        said = refusal_of(wh, tmp_path, SALE.encode(encoding))
        assert f"encoding='{encoding}' (--encoding)" in said
        (tmp_path / "marked.csv").write_bytes(mark + SALE.encode(encoding))
        [account] = load(wh, tmp_path / "marked.csv", received_at="2024-02-01")
    assert (account.profile, account.rows_loaded) == ("transactions", 1)
