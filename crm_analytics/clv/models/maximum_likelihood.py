"""What do all models of lifetime value have in common?  Parameters in and out, units, description, saving.

Models are fitted by `optimiser.maximise` over the logarithms of their parameters, with time divided by the
median age and money by the median spend, so that one start fits every unit.  Stored parameters are in days
and in the currency of the data.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.clv.models.optimiser import BOX, Verdict
from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.modelling.arguments import instance, one_of, plain, refuse, whole
from crm_analytics.warehouse.run_log import versions

Floats = NDArray[np.float64]

FORMAT_VERSION = 2
# Share of the largest entry by which a covariance may miss being one.
_ROUNDING = 1e-6
UNIT_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12.0, "year": 365.25}


class MaximumLikelihoodModel:
    """What all models of this folder share: parameters in and out, description, saving.

    A subclass names its parameters and how log-parameters become parameters, and fits itself.  Learned
    attributes are ``params_``, ``log_likelihood_``, ``standard_errors_``, ``log_covariance_``, ``verdict_``,
    ``customers_``, ``purchases_`` and ``data_fingerprint_`` (of the data it was fitted to, in any order
    of rows; empty if the parameters were given).
    """

    name: ClassVar[str]
    parameter_names: ClassVar[tuple[str, ...]]
    time_parameters: ClassVar[tuple[str, ...]] = ()
    lower_limits: ClassVar[Mapping[str, float]] = {}
    learned_settings: ClassVar[tuple[str, ...]] = ()

    params_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    log_covariance_: Floats
    verdict_: Verdict
    customers_: float
    purchases_: float
    data_fingerprint_: str

    @property
    def coefficient_names(self) -> tuple[str, ...]:
        """Names of parameters that may have any sign (effects of covariates); none by default."""
        return ()

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of all parameters: those of the model, then the coefficients."""
        return (*self.parameter_names, *self.coefficient_names)

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
        **settings: Any,
    ) -> Self:
        """Return a model with known parameters, as if it had been fitted.

        Parameters
        ----------
        params : mapping
            One number per name in ``all_names``; positive, save for coefficients of covariates.
        log_covariance : array, optional
            Covariance of the log-parameters (less their lower limits; coefficients as they are); default
            zero, that is, no parameter uncertainty.
        unit : str
            Time unit of the parameters: day, week, month or year. They are stored in days.
        settings
            Settings of the model, as for its ``__init__``.
        """
        model = cls(**settings)
        names, positive = model.all_names, cls.parameter_names
        try:
            params = {str(name): float(value) for name, value in dict(params).items()}
        except (TypeError, ValueError):
            raise UsageError(
                f"{cls.__name__} needs one number for each of the parameters {', '.join(names)}; got "
                f"params={params!r}."
            ) from None
        wrong = [name for name in positive if not params.get(name, 0.0) > cls.lower_limits.get(name, 0.0)]
        if wrong or set(params) != set(names) or not np.isfinite(list(params.values())).all():
            raise UsageError(
                f"{cls.__name__} needs exactly the parameters {', '.join(names)}, each a "
                f"number > {dict(cls.lower_limits) or 0}"
                f"{' (coefficients: any number)' if len(names) > len(positive) else ''}; got {params}."
            )
        days = unit_days(unit)
        in_days = {name: params[name] * (days if name in cls.time_parameters else 1.0) for name in names}
        size = len(names)
        covariance = np.zeros((size, size)) if log_covariance is None else _covariance(log_covariance, size)
        model._learn(
            model._theta(in_days),
            covariance,
            np.nan,
            Verdict("ok"),
            customers=0.0,
            purchases=0.0,
        )
        return model

    def with_covariance(self, log_covariance: Floats) -> Self:
        """Return a copy whose standard errors and draws use another covariance of the log-parameters."""
        covariance = _covariance(log_covariance, len(self._fitted()))
        copy = type(self)(**self.get_params())
        copy.__dict__.update(self.__dict__)
        copy.log_covariance_ = covariance
        copy.standard_errors_ = copy._standard_errors(copy.log_covariance_)
        return copy

    def bic(self) -> float:
        """Return the Bayesian information criterion, parameters log(customers) - 2 log-likelihood.

        Smaller is better. Compare only models fitted to the same customers in the same unit of time. NaN for
        a model that was not fitted to customers here (`from_parameters`).
        """
        count = self._free_parameters()
        if not self.customers_ > 0:
            return float("nan")
        return float(count * np.log(self.customers_) - 2.0 * self.log_likelihood_)

    def aic(self) -> float:
        """Return Akaike's information criterion: as `bic`, with 2 in place of log(customers)."""
        return 2.0 * self._free_parameters() - 2.0 * self.log_likelihood_

    def describe(self, unit: str = "day") -> dict[str, float]:
        """Return the parameters and ``log_likelihood`` with time measured in another unit.

        Parameters
        ----------
        unit : str
            day, week, month (365.25 / 12 days) or year; papers mostly use weeks.

        ``log_likelihood`` is NaN for a model that was not fitted to customers here (`from_parameters`).
        """
        days = unit_days(unit)
        change = self.purchases_ * float(np.log(days)) if self.time_parameters else 0.0
        values = self._fitted().items()
        described = {name: value / (days if name in self.time_parameters else 1.0) for name, value in values}
        return {**described, "log_likelihood": self.log_likelihood_ + change}

    def parameter_table(self, unit: str = "day") -> pd.DataFrame:
        """Return value, standard_error and a 95 % interval (low, high) per parameter, time in another unit.

        The interval is symmetric in the logarithm (for coefficients: in the value), so that of a positive
        parameter never falls below zero.
        """
        days = unit_days(unit)
        table = pd.DataFrame({"value": self._fitted(), "standard_error": self.standard_errors_})
        spread = np.minimum(1.96 * np.sqrt(np.diag(self.log_covariance_)), 2.0 * BOX)
        theta = self._theta(self._fitted())
        table["low"], table["high"] = self._natural(theta - spread), self._natural(theta + spread)
        divide = [days if name in self.time_parameters else 1.0 for name in self.all_names]
        return table.div(np.array(divide), axis=0)

    def to_json(self) -> str:
        """Return the fitted model as JSON text; `from_json` gives an equal model back.

        The text holds the parameters and the covariance of their logarithms, their unit, the verdict, the
        fingerprint of the data and the versions of the software; no customer can be read from it.
        """
        return json.dumps(
            {
                "model": self.name,
                "format_version": FORMAT_VERSION,
                "unit": "day",
                "settings": plain(self.get_params()),
                "learned_settings": {name: getattr(self, name) for name in self.learned_settings},
                "params": self._fitted(),
                "log_covariance": self.log_covariance_.tolist(),
                "log_likelihood": self.log_likelihood_ if np.isfinite(self.log_likelihood_) else None,
                "customers": self.customers_,
                "purchases": self.purchases_,
                "verdict": asdict(self.verdict_),
                "data_fingerprint": self.data_fingerprint_,
                "versions": versions(),
            },
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a model written by `to_json`; nothing in the text is executed.

        Settings that are sequences come back as tuples.

        Raises
        ------
        ModelFileError
            The text is not JSON, is another model's, or a value is missing or cannot be true.
        """
        try:
            saved = json.loads(text)
            if saved["model"] != cls.name or saved["format_version"] != FORMAT_VERSION:
                raise ModelFileError(
                    f"This file holds model {saved['model']!r}, format {saved['format_version']}; "
                    f"{cls.__name__} reads {cls.name!r}, format {FORMAT_VERSION}. Use the class that wrote "
                    "it."
                )
            settings = dict(saved["settings"]).items()  # JSON knows no tuples
            model = cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in settings})
            for name in cls.learned_settings:
                setattr(model, name, saved["learned_settings"][name])
            params = {name: float(value) for name, value in saved["params"].items()}
            covariance = np.array(saved["log_covariance"], dtype=np.float64)
            fitted = saved["log_likelihood"] is not None
            counts = float(saved["customers"]), float(saved["purchases"])
            wrong = cls._wrong_values(params, covariance, model.all_names)
            if saved["unit"] != "day":
                wrong = f"its unit is {saved['unit']!r}, and saved models are in days"
            elif fitted and not np.isfinite(float(saved["log_likelihood"])):
                wrong = f"log_likelihood is {saved['log_likelihood']}"
            elif not (np.isfinite(counts).all() and min(counts) >= 0):
                wrong = f"customers and purchases are {counts}"
            elif saved["verdict"]["status"] not in ("ok", "boundary", "failed"):
                wrong = f"its verdict is {saved['verdict']['status']!r}"
            if wrong:
                raise ValueError(wrong)
            verdict = Verdict(saved["verdict"]["status"], tuple(map(str, saved["verdict"]["reasons"])))
            model._learn(
                model._theta(params),
                covariance,
                float(saved["log_likelihood"]) if fitted else np.nan,
                verdict,
                customers=counts[0],
                purchases=counts[1],
                fingerprint=str(saved["data_fingerprint"]),
            )
            model.params_ = {name: params[name] for name in model.all_names}  # a file may sort them
        except (AttributeError, KeyError, TypeError, ValueError, UsageError) as problem:
            raise ModelFileError(
                f"The text is not a saved {cls.__name__} ({type(problem).__name__}: {problem}). "
                "Fit the model again and save it with to_json."
            ) from None
        return model

    @classmethod
    def _wrong_values(cls, params: dict[str, float], covariance: Floats, names: tuple[str, ...]) -> str:
        """Return what about saved parameters cannot be true, in words; empty if nothing."""
        if set(params) != set(names):
            return f"its parameters are {', '.join(params)} and should be {', '.join(names)}"
        low = [n for n in cls.parameter_names if not params[n] > cls.lower_limits.get(n, 0.0)]
        if low or not np.isfinite(list(params.values())).all():
            return f"a parameter cannot be: {params}"
        if covariance.shape != (len(names), len(names)):
            return f"log_covariance has the shape {covariance.shape} for {len(names)} parameters"
        if not np.isfinite(covariance).all() or _is_skew(covariance):
            return "log_covariance is not finite and symmetric"
        if np.linalg.eigvalsh(covariance).min(initial=0.0) < -_ROUNDING * np.abs(covariance).max(initial=0.0):
            return "log_covariance is not positive semidefinite"
        return ""

    def log_parameters(self) -> Floats:
        """Return what ``log_covariance_`` is about: logarithms above lower limits, plain coefficients."""
        return self._theta(self._fitted())

    def draw_parameters(self, draws: int, rng: np.random.Generator) -> Floats:
        """Return draws of the parameters, Normal in their logarithms, shape (draws, parameters), in days."""
        whole("draws", draws)
        instance("rng", rng, np.random.Generator, "a numpy random Generator")
        theta = self._theta(self._fitted())
        eigenvalues, vectors = np.linalg.eigh(self.log_covariance_)
        spread = (vectors * np.sqrt(np.maximum(eigenvalues, 0.0))) @ vectors.T
        steps = np.einsum("dk,jk->dj", rng.standard_normal((draws, len(theta))), spread)
        return self._natural(theta + np.clip(steps, -BOX, BOX))

    def _theta(self, params: Mapping[str, float]) -> Floats:
        """Return logarithms above the lower limits; coefficients as they are."""
        logs = [np.log(params[n] - self.lower_limits.get(n, 0.0)) for n in self.parameter_names]
        return np.array([*logs, *(params[name] for name in self.coefficient_names)], dtype=np.float64)

    def _natural(self, theta: Floats) -> Floats:
        """Return parameters from `_theta`; the last axis holds the parameters."""
        size = len(self.parameter_names)
        limits = np.array([self.lower_limits.get(name, 0.0) for name in self.parameter_names])
        return np.concatenate([limits + np.exp(theta[..., :size]), theta[..., size:]], axis=-1)

    def _standard_errors(self, covariance: Floats) -> dict[str, float]:
        theta, size = self._theta(self.params_), len(self.parameter_names)
        scale = np.concatenate([np.exp(theta[:size]), np.ones(len(theta) - size)])
        errors = scale * np.sqrt(np.maximum(np.diag(covariance), 0.0))
        return {name: float(error) for name, error in zip(self.all_names, errors, strict=True)}

    def _free_parameters(self) -> int:
        """Return how many numbers were chosen by likelihood."""
        return len(self._fitted())

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
        fingerprint: str = "",
    ) -> None:
        """Store what was learned; theta as in `_theta`, in days."""
        natural = self._natural(theta)
        self.params_ = {name: float(value) for name, value in zip(self.all_names, natural, strict=True)}
        self.standard_errors_ = self._standard_errors(covariance)
        self.log_covariance_ = covariance
        self.log_likelihood_ = log_likelihood
        self.verdict_ = verdict
        self.customers_ = customers
        self.purchases_ = purchases
        self.data_fingerprint_ = fingerprint


def fingerprint(*columns: Floats) -> str:
    """Return the SHA-256 of columns of numbers: equal for equal numbers in equal order only."""
    digest = hashlib.sha256()
    for column in columns:
        digest.update(f"{column.shape}".encode())
        digest.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return digest.hexdigest()


def unit_days(unit: str) -> float:
    """Return the length of a time unit in days."""
    return UNIT_DAYS[one_of("unit", unit, UNIT_DAYS)]


def _covariance(given: object, size: int) -> Floats:
    """Return a covariance of so many log-parameters; NaN where one is unknown."""
    try:
        covariance = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        covariance = np.empty(0)
    if covariance.shape != (size, size) or np.isinf(covariance).any():
        refuse("log_covariance", given, f"an array of numbers of the shape {(size, size)}")
    known = ~np.isnan(np.diag(covariance))
    part = covariance[np.ix_(known, known)]
    if _is_skew(part) or (np.linalg.eigvalsh(part) < -_ROUNDING * np.abs(part).max(initial=0.0)).any():
        refuse("log_covariance", given, "symmetric, without a negative variance in any direction")
    return covariance


def _is_skew(covariance: Floats) -> bool:
    """Whether a matrix has a missing entry or is not symmetric."""
    room = _ROUNDING * np.abs(covariance).max(initial=0.0)
    return not (np.abs(covariance - covariance.T) <= room).all()


def _settings(model: type[MaximumLikelihoodModel]) -> list[str]:
    return [name for name in inspect.signature(model).parameters if name not in ("args", "kwargs")]
