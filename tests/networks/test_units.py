"""Units as values: their nodes, slopes at kinks, and what they state of themselves."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special

from steepest import networks as nw
from steepest.exceptions import InvalidParameterError
from steepest.networks.units import (
    UNITS,
    Elu,
    Identity,
    LeakyRelu,
    Maxout,
    Relu,
    Sigmoid,
    Softplus,
    Tanh,
    get_unit,
)

FUNCTIONS = {
    Identity(): lambda a: a,
    Sigmoid(): special.expit,
    Tanh(): np.tanh,
    Relu(): lambda a: np.maximum(a, 0.0),
    LeakyRelu(0.2): lambda a: np.where(a > 0, a, 0.2 * a),
    Elu(1.5): lambda a: np.where(a > 0, a, 1.5 * np.expm1(np.minimum(a, 0.0))),
    Softplus(): lambda a: np.logaddexp(a, 0.0),
}
ids = [unit.name for unit in FUNCTIONS]


@pytest.mark.parametrize("unit", FUNCTIONS, ids=ids)
def test_value_slope_and_curvature(unit):
    sums = np.random.default_rng(0).normal(size=(7, 5)) * 2.0
    a = nw.Parameter(sums, "a")
    node = unit.node(a)
    graph = nw.Graph(nw.sum(nw.square(node) + node))
    x, h = graph.start, 1e-6
    assert graph(x) == pytest.approx((FUNCTIONS[unit](sums) ** 2 + FUNCTIONS[unit](sums)).sum(), rel=1e-12)
    quotients = [(graph(x + h * e) - graph(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    np.testing.assert_allclose(graph.grad(x), quotients, rtol=1e-6, atol=1e-7)
    v = np.random.default_rng(1).normal(size=len(x))
    change = (graph.grad(x + h * v) - graph.grad(x - h * v)) / (2 * h)
    np.testing.assert_allclose(graph.hessp(x, v), change, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unit", FUNCTIONS, ids=ids)
def test_the_stated_range_holds(unit):
    a = nw.Parameter(np.linspace(-800.0, 800.0, 4001).reshape(1, -1), "a")
    out = nw.Graph(unit.node(a), parameters=[a]).forward()
    assert unit.limits[0] <= out.min()
    assert out.max() <= unit.limits[1]


@pytest.mark.parametrize(("unit", "slope"), [(Relu(), 0.0), (LeakyRelu(0.3), 0.3), (Elu(1.7), 1.7)])
def test_slopes_at_the_kink(unit, slope):
    a = nw.Parameter(np.zeros((1, 1)), "a")
    graph = nw.Graph(nw.sum(unit.node(a)))
    assert graph.grad(np.zeros(1))[0] == slope


def test_maxout_takes_the_largest_of_its_pieces_and_the_first_at_a_tie():
    # two units of three pieces: piece p of unit j is column 2 p + j
    sums = np.array([[1.0, 5.0, 3.0, 5.0, 3.0, 2.0]])
    a = nw.Parameter(sums, "a")
    node = Maxout(3).node(a)
    graph = nw.Graph(nw.sum(node * np.array([[10.0, 100.0]])))
    assert graph(sums.ravel()) == 10 * 3 + 100 * 5
    np.testing.assert_array_equal(graph.grad(sums.ravel()), [0, 100, 10, 0, 0, 0])


def test_maxout_to_second_order():
    random = np.random.default_rng(0)
    a = nw.Parameter(random.normal(size=(4, 6)), "a")
    graph = nw.Graph(nw.sum(nw.exp(Maxout(2).node(a))))
    x, h = graph.start, 1e-6
    v = random.normal(size=len(x))
    pieces = x.reshape(4, 2, 3)
    assert graph(x) == pytest.approx(np.exp(pieces.max(axis=1)).sum(), rel=1e-14)
    change = (graph.grad(x + h * v) - graph.grad(x - h * v)) / (2 * h)
    np.testing.assert_allclose(graph.hessp(x, v), change, rtol=1e-6, atol=1e-7)


def test_names_and_values():
    assert get_unit("logistic") == get_unit("sigmoid") == Sigmoid()
    assert get_unit("leaky_relu") == LeakyRelu(0.01)
    assert get_unit(Maxout(3)) is not None
    assert Maxout(3).pieces == 3
    assert Relu().pieces == 1
    for name in UNITS:
        unit = get_unit(name)
        assert pickle.loads(pickle.dumps(unit)) == unit
        assert eval(repr(unit)) == unit  # as a user would write it


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: get_unit("swish"), "activation"),
        (lambda: get_unit(3), "activation"),
        (lambda: LeakyRelu(-0.1), "slope"),
        (lambda: LeakyRelu(np.nan), "slope"),
        (lambda: Elu(0.0), "alpha"),
        (lambda: Elu(-1.0), "alpha"),
        (lambda: Maxout(1), "pieces"),
        (lambda: Maxout(2.0), "pieces"),
    ],
)
def test_errors_name_what_was_wrong(make, name):
    with pytest.raises(InvalidParameterError, match=f"{name}:"):
        make()
