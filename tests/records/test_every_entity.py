"""Do the verbs mean the same for every entity of the record store?  A contract over the schema."""

from __future__ import annotations

import pytest

from crm_analytics.errors import RecordInvalid, RecordNotFound, UsageError
from crm_analytics.records import RecordStore
from crm_analytics.records.changes import changes
from crm_analytics.schema import entity
from tests.records.samples import KEPT, full, least

every_entity = pytest.mark.parametrize("name", KEPT)


def test_the_store_keeps_what_people_and_apps_write() -> None:
    assert {"customers", "contacts", "tasks", "tickets", "opportunities", "consents"} <= set(KEPT)


@every_entity
def test_what_is_added_is_read_back_exactly(records: RecordStore, name: str) -> None:
    given = full(entity(name))
    added = records.entity(name).add(given)
    read = records.entity(name).get(added.id)
    assert read == added
    assert {column: read[column] for column in given} == given
    assert {column: type(read[column]) for column in given} == {c: type(v) for c, v in given.items()}
    assert (read.version, read["changed_by"], read.is_deleted) == (1, "tests", False)


@every_entity
def test_required_columns_are_enough(records: RecordStore, name: str) -> None:
    added = records.entity(name).add(least(entity(name)))
    assert records.entity(name).get(added.id) == added
    assert added.id


@every_entity
def test_an_update_is_a_new_version_and_the_old_one_stays(records: RecordStore, name: str) -> None:
    declared = entity(name)
    before = records.entity(name).add(full(declared))
    changed = {c: v for c, v in full(declared, variant=1).items() if c not in declared.key}
    after = records.entity(name).update(before.id, changed, expected_version=1)
    assert {column: after[column] for column in changed} == changed
    assert after.version == 2
    assert after.recorded_at > before.recorded_at
    assert records.entity(name).history(before.id) == [before, after]
    assert records.entity(name).get(before.id) == after
    assert records.entity(name).get(before.id, as_of=after.recorded_at) == before
    assert records.entity(name).find(as_of=after.recorded_at) == [before]
    with pytest.raises(RecordNotFound, match=rf"{name}: .* no record of that id before"):
        records.entity(name).get(before.id, as_of=before.recorded_at)


@every_entity
def test_find_by_each_column(records: RecordStore, name: str) -> None:
    declared = entity(name)
    sought = records.entity(name).add(full(declared))
    other = records.entity(name).add(full(declared, variant=1))
    for column in full(declared):
        assert records.entity(name).find(**{column: sought[column]}) == [sought], column
    assert {record.id for record in records.entity(name).find()} == {sought.id, other.id}


@every_entity
def test_the_key_cannot_change_nor_be_taken_twice(records: RecordStore, name: str) -> None:
    declared = entity(name)
    added = records.entity(name).add(full(declared))
    with pytest.raises(RecordInvalid, match="such a record exists; use update"):
        records.entity(name).add(full(declared))
    with pytest.raises(RecordInvalid, match=f"{declared.key[0]}: identifies the record"):
        records.entity(name).update(added.id, {declared.key[0]: "another"})
    assert records.entity(name).history(added.id) == [added]


@every_entity
def test_a_deleted_record_is_gone_but_its_history_stays(records: RecordStore, name: str) -> None:
    added = records.entity(name).add(full(entity(name)))
    gone = records.entity(name).delete(added.id, expected_version=1)
    assert gone.is_deleted
    with pytest.raises(RecordNotFound, match="no record of that id"):
        records.entity(name).get(added.id)
    assert records.entity(name).find() == []
    assert records.entity(name).history(added.id) == [added, gone]
    assert records.entity(name).get(added.id, as_of=gone.recorded_at) == added
    again = records.entity(name).add(least(entity(name)) | {c: added[c] for c in entity(name).key})
    assert (again.id, again.version, again.is_deleted) == (added.id, 3, False)


@every_entity
def test_changes_tell_every_version_once_in_order_and_exactly(records: RecordStore, name: str) -> None:
    declared = entity(name)
    added = records.entity(name).add(full(declared))
    changed = {c: v for c, v in full(declared, variant=1).items() if c not in declared.key}
    updated = records.entity(name).update(added.id, changed)
    gone = records.entity(name).delete(added.id)
    found = changes(records, name, 0)
    assert found.column("change_number").to_pylist() == [1, 2, 3]
    assert found.drop_columns("change_number").to_pylist() == [dict(v) for v in (added, updated, gone)]
    assert changes(records, name, 2).column("version").to_pylist() == [3]
    assert changes(records, name, 0, until=1).column("version").to_pylist() == [1]
    assert changes(records, name, 3).num_rows == 0
    assert changes(records, name, 3).schema == found.schema


@every_entity
def test_an_unknown_id_is_not_found_by_any_verb(records: RecordStore, name: str) -> None:
    key = entity(name).key
    unknown = "nobody" if len(key) == 1 else tuple(full(entity(name))[column] for column in key)
    for call in (
        lambda: records.entity(name).get(unknown),
        lambda: records.entity(name).update(unknown, {}),
        lambda: records.entity(name).delete(unknown),
        lambda: records.entity(name).history(unknown),
    ):
        with pytest.raises(RecordNotFound, match=rf"{name}: the record store"):
            call()
    for impossible in ((), {}, None, 5, "\ud83d"):
        with pytest.raises(UsageError, match=f"{name}: no record can have that id: .*{key[0]}"):
            records.entity(name).get(impossible)  # type: ignore[arg-type]
