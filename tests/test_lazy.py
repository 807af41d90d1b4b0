"""Public names are what was promised, whichever module was imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "first", ["crm_analytics.segmentation.rfm", "crm_analytics.clv.lifetime_value", "crm_analytics"]
)
def test_a_function_is_not_hidden_by_the_module_it_lives_in(first: str) -> None:
    code = (
        f"import {first}, crm_analytics as crm; "
        "assert callable(crm.segmentation.rfm), crm.segmentation.rfm; "
        "assert callable(crm.clv.lifetime_value), crm.clv.lifetime_value"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    import crm_analytics as crm

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        crm.nonsense  # noqa: B018
