"""Lock-free threads: serial steps exactly with one of them, the certified optimum with any number."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier, LinearRegressor
from steepest.data.orders import Shuffled
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels.hogwild import hogwild_steps
from steepest.losses import Logistic, get_loss
from steepest.parallel import Pool
from steepest.penalties import L1, L2, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.protocols import Status
from steepest.record.observers import observe
from steepest.solvers.catalogue import make
from steepest.solvers.hogwild import Hogwild, head_for
from steepest.solvers.schedules import Constant, Fading

N, D = 600, 400


@pytest.fixture(scope="module")
def text():
    """Short rows of many columns, some far more frequent than others, of unit length."""
    rng = np.random.default_rng(3)
    frequency = 1.0 / np.arange(1.0, D + 1)
    X = sp.csr_array(rng.random((N, D)) < np.minimum(4.0 * frequency, 0.9))
    X = X.astype(float)
    X.data *= rng.uniform(0.5, 1.5, X.nnz)
    X = sp.csr_array(sp.diags_array(1.0 / np.maximum(np.sqrt(X.multiply(X).sum(axis=1)), 1e-9)) @ X)
    y = np.where(X @ rng.standard_normal(D) + 0.05 * rng.standard_normal(N) > 0.0, 1.0, -1.0)
    return X, y


def problem(X, y, jobs=1, l2=5e-3, intercept=True, loss="logistic", p=None, penalty=None):
    p = np.full(len(y), 1.0) if p is None else p
    source = as_source(X, pool=Pool(jobs))
    return LinearProblem(source, y, p / p.sum(), get_loss(loss), penalty or L2(l2), intercept)


def fitted(X, y, **options):
    options = {"loss": "logistic", "penalty": "l2", "alpha": 5e-3, "tol": 1e-3, "max_iter": 400} | options
    return LinearClassifier(solver="hogwild", **options).fit(X, y)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_one_thread_takes_the_steps_of_the_formula(text, intercept: bool, weighted: bool) -> None:
    X, y = text
    rng = np.random.default_rng(0)
    p = rng.uniform(0.0, 2.0, N) if weighted else np.ones(N)
    p /= p.mean()
    q = problem(X, y, l2=0.02, intercept=intercept, p=p)
    schedule = Fading(2.0, 0.01, 1.0)
    solver = Hogwild(schedule, average=False, seed=4)
    state = solver.start(q, np.linspace(-1.0, 1.0, q.size))
    solver.advance(state)
    while solver.advance(state).part:
        pass
    w, b = np.linspace(-1.0, 1.0, q.size)[:D], np.float64(intercept)
    dense = X.toarray()
    for i, eta in zip(Shuffled(N).epoch(0, 4).rows, schedule.rates(0, N), strict=True):
        u = p[i] * Logistic().slope(dense[i] @ w + b, y[i])
        w = (1.0 - eta * 0.02) * w - eta * u * dense[i]
        b -= eta * u * intercept
    np.testing.assert_allclose(state.w[:D], w, rtol=0, atol=1e-12)
    if intercept:  # which is put to its best place where P is measured
        assert q.evaluate(state.w).value <= q.evaluate(np.append(w, b)).value


@pytest.mark.parametrize("loss", ["logistic", "hinge", "squared"])
def test_any_number_of_threads_reaches_the_optimum_of_one(text, loss: str) -> None:
    X, y = text
    y = X @ np.arange(D) / D if loss == "squared" else y
    values = {}
    for jobs in (1, 2, 5):
        q = problem(X, y, jobs, loss=loss)
        solver = Hogwild()
        state = solver.start(q, q.start())
        lowest = np.inf
        while state.epoch < 64:
            done = solver.advance(state)
            if done.at is not None:
                assert np.all(np.isfinite(done.at.w))
                lowest = min(lowest, done.at.value)
        q.source.pool.close()
        values[jobs] = lowest
        assert solver.deterministic == (jobs == 1)
        assert any("deterministic=False" in note for note in solver.notes) == (jobs > 1)
    scale = values[1]
    near = {1: 0.0, 2: 2e-3, 5: 5e-3}  # five threads average an intercept over 120 rows each, which takes longer
    assert all(abs(value - scale) <= near[jobs] * scale for jobs, value in values.items()), values


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_optimum_is_certified(text, jobs: int) -> None:
    X, y = text
    found = fitted(X, y, n_jobs=jobs)
    best = LinearClassifier(loss="logistic", penalty="l2", alpha=5e-3, tol=1e-9).fit(X, y)
    assert found.certificate_.status is Status.CERTIFIED
    assert found.certificate_.relative <= 1e-3
    primal = found.certificate_.primal
    assert best.certificate_.primal * (1.0 - 1e-9) <= primal <= best.certificate_.primal * (1.0 + 1e-3)
    notes = " ".join(found.fit_record_.solver["notes"])
    assert ("deterministic=False" in notes) == (jobs == 2)
    assert found.fit_record_.deterministic == (jobs == 1)


def test_one_thread_gives_the_same_bits(text) -> None:
    X, y = text
    first, second = (fitted(X, y, n_jobs=1).coef_ for _ in range(2))
    assert np.array_equal(first, second)
    other = fitted(X, y, n_jobs=1, solver_options={"seed": 1}).coef_
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("in_head", [False, True])
def test_threads_on_one_coordinate_tear_no_number(in_head: bool) -> None:
    """All threads add to the same word: whole additions may be lost, but what is there is a sum of some of them."""
    n, unit = 20_000, 2.0**-20
    rows = as_source(sp.csr_array(np.ones((n, 1)))).rows
    split = rows.indptr[in_head : n + in_head].copy()
    v, hub, pool = np.zeros(1), np.zeros(int(in_head)), Pool(4)
    order, ones = np.arange(n, dtype=np.uint32), np.ones(n)
    edges, every = np.array([0, in_head], dtype=np.int64), np.array([16])

    def lane(t: int) -> None:  # the slope of the hinge is -1 all along: every step adds 2^-20
        mine = [np.ascontiguousarray(a[t::4]) for a in (order, ones, ones * unit)]
        copies = np.empty(len(hub)), np.empty(len(hub))
        none = np.empty(0)
        hogwild_steps(
            get_loss("hinge"), rows, split, ones, none, *mine, none, v, hub, *copies, edges, every, none, 0.25
        )  # fmt: skip

    pool.map(lane, range(4))
    pool.close()
    steps = (hub if in_head else v)[0] / unit
    assert n / 4 <= steps <= n
    assert steps == round(steps)


class TestHead:
    """Copies of the frequent columns."""

    @pytest.mark.parametrize("intercept", [False, True])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_one_thread_with_a_copy_takes_the_steps_of_the_formula(self, text, intercept, weighted) -> None:
        X, y = text
        rng = np.random.default_rng(0)
        p = rng.uniform(0.0, 2.0, N) if weighted else np.ones(N)
        p /= p.mean()
        q = problem(X, y, intercept=intercept, p=p)
        none = np.empty(0)
        head = head_for(q, p if weighted else none, 0.01, 1, 0)
        assert 0 < len(head.columns) < D
        etas = np.linspace(0.5, 0.1, N)
        after = np.cumprod(1.0 - 0.02 * etas)
        start = rng.standard_normal(D)
        v, order, bias = start.copy(), rng.permutation(N).astype(np.uint32), np.array([0.3])
        head.hub[:] = v[head.columns]
        hogwild_steps(
            q.loss, head.rows, head.split, y, p if weighted else none, order, np.append(1.0, after)[:-1], etas / after,
            etas if intercept else none, v, head.hub, *head.copies[0], head.edges, np.full(len(head.most), 7), bias,
            1.0,
        )  # fmt: skip
        v[head.columns] = head.hub
        w, b, dense = start, 0.3 * intercept, X.toarray()
        for i, eta in zip(order, etas, strict=True):
            u = p[i] * Logistic().slope(dense[i] @ w + b, y[i])
            w = (1.0 - eta * 0.02) * w - eta * u * dense[i]
            b -= eta * u * intercept
        np.testing.assert_allclose(v * after[-1], w, rtol=0, atol=1e-12)
        assert not intercept or abs(bias[0] - b) <= 1e-12

    def test_rows_are_the_same_with_the_head_in_front(self, text) -> None:
        X, y = text
        head = head_for(problem(X, y, jobs=2), np.empty(0), 0.01, 2, 0)
        data, indices, indptr = head.rows
        dense, found = X.toarray(), np.zeros((N, D))
        h = len(head.columns)
        for i in range(N):
            first, mid, end = int(indptr[i]), int(head.split[i]), int(indptr[i + 1])
            assert np.all(indices[first:mid] < h)
            assert not np.isin(indices[mid:end], head.columns).any()
            found[i, head.columns[indices[first:mid]]] = data[first:mid]
            found[i, indices[mid:end]] = data[mid:end]
        assert np.array_equal(found, dense)

    def test_it_holds_the_frequent_columns_class_by_class(self, text) -> None:
        X, y = text
        head = head_for(problem(X, y), np.empty(0), 1e-6, 2, 0)
        counts = np.bincount(X.indices, minlength=D)
        assert len(np.unique(head.columns)) == len(head.columns) == head.edges[-1]
        assert set(head.columns) == set(np.flatnonzero(counts >= 2))  # 2 of 600 rows are more than a 512th
        low = [counts[head.columns[a:b]].min() for a, b in zip(head.edges[:-1], head.edges[1:], strict=True)]
        high = [counts[head.columns[a:b]].max() for a, b in zip(head.edges[:-1], head.edges[1:], strict=True)]
        assert all(low[k] > high[k + 1] for k in range(len(low) - 1))

    def test_longer_steps_and_more_threads_are_added_up_more_often(self, text) -> None:
        q = problem(*text)
        two, four = (head_for(q, np.empty(0), 1e-6, jobs, 0) for jobs in (2, 4))
        assert np.array_equal(two.intervals(1e-9), two.most)
        assert np.all(two.intervals(1.0) < two.most)
        assert np.all(four.intervals(1.0) <= two.intervals(1.0))
        assert np.all(two.intervals(1e9) == 1)

    def test_where_it_would_be_added_up_all_the_time_there_is_none(self, text) -> None:
        head = head_for(problem(*text), np.empty(0), 1e9, 2, 0)
        assert len(head.columns) == len(head.hub) == 0
        assert np.array_equal(head.split, head.rows.indptr[:-1])

    def test_its_curvature_bounds_that_of_the_rows(self, text) -> None:
        """Nearly: the sample is all rows here, and the columns do not depend on each other."""
        X, y = text
        head = head_for(problem(X, y), np.empty(0), 1e-6, 2, 0)
        for a, b, curvature in zip(head.edges[:-1], head.edges[1:], head.curvatures, strict=True):
            part = X.toarray()[:, head.columns[a:b]]
            true = 0.25 * np.linalg.eigvalsh(part.T @ part / N)[-1]
            assert 0.8 * true <= curvature <= 3.0 * true


def test_long_rates_are_cut(text) -> None:
    X, y = text
    q = problem(X, y, l2=0.5)
    solver = Hogwild(Constant(30.0))
    state = solver.start(q, q.start())
    solver.advance(state)
    solver.advance(state)
    assert np.all(np.isfinite(state.w))
    assert float(state.rates.max()) == 1.0
    assert any("were cut" in note for note in solver.notes)


def test_strong_decay_does_not_lose_the_weights(text) -> None:
    """The scale of an epoch, (1 - 1/2)^600, would be nothing: it is taken in pieces."""
    X, y = text
    q = problem(X, y, l2=0.5)
    solver = Hogwild(Constant(1.0), average=False)
    state = solver.start(q, q.start())
    solver.advance(state)
    while solver.advance(state).part:
        pass
    assert state.pieces > 1
    w, b = np.zeros(D), 0.0
    dense = X.toarray()
    for i in Shuffled(N).epoch(0, 0).rows:
        u = Logistic().slope(dense[i] @ w + b, y[i])
        w, b = 0.5 * w - u * dense[i], b - u
    np.testing.assert_allclose(state.w[:D], w, rtol=0, atol=1e-12)


class TestDivergence:
    def test_a_given_rate(self, text) -> None:
        X, y = text
        with pytest.warns(match="learning rate is too large"):
            model = LinearRegressor(
                loss="squared", penalty="l2", alpha=1e-3, solver="hogwild", n_jobs=2, max_iter=50,
                solver_options={"learning_rate": 400.0},
            ).fit(X, y)  # fmt: skip
        assert model.certificate_.status is Status.DIVERGED
        assert np.all(np.isfinite(model.coef_))

    def test_an_automatic_rate_begins_again(self, text) -> None:
        X = sp.csr_array(text[0].copy())
        X.data[: X.indptr[3]] *= 300.0  # rows that the mean curvature does not foretell
        q = problem(X, X @ np.ones(D), loss="squared")
        solver = Hogwild()
        state = solver.start(q, q.start())
        first = solver.advance(state).at
        state.schedule = Fading(1.0, 1e-3, 1.0)  # as if the rule had found too long a step
        for _ in range(200):
            done = solver.advance(state)
        assert state.quarters > 0
        assert any("began again" in note for note in solver.notes)
        assert np.all(np.isfinite(state.w))
        assert first is not None
        assert q.evaluate(state.w).value < first.value
        assert done.w is not None or done.at is not None


def test_an_interrupt_keeps_what_was_reached(text, interruptible) -> None:
    X, y = text

    def stop(row, w):
        if row["iteration"] == 3:
            signal.raise_signal(signal.SIGINT)

    with observe(stop), pytest.warns(match="interrupted"):
        model = fitted(X, y, n_jobs=2, tol=1e-9)
    assert model.certificate_.status is Status.INTERRUPTED
    assert np.all(np.isfinite(model.coef_))
    assert model.certificate_.primal < np.log(2.0)


class TestRefusals:
    def test_dense_rows(self, text) -> None:
        X, y = text
        with pytest.raises(IncompatibleError, match=r"'hogwild' is for sparse rows.*undo.*solver='parallel_sgd'"):
            fitted(X.toarray(), y)

    def test_an_l1_part(self, text) -> None:
        X, y = text
        with pytest.raises(IncompatibleError, match="without an l1 part"):
            make("hogwild", problem(X, y, penalty=L1(0.01)))

    def test_several_scores(self, text) -> None:
        with pytest.raises(IncompatibleError, match="one score a row"):
            LinearClassifier(loss="softmax", solver="hogwild").fit(text[0], np.arange(N) % 3)

    def test_wrong_options(self, text) -> None:
        q = problem(*text)
        for options, said in (
            ({"learning_rate": "fast"}, r"learning_rate: expected 'auto'.* got 'fast'"),
            ({"learning_rate": -1.0}, "learning_rate: expected 'auto'"),
            ({"seed": -1}, "seed: expected an integer >= 0"),
            ({"average": 3}, "average: expected True or False"),
        ):
            with pytest.raises(InvalidParameterError, match=said):
                make("hogwild", q, **options).start(q, q.start())


def test_without_a_penalty_rates_fall_slower(text) -> None:
    q = problem(*text, penalty=NoPenalty())
    solver = Hogwild(0.5)
    assert solver.start(q, q.start()).schedule == Fading(0.5, 1.0 / N, 0.6)


@pytest.mark.slow
@pytest.mark.parametrize("intercept", [False, True])
def test_newsgroups(intercept: bool) -> None:
    folder = os.environ.get("STEEPEST_DATA")
    if not folder or not (Path(folder) / "20news-bydate.tar.gz").exists():
        pytest.skip("needs STEEPEST_DATA with 20news-bydate.tar.gz")
    from benchmarks.data import load

    X, y = load("news_binary")
    primal = {}
    for jobs in (1, 2):
        model = LinearClassifier(
            loss="logistic", alpha=1.0 / len(y), solver="hogwild", tol=1e-3, n_jobs=jobs, fit_intercept=intercept
        ).fit(X, y)
        assert model.certificate_.status is Status.CERTIFIED
        primal[jobs] = model.certificate_.primal
    assert abs(primal[2] / primal[1] - 1.0) <= 1e-3
