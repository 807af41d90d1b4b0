"""Can anything that a file says reach the disk, the network or the configuration?"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from crm_analytics.errors import StoreError
from crm_analytics.warehouse import Sandbox

ATTACKS = [
    "select * from read_text('{outside}')",
    "select * from read_csv('{outside}')",
    "select * from read_blob('{outside}')",
    "select * from glob('{folder}/*')",
    "select * from '{outside}'",
    "copy (select 1) to '{folder}/stolen.csv'",
    "copy (select 1) to '{folder}/stolen.parquet'",
    "export database '{folder}/stolen'",
    "attach '{folder}/stolen.duckdb'",
    "install httpfs",
    "load httpfs",
    "select * from read_csv('https://example.org/x.csv')",
    "set enable_external_access = true",
    "set allowed_paths = ['/']",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "set temp_directory = '{folder}'",
    "reset lock_configuration",
    "pragma enable_profiling",
    "create secret s (type s3, key_id 'a', secret 'b')",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_sandbox_refuses(attack: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    with Sandbox() as sandbox, pytest.raises(StoreError, match=r"disabled|locked|does not exist"):
        sandbox.rows(attack.format(outside=outside, folder=tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"outside.txt"}


def test_only_registered_tables_can_be_read() -> None:
    secret = pa.table({"a": [1]})
    with Sandbox() as sandbox:
        with pytest.raises(StoreError, match="secret"):
            sandbox.rows("select * from secret")
        sandbox.register("handed_over", secret)
        assert sandbox.arrow("select a from handed_over").equals(secret)
