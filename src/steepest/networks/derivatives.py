"""Derivatives as graphs: reverse mode, forward mode, and one after the other.

    gradient(f, [w])         df/dw         each node on the way visited once, branches summed; about 2 to 3 times f
    tangent([g], {w: v})     (dg/dw) v     about as much again
    curvature(f, [w], [v])   H v           the tangent of the gradient: exact, without H

(Griewank and Walther, Evaluating Derivatives, 2nd ed. 2008, chapters 3 and 5; Pearlmutter 1994 for H v.)  What is
returned are nodes, so they run in the same program as the function and share what it has computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from steepest.exceptions import InvalidParameterError
from steepest.networks.node import FLOATS, Constant, Node, ancestors
from steepest.networks.operations import add_up
from steepest.networks.shaping import zeros


def reached(order: Sequence[Node], start: Iterable[Node]) -> set[Node]:
    """Those of the nodes, in order of computation, that depend on the start in a way that has a derivative."""
    out = set(start)
    for node in order:
        operation = node.operation
        if operation is not None and any(x in out and operation.differentiable(i) for i, x in enumerate(node.inputs)):
            out.add(node)
    return out


def leading(output: Node) -> set[Node]:
    """The nodes from which a way of derivatives leads to the output, constants left out."""
    out = {output}
    for node in reversed(ancestors([output])):
        if node in out and node.operation is not None:
            out.update(x for i, x in enumerate(node.inputs) if node.operation.differentiable(i))
    return {node for node in out if node.dtype in FLOATS and not isinstance(node, Constant)}


def gradient(output: Node, wrt: Sequence[Node], seed: Node | None = None) -> list[Node]:
    """The gradient of a node of shape () in some nodes, or of ``sum(seed * output)``: reverse mode.

    Parameters
    ----------
    output : Node
    wrt : sequence of Node
        Leaves, or nodes on the way to the output.
    seed : Node, optional
        Weights of the entries of the output, of its shape and dtype; needed where that is not ().

    Returns
    -------
    list of Node
        For each of ``wrt`` a node of its shape; zeros where the output does not depend on it.

    Raises
    ------
    InvalidParameterError
        For integer nodes, and for a seed that does not fit.
    IncompatibleError
        For second derivatives that a loss does not state.

    Examples
    --------
    >>> from steepest import networks
    >>> x = networks.Input((), "x")
    >>> first = networks.gradient(x**3, [x])[0]
    >>> second = networks.gradient(first, [x])[0]
    >>> networks.Graph(second).forward(x=2.0)
    12.0
    """
    for node in wrt:
        if node.dtype not in FLOATS:
            raise InvalidParameterError(f"wrt: expected nodes of floats, got {node!r} of {node.dtype}. Leave it out.")
    if seed is None:
        if output.shape != ():
            raise InvalidParameterError(
                f"output: expected one number, got shape {output.shape}. Take its sum or mean, or give a seed."
            )
        seed = Constant(1.0, dtype=output.dtype)
    else:
        _check_direction("seed", output, seed)
    order = ancestors([output])
    active = reached(order, wrt)
    wanted = set(wrt)
    found: dict[Node, Node] = {output: seed}
    for node in reversed(order):
        operation = node.operation
        g = found.get(node) if node in active else None
        if operation is None or g is None:
            continue
        for i, x in enumerate(node.inputs):
            if x not in active or not operation.differentiable(i):
                continue
            piece = operation.pull(node, g, i)
            if piece is not None:
                found[x] = piece if x not in found else _sum(found[x], piece)
        if node not in wanted:
            del found[node]
    return [found[node] if node in found else zeros(node) for node in wrt]


def _check_direction(what: str, node: Node, given: object) -> None:
    if not isinstance(given, Node):
        raise InvalidParameterError(
            f"{what}: expected a node for {node!r}, got {type(given).__name__}. Make it an Input or a Constant."
        )
    if given.shape != node.shape or given.dtype != node.dtype:
        raise InvalidParameterError(
            f"{what}: expected shape {node.shape} of {node.dtype} for {node!r}, got {given.shape} of {given.dtype}. "
            "Make one like the node."
        )


def _sum(a: Node, b: Node) -> Node:
    total = add_up([a, b])
    assert total is not None
    return total


def tangent(outputs: Sequence[Node], directions: Mapping[Node, Node]) -> list[Node]:
    """The derivatives of some nodes along a direction of others: forward mode.

    Parameters
    ----------
    outputs : sequence of Node
    directions : dict of Node to Node
        For each node that moves its direction, of its shape and dtype.

    Returns
    -------
    list of Node
        For each output a node of its shape; zeros where nothing that moves reaches it.

    Examples
    --------
    >>> from steepest import networks
    >>> x, t = networks.Input((), "x"), networks.Input((), "t")
    >>> networks.Graph(networks.tangent([x**2], {x: t})[0]).forward(x=3.0, t=0.5)
    3.0
    """
    for node, direction in directions.items():
        _check_direction("directions", node, direction)
    order = ancestors(outputs)
    active = reached(order, directions)
    found: dict[Node, Node | None] = dict(directions)
    for node in order:
        operation = node.operation
        if operation is None or node not in active or node in found:
            continue
        along = [found.get(x) if operation.differentiable(i) else None for i, x in enumerate(node.inputs)]
        found[node] = operation.push(node, along) if any(t is not None for t in along) else None
    return [zeros(node) if (t := found.get(node)) is None else t for node in outputs]


def curvature(output: Node, wrt: Sequence[Node], directions: Sequence[Node]) -> list[Node]:
    """The Hessian of a node of shape () in some nodes times a direction of them, forward over reverse.

    Parameters
    ----------
    output : Node
    wrt, directions : sequence of Node
        A direction for each node, of its shape and dtype.

    Returns
    -------
    list of Node
        For each of ``wrt`` its part of the product.

    Examples
    --------
    >>> from steepest import networks
    >>> x, v = networks.Input((2,), "x"), networks.Input((2,), "v")
    >>> product = networks.curvature(networks.sum(x**3), [x], [v])[0]  # 6 x v
    >>> networks.Graph(product).forward(x=[1.0, 2.0], v=[1.0, 1.0]).tolist()
    [6.0, 12.0]
    """
    if len(wrt) != len(directions):
        raise InvalidParameterError(
            f"directions: expected one for each of {len(wrt)} nodes, got {len(directions)}. Give one for each."
        )
    return tangent(gradient(output, wrt), dict(zip(wrt, directions, strict=True)))
