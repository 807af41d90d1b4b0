"""Has the distribution of one column changed, and by more than chance brings?  Two states of the customers.

Size: the population stability index over bins of our own, sum of (now - before) ln(now / before) of their
shares, with half a customer added to each bin. Numbers fall into tenths of both states together, equal ones
never parted; each value of a category is a bin, the rare ones share one; what is missing is a bin of its own.

Chance: most customers are in both states, so these are no two samples. Nothing has changed when it makes no
difference which of a customer's two values is called the earlier one: a coin is thrown for each, as in a
permutation test of pairs (Pitman 1937, JRSS Suppl. 4). Only customers who changed their bin matter, and coins
of one pair of bins make a binomial number, so a draw costs the same for a hundred customers and for a
million. Those who came and those who went are drawn from all customers of both states. The index of
unchanged samples shrinks with 1 / customers (2 / n for each bin but one), which is why no fixed limit fits:
0.25 is chance among 100 and a great change among 50,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS, MOST_CATEGORIES = 10, 20
MISSING = "missing"
DRAWS = 4_999
# The limit is exceeded by one unchanged comparison in a thousand.
_TAIL = 0.999
_CLOSE = 1e-12


@dataclass(frozen=True)
class Shift:
    """How far a column's distribution moved.

    Attributes
    ----------
    psi : float
        Population stability index, 0 = equal shares.
    chance_limit : float
        Value that only one unchanged comparison in a thousand exceeds, for these customers.
    p_value : float
        Share of unchanged comparisons that are as far apart, at least 1 / 5,000.
    superiority : float
        Chance that a customer now has more than a customer before, equal values half (0.5 = no change);
        NaN for categories.
    bins : DataFrame
        What was compared: ``label``, ``before``, ``now`` (customers), in the order of the values.
    """

    psi: float
    chance_limit: float
    p_value: float
    superiority: float
    bins: pd.DataFrame


def shift(before: pd.Series, now: pd.Series, *, seed: int = 0) -> Shift:
    """Compare a column of two states.

    Parameters
    ----------
    before, now : Series
        Values by customer (index, unique); numbers, or anything else as categories. Missing values count.
    seed : int, default 0
        Seed of the coins.

    Returns
    -------
    Shift
        How far the distribution moved, and how far chance alone moves it.

    Examples
    --------
    >>> ids = [f"c{number}" for number in range(200)]
    >>> then, later = pd.Series(range(200), index=ids), pd.Series(range(40, 240), index=ids)
    >>> found = shift(then, later)
    >>> round(found.psi, 2), found.psi > found.chance_limit, round(found.superiority, 2)
    (1.71, True, 0.68)
    >>> shift(then, then).p_value
    1.0
    """
    is_number = _is_number(before) and _is_number(now)
    cut = _number_bins if is_number else _category_bins
    (bin_before, bin_now), labels = cut(before, now)
    size = len(labels)
    counts = np.bincount(bin_before, minlength=size), np.bincount(bin_now, minlength=size)
    psi = float(_psi(*counts))
    null = _unchanged(
        pd.Series(bin_before, index=before.index), pd.Series(bin_now, index=now.index), size, seed
    )
    return Shift(
        psi=psi,
        chance_limit=float(np.quantile(null, _TAIL)),
        p_value=float((1 + np.count_nonzero(null >= psi - _CLOSE)) / (1 + DRAWS)),
        superiority=_superiority(before, now) if is_number else float("nan"),
        bins=pd.DataFrame({"label": labels, "before": counts[0], "now": counts[1]}),
    )


def as_numbers(values: pd.Series) -> Floats:
    """Return the known numbers of a column."""
    found = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(found[np.isfinite(found)])


def _is_number(values: pd.Series) -> bool:
    if pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_numeric_dtype(values) or not len(values.dropna()):
        return True
    return not isinstance(values.dropna().iloc[0], str | bool) and bool(
        pd.to_numeric(values.dropna(), errors="coerce").notna().all()
    )


def _number_bins(before: pd.Series, now: pd.Series) -> tuple[tuple[Counts, Counts], list[str]]:
    pooled = np.sort(np.concatenate([as_numbers(before), as_numbers(now)]))
    distinct = np.unique(pooled)
    if len(distinct) <= BINS:
        ends, labels = distinct, [f"{value:g}" for value in distinct]
    else:
        ends = np.unique(np.quantile(pooled, np.arange(1, BINS + 1) / BINS, method="inverted_cdf"))
        starts = [f"above {value:g} " for value in ends[:-1]]
        labels = [f"{start}to {end:g}" for start, end in zip(["up ", *starts], ends, strict=True)]

    def place_of(values: pd.Series) -> Counts:
        numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        known = np.isfinite(numbers)
        places = np.searchsorted(ends, np.where(known, numbers, 0.0))
        places[~known] = len(ends)
        return places.astype(np.int64)

    return (place_of(before), place_of(now)), [*labels, MISSING]


def _category_bins(before: pd.Series, now: pd.Series) -> tuple[tuple[Counts, Counts], list[str]]:
    texts = [values.astype(object).where(values.notna(), None).map(_text) for values in (before, now)]
    often = pd.concat(texts).dropna().value_counts()
    names = sorted(often.index, key=lambda name: (-often[name], name))[:MOST_CATEGORIES]
    number = {name: place for place, name in enumerate(names)}

    def place_of(values: pd.Series) -> Counts:
        places = values.map(number).fillna(len(names))
        places = places.where(values.notna(), len(names) + 1)
        return np.asarray(places, dtype=np.int64)

    return (place_of(texts[0]), place_of(texts[1])), [*names, "others", MISSING]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _psi(before: NDArray[Any], now: NDArray[Any]) -> Floats:
    """Return the index of counts, along the last axis; bins that nobody is in count nothing."""
    used = (before + now).reshape(-1, before.shape[-1]).any(axis=0)
    first, second = (
        counts / counts.sum(axis=-1, keepdims=True)
        for counts in (before[..., used] + 0.5, now[..., used] + 0.5)
    )
    return np.asarray(((second - first) * np.log(second / first)).sum(axis=-1))


def _unchanged(before: pd.Series, now: pd.Series, size: int, seed: int) -> Floats:
    """Draw the index of comparisons in which nothing has changed."""
    both = before.index.intersection(now.index)
    first, second = before.loc[both].to_numpy(), now.loc[both].to_numpy()
    cells = np.bincount(first * size + second, minlength=size * size).reshape(size, size)
    everybody = np.bincount(before.to_numpy(), minlength=size) + np.bincount(now.to_numpy(), minlength=size)
    usual = everybody / max(int(everybody.sum()), 1)
    rng = np.random.default_rng(seed)
    earlier = np.tile(np.diag(cells), (DRAWS, 1))
    later = earlier.copy()
    for one in range(size):
        for other in range(one + 1, size):
            moved = int(cells[one, other] + cells[other, one])
            if moved:
                heads = rng.binomial(moved, 0.5, DRAWS)
                earlier[:, one] += heads
                earlier[:, other] += moved - heads
                later[:, one] += moved - heads
                later[:, other] += heads
    earlier += rng.multinomial(len(before) - len(both), usual, DRAWS)
    later += rng.multinomial(len(now) - len(both), usual, DRAWS)
    return _psi(earlier, later)


def _superiority(before: pd.Series, now: pd.Series) -> float:
    """Return the chance that a value now is above one before, equal ones half (Mann and Whitney 1947)."""
    first, second = np.sort(as_numbers(before)), as_numbers(now)
    if not (len(first) and len(second)):
        return float("nan")
    below = np.searchsorted(first, second, "left") + np.searchsorted(first, second, "right")
    return float(below.sum() / (2.0 * len(first) * len(second)))
