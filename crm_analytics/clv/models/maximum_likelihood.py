"""How are a model's parameters found, how sure are they, and should they be believed?

All models here are fitted alike: the log-likelihood and its analytic gradient are maximised over theta, the
logarithms of the parameters (time divided by the median age, money by the median spend, so that one start
fits every unit), by BFGS steps in the box |theta| <= 12, then polished by Newton steps to the last digits, so
that start, unit and row order do not show. The curvature is the central difference of the gradient; its
inverse is the covariance of theta.  The verdict says in words what a boundary means instead of only reporting
a failed optimiser.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import ModelFileError, UsageError

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

BOX = 12.0
GRADIENT_LIMIT = 1e-5
CONDITION_LIMIT = 1e8
SAME_OPTIMUM = 1e-3
_MOST_STEPS = 300
_LONGEST_STEP = 2.0
_CLOSE_ENOUGH = 1e-5
FORMAT_VERSION = 1
UNIT_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12.0, "year": 365.25}


@dataclass(frozen=True)
class Verdict:
    """May the parameters be used?

    Attributes
    ----------
    status : str
        ``ok``; ``boundary`` (the best fit lies at the edge of the model: predictions can be used, standard
        errors not); ``failed`` (no optimum was found: do not use the predictions).
    reasons : tuple of str
        Why, in plain words; empty if ok.
    """

    status: Literal["ok", "boundary", "failed"]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """Where the likelihood is largest (theta), its total there, the covariance of theta, the verdict."""

    theta: Floats
    log_likelihood: float
    covariance: Floats
    verdict: Verdict


def maximise(
    objective: Objective,
    *,
    start: Floats,
    second_start: Floats,
    customers: float,
    edge_meaning: Callable[[int, bool], str],
) -> Estimate:
    """Find the largest value of a log-likelihood and judge the result.

    Parameters
    ----------
    objective : callable
        theta -> (total log-likelihood, its gradient).
    start, second_start : array of shape (parameters,)
        Two starting points; a different optimum from the second makes the verdict ``failed``.
    customers : float
        Sum of the weights; the gradient is judged per customer (and per unit of curvature where that is
        steeper).
    edge_meaning : callable
        (position of the parameter, True at the upper edge) -> what that means in words.
    """
    theta = _climb(objective, start, customers)
    value, gradient, curvature = _polish(objective, theta)
    other_value = objective(_climb(objective, second_start, customers))[0]
    free = np.abs(theta) < BOX
    eigenvalues = np.linalg.eigvalsh(curvature)
    failures: list[str] = []
    edges = [edge_meaning(i, bool(theta[i] > 0)) for i in np.flatnonzero(~free).tolist()]
    steepest = float((np.abs(gradient) / np.maximum(customers, np.diag(curvature)))[free].max(initial=0.0))
    if not np.isfinite(value) or steepest > GRADIENT_LIMIT * (100.0 if edges else 1.0):
        failures.append(
            f"the optimiser did not arrive (gradient {steepest:.1e} per customer, "
            f"wanted < {GRADIENT_LIMIT:.0e})"
        )
    if np.array_equal(theta, start):
        failures.append("the parameters did not move from their starting values")
    if abs(other_value - value) > SAME_OPTIMUM + 1e-8 * abs(value) and not edges:
        failures.append(
            f"another start gave a different log-likelihood ({other_value:.3f} against {value:.3f})"
        )
    if not edges and (eigenvalues[0] <= 0 or eigenvalues[-1] / eigenvalues[0] > CONDITION_LIMIT):
        flattest = int(np.argmax(np.abs(np.linalg.eigh(curvature)[1][:, 0])))
        edges.append(
            "the likelihood is flat in one direction: " + edge_meaning(flattest, bool(theta[flattest] > 0))
        )
    status: Literal["ok", "boundary", "failed"] = "failed" if failures else "boundary" if edges else "ok"
    covariance = _invert(curvature, floor=1.0 if status != "ok" else 0.0)
    return Estimate(theta, value, covariance, Verdict(status, tuple(failures + edges)))


class MaximumLikelihoodModel:
    """What all models of this folder share: parameters in and out, description, saving.

    A subclass names its parameters and how log-parameters become parameters, and fits itself.  Learned
    attributes are ``params_``, ``log_likelihood_``, ``standard_errors_``, ``log_covariance_``, ``verdict_``,
    ``customers_`` and ``purchases_``.
    """

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]]
    time_parameters: ClassVar[tuple[str, ...]] = ()
    lower_limits: ClassVar[Mapping[str, float]] = {}

    params_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    log_covariance_: Floats
    verdict_: Verdict
    customers_: float
    purchases_: float

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings given to ``__init__`` (scikit-learn's convention; there is nothing nested)."""
        return {name: getattr(self, name) for name in _settings(type(self))}

    def set_params(self, **settings: Any) -> Self:
        """Change settings by name and return the model."""
        for name, value in settings.items():
            if name not in _settings(type(self)):
                known = ", ".join(_settings(type(self))) or "none"
                raise UsageError(f"{type(self).__name__} has no setting {name!r}. Its settings: {known}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({settings})"

    @classmethod
    def from_parameters(
        cls,
        params: Mapping[str, float],
        *,
        log_covariance: Floats | None = None,
        unit: str = "day",
    ) -> Self:
        """Return a model with known parameters, as if it had been fitted.

        Parameters
        ----------
        params : mapping
            One positive number per name in ``parameter_names``.
        log_covariance : array, optional
            Covariance of the log-parameters (less their lower limits); default zero, that is, no parameter
            uncertainty.
        unit : str
            Time unit of the parameters: day, week, month or year. They are stored in days.
        """
        missing = [
            name
            for name in cls.parameter_names
            if not params.get(name, 0.0) > cls.lower_limits.get(name, 0.0)
        ]
        if missing or set(params) != set(cls.parameter_names):
            raise UsageError(
                f"{cls.__name__} needs exactly the parameters {', '.join(cls.parameter_names)}, each a "
                f"number > {cls.lower_limits or 0}; got {dict(params)}."
            )
        model = cls()
        size = len(cls.parameter_names)
        days = unit_days(unit)
        theta = [
            np.log(
                params[name] * (days if name in cls.time_parameters else 1.0)
                - cls.lower_limits.get(name, 0.0)
            )
            for name in cls.parameter_names
        ]
        covariance = (
            np.zeros((size, size)) if log_covariance is None else np.asarray(log_covariance, dtype=np.float64)
        )
        model._learn(np.array(theta), covariance, 0.0, Verdict("ok"), customers=0.0, purchases=0.0)
        return model

    def describe(self, unit: str = "day") -> dict[str, float]:
        """Return the parameters and ``log_likelihood`` with time measured in another unit.

        Parameters
        ----------
        unit : str
            day, week, month (365.25 / 12 days) or year; papers mostly use weeks.
        """
        days = unit_days(unit)
        change = self.purchases_ * float(np.log(days)) if self.time_parameters else 0.0
        values = self._fitted().items()
        described = {name: value / (days if name in self.time_parameters else 1.0) for name, value in values}
        return {**described, "log_likelihood": self.log_likelihood_ + change}

    def parameter_table(self, unit: str = "day") -> pd.DataFrame:
        """Return value, standard_error and a 95 % interval (low, high) per parameter, time in another unit.

        The interval is symmetric in the logarithm, so it never falls below zero.
        """
        days = unit_days(unit)
        table = pd.DataFrame({"value": self._fitted(), "standard_error": self.standard_errors_})
        limit = np.array([self.lower_limits.get(name, 0.0) for name in self.parameter_names])
        above = table["value"] - limit
        factor = np.exp(np.minimum(1.96 * table["standard_error"] / above, 2.0 * BOX))
        table["low"], table["high"] = limit + above / factor, limit + above * factor
        divide = [days if name in self.time_parameters else 1.0 for name in self.parameter_names]
        return table.div(np.array(divide), axis=0)

    def to_json(self) -> str:
        """Return the fitted model as JSON text; `from_json` gives an equal model back."""
        return json.dumps(
            {
                "model": self.name,
                "format_version": FORMAT_VERSION,
                "unit": "day",
                "settings": self.get_params(),
                "params": self._fitted(),
                "log_covariance": self.log_covariance_.tolist(),
                "log_likelihood": self.log_likelihood_,
                "customers": self.customers_,
                "purchases": self.purchases_,
                "verdict": asdict(self.verdict_),
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a model written by `to_json`; nothing in the text is executed.

        Raises
        ------
        ModelFileError
            The text is not JSON, is another model's, or lacks a value.
        """
        try:
            saved = json.loads(text)
            if saved["model"] != cls.name or saved["format_version"] != FORMAT_VERSION:
                raise ModelFileError(
                    f"This file holds model {saved['model']!r}, format {saved['format_version']}; "
                    f"{cls.__name__} reads {cls.name!r}, format {FORMAT_VERSION}. Use the class that wrote "
                    "it."
                )
            model = cls(**saved["settings"])
            theta = [np.log(saved["params"][n] - cls.lower_limits.get(n, 0.0)) for n in cls.parameter_names]
            verdict = Verdict(saved["verdict"]["status"], tuple(saved["verdict"]["reasons"]))
            model._learn(
                np.array(theta),
                np.array(saved["log_covariance"], dtype=np.float64),
                float(saved["log_likelihood"]),
                verdict,
                customers=float(saved["customers"]),
                purchases=float(saved["purchases"]),
            )
            model.params_ = {name: float(saved["params"][name]) for name in cls.parameter_names}
        except (KeyError, TypeError, ValueError) as problem:
            raise ModelFileError(
                f"The text is not a saved {cls.__name__} ({type(problem).__name__}: {problem}). "
                "Fit the model again and save it with to_json."
            ) from None
        return model

    def draw_parameters(self, draws: int, rng: np.random.Generator) -> Floats:
        """Return draws of the parameters, Normal in their logarithms, shape (draws, parameters), in days."""
        limits = np.array([self.lower_limits.get(name, 0.0) for name in self.parameter_names])
        theta = np.log(np.array(list(self._fitted().values())) - limits)
        eigenvalues, vectors = np.linalg.eigh(self.log_covariance_)
        spread = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
        steps = np.einsum("dk,jk->dj", rng.standard_normal((draws, len(theta))), spread)
        return np.asarray(limits + np.exp(theta + np.clip(steps, -BOX, BOX)))

    def _fitted(self) -> dict[str, float]:
        if not hasattr(self, "params_"):
            raise UsageError(f"This {type(self).__name__} is not fitted yet. Call fit(summary) first.")
        return self.params_

    def _learn(
        self,
        theta: Floats,
        covariance: Floats,
        log_likelihood: float,
        verdict: Verdict,
        *,
        customers: float,
        purchases: float,
    ) -> None:
        """Store what was learned; theta are logarithms (in days, above the lower limits)."""
        names = self.parameter_names
        errors = np.exp(theta) * np.sqrt(np.diag(covariance))
        self.params_ = {
            n: self.lower_limits.get(n, 0.0) + float(np.exp(t)) for n, t in zip(names, theta, strict=True)
        }
        self.standard_errors_ = {name: float(error) for name, error in zip(names, errors, strict=True)}
        self.log_covariance_ = covariance
        self.log_likelihood_ = log_likelihood
        self.verdict_ = verdict
        self.customers_ = customers
        self.purchases_ = purchases


def unit_days(unit: str) -> float:
    """Return the length of a time unit in days."""
    if unit not in UNIT_DAYS:
        raise UsageError(f"{unit!r} is no time unit here. Use one of {', '.join(UNIT_DAYS)}.")
    return UNIT_DAYS[unit]


def _settings(model: type[MaximumLikelihoodModel]) -> list[str]:
    return [name for name in inspect.signature(model).parameters if name not in ("args", "kwargs")]


def _climb(objective: Objective, start: Floats, customers: float) -> Floats:
    """Return a point near the optimum, by BFGS steps clipped to the box.

    Written out because scipy's L-BFGS-B calls threaded LAPACK for matrices of four numbers, which costs up to
    4 ms a step and makes the result depend on the number of threads.
    """
    theta, (value, gradient) = start.copy(), objective(start)
    inverse, is_scaled = np.eye(len(start)), False
    for _ in range(_MOST_STEPS):
        stuck = (np.abs(theta) >= BOX) & (np.sign(theta) == np.sign(gradient))
        uphill = np.where(stuck, 0.0, gradient)
        if np.abs(uphill).max() <= _CLOSE_ENOUGH * customers:
            break
        direction = np.where(stuck, 0.0, (inverse * uphill).sum(axis=1)) / customers
        direction /= max(1.0, float(np.abs(direction).max()) / _LONGEST_STEP)
        if (direction * uphill).sum() <= 0:
            inverse, is_scaled, direction = np.eye(len(start)), False, uphill / np.abs(uphill).max()
        for _ in range(40):
            trial = np.clip(theta + direction, -BOX, BOX)
            trial_value, trial_gradient = objective(trial)
            if trial_value >= value + 1e-4 * (uphill * (trial - theta)).sum():
                break
            direction /= 2.0 if np.isfinite(trial_value) else 10.0
        else:
            break
        move, bend = trial - theta, (gradient - trial_gradient) / customers
        theta, value, gradient = trial, trial_value, trial_gradient
        along = float((move * bend).sum())
        if along <= 1e-12 * float((move * move).sum()):
            continue
        if not is_scaled:
            inverse, is_scaled = np.eye(len(start)) * along / float((bend * bend).sum()), True
        turned = (inverse * bend).sum(axis=1)
        inverse = (
            inverse
            + np.outer(move, move) * (1.0 + (bend * turned).sum() / along) / along
            - (np.outer(turned, move) + np.outer(move, turned)) / along
        )
    return theta


def _polish(objective: Objective, theta: Floats) -> tuple[float, Floats, Floats]:
    """Take Newton steps in place near the optimum; return value, gradient and curvature there."""
    curvature = _curvature(objective, theta)
    value, gradient = objective(theta)
    free = np.flatnonzero(np.abs(theta) < BOX)
    inner = np.ix_(free, free)
    for _ in range(4):
        if not len(free) or np.linalg.eigvalsh(curvature[inner])[0] <= 0:
            break
        trial = theta.copy()
        trial[free] += np.linalg.solve(curvature[inner], gradient[free])
        if np.abs(trial - theta).max() > 0.1 or np.abs(trial[free]).max() >= BOX:
            break
        trial_value, trial_gradient = objective(trial)
        if np.abs(trial_gradient[free]).max() >= np.abs(gradient[free]).max():
            break
        theta[:], value, gradient = trial, trial_value, trial_gradient
    return value, gradient, _curvature(objective, theta)


def _curvature(objective: Objective, theta: Floats, step: float = 1e-4) -> Floats:
    """Return minus the second derivatives of the log-likelihood, by central differences of its gradient."""
    size = len(theta)
    rows = [
        (objective(theta - move)[1] - objective(theta + move)[1]) / (2.0 * step)
        for move in step * np.eye(size)
    ]
    curvature = np.array(rows)
    return np.asarray((curvature + curvature.T) / 2.0)


def _invert(curvature: Floats, floor: float) -> Floats:
    """Invert the curvature; with a floor, no direction may be less certain than that variance allows."""
    eigenvalues, vectors = np.linalg.eigh(curvature)
    return np.asarray((vectors / np.maximum(eigenvalues, floor or np.finfo(float).tiny)) @ vectors.T)
