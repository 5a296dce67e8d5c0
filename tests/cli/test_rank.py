"""``--model rank``: files with queries in, scores and a report query by query out."""

from __future__ import annotations

import json

import numpy as np
import pytest

import steepest
from steepest.metrics import ndcg_at_k
from steepest.readers import read_dataset


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("rank"), np.random.default_rng(0)

    def write(name, queries):
        lines = ["# relevance, query, features"]
        for q in queries:
            for _ in range(int(rng.integers(1, 12))):
                x = rng.standard_normal(4).round(3)
                y = 0 if q % 10 == 3 else int(np.clip(round(x[0] + 0.4 * rng.standard_normal()), 0, 2))
                lines.append(f"{y} qid:{q} " + " ".join(f"{j + 1}:{v}" for j, v in enumerate(x)) + f" #doc {q}")
        (folder / name).write_text("\n".join(lines) + "\n")
        return folder / name

    return write("train.txt", range(60)), write("test.txt", range(100, 140)), write("valid.txt", range(200, 220))


@pytest.mark.parametrize("strength", [("--C", "0.1"), ("--alpha", "0.01")])
def test_fit_says_how_good_the_order_is(run, files, strength, tmp_path):
    train, test, valid = files
    page, out = tmp_path / "page.html", tmp_path / "rank.skops"
    result = run(
        *("fit", train, "--model", "rank", *strength, "--test", test, "--valid", valid, "--out", out, "--report", page)
    )
    assert result.exit_code == 0
    assert "Certified: the objective is within" in result.stdout
    model, data = steepest.load(out), read_dataset(str(test))
    expected = ndcg_at_k(data.y, model.predict(data.X), data.qid)
    line = next(line for line in result.stdout.splitlines() if line.startswith("  test: NDCG@10"))
    assert f"NDCG@10 {expected:.5g}, MAP 0." in line
    assert "Kendall tau 0." in line
    assert "pair accuracy " in line
    assert "  validation: NDCG@10" in result.stdout
    text = page.read_text()
    assert "Queries by their NDCG@10" in text
    assert "Worst queries" in text
    z = model.predict(data.X)
    told = [q for q in np.unique(data.qid) if data.y[data.qid == q].max() > 0]
    each = {q: ndcg_at_k(data.y[data.qid == q], z[data.qid == q]) for q in told}
    assert f'<th scope="row">{min(each, key=each.get)}</th><td>{min(each.values()):.3f}</td>' in text
    without = len(np.unique(data.qid)) - len(told)
    assert f"{without} of 40 queries have no relevant row" in text


def test_predict_writes_a_score_a_row_and_judges_it(run, files, tmp_path):
    train, test, _ = files
    out, scores = tmp_path / "rank.skops", tmp_path / "scores.csv"
    assert run("fit", train, "--model", "rank", "--loss", "squared_hinge", "--out", out, "--quiet").exit_code == 0
    result = run("predict", out, test, "--out", scores)
    assert result.exit_code == 0
    data = read_dataset(str(test))
    found = np.array(scores.read_text().split()[1:], dtype=float)
    assert found == pytest.approx(steepest.load(out).predict(data.X), rel=1e-12)
    assert f"NDCG@10 {ndcg_at_k(data.y, found, data.qid):.5g}" in result.stdout
    shown = run("report", out, "--test", test, "--out", tmp_path / "again.html")
    assert "Worst queries" in (tmp_path / "again.html").read_text()
    assert "NDCG@10" in shown.stdout


def test_a_share_is_one_of_whole_queries(run, files):
    result = run("fit", files[0], "--model", "rank", "--test", "0.25", "--json")
    found = json.loads(result.stdout)
    assert found["record"]["data"]["n_queries"] == 45
    assert found["record"]["data"]["n_samples"] == found["metrics"]["train"]["n_samples"]
    assert (
        found["metrics"]["test"]["n_samples"] + found["metrics"]["train"]["n_samples"]
        == read_dataset(str(files[0])).n_samples
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--solver", "lbfgs"], "has one solver"),
        (["--alpha", "1", "--C", "1"], "two spellings"),
        (["--penalty", "l1"], "--penalty does not go with --model rank"),
        (["--epsilon", "0.1"], "--epsilon does not go with --model rank"),
        (["--hard-margin"], "--hard-margin does not go with"),
        (["--loss", "epsilon_insensitive"], "has the losses hinge, squared_hinge"),
        (["--valid", "0.1", "--patience", "3"], "--patience does not go with"),
    ],
)
def test_options_that_would_do_nothing_are_refused(run, files, options, words):
    result = run("fit", files[0], "--model", "rank", *options)
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())


def test_files_without_queries_are_told_how(run, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("1 1:0.5\n0 1:0.1\n")
    result = run("fit", plain, "--model", "rank")
    assert result.exit_code == 2
    assert "2 qid:7 1:0.5" in " ".join(result.output.split())
