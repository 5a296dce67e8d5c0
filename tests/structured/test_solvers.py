"""Frank-Wolfe with kept planes and cutting planes reach the optimum of the exact program, and their bounds hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from enumerated import objective, optimum
from hypothesis import given, settings
from hypothesis import strategies as st
from listed import listed

from steepest.certify.structured import certify_structured
from steepest.problems.structured import StructuredProblem
from steepest.structured.cutting_plane import CuttingPlanes
from steepest.structured.frank_wolfe import FrankWolfe
from steepest.structured.oracle import OraclePlanes
from steepest.structured.working_set import WorkingSet

SOLVERS = {"frank_wolfe": FrankWolfe, "averaged": lambda: FrankWolfe(average=True), "cutting_planes": CuttingPlanes}


def problem_of(case, alpha, p=None):
    oracle, X, Y = case
    return StructuredProblem(OraclePlanes(oracle, X, Y), np.full(len(Y), 1.0 / len(Y)) if p is None else p, alpha)


def rounds(solver, problem, tol, start=None, most=400):
    """The rounds that were measured, until a bound is at most tol."""
    state = solver.start(problem, problem.start() if start is None else start)
    seen = []
    while len(seen) < most:
        round_ = solver.advance(state)
        if round_.part or round_.at is None:
            continue
        seen.append(round_)
        if round_.bound.relative <= tol or round_.exhausted:
            break
    return seen


@pytest.mark.parametrize("name", SOLVERS)
@given(seed=st.integers(0, 2**32 - 1), alpha=st.sampled_from([1.0, 0.1, 0.01]))
@settings(max_examples=8, deadline=None)
def test_the_bounds_enclose_the_exact_optimum(name, seed, alpha):
    rng = np.random.default_rng(seed)
    oracle, X, Y = case = listed(rng, n=int(rng.integers(1, 15)), labels=int(rng.integers(2, 6)))
    p = rng.uniform(0.0, 1.0, len(Y))
    p /= p.sum()
    best, _ = optimum(oracle, X, Y, [range(len(oracle.losses))] * len(Y), alpha, p)
    problem = problem_of(case, alpha, p)
    solver = SOLVERS[name]()
    tol = 1e-3 if name == "averaged" else 1e-6
    seen = rounds(solver, problem, tol)
    assert seen[-1].bound.relative <= tol
    for round_ in seen:
        assert round_.bound.dual <= best + 1e-6 * abs(best) <= round_.bound.primal + 2e-6 * abs(best)
    w = seen[-1].at.w
    here = objective(oracle, X, Y, [range(len(oracle.losses))] * len(Y), w, alpha, p)
    assert here == pytest.approx(seen[-1].bound.primal, rel=1e-12)
    certificate = certify_structured(problem, w, solver.proposal(), tol=2.0 * tol)
    assert certificate.passed
    assert certificate.dual <= best + 1e-6 * abs(best)


@pytest.mark.parametrize("name", SOLVERS)
def test_the_best_gap_never_rises(name):
    problem = problem_of(listed(np.random.default_rng(1), n=40, labels=6, size=8), 0.02)
    seen = rounds(SOLVERS[name](), problem, 1e-9, most=40)
    gaps = np.array([round_.bound.value for round_ in seen])
    assert len(gaps) > 5
    assert np.all(np.diff(gaps) <= 0.0)
    assert gaps[-1] < 1e-2 * gaps[0]


def test_w_is_that_of_the_weights_of_the_planes():
    problem = problem_of(listed(np.random.default_rng(2), n=30, labels=6, size=8), 0.05)
    solver = FrankWolfe()
    seen = rounds(solver, problem, 1e-6)
    point = solver.proposal()
    difference = problem.mean_difference(point.owner, point.weights, point.codes)
    np.testing.assert_allclose(-difference / 0.05, solver.state.w, rtol=1e-10, atol=1e-13)
    used = np.bincount(point.owner, point.weights, 30)
    assert np.all(used <= problem.p * (1.0 + 1e-12))
    assert float(point.weights @ point.losses) - 0.025 * float(solver.state.w @ solver.state.w) == pytest.approx(
        seen[-1].bound.dual, rel=1e-12
    )


def test_every_step_raises_the_dual():
    problem = problem_of(listed(np.random.default_rng(3), n=25, labels=5), 0.05)
    solver = FrankWolfe()
    state = solver.start(problem, problem.start())
    values = []
    for _ in range(200):
        solver.advance(state)
        values.append(state.kept.value(state.w, 0.05))
    assert np.all(np.diff(values) >= -1e-14)


def test_the_seed_alone_decides():
    case = listed(np.random.default_rng(4), n=30)
    one, two = (rounds(FrankWolfe(random_state=3), problem_of(case, 0.05), 1e-6) for _ in range(2))
    np.testing.assert_array_equal(one[-1].at.w, two[-1].at.w)


@pytest.mark.parametrize("name", ["frank_wolfe", "cutting_planes"])
def test_a_start_is_asked_first(name):
    case = listed(np.random.default_rng(5), n=30)
    problem = problem_of(case, 0.05)
    w = rounds(FrankWolfe(), problem, 1e-7)[-1].at.w
    first = rounds(SOLVERS[name](), problem_of(case, 0.05), 1e-7, start=w, most=1)[0]
    assert first.at.value == problem.evaluate(w).value
    again = rounds(SOLVERS[name](), problem_of(case, 0.05), 1e-5, start=w)
    assert again[-1].bound.relative <= 1e-5


def test_examples_without_weight_are_never_asked():
    oracle, X, Y = listed(np.random.default_rng(6), n=10)
    asked = set()

    class Watching(OraclePlanes):
        def planes(self, scores, rows):
            asked.update(rows.tolist())
            return super().planes(scores, rows)

    p = np.where(np.arange(10) % 3 == 0, 0.0, 1.0)
    problem = StructuredProblem(Watching(oracle, X, Y), p / p.sum(), 0.1)
    rounds(FrankWolfe(), problem, 1e-6)
    assert asked == {1, 2, 4, 5, 7, 8}
    alone = [i for i in range(10) if i % 3]
    small = problem_of((oracle, [X[i] for i in alone], [Y[i] for i in alone]), 0.1)
    assert rounds(FrankWolfe(), small, 1e-8)[-1].bound.primal == pytest.approx(
        rounds(FrankWolfe(), problem, 1e-8)[-1].bound.primal, rel=1e-7
    )


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("codes", [np.asarray, sp.csr_array])
def test_features_and_codes_equal_the_products_written_out(form, codes):
    rng = np.random.default_rng(7)
    n, d, k = 60, 4, 5
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.7)
    y = (X @ rng.standard_normal((d, k)) + rng.standard_normal((n, k))).argmax(axis=1)

    class Classes:
        exact, width = True, k

        def __init__(self, features):
            self.n, self.features = n, features

        def planes(self, scores, rows):
            truth = y[rows]
            Z = scores if self.features is not None else X[rows] @ scores.reshape(d, k)
            found = (Z + (np.arange(k) != truth[:, None])).argmax(axis=1)
            u = np.zeros((len(rows), k))
            u[np.arange(len(rows)), found] += 1.0
            u[np.arange(len(rows)), truth] -= 1.0
            out = u if self.features is not None else (X[rows][:, :, None] * u[:, None, :]).reshape(len(rows), -1)
            return (found != truth).astype(float), codes(out)

    class Written(Classes):
        width = d * k

    p = np.full(n, 1.0 / n)
    short = rounds(FrankWolfe(), StructuredProblem(Classes(form(X)), p, 0.02), 1e-11)[-1]
    long = rounds(FrankWolfe(), StructuredProblem(Written(None), p, 0.02), 1e-11)[-1]
    cut = rounds(CuttingPlanes(), StructuredProblem(Classes(form(X)), p, 0.02), 1e-6)[-1]
    np.testing.assert_allclose(short.at.w, long.at.w, atol=1e-4)
    assert short.bound.primal == pytest.approx(long.bound.primal, rel=1e-7)
    assert cut.bound.dual <= short.bound.primal * (1.0 + 1e-12)
    assert cut.bound.primal == pytest.approx(short.bound.primal, rel=1e-5)


def test_planes_are_kept_once_and_forgotten_when_idle():
    kept = WorkingSet(np.full(3, 1.0 / 3.0), 4)
    codes = sp.csr_array(np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 2.0, 0.0, 0.0]]))
    rows = np.array([2, 0])
    assert kept.add(rows, np.array([1.0, 0.5]), codes) == 2
    assert kept.add(rows, np.array([1.0, 0.5]), codes) == 0
    assert kept.add(rows, np.array([1.0, 0.7]), codes) == 1
    for k in range(9):  # beyond the places that there were
        assert kept.add(rows[:1], np.array([2.0 + k]), codes[[0]]) == 1
    assert kept.counts.tolist() == [3, 1, 11]
    assert kept.held == 15
    kept.weight[3] = 0.1
    kept.now = 100
    kept.clean()
    assert kept.counts.tolist() == [1, 1, 2]
    assert kept.weight[: kept.held].sum() == pytest.approx(1.1)
    point = kept.point()
    np.testing.assert_array_equal(point.owner, [2])
    np.testing.assert_array_equal(point.codes.toarray(), [[1.0, 0.0, -1.0, 0.0]])


def test_a_plane_may_be_all_loss():
    """Labels that the features do not tell apart: their loss is paid whatever w is."""
    oracle, X, Y = listed(np.random.default_rng(8), n=10, labels=3)
    X = [np.repeat(x[:1], 3, axis=0) for x in X]
    problem = problem_of((oracle, X, Y), 0.1)
    last = rounds(FrankWolfe(), problem, 1e-9)[-1]
    assert last.bound.relative <= 1e-9
    assert last.bound.primal == pytest.approx(np.mean([oracle.losses[y].max() for y in Y]))
    np.testing.assert_array_equal(last.at.w, 0.0)
