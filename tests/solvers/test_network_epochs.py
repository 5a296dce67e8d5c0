"""Epochs of a network under the loop: ends, orders, rates, and going on."""

from __future__ import annotations

import math
import pickle
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.problems.network import NetworkProblem
from steepest.protocols import Certificate, Status
from steepest.rules import Adam
from steepest.solvers import loop
from steepest.solvers.network import NetworkEpochs
from steepest.solvers.schedules import Constant, InverseScaling, ReduceOnPlateau

RNG = np.random.default_rng(1)
X = RNG.standard_normal((150, 6))
Y = (X[:, 0] * X[:, 1] > 0).astype(int)


def posed(*layers: Dense, X: Any = X, y: Any = Y, **options: Any) -> NetworkProblem:
    stack, objective = Stack(X.shape[1], layers or (Dense(8, "tanh"),), 2), Objective("cross_entropy", 2)
    stack.initial(0)
    statistics = stack.initial_statistics()
    return NetworkProblem(stack, objective, as_feed(X), objective.targets(y), statistics=statistics, **options)


def run(solver: NetworkEpochs, problem: NetworkProblem, max_iter: int | None = 5, max_time: float | None = None) -> Any:
    def certify(w: Any, status: Status, reason: str, dual: Any) -> Certificate:
        value = problem.evaluate(w).value
        return Certificate("none", math.nan, math.nan, 0.0, False, "nothing", value, math.nan, status, reason)

    limits = loop.Limits(tol=0.0, max_iter=max_iter, max_time=max_time)
    return loop.run(solver, problem, problem.start(), limits=limits, certify=certify, null_value=math.log(2.0))


def test_epochs_learn_and_are_recorded() -> None:
    """A product of two columns, which no linear model finds; the mean loss of each epoch is the history."""
    problem = posed(l2=1e-4)
    solver = NetworkEpochs(learning_rate=0.02, batch_size=16, tol=-math.inf)
    out = run(solver, problem, 60)
    assert out.certificate.status is Status.BUDGET
    assert out.certificate.primal < 0.2
    assert out.iterations == len(solver.losses) == len(out.history) == 60
    np.testing.assert_array_equal(out.history["objective"], solver.losses)
    assert abs(solver.losses[-1] - out.certificate.primal) < 0.1
    np.testing.assert_array_equal(out.w, solver.memory.state.w.astype(float))


@pytest.mark.parametrize("average", [False, True])
def test_one_run_is_many(average: bool) -> None:
    """Six epochs at once, or in runs of one from a pickled memory: the same bits, rates included."""
    layers = (Dense(8, "relu", batch_norm=True, dropout=0.3), Dense(4, "tanh"))
    options: Any = {"learning_rate": ReduceOnPlateau(0.05, 0.5, 0), "batch_size": 16, "seed": 4, "average": average}
    whole = NetworkEpochs(**options)
    at_once = run(whole, posed(*layers), 6)
    memory, losses = None, []
    for _ in range(6):
        solver = NetworkEpochs(memory=memory, **options)
        out = run(solver, posed(*layers), 1)
        memory, losses = pickle.loads(pickle.dumps(solver.memory)), losses + solver.losses
    np.testing.assert_array_equal(out.w, at_once.w)
    assert losses == whole.losses
    assert memory.schedule == whole.memory.schedule
    np.testing.assert_array_equal(memory.state.statistics, whole.memory.state.statistics)


def test_a_problem_sees_the_running_statistics() -> None:
    problem = posed(Dense(8, "relu", batch_norm=True))
    solver = NetworkEpochs(learning_rate=0.01, batch_size=16)
    run(solver, problem, 3)
    np.testing.assert_array_equal(problem.statistics, solver.memory.state.statistics.astype(float))
    assert np.abs(problem.statistics[:8]).max() > 0.01


def test_no_improvement_ends_a_run() -> None:
    """By the rule of scikit-learn: more than so many epochs that are not better by tol."""
    solver = NetworkEpochs("sgd", learning_rate=1e-9, batch_size=16, n_iter_no_change=3)
    out = run(solver, posed(), 50)
    assert out.certificate.status is Status.STALLED
    assert "more than 3 epochs" in out.certificate.reason
    assert "proves nothing" in out.certificate.reason
    assert out.iterations == 5  # the first is the best so far, four are no better
    endless = NetworkEpochs("sgd", learning_rate=1e-9, batch_size=16, n_iter_no_change=3, tol=-math.inf)
    assert run(endless, posed(), 20).iterations == 20


def test_adaptive_rates_are_divided_by_five() -> None:
    """Where the run would end; it ends when the rate is 1e-6."""
    solver = NetworkEpochs("sgd", learning_rate="adaptive", eta0=1e-4, batch_size=50, n_iter_no_change=1, tol=1.0)
    out = run(solver, posed(), 100)
    assert out.certificate.status is Status.STALLED
    rates = [Constant(1e-4 / 5**k).eta0 for k in range(4)]
    assert solver.memory.schedule.eta0 == pytest.approx(rates[3])
    # one epoch that is the best so far, then two for each of four rates: 1e-4, 2e-5, 4e-6, 8e-7
    assert out.iterations == 9


def test_rates_are_those_of_steps() -> None:
    """The second epoch goes on where the first stopped: ten steps of 16 rows are in each."""
    plain, scaled = posed(), posed()
    late = NetworkEpochs("sgd", learning_rate=InverseScaling(0.1, 0.5), batch_size=16)
    run(late, scaled, 2)
    assert late.memory.state.t == 20
    early = NetworkEpochs("sgd", learning_rate="invscaling", eta0=0.1, schedule_options={"power": 0.5}, batch_size=16)
    run(early, plain, 2)
    np.testing.assert_array_equal(early.memory.state.w, late.memory.state.w)


@pytest.mark.parametrize("order", ["cyclic", "shuffled", "replacement", "blocks", "alternating", "large_error"])
def test_every_order_trains(order: str) -> None:
    problem = posed()
    before = problem.evaluate(problem.start()).value
    out = run(NetworkEpochs(learning_rate=0.01, order=order, batch_size=16, seed=2), problem, 8)
    assert out.certificate.primal < before


def test_large_errors_name_outliers() -> None:
    """A wrong label, once the others fit."""
    y = (X[:, 0] > 0).astype(int)
    wrong = y.copy()
    wrong[np.argmax(X[:, 0])] = 0
    solver = NetworkEpochs(learning_rate=0.02, order="large_error", batch_size=16)
    run(solver, posed(y=wrong), 20)
    assert any(f" {np.argmax(X[:, 0])}" in note and "outliers" in note for note in solver.notes)


def test_overflow_is_divergence_with_a_cure() -> None:
    problem = posed(Dense(8, "relu"))
    out = run(NetworkEpochs("sgd", learning_rate=1e18, batch_size=16), problem, 50)
    assert out.certificate.status is Status.DIVERGED
    assert "clip_norm" in out.certificate.reason
    assert np.all(np.isfinite(out.w))


@pytest.mark.usefixtures("interruptible")
def test_limits_and_interrupts_are_heard_within_an_epoch() -> None:
    """An epoch of many seconds: max_time and Ctrl-C cut it, and what there is comes back."""
    many = RNG.standard_normal((60_000, 40)).astype(np.float32)
    problem = posed(Dense(64), X=many, y=(many[:, 0] > 0).astype(int))
    run(NetworkEpochs(batch_size=1), posed(Dense(64), X=many[:100], y=(many[:100, 0] > 0).astype(int)), 1)  # compiles
    out = run(NetworkEpochs(batch_size=1), problem, None, max_time=0.3)
    assert out.certificate.status is Status.BUDGET
    assert out.iterations == 0
    assert not np.array_equal(out.w, problem.start())
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.4, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    out = run(NetworkEpochs(batch_size=1, tol=-math.inf), problem, 1000, max_time=60.0)  # of hours
    timer.join()
    assert out.certificate.status is Status.INTERRUPTED


@pytest.mark.parametrize("ended", ["interrupt", "time"])
def test_a_part_of_the_first_epoch_is_kept_with_its_statistics(ended: str) -> None:
    class Cut(NetworkEpochs):
        """Ends at its third call, within the first epoch."""

        calls, reached = 0, None

        def advance(self, state: Any) -> Any:
            self.calls += 1
            if self.calls == 4:
                if ended == "interrupt":
                    raise KeyboardInterrupt
                pytest.fail("the limit of time was not looked at")
            done = super().advance(state)
            self.reached = (done.w.copy(), state.memory.state.statistics.astype(float))
            if self.calls == 3 and ended == "time":
                time.sleep(max(0.0, 1.1 - (time.perf_counter() - began)))
            return done

    run(NetworkEpochs(batch_size=2), posed(Dense(8, "relu", batch_norm=True)), 1)  # compiles
    many = np.tile(X, (400, 1))
    problem = posed(Dense(8, "relu", batch_norm=True), X=many, y=np.tile(Y, 400))
    solver = Cut(learning_rate=0.01, batch_size=2)
    began = time.perf_counter()
    out = run(solver, problem, 5, max_time=1.0 if ended == "time" else None)
    assert out.certificate.status is (Status.BUDGET if ended == "time" else Status.INTERRUPTED)
    assert out.iterations == 0  # whole epochs
    assert solver.reached is not None
    np.testing.assert_array_equal(out.w, solver.reached[0])
    assert not np.array_equal(out.w, problem.start())
    np.testing.assert_array_equal(problem.statistics, solver.reached[1])


def test_what_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="ftrl"):
        NetworkEpochs("ftrl")
    with pytest.raises(InvalidParameterError, match="n_iter_no_change"):
        NetworkEpochs(n_iter_no_change=0)
    with pytest.raises(InvalidParameterError, match="order"):
        run(NetworkEpochs(order="sorted"), posed(), 1)
    stack, objective = Stack(6, (Dense(3),), 2), Objective("squared_error", 2)
    problem = NetworkProblem(stack, objective, as_feed(X), objective.targets(X[:, :2]))
    with pytest.raises(IncompatibleError, match="alternating"):
        run(NetworkEpochs(order="alternating"), problem, 1)
    assert NetworkEpochs(Adam(0.5)).rule.beta1 == 0.5


def test_a_memory_is_that_of_a_whole_epoch_and_no_copy() -> None:
    class Cut(NetworkEpochs):
        """Interrupted in the middle of its third epoch."""

        def advance(self, state: Any) -> Any:
            if state.memory.state.epoch == 2 and state.visit is not None:
                raise KeyboardInterrupt
            if state.visit is None and state.begun:
                assert self.memory is state.memory
            done = super().advance(state)
            state.length = 1
            return done

    solver = Cut(batch_size=2)
    assert run(solver, posed(Dense(8, "relu")), 5).iterations == 2
    assert solver.memory is None
    given = NetworkEpochs(batch_size=2)
    run(given, posed(Dense(8, "relu")), 1)
    before = given.memory.state.w.copy()
    later = NetworkEpochs(batch_size=2, memory=given.memory)
    run(later, posed(Dense(8, "relu")), 2)
    np.testing.assert_array_equal(given.memory.state.w, before)
    assert later.memory.state.epoch == 3
