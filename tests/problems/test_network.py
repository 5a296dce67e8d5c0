"""A network as a function of one vector: derivatives, blocks, kinds of X, and the solvers that minimise it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.problems.network import NetworkProblem

UNITS = ["tanh", "sigmoid", "softplus", "identity", "elu", "relu", "leaky_relu", "maxout"]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _problem(layers, loss, k, X, y, seed=0, **options):
    stack = Stack(X.shape[1], layers, k, dtype=options.pop("dtype", np.float64))
    objective = Objective(loss, k)
    shuffled = stack.initial(seed) + 0.1 * np.random.default_rng(seed).normal(size=stack.size)  # off the kinks
    options.setdefault("start", shuffled)
    return NetworkProblem(stack, objective, as_feed(X, stack.dtype), objective.targets(y), **options)


def _mixed(rng, n=23, d=5, k=3):
    return rng.normal(size=(n, d)), rng.integers(0, k, n)


@pytest.mark.parametrize("unit", UNITS)
def test_derivatives_are_differences_of_values(unit, rng):
    X, y = _mixed(rng)
    problem = _problem([Dense(4, unit), Dense(3, unit)], "cross_entropy", 3, X, y, s=rng.uniform(0, 2, 23), l2=0.1)
    w, v = problem.start(), rng.normal(size=problem.size)
    at, h = problem.evaluate(w), 1e-6
    slope = (problem.value(w + h * v) - problem.value(w - h * v)) / (2 * h)
    assert float(at.gradient @ v) == pytest.approx(slope, rel=1e-6, abs=1e-8)
    change = (problem.evaluate(w + h * v).gradient - problem.evaluate(w - h * v).gradient) / (2 * h)
    np.testing.assert_allclose(problem.hvp(at, v), change, rtol=1e-6, atol=1e-6 * np.abs(change).max())


@pytest.mark.parametrize(
    ("loss", "k"), [("squared_error", 2), ("log_loss", 2), ("crammer_singer", 3), ([(1, "kl"), (0.1, "log_loss")], 3)]
)
def test_other_losses(loss, k, rng):
    X = rng.normal(size=(17, 4))
    y = {"class": rng.integers(0, k, 17), "shares": rng.dirichlet(np.ones(k), 17)}.get(
        Objective(loss, k).targets_kind, rng.integers(0, 2, (17, k))
    )
    problem = _problem([Dense(5, "tanh")], loss, k, X, y)
    w, v, h = problem.start(), rng.normal(size=problem.size), 1e-6
    at = problem.evaluate(w)
    assert at.value == pytest.approx(problem.objective.values(problem.scores(w), problem.y).mean(), rel=1e-13)
    assert float(at.gradient @ v) == pytest.approx(
        (problem.value(w + h * v) - problem.value(w - h * v)) / (2 * h), rel=1e-6, abs=1e-8
    )
    change = (problem.evaluate(w + h * v).gradient - problem.evaluate(w - h * v).gradient) / (2 * h)
    np.testing.assert_allclose(problem.hvp(at, v), change, rtol=1e-6, atol=1e-6 * np.abs(change).max())


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from(UNITS))
def test_blocks_do_not_matter_and_the_hessian_is_symmetric(seed, block, unit):
    rng = np.random.default_rng(seed)
    X, y = _mixed(rng)
    layers = [Dense(4, unit)]
    one = _problem(layers, "cross_entropy", 3, X, y, seed, l2=0.01)
    many = _problem(layers, "cross_entropy", 3, X, y, seed, l2=0.01, block=block)
    w, u, v = one.start(), rng.normal(size=one.size), rng.normal(size=one.size)
    a, b = one.evaluate(w), many.evaluate(w)
    assert a.value == pytest.approx(b.value, rel=1e-13)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(one.hvp(a, v), many.hvp(b, v), rtol=1e-10, atol=1e-12)
    assert float(u @ many.hvp(b, v)) == pytest.approx(float(v @ many.hvp(b, u)), rel=1e-9, abs=1e-11)
    np.testing.assert_allclose(one.scores(w), many.scores(w), rtol=1e-12, atol=1e-14)


def test_rows_with_weights_are_rows_repeated(rng):
    X, y = _mixed(rng)
    counts = rng.integers(0, 4, len(X))
    weighted = _problem([Dense(4, "tanh")], "cross_entropy", 3, X, y, s=counts, l2=0.2)
    repeated = _problem([Dense(4, "tanh")], "cross_entropy", 3, np.repeat(X, counts, 0), np.repeat(y, counts), l2=0.2)
    a, b = (p.evaluate(weighted.start()) for p in (weighted, repeated))
    assert a.value == pytest.approx(b.value, rel=1e-13)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-11, atol=1e-14)


def test_kinds_of_rows(rng):
    X, y = _mixed(rng, d=8)
    X = np.where(rng.random(X.shape) < 0.7, 0.0, np.round(X, 2)).astype(np.float32)
    layers = [Dense(4, "relu"), Dense(3, "tanh")]
    dense = _problem(layers, "cross_entropy", 3, X.astype(np.float64), y)
    w, v = dense.start(), rng.normal(size=dense.size)
    at = dense.evaluate(w)
    bent = dense.hvp(at, v)
    stack, objective = Stack(8, layers, 3), Objective("cross_entropy", 3)  # float32, as networks are trained
    for feed in (
        as_feed(X),
        as_feed(np.asfortranarray(X)),
        as_feed(sp.csr_matrix(X)),
        as_feed(sp.csr_matrix(X), sparse=True),
    ):
        for block in (2048, 10):
            problem = NetworkProblem(stack, objective, feed, objective.targets(y), start=w, block=block)
            other = problem.evaluate(w)
            assert other.value == pytest.approx(at.value, rel=1e-13)
            np.testing.assert_allclose(other.gradient, at.gradient, rtol=1e-11, atol=1e-14)
            np.testing.assert_allclose(problem.hvp(other, v), bent, rtol=1e-10, atol=1e-12)


def test_shift_and_factor_are_those_of_the_feed(rng):
    X, y = _mixed(rng)
    shift, factor = X.mean(axis=0).astype(np.float32), (1.0 / X.std(axis=0)).astype(np.float32)
    stack, objective = Stack(5, [Dense(4, "tanh")], 3), Objective("cross_entropy", 3)
    w = stack.initial(0)
    scaled = NetworkProblem(stack, objective, as_feed(X, np.float32, shift, factor), objective.targets(y), start=w)
    by_hand = (X - shift.astype(np.float64)) * factor.astype(np.float64)
    plain = NetworkProblem(stack, objective, as_feed(by_hand), objective.targets(y), start=w)
    np.testing.assert_allclose(scaled.evaluate(w).gradient, plain.evaluate(w).gradient, rtol=1e-12, atol=1e-15)


def test_batch_normalisation_by_its_running_statistics(rng):
    X, y = _mixed(rng)
    stack, objective = Stack(5, [Dense(4, "tanh", batch_norm=True)], 3), Objective("cross_entropy", 3)
    w = stack.initial(0) + 0.1 * rng.normal(size=stack.size)
    statistics = stack.initial_statistics().astype(np.float64)
    mean, variance = (block.slice for block in sorted(stack.statistics_blocks, key=lambda block: block.kind))
    statistics[mean], statistics[variance] = rng.normal(size=4), rng.uniform(0.5, 2.0, 4)
    problem = NetworkProblem(stack, objective, as_feed(X), objective.targets(y), start=w, statistics=statistics)
    pieces = stack.views(w)
    sums = (X @ pieces["layers.0.weights"] - statistics[mean]) / np.sqrt(statistics[variance] + 1e-5)
    hidden = np.tanh(sums * pieces["layers.0.gamma"] + pieces["layers.0.beta"])
    scores = hidden @ pieces["layers.1.weights"] + pieces["layers.1.bias"]
    np.testing.assert_allclose(problem.scores(w), scores, rtol=1e-12, atol=1e-14)
    v, h = rng.normal(size=stack.size), 1e-6
    slope = (problem.value(w + h * v) - problem.value(w - h * v)) / (2 * h)
    assert float(problem.evaluate(w).gradient @ v) == pytest.approx(slope, rel=1e-6)
    before = problem.hvp(problem.evaluate(w), v)
    problem.statistics[mean] += 1.0  # another epoch's
    again = NetworkProblem(stack, objective, as_feed(X), objective.targets(y), start=w, statistics=problem.statistics)
    after = again.hvp(again.evaluate(w), v)
    np.testing.assert_array_equal(problem.hvp(problem.evaluate(w), v), after)
    assert not np.array_equal(before, after)


def test_a_layer_that_is_not_trained_keeps_its_numbers(rng):
    X, y = _mixed(rng)
    stack, objective = Stack(5, [Dense(6, "relu", trainable=False)], 3), Objective("cross_entropy", 3)
    w = stack.initial(4)
    kept = stack.fixed.copy()
    problem = NetworkProblem(stack, objective, as_feed(X), objective.targets(y))
    assert problem.size == 6 * 3 + 3
    np.testing.assert_array_equal(stack.fixed, kept)
    weights = kept[:30].reshape(5, 6).astype(np.float64)
    hidden = np.maximum(X @ weights + kept[30:].astype(np.float64), 0.0)
    np.testing.assert_allclose(problem.scores(w), hidden @ w[:18].reshape(6, 3) + w[18:], rtol=1e-12, atol=1e-14)


def test_a_ray_is_the_function_along_a_line(rng):
    X, y = _mixed(rng)
    problem = _problem([Dense(4, "tanh")], "cross_entropy", 3, X, y, l2=0.1)
    at, d = problem.evaluate(problem.start()), rng.normal(size=problem.size)
    ray = problem.along(at, d)
    assert ray.value(0.3) == pytest.approx(problem.evaluate(at.w + 0.3 * d).value, rel=1e-14)
    value, slope = ray.value_slope(0.3)
    h = 1e-6
    assert slope == pytest.approx((ray.value(0.3 + h) - ray.value(0.3 - h)) / (2 * h), rel=1e-6)
    before = problem.passes
    assert problem.complete(ray, 0.3).value == value
    assert problem.passes == before


def test_what_is_not_finite_is_outside(rng):
    X, y = _mixed(rng)
    problem = _problem([Dense(4, "relu")], "squared_error", 1, X, y)
    assert problem.evaluate(np.full(problem.size, 1e200)).value == np.inf
    assert problem.value(np.full(problem.size, 1e200)) == np.inf


def test_a_linear_network_has_the_solution_of_ridge(rng):
    X = rng.normal(size=(40, 3))
    y = X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.normal(size=40)
    problem = _problem([], "squared_error", 1, X, y, l2=0.05)
    H = problem.hessian(problem.evaluate(problem.start()))
    ones = np.column_stack([X, np.ones(40)])
    np.testing.assert_allclose(H, ones.T @ ones / 40 + np.diag([0.05, 0.05, 0.05, 0.0]), rtol=1e-12, atol=1e-14)


def test_arguments_that_are_refused(rng):
    X, y = _mixed(rng)
    layers = [Dense(4, "tanh")]
    with pytest.raises(InvalidParameterError, match="positive sum"):
        _problem(layers, "cross_entropy", 3, X, y, s=np.zeros(23))
    with pytest.raises(InvalidParameterError, match="not negative"):
        _problem(layers, "cross_entropy", 3, X, y, s=np.linspace(-1, 2, 23))
    with pytest.raises(InvalidParameterError, match="23 targets"):
        _problem(layers, "cross_entropy", 3, X, y[:-1])
    with pytest.raises(InvalidParameterError, match="start"):
        _problem(layers, "cross_entropy", 3, X, y, start=np.zeros(3))
    with pytest.raises(InvalidParameterError, match="w: expected"):
        _problem(layers, "cross_entropy", 3, X, y).evaluate(np.zeros(3))


def test_losses_without_curvature_have_no_products(rng):
    from typing import NamedTuple

    from steepest.losses.registry import SCALAR_LOSSES, scalar_loss

    @scalar_loss(name="quartic_for_networks")
    class Quartic(NamedTuple):
        def value(self, z, y):
            return 0.25 * (z - y) ** 4

        def slope(self, z, y):
            return (z - y) ** 3

    try:
        problem = _problem([Dense(3, "tanh")], Quartic(), 1, rng.normal(size=(9, 2)), rng.normal(size=9))
        at = problem.evaluate(problem.start())
        assert not problem.traits.has_curvature
        with pytest.raises(IncompatibleError, match="states no curvature"):
            problem.hvp(at, at.gradient)
    finally:
        del SCALAR_LOSSES["quartic_for_networks"]


def test_scipy_finds_no_less(rng):
    """The gradient is exact enough for another library's solver to come to rest with it."""
    X, y = _mixed(rng)
    problem = _problem([Dense(4, "tanh")], "cross_entropy", 3, X, y, l2=0.05)

    def function(w):
        at = problem.evaluate(w)
        return at.value, at.gradient

    found = minimize(function, problem.start(), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 0.0})
    assert np.abs(problem.evaluate(found.x).gradient).max() < 1e-6


def test_programs_that_stand_at_an_array_read_it_and_give_it_back():
    stack, objective = Stack(2, [Dense(3, "tanh")], 1), Objective("squared_error", 1)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((7, 2)), objective.targets(rng.standard_normal(7))
    problem = NetworkProblem(stack, objective, as_feed(X, np.float64), y, block=3)
    w, other = rng.standard_normal((2, problem.size))
    expected = problem.evaluate(w)
    problem.stand(w)
    kept = w.copy()
    at = problem.evaluate(w)
    assert (at.value, at.gradient.tolist()) == (expected.value, expected.gradient.tolist())
    problem.release()
    assert problem.evaluate(other).value != at.value
    np.testing.assert_array_equal(w, kept)
    product = problem.hvp(expected, other)
    problem.release()
    np.testing.assert_array_equal(problem.hvp(expected, other), product)


def test_blocks_that_do_not_divide_the_rows_change_nothing():
    """The last block is filled up with rows of weight zero."""
    objective = Objective("cross_entropy", 3)
    stack = Stack(4, [Dense(5, "tanh"), Dense(3, "softplus")], 3)
    rng = np.random.default_rng(1)
    X, y, s = rng.standard_normal((23, 4)), objective.targets(np.arange(23) % 3), rng.random(23)
    whole = NetworkProblem(stack, objective, as_feed(X, np.float64), y, s, l2=0.1, block=23)
    w, v = rng.standard_normal((2, whole.size))
    expected, product = whole.evaluate(w), whole.hvp(whole.evaluate(w), v)
    for block in (1, 4, 10, 22):
        problem = NetworkProblem(stack, objective, as_feed(X, np.float64), y, s, l2=0.1, block=block)
        at = problem.evaluate(w)
        assert at.value == pytest.approx(expected.value, rel=1e-14)
        np.testing.assert_allclose(at.gradient, expected.gradient, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(problem.hvp(at, v), product, rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(problem.scores(w), whole.scores(w), rtol=1e-13)
        assert problem.value(w) == pytest.approx(expected.value, rel=1e-14)


def test_a_sample_stands_for_all_rows(rng):
    X, y = rng.normal(size=(300, 4)), rng.normal(size=(300, 1))
    s = rng.integers(0, 3, size=300).astype(float)
    for weights in (None, s):
        problem = _problem([Dense(3, "tanh")], "squared_error", 1, X, y, s=weights, l2=0.1)
        w = problem.start()
        part = problem.sample(120)
        index, factors = part.index, part.s
        assert part.n == 120 == len(np.unique(index))
        if weights is not None:
            assert np.all(s[index] > 0.0)
        again = _problem([Dense(3, "tanh")], "squared_error", 1, X[index], y[index], s=factors, l2=0.1)
        here, there = part.evaluate(w), again.evaluate(w)
        assert here.value == pytest.approx(there.value, rel=1e-12)
        np.testing.assert_allclose(here.gradient, there.gradient, rtol=1e-10, atol=1e-12)
        assert problem.passes == 0.0
        many = int(np.count_nonzero(s)) if weights is not None else 300
        whole = problem.sample(10**6)
        assert whole.n == many
        assert whole.value(w) == pytest.approx(problem.value(w), rel=1e-12)
        np.testing.assert_array_equal(problem.sample(120).index, index)


def test_a_sample_of_stretches_of_two_lengths_is_unbiased():
    """Of 5 rows 3 are drawn: rows of stretches of two count twice, so that each row counts as often as another."""
    X, y = np.eye(5), np.zeros((5, 1))
    problem = _problem([Dense(2, "tanh")], "squared_error", 1, X, y)
    part = problem.sample(3)
    assert sorted(part.s * 5 / 3) == pytest.approx([1.0, 2.0, 2.0])
    assert part.s.sum() == pytest.approx(3.0)
