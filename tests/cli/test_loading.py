"""From a shell: what was set aside is looked at, mended and replayed; loads are listed and taken back."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from crm_analytics import cli
from crm_analytics.cli import output
from crm_analytics.warehouse import Warehouse

SALES = (
    "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency\n"
    "C1,O1,2024-01-04,P1,Mug,1,10,EUR\nC2,O2,04.01.24,P1,Mug,1,10,EUR\nC3,O3,2024-01-04,P1,Jug,one,10,EUR\n"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_text(SALES)
    return tmp_path


Said = Any


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command that succeeds; return its JSON, or what it printed."""

    def run(*words: str, code: int = cli.OK) -> Any:
        capsys.readouterr()
        assert cli.main(words) == code, capsys.readouterr().err
        told = capsys.readouterr()
        return (
            json.loads(told.out)
            if "--json" in words
            else told.out + " ".join(told.err.replace("\u2502", " ").split())
        )

    return run


def test_records_set_aside_are_looked_at_mended_and_replayed(here: Path, say: Said) -> None:
    Warehouse.open("crm.duckdb").close()
    assert "Nothing is in quarantine." in say("quarantine")
    say("load", "sales.csv")
    assert [(one["reason"], one["records"]) for one in say("quarantine", "list", "--json")] == [
        ("bad_date", 1),
        ("bad_number", 1),
    ]
    assert "Q1-3" in say("quarantine", "list", "--records")
    shown = say("quarantine", "show", "Q1-3")
    assert "line 4, column 'quantity'" in shown
    assert "x9,x9,9999-99-99,x9,xxx,xxx,99,xxx" in shown
    assert "C3,O3" in say("quarantine", "show", "1-3", "--show-values")
    assert "Wrote mend/sales.load1.csv (2 records of load 1)" in say("quarantine", "export", "mend")
    assert "may hold corrections" in say("quarantine", "export", "mend", code=cli.USAGE)
    for words in (("list",), ("export", "mend")):
        assert "There is no load 9." in say("quarantine", *words, "--load", "9", code=cli.USAGE)
    file = here / "mend" / "sales.load1.csv"
    file.write_text(file.read_text().replace("04.01.24", "2024-01-04"))
    [account] = say("replay", "mend/sales.load1.csv", "--json")
    assert (account["rows_in"], account["rows_loaded"]) == (1, 1)
    assert "nothing_new" in say("replay", "mend/sales.load1.csv")
    [left] = say("quarantine", "list", "--records", "--json")
    assert left["id"] == "Q1-3"
    assert "Nothing of load 2 is in quarantine." in say("quarantine", "list", "--load", "2")


def test_loads_are_listed_shown_and_withdrawn(here: Path, say: Said) -> None:
    say("load", "sales.csv", "--control", "records=3", "--control", "amount=30")
    record = say("loads", "--show", "1", "--json")
    assert [(one["control"], one["difference"]) for one in record["controls"]] == [
        ("records", "0.0000"),
        ("amount", "-20.0000"),
    ]
    assert [one["reason"] for one in record["reasons"]] == ["bad_date", "bad_number"]
    assert "There is no load 9" in say("loads", "--show", "9", code=cli.USAGE)
    told = say("unload", "1", "--reason", "the wrong shop")
    assert "Withdrawn: load 1 (sales.csv); rows that no longer count: 1 of order_lines." in told
    [load] = say("loads", "--json")
    assert (load["status"], load["reason"], load["rows_open"]) == ("withdrawn", "the wrong shop", 0)
    assert "was withdrawn on" in say("unload", "1", code=cli.USAGE)


def test_load_says_how_totals_compare_and_what_a_snapshot_removed(here: Path, say: Said) -> None:
    told = say("load", "sales.csv", "--control", "records=3", "--control", "amount=30")
    assert "records agrees: the source says 3, counted 3" in told
    assert "amount differs by -20: the source says 30, counted 10" in told
    assert "Write it as records=120" in say("load", "sales.csv", "--control", "records", code=cli.USAGE)
    rows = [f"C{n},Name\n" for n in range(10)]
    file = here / "customers.csv"
    for count in (10, 9):
        file.write_text("customer_id,name\n" + "".join(rows[:count]))
        shown = say("load", "customers.csv", "--snapshot")
    assert "rows_removed" in shown
    assert "1 customers are not in the snapshot any more" in shown
    file.write_text("customer_id,name\n" + rows[0])
    refused = say("load", "customers.csv", "--snapshot", code=cli.FAILED)
    assert "8 of 9 customers would be removed" in refused
    assert say("load", "customers.csv", "--snapshot", "--force", "--json")[0]["rows_removed"] == 8


def test_quality_tells_shares_and_what_becomes_of_a_night(here: Path, say: Said) -> None:
    rows = "".join(f"C{n},Name {n},same@example.com\n" for n in range(20))
    (here / "customers.csv").write_text("customer_id,name,email\n" + rows)
    say("load", "customers.csv")
    told = say("quality", "--as-of", "2024-07-01", "--json")
    [finding] = told["findings"]
    assert (finding["check"], finding["gate"], finding["rows"]) == ("duplicates", "warn", 20)
    shares = {(one["check"], one["field"]): one["good_rate"] for one in told["quality"]}
    assert shares["completeness", "name"] == 1
    assert shares["duplicates", "email"] == 0
    shown = say("quality", "--as-of", "2024-07-01")
    assert "warns the night: duplicates: 20 rows (customers.email of default: 100.0% of 20)" in shown
    assert "completeness" in say("quality", "--check", "completeness", "--all", "--by-owner")
    refused = say("quality", "--check", "nosuch", code=cli.USAGE)
    assert "'nosuch' is no check of quality. Checks: completeness, duplicates" in refused


def test_profiles_are_listed_drafted_and_checked(here: Path, say: Said) -> None:
    assert "transactions" in {one["profile"] for one in say("profile", "list", "--json")}
    for words in (("new",), ("check",)):
        assert "'no.csv' does not exist" in say("profile", *words, "no.csv", code=cli.USAGE)
        assert "is a directory" in say("profile", *words, str(here), code=cli.USAGE)
    draft = say("profile", "new", "sales.csv", "--name", "shop")
    assert 'profile = "shop"' in draft
    (here / "shop.toml").write_text(draft)
    [check] = say("profile", "check", "sales.csv", "--profile", "transactions", "--json")
    assert (check["records"], check["reasons"]) == (3, {"bad_date": 1, "bad_number": 1})
    assert "Would come in: 1 of order_lines." in say("profile", "check", "sales.csv")
    words = ("profile", "check", "sales.csv", "--profile", "online_retail_2009")
    assert "Would be refused" in say(*words, code=cli.FAILED)


def test_a_bar_appears_only_when_reading_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.1, 5.0])
    monkeypatch.setattr(output, "monotonic", lambda: next(times))
    started: list[str] = []
    monkeypatch.setattr(Progress, "start", lambda bar: started.append(str(bar.tasks[0].description)))
    with output.byte_progress("load") as progress:
        progress("a.csv", 1, 10)
        assert started == []
        progress("a.csv", 10, 10)
    assert started == ["storing: a.csv"]


def test_exact_numbers_keep_every_digit_that_counts() -> None:
    assert [output.exact(Decimal(one)) for one in ("0.0000", "1234.5000", "-0.0100")] == [
        "0",
        "1,234.5",
        "-0.01",
    ]


def test_a_refused_file_has_its_account_and_a_wrong_option_none(here: Path, say: Said) -> None:
    (here / "odd.csv").write_text("shoe,hat\n1,2\n")
    [account] = say("load", "odd.csv", "--json", code=cli.FAILED)
    assert (account["file"], account["status"], account["load_id"]) == ("odd.csv", "refused", 1)
    assert account["issues"][0]["detail"].startswith("odd.csv: no profile fits")
    told = say("load", "odd.csv", "sales.csv", code=cli.SOME_REFUSED)
    assert "Refused" in told
    assert "no profile fits" in told
    assert len(say("loads", "--json")) == 3
    for option, value, message in (
        ("--profile", "transaction", "Did you mean 'transactions'?"),
        ("--encoding", "cp9999", "encoding='cp9999' is not known"),
        ("--date-format", "%d/%Q", "must be a pattern"),
    ):
        assert message in say("load", "sales.csv", option, value, code=cli.USAGE)
        assert message in say("profile", "check", "sales.csv", option, value, code=cli.USAGE)
    assert len(say("loads", "--json")) == 3


def test_values_of_a_file_without_header_row_are_shown_when_asked_for(here: Path, say: Said) -> None:
    (here / "bare.csv").write_text("K1,Ada Example,ada@example.com\nK2,Bob Example,bob@example.com\n")
    assert "Ada Example" not in say("load", "bare.csv", code=cli.FAILED)
    assert "Ada Example" in say("load", "bare.csv", "--show-values", code=cli.FAILED)
    assert "Ada Example" not in say("profile", "new", "bare.csv")
    assert "Ada Example" in say("profile", "new", "bare.csv", "--header")


def test_a_check_takes_the_options_of_a_load(here: Path, say: Said) -> None:
    header = "customer_id;order_id;order_date;product_id;product;quantity;unit_price"
    (here / "euro.csv").write_text(f"{header}\nC1;O1;04.01.2024;P1;Mug;1;1.234,5\n")
    options = ["--decimal", ",", "--thousands", ".", "--date-format", "%d.%m.%Y", "--guest", "keep"]
    options += ["--timezone", "Europe/Berlin", "--received-at", "2024-02-01", "--default-currency", "EUR"]
    [check] = say("profile", "check", "euro.csv", *options, "--json")
    assert (check["rows"], check["reasons"]) == ({"order_lines": 1}, {})
    [account] = say("load", "euro.csv", *options, "--json")
    assert account["rows_loaded"] == 1


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "crm_analytics", "--help"], capture_output=True, text=True, check=True
    )
    assert "crm-analytics" in done.stdout


def test_a_folder_with_known_tables_that_are_not_loaded_has_loaded_well(here: Path, say: Said) -> None:
    (here / "ticket_tag.csv").write_text("ticket_id,tag,_fivetran_synced\n1,late,\n")
    told = say("load", "ticket_tag.csv", "sales.csv")
    assert "not loaded" in told
    assert "ticket_tag.csv: it has the columns of table 'ticket_tag' of zendesk" in told
    assert "Refused" not in told
    assert [one["reason"] for one in say("loads", "--json")] == [None, "not_loaded"]


def test_what_is_no_number_of_a_load_is_refused_in_words_of_ours(here: Path, say: Said) -> None:
    for words in (("unload", "abc"), ("loads", "--show", "abc"), ("quarantine", "list", "--load", "abc")):
        told = say(*words, code=cli.USAGE)
        assert "'abc' is no number of a load." in told
        assert "valid integer" not in told
    assert "One record: quarantine show Q7-42" in say("quarantine", "list", "Q1", code=cli.USAGE)
