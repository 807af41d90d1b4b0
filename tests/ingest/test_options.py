"""Can everyone do what a refusal says, in a notebook and at a prompt?"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_analytics import ingest
from crm_analytics.cli import loading
from crm_analytics.errors import ProfileError
from crm_analytics.ingest.load import load
from crm_analytics.ingest.options import option
from crm_analytics.ingest.recognise import detect

FILES = sorted(Path(ingest.__file__).parent.glob("*.py"))
OPTIONS = {name for name, one in inspect.signature(load).parameters.items() if one.kind is one.KEYWORD_ONLY}


def strings(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a module that are no docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_an_option_is_said_in_python_and_as_a_flag() -> None:
    assert option("date_format", "%d/%m/%Y") == "date_format='%d/%m/%Y' (--date-format)"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_message_names_an_option_without_its_flag(file: Path) -> None:
    # At the end of a text stands what the user gave ("encoding={encoding!r} is unknown").
    bare = re.compile(rf"(?<![\w.])({'|'.join(sorted(OPTIONS))})=(?!=|$)")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert [text for text in strings(tree) if bare.search(text)] == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("customer_id~name~email", r"mark '~' comes 2 times in it: is it delimiter='~' \(--delimiter\)\?"),
        ("customer_id\x01name\x01email", r"is it delimiter='\\x01'"),
        ("customer_id§name§email", "cannot part fields here: export it with ';'"),
    ],
)
def test_mark_that_may_part_the_fields_is_named(line: str, told: str) -> None:
    with pytest.raises(ProfileError, match=told):
        detect("list.csv", [(",", [line])])


def test_what_messages_name_are_options_of_load_and_of_its_command() -> None:
    named = {
        node.args[0].value
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "option"
        and isinstance(node.args[0], ast.Constant)
    }
    assert len(named) > 5
    assert named <= OPTIONS
    assert named <= set(inspect.signature(loading.load).parameters)
