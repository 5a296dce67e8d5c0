"""Training a network: steps of a rule along gradients of batches, without allocating.

A step gathers its rows, runs a `Program` forward and backward, and moves the flat vector of weights in one pass.  All
that a run remembers is in a `TrainingState`, so a run that goes on from one is the run that never stopped, to the bit.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels.network_update import average
from steepest.networks.operations import Call
from steepest.networks.program import Program
from steepest.networks.split import Split, split
from steepest.networks.team import Team
from steepest.networks.training_batch import Batch
from steepest.networks.training_update import Move, stepping
from steepest.parallel import one_blas_thread
from steepest.protocols import AnyArray, FloatArray

_BLOCK = 1024  # rows that are evaluated at once


@dataclass(slots=True)
class TrainingState:
    """All that training remembers between steps; picklable.

    Attributes
    ----------
    w : array of shape (stack.size,), of the stack's dtype
        The trainable numbers.
    slots : array of shape (rule.slots, stack.size)
        What the rule remembers.
    statistics : array of shape (stack.statistics_size,)
        Running means and variances of batch normalisation.
    t, epoch : int
        Steps and whole epochs so far.
    mean : array of shape (stack.size,), float64, or None
        The mean of the iterates, where it is kept.
    averaged : int
        Iterates in it.
    """

    w: AnyArray
    slots: AnyArray
    statistics: AnyArray
    t: int = 0
    epoch: int = 0
    mean: FloatArray | None = None
    averaged: int = 0

    def point(self) -> AnyArray:
        """The numbers that stand for the network: the mean where there is one."""
        return self.w if self.mean is None or self.averaged == 0 else self.mean

    def copy(self) -> TrainingState:
        """The same numbers in arrays of their own."""
        mean = None if self.mean is None else self.mean.copy()
        return TrainingState(
            self.w.copy(), self.slots.copy(), self.statistics.copy(), self.t, self.epoch, mean, self.averaged
        )


class Training:
    """A network, its data, a rule, and where they stand.

    Parameters
    ----------
    stack : Stack
    objective : Objective
    feed : Feed
        See `as_feed`.
    y : array
        Targets as the objective takes them, one (row) a row of X.
    s : array of shape (n,), optional
        Row weights of mean 1.
    rule : str or rule
        Of `steepest.rules`, but those that begin at zero or couple all coordinates ("ftrl", "adagrad_full").
    batch_size : int
        Rows of a step; the last step of an epoch takes what is left.
    l2 : float
        ``l2 / 2 |W|^2`` is part of the objective, of weights alone.
    decay : float
        Decoupled weight decay: ``W <- (1 - rate decay) W`` before each step (Loshchilov, Hutter 2019), with any rule.
    clip_norm, clip_value : float, optional
        The gradient of the loss is cut entry by entry to ``[-clip_value, clip_value]``, then scaled down to the norm
        ``clip_norm`` where it is longer (Pascanu, Mikolov, Bengio 2013).  The penalty's is added after.
    augment : object, optional
        ``augment.apply(batch, rows, epoch, seed)`` changes a batch (m, d) in place.  Batches are then gathered and
        changed in a background thread, one ahead; the numbers are those without the thread.
    seed : int
        Of dropout masks and augmentation.
    average : bool or int
        Whether the mean of the iterates is kept; a number begins it at that step.
    state : TrainingState, optional
        To go on from; by default ``stack.initial(seed)``.
    probe : callable, optional
        ``probe(training, moment)`` with the moments "before" (between backward and update) and "after"; must change
        nothing.
    probe_every : int, optional
        Steps between two that are probed; by default ``probe.every``.
    threads : int, optional
        Of the products and updates, at most eight; by default as many as there are processors to use.  Small networks
        have one.  No bit of the result depends on it.

    Attributes
    ----------
    state : TrainingState
    w, g : arrays of shape (stack.size,)
        Weights, and the gradient of the last step's loss: not clipped, without the penalty.
    losses : array of float
        Of the batches of the present epoch, with the penalty.
    """

    def __init__(
        self,
        stack: Any,
        objective: Any,
        feed: Any,
        y: AnyArray,
        s: AnyArray | None = None,
        *,
        rule: Any = "adam",
        batch_size: int = 128,
        l2: float = 0.0,
        decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        augment: Any = None,
        seed: int = 0,
        average: bool | int = False,
        state: TrainingState | None = None,
        probe: Callable[[Training, str], None] | None = None,
        probe_every: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.stack, self.objective, self.feed = stack, objective, feed
        self.rule = stepping(rule)
        self.batch_size = min(_count("batch_size", batch_size, 128), feed.n)
        most = None if threads is None else _count("threads", threads, 2)
        self._move = Move(
            self.rule,
            stack.size,
            stack.decayed,
            stack.dtype,
            l2=l2,
            decay=decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
        )
        self.l2 = self._move.l2
        self._split = split_for(stack, feed, self.batch_size) if augment is None else None
        self.augment, self.seed, self.average = augment, int(seed), average
        if augment is not None and feed.sparse:
            raise IncompatibleError("augment: expected dense rows, got sparse ones. Leave it out, or densify X.")
        if feed.n_features != stack.n_features or feed.dtype != stack.dtype:
            raise InvalidParameterError(
                f"feed: expected {stack.n_features} columns of {stack.dtype}, got {feed.n_features} of {feed.dtype}."
            )
        if len(y) != feed.n:
            raise InvalidParameterError(f"y: expected a target for each of the {feed.n} rows of X, got {len(y)}.")
        if s is not None and s.shape != (feed.n,):
            raise InvalidParameterError(f"s: expected a weight for each of the {feed.n} rows of X, got {s.shape}.")
        self.y = y if y.dtype.kind in "iu" else np.ascontiguousarray(y, stack.dtype)
        self.s: FloatArray = np.empty(0) if s is None else np.asarray(s, dtype=np.float64)
        if state is None:
            start = stack.initial(seed).astype(stack.dtype)
            state = TrainingState(
                start, np.zeros((self.rule.slots, stack.size), stack.dtype), stack.initial_statistics()
            )
        self._check(state)
        self.state = state
        if average is not False and state.mean is None:
            state.mean = np.zeros(stack.size)
        self.w, self.g = state.w, np.zeros(stack.size, stack.dtype)
        work = 3.0 * self.batch_size * stack.size
        self._team = Team(self._move.rule, self.w, state.slots, self.g, work, most)
        self.losses: FloatArray = np.empty(0)
        self._batches: dict[tuple[int, bool], list[Batch]] = {}
        self._last: Batch | None = None
        self._probe = probe
        every = getattr(probe, "every", 100) if probe_every is None else probe_every
        self._probe_every = _count("probe_every", every, 100)

    def _check(self, state: TrainingState) -> None:
        size, slots = self.stack.size, self.rule.slots
        shapes = {"w": (size,), "slots": (slots, size), "statistics": (self.stack.statistics_size,)}
        for name, shape in shapes.items():
            given = getattr(state, name)
            if given.shape != shape or given.dtype != self.stack.dtype or not given.flags.c_contiguous:
                raise InvalidParameterError(
                    f"state: expected {name} of shape {shape} and {self.stack.dtype}, got {given.dtype} of "
                    f"{given.shape}. Go on with the layers and the rule that made it, or start anew."
                )

    @property
    def t(self) -> int:
        """Steps done."""
        return self.state.t

    @property
    def threads(self) -> int:
        """That work on a step."""
        return self._team.threads

    @property
    def last(self) -> Batch | None:
        """The batch of the last step; batches of one size take turns in at most two."""
        return self._last

    def take_over(self, call: Call) -> Call:
        """The call, by all threads of the training where they can; for programs that run between its steps."""
        return self._team.take_over(call)

    def graph(self) -> tuple[Any, Any, dict[Any, AnyArray]]:
        """The batch of a step as a plain graph: network, cost, and where its leaves lie; for a probe "before"."""
        if self._last is None:
            raise InvalidParameterError("graph: expected a step before, got none. Call steps first.")
        return self._last.graph()

    def errors(self) -> FloatArray:
        """The loss of each row at the weights as they are, without its weight, as predictions are made; a pass."""
        n, stack = self.feed.n, self.stack
        out = np.empty(n)
        size = min(n, _BLOCK)
        sparse = self.feed.batch(size, stack.dtype) if self.feed.sparse else None
        network = stack.network(
            size,
            training=False,
            sparse=None if sparse is None else sparse.product,
            statistics=self.state.statistics,
            parameters=self.w,
        )
        program = Program([network.scores])
        for low in range(0, n, size):
            rows = np.minimum(np.arange(low, low + size), n - 1).astype(np.uint64)
            if sparse is None:
                self.feed.take(rows, program.values[network.x])
            else:
                sparse.take(rows)
            program.run()
            high = min(low + size, n)
            out[low:high] = self.objective.values(program.values[network.scores][: high - low], self.y[low:high])
        return out

    # ---------------------------------------------------------------------------------------------------- steps

    def edges(self, m: int) -> AnyArray:
        """Where the batches of an epoch over m rows begin and end.

        A last batch of one row has no variance: with batch normalisation it joins the one before.
        """
        out = np.append(np.arange(0, m, self.batch_size), m)
        if self.stack.statistics_size and len(out) > 2 and out[-1] - out[-2] == 1:
            out = np.delete(out, -2)
        return out

    def count(self, m: int) -> int:
        """Steps that an epoch over m rows takes."""
        return len(self.edges(m)) - 1

    def epoch(self, visit: Any, rates: FloatArray) -> float:
        """An epoch over the rows of a `Visit`; the mean of the loss (with the penalty) as its batches met it.

        ``rates`` are those of its steps.
        """
        many = self.count(len(visit.rows))
        self.steps(visit.rows, visit.factors, rates, 0, many)
        return self.finish(visit.rows)

    def finish(self, rows: AnyArray) -> float:
        """The end of an epoch: its mean loss."""
        self.state.epoch += 1
        return float(np.diff(self.edges(len(rows))) @ self.losses) / len(rows)

    def steps(self, rows: AnyArray, factors: FloatArray, rates: FloatArray, start: int, stop: int) -> bool:
        """Steps start to stop of an epoch over ``rows``; False where numbers are no longer finite.

        Parameters
        ----------
        rows : array of unsigned integers
            All those of the epoch.
        factors : array of shape (len(rows),) or (0,)
            What multiplies the losses of rows.
        rates : array of shape (steps of the epoch,)
        start, stop : int

        Notes
        -----
        An exception on the way, Ctrl-C included, may come within a step: go on from a copy of an earlier ``state``.
        """
        edges = self.edges(len(rows)).tolist()
        if len(self.losses) != len(edges) - 1:
            self.losses = np.zeros(len(edges) - 1)
        with one_blas_thread(), self._arranged(), self._team:  # BLAS would wait for work on their processors
            if self.augment is None:
                self._walk(rows, factors, rates, start, stop, edges)
            else:
                self._ahead(rows, factors, rates, start, stop, edges)
        return bool(np.isfinite(self.losses[start:stop]).all() and np.isfinite(self.w).all())

    def _arranged(self) -> AbstractContextManager[None]:
        """While steps are taken, the first layer's weights lie as the columns of the split do."""
        if self._split is None:
            return nullcontext()
        first = self.stack.blocks[0]
        vectors = [self.w, self.g, *self.state.slots, *([] if self.state.mean is None else [self.state.mean])]
        return self._split.arranged(*(vector[first.slice].reshape(first.shape) for vector in vectors))

    def _walk(
        self,
        rows: AnyArray,
        factors: FloatArray,
        rates: FloatArray,
        start: int,
        stop: int,
        edges: list[int],
    ) -> None:
        """Batch after batch."""
        parts = [rows[edges[k] : edges[k + 1]] for k in range(start, stop)]
        batches = [self._batch(len(part), len(factors) > 0, 0) for part in parts]
        for k in range(start, stop):
            i = k - start
            batches[i].fetch(parts[i])
            self._step(batches[i], parts[i], factors[edges[k] : edges[k + 1]], rates[k], k)

    def _ahead(
        self,
        rows: AnyArray,
        factors: FloatArray,
        rates: FloatArray,
        start: int,
        stop: int,
        edges: list[int],
    ) -> None:
        """The same, with one batch gathered and augmented in a thread while the one before is worked on."""
        weighted = len(factors) > 0

        def prepare(k: int) -> Batch:
            part = rows[edges[k] : edges[k + 1]]
            batch = self._batch(len(part), weighted, k % 2)
            batch.gather(part)
            self.augment.apply(batch.x, part, self.state.epoch, self.seed)
            return batch

        for k in range(start, min(start + 2, stop)):  # both are built here, for building is not for two threads
            self._batch(edges[k + 1] - edges[k], weighted, k % 2)
        if stop > start:
            self._batch(edges[stop] - edges[stop - 1], weighted, (stop - 1) % 2)
        with ThreadPoolExecutor(1, "steepest-batches") as pool:
            coming: Future[Batch] | None = None
            for k in range(start, stop):
                batch = prepare(k) if coming is None else coming.result()
                coming = pool.submit(prepare, k + 1) if k + 1 < stop else None
                low, high = edges[k], edges[k + 1]
                self._step(batch, rows[low:high], factors[low:high], rates[k], k)

    def _batch(self, count: int, weighted: bool, which: int) -> Batch:
        """The batch for so many rows, the first or second of its kind; all share w and g."""
        key = (count, weighted or len(self.s) > 0)
        kept = self._batches.pop(key, [])
        self._batches[key] = kept  # the last that was asked for
        if len(self._batches) > 3:  # sizes come and go with the data that are given
            del self._batches[next(iter(self._batches))]
        while len(kept) <= which:
            feed = self._split or self.feed
            kept.append(Batch(self.stack, self.objective, feed, count, self.w, self.g, key[1], self._team.take_over))
        return kept[which]

    def _step(self, batch: Batch, rows: AnyArray, factors: FloatArray, rate: float, k: int) -> None:
        state = self.state
        batch.label(rows, self.y, self.s, factors)
        if batch.masks:
            batch.draw(self.seed, state.t)
        batch.run()
        loss = float(batch.cost)
        probed = self._probe is not None and state.t % self._probe_every == 0
        if probed:
            self._last = batch
            self._probe(self, "before")  # type: ignore[misc]
        if self.stack.statistics_size:
            batch.observe(state.statistics)
        squares = self._move(self._team, float(rate), state.t + 1)
        self.losses[k] = loss + 0.5 * self.l2 * squares
        state.t += 1
        if state.mean is not None and state.t >= int(self.average):
            state.averaged += 1
            average(state.mean, state.w, 1.0 / state.averaged)
        if probed:
            self._probe(self, "after")  # type: ignore[misc]
        self._last = batch


def _count(name: str, given: Any, common: int) -> int:
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise InvalidParameterError(f"{name}: expected a whole number >= 1, got {given!r}. Try {common}.")
    return int(given)


def split_for(stack: Any, feed: Any, count: int) -> Split | None:
    """The feed with its rare columns apart, where the first layer is trained and that pays."""
    first = stack.layers[0]
    return split(feed, count, first.columns) if first.trainable else None
