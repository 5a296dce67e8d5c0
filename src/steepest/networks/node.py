"""Nodes: what a computational graph is made of.

A node is an array that will be: its shape and dtype are known when it is written down, its numbers only when a
`steepest.networks.program.Program` runs.  Leaves are inputs, parameters and constants; every other node is an
`Operation` on earlier nodes.  But for its name a node never changes, and it is made after its inputs: the order in
which nodes were made (their ``serial``) is an order in which they can be computed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray

if TYPE_CHECKING:
    from steepest.networks.operations import Operation

FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
INDEX = np.dtype(np.int64)
_serial = itertools.count()


class Node:
    """An array of known shape and dtype in a graph.

    Nodes are combined by ``+ - * / ** @``, by ``node[...]`` (integers and slices) and by the functions of
    `steepest.networks`, with NumPy's rules of broadcasting; numbers and arrays among the operands become constants.
    Shapes are checked as nodes are made.

    Attributes
    ----------
    operation : Operation or None
        None for leaves.
    inputs : tuple of Node
    shape : tuple of int
    dtype : numpy.dtype
        float64, float32, or int64 for indices.
    name : str
        Given by the user, or empty.
    serial : int
        Grows with every node made.

    Examples
    --------
    >>> from steepest import networks
    >>> x = networks.Input((3,), "x")
    >>> (2.0 * x + 1.0).sum()
    Node(sum, shape ())
    """

    __slots__ = ("__weakref__", "dtype", "inputs", "name", "operation", "serial", "shape")
    __array_ufunc__ = None  # an array to the left of an operator gives way
    __iter__ = None

    def __init__(
        self,
        operation: Operation | None,
        inputs: tuple[Node, ...],
        shape: Sequence[int],
        dtype: Any,
        name: str = "",
    ) -> None:
        self.operation = operation
        self.inputs = inputs
        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype)
        self.name = name
        self.serial = next(_serial)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of entries."""
        out = 1
        for n in self.shape:
            out *= n
        return out

    def named(self, name: str) -> Node:
        """The same node, under a name that `Graph.show` and the keys of results use.

        What changes nothing, such as ``x * 1.0`` or ``x ** 1``, is x itself, and would lend x the name.
        """
        self.name = name
        return self

    def __repr__(self) -> str:
        what = type(self).__name__ if self.operation is None else "Node"
        label = self.name or (self.operation.symbol if self.operation is not None else "")
        return f"{what}({f'{label}, ' if label else ''}shape {self.shape})"

    # ------------------------------------------------------------------------------------------------ operators

    def __add__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.subtract(self, other)

    def __rsub__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.subtract(other, self)

    def __mul__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.multiply(self, other)

    def __rmul__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.multiply(other, self)

    def __truediv__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.divide(other, self)

    def __pow__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.power(self, other)

    def __rpow__(self, other: Any) -> Node:
        from steepest.networks import elementwise

        return elementwise.power(other, self)

    def __neg__(self) -> Node:
        from steepest.networks import elementwise

        return elementwise.negative(self)

    def __matmul__(self, other: Any) -> Node:
        from steepest.networks import operations

        return operations.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Node:
        from steepest.networks import operations

        return operations.matmul(other, self)

    def __getitem__(self, key: Any) -> Node:
        from steepest.networks import shaping

        return shaping.part(self, key)

    @property
    def T(self) -> Node:
        """The axes in reverse order."""
        from steepest.networks import shaping

        return shaping.transpose(self)

    def reshape(self, *shape: Any) -> Node:
        """As `steepest.networks.reshape`."""
        from steepest.networks import shaping

        return shaping.reshape(self, shape[0] if len(shape) == 1 else shape)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Node:
        """As `steepest.networks.sum`."""
        from steepest.networks import reductions

        return reductions.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Node:
        """As `steepest.networks.mean`."""
        from steepest.networks import reductions

        return reductions.mean(self, axis, keepdims)


class Input(Node):
    """Numbers that come with every run.

    Parameters
    ----------
    shape : tuple of int, or int
        All sizes at least 1.
    name : str
        The keyword of `Graph.forward`.
    dtype : dtype
        float64, float32, or an integer type for labels and row numbers (kept as int64).
    """

    __slots__ = ()

    def __init__(self, shape: Any = (), name: str = "", dtype: Any = np.float64) -> None:
        super().__init__(None, (), _shape(shape), _dtype(dtype), name)


class Parameter(Node):
    """Numbers that are learned; ``value`` holds them.

    Parameters
    ----------
    value : array-like
        Where it begins; copied.
    name : str
    dtype : dtype, optional
        float64 or float32; by default that of the value, float64 for all but float32.
    """

    __slots__ = ("claimed", "value")

    def __init__(self, value: Any, name: str = "", dtype: Any = None) -> None:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub" or given.size == 0:
            raise InvalidParameterError(
                f"value: expected numbers for the parameter {name!r}, got {given.dtype} of shape {given.shape}. "
                "Give an array of floats with at least one entry."
            )
        kind = _dtype(dtype if dtype is not None else np.float32 if given.dtype == np.float32 else np.float64)
        if kind not in FLOATS:
            raise InvalidParameterError(f"dtype: expected float64 or float32 for a parameter, got {kind}.")
        super().__init__(None, (), given.shape, kind, name)
        self.value: AnyArray = np.array(given, dtype=kind, order="C")
        self.claimed = False  # whether the value lies in the flat vector of a graph


class Constant(Node):
    """Numbers that never change."""

    __slots__ = ("value",)

    def __init__(self, value: Any, name: str = "", dtype: Any = np.float64) -> None:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub":
            raise InvalidParameterError(f"value: expected numbers, got {given.dtype} ({value!r:.60}).")
        kind = _dtype(dtype)
        super().__init__(None, (), given.shape, kind, name)
        self.value: AnyArray = np.array(given, dtype=kind, order="C")
        self.value.flags.writeable = False


def as_nodes(what: str, *values: Any) -> tuple[Node, ...]:
    """Operands as nodes of one float dtype; numbers and arrays become constants of it.

    Raises
    ------
    InvalidParameterError
        For operands of float32 and float64, for indices, and for what is no number.
    """
    kinds = {value.dtype for value in values if isinstance(value, Node)}
    if len(kinds) > 1 or (kinds and not kinds <= set(FLOATS)):
        listed = ", ".join(repr(v) + f" of {v.dtype}" for v in values if isinstance(v, Node))
        raise InvalidParameterError(
            f"{what}: expected operands of one float type, got {listed}. Make them of one type."
        )
    kind = kinds.pop() if kinds else np.dtype(np.float64)
    return tuple(value if isinstance(value, Node) else _constant(what, value, kind) for value in values)


def _constant(what: str, value: Any, kind: Any) -> Constant:
    try:
        return Constant(value, dtype=kind)
    except (InvalidParameterError, ValueError) as error:
        raise InvalidParameterError(f"{what}: expected a node, a number or an array, got {value!r:.60}.") from error


def ancestors(nodes: Iterable[Node]) -> list[Node]:
    """The nodes and all that they are made of, in an order of computation; no recursion."""
    seen: set[Node] = set()
    ahead = list(nodes)
    while ahead:
        node = ahead.pop()
        if node not in seen:
            seen.add(node)
            ahead.extend(node.inputs)
    return sorted(seen, key=lambda node: node.serial)


def _shape(shape: Any) -> tuple[int, ...]:
    sizes = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if not all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in sizes):
        raise InvalidParameterError(
            f"shape: expected integers, got {shape!r}. The shape of a graph is fixed: give the number of rows."
        )
    if not all(n >= 1 for n in sizes):
        raise InvalidParameterError(
            f"shape: expected sizes of at least 1, got {shape!r}. An empty batch has no gradient: leave it out."
        )
    return tuple(int(n) for n in sizes)


def _dtype(dtype: Any) -> np.dtype[Any]:
    try:
        kind: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise InvalidParameterError(
            f"dtype: expected float64, float32 or an integer type, got {dtype!r}. Try float."
        ) from None
    if kind.kind in "iu":
        return INDEX
    if kind not in FLOATS:
        raise InvalidParameterError(f"dtype: expected float64, float32 or an integer type, got {kind}. Try float.")
    return kind
