"""What do the facts say of one customer, without reading everybody's rows?

A fact is a macro over all rows of its entities, and DuckDB cannot push the customer through the windows
inside. `one_customer` first takes the rows that concern a customer out of the tables of versions (by the
source keys, by the orders these name), then runs the very files of ``facts/`` over those few rows: a fact
has one definition. Planning a statement costs more than running it here, so what a customer has no rows of
is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import Warehouse, quote_ident
from crm_analytics.warehouse.tables import known_rows

# Fact about a customer -> the entities of which one has to tell something, in the order of reading.
FACTS: Mapping[str, tuple[str, ...]] = {
    "source_records_before": ("customers",),
    "customer_profiles_before": ("customers",),
    "consents_before": ("consents",),
    "order_lines_before": ("orders", "order_lines"),
    "returns_before": ("orders", "order_lines", "returns"),
    "orders_before": ("orders", "order_lines"),
    "unconverted_orders_before": ("orders",),
    "unconverted_lines_before": ("orders", "order_lines"),
    "payments_before": ("payments",),
    "opportunities_before": ("opportunities",),
    "contracts_before": ("contracts",),
    "tickets_before": ("tickets",),
    "ticket_statuses_before": ("tickets",),
    "tasks_before": ("tasks",),
    "leads_before": ("leads",),
    "interactions_before": ("interactions",),
    "feedback_before": ("feedback",),
    "campaign_contacts_before": ("campaign_members",),
}
# Facts that these rest on, and by which of them they are needed.
_ORDER_CHAIN = ("order_heads_before", "products_before")
_RATES_OF = ("orders", "order_lines", "returns", "payments", "opportunities", "contracts")
# Column by which the rows of an entity name a customer.
_BY_CUSTOMER = {
    "customers": "source_id",
    "leads": "converted_customer_source_id",
} | dict.fromkeys(
    (
        *("consents", "orders", "order_lines", "returns", "payments", "opportunities", "contracts"),
        *("tickets", "tasks", "interactions", "feedback", "campaign_members"),
    ),
    "customer_source_id",
)

# Those whose customer a relation may tell, where the row itself names none.
_BY_RELATION = frozenset({"opportunities", "tickets", "tasks", "interactions"})

# Temporary tables that are those of no entity.
_OWN = frozenset({"keys", "related", "currencies"})

_KEYS = """
    create or replace temp table one_customer_keys as
    select unnest($systems::varchar[]) as source_system, unnest($ids::varchar[]) as source_id,
        $customer_id as customer_id"""

# What belongs to the customer by a relation alone; nothing is asked where there are no relations.
_HAS_RELATIONS = "select exists (select 1 from entities.relations_versions)"
_RELATED = """
    create or replace temp table one_customer_related as
    select related.* from entities.customers_of($as_of) as related
    semi join one_customer_keys as key
        on key.source_system = related.source_system and key.source_id = related.customer_source_id"""
_NOTHING_RELATED = """
    create or replace temp table one_customer_related as
    select '' as entity, source_system, source_id, source_id as customer_source_id
    from one_customer_keys limit 0"""

_HAS_ROWS = """
    select '{name}' where exists (
        select 1 from {versions} as version
        semi join one_customer_keys as key
            on key.source_system = version.source_system and key.source_id = version.{column}
    )"""

_HAS_ANY = "select '{name}' where exists (select 1 from {versions})"

# A later version may name another customer: it is fetched with the row, and the fact decides.
_TAKE = """
    create or replace temp table {target} as
    with told as ({told}),
    one_customer_versions as (
        select * from told
        union
        select version.* from {versions} as version semi join told using (row_id) where {beside}
    )
    select * from ({known})"""

_NOTHING = "create or replace temp table {target} as select * {held} from {versions} limit 0"

_NAMED = """
    select version.* from {versions} as version
    semi join one_customer_keys as key
        on key.source_system = version.source_system and key.source_id = version.{column}"""

_OF_RELATION = """
    union all
    select version.* from {versions} as version
    semi join one_customer_related as related
        on related.entity = '{name}' and related.source_system = version.source_system
        and related.source_id = version.source_id"""

_OF_ORDERS = """
    select version.* from {versions} as version
    semi join ({orders}) as document
        on document.source_system = version.source_system and document.number = version.{number}
    where {only}"""

_HEADS = "select source_system, source_id as number from one_customer_orders"
_LINES = "select source_system, order_source_id as number from one_customer_order_lines"
_RETURNS = (
    "select source_system, order_source_id as number from one_customer_returns "
    "where order_source_id is not null"
)
# What came back, and a discount on the whole order, fall to one customer of an order: all its lines decide.
_REDUCED = f"{_RETURNS} union {_HEADS} where coalesce(discount_amount, 0) <> 0"

_PRODUCTS = """
    select version.* from entities.products_versions as version
    semi join (
        select source_system, product_source_id from one_customer_order_lines
        union
        select source_system, product_source_id from one_customer_returns
    ) as sold
        on sold.source_system = version.source_system and sold.product_source_id = version.source_id"""

_STAGES = """
    select version.* from entities.opportunity_stages_versions as version
    semi join one_customer_opportunities as deal
        on deal.source_system = version.source_system and deal.source_id = version.opportunity_source_id"""

_STATUSES = """
    select version.* from entities.ticket_statuses_versions as version
    semi join one_customer_tickets as ticket
        on ticket.source_system = version.source_system and ticket.source_id = version.ticket_source_id"""

_RATES = """
    select version.* from entities.exchange_rates_versions as version
    semi join one_customer_currencies as used
        on used.currency = version.currency or used.currency = version.to_currency"""

_CURRENCIES = """
    create or replace temp table one_customer_currencies as
    select currency from ({used})
    where currency is distinct from (select max(value) from ops.settings where name = 'reporting_currency')"""


@contextmanager
def one_customer(
    wh: Warehouse, records: Sequence[tuple[str, str]], customer_id: str, *, as_of: date
) -> Iterator[frozenset[str]]:
    """Let every `SqlFile` with this as_of read the facts of one customer alone while the block runs.

    Rows of others may be among them (another customer's lines in a shared order): the file still asks for its
    customer. Everything is in temporary tables, so a read-only warehouse will do.

    Parameters
    ----------
    wh : Warehouse
        Where the entities are.
    records : sequence of (source system, source id)
        The customer's source records.
    customer_id : str
        The customer they are.
    as_of : date
        First day not seen.

    Yields
    ------
    frozenset of str
        Which of `FACTS` can hold something of the customer. Files that read others must not be run: those are
        empty, and not narrowed down.

    Examples
    --------
    >>> day = date(2025, 7, 1)
    >>> with Warehouse.open() as wh, one_customer(wh, [("shop", "1")], "shop:1", as_of=day) as told:
    ...     told
    frozenset()
    """
    made = set(_OWN)
    wh.execute(
        _KEYS,
        systems=[system for system, _ in records],
        ids=[source_id for _, source_id in records],
        customer_id=customer_id,
    )
    try:
        present = {name for (name,) in wh.rows(_union(_HAS_ROWS, _BY_CUSTOMER))} | _relate(wh, as_of)
        made |= _take_all(wh, present, as_of)
        told = [name for name, needed in FACTS.items() if present & set(needed)]
        instead = {
            "entities.customer_ids": "temp.one_customer_keys",
            "entities.customers_of": "temp.one_customer_related",
        }
        for name in made - _OWN:
            suffix = "known" if entity(name).kind == "event" else "at"
            instead[f"entities.{name}_{suffix}"] = f"temp.one_customer_{name}"
        with wh.reading(instead), wh.holding(*_below(present), *told, as_of=as_of):
            yield frozenset(told)
    finally:
        for name in sorted(made):
            wh.execute(f"drop table if exists {_table(name)}")


def _relate(wh: Warehouse, as_of: date) -> set[str]:
    """Find what belongs to the customer by relations, and return the entities it is of."""
    if not wh.value(_HAS_RELATIONS):
        wh.execute(_NOTHING_RELATED)
        return set()
    wh.execute(_RELATED, as_of=as_of)
    found = {name for (name,) in wh.rows("select distinct entity from one_customer_related")}
    return found & _BY_RELATION


def _below(present: set[str]) -> list[str]:
    """Return the facts that those about the customer rest on."""
    rates = ["daily_rates_before", "last_rates_before"] if present & set(_RATES_OF) else []
    return [*rates, *(_ORDER_CHAIN if present & {"orders", "order_lines", "returns"} else ())]


def _take_all(wh: Warehouse, present: set[str], as_of: date) -> set[str]:
    """Take what there is, and return the entities of which a table was made."""
    made = set(present)
    for name in sorted(present - {"order_lines", "returns"}):
        _take(wh, name, _named(name), as_of)
    if present & {"orders", "order_lines", "returns"}:
        made |= _take_orders(wh, present, as_of)
    if "opportunities" in present:
        _take(wh, "opportunity_stages", _STAGES, as_of)
        made.add("opportunity_stages")
    if "tickets" in present:
        _take(wh, "ticket_statuses", _STATUSES, as_of)
        made.add("ticket_statuses")
    if present & set(_RATES_OF):
        parts = [
            f"select currency from {_table(name)}"
            for name in sorted(made)
            if "currency" in entity(name).column_names and name != "products"
        ]
        wh.execute(_CURRENCIES.format(used=" union ".join(parts)))
        has_others = wh.value("select count(*) from one_customer_currencies where currency is not null")
        _take(wh, "exchange_rates", _RATES if has_others else None, as_of)
        made.add("exchange_rates")
    return made


def _take_orders(wh: Warehouse, present: set[str], as_of: date) -> set[str]:
    """Take heads, lines and returns of the customer's orders, and what was sold in them."""
    about = ("orders", "returns", "products")
    # a table without any row is not searched
    filled = {name for (name,) in wh.rows(_union(_HAS_ANY, dict.fromkeys(about, "source_id")))}
    if "orders" not in present:
        _take(wh, "orders", None, as_of)
    # a line without a customer of its own is the customer's of its order
    lines = _named("order_lines")
    without = _of_orders("order_lines", _HEADS, only="version.customer_source_id is null")
    _take(wh, "order_lines", f"{lines} union all {without}" if "orders" in present else lines, as_of)
    heads = _of_orders("orders", _LINES)
    if "order_lines" in present and "orders" in filled:
        _take(wh, "orders", f"{_named('orders')} union all {heads}", as_of)
    returns = f"{_named('returns')} union all {_of_orders('returns', f'{_HEADS} union {_LINES}')}"
    _take(wh, "returns", returns if "returns" in filled else None, as_of)
    if wh.value(f"select count(*) from ({_REDUCED})"):
        wh.execute(f"create or replace temp table one_customer_reduced as {_REDUCED}")
        others = _of_orders("order_lines", "select source_system, number from one_customer_reduced")
        _take(wh, "order_lines", f"{lines} union all {without} union all {others}", as_of)
        wh.execute("drop table one_customer_reduced")
    _take(wh, "products", _PRODUCTS if "products" in filled else None, as_of)
    return {"orders", "order_lines", "returns", "products"}


def _take(wh: Warehouse, name: str, told: str | None, as_of: date) -> None:
    """Keep what is known of the told versions of an entity; of nothing an empty table."""
    declared = entity(name)
    is_event = declared.kind == "event"
    versions = _versions(name)
    if told is None:
        held = "" if is_event else ", false as is_held"
        wh.execute(_NOTHING.format(target=_table(name), held=held, versions=versions))
        return
    statement = _TAKE.format(
        target=_table(name),
        told=told,
        versions=versions,
        beside=_beside(declared),
        known=known_rows(declared, "one_customer_versions"),
    )
    wh.execute(statement, **({} if is_event else {"as_of": as_of}))


def _beside(declared: Entity) -> str:
    """Return which other versions of a row can name another customer."""
    if _BY_CUSTOMER.get(declared.name) in declared.key:
        return "false"  # of another customer it would be another row
    # of an event only a revision can be about a row that was told otherwise before
    return "version.is_revision" if declared.kind == "event" else "true"


def _named(name: str) -> str:
    named = _NAMED.format(versions=_versions(name), column=quote_ident(_BY_CUSTOMER[name]))
    related = _OF_RELATION.format(versions=_versions(name), name=name) if name in _BY_RELATION else ""
    return named + related


def _of_orders(name: str, orders: str, *, only: str = "true") -> str:
    number = "source_id" if name == "orders" else "order_source_id"
    return _OF_ORDERS.format(versions=_versions(name), orders=orders, number=quote_ident(number), only=only)


def _union(template: str, columns: Mapping[str, str]) -> str:
    return " union all ".join(
        template.format(name=name, versions=_versions(name), column=quote_ident(column))
        for name, column in columns.items()
    )


def _versions(name: str) -> str:
    return f"entities.{quote_ident(name + '_versions')}"


def _table(name: str) -> str:
    quoted: str = quote_ident(f"one_customer_{name}")
    return quoted
