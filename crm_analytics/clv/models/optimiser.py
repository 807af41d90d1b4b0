"""Where is a likelihood largest, how sharp is the peak, and may the result be used?

Maximised over theta, the logarithms of the parameters, with the analytic gradient, by BFGS steps in the box
|theta| <= 12, then polished by Newton steps to the last digits, so that start, unit and row order do not
show. The curvature is given by the model, else the central difference of the gradient; its inverse is the
covariance of theta.  The verdict says in words what a boundary means instead of only reporting a failed
optimiser.

Many data are approached by way of a part of them (`rough`): both starts climb on the part, and only the last
few steps see everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

BOX = 12.0
GRADIENT_LIMIT = 1e-5
CONDITION_LIMIT = 1e8
SAME_OPTIMUM = 1e-3
_MOST_STEPS = 300
_LONGEST_STEP = 2.0
_CLOSE_ENOUGH = 1e-5
_SAME_PLACE = 1e-5


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
    rough: Objective | None = None,
    curvature: Callable[[Floats], Floats | None] | None = None,
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
    rough : callable, optional
        A cheap likeness of the objective, from a part of the data, with the same optimum but for noise.
    curvature : callable, optional
        theta -> minus the second derivatives of the objective; default (also where it returns None):
        differences of the gradient.
    """

    def bend(theta: Floats) -> Floats:
        exact = curvature(theta) if curvature is not None else None
        return _curvature(objective, theta) if exact is None else exact

    theta, other = (_approach(objective, rough, point, customers) for point in (start, second_start))
    value, gradient, curved = _polish(objective, bend, theta)
    other_value = value if np.abs(other - theta).max() < _SAME_PLACE else objective(other)[0]
    free = np.abs(theta) < BOX
    eigenvalues = np.linalg.eigvalsh(curved)
    failures: list[str] = []
    edges = [edge_meaning(i, bool(theta[i] > 0)) for i in np.flatnonzero(~free).tolist()]
    steepest = float((np.abs(gradient) / np.maximum(customers, np.diag(curved)))[free].max(initial=0.0))
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
        flattest = int(np.argmax(np.abs(np.linalg.eigh(curved)[1][:, 0])))
        edges.append(
            "the likelihood is flat in one direction: " + edge_meaning(flattest, bool(theta[flattest] > 0))
        )
    status: Literal["ok", "boundary", "failed"] = "failed" if failures else "boundary" if edges else "ok"
    covariance = _invert(curved, floor=1.0 if status != "ok" else 0.0)
    return Estimate(theta, value, covariance, Verdict(status, tuple(failures + edges)))


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


def _approach(objective: Objective, rough: Objective | None, start: Floats, customers: float) -> Floats:
    """Climb on the rough objective first, if there is one, and then on all data from there."""
    if rough is None:
        return _climb(objective, start, customers)
    return _climb(objective, _climb(rough, start, customers), customers)


def _polish(
    objective: Objective, bend: Callable[[Floats], Floats], theta: Floats
) -> tuple[float, Floats, Floats]:
    """Take Newton steps in place near the optimum; return value, gradient and curvature there."""
    measured_at, curvature = theta.copy(), bend(theta)
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
    moved = float(np.abs(theta - measured_at).max())
    return value, gradient, bend(theta) if moved > _SAME_PLACE else curvature


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
