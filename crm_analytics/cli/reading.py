"""By which options is a file read?  Those that load, profile check and profile new share."""

from __future__ import annotations

from typing import Annotated

import typer

Encoding = Annotated[str | None, typer.Option(help="encoding, for example cp1252")]
Delimiter = Annotated[str | None, typer.Option(help="what separates the fields; \\t is a tab")]
DecimalMark = Annotated[str | None, typer.Option("--decimal", help="decimal mark: . or ,")]
DateFormat = Annotated[str | None, typer.Option(help="how dates are written, as %d/%m/%Y")]
SkipRows = Annotated[int | None, typer.Option(min=0, help="lines above the header")]
TimeZone = Annotated[str | None, typer.Option("--timezone", help="time zone of the times in the file")]
DefaultCountry = Annotated[str | None, typer.Option(help="country of addresses and numbers that name none")]
DefaultCurrency = Annotated[str | None, typer.Option(help="currency of amounts that name none, as EUR")]
Thousands = Annotated[str | None, typer.Option(help="mark between groups of three digits")]
Brackets = Annotated[str | None, typer.Option(help="what (4) means: negative, as in accounting")]
Calendar = Annotated[
    str | None, typer.Option(help="calendar of the dates: gregorian or jalali; default: told per column")
]
MoneyUnit = Annotated[str | None, typer.Option(help="unit of Iranian amounts: rial or toman")]
Guest = Annotated[str | None, typer.Option(help="records without customer id: quarantine or keep")]
BareEnds = Annotated[
    str | None, typer.Option(help="first and last rows that look like notes, not records: quarantine or keep")
]
Duplicates = Annotated[str | None, typer.Option(help="equal lines of a file: merge or keep")]
ReceivedAt = Annotated[
    str | None, typer.Option(help="when it was received, ISO 8601; default: now", metavar="TIME")
]
ShowValues = Annotated[bool, typer.Option("--show-values", help="messages may show personal values")]


def read_delimiter(given: str | None) -> str | None:
    r"""Return a delimiter as it was meant: a shell gives ``\t`` as two characters."""
    return "\t" if given == r"\t" else given
