"""Validation rows: they measure every round and change nothing; with patience the best round is the result."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_array, csr_array
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest
from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import Status


def classes(n: int, k: int = 2, seed: int = 0, d: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng([seed, k])
    centres = np.random.default_rng(k).normal(size=(d, k))
    X = rng.normal(size=(n, d)) * np.linspace(0.5, 4.0, d)
    return X, (X @ centres * 0.2 + rng.normal(size=(n, k))).argmax(axis=1)


def numbers(n: int, seed: int = 0, t: int = 1, d: int = 12) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.linspace(0.5, 4.0, d)
    Y = X @ np.random.default_rng(1).normal(size=(d, t)) * 0.3 + 2.0 * rng.normal(size=(n, t))
    return X, (Y[:, 0] if t == 1 else Y)


def overfitting(**parameters: Any) -> Any:
    """Gradient descent that passes the best round on the way to a weakly penalised optimum."""
    options = {"solver": "gradient_descent", "tol": 1e-9, "max_iter": 400, "on_unconverged": "raise", **parameters}
    return steepest.LinearClassifier("logistic", alpha=1e-6, **options)


@pytest.fixture(scope="module")
def small() -> Any:
    """Few rows and many features: the optimum on the training rows is a bad model."""
    X, y = classes(60, d=25, seed=3)
    return X, y, *classes(300, d=25, seed=4)


MODELS = [
    steepest.LogisticRegression(),
    steepest.LogisticRegression(l1_ratio=1.0, C=0.2),
    steepest.LinearClassifier("hinge", alpha=1e-2),
    steepest.LinearClassifier("squared_hinge", alpha=1e-2),
    steepest.LinearClassifier("softmax", alpha=1e-2, solver="newton-cg"),
    steepest.LinearClassifier("logistic", alpha=1e-1, fit_intercept=False, solver="dual_coordinate"),
    steepest.LinearClassifier("logistic", alpha=1e-1, solver="fista"),
    steepest.Ridge(),
    steepest.LinearRegression(),
    steepest.Lasso(0.05),
    steepest.LinearRegressor("huber", alpha=1e-2),
    steepest.LinearRegressor("squared", alpha=1e-2, solver="lbfgs"),
]


@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{type(m).__name__}-{getattr(m, 'loss', '')}-{m.solver}")
def test_measuring_changes_no_bit(model: Any, k: int, container: Any) -> None:
    if isinstance(model, steepest.LinearRegressor):
        k = 2  # one target
    make = classes if sklearn.base.is_classifier(model) else lambda n, k, seed: numbers(n, seed, k - 1)
    X, y = make(90, k, seed=0)
    X_val, y_val = make(40, k, seed=1)
    plain = sklearn.base.clone(model).fit(container(X), y)
    seen = sklearn.base.clone(model).fit(container(X), y, X_val=container(X_val), y_val=y_val)
    np.testing.assert_array_equal(plain.coef_, seen.coef_)
    np.testing.assert_array_equal(plain.intercept_, seen.intercept_)
    np.testing.assert_array_equal(plain.history_["objective"], seen.history_["objective"])
    assert seen.certificate_.passed
    assert np.isfinite(seen.history_["validation_loss"]).all()
    assert np.isnan(seen.history_["validation_score"]).all()
    assert np.isnan(plain.history_["validation_loss"]).all()
    assert seen.fit_record_.data["validation"]["n_samples"] == 40
    assert "validation" not in plain.fit_record_.data


def test_many_columns_on_the_span_of_the_rows() -> None:
    X, y = classes(30, d=3500)
    X_val, y_val = classes(20, d=3500, seed=1)
    plain = steepest.LogisticRegression().fit(X, y)
    seen = steepest.LogisticRegression().fit(X, y, X_val=X_val, y_val=y_val)
    assert "span of the rows" in seen.fit_record_.solver["why"]
    np.testing.assert_array_equal(plain.coef_, seen.coef_)
    expected = log_loss(y_val, seen.predict_proba(X_val))
    assert seen.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("k", [2, 4])
def test_the_loss_is_that_of_scikit_learn(k: int) -> None:
    X, y = classes(150, k)
    X_val, y_val = classes(70, k, seed=1)
    s = np.random.default_rng(0).uniform(0.5, 2.0, 70)
    model = steepest.LogisticRegression(tol=1e-9).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=s)
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-5)
    assert model.history_["validation_loss"][0] == pytest.approx(np.log(k), rel=0.5)


def test_class_weights_count_in_the_loss() -> None:
    X, y = classes(150)
    X_val, y_val = classes(70, seed=1)
    model = steepest.LogisticRegression(class_weight={0: 5.0, 1: 1.0}, tol=1e-9)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    weights = np.where(y_val == 0, 5.0, 1.0)
    expected = log_loss(y_val, model.predict_proba(X_val), sample_weight=weights)
    assert model.history_["validation_loss"][-1] == pytest.approx(expected, rel=1e-5)


def test_patience_returns_the_best_round(small: Any) -> None:
    X, y, X_val, y_val = small
    model = overfitting(patience=5).fit(X, y, X_val=X_val, y_val=y_val)
    losses = model.history_["validation_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < len(losses) - 1
    assert len(losses) == best + 1 + 5
    assert log_loss(y_val, model.predict_proba(X_val)) == pytest.approx(losses[best], rel=1e-12)
    certificate = model.certificate_
    assert certificate.status is Status.STOPPED_EARLY
    assert not certificate.passed
    assert f"best in round {best}" in certificate.reason
    assert certificate.primal == pytest.approx(model.history_["objective"][best], rel=1e-12)
    # the bound is true: the optimum is inside
    optimum = steepest.LinearClassifier("logistic", alpha=1e-6, tol=1e-7).fit(X, y).certificate_
    assert certificate.dual <= optimum.primal
    assert certificate.primal - optimum.primal <= certificate.value * (1 + 1e-9)
    summary = model.fit_record_.data["validation"]
    assert (summary["best_round"], summary["patience"], summary["monitor"]) == (best, 5, "loss")
    assert model.fit_record_.to_dict()["history"]["validation_loss"] == losses.tolist()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), patience=st.integers(1, 8), monitor=st.sampled_from(["loss", "accuracy", "roc_auc"]))
def test_the_result_is_the_best_of_the_rounds_seen(seed: int, patience: int, monitor: str) -> None:
    X, y = classes(50, d=20, seed=seed)
    X_val, y_val = classes(80, d=20, seed=seed + 5000)
    model = overfitting(patience=patience, monitor=monitor, on_unconverged="ignore", max_iter=60)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    if monitor == "loss":
        seen, reached = -model.history_["validation_loss"], -log_loss(y_val, model.predict_proba(X_val))
    else:
        seen = model.history_["validation_score"]
        reached = sklearn.metrics.get_scorer(monitor)(model, X_val, y_val)
    assert reached == pytest.approx(seen.max(), rel=1e-9)
    last = np.flatnonzero(seen == seen.max())[-1]
    assert model.fit_record_.data["validation"]["best_round"] == last


def test_a_callable_with_weights_and_names(small: Any) -> None:
    X, y, X_val, y_val = small
    names = np.array(["no", "yes"])
    calls: list[Any] = []

    def weighted(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        calls.append(sample_weight)
        assert set(y) <= {"no", "yes"}
        return float(accuracy_score(y, estimator.predict(X), sample_weight=sample_weight))

    s = np.linspace(0.5, 1.5, len(y_val))
    model = overfitting(patience=4, monitor=weighted)
    model.fit(X, names[y], X_val=X_val, y_val=names[y_val], sample_weight_val=s)
    scores = model.history_["validation_score"]
    assert len(calls) == len(scores)
    np.testing.assert_array_equal(calls[0], s)
    assert accuracy_score(names[y_val], model.predict(X_val), sample_weight=s) == pytest.approx(scores.max())
    assert model.fit_record_.data["validation"]["monitor"] == "weighted"
    with pytest.raises(InvalidParameterError, match="takes no sample_weight"):
        overfitting(monitor=lambda e, X, y: 0.0).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)


def test_min_delta_is_less_patient(small: Any) -> None:
    X, y, X_val, y_val = small
    strict = overfitting(patience=3, min_delta=0.05).fit(X, y, X_val=X_val, y_val=y_val)
    lax = overfitting(patience=3).fit(X, y, X_val=X_val, y_val=y_val)
    assert len(strict.history_) <= len(lax.history_)
    losses = strict.history_["validation_loss"]
    assert strict.fit_record_.data["validation"]["best_round"] == int(np.argmin(losses))


def test_a_budget_stays_a_budget(small: Any) -> None:
    X, y, X_val, y_val = small
    model = overfitting(patience=300, max_iter=12, on_unconverged="ignore").fit(X, y, X_val=X_val, y_val=y_val)
    best = int(np.argmin(model.history_["validation_loss"]))
    assert best < 12
    assert model.certificate_.status is Status.BUDGET
    assert "max_iter=12 reached; the validation loss was best in round" in model.certificate_.reason
    assert model.certificate_.primal == pytest.approx(model.history_["objective"][best], rel=1e-12)


def test_patience_that_is_never_spent_is_certified() -> None:
    X, y = classes(2000)
    X_val, y_val = classes(1000, seed=1)
    plain = steepest.LogisticRegression(C=0.01).fit(X, y)
    model = steepest.LogisticRegression(C=0.01, patience=50).fit(X, y, X_val=X_val, y_val=y_val)
    if model.fit_record_.data["validation"]["best_round"] == len(model.history_) - 1:
        np.testing.assert_array_equal(plain.coef_, model.coef_)
        assert model.certificate_.passed
    else:
        assert model.certificate_.status in (Status.STOPPED_EARLY, Status.CERTIFIED)


def test_one_against_the_rest_is_watched_class_by_class() -> None:
    X, y = classes(90, 3, d=20)
    X_val, y_val = classes(200, 3, seed=1, d=20)
    for monitor in ("loss", "roc_auc"):
        model = overfitting(patience=4, monitor=monitor, on_unconverged="ignore").fit(X, y, X_val=X_val, y_val=y_val)
        outputs = model.fit_record_.data["validation"]["outputs"]
        assert [item["label"] for item in outputs] == [f"class {c} against the rest" for c in range(3)]
        for c, item in enumerate(outputs):
            z = X_val @ model.coef_[c] + model.intercept_[c]
            if monitor == "loss":
                reached = np.logaddexp(0.0, -np.where(y_val == c, 1.0, -1.0) * z).mean()
            else:
                reached = sklearn.metrics.roc_auc_score(y_val == c, z)
            assert reached == pytest.approx(item["best"], rel=1e-9)


def test_several_targets_are_watched_one_by_one() -> None:
    X, Y = numbers(25, t=2, d=20)
    X_val, Y_val = numbers(200, seed=1, t=2, d=20)
    model = steepest.Ridge(1e-3, solver="gradient_descent", patience=3, monitor="r2", tol=1e-10, max_iter=500)
    model.fit(X, Y, X_val=X_val, y_val=Y_val)
    for t, item in enumerate(model.fit_record_.data["validation"]["outputs"]):
        assert item["best"] == pytest.approx(r2_score(Y_val[:, t], model.predict(X_val)[:, t]), rel=1e-9)


def test_a_direct_solution_is_measured_once() -> None:
    X, y = numbers(50)
    X_val, y_val = numbers(30, seed=1)
    model = steepest.Ridge(patience=3).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.fit_record_.solver["name"] == "closed_form"
    assert model.certificate_.passed
    expected = 0.5 * np.mean((model.predict(X_val) - y_val) ** 2)
    assert model.history_["validation_loss"].tolist() == pytest.approx([expected])


def test_a_fraction_of_the_rows_is_held_out() -> None:
    X, y = classes(200, 4)
    s = np.random.default_rng(0).uniform(0.5, 2.0, 200)
    model = steepest.LogisticRegression(validation_fraction=0.25, random_state=3).fit(X, y, s)
    again = steepest.LogisticRegression(validation_fraction=0.25, random_state=3).fit(csc_array(X), y.tolist(), s)
    other = steepest.LogisticRegression(validation_fraction=0.25, random_state=4).fit(X, y, s)
    assert model.fit_record_.data["n_samples"] == 150
    assert model.fit_record_.data["validation"]["n_samples"] == 50
    np.testing.assert_allclose(model.coef_, again.coef_, atol=1e-3)
    assert np.abs(model.coef_ - other.coef_).max() > 1e-3
    a, b, ya, yb, sa, sb = sklearn.model_selection.train_test_split(X, y, s, test_size=0.25, random_state=3, stratify=y)
    by_hand = steepest.LogisticRegression().fit(a, ya, sa, X_val=b, y_val=yb, sample_weight_val=sb)
    np.testing.assert_array_equal(model.coef_, by_hand.coef_)
    np.testing.assert_array_equal(model.history_["validation_loss"], by_hand.history_["validation_loss"])


def test_given_rows_win_over_a_fraction() -> None:
    X, y = classes(100)
    model = steepest.LogisticRegression(validation_fraction=0.5).fit(X, y, X_val=X[:20], y_val=y[:20])
    assert model.fit_record_.data["n_samples"] == 100
    assert any("validation_fraction=0.5: not used" in note for note in model.fit_record_.solver["notes"])


def test_errors_name_the_argument() -> None:
    X, y = classes(60)
    bad = X[:10].copy()
    bad[2, 1] = np.nan
    fit = steepest.LogisticRegression().fit
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (ValueError, "X_val contains NaN", {"X_val": bad, "y_val": y[:10]}),
        (DataError, r"X_val: has 3 features, but X has 12", {"X_val": X[:10, :3], "y_val": y[:10]}),
        (DataError, r"y_val: \[7\] is not among the classes of y, \[0, 1\]", {"X_val": X[:1], "y_val": [7]}),
        (DataError, "y_val: has 4 entries, but X_val has 10", {"X_val": X[:10], "y_val": y[:4]}),
        (DataError, "y_val: expected the targets of X_val", {"X_val": X[:10]}),
        (DataError, "X_val: expected the rows that belong to y_val", {"y_val": y[:10]}),
        (DataError, "sample_weight_val", {"X_val": X[:2], "y_val": y[:2], "sample_weight_val": [-1.0, 1.0]}),
        (DataError, "rows that belong to sample_weight_val", {"sample_weight_val": [1.0]}),
    ]
    for kind, words, arguments in cases:
        with pytest.raises(kind, match=words):
            fit(X, y, **arguments)
    with pytest.raises(ValueError, match="y_val contains NaN"):
        steepest.Ridge().fit(X, y, X_val=X[:2], y_val=[0.0, np.nan])
    with pytest.raises(DataError, match="y_val: expected the targets of y, 1 a row"):
        steepest.Ridge().fit(X, y, X_val=X[:2], y_val=[[0.0, 1.0], [2.0, 3.0]])
    with pytest.raises(DataError, match="y_val: the loss 'poisson' takes targets >= 0"):
        steepest.LinearRegressor("poisson").fit(X, y, X_val=X[:2], y_val=[1.0, -2.0])
    for parameters in ({"patience": 3}, {"monitor": "accuracy"}):
        with pytest.raises(InvalidParameterError, match="needs validation rows"):
            steepest.LogisticRegression(**parameters).fit(X, y)
    with pytest.raises(InvalidParameterError, match="Did you mean 'accuracy'"):
        steepest.LogisticRegression(monitor="acuracy").fit(X, y, X_val=X, y_val=y)
    with pytest.raises(DataError, match=r"validation_fraction=0.3: the rows cannot be split"):
        steepest.LogisticRegression(validation_fraction=0.3).fit(X, np.r_[y[:-1], 9])
    for parameters in ({"patience": 0}, {"min_delta": -1.0}, {"validation_fraction": 1.0}, {"monitor": 3}):
        with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
            steepest.LogisticRegression(**parameters).fit(X, y)


@pytest.mark.parametrize("model", [steepest.LogisticRegression(), steepest.Ridge()])
def test_errors_of_scikit_learn_name_the_argument(model: Any) -> None:
    pd = pytest.importorskip("pandas")
    X, y = classes(40, d=3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    words = frame.assign(a=["u"] * len(X))
    for X_val in (X[:, 0], X[:0], X.astype(object) + 1j, words, frame.rename(columns={"a": "q"}), "text"):
        with pytest.raises(DataError, match="X_val"):
            model.fit(frame, y, X_val=X_val, y_val=y)
    for y_val in (3, csr_array(y[:, None]), [[1, 2]] * len(X), y[:-1], [None] * len(X), np.full(len(X), np.nan)):
        with pytest.raises(DataError, match="y_val"):
            model.fit(X, y, X_val=X, y_val=y_val)
    for start in ({"coef_init": "a"}, {"coef_init": [[1, 2], [3]]}, {"intercept_init": "a"}):
        with pytest.raises(DataError, match="coef_init, intercept_init: expected numbers"):
            model.fit(X, y, **start)


def test_columns_must_have_the_same_names() -> None:
    pd = pytest.importorskip("pandas")
    X, y = numbers(40, d=3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    with pytest.raises(ValueError, match="feature names should match"):
        steepest.Ridge().fit(frame, y, X_val=frame[["b", "a", "c"]], y_val=y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = steepest.Ridge(monitor="r2").fit(frame, y, X_val=frame, y_val=y)
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(frame, y))


def test_grid_search_over_early_stopped_models(small: Any) -> None:
    X, y, X_val, y_val = small
    search = GridSearchCV(overfitting(patience=3), {"alpha": [1e-6, 1e-1]}, cv=3, error_score="raise")
    search.fit(X, y, X_val=X_val, y_val=y_val)
    assert search.best_estimator_.fit_record_.data["validation"]["n_samples"] == 300
    inside = GridSearchCV(
        overfitting(validation_fraction=0.3, random_state=0), {"patience": [1, 5]}, cv=3, error_score="raise"
    ).fit(X, y)
    assert inside.best_estimator_.patience in (1, 5)


def test_a_pipeline_transforms_the_validation_rows(small: Any) -> None:
    X, y, X_val, y_val = small
    with sklearn.config_context(enable_metadata_routing=True):
        model = overfitting(patience=3).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X, y, X_val=X_val, y_val=y_val)
    fitted = pipeline[-1]
    best = fitted.fit_record_.data["validation"]["best"]
    assert log_loss(y_val, pipeline.predict_proba(X_val)) == pytest.approx(best, rel=1e-9)


def test_progress_shows_the_validation(small: Any, capfd: Any) -> None:
    X, y, X_val, y_val = small
    overfitting(patience=2, verbose=1).fit(X, y, X_val=X_val, y_val=y_val)
    err = capfd.readouterr().err
    assert "validation loss 0." in err
    assert "stopped_early" in err.splitlines()[-1]


def test_a_scorer_that_fails_is_named(small: Any) -> None:
    X, y, X_val, y_val = small

    def broken(estimator: Any, X: Any, y: Any) -> float:
        raise KeyError("nothing")

    with pytest.raises(InvalidParameterError, match=r"monitor: the scorer failed.*nothing"):
        overfitting(monitor=broken).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA is not set: no a9a")
def test_real_rows() -> None:
    from steepest.readers.read import read_dataset

    folder = Path(os.environ["STEEPEST_DATA"])
    train, test = read_dataset(folder / "a9a.xz"), read_dataset(folder / "a9a.t.xz")
    d = max(train.X.shape[1], test.X.shape[1])
    for data in (train, test):
        data.X.resize((data.X.shape[0], d))
    plain = steepest.LogisticRegression().fit(train.X, train.y)
    seen = steepest.LogisticRegression().fit(train.X, train.y, X_val=test.X, y_val=test.y)
    np.testing.assert_array_equal(plain.coef_, seen.coef_)
    model = steepest.LogisticRegression(C=1e3, solver="gradient_descent", patience=2, monitor="accuracy", tol=1e-8)
    model.fit(train.X, train.y, X_val=test.X, y_val=test.y)
    assert model.certificate_.status is Status.STOPPED_EARLY
    assert model.score(test.X, test.y) == pytest.approx(model.history_["validation_score"].max())


def test_a_search_says_nothing_of_fits_that_stopped_as_asked(small: Any) -> None:
    X, y, X_val, y_val = small
    with warnings.catch_warnings(), steepest.collect_certificates() as fits:
        warnings.simplefilter("error")
        GridSearchCV(overfitting(patience=3), {"alpha": [1e-6, 1e-4]}, cv=2).fit(X, y, X_val=X_val, y_val=y_val)
    assert len(fits) == 5
    assert {str(fit.certificate.status) for fit in fits.failed} == {"stopped_early"}
