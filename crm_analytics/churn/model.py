"""What does a trained churn model consist of, and how is it kept?  `ChurnModel`, saved as JSON with a
digest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.churn.candidates import Fitted, Parts, read_candidate
from crm_analytics.churn.kinds import kind_of
from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.modelling.arguments import refuse
from crm_analytics.modelling.logistic import sigmoid
from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.modelling.saved_model import check_features, save_model
from crm_analytics.modelling.saved_model import load_model as read_model

Floats = NDArray[np.float64]
KIND = "churn"


@dataclass(frozen=True)
class ChurnModel:
    """A trained churn model with everything that scoring needs.

    Attributes
    ----------
    kind : str
        ``purchase`` or ``contract``.
    leaving : str
        Which ends of contracts count: ``any``, ``voluntary`` or ``involuntary``.
    horizon_days, active_days : int
        The event it predicts (see the module); `active_days` is 0 for contracts.
    as_of : date
        No label it saw ends after this day: it may score at `as_of` or later.
    chosen : str
        Key of ``CANDIDATES``.
    fitted : Fitted
        The chosen candidate, fitted on all cutoffs.
    theory : ModifiedBetaGeoModel | DiscreteHazard | None
        What the kind's theory was fitted to be; None where the data could not identify it.
    card : ModelCard
        What was predicted, how well, and the verdict.
    """

    kind: str
    leaving: str
    horizon_days: int
    active_days: int
    as_of: date
    chosen: str
    fitted: Fitted
    theory: Any
    card: ModelCard

    def probability(self, frame: pd.DataFrame, *, as_of: date) -> Floats:
        """Return the churn probability per row of a frame of `crm_analytics.churn.known.known` at a day."""
        needed = kind_of(self.kind).columns
        check_features(needed, [name for name in frame.columns if name != "customer_id"], model=KIND)
        return sigmoid(self.fitted.log_odds(frame) + self.fitted.levels.expected(as_of))

    def relative_parts(self, frame: pd.DataFrame) -> Parts:
        """Return per theme how far it moves the log-odds away from their mean over the frame."""
        return {theme: part - float(np.mean(part)) for theme, part in self.fitted.parts(frame).items()}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one JSON file with its own digest; returns the path."""
        kind = kind_of(self.kind)
        content = {
            "kind": self.kind,
            "leaving": self.leaving,
            "horizon_days": self.horizon_days,
            "active_days": self.active_days,
            "as_of": self.as_of.isoformat(),
            "chosen": self.chosen,
            "fitted": self.fitted.to_dict(),
            "theory": None if self.theory is None else kind.to_dict(self.theory),
            "card": self.card.to_dict(),
        }
        return save_model(path, kind=KIND, features=kind.columns, content=content)


def load_model(path: str | os.PathLike[str]) -> ChurnModel:
    """Read a model that `ChurnModel.save` wrote.

    Raises
    ------
    ModelFileError
        Not our file, changed since it was written, another kind of model, or trained on other features.
    """
    if not isinstance(path, str | os.PathLike):
        refuse("path", path, "the path of a model file")
    found, content = read_model(path, kind=KIND)
    try:
        kind = kind_of(content["kind"])
        check_features(kind.columns, found, model=KIND)
        theory = content["theory"]
        return ChurnModel(
            kind=content["kind"],
            leaving=content["leaving"],
            horizon_days=int(content["horizon_days"]),
            active_days=int(content["active_days"]),
            as_of=date.fromisoformat(content["as_of"]),
            chosen=content["chosen"],
            fitted=read_candidate(content["chosen"], content["fitted"]),
            theory=None if theory is None else kind.from_dict(theory),
            card=ModelCard.from_dict(content["card"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise ModelFileError(f"{Path(path).name}: incomplete ({error!r}). Train the model again.") from error
