"""Shards that step apart and are averaged: the same bits for any number of threads, the certified optimum."""

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier, minimize
from steepest.data.orders import Shuffled
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import get_loss
from steepest.losses.registry import slope
from steepest.parallel import Pool
from steepest.penalties import ElasticNet
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status
from steepest.solvers.auto import choose
from steepest.solvers.catalogue import make
from steepest.solvers.parallel_sgd import ParallelSGD
from steepest.solvers.schedules import Constant, Fading, ReduceOnPlateau

N, D = 403, 12


def problem(kind="dense", jobs=1, loss="logistic", l1=0.0, l2=0.02, weighted=False, intercept=True):
    rng = np.random.default_rng(5)
    X = rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.6)
    z = X @ rng.standard_normal(D) + 0.5 * rng.standard_normal(N)
    y = np.where(z > 0.0, 1.0, -1.0) if get_loss(loss).targets == "sign" else z
    p = rng.integers(0, 4, N).astype(float) if weighted else np.ones(N)
    source = as_source(X if kind == "dense" else sp.csr_array(X), pool=Pool(jobs))
    penalty = ElasticNet(l1 + l2, l1 / (l1 + l2))
    return LinearProblem(source, y, p / p.sum(), get_loss(loss), penalty, intercept)


def epochs(solver, q, many, start=None):
    """Rounds of whole epochs, and the state after them."""
    state = solver.start(q, q.start() if start is None else start)
    rounds = [solver.advance(state)]
    while state.epoch < many:
        done = solver.advance(state)
        if not done.part:
            rounds.append(done)
    q.source.pool.close()
    return rounds, state


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize(("loss", "l1"), [("logistic", 0.0), ("hinge", 0.01)])
def test_the_same_bits_for_any_number_of_threads(kind: str, loss: str, l1: float) -> None:
    seen = []
    for jobs in (1, 2, 3):
        rounds, state = epochs(ParallelSGD(), problem(kind, jobs=jobs, loss=loss, l1=l1, weighted=True), 5)
        seen.append([state.w, state.mean, *(r.at.w if r.at is not None else r.w for r in rounds)])
    for other in seen[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_the_same_bits_of_a_fit() -> None:
    q = problem("csr")
    fits = [
        LinearClassifier(loss="logistic", alpha=0.02, solver="parallel_sgd", tol=1e-3, max_iter=300, n_jobs=jobs).fit(
            q.source.matrix, q.y
        )
        for jobs in (1, 2, 3)
    ]
    assert all(np.array_equal(fits[0].coef_, other.coef_) for other in fits[1:])
    assert all(np.array_equal(fits[0].intercept_, other.intercept_) for other in fits[1:])
    assert fits[0].certificate_.status is Status.CERTIFIED
    assert not any("deterministic" in note for note in fits[0].fit_record_.solver["notes"])


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_an_epoch_is_the_mean_of_plain_steps(kind: str, size: int) -> None:
    q = problem(kind, weighted=True, l1=0.01)
    schedule = Fading(0.2, 0.01, 1.0)
    start = np.linspace(-1.0, 1.0, D + 1)
    _, state = epochs(ParallelSGD(schedule, shards=3, averages=2, batch_size=size, average=False, seed=7), q, 1, start)
    X, p = np.asarray(problem("dense").source.rows.X), q.p * N
    order, w, first = Shuffled(N).epoch(0, 7).rows, start.copy(), 0
    longest = max(-(-((s + 1) * m // 3 - s * m // 3) // size) for m in (N // 2, N - N // 2) for s in range(3))
    for piece in range(2):
        rows = order[piece * N // 2 : (piece + 1) * N // 2]
        total = np.zeros(D + 1)
        for s in range(3):
            mine, v = rows[s * len(rows) // 3 : (s + 1) * len(rows) // 3], w.copy()
            rates = schedule.rates(first, longest)
            for k in range(0, len(mine), size):
                batch, eta = mine[k : k + size], rates[k // size]
                u = np.array([p[i] * slope(q.loss, X[i] @ v[:D] + v[D], q.y[i]) for i in batch]) / len(batch)
                head = (1.0 - eta * q.traits.l2) * v[:D] - eta * (X[batch].T @ u)
                v = np.append(np.sign(head) * np.maximum(np.abs(head) - eta * q.traits.l1, 0.0), v[D] - eta * u.sum())
            total += len(mine) * v
        w, first = total / len(rows), first + longest
    np.testing.assert_allclose(state.w[:D], w[:D], rtol=0, atol=1e-11)
    assert state.steps == first


@pytest.mark.parametrize(("loss", "l1"), [("logistic", 0.0), ("logistic", 0.03), ("hinge", 0.0), ("squared", 0.0)])
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_converges(kind: str, loss: str, l1: float) -> None:
    q = problem(kind, loss=loss, l1=l1, weighted=True)
    rounds, _ = epochs(ParallelSGD(), q, 128)
    plan = choose(q)
    state = plan.solver.start(plan.problem, plan.start(None))
    least = min(plan.solver.advance(state).at.value for _ in range(30 if loss != "squared" else 2))
    lowest = min(r.at.value for r in rounds if r.at is not None)
    assert least * (1.0 - 1e-6) <= lowest <= least * (1.0 + 1e-3)


def test_epochs_are_measured_more_and_more_seldom() -> None:
    rounds, _ = epochs(ParallelSGD(), problem(), 40)
    measured = [k for k, r in enumerate(rounds) if r.at is not None]
    assert measured == [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32]
    assert all(r.w is not None for r in rounds if r.at is None)


def test_a_schedule_sees_the_objective() -> None:
    schedule = ReduceOnPlateau(1e-9, patience=0, threshold=0.5)
    _, state = epochs(ParallelSGD(schedule), problem(), 8)
    assert state.schedule.rate < 1e-9


def test_few_rows_and_a_batch_of_all() -> None:
    X, y = np.eye(3), np.array([1.0, -1.0, 1.0])
    q = LinearProblem(as_source(X, pool=Pool(2)), y, np.full(3, 1.0 / 3), get_loss("logistic"), ElasticNet(0.1, 0.0))
    for options in ({}, {"shards": 8}, {"batch_size": 50}):
        rounds, state = epochs(ParallelSGD(**options), q, 40)
        assert np.all(np.isfinite(state.w))
        assert min(r.at.value for r in rounds if r.at is not None) < rounds[0].at.value


def test_the_mean_is_used_where_it_is_lower() -> None:
    """At a constant rate iterates wander, and their mean does not."""
    lowest = {}
    for average in (False, True):
        rounds, state = epochs(ParallelSGD(Constant(0.3), average=average), problem(), 64)
        lowest[average] = rounds[-1].at.value if rounds[-1].at is not None else min(r.at.value for r in rounds if r.at)
        assert state.averaged == average
    assert lowest[True] < lowest[False]


class TestRefusals:
    def test_several_scores(self) -> None:
        with pytest.raises(IncompatibleError, match="one score a row"):
            LinearClassifier(loss="softmax", solver="parallel_sgd").fit(np.eye(6), [0, 1, 2, 0, 1, 2])

    @pytest.mark.parametrize("option", ["shards", "averages", "batch_size"])
    @pytest.mark.parametrize("value", [0, 1.5, True])
    def test_counts(self, option: str, value) -> None:
        with pytest.raises(InvalidParameterError, match=f"{option}: expected an integer >= 1"):
            make("parallel_sgd", problem(), **{option: value})

    def test_a_function(self) -> None:
        with pytest.raises(IncompatibleError, match="Use 'subgradient'"):
            minimize(lambda x: float(x @ x), [1.0], method=ParallelSGD())
