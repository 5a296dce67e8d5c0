"""Newton's method on the rows inside the margin: it ends at the certified optimum, with the matrix that it claims."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier, LinearSVC
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.kernels.curvature import sparse_gram_rows
from steepest.losses.registry import get_loss
from steepest.penalties import get_penalty
from steepest.problems.linear import LinearProblem
from steepest.solvers import rough
from steepest.solvers.auto import choose
from steepest.solvers.margin_newton import InsideNewton, MarginNewton


def _data(n=300, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < 0.5) + 0.3
    y = np.where(X @ rng.normal(size=d) + rng.normal(size=n) > 0.0, 1.0, -1.0)
    return X, y, rng.uniform(0.2, 2.0, n) * (rng.random(n) < 0.9)


def _problem(sparse=False, intercept=True, alpha=1e-3, n=300, d=8):
    X, y, p = _data(n, d)
    source = as_source(sp.csr_array(X) if sparse else X)
    return LinearProblem(source, y, p / p.sum(), get_loss("squared_hinge"), get_penalty("l2", alpha), intercept)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 1e-3, 1e-7])
def test_reaches_the_certified_optimum(intercept, sparse, weighted, alpha):
    X, y, s = _data()
    X, s = sp.csr_array(X) if sparse else X, s if weighted else None
    shared = {"loss": "squared_hinge", "alpha": alpha, "fit_intercept": intercept, "on_unconverged": "raise"}
    model = LinearClassifier(solver="margin_newton", tol=1e-10, **shared).fit(X, y, s)
    other = LinearClassifier(solver="newton-cholesky", tol=1e-8, **shared).fit(X, y, s)
    assert model.certificate_.passed
    assert model.n_iter_[0] <= 12
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-3, atol=1e-4)
    assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=1e-7)
    assert other.certificate_.primal >= model.certificate_.dual - 1e-12


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_matrix_is_that_of_the_rows_inside_after_every_step(sparse, intercept):
    problem = _problem(sparse, intercept)
    solver = MarginNewton(sample=False)
    direction = solver.direction
    state = solver.start(problem, np.zeros(problem.size))
    updates = 0
    for _ in range(8):
        solver.advance(state)
        known = problem.passes
        matrix = np.tril(direction._matrix(problem, problem.curvatures(state.at)))
        assert problem.passes - known <= 0.5
        updates += direction._steps > 0
        np.testing.assert_allclose(matrix, np.tril(problem.source.gram(problem.curvatures(state.at))), atol=1e-13)
    assert updates >= 3


def test_rows_are_added_and_taken_away_whatever_their_order():
    indices, data = np.array([2, 0, 1, 2, 0], dtype=np.uint32), np.array([3.0, 1.0, 2.0, -1.0, 4.0])
    indptr, h = np.array([0, 2, 3, 5], dtype=np.uint64), np.array([0.5, 2.0, 1.5])
    X = np.column_stack(
        [sp.csr_array((data, indices.astype(int), indptr.astype(int)), shape=(3, 3)).toarray(), np.ones(3)]
    )
    G = np.zeros((4, 4))
    sparse_gram_rows(data, indices, indptr, np.array([0, 1, 2]), h, 1.0, G)
    sparse_gram_rows(data, indices, indptr, np.array([1]), h, -1.0, G)
    np.testing.assert_allclose(G, np.tril((X * (h * [1.0, 0.0, 1.0])[:, None]).T @ X), atol=1e-15)


def test_repeated_entries_count_as_their_sum():
    X, y, _ = _data()
    once = sp.csr_array(X)
    twice = sp.csr_array((np.repeat(0.5 * once.data, 2), np.repeat(once.indices, 2), 2 * once.indptr), shape=X.shape)
    models = [LinearSVC(solver="margin_newton", tol=1e-10).fit(A, y) for A in (once, twice)]
    np.testing.assert_allclose(models[0].coef_, models[1].coef_, rtol=1e-6)


def test_many_rows_begin_with_few(monkeypatch):
    monkeypatch.setattr(rough, "FEWEST", 100)
    X, y, _ = _data(n=3000)
    begun = LinearSVC(solver="margin_newton", tol=1e-10).fit(X, y)
    monkeypatch.setattr(rough, "FEWEST", 10_000)
    plain = LinearSVC(solver="margin_newton", tol=1e-10).fit(X, y)
    assert any("sample" in note for note in begun.fit_record_.solver["notes"])
    assert not any("sample" in note for note in plain.fit_record_.solver["notes"])
    assert begun.n_iter_[0] <= plain.n_iter_[0]
    np.testing.assert_allclose(begun.coef_, plain.coef_, rtol=1e-4)


def test_rows_that_all_agree_leave_an_intercept_without_curvature():
    """At the solution no row is inside the margin: the matrix has nothing in the intercept's place."""
    model = LinearClassifier("squared_hinge", alpha=1e-3, solver="margin_newton", tol=1e-8)
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    model.fit(X, [0, 0, 1, 1])
    assert model.certificate_.passed
    assert model.score(X, [0, 0, 1, 1]) == 1.0


def test_it_is_the_choice_for_few_columns_and_for_no_other_loss():
    X, y, _ = _data()
    assert LinearSVC().fit(X, y).fit_record_.solver["name"] == "margin_newton"
    assert LinearSVC(loss="hinge").fit(X, y).fit_record_.solver["name"] == "margin_dual"
    assert choose(_problem(n=100, d=400)).name != "margin_newton"
    with pytest.raises(IncompatibleError, match="squared hinge"):
        LinearSVC(loss="hinge", solver="margin_newton").fit(X, y)
    with pytest.raises(IncompatibleError, match="squared penalty"):
        LinearSVC(penalty="l1", solver="margin_newton").fit(X, y)


def test_a_new_problem_is_never_judged_by_the_matrix_of_the_last():
    direction = InsideNewton()
    for alpha, n in ((1e-3, 300), (1e-2, 200)):
        problem = _problem(alpha=alpha, n=n)
        at = problem.evaluate(np.zeros(problem.size))
        d = direction(problem, at)
        np.testing.assert_allclose(problem.hessian(at) @ d, -at.gradient, atol=1e-10)
