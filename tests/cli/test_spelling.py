"""Errors of estimators, said in the options of the command line."""

from __future__ import annotations

import re

import pytest
import typer

from steepest.cli import app, spelling


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--learning-rate", "1e30", "--epochs", "2"), ("--learning-rate 1e+30: the training exploded", "1 epoch: ")),
        (("--optimizer", "lbfgs", "--dropout", "0.2"), ("--optimizer: 'lbfgs' follows", "Use --optimizer adam, or")),
        (("--optimizer", "newton", "--epochs", "2"), ("--optimizer: 'newton' forms", "Use --optimizer newton_cg.")),
        (("--optimizer", "lbfgs", "--weight-decay", "0.1"), ("--weight-decay: --optimizer: 'lbfgs'", "Use --alpha.")),
        (
            ("--batch-norm", "--batch-size", "1"),
            ("--batch-size: batch norm", "Use --batch-size 2", "without --batch-"),
        ),
        (("--optimizer", "nope"), ("--optimizer must be a str among", "Got 'nope'")),
        (("--valid", "0.1", "--monitor", "nope"), ("--monitor must be 'loss'",)),
    ],
)
def test_errors_of_networks_name_options(run, options, said):
    result = run("fit", "digits", "--model", "mlp", "--quiet", *options)
    assert result.exit_code == 2
    for words in said:
        assert words in result.stderr
    assert not re.search(r"learning_rate|batch_size|weight_decay|batch_norm|solver[:=]", result.stderr)


def test_errors_of_linear_models_name_options(run):
    result = run("fit", "iris", "--model", "softmax", "--penalty", "l1", "--solver", "lbfgs", "--quiet")
    assert result.exit_code == 2
    assert "error: --solver: 'lbfgs' needs a penalty without an l1 part" in result.stderr
    assert "Use --solver auto." in result.stderr
    result = run("race", "iris", "--solvers", "nope")
    assert result.exit_code == 2
    assert "solver:" not in result.stderr


def test_the_verdict_and_warnings_name_options(run):
    asked = ("fit", "iris", "--model", "mlp", "--layers", "4", "--quiet", "--on-unconverged", "warn")
    result = run(*asked, "--max-iter", "2")
    assert "--epochs 2 reached" in result.stdout
    assert "max_iter" not in result.stdout + result.stderr
    assert "asked" in result.stderr or "--tol" in result.stderr
    result = run("fit", "iris", "--model", "logistic", "--quiet", "--solver", "lbfgs", "--max-iter", "1")
    assert result.exit_code == 3
    assert "--max-iter 1 reached" in result.stdout


@pytest.mark.parametrize(
    ("model", "message", "said"),
    [
        ("mlp", "Use scale='standard', a larger alpha.", "Use --scale, a larger --alpha."),
        ("mlp", "Use scale='range' or tol=None.", "Use scale='range' or tol=None."),
        ("mlp", "Use loss='hinge' or C=1.", "Use loss='hinge' or C=1."),  # has no such options
        ("svm", "Use loss='hinge' or C=1.5.", "Use --loss hinge or --C 1.5."),
        ("svm", "set fit_intercept=False.", "set --no-intercept."),
        ("ridge", "batch_size: unknown", "batch_size: unknown"),
        ("ridge", "/data/alpha/tol.csv: column 'alpha' is empty", "/data/alpha/tol.csv: column 'alpha' is empty"),
        ("mlp", "clip_norm=1, curvature=True, learning_rates", "clip_norm=1, curvature=True, learning_rates"),
    ],
)
def test_names_without_option_stay(model, message, said):
    assert spelling.spelling(model)(message) == said


def test_every_option_exists():
    command = typer.main.get_command(app)

    def names(which):
        return {name for part in command.commands[which].params for name in (*part.opts, *part.secondary_opts)}

    for model, table in spelling._OF_MODELS.items():
        known = names("race" if model == "race" else "fit")
        assert set(table.values()) <= known, model
    assert {*spelling._LINEAR.values(), *spelling._FLAGS.values()} <= names("fit")
