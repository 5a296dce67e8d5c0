"""Float32 rows multiplied in float32: close to float64, and float64 where it matters."""

from __future__ import annotations

import numpy as np
import pytest

import steepest
from steepest.data.source import as_source
from steepest.kernels import passes
from steepest.losses import Logistic
from steepest.parallel import Pool
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.solvers import auto
from steepest.solvers.batch import Batch
from steepest.solvers.directions import LBFGS
from steepest.solvers.searches import StrongWolfe


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_003, 37)).astype(np.float32)
    return X, np.where(X[:, 0] + rng.normal(size=1_003) > 0, 1.0, -1.0)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e6])
def test_products_agree_with_float64(rows, scale: float) -> None:
    X, _ = rows
    source = as_source(X)
    rng = np.random.default_rng(1)
    w, u = rng.normal(size=37), scale * rng.normal(size=1_003)
    p = np.full(1_003, 1e-12)
    z, g = np.empty(1_003), np.zeros(37)
    passes.product(source.single, w, 0.5, 0, 1_003, z)
    np.testing.assert_allclose(z, X.astype(float) @ w + 0.5, atol=2e-5)
    total = passes.transposed(source.single, p, u, 0, 1_003, g)
    assert total == pytest.approx(1e-12 * u.sum(), rel=1e-9)
    reference = X.astype(float).T @ (p * u)
    np.testing.assert_allclose(g, reference, atol=1e-5 * np.abs(reference).max())


def test_compiled_equals_python(rows) -> None:
    X, _ = rows
    single = as_source(X).single
    rng = np.random.default_rng(2)
    w, u, p = rng.normal(size=37), rng.normal(size=9), rng.random(9)
    z, g = np.empty(9), np.zeros(37)
    single.scores(w, 0.25, 0, 9, z)
    single.accumulate(p, u, 0, 9, g)
    z2, g2 = np.empty(9), np.zeros(37)
    passes.product(single, w, 0.25, 0, 9, z2)
    passes.transposed(single, p, u, 0, 9, g2)
    np.testing.assert_allclose(z, z2, atol=1e-5)
    np.testing.assert_allclose(g, g2, atol=1e-5)


def test_evaluations_follow_the_switch(rows) -> None:
    X, y = rows
    problem = LinearProblem(as_source(X, pool=Pool(2)), y, np.full(1_003, 1 / 1_003), Logistic(), L2(1e-3), True)
    w = np.random.default_rng(3).normal(size=38)
    exact = problem.evaluate(w)
    problem.precise = False
    rough = problem.evaluate(w)
    assert rough.value != exact.value
    assert rough.value == pytest.approx(exact.value, rel=1e-6)
    np.testing.assert_allclose(rough.gradient, exact.gradient, atol=1e-6)


def test_a_fit_that_starts_in_float32_is_certified_in_float64(rows, monkeypatch) -> None:
    X, y = rows
    plain = steepest.LinearClassifier("logistic", alpha=1e-3, solver="lbfgs", tol=1e-10).fit(X, y)
    monkeypatch.setattr(auto, "SINGLE_BYTES", 0)
    rough = steepest.LinearClassifier("logistic", alpha=1e-3, solver="lbfgs", tol=1e-10).fit(X, y)
    assert rough.certificate_.passed
    exact = steepest.LinearClassifier("logistic", alpha=1e-3, tol=1e-10).fit(X.astype(float), y)
    assert not np.array_equal(rough.coef_, plain.coef_)  # by way of float32
    np.testing.assert_allclose(rough.coef_, exact.coef_, atol=1e-4)


def test_rounding_in_float32_is_left_for_float64(rows) -> None:
    X, y = rows
    problem = LinearProblem(as_source(X), y, np.full(len(y), 1.0 / len(y)), Logistic(), L2(1e-3))
    problem.precise = False
    solver = Batch("lbfgs", LBFGS(), StrongWolfe())
    state = solver.start(problem, problem.start())
    solver.advance(state)
    stuck = solver._stuck(state, "", "no step decreases the objective")
    assert "float64" in stuck.note
    assert problem.precise
    assert not stuck.exhausted
    assert solver._stuck(state, "", "no step decreases the objective").exhausted
