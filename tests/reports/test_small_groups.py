"""Does a report single nobody out, neither by what it shows nor by what can be subtracted?"""

from __future__ import annotations

from itertools import product
from typing import Any

import pandas as pd
import pytest

from crm_analytics.reports.company import company_report
from crm_analytics.reports.small_groups import hidden, is_small
from crm_analytics.warehouse import Warehouse
from tests.reports.test_company import AS_OF, Page, company, fill


@pytest.mark.parametrize("smallest", [1, 2, 5])
def test_no_table_lets_a_small_group_be_worked_out_from_its_total(smallest: int) -> None:
    for counts in product(range(8), repeat=4):
        is_hidden = hidden(counts, smallest)
        gone = [count for count, out in zip(counts, is_hidden, strict=True) if out]
        shown = [count for count, out in zip(counts, is_hidden, strict=True) if not out]
        assert not any(is_small(count, smallest) for count in shown), counts
        if any(is_small(count, smallest) for count in counts):
            is_all = not any(shown)
            assert is_all or (len(gone) > 1 and sum(gone) >= smallest), counts
        else:
            assert not gone, counts


def test_hidden_is_no_more_than_must_be() -> None:
    assert hidden([100, 50, 20, 3], 5) == [False, False, True, True]
    assert hidden([100, 50, 4, 3], 5) == [False, False, True, True]
    assert hidden([100, 50, None, 20], 5) == [False, False, True, True]


def divided() -> Warehouse:
    """30 customers: 27 champions, 3 others, of whom 2 at high risk; each with a value of its own."""
    wh = company()
    ids = wh.frame("select customer_id from scores.rfm order by customer_id")
    segments = ["champions"] * 20 + ["loyal"] * 7 + ["cannot_lose"] * 3
    bands = ["low"] * 21 + ["medium"] * 7 + ["high"] * 2
    fill(
        wh, "scores.rfm", ids, days_since_last_order=20, order_count=3, net_spend=30.0, r_score=5,
        f_score=5, m_score=5, segment=segments,
    )  # fmt: skip
    fill(
        wh, "scores.churn", ids, churn_probability=[0.1] * 21 + [0.5] * 7 + [0.87] * 2, risk_band=bands,
        status="ok",
    )  # fmt: skip
    return wh


def cells(text: str, after: str, before: str) -> str:
    return text[text.index(after) : text.index(before, text.index(after))]


def test_small_segments_and_bands_are_hidden_with_their_averages_and_a_second_one() -> None:
    with divided() as wh:
        text = Page(company_report(wh, as_of=AS_OF)).text
        everything = Page(company_report(wh, as_of=AS_OF, smallest_group=1)).text
    bands = cells(text, "RiskCustomers", "High: the odds")
    assert "87 %" not in bands
    assert "low21" in bands
    assert "medium–––––" in bands.replace(" ", "")
    assert "high–––––" in bands.replace(" ", "")
    assert "At high risk of leaving–too few to be shown" in text
    assert "87 %" in cells(everything, "RiskCustomers", "High: the odds")
    assert "At high risk of leaving2" in everything
    segments = cells(text, "SegmentCustomers", "Revenue is all")
    assert "2067 %" in segments
    assert segments.count("–––––") == 2
    assert "Groups of 1 to 4 people are not counted" in text
    assert "Groups of 1 to" not in everything


def test_the_few_without_a_score_cannot_be_had_by_subtraction() -> None:
    with divided() as wh:
        two = wh.rows("select customer_id from scores.churn order by customer_id limit 2")
        for (customer_id,) in two:
            wh.execute("delete from scores.churn where customer_id = $id", id=customer_id)
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert "Customers who bought lately could leave" in text
    assert "28 customers" not in text


def test_a_product_offered_to_one_customer_is_not_described() -> None:
    with company() as wh:
        offers: dict[str, Any] = {"rank": 1, "expected_value": 2.0, "reason": "", "status": "ok"}
        ids = pd.DataFrame({"customer_id": [f"default:C{number}" for number in range(1, 31)]})
        products = ["default:P1"] * 24 + ["default:P2"] * 5 + ["default:P3"]
        probability = [0.2] * 24 + [0.31] * 5 + [0.93]
        fill(wh, "scores.next_best_offers", ids, product_id=products, probability=probability, **offers)
        text = Page(company_report(wh, as_of=AS_OF)).text
    table = cells(text, "Product offered first", "The most promising")
    assert "24" in table
    assert "93 %" not in table
    assert "31 %" not in table
