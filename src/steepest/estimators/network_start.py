"""Where a network begins: drawn by a seed, the last fit, or what is given."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from steepest.estimators.network_data import Scaling
from steepest.estimators.network_model import Trained
from steepest.exceptions import DataError
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray, FloatArray


class Start(NamedTuple):
    """Trainable numbers and running statistics to begin with, of the stack's dtype, and how columns are scaled."""

    w: AnyArray
    statistics: AnyArray
    scaling: Scaling


def begin(stack: Stack, seed: int, last: Trained | None, coefs: Any, intercepts: Any, scaling: Scaling) -> Start:
    """The start of a fit; fixed layers get their numbers.

    Parameters
    ----------
    stack : Stack
    seed : int
    last : Trained or None
        The last fit, to go on from.
    coefs, intercepts : list of arrays or None
        In the place of what is drawn.
    scaling : Scaling

    Raises
    ------
    DataError
        Where the last fit had other layers, or what is given another shape.
    """
    w = stack.initial(seed)
    statistics = stack.initial_statistics()
    if last is not None:
        check_same(stack, last)
        w = last.w.astype(np.float64)
        stack.fixed = last.fixed.copy()
        statistics = last.statistics.copy()
    if coefs is not None or intercepts is not None:
        _place(stack, w, "coefs_init", coefs, ("weights",))
        _place(stack, w, "intercepts_init", intercepts, ("bias", "beta"))
    return Start(w.astype(stack.dtype), statistics, scaling)


def check_same(stack: Stack, last: Trained) -> None:
    """Raises where layers are not those of the network so far."""
    before, now = last.stack, stack
    said: list[tuple[str, Any, Any]] = []
    if len(before.layers) != len(now.layers):
        said.append(("layers: the number of hidden ones", len(before.layers) - 1, len(now.layers) - 1))
    for k, (a, b) in enumerate(zip(before.layers, now.layers, strict=False)):
        name = "output" if k == len(before.layers) - 1 else f"layers.{k}"
        pairs = [(field.name, getattr(a, field.name), getattr(b, field.name)) for field in fields(a)]
        said += [(f"layers: {name}.{field}", old, new) for field, old, new in pairs if old != new]
    if before.dtype != now.dtype:
        said.append(("dtype", str(before.dtype), str(now.dtype)))
    if before.n_features != now.n_features:
        said.append(("X: the number of features", before.n_features, now.n_features))
    if said:
        what, was, given = said[0]
        raise DataError(
            f"{what}: expected {was!r} as in the network so far, got {given!r}. Set it back, or fit a new model."
        )


def _place(stack: Stack, w: FloatArray, named: str, given: Any, kinds: tuple[str, ...]) -> None:
    if given is None:
        return
    assert stack.fixed is not None
    blocks = {block.layer: (block, w) for block in stack.blocks if block.kind in kinds}
    blocks |= {block.layer: (block, stack.fixed) for block in stack.fixed_blocks if block.kind in kinds}
    arrays = list(given) if np.iterable(given) else []
    if len(arrays) != len(stack.layers):
        got = f"{len(arrays)}" if arrays else f"{given!r:.80}"
        raise DataError(f"{named}: expected a list of {len(stack.layers)} arrays, one a layer, got {got}.")
    for layer, array in enumerate(arrays):
        if layer not in blocks:
            continue  # a layer without biases
        block, numbers = blocks[layer]
        try:
            values = np.asarray(array, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{named}: expected numbers of shape {block.shape} for layer {layer}: {error}") from None
        if values.shape != block.shape or not np.isfinite(values).all():
            raise DataError(
                f"{named}: expected finite numbers of shape {block.shape} for layer {layer}, got {values.shape}."
            )
        numbers[block.slice] = values.ravel()
