"""Pictures of margins: lines where the model has them, segments as long as slacks, counts that are those of the fit."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.pipeline import make_pipeline

import steepest
from steepest import DualDisplay, LinearSVC, LinearSVR, MarginDisplay
from steepest.exceptions import DataError, InvalidParameterError
from steepest.report.display_margin import thinned
from steepest.report.margin_plane import edges
from steepest.report.margins import multipliers

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X, names = X[["petal length (cm)", "petal width (cm)"]], np.array(["setosa", "versicolor", "virginica"])[y]
    return X, names


@pytest.fixture(scope="module")
def two(flowers):
    X, y = flowers
    X, y = X[y != "setosa"], y[y != "setosa"]
    return X, y, LinearSVC(loss="hinge", tol=1e-7).fit(X, y)


def test_the_lines_are_where_the_scores_are(two):
    X, y, model = two
    display = MarginDisplay.from_estimator(model, X, y)
    lines = [line for line in display.ax_.lines if len(line.get_xdata()) == 2]
    found = []
    for line in lines:
        z = model.decision_function(pd.DataFrame(np.array(line.get_data()).T, columns=X.columns))
        assert z[0] == pytest.approx(z[1], abs=1e-9)
        found.append(round(float(z[0]), 9))
    assert sorted(found) == [-1.0, 0.0, 1.0]
    assert display.ax_.get_xlabel() == "petal length (cm)"
    assert f"2/|w| = {model.margin_:.3g}" in [text.get_text() for text in display.ax_.texts]
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[:2] == ["versicolor", "virginica"]
    assert f"support vectors ({len(model.support_)})" in texts


def test_a_slack_ends_on_the_margin_line_of_its_class(two):
    X, y, model = two
    display = MarginDisplay.from_estimator(model, X, y)
    np.testing.assert_allclose(display.slacks_, model.slacks_, atol=1e-12)
    (pieces,) = (c for c in display.ax_.collections if type(c).__name__ == "LineCollection")
    ends = np.array(pieces.get_segments())
    assert len(ends) == (model.slacks_ > 1e-3).sum()
    z = ends @ model.coef_[0] + model.intercept_[0]
    np.testing.assert_allclose(np.abs(z[:, 1]), 1.0, atol=1e-9)
    lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    slacks = model.slacks_[model.slacks_ > 1e-3]
    np.testing.assert_allclose(lengths, slacks * model.margin_ / 2.0, rtol=1e-9)


def test_hard_margins_have_no_slacks_and_sit_on_support_vectors(flowers):
    X, y = flowers
    X, y = X[y != "virginica"], y[y != "virginica"]
    model = LinearSVC(hard_margin=True).fit(X, y)
    display = MarginDisplay.from_estimator(model, X, y)
    assert not [c for c in display.ax_.collections if type(c).__name__ == "LineCollection"]
    np.testing.assert_allclose(np.abs(display.scores[display.support_, 0]), 1.0, atol=1e-3)
    assert display.margin == pytest.approx(model.margin_)


def test_regions_are_the_predictions(flowers):
    X, y = flowers
    model = LinearSVC(loss="hinge").fit(X, y)
    display = MarginDisplay.from_estimator(model, X, y)
    lines = [line for line in display.ax_.lines if len(line.get_xdata()) == 2]
    for line in lines:  # each is a level of the score of the class of its colour
        code = ["#0072b2", "#d55e00", "#009e73"].index(line.get_color())
        z = np.array(line.get_data()).T @ model.coef_[code] + model.intercept_[code]
        assert np.allclose(z, np.round(z[0]), atol=1e-9)
        assert abs(z[0]) <= 1.0 + 1e-9
    assert display.slacks_.shape == (150, 3)
    np.testing.assert_array_equal(display.support_, model.support_)


def test_scores_of_any_number_of_features():
    X, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(steepest.Scaler(), LinearSVC(loss="hinge", C=0.1)).fit(X, y)
    with pytest.raises(InvalidParameterError, match=r"draws models of 2 features, this one has 30.*kind='scores'"):
        MarginDisplay.from_estimator(model, X, y)
    display = MarginDisplay.from_estimator(model, X, y, kind="scores")
    bars = [patch for patch in display.ax_.patches if type(patch).__name__ == "Rectangle"]
    assert sum(bar.get_height() for bar in bars) == len(y)
    left = sum(bar.get_height() for bar in bars if bar.get_x() + bar.get_width() < 1e-9)
    right = sum(bar.get_height() for bar in bars) - left  # zero is an edge
    z = model.decision_function(X)
    assert abs(left - (z < 0).sum()) <= 1
    assert abs(right - (z >= 0).sum()) <= 1
    several = LinearSVC().fit(X[:, :5], np.digitize(X[:, 0], [12.0, 16.0]))
    shown = MarginDisplay.from_estimator(several, X[:, :5], np.digitize(X[:, 0], [12.0, 16.0]), kind="scores")
    assert "own class" in shown.ax_.get_xlabel()


def test_the_tube_of_a_regression(flowers):
    X, _ = flowers
    x, y = X[["petal length (cm)"]], X["petal width (cm)"].to_numpy()
    model = LinearSVR(epsilon=0.3, C=10.0, tol=1e-6).fit(x, y)
    display = MarginDisplay.from_estimator(model, x, y)
    np.testing.assert_allclose(display.slacks_, model.slacks_, atol=1e-12)
    sides = [line for line in display.ax_.lines if len(line.get_xdata()) == 2]
    offsets = sorted(
        round(float(line.get_ydata()[0] - model.coef_[0] * line.get_xdata()[0] - model.intercept_), 9) for line in sides
    )
    assert offsets == [-0.3, 0.0, 0.3]
    assert "residual" in MarginDisplay.from_estimator(model, x, y, kind="scores").ax_.get_xlabel()
    with pytest.raises(InvalidParameterError, match="draws models of 1 feature, this one has 2"):
        MarginDisplay.from_estimator(LinearSVR().fit(X, y), X, y)


def test_frames_are_the_rounds_of_the_fit(two):
    X, y, _ = two
    model = steepest.SGDClassifier(alpha=0.02, learning_rate="pegasos", average=False, tol=None, max_iter=30)
    frames = MarginDisplay.frames(model, X, y)
    assert [frame.round_ for frame in frames] == [0, 1, 2, 3, 5, 10, 17, 30]
    assert len({id(frame.figure_) for frame in frames}) == 1
    model.fit(X, y)
    np.testing.assert_array_equal(frames[-1].coef, model.coef_)
    np.testing.assert_array_equal(frames[-1].intercept, model.intercept_)
    early = steepest.SGDClassifier(alpha=0.02, learning_rate="pegasos", average=False, tol=None, max_iter=2).fit(X, y)
    np.testing.assert_array_equal(frames[2].coef, early.coef_)
    assert not frames[0].coef.any()
    with pytest.raises(InvalidParameterError, match="rounds: expected rounds that the fit took, 0 to 30, got 31"):
        MarginDisplay.frames(model, X, y, rounds=[1, 31])
    with pytest.raises(InvalidParameterError, match="one score"):
        MarginDisplay.frames(LinearSVC(), *load_iris(return_X_y=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_multipliers_are_counted(weighted):
    X, y = load_breast_cancer(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    s = np.random.default_rng(0).uniform(0.5, 2.0, len(y)) if weighted else None
    model = LinearSVC(loss="hinge", C=0.1, tol=1e-8).fit(X, y, s)
    display = DualDisplay.from_estimator(model, y, sample_weight=s)
    t = np.where(y == 1, 1.0, -1.0)
    margins = t * model.decision_function(X)
    for code, name in enumerate(("0", "1")):
        at_zero, free, at_limit = display.counts_[name]
        mine = y == code
        assert at_zero + free + at_limit == mine.sum()
        assert at_limit <= (margins[mine] <= 1.0 + 1e-5).sum()
        assert at_zero <= (margins[mine] >= 1.0 - 1e-5).sum()
        assert free == pytest.approx((np.abs(margins[mine] - 1.0) < 1e-5).sum(), abs=2)
        assert free + at_limit == model.n_support_[code]
    if weighted:  # whose limits cannot be guessed
        assert multipliers(model, y).limits is None
        assert display.duals.limits is not None


def test_limits_follow_class_weights_and_losses(two):
    X, y, plain = two
    model = LinearSVC(loss="hinge", class_weight="balanced", C=0.5, tol=1e-6).fit(X[:80], y[:80])
    found = multipliers(model, y[:80])
    counts = np.array([(y[:80] == name).sum() for name in model.classes_])
    np.testing.assert_allclose(found.limits, (0.5 * 80.0 / (2.0 * counts))[found.codes])
    assert np.all(found.values <= found.limits * (1.0 + 1e-9))
    assert multipliers(model).limits is None  # balanced, and nobody says between what
    assert multipliers(LinearSVC().fit(X, y), y).limits is None
    slacks = DualDisplay.from_estimator(plain, y, kind="slacks")
    assert sum(patch.get_height() for patch in slacks.ax_.patches) == (plain.slacks_ > 1e-3).sum()


def test_duals_of_regressions_and_of_several_classes(flowers):
    X, y = flowers
    model = LinearSVC(loss="hinge", tol=1e-6).fit(X, y)
    display = DualDisplay.from_estimator(model, y, problem=1)
    assert list(display.counts_) == ["versicolor", "the rest"]
    assert sum(count.support for count in display.counts_.values()) == (model.dual_coef_[1] != 0.0).sum()
    with pytest.raises(InvalidParameterError, match="problem: expected one of 0 to 2"):
        DualDisplay.from_estimator(model, y, problem=3)
    line = LinearSVR(epsilon=0.2).fit(X.iloc[:, :1], X.iloc[:, 1])
    sides = DualDisplay.from_estimator(line)
    assert sum(count.support for count in sides.counts_.values()) == len(line.support_)
    DualDisplay.from_estimator(line, kind="slacks")


def test_what_is_refused(two):
    X, y, model = two
    with pytest.raises(InvalidParameterError, match="expected a fitted LinearSVC or LinearSVR, got Ridge"):
        DualDisplay.from_estimator(steepest.Ridge())
    with pytest.raises(InvalidParameterError, match="expected a fitted linear model"):
        MarginDisplay.from_estimator(LinearSVC(), X, y)
    with pytest.raises(InvalidParameterError, match="kind: expected one of plane, scores"):
        MarginDisplay.from_estimator(model, X, y, kind="surface")
    with pytest.raises(InvalidParameterError, match="kind: expected one of multipliers, slacks"):
        DualDisplay.from_estimator(model, y, kind="plane")
    with pytest.raises(DataError, match="expected labels among"):
        MarginDisplay.from_estimator(model, X, np.full(len(y), "rose"))
    with pytest.raises(InvalidParameterError, match="X: expected rows of 2 features"):
        MarginDisplay.from_estimator(model, np.ones((3, 5)), y[:3])


def test_bins_have_edges_at_the_lines():
    found = edges(np.array([-7.3, 12.1]), np.array([-1.0, 0.0, 1.0]))
    for line in (-1.0, 0.0, 1.0):
        assert np.abs(found - line).min() < 1e-9
    assert found[0] <= -7.3
    assert found[-1] >= 12.1
    assert np.allclose(np.diff(found), found[1] - found[0])
    assert len(edges(np.zeros(3), np.array([0.0]))) >= 2


def test_frames_are_close_at_the_beginning():
    for n in (9, 10, 12, 57, 1000):
        found = thinned(range(n))
        assert len(found) == len(set(found)) == 8
        assert found == sorted(found)
        assert (found[0], found[-1]) == (0, n - 1)
