"""Which kinds of behaviour are there among the customers, if any?  Clusters that last from night to night.

Measures of buyers are put on one scale (logarithm of counts, amounts and days; median 0; unit the spread
between quartiles, divided by 1.349 so that it is one standard deviation of a normal measure; cut at 4),
clustered by k-means, and the number of clusters is what `cluster_choice` finds stable; it may be none, and
then that is the answer. The model is saved and used on later nights, so a customer changes its cluster only
by behaving differently; a new model takes over number and name of the clusters that it finds again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.modelling.evaluate import Metric
from crm_analytics.modelling.model_card import ModelCard
from crm_analytics.modelling.saved_model import load_model, save_model
from crm_analytics.segmentation.cluster_choice import STABLE, Candidate, chosen, fit_centres, judge, nearest
from crm_analytics.segmentation.measures import measure_table, measures
from crm_analytics.segmentation.profile import cliffs_delta
from crm_analytics.warehouse import Warehouse

KIND = "clusters"
Numbers = NDArray[np.float64]
FEATURES = (
    "days_since_last_order",
    "order_count_365_days",
    "mean_order_amount",
    "category_count",
    "high_margin_share",
    "returned_share",
)
ENOUGH_CUSTOMERS = 60
_FITTED, _CUT = 50_000, 4.0
_EFFECT = 0.33  # Cliff's delta of a middling difference (Romano et al. 2006)
# What a high and a low value is called in the name of a cluster.
_WORDS: dict[str, tuple[str, str]] = {
    "days_since_last_order": ("silent for long", "bought lately"),
    "order_count": ("many orders", "few orders"),
    "order_count_365_days": ("many orders this year", "few orders this year"),
    "mean_order_amount": ("large orders", "small orders"),
    "net_spend": ("high spend", "low spend"),
    "category_count": ("many categories", "few categories"),
    "high_margin_share": ("high-margin products", "low-margin products"),
    "returned_share": ("sends much back", "sends little back"),
}
# From which median on the word for much is true, and what a smaller value that stands out is called: where
# most send nothing back, so does who sent back one thing once.
_MUCH: dict[str, tuple[float, str]] = {"returned_share": (0.2, "has sent something back")}


@dataclass(frozen=True)
class Cluster:
    """One kind of behaviour.

    Attributes
    ----------
    number : int
        The same number in later models means the same behaviour.
    name : str
        What sets it apart, in words.
    centre : tuple of float
        Its middle on the common scale, in the order of the model's features.
    customer_count : int
        Customers in it when the model was learned.
    effects : dict of str to Metric
        Per feature: Cliff's delta against all other customers, with 95 % limits.
    """

    number: int
    name: str
    centre: tuple[float, ...]
    customer_count: int
    effects: dict[str, Metric]


@dataclass(frozen=True)
class ClusterModel:
    """What was learned of a day's customers; without clusters it says why.

    Attributes
    ----------
    as_of : datetime.date
        Nothing at or after this day was seen.
    features : tuple of str
        Measures it reads, in order.
    middles, units : tuple of float
        Value that becomes 0, and length of 1, per feature (after the logarithm where one is taken).
    clusters : tuple of Cluster
        Largest first; empty when none are stable.
    candidates : tuple of Candidate
        Every number of clusters that was judged.
    customer_count : int
        Buyers it was learned from.
    reason : str
        Why there are no clusters; empty when there are.
    """

    as_of: date
    features: tuple[str, ...]
    middles: tuple[float, ...]
    units: tuple[float, ...]
    clusters: tuple[Cluster, ...]
    candidates: tuple[Candidate, ...]
    customer_count: int
    reason: str

    @property
    def horizon_days(self) -> int:
        """Clusters look back: 0."""
        return 0

    @property
    def card(self) -> ModelCard:
        """What was found, in words."""
        found = [
            f"cluster {one.number}: {one.name} ({one.customer_count:,} customers); "
            + ", ".join(
                f"{name} {m.value:+.2f} ({m.low:+.2f} to {m.high:+.2f})" for name, m in one.effects.items()
            )
            for one in self.clusters
        ]
        judged = [
            f"{c.count} clusters: agreement of halves {c.stability:.2f}, smallest {c.smallest_share:.1%}"
            + {
                True: ", tighter than every cloud without clusters",
                False: ", no tighter than clouds without clusters",
            }.get(c.beats_clouds, "")  # type: ignore[arg-type]
            for c in self.candidates
        ]
        verdict = (
            f"{len(self.clusters)} kinds of behaviour that come out the same from any half of "
            f"{self.customer_count:,} customers."
            if self.clusters
            else f"No stable clusters: {self.reason}."
        )
        return ModelCard(
            name=KIND,
            event="a customer behaves like one of these kinds",
            as_of=self.as_of,
            horizon_days=0,
            cutoffs=(),
            features=self.features,
            metrics={},
            baselines=(),
            chosen=f"{len(self.clusters)} clusters",
            verdict=verdict,
            notes=(*found, *judged),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one JSON file with its own digest; returns the path."""
        content = {
            "as_of": self.as_of.isoformat(),
            "middles": list(self.middles),
            "units": list(self.units),
            "clusters": [
                {
                    "number": one.number,
                    "name": one.name,
                    "centre": list(one.centre),
                    "customer_count": one.customer_count,
                    "effects": {name: [m.value, m.low, m.high] for name, m in one.effects.items()},
                }
                for one in self.clusters
            ],
            "candidates": [[c.count, c.stability, c.smallest_share, c.beats_clouds] for c in self.candidates],
            "customer_count": self.customer_count,
            "reason": self.reason,
        }
        return save_model(path, kind=KIND, features=self.features, content=content)


def load_clusters(path: str | os.PathLike[str]) -> ClusterModel:
    """Read what `ClusterModel.save` wrote.

    Raises
    ------
    ModelFileError
        Not our file, or changed since it was written.
    """
    features, content = load_model(path, kind=KIND)
    try:
        return ClusterModel(
            as_of=date.fromisoformat(content["as_of"]),
            features=features,
            middles=tuple(map(float, content["middles"])),
            units=tuple(map(float, content["units"])),
            clusters=tuple(_cluster(one) for one in content["clusters"]),
            candidates=tuple(Candidate(*given) for given in content["candidates"]),
            customer_count=int(content["customer_count"]),
            reason=str(content["reason"]),
        )
    except (KeyError, TypeError, ValueError) as problem:
        raise ModelFileError(f"{path}: cannot be read ({problem!r}). Learn the clusters again.") from None


def learn_clusters(
    wh: Warehouse,
    *,
    as_of: date,
    features: Sequence[str] = FEATURES,
    max_clusters: int = 7,
    previous: ClusterModel | None = None,
    seed: int = 0,
) -> ClusterModel:
    """Find out which kinds of behaviour there are among the buyers of a day.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    features : sequence of str
        Measures (numbers) that describe behaviour; see `measures`.
    max_clusters : int, default 7
        The most kinds that are tried, at least 2.
    previous : ClusterModel, optional
        An earlier model of the same features: a cluster that is found again keeps its number and name.
    seed : int, default 0
        Seed of the halves and of the starts of k-means.

    Returns
    -------
    ClusterModel
        Without clusters, and with the reason, where fewer than 60 customers have bought or where no number
        of clusters is stable.

    Raises
    ------
    UsageError
        A feature is no number, or `max_clusters` is below 2.

    Examples
    --------
    >>> learn_clusters(Warehouse.open(), as_of=date(2025, 7, 1)).reason
    'only 0 customers have bought, 60 are needed'
    """
    for name in features:
        if name not in measures() or measures()[name].kind != "number":
            raise UsageError(
                f"{name!r} is no measure that is a number. Features so far: {', '.join(FEATURES)}."
            )
    if max_clusters < 2:
        raise UsageError(f"max_clusters={max_clusters} must be at least 2.")
    table = _behaviour(wh, as_of, features)
    return cluster_customers(table, as_of=as_of, max_clusters=max_clusters, previous=previous, seed=seed)


def cluster_customers(
    table: pd.DataFrame,
    *,
    as_of: date,
    max_clusters: int = 7,
    previous: ClusterModel | None = None,
    seed: int = 0,
) -> ClusterModel:
    """Find clusters in a table of numbers, one row per customer: what `learn_clusters` does after measuring.

    Parameters
    ----------
    table : DataFrame
        Index: customer_id; one column of numbers per feature (missing counts as the median).
    as_of, max_clusters, previous, seed
        As of `learn_clusters`.
    """
    table = table.sort_index()
    features = tuple(map(str, table.columns))
    raw = _logged(table)
    middles, units = _scale(raw)
    points = _scaled(raw, middles, units)

    def model(clusters: Sequence[Cluster], judged: Sequence[Candidate], reason: str) -> ClusterModel:
        return ClusterModel(
            as_of,
            features,
            tuple(middles.tolist()),
            tuple(units.tolist()),
            tuple(clusters),
            tuple(judged),
            len(table),
            reason,
        )

    if len(table) < ENOUGH_CUSTOMERS:
        return model((), (), f"only {len(table)} customers have bought, {ENOUGH_CUSTOMERS} are needed")
    judged = judge(points, max_clusters=max_clusters, seed=seed)
    good = [one for one in judged if one.is_good]
    if not good:
        best = max(judged, key=lambda one: one.stability)
        why = (
            "every stable cut is one through a single cloud of customers"
            if any(one.beats_clouds is False for one in judged)
            else f"two halves of the customers agree at most to {best.stability:.2f} ({STABLE:g} is needed)"
        )
        return model((), judged, why)
    draw = np.random.default_rng(seed)
    some = (
        points
        if len(points) <= _FITTED
        else points[np.sort(draw.choice(len(points), _FITTED, replace=False))]
    )
    centres = fit_centres(some, chosen(good).count, seed=seed, starts=10).round(6)
    number, _ = nearest(points, centres)
    by_size = np.argsort(-np.bincount(number, minlength=len(centres)), kind="stable")
    known = _found_again(centres[by_size], middles, units, features, previous)
    free = max((one.number for one in previous.clusters), default=0) if previous else 0
    clusters: list[Cluster] = []
    for place, same in zip(by_size, known, strict=True):
        inside = number == place
        effects = _effects(table, inside, features)
        free += same is None
        name = same.name if same else _name(effects, table[inside].median())
        if any(other.name == name for other in clusters):
            name = f"{name} ({same.number if same else free})"
        clusters.append(
            Cluster(
                same.number if same else free,
                name,
                tuple(centres[place].tolist()),
                int(inside.sum()),
                effects,
            )
        )
    return model(clusters, judged, "")


def cluster_members(wh: Warehouse, model: ClusterModel, *, as_of: date) -> pd.DataFrame:
    """Tell to which cluster of a model each buyer of a day belongs.

    Returns
    -------
    DataFrame
        customer_id, cluster (number), cluster_name; ordered by customer_id; empty when the model has none.

    Examples
    --------
    >>> wh = Warehouse.open()
    >>> cluster_members(wh, learn_clusters(wh, as_of=date(2025, 7, 1)), as_of=date(2025, 7, 2)).empty
    True
    """
    if not model.clusters:
        return pd.DataFrame({"customer_id": [], "cluster": [], "cluster_name": []}).astype(
            {"customer_id": "str", "cluster": "int64", "cluster_name": "str"}
        )
    table = _behaviour(wh, as_of, model.features)
    points = _scaled(_logged(table), np.array(model.middles), np.array(model.units))
    place, _ = nearest(points, np.array([one.centre for one in model.clusters]))
    return pd.DataFrame(
        {
            "customer_id": table.index.astype("str"),
            "cluster": np.array([one.number for one in model.clusters])[place],
            "cluster_name": pd.array(np.array([one.name for one in model.clusters])[place], dtype="str"),
        }
    )


def _behaviour(wh: Warehouse, as_of: date, features: Sequence[str]) -> pd.DataFrame:
    table = measure_table(wh, as_of=as_of).select(["customer_id", "order_count", *dict.fromkeys(features)])
    frame: pd.DataFrame = table.filter(_bought(table)).to_pandas().set_index("customer_id")
    return frame[list(features)].astype("float64")


def _bought(table: Any) -> Any:
    import pyarrow.compute as pc

    return pc.greater(table["order_count"], 0)


def _logged(table: pd.DataFrame) -> Numbers:
    """Take the logarithm of counts, amounts and days; shares and rates are as they are."""
    columns = [
        table[name]
        if str(name).endswith(("_share", "_rate"))
        else np.sign(table[name]) * np.log1p(table[name].abs())
        for name in table.columns
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def _scale(raw: Numbers) -> tuple[Numbers, Numbers]:
    """Return median and unit per column; where the quartiles are equal the unit is the standard deviation."""
    middles, units = np.zeros(raw.shape[1]), np.ones(raw.shape[1])
    for place, column in enumerate(raw.T):
        known = column[~np.isnan(column)]
        if len(known):
            low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
            spread = round((high - low) / 1.349, 9) or round(float(known.std()), 9)
            # equal values may differ in the last bits: after rounding they have no spread
            middles[place], units[place] = middle, spread or 1.0
    return middles.round(9), units


def _scaled(raw: Numbers, middles: Numbers, units: Numbers) -> Numbers:
    points = np.clip((raw - middles) / units, -_CUT, _CUT)
    return np.where(np.isnan(points), 0.0, points)


def _found_again(
    centres: Numbers,
    middles: Numbers,
    units: Numbers,
    features: tuple[str, ...],
    previous: ClusterModel | None,
) -> list[Cluster | None]:
    """Return for each centre the earlier cluster it is: nearer to it than half the way to another."""
    from scipy.optimize import linear_sum_assignment

    found: list[Cluster | None] = [None] * len(centres)
    if previous is None or not previous.clusters or previous.features != features:
        return found
    before = np.array([one.centre for one in previous.clusters])
    moved = (centres * units + middles - np.array(previous.middles)) / np.array(previous.units)
    distance = np.sqrt(((moved[:, None, :] - before[None, :, :]) ** 2).sum(axis=2))
    between = np.sqrt(((before[:, None, :] - before[None, :, :]) ** 2).sum(axis=2))
    np.fill_diagonal(between, np.inf)
    for place, earlier in zip(*linear_sum_assignment(distance), strict=True):
        if distance[place, earlier] < between[earlier].min() / 2:
            found[place] = previous.clusters[earlier]
    return found


def _effects(table: pd.DataFrame, inside: NDArray[np.bool_], features: tuple[str, ...]) -> dict[str, Metric]:
    effects = {}
    for name in features:
        values = table[name].to_numpy(dtype=np.float64)
        members, others = values[inside], values[~inside]
        members, others = members[~np.isnan(members)], others[~np.isnan(others)]
        if len(members) and len(others):
            value, low, high, _ = cliffs_delta(members, others)
            effects[name] = Metric(round(value, 6), round(low, 6), round(high, 6))
    return effects


def _name(effects: dict[str, Metric], medians: pd.Series) -> str:
    """Name a cluster by up to three features that set it apart, the strongest first.

    Examples
    --------
    >>> high = {"returned_share": Metric(1.0, 0.9, 1.0)}
    >>> [_name(high, pd.Series({"returned_share": share})) for share in (0.03, 0.5)]
    ['has sent something back', 'sends much back']
    """
    clear = [
        (name, m) for name, m in effects.items() if abs(m.value) >= _EFFECT and (m.low > 0 or m.high < 0)
    ]
    clear.sort(key=lambda one: -abs(one[1].value))
    words = []
    for name, metric in clear[:3]:
        much, called = _MUCH.get(name, (0.0, ""))
        if called and metric.value > 0 and medians[name] < much:
            words.append(called)
        else:
            high, low = _WORDS.get(name, (f"high {name}", f"low {name}"))
            words.append((low if metric.value < 0 else high).replace("_", " "))
    return ", ".join(words) or "in the middle of everything"


def _cluster(given: dict[str, Any]) -> Cluster:
    return Cluster(
        number=int(given["number"]),
        name=str(given["name"]),
        centre=tuple(map(float, given["centre"])),
        customer_count=int(given["customer_count"]),
        effects={name: Metric(*map(float, figures)) for name, figures in given["effects"].items()},
    )
