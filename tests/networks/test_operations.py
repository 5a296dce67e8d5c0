"""Every operation: its values, and its derivatives to first and second order against differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from scipy import special

from steepest import losses
from steepest import networks as nw
from steepest.exceptions import IncompatibleError, InvalidParameterError


def parameter(shape, seed=0, low=None, dtype=np.float64):
    """Random numbers away from the kinks at 0; positive where low is given."""
    random = np.random.default_rng(seed)
    value = random.uniform(0.2, 2.0, shape) * random.choice([-1.0, 1.0], shape)
    return nw.Parameter(np.abs(value) + low if low is not None else value, f"w{seed}", dtype)


def weighted(node, seed=7):
    """A number that feels every entry differently."""
    if node.shape == ():
        return node
    return nw.sum(node * np.random.default_rng(seed).uniform(0.5, 1.5, node.shape))


def check(node, second=True, h=1e-5):
    """Gradient and Hessian-vector product of a weighted sum against central differences."""
    graph = nw.Graph(weighted(node))
    x = graph.start
    g = graph.grad(x)
    eye = np.eye(len(x))
    quotients = np.array([(graph(x + h * e) - graph(x - h * e)) / (2 * h) for e in eye])
    np.testing.assert_allclose(g, quotients, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(g).max()))
    if second:
        v = np.random.default_rng(3).standard_normal(len(x))
        product = graph.hessp(x, v)
        change = (graph.grad(x + h * v) - graph.grad(x - h * v)) / (2 * h)
        np.testing.assert_allclose(product, change, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(change).max()))


UNARY = {
    "negative": (nw.negative, np.negative, False),
    "exp": (nw.exp, np.exp, False),
    "log": (nw.log, np.log, True),
    "sqrt": (nw.sqrt, np.sqrt, True),
    "square": (nw.square, np.square, False),
    "abs": (nw.abs, np.abs, False),
    "sign": (nw.sign, np.sign, False),
    "sin": (nw.sin, np.sin, False),
    "cos": (nw.cos, np.cos, False),
    "sigmoid": (nw.sigmoid, special.expit, False),
    "tanh": (nw.tanh, np.tanh, False),
    "softplus": (nw.softplus, lambda x: np.log1p(np.exp(x)), False),
    "relu": (nw.relu, lambda x: np.where(x > 0, x, 0.0), False),
    "leaky_relu": (lambda x: nw.leaky_relu(x, 0.2), lambda x: np.where(x > 0, x, 0.2 * x), False),
    "steep_relu": (lambda x: nw.leaky_relu(x, 1.5), lambda x: np.where(x > 0, x, 1.5 * x), False),
    "elu": (lambda x: nw.elu(x, 1.3), lambda x: np.where(x > 0, x, 1.3 * np.expm1(x)), False),
    "cube": (lambda x: x**3, lambda x: x**3, False),
    "reciprocal": (lambda x: x**-1, lambda x: 1 / x, False),
    "root": (lambda x: x**0.5, np.sqrt, True),
    "base": (lambda x: 2.0**x, lambda x: 2.0**x, False),
    "fraction": (lambda x: 3.0 / x - x / 2.0, lambda x: 3 / x - x / 2, False),
    "softmax": (nw.softmax, lambda x: special.softmax(x, -1), False),
    "softmax_columns": (lambda x: nw.softmax(x, 0), lambda x: special.softmax(x, 0), False),
    "log_softmax": (nw.log_softmax, lambda x: special.log_softmax(x, -1), False),
    "logsumexp": (nw.logsumexp, special.logsumexp, False),
    "logsumexp_rows": (lambda x: nw.logsumexp(x, 1, True), lambda x: special.logsumexp(x, 1, keepdims=True), False),
    "sum_columns": (lambda x: nw.sum(x, 0), lambda x: x.sum(0), False),
    "mean_rows": (lambda x: nw.mean(x, -1, keepdims=True), lambda x: x.mean(-1, keepdims=True), False),
    "mean": (nw.mean, np.mean, False),
    "amax": (nw.amax, np.max, False),
    "amax_rows": (lambda x: nw.amax(x, 1), lambda x: x.max(1), False),
    "transpose": (lambda x: x.T, np.transpose, False),
    "reshape": (lambda x: nw.exp(x).reshape(-1, 2), lambda x: np.exp(x).reshape(-1, 2), False),
    "reshape_turned": (lambda x: x.T.reshape(-1), lambda x: x.T.reshape(-1), False),
    "part": (lambda x: x[1:, ::2], lambda x: x[1:, ::2], False),
    "entry": (lambda x: x[2, -1], lambda x: x[2, -1], False),
    "ellipsis": (lambda x: x[..., 1], lambda x: x[..., 1], False),
    "rows": (lambda x: x[np.array([0, 2, 2, 1])], lambda x: x[[0, 2, 2, 1]], False),
    "concatenate": (
        lambda x: nw.concatenate([x, nw.square(x)], 1),
        lambda x: np.concatenate([x, x**2], 1),
        False,
    ),
    "gram": (lambda x: x.T @ x, lambda x: x.T @ x, False),
    "stack": (
        lambda x: x.reshape(3, 2, 2) @ x.reshape(3, 2, 2),
        lambda x: x.reshape(3, 2, 2) @ x.reshape(3, 2, 2),
        False,
    ),
    "norm": (lambda x: nw.dot(x.reshape(-1), x.reshape(-1)), lambda x: np.sum(x * x), False),
    "x_minus_its_turn": (lambda x: x[:, :3] - x[:, :3].T, lambda x: x[:, :3] - x[:, :3].T, False),
}


@pytest.mark.parametrize("name", UNARY)
def test_values_and_derivatives(name):
    made, expected, positive = UNARY[name]
    x = parameter((3, 4), low=0.1 if positive else None)
    node = made(x)
    graph = nw.Graph(node)
    value = graph.forward()
    assert np.shape(value) == node.shape
    np.testing.assert_allclose(value, expected(x.value), rtol=1e-14, atol=1e-14)
    check(node)
    check(nw.square(made(x)) if not positive else nw.exp(nw.sin(made(x))))


BINARY = {
    "add": (nw.add, np.add),
    "subtract": (nw.subtract, np.subtract),
    "multiply": (nw.multiply, np.multiply),
    "divide": (nw.divide, np.divide),
    "power": (nw.power, np.power),
    "maximum": (nw.maximum, np.maximum),
    "minimum": (nw.minimum, np.minimum),
}


@pytest.mark.parametrize("name", BINARY)
@given(
    shapes=mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3, min_side=1),
    seed=st.integers(0, 99),
)
@settings(max_examples=8, deadline=None)
def test_broadcasting_is_summed_back(name, shapes, seed):
    made, expected = BINARY[name]
    low = 0.5 if name == "power" else None
    a, b = (parameter(shape, 2 * seed + k, low) for k, shape in enumerate(shapes.input_shapes))
    node = made(a, b)
    assert node.shape == shapes.result_shape
    np.testing.assert_allclose(nw.Graph(node).forward(), expected(a.value, b.value), rtol=1e-14)
    check(nw.sin(node))


@given(
    front=mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3, min_side=1),
    sizes=st.tuples(*[st.integers(1, 4)] * 3),
    vectors=st.tuples(st.booleans(), st.booleans()),
)
@settings(max_examples=25, deadline=None)
def test_products_of_vectors_matrices_and_stacks(front, sizes, vectors):
    n, k, m = sizes
    left = (k,) if vectors[0] else (*front.input_shapes[0], n, k)
    right = (k,) if vectors[1] else (*front.input_shapes[1], k, m)
    a, b = parameter(left, 1), parameter(right, 2)
    node = a @ b
    np.testing.assert_allclose(nw.Graph(node).forward(), a.value @ b.value, rtol=1e-13, atol=1e-13)
    check(nw.sin(node))


def test_operands_that_blas_does_not_take():
    x = nw.Parameter(np.random.default_rng(0).standard_normal((6, 8)), "x")
    check(nw.sin(x[::2, ::2] @ x[:4, 1::2]))
    check(nw.square(nw.sum(x @ np.ones((8, 2)))))


# --------------------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize(
    ("made", "slope"),
    [
        (nw.relu, 0.0),
        (nw.abs, 0.0),
        (nw.sign, 0.0),
        (lambda x: nw.leaky_relu(x, 0.2), 0.2),
        (lambda x: nw.elu(x, 0.7), 0.7),
        (lambda x: nw.maximum(x, 0.0), 0.5),
        (lambda x: nw.minimum(0.0, x), 0.5),
    ],
    ids=["relu", "abs", "sign", "leaky_relu", "elu", "maximum", "minimum"],
)
def test_slopes_at_a_kink_are_those_that_are_stated(made, slope):
    x = nw.Parameter(np.zeros(2), "x")
    graph = nw.Graph(nw.sum(made(x)))
    graph.forward()
    assert graph.gradients().tolist() == [slope, slope]


def test_largest_entries_share_the_slope():
    x = nw.Parameter([[1.0, 3.0, 3.0], [5.0, 0.0, 1.0]], "x")
    graph = nw.Graph(nw.sum(nw.amax(x, 1)))
    assert graph.forward() == 8.0
    assert graph.backward()["x"].tolist() == [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]


def test_no_overflow_where_there_is_none():
    x = nw.Parameter([-800.0, 0.0, 800.0], "x")
    for made in (nw.sigmoid, nw.softplus, nw.logsumexp, nw.softmax, nw.log_softmax, nw.elu, nw.tanh):
        graph = nw.Graph(nw.sum(made(x)))
        assert np.isfinite(graph.forward()), made
        assert np.all(np.isfinite(graph.gradients())), made


def test_powers_have_derivatives_at_zero():
    x = nw.Parameter([0.0, 2.0], "x")
    graph = nw.Graph(nw.sum(nw.reshape(x, (2, 1)) ** np.arange(4.0)))  # 1 + x + x^2 + x^3
    assert graph.grad([0.0, 2.0]).tolist() == [1.0, 17.0]
    assert graph.hessp([0.0, 2.0], [1.0, 1.0]).tolist() == [2.0, 14.0]
    assert nw.Graph(nw.sum(x**0)).grad([0.0, 2.0]).tolist() == [0.0, 0.0]


def test_outside_a_domain_numbers_are_those_of_numpy_and_nothing_warns():
    x = nw.Parameter([-1.0, 0.0, 4.0], "x")
    assert str(nw.Graph(nw.log(x)).forward()) == str(np.array([np.nan, -np.inf, np.log(4.0)]))
    assert str(nw.Graph(nw.sqrt(x)).forward()) == str(np.array([np.nan, 0.0, 2.0]))
    graph = nw.Graph(nw.sum(1.0 / x))
    assert graph.forward() == np.inf
    assert graph.gradients().tolist() == [-1.0, -np.inf, -0.0625]


# -------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("name", sorted(losses.SCALAR_LOSSES.keys() - {"zero_one", "weighted_sum"}))
def test_every_loss_of_one_score(name):
    kind = losses.get_loss(name)
    if type(kind).__module__.partition(".")[0] != "steepest":
        pytest.skip("registered by another test")
    y = {"sign": [-1.0, 1.0, 1.0], "unit": [0.0, 1.0, 1.0], "nonnegative": [0.0, 2.0, 1.0]}.get(kind.targets)
    z = nw.Parameter([0.4, -0.7, 1.9], "z")
    targets = np.array(y if y is not None else [0.1, 2.2, -1.0])
    node = nw.loss(name, z, targets)
    expected = [kind.value(float(a), float(b)) for a, b in zip(z.value, targets, strict=True)]
    np.testing.assert_allclose(nw.Graph(node).forward(), expected, rtol=1e-12)
    check(node, second=losses.has(kind, "curvature"))


def test_a_loss_without_curvature_has_no_second_derivative():
    z = nw.Parameter([0.5], "z")
    graph = nw.Graph(nw.sum(nw.loss("absolute", z, [0.0])))
    graph.forward()
    assert graph.gradients().tolist() == [1.0]
    with pytest.raises(IncompatibleError, match="absolute: this loss states no curvature"):
        graph.hvp([1.0])


@pytest.mark.parametrize("name", ["crammer_singer", "weston_watkins"])
def test_losses_of_several_scores(name):
    z = nw.Parameter(np.random.default_rng(0).standard_normal((4, 3)), "z")
    labels = np.array([0, 2, 1, 1])
    node = nw.loss(name, z, labels)
    kind = losses.get_loss(name)
    expected = [kind.value_slope(row.copy(), int(y), np.empty(3)) for row, y in zip(z.value, labels, strict=True)]
    np.testing.assert_allclose(nw.Graph(node).forward(), expected, rtol=1e-12)
    check(node, second=False)
    graph = nw.Graph(nw.mean(node))
    graph.forward()
    with pytest.raises(IncompatibleError, match="second derivatives"):
        graph.hvp(np.ones(12))


@pytest.mark.parametrize("soft", [False, True], ids=["classes", "shares"])
def test_softmax_cross_entropy(soft):
    random = np.random.default_rng(0)
    z = nw.Parameter(random.standard_normal((5, 3)), "z")
    labels = np.array([0, 2, 1, 1, 0])
    y = random.dirichlet(np.ones(3), 5) if soft else np.eye(3)[labels]
    node = nw.loss("softmax", z, y if soft else labels)
    np.testing.assert_allclose(nw.Graph(node).forward(), -(y * special.log_softmax(z.value, 1)).sum(1), rtol=1e-13)
    graph = nw.Graph(nw.sum(node))
    graph.forward()
    np.testing.assert_allclose(graph.backward()["z"], special.softmax(z.value, 1) - y, atol=1e-15)
    check(node)


# -------------------------------------------------------------------------------------------------- errors


def test_what_does_not_fit_is_named():
    a, b = nw.Input((3, 2), "a"), nw.Input((4,), "b")
    labels = nw.Input((3,), "y", dtype=int)
    single = nw.Input((3, 2), "c", dtype=np.float32)
    for build, said in [
        (lambda: a + b, r"\+: expected shapes that fit together, got a of \(3, 2\) and b of \(4,\)"),
        (lambda: a @ b, r"@: expected as many columns .* got a \(3, 2\) @ b \(4,\)"),
        (lambda: a @ 2.0, "@: expected vectors or matrices"),
        (lambda: nw.dot(a, a), "dot: expected two vectors"),
        (lambda: a + single, r"\+: expected operands of one float type"),
        (lambda: a + labels, r"\+: expected operands of one float type"),
        (lambda: a * "two", r"\*: expected a node, a number or an array, got 'two'"),
        (lambda: a.reshape(4), "reshape: expected a shape of 6 entries"),
        (lambda: a.sum(axis=2), "axis: expected axes"),
        (lambda: a.sum(axis=1.0), "axis: expected axes"),
        (lambda: a.sum(axis=(0, -2)), "axis: expected axes"),
        (lambda: a[True], "part: expected integers and slices"),
        (lambda: a[5], "part: index 5 is out of bounds"),
        (lambda: a[3:], "part: expected at least one entry, got none"),
        (lambda: nw.transpose(a, (0, 0)), "axes: expected each axis"),
        (lambda: nw.transpose(a, (2, 3)), "axes: expected each axis"),
        (lambda: nw.transpose(nw.Input(()), (0,)), "axes: expected each axis"),
        (lambda: nw.concatenate([a, b]), "concatenate|axis"),
        (lambda: nw.rows(a, [3]), "rows: expected integers from 0 to 2, got 3 to 3"),
        (lambda: nw.rows(a, b), "rows: expected row numbers as an integer Input"),
        (lambda: nw.softmax_cross_entropy(a, np.array([0, 1, 2])), "y: expected integers from 0 to 1"),
        (lambda: nw.softmax_cross_entropy(a, np.array([0, 1])), r"y: expected labels of shape \(3,\)"),
        (lambda: nw.loss("hinge", a, [1.0]), r"y: expected targets of shape \(3, 2\)"),
        (lambda: nw.loss("zero_one", a, a), "has no slope"),
        (lambda: nw.leaky_relu(a, np.nan), "slope: expected a finite number"),
        (lambda: nw.elu(a, 0.0), "alpha: expected a number above 0"),
        (lambda: nw.Input((0, 3)), "An empty batch has no gradient"),
        (lambda: nw.Input((None, 3)), "shape: expected integers"),
        (lambda: nw.Input(None), "shape: expected integers"),
        (lambda: nw.Input((2,), dtype="floatt"), "dtype: expected float64"),
        (lambda: nw.Parameter(np.empty((0, 3))), "at least one entry"),
        (lambda: nw.Parameter(["a"]), "value: expected numbers"),
        (lambda: nw.Input((2,), dtype=complex), "dtype: expected float64"),
        (lambda: nw.gradient(a, [a]), "output: expected one number"),
        (lambda: nw.gradient(a.sum(), [labels]), "wrt: expected nodes of floats"),
        (lambda: nw.gradient(a, [a], b), "seed: expected shape"),
        (lambda: nw.gradient(a, [a], np.ones((3, 2))), "seed: expected a node"),
        (lambda: nw.tangent([a], {a: b}), "directions: expected shape"),
        (lambda: nw.tangent([a], {a: single}), "directions: expected shape"),
        (lambda: nw.curvature(a.sum(), [a], []), "directions: expected one for each of 1"),
    ]:
        with pytest.raises(InvalidParameterError, match=said):
            build()


def test_a_node_is_not_run_through():
    with pytest.raises(TypeError):
        list(nw.Input((3,)))
