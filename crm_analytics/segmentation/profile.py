"""What sets a segment apart from all other customers?  Effect sizes with intervals, many tests allowed for.

A number is compared by Cliff's delta: the chance that a member has more than a non-member, less the chance
of less (-1 to 1, 0 = no difference; untouched by heavy tails). A word or a truth is compared by the
difference of shares, one row per word. Limits are 95 % ones: of delta from the variance of DeLong, DeLong
and Clarke-Pearson (1988), Biometrics 44, on the scale of the inverse hyperbolic tangent, which keeps them
within -1 to 1; of shares by Newcombe (1998), Statistics in Medicine 17, method 10. Testing many measures
finds differences by chance: q-values of Benjamini and Hochberg (1995), JRSS B 57, keep the expected share
of false finds among all finds at 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.segmentation.measures import measures

FALSE_SHARE = 0.05
_NORMAL_975 = 1.959963984540054
_COLUMNS = ("measure", "value", "in_segment", "in_rest", "effect", "effect_low", "effect_high", "p_value")
_WORDS_SHOWN = 20

Numbers = NDArray[np.float64]


def profile(
    table: pd.DataFrame, members: Collection[str], *, only: Collection[str] | None = None
) -> pd.DataFrame:
    """Compare the members of a segment with all other customers, measure by measure.

    Parameters
    ----------
    table : DataFrame
        Customers by measures, as from ``measure_table(...).to_pandas()``, with customer_id.
    members : collection of str
        Their customer_ids.
    only : collection of str, optional
        Measures to compare; default every number, truth and word (the 20 most frequent words of each). Leave
        out those that define the segment: they differ by construction.

    Returns
    -------
    DataFrame
        One row per measure, or per measure and word, largest absolute effect first: measure, value (the word;
        empty for numbers), in_segment and in_rest (median of a number, share of a word), effect, effect_low,
        effect_high (95 %), p_value, q_value, is_different (q_value at most 0.05). Missing values are left out
        of a number's comparison; a measure that one side lacks altogether is not in the result.

    Raises
    ------
    NotEnoughData
        Nobody is in the segment, or everybody.
    UsageError
        A measure is not in the table.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": list("abcdef"), "order_count": [9, 8, 7, 1, 2, 2]})
    >>> profile(table, {"a", "b", "c"})[["measure", "in_segment", "in_rest", "effect"]].to_numpy().tolist()
    [['order_count', 8.0, 2.0, 1.0]]
    """
    is_member = table["customer_id"].isin(set(members)).to_numpy()
    if not is_member.any() or is_member.all():
        raise NotEnoughData("A profile compares a segment with the rest: one of the two has no customers.")
    wanted = [name for name in table.columns if name != "customer_id"] if only is None else list(only)
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise UsageError(f"The table has no measure {', '.join(map(repr, absent))}.")
    rows = [row for name in wanted for row in _compared(name, table[name], is_member)]
    found = pd.DataFrame(rows, columns=list(_COLUMNS))
    found["q_value"] = benjamini_hochberg(found["p_value"].to_numpy(dtype=float))
    found["is_different"] = found["q_value"] <= FALSE_SHARE
    order = np.lexsort((np.arange(len(found)), -found["effect"].abs().to_numpy(dtype=float)))
    return found.iloc[order].reset_index(drop=True)


def cliffs_delta(inside: Numbers, outside: Numbers) -> tuple[float, float, float, float]:
    """Return Cliff's delta of two samples, its 95 % limits, and the p-value of no difference.

    Parameters
    ----------
    inside, outside : array of float
        No missing values; at least one each.

    Returns
    -------
    tuple of float
        delta, lower limit, upper limit, two-sided p-value (Mann-Whitney, normal approximation with ties and
        continuity correction; 1 where all values are equal).

    Examples
    --------
    >>> [round(value, 3) for value in cliffs_delta(np.array([3.0, 4, 5]), np.array([1.0, 2, 3]))]
    [0.889, -0.496, 0.998, 0.121]
    """
    from scipy.stats import mannwhitneyu, rankdata

    m, n = len(inside), len(outside)
    together = rankdata(np.concatenate([inside, outside]))
    # share of the other sample below each value, half of the ties (the placements of DeLong et al.)
    above = (together[:m] - rankdata(inside)) / n
    below = 1 - (together[m:] - rankdata(outside)) / m
    auc = float(above.mean())
    delta = 2 * auc - 1
    # one observation has no variance of its own: the largest a share can have
    variance = sum(float(part.var(ddof=1)) / len(part) if len(part) > 1 else 0.25 for part in (above, below))
    # a sample that lies wholly above the other has none either, yet the next value may not
    error = 2 * math.sqrt(max(variance, 0.25 / (min(m, n) + 1) ** 2))
    inner = min(max(delta, -1 + 1e-9), 1 - 1e-9)
    slack = _NORMAL_975 * error / max(1 - inner**2, error)
    low, high = math.tanh(math.atanh(inner) - slack), math.tanh(math.atanh(inner) + slack)
    if together.min() == together.max():
        return 0.0, low, high, 1.0
    p_value = mannwhitneyu(inside, outside, alternative="two-sided", method="asymptotic").pvalue
    return delta, min(low, delta), max(high, delta), float(p_value)


def share_difference(
    count: int, of: int, other_count: int, other_of: int
) -> tuple[float, float, float, float]:
    """Return the difference of two shares, its 95 % limits, and the p-value of no difference.

    Up to 2,000 customers, or with a cell below 5, by Fisher's exact test, else by chi-squared.

    Examples
    --------
    >>> [round(value, 4) for value in share_difference(56, 70, 48, 80)]
    [0.2, 0.0524, 0.3339, 0.0125]
    """
    from scipy.stats import chi2_contingency, fisher_exact

    first, second = count / of, other_count / other_of
    low_1, high_1 = _wilson(count, of)
    low_2, high_2 = _wilson(other_count, other_of)
    difference = first - second
    low = difference - math.hypot(first - low_1, high_2 - second)
    high = difference + math.hypot(high_1 - first, second - low_2)
    table = [[count, of - count], [other_count, other_of - other_count]]
    if of + other_of <= 2_000 or min(count, of - count, other_count, other_of - other_count) < 5:
        p_value = fisher_exact(table).pvalue
    else:
        p_value = chi2_contingency(table, correction=True).pvalue
    return difference, low, high, float(p_value)


def benjamini_hochberg(p_values: Numbers) -> Numbers:
    """Return q-values: the smallest share of false finds at which each would still be a find.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    order = np.argsort(p_values, kind="stable")
    ranked = p_values[order] * len(p_values) / np.arange(1, len(p_values) + 1)
    q_values = np.empty(len(p_values))
    q_values[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q_values


def _compared(name: str, values: pd.Series, is_member: NDArray[np.bool_]) -> Iterator[tuple[Any, ...]]:
    known = values.notna().to_numpy()
    if not known[is_member].any() or not known[~is_member].any():
        return
    kind = measures()[name].kind if name in measures() else None
    if kind in ("text", "truth") or values.dtype == bool or (kind is None and values.dtype == "str"):
        yield from _words(name, values, is_member)
    elif kind != "day":
        inside = _numbers(values[is_member & known])
        outside = _numbers(values[~is_member & known])
        found = cliffs_delta(inside, outside)
        yield name, "", float(np.median(inside)), float(np.median(outside)), *found


def _words(name: str, values: pd.Series, is_member: NDArray[np.bool_]) -> Iterator[tuple[Any, ...]]:
    counts = pd.crosstab(values, is_member)
    total = counts.sum(axis=1)
    frequent = total.sort_index().sort_values(ascending=False, kind="stable").head(_WORDS_SHOWN).index
    sizes: Mapping[bool, int] = counts.sum().to_dict()
    for word in frequent:
        if isinstance(word, bool | np.bool_) and not word:
            continue  # the share of "true" says it
        inside, outside = int(counts.loc[word, True]), int(counts.loc[word, False])
        found = share_difference(inside, sizes[True], outside, sizes[False])
        yield (
            name,
            str(word).lower() if isinstance(word, bool | np.bool_) else word,
            inside / sizes[True],
            outside / sizes[False],
            *found,
        )


def _numbers(values: pd.Series) -> Numbers:
    return np.asarray(values.astype("float64"), dtype=np.float64)


def _wilson(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % limits of a share (Wilson's score interval)."""
    share, z2 = count / of, _NORMAL_975**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _NORMAL_975 * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, middle - half), min(1.0, middle + half)
