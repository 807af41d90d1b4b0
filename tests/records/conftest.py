"""What do the tests of the record store share?  A clock that ticks, and a store that uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from crm_analytics.records import RecordStore

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def ticking(start: datetime = START) -> Callable[[], datetime]:
    """Return a clock that shows `start`, then a second later each time it is looked at."""
    shown = start - timedelta(seconds=1)

    def clock() -> datetime:
        nonlocal shown
        shown += timedelta(seconds=1)
        return shown

    return clock


@pytest.fixture
def records() -> Iterator[RecordStore]:
    with RecordStore.open(":memory:", changed_by="tests", clock=ticking()) as store:
        yield store
