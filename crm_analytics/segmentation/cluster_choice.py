"""How many clusters are there really?  As many as come out the same from any part of the customers, or none.

Two random halves are clustered apart; both ways of telling all customers apart are compared by the adjusted
Rand index (Hubert and Arabie 1985: 1 = the same, 0 = as by chance). A number of clusters is stable when the
mean of such comparisons is at least 0.8 (Ben-Hur, Elisseeff and Guyon 2002). But one long cloud is cut in
two as stably as two clouds are. So a stable number must also leave at least 5 % less spread within its
clusters than the same number does in every one of 21 clouds without clusters: normal ones of the same
covariances, and evenly filled boxes along the measures and along the principal axes (Tibshirani, Walther
and Hastie 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
STABLE = 0.8
CLOUDS_OF_A_KIND = 7
TIGHTER = 0.95
SMALLEST_SHARE = 0.02
_PAIRS, _SAMPLE, _STARTS, _AS_GOOD = 6, 2_000, 3, 0.03


@dataclass(frozen=True)
class Candidate:
    """One number of clusters and how it fared.

    Attributes
    ----------
    count : int
        Number of clusters.
    stability : float
        Mean adjusted Rand index between clusterings of halves.
    smallest_share : float
        Share of the customers in the smallest cluster.
    beats_clouds : bool | None
        It leaves less spread than every cloud without clusters; None = not asked, because not stable.
    """

    count: int
    stability: float
    smallest_share: float
    beats_clouds: bool | None

    @property
    def is_good(self) -> bool:
        """Stable, no splinter, and not a cut through one cloud."""
        return bool(self.beats_clouds)


def judge(points: Numbers, *, max_clusters: int, seed: int) -> list[Candidate]:
    """Judge 2 .. `max_clusters` clusters of scaled points; a sample of 2,000 stands for more."""
    draw = np.random.default_rng(seed)
    if len(points) > _SAMPLE:
        points = points[np.sort(draw.choice(len(points), _SAMPLE, replace=False))]
    return [_judged(points, count, draw) for count in range(2, max_clusters + 1)]


def chosen(good: Sequence[Candidate]) -> Candidate:
    """Return the most stable; of those as good as it (within 0.03) the one with the most clusters."""
    best = max(one.stability for one in good)
    return max((one for one in good if one.stability >= best - _AS_GOOD), key=lambda one: one.count)


def fit_centres(points: Numbers, count: int, *, seed: int, starts: int = _STARTS) -> Numbers:
    """Return the centres of `count` clusters by k-means; the same bits from run to run (one thread)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        fitted = KMeans(count, n_init=starts, random_state=seed).fit(points)
    return np.asarray(fitted.cluster_centers_, dtype=np.float64)


def nearest(points: Numbers, centres: Numbers) -> tuple[NDArray[np.int64], Numbers]:
    """Return for every point its nearest centre (the first of equally near ones) and the squared distance."""
    best = np.full(len(points), np.inf)
    number = np.zeros(len(points), dtype=np.int64)
    for place, centre in enumerate(centres):
        distance = ((points - centre) ** 2).sum(axis=1)
        closer = distance < best
        best[closer], number[closer] = distance[closer], place
    return number, best


def _judged(points: Numbers, count: int, draw: np.random.Generator) -> Candidate:
    from sklearn.metrics import adjusted_rand_score

    agreements = []
    for _ in range(_PAIRS):
        mixed = draw.permutation(len(points))
        halves = mixed[: len(points) // 2], mixed[len(points) // 2 :]
        if any(len(np.unique(points[half], axis=0)) < count for half in halves):
            return Candidate(count, 0.0, 0.0, None)
        told = [
            nearest(points, fit_centres(points[half], count, seed=int(draw.integers(2**31))))[0]
            for half in halves
        ]
        agreements.append(float(adjusted_rand_score(*told)))
    centres = fit_centres(points, count, seed=0)
    number, distance = nearest(points, centres)
    smallest = float(np.bincount(number, minlength=count).min()) / len(points)
    stability = float(np.mean(agreements))
    if stability < STABLE or smallest < SMALLEST_SHARE:
        return Candidate(count, stability, smallest, None)
    left = float(distance.sum())
    beats = all(left < TIGHTER * _spread_left(cloud, count, draw) for cloud in _clouds(points, draw))
    return Candidate(count, stability, smallest, beats)


def _clouds(points: Numbers, draw: np.random.Generator) -> list[Numbers]:
    """Draw point clouds of the same size, covariances and total spread, without clusters."""
    middle = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(middle, full_matrices=False)
    along = middle @ axes.T
    spread, total = along.std(axis=0), float((middle**2).sum())
    made = []
    for _ in range(CLOUDS_OF_A_KIND):
        normal = draw.standard_normal(along.shape) * spread
        turned = draw.uniform(along.min(axis=0), along.max(axis=0), along.shape)
        straight = draw.uniform(middle.min(axis=0), middle.max(axis=0), middle.shape)
        made += [normal, turned, straight]
    return [cloud * np.sqrt(total / float(((cloud - cloud.mean(axis=0)) ** 2).sum())) for cloud in made]


def _spread_left(points: Numbers, count: int, draw: np.random.Generator) -> float:
    centres = fit_centres(points, count, seed=int(draw.integers(2**31)), starts=1)
    return float(nearest(points, centres)[1].sum())
