"""LinearClassifier and LinearRegressor: any loss, penalty and solver; the objective as text; the HTML view."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

import steepest
from steepest.losses import EpsilonInsensitive, Huber, Logistic, Quantile, Softmax
from steepest.penalties import L1, L2, ElasticNet, NoPenalty

PLAIN: dict[str, Any] = {
    "logistic": lambda z, y: np.logaddexp(0.0, -y * z),
    "squared_hinge": lambda z, y: np.maximum(0.0, 1.0 - y * z) ** 2,
    "exponential": lambda z, y: np.exp(-y * z),
    "squared": lambda z, y: 0.5 * (z - y) ** 2,
    "huber": lambda z, y: np.where(np.abs(z - y) <= 1.0, 0.5 * (z - y) ** 2, np.abs(z - y) - 0.5),
    "poisson": lambda z, y: np.exp(z) - y * z,
    "bernoulli": lambda z, y: np.logaddexp(0.0, z) - y * z,
}


def optimum(loss: str, X: Any, y: Any, s: Any, alpha: float) -> float:
    """The least objective by an independent solver."""

    def objective(v: Any) -> float:
        z = X @ v[:-1] + v[-1]
        return float(s @ PLAIN[loss](z, y) / s.sum() + 0.5 * alpha * v[:-1] @ v[:-1])

    best = minimize(objective, np.zeros(X.shape[1] + 1), method="BFGS", options={"gtol": 1e-7})
    return float(best.fun)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge", "exponential", "bernoulli"])
def test_classifier_losses(class_data: Any, loss: str) -> None:
    X, y = class_data()
    s = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    model = steepest.LinearClassifier(loss, alpha=0.1, tol=1e-7, on_unconverged="raise").fit(X, y, s)
    target = y if loss == "bernoulli" else 2 * y - 1
    best = optimum(loss, X, target, s, 0.1)
    assert model.certificate_.primal == pytest.approx(best, rel=1e-6)
    assert model.certificate_.dual <= best + 1e-9
    assert model.coef_.shape == (1, 4)


@pytest.mark.parametrize("loss", ["squared", "huber", "poisson", "bernoulli"])
def test_regressor_losses(regression_data: Any, loss: str) -> None:
    X, y = regression_data(d=3)
    X = X / 3.0
    y = {"poisson": np.floor(np.abs(y)), "bernoulli": expit(y)}.get(loss, y)
    s = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    given = Huber(1.0) if loss == "huber" else loss
    model = steepest.LinearRegressor(given, alpha=0.1, tol=1e-7, on_unconverged="raise").fit(X, y, s)
    best = optimum(loss, X, y, s, 0.1)
    assert model.certificate_.primal == pytest.approx(best, rel=1e-6)
    z = X @ model.coef_ + model.intercept_
    expected = {"poisson": np.exp, "bernoulli": expit}.get(loss, lambda v: v)(z)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-10)


def test_quantiles_cover_their_share() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = X @ [1.0, -1.0] + rng.standard_t(3, size=400)
    for q in (0.1, 0.5, 0.9):
        model = steepest.LinearRegressor(Quantile(q), alpha=1e-6, tol=1e-5, on_unconverged="raise").fit(X, y)
        assert abs(np.mean(y <= model.predict(X)) - q) < 0.02


def test_robust_losses_resist_outliers() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = X @ [2.0, -1.0] + 0.1 * rng.normal(size=200)
    y[:20] += 100.0
    for loss in (Huber(0.5), "absolute", EpsilonInsensitive(0.1)):
        model = steepest.LinearRegressor(loss, alpha=1e-6, tol=1e-4, on_unconverged="raise").fit(X, y)
        np.testing.assert_allclose(model.coef_, [2.0, -1.0], atol=0.1)
    assert abs(steepest.LinearRegressor(alpha=0.0).fit(X, y).intercept_) > 5.0


@pytest.mark.parametrize("loss", ["hinge", "modified_huber", "squared_hinge", "sigmoid"])
def test_margin_losses_separate(class_data: Any, loss: str) -> None:
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(40, 2)) - 4.0, rng.normal(size=(40, 2)) + 4.0])
    y = np.repeat(["left", "right"], 40)
    model = steepest.LinearClassifier(loss, alpha=1e-3, on_unconverged="ignore").fit(X, y)
    assert model.score(X, y) == 1.0


def test_one_versus_rest_is_a_fit_for_each_class(class_data: Any) -> None:
    X, y = class_data(k=3)
    model = steepest.LinearClassifier(alpha=0.01, tol=1e-9).fit(X, y)
    for c in range(3):
        single = steepest.LinearClassifier(alpha=0.01, tol=1e-9).fit(X, (y == c).astype(int))
        np.testing.assert_allclose(model.coef_[c], single.coef_[0], rtol=1e-9)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X), rtol=1e-9)
    outputs = model.certificate_.evidence["outputs"]
    assert [output["label"] for output in outputs] == [f"class {c} against the rest" for c in range(3)]
    assert model.certificate_.value == pytest.approx(sum(output["value"] for output in outputs))
    assert model.certificate_.relative == max(output["relative"] for output in outputs)
    assert "3 targets" in model.objective_
    assert len(model.n_iter_) == 3


def test_softmax_of_two_classes_is_logistic(class_data: Any) -> None:
    X, y = class_data()
    two = steepest.LinearClassifier(Softmax(), alpha=0.1, tol=1e-10).fit(X, y)
    one = steepest.LinearClassifier(Logistic(), alpha=0.05, tol=1e-10).fit(X, y)  # |w1|^2 + |w2|^2 = |w1 - w2|^2 / 2
    assert two.coef_.shape == (2, 4)
    np.testing.assert_allclose(two.coef_[1] - two.coef_[0], one.coef_[0], atol=1e-6)
    np.testing.assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-5)
    np.testing.assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(two.predict(X), one.predict(X))


@pytest.mark.parametrize(
    ("by_name", "value"),
    [
        ({"penalty": "l2", "alpha": 0.3}, L2(0.3)),
        ({"penalty": "l1", "alpha": 0.02}, L1(0.02)),
        ({"penalty": "elasticnet", "alpha": 0.05, "l1_ratio": 0.3}, ElasticNet(0.05, 0.3)),
        ({"penalty": None}, NoPenalty()),
        ({"penalty": "none"}, NoPenalty()),
        ({"alpha": 0.0}, NoPenalty()),
    ],
)
def test_penalties_by_name_and_value(regression_data: Any, by_name: dict[str, Any], value: Any) -> None:
    X, y = regression_data()
    one = steepest.LinearRegressor(**by_name, tol=1e-9).fit(X, y)
    two = steepest.LinearRegressor(penalty=value, tol=1e-9).fit(X, y)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.objective_ == two.objective_


def test_a_loss_of_the_user(regression_data: Any) -> None:
    @steepest.scalar_loss(name="log_cosh_of_a_test")
    class LogCosh(NamedTuple):
        scale: float = 1.0

        convex = True
        smoothness = 1.0

        def value(self, z: float, y: float) -> float:
            r = abs(z - y) / self.scale
            return self.scale**2 * (r + np.log(0.5 * (1.0 + np.exp(-2.0 * r))))

        def slope(self, z: float, y: float) -> float:
            return self.scale * np.tanh((z - y) / self.scale)

    X, y = regression_data()
    model = steepest.LinearRegressor(LogCosh(0.5), alpha=0.1, tol=1e-6, on_unconverged="raise").fit(X, y)

    def objective(v: Any) -> float:
        r = (X @ v[:-1] + v[-1] - y) / 0.5
        return float(np.mean(0.25 * np.log(np.cosh(r))) + 0.05 * v[:-1] @ v[:-1])

    best = minimize(objective, np.zeros(6), method="BFGS")
    assert model.certificate_.primal == pytest.approx(best.fun, rel=1e-5)
    assert "log_cosh_of_a_test(z_i, y_i; scale=0.5)" in model.objective_


def test_a_loss_that_does_not_compile_is_named(regression_data: Any) -> None:
    from steepest.losses import LossCompileError

    @steepest.scalar_loss(name="broken_in_a_test")
    class Broken(NamedTuple):
        c: float = 1.0

        def value(self, z: float, y: float) -> float:
            return np.fabulous(z - y)  # type: ignore[attr-defined, no-any-return]

        def slope(self, z: float, y: float) -> float:
            return z - y

    X, y = regression_data()
    with pytest.raises(LossCompileError, match=r"Broken\.value cannot be compiled"):
        steepest.LinearRegressor(Broken()).fit(X, y)


def test_objectives_in_words(class_data: Any, regression_data: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression(C=2.0).fit(X, y)
    expected = (
        "P(w, b) = (1/90) sum_i log(1 + exp(-y_i z_i)) + 0.00555556/2 |w|_2^2,  z_i = x_i.w + b,  y_i in {-1, +1}"
    )
    assert model.objective_ == expected
    assert model.fit_record_.objective == expected
    weighted = steepest.LinearClassifier("softmax", penalty="l1", alpha=0.25, fit_intercept=False)
    assert weighted.fit(X, y, np.full(90, 2.0)).objective_ == (
        "P(W) = (1/180) sum_i s_i (log sum_j exp(z_ij) - z_i,y_i) + 0.25 |W|_1,  z_i = x_i W"
    )
    X, y = regression_data()
    assert steepest.ElasticNet(2.0, l1_ratio=0.25).fit(X, y).objective_ == (
        "P(w, b) = (1/60) sum_i 1/2 (z_i - y_i)^2 + 0.5 |w|_1 + 1.5/2 |w|_2^2,  z_i = x_i.w + b"
    )
    with pytest.raises(Exception, match="not fitted"):
        _ = steepest.Ridge().objective_


def test_html_shows_objective_and_certificate(class_data: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression()
    assert "Minimised" not in model._repr_html_()
    page = model.fit(X, y)._repr_html_()
    assert "Minimised <code>P(w, b) = (1/90) sum_i log(1 + exp(-y_i z_i))" in page
    assert "Proven: the objective" in page
    assert model._repr_mimebundle_()["text/html"].count("Minimised") == 1


def test_the_record_of_a_fit(class_data: Any) -> None:
    X, y = class_data()
    model = steepest.LogisticRegression(C=2.0, n_jobs=1).fit(X, y)
    record = model.fit_record_
    assert record.estimator == "LogisticRegression"
    assert record.parameters["C"] == 2.0
    assert record.data == {
        "n_samples": 90,
        "n_features": 4,
        "n_outputs": 1,
        "nnz": 360,
        "density": 1.0,
        "dtype": "float64",
        "kind": "dense",
        "bytes": 2880,
    }
    assert set(record.seconds) == {"total", "validate", "compile", "solve", "certify"}
    assert record.seconds["total"] >= record.seconds["solve"] + record.seconds["validate"]
    assert record.solver["why"]
    assert record.solver["expected"]
    assert record.iterations == model.n_iter_.sum()
    assert record.passes >= len(model.history_)
    assert record.certificate is model.certificate_
    assert "certified" in record.to_json()
