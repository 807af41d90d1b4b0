"""Which models are tried?  A literal list of candidates and baselines, each with the same answers.

A candidate is fitted on a training table (``as_of``, ``customer_id``, ``churned`` and features; rows sorted
by cutoff and customer), says log-odds of churn per row, and splits them into parts per theme (rhythm, value,
tickets ...; a column without a theme is one of its own) that, with a constant, add up to the log-odds. The
learned ones have a level per cutoff besides (`crm_analytics.churn.levels`), which is no part of these
log-odds: the level of the day that is scored is added to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.boosting import Trees, fit_trees
from crm_analytics.churn.known import CURVE, THEMES_OF_COLUMNS, THEORY
from crm_analytics.churn.levels import Levels, fit_levels, level_of_rows, with_theory
from crm_analytics.churn.tree_parts import contributions
from crm_analytics.errors import ModelFileError
from crm_analytics.modelling.baselines import base_rate, log_odds, single_feature
from crm_analytics.modelling.logistic import LogisticModel, fit_logistic, fit_logistic_by_group, sigmoid

Floats = NDArray[np.float64]
Parts = dict[str, Floats]
# Strength of the ridge: many of the features say nearly the same, and weights of 1 or less drifted apart.
RIDGE = 30.0
# How often trees and levels are fitted in turn: the third turn changed nothing on Online Retail and CDNOW.
# A table of one cutoff has one level, and the first turn finds it.
TURNS = 2
# What the usual logistic regression reads: recency, frequency, spend and age.
RFM = ("days_since_last_order", "order_day_count", "net_spend", "tenure_days")
# Columns of a training table that are no features.
NOT_FEATURES = ("as_of", "customer_id", "churned")


class Fitted(Protocol):
    """What every fitted candidate answers."""

    @property
    def levels(self) -> Levels:
        """What is added to the log-odds at each cutoff; baselines have none."""
        ...

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the log-odds of churn per row, without the level."""
        ...

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return theme -> its part of the log-odds per row."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same log-odds for everybody."""

    value: float
    levels = Levels()

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the constant."""
        return np.full(len(frame), self.value)

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return nothing: no customer differs from another."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the constant."""
        return {"value": self.value}

    @classmethod
    def fit(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Constant:
        """Learn the share of churned rows."""
        return cls(log_odds(base_rate(outcome)))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Constant:
        """Rebuild what `to_dict` gave."""
        return cls(float(stored["value"]))


@dataclass(frozen=True)
class ClosedForm:
    """What theory alone says: the purchase model, or the curve of contracts; else `fallback`."""

    fallback: float
    levels = Levels()

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the closed form's log-odds."""
        return start_of(frame, self.fallback)

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return the log-odds as the part of the theme that theory belongs to."""
        return {THEMES_OF_COLUMNS[theory_column(frame) or THEORY]: self.log_odds(frame)}

    def to_dict(self) -> dict[str, Any]:
        """Return the fallback."""
        return {"fallback": self.fallback}

    @classmethod
    def fit(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> ClosedForm:
        """Learn the base rate, for customers whom theory does not cover."""
        return cls(log_odds(base_rate(outcome)))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ClosedForm:
        """Rebuild what `to_dict` gave."""
        return cls(float(stored["fallback"]))


@dataclass(frozen=True)
class Linear:
    """Ridge logistic regression on some of the columns."""

    model: LogisticModel
    levels: Levels = Levels()  # noqa: RUF009 (does not change)

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the log-odds."""
        return self.model.log_odds(frame)

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return each theme's sum of weight x value."""
        return by_theme(self.model.columns, self.model.contributions(frame))

    def to_dict(self) -> dict[str, Any]:
        """Return the weights and levels."""
        return {"model": self.model.to_dict(), "levels": self.levels.to_list()}

    @classmethod
    def fit_all(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Linear:
        """Fit on every column that varies, with a level per cutoff."""
        days = np.unique(table["as_of"].to_numpy())
        model, levels = fit_logistic_by_group(
            table[varying(table)], outcome, table["as_of"].to_numpy(), l2=RIDGE
        )
        found = Levels(tuple(pd.Timestamp(day).date() for day in days), tuple(map(float, levels)))
        return cls(model, _compared(found, table, outcome, model.log_odds(table)))

    @classmethod
    def fit_silence(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Linear:
        """Fit on the days since the last order alone."""
        return cls(single_feature(table, outcome, "days_since_last_order"))

    @classmethod
    def fit_rfm(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Linear:
        """Fit on recency, frequency, spend and age, as one does without thinking of seasons."""
        return cls(fit_logistic(table[list(RFM)], outcome))

    @classmethod
    def fit_age(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Linear:
        """Fit on the age of the contract alone."""
        return cls(single_feature(table, outcome, "contract_age_days"))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Linear:
        """Rebuild what `to_dict` gave."""
        return cls(LogisticModel.from_dict(stored["model"]), Levels.from_list(stored["levels"]))


@dataclass(frozen=True)
class Boosted:
    """Trees that correct the closed form; or xgboost as it comes, which starts from the base rate."""

    text: str
    columns: tuple[str, ...]
    fallback: float
    levels: Levels = Levels()  # noqa: RUF009 (does not change)
    is_plain: bool = False

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return what they start from plus the trees' correction."""
        return self._start(frame) + Trees(self.text, self.columns).correction(frame)

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return exact tree contributions by theme; the starting point belongs to the rhythm."""
        started = THEMES_OF_COLUMNS[theory_column(frame) or THEORY]
        themes = list(dict.fromkeys([started, *(theme_of(name) for name in self.columns)]))
        if self.is_plain:  # trees too deep for tables
            found = by_theme(self.columns, Trees(self.text, self.columns).contributions(frame))
            return {theme: found.get(theme, np.zeros(len(frame))) for theme in themes}
        groups = [themes.index(theme_of(name)) for name in self.columns]
        values = np.asfortranarray(frame[list(self.columns)].to_numpy(dtype=np.float32))
        split = contributions(self.text, values, groups, len(themes))
        parts = {theme: split[:, number] for number, theme in enumerate(themes)}
        return {**parts, started: parts[started] + self._start(frame)}

    def _start(self, frame: pd.DataFrame) -> Floats:
        return np.full(len(frame), self.fallback) if self.is_plain else start_of(frame, self.fallback)

    def to_dict(self) -> dict[str, Any]:
        """Return the trees as xgboost's own JSON text."""
        return {
            "text": self.text,
            "columns": list(self.columns),
            "fallback": self.fallback,
            "levels": self.levels.to_list(),
            "is_plain": self.is_plain,
        }

    @classmethod
    def fit_plain(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Boosted:
        """Fit xgboost with its own settings on every column that varies."""
        columns, fallback = varying(table), log_odds(base_rate(outcome))
        start = np.full(len(table), fallback)
        text = fit_trees(table[columns], outcome, start=start, seed=seed, as_it_comes=True)
        return cls(text, tuple(columns), fallback, is_plain=True)

    @classmethod
    def fit(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Boosted:
        """Fit on every column that varies, starting from the closed form and the level of each cutoff.

        Levels and trees are fitted in turn, since each is to explain what the other does not.
        """
        columns = varying(table)
        fallback = log_odds(base_rate(outcome))
        theory = start_of(table, fallback)
        levels = fit_levels(table, outcome, theory)
        for _ in range(TURNS if len(levels.days) > 1 else 1):
            start = theory + level_of_rows(table, levels)
            text = fit_trees(table[columns], outcome, start=start, seed=seed)
            log_odds_of = theory + Trees(text, columns).correction(table)
            levels = fit_levels(table, outcome, log_odds_of)
        return cls(text, tuple(columns), fallback, _compared(levels, table, outcome, log_odds_of))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Boosted:
        """Rebuild what `to_dict` gave."""
        return cls(
            str(stored["text"]),
            tuple(stored["columns"]),
            float(stored["fallback"]),
            Levels.from_list(stored["levels"]),
            bool(stored["is_plain"]),
        )


@dataclass(frozen=True)
class Blend:
    """The mean of the log-odds of the logistic regression and of the boosted trees.

    Their errors differ, so that the mean is often better than either (Bates and Granger 1969).
    """

    linear: Linear
    boosted: Boosted

    @property
    def levels(self) -> Levels:
        """Return the mean of both levels."""
        one, other = self.linear.levels, self.boosted.levels
        return Levels(one.days, _means(one.values, other.values), _means(one.theory, other.theory))

    def log_odds(self, frame: pd.DataFrame) -> Floats:
        """Return the mean log-odds."""
        return (self.linear.log_odds(frame) + self.boosted.log_odds(frame)) / 2.0

    def parts(self, frame: pd.DataFrame) -> Parts:
        """Return the mean of both parts by theme."""
        one, other = self.linear.parts(frame), self.boosted.parts(frame)
        nothing = np.zeros(len(frame))
        themes = dict.fromkeys([*other, *one])
        return {theme: (one.get(theme, nothing) + other.get(theme, nothing)) / 2.0 for theme in themes}

    def to_dict(self) -> dict[str, Any]:
        """Return both."""
        return {"linear": self.linear.to_dict(), "boosted": self.boosted.to_dict()}

    @classmethod
    def fit(cls, table: pd.DataFrame, outcome: Floats, *, seed: int) -> Blend:
        """Fit both."""
        return cls(Linear.fit_all(table, outcome, seed=seed), Boosted.fit(table, outcome, seed=seed))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Blend:
        """Rebuild what `to_dict` gave."""
        return cls(Linear.from_dict(stored["linear"]), Boosted.from_dict(stored["boosted"]))


@dataclass(frozen=True)
class Candidate:
    """One line of the list.

    Attributes
    ----------
    fit, from_dict : function
        How to fit it, and how to read it back.
    is_baseline : bool
        One of the simple ones that a learned model has to beat.
    needs : str
        Column without which it makes no sense; "" = it takes what there is.
    is_simple : bool
        So plain that a few customers may be judged by it.
    """

    fit: Callable[..., Fitted]
    from_dict: Callable[[Mapping[str, Any]], Fitted]
    is_baseline: bool
    needs: str = ""
    is_simple: bool = False


CANDIDATES: dict[str, Candidate] = {
    "base_rate": Candidate(Constant.fit, Constant.from_dict, is_baseline=True, is_simple=True),
    "days_since_last_order": Candidate(
        Linear.fit_silence, Linear.from_dict, is_baseline=True, needs=THEORY, is_simple=True
    ),
    "closed_form": Candidate(
        ClosedForm.fit, ClosedForm.from_dict, is_baseline=True, needs=THEORY, is_simple=True
    ),
    "contract_age": Candidate(
        Linear.fit_age, Linear.from_dict, is_baseline=True, needs=CURVE, is_simple=True
    ),
    "survival_curve": Candidate(
        ClosedForm.fit, ClosedForm.from_dict, is_baseline=True, needs=CURVE, is_simple=True
    ),
    "recency_frequency_spend_age": Candidate(
        Linear.fit_rfm, Linear.from_dict, is_baseline=True, needs=RFM[1]
    ),
    "plain_xgboost": Candidate(Boosted.fit_plain, Boosted.from_dict, is_baseline=True),
    "logistic": Candidate(Linear.fit_all, Linear.from_dict, is_baseline=False),
    "boosted": Candidate(Boosted.fit, Boosted.from_dict, is_baseline=False),
    "blend": Candidate(Blend.fit, Blend.from_dict, is_baseline=False),
}


def candidates_for(table: pd.DataFrame) -> dict[str, Candidate]:
    """Return the candidates that make sense with the columns of a table."""
    return {name: kind for name, kind in CANDIDATES.items() if not kind.needs or kind.needs in table}


def fit_all(table: pd.DataFrame, *, seed: int) -> dict[str, Fitted]:
    """Fit every candidate on a training table with both outcomes; the blend takes its two parts as fitted."""
    outcome = outcome_of(table)
    fitted: dict[str, Fitted] = {
        name: kind.fit(table, outcome, seed=seed)
        for name, kind in candidates_for(table).items()
        if name != "blend"
    }
    linear, boosted = fitted["logistic"], fitted["boosted"]
    assert isinstance(linear, Linear), "the list above says so"
    assert isinstance(boosted, Boosted), "the list above says so"
    return {**fitted, "blend": Blend(linear, boosted)}


def read_candidate(name: str, stored: Mapping[str, Any]) -> Fitted:
    """Rebuild a fitted candidate from what its `to_dict` gave; ModelFileError when that is not possible."""
    if name not in CANDIDATES:
        raise ModelFileError(f"The model file holds an unknown kind of churn model, {name!r}. Train again.")
    try:
        return CANDIDATES[name].from_dict(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"The {name} model in the file cannot be read ({error!r}). Train again."
        ) from error


def outcome_of(table: pd.DataFrame) -> Floats:
    """Return the label column as floats."""
    return np.asarray(table["churned"].to_numpy(dtype=np.float64), dtype=np.float64)


def theory_column(frame: pd.DataFrame) -> str | None:
    """Return the column with what theory says, None in a frame without one."""
    return next((name for name in (THEORY, CURVE) if name in frame), None)


def start_of(frame: pd.DataFrame, fallback: float) -> Floats:
    """Return the log-odds of theory per row, `fallback` where there are none."""
    column = theory_column(frame)
    if column is None:
        return np.full(len(frame), fallback)
    found = frame[column].to_numpy(dtype=np.float64)
    return np.asarray(np.where(np.isnan(found), fallback, found), dtype=np.float64)


def _compared(levels: Levels, table: pd.DataFrame, outcome: Floats, log_odds_of: Floats) -> Levels:
    """Add what theory says to the levels, where it says anything."""
    column = theory_column(table)
    if column is None or not table[column].notna().any():
        return levels
    return with_theory(levels, table, sigmoid(start_of(table, log_odds(base_rate(outcome)))), log_odds_of)


def _means(one: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
    return tuple((first + second) / 2.0 for first, second in zip(one, other, strict=True))


def varying(table: pd.DataFrame) -> list[str]:
    """Return the features that are known for somebody and not the same for all; the first one if none are."""
    names = [name for name in table.columns if name not in NOT_FEATURES]
    return [name for name in names if table[name].nunique(dropna=False) > 1] or names[:1]


def theme_of(column: str) -> str:
    """Return the theme of a feature; one that is not ours is a theme of its own."""
    return THEMES_OF_COLUMNS.get(column, column)


def by_theme(columns: tuple[str, ...], contributions: Floats) -> Parts:
    """Add up contributions (rows, columns) by the theme of each column, in the order of the columns."""
    parts: Parts = {}
    for number, column in enumerate(columns):
        theme = theme_of(column)
        parts[theme] = parts.get(theme, np.zeros(len(contributions))) + contributions[:, number]
    return parts
