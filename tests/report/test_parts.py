"""Words, metrics, pictures and whole files, each against an independent computation."""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
import pytest
from sklearn import metrics

from steepest.atomic import check_writable, write_text
from steepest.exceptions import DataError
from steepest.protocols import Certificate, Status
from steepest.report.metrics import classification_scores, regression_scores
from steepest.report.picture import diverging, png
from steepest.report.words import number, seconds, verdict

# ------------------------------------------------------------------------------------------------ words


def certificate(**changes) -> Certificate:
    facts = {
        "kind": "duality_gap",
        "value": 1.2e-5,
        "relative": 4.3e-5,
        "tol": 1e-4,
        "passed": True,
        "bounds": "suboptimality",
        "primal": 0.27,
        "dual": 0.26,
        "status": Status.CERTIFIED,
        "reason": "",
    }
    return Certificate(**{**facts, **changes})


def test_a_proof_in_words():
    said = verdict(certificate())
    assert said.passed
    assert said.text() == (
        "Certified: the objective is within 0.0043 % of the optimum (duality gap 1.2e-05; 0.01 % was asked)."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"relative": 0.02, "status": Status.BUDGET, "reason": "max_iter=5 rounds were used up"},
            "Not certified: the objective is within 2 % of the optimum (duality gap 1.2e-05; 0.01 % was asked). "
            "max_iter=5 rounds were used up.",
        ),
        ({"relative": 0.02, "status": Status.STALLED}, "The solver could make no further progress."),
        ({"relative": 0.02, "status": Status.STALLED, "reason": "a sentence!"}, "A sentence!"),
        ({"bounds": "nothing", "kind": "none", "status": Status.DIVERGED}, "nothing is proven about the distance"),
        ({"value": np.inf, "relative": np.inf, "status": Status.DIVERGED}, "nothing is proven"),
        ({"relative": np.inf, "status": Status.BUDGET}, "within 1.2e-05 of the optimum (duality gap"),
        ({"bounds": "distance", "status": Status.BUDGET}, "coefficients are within 1.2e-05 of the minimiser"),
        ({"bounds": "stationarity", "kind": "gradient_norm", "status": Status.BUDGET}, "stationary up to 1.2e-05"),
        ({"status": Status.ILL_POSED, "reason": "the classes are separable"}, "No minimiser: "),
        (
            {
                "bounds": "stationarity",
                "kind": "second_order",
                "status": Status.APPROXIMATE,
                "evidence": {"verdict": "minimum to second order"},
                "reason": "this is no proof of a global minimum",
            },
            "Trained, a minimum to second order: the objective is 0.27 and its gradient has the norm 1.2e-05. This is "
            "no proof of a global minimum.",
        ),
        (
            {
                "kind": "gradient_norm",
                "bounds": "stationarity",
                "value": 1.2e-5,
                "primal": 0.27,
                "status": Status.BUDGET,
                "evidence": {"verdict": "not examined", "sample": "250 of 1,000 rows"},
                "reason": "max_iter=1 reached",
            },
            "Trained, curvature not examined: on a sample of rows the objective is 0.27 and its gradient has the norm "
            "1.2e-05. max_iter=1 reached.",
        ),
        (
            {"bounds": "stationarity", "kind": "second_order", "evidence": {"verdict": "saddle"}},
            "Trained, a saddle: ",
        ),
    ],
)
def test_what_is_not_proven_is_never_called_certified(changes, words):
    said = verdict(certificate(passed=False, **changes))
    assert not said.passed
    assert words in said.text()
    assert not said.text().startswith("Certified")


def test_numbers_for_reading():
    assert [number(1234567), number(0.123456), number(np.nan), number(None)] == [
        "1,234,567",
        "0.12346",
        "unknown",
        "unknown",
    ]
    assert [seconds(s) for s in (5e-5, 0.0312, 4.26, 754.0)] == ["50 µs", "31 ms", "4.3 s", "12 min 34 s"]


# ---------------------------------------------------------------------------------------------- metrics


def test_classification_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    classes = np.array(["a", "b", "c"])
    y, predicted = rng.choice(["a", "b", "c", "never seen"], 500), rng.choice(classes, 500)
    found = classification_scores(y, predicted, classes)
    assert found.values["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert np.array_equal(found.confusion, metrics.confusion_matrix(y, predicted))
    recall = metrics.recall_score(y, predicted, average=None, labels=found.classes, zero_division=0)
    assert found.values["balanced accuracy"] == pytest.approx(recall.mean())
    assert list(found.classes) == ["a", "b", "c", "never seen"]


def test_regression_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(1)
    y = rng.normal(5, 3, size=200)
    predicted = y + rng.normal(size=200)
    found = regression_scores(y, predicted).values
    assert found["R2"] == pytest.approx(metrics.r2_score(y, predicted))
    assert found["RMSE"] == pytest.approx(metrics.root_mean_squared_error(y, predicted))
    assert found["MAE"] == pytest.approx(metrics.mean_absolute_error(y, predicted))
    constant = regression_scores(np.ones(3), np.zeros(3))
    assert np.isnan(constant.values["R2"])
    assert constant.to_dict()["R2"] is None


# --------------------------------------------------------------------------------------------- pictures


def test_png_holds_its_pixels():
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, size=(5, 7, 4), dtype=np.uint8)
    file = png(pixels)
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        kind, body = file[at + 4 : at + 8], file[at + 8 : at + 8 + size]
        assert struct.unpack(">I", file[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + size
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (7, 5, 8, 6, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(5, 29)
    assert np.array_equal(rows[:, 1:].reshape(5, 7, 4), pixels)


def test_diverging_colours():
    red, blue, clear, over = diverging(np.array([1.0, -0.5, 0.0, 9.0]), 1.0)
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert [int(colour[3]) for colour in (red, blue, clear, over)] == [255, 128, 0, 255]
    assert diverging(np.zeros(2), 0.0)[:, 3].tolist() == [0, 0]


# ------------------------------------------------------------------------------------------------ files


def test_a_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "report.html"
    write_text(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "new" * 10_000 + "\ud800")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report.html"]


def test_unwritable_targets_are_named(tmp_path):
    with pytest.raises(DataError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(DataError, match=r"folder .*nowhere does not exist"):
        check_writable(tmp_path / "nowhere" / "x.html")
    check_writable(tmp_path / "x.html")
    assert os.listdir(tmp_path) == []
