"""Clusters: found where they are, not found in noise, the same from night to night."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm_analytics import Warehouse
from crm_analytics.errors import ModelFileError, UsageError
from crm_analytics.segmentation import (
    ClusterModel,
    cluster_customers,
    cluster_members,
    learn_clusters,
    load_clusters,
)
from tests import build

AS_OF = date(2025, 1, 1)
CENTRES = np.array([[0.0, 0, 0], [6, 6, 0], [0, 6, 6]])


def table(points: np.ndarray, suffix: str = "_share") -> pd.DataFrame:
    ids = [f"c{number:05d}" for number in range(len(points))]
    return pd.DataFrame(points, index=ids, columns=[f"x{n}{suffix}" for n in range(points.shape[1])])


def three_kinds(seed: int = 1, shift: float = 0.0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    sizes = (150, 120, 90)
    return table(
        np.concatenate(
            [draw.standard_normal((n, 3)) + c + shift for n, c in zip(sizes, CENTRES, strict=True)]
        )
    )


@pytest.fixture(scope="module")
def model() -> ClusterModel:
    return cluster_customers(three_kinds(), as_of=AS_OF, max_clusters=4)


def test_three_kinds_are_found_and_named_by_what_sets_them_apart(model: ClusterModel) -> None:
    assert [one.customer_count for one in model.clusters] == [150, 120, 90]
    assert [one.number for one in model.clusters] == [1, 2, 3]
    assert "high x0 share" in model.clusters[1].name
    assert "high x2 share" in model.clusters[2].name
    for one in model.clusters:
        for effect in one.effects.values():
            assert -1 <= effect.low <= effect.value <= effect.high <= 1
    assert "3 kinds of behaviour" in model.card.verdict


NOISE = {
    "one round cloud": lambda draw: draw.standard_normal((400, 3)),
    "one long cloud": lambda draw: (
        draw.standard_normal((400, 3)) @ np.array([[3, 2, 1], [0, 1, 0], [0, 0, 1.0]])
    ),
    "an evenly filled square": lambda draw: draw.uniform(size=(400, 2)),
}


@pytest.mark.parametrize("kind", NOISE)
def test_no_clusters_are_found_in_noise(kind: str) -> None:
    found = cluster_customers(table(NOISE[kind](np.random.default_rng(3))), as_of=AS_OF, max_clusters=4)
    assert found.clusters == ()
    assert found.reason
    assert "No stable clusters" in found.card.verdict


def test_the_same_customers_give_the_same_model_in_any_order(model: ClusterModel, tmp_path: Path) -> None:
    shuffled = three_kinds().sample(frac=1, random_state=5)
    assert cluster_customers(shuffled, as_of=AS_OF, max_clusters=4) == model
    path = model.save(tmp_path / "clusters.json")
    assert load_clusters(path) == model
    path.write_text(path.read_text().replace('"number": 1', '"number": 9'))
    with pytest.raises(ModelFileError, match="sha256"):
        load_clusters(path)


def test_a_new_model_takes_over_number_and_name_of_clusters_that_it_finds_again(model: ClusterModel) -> None:
    renamed = dataclasses.replace(
        model,
        clusters=tuple(
            dataclasses.replace(one, number=one.number + 4, name=f"kind {one.number}")
            for one in model.clusters
        ),
    )
    again = cluster_customers(three_kinds(2, 0.3), as_of=AS_OF, max_clusters=4, previous=renamed)
    assert {one.name: one.number for one in again.clusters} == {"kind 1": 5, "kind 2": 6, "kind 3": 7}
    before = {one.number: np.array(one.centre) for one in renamed.clusters}
    for one in again.clusters:
        nearest = min(before, key=lambda number: float(np.abs(before[number] - one.centre).sum()))
        assert nearest == one.number
    far = cluster_customers(three_kinds(2, 60.0), as_of=AS_OF, max_clusters=4, previous=renamed)
    assert sorted(one.number for one in far.clusters) == [8, 9, 10]


def test_few_customers_are_no_error_and_have_no_clusters(tmp_path: Path) -> None:
    lines = build.order_lines_of({f"C{n}": build.daily("2024-01-01", 1 + n, 3) for n in range(8)})
    with build.warehouse(order_lines=lines) as wh:
        found = learn_clusters(wh, as_of=AS_OF)
        assert found.reason == "only 8 customers have bought, 60 are needed"
        assert cluster_members(wh, found, as_of=AS_OF).empty
    assert load_clusters(found.save(tmp_path / "none.json")) == found


def test_a_saved_model_tells_later_nights_apart_by_behaviour_alone() -> None:
    often = {f"O{n:02d}": build.daily("2024-11-01", 3, 18 + n % 3) for n in range(45)}
    once = {f"X{n:02d}": [f"2024-01-{1 + n % 28:02d}"] for n in range(45)}
    with build.warehouse(order_lines=build.order_lines_of(often | once)) as wh:
        features = ("days_since_last_order", "order_count_365_days")
        model = learn_clusters(wh, as_of=AS_OF, features=features, max_clusters=2)
        found = cluster_members(wh, model, as_of=AS_OF)
        kinds = found["customer_id"].str.partition(":")[2].str[0]
        assert len(model.clusters) == 2
        assert found.groupby(kinds)["cluster"].nunique().to_list() == [1, 1]
        names = found.set_index(kinds)["cluster_name"]
        assert set(names["O"]) == {"bought lately, many orders this year"}
        assert set(names["X"]) == {"silent for long, few orders this year"}
        build.add(wh, "order_lines", build.order_lines_of({f"N{n}": ["2024-12-30"] for n in range(200)}))
        later = cluster_members(wh, model, as_of=AS_OF).set_index("customer_id")
    assert later.loc[found["customer_id"], "cluster"].to_list() == found["cluster"].to_list()


def test_features_that_are_no_numbers_are_refused() -> None:
    with Warehouse.open() as wh:
        with pytest.raises(UsageError, match="'country' is no measure that is a number"):
            learn_clusters(wh, as_of=AS_OF, features=("country",))
        with pytest.raises(UsageError, match="at least 2"):
            learn_clusters(wh, as_of=AS_OF, max_clusters=1)
