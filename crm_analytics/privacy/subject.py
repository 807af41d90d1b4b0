"""Who is meant, and which records are about them?  `find`: from a key, an address or a number to all keys.

A person is the whole group of source records (`crm_analytics.entities.identity_log`), the leads and contacts
with an e-mail address that no other customer has, and everything that refers to these: deals, tickets,
orders, and what refers to those in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from crm_analytics.entities.identity_log import members, split_key
from crm_analytics.errors import UsageError
from crm_analytics.ingest.erased_subjects import KEYED, columns_that_tell
from crm_analytics.normalise.emails import fold_email, is_role
from crm_analytics.reports.customer_360.look_up import (
    Bearer,
    asked_text,
    bearers,
    canonical,
    customers_by_id,
)
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse, quote_ident

Key = tuple[str, str]
PEOPLE = ("customers", "leads", "contacts")
_BESIDE_CUSTOMERS = ("leads", "contacts")
_SHOWN = 5
_NAMES = ("name", "first_name", "last_name")
_POINTS = ("email", "phone", "national_id")

# What belongs to a customer as all that is known says, unless it names one itself; to a contact person or
# deal, by a relation of its own. A deal is not its contact.
_OF_CUSTOMERS = """
    select related.entity, related.source_system, related.source_id
    from entities.customers_of(date '9999-12-31') as related
    anti join entities.own_customers as own
        on own.entity = related.entity and own.source_system = related.source_system
        and own.source_id = related.source_id
    where (related.source_system, related.customer_source_id) in (select (system, id) from subject_keys)"""
_OF_OTHERS = """
    select distinct entity, source_system, source_id
    from entities.belongings(date '9999-12-31')
    where of_entity = $name and entity <> 'opportunities'
        and (source_system, of_source_id) in (select (system, id) from subject_keys)"""


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes
    ----------
    keys : dict of str to frozenset of (source_system, source_id)
        Entity -> the records of the person, also those known from references only.
    names : frozenset of str
        Names of more than one word, as written.
    points : frozenset of str
        E-mail addresses, telephone numbers and national ids, as written.
    """

    keys: dict[str, frozenset[Key]]
    names: frozenset[str]
    points: frozenset[str]

    def ids(self) -> frozenset[str]:
        """Return the ids of the records, without their systems."""
        return frozenset(source_id for keys in self.keys.values() for _, source_id in keys)

    def full_keys(self, entity: str) -> list[str]:
        """Return the keys of one entity as ``system:id``, sorted."""
        return sorted(f"{system}:{source_id}" for system, source_id in self.keys.get(entity, ()))


def find(wh: Warehouse, customer: str) -> Subject:
    """Return the person that a text names.

    Parameters
    ----------
    wh : Warehouse
    customer : str
        A customer_id or the key of a source record (``system:id``), a source id, an e-mail address or a
        telephone number; of a lead or contact also ``leads:system:id``, ``contacts:system:id``.

    Raises
    ------
    UsageError
        Nobody is named so, or several are.
    """
    start = _start(wh, asked_text(customer))
    keys = _with_what_refers(wh, _with_same_address(wh, start))
    names: set[str] = set()
    points: set[str] = set()
    for name in PEOPLE:
        has = [one for one in (*_NAMES, *_POINTS) if one in entities()[name].column_names]
        for row in _told(wh, name, keys.get(name, set()), has):
            told = dict(zip(has, row, strict=True))
            points |= {told[one] for one in _POINTS if one in told}
            both = f"{told.get('first_name', '')} {told.get('last_name', '')}"
            names |= {one for one in (told.get("name", ""), both) if " " in one.strip()}
    found = {name: frozenset(of) for name, of in keys.items() if of}
    return Subject(found, frozenset(names - {""}), frozenset(points - {""}))


@dataclass(frozen=True)
class Others:
    """What of a person somebody else has as well.

    Attributes
    ----------
    keys : tuple of str
        Keys of the others' records that have an address or number of the person.
    points : frozenset of str
        Addresses, telephone numbers and national ids of the person that others have too, as written.
    ids : frozenset of str
        Ids of the person's records that others have too, in another system or as another kind of person.
    """

    keys: tuple[str, ...]
    points: frozenset[str]
    ids: frozenset[str]


NO_OTHERS = Others((), frozenset(), frozenset())


def others_with(wh: Warehouse, subject: Subject) -> Others:
    """Return what of a person the records of others have as well: of customers, leads and contacts."""
    keys: set[Bearer] = set()
    points: set[str] = set()
    for point in subject.points:
        bearing = {
            one
            for one in bearers(wh, point, for_customers=False)
            if (one.source_system, one.source_id) not in subject.keys.get(one.entity, ())
        }
        keys |= bearing
        points |= {point} if bearing else set()
    ids: set[str] = set()
    for name in PEOPLE:
        own = subject.keys.get(name, frozenset())
        table = f"entities.{quote_ident(f'{name}_versions')}"
        known = wh.rows(
            f"select distinct source_system, source_id from {table} where list_contains($ids, source_id)",
            ids=sorted(subject.ids()),
        )
        ids |= {source_id for system, source_id in known if (system, source_id) not in own}
        if "national_id" in entities()[name].column_names:
            bearing_rows = wh.rows(
                f"select distinct source_system, source_id, national_id from {table} "
                "where list_contains($points, national_id)",
                points=sorted(subject.points),
            )
            points |= {point for system, source_id, point in bearing_rows if (system, source_id) not in own}
    return Others(tuple(sorted(_key_of(one) for one in keys)), frozenset(points), frozenset(ids))


def _key_of(one: Bearer) -> str:
    return f"{'' if one.entity == 'customers' else f'{one.entity}:'}{one.source_system}:{one.source_id}"


def about(wh: Warehouse, name: str, subject: Subject) -> list[tuple[int, int]]:
    """Return the (row_id, rowid) of the versions of an entity that are about a person.

    All versions of a row whose last version is; of others those that were.
    """
    declared = entities()[name]
    table = f"entities.{quote_ident(f'{name}_versions')}"
    tests = []
    parameters: dict[str, pa.Table] = {}
    for number, (column, referred) in enumerate(columns_that_tell(declared)):
        if keys := subject.keys.get(referred):
            parameters[f"subject_keys_{number}"] = _table(keys)
            tests.append(
                f"(source_system, {quote_ident(column)}) in (select (system, id) from subject_keys_{number})"
            )
    if not tests:
        return []
    order = "valid_from desc, recorded_at desc" if declared.kind == "state" else "recorded_at desc"
    is_about = f"coalesce({' or '.join(tests)}, false)"
    with wh.registered(**parameters):
        return wh.rows(
            f"select row_id, place from (select row_id, rowid as place, {is_about} as is_about, "
            f"first_value({is_about}) over (partition by row_id "
            f"order by {order}, record_number desc, content_id desc) as is_now from {table}) "
            "where is_about or is_now"
        )


def _start(wh: Warehouse, text: str) -> dict[str, set[Key]]:
    """Return the customers (or leads, contacts) that a text names: those of one person.

    Found as `crm_analytics.customer` finds them, but that an address or number of a contact person means the
    person, not the company.
    """
    entity, _, key = text.partition(":")
    if entity in _BESIDE_CUSTOMERS and (found := _by_key(wh, entity, key)):
        return _one_person({entity: found})
    customers = customers_by_id(wh, text)
    by_key = {name: _by_key(wh, name, text) for name in _BESIDE_CUSTOMERS}
    if not customers and not any(by_key.values()):
        bearing = bearers(wh, text, for_customers=False)
        keys = {name: _keys(one for one in bearing if one.entity == name) for name in PEOPLE}
        customers = canonical(wh, (f"{system}:{source_id}" for system, source_id in keys["customers"]))
        email = fold_email(text)
        if not customers and email is not None and not is_role(email) and bearing:
            return keys
        by_key = {name: keys[name] for name in _BESIDE_CUSTOMERS}
    if len(customers) > 1:
        leading = ", ".join(customers[:_SHOWN])
        raise UsageError(f"This names {len(customers)} customers: {leading}. Name one of them by its key.")
    if not customers:
        return _one_person(by_key)
    group = {split_key(key) for key in members(wh, customers[0])}
    if _is_described(wh, group):
        return {"customers": group}
    # a customer whom only references name: what they mean can be the contact person or lead of that id
    return {"customers": group} | {name: of & group for name, of in by_key.items()}


def _one_person(keys: dict[str, set[Key]]) -> dict[str, set[Key]]:
    """Return the leads and contacts that were found, when they are one."""
    named = [f"{name}:{system}:{id_}" for name, of in keys.items() for system, id_ in sorted(of)]
    if len(named) > 1:
        raise UsageError(
            f"This names {len(named)} leads and contacts: {', '.join(named[:_SHOWN])}. Name one of them so."
        )
    if not named:
        raise UsageError(
            "Nobody is known by this. Name a customer by customer_id (system:id), source id, e-mail address "
            "or telephone number. Whom only a record store holds, and no warehouse, goes by "
            "RecordStore.erase (`crm-analytics records erase`)."
        )
    return keys


def _is_described(wh: Warehouse, keys: set[Key]) -> bool:
    with wh.registered(subject_keys=_table(keys)):
        return bool(
            wh.value(
                "select exists (select 1 from entities.customers_versions "
                "where (source_system, source_id) in (select (system, id) from subject_keys))"
            )
        )


def _by_key(wh: Warehouse, name: str, text: str) -> set[Key]:
    return set(
        wh.rows(
            f"select distinct source_system, source_id from entities.{quote_ident(f'{name}_versions')} "
            "where source_id = $text or source_system || ':' || source_id = $text",
            text=text,
        )
    )


def _keys(bearing: Iterable[Bearer]) -> set[Key]:
    return {(one.source_system, one.source_id) for one in bearing}


def _with_same_address(wh: Warehouse, start: dict[str, set[Key]]) -> dict[str, set[Key]]:
    """Add the leads and contacts with an e-mail address of the person that no other customer has."""
    found = {name: set(start.get(name, ())) for name in PEOPLE}
    for person in PEOPLE:
        for (address,) in _told(wh, person, start.get(person, set()), ["email"]):
            email = fold_email(address)
            if email is None or is_role(email):
                continue
            bearing = bearers(wh, email, for_customers=False)
            if _keys(one for one in bearing if one.entity == "customers") <= found["customers"]:
                for name in _BESIDE_CUSTOMERS:
                    found[name] |= _keys(one for one in bearing if one.entity == name)
    return found


def _with_what_refers(wh: Warehouse, start: dict[str, set[Key]]) -> dict[str, set[Key]]:
    """Add the records that refer to those of the person, and those that refer to these."""
    keys = {name: set(of) for name, of in start.items()}
    todo = {name: set(of) for name, of in start.items() if of}
    while todo:
        name, new = todo.popitem()
        found = [
            (referring, key)
            for referring, column in _references_to(name)
            for key in _referring(wh, referring, column, new)
        ]
        for referring, key in found + _related(wh, name, new):
            if key not in keys.setdefault(referring, set()):
                keys[referring].add(key)
                todo.setdefault(referring, set()).add(key)
    return keys


def _related(wh: Warehouse, name: str, keys: set[Key]) -> list[tuple[str, Key]]:
    """Return entity and key of the records that relations say to belong to one of the keys."""
    with wh.registered(subject_keys=_table(keys)):
        rows = wh.rows(_OF_CUSTOMERS) if name == "customers" else wh.rows(_OF_OTHERS, name=name)
    return [(entity, (system, source_id)) for entity, system, source_id in rows]


def _references_to(name: str) -> Iterator[tuple[str, str]]:
    for referring in KEYED:
        for column, referred in columns_that_tell(entities()[referring]):
            if referred == name and column != "source_id":
                yield referring, column


def _referring(wh: Warehouse, name: str, column: str, keys: set[Key]) -> set[Key]:
    """Return the keys of records of which the last version refers to one of the keys."""
    table = f"entities.{quote_ident(name)}"
    with wh.registered(subject_keys=_table(keys)):
        return set(
            wh.rows(
                f"select distinct source_system, source_id from {table} "
                f"where (source_system, {quote_ident(column)}) in (select (system, id) from subject_keys)"
            )
        )


def _told(wh: Warehouse, name: str, keys: set[Key], columns: list[str]) -> list[tuple[str, ...]]:
    """Return what all versions of records say in text columns; empty texts for what they do not."""
    if not keys:
        return []
    told = ", ".join(f"coalesce({quote_ident(one)}, '')" for one in columns)
    with wh.registered(subject_keys=_table(keys)):
        return wh.rows(
            f"select distinct {told} from entities.{quote_ident(f'{name}_versions')} "
            "where (source_system, source_id) in (select (system, id) from subject_keys)"
        )


def _table(keys: set[Key] | frozenset[Key]) -> pa.Table:
    ordered = sorted(keys)
    return pa.table({"system": [one for one, _ in ordered], "id": [one for _, one in ordered]})
