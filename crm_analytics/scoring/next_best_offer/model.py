"""What does a trained offer model consist of, and how is it kept?  Two blends and a card, saved as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crm_analytics.errors import ModelFileError
from crm_analytics.modelling.logistic import sigmoid
from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.modelling.saved_model import check_features, save_model
from crm_analytics.modelling.saved_model import load_model as read_model
from crm_analytics.scoring.next_best_offer.blend import ACTIVITY, Blend
from crm_analytics.scoring.next_best_offer.recommenders import RECOMMENDERS

Floats = NDArray[np.float64]
KIND = "next_best_offer"
INPUTS = (*RECOMMENDERS, *ACTIVITY)


@dataclass(frozen=True)
class OfferModel:
    """Turns what is known of a customer and a product into a probability of purchase.

    Attributes
    ----------
    horizon_days : int
        Window of the purchase.
    as_of : date
        No purchase it learned from lies at or after this day.
    first_time, again : Blend
        For products the customer has never bought, and for those bought before.
    card : ModelCard
        What was predicted and how well, against offering everybody what is popular.
    """

    horizon_days: int
    as_of: date
    first_time: Blend
    again: Blend
    card: ModelCard

    def probability(self, inputs: Mapping[str, Floats], owned: NDArray[np.bool_]) -> Floats:
        """Return the probability for a matrix (customers, products) of inputs."""
        odds = np.where(owned, self.again.log_odds(inputs), self.first_time.log_odds(inputs))
        return sigmoid(odds)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one JSON file with its own digest; returns the path."""
        content = {
            "horizon_days": self.horizon_days,
            "as_of": self.as_of.isoformat(),
            "first_time": self.first_time.to_dict(),
            "again": self.again.to_dict(),
            "card": self.card.to_dict(),
        }
        return save_model(path, kind=KIND, features=INPUTS, content=content)


def load_offer_model(path: str | os.PathLike[str]) -> OfferModel:
    """Read a model that `OfferModel.save` wrote; ModelFileError when it is not one, or was changed."""
    found, content = read_model(path, kind=KIND)
    check_features(INPUTS, found, model=KIND)
    try:
        return OfferModel(
            horizon_days=int(content["horizon_days"]),
            as_of=date.fromisoformat(content["as_of"]),
            first_time=Blend.from_dict(content["first_time"]),
            again=Blend.from_dict(content["again"]),
            card=ModelCard.from_dict(content["card"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{Path(path).name}: incomplete ({error!r}). Train the model again.") from error
