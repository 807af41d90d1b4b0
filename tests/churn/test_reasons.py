"""Do reasons ever contradict the score, or say what is not true of the customer?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_analytics.churn.kinds import kind_of
from crm_analytics.churn.known import THEMES_OF_COLUMNS
from crm_analytics.churn.levels import Levels
from crm_analytics.churn.model import ChurnModel
from crm_analytics.churn.reasons import SMALLEST, WORDINGS, Wording, reason_codes, reasons
from crm_analytics.churn.score import risk_cuts, score_frame, usual_risk
from crm_analytics.modelling.model_card import ModelCard

THEMES = tuple(dict.fromkeys(wording.theme for wording in WORDINGS))
COLUMNS = tuple(dict.fromkeys(THEMES_OF_COLUMNS))
CARD = ModelCard("churn", "none", date(2024, 1, 1), 90, (), (), {}, (), "blend", "For tests.")


@cache
def pattern(wording: Wording) -> re.Pattern[str]:
    told = r"[-\d.,%na]+".join(map(re.escape, re.split(r"\{[^}]*\}", wording.text)))
    return re.compile(re.sub(r"(day|complaint|request|time|campaign)s\b", r"\1s?", told))  # of one: day


def says(wording: Wording, text: str) -> bool:
    """Tell whether a text is the wording, with whatever figures."""
    return pattern(wording).fullmatch(text) is not None


def scored(seed: int) -> tuple[pd.DataFrame, dict[str, np.ndarray], np.ndarray]:
    """Features, parts and directions of forty customers, without any sense but of every kind."""
    draw = np.random.default_rng(seed)
    size = 40
    kinds = [np.full(size, np.nan), draw.integers(0, 4, size), draw.integers(0, 400, size)]
    kinds += [draw.uniform(-1.0, 1.5, size)]
    frame = pd.DataFrame(
        {name: np.choose(draw.integers(0, len(kinds), size), kinds) for name in COLUMNS}, dtype="float64"
    )
    themes = draw.permutation(THEMES)[: draw.integers(1, 6)].tolist()
    moves = [0.0, SMALLEST, *draw.normal(0.0, 1.0, 20)]
    parts = {theme: draw.choice(moves, size) for theme in themes}
    return frame, parts, draw.random(size) < 0.5


@given(st.integers(0, 2**32))
@settings(max_examples=5, deadline=None)
def test_a_reason_moves_the_score_in_its_direction_and_is_true_of_the_customer(seed: int) -> None:
    frame, parts, raises = scored(seed)
    found = reasons(frame, parts, raises)
    codes = reason_codes(parts, raises)
    true_of = {wording: wording.when(frame).to_numpy(dtype=bool, na_value=False) for wording in WORDINGS}
    for row in range(len(frame)):
        said = [texts[row] for texts in found]
        strong = sorted((part[row] if raises[row] else -part[row] for part in parts.values()), reverse=True)
        # as many reasons as themes move the score that way, strongest first and without a gap
        assert [text is not None for text in said] == [
            place < len(strong) and strong[place] >= SMALLEST for place in range(3)
        ]
        for text in filter(None, said):
            meant = [w for w in WORDINGS if w.raises == raises[row] and w.theme in parts and says(w, text)]
            assert any((parts[w.theme][row] > 0) == raises[row] and true_of[w][row] for w in meant), text
        if codes[row] is not None:
            assert raises[row]
            assert any(says(w, said[0] or "") and w.theme == codes[row] for w in WORDINGS if w.raises)
        else:
            assert not raises[row] or said[0] is None


@dataclass(frozen=True)
class Given:
    """A fitted candidate whose parts are given; `base` moves everybody."""

    moves: dict[str, np.ndarray]
    base: float
    levels = Levels()

    def log_odds(self, frame: pd.DataFrame) -> np.ndarray:
        return self.base + sum(self.moves.values(), np.zeros(len(frame)))

    def parts(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        return self.moves

    def to_dict(self) -> dict[str, object]:
        return {}


@given(st.integers(0, 2**32), st.floats(-5.0, 5.0))
@settings(max_examples=4, deadline=None)
def test_who_is_above_the_average_never_has_a_reason_that_lowers_and_the_reverse(
    seed: int, base: float
) -> None:
    frame, parts, _ = scored(seed)
    frame = frame.reindex(columns=kind_of("purchase").columns)
    frame = frame.assign(days_since_last_order=9.0, order_day_count=3.0)
    people = pd.DataFrame({"customer_id": frame.index.astype(str), "excluded_as": None})
    model = ChurnModel("purchase", "any", 90, 365, date(2024, 1, 1), "blend", Given(parts, base), None, CARD)
    found = score_frame(model, frame, people, as_of=date(2024, 1, 1))
    chance = found["churn_probability"]
    above = chance > usual_risk(chance.to_numpy())
    for row in found.index:
        for text in found.loc[row, ["reason_1", "reason_2", "reason_3"]].dropna():
            assert any(says(w, text) for w in WORDINGS if w.raises == above[row]), (text, chance[row])
        assert above[row] or found["reason_code"].isna()[row]
    # bands follow the average too: they never contradict the direction
    assert above[found["risk_band"] == "high"].all()
    assert not above[found["risk_band"] == "low"].any()


def test_where_few_leave_six_times_the_usual_risk_is_high() -> None:
    chance = np.r_[np.full(19, 0.04), 0.30]
    low, high = risk_cuts(float(chance.mean()))
    assert low < 0.04 < high < 0.30


@pytest.mark.parametrize("theme", sorted(set(THEMES_OF_COLUMNS.values())))
@pytest.mark.parametrize("raises", [True, False])
def test_every_theme_of_a_feature_can_be_worded_in_both_directions(theme: str, raises: bool) -> None:
    last = [wording for wording in WORDINGS if (wording.theme, wording.raises) == (theme, raises)][-1:]
    assert last, f"{theme} has no wording that {'raises' if raises else 'lowers'}"
    unknown = pd.DataFrame({name: [float("nan")] for name in COLUMNS}, dtype="float64")
    assert not last[0].columns, "a figure may be unknown"
    assert bool(last[0].when(unknown).iloc[0]), "the last wording says no more than the model does"


def test_a_wording_shows_columns_that_exist() -> None:
    for wording in WORDINGS:
        assert set(wording.columns) <= set(COLUMNS), wording.text
        assert wording.text.count("{") == len(wording.columns)


def test_a_long_silence_is_worded_with_the_usual_rhythm() -> None:
    frame = pd.DataFrame({name: [float("nan")] for name in COLUMNS}, dtype="float64").assign(
        days_since_last_order=64.0, mean_gap_days=21.0, silence_ratio=64 / 21, order_day_count=9.0
    )
    first, second, third = reasons(frame, {"rhythm": np.array([0.8])}, np.array([True]))
    assert first == ["silent 64 days, usually buys every 21"]
    assert (second, third) == ([None], [None])
    [lowered] = reasons(frame, {"rhythm": np.array([-0.8])}, np.array([False]))[0]
    assert lowered == "loyal: 9 order days so far"


def test_a_caller_is_told_a_figure_wherever_one_is_known() -> None:
    known = pd.DataFrame({name: [3.0] for name in COLUMNS})
    vague = [
        wording.text for wording in WORDINGS if "customers who leave" in wording.text and not wording.columns
    ]
    for theme in sorted(set(THEMES_OF_COLUMNS.values())):
        first, _, _ = reasons(known, {theme: np.array([0.8])}, np.array([True]))
        assert first[0] not in [None, *vague], theme


def test_one_of_anything_is_in_the_singular() -> None:
    frame = pd.DataFrame(np.nan, index=[0, 1], columns=list(COLUMNS))
    [wording] = [one for one in WORDINGS if one.text == "{:.0f} requests in the last 180 days"]
    frame[wording.columns[0]] = [1.0, 21.0]
    found = reasons(frame, {"tickets": np.ones(2)}, np.array([True, True]))
    assert list(found[0]) == ["1 request in the last 180 days", "21 requests in the last 180 days"]


def test_nothing_known_is_no_reason() -> None:
    empty = pd.DataFrame({name: [float("nan")] for name in COLUMNS}, dtype="float64")
    assert reasons(empty, {}, np.array([True]))[0] == [None]
    assert reason_codes({}, np.array([True])) == [None]


PRAISE = re.compile(
    r"nan|last order [12]?\d days ago, as"
    r"|loyal|grows|broadly|in time|never sent|no complaint|resolved within|last order only|has a running"
    r"|answered (only )?([3-9]\d|\d{3,})%|rating (6[1-9]|[7-9]\d|\d{3,})%|late in 0(\.0)?%|^has bought [4-9]"
    r"|^(spent|in touch) [1-9]|who stay"
)
BLAME = re.compile(
    r"nan|silent|only \d+ order|spending falls|nothing|sent back|single product|waited|complained|open$"
    r"|fell by|unsubscribed|no mail|answered (none|[0-2]?\d%)|rating [0-5]?\d%|late in|overdue|ends in"
    r"|cancelled|who leave"
)


def test_no_reason_reads_as_praise_beside_a_high_risk_or_as_blame_beside_a_low_one() -> None:
    said: dict[bool, set[str | None]] = {True: set(), False: set()}
    for seed in range(8):  # 320 customers of every kind, each theme in both directions
        frame, _, _ = scored(seed)
        for raises in (True, False):
            for theme in THEMES:
                moves = np.full(len(frame), 0.8 if raises else -0.8)
                said[raises] |= set(reasons(frame, {theme: moves}, np.full(len(frame), raises))[0])
    assert not [text for text in said[True] if PRAISE.search(text or "nan")]
    assert not [text for text in said[False] if BLAME.search(text or "nan")]


def test_an_order_of_the_day_before_yesterday_is_not_given_as_a_reason_for_a_high_risk() -> None:
    frame = pd.DataFrame({name: [float("nan")] for name in COLUMNS}, dtype="float64").assign(
        days_since_last_order=2.0, order_day_count=9.0, mean_gap_days=41.0, silence_ratio=2 / 41
    )
    [said] = reasons(frame, {"rhythm": np.array([0.8])}, np.array([True]))[0]
    assert said == "rhythm of customers who leave: 9 order days so far, usually 41 days apart"


def test_who_answered_every_campaign_is_not_told_so_beside_a_high_risk() -> None:
    frame = pd.DataFrame({name: [float("nan")] for name in COLUMNS}, dtype="float64").assign(
        campaign_response_rate_365=1.0, campaign_contact_count_365=3.0, last_score_rate=1.0
    )
    frame["days_since_feedback"] = 40.0
    high = np.array([True])
    [campaigns] = reasons(frame, {"campaigns": np.array([0.8])}, high)[0]
    assert campaigns == "campaign history of customers who leave: 3 campaigns in the last year"
    [rated] = reasons(frame, {"satisfaction": np.array([0.8])}, high)[0]
    assert rated == "last feedback 40 days ago, as of customers who leave"
    [low] = reasons(frame, {"campaigns": np.array([-0.8])}, ~high)[0]
    assert low == "answered 100% of the campaigns of the last year"
    # of who has a contract and never ordered, no days since an order are told
    [rhythm] = reasons(frame, {"rhythm": np.array([0.8])}, high)[0]
    assert rhythm == "has not ordered anything so far"
