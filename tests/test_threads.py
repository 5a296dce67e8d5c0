"""Fits in several threads, in worker processes and in forked ones; Ctrl-C; nothing stays behind."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from steepest import Lasso, LinearClassifier, LinearRegressor, LogisticRegression, Ridge
from steepest.protocols import Status
from steepest.record.observers import observe

MODELS: list[Any] = [
    (LogisticRegression, {}),
    (LogisticRegression, {"l1_ratio": 1.0}),
    (Ridge, {}),
    (Lasso, {"alpha": 0.01}),
    (LinearClassifier, {"loss": "hinge"}),
    (LinearRegressor, {"loss": "huber", "n_jobs": 2}),
]


def rows(n: int = 2000) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20))
    return X, X[:, 0] + rng.normal(size=n)


def coefficients(i: int) -> Any:
    X, y = rows()
    make, parameters = MODELS[i % len(MODELS)]
    model = make(**parameters)
    return model.fit(X, y > 0.0 if hasattr(model, "decision_function") else y).coef_.tobytes()


def blas_threads() -> list[int]:
    return [int(info["num_threads"]) for info in threadpool_info() if info["user_api"] == "blas"]


def test_threads_at_once_give_the_same_bits_and_leave_blas_alone() -> None:
    alone = [coefficients(i) for i in range(len(MODELS))]
    before = blas_threads()
    with ThreadPoolExecutor(6) as executor:
        together = list(executor.map(coefficients, range(36)))
    assert together == [alone[i % len(MODELS)] for i in range(36)]
    assert blas_threads() == before


def _forked(queue: Any, i: int) -> None:
    queue.put((i, coefficients(i)))


@pytest.mark.skipif(sys.platform != "linux", reason="fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of fork where threads live
def test_a_process_forked_after_and_amid_fits() -> None:
    alone = [coefficients(i) for i in range(len(MODELS))]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_forked, args=(queue, i)) for i in range(len(MODELS))]
    for worker in workers:
        worker.start()
    results = dict(queue.get(timeout=60) for _ in workers)
    for worker in workers:
        worker.join(10)
        assert worker.exitcode == 0
    assert [results[i] for i in range(len(MODELS))] == alone


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    "model",
    [
        LinearClassifier("logistic", solver="gradient_descent", tol=0.0, max_iter=None),
        LinearClassifier("softmax", penalty="l1", tol=0.0, max_iter=None),
        LinearClassifier("hinge", penalty="none", tol=0.0, max_iter=None),
        LinearClassifier("logistic", penalty="l1", solver="fista", tol=0.0, max_iter=None),
    ],
)
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_keeps_the_best_parameters(model: Any) -> None:
    X, y = rows(20_000)
    X = X.copy()
    X[:, 1] += 1e3 * X[:, 0]  # slow
    small = type(model)(**{**model.get_params(), "max_iter": 1, "on_unconverged": "ignore"})
    null = small.fit(X[:200], y[:200] > 0.0).history_["objective"][0]  # and compiled
    model = type(model)(**{**model.get_params(), "on_unconverged": "ignore", "max_time": 60.0})
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    armed: list[bool] = []

    def arm(row: dict[str, float], w: Any) -> None:
        if not armed:  # validation is over
            armed.append(True)
            timer.start()

    with contextlib.suppress(KeyboardInterrupt), observe(arm):  # a fit that has ended before
        model.fit(X, y > 0.0)
        timer.join()
    certificate = model.certificate_
    assert certificate.status in (Status.INTERRUPTED, Status.STALLED)
    assert np.isfinite(model.coef_).all()
    if certificate.status is Status.INTERRUPTED:
        assert certificate.primal <= null * (1.0 + 1e-9)
        assert certificate.primal <= min(model.history_["objective"]) * (1.0 + 1e-9)


def test_a_time_limit_inside_a_thread() -> None:
    X, y = rows(20_000)
    began = time.perf_counter()
    model = LinearClassifier("logistic", solver="gradient_descent", tol=0.0, max_iter=None, max_time=0.05)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(model.set_params(on_unconverged="ignore").fit, X, y > 0.0).result(timeout=60)
    assert model.certificate_.status in (Status.BUDGET, Status.STALLED)
    assert model.fit_record_.seconds["total"] <= time.perf_counter() - began
