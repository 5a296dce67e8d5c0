"""Subgradient descent: the proven rates on |x| and on the hinge, the best point kept, bounds that are true."""

import math
import signal

import numpy as np
import pytest

from steepest import LinearClassifier, LinearRegressor, minimize
from steepest.estimators.warnings import ConvergenceWarning
from steepest.exceptions import InvalidParameterError
from steepest.penalties import L1, ElasticNet, NoPenalty
from steepest.penalties.constraints import Box, L1Ball, NonNegative
from steepest.problems.function import FunctionProblem
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status
from steepest.record.observers import observe
from steepest.solvers.auto import choose
from steepest.solvers.catalogue import make
from steepest.solvers.schedules import Pegasos, StepDecay
from steepest.solvers.subgradient import STEPS, SubgradientDescent, least_possible, subgradient

SLOPES = np.array([1.0, 3.0, 0.5])


def kinked():
    """``sum a_j |x_j - c_j|``: minimum 0, subgradients no longer than |a|."""
    centre = np.array([0.3, -0.7, 2.0])

    def fun(x):
        return float(SLOPES @ np.abs(x - centre)), SLOPES * np.sign(x - centre)

    return FunctionProblem(fun, np.zeros(3)), centre


def rounds(solver, q, many, start=None):
    state = solver.start(q, q.start() if start is None else start)
    out = []
    for _ in range(many + 1):
        out.append(solver.advance(state))
        if out[-1].exhausted:
            break
    return out, state


def with_penalty(q, penalty):
    return LinearProblem(q.source, q.y, q.p, q.loss, penalty, q.layout.intercept)


def optimum(q):
    """P*, and where, by another method."""
    plan = choose(q)
    state = plan.solver.start(plan.problem, plan.start(None))
    found = [plan.solver.advance(state).at for _ in range(30)]
    best = min(found, key=lambda at: at.value)
    return best.value, best.w


# ------------------------------------------------------------------------------------------------------ rates


def envelope(radius: float, largest: float, steps) -> np.ndarray:
    """``(R^2 + G^2 sum t^2) / (2 sum t)`` after each step."""
    t = np.asarray(steps)
    return (radius**2 + largest**2 * np.cumsum(t * t)) / (2.0 * np.cumsum(t))


@pytest.mark.parametrize("step", STEPS)
def test_the_theorem_on_a_kinked_function(step: str) -> None:
    q, centre = kinked()
    seen, _ = rounds(SubgradientDescent(step, eta0=0.3), q, 2000)
    best = np.minimum.accumulate([r.at.value for r in seen])
    bound = envelope(float(np.linalg.norm(centre)), float(np.linalg.norm(SLOPES)), [r.step for r in seen[1:]])
    assert np.all(best[:-1] <= bound + 1e-12)  # the last point has had no step
    assert best[-1] < best[0]


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("step", STEPS)
def test_the_theorem_on_the_hinge(step: str, intercept: bool, make_problem) -> None:
    q = make_problem("hinge", intercept=intercept, l2=0.0)
    q = with_penalty(q, ElasticNet(0.02, 0.5))
    least, w = optimum(q)
    seen, _ = rounds(SubgradientDescent(step, reach=2.0), q, 400)
    best = np.minimum.accumulate([r.at.value for r in seen])
    largest = max(float(np.linalg.norm(subgradient(q, r.at))) for r in seen)
    bound = envelope(float(np.linalg.norm(w)), largest, [r.step for r in seen[1:]])
    assert np.all(best[:-1] - least <= bound + 1e-9)
    assert best[-1] - least < 0.2 * (best[0] - least)


def test_steps_of_polyak_have_the_rate_without_constants() -> None:
    """``min P - P* <= R G / sqrt(k)``, with P* known; and nearly so where it is estimated."""
    q, centre = kinked()
    radius, largest = float(np.linalg.norm(centre)), float(np.linalg.norm(SLOPES))
    seen, _ = rounds(SubgradientDescent("polyak", optimum=0.0), q, 500)
    best = np.minimum.accumulate([r.at.value for r in seen])
    assert np.all(best <= radius * largest / np.sqrt(np.arange(1.0, len(best) + 1)) + 1e-12)
    guessed, _ = rounds(SubgradientDescent("polyak"), q, 2000)
    assert min(r.at.value for r in guessed) < 1e-6


def test_polyak_finds_the_optimum_of_kinked_fits(make_problem) -> None:
    for loss, penalty in (("hinge", ElasticNet(0.05, 0.0)), ("absolute", L1(0.05))):
        q = with_penalty(make_problem(loss), penalty)
        least, _ = optimum(q)
        seen, state = rounds(SubgradientDescent("polyak", reach=3.0), q, 1500)
        assert least * (1.0 - 1e-9) <= state.best.value <= least * (1.0 + 1e-3)
        assert len(seen) > 10


def test_a_constant_step_ends_in_a_ball() -> None:
    q, _ = kinked()
    for t in (0.1, 0.01):
        seen, _ = rounds(SubgradientDescent("constant", eta0=t), q, 3000)
        assert min(r.at.value for r in seen) <= 0.5 * t * float(SLOPES @ SLOPES) + 1e-9


def test_the_mean_is_lower_where_steps_are_long(make_problem) -> None:
    q = make_problem("hinge")
    plain, mean = (rounds(SubgradientDescent("constant", eta0=4.0, average=a), q, 300)[1].best for a in (False, True))
    assert mean.value < plain.value


# ---------------------------------------------------------------------------------------- best, and what is said


def test_the_best_point_is_kept() -> None:
    q, _ = kinked()
    solver = SubgradientDescent("1/sqrt(k)", eta0=1.0)
    state = solver.start(q, q.start())
    best, values = [], []
    for _ in range(200):
        values.append(solver.advance(state).at.value)
        best.append(state.best.value)
    assert np.any(np.diff(values) > 0.0)  # P rises now and then
    assert np.array_equal(best, np.minimum.accumulate(values))


def test_a_fit_returns_the_best_point(make_problem) -> None:
    q = make_problem("hinge")
    with pytest.warns(ConvergenceWarning):
        model = LinearClassifier(
            loss="hinge", alpha=0.05, solver="subgradient", max_iter=60, tol=1e-9,
            solver_options={"step": "constant", "eta0": 1.0},
        ).fit(q.source.rows.X, q.y)  # fmt: skip
    values = model.history_["objective"]
    assert model.certificate_.primal <= min(values) * (1.0 + 1e-12)
    assert model.certificate_.status is Status.BUDGET


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("constant", "do not meet"),
        ("1/k", "which meet"),
        ("1/(k+1)", "which meet"),
        ("1/sqrt(k)", "do not meet"),
        (StepDecay(0.5, 10, 0.5), "do not meet"),
        (Pegasos(0.1), "which meet"),
    ],
)
def test_robbins_monro_is_stated(step, words: str) -> None:
    q, _ = kinked()
    solver = SubgradientDescent(step)
    solver.advance(solver.start(q, q.start()))
    (note,) = solver.notes
    assert f"{words} the Robbins-Monro conditions" in note
    schedule = STEPS[step](1.0) if isinstance(step, str) else step
    assert (words == "which meet") == schedule.robbins_monro.holds


def test_the_first_step_is_as_long_as_the_reach() -> None:
    q, _ = kinked()
    for step in STEPS:
        seen, _ = rounds(SubgradientDescent(step, reach=0.25), q, 1)
        assert math.isclose(float(np.linalg.norm(seen[1].at.w - seen[0].at.w)), 0.25, rel_tol=1e-12)


# ---------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize(
    ("loss", "penalty"),
    [("hinge", ElasticNet(0.05, 0.0)), ("hinge", ElasticNet(0.05, 0.5)), ("absolute", L1(0.05)),
     ("absolute", ElasticNet(0.1, 0.0)), ("logistic", L1(0.02))],
)  # fmt: skip
def test_bounds_are_true(loss: str, penalty, intercept: bool, make_problem) -> None:
    q = with_penalty(make_problem(loss, intercept=intercept), penalty)
    least, _ = optimum(q)
    seen, _ = rounds(SubgradientDescent(), q, 200)
    known = [r for r in seen if r.bound is not None and r.bound.bounds == "suboptimality"]
    assert len(known) == len(seen)
    assert all(r.bound.value >= r.at.value - least - 1e-7 for r in known if not intercept)
    assert min(r.bound.value for r in known) < 0.5 * known[0].bound.value


def test_kinks_are_certified(make_problem) -> None:
    """The slopes at one point prove little at a kink; those of all steps together do."""
    q = make_problem("hinge", n=60, d=4)
    model = LinearClassifier(loss="hinge", alpha=0.1, solver="subgradient", tol=5e-3, max_iter=5000)
    model.fit(q.source.rows.X, q.y)
    best = LinearClassifier(loss="hinge", alpha=0.1, tol=1e-8).fit(q.source.rows.X, q.y)
    certificate = model.certificate_
    assert certificate.status is Status.CERTIFIED
    assert certificate.kind == "duality_gap"
    assert certificate.primal - best.certificate_.primal <= certificate.value + 1e-9
    assert certificate.dual <= best.certificate_.primal + 1e-9


@pytest.mark.parametrize("loss", ["logistic", "hinge", "absolute", "squared"])
def test_steps_and_bounds_are_sane_under_a_tiny_penalty(loss: str, make_problem) -> None:
    """The curvature of 1e-6 |w|^2 says nothing about steps, and the slopes at one point prove nothing with it."""
    q = with_penalty(make_problem(loss, n=80, d=5), ElasticNet(1e-6, 0.0))
    start = q.evaluate(q.start()).value
    seen, state = rounds(SubgradientDescent(), q, 500)
    assert all(0.0 <= r.bound.value <= r.at.value for r in seen)
    assert all(r.bound.bounds == "suboptimality" for r in seen)
    least = min(r.at.value for r in rounds(SubgradientDescent(reach=3.0), q, 4000)[0])
    assert state.best.value - least <= 0.02 * (start - least)


def test_the_least_that_rows_can_lose(make_problem) -> None:
    for loss in ("logistic", "hinge", "squared", "absolute"):
        assert least_possible(make_problem(loss)) == 0.0
    assert least_possible(make_problem("softmax")) == 0.0
    q = make_problem("poisson")
    lowest = sum(p * (y - y * np.log(y) if y > 0.0 else 0.0) for p, y in zip(q.p, q.y, strict=True))
    assert abs(least_possible(q) - lowest) <= 1e-9 * max(1.0, abs(lowest))
    assert least_possible(kinked()[0]) == -math.inf


def test_a_zero_subgradient_ends_it(make_problem) -> None:
    """Zero is the minimum under a strong l1 penalty: the shortest subgradient there is zero."""
    q = with_penalty(make_problem("squared", intercept=False), L1(100.0))
    seen, _ = rounds(SubgradientDescent(), q, 5)
    assert seen[-1].exhausted
    assert seen[-1].note == "the subgradient is zero"
    assert not seen[-1].at.w.any()
    model = LinearRegressor(loss="squared", penalty="l1", alpha=100.0, solver="subgradient", fit_intercept=False)
    assert model.fit(q.source.rows.X, q.y).certificate_.status is Status.CERTIFIED


# ------------------------------------------------------------------------------------------------------ functions


def test_minimize_a_kinked_function() -> None:
    found = minimize(
        lambda x: abs(x[0] - 1.0) + 2.0 * abs(x[1]), [3.0, -2.0], method=SubgradientDescent("polyak"), max_iter=3000
    )
    assert found.fun < 1e-3
    assert found.fun == min(found.history["objective"])
    assert found.status is not Status.CERTIFIED  # nothing is proven about a function with kinks


def test_an_interrupt_keeps_the_best(make_problem, interruptible) -> None:
    q = make_problem("hinge")

    def stop(row, w):
        if row["iteration"] == 20:
            signal.raise_signal(signal.SIGINT)

    with observe(stop), pytest.warns(ConvergenceWarning, match="interrupted"):
        model = LinearClassifier(loss="hinge", alpha=0.05, solver="subgradient", tol=1e-9).fit(q.source.rows.X, q.y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert model.certificate_.primal <= min(model.history_["objective"]) * (1.0 + 1e-12)


def test_several_scores(make_problem) -> None:
    q = make_problem("softmax", intercept=False)
    seen, state = rounds(SubgradientDescent(), q, 300)
    plan = choose(q)
    best = plan.solver.start(plan.problem, plan.start(None))
    least = min(plan.solver.advance(best).at.value for _ in range(30))
    assert state.best.value <= least * (1.0 + 1e-2)
    assert seen[-1].bound.value >= state.best.value - least


class TestWrongUse:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"step": "1/k^2"}, r"step: expected one of .*'1/sqrt\(k\)'.* got '1/k\^2'"),
            ({"step": "1/k", "eta0": 0.0}, "eta0: expected a finite number > 0"),
            ({"step": "polyak", "eta0": 1.0}, "eta0: only .* take one"),
            ({"reach": math.inf}, "reach: expected a finite number > 0"),
            ({"step": "1/k", "optimum": 0.0}, "optimum: only step='polyak' uses one"),
            ({"optimum": math.nan}, "optimum: expected a finite number"),
        ],
    )
    def test_options(self, options: dict, said: str, make_problem) -> None:
        with pytest.raises(InvalidParameterError, match=said):
            make("subgradient", make_problem(), **options)

    def test_pegasos_needs_a_squared_penalty(self, make_problem) -> None:
        q = with_penalty(make_problem(), NoPenalty())
        assert "squared penalty" in SubgradientDescent("pegasos").missing(q.traits)
        assert SubgradientDescent().missing(q.traits) is None


@pytest.mark.parametrize("held", [NonNegative(), L1Ball(0.5), Box(-0.1, 0.2)], ids=lambda c: type(c).__name__)
def test_steps_are_projected(held, make_problem) -> None:
    q = make_problem("hinge", n=60, d=5)
    q = LinearProblem(q.source, q.y, q.p, q.loss, ElasticNet(0.05, 0.0), True, held)
    start = np.full(q.size, 3.0)
    seen, state = rounds(SubgradientDescent(), q, 400, start)
    assert all(held.contains(r.at.w[:5], 1e-12) for r in seen)
    rng = np.random.default_rng(0)
    best = state.best
    for scale in (1e-3, 1e-2, 0.1, 1.0):  # nothing near it is much better
        for _ in range(50):
            other = q.project(best.w + scale * rng.standard_normal(q.size))
            assert q.evaluate(other).value >= best.value - 1e-3
