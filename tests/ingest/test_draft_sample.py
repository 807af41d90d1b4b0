"""Is it found how an unknown file is written, and whether its first line is one of names?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest import load
from crm_analytics.ingest.check import check_profile
from crm_analytics.ingest.draft import draft_profile
from crm_analytics.warehouse import Warehouse
from tests.ingest.drafted import RECEIVED, drafted


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        ("Kundennr;Name\nK1;Müller\nK2;Jäger\n", "cp1252", "cp1252"),
        ("کد مشتري;نام\nK1;علي\nK2;مهدي\n".replace("ی", "ي"), "cp1256", "cp1256"),
    ],
)
def test_encoding_is_guessed_where_it_is_not_utf8(
    tmp_path: Path, text: str, encoding: str, expected: str
) -> None:
    _, draft = drafted(tmp_path, text, encoding)
    assert f'encoding = "{expected}"' in draft


PERSONAL = ("Ada Example", "ada@example.com", "+49 30 1234567", "1980-02-01")
RECORDS = (
    "K1,Ada Example,ada@example.com,+49 30 1234567,1980-02-01,Springfield\n"
    "K2,Bob Example,bob@example.com,+49 30 7654321,1981-02-01,Springfield\n"
)


def test_a_file_without_header_row_shows_kinds_and_places_but_no_values(tmp_path: Path) -> None:
    file, text = drafted(tmp_path, RECORDS)
    assert not any(value in text for value in (*PERSONAL, "Springfield", "K1"))
    assert "DECIDE: the first line seems to hold values" in text
    assert 'header = ["column_1", "column_2", "column_3", "column_4", "column_5", "column_6"]' in text
    assert '"column_3" = []  # e-mail address (all 2)' in text, "the first line counts as a record"
    for name in (None, "customers"):
        [found] = check_profile(file, name, received_at=RECEIVED)
        assert found.refusal is not None
        assert not any(value in found.refusal for value in PERSONAL)
        assert "column 2 (text), column 3 (email), column 4 (phone), column 5 (date)" in found.refusal
        assert "does the file have a header row? What may be a value is not shown" in found.refusal
        [shown] = check_profile(file, name, received_at=RECEIVED, show_values=True)
        assert "Ada Example" in str(shown.refusal)
        with Warehouse.open() as wh:
            with pytest.raises((FileRefused, ProfileError)) as refusal:
                load(wh, file, profile=name)
            assert str(refusal.value) == found.refusal


def test_a_header_in_words_that_no_list_knows_is_taken_when_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text("Avain;Nimi2;Kaupunki2\nK1;Ada;Espoo\nK2;Bob;Turku\n")
    assert "Avain" not in draft_profile(file)
    assert '"Avain" = []' in draft_profile(file, has_header=True)


def test_first_line_of_unknown_words_is_a_header_where_dates_and_numbers_stand_below(tmp_path: Path) -> None:
    text = "Avain;Nimi;Päivä;Summa2\nK1;Ada;2024-01-02;12,50\nK2;Bob;2024-01-03;9,00\n".replace(
        "2\n", "\n", 1
    )
    assert '"Päivä"' in drafted(tmp_path, text)[1]
    assert "Ada" not in drafted(tmp_path, "Ada;Espoo;K1;ok\nBob;Turku;K2;12,50\n")[1]
