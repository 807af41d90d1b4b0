"""Does each command say what it did, in words, in JSON and by its exit code?"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crm_analytics import cli, trained_models
from crm_analytics.cli.commands import app
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Sandbox, Warehouse
from crm_analytics.warehouse.publish import live_run
from tests import build
from tests.actions.test_call_list import night


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "nightly --as-of yesterday",
        "rfm --as-of 2025-02-30",
        "monitor --since 1.7.2025",
        "customer --as-of x C1",
    ],
)
def test_a_day_that_is_none_is_told_before_anything_is_opened_or_made(
    here: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words.split()) == cli.USAGE
    told = capsys.readouterr().err
    assert "is not a date. Write it as 2025-07-01." in told
    assert list(here.iterdir()) == []


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == cli.OK
    for name in (
        "demo",
        "init",
        "load",
        "loads",
        "quarantine",
        "replay",
        "unload",
        "quality",
        "profile",
        "rfm",
        "clv",
        "churn",
        "offers",
        "actions",
        "train",
        "nightly",
        "scores",
    ):
        assert name in result.output


def test_init_writes_settings_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init"]) == cli.OK
    assert Settings.load(here) == Settings.default(here)
    assert cli.main(["init"]) == cli.USAGE
    assert "exists already" in capsys.readouterr().err


def test_wrong_settings_are_wrong_usage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "crm.toml").write_text("[churn]\nhorizon = 3\n")
    assert cli.main(["loads"]) == cli.USAGE
    assert "did you mean 'horizon_days'?" in capsys.readouterr().err


def test_unknown_words_are_wrong_usage(here: Path) -> None:
    assert cli.main(["demo", "--data", "other"]) == cli.USAGE
    assert cli.main(["nothing"]) == cli.USAGE
    assert cli.main(["rfm", "--as-of", "yesterday"]) == cli.USAGE


def test_an_empty_warehouse_answers_with_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Warehouse.open("crm.duckdb").close()
    for command in (["loads"], ["rfm", "--as-of", "2025-01-01"], ["clv", "--as-of", "2025-01-01"]):
        assert cli.main([*command, "--json"]) == cli.OK
        assert json.loads(capsys.readouterr().out) == []


def test_a_question_the_data_cannot_answer_fails_in_words(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Warehouse.open("crm.duckdb").close()
    assert cli.main(["offers", "--as-of", "2025-01-01"]) == cli.FAILED
    shown = capsys.readouterr().err
    assert "load more" in shown
    assert "Traceback" not in shown


def test_scores_before_the_first_night_say_what_to_do(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["scores"]) == cli.USAGE
    assert "Run the night first" in capsys.readouterr().err


def test_a_defect_is_code_1_without_traceback_or_values(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(path: object) -> None:
        raise ZeroDivisionError("secret value 4711")

    monkeypatch.setattr(Settings, "default", lambda: broken(None))
    assert cli.main(["loads"]) == cli.FAILED
    shown = capsys.readouterr().err
    assert "ZeroDivisionError in crm_analytics.cli.session" in shown
    assert "4711" not in shown
    assert "Traceback" not in shown


CUSTOMERS = "customer_id,name,created_at\nC1,Ada,2024-01-01\nC2,Bob,2024-02-01\n"


def test_one_refused_file_does_not_stop_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "customers.csv").write_text(CUSTOMERS)
    (here / "bad.csv").write_text("this,is,no,export\n1,2,3,4\n")
    assert cli.main(["load", "customers.csv", "bad.csv", "--json"]) == cli.SOME_REFUSED
    shown = capsys.readouterr()
    loads = json.loads(shown.out)
    assert [(load["file"], load["status"], load["rows_loaded"]) for load in loads] == [
        ("customers.csv", "loaded", 2),
        ("bad.csv", "refused", 0),
    ]
    assert "Refused" in shown.err
    assert cli.main(["load", "bad.csv"]) == cli.FAILED


def test_a_night_with_a_refused_file_is_done_and_says_so_by_its_exit_code(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "inbox").mkdir()
    (here / "inbox" / "bad.csv").write_text("this,is,no,export\n1,2,3,4\n")
    (here / "inbox" / "customers.csv").write_text(CUSTOMERS)
    assert cli.main(["nightly", "--as-of", "2025-07-01", "--json"]) == cli.SOME_REFUSED
    report = json.loads(capsys.readouterr().out)
    assert report["steps"][0]["status"] == "warned"
    assert "bad.csv" in report["steps"][0]["note"]
    assert cli.main(["scores", "--json"]) == cli.OK
    scores = json.loads(capsys.readouterr().out)
    assert [row["customer_id"] for row in scores] == ["default:C1", "default:C2"]
    assert {row["churn_status"] for row in scores} == {"no_purchase"}


def test_a_blocked_night_has_its_own_exit_code(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["nightly", "--as-of", "2025-07-01"]) == cli.BLOCKED
    assert "no customer has scores" in capsys.readouterr().err
    assert cli.main(["nightly", "--as-of", "2025-07-01", "--accept", "a new shop"]) == cli.OK


LOST = "customer_id,name,created_at\n,Ada,2024-01-01\n,Bob,2024-02-01\n"


def test_load_takes_the_options_that_refusals_ask_for(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "exported by shop\ncustomer_id;name;created_at\nC1;J\u00fcrgen;31/01/2024\n;Nobody;01/02/2024\n"
    (here / "customers.csv").write_bytes(rows.encode("cp1252"))
    words = "--encoding cp1252 --delimiter ; --decimal , --date-format %d/%m/%Y --skip-rows 1"
    more = "--timezone Europe/London --received-at 2025-06-30T08:00 --max-expanded-bytes 9999999"
    rest = "--guest quarantine --duplicates keep --default-country DE"
    command = ["load", "customers.csv", *words.split(), *more.split(), *rest.split(), "--json"]
    assert cli.main(command) == cli.OK
    [load] = json.loads(capsys.readouterr().out)
    assert (load["rows_loaded"], load["rows_quarantined"]) == (1, 1)
    with Warehouse.open(here / "crm.duckdb") as wh:
        assert wh.rows("select name from entities.customers") == [("J\u00fcrgen",)]
        assert wh.value("select cast(received_at as date) from ops.loads") == date(2025, 6, 30)


def test_the_options_of_crm_toml_hold_where_the_command_gives_none(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "crm.toml").write_text("[ingest]\ndelimiter = ';'\nskip_rows = 1\n")
    (here / "one.csv").write_text("a shop\n" + CUSTOMERS.replace(",", ";"))
    (here / "two.csv").write_text(CUSTOMERS.replace(",", ";"))
    for command in (["one.csv"], ["two.csv", "--skip-rows", "0"]):
        assert cli.main(["load", *command, "--json"]) == cli.OK
        assert json.loads(capsys.readouterr().out)[0]["rows_in"] == 2


def test_the_kind_of_churn_is_asked_for_or_taken_from_the_settings(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*more: str) -> str:
        assert cli.main(["churn", "--as-of", "2025-07-01", *more]) == cli.FAILED
        return " ".join(capsys.readouterr().err.replace("\u2502", " ").split())

    Warehouse.open("crm.duckdb").close()
    assert "no contract before 2025-07-01" in told("--kind", "contract")
    (here / "crm.toml").write_text("[churn]\nkind = 'contract'\n")
    assert "no contract before 2025-07-01" in told()
    assert "no purchase before 2025-07-01" in told("--kind", "purchase")


def test_training_all_models_leaves_out_what_the_data_do_not_allow(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {name: trained_models.KINDS[name] for name in ("contract_churn", "rfm")}
    monkeypatch.setattr(trained_models, "KINDS", some)
    lines = "".join(f"C{who},o{who},2025-0{1 + who % 6}-10,1,{who},EUR\n" for who in range(30))
    (here / "lines.csv").write_text("customer_id,order_id,order_date,quantity,unit_price,currency\n" + lines)
    assert cli.main(["load", "lines.csv", "--profile", "transactions"]) == cli.OK
    capsys.readouterr()
    assert cli.main(["train", "--as-of", "2025-07-01"]) == cli.OK
    shown = " ".join(capsys.readouterr().out.split())
    assert "No contract_churn model: There is no contract before 2025-07-01" in shown
    assert [path.name for path in (here / "models").iterdir()] == ["rfm-2025-07-01.json"]
    assert cli.main(["train", "contract_churn", "--as-of", "2025-07-01"]) == cli.FAILED


def test_a_file_without_one_good_record_is_no_success(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "inbox").mkdir()
    (here / "inbox" / "lost.csv").write_text(LOST)
    for _ in range(2):  # the second time it is as lost as the first
        assert cli.main(["load", "inbox/lost.csv"]) == cli.SOME_REFUSED
        shown = " ".join(capsys.readouterr().err.replace("\u2502", " ").split())
        assert "lost.csv: none of its 2 records could be loaded" in shown
        assert "missing_value (2)" in shown
    (here / "inbox" / "customers.csv").write_text(CUSTOMERS.replace("C", "D"))
    assert cli.main(["nightly", "--as-of", "2025-07-01", "--json"]) == cli.SOME_REFUSED
    told = capsys.readouterr()
    step = json.loads(told.out)["steps"][0]
    assert (step["name"], step["status"]) == ("load", "warned")
    assert "lost.csv (still_set_aside)" in step["note"]
    assert "lost.csv" in told.err


def test_files_that_no_reader_takes_are_named(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = here / "exports"
    folder.mkdir()
    for name in ("notes.pdf", "README", ".hidden"):
        (folder / name).write_text("x")
    assert cli.main(["load", "exports"]) == cli.USAGE
    assert "no export file in it" in capsys.readouterr().err
    (folder / "customers.csv").write_text(CUSTOMERS)
    assert cli.main(["load", "exports"]) == cli.OK
    shown = capsys.readouterr().out
    assert "skipped: notes.pdf" in shown
    assert "skipped: README" in shown
    assert "hidden" not in shown
    assert cli.main(["load", "exports", "--json"]) == cli.OK
    statuses = {one["file"]: one["status"] for one in json.loads(capsys.readouterr().out)}
    assert statuses == {"customers.csv": "unchanged", "README": "skipped", "notes.pdf": "skipped"}


def test_a_missing_path_is_told_before_anything_is_loaded(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "customers.csv").write_text(CUSTOMERS)
    assert cli.main(["load", "customers.csv", "nope.csv"]) == cli.USAGE
    assert "nope.csv: no such file" in capsys.readouterr().err
    assert not (here / "crm.duckdb").exists()


def test_an_unreadable_file_is_refused_by_name_and_the_others_go_on(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "exports").mkdir()
    (here / "exports" / "a.csv").write_text(CUSTOMERS)
    (here / "exports" / "b.csv").write_text(CUSTOMERS.replace("C", "D"))
    opened = Path.open

    def locked(path: Path, *how: Any, **options: Any) -> Any:
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *how, **options)

    monkeypatch.setattr(Path, "open", locked)
    assert cli.main(["load", "exports", "--json"]) == cli.SOME_REFUSED
    refused, loaded = json.loads(capsys.readouterr().out)
    assert (refused["file"], refused["status"], refused["reasons"]) == ("a.csv", "refused", {"unreadable": 0})
    assert (loaded["file"], loaded["rows_loaded"]) == ("b.csv", 2)
    assert cli.main(["load", "exports/a.csv"]) == cli.FAILED
    assert "a.csv: the file cannot be read (Permission denied)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_in_plain_words(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read_only(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    Warehouse.open("crm.duckdb").close()
    monkeypatch.setattr("crm_analytics.warehouse.locking.os.open", read_only)
    assert cli.main(["loads"]) == cli.FAILED
    shown = capsys.readouterr().err
    assert "a folder that you may write to" in " ".join(shown.replace("\u2502", " ").split())
    assert "defect" not in shown


def test_ctrl_c_while_a_file_is_read_stops_in_words(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "customers.csv").write_text(CUSTOMERS)

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Query interrupted")

        def close(self) -> None: ...

    make = Sandbox.__init__

    def interrupted(sandbox: Sandbox, **options: Any) -> None:
        make(sandbox, **options)
        sandbox._connection.close()
        vars(sandbox)["_connection"] = Interrupted()

    monkeypatch.setattr(Sandbox, "__init__", interrupted)
    monkeypatch.setattr(Sandbox, "register", lambda *_: None)
    assert cli.main(["load", "customers.csv"]) == cli.STOPPED
    assert "Stopped; the warehouse is as it was before this file." in capsys.readouterr().err
    monkeypatch.undo()
    with Warehouse.open(here / "crm.duckdb") as wh:
        assert wh.value("select count(*) from ops.loads") == 0


def live_day(folder: Path) -> Any:
    live = live_run(folder / "published")
    return live and live["as_of"]


def test_an_earlier_night_does_not_take_back_the_live_one_by_accident(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "inbox").mkdir()
    (here / "inbox" / "customers.csv").write_text(CUSTOMERS)
    assert cli.main(["nightly", "--as-of", "2025-07-01"]) == cli.OK
    assert cli.main(["nightly", "--as-of", "2025-06-30"]) == cli.USAGE
    assert "would be taken back" in " ".join(capsys.readouterr().err.replace("\u2502", " ").split())
    assert live_day(here) == "2025-07-01"
    assert cli.main(["nightly", "--as-of", "2025-06-30", "--accept", "July was wrong"]) == cli.OK
    assert live_day(here) == "2025-06-30"


def test_every_load_is_listed_newest_first_and_those_that_changed_nothing_can_be_hidden(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "a.csv").write_text(CUSTOMERS)
    (here / "b.csv").write_text(CUSTOMERS.replace("C", "D"))
    assert cli.main(["load", "a.csv", "b.csv", "b.csv"]) == cli.OK
    capsys.readouterr()
    for words, expected in (["--json"], [3, 2, 1]), (["--hide-unchanged", "--json"], [2, 1]):
        assert cli.main(["loads", *words]) == cli.OK
        assert [one["load_id"] for one in json.loads(capsys.readouterr().out)] == expected


def test_lifetime_value_fits_a_terminal_and_json_has_the_rest(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "customers.csv").write_text(CUSTOMERS)
    assert cli.main(["load", "customers.csv"]) == cli.OK
    capsys.readouterr()
    assert cli.main(["clv", "--as-of", "2025-07-01"]) == cli.OK
    shown = capsys.readouterr().out
    assert "probability_alive" in shown
    assert "status_reason" not in shown


def test_models_of_lifetime_value_are_compared_and_the_winner_is_explained(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = {f"C{n:02d}": build.daily("2024-01-01", 2 + n % 4, 9 + n) for n in range(40)}
    with Warehouse.open(here / "crm.duckdb", reporting_currency="EUR") as wh:
        build.add(wh, "order_lines", build.order_lines_of(days))
    assert cli.main(["clv", "--compare", "--as-of", "2024-03-01"]) == cli.OK
    shown = capsys.readouterr().out
    assert "has the lowest BIC; the history is too short to predict a past window" in shown
    assert "mae alone is a poor yardstick" in shown
    for name in ("bg_nbd", "zero", "mean", "same_rate"):
        assert name in shown


def test_the_list_of_calls_is_read_from_the_last_night_with_the_settings(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Warehouse.open("crm.duckdb").close()
    assert cli.main(["actions", "--as-of", "2024-07-01"]) == cli.FAILED
    assert "There is no churn probability of 2024-07-01" in capsys.readouterr().err
    (here / "crm.toml").write_text("[actions]\ncapacity = 1\nsave_rate = 0.2\ncontact_cost = 5\n")
    with Warehouse.open(here / "crm.duckdb", reporting_currency="EUR") as wh:
        lines = build.order_lines_of({"rich": ["2024-06-01"], "poor": ["2024-06-01"]})
        build.add(wh, "order_lines", lines)
        night(wh, date(2024, 7, 1), {"rich": {"p": 0.5, "value": 400.0}, "poor": {"p": 0.9, "value": 100.0}})
    assert cli.main(["actions", "--as-of", "2024-07-01", "--json"]) == cli.OK
    [row] = json.loads(capsys.readouterr().out)
    assert (row["customer_id"], row["expected_saved_margin"]) == ("default:rich", 35.0)
    assert cli.main(["actions", "--as-of", "2024-07-01"]) == cli.OK
    assert "silent 64 days" in capsys.readouterr().out
