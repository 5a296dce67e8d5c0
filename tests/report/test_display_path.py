"""The picture of a path shows the path."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from steepest import Lasso, LogisticRegression, RegularizationPathDisplay, regularization_path
from steepest.exceptions import InvalidParameterError

mpl.use("Agg")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(80, 6))
Y = X[:, 0] - 2.0 * X[:, 3] + 0.1 * RNG.normal(size=80)


def test_lines_are_the_coefficients() -> None:
    path = regularization_path(Lasso(), X, Y, n_alphas=12)
    display = RegularizationPathDisplay.from_path(path, top=2, chosen=float(path.alphas[4]))
    assert len(display.lines_) == 6
    np.testing.assert_array_equal(display.lines_[3].get_ydata(), path.coefs[:, 3])
    assert display.ax_.xaxis_inverted()
    assert display.ax_.get_xscale() == "log"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["x3", "x0"]
    above = {text.get_text() for text in display.ax_.texts}
    assert {str(path.n_nonzero[0]), str(path.n_nonzero[-1])} <= above
    display.figure_.canvas.draw()


def test_an_output_is_chosen_and_misses_are_marked() -> None:
    classes = np.digitize(Y, np.quantile(Y, [0.3, 0.6]))
    path = regularization_path(
        LogisticRegression(max_iter=0, on_unconverged="ignore"), X, classes, alphas=[1e-6, 1.0, 0.0]
    )
    display = RegularizationPathDisplay.from_path(path, output=2)
    np.testing.assert_array_equal(display.coefs, path.coefs[:, 2])
    crosses = [line for line in display.ax_.get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1
    with pytest.raises(InvalidParameterError, match="output: expected 0 to 2"):
        RegularizationPathDisplay.from_path(path, output=3)
