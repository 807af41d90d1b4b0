"""Is the report one self-contained page that says what the scores say, whatever the data contain?"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest

from crm_analytics.churn.score import BAND_ODDS
from crm_analytics.modelling.evaluate import Metric
from crm_analytics.modelling.model_card import ModelCard, ReliabilityGroup
from crm_analytics.reports.company import TEMPLATES, company_report
from crm_analytics.warehouse import Warehouse
from tests import build

AS_OF = date(2025, 7, 1)
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{ 7*7 }}&"


class Page(HTMLParser):
    """Collects what a browser would see: elements, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def company(*, customer: str = "C1", product: str = "Tea", reason: str = "silent for long") -> Warehouse:
    """A warehouse with one published-looking night: 30 customers, the first with the given words."""
    ids = [customer] + [f"C{i}" for i in range(2, 31)]
    lines = [
        {
            "customer_source_id": source_id,
            "order_source_id": f"o{number}-{source_id}",
            "product_source_id": "P1",
            "occurred_at": f"2025-0{number}-10",
            "unit_price": "10",
        }
        for source_id in ids
        for number in (1, 4, 6)
    ]
    wh = build.warehouse(order_lines=lines, products=[{"source_id": "P1", "name": product}])
    customers = pd.DataFrame({"customer_id": [f"default:{source_id}" for source_id in ids]})
    fill(
        wh, "scores.rfm", customers, days_since_last_order=20, order_count=3, net_spend=30.0,
        r_score=5, f_score=5, m_score=5, segment="champions",
    )  # fmt: skip
    fill(
        wh, "scores.clv", customers, horizon_days=365.0, frequency=2, recency=150, T=170,
        monetary_value=10.0, probability_alive=0.9, expected_purchases=4.0, expected_spend=40.0,
        lifetime_revenue=[100.0 + i for i in range(30)][::-1], lifetime_revenue_low=50.0,
        lifetime_revenue_high=150.0, lifetime_value=None, model="bg_nbd", status="ok", status_reason="",
    )  # fmt: skip
    fill(
        wh, "scores.churn", customers, churn_probability=0.7, risk_band="high", reason_1=reason,
        status="ok",
    )  # fmt: skip
    fill(
        wh, "scores.next_best_offers", customers, rank=1, product_id="default:P1", probability=0.2,
        expected_value=2.0, reason=reason, status="ok",
    )  # fmt: skip
    fill(
        wh, "scores.actions", customers.head(2), rank=[1, 2], kind=["alert", "call"], owner_source_id="U1",
        due_on=AS_OF, churn_probability=0.7, earlier_probability=[0.3, None], value_at_stake=150.0,
        value_kind="margin", expected_saved_margin=[16.0, 15.0], save_rate=0.2, horizon_days=90,
        reason=reason,
    )  # fmt: skip
    return wh


def fill(wh: Warehouse, table: str, customers: pd.DataFrame, **values: Any) -> None:
    columns = wh.frame(f"select * from {table} limit 0").columns
    rows = customers.assign(as_of=AS_OF, **values)
    wh.replace_as_of(table, rows[[name for name in columns if name in rows]], as_of=AS_OF)


def test_the_page_is_self_contained_and_forbids_what_it_does_not_need() -> None:
    with company() as wh:
        html = company_report(wh, as_of=AS_OF)
    page = Page(html)
    assert "script" not in page.elements
    assert not {"src", "style", "onerror", "onclick"} & set(page.attributes)
    assert all(link.startswith("#") for link in page.attributes["href"])
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", html)
    [policy] = [text for text in page.attributes["content"] if "default-src" in text]
    digest = hashlib.sha256((TEMPLATES / "company.css").read_bytes()).digest()
    assert f"style-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert "default-src 'none'" in policy


def test_words_from_the_data_stay_words() -> None:
    with company() as wh:
        clean = Page(company_report(wh, as_of=AS_OF))
    with company(customer=EVIL, product=EVIL, reason=EVIL) as wh:
        hurt = Page(company_report(wh, as_of=AS_OF, title=EVIL))
    assert hurt.elements == clean.elements
    assert hurt.attributes.keys() == clean.attributes.keys()
    assert hurt.text.count(EVIL) >= 4


def test_the_figures_are_those_of_the_scores() -> None:
    with company() as wh:
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert "Customers on 1 July 2025" in text
    assert "90 purchases between 10 January 2025 and 10 June 2025" in text
    assert "3,435 EUR" in text  # 30 customers worth 100 ... 129
    assert "At high risk of leaving30" in text


def test_offers_are_counted_and_shown_for_those_who_take_mail_only() -> None:
    """As in audiences: the last word on the channel counts, and a no to every channel."""

    def word(who: str, channel: str, granted: bool, day: int = 1) -> dict[str, Any]:
        return {
            "customer_source_id": who,
            "channel": channel,
            "is_granted": granted,
            "occurred_at": f"2025-03-{day:02d}",
        }

    words = [
        *(word(f"C{n}", "email", False) for n in range(2, 8)),
        *(word(f"C{n}", "phone", True) for n in range(2, 8)),  # no opt-out of everything
        *(word(f"C{n}", "phone", False) for n in range(8, 13)),  # the only word is no
        word("C2", "email", True, day=2),
        *(word(f"C{n}", "phone", False) for n in (13, 14)),
        *(word(f"C{n}", "email", True) for n in (13, 14)),  # refuses calls, takes mails
    ]
    with company() as wh:
        build.add(wh, "consents", words)
        page = company_report(wh, as_of=AS_OF)
    offers = page.partition('<section id="offers">')[2].partition("</section>")[0]
    assert "The best next offer for 20 customers who may be written to" in offers
    shown = set(re.findall(r'<td class="id"><bdi>(C\d+)</bdi>', offers))
    assert shown <= {"C1", "C2"} | {f"C{n}" for n in range(13, 31)}
    assert {"C1", "C2", "C13"} <= shown


def test_the_model_cards_are_quoted() -> None:
    nan = float("nan")
    caught = {"capture_at_top_decile": Metric(0.23, 0.2, 0.26)}
    card = ModelCard(
        name="churn",
        event="no purchase in the 90 days after",
        as_of=AS_OF,
        horizon_days=90,
        cutoffs=(),
        features=(),
        metrics={
            "xgboost": {"auc": Metric(0.8, 0.75, 0.85), **caught},
            "recency": {"auc": Metric(0.7, nan, nan)},
        },
        baselines=("recency",),
        chosen="xgboost",
        verdict="Use it to rank.",
        notes=("Small.",),
        reliability=(
            ReliabilityGroup(date(2025, 1, 1), 40, 0.2, 0.25, 0.1, 0.4),
            ReliabilityGroup(date(2025, 4, 1), 40, 0.6, 0.5, 0.3, 0.7),
        ),
    )
    with company() as wh:
        models = {
            "churn": {"card": card.to_dict()},
            "offers": {"card": {"verdict": "Better than popularity."}},
        }
        text = Page(company_report(wh, as_of=AS_OF, models=models)).text
    assert "Better than popularity." in text
    assert "Use it to rank." in text
    assert "0.8000.750 to 0.850" in text
    assert "Of all to whom it happened, 23% (20 to 26) were in the tenth it rated highest." in text
    assert "from 2025-04-01" in text


def test_a_company_without_customers_still_has_a_page() -> None:
    with Warehouse.open() as wh:
        text = Page(company_report(wh, as_of=AS_OF)).text
    for words in ("No purchase is known", "Nobody has bought yet", "No churn model", "no offer to make"):
        assert words in text


@pytest.mark.parametrize("missing", ["scores.clv", "scores.churn", "scores.next_best_offers"])
def test_a_step_that_was_skipped_leaves_a_sentence_not_a_crash(missing: str) -> None:
    with company() as wh:
        wh.execute(f"delete from {missing}")
        assert "nan" not in Page(company_report(wh, as_of=AS_OF)).text.lower().replace("finance", "")


def test_whom_to_call_is_the_list_of_the_night_and_nobody_elses() -> None:
    with company(reason="silent 80 days, usually buys every 20") as wh:
        wh.execute("delete from scores.next_best_offers")
        text = Page(company_report(wh, as_of=AS_OF)).text
        wh.execute("delete from scores.actions")
        nobody = Page(company_report(wh, as_of=AS_OF)).text
    assert text.count("silent 80 days") == 2
    assert "The night's list: 2 of 2 shown, best first; the 1 customer whose risk has risen comes" in text
    assert "up from 30 %" in text
    assert "the margin of the next 12 months × the chance that the customer leaves now" in text
    assert "Nobody is to be called" in nobody
    assert "silent 80 days" not in nobody


def test_the_bands_are_explained_as_the_scores_make_them_and_ranges_say_how_sure() -> None:
    assert BAND_ODDS == 2.0
    with company() as wh:
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert "High: the odds of leaving are at least twice those of the average customer; low: half of" in text
    assert "9 times in 10 between" in text
    assert "30 from repeat purchases of the customer's own" in text


@pytest.mark.parametrize(
    ("churn", "said"),
    [
        ({"churn_probability": 0.2, "risk_band": "low", "status": "ok"}, None),
        ({"status": "inactive"}, "nobody of the segment is active any more"),
        ({"status": "excluded"}, None),
        (None, "No churn model could be trained on these data, so there is no churn probability"),
    ],
)
def test_a_dash_for_churn_is_explained_by_its_real_cause(
    churn: dict[str, Any] | None, said: str | None
) -> None:
    explanations = ("nobody of the segment is active any more", "so there is no churn probability")
    with company() as wh:
        wh.execute("delete from scores.churn")
        if churn:
            fill(wh, "scores.churn", wh.frame("select customer_id from scores.rfm"), **churn)
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert [words for words in explanations if words in text] == [
        words for words in explanations if said and words in said
    ]


@pytest.mark.parametrize(
    ("probability", "expected_value", "said"),
    [
        ([0.1, 0.3], [5.0, 2.0], "ranked by expected value"),
        ([0.3, 0.1], [2.0, 5.0], "ranked by probability"),
        ([0.3, 0.1], [5.0, 2.0], None),
    ],
)
def test_the_ranking_of_the_offers_is_named_as_the_ranks_show_it(
    probability: list[float], expected_value: list[float], said: str | None
) -> None:
    with company() as wh:
        fill(
            wh, "scores.next_best_offers", pd.DataFrame({"customer_id": ["default:C1"] * 2}), rank=[1, 2],
            product_id=["default:P1", "default:P2"], probability=probability,
            expected_value=expected_value, reason="", status="ok",
        )  # fmt: skip
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert "times the mean revenue of an order of it" in text
    assert said in text if said else "are ranked by" not in text


def test_ids_name_their_system_only_where_there_is_more_than_one() -> None:
    with company() as wh:
        one = Page(company_report(wh, as_of=AS_OF)).text
        ids = wh.frame("select customer_id from scores.rfm").assign(segment="cannot_lose")
        ids.loc[29, "customer_id"] = "till:C30"
        fill(
            wh, "scores.rfm", ids, days_since_last_order=20, order_count=3, net_spend=30.0, r_score=5,
            f_score=5, m_score=5,
        )  # fmt: skip
        two = Page(company_report(wh, as_of=AS_OF)).text
    assert "default:" not in one
    assert "default:C1" in two
    assert "C2Champions" in one
    assert "cannot_lose" not in two
    assert "cannot lose" not in two
    assert "counts only what is still expected over the next 12 months" in one


def test_a_company_of_one_customer_is_spoken_of_in_the_singular() -> None:
    line = {
        "customer_source_id": "C1", "order_source_id": "o1", "product_source_id": "P1",
        "occurred_at": "2025-06-10", "unit_price": "10",
    }  # fmt: skip
    with build.warehouse(order_lines=[line], products=[{"source_id": "P1", "name": "Tea"}]) as wh:
        fill(
            wh, "scores.next_best_offers", pd.DataFrame({"customer_id": ["default:C1"]}), rank=1,
            product_id="default:P1", probability=0.2, expected_value=2.0, reason="", status="ok",
        )  # fmt: skip
        one = pd.DataFrame({"customer_id": ["default:C1"]})
        fill(
            wh, "scores.rfm", one, days_since_last_order=20, order_count=1, net_spend=10.0, r_score=5,
            f_score=1, m_score=1, segment="new_customers",
        )  # fmt: skip
        fill(wh, "scores.churn", one, churn_probability=0.5, risk_band="medium", status="ok")
        text = Page(company_report(wh, as_of=AS_OF)).text
    assert "Made from 1 purchase on 10 June 2025." in text
    assert "1 customer who bought lately could leave." in text
    assert "1 of 1 product that is somebody's first offer" in text
    assert not re.search(r"\b1 (customers|purchases|products|orders)\b", text)


def test_every_table_can_scroll_on_its_own() -> None:
    with company() as wh:
        html = company_report(wh, as_of=AS_OF)
    assert html.count("<table>") == html.count('<div class="scroll"><table>') > 4
