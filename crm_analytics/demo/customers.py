"""Who buys from the invented company?  Persons and organisations, each with habits of their own.

Purchases follow the story of the BG/NBD model: rates differ between customers as a gamma distribution,
the chance to drop out after a purchase as a beta distribution (Fader, Hardie and Lee, 2005).
About 2 % of the customers are registered twice: with a slip in the name, the phone written differently, the
e-mail address equal or nearly so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crm_analytics.demo.catalogue import BY_CATEGORY, CATEGORY_SHARE, CURRENCY_OF_COUNTRY
from crm_analytics.demo.clock import DAY, DAY_COUNT, calendar_day, moment_text, season
from crm_analytics.demo.draws import Draws
from crm_analytics.demo.people import INDUSTRIES, Directory, address, country_text, phone_text, plain, typo

PERSON_COUNT = 1_665
ORGANISATION_COUNT = 290
TWICE_COUNT = 40
TEST_COUNT = 2
INTERNAL_COUNT = 3
COUNTRIES = ("DE", "AT", "FR", "IE", "GB", "US")
COUNTRY_SHARES = (0.66, 0.08, 0.07, 0.03, 0.09, 0.07)
CHANNELS = ("organic_search", "paid_search", "social", "referral", "store", "direct", "affiliate")
CHANNEL_SHARES = (0.27, 0.24, 0.16, 0.12, 0.11, 0.07, 0.03)
ORGANISATION_CHANNELS = ("referral", "event", "phone", "organic_search", "partner", "paid_search")
ORGANISATION_CHANNEL_SHARES = (0.28, 0.22, 0.18, 0.14, 0.10, 0.08)


@dataclass(frozen=True)
class Customer:
    """One record of a customer in the shop, and the habits that no system knows.

    Attributes
    ----------
    purchases_per_day, dropout : float
        Rate while active; chance to be gone after a purchase.
    taste : dict of str to float
        Weight of each product for this customer.
    first_at : int | None
        Moment of the first order; None = registered and never bought.
    second_id, second_at : str, int | None
        The other record of a customer who is registered twice, and since when it is used.
    """

    customer_id: str
    row: dict[str, str]
    is_organisation: bool
    country: str
    currency: str
    registered_at: int
    first_at: int | None
    purchases_per_day: float
    dropout: float
    taste: dict[str, float]
    wants_mail: bool
    is_special: bool = False
    second_id: str = ""
    second_at: int | None = None


def make_customers(directory: Directory, seed: int) -> list[Customer]:
    """Return all customers, each once, in the order of their numbers."""
    draws = Draws(seed, "customers")
    people = [_person(draws, directory) for _ in range(PERSON_COUNT)]
    people += [_organisation(draws, directory) for _ in range(ORGANISATION_COUNT)]
    people += [_special(draws, directory, place) for place in range(TEST_COUNT + INTERNAL_COUNT)]
    seconds: dict[int, int] = {}
    candidates = [
        place
        for place, customer in enumerate(people)
        if not customer.is_organisation
        and not customer.is_special
        and customer.purchases_per_day > 5 / 365
        and customer.first_at is not None
        and customer.first_at < (DAY_COUNT - 250) * DAY
    ]
    for place in draws.some(candidates, TWICE_COUNT):
        first_at = people[place].first_at or 0
        seconds[place] = first_at + draws.whole(40, 240) * DAY + draws.whole(0, 3_600)
    registrations = [(customer.registered_at, 0, place) for place, customer in enumerate(people)]
    registrations += [(at - 300, 1, place) for place, at in seconds.items()]
    numbers: dict[tuple[int, int], str] = {}
    for number, (_, which, place) in enumerate(sorted(registrations), start=1):
        numbers[which, place] = f"C{number:06d}"
    numbered = [
        replace(
            customer,
            customer_id=numbers[0, place],
            second_id=numbers.get((1, place), ""),
            second_at=seconds.get(place),
        )
        for place, customer in enumerate(people)
    ]
    return sorted(numbered, key=lambda customer: customer.customer_id)


def customer_rows(customers: list[Customer], seed: int) -> list[dict[str, str]]:
    """Return the rows of shop_customers.csv, second records included."""
    draws = Draws(seed, "second records")
    rows = [customer.row | {"source_id": customer.customer_id} for customer in customers]
    rows += [_second_row(c, c.second_at, draws) for c in customers if c.second_at is not None]
    return sorted(rows, key=lambda row: row["source_id"])


def _habits(draws: Draws, is_organisation: bool) -> tuple[float, float, dict[str, float]]:
    if is_organisation:
        rate, dropout = draws.gamma(1.3, 7.5) / 365, draws.beta(0.8, 13.0)
    else:
        rate, dropout = draws.gamma(0.9, 4.6) / 365, draws.beta(0.8, 7.0)
    taste = {}
    for category, share in CATEGORY_SHARE.items():
        liking = share * draws.gamma(0.7, 1.0)
        total = sum(product.weight for product in BY_CATEGORY[category])
        for product in BY_CATEGORY[category]:
            taste[product.product_id] = liking * product.weight / total * draws.gamma(1.5, 1.0)
    return rate, dropout, taste


def _arrival(draws: Draws) -> int:
    """Return the moment of a registration, between 8 and 22 o'clock; more of them in the busy months."""
    while True:
        day = int(DAY_COUNT * draws.uniform() ** 1.15)
        if draws.chance(season(day) / 1.8):
            return day * DAY + draws.whole(8 * 3_600, 22 * 3_600)


def _person(draws: Draws, directory: Directory) -> Customer:
    gender, first, last = directory.person()
    country = draws.weighted(COUNTRIES, COUNTRY_SHARES)
    email = directory.email(first, last)
    email = email.upper() if draws.chance(0.03) else email.title() if draws.chance(0.03) else email
    number = directory.phone(country) if draws.chance(0.8) else None
    street, city, postcode = address(country, draws)
    age_days = int(365.25 * draws.uniform(19, 78))
    registered_at = _arrival(draws)
    row = {
        "type": "person",
        "name": f"{last}, {first}" if draws.chance(0.05) else f"{first} {last}",
        "first_name": first,
        "last_name": last,
        "email": "" if draws.chance(0.02) else email,
        "phone": phone_text(number, draws),
        "street": street,
        "city": city,
        "postcode": postcode,
        "country": country_text(country, draws),
        "birth_on": calendar_day(-age_days).isoformat() if draws.chance(0.55) else "",
        "gender": gender if draws.chance(0.7) else "",
        "acquisition_channel": draws.weighted(CHANNELS, CHANNEL_SHARES),
        "created_at": moment_text(registered_at),
    }
    rate, dropout, taste = _habits(draws, is_organisation=False)
    return Customer(
        customer_id="",
        row=row,
        is_organisation=False,
        country=country,
        currency=CURRENCY_OF_COUNTRY.get(country, "EUR"),
        registered_at=registered_at,
        first_at=None if draws.chance(0.04) else registered_at + draws.whole(120, 2_400),
        purchases_per_day=rate,
        dropout=dropout,
        taste=taste,
        wants_mail=draws.chance(0.76),
    )


def _organisation(draws: Draws, directory: Directory) -> Customer:
    country = draws.weighted(COUNTRIES, COUNTRY_SHARES)
    name = directory.company(country)
    domain = f"{plain(name.split()[0])}.example.com"
    street, city, postcode = address(country, draws)
    registered_at = _arrival(draws)
    row = {
        "type": "organisation",
        "name": name,
        "email": f"{draws.pick(('info', 'office', 'orders'))}@{domain}",
        "phone": phone_text(directory.phone(country), draws),
        "street": street,
        "city": city,
        "postcode": postcode,
        "country": country_text(country, draws),
        "industry": draws.pick(INDUSTRIES),
        "employee_count": str(max(2, int(draws.gamma(0.7, 60.0)))),
        "acquisition_channel": draws.weighted(ORGANISATION_CHANNELS, ORGANISATION_CHANNEL_SHARES),
        "owner_source_id": draws.pick(("U01", "U02", "U03", "U04")),
        "created_at": moment_text(registered_at),
    }
    rate, dropout, taste = _habits(draws, is_organisation=True)
    return Customer(
        customer_id="",
        row=row,
        is_organisation=True,
        country=country,
        currency=CURRENCY_OF_COUNTRY.get(country, "EUR"),
        registered_at=registered_at,
        first_at=registered_at + draws.whole(1, 30) * DAY,
        purchases_per_day=rate,
        dropout=dropout,
        taste=taste,
        wants_mail=draws.chance(0.85),
    )


def _special(draws: Draws, directory: Directory, place: int) -> Customer:
    """Return a test record or an employee: real rows, no customers."""
    customer = _person(draws, directory)
    flags = {"is_test": "true"} if place < TEST_COUNT else {"is_internal": "true"}
    name = {"name": "Test Test", "first_name": "Test", "last_name": "Test"} if place < TEST_COUNT else {}
    return replace(
        customer,
        row=customer.row | name | flags,
        first_at=customer.registered_at + 600,
        purchases_per_day=6 / 365,
        dropout=0.1,
        wants_mail=False,
        is_special=True,
    )


def _second_row(customer: Customer, second_at: int, draws: Draws) -> dict[str, str]:
    row = dict(customer.row)
    first, last = row["first_name"], typo(row["last_name"], draws)
    if draws.chance(0.3):
        first = first[0] + "."
    email = row["email"]
    local, at, domain = email.lower().partition("@")
    change = draws.pick(("same", "case", "tag", "other domain"))
    if at and change == "case":
        email = email.upper()
    elif at and change == "tag":
        email = f"{local}+shop@{domain}"
    elif at and change == "other domain":
        email = f"{local}@{'example.org' if domain != 'example.org' else 'example.com'}"
    digits = "".join(
        letter for letter in row["phone"].replace("(0)", "") if letter.isdigit() or letter == "+"
    )
    phone = f"{digits[:5]}-{digits[5:]}" if digits else ""
    return row | {
        "source_id": customer.second_id,
        "name": f"{first} {last}",
        "first_name": first,
        "last_name": last,
        "email": email,
        "phone": phone,
        "birth_on": "",
        "created_at": moment_text(second_at - 300),
    }
