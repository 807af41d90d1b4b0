"""Does a refusal for the encoding name encodings that can be, and not the one that was just excluded?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused
from crm_analytics.ingest import load
from crm_analytics.ingest.encodings import encoding_advice, fitting_encodings
from crm_analytics.warehouse import Warehouse

HEADER = "customer_id,name\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("氏名は東京", "cp932"), ("김철수 서울", "euc-kr"), ("张伟,北京市", "gb18030"), ("پيام گچ", "cp1256")],
)
def test_the_advice_holds_the_encoding_of_the_file_and_not_the_excluded_one(text: str, encoding: str) -> None:
    fitting = fitting_encodings(text.encode(encoding), excluded="windows-1252")
    assert encoding in fitting
    assert "cp1252" not in fitting
    for one in fitting:
        text.encode(encoding).decode(one)


def test_a_japanese_file_that_was_called_western_is_told_what_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes((HEADER + "1,氏名は東京\n").encode("cp932"))
    with (
        Warehouse.open() as wh,
        pytest.raises(FileRefused, match=r"cannot be cp1252\. Say .*'cp932'") as refusal,
    ):
        load(wh, file, received_at="2025-07-01", encoding="cp1252")
    assert "'cp1252'" not in str(refusal.value)


def test_what_fits_nothing_is_to_be_exported_again() -> None:
    assert encoding_advice(b"\x00\x81", excluded="cp1256").startswith("Say ")
    assert fitting_encodings("é".encode(), excluded="cp1252") == ["utf-8"]
