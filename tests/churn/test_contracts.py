"""Is contractual churn labelled, trained and scored right?  By hand on a few contracts, and on the sample
company."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from crm_analytics import churn, customer, nightly, read_scores, trained_models
from crm_analytics.churn import contract_durations
from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.model import ChurnModel
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.modelling.evaluate import evaluate
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Warehouse
from tests import build
from tests.churn.conftest import half_a_year
from tests.poison import poison_the_future

AS_OF = date(2024, 7, 1)
COMPANY_AS_OF = date(2025, 1, 1)


def contract(number: str, customer: str, started: str, **more: Any) -> dict[str, Any]:
    return {
        "source_id": number,
        "customer_source_id": customer,
        "started_on": started,
        "created_at": started,
        **more,
    }


@pytest.fixture(scope="module")
def wh() -> Iterator[Warehouse]:
    """One customer per way of staying or leaving, around 1 July 2024."""
    with build.warehouse(
        customers=[{"source_id": "own", "is_internal": True, "created_at": "2024-01-01"}],
        contracts=[
            contract(
                "V1", "cancels", "2024-01-01", renews=True, cancelled_on="2024-08-10", cancel_kind="voluntary"
            ),
            contract("V2", "unpaid", "2024-01-01", cancelled_on="2024-07-20", cancel_kind="involuntary"),
            contract("V3", "runs out", "2024-01-01", ends_on="2024-07-31", renews=False),
            contract("V4", "renews", "2024-01-01", ends_on="2024-07-31", renews=True),
            contract("V5", "later", "2024-01-01", cancelled_on="2024-10-01", cancel_kind="voluntary"),
            contract("V6", "changes plan", "2024-01-01", cancelled_on="2024-07-20", cancel_kind="voluntary"),
            contract("V7", "changes plan", "2024-07-21"),
            contract("V8", "has two", "2024-01-01", cancelled_on="2024-07-20", cancel_kind="voluntary"),
            contract("V9", "has two", "2024-03-01"),
            contract("V10", "gone", "2024-01-01", cancelled_on="2024-03-01", cancel_kind="voluntary"),
            contract("V11", "own", "2024-01-01", cancelled_on="2024-07-20", cancel_kind="voluntary"),
            contract("V12", "not yet", "2024-07-01"),
            contract(
                "V13", "unpaid once", "2020-01-01", cancelled_on="2020-06-01", cancel_kind="involuntary"
            ),
            contract("V14", "unpaid once", "2023-01-01", ends_on="2024-07-31", renews=False),
            contract(
                "V15",
                "unpaid too late",
                "2023-01-01",
                ends_on="2024-07-20",
                cancelled_on="2024-08-20",
                cancel_kind="involuntary",
                renews=False,
            ),
        ],
    ) as opened:
        yield opened


def test_the_label_tells_who_left_and_how(wh: Warehouse) -> None:
    kind = kind_of("contract")
    found = wh.frame(kind.file(kind.label), as_of=AS_OF, horizon_days=90).set_index("customer_id")
    found.index = found.index.str[8:]
    assert found["churned"].to_dict() == {
        "cancels": 1, "unpaid": 1, "runs out": 1, "renews": 0, "later": 0, "changes plan": 0, "has two": 0,
        "unpaid once": 1, "unpaid too late": 1,
    }  # fmt: skip
    kinds = found["churn_kind"]
    assert kinds.dropna().to_dict() == {
        "cancels": "voluntary",
        "unpaid": "involuntary",
        "runs out": "voluntary",
        "unpaid once": "voluntary",
        "unpaid too late": "voluntary",
    }
    # the horizon is [as_of, as_of + horizon_days): a cancellation on its last day counts
    short = wh.frame(kind.file(kind.label), as_of=AS_OF, horizon_days=40).set_index("customer_id")
    longer = wh.frame(kind.file(kind.label), as_of=AS_OF, horizon_days=41).set_index("customer_id")
    assert (short.loc["default:cancels", "churned"], longer.loc["default:cancels", "churned"]) == (0, 1)


def test_label_retention_and_lives_agree_on_how_a_contract_ended(wh: Warehouse) -> None:
    kind = kind_of("contract")
    until = AS_OF + timedelta(days=90)
    label = wh.frame(kind.file(kind.label), as_of=AS_OF, horizon_days=90)
    found = churn.retention(wh, as_of=until, period_days=90, period_count=1, of="contracts").iloc[0]
    assert (found["lost_count"], found["involuntary_lost_count"]) == (label["churned"].sum(), 1)
    assert (label["churn_kind"] == "involuntary").sum() == 1
    lives = contract_durations(wh, as_of=until).set_index("contract_id")["end_kind"]
    assert lives.loc[["default:V13", "default:V14", "default:V15"]].tolist() == [
        "involuntary", "voluntary", "voluntary",
    ]  # fmt: skip


def test_lives_end_on_the_first_day_without_the_contract(wh: Warehouse) -> None:
    found = contract_durations(wh, as_of=date(2024, 9, 1)).set_index("contract_id")
    found.index = found.index.str[8:]
    assert found.loc["V3", ["life_days", "is_ended", "end_kind"]].tolist() == [213, True, "voluntary"]
    assert found.loc["V2", ["life_days", "end_kind"]].tolist() == [201, "involuntary"]
    assert found.loc["V4", ["life_days", "is_ended"]].tolist() == [244, False]
    assert "V11" not in found.index  # internal


@pytest.fixture(scope="module")
def model(company: Warehouse) -> ChurnModel:
    with half_a_year():
        return churn.train(company, as_of=COMPANY_AS_OF, kind="contract")


@pytest.fixture(scope="module")
def scores(company: Warehouse, model: ChurnModel) -> pd.DataFrame:
    return churn.score(company, model, as_of=COMPANY_AS_OF)


def test_the_sample_companys_contracts_are_scored(
    company: Warehouse, model: ChurnModel, scores: pd.DataFrame
) -> None:
    assert "running contract" in model.card.event
    assert {"base_rate", "contract_age", "survival_curve"} <= set(model.card.baselines)
    assert "days_since_last_order" not in model.card.metrics
    losses = {name: found["log_loss"].value for name, found in model.card.metrics.items()}
    best = min(losses[name] for name in model.card.baselines)
    assert losses[model.chosen] <= best + 0.002
    # of the contracts that ran longer, too few ended to be shown
    assert list(model.card.by_segment) == ["first year"]
    asked = scores["churn_probability"].notna()
    assert asked.sum() > 80
    assert scores.loc[asked, "churn_probability"].between(0, 1, inclusive="neither").all()
    assert set(scores["status"]) <= {"ok", "new", "inactive", "excluded"}
    assert set(scores.loc[scores["status"] == "excluded", "status_reason"]) <= {
        "test record",
        "internal record",
    }
    reasons = scores.loc[scores["status"] != "excluded"].groupby("status")["status_reason"].unique()
    assert reasons["inactive"].tolist() == ["no contract runs: had left before"]
    assert reasons["ok"].isna().all()
    running = company.rows(
        "select distinct customer_id from facts.contracts_before($as_of) where is_active", as_of=COMPANY_AS_OF
    )
    excluded = set(scores.loc[scores["status"] == "excluded", "customer_id"])
    assert set(scores.loc[asked, "customer_id"]) == {row[0] for row in running} - excluded


def test_later_events_do_not_change_the_companys_scores(
    company_with_a_poisoned_future: Warehouse, model: ChurnModel, scores: pd.DataFrame
) -> None:
    found = churn.score(company_with_a_poisoned_future, model, as_of=COMPANY_AS_OF)
    assert_frame_equal(found, scores, check_exact=True)


def test_a_saved_contract_model_gives_the_same_bits(
    company: Warehouse, model: ChurnModel, scores: pd.DataFrame, tmp_path: Path
) -> None:
    back = churn.load_model(model.save(tmp_path / "contracts.json"))
    assert back.kind == "contract"
    assert_frame_equal(churn.score(company, back, as_of=COMPANY_AS_OF), scores, check_exact=True)


def plans(count: int = 400, seed: int = 4) -> list[dict[str, Any]]:
    """Contracts of which the cheap ones end at 40 % in a quarter and the dear ones at 6 %; a third unpaid."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        cheap = number % 2 == 0
        started = date(2023, 1, 1) + timedelta(days=int(draw.integers(0, 500)))
        ended = started + timedelta(days=1 + int(draw.exponential(90 / -np.log(0.6 if cheap else 0.94))))
        rows.append(
            contract(
                f"V{number}", f"c{number:03d}", started.isoformat(),
                amount="10" if cheap else "80", currency="EUR", billing_period_days=30, renews=True,
                cancelled_on=ended.isoformat() if ended < date(2025, 6, 1) else None,
                cancel_kind=("involuntary" if draw.random() < 0.33 else "voluntary"),
            )
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def plan_shop() -> Iterator[Warehouse]:
    with build.warehouse(contracts=plans()) as opened:
        yield opened


@pytest.fixture(scope="module")
def plan_model(plan_shop: Warehouse) -> ChurnModel:
    with half_a_year():
        return churn.train(plan_shop, as_of=AS_OF, kind="contract")


def test_the_price_that_was_planted_is_found_and_the_level_is_right(
    plan_shop: Warehouse, plan_model: ChurnModel
) -> None:
    kind = kind_of("contract")
    truth = plan_shop.frame(kind.file(kind.label), as_of=AS_OF, horizon_days=90).set_index("customer_id")
    scores = churn.score(plan_shop, plan_model, as_of=AS_OF).set_index("customer_id").loc[truth.index]
    found = evaluate(truth["churned"], scores["churn_probability"], replicates=1)
    assert found["auc"].value > 0.6
    assert 0.7 < found["calibration_in_the_large"].value < 1.4
    cheap = truth.index.str[9:].astype(int) % 2 == 0
    chances = scores["churn_probability"].groupby(cheap).mean()
    assert chances[True] > chances[False] + 0.08


def test_later_events_change_neither_model_nor_scores(
    plan_shop: Warehouse, plan_model: ChurnModel, tmp_path: Path
) -> None:
    with build.warehouse(contracts=plans()) as other:
        poison_the_future(other, AS_OF)
        with half_a_year():
            again = churn.train(other, as_of=AS_OF, kind="contract")
        assert (
            again.save(tmp_path / "a.json").read_bytes() == plan_model.save(tmp_path / "b.json").read_bytes()
        )
        theirs, ours = (churn.score(shop, plan_model, as_of=AS_OF) for shop in (other, plan_shop))
        assert_frame_equal(theirs, ours, check_exact=True)


def test_voluntary_ends_alone_are_fewer(plan_shop: Warehouse, plan_model: ChurnModel) -> None:
    with half_a_year():
        own_will = churn.train(plan_shop, as_of=AS_OF, kind="contract", leaving="voluntary")
    alone = sum(use.event_rate for use in own_will.card.cutoffs)
    both = sum(use.event_rate for use in plan_model.card.cutoffs)
    assert 0.5 < alone / both < 0.85
    assert "by their own will" in own_will.card.event


def test_a_night_of_contracts_alone_scores_publishes_and_reports_them(
    plan_shop: Warehouse, plan_model: ChurnModel, tmp_path: Path
) -> None:
    settings = Settings.from_mapping({"churn": {"kind": "contract"}}, folder=tmp_path)
    settings.paths.models.mkdir()
    plan_model.save(settings.paths.models / f"contract_churn-{AS_OF}.json")
    report = nightly.run(plan_shop, settings, as_of=AS_OF)
    steps = {step.name: (step.status, step.note) for step in report.steps}
    assert steps["churn"] == ("skipped", 'settings: churn.kind is "contract"')
    assert steps["contract churn"] == ("done", "")
    expected = churn.score(plan_shop, plan_model, as_of=AS_OF).set_index("customer_id")
    found = read_scores(settings.paths.published, "contract_churn").set_index("customer_id")
    assert_frame_equal(found[["churn_probability"]], expected[["churn_probability"]], check_exact=True)
    of_all = read_scores(settings.paths.published).set_index("customer_id")
    assert of_all["contract_churn_probability"].equals(expected["churn_probability"].reindex(of_all.index))
    assert of_all["churn_probability"].isna().all()
    assert of_all["contract_churn_status"].equals(expected["status"].reindex(of_all.index))
    page = report.report.read_text(encoding="utf-8")
    told = page.partition("Whose contract may end")[2].partition("</section>")[0]
    assert f"{expected['churn_probability'].notna().sum()} customers have a running contract" in told
    assert plan_model.card.verdict in html.unescape(told)
    likeliest = expected["churn_probability"].sort_values(ascending=False).index[0]
    assert f"<bdi>{likeliest.removeprefix('default:')}</bdi>" in told
    # who calls sees it too
    one = customer(plan_shop, likeliest)
    assert "risk that no contract is left" in one._repr_html_()


def test_models_fit_what_the_settings_ask_of_contracts(plan_model: ChurnModel, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    plan_model.save(tmp_path / "models" / f"contract_churn-{AS_OF}.json")

    def fits(name: str, **churn_settings: Any) -> bool:
        settings = Settings.from_mapping({"churn": churn_settings}, folder=tmp_path)
        return trained_models.newest(settings, name, as_of=AS_OF) is not None

    assert fits("contract_churn")
    assert not fits("contract_churn", leaving="voluntary")
    assert not fits("contract_churn", horizon_days=30)
    (tmp_path / "models" / f"contract_churn-{AS_OF}.json").rename(tmp_path / "models" / f"churn-{AS_OF}.json")
    assert not fits("churn")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "lease"}, "Kinds of churn: purchase, contract"),
        (
            {"kind": "contract", "leaving": "angry"},
            "leaving='angry' must be one of any, voluntary, involuntary",
        ),
        ({"kind": "contract", "active_days": 30}, "active_days is for purchases"),
        ({"leaving": "voluntary"}, "is for contracts"),
    ],
)
def test_kinds_that_do_not_fit_are_refused(given: dict[str, Any], message: str, wh: Warehouse) -> None:
    with pytest.raises(UsageError, match=message):
        churn.train(wh, as_of=AS_OF, **given)


def test_without_contracts_there_is_not_enough_data() -> None:
    with build.warehouse() as empty, pytest.raises(NotEnoughData, match="no contract before 2024-07-01"):
        churn.train(empty, as_of=AS_OF, kind="contract")
