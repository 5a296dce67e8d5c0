"""Displays draw what the estimators hold."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.pipeline import make_pipeline

import steepest
from steepest import CoefficientDisplay, ConvergenceDisplay
from steepest.exceptions import InvalidParameterError

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fits():
    X, y = load_diabetes(return_X_y=True)
    names = ("lbfgs", "gradient_descent")
    return {name: steepest.LinearRegressor(solver=name, alpha=1e-3).fit(X, y) for name in names}


def test_curves_are_the_histories(fits):
    display = ConvergenceDisplay.from_estimator(fits, x="seconds", y="objective")
    for line, fit in zip(display.lines_, fits.values(), strict=True):
        assert np.array_equal(line.get_xdata(), fit.history_["seconds"])
        assert np.array_equal(line.get_ydata(), fit.history_["objective"])
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.get_legend() is not None


def test_gaps_are_drawn_on_a_log_scale_with_the_level_that_was_asked(fits):
    fit = fits["lbfgs"]
    display = ConvergenceDisplay.from_estimator(fit)
    assert display.ax_.get_yscale() == "log"
    assert [text.get_text() for text in display.ax_.texts] == ["asked: 0.0001"]
    gaps = fit.history_["relative_gap"]
    assert np.array_equal(display.lines_[0].get_ydata(), gaps[np.isfinite(gaps) & (gaps > 0)])


def test_a_given_frame_is_used(fits):
    figure, ax = plt.subplots()
    display = ConvergenceDisplay.from_estimator(fits["lbfgs"], ax=ax, color="k")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display.lines_[0].get_color() == "k"


def test_bad_columns_and_unfitted_estimators(fits):
    with pytest.raises(InvalidParameterError, match="x: expected one of passes, seconds, iteration, got 'time'"):
        ConvergenceDisplay.from_estimator(fits, x="time")
    with pytest.raises(InvalidParameterError, match="y: expected one of"):
        ConvergenceDisplay.from_estimator(fits, y="loss")
    with pytest.raises(InvalidParameterError, match="Ridge is not fitted"):
        ConvergenceDisplay.from_estimator(steepest.Ridge())


def test_bars_are_the_largest_coefficients():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    model = steepest.Ridge(alpha=0.1).fit(X, y)
    display = CoefficientDisplay.from_estimator(model, top=4)
    order = np.argsort(-np.abs(model.coef_))[:4]
    assert [label.get_text() for label in display.axes_[0].get_yticklabels()] == list(X.columns[order])
    assert np.allclose([bar.get_width() for bar in display.axes_[0].patches], model.coef_[order])


def test_names_come_through_a_pipeline():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = pd.DataFrame(X)
    display = CoefficientDisplay.from_estimator(
        make_pipeline(steepest.Scaler(), steepest.LogisticRegression()).fit(X, y)
    )
    assert len(display.axes_) == 3
    assert {label.get_text() for label in display.axes_[0].get_yticklabels()} <= set(X.columns)
    assert [frame.get_title() for frame in display.axes_] == ["0", "1", "2"]


def test_pictures_share_one_scale():
    X, y = load_digits(return_X_y=True)
    model = steepest.LogisticRegression(C=1e-3).fit(X, y)
    display = CoefficientDisplay.from_estimator(model, image_shape=(8, 8))
    assert len(display.axes_) == 10
    assert {frame.images[0].get_clim() for frame in display.axes_} == {
        (-np.abs(model.coef_).max(), np.abs(model.coef_).max())
    }
    assert np.array_equal(display.axes_[3].images[0].get_array(), model.coef_[3].reshape(8, 8))


def test_what_does_not_fit_is_said():
    X, y = load_iris(return_X_y=True)
    model = steepest.LogisticRegression().fit(X, y)
    with pytest.raises(InvalidParameterError, match="expected a shape of 4 pixels"):
        CoefficientDisplay.from_estimator(model, image_shape=(3, 3))
    with pytest.raises(InvalidParameterError, match="expected 4 names, got 1"):
        CoefficientDisplay.from_estimator(model, feature_names=["a"])
    with pytest.raises(InvalidParameterError, match="one frame holds one output"):
        CoefficientDisplay.from_estimator(model, ax=plt.subplots()[1])
    with pytest.raises(InvalidParameterError, match="has no coef_"):
        CoefficientDisplay.from_estimator(steepest.Lasso())
