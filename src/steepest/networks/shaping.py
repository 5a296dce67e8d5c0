"""Operations that move entries: views, parts, rows, joining, and the sums that undo repetition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.node import INDEX, Constant, Input, Node, as_nodes
from steepest.networks.operations import Call, Operation
from steepest.protocols import AnyArray


class Linear(Operation):
    """A linear operation on its first input: forward mode applies it to the direction."""

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0], *node.inputs[1:])


class View(Linear):
    """A linear operation whose result is a view, or a copy where NumPy has no view."""

    views = True

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [lambda: np.copyto(out, self.view(ins[0]))]


class Copy(Linear):
    """The same numbers in an array of their own."""

    symbol, inplace = "copy", False

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return inputs[0].shape

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.copyto, out, ins[0])]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return g


@dataclass(frozen=True)
class Reshape(View):
    """The entries in C order under another shape."""

    target: tuple[int, ...]
    symbol = "reshape"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.copyto, out.reshape(ins[0].shape), ins[0])]

    def view(self, array: AnyArray) -> AnyArray:
        return array.reshape(self.target)

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return reshape(g, node.inputs[0].shape)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        (old,), (new,) = node.inputs, inputs
        if not split[0]:
            return reshape(new, (new.shape[0], *self.target)), False
        if not self.target or self.target[0] != old.shape[0]:
            raise IncompatibleError("reshape: samples are joined with another axis")
        return reshape(new, (new.shape[0], 1, *self.target[1:])), True


@dataclass(frozen=True)
class Transpose(View):
    """The axes in another order."""

    axes: tuple[int, ...]
    symbol = "transpose"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return tuple(inputs[0].shape[axis] for axis in self.axes)

    def view(self, array: AnyArray) -> AnyArray:
        return array.transpose(self.axes)

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return transpose(g, tuple(int(k) for k in np.argsort(self.axes)))

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        if split[0] and self.axes[0] != 0:
            raise IncompatibleError("transpose: samples leave the first axis")
        return transpose(inputs[0], (0, *(axis + 1 for axis in self.axes))), split[0]


@dataclass(frozen=True)
class Spread(View):
    """Repeated along axes of length 1 and new axes in front, without copies."""

    target: tuple[int, ...]
    symbol = "broadcast"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def view(self, array: AnyArray) -> AnyArray:
        return np.broadcast_to(array, self.target)

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return sum_to(g, node.inputs[0].shape)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        (old,), (new,) = node.inputs, inputs
        if split[0] and len(self.target) > old.ndim:
            raise IncompatibleError("broadcast: samples leave the first axis")
        lined = reshape(new, (new.shape[0],) + (1,) * (len(self.target) - old.ndim) + new.shape[1:])
        target = (1, *self.target[1:]) if split[0] else self.target
        return spread(lined, (new.shape[0], *target)), split[0]


@dataclass(frozen=True)
class SumTo(Linear):
    """The sum over the axes along which broadcasting repeated an array of the target shape."""

    target: tuple[int, ...]
    symbol = "sum"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        given = ins[0].shape
        padded = (1,) * (len(given) - len(self.target)) + self.target
        axes = tuple(k for k, (a, b) in enumerate(zip(given, padded, strict=True)) if a != b)
        return [partial(np.add.reduce, ins[0], axes, None, out.reshape(padded), True)]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return spread(g, node.inputs[0].shape)


@dataclass(frozen=True)
class Part(View):
    """``a[key]`` for integers and slices."""

    key: tuple[Any, ...]
    symbol = "part"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return np.broadcast_to(np.empty(()), inputs[0].shape)[(*self.key, ...)].shape

    def view(self, array: AnyArray) -> AnyArray:
        return array[(*self.key, ...)]  # with the ellipsis a view even where no axis is left

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return Place(self.key, node.inputs[0].shape)(g)

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        key = self.key
        if split[0] and (not key or key[0] != slice(None)):
            raise IncompatibleError("part: some of the samples are left out")
        return Part((slice(None), *key))(inputs[0]), split[0]


@dataclass(frozen=True)
class Place(Linear):
    """Zeros of the target shape with the input at ``[key]``."""

    key: tuple[Any, ...]
    target: tuple[int, ...]
    symbol = "place"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(out.fill, 0), partial(np.copyto, Part(self.key).view(out), ins[0])]

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return Part(self.key)(g)


@dataclass(frozen=True)
class Concatenate(Operation):
    """Arrays one after the other along an axis."""

    axis: int
    symbol = "concatenate"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        first = inputs[0].shape
        for node in inputs:
            rest = node.shape[: self.axis] + node.shape[self.axis + 1 :]
            if node.ndim != len(first) or rest != first[: self.axis] + first[self.axis + 1 :]:
                raise InvalidParameterError(
                    f"concatenate: expected shapes that differ along axis {self.axis} alone, got {first} and "
                    f"{node.shape}. Reshape one of them."
                )
        total = sum(node.shape[self.axis] for node in inputs)
        return (*first[: self.axis], total, *first[self.axis + 1 :])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        calls: list[Call] = []
        start = 0
        for array in ins:
            key = (slice(None),) * self.axis + (slice(start, start + array.shape[self.axis]),)
            calls.append(partial(np.copyto, out[key], array))
            start += array.shape[self.axis]
        return calls

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        start = sum(other.shape[self.axis] for other in node.inputs[:i])
        key = (slice(None),) * self.axis + (slice(start, start + node.inputs[i].shape[self.axis]),)
        return Part(key)(g)

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return self(*(zeros(old) if t is None else t for t, old in zip(tangents, node.inputs, strict=True)))

    def rows(self, node: Node, inputs: Sequence[Node], split: Sequence[bool]) -> tuple[Node, bool]:
        if any(split) and (self.axis == 0 or not all(split)):
            raise IncompatibleError("concatenate: samples are mixed")
        most = max(new.shape[0] for new in inputs)
        return Concatenate(self.axis + 1)(*(spread(new, (most, *new.shape[1:])) for new in inputs)), all(split)


class Rows(Operation):
    """``a[index]``, rows of a by an array of integers."""

    symbol = "rows"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        a, index = inputs
        return (*index.shape, *a.shape[1:])

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(np.take, ins[0], ins[1], 0, out, "clip")]  # checked when given; "raise" would copy

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return AddRows(node.inputs[0].shape)(g, node.inputs[1]) if i == 0 else None

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0], node.inputs[1])


@dataclass(frozen=True)
class AddRows(Operation):
    """Zeros of the target shape, to whose rows ``index`` those of the input are added."""

    target: tuple[int, ...]
    symbol = "add rows"

    def shape(self, *inputs: Node) -> tuple[int, ...]:
        return self.target

    def bind(self, out: AnyArray, ins: Sequence[AnyArray], scratch: Sequence[AnyArray]) -> list[Call]:
        return [partial(out.fill, 0), partial(np.add.at, out, ins[1], ins[0])]

    def differentiable(self, i: int) -> bool:
        return i == 0

    def pull(self, node: Node, g: Node, i: int) -> Node | None:
        return Rows()(g, node.inputs[1]) if i == 0 else None

    def push(self, node: Node, tangents: Sequence[Node | None]) -> Node | None:
        return None if tangents[0] is None else self(tangents[0], node.inputs[1])


# ------------------------------------------------------------------------------------------- as users call them


def zeros(like: Node) -> Node:
    """Zeros of the shape of a node."""
    return spread(Constant(0.0, dtype=like.dtype), like.shape)


def reshape(x: Any, shape: Any) -> Node:
    """The entries in C order under another shape; one size may be -1."""
    (node,) = as_nodes("reshape", x)
    sizes = [int(n) for n in ((shape,) if isinstance(shape, int | np.integer) else shape)]
    if sizes.count(-1) == 1:
        rest = -int(np.prod(sizes))
        sizes[sizes.index(-1)] = node.size // rest if rest > 0 and node.size % rest == 0 else -1
    if any(n < 0 for n in sizes) or int(np.prod(sizes)) != node.size:
        raise InvalidParameterError(f"reshape: expected a shape of {node.size} entries for {node!r}, got {shape}.")
    if tuple(sizes) == node.shape:
        return node
    if isinstance(node.operation, Reshape):  # one after the other is one
        node = node.inputs[0]
    return node if tuple(sizes) == node.shape else Reshape(tuple(sizes))(node)


def transpose(x: Any, axes: Sequence[int] | None = None) -> Node:
    """The axes in another order, by default reversed."""
    (node,) = as_nodes("transpose", x)
    order = tuple(range(node.ndim))[::-1] if axes is None else tuple(int(k) for k in axes)
    order = tuple(k + node.ndim if k < 0 else k for k in order)
    if sorted(order) != list(range(node.ndim)):
        raise InvalidParameterError(
            f"axes: expected each axis of {node.shape} once, got {axes}. Leave it out to reverse them."
        )
    return node if order == tuple(range(node.ndim)) else Transpose(order)(node)


def turned(x: Node) -> Node:
    """The last two axes in each other's place."""
    return transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def spread(x: Node, shape: tuple[int, ...]) -> Node:
    """Repeated to a shape by NumPy's rules, without copies."""
    return x if x.shape == shape else Spread(shape)(x)


def sum_to(x: Node, shape: tuple[int, ...]) -> Node:
    """Summed over the axes along which an array of that shape would be repeated."""
    return x if x.shape == shape else SumTo(shape)(x)


def part(x: Any, key: Any) -> Node:
    """``x[key]`` for integers and slices, or rows by an array of integers or an integer node."""
    (node,) = as_nodes("part", x)
    if isinstance(key, Node | list | np.ndarray):
        return rows(node, key)
    keys = key if isinstance(key, tuple) else (key,)
    plain = (isinstance(k, int | np.integer | slice) and not isinstance(k, bool) for k in keys)
    if not all(ok or k is Ellipsis or k is None for ok, k in zip(plain, keys, strict=True)):
        raise InvalidParameterError(f"part: expected integers and slices, got {key!r}. For rows by an array use rows.")
    if Ellipsis in keys:
        at = keys.index(Ellipsis)
        used = sum(k is not None for k in keys) - 1
        keys = keys[:at] + (slice(None),) * (node.ndim - used) + keys[at + 1 :]
    try:
        out = Part(tuple(keys))(node)
    except IndexError as error:
        raise InvalidParameterError(f"part: {error}, for a node of shape {node.shape}. Stay inside it.") from None
    if 0 in out.shape:
        raise InvalidParameterError(
            f"part: expected at least one entry, got none from [{key!r}] of shape {node.shape}. Leave it out."
        )
    return out


def concatenate(nodes: Sequence[Any], axis: int = 0) -> Node:
    """Arrays one after the other along an axis."""
    made = as_nodes("concatenate", *nodes)
    if not made or any(node.ndim == 0 for node in made) or not -made[0].ndim <= axis < made[0].ndim:
        raise InvalidParameterError(
            f"axis: expected an axis of every array, got {axis} for {[n.shape for n in made]}. Reshape them."
        )
    return made[0] if len(made) == 1 else Concatenate(axis % made[0].ndim)(*made)


def index_node(what: str, index: Any, below: int, kinds: str) -> Node:
    """An integer input or constant, whose numbers must be from 0 to ``below - 1``."""
    if isinstance(index, Node):
        if index.dtype != INDEX or not isinstance(index, Input | Constant):
            raise InvalidParameterError(
                f"{what}: expected {kinds} as an integer Input, got {index!r} of {index.dtype}. Give dtype=int to it."
            )
        if isinstance(index, Constant):
            check_range(what, index.value, below)
        return index
    array = np.asarray(index)
    if array.dtype.kind not in "iu" or array.size == 0:
        raise InvalidParameterError(f"{what}: expected {kinds} as integers, got {array.dtype} of shape {array.shape}.")
    check_range(what, array, below)
    return Constant(array, dtype=INDEX)


def check_range(what: str, index: AnyArray, below: int) -> None:
    """Whether all are from 0 to ``below - 1``."""
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= below:
        raise InvalidParameterError(f"{what}: expected integers from 0 to {below - 1}, got {low} to {high}.")


def rows(x: Any, index: Any) -> Node:
    """``x[index]``: rows by integers, an array or an integer `Input`; repeated rows add up in the gradient."""
    (node,) = as_nodes("rows", x)
    if node.ndim == 0:
        raise InvalidParameterError("rows: expected an array with rows, got a number.")
    return Rows()(node, index_node("rows", index, node.shape[0], "row numbers"))
