"""The picture of a landscape shows its numbers."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import steepest.losses as sl
from steepest import LandscapeDisplay
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem

mpl.use("Agg")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.sign(X[:, 0] + 0.5 * RNG.normal(size=60))


def problem(rows):
    return LinearProblem(as_source(X[rows]), Y[rows], np.full(len(rows), 1 / len(rows)), sl.Logistic(), L2(0.1), False)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_level_sets_with_a_path():
    path = np.array([[2.0, 1.0], [-1.0, 0.5], [0.3, -0.2], [0.0, 0.0]])
    display = LandscapeDisplay.from_function(lambda x: x[0] ** 2 + 4 * x[1] ** 2, path=path, n=21)
    np.testing.assert_allclose(display.lines_[0].get_xydata(), path)
    assert len(display.contours_) == len(display.axes_) == 1
    levels = display.contours_[0].levels
    assert np.all(np.diff(levels) > 0)
    assert levels[0] == 0.0
    star = [line for line in display.ax_.get_lines() if line.get_marker() == "*"]
    assert star[0].get_xydata().tolist() == [[0.0, 0.0]]
    display.figure_.canvas.draw()


def test_batches_are_drawn_at_the_same_places():
    whole = problem(np.arange(60))
    batches = [problem(rows) for rows in np.array_split(np.arange(60), 4)]
    path = RNG.normal(size=(5, 3))
    display = LandscapeDisplay.from_function(whole, path=path, batches=batches, n=9)
    assert [ax.get_title() for ax in display.axes_] == ["all data", "batch 1", "batch 2", "batch 3", "batch 4"]
    assert len(display.lines_) == 5
    for part, batch in zip(display.batches.values(), batches, strict=True):
        np.testing.assert_array_equal(part.a, display.landscape.a)
        np.testing.assert_allclose([part.u, part.v], [display.landscape.u, display.landscape.v], rtol=1e-12)
        there = part.centre + part.a[2] * part.u + part.b[7] * part.v
        assert part.values[7, 2] == pytest.approx(batch.evaluate(there).value)
    # the mean of batches of equal size is the whole
    mean = np.mean([part.values for part in display.batches.values()], axis=0)
    np.testing.assert_allclose(mean, display.landscape.values, rtol=1e-12)
    display.figure_.canvas.draw()


def test_slices_with_batches():
    whole = problem(np.arange(60))
    batches = {"first": problem(np.arange(30)), "second": problem(np.arange(30, 60))}
    _, ax = plt.subplots()
    display = LandscapeDisplay.from_function(whole, np.ones(3), kind="slices", batches=batches, n=11, ax=ax)
    assert display.ax_ is ax
    assert len(display.lines_) == 2 * 3
    np.testing.assert_array_equal(display.lines_[2].get_ydata(), display.landscape.values[0])
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), display.batches["first"].values[0])
    assert [text.get_text()[:16] for text in ax.get_legend().get_texts()] == ["largest curvatur", "smallest curvatu"]
    display.figure_.canvas.draw()


def test_values_that_are_not_finite_or_all_equal_are_drawn_too():
    LandscapeDisplay.from_function(
        lambda x: np.log(x[0]) ** 2 + x[1] ** 2, [1.0, 0.0], span=2.0, n=11
    ).figure_.canvas.draw()
    LandscapeDisplay.from_function(lambda x: 5.0, [1.0, 0.0], n=5).figure_.canvas.draw()
    with pytest.raises(InvalidParameterError, match="finite values on the plane"):
        LandscapeDisplay.from_function(lambda x: np.nan, [1.0, 0.0], n=5)


def test_errors_name_the_argument():
    with pytest.raises(InvalidParameterError, match="kind: expected 'levels' or 'slices'"):
        LandscapeDisplay.from_function(lambda x: x @ x, [0.0, 0.0], kind="3d")
    with pytest.raises(InvalidParameterError, match="x: expected the point to cut through"):
        LandscapeDisplay.from_function(lambda x: x @ x, kind="slices")
    levels = LandscapeDisplay.from_function(lambda x: x @ x, [0.0, 0.0], n=5).landscape
    lines = LandscapeDisplay.from_function(lambda x: x @ x, [0.0, 0.0], kind="slices", n=5).landscape
    with pytest.raises(InvalidParameterError, match="batches: expected Surface of each, got Slices of b"):
        LandscapeDisplay(levels, batches={"b": lines})
    _, ax = plt.subplots()
    with pytest.raises(InvalidParameterError, match="ax: expected None where there are batches"):
        LandscapeDisplay.from_function(lambda x: x @ x, [0.0, 0.0], batches=[lambda x: x @ x], n=5, ax=ax)
