"""Dual coordinate descent for margins: it reaches the optimum, proves it, and its parts do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.kernels.margin_dual import margin_epoch, random_below
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.problems.linear import LinearProblem
from steepest.solvers import margin_dual
from steepest.solvers.auto import choose
from steepest.solvers.margin_dual import MarginDual, best_shift
from steepest.solvers.margin_face import face_steps


def _problem(loss, n=200, d=8, alpha=1e-2, intercept=False, sparse=False, weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.5) + (0.3 if intercept else 0.0)
    y = np.where(X @ rng.normal(size=d) + rng.normal(size=n) > 0.0, 1.0, -1.0)
    p = rng.uniform(0.2, 2.0, n) * (rng.random(n) < 0.9) if weighted else np.ones(n)
    source = as_source(sp.csr_array(X) if sparse else X)
    return LinearProblem(source, y, p / p.sum(), get_loss(loss), get_penalty("l2", alpha), intercept)


def _run(problem, solver, rounds=400, tol=1e-9):
    state = solver.start(problem, np.zeros(problem.size))
    for _ in range(rounds):
        round_ = solver.advance(state)
        if round_.bound.relative <= tol or round_.exhausted:
            break
    return state, round_


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-1, 1e-3])
def test_reaches_the_certified_optimum(loss, intercept, sparse, weighted, alpha):
    problem = _problem(loss, intercept=intercept, sparse=sparse, weighted=weighted, alpha=alpha)
    X = problem.source.matrix if sparse else problem.source.X
    s = problem.p * len(problem.p)
    model = LinearClassifier(
        loss, alpha=alpha, fit_intercept=intercept, solver="margin_dual", tol=1e-8, on_unconverged="raise"
    ).fit(X, problem.y, s)
    other = LinearClassifier(
        loss, alpha=alpha, fit_intercept=intercept, tol=1e-9, on_unconverged="raise",
        solver="augmented_lagrangian" if loss == "hinge" else "newton-cholesky",
    ).fit(X, problem.y, s)  # fmt: skip
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-3, atol=1e-3)
    assert model.certificate_.primal <= other.certificate_.primal * (1.0 + 1e-7)
    assert other.certificate_.primal >= model.certificate_.dual * (1.0 - 1e-12)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("intercept", [False, True])
def test_newton_steps_on_the_face_finish_wide_problems(monkeypatch, loss, intercept):
    """Where no matrix of order d is formed: the bound of every round is one, and Newton steps save passes."""
    monkeypatch.setattr(margin_dual, "GRAM_MOST", 0)
    problem = _problem(loss, n=150, d=40, alpha=1e-4, intercept=intercept, sparse=True)
    _, last = _run(problem, MarginDual(), tol=1e-7)
    assert last.bound.relative <= 1e-7
    again = _problem(loss, n=150, d=40, alpha=1e-4, intercept=intercept, sparse=True)
    plain = _run(again, MarginDual(second_order=False), rounds=60, tol=1e-7)[1]
    assert plain.bound.relative > 1e-7 or again.passes > problem.passes


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_every_round_proves_its_bound(loss):
    problem = _problem(loss, alpha=1e-3)
    best = _run(problem, MarginDual(), tol=1e-11)[1].bound.primal
    again = _problem(loss, alpha=1e-3)
    solver = MarginDual(second_order=False)
    state = solver.start(again, np.zeros(again.size))
    duals = []
    for _ in range(12):
        round_ = solver.advance(state)
        assert round_.bound.dual <= best * (1.0 + 1e-12) <= round_.bound.primal * (1.0 + 1e-9)
        assert round_.at.value == pytest.approx(again.evaluate(round_.at.w).value, rel=1e-12)
        duals.append(round_.bound.dual)
    assert duals == sorted(duals)


def test_the_same_seed_gives_the_same_bits():
    runs = [_run(_problem("hinge"), MarginDual(seed=seed, second_order=False), rounds=5)[0] for seed in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0].a, runs[1].a)
    assert np.any(runs[0].a != runs[2].a)


@pytest.mark.parametrize("sparse", [False, True])
def test_an_epoch_moves_every_multiplier_to_its_optimum(sparse):
    """Against the same steps in plain NumPy, in the order that the kernel drew."""
    problem = _problem("hinge", n=30, d=4, sparse=sparse, weighted=True)
    X = problem.source.matrix.toarray() if sparse else problem.source.X
    n, d = X.shape
    l2, p, y, norms = problem.traits.l2, problem.p, problem.y, problem.source.square_norms()
    active = np.flatnonzero(p > 0.0).astype(np.uint32)
    size = len(active)
    w, a, bounds = np.zeros(d), np.zeros(n), np.array([np.inf, -np.inf])
    generator = np.array([12345], dtype=np.uint64)
    kept, shift, _ = margin_epoch(
        problem.source.rows, y, p, norms, l2, 0.5, 0.0, 1.0, active, size, generator, bounds, w, 0.1, a
    )
    assert kept == size  # nothing rests in the first epoch
    v, b, point = np.zeros(n), 0.1, np.zeros(d)
    for i in active:
        g = y[i] * (X[i] @ point + b) - 1.0
        new = min(max(v[i] - g * l2 / (p[i] * (norms[i] + 0.5)), 0.0), 1.0)
        b += 0.5 / l2 * p[i] * y[i] * (new - v[i])
        point += p[i] * y[i] * (new - v[i]) / l2 * X[i]
        v[i] = new
    np.testing.assert_allclose(a, v, atol=1e-12)
    np.testing.assert_allclose(w, point, atol=1e-10)
    assert shift == pytest.approx(b)


def test_numbers_below_a_count_are_spread_evenly():
    state = np.array([88172645463325252], dtype=np.uint64)
    with np.errstate(over="ignore"):
        drawn = [int(random_below.py_func(state, np.uint64(7))) for _ in range(2000)]
    counts = np.bincount(drawn, minlength=7)
    assert len(counts) == 7
    assert counts.min() > 220  # 286 expected, deviation 16


def test_the_best_shift_is_the_best():
    problem = _problem("hinge", intercept=True, weighted=True)
    z = np.random.default_rng(0).normal(size=len(problem.y))
    b = best_shift(problem, z)
    at = problem.losses_at(z + b)
    for other in (b - 1e-3, b + 1e-3, b - 1.0, b + 1.0, 0.0):
        assert at <= problem.losses_at(z + other) + 1e-15


def test_what_it_does_not_solve_it_refuses():
    problem = _problem("hinge")
    logistic = LinearProblem(problem.source, problem.y, problem.p, get_loss("logistic"), get_penalty("l2", 0.1), False)
    with pytest.raises(IncompatibleError, match="the hinge or the squared hinge"):
        choose(logistic, "margin_dual")
    lasso = LinearProblem(problem.source, problem.y, problem.p, get_loss("hinge"), get_penalty("l1", 0.1), False)
    with pytest.raises(IncompatibleError, match="a squared penalty"):
        choose(lasso, "margin_dual")


def test_it_is_the_choice_for_the_hinge():
    assert choose(_problem("hinge")).name == "margin_dual"
    assert choose(_problem("hinge", n=200, d=4000, sparse=True)).name == "margin_dual"
    assert choose(_problem("hinge", intercept=True)).name == "margin_dual"
    assert choose(_problem("squared_hinge", n=200, d=4000, sparse=True)).name == "margin_dual"


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("sparse", [False, True])
def test_steps_on_the_face_never_lose_and_keep_weights_and_multipliers_together(loss, sparse):
    problem = _problem(loss, n=120, d=30, alpha=1e-4, sparse=sparse, weighted=True)
    X = problem.source.matrix.toarray() if sparse else problem.source.X
    diagonal, cap = margin_dual.LOSSES[loss]
    rng = np.random.default_rng(4)
    a = np.where(problem.p > 0.0, rng.uniform(0.0, 1.0, 120) * (rng.random(120) < 0.7), 0.0)

    def point(a):
        return X.T @ (problem.p * problem.y * a) / problem.traits.l2

    def value(a):
        w = point(a)
        return 0.5 * problem.traits.l2 * w @ w + problem.p @ (a * (0.5 * diagonal * a - 1.0))

    before, outside = value(a), a <= 0.0
    moved = a.copy()
    w = face_steps(problem, point(a), moved, 0.0, diagonal, cap, 1e-3, 0.0)
    np.testing.assert_allclose(w, point(moved), atol=1e-9 * np.abs(w).max())
    assert value(moved) < before
    assert np.all(moved[outside] == 0.0)
    assert np.all((moved >= 0.0) & (moved <= cap))


def test_epochs_that_know_the_wanted_gap_look_less_often():
    rounds = []
    for aim in (None, 1e-3):
        solver = MarginDual(second_order=False)
        solver.aim = aim
        problem = _problem("hinge", n=2000, d=50, alpha=1e-3)
        state = solver.start(problem, np.zeros(problem.size))
        for _ in range(200):
            if solver.advance(state).bound.relative <= 1e-3:
                break
        assert state.gap <= 1e-3
        rounds.append(state.rounds)
    assert rounds[1] < rounds[0]
