"""Convex functions are never accused; where a function is not convex the evidence can be computed again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest
import steepest.losses as sl
from steepest import check_convexity
from steepest.analysis.functions import as_functions
from steepest.data.source import as_source
from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import is_composed
from steepest.penalties import L1, L2, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem

OURS = sorted(
    name
    for name, cls in {**sl.SCALAR_LOSSES, **sl.VECTOR_LOSSES}.items()
    if cls.__module__.startswith("steepest.") and not is_composed(cls) and cls.trainable
)
VARIANTS = [
    *map(sl.get_loss, OURS),
    sl.Quantile(0.9),
    sl.Huber(0.3),
    sl.EpsilonInsensitive(0.0),
    sl.ModifiedHuber(-1.0),
]


def tilted(x):
    return x[0] ** 4 + x[0] * x[1] + x[0] ** 2


def tilted_gradient(x):
    return np.array([4 * x[0] ** 3 + x[1] + 2 * x[0], x[0]])


def quadratic(seed, d, low, high):
    rng = np.random.default_rng(seed)
    Q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    values = rng.uniform(low, high, d)
    return (Q * values) @ Q.T, values, Q


def recomputed(found, fun):
    """The evidence of all three tests, from the values of the function alone."""
    chord = found["chords"]
    if chord.holds is False:
        a, b, t = (chord.evidence[k] for k in ("a", "b", "t"))
        assert fun(t * a + (1 - t) * b) > t * fun(a) + (1 - t) * fun(b)
    if found["curvature"].holds is False:
        x, v = found.point, found.direction
        assert np.linalg.norm(v) == pytest.approx(1.0)
        h = 1e-3
        bent = (fun(x + h * v) - 2 * fun(x) + fun(x - h * v)) / h**2
        assert bent == pytest.approx(found.curvature, rel=2e-2, abs=1e-3)
        assert found.curvature < 0.0
    return chord.holds is False or found["curvature"].holds is False


@pytest.mark.parametrize("grad", [False, True])
def test_the_examples_of_the_book(grad):
    cases = [
        (lambda x: x[0] ** 2 + x[1] + 5, lambda x: np.array([2 * x[0], 1.0])),
        (lambda x: 3 * x[0] ** 2 + 2 * x[1] ** 2 - 2, lambda x: np.array([6 * x[0], 4 * x[1]])),
    ]
    for fun, slope in cases:
        found = check_convexity(fun, dim=2, grad=slope if grad else None)
        assert found.convex is True
        assert str(found).startswith("the function: convex on the samples (")
        assert found.direction is None
    found = check_convexity(tilted, dim=2, grad=tilted_gradient if grad else None)
    assert found.convex is False
    assert recomputed(found, tilted)
    x, v = found.point, found.direction
    H = np.array([[12 * x[0] ** 2 + 2, 1.0], [1.0, 0.0]])
    assert v @ H @ v == pytest.approx(found.curvature, rel=1e-2)
    assert found.curvature == pytest.approx(np.linalg.eigvalsh(H)[0], rel=1e-2)
    assert "not convex, here is why" in str(found)
    assert "in the direction v = [" in str(found)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
@pytest.mark.parametrize("seed", [0, 1])
def test_losses_are_as_they_state(loss, seed):
    found = check_convexity(loss, n_samples=600, rng=seed)
    assert found.convex is bool(loss.convex), str(found)


def test_names_and_classes_of_losses():
    assert check_convexity("huber").convex is check_convexity(sl.Huber).convex is True
    assert "y = " in check_convexity("sigmoid").name


@pytest.mark.parametrize(
    "loss", [sl.Logistic(), sl.Hinge(), sl.Squared(), sl.Absolute(), sl.Poisson(), sl.SigmoidLoss()]
)
@pytest.mark.parametrize("penalty", [NoPenalty(), L1(0.1), L2(0.01)], ids=repr)
def test_problems_of_linear_models(loss, penalty):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(40, 3))
    z = X @ [1.0, -2.0, 0.5] + rng.normal(size=40)
    y = {"sign": np.where(z > 0, 1.0, -1.0), "nonnegative": np.floor(np.abs(z))}.get(loss.targets, z)
    problem = LinearProblem(as_source(X), y, np.full(40, 1 / 40), loss, penalty, True)
    found = check_convexity(problem, n_samples=200)
    assert found.convex is bool(loss.convex), str(found)
    if found["curvature"].holds is False:
        H = problem.hessian(problem.evaluate(found.point))
        assert found.direction @ H @ found.direction == pytest.approx(found.curvature, rel=1e-4)


def test_a_softmax_problem():
    rng = np.random.default_rng(4)
    X, y = rng.normal(size=(50, 3)), rng.integers(0, 3, 50)
    problem = MulticlassProblem(as_source(X), y, np.full(50, 0.02), sl.Softmax(), L2(1e-3), True, 3)
    assert check_convexity(problem, n_samples=100, n_curvatures=5).convex is True


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 6), grad=st.booleans(), offset=st.floats(-1e6, 1e6),
    unit=st.sampled_from([1e-6, 1.0, 1e6]),
)  # fmt: skip
def test_convex_quadratics_are_never_accused(seed, d, grad, offset, unit):
    A, _, _ = quadratic(seed, d, 0.0, 1.0)
    found = check_convexity(
        lambda x: 0.5 * unit * x @ A @ x + offset,
        dim=d,
        grad=(lambda x: unit * (A @ x)) if grad else None,
        rng=seed,
        n_samples=60,
        n_curvatures=4,
    )
    assert found.convex is True, str(found)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(2, 6), grad=st.booleans(), depth=st.floats(0.02, 1.0))
def test_one_negative_eigenvalue_is_found_with_its_direction(seed, d, grad, depth):
    A, values, Q = quadratic(seed, d, 0.5, 1.0)
    A = A - (values[0] + depth) * np.outer(Q[:, 0], Q[:, 0])

    def fun(x):
        return 0.5 * x @ A @ x + x.sum()

    found = check_convexity(fun, dim=d, grad=(lambda x: A @ x + 1.0) if grad else None, n_samples=60, n_curvatures=3)
    assert found.convex is False
    assert found.curvature == pytest.approx(-depth, rel=1e-2)
    assert abs(found.direction @ Q[:, 0]) > 0.99
    assert recomputed(found, fun)


def test_many_arguments_go_through_lanczos():
    rng = np.random.default_rng(0)
    d = 300
    scale = rng.uniform(1.0, 5.0, d)
    assert check_convexity(lambda x: scale @ x**2, dim=d, grad=lambda x: 2 * scale * x, n_curvatures=2).convex is True
    scale[17] = -0.5
    found = check_convexity(lambda x: scale @ x**2, dim=d, grad=lambda x: 2 * scale * x, n_curvatures=2)
    assert found.curvature == pytest.approx(-1.0, rel=1e-3)
    assert abs(found.direction[17]) > 0.99
    assert "17: 1" in str(found)


def test_kinks_and_single_precision_are_no_violations():
    assert check_convexity(lambda x: np.abs(x).sum() + np.max(x), dim=3).convex is True
    assert check_convexity(lambda x: np.float32(1e3) + np.float32(x @ x), dim=3).convex is True
    assert check_convexity(lambda x: 1e8 + (x @ x - 1e8), dim=2).convex is True


def test_domains():
    found = check_convexity(lambda x: -np.log(x).sum(), bounds=([0.1, 0.1], [3.0, 3.0]))
    assert found.convex is True
    assert check_convexity(lambda x: np.log(x).sum(), bounds=([0.1, 0.1], [3.0, 3.0])).convex is False
    # two boxes: finite on either side, infinite between
    found = check_convexity(lambda x: np.inf if abs(x[0]) < 0.5 else x[0] ** 2, dim=1, scale=0.3)
    assert found["chords"].holds is False
    assert "f = inf" in str(found)
    nowhere = check_convexity(lambda x: np.nan, dim=2)
    assert nowhere.convex is None
    assert nowhere.verdict == "not known"
    assert "bounds inside its domain" in str(nowhere)
    # sin is convex on one half of its period, and only there
    assert check_convexity(lambda x: np.sin(x[0]), bounds=([np.pi], [2 * np.pi])).convex is True
    assert check_convexity(lambda x: np.sin(x[0]), bounds=([0.0], [2 * np.pi])).convex is False


def test_value_and_gradient_in_one_and_products():
    calls = []

    def both(x):
        return tilted(x), tilted_gradient(x)

    def product(x, v):
        calls.append(1)
        return np.array([[12 * x[0] ** 2 + 2, 1.0], [1.0, 0.0]]) @ v

    found = check_convexity(both, dim=2, grad=True, hvp=product)
    assert found.convex is False
    assert recomputed(found, tilted)
    assert calls


def test_errors_name_the_argument():
    with pytest.raises(InvalidParameterError, match=r"dim: expected the number of arguments"):
        check_convexity(tilted)
    with pytest.raises(InvalidParameterError, match=r"fun: expected a function"):
        check_convexity(3.0)
    with pytest.raises(InvalidParameterError, match=r"got an estimator Ridge"):
        check_convexity(steepest.Ridge())
    with pytest.raises(InvalidParameterError, match=r"n_samples"):
        check_convexity(tilted, dim=2, n_samples=1)
    with pytest.raises(InvalidParameterError, match=r"low < high"):
        check_convexity(tilted, bounds=([1.0, 0.0], [0.0, 1.0]))
    with pytest.raises(InvalidParameterError, match=r"grad: expected 2 numbers, got 3"):
        check_convexity(tilted, dim=2, grad=lambda x: np.zeros(3))
    with pytest.raises(InvalidParameterError, match=r"expected one number as its value, got shape \(2,\)"):
        check_convexity(lambda x: x, dim=2)
    with pytest.raises(KeyError):
        check_convexity(tilted, dim=2)["hessian"]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), d=st.integers(1, 5), given_slope=st.booleans())
def test_differences_give_the_derivatives(seed, d, given_slope):
    A, _, _ = quadratic(seed, d, -1.0, 1.0)
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=d), rng.normal(size=d)

    def fun(x):
        return 0.5 * x @ A @ x + np.exp(0.3 * x).sum()

    def slope(x):
        return A @ x + 0.3 * np.exp(0.3 * x)

    (f,) = as_functions(fun, slope if given_slope else None, x=x)
    np.testing.assert_allclose(f.gradient(x), slope(x), atol=1e-8 * d)
    np.testing.assert_allclose(f.hvp(x, v), A @ v + 0.09 * np.exp(0.3 * x) * v, atol=1e-5 * d)
