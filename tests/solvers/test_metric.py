"""Metrics against the matrices that they stand for, and the drawing of rows for a Hessian block."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.losses import get_loss
from steepest.parallel import Pool
from steepest.penalties import L2
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.auto import choose
from steepest.solvers.metric import EXPLICIT, Cholesky, ClassBlocks
from steepest.solvers.precondition import SoftmaxSchedule, likely_rows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def positive(rng, size, condition=100.0):
    Q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return (Q * np.geomspace(1.0, condition, size)) @ Q.T


def softmax(n=1500, d=12, k=4, kind="dense", dtype=np.float64, intercept=True, jobs=1, l2=1e-3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.argmax(X @ rng.standard_normal((d, k)) * 2.0 + rng.gumbel(size=(n, k)), axis=1)
    X = X.astype(dtype)
    source = as_source(X if kind == "dense" else sp.csr_array(X), pool=Pool(jobs))
    return MulticlassProblem(source, y, np.full(n, 1.0 / n), get_loss("softmax"), L2(l2), intercept, k)


@pytest.mark.parametrize("size", [3, EXPLICIT - 1, EXPLICIT])
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_a_cholesky_metric_solves(rng, size, scale):
    M = positive(rng, size)
    v = scale * rng.standard_normal(2 * size)
    found = Cholesky(M, 2).solve(v)
    want = np.linalg.solve(M, v.reshape(size, 2)).ravel()
    assert np.linalg.norm(found - want) < (1e-4 if size >= EXPLICIT else 1e-12) * np.linalg.norm(want)


def test_a_matrix_too_coarse_for_float32_is_factored_in_float64(rng):
    M = positive(rng, EXPLICIT + 10, 1e9)
    v = rng.standard_normal(len(M))
    assert np.linalg.norm(M @ Cholesky(M).solve(v) - v) < 1e-5 * np.linalg.norm(v)


@pytest.mark.parametrize("size", [2, EXPLICIT])
@pytest.mark.parametrize("scale", [1.0, 1e-40, 1e30])
def test_class_blocks_are_the_projected_inverses(rng, size, scale):
    blocks = [positive(rng, size) * 10.0**c for c in range(3)]
    metric = ClassBlocks(3, size)
    assert all(metric.put(c, M.copy()) for c, M in enumerate(blocks))
    v = scale * rng.standard_normal((size, 3))
    centred = v - v.mean(axis=1, keepdims=True)
    want = np.stack([np.linalg.solve(M, centred[:, c]) for c, M in enumerate(blocks)], axis=1)
    want -= want.mean(axis=1, keepdims=True)
    found = metric.solve(v.ravel()).reshape(size, 3)
    assert np.linalg.norm(found - want) < (1e-4 if size >= EXPLICIT else 1e-12) * np.linalg.norm(want)


def test_class_blocks_that_float32_cannot_hold_say_so(rng):
    M = positive(rng, EXPLICIT, 1e9)
    assert not ClassBlocks(2, EXPLICIT).put(0, M.copy())
    exact = ClassBlocks(2, EXPLICIT, single=False)
    assert exact.put(0, M.copy())
    assert exact.put(1, M.copy())
    v = rng.standard_normal((EXPLICIT, 1)) * np.array([1.0, -1.0])
    found = exact.solve(v.ravel()).reshape(EXPLICIT, 2)
    assert np.linalg.norm(M @ found[:, 0] - v[:, 0]) < 1e-5 * np.linalg.norm(v[:, 0])


def test_class_blocks_of_a_singular_matrix_take_a_ridge():
    metric = ClassBlocks(2, 2)
    for c in range(2):
        assert metric.put(c, np.ones((2, 2)))
    v = np.array([1.0, -1.0, 1.0, -1.0])
    out = metric.solve(v)
    assert np.isfinite(out).all()
    assert out @ v > 0.0


@given(st.lists(st.floats(0.0, 1e3), min_size=1, max_size=60), st.integers(1, 200), st.integers(0, 9))
def test_drawn_rows_stand_for_the_whole_sum(values, m, turn):
    h = np.array(values)
    if not h.sum() > 1e-9:
        h[0] = 1.0
    rows, weights = likely_rows(h, m, turn)
    assert (np.diff(rows) > 0).all()
    assert (h[rows] > 0.0).all()
    assert weights.sum() == pytest.approx(h.sum(), rel=1e-9)
    draws = weights * m / h.sum()
    share = h[rows] / h.sum() * m
    assert (np.abs(draws - share) < 2.0).all()  # one from each stretch: off by less than a stretch at either end


def test_draws_estimate_a_gram_matrix_without_bias(rng):
    X, h = rng.standard_normal((300, 3)), rng.exponential(size=300) ** 3
    want = (X * h[:, None]).T @ X
    found = np.zeros((3, 3))
    for turn in range(200):
        rows, weights = likely_rows(h, 60, turn)
        found += (X[rows] * weights[:, None]).T @ X[rows] / 200
    assert np.abs(found - want).max() < 0.03 * np.abs(want).max()


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_block_of_a_class_is_that_of_the_hessian(kind, intercept):
    problem = softmax(kind=kind, intercept=intercept, l2=0.0)
    rng = np.random.default_rng(1)
    at = problem.evaluate(rng.standard_normal(problem.size))
    whole, k, m = problem.hessian(at), 4, problem.layout.n_weights
    h = problem.class_curvatures(at)
    for c in range(k):
        mine = np.arange(c, m, k)
        if intercept:
            mine = np.append(mine, m + c)
        np.testing.assert_allclose(problem.class_hessian(h[c]), whole[np.ix_(mine, mine)], atol=1e-14)
        some = np.arange(0, 1500, 7)
        part = problem.class_hessian(h[c, some], some)
        rest = np.setdiff1d(np.arange(1500), some)
        np.testing.assert_allclose(part + problem.class_hessian(h[c, rest], rest), problem.class_hessian(h[c]))


def test_a_gram_matrix_of_several_pieces(monkeypatch):
    problem = softmax(n=700, d=9)
    h = np.random.default_rng(2).random(700)
    whole = problem.class_hessian(h)
    monkeypatch.setattr("steepest.problems.multiclass.GRAM_BYTES", 64 * 10 * 8)
    np.testing.assert_allclose(problem.class_hessian(h), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_drawn_blocks_bring_the_optimum_in_few_rounds_with_the_same_bits_for_any_threads(kind, dtype):
    ends = []
    for jobs in (1, 3):
        problem = softmax(n=6000, d=30, k=5, kind=kind, dtype=dtype, jobs=jobs, l2=1e-4)
        plan = choose(problem, "lbfgs")
        schedule = plan.solver.schedule
        assert isinstance(schedule, SoftmaxSchedule)
        assert schedule.most < 3000  # rows are drawn
        state = plan.solver.start(plan.problem, plan.start(None))
        for _ in range(25):
            at = plan.solver.advance(state).at
        assert schedule.renewals == 1
        assert np.linalg.norm(at.gradient) < 1e-5
        ends.append(at.w)
        problem.source.pool.close()
    assert ends[0].tobytes() == ends[1].tobytes()


def test_a_rough_start_whitens_and_leaves_the_blocks_to_the_whole():
    problem = softmax(n=40_000, d=20, k=3)
    plan = choose(problem, "lbfgs")
    assert plan.solver.prologue is not None
    state = plan.solver.start(plan.problem, plan.start(None))
    assert isinstance(plan.solver.direction.metric, Cholesky)
    assert plan.solver.schedule.renewals == 0
    first = plan.solver.advance(state).at
    assert first.value < problem.null_value()
    for _ in range(6):
        at = plan.solver.advance(state).at
    assert isinstance(plan.solver.direction.metric, ClassBlocks)
    assert plan.solver.schedule.renewals == 1
    assert np.linalg.norm(at.gradient) < 1e-3 * np.linalg.norm(problem.evaluate(problem.start()).gradient)
