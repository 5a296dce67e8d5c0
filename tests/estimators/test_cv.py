"""Cross-validated estimators choose what scikit-learn's choose, on the same grids, with every point certified."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as sk
from sklearn import config_context
from sklearn.metrics import get_scorer, make_scorer, mean_absolute_error
from sklearn.model_selection import GroupKFold

import steepest
from steepest import ElasticNetCV, LassoCV, LogisticRegressionCV, RidgeCV
from steepest.estimators.warnings import ConvergenceWarning
from steepest.exceptions import InvalidParameterError, NotConvergedError

RNG = np.random.default_rng(0)
N, D = 150, 10
X = RNG.normal(size=(N, D)) + 1.0
Y = X @ np.where(np.arange(D) < 4, RNG.normal(size=D), 0.0) + RNG.normal(size=N)
MANY = np.c_[Y, RNG.normal(size=N) + 0.1 * X[:, 0]]
TWO = (Y.mean() < Y).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(Y, np.quantile(Y, [0.3, 0.6]))]
WEIGHTS = RNG.integers(1, 4, N).astype(float)
WIDE = np.hstack([X, RNG.normal(size=(N, 2 * N))])
ALPHAS = np.geomspace(1e-2, 1e3, 12)
SK_DEFAULTS_OF_ITS_SOLVERS = {"tol", "max_iter", "solver", "l1_ratios", "scoring", "use_legacy_attributes", "verbose"}


@pytest.mark.parametrize("name", ["LassoCV", "ElasticNetCV", "RidgeCV", "LogisticRegressionCV"])
def test_parameters_are_those_of_scikit_learn(name: str) -> None:
    ours = inspect.signature(getattr(steepest, name)).parameters
    for parameter, theirs in inspect.signature(getattr(sk, name)).parameters.items():
        assert parameter in ours
        if parameter not in SK_DEFAULTS_OF_ITS_SOLVERS:
            assert ours[parameter].default == theirs.default
            assert ours[parameter].kind == theirs.kind


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("ratio", [1.0, 0.5, [0.2, 0.7, 1.0]], ids=["lasso", "one mix", "three mixes"])
def test_elastic_net(ratio: Any, kind: type, weights: np.ndarray | None) -> None:
    ours = LassoCV(tol=1e-10) if ratio == 1.0 else ElasticNetCV(l1_ratio=ratio, tol=1e-10)
    theirs = sk.LassoCV if ratio == 1.0 else sk.ElasticNetCV
    extra = {} if ratio == 1.0 else {"l1_ratio": ratio}
    other = theirs(tol=1e-10, max_iter=100_000, **extra).fit(X, Y, weights)
    ours.fit(kind(X), Y, weights)
    np.testing.assert_allclose(ours.alphas_, other.alphas_, rtol=1e-9)
    assert ours.alpha_ == pytest.approx(other.alpha_, rel=1e-9)
    np.testing.assert_allclose(ours.mse_path_, other.mse_path_, atol=2e-4)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-5)
    assert ours.intercept_ == pytest.approx(other.intercept_, abs=1e-5)
    assert ours.mse_path_.shape == other.mse_path_.shape == ours.certificates_.shape
    assert hasattr(ours, "l1_ratio_") == hasattr(other, "l1_ratio_")
    if ratio != 1.0:
        assert ours.l1_ratio_ == other.l1_ratio_
    assert ours.certificate_.passed
    assert all(certificate.passed for certificate in ours.certificates_.flat)


def test_elastic_net_takes_strengths_in_any_order() -> None:
    given = [0.01, 1.0, 0.1, 0.0]
    ours = LassoCV(alphas=given, cv=4, tol=1e-9).fit(X, Y)
    np.testing.assert_array_equal(ours.alphas_, [1.0, 0.1, 0.01, 0.0])
    other = sk.LassoCV(alphas=given[:3], cv=4, tol=1e-9).fit(X, Y)
    np.testing.assert_allclose(ours.mse_path_[:3], other.mse_path_, rtol=1e-6)
    with pytest.raises(InvalidParameterError, match="l1_ratio=0"):
        ElasticNetCV(l1_ratio=0.0).fit(X, Y)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("rows", ["tall", "wide", "sparse", "no intercept"])
@pytest.mark.parametrize("y", [Y, MANY], ids=["one", "two"])
@pytest.mark.parametrize(
    "options",
    [
        {"store_cv_results": True},
        {"scoring": "neg_mean_absolute_error", "store_cv_results": True},
        {"alpha_per_target": True},
        {"alpha_per_target": True, "scoring": "neg_mean_absolute_error"},
        {"cv": 4},
    ],
    ids=["loo", "scorer", "per target", "per target, scorer", "folds"],
)
def test_ridge(options: dict[str, Any], y: np.ndarray, rows: str, weights: np.ndarray | None) -> None:
    data = {"tall": X, "wide": WIDE, "sparse": sp.csr_array(X), "no intercept": X}[rows]
    options = options | {"fit_intercept": rows != "no intercept"}
    ours = RidgeCV(ALPHAS, tol=1e-9, **options).fit(data, y, weights)
    if y.ndim == 1:  # there it has no strength a target to choose, and fails on a scorer
        options["alpha_per_target"] = False
    # its sparse folds are solved by conjugate gradients to 1e-4
    other = sk.RidgeCV(ALPHAS, **options).fit(data.toarray() if rows == "sparse" else data, y, weights)
    np.testing.assert_array_equal(ours.alpha_, other.alpha_)
    np.testing.assert_allclose(ours.best_score_, other.best_score_, rtol=1e-7)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-9)
    np.testing.assert_allclose(ours.intercept_, other.intercept_, atol=1e-8)
    if "store_cv_results" in options:
        assert ours.cv_results_.shape == other.cv_results_.shape
        np.testing.assert_allclose(ours.cv_results_, other.cv_results_, rtol=1e-5, atol=1e-6)
    assert ours.certificate_.passed
    assert all(certificate.passed for certificate in ours.certificates_.flat)


def test_leave_one_out_is_leave_one_out() -> None:
    ours = RidgeCV([0.5, 5.0], store_cv_results=True).fit(X[:30], Y[:30])
    for i in (0, 7):
        rest = np.arange(30) != i
        for j, alpha in enumerate((0.5, 5.0)):
            one = steepest.Ridge(alpha, tol=1e-12).fit(X[:30][rest], Y[:30][rest])
            error = Y[i] - one.predict(X[i : i + 1])[0]
            assert ours.cv_results_[i, j] == pytest.approx(error**2, rel=1e-6)


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "new"])
@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize(
    "options",
    [{}, {"scoring": "neg_log_loss"}, {"refit": False}, {"class_weight": "balanced"}, {"fit_intercept": False}],
    ids=["accuracy", "log loss", "no refit", "balanced", "no intercept"],
)
def test_logistic(options: dict[str, Any], weights: np.ndarray | None, y: np.ndarray, legacy: bool) -> None:
    Cs = np.logspace(-2, 1, 4)
    common = {"Cs": Cs, "l1_ratios": (0.0,), "use_legacy_attributes": legacy, **options}
    ours = LogisticRegressionCV(tol=1e-9, **common).fit(X, y, weights)
    common = {"scoring": None, **common}
    other = sk.LogisticRegressionCV(solver="newton-cholesky", tol=1e-9, max_iter=1000, **common).fit(X, y, weights)
    np.testing.assert_array_equal(ours.Cs_, other.Cs_)
    np.testing.assert_allclose(ours.C_, other.C_, rtol=1e-12)
    np.testing.assert_array_equal(ours.l1_ratio_, other.l1_ratio_)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.intercept_, other.intercept_, atol=1e-3)
    assert np.shape(ours.n_iter_) == np.shape(other.n_iter_)
    for name in ("scores_", "coefs_paths_"):
        mine, theirs = getattr(ours, name), getattr(other, name)
        if legacy:
            assert list(mine) == list(theirs)
            mine, theirs = np.stack(list(mine.values())), np.stack(list(theirs.values()))
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine, theirs, atol=2e-3)
    assert ours.certificates_.shape == (5, 1, 4)
    assert all(certificate.passed for certificate in ours.certificates_.flat)
    np.testing.assert_array_equal(ours.predict(X[:20]), other.predict(X[:20]))
    assert ours.score(X, y) == pytest.approx(other.score(X, y), abs=1e-4)


@pytest.mark.parametrize("legacy", [True, False], ids=["legacy", "new"])
def test_logistic_mixes(legacy: bool) -> None:
    common = {"Cs": [0.5, 0.05], "l1_ratios": (1.0, 0.5), "use_legacy_attributes": legacy, "cv": 3}
    ours = LogisticRegressionCV(tol=1e-8, **common).fit(X, TWO)
    other = sk.LogisticRegressionCV(solver="saga", scoring=None, tol=1e-7, max_iter=20_000, **common).fit(X, TWO)
    np.testing.assert_allclose(ours.C_, other.C_)
    np.testing.assert_allclose(ours.l1_ratio_, other.l1_ratio_)
    np.testing.assert_allclose(ours.coef_, other.coef_, atol=1e-3)
    for name in ("scores_", "coefs_paths_"):
        mine, theirs = getattr(ours, name), getattr(other, name)
        mine, theirs = (mine[1], theirs[1]) if legacy else (mine, theirs)
        np.testing.assert_allclose(mine, theirs, atol=1e-3)


def test_logistic_default_shapes() -> None:
    model = LogisticRegressionCV(Cs=3, cv=3).fit(X, THREE)
    assert model.scores_["a"].shape == (3, 3)
    assert model.coefs_paths_["c"].shape == (3, 3, D + 1)
    assert model.n_iter_.shape == (1, 3, 3)
    assert model.C_.shape == (3,)
    assert LogisticRegressionCV(Cs=[np.inf, 1.0], cv=3, on_unconverged="ignore").fit(X, TWO).C_[0] in (1.0, np.inf)


def test_misses_are_one_warning_or_an_error() -> None:
    with pytest.warns(ConvergenceWarning, match=r"of \d+ points of the path") as caught:
        model = LogisticRegressionCV(Cs=[1.0, 1e3], cv=3, max_iter=0).fit(X, TWO)
    assert len(caught) == 1
    assert not all(certificate.passed for certificate in model.certificates_.flat)
    with pytest.raises(NotConvergedError):
        LogisticRegressionCV(Cs=[1.0, 1e3], cv=3, max_iter=0, on_unconverged="raise").fit(X, TWO)
    LogisticRegressionCV(Cs=[1.0, 1e3], cv=3, max_iter=0, on_unconverged="ignore").fit(X, TWO)


def test_wrong_parameters_are_named() -> None:
    for model, words in (
        (LassoCV(alphas=0), "alphas"),
        (LassoCV(alphas=[-1.0]), "alphas"),
        (ElasticNetCV(l1_ratio=[0.5, 2.0]), "l1_ratio"),
        (LassoCV(cv=1), "cv"),
        (RidgeCV([0.0, 1.0]), "alphas"),
        (RidgeCV(cv=3, store_cv_results=True), "store_cv_results"),
        (RidgeCV(cv=3, alpha_per_target=True), "alpha_per_target"),
        (LassoCV(positive=True), "positive"),
    ):
        with pytest.raises(InvalidParameterError, match=words):
            model.fit(X, Y)
    for model, words in (
        (LogisticRegressionCV(Cs=[0.0]), "Cs"),
        (LogisticRegressionCV(l1_ratios=[2.0]), "l1_ratios"),
        (LogisticRegressionCV(penalty="elasticnet"), "l1_ratios"),
    ):
        with pytest.raises(InvalidParameterError, match=words):
            model.fit(X, TWO)
    with pytest.raises(InvalidParameterError, match="metadata routing"):
        LassoCV().fit(X, Y, groups=np.arange(N))


def test_groups_reach_the_splitter() -> None:
    groups = np.arange(N) % 6
    with config_context(enable_metadata_routing=True):
        model = LassoCV(cv=GroupKFold(3), alphas=5).fit(X, Y, groups=groups)
        labels = LogisticRegressionCV(Cs=2, cv=GroupKFold(3)).fit(X, TWO, groups=groups)
        scorer = make_scorer(mean_absolute_error, greater_is_better=False).set_score_request(sample_weight=True)
        ridge = RidgeCV(scoring=scorer).fit(X, Y, sample_weight=WEIGHTS)
    other = sk.LassoCV(cv=list(GroupKFold(3).split(X, Y, groups)), alphas=5, tol=1e-8).fit(X, Y)
    np.testing.assert_allclose(model.mse_path_, other.mse_path_, rtol=1e-3)
    assert labels.scores_[1].shape == (3, 2)
    plain = RidgeCV(scoring="neg_mean_absolute_error").fit(X, Y, WEIGHTS)
    assert ridge.best_score_ == pytest.approx(plain.best_score_)


def test_a_scorer_that_needs_labels_gets_them() -> None:
    folds = [(np.arange(N), np.flatnonzero(THREE == "a")), (np.arange(N), np.flatnonzero(THREE != "a"))]
    model = LogisticRegressionCV(Cs=2, cv=folds, scoring="neg_log_loss", use_legacy_attributes=False).fit(X, THREE)
    assert np.isfinite(model.scores_).all()
    chosen = get_scorer("neg_log_loss")(model, X, THREE)
    assert model.score(X, THREE) == pytest.approx(chosen)
