"""LinearSVC and LinearSVR against LIBLINEAR and the exact programs; what they show; what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import svm

import steepest
from steepest import LinearSVC, LinearSVR
from steepest.estimators.margin_hard import judged


def _objective(model, X, y, C, s=None, penalised=False):
    s = np.ones(len(y)) if s is None else s
    t = np.where(y == model.classes_[1], 1.0, -1.0)
    w, b = model.coef_[0], float(np.ravel(model.intercept_)[0])
    slack = np.maximum(1.0 - t * (X @ w + b), 0.0)
    loss = slack if model.loss == "hinge" else slack * slack
    return 0.5 * (w @ w + (b * b if penalised else 0.0)) + C * float(s @ loss)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("C", [0.05, 5.0])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_penalised_intercept_is_liblinears_problem(class_data, loss, C, form):
    X, y = class_data(n=120, d=5)
    mine = LinearSVC(loss=loss, C=C, tol=1e-8, penalize_intercept=True, intercept_scaling=2.0).fit(form(X), y)
    settings_ = {"dual": True, "tol": 1e-9, "max_iter": 1_000_000, "random_state": 0}
    theirs = svm.LinearSVC(loss=loss, C=C, intercept_scaling=2.0, **settings_).fit(X, y)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(mine.intercept_, theirs.intercept_, rtol=2e-4, atol=2e-4)
    assert mine.certificate_.passed


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_without_intercept_no_worse_than_liblinear(class_data, loss):
    X, y = class_data(n=150, d=6, seed=3)
    mine = LinearSVC(loss=loss, tol=1e-7, fit_intercept=False).fit(X, y)
    theirs = svm.LinearSVC(loss=loss, fit_intercept=False, dual=True, tol=1e-10, max_iter=1_000_000).fit(X, y)
    assert _objective(mine, X, y, 1.0) <= _objective(theirs, X, y, 1.0) * (1.0 + 1e-7)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_exact_program_agrees(class_data, loss, penalty, intercept):
    pytest.importorskip("cvxpy")
    X, y = class_data(n=60, d=4, seed=1)
    s = np.random.default_rng(0).uniform(0.0, 2.0, 60) * (np.arange(60) % 7 > 0)
    model = LinearSVC(penalty, loss, C=0.5, tol=1e-7, fit_intercept=intercept).fit(X, y, s)
    found = steepest.verify(model, X, y, s)
    assert found.agrees, str(found)
    assert found.program == ("LP" if penalty == "l1" and loss == "hinge" else "QP")
    assert abs(found.excess) < 2e-6
    model.coef_ = model.coef_ * 1.2  # another point is found out
    assert not steepest.verify(model, X, y, s).agrees


def test_class_weights_and_penalised_intercepts_in_the_exact_program(class_data):
    pytest.importorskip("cvxpy")
    X, y = class_data(n=80, d=3, seed=2)
    model = LinearSVC(loss="hinge", class_weight={0: 1.0, 1: 3.0}, tol=1e-7, penalize_intercept=True).fit(X, y)
    assert steepest.verify(model, X, y).agrees
    assert not steepest.verify(model.set_params(class_weight=None), X, y).agrees


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("intercept", [True, False])
def test_multipliers_support_vectors_and_slacks(class_data, loss, intercept):
    X, y = class_data(n=100, d=4, seed=5)
    s = np.random.default_rng(1).integers(0, 3, 100).astype(float)
    model = LinearSVC(loss=loss, C=0.7, tol=1e-9, fit_intercept=intercept).fit(X, y, s)
    np.testing.assert_allclose(model.dual_coef_ @ X, model.coef_, rtol=1e-3, atol=1e-4)
    if intercept:
        assert abs(model.dual_coef_.sum()) < 1e-6 * np.abs(model.dual_coef_).sum()
    t = np.where(y == 1, 1.0, -1.0)
    a = model.dual_coef_[0] * t
    assert np.all(a >= 0.0)
    assert np.all(a[s == 0.0] == 0.0)
    if loss == "hinge":
        assert np.all(a <= 0.7 * s * (1.0 + 1e-9))
    margins = t * model.decision_function(X)
    np.testing.assert_allclose(model.slacks_, np.maximum(1.0 - margins, 0.0), atol=1e-12)
    assert model.margin_ == pytest.approx(2.0 / np.linalg.norm(model.coef_))
    assert np.all(margins[model.support_] < 1.0 + 1e-3)
    assert model.n_support_.sum() == len(model.support_)
    assert np.all(np.bincount(y[model.support_], minlength=2) == model.n_support_)


def test_several_classes_are_one_against_the_rest(class_data):
    X, y = class_data(n=120, d=4, k=3)
    model = LinearSVC(loss="hinge", tol=1e-6).fit(X, y)
    assert model.dual_coef_.shape == (3, 120)
    assert model.slacks_.shape == (120, 3)
    assert model.margin_.shape == (3,)
    single = LinearSVC(loss="hinge", tol=1e-6).fit(X, y == 2)
    np.testing.assert_allclose(model.coef_[2], single.coef_[0], rtol=1e-6)


# ----------------------------------------------------------------------------------------- hard margins


@pytest.mark.parametrize("intercept", [True, False])
def test_hard_margin_is_the_widest(intercept):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 3))
    y = np.where(X @ [1.0, -1.0, 0.5] > 0.0, "b", "a")
    X = X + np.where(y == "b", 0.3, -0.3)[:, None] * np.array([1.0, -1.0, 0.5])
    model = LinearSVC(hard_margin=True, tol=1e-8, fit_intercept=intercept).fit(X, y)
    assert model.certificate_.passed
    assert model.certificate_.relative <= 1e-8
    assert np.all(np.where(y == "b", 1.0, -1.0) * model.decision_function(X) >= 1.0 - 1e-12)
    assert len(model.support_) <= 4
    if intercept:
        theirs = svm.SVC(kernel="linear", C=1e10, tol=1e-10).fit(X, y)
        assert model.margin_ == pytest.approx(2.0 / np.linalg.norm(theirs.coef_), rel=1e-5)
    pytest.importorskip("cvxpy")
    assert steepest.verify(model, X, y).agrees


def test_hard_margin_says_that_classes_are_not_separable(class_data):
    X, y = class_data(n=90, d=2)
    with pytest.raises(steepest.exceptions.DataError, match=r"no separating one was found, and none .* wider than"):
        LinearSVC(hard_margin=True, on_unconverged="ignore").fit(X, y)
    present = np.zeros(90)
    present[[int(np.flatnonzero(y == 0)[0]), int(np.flatnonzero(y == 1)[0])]] = 1.0
    model = LinearSVC(hard_margin=True).fit(X, y, present)  # rows without weight are absent
    first, second = X[present > 0.0]
    assert model.margin_ == pytest.approx(np.linalg.norm(first - second), rel=1e-4)


def test_hard_margin_refuses_what_it_does_not_mean(class_data):
    X, y = class_data(k=3)
    with pytest.raises(steepest.exceptions.DataError, match="two classes, got 3"):
        LinearSVC(hard_margin=True).fit(X, y)
    with pytest.raises(steepest.exceptions.IncompatibleError, match="hard_margin"):
        LinearSVC("l1", hard_margin=True).fit(X, y)


# ------------------------------------------------------------------------------------- what has gone wrong


@pytest.mark.parametrize("scaling", [1e78, 1e-78])
@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_any_intercept_scaling_ends(class_data, scaling, loss):
    """FAILURES R7: LIBLINEAR did not end within a day."""
    X, y = class_data()
    free = LinearSVC(loss=loss, intercept_scaling=scaling, tol=1e-6).fit(X, y)
    assert free.certificate_.passed
    np.testing.assert_array_equal(free.coef_, LinearSVC(loss=loss, tol=1e-6).fit(X, y).coef_)
    with_it = LinearSVC(loss=loss, intercept_scaling=scaling, penalize_intercept=True, on_unconverged="ignore")
    with_it.set_params(max_iter=200).fit(X, y)
    assert np.all(np.isfinite(with_it.coef_))


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_a_budget_that_ends_is_a_warning(loss):
    """FAILURES R9: many rare columns and max_iter=1 ended in a segmentation fault."""
    X = sp.random_array((200, 5000), density=0.01, rng=np.random.default_rng(0), format="csr")
    y = np.arange(200) % 2
    model = LinearSVC(loss=loss, C=100.0, max_iter=1, tol=1e-12, fit_intercept=False)
    with pytest.warns(steepest.estimators.ConvergenceWarning):
        model.fit(X, y)
    assert np.all(np.isfinite(model.coef_))
    assert not model.certificate_.passed


def test_classes_are_counted(class_data):
    """FAILURES R38: three classes in a model of two; and one class is no problem to solve."""
    X, y = class_data(k=3)
    assert LinearSVC().fit(X, y).coef_.shape == (3, X.shape[1])
    with pytest.raises(ValueError, match="class"):
        LinearSVC().fit(X, np.ones(len(X)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    power=st.integers(-3, 3),
    loss=st.sampled_from(["hinge", "squared_hinge"]),
    intercept=st.booleans(),
    rare=st.booleans(),
)
def test_certificates_hold(seed, power, loss, intercept, rare):
    """No other point is better than the certificate allows."""
    rng = np.random.default_rng(seed)
    n, d = 40, 3
    X = rng.normal(size=(n, d)) * 10.0 ** rng.integers(-2, 3, d) + rng.normal(size=d)
    y = np.sign(rng.normal(size=n) + X[:, 0]) if not rare else np.where(np.arange(n) < 2, 1.0, -1.0)
    y[0], y[1] = 1.0, -1.0
    s = rng.uniform(0.1, 3.0, n)
    C = 10.0**power
    model = LinearSVC(loss=loss, C=C, tol=1e-5, fit_intercept=intercept, on_unconverged="ignore").fit(X, y, s)
    reached = _objective(model, X, y, C, s)
    lower = model.certificate_.dual * C * s.sum()
    for scale in (1e-4, 1e-2, 1.0):
        other = LinearSVC(loss=loss)
        other.classes_ = model.classes_
        other.coef_ = model.coef_ * (1.0 + scale * rng.normal(size=(1, d)))
        other.intercept_ = model.intercept_ + (scale * rng.normal() if intercept else 0.0)
        assert _objective(other, X, y, C, s) >= lower * (1.0 - 1e-9)
    if model.certificate_.passed:
        assert reached - lower <= 1.1e-5 * abs(lower)


# ---------------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
@pytest.mark.parametrize("penalised", [True, False])
def test_regression_is_liblinears(regression_data, loss, epsilon, penalised):
    X, y = regression_data(n=80)
    X = X - X.mean(axis=0)
    mine = LinearSVR(loss=loss, epsilon=epsilon, C=0.3, tol=1e-8, penalize_intercept=penalised).fit(X, y)
    target = y if penalised else y - mine.intercept_  # without an intercept it has the same weights
    theirs = svm.LinearSVR(
        loss=loss, epsilon=epsilon, C=0.3, fit_intercept=penalised, dual=True, tol=1e-5, max_iter=1_000_000
    ).fit(X, target)

    def objective(w, b):
        excess = np.maximum(np.abs(X @ w + b - y) - epsilon, 0.0)
        cost = excess if loss == "epsilon_insensitive" else excess * excess
        return 0.5 * (w @ w + (b * b if penalised else 0.0)) + 0.3 * cost.sum()

    b = float(np.ravel(theirs.intercept_)[0]) if penalised else mine.intercept_
    assert objective(mine.coef_, mine.intercept_) <= objective(theirs.coef_, b) * (1.0 + 1e-7)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=5e-3, atol=5e-3)
    np.testing.assert_allclose(mine.dual_coef_ @ X, mine.coef_, rtol=1e-3, atol=1e-3)
    errors = np.abs(mine.predict(X) - y)
    np.testing.assert_allclose(mine.slacks_, np.maximum(errors - epsilon, 0.0), atol=1e-12)
    assert np.all(errors[mine.support_] >= epsilon - 1e-3)
    assert mine.certificate_.passed


@pytest.mark.parametrize("loss", ["epsilon_insensitive", "squared_epsilon_insensitive"])
@pytest.mark.parametrize("epsilon", [0.0, 0.4])
@pytest.mark.parametrize("intercept", ["free", "penalised", "none"])
def test_the_exact_program_of_a_regression_agrees(regression_data, loss, epsilon, intercept):
    pytest.importorskip("cvxpy")
    X, y = regression_data(n=60)
    s = np.random.default_rng(0).uniform(0.0, 2.0, 60) * (np.arange(60) % 7 > 0)
    model = LinearSVR(loss=loss, epsilon=epsilon, C=0.5, tol=1e-7, fit_intercept=intercept != "none")
    model.set_params(penalize_intercept=intercept == "penalised").fit(X, y, s)
    found = steepest.verify(model, X, y, s)
    assert found.agrees, str(found)
    assert found.program == "QP"
    assert abs(found.excess) < 2e-6
    np.testing.assert_allclose(found.coef, model.coef_, atol=2e-3 * np.abs(model.coef_).max())
    model.coef_ = model.coef_ * 1.2
    assert not steepest.verify(model, X, y, s).agrees


def test_verify_refuses_what_it_cannot_read(class_data):
    pytest.importorskip("cvxpy")
    X, y = class_data(k=3)
    with pytest.raises(steepest.exceptions.IncompatibleError, match="fitted LinearSVC or LinearSVR"):
        steepest.verify(steepest.LogisticRegression().fit(X, y), X, y)
    tree = steepest.TaxonomySVM().fit(X, y)
    with pytest.raises(steepest.exceptions.IncompatibleError, match="got TaxonomySVM"):
        steepest.verify(tree, X, y)
    with pytest.raises(steepest.exceptions.IncompatibleError, match="two classes"):
        steepest.verify(LinearSVC().fit(X, y), X, y)


def test_multipliers_of_one_class_prove_no_margin():
    X, y = np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([-1.0, -1.0, 1.0, 1.0])
    w, b = np.array([1.0]), -2.0
    found = judged(X, y, w, b, np.array([0.0, 0.0, 1.0, 0.0]), 10.0, intercept=True)
    assert found.certificate is None
    assert found.width == np.inf


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
@pytest.mark.parametrize("options", [{}, {"fit_intercept": False}, {"penalize_intercept": True}, {"max_iter": 1}])
def test_slacks_are_those_of_the_coefficients_that_are_returned(class_data, loss, options):
    """Scores are taken over from the certificate's evaluation, where that was at these coefficients."""
    X, y = class_data(n=200, d=6)
    model = LinearSVC(loss=loss, on_unconverged="ignore", **options).fit(X, y)
    signs = np.where(y == model.classes_[1], 1.0, -1.0)
    np.testing.assert_allclose(model.slacks_, np.maximum(1.0 - signs * model.decision_function(X), 0.0), atol=1e-12)
