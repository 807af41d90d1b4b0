"""Does every dirty input have the outcome, counts, revenue and places that the corpus demands, and no leaks?

F6 of the promises is asked here, of the same loads: whatever fails is told without anything personal.
"""

from __future__ import annotations

import csv
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_analytics.errors import InputError
from crm_analytics.ingest import Load, load
from crm_analytics.warehouse import Warehouse
from tests.privacy import told

RECEIVED_AT = "2025-06-30"
SHARED = Path(os.environ.get("CRM_TEST_DATA", Path(__file__).parents[3] / "shared"))


def manifest() -> list[dict[str, str]]:
    path = SHARED / "dirty-inputs" / "manifest.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def options(text: str) -> dict[str, Any]:
    given: dict[str, Any] = {"received_at": RECEIVED_AT}
    for one in re.split(r"(?<!\\)\|(?=\w+=)", text) if text else []:
        name, _, value = one.partition("=")
        given[name] = int(value) if name == "skip_rows" else value
    return given


@pytest.mark.parametrize("case", manifest(), ids=lambda case: case["file"])
@pytest.mark.parametrize("profile", ["named", "detected"])
def test_dirty_input_has_the_demanded_outcome_told_without_personal_values(
    case: dict[str, str], profile: str, shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told.listen_to_all(caplog)
    given = options(case["options"]) | {"profile": case["entity"] if profile == "named" else None}
    with Warehouse.open() as wh:
        folder = shared_data / "dirty-inputs"
        if case["load_after"]:
            load(wh, folder / case["load_after"], received_at=RECEIVED_AT)
        before = contents(wh)
        account = load_or_refusal(wh, folder / case["file"], given)
        if case["outcome"] != "load":
            check_discretion(folder / case["file"], wh, account, caplog)
        if isinstance(account, InputError):
            assert "refuse" in case["outcome"].split("|"), f"{case['file']} was refused: {account}"
            check_refusal(case, account)
            assert contents(wh) == before, "a refused file changes nothing"
            assert wh.value("select status from ops.loads order by load_id desc limit 1") == "refused"
            return
        assert set(case["outcome"].split("|")) & {"load", "quarantine"}, f"{case['file']} was not refused"
        check_account(case, account)
        check_places(case, wh, account)
        check_content(case, wh, account)
        after = contents(wh)
        [again] = load(wh, folder / case["file"], **given)
        assert (again.status, again.rows_loaded, again.rows_merged) == ("unchanged", 0, account.rows_in)
        assert contents(wh) == after, "loading a file again changes nothing"


def load_or_refusal(wh: Warehouse, file: Path, given: dict[str, Any]) -> Load | InputError:
    try:
        return load(wh, file, **given)[0]
    except InputError as refusal:
        return refusal


def check_discretion(
    file: Path, wh: Warehouse, account: Load | InputError, caplog: pytest.LogCaptureFixture
) -> None:
    shown = [str(account), repr(account)]
    shown += told.texts_of_error(account) if isinstance(account, InputError) else [str(account.trouble)]
    shown += [*told.texts_of_logs(caplog.records), *told.texts_of_tables(wh)]
    values = told.personal_values(file)
    assert values or file.name == "empty.csv"
    for text in shown:
        assert not [value for value in values if value in text], text


def contents(wh: Warehouse) -> list[object]:
    return [
        wh.rows(f"select * from entities.{name}_versions order by all")
        for name in ("order_lines", "customers")
    ]


def check_refusal(case: dict[str, str], refusal: InputError) -> None:
    text = str(refusal)
    assert case["file"] in text
    column = re.search(r"column (\w+)", case["where"])
    if column:
        assert column[1] in text
    line = re.search(r"line (\d+)", case["where"])
    if line:
        assert f"line {line[1]}" in text
    if case["reason"] and hasattr(refusal, "reason"):
        assert refusal.reason in re.split(r"[|;] ?", case["reason"])


def check_account(case: dict[str, str], account: Load) -> None:
    assert account.rows_in == account.rows_loaded + account.rows_quarantined + account.rows_merged
    for name in ("rows_in", "rows_loaded", "rows_quarantined", "rows_merged"):
        if case[name]:
            assert getattr(account, name) == int(case[name]), f"{case['file']}: {name}"


def check_places(case: dict[str, str], wh: Warehouse, account: Load) -> None:
    found = wh.rows(
        "select record_number, column_name, reason from ops.quarantine where load_id = $load_id",
        load_id=account.load_id,
    )
    assert len(found) == account.rows_quarantined
    if case["outcome"] != "quarantine":
        return
    wanted = {
        (int(record), column)
        for record, column in re.findall(r"record (\d+)(?: column (\w+))?", case["where"])
    }
    if case["rows_quarantined"]:
        assert {record for record, _, _ in found} == {record for record, _ in wanted}
    for record, column, reason in found:
        assert reason in re.split(r"[|;] ?", case["reason"])
        assert not [c for r, c in wanted if r == record and c and c != column], (record, column)


def check_content(case: dict[str, str], wh: Warehouse, account: Load) -> None:
    if case["check_revenue"]:
        sums = dict(
            wh.rows(
                "select currency, sum(quantity * unit_price) from entities.order_lines "
                "where load_id = $load_id group by currency",
                load_id=account.load_id,
            )
        )
        wanted = {code: Decimal(text) for code, text in json.loads(case["check_revenue"]).items()}
        assert sums == wanted
    if case["check_customers"]:
        name, table = (
            ("customer_source_id", "order_lines")
            if case["entity"] == "transactions"
            else ("source_id", "customers")
        )
        counted = wh.value(
            f"select count(distinct {name}) from entities.{table} where load_id = $load_id",
            load_id=account.load_id,
        )
        assert counted == int(case["check_customers"])
