"""Newton's methods: order of convergence, one step on a quadratic, safeguards."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from steepest.losses import get_loss
from steepest.losses.registry import scalar_loss
from steepest.solvers.batch import Batch
from steepest.solvers.catalogue import make
from steepest.solvers.directions import BFGS
from steepest.solvers.newton import SafeFactor
from steepest.solvers.newton_cg import NewtonCG
from steepest.solvers.searches import StrongWolfe


def distances(done, best):
    return np.array([np.linalg.norm(r.at.w - best) for r in done.rounds])


@pytest.mark.parametrize("loss", ["logistic", "poisson", "softmax"])
@pytest.mark.parametrize("name", ["newton-cholesky", "newton-cg"])
def test_the_error_is_squared_in_each_step(name, loss, make_problem, run):
    problem = make_problem(loss=loss, intercept=False)
    best = run(make("newton-cholesky", problem), problem, tol=0.0, most=40).at.w
    done = run(make(name, problem), problem, tol=0.0, most=40)
    error = distances(done, best)
    assert error[-1] < 1e-10
    # from the first step inside the region of quadratic convergence, down to rounding
    near = [(a, b) for a, b in zip(error[:-1], error[1:], strict=True) if 1e-7 < a < 0.3]
    assert len(near) >= 2
    constants = [b / a**2 for a, b in near]
    assert max(constants) < 30.0
    orders = [math.log(b) / math.log(a) for a, b in near if b > 1e-14]
    assert max(orders) > 1.8


@pytest.mark.parametrize("name", ["newton-cholesky", "closed_form"])
@pytest.mark.parametrize("case", ["squared", "squared_scales"])
def test_one_step_solves_a_quadratic(name, case, catalogue, make_problem, run):
    problem = make_problem(**catalogue[case])
    done = run(
        make(name, problem), problem, np.full(problem.size, 3.0), tol=1e-14 if name == "newton-cholesky" else 1e-11
    )
    assert len(done.rounds) == (2 if name == "newton-cholesky" else 1)  # the first evaluates the start
    # the closed form states a bound from its matrix, with the rounding of that matrix
    assert done.relative < (1e-14 if name == "newton-cholesky" else 1e-11)


def test_conjugate_gradients_solve_a_quadratic_in_as_many_products_as_eigenvalues(make_problem):
    problem = make_problem(loss="squared", d=5, intercept=False)
    at = problem.evaluate(problem.start())
    direction = NewtonCG()
    direction._forcing = lambda norm: 1e-13
    d = direction(problem, at)
    np.testing.assert_allclose(d, np.linalg.solve(problem.hessian(at), -at.gradient), rtol=1e-9)
    assert direction.products <= 6


def test_few_products_far_from_the_optimum_and_more_near_it(make_problem, run):
    problem = make_problem(n=400, d=60, l2=1e-3)
    solver = make("newton-cg", problem)
    spent, state = [], solver.start(problem, problem.start())
    for _ in range(9):
        before = solver.direction.products
        solver.advance(state)
        spent.append(solver.direction.products - before)
    assert spent[1] <= 10 < max(spent[3:])
    etas = solver.direction._eta
    assert etas < 1e-3


def test_the_metric_saves_products(make_problem, run):
    products = []
    for metric in (None, "diagonal"):
        problem = make_problem(d=12, scale=2.0, l2=1e-3)
        solver = make("newton-cg", problem, metric=metric)
        done = run(solver, problem, tol=1e-8, most=60)
        assert done.relative <= 1e-8
        products.append(solver.direction.products)
    assert products[1] < 0.7 * products[0]


class TestSafeFactor:
    def matrix(self, values, seed=0):
        Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
        return Q @ np.diag(values) @ Q.T

    def test_positive_definite_is_solved_as_it_is(self):
        H = self.matrix([1e-6, 1.0, 2.0, 1e3])
        factor = SafeFactor(H, True)
        v = np.arange(4.0)
        np.testing.assert_allclose(H @ factor.solve(v), v, atol=1e-6)  # condition 1e9
        assert factor.note == ""

    def test_scales_of_columns_are_no_matter(self):
        s = 10.0 ** np.array([-9.0, 0.0, 5.0, 12.0])
        H = s[:, None] * self.matrix([1.0, 2.0, 3.0, 4.0]) * s
        factor = SafeFactor(H, True)
        assert factor.note == ""
        w = 1.0 / s
        np.testing.assert_allclose(factor.solve(H @ w), w, rtol=1e-10)

    def test_singular_and_semidefinite_gets_a_ridge(self):
        H = self.matrix([0.0, 1.0, 2.0, 3.0])
        factor = SafeFactor(H, True)
        assert "ridge" in factor.note
        g = H @ np.array([1.0, -2.0, 0.5, 3.0])  # a gradient has no part in the null space
        np.testing.assert_allclose(H @ factor.solve(g), g, atol=1e-6)

    def test_indefinite_descends_along_negative_curvature(self):
        H = self.matrix([-2.0, -1e-3, 1.0, 5.0])
        factor = SafeFactor(H, False)
        assert "2 of 4 eigenvalues negative" in factor.note
        rng = np.random.default_rng(1)
        for _ in range(20):
            g = rng.standard_normal(4)
            assert -g @ factor.solve(g) < 0.0
        direction = np.linalg.eigh(H)[1][:, 0]
        assert np.linalg.norm(factor.solve(direction)) < 10.0

    def test_zero_matrix(self):
        assert np.isfinite(SafeFactor(np.zeros((3, 3)), True).solve(np.ones(3))).all()


@scalar_loss(name="valley_for_tests")
class Valley(NamedTuple):
    """Two wells: z**4 / 4 - z**2 / 2 about y; a saddle at z = y."""

    convex = False
    smoothness = math.inf

    def value(self, z: float, y: float) -> float:
        r = z - y
        return 0.25 * r * r * r * r - 0.5 * r * r

    def slope(self, z: float, y: float) -> float:
        r = z - y
        return r * r * r - r

    def curvature(self, z: float, y: float) -> float:
        r = z - y
        return 3.0 * r * r - 1.0


class TestNotConvex:
    @pytest.mark.parametrize("name", ["newton-cholesky", "newton-cg", "bfgs", "lbfgs", "gradient_descent"])
    @pytest.mark.parametrize("loss", ["valley", "sigmoid"])
    def test_ends_at_a_minimum_and_not_at_a_saddle(self, name, loss, make_problem):
        problem = make_problem(loss=Valley() if loss == "valley" else "sigmoid", d=4, l2=0.01)
        if loss == "valley":
            problem.y = 0.01 * problem.y  # the start lies near the saddle
        solver = make(name, problem)
        start = 0.05 * np.random.default_rng(1).standard_normal(problem.size)
        state = solver.start(problem, start)
        values = []
        for _ in range(400):
            round_ = solver.advance(state)
            values.append(round_.at.value)
            if np.linalg.norm(round_.at.gradient) < 1e-8 or round_.exhausted:
                break
        assert np.linalg.norm(round_.at.gradient) < 1e-6
        assert np.all(np.diff(values) <= 1e-13)
        H = np.array([problem.hvp(round_.at, e) for e in np.eye(problem.size)])
        assert np.linalg.eigvalsh(H).min() > -1e-8

    def test_the_safeguard_is_noted_once(self, make_problem, run):
        problem = make_problem(loss=Valley(), d=4, l2=0.01)
        problem.y = 0.01 * problem.y
        solver = make("newton-cholesky", problem)
        state = solver.start(problem, 0.05 * np.random.default_rng(1).standard_normal(problem.size))
        notes = [note for note in (solver.advance(state).note for _ in range(8)) if "eigenvalues" in note]
        assert len(notes) == 1


def test_unpenalised_softmax_is_singular_and_still_solved(make_problem, run):
    """Adding a constant to all scores changes nothing: the Hessian has a null space."""
    problem = make_problem(loss="softmax", l2=0.0, noise=3.0, n=200)
    done = run(make("newton-cholesky", problem), problem, most=40)
    assert np.linalg.norm(done.at.gradient) < 1e-9
    assert any("singular" in note for note in done.notes)
    assert np.abs(done.at.w).max() < 1e3


class TestBFGS:
    def test_the_inverse_satisfies_the_secant_equation(self, make_problem):
        problem = make_problem(intercept=False)
        direction = BFGS()
        rng = np.random.default_rng(0)
        old = problem.evaluate(problem.start())
        for _ in range(5):
            new = problem.evaluate(old.w + 0.1 * rng.standard_normal(problem.size))
            direction.update(problem, old, new)
            y = new.gradient - old.gradient
            np.testing.assert_allclose(direction._H @ y, new.w - old.w, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(direction._H, direction._H.T, atol=1e-10)
            assert np.linalg.eigvalsh(direction._H).min() > 0.0
            old = new

    def test_exact_searches_on_a_quadratic_end_after_as_many_steps_as_unknowns(self, make_problem, run):
        problem = make_problem(loss="squared", d=6, intercept=False)
        done = run(make("bfgs", problem, line_search="exact"), problem, tol=1e-14, most=40)
        assert len(done.rounds) <= 6 + 2
        H = done.at and problem.hessian(done.at)
        assert done.relative < 1e-14
        assert H.shape == (6, 6)

    def test_faster_at_the_end_than_any_linear_rate_of_steepest_descent(self, make_problem, run):
        problem = make_problem(intercept=False, scale=1.6)
        best = run(make("newton-cholesky", problem), problem, tol=0.0, most=40).at
        slow = run(make("gradient_descent", problem, line_search="exact"), problem, tol=1e-9, most=60)
        fast = run(make("bfgs", problem), problem, tol=1e-13, most=100)
        rate = [(d.values[-1] - best.value) / (d.values[-6] - best.value) for d in (slow, fast)]
        assert rate[0] > 0.3
        assert rate[1] < 0.01

    def test_no_update_without_positive_curvature(self, make_problem):
        direction = BFGS()
        problem = make_problem(loss="logistic")
        at = problem.evaluate(problem.start())
        direction.update(problem, at, at)
        assert not direction.reset()


def test_the_same_optimum_as_scipy(make_problem, run):
    from scipy.optimize import minimize

    for loss in ("logistic", "huber", "poisson", "softmax"):
        problem = make_problem(loss=loss)
        reference = minimize(
            lambda w, q=problem: (q.evaluate(w).value, q.evaluate(w).gradient),
            problem.start(), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000},
        )  # fmt: skip
        done = run(make("newton-cholesky", problem), problem, tol=1e-14)
        assert done.at.value == pytest.approx(reference.fun, rel=1e-10)
        assert done.at.value <= reference.fun * (1.0 + 1e-14)


def test_a_user_loss_without_curvature_is_refused():
    solver = Batch("newton", NewtonCG(), StrongWolfe())
    from steepest.protocols import Traits

    traits = Traits(True, True, False, False, False, 0.0, 0.1, 1)
    assert "second derivative" in solver.missing(traits)
    assert solver.missing(traits._replace(has_curvature=True)) is None
    assert get_loss("logistic").convex


@pytest.mark.parametrize("note", ["", "direction of non-positive curvature met"])
def test_the_end_names_its_reason_beside_what_the_direction_says(make_problem, note):
    class Downhill:
        def __call__(self, problem, at):
            self.note = note
            return -at.gradient

    problem = make_problem(loss="logistic")
    solver = Batch("stuck", Downhill(), lambda *_: None)
    state = solver.start(problem, problem.start())
    solver.advance(state)
    end = solver.advance(state)
    assert end.exhausted
    assert end.note == (f"{note}; " if note else "") + "no step decreases the objective beyond rounding"
