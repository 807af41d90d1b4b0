"""Are the CDNOW files found without importing lifetimes, and is it said plainly when they are not there?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crm_analytics.demo import cdnow
from crm_analytics.errors import InputError, UsageError


@pytest.mark.parametrize(("which", "line_count"), [("sample", 6_919), ("master", 69_660)])
def test_files_have_a_line_for_each_published_purchase(which: str, line_count: int) -> None:
    assert len(cdnow.cdnow_path(which).read_text("ascii").splitlines()) == line_count


def test_lifetimes_is_not_imported() -> None:
    code = (
        "import sys; from crm_analytics import demo; demo.cdnow_path(); sys.exit('lifetimes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_file_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no CDNOW file 'full'\. Choose one of: sample, master"):
        cdnow.cdnow_path("full")


def test_missing_package_and_missing_files_tell_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cdnow.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed here\. Install it"):
        cdnow.cdnow_path()
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(cdnow.importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(InputError, match=r"CDNOW_sample.txt is missing: .* Reinstall it"):
        cdnow.cdnow_path()
