"""``steepest race``: table, page, JSON and exit codes."""

from __future__ import annotations

import json

import steepest

QUICK = ("--repeat", "1", "--jobs", "1")


def test_a_race_on_a_built_in_set(run, tmp_path):
    page = tmp_path / "race.html"
    done = run("race", "iris", "--alpha", "1e-2", "--solvers", "newton-cg, closed_form", "--out", page, *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "114 rows x 4 features" in done.stdout
    assert "minimised P(W, b) = (1/114)" in done.stdout
    assert "closed_form: not run: needs the squared loss" in done.stdout
    assert "Use 'newton-cg': certified to 1e-06 in " in done.stdout
    assert "race: 2 solvers" in done.stderr
    assert "Solvers on iris" in page.read_text(encoding="utf-8")


def test_json_and_nothing_else(run):
    done = run("race", "iris", "--alpha", "1e-2", "--solvers", "newton-cg", "--json", *QUICK)
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert done.stderr == ""
    assert found["best"] == "newton-cg"
    assert found["runs"][0]["status"] == "certified"
    assert found["lower"] <= found["upper"]
    assert found["page"] is None


def test_a_table_with_numbers_and_words(run, people):
    done = run("race", people[0], "--solvers", "newton-cholesky,lbfgs", "--alpha", "1e-3", "--quiet", *QUICK)
    assert done.exit_code == 0
    assert done.stdout.startswith("Use '")
    assert len(done.stdout.splitlines()) == 1
    heights = run(
        "race", people[0], "--target", "height", "--ignore", "class", "--solvers", "closed_form,lbfgs", *QUICK
    )
    assert heights.exit_code == 0
    assert "1/2 (z_i - y_i)^2" in heights.stdout


def test_nothing_certified_is_exit_code_3(run):
    done = run("race", "iris", "--solvers", "gradient_descent", "--max-iter", "2", "--scale", *QUICK)
    assert done.exit_code == 3
    assert "No solver was certified to 1e-06. Nearest came 'gradient_descent'" in done.stdout


def test_bad_usage_is_exit_code_2(run, tmp_path):
    for arguments, words in (
        (("iris", "--solvers", "lbfg"), "Did you mean 'lbfgs'"),
        (("iris", "--solvers", "closed_form"), "none of closed_form fits this problem"),
        (("iris", "--loss", "hinge"), "Use --loss softmax"),
        (("iris", "--penalty", "l3"), "did you mean"),
        (("iris", "--l1-ratio", "0.2"), "elasticnet"),
        (("iris", "--penalty", "none", "--alpha", "1"), "needs a penalty"),
        (("iris", "--out", tmp_path / "no" / "page.html"), "does not exist"),
        ((tmp_path / "none.csv",), "none.csv"),
    ):
        done = run("race", *arguments, *QUICK)
        assert done.exit_code == 2, arguments
        assert words in done.stderr.replace("\n", " ") or words in " ".join(done.stderr.replace("│", " ").split())


def test_an_interrupted_race_is_exit_code_130(run, monkeypatch):
    found = steepest.race([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.5], solvers="closed_form", verbose=0)
    found.interrupted = True
    monkeypatch.setattr(steepest, "race", lambda *given, **options: found)
    done = run("race", "diabetes", *QUICK)
    assert done.exit_code == 130
    assert "interrupted: the runs above" in done.stdout
