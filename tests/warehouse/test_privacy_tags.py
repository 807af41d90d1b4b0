"""Is every column of every table tagged, so that a new one cannot be forgotten?"""

from __future__ import annotations

import pytest

from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.masking import masked_select
from crm_analytics.warehouse.privacy_tags import privacy_tags, untagged


def test_every_column_of_every_table_is_tagged() -> None:
    with Warehouse.open() as wh:
        assert untagged(wh) == [], "tag these columns in warehouse/privacy_tags.toml, and say what erase does"


def test_no_tag_is_left_of_a_table_or_column_that_is_gone() -> None:
    with Warehouse.open() as wh:
        held = {
            f"{table}.{column}"
            for table, column in wh.rows(
                "select schema_name || '.' || table_name, column_name from duckdb_columns() "
                "where not internal"
            )
        }
    # those of published copies alone: tests/reports/test_customer_360.py
    mine = {table: tags for table, tags in privacy_tags().items() if tags.erase != "run"}
    tagged = {f"{table}.{column}" for table, tags in mine.items() for column in tags.columns}
    assert sorted(tagged - held) == []


def test_rows_of_a_person_can_be_found_in_every_table_that_loses_them() -> None:
    for table, tags in privacy_tags().items():
        if tags.erase == "rows" and not table.endswith("_versions") and table != "ops.repeats":
            assert tags.keys, table
        for column, entity in tags.keys.items():
            assert tags.columns[column] == "quasi"
            assert entity in entities()


def test_a_key_of_a_person_is_never_tagged_as_harmless() -> None:
    for table, tags in privacy_tags().items():
        for column in ("customer_id", "lead_id", "left_id", "right_id"):
            assert tags.columns.get(column, "quasi") != "none", f"{table}.{column}"


@pytest.mark.parametrize("table", ["ops.quarantine", "entities.customers_versions", "ops.load_issues"])
def test_a_masked_table_shows_nothing_that_is_tagged_pii(table: str) -> None:
    personal = {column for column, tag in privacy_tags()[table].columns.items() if tag == "pii"}
    assert personal
    with Warehouse.open() as wh:
        sql, _ = masked_select(wh, table)
    for column in personal:
        shown = sql[: sql.index(f' as "{column}"')].rpartition(", ")[2].removeprefix("select ")
        assert shown in ("null", "cast('' as VARCHAR)", "cast('' as BLOB)")
