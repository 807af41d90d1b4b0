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
from crm_analytics.modelling.evaluate import Metric

_SHOWN = ("auc", "log_loss", "brier", "calibration_in_the_large", "lift_at_top_decile", "hit_rate", "recall")


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
    """

    name: str
    event: str
    as_of: date
    horizon_days: int
    cutoffs: tuple[CutoffUse, ...]
    features: tuple[str, ...]
    metrics: dict[str, dict[str, Metric]]
    baselines: tuple[str, ...]
    chosen: str
    verdict: str
    notes: tuple[str, ...] = field(default=())

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
            "metrics": {
                model: {
                    name: [_number(m.value), _number(m.low), _number(m.high)] for name, m in found.items()
                }
                for model, found in self.metrics.items()
            },
            "baselines": list(self.baselines),
            "chosen": self.chosen,
            "verdict": self.verdict,
            "notes": list(self.notes),
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
                metrics={
                    model: {
                        name: Metric(*(_float(value) for value in figures)) for name, figures in found.items()
                    }
                    for model, found in stored["metrics"].items()
                },
                baselines=tuple(stored["baselines"]),
                chosen=str(stored["chosen"]),
                verdict=str(stored["verdict"]),
                notes=tuple(stored["notes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(
                f"The model card cannot be read ({error!r}). Train the model again."
            ) from error

    def to_markdown(self) -> str:
        """Return the card as a short Markdown text."""
        lines = [
            f"# Model card: {self.name}",
            "",
            self.verdict,
            "",
            f"- Predicts: {self.event}",
            f"- As of {self.as_of.isoformat()}, for the {self.horizon_days} days from the day of the score",
            f"- Model used: {self.chosen}",
            *(f"- {note}" for note in self.notes),
            "",
        ]
        if self.cutoffs:
            lines += ["| cutoff | used to | customers | event rate |", "|---|---|---|---|"]
            lines += [
                f"| {c.as_of.isoformat()} | {c.role} | {c.row_count:,} | {c.event_rate:.1%} |"
                for c in self.cutoffs
            ]
            lines.append("")
        return "\n".join(lines + self._metric_lines())

    def _metric_lines(self) -> list[str]:
        names = [name for name in _SHOWN if any(name in found for found in self.metrics.values())]
        if not names:
            return []
        lines = [
            "| model (hold-out, 95 % interval) | "
            + " | ".join(name.replace("_", " ") for name in names)
            + " |",
            "|---" * (len(names) + 1) + "|",
        ]
        for model, found in self.metrics.items():
            kind = " (baseline)" if model in self.baselines else ""
            mark = " **used**" if model == self.chosen else ""
            figures = (_figure(found[name]) if name in found else "" for name in names)
            lines.append(f"| {model}{kind}{mark} | " + " | ".join(figures) + " |")
        return [*lines, ""]


def _figure(metric: Metric) -> str:
    if math.isnan(metric.value):
        return "not defined"
    return f"{metric.value:.3f} ({metric.low:.3f} to {metric.high:.3f})"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _float(value: float | None) -> float:
    return float("nan") if value is None else float(value)
