from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import steepest
from steepest.estimators.parameters import BOOL, NONE, integer, one_of, real, validate
from steepest.exceptions import InvalidParameterError, SteepestError

NAMES = [
    "LinearRegression",
    "Ridge",
    "Lasso",
    "ElasticNet",
    "LogisticRegression",
    "LinearClassifier",
    "LinearRegressor",
]
X, Y = np.arange(12.0).reshape(6, 2) % 5, np.array([0, 1, 0, 1, 1, 0])


def test_wording_is_that_of_scikit_learn() -> None:
    with pytest.raises(InvalidParameterError) as caught:
        steepest.Ridge(tol=-1).fit(X, Y)
    assert str(caught.value) == "The 'tol' parameter of Ridge must be a float in the range [0, inf). Got -1 instead."
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, SteepestError)


def test_alternatives_and_near_misses() -> None:
    table = {"a": (real(0, 1, closed="both"), NONE), "b": (one_of("cyclic", "random"),), "c": (integer(1), BOOL, NONE)}
    validate("Thing", {"a": None, "b": "cyclic", "c": True}, table)
    validate("Thing", {"a": np.float32(1.0), "b": "random", "c": np.int64(1)}, table)
    with pytest.raises(
        InvalidParameterError, match=r"'a' parameter of Thing must be a float in the range \[0, 1\] or "
    ):
        validate("Thing", {"a": 1.5}, table)
    with pytest.raises(InvalidParameterError, match=r"Got 'cylic' instead\. Did you mean 'cyclic'\?"):
        validate("Thing", {"b": "cylic"}, table)
    with pytest.raises(InvalidParameterError, match=r"an int in the range \[1, inf\), an instance of 'bool' or None"):
        validate("Thing", {"c": 0.5}, table)


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        (real(0), [1e-300, 3, np.float64(2)], [0, -1, "1", None, True, np.nan, np.inf, 1j]),
        (real(0, closed="left"), [0, 0.0, 5], [-1e-9, np.nan]),
        (real(0, np.inf, closed="right"), [np.inf], [0, -np.inf]),
        (integer(0), [0, np.int8(3), 10**20], [-1, 1.0, True, "0"]),
    ],
)
def test_intervals(rule: Any, inside: list[Any], outside: list[Any]) -> None:
    assert all(rule.allows(value) for value in inside)
    assert not any(rule.allows(value) for value in outside)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("fit_intercept", "yes"),
        ("tol", np.nan),
        ("tol", "small"),
        ("max_iter", -1),
        ("max_iter", 2.5),
        ("max_time", 0.0),
        ("n_jobs", 0),
        ("n_jobs", 1.5),
        ("random_state", "seed"),
        ("verbose", -1),
        ("verbose", "no"),
        ("warm_start", 1),
        ("on_unconverged", "explode"),
        ("class_weight", "balance"),
        ("alpha", -0.1),
        ("alpha", "big"),
        ("C", 0.0),
        ("C", None),
        ("l1_ratio", 1.5),
        ("penalty", "l3"),
        ("positive", "yes"),
        ("selection", "best"),
        ("precompute", "maybe"),
        ("copy_X", 2),
        ("dual", "yes"),
        ("intercept_scaling", 0),
        ("loss", "logistik"),
        ("solver", "lbfsg"),
        ("solver", 3),
    ],
)
def test_every_bad_value_is_named(name: str, parameter: str, value: Any) -> None:
    cls = getattr(steepest, name)
    if parameter not in inspect.signature(cls).parameters:
        pytest.skip(f"{name} has no {parameter}")
    estimator = cls(**{parameter: value})
    with pytest.raises(InvalidParameterError, match=parameter):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "coef_")


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_rule(name: str) -> None:
    from steepest.estimators.parameters import COMMON

    cls = getattr(steepest, name)
    assert set(inspect.signature(cls).parameters) <= {*COMMON, *cls._rules}
    assert all(parameter in cls.__doc__ or name == "Lasso" for parameter in inspect.signature(cls).parameters)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet", "LogisticRegression"])
def test_drop_in_classes_have_all_of_scikit_learns_parameters(name: str) -> None:
    import sklearn.linear_model

    ours = inspect.signature(getattr(steepest, name)).parameters
    for parameter in inspect.signature(getattr(sklearn.linear_model, name)).parameters.values():
        assert parameter.name in ours
        assert ours[parameter.name].kind == parameter.kind
        if parameter.name not in ("solver", "max_iter", "tol"):
            assert ours[parameter.name].default == parameter.default


def test_losses_that_do_not_fit_the_task() -> None:
    from steepest.exceptions import IncompatibleError

    with pytest.raises(IncompatibleError, match="LinearRegressor"):
        steepest.LinearClassifier("poisson").fit(X, Y)
    with pytest.raises(IncompatibleError, match="LinearClassifier"):
        steepest.LinearRegressor("softmax").fit(X, Y)
    with pytest.raises(IncompatibleError, match="LinearClassifier"):
        steepest.LinearRegressor("hinge").fit(X, Y)
    with pytest.raises(IncompatibleError, match="evaluation only"):
        steepest.LinearClassifier("zero_one").fit(X, Y)
