"""Does a list reach the record store once, and does what people did with it come back as evidence?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from crm_analytics import actions
from crm_analytics.actions.save_rate import learned
from crm_analytics.ingest.sync import sync
from crm_analytics.records import RecordStore
from crm_analytics.warehouse import Warehouse
from tests import build
from tests.actions.test_call_list import AS_OF, HOW, company, keep

LISTED = pd.DataFrame(
    {
        "customer_id": ["default:a", "shop:b"],
        "source_system": ["default", "shop"],
        "source_id": ["a", "b"],
        "kind": ["alert", "call"],
        "owner_source_id": ["U1", None],
        "due_on": [date(2024, 7, 8)] * 2,
        "churn_probability": [0.72, 0.4],
        "reason_code": ["tickets", None],
        "reason": [
            "complained 3 days ago",
            "risk of 40%, 80 at stake",
        ],
    }
)


def store(path: str | Path = ":memory:", *, day: date = AS_OF) -> RecordStore:
    return RecordStore.open(path, clock=lambda: datetime(day.year, day.month, day.day, 3, tzinfo=UTC))


def test_a_task_says_whom_to_call_why_and_by_when() -> None:
    with store() as records:
        assert actions.write_tasks(records, LISTED, as_of=AS_OF) == 2
        first = records.tasks.get(actions.task_key(AS_OF, "default:a"))
        second = records.tasks.get(actions.task_key(AS_OF, "shop:b"))
    assert first["subject"] == "Call: may leave (72%). complained 3 days ago"
    assert (first["kind"], first["priority"], first["status"]) == ("churn alert", "high", "open")
    assert (first["customer_source_id"], first["owner_source_id"]) == ("a", "U1")
    assert (first["reason"], first["due_on"]) == ("tickets", date(2024, 7, 8))
    assert (second["kind"], second["priority"]) == ("keep", "normal")
    assert (second["customer_source_id"], second["owner_source_id"]) == ("shop:b", None)


def test_a_task_is_written_once_and_what_people_did_with_it_stays() -> None:
    keys = [actions.task_key(AS_OF, customer_id) for customer_id in LISTED["customer_id"]]
    with store() as records:
        actions.write_tasks(records, LISTED, as_of=AS_OF)
        records.tasks.update(keys[0], {"status": "dropped"})
        records.tasks.delete(keys[1])
        assert actions.write_tasks(records, LISTED, as_of=AS_OF) == 0
        assert records.tasks.get(keys[0])["status"] == "dropped"
        assert records.tasks.find() == [records.tasks.get(keys[0])]
        assert actions.write_tasks(records, LISTED, as_of=AS_OF + timedelta(days=1)) == 2


def test_a_key_names_no_customer() -> None:
    key = actions.task_key(AS_OF, "default:ada@example.com")
    assert "ada" not in key
    assert key != actions.task_key(AS_OF + timedelta(days=1), "default:ada@example.com")


def test_the_loop_is_closed_tasks_that_were_done_measure_the_save_rate(tmp_path: Path) -> None:
    """60 of 80 are called; of 30 expected to leave 18 leave: the calls kept two in five."""
    people = {f"c{n:02d}": {"p": 0.5, "value": 200.0} for n in range(80)}
    later = AS_OF + timedelta(days=90)
    with company(people) as wh, store(tmp_path / "crm.records.db", day=AS_OF) as records:
        listed = actions.call_list(wh, as_of=AS_OF, capacity=80, horizon_days=60, **HOW)
        keep(wh, listed, AS_OF)
        actions.write_tasks(records, listed, as_of=AS_OF)
        done = datetime(2024, 7, 4, 12, tzinfo=UTC)
        for customer_id in listed["customer_id"][:60]:
            changes = {"status": "done", "done_at": done, "modified_at": done}
            records.tasks.update(actions.task_key(AS_OF, customer_id), changes)
        sync(wh, records)
        # of the called, 42 buy in the 60 days from the list on; the others, and two a day too late, do not
        names = [customer_id.removeprefix("default:") for customer_id in listed["customer_id"]]
        days = dict.fromkeys(names[:42], "2024-07-20") | dict.fromkeys(names[42:44], "2024-08-30")
        lines = build.order_lines_of({name: [day] for name, day in days.items()})
        build.add(
            wh, "order_lines", [line | {"order_source_id": f"again-{n}"} for n, line in enumerate(lines)]
        )
        early = actions.save_rate(wh, as_of=AS_OF + timedelta(days=59))
        found = actions.save_rate(wh, as_of=later)
        assert (round(early.rate, 4), early.called_count) == (0.1, 0)
        assert found.called_count == 60
        assert found.measured == pytest.approx(1 - 18 / 30)
        assert found.low < early.rate < found.rate < found.measured
        assert found.rate < found.high
        # and the next list uses it
        wh.execute("update scores.churn set as_of = $later", later=later)
        wh.execute("update scores.clv set as_of = $later", later=later)
        assert set(actions.call_list(wh, as_of=later)["save_rate"]) == {found.rate}


def judged(count: int, left: int) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": range(count), "has_left": [1] * left + [0] * (count - left)}).assign(
        churn_probability=0.5
    )


def test_without_a_call_the_assumed_rate_holds() -> None:
    with Warehouse.open(reporting_currency="EUR") as wh:
        found = actions.save_rate(wh, as_of=AS_OF)
    assert found.rate == pytest.approx(0.1, abs=1e-3)
    assert str(found).endswith("assumed: no call has been judged yet")


def test_calls_that_chance_made_look_useless_do_not_end_the_list() -> None:
    """Of 60 called 30 were expected to leave and 34 left: with thousands like them it would be proof."""
    chance, proof, kept = learned(judged(60, 34)), learned(judged(6000, 3400)), learned(judged(6000, 2100))
    assert [chance.measured, proof.measured] == pytest.approx([-4 / 30] * 2)
    assert 0.03 < chance.rate < 0.1
    assert 0.0 < proof.rate < 0.005
    assert kept.rate == pytest.approx(kept.measured, abs=0.01)
    with company({"a": {"p": 0.9, "value": 5000.0}}) as wh:
        assert len(actions.call_list(wh, as_of=AS_OF, save_rate=chance.rate)) == 1


def test_calls_to_one_customer_are_one_piece_of_evidence() -> None:
    apart, same = judged(60, 12), judged(60, 12).assign(customer_id=[n % 20 for n in range(60)])
    assert learned(same).rate < learned(apart).rate
    assert learned(same).measured == learned(apart).measured
