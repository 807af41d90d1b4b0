"""How is a rule asked of the warehouse?  As a condition whose values are parameters and nothing else.

Names in the condition come from the registry of measures, quoted; operators from the list below. No
character of what a user wrote reaches the SQL text. Words are folded on both sides: those of the rule
here, those of the table by `folded`, once per different word.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crm_analytics.normalise.letters import fold_letters
from crm_analytics.segmentation.measures import TEXTS, Measure
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

if TYPE_CHECKING:
    import pyarrow as pa

_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def condition(rule: Rule) -> tuple[str, dict[str, Any]]:
    """Return the condition over the columns of a `folded` measure table, and its parameters.

    Examples
    --------
    >>> from crm_analytics.segmentation import measures, parse_rule
    >>> condition(parse_rule("country in ('DE', 'AT') and not has_opted_out", measures()))
    ('(("country" in ($value_0, $value_1)) and (not ("has_opted_out")))', {'value_0': 'de', 'value_1': 'at'})
    """
    parameters: dict[str, Any] = {}
    return _sql(rule, parameters), parameters


def folded(table: pa.Table) -> pa.Table:
    """Return a measure table whose words are folded as those of a condition are.

    Examples
    --------
    >>> import pyarrow as pa
    >>> folded(pa.table({"lead_id": ["crm:A"], "country": ["ايران"], "city": ["Graz"]})).to_pylist()
    [{'lead_id': 'crm:A', 'country': 'ایران', 'city': 'graz'}]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, name in enumerate(table.column_names):
        if name in TEXTS:
            words = table[name].combine_chunks().dictionary_encode()
            kinds = pa.array([fold_letters(word) for word in words.dictionary.to_pylist()], pa.string())
            table = table.set_column(place, name, pc.take(kinds, words.indices))
    return table


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
    parameters[name] = fold_letters(value) if isinstance(value, str) else value
    if isinstance(value, Decimal):
        return f"cast(${name} as decimal(38, 10))"
    return f"cast(${name} as date)" if isinstance(value, date) else f"${name}"
