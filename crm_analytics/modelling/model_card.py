"""What does this model predict, how good is it, and may I use it?  The card that goes with every model.

A card is plain data: it is stored beside the model, printed by the report, and read by people who do not
train models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from crm_analytics.errors import ModelFileError
from crm_analytics.modelling import card_pages
from crm_analytics.modelling.evaluate import Metric

Metrics = dict[str, dict[str, Metric]]


@dataclass(frozen=True)
class CutoffUse:
    """One cutoff and what it served for.

    Attributes
    ----------
    as_of : date
        Day of the cutoff.
    role : str
        ``train`` or ``hold-out``.
    row_count : int
        Customers (for offers: customers judged).
    event_rate : float
        Share of rows in which the event happened, 0..1.
    """

    as_of: date
    role: str
    row_count: int
    event_rate: float


@dataclass(frozen=True)
class ReliabilityGroup:
    """What was predicted for some customers of a hold-out, beside what came.

    Attributes
    ----------
    as_of : date
        Day of the hold-out.
    row_count : int
        Customers of the group.
    mean_probability, event_rate : float
        Predicted and observed, 0..1.
    low, high : float
        95 % limits of `event_rate`.
    """

    as_of: date
    row_count: int
    mean_probability: float
    event_rate: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelCard:
    """What was predicted, from what, and how well.

    Attributes
    ----------
    name : str
        Prediction, for example ``churn``.
    event : str
        What the probability is of, in a sentence.
    as_of : date
        No label that the model saw ends after this day.
    horizon_days : int
        Length of the predicted window in days.
    cutoffs : tuple of CutoffUse
        Days it was trained and judged on, oldest first.
    features : tuple of str
        Columns the chosen model may use.
    metrics : dict of str to dict of str to Metric
        Model -> metric -> value with a 95 % interval, all measured on the hold-out.
    baselines : tuple of str
        Which of those models are baselines.
    chosen : str
        The model that is used.
    verdict : str
        One sentence: may it be used, and for what.
    notes : tuple of str
        What a reader must know besides.
    by_cutoff : dict of str to dict of str to Metric
        Hold-out day (ISO) -> metrics of the chosen model there; empty where it was not asked.
    by_segment : dict of str to dict of str to Metric
        Segment -> metrics of the chosen model for its customers.
    reliability : tuple of ReliabilityGroup
        Predicted beside what came, per hold-out day, of the chosen model.

    Examples
    --------
    >>> card = ModelCard(
    ...     name="churn", event="a customer buys nothing in the 90 days that follow", as_of=date(2024, 7, 1),
    ...     horizon_days=90, cutoffs=(), features=(), metrics={}, baselines=(), chosen="base_rate",
    ...     verdict="Use with care: unproven.",
    ... )
    >>> card.answers()[2]
    ('May I use it?', 'Use with care: unproven.')
    """

    name: str
    event: str
    as_of: date
    horizon_days: int
    cutoffs: tuple[CutoffUse, ...]
    features: tuple[str, ...]
    metrics: Metrics
    baselines: tuple[str, ...]
    chosen: str
    verdict: str
    notes: tuple[str, ...] = ()
    by_cutoff: Metrics = field(default_factory=dict)
    by_segment: Metrics = field(default_factory=dict)
    reliability: tuple[ReliabilityGroup, ...] = ()

    def answers(self) -> tuple[tuple[str, str], ...]:
        """Return what was predicted, how good it is against doing nothing clever, and whether to use it."""
        return card_pages.answers(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain JSON types; figures that are not defined become None."""
        return {
            "name": self.name,
            "event": self.event,
            "as_of": self.as_of.isoformat(),
            "horizon_days": self.horizon_days,
            "cutoffs": [
                [c.as_of.isoformat(), c.role, c.row_count, _number(c.event_rate)] for c in self.cutoffs
            ],
            "features": list(self.features),
            "metrics": stored_metrics(self.metrics),
            "baselines": list(self.baselines),
            "chosen": self.chosen,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "by_cutoff": stored_metrics(self.by_cutoff),
            "by_segment": stored_metrics(self.by_segment),
            "reliability": [
                [r.as_of.isoformat(), r.row_count, r.mean_probability, r.event_rate, r.low, r.high]
                for r in self.reliability
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ModelCard:
        """Rebuild what `to_dict` gave; ModelFileError when something is missing or of the wrong form."""
        try:
            return cls(
                name=str(stored["name"]),
                event=str(stored["event"]),
                as_of=date.fromisoformat(stored["as_of"]),
                horizon_days=int(stored["horizon_days"]),
                cutoffs=tuple(
                    CutoffUse(date.fromisoformat(as_of), role, int(rows), _float(rate))
                    for as_of, role, rows, rate in stored["cutoffs"]
                ),
                features=tuple(stored["features"]),
                metrics=read_metrics(stored["metrics"]),
                baselines=tuple(stored["baselines"]),
                chosen=str(stored["chosen"]),
                verdict=str(stored["verdict"]),
                notes=tuple(stored["notes"]),
                by_cutoff=read_metrics(stored["by_cutoff"]),
                by_segment=read_metrics(stored["by_segment"]),
                reliability=tuple(
                    ReliabilityGroup(date.fromisoformat(as_of), int(rows), *map(float, rates))
                    for as_of, rows, *rates in stored["reliability"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(
                f"The model card cannot be read ({error!r}). Train the model again."
            ) from error

    def to_markdown(self) -> str:
        """Return the card as Markdown whose tables line up on a terminal."""
        return card_pages.markdown(self)

    def _repr_html_(self) -> str:
        return card_pages.page(self)


def stored_metrics(metrics: Metrics) -> dict[str, dict[str, list[float | None]]]:
    """Return metrics as plain JSON types; figures that are not defined become None."""
    return {
        group: {name: [_number(m.value), _number(m.low), _number(m.high)] for name, m in found.items()}
        for group, found in metrics.items()
    }


def read_metrics(stored: Mapping[str, Any]) -> Metrics:
    """Rebuild what `stored_metrics` gave."""
    return {
        group: {name: Metric(*(_float(value) for value in figures)) for name, figures in found.items()}
        for group, found in stored.items()
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
