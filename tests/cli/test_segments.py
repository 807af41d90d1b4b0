"""Do the verbs below `segments` say sizes, members, overlap and movement, in words and JSON?"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import cli, load, segmentation
from crm_analytics.warehouse import Warehouse

RULES = '[[segment]]\nname = "silent"\nlabel = "Silent ones"\nwhere = "days_since_last_order >= 30"\n'
NIGHTS = [date(2024, 2, 1), date(2024, 3, 1)]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, rules and two kept nights."""
    folder = tmp_path_factory.mktemp("segments")
    (folder / "crm.toml").write_text('[paths]\nsegments = "segments.toml"\n', encoding="utf-8")
    (folder / "segments.toml").write_text(RULES, encoding="utf-8")
    rows = ["customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency"]
    rows += [
        f"{c},{c}{d},2024-{d},P,Pot,1,9,EUR" for c, d in (("A", "01-05"), ("B", "01-30"), ("B", "02-20"))
    ]
    (folder / "transactions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with Warehouse.open(folder / "crm.duckdb", reporting_currency="EUR") as wh:
        load(wh, folder / "transactions.csv", received_at="2024-06-01")
        rules = segmentation.load_rule_segments(folder / "segments.toml")
        for night in NIGHTS:
            scored = segmentation.rfm(wh, as_of=night).drop(
                columns=["source_system", "source_id", "net_margin"]
            )
            wh.replace_as_of("scores.rfm", scored.assign(as_of=night), as_of=night)
            segmentation.keep_rule_segments(wh, as_of=night, rules=rules)
    return folder


@pytest.fixture
def ask(company: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(company)

    def run(*words: str) -> Any:
        assert cli.main(["segments", *words, "--json"]) == cli.OK
        return json.loads(capsys.readouterr().out)

    return run


def test_list_tells_sizes_rules_and_who_came_and_left(ask: Any) -> None:
    [row] = ask("list", "--as-of", "2024-03-01")
    assert (row["segment"], row["label"], row["rule"]) == (
        "silent",
        "Silent ones",
        "days_since_last_order >= 30",
    )
    assert (row["member_count"], row["entered_count"], row["left_count"]) == (1, 1, 0)


def test_members_overlap_movement_and_measures(ask: Any) -> None:
    assert [row["member_id"] for row in ask("members", "silent", "--as-of", "2024-03-01")] == ["default:A"]
    assert ask("overlap", "--as-of", "2024-03-01") == [{"segment": "silent", "silent": 1}]
    moved = ask("movement", "--as-of", "2024-03-01")
    assert sum(value for row in moved for key, value in row.items() if key != "earlier") == 2
    assert {"measure", "kind", "meaning"} == set(ask("measures")[0])
    assert "has_bought" in {row["measure"] for row in ask("measures", "--leads")}


def test_what_cannot_be_told_is_said(
    company: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(company)
    assert cli.main(["segments", "members", "silnt"]) == cli.USAGE
    assert "Known: silent" in capsys.readouterr().err
    assert cli.main(["segments", "overlap", "--as-of", "2024-02-15"]) == cli.FAILED
    assert "last is 2024-02-01" in capsys.readouterr().err
    assert cli.main(["segments", "movement", "--as-of", "2024-02-01"]) == cli.FAILED
    assert cli.main(["segments", "list", "--as-of", "2024-02-15"]) == cli.OK
    assert "count as missing" in " ".join(capsys.readouterr().out.split())
