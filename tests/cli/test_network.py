"""``steepest fit --model mlp``: the network that options stand for, what is said, and what does not go with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import steepest
from steepest import Dense
from steepest.cli import app
from steepest.solvers.schedules import Cosine


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_network_its_report_and_its_file(tmp_path):
    out, page, again = tmp_path / "m.skops", tmp_path / "r.html", tmp_path / "again.html"
    result = run(
        *("fit", "digits", "--model", "mlp", "--layers", "32, 16", "--activation", "tanh", "--batch-norm"),
        *("--dropout", "0.1", "--augment", "shift=1", "--epochs", "6", "--batch-size", "64", "--learning-rate", "0.01"),
        *("--schedule", "cosine", "--valid", "0.2", "--monitor", "accuracy", "--seed", "3", "--out", out),
        *("--report", page),
    )
    assert result.exit_code == 0  # nothing can be certified, and the training went as asked
    assert "by adam: 6 epochs" in result.stdout
    assert "Trained, " in result.stdout
    assert "network: 64 → 32 → 16 → 10, " in result.stdout
    assert "test: accuracy" in result.stdout
    model = steepest.load(out)
    assert type(model) is steepest.MLPClassifier
    shared = {"batch_norm": True, "dropout": 0.1}
    assert list(model.layers) == [Dense(32, "tanh", **shared), Dense(16, "tanh", **shared)]
    assert (model.batch_size, model.max_iter, model.tol, model.random_state) == (64, 6, None, 3)
    assert tuple(model.image_shape) == (8, 8)
    steps = -(-model.fit_record_.data["n_samples"] // 64)
    assert model.learning_rate == Cosine(0.01, 6 * steps)
    assert np.isfinite(model.history_["validation_score"][1:]).all()
    text = page.read_text(encoding="utf-8")
    assert "<h2>Layers</h2>" in text
    assert "Weights of the first layer" in text
    told = run("report", out, "--test", "digits", "--out", again)
    assert told.exit_code == 0
    assert "network: 64 → 32 → 16 → 10, " in told.stdout
    assert "on digits: accuracy" in told.stdout
    text = again.read_text(encoding="utf-8")
    for title in ("<h2>Layers</h2>", "What flowed through the layers", "Weights of the first layer", "Worst mistakes"):
        assert title in text


def test_json_has_the_certificate_and_the_probes():
    found = json.loads(run("fit", "iris", "--model", "mlp", "--layers", "8", "--epochs", "4", "--json").stdout)
    assert found["certificate"]["bounds"] == "stationarity"
    assert found["certificate"]["passed"] is False
    assert found["probes"]["layers"] == ["layer 1", "output"]
    assert found["probes"]["looks"] >= 1
    assert found["record"]["estimator"] == "MLPClassifier"
    assert found["record"]["parameters"]["tol"] is None
    assert set(found["metrics"]) == {"train", "test"}


def test_numbers_to_predict(tmp_path):
    found = json.loads(
        run("fit", "diabetes", "--model", "mlp", "--layers", "8", "--epochs", "3", "--scale", "--json").stdout
    )
    assert found["record"]["estimator"] == "MLPRegressor"
    assert found["record"]["parameters"]["scale"] == "standard"
    assert set(found["metrics"]["test"]) == {"n_samples", "R2", "RMSE", "MAE"}
    counts = tmp_path / "counts.csv"
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    counts.write_text("x,y\n" + "\n".join(f"{a:.4f},{round(10 + 5 * a)}" for a in x) + "\n")
    kinds = {}
    for option in ((), ("--regress",)):
        said = run(
            *("fit", counts, "--model", "mlp", "--layers", "4", "--epochs", "2", "--valid", "0.2", "--json"), *option
        )
        kinds[option] = json.loads(said.stdout)["record"]["estimator"]
    assert list(kinds.values()) == ["MLPClassifier", "MLPRegressor"]


def test_a_table_with_text_and_gaps(people):
    train, test, bare = people
    out = train.parent / "m.skops"
    result = run("fit", train, "--model", "mlp", "--layers", "8", "--epochs", "60", "--test", test, "--out", out, "-q")
    assert result.exit_code == 0
    model = steepest.load(out)
    assert [name for name, _ in model.steps] == ["table", "model"]
    told = run("predict", out, bare)
    assert told.exit_code == 0
    assert {"rich", "poor"} & set(told.stdout.replace(",", " ").split())


def test_methods_on_all_rows_and_early_ends():
    said = run("fit", "iris", "--model", "mlp", "--layers", "5", "--solver", "lbfgs", "--max-iter", "20", "--scale")
    assert said.exit_code == 0
    assert "by lbfgs: " in said.stdout
    assert "rounds" in said.stdout
    said = run(
        *("fit", "digits", "--model", "mlp", "--layers", "30", "--epochs", "200", "--learning-rate", "0.02"),
        *("--valid", "0.2", "--patience", "2"),
    )
    assert said.exit_code == 0
    assert "Stopped early" in said.stdout or "Trained" in said.stdout
    said = run(
        "fit", "digits", "--model", "mlp", "--optimizer", "sgd", "--learning-rate", "1e20", "--epochs", "2", "-q"
    )
    assert said.exit_code == 2
    assert "the training exploded" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "softmax", "--layers", "10"), "--layers belongs to --model mlp"),
        (("--model", "svm", "--batch-norm"), "--batch-norm belongs to --model mlp"),
        (("--model", "mlp", "--layers", "10,x"), "--layers must be widths"),
        (("--model", "mlp", "--layers", "10,0"), "--layers must be widths"),
        (("--model", "mlp", "--layers", ""), "--layers must be widths"),
        (("--model", "mlp", "--dropout", "1"), "--dropout must be below 1"),
        (("--model", "mlp", "--activation", "rely"), "did you mean 'relu'"),
        (("--model", "mlp", "--optimizer", "adma"), "Did you mean 'adam'"),
        (("--model", "mlp", "--optimizer", "sgd", "--solver", "adam"), "two spellings"),
        (("--model", "mlp", "--epochs", "3", "--max-iter", "3"), "two spellings"),
        (("--model", "mlp", "--C", "1"), "--C does not go with --model mlp"),
        (("--model", "mlp", "--penalty", "l1"), "--penalty does not go with --model mlp"),
        (("--model", "mlp", "--no-intercept"), "--no-intercept does not go with --model mlp"),
        (("--model", "mlp", "--jobs", "1"), "OMP_NUM_THREADS"),
        (("--model", "mlp", "--augment", "shift", "--whiten", "pca"), "--augment changes images"),
        (("--model", "mlp", "--patience", "3"), "need --valid"),
        (("--model", "mlp", "--schedule", "cosin"), "did you mean 'cosine'"),
        (("--model", "mlp", "--augment", "shift"), "these rows of 4 columns are none"),
        (("--model", "mlp", "--optimizer", "lbfgs", "--dropout", "0.5"), "dropout"),
    ],
)
def test_what_does_not_go_together(arguments, said):
    result = run("fit", "iris", *arguments)
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert said in words
