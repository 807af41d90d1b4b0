"""Is the name of an RFM segment true of its members, also where customers are all alike?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import pandas as pd

from crm_analytics.segmentation import rfm
from crm_analytics.segmentation.names import SCORES, segment_of
from tests import build

AS_OF = date(2024, 7, 1)
SILENT = {segment_of(r, f, m) for r in (1, 2) for f in SCORES for m in SCORES}
ONCE = {"new_customers", "about_to_sleep"}


def scored(days_ago: Mapping[str, Sequence[int]], as_of: date = AS_OF) -> pd.DataFrame:
    """Score customers who ordered so many days before `as_of` (1 = the last day seen)."""
    days = {
        who: [(AS_OF - timedelta(days=n)).isoformat() for n in sorted(ago, reverse=True)]
        for who, ago in days_ago.items()
    }
    with build.warehouse(order_lines=build.order_lines_of(days)) as wh:
        return rfm(wh, as_of=as_of).set_index("source_id")


def test_ten_who_all_bought_yesterday_are_new_and_none_is_lost() -> None:
    found = scored({f"C{n}": [1] for n in range(10)})
    assert set(found["segment"]) == {"new_customers"}
    assert set(found["m_score"]) == {3}


def test_a_tied_majority_of_the_best_is_not_scored_as_the_worst() -> None:
    found = scored({f"C{n}": [1] for n in range(70)} | {f"D{n}": [30 + 10 * n] for n in range(30)})
    yesterday = found[found["days_since_last_order"] == 0]
    assert len(yesterday) == 70
    assert set(yesterday["segment"]) == {"new_customers"}
    assert found["r_score"].loc["D29"] <= 2  # silent for 319 days


def test_thirty_equal_regulars_are_neither_new_nor_silent_nor_buyers_of_one_order() -> None:
    found = scored({f"C{n}": range(1 + n % 20, 701, 20) for n in range(30)})
    assert set(found["order_count"]) == {35}
    assert set(found["segment"]) == {"potential_loyal"}  # bought lately, and no more often than others


def test_where_everybody_has_gone_nobody_bought_lately() -> None:
    found = scored({f"C{n}": range(480 + n, 901, 20) for n in range(30)})
    assert found["days_since_last_order"].min() == 479
    assert set(found["segment"]) <= SILENT
    assert not set(found["segment"]) & ONCE


def test_ten_regulars_of_a_small_shop_are_called_what_they_are() -> None:
    """A real pattern: 7 to 12 orders each within 18 months, the last 2 to 71 days before."""
    last = {18: 8, 21: 10, 31: 12, 47: 8, 32: 11, 57: 7, 71: 9, 30: 11, 27: 12, 2: 10}
    found = scored(
        {f"C{n}": [1 + ago + 50 * k for k in range(count)] for n, (ago, count) in enumerate(last.items())}
    )
    assert not set(found["segment"]) & (ONCE | SILENT)
    assert found.loc["C0", ["order_count", "segment"]].to_list() == [8, "potential_loyal"]
    assert found.loc["C4", ["days_since_last_order", "segment"]].to_list() == [32, "champions"]


def test_no_name_contradicts_its_members() -> None:
    step = 30
    found = scored({f"C{n:02d}": [1 + step * n + step * k for k in range(1 + n % 6)] for n in range(40)})
    once = found["order_count"] == 1
    assert not found[~once]["segment"].isin(ONCE).any()
    assert found[once]["segment"].isin(ONCE | {"hibernating", "lost", "big_spenders"}).all()
    near = found["days_since_last_order"] <= step
    assert not found[near]["segment"].isin(SILENT).any()
    assert found[found["days_since_last_order"] > 4 * step]["segment"].isin(SILENT).all()
