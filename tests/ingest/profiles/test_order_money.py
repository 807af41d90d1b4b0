"""Is the money of a shop's exports what was sold less what was given back, however often they are loaded?"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from crm_analytics.ingest import Load, load
from crm_analytics.warehouse import Warehouse

FILES = Path(__file__).parent / "files"


@pytest.mark.parametrize("name", ["refunds", "refunds_newest_first"])
def test_a_refund_of_woocommerce_lowers_its_order_in_whatever_order_the_rows_stand(name: str) -> None:
    file = FILES / f"woocommerce_order.{name}.csv"
    with Warehouse.open(reporting_currency="EUR") as wh:
        [loaded] = load(wh, file, received_at="2025-07-01", default_currency="EUR")
        assert _net_amounts(wh) == {
            "woocommerce:101": Decimal(30),
            "woocommerce:102": Decimal(0),
            "woocommerce:103": Decimal(15),
            "woocommerce:104": Decimal(0),
        }
        assert "told_differently" not in _issues(wh, loaded)


def test_refunds_of_one_second_and_of_several_amounts_of_woocommerce_all_count(tmp_path: Path) -> None:
    lines = (FILES / "woocommerce_order.refunds.csv").read_text("utf-8").splitlines()
    refunds = [lines[3], lines[3].replace("-20", "-5").replace("€20", "€5")]
    with Warehouse.open(reporting_currency="EUR") as wh:
        for day, told in enumerate([refunds, refunds[::-1]], start=1):
            file = tmp_path / f"{day}.csv"
            file.write_text("\n".join([lines[0], lines[1], *told, ""]), encoding="utf-8")
            load(wh, file, received_at=f"2025-07-0{day}", default_currency="EUR")
            assert _net_amounts(wh) == {"woocommerce:101": Decimal(25)}


def test_equal_lines_and_numbers_used_again_of_shopify_count_once_each_in_every_delivery(
    tmp_path: Path,
) -> None:
    """The same export again changes nothing; one with an order more and a quantity corrected changes both."""
    file = FILES / "shopify_order.numbers_anew.csv"
    net: list[tuple[str, Decimal | int]] = [
        ("shopify:#1001", 20),
        ("shopify:#1001", 28),
        ("shopify:#1006", 20),
        ("shopify:#1007", 10),
    ]
    text = file.read_text("utf-8").replace(",2,Mug,10.00", ",3,Mug,10.00")
    later = tmp_path / "later.csv"
    later.write_text(f"{text}{text.splitlines()[1].replace('1006', '1008')}\n", encoding="utf-8")
    with Warehouse.open(reporting_currency="EUR") as wh:
        [loaded] = load(wh, file, received_at="2025-07-01")
        assert _orders(wh) == net
        assert "told_differently" in _issues(wh, loaded)
        load(wh, _copy(file, tmp_path / "again.csv"), received_at="2025-07-02")
        assert _orders(wh) == net
        load(wh, later, received_at="2025-07-03")
        net[1] = ("shopify:#1001", 38)
        assert _orders(wh) == [*net, ("shopify:#1008", 10)]


@pytest.mark.parametrize("other", ["", "5.00601E+12"])
@pytest.mark.parametrize("is_known_first", [True, False])
def test_an_order_of_shopify_told_with_its_id_and_without_it_is_one(
    tmp_path: Path, other: str, is_known_first: bool
) -> None:
    text = "".join((FILES / "shopify_order.numbers_anew.csv").read_text("utf-8").splitlines(True)[:3])
    told = [text, text.replace("5006000000001", other)]
    with Warehouse.open(reporting_currency="EUR") as wh:
        for number, one in enumerate(told if is_known_first else told[::-1], start=1):
            file = tmp_path / f"orders_export_{number}.csv"
            file.write_text(one, encoding="utf-8")
            load(wh, file, received_at=f"2025-07-0{number}")
        assert _orders(wh) == [("shopify:#1006", 20)]


def _copy(file: Path, path: Path) -> Path:
    """A file with the same records and other bytes, so that it is not known by its digest."""
    path.write_text(file.read_text("utf-8") + "\n", encoding="utf-8")
    return path


def _orders(wh: Warehouse) -> list[tuple[str, Decimal | int]]:
    """Number and net amount; one number may stand for several orders."""
    return wh.rows(
        "select order_id, net_amount "
        "from facts.orders_before(date '2025-12-01', _known_at := timestamptz '2025-12-01') order by all"
    )


def _net_amounts(wh: Warehouse) -> Mapping[str, Decimal]:
    rows = wh.rows(
        "select order_id, net_amount "
        "from facts.orders_before(date '2025-12-01', _known_at := timestamptz '2025-12-01')"
    )
    assert len({order for order, _ in rows}) == len(rows)
    return dict(rows)


def _issues(wh: Warehouse, loaded: Load) -> set[str]:
    rows = wh.rows("select issue from ops.load_issues where load_id = $load", load=loaded.load_id)
    return {issue for (issue,) in rows}
