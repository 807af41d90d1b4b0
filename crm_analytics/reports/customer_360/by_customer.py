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
from crm_analytics.warehouse.lookup import keyed_hash, lookup_key, masked_id
from crm_analytics.warehouse.masking import prepare_key
from crm_analytics.warehouse.sql_file import PACKAGE

_BELOW = ("daily_rates_before", "last_rates_before", "order_heads_before", "products_before")
# Scores are found by customer too; the order within a night does not matter to anybody.
_SCORES = ("customer_scores", "next_best_offers", "lifecycle")
_SHARED = """
    select source_system || ':' || source_id, customer_id from entities.customer_ids(_known_at := null)"""
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
_KNOWN = "select customer_id from facts.customers_before($as_of)"


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
            file = SqlFile.load(PACKAGE / "facts" / f"{fact}.sql")
            copy.create_temp("laid_out", file, as_of=as_of)
            table = f"by_customer.{quote_ident(fact)}"
            copy.execute(
                f"create table {table} as select * from temp.laid_out "
                "where customer_id is not null order by customer_id"
            )
            copy.execute("drop table temp.laid_out")
        known = [str(row[0]) for row in copy.rows(_KNOWN, as_of=as_of)]
    for name in _SCORES:
        table = f"scores.{quote_ident(name)}"
        copy.execute(f"create temp table by_night as select * from {table}")
        copy.execute(f"delete from {table}")
        copy.execute(f"insert into {table} select * from by_night order by customer_id, as_of")
        copy.execute("drop table by_night")
    pairs = sorted({*_plain_keys(copy, known), *_hashed_keys(wh, as_of)})
    rows = pa.table(
        {"key": [key for key, _ in pairs], "customer_id": [customer_id for _, customer_id in pairs]},
        schema=pa.schema([("key", pa.string()), ("customer_id", pa.string())]),
    )
    copy.execute(f"create table {LOOK_UP} (key varchar not null, customer_id varchar not null)")
    copy.append(LOOK_UP, rows)
    return len(pairs)


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


def _plain_keys(copy: Warehouse, known: list[str]) -> Iterator[tuple[str, str]]:
    """Ids as the copy shows them, with their system and alone."""
    for key, customer_id in [*copy.rows(_SHARED), *((one, one) for one in known)]:
        yield key, customer_id
        yield key.partition(":")[2], customer_id


def _hashed_keys(wh: Warehouse, as_of: date) -> Iterator[tuple[str, str]]:
    """Keyed hashes of addresses, numbers and ids that hold an "@"."""
    key, id_key = lookup_key(wh), bytes.fromhex(prepare_key(wh))
    canonical = dict(wh.rows(_SHARED))
    points = wh.rows(
        SqlFile.load(PACKAGE / "facts" / "contact_points.sql"),
        is_all=True,
        email_pattern=None,
        phone_pattern=None,
    )
    for system, source_id, email, phone, country in points:
        record = f"{system}:{source_id}"
        customer_id = masked_id(id_key, canonical.get(record, record))
        if email and (folded := fold_email(email)):
            yield keyed_hash(key, "email", folded), customer_id
        if phone:
            for form in {fold_phone(phone, country), digits_of(phone)} - {None, ""}:
                yield keyed_hash(key, "phone", str(form)), customer_id
    known = [row[0] for row in wh.rows(_KNOWN, as_of=as_of)]
    for record in {*canonical, *known}:
        if "@" in record:
            customer_id = masked_id(id_key, canonical.get(record, record))
            yield keyed_hash(key, "id", record), customer_id
            yield keyed_hash(key, "id", record.partition(":")[2]), customer_id
