"""Does crm.toml say what is wrong with it, and does it mean what it says?"""

import re
import tomllib
from pathlib import Path

import pytest

from crm_analytics.errors import SettingsError
from crm_analytics.settings import Settings, init_toml


def write(folder: Path, text: str) -> Path:
    file = folder / "crm.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_unknown_key_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"'horizon_day' in \[churn\]; did you mean 'horizon_days'\?"):
        Settings.load(write(tmp_path, "[churn]\nhorizon_day = 60\n"))


def test_an_unknown_section_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown section \[warehose\]; did you mean 'warehouse'\?"):
        Settings.load(write(tmp_path, "[warehose]\npath = 'x.duckdb'\n"))


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = "[churn]\nhorizon_days = '90'\nactive = 3\n[value]\nmargin_rate = 40\n"
    with pytest.raises(SettingsError, match=r"margin_rate = 40.*0 to 1.*'active' in.*whole number"):
        Settings.load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[churn]\nhorizon_days = true", "must be a whole number"),
        ("[churn]\nhorizon_days = 0", "out of range: use 1 to 3660"),
        ("[offers]\nnew_only = 1", "must be true or false"),
        ("[offers]\nrank_by = 'profit'", "must be one of 'expected_value', 'probability'"),
        ("[warehouse]\npath = 3", "must be text"),
        ("[warehouse]\ntimezone = ' '", "is empty"),
        ("[value]\nannual_discount_rate = nan", "out of range"),
        ("churn = 3", r"must be a section: write \[churn\]"),
        ("[churn", "not a TOML file"),
        ("[warehouse]\nmemory_limit = 'lots'", r"\[warehouse\] memory_limit = 'lots' is not allowed: .*4GB"),
        ("[ingest]\ndecimal = ';'", r"decimal = ';' must be one of '\.', ','"),
        ("[ingest]\ndelimiter = ''", "delimiter = '' is empty"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.load(write(tmp_path, text))


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"crm\.toml: no such file.*crm-analytics init"):
        Settings.load(tmp_path)


def test_relative_paths_are_relative_to_the_crm_toml(tmp_path: Path) -> None:
    settings = Settings.load(write(tmp_path, "[warehouse]\npath = 'data/a.duckdb'\n[paths]\ninbox = '/in'\n"))
    assert settings.warehouse.path == tmp_path / "data" / "a.duckdb"
    assert settings.paths.inbox == Path("/in")
    assert settings.paths.published == tmp_path / "published"


def test_the_commented_file_of_init_changes_nothing_and_can_be_uncommented(tmp_path: Path) -> None:
    assert Settings.load(write(tmp_path, init_toml())) == Settings.default(tmp_path)
    uncommented = re.sub(r"(?m)^#(\w+ = )", r"\1", init_toml())
    given = tomllib.loads(uncommented)
    assert len(given["paths"]) == 5
    Settings.from_mapping(given, folder=tmp_path)


def test_the_commented_file_tells_defaults_from_examples() -> None:
    lines = init_toml().splitlines()

    def comment(setting: str) -> str:
        return lines[next(n for n, line in enumerate(lines) if line.startswith(f"#{setting} = ")) - 1]

    assert "Choose before the first load: it cannot change once data are in" in comment("timezone")
    assert "default: UTC; below is an example" in comment("timezone")
    assert "Choose before the first load" in comment("reporting_currency")
    assert "default: none" in comment("reporting_currency")
    assert "at least the horizon; below is an example" in comment("active_days")
    assert comment("k").endswith("default: 5")
    assert comment("new_only").endswith("default: false")


def test_the_inbox_may_say_how_its_files_are_written(tmp_path: Path) -> None:
    given = "[ingest]\nencoding = 'cp1252'\ndelimiter = \"\\t\"\ndecimal = ','\nskip_rows = 0\n"
    ingest = Settings.load(write(tmp_path, given)).ingest
    assert (ingest.encoding, ingest.delimiter, ingest.decimal, ingest.skip_rows) == ("cp1252", "\t", ",", 0)
