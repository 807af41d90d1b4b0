"""Do exported files come into the warehouse exactly, accounted for to the row?"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_analytics.errors import FileRefused, InputError, ProfileError, UsageError
from crm_analytics.ingest import Load, load
from crm_analytics.warehouse import Warehouse

HEADER = "customer_id,order_id,order_date,product_id,product,quantity,unit_price,currency"
RECEIVED = date(2025, 6, 30)


@pytest.fixture
def wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


def write(folder: Path, name: str, *records: str, header: str = HEADER) -> Path:
    path = folder / name
    path.write_bytes("\n".join([header, *records, ""]).encode())
    return path


def line(number: int, **changed: str) -> str:
    fields = {
        "customer_id": f"C{number % 7}",
        "order_id": f"O{number}",
        "order_date": "2024-02-06",
        "product_id": "P1",
        "product": "Mug",
        "quantity": "2",
        "unit_price": "1.50",
        "currency": "EUR",
    } | changed
    return ",".join(fields.values())


def versions(wh: Warehouse, entity: str = "order_lines") -> list[tuple[Any, ...]]:
    return wh.rows(f"select * from entities.{entity}_versions order by all")


def test_values_arrive_exactly(wh: Warehouse, tmp_path: Path) -> None:
    record = 'C1 ,O1,2024-02-06T10:00:00+02:00,007, Mug 12" ,-2.5,11.25,eur'
    load(wh, write(tmp_path, "a.csv", record), received_at=RECEIVED)
    assert wh.rows(
        "select customer_source_id, order_source_id, occurred_at, product_source_id, product_name, quantity, "
        "unit_price, amount, currency from entities.order_lines"
    ) == [
        (
            "C1",
            "O1",
            datetime(2024, 2, 6, 8, tzinfo=UTC),
            "007",
            ' Mug 12" ',
            Decimal("-2.5000"),
            Decimal("11.2500"),
            Decimal("-28.1250"),
            "EUR",
        )
    ]


def test_quarantine_keeps_the_bytes_and_says_where(wh: Warehouse, tmp_path: Path) -> None:
    file = write(
        tmp_path, "a.csv", line(1), "", line(2, quantity="5 pcs"), '"C3",O3,2024-01-01,,"x\ny",z,1,EUR'
    )
    [account] = load(wh, file, received_at=RECEIVED)
    assert (account.rows_in, account.rows_loaded, account.reasons) == (3, 1, {"bad_number": 2})
    whole = file.read_bytes()
    for number, line_number, column, raw, length, digest, offset, message in wh.rows(
        "select record_number, line_number, column_name, raw, raw_length, raw_sha256, byte_offset, message "
        "from ops.quarantine order by record_number"
    ):
        assert whole[offset : offset + length] == raw
        assert hashlib.sha256(raw).hexdigest() == digest
        assert whole[:offset].count(b"\n") + 1 == line_number
        assert f"a.csv, record {number} (line {line_number}), column 'quantity'" in message
        assert column == "quantity"
    assert "'5 pcs' is refused" in wh.value("select message from ops.quarantine where record_number = 2")


def test_personal_values_are_told_only_when_asked_for(wh: Warehouse, tmp_path: Path) -> None:
    header, record = "customer_id,name", "ada@example.org\u200b,Ada"
    load(wh, write(tmp_path, "a.csv", record, header=header))
    message = wh.value("select message from ops.quarantine")
    assert "ada@example.org" not in message
    assert "value #" in message
    load(wh, write(tmp_path, "b.csv", record, record, header=header), show_values=True)
    assert "ada@example.org" in wh.value("select message from ops.quarantine where load_id = 2 limit 1")


def test_bad_optional_value_is_emptied_and_reported(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "C1,Ada,2024-02-30", header="customer_id,name,created_at")
    [account] = load(wh, file)
    assert account.rows_loaded == 1
    assert [(one.issue, one.column_name, one.row_count) for one in account.issues] == [
        ("bad_date", "created_at", 1)
    ]
    assert "2024-02-30" in account.issues[0].detail
    assert wh.value("select created_at from entities.customers") is None


def test_word_in_no_list_is_kept_and_reported(wh: Warehouse, tmp_path: Path) -> None:
    header = "source_id,type,name,acquisition_channel"
    file = write(tmp_path, "a.csv", "C1,person,Ada,Carrier pigeon", "C2,PERSON,Bob,web", header=header)
    [account] = load(wh, file)
    assert [(one.issue, one.column_name) for one in account.issues] == [
        ("unknown_word", "acquisition_channel")
    ]
    assert wh.rows("select type, acquisition_channel from entities.customers order by source_id") == [
        ("person", "Carrier pigeon"),
        ("person", "web"),
    ]


def test_price_that_is_too_fine_is_rounded_half_up_and_reported(wh: Warehouse, tmp_path: Path) -> None:
    [account] = load(wh, write(tmp_path, "a.csv", line(1, unit_price="1.00005")), received_at=RECEIVED)
    assert wh.value("select unit_price from entities.order_lines") == Decimal("1.0001")
    assert [one.issue for one in account.issues] == ["rounded_value"]


def test_columns_are_matched_by_name_in_any_case_and_order(wh: Warehouse, tmp_path: Path) -> None:
    header = " Currency,UNIT_PRICE,quantity,order_date,order_id,customer_id,colour"
    [account] = load(
        wh, write(tmp_path, "a.csv", "EUR,2,3,2024-01-05,O1,C1,red", header=header), received_at=RECEIVED
    )
    assert wh.value("select amount from entities.order_lines") == Decimal("6.0000")
    assert [(one.issue, one.column_name) for one in account.issues] == [("unknown_column", "colour")]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2024-03-31 01:59", datetime(2024, 3, 31, 0, 59, tzinfo=UTC)),
        ("2024-03-31 03:00", datetime(2024, 3, 31, 1, tzinfo=UTC)),
        ("2024-10-27", datetime(2024, 10, 27, tzinfo=UTC)),
        ("2024-10-27 02:30:00+01:00", datetime(2024, 10, 27, 1, 30, tzinfo=UTC)),
        ("2024-10-27 02:30:00", "ambiguous_time"),
        ("2024-03-31 02:30:00", "nonexistent_time"),
        ("2024-01-05 24:00:00", "bad_date"),
        ("2024-01-05 23:59:60", "bad_date"),
    ],
)
def test_local_times_are_exact_or_quarantined(
    wh: Warehouse, tmp_path: Path, text: str, instant: datetime | str
) -> None:
    file = write(tmp_path, "a.csv", line(1, order_date=text))
    [account] = load(wh, file, timezone="Europe/Berlin", received_at=RECEIVED)
    if isinstance(instant, str):
        assert account.reasons == {instant: 1}
    else:
        assert wh.value("select occurred_at from entities.order_lines") == instant


def test_guest_orders_stay_when_asked_for(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", line(1, customer_id=" "), line(2))
    [account] = load(wh, file, guest="keep", received_at=RECEIVED)
    assert account.rows_loaded == 2
    assert wh.value("select count(*) from entities.order_lines where customer_source_id is null") == 1


def test_equal_lines_are_kept_when_asked_for(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", line(1), line(1), line(1))
    assert load(wh, file, duplicates="keep", received_at=RECEIVED)[0].rows_loaded == 3


def test_same_bytes_loaded_again_change_nothing_even_under_another_name(
    wh: Warehouse, tmp_path: Path
) -> None:
    load(wh, write(tmp_path, "a.csv", line(1), line(2, quantity="x")), received_at=RECEIVED)
    before = versions(wh)
    [again] = load(wh, write(tmp_path, "b.csv", line(1), line(2, quantity="x")))
    assert (again.status, again.rows_in, again.rows_merged, again.rows_loaded) == ("unchanged", 2, 2, 0)
    assert versions(wh) == before
    assert wh.value("select count(*) from ops.quarantine") == 1


def test_same_bytes_with_other_options_are_loaded_anew(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", line(1), line(2, customer_id=""))
    load(wh, file, received_at=RECEIVED)
    [again] = load(wh, file, guest="keep", received_at=RECEIVED)
    assert (again.status, again.rows_loaded, again.rows_merged) == ("loaded", 1, 1)


def test_order_of_two_overlapping_files_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", *(line(number) for number in range(10)))
    write(tmp_path, "b.csv", *(line(number, quantity="9") for number in range(5, 15)))
    write(tmp_path, "c.csv", *(line(number) for number in range(3, 7)))
    results = []
    for order in ("abc", "cba", "bca"):
        with Warehouse.open() as wh:
            for name in order:
                load(wh, tmp_path / f"{name}.csv", received_at=f"2025-07-0{'abc'.index(name) + 1}")
            results.append(wh.rows("select order_source_id, quantity from entities.order_lines order by all"))
    assert results[0] == results[1] == results[2]
    assert len(results[0]) == 15


def test_files_of_one_moment_that_differ_both_count_and_it_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1), line(2))
    write(tmp_path, "b.csv", line(1, quantity="9"), line(2))
    with Warehouse.open() as wh:
        load(wh, tmp_path / "a.csv", received_at=RECEIVED)
        [second] = load(wh, tmp_path / "b.csv", received_at=RECEIVED)
        assert (second.rows_loaded, second.rows_merged) == (1, 1)
        assert [(one.issue, one.row_count) for one in second.issues] == [("told_beside", 1)]


def test_folder_goes_on_after_a_refused_file(wh: Warehouse, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", line(1))
    (tmp_path / "b.csv").write_bytes(b"")
    (tmp_path / "c.csv").write_text("apples,pears\n1,2\n")
    write(tmp_path, "d.csv", line(2))
    (tmp_path / "README.md").write_text("no export")
    (tmp_path / ".hidden.csv").write_text("no export")
    seen: list[tuple[str, int, int]] = []
    loads = load(wh, tmp_path, received_at=RECEIVED, progress=lambda *step: seen.append(step))
    assert [(one.file, one.status) for one in loads] == [
        ("a.csv", "loaded"),
        ("b.csv", "refused"),
        ("c.csv", "refused"),
        ("d.csv", "loaded"),
    ]
    assert loads[1].reasons == {"empty_file": 0}
    assert "no profile fits the columns column 1 (text), column 2 (text)" in loads[2].issues[0].detail
    size = (tmp_path / "a.csv").stat().st_size
    assert seen == [("a.csv", size, size), ("d.csv", size, size)]
    assert wh.rows("select file, status, reason from ops.loads order by load_id") == [
        ("a.csv", "loaded", None),
        ("b.csv", "refused", "empty_file"),
        ("c.csv", "refused", "no_profile"),
        ("d.csv", "loaded", None),
    ]


def test_file_with_too_many_broken_records_is_refused(wh: Warehouse, tmp_path: Path) -> None:
    records = [line(number, quantity="many" if number % 5 == 0 else "1") for number in range(50)]
    with pytest.raises(FileRefused, match=r"a.csv: 10 of 50 records are broken \(bad_number 10\)") as refusal:
        load(wh, write(tmp_path, "a.csv", *records), received_at=RECEIVED)
    assert (refusal.value.reason, refusal.value.record, refusal.value.column) == (
        "too_many_broken",
        1,
        "quantity",
    )
    assert versions(wh) == []


def test_guests_do_not_count_as_broken_records(wh: Warehouse, tmp_path: Path) -> None:
    records = [line(number, customer_id="" if number % 2 else "C1") for number in range(50)]
    [account] = load(wh, write(tmp_path, "a.csv", *records), received_at=RECEIVED)
    assert (account.rows_loaded, account.rows_quarantined) == (25, 25)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"<!DOCTYPE html><html>", "it looks like a web page, not a table"),
        (b'<?xml version="1.0"?><rows>', "it looks like XML, not a table"),
        (b"%PDF-1.7 ...", "this is a PDF document"),
        (b"PK\x03\x04....", "the zip archive is not whole"),
        (b"\xef\xbb\xbf \n", "the file is empty"),
        (b"PAR1 no parquet", "the Parquet file is damaged"),
        (HEADER.encode() + b'\nC1,"O1,2024\n', "line 2: a quote is opened and not closed"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-3], "the gzip data end too early"),
    ],
)
def test_refusal_says_what_the_file_is(wh: Warehouse, tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(FileRefused, match=match):
        load(wh, tmp_path / "a.csv")
    assert wh.value("select status from ops.loads") == "refused"


def test_missing_columns_are_named_with_those_found(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "C1,O1,1", header="customer_id,order_id,quantity")
    match = (
        "'order_date', 'unit_price', 'currency' are missing for profile 'transactions'. Found: 'customer_id'"
    )
    with pytest.raises(FileRefused, match=match) as refusal:
        load(wh, file, profile="transactions")
    assert (refusal.value.reason, refusal.value.column) == ("missing_column", "order_date")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"encoding": "zlib"}, "encoding='zlib' is not known"),
        ({"timezone": "Mars"}, r"timezone='Mars' is not known\. Write it as 'Europe/Berlin'"),
        ({"thousands": "ab"}, "thousands='ab' is not known. Use one of ' ', \"'\", ','"),
        ({"decimal": "x"}, r"decimal='x' is not known\. Use one of ',', '\.'\."),
        ({"decimal": ",", "thousands": ","}, "thousands=',' is not known"),
        (
            {"default_country": "Atlantis"},
            "default_country='Atlantis' is not known. Use the code of two letters",
        ),
        ({"default_country": "de"}, r"default_country='de' is not known.* Did you mean 'DE'\?"),
        ({"date_format": "%Q/%d"}, "date_format='%Q/%d' must be a pattern"),
        ({"date_format": "%d/%m"}, "date_format='%d/%m' must be a pattern"),
        ({"profile": "transaction"}, r"'transaction' is no profile. Did you mean 'transactions'\?"),
        ({"profile": "none.toml"}, "none.toml"),
        ({"date_format": "%Y %z"}, "ISO times with an offset need none"),
        ({"guest": "drop"}, "guest='drop' is not known. Use one of keep, quarantine"),
    ],
)
def test_impossible_option_is_a_wrong_call_and_no_refused_load(
    wh: Warehouse, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        load(wh, write(tmp_path, "a.csv", line(1)), received_at=RECEIVED, **options)
    with pytest.raises(UsageError, match=match):
        load(wh, tmp_path, received_at=RECEIVED, **options)
    assert wh.value("select count(*) from ops.loads") == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"encoding": "utf-16-le"}, r"line \d: byte \d+ cannot be utf-16-le"),
        ({"delimiter": ";"}, r"no profile fits .* Say delimiter="),
    ],
)
def test_option_that_does_not_suit_the_file_is_a_refusal(
    wh: Warehouse, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        load(wh, write(tmp_path, "a.csv", line(1)), received_at=RECEIVED, **options)
    assert wh.value("select status from ops.loads") == "refused"


def test_several_fitting_profiles_are_not_chosen_between(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "X1,Ada", header="source_id,name")
    with pytest.raises(
        ProfileError, match=r"several profiles fit: .*plain_customers.*Say which with profile="
    ):
        load(wh, file)


def test_missing_file_and_unreadable_time_are_usage_errors(wh: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        load(wh, tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="received_at='yesterday' is not ISO 8601"):
        load(wh, write(tmp_path, "a.csv", line(1)), received_at="yesterday")


def test_higher_expansion_limit_lets_a_large_file_in(wh: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress("\n".join([HEADER, *(line(n) for n in range(2000))]).encode()))
    with pytest.raises(FileRefused, match="expand to more than 10,000"):
        load(wh, file, max_expanded_bytes=10_000, received_at=RECEIVED)
    assert load(wh, file, max_expanded_bytes=1_000_000, received_at=RECEIVED)[0].rows_loaded == 2000


def test_default_country_fills_only_what_is_empty(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "C1,Ada,FR", "C2,Bob,", header="customer_id,name,country")
    load(wh, file, default_country="DE")
    assert wh.rows("select country from entities.customers order by source_id") == [("FR",), ("DE",)]


GOOD_CELLS = ["C1", "C2", "O1", "2024-02-06", "1", "2.5", "-3", "EUR", "x", "é", "۱۲"]
ODD_CELLS = [
    "",
    " ",
    "2024-02-30",
    "1e400",
    'a"b',
    "a,b",
    "a\nb",
    "a\r\nb",
    "\u200b",
    "NaN",
    "\x00",
    "1.2E+10",
]
CELLS = st.sampled_from(GOOD_CELLS + ODD_CELLS)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=9), max_size=12)


@pytest.fixture(scope="module")
def one_wh() -> Iterator[Warehouse]:
    with Warehouse.open() as warehouse:
        yield warehouse


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, newline=st.sampled_from(["\n", "\r\n", "\r"]), quoting=st.sampled_from([0, 1]))
def test_every_account_balances_and_counts_what_an_independent_parser_counts(
    one_wh: Warehouse, tmp_path: Path, rows: list[list[str]], newline: str, quoting: Any
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline, quoting=quoting)
    writer.writerow(HEADER.split(","))
    writer.writerows(rows)
    file = tmp_path / "random.csv"
    file.write_bytes(text.getvalue().encode())
    parsed = csv.reader(io.StringIO(text.getvalue(), newline=""))
    counted = sum(bool(row) and (quoting == 1 or row != [" "]) for row in parsed) - 1
    try:
        [account] = load(one_wh, file, received_at=RECEIVED)
    except FileRefused as refusal:
        # A field over several lines in a record of the wrong length cannot be told from an open quote.
        if refusal.reason == "unclosed_quote":
            return
        raise
    assert account.rows_in == counted
    assert account.rows_in == account.rows_loaded + account.rows_quarantined + account.rows_merged
    for table, rows_there in (
        ("entities.order_lines", "rows_loaded"),
        ("ops.quarantine", "rows_quarantined"),
    ):
        counted = one_wh.value(
            f"select count(*) from {table} where load_id = $load_id", load_id=account.load_id
        )
        assert counted == getattr(account, rows_there)


@pytest.mark.parametrize(
    ("name", "profile", "records", "customers"),
    [("CDNOW_master.txt.gz", None, 69_659, 23_570), ("CDNOW_sample.txt.gz", "cdnow", 6_919, 2_357)],
)
def test_cdnow_is_loaded_whole(
    wh: Warehouse, shared_data: Path, name: str, profile: str | None, records: int, customers: int
) -> None:
    [account] = load(wh, shared_data / "data" / "cdnow" / name, profile=profile)
    assert (account.rows_in, account.rows_loaded) == (records, records)
    assert wh.value("select count(distinct customer_source_id) from entities.order_lines") == customers
    assert wh.rows(
        "select min(occurred_on), max(occurred_on), any_value(currency) from entities.order_lines"
    ) == [(date(1997, 1, 1), date(1998, 6, 30), "USD")]


def test_an_error_in_the_middle_leaves_the_warehouse_as_it_was(
    wh: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("crm_analytics.ingest.ledger.write_entry", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(wh, write(tmp_path, "a.csv", line(1)), received_at=RECEIVED)
    assert versions(wh) == []


def test_account_of_a_load_is_in_the_ledger(wh: Warehouse, tmp_path: Path) -> None:
    [account] = load(
        wh, write(tmp_path, "a.csv", line(1), line(1), line(2, currency="XQZ")), received_at=RECEIVED
    )
    assert account == Load(
        file="a.csv",
        profile="transactions",
        status="loaded",
        rows_in=3,
        rows_loaded=1,
        rows_quarantined=1,
        rows_merged=1,
        reasons={"unknown_currency": 1},
        load_id=1,
        issues=(),
    )
    assert wh.rows(
        "select profile, source_system, entity, rows_in, rows_loaded, rows_quarantined, rows_merged "
        "from ops.loads"
    ) == [("transactions", "default", "order_lines", 3, 1, 1, 1)]


def test_a_broken_field_beyond_the_header_is_set_aside_without_a_name(wh: Warehouse, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", line(1), line(2) + ",and,more")
    file.write_bytes(file.read_bytes().replace(b",more", b",mo\xffre"))
    [account] = load(wh, file, received_at=RECEIVED)
    assert (account.rows_in, account.rows_loaded, account.rows_quarantined) == (2, 1, 1)
    assert wh.rows("select record_number, column_name from ops.quarantine") == [(2, "")]
