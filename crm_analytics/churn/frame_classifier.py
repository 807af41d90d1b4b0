"""Who of a table of customers leaves?  The candidates, choice and calibration of `train` on a plain feature
frame.

For data without dates: a snapshot with a flag. There being no later day to judge on, candidates are judged
on folds of the rows instead, which is the one place where this package splits at random. Rows of one
snapshot share one level, so nothing is said about another season.

A fitted classifier tells which columns put a score where it stands (`contributions`, `reasons`), and is saved
as JSON with a digest, never as a pickle (`save`, `load_frame_classifier`).

Numbers are taken as they are; text, categories and booleans become one column per word seen. A missing
value is unknown, not a word. Inside, columns are numbered, so that a column may have any name.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from crm_analytics.churn.candidates import Fitted, candidates_for, fit_all, read_candidate
from crm_analytics.churn.choice import judge
from crm_analytics.churn.frame_reasons import by_column, medians, worded
from crm_analytics.errors import ModelFileError, NotEnoughData, UsageError
from crm_analytics.modelling.logistic import sigmoid
from crm_analytics.modelling.model_card import read_metrics, stored_metrics
from crm_analytics.modelling.saved_model import load_model, save_model

if TYPE_CHECKING:
    from crm_analytics.modelling.evaluate import Metric

Floats = NDArray[np.float64]
KIND = "frame churn"
# All rows of a snapshot have one day; which one does not matter, and nothing is said of another.
_DAY = date(2000, 1, 1)
# The trees hold numbers of 32 bits, which end soon after.
_GREATEST = 1e38


class FrameChurnClassifier:
    """Churn probabilities from a feature frame, with scikit-learn's conventions.

    Parameters
    ----------
    folds : int, default 3
        Shuffled, stratified folds on which the candidates are judged.
    seed : int, default 0
        Seed of folds, trees and intervals.

    Attributes
    ----------
    classes_ : array of two
        Labels as given, the one that means leaving last (sorted).
    feature_names_in_ : array of str
        Columns it was fitted on.
    chosen_ : str
        Key of ``CANDIDATES``.
    verdict_ : str
        May it be used, in one sentence.
    metrics_ : dict of str to dict of str to Metric
        Candidate -> metric over all folds, each row judged by a model that had not seen it.
    fitted_ : Fitted
        The chosen candidate, fitted on all rows.
    base_log_odds_ : float
        Mean log-odds of leaving of the rows it was fitted on: what contributions are measured against.

    Examples
    --------
    >>> draw = np.random.default_rng(1)
    >>> X = pd.DataFrame({"months": draw.integers(1, 60, 400), "plan": draw.choice(["year", "month"], 400)})
    >>> y = draw.random(400) < np.where(X["plan"] == "month", 0.6, 0.1)
    >>> model = FrameChurnClassifier().fit(X, y)
    >>> new = pd.DataFrame({"months": [3, 3], "plan": ["month", "year"]})
    >>> bool(np.diff(model.predict_proba(new)[:, 1])[0] < -0.3)
    True
    """

    def __init__(self, *, folds: int = 3, seed: int = 0) -> None:
        self.folds = folds
        self.seed = seed

    def fit(self, X: pd.DataFrame, y: ArrayLike) -> FrameChurnClassifier:
        """Compare the candidates on folds and fit the best on all rows.

        Parameters
        ----------
        X : DataFrame, shape (n, columns)
            Features; numbers, text, categories or booleans, with or without gaps.
        y : array of two labels, shape (n,)
            The greater label (1, True, "Yes") means leaving.

        Raises
        ------
        NotEnoughData
            No rows, or not exactly two labels in `y`.
        UsageError
            `X` is no DataFrame, a column name occurs twice, lengths differ, a label is missing, or a column
            has a type that cannot be used or numbers that are infinite or beyond 1e38.
        """
        from sklearn.model_selection import StratifiedKFold

        _check(X)
        labels = np.asarray(y)
        if labels.ndim != 1 or len(labels) != len(X):
            raise UsageError(f"{len(X)} rows of features for {len(labels)} labels.")
        if pd.isna(labels).any():
            raise UsageError(
                f"{int(pd.isna(labels).sum())} of {len(labels)} labels are missing (None, NaN). Leave these "
                "rows out: whether they left is not known."
            )
        if len({isinstance(label, str) for label in labels.tolist()}) > 1:
            raise UsageError("Some labels are text and some are not. Use one kind, such as 0 and 1.")
        self.classes_ = np.unique(labels)
        if len(self.classes_) != 2:
            raise NotEnoughData(f"{len(self.classes_)} labels in {len(X)} rows: a model needs two.")
        if self.folds < 2:
            raise UsageError(f"folds={self.folds} must be at least 2.")
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.words_ = {name: _words(X[name]) for name in X.columns}
        table = self._table(X)
        table["churned"] = (labels == self.classes_[1]).astype(np.float64)
        table["customer_id"] = np.arange(len(table))
        rarest = int(min(table["churned"].sum(), len(table) - table["churned"].sum()))
        judged: list[pd.DataFrame] = []
        odds: list[dict[str, Floats]] = []
        if rarest >= 2:
            split = StratifiedKFold(min(self.folds, rarest), shuffle=True, random_state=self.seed)
            for inner, outer in split.split(table, table["churned"]):
                rows = table.iloc[outer]
                found = fit_all(table.iloc[inner], seed=self.seed)
                judged.append(rows)
                odds.append({name: _odds(one, rows) for name, one in found.items()})
        choice = judge(judged, odds, table=table, where="folds that the model had not seen", seed=self.seed)
        self.chosen_, self.verdict_ = choice.chosen, choice.verdict
        self.metrics_: dict[str, dict[str, Metric]] = choice.metrics
        outcome = table["churned"].to_numpy(dtype=np.float64)
        self.fitted_ = candidates_for(table)[self.chosen_].fit(table, outcome, seed=self.seed)
        self.base_log_odds_ = float(np.mean(_odds(self.fitted_, table)))
        self.mean_parts_ = [float(np.mean(part)) for part in self._parts(table).T]
        self.usual_ = medians(X, self.words_)
        return self

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return the probabilities of staying and of leaving per row, shape (n, 2)."""
        self._check_asked(X)
        leaving = sigmoid(_odds(self.fitted_, self._table(X)))
        return np.column_stack([1.0 - leaving, leaving])

    def contributions(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return how far each column moves the log-odds of leaving away from ``base_log_odds_``.

        Returns
        -------
        DataFrame
            Index of `X`, columns ``feature_names_in_``. A row and ``base_log_odds_`` add up to the log-odds
            of leaving. Trees: exact Shapley values (Lundberg et al. 2020); logistic regression: weight x
            value.
        """
        self._check_asked(X)
        moved = self._parts(self._table(X)) - np.asarray(self.mean_parts_)
        return pd.DataFrame(moved, index=X.index, columns=self.feature_names_in_)

    def reasons(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return up to three reasons per row, in words, strongest first.

        As of churn scores: a probability above that of the average row it was fitted on is explained by what
        raises it, every other by what lowers it.

        Returns
        -------
        DataFrame
            Index of `X`; ``reason_1, reason_2, reason_3``, missing where fewer columns matter.
        """
        moved = self.contributions(X).to_numpy()
        raises = moved.sum(axis=1) > 0.0
        return worded(X[list(self.feature_names_in_)], moved, raises, self.usual_)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the fitted classifier as one JSON file with its own digest; returns the path.

        Raises
        ------
        UsageError
            Not fitted yet, or a column has a name that is neither text nor a whole number.
        """
        self._check_fitted()
        names = [name.item() if isinstance(name, np.generic) else name for name in self.feature_names_in_]
        odd = [name for name in names if not isinstance(name, str | int)]
        if odd:
            raise UsageError(f"Column {odd[0]!r} has a name that a file cannot hold. Name columns by text.")
        content = {
            **self.get_params(),
            "classes": self.classes_.tolist(),
            "words": list(self.words_.values()),
            "chosen": self.chosen_,
            "verdict": self.verdict_,
            "metrics": stored_metrics(self.metrics_),
            "fitted": self.fitted_.to_dict(),
            "base_log_odds": self.base_log_odds_,
            "mean_parts": self.mean_parts_,
            "usual": self.usual_,
        }
        return save_model(path, kind=KIND, features=names, content=content)

    def predict(self, X: pd.DataFrame) -> NDArray[Any]:
        """Return the likelier label per row."""
        return np.asarray(self.classes_[(self.predict_proba(X)[:, 1] > 0.5).astype(int)])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings given to ``__init__`` (scikit-learn's convention)."""
        return {"folds": self.folds, "seed": self.seed}

    def set_params(self, **settings: Any) -> FrameChurnClassifier:
        """Change settings by name (scikit-learn's convention)."""
        for name, value in settings.items():
            if name not in self.get_params():
                raise UsageError(
                    f"FrameChurnClassifier has no setting {name!r}: {', '.join(self.get_params())}."
                )
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what this is: a classifier of two classes that takes gaps and words."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(allow_nan=True, categorical=True, string=True),
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "fitted_"):
            raise UsageError("This FrameChurnClassifier is not fitted yet. Call fit(X, y) first.")

    def _check_asked(self, X: pd.DataFrame) -> None:
        self._check_fitted()
        _check(X)
        missing = [str(name) for name in self.feature_names_in_ if name not in X.columns]
        if missing:
            raise UsageError(f"The frame lacks {', '.join(missing)}, which the model was fitted on.")

    def _parts(self, table: pd.DataFrame) -> Floats:
        return by_column(self.fitted_.parts(table), len(self.words_), len(table))

    def _table(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return one float column per number and one per word of the rest, and the day all rows share."""
        columns: dict[str, Any] = {"as_of": pd.Timestamp(_DAY)}
        for number, (name, words) in enumerate(self.words_.items()):
            if words is None:
                columns[f"{number}: {name}"] = _numbers(X[name])
                continue
            held = X[name].astype("object")
            unknown = held.isna().to_numpy()
            texts = held.map(str).to_numpy()
            for word in words:
                found = np.where(unknown, np.nan, (texts == word).astype(np.float64))
                columns[f"{number}: {name}={word}"] = found
        return pd.DataFrame(columns, index=range(len(X)))


def load_frame_classifier(path: str | os.PathLike[str]) -> FrameChurnClassifier:
    """Read a classifier that `FrameChurnClassifier.save` wrote; it gives the same bits.

    Raises
    ------
    ModelFileError
        Not our file, changed since it was written, or a model of another kind.
    """
    names, content = load_model(path, kind=KIND)
    try:
        model = FrameChurnClassifier(folds=int(content["folds"]), seed=int(content["seed"]))
        model.classes_ = np.asarray(content["classes"])
        model.feature_names_in_ = np.asarray(names, dtype=object)
        model.words_ = dict(zip(names, content["words"], strict=True))
        model.chosen_, model.verdict_ = str(content["chosen"]), str(content["verdict"])
        model.metrics_ = read_metrics(content["metrics"])
        model.fitted_ = read_candidate(model.chosen_, content["fitted"])
        model.base_log_odds_ = float(content["base_log_odds"])
        model.mean_parts_, model.usual_ = list(content["mean_parts"]), list(content["usual"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{Path(path).name}: incomplete ({error!r}). Fit the model again.") from error
    return model


def _odds(fitted: Fitted, rows: pd.DataFrame) -> Floats:
    return fitted.log_odds(rows) + fitted.levels.expected(_DAY)


def _numbers(column: pd.Series) -> Floats:
    """Return a column as floats that the trees can hold."""
    try:
        found = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Column {column.name!r} held numbers when the model was fitted, and holds something else now. "
            "Give numbers (pandas.to_numeric), empty where they are unknown."
        ) from error
    wrong = np.flatnonzero(np.abs(found) > _GREATEST)
    if len(wrong):
        raise UsageError(
            f"Column {column.name!r} holds {found[wrong[0]]} in row {wrong[0]} ({len(wrong)} rows in all). "
            f"Give numbers up to {_GREATEST:.0e}, and leave empty (NaN) what is not known."
        )
    return found


def _words(column: pd.Series) -> list[str] | None:
    """Return the words of a column sorted, None for a column of numbers."""
    if pd.api.types.is_bool_dtype(column.dtype) or not pd.api.types.is_numeric_dtype(column.dtype):
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            raise UsageError(f"Column {column.name!r} holds days. Give the number of days since then.")
        return sorted({str(word) for word in column.dropna()})
    return None


def _check(frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"A DataFrame with named columns is needed, not {type(frame).__name__}.")
    if not len(frame.columns) or not frame.columns.is_unique:
        raise UsageError("The frame needs at least one column, and each name only once.")
