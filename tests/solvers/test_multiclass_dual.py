"""Dual coordinate descent for several classes: it reaches the optimum, proves it, and its parts do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.kernels import multiclass_dual as kernels
from steepest.kernels.lanes import aligned
from steepest.losses.margin_multiclass import CrammerSinger, WestonWatkins
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.auto import choose
from steepest.solvers.multiclass_dual import MulticlassDual, compressed


def _costs(k, seed=0, scale=1.0):
    costs = np.random.default_rng(seed).uniform(0.1, 2.0, (k, k)) * scale
    np.fill_diagonal(costs, 0.0)
    return costs


def _problem(loss, n=120, d=6, k=4, alpha=1e-2, intercept=False, sparse=False, weighted=False, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.6) + (0.3 if intercept else 0.0)
    X[:2] = 0.0
    y = np.argmax(X @ rng.normal(size=(d, k)) + rng.normal(size=(n, k)), axis=1)
    y[:k] = np.arange(k)
    p = rng.uniform(0.2, 2.0, n) * (rng.random(n) < 0.9) if weighted else np.ones(n)
    source = as_source(sp.csr_array(X) if sparse else X)
    return MulticlassProblem(source, y, p / p.sum(), loss, get_penalty("l2", alpha), intercept, k)


def _run(problem, solver=None, rounds=400, tol=1e-9):
    solver = solver or MulticlassDual()
    state = solver.start(problem, np.zeros(problem.size))
    for _ in range(rounds):
        round_ = solver.advance(state)
        if round_.bound.relative <= tol or round_.exhausted:
            break
    return state, round_


@pytest.mark.parametrize(
    "loss", [CrammerSinger(), CrammerSinger(_costs(4)), WestonWatkins()], ids=["cs", "costs", "ww"]
)
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1e-1, 1e-3])
def test_reaches_an_optimum_that_the_certificate_confirms(loss, intercept, sparse, weighted, alpha):
    problem = _problem(loss, intercept=intercept, sparse=sparse, weighted=weighted, alpha=alpha)
    _, round_ = _run(problem, tol=1e-7)
    assert round_.bound.relative <= 1e-7
    found = certify(problem, round_.at.w, tol=1e-6, dual=round_.dual, null_value=problem.null_value())
    assert found.passed, found
    assert found.dual <= round_.at.value * (1.0 + 1e-12)


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000), n=st.integers(3, 12), d=st.integers(1, 4), k=st.integers(2, 5),
    box=st.booleans(), intercept=st.booleans(), C=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_tiny_problems_with_duplicates_and_costs_of_any_scale(seed, n, d, k, box, intercept, C, scale):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, d)).astype(float)
    X = np.vstack([X, X[:2], np.zeros((1, d))])
    y = rng.integers(0, k, len(X))
    loss = WestonWatkins() if box else CrammerSinger(_costs(k, seed, scale))
    n = len(X)
    penalty = get_penalty("l2", (1.0 if box else 1.0 / scale) / (C * n))
    problem = MulticlassProblem(as_source(X), y, np.full(n, 1.0 / n), loss, penalty, intercept, k)
    _, round_ = _run(problem, rounds=600, tol=1e-7)
    assert round_.bound.relative <= 1e-6, (round_.bound, round_.note)
    assert round_.bound.dual <= round_.bound.primal * (1.0 + 1e-9) + 1e-15
    assert certify(problem, round_.at.w, tol=1e-5, dual=round_.dual, null_value=problem.null_value()).passed


@pytest.mark.parametrize("loss", [CrammerSinger(), WestonWatkins()], ids=["cs", "ww"])
def test_two_classes_are_the_binary_hinge_with_half_the_squared_norm(loss):
    # With k = 2 both are [1 - s m]_+ of the difference m = z_1 - z_0; at the optimum w_1 = -w_0 = v / 2, so
    # l2 |W|^2 / 2 = (l2 / 2) |v|^2 / 2: the binary hinge with half the penalty.
    problem = _problem(loss, k=2, alpha=0.02)
    _, round_ = _run(problem, tol=1e-10)
    W = round_.at.w.reshape(-1, 2)
    np.testing.assert_allclose(W[:, 0], -W[:, 1], atol=1e-12)
    binary = LinearProblem(
        problem.source,
        np.where(problem.y == 1, 1.0, -1.0),
        problem.p,
        get_loss("hinge"),
        get_penalty("l2", 0.01),
        False,
    )
    plan = choose(binary)
    state = plan.solver.start(plan.problem, plan.start(None))
    for _ in range(200):
        other = plan.solver.advance(state)
        if other.bound is not None and other.bound.relative <= 1e-10:
            break
    assert round_.at.value == pytest.approx(other.at.value, rel=1e-8)
    np.testing.assert_allclose(W[:, 1] - W[:, 0], other.at.w, atol=1e-4)


def test_a_hundred_classes_of_which_most_are_empty():
    problem = _problem(CrammerSinger(), n=300, d=20, k=100, alpha=1e-2)
    _, round_ = _run(problem, tol=1e-6)
    assert round_.bound.relative <= 1e-6


def test_rows_of_no_weight_and_rows_of_zeros_do_no_harm():
    problem = _problem(WestonWatkins(), weighted=True, intercept=True)
    state, round_ = _run(problem, tol=1e-7)
    assert np.all(state.U[problem.p == 0.0] == 0.0)
    assert round_.bound.relative <= 1e-7


def test_the_same_seed_gives_the_same_bits_and_another_the_same_optimum():
    problem = _problem(CrammerSinger())
    first, again, other = (_run(problem, MulticlassDual(s, second_order=False), tol=1e-8)[1] for s in (3, 3, 4))
    assert first.at.w.tobytes() == again.at.w.tobytes() != other.at.w.tobytes()
    assert first.at.value == pytest.approx(other.at.value, rel=1e-7)


def test_a_start_at_the_optimum_is_near_it_at_once():
    problem = _problem(WestonWatkins())
    _, round_ = _run(problem, tol=1e-9)
    solver = MulticlassDual()
    state = solver.start(problem, round_.at.w)
    W = -problem.source.X.T @ (problem.p[:, None] * state.U)
    np.testing.assert_allclose(state.W[:, :4], W / problem.traits.l2, atol=1e-10)


@given(seed=st.integers(0, 10_000), k=st.integers(2, 30), spread=st.sampled_from([1e-9, 1.0, 1e9]))
@settings(max_examples=100, deadline=None)
def test_points_come_back_to_the_nearest_of_their_polytope(seed, k, spread):
    rng = np.random.default_rng(seed)
    own = int(rng.integers(k))
    given_ = rng.normal(size=(1, k)) * spread
    inside = given_.copy()
    kernels.back_inside(np.array([own], dtype=np.uint32), False, inside)
    q, v = inside[0] + np.eye(k)[own], given_[0] + np.eye(k)[own]
    assert np.all(q >= 0.0)
    assert q.sum() == pytest.approx(1.0, abs=1e-6)
    kept = q > 0.0
    cut = (v - q)[kept]
    assert np.ptp(cut) <= 1e-9 * max(1.0, spread)
    assert np.all(v[~kept] <= cut.max() + 1e-9 * max(1.0, spread))


def test_dense_rows_that_are_mostly_zero_are_taken_as_compressed_ones():
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(40, 30)) * (rng.random((40, 30)) < 0.2)).astype(np.float32)
    X[5], X[-1] = 0.0, 0.0
    rows = compressed(as_source(X))
    found = sp.csr_array((rows.data[:-1], rows.indices[:-1].astype(np.int32), rows.indptr.astype(np.int32)), X.shape)
    np.testing.assert_array_equal(found.toarray(), X)
    full = as_source(np.ones((3, 4)))
    assert compressed(full) is full.rows


@pytest.mark.parametrize("k", [1, 8, 9, 16, 24, 33])
@pytest.mark.parametrize("sparse", [False, True])
def test_scores_and_sums_of_any_number_of_classes(k, sparse):
    rng = np.random.default_rng(k)
    X = rng.normal(size=(15, 11)) * (rng.random((15, 11)) < 0.7)
    rows = as_source(sp.csr_array(X) if sparse else X).rows
    W, b, order = aligned(11, k), aligned(1, k)[0], np.array([3, 0, 14, 7], dtype=np.uint32)
    W[:, :k], b[:k] = rng.normal(size=(11, k)), rng.normal(size=k)
    Z = np.empty((4, k))
    kernels.lane_scores(rows, W, b, order, Z)
    np.testing.assert_allclose(Z, X[order] @ W[:, :k] + b[:k], atol=1e-12)
    V, weights = rng.normal(size=(4, k)), rng.normal(size=4)
    G, total = aligned(11, k), np.zeros(W.shape[1])
    kernels.lane_sums(rows, weights, V, order, G, total)
    np.testing.assert_allclose(G[:, :k], X[order].T @ (weights[:, None] * V), atol=1e-12)
    np.testing.assert_allclose(total[:k], weights @ V, atol=1e-12)


def test_other_losses_are_named():
    problem = _problem(get_loss("softmax"))
    with pytest.raises(IncompatibleError, match="softmax"):
        MulticlassDual().start(problem, np.zeros(problem.size))
    assert MulticlassDual().missing(problem.traits) is not None
    assert MulticlassDual().missing(_problem(WestonWatkins()).traits) is None
    assert "squared penalty" in MulticlassDual().missing(_problem(WestonWatkins(), alpha=0.0).traits)
