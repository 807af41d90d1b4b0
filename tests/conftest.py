"""What do all tests share?  Where the data outside the project lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with data/ and dirty-inputs/ (CRM_TEST_DATA, default beside the project); skips without it."""
    folder = Path(os.environ.get("CRM_TEST_DATA", PROJECT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no test data outside the project: {folder} is absent (set CRM_TEST_DATA)")
    return folder
