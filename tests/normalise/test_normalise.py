"""Do locale rules hold where they are easily got wrong?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.normalise.digits import DIGITS, fold_digits
from crm_analytics.normalise.local_time import odd_local_times


def test_every_foreign_digit_is_the_digit_unicode_says() -> None:
    for foreign, ascii_digit in DIGITS.items():
        if foreign.isdigit():
            assert int(foreign) == int(ascii_digit)
    assert len(DIGITS) == 21
    assert fold_digits("١٢٫۵") == "12.5"


def test_currencies_are_codes_of_three_letters() -> None:
    assert {"EUR", "USD", "IRR", "GBP"} <= CURRENCIES
    assert all(len(code) == 3 and code.isupper() for code in CURRENCIES)
    assert not {"XXX", "XTS", "XAU", "TOM"} & CURRENCIES


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "Asia/Tehran", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]
)
def test_odd_local_times_are_those_that_do_not_come_back_or_come_twice(zone: str) -> None:
    odd = odd_local_times(zone, 2010, 2012)
    found = {}
    local = datetime(2010, 1, 1)  # noqa: DTZ001
    while local < datetime(2013, 1, 1):  # noqa: DTZ001
        first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
        returned = first.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if returned != local:
            found[local] = "nonexistent_time"
        elif first.utcoffset() != second.utcoffset():
            found[local] = "ambiguous_time"
        local += timedelta(minutes=30)
    for moment in set(found) | {start for _, start, _ in odd} | {end for _, _, end in odd}:
        told = [kind for kind, start, end in odd if start <= moment < end]
        assert told == ([found[moment]] if moment in found else []), (zone, moment)
