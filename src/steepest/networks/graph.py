"""`Graph`: forward, backward, and what is made of them, for people and for `steepest.minimize`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.costs import label_limit
from steepest.networks.derivatives import gradient, leading, reached, tangent
from steepest.networks.node import FLOATS, INDEX, Input, Node, Parameter, ancestors
from steepest.networks.program import Program
from steepest.networks.shaping import Copy
from steepest.protocols import AnyArray, FloatArray

if TYPE_CHECKING:
    from steepest.networks.per_sample import PerRow
    from steepest.networks.show import Drawing


class Graph:
    """A node, and all that it is computed from.

    Parameters
    ----------
    output : Node
        For gradients one number; an output of any other shape needs a ``seed``.
    parameters : sequence of Parameter, optional
        Those of the flat vector, in its order; by default all that the output depends on, in the order in which they
        were made.  Those it does not depend on have gradients of zero.
    keep : Node or sequence of Node
        Nodes whose values `value` gives, beside the output: predictions, hidden layers.

    Attributes
    ----------
    inputs, parameters : dict of str to node
        By name; those without a name are called ``x0``, ``x1`` ... and ``w0``, ``w1`` ...

    Notes
    -----
    ``forward`` computes the output and keeps what ``backward`` needs.  ``backward`` visits each node once, from the
    output to the leaves, and sums over branches: it costs 2 to 3 times as much, whatever the number of parameters.
    Arrays are laid out at the first call of a kind (see `Program`); later calls make none but the results.
    Parameters that only this graph uses lie side by side in one vector, `flat`.  Several graphs may share parameters.

    Examples
    --------
    >>> from steepest import networks
    >>> x, y, z = (networks.Input((), name) for name in "xyz")
    >>> graph = networks.Graph((x + y) * z)
    >>> graph.forward(x=-2.0, y=5.0, z=-4.0)
    -12.0
    >>> graph.backward()
    {'x': array(-4.), 'y': array(-4.), 'z': array(3.)}
    """

    def __init__(
        self, output: Node, *, parameters: Sequence[Parameter] | None = None, keep: Node | Sequence[Node] = ()
    ) -> None:
        if not isinstance(output, Node):
            raise InvalidParameterError(f"output: expected a node, got {type(output).__name__}. Compose one of inputs.")
        self.output = output
        self._keep = [keep] if isinstance(keep, Node) else list(keep)
        if not all(isinstance(node, Node) for node in self._keep):
            raise InvalidParameterError(
                f"keep: expected nodes, got {self._keep!r:.80}. Give the nodes, not their names."
            )
        self._order = ancestors([output, *self._keep])
        leaves = [node for node in self._order if node.operation is None]
        own = [node for node in leaves if isinstance(node, Parameter)]
        chosen = own if parameters is None else list(parameters)
        if not all(isinstance(node, Parameter) for node in chosen) or len(set(chosen)) != len(chosen):
            raise InvalidParameterError(
                f"parameters: expected parameters, each once, got {chosen!r:.80}. Leave the others out."
            )
        kinds = {node.dtype for node in chosen}
        if len(kinds) > 1:
            raise InvalidParameterError("parameters: expected one float type, got float32 and float64. Give a dtype.")
        self.inputs: dict[str, Input] = _by_name([node for node in leaves if isinstance(node, Input)], "x")
        self.parameters: dict[str, Parameter] = _by_name(chosen, "w")
        twice = self.inputs.keys() & self.parameters.keys()
        if twice:
            raise InvalidParameterError(f"name: expected different names, got {sorted(twice)} twice. Rename one.")
        active = reached(self._order, [*self.parameters.values(), *self._float_inputs()])
        to_output = leading(output) & active
        self._sources = {name: node for name, node in self.inputs.items() if node in to_output}
        self._limits: dict[Input, int] = {}
        for node in self._order:
            limit = label_limit(node)
            if limit is not None:
                self._limits[limit[0]] = min(limit[1], self._limits.get(limit[0], limit[1]))
        self.dtype = kinds.pop() if kinds else output.dtype
        self.size = sum(node.size for node in chosen)
        self._flat = _side_by_side(chosen, self.size, self.dtype)
        self._given: dict[str, AnyArray] = {
            name: np.zeros(node.shape, node.dtype) for name, node in self.inputs.items()
        }
        self._missing = set(self.inputs)
        self._run = 0  # counts forward passes; 0: none that is still true
        self._seen: dict[str, int] = {}  # programs whose first stages belong to which forward pass
        self._programs: dict[str, Program] = {}
        self._per_row: dict[Node | None, PerRow] = {}
        self._slope = np.zeros(self.size, self.dtype)
        self._inward: dict[str, Node] = {}
        self._seed: Input | None = None
        self._at: AnyArray | None = None  # where the parameters are, as `__call__` was told

    def _float_inputs(self) -> list[Input]:
        return [node for node in self.inputs.values() if node.dtype in FLOATS]

    def __repr__(self) -> str:
        listed = [f"{name} {node.shape}" for name, node in (*self.inputs.items(), *self.parameters.items())]
        return f"Graph({self.output!r} of {', '.join(listed) or 'constants'})"

    # ---------------------------------------------------------------------------------------- forward, backward

    def give(self, **inputs: Any) -> Graph:
        """Set inputs without computing anything; the others keep what they had."""
        for name, value in inputs.items():
            node = self.inputs.get(name)
            if node is None:
                raise InvalidParameterError(
                    f"{name}: expected one of the inputs {sorted(self.inputs)}, got another name. "
                    "Leave it out, or name an Input so."
                )
            array = np.asarray(value)
            if array.shape != node.shape or array.dtype.kind not in ("iub" if node.dtype == INDEX else "fiub"):
                raise InvalidParameterError(
                    f"{name}: expected {'integers' if node.dtype == INDEX else 'numbers'} of shape {node.shape}, got "
                    f"{array.dtype} of shape {array.shape}. The shape of a graph is fixed: build one for each."
                )
            limit = self._limits.get(node)
            if limit is not None and (int(array.min()) < 0 or int(array.max()) >= limit):
                raise InvalidParameterError(
                    f"{name}: expected integers from 0 to {limit - 1}, got {array.min()} to {array.max()}."
                )
            np.copyto(self._given[name], array, casting="unsafe")
            self._missing.discard(name)
            self._run = 0
        return self

    def forward(self, **inputs: Any) -> Any:
        """The value of the output; a float where it has shape (), else an array of its own.

        Inputs that are not given keep their last values.  Later calls of `backward`, `hvp` and the like speak of this
        point; a parameter that is changed in between is seen by the next ``forward``.
        """
        self.give(**inputs)
        if self._missing:
            raise InvalidParameterError(
                f"{min(self._missing)}: expected a value for each of the inputs {sorted(self.inputs)}, got none."
            )
        program = self._programs.get("backward") or self._program("forward")
        program.run(0)
        self._run = max(self._seen.values(), default=0) + 1
        self._seen["backward" if "backward" in self._programs else "forward"] = self._run
        return self._said(program.values[self.output])

    def _said(self, array: AnyArray) -> Any:
        return float(array) if array.shape == () else array.copy()

    def value(self, node: Node | str) -> AnyArray:
        """The value of the output, of a leaf, or of a node in ``keep``, at the last `forward`."""
        known = {n.name: n for n in (self.output, *self._keep) if n.name} | self.inputs | self.parameters
        found = known.get(node) if isinstance(node, str) else node
        if isinstance(found, Parameter):
            return found.value.copy()
        program = self._current("backward" if "backward" in self._programs else "forward", 0)
        if found is None or found not in program.values:
            raise InvalidParameterError(f"node: expected one of {sorted(known)}, got {node!r}. Name it in keep=.")
        return program.values[found].copy()

    def backward(self, seed: Any = None) -> dict[str, AnyArray]:
        """The gradients at the last `forward`, of the parameters and of the inputs that have one.

        Parameters
        ----------
        seed : array-like, optional
            Weights of the entries of the output, of its shape; needed where that is not ().

        Returns
        -------
        dict of str to array
            Integer inputs, and targets of losses, have no gradient and are left out.
        """
        program = self._current("backward", 0)
        self._set_seed(program, seed)
        program.run(1)
        program.run(2)
        out = dict(self._pieces(self._slope))
        out.update({name: program.values[node] for name, node in self._inward.items()})
        return {name: array.copy() for name, array in out.items()}

    def gradients(self, seed: Any = None) -> AnyArray:
        """The gradient in the parameters at the last `forward` as one flat vector, in the order of `flat`."""
        program = self._current("backward", 0)
        self._set_seed(program, seed)
        program.run(1)
        return self._slope.copy()

    def hvp(self, v: Any) -> AnyArray:
        """The Hessian in the parameters, at the last `forward`, times a flat vector: exact, forward over reverse."""
        direction = np.asarray(v)
        if direction.shape != (self.size,) or direction.dtype.kind not in "fiub":
            raise InvalidParameterError(
                f"v: expected a vector of {self.size} numbers, got {direction.dtype} of shape {direction.shape}. "
                "Give one for each entry of flat."
            )
        program = self._current("hvp", 1)
        self._direction[...] = direction
        program.run(2)
        return self._product.copy()

    def per_sample_gradients(self, of: Node | None = None) -> dict[str, AnyArray]:
        """The share of each row in the gradient, at the last `forward`.

        Parameters
        ----------
        of : Node, optional
            The losses of the rows, with the samples along their first axis; by default what the output is the sum or
            the mean of.

        Returns
        -------
        dict of str to array of shape (n, ...)
            For each parameter; ``df/dl_i dl_i/dw``.  They sum up to the gradient where the output depends on the
            parameters through these losses alone.

        Notes
        -----
        Where rows are computed each by itself, one pass with an axis more does for all.  Where they meet (a mean over
        the batch inside) it takes a backward pass for each.
        """
        from steepest.networks.per_sample import PerRow

        self._point()
        if of is not None and not isinstance(of, Node):
            raise InvalidParameterError(
                f"of: expected a node, got {type(of).__name__}. Give the losses of the rows before they are summed up."
            )
        if of not in self._per_row:
            self._per_row[of] = PerRow(self.output, of, self.parameters, self._bindings())
        return self._per_row[of].gradients()

    def show(self, **inputs: Any) -> Drawing:
        """The graph with the value and the gradient of every node: prints as a table, and draws itself in notebooks."""
        from steepest.networks.show import draw

        if inputs or self._run == 0:
            self.forward(**inputs)
        return draw(self.output, self.inputs, self.parameters, self._bindings())

    # -------------------------------------------------------------------------------- as a function of one vector

    @property
    def flat(self) -> AnyArray:
        """All parameters as one vector: a view where this graph made it, else a copy.  May be set."""
        if self._flat is not None:
            return self._flat
        return np.concatenate([node.value.ravel() for node in self.parameters.values()] or [np.empty(0, self.dtype)])

    @flat.setter
    def flat(self, x: Any) -> None:
        vector = np.asarray(x)
        if vector.shape != (self.size,) or vector.dtype.kind not in "fiub":
            raise InvalidParameterError(
                f"flat: expected a vector of {self.size} numbers, got {vector.dtype} of shape {vector.shape}. "
                "Give one for each entry of flat."
            )
        if self._flat is not None:
            self._flat[...] = vector
        else:
            for name, piece in self._pieces(vector).items():
                self.parameters[name].value[...] = piece
        self._run = 0

    @property
    def start(self) -> FloatArray:
        """The parameters as a float64 vector of its own: where `steepest.minimize` begins."""
        if not self.size:
            raise InvalidParameterError(
                "graph: expected parameters to move, got a graph without any. Make a Parameter."
            )
        return self.flat.astype(np.float64)

    def __call__(self, x: Any) -> float:
        """The output with the parameters at x; the inputs keep their last values."""
        if self.output.shape != ():
            raise InvalidParameterError(f"output: expected one number, got shape {self.output.shape}. Take its mean.")
        self._at = None
        self.flat = x
        value = float(self.forward())
        self._at = np.array(x, dtype=np.float64)
        return value

    def grad(self, x: Any) -> FloatArray:
        """The gradient in the parameters at x, as float64."""
        self._to(x)
        return self.gradients().astype(np.float64)

    def hessp(self, x: Any, v: Any) -> FloatArray:
        """The Hessian at x times v, as float64."""
        self._to(x)
        return self.hvp(v).astype(np.float64)

    def _to(self, x: Any) -> None:
        if (
            self._run == 0
            or self._at is None
            or not (np.array_equal(self._at, x) and np.array_equal(self.flat, self._at.astype(self.dtype)))
        ):
            self(x)

    # ---------------------------------------------------------------------------------------------- programs

    def _point(self) -> None:
        if self._run == 0:
            raise InvalidParameterError(
                "forward: expected a call of forward since inputs or parameters were set, got none. Call it first."
            )

    def _current(self, kind: str, through: int) -> Program:
        """A program whose stages up to ``through`` hold for the last forward pass."""
        self._point()
        program = self._programs.get(kind) or self._program(kind)
        if self._seen.get(kind) != self._run:
            for stage in range(through + 1):
                program.run(stage)
            self._seen[kind] = self._run
        return program

    def _bindings(self) -> dict[Node, AnyArray]:
        return {node: self._given[name] for name, node in self.inputs.items()}

    def _pieces(self, vector: AnyArray) -> dict[str, AnyArray]:
        out, start = {}, 0
        for name, node in self.parameters.items():
            out[name] = vector[start : start + node.size].reshape(node.shape)
            start += node.size
        return out

    def _program(self, kind: str) -> Program:
        bind = self._bindings()
        first = [self.output, *self._keep]
        weights = list(self.parameters.values())
        if kind == "forward":
            made = Program(first, bind=bind)
        elif kind == "backward":
            if self.output.shape != ():
                self._seed = Input(self.output.shape, "", self.output.dtype)
            slopes = gradient(self.output, [*weights, *self._sources.values()], self._seed)
            own = self._into(slopes[: len(weights)], self._slope, bind)
            self._inward = dict(zip(self._sources, slopes[len(weights) :], strict=True))
            made = Program(first, own, list(self._inward.values()), bind=bind)
        else:
            self._direction = np.zeros(self.size, self.dtype)
            self._product = np.zeros(self.size, self.dtype)
            along: dict[Node, Node] = {}
            for (name, node), array in zip(
                self.parameters.items(), self._pieces(self._direction).values(), strict=True
            ):
                along[node] = Input(node.shape, name, node.dtype)
                bind[along[node]] = array
            slopes = gradient(self.output, weights)
            products = self._into(tangent(slopes, along), self._product, bind)
            made = Program(first, slopes, products, bind=bind)
        self._programs[kind] = made
        return made

    def _into(self, nodes: Iterable[Node], vector: AnyArray, bind: dict[Node, AnyArray]) -> list[Node]:
        """The nodes, written into the pieces of a vector; one that lies elsewhere is copied."""
        out = []
        for node, piece in zip(nodes, self._pieces(vector).values(), strict=True):
            free = node.operation is not None and not node.operation.views and node not in bind
            target = node if free and node not in self._order else Copy()(node)
            bind[target] = piece
            out.append(target)
        return out

    def _set_seed(self, program: Program, seed: Any) -> None:
        if self._seed is None:
            if seed is not None:
                raise InvalidParameterError("seed: expected none for an output of one number. Leave it out.")
            return
        if seed is None or np.shape(seed) != self.output.shape:
            raise InvalidParameterError(
                f"seed: expected weights of shape {self.output.shape}, as the output, got "
                f"{None if seed is None else np.shape(seed)}. Or take the output's sum or mean."
            )
        if self._seed in program.values:  # else nothing that has a derivative leads to the output
            program.values[self._seed][...] = seed


def _by_name(nodes: Sequence[Any], letter: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for k, node in enumerate(nodes):
        name = node.name or f"{letter}{k}"
        if name in out:
            raise InvalidParameterError(f"name: expected different names, got {name!r} twice. Rename one.")
        out[name] = node
    return out


def _side_by_side(nodes: Sequence[Parameter], size: int, dtype: Any) -> AnyArray | None:
    """One vector in whose pieces the parameters lie; None where some lie in that of another graph."""
    if nodes and all(node.claimed for node in nodes):
        base = nodes[0].value.base
        if base is not None and base.size == size:
            start = base.__array_interface__["data"][0]
            for node in nodes:
                if node.value.base is not base or node.value.__array_interface__["data"][0] != start:
                    return None
                start += node.value.nbytes
            return base
    if any(node.claimed for node in nodes):
        return None
    flat = np.empty(size, dtype)
    start = 0
    for node in nodes:
        piece = flat[start : start + node.size]
        piece[...] = node.value.ravel()
        node.value = piece.reshape(node.shape)
        node.claimed = True
        start += node.size
    return flat
