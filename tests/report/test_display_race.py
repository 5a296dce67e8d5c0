"""Pictures of races and of trajectories show their numbers; names do not touch; the page can be read by a browser."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import os
import re
import shutil
import subprocess

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris

import steepest
from steepest import RaceDisplay, TrajectoryDisplay, functions
from steepest.exceptions import InvalidParameterError
from steepest.racing.page import render
from steepest.report.display_race import LEAST, Curve
from steepest.report.labels import spread, style
from steepest.report.svg_curves import Line, curve_chart, log_ticks

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def race():
    X, y = load_iris(return_X_y=True)
    names = ["newton-cg", "lbfgs", "gradient_descent", "closed_form"]
    return steepest.race(X, y, alpha=1e-2, solvers=names, max_iter=12, repeat=1, verbose=0)


@pytest.fixture(scope="module")
def valley():
    f = functions.get("rosenbrock")
    solvers = ["newton", "bfgs", "gradient_descent"]
    return f, steepest.race(f, f.start, grad=f.grad, solvers=solvers, max_iter=60, repeat=1, verbose=0)


# ------------------------------------------------------------------------------------------------- places


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), st.floats(0.01, 0.04))
def test_names_do_not_touch_and_keep_their_order(wanted, least):
    found = spread(wanted, least)
    order = np.argsort(wanted, kind="stable")
    placed = np.array(found)[order]
    assert np.all(np.diff(placed) >= least - 1e-9)
    assert placed[0] >= -1e-9
    assert placed[-1] <= 1.0 + 1e-9


def test_too_many_names_share_the_room():
    np.testing.assert_allclose(np.sort(spread([0.5] * 6, 0.9)), np.linspace(0.0, 1.0, 6))


def test_styles_differ():
    assert len({style(i) for i in range(28)}) == 28


# ------------------------------------------------------------------------------------------------- curves


def test_both_panels_show_the_numbers_of_the_race(race):
    display = race.plot()
    assert isinstance(display, RaceDisplay)
    assert [*display.lines_] == [run.name for run in race.runs]
    for panel, x in zip(display.axes_, ("passes", "seconds"), strict=True):
        assert panel.get_xscale() == panel.get_yscale() == "log"
        assert x in panel.get_xlabel()
    for run in race.runs:
        passes, seconds = display.lines_[run.name]
        np.testing.assert_allclose(passes.get_ydata(), np.maximum(race.suboptimality(run), LEAST))
        np.testing.assert_allclose(passes.get_xdata(), run.history["passes"])
        np.testing.assert_allclose(seconds.get_ydata(), passes.get_ydata())
    assert display.axes_[0].get_ylabel() == "relative suboptimality, at most"
    display.figure_.canvas.draw()


def test_names_stand_beside_their_curves_and_do_not_overlap(race):
    display = race.plot(x="passes")
    display.figure_.canvas.draw()
    texts = {text.get_text(): text for text in display.axes_[0].texts}
    boxes = [texts[run.name].get_window_extent() for run in race.runs]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x1 <= display.figure_.bbox.x1
    failed = [run.name for run in race.runs if not run.success]
    assert failed == ["gradient_descent"]
    assert [name for name, text in texts.items() if text.get_style() == "italic"] == failed


def test_own_axes_and_keywords(race):
    _, ax = plt.subplots()
    display = RaceDisplay.from_race(race, x="iteration", ax=ax, linewidth=3.0)
    assert display.axes_ == [ax]
    assert all(line.get_linewidth() == 3.0 for (line,) in display.lines_.values())
    with pytest.raises(InvalidParameterError, match="x: expected of passes, seconds, iteration, got 'epochs'"):
        RaceDisplay.from_race(race, x="epochs")
    with pytest.raises(InvalidParameterError, match="ax: expected 2 axes, one a panel, got 1"):
        RaceDisplay.from_race(race, ax=ax)


def test_zeros_and_what_is_not_known_can_be_drawn():
    nan = math.nan
    share = np.array([1.0, nan, 0.0])
    curves = [
        Curve("a", {"passes": np.array([0.0, 1.0, 2.0])}, share),
        Curve("b", {"passes": np.array([nan])}, share[:1]),
    ]
    display = RaceDisplay(curves).plot(x="passes")
    assert display.lines_["a"][0].get_xydata().tolist() == [[1.0, 1.0], [2.0, LEAST]]
    assert len(display.lines_["b"][0].get_xydata()) == 0
    display.figure_.canvas.draw()


def test_calls_of_a_function(valley):
    display = valley[1].plot()
    assert display.axes_[0].get_xlabel() == "calls of the function"
    assert display.tol is None
    assert display.axes_[0].get_ylabel() == "above the least value, as a share of the start"


# ------------------------------------------------------------------------------------------- trajectories


def test_trajectories_of_a_race(valley):
    f, race = valley
    display = TrajectoryDisplay.from_function(f, race, n=21)
    for run in race.runs:
        np.testing.assert_array_equal(display.lines_[run.name].get_xydata(), run.result.path)
    (low, high), (bottom, top) = display.ax_.get_xlim(), display.ax_.get_ylim()
    for run in race.runs:
        assert np.all((run.result.path > [low, bottom]) & (run.result.path < [high, top]))
    lines = display.ax_.get_lines()
    (star,) = [line for line in lines if line.get_marker() == "*"]
    assert star.get_xydata().tolist() == [[1.0, 1.0]]
    (square,) = [line for line in lines if line.get_marker() == "s"]
    assert square.get_xydata().tolist() == [f.start.tolist()]
    ends = [line.get_xydata()[0].tolist() for line in lines if line.get_marker() == "o"]
    assert ends == [run.result.path[-1].tolist() for run in race.runs]
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names[0] == f"newton, {len(race.runs[0].result.path) - 1} rounds"
    # the surface is that of the function
    i, j = 3, 17
    at = np.array([display.surface.centre[0] + display.surface.a[j], display.surface.centre[1] + display.surface.b[i]])
    assert display.surface.values[i, j] == pytest.approx(f(at))
    display.figure_.canvas.draw()


def test_paths_in_every_form():
    def f(x):
        return x[0] ** 2 + 4.0 * x[1] ** 2

    straight = [[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    display = TrajectoryDisplay.from_function(f, np.array(straight), n=9)
    assert [*display.lines_] == ["path 1"]
    assert np.diff(display.ax_.get_ylim()) > 0.2
    found = steepest.minimize(f, [2.0, 1.0], method="bfgs")
    _, ax = plt.subplots()
    display = TrajectoryDisplay.from_function(
        f, [found, straight], n=9, ax=ax, span=(-3, 3, -2, 2), minima=[[0.0, 0.0]], colorbar=False
    )
    assert [*display.lines_] == ["bfgs", "path 2"]
    assert ax.get_xlim() == (-3.0, 3.0)
    assert len(display.figure_.axes) == 1
    display.figure_.canvas.draw()
    lone = TrajectoryDisplay.from_function(f, np.array(straight), n=9, color="#112233")
    assert [line.get_color() for line in lone.ax_.lines[:2]] == ["#112233"] * 2  # the path, and the disc at its end


def test_errors_of_trajectories():
    with pytest.raises(InvalidParameterError, match="paths: expected at least one path"):
        TrajectoryDisplay.from_function(lambda x: x @ x, [])
    with pytest.raises(InvalidParameterError, match=r"paths: expected points of two numbers, .*LandscapeDisplay"):
        TrajectoryDisplay.from_function(lambda x: x @ x, [np.zeros((4, 3))])
    with pytest.raises(InvalidParameterError, match="span: expected"):
        TrajectoryDisplay.from_function(lambda x: x @ x, [[[0.0, 1.0]]], span=(1, 0, 0, 1))
    with pytest.raises(InvalidParameterError, match="paths: expected finite points"):
        TrajectoryDisplay.from_function(lambda x: x @ x, [np.full((2, 2), np.nan)])
    with pytest.raises(InvalidParameterError, match="paths: 'a' has no point"):
        TrajectoryDisplay.from_function(lambda x: x @ x, {"a": np.empty((0, 2))})


# --------------------------------------------------------------------------------------------------- page


class Page(html.parser.HTMLParser):
    """Tags, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def embedded(text):
    return json.loads(re.search(r'id="steepest-race">(.*?)</script>', text, re.DOTALL).group(1))


def test_the_page_tells_all(race, tmp_path):
    race.save_html(tmp_path / "race.html")
    assert os.listdir(tmp_path) == ["race.html"]
    text = (tmp_path / "race.html").read_text(encoding="utf-8")
    page = Page(text)
    words = " ".join(page.words)
    assert race.advice in words
    assert race.objective in words
    assert "needs the squared loss" in words
    assert sum(tag == "svg" for tag, _ in page.tags) == 2
    assert not {name for _, attributes in page.tags for name in attributes} & {"href", "src", "onload", "onclick"}
    assert sum("curve" in attributes.get("class", "") and tag == "path" for tag, attributes in page.tags) == 6
    assert "url(" not in text
    found = embedded(text)
    assert [row["name"] for row in found["runs"]] == [run.name for run in race.ranking]
    assert found["runs"][0]["history"]["objective"] == race.ranking[0].history["objective"].tolist()
    assert found["lower"] == race.lower
    assert found["skipped"] == race.skipped


def test_text_from_outside_is_escaped(race):
    evil = "</script><img src=x onerror=alert(1)>&"
    runs = [dataclasses.replace(run, name=f"{run.name}{evil}") for run in race.runs]
    other = dataclasses.replace(race, objective=evil, runs=runs, skipped={evil: evil})
    text = render(other, title=evil)
    page = Page(text)
    assert [attributes for tag, attributes in page.tags if tag == "img"] == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert embedded(text)["objective"] == evil


def test_a_failure_leaves_the_old_page(race, tmp_path):
    path = tmp_path / "race.html"
    path.write_text("old")
    broken = dataclasses.replace(race, runs=[None])
    with pytest.raises(AttributeError):
        broken.save_html(path)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["race.html"]


def test_ticks_and_charts():
    assert log_ticks(3.0, 4.0) == [3.0, 4.0]
    assert curve_chart([Line("a", np.array([np.nan]), np.array([1.0]))], title="t", x_label="x", y_label="y") == ""
    many = [Line(f"solver {i}", np.array([1.0, 10.0]), np.array([1.0, 1e-3])) for i in range(40)]
    tall = curve_chart(many, title="t", x_label="x", y_label="y")
    heights = sorted(float(y) for y in re.findall(r'<text class="c\d" x="[\d.]+" y="([\d.]+)"', tall))
    assert len(heights) == 40
    assert np.diff(heights).min() >= 13.0
    long = Line("long", np.arange(1.0, 5001.0), np.geomspace(1.0, 1e-9, 5000))
    assert len(curve_chart([long], title="t", x_label="x", y_label="y")) < 15_000


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: install it to see pages as people see them")
@pytest.mark.parametrize("width", [1100, 420])
def test_a_browser_shows_the_page(race, tmp_path, width):
    import matplotlib.image

    race.save_html(tmp_path / "race.html")
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars", *quiet]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"]
    command += [f"--window-size={width},1600", (tmp_path / "race.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    pixels = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
    colours = pixels.reshape(-1, 3)
    for i in range(3):  # each curve in its colour
        wanted = np.array([int(style(i)[0][k : k + 2], 16) / 255.0 for k in (1, 3, 5)])
        assert (np.abs(colours - wanted).max(axis=1) < 0.02).sum() > 20
