"""Is one word used for one meaning?  What docs/vocabulary.md forbids and a machine can see."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from crm_analytics.warehouse import SqlFile, all_sql_files

PACKAGE = Path(__file__).parent.parent / "crm_analytics"
BTYD_WORDS = {"frequency", "recency", "T", "monetary_value"}
FORBIDDEN_PARAMETERS = {"future_t", "months", "horizon_months", "today", "end_date", "discount_rate", "freq"}


@pytest.mark.parametrize("file", all_sql_files(), ids=lambda f: "/".join(f.path.parts[-2:]))
def test_btyd_words_are_columns_under_clv_only(file: SqlFile) -> None:
    if file.path.relative_to(PACKAGE).parts[0] != "clv":
        assert not BTYD_WORDS & set(file.columns), file.path


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: "/".join(p.parts[-2:]))
def test_parameters_carry_their_unit_and_the_fields_own_word(path: Path) -> None:
    outside_clv = path.relative_to(PACKAGE).parts[0] != "clv"
    forbidden = FORBIDDEN_PARAMETERS | ({"frequency", "recency", "monetary_value"} if outside_clv else set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            names = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
            assert not names & forbidden, f"{path.name}: {node.name}({', '.join(names & forbidden)})"


def test_the_vocabulary_page_names_what_this_test_forbids() -> None:
    page = (PACKAGE.parent / "docs" / "vocabulary.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for word in BTYD_WORDS)
