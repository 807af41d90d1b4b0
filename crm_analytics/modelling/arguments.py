"""Is an argument what it has to be?  The one place where predictions refuse what cannot be meant.

Every function takes the name of the argument and what was given, and returns it in the form that is worked
with; else it raises a UsageError that says which argument, what came, and what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NoReturn, TypeGuard, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm_analytics.errors import UsageError
from crm_analytics.warehouse import Warehouse

Kind = TypeVar("Kind")
CENTURY = 36_500


def refuse(name: str, value: object, allowed: str) -> NoReturn:
    """Raise: this argument came, that is allowed.

    Examples
    --------
    >>> refuse("level", 90, "a number between 0 and 1, for example 0.9")
    Traceback (most recent call last):
        ...
    crm_analytics.errors.UsageError: level=90 must be a number between 0 and 1, for example 0.9.
    """
    given = " ".join(repr(value).split())
    raise UsageError(f"{name}={given[:80]}{' ...' if len(given) > 80 else ''} must be {allowed}.")


def is_number(value: object) -> TypeGuard[float]:
    """Return whether an argument is one finite number.

    Examples
    --------
    >>> is_number(3), is_number(np.float64(0.5)), is_number("3"), is_number(True), is_number(float("nan"))
    (True, True, False, False, False)
    >>> is_number(np.timedelta64(365, "D"))  # a duration, though numpy counts it among the whole numbers
    False
    """
    if isinstance(value, bool | np.timedelta64) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        return False
    return math.isfinite(value)


def number(
    name: str,
    value: object,
    allowed: str,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return one finite number >= least, > above and < below; `allowed` says so in words.

    Examples
    --------
    >>> number("ridge", np.float64(2.0), "a number >= 0", least=0.0)
    2.0
    """
    if not is_number(value) or not (least <= float(value) < below and float(value) > above):
        refuse(name, value, allowed)
    return float(value)


def days(value: object, name: str = "horizon_days") -> float:
    """Return a length of time in days >= 0."""
    return number(name, value, "a number of days >= 0, for example 365", least=0.0)


def future_days(value: object, name: str = "horizon_days") -> float:
    """Return the length of a future window, in days > 0."""
    return number(name, value, "a number of days > 0, for example 365", above=0.0)


def discount(value: object, *, below: float = math.inf) -> float:
    """Return an annual discount rate."""
    allowed = "a number, a fraction per year" + (f" below {below:g}" if math.isfinite(below) else "")
    return number("annual_discount_rate", value, f"{allowed}: write 0.1 for 10 %", least=0.0, below=below)


def level(value: object, name: str = "level") -> float:
    """Return a probability that is neither 0 nor 1."""
    return number(name, value, "a number between 0 and 1, for example 0.9", above=0.0, below=1.0)


def whole(name: str, value: object, *, least: int = 0, what: str = "") -> int:
    """Return a whole number >= least.

    Examples
    --------
    >>> whole("groups", np.int64(3), least=1)
    3
    """
    if not is_number(value) or int(value) != value or value < least:
        refuse(name, value, f"a whole number{what} >= {least}")
    return int(value)


def day_count(name: str, value: object, *, what: str = "") -> int:
    """Return a length of time in whole days, 1 up to a century.

    Examples
    --------
    >>> day_count("horizon_days", 90)
    90
    """
    if not is_number(value) or int(value) != value or not 1 <= value <= CENTURY:
        refuse(name, value, f"a whole number of days from 1 to {CENTURY:,}{what}")
    return int(value)


def optional_days(name: str, value: object, *, what: str = "") -> int | None:
    """Return a length of time as `day_count` does, or None."""
    return None if value is None else day_count(name, value, what=what)


def known(value: object, name: str = "known_at") -> datetime | None:
    """Return a moment, or None."""
    if value is not None and (not isinstance(value, datetime) or value is pd.NaT):
        refuse(name, value, "a datetime, or None for all that is known")
    return value


def seed(value: object) -> int:
    """Return the seed of random numbers."""
    return whole("seed", value)


def warehouse(value: object) -> Warehouse:
    """Return an open warehouse."""
    return instance("wh", value, Warehouse, "a Warehouse (crm.Warehouse.open)")


def day(name: str, value: object) -> date:
    """Return a day; of a time its day."""
    if not isinstance(value, date) or value is pd.NaT:
        refuse(name, value, "a date, for example date(2024, 7, 1)")
    return value.date() if isinstance(value, datetime) else value


def instance(name: str, value: object, kind: type[Kind] | tuple[type[Kind], ...], allowed: str) -> Kind:
    """Return an object of this kind."""
    if not isinstance(value, kind):
        raise UsageError(f"{name} must be {allowed}, got {type(value).__name__} {repr(value)[:60]}.")
    return value


def flag(name: str, value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool | np.bool_):
        refuse(name, value, "True or False")
    return bool(value)


def one_of(name: str, value: object, known: Collection[str]) -> str:
    """Return a word of a closed list."""
    if not isinstance(value, str) or value not in known:
        refuse(name, value, f"one of {', '.join(known)}")
    return str(value)


def some_of(name: str, value: object, known: Collection[str]) -> list[str]:
    """Return at least one word of a closed list, each once."""
    allowed = f"a list of at least one of {', '.join(known)}, each once"
    given = column_names(name, value, allowed)
    if not given or any(word not in known for word in given):
        refuse(name, value, allowed)
    return list(given)


def column_names(
    name: str, value: object, allowed: str = "distinct column names in a list"
) -> tuple[str, ...]:
    """Return distinct names, given as a list, tuple, array or index of them.

    Examples
    --------
    >>> column_names("purchase_covariates", pd.Index(["web", "age"]))
    ('web', 'age')
    """
    if isinstance(value, tuple) and not value:
        return ()
    if isinstance(value, np.ndarray | pd.Index | pd.Series):
        value = value.tolist()
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        refuse(name, value, allowed)
    if len(set(value)) < len(value):
        refuse(name, value, allowed)
    return tuple(str(word) for word in value)


def numbers(name: str, value: object, allowed: str, *, least: float = -math.inf) -> NDArray[np.float64]:
    """Return a flat array of finite numbers >= least."""
    try:
        array = as_floats(value)
    except (TypeError, ValueError):
        refuse(name, value, allowed)
    if array.ndim != 1 or not (np.isfinite(array) & (array >= least)).all():
        refuse(name, value, allowed)
    return array


def as_floats(value: object) -> NDArray[np.float64]:
    """Return an array as floats; text, durations, moments and complex numbers are a TypeError."""
    array = np.asarray(value)
    if array.dtype.kind in "mMcUST":
        raise TypeError(f"no numbers: {array.dtype}")
    return np.asarray(array, dtype=np.float64)


def traits(covariates: Sequence[str], given: object) -> NDArray[np.float64]:
    """Return the covariates of one customer in the model's order; those not given are 0."""
    known = ", ".join(covariates) or "none"
    values = dict(instance("covariates", given or {}, Mapping, "a mapping of column names to numbers"))
    unknown = sorted(map(str, set(values) - set(covariates)))
    if unknown:
        raise UsageError(f"The model has no covariate {unknown[0]!r}. Its covariates: {known}.")
    return np.array(
        [number(f"covariates[{name!r}]", values.get(name, 0.0), "a number") for name in covariates]
    )


def refuse_no_table(summary: object, name: str = "summary") -> None:
    """Raise if what was given as a summary is no table."""
    if not isinstance(summary, pd.DataFrame):
        raise UsageError(
            f"{name}: a table (pandas DataFrame) with one row per customer is needed, got "
            f"{type(summary).__name__}. Make it with crm.clv.summary(wh, as_of=...); of contracts, with "
            "crm.clv.contract_lives(wh, as_of=...)."
        )


def result_table(
    name: str, value: object, *, made_by: str, numbers: Sequence[str], others: Sequence[str] = ()
) -> pd.DataFrame:
    """Return a table that has the columns it needs, and numbers where those belong.

    Parameters
    ----------
    name, value
        The argument.
    made_by : str
        The call that returns such a table.
    numbers, others : sequence of str
        Columns that must be there, with numbers (NaN = unknown), and with anything.

    Examples
    --------
    >>> result_table("found", pd.DataFrame({"a": [1]}), made_by="f(wh)", numbers=("rate",))
    Traceback (most recent call last):
        ...
    crm_analytics.errors.UsageError: found has no column 'rate': give it what f(wh) returns. Its columns: a.
    """
    if not isinstance(value, pd.DataFrame):
        raise UsageError(
            f"{name} must be a table (pandas DataFrame), got {type(value).__name__}: give it what {made_by} "
            "returns."
        )
    absent = [column for column in (*numbers, *others) if column not in value.columns]
    if absent:
        there = ", ".join(map(str, value.columns[:12])) or "none"
        raise UsageError(
            f"{name} has no column {', '.join(map(repr, absent))}: give it what {made_by} returns. Its "
            f"columns: {there}{' ...' if len(value.columns) > 12 else ''}."
        )
    if not value.columns.is_unique:
        twice = value.columns[value.columns.duplicated()][0]
        raise UsageError(f"{name} has the column {twice!r} more than once. Drop or rename all but one.")
    for column in numbers:
        try:
            value[column].astype("float64")
        except (TypeError, ValueError):
            raise UsageError(
                f"{name}: the column {column!r} holds something else than numbers, for example "
                f"{value[column].iloc[0]!r}. Give it what {made_by} returns."
            ) from None
    return value


def plain(value: Any) -> Any:
    """Return a setting as JSON knows it: numpy's numbers as Python's, arrays and indexes as lists.

    Examples
    --------
    >>> plain({"k": np.int64(3), "columns": pd.Index(["web"]), "ridge": np.float32(0.5)})
    {'k': 3, 'columns': ['web'], 'ridge': 0.5}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, np.ndarray | pd.Index | pd.Series):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
