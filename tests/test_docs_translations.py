"""The pages for people who come from LIBLINEAR and glmnet: every translation is fitted on both sides.

LIBLINEAR runs itself.  glmnet is an R package, so its documented objective is written down for CVXPY, and the steps
that it takes for ``standardize = TRUE`` and for the target of "gaussian" are followed with scikit-learn.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import steepest
from steepest.losses import EpsilonInsensitive, SquaredEpsilonInsensitive

DOCS = Path(__file__).resolve().parents[1] / "docs"
N, D, C, EPSILON = 120, 6, 0.3, 0.2


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, D)) * np.array([1.0, 2.0, 0.5, 1.5, 1.0, 0.3])
    score = X @ np.array([1.0, -0.5, 0.7, 0.0, 0.0, 2.0]) + 0.4
    return X, score, rng


@pytest.fixture(scope="module")
def signs(rows):
    X, score, _ = rows
    return X, np.where(score + np.random.default_rng(4).logistic(size=N) > 0.0, 1.0, -1.0)


@pytest.fixture(scope="module")
def numbers(rows):
    X, score, _ = rows
    return X, score + 0.5 * np.random.default_rng(5).standard_normal(N)


# ----------------------------------------------------------------------------------------------- LIBLINEAR

SETTINGS = {"fit_intercept": False, "tol": 1e-9, "on_unconverged": "raise"}


def translated(kind, n=N):
    """What the page's table says for ``-s kind``."""
    a = 1.0 / (C * n)
    return {
        0: steepest.LinearClassifier("logistic", alpha=a, **SETTINGS),
        1: steepest.LinearClassifier("squared_hinge", alpha=a, **SETTINGS),
        2: steepest.LinearClassifier("squared_hinge", alpha=a, **SETTINGS),
        3: steepest.LinearClassifier("hinge", alpha=a, **SETTINGS),
        5: steepest.LinearClassifier("squared_hinge", penalty="l1", alpha=a, **SETTINGS),
        6: steepest.LinearClassifier("logistic", penalty="l1", alpha=a, **SETTINGS),
        7: steepest.LinearClassifier("logistic", alpha=a, **SETTINGS),
        11: steepest.LinearRegressor(SquaredEpsilonInsensitive(EPSILON), alpha=a, **SETTINGS),
        12: steepest.LinearRegressor(SquaredEpsilonInsensitive(EPSILON), alpha=a, **SETTINGS),
        13: steepest.LinearRegressor(EpsilonInsensitive(EPSILON), alpha=a, **SETTINGS),
    }[kind]


def liblinear(kind, X, y, options=""):
    """Weights of LIBLINEAR's own program."""
    tool = pytest.importorskip("liblinear.liblinearutil")
    model = tool.train(list(y), X, f"-s {kind} -c {C} -p {EPSILON} -e 1e-9 -q {options}")
    weights = np.array([model.w[j] for j in range(model.nr_feature + (model.bias >= 0))])
    return weights if kind > 10 or model.label[0] == 1 else -weights


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 5, 6, 7])
def test_classification_is_that_of_liblinear(signs, kind):
    X, y = signs
    model, weights = translated(kind).fit(X, y), liblinear(kind, X, y)
    # its descent on the hinge loss ends after 1000 rounds, a little before the minimum
    np.testing.assert_allclose(model.coef_[0], weights, atol=2e-3 if kind == 3 else 2e-4)
    if kind == 3:
        value = np.maximum(0.0, 1.0 - y * (X @ weights)).mean() + weights @ weights / (2.0 * C * N)
        assert model.certificate_.dual <= value <= model.certificate_.primal * (1.0 + 1e-5)


@pytest.mark.parametrize("kind", [11, 12, 13])
def test_regression_is_that_of_liblinear(numbers, kind):
    X, y = numbers
    np.testing.assert_allclose(translated(kind).fit(X, y).coef_, liblinear(kind, X, y), atol=2e-4)


def test_every_type_of_the_page_is_tested():
    text = (DOCS / "from_liblinear.rst").read_text(encoding="utf-8")
    table = text.split(".. list-table::")[1]
    kinds = {int(k) for cells in re.findall(r"^    \* - ([\d, ]+)$", table, re.MULTILINE) for k in cells.split(",")}
    assert kinds - {4, 21} == {0, 1, 2, 3, 5, 6, 7, 11, 12, 13}


def test_the_bias_is_a_penalised_column(signs):
    X, y = signs
    wider = np.hstack([X, np.full((N, 1), 1.0)])
    np.testing.assert_allclose(translated(2).fit(wider, y).coef_[0], liblinear(2, X, y, "-B 1"), atol=2e-4)


def test_class_weights(signs):
    X, y = signs
    total = N + 2.0 * (y > 0).sum()
    model = translated(0, total).set_params(class_weight={1.0: 3.0, -1.0: 1.0}).fit(X, y)
    reference = liblinear(0, X, y, "-w1 3 -w-1 1")
    np.testing.assert_allclose(model.coef_[0], reference, atol=2e-4)
    same = steepest.LogisticRegression(C=C, class_weight={1.0: 3.0, -1.0: 1.0}, fit_intercept=False, tol=1e-9)
    np.testing.assert_allclose(same.fit(X, y).coef_[0], reference, atol=2e-4)


@pytest.mark.parametrize("kind", [0, 6])
def test_logistic_regression_takes_c_itself(signs, kind):
    X, y = signs
    model = steepest.LogisticRegression(C=C, l1_ratio=float(kind == 6), **SETTINGS).fit(X, y)
    np.testing.assert_allclose(model.coef_[0], liblinear(kind, X, y), atol=2e-4)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_scikit_learns_wrapper(signs, loss):
    from sklearn.svm import LinearSVC

    X, y = signs
    theirs = LinearSVC(loss=loss, C=C, fit_intercept=False, tol=1e-9, max_iter=200_000).fit(X, y)
    ours = steepest.LinearClassifier(loss, alpha=1.0 / (C * N), **SETTINGS).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=2e-4)


# -------------------------------------------------------------------------------------------------- glmnet

LAMBDA, ALPHA = 0.05, 0.4


def minimised(family, X, y, lam, alpha, weights=None):
    """The objective of glmnet's manual, without standardising anything."""
    cp = pytest.importorskip("cvxpy")
    n, d = X.shape
    s = np.ones(n) if weights is None else weights / weights.mean()
    k = len(np.unique(y)) if family == "multinomial" else 1
    w, b = cp.Variable((d, k)), cp.Variable((1, k))
    z = X @ w + np.ones((n, 1)) @ b
    column = z[:, 0]
    if family == "gaussian":
        losses = cp.square(y - column) / 2.0
    elif family == "binomial":
        losses = cp.logistic(column) - cp.multiply(y, column)
    elif family == "poisson":
        losses = cp.exp(column) - cp.multiply(y, column)
    else:
        losses = cp.log_sum_exp(z, axis=1) - cp.sum(cp.multiply(np.eye(k)[y], z), axis=1)
    penalty = alpha * cp.sum(cp.abs(w)) + (1.0 - alpha) / 2.0 * cp.sum_squares(w)
    task = cp.Problem(cp.Minimize(s @ losses / n + lam * penalty))
    task.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    return w.value.T, task.value


def here(family, lam, alpha):
    options = {"alpha": lam, "l1_ratio": alpha, "tol": 1e-10, "on_unconverged": "raise"}
    if family == "gaussian":
        return steepest.ElasticNet(**options)
    if family == "poisson":
        return steepest.LinearRegressor("poisson", penalty="elasticnet", **options)
    return steepest.LinearClassifier(
        {"binomial": "logistic", "multinomial": "softmax"}[family], penalty="elasticnet", **options
    )


def target(family, score):
    rng = np.random.default_rng(6)
    if family == "gaussian":
        return score + rng.standard_normal(N)
    if family == "binomial":
        return (score + rng.logistic(size=N) > 0.0).astype(int)
    if family == "poisson":
        return rng.poisson(np.exp(0.3 * score))
    return np.digitize(score + rng.standard_normal(N), [-1.0, 1.0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("family", ["gaussian", "binomial", "multinomial", "poisson"])
def test_families_have_the_objective_of_the_manual(rows, family, weighted):
    X, score, _ = rows
    y = target(family, score)
    weights = np.random.default_rng(7).uniform(0.5, 2.0, N) if weighted else None
    w, value = minimised(family, X, y, LAMBDA, ALPHA, weights)
    model = here(family, LAMBDA, ALPHA).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(np.atleast_2d(model.coef_), w, atol=1e-4)
    assert model.certificate_.primal == pytest.approx(value, rel=1e-7)


def gaussian_steps(X, y, lam, alpha, standardize):
    """What glmnet does for "gaussian": units of one deviation, a fit, and back."""
    from sklearn.linear_model import ElasticNet

    s_y = y.std()
    s_x = X.std(axis=0) if standardize else np.ones(X.shape[1])
    inner = ElasticNet(alpha=lam / s_y, l1_ratio=alpha, tol=1e-14, max_iter=1_000_000)
    inner.fit((X - X.mean(axis=0)) / s_x, (y - y.mean()) / s_y)
    return inner.coef_ * s_y / s_x


def from_glmnet(lam, alpha, s_y):
    """The function of the page."""
    found = re.search(
        r"    >>> (def from_glmnet.*?)\n    >>>", (DOCS / "from_glmnet.rst").read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    scope = {}
    exec(re.sub(r"\n    \.\.\. ?", "\n", found[1]), scope)
    return scope["from_glmnet"](lam, alpha, s_y)


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 0.5, 0.1])
def test_gaussian_with_its_target_in_units_of_its_deviation(rows, alpha, standardize):
    X, score, _ = rows
    y = 7.0 * target("gaussian", score)
    lam = 0.8
    reference = gaussian_steps(X, y, lam, alpha, standardize)
    model = steepest.ElasticNet(**from_glmnet(lam, alpha, y.std()), tol=1e-12, on_unconverged="raise")
    if standardize:
        whole = make_pipeline(steepest.Scaler(), model).fit(X, y)
        coef = whole[-1].coef_ / whole[0].scale_
    else:
        coef = model.fit(X, y).coef_
    np.testing.assert_allclose(coef, reference, atol=1e-5)
    if alpha < 1.0:  # and without the correction it would not be
        wrong = steepest.ElasticNet(alpha=lam, l1_ratio=alpha, tol=1e-12).fit(X, y).coef_
        assert np.abs(wrong - reference).max() > 1e-3


def test_ridge_with_its_target_in_units_of_its_deviation(rows):
    X, score, _ = rows
    y = 7.0 * target("gaussian", score)
    centred = X - X.mean(axis=0)
    s_y = y.std()
    reference = s_y * np.linalg.solve(centred.T @ centred / N + 0.8 / s_y * np.eye(D), centred.T @ (y / s_y) / N)
    model = steepest.Ridge(alpha=N * 0.8 / s_y, tol=1e-12).fit(X, y)
    np.testing.assert_allclose(model.coef_, reference, atol=1e-8)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_standardised_columns_with_coefficients_in_the_units_of_the_data(rows, family):
    X, score, _ = rows
    y = target(family, score)
    scale = X.std(axis=0)
    w, _ = minimised(family, (X - X.mean(axis=0)) / scale, y, LAMBDA, ALPHA)
    whole = make_pipeline(steepest.Scaler(), here(family, LAMBDA, ALPHA)).fit(X, y)
    np.testing.assert_allclose((whole[-1].coef_ / whole[0].scale_).ravel(), w[0] / scale, atol=1e-4)


def test_penalty_factors_are_divided_columns(rows):
    cp = pytest.importorskip("cvxpy")
    X, score, _ = rows
    y = target("gaussian", score)
    factors = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])
    w, b = cp.Variable(D), cp.Variable()
    cp.Problem(
        cp.Minimize(cp.sum_squares(y - X @ w - b) / (2 * N) + LAMBDA * cp.sum(cp.multiply(factors, cp.abs(w))))
    ).solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    coef = steepest.Lasso(alpha=LAMBDA, tol=1e-10).fit(X / factors, y).coef_ / factors
    np.testing.assert_allclose(coef, w.value, atol=1e-4)


def test_the_path_begins_where_all_weights_are_zero(rows):
    X, score, _ = rows
    y = target("gaussian", score)
    path = steepest.regularization_path(steepest.Lasso(), X, y, n_alphas=5)
    largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / N
    assert path.alphas[0] == pytest.approx(largest, rel=1e-8)
