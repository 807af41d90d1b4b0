"""Do charts show the figures they are given, and nothing that data could smuggle in?"""

from __future__ import annotations

from xml.etree import ElementTree

import pandas as pd
import pytest

from crm_analytics.reports import charts

EVIL = '<script>alert(1)</script>"&'


def elements(svg: str, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(name))


def test_bars_are_as_long_as_their_values() -> None:
    data = pd.DataFrame({"name": ["a", "b", "c"], "size": [10.0, 5.0, None], "words": ["x", "y", "z"]})
    svg, shown = charts.bars(data, label="name", value="size", text="words", title="t")
    widths = [float(rect.attrib["width"]) for rect in elements(svg, "rect")]
    assert widths[1] == pytest.approx(widths[0] / 2)
    assert widths[2] == 0
    assert list(shown.columns) == ["name", "size"]


def test_text_from_data_is_escaped() -> None:
    data = pd.DataFrame({"name": [EVIL], "size": [1.0], "words": [EVIL]})
    for chart in (
        charts.bars(data, label="name", value="size", text="words", title=EVIL),
        charts.columns(data, label="name", value="size", tick=str, title=EVIL, faint_last=True),
        charts.histogram(data["size"], tick=lambda value: EVIL, title=EVIL, axis=EVIL),
    ):
        assert not elements(chart[0], "script")
        assert any(text.text == EVIL for text in elements(chart[0], "text"))


def test_a_histogram_counts_every_customer_once() -> None:
    values = pd.Series([0.0, 1.0, 2.0, 50.0, 10_000.0, None])
    _, data = charts.histogram(values, tick=str, title="t", axis="a")
    assert data["customer_count"].sum() == 5


def test_no_values_draw_no_chart() -> None:
    assert charts.histogram(pd.Series([None], dtype=float), tick=str, title="t", axis="a")[0] == ""
    assert charts.share_curve(pd.Series([0.0, -1.0]), title="t")[0] == ""


def test_the_share_curve_ends_at_everything_and_rises_fastest_first() -> None:
    _, data = charts.share_curve(pd.Series([70.0, 10.0, 10.0, 10.0]), title="t")
    shares = data.set_index("customer_share")["value_share"]
    assert shares.loc[0.25] == pytest.approx(0.7)
    assert shares.iloc[-1] == pytest.approx(1.0)
