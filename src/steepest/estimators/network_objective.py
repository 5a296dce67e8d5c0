"""The function that a network minimises, as a line of text with its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from steepest.estimators.objective import loss_term


def describe_network(problem: Any, given: Any, alpha: float) -> str:
    """``P(w) = (1/S) sum_i loss(z_i, y_i) + alpha/(2 m) |W|_2^2,  z_i = net(x_i; w)`` with the layers.

    Parameters
    ----------
    problem : NetworkProblem
    given : Given
    alpha : float
    """
    stack, objective = problem.stack, problem.objective
    parts = []
    for term in objective.terms:
        text = _term(term, stack.n_outputs)
        parts.append(text if term.weight == 1.0 else f"{term.weight:g} {text}")
    loss = parts[0] if len(parts) == 1 else f"[{' + '.join(parts)}]"
    weighted = "s_i " if given.weights is not None else ""
    penalty = f" + {alpha:.6g}/(2 * {given.m:.10g}) |W|_2^2" if alpha > 0.0 else ""
    return f"P(w) = (1/{given.total:.10g}) sum_i {weighted}{loss}{penalty},  z_i = {_layers(stack)}{_coded(objective)}"


def _term(term: Any, outputs: int) -> str:
    if term.targets == "shares":
        return "sum_j y_ij log(y_ij / softmax(z_i)_j)"
    text = loss_term(term.loss)
    return f"sum_t {text}" if term.by_entry and outputs > 1 else text


def _coded(objective: Any) -> str:
    return {"sign": ",  y_i in {-1, +1}", "unit": ",  y_i in [0, 1]"}.get(objective.targets_kind, "")


def _layers(stack: Any) -> str:
    """``net(x_i): 784 - 256 relu - 10``; ``784 - 20 x 50 relu - 10``."""
    words = [str(stack.n_features)]
    for layer in stack.layers:
        word = str(layer.width)
        if layer.batch_norm:
            word += " normalised"
        if layer.unit.name != "identity":
            word += f" {layer.unit.name}"
        if layer.dropout:
            word += f" dropout {layer.dropout:g}"
        if not layer.trainable:
            word += " fixed"
        words.append(word)
    return f"net(x_i): {in_runs(words)}"


def in_runs(words: Iterable[str]) -> str:
    """Layers in a row; three and more that are equal as one, with their number.

    Examples
    --------
    >>> in_runs(["5", "4 tanh", "4 tanh", "4 tanh", "3"])
    '5 - 3 x 4 tanh - 3'
    """
    out: list[str] = []
    for word, equal in groupby(words):
        count = len(list(equal))
        out += [f"{count} x {word}"] if count > 2 else [word] * count
    return " - ".join(out)
