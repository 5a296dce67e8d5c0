"""Jobs at once: really on several threads, the same bits, one end for all, errors of the first job that has one."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import LinearClassifier, LinearSVC
from steepest.data.source import as_source
from steepest.estimators import fitting, side_by_side
from steepest.estimators.jobs import Job
from steepest.losses import get_loss
from steepest.parallel import Pool
from steepest.penalties import L2
from steepest.protocols import Status
from steepest.record.observers import observe


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    X = sp.random_array((1200, 600), density=0.1, rng=rng, format="csr")
    y = np.argmax(X @ rng.normal(size=(600, 5)) + 0.1 * rng.normal(size=(1200, 5)), axis=1)
    assert X.nnz >= side_by_side.WORK
    return X, y


class Runner:
    outcomes = ()


def _jobs(n):
    return [Job(np.ones(3), np.full(3, 1 / 3), get_loss("hinge"), L2(1.0), label=str(i)) for i in range(n)]


def test_jobs_meet():
    """Each of two jobs waits for the other: one after the other they would wait for ever."""
    barrier = threading.Barrier(2, timeout=60)
    seen = []

    def one(runner, job):
        barrier.wait()
        seen.append((job.label, threading.get_ident(), runner.source.pool.n_jobs))

    def make(source, stop):
        runner = Runner()
        runner.source, runner.stop = source, stop
        return runner

    source = as_source(np.ones((3, 2)), pool=Pool(2))
    found = side_by_side.run_side_by_side(source, _jobs(4), make, one)
    assert len({ident for _, ident, _ in seen}) == 2
    assert {label for label, _, _ in seen} == {"0", "1", "2", "3"}
    assert {n for _, _, n in seen} == {1}
    assert all(isinstance(runner, Runner) for runner in found)
    assert source.pool.n_jobs == 2


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_the_same_bits_and_the_same_record(digits, loss):
    X, y = digits
    one, two, three = (LinearSVC(loss=loss, n_jobs=n).fit(X, y) for n in (1, 2, 3))
    for other in (two, three):
        np.testing.assert_array_equal(one.coef_, other.coef_)
        np.testing.assert_array_equal(one.intercept_, other.intercept_)
        np.testing.assert_array_equal(one.dual_coef_, other.dual_coef_)
        np.testing.assert_array_equal(one.n_iter_, other.n_iter_)
        assert one.certificate_ == other.certificate_
        assert one.fit_record_.passes == other.fit_record_.passes
        assert one.fit_record_.solver == other.fit_record_.solver
    assert one.certificate_.passed


def test_several_threads_are_used(digits, monkeypatch):
    X, y = digits
    idents = set()
    run = fitting._explained

    def watched(runs, job):
        idents.add(threading.get_ident())
        run(runs, job)

    monkeypatch.setattr(fitting, "_explained", watched)
    LinearClassifier("logistic", n_jobs=1, max_iter=2, on_unconverged="ignore").fit(X, y)
    assert len(idents) == 1
    barrier, met = threading.Barrier(2, timeout=60), set()

    def together(runs, job):
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            barrier.wait()
        run(runs, job)

    monkeypatch.setattr(fitting, "_explained", together)
    LinearClassifier("logistic", n_jobs=2, max_iter=2, on_unconverged="ignore").fit(X, y)
    assert len(met) == 2


def test_observers_see_jobs_in_their_order(digits):
    X, y = digits
    titles = []

    class Titles:
        def begin(self, info):
            titles.append((info["title"], threading.get_ident()))

        def round(self, row, w):
            return None

        def end(self, certificate):
            return None

    with observe(Titles()):
        LinearSVC(n_jobs=2, max_iter=3, on_unconverged="ignore").fit(X, y)
    assert [title for title, _ in titles] == [f"LinearSVC class {i} against the rest" for i in range(5)]
    assert {ident for _, ident in titles} == {threading.get_ident()}


def test_least_squares_take_turns(digits):
    X, _ = digits
    Y = np.random.default_rng(1).normal(size=(1200, 3))
    source = as_source(X, pool=Pool(2))
    jobs = [Job(Y[:, j], np.full(1200, 1 / 1200), get_loss("squared"), L2(1.0)) for j in range(3)]
    assert not side_by_side.suits(source, jobs, [])
    for job in jobs:
        job.loss = get_loss("huber")
    assert side_by_side.suits(source, jobs, [])
    assert not side_by_side.suits(source, jobs[:1], [])
    assert not side_by_side.suits(as_source(X, pool=Pool(1)), jobs, [])


def test_the_first_error_of_a_job_is_raised():
    ran = []

    def one(runner, job):
        ran.append(job.label)
        if job.label in ("1", "2"):
            raise ValueError(job.label)

    source = as_source(np.ones((3, 2)), pool=Pool(2))
    with pytest.raises(ValueError, match=r"^[12]$"):
        side_by_side.run_side_by_side(source, _jobs(3), lambda source, stop: Runner(), one)
    assert "0" in ran


def test_an_interrupted_job_ends_the_others(digits, monkeypatch):
    X, y = digits
    from steepest.solvers.margin_dual import MarginDual

    advance, calls = MarginDual.advance, []
    main = threading.get_ident()

    def interrupted(self, state):
        if threading.get_ident() == main:
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt
        return advance(self, state)

    monkeypatch.setattr(MarginDual, "advance", interrupted)
    model = LinearSVC(loss="hinge", tol=1e-12, n_jobs=2, on_unconverged="ignore").fit(X, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert np.isfinite(model.coef_).all()
    assert model.coef_.shape == (5, 600)
