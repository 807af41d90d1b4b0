"""Does every SQL file keep the promises of its header?  One test per promise, over all files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from crm_analytics.warehouse import SqlFile, Warehouse, all_sql_files

FILES = [file for file in all_sql_files() if file.kind != "table"]
TABLES = [file for file in all_sql_files() if file.kind == "table"]
SCHEMAS = {"entities", "facts", "scores", "ops"}
LOW_FLOORS = {"facts", "warehouse", "entities", "ingest", "records"}
CLOCK = re.compile(r"\b(current_date|current_timestamp|current_time|now|today|localtimestamp)\b", re.I)


@pytest.fixture(scope="module")
def empty() -> Iterator[Warehouse]:
    """A warehouse without a row, to be asked about its tables and its grammar."""
    with Warehouse.open() as wh:
        yield wh


def name_of(file: SqlFile) -> str:
    return "/".join(file.path.parts[-2:])


def test_there_are_sql_files_to_test() -> None:
    assert len(FILES) > 15
    assert len(TABLES) > 5


@pytest.mark.parametrize("file", all_sql_files(), ids=name_of)
def test_a_sql_file_says_what_it_answers_and_has_no_clock(file: SqlFile) -> None:
    assert file.purpose.endswith(("?", ".")), f"{file.path.name}: the purpose is a question"
    assert "?" in file.purpose
    assert all(file.columns.values()), f"{file.path.name}: every column has a meaning"
    code = re.sub(r"--[^\n]*", "", file.text)
    assert not CLOCK.search(code), f"{file.path.name} asks the clock; take as_of as a parameter"
    assert file.text == file.text.rstrip() + "\n"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_reads_equals_the_tables_of_the_parse_tree(file: SqlFile, empty: Warehouse) -> None:
    assert set(file.reads) == set(_tables_read(file, empty)), file.path.name


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_sql_of_the_upper_floors_reads_only_facts_features_and_scores(file: SqlFile) -> None:
    folder = file.path.relative_to(_package_root(file)).parts[0]
    if folder in LOW_FLOORS:
        return
    for read in file.reads:
        assert read.partition(".")[0] in {"facts", "scores"}, f"{file.path.name} reads {read}"


@pytest.mark.parametrize("file", TABLES, ids=name_of)
def test_a_table_has_exactly_the_columns_its_header_describes(file: SqlFile, empty: Warehouse) -> None:
    created = re.search(r"create table if not exists (\w+)\.(\w+)", file.text)
    assert created, file.path.name
    found = empty.rows(
        "select column_name from duckdb_columns() where schema_name = $s and table_name = $t "
        "order by column_index",
        s=created[1],
        t=created[2],
    )
    assert [row[0] for row in found] == list(file.columns)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_ends_in_explicit_columns(file: SqlFile) -> None:
    code = re.sub(r"--[^\n]*", "", file.text)
    last_select = code.lower().rsplit("select", 1)[1]
    assert not re.match(r"\s*\*", last_select), f"{file.path.name} ends in select *"


def _package_root(file: SqlFile) -> Any:
    return next(parent for parent in file.path.parents if parent.name == "crm_analytics")


def _tables_read(file: SqlFile, wh: Warehouse) -> Iterator[str]:
    tree = json.loads(wh.value("select json_serialize_sql($text)", text=file.text))
    assert not tree["error"], f"{file.path.name}: {tree.get('error_message')}"
    yield from _walk(tree)


def _walk(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "BASE_TABLE" and node["schema_name"] in SCHEMAS:
            yield f"{node['schema_name']}.{node['table_name']}"
        if node.get("type") == "TABLE_FUNCTION" and node["function"]["schema"] in SCHEMAS:
            yield f"{node['function']['schema']}.{node['function']['function_name']}"
        for value in node.values():
            yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


# The tests below run every query over the sample company (fixture `company` of tests/conftest.py).

AS_OF = date(2025, 1, 1)


def _arguments(file: SqlFile) -> dict[str, Any]:
    """Plausible values for every parameter name used anywhere in the package."""
    known = {
        "as_of": AS_OF,
        "customer_id": "default:C000004",
        "record_ids": ["default:C000004"],
        "until_on": AS_OF,
        "from_on": date(2024, 7, 1),
        "known_at": None,
        "horizon_days": 90,
        "gap_days": 30,
        "odd": [],
        "active_days": 365,
        "window_days": 36500,
        "new_only": False,
        "k": 5,
        "period_days": 30,
        "cool_down_days": 30,
        "rise_days": 28,
        "born_before": AS_OF,
        "high_margin_rate": None,
        "at_risk_days": None,
        "lapsed_days": None,
        "is_current_only": False,
        "segmentation": "rfm",
        "period": "month",
        "money": "net_spend",
        "a_share": 0.8,
        "b_share": 0.95,
        "channel": "email",
        "is_for_sending": False,
    }
    return {name: known[name] for name in file.parameters}


def _run(wh: Warehouse, file: SqlFile) -> Any:
    arguments = _arguments(file)
    if file.kind == "facts":
        given = {name: value for name, value in arguments.items() if name != "known_at"}
        places = ", ".join(f"${name}" for name in given)
        return wh.arrow(f"select * from facts.{file.path.stem}({places})", **given)
    return wh.arrow(file, **arguments)


RUNNABLE = [f for f in FILES if f.kind in {"facts", "features", "label", "score", "check", "quality", "kpi"}]
HOLDABLE = [f for f in FILES if f.kind == "facts" and set(f.parameters) <= {"as_of", "known_at"}]


def _what_others_rest_on_first() -> list[str]:
    """Names of the facts of one day, each after those it reads."""
    names = {f"facts.{file.path.stem}": file for file in HOLDABLE}
    order: list[str] = []

    def add(name: str) -> None:
        for read in names[name].reads:
            if read in names:
                add(read)
        if name not in order:
            order.append(name)

    for name in names:
        add(name)
    return [name.partition(".")[2] for name in order]


@pytest.fixture(scope="module")
def day(company: Warehouse) -> Iterator[Warehouse]:
    """The sample company with the facts of AS_OF computed once: planning them in every file takes minutes."""
    with company.holding(*_what_others_rest_on_first(), as_of=AS_OF):
        yield company


@pytest.fixture(scope="module")
def poisoned_day(company_with_a_poisoned_future: Warehouse) -> Iterator[Warehouse]:
    """The same of the company with a poisoned future."""
    with company_with_a_poisoned_future.holding(*_what_others_rest_on_first(), as_of=AS_OF):
        yield company_with_a_poisoned_future


@pytest.mark.parametrize("file", RUNNABLE, ids=name_of)
def test_the_header_names_the_columns_returned_and_the_grain_is_unique(file: SqlFile, day: Warehouse) -> None:
    table = _run(day, file)
    assert table.column_names == list(file.columns)
    if file.grain and table.num_rows:
        keys = table.select(list(file.grain)).group_by(list(file.grain)).aggregate([])
        assert keys.num_rows == table.num_rows, f"{file.path.name}: rows repeat by {file.grain}"


@pytest.mark.parametrize("file", RUNNABLE, ids=name_of)
def test_later_events_do_not_change_the_result(
    file: SqlFile, day: Warehouse, poisoned_day: Warehouse
) -> None:
    if file.kind in {"label", "check", "quality"}:
        return  # labels look ahead on purpose; checks and quality look at everything there is
    if file.path.stem == "refusals_known":
        return  # whoever has refused by now is sent nothing, whatever the day of the list (decision 0017)
    before = _sorted_rows(_run(day, file), file)
    after = _sorted_rows(_run(poisoned_day, file), file)
    assert before == after, f"{file.path.name} sees the future"


def _sorted_rows(table: Any, file: SqlFile | None = None) -> list[str]:
    if file is not None and "facts.refusals_known" in file.reads:
        # lists to be sent: only whom they leave out may depend on what was said later
        table = table.drop_columns([name for name in SAYS_NO if name in table.column_names])
    return sorted(repr(tuple(row.values())) for row in table.to_pylist())


SAYS_NO = ("is_refused", "has_opted_out", "has_refused_phone")
LATER = date(2027, 1, 1)


# What nights said of customers is no entity: tests/facts/test_nights.py asks it.
OF_ENTITIES = [
    f for f in RUNNABLE if f.kind == "facts" and not any(read.startswith("scores.") for read in f.reads)
]


@pytest.mark.parametrize("file", OF_ENTITIES, ids=name_of)
def test_the_poison_is_in_what_a_later_day_sees(
    file: SqlFile, company: Warehouse, company_with_a_poisoned_future: Warehouse
) -> None:
    """Without this, the test above could pass because nothing was poisoned."""
    given = {name: LATER for name in file.parameters if name != "known_at"}
    query = f"select * from facts.{file.path.stem}({', '.join('$' + name for name in given)})"
    if "from_on" in given:
        given["from_on"] = AS_OF
    given |= {name: _arguments(file)[name] for name in given if name in ("channel", "is_for_sending")}
    clean = _sorted_rows(company.arrow(query, **given))
    poisoned = _sorted_rows(company_with_a_poisoned_future.arrow(query, **given))
    # the sample company has a rate for all that it sells
    assert clean or file.path.stem.startswith("unconverted_"), "nothing for the sample company"
    assert clean != poisoned
