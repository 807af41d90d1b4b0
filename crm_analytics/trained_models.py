"""Which trained model may score tonight?  The newest saved one that has not seen past as_of.

Models lie in the models folder as ``<name>-<as_of>.json``, one file per model and day of training, and
are never overwritten by a later day; a night of the past therefore finds the model it had. A model
fits when it was trained for what the settings ask; when none fits, one is trained and saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

from crm_analytics import churn, clv, scoring, segmentation
from crm_analytics.errors import UsageError
from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.settings import Settings
from crm_analytics.warehouse import Warehouse

# What was learned from fewer is learned anew every night.
_FEW_CUSTOMERS = 100


class Model(Protocol):
    """What every trained model has."""

    @property
    def as_of(self) -> date: ...

    @property
    def horizon_days(self) -> int: ...

    @property
    def card(self) -> ModelCard: ...

    def save(self, path: Path, /) -> Path: ...


@dataclass(frozen=True)
class Kind:
    """How models of one name are trained, read and recognised as fitting the settings."""

    train: Callable[[Warehouse, Settings, date], Model]
    read: Callable[[Path], Model]
    fits: Callable[[Any, Settings], bool]


@dataclass(frozen=True)
class Trained:
    """A model and the file it was read from.

    Attributes
    ----------
    model : Model
        A ChurnModel, an OfferModel, the ModelChoice of lifetime value, RfmThresholds or a ClusterModel.
    path : pathlib.Path
        Its file.
    is_new : bool
        It was trained just now, because none fitted.
    """

    model: Any
    path: Path
    is_new: bool

    def record(self) -> dict[str, Any]:
        """Return what a run's record keeps: the digest of the file, and the card."""
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return {"file": self.path.name, "sha256": digest, "card": self.model.card.to_dict()}


def train(wh: Warehouse, settings: Settings, name: str, *, as_of: date) -> Trained:
    """Train a model on what was known before `as_of`, and save it.

    Parameters
    ----------
    wh : Warehouse
    settings : Settings
        Horizons, and the models folder (created if need be).
    name : str
        Key of ``KINDS``: rfm, clusters, churn, contract_churn, offers or value.
    as_of : date
        No outcome at or after this day is learned from.

    Raises
    ------
    NotEnoughData
        There is nothing to learn from.
    """
    if name not in KINDS:
        raise UsageError(f"There is no model {name!r}. Models: {', '.join(KINDS)}.")
    folder = settings.paths.models
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    model = KINDS[name].train(wh, settings, as_of)
    path = model.save(folder / f"{name}-{as_of.isoformat()}.json")
    path.chmod(0o600)
    return Trained(KINDS[name].read(path), path, is_new=True)


def newest(settings: Settings, name: str, *, as_of: date) -> Trained | None:
    """Return the newest saved model that fits the settings and saw nothing at or after `as_of`."""
    for path in sorted(settings.paths.models.glob(f"{name}-*.json"), reverse=True):
        model = KINDS[name].read(path)
        if model.as_of <= as_of and KINDS[name].fits(model, settings):
            return Trained(model, path, is_new=False)
    return None


def newest_or_trained(wh: Warehouse, settings: Settings, name: str, *, as_of: date) -> Trained:
    """Return the newest model that fits; train one when there is none."""
    return newest(settings, name, as_of=as_of) or train(wh, settings, name, as_of=as_of)


def _purchase_churn(settings: Settings) -> dict[str, Any]:
    how = settings.churn
    return {"kind": "purchase", "horizon_days": how.horizon_days, "active_days": how.active_days}


def _contract_churn(settings: Settings) -> dict[str, Any]:
    how = settings.churn
    return {"kind": "contract", "horizon_days": how.horizon_days, "leaving": how.leaving}


def _churn_kind(asked: Callable[[Settings], dict[str, Any]]) -> Kind:
    """Return how churn models are trained for what the settings ask, and recognised."""

    def fits(model: Any, settings: Settings) -> bool:
        wanted = asked(settings)
        return all(value in (None, getattr(model, name)) for name, value in wanted.items())

    return Kind(
        train=lambda wh, settings, as_of: churn.train(wh, as_of=as_of, **asked(settings)),
        read=churn.load_model,
        fits=fits,
    )


def _learn_limits(wh: Warehouse, settings: Settings, as_of: date) -> Model:
    how = settings.segments
    limits: Model = segmentation.learn_thresholds(
        wh, as_of=as_of, window_days=how.window_days, money=how.money
    )
    return limits


def _fits_limits(limits: Any, settings: Settings) -> bool:
    """Tell whether limits were learned for these settings, and from customers enough to be kept."""
    how = settings.segments
    is_known = limits.customer_count >= _FEW_CUSTOMERS
    return is_known and (limits.window_days, limits.money) == (how.window_days, how.money)


def _learn_clusters(wh: Warehouse, settings: Settings, as_of: date) -> Model:
    before = newest(settings, "clusters", as_of=as_of)
    previous = None if before is None else before.model
    clusters: Model = segmentation.learn_clusters(wh, as_of=as_of, previous=previous)
    return clusters


KINDS: dict[str, Kind] = {
    # where one RFM score ends and the next begins
    "rfm": Kind(train=_learn_limits, read=segmentation.load_thresholds, fits=_fits_limits),
    # also a finding that there are no clusters is kept until somebody trains again
    "clusters": Kind(
        train=_learn_clusters,
        read=segmentation.load_clusters,
        fits=lambda model, settings: model.customer_count >= _FEW_CUSTOMERS,
    ),
    # who may fall silent, and whose contract may end
    "churn": _churn_kind(_purchase_churn),
    "contract_churn": _churn_kind(_contract_churn),
    "offers": Kind(
        train=lambda wh, settings, as_of: scoring.train_offers(
            wh, as_of=as_of, horizon_days=settings.offers.horizon_days, k=settings.offers.k
        ),
        read=scoring.load_offer_model,
        fits=lambda model, settings: model.horizon_days == settings.offers.horizon_days,
    ),
    # which purchase model values customers; its parameters are fitted every night
    "value": Kind(
        train=lambda wh, settings, as_of: clv.choose_model(wh, as_of=as_of),
        read=clv.load_choice,
        fits=lambda choice, settings: True,
    ),
}
