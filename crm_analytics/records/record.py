"""What does the record store take in and hand out?  A dict or dataclass in, a frozen dict-like record out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from crm_analytics.schema import Entity

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Columns: TypeAlias = Mapping[str, Any] | DataclassInstance


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Record(Mapping[str, Any]):
    """One version of one record: its declared columns, then version, recorded_at, changed_by, is_deleted.

    Reads like a dict (``record["email"]``, ``dict(record)``, ``pd.DataFrame(list_of_records)``), equals a
    dict with the same items, and cannot be changed. Its repr shows only values that tell nothing of
    a person; ``dict(record)`` shows all.
    """

    _entity: Entity
    _values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def id(self) -> str | tuple[Any, ...]:
        """What `get`, `update` and `history` take: source_id, or the key's values where there is none."""
        key = tuple(self._values[name] for name in self._entity.key)
        return key if len(key) > 1 else key[0]

    @property
    def version(self) -> int:
        """Number of this version; the first is 1."""
        return int(self._values["version"])

    @property
    def recorded_at(self) -> datetime:
        """When this version was written, in UTC."""
        at: datetime = self._values["recorded_at"]
        return at

    @property
    def is_deleted(self) -> bool:
        """This version says that the record is gone (only `history` returns such versions)."""
        return bool(self._values["is_deleted"])

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{column.name}={self._values[column.name]!r}"
            if column.privacy == "none"
            else f"{column.name}=..."
            for column in self._entity.columns
            if self._values[column.name] is not None
        )
        return f"<{self._entity.name} version {self.version}: {shown}>"


def columns_of(given: object) -> dict[str, Any] | None:
    """Return the columns of a dict or of a dataclass, all of its fields; None for anything else.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Product:
    ...     source_id: str
    ...     name: str | None = None
    >>> columns_of(Product("P1"))
    {'source_id': 'P1', 'name': None}
    """
    if isinstance(given, Mapping):
        return dict(given)
    if is_dataclass(given) and not isinstance(given, type):
        return {field.name: getattr(given, field.name) for field in fields(given)}
    return None
