"""The input on which other tools failed, through every solver that takes it.

`estimators/test_failures.py` has each case once, through the estimator's own choice.  Here a solver may end early
and say so; it may not crash, return what is not finite, or claim what another solver refutes.

=====================================================  =============================================================
failure elsewhere (sk: scikit-learn)                   test; names without a file are in this one
=====================================================  =============================================================
two rows of 1e24, no penalty (sk 25462)                CASES, estimators: two_rows_of_1e24_without_penalty
log link and a column of thousands (sk 27016)          CASES, estimators: the_log_link_with_a_column_of_thousands
margins of +-1000 (benchopt)                           CASES, estimators: margins_of_thousands
intercept_scaling=1e78 hangs (sk 31248)                estimators: a_huge_intercept_scaling_is_no_matter
l1 path to next to no penalty, by seed (sk 18264)      CASES, estimators: an_l1_path_to_no_penalty
partial_fit after unpickling does nothing (sk 19626)   estimators/test_sgd_partial.py
partial_fit, string labels, a class that comes late    estimators/test_sgd_partial.py
(sk 6994)
crash at max_iter on n-grams (sk 26331)                a_budget_on_character_ngrams
int64 indices (sk 9545)                                CASES, estimators: indices_of_64_bits
4.8e9 stored entries, mixed index types (sk 21067)     index_types_may_differ, more_than_fits_in_memory
one-hot data, unscaled (sk 11067)                      one_hot_census_data_as_they_are, estimators: unscaled_one_hot
columns of different scale and offset (sk 15583)       CASES, estimators: columns_of_very_different_scale_and_offset
noise features, tiny tol (sk 18074)                    CASES, estimators: many_noise_features_and_a_tiny_tol
large weights, weak penalty (sk 31536)                 estimators: large_weights_and_a_weak_penalty
the three above, of saga (sk 11067, 15583, 31536)      solvers/test_variance_scales.py
weights against repeated rows (sk 16298, 30056)        weights_are_repetitions, estimators/test_weights.py
dense against sparse counts (sk 25198)                 CASES, estimators: sparse_counts_are_as_good_as_dense_ones
read-only data, joblib (sk 25165)                      CASES, estimators: read_only_data_in_worker_processes
crash of worker processes (sk 12498)                   threads_inside_worker_processes, test_threads.py
Ctrl-C ignored, half-updated weights (sk 9136)         test_threads.py
one class (glum 874)                                   estimators: one_class_is_an_error_that_names_it
uncentred features (spark 31657)                       CASES, estimators: features_far_from_zero_have_the_right_...
p much larger than n (glum 709)                        CASES, estimators: ten_thousand_columns_and_few_rows
feature weights, warm start (celer 174)                weighted_features_from_a_warm_start
gap of a subproblem taken for the whole (celer 248)    no_round_claims_more_than_is_true
warning where the gap is zero (sk 13394)               CASES, estimators: no_warning_where_the_gap_is_zero
three classes to a binary loss (dask-ml 859)           three_classes_are_three_classes
many classes, out of memory (sk 16381)                 many_classes_are_predicted_in_pieces
memory grows with fits (sk 28993)                      fitting_again_and_again_keeps_nothing
clone of a model with a lock (skorch 701)              a_callback_that_holds_a_lock_survives_clone
float32 warnings (sk 34191)                            CASES, estimators: float32_without_warnings
index 0 in a format that counts from 1 (liblinear 51)  readers/test_libsvm.py, cli/test_fit.py
line search ends by rounding (sk 23314)                estimators: rounding_at_the_optimum_is_no_failure
MLP explodes with early stopping (sk 29504)            estimators/test_network.py: a_training_that_explodes
batch norm without gradients (backpack 239)            estimators/test_network_hostile_control.py
memory, late labels, Ctrl-C, joblib, of networks       estimators/test_network_hostile_control.py
=====================================================  =============================================================
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_iris

import steepest
from steepest.exceptions import IncompatibleError
from steepest.protocols import Status

pytestmark = pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")

BATCH = ("gradient_descent", "lbfgs", "bfgs", "newton-cholesky", "newton-cg")
PROXIMAL = ("coordinate", "fista", "proximal_gradient")
SOLVERS = ("auto", *BATCH, "closed_form", *PROXIMAL, "augmented_lagrangian", "dual_coordinate")


def logistic(**options: Any) -> Any:
    return steepest.LinearClassifier("logistic", **{"alpha": 1e-3, **options})


def binary(n: int, d: int, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d))
    return rng, X, (X @ rng.normal(size=d) + rng.normal(size=n) > 0).astype(int)


def two_rows() -> Any:
    return logistic(penalty="none"), [[-1e24], [1e24]], [0, 1]


def log_link() -> Any:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), rng.uniform(0, 3e3, 300)])
    return steepest.LinearRegressor("poisson", alpha=1e-6), X, rng.poisson(np.exp(0.5 * X[:, 0] + 1e-3 * X[:, 1]))


def margins() -> Any:
    return logistic(alpha=1e-8), [[-1000.0], [-900.0], [900.0], [1000.0]], [0, 0, 1, 1]


def iris(alpha: float) -> Callable[[], Any]:
    def case() -> Any:
        X, y = load_iris(return_X_y=True)
        X, y = X[y != 2], y[y != 2]
        return logistic(penalty="l1", alpha=alpha), (X - X.mean(0)) / X.std(0), y

    return case


def offset() -> Any:
    _, X, y = binary(200, 5)
    X[:, 1] += 1e4
    X[:, 0] *= 1e4
    return logistic(), X, y


def noise() -> Any:
    rng = np.random.default_rng(0)
    return logistic(tol=1e-9), rng.normal(size=(60, 400)), rng.integers(0, 2, 60)


def counts(make: Any) -> Callable[[], Any]:
    def case() -> Any:
        rng = np.random.default_rng(0)
        return (
            logistic(penalty="l1", alpha=0.01),
            make(rng.poisson(0.1, (100, 300)).astype(float)),
            rng.integers(0, 2, 100),
        )

    return case


def wide_indices() -> Any:
    rng, _, y = binary(100, 2)
    X = sp.random_array((100, 200), density=0.05, rng=rng, format="csr")
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return logistic(fit_intercept=False), X, y


def read_only() -> Any:
    _, X, y = binary(100, 4)
    X.flags.writeable = y.flags.writeable = False
    return logistic(), X, y


def constant() -> Any:
    return steepest.LinearRegressor("squared", penalty="l2"), binary(30, 3)[1], np.full(30, 3.0)


def zero() -> Any:
    return steepest.LinearRegressor("squared", penalty="l1", alpha=1.0), binary(30, 3)[1], np.zeros(30)


def few_rows() -> Any:
    rng = np.random.default_rng(0)
    return (
        steepest.LinearRegressor("squared", penalty="l2", alpha=0.1),
        rng.normal(size=(30, 3000)),
        rng.normal(size=30),
    )


def single() -> Any:
    _, X, y = binary(100, 4)
    return steepest.LinearRegressor("squared", penalty="l2"), X.astype(np.float32), y.astype(np.float32)


def kinks() -> Any:
    _, X, y = binary(100, 4)
    return steepest.LinearClassifier("hinge", alpha=1e-2), X + 1e3, y


CASES: dict[str, Callable[[], Any]] = {
    "two rows of 1e24": two_rows,
    "log link": log_link,
    "margins of thousands": margins,
    "l1, some penalty": iris(1e-2),
    "l1, next to none": iris(1e-8),
    "scale and offset": offset,
    "noise features": noise,
    "counts, dense": counts(np.asarray),
    "counts, csr": counts(sp.csr_array),
    "counts, bsr": counts(sp.bsr_array),
    "64-bit indices": wide_indices,
    "read-only": read_only,
    "constant target": constant,
    "target of zeros": zero,
    "few rows": few_rows,
    "float32": single,
    "kinks far from zero": kinks,
}
TAKES = {
    "two rows of 1e24": BATCH,
    "log link": BATCH,
    "margins of thousands": BATCH,
    "l1, some penalty": PROXIMAL,
    "l1, next to none": PROXIMAL,
    "scale and offset": BATCH,
    "noise features": BATCH,
    "counts, dense": PROXIMAL,
    "counts, csr": PROXIMAL,
    "counts, bsr": PROXIMAL,
    "64-bit indices": (*BATCH, "dual_coordinate"),
    "read-only": BATCH,
    "constant target": (*BATCH, "closed_form"),
    "target of zeros": PROXIMAL,
    "few rows": ("lbfgs", "newton-cg", "closed_form"),
    "float32": (*BATCH, "closed_form"),
    "kinks far from zero": ("augmented_lagrangian",),
}


@pytest.mark.parametrize("name", CASES)
def test_every_solver_ends_well_and_none_refutes_another(name: str) -> None:
    ended: dict[str, Any] = {}
    for solver in SOLVERS:
        model, X, y = CASES[name]()
        try:
            model.set_params(solver=solver, max_time=1.0).fit(X, y)
        except IncompatibleError:  # which of them must not is in TAKES
            continue
        assert np.isfinite(model.coef_).all(), solver
        assert np.isfinite(model.intercept_).all(), solver
        assert np.isfinite(model.predict(X)).all(), solver
        certificate = ended[solver] = model.certificate_
        if not certificate.passed:
            assert certificate.reason, solver
            assert certificate.status is not Status.CERTIFIED, solver
    assert {"auto", *TAKES[name]} <= set(ended)
    if name == "two rows of 1e24":
        assert not any(c.passed for c in ended.values())  # there is no minimiser
        return
    assert ended["auto"].passed or name == "l1, next to none"
    least = min(c.primal for c in ended.values())
    for solver, certificate in ended.items():
        if certificate.bounds == "suboptimality":
            assert certificate.primal - certificate.value <= least + 1e-14 * abs(least), solver
        if certificate.passed:
            assert certificate.primal <= least + 2.0 * certificate.tol * abs(least) + 1e-14, solver


@pytest.mark.parametrize("solver", ["auto", *BATCH])
def test_weights_are_repetitions(solver: str) -> None:
    rng, X, y = binary(60, 4)
    s = rng.integers(0, 3, 60)
    options = {"alpha": 0.05, "tol": 1e-9, "solver": solver, "on_unconverged": "raise"}
    weighted = logistic(**options).fit(X, y, s.astype(float))
    repeated = logistic(**options).fit(np.repeat(X, s, axis=0), np.repeat(y, s))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-3, atol=1e-4)
    assert weighted.certificate_.primal == pytest.approx(repeated.certificate_.primal, rel=2e-9)


def test_three_classes_are_three_classes() -> None:
    """A loss of one score takes them one against the rest, and never the third for the second."""
    X, y = load_iris(return_X_y=True)
    model = logistic(alpha=1e-4).fit(X, y)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert model.score(X, y) > 0.9


def test_many_classes_are_predicted_in_pieces() -> None:
    import tracemalloc

    rng = np.random.default_rng(0)
    k, d = 300, 5
    X, y = rng.normal(size=(2 * k, d)), np.arange(2 * k) % k
    model = steepest.LinearClassifier("softmax", alpha=1.0, tol=1e-2).fit(X, y)
    rows = rng.normal(size=(60_000, d))
    model.predict(rows[:10])
    tracemalloc.start()
    labels = model.predict(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(labels) == 60_000
    assert peak < 60_000 * k * 8 / 2  # the scores of all rows at once would take 144 MB


def test_fitting_again_and_again_keeps_nothing() -> None:
    import gc
    import weakref

    _, X, y = binary(50, 3)
    kept = []
    gc.disable()  # a cycle would live until the collector finds it
    try:
        for _ in range(3):
            data = np.array(X)
            kept.append(weakref.ref(data))
            model = steepest.LogisticRegression().fit(data, y)
            del model, data
        assert [alive() for alive in kept] == [None] * 3
    finally:
        gc.enable()


def test_a_callback_that_holds_a_lock_survives_clone() -> None:
    class Logger:
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __call__(self, *_: Any) -> None:
            with self.lock:
                pass

    _, X, y = binary(50, 3)
    model = logistic().fit(X, y)
    model.logger_ = Logger()  # an attribute of a fitted model, not a parameter
    again = clone(model)
    assert not hasattr(again, "logger_")
    np.testing.assert_array_equal(again.fit(X, y).coef_, model.coef_)


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA does not name a folder of data sets")
def test_one_hot_census_data_as_they_are() -> None:
    """Numbers up to 1.5 million beside zeros and ones: methods that depend on scale end at an accuracy of 0.79."""
    file = Path(os.environ["STEEPEST_DATA"]) / "adult.data.gz"
    if not file.exists():
        pytest.skip(f"{file} does not exist")
    table = pd.read_csv(file, header=None, skipinitialspace=True).dropna()
    X = pd.get_dummies(table.iloc[:, :-1], dtype=float).to_numpy()
    assert X.max() > 1e6
    model = steepest.LogisticRegression(max_time=60.0, on_unconverged="raise").fit(X, table.iloc[:, -1])
    assert model.score(X, table.iloc[:, -1]) > 0.85


@pytest.mark.parametrize(
    ("loss", "solver"),
    [(loss, solver) for loss in ("hinge", "squared_hinge", "logistic") for solver in ("auto", "dual_coordinate")]
    + [("hinge", "augmented_lagrangian"), ("squared_hinge", "lbfgs"), ("logistic", "lbfgs")],
)
def test_a_budget_on_character_ngrams(loss: str, solver: str) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(80)]
    y = rng.integers(0, 2, 200)
    texts = [" ".join(rng.choice(words[label * 30 : label * 30 + 50], 12)) for label in y]
    X = TfidfVectorizer(analyzer="char", ngram_range=(1, 5)).fit_transform(texts)
    assert X.shape[1] > 2000
    for rounds in (1, 2, 1000):
        model = steepest.LinearClassifier(loss, alpha=1e-6, solver=solver, max_iter=rounds, max_time=2.0)
        model.set_params(fit_intercept=solver != "dual_coordinate").fit(X, y)
        certificate = model.certificate_
        assert np.isfinite(model.coef_).all()
        assert certificate.passed or certificate.status in (Status.BUDGET, Status.STALLED, Status.APPROXIMATE)
        if certificate.status is Status.BUDGET:
            assert "max_iter" in certificate.reason or "max_time" in certificate.reason


@pytest.mark.parametrize("types", [("int32", "int64"), ("int64", "int32"), ("int64", "int64")])
def test_index_types_may_differ(types: tuple[str, str]) -> None:
    """Above 2^31 stored entries SciPy widens ``indptr``, alone or with ``indices``.

    So many entries need 8 GiB and more, so the types are what is tested; kernels take both as 64 bits unsigned, and
    have no other arithmetic with them.
    """
    rng, _, y = binary(100, 2)
    X = sp.random_array((100, 200), density=0.05, rng=rng, format="csr")
    wide = X.copy()
    wide.indices, wide.indptr = X.indices.astype(types[0]), X.indptr.astype(types[1])
    for model in (
        logistic(),
        logistic(penalty="l1"),
        steepest.LinearClassifier("softmax", alpha=1e-3),
        steepest.LinearClassifier("hinge", alpha=1e-2, solver="dual_coordinate", fit_intercept=False),
        steepest.Ridge(),
    ):
        one, other = clone(model).fit(X, y), clone(model).fit(wide, y)
        np.testing.assert_array_equal(one.coef_, other.coef_)
        np.testing.assert_array_equal(one.predict(wide), other.predict(X))


def test_more_than_fits_in_memory_is_an_error() -> None:
    d = 2**46  # beyond the addresses of a process, however memory is promised
    X = sp.csr_array((np.ones(3), np.array([0, 5, d - 1]), np.arange(4)), shape=(3, d))
    for model in (logistic(), logistic(penalty="l1"), steepest.Ridge(), steepest.Lasso()):
        with pytest.raises(MemoryError, match="Unable to allocate"):
            model.fit(X, [0, 1, 1])
        assert not hasattr(model, "coef_")


def test_threads_inside_worker_processes() -> None:
    from joblib import Parallel, delayed

    _, X, y = binary(30_000, 8)
    expected = steepest.LogisticRegression().fit(X, y).coef_
    found = Parallel(n_jobs=2, backend="loky")(
        delayed(steepest.LogisticRegression(n_jobs=2).fit)(X, y) for _ in range(3)
    )
    for model in found:
        np.testing.assert_array_equal(model.coef_, expected)
        assert model.certificate_.passed


def correlated(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 800)) + 0.3 * rng.normal(size=(60, 800))
    return X, X[:, :10] @ rng.normal(size=10) + rng.normal(size=60)


@pytest.mark.parametrize("solver", PROXIMAL)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_round_claims_more_than_is_true(solver: str, seed: int) -> None:
    """Most columns are outside a working set; the gap of every round is that of all of them."""
    X, y = correlated(seed)
    least = steepest.Lasso(0.2, fit_intercept=False, tol=1e-10, on_unconverged="raise").fit(X, y).certificate_.dual
    model = steepest.LinearRegressor(
        "squared", penalty="l1", alpha=0.2, fit_intercept=False, solver=solver, tol=1e-6, max_time=20.0
    ).fit(X, y)
    history = model.history_
    assert len(history) > 1
    known = np.isfinite(history["gap"])
    assert known.any()
    assert (history["objective"] - history["gap"] <= least * (1.0 + 1e-9))[known].all()
    residual = y - X @ model.coef_
    scale = min(1.0, 0.2 / np.abs(X.T @ residual / 60).max())
    dual = (y @ y - (y - scale * residual) @ (y - scale * residual)) / 120
    value = residual @ residual / 120 + 0.2 * np.abs(model.coef_).sum()
    assert model.certificate_.primal == pytest.approx(value, rel=1e-12)
    assert model.certificate_.value >= (value - dual) * (1.0 - 1e-9) - 1e-12


@pytest.mark.parametrize("solver", ["auto", "coordinate"])
def test_weighted_features_from_a_warm_start(solver: str) -> None:
    """Weights of features are scales of columns; a start with features that must leave, and one that must come."""
    X, y = correlated(2)
    weights = np.random.default_rng(0).uniform(0.05, 20.0, X.shape[1])
    model = steepest.LinearRegressor(
        "squared", penalty="l1", alpha=0.2, solver=solver, warm_start=True, tol=1e-7, on_unconverged="raise"
    ).fit(X, y)
    for scaled in (X / weights, X * weights, X / weights[::-1]):
        warm = model.fit(scaled, y).certificate_
        cold = clone(model).set_params(warm_start=False).fit(scaled, y).certificate_
        assert warm.primal == pytest.approx(cold.primal, rel=2e-7)
