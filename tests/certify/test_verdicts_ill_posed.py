"""Verdicts where there is no minimiser, verdicts of second derivatives, and verdicts in words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from verdict_cases import Welsch, data, linear, solved, uniform

from steepest.certify.certificate import certify
from steepest.certify.words import explain
from steepest.data.source import as_source
from steepest.losses import (
    Exponential,
    Huber,
    Logistic,
    Poisson,
    SigmoidLoss,
    Softmax,
    Squared,
    SquaredHinge,
)
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import Status

# --------------------------------------------------------------------------------- there is no minimiser


@pytest.mark.parametrize("loss", [Logistic(), Exponential()])
@pytest.mark.parametrize("intercept", [False, True])
def test_separable_classes(loss, intercept):
    X, _ = data(noise=0.0)
    truth = np.array([1.0, -1.0, 2.0, 0.5])
    shift = 0.3 if intercept else 0.0
    y = np.where(X @ truth + shift > 0, 1.0, -1.0)
    w = 3.0 * (np.append(truth, shift) if intercept else truth)
    problem = linear(X, y, loss, NoPenalty(), intercept)
    c = certify(problem, w, tol=1e-4, status=Status.BUDGET, null_value=1.0)
    assert (c.status, c.passed, c.kind, c.bounds) == (Status.ILL_POSED, False, "none", "nothing")
    assert "separable" in c.reason
    v, margin = c.evidence["direction"], c.evidence["margin"]
    assert np.linalg.norm(v) == pytest.approx(1.0)
    margins = y * (X @ v[:4] + (v[4] if intercept else 0.0))
    assert margins.min() == pytest.approx(margin)
    assert margin > 0
    # the same is found by the linear program where the parameters say nothing
    c = certify(problem, np.zeros(problem.size), tol=1e-4, null_value=1.0)
    assert c.status is Status.ILL_POSED
    v = c.evidence["direction"]
    assert (y * (X @ v[:4] + (v[4] if intercept else 0.0))).min() >= -1e-12
    assert certify(problem, w, tol=1e-4).to_dict()["evidence"]["margin"] == margin


def test_a_penalty_makes_separable_classes_well_posed():
    X, _ = data(noise=0.0)
    y = np.sign(X[:, 0])
    for penalty in (L2(1e-6), L1(1e-4)):
        c = certify(linear(X, y, Logistic(), penalty), np.array([3.0, 0, 0, 0]), tol=1e-4, null_value=0.69)
        assert c.status is Status.APPROXIMATE
    c = certify(linear(X, y, SquaredHinge(), NoPenalty()), np.array([1e4, 0, 0, 0]), tol=1e-4, null_value=1.0)
    assert (c.passed, c.value) == (True, 0.0)


def test_quasi_separation_is_found_and_overlap_is_not():
    rng = np.random.default_rng(0)
    dummy = np.r_[np.ones(5), np.zeros(45)]
    x = rng.standard_normal(50)
    y = np.where(x + rng.standard_normal(50) > 0, 1.0, -1.0)
    y[:5] = 1.0
    X = np.column_stack([x, dummy])
    problem = linear(X, y, Logistic(), NoPenalty(), True)
    c = certify(problem, np.array([1.0, 2.0, 0.0]), tol=1e-4, null_value=math.log(2.0))
    assert c.status is Status.ILL_POSED
    assert "quasi" in c.reason
    v = c.evidence["direction"]
    margins = y * (X @ v[:2] + v[2])
    assert margins.min() >= -1e-12
    assert margins.max() > 0.1
    assert c.evidence["margin"] == 0.0
    y[0] = -1.0
    problem = linear(X, y, Logistic(), NoPenalty(), True)
    w, null = solved(problem)
    assert certify(problem, w, tol=1e-6, null_value=null).passed
    assert certify(problem, w + 1.0, tol=1e-6, null_value=null).status is Status.APPROXIMATE


def test_separable_softmax_and_a_class_without_rows():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    W = rng.standard_normal((3, 3))
    y = np.argmax(X @ W, axis=1).astype(np.int64)
    for w in (5.0 * W.ravel(), np.zeros(9)):
        c = certify(MulticlassProblem(as_source(X), y, uniform(60), Softmax(), NoPenalty(), False, 3), w, tol=1e-4)
        assert c.status is Status.ILL_POSED
        V = c.evidence["direction"].reshape(3, 3)
        Z = X @ V
        others = np.where(np.arange(3) == y[:, None], -np.inf, Z)
        assert (Z[np.arange(60), y] - others.max(axis=1)).min() >= -1e-12
    problem = MulticlassProblem(as_source(X), np.minimum(y, 1), uniform(60), Softmax(), L2(0.1), True, 3)
    c = certify(problem, np.zeros(12), tol=1e-6, null_value=math.log(3.0))
    assert c.status is Status.ILL_POSED
    assert "class 2 has no row" in c.reason


def test_one_class_with_an_intercept():
    X, y = data()
    c = certify(linear(X, np.ones(60), Logistic(), L2(0.1), True), np.zeros(5), tol=1e-6, null_value=0.69)
    assert c.status is Status.ILL_POSED
    assert c.evidence["direction"].tolist() == [0, 0, 0, 0, 1.0]
    c = certify(linear(X, np.ones(60), Logistic(), L2(0.1), False), np.zeros(4), tol=1e-6, null_value=0.69)
    assert c.status is Status.APPROXIMATE
    assert certify(linear(X, 0.0 * y, Poisson(), L2(0.1), True), np.zeros(5), tol=1e-6).status is Status.ILL_POSED


# --------------------------------------------------------------------------------- second derivatives


def test_self_concordant_bound_on_random_points(reference):
    """lam r < 1 proves; the bound holds against the optimum and is nearly tight close to it."""
    from steepest.certify.second_order import factor, local_bound

    proven = 0
    for name in ("logistic", "poisson", "exponential", "softmax", "squared"):
        for seed in range(25):
            rng = np.random.default_rng([seed, 77])
            problem, X = reference.softmax(rng, "none") if name == "softmax" else reference.scalar(rng, name, "none")
            best, least = reference.minimise(problem, X, name)
            for power in (0.0, -1.0, -2.0, -3.0):
                w = best + 10.0**power * rng.standard_normal(problem.size)
                at = problem.evaluate(w)
                found = factor(problem, at)
                bound = local_bound(problem, at, found) if found is not None else None
                if bound is None or not math.isfinite(bound.value):
                    continue
                proven += 1
                assert bound.value >= (at.value - least) - 1e-12 * (1 + abs(at.value))
                assert bound.value >= 0.5 * bound.decrement**2 * (1 - 1e-12)
                if name == "squared":
                    assert bound.value == pytest.approx(0.5 * bound.decrement**2)
    assert proven > 150


def test_unpenalised_problems_are_certified_by_second_derivatives():
    X, y = data(200, 3, noise=2.0)
    for loss in (Logistic(), Squared(), SquaredHinge(), Huber(0.5)):
        problem = linear(X, y, loss, NoPenalty(), True)
        w, null = solved(problem)
        c = certify(problem, w, tol=1e-8, null_value=null)
        assert c.passed, c
        far = certify(problem, w + 0.05, tol=1e-8, null_value=null)
        assert far.bounds == "suboptimality"
        true = problem.evaluate(w + 0.05).value - problem.evaluate(w).value
        assert true * (1 - 1e-9) <= far.value <= 3.0 * true
        assert certify(problem, w + 0.05, tol=1e-8, null_value=null, deep=False).passed is False


def test_non_convex_losses_get_a_verdict_and_never_pass():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 3))
    y = X @ np.array([1.0, -1.0, 0.5]) + 0.1 * rng.standard_normal(80)
    problem = linear(X, y, Welsch(), L2(1e-4))
    f = lambda w: (problem.evaluate(w).value, problem.evaluate(w).gradient)  # noqa: E731
    w = minimize(f, np.array([1.0, -1.0, 0.5]), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    c = certify(problem, w, tol=1e-4, null_value=0.4)
    assert (c.passed, c.status, c.kind, c.bounds) == (False, Status.APPROXIMATE, "second_order", "stationarity")
    assert c.evidence["verdict"] == "minimum to second order"
    assert c.evidence["smallest_curvature"] > 0
    assert "not convex" in c.reason
    assert certify(problem, w + 0.1, tol=1e-4, null_value=0.4).evidence["verdict"] == "not stationary"
    assert certify(problem, w, tol=1e-4, status=Status.BUDGET, null_value=0.4).status is Status.BUDGET
    # between two targets that pull with equal force the origin is a maximum
    problem = linear(np.array([[1.0], [1.0]]), np.array([2.0, -2.0]), Welsch(), NoPenalty())
    c = certify(problem, np.zeros(1), tol=1e-4, null_value=0.5)
    assert c.evidence["verdict"] == "saddle"
    assert c.evidence["smallest_curvature"] < 0


def test_lanczos_agrees_with_the_dense_curvature():
    from steepest.certify import second_order

    rng = np.random.default_rng(0)
    X, y = data(100, 30, noise=3.0)
    problem = linear(X, y, SigmoidLoss(), L2(0.01), True)
    at = problem.evaluate(0.3 * rng.standard_normal(31))
    dense = np.linalg.eigvalsh(second_order.hessian(problem, at))
    smallest, largest = second_order._lanczos(problem, at)
    assert smallest == pytest.approx(dense[0], rel=1e-3)
    assert largest == pytest.approx(np.abs(dense).max(), rel=2e-2)


def test_softmax_hessian_matches_products():
    from steepest.certify.curvature import hessian

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((30, 3)), rng.integers(0, 4, 30)
    for intercept in (False, True):
        problem = MulticlassProblem(as_source(X), y, uniform(30), Softmax(), L2(0.3), intercept, 4)
        at = problem.evaluate(rng.standard_normal(problem.size))
        H = hessian(problem, at)
        for _ in range(3):
            v = rng.standard_normal(problem.size)
            np.testing.assert_allclose(H @ v, problem.hvp(at, v), rtol=1e-10, atol=1e-12)


# ------------------------------------------------------------------------------------------- sentences


def test_explain_has_words_for_every_verdict():
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.01))
    missed = explain(certify(problem, np.ones(4), tol=1e-9, null_value=0.69))
    assert missed.startswith("Not proven to the accuracy asked: the objective ")
    diverged = explain(certify(problem, np.full(4, np.nan), tol=1e-9))
    assert diverged == "Nothing is proven. 4 of 4 parameters are not finite."
    separable = linear(X, np.where(X[:, 0] > 0, 1.0, -1.0), Logistic(), NoPenalty())
    assert explain(certify(separable, np.eye(4)[0], tol=1e-4)) == (
        "No optimum exists to be proven. The classes are separable and nothing is penalised: there is no minimiser."
    )
    curved = explain(certify(linear(X, y, SigmoidLoss(), L2(0.1)), np.zeros(4), tol=1e-4))
    assert curved.startswith("Nothing is proven about the optimum; the gradient norm is ")


def test_objective_and_optimum_agree_with_cvxpy():
    """An independent modelling language and interior-point solver."""
    import cvxpy as cp

    X, y = data(50, 4)
    for penalty in (L2(0.05), L1(0.03), ElasticNet(0.05, 0.5)):
        w, b = cp.Variable(4), cp.Variable()
        loss = cp.sum(cp.logistic(-cp.multiply(y, X @ w + b))) / 50
        program = cp.Problem(cp.Minimize(loss + penalty.l1 * cp.norm1(w) + penalty.l2 / 2 * cp.sum_squares(w)))
        program.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        problem = linear(X, y, Logistic(), penalty, True)
        c = certify(problem, np.append(w.value, b.value), tol=1e-5, null_value=math.log(2.0))
        assert c.passed
        assert c.dual <= program.value * (1 + 1e-8)
        assert c.primal == pytest.approx(program.value, rel=1e-8)


def test_certify_imports_no_solver():
    import subprocess
    import sys

    code = "import sys, steepest.certify.certificate; print([m for m in sys.modules if 'steepest.solvers' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
