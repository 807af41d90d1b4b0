"""Do the values of a column tell what it holds?"""

from __future__ import annotations

import pytest

from crm_analytics.ingest.look import look_at


@pytest.mark.parametrize(
    ("texts", "kind", "details"),
    [
        (["2024-01-05", "2024-01-06 10:00:00"], "date", {"date_format": None}),
        (["20240105", "20240106"], "date", {"date_format": "%Y%m%d"}),
        (["14030512", "14030513"], "date", {"date_format": "%Y%m%d", "calendar": "jalali"}),
        (["1/5/2024", "1/25/2024"], "date", {"date_format": "%m/%d/%Y"}),
        (["25.1.2024 10:00", "5.1.2024 11:00"], "date", {"date_format": "%d.%m.%Y %H:%M"}),
        (["$1,234.50", "$7.00"], "number", {"thousands": ",", "sign": "$", "decimal": "."}),
        (["1.234,50 €", "7,00 €"], "number", {"thousands": ".", "sign": "€", "decimal": ","}),
        (["1 234,50", "7,00"], "number", {"thousands": " ", "decimal": ","}),
        (["1,234", "5,678"], "number", {"is_ambiguous": True}),
        (["1.234", "2.500", "900"], "number", {"decimal": ".", "is_ambiguous": True}),
        (["1.234", "2,5"], "number", {"thousands": ".", "is_ambiguous": False}),
        (["0.125", "2.500"], "number", {"decimal": ".", "is_ambiguous": False}),
        (["1.5", "20"], "number", {"decimal": ".", "thousands": None, "is_ambiguous": False}),
        (["yes", "no", "yes"], "boolean", {}),
        (["EUR", "usd"], "currency", {}),
        (["+49 30 1234567", "030 7654321"], "phone", {}),
        (["ada@example.com", "bob@example.com"], "email", {"is_unique": True}),
        (["C1", "C2"], "text", {"is_unique": True, "sign": None}),
        (["", " "], "empty", {}),
    ],
)
def test_values_tell_what_a_column_holds(texts: list[str], kind: str, details: dict[str, object]) -> None:
    look = look_at(texts)
    assert (look.kind, {name: getattr(look, name) for name in details}) == (kind, details)
