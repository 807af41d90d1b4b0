"""Which pages are made from the code?  Data dictionary, layouts, command line reference (`make docs`).

`tests/test_docs.py` fails when a page differs from what this script would write.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from crm_analytics.cli.commands import app
from crm_analytics.ingest.not_loaded import tables_not_loaded
from crm_analytics.ingest.recognise import PLAIN, profiles
from crm_analytics.schema import entities
from crm_analytics.vocabulary import WORDS
from crm_analytics.warehouse import all_sql_files

DOCS = Path(__file__).parent
PAGES = ("data-dictionary.md", "layouts.md", "cli.md")


def pages() -> dict[str, str]:
    """Return the text of every generated page by file name."""
    return {
        "data-dictionary.md": "\n".join(_data_dictionary()) + "\n",
        "layouts.md": "\n".join(_layouts()) + "\n",
        "cli.md": "\n".join(_command_line()) + "\n",
    }


def _data_dictionary() -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Made by `make docs` from `crm_analytics/schema/*.toml` and the headers of the score tables."
    yield "Privacy: **pii** identifies a person, **quasi** helps to, none does neither. \\* = required."
    yield ""
    yield "## Entities"
    for entity in entities().values():
        yield ""
        yield f"### {entity.name}"
        yield ""
        kept = "state, kept as versions" if entity.kind == "state" else "event"
        yield f"A row is {entity.row} ({kept}; key: {', '.join(entity.key)})."
        yield ""
        yield "| column | type | unit | privacy | meaning |"
        yield "|---|---|---|---|---|"
        for column in entity.columns:
            star = " \\*" if column.required else ""
            privacy = "" if column.privacy == "none" else column.privacy
            refers = f" → {column.refers}" if column.refers else ""
            words = f" ({', '.join(WORDS[column.words])})" if column.words else ""
            yield (
                f"| `{column.name}`{star} | {column.type} | {column.unit or ''} | {privacy} "
                f"| {column.doc}{refers}{words} |"
            )
    yield ""
    yield "## Score tables"
    for file in all_sql_files():
        if file.kind == "table" and "scores." in file.text:
            name = file.text.split("create table if not exists ", 1)[1].split(" ", 1)[0]
            yield ""
            yield f"### {name}"
            yield ""
            yield f"{file.purpose} One row per {', '.join(file.grain)}."
            yield ""
            yield "| column | meaning |"
            yield "|---|---|"
            yield from (f"| `{column}` | {meaning} |" for column, meaning in file.columns.items())


def _layouts() -> Iterator[str]:
    known = [one for one in profiles().values() if not one.name.startswith(PLAIN)]
    yield "# Layouts"
    yield ""
    yield "Made by `make docs` from `crm_analytics/ingest/profiles/`. A file is recognised by its header,"
    yield "in any order and case, by labels or technical names. Evidence: *verified* against real files or"
    yield "source code, *partial*, or *unverified* (tolerant: `crm-analytics profile check FILE` first)."
    yield "Besides these there is one plain layout per entity, whose headers are our own column names"
    yield "([data dictionary](data-dictionary.md))."
    for system in dict.fromkeys(one.source_system for one in known):
        yield ""
        yield f"## {system}"
        yield ""
        yield "| profile | what it reads | becomes | evidence |"
        yield "|---|---|---|---|"
        for one in known:
            if one.source_system == system:
                becomes = ", ".join(dict.fromkeys(target.entity for target in one.targets))
                yield f"| `{one.name}` | {one.purpose} | {becomes} | {one.evidence} |"
    yield ""
    yield "## Known and not loaded"
    yield ""
    yield "Tables of these systems that tell of none of our entities. They are refused by name"
    yield "(`not_loaded`), and a folder in which nothing else is refused has loaded well (exit code 0)."
    yield ""
    yield "| system | why | tables |"
    yield "|---|---|---|"
    reasons: dict[tuple[str, str], list[str]] = {}
    for table in tables_not_loaded():
        reasons.setdefault((table.system, table.why), []).append(f"`{table.table}`")
    yield from (f"| {system} | {why} | {', '.join(names)} |" for (system, why), names in reasons.items())


def _command_line() -> Iterator[str]:
    yield "# Command line"
    yield ""
    yield "Made by `make docs`. Every command takes `--help`. Exit codes: 0 ok, 1 failed, 2 usage,"
    yield "3 blocked by the audit, 4 done but of some files nothing came in, 130 stopped by Ctrl-C."
    yield from _commands(typer.main.get_command(app), "crm-analytics")


def _commands(group: Any, path: str) -> Iterator[str]:
    """Yield what each command of a group takes; those of a group within it follow it."""
    for name in sorted(group.commands):
        command = group.commands[name]
        yield ""
        yield f"## {path} {name}"
        yield ""
        yield inspect.cleandoc(command.help or "").split("\f")[0].strip()
        yield ""
        for parameter in command.params:
            if parameter.name != "help" and not getattr(parameter, "hidden", False):
                shown = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
                yield f"- {shown}: {getattr(parameter, 'help', None) or parameter.name}"
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")


if __name__ == "__main__":
    for page, text in pages().items():
        (DOCS / page).write_text(text, encoding="utf-8")
