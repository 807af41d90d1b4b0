"""How is a published copy laid out so that one customer is found at once?

Every fact of the view is kept as a table ``by_customer.<fact>`` of the night's as_of, sorted by customer, so
that DuckDB reads one block of each; ``by_customer.look_up`` leads from an id, or the keyed hash of an e-mail
address, phone number or id with an "@", to the customer. The facts are computed in the copy itself, whose
personal columns are empty: what is not in there cannot get into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa

from crm_analytics.facts.one_customer import FACTS
from crm_analytics.normalise.emails import fold_email
from crm_analytics.normalise.phones import fold_phone
from crm_analytics.reports.customer_360.look_up import LOOK_UP, digits_of
from crm_analytics.warehouse import SqlFile, Warehouse, quote_ident
from crm_analytics.warehouse.lookup import keyed_rows, masked_id
from crm_analytics.warehouse.masking import prepare_key
from crm_analytics.warehouse.sql_file import PACKAGE

_BELOW = ("daily_rates_before", "last_rates_before", "order_heads_before", "products_before")
# Scores are found by customer too; the order within a night does not matter to anybody.
_SCORES = ("customer_scores", "next_best_offers", "lifecycle")
_KNOWN = "known_customers"
# Ids as the copy shows them, with their system and alone; and keyed hashes of what it does not show.
_FILL = """
    insert into by_customer.look_up
    with ids as (
        select source_system || ':' || source_id as key, customer_id
        from entities.customer_ids(_known_at := null)
        union all
        select customer_id, customer_id from known_customers
    ),
    keys as (
        select key, customer_id from ids
        union all
        select substr(key, instr(key, ':') + 1), customer_id from ids
        union all
        select key, customer_id from hashed
        union all
        -- an id whose customer was not known on that day leads nowhere
        select key, customer_id from hashed_ids
        where is_shared or customer_id in (select customer_id from known_customers)
    )
    select distinct key, customer_id from keys order by key, customer_id"""
# Names are not in the copy: what they tell is looked up before.
_NAMED = """
    select cast(told.row_id as varchar), told.source_system || ':' || related.customer_source_id
    from entities.belongings($as_of) as told
    join entities.customers_of($as_of) as related
        on related.entity = told.entity and related.source_system = told.source_system
        and related.source_id = told.source_id
    where told.of_name is not null"""
_RELATE = """
    update entities.relations_versions as relation set customer_source_id = named.customer_source_id
    from named where relation.row_id = cast(named.row_id as uhugeint)"""


def lay_out(wh: Warehouse, copy: Warehouse, *, as_of: date) -> int:
    """Add the tables ``by_customer`` to a published copy, and return the number of rows.

    Parameters
    ----------
    wh : Warehouse
        What is published, with its personal columns: for the keyed hashes alone.
    copy : Warehouse
        The copy, open for writing, with nothing personal in it.
    as_of : date
        Day of the night; the copy answers at once for this day alone.
    """
    copy.execute("create schema by_customer")
    copy.execute("create table by_customer.made_for as select cast($as_of as date) as as_of", as_of=as_of)
    _relate_by_name(wh, copy, as_of)
    with copy.holding(*_BELOW, *FACTS, as_of=as_of):
        for fact in FACTS:
            held = copy.held_table(fact, as_of=as_of)
            copy.execute(
                f"create table by_customer.{quote_ident(fact)} as select * from {held} "
                "where customer_id is not null order by customer_id"
            )
        copy.create_temp(_KNOWN, _fact("customers_before"), as_of=as_of)
    for name in _SCORES:
        table = f"scores.{quote_ident(name)}"
        copy.execute(f"create temp table by_night as select * from {table}")
        copy.execute(f"delete from {table}")
        copy.execute(f"insert into {table} select * from by_night order by customer_id, as_of")
        copy.execute("drop table by_night")
    copy.execute(f"create table {LOOK_UP} (key varchar not null, customer_id varchar not null)")
    points, ids = keyed_rows(wh, _contact_points(wh)), keyed_rows(wh, _ids(wh))
    with copy.registered(hashed=points, hashed_ids=ids):
        rows = copy.execute(_FILL)
    copy.execute(f"drop table {quote_ident(_KNOWN)}")
    return rows


def _relate_by_name(wh: Warehouse, copy: Warehouse, as_of: date) -> None:
    """Say by their ids to which customers the names in relations lead on that day."""
    rows = wh.rows(_NAMED, as_of=as_of)
    if not rows:
        return
    id_key = bytes.fromhex(prepare_key(wh))
    named = pa.table(
        {
            "row_id": [row_id for row_id, _ in rows],
            "customer_source_id": [masked_id(id_key, key).partition(":")[2] for _, key in rows],
        }
    )
    with copy.registered(named=named):
        copy.execute(_RELATE)


def _contact_points(wh: Warehouse) -> pa.Table:
    """Return addresses and numbers, folded, with the records that they are told of."""
    all_of_them = dict.fromkeys(("email_like", "email_pattern", "phone_like", "phone_pattern"))
    points = wh.rows(_fact("contact_points"), is_all=True, for_customers=True, **all_of_them)
    return _told(
        (system, source_id, form)
        for _, system, _, source_id, email, phone, country in points
        for form in _forms(email, phone, country)
    )


def _forms(email: str | None, phone: str | None, country: str | None) -> Iterator[str]:
    if email and (folded := fold_email(email)):
        yield f"email:{folded}"
    if phone:
        for form in {fold_phone(phone, country), digits_of(phone)} - {None, ""}:
            yield f"phone:{form}"


def _ids(wh: Warehouse) -> pa.Table:
    """Return ids that hold an "@", with their system and alone."""
    records = wh.rows(_fact("ids_with_at"))
    return _told(
        (system, source_id, f"id:{form}")
        for system, source_id in records
        for form in (f"{system}:{source_id}", source_id)
    )


def _told(rows: Iterator[tuple[str, str, str]]) -> pa.Table:
    told = [*rows]
    systems, source_ids, values = zip(*told, strict=True) if told else ((), (), ())
    columns = {"source_system": systems, "source_id": source_ids, "value": values}
    return pa.table({name: pa.array(column, type=pa.string()) for name, column in columns.items()})


def _fact(name: str) -> SqlFile:
    return SqlFile.load(PACKAGE / "facts" / f"{name}.sql")
