"""``steepest fit --model svm`` and ``svr``: the estimator that they stand for, and options that do not go with them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import steepest
from steepest.cli import app


def run(*arguments):
    result = CliRunner().invoke(app, ["fit", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_machine_with_its_margin(tmp_path):
    model, page = tmp_path / "m.skops", tmp_path / "r.html"
    result = run(
        *("breast_cancer", "--model", "svm", "--loss", "hinge", "--C", "0.1", "--scale"),
        "--out",
        model,
        "--report",
        page,
    )
    assert result.exit_code == 0
    assert "Certified" in result.stdout
    fitted = steepest.load(model)[-1]
    assert type(fitted) is steepest.LinearSVC
    assert (fitted.loss, fitted.C) == ("hinge", 0.1)
    assert f"margin: 2/|w| = {fitted.margin_:.4g}; {len(fitted.support_)} support vectors of 427 rows" in result.stdout
    assert "at the limit" in result.stdout
    assert "slacks: " in result.stdout
    assert "<h2>Margin</h2>" in page.read_text(encoding="utf-8")
    told = CliRunner().invoke(app, ["report", str(model), "--out", str(tmp_path / "again.html")])
    assert told.exit_code == 0
    assert f"margin: 2/|w| = {fitted.margin_:.4g}" in told.stdout
    assert "<h2>Margin</h2>" in (tmp_path / "again.html").read_text(encoding="utf-8")


def test_a_tube():
    result = run("diabetes", "--model", "svr", "--epsilon", "20", "--C", "10")
    assert result.exit_code == 0
    assert "tube: epsilon 20; " in result.stdout
    assert "test: R2" in result.stdout


def test_options_reach_the_estimator():
    found = json.loads(
        run("breast_cancer", "--model", "svm", "--penalty", "l1", "--scale", "--no-intercept", "--json").stdout
    )
    parameters = found["record"]["parameters"]
    assert parameters["penalty"] == "l1"
    assert parameters["loss"] == "squared_hinge"
    assert parameters["fit_intercept"] is False
    assert found["record"]["estimator"] == "LinearSVC"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "svm", "--alpha", "1"), "strength of a margin model is --C"),
        (("--model", "svm", "--l1-ratio", "0.5"), "belongs to elasticnet"),
        (("--model", "svm", "--loss", "epsilon_insensitive"), "losses hinge, squared_hinge"),
        (("--model", "svm", "--epsilon", "1"), "--epsilon belongs to --model svr"),
        (("--model", "svr", "--hard-margin"), "--hard-margin belongs to --model svm"),
        (("--model", "svr", "--penalty", "l1"), "penalty l2"),
        (("--model", "softmax", "--C", "1"), "--C belongs to --model svm, svr or rank"),
        (("--model", "svm", "--valid", "0.2", "--patience", "3"), "do not go with --model svm"),
        (("--model", "svm", "--C", "0"), "must be above 0"),
    ],
)
def test_what_does_not_go_together(arguments, said):
    result = run("iris", *arguments)
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert said in words


def test_no_hard_margin_is_said():
    result = run("iris", "--model", "svm", "--hard-margin")
    assert result.exit_code == 2
    assert "--hard-margin takes two classes, got 3" in result.stderr
