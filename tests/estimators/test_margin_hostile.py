"""Support vector machines on the input on which other tools failed: none crashes, hangs, or claims what is not so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris

from steepest import LinearSVC, LinearSVR
from steepest.protocols import Status

pytestmark = pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")


def labelled(n: int = 80, d: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=d) + rng.normal(size=n) > 0).astype(int)


def two_rows() -> tuple[Any, Any]:
    return np.array([[-1e24], [1e24]]), np.array([0, 1])


def far_margins() -> tuple[Any, Any]:
    return np.array([[-1000.0], [-900.0], [900.0], [1000.0]]), np.array([0, 0, 1, 1])


def scale_and_offset() -> tuple[Any, Any]:
    X, y = labelled()
    X[:, 1] += 1e4
    X[:, 0] *= 1e4
    return X, y


def unscaled_one_hot() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 8, 300)
    X = np.column_stack([np.eye(8)[groups], rng.uniform(0, 1e5, 300), rng.uniform(0, 90, 300)])
    return X, (rng.random(300) < 1 / (1 + np.exp(-(groups - 4 + 3e-5 * X[:, 8] - 1.5)))).astype(int)


def noise() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 400)), rng.integers(0, 2, 60)


def counts() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return sp.bsr_array(rng.poisson(0.1, (100, 300)).astype(float)), rng.integers(0, 2, 100)


def wide_indices() -> tuple[Any, Any]:
    X = sp.random_array((100, 200), density=0.05, rng=np.random.default_rng(0), format="csr")
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X, labelled(100, 2)[1]


def read_only() -> tuple[Any, Any]:
    X, y = labelled()
    X.flags.writeable = y.flags.writeable = False
    return X, y


def single() -> tuple[Any, Any]:
    X, y = labelled()
    return X.astype(np.float32), y


def contradictions() -> tuple[Any, Any]:
    X, y = labelled()
    return np.vstack([X, X]), np.concatenate([y, 1 - y])


def constant_columns() -> tuple[Any, Any]:
    X, y = labelled()
    return np.column_stack([X, X[:, 0], np.ones(len(y)), np.zeros(len(y))]), y


def one_of_a_kind() -> tuple[Any, Any]:
    X, y = labelled()
    return X, (np.arange(len(y)) == 7).astype(int)


def zero_rows() -> tuple[Any, Any]:
    X, y = labelled()
    X[::2] = 0.0
    return X, y


CASES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "two rows of 1e24": two_rows,
    "margins of thousands": far_margins,
    "scale and offset": scale_and_offset,
    "unscaled one-hot": unscaled_one_hot,
    "noise features": noise,
    "counts, bsr": counts,
    "64-bit indices": wide_indices,
    "read-only": read_only,
    "float32": single,
    "each row in both classes": contradictions,
    "constant columns": constant_columns,
    "one row of a class": one_of_a_kind,
    "rows of zeros": zero_rows,
}


def objective(model: Any, X: Any, y: Any) -> float:
    """The mean loss and its penalty, computed here, with an unpenalised intercept."""
    X = np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)
    z = X @ model.coef_[0] + model.intercept_[0]
    slack = np.maximum(0.0, 1.0 - np.where(y == 1, 1.0, -1.0) * z)
    w = model.coef_[0]
    loss = slack.mean() if model.loss == "hinge" else (slack**2).mean()
    return float(loss + (0.5 * w @ w if model.penalty == "l2" else np.abs(w).sum()) / (model.C * len(y)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    ("penalty", "loss", "solvers"),
    [
        ("l2", "hinge", ("auto", "margin_dual", "augmented_lagrangian")),
        ("l2", "squared_hinge", ("auto", "margin_dual", "newton-cg")),
        ("l1", "squared_hinge", ("auto", "fista")),
    ],
    ids=["hinge", "squared_hinge", "l1"],
)
def test_every_solver_ends_well_and_none_refutes_another(
    name: str, penalty: str, loss: str, solvers: tuple[str, ...]
) -> None:
    X, y = CASES[name]()
    ended = {}
    for solver in solvers:
        model = LinearSVC(penalty, loss, solver=solver, tol=1e-5, max_time=1.0).fit(X, y)
        assert np.isfinite(model.coef_).all(), solver
        assert np.isfinite(model.intercept_).all(), solver
        assert np.isfinite(model.dual_coef_).all(), solver
        reached, certificate = objective(model, X, y), model.certificate_
        assert certificate.primal == pytest.approx(reached, rel=1e-7, abs=1e-12), solver
        assert certificate.passed == (certificate.status is Status.CERTIFIED), solver
        ended[solver] = reached, certificate
    assert ended["auto"][1].passed, ended["auto"][1].reason
    least = min(reached for reached, _ in ended.values())
    for solver, (_, certificate) in ended.items():
        if certificate.bounds == "suboptimality":
            assert certificate.dual <= least + 1e-9 * abs(least), solver


@pytest.mark.parametrize("seed", [0, 6])
def test_an_l1_path_to_no_penalty(seed: int) -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y != 2], y[y != 2]
    X = (X - X.mean(0)) / X.std(0)
    model = LinearSVC("l1", "squared_hinge", warm_start=True, random_state=seed, max_time=2.0)
    before = np.inf
    for C in np.logspace(-2, 10, 9):
        model.set_params(C=C).fit(X, y)
        assert np.isfinite(model.coef_).all()
        loss = float((np.atleast_1d(model.slacks_) ** 2).mean())
        assert loss <= before + 1e-6
        before = loss
        if C < 1e5:
            assert model.certificate_.passed


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("value", [0.0, 3.0, 1e12])
def test_a_constant_target_of_a_regression(loss: str, value: float) -> None:
    X, _ = labelled()
    model = LinearSVR(loss=loss, on_unconverged="raise").fit(X, np.full(len(X), value))
    np.testing.assert_allclose(model.predict(X), value, rtol=1e-3, atol=1e-9)
    assert model.certificate_.passed


@pytest.mark.parametrize("weights", ["huge", "tiny", "apart", "zeros"])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_odd_weights(loss: str, weights: str) -> None:
    X, y = labelled()
    rng = np.random.default_rng(0)
    s = {
        "huge": np.full(len(y), 1e12),
        "tiny": np.full(len(y), 1e-12),
        "apart": 10.0 ** rng.uniform(-6, 6, len(y)),
        "zeros": (np.arange(len(y)) % 3 > 0).astype(float),
    }[weights]
    model = LinearSVC(loss=loss, C=1.0, tol=1e-5, max_time=5.0).fit(X, y, sample_weight=s)
    assert np.isfinite(model.coef_).all()
    assert model.certificate_.passed, model.certificate_.reason
    if weights == "zeros":
        kept = s > 0.0
        other = LinearSVC(loss=loss, C=1.0, tol=1e-5).fit(X[kept], y[kept])
        assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=3e-5)
