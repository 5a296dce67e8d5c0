"""Margins between classes on odd data, odd costs and odd budgets: what is claimed is recomputed here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from tests.support.multiclass_margin import reference

from steepest import LinearClassifier, LinearSVC, observe
from steepest.certify.gap import duality_gap
from steepest.certify.proposal import gap_of_proposal, scored
from steepest.data.source import as_source
from steepest.exceptions import DataError, IncompatibleError, InvalidParameterError, NotConvergedError
from steepest.losses import CrammerSinger, WestonWatkins
from steepest.penalties import get_penalty
from steepest.problems.multiclass import MulticlassProblem
from steepest.protocols import Status

pytestmark = pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")
KINDS = ("crammer_singer", "weston_watkins")


def classes(n: int = 60, d: int = 4, k: int = 3, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=(d, k)) + rng.normal(size=(n, k))).argmax(axis=1)


def changed(change: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[], tuple[Any, Any]]:
    return lambda: change(*classes())


def wide_indices(X: Any, y: Any) -> tuple[Any, Any]:
    A = sp.csr_array(X)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A, y


def repeated(X: Any, y: Any) -> tuple[Any, Any]:
    """Each entry as two halves, columns from the last to the first."""
    n, d = X.shape
    columns = np.tile(np.repeat(np.arange(d)[::-1], 2), n)
    return sp.csr_array((np.repeat(0.5 * X[:, ::-1].ravel(), 2), columns, np.arange(n + 1) * 2 * d), shape=(n, d)), y


def read_only(X: Any, y: Any) -> tuple[Any, Any]:
    X.flags.writeable = y.flags.writeable = False
    return X, y


def zero_rows(X: Any, y: Any) -> tuple[Any, Any]:
    X[::2] = 0.0
    return X, y


# data on which the solver must reach the tolerance, and data on which it may end without
CERTIFIED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "strided": changed(lambda X, y: (np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], y)),
    "fortran, float32": changed(lambda X, y: (np.asfortranarray(X, dtype=np.float32), y)),
    "integers": changed(lambda X, y: ((3.0 * X).astype(np.int16), y)),
    "booleans": changed(lambda X, y: (X > 0.0, y)),
    "read-only": changed(read_only),
    "bsr": changed(lambda X, y: (sp.bsr_array(X), y)),
    "64-bit indices": changed(wide_indices),
    "repeated entries, unsorted": changed(repeated),
    "explicit zeros": changed(lambda X, y: (sp.csr_array((np.where(X > 0, X, 0.0).ravel(), *dense_pattern(X))), y)),
    "zero matrix": changed(lambda X, y: (0.0 * X, y)),
    "empty sparse": changed(lambda X, y: (sp.csr_array(X.shape), y)),
    "rows of zeros": changed(zero_rows),
    "constant columns": changed(lambda X, y: (np.column_stack([X, X[:, 0], np.ones(len(y)), np.zeros(len(y))]), y)),
    "each row in two classes": changed(lambda X, y: (np.vstack([X, X]), np.concatenate([y, (y + 1) % 3]))),
    "two classes": changed(lambda X, y: (X, y > 0)),
    "negative labels": changed(lambda X, y: (X, np.array([-7, 0, 3])[y])),
    "strings": changed(lambda X, y: (X, np.array(["b", "aa", "c"], dtype=object)[y])),
    "as many classes as rows": lambda: (classes(12)[0], np.arange(12)),
    "more columns than rows": lambda: (np.random.default_rng(0).normal(size=(30, 300)), np.arange(30) % 3),
    "counts, not centred": lambda: counts(3),
    "counts, not centred, others": lambda: counts(4),
    "tiny": changed(lambda X, y: (1e-24 * X, y)),
}
LIMITS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "two rows of 1e24": lambda: (np.array([[-1e24], [1e24]]), np.array([0, 1])),
    "1e24": changed(lambda X, y: (1e24 * X, y)),
    "squares overflow": changed(lambda X, y: (1e160 * X, y)),
    "1e300": changed(lambda X, y: (1e300 * X, y)),
    "columns apart": changed(lambda X, y: (X * np.array([1e-12, 1e-4, 1e4, 1e12]), y)),
    "offset": changed(lambda X, y: (X + 1e8, y)),
}


def dense_pattern(X: Any) -> tuple[Any, Any]:
    n, d = X.shape
    return np.tile(np.arange(d), n), np.arange(n + 1) * d


def counts(seed: int) -> tuple[Any, Any]:
    """Numbers from 0 to 30, an unpenalised intercept, few rows: the bound rises for long while P does not fall."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5))
    y = (X @ rng.normal(size=(5, 3)) + rng.normal(size=(60, 3))).argmax(axis=1)
    return (np.abs(np.where(rng.random((60, 5)) < 0.5, 0.0, X)) * 10.0).astype(np.uint8), y


def objective(model: Any, X: Any, y: Any, s: Any = None) -> float:
    """The objective of LinearSVC, computed here; for two classes the weights are halves of the difference."""
    X = np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)
    s = np.ones(len(y)) if s is None else s
    code, rows = np.searchsorted(model.classes_, np.asarray(y)), np.arange(len(y))
    W, b = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        W, b = np.vstack([-0.5 * W, 0.5 * W]), np.concatenate([-0.5 * b, 0.5 * b])
    Z, k = X @ W.T + b, len(b)
    costs = 1.0 - np.eye(k) if model.costs is None else np.asarray(model.costs, dtype=np.float64)
    behind = costs[code] + (Z - Z[rows, code][:, None])
    behind[rows, code] = 0.0
    loss = behind.max(axis=1) if model.multi_class == "crammer_singer" else np.maximum(behind, 0.0).sum(axis=1)
    return float(s @ loss / s.sum() + 0.5 * (W * W).sum() / (model.C * s.sum()))


def honest(model: Any, X: Any, y: Any, s: Any = None) -> None:
    """Finite results, the objective as it is, and zero (or any other point) not below the bound."""
    certificate = model.certificate_
    for name in ("coef_", "intercept_", "dual_coef_", "slacks_"):
        assert np.isfinite(getattr(model, name)).all(), name
    reached = objective(model, X, y, s)
    assert certificate.primal == pytest.approx(reached, rel=1e-7, abs=1e-9)
    assert certificate.passed == (certificate.status is Status.CERTIFIED)
    zero = clone(model)
    zero.classes_, zero.coef_, zero.intercept_ = model.classes_, 0.0 * model.coef_, 0.0 * model.intercept_
    assert certificate.dual <= min(reached, objective(zero, X, y, s)) * (1.0 + 1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CERTIFIED)
def test_data_of_any_form_is_certified(name: str, kind: str) -> None:
    X, y = CERTIFIED[name]()
    model = LinearSVC(multi_class=kind).fit(X, y)
    honest(model, X, y)
    assert model.certificate_.passed, model.certificate_.reason
    assert set(model.predict(X).tolist()) <= set(model.classes_.tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", LIMITS)
def test_at_the_limits_of_numbers_nothing_is_claimed_that_is_not_so(name: str, kind: str) -> None:
    X, y = LIMITS[name]()
    with np.errstate(all="ignore"):
        honest(LinearSVC(multi_class=kind, max_time=0.5).fit(X, y), X, y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("C", [1e-300, 1e-12, 1e12, 1e300])
def test_strengths_from_nothing_to_all(C: float, kind: str) -> None:
    X, y = classes()
    model = LinearSVC(multi_class=kind, C=C, max_time=0.5).fit(X, y)
    honest(model, X, y)
    assert model.certificate_.passed or C > 1.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["apart", "zeros", "a class without weight", "huge", "tiny"])
def test_odd_weights(weights: str, kind: str) -> None:
    X, y = classes()
    s = {
        "apart": 10.0 ** np.random.default_rng(0).uniform(-6, 6, len(y)),
        "zeros": (np.arange(len(y)) % 3 > 0).astype(float),
        "a class without weight": (y != 1).astype(float),
        "huge": np.full(len(y), 1e12),
        "tiny": np.full(len(y), 1e-12),
    }[weights]
    model = LinearSVC(multi_class=kind, max_time=0.5).fit(X, y, sample_weight=s)
    kept = s > 0.0
    honest(model, X[kept], y[kept], s[kept])
    if weights in ("zeros", "a class without weight"):
        other = LinearSVC(multi_class=kind).fit(X[kept], y[kept])
        assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=2e-4)


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([[0, 1], [1]], "expected an array of numbers"),
        ([[0, "a", 1]] * 3, "expected an array of numbers"),
        ({"a": 1}, "expected an array of numbers"),
        (3, "square matrix"),
        (np.ones((3, 3)), "0 on the diagonal"),
        (-1.0 + np.eye(3), "not negative"),
        (np.where(np.eye(3) > 0, 0.0, np.nan), "finite"),
        (np.zeros((2, 2)), r"expected a \(3, 3\) matrix"),
    ],
)
def test_costs_that_are_none_are_named_and_leave_the_model_as_it_was(costs: Any, said: str) -> None:
    X, y = classes()
    model = LinearSVC(multi_class="crammer_singer").fit(X, y)
    before = model.coef_
    with pytest.raises((InvalidParameterError, DataError), match=said):
        model.set_params(costs=costs).fit(X, y)
    assert model.coef_ is before
    with pytest.raises(IncompatibleError, match="costs"):
        LinearSVC(multi_class="weston_watkins", costs=costs).fit(X, y)


@pytest.mark.parametrize(
    "costs",
    [
        [[0, 1, 2], [3, 0, 1], [1, 1, 0]],
        ~np.eye(3, dtype=bool),
        np.zeros((3, 3)),
        [[0, 0, 0], [1, 0, 1], [1, 1, 0]],
        1e200 * (1.0 - np.eye(3)),
    ],
)
def test_costs_of_any_kind(costs: Any) -> None:
    X, y = classes()
    model = LinearSVC(multi_class="crammer_singer", costs=costs).fit(X, y)
    honest(model, X, y)
    assert model.certificate_.passed, model.certificate_.reason


def test_many_classes_of_few_rows_end_in_time() -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(220, 10)), np.concatenate([np.arange(200), rng.integers(0, 200, 20)])
    for kind in KINDS:
        model = LinearSVC(multi_class=kind, max_iter=3).fit(X, y)
        honest(model, X, y)
        assert model.coef_.shape == (200, 10)


@pytest.mark.parametrize("kind", KINDS)
def test_budgets_errors_and_warm_starts(kind: str) -> None:
    X, y = classes()
    for options in ({"max_iter": 1}, {"max_time": 1e-9}, {"tol": 0.0, "max_iter": 30}, {"tol": 1e6}):
        honest(LinearSVC(multi_class=kind, **options).fit(X, y), X, y)
    model = LinearSVC(multi_class=kind, tol=1e-12, max_iter=1, on_unconverged="raise")
    with pytest.raises(NotConvergedError) as caught:
        model.fit(X, y)
    assert caught.value.certificate is not None
    model = LinearSVC(multi_class=kind, warm_start=True).fit(X, y)
    for A, labels in ((X[:, :2], y), (X, np.arange(len(y)) % 5), (X, y % 2), (X, y)):
        honest(model.fit(A, labels), A, labels)
        assert model.certificate_.passed
    before = dict(vars(model))
    for bad, options in ((X[:5], {}), (X * np.nan, {}), (X, {"sample_weight": np.zeros(len(y))})):
        with pytest.raises(ValueError, match=r"X|sample|y"):
            model.fit(bad, y, **options)
        assert all(vars(model)[name] is value for name, value in before.items())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bits_again_and_on_threads(kind: str) -> None:
    X, y = classes(3000, 20, 4)
    first = LinearSVC(multi_class=kind).fit(X, y)
    for options in ({}, {"n_jobs": 2}):
        again = LinearSVC(multi_class=kind, **options).fit(X, y)
        np.testing.assert_array_equal(first.coef_, again.coef_)
        assert first.certificate_.dual == again.certificate_.dual


@pytest.mark.parametrize("model", [LinearSVC(multi_class=kind) for kind in KINDS] + [LinearClassifier(loss=KINDS[0])])
def test_an_interrupt_keeps_the_best_iterate(model: Any) -> None:
    X, y = classes(400, 6)

    def interrupt(row: Any, w: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        if row["iteration"] >= 2:
            raise KeyboardInterrupt

    with observe(interrupt):
        model.set_params(tol=1e-14).fit(X, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert np.isfinite(model.coef_).all()
    model.set_params(tol=1e-4).fit(X, y)
    assert model.certificate_.passed


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "costs"])
@pytest.mark.parametrize("seed", range(8))
def test_no_dual_point_proves_more_than_the_exact_optimum(seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(2, 14)), int(rng.integers(1, 4)), int(rng.integers(2, 6))
    X, y = rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-1, 1), rng.integers(0, k, n).astype(np.int64)
    if seed % 4 == 3:
        y[:] = y[0]  # only u = 0 is balanced
    p = np.where(rng.random(n) < 0.2, 0.0, 10.0 ** rng.uniform(-3, 0, n))
    p[0] = 1.0
    p /= p.sum()
    costs = None
    loss: Any = WestonWatkins() if kind == "weston_watkins" else CrammerSinger()
    if kind == "costs":
        costs = rng.choice([0.0, 0.5, 1.0, 7.0], (k, k)) * (1.0 - np.eye(k))
        loss = CrammerSinger(costs)
    alpha = float(10.0 ** rng.uniform(-3, 1))
    name = "weston_watkins" if kind == "weston_watkins" else "crammer_singer"
    for penalty in ("l2", "l1"):
        exact = reference(X, y, p, k, name, costs, alpha, penalty, True)
        own = MulticlassProblem(as_source(X), y, p, loss, get_penalty(penalty, alpha), True, k)
        most = exact.value * (1.0 + 1e-9) + 1e-9
        for size in (0.0, 1e-12, 1e-6, 0.1, 1.0, 1e3, 1e12):
            for trial in range(6):
                u = exact.u + size * rng.normal(size=exact.u.shape)
                if trial == 1:
                    u = size * rng.choice([-1.0, 0.0, 1.0], exact.u.shape)  # corners, and beyond them
                if trial == 2:
                    u[rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf])
                if trial == 3:
                    u[:, rng.integers(k)] += size  # one class takes it all
                w = (exact.w if trial != 4 else 0.0 * exact.w) + min(size, 1e3) * rng.normal(size=exact.w.shape)
                at = scored(own, w)
                for gap in (gap_of_proposal(own, at, u), duality_gap(own, own.evaluate(w))):
                    if gap is not None:
                        assert at.value - gap.value <= most + 1e-12 * abs(at.value)
