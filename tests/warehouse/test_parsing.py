"""Is a text that is kept as DuckDB parsed it run as if it were parsed each time?"""

from __future__ import annotations

import duckdb
import pytest

from crm_analytics.errors import StoreError
from crm_analytics.warehouse import Warehouse, parsing
from crm_analytics.warehouse.parsing import parsed


def test_names_are_looked_up_at_each_run_and_in_each_warehouse() -> None:
    text = "select * from things"
    with Warehouse.open() as one, Warehouse.open() as other:
        with pytest.raises(StoreError, match="things"):
            one.rows(text)
        one.execute("create table things as select 1 as a")
        other.execute("create table things as select 'x' as b, 2 as c")
        assert (one.rows(text), other.rows(text)) == ([(1,)], [("x", 2)])
        one.execute("drop table things")
        one.execute("create table things as select 3.5 as a")
        assert one.arrow(text).to_pylist()[0]["a"] == one.rows(text)[0][0]


def test_values_are_those_of_each_run() -> None:
    with Warehouse.open() as wh:
        assert [wh.value("select $a * 2", a=number) for number in (1, 2, 21)] == [2, 4, 42]
        assert [wh.arrow("select $a as a", a=text)["a"].to_pylist() for text in ("x", "y")] == [["x"], ["y"]]


@pytest.mark.parametrize("text", ["pragma table_info('t')", "select 1; select 2", "checkpoint"])
def test_what_cannot_be_kept_stays_text(text: str) -> None:
    assert parsed(duckdb.connect(), text) == text


def test_only_the_texts_run_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "KEPT_TEXTS", 2)
    cursor = duckdb.connect()
    first = parsed(cursor, "select 1 as first_of_three")
    parsed(cursor, "select 2 as second_of_three")
    assert parsed(cursor, "select 1 as first_of_three") is first
    parsed(cursor, "select 3 as third_of_three")
    assert list(parsing._kept()) == ["select 1 as first_of_three", "select 3 as third_of_three"]
    monkeypatch.setattr(parsing, "KEPT_CHARACTERS", 60)
    parsed(cursor, "select 4 as fourth_and_longer_than_the_other_one")
    assert list(parsing._kept()) == ["select 4 as fourth_and_longer_than_the_other_one"]
