"""The dual point that stochastic steps carry along, the rate that it steers, and the end of slow runs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.losses import Hinge, Logistic, Softmax, Squared
from steepest.penalties import L1, L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import Status
from steepest.solvers.auto import choose
from steepest.solvers.loop import Limits, run
from steepest.solvers.rates import steered
from steepest.solvers.schedules import Constant, Fading
from steepest.solvers.stagnation import Doublings
from steepest.solvers.stochastic import StochasticGradient
from steepest.solvers.visited import Visited, provable


def problem_of(loss, penalty, n=80, d=5, seed=0, intercept=True, k=1, scale=1.0):
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, d)) * np.geomspace(scale, 1.0, d)
    p = random.uniform(0.5, 2.0, n)
    p /= p.sum()
    if k > 1:
        return MulticlassProblem(as_source(X), random.integers(0, k, n), p, loss, penalty, intercept, k)
    y = X @ random.standard_normal(d) + random.standard_normal(n)
    return LinearProblem(as_source(X), y if loss.name == "squared" else np.sign(y), p, loss, penalty, intercept)


def fit(problem, solver, epochs, tol=0.0):
    null = problem.null_value()

    def judge(w, status, reason, dual):
        return certify(problem, w, tol=tol, status=status, reason=reason, null_value=null, dual=dual)

    with np.errstate(all="ignore"):
        return run(solver, problem, problem.start(), limits=Limits(tol, epochs), certify=judge, null_value=null)


class TestVisited:
    def test_the_slopes_are_those_at_the_visits(self):
        problem = problem_of(Logistic(), L2(0.1), n=7)
        solver = StochasticGradient(learning_rate=0.3, order="cyclic", seed=1)
        state = solver.start(problem, problem.start())
        for _ in range(3):
            solver.advance(state)  # the start, two epochs
        w, b, seen = np.zeros(5), 0.0, np.zeros((2, 7))
        for epoch in range(2):
            for i in range(7):
                x = problem.source.X[i]
                u = seen[epoch, i] = problem.loss.slope(x @ w + b, problem.y[i])
                w = (1.0 - 0.3 * 0.1) * w - 0.3 * 7 * problem.p[i] * u * x
                b -= 0.3 * 7 * problem.p[i] * u
        np.testing.assert_allclose(state.visited.slopes, (seen[0] + 8.0 * seen[1]) / 9.0, rtol=1e-12)

    @pytest.mark.parametrize("rule", ["sgd", "adam"])
    @pytest.mark.parametrize("k", [1, 3])
    @pytest.mark.parametrize("size", [1, 4])
    def test_every_kernel_notes(self, rule, k, size):
        """At a rate of next to nothing the slopes at the visits are those at the start."""
        problem = problem_of(Softmax() if k > 1 else Hinge(), L2(0.1), k=k)
        solver = StochasticGradient(rule, learning_rate=1e-13, batch_size=size)
        state = solver.start(problem, problem.start())
        for _ in range(3):
            solver.advance(state)
        np.testing.assert_allclose(state.visited.slopes, problem.evaluate(problem.start()).slopes, atol=1e-9)

    def test_it_proves_what_slopes_at_a_kink_cannot(self):
        problem = problem_of(Hinge(), L2(0.01), n=400)
        done = fit(problem, StochasticGradient(), 256)
        alone = certify(problem, done.w, tol=0.0, null_value=1.0)
        assert done.certificate.relative < 5e-3
        assert alone.relative > 10.0 * done.certificate.relative

    @settings(max_examples=12, deadline=None)
    @given(
        loss=st.sampled_from([Hinge(), Logistic(), Squared()]),
        penalty=st.sampled_from([L2(0.1), L2(1e-3), L1(0.05), ElasticNet(0.02, 0.02)]),
        seed=st.integers(0, 1000),
        intercept=st.booleans(),
        epochs=st.integers(1, 12),
    )
    def test_no_bound_is_above_the_optimum(self, loss, penalty, seed, intercept, epochs):
        problem = problem_of(loss, penalty, seed=seed, intercept=intercept)
        best = fit(problem, choose(problem, "auto").solver, 5000, 1e-7).certificate
        assert best.passed
        done = fit(problem, StochasticGradient(seed=seed), epochs)
        slack = 1e-9 * abs(best.primal)
        assert done.certificate.dual <= best.primal + slack
        assert done.certificate.primal >= best.dual - slack
        assert np.nanmax(done.history["objective"] - done.history["gap"]) <= best.primal + slack or intercept

    def test_where_nothing_can_be_proven(self):
        assert not provable(problem_of(Squared(), NoPenalty()))
        assert provable(problem_of(Softmax(), L2(0.1), k=3))
        never = StochasticGradient(evaluate="never")
        assert never.start(problem_of(Hinge(), L2(0.1)), np.zeros(6)).visited is None

    def test_what_diverged_is_forgotten(self):
        seen = Visited(problem_of(Hinge(), L2(0.1)), 3.0)
        seen.begin(1)
        seen.slopes[:] = np.nan
        seen.forget()
        seen.begin(1)
        assert seen.mix == 1.0
        assert not seen.slopes.any()


class TestSteering:
    def test_the_balance_stays(self):
        schedule = Fading(1.0, 0.02, 0.75)
        assert steered(schedule, 100, noise=2.0, bias=1.0).decay == pytest.approx(0.02)

    def test_rates_change_twofold_at_most_and_not_beyond_the_first(self):
        schedule = Fading(1.0, 0.02, 0.75)
        now = float(schedule.rates(100, 1)[0])
        assert steered(schedule, 100, 1.0, 1e-9).rates(100, 1)[0] == pytest.approx(0.5 * now)
        assert steered(schedule, 100, 1e-9, 1.0).rates(100, 1)[0] == pytest.approx(min(2.0 * now, 1.0))
        for _ in range(5):
            schedule = steered(schedule, 100, 1e-9, 1.0)
        assert schedule.rates(100, 1)[0] == pytest.approx(1.0)

    def test_others_stay(self):
        assert steered(Constant(0.1), 100, 1.0, 1e-9) == Constant(0.1)
        assert steered(Fading(1.0, 0.02), 100, math.nan, 1.0) == Fading(1.0, 0.02)

    def test_slow_directions_get_their_time(self):
        problem = problem_of(Hinge(), L2(1e-4), n=60, d=8, scale=0.1)
        runs = [fit(problem, StochasticGradient(steer=steer), 182) for steer in (True, False)]
        ends = [run.history["relative_gap"][-1] for run in runs]
        assert ends[0] < 0.5 * ends[1]


class TestStagnation:
    def test_a_gap_that_closes_is_waited_for(self):
        slow, closing = Doublings(1e-3, 1000), Doublings(1e-3, 1000)
        for rounds in (0, 1, 2, 4, 8, 16, 32):
            assert slow.see(rounds, 1.0, 0.5) is None
            assert closing.see(rounds, 1.0, 0.2 / (rounds + 1)) is None
        assert "from round 32 to 64" in slow.see(64, 1.0, 0.5)
        assert closing.see(64, 1.0, 0.2 / 65) is None
        limited = Doublings(1e-3, 100)
        for rounds in (16, 32):
            limited.see(rounds, 1.0, 0.2 / (rounds + 1))
        assert limited.see(64, 1.0, 0.2 / 65) is not None

    def test_progress_is_waited_for(self):
        watch = Doublings(1e-3)
        assert all(watch.see(2**k, 1.0 + 2.0**-k, 1.0) is None for k in range(10))

    def test_no_tol_is_no_end(self):
        for tol in (0.0, -1.0):
            watch = Doublings(tol)
            assert all(watch.see(2**k, 1.0, 1.0) is None for k in range(10))

    def test_a_run_ends_with_a_word(self):
        problem = problem_of(Hinge(), L2(1e-6), n=200)
        done = fit(problem, StochasticGradient(learning_rate=1e-12), 1000, tol=1e-3)
        assert done.certificate.status is Status.STALLED
        assert "this is stagnation, not proof" in done.certificate.reason
        assert done.iterations == 64


class TestAdvice:
    """What a fit says that ended without a proof."""

    @staticmethod
    def said(columns=1.0, **options):
        from steepest import SGDClassifier
        from steepest.estimators.warnings import ConvergenceWarning

        random = np.random.default_rng(0)
        X = random.standard_normal((120, 3)) * np.array([1.0, 1.0, columns])
        with pytest.warns(ConvergenceWarning) as seen:
            SGDClassifier(**options).fit(X, X[:, 0] + random.standard_normal(120) > 0.0)
        return str(seen[0].message)

    def test_columns_that_differ(self):
        text = self.said(columns=1e5)
        assert "The columns of X differ " in text
        assert "put steepest.Scaler() in front" in text
        assert "LinearClassifier(solver='auto') minimises the same objective" in text

    def test_how_many_epochs(self):
        text = self.said(max_iter=64, tol=1e-7, alpha=1e-2)
        assert "At the pace of the last epochs, about " in text
        assert "epochs would prove tol" in text

    def test_a_rate_of_ones_own(self):
        assert "learning_rate='auto' finds a rate" in self.said(learning_rate="constant", eta0=1e-7, max_iter=20)
        text = self.said(learning_rate="constant", eta0=1e6, alpha=1e-2, loss="squared_hinge")
        assert "Halve it, or use learning_rate='auto'" in text
        assert "LinearClassifier(solver='auto'), which needs no rate" in text

    def test_few_epochs(self):
        assert "2 epochs are few: raise max_iter" in self.said(max_iter=2, tol=1e-9, alpha=1e-6)
