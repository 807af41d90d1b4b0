"""Where do records of people come from whose duplicates are known?  Invented dirty people, by seed.

A crowd as a CRM holds it: names as frequent as names are (Zipf), households that share name, address and
often the telephone, couples with one mailbox, offices behind one switchboard, missing fields. About a
quarter of the records say again, with slips, what another record says. Every name is put together from
syllables.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

# Shares of records; `again` = records that repeat a person.
AGAIN = 0.23
MISSING = {"email": 0.25, "phone": 0.35, "birth_on": 0.45, "street": 0.25}
SLIPS = {
    "first_name": 0.15,
    "last_name": 0.12,
    "email": 0.06,
    "phone": 0.04,
    "birth_on": 0.05,
    "street": 0.15,
}
OTHER = {"email": 0.2, "phone": 0.2, "street": 0.15}
HOUSEHOLD = 0.25
OFFICE = 0.02
_SYLLABLES = tuple(
    a + b for a, b in product("bdfghjklmnprstvwz", "aeio") if a + b not in ("go", "jo", "ho", "fi", "vi")
)
_ENDINGS = ("n", "r", "s", "l", "nd", "rt", "ch", "m", "th", "sk")


def people(count: int, *, seed: int = 1) -> pd.DataFrame:
    """Return records of people in the columns of the entity customers, and who they are.

    Parameters
    ----------
    count : int
        Records.
    seed : int, default 1

    Returns
    -------
    DataFrame
        ``source_system``, ``source_id``, ``type``, ``first_name``, ``last_name``, ``email``, ``phone``,
        ``street``, ``city``, ``postcode``, ``country``, ``birth_on``, and ``person`` (the truth).

    Examples
    --------
    >>> people(1000)["person"].nunique() < 850
    True
    """
    draw = np.random.default_rng(seed)
    originals = count - int(AGAIN * count)
    crowd = _crowd(originals, draw)
    repeated = draw.integers(0, originals, count - originals)
    again = crowd.iloc[repeated].reset_index(drop=True)
    for column, share in OTHER.items():
        _replace_by_another(again, crowd, column, share, draw)
    records = pd.concat([crowd, again], ignore_index=True)
    for column, share in SLIPS.items():
        hit = draw.random(count) < np.where(np.arange(count) < originals, share / 4, share)
        records.loc[hit, column] = _slips(records.loc[hit, column], draw)
    swapped = (draw.random(count) < 0.02) & (np.arange(count) >= originals)
    records.loc[swapped, ["first_name", "last_name"]] = records.loc[
        swapped, ["last_name", "first_name"]
    ].to_numpy()
    for column, share in MISSING.items():
        records.loc[draw.random(count) < share, column] = None
    born = pd.to_datetime(records["birth_on"], format="%Y-%m-%d", errors="coerce")
    records["birth_on"] = born.where(born.dt.year.between(1900, 2100)).dt.strftime("%Y-%m-%d")
    records = records.iloc[draw.permutation(count)].reset_index(drop=True)
    records["source_system"] = np.where(draw.random(count) < 0.6, "shop", "crm")
    records["source_id"] = [f"{number:09d}" for number in range(count)]
    return records


def _crowd(count: int, draw: np.random.Generator) -> pd.DataFrame:
    given, family = _names(1_500, 2, draw), _names(30_000, 3, draw)
    cities, streets = _names(800, 3, draw), _names(4_000, 3, draw)
    household = np.arange(count)
    joins = draw.random(count) < HOUSEHOLD
    joins[0] = False
    household[joins] = household[np.flatnonzero(joins) - 1]
    first = pd.Series(household).groupby(household).cumcount().to_numpy() == 0
    place = draw.integers(0, len(cities), count)[household]
    firsts, lasts = given[_zipf(len(given), count, draw)], family[_zipf(len(family), count, draw)[household]]
    house = draw.integers(1, 200, count)[household].astype(str)
    office = draw.integers(0, max(1, count // 200), count)
    in_office = draw.random(count) < OFFICE
    own_phone = pd.Series(draw.integers(1_500_000_000, 1_799_999_999, count))
    shares_phone = ~first & (draw.random(count) < 0.4)
    phone = own_phone.where(~shares_phone, own_phone.to_numpy()[household]).astype(str).radd("+49")
    switchboard = pd.Series(office).map(lambda number: f"+4930{5_000_000 + number}")
    number = (draw.permutation(count) + 10).astype(str)  # nobody else has this mailbox
    hosts = np.array(["example.com", "example.org", "example.net", "mail.example", "post.example"])
    host = hosts[draw.integers(0, len(hosts), count)]
    email = pd.Series(firsts) + "." + pd.Series(lasts) + number + "@" + host
    shares_mail = ~first & (draw.random(count) < 0.1)
    email = email.where(~shares_mail, email.to_numpy()[household])
    mailbox = pd.Series(office).map(lambda number: f"office@firm{number}.example")
    born = np.datetime64("1940-01-01") + draw.integers(0, 24_000, count).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "type": "person",
            "first_name": firsts,
            "last_name": lasts,
            "email": email.where(~in_office, mailbox),
            "phone": phone.where(~in_office, switchboard),
            "street": streets[draw.integers(0, len(streets), count)[household]] + " " + pd.Series(house),
            "city": cities[place],
            "postcode": pd.Series(10_000 + place * 90 + draw.integers(0, 40, count)[household]).astype(str),
            "country": "DE",
            "birth_on": pd.Series(born).dt.strftime("%Y-%m-%d"),
            "person": np.arange(count),
        }
    ).astype({"first_name": object, "last_name": object, "street": object})


def _names(count: int, syllables: int, draw: np.random.Generator) -> np.ndarray:
    found: dict[str, None] = {}
    while len(found) < count:
        parts = [
            _SYLLABLES[place] for place in draw.integers(0, len(_SYLLABLES), draw.integers(2, syllables + 1))
        ]
        found["".join(parts) + _ENDINGS[draw.integers(0, len(_ENDINGS))]] = None
    return np.array(list(found), dtype=object)


def _zipf(size: int, count: int, draw: np.random.Generator) -> np.ndarray:
    weights = 1 / (np.arange(size) + 8.0)
    return draw.choice(size, count, p=weights / weights.sum())


def _replace_by_another(
    again: pd.DataFrame, crowd: pd.DataFrame, column: str, share: float, draw: np.random.Generator
) -> None:
    """Give some records a new address, number or mailbox of their own."""
    hit = np.flatnonzero(draw.random(len(again)) < share)
    if column == "street":
        other = crowd.iloc[draw.integers(0, len(crowd), len(hit))]
        moved = [
            f"{name} {number}"
            for name, number in zip(other["street"], draw.integers(1, 200, len(hit)), strict=True)
        ]
        again.loc[hit, "street"] = moved
        again.loc[hit, ["city", "postcode"]] = other[["city", "postcode"]].to_numpy()
    elif column == "phone":
        again.loc[hit, "phone"] = [
            f"+49{number}" for number in draw.integers(1_500_000_000, 1_799_999_999, len(hit))
        ]
    else:
        names = again.loc[hit, "first_name"].str[:1] + again.loc[hit, "last_name"]
        again.loc[hit, "email"] = names + draw.integers(1, 99_999, len(hit)).astype(str) + "@new.example"


def _slips(values: pd.Series, draw: np.random.Generator) -> list[str | None]:
    """Change one character of each value: replaced, left out, doubled or swapped with the next one."""
    kinds, places = draw.integers(0, 4, len(values)), draw.random(len(values))
    letters = draw.integers(0, 10, len(values))
    slipped: list[str | None] = []
    for value, kind, where, letter in zip(values, kinds, places, letters, strict=True):
        if not isinstance(value, str) or len(value) < 3:
            slipped.append(value)
            continue
        at = int(where * (len(value) - 1))
        other = str(letter) if value[at].isdigit() else "aeiorntslm"[letter]
        tails = (
            other + value[at + 1 :],
            value[at + 1 :],
            value[at] * 2 + value[at + 1 :],
            value[at + 1] + value[at] + value[at + 2 :],
        )
        slipped.append(value[:at] + tails[kind])
    return slipped
