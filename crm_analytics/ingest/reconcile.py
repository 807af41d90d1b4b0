"""Does what came in add up to what the source says?  Controls of a load: theirs, ours, the difference.

Four kinds: numbers of records that a file states of itself (footers), its own rows of totals
(`crm_analytics.ingest.totals`), totals that the caller was given with the file, and totals of orders against
the sums of their lines. A difference changes nothing (unless the profile says ``wrong_total = "refuse"``): it
is written to ``ops.load_controls`` and shown. Amounts are added in DECIMAL, over all sound records of the
file that are in the store, also those that another file had brought. What repeats a row of its own file is
not in the store and not in ``ours``; it is added apart (``..._with_repeats``), as the quarantine is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pyarrow as pa

from crm_analytics.entities.versions import Staging
from crm_analytics.errors import UsageError
from crm_analytics.ingest.profile import Profile
from crm_analytics.normalise.currencies import CURRENCIES
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import SqlFile, Warehouse, quote_ident

RECORDS = "records"
_ORDER_TOTALS = SqlFile.load(Path(__file__).parent / "order_totals.sql")
AMOUNTS = ("MONEY", "AMOUNT", "QUANTITY", "BIGINT")
_MONEY = pa.decimal128(38, 4)


@dataclass(frozen=True)
class Counted:
    """What a file adds up to: ``ours`` in the store, `repeats` what repeats a row of the file itself."""

    ours: Decimal
    repeats: Decimal = Decimal(0)


@dataclass(frozen=True)
class Control:
    """One comparison of a load.

    Attributes
    ----------
    control, scope : str
        What is compared, and of what: see ``ops/load_controls.sql``.
    source_id : str
        The one document meant; empty where many are added up.
    theirs, ours : Decimal
        As the source states it, and as it was counted here.
    """

    control: str
    scope: str
    source_id: str
    theirs: Decimal
    ours: Decimal

    def with_added(self, **parts: Decimal) -> list[Control]:
        """Return itself, and the comparisons with what is not in ``ours`` added: each part, and all of them.

        Examples
        --------
        >>> control = Control("total", "amount", "", Decimal(16), Decimal(8))
        >>> [(one.control, one.difference) for one in control.with_added(repeats=Decimal(8))]
        [('total', Decimal('-8')), ('total_with_repeats', Decimal('0'))]
        """
        given = {name: part for name, part in parts.items() if part}
        sums = dict(given)
        if len(given) > 1:
            sums["_and_".join(given)] = sum(given.values(), Decimal(0))
        told = [
            replace(self, control=f"{self.control}_with_{name}", ours=self.ours + part)
            for name, part in sums.items()
        ]
        return [self, *told]

    @property
    def difference(self) -> Decimal:
        """``ours - theirs``."""
        return self.ours - self.theirs


def read_totals(given: Mapping[str, object]) -> dict[str, Decimal]:
    """Return control totals as numbers.

    Raises
    ------
    UsageError
        One is no finite number, or of no known currency.

    Examples
    --------
    >>> read_totals({"records": 120, "amount": "1234.50"})
    {'records': Decimal('120'), 'amount': Decimal('1234.50')}
    """
    totals = {}
    for name, value in given.items():
        try:
            totals[name] = Decimal(str(value))
        except InvalidOperation:
            totals[name] = Decimal("nan")
        if not totals[name].is_finite():
            raise UsageError(f"control total {name}={value!r} is no number. Write it as 1234.50.")
        currency = name.partition(":")[2]
        if ":" in name and currency not in CURRENCIES:
            raise UsageError(f"control total {name}: {currency!r} is no ISO 4217 currency. Write amount:EUR.")
    return totals


def sums_of(
    wh: Warehouse, staging: Staging, used: Profile, names: Sequence[str], rows_in: int
) -> dict[str, Counted]:
    """Return what a delivery that was stored adds up to.

    Parameters
    ----------
    wh : Warehouse
        In the transaction of the load.
    staging : Staging
        The delivery.
    used : Profile
        Its layout.
    names : sequence of str
        "records"; a number or amount of the layout's entities ("amount", "orders.total_amount"), of one
        currency where it is added ("amount:EUR"), as it must be where amounts are in several.
    rows_in : int
        Records of the file.

    Raises
    ------
    UsageError
        The layout has no such column, or amounts in several currencies would be added up.
    """
    return {
        name: Counted(Decimal(rows_in)) if name == RECORDS else _sum(wh, staging, used, name)
        for name in names
    }


def given_controls(theirs: Mapping[str, Decimal], ours: Mapping[str, Counted]) -> list[Control]:
    """Return the totals that the caller gave beside what was counted."""
    controls: list[Control] = []
    for name, counted in ours.items():
        control = Control(name, "given", "", theirs[name], counted.ours)
        controls += control.with_added(repeats=counted.repeats)
    return controls


def order_controls(wh: Warehouse, load_id: int, used: Profile) -> list[Control]:
    """Return the totals of the orders that a load speaks of beside the sums of their lines."""
    if not {target.entity for target in used.targets} & {"orders", "order_lines"}:
        return []
    heads = wh.rows(
        "select 1 from entities.orders_versions "
        "where total_amount is not null and source_system = $source_system limit 1",
        source_system=used.source_system,
    )
    if not heads:
        return []
    return [Control(*row[:5]) for row in wh.rows(_ORDER_TOTALS, load_id=load_id)]


def write_controls(wh: Warehouse, load_id: int, controls: Sequence[Control]) -> None:
    """Write the controls of a load."""
    if not controls:
        return
    rows = [{"load_id": load_id} | asdict(one) | {"difference": one.difference} for one in controls]
    table = pa.Table.from_pylist(rows)
    for name in ("theirs", "ours", "difference"):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(_MONEY))
    wh.append("ops.load_controls", table)


def controls_of(wh: Warehouse, load_id: int) -> tuple[Control, ...]:
    """Return the controls of a load as they were written."""
    rows = wh.rows(
        "select control, scope, source_id, theirs, ours from ops.load_controls "
        "where load_id = $load_id order by rowid",
        load_id=load_id,
    )
    return tuple(Control(*row) for row in rows)


def _sum(wh: Warehouse, staging: Staging, used: Profile, name: str) -> Counted:
    asked, _, currency = name.partition(":")
    declared, column = _column(used, asked)
    staged = staging.table(declared.name)
    if staged is None:
        return Counted(Decimal(0))
    where = "where currency = $currency" if currency else ""
    has_currency = "currency" in declared.column_names
    if currency and not has_currency:
        raise UsageError(f"control total {name!r}: {declared.name} have no currency. Say {asked!r}.")
    if has_currency and not currency and declared.column(column).is_money:
        _check_one_currency(wh, staged, name, column)
    said_twice = f"(select place from {staging.said_twice(declared.name)})"
    added = f"sum({quote_ident(column)}) filter (rowid {{}} in {said_twice})"
    [(ours, repeats)] = wh.rows(
        f"select cast(coalesce({added.format('not')}, 0) as decimal(38, 4)), "
        f"cast(coalesce({added.format('')}, 0) as decimal(38, 4)) from {staged} {where}",
        **({"currency": currency.upper()} if currency else {}),
    )
    return Counted(Decimal(ours), Decimal(repeats))


def _check_one_currency(wh: Warehouse, staged: str, name: str, column: str) -> None:
    """Refuse the total of a column whose amounts are in several currencies."""
    found = wh.rows(
        f"select distinct currency from {staged} where {quote_ident(column)} is not null order by currency"
    )
    codes = [code or "none" for (code,) in found]
    if len(codes) > 1:
        raise UsageError(
            f"control total {name!r}: the file has amounts in {', '.join(codes)}. "
            f"Say one total for each: {f'{name}:{codes[0]}'!r}."
        )


def _column(used: Profile, asked: str) -> tuple[Entity, str]:
    """Return the first entity of a layout with a number of that name."""
    told = [entity(name) for name in dict.fromkeys(target.entity for target in used.targets)]
    known = [(one, c.name) for one in told for c in one.columns if c.type in AMOUNTS]
    for declared, column in known:
        if asked in (column, f"{declared.name}.{column}"):
            return declared, column
    names = ", ".join([RECORDS, *(f"{declared.name}.{column}" for declared, column in known)])
    raise UsageError(f"control total {asked!r} is no number of profile {used.name!r}. It has: {names}.")
