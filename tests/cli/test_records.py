"""From a shell: single records are added, changed, found, imported and exported, in JSON and exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crm_analytics import cli

Said = Any


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command of the record store in an empty folder; return its JSON, or what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRM_RECORDS", "crm.records.db")

    def run(*words: str, code: int = cli.OK) -> Any:
        capsys.readouterr()
        assert cli.main(["records", *words]) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return json.loads(told.out) if "--json" in words else told.out + told.err

    return run


def test_a_record_is_added_changed_found_and_has_a_history(say: Said) -> None:
    added = say("add", "products", '{"source_id": "P1", "unit_price": 19.99, "name": "Mug"}', "--json")
    assert (added["unit_price"], added["version"]) == ("19.9900", 1)
    say("update", "products", "P1", '{"unit_price": "21"}', "--expected-version", "1", "--by", "ann")
    assert "at version 2, not 1" in say(
        "update", "products", "P1", "{}", "--expected-version", "1", code=cli.FAILED
    )
    assert say("get", "products", "P1", "--json")["unit_price"] == "21.0000"
    assert [one["source_id"] for one in say("find", "products", "name=Mug", "--json")] == ["P1"]
    assert say("find", "products", "name=", "--json") == []
    assert "P1" in say("find", "products", "unit_price=21")
    history = say("history", "products", "P1")
    assert "ann" in history
    assert "unit_price=21" in history
    before = added["recorded_at"]
    assert "no record of that id before" in say("get", "products", "P1", "--as-of", before, code=cli.FAILED)
    say("delete", "products", "P1")
    assert [one["is_deleted"] for one in say("history", "products", "P1", "--json")] == [False, False, True]


def test_a_file_is_imported_as_a_whole_or_not_at_all(say: Said) -> None:
    Path("p.csv").write_text("source_id,unit_price,is_active\nP1,19.99,true\nP2,x,maybe\n", encoding="utf-8")
    refused = say("import", "products", "p.csv", code=cli.FAILED)
    assert "row 2: unit_price: 'x' is no decimal number" in refused
    assert "row 2: is_active: True or False expected" in refused
    assert say("find", "products", "--json") == []
    Path("p.csv").write_text("source_id,unit_price,is_active\nP1,19.99,true\nP2,5,\n", encoding="utf-8")
    assert "2 records written" in say("import", "products", "p.csv")
    Path("p.jsonl").write_text(say("export", "products").replace('"5.0000"', '"6.0000"'), encoding="utf-8")
    say("import", "products", "p.jsonl", "--update")
    found = say("find", "products", "--json")
    assert [(one["unit_price"], one["version"]) for one in found] == [("19.9900", 1), ("6.0000", 2)]


def test_a_record_of_several_keys_is_named_in_json(say: Said) -> None:
    given = {"customer_source_id": "C1", "channel": "email", "occurred_at": "2024-05-01T00:00:00Z"}
    say("add", "consents", json.dumps(given | {"is_granted": True}))
    key = json.dumps(["C1", "email", None, "2024-05-01T00:00:00Z"])
    assert say("get", "consents", key, "--json")["is_granted"] is True


def test_a_store_is_backed_up_and_verified(say: Said) -> None:
    say("add", "tasks", '{"source_id": "T1"}')
    assert "1 version is what was written" in say("verify")
    assert "written and verified" in say("backup", "copy.db")
    assert say("get", "tasks", "T1", "--store", "copy.db", "--json")["source_id"] == "T1"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "tasks", "{"), "This is not JSON"),
        (("add", "tasks", "[]"), "A JSON object of columns expected"),
        (("add", "taks", "{}"), "Did you mean 'tasks'"),
        (("find", "tasks", "status"), "write COLUMN=VALUE"),
        (("find", "tasks", "--as-of", "soon"), "no day and no moment"),
        (("import", "tasks", "no.csv"), "cannot be read"),
    ],
)
def test_wrong_usage_is_explained(say: Said, words: tuple[str, ...], told: str) -> None:
    say("add", "products", '{"source_id": "P1"}')
    assert told in " ".join(say(*words, code=cli.USAGE).replace("│", " ").split())


def test_without_a_store_it_says_how_to_name_one(say: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_RECORDS")
    assert "Which record store?" in say("find", "tasks", code=cli.USAGE)


def test_looking_creates_neither_a_record_store_nor_a_warehouse(
    say: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["get", "products", "P1"], ["find", "products"], ["verify"], ["erase", "products", "P1"]):
        assert "there is no record store; nothing was created" in say(*words, code=cli.USAGE)
    for words in (["customer", "C1"], ["erase", "C1"], ["export-subject", "C1", "out"], ["verify-audit"]):
        assert cli.main(words) == cli.USAGE
        assert "there is no warehouse; nothing was created" in " ".join(capsys.readouterr().err.split())
    assert list(Path().iterdir()) == []


def test_a_name_that_comes_twice_in_json_is_refused_and_the_hint_names_the_key(say: Said) -> None:
    twice = '{"source_id": "P1", "name": "Mug", "name": "Cup"}'
    assert "'name' comes twice" in say("add", "products", twice, code=cli.USAGE)
    say("add", "products", '{"source_id": "P1"}')
    assert '{"customer_source_id": "...", "channel"' in say("get", "consents", "C1", code=cli.USAGE)


def test_whoever_only_the_record_store_holds_is_synced_and_erased_from_a_shell(
    say: Said, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say("add", "customers", '{"source_id": "W1", "name": "Wombat", "email": "w@example.com"}')
    assert cli.main(["sync"]) == cli.OK
    assert "1 changes, 1 rows" in capsys.readouterr().out
    say("add", "customers", '{"source_id": "W2", "name": "Wallaby", "email": "v@example.com"}')
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question, **named: asked.append(question))
    assert cli.main(["erase", "nobody@example.com"]) == cli.USAGE
    assert asked == [], "nobody is asked about somebody who is not known"
    assert cli.main(["erase", "v@example.com"]) == cli.FAILED
    assert len(asked) == 1
    assert cli.main(["erase", "v@example.com", "--yes"]) == cli.OK
    assert "record store: customers" in capsys.readouterr().out
    assert "customers: 1 record erased" in say("erase", "customers", "W1", "--yes")
    assert say("find", "customers", "--json") == []
    assert cli.main(["sync", "--forget", "x"]) == cli.USAGE
