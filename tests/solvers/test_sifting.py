"""Sifting: the model bounds from below, every round proves what it says, and the optimum is that of all rows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest import LinearClassifier
from steepest.certify.balance import shrunk
from steepest.data.source import as_source
from steepest.kernels import passes
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.problems.linear import LinearProblem
from steepest.solvers import margin_dual, sifting
from steepest.solvers.augmented import AugmentedLagrangian
from steepest.solvers.margin_dual import MarginDual
from steepest.solvers.sifting import Sifting, nearest


@pytest.fixture(autouse=True)
def _few_rows_are_many(monkeypatch):
    monkeypatch.setattr(sifting, "FEWEST", 40)
    monkeypatch.setattr(sifting, "NEAR_WIDTH", 5)


def _problem(n=600, d=6, alpha=1e-3, intercept=False, sparse=False, weighted=False, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.geomspace(0.03, 3.0, d)
    X[:, ::2] = X[:, ::2] > 0.0
    X[: n // 5] = X[n // 5 : 2 * (n // 5)]  # equal rows
    X[-3:] = 0.0
    score = (X - X.mean(axis=0)) @ rng.normal(size=d)
    y = np.where(score + noise * rng.normal(size=n) > 0.0, 1.0, -1.0)
    p = 10.0 ** rng.uniform(-6.0, 0.0, n) * (rng.random(n) < 0.9) if weighted else np.ones(n)
    source = as_source(sp.csr_array(X) if sparse else X)
    return LinearProblem(source, y, p / p.sum(), get_loss("hinge"), get_penalty("l2", alpha), intercept)


def _run(problem, tol, rounds=60):
    solver = Sifting(tol)
    state = solver.begin(problem, np.zeros(problem.source.shape[1]), 0.0)
    for _ in range(rounds):
        yield (round_ := solver.advance(state))
        if round_.bound.relative <= tol or round_.exhausted:
            break


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-1, 1e-5])
def test_it_finds_the_optimum_of_all_rows(intercept, sparse, weighted, alpha):
    problem = _problem(intercept=intercept, sparse=sparse, weighted=weighted, alpha=alpha)
    *_, last = _run(problem, 1e-8)
    assert last.bound.relative <= 1e-8
    again = _problem(intercept=intercept, sparse=sparse, weighted=weighted, alpha=alpha)
    solver = AugmentedLagrangian()
    state = solver.start(again, again.start())
    for _ in range(400):
        other = solver.advance(state)
        if other.bound.relative <= 1e-9 or other.exhausted:
            break
    assert other.bound.relative <= 1e-7
    assert last.bound.primal <= other.bound.primal * (1.0 + 1e-7)
    assert other.bound.primal >= last.bound.dual * (1.0 - 1e-12)


@pytest.mark.parametrize("intercept", [False, True])
def test_every_round_proves_its_bound_and_none_is_worse(intercept):
    problem = _problem(intercept=intercept, alpha=1e-4)
    rounds = list(_run(problem, 1e-9))
    best = rounds[-1].bound.primal
    for round_ in rounds:
        u = round_.dual
        assert np.all((-u * problem.y >= 0.0) & (-u * problem.y <= 1.0))
        if intercept:
            assert abs(problem.p @ u) <= 1e-12
            u = shrunk(u, problem.p)
        c = problem.source.rmatvec(problem.p, u)[0]
        dual = -float(passes.conjugates_sum(problem.loss, u, problem.y, problem.p)) - 0.5 * c @ c / problem.traits.l2
        assert dual == pytest.approx(round_.bound.dual, rel=1e-9)
        assert dual <= best * (1.0 + 1e-9)
        assert round_.at.value == pytest.approx(problem.evaluate(round_.at.w).value, rel=1e-10)
    for pair in zip(rounds, rounds[1:], strict=False):
        assert pair[1].bound.dual >= pair[0].bound.dual
        assert pair[1].bound.primal <= pair[0].bound.primal * (1.0 + 1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), intercept=st.booleans(), sparse=st.booleans(), share=st.floats(0.0, 1.0))
def test_a_model_bounds_the_objective_from_below_and_meets_it_where_it_was_made(seed, intercept, sparse, share):
    problem = _problem(n=120, d=4, intercept=intercept, sparse=sparse, weighted=True, seed=seed)
    rng = np.random.default_rng(seed)
    solver = Sifting()
    w, shift = rng.normal(size=4), float(rng.normal()) if intercept else 0.0
    state = solver.begin(problem, w, shift)
    state.reach = nearest(problem, state.z, int(share * 100))
    model = solver._model(state).problem
    here = np.append(w, shift) if intercept else w
    assert model.evaluate(here).value == pytest.approx(problem.evaluate(here).value, rel=1e-9)
    for size in (0.1, 1.0, 10.0):
        there = here + size * rng.normal(size=len(here))
        assert model.evaluate(there).value <= problem.evaluate(there).value * (1.0 + 1e-9)


def test_the_nearest_rows_are_counted_by_their_distance_from_the_margin():
    problem = _problem(n=50, weighted=True)
    z = np.random.default_rng(1).normal(size=50)
    reach = nearest(problem, z, 7)
    away = np.abs(problem.y * z - 1.0)[problem.p > 0.0]
    assert int((away < reach).sum()) == 7
    assert nearest(problem, z, 50) == np.inf


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("alpha", [1e-2, 1e-6])
def test_many_rows_are_sifted_and_certified(monkeypatch, sparse, intercept, alpha):
    monkeypatch.setattr(margin_dual, "SIFT_ROWS", 100)
    problem = _problem(intercept=intercept, sparse=sparse, weighted=True, alpha=alpha, noise=0.05)
    solver = MarginDual()
    solver.aim = 1e-7
    assert solver._sifts(problem)
    X = problem.source.matrix if sparse else problem.source.X
    model = LinearClassifier(
        "hinge", alpha=alpha, fit_intercept=intercept, solver="margin_dual", tol=1e-7, on_unconverged="raise"
    ).fit(X, problem.y, problem.p)
    assert model.certificate_.relative <= 1e-7
    other = LinearClassifier(
        "hinge", alpha=alpha, fit_intercept=intercept, solver="augmented_lagrangian", tol=1e-7, on_unconverged="raise"
    ).fit(X, problem.y, problem.p)
    assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=3e-7)


def test_known_multipliers_and_their_bound_are_kept():
    problem = _problem()
    *_, last = _run(problem, 1e-6)
    w, u = last.at.w, last.dual
    state = Sifting(1e-6).begin(problem, w, 0.0, -u * problem.y, last.bound.dual, u)
    assert state.gap <= 1e-6
    assert state.primal == pytest.approx(last.bound.primal, rel=1e-12)
