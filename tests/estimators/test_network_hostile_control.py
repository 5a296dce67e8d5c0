"""Networks on what nobody does to them on purpose: changed parameters, copies, threads, signals, failures of others."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest
from steepest import Dense, MLPClassifier
from steepest.estimators.warnings import ConvergenceWarning, sentence
from steepest.exceptions import DataError, InvalidParameterError, NotConvergedError
from steepest.protocols import Certificate, Status
from steepest.record import progress
from steepest.record.observers import observe

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5))
TWO = (X[:, 0] > 0).astype(int)
THREE = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + 0.5 * X[:, 1], [-0.5, 0.5])]
FAST = {"max_iter": 3, "tol": None, "curvature": False}
RICH = [Dense(6, batch_norm=True, dropout=0.3), Dense(5, "maxout")]


def classifier(**how):
    return MLPClassifier((4,), **{**FAST, **how})


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


def finite(model):
    assert all(np.isfinite(w).all() for w in model.coefs_ + model.intercepts_)
    return model


# ------------------------------------------------------------------------------------------------ going on


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            {"hidden_layer_sizes": (5,)},
            r"^layers: layers\.0\.width: expected 4 as in the network so far, got 5",
        ),
        ({"hidden_layer_sizes": (4, 4)}, "^layers: the number of hidden ones: expected 1 .* got 2"),
        ({"activation": "tanh"}, r"layers\.0\.activation: expected .*relu.* got .*tanh"),
        ({"dtype": "float32"}, "^dtype: expected 'float64' .* got 'float32'"),
        ({"loss": "crammer_singer"}, r"^loss: expected that of the network so far, \['cross_entropy'\], got 'cra"),
        ({"loss": "nonsense"}, "^loss: expected one of"),
    ],
)
@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
def test_a_network_that_goes_on_is_the_same_one(how, said, way):
    model = classifier().fit(X, THREE)
    kept = [w.copy() for w in model.coefs_]
    model.set_params(warm_start=True, **how)
    with pytest.raises(ValueError, match=said):
        model.partial_fit(X, THREE) if way == "partial_fit" else model.fit(X, THREE)
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.coefs_, strict=True))
    assert model.predict(X).shape == (60,)


@pytest.mark.parametrize("loss", ["cross_entropy", "auto", [(1.0, "cross_entropy")]])
def test_a_loss_by_another_name_is_the_same_one(loss):
    model = classifier().fit(X, THREE)
    finite(model.set_params(loss=loss).partial_fit(X, THREE))


def test_copies_are_apart(tmp_path):
    model = classifier(layers=RICH, scale="standard").fit(X, THREE)
    kept = copy.deepcopy(model)
    steepest.save(model, tmp_path / "m.skops")
    copies = [
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        steepest.load(tmp_path / "m.skops"),
    ]
    found = [one.partial_fit(X, THREE) for one in copies]
    assert all(same(found[0], one) for one in found[1:])
    assert same(model, kept)
    np.testing.assert_array_equal(model.predict_proba(X), kept.predict_proba(X))
    assert not same(model, found[0])


def test_a_fit_that_fails_leaves_the_model():
    model = classifier().fit(X, THREE)
    P = model.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(X > 1, np.nan, X), THREE)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :4], THREE)
    with pytest.raises(DataError, match="not among the classes"):
        model.partial_fit(X, np.full(60, "z"))
    np.testing.assert_array_equal(model.predict_proba(X), P)
    assert model.set_params(hidden_layer_sizes=(9,)).predict(X).shape == (60,)  # of the fit, not of what was set
    assert model.coefs_[0].shape == (5, 4)
    assert model.fit(X[:, :3], TWO).coefs_[0].shape == (3, 9)


def test_a_start_from_what_a_model_shows_is_that_model():
    """Layers that are not trained included; and seeds of any size."""
    layers = [Dense(4, trainable=False), Dense(5, "maxout", bias=False), Dense(3)]
    model = MLPClassifier(layers=layers, random_state=5, **FAST).fit(X, THREE)
    how = {"coefs_init": model.coefs_, "intercepts_init": model.intercepts_}
    other = MLPClassifier(layers=layers, random_state=2**40, max_iter=0, tol=None, curvature=False).fit(X, THREE, **how)
    assert same(model, other)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    finite(other.set_params(max_iter=2, early_stopping=True).fit(X, THREE))


@pytest.mark.parametrize("classes", [["a"], ["a", "b"], [0, 1, np.nan], [[0, 1], [1, 0]]])
def test_classes_of_the_first_call(classes):
    with pytest.raises(DataError, match="classes"):
        classifier().partial_fit(X, THREE, classes=classes)


@pytest.mark.parametrize("monitor", [lambda m, a, b: 1 / 0, lambda m, a, b: "x"])
def test_a_monitor_that_fails(monitor):
    with pytest.raises(InvalidParameterError, match=r"^monitor: the scorer failed"):
        classifier(early_stopping=True, monitor=monitor).fit(X, TWO)


def test_a_monitor_that_writes_changes_nothing():
    def writes(model, A, b):
        score = model.score(A, b)
        for w in model.coefs_:
            w.fill(np.nan)
        return score

    how = {"early_stopping": True, "max_iter": 6, "dtype": "float64", "learning_rate_init": 0.05}
    plain = classifier(monitor="accuracy", **how).fit(X, TWO)
    assert same(plain, classifier(monitor=writes, **how).fit(X, TWO))


def test_rows_without_weight_are_neither_trained_on_nor_held_out():
    s = (np.arange(60) % 3 > 0) * 1.0
    how = {"early_stopping": True, "max_iter": 10, "batch_size": 7, "learning_rate_init": 0.05, "scale": "standard"}
    weighted, absent = classifier(**how).fit(X, TWO, s), classifier(**how).fit(X[s > 0], TWO[s > 0])
    np.testing.assert_allclose(weighted.predict_proba(X), absent.predict_proba(X), rtol=1e-9)
    assert weighted.validation_scores_ == absent.validation_scores_
    with pytest.raises(DataError, match=r"validation_fraction=0\.1: the rows cannot be split: .*\. Pass X_val"):
        classifier(early_stopping=True).fit(X, TWO, (np.arange(60) < 4) * 1.0)


@pytest.mark.parametrize("solver", ["adam", "lbfgs", "newton_cg"])
def test_no_iterations(solver):
    with pytest.warns(ConvergenceWarning, match="max_iter=0 reached"):
        model = classifier(solver=solver, max_iter=0, tol=1e-4).fit(X, TWO)
    assert (model.n_iter_, model.loss_curve_) == (0, [])
    assert model.loss_ == pytest.approx(model.certificate_.primal)
    with pytest.raises(NotConvergedError, match="max_iter=1 reached"):
        classifier(solver=solver, max_iter=1, tol=1e-9, on_unconverged="raise").fit(X, TWO)


# --------------------------------------------------------------------------------------------------- threads


def test_threads_do_not_share_buffers():
    """Fits beside each other, and predictions of one model."""
    how = {"layers": RICH, "batch_size": 8, "max_iter": 20, "tol": None, "curvature": False}

    def fit(seed):
        return MLPClassifier(**how, random_state=seed).fit(X, THREE)

    models = [fit(k) for k in range(3)]
    with ThreadPoolExecutor(4) as pool:
        for k, found in enumerate(pool.map(fit, [0, 1, 2] * 3)):
            assert same(found, models[k % 3])
    P = models[0].predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        sizes = [1, 60, 7, 33] * 20
        for n, found in zip(sizes, pool.map(lambda n: models[0].predict_proba(X[:n]), sizes), strict=True):
            np.testing.assert_allclose(found, P[:n], rtol=1e-12)


def test_searches():
    pipe = make_pipeline(StandardScaler(), classifier(on_unconverged="ignore"))
    grid = {"mlpclassifier__layers": [[4], [Dense(3, dropout=0.2)]], "mlpclassifier__solver": ["adam", "nesterov"]}
    search = GridSearchCV(pipe, grid, cv=2).fit(X, THREE)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert cross_val_score(clone(pipe), X, THREE, cv=2).shape == (2,)


@pytest.mark.slow
def test_processes():
    from joblib import Parallel, delayed

    found = Parallel(2)(delayed(classifier(random_state=k).fit)(X, THREE) for k in range(3))
    assert all(same(model, classifier(random_state=k).fit(X, THREE)) for k, model in enumerate(found))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_signal_keeps_the_iterate(solver):
    """One that comes within an epoch of many steps, or a round on many rows."""
    A = np.random.default_rng(1).normal(size=(20_000, 20))
    y = (A[:, 0] * A[:, 1] > 0).astype(int)
    how = {"solver": solver, "batch_size": 4, "tol": 1e-12, "curvature": False, "probes": False}
    MLPClassifier((8,), **{**how, "max_iter": 1, "on_unconverged": "ignore"}).fit(A[:400], y[:400])  # compiled
    sent: list[float] = []

    def send():
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.3, send)
    armed: list[bool] = []

    def arm(row, w):
        if not armed:
            armed.append(True)
            timer.start()

    with observe(arm), pytest.warns(ConvergenceWarning, match="interrupted"):
        model = MLPClassifier((8,), **how, max_iter=10**6, max_time=60.0).fit(A, y)
    assert model.certificate_.status is Status.INTERRUPTED
    assert sent
    assert time.perf_counter() - sent[0] < 30.0  # no limit ended it
    assert np.isfinite(finite(model).predict_proba(A)).all()
    if solver == "adam":  # and the model can go on
        assert model.n_iter_ == len(model.loss_curve_)
        finite(model.partial_fit(A[:400], y[:400]))


# ------------------------------------------------------------------------------------------------ what is said


def test_progress_counts_epochs(monkeypatch, capsys):
    monkeypatch.setattr(progress, "PRINT", 0.0)
    classifier(verbose=True, early_stopping=True).fit(X, TWO)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[0] for line in lines[:-1]] == [f"MLPClassifier: epoch {k}" for k in range(4)]
    assert "  loss " in lines[1]
    assert "  validation score " in lines[1]
    assert "nan" not in "".join(lines)
    classifier(verbose=True, solver="lbfgs", on_unconverged="ignore").fit(X, TWO)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("MLPClassifier: iteration 1  objective ")
    assert "nan" not in "".join(lines)


@pytest.mark.parametrize(("kinks", "cure"), [(["relu"], "'softplus' or 'tanh'"), ([], "a larger alpha")])
def test_a_line_search_that_ends_is_cured_by_what_helps(kinks, cure):
    """At kinks of relu units no scale of the features does, and there is no rate."""
    inf = float("inf")
    evidence = {"kinks": kinks}
    ended = Certificate(
        "none", 0.1, inf, 1e-9, False, "stationarity", 1.0, inf, Status.STALLED, "no step", (), evidence
    )
    said = sentence("MLPRegressor", ended)
    assert cure in said
    assert "scale the features" not in said
    assert "learning_rate_init" not in said


# ----------------------------------------------------------------------------------------- failures of other tools


def test_batch_normalisation_has_gradients():
    """Its parameters got none elsewhere (backpack 239), where the moments were those of single rows."""
    layers = [Dense(6, "tanh", batch_norm=True)]
    start = MLPClassifier(layers=layers, max_iter=0, tol=None, curvature=False).fit(X, TWO)
    model = MLPClassifier(layers=layers, max_iter=60, tol=None, learning_rate_init=0.02, curvature=False).fit(X, TWO)
    before, after = start._net.parameters(), model._net.parameters()
    for name in ("layers.0.gamma", "layers.0.beta", "layers.0.weights"):
        assert (before[name] != after[name]).all(), name
    assert model.loss_curve_[-1] < 0.5 * model.loss_curve_[0]
    assert model.score(X, TWO) > 0.9
    with pytest.raises(InvalidParameterError, match="batch_size: batch normalisation"):
        MLPClassifier(layers=layers, batch_size=1).fit(X, TWO)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("early", [False, True])
def test_fitting_again_and_again_keeps_nothing(solver, early):
    kept = []
    how = {"solver": solver, "on_unconverged": "ignore", "early_stopping": early, "curvature": "auto"}
    classifier(**how).fit(X, TWO)
    gc.disable()  # a cycle would live until the collector finds it
    try:
        for _ in range(2):
            data = np.array(X)
            model = classifier(**how).fit(data, TWO)
            model.predict(data)
            kept += [weakref.ref(data), weakref.ref(model._net)]
            del model, data
        assert [alive() for alive in kept] == [None] * 4
    finally:
        gc.enable()


def test_labels_that_come_late():
    """String labels of a class that the first rows do not have, and a model that was stored (sk 6994, 19626)."""
    model = classifier(learning_rate_init=0.05)
    model.partial_fit(X[THREE != "c"], THREE[THREE != "c"], classes=["a", "b", "c"])
    before = model.predict_proba(X)
    model = pickle.loads(pickle.dumps(model))
    for _ in range(200):
        model.partial_fit(X, THREE)
    assert model.score(X, THREE) > 0.9
    assert not np.array_equal(before, model.predict_proba(X))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_in_the_middle_of_a_prediction_predicts():
    X, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    model = MLPClassifier((4,), max_iter=2, tol=None, on_unconverged="ignore").fit(X, y)
    expected = model.predict(X)
    forward = model._net._forward
    with forward._locks[os.getpid()]:  # as if another thread were predicting
        child = os.fork()
        if child == 0:  # pragma: no cover
            signal.alarm(20)
            os._exit(0 if np.array_equal(model.predict(X), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0
