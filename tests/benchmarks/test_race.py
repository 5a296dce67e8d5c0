"""The whole way round, with a contestant made for the test."""

import argparse
import json
import sys

import numpy as np
import pytest
from benchmarks import data, ladder, machine, objective, peers, race, table, targets, worker
from benchmarks.ladder import Result


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "WORK", tmp_path / "work")


def descent(problem, variant, rung):
    """Gradient descent to a gradient of norm ``rung``; the variant "lost" ends nowhere near."""
    w = np.zeros(problem.X.shape[1])
    for _ in range(5000):
        at = objective.evaluate(problem, w)
        if variant == "lost" or np.linalg.norm(at.gradient) <= rung:
            break
        w = w - 0.3 * at.gradient
    gap = at.value - at.bound
    return w, {"certified": gap / abs(at.bound), "gap": gap if variant != "liar" else 1e-6 * gap}


FAKE = peers.Peer(
    "fake",
    ("numpy", "no-such-distribution"),
    lambda: None,
    lambda facts: dict.fromkeys(("good", "liar", "lost"), (1e-1, 1e-3, 1e-5, 1e-9)),
    descent,
)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(peers, "get", lambda name: FAKE)

    def here(spec, peer, cap):  # the worker's own code, in this process
        folder = data.WORK / f"run{len(list(data.WORK.glob('run*')))}"
        folder.mkdir(parents=True)
        (folder / "spec.json").write_text(json.dumps(spec))
        worker.main(folder)
        events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
        return events, {int(f.stem[4:]): np.load(f) for f in folder.glob("coef*.npy")}

    monkeypatch.setattr(race, "work", here)
    options = argparse.Namespace(
        only="", peers=["fake"], repeat=2, fits=2, within=2.0, cap=60.0, reference_seconds=60.0
    )
    return race.CellRace("small/logistic-l2", options)


def test_a_race_from_data_to_table(fake, tmp_path):
    record = fake.go()
    runs = [run for run in fake.runs if run.variant == "good"]
    assert {run.rung for run in runs if run.screening} >= {1e-1, 1e-3}
    assert min(run.relative for run in runs) <= 1e-6
    timed = [run for run in runs if not run.screening]
    assert {len(run.seconds) for run in timed} == {2}
    assert all(ladder.pick(runs, target) is not None for target in ladder.TARGETS)
    assert ladder.pick([run for run in fake.runs if run.variant == "lost"], 1e-3) is None
    assert any("FALSE CERTIFICATE: fake liar" in note for note in record["notes"])
    assert not any("fake good" in note for note in record["notes"])
    assert record["versions"] == {"numpy": np.__version__, "no-such-distribution": "source tree"}

    (tmp_path / "cell.json").write_text(json.dumps(record))
    text = table.render(tmp_path)
    assert "### small/logistic-l2" in text
    assert "| fake good |" in text
    assert "FALSE CERTIFICATE" in text
    assert machine.line() in text
    lost = next(line for line in text.splitlines() if line.startswith("| fake lost"))
    assert lost.split("|")[2].strip() == "-"


def test_the_ladder_stops_where_the_target_is_reached(fake):
    rungs = (1e-1, 1e-4, 3e-5, 1e-5, 1e-6, 1e-9, 1e-10)
    fake.run("fake", "good", rungs, screening=True)
    last = fake.runs[-1]
    assert last.relative <= 0.5e-6
    assert last.certified <= 1e-6
    assert len(fake.runs) < len(rungs)
    assert all(run.relative > 0.5e-6 or run.certified > 1e-6 for run in fake.runs[:-1])


def test_a_worker_process_reports_a_missing_library_and_a_stuck_one_is_killed(tmp_path, monkeypatch):
    script = "import sys, pathlib; p = pathlib.Path(sys.argv[-1]) / 'events.jsonl'; "
    spec = {"cell": "small/logistic-l2", "peer": "torch"}

    def peer(code):
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}{code}" $3\n')
        program.chmod(0o755)
        return peers.Peer("x", (), lambda: None, lambda f: {}, descent, interpreter=str(program))

    line = 'p.write_text(\'{\\"event\\": \\"start\\"}\\n\'); '
    events, _ = race.work(spec, peer(line.replace("\\n", "\\\\n") + "import time; time.sleep(60)"), cap=0.3)
    assert [event["event"] for event in events] == ["start", "capped"]
    events, coefs = race.work(spec, peer("print('broken on purpose'); sys.exit(3)"), cap=30)
    assert events[-1]["event"] == "error"
    assert "exit 3: broken on purpose" in events[-1]["message"]
    assert coefs == {}


def result(peer, seconds, variant="a"):
    return Result(peer, variant, 1e-3, seconds, seconds, seconds, 3, 1.0, 1.0)


def cell(ours, **theirs):
    found = [*([result("steepest", ours)] if ours else []), *(result(peer, s) for peer, s in theirs.items())]
    return {target: sorted(found, key=lambda r: r.seconds) for target in ladder.TARGETS}


def test_targets_compare_with_the_right_contestants():
    cells = {
        "softmax-l2/mnist": cell(2.0, sklearn=18.0),
        "logistic-l2/a9a": cell(0.02, sklearn=0.1, glum=0.04),
        "logistic-l1/a9a": cell(0.02, celer=0.018),
        "dense-500k": cell(1.0, sklearn=1.6),
    }
    verdicts = {v.words: v for v in targets.race(cells)}
    by = lambda start: next(v for w, v in verdicts.items() if w.startswith(start))  # noqa: E731
    assert by("softmax-l2/mnist to 0.001").measured == "9.00x"
    assert by("softmax-l2/mnist to 0.001").met is True
    assert by("softmax-l2/20news to 0.001").met is None
    group = by("L2 logistic, L1 logistic and lasso")
    assert group.measured == f"{(2.0 * 0.9) ** 0.5:.2f}x"
    assert group.met is False
    slower = by("in no cell slower")
    assert "logistic-l1/a9a" in slower.words
    assert slower.met is False
    assert by("dense-500k").met is False


def test_targets_of_the_hinge():
    cells = {
        "svm-hinge/a9a-C1": cell(0.02, sklearn=0.1, liblinear=0.04),
        "svm-sqhinge/a9a-C1": cell(0.02, sklearn=0.04),
        "svm-hinge/w8a-C1": cell(0.02),  # nobody else got there
        "svm-dense/500k": cell(1.0, sklearn=5.0),
        "svm-dense/500k-narrow": cell(1.0, sklearn=2.0),
    }
    proofs = {"svm-dense/500k": {1e-3: [result("steepest", 2.0)]}, "svm-dense/500k-narrow": cell(0.5)}
    verdicts = {v.words: (v.measured, v.met) for v in targets.race(cells, proofs)}
    assert verdicts["Hinge and squared hinge to 0.001, geometric mean over 2 cells: at least 1.5x"] == ("2.00x", True)
    assert verdicts["Hinge and squared hinge to 1e-06, geometric mean over 2 cells: at least 2x"][1] is True
    words = "to a certified 0.001, against scikit-learn's dual: at least 3x"
    assert verdicts[f"svm-dense/500k {words}"] == ("2.50x", False)
    assert verdicts[f"svm-dense/500k-narrow {words}"] == ("4.00x", True)
    assert verdicts["svm-dense/500k: 1e-06 is certified at all"] == ("not reached", False)
    assert verdicts["svm-dense/500k-narrow: 1e-06 is certified at all"][1] is True
    alone = targets.race({"svm-dense/500k": cell(1.0)}, {"svm-dense/500k": cell(1.0)})
    assert next(v for v in alone if "3x" in v.words and "svm" in v.words).met is True


def test_a_cell_that_steepest_never_reached_is_a_miss():
    cells = {"logistic-l2/a9a": cell(0.02, glum=0.04), "logistic-l2/w8a": cell(None, glum=0.04)}
    verdict = next(v for v in targets.race(cells) if v.words.startswith("in no cell slower"))
    assert verdict.met is False
    assert "logistic-l2/w8a" in verdict.measured


def test_startup_and_pass_targets():
    met = targets.startup({"ratio": 1.2, "first_ever_extra": 3.5, "import_extra": 0.1})
    assert [v.met for v in met] == [True, False, True]
    assert targets.gradient({})[0].met is None
    assert targets.gradient({"ratio": 1.4})[0].met is True


def test_reading_and_path_targets():
    read = targets.reading({"megabytes": 1000.0, "ratio": 0.5, "ours_memory": 2.6})
    assert [verdict.met for verdict in read] == [True, False]
    assert read[0].words.startswith("a CSV file of 1 GB")
    assert targets.reading({})[0].met is None
    rows = [
        {"share of separate fits": 0.2, "scikit-learn": {}, "seconds": {}},
        {
            "share of separate fits": 0.4,
            "scikit-learn": {"solver": "lbfgs"},
            "seconds": {"path": 1.0, "sklearn path": 2.0, "cv": 1.0, "sklearn cv": 0.9},
        },
    ]
    assert [verdict.met for verdict in targets.paths(rows)] == [False, True, False]
    assert [verdict.met for verdict in targets.paths([])] == [None, None, None]


def test_every_contestant_offers_something_and_ladders_go_down():
    offered = {}
    for name in peers.NAMES:
        for loss, l1, l2, k in (("logistic", 0, 1e-3, 1), ("logistic", 1e-3, 0, 1), ("squared", 1e-3, 0, 1),
                                ("squared", 0, 1e-3, 1), ("softmax", 0, 1e-3, 10), ("hinge", 0, 1e-3, 1),
                                ("squared_hinge", 0, 1e-3, 1)):  # fmt: skip
            found = peers.get(name).variants(objective.Facts(loss, l1, l2, 100, 20, k, False, "float64"))
            offered.setdefault(name, 0)
            offered[name] += len(found)
            for rungs in found.values():
                assert list(rungs) == sorted(rungs, reverse=True)
    assert min(offered.values()) > 0


def test_wide_data_are_kept_from_those_who_form_a_hessian():
    wide = objective.Facts("logistic", 0.0, 1e-4, 11_314, 130_107, 1, True, "float64")
    assert set(peers.get("glum").variants(wide)) == {"lbfgs"}
    assert "newton-cholesky" not in peers.get("sklearn").variants(wide)
