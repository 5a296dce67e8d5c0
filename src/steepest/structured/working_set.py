"""The planes that a run keeps: past maximisers of each example, and how much of its weight each of them has."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.kernels import structured
from steepest.protocols import AnyArray, FloatArray

FORGETTING = 10  # rounds after which a plane without weight, which was never the largest since, is forgotten
GROWN = 1.5  # times the size after the last cleaning, from which cleaning pays


class DualPoint(NamedTuple):
    """Planes with weights, of sum at most p_i over the planes of example i; what certify verifies.

    ``owner`` (m,) is the example of a plane, or None where each is a mean over all examples, and codes then have the
    size of w; ``weights`` and ``losses`` are (m,), ``codes`` is (m, width).
    """

    owner: AnyArray | None
    weights: FloatArray
    losses: FloatArray
    codes: Any


class WorkingSet:
    """Planes in growing arrays, see `steepest.kernels.structured`; memory is that of the codes and 40 bytes a plane.

    Parameters
    ----------
    p : array of shape (n,)
        Weights of the examples; at first the truth of each has all of it.
    width : int
    """

    def __init__(self, p: FloatArray, width: int) -> None:
        n = len(p)
        self.p, self.width = p, width
        self.held = n
        self.now = 0
        self.slots: AnyArray = np.zeros((n, 4), dtype=np.int64)
        self.slots[:, 0] = np.arange(n)
        self.counts: AnyArray = np.ones(n, dtype=np.int64)
        self._allot(2 * n, 4 * n)
        self.weight[:n] = p
        self.loss[:n] = 0.0
        self.starts[: n + 1] = 0
        self.stamps[:n] = 0
        self._clean = n

    def _arrays(self, planes: int, entries: int) -> tuple[AnyArray, ...]:
        return (
            np.zeros(planes),
            np.empty(planes),
            np.zeros(planes + 1, dtype=np.int64),
            np.empty(entries, dtype=np.int32),
            np.empty(entries),
            np.empty(planes, dtype=np.int64),
        )

    def _allot(self, planes: int, entries: int) -> None:
        self.weight, self.loss, self.starts, self.codes, self.values, self.stamps = self._arrays(planes, entries)

    @property
    def entries(self) -> int:
        """Numbers in all codes."""
        return int(self.starts[self.held])

    def add(self, chosen: AnyArray, losses: FloatArray, codes: sp.csr_array) -> int:
        """Keep planes, one each of different examples; returns how many were new."""
        self._make_room(chosen, codes)
        before = self.held
        self.held = structured.add_planes(
            chosen,
            losses,
            codes.indptr.astype(np.int64, copy=False),
            codes.indices.astype(np.int32, copy=False),
            codes.data.astype(np.float64, copy=False),
            self.slots,
            self.counts,
            self.loss,
            self.starts,
            self.codes,
            self.values,
            self.stamps,
            self.now,
            self.held,
        )
        return self.held - before

    def _make_room(self, chosen: AnyArray, codes: sp.csr_array) -> None:
        planes, entries = self.held + len(chosen), self.entries + codes.nnz
        if planes > len(self.weight) or entries > len(self.values):
            old = (self.weight, self.loss, self.starts, self.codes, self.values, self.stamps)
            used = (self.held, self.held, self.held + 1, self.entries, self.entries, self.held)
            self._allot(max(planes, 2 * len(self.weight)), max(entries, 2 * len(self.values)))
            new = (self.weight, self.loss, self.starts, self.codes, self.values, self.stamps)
            for before, after, size in zip(old, new, used, strict=True):
                after[:size] = before[:size]
        width = self.slots.shape[1]
        if len(chosen) and int(self.counts[chosen].max()) >= width:
            wider = np.zeros((len(self.p), 2 * width), dtype=np.int64)
            wider[:, :width] = self.slots
            self.slots = wider

    def clean(self) -> None:
        """Forget planes that have been of no use for `FORGETTING` rounds, where there may be many."""
        if self.held < GROWN * self._clean or self.now < FORGETTING:
            return
        into = self._arrays(len(self.weight), len(self.values))
        self.held = structured.drop_planes(
            self.now - FORGETTING,
            self.slots,
            self.counts,
            self.weight,
            self.loss,
            self.starts,
            self.codes,
            self.values,
            self.stamps,
            into,
        )
        self.weight, self.loss, self.starts, self.codes, self.values, self.stamps = into
        self._clean = self.held

    def steps(
        self, problem: Any, W: FloatArray, order: AnyArray, enough: float, gaps: FloatArray
    ) -> tuple[float, float]:
        """`kernels.structured.solve_examples` on some examples: the sum of their gaps before, and the gain."""
        return structured.solve_examples(  # type: ignore[no-any-return]
            problem.source.rows,
            problem.plain,
            W,
            problem.alpha,
            problem.norms,
            self.p,
            order,
            enough,
            self.slots,
            self.counts,
            self.weight,
            self.loss,
            self.starts,
            self.codes,
            self.values,
            self.stamps,
            self.now,
            gaps,
        )

    def value(self, w: FloatArray, alpha: float) -> float:
        """The dual objective, where w is that of the weights."""
        return float(self.weight[: self.held] @ self.loss[: self.held]) - 0.5 * alpha * float(w @ w)

    def point(self) -> DualPoint:
        """The planes that have weight."""
        owner = np.empty(self.held, dtype=np.int64)
        slot = np.arange(self.slots.shape[1])[None, :] < self.counts[:, None]
        owner[self.slots[slot]] = np.repeat(np.arange(len(self.p)), self.counts)
        counts = (np.diff(self.starts[: self.held + 1]) > 0) | (self.loss[: self.held] > 0.0)  # truths are zero
        used = np.flatnonzero((self.weight[: self.held] > 0.0) & counts)
        whole = sp.csr_array(
            (self.values[: self.entries], self.codes[: self.entries], self.starts[: self.held + 1]),
            shape=(self.held, self.width),
        )
        return DualPoint(owner[used], self.weight[used].copy(), self.loss[used].copy(), whole[used])
