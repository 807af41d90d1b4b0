"""Does each command say what it did, in words, in JSON and by its exit code?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crm_analytics import cli
from crm_analytics.cli.commands import app
from crm_analytics.settings import Settings


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == cli.OK
    for name in (
        "demo",
        "init",
        "load",
        "loads",
        "rfm",
        "clv",
        "churn",
        "offers",
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
    for command in (["loads"], ["rfm", "--as-of", "2025-01-01"], ["clv", "--as-of", "2025-01-01"]):
        assert cli.main([*command, "--json"]) == cli.OK
        assert json.loads(capsys.readouterr().out) == []


def test_a_question_the_data_cannot_answer_fails_in_words(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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
    assert "ZeroDivisionError in crm_analytics.cli.commands" in shown
    assert "4711" not in shown
    assert "Traceback" not in shown


CUSTOMERS = "customer_id,name,created_at\nC1,Ada,2024-01-01\nC2,Bob,2024-02-01\n"


def test_one_refused_file_does_not_stop_the_others(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "customers.csv").write_text(CUSTOMERS)
    (here / "bad.csv").write_text("this,is,no,export\n1,2,3,4\n")
    assert cli.main(["load", "customers.csv", "bad.csv", "--json"]) == cli.SOME_REFUSED
    shown = capsys.readouterr()
    [load] = json.loads(shown.out)
    assert (load["status"], load["rows_loaded"]) == ("loaded", 2)
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
