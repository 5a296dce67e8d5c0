"""Stochastic gradient as a solver: against formulas, against certified optima, resumed, averaged, diverging."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from steepest.certify.certificate import certify
from steepest.data.orders import ClassAlternating, Shuffled
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.protocols import Status
from steepest.rules import FTRL, AdamW
from steepest.solvers.auto import choose
from steepest.solvers.loop import Limits, run
from steepest.solvers.schedules import Constant, Fading, InverseScaling, Pegasos, ReduceOnPlateau
from steepest.solvers.stochastic import StochasticGradient, due


def fit(problem, solver, epochs, tol=0.0, start=None, observers=(), max_time=None):
    null = problem.null_value()

    def judge(w, status, reason, dual):
        return certify(problem, w, tol=tol, status=status, reason=reason, null_value=null, dual=dual)

    w, limits = problem.start() if start is None else start, Limits(tol, epochs, max_time)
    with np.errstate(all="ignore"):  # as every fit does
        return run(solver, problem, w, limits=limits, certify=judge, null_value=null, observers=observers)


def optimum(problem):
    plan = choose(problem, "lbfgs")
    return fit(problem, plan.solver, 500, 1e-10).certificate.primal


class TestSteps:
    def test_whole_batches_are_gradient_descent(self, make_problem):
        problem = make_problem(weights="counts")
        solver = StochasticGradient(learning_rate=0.3, batch_size="all", average=False)
        done = fit(problem, solver, 15)
        w = problem.start()
        for _ in range(15):  # the decay of the plain rule is explicit, and so is gradient descent
            w = w - 0.3 * problem.evaluate(w).gradient
        np.testing.assert_allclose(done.w, w, rtol=0, atol=1e-13)
        assert done.iterations == 15

    def test_one_epoch_is_the_sum_of_its_steps(self, make_problem):
        problem = make_problem()
        solver = StochasticGradient(learning_rate="invscaling", eta0=0.5, average=False, seed=7)
        done = fit(problem, solver, 2)
        X, y, n = problem.source.X, problem.y, len(problem.y)
        w, t = np.zeros(problem.size), 0
        for epoch in range(2):
            for i in Shuffled(n).epoch(epoch, 7).rows:
                eta = float(InverseScaling(0.5, 0.5).rates(t, 1)[0])
                u = problem.loss.slope(X[i] @ w[:-1] + w[-1], y[i])
                w[:-1] = (1.0 - eta * problem.traits.l2) * w[:-1] - eta * u * X[i]
                w[-1] -= eta * u
                t += 1
        np.testing.assert_allclose(done.w, w, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("case", ["logistic", "softmax"])
    def test_the_mean_of_the_gradients_of_rows_is_the_gradient(self, case, make_problem):
        """One step from the same point by each row: their mean is the step of the whole batch (E4)."""
        problem = make_problem(loss=case, weights="counts", n=40, intercept=case == "logistic")
        start = np.linspace(-1.0, 1.0, problem.size)
        gradient = problem.evaluate(start).gradient
        steps = np.zeros(problem.size)
        n, p = len(problem.y), problem.p * len(problem.y)
        solver = StochasticGradient(learning_rate=1.0, average=False, evaluate="never")
        for i in range(n):
            state = solver.start(problem, start)
            solver.memory = None
            state.steps.run(state.memory, np.array([i], dtype=np.uint32), np.empty(0), None)
            steps += (start - state.memory.w) / n
        assert p.max() > 1.0
        np.testing.assert_allclose(steps, gradient, rtol=0, atol=1e-13)

    def test_dense_rows_equal_sparse_ones(self, make_problem):
        for loss, rule in (("logistic", "sgd"), ("softmax", "sgd"), ("logistic", "adagrad")):
            ends = [
                fit(make_problem(loss=loss, kind=kind, l2=0.05 if rule == "sgd" else 0.0), solver, 3).w
                for kind in ("dense", "csr")
                for solver in [StochasticGradient(rule, learning_rate=0.1)]
            ]
            np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-12)

    def test_a_weight_of_two_is_a_row_twice(self, make_problem):
        """Of whole batches step for step; of single rows in expectation, so at the optimum."""
        problem = make_problem(n=60)
        twice = make_problem(n=60)
        twice.p = np.where(np.arange(60) < 20, 2.0, 1.0) / 80.0
        rows = np.concatenate([np.arange(60), np.arange(20)])
        from steepest.data.source import as_source

        doubled = type(problem)(
            as_source(problem.source.X[rows]), problem.y[rows], np.full(80, 1 / 80), problem.loss, problem.penalty, True
        )
        ends = [
            fit(q, StochasticGradient(learning_rate=0.5, batch_size=None, average=False), 9).w for q in (twice, doubled)
        ]
        np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-13)

    def test_rows_of_weight_zero_do_not_count(self, make_problem):
        problem = make_problem(n=60)
        problem.p = np.where(np.arange(60) < 30, 1.0 / 30.0, 0.0)
        other = make_problem(n=60)
        other.p, other.y = problem.p, np.where(np.arange(60) < 30, other.y, -other.y)
        a, b = (fit(q, StochasticGradient(learning_rate=0.1), 3).w for q in (problem, other))
        np.testing.assert_array_equal(a, b)

    def test_a_stream_of_heavier_rows(self, make_problem):
        """Rows of mean weight 2 at a rate are rows of mean weight 1 at twice the rate."""
        problem = make_problem(l2=0.0, weights="counts")
        heavy, fast = ({"mean_weight": 2.0, "learning_rate": 0.1}, {"learning_rate": 0.2})
        ends = [fit(problem, StochasticGradient(**options), 2).w for options in (heavy, fast)]
        np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=1e-13)


class TestOptimum:
    @pytest.mark.parametrize(
        ("case", "options", "within"),
        [
            ("logistic", {}, 1e-3),
            ("logistic_sparse", {}, 1e-3),
            ("logistic_weights", {"rule": "momentum"}, 2e-3),
            ("squared", {"batch_size": 8}, 1e-3),
            ("softmax", {}, 2e-3),
            pytest.param("softmax_sparse", {"rule": "adagrad"}, 5e-3, marks=pytest.mark.slow),
            pytest.param("huber", {"rule": "adam"}, 5e-3, marks=pytest.mark.slow),
            pytest.param("poisson", {}, 5e-3, marks=pytest.mark.slow),
            ("squared_hinge", {"rule": "ftrl"}, 5e-3),
        ],
    )
    def test_automatic_rates_come_near(self, case, options, within, catalogue, make_problem):
        problem = make_problem(**catalogue[case])
        solver = StochasticGradient(**options)
        done = fit(problem, solver, 64)
        best = optimum(make_problem(**catalogue[case]))
        assert (done.certificate.primal - best) / abs(best) <= within, solver.notes
        assert any(note.startswith("learning_rate='auto'") for note in done.notes)

    def test_a_kink_with_decaying_rates(self, make_problem):
        from steepest.losses import Hinge

        problem = make_problem(loss=Hinge(), l2=0.1)
        best = fit(problem, choose(problem, "augmented_lagrangian").solver, 100, 1e-8).certificate.primal
        done = fit(problem, StochasticGradient(), 64)
        assert 0.0 <= done.certificate.primal - best <= 0.01 * best

    def test_the_gap_that_was_asked_for_ends_the_run(self, make_problem):
        done = fit(make_problem(l2=0.2), StochasticGradient(), 4000, tol=1e-3)
        assert done.certificate.passed
        assert done.iterations < 4000

    def test_an_l1_penalty_gives_zeros(self, make_problem):
        from steepest.penalties import L1

        problem = make_problem(kind="csr", d=15)
        problem = type(problem)(problem.source, problem.y, problem.p, problem.loss, L1(0.05), True)
        best = fit(problem, choose(problem, "coordinate").solver, 100, 1e-8)
        done = fit(problem, StochasticGradient(learning_rate="invscaling", eta0=0.3, average=False), 64)
        assert done.certificate.primal <= best.certificate.primal * 1.01
        grown = fit(problem, StochasticGradient("ftrl", average=False), 64)
        assert grown.certificate.primal <= best.certificate.primal * 1.001
        assert np.array_equal(grown.w[:-1] == 0.0, best.w[:-1] == 0.0)


class TestMemory:
    OPTIONS = (
        {"steer": False},
        {"rule": "adam", "batch_size": 7},
        {"learning_rate": 0.05, "average": 100},
        {"order": "large_error", "learning_rate": "adaptive", "eta0": 0.1},
        {"rule": "ftrl"},
    )

    @pytest.mark.parametrize("options", OPTIONS, ids=str)
    @pytest.mark.parametrize("case", ["logistic_sparse", "logistic_weights"])
    def test_resuming_changes_no_bit(self, options, case, catalogue, make_problem):
        whole = StochasticGradient(**options, seed=3)
        at_once = fit(make_problem(**catalogue[case]), whole, 5)
        memory = None
        for _ in range(5):
            solver = StochasticGradient(**options, seed=3, memory=memory, evaluate="never")
            piece = fit(make_problem(**catalogue[case]), solver, 1)
            memory = pickle.loads(pickle.dumps(solver.memory))
        np.testing.assert_array_equal(piece.w, at_once.w)
        assert memory.epoch == whole.memory.epoch == 5
        assert memory.t == whole.memory.t
        assert memory.schedule == whole.memory.schedule
        np.testing.assert_array_equal(memory.state, whole.memory.state)

    def test_softmax_too(self, make_problem):
        at_once = fit(make_problem(loss="softmax"), StochasticGradient(steer=False), 3)
        solver = StochasticGradient(steer=False)
        for _ in range(3):
            piece = fit(make_problem(loss="softmax"), solver, 1)
        np.testing.assert_array_equal(piece.w, at_once.w)

    def test_pieces_of_a_long_epoch_are_one_epoch(self, make_problem, monkeypatch):
        """A call of a kernel is cut by the number of rows alone."""
        problem = make_problem()
        ends = {}
        for longest in (2e7, 100.0, 3.0):
            monkeypatch.setattr("steepest.solvers.steps.LONGEST", longest)
            solver = StochasticGradient("momentum", learning_rate=0.01, batch_size=4, average=True)
            ends[longest] = fit(problem, solver, 3)
            assert solver.memory.t == 90
        np.testing.assert_allclose(ends[2e7].w, ends[3.0].w, rtol=1e-3)  # penalties are made up for more often
        for end in ends.values():
            assert end.iterations == 3

    def test_a_memory_of_other_size(self, make_problem):
        solver = StochasticGradient()
        fit(make_problem(), solver, 1)
        with pytest.raises(InvalidParameterError, match="memory: expected one of 13 parameters, got 9"):
            fit(make_problem(d=12), solver, 1)


class TestAverage:
    @pytest.mark.parametrize("begin", [True, 50, 200])
    def test_it_is_the_mean_of_the_iterates(self, begin, make_problem):
        problem, options = make_problem(n=60), {"learning_rate": 0.2, "seed": 1}
        done = fit(problem, StochasticGradient(average=begin, **options), 3)
        solver, w, seen = StochasticGradient(average=False, **options), problem.start(), []
        state = solver.start(problem, w)
        for epoch in range(3):
            for row in Shuffled(60).epoch(epoch, 1).rows:
                state.steps.run(state.memory, np.array([row]), np.empty(0), None)
                seen.append(state.memory.w.copy())
        kept = seen[(begin if begin is not True else 1) - 1 :]
        truth = np.mean(kept, axis=0) if kept else seen[-1]
        np.testing.assert_allclose(done.w, truth, rtol=0, atol=1e-12)

    def test_auto_beats_the_last_iterate(self, make_problem):
        problem = make_problem()
        best = optimum(problem)
        solvers = [StochasticGradient(average=a, steer=False) for a in ("auto", False)]
        ends = [fit(problem, solver, 32).certificate.primal - best for solver in solvers]
        assert 0.0 <= ends[0] < ends[1]


class TestRounds:
    def test_epochs_are_evaluated_in_powers(self, make_problem):
        problem, seen = make_problem(l2=0.0), []

        class Watcher:
            def begin(self, info): ...

            def round(self, row, w):
                seen.append((int(row["iteration"]), math.isfinite(row["objective"])))

            def end(self, certificate): ...

        done = fit(problem, StochasticGradient(learning_rate=0.1), 12, observers=[Watcher()])
        assert [epoch for epoch, _ in seen] == list(range(13))
        assert [epoch for epoch, measured in seen if measured] == [0, 1, 2, 3, 4, 6, 8, 11]
        assert done.history["iteration"].tolist() == [0, 1, 2, 3, 4, 6, 8, 11]
        assert done.iterations == 12
        assert done.certificate.status is Status.BUDGET

    def test_the_last_epoch_is_the_result_of_a_budget(self, make_problem):
        problem = make_problem()
        solver = StochasticGradient(learning_rate=1.5)
        done = fit(problem, solver, 6)
        np.testing.assert_array_equal(done.w, solver.memory.w)
        assert done.certificate.primal > done.history["objective"].min()

    def test_no_time_at_all(self, make_problem, monkeypatch):
        monkeypatch.setattr("steepest.solvers.steps.LONGEST", 1.0)  # a row a call
        done = fit(make_problem(n=400), StochasticGradient(learning_rate=0.1), 50, max_time=1e-9)
        assert done.certificate.status is Status.BUDGET
        assert done.iterations == 0

    def test_ctrl_c_within_an_epoch(self, make_problem, monkeypatch):
        monkeypatch.setattr("steepest.solvers.steps.LONGEST", 1.0)
        problem, solver = make_problem(), StochasticGradient(learning_rate=0.1)
        advance, calls = solver.advance, []

        def pressed(state):
            calls.append(0)
            if len(calls) == 200:
                raise KeyboardInterrupt
            return advance(state)

        monkeypatch.setattr(solver, "advance", pressed)
        done = fit(problem, solver, 50)
        assert done.certificate.status is Status.INTERRUPTED
        assert done.iterations == 1
        assert solver.memory.epoch == 1  # the last one that was finished
        assert np.all(np.isfinite(done.w))

    def test_powers(self):
        assert sum(due(epoch) for epoch in range(1, 1025)) <= 22


class TestDivergence:
    @pytest.mark.parametrize("evaluate", ["every", "never"])
    def test_a_rate_that_is_too_large_is_named(self, evaluate, make_problem):
        problem = make_problem(loss="squared")
        done = fit(problem, StochasticGradient(learning_rate=4.0, evaluate=evaluate), 200)
        assert done.certificate.status is Status.DIVERGED
        assert "the learning rate 4 is too large. Halve it, or use learning_rate='auto'" in done.certificate.reason
        assert np.all(np.isfinite(done.w))

    def test_automatic_rates_begin_again(self, make_problem):
        problem = make_problem(loss="squared", n=400, d=3)
        solver = StochasticGradient()
        state = solver.start(problem, problem.start())
        solver.advance(state)
        for memory in (state.memory, solver.memory):
            memory.schedule = Fading(1e6, 1e-9, 0.75)
        with np.errstate(all="ignore"):
            while state.memory.epoch < 1:
                done = solver.advance(state)
        assert np.all(np.isfinite(done.at.w))
        assert solver.memory.schedule.eta0 == 1e6 * 0.25**state.halvings
        assert "began again" in solver.notes[-1]


class TestOrders:
    def test_classes_in_turn(self, make_problem):
        problem = make_problem(loss="softmax")
        state = StochasticGradient(order="alternating").start(problem, problem.start())
        assert isinstance(state.order, ClassAlternating)
        rows = state.order.epoch(0).rows
        assert np.mean(problem.y[rows][1:] != problem.y[rows][:-1]) > 0.9
        with pytest.raises(IncompatibleError, match="expects classes"):
            StochasticGradient(order="alternating").start(make_problem(loss="squared"), problem.start())

    def test_outliers_are_named(self, make_problem):
        problem = make_problem(loss="squared", n=200, noise=0.1)
        problem.y[17] += 1e3
        done = fit(problem, StochasticGradient(order="large_error", learning_rate=1e-3), 4)
        said = [note for note in done.notes if "outliers" in note]
        assert len(said) == 1
        assert said[0].endswith("their errors are cut: 17")

    def test_the_order_of_other_rows(self, make_problem):
        with pytest.raises(InvalidParameterError, match="order: expected one of 120 rows, got one of 5"):
            StochasticGradient(order=Shuffled(5)).start(make_problem(), np.zeros(9))


class TestConstraints:
    @pytest.mark.parametrize("rule", ["sgd", "adagrad"])
    def test_the_optimum_on_the_positive_side(self, rule, make_problem):
        from scipy.optimize import nnls

        from steepest.penalties import NoPenalty
        from steepest.penalties.constraints import NonNegative

        base = make_problem(loss="squared", intercept=False, l2=0.0)
        problem = type(base)(base.source, base.y, base.p, base.loss, NoPenalty(), False, constraint=NonNegative())
        best, _ = nnls(base.source.X, base.y)
        done = fit(problem, StochasticGradient(rule), 64)
        assert np.all(done.w >= 0.0)
        assert np.any(best == 0.0)
        value = problem.evaluate(best).value
        assert done.certificate.primal <= value * 1.02
        assert done.certificate.primal >= value * (1.0 - 1e-12)

    def test_ftrl_refuses(self, make_problem):
        from steepest.penalties.constraints import NonNegative
        from steepest.solvers.catalogue import make

        base = make_problem()
        problem = type(base)(base.source, base.y, base.p, base.loss, base.penalty, True, constraint=NonNegative())
        with pytest.raises(IncompatibleError, match="needs weights that are free"):
            make("ftrl", problem)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"rule": "adamm"}, "rule: expected one of"),
            ({"rule": "adagrad_full"}, "rule: expected one of"),
            ({"batch_size": 0}, "batch_size: expected a whole number >= 1, 'all' or None, got 0"),
            ({"batch_size": 2.5}, "batch_size"),
            ({"average": "yes"}, "average"),
            ({"average": -1}, "average"),
            ({"seed": -1}, "seed"),
            ({"evaluate": "often"}, "evaluate"),
            ({"bias_rate": math.nan}, "bias_rate"),
            ({"bias_rate": 0.1, "rule": "adam"}, "bias_rate: only the rule 'sgd' takes one"),
            ({"eta0": 0.1}, "eta0: learning_rate='auto' finds it"),
        ],
    )
    def test_wrong_ones_are_named(self, options, said):
        with pytest.raises(InvalidParameterError, match=said):
            StochasticGradient(**options)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"learning_rate": "sometimes"}, "learning_rate: expected 'auto'"),
            ({"learning_rate": -1.0}, "learning_rate"),
            ({"learning_rate": 0.1, "eta0": 0.1}, "eta0: expected none beside"),
            (
                {"learning_rate": "constant", "schedule_options": {"power": 1.0}},
                "power: learning_rate='constant' takes",
            ),
            ({"order": "sorted"}, "order: expected one of"),
            ({"rule": "ftrl", "learning_rate": "1/k"}, "learning_rate: the rule 'ftrl'"),
        ],
    )
    def test_wrong_ones_are_named_at_the_start(self, options, said, make_problem):
        with pytest.raises(InvalidParameterError, match=said):
            StochasticGradient(**options).start(make_problem(), np.zeros(9))

    @pytest.mark.parametrize(
        ("options", "schedule"),
        [
            ({"learning_rate": 0.2}, Constant(0.2)),
            ({"learning_rate": "pegasos"}, Pegasos(0.05)),
            ({"learning_rate": "optimal"}, Pegasos(0.05, 0.05**-0.75 - 1.0)),
            ({"learning_rate": "adaptive", "eta0": 0.2}, ReduceOnPlateau(0.2, 0.2, 4)),
            ({"learning_rate": Fading(1.0, 0.1)}, Fading(1.0, 0.1)),
        ],
    )
    def test_schedules_by_name(self, options, schedule, make_problem):
        state = StochasticGradient(**options).start(make_problem(), np.zeros(9))
        assert state.memory.schedule == schedule

    def test_rules_that_hold_a_penalty(self, make_problem):
        problem = make_problem()
        assert StochasticGradient("adamw").start(problem, np.zeros(9)).steps.rule == AdamW(decay=0.05)
        kept = StochasticGradient(AdamW(decay=0.3)).start(problem, np.zeros(9)).steps
        assert (kept.rule.decay, kept.l2) == (0.3, 0.05)
        with pytest.raises(IncompatibleError, match="holds penalties of its own"):
            StochasticGradient(FTRL(l1=3.0)).start(problem, np.zeros(9))
