"""Can a value from the data act on the terminal, and does a machine get clean JSON?"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from crm_analytics.cli import output

ESCAPES = "\x1b[2J\x1b]0;owned\x07 \r\nline \u202egnp.exe \x9b31m [red]markup[/red] :smile:"


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": [ESCAPES, "b"],
            "lifetime_revenue": [float("nan"), 1234.5678],
            "count": pd.array([None, 3], dtype="Int64"),
        }
    )


def test_values_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_frame("title " + ESCAPES, frame(), as_json=False, limit=5)
    output.print_lines(ESCAPES)
    output.print_error("Failed", ESCAPES)
    for text in capsys.readouterr():
        assert not set(text) & set("\x1b\x07\r\u202e\x9b")
        assert "\\u202egnp.exe" in text
        assert "[red]" in text
        assert ":smile:" in text


def test_joiners_of_persian_text_stay(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_lines("می\u200cخواهم")
    assert "می\u200cخواهم" in capsys.readouterr().out


def test_json_has_null_for_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_frame("t", frame(), as_json=True, limit=1)
    rows = json.loads(capsys.readouterr().out)
    assert rows[0] == {"customer_id": ESCAPES, "lifetime_revenue": None, "count": None}
    assert rows[1] == {"customer_id": "b", "lifetime_revenue": 1234.5678, "count": 3}


def test_json_knows_the_types_of_results(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"a": [np.int64(3), np.bool_(True), Decimal("1.10"), date(2025, 7, 1), pd.NaT, pd.NA]})
    assert json.loads(capsys.readouterr().out) == {"a": [3, True, "1.10", "2025-07-01", None, None]}


def test_a_long_table_says_how_much_it_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_frame("t", frame(), as_json=False, limit=1)
    assert "1 more rows; --limit shows more" in capsys.readouterr().out


def test_long_names_of_a_wide_table_break_at_their_underscores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "_FILE_WIDTH", 36)
    output.print_table("T", ["model", "rank_correlation", "total_error"], [["mbg_nbd", "0.3936", "0.0367"]])
    shown = capsys.readouterr().out
    assert "correlation" in shown
    assert "rank_" in shown
    assert "0.3936" in shown
    output.print_table("T", ["model", "total_error"], [["mbg_nbd", "0.0367"]])
    assert "total_error" in capsys.readouterr().out
