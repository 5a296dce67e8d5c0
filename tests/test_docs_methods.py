"""What the pages of the gallery claim of a method, where no test of its room shows it already."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import steepest
from steepest.data.source import as_source
from steepest.estimators.links import LINKS
from steepest.penalties import L2, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.auto import choose
from steepest.solvers.catalogue import make


def linear(X: Any, y: Any, loss: str = "squared", penalty: Any = None, intercept: bool = True) -> LinearProblem:
    p = np.full(len(y), 1.0 / len(y))
    return LinearProblem(as_source(X), y, p, steepest.get_loss(loss), penalty or NoPenalty(), intercept)


def rounds(solver: Any, problem: Any, most: int, w: Any = None) -> list[Any]:
    state = solver.start(problem, problem.start() if w is None else w)
    out = []
    for _ in range(most):
        out.append(solver.advance(state))
        if out[-1].exhausted:
            break
    return out


@pytest.fixture
def regression() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 6)) * np.array([1.0, 2.0, 0.5, 3.0, 1.0, 0.2])
    return X, X @ rng.standard_normal(6) + 1.0 + rng.standard_normal(200)


@pytest.fixture
def signs() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    X = rng.standard_normal((300, 8))
    return X, np.where(X @ rng.standard_normal(8) + rng.logistic(size=300) > 0.0, 1.0, -1.0)


# ------------------------------------------------------------------------------------------------- models


@pytest.mark.parametrize("solver", ["lbfgs", "bfgs", "newton-cholesky", "newton-cg", "gradient_descent"])
def test_closed_form_is_the_iterative_optimum(regression, solver):
    X, y = regression
    rows = np.column_stack([X, np.ones(len(y))])
    solution = np.linalg.lstsq(rows, y, rcond=None)[0]
    model = steepest.LinearRegression(solver=solver, tol=1e-12, on_unconverged="raise").fit(X, y)
    np.testing.assert_allclose(np.append(model.coef_, model.intercept_), solution, atol=1e-5)
    residual = y - rows @ solution
    assert model.sigma_ == pytest.approx(math.sqrt(residual @ residual / (200 - 7)), rel=1e-8)


def test_least_norm_of_dependent_columns(regression):
    X, y = regression
    doubled = np.hstack([X, X[:, :3]])
    model = steepest.LinearRegression(fit_intercept=False, on_unconverged="raise").fit(doubled, y)
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(doubled) @ y, atol=1e-10)
    assert model.rank_ == 6


def test_softmax_is_maximum_likelihood():
    from scipy.optimize import minimize
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)

    def negative_log_likelihood(w):
        z = X @ w[:12].reshape(4, 3) + w[12:]
        z -= z.max(axis=1, keepdims=True)
        return -np.mean(z[np.arange(150), y] - np.log(np.exp(z).sum(axis=1))) + 0.005 * w[:12] @ w[:12]

    best = minimize(negative_log_likelihood, np.zeros(15), method="BFGS", options={"gtol": 1e-9}, tol=1e-12)
    model = steepest.LinearClassifier("softmax", alpha=0.01, tol=1e-9, on_unconverged="raise").fit(X, y)
    assert model.certificate_.primal == pytest.approx(best.fun, rel=1e-8)
    np.testing.assert_allclose(model.coef_.T.ravel(), best.x[:12], atol=1e-3)
    targets = np.eye(3)[y]
    np.testing.assert_allclose(X.T @ (model.predict_proba(X) - targets) / 150 + 0.01 * model.coef_.T, 0.0, atol=1e-5)


def test_one_table_of_links_one_path(regression):
    X, z = regression
    targets = {"squared": z, "bernoulli": 1.0 / (1.0 + np.exp(-z)) > 0.4, "poisson": np.floor(np.exp(z / 4.0))}
    for name, y in targets.items():
        y = y.astype(float)
        model = steepest.LinearRegressor(name, alpha=1e-2, tol=1e-10, on_unconverged="raise").fit(X, y)
        prediction = model.predict(X)
        link = LINKS[steepest.get_loss(name).link]
        np.testing.assert_allclose(prediction, link(X @ model.coef_ + model.intercept_), rtol=1e-12)
        # the slope of every matching loss is prediction - target, so that at the minimum
        np.testing.assert_allclose(prediction.mean(), y.mean(), rtol=1e-6)
        np.testing.assert_allclose(X.T @ (prediction - y) / len(y), -1e-2 * model.coef_, atol=1e-5)


@steepest.scalar_loss(name="docs_welsch")
class Plain(NamedTuple):
    c: float = 1.0

    smoothness = 1.0

    def value(self, z, y):
        return 0.5 * self.c**2 * (1.0 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-(((z - y) / self.c) ** 2))


@steepest.scalar_loss(name="docs_welsch_curved")
class Curved(NamedTuple):
    c: float = 1.0

    smoothness = 1.0

    def value(self, z, y):
        return 0.5 * self.c**2 * (1.0 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-(((z - y) / self.c) ** 2))

    def curvature(self, z, y):
        square = ((z - y) / self.c) ** 2
        return (1.0 - 2.0 * square) * math.exp(-square)


@pytest.mark.parametrize("loss", [Plain(2.0), Curved(2.0)])
def test_a_loss_that_is_not_convex_is_fitted_with_and_without_curvature(loss):
    rng = np.random.default_rng(0)
    x = rng.uniform(0.0, 10.0, 120)
    y = 2.0 + 0.7 * x + 0.4 * rng.standard_normal(120)
    y[:30] += rng.uniform(4.0, 15.0, 30)
    model = steepest.LinearRegressor("huber", alpha=1e-4, warm_start=True, on_unconverged="ignore").fit(x[:, None], y)
    model.set_params(loss=loss, solver="lbfgs").fit(x[:, None], y)
    assert abs(model.coef_[0] - 0.7) < 0.05
    assert abs(model.intercept_ - 2.0) < 0.2
    assert not model.certificate_.passed
    assert model.certificate_.evidence["gradient_norm"] < 1e-5
    # where every curvature is negative at the start there must be a metric too
    steepest.LinearRegressor(loss, solver="lbfgs", on_unconverged="ignore").fit(x[:, None], y + 100.0)


# ---------------------------------------------------------------------------------------------- optimisers


def test_gradient_descent_descends_at_one_over_L_and_diverges_past_two(regression):
    X, y = regression
    rows = np.column_stack([X, np.ones(len(y))])
    L = float(np.linalg.eigvalsh(rows.T @ rows / len(y))[-1])
    problem = linear(X, y)
    done = rounds(make("gradient_descent", problem, line_search="1/L"), problem, 40)
    values = np.array([r.at.value for r in done])
    promised = np.array([r.at.gradient @ r.at.gradient / (2.0 * L) for r in done[:-1]])
    assert np.all(-np.diff(values) >= 0.99 * promised)  # L is estimated from above, by at most its residual
    assert 1.0 / done[1].step == pytest.approx(L, rel=1e-2)
    for factor, signs in ((1.9, -1.0), (2.1, 1.0)):
        done = rounds(make("gradient_descent", problem, line_search="fixed", step=factor / L), problem, 60)
        values = np.array([r.at.value for r in done])
        assert np.sign(values[-1] - values[-2]) == signs
    assert values[-1] > 10.0 * values[0]


@pytest.mark.parametrize("name", ["exact", "armijo", "wolfe"])
def test_conditions_of_the_line_searches_hold(signs, name):
    X, y = signs
    problem = linear(X, y, "logistic", L2(1e-2))
    done = rounds(make("gradient_descent", problem, line_search=name), problem, 25)
    assert len(done) == 25
    for old, new in zip(done, done[1:], strict=False):
        slope = -float(old.at.gradient @ old.at.gradient)
        ahead = -float(new.at.gradient @ old.at.gradient)
        assert new.at.value <= old.at.value + 1e-4 * new.step * slope + 1e-14
        if name == "exact":
            assert abs(ahead) <= 1e-6 * abs(slope)
        if name == "wolfe":
            assert abs(ahead) <= 0.1 * abs(slope)


def test_newton_converges_quadratically(signs):
    X, y = signs
    problem = linear(X, y, "logistic", L2(1e-2))
    norms = [float(np.linalg.norm(r.at.gradient)) for r in rounds(make("newton-cholesky", problem), problem, 9)]
    constants = [b / a**2 for a, b in zip(norms, norms[1:], strict=False) if 1e-7 < a < 1e-1]
    assert len(constants) >= 2
    assert max(constants) < 10.0
    assert min(norms) < 1e-13
    quadratic = linear(X, y, "squared", L2(1e-2))
    first = rounds(make("newton-cholesky", quadratic), quadratic, 2)
    assert np.linalg.norm(first[1].at.gradient) < 1e-13 * max(1.0, float(np.linalg.norm(first[0].at.gradient)))
    bfgs = rounds(make("bfgs", quadratic, line_search="exact"), quadratic, quadratic.size + 3)
    assert np.linalg.norm(bfgs[-1].at.gradient) < 1e-8


def test_whitening_takes_fewer_passes_to_the_same_optimum():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 30)) @ (rng.standard_normal((30, 30)) * np.geomspace(1.0, 0.03, 30))
    score = X @ rng.standard_normal(30)
    y = np.where(score + score.std() * rng.logistic(size=2000) > 0.0, 1.0, -1.0)
    classes = np.digitize(score, np.quantile(score, [0.3, 0.7]))
    p = np.full(2000, 1.0 / 2000)

    def binary():
        return LinearProblem(as_source(X), y, p, steepest.get_loss("logistic"), L2(1e-3), True)

    def several():
        return MulticlassProblem(as_source(X), classes, p, steepest.get_loss("softmax"), L2(1e-3), True, 3)

    for function in (binary, several):
        reached = {}
        for name in ("plain", "metric"):
            problem = function()
            solver = make("lbfgs", problem) if name == "plain" else choose(problem, "lbfgs").solver
            state = solver.start(problem, problem.start())
            for _ in range(3000):
                done = solver.advance(state)
                if np.linalg.norm(done.at.gradient) < 1e-7 or done.exhausted:
                    break
            reached[name] = problem.passes, done.at.value
        assert reached["metric"][0] < 0.5 * reached["plain"][0]
        assert reached["metric"][1] == pytest.approx(reached["plain"][1], rel=1e-9)


def test_stagnation_is_no_proof(signs):
    X, y = signs
    uneven = X * np.geomspace(1.0, 1e-3, X.shape[1])
    model = steepest.LinearClassifier("logistic", alpha=1e-8, solver="gradient_descent", max_iter=300)
    model.set_params(on_unconverged="ignore", fit_intercept=False).fit(uneven, y)
    objective = model.history_["objective"]
    assert abs(objective[-1] - objective[-2]) < 1e-3 * objective[-1]
    assert model.certificate_.status == "budget"
    assert not model.certificate_.passed
    assert model.certificate_.primal <= objective.min()


# ------------------------------------------------------------------------------------------------ stochastic steps


def objectives(X: Any, y: Any, alpha: float, seeds: int, epochs: int, **options: Any) -> tuple[Any, Any]:
    """The history of a run, and the objective above its minimum, averaged over seeds."""
    runs = [
        steepest.LinearClassifier(
            alpha=alpha,
            solver="sgd",
            solver_options={"average": False, "seed": seed, **options},
            max_iter=epochs,
            tol=0.0,
            on_unconverged="ignore",
        )
        .fit(X, y)
        .history_
        for seed in range(seeds)
    ]
    least = steepest.LinearClassifier(alpha=alpha, tol=1e-9).fit(X, y).certificate_.primal
    return runs[0], np.mean([run["objective"] for run in runs], axis=0) / least - 1.0


def test_large_errors_first_is_sooner_on_a_planted_case():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((3000, 10))
    normal = rng.standard_normal(10) / np.sqrt(10.0)
    hard = rng.random(3000) < 0.2
    X += np.where(hard, 0.0, 3.0 * np.sign(X @ normal))[:, None] * normal  # four in five are far from the boundary
    y = np.where(X @ normal + 0.2 * hard * rng.logistic(size=3000) > 0.0, 1, -1)

    def at_thirty_passes(order):
        history, above = objectives(X, y, 1e-4, 3, 16, order=order, learning_rate=0.05, evaluate="every")
        return above[(history["passes"] > 20.0) & (history["passes"] < 40.0)].mean()

    large = at_thirty_passes("large_error")
    assert 1.5 * large < at_thirty_passes("shuffled")
    assert 3.0 * large < at_thirty_passes("replacement")


def test_a_sorted_file_ends_further_away():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((600, 5))
    y = np.where(X @ np.ones(5) + 2.0 * rng.logistic(size=600) > 0.0, 1, -1)
    by_class = np.argsort(y, kind="stable")
    ends = {
        order: objectives(X[by_class], y[by_class], 0.01, 3, 15, order=order, learning_rate=0.02)[1][-2:].mean()
        for order in ("cyclic", "shuffled", "alternating")
    }
    assert ends["cyclic"] > 3.0 * max(ends["shuffled"], ends["alternating"])


def test_rates_of_one_over_k_give_errors_of_one_over_k():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((300, 4))
    y = np.where(X @ np.ones(4) + rng.logistic(size=300) > 0.0, 1, -1)
    history, above = objectives(X, y, 0.1, 10, 100, order="replacement", learning_rate="1/(k+1)", eta0=10.0)
    slope = np.polyfit(np.log(history["iteration"][2:]), np.log(above[2:]), 1)[0]
    assert -1.3 < slope < -0.75
