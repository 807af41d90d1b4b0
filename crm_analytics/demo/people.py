"""Who are the invented people and companies?  Names, e-mail addresses and phone numbers nobody has.

Family names and companies are put together from syllables. E-mail addresses lie in the domains that
RFC 2606 reserves for examples. Phone numbers come from ranges that regulators keep for films and books:
Bundesnetzagentur (notice 148/2021), Ofcom (numbers for drama use), ARCEP (numbers for audiovisual works),
ComReg (020 91x) and, in North America, 555-0100 to 555-0199.
"""

from __future__ import annotations

import tomllib
import unicodedata
from pathlib import Path

from crm_analytics.demo.draws import Draws

_NAMES: dict[str, list[str]] = tomllib.loads(
    Path(__file__).with_name("names.toml").read_text(encoding="utf-8")
)
LEGAL_FORMS = {
    "DE": ("GmbH", "AG", "KG", "GmbH & Co. KG", "e.K."),
    "AT": ("GmbH", "OG", "KG"),
    "FR": ("SARL", "SAS"),
    "IE": ("Ltd", "DAC"),
    "GB": ("Ltd", "LLP", "plc"),
    "US": ("Inc.", "LLC", "Corp."),
}
INDUSTRIES = ("hotel", "restaurant", "office", "retail", "health", "education", "software", "crafts")
JOB_TITLES = (
    "Office manager",
    "Head of purchasing",
    "Managing director",
    "Facility manager",
    "Chef",
    "Assistant",
)
CITIES = {
    "DE": (
        ("Berlin", "10"),
        ("Hamburg", "20"),
        ("München", "80"),
        ("Köln", "50"),
        ("Frankfurt am Main", "60"),
    ),
    "AT": (("Wien", "1"), ("Graz", "8"), ("Linz", "4")),
    "FR": (("Lyon", "690"), ("Lille", "590"), ("Nantes", "440")),
    "IE": (("Dublin", "D0"), ("Cork", "T1")),
    "GB": (("London", "E"), ("Leeds", "LS"), ("Bristol", "BS")),
    "US": (("Boston", "021"), ("Chicago", "606"), ("Seattle", "981")),
}
COUNTRY_SPELLINGS = {
    "DE": ("Germany", "Deutschland", "de"),
    "AT": ("Austria", "Österreich"),
    "FR": ("France",),
    "IE": ("Ireland",),
    "GB": ("United Kingdom", "UK"),
    "US": ("USA", "United States"),
}
PERSON_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com", "post.example.org")

# Fictional ranges: country -> (country code, area code without leading zero, first digits, digits that vary).
PHONE_RANGES = {
    "DE": (
        ("49", "30", "23125", 3),
        ("49", "69", "90009", 3),
        ("49", "40", "66969", 3),
        ("49", "221", "4710", 3),
        ("49", "89", "99998", 3),
        ("49", "171", "39200", 2),
        ("49", "176", "040690", 2),
    ),
    "FR": (("33", "1", "9900", 4), ("33", "6", "3998", 4), ("33", "4", "6571", 4)),
    "IE": (("353", "20", "91", 5),),
    "GB": (("44", "20", "79460", 3), ("44", "7700", "900", 3), ("44", "161", "4960", 3)),
    "US": (
        ("1", "617", "55501", 2),
        ("1", "312", "55501", 2),
        ("1", "206", "55501", 2),
        ("1", "415", "55501", 2),
    ),
}


class Directory:
    """Hands out names, addresses and numbers of people that do not exist; none is given out twice.

    Parameters
    ----------
    draws : Draws
        Stream to draw from.
    """

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self._emails: set[str] = set()
        self._phones: set[tuple[str, str, str]] = set()
        self._companies: set[str] = set()

    def person(self) -> tuple[str, str, str]:
        """Return gender, given name and family name."""
        gender = self._draws.pick(("female", "male"))
        first = self._draws.pick(_NAMES["female_names"] if gender == "female" else _NAMES["male_names"])
        return gender, first, self._compose("name_starts", "name_ends")

    def company(self, country: str) -> str:
        """Return the legal name of a company."""
        while True:
            name = self._compose("company_starts", "company_middles", "company_ends")
            if name not in self._companies:
                self._companies.add(name)
                return f"{name} {self._draws.pick(LEGAL_FORMS[country])}"

    def email(self, first: str, last: str, domain: str | None = None) -> str:
        """Return a new address made of a name, in the given domain or in one for examples."""
        first, last = plain(first), plain(last)
        form = self._draws.pick(
            (f"{first}.{last}", f"{first[0]}.{last}", f"{first}{last}", f"{last}.{first}")
        )
        domain = domain or self._draws.pick(PERSON_DOMAINS)
        address, number = f"{form}@{domain}", 1
        while address in self._emails:
            number += 1
            address = f"{form}{number}@{domain}"
        self._emails.add(address)
        return address

    def phone(self, country: str) -> tuple[str, str, str] | None:
        """Return a new number as (country code, area code, subscriber); None where no range is reserved."""
        if country not in PHONE_RANGES:
            return None
        while True:
            code, area, start, digits = self._draws.pick(PHONE_RANGES[country])
            number = (code, area, start + "".join(str(self._draws.whole(0, 9)) for _ in range(digits)))
            if number not in self._phones:
                self._phones.add(number)
                return number

    def _compose(self, *parts: str) -> str:
        return "".join(self._draws.pick(_NAMES[part]) for part in parts)


def phone_text(number: tuple[str, str, str] | None, draws: Draws) -> str:
    """Write a phone number in one of the forms that people type; empty for None."""
    if number is None:
        return ""
    code, area, subscriber = number
    grouped = f"{subscriber[:3]} {subscriber[3:]}"
    if code == "1":
        return draws.pick(
            (
                f"+1 {area} {subscriber[:3]} {subscriber[3:]}",
                f"({area}) {subscriber[:3]}-{subscriber[3:]}",
                f"{area}-{subscriber[:3]}-{subscriber[3:]}",
                f"1{area}{subscriber}",
            )
        )
    return draws.pick(
        (
            f"+{code}{area}{subscriber}",
            f"+{code} {area} {grouped}",
            f"00{code} {area} {subscriber}",
            f"0{area} {grouped}",
            f"0{area}/{subscriber}",
            f"+{code} (0){area} {subscriber}",
        )
    )


def address(country: str, draws: Draws) -> tuple[str, str, str]:
    """Return street with house number, city and postcode."""
    city, start = draws.pick(CITIES[country])
    digits = {"AT": 3, "FR": 2, "US": 2}.get(country, 3)
    postcode = start + "".join(str(draws.whole(0, 9)) for _ in range(digits))
    if country in ("GB", "IE"):
        postcode = (
            f"{start}{draws.whole(1, 9)} {draws.whole(1, 9)}{draws.pick('ABDEHJLN')}{draws.pick('ABDEHJLN')}"
        )
    return f"{draws.pick(_NAMES['streets'])} {draws.whole(1, 120)}", city, postcode


def country_text(country: str, draws: Draws) -> str:
    """Write a country: nearly always its ISO code, now and then as somebody typed it."""
    return draws.pick(COUNTRY_SPELLINGS[country]) if draws.chance(0.04) else country


def plain(name: str) -> str:
    """Return a name in the letters a to z only.

    Examples
    --------
    >>> plain("Jörg-Zoé")
    'joergzoe'
    """
    for letter, spelled in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("ß", "ss")):
        name = name.lower().replace(letter, spelled)
    flat = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in flat if "a" <= letter <= "z")


def typo(name: str, draws: Draws) -> str:
    """Return a name with one slip of the fingers: two letters swapped, one doubled or one left out."""
    place = draws.whole(1, len(name) - 3)
    slip = draws.pick(("swapped", "doubled", "left out"))
    if slip == "swapped" and name[place] != name[place + 1]:
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    if slip == "doubled":
        return name[: place + 1] + name[place:]
    return name[:place] + name[place + 1 :]
