"""Label sets, taxonomies and oracles on odd data, labels, trees and budgets: what is claimed is recomputed here."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from steepest import MultilabelSVM, StructuredSVM, TaxonomySVM, observe
from steepest.exceptions import DataError, InvalidParameterError, NotConvergedError
from steepest.protocols import Status
from steepest.structured import MultilabelOracle, TaxonomyOracle

pytestmark = pytest.mark.filterwarnings("ignore::steepest.estimators.warnings.ConvergenceWarning")
SOLVERS = ("frank_wolfe", "cutting_planes")


def labelled(n: int = 50, d: int = 4, k: int = 3) -> tuple[Any, Any, Any]:
    """X, a class a row, and a set of labels a row."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    Z = X @ rng.normal(size=(d, k)) + rng.normal(size=(n, k))
    return X, Z.argmax(axis=1), (Z > 0.0).astype(int)


def dense(X: Any) -> Any:
    return np.asarray(X.toarray() if sp.issparse(X) else X, dtype=np.float64)


def sets_objective(model: MultilabelSVM, X: Any, Y: Any, s: Any) -> float:
    Z = dense(X) @ model.coef_.T + model.intercept_
    hinge = np.maximum(0.0, 1.0 - (2.0 * np.asarray(Y) - 1.0) * Z).sum(axis=1)
    return float(s @ hinge / s.sum() + 0.5 * model.alpha * ((model.coef_**2).sum() + (model.intercept_**2).sum()))


def tree_objective(model: TaxonomySVM, X: Any, y: Any, s: Any) -> float:
    Z = dense(X) @ model.coef_.T + model.intercept_
    code = np.searchsorted(model.classes_, np.asarray(y))
    hinge = (model.costs_[code] + Z - Z[np.arange(len(code)), code][:, None]).max(axis=1)
    ridge = (model.node_coef_**2).sum() + (model.node_intercept_**2).sum()
    return float(s @ hinge / s.sum() + 0.5 * model.alpha * ridge)


def honest(model: Any, X: Any, y: Any, s: Any = None) -> None:
    s = np.ones(len(y)) if s is None else s
    objective = sets_objective if isinstance(model, MultilabelSVM) else tree_objective
    certificate = model.certificate_
    assert np.isfinite(model.coef_).all()
    assert np.isfinite(model.intercept_).all()
    reached = objective(model, X, y, s)
    assert certificate.primal == pytest.approx(reached, rel=1e-7, abs=1e-9)
    assert certificate.passed == (certificate.status is Status.CERTIFIED)
    assert certificate.dual <= reached * (1.0 + 1e-9)


def wide_indices(X: Any) -> Any:
    A = sp.csr_array(X)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A


def repeated(X: Any) -> Any:
    n, d = X.shape
    columns = np.tile(np.repeat(np.arange(d)[::-1], 2), n)
    return sp.csr_array((np.repeat(0.5 * X[:, ::-1].ravel(), 2), columns, np.arange(n + 1) * 2 * d), shape=(n, d))


def read_only(X: Any) -> Any:
    X.flags.writeable = False
    return X


FORMS: dict[str, Callable[[Any], Any]] = {
    "strided": lambda X: np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2],
    "fortran, float32": lambda X: np.asfortranarray(X, dtype=np.float32),
    "booleans": lambda X: X > 0.0,
    "read-only": read_only,
    "bsr": sp.bsr_array,
    "64-bit indices": wide_indices,
    "repeated entries, unsorted": repeated,
    "zero matrix": lambda X: 0.0 * X,
    "empty sparse": lambda X: sp.csr_array(X.shape),
    "rows of zeros": lambda X: X * (np.arange(len(X)) % 2)[:, None],
    "constant columns": lambda X: np.column_stack([X, X[:, 0], np.ones(len(X)), np.zeros(len(X))]),
    "tiny": lambda X: 1e-24 * X,
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("name", FORMS)
def test_data_of_any_form_is_certified_and_no_solver_refutes_another(name: str, solver: str) -> None:
    X, y, Y = labelled()
    X = FORMS[name](X)
    tree = TaxonomySVM(alpha=0.02, tol=1e-3, solver=solver).fit(X, y)
    sets = MultilabelSVM(alpha=0.02, tol=1e-3, solver=solver).fit(X, Y)
    binary = MultilabelSVM(alpha=0.02, tol=1e-6).fit(X, Y)
    for model, labels in ((tree, y), (sets, Y), (binary, Y)):
        honest(model, X, labels)
        assert model.certificate_.passed, model.certificate_.reason
        assert model.predict(X).shape == labels.shape
    for one, other in ((sets, binary), (binary, sets)):
        assert one.certificate_.dual <= other.certificate_.primal * (1.0 + 1e-9)


@pytest.mark.parametrize("solver", [*SOLVERS, "binary"])
@pytest.mark.parametrize("scale", [1e24, 1e160, 1e300])
def test_at_the_limits_of_numbers_nothing_is_claimed_that_is_not_so(scale: float, solver: str) -> None:
    X, y, Y = labelled()
    with np.errstate(all="ignore"):
        honest(MultilabelSVM(solver=solver, max_time=0.3).fit(scale * X, Y), scale * X, Y)
        if solver != "binary":
            honest(TaxonomySVM(solver=solver, max_time=0.3).fit(scale * X, y), scale * X, y)


@pytest.mark.parametrize("solver", SOLVERS)
def test_odd_weights_and_strengths(solver: str) -> None:
    X, y, Y = labelled()
    for s in (10.0 ** np.random.default_rng(0).uniform(-6, 6, 50), (y != 1).astype(float), np.full(50, 1e-12)):
        for model, labels in ((TaxonomySVM(solver=solver, max_iter=20), y), (MultilabelSVM(solver=solver), Y)):
            model.set_params(max_iter=20).fit(X, labels, sample_weight=s)
            kept = s > 0.0
            honest(model, X[kept], labels[kept], s[kept])
    for alpha in (1e-300, 1e-12, 1e12, 1e300):
        model = TaxonomySVM(alpha=alpha, solver=solver, max_iter=20).fit(X, y)
        honest(model, X, y)
        assert model.certificate_.passed or alpha < 1.0


INDICATORS: dict[str, Callable[[Any], Any]] = {
    "bool": lambda Y: Y > 0,
    "csc": sp.csc_matrix,
    "frame": lambda Y: pd.DataFrame(Y, columns=list("xyz")),
    "list": lambda Y: Y.tolist(),
    "read-only": read_only,
    "no row has a label": lambda Y: 0 * Y,
    "every row has all": lambda Y: 0 * Y + 1,
    "a column of zeros and one of ones": lambda Y: Y * [1, 0, 0] + [0, 0, 1],
}


@pytest.mark.parametrize("pairs", [None, "tree", [(0, 2)]])
@pytest.mark.parametrize("name", INDICATORS)
def test_label_sets_of_any_form(name: str, pairs: Any) -> None:
    X, _, Y = labelled()
    model = MultilabelSVM(alpha=0.02, tol=1e-3, pairs=pairs).fit(X, INDICATORS[name](Y))
    assert model.certificate_.passed, model.certificate_.reason
    found = model.predict(X)
    assert sp.issparse(found) == (name == "csc")
    assert set(np.unique(dense(found))) <= {0.0, 1.0}
    if name == "frame":
        assert model.classes_.tolist() == ["x", "y", "z"]
    if name in ("no row has a label", "every row has all"):
        np.testing.assert_array_equal(found, INDICATORS[name](Y))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda Y: 2 * Y - 1, "got -1"),
        (lambda Y: Y / 2.0, "got 0.5"),
        (lambda Y: np.where(Y, np.nan, 0.0), "got nan"),
        (lambda Y: Y.astype(str), "indicator"),
        (lambda Y: Y[:, :0], "indicator"),
        (lambda Y: [[0], [1, 0]] * 25, "different lengths"),
        (lambda Y: Y[:5], "inconsistent"),
    ],
)
def test_label_sets_that_are_none_leave_the_model_as_it_was(change: Any, said: str) -> None:
    X, _, Y = labelled()
    model = MultilabelSVM(alpha=0.1).fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=said):
        model.fit(X, change(Y))
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"a": "r", "b": "r"}, "'c' is not in the tree"),
        ({"a": "b", "b": "a", "c": "a"}, "cycle"),
        ({"a": "r", "b": "s", "c": "r"}, "expected one root"),
        ({"a": "b", "c": "b"}, "is the root"),
        ({}, "at least one node"),
        ({"a": ["r"], "b": "r", "c": "r"}, "parent of each"),
        ([("r", "a"), ("s", "a")], "two parents"),
        ("abc", "got str"),
        (np.array([-1.0, 0.0]), "expected paths"),
    ],
)
def test_trees_that_are_none_are_named(tree: Any, said: str) -> None:
    X, y, _ = labelled()
    model = TaxonomySVM(tree)
    with pytest.raises(DataError, match=said):
        model.fit(X, np.array(["a", "b", "c"])[y])
    assert not [name for name in vars(model) if name.endswith("_")]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ([[0, 1], [1]], "matrix of numbers"),
        ([[0, "a", 1]] * 3, "matrix of numbers"),
        (np.zeros((2, 2)), r"got the shape \(2, 2\)"),
        (np.eye(3) - 1.0, "got -1 among"),
        (np.where(np.eye(3) > 0, 0.0, np.nan), "got nan among"),
        (np.ones((3, 3)), "diagonal"),
        ("edges", "costs"),
        (3, "costs"),
    ],
)
def test_costs_that_are_none_are_named(costs: Any, said: str) -> None:
    X, y, _ = labelled()
    with pytest.raises((DataError, InvalidParameterError), match=said):
        TaxonomySVM(costs=costs).fit(X, y)


@pytest.mark.parametrize("tree", [None, "deep", {True: "r", False: "r"}])
def test_trees_of_any_depth(tree: Any) -> None:
    X, y, _ = labelled()
    y = y > 0
    if tree == "deep":
        tree = {True: "n0", False: "r", "n600": "r", **{f"n{i}": f"n{i + 1}" for i in range(600)}}
    model = TaxonomySVM(tree, alpha=0.1, costs="zero_one", tol=1e-3).fit(X, y)
    honest(model, X, y)
    assert model.certificate_.passed
    assert model.predict(X).dtype == np.bool_


@pytest.mark.parametrize("form", [list, np.asarray, sp.csr_array, pd.DataFrame])
def test_oracles_take_examples_of_any_form(form: Any) -> None:
    X, y, Y = labelled()
    rows = X.tolist() if form is list else form(X)
    for oracle, labels in ((TaxonomyOracle(), y), (MultilabelOracle([(0, 1)]), Y)):
        model = StructuredSVM(oracle, alpha=0.05, tol=1e-3).fit(rows, labels.tolist())
        assert model.certificate_.passed, model.certificate_.reason
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(np.array(again.predict(rows)), np.array(model.predict(rows)))


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.arange(50.0), np.arange(50) % 3),
        (np.ones((50, 2)), np.array(["a", 1, None], dtype=object)[np.arange(50) % 3]),
        (np.ones((50, 2)), np.ones((50, 1))),
        (np.full((50, 2), np.nan), np.arange(50) % 3),
        (np.ones((50, 2)), np.arange(5)),
        (np.ones((0, 2)), []),
    ],
)
def test_examples_that_oracles_cannot_take_are_named(X: Any, y: Any) -> None:
    with pytest.raises(DataError, match=r"X:|Y:|joint_feature"):
        StructuredSVM(TaxonomyOracle()).fit(X, y)


def models() -> list[Any]:
    return [
        *(TaxonomySVM(solver=solver) for solver in SOLVERS),
        *(MultilabelSVM(solver=solver) for solver in (*SOLVERS, "binary")),
        *(StructuredSVM(TaxonomyOracle(), solver=solver) for solver in SOLVERS),
    ]


@pytest.mark.parametrize("at", range(7))
def test_budgets_and_interrupts(at: int) -> None:
    X, y, Y = labelled()
    model = models()[at]
    labels = Y if isinstance(model, MultilabelSVM) else y
    for options in ({"max_iter": 1}, {"max_time": 1e-9}, {"tol": 0.0, "max_iter": 30}, {"tol": 1e6}):
        model = models()[at].set_params(**options).fit(X, labels)
        certificate = model.certificate_
        assert np.isfinite(model.coef_).all()
        assert certificate.passed == (certificate.status is Status.CERTIFIED)
        assert certificate.dual <= certificate.primal * (1.0 + 1e-9)
    strict = models()[at].set_params(tol=1e-13, max_iter=1, on_unconverged="raise")
    with pytest.raises(NotConvergedError):
        strict.fit(X, labels)

    def interrupt(row: Any, w: Any) -> None:
        raise KeyboardInterrupt

    with observe(interrupt):
        model = models()[at].set_params(tol=1e-14).fit(X, labels)
    assert model.certificate_.status is Status.INTERRUPTED
    assert np.isfinite(model.coef_).all()
    assert len(model.predict(X)) == len(X)
