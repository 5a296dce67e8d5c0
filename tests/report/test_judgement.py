"""ROC, calibration and mistakes: the numbers agree with scikit-learn, the sections with the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris

import steepest
from steepest.readers import Dataset
from steepest.report.html import render
from steepest.report.judgement import calibration, discrimination, mistakes
from steepest.report.metrics import classification_scores, score
from steepest.report.ranks import Curve, precision_recall, reliability, roc, thinned


def dataset(load, **more):
    bunch = load()
    return Dataset(bunch.data, bunch.target, name="made", source="made", **more)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
def test_curves_are_scikit_learns_ties_included(rows):
    positive, values = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    if positive.all() or not positive.any():
        assert np.isnan(roc(positive, values).area)
        return
    assert roc(positive, values).area == pytest.approx(reference.roc_auc_score(positive, values))
    assert precision_recall(positive, values).area == pytest.approx(reference.average_precision_score(positive, values))
    x, y, _ = reference.roc_curve(positive, values, drop_intermediate=False)
    assert np.allclose(roc(positive, values).x, x)
    assert np.allclose(roc(positive, values).y, y)


def test_reliability_is_scikit_learns_calibration_curve():
    rng = np.random.default_rng(0)
    chance = rng.random(500)
    hit = rng.random(500) < chance**2
    observed, predicted = calibration_curve(hit, chance, n_bins=10)
    found = reliability(chance, hit)
    assert np.allclose(found.observed, observed)
    assert np.allclose(found.predicted, predicted)
    assert found.rows.sum() == 500
    assert found.error == pytest.approx(float((found.rows / 500) @ np.abs(observed - predicted)))


def test_certainty_has_a_bin():
    assert reliability(np.array([0.0, 1.0]), np.array([False, True])).error == 0.0


def test_thinning_keeps_the_ends_and_the_shape():
    x = np.linspace(0.0, 1.0, 100_000)
    thin = thinned(Curve(x, x**2, 0.0))
    assert len(thin.x) < 1000
    assert thin.x[0] == 0.0
    assert thin.x[-1] == 1.0
    assert np.abs(np.interp(x, thin.x, thin.y) - x**2).max() < 0.01


def test_metrics_of_two_and_of_several_classes():
    data = dataset(load_breast_cancer)
    model = steepest.LogisticRegression(on_unconverged="ignore").fit(data.X, data.y)
    found = score(model, data).values
    assert found["ROC AUC"] == pytest.approx(reference.roc_auc_score(data.y, model.decision_function(data.X)))
    assert found["log loss"] == pytest.approx(reference.log_loss(data.y, model.predict_proba(data.X)))
    data = dataset(load_iris)
    model = steepest.LogisticRegression().fit(data.X, data.y)
    found = score(model, data).values
    assert found["mean ROC AUC"] == pytest.approx(
        reference.roc_auc_score(data.y, model.predict_proba(data.X), multi_class="ovr")
    )
    assert found["log loss"] == pytest.approx(reference.log_loss(data.y, model.predict_proba(data.X)))


def test_a_class_that_training_never_saw():
    found = classification_scores(
        np.array([0, 1, 5]), np.array([0, 1, 1]), np.array([0, 1]), np.array([-1.0, 1.0, 2.0]), np.full((3, 2), 0.5)
    )
    assert found.classes.tolist() == [0, 1, 5]
    assert np.isfinite(found.values["log loss"])
    data = Dataset(np.eye(3), np.array([0, 1, 5]), name="made", source="made")
    assert "ROC curve" in discrimination(found, data)


def test_sections_of_two_classes_show_their_numbers():
    data = dataset(load_breast_cancer, feature_names=tuple(load_breast_cancer().feature_names))
    model = steepest.LogisticRegression(on_unconverged="ignore").fit(data.X, data.y)
    found = score(model, data)
    assert f"area {found.values['ROC AUC']:.4f}" in discrimination(found, data)
    assert "Calibration" in calibration(found, data)
    text = mistakes(model, found, data)
    wrong = int((model.predict(data.X) != data.y).sum())
    assert f"{wrong:,} of 569 rows" in text
    sure = model.predict_proba(data.X).max(axis=1)
    sure[model.predict(data.X) == data.y] = 0.0
    assert f"<td>{int(sure.argmax()) + 1:,}</td>" in text


def test_reasons_are_coefficient_times_distance_from_the_mean():
    data = dataset(load_diabetes, feature_names=tuple(load_diabetes().feature_names))
    model = steepest.Ridge(alpha=0.1).fit(data.X, data.y)
    text = mistakes(model, score(model, data), data)
    at = int(np.abs(data.y - model.predict(data.X)).argmax())
    part = model.coef_ * (data.X[at] - data.X.mean(axis=0))
    top = int(np.abs(part).argmax())
    assert text.index(f"<td>{at + 1:,}</td>") < text.index(f"{data.feature_names[top]} {part[top]:+.2g}")


def test_pictures_of_mistaken_images():
    data = dataset(load_digits, image_shape=(8, 8))
    model = steepest.LogisticRegression(C=1e-5).fit(data.X, data.y)
    text = mistakes(model, score(model, data), data)
    assert text.count("<img") == 24
    assert "taken for" in text
    perfect = steepest.LogisticRegression(C=100.0, tol=1e-2).fit(data.X[:50], data.y[:50])
    part = data.take(np.arange(50), "first")
    assert "No row was predicted wrongly" in mistakes(perfect, score(perfect, part), part)


def test_losses_without_probabilities_have_margins_and_no_calibration():
    data = dataset(load_breast_cancer)
    model = steepest.LinearClassifier(loss="squared_hinge", alpha=1.0, on_unconverged="ignore").fit(data.X, data.y)
    found = score(model, data)
    assert calibration(found, data) == ""
    assert "<th>margin</th>" in mistakes(model, found, data)
    assert "Calibration" not in render(model, dataset=data)


def test_one_class_in_the_test_part():
    data = dataset(load_breast_cancer)
    model = steepest.LogisticRegression(on_unconverged="ignore").fit(data.X, data.y)
    ones = data.take(np.flatnonzero(data.y == 1), "ones")
    page = render(model, dataset=data, test=ones)
    assert "One class alone" in page
    assert '"ROC AUC": null' in page
