"""Dual coordinate steps in blocks of rows: the dual never falls, the same optimum, the same bits for any n_jobs."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier
from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.kernels.margin_dual import margin_epoch
from steepest.losses.registry import get_loss
from steepest.parallel import Pool
from steepest.penalties import get_penalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers import dual_blocks
from steepest.solvers.dual_blocks import in_blocks, margin_blocks, worth
from steepest.solvers.dual_coordinate import DualCoordinateAscent
from steepest.solvers.margin_dual import MarginDual

CLASSES = 3


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Blocks are taken on the few rows of tests too."""
    monkeypatch.setattr(dual_blocks, "LEAST", 0)
    monkeypatch.setattr(dual_blocks, "COPIES", 0.0)


def _problem(loss, n=200, d=8, alpha=1e-2, intercept=False, sparse=False, jobs=1, seed=0):
    """Weighted rows, some of weight zero, in the order of their classes."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.5) + (0.3 if intercept else 0.0)
    z = X @ rng.normal(size=d) + rng.normal(size=n)
    order = np.argsort(z)
    X, y = X[order], np.where(z[order] > 0.0, 1.0, -1.0)
    p = rng.uniform(0.2, 2.0, n) * (rng.random(n) < 0.9)
    source = as_source(sp.csr_array(X) if sparse else X, pool=Pool(jobs))
    if loss == "softmax":
        codes = np.arange(n) * CLASSES // n
        penalty = get_penalty("l2", alpha)
        return MulticlassProblem(source, codes, p / p.sum(), get_loss(loss), penalty, False, CLASSES)
    return LinearProblem(source, y, p / p.sum(), get_loss(loss), get_penalty("l2", alpha), intercept)


def _solver(loss, blocks, **options):
    if loss in ("hinge", "squared_hinge"):
        return MarginDual(second_order=False, blocks=blocks, **options)
    return DualCoordinateAscent(blocks=blocks, **options)


def _run(problem, solver, rounds, tol=0.0):
    state, seen = solver.start(problem, problem.start()), []
    for _ in range(rounds):
        seen.append(solver.advance(state))
        if seen[-1].bound.relative <= tol or seen[-1].exhausted:
            break
    problem.source.pool.close()
    return state, seen


def _dual(state):
    """Of the multipliers themselves, by the formula, where no intercept ties them."""
    problem = state.problem
    X = problem.source.matrix.toarray() if problem.source.kind == "csr" else problem.source.X
    w = X.T @ (problem.p * problem.y * state.a) / problem.traits.l2
    value = problem.p @ (state.a - 0.5 * state.diagonal * state.a**2) - 0.5 * problem.traits.l2 * w @ w
    return value, w


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("blocks", [2, 3, 8])
def test_the_dual_rises_with_every_epoch_of_blocks_and_weights_stay_with_multipliers(loss, sparse, blocks):
    problem = _problem(loss, alpha=1e-3, sparse=sparse)
    state = MarginDual(blocks=blocks).start(problem, problem.start())
    last = 0.0
    for _ in range(15):
        state.size, state.shift, _ = margin_blocks(state, blocks)
        value, w = _dual(state)
        assert value >= last - 1e-13
        np.testing.assert_allclose(state.w, w, rtol=1e-9, atol=1e-9 * np.abs(w).max())
        assert np.all((state.a >= 0.0) & (state.a <= state.cap))
        last = value
    assert last > 0.0


def test_parameters_less_safe_would_let_the_dual_fall(monkeypatch):
    """Steps of full length in every block, added: the test above can fail."""
    problem = _problem("hinge", alpha=1e-3)
    state = MarginDual(blocks=4).start(problem, problem.start())

    def added(problem, rows, blocks, w, steps):
        new, done = w.copy(), []
        for k in range(blocks):
            own = w.copy()
            done.append(steps(k, rows[k::blocks].copy(), own, problem.traits.l2))
            new += own - w
        return new, done

    monkeypatch.setattr(dual_blocks, "in_blocks", added)
    values = []
    for _ in range(5):
        state.size, state.shift, _ = margin_blocks(state, 4)
        values.append(_dual(state)[0])
    assert min(np.diff([0.0, *values])) < -1e-3


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("loss", "intercept"),
    [("hinge", False), ("hinge", True), ("squared_hinge", False), ("squared_hinge", True), ("logistic", False)]
    + [("quantile", False), ("softmax", False)],
)
def test_the_same_certified_optimum_as_without_blocks(loss, intercept, sparse):
    tol = 1e-5 if intercept else 1e-7
    make = {"loss": loss, "alpha": 1e-1, "intercept": intercept, "sparse": sparse}
    results = []
    for blocks in (1, 4):
        problem = _problem(**make)
        _, seen = _run(problem, _solver(loss, blocks), 3000, tol)
        assert seen[-1].bound.relative <= tol
        bounds = [r.bound.dual for r in seen]
        assert np.all(np.diff(bounds) >= -1e-13)
        for r in seen:
            assert problem.evaluate(r.at.w).value == pytest.approx(r.at.value, rel=1e-12)
        certificate = certify(problem, seen[-1].at.w, tol=2.0 * tol, dual=seen[-1].dual)
        assert certificate.passed
        results.append(certificate)
    one, other = results
    assert abs(one.primal - other.primal) <= one.value + other.value
    assert max(one.dual, other.dual) <= min(one.primal, other.primal) * (1.0 + 1e-12)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "logistic", "softmax"])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_same_bits_for_any_number_of_threads(loss, sparse):
    intercept = loss == "squared_hinge"
    seen = [
        _run(_problem(loss, n=300, alpha=1e-3, intercept=intercept, sparse=sparse, jobs=jobs), _solver(loss, 4), 6)[1]
        for jobs in (1, 2, 3)
    ]
    for other in seen[1:]:
        for a, b in zip(seen[0], other, strict=True):
            np.testing.assert_array_equal(a.at.w, b.at.w)
            np.testing.assert_array_equal(a.dual, b.dual)
            assert a.bound == b.bound


def test_another_number_of_blocks_or_another_seed_are_other_bits():
    points = [_run(_problem("hinge"), _solver("hinge", k, seed=seed), 3)[0].a for k, seed in ((1, 0), (2, 0), (2, 5))]
    assert np.any(points[0] != points[1])
    assert np.any(points[1] != points[2])


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge", "logistic"])
def test_more_blocks_than_rows(loss):
    problem = _problem(loss, n=5, d=3, alpha=0.1)
    _, seen = _run(problem, _solver(loss, 64), 2000, 1e-8)
    assert seen[-1].bound.relative <= 1e-8


def test_blocks_whose_rows_all_come_to_rest_stay_empty():
    """The rows of two blocks are at rest beyond the margin: nothing of them is left, nothing of the others is lost."""
    problem = _problem("hinge", n=40, d=3, alpha=1e-2)
    state = MarginDual(blocks=4).start(problem, problem.start())
    rows = state.active[: state.size].copy()
    state.w = np.linalg.lstsq(problem.source.X, 1e3 * problem.y, rcond=None)[0]
    margins = problem.y * (problem.source.X @ state.w) - 1.0
    state.bounds[:] = 1e-3, -1e-3
    before = state.w.copy()
    resting = rows[margins[rows] > 1e-3]
    for chosen in (resting[:2], resting[: len(resting) // 2]):
        state.active[: len(chosen)], state.size, state.bounds[:] = chosen, len(chosen), (1e-3, -1e-3)
        state.size, state.shift, owed = margin_blocks(state, 4)
        assert state.size == 0
        assert owed == 0.0
        np.testing.assert_allclose(state.w, before, rtol=1e-14)
        assert state.bounds[0] == -np.inf
        assert state.bounds[1] == np.inf


def test_one_block_takes_the_steps_of_the_plain_epoch():
    plain, blocked = (_problem("hinge", intercept=True) for _ in range(2))
    state, other = (MarginDual().start(problem, problem.start()) for problem in (plain, blocked))
    state.size, state.shift, owed = margin_epoch(
        plain.source.rows, plain.y, plain.p, state.norms, plain.traits.l2, state.reach, 0.0, 1.0, state.active,
        state.size, state.generator, state.bounds, state.w, state.shift, state.a,
    )  # fmt: skip
    kept = margin_blocks(other, 1)
    assert kept == (state.size, pytest.approx(state.shift, rel=1e-12), owed)
    np.testing.assert_array_equal(state.a, other.a)
    np.testing.assert_array_equal(state.w, other.w)
    np.testing.assert_array_equal(state.active[: state.size], other.active[: state.size])


def test_every_row_is_dealt_once():
    problem = _problem("hinge", n=11, d=2)
    rows, dealt = np.arange(11, dtype=np.uint32), {}

    def steps(k, own, w, l2):
        assert l2 == pytest.approx(problem.traits.l2 / 4)
        dealt[k] = own
        w += k
        return k

    w, done = in_blocks(problem, rows, 4, np.zeros(2), steps)
    assert done == [0, 1, 2, 3]
    np.testing.assert_array_equal(w, [1.5, 1.5])
    np.testing.assert_array_equal(np.sort(np.concatenate([dealt[k] for k in range(4)])), rows)
    assert [len(dealt[k]) for k in range(4)] == [3, 3, 3, 2]


def test_few_rows_are_not_worth_blocks(monkeypatch):
    monkeypatch.setattr(dual_blocks, "LEAST", 1_000)
    monkeypatch.setattr(dual_blocks, "COPIES", 2.0)
    problem = _problem("hinge", n=300, d=10)
    assert worth(problem, 300, 4)
    assert not worth(problem, 99, 4)  # of ten numbers each
    assert not worth(problem, 300, 1)
    assert not worth(problem, 300, 400)


@pytest.mark.parametrize("solver", ["margin_dual", "dual_coordinate"])
def test_the_option_of_the_estimator(solver):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(150, 6))
    y = np.where(X @ rng.normal(size=6) + rng.normal(size=150) > 0.0, "b", "a")
    s = rng.uniform(0.5, 2.0, 150)
    fits = [
        LinearClassifier(
            "squared_hinge", alpha=1e-2, fit_intercept=False, solver=solver, solver_options={"blocks": blocks},
            tol=1e-8, n_jobs=jobs, on_unconverged="raise",
        ).fit(X, y, s)
        for blocks, jobs in ((1, 1), (4, 1), (4, 2))
    ]  # fmt: skip
    np.testing.assert_array_equal(fits[1].coef_, fits[2].coef_)
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, atol=1e-3)
    assert all(fit.certificate_.passed for fit in fits)
    for wrong in (0, 2.0, True, "4"):
        with pytest.raises(InvalidParameterError, match="blocks: expected an integer >= 1"):
            LinearClassifier("squared_hinge", solver=solver, solver_options={"blocks": wrong}, fit_intercept=False).fit(
                X, y
            )
