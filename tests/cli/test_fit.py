"""``steepest fit``: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import steepest
from steepest.cli import app


def run(*arguments):
    result = CliRunner().invoke(app, ["fit", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# --------------------------------------------------------------------------------------------- good runs


def test_digits_end_certified(tmp_path):
    report = tmp_path / "out.html"
    result = run("digits", "--model", "softmax", "--alpha", "1e-4", "--report", report)
    assert result.exit_code == 0
    assert "Certified: the objective is within" in result.stdout
    assert "1,347 of 1,797 rows by a fixed stratified split" in result.stdout
    assert "test: accuracy 9" in result.stdout
    assert "pixel values divided by 16" in result.stdout
    assert "\x1b" not in result.stdout
    assert "\r" not in result.stdout
    assert "<title>softmax on digits</title>" in report.read_text()


@pytest.mark.parametrize("model", ["ridge", "linear", "lasso", "elasticnet"])
def test_regression_metrics(model):
    result = run("diabetes", "--model", model)
    assert result.exit_code == 0
    assert "test: R2 " in result.stdout
    assert "RMSE" in result.stdout


def test_json_is_one_object():
    result = run("iris", "--model", "softmax", "--json")
    found = json.loads(result.stdout)
    assert found["certificate"]["passed"] is True
    assert found["verdict"].startswith("Certified")
    assert found["metrics"]["train"]["n_samples"] + found["metrics"]["test"]["n_samples"] == 150
    assert found["record"]["parameters"]["alpha"] == 1e-4
    assert found["report"] is None
    assert found["record"]["parameters"]["verbose"] == 0


def test_quiet_prints_the_verdict_only():
    result = run("iris", "--model", "softmax", "--quiet")
    assert result.stdout.startswith("Certified: ")
    assert result.stdout.count("\n") == 1


def test_libsvm_train_and_narrower_test(tmp_path):
    rng = np.random.default_rng(0)
    for name, columns in (("train.xz.txt", 6), ("test.t", 4)):
        X = rng.normal(size=(60, columns))
        lines = [f"{1 if row[0] > 0 else -1} " + " ".join(f"{j + 1}:{v:.4f}" for j, v in enumerate(row)) for row in X]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    result = run(tmp_path / "train.xz.txt", "--test", tmp_path / "test.t", "--model", "logistic")
    assert result.exit_code == 0
    assert "60 rows x 6 features" in result.stdout
    assert "balanced accuracy" in result.stdout


def test_a_folder_of_images_brings_its_test_part(tmp_path):
    rng = np.random.default_rng(1)
    for part, n in (("train", 80), ("t10k", 30)):
        labels = rng.integers(0, 3, n).astype(np.uint8)
        pixels = rng.integers(0, 50, (n, 5, 5)).astype(np.uint8)
        pixels[np.arange(n), labels] += 150
        images = struct.pack(">IIII", 0x803, n, 5, 5) + pixels.tobytes()
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, n) + labels.tobytes())
    result = run(tmp_path, "--model", "softmax", "--report", tmp_path / "r.html")
    assert result.exit_code == 0
    assert "divided by 255" in result.stdout
    assert "test: accuracy 100.00 %" in result.stdout
    assert (tmp_path / "r.html").read_text().count("data:image/png") == 3


def test_options_reach_the_estimator(monkeypatch):
    seen = {}

    class Recorded(steepest.LinearClassifier):
        def fit(self, X, y):
            seen.update(self.get_params())
            return super().fit(X, y)

    monkeypatch.setitem(vars(steepest), "LinearClassifier", Recorded)
    run(
        *("iris", "--model", "softmax", "--penalty", "elasticnet", "--l1-ratio", "0", "--alpha", "0.5"),
        *("--solver", "lbfgs", "--tol", "0.5", "--max-iter", "7", "--max-time", "2.5", "--jobs", "2", "--seed", "3"),
        "--no-intercept",
    )
    expected = {
        "loss": "softmax",
        "penalty": "elasticnet",
        "l1_ratio": 0.0,
        "alpha": 0.5,
        "solver": "lbfgs",
        "tol": 0.5,
        "max_iter": 7,
        "max_time": 2.5,
        "n_jobs": 2,
        "random_state": 3,
        "fit_intercept": False,
        "verbose": 1,
        "on_unconverged": "ignore",
    }
    assert expected.items() <= seen.items()


@pytest.mark.slow
def test_the_main_job_on_mnist(tmp_path):
    folder = os.environ.get("STEEPEST_DATA")
    if not folder:
        pytest.skip("STEEPEST_DATA is not set: it names the folder with the real data sets")
    mnist, report = os.path.join(folder, "mnist"), tmp_path / "mnist.html"
    result = run(mnist, "--model", "softmax", "--alpha", "1e-4", "--json", "--report", report)
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["certificate"]["bounds"] == "suboptimality"
    assert found["certificate"]["relative"] <= 1e-4
    assert found["metrics"]["test"]["n_samples"] == 10_000
    assert found["metrics"]["test"]["accuracy"] >= 0.923
    assert report.read_text().count("as a picture") == 10


# ----------------------------------------------------------------------------------------- not certified


def test_not_certified_is_exit_code_3_and_still_reported(tmp_path):
    report = tmp_path / "r.html"
    result = run("digits", "--model", "softmax", "--max-iter", "1", "--report", report)
    assert result.exit_code == 3
    assert "Not certified: " in result.stdout
    assert "✗ Not certified" in report.read_text()


def test_raise_stops_with_exit_code_3_and_writes_nothing(tmp_path):
    result = run(
        *(
            "digits",
            "--model",
            "softmax",
            "--max-iter",
            "1",
            "--on-unconverged",
            "raise",
            "--report",
            tmp_path / "r.html",
        )
    )
    assert result.exit_code == 3
    assert "error: LinearClassifier is not certified" in result.stderr
    assert os.listdir(tmp_path) == []


# ----------------------------------------------------------------------------------- bad usage, bad data


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["digits"], "Missing option '--model'"),
        (["digits", "--model", "sofmax"], "did you mean 'softmax'?"),
        (["digits", "--model", "softmax", "--penalty", "l3"], "must be one of l2, l1, elasticnet, none"),
        (["digits", "--model", "softmax", "--on-unconverged", "rise"], "did you mean 'raise'?"),
        (["digits", "--model", "softmax", "--alpha", "-1"], "must be at least 0, got -1"),
        (["digits", "--model", "softmax", "--alpha", "x"], "Invalid value for '--alpha'"),
        (["digits", "--model", "softmax", "--tol", "0"], "must be above 0"),
        (["digits", "--model", "softmax", "--tol", "nan"], "must be above 0, got nan"),
        (["digits", "--model", "softmax", "--jobs", "0"], "-1 for all cores"),
        (["digits", "--model", "softmax", "--max-iter", "0"], "must be at least 1, got 0"),
        (["digits", "--model", "softmax", "--l1-ratio", "2"], "must be between 0 and 1, got 2"),
        (["digits", "--model", "softmax", "--l1-ratio", "0.5"], "belongs to the elasticnet penalty"),
        (["digits", "--model", "ridge", "--penalty", "l1"], "has the penalty 'l2'"),
        (["digits", "--model", "linear", "--alpha", "1"], "needs a penalty"),
        (["digits", "--modle", "softmax"], "No such option"),
        (["digit", "--model", "softmax"], "did you mean 'digits'?"),
        (["digits", "--model", "softmax", "--solver", "lbfg"], "Did you mean 'lbfgs'?"),
        (["diabetes", "--model", "softmax"], "needs class labels"),
        (["digits", "--model", "softmax", "--test", "iris"], "the train part has 64"),
        (["digits", "--model", "softmax", "--report", "/nowhere/r.html"], "does not exist"),
    ],
)
def test_bad_usage_is_exit_code_2_without_a_traceback(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr + result.stdout
    assert "Certified" not in result.stdout


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.libsvm", b"1 1:1\n-1 0:1\n", "a.libsvm, line 2, column 4: expected indices from 1"),
        ("a.libsvm", b"1 1:nan\n", "line 1, column 5: expected a finite number"),
        ("a.libsvm", b"one 1:1\n", "line 1, column 1: expected a label"),
        ("a.libsvm", b"", "the file is empty"),
        ("a.libsvm.gz", gzip.compress(b"1 1:1\n", mtime=0)[:-4], "truncated or damaged"),
        ("a.npy", b"1,2\n", "cannot read .npy files"),
        ("a.libsvm", b"1 1:1\n1 1:2\n", "class"),
        ("train-images-idx3-ubyte", b"\0\0\x08\x03\0\0", "the file ends after 6"),
        ("train-images-idx3-ubyte", struct.pack(">IIII", 0x803, 1, 1, 1) + b"\1", "no label file beside it"),
    ],
)
def test_bad_files_are_exit_code_2_and_leave_no_report(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "out").mkdir()
    result = run(tmp_path / name, "--model", "softmax", "--report", tmp_path / "out" / "r.html")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert os.listdir(tmp_path / "out") == []


def test_an_empty_folder_is_bad_data(tmp_path):
    result = run(tmp_path, "--model", "softmax")
    assert result.exit_code == 2
    assert "is a folder" in result.stderr


# ------------------------------------------------------------------------------------------------- process


def test_help_is_light():
    """``steepest --help`` loads neither Numba nor scikit-learn nor SciPy."""
    code = (
        "import sys, typer.testing, steepest.cli\n"
        "assert typer.testing.CliRunner().invoke(steepest.cli.app, ['fit', '--help']).exit_code == 0\n"
        "print(sorted({'numba', 'sklearn', 'scipy', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
