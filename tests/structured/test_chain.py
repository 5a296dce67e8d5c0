"""Chains of labels by an own oracle: the exact program, and what transitions are worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from enumerated import objective, optimum

from steepest import LinearSVC, StructuredSVM
from steepest.structured import ChainOracle


def sequences(n, seed=1, noise=1.5):
    """States that mostly go round, 0 1 2 0 ..., and features that tell them apart with much noise."""
    rng = np.random.default_rng(seed)
    centres = 2.0 * rng.standard_normal((3, 2))
    X, Y = [], []
    for length in rng.integers(3, 13, n):
        steps = np.where(rng.random(length) < 0.8, 1, rng.integers(0, 3, length))
        Y.append((rng.integers(0, 3) + np.cumsum(steps)) % 3)
        X.append(centres[Y[-1]] + noise * rng.standard_normal((length, 2)))
    return X, Y


@pytest.mark.parametrize("solver", ["frank_wolfe", "cutting_planes"])
@pytest.mark.parametrize("scaled", [False, True])
def test_equals_the_program_of_all_labellings(solver, scaled):
    rng = np.random.default_rng(0)
    lengths = [1, 2, 3, 4, 3, 2, 4, 1]
    X = [rng.standard_normal((length, 2)) for length in lengths]
    Y = [rng.integers(0, 3, length) for length in lengths]
    labels = [[np.array(y) for y in itertools.product(range(3), repeat=length)] for length in lengths]
    oracle = ChainOracle(scaled=scaled)
    model = StructuredSVM(oracle, alpha=0.05, solver=solver, tol=1e-7).fit(X, Y)
    best, w = optimum(oracle, X, Y, labels, 0.05)
    certificate = model.certificate_
    assert certificate.passed
    assert certificate.primal == pytest.approx(objective(oracle, X, Y, labels, model.coef_, 0.05), rel=1e-12)
    assert certificate.primal == pytest.approx(best, rel=1e-6)
    assert certificate.dual <= best * (1 + 1e-7)
    np.testing.assert_allclose(model.coef_, w, atol=2e-3)


def test_transitions_tell_what_features_do_not():
    X, Y = sequences(120)
    model = StructuredSVM(ChainOracle(), alpha=0.01, tol=1e-3).fit(X[:60], Y[:60])
    assert model.certificate_.passed
    found = model.predict(X[60:])
    true = np.concatenate(Y[60:])
    accuracy = np.mean(np.concatenate(found) == true)
    alone = LinearSVC(tol=1e-3).fit(np.vstack(X[:60]), np.concatenate(Y[:60])).score(np.vstack(X[60:]), true)
    assert accuracy > alone + 0.05
    T = model.coef_[-9:].reshape(3, 3)
    np.testing.assert_array_equal(T.argmax(axis=1), [1, 2, 0])


def test_all_at_once_is_one_at_a_time():
    """The same oracle without its fast ways leads to the same optimum."""

    class Slow:
        def __init__(self):
            self.own = ChainOracle()

        def size(self, X, Y):
            return self.own.size(X, Y)

        def joint_feature(self, x, y):
            return self.own.joint_feature(x, y)

        def loss(self, y_true, y):
            return self.own.loss(y_true, y)

        def maximise(self, w, x, y_true=None):
            return self.own.maximise(w, x, y_true)

    X, Y = sequences(15)
    fast = StructuredSVM(ChainOracle(), alpha=0.05, tol=1e-6).fit(X, Y)
    slow = StructuredSVM(Slow(), alpha=0.05, tol=1e-6).fit(X, Y)
    assert slow.certificate_.primal == pytest.approx(fast.certificate_.primal, rel=2e-6)
    for a, b in zip(slow.predict(X), fast.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)
