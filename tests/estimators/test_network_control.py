"""What steers the training of a network, and what does not: weights, held-out rows, pauses, storage, looking on."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest
from steepest import Dense, MLPClassifier, MLPRegressor
from steepest.exceptions import DataError, InvalidParameterError, NotConvergedError
from steepest.protocols import Status
from steepest.record.observers import observe
from steepest.solvers.schedules import Cosine, ReduceOnPlateau

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
TWO = (X[:, 0] * X[:, 1] > 0).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
ONE = X @ RNG.normal(size=5)
MANY = X @ RNG.normal(size=(5, 2))
FAST = {"max_iter": 8, "tol": None, "curvature": False}
ALL_KINDS = [Dense(6, "relu", batch_norm=True, dropout=0.2), Dense(4, "tanh")]


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


# ------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize("how", [{"solver": "lbfgs"}, {"solver": "adam"}])
def test_a_weight_is_a_repetition(how):
    """On all rows at once; batches of some rows differ by which rows meet."""
    s = RNG.integers(0, 4, 60)
    how = {**how, "dtype": "float64", "max_iter": 30, "tol": None, "curvature": False, "hidden_layer_sizes": (5,)}
    weighed = MLPClassifier(**how).fit(X, THREE, sample_weight=s)
    repeated = MLPClassifier(**how).fit(np.repeat(X, s, axis=0), np.repeat(THREE, s))
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), rtol=1e-6, atol=1e-9)
    assert weighed.certificate_.primal == pytest.approx(repeated.certificate_.primal, rel=1e-8)
    assert "s_i" in weighed.objective_


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error"])
def test_sets_mean_the_same_in_every_call_and_on_validation_rows(loss):
    sets = np.column_stack([TWO, 1 - TWO, ONE > 0]).astype(int)
    how = {"loss": loss, "alpha": 0.0, **FAST, "max_iter": 3}
    whole = MLPClassifier((5,), **how).fit(X, sets, X_val=X, y_val=sets)
    parts = MLPClassifier((5,), **how)
    for _ in range(3):
        parts.partial_fit(X, sets)
    assert same(whole, parts)
    assert whole.history_["validation_loss"][-1] == pytest.approx(whole.certificate_.primal, rel=1e-6)
    with pytest.raises(DataError, match=r"^y: Unknown label type"):
        parts.partial_fit(X, 0.5 * sets)
    with pytest.raises(DataError, match=r"^y_val: Unknown label type"):
        MLPClassifier((5,), **how).fit(X, sets, X_val=X, y_val=2 * sets)


def test_class_weights_count_in_the_validation_loss_and_not_in_scores():
    rare = (X[:, 0] > 0.8).astype(int)
    how = {**FAST, "class_weight": "balanced", "learning_rate_init": 0.05, "alpha": 0.0}
    s = np.random.default_rng(1).uniform(0.5, 2.0, 60)
    for monitor in ("auto", "accuracy"):
        model = MLPClassifier((3,), monitor=monitor, **how)
        model.fit(X, rare, s, X_val=X, y_val=rare, sample_weight_val=s)
        assert model.validation_scores_[-1] == pytest.approx(model.score(X, rare, s), rel=1e-12)
    plain = MLPClassifier((3,), **how).fit(X, rare, s, X_val=X, y_val=rare, sample_weight_val=s)
    assert plain.history_["validation_loss"][-1] == pytest.approx(plain.certificate_.primal, rel=1e-5)
    seen = []

    def told(model, rows, y, sample_weight=None):
        seen.append(sample_weight)
        return 0.5

    MLPClassifier((3,), early_stopping=True, monitor=told, **how).fit(X, rare, s)
    assert np.isin(seen[-1], s).all()


def test_class_weights_are_weights_of_rows():
    how = {"solver": "lbfgs", "dtype": "float64", **FAST}
    by_class = MLPClassifier((5,), class_weight={"a": 2.0, "b": 1.0, "c": 3.0}, **how).fit(X, THREE)
    by_row = MLPClassifier((5,), **how).fit(
        X, THREE, sample_weight=np.array([2.0, 1.0, 3.0])[np.searchsorted(["a", "b", "c"], THREE)]
    )
    assert same(by_class, by_row)
    balanced = MLPClassifier((5,), class_weight="balanced", **how).fit(X, THREE)
    counts = {label: 60 / (3 * np.count_nonzero(label == THREE)) for label in "abc"}
    assert same(balanced, MLPClassifier((5,), class_weight=counts, **how).fit(X, THREE))
    with pytest.raises(InvalidParameterError, match=r"class_weight: .* several columns"):
        MLPClassifier((5,), class_weight="balanced", **FAST).fit(X, (X[:, :3] > 0).astype(int))


# ------------------------------------------------------------------------------------------------ held-out rows


@pytest.mark.parametrize("layers", [None, ALL_KINDS])
def test_early_stopping_returns_what_was_best(layers):
    """Weights and running statistics of the round that was best on the rows that were held out."""
    rng = np.random.default_rng(3)
    A = rng.normal(size=(200, 5))
    y = (A[:, 0] + 0.8 * rng.normal(size=200) > 0).astype(int)
    how = {"layers": layers, "learning_rate_init": 0.03, "early_stopping": True, "random_state": 4, "batch_size": 20}
    model = MLPClassifier(**how, max_iter=200, curvature=False).fit(A, y)
    assert model.certificate_.status is Status.STOPPED_EARLY
    assert model.n_iter_ < 200
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None
    best = model.fit_record_.data["validation"]
    assert best["best"] == model.best_validation_score_
    assert best["n_samples"] == 20
    # one epoch more than n_iter_no_change without a gain of tol, as scikit-learn counts
    scores = np.array(model.history_["validation_score"])[1:]  # the start is no candidate
    top, since = -np.inf, 0
    for score in scores:
        top, since = (score, 0) if score > top + 1e-4 else (top, since + 1)
    assert since == 11
    again = MLPClassifier(**how, max_iter=best["best_round"], tol=None, curvature=False, patience=1000).fit(A, y)
    assert same(model, again)
    np.testing.assert_array_equal(model.predict_proba(A), again.predict_proba(A))


def test_a_random_start_is_no_result():
    """However lucky on a few rows."""
    start = MLPClassifier((8,), max_iter=0, tol=None, curvature=False).fit(X, THREE)
    held = np.random.default_rng(7).normal(size=(6, 5))
    lucky = start.predict(held)
    model = MLPClassifier((8,), patience=3, monitor="accuracy", learning_rate_init=0.05, curvature=False)
    model.fit(X, THREE, X_val=held, y_val=lucky)
    assert model.history_["validation_score"][0] == 1.0
    assert model.fit_record_.data["validation"]["best_round"] > 0
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert not same(model, start)


@pytest.mark.parametrize("monitor", ["loss", "accuracy", "roc_auc", lambda model, A, b: model.score(A, b)])
def test_given_validation_rows(monitor):
    held = np.random.default_rng(6).normal(size=(40, 5))
    y_held = (held[:, 0] * held[:, 1] > 0).astype(int)
    how = {
        "on_unconverged": "ignore",
        "patience": 5,
        "monitor": monitor,
        "max_iter": 100,
        "learning_rate_init": 0.02,
        "curvature": False,
    }
    model = MLPClassifier((16,), **how).fit(X, TWO, X_val=held, y_val=y_held)
    told = model.fit_record_.data["validation"]
    if monitor == "loss":
        q = model.predict_proba(held)[np.arange(40), y_held]
        assert told["best"] == pytest.approx(-np.log(q).mean(), rel=1e-6)
        assert model.validation_scores_[told["best_round"] - 1] == accuracy_score(y_held, model.predict(held))
    else:
        assert told["best"] == max(model.history_["validation_score"][1:]) == model.best_validation_score_
        if monitor != "roc_auc":
            assert told["best"] == pytest.approx(accuracy_score(y_held, model.predict(held)))
    watched = MLPClassifier((16,), max_iter=5, tol=None, curvature=False)
    plain = clone(watched).fit(X, TWO)
    assert same(plain, watched.fit(X, TWO, X_val=held, y_val=y_held))
    assert np.isfinite(watched.history_["validation_loss"]).all()


def test_validation_rows_that_do_not_fit():
    model = MLPClassifier((4,), **FAST)
    with pytest.raises(DataError, match=r"y_val: .*'z'.* not among the classes"):
        model.fit(X, THREE, X_val=X[:2], y_val=["a", "z"])
    with pytest.raises(DataError, match="X_val: has 4 features"):
        model.fit(X, THREE, X_val=X[:2, :4], y_val=["a", "b"])
    with pytest.raises(DataError, match="y_val: expected the targets"):
        model.fit(X, THREE, X_val=X[:2])
    with pytest.raises(DataError, match="X_val: expected the rows"):
        model.fit(X, THREE, y_val=["a", "b"])
    with pytest.raises(DataError, match="y_val"):
        MLPRegressor("squared_error", (4,), **FAST).fit(X, MANY, X_val=X[:2], y_val=ONE[:2])


def test_regression_stops_early_by_r2():
    model = MLPRegressor("squared_error", (16,), early_stopping=True, learning_rate_init=0.02, curvature=False)
    model.set_params(max_iter=300).fit(X, MANY)
    assert model.fit_record_.data["validation"]["monitor"] == "R^2"
    assert 0.5 < model.best_validation_score_ <= 1.0


# -------------------------------------------------------------------------------------------------- going on


GOING = {
    "adam": {},
    "layers": {"layers": ALL_KINDS},
    "rule": {"optimizer": "rmsprop", "scale": "standard", "weight_decay": 0.1},
    "falling rate": {"solver": "sgd", "learning_rate": "invscaling"},
    "schedule": {"learning_rate": Cosine(0.1, 30), "clip_norm": 0.5},
    "plateau": {"learning_rate": ReduceOnPlateau(0.1, patience=0, threshold=0.5)},
    "float32": {"dtype": "float32"},
}


@pytest.mark.parametrize("how", GOING)
def test_partial_fit_is_fit_epoch_by_epoch(how, tmp_path):
    model = MLPClassifier((6,), batch_size=16, max_iter=4, tol=None, curvature=False).set_params(**GOING[how])
    whole, parts = clone(model).fit(X, THREE), clone(model)
    for k in range(4):
        parts.partial_fit(X, THREE)
        if k == 1:
            parts = steepest.load(steepest.save(parts, tmp_path / "parts.skops"))
        if k == 2:
            parts = pickle.loads(pickle.dumps(parts))
    assert same(whole, parts)
    np.testing.assert_array_equal(whole.predict_proba(X), parts.predict_proba(X))
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, parts.t_) == (4, 240)
    assert parts.certificate_.kind == "none"
    assert "call 4 of 240 rows" in parts.certificate_.reason
    longer = clone(model).set_params(max_iter=5).fit(X, THREE)
    assert same(longer, whole.partial_fit(X, THREE))


def test_partial_fit_learns_from_batches_of_any_size():
    model = MLPClassifier((16,), learning_rate_init=0.02, batch_size=16)
    for _ in range(40):
        for rows in np.array_split(np.arange(60), [7, 30, 31]):
            model.partial_fit(X[rows], THREE[rows], classes=["a", "b", "c"])
    assert model.score(X, THREE) > 0.9
    with pytest.raises(DataError, match="not among the classes"):
        model.partial_fit(X, np.where(THREE == "a", "d", THREE))
    with pytest.raises(DataError, match="classes: expected those of the first call"):
        model.partial_fit(X, THREE, classes=["a", "b"])
    with pytest.raises(InvalidParameterError, match="early_stopping"):
        model.set_params(early_stopping=True).partial_fit(X, THREE)
    with pytest.raises(ValueError, match="looks at all rows at once"):
        MLPClassifier(solver="lbfgs").partial_fit(X, THREE)
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X, THREE)


def test_a_partial_fit_that_explodes_leaves_the_model():
    model = MLPRegressor("squared_error", (4,), solver="sgd", learning_rate_init=1e6)
    calls = 0
    with pytest.raises(DataError, match="exploded"):
        for _ in range(30):
            model.partial_fit(1e3 * X, 1e3 * ONE)
            kept, calls = [w.copy() for w in model.coefs_], calls + 1
    assert 0 < calls == model.n_iter_ < 30
    assert all(np.array_equal(a, b) and np.isfinite(a).all() for a, b in zip(kept, model.coefs_, strict=True))


def test_warm_start():
    model = MLPClassifier((6,), warm_start=True, **FAST).fit(X, THREE)
    first = [w.copy() for w in model.coefs_]
    loss = model.loss_curve_[-1]
    model.fit(X, THREE)
    assert len(model.loss_curve_) == 8
    assert model.loss_curve_[-1] < loss
    given = MLPClassifier((6,), **FAST)
    fresh = MLPClassifier((6,), **FAST).fit(X, THREE)
    given.fit(X, THREE, coefs_init=first, intercepts_init=fresh.intercepts_)
    assert same(given, model)
    with pytest.raises(DataError, match="not among the classes"):
        model.fit(X, np.where(THREE == "a", "d", THREE))
    with pytest.raises(ValueError, match="features"):
        model.fit(X[:, :4], THREE)
    with pytest.raises(DataError, match=r"layers\.0\.width: expected 6 .* got 7"):
        model.set_params(hidden_layer_sizes=(7,)).fit(X, THREE)
    with pytest.raises(DataError, match="coefs_init: expected finite numbers of shape"):
        MLPClassifier((6,), **FAST).fit(X, THREE, coefs_init=[w[:2] for w in first])
    with pytest.raises(DataError, match="coefs_init: expected a list of 2 arrays, one a layer, got 3"):
        MLPClassifier((6,), **FAST).fit(X, THREE, coefs_init=3)
    with pytest.raises(DataError, match=r"intercepts_init: expected numbers of shape \(6,\) for layer 0"):
        MLPClassifier((6,), **FAST).fit(X, THREE, intercepts_init=[[1, [2]], [3]])


# ----------------------------------------------------------------------------------------- looking on changes nothing


def test_observers_probes_and_progress_change_nothing():
    how = {"layers": ALL_KINDS, "batch_size": 16, **FAST}
    plain = MLPClassifier(**how, probes=False).fit(X, THREE)
    rows = []
    with observe(lambda row, w: rows.append(row["objective"])):
        seen = MLPClassifier(**how, probes=1, verbose=True).fit(X, THREE)
    assert same(plain, seen)
    assert plain.loss_curve_ == seen.loss_curve_
    assert plain.probes_ is None
    assert len(seen.probes_.steps) == 8 * 3  # whole batches alone
    assert len(rows) == 9
    assert rows[1:] == seen.loss_curve_
    assert "probes" in seen.fit_record_.solver
    assert MLPClassifier(**how, probes="auto").fit(X, THREE).probes_.layers == ["layer 1", "layer 2", "output"]


def test_an_interrupt_keeps_the_last_epoch():
    class Impatient:
        """Ctrl-C at an epoch."""

        def __init__(self, when):
            self.when = when

        def begin(self, info):
            pass

        def round(self, row, w):
            if row["iteration"] == self.when:
                raise KeyboardInterrupt

        def end(self, certificate):
            pass

    with observe(Impatient(3)), pytest.warns(ConvergenceWarning, match="interrupted"):
        model = MLPClassifier((6,), **FAST).fit(X, THREE)
    assert model.certificate_.status is Status.INTERRUPTED
    assert same(model, MLPClassifier((6,), **{**FAST, "max_iter": 3}).fit(X, THREE))
    with observe(lambda row, w: row["iteration"] == 2):
        asked = MLPClassifier((6,), on_unconverged="ignore", **FAST).fit(X, THREE)
    assert asked.n_iter_ == 2


def test_limits_of_time_and_what_follows():
    model = MLPClassifier((6,), max_time=1e-9, on_unconverged="ignore").fit(X, THREE)
    assert model.certificate_.status is Status.BUDGET
    with pytest.raises(NotConvergedError, match="max_iter=2"):
        MLPClassifier((6,), max_iter=2, on_unconverged="raise", curvature=False).fit(X, THREE)
    with steepest.collect_certificates(warn=False) as fits:
        MLPClassifier((6,), max_iter=2, curvature=False).fit(X, THREE)
    assert [fit.certificate.status for fit in fits] == [Status.BUDGET]


def test_batch_normalisation_trains():
    """R47: gradients reach gammas, betas and what lies below."""
    model = MLPClassifier(layers=[Dense(8, "relu", batch_norm=True)], max_iter=1, tol=None, curvature=False)
    model.set_params(batch_size=20).fit(X, THREE)
    start = model.stack_.initial(0)
    for block in model.stack_.blocks:
        moved = np.abs(model._net.w[block.slice] - start[block.slice])
        assert (moved > 0.0).any(), block.name
    assert not np.array_equal(model._net.statistics, model.stack_.initial_statistics())
    longer = clone(model).set_params(max_iter=200, learning_rate_init=0.02).fit(X, THREE)
    assert longer.score(X, THREE) > 0.9


def test_a_fixed_layer_stays():
    model = MLPClassifier(layers=[Dense(40, "tanh", trainable=False)], learning_rate_init=0.02, **FAST)
    first = clone(model).fit(X, THREE).coefs_[0]
    longer = clone(model).set_params(max_iter=200).fit(X, THREE)
    np.testing.assert_array_equal(first, longer.coefs_[0])
    assert longer.score(X, THREE) > 0.8


# ------------------------------------------------------------------------------------------------- scikit-learn


def test_searches_pipelines_and_copies():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GridSearchCV(MLPClassifier((6,), **FAST), {"alpha": [1e-4, 1.0]}, cv=2).fit(X, THREE)
        assert set(search.best_params_) == {"alpha"}
        piped = make_pipeline(StandardScaler(), MLPClassifier((6,), **FAST))
        assert len(cross_val_score(piped, X, THREE, cv=2)) == 2
    model = MLPClassifier((6,), **FAST).fit(X, THREE)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    twin = clone(model)
    assert not hasattr(twin, "coefs_")
    assert not hasattr(twin, "stack_")
    assert same(twin.fit(X, THREE), model)
    with pytest.raises(ValueError, match="not fitted"):
        clone(model).predict(X)
    assert "steepest-certificate" in model._repr_html_()


def test_a_seed_decides_everything():
    def made(seed):
        return MLPClassifier(layers=ALL_KINDS, random_state=seed, batch_size=16, **FAST).fit(X, THREE)

    assert same(made(3), made(3))
    assert same(made(None), made(0))
    assert not same(made(3), made(4))
    assert same(made(np.random.RandomState(1)), made(np.random.RandomState(1)))


def test_the_record():
    model = MLPClassifier((6,), **FAST).fit(X, THREE)
    record = model.fit_record_.to_dict()
    assert record["solver"]["name"] == "adam"
    assert record["solver"]["options"]["layers"] == "5 - 6 - 3"
    assert record["data"]["n_samples"] == 60
    assert record["iterations"] == 8
    assert model.history_["objective"].tolist() == model.loss_curve_
    assert record["solver"]["probes"] == model.probes_.to_dict()


def test_callbacks_see_every_epoch():
    pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")

    class Watch:
        """Models as they were after each epoch."""

        def __init__(self, stop_after=None):
            self.models, self.stop_after = [], stop_after

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            if fitted_estimator is not None:
                self.models.append(fitted_estimator.predict_proba(X))
            return self.stop_after is not None and len(self.models) >= self.stop_after

    how = {"layers": ALL_KINDS, "batch_size": 16, "curvature": False, "on_unconverged": "ignore"}
    watch = Watch()
    model = MLPClassifier(**how, max_iter=3, tol=None).set_callbacks(watch).fit(X, THREE)
    assert len(watch.models) == 5  # the start, three epochs, the end
    np.testing.assert_array_equal(watch.models[-1], model.predict_proba(X))
    np.testing.assert_array_equal(watch.models[-2], model.predict_proba(X))
    two = MLPClassifier(**how, max_iter=2, tol=None).fit(X, THREE)
    np.testing.assert_array_equal(watch.models[2], two.predict_proba(X))
    stopped = MLPClassifier(**how, max_iter=9).set_callbacks(Watch(stop_after=3)).fit(X, THREE)
    assert stopped.certificate_.status is Status.INTERRUPTED
    assert stopped.n_iter_ == 2
