"""Does the loader take the sample in whole?  Balanced accounts, the broken set aside, repeats merged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import crm_analytics as crm
from crm_analytics.demo import dirt
from crm_analytics.demo.sample import REPORTING_CURRENCY, TIMEZONE

FOLDER = Path(__file__).parents[2] / "data" / "sample"


def test_the_sample_loads_with_balanced_accounts_and_only_the_broken_records_set_aside() -> None:
    with crm.Warehouse.open(":memory:", timezone=TIMEZONE, reporting_currency=REPORTING_CURRENCY) as wh:
        loads = crm.load(wh, FOLDER, received_at=datetime(2025, 7, 1, 6, tzinfo=UTC))
        again = crm.load(wh, FOLDER, received_at=datetime(2025, 7, 2, 6, tzinfo=UTC))
    for one in loads:
        assert one.rows_in == one.rows_loaded + one.rows_quarantined + one.rows_merged, one.file
    set_aside = {one.file: one.rows_quarantined for one in loads if one.rows_quarantined}
    assert set_aside == dirt.BROKEN_COUNT
    assert {one.file: one.rows_merged for one in loads if one.rows_merged} == {
        dirt.REPEATED_FILE: dirt.REPEATED_COUNT
    }
    assert {one.rows_loaded for one in again} == {0}
