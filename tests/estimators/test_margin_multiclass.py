"""Crammer-Singer and Weston-Watkins as estimators: against LIBLINEAR and the exact programs, attributes, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import svm
from sklearn.base import clone
from tests.support.multiclass_margin import reference

import steepest
from steepest import LinearClassifier, LinearSVC, SGDClassifier
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import CrammerSinger

JOINT = ["crammer_singer", "weston_watkins"]
COSTS = np.array([[0.0, 2.0, 1.0], [1.0, 0.0, 0.5], [3.0, 1.0, 0.0]])


def three(n=90, d=4, seed=0):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, d)), rng.integers(0, 3, n)
    X[:, 0] += y
    X[:, 1] -= 2.0 * (y == 2)
    return X, np.array(["ant", "bee", "cat"])[y], rng.integers(0, 3, n).astype(float)


def objective(W, X, codes, C, s, costs):
    z = X @ W.T
    return 0.5 * (W * W).sum() + C * s @ (costs[codes] + z - z[np.arange(len(z)), codes][:, None]).max(axis=1)


@pytest.mark.parametrize("C", [0.05, 2.0])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_crammer_singer_is_liblinears(C, form):
    X, y, s = three()
    codes, costs = np.unique(y, return_inverse=True)[1], 1.0 - np.eye(3)
    mine = LinearSVC(multi_class="crammer_singer", C=C, fit_intercept=False, tol=1e-7).fit(form(X), y, s)
    theirs = svm.LinearSVC(multi_class="crammer_singer", C=C, fit_intercept=False, tol=1e-10, max_iter=10**6)
    theirs.fit(X, y, s)
    assert objective(mine.coef_, X, codes, C, s, costs) == pytest.approx(
        objective(theirs.coef_, X, codes, C, s, costs), rel=1e-6
    )
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-3 * np.abs(mine.coef_).max())
    # an intercept that is penalised is a weight of a constant feature
    mine = LinearSVC(multi_class="crammer_singer", C=C, penalize_intercept=True, intercept_scaling=2.0, tol=1e-7)
    mine.fit(form(X), y, s)
    theirs.set_params(fit_intercept=True, intercept_scaling=2.0).fit(X, y, s)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=2e-3 * np.abs(mine.coef_).max())
    np.testing.assert_allclose(mine.intercept_, theirs.intercept_, atol=2e-3 * np.abs(mine.intercept_).max())
    assert mine.certificate_.passed


@pytest.mark.parametrize("kind", JOINT)
@pytest.mark.parametrize("intercept", ["free", "penalised", "none"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_exact_program_agrees(kind, intercept, classes):
    X, y, s = three()
    y = np.where(y == "cat", "bee", y) if classes == 2 else y
    model = LinearSVC(multi_class=kind, C=0.5, tol=1e-6, fit_intercept=intercept != "none", class_weight="balanced")
    model.set_params(penalize_intercept=intercept == "penalised").fit(X, y, s)
    assert model.certificate_.passed
    found = steepest.verify(model, X, y, s)
    assert found.agrees, str(found)
    assert found.program == "QP"
    assert -1e-8 <= found.excess <= 2e-6
    model.coef_ = 1.2 * model.coef_
    assert not steepest.verify(model, X, y, s).agrees


def test_costs_of_the_user():
    X, y, s = three()
    model = LinearSVC(multi_class="crammer_singer", costs=COSTS, C=0.5, tol=1e-6).fit(X, y, s)
    assert steepest.verify(model, X, y, s).agrees
    codes = np.unique(y, return_inverse=True)[1]
    exact = reference(X, codes, s / s.sum(), 3, "crammer_singer", COSTS, 1.0 / (0.5 * s.sum()))
    assert model.certificate_.primal == pytest.approx(exact.value, rel=2e-6)
    same = LinearClassifier(CrammerSinger(COSTS), alpha=1.0 / (0.5 * s.sum()), tol=1e-6).fit(X, y, s)
    np.testing.assert_allclose(same.coef_, model.coef_, rtol=1e-6, atol=1e-9)
    assert "costs_(y_i, j)" in model.objective_
    z = X @ model.coef_.T + model.intercept_
    lacks = (COSTS[codes] + z - z[np.arange(len(z)), codes][:, None]).max(axis=1)
    np.testing.assert_allclose(model.slacks_, lacks, atol=1e-12)
    w = model.coef_
    assert model.margin_[0, 2] == pytest.approx(4.0 / np.linalg.norm(w[0] - w[2]))


@pytest.mark.parametrize("kind", JOINT)
@pytest.mark.parametrize("intercept", [True, False])
def test_multipliers_support_vectors_slacks_and_widths(kind, intercept):
    X, y, s = three(seed=3)
    C = 0.7
    model = LinearSVC(multi_class=kind, C=C, tol=1e-9, fit_intercept=intercept, on_unconverged="ignore").fit(X, y, s)
    assert model.certificate_.relative < 1e-6
    codes = np.unique(y, return_inverse=True)[1]
    D, rows = model.dual_coef_, np.arange(len(y))
    assert D.shape == (3, len(y))
    np.testing.assert_allclose(D @ X, model.coef_, atol=2e-3 * np.abs(model.coef_).max())
    np.testing.assert_allclose(D.sum(axis=0), 0.0, atol=1e-9)
    if intercept:
        np.testing.assert_allclose(D.sum(axis=1), 0.0, atol=1e-9)
    own = D[codes, rows]
    wrong = np.where(np.arange(3)[:, None] == codes, 0.0, -D)
    assert np.all(wrong >= -1e-12)
    assert np.all((own if kind == "crammer_singer" else wrong.max(axis=0)) <= C * s + 1e-9)
    used = np.flatnonzero(own > 1e-9 * own.max())
    np.testing.assert_array_equal(model.support_, used)
    np.testing.assert_array_equal(model.n_support_, np.bincount(codes[used], minlength=3))
    z = X @ model.coef_.T + model.intercept_
    behind = 1.0 + z - z[rows, codes][:, None]
    behind[rows, codes] = 0.0
    lacks = np.maximum(behind, 0.0)
    np.testing.assert_allclose(model.slacks_, lacks.max(axis=1) if kind == "crammer_singer" else lacks, atol=1e-12)
    if kind == "crammer_singer":  # rows beyond the margin have no multiplier
        assert np.all(own[behind.max(axis=1) < -0.01] < 1e-9)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert model.margin_[i, j] == model.margin_[j, i]
        assert model.margin_[i, j] == pytest.approx(2.0 / np.linalg.norm(model.coef_[i] - model.coef_[j]))
    assert np.all(np.isinf(np.diag(model.margin_)))
    np.testing.assert_array_equal(model.predict(X), model.classes_[z.argmax(axis=1)])
    np.testing.assert_allclose(model.decision_function(X), z, atol=1e-12)


@pytest.mark.parametrize("kind", JOINT)
def test_two_classes_are_the_hinge_with_half_the_penalty(kind):
    X, y, _ = three()
    y = np.where(y == "cat", "bee", y)
    joint = LinearSVC(multi_class=kind, C=0.4, fit_intercept=False, tol=1e-8).fit(X, y)
    binary = LinearSVC(loss="hinge", C=0.8, fit_intercept=False, tol=1e-8).fit(X, y)
    assert joint.coef_.shape == (1, 4)
    assert joint.dual_coef_.shape == (1, len(y))
    np.testing.assert_allclose(joint.coef_, binary.coef_, atol=1e-4)
    np.testing.assert_allclose(joint.dual_coef_ @ X, joint.coef_, atol=1e-4)
    assert isinstance(joint.margin_, float)
    assert joint.margin_ == pytest.approx(binary.margin_, rel=1e-4)
    np.testing.assert_allclose(joint.slacks_, binary.slacks_, atol=1e-3)
    np.testing.assert_array_equal(joint.predict(X), binary.predict(X))
    assert joint.decision_function(X).shape == (len(y),)
    theirs = svm.LinearSVC(multi_class="crammer_singer", C=0.4, fit_intercept=False, tol=1e-10, max_iter=10**6)
    np.testing.assert_allclose(joint.coef_, theirs.fit(X, y).coef_, atol=1e-3)


@pytest.mark.parametrize("kind", JOINT)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_second_fit_begins_where_the_first_ended(kind, classes):
    X, y, _ = three()
    y = np.where(y == "cat", "bee", y) if classes == 2 else y
    model = LinearSVC(multi_class=kind, C=0.5, tol=1e-5, warm_start=True, fit_intercept=False).fit(X, y)
    before = model.coef_.copy()
    model.fit(X, y)
    assert model.certificate_.passed
    np.testing.assert_allclose(model.coef_, before, atol=1e-2 * np.abs(before).max())


@pytest.mark.parametrize("kind", JOINT)
def test_weights_are_repetitions_and_zero_weights_are_not_there(kind):
    X, y, s = three()
    model = LinearSVC(multi_class=kind, tol=1e-8, fit_intercept=False)
    weighted = clone(model).fit(X, y, s)
    repeated = clone(model).fit(np.repeat(X, s.astype(int), axis=0), np.repeat(y, s.astype(int)))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-3 * np.abs(repeated.coef_).max())
    assert np.all(weighted.dual_coef_[:, s == 0.0] == 0.0)


@pytest.mark.parametrize("kind", JOINT)
def test_models_are_saved_with_their_costs(kind, tmp_path):
    X, y, _ = three()
    loss = CrammerSinger(COSTS) if kind == "crammer_singer" else kind
    for model in (
        LinearSVC(multi_class=kind, costs=COSTS if kind == "crammer_singer" else None, tol=1e-3),
        LinearClassifier(loss, alpha=0.01, tol=1e-3),
    ):
        model.set_params(fit_intercept=False).fit(X, y)
        steepest.save(model, tmp_path / "model.steepest")
        loaded = steepest.load(tmp_path / "model.steepest")
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        np.testing.assert_array_equal(loaded.coef_, model.coef_)
        if kind == "crammer_singer" and isinstance(model, LinearClassifier):
            assert loaded.loss == loss
        elif kind == "crammer_singer":
            np.testing.assert_array_equal(loaded.costs, COSTS)
        again = clone(loaded).fit(X, y)
        np.testing.assert_array_equal(again.coef_, model.coef_)


@pytest.mark.parametrize("solver", ["sgd", "adagrad"])
@pytest.mark.parametrize("kind", JOINT)
def test_stochastic_steps_prove_their_way(kind, solver):
    X, y, _ = three(n=200)
    model = LinearClassifier(kind, alpha=0.05, solver=solver, tol=5e-3, max_iter=3000).fit(X, y)
    codes = np.unique(y, return_inverse=True)[1]
    exact = reference(X, codes, np.full(200, 1 / 200), 3, kind, None, 0.05)
    assert model.certificate_.passed
    assert model.certificate_.dual <= exact.value * (1.0 + 1e-9)
    assert exact.value * (1.0 - 1e-9) <= model.certificate_.primal <= exact.value * 1.006


@pytest.mark.parametrize("kind", JOINT)
def test_subgradients_come_near_for_the_other_penalties(kind):
    X, y, _ = three()
    codes = np.unique(y, return_inverse=True)[1]
    model = LinearClassifier(kind, penalty="l1", alpha=0.02, tol=1e-2, max_iter=4000, on_unconverged="ignore").fit(X, y)
    assert model.fit_record_.solver["name"] == "subgradient"
    assert "kinks" in model.fit_record_.solver["why"]
    exact = reference(X, codes, np.full(90, 1 / 90), 3, kind, None, 0.02, "l1")
    assert exact.value * (1.0 - 1e-8) <= model.certificate_.primal <= 1.02 * exact.value
    assert model.certificate_.dual <= exact.value * (1.0 + 1e-8)
    held = LinearClassifier(kind, constraint="l2_ball", alpha=0.02, max_iter=300, on_unconverged="ignore").fit(X, y)
    assert np.all(np.linalg.norm(held.coef_, axis=1) <= 1.0 + 1e-9)
    mixed = LinearClassifier(kind, penalty="elasticnet", alpha=0.02, tol=0.02, max_iter=3000).fit(X, y)
    assert mixed.fit_record_.solver["name"] == "adagrad"
    assert mixed.certificate_.passed


def test_sgd_classifier_takes_them():
    X, y, _ = three(n=300)
    for kind in JOINT:
        model = SGDClassifier(loss=kind, alpha=0.01, max_iter=50, on_unconverged="ignore").fit(X, y)
        assert model.coef_.shape == (3, 4)
        assert model.score(X, y) > 0.65
        parts = SGDClassifier(loss=kind, alpha=0.01)
        for low in range(0, 300, 50):
            parts.partial_fit(X[low : low + 50], y[low : low + 50], classes=np.unique(y))
        assert parts.score(X, y) > 0.6


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"costs": COSTS}, IncompatibleError, "costs: only multi_class='crammer_singer'"),
        ({"costs": COSTS, "multi_class": "weston_watkins"}, IncompatibleError, "costs: only"),
        (
            {"costs": COSTS[:2, :2], "multi_class": "crammer_singer"},
            InvalidParameterError,
            r"expected a \(3, 3\) matrix",
        ),
        ({"costs": [[0.0, 1.0]], "multi_class": "crammer_singer"}, InvalidParameterError, "square"),
        ({"costs": COSTS - 1.0, "multi_class": "crammer_singer"}, InvalidParameterError, "0 on the diagonal"),
        ({"costs": "many", "multi_class": "crammer_singer"}, InvalidParameterError, "array of numbers"),
        ({"multi_class": "one_vs_one"}, InvalidParameterError, "'weston_watkins'"),
        ({"multi_class": "weston_watkins", "hard_margin": True}, IncompatibleError, "hard_margin"),
        ({"multi_class": "crammer_singer", "solver": "margin_dual"}, IncompatibleError, "margin_dual"),
        ({"multi_class": "crammer_singer", "solver": "lbfgs"}, IncompatibleError, "smooth"),
        ({"multi_class": "crammer_singer", "solver": "newton-cg"}, IncompatibleError, "smooth"),
    ],
)
def test_refusals(settings, error, said):
    X, y, _ = three()
    with pytest.raises(error, match=said):
        LinearSVC(**settings).fit(X, y)


def test_losses_without_probabilities_say_so():
    X, y, _ = three()
    model = LinearClassifier("crammer_singer", alpha=0.1, tol=1e-2).fit(X, y)
    with pytest.raises(AttributeError) as caught:
        _ = model.predict_proba
    assert "'argmax', which gives no probabilities" in str(caught.value.__cause__)


def test_one_row_a_class_and_constant_features():
    for kind in JOINT:
        model = LinearSVC(multi_class=kind, tol=1e-6).fit(np.eye(3), ["a", "b", "c"])
        assert model.certificate_.passed
        np.testing.assert_array_equal(model.predict(np.eye(3)), ["a", "b", "c"])
        flat = LinearSVC(multi_class=kind, tol=1e-6).fit(np.zeros((6, 2)), [0, 0, 0, 1, 1, 2])
        assert flat.certificate_.passed
        assert np.all(flat.coef_ == 0.0)
        assert flat.predict(np.zeros((1, 2)))[0] == 0
