"""Estimators among scikit-learn's tools: routed weights, searches and their certificates, callbacks, pages."""

from __future__ import annotations

import copy
import html
import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest
from steepest.estimators import ConvergenceWarning
from steepest.estimators.collecting import CollectedFits
from steepest.protocols import Status

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)) * np.array([1.0, 30.0, 0.1, 5.0])
Y = X @ np.array([1.0, -0.2, 4.0, 0.5]) + 0.3 * RNG.normal(size=90)
TWO = np.median(Y) < Y
THREE = np.digitize(Y, np.quantile(Y, [0.3, 0.6]))
WEIGHTS = RNG.integers(0, 3, size=90).astype(float)

# ---------------------------------------------------------------------------------------- metadata routing


def routed(estimator):
    return estimator.set_fit_request(sample_weight=True)


def test_weights_are_routed_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        model = make_pipeline(scaler, routed(steepest.LogisticRegression())).fit(X, TWO, sample_weight=WEIGHTS)
    scaled = StandardScaler().fit_transform(X)
    alone = steepest.LogisticRegression().fit(scaled, TWO, WEIGHTS)
    np.testing.assert_array_equal(model[-1].coef_, alone.coef_)
    without = steepest.LogisticRegression().fit(scaled, TWO)
    assert np.abs(without.coef_ - alone.coef_).max() > 1e-3


def test_weights_that_are_not_requested_are_refused():
    with sklearn.config_context(enable_metadata_routing=True):
        with pytest.raises(ValueError, match="sample_weight"):
            make_pipeline(steepest.Ridge()).fit(X, Y, sample_weight=WEIGHTS)
        with pytest.raises(TypeError, match="not routed to any"):
            make_pipeline(steepest.Ridge().set_fit_request(sample_weight=False)).fit(X, Y, sample_weight=WEIGHTS)


def test_weights_are_routed_through_a_search():
    with sklearn.config_context(enable_metadata_routing=True):
        model = routed(steepest.Ridge()).set_score_request(sample_weight=True)
        search = GridSearchCV(model, {"alpha": [0.1, 100.0]}, cv=3).fit(X, Y, sample_weight=WEIGHTS)
    best = steepest.Ridge(alpha=search.best_params_["alpha"]).fit(X, Y, WEIGHTS)
    np.testing.assert_array_equal(search.best_estimator_.coef_, best.coef_)


# ------------------------------------------------------------------------------- certificates of a search


def weak(**kwargs):
    """Stops before its proof."""
    return steepest.LogisticRegression(solver="lbfgs", max_iter=1, tol=1e-10, **kwargs)


def caught(run):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        run()
    return [w for w in seen if issubclass(w.category, ConvergenceWarning)]


def test_a_block_collects_and_warns_once():
    found: list[CollectedFits] = []

    def run():
        with steepest.collect_certificates() as fits:
            found.append(fits)
            GridSearchCV(weak(), {"C": [0.01, 1.0, 100.0]}, cv=4).fit(X, TWO)

    (warning,) = caught(run)
    (fits,) = found
    assert len(fits) == 3 * 4 + 1
    assert len(fits.failed) == 13
    assert f"13 of 13 fits are not certified: 13 '{fits[0].certificate.status}'" in str(warning.message)
    assert warning.filename == __file__
    worst = max(fit.certificate.relative for fit in fits)
    assert f"{worst:.3g}" in str(warning.message)
    assert [fit.parameters["C"] for fit in fits[:12:4]] == [0.01, 1.0, 100.0]
    table = fits.to_frame()
    assert (table["C"].value_counts()[[0.01, 100.0]] >= 4).all()
    assert list(table["relative_gap"]) == [fit.certificate.relative for fit in fits]


def test_a_block_is_silent_about_success_and_about_what_was_to_be_ignored():
    def run():
        with steepest.collect_certificates() as fits:
            cross_validate(steepest.Ridge(), X, Y, cv=3)
            weak(on_unconverged="ignore").fit(X, TWO)
        assert len(fits) == 4
        assert [fit.quiet for fit in fits.failed] == [True]
        with steepest.collect_certificates(warn=False) as fits:
            weak().fit(X, TWO)
        assert repr(fits).startswith("<1 of 1 fits are not certified")

    assert caught(run) == []


def test_paths_hand_in_every_point():
    def run():
        with steepest.collect_certificates() as fits:
            model = steepest.LogisticRegressionCV(Cs=3, cv=3, solver="lbfgs", max_iter=1, tol=1e-10).fit(X, TWO)
            many = len(fits)
            path = steepest.regularization_path(steepest.Lasso(), X, Y, n_alphas=4)
        assert many >= 5
        assert len(fits) == many + len(path.certificates)
        assert model.certificate_ in [fit.certificate for fit in fits]
        assert fits.failed

    (warning,) = caught(run)
    assert "fits are not certified" in str(warning.message)


def test_blocks_nest_and_end():
    with steepest.collect_certificates(warn=False) as outer:
        steepest.Ridge().fit(X, Y)
        with steepest.collect_certificates(warn=False) as inner:
            steepest.Ridge().fit(X, Y)
    steepest.Ridge().fit(X, Y)
    assert (len(outer), len(inner)) == (2, 1)
    with pytest.warns(ConvergenceWarning, match="not certified"):
        weak().fit(X, TWO)


@pytest.mark.slow
def test_certificates_come_back_from_worker_processes():
    found: list[CollectedFits] = []

    def run():
        with steepest.collect_certificates() as fits:
            found.append(fits)
            GridSearchCV(weak(), {"C": [0.01, 1.0]}, cv=2, n_jobs=2).fit(X, TWO)

    (warning,) = caught(run)
    (fits,) = found
    assert "5 of 5 fits are not certified" in str(warning.message)
    reference = weak(C=1.0, on_unconverged="ignore").fit(X, TWO)
    refitted = [fit for fit in fits if fit.parameters["C"] == 1.0]
    assert len(refitted) >= 2
    for fit in fits:
        assert type(fit.certificate) is type(reference.certificate_)
        assert type(fit.certificate.status) is Status
        assert fit.estimator == "LogisticRegression"


@pytest.mark.parametrize("run", ["grid", "cross_validate"])
def test_a_search_without_a_block_warns_once(run):
    def search():
        if run == "grid":
            GridSearchCV(weak(), {"C": [0.01, 1.0]}, cv=3, refit=False).fit(X, TWO)
        else:
            cross_validate(weak(), X, TWO, cv=6)

    for _ in range(2):  # the next search tells again
        (warning,) = caught(search)
        assert "collect_certificates" in str(warning.message)
        assert "LogisticRegression is not certified" in str(warning.message)


def test_the_refitted_model_of_a_search_warns_by_itself():
    first, last = caught(lambda: GridSearchCV(weak(), {"C": [0.01, 1.0]}, cv=3).fit(X, TWO))
    assert "collect_certificates" in str(first.message)
    assert "collect_certificates" not in str(last.message)


def test_single_fits_always_warn():
    assert len(caught(lambda: [weak().fit(X, TWO) for _ in range(3)])) == 3
    assert len(caught(lambda: [make_pipeline(StandardScaler(), weak()).fit(X, TWO) for _ in range(2)])) == 2


def test_a_warning_that_is_an_error_is_one_every_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        search = GridSearchCV(weak(), {"C": [0.01, 1.0]}, cv=2, refit=False, error_score="raise")
        for _ in range(2):
            with pytest.raises(ConvergenceWarning):
                search.fit(X, TWO)


# ------------------------------------------------------------------------------------------------- pages


def test_the_page_of_a_fit_shows_its_certificate():
    model = steepest.Ridge()
    assert "steepest-certificate" not in model._repr_html_()
    page = model.fit(X, Y)._repr_html_()
    assert "Proven: the objective" in page
    assert page.count("steepest-certificate") == 1
    failed = weak(on_unconverged="ignore").fit(X, TWO)._repr_html_()
    assert "Not proven to the accuracy asked" in failed
    assert html.escape(model.objective_) in page


# --------------------------------------------------------------------------------------------- callbacks

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")


class Watch:
    """Writes down what scikit-learn's interface tells."""

    def __init__(self, stop_after=None):
        self.events = []
        self.models = []
        self.stop_after = stop_after

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if fitted_estimator is not None:
            self.models.append((context.task_name, copy.copy(fitted_estimator), X, y, metadata))
        rounds = sum(name == "round" for name, *_ in self.models)
        return self.stop_after is not None and rounds >= self.stop_after


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (steepest.Ridge(solver="gradient_descent", tol=1e-8), Y),
        (steepest.LogisticRegression(solver="lbfgs"), TWO),
        (steepest.LogisticRegression(solver="lbfgs", fit_intercept=False), THREE),
        (steepest.ElasticNet(), Y),
    ],
)
def test_callbacks_see_every_round(estimator, target):
    watch = Watch()
    data = StandardScaler().fit_transform(X)
    silent = clone(estimator).fit(data, target, WEIGHTS)
    model = clone(estimator).set_callbacks(watch).fit(data, target, WEIGHTS)
    np.testing.assert_array_equal(model.coef_, silent.coef_)
    rounds = len(model.history_)
    assert watch.events[:3] == ["setup", "begin fit", "begin round"]
    assert watch.events[-2:] == ["end fit", "teardown"]
    assert watch.events.count("end round") == rounds + 1
    assert watch.events.count("begin round") == rounds + 1
    names = [name for name, *_ in watch.models]
    assert names == ["round"] * rounds + ["fit"]
    for _, fitted, seen, labels, metadata in watch.models:
        assert fitted.predict(data).shape == target.shape
        assert seen is data
        assert labels is target
        assert metadata == {"sample_weight": WEIGHTS} or (metadata["sample_weight"] is WEIGHTS)
    last = watch.models[-1][1]
    np.testing.assert_array_equal(last.coef_, model.coef_)
    np.testing.assert_array_equal(last.predict(data), model.predict(data))


def test_callbacks_of_several_targets():
    watch = Watch()
    model = steepest.Ridge(solver="gradient_descent").set_callbacks(watch).fit(X[:, :1], np.c_[Y, 2 * Y])
    assert [name for name in watch.events if "target" in name] == [
        f"{what} Ridge target {number}" for number in (0, 1) for what in ("begin", "end")
    ]
    ((name, fitted, *_),) = watch.models
    assert name == "fit"
    np.testing.assert_array_equal(fitted.coef_, model.coef_)


def test_a_callback_may_stop_a_fit():
    watch = Watch(stop_after=3)
    model = steepest.LogisticRegression(solver="gradient_descent", tol=1e-12, on_unconverged="ignore")
    model.set_callbacks(watch).fit(X, TWO)
    assert model.certificate_.status is Status.INTERRUPTED
    assert len(model.history_) == 3


def test_callbacks_are_torn_down_after_an_error():
    watch = Watch()
    model = steepest.LogisticRegression(max_iter=0, on_unconverged="raise").set_callbacks(watch)
    with pytest.raises(steepest.exceptions.NotConvergedError):
        model.fit(X, TWO)
    assert watch.events[-1] == "teardown"
    watch.events.clear()
    watch.on_fit_task_end = None
    with pytest.raises(TypeError):
        model.fit(X, TWO)
    assert watch.events[-1] == "teardown"
    assert not hasattr(model, "_callback_fit_ctx")


def test_scores_by_a_callback_of_scikit_learn():
    monitor = callback.ScoringMonitor(scoring="neg_mean_squared_error")
    data = StandardScaler().fit_transform(X)  # few rounds, as each is scored
    model = steepest.Ridge(solver="gradient_descent").set_callbacks(monitor).fit(data, Y)
    assert 3 < len(model.history_) < 100
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "round", "neg_mean_squared_error"].to_numpy()
    assert len(scores) == len(model.history_)
    assert scores[-1] > scores[0]
    expected = -np.mean((model.predict(data) - Y) ** 2)
    assert log["neg_mean_squared_error"].iloc[0] == pytest.approx(expected) or expected in scores


def test_callbacks_go_through_pipelines_and_searches():
    monitor = callback.ScoringMonitor(scoring="r2")
    model = make_pipeline(StandardScaler(), steepest.Ridge().set_callbacks(monitor))
    GridSearchCV(model, {"ridge__alpha": [1.0, 2.0]}, cv=2).fit(X, Y)
    log = monitor.get_logs().data_as_pandas
    assert (log["r2"] <= 1.0).all()
    assert len(log) >= 5


def test_an_estimator_with_callbacks_is_cloned_and_pickled():
    watch = Watch()
    model = steepest.Ridge().set_callbacks(watch)
    assert clone(model)._skl_callbacks == [watch]
    assert len(pickle.loads(pickle.dumps(model))._skl_callbacks) == 1
    model.set_callbacks()
    model.fit(X, Y)
    assert watch.events == []
