"""Is every profile sound, and is a wrong one refused with the nearest right word?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.errors import ProfileError
from crm_analytics.ingest.profile import Profile, detect, profile, profiles, read_profile
from crm_analytics.schema import entities, entity

GOOD = """
profile = "shop"
entity = "orders"
source_system = "shop"
[columns]
source_id = { from = "Number", required = true }
occurred_at = { from = "Placed", required = true }
status = { from = "State", words = { "Paid" = "confirmed" } }
"""


@pytest.mark.parametrize("one", profiles().values(), ids=lambda one: one.name)
def test_profile_fills_what_its_entity_requires(one: Profile) -> None:
    declared = entity(one.entity)
    required = {column.name for column in declared.columns if column.required}
    assert required <= set(one.columns), f"{one.name} leaves required columns of {one.entity} empty"
    for name, rule in one.columns.items():
        if declared.column(name).required and rule.constant is None:
            assert rule.required, f"{one.name}.{name} is required by {one.entity}"
    assert one.purpose


@pytest.mark.parametrize("one", profiles().values(), ids=lambda one: one.name)
def test_profile_is_recognised_by_its_own_header_in_any_case_and_order(one: Profile) -> None:
    if one.dialect.header is not None:
        pytest.skip(f"{one.name} has no header")
    delimiter = one.dialect.delimiter or ";"
    names = [name.upper() for name in reversed(one.sources)]
    found, by = detect("x.csv", [(delimiter, names)])
    assert (found.name, by) == (one.name, delimiter)


def test_there_is_a_plain_layout_for_every_entity() -> None:
    assert {f"plain_{name}" for name in entities()} <= set(profiles())


def test_profile_from_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GOOD)
    assert profile(str(path)).columns["status"].words == (("Paid", "confirmed"),)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("source_system", "source_sytem"), "unknown key 'source_sytem'. Did you mean 'source_system'"),
        (('entity = "orders"', 'entity = "order"'), "'order' is no entity"),
        (
            ("occurred_at =", "ocurred_at ="),
            r"\[columns\]: unknown key 'ocurred_at'. Did you mean 'occurred_at'",
        ),
        (('from = "State"', 'form = "State"'), "unknown key 'form'. Did you mean 'from'"),
        (('from = "Placed"', 'from = "Placed", constant = "x"'), "say either from or constant"),
        (('"confirmed"', '"paid"'), "'paid' is no word of order_states. Words: draft, confirmed"),
        (("[columns]", 'repeats = "drop"\n[columns]'), "repeats='drop' is not known. Use one of merge, keep"),
        (("[columns]", '[dialect]\ntimezone = "Europe/Berln"\n[columns]'), "Did you mean 'Europe/Berlin'"),
        (("[columns]", '[dialect]\ndelimiter = "::"\n[columns]'), "delimiter='::' must be one ASCII"),
        (("[columns]", '[dialect]\ndelimeter = ";"\n[columns]'), "unknown key 'delimeter'. Did you mean"),
        (("[columns]", "[columns"), "the profile cannot be read"),
    ],
)
def test_wrong_profile_is_refused(tmp_path: Path, change: tuple[str, str], match: str) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GOOD.replace(*change, 1))
    with pytest.raises(ProfileError, match=match):
        read_profile(path)
