"""The cells of the race: a data set and the exact objective to minimise on it.

Strengths are stated as users state them and turned into the mean form of `benchmarks.objective`: ``("sum", c)``
is c times the penalty beside the *sum* of losses (so c / n), ``("mean", a)`` beside their mean, ``("max", f)``
the fraction f of the smallest l1 at which all weights are zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from benchmarks import data, objective
from benchmarks.objective import Problem

Strength = tuple[str, float]
NONE: Strength = ("mean", 0.0)


class Cell(NamedTuple):
    """One line of the table."""

    name: str
    group: str
    data: str
    loss: str
    l1: Strength
    l2: Strength
    words: str


_SUM_L2 = "sum log-loss + 1/2 |w|^2 (C = 1)"
_SUM_L1 = "sum log-loss + |w|_1 (C = 1)"


def _svm(group: str, loss: str, C: float, name: str, data_set: str, extra: str = "") -> Cell:
    """C sum loss + |w|^2 / 2, no intercept."""
    words = f"{C:g} sum {loss.replace('_', ' ')} + 1/2 |w|^2{extra}"
    return Cell(f"{group}/{name}", group, data_set, loss, NONE, ("sum", 1.0 / C), words)


SVM_CELLS = (
    *(
        _svm(group, loss, C, f"{name}-C{C:g}", data_set)
        for group, loss in (("svm-hinge", "hinge"), ("svm-sqhinge", "squared_hinge"))
        for name, data_set in (("a9a", "a9a"), ("w8a", "w8a"), ("20news", "news_binary"))
        for C in (0.1, 1.0, 10.0)
    ),
    _svm("svm-dense", "hinge", 1.0, "500k", "dense_500k", "; 500,000 x 120 generated, classes overlap"),
    _svm("svm-dense", "hinge", 1.0, "500k-narrow", "dense_narrow", "; 500,000 x 120 generated, 1 % inside the margin"),
    _svm("small", "hinge", 1.0, "hinge", "small_binary"),
    _svm("small", "squared_hinge", 1.0, "squared-hinge", "small_sparse"),
)

CELLS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        Cell("logistic-l2/a9a", "logistic-l2", "a9a", "logistic", NONE, ("sum", 1.0), _SUM_L2),
        Cell("logistic-l2/w8a", "logistic-l2", "w8a", "logistic", NONE, ("sum", 1.0), _SUM_L2),
        Cell("logistic-l2/20news", "logistic-l2", "news_binary", "logistic", NONE, ("sum", 1.0), _SUM_L2),
        Cell("logistic-l1/a9a", "logistic-l1", "a9a", "logistic", ("sum", 1.0), NONE, _SUM_L1),
        Cell("logistic-l1/w8a", "logistic-l1", "w8a", "logistic", ("sum", 1.0), NONE, _SUM_L1),
        Cell("logistic-l1/20news", "logistic-l1", "news_binary", "logistic", ("sum", 1.0), NONE, _SUM_L1),
        Cell(
            *("lasso/20news-length", "lasso", "news_length", "squared", ("max", 0.01), NONE),
            "1/(2n) |y - X w|^2 + 0.01 lambda_max |w|_1, y = centred log length of the document; 48 terms stay",
        ),
        Cell(
            *("lasso/20news-length-rich", "lasso", "news_length", "squared", ("max", 0.002), NONE),
            "1/(2n) |y - X w|^2 + 0.002 lambda_max |w|_1, y = centred log length of the document; 448 terms stay",
        ),
        Cell(
            *("lasso/dense-50k", "lasso", "lasso_gram", "squared", ("max", 0.01), NONE),
            "1/(2n) |y - X w|^2 + 0.01 lambda_max |w|_1; 50,000 x 300 generated",
        ),
        Cell(
            *("ridge/1Mx100", "ridge", "ridge_1m", "squared", NONE, ("sum", 1.0)),
            "|y - X w|^2 + |w|^2 (alpha = 1), float64",
        ),
        Cell(
            *("ridge/1Mx100-float32", "ridge", "ridge_1m_float32", "squared", NONE, ("sum", 1.0)),
            "|y - X w|^2 + |w|^2 (alpha = 1), X float32",
        ),
        Cell(
            *("softmax-l2/mnist", "softmax-l2", "mnist", "softmax", NONE, ("mean", 1e-4)),
            "mean cross-entropy + 1e-4/2 |W|^2, X/255 float32",
        ),
        Cell(
            *("softmax-l2/20news", "softmax-l2", "news_classes", "softmax", NONE, ("sum", 1.0)),
            "sum cross-entropy + 1/2 |W|^2 (C = 1), 20 classes",
        ),
        Cell(
            "dense-500k", "dense", "dense_500k", "logistic", NONE, ("sum", 1.0), _SUM_L2 + "; 500,000 x 120 generated"
        ),
        Cell("small/logistic-l2", "small", "small_binary", "logistic", NONE, ("sum", 1.0), _SUM_L2),
        Cell("small/logistic-l2-sparse", "small", "small_sparse", "logistic", NONE, ("sum", 1.0), _SUM_L2),
        Cell("small/logistic-l1", "small", "small_binary", "logistic", ("sum", 5.0), NONE, "sum log-loss + 5 |w|_1"),
        Cell("small/logistic-l1-sparse", "small", "small_sparse", "logistic", ("sum", 1.0), NONE, _SUM_L1),
        Cell(
            *("small/lasso", "small", "small_regression", "squared", ("max", 0.05), NONE),
            "1/(2n) |y - X w|^2 + 0.05 lambda_max |w|_1",
        ),
        Cell("small/ridge", "small", "small_regression", "squared", NONE, ("sum", 1.0), "|y - X w|^2 + |w|^2"),
        Cell(
            *("small/softmax", "small", "digits", "softmax", NONE, ("mean", 1e-3)),
            "mean cross-entropy + 1e-3/2 |W|^2, digits",
        ),
        *SVM_CELLS,
    )
}


def named(parts: Sequence[str]) -> list[str]:
    """The cells of some groups; what is no group's name is a cell's, or the start of several."""
    groups = {cell.group for cell in CELLS.values()}
    return [
        name
        for name, cell in CELLS.items()
        if any(cell.group == part if part in groups else name.startswith(part) for part in parts)
    ]


def load(name: str) -> Problem:
    """The cell's data and its objective in mean form."""
    cell = CELLS[name]
    X, y = data.load(cell.data)
    return Problem(X, y, cell.loss, _mean_form(cell.l1, cell, X, y), _mean_form(cell.l2, cell, X, y))


def _mean_form(strength: Strength, cell: Cell, X: object, y: np.ndarray) -> float:
    kind, number = strength
    if kind == "mean":
        return number
    if kind == "sum":
        return number / len(y)
    start = Problem(X, y, cell.loss, 0.0, 0.0)
    return number * float(np.abs(objective.evaluate(start, np.zeros(X.shape[1])).gradient).max())  # type: ignore[attr-defined]
