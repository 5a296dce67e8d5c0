"""Races of what nobody would race on purpose, and of solvers that fail."""

from __future__ import annotations

import numpy as np
import pytest

import steepest
from steepest.exceptions import DataError, InvalidParameterError

rng = np.random.default_rng(0)
X = rng.standard_normal((40, 3))
y = (X[:, 0] > 0.0).astype(int)


def test_a_solver_that_fails_leaves_the_race_to_the_others():
    found = steepest.race(1e160 * X, y, solvers=["sgd", "gradient_descent"], max_iter=3, repeat=1, verbose=0)
    assert [run.name for run in found.runs] == ["gradient_descent"]
    assert found.skipped["sgd"].startswith("failed: X: no rate suits rows of squared length inf")
    assert "failed: X: no rate suits" in str(found)


def test_a_function_that_raises_on_the_way_of_one_method():
    def valley(x):
        if abs(x[0]) > 5.0:
            raise ValueError("out of the model's range")
        return float(x[0] ** 2 + 100.0 * x[1] ** 2)

    found = steepest.race(
        valley, [1.0, 1.0], solvers=["newton", ("sgd", {"learning_rate": 1.5})], max_iter=50, verbose=0
    )
    assert found.best.name == "newton"
    assert found.skipped == {"sgd(learning_rate=1.5)": "failed: out of the model's range"}


def test_what_all_solvers_fail_by_is_raised():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        steepest.race(X, y[:5], solvers=["lbfgs", "sgd"], verbose=0)
    with pytest.raises(RuntimeError, match="mine"):
        steepest.race(lambda x: (_ for _ in ()).throw(RuntimeError("mine")), [1.0], verbose=0)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ((X[:, 0], y), {}, DataError, r"X: expected rows of shape \(n, d\), or a function, got ndarray of shape"),
        (("text", y), {}, DataError, "X: expected rows of shape .* got str of shape"),
        ((lambda x: 1.0, "a"), {}, InvalidParameterError, "x0: expected real numbers, got str"),
        ((lambda x: 1.0, [[1.0]]), {}, InvalidParameterError, "x0: expected a vector"),
        ((X, y), {"solvers": 3}, InvalidParameterError, "solvers: expected names or pairs .* got 3"),
        ((X, y), {"repeat": True}, InvalidParameterError, "repeat: expected an integer >= 1 or None, got True"),
    ],
    ids=["column", "text", "start", "table", "solvers", "repeat"],
)
def test_what_is_wrong_is_named(given, options, error, message):
    with pytest.raises(error, match=message):
        steepest.race(*given, **options, verbose=0)
