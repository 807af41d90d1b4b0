"""Are many records one change: all kept or none, with every problem told by its row?"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from crm_analytics import errors
from crm_analytics.records import RecordStore


@dataclass(frozen=True)
class Product:
    """A record as an app may hold it."""

    source_id: str
    name: str | None = None
    unit_price: Decimal | None = None


def test_an_index_with_a_name_is_a_column(records: RecordStore) -> None:
    frame = pd.DataFrame({"source_id": ["P1", "P2"], "name": ["Mug", "Jug"]})
    added = records.products.add_many(frame.set_index("source_id"))
    assert [one.id for one in added] == ["P1", "P2"]
    assert [one["name"] for one in records.products.update_many(frame.iloc[1:])] == ["Jug"]
    with pytest.raises(errors.UsageError, match="come twice: source_id"):
        records.products.add_many(frame.set_index("source_id", drop=False))


def test_numbers_and_cells_of_any_size_are_refused_in_our_words(records: RecordStore) -> None:
    with pytest.raises(errors.RecordInvalid, match="thousands of digits"):
        records.products.add({"source_id": "P9", "unit_price": 10**5000})
    with pytest.raises(errors.RecordInvalid, match="row 1: name: text expected"):
        records.products.add_many(pd.DataFrame({"source_id": ["P9"], "name": [np.array(["a", "b"])]}))


def test_a_frame_is_written_exactly_and_empty_cells_are_empty(records: RecordStore) -> None:
    frame = pd.DataFrame(
        {
            "source_id": ["C1", "C2", "C3"],
            "name": ["Ada", None, "Acme"],
            "employee_count": [np.nan, 12, 2**53 - 1],
            "created_at": pd.to_datetime(["2024-05-01T10:00Z", None, "2024-05-02T10:00Z"]),
        }
    )
    added = records.customers.add_many(frame, changed_by="import")
    assert added == records.customers.find()
    assert [record["employee_count"] for record in added] == [None, 12, 2**53 - 1]
    assert [record["name"] for record in added] == ["Ada", None, "Acme"]
    assert added[1]["created_at"] == added[1].recorded_at
    assert {record["changed_by"] for record in added} == {"import"}
    assert records.last_change_number == 3


def test_every_problem_is_told_with_its_row_and_nothing_is_written(records: RecordStore) -> None:
    records.products.add({"source_id": "P9"})
    rows = [
        {"source_id": "P1", "unit_price": "1.50", "currency": "EUR"},
        {"source_id": "P2", "unit_price": 1.5, "nmae": "Mug"},
        {"source_id": "P9"},
        {"source_id": "P1"},
    ]
    with pytest.raises(errors.RecordInvalid) as refused:
        records.products.add_many(rows)
    assert [problem.split(";")[0] for problem in refused.value.problems] == [
        "row 2: unit_price: 1.5 is a float, which cannot hold money exactly",
        "row 2: 'nmae' is no column of products. Did you mean 'name'?",
        "row 3: source_id: such a record exists",
        "row 4: source_id: such a record exists",
    ]
    assert "products: 4 problems; nothing was written." in str(refused.value)
    assert [record.id for record in records.products.find()] == ["P9"]
    assert records.last_change_number == 1


def test_of_many_problems_the_message_shows_fifty(records: RecordStore) -> None:
    with pytest.raises(errors.RecordInvalid, match="and 10 more; all of them: error") as refused:
        records.tasks.add_many([{"status": "nonsense"}] * 60)
    assert len(refused.value.problems) == 60


def test_what_find_gave_comes_back_changed(records: RecordStore) -> None:
    records.products.add_many([{"source_id": f"P{n}", "unit_price": n, "name": "Mug"} for n in range(3)])
    frame = pd.DataFrame(records.products.find())
    frame["unit_price"] += Decimal("0.50")
    frame.loc[1, "name"] = None
    changed = records.products.update_many(frame)
    assert [record["unit_price"] for record in changed] == [Decimal("0.50"), Decimal("1.50"), Decimal("2.50")]
    assert [record["name"] for record in records.products.find()] == ["Mug", None, "Mug"]
    assert {record.version for record in changed} == {2}


def test_a_dataclass_is_taken_like_a_dict_of_its_fields(records: RecordStore) -> None:
    mug = records.products.add(Product("P0", "Mug", Decimal("1.50")))
    assert (mug.id, mug["name"], mug["unit_price"]) == ("P0", "Mug", Decimal("1.50"))
    records.products.add_many([Product("P1", "Jug"), {"source_id": "P2"}])
    assert records.products.update("P0", Product("P0", "Cup"))["unit_price"] is None, "None empties"
    records.products.update_many([Product("P1", "Can")])
    assert [record["name"] for record in records.products.find()] == ["Cup", "Can", None]
    with pytest.raises(errors.UsageError, match="dataclass of columns expected, got type"):
        records.products.add(Product)  # type: ignore[arg-type]


def test_versions_that_a_gap_made_fractions_are_whole_and_the_gap_is_what_is_told(
    records: RecordStore,
) -> None:
    records.products.add_many([{"source_id": "P0"}, {"source_id": "P1"}])
    frame = pd.DataFrame({"source_id": ["P0", "P1"], "name": "Mug", "version": [1, np.nan]})
    with pytest.raises(errors.RecordInvalid, match="row 2: version: empty") as refused:
        records.products.update_many(frame)
    assert len(refused.value.problems) == 1
    assert records.products.update_many(frame[:1])[0].version == 2


def test_a_row_that_somebody_else_changed_keeps_all_from_being_written(records: RecordStore) -> None:
    records.products.add_many([{"source_id": "P0"}, {"source_id": "P1"}])
    frame = pd.DataFrame(records.products.find())
    records.products.update("P1", {"name": "Jug"})
    frame["name"] = "Mug"
    with pytest.raises(errors.VersionConflict, match="row 2: the record is at version 2, not 1"):
        records.products.update_many(frame)
    assert [record["name"] for record in records.products.find()] == [None, "Jug"]
    with pytest.raises(errors.RecordNotFound, match="row 1: the record store holds no record of that id"):
        records.products.update_many([{"source_id": "P7", "name": "Mug"}])
    with pytest.raises(errors.RecordInvalid, match=r"(?s)row 1: .* no record.*row 2: .*currency"):
        records.products.update_many([{"source_id": "P7"}, {"source_id": "P1", "currency": "euro"}])


def test_a_row_may_refer_to_one_above_it(records: RecordStore) -> None:
    with records.transaction():
        records.leads.add_many([{"source_id": "L1"}])
        records.opportunities.add_many([{"source_id": "O1", "lead_source_id": "L1"}])
    assert records.opportunities.get("O1")["lead_source_id"] == "L1"


@pytest.mark.parametrize("given", ["text", {"source_id": "P1"}, 5, [("source_id", "P1")]])
def test_what_is_no_table_is_refused(records: RecordStore, given: object) -> None:
    with pytest.raises(errors.UsageError, match="expected, got"):
        records.products.add_many(given)
    with pytest.raises(errors.UsageError, match="columns that come twice: name"):
        records.products.add_many(pd.DataFrame([[1, 2]], columns=["name", "name"]))
