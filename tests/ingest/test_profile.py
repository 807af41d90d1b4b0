"""Is every profile sound, is a wrong one refused with the nearest right word, and is a layout recognised?"""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_analytics.errors import FileRefused, ProfileError
from crm_analytics.ingest.headers import HeaderIndex, find_columns, fold_header
from crm_analytics.ingest.load import load
from crm_analytics.ingest.own_layouts import OWN_COLUMNS
from crm_analytics.ingest.profile import Profile
from crm_analytics.ingest.profile_file import parse_profile
from crm_analytics.ingest.recognise import PLAIN, detect, profile, profiles
from crm_analytics.normalise.header_words import header_words
from crm_analytics.schema import entities, entity
from crm_analytics.warehouse import Warehouse

GOOD = """
profile = "shop"
source_system = "shop"
[[entity]]
name = "orders"
[entity.columns]
source_id = { from = "Number", required = true }
occurred_at = { from = "Placed", required = true }
status = { from = "State", words = { "Paid" = "confirmed" } }
"""


@pytest.mark.parametrize("one", profiles().values(), ids=lambda one: one.name)
def test_profile_fills_what_its_entities_require(one: Profile) -> None:
    for target in one.targets:
        for column in entity(target.entity).columns:
            if column.required:
                rule = target.columns[column.name]
                assert rule.required or rule.constant is not None, (target.name, column.name)
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
    assert {f"{PLAIN}{name}" for name in entities()} <= set(profiles())


def test_profile_from_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(GOOD)
    assert profile(str(path)).main.columns["status"].words == (("paid", "confirmed"),)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (("source_system", "source_sytem"), "unknown key 'source_sytem'. Did you mean 'source_system'"),
        (('name = "orders"', 'name = "order"'), "'order' is no entity"),
        (("occurred_at =", "ocurred_at ="), "unknown key 'ocurred_at'. Did you mean 'occurred_at'"),
        (('from = "State"', 'form = "State"'), "unknown key 'form'. Did you mean 'from'"),
        (('from = "Placed"', 'from = "Placed", constant = "x"'), "say either from, first_of, cases or"),
        (('"confirmed"', '"paid"'), "'paid' is no word of order_states. Words: draft, confirmed"),
        (("[[entity]]", 'repeats = "drop"\n[[entity]]'), "repeats='drop' is not known. Use one of keep, mer"),
        (("[[entity]]", '[dialect]\ntimezone = "Europe/Berln"\n[[entity]]'), "Did you mean 'Europe/Berlin'"),
        (("[[entity]]", '[dialect]\ndelimiter = "::"\n[[entity]]'), "delimiter='::' must be one ASCII"),
        (("[[entity]]", '[dialect]\ndelimeter = ";"\n[[entity]]'), "unknown key 'delimeter'. Did you mean"),
        (("[[entity]]", '[dialect]\nthousands = "."\ndecimal = "."\n[[entity]]'), "thousands='.' is not kno"),
        (("[[entity]]", '[dialect]\ndate_format = "unix"\n[[entity]]'), "must be a pattern such as"),
        (("[[entity]]", "[[entity]"), "the profile cannot be read"),
        (("[[entity]]", "[entity]"), r"must be written as \[\[entity\]\]"),
        (("[[entity]]", 'evidence = "partial"\n[[entity]]'), "evidence='partial' must be"),
        (("[[entity]]", '[rows]\nfill_dwn = ["a"]\n[[entity]]'), "unknown key 'fill_dwn'. Did you mean"),
        (("[[entity]]", '[rows]\nignore = ["/(/"]\n[[entity]]'), "is no pattern"),
        (
            ('occurred_at = { from = "Placed", required = true }', ""),
            "shop.toml orders: occurred_at must be f",
        ),
        (
            ('from = "Placed"', 'from = "Placed", clean = "lowr"'),
            "'lowr' is no cleaner. Did you mean 'lower'",
        ),
        (('from = "State"', 'from = "State", factor = "2"'), "factor is for numbers; the column is TEXT"),
        (('from = "State"', 'from = "State", day = true'), "day is for dates; the column is TEXT"),
        (('from = "Placed"', 'from = "Placed", calendar = "julian"'), "calendar='julian' is not known"),
        (
            ('from = "Placed"', 'from = "Placed", date_format = ["%d/%m/%Y", "%m/%d/%Y"]'),
            "can read the same text as two days",
        ),
        (('from = "State"', 'cases = [{ if_tru = "A", then = "draft" }]'), "unknown key 'if_tru'. Did you"),
        (('from = "State"', 'cases = [{ if_true = "A", then = "won" }]'), "'won' is no word of order_states"),
        (('from = "State"', 'cases = [{ if_true = "A" }]'), "say either then"),
        (('from = "State"', 'cases = [{ if_equal = ["A"], then = "draft" }]'), r"if_equal = \[column, text"),
        (('name = "orders"', 'name = "orders"\nwhen = "Number"'), "must be a list of columns or tests"),
    ],
)
def test_wrong_profile_is_refused(change: tuple[str, str], match: str) -> None:
    assert parse_profile(GOOD, "shop.toml").main.entity == "orders"
    with pytest.raises(ProfileError, match=match):
        parse_profile(GOOD.replace(*change, 1), "shop.toml")


def test_profile_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"absent.toml: the profile cannot be read"):
        profile(str(tmp_path / "absent.toml"))
    with pytest.raises(ProfileError, match=r"'customer' is no profile. Did you mean 'customers'"):
        profile("customer")


def test_digest_tells_profiles_apart_and_not_the_order_of_columns() -> None:
    one = parse_profile(GOOD, "shop.toml")
    lines = GOOD.strip().split("\n")
    turned = "\n".join([*lines[:5], lines[6], lines[5], lines[7]])
    assert parse_profile(turned, "shop.toml").sha256 == one.sha256
    assert one.with_options(decimal=",", delimiter=";").sha256 != one.sha256
    assert parse_profile(GOOD.replace("Placed", "Date"), "x").sha256 != one.sha256


def test_headers_that_differ_in_marks_blanks_and_letters_are_one() -> None:
    assert fold_header("Stage Name") == fold_header("stage_name") == fold_header("StageName")
    assert fold_header("نام\u200cمشتری") == fold_header("نام مشتري")
    assert fold_header("Owner") != fold_header("Owner.id")


def test_very_name_wins_over_one_that_is_only_alike() -> None:
    found = find_columns(HeaderIndex([".id", "id", "ID"]), ["id", ".id"])
    assert (found.places, found.repeated) == ({"id": 1, ".id": 0}, {})
    absent = find_columns(HeaderIndex(["id"]), ["id", ".id"])
    assert absent.places == {"id": 0}, "the column id must not stand for .id as well"


def test_own_name_wins_over_other_spellings_and_their_order_counts() -> None:
    spellings = {"StageName": ["Stage", "Phase"]}
    assert find_columns(HeaderIndex(["Phase", "Stage", "stage name"]), ["StageName"], spellings).places == {
        "StageName": 2
    }
    assert find_columns(HeaderIndex(["Phase", "STAGE"]), ["StageName"], spellings).places == {"StageName": 0}
    assert find_columns(HeaderIndex(["x", "STAGE"]), ["StageName"], spellings).places == {"StageName": 1}


def test_column_that_comes_twice_is_told() -> None:
    assert find_columns(HeaderIndex(["a", "q", "q"]), ["q"]).repeated == {"q": 2}
    assert find_columns(HeaderIndex(["Q", "Q "]), ["q"]).repeated == {"q": 2}


def test_layout_that_knows_most_of_the_header_wins() -> None:
    names = ["customer_id", "order_id", "order_date", "product_id", "quantity", "unit_price", "currency", "x"]
    assert detect("x.csv", [(",", names)])[0].name == "transactions"
    with pytest.raises(FileRefused, match="column 'order_date' is missing for profile 'transactions'"):
        detect("x.csv", [(",", [name for name in names if name != "order_date"])])


def test_foreign_table_with_one_of_our_names_is_not_taken_for_ours() -> None:
    with pytest.raises(ProfileError, match="no profile fits"):
        detect("audit.csv", [(",", ["source_id", "action", "actor", "at", "ip"])])
    with pytest.raises(ProfileError, match="no profile fits"):
        detect("tags.csv", [(",", ["customer_id", "tag", "position"])])


def test_a_known_table_that_is_not_loaded_says_so_and_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "deal_stage.csv").write_text(
        "deal_id,date_entered,source,source_id,value,_fivetran_synced\n1,2024-01-01,x,y,z,\n"
    )
    with Warehouse.open() as wh:
        [one] = load(wh, tmp_path, received_at="2024-02-01")
    assert (one.status, one.reasons, one.trouble) == ("refused", {"not_loaded": 0}, None)
    assert "table 'deal_stage' of hubspot, which is known and not loaded (the stage" in one.issues[0].detail


def test_a_profile_is_called_near_only_where_half_of_what_it_requires_is_there() -> None:
    with pytest.raises(ProfileError, match="no profile fits") as refusal:
        detect("x.csv", [(",", ["customer_id", "shoe", "size", "colour", "lace"])])
    assert "Nearest" not in str(refusal.value)
    with pytest.raises(ProfileError, match=r"Nearest: transactions \(missing: order_date"):
        detect("x.csv", [(",", ["customer_id", "order_id", "quantity", "shoe"])])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("First Name,Last Name,Email", r"no profile fits .* Nearest: customers \(missing: customer_id\)"),
        (
            "First Name,Last Name,Email,Accepts Email Marketing,Total Spent",
            r"'Total Orders' is missing for profile 'shopify_customer'.* Nearest: customers \(missing: cust",
        ),
        (
            "نام,نام خانوادگی,ایمیل",
            r"'کد مشتری' \(or '.+'\) is missing .* Nearest: customers \(missing: customer_id\)",
        ),
        ("Vorname,Nachname,E-Mail,Ort,Schuhe", r"Nearest: customers \(missing: customer_id\)"),
        ("Rechnung,Kunden-Nr.,Datum,Gesamtbetrag", r"Nearest: plain_orders \(missing: only its own names"),
        ("sku,name,price", r"Nearest: plain_products"),
        ("shoe,lace,colour", r"None is near\."),
    ],
)
def test_a_refused_layout_is_told_with_what_is_missing_the_nearest_and_how_to_draft_one(
    names: str, told: str
) -> None:
    with pytest.raises((FileRefused, ProfileError), match=told) as refusal:
        detect("x.csv", [(",", names.split(","))])
    assert "`crm-analytics profile new FILE` drafts a layout for it" in str(refusal.value)


def test_lines_under_anybodys_names_are_not_taken_for_those_of_odoo() -> None:
    with pytest.raises(
        ProfileError, match=r"Nearest: transactions .*odoo_sale_order_line \(missing: product_uom"
    ):
        detect("x.csv", [(",", ["order_id", "product", "quantity", "unit_price", "currency"])])
    for names in (
        "order_id/id,Product,Quantity,Unit Price",
        "order_id,product_id,product_uom_qty,price_unit",
    ):
        assert detect("x.csv", [(",", names.split(","))])[0].name == "odoo_sale_order_line"


@pytest.mark.parametrize(
    "names", ["name,customer,email,phone", "name,reference,email", "contact_id,first_name,last_name,email"]
)
def test_a_list_of_people_under_anybodys_names_is_not_taken_for_one_of_a_system(names: str) -> None:
    with pytest.raises((ProfileError, FileRefused), match=r"Nearest: customers"):
        detect("x.csv", [(",", names.split(","))])


@pytest.mark.parametrize("name", OWN_COLUMNS)
def test_every_column_of_a_nearest_layout_is_one_of_the_layout(name: str) -> None:
    assert set(OWN_COLUMNS[name].values()) - {""} <= set(profiles()[name].sources)
    assert set(OWN_COLUMNS[name]) <= set(header_words())


def test_a_table_of_few_common_columns_is_named_only_where_the_file_is_named_so() -> None:
    columns = [(",", ["id", "status", "created_at", "updated_at"])]
    for file in ("shop/shopify_media_data.csv", "export.zip/ProductMedia/Media.csv"):
        with pytest.raises(FileRefused, match="table 'media' of shopify, which is known and not loaded"):
            detect(file, columns)
    for file in ("subscribers.csv", "multimedia.csv"):
        with pytest.raises(ProfileError, match="no profile fits"):
            detect(file, columns)
