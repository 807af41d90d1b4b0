"""Where in a file does each column of each entity stand, and how does a record's text for it come about?

A plan is made from the header alone: the columns found, the targets that the file can tell of, and for
each of their columns a `Field` with the SQL of its text (cells cleaned, joined, chosen, translated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.cell_facts import NOTHING, Facts
from crm_analytics.ingest.cleaning import cleaned
from crm_analytics.ingest.conversions import Bindings, Field
from crm_analytics.ingest.headers import HeaderIndex, find_columns
from crm_analytics.ingest.options import option
from crm_analytics.ingest.profile import (
    RECEIVED,
    Calendar,
    Case,
    Choice,
    ColumnRule,
    Dialect,
    MoneyUnit,
    Profile,
    Target,
    Test,
)
from crm_analytics.ingest.profile_file import declared_column
from crm_analytics.ingest.recognise import columns_missing, currency_hint, shown_columns, without_header
from crm_analytics.normalise.booleans import NO, YES
from crm_analytics.normalise.letters import fold_letters, lowered
from crm_analytics.schema import Entity, entity
from crm_analytics.warehouse import quote_ident

_BLANKS = "' ' || chr(9) || chr(160)"


@dataclass(frozen=True)
class TargetPlan:
    """One target as the file tells it.

    Attributes
    ----------
    target, entity : Target, Entity
        What is declared.
    fields : mapping of str to Field
        Columns that the file tells.
    told : str
        Name in SQL of the column that says whether a record tells of the target.
    """

    target: Target
    entity: Entity
    fields: Mapping[str, Field]
    told: str

    @property
    def may_be_untold(self) -> bool:
        """Are there sound records that do not tell of the target?  A currency is worth 1 of itself."""
        return bool(self.target.when) or self.entity.name == "exchange_rates"

    @property
    def required(self) -> list[str]:
        """Columns without which a record is broken."""
        return [name for name, one in self.fields.items() if one.rule.required and one.rule.sources]


@dataclass(frozen=True)
class MappingPlan:
    """What is converted, and how.

    Attributes
    ----------
    file, header, profile, zone, received_at, show_values
        As given to `plan_mapping`; `zone` is that of the file's local times, `home_zone` the warehouse's.
    places : mapping of str to int
        Column of the profile -> where it stands in the file.
    targets : tuple of TargetPlan
        The main target first.
    absent : tuple of (str, tuple of str)
        Targets of the profile that the file cannot tell of, and the columns that it lacks for them.
    bindings : Bindings
        Values of the SQL.
    calendars : mapping of str to str
        Key of a field -> calendar, where it is decided already.
    """

    file: str
    header: tuple[str, ...]
    profile: Profile
    home_zone: str
    received_at: datetime
    show_values: bool
    places: Mapping[str, int]
    targets: tuple[TargetPlan, ...]
    absent: tuple[tuple[str, tuple[str, ...]], ...]
    bindings: Bindings
    calendars: Mapping[str, Calendar] = field(default_factory=dict)

    @property
    def zone(self) -> str:
        """Zone of the file's local times."""
        return self.profile.dialect.timezone or self.home_zone

    @property
    def fields(self) -> list[Field]:
        """The fields of all targets."""
        return [one for planned in self.targets for one in planned.fields.values()]

    @property
    def required_places(self) -> tuple[tuple[int, ...], ...]:
        """For each field that a record of the main target must tell: the columns that may tell it."""
        main = self.targets[0]
        sources = (main.fields[name].rule.sources for name in main.required)
        return tuple(tuple(self.places[one] for one in told if one in self.places) for told in sources)

    def with_calendars(self, calendars: Mapping[str, Calendar]) -> MappingPlan:
        """Return the plan with the calendars of some fields decided."""
        targets = tuple(
            replace(
                planned,
                fields={
                    name: replace(one, calendar=calendars.get(one.key, one.calendar))
                    for name, one in planned.fields.items()
                },
            )
            for planned in self.targets
        )
        return replace(self, targets=targets, calendars={**self.calendars, **calendars})


def plan_mapping(
    header: Sequence[str],
    profile: Profile,
    *,
    file: str,
    zone: str,
    received_at: datetime,
    show_values: bool = False,
) -> MappingPlan:
    """Find the columns of a profile in a header, and say how each becomes a value.

    Parameters
    ----------
    header : sequence of str
        Column names as the file has them.
    profile : Profile
        With the caller's options in place.
    file : str
        Name of the part, for messages.
    zone : str
        IANA zone of the warehouse: where local times are, unless the profile says otherwise.
    received_at : datetime
        Dates after its day are future dates.
    show_values : bool, default False
        May messages hold values of personal columns?

    Raises
    ------
    FileRefused
        ``missing_column``, ``duplicate_column`` or ``undeclared_unit``.
    """
    places = _places(header, profile, file, show_values=show_values)
    bindings = Bindings()
    planned, absent = [], []
    for number, target in enumerate(profile.targets):
        if not all(test.is_known(places.__contains__) for test in target.when):
            continue
        rules, lacking = _rules(target, profile, places, received_at)
        if lacking:
            absent.append((target.name, lacking))
            continue
        rules = {
            name: _with_unit(rule, name, header, places, profile.dialect, file)
            for name, rule in rules.items()
        }
        declared = entity(target.entity)
        fields = _fields(number, declared, rules, profile.dialect, bindings)
        planned.append(TargetPlan(target, declared, fields, quote_ident(f"{number} told")))
    return MappingPlan(
        file=file,
        header=tuple(header),
        profile=profile,
        home_zone=zone,
        received_at=received_at,
        show_values=show_values,
        places=places,
        targets=tuple(planned),
        absent=tuple(absent),
        bindings=bindings,
    )


def _places(header: Sequence[str], profile: Profile, file: str, *, show_values: bool) -> Mapping[str, int]:
    """Return where each column of the profile stands in the file."""
    found = find_columns(HeaderIndex(header), profile.sources, profile.headers)
    for source, count in found.repeated.items():
        raise FileRefused(
            f"{file}: column {source!r} occurs {count} times. Remove or rename one.",
            file=file,
            reason="duplicate_column",
            column=source,
        )
    missing = profile.missing(found.places.__contains__)
    if missing:
        names = shown_columns(header, show_values=show_values)
        hint = f" Only 1 column: say {option('delimiter')}." if len(header) == 1 else ""
        if not found.places:
            hint += f" Does the header stand on a later line? Say {option('skip_rows')}."
        hint += without_header(header, show_values=show_values) + currency_hint(profile, missing)
        raise FileRefused(
            f"{file}: {columns_missing(missing, profile)}. Found: {names}.{hint}",
            file=file,
            reason="missing_column",
            column=missing[0],
        )
    return found.places


def _rules(
    target: Target, profile: Profile, places: Mapping[str, int], received_at: datetime
) -> tuple[dict[str, ColumnRule], tuple[str, ...]]:
    """Return the rules that the file can fill, and what it lacks of what the target requires."""
    rules: dict[str, ColumnRule] = {}
    lacking: dict[str, None] = {}
    if profile.dialect.default_currency is not None and "currency" in entity(target.entity).column_names:
        rules["currency"] = ColumnRule(constant=profile.dialect.default_currency)
    for name, rule in target.columns.items():
        within = rule.within(places.__contains__)
        if within is not None:
            stated = received_at.isoformat() if within.constant == RECEIVED else within.constant
            rules[name] = replace(within, constant=stated)
        elif rule.required and name not in rules:
            wanted = rule.choices[0] if rule.choices else rule.sources
            lacking |= dict.fromkeys(one for one in (*wanted, *rule.added) if one not in places)
    return rules, tuple(dict.fromkeys(profile.shown(one) for one in lacking))


def _with_unit(
    rule: ColumnRule,
    name: str,
    header: Sequence[str],
    places: Mapping[str, int],
    dialect: Dialect,
    file: str,
) -> ColumnRule:
    """Return the rule with the unit of money that the header or the caller says."""
    if rule.unit != "header":
        return rule
    sources = [source for source in rule.sources if source in places]
    told = {unit_of_header(header[places[source]]) for source in sources}
    unit = next(iter(told)) if len(told) == 1 else None
    unit = unit or dialect.money_unit
    if unit is None:
        shown = ", ".join(repr(header[places[source]]) for source in sources)
        raise FileRefused(
            f"{file}: column {shown}: is it in rial or in toman (10 rial)? The header does not say. "
            f"Say {option('money_unit', 'rial', 'toman')}.",
            file=file,
            reason="undeclared_unit",
            column=sources[0] if sources else name,
        )
    return replace(rule, unit=unit)


def unit_of_header(name: str) -> MoneyUnit | None:
    """Return the unit of Iranian money that a header names, if it does.

    Examples
    --------
    >>> unit_of_header("مبلغ کل (تومان)"), unit_of_header("Amount [IRR]"), unit_of_header("مبلغ")
    ('toman', 'rial', None)
    """
    folded = fold_letters(name)
    units: list[tuple[MoneyUnit, tuple[str, ...]]] = [
        ("toman", ("تومان", "تومن", "toman", "irt")),
        ("rial", ("ریال", "rial", "irr", "﷼")),
    ]
    found = [unit for unit, words in units if any(word in folded for word in words)]
    return found[0] if len(found) == 1 else None


def _fields(
    number: int, declared: Entity, rules: Mapping[str, ColumnRule], dialect: Dialect, bindings: Bindings
) -> dict[str, Field]:
    fields = {}
    for name, rule in rules.items():
        fields[name] = Field(
            key=f"{number} {name}",
            column=declared_column(declared, name),
            rule=rule,
            dialect=dialect,
            bindings=bindings,
            calendar=rule.calendar or dialect.calendar or "gregorian",
            is_id=_is_id(declared, name),
        )
    if declared.name == "exchange_rates":
        priced = _currency(fields["currency"])
        fields["to_currency"] = replace(fields["to_currency"], priced=priced)
    for name, one in fields.items():
        if not one.rule.minor_units:
            continue
        if "currency" not in fields:
            raise ProfileError(f"{name} is in the smallest unit of a currency, but no currency is told.")
        fields[name] = replace(one, currency=_currency(fields["currency"]))
    return fields


def _currency(one: Field) -> str:
    if one.rule.constant is not None:
        return one.bindings.add(one.rule.constant)
    return one.part("code")


def _is_id(declared: Entity, name: str) -> bool:
    if name not in declared.column_names:
        return False
    column = declared.column(name)
    if column.type != "TEXT" or column.words is not None:
        return False
    return column.refers is not None or name.endswith("source_id") or name in declared.key


def has_tests(rule: ColumnRule) -> bool:
    """Do cases of the rule ask whether a cell is true, so that it may be neither true nor false?"""
    return any(test.kind in ("if_true", "if_false") for case in rule.cases for test in case.tests)


class Cells:
    """SQL of texts over the cells of a file (c0, c1 ...)."""

    def __init__(self, plan: MappingPlan, facts: Mapping[int, Facts] | None = None) -> None:
        self._facts = facts or {}
        self._places = plan.places
        self._bindings = plan.bindings
        self._blanks = [self._bindings.add(lowered(one)) for one in plan.profile.dialect.blanks]

    def cell(self, source: str) -> str:
        """Return SQL of a cell without outer blanks; most have none, and trimming is slow."""
        if source not in self._places:
            return "cast(null as varchar)"
        name = f"c{self._places[source]}"
        known = self._facts.get(self._places[source], NOTHING)
        if not known.has_outer_blanks and not self._blanks:
            return f"nullif({name}, '')" if known.has_blank else name
        has_none = " and ".join(
            [f"{name} >= '!'", f"not starts_with({name}, chr(160))"]
            + [f"not ends_with({name}, {blank})" for blank in ("' '", "chr(9)", "chr(160)")]
        )
        trimmed = f"case when {has_none} then {name} else nullif(trim({name}, {_BLANKS}), '') end"
        if self._blanks:
            trimmed = (
                f"case when lower({trimmed}) in ({', '.join(self._blanks)}) then null else {trimmed} end"
            )
        return trimmed

    def text(self, one: Field) -> str:
        """Return SQL of a field's text."""
        rule = one.rule
        cases: list[str] = []
        for case in rule.cases:
            text = self._case(case, one)
            if not case.tests:
                return f"case {' '.join(cases)} else {text} end" if cases else text
            cases.append(f"when {self.all_hold(case.tests)} then {text}")
        rest = self._choices(rule.choices, one)
        if rule.constant is not None:
            rest = f"coalesce({rest}, {self._bindings.add(rule.constant)})"
        text = f"case {' '.join(cases)} else {rest} end" if cases else rest
        default = one.default
        return text if default is None else f"coalesce({text}, {self._bindings.add(default)})"

    def all_hold(self, tests: Sequence[Test]) -> str:
        """Return SQL that is true where every test holds, else false."""
        return " and ".join(f"coalesce({self._holds(test)}, false)" for test in tests) or "true"

    def bad_tests(self, rule: ColumnRule) -> str:
        """Return SQL that is true where a cell that should say yes or no says neither; "" where none does."""
        asked = {
            test.source for case in rule.cases for test in case.tests if test.kind in ("if_true", "if_false")
        }
        words = self._listed((*YES, *NO))
        bad = [f"coalesce(lower({self.cell(source)}) not in {words}, false)" for source in sorted(asked)]
        return " or ".join(bad)

    def _holds(self, test: Test) -> str:
        cell = self.cell(test.source)
        if test.kind == "if_filled":
            return f"{cell} is not null"
        if test.kind == "if_empty":
            return f"{cell} is null"
        if test.kind == "if_true":
            return f"lower({cell}) in {self._listed(YES)}"
        if test.kind == "if_false":
            return f"lower({cell}) in {self._listed(NO)}"
        if test.kind == "if_not_true":
            return f"coalesce(lower({cell}) not in {self._listed(YES)}, true)"
        if test.kind == "if_not_ahead":
            return f"coalesce(left({cell}, 10) <= cast($received_on as varchar), true)"
        if test.kind == "if_differs":
            return f"{cell} is distinct from {self.cell(test.texts[0])}"
        texts = [self._bindings.add(text) for text in test.texts]
        holds = " or ".join(f"starts_with(lower({cell}), {text})" for text in texts)
        if test.kind in ("if_equal", "if_not_equal"):
            holds = f"lower({cell}) in ({', '.join(texts)})"
        return f"not coalesce({holds}, false)" if test.kind.startswith("if_not") else f"({holds})"

    def _case(self, case: Case, one: Field) -> str:
        if case.then is not None:
            return self._bindings.add(case.then) if case.then else "null"
        return self._choices(case.choices, one)

    def _choices(self, choices: Sequence[Choice], one: Field) -> str:
        texts = [self._choice(choice, one) for choice in choices]
        if not texts:
            return "cast(null as varchar)"
        text = texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
        if not one.rule.words:
            return text
        words = " ".join(
            f"when {self._bindings.add(theirs)} then {self._bindings.add(ours)}"
            for theirs, ours in one.rule.words
        )
        return f"case lower({text}) {words} else {text} end"

    def _choice(self, choice: Choice, one: Field) -> str:
        cells = []
        for source in choice:
            cell = self.cell(source)
            # Free text stays as typed, outer blanks and all.
            is_trimmed = not self._facts.get(self._places[source], NOTHING).has_outer_blanks
            if len(choice) == 1 and one.is_free_text and not is_trimmed:
                cell = f"case when {cell} is not null then c{self._places[source]} end"
            for cleaner in one.rule.clean:
                cell = cleaned(cell, cleaner)
            cells.append(cell)
        if len(cells) == 1:
            return cells[0]
        if one.rule.join is None:
            return " || '-' || ".join(cells)
        return f"nullif(concat_ws({self._bindings.add(one.rule.join)}, {', '.join(cells)}), '')"

    @staticmethod
    def _listed(words: tuple[str, ...]) -> str:
        return "(" + ", ".join(f"'{word}'" for word in words) + ")"
