"""Dual coordinate ascent: the dual never falls, the gap is true, the optimum is that of other methods."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

import steepest
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.kernels import dual
from steepest.losses import Hinge, Logistic, Quantile, Softmax, SquaredHinge
from steepest.penalties import L1, L2
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.dual_coordinate import DualCoordinateAscent, best_multiple


@pytest.fixture
def text() -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """Wide sparse rows of length 1, three classes, weights with zeros."""
    rng = np.random.default_rng(0)
    X = sp.random_array((120, 400), density=0.05, rng=rng, format="csr")
    norms = np.sqrt(X.multiply(X).sum(axis=1))
    X = sp.csr_array(sp.diags_array(1.0 / np.where(norms > 0, norms, 1.0)) @ X)
    return X, rng.integers(0, 3, 120), rng.integers(0, 3, 120).astype(float)


def rounds(problem, most=400, tol=1e-9):
    solver = DualCoordinateAscent()
    assert solver.missing(problem.traits) is None
    state = solver.start(problem, problem.start())
    out = []
    for _ in range(most):
        out.append(solver.advance(state))
        if out[-1].bound.relative <= tol:
            break
    return out


@pytest.mark.parametrize("loss", [Logistic(), SquaredHinge(), Hinge(), Quantile(0.3)], ids=lambda x: x.name)
@pytest.mark.parametrize("dense", [False, True])
def test_the_dual_never_falls_and_the_gap_is_true(text, loss, dense: bool) -> None:
    X, codes, s = text
    X = X.toarray() if dense else X
    y = np.where(codes == 0, 1.0, -1.0)
    problem = LinearProblem(as_source(X), y, s / s.sum(), loss, L2(1.0 / s.sum()), False)
    seen = rounds(problem, tol=1e-7)
    assert seen[-1].bound.relative <= 1e-7
    best = seen[-1].bound.dual
    duals = [r.bound.dual for r in seen]
    assert np.all(np.diff(duals) >= -1e-13)
    for r in seen:
        assert r.bound.value >= r.at.value - best - 1e-9 * abs(best) - seen[-1].bound.value
        assert problem.evaluate(r.at.w).value == pytest.approx(r.at.value, rel=1e-12)


def test_softmax_agrees_with_newton(text) -> None:
    X, codes, s = text
    problem = MulticlassProblem(as_source(X), codes, s / s.sum(), Softmax(), L2(1.0 / s.sum()), False, 3)
    last = rounds(problem)[-1]
    assert last.bound.relative <= 1e-9
    gradient = problem.evaluate(last.at.w).gradient
    assert np.linalg.norm(gradient) ** 2 / (2.0 * problem.traits.l2) <= 1e-6 * last.at.value


@pytest.mark.parametrize("loss", ["logistic", "softmax", "hinge"])
def test_the_estimator_chooses_it_for_text_and_is_certified(loss: str) -> None:
    rng = np.random.default_rng(1)
    X = sp.random_array((300, 4_000), density=0.01, rng=rng, format="csr")
    X = sp.csr_array(sp.diags_array(1.0 / np.sqrt(np.maximum(X.multiply(X).sum(axis=1), 1e-12))) @ X)
    y = rng.integers(0, 3 if loss == "softmax" else 2, 300)
    model = steepest.LinearClassifier(loss, alpha=1.0 / 300, fit_intercept=False, tol=1e-5).fit(X, y)
    assert model.fit_record_.solver["name"] == ("margin_dual" if loss == "hinge" else "dual_coordinate")
    assert model.certificate_.passed
    other = steepest.LinearClassifier(loss, alpha=1.0 / 300, fit_intercept=False, tol=1e-5)
    other.set_params(solver="augmented_lagrangian" if loss == "hinge" else "lbfgs").fit(X, y)
    gap = model.certificate_.value + other.certificate_.value
    assert abs(model.certificate_.primal - other.certificate_.primal) <= gap
    assert np.linalg.norm(model.coef_ - other.coef_) <= 2.0 * np.sqrt(2.0 * gap * 300)


@pytest.mark.parametrize("dense", [False, True])
def test_a_cold_start_takes_the_best_multiple_of_the_slopes_at_zero(text, dense: bool) -> None:
    X, codes, s = text
    source = as_source(X.toarray() if dense else X)
    p = s / s.sum()
    problem = MulticlassProblem(source, codes, p, Softmax(), L2(1.0 / s.sum()), False, 3)
    slopes = 1.0 / 3.0 - np.eye(3)[codes]
    C = X.T @ (p[:, None] * slopes)
    squared = float((C**2).sum()) * s.sum()

    def value(m: float) -> float:
        q = np.eye(3)[codes] + m * slopes
        return float(-p @ np.sum(np.where(q > 0.0, q * np.log(np.maximum(q, 1e-300)), 0.0), axis=1)) - (
            0.5 * m * m * squared
        )

    best = max(np.linspace(0.0, 1.0, 1001), key=value)
    assert best_multiple(problem, slopes, squared) == pytest.approx(best, abs=0.01)
    solver = DualCoordinateAscent()
    state = solver.start(problem, problem.start())
    first = solver.advance(state)
    assert first.at.value == pytest.approx(np.log(3.0), rel=1e-12)
    assert first.bound.dual == pytest.approx(value(best), rel=1e-3)
    np.testing.assert_allclose(state.w, -s.sum() * (X.T @ (p[:, None] * first.dual)), rtol=1e-10, atol=1e-12)
    before = first.at.w.copy()
    second = solver.advance(state)
    np.testing.assert_array_equal(first.at.w, before)  # what a round gave out is not written to
    solver.advance(state)
    assert problem.evaluate(second.at.w).value == pytest.approx(second.at.value, rel=1e-12)


def test_the_same_seed_gives_the_same_bits(text) -> None:
    X, codes, _ = text
    y = np.where(codes == 0, 1.0, -1.0)
    fits = [LinearProblem(as_source(X), y, np.full(120, 1 / 120), Logistic(), L2(1 / 120), False) for _ in range(2)]
    a, b = (rounds(problem)[-1].at.w for problem in fits)
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("q", [0.0, 1e-3, 1.0, 1e3, 1e8])
@pytest.mark.parametrize("c", [-1e4, -1.0, 0.0, 30.0, 1e6])
def test_the_proximal_point_solves_its_equation(q: float, c: float) -> None:
    loss = Logistic()
    u = dual.proximal_slope(loss, c, q, 1.0)
    t = c - q * u
    assert u == pytest.approx(loss.slope(t, 1.0), abs=1e-9 + 1e-12 * q)
    k = 4
    center = np.array([c, 0.5, -1.0, 2.0])
    t, s, f = center.copy(), np.empty(k), np.empty(k)
    dual.softmax_proximal(center, q, 2, t, s, f)
    residual = t + q * (s - np.eye(k)[2]) - center
    assert np.abs(residual).max() <= 1e-8 * (1.0 + np.abs(center).max() + np.abs(t).max())


def test_what_it_cannot_do_is_said(text) -> None:
    X, codes, _ = text
    y = np.where(codes == 0, 1.0, -1.0)
    p = np.full(120, 1 / 120)
    with pytest.raises(IncompatibleError, match="fit_intercept=False"):
        with_intercept = LinearProblem(as_source(X), y, p, Logistic(), L2(0.1), True)
        DualCoordinateAscent().start(with_intercept, with_intercept.start())
    l1 = LinearProblem(as_source(X), y, p, Logistic(), L1(0.1), False)
    assert "squared penalty" in str(DualCoordinateAscent().missing(l1.traits))
