"""What steers a fit from outside: limits, interrupts, warm starts, warnings, progress; observing changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.exceptions

import steepest
from steepest.estimators.warnings import ConvergenceWarning
from steepest.exceptions import NotConvergedError
from steepest.protocols import Status
from steepest.record.observers import observe


@pytest.fixture
def hard(class_data: Any) -> Any:
    """Data on which gradient descent takes many thousand rounds."""
    X, y = class_data()
    return X * [1.0, 30.0, 1e3, 3e4], y


def slow(**parameters: Any) -> Any:
    """A fit of many rounds."""
    return steepest.LogisticRegression(solver="gradient_descent", tol=1e-14, max_iter=None, C=1e4, **parameters)


def test_observing_changes_nothing(class_data: Any) -> None:
    X, y = class_data(n=200, k=3)
    plain = steepest.LogisticRegression().fit(X, y)
    rows: list[dict[str, float]] = []

    def watch(row: dict[str, float], w: Any) -> None:
        rows.append(row)
        with pytest.raises(ValueError, match="read-only"):
            w[0] = 1.0

    with observe(watch):
        seen = steepest.LogisticRegression().fit(X, y)
    np.testing.assert_array_equal(plain.coef_, seen.coef_)
    assert [row["objective"] for row in rows] == seen.history_["objective"].tolist()


def test_results_do_not_depend_on_n_jobs() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 30))
    y = rng.random(20_000) < 1.0 / (1.0 + np.exp(-X[:, 0]))
    one, two, every = (steepest.LogisticRegression(n_jobs=jobs).fit(X, y) for jobs in (1, 2, -1))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(one.coef_, every.coef_)


def test_max_iter(hard: Any) -> None:
    X, y = hard
    with pytest.warns(ConvergenceWarning) as caught:
        model = slow().set_params(max_iter=3).fit(X, y)
    text = str(caught[0].message)
    assert model.certificate_.status is Status.BUDGET
    assert model.n_iter_[0] == 3
    assert "max_iter=3 reached" in text
    assert f"proven relative gap {model.certificate_.relative:.3g}, asked tol=1e-14" in text
    assert "warm_start" in text
    assert caught[0].filename == __file__
    assert issubclass(ConvergenceWarning, sklearn.exceptions.ConvergenceWarning)
    assert model.history_["objective"][-1] < model.history_["objective"][0]


def test_max_time(hard: Any) -> None:
    X, y = hard
    model = slow(max_time=0.05, on_unconverged="ignore").fit(X, y)
    assert model.certificate_.status is Status.BUDGET
    assert "max_time=0.05 s" in model.certificate_.reason
    assert model.history_["seconds"][-2] < 0.05


def test_max_time_is_for_the_whole_fit(class_data: Any) -> None:
    X, y = class_data(k=5)
    X = X * [1.0, 30.0, 1e3, 3e4]
    model = steepest.LinearClassifier(
        solver="gradient_descent", tol=1e-14, max_iter=None, max_time=0.05, on_unconverged="ignore"
    ).fit(X, y)
    assert model.certificate_.status is Status.BUDGET
    assert np.count_nonzero(model.n_iter_) <= 2  # the later classes had no time left
    assert np.isfinite(model.coef_).all()


def test_raise_carries_the_fitted_estimator(hard: Any) -> None:
    X, y = hard
    with pytest.raises(NotConvergedError, match="not certified") as caught:
        slow(on_unconverged="raise").set_params(max_iter=2).fit(X, y)
    assert caught.value.certificate.status is Status.BUDGET
    assert caught.value.estimator.predict(X).shape == y.shape


def test_a_certified_fit_is_silent(class_data: Any, capfd: Any) -> None:
    X, y = class_data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        steepest.LogisticRegression(on_unconverged="raise").fit(X, y)
    assert capfd.readouterr() == ("", "")


def test_an_observer_may_stop(hard: Any) -> None:
    X, y = hard
    with observe(lambda row, w: row["iteration"] >= 2), pytest.warns(ConvergenceWarning, match="interrupted"):
        model = slow().fit(X, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert model.n_iter_[0] == 2


@pytest.mark.parametrize("on_unconverged", ["warn", "raise"])
def test_an_interrupt_keeps_the_best_parameters(hard: Any, on_unconverged: str) -> None:
    X, y = hard
    best: list[float] = []

    def interrupt(row: dict[str, float], w: Any) -> None:
        best.append(row["objective"])
        if row["iteration"] >= 3:
            raise KeyboardInterrupt

    with observe(interrupt), pytest.warns(ConvergenceWarning, match="best parameters so far are kept"):
        model = slow(on_unconverged=on_unconverged).fit(X, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert model.certificate_.primal <= min(best) * (1 + 1e-12)
    assert model.score(X, y) > 0.5


def test_an_interrupt_ends_all_classes(class_data: Any) -> None:
    X, y = class_data(k=4)
    seen: list[float] = []

    def interrupt(row: dict[str, float], w: Any) -> None:
        seen.append(row["iteration"])
        if len(seen) == 3:
            raise KeyboardInterrupt

    with observe(interrupt):
        model = steepest.LinearClassifier(solver="gradient_descent", tol=1e-14, on_unconverged="ignore").fit(X, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert model.coef_.shape == (4, 4)
    np.testing.assert_array_equal(model.coef_[1:], 0.0)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
def test_a_signal_ends_the_fit(hard: Any) -> None:
    X, y = hard
    slow(max_time=0.05, on_unconverged="ignore").fit(X, y)  # compiled before the clock runs
    killer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    began = time.perf_counter()
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = slow(max_time=60.0).fit(X, y)
    killer.join()
    assert time.perf_counter() - began < 30.0  # it was no limit that ended it
    assert model.certificate_.status is Status.INTERRUPTED
    assert len(model.history_) > 3


@pytest.mark.parametrize(
    "model",
    [
        steepest.LogisticRegression(tol=1e-6),
        steepest.LogisticRegression(l1_ratio=1.0, tol=1e-6),
        steepest.Lasso(0.05, tol=1e-6),
        steepest.ElasticNet(0.05, tol=1e-6),
        steepest.LinearClassifier("squared_hinge", alpha=1e-2, tol=1e-6),
        steepest.LinearClassifier("softmax", alpha=1e-2, tol=1e-6),
        steepest.LinearRegressor("huber", alpha=1e-2, tol=1e-6),
    ],
    ids=lambda m: f"{type(m).__name__}-{getattr(m, 'loss', '')}",
)
@pytest.mark.parametrize("k", [2, 3])
def test_a_warm_start_at_the_optimum_returns_at_once(class_data: Any, model: Any, k: int) -> None:
    X, y = class_data(n=120, k=k)
    model = model.set_params(warm_start=True).fit(X, y)
    coef = model.coef_.copy()
    first = np.sum(model.n_iter_)
    model.set_params(tol=1e-5).fit(X, y)
    assert first >= 1
    assert np.sum(model.n_iter_) == 0
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-9, atol=1e-12)
    assert model.certificate_.passed
    # other shapes and labels begin anew
    model.fit(X[:, :2], y)
    assert model.coef_.shape[-1] == 2


def test_warm_starts_from_sparse_coefficients(class_data: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression(warm_start=True, tol=1e-6).fit(X, y).sparsify()
    assert model.set_params(tol=1e-5).fit(X, y).n_iter_[0] == 0


def test_progress_on_standard_error(hard: Any, capfd: Any) -> None:
    X, y = hard
    slow(verbose=1, on_unconverged="ignore").set_params(max_iter=5).fit(X, y)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("LogisticRegression: round 0  objective 0.693")
    assert "LogisticRegression: budget" in err.splitlines()[-1]
    assert all(character.isprintable() or character == "\n" for character in err)


def test_progress_gives_the_terminal_back_after_an_error(class_data: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from steepest.record import progress

    closed: list[bool] = []
    monkeypatch.setattr(progress.Progress, "close", lambda self: closed.append(True))

    def fail(row: dict[str, float], w: Any) -> None:
        raise RuntimeError("observer")

    X, y = class_data()
    with observe(fail), pytest.raises(RuntimeError, match="observer"):
        steepest.LogisticRegression(verbose=1).fit(X, y)
    assert closed


def test_imports_of_a_fit_are_few() -> None:
    code = """
import sys
from steepest import LogisticRegression
LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]).predict([[1.0]])
unwanted = "sklearn.linear_model sklearn.metrics sklearn.preprocessing rich matplotlib polars typer"
print(*[name for name in unwanted.split() if name in sys.modules], end="")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
