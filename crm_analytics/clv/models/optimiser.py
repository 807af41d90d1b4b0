"""Where is a likelihood largest, how sharp is the peak, and may the result be used?

Maximised over theta, the logarithms of the parameters, with the analytic gradient, in the box |theta| <= 12:
by Newton steps where the model gives its second derivatives, else by BFGS steps; then polished to the last
digits, so that start, unit and row order do not show.  The inverse of the curvature is the covariance of
theta.  The verdict says in words what a boundary means instead of only reporting a failed optimiser.

Dear likelihoods are approached by way of a cheap likeness (`rough`: part of the data, fewer nodes): both
starts climb there, and only the last few steps see everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]
Evaluation = tuple[float, Floats, Callable[[], Floats] | None]

BOX = 12.0
GRADIENT_LIMIT = 1e-5
CONDITION_LIMIT = 1e8
SAME_OPTIMUM = 1e-3
AS_GOOD = 2.0
_MOST_STEPS = 120
_LONGEST_STEP = 2.0
_CLOSE_ENOUGH = 1e-5
_SAME_PLACE = 1e-5
_SAME_ROUGHLY = 1e-2
# With exact curvature the step after one of this size would be its square.
_FINE_ENOUGH, _FINE_ENOUGH_IF_EXACT = 1e-7, 1e-6
_SMALL_GAIN = 1e-5
_SAME_HILL = 0.1
_REMEMBERED = 32
# On a ridge that leads to the edge BFGS creeps: after so many steps, or one that gained nothing to speak of
# for its size, differences of the gradient show the way, until a step by them gains nothing either.
_STEPS_BEFORE_CURVATURE = 16
_NO_GAIN = 1e-12


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


class Likelihood:
    """A log-likelihood with its derivatives; remembers the last places, so that each costs one pass.

    Parameters
    ----------
    evaluate : callable
        theta -> (total, gradient, None or a function that returns minus the second derivatives there).
    """

    def __init__(self, evaluate: Callable[[Floats], Evaluation]) -> None:
        self._evaluate = evaluate
        self._known: dict[bytes, Evaluation] = {}

    @classmethod
    def without_curvature(cls, objective: Objective) -> Likelihood:
        """Return the likelihood of a function that gives value and gradient only."""
        return cls(lambda theta: (*objective(theta), None))

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        """Return value and gradient."""
        return self._at(theta)[:2]

    def exact_curvature(self, theta: Floats) -> Floats | None:
        """Return minus the second derivatives, if the model gives them."""
        bend = self._at(theta)[2]
        return None if bend is None else bend()

    def curvature(self, theta: Floats, step: float = 1e-4) -> Floats:
        """Return minus the second derivatives: the model's, else central differences of the gradient."""
        exact = self.exact_curvature(theta)
        if exact is not None:
            return exact
        rows = [
            (self(theta - move)[1] - self(theta + move)[1]) / (2.0 * step)
            for move in step * np.eye(len(theta))
        ]
        curvature = np.array(rows)
        return np.asarray((curvature + curvature.T) / 2.0)

    def _at(self, theta: Floats) -> Evaluation:
        place = theta.tobytes()
        if place not in self._known:
            if len(self._known) >= _REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[place] = self._evaluate(theta)
        return self._known[place]


def maximise(
    objective: Likelihood | Objective,
    *,
    start: Floats,
    second_start: Floats | None,
    customers: float,
    edge_meaning: Callable[[int, bool], str],
    rough: Likelihood | None = None,
    rough_customers: float = 0.0,
) -> Estimate:
    """Find the largest value of a log-likelihood and judge the result.

    Parameters
    ----------
    objective : Likelihood or callable
        theta -> (total log-likelihood, its gradient).
    start, second_start : array of shape (parameters,)
        Two starting points; a different optimum from the second makes the verdict ``failed``. Without a
        second nothing is compared.
    customers : float
        Sum of the weights; the gradient is judged per customer (and per unit of curvature where that is
        steeper).
    edge_meaning : callable
        (position of the parameter, True at the upper edge) -> what that means in words.
    rough : Likelihood, optional
        A cheap likeness of the objective with about the same optimum; `rough_customers` is its sum of
        weights.
    """
    if not isinstance(objective, Likelihood):
        objective = Likelihood.without_curvature(objective)
    first, second = start, start if second_start is None else second_start
    if rough is not None and second_start is not None:
        first = _climb(rough, start, rough_customers)
        second = _climb(rough, second_start, rough_customers, known=first)
    theta = _climb(objective, first, customers)
    if second_start is None or (rough is not None and np.abs(first - second).max() < _SAME_ROUGHLY):
        other = theta
    else:
        other = _climb(objective, second, customers, known=theta)
    other_value = objective(other)[0]
    if other_value > objective(theta)[0] + SAME_OPTIMUM:
        theta, other_value = other, objective(theta)[0]
    theta = theta.copy()
    value, gradient, curved = _polish(objective, theta)
    free = np.abs(theta) < BOX
    eigenvalues = np.linalg.eigvalsh(curved)
    failures: list[str] = []
    edges = [edge_meaning(i, bool(theta[i] > 0)) for i in np.flatnonzero(~free).tolist()]
    least_known = max(eigenvalues[-1] / CONDITION_LIMIT, 1.0 / BOX**2)  # the latter: anywhere in the box
    if not edges and eigenvalues[0] <= least_known:
        flattest = int(np.argmax(np.abs(np.linalg.eigh(curved)[1][:, 0])))
        edges.append(
            "the likelihood is flat in one direction: " + edge_meaning(flattest, bool(theta[flattest] > 0))
        )
    steepest = float((np.abs(gradient) / np.maximum(customers, np.diag(curved)))[free].max(initial=0.0))
    if not np.isfinite(value) or steepest > GRADIENT_LIMIT * (100.0 if edges else 1.0):
        failures.append(
            f"the optimiser did not arrive (gradient {steepest:.1e} per customer, "
            f"wanted < {GRADIENT_LIMIT:.0e})"
        )
    if np.array_equal(theta, start):
        failures.append("the parameters did not move from their starting values")
    apart = abs(other_value - value)
    if apart > SAME_OPTIMUM + 1e-8 * abs(value) and not edges:
        both = f"(log-likelihood {value:.3f} and, from another start, {other_value:.3f})"
        if apart <= AS_GOOD:
            edges.append(f"two explanations fit almost equally well {both}; the better one is used")
        else:
            failures.append(f"another start gave a different log-likelihood {both}")
    status: Literal["ok", "boundary", "failed"] = "failed" if failures else "boundary" if edges else "ok"
    covariance = _invert(curved, floor=1.0 if status != "ok" else 0.0)
    return Estimate(theta, value, covariance, Verdict(status, tuple(failures + edges)))


def _climb(objective: Likelihood, start: Floats, customers: float, known: Floats | None = None) -> Floats:
    """Return a point near the optimum, by steps clipped to the box; the known optimum if it is on that hill.

    Written out because scipy's L-BFGS-B calls threaded LAPACK for matrices of four numbers, which costs up to
    4 ms a step and makes the result depend on the number of threads.
    """
    theta, (value, gradient) = start.copy(), objective(start)
    inverse, is_scaled, is_creeping = np.eye(len(start)), False, False
    for step in range(_MOST_STEPS):
        if known is not None and _is_on_its_hill(theta, value, known, objective):
            return known
        stuck = (np.abs(theta) >= BOX) & (np.sign(theta) == np.sign(gradient))
        uphill = np.where(stuck, 0.0, gradient)
        is_close = bool(np.abs(uphill).max() <= _CLOSE_ENOUGH * customers)
        curvature = objective.exact_curvature(theta)
        if curvature is None and is_close:
            break
        if curvature is None and (is_creeping or step >= _STEPS_BEFORE_CURVATURE):
            curvature = objective.curvature(theta)
        if curvature is not None:
            inverse = _positive_inverse(curvature, ~stuck) * customers
        direction = np.where(stuck, 0.0, (inverse * uphill).sum(axis=1)) / customers
        if is_close and (direction * uphill).sum() <= _SMALL_GAIN:  # on a ridge, small slopes may go far
            break
        direction /= max(1.0, float(np.abs(direction).max()) / _LONGEST_STEP)
        if (direction * uphill).sum() <= 0:
            inverse, is_scaled, direction = np.eye(len(start)), False, uphill / np.abs(uphill).max()
        direction = _inside(theta, direction)
        for _ in range(40):
            trial = np.clip(theta + direction, -BOX, BOX)
            trial_value, trial_gradient = objective(trial)
            if trial_value >= value + 1e-4 * (uphill * (trial - theta)).sum():
                break
            direction /= 2.0 if np.isfinite(trial_value) else 10.0
        else:
            break
        is_creeping = trial_value - value <= _NO_GAIN * (1.0 + abs(value))
        move, bend = trial - theta, (gradient - trial_gradient) / customers
        theta, value, gradient = trial, trial_value, trial_gradient
        if is_creeping and curvature is not None:
            break
        along = float((move * bend).sum())
        if curvature is not None or along <= 1e-12 * float((move * move).sum()):
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


def _inside(theta: Floats, direction: Floats) -> Floats:
    """Return the step, cut where it first meets a side of the box: clipped, it would leave a ridge."""
    room = BOX - np.sign(direction) * theta
    moving = room > 0
    step = np.where(moving, np.abs(direction), 0.0)
    reach = float((room[moving] / np.maximum(step[moving], 1e-300)).min(initial=1.0))
    # a hair more, to be clipped onto the side
    return np.where(moving, direction, 0.0) * (reach * (1.0 + 1e-9) if reach < 1.0 else 1.0)


def _is_on_its_hill(theta: Floats, value: float, known: Floats, objective: Likelihood) -> bool:
    is_near = np.abs(theta - known).max() < _SAME_HILL
    return bool(is_near and abs(objective(known)[0] - value) < SAME_OPTIMUM / 2.0)


def _positive_inverse(curvature: Floats, free: NDArray[np.bool_]) -> Floats:
    """Return the inverse of the curvature among free parameters, made positive, so that steps lead uphill."""
    inner = np.where(np.outer(free, free), curvature, np.diag(np.diag(curvature)))
    eigenvalues, vectors = np.linalg.eigh(inner)
    size = np.abs(eigenvalues)
    return np.asarray((vectors / np.maximum(size, max(1e-9 * size.max(), 1e-300))) @ vectors.T)


def _polish(objective: Likelihood, theta: Floats) -> tuple[float, Floats, Floats]:
    """Take Newton steps in place near the optimum; return value, gradient and curvature there."""
    measured_at, curvature = theta.copy(), objective.curvature(theta)
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
        step = float(np.abs(trial - theta).max())
        theta[:], value, gradient = trial, trial_value, trial_gradient
        exact = objective.exact_curvature(theta)
        if exact is not None:
            measured_at, curvature = theta.copy(), exact
        if step < (_FINE_ENOUGH if exact is None else _FINE_ENOUGH_IF_EXACT):
            break
    moved = float(np.abs(theta - measured_at).max())
    return value, gradient, objective.curvature(theta) if moved > _SAME_PLACE else curvature


def _invert(curvature: Floats, floor: float) -> Floats:
    """Invert the curvature; with a floor, no direction may be less certain than that variance allows."""
    eigenvalues, vectors = np.linalg.eigh(curvature)
    return np.asarray((vectors / np.maximum(eigenvalues, floor or np.finfo(float).tiny)) @ vectors.T)
