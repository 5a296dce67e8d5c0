"""Each situation gets the verdict it deserves: what passes and what does not; status, kind, evidence, cost."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import scipy.sparse as sp
from verdict_cases import BrokenLogistic, BrokenNoConjugate, LogCosh, data, linear, solved, uniform

from steepest.certify.certificate import certify
from steepest.certify.gap import duality_gap
from steepest.certify.words import explain
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.losses import (
    Absolute,
    Hinge,
    Huber,
    Logistic,
    Poisson,
    Squared,
)
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status

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
