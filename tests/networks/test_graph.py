"""Graphs: worked examples by hand, random graphs by differences, programs without new arrays, and PyTorch."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steepest
from steepest import networks as nw
from steepest.exceptions import InvalidParameterError


def perceptron(n=12, d=4, h=5, k=3, dtype=np.float64, seed=0):
    """A network with one hidden layer, its data, and the node of its losses."""
    random = np.random.default_rng(seed)
    X, t = nw.Input((n, d), "X", dtype), nw.Input((n,), "t", dtype=int)
    W = nw.Parameter(random.standard_normal((d, h)), "W", dtype)
    b = nw.Parameter(random.standard_normal(h), "b", dtype)
    V = nw.Parameter(random.standard_normal((h, k)), "V", dtype)
    c = nw.Parameter(random.standard_normal(k), "c", dtype)
    rows = nw.softmax_cross_entropy(nw.tanh(X @ W + b) @ V + c, t)
    return rows, {"X": random.standard_normal((n, d)), "t": random.integers(0, k, n)}


# -------------------------------------------------------------------------------------------- worked by hand


def test_a_sum_times_a_number():
    x, y, z = (nw.Input((), name) for name in "xyz")
    graph = nw.Graph((x + y) * z)
    assert graph.forward(x=-2.0, y=5.0, z=-4.0) == -12.0
    # q = x + y = 3;  dq = z = -4,  dz = q = 3,  dx = dy = dq
    assert {k: float(v) for k, v in graph.backward().items()} == {"x": -4.0, "y": -4.0, "z": 3.0}


def test_a_sigmoid_neuron():
    w, x, b = nw.Parameter([2.0, -3.0], "w"), nw.Input((2,), "x"), nw.Parameter(-3.0, "b")
    graph = nw.Graph(nw.sigmoid(nw.dot(w, x) + b))
    # s = 2(-1) + (-3)(-2) - 3 = 1;  slope = p (1 - p)
    p = 1.0 / (1.0 + math.exp(-1.0))
    slope = p * (1.0 - p)
    assert graph.forward(x=[-1.0, -2.0]) == pytest.approx(p, rel=1e-15)
    found = graph.backward()
    np.testing.assert_allclose(found["w"], [-slope, -2.0 * slope], rtol=1e-14)
    np.testing.assert_allclose(found["x"], [2.0 * slope, -3.0 * slope], rtol=1e-14)
    np.testing.assert_allclose(found["b"], slope, rtol=1e-14)


def test_branches_that_meet_again():
    x, y = nw.Input((), "x"), nw.Input((), "y")
    graph = nw.Graph((x + nw.sigmoid(y)) / (nw.sigmoid(x) + (x + y) ** 2))
    a, b = 3.0, -4.0
    s, t = 1.0 / (1.0 + math.exp(-a)), 1.0 / (1.0 + math.exp(-b))
    top, low = a + t, s + (a + b) ** 2
    assert graph.forward(x=a, y=b) == pytest.approx(top / low, rel=1e-15)
    found = graph.backward()
    by_x = 1.0 / low - top / low**2 * (s * (1.0 - s) + 2.0 * (a + b))
    by_y = t * (1.0 - t) / low - top / low**2 * 2.0 * (a + b)
    np.testing.assert_allclose([found["x"], found["y"]], [by_x, by_y], rtol=1e-14)
    np.testing.assert_allclose([found["x"], found["y"]], [2.0595698, 1.5922327], atol=5e-8)
    assert str(graph.show()) == (
        "node  is              value   gradient\n"
        "x     input               3    2.05957\n"
        "y     input              -4    1.59223\n"
        "v1    sigmoid(y)  0.0179862   0.512144\n"
        "v2    x + v1        3.01799   0.512144\n"
        "v3    sigmoid(x)   0.952574  -0.791593\n"
        "v4    x + y              -1    1.58319\n"
        "v5    square(v4)          1  -0.791593\n"
        "v6    v3 + v5       1.95257  -0.791593\n"
        "v7    v2 / v6       1.54564          1"
    )


# -------------------------------------------------------------------------------------------- random graphs

_STEPS = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b,
    lambda a, b: a / (1.5 + nw.square(b)),
    lambda a, b: nw.tanh(a @ b.T @ b),
    lambda a, b: nw.sigmoid(a) * b,
    lambda a, b: nw.softmax(a) + nw.sum(b, 0),
    lambda a, b: nw.softplus(a) - nw.mean(b, 1, keepdims=True),
    lambda a, b: nw.sin(a)[::-1] + nw.elu(b),
    lambda a, b: nw.concatenate([a[:1], b[1:]], 0),
    lambda a, b: nw.log(1.0 + nw.exp(-nw.square(a))) * nw.logsumexp(b),
]


@given(choices=st.lists(st.tuples(st.integers(0, len(_STEPS) - 1), st.integers(0, 99), st.integers(0, 99)), min_size=1,
                        max_size=9), seed=st.integers(0, 99))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_random_graphs_agree_with_differences(choices, seed):
    random = np.random.default_rng(seed)
    nodes = [nw.Parameter(random.uniform(-1.0, 1.0, (3, 2)), name) for name in "ab"]
    for kind, i, j in choices:
        nodes.append(nw.tanh(_STEPS[kind](nodes[i % len(nodes)], nodes[j % len(nodes)])))
    total = nodes[-1]
    for node in nodes[2:-1]:
        total = total + node
    graph = nw.Graph(nw.mean(nw.square(total)), parameters=nodes[:2])
    x, h = graph.start, 1e-5
    g = graph.grad(x)
    quotients = [(graph(x + h * e) - graph(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    np.testing.assert_allclose(g, quotients, rtol=1e-6, atol=1e-6 * max(1.0, np.abs(g).max()))
    v = random.standard_normal(len(x))
    change = (graph.grad(x + h * v) - graph.grad(x - h * v)) / (2 * h)
    np.testing.assert_allclose(graph.hessp(x, v), change, rtol=1e-5, atol=1e-6 * max(1.0, np.abs(change).max()))
    assert graph(x) == graph(x)  # arrays that are used again hold what they should


def test_the_hessian_is_symmetric_and_nothing_wears_off():
    rows, data = perceptron()
    graph = nw.Graph(nw.mean(rows))
    graph.forward(**data)
    first = graph.gradients()
    H = np.array([graph.hvp(e) for e in np.eye(graph.size)])
    np.testing.assert_allclose(H, H.T, atol=1e-15)
    assert np.array_equal(H[3], graph.hvp(np.eye(graph.size)[3]))
    assert np.array_equal(first, graph.gradients())
    assert np.array_equal(np.concatenate([graph.backward()[name].ravel() for name in "WbVc"]), first)


# ------------------------------------------------------------------------------------------------ programs


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_second_run_makes_no_arrays(dtype):
    rows, data = perceptron(n=4096, d=64, h=64, dtype=dtype)
    graph = nw.Graph(nw.mean(rows) + 0.01 * nw.sum(nw.abs(graph_parameter(rows, "W"))))
    graph.forward(**data)
    graph.gradients()
    graph.hvp(np.ones(graph.size))
    for program in graph._programs.values():
        program.run()
        tracemalloc.start()
        program.run()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        program.run()
        after, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert after - before < 512
        assert peak - before < 100_000  # NumPy's buffer for broadcasting has 8192 numbers; the hidden layer 262144


def graph_parameter(node, name):
    return next(leaf for leaf in nw.node.ancestors([node]) if leaf.name == name)


def test_arrays_are_used_again():
    x = nw.Input((1000,), "x")
    node = x
    for _ in range(20):
        node = nw.tanh(node * 0.9)
    program = nw.Program([node])
    assert program.nbytes == 8000  # the whole chain in one array
    program.values[x][:] = np.linspace(-1.0, 1.0, 1000)
    program.run()
    expected = np.linspace(-1.0, 1.0, 1000)
    for _ in range(20):
        expected = np.tanh(expected * 0.9)
    assert np.array_equal(program.values[node], expected)


def test_results_in_given_arrays_and_stages():
    x, y = nw.Input((3,), "x"), nw.Input((3,), "y")
    double, product = 2.0 * x, (2.0 * x) * nw.exp(y)
    flat, data = np.zeros(6), np.array([1.0, 2.0, 3.0])
    program = nw.Program([double], [product], bind={x: data, double: flat[:3], product: flat[3:]})
    program.run(0)
    assert flat.tolist() == [2.0, 4.0, 6.0, 0.0, 0.0, 0.0]
    for value in (0.0, 1.0):
        program.values[y][:] = value
        program.run(1)
        np.testing.assert_allclose(flat[3:], 2.0 * data * math.exp(value), rtol=1e-15)
    with pytest.raises(InvalidParameterError, match="bind: expected float64 of shape"):
        nw.Program([double], bind={x: np.zeros(4)})
    with pytest.raises(InvalidParameterError, match="bind: expected an array in C order for the result"):
        nw.Program([double], bind={double: np.zeros(6)[::2]})


def test_a_program_that_runs_once_through_needs_less():
    rows, data = perceptron(n=64)
    parameters = [graph_parameter(rows, name) for name in "WbVc"]
    slopes = nw.gradient(nw.mean(rows), parameters)
    kept, lean = (nw.Program([rows], slopes, repeatable=flag) for flag in (True, False))
    for program in (kept, lean):
        for node in program.values:
            if isinstance(node, nw.Input):
                program.values[node][...] = data[node.name]
        program.run()
        program.run()
    assert lean.nbytes < kept.nbytes
    for node in slopes:
        assert np.array_equal(kept.values[node], lean.values[node])


def test_chains_of_five_thousand_nodes():
    w = nw.Parameter(0.5, "w")
    node = w
    for _ in range(5000):
        node = node * 1.0001 + 0.0
    graph = nw.Graph(node + w * w)
    assert graph.forward() == pytest.approx(0.5 * 1.0001**5000 + 0.25, rel=1e-12)
    assert graph.gradients()[0] == pytest.approx(1.0001**5000 + 1.0, rel=1e-12)
    assert graph.hvp([3.0]).tolist() == [6.0]
    with pytest.raises(InvalidParameterError, match="show: expected a graph of at most"):
        graph.show()


def test_a_node_that_is_used_many_times():
    w = nw.Parameter([1.0, 2.0], "w")
    s = nw.exp(w)
    total = s
    for k in range(1, 300):
        total = total + s * float(k)
    graph = nw.Graph(nw.sum(total))
    graph.forward()
    np.testing.assert_allclose(graph.gradients(), np.exp([1.0, 2.0]) * (1.0 + sum(range(300))), rtol=1e-12)


# ------------------------------------------------------------------------------------------- row by row


@pytest.mark.parametrize(
    "reduce", [nw.mean, nw.sum, lambda rows: 0.5 * nw.sum(rows) / 7.0], ids=["mean", "sum", "scaled"]
)
def test_rows_sum_up_to_the_batch(reduce):
    rows, data = perceptron()
    graph = nw.Graph(reduce(rows))
    graph.forward(**data)
    batch, each = graph.backward(), graph.per_sample_gradients()
    share = nw.Graph(reduce(nw.Parameter(np.ones(12), "l")))
    share.forward()
    for name in "WbVc":
        assert each[name].shape == (12, *batch[name].shape)
        np.testing.assert_allclose(each[name].sum(0), batch[name], rtol=1e-12, atol=1e-15)
    alone, one = perceptron(n=1)[0], nw.Graph(nw.sum(perceptron(n=1)[0]))
    assert alone.shape == (1,)
    for i in range(12):
        one.forward(X=data["X"][i : i + 1], t=data["t"][i : i + 1])
        for name, value in one.backward().items():
            if name in each:
                np.testing.assert_allclose(each[name][i], value * share.gradients()[i], rtol=1e-11, atol=1e-14)


def test_rows_that_meet_are_taken_one_by_one():
    x, w = nw.Input((6, 3), "x"), nw.Parameter([[1.0], [2.0], [-1.0]], "w")
    z = x @ w
    rows = nw.square(z - nw.mean(z, 0))  # the mean over the batch
    graph = nw.Graph(nw.mean(rows))
    X = np.random.default_rng(0).standard_normal((6, 3))
    graph.forward(x=X)
    each = graph.per_sample_gradients()["w"]
    centred = X - X.mean(0)
    np.testing.assert_allclose(each, (2.0 * centred * (centred @ w.value) / 6.0)[:, :, None], rtol=1e-12)
    np.testing.assert_allclose(each.sum(0), graph.backward()["w"], rtol=1e-12, atol=1e-15)


def test_every_row_rule_against_passes_of_their_own():
    """Operations with an axis of samples in front, against one backward pass a row."""
    random = np.random.default_rng(0)
    x, y = nw.Input((5, 4), "x"), nw.Input((5,), "y", dtype=int)
    W, b, s = (
        nw.Parameter(random.standard_normal(shape), name) for name, shape in [("W", (4, 6)), ("b", 6), ("s", ())]
    )
    h = nw.relu(x @ W + b) * s
    stacked = h.reshape(5, 2, 3) @ nw.Parameter(random.standard_normal((3, 3)), "U")
    pieces = nw.amax(stacked, 1) + nw.softmax(stacked[:, 0]) + nw.transpose(stacked, (0, 2, 1))[..., 1]
    joined = nw.concatenate([pieces, nw.exp(-pieces)], 1) * np.arange(1.0, 31.0).reshape(5, 6)
    rows = nw.loss("crammer_singer", joined, y) + nw.mean(nw.loss("huber", joined, np.zeros((5, 6))), 1)
    graph = nw.Graph(nw.sum(rows) + nw.sum(nw.square(W)))
    graph.forward(x=random.standard_normal((5, 4)), y=[0, 3, 1, 2, 5])
    each = graph.per_sample_gradients(of=rows)
    assert graph._per_row[rows].apart
    single = nw.Graph(rows, parameters=list(graph.parameters.values()))
    single.forward(x=graph.value("x"), y=graph.value("y"))
    for i in range(5):
        for name, value in single.backward(np.eye(5)[i]).items():
            if name in each:
                np.testing.assert_allclose(each[name][i], value, rtol=1e-11, atol=1e-13)
    with pytest.raises(InvalidParameterError, match="of: expected an output that is a sum or a mean over rows"):
        graph.per_sample_gradients()


# ---------------------------------------------------------------------------------------- as people use it


def test_single_precision():
    rows, data = perceptron(dtype=np.float32)
    graph, exact = nw.Graph(nw.mean(rows)), nw.Graph(nw.mean(perceptron()[0]))
    assert graph.flat.dtype == np.float32
    assert graph.forward(**data) == pytest.approx(exact.forward(**data), rel=1e-5)
    assert graph.gradients().dtype == np.float32
    np.testing.assert_allclose(graph.gradients(), exact.gradients(), atol=1e-6)
    np.testing.assert_allclose(graph.hvp(np.ones(graph.size)), exact.hvp(np.ones(graph.size)), atol=1e-5)


def test_values_of_kept_nodes_and_unused_parameters():
    x, w, unused = nw.Input((2,), "x"), nw.Parameter([1.0, 2.0], "w"), nw.Parameter([5.0], "unused")
    p = nw.sigmoid(x * w).named("p")
    graph = nw.Graph(nw.sum(p), parameters=[w, unused], keep=p)
    graph.forward(x=[0.0, 1.0])
    np.testing.assert_allclose(graph.value("p"), [0.5, 1.0 / (1.0 + math.exp(-2.0))])
    assert graph.backward()["unused"].tolist() == [0.0]
    assert graph.gradients()[2] == 0.0
    assert graph.hvp([0.0, 0.0, 1.0]).tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(InvalidParameterError, match="node: expected one of"):
        graph.value("q")


def test_gradients_that_are_leaves_or_each_other():
    a, b = nw.Parameter([1.0, 2.0], "a"), nw.Parameter([3.0, 4.0], "b")
    x = nw.Input((2,), "x")
    graph = nw.Graph(nw.sum((a + b) * x))
    graph.forward(x=[5.0, 6.0])
    assert graph.gradients().tolist() == [5.0, 6.0, 5.0, 6.0]
    assert {k: v.tolist() for k, v in graph.backward().items()} == {"a": [5, 6], "b": [5, 6], "x": [4, 6]}


def test_parameters_of_several_graphs():
    a, b = nw.Parameter([1.0], "a"), nw.Parameter([2.0], "b")
    both, one, other = nw.Graph(nw.sum(a * b)), nw.Graph(nw.sum(b * b)), nw.Graph(nw.sum(a + b))
    assert np.shares_memory(both.flat, other.flat)
    both.flat = [3.0, 5.0]
    assert one.forward() == 25.0
    one.flat = [6.0]
    assert both.forward() == 18.0
    assert other.forward() == 9.0


def test_outputs_of_any_shape_take_a_seed():
    w = nw.Parameter([1.0, 2.0], "w")
    graph = nw.Graph(nw.square(w))
    assert graph.forward().tolist() == [1.0, 4.0]
    assert graph.backward(seed=[1.0, 10.0])["w"].tolist() == [2.0, 40.0]
    with pytest.raises(InvalidParameterError, match="seed: expected weights of shape"):
        graph.backward()


def test_what_nothing_with_a_derivative_reaches_has_a_gradient_of_zero():
    w = nw.Parameter([[1.0], [-2.0]], "w")
    graph = nw.Graph(nw.sign(w))
    graph.forward()
    assert graph.backward(seed=[[1.0], [10.0]])["w"].tolist() == [[0.0], [0.0]]
    x = nw.Input((3, 2), "x")
    z = x @ w
    rows = nw.sign(z - nw.mean(z, 0))  # samples meet: a backward pass for each
    graph = nw.Graph(nw.sum(rows))
    graph.forward(x=np.eye(3, 2))
    assert np.array_equal(graph.per_sample_gradients()["w"], np.zeros((3, 2, 1)))


def test_labels_of_derivatives_are_checked_as_those_of_functions():
    z, y = nw.Input((2, 3), "z"), nw.Input((2,), "y", dtype=int)
    slope = nw.gradient(nw.sum(nw.softmax_cross_entropy(z, y)), [z])[0]
    for wrong in ([3, 0], [-1, 0]):  # the first would be the next row's
        with pytest.raises(InvalidParameterError, match="y: expected integers from 0 to 2"):
            nw.Graph(slope).forward(z=np.zeros((2, 3)), y=wrong)
    u = nw.Parameter(np.zeros((4, 1)), "u")
    added = nw.gradient(nw.sum(nw.exp(z) * u[y]), [u])[0]
    with pytest.raises(InvalidParameterError, match="y: expected integers from 0 to 3"):
        nw.Graph(nw.sum(added)).forward(z=np.zeros((2, 3)), y=[0, -1])


def test_a_graph_that_diverged_is_shown():
    w = nw.Parameter(np.full((2, 2), 1e200), "w")
    assert "(2, 2), rms inf" in str(nw.Graph(nw.sum(w)).show())


def test_targets_and_labels_have_no_gradient():
    z, y = nw.Input((3,), "z"), nw.Input((3,), "y")
    graph = nw.Graph(nw.sum(nw.loss("squared_hinge", z, y)))
    graph.forward(z=[0.0, 0.0, 2.0], y=[1.0, -1.0, 1.0])
    assert list(graph.backward()) == ["z"]


def test_calls_that_do_not_fit_are_named():
    rows, data = perceptron()
    graph = nw.Graph(nw.mean(rows))
    for call, said in [
        (lambda: graph.backward(), "forward: expected a call of forward"),
        (lambda: graph.forward(X=data["X"]), "t: expected a value for each of the inputs"),
        (lambda: graph.forward(Y=1.0), r"Y: expected one of the inputs \['X', 't'\]"),
        (lambda: graph.forward(X=data["X"][:3]), r"X: expected numbers of shape \(12, 4\)"),
        (lambda: graph.forward(X=np.empty((0, 4))), r"X: expected numbers of shape \(12, 4\)"),
        (lambda: graph.forward(t=data["t"] + 0.5), "t: expected integers of shape"),
        (lambda: graph.forward(t=data["t"] + 1), "t: expected integers from 0 to 2, got 1 to 3"),
        (lambda: setattr(graph, "flat", np.zeros(3)), "flat: expected a vector of 43 numbers"),
        (lambda: nw.Graph(3.0), "output: expected a node, got float"),
        (lambda: nw.Graph(rows, keep=["X"]), "keep: expected nodes"),
        (lambda: nw.Graph(nw.Input((), "a") + nw.Input((), "a")), "name: expected different names, got 'a' twice"),
        (lambda: nw.Graph(nw.Input((), "a"))(np.zeros(0)), "a: expected a value"),
        (lambda: steepest.minimize(nw.Graph(nw.Input((), "a"))), "graph: expected parameters"),
        (lambda: steepest.minimize(lambda x: x @ x), "x0: expected the point"),
    ]:
        with pytest.raises(InvalidParameterError, match=said):
            call()
    graph.forward(**data)
    with pytest.raises(InvalidParameterError, match="v: expected a vector of 43 numbers"):
        graph.hvp([1.0])
    with pytest.raises(InvalidParameterError, match="of: expected a node, got ndarray"):
        graph.per_sample_gradients(of=np.ones(12))


def test_a_graph_is_minimised_and_checked():
    random = np.random.default_rng(0)
    X, w = random.standard_normal((40, 3)), np.array([1.0, -2.0, 0.5])
    y = np.where(X @ w + random.standard_normal(40) > 0, 1.0, -1.0)
    x, t = nw.Input((40, 3), "x"), nw.Input((40,), "t")
    W, b = nw.Parameter(np.zeros(3), "W"), nw.Parameter(0.0, "b")
    graph = nw.Graph(nw.mean(nw.loss("logistic", x @ W + b, t)) + 0.05 * nw.sum(nw.square(W)))
    found = steepest.minimize(graph.give(x=X, t=y))
    assert found.success
    assert found.nhev > 0
    assert np.array_equal(graph.flat, found.x)
    model = steepest.LogisticRegression(C=1.0 / (0.1 * 40), tol=1e-12).fit(X, y)
    np.testing.assert_allclose(found.x, [*model.coef_[0], model.intercept_[0]], atol=1e-5)
    for method in ("lbfgs", "newton-cg", "adam"):
        again = steepest.minimize(graph, np.zeros(4), method=method, max_iter=300)
        assert again.fun == pytest.approx(found.fun, abs=1e-3)
    assert steepest.check_gradient(graph, x=np.ones(4)).ok
    assert steepest.check_convexity(graph).convex is not False


def test_the_drawing_is_whole():
    rows, data = perceptron()
    drawing = nw.Graph(nw.mean(rows)).show(**data)
    svg = drawing._repr_svg_()
    assert svg.startswith("<svg ")
    assert svg.count("<rect") == len(drawing.rows)
    assert {"X", "t", "W", "b", "V", "c"} <= {row.label for row in drawing.rows}
    assert svg in drawing._repr_html_()
    import xml.etree.ElementTree as ET

    assert ET.fromstring(svg).tag.endswith("svg")


# -------------------------------------------------------------------------------------- another library


def test_a_network_as_pytorch_computes_it():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    random = np.random.default_rng(0)
    shapes = {"A": (4, 8), "a": (8,), "B": (8, 6), "b": (6,), "C": (6, 3), "c": (3,)}
    start = {name: random.standard_normal(shape) for name, shape in shapes.items()}
    X, labels = random.standard_normal((10, 4)), random.integers(0, 3, 10)
    p = {name: nw.Parameter(value, name) for name, value in start.items()}
    x, t = nw.Input((10, 4), "x"), nw.Input((10,), "t", dtype=int)
    hidden = nw.elu(nw.relu(x @ p["A"] + p["a"]) @ p["B"] + p["b"], 0.8)
    out = nw.softplus(hidden) @ p["C"] + p["c"]
    graph = nw.Graph(nw.mean(nw.softmax_cross_entropy(out, t)) + 0.1 * nw.mean(nw.maximum(out, 0.3) ** 3))
    q = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
    u = torch.tensor(X, requires_grad=True)
    f = torch.nn.functional
    theirs = f.elu(torch.relu(u @ q["A"] + q["a"]) @ q["B"] + q["b"], 0.8)
    theirs = f.softplus(theirs, threshold=1e9) @ q["C"] + q["c"]
    cap = torch.tensor(0.3, dtype=torch.float64)
    value = f.cross_entropy(theirs, torch.tensor(labels)) + 0.1 * torch.mean(torch.maximum(theirs, cap) ** 3)
    slopes = torch.autograd.grad(value, [*q.values(), u], create_graph=True)
    assert graph.forward(x=X, t=labels) == pytest.approx(value.item(), rel=1e-12)
    mine = graph.backward()
    for name, slope in zip([*q, "x"], slopes, strict=True):
        np.testing.assert_allclose(mine[name], slope.detach().numpy(), rtol=1e-10, atol=1e-10)
    v = random.standard_normal(graph.size)
    along, start_at = 0.0, 0
    for slope in slopes[:-1]:
        piece = torch.tensor(v[start_at : start_at + slope.numel()]).reshape(slope.shape)
        along = along + (slope * piece).sum()
        start_at += slope.numel()
    product = torch.autograd.grad(along, list(q.values()))
    expected = np.concatenate([piece.numpy().ravel() for piece in product])
    np.testing.assert_allclose(graph.hvp(v), expected, rtol=1e-10, atol=1e-10)
