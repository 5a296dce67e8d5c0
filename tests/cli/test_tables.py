"""Tables at the command line: fit, keep, predict and report, with the names of the columns."""

from __future__ import annotations

import csv
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

import steepest

needs_data = pytest.mark.skipif("STEEPEST_DATA" not in os.environ, reason="STEEPEST_DATA is not set")


def real(name):
    return Path(os.environ["STEEPEST_DATA"]) / name


def fitted(run, people, tmp_path, *more):
    model = tmp_path / "model.skops"
    result = run("fit", people[0], "--test", people[1], "--model", "logistic", "--out", model, *more)
    assert result.exit_code == 0, result.stderr
    return model, result


def test_a_table_is_fitted_kept_and_reported_by_the_names_of_its_columns(run, people, tmp_path):
    report = tmp_path / "r.html"
    model, result = fitted(run, people, tmp_path, "--report", report)
    assert "Certified" in result.stdout
    assert "the target is column 5, 'class', by its name" in result.stdout
    assert "city: " in result.stdout
    assert "test: accuracy 9" in result.stdout
    assert f"model: {model}" in result.stdout
    page = report.read_text()
    for name in ("job=clerk", "city=missing", "rich against poor"):
        assert name in page
    assert [name for name, _ in steepest.load(model).steps] == ["table", "model"]


def test_predictions_are_those_of_the_model_in_python(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    out = tmp_path / "p.csv"
    result = run("predict", model, people[2], "--out", out, "--proba")
    assert result.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    assert list(rows[0]) == ["prediction", "probability_poor", "probability_rich"]
    from steepest.readers import Layout, read_table

    loaded = steepest.load(model)
    table = read_table(people[2], like=Layout.from_dict(loaded.steps[0][1].layout_), needs_target=False)
    assert [row["prediction"] for row in rows] == loaded.predict(table).tolist()
    assert np.array_equal([float(row["probability_rich"]) for row in rows], loaded.predict_proba(table)[:, 1])


def test_predictions_go_to_standard_output_and_words_beside_them(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    result = run("predict", model, people[1])
    lines = result.stdout.splitlines()
    assert lines[0] == "prediction"
    assert len(lines) == 101
    assert set(lines[1:]) == {"rich", "poor"}
    assert "accuracy 9" in result.stderr


def test_predictions_as_parquet_and_as_json(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    out = tmp_path / "p.parquet"
    result = run("predict", model, people[1], "--out", out, "--json")
    assert json.loads(result.stdout)["rows"] == 100
    assert json.loads(result.stdout)["metrics"]["accuracy"] > 0.85
    assert pq.read_table(out).column("prediction").to_pylist()[0] in ("rich", "poor")


def test_regression_of_a_column_by_name(run, people, tmp_path):
    model = tmp_path / "m.skops"
    run_ = run(
        "fit", people[0], "--model", "ridge", "--target", "height", "--ignore", "city", "--test", "0.25", "--out", model
    )
    assert run_.exit_code == 0, run_.stderr
    assert "100 of 400 rows, picked at random" in run_.stdout
    assert "test: R2 0.9" in run_.stdout
    names = steepest.load(model).steps[0][1].get_feature_names_out().tolist()
    assert not any("city" in name for name in names)
    assert any("class" in name for name in names)
    assert run("predict", model, people[1]).exit_code == 0


def test_validation_scaling_and_whitening_travel_with_the_model(run, people, tmp_path):
    report = tmp_path / "r.html"
    model, result = fitted(
        run, people, tmp_path, "--valid", "0.2", "--patience", "3", "--scale", "--whiten", "zca", "--report", report
    )
    assert "validation: " in result.stdout
    assert "Stopped early" in result.stdout
    loaded = steepest.load(model)
    assert [name for name, _ in loaded.steps] == ["table", "scale", "whiten", "model"]
    again = run("predict", model, people[1])
    accuracy = next(line for line in result.stdout.splitlines() if line.startswith("  test: acc")).split(",")[0]
    assert accuracy.removeprefix("  test: ") in again.stderr
    page = report.read_text()
    assert "Validation loss against passes" in page
    assert "job=clerk" in page


def test_coefficients_are_folded_through_whitening(people):
    from steepest.report.view import Reported

    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)) @ rng.standard_normal((4, 4)) + 3.0
    y = X @ np.array([1.0, -2.0, 0.5, 0.0])
    steps = [
        ("scale", steepest.Scaler().fit(X)),
        ("whiten", steepest.Whitener().fit(steepest.Scaler().fit_transform(X))),
    ]
    Z = steps[1][1].transform(steps[0][1].transform(X))
    shown = Reported(steepest.LinearRegression().fit(Z, y), steps)
    assert np.allclose(shown.coef_, [1.0, -2.0, 0.5, 0.0], atol=1e-8)
    assert np.allclose(shown.predict(X), y)
    assert not hasattr(shown, "predict_proba")


def test_a_report_of_a_model_with_and_without_data(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    alone = run("report", model, "--out", tmp_path / "a.html")
    assert alone.exit_code == 0
    assert "TableEncoder -> LinearClassifier" in alone.stdout
    assert "classes: poor, rich" in alone.stdout
    assert "job=clerk" in (tmp_path / "a.html").read_text()
    assert "Confusion matrix" not in (tmp_path / "a.html").read_text()
    judged = run("report", model, "--test", people[1], "--out", tmp_path / "b.html", "--json")
    assert json.loads(judged.stdout)["metrics"]["accuracy"] > 0.85
    assert "Confusion matrix" in (tmp_path / "b.html").read_text()
    assert run("report", model, "--quiet").stdout.count("\n") == 1


def test_what_cannot_be_is_said(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    (tmp_path / "less.csv").write_text("age,city\n3,Ulm\n4,Bern\n")
    (tmp_path / "tampered.skops").write_bytes(model.read_bytes()[:-30])
    (tmp_path / "foreign.skops").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "foreign.skops", "w") as archive:
        archive.writestr("a", "b")
    cases = [
        (["fit", people[0], "--model", "logistic", "--target", "clas"], "did you mean 'class'?"),
        (["fit", people[0], "--model", "ridge"], "the targets are labels such as"),
        (["fit", people[0], "--model", "logistic", "--target", "height"], "the targets are real numbers such as"),
        (["fit", "iris", "--model", "softmax", "--target", "1"], "--target is for CSV and Parquet files"),
        (["fit", people[0], "--model", "logistic", "--test", "iris"], "expected a table like"),
        (["fit", people[0], "--model", "logistic", "--test", "1.5"], "between 0 and 1, got 1.5"),
        (["fit", people[0], "--model", "logistic", "--patience", "3"], "need --valid"),
        (["fit", people[0], "--model", "logistic", "--components", "3"], "belongs to --whiten"),
        (["fit", people[0], "--model", "logistic", "--whiten", "pcs"], "did you mean 'pca'?"),
        (["fit", people[0], "--model", "logistic", "--out", tmp_path / "no" / "m.skops"], "does not exist"),
        (["predict", model, tmp_path / "less.csv"], "job"),
        (["predict", model, "iris"], "was fitted on a table"),
        (["predict", model, people[1], "--out", "p.txt"], "must end in .csv or .parquet"),
        (["predict", model, people[1], "--json"], "--json needs --out"),
        (["predict", tmp_path / "tampered.skops", people[1]], "tampered.skops"),
        (["report", tmp_path / "foreign.skops"], "foreign.skops"),
        (["report", tmp_path / "nowhere.skops"], "nowhere.skops"),
        (["report", model, "--test", people[2]], "has no target"),
    ]
    for arguments, words in cases:
        result = run(*arguments)
        assert result.exit_code == 2, arguments
        assert words in " ".join(result.stderr.split()), (arguments, result.stderr)
        assert "Traceback" not in result.stderr


def test_an_unseen_category_is_named(run, people, tmp_path):
    model, _ = fitted(run, people, tmp_path)
    (tmp_path / "new.csv").write_text("age,job,city,height\n30,pilot,Ulm,170\n40,cook,Bern,160\n")
    result = run("predict", model, tmp_path / "new.csv")
    assert result.exit_code == 0
    assert "warning: column 'job'" in result.stderr
    assert "'pilot' (1)" in result.stderr


def test_a_model_of_a_frame_predicts_a_file(run, people, tmp_path):
    import pandas as pd

    frame = pd.read_csv(people[0])
    model = steepest.Ridge().fit(frame[["height", "age"]], frame["age"] * 2.0)
    steepest.save(model, tmp_path / "frame.skops")
    result = run("predict", tmp_path / "frame.skops", people[2])
    assert result.exit_code == 0
    expected = model.predict(pd.read_csv(people[2])[["height", "age"]])
    assert np.allclose([float(line) for line in result.stdout.splitlines()[1:]], expected)


def test_a_model_without_an_encoder_says_which_column_does_not_suit_it(run, tmp_path):
    model = tmp_path / "m.skops"
    assert run("fit", "iris", "--model", "softmax", "--out", model, "--quiet").exit_code == 0
    for content, words in (
        ("a,b\n1,2\n", "has 2 columns of features (a, b), the model was fitted on 4"),
        ("a,b,c,d\n1,2,3,x\n", "column 'd' does not hold numbers"),
        ("a,b,c,d\n1,2,3,4\n,5,6,7\n", "column 'a' has 1 missing values"),
    ):
        (tmp_path / "rows.csv").write_text(content)
        result = run("predict", model, tmp_path / "rows.csv")
        assert result.exit_code == 2
        assert words in result.stderr
    (tmp_path / "rows.csv").write_text("a,b,c,d\n5.1,3.5,1.4,0.2\n")
    assert run("predict", model, tmp_path / "rows.csv").stdout.splitlines() == ["prediction", "0"]


def test_a_model_of_libsvm_rows_predicts_rows_with_fewer_columns(run, tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        x = rng.standard_normal(4)
        lines.append(f"{1 if x[0] > 0 else -1} " + " ".join(f"{j + 1}:{v:.3f}" for j, v in enumerate(x)))
    (tmp_path / "a.libsvm").write_text("\n".join(lines) + "\n")
    (tmp_path / "b.libsvm").write_text("1 1:2.0\n-1 1:-2.0 2:0.1\n")
    model = tmp_path / "m.skops"
    assert run("fit", tmp_path / "a.libsvm", "--model", "logistic", "--out", model, "--quiet").exit_code == 0
    result = run("predict", model, tmp_path / "b.libsvm")
    assert result.stdout.splitlines() == ["prediction", "1", "-1"]


# ---------------------------------------------------------------------------------------------- real tables


@needs_data
def test_adult_as_it_is(run, tmp_path):
    model = tmp_path / "adult.skops"
    result = run(
        "fit", real("adult.data.gz"), "--test", real("adult.test.gz"), "--model", "logistic", "--out", model, "--json"
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["certificate"]["passed"]
    assert found["metrics"]["test"]["accuracy"] >= 0.85
    assert found["metrics"]["test"]["ROC AUC"] >= 0.90
    out = tmp_path / "p.csv"
    run("predict", model, real("adult.test.gz"), "--out", out, "--proba", "--quiet")
    rows = list(csv.DictReader(io.StringIO(out.read_text())))
    import gzip

    lines = gzip.decompress(real("adult.test.gz").read_bytes()).decode().splitlines()[1:]
    truth = np.array([line.rstrip().endswith(">50K.") for line in lines if line.strip()])
    assert roc_auc_score(truth, [float(row["probability_>50K"]) for row in rows]) == pytest.approx(
        found["metrics"]["test"]["ROC AUC"]
    )


@needs_data
def test_housing_and_covtype(run, tmp_path):
    found = json.loads(
        run(
            "fit",
            real("housing.csv.gz"),
            "--target",
            "median_house_value",
            "--test",
            "0.2",
            "--model",
            "ridge",
            "--report",
            tmp_path / "h.html",
            "--json",
        ).stdout
    )
    assert found["certificate"]["passed"]
    assert found["metrics"]["test"]["R2"] > 0.6
    assert "ocean_proximity=INLAND" in (tmp_path / "h.html").read_text()
    found = json.loads(
        run("fit", real("covtype.first20000.data.gz"), "--test", "0.2", "--model", "softmax", "--json").stdout
    )
    assert found["certificate"]["passed"]
    assert found["metrics"]["test"]["accuracy"] > 0.7
