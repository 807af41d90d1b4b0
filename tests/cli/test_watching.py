"""Do monitor and rollback say what there is, in words and in JSON, and what is wrong by their exit code?"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from crm_analytics import cli
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import publish
from crm_analytics.warehouse.run_log import begin
from tests.warehouse.test_publish import AS_OF, TABLES, with_scores

BEFORE = AS_OF - timedelta(days=30)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_night_there_is_nothing_to_look_at_or_to_go_back_to(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Warehouse.open("crm.duckdb").close()
    assert cli.main(["monitor"]) == cli.FAILED
    assert "No night was published yet" in capsys.readouterr().err
    assert cli.main(["rollback", "--reason", "a mistake"]) == cli.USAGE
    assert "nothing is published there yet" in capsys.readouterr().err


def test_two_nights_are_compared_and_the_first_made_live_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings.default(here)
    with Warehouse.open(settings.warehouse.path) as wh:
        for night, silent in ((BEFORE, 0), (AS_OF, 30)):
            wh.execute(
                "insert into scores.customer_scores by name "
                "select $night as as_of, 'shop:' || i as customer_id, 'shop' as source_system, "
                "i as source_id, false as is_excluded, false as has_opted_out, "
                "i + $silent as days_since_last_order, 2 as order_count, "
                "'ok' as value_status, 'ok' as churn_status from range(100) as t (i)",
                night=night,
                silent=silent,
            )
            with begin(wh, as_of=night, parameters={}) as log:
                log.finish("published")
            publish(
                with_scores(wh, value=silent),
                settings.paths.published,
                log.run_id,
                TABLES,
                as_of=AS_OF,
                made_from={},
            )
    assert cli.main(["monitor", "--json"]) == cli.OK
    found = json.loads(capsys.readouterr().out)
    assert (found["as_of"], found["since"]) == (AS_OF.isoformat(), BEFORE.isoformat())
    first = found["drift"][0]
    assert (first["column_name"], first["verdict"]) == ("days_since_last_order", "large")
    assert cli.main(["monitor", "--since", BEFORE.isoformat()]) == cli.OK
    told = capsys.readouterr().out
    assert "1 of 7 columns moved clearly" in told
    assert "the typical customer has 30 days more than on 2025-06-01 (80, was 50)" in told
    assert cli.main(["rollback", "--reason", "wrong prices", "--json"]) == cli.OK
    live = json.loads(capsys.readouterr().out)
    assert live["run_id"] == f"{BEFORE.isoformat()}-001"
