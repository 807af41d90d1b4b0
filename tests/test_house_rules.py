"""Rules that guard against real mistakes: what may be imported, written, printed and saved."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "crm_analytics"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ["pandas", "numpy", "scipy", "sklearn", "statsmodels", "xgboost", "lifetimes", "matplotlib"]
HEAVY += ["pyarrow", "sqlalchemy", "rich", "typer", "jinja2", "IPython", "calamine", "phonenumbers"]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, crm_analytics; "
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; "
        "sys.exit('loaded: ' + ', '.join(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_resolves() -> None:
    import crm_analytics as crm

    names = dir(crm)
    assert {"Warehouse", "load", "RecordStore", "segmentation", "clv", "churn", "scoring", "nightly"} <= set(
        names
    )
    for name in names:
        assert getattr(crm, name) is not None


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 40


@pytest.mark.parametrize("path", MODULES, ids=lambda p: "/".join(p.parts[-2:]))
def test_a_module_says_what_it_answers(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} has no docstring"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: "/".join(p.parts[-2:]))
def test_nothing_is_pickled(path: Path) -> None:
    """A pickle runs code when it is loaded: models are saved as JSON or XGBoost's own format."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for name in names:
            assert name.split(".")[0] not in {"pickle", "joblib", "dill", "cloudpickle"}, path


@pytest.mark.parametrize("path", MODULES, ids=lambda p: "/".join(p.parts[-2:]))
def test_values_reach_sql_as_parameters_only(path: Path) -> None:
    """An f-string that begins like SQL may hold only quoted identifiers."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        text = ast.get_source_segment(source, node) or ""
        if re.match(r"""[rf]+["']+\s*(drop|delete|update|insert|attach|copy)\b.*'\{""", text, re.I | re.S):
            pytest.fail(f"{path}:{node.lineno} puts a value into SQL text; pass it as a parameter")


def test_no_tracked_file_names_an_index_or_a_machine() -> None:
    root = PACKAGE.parent
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    forbidden = re.compile("|".join(["pypi" + r"\.org/simple", "files" + r"\.pythonhosted", "/wor" + "k/"]))
    for name in listed.stdout.split():
        path = root / name
        if path.suffix in {".py", ".md", ".toml", ".sql", ".ipynb", ".j2", ""} and path.is_file():
            assert not forbidden.search(path.read_text(encoding="utf-8", errors="replace")), name
