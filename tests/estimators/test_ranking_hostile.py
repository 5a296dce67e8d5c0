"""Ranking on odd data, queries, gains and budgets: what is claimed is recomputed here from listed pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from steepest import RankSVM, observe
from steepest.exceptions import DataError, NotConvergedError
from steepest.protocols import Status

pytestmark = pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")
LOSSES = ("hinge", "squared_hinge")


def graded(n: int = 60, d: int = 4, queries: int = 8) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    y = np.digitize(X @ rng.normal(size=d) + rng.normal(size=n), [-1.0, 1.0])
    return X, y, np.sort(rng.integers(0, queries, n))


def changed(change: Callable[[Any, Any, Any], tuple[Any, Any, Any]]) -> Callable[[], tuple[Any, Any, Any]]:
    return lambda: change(*graded())


def objective(X: Any, y: Any, q: Any, w: Any, model: RankSVM, s: Any = None) -> float:
    """P from a list of all pairs."""
    X = np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)
    y, q, z = np.asarray(y, dtype=np.float64), np.asarray(q), X @ w
    pairs = (q[:, None] == q[None]) & (y[:, None] > y[None])
    weights = pairs * (1.0 if s is None else s[:, None])
    if model.pair_weights == "difference":
        weights = weights * np.where(pairs, y[:, None] - y[None], 0.0)
    lacks = np.where(pairs, np.maximum(0.0, 1.0 - (z[:, None] - z[None])), 0.0)
    loss = lacks if model.loss == "hinge" else lacks * lacks
    alpha = model.alpha if model.C is None else 1.0 / (model.C * weights.sum())
    return float((weights / weights.sum() * loss).sum() + 0.5 * alpha * w @ w)


def honest(model: RankSVM, X: Any, y: Any, q: Any, s: Any = None) -> None:
    """Finite scores, the objective as it is, and no other point below the bound."""
    certificate = model.certificate_
    assert np.isfinite(model.coef_).all()
    assert certificate.primal == pytest.approx(objective(X, y, q, model.coef_, model, s), rel=1e-7)
    assert certificate.passed == (certificate.status is Status.CERTIFIED)
    for w in (0.0, 0.5, 0.9, 1.1):
        other = objective(X, y, q, w * model.coef_, model, s)
        assert not certificate.dual > other * (1.0 + 1e-9)


def wide_indices(X: Any, y: Any, q: Any) -> tuple[Any, Any, Any]:
    A = sp.csr_array(X)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A, y, q


def read_only(X: Any, y: Any, q: Any) -> tuple[Any, Any, Any]:
    X.flags.writeable = y.flags.writeable = q.flags.writeable = False
    return X, y, q


def repeated(X: Any, y: Any, q: Any) -> tuple[Any, Any, Any]:
    n, d = X.shape
    rows, columns = np.repeat(np.arange(n), 2 * d), np.tile(np.repeat(np.arange(d), 2), n)
    return sp.coo_array((np.repeat(0.5 * X.ravel(), 2), (rows, columns)), shape=(n, d)), y, q


CERTIFIED: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "strided": changed(lambda X, y, q: (np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], y, q)),
    "fortran, float32": changed(lambda X, y, q: (np.asfortranarray(X, dtype=np.float32), y, q)),
    "half precision": changed(lambda X, y, q: (X.astype(np.float16), y, q)),
    "booleans": changed(lambda X, y, q: (X > 0.0, y > 0, q)),
    "read-only": changed(read_only),
    "bsr": changed(lambda X, y, q: (sp.bsr_array(X), y, q)),
    "64-bit indices": changed(wide_indices),
    "repeated entries": changed(repeated),
    "zero matrix": changed(lambda X, y, q: (0.0 * X, y, q)),
    "empty sparse": changed(lambda X, y, q: (sp.csr_array(X.shape), y, q)),
    "constant columns": changed(lambda X, y, q: (np.column_stack([X, X[:, 0], np.ones(len(y))]), y, q)),
    "an offset, which differences do not see": changed(lambda X, y, q: (X + 1e8, y, q)),
    "contradictions": changed(lambda X, y, q: (np.vstack([X, X]), np.append(y, 2 - y), np.append(q, q))),
    "more columns than rows": lambda: (np.random.default_rng(0).normal(size=(30, 300)), *graded(30, 2)[1:]),
    "queries in no order": changed(lambda X, y, q: (X, y, np.random.default_rng(1).permutation(q))),
    "text, negative and float ids": changed(lambda X, y, q: (X, y, np.array(["b", "-1", "", "é"])[q % 4])),
    "queries of one row, and one with pairs": changed(lambda X, y, q: (X, y, np.maximum(np.arange(60) - 5, 0))),
    "equal relevances in most queries": changed(lambda X, y, q: (X, np.where(q < 5, 1, y), q)),
    "negative relevances": changed(lambda X, y, q: (X, -3 - y, q)),
    "no two relevances the same": changed(lambda X, y, q: (X, np.argsort(np.argsort(X[:, 0])) * 0.25, q)),
    "one query": changed(lambda X, y, q: (X, y, np.zeros(60))),
    "tiny": changed(lambda X, y, q: (1e-24 * X, y, q)),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", ["equal", "difference"])
@pytest.mark.parametrize("name", CERTIFIED)
def test_data_of_any_form_is_certified(name: str, weights: str, loss: str) -> None:
    X, y, q = CERTIFIED[name]()
    model = RankSVM(1e-4, loss=loss, pair_weights=weights).fit(X, y, qid=q)
    honest(model, X, y, q)
    assert model.certificate_.passed, model.certificate_.reason
    assert sorted(set(model.rank(X, qid=q).tolist())) == list(range(1, np.unique(q, return_counts=True)[1].max() + 1))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("scale", [1e24, 1e150, 1e160, 1e300])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_features_whose_squares_leave_the_numbers(form: Any, scale: float, loss: str) -> None:
    X, y, q = graded()
    model = RankSVM(loss=loss, max_time=0.5).fit(form(scale * X), y, qid=q)
    with np.errstate(all="ignore"):
        honest(model, scale * X, y, q)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("C", [1e-300, 1e-12, 1e6, 1e12, 1e300])
def test_strengths_from_nothing_to_all(C: float, loss: str) -> None:
    X, y, q = graded()
    model = RankSVM(loss=loss, C=C, max_time=0.5).fit(X, y, qid=q)
    honest(model, X, y, q)
    assert model.certificate_.passed or C > 1e12


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_queries(loss: str) -> None:
    X, y, q = graded()
    apart = (10.0 ** np.linspace(-6, 6, 8))[q]
    model = RankSVM(loss=loss).fit(X, y, qid=q, sample_weight=apart)
    honest(model, X, y, q, apart)
    assert model.certificate_.passed
    some = (q % 2).astype(float)
    model = RankSVM(loss=loss).fit(X, y, qid=q, sample_weight=some)
    kept = some > 0.0
    other = RankSVM(loss=loss).fit(X[kept], y[kept], qid=q[kept])
    assert model.certificate_.primal == pytest.approx(other.certificate_.primal, rel=2e-4)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"y": np.ones(60)}, "expected two relevances"),
        ({"qid": np.arange(60)}, "expected two relevances"),
        ({"qid": None}, "qid: expected either"),
        ({"qid": np.arange(5)}, "qid: expected one id"),
        ({"qid": np.full(60, np.nan)}, "qid: expected an id in every row"),
        ({"qid": np.array([1, "a", None], dtype=object)[np.arange(60) % 3]}, "qid: expected ids that can be compared"),
        ({"qid": None, "groups": [30, 20]}, "groups: expected sizes"),
        ({"qid": None, "groups": [70, -10]}, "groups: expected sizes"),
        ({"sample_weight": np.zeros(60)}, "sample_weight"),
        ({"sample_weight": np.full(60, np.inf)}, "sample_weight"),
        ({"sample_weight": np.arange(60.0)}, "sample_weight"),
        ({"X": np.full((60, 4), np.nan)}, "NaN"),
        ({"X": np.empty((0, 4)), "y": [], "qid": []}, "0 sample"),
        ({"y": np.where(np.arange(60) == 3, np.inf, 1.0)}, "infinity"),
    ],
)
def test_what_cannot_be_used_is_named_and_leaves_the_model_as_it_was(bad: dict[str, Any], said: str) -> None:
    X, y, q = graded()
    model = RankSVM().fit(X, y, qid=q)
    before = dict(vars(model))
    given: dict[str, Any] = {"X": X, "y": y, "qid": q, **bad}
    with pytest.raises(ValueError, match=said):
        model.fit(given.pop("X"), given.pop("y"), **given)
    assert vars(model) == before
    assert model.predict(X).shape == (60,)
    for A in (X[:, :2], X[0], X[:0]):
        with pytest.raises(ValueError, match=r"feature|2D|sample"):
            model.predict(A)


@pytest.mark.parametrize(
    "gains",
    [
        {},
        {0: 0, 1: 1},
        {0: 2, 1: 1, 2: 0},
        {0: 0, 1: 0, 2: 0},
        {0: 0, 1: np.nan, 2: 1},
        {0: 0, 1: 1, 2: np.inf},
        {0: "a", 1: 1, 2: 2},
        {0: None, 1: 1, 2: 2},
    ],
)
def test_gains_that_are_none_are_named(gains: dict[Any, Any]) -> None:
    X, y, q = graded()
    with pytest.raises(DataError, match="pair_weights"):
        RankSVM(pair_weights=gains).fit(X, y, qid=q)


@pytest.mark.parametrize("loss", LOSSES)
def test_budgets_warm_starts_and_interrupts(loss: str) -> None:
    X, y, q = graded()
    for options in ({"max_iter": 1}, {"max_time": 1e-9}, {"tol": 0.0, "max_iter": 30}, {"tol": 1e6}):
        honest(RankSVM(loss=loss, **options).fit(X, y, qid=q), X, y, q)
    with pytest.raises(NotConvergedError):
        RankSVM(loss=loss, tol=1e-12, max_iter=1, on_unconverged="raise").fit(X, y, qid=q)
    model = RankSVM(loss=loss, warm_start=True)
    for columns in (4, 2, 4):
        honest(model.fit(X[:, :columns], y, qid=q), X[:, :columns], y, q)
        assert model.certificate_.passed

    def interrupt(row: Any, w: Any) -> None:
        raise KeyboardInterrupt

    with observe(interrupt):
        model.set_params(warm_start=False, tol=1e-14).fit(X, y, qid=q)
    assert model.certificate_.status is Status.INTERRUPTED
    honest(model, X, y, q)


def test_frames_give_the_same_bits() -> None:
    X, y, q = graded()
    first = RankSVM().fit(X, y, qid=q)
    frame = RankSVM(n_jobs=2).fit(pd.DataFrame(X, columns=list("abcd")), pd.Series(y), qid=pd.Series(q))
    np.testing.assert_array_equal(first.coef_, frame.coef_)
    assert frame.feature_names_in_.tolist() == list("abcd")
