"""How much does each theme contribute to what the trees say?  Exact Shapley values of small trees, by
table.

A tree of depth three asks at most seven questions, so a customer meets it with one of at most 128 patterns
of answers. The Shapley values of every pattern are worked out once per tree, and customers look theirs up.
The result equals xgboost's ``pred_contribs`` (a test compares them) and takes a hundredth of its time,
which counts by night.

Definition: Lundberg et al. (2020), "From local explanations to global understanding with explainable AI
for trees", Nature Machine Intelligence 2, with the path-dependent expectation: an unknown answer is
averaged by cover.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def contributions(text: str, values: NDArray[np.float32], groups: Sequence[int], group_count: int) -> Floats:
    """Return each group's part of the trees' output, shape (rows, groups).

    Parameters
    ----------
    text : str
        Booster as xgboost's own JSON text; its trees must be small (depth three).
    values : array of float32, shape (rows, columns)
        Features in the order of the booster; NaN = unknown. Column-major order is fastest.
    groups : sequence of int, one per column
        Group of each column.
    group_count : int
        Number of groups.

    Returns
    -------
    array of float64
        With a constant, the parts of a row add up to what the trees add to its log-odds.
    """
    total = np.zeros((group_count, len(values)))
    missing: dict[int, NDArray[np.bool_]] = {}
    for tree in json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]:
        questions = [node for node, left in enumerate(tree["left_children"]) if left != -1]
        if not questions:
            continue
        pattern = np.zeros(len(values), dtype=np.int64)
        for bit, node in enumerate(questions):
            column = tree["split_indices"][node]
            goes_left = values[:, column] < np.float32(tree["split_conditions"][node])
            if tree["default_left"][node]:
                if column not in missing:
                    missing[column] = np.isnan(values[:, column])
                goes_left |= missing[column]
            pattern |= goes_left.astype(np.int64) << bit
        columns, table = _shapley(tree, questions)
        by_group: dict[int, Floats] = {}
        for place, column in enumerate(columns):
            group = groups[column]
            by_group[group] = by_group.get(group, np.zeros(table.shape[1])) + table[place]
        for group, part in by_group.items():
            total[group] += part[pattern]
    return total.T


def _shapley(tree: dict[str, Any], questions: list[int]) -> tuple[list[int], Floats]:
    """Return the columns a tree asks about, and the Shapley value of each for every pattern of answers."""
    columns = sorted({tree["split_indices"][node] for node in questions})
    patterns = np.arange(1 << len(questions))
    answers = {node: (patterns >> bit & 1).astype(bool) for bit, node in enumerate(questions)}
    asked = _asked_below(tree, columns)
    done: dict[tuple[int, int], Floats] = {}
    worth = np.array(
        [_expected(tree, 0, known, columns, answers, asked, done) for known in range(1 << len(columns))]
    )
    weights = _coalition_weights(len(columns))
    table = np.zeros((len(columns), len(patterns)))
    for place in range(len(columns)):
        for known in range(1 << len(columns)):
            table[place] += weights[place, known] * worth[known]
    return columns, table


def _asked_below(tree: dict[str, Any], columns: list[int]) -> list[int]:
    """Return per node the bit set of the columns that it or a node below asks about."""
    asked = [0] * len(tree["left_children"])
    # children have higher numbers than their parent
    for node in range(len(asked) - 1, -1, -1):
        left, right = tree["left_children"][node], tree["right_children"][node]
        if left != -1:
            asked[node] = 1 << columns.index(tree["split_indices"][node]) | asked[left] | asked[right]
    return asked


def _expected(
    tree: dict[str, Any],
    node: int,
    known: int,
    columns: list[int],
    answers: dict[int, NDArray[np.bool_]],
    asked: list[int],
    done: dict[tuple[int, int], Floats],
) -> Floats:
    """Return the tree's mean output below a node when only the columns of the bit set `known` are known."""
    key = node, known & asked[node]
    if key not in done:
        done[key] = _mean_below(tree, node, known, columns, answers, asked, done)
    return done[key]


def _mean_below(
    tree: dict[str, Any],
    node: int,
    known: int,
    columns: list[int],
    answers: dict[int, NDArray[np.bool_]],
    asked: list[int],
    done: dict[tuple[int, int], Floats],
) -> Floats:
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left == -1:
        size = len(next(iter(answers.values())))
        return np.full(size, float(tree["split_conditions"][node]))
    below_left = _expected(tree, left, known, columns, answers, asked, done)
    below_right = _expected(tree, right, known, columns, answers, asked, done)
    if known >> columns.index(tree["split_indices"][node]) & 1:
        return np.where(answers[node], below_left, below_right)
    cover_left, cover_right = tree["sum_hessian"][left], tree["sum_hessian"][right]
    return np.asarray(
        (cover_left * below_left + cover_right * below_right) / (cover_left + cover_right), dtype=np.float64
    )


@cache
def _coalition_weights(count: int) -> Floats:
    """Return the factor of each coalition's worth in each player's Shapley value, shape (count, 2^count)."""
    weights = np.zeros((count, 1 << count))
    for player in range(count):
        for known in range(1 << count):
            size = known.bit_count()
            if known >> player & 1:
                weights[player, known] = factorial(size - 1) * factorial(count - size)
            else:
                weights[player, known] = -factorial(size) * factorial(count - size - 1)
    return weights / factorial(count)
