"""When a full metric comes: at once where it is cheap, after as much work as it costs where data are small."""

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.losses import get_loss
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.solvers.auto import choose
from steepest.solvers.metric import Cholesky, Diagonal
from steepest.solvers.precondition import metric_wait


def source(n, d, density):
    return as_source(sp.random(n, d, density=density, random_state=np.random.default_rng(0), format="csr"))


def problem(alike, l2=1e-3, n=500, d=450):
    """Columns that are independent, or share most of their variance; sparse."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, d))
    if alike:
        X = 0.02 * X + rng.standard_normal((n, 12)) @ rng.standard_normal((12, d))
    y = np.where(X @ rng.standard_normal(d) / np.sqrt(d) + 0.3 * rng.standard_normal(n) > 0.0, 1.0, -1.0)
    X *= rng.random((n, d)) < (0.3 if alike else 0.06)
    return LinearProblem(as_source(sp.csr_array(X)), y, np.full(n, 1.0 / n), get_loss("logistic"), L2(l2), True)


def descend(target, plan, rounds=400):
    state = plan.solver.start(plan.problem, plan.start(None))
    count, done = 0, None
    while done is None or (count < rounds and np.linalg.norm(done.at.gradient) > 1e-9 and not done.exhausted):
        done = plan.solver.advance(state)
        count += 1
    return count, done.at


def test_the_wait_follows_from_shapes():
    assert metric_wait(source(5000, 60, 0.1)) == 0
    assert metric_wait(as_source(np.ones((5000, 60)))) == 0
    small = metric_wait(source(1500, 400, 0.05))
    assert small > 20
    assert metric_wait(source(1500, 800, 0.05)) > small
    assert metric_wait(source(40_000, 400, 0.05)) == 0  # a pass is worth more than the matrix


def test_small_data_that_need_no_full_metric_never_pay_for_one():
    easy = problem(alike=False, l2=0.05)
    plan = choose(easy, "auto")
    assert plan.name == "lbfgs"
    assert f"round {plan.solver.schedule.wait}" in plan.why
    assert isinstance(plan.solver.direction.metric, Diagonal)
    count, at = descend(easy, plan)
    assert np.linalg.norm(at.gradient) < 1e-9
    assert count > 3
    assert plan.solver.schedule.renewals == 0


def test_columns_alike_get_the_full_metric_when_the_wait_is_over():
    hard = problem(alike=True, l2=1e-6)
    plan = choose(hard, "auto")
    wait = plan.solver.schedule.wait
    assert wait > 0
    count, at = descend(hard, plan)
    assert np.linalg.norm(at.gradient) < 1e-9
    assert plan.solver.schedule.renewals >= 1
    assert isinstance(plan.solver.direction.metric, Cholesky)
    at_once = choose(hard, "auto")
    at_once.solver.schedule.every = at_once.solver.schedule._usual
    at_once.solver.direction.metric = None
    reference, best = descend(hard, at_once)
    assert at.value == pytest.approx(best.value, rel=1e-12)
    assert count <= wait + 2 * reference + 20
