"""Rates found from the data: curvatures against dense algebra, trials against one another."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.rules import get_rule
from steepest.solvers import rates
from steepest.solvers.schedules import Constant, Fading
from steepest.solvers.stochastic import StochasticGradient


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_curvatures_are_those_of_the_rows(kind, make_problem):
    problem = make_problem(kind=kind, weights="counts", shift=0.5)
    X = problem.source.X if kind == "dense" else problem.source.matrix.toarray()
    A, p = np.c_[X, np.ones(len(X))], problem.p
    q = np.einsum("ij,ij->i", A, A)
    assert rates.row_curvature(problem) == pytest.approx(len(p) * (p * q) @ (p * q) / (p @ q))
    largest = np.linalg.eigvalsh(A.T @ (p[:, None] * A))[-1]
    assert rates.largest_curvature(problem) == pytest.approx(largest, rel=0.02)
    assert problem.passes > 1.0


def test_a_rate_of_plain_steps(make_problem):
    problem = make_problem(intercept=False, l2=0.05)
    schedule, said = rates.auto(problem, get_rule("sgd"), 1)
    first = 1.0 / (0.25 * rates.row_curvature(problem) + 0.05)
    assert isinstance(schedule, Fading)
    assert schedule.eta0 == pytest.approx(first)
    assert schedule.decay >= schedule.eta0 * 0.05
    assert f"{first:.3g}" in said
    with_momentum, _ = rates.auto(problem, get_rule("momentum"), 1)
    assert with_momentum.eta0 == pytest.approx(0.1 * first)
    whole, _ = rates.auto(problem, get_rule("sgd"), 120)
    assert isinstance(whole, Constant)
    hessian = 0.25 * np.linalg.eigvalsh(problem.source.X.T @ (problem.p[:, None] * problem.source.X))[-1] + 0.05
    assert whole.eta0 < 2.0 / hessian


def test_the_best_of_the_rates_that_were_tried(make_problem, monkeypatch):
    problem, seen = make_problem(), {}
    honest = rates._value

    def watched(part, rule, size, order, rate, averaging):
        seen[rate] = honest(part, rule, size, order, rate, averaging)
        return seen[rate]

    monkeypatch.setattr(rates, "_value", watched)
    rate, tried = rates.tested(problem, get_rule("adagrad"), 1, True, 0)
    assert tried == len(seen) <= rates.TRIALS
    assert seen[rate] == min(seen.values())
    beside = {r: v for r, v in seen.items() if r != rate}
    assert min(beside) < rate < max(beside)
    again, _ = rates.tested(problem, get_rule("adagrad"), 1, True, 0)
    assert again == rate


def test_a_sample_counts_as_its_share(make_problem, monkeypatch):
    monkeypatch.setattr(rates, "ROWS", 100)
    problem = make_problem(n=400, weights="counts", kind="csr")
    part = rates.shortened(problem, 3)
    assert part.source.shape == (100, 8)
    assert part.p.sum() == pytest.approx(1.0)
    np.testing.assert_array_equal(rates.sample(problem, 3), rates.sample(problem, 3))
    part.passes += 1.0
    assert problem.passes == pytest.approx(0.25)


def test_uneven_columns_are_said(make_problem):
    solver = StochasticGradient()
    problem = make_problem(scale=3.0)  # up to 3^7
    solver.start(problem, problem.start())
    assert any("2e+03-fold in scale" in note for note in solver.notes)
    assert not rates.uneven(make_problem())
