"""A network and its data as a function of one flat vector, in float64, over all rows.

    P(w) = sum_i s_i loss(net(x_i; w), y_i) / n  +  l2/2 |W|^2

in prediction mode: batch normalisation by its running statistics, no dropout.  Rows pass in blocks through one program
that is laid out when it is first needed, so memory does not grow with n: beside the parameters, their gradient and the
gradient of a block, it is that of a block's activations.  `NetworkProblem.sample` is the same function of fewer rows.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.derivatives import gradient, tangent
from steepest.networks.feed import Feed
from steepest.networks.node import Input, Node
from steepest.networks.program import Program
from steepest.protocols import AnyArray, Evaluation, FloatArray, Traits

BLOCK = 2048  # rows at most: enough for BLAS, little enough for the caches of a few layers
LEAST = 128  # rows, below which the gradient of a wide layer costs as much memory traffic as its products
BYTES = 1 << 20  # of the widest layer of a block, or as much as an eighth of the parameters
WHOLE = 1 << 22  # the same, up to which all rows are one block: products at one point then share forward and backward
_UNIT = 0.1  # a typical weight: what a step is measured by where a number is smaller
_NONE = np.empty(0)


class NetworkProblem:
    """``P`` for solvers of smooth functions, and for the certificate.

    Parameters
    ----------
    stack : Stack
        Of either dtype; the problem computes in float64.
    objective : Objective
    feed : Feed
        Rows of X.
    y : array
        As ``objective.targets`` returns it.
    s : array of shape (n,), optional
        Row weights, not negative; brought to mean 1.  None: all 1.
    l2 : float
        Of the weights, ``w[:stack.decayed]``; biases, gammas and betas are free.
    statistics : array of shape (stack.statistics_size,), optional
        Running means and variances of batch normalisation; copied.  The attribute may change before an evaluation.
    block : int, optional
        Rows of a block at most; by default as many as a few megabytes hold.
    start : array of shape (stack.size,), optional
        Where solvers begin; by default ``stack.initial(0)``.

    Attributes
    ----------
    size : int
    traits : Traits
        Not convex; smooth where the slopes of the losses do not jump.
    kinks : tuple of str
        Units and losses that are not twice differentiable: second derivatives are those of the piece.
    passes : float
        Over the rows, forward and backward together being one, so far.

    Notes
    -----
    ``n`` rows and a network of ``q`` weights cost ``6 n q`` operations an evaluation, ``2 n q`` a value, ``12 n q`` a
    product with the Hessian (about half of it where all rows are one block and the point stays).

    Examples
    --------
    >>> from steepest.networks.feed import as_feed
    >>> from steepest.networks.layers import Dense
    >>> from steepest.networks.stack import Stack
    >>> from steepest.networks.targets_loss import Objective
    >>> stack, objective = Stack(2, [Dense(3, "tanh")], 1), Objective("squared_error", 1)
    >>> problem = NetworkProblem(stack, objective, as_feed(np.eye(2)), objective.targets([1.0, 0.0]))
    >>> at = problem.evaluate(np.zeros(problem.size))
    >>> at.value, at.gradient[-1:].tolist()
    (0.25, [-0.5])
    """

    constraint = None
    differenced = False
    ray_first = False
    hess = None

    def __init__(
        self,
        stack: Any,
        objective: Any,
        feed: Any,
        y: AnyArray,
        s: AnyArray | None = None,
        *,
        l2: float = 0.0,
        statistics: AnyArray | None = None,
        block: int | None = None,
        start: AnyArray | None = None,
    ) -> None:
        self.stack = _as_float64(stack, start is None)
        self.objective, self.y = objective, y
        self.feed: Feed = feed.astype(np.float64)
        self.n, self.size = self.feed.n, int(stack.size)
        if len(y) != self.n:
            raise InvalidParameterError(f"y: expected {self.n} targets, one a row of X, got {len(y)}.")
        self.s = None if s is None else _mean_one(s, self.n)
        self.l2, self.decayed = float(l2), int(stack.decayed)
        self._most = _block(stack, self.feed.sparse, self.n) if block is None else max(int(block), 1)
        self.block = _even(self.n, self._most)
        self.index: AnyArray | None = None  # rows of the feed that count, of a sample
        self.statistics = None if statistics is None else np.array(statistics, dtype=np.float64)
        self.x0: AnyArray
        if start is None:
            self.x0 = np.asarray(self.stack.initial(0), dtype=np.float64)
            if stack.fixed is not None:
                self.stack.fixed = np.asarray(stack.fixed, dtype=np.float64)
        else:
            self.x0 = np.asarray(start)
        if self.x0.shape != (self.size,):
            raise InvalidParameterError(f"start: expected {self.size} numbers, got shape {self.x0.shape}.")
        self.typical = np.broadcast_to(_UNIT, (self.size,))
        self.kinks = _kinks(self.stack, objective)
        self.traits = Traits(
            convex=False, smooth=not objective.kinks, quadratic=False, has_curvature=objective.has_curvature,
            has_conjugate=False, l1=0.0, l2=self.l2, n_outputs=int(stack.n_outputs),
        )  # fmt: skip
        self.passes = 0.0
        self._w = self._v = _NONE  # what the programs read
        self._values: _Values | None = None
        self._curvatures: _Curvatures | None = None
        self._bent = False  # whether the program of curvatures stands at _w, with one block

    # --------------------------------------------------------------------------------------------------- rows

    def sample(self, m: int) -> NetworkProblem:
        """The same function of ``m`` rows, which stand for all of positive weight.

        As many stretches of rows, as long as each other but for one row, each send one, drawn at random (the same in
        every call), with the stretch's length as its weight.  Without row weights values and gradients are unbiased.

        Returns
        -------
        NetworkProblem
            With programs, and a count of passes (over its own rows), of its own.
        """
        pool = None if self.s is None else np.flatnonzero(self.s)
        many = self.n if pool is None else len(pool)
        m = min(max(int(m), 1), many)
        edges = np.arange(m + 1) * many // m
        lengths = np.diff(edges)
        index = edges[:-1] + (np.random.default_rng(0).random(m) * lengths).astype(np.intp)
        index = index if pool is None else pool[index]
        out = copy.copy(self)
        out.release()
        out.index = index if self.index is None else self.index[index]
        out.n, out.block, out.y = m, _even(m, self._most), self.y[index]
        out.s = _mean_one(lengths if self.s is None else lengths * self.s[index], m)
        out.passes = 0.0
        return out

    def _blocks(self) -> list[tuple[int, int]]:
        return [(start, min(start + self.block, self.n)) for start in range(0, self.n, self.block)]

    def _at(self, w: FloatArray) -> None:
        if w.shape != (self.size,):
            raise InvalidParameterError(f"w: expected {self.size} numbers, got shape {w.shape}.")
        if self._bent and not np.array_equal(w, self._w):
            self._bent = False
        if w is self._w:
            return
        if len(self._w) != self.size:
            self._w = np.empty(self.size)
        self._w[:] = w

    def _value_program(self) -> _Values:
        if self._values is None:
            self._values = _Values(self, self.block)
        return self._values

    def stand(self, w: FloatArray) -> None:
        """Programs will read this very array, which must not change until `release`: no copy is made."""
        self.release()
        self._w = w

    def release(self) -> None:
        """Give back the memory of the programs; they are laid out again when they are needed."""
        self._values = self._curvatures = None
        self._w = self._v = _NONE
        self._bent = False

    def _penalty(self, w: FloatArray) -> float:
        if self.l2 == 0.0:
            return 0.0
        weights = w[: self.decayed]
        with np.errstate(over="ignore"):
            return 0.5 * self.l2 * float(weights @ weights)

    # ---------------------------------------------------------------------------------------------- as solvers see it

    def start(self) -> FloatArray:
        """Where solvers begin."""
        return self.x0.astype(np.float64)

    def weights(self, w: FloatArray) -> FloatArray:
        """The numbers themselves."""
        return w

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The Euclidean scalar product."""
        return float(a @ b)

    def units(self, w: FloatArray) -> FloatArray:
        """The size of each number, for steps."""
        return np.maximum(np.abs(w), _UNIT)

    def project(self, w: FloatArray) -> FloatArray:
        """w itself: nothing constrains it."""
        return w

    @property
    def null_value(self) -> float:
        """The loss of outputs that are all zero."""
        total = 0.0
        for start, stop in self._blocks():
            each = self.objective.values(np.zeros((stop - start, self.traits.n_outputs)), self.y[start:stop])
            total += float(each.sum() if self.s is None else each @ self.s[start:stop])
        return float(total / self.n)

    def value(self, w: FloatArray) -> float:
        """P alone, by a forward pass; inf where it is not a number."""
        self._at(w)
        self.passes += 1.0 / 3.0
        total = 0.0
        program = self._value_program()
        for start, stop in self._blocks():
            total += program.value(start, stop)
        total += self._penalty(w)
        return math.inf if math.isnan(total) else float(total)

    def scores(self, w: FloatArray) -> FloatArray:
        """The outputs for all rows, (n, n_outputs)."""
        self._at(w)
        self.passes += 1.0 / 3.0
        out = np.empty((self.n, self.traits.n_outputs))
        program = self._value_program()
        for start, stop in self._blocks():
            program.value(start, stop)
            out[start:stop] = program.scores[: stop - start]
        return out

    def evaluate(self, w: FloatArray) -> Evaluation:
        """Value and gradient; where one of them is not finite the value is inf."""
        self._at(w)
        self._bent = False  # the running statistics may have changed as well
        self.passes += 1.0
        total, g = 0.0, np.zeros(self.size)
        program = self._value_program()
        for start, stop in self._blocks():
            total += program.value(start, stop)
            program.add_gradient(g)
        value = total + self._penalty(w)
        g[: self.decayed] += self.l2 * w[: self.decayed]
        if not (math.isfinite(value) and np.all(np.isfinite(g))):
            value = math.inf
        return Evaluation(w, value, total, g, _NONE, _NONE)

    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation:
        """Everything at ``w + t d``."""
        return self.evaluate(at.w + t * d)

    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> NetworkRay:
        """P along ``w + t d``; ``ahead`` is the evaluation at t = 1 where it exists."""
        return NetworkRay(self, at, d, ahead)

    def complete(self, ray: NetworkRay, t: float) -> Evaluation:
        """Everything at a point of a ray; free where its slope was asked for."""
        known = ray.known.get(t)
        return known if known is not None else self.evaluate(ray.at.w + t * ray.d)

    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray:
        """The Hessian times v, exactly, forward over reverse; of the piece that w is on where there are kinks.

        Raises
        ------
        IncompatibleError
            For a loss that states no curvature.
        """
        if not self.traits.has_curvature:
            raise IncompatibleError(
                f"loss: '{self.objective.name}' states no curvature, which second derivatives need. Use another loss."
            )
        self._at(at.w)
        if self._curvatures is None:
            self._v = np.empty(self.size)
            self._curvatures = _Curvatures(self, self.block)
        self._v[:] = v
        blocks = self._blocks()
        again = self._bent and len(blocks) == 1
        self.passes += 1.0 if again else 2.0
        out = np.zeros(self.size)
        for start, stop in blocks:
            self._curvatures.add_product(start, stop, out, again)
        self._bent = True
        out[: self.decayed] += self.l2 * v[: self.decayed]
        return out

    def hessian(self, at: Evaluation) -> FloatArray:
        """The matrix of second derivatives, ``size`` products; computed once for each evaluation."""
        if "hessian" not in at.extra:
            H = np.array([self.hvp(at, row) for row in np.eye(self.size)])
            at.extra["hessian"] = 0.5 * (H + H.T)
        return at.extra["hessian"]  # type: ignore[no-any-return]


class NetworkRay:
    """P along ``w + t d``: a value is a forward pass, a slope an evaluation, which is kept."""

    def __init__(self, problem: NetworkProblem, at: Evaluation, d: FloatArray, ahead: Evaluation | None) -> None:
        self.problem, self.at, self.d = problem, at, d
        self.known: dict[float, Evaluation] = {} if ahead is None else {1.0: ahead}

    def value(self, t: float) -> float:
        """P at t."""
        known = self.known.get(t)
        return known.value if known is not None else self.problem.value(self.at.w + t * self.d)

    def value_slope(self, t: float) -> tuple[float, float]:
        """P and its derivative in t."""
        if t not in self.known:
            self.known[t] = self.problem.evaluate(self.at.w + t * self.d)
        at = self.known[t]
        return at.value, float(at.gradient @ self.d)


# ------------------------------------------------------------------------------------------------------- programs


class _Rows:
    """The graph for a number of rows, and how rows come into it."""

    def __init__(self, problem: NetworkProblem, rows: int, fused: bool) -> None:
        self.problem, self.rows = problem, rows
        feed = problem.feed
        self.batch = feed.batch(rows, np.float64) if feed.sparse else None
        self.network = problem.stack.network(
            rows,
            training=False,
            fused=fused,
            sparse=None if self.batch is None else self.batch.product,
            statistics=problem.statistics,
            parameters=problem._w,
        )
        self.y, self.s = problem.objective.inputs(rows, np.float64)
        self.cost: Node = problem.objective.node(self.network.scores, self.y, self.s, fused=fused)
        self.held = {node: np.zeros(node.shape, node.dtype) for node in (self.network.x, self.y, self.s) if node}

    def load(self, start: int, stop: int) -> None:
        """Bring in rows start to stop, with weights that make the mean a part of that over all rows.

        Where they are fewer than the program takes, the last one stands in the other places with weight zero.
        """
        problem, count = self.problem, stop - start
        index = np.minimum(np.arange(start, start + self.rows), stop - 1)
        index = index if problem.index is None else problem.index[index]
        if self.batch is not None:
            self.batch.take(index)
        else:
            problem.feed.take(index, self.held[self.network.x])
        self.held[self.y][:count] = problem.y[start:stop]
        self.held[self.y][count:] = problem.y[stop - 1]
        share = self.rows / problem.n
        self.held[self.s][:count] = share if problem.s is None else share * problem.s[start:stop]
        self.held[self.s][count:] = 0.0


class _Values(_Rows):
    """Forward, then backward."""

    def __init__(self, problem: NetworkProblem, rows: int) -> None:
        super().__init__(problem, rows, fused=True)
        self.gradients = gradient(self.cost, self.network.parameters)
        self.program = Program([self.cost, self.network.scores], self.gradients, bind=self.held, repeatable=False)

    def value(self, start: int, stop: int) -> float:
        """The part of the mean loss that these rows make."""
        self.load(start, stop)
        self.program.run(0)
        return float(self.program.values[self.cost])

    @property
    def scores(self) -> AnyArray:
        """The outputs of the last forward pass."""
        return self.program.values[self.network.scores]

    def add_gradient(self, out: FloatArray) -> None:
        """Add the gradient of that part."""
        self.program.run(1)
        _add_pieces(self.problem.stack, self.program, self.gradients, out)


class _Curvatures(_Rows):
    """Forward and backward, then the tangent of the gradient."""

    def __init__(self, problem: NetworkProblem, rows: int) -> None:
        super().__init__(problem, rows, fused=False)
        parameters = self.network.parameters
        first = gradient(self.cost, parameters)
        directions = [Input(node.shape, "v", np.float64) for node in parameters]
        self.products = tangent(first, dict(zip(parameters, directions, strict=True)))
        pieces = problem.stack.views(problem._v)
        bind = self.held | {
            node: pieces[block.name] for node, block in zip(directions, problem.stack.blocks, strict=True)
        }
        self.program = Program(first, self.products, bind=bind)

    def add_product(self, start: int, stop: int, out: FloatArray, again: bool) -> None:
        """Add the part of H v that these rows make; ``again``: they are loaded, at the same point."""
        if not again:
            self.load(start, stop)
            self.program.run(0)
        self.program.run(1)
        _add_pieces(self.problem.stack, self.program, self.products, out)


def _add_pieces(stack: Any, program: Program, nodes: list[Node], out: FloatArray) -> None:
    for block, node in zip(stack.blocks, nodes, strict=True):
        out[block.slice] += program.values[node].ravel()


def _block(stack: Any, sparse: bool, n: int) -> int:
    """Rows of a block at most."""
    widest = max(0 if sparse else stack.n_features, *(layer.columns for layer in stack.layers))
    if n <= BLOCK and 8 * widest * n <= WHOLE:
        return n
    return int(min(max(max(BYTES, stack.size) // (8 * widest), LEAST), BLOCK))


def _even(n: int, most: int) -> int:
    """Rows of blocks of one size, the last of which is filled up with rows of weight zero."""
    return -(-n // -(-n // most))


def _as_float64(stack: Any, draws: bool) -> Any:
    """The same layers for graphs of float64; the given stack is left as it is."""
    twin = copy.copy(stack)
    twin.dtype = np.dtype(np.float64)
    if stack.fixed is not None:
        twin.fixed = np.asarray(stack.fixed, dtype=np.float64)
    elif not draws:
        raise InvalidParameterError("stack: its fixed layers have no numbers yet. Call stack.initial(seed) first.")
    return twin


def _mean_one(s: AnyArray, n: int) -> FloatArray:
    out = np.array(s, dtype=np.float64)
    total = float(out.sum())
    if out.shape != (n,) or not math.isfinite(total) or not total > 0.0 or float(out.min()) < 0.0:
        raise InvalidParameterError(
            f"s: expected {n} finite row weights, not negative and with a positive sum, got shape {out.shape} with sum "
            f"{total:g}."
        )
    return out * (n / total)


def _kinks(stack: Any, objective: Any) -> tuple[str, ...]:
    units = [layer.unit.name for layer in stack.layers if not layer.unit.twice]
    return (*dict.fromkeys(units), *(f"the loss '{name}'" for name in objective.kinks))
