"""Networks: computational graphs, their derivatives, and programs that run them.

    x, w, b = Input((100, 3), "x"), Parameter(np.zeros(3), "w"), Parameter(0.0, "b")
    y = Input((100,), "y")
    graph = Graph(mean(square(x @ w + b - y)))
    graph.forward(x=X, y=t); graph.backward()          # or steepest.minimize(graph.give(x=X, y=t))

Nodes are composed of inputs, parameters and operations; each derivative is a graph again.
"""

from steepest.networks.activations import elu, leaky_relu, relu, sigmoid, softplus, tanh
from steepest.networks.costs import loss, softmax_cross_entropy
from steepest.networks.derivatives import curvature, gradient, tangent
from steepest.networks.elementwise import (
    abs,  # noqa: A004
    add,
    cos,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sign,
    sin,
    sqrt,
    square,
    subtract,
)
from steepest.networks.graph import Graph
from steepest.networks.initializers import FanIn, Glorot, He, Normal, Zeros
from steepest.networks.layers import Dense
from steepest.networks.node import Constant, Input, Node, Parameter
from steepest.networks.operations import dot, matmul
from steepest.networks.program import Program
from steepest.networks.reductions import amax, log_softmax, logsumexp, mean, softmax, sum  # noqa: A004
from steepest.networks.shaping import concatenate, reshape, rows, transpose
from steepest.networks.stack import Stack
from steepest.networks.units import Elu, Identity, LeakyRelu, Maxout, Relu, Sigmoid, Softplus, Tanh

__all__ = [
    "Constant",
    "Dense",
    "Elu",
    "FanIn",
    "Glorot",
    "Graph",
    "He",
    "Identity",
    "Input",
    "LeakyRelu",
    "Maxout",
    "Node",
    "Normal",
    "Parameter",
    "Program",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Stack",
    "Tanh",
    "Zeros",
    "abs",
    "add",
    "amax",
    "concatenate",
    "cos",
    "curvature",
    "divide",
    "dot",
    "elu",
    "exp",
    "gradient",
    "leaky_relu",
    "log",
    "log_softmax",
    "logsumexp",
    "loss",
    "matmul",
    "maximum",
    "mean",
    "minimum",
    "multiply",
    "negative",
    "power",
    "relu",
    "reshape",
    "rows",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sqrt",
    "square",
    "subtract",
    "sum",
    "tangent",
    "tanh",
    "transpose",
]
