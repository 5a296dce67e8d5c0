from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from steepest.protocols import HISTORY_COLUMNS, Certificate, Status
from steepest.record.history import History
from steepest.record.record import FitRecord, environment


def make() -> FitRecord:
    history = History()
    history.append(iteration=0, objective=0.7)
    history.append(iteration=1, objective=0.5, gap=0.1)
    certificate = Certificate(
        "duality_gap",
        math.inf,
        math.nan,
        1e-4,
        False,
        "suboptimality",
        0.5,
        0.4,
        Status.BUDGET,
        "max_iter=1 reached",
        (),
        {"direction": np.ones(2)},
    )
    return FitRecord(
        estimator="Ridge",
        objective="P(w)",
        parameters={"alpha": np.float64(1.0), "solver": "auto", "seed": np.random.RandomState(0)},
        data={"n_samples": np.int64(3)},
        solver={"name": "lbfgs"},
        seconds={"total": 0.1},
        passes=2.0,
        iterations=1,
        certificate=certificate,
        history=history,
    )


def test_record_is_json() -> None:
    record = make()
    read = json.loads(record.to_json())
    assert read["certificate"]["status"] == "budget"
    assert read["certificate"]["value"] is None
    assert read["certificate"]["evidence"]["direction"] == [1.0, 1.0]
    assert read["history"]["objective"] == [0.7, 0.5]
    assert read["history"]["gap"] == [None, 0.1]
    assert read["parameters"]["alpha"] == 1.0
    assert read["parameters"]["seed"].startswith("RandomState")
    assert read["environment"]["numpy"] == np.__version__
    assert read["schema_version"] == 1


def test_record_survives_pickle() -> None:
    record = make()
    again = pickle.loads(pickle.dumps(record))
    assert again.to_dict() == record.to_dict()


def test_environment_is_a_copy() -> None:
    environment()["numpy"] = "changed"
    assert environment()["numpy"] == np.__version__


def test_history_rows_and_columns() -> None:
    history = make().history
    assert len(history) == 2
    assert list(history)[1]["gap"] == 0.1
    assert set(history.to_dict()) == set(HISTORY_COLUMNS)
    assert history.to_frame()["objective"].tolist() == [0.7, 0.5]
    assert repr(history) == "History(2 rounds, objective 0.5, gap 0.1)"
    assert repr(History()) == "History(0 rounds)"
    with pytest.raises(KeyError, match="objectiv"):
        history.append(objectiv=1.0)
    with pytest.raises(KeyError, match="no history column 'objectiv'"):
        history["objectiv"]
    assert "objective" in history
    assert "validation_loss" in history
    assert "objectiv" not in history
    assert ["objective"] not in history
