"""Do the draws follow the distributions they are named after, and repeat for the same seed?"""

from __future__ import annotations

import statistics

import pytest

from crm_analytics.demo.draws import Draws


@pytest.mark.parametrize(("shape", "mean"), [(0.7, 5.0), (1.3, 2.0), (9.0, 1.0)])
def test_gamma_has_its_mean_and_variance(shape: float, mean: float) -> None:
    drawn = [_DRAWS.gamma(shape, mean) for _ in range(20_000)]
    assert statistics.mean(drawn) == pytest.approx(mean, rel=0.05)
    assert statistics.variance(drawn) == pytest.approx(mean**2 / shape, rel=0.12)


def test_beta_normal_and_exponential_have_their_means() -> None:
    assert statistics.mean(_DRAWS.beta(0.8, 7.0) for _ in range(20_000)) == pytest.approx(0.8 / 7.8, rel=0.06)
    assert statistics.mean(_DRAWS.normal() for _ in range(20_000)) == pytest.approx(0.0, abs=0.03)
    assert statistics.mean(_DRAWS.exponential(4.0) for _ in range(20_000)) == pytest.approx(4.0, rel=0.05)


def test_whole_numbers_reach_both_ends() -> None:
    assert {_DRAWS.whole(2, 4) for _ in range(200)} == {2, 3, 4}


def test_some_are_different_items_and_all_of_them_when_too_many_are_asked_for() -> None:
    assert len(set(_DRAWS.some(range(50), 20))) == 20
    assert sorted(_DRAWS.some("abc", 9)) == ["a", "b", "c"]


def test_weights_decide_and_streams_differ() -> None:
    assert {_DRAWS.weighted(("a", "b", "c"), (0.0, 1.0, 0.0)) for _ in range(100)} == {"b"}
    assert Draws(7, "a").uniform() == Draws(7, "a").uniform()
    assert Draws(7, "a").uniform() != Draws(7, "b").uniform()
    assert Draws(7, "a").uniform() != Draws(8, "a").uniform()


_DRAWS = Draws(1, "test")
