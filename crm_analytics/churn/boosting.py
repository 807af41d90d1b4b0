"""Which combinations of facts go with leaving?  Gradient-boosted trees that start from what theory says.

The trees correct the closed form's log-odds (xgboost's base margin; the base rate where there is no closed
form), so that few data leave theory as it is and many data improve on it. Settings are fixed and small:
depth 3, 100 rounds, at least ten customers (hessian weight) in a leaf; rounds were tried on CDNOW and
Online Retail, other depths were not. Beside them stands xgboost with its own settings, as a baseline. Chen
and Guestrin (2016) for the method, Lundberg et al. (2020) for exact contributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import ModelFileError

Floats = NDArray[np.float64]
ROUNDS = 100
# What every fit has; the trees are the same for any number of threads, and on a busy machine several wait for
# each other.
_ANY = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.5, "nthread": 1}
_SETTINGS = {
    "max_depth": 3,
    "eta": 0.05,
    "min_child_weight": 10,
    "lambda": 10.0,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
}


def fit_trees(
    frame: pd.DataFrame, outcome: Floats, *, start: Floats, seed: int, as_it_comes: bool = False
) -> str:
    """Fit trees on the columns of `frame` and return the model as xgboost's own JSON text.

    Parameters
    ----------
    frame : DataFrame
        Features; NaN = unknown (trees learn where the unknown belong). Sort the rows: the result depends
        on them.
    outcome : array of 0 and 1
        1 = churned.
    start : array of float
        Log-odds to start from, per row.
    seed : int
        Seed of the row and column sampling.
    as_it_comes : bool, default False
        With xgboost's own settings (depth 6, rate .3) in place of ours.
    """
    import xgboost

    data = xgboost.DMatrix(frame, label=outcome, base_margin=start, nthread=1)
    settings = {**_ANY, **({} if as_it_comes else _SETTINGS), "seed": seed}
    booster = xgboost.train(settings, data, num_boost_round=ROUNDS)
    return bytes(booster.save_raw("json")).decode("utf-8")


class Trees:
    """A fitted booster, read from its JSON text.

    Parameters
    ----------
    text : str
        As `fit_trees` returned it.
    columns : sequence of str
        Columns it was fitted on, in order.
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        import xgboost

        self.columns = tuple(columns)
        self._booster = xgboost.Booster({"nthread": 1})
        try:
            self._booster.load_model(bytearray(text, "utf-8"))
        except xgboost.core.XGBoostError as error:
            raise ModelFileError("The boosted trees in the model file are damaged. Train again.") from error
        if tuple(self._booster.feature_names or ()) != self.columns:
            raise ModelFileError("The boosted trees were fitted on other features. Train the model again.")

    def correction(self, frame: pd.DataFrame) -> Floats:
        """Return what the trees add to the log-odds they started from, per row."""
        if not len(frame):
            return np.zeros(0)
        return np.asarray(self._booster.predict(self._data(frame), output_margin=True), dtype=np.float64)

    def contributions(self, frame: pd.DataFrame) -> Floats:
        """Return what each column adds, shape (rows, columns): exact, for trees of any depth, and slow."""
        if not len(frame):
            return np.zeros((0, len(self.columns)))
        found = self._booster.predict(self._data(frame), pred_contribs=True)
        return np.asarray(found[:, :-1], dtype=np.float64)

    def _data(self, frame: pd.DataFrame) -> Any:
        import xgboost

        return xgboost.DMatrix(frame[list(self.columns)], base_margin=np.zeros(len(frame)), nthread=1)
