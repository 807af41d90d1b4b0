"""RFM limits: learned once, they give the same scores, and a customer keeps its own."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from crm_analytics import Warehouse
from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.modelling.saved_model import save_model
from crm_analytics.segmentation import RfmThresholds, learn_thresholds, load_thresholds, rfm
from crm_analytics.segmentation.thresholds import (
    learn_limits,
    learn_order_limits,
    learn_recency_limits,
    score,
)
from tests import build

AS_OF = date(2025, 1, 1)
VALUES = st.lists(st.integers(-5, 20) | st.none(), min_size=1, max_size=60)


@given(values=VALUES, more_is_better=st.booleans())
def test_a_score_counts_those_who_are_worse_and_equals_bring_it_to_the_middle_at_most(
    values: list[Any], more_is_better: bool
) -> None:
    given_ = pd.Series(values, dtype="Int64")
    scores = score(given_, learn_limits(given_, more_is_better=more_is_better), more_is_better=more_is_better)
    known = [value if more_is_better else -value for value in values if value is not None]
    for value, found in zip(values, scores, strict=True):
        if value is None:
            assert pd.isna(found)
        else:
            goodness = value if more_is_better else -value
            worse, equal = sum(other < goodness for other in known), known.count(goodness)
            strict, halved = 1 + 5 * worse // len(known), 1 + 5 * (2 * worse + equal) // (2 * len(known))
            assert found == max(strict, min(3, halved))


@given(
    silent_days=st.lists(st.integers(0, 900), min_size=1, max_size=40),
    order_counts=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    pauses=st.lists(st.integers(7, 400), min_size=1, max_size=9),
)
@how(deadline=None)
def test_what_a_score_says_holds_for_everybody_who_has_it(
    silent_days: list[int], order_counts: list[int], pauses: list[int]
) -> None:
    median, mean = float(np.median(pauses)), float(np.mean(pauses))
    given_ = pd.Series(silent_days, dtype="Int64")
    limits = learn_recency_limits(given_, median_pause_days=median, mean_pause_days=mean)
    earned = [limit for limit in limits if limit is not None]
    assert earned == sorted(earned, reverse=True)
    for silent, found in zip(silent_days, score(given_, limits, more_is_better=False), strict=True):
        assert found >= 4 or silent > median
        assert found >= 3 or silent > 2 * median
        assert found >= 2 or silent > 4 * median
        assert found <= 3 or silent <= 2 * mean
        assert found <= 2 or silent <= 4 * mean
    given_ = pd.Series(order_counts, dtype="Int64")
    for count, found in zip(
        order_counts, score(given_, learn_order_limits(given_), more_is_better=True), strict=True
    ):
        assert (found == 1) == (count == 1)
        assert found <= 3 or 5 * sum(other < count for other in order_counts) >= 3 * len(order_counts)


@given(learned=VALUES, later=VALUES, more_is_better=st.booleans())
def test_a_later_customer_gets_the_score_of_its_values_whoever_else_is_there(
    learned: list[Any], later: list[Any], more_is_better: bool
) -> None:
    limits = learn_limits(pd.Series(learned, dtype="Int64"), more_is_better=more_is_better)
    together = score(pd.Series(later, dtype="Int64"), limits, more_is_better=more_is_better)
    for value, found in zip(later, together, strict=True):
        alone = score(pd.Series([value], dtype="Int64"), limits, more_is_better=more_is_better)[0]
        assert pd.isna(alone) if pd.isna(found) else alone == found
    ordered = sorted((v for v in later if v is not None), reverse=not more_is_better)
    by_value = dict(zip(later, together, strict=True))
    assert all(by_value[a] <= by_value[b] for a, b in pairwise(ordered))


def shop(count: int = 40) -> list[dict[str, Any]]:
    lines = build.order_lines_of(
        {f"C{n:02d}": build.daily("2024-01-01", 1 + n, 1 + n % 9) for n in range(count)}
    )
    return [line | {"unit_price": str(5 + number % 13)} for number, line in enumerate(lines)]


@pytest.fixture(scope="module")
def wh() -> Any:
    products = [{"source_id": "P1", "unit_cost": "4", "currency": "EUR", "created_at": "2023-01-01"}]
    with build.warehouse(order_lines=shop(), products=products) as made:
        yield made


def test_learned_limits_score_their_own_day_as_comparing_does(wh: Warehouse, tmp_path: Path) -> None:
    learned = learn_thresholds(wh, as_of=AS_OF)
    read = load_thresholds(learned.save(tmp_path / "rfm.json"))
    assert read == learned
    assert rfm(wh, as_of=AS_OF, thresholds=read).equals(rfm(wh, as_of=AS_OF))


def test_a_customer_whose_values_stay_keeps_its_scores_when_others_come() -> None:
    with build.warehouse(order_lines=shop()) as wh:
        learned = learn_thresholds(wh, as_of=AS_OF)
        before = rfm(wh, as_of=AS_OF, thresholds=learned).set_index("customer_id")
        crowd = {f"N{n:03d}": build.daily("2024-12-01", 3, 10) for n in range(60)}
        build.add(wh, "order_lines", build.order_lines_of(crowd, amount="900"))
        after = rfm(wh, as_of=AS_OF, thresholds=learned).set_index("customer_id")
        compared = rfm(wh, as_of=AS_OF).set_index("customer_id")
    assert after.loc[before.index].equals(before)
    assert not compared.loc[before.index, "f_score"].equals(before["f_score"])
    assert set(after["m_score"][-60:]) == {5}


def test_money_may_be_the_margin_and_the_window_limits_what_is_seen(wh: Warehouse) -> None:
    spend, margin = rfm(wh, as_of=AS_OF), rfm(wh, as_of=AS_OF, money="net_margin")
    assert margin["net_margin"].to_numpy() == pytest.approx(spend["net_spend"] - 4 * spend["order_count"])
    ranks = score(
        margin["net_margin"], learn_limits(margin["net_margin"], more_is_better=True), more_is_better=True
    )
    assert margin["m_score"].equals(ranks)
    assert not margin["m_score"].equals(spend["m_score"])
    recent = rfm(wh, as_of=AS_OF, window_days=200)
    assert recent["days_since_last_order"].max() < 200
    assert 0 < len(recent) < len(spend)
    learned = learn_thresholds(wh, as_of=AS_OF, window_days=200, money="net_margin")
    again = rfm(wh, as_of=AS_OF, thresholds=learned)
    assert again.equals(rfm(wh, as_of=AS_OF, window_days=200, money="net_margin"))


def test_a_measure_of_money_that_is_none_is_refused(wh: Warehouse) -> None:
    with pytest.raises(UsageError, match="money='revenue' must be one of"):
        rfm(wh, as_of=AS_OF, money="revenue")  # type: ignore[arg-type]


def test_limits_of_another_kind_or_changed_are_refused(tmp_path: Path) -> None:
    limits = RfmThresholds(
        AS_OF, None, "net_spend", (1.0, None, None, None), (2.0,) * 4, (3.0,) * 4, 60, 90, 7
    )
    path = limits.save(tmp_path / "rfm.json")
    assert load_thresholds(path) == limits
    path.write_text(path.read_text().replace('"customer_count": 7', '"customer_count": 8'))
    with pytest.raises(ModelFileError, match="sha256"):
        load_thresholds(path)


def test_the_card_says_the_limits_in_words() -> None:
    limits = RfmThresholds(
        AS_OF, None, "net_spend", (90.0, 30.0, 7.0, None), (2.0,) * 4, (3.5,) * 4, 60, 90, 7
    )
    text = limits.card.to_markdown()
    assert "r_score 2, 3, 4, 5 from 90, 30, 7, never (days since the last order, at most)" in text
    assert "pause between first and second purchase: median 60 days, mean 90" in text


def test_limits_from_before_the_pauses_counted_are_to_be_learned_anew(tmp_path: Path) -> None:
    content: dict[str, Any] = {
        "as_of": "2025-01-01",
        "window_days": None,
        "money": "net_spend",
        "customer_count": 7,
    }
    content |= {name: [1.0, 2.0, 3.0, 4.0] for name in "rfm"}
    path = save_model(tmp_path / "rfm.json", kind="rfm", features=(), content=content)
    with pytest.raises(ModelFileError, match=r"median_pause_days.*train rfm"):
        load_thresholds(path)
