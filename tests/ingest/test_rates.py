"""Which rates are taken in?  Those between two currencies, above zero, to the last digit that is written."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from crm_analytics import Warehouse, load
from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.profile_file import parse_profile

PLAIN = "currency,to_currency,occurred_at,rate\n"
DATED = "Id,IsoCode,StartDate,NextStartDate,ConversionRate\n"


def test_rates_that_are_none_are_set_aside_whatever_the_layout(tmp_path: Path) -> None:
    plain, dated = tmp_path / "rates.csv", tmp_path / "DatedConversionRate.csv"
    plain.write_text(
        PLAIN
        + "USD,EUR,2024-01-01,0\nGBP,EUR,2024-01-01,-1.2\nEUR,EUR,2024-01-01,1.0\nUSD,usd,2024-01-01,2\n"
    )
    dated.write_text(
        DATED + "1,EUR,2024-01-01,,۰\n2,USD,2024-01-01,,1\n3,USD,2024-01-01,,0.9\n4,GBP,2024-01-01,,0.8\n"
    )
    with Warehouse.open() as wh:
        [first] = load(wh, plain)
        [second] = load(wh, dated, default_currency="USD")
        stored = wh.rows("select currency, to_currency, rate, is_undated from entities.exchange_rates")
        messages = wh.rows(
            "select distinct reason, message from ops.quarantine where load_id = 1 order by all"
        )
    assert (first.rows_loaded, first.rows_merged) == (0, 1)  # EUR in EUR at 1 says nothing
    assert first.reasons == {"not_above_zero": 2, "same_currency": 1}
    assert [(one.issue, one.row_count) for one in first.issues] == [("not_told", 1)]
    assert second.reasons == {"not_above_zero": 1, "same_currency": 1}
    assert (second.rows_loaded, second.rows_merged) == (1, 1)
    assert stored == [("USD", "GBP", Decimal("0.8"), None)]
    assert any("a rate must be above zero" in text for _, text in messages)
    assert any("default_currency= (--default-currency) right?" in text for _, text in messages)


def test_a_rate_of_a_millionth_keeps_its_digits(tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text(
        PLAIN + "IRR,USD,2024-01-01,0.000000952380952381\nXAF,USD,2024-01-01,0.0016666666666666666667\n"
    )
    with Warehouse.open() as wh:
        [account] = load(wh, file)
        rates = wh.rows("select rate from entities.exchange_rates order by currency")
    assert rates == [(Decimal("0.000000952380952381"),), (Decimal("0.001666666666666667"),)]
    assert [one.issue for one in account.issues] == ["rounded_value"]


def test_a_layout_without_its_currency_asks_for_the_option_and_for_no_column(tmp_path: Path) -> None:
    file = tmp_path / "DatedConversionRate.csv"
    file.write_text(DATED + "4,GBP,2024-01-01,,0.8\n")
    with Warehouse.open() as wh, pytest.raises(FileRefused, match="say default_currency='EUR'") as refusal:
        load(wh, file)
    assert "Export" not in str(refusal.value)


def test_a_profile_that_names_its_own_currency_says_column_and_mark() -> None:
    text = """profile = "x"
source_system = "x"
[rows]
own_currency = { from = "Code" }
[[entity]]
name = "users"
[entity.columns]
source_id = { from = "Id" }
"""
    with pytest.raises(ProfileError, match="own_currency: say both if_true and from"):
        parse_profile(text, "x")
