"""Each situation gets the verdict it deserves: status, kind, sentence, evidence, cost."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from steepest.certify.certificate import certify
from steepest.certify.gap import duality_gap
from steepest.certify.words import explain
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.losses import (
    Absolute,
    Exponential,
    Hinge,
    Huber,
    Logistic,
    Poisson,
    SigmoidLoss,
    Softmax,
    Squared,
    SquaredHinge,
    scalar_loss,
)
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import Status


@scalar_loss(name="test_broken_logistic")
class BrokenLogistic(NamedTuple):
    """The slope is 1 % too large."""

    convex = True
    targets = "sign"
    smoothness = 0.25

    def value(self, z, y):
        return math.log1p(math.exp(-y * z))

    def slope(self, z, y):
        return -1.01 * y / (1.0 + math.exp(y * z))

    def conjugate(self, u, y):
        a = -u * y
        if a < 0.0 or a > 1.0:
            return math.inf
        return 0.0 if a == 0.0 or a == 1.0 else a * math.log(a) + (1.0 - a) * math.log(1.0 - a)


@scalar_loss(name="test_broken_no_conjugate")
class BrokenNoConjugate(NamedTuple):
    """The slope is 1 % too small, and no conjugate tells."""

    convex = True
    targets = "sign"
    smoothness = 0.25

    def value(self, z, y):
        return math.log1p(math.exp(-y * z))

    def slope(self, z, y):
        return -0.99 * y / (1.0 + math.exp(y * z))


@scalar_loss(name="test_plain_cosh")
class LogCosh(NamedTuple):
    """A user's convex loss without a conjugate."""

    convex = True
    smoothness = 1.0

    def value(self, z, y):
        r = abs(z - y)
        return r + math.log1p(math.exp(-2.0 * r)) - math.log(2.0)

    def slope(self, z, y):
        return math.tanh(z - y)


@scalar_loss(name="test_certified_welsch")
class Welsch(NamedTuple):
    """Not convex."""

    smoothness = 1.0

    def value(self, z, y):
        return 0.5 * (1.0 - math.exp(-((z - y) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-((z - y) ** 2))

    def curvature(self, z, y):
        r = (z - y) ** 2
        return (1.0 - 2.0 * r) * math.exp(-r)


def uniform(n):
    return np.full(n, 1.0 / n)


def data(n=60, d=4, seed=0, noise=1.5):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.where(X @ np.arange(1.0, d + 1.0) / d + noise * rng.standard_normal(n) > 0, 1.0, -1.0)
    return X, y


def linear(X, y, loss, penalty, intercept=False, p=None):
    return LinearProblem(as_source(X), y, uniform(len(y)) if p is None else p, loss, penalty, intercept)


def solved(problem):
    """A minimiser of a smooth problem by SciPy, and its null value."""

    def f(w):
        at = problem.evaluate(w)
        return at.value, at.gradient

    w = np.zeros(problem.size)
    null = f(w)[0]
    for _ in range(2):
        w = minimize(f, w, jac=True, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-12, "maxiter": 5000}).x
    return w, null


# ------------------------------------------------------------------------------------------- it passes


@pytest.mark.parametrize("intercept", [False, True])
def test_a_minimiser_is_certified(intercept):
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.01), intercept)
    w, null = solved(problem)
    c = certify(problem, w, tol=1e-8, null_value=null)
    assert (c.passed, c.status, c.kind, c.bounds) == (True, Status.CERTIFIED, "duality_gap", "suboptimality")
    assert c.primal - c.value == c.dual
    assert "was asked" in c.reason
    assert explain(c).startswith("Proven: ")
    assert json.loads(json.dumps(c.to_dict()))["status"] == "certified"


def test_closed_form_is_the_gap_with_the_conjugate(reference):
    """|grad|^2 / (2 l2) against P - D with the conjugate summed in plain Python."""
    for name in ("squared", "logistic", "bernoulli", "huber", "poisson", "squared_hinge"):
        for seed in range(10):
            rng = np.random.default_rng([seed, 5])
            problem, X = reference.scalar(rng, name, "l2")
            problem = LinearProblem(as_source(X), problem.y, problem.p, problem.loss, problem.penalty, False)
            w = 0.3 * rng.standard_normal(problem.size)
            at = problem.evaluate(w)
            u = at.slopes
            conjugates = [problem.loss.conjugate(float(a), float(b)) for a, b in zip(u, problem.y, strict=True)]
            c = X.T @ (problem.p * u)
            dual = -float(problem.p @ np.where(problem.p > 0, conjugates, 0.0)) - problem.penalty.conjugate(-c)
            gap = duality_gap(problem, at)
            assert gap is not None
            assert not gap.fenchel_used
            assert gap.value == pytest.approx(at.value - dual, rel=1e-9, abs=1e-12 * (1 + abs(at.value)))
            assert gap.value == pytest.approx(float(at.gradient @ at.gradient) / (2 * problem.penalty.l2), rel=1e-9)


def test_cost_is_one_evaluation():
    X, y = data()
    for intercept in (False, True):
        problem = linear(X, y, Squared(), L2(0.1), intercept)
        A = np.column_stack([X, np.ones(len(y))])[:, : problem.size]
        D = np.diag([0.1] * 4 + [0.0])[: problem.size, : problem.size]
        w = np.linalg.solve(A.T @ A / len(y) + D, A.T @ y / len(y))
        problem.passes = 0.0
        c = certify(problem, w, tol=1e-10, null_value=0.5)
        assert c.passed
        assert problem.passes == 1.0


def test_the_precision_switch_is_restored():
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.1))
    for precise in (True, False):
        problem.precise = precise
        certify(problem, np.zeros(4), tol=1e-3)
        assert problem.precise is precise


@pytest.mark.parametrize("kind", ["dense32", "csr", "fortran"])
def test_all_sources_give_the_same_certificate(kind):
    X, y = data()
    X = X.astype(np.float32).astype(np.float64)
    same = {"dense32": X.astype(np.float32), "csr": sp.csr_array(X), "fortran": np.asfortranarray(X)}[kind]
    w = np.array([0.3, 0.2, 0.5, 0.9, 0.1])
    a, b = (certify(linear(A, y, Logistic(), L2(0.05), True), w, tol=1e-3) for A in (X, same))
    assert a.value == pytest.approx(b.value, rel=1e-9)
    assert a.primal == pytest.approx(b.primal, rel=1e-13)


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e100])
def test_scales_of_the_target_do_not_matter(scale):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((40, 3))
    y = X @ np.array([1.0, -2.0, 0.5]) + rng.standard_normal(40)
    ratios = []
    for s in (1.0, scale):
        problem = linear(X, s * y, Squared(), L2(0.1), True)
        w, null = s * np.array([0.9, -1.8, 0.4, 0.1]), s * s * float(y @ y) / 80
        c = certify(problem, w, tol=1e-6, null_value=null)
        assert not c.passed
        ratios.append(c.relative)
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-6)


def test_elastic_net_and_lasso_at_their_minimiser():
    """Orthonormal columns: soft thresholding is the minimiser."""
    rng = np.random.default_rng(1)
    Q, _ = np.linalg.qr(rng.standard_normal((50, 6)))
    X = Q * math.sqrt(50)
    y = X @ np.array([1.0, -0.5, 0.05, 0, 0, 0]) + 0.1 * rng.standard_normal(50)
    c = X.T @ y / 50
    null = float(y @ y) / 100
    for penalty in (L1(0.2), ElasticNet(0.4, 0.5)):
        w = np.sign(c) * np.maximum(np.abs(c) - penalty.l1, 0.0) / (1.0 + penalty.l2)
        assert certify(linear(X, y, Squared(), penalty), w, tol=1e-12, null_value=null).passed
        wrong = certify(linear(X, y, Squared(), penalty), 1.01 * w, tol=1e-6, null_value=null)
        assert not wrong.passed


def test_zero_is_optimal_for_a_strong_l1_penalty():
    X, y = data()
    most = float(np.abs(X.T @ (-0.5 * y)).max()) / len(y)
    c = certify(linear(X, y, Logistic(), L1(1.001 * most)), np.zeros(4), tol=1e-12, null_value=math.log(2.0))
    assert c.passed
    assert c.value <= 1e-15
    assert not certify(linear(X, y, Logistic(), L1(0.9 * most)), np.zeros(4), tol=1e-6).passed


def test_exact_interpolation_is_certified():
    X = np.random.default_rng(0).standard_normal((5, 8))
    truth = np.arange(8.0)
    y = X @ truth
    for loss, penalty in ((Squared(), NoPenalty()), (Absolute(), NoPenalty()), (Huber(1.0), NoPenalty())):
        problem = linear(X, y, loss, penalty)
        null = problem.evaluate(np.zeros(8)).value
        c = certify(problem, truth, tol=1e-4, null_value=null)
        assert c.passed, c
        assert c.primal <= 1e-12 * null
        assert not certify(problem, truth + 0.01, tol=1e-4, null_value=null).passed


def test_constant_target_and_constant_column():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.standard_normal(20), np.ones(20)])
    y = np.full(20, 3.0)
    problem = linear(X, y, Squared(), L2(0.1), True)
    assert certify(problem, np.array([0.0, 0.0, 3.0]), tol=1e-4, null_value=4.5).passed
    assert not certify(problem, np.array([0.0, 3.0, 0.0]), tol=1e-4, null_value=4.5).passed


def test_duplicate_columns_without_penalty():
    """Any split of the weight between two equal columns is a minimiser."""
    X, y = data(d=2)
    X = np.column_stack([X, X[:, 0]])
    for loss in (Squared(), Logistic(), Huber(0.5)):
        base = linear(X[:, :2], y, loss, NoPenalty(), True)
        w, null = solved(base)
        for share in (1.0, 0.3, -5.0):
            v = np.array([share * w[0], w[1], (1 - share) * w[0], w[2]])
            c = certify(linear(X, y, loss, NoPenalty(), True), v, tol=1e-6, null_value=null)
            assert c.passed, (loss, share, c)


def test_a_better_dual_point_is_used_and_verified():
    """Hinge: the slopes prove little; the multipliers of the quadratic program prove the optimum."""
    import cvxpy as cp

    X, y = data(40, 3)
    l2 = 0.1
    w, t = cp.Variable(3), cp.Variable(40)
    rows = [t >= 0, t >= 1 - cp.multiply(y, X @ w)]
    cp.Problem(cp.Minimize(cp.sum(t) / 40 + l2 / 2 * cp.sum_squares(w)), rows).solve(
        solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12
    )
    best, multipliers = np.asarray(w.value), -y * np.asarray(rows[1].dual_value) * 40
    problem = linear(X, y, Hinge(), L2(l2))
    plain = certify(problem, best, tol=1e-6, null_value=1.0)
    helped = certify(problem, best, tol=1e-6, null_value=1.0, dual=multipliers)
    assert not plain.passed
    assert helped.passed
    assert helped.value < plain.value
    for nonsense in (np.full(40, np.nan), np.full(40, 1e300), np.zeros(3), 100.0 * multipliers, -multipliers):
        c = certify(problem, best, tol=1e-6, null_value=1.0, dual=nonsense)
        assert not c.passed or c.value >= 0.0
        assert c.value <= plain.value * (1 + 1e-12)
        assert c.dual <= helped.primal


def test_a_dual_point_of_least_absolute_deviations():
    """Nothing is penalised: the proposal is projected onto X^T p u = 0."""
    import cvxpy as cp

    rng = np.random.default_rng(2)
    X = rng.standard_normal((30, 3))
    y = X @ np.ones(3) + rng.laplace(size=30)
    w, b, t = cp.Variable(3), cp.Variable(), cp.Variable(30)
    rows = [t >= X @ w + b - y, t >= y - X @ w - b]
    program = cp.Problem(cp.Minimize(cp.sum(t) / 30), rows)
    program.solve(solver="CLARABEL", tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    best = np.append(w.value, b.value)
    u = 30 * (rows[0].dual_value - rows[1].dual_value)
    problem = linear(X, y, Absolute(), NoPenalty(), True)
    null = float(np.abs(y).mean())
    assert not certify(problem, best, tol=1e-6, null_value=null).passed
    rough = u + 1e-5 * rng.standard_normal(30)
    for proposal in (u, np.clip(rough, -1.0, 1.0)):
        c = certify(problem, best, tol=1e-3, null_value=null, dual=proposal)
        assert c.passed, c
        assert c.dual <= program.value * (1 + 1e-9)


# ---------------------------------------------------------------------------------------- it does not


def test_wrong_parameters_do_not_pass():
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.01), True)
    w, null = solved(problem)
    for wrong in (0.0 * w, 2.0 * w, -w, 100.0 * w, w + 0.01):
        c = certify(problem, wrong, tol=1e-6, null_value=null)
        assert (c.passed, c.status) == (False, Status.APPROXIMATE)
        assert c.value >= (c.primal - problem.evaluate(w).value) > 0
        assert "1e-06 was asked" in c.reason


@pytest.mark.parametrize("loss", [BrokenLogistic(), BrokenNoConjugate()])
@pytest.mark.parametrize("intercept", [False, True])
def test_a_broken_slope_is_found(loss, intercept):
    X, y = data()
    for penalty in (L2(0.01), L1(0.01), ElasticNet(0.01, 0.5), NoPenalty()):
        problem = linear(X, y, loss, penalty, intercept)
        w, null = solved(linear(X, y, Logistic(), L2(0.01), intercept))
        for tol in (1e-2, 1e-8):
            c = certify(problem, w, tol=tol, null_value=null)
            assert not c.passed
            assert c.bounds == "nothing"
            assert "check_loss" in c.reason
            assert c.evidence["row"] >= 0


def test_a_right_loss_without_conjugate_passes_by_strong_convexity():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 3))
    y = X @ np.ones(3) + rng.standard_normal(50)
    for intercept in (False, True):
        problem = linear(X, y, LogCosh(), L2(0.1), intercept)
        w, null = solved(problem)
        c = certify(problem, w, tol=1e-8, null_value=null)
        assert (c.passed, c.kind) == (True, "strong_convexity")
        assert not certify(problem, w + 0.01, tol=1e-8, null_value=null).passed
    c = certify(linear(X, y, LogCosh(), L1(0.1)), np.zeros(3), tol=1e-8)
    assert (c.passed, c.kind, c.bounds) == (False, "prox_residual", "stationarity")


def test_not_finite_parameters_and_data():
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.1))
    c = certify(problem, np.array([1.0, np.nan, 0.0, np.inf]), tol=1e-3)
    assert (c.status, c.passed, c.kind) == (Status.DIVERGED, False, "none")
    assert "2 of 4 parameters" in c.reason
    X = X.copy()
    X[7, 2] = np.nan
    c = certify(linear(X, y, Logistic(), L2(0.1)), np.ones(4), tol=1e-3)
    assert (c.status, c.passed) == (Status.DIVERGED, False)
    assert "row 7 " in c.reason
    c = certify(linear(np.abs(data()[0]), np.ones(60), Poisson(), L2(0.1)), np.full(4, 1e4), tol=1e-3)
    assert (c.status, c.passed) == (Status.DIVERGED, False)


def test_a_row_of_weight_zero_is_absent():
    X, y = data()
    p = uniform(60)
    p[7] = 0.0
    p /= p.sum()
    kept = np.arange(60) != 7
    w = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    a = certify(linear(X, y, Logistic(), L2(0.1), True, p), w, tol=1e-3)
    b = certify(linear(X[kept], y[kept], Logistic(), L2(0.1), True), w, tol=1e-3)
    assert a.value == pytest.approx(b.value, rel=1e-9)


@pytest.mark.parametrize("p", [np.zeros(60), np.full(60, np.nan), np.r_[-1.0, np.full(59, 2.0 / 59)]])
def test_weights_without_a_sum(p):
    X, y = data()
    c = certify(linear(X, y, Logistic(), L2(0.1), False, p), np.zeros(4), tol=1e-3)
    assert (c.status, c.passed) == (Status.ILL_POSED, False)
    assert "weights" in c.reason


def test_shape_of_parameters():
    X, y = data()
    with pytest.raises(InvalidParameterError, match=r"shape \(5,\), got \(4,\)"):
        certify(linear(X, y, Logistic(), L2(0.1), True), np.zeros(4), tol=1e-3)


@pytest.mark.parametrize("status", [Status.BUDGET, Status.STALLED, Status.INTERRUPTED, Status.DIVERGED])
def test_an_early_end_is_kept_unless_the_certificate_passes(status):
    X, y = data()
    problem = linear(X, y, Logistic(), L2(0.01))
    w, null = solved(problem)
    c = certify(problem, 0.5 * w, tol=1e-6, status=status, reason="max_iter=3 reached", null_value=null)
    assert (c.status, c.passed) == (status, False)
    assert c.reason.startswith("max_iter=3 reached; the ")
    c = certify(problem, w, tol=1e-6, status=status, reason="max_iter=3 reached", null_value=null)
    assert (c.status, c.passed) == (Status.CERTIFIED, True)
    assert "max_iter=3 reached" in c.reason


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
