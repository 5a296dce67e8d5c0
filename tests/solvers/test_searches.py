"""Searches: the conditions they promise hold, on problems and on rays made to be awkward."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.solvers.catalogue import make
from steepest.solvers.searches import Fixed, StrongWolfe, tolerance
from steepest.solvers.searches_ray import Armijo, Exact, Remembered


class Line:
    """A problem of one variable given by f and f'; every point and ray is the function itself."""

    ray_first = True

    def __init__(self, f, df, quadratic=False):
        self.f, self.df = f, df
        self.traits = SimpleNamespace(quadratic=quadratic, l1=0.0)
        self.calls = 0

    def evaluate(self, w):
        x = float(w[0])
        return SimpleNamespace(w=w, value=self.f(x), gradient=np.array([self.df(x)]))

    def step(self, at, d, t):
        return self.evaluate(at.w + t * d)

    def along(self, at, d, ahead=None):
        def value_slope(t):
            self.calls += 1
            x = float(at.w[0] + t * d[0])
            return self.f(x), self.df(x) * float(d[0])

        return SimpleNamespace(value_slope=value_slope, at=at, d=d)

    def complete(self, ray, t):
        return self.evaluate(ray.at.w + t * ray.d)

    def inner(self, a, b):
        return float(a @ b)


def search_from(search, problem, x, direction=None, first=1.0):
    at = problem.evaluate(np.array([x]))
    d = -at.gradient if direction is None else np.array([direction])
    slope = problem.inner(at.gradient, d)
    return at, slope, search(problem, at, d, slope, first)


FUNCTIONS = {
    "quadratic": (lambda x: 0.5 * x * x, lambda x: x, 3.0),
    "steep": (lambda x: 5e5 * x * x, lambda x: 1e6 * x, 3.0),
    "flat": (lambda x: 5e-7 * x * x, lambda x: 1e-6 * x, 3.0),
    "quartic": (lambda x: x**4, lambda x: 4.0 * x**3, 2.0),
    "softplus": (lambda x: float(np.logaddexp(0.0, x)) + 0.01 * x * x,
                 lambda x: 0.5 + 0.5 * math.tanh(0.5 * x) + 0.02 * x, 4.0),
    "barrier": (lambda x: x - math.log(x) if x > 0.0 else math.inf,
                lambda x: 1.0 - 1.0 / x if x > 0.0 else math.nan, 5.0),
    "overflow": (lambda x: math.exp(min(x, 700.0)) - x if x < 700.0 else math.inf,
                 lambda x: math.exp(min(x, 700.0)) - 1.0 if x < 700.0 else math.inf, -30.0),
    "wavy": (lambda x: 0.1 * x * x + math.sin(3.0 * x), lambda x: 0.2 * x + 3.0 * math.cos(3.0 * x), 4.0),
}  # fmt: skip
SEARCHES = {
    "exact": Exact(),
    "armijo": Armijo(),
    "wolfe": StrongWolfe(),
    "wolfe_tight": StrongWolfe(c2=0.1),
    "remembered": Remembered(Armijo(), 4.0),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("first", [1e-6, 1e-2, 1.0, 1e3])
class TestConditions:
    @pytest.mark.parametrize("search", [Armijo(), Armijo(c1=0.3, shrink=0.8, most=200)], ids=["plain", "strict"])
    def test_armijo(self, search, function, first):
        f, df, x = FUNCTIONS[function]
        at, slope, taken = search_from(search, Line(f, df), x, first=first)
        assert taken.at.value <= at.value + search.c1 * taken.t * slope
        if taken.t < first:  # the step before was refused
            longer = f(float(at.w[0] - taken.t / search.shrink * df(x)))
            assert not longer <= at.value + search.c1 * taken.t / search.shrink * slope

    @pytest.mark.parametrize("search", [StrongWolfe(), StrongWolfe(c2=0.1)], ids=["loose", "tight"])
    def test_strong_wolfe(self, search, function, first):
        f, df, x = FUNCTIONS[function]
        problem = Line(f, df)
        at, slope, taken = search_from(search, problem, x, first=first)
        assert taken.at.value <= at.value + search.c1 * taken.t * slope
        there = problem.inner(taken.at.gradient, -at.gradient)
        assert abs(there) <= search.c2 * abs(slope)
        assert problem.calls <= search.most

    def test_exact(self, function, first):
        f, df, x = FUNCTIONS[function]
        problem = Line(f, df)
        at, slope, taken = search_from(Exact(), problem, x, first=first)
        assert abs(problem.inner(taken.at.gradient, -at.gradient)) <= 1e-6 * abs(slope)
        assert taken.at.value < at.value


def test_exact_takes_one_look_at_a_quadratic():
    problem = Line(lambda x: 3.0 * (x - 2.0) ** 2, lambda x: 6.0 * (x - 2.0), quadratic=True)
    _, _, taken = search_from(Exact(), problem, -5.0)
    assert float(taken.at.w[0]) == pytest.approx(2.0, abs=1e-14)
    assert problem.calls == 2  # the curvature, and the value at the minimiser


def test_exact_is_the_best_of_all_steps(make_problem):
    for loss in ("logistic", "squared", "poisson", "softmax"):
        problem = make_problem(loss=loss, intercept=False)
        at = problem.evaluate(problem.start())
        d = -at.gradient
        taken = Exact()(problem, at, d, -float(d @ d))
        others = [problem.evaluate(at.w + t * d).value for t in taken.t * np.linspace(0.5, 1.5, 31)]
        assert taken.at.value <= min(others) * (1.0 + 1e-14)


@pytest.mark.parametrize("name", SEARCHES)
class TestNoStep:
    def test_uphill(self, name):
        """A direction that is no descent, whatever slope is claimed for it, is refused."""
        problem = Line(lambda x: x, lambda x: 1.0)
        at = problem.evaluate(np.array([1.0]))
        taken = SEARCHES[name](problem, at, np.array([1.0]), -1.0, 1.0)
        assert taken is None or taken.at.value <= at.value + tolerance(problem, at.value)

    def test_at_the_minimum_rounding_does_no_harm(self, name):
        problem = Line(lambda x: 1.0 + 0.5 * x * x, lambda x: x)
        at, _, taken = search_from(SEARCHES[name], problem, 1e-9)
        assert taken is None or taken.at.value <= at.value * (1.0 + 1e-12)

    def test_falls_without_end(self, name):
        """A linear function has no minimiser: some long step, a finite value, and no endless loop."""
        problem = Line(lambda x: -x, lambda x: -1.0)
        at, _, taken = search_from(SEARCHES[name], problem, 0.0)
        assert taken.at.value < at.value
        assert problem.calls <= 110

    def test_nowhere_finite(self, name):
        problem = Line(lambda x: 0.0 if x == 0.0 else math.inf, lambda x: -1.0 if x == 0.0 else math.nan)
        _, _, taken = search_from(SEARCHES[name], problem, 0.0)
        assert taken is None


class TestFixed:
    def test_step(self):
        problem = Line(lambda x: 0.5 * x * x, lambda x: x)
        _, _, taken = search_from(Fixed(0.25), problem, 4.0)
        assert (taken.t, float(taken.at.w[0])) == (0.25, 3.0)


class TestRemembered:
    def test_starts_from_the_last_step(self):
        seen = []

        def search(problem, at, d, slope, first):
            seen.append(first)
            return SimpleNamespace(at=at, t=0.1)

        remembered = Remembered(search, 2.0)
        for _ in range(3):
            remembered(None, None, None, None, 1.0)
        assert seen == [1.0, 0.2, 0.2]


@given(st.floats(1e-3, 1e3), st.floats(-50.0, 50.0), st.floats(1e-4, 1e4))
def test_every_search_descends_on_every_quadratic(curvature, x, first):
    problem = Line(lambda v: 0.5 * curvature * v * v, lambda v: curvature * v)
    if abs(curvature * x) < 1e-6:
        return
    for search in (Exact(), Armijo(), StrongWolfe()):
        at, _, taken = search_from(search, problem, x, first=first)
        assert taken.at.value < at.value


class TestDescentOnAQuadratic:
    """The rates of steepest descent that theory gives."""

    def spectrum(self, problem):
        X = np.column_stack([problem.source.X, np.ones(len(problem.y))])
        H = X.T @ (problem.p[:, None] * X) + np.diag([problem.traits.l2] * 8 + [0.0])
        values = np.linalg.eigvalsh(H)
        return values[0], values[-1]

    def test_monotone_below_two_over_l_and_divergent_above(self, make_problem, run):
        problem = make_problem(loss="squared")
        _, L = self.spectrum(problem)
        for factor in (0.5, 1.0, 1.9):
            done = run(make("gradient_descent", problem, line_search="fixed", step=factor / L), problem, most=60)
            assert np.all(np.diff(done.values) <= 0.0)
        done = run(make("gradient_descent", problem, line_search="fixed", step=2.1 / L), problem, tol=0.0, most=400)
        assert done.values[-1] > 1e3 * done.values[0]
        assert np.all(np.diff(done.values[-20:]) > 0.0)

    def test_every_step_at_one_over_l_gains_what_it_must(self, make_problem, run):
        for loss in ("logistic", "squared", "huber", "squared_hinge", "softmax"):
            problem = make_problem(loss=loss)
            solver = make("gradient_descent", problem, line_search="1/L")
            done = run(solver, problem, tol=0.0, most=50)
            L = solver.search.L
            norms = np.array([float(r.at.gradient @ r.at.gradient) for r in done.rounds])
            gains = -np.diff(done.values)
            assert np.all(gains >= norms[:-1] / (2.0 * L) * (1.0 - 1e-9) - 1e-15)

    def test_the_exact_search_contracts_as_kantorovich_says(self, make_problem, run):
        problem = make_problem(loss="squared")
        mu, L = self.spectrum(problem)
        best = run(make("newton-cholesky", problem), problem, tol=1e-30).at.value
        done = run(make("gradient_descent", problem, line_search="exact"), problem, tol=1e-6, most=500)
        gaps = done.values - best
        big = gaps[:-1] > 1e-9
        assert np.all(gaps[1:][big] <= ((L - mu) / (L + mu)) ** 2 * gaps[:-1][big] * (1.0 + 1e-6))
