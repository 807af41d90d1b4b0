"""How is a rule asked of the warehouse?  As a condition whose values are parameters and nothing else.

Names in the condition come from the registry of measures, quoted; operators from the list below. No
character of what a user wrote reaches the SQL text.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from crm_analytics.segmentation.measures import Measure
from crm_analytics.segmentation.rule_language import (
    Between,
    Both,
    Comparison,
    Either,
    Missing,
    Named,
    Not,
    OneOf,
    Rule,
    Value,
)
from crm_analytics.warehouse import quote_ident

_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def condition(rule: Rule) -> tuple[str, dict[str, Any]]:
    """Return the condition over the columns of a measure table, and its parameters.

    Examples
    --------
    >>> from crm_analytics.segmentation import measures, parse_rule
    >>> condition(parse_rule("country in ('DE', 'AT') and not has_opted_out", measures()))
    ('(("country" in ($value_0, $value_1)) and (not ("has_opted_out")))', {'value_0': 'DE', 'value_1': 'AT'})
    """
    parameters: dict[str, Any] = {}
    return _sql(rule, parameters), parameters


def _sql(rule: Rule, parameters: dict[str, Any]) -> str:
    match rule:
        case Named(measure):
            return f"({quote_ident(measure.name)})"
        case Comparison(measure, operator, other):
            right = quote_ident(other.name) if isinstance(other, Measure) else _parameter(other, parameters)
            return f"({quote_ident(measure.name)} {_OPERATORS[operator]} {right})"
        case OneOf(measure, values):
            places = ", ".join(_parameter(value, parameters) for value in values)
            return f"({quote_ident(measure.name)} in ({places}))"
        case Between(measure, low, high):
            ends = f"{_parameter(low, parameters)} and {_parameter(high, parameters)}"
            return f"({quote_ident(measure.name)} between {ends})"
        case Missing(measure):
            return f"({quote_ident(measure.name)} is null)"
        case Not(part):
            return f"(not {_sql(part, parameters)})"
        case Both(parts):
            return f"({' and '.join(_sql(part, parameters) for part in parts)})"
        case Either(parts):
            return f"({' or '.join(_sql(part, parameters) for part in parts)})"


def _parameter(value: Value, parameters: dict[str, Any]) -> str:
    name = f"value_{len(parameters)}"
    parameters[name] = value
    if isinstance(value, Decimal):
        return f"cast(${name} as decimal(38, 10))"
    return f"cast(${name} as date)" if isinstance(value, date) else f"${name}"
