"""Which purchase model was chosen, when, and on what evidence?  Kept, so that nights agree.

Comparing takes seconds to minutes, and a model that changes from night to night makes scores jump.  So the
choice is made once, saved beside the other trained models, and made again when somebody asks for it
(`crm-analytics train value`); the parameters are fitted every night.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from crm_analytics.clv.compare import Comparison, compare
from crm_analytics.clv.models import MODELS
from crm_analytics.clv.rolling_origins import BASELINES
from crm_analytics.errors import ModelFileError
from crm_analytics.modelling.evaluate import Metric
from crm_analytics.modelling.model_card import CutoffUse, ModelCard
from crm_analytics.modelling.saved_model import load_model, save_model
from crm_analytics.warehouse import Warehouse

KIND = "value"
_FIGURES = ("log_score", "total_error", "band_error", "rank_correlation", "rmse", "mae", "coverage", "bic")


@dataclass(frozen=True)
class ModelChoice:
    """A chosen purchase model.

    Attributes
    ----------
    as_of : date
        No purchase at or after this day was looked at.
    horizon_days : int
        Length of the windows on which candidates were compared.
    model : str
        Key of `crm_analytics.clv.models.MODELS`.
    card : ModelCard
        The evidence.
    """

    as_of: date
    horizon_days: int
    model: str
    card: ModelCard

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the choice as one JSON file with its own digest; returns the path."""
        content = {
            "as_of": self.as_of.isoformat(),
            "horizon_days": self.horizon_days,
            "model": self.model,
            "card": self.card.to_dict(),
        }
        return save_model(path, kind=KIND, features=(), content=content)


def choose_model(
    wh: Warehouse, *, as_of: date, horizon_days: int = 90, models: Sequence[str] | None = None
) -> ModelChoice:
    """Compare candidates (`compare`; default: all) and return the winner with its evidence.

    Parameters
    ----------
    wh, as_of, horizon_days, models
        As of `compare`.

    Returns
    -------
    ModelChoice
        To be saved, and given to `lifetime_value` by its name.

    Raises
    ------
    NotEnoughData
        Nobody bought before as_of, or no candidate can be fitted.
    """
    judged = compare(wh, as_of=as_of, horizon_days=horizon_days, models=models)
    return ModelChoice(as_of, horizon_days, judged.winner, _card(judged))


def load_choice(path: str | os.PathLike[str]) -> ModelChoice:
    """Read what `ModelChoice.save` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    ModelChoice
        As it was saved.

    Raises
    ------
    ModelFileError
        Not our file, changed since it was written, or a model that is not known here.
    """
    _, content = load_model(path, kind=KIND)
    try:
        choice = ModelChoice(
            date.fromisoformat(content["as_of"]),
            int(content["horizon_days"]),
            str(content["model"]),
            ModelCard.from_dict(content["card"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelFileError(f"{path}: cannot be read ({problem!r}). Choose the model again.") from None
    if choice.model not in MODELS:
        raise ModelFileError(
            f"{path}: chose {choice.model!r}, which is no purchase model here ({', '.join(MODELS)}). "
            "Choose the model again."
        )
    return choice


def _card(judged: Comparison) -> ModelCard:
    table, windows = judged.models, judged.by_origin
    cutoffs = [
        CutoffUse(origin, "hold-out", int(rows["customers"].iloc[0]), float(rows["buying_rate"].iloc[0]))
        for origin, rows in (windows.groupby(level="origin") if len(windows) else ())
    ]
    metrics = {
        str(name): {
            figure: Metric(float(table.loc[name, figure]), np.nan, np.nan)
            for figure in _FIGURES
            if figure in table
        }
        for name in table.index
    }
    verdicts = [f"{name}: {table.loc[name, 'verdict']}" for name in table.index if name not in BASELINES]
    return ModelCard(
        name=KIND,
        event="days with a purchase in the horizon, per customer",
        as_of=judged.as_of,
        horizon_days=judged.horizon_days,
        cutoffs=tuple(cutoffs),
        features=("frequency", "recency", "T"),
        metrics=metrics,
        baselines=BASELINES,
        chosen=judged.winner,
        verdict=judged.reason,
        notes=(*judged.notes, *verdicts),
    )
