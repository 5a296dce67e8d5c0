"""Weights that move together: where steps of one example, or on pairs of planes, crawl."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import Sign, listed

from steepest import StructuredSVM, TaxonomySVM
from steepest.kernels.structured import project_simplices
from steepest.problems.structured import StructuredProblem
from steepest.structured.face import Face, face_step, program_step
from steepest.structured.interior import simplex_program
from steepest.structured.oracle import OraclePlanes
from steepest.structured.working_set import WorkingSet

SOLVERS = ["frank_wolfe", "cutting_planes"]
TREE = {"a": "low", "b": "low", "low": "all", "c": "all"}


def uncentred(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(100.0, 1.0, (n, 2))
    return X, X[:, 0] - X[:, 1] + 0.4 * rng.standard_normal(n)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_far_from_zero_are_certified_in_a_few_rounds(solver):
    X, z = uncentred(60)
    model = StructuredSVM(Sign(), solver=solver, max_iter=40).fit(list(X), np.where(z > 0.0, 1, -1).tolist())
    assert model.certificate_.passed
    X, z = uncentred(90, 1)
    y = np.array(["a", "b", "c"])[np.digitize(z, [-0.7, 0.7])]
    tree = TaxonomySVM(TREE, solver=solver, tol=1e-7, max_iter=80).fit(X, y)
    assert tree.certificate_.passed


@pytest.mark.parametrize("seed", range(3))
def test_the_last_digits_of_few_rows(seed):
    """Kinks make the gap of the first order in w, so that it moves long after the dual has come to rest."""
    rng = np.random.RandomState(seed)
    X, y = rng.rand(15, 10), rng.randint(0, 3, 15)
    model = TaxonomySVM(alpha=1e-3, tol=1e-9, max_iter=60).fit(X, y)
    assert model.certificate_.passed


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_of_very_different_sizes(solver):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 20)
    X = 20.0 * rng.standard_normal((60, 2)) + rng.normal(0.0, 5.0, (3, 2))[y]
    weights = {0: 1000.0, 1: 1e-4, 2: 1e-4}
    model = TaxonomySVM(class_weight=weights, solver=solver, tol=1e-7, max_iter=60).fit(X, y)
    assert model.certificate_.passed


def program_case(seed):
    rng = np.random.default_rng(seed)
    k, s = int(rng.integers(1, 8)), int(rng.integers(1, 6))
    at = np.repeat(np.arange(k), rng.integers(2, 6, k))
    A = rng.standard_normal((len(at), s)) + rng.choice([0.0, 30.0])
    b = rng.uniform(0.0, 1.0, len(at))
    totals = rng.uniform(0.01, 1.0, k)
    start = np.zeros(len(at))
    start[np.searchsorted(at, np.arange(k))] = totals
    return A, b, float(rng.choice([1.0, 0.01])), at, totals, start


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_interior_point_is_the_optimum_of_the_program(seed):
    A, b, alpha, at, totals, start = program_case(seed)
    a = simplex_program(A, b, alpha, at, totals, start, 1e-8)
    assert np.all(a >= 0.0)
    np.testing.assert_allclose(np.bincount(at, a), totals, rtol=1e-9)
    g = b - A @ (A.T @ a) / alpha
    top = np.full(len(totals), -np.inf)
    np.maximum.at(top, at, g)
    scale = np.abs(b).max() + np.abs(A).max() ** 2 * totals.sum() / alpha
    assert float(totals @ top - a @ g) <= 2e-8 + 1e-11 * scale, "the gap is that of the program itself"


def test_the_interior_point_equals_another_solver():
    A, b, alpha, at, totals, start = program_case(3)
    x = cp.Variable(len(b), nonneg=True)
    sums = (np.arange(len(totals))[:, None] == at) @ x
    best = cp.Problem(cp.Maximize(b @ x - cp.sum_squares(A.T @ x) / (2.0 * alpha)), [sums == totals])
    value = best.solve(solver=cp.CLARABEL)
    a = simplex_program(A, b, alpha, at, totals, start, 1e-9)
    assert b @ a - (A.T @ a) @ (A.T @ a) / (2.0 * alpha) == pytest.approx(value, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1e-3, 1.0, 1e30]))
@settings(max_examples=30, deadline=None)
def test_projections_are_the_nearest_points(seed, size):
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0], np.cumsum(rng.integers(1, 6, 4))])
    z, totals = size * rng.standard_normal(edges[-1]), rng.uniform(0.1, 2.0, 4)
    out = project_simplices(z, edges, totals)
    assert np.all(out >= 0.0)
    np.testing.assert_allclose(np.add.reduceat(out, edges[:-1]), totals, rtol=1e-12)
    for low, high, total in zip(edges[:-1], edges[1:], totals, strict=True):
        corners = total * np.eye(high - low)
        slopes = (corners - out[low:high]) @ (z[low:high] - out[low:high])
        assert np.all(slopes <= 1e-9 * (1.0 + size) * total), "no corner is on the side of z"


@given(seed=st.integers(0, 2**32 - 1), alpha=st.sampled_from([1.0, 1e-3]), shift=st.sampled_from([0.0, 50.0]))
@settings(max_examples=20, deadline=None)
def test_steps_of_all_weights_raise_the_dual_by_what_they_say(seed, alpha, shift):
    rng = np.random.default_rng(seed)
    oracle, X, Y = listed(rng, n=10)
    problem = StructuredProblem(
        OraclePlanes(oracle, [x + shift * np.arange(4)[:, None] for x in X], Y), np.ones(10) / 10, alpha
    )
    kept = WorkingSet(problem.p, problem.width)
    for _ in range(4):
        problem.evaluate(np.zeros(problem.size))
        losses, codes, _ = problem.ask(rng.standard_normal(problem.size), np.arange(10))
        kept.add(np.arange(10), losses, codes)
    w = problem.start()
    for step in (face_step, lambda *a: program_step(*a, 1e-3), face_step):
        before = kept.value(w, alpha)
        gain = step(problem, kept, w)
        after = kept.value(w, alpha)
        noise = 1e-9 * (abs(after) + abs(before) + alpha * float(w @ w))
        assert gain >= 0.0
        assert abs(after - before - gain) <= noise
        face = Face(problem, kept)
        np.testing.assert_allclose(face.sums(face.weights), problem.p[face.owners], rtol=1e-9)
        np.testing.assert_allclose(w, face.difference(face.weights) / -alpha, rtol=1e-7, atol=1e-7 * np.abs(w).max())
