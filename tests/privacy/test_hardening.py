"""Rows of the security table: markup, path names, secrets, the network, and texts made to be slow."""

from __future__ import annotations

import csv
import re
import socket
import time
import traceback
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import crm_analytics as crm
from crm_analytics.errors import CrmError, UsageError
from crm_analytics.ingest.identity import link_records
from crm_analytics.normalise.addresses import fold_street
from crm_analytics.normalise.emails import fold_email
from crm_analytics.normalise.names import fold_name
from crm_analytics.normalise.phones import fold_phone
from crm_analytics.privacy.subject_export import guarded
from crm_analytics.warehouse import Warehouse
from crm_analytics.warehouse.publish import publish, read_scores

CANARY = "kanarie-secret"
AS_OF = date(2025, 7, 1)
PATHS = [
    *("../x", "../../etc/passwd", "a/../../b", "/etc/passwd", "..", ".", "~/x", "~root", "a/b", "a\\b"),
    *("C:\\x", "c:/x", "\\\\host\\x", "//host/x", "file:///etc/passwd", "nul.txt.", "x\x00y", "x\ny"),
    *(
        "..%2fx",
        "%2e%2e/x",
        "\uff0e\uff0e/x",
        "\u2024\u2024/x",
        "\u202ex/..",
        "x" * 300,
        "",
        " ",
        ".staging-x",
    ),
    *("run 1", "$HOME", "`id`", "x;y"),
]


class Tags(HTMLParser):
    """The elements and attribute names of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, *sorted(name for name, _ in attrs)))


def test_markup_in_names_adds_no_element_and_no_attribute(shared_data: Path, tmp_path: Path) -> None:
    """S5: every customer of the corpus's file of injections, in the HTML of a notebook."""
    plain = tmp_path / "customers.csv"
    plain.write_text(
        "customer_id,name,email,phone,country,created_at\nP1,Ada,a@example.com,+49301,DE,2023-01-01\n"
    )
    with Warehouse.open() as wh:
        crm.load(wh, plain, received_at="2025-06-30")
        crm.load(wh, shared_data / "dirty-inputs" / "customers_html_injection.csv", received_at="2025-06-30")
        allowed = Tags(crm.customer(wh, "P1", as_of=AS_OF)._repr_html_()).found
        for (one,) in wh.rows("select source_id from entities.customers order by source_id"):
            page = crm.customer(wh, one, as_of=AS_OF)._repr_html_()
            assert Tags(page).found <= allowed, one
        assert "{{7*7}}" in crm.customer(wh, "C0003", as_of=AS_OF)._repr_html_()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "published"
    with Warehouse.open() as wh:
        publish(wh, folder, "run-1", {"scores.rfm": ("customer_id",)}, as_of=AS_OF, made_from={})
        folder.parent.joinpath("rfm.parquet").write_bytes(b"outside")
    return folder


@pytest.mark.parametrize("name", PATHS)
def test_a_name_never_leads_out_of_the_folder(published: Path, name: str) -> None:
    """S9: names of runs, of score tables and of layouts; the zip members are in tests/ingest/test_zip.py."""
    before = sorted(published.parent.rglob("*"))
    with Warehouse.open() as wh:
        with pytest.raises(UsageError, match="run_id"):
            publish(wh, published, name, {}, as_of=AS_OF, made_from={})
        with pytest.raises(UsageError, match="profile"):
            crm.load(wh, published / "current.json", profile=name)
    with pytest.raises(UsageError, match="table"):
        read_scores(published, name)
    assert sorted(published.parent.rglob("*")) == before


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    """S13: a database that cannot be reached, and one that cannot be."""
    said = []
    for url in (
        f"postgresql://ada:{CANARY}@127.0.0.1:1/crm",
        f"postgresql://ada:{CANARY}@127.0.0.1:1/crm?connect_timeout=x",
        f"postgres://ada:{CANARY}@:::/crm",
        f"mysql://ada:{CANARY}@127.0.0.1/crm",
    ):
        with pytest.raises(CrmError, match=r"reached|URL|database|file") as caught:
            crm.RecordStore.open(url)
        said += [str(caught.value), repr(caught.value), *traceback.format_exception_only(caught.value)]
    assert [text for text in said if CANARY in text] == []


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Refuse every socket of Python's, and note who asked for one."""
    asked: list[object] = []

    def refuse(*given: object, **named: object) -> Any:
        asked.append(given)
        raise OSError("the network is not there")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


def test_nothing_is_fetched_while_files_are_loaded_and_customers_scored(
    no_network: list[object], tmp_path: Path
) -> None:
    """S16: no socket is asked for, and the database has loaded nothing but what it was built with."""
    file = tmp_path / "transactions.csv"
    lines = [f"C{n % 30},o{n},2024-{n % 12 + 1:02d}-03,S{n % 5},1,{n + 1},EUR" for n in range(200)]
    header = "customer_id,order_id,order_date,sku,quantity,unit_price,currency"
    file.write_text("\n".join([header, *lines]) + "\n")
    with Warehouse.open(tmp_path / "crm.duckdb") as wh:
        crm.load(wh, file)
        assert len(crm.segmentation.rfm(wh, as_of=AS_OF)) == 30
        crm.customer(wh, "C1", as_of=AS_OF)
        publish(wh, tmp_path / "out", "run-1", {"scores.rfm": ("customer_id",)}, as_of=AS_OF, made_from={})
        foreign = wh.rows(
            "select extension_name from duckdb_extensions() "
            "where (loaded or installed) and install_mode not in ('STATICALLY_LINKED', 'UNKNOWN')"
        )
        with pytest.raises(CrmError, match="httpfs"):
            wh.rows("select * from read_csv('https://example.com/x.csv')")
    assert foreign == []
    assert no_network == []


FORMULA = r"\s*[=@\t\r\n＝＠]"
SLOW = ["(" * 1_000_000, "." * 1_000_000, "+" * 1_000_000, "a@" * 500_000, "0 " * 500_000, "ا" * 1_000_000]
FOLDS = [fold_email, fold_phone, fold_name, fold_street]


@pytest.mark.parametrize("fold", FOLDS, ids=lambda fold: fold.__name__)
def test_a_megabyte_of_anything_is_folded_in_linear_time(fold: Any) -> None:
    """S17: a blow-up takes hours for a text of this length, so that a generous limit is one."""
    began = time.process_time()
    for text in SLOW:
        fold(text)
    assert time.process_time() - began < 30


def test_thousands_of_equal_names_are_not_compared_each_with_each() -> None:
    """S17: of twenty thousand people of one name a small share of the 200 million pairs is looked at."""
    names = {
        "name": "Ali Ahmadi",
        "first_name": "Ali",
        "last_name": "Ahmadi",
        "country": "IR",
        "type": "person",
    }
    given = pd.DataFrame([{"record_id": f"s:{number}", **names} for number in range(20_000)])
    began = time.process_time()
    pairs = link_records(pa.Table.from_pandas(given, preserve_index=False))
    assert time.process_time() - began < 60
    assert (pairs["decision"] == "link").sum() == 0


def test_formulas_stay_text_in_what_is_written_for_people(shared_data: Path, tmp_path: Path) -> None:
    """S4: the corpus's file of formulas; one person of it exported and read with a CSV reader."""
    with Warehouse.open() as wh:
        crm.load(
            wh, shared_data / "dirty-inputs" / "customers_formula_injection.csv", received_at="2025-06-30"
        )
        names = dict(wh.rows("select source_id, name from entities.customers order by source_id"))
        assert len(names) == 8
        for name in names.values():
            assert not re.match(FORMULA, guarded(name)), name
            assert name == guarded(name).removeprefix("'")
        crm.export_subject(wh, min(names)).write(tmp_path / "bundle")
    [file] = (tmp_path / "bundle").glob("*customers*.csv")
    with file.open(newline="", encoding="utf-8-sig") as text:
        cells = [cell for row in csv.DictReader(text) for cell in row.values() if cell]
    assert f"'{names[min(names)]}" in cells
    assert [cell for cell in cells if re.match(FORMULA, cell)] == []
