"""A report from what people have at hand: a model or pipeline with arrays, frames or a table."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import steepest
from steepest.readers import read_table
from steepest.report.given import parts


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    size = rng.uniform(20.0, 120.0, 90)
    town = rng.choice(["north", "south"], 90)
    rent = 100.0 + 9.0 * size + 50.0 * (town == "south") + rng.normal(0.0, 20.0, 90)
    return pd.DataFrame({"size": size, "town": town, "rent": rent})


def numbers(path):
    text = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="steepest-report">(.*?)</script>', text, re.DOTALL)
    return text, json.loads(found.group(1))


def test_a_pipeline_with_a_frame(frame, tmp_path):
    X, y = frame[["size", "town"]], frame["rent"]
    model = make_pipeline(steepest.TableEncoder(), steepest.Ridge()).fit(X[:60], y[:60])
    steepest.write_report(tmp_path / "r.html", model, X[:60], y[:60], X_test=X[60:], y_test=y[60:])
    text, found = numbers(tmp_path / "r.html")
    assert "town=south" in text
    assert "On the test part" in text
    assert found["scores"]["n_samples"] == 30
    assert found["scores"]["R2"] == pytest.approx(model.score(X[60:], y[60:]))


def test_a_table_brings_its_targets(frame, tmp_path):
    frame.to_csv(tmp_path / "flats.csv", index=False)
    table = read_table(tmp_path / "flats.csv", target="rent")
    model = make_pipeline(steepest.TableEncoder(), steepest.Ridge()).fit(table, table.y())
    steepest.write_report(tmp_path / "r.html", model, table)
    text, found = numbers(tmp_path / "r.html")
    assert "town=south" in text
    assert found["train"]["source"] == table.source
    assert found["scores"]["R2"] == pytest.approx(model.score(table, table.y()))


def test_transformers_of_scikit_learn_and_words_as_labels(frame, tmp_path):
    encode = make_column_transformer((OneHotEncoder(), ["town"]), (StandardScaler(), ["size"]))
    labels = np.where(frame["rent"] > 800.0, "dear", "cheap").astype(object)
    model = make_pipeline(encode, steepest.LogisticRegression()).fit(frame, labels)
    steepest.write_report(tmp_path / "r.html", model, frame, labels)
    text, found = numbers(tmp_path / "r.html")
    assert "onehotencoder__town_south" in text
    assert found["scores"]["classes"] == ["cheap", "dear"]


def test_scaling_at_the_end_is_folded_into_the_coefficients(frame, tmp_path):
    X, y = frame[["size"]], frame["rent"]
    scaled = make_pipeline(StandardScaler(), steepest.Scaler(), steepest.LinearRegression()).fit(X, y)
    before, shown = parts(scaled)
    assert before == []
    plain = steepest.LinearRegression().fit(X, y)
    np.testing.assert_allclose(shown.coef_, plain.coef_, rtol=1e-9)
    steepest.write_report(tmp_path / "r.html", scaled, X, y)
    assert numbers(tmp_path / "r.html")[1]["scores"]["R2"] == pytest.approx(plain.score(X, y))


def test_an_estimator_alone_has_names_too(frame, tmp_path):
    model = steepest.LinearRegression().fit(frame[["size"]], frame["rent"])
    steepest.write_report(tmp_path / "r.html", model)
    text, found = numbers(tmp_path / "r.html")
    assert ">size<" in text
    assert found["scores"] is None


def test_what_is_missing_is_named(frame, tmp_path):
    X, y = frame[["size"]], frame["rent"]
    with pytest.raises(
        steepest.exceptions.InvalidParameterError, match=r"fitted estimator of steepest.*StandardScaler"
    ):
        steepest.write_report(tmp_path / "r.html", StandardScaler(), X, y)
    model = steepest.LinearRegression().fit(X, y)
    with pytest.raises(steepest.exceptions.InvalidParameterError, match="X: expected rows and targets"):
        steepest.write_report(tmp_path / "r.html", model, X)
    with pytest.raises(steepest.exceptions.InvalidParameterError, match="as many targets as rows"):
        steepest.write_report(tmp_path / "r.html", model, X, y[:5])
    assert not (tmp_path / "r.html").exists()
