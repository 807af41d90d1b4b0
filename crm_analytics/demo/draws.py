"""How is chance drawn so that the same seed gives the same bytes everywhere?  Named streams of draws.

Python promises that ``random.Random.random()`` repeats for a given seed in every version; it does not
promise so for ``choices``, ``gauss`` and the rest. So all draws here are made from ``random()`` alone.
Each part of the sample draws from a stream of its own: changing one part leaves the others as they are.
Sources: Marsaglia and Tsang (2000), "A simple method for generating gamma variables", section 3;
Box and Muller (1958).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draws:
    """A stream of random draws, fixed by a seed and the name of the stream.

    Parameters
    ----------
    seed : int
        Seed of the whole sample.
    stream : str
        Name of the part that draws, for example ``"tickets"``.

    Examples
    --------
    >>> Draws(7, "a").whole(1, 6) == Draws(7, "a").whole(1, 6)
    True
    """

    def __init__(self, seed: int, stream: str) -> None:
        self._random = random.Random(f"{seed}/{stream}").random

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self._random()

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self._random() < probability

    def whole(self, low: int, high: int) -> int:
        """Return a whole number in [low, high], both ends included."""
        return low + int((high - low + 1) * self._random())

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, each as likely."""
        return items[int(len(items) * self._random())]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Return one of the items, as likely as its weight says."""
        left = sum(weights) * self._random()
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Return ``count`` different items in random order (all of them when there are fewer)."""
        rest = list(items)
        for place in range(min(count, len(rest))):
            other = self.whole(place, len(rest) - 1)
            rest[place], rest[other] = rest[other], rest[place]
        return rest[:count]

    def exponential(self, mean: float) -> float:
        """Return a waiting time with the given mean."""
        return -mean * math.log(1.0 - self._random())

    def normal(self) -> float:
        """Return a standard normal number (Box and Muller)."""
        return math.sqrt(-2.0 * math.log(1.0 - self._random())) * math.cos(2.0 * math.pi * self._random())

    def gamma(self, shape: float, mean: float) -> float:
        """Return a gamma number of the given shape and mean (Marsaglia and Tsang)."""
        if shape < 1.0:
            larger = self.gamma(shape + 1.0, mean * (shape + 1.0) / shape)
            return larger * math.pow(1.0 - self._random(), 1.0 / shape)
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        while True:
            x = self.normal()
            v = (1.0 + c * x) ** 3
            if v > 0 and math.log(1.0 - self._random()) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v * mean / shape

    def beta(self, a: float, b: float) -> float:
        """Return a beta number, as the share of two gamma numbers."""
        left, right = self.gamma(a, a), self.gamma(b, b)
        return left / (left + right)
