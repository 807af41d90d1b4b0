"""What does this company want of its night?  crm.toml, read into frozen `Settings`.

Every setting is declared once, below: its default, its meaning and what is allowed. `init_toml`
writes them as a commented crm.toml; a key that is not declared is an error that names the nearest
one. Only `nightly` and the command line read settings; all else takes plain arguments.

Units: rates are fractions per year (``annual_discount_rate``) or of an amount (``margin_rate``),
horizons are days. Relative paths are relative to the folder of crm.toml.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from crm_analytics.errors import SettingsError

FILE_NAME = "crm.toml"


def _setting(
    default: Any,
    doc: str,
    *,
    example: Any = None,
    otherwise: str = "",
    check: Callable[[Any], bool] | None = None,
    allowed: str = "",
) -> Any:
    """Declare a setting; one without a value of its own says what holds `otherwise`, and an example."""
    told = {"doc": doc, "example": example, "otherwise": otherwise, "check": check, "allowed": allowed}
    return field(default=default, metadata=told)


def _between(low: float, high: float) -> dict[str, Any]:
    return {"check": lambda value: low <= value <= high, "allowed": f"{low:g} to {high:g}"}


@dataclass(frozen=True)
class WarehouseSettings:
    """Where the data are kept, and by what they are cut and summed."""

    path: Path = _setting(  # noqa: RUF009 (a Path does not change)
        Path("crm.duckdb"), "the warehouse: one DuckDB file, created on first use"
    )
    timezone: str | None = _setting(
        None,
        "days begin at midnight there (an IANA name). Choose before the first load: it cannot change "
        "once data are in",
        otherwise="UTC",
        example="Europe/Berlin",
    )
    reporting_currency: str | None = _setting(
        None,
        "currency in which amounts are added (ISO 4217). Choose before the first load",
        otherwise="none, amounts of several currencies are not added",
        example="EUR",
    )
    week_start: str | None = _setting(None, "first day of the week", otherwise="monday", example="sunday")
    encrypt: bool = _setting(
        False,
        "encrypt the file and its backups, by the key in the environment variable CRM_ANALYTICS_KEY. Choose "
        "before the first load; needs DuckDB's extension httpfs",
    )
    memory_limit: str | None = _setting(
        None,
        "memory DuckDB may use",
        otherwise="80% of the machine's",
        example="4GB",
        check=lambda value: (
            re.fullmatch(r"\d+(\.\d+)?\s*([kmgt](i?b)?|%)", value.strip().lower()) is not None
        ),
        allowed="a number with a unit, as 500MB, 4GB or 50%",
    )


@dataclass(frozen=True)
class PathSettings:
    """Where files come from and go to."""

    inbox: Path = _setting(Path("inbox"), "folder whose export files are loaded each night")  # noqa: RUF009
    published: Path = _setting(Path("published"), "folder that other applications read scores from")  # noqa: RUF009
    models: Path = _setting(Path("models"), "folder of the trained models")  # noqa: RUF009
    segments: Path | None = _setting(  # noqa: RUF009
        None,
        "file of your own rule segments",
        otherwise="those that come with the library",
        example="segments.toml",
    )
    records: Path | str | None = _setting(  # noqa: RUF009
        None,
        "record store that people and apps write to (a SQLite file, or a postgresql:// URL)",
        otherwise="none",
        example="crm.records.db",
        check=lambda value: re.search(r"://[^/@]*:[^/@]*@", value) is None,
        allowed="a URL without the password; PostgreSQL reads it from ~/.pgpass or PGPASSWORD",
    )


@dataclass(frozen=True)
class IngestSettings:
    """How the inbox is read."""

    profile: str | None = _setting(
        None, "import profile of every file", otherwise="detected per file", example="transactions"
    )
    source_system: str | None = _setting(
        None, "name the ids are scoped by", otherwise="the profile's", example="shop"
    )
    encoding: str | None = _setting(
        None, "encoding of every file", otherwise="the profile's, else UTF-8", example="cp1252"
    )
    delimiter: str | None = _setting(
        None, "what separates the fields of every file", otherwise="the profile's, else detected", example=";"
    )
    decimal: Literal[".", ","] | None = _setting(
        None, "decimal mark of every file", otherwise="the profile's, else a point", example=","
    )
    date_format: str | None = _setting(
        None, "how every file writes dates", otherwise="the profile's, else ISO 8601", example="%d.%m.%Y"
    )
    skip_rows: int | None = _setting(
        None,
        "lines above the header of every file",
        otherwise="the profile's, else 0",
        example=2,
        **_between(0, 1000),
    )
    timezone: str | None = _setting(
        None,
        "time zone in which every file writes times (an IANA name)",
        otherwise="the profile's, else the warehouse's",
        example="Europe/London",
    )
    isolate: bool = _setting(
        False, "load each file in a process of its own, so that none can crash the night (a second a file)"
    )


@dataclass(frozen=True)
class IdentitySettings:
    """Which source records are one customer."""

    link: bool = _setting(True, "find out each night which records are one customer (merges by hand stay)")


@dataclass(frozen=True)
class ValueSettings:
    """Customer lifetime value."""

    horizon_days: int = _setting(365, "how far ahead value is counted, in days", **_between(1, 3660))
    annual_discount_rate: float = _setting(0.1, "discount rate per year", **_between(0, 10))
    margin_rate: float | None = _setting(
        None,
        "margin as a fraction of the net amount where costs are unknown",
        otherwise="none, lifetime value is then missing for them",
        example=0.4,
        **_between(0, 1),
    )
    ticket_cost: float = _setting(
        0.0, "what answering one ticket costs, counted against margins", **_between(0, 1e12)
    )
    model: str | None = _setting(
        None,
        "purchase model",
        otherwise="the winner of a comparison, kept until `crm-analytics train value`",
        example="bg_nbd",
    )


@dataclass(frozen=True)
class SegmentSettings:
    """Segments: RFM scores, lifecycle, and what rules of your own may ask."""

    window_days: int | None = _setting(
        None,
        "RFM looks back so many days",
        otherwise="the whole history",
        example=730,
        **_between(1, 36_500),
    )
    money: Literal["net_spend", "net_margin"] = _setting("net_spend", "what the m_score measures")
    at_risk_days: int | None = _setting(
        None,
        "silent for so many days, a customer is at risk",
        otherwise="twice the customer's usual gap",
        example=60,
        **_between(1, 3660),
    )
    lapsed_days: int | None = _setting(
        None,
        "silent for so many days, a customer has lapsed",
        otherwise="four times the customer's usual gap",
        example=180,
        **_between(1, 3660),
    )
    high_margin_rate: float | None = _setting(
        None,
        "a product is high-margin from this margin per unit of its price on",
        otherwise="the best third of the products",
        example=0.5,
        **_between(0, 1),
    )


@dataclass(frozen=True)
class ChurnSettings:
    """Churn risk, of customers who may fall silent and of customers whose contracts may end."""

    kind: Literal["purchase", "contract"] | None = _setting(
        None,
        "what leaving is: to fall silent (purchase), or to be without a running contract (contract)",
        otherwise="each of both for which there are data",
        example="purchase",
    )
    horizon_days: int = _setting(
        90,
        "who places no order in so many days, or has no running contract after them, has left",
        **_between(1, 3660),
    )
    active_days: int | None = _setting(
        None,
        "only customers who ordered in so many days before are at risk of falling silent",
        otherwise="worked out from the pauses between purchases, at least the horizon",
        example=365,
        **_between(1, 3660),
    )
    leaving: Literal["any", "voluntary", "involuntary"] = _setting(
        "any",
        "contracts: which ends count, all, those the customer wanted (or let run out), or those made by us",
    )


@dataclass(frozen=True)
class OfferSettings:
    """Next best offers."""

    horizon_days: int = _setting(90, "window in which an offer may be taken up", **_between(1, 3660))
    k: int = _setting(5, "offers per customer", **_between(1, 100))
    new_only: bool = _setting(False, "offer only what the customer has never bought")
    rank_by: Literal["expected_value", "probability"] = _setting(
        "expected_value", "what the first offer is best in"
    )


@dataclass(frozen=True)
class ActionSettings:
    """Whom to call, so that fewer leave."""

    capacity: int = _setting(20, "calls a night may ask for", **_between(0, 1_000_000))
    cool_down_days: int = _setting(
        30, "a customer who was on a list is left alone for so many days", **_between(0, 3660)
    )
    save_rate: float | None = _setting(
        None,
        "share of leavers whom a call keeps",
        otherwise="0.1, moved by what the calls made have shown",
        example=0.15,
        **_between(0, 1),
    )
    contact_cost: float = _setting(5.0, "what one call costs", **_between(0, 1e12))
    min_rise: float = _setting(
        0.15, "an alert when a churn probability rose by so much more than the median's", **_between(0, 1)
    )


@dataclass(frozen=True)
class ModelSettings:
    """The trained models (churn, offers)."""

    max_age_days: int = _setting(
        90, "the night warns when a model was trained longer ago than this", **_between(1, 3660)
    )


@dataclass(frozen=True)
class AuditSettings:
    """When is a night's result not published?"""

    max_customer_drop_rate: float = _setting(
        0.3, "blocked when more than this share of the last published customers is gone", **_between(0, 1)
    )
    max_change_factor: float = _setting(
        3.0, "blocked when the mean of a score moved by more than this factor", **_between(1, 1000)
    )
    max_shift: float = _setting(
        0.25,
        "blocked when the distribution of a score moved within a week by more than this (population "
        "stability index), by more than chance and by more than is usual",
        **_between(0.1, 100),
    )


@dataclass(frozen=True)
class ReportSettings:
    """The page of each night."""

    smallest_group: int = _setting(
        5, "groups of fewer people are not counted on the page; 1 shows all", **_between(1, 1000)
    )


@dataclass(frozen=True)
class PublishSettings:
    """What other applications see."""

    keep_runs: int = _setting(3, "published runs that are kept, the live one included", **_between(2, 1000))


@dataclass(frozen=True)
class Settings:
    """All settings of a company; see the sections for the single ones.

    Examples
    --------
    >>> settings = Settings.default("work")
    >>> settings.churn.horizon_days, settings.warehouse.path.name
    (90, 'crm.duckdb')
    """

    warehouse: WarehouseSettings = field(default_factory=WarehouseSettings)
    paths: PathSettings = field(default_factory=PathSettings)
    ingest: IngestSettings = field(default_factory=IngestSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    value: ValueSettings = field(default_factory=ValueSettings)
    segments: SegmentSettings = field(default_factory=SegmentSettings)
    churn: ChurnSettings = field(default_factory=ChurnSettings)
    offers: OfferSettings = field(default_factory=OfferSettings)
    actions: ActionSettings = field(default_factory=ActionSettings)
    models: ModelSettings = field(default_factory=ModelSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    publish: PublishSettings = field(default_factory=PublishSettings)
    report: ReportSettings = field(default_factory=ReportSettings)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Settings:
        """Read a crm.toml.

        Parameters
        ----------
        path : path
            The file, or the folder that holds a ``crm.toml``.

        Raises
        ------
        SettingsError
            No such file, not TOML, an unknown section or key (the nearest is named), a value of
            another type, or one out of range. All problems of a file are told at once.
        """
        file = Path(path)
        if file.is_dir():
            file = file / FILE_NAME
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError(f"{file}: no such file. `crm-analytics init` writes one.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file.name}: not a TOML file: {error}.") from error
        return cls.from_mapping(given, folder=file.parent, source=file.name)

    @classmethod
    def default(cls, folder: str | os.PathLike[str] = ".") -> Settings:
        """Return the defaults, with paths inside `folder` (default: the current one)."""
        return cls.from_mapping({}, folder=folder)

    @classmethod
    def from_mapping(
        cls, given: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".", source: str = "settings"
    ) -> Settings:
        """Check sections that are given as nested dicts, as TOML gives them.

        Parameters
        ----------
        given : mapping
            Section -> key -> value.
        folder : path, default "."
            What relative paths are relative to.
        source : str
            What error messages call the origin.
        """
        problems: list[str] = []
        sections = get_type_hints(cls)
        for name in given:
            if name not in sections:
                problems.append(f"unknown section [{name}]{_nearest(name, sections)}")
            elif not isinstance(given[name], dict):
                problems.append(f"{name!r} must be a section: write [{name}] and its keys below it")
        if not problems:
            built = {
                name: _section(kind, name, given.get(name, {}), Path(folder), problems)
                for name, kind in sections.items()
            }
        if problems:
            raise SettingsError(f"{source}: {'; '.join(problems)}.")
        return cls(**built)

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return section -> key -> value without paths: what a run's record keeps."""
        return {
            section.name: {
                key.name: getattr(getattr(self, section.name), key.name)
                for key in fields(getattr(self, section.name))
            }
            for section in fields(self)
            if section.name not in ("warehouse", "paths")
        }


def init_toml() -> str:
    """Return a crm.toml with every setting, its meaning and its default, commented out.

    A setting whose default is no value of its own (or is worked out) shows an example, and says so.

    Examples
    --------
    >>> Settings.from_mapping(tomllib.loads(init_toml())) == Settings.default()
    True
    """
    lines = ["# Settings of crm_analytics. To change one, take away the '#' before its name.", ""]
    for name, kind in get_type_hints(Settings).items():
        lines += [f"# {(kind.__doc__ or '').strip()}", f"[{name}]"]
        for key in fields(kind):
            told = key.metadata
            allowed = f" ({told['allowed']})" if told["allowed"] else ""
            is_example = told["example"] is not None
            shown = told["example"] if is_example else key.default
            default = f"{told['otherwise']}; below is an example" if is_example else _toml(shown)
            lines += [f"# {told['doc']}{allowed}; default: {default}", f"#{key.name} = {_toml(shown)}"]
        lines.append("")
    return "\n".join(lines)


def _section(kind: Any, section: str, given: Mapping[str, Any], folder: Path, problems: list[str]) -> Any:
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    problems += [
        f"unknown key {name!r} in [{section}]{_nearest(name, hints)}" for name in given if name not in hints
    ]
    for key in fields(kind):
        value = given.get(key.name, key.default)
        problem = _problem(key, hints[key.name], value) if key.name in given else None
        if problem:
            problems.append(f"[{section}] {key.name} = {value!r} {problem}")
        elif Path in (hints[key.name], *get_args(hints[key.name])) and value is not None:
            value = value if "://" in str(value) else folder / value
        elif float in (hints[key.name], *get_args(hints[key.name])) and value is not None:
            value = float(value)
        values[key.name] = value
    return kind(**values) if not problems else None


def _problem(key: Field[Any], hint: Any, value: Any) -> str | None:
    """Say what is wrong with a value, or None."""
    literal = next((part for part in (hint, *get_args(hint)) if get_origin(part) is Literal), None)
    if literal is not None:
        choices = get_args(literal)
        return None if value in choices else f"must be one of {', '.join(map(repr, choices))}"
    accepted = next(part for part in (get_args(hint) or (hint,)) if part is not type(None))
    types = {Path: (str,), float: (int, float), int: (int,), bool: (bool,), str: (str,)}[accepted]
    if not isinstance(value, types) or (accepted is not bool and isinstance(value, bool)):
        words = {Path: "text (a path)", float: "a number", int: "a whole number", bool: "true or false"}
        return f"must be {words.get(accepted, 'text')}"
    if isinstance(value, str) and not value.strip(" "):  # a tab is a delimiter
        return "is empty: write a value, or leave the key out"
    check = key.metadata["check"]
    if check is not None and not check(value):
        wrong = "is not allowed" if isinstance(value, str) else "is out of range"
        return f"{wrong}: use {key.metadata['allowed']}"
    return None


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str | Path) else f"{value:g}"
