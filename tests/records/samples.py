"""Which values does a complete record of an entity have?  Made from the schema."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from crm_analytics.records.tables import is_foreign_key
from crm_analytics.schema import Column, Entity, entities
from crm_analytics.vocabulary import WORDS

KEPT = [name for name, entity in entities().items() if entity.in_record_store]


def full(entity: Entity, variant: int = 0) -> dict[str, Any]:
    """Fill every column but foreign keys (`variant` makes values that differ from those of another)."""
    return {
        column.name: _value(column, variant)
        for column in entity.columns
        if not is_foreign_key(entity, column)
    }


def least(entity: Entity, variant: int = 0) -> dict[str, Any]:
    """Fill only the columns that are required, and not the id."""
    return {
        column.name: _value(column, variant)
        for column in entity.columns
        if column.required and column.name != "source_id"
    }


def _value(column: Column, variant: int) -> Any:
    if column.words is not None:
        return WORDS[column.words][variant % 2]
    return {
        "TEXT": f"{column.name} {variant} سلام",
        "CURRENCY": ("EUR", "IRR")[variant % 2],
        "BIGINT": 2**53 + 1 + variant,
        "BOOLEAN": variant % 2 == 0,
        "DATE": date(2024, 2, 29 - variant),
        "TIMESTAMP": datetime(2024, 3, 31, 1, 59, 59, 999998 + variant, tzinfo=UTC),
        "MONEY": Decimal("99999999999999.9999") - variant,
        "DECIMAL(9,4)": Decimal("0.1000") + variant,
        "DECIMAL(9,6)": Decimal("0.100001") + variant,
    }[column.type]
