"""Least squares and ridge: against orthogonal factors by LAPACK, for every rank, scale, shape and kind of rows."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.data.source import as_source
from steepest.losses import get_loss
from steepest.parallel import Pool
from steepest.penalties import L2, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.solvers import closed_form
from steepest.solvers.closed_form import ClosedForm, solve_ridge

KINDS = {"dense": np.ascontiguousarray, "csr": sp.csr_array}


def reference(X, Y, p, l2, intercept):
    """LAPACK on the centred rows, with rows of sqrt(l2) below; columns scaled for l2 = 0 so that rank is safe."""
    X = X.astype(np.float64)
    p = p / p.sum()
    m, ym = (p @ X, p @ Y) if intercept else (np.zeros(X.shape[1]), np.zeros(Y.shape[1]))
    m = m + p @ (X - m) if intercept else m
    A, B = np.sqrt(p)[:, None] * (X - m), np.sqrt(p)[:, None] * (Y - ym)
    if l2:
        A = np.vstack([A, np.sqrt(l2) * np.eye(X.shape[1])])
        B = np.vstack([B, np.zeros((X.shape[1], Y.shape[1]))])
    W = np.linalg.lstsq(A, B, rcond=1e-12)[0]
    return W, ym - m @ W


def data(n=200, d=12, q=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.7)
    Y = X @ rng.standard_normal((d, q)) + 0.5 * rng.standard_normal((n, q)) + 3.0
    return X, Y


def agree(solution, X, Y, p, l2, intercept, rtol=1e-11):
    W, b = reference(X, Y, p, l2, intercept)
    np.testing.assert_allclose(solution.coef, W, rtol=rtol, atol=rtol * np.abs(W).max())
    np.testing.assert_allclose(solution.intercept, b, rtol=rtol, atol=10 * rtol * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 1e-3, 10.0])
class TestAgainstLapack:
    @pytest.mark.parametrize("shape", [(200, 12), (13, 12), (12, 12), (12, 13), (20, 90), (1, 4), (5, 1)])
    def test_shapes(self, shape, l2, intercept, kind):
        X, Y = data(*shape)
        p = np.full(shape[0], 1.0 / shape[0])
        agree(solve_ridge(as_source(KINDS[kind](X)), Y, p, l2, intercept), X, Y, p, l2, intercept, 1e-9)

    def test_weights_and_absent_rows(self, l2, intercept, kind):
        X, Y = data()
        p = np.random.default_rng(1).integers(0, 3, 200).astype(float)
        p /= p.sum()
        solution = solve_ridge(as_source(KINDS[kind](X)), Y, p, l2, intercept)
        agree(solution, X, Y, p, l2, intercept)
        kept = p > 0.0
        without = solve_ridge(as_source(KINDS[kind](X[kept])), Y[kept], p[kept], l2, intercept)
        np.testing.assert_allclose(solution.coef, without.coef, rtol=1e-11)

    def test_constant_duplicate_and_empty_columns(self, l2, intercept, kind):
        X, Y = data()
        X = np.hstack([X, X[:, :2], np.full((200, 1), 7.0), np.zeros((200, 1)), X[:, :1] + X[:, 1:2]])
        p = np.full(200, 1 / 200)
        solution = solve_ridge(as_source(KINDS[kind](X)), Y, p, l2, intercept)
        agree(solution, X, Y, p, l2, intercept, 1e-10)
        np.testing.assert_allclose(solution.coef[12:14], solution.coef[:2], atol=1e-9)  # least norm shares equally
        assert np.all(np.abs(solution.coef[15]) == 0.0)
        if intercept:
            np.testing.assert_allclose(solution.coef[14], 0.0, atol=1e-12)

    def test_one_target_alone_is_the_same(self, l2, intercept, kind):
        X, Y = data(q=3)
        p = np.full(200, 1 / 200)
        source = as_source(KINDS[kind](X))
        together = solve_ridge(source, Y, p, l2, intercept)
        for c in range(3):
            alone = solve_ridge(source, Y[:, [c]], p, l2, intercept)
            np.testing.assert_allclose(alone.coef[:, 0], together.coef[:, c], rtol=1e-11, atol=1e-13)


class TestWays:
    def way(self, X, l2, intercept=True, q=1):
        Y = np.random.default_rng(0).standard_normal((X.shape[0], q))
        solution = solve_ridge(as_source(X), Y, np.full(X.shape[0], 1.0 / X.shape[0]), l2, intercept)
        return type(solution.system).__name__, solution

    def test_the_gram_matrix_is_usual(self):
        name, solution = self.way(data()[0], 0.0)
        assert (name, solution.notes) == ("Gram", [])

    def test_fewer_rows_than_columns(self):
        X = data(10, 40)[0]
        name, solution = self.way(X, 0.1)
        assert name == "Dual"
        assert "kernel matrix" in solution.notes[0]
        name, solution = self.way(X, 0.0)
        assert name == "Orthogonal"
        assert "rank 9 of 40" in solution.notes[0]
        assert self.way(X, 1e-14)[0] == "Orthogonal"

    def test_a_bad_condition_is_told(self):
        X = data()[0]
        X[:, 1] = X[:, 0] + 1e-7 * X[:, 1]
        name, solution = self.way(X, 0.0)
        assert name == "Orthogonal"
        assert "condition of the Gram matrix" in solution.notes[0]
        assert self.way(X, 1e-3)[0] == "Gram"

    def test_float32_in_float64_where_it_must(self):
        X = data()[0].astype(np.float32)
        assert self.way(X, 0.0)[1].notes == []
        X[:, 1] = X[:, 0] + np.float32(1e-3) * X[:, 1]
        name, solution = self.way(X, 0.0)
        assert name == "Gram"
        assert "float64" in solution.notes[0]

    @pytest.mark.parametrize("l2", [0.0, 0.05])
    @pytest.mark.parametrize("intercept", [True, False])
    @pytest.mark.parametrize("shape", [(200, 12), (20, 60)])
    @pytest.mark.parametrize("kind", KINDS)
    def test_too_large_for_a_matrix(self, kind, shape, intercept, l2, monkeypatch):
        monkeypatch.setattr(closed_form, "LARGEST", 5)
        X, Y = data(*shape)
        p = np.random.default_rng(2).random(shape[0])
        p /= p.sum()
        solution = solve_ridge(as_source(KINDS[kind](X)), Y, p, l2, intercept)
        assert "LSMR" in solution.notes[0]
        agree(solution, X, Y, p, l2, intercept, 1e-9)


class TestHardData:
    """Where normal equations written down without care lose everything."""

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("mean", [1e4, 1e6, 1e8])
    def test_columns_far_from_zero(self, kind, mean):
        X, Y = data()
        far = X.copy()
        far[:, 3] += mean
        p = np.full(200, 1 / 200)
        near, solution = (solve_ridge(as_source(KINDS[kind](A)), Y, p, 0.0, True) for A in (X, far))
        np.testing.assert_allclose(solution.coef, near.coef, atol=1e-15 * mean * 50)
        exact = near.intercept - mean * near.coef[3]
        np.testing.assert_allclose(solution.intercept, exact, rtol=1e-6)

    def test_columns_far_from_zero_in_float32(self):
        X, Y = data()
        far = (X + 1000.0).astype(np.float32)
        p = np.full(200, 1 / 200)
        agree(solve_ridge(as_source(far), Y, p, 0.0, True), far, Y, p, 0.0, True, 1e-9)

    @pytest.mark.parametrize("kind", KINDS)
    def test_units_of_columns_do_not_matter_without_a_penalty(self, kind):
        X, Y = data()
        units = 10.0 ** np.random.default_rng(0).integers(-150, 150, 12)
        p = np.full(200, 1 / 200)
        plain = solve_ridge(as_source(KINDS[kind](X)), Y, p, 0.0, True)
        scaled = solve_ridge(as_source(KINDS[kind](X * units)), Y, p, 0.0, True)
        np.testing.assert_allclose(scaled.coef * units[:, None], plain.coef, rtol=1e-10)
        np.testing.assert_allclose(scaled.intercept, plain.intercept, rtol=1e-10)

    def test_a_known_hard_case(self):
        """A column shifted and one stretched by 1e4: the optimum of least squares in other units."""
        X, Y = data(100, 4)
        hard = X.copy()
        hard[:, 1] += 1e4
        hard[:, 0] *= 1e4
        p = np.full(100, 0.01)
        easy, solution = solve_ridge(as_source(X), Y, p, 0.0, True), solve_ridge(as_source(hard), Y, p, 0.0, True)
        want = easy.coef * np.array([1e-4, 1.0, 1.0, 1.0])[:, None]
        np.testing.assert_allclose(solution.coef, want, rtol=1e-8)

    def test_nearly_collinear_keeps_the_accuracy_of_orthogonal_factors(self):
        X, _ = data(q=1)
        X[:, 1] = X[:, 0] + 1e-6 * X[:, 1]
        true = np.arange(1.0, 13.0)[:, None]
        solution = solve_ridge(as_source(X), X @ true, np.full(200, 1 / 200), 0.0, False)
        np.testing.assert_allclose(solution.coef, true, rtol=1e-8)  # the condition is 1e6: squared, 1e-4 is left

    def test_float32_has_the_accuracy_of_float64(self):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((30_000, 20)).astype(np.float32)
        Y = X.astype(np.float64) @ rng.standard_normal((20, 1)) + rng.standard_normal((30_000, 1))
        p = np.full(30_000, 1 / 30_000)
        narrow, wide = (solve_ridge(as_source(A), Y, p, 0.0, True) for A in (X, X.astype(np.float64)))
        np.testing.assert_allclose(narrow.coef, wide.coef, atol=1e-11)


def problem(X, y, l2=0.1, intercept=True, jobs=1, p=None):
    p = np.full(len(y), 1.0 / len(y)) if p is None else p
    return LinearProblem(
        as_source(X, pool=Pool(jobs)), y, p, get_loss("squared"), L2(l2) if l2 else NoPenalty(), intercept
    )


class TestSolver:
    def advance(self, q, times=1):
        solver = ClosedForm()
        state = solver.start(q, q.start())
        return [solver.advance(state) for _ in range(times)]

    def test_one_round_is_enough(self):
        X, Y = data()
        q = problem(X, Y[:, 0])
        (round_,) = self.advance(q)
        assert round_.settled
        assert np.abs(round_.at.gradient).max() < 1e-14
        assert q.passes <= 2.5

    def test_further_rounds_refine_and_never_spoil(self):
        X = data()[0].astype(np.float32)
        X[:, 1] = X[:, 0] + np.float32(0.05) * X[:, 1]
        q = problem(X, data()[1][:, 0], l2=0.0)
        rounds = self.advance(q, 4)
        norms = [np.abs(r.at.gradient).max() for r in rounds]
        assert norms[1] < 1e-3 * norms[0] or norms[0] < 1e-14
        assert norms[-1] < 1e-13
        assert all(b.at.value <= a.at.value * (1.0 + 1e-15) for a, b in zip(rounds[:-1], rounds[1:], strict=True))
        assert all(r.settled for r in rounds)

    def test_the_bound_without_penalty_holds(self):
        X, Y = data()
        for dtype in (np.float32, np.float64):
            q = problem(X.astype(dtype), Y[:, 0], l2=0.0)
            rounds = self.advance(q, 3)
            best = rounds[-1].at.value
            for r in rounds:
                assert r.bound.bounds == "suboptimality"
                assert r.at.value - best <= r.bound.value + 1e-15 * best
            assert rounds[0].bound.relative < 1e-3  # float32: as exactly as moments in float32 can tell
            assert rounds[-1].bound.relative < 1e-10

    def test_with_a_penalty_the_cheap_bound_of_a_refinement_is_left_to_the_loop(self):
        X, Y = data()
        assert self.advance(problem(X, Y[:, 0], l2=0.1), 2)[1].bound is None

    @pytest.mark.parametrize("intercept", [True, False])
    @pytest.mark.parametrize("l2", [0.0, 0.1])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_sure_solution_needs_one_look_at_the_rows(self, dtype, l2, intercept):
        """P and its gradient from the moments are those of a pass, up to the bound that the round states."""
        rng = np.random.default_rng(3)
        X = rng.standard_normal((5_000, 30)).astype(dtype)
        y = X @ rng.standard_normal(30) + rng.standard_normal(5_000) + 3.0
        q = problem(X, y, l2, intercept)
        first, second = self.advance(q)[0], self.advance(q, 2)[1]
        (again,) = self.advance(problem(X, y, l2, intercept))
        assert len(first.at.scores) == 0
        assert first.settled
        seen = q.evaluate(first.at.w)
        eps = np.finfo(dtype).eps
        assert 0.0 <= first.at.value - seen.value <= 2.0 * first.bound.value
        assert first.at.value - second.at.value <= first.bound.value
        assert seen.value - second.at.value <= first.bound.value
        np.testing.assert_allclose(first.at.gradient, seen.gradient, atol=50 * eps * np.linalg.norm(first.at.w))
        np.testing.assert_array_equal(again.at.w, first.at.w)
        once = problem(X, y, l2, intercept)
        self.advance(once)
        assert once.passes == 0.5

    def test_an_unsure_solution_is_looked_at(self):
        X, Y = data()
        X[:, 1] = X[:, 0] + 1e-3 * X[:, 1]
        assert len(self.advance(problem(X, Y[:, 0], 0.0))[0].at.scores) == len(X)

    def test_several_targets_do_not_take_each_others_right_hand_side(self):
        X, Y = data(q=3)
        solver = ClosedForm()
        for t in range(3):
            q = problem(X, np.ascontiguousarray(Y[:, t]))
            q.source, q.p = self.held if t else (q.source, q.p)
            self.held = q.source, q.p
            at = solver.advance(solver.start(q, q.start())).at
            want = solve_ridge(as_source(X), Y[:, t : t + 1], q.p, 0.1, True)
            np.testing.assert_allclose(at.w[:-1], want.coef[:, 0], rtol=1e-12)
        assert len(solver.shared) == 1

    @pytest.mark.parametrize("l2", [0.0, 0.1])
    def test_threads_do_not_change_a_bit(self, l2):
        X, Y = data(20_000, 40)
        a, b = (self.advance(problem(X, Y[:, 0], l2=l2, jobs=jobs))[0].at.w for jobs in (1, 2))
        np.testing.assert_array_equal(a, b)

    def test_targets_fitted_exactly(self):
        X, _ = data()
        q = problem(X, X @ np.arange(12.0) + 2.0, l2=0.0)
        round_ = self.advance(q)[0]
        np.testing.assert_allclose(round_.at.w, [*range(12), 2.0], atol=1e-12)
        assert round_.settled

    def test_constant_targets(self):
        X, _ = data()
        round_ = self.advance(problem(X, np.full(200, 5.0)))[0]
        np.testing.assert_allclose(round_.at.w, [0.0] * 12 + [5.0], atol=1e-13)


class TestInverse:
    """What standard errors of coefficients and predictions are made of."""

    @pytest.mark.parametrize(("shape", "l2"), [((200, 6), 0.0), ((200, 6), 0.3), ((10, 25), 0.3)])
    @pytest.mark.parametrize("intercept", [True, False])
    def test_inverse(self, shape, l2, intercept):
        X, Y = data(*shape)
        p = np.random.default_rng(0).random(shape[0])
        p /= p.sum()
        system = solve_ridge(as_source(X), Y, p, l2, intercept).system
        Xc = X - p @ X if intercept else X
        H = Xc.T @ (p[:, None] * Xc) + l2 * np.eye(shape[1])
        np.testing.assert_allclose(system.inverse(np.eye(shape[1])), np.linalg.inv(H), rtol=1e-8, atol=1e-9)

    def test_pseudo_inverse(self):
        X, Y = data()
        X = np.hstack([X, X[:, :1]])
        system = solve_ridge(as_source(X), Y, np.full(200, 1 / 200), 0.0, True).system
        Xc = X - X.mean(axis=0)
        np.testing.assert_allclose(system.inverse(np.eye(13)), np.linalg.pinv(Xc.T @ Xc / 200), atol=1e-9)
        assert system.rank == 12


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 40), d=st.integers(1, 40), rank=st.integers(1, 10), l2=st.sampled_from([0.0, 1e-6, 1.0]),
    intercept=st.booleans(), kind=st.sampled_from(sorted(KINDS)), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_shape_and_rank(n, d, rank, l2, intercept, kind, seed):
    """The gradient vanishes, and without a penalty no solution is shorter."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d))
    Y = rng.standard_normal((n, 1))
    p = np.full(n, 1.0 / n)
    solution = solve_ridge(as_source(KINDS[kind](X)), Y, p, l2, intercept)
    R = Y - X @ solution.coef - solution.intercept
    gradient = X.T @ (p[:, None] * R) - l2 * solution.coef
    size = np.linalg.norm(X, 2) / np.sqrt(n)
    assert np.abs(gradient).max() <= 1e-9 * size * (1.0 + size * np.linalg.norm(solution.coef))
    if intercept:
        assert abs(float(p @ R[:, 0])) <= 1e-12 * (1.0 + np.abs(X @ solution.coef).max())
    want = reference(X, Y, p, l2, intercept)[0]
    assert np.linalg.norm(solution.coef) <= np.linalg.norm(want) * (1.0 + 1e-6) + 1e-12
