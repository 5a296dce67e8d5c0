"""The benchmark of paths measures what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from benchmarks import paths


def _rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 8)) + 1.0
    return X, X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(200)


def _classes() -> tuple[np.ndarray, np.ndarray]:
    X, y = _rows()
    return X, np.where(y > 0.0, 1.0, -1.0)


def _sparse() -> tuple[sp.csr_matrix, np.ndarray]:
    X, y = _rows()
    return sp.csr_matrix(np.where(X > 1.0, X, 0.0)), y


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "cell",
    [
        paths.Cell(_rows, 1.0, False),
        paths.Cell(_sparse, 1.0, False),
        paths.Cell(_classes, 0.0, True, ("newton-cholesky",)),
    ],
    ids=["lasso", "sparse lasso", "logistic"],
)
def test_a_cell(
    cell: paths.Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(paths.CELLS, "tiny", cell)
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["paths", "--cells", "tiny", "--repeat", "1", "--sample", "50", "--out", str(out)])
    paths.main()
    (row,) = json.loads(out.read_text())
    assert row["certified"]
    assert row["worst relative gap"] <= paths.TARGET
    assert row["scikit-learn"]["worst"] <= paths.TARGET
    assert set(row["seconds"]) == {"path", "separate", "sklearn path", "cv", "sklearn cv"}
    assert "| tiny |" in capsys.readouterr().out


def test_the_objective_is_that_of_the_certificate() -> None:
    from steepest import regularization_path

    for cell in (paths.Cell(_rows, 1.0, False), paths.Cell(_classes, 1.0, True), paths.Cell(_classes, 0.0, True)):
        X, y = cell.data()
        path = regularization_path(paths.estimator(cell), X, y, n_alphas=3)
        for i in range(3):
            value = paths.objective(cell, X, y, float(path.alphas[i]), path.coefs[i], float(path.intercepts[i]))
            assert value == pytest.approx(path.certificates[i].primal, rel=1e-12)
