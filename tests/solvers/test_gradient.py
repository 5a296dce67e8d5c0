"""The Lipschitz constant behind the step 1/L."""

import numpy as np
import pytest

from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.losses import Logistic
from steepest.parallel import Pool
from steepest.penalties import NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.rowspan import RowSpanProblem
from steepest.solvers.batch import Batch
from steepest.solvers.catalogue import make
from steepest.solvers.directions import LBFGS
from steepest.solvers.gradient import OneOverL, SteepestDescent, largest_eigenvalue
from steepest.solvers.metric import Cholesky
from steepest.solvers.precondition import HessianSchedule
from steepest.solvers.searches import StrongWolfe


def exact(problem):
    X = problem.source.X if problem.source.kind == "dense" else problem.source.matrix.toarray()
    X = X.astype(np.float64)
    if problem.layout.intercept:
        X = np.column_stack([X, np.ones(len(X))])
    return float(np.linalg.eigvalsh(X.T @ (problem.p[:, None] * X))[-1])


class TestEigenvalue:
    @pytest.mark.parametrize("kind", ["dense", "csr"])
    @pytest.mark.parametrize("intercept", [True, False])
    @pytest.mark.parametrize("d", [1, 2, 8, 90])
    def test_within_its_residual(self, kind, intercept, d, make_problem):
        problem = make_problem(d=d, kind=kind, intercept=intercept, weights="counts")
        found = largest_eigenvalue(problem)
        want = exact(problem)
        assert found.value <= want * (1.0 + 1e-12)
        assert want <= (found.value + found.residual) * (1.0 + 1e-12)
        assert found.residual <= 1e-3 * found.value

    def test_more_accuracy_for_more_products(self, make_problem):
        problem = make_problem(n=400, d=200)
        rough, fine = largest_eigenvalue(problem, 1e-1), largest_eigenvalue(problem, 1e-6)
        assert rough.products < fine.products
        assert abs(fine.value - exact(problem)) <= 1e-6 * exact(problem)
        assert problem.passes == rough.products + fine.products

    def test_deterministic(self, make_problem):
        assert largest_eigenvalue(make_problem()) == largest_eigenvalue(make_problem())

    def test_x_of_zeros(self, make_problem):
        problem = make_problem(intercept=False)
        problem.source = type(problem.source)(np.zeros((120, 8)), problem.source.pool)
        assert largest_eigenvalue(problem).value == 0.0
        search = OneOverL()
        search.prepare(problem)
        assert np.isfinite(search.L)


class TestOneOverL:
    @pytest.mark.parametrize(("loss", "smoothness"), [("logistic", 0.25), ("squared", 1.0), ("softmax", 0.5)])
    def test_bounds_the_curvature_everywhere(self, loss, smoothness, make_problem):
        problem = make_problem(loss=loss)
        search = OneOverL()
        note = search.prepare(problem)
        assert f"L = {search.L:.6g}" in note
        want = smoothness * exact(problem) + 0.05
        assert abs(search.L - want) <= 2e-3 * want
        for seed in range(5):
            at = problem.evaluate(np.random.default_rng(seed).standard_normal(problem.size))
            assert np.linalg.eigvalsh(problem.hessian(at))[-1] <= search.L

    def test_recorded_in_a_note_of_the_first_step(self, make_problem, run):
        problem = make_problem()
        done = run(make("gradient_descent", problem, line_search="1/L"), problem, most=5)
        assert len(done.notes) == 1
        assert "1/L with L = " in done.notes[0]
        assert len(set(done.steps[1:])) == 1

    def test_the_same_for_rows(self, make_problem):
        plain, span = OneOverL(), OneOverL()
        plain.prepare(make_problem(n=30, d=60, intercept=False))
        span.prepare(RowSpanProblem(make_problem(n=30, d=60, intercept=False)))
        assert plain.L == span.L

    def test_a_loss_without_a_bound(self, make_problem):
        problem = make_problem(loss="poisson")
        with pytest.raises(IncompatibleError, match="Lipschitz"):
            OneOverL().prepare(problem)


def test_a_metric_turns_the_direction(make_problem):
    problem = make_problem(loss="squared")
    at = problem.evaluate(problem.start())
    H = problem.hessian(at)
    direction = SteepestDescent(Cholesky(H))
    assert direction.scaled
    np.testing.assert_allclose(H @ direction(problem, at), -at.gradient, atol=1e-12)
    direction.renew(None)
    np.testing.assert_array_equal(direction(problem, at), -at.gradient)


@pytest.mark.parametrize(("d", "offset"), [(5, 0.0), (5, 100.0), (60, 3.0)])
def test_rounding_does_not_carry_repeated_columns_apart(make_problem, run, d, offset):
    """Without a penalty only the sum of their weights matters; a metric must not blow up rounding of the rest."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50 * d, d)) + offset
    y = np.where((X - offset) @ rng.standard_normal(d) / np.sqrt(d) + rng.standard_normal(50 * d) > 0, 1.0, -1.0)
    n = len(y)
    source = as_source(np.column_stack([X, X]), pool=Pool(1))
    problem = LinearProblem(source, y, np.full(n, 1.0 / n), Logistic(), NoPenalty(), True)
    G = source.gram(problem.p)
    metric = Cholesky(0.25 * G)
    apart = np.concatenate([np.eye(d)[0], -np.eye(d)[0], [0.0]])
    assert np.linalg.norm(metric.solve(1e-16 * apart)) <= 1e-5
    at = run(Batch("lbfgs", LBFGS(), StrongWolfe(), HessianSchedule(problem)), problem, most=40).at
    np.testing.assert_allclose(at.w[:d], at.w[d : 2 * d], atol=1e-3 * np.abs(at.w[:-1]).max())


def test_a_metric_of_full_rank_is_left_alone():
    rng = np.random.default_rng(0)
    A = np.column_stack([rng.standard_normal((50, 4)) + 1e4, np.ones(50)])
    H = A.T @ A
    metric = Cholesky(H)
    assert metric.jitter == 0.0
    v = rng.standard_normal(5)
    np.testing.assert_allclose(metric.solve(H @ v), v, atol=0.02)
