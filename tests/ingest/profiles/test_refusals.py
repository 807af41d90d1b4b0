"""Does a refusal without a time of its own win over what was granted before its delivery was received?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.ingest import load
from crm_analytics.warehouse import Warehouse

HEADER = (
    "Email,Klaviyo ID,First Name,Last Name,Organization,Title,Phone Number,Country,"
    "Email Marketing Consent,Email Marketing Consent Timestamp,Profile Updated On"
)
MEMBERS = Path(__file__).parent / "files" / "mailchimp_member.csv"


@pytest.mark.parametrize("updated", ["2026-05-20", "2026-05-10 10:00:00", ""])
def test_a_refusal_without_its_time_wins_over_an_earlier_grant(tmp_path: Path, updated: str) -> None:
    """The flag is dated by its receipt, not by the change of the record; the same bytes again add none."""
    told = ["SUBSCRIBED,2026-05-20 12:00:00,", f"UNSUBSCRIBED,,{updated}", f"UNSUBSCRIBED,,{updated}"]
    with Warehouse.open() as wh:
        for month, one in enumerate(told, start=6):
            file = tmp_path / f"{month}.csv"
            file.write_text(f"{HEADER}\nada@example.com,01AAA,Ada,,,,,,{one}\n", encoding="utf-8")
            load(wh, file, received_at=f"2026-{month:02}-01")
        assert wh.rows(
            "select strftime(occurred_at, '%m-%d'), is_granted from entities.consents order by occurred_at"
        ) == [("05-20", True), ("07-01", False)]


def test_a_subscription_of_mailchimp_without_its_time_keeps_the_member(tmp_path: Path) -> None:
    lines = MEMBERS.read_text("utf-8").splitlines()
    file = tmp_path / "member.csv"
    file.write_text(f"{lines[0]}\n{lines[4].replace('pending', 'subscribed')}\n", encoding="utf-8")
    with Warehouse.open() as wh:
        [loaded] = load(wh, file, received_at="2025-07-01")
        assert (loaded.rows_loaded, loaded.rows_quarantined) == (1, 0)
        assert wh.rows("select source_id from entities.customers") == [("d4d4",)]
        assert wh.rows("select 1 from entities.consents") == []
