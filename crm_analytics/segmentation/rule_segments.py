"""Which customers (or leads) fit a rule tonight, who is new among them, and who has left?

Rules are written in TOML (``rule_segments.toml`` is the example and the default), read by `rule_language`,
asked as SQL by `rule_sql`, and kept night by night in ``scores.rule_segments``, ``scores.lead_segments``
and ``scores.segment_sizes``.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from crm_analytics.errors import SettingsError, UsageError
from crm_analytics.segmentation.measures import (
    FOUND_AMONG,
    FoundAmong,
    measure_table,
    measures,
    member_column,
)
from crm_analytics.segmentation.rule_language import Rule, asked_measures, parse_rule
from crm_analytics.segmentation.rule_sql import condition, folded
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import SqlFile, Warehouse, quote_ident

_KEYS = ("name", "label", "meaning", "advice", "where", "found_among", "channel")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TABLES: dict[FoundAmong, str] = {"customers": "scores.rule_segments", "leads": "scores.lead_segments"}


@dataclass(frozen=True)
class RuleSegment:
    """One segment that is found by a rule.

    Attributes
    ----------
    name, label : str
        Key used in tables (small letters, digits, ``_``); words for people.
    where : str
        The rule as it was written.
    rule : Rule
        The rule as it was understood.
    meaning, advice : str
        What the members have in common; what a marketer does about it.
    found_among : {"customers", "leads"}
        Whom the rule is about.
    channel : str
        How the members are to be addressed, a word of the channels; who is known to have refused marketing on
        it, or on every channel, is no member. Empty: nothing is sent to them as members.
    """

    name: str
    label: str
    where: str
    rule: Rule
    meaning: str = ""
    advice: str = ""
    found_among: FoundAmong = "customers"
    channel: str = ""


def load_rule_segments(path: str | os.PathLike[str] | None = None) -> tuple[RuleSegment, ...]:
    """Read a file of rules.

    Parameters
    ----------
    path : path, optional
        A TOML file like ``rule_segments.toml`` of the package, which is the default.

    Raises
    ------
    SettingsError
        The file cannot be read, or a rule cannot be understood. All problems are told at once, each with
        the name of its segment.

    Examples
    --------
    >>> [one.name for one in load_rule_segments()][0]
    'silent_high_margin'
    """
    file = Path(path) if path is not None else Path(__file__).with_name("rule_segments.toml")
    try:
        declared = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(
            f"{file}: no such file of segments. Write it, or leave out `segments` in [paths]."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file.name}: cannot be read as TOML: {error}.") from error
    given = declared.get("segment", [])
    problems = [
        f"unknown part [{name}]: segments begin with [[segment]]" for name in declared if name != "segment"
    ]
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise SettingsError(f"{file.name}: segments begin with [[segment]], in double brackets.")
    made: list[RuleSegment] = []
    for number, one in enumerate(given, start=1):
        segment = _read(one, f"segment {number}", problems)
        if segment is not None and any(other.name == segment.name for other in made):
            problems.append(f"segment {segment.name!r} is there twice")
        elif segment is not None:
            made.append(segment)
    if problems:
        raise SettingsError(f"{file.name}: {'; '.join(problem.rstrip('.') for problem in problems)}.")
    return tuple(made)


def rule_segments(
    wh: Warehouse,
    *,
    as_of: date,
    rules: Sequence[RuleSegment] | None = None,
    high_margin_rate: float | None = None,
) -> pd.DataFrame:
    """Find the members of every rule segment as of a day.

    Parameters
    ----------
    wh : Warehouse
    as_of : datetime.date
        First day not seen.
    rules : sequence of RuleSegment, optional
        As from `load_rule_segments`, which is the default.
    high_margin_rate : float, optional
        From which margin rate a product is high-margin; default the best third of the products.

    Returns
    -------
    DataFrame
        segment, member_id (a customer_id, or a lead_id where the rule is about leads) and entered_on (as_of
        of the first night of the unbroken stay that goes on; `as_of` for who is new, where the rule's text
        was another the night before, or when no night was kept), ordered by segment and member_id. Nothing is
        kept: that is `keep_rule_segments`.

    Warns
    -----
    UserWarning
        A rule asks what rests on scores, and none of the day are kept: it counts as missing for everybody.

    Examples
    --------
    >>> rule_segments(Warehouse.open(), as_of=date(2025, 7, 1)).empty
    True
    """
    wanted = load_rule_segments() if rules is None else tuple(rules)
    found, unanswered = _members(wh, wanted, as_of=as_of, high_margin_rate=high_margin_rate)
    if unanswered:
        warnings.warn(
            f"No scores of {as_of} are kept, so {', '.join(unanswered)} count as missing; run the night of "
            "that day, or ask without them.",
            UserWarning,
            stacklevel=2,
        )
    return found


def keep_rule_segments(
    wh: Warehouse,
    *,
    as_of: date,
    rules: Sequence[RuleSegment] | None = None,
    high_margin_rate: float | None = None,
) -> pd.DataFrame:
    """Find the members of every rule segment and keep them for this night; a rerun replaces it.

    Parameters
    ----------
    wh, as_of, rules, high_margin_rate
        As of `rule_segments`.

    Returns
    -------
    DataFrame
        As `segment_sizes` returns it.
    """
    wanted = load_rule_segments() if rules is None else tuple(rules)
    members, _ = _members(wh, wanted, as_of=as_of, high_margin_rate=high_margin_rate)
    sizes = segment_sizes(wh, members, as_of=as_of, rules=wanted)
    with wh.transaction():
        for found_among, table in _TABLES.items():
            names = [rule.name for rule in wanted if rule.found_among == found_among]
            kept = members[members["segment"].isin(names)].assign(as_of=as_of)
            kept = kept.rename(columns={"member_id": member_column(found_among)})
            wh.replace_as_of(table, kept, as_of=as_of)
        columns = ["segment", "found_among", "rule", "member_count", "entered_count", "left_count"]
        wh.replace_as_of("scores.segment_sizes", sizes[columns].assign(as_of=as_of), as_of=as_of)
    return sizes


def segment_sizes(
    wh: Warehouse, members: pd.DataFrame, *, as_of: date, rules: Sequence[RuleSegment]
) -> pd.DataFrame:
    """Count members, and who came and went since the last night that was kept before `as_of`.

    Parameters
    ----------
    wh : Warehouse
    members : DataFrame
        As returned by `rule_segments` for the same day.
    as_of : datetime.date
        First day not seen.
    rules : sequence of RuleSegment
        Those that were asked; each has a row, also without members.

    Returns
    -------
    DataFrame
        segment, label, found_among, member_count, entered_count, left_count, rule, meaning, advice. On the
        first night of a rule all its members are new.
    """
    earlier = dict(wh.rows(SqlFile.beside(__file__, "last_sizes.sql"), as_of=as_of))
    sizes = members["segment"].value_counts()
    new = members.loc[pd.to_datetime(members["entered_on"]) == pd.Timestamp(as_of), "segment"].value_counts()
    rows: list[dict[str, Any]] = []
    for one in rules:
        count, entered = int(sizes.get(one.name, 0)), int(new.get(one.name, 0))
        rows.append(
            {
                "segment": one.name,
                "label": one.label,
                "found_among": one.found_among,
                "member_count": count,
                "entered_count": entered,
                "left_count": int(earlier.get(one.name, 0)) - (count - entered),
                "rule": one.where,
                "meaning": one.meaning,
                "advice": one.advice,
            }
        )
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["segment", "found_among", "rule"])


def segment_overlap(wh: Warehouse, *, as_of: date) -> pd.DataFrame:
    """Count the customers that two rule segments of a kept night share.

    Returns
    -------
    DataFrame
        Square: one row and one column per segment with members, in alphabetical order; the diagonal holds
        the sizes. Leads are not in it.

    Examples
    --------
    >>> segment_overlap(Warehouse.open(), as_of=date(2025, 7, 1)).shape
    (0, 0)
    """
    pairs = wh.frame(SqlFile.beside(__file__, "overlap.sql"), as_of=as_of)
    return (
        pairs.pivot(index="segment", columns="other_segment", values="customer_count").fillna(0).astype(int)
    )


def _members(
    wh: Warehouse, wanted: Sequence[RuleSegment], *, as_of: date, high_margin_rate: float | None
) -> tuple[pd.DataFrame, list[str]]:
    """Return the members, and the measures that are asked, rest on scores, and are missing for everybody."""
    found: list[pd.DataFrame] = [pd.DataFrame({"segment": [], "rule": [], "member_id": []}, dtype="str")]
    unanswered: list[str] = []
    for found_among in FOUND_AMONG:
        of_these = [rule for rule in wanted if rule.found_among == found_among]
        if not of_these:
            continue
        table = measure_table(wh, as_of=as_of, found_among=found_among, high_margin_rate=high_margin_rate)
        asked = {one.name for rule in of_these for one in asked_measures(rule.rule) if one.is_scored}
        unanswered += sorted(name for name in asked if 0 < len(table) == table[name].null_count)
        with wh.registered(measured=folded(table)):
            for one in of_these:
                where, parameters = condition(one.rule)
                member = quote_ident(member_column(found_among))
                ids = wh.frame(f"select {member} as member_id from measured where {where}", **parameters)
                if one.channel:
                    refused = wh.frame(
                        SqlFile.beside(__file__, "refused.sql"), as_of=as_of, channel=one.channel
                    )
                    ids = ids[~ids["member_id"].isin(refused["member_id"])]
                found.append(ids.assign(segment=one.name, rule=one.where))
    tonight = pd.concat(found, ignore_index=True)[["segment", "rule", "member_id"]].astype("str")
    with wh.registered(tonight=tonight):
        return wh.frame(SqlFile.beside(__file__, "entered.sql"), as_of=as_of), unanswered


def _read(given: dict[str, Any], place: str, problems: list[str]) -> RuleSegment | None:
    """Check one [[segment]]; add what is wrong to `problems`."""
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        problems.append(f"{place}: name = {name!r} must be small letters, digits and '_', at most 63")
        return None
    before = len(problems)
    for key in given:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_KEYS)}"
            problems.append(f"segment {name!r}: unknown key {key!r}; {hint}")
        elif not isinstance(given[key], str):
            problems.append(f"segment {name!r}: {key} must be text")
    found_among = given.get("found_among", "customers")
    if found_among not in FOUND_AMONG:
        problems.append(f"segment {name!r}: found_among must be one of {', '.join(FOUND_AMONG)}")
    channel = given.get("channel", "")
    if isinstance(channel, str) and channel and channel not in WORDS["channels"]:
        problems.append(f"segment {name!r}: channel must be one of {', '.join(WORDS['channels'])}")
    if "where" not in given:
        problems.append(f'segment {name!r}: the rule is missing; write where = "order_count >= 2"')
    if len(problems) > before:
        return None
    try:
        rule = parse_rule(given["where"], measures(found_among))
    except UsageError as problem:
        problems.append(f"segment {name!r}: {problem}")
        return None
    return RuleSegment(
        name=name,
        label=given.get("label", name.replace("_", " ").capitalize()),
        where=given["where"],
        rule=rule,
        meaning=given.get("meaning", ""),
        advice=given.get("advice", ""),
        found_among=found_among,
        channel=channel,
    )
