"""Does a check of a file with a profile tell what a load would do?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused, UsageError
from crm_analytics.ingest.check import check_profile
from tests.ingest.drafted import RECEIVED


def test_check_names_faults_unknown_words_and_what_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id,name,created_at,extra\nC1,Ada,2024-02-30,x\n,Bob,2024-01-01,y\n")
    [found] = check_profile(file, received_at=RECEIVED)
    assert found.profile == "customers"
    assert found.rows == {"customers": 1}
    assert found.reasons == {"missing_value": 1}
    assert found.first_faults == ("record 2, source_id: missing_value",)
    assert found.unread == ("extra",)
    assert ("bad_date", "created_at") in [(one.issue, one.column_name) for one in found.issues]


def test_check_tells_a_refusal_and_does_not_raise_it(tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("a,b\n1,2\n")
    [found] = check_profile(file, received_at=RECEIVED)
    assert found.refusal is not None
    assert "no profile fits" in found.refusal
    with pytest.raises(UsageError, match=r"is no profile\. Did you mean 'customers'"):
        check_profile(file, "custmers", received_at=RECEIVED)
    with pytest.raises(UsageError, match="encoding='cp9999' is not known"):
        check_profile(file, received_at=RECEIVED, encoding="cp9999")
    with pytest.raises(FileRefused, match="empty"):
        empty = tmp_path / "empty.csv"
        empty.write_bytes(b"")
        check_profile(empty, received_at=RECEIVED)
