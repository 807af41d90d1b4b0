"""Is a date read as it was meant: form, calendar, zone, day or moment?"""

from __future__ import annotations

import re
from datetime import UTC, date

import numpy as np
import pytest

from crm_analytics.errors import FileRefused
from crm_analytics.ingest.conversions import Bindings, Field
from crm_analytics.ingest.dates import jalali_local
from crm_analytics.ingest.profile import ColumnRule, Dialect, Profile
from crm_analytics.normalise.calendar import days_to_jalali, jalali_to_days
from crm_analytics.schema import entity
from crm_analytics.warehouse import Sandbox
from tests.ingest.mapped import Result, mapped, shop


def moments(texts: list[str], *, rule: str = "", zone: str = "UTC", top: str = "") -> Result:
    """Map a column of dates; the moments are `occurred_at` of orders."""
    rules = f'source_id = {{ from = "No" }}\noccurred_at = {{ from = "At"{rule} }}'
    lines = [f'{number},"{text}"' for number, text in enumerate(texts, start=1)]
    return mapped(shop(rules, top=top), "\n".join(["No,At", *lines]), zone=zone)


def utc(result: Result) -> list[str]:
    """Return the moments as ISO texts in UTC."""
    return [row["occurred_at"].astimezone(UTC).isoformat(" ")[:19] for row in result.rows["orders"]]


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("", "2024-02-29", "2024-02-29 00:00:00"),
        ("", "2024-02-29T10:05:07.250Z", "2024-02-29 10:05:07"),
        ("", "2024-02-29 10:05:07 +0330", "2024-02-29 06:35:07"),
        ("", "۲۰۲۴-۰۲-۲۹", "2024-02-29 00:00:00"),
        (', date_format = "%d/%m/%Y"', "29/02/2024", "2024-02-29 00:00:00"),
        (', date_format = "%d/%m/%Y"', "2024-02-29", "2024-02-29 00:00:00"),
        (', date_format = ["%m/%d/%y %I:%M %p", "%m/%d/%y"]', "02/24/24 02:18 PM", "2024-02-24 14:18:00"),
        (', date_format = ["%m/%d/%y %I:%M %p", "%m/%d/%y"]', "02/24/24", "2024-02-24 00:00:00"),
        (', date_format = "epoch"', "1709200000", "2024-02-29 09:46:40"),
        (', date_format = "epoch_ms"', "1709200000500", "2024-02-29 09:46:40"),
        (', date_format = "excel"', "45351.75", "2024-02-29 18:00:00"),
        (', date_format = "excel"', "45351", "2024-02-29 00:00:00"),
        (', date_format = "excel_1904"', "43889", "2024-02-29 00:00:00"),
        (', date_format = ["excel", "%d.%m.%Y"]', "29.02.2024", "2024-02-29 00:00:00"),
        ("", "1403/05/12", "2024-08-02 00:00:00"),
        ("", "1403-5-2 14:30", "2024-07-23 14:30:00"),
        ("", "۱۴۰۳/۰۵/۱۲", "2024-08-02 00:00:00"),
        ("", "12 مرداد 1403", "2024-08-02 00:00:00"),
        ("", "۳۰ اسفند ۱۴۰۳", "2025-03-20 00:00:00"),
        (', date_format = "%d/%m/%Y"', "12/05/1403", "2024-08-02 00:00:00"),
        (', date_format = "%Y%m%d"', "14030512", "2024-08-02 00:00:00"),
        (', date_format = "%y/%m/%d", calendar = "jalali"', "03/05/12", "2024-08-02 00:00:00"),
        (', date_format = "%y/%m/%d", calendar = "jalali"', "98/12/29", "2020-03-19 00:00:00"),
        (', date_format = "%Y/%m/%d %H:%M:%S", calendar = "jalali"', "1403/05/12 9:05:07",
         "2024-08-02 09:05:07"),
    ],
)  # fmt: skip
def test_date_is_read(rule: str, text: str, expected: str) -> None:
    result = moments([text], rule=rule)
    assert (utc(result), result.reasons) == ([expected], [])


@pytest.mark.parametrize(
    ("rule", "texts", "broken"),
    [
        ("", ["1403/05/12", "1404/12/30", "1403/13/01"], [2, 3]),
        ("", ["1403/05/12", "1403/05/13", "2024-05-12"], [3]),
        ("", ["2024-05-12", "2024-05-13", "1403/05/12", "1403-05-12"], [3, 4]),
        (', calendar = "jalali"', ["2024-05-12", "1403/05/12"], [1]),
        (', calendar = "gregorian"', ["1403-05-12", "2024-05-12"], [1]),
        (', date_format = "excel"', ["60", "45351", "1e5", "45351.5.1"], [1, 3, 4]),
        (', date_format = "epoch"', ["2024-05-12", "1709200000"], [1]),
    ],
)
def test_date_of_another_calendar_or_form_is_set_aside(
    rule: str, texts: list[str], broken: list[int]
) -> None:
    result = moments(texts, rule=rule)
    assert [number for number, _, _ in result.reasons] == broken


def test_leap_bug_of_excel_is_known() -> None:
    rules = 'source_id = { from = "No" }\nbirth_on = { from = "Born", date_format = "excel" }'
    text = "No,Born\n1,1\n2,59\n3,60\n4,61\n"
    rows = mapped(shop(rules, entity="customers"), text).rows["customers"]
    days = [date(1900, 1, 1), date(1900, 2, 28), None, date(1900, 3, 1)]
    assert [row["birth_on"] for row in rows] == days


def test_calendar_is_told_for_the_whole_column_and_reported() -> None:
    result = moments(["1403/05/12"] * 3 + ["2024-05-12"])
    assert [(one.issue, one.column_name, one.row_count) for one in result.findings.issues] == [
        ("jalali_dates", "occurred_at", 3)
    ]


def test_calendar_that_the_first_block_got_wrong_is_put_right() -> None:
    rules = 'source_id = { from = "No" }\noccurred_at = { from = "At" }'
    lines = ["No,At", "1,1403/05/12", "2,2024-05-12", "3,2024-05-13", "4,2024-05-14"]
    result = mapped(shop(rules), "\n".join(lines), block_rows=1)
    assert (utc(result)[0], result.reasons) == ("2024-05-12 00:00:00", [(1, "occurred_at", "bad_date")])
    turned = ["No,At", "1,2024-05-12", "2,1403/05/12", "3,1403/05/13"]
    result = mapped(shop(rules), "\n".join(turned), block_rows=1)
    assert (utc(result)[0], result.reasons) == ("2024-08-02 00:00:00", [(1, "occurred_at", "bad_date")])


@pytest.mark.parametrize(
    ("text", "reason", "match"),
    [
        ("01/02/2024", "ambiguous_date", "reads as day/month and as month/day"),
        ("12/05/1403", "ambiguous_date", "reads as day/month and as month/day"),
        ("31/02/2024", "bad_date", "not ISO 8601"),
        ("2024/05/12", "bad_date", "'%Y/%m/%d'"),
        ("14030512", "bad_date", "'%Y%m%d'"),
        ("45351", "bad_date", "Excel serial"),
        ("1709200000", "bad_date", "'epoch'"),
        ("1709200000123", "bad_date", "'epoch_ms'"),
    ],
)
def test_column_in_a_form_that_nobody_declared_is_refused_with_advice(
    text: str, reason: str, match: str
) -> None:
    with pytest.raises(FileRefused, match=match) as refusal:
        moments([text] * 3)
    assert (refusal.value.reason, refusal.value.column) == (reason, "At")


@pytest.mark.parametrize(
    ("text", "advised"),
    [
        ("01.02.2024", ["%d.%m.%Y", "%m.%d.%Y"]),
        ("۱۳/۰۲/۲۰۲۴", ["%d/%m/%Y"]),
        ("13.02.2024", ["%d.%m.%Y"]),
        ("02/13/2024", ["%m/%d/%Y"]),
        ("02/13/2024 10:00am", ["%m/%d/%Y"]),
        ("2/13/24 02:18 AM", ["%m/%d/%y", "%y/%m/%d"]),
        ("2024.05.12 14:30", ["%Y.%m.%d"]),
        ("13-02-2024, 2:30:05 PM", ["%d-%m-%Y"]),
    ],
)
def test_the_form_that_a_refusal_advises_reads_the_file(text: str, advised: list[str]) -> None:
    with pytest.raises(FileRefused) as refusal:
        moments([text] * 3)
    assert re.findall("'(%[^']*)'", str(refusal.value)) == advised
    assert moments([text] * 3, rule=f', date_format = "{advised[0]}"').reasons == []


def test_a_declared_day_is_read_with_and_without_a_time_in_one_file() -> None:
    texts = ["05/01/2024", "05/01/2024 14:30", "5/1/2024 2:30 PM", "05/01/2024 02:30:05pm", "05/01/2024 soon"]
    result = moments(texts, rule=', date_format = "%m/%d/%Y"')
    times = ["00:00:00", "14:30:00", "14:30:00", "14:30:05"]
    assert utc(result) == [f"2024-05-01 {one}" for one in times]
    assert result.reasons == [(5, "occurred_at", "bad_date")]
    jalali = moments(["12/05/1403 ساعت", "12/05/1403 14:30", "12/05/1403"], rule=', date_format = "%d/%m/%Y"')
    assert (utc(jalali)[0], jalali.reasons) == ("2024-08-02 14:30:00", [(1, "occurred_at", "bad_date")])


def test_time_that_a_zone_lacks_or_has_twice_is_set_aside() -> None:
    texts = ["2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-10-27 03:00:00", "2024-03-31"]
    result = moments(texts, zone="Europe/Berlin")
    assert result.reasons == [(1, "occurred_at", "nonexistent_time"), (2, "occurred_at", "ambiguous_time")]
    assert utc(result) == ["2024-10-27 02:00:00", "2024-03-30 23:00:00"]


def test_day_without_time_is_a_day_of_the_company_in_a_file_of_another_zone() -> None:
    top = '[dialect]\ntimezone = "UTC"'
    result = moments(["2024-05-31", "2024-05-31 10:00:00"], zone="America/Bogota", top=top)
    assert utc(result) == ["2024-05-31 05:00:00", "2024-05-31 10:00:00"]


@pytest.mark.parametrize("text", ["2023-05-11", "2023-05-11 00:00:00", "2023-05-11T00:00:00.000Z"])
def test_day_is_never_moved_by_a_zone(text: str) -> None:
    rules = 'source_id = { from = "No" }\ncreated_at = { constant = "2023-01-01 00:00:00" }\n'
    rules += 'closed_on = { from = "Close", day = true }'
    profile = shop(rules, entity="opportunities", top='[dialect]\ntimezone = "UTC"')
    for zone in ("America/Bogota", "Asia/Tokyo"):
        [row] = mapped(profile, f"No,Close\n1,{text}\n", zone=zone).rows["opportunities"]
        assert row["closed_on"] == date(2023, 5, 11)


def test_months_days_and_minutes_are_added() -> None:
    rules = """
        source_id = { from = "No" }
        customer_source_id = { from = "No" }
        started_on = { from = "Start" }
        ends_on = { from = "Start", plus_months = "Term", plus_days = -1 }
    """
    profile = shop(rules, entity="contracts")
    rows = mapped(profile, "No,Start,Term\n1,2024-01-01,12\n2,2024-01-31,\n3,2023-12-31,2\n").rows[
        "contracts"
    ]
    assert [row["ends_on"] for row in rows] == [date(2024, 12, 31), None, date(2024, 2, 28)]
    result = moments(["2024-01-01 10:00:00"], rule=', plus_minutes = "No"')
    assert utc(result) == ["2024-01-01 10:01:00"]


def test_jalali_sql_agrees_with_the_table_on_every_day() -> None:
    days = np.arange(np.datetime64("1821-03-21"), np.datetime64("2122-03-21"), dtype="datetime64[D]")
    parts = days_to_jalali(days)
    texts = [
        f"{year}/{month:02}/{day:02}" for year, month, day in zip(*map(np.ndarray.tolist, parts), strict=True)
    ]
    # each year's 30 Esfand too: there is one in leap years only
    texts += [f"{year}/12/30" for year in range(1200, 1501)]
    ends = jalali_to_days(list(range(1200, 1501)), [12] * 301, [30] * 301)
    rule = ColumnRule(choices=(("At",),))
    column = entity("orders").column("occurred_at")
    one = Field("x", column, rule, Dialect(), Bindings(), "jalali")
    with Sandbox() as sandbox:
        sandbox.rows("create temp table given as select unnest($texts) as x", texts=texts)
        found = [
            moment and moment.date() for (moment,) in sandbox.rows(f"select {jalali_local(one)} from given")
        ]
    expected = [*days.tolist(), *ends.tolist()]
    assert found == expected


def test_caller_says_the_form_in_place_of_the_profile() -> None:
    rules = 'source_id = { from = "No" }\noccurred_at = { from = "At", date_format = "%m/%d/%Y" }'
    profile: Profile = shop(rules).with_options(date_format="%d/%m/%Y")
    assert utc(mapped(profile, "No,At\n1,05/06/2024\n")) == ["2024-06-05 00:00:00"]
