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


def gradient(output: Node, wrt: Sequence[Node], seed: Node | None = None) -> list[Node]:
    """The gradient of a node of shape () in some nodes, or of ``sum(seed * output)``.

    Nodes on which the output does not depend have zeros.

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
    elif seed.shape != output.shape or seed.dtype != output.dtype:
        raise InvalidParameterError(
            f"seed: expected shape {output.shape} of {output.dtype}, got {seed.shape} of {seed.dtype}."
        )
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


def _sum(a: Node, b: Node) -> Node:
    total = add_up([a, b])
    assert total is not None
    return total


def tangent(outputs: Sequence[Node], directions: Mapping[Node, Node]) -> list[Node]:
    """The derivatives of some nodes along a direction of others: forward mode."""
    for node, direction in directions.items():
        if direction.shape != node.shape:
            raise InvalidParameterError(
                f"directions: expected shape {node.shape} for {node!r}, got {direction.shape}. Reshape it."
            )
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
    """The Hessian in some nodes times a direction of them, forward over reverse."""
    return tangent(gradient(output, wrt), dict(zip(wrt, directions, strict=True)))
