"""Does the main job work from one command, and does a second run change nothing?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_analytics import cli, read_scores
from crm_analytics.warehouse import Warehouse


def test_the_sample_company_is_scored_and_a_second_run_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    assert cli.main(["demo", "--folder", str(folder)]) == cli.OK
    shown = capsys.readouterr().out
    for words in ("Champions", "revenue share", "mean churn probability", "Report: "):
        assert words in shown
    before = {path: path.read_bytes() for path in (folder / "published").rglob("*.parquet")}
    assert cli.main(["demo", "--folder", str(folder), "--json"]) == cli.OK
    again = json.loads(capsys.readouterr().out)
    assert again["is_new"] is False
    assert Path(again["report"]).is_file()
    assert {path: path.read_bytes() for path in (folder / "published").rglob("*.parquet")} == before
    scores = read_scores(folder / "published")
    customers = 2000 - 40  # 2,000 records, 40 of them the same people twice (data/sample/README.md)
    assert len(scores) == customers
    assert scores["customer_id"].is_unique
    with Warehouse.open(folder / "crm.duckdb") as wh:
        assert wh.value("select count(*) from scores.customer_scores") == customers
        assert wh.value("select count(*) from ops.loads where status = 'refused'") == 0


def test_cdnow_gives_the_published_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--data", "cdnow", "--folder", str(tmp_path / "cdnow"), "--json"]) == cli.OK
    figures = json.loads(capsys.readouterr().out)["figures"]
    # Fader, Hardie and Lee (2005), table 2 and figure 2; Fader and Hardie, brucehardie.com/notes/025.
    published = {
        "BG/NBD r": (0.2426, 4),
        "BG/NBD alpha": (4.4136, 4),
        "BG/NBD a": (0.7929, 4),
        "BG/NBD b": (2.4259, 4),
        "BG/NBD log-likelihood (weeks)": (-9582.429, 3),
        "Gamma-Gamma p": (6.25, 2),
        "Gamma-Gamma q": (3.74, 2),
        "Gamma-Gamma v": (15.44, 2),
        "expected repeat purchases in 39 weeks": (1653.4, 1),
        "actual repeat purchases in 39 weeks": (1882, 0),
    }
    assert figures.keys() == published.keys()
    for name, (value, digits) in published.items():
        assert round(figures[name], digits) == value, name
