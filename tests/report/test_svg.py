"""Charts: ticks, places of points, what is left out, and text that cannot break out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.report.svg import Series, bar_chart, line_chart, linear_axis, log_axis, scatter_chart

NS = {"s": "http://www.w3.org/2000/svg"}


def points(chart: str, style: str = "main") -> list[tuple[float, float]]:
    path = next(p for p in ET.fromstring(chart).findall("s:path", NS)[::-1] if p.get("class") == style)
    return [tuple(map(float, pair.split())) for pair in path.get("d")[1:].split("L")]


finite = st.floats(-1e12, 1e12, allow_nan=False)


@given(finite, finite, st.booleans())
def test_linear_axis_covers_the_data_with_few_ticks(a, b, tight):
    low, high = min(a, b), max(a, b)
    axis = linear_axis(low, high, tight=tight)
    slack = 1e-8 * (high - low)
    assert axis.low <= low + slack
    assert axis.high >= high - slack
    assert axis.low < axis.high
    assert 1 <= len(axis.ticks) <= 9
    assert len(axis.ticks) == len(axis.labels)


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300))
def test_log_axis_covers_the_data_with_few_ticks(a, b):
    low, high = min(a, b), max(a, b)
    axis = log_axis(low, high)
    assert axis.low <= low * (1 + 1e-6)
    assert axis.high >= high * (1 - 1e-6)
    assert 1 <= len(axis.ticks) <= 8


def test_labels_tell_ticks_apart():
    for low, high in [(0.27012, 0.27015), (0, 1e7), (0, 3e-9), (-5, 5), (0.1, 97)]:
        labels = linear_axis(low, high).labels
        assert len(set(labels)) == len(labels)
    assert log_axis(1e-9, 2).labels[0] == "10⁻⁹"


def test_a_line_passes_through_its_points():
    chart = line_chart(
        [Series("f", np.array([0.0, 5, 10]), np.array([1.0, 0.1, 0.01]))],
        title="t",
        x_label="x",
        y_label="y",
        log_y=True,
    )
    (x0, y0), (x1, y1), (x2, y2) = points(chart)
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y1 - y0 == pytest.approx(y2 - y1, abs=0.2)
    assert y0 < y2  # larger values stand higher


def test_points_without_a_place_are_left_out():
    y = np.array([np.nan, 1.0, np.inf, 0.5, -1.0])
    series = [Series("f", np.arange(5.0), y)]
    assert len(points(line_chart(series, title="t", x_label="x", y_label="y"))) == 3
    assert len(points(line_chart(series, title="t", x_label="x", y_label="y", log_y=True))) == 2
    empty = [Series("f", np.arange(2.0), np.array([np.nan, np.nan]))]
    assert line_chart(empty, title="t", x_label="x", y_label="y") == ""


def test_long_curves_are_thinned_but_keep_their_ends():
    y = np.linspace(3, 1, 100_000)
    chart = line_chart([Series("f", np.arange(1e5), y)], title="t", x_label="x", y_label="y")
    assert 700 < len(points(chart)) <= 800
    assert len(chart) < 30_000


def test_charts_have_names_for_readers_of_the_screen_and_escape_them():
    chart = bar_chart(["<b>&\"'"], np.array([-1.0]), title="</svg><script>")
    tree = ET.fromstring(chart)
    assert tree.get("role") == "img"
    assert tree.find("s:title", NS).text == "</svg><script>"
    assert "<b>" in tree.find("s:desc", NS).text
    assert "<script>" not in chart


def test_bars_are_as_long_as_their_values():
    tree = ET.fromstring(bar_chart(["a", "b", "c"], np.array([2.0, -1.0, 0.0]), title="t"))
    widths = [float(bar.get("width")) for bar in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert widths[2] == 0
    assert [bar.get("class") for bar in tree.iter("{http://www.w3.org/2000/svg}rect")] == ["plus", "minus", "plus"]


def test_scatter_stays_inside_its_frame():
    rng = np.random.default_rng(3)
    chart = scatter_chart(rng.normal(size=50) * 1e5, rng.normal(size=50), title="t", x_label="x", y_label="y")
    places = re.findall(r'<circle class="dot" cx="([-\d.]+)" cy="([-\d.]+)"', chart)
    assert len(places) == 50
    assert all(62 <= float(x) <= 424 and 52 <= float(y) <= 236 for x, y in places)
