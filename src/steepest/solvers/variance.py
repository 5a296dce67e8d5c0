"""What SVRG and SAGA share: the coordinates of their steps, the draw of rows, the length of steps, the rounds.

**Coordinates.**  A step of the form ``w_j -= eta g_j`` suits columns of one magnitude.  Here a column is divided by a
power of two near its own, so that scaling rounds nothing, and the penalties of its weight change accordingly: theory
holds as it stands, for the scaled problem.  A column is centred where an intercept is fitted and the column is stored
in every row, which is the only kind of column whose mean can be large beside its deviation; the intercept takes up the
means.  Sparse rows stay sparse.  Where the columns are of one magnitude already, nothing is done to them.

**Rows.**  Row i is drawn with ``q_i = (p_i + p_i L_i / sum_j p_j L_j) / 2``, L_i being the smoothness of its loss
in w, and its step multiplied by ``p_i / q_i``: large weights, and long rows, come up more often instead of making
long steps.  An epoch holds each row n q_i times, rounded up or down at random, in random order.

**Steps.**  The length is a multiple of ``1 / max_i (p_i L_i / q_i)``, 1/2 at first.  A round that does not decrease the
objective is taken back and the multiple halved; each one that does makes it longer.  So L may be local (of a loss whose
curvature is unbounded) and need not be right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from steepest.data.orders import Shuffled, generator, unsigned
from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.kernels import variance_l1, variance_scalar, variance_vector
from steepest.protocols import AnyArray, Evaluation, FloatArray, Round, Traits
from steepest.solvers.searches import tolerance

FIRST = 0.5  # multiple of the step 1/L
SHRINK = 0.5  # of a step that raised the objective
CALM, EAGER = 0.8, 1.25  # of one that made the gradient much larger, and of others
NOISE = 2.0  # growth of the squared gradient that is much
LEAST_CALM, MOST = 0.4, 0.75
LEAST = 2.0**-60
INNER_MOST = 8  # passes of a round, where numbers are so few that the round itself takes longest:
INNER_WORK = 1 << 16  # stored numbers of a round
UNEVEN = 2.0  # sizes of rows beyond which they are not drawn alike
SPREAD = 64.0  # of mean squares of sparse columns over the median, within which a column is ordinary
OUTWEIGHS = 4.0  # mean square of an entry, over that of a row of ordinary columns
CHUNK = 1 << 22  # numbers of dense rows that are looked at together
_NONE = np.empty(0)
_NONE.flags.writeable = False


@dataclass(slots=True)
class Coordinates:
    """``x = unit (row - center)``, ``w = unit v``, and the penalties of v by kinds of features."""

    rows: Any  # what kernels take; of sparse rows, already x
    dense: bool
    center: FloatArray
    unit: FloatArray
    kinds: AnyArray
    l1: FloatArray
    l2: FloatArray
    norms: FloatArray  # |x|^2 of each row
    bias: float  # the rate of the intercept; 0 for none
    trivial: bool  # x is the row

    def into(self, w: FloatArray, b: Any) -> tuple[FloatArray, Any]:
        """Weights and intercepts of the scaled problem for those of the true one."""
        unit = self.unit if w.ndim == 1 else self.unit[:, None]
        v = np.divide(w, unit, out=np.zeros_like(w), where=unit != 0.0)
        return v, b + self.center @ w

    def back(self, v: FloatArray, b: Any) -> tuple[FloatArray, Any]:
        """The true weights and intercepts."""
        w = v * (self.unit if v.ndim == 1 else self.unit[:, None])
        return w, b - self.center @ w

    def gradient(self, g: FloatArray, total: Any) -> FloatArray:
        """``sum p u x`` for the sums over true rows, ``sum p u row`` and ``sum p u``."""
        if g.ndim == 1:
            out: FloatArray = self.unit * (g - self.center * total)
        else:
            out = self.unit[:, None] * (g - self.center[:, None] * total)
        return out


def coordinates(problem: Any) -> Coordinates:
    """The coordinates for a problem: a pass or two, and for uneven sparse columns a copy of the stored values."""
    source, intercept = problem.source, bool(problem.layout.intercept)
    n, d = source.shape
    first, second = source.moments(np.full(n, 1.0 / max(n, 1)))
    problem.passes += 0.5
    dense = source.kind == "dense"
    stored = np.full(d, n) if dense else np.bincount(source.matrix.indices, minlength=d)
    full = (stored == n) & intercept & (n > 1)
    center = np.where(full, first, 0.0)
    square = np.where(full, second - first * first, second) * (n / np.maximum(stored, 1))
    empty = square <= 1e-14 * second  # constants, and columns of nothing: the intercept has them
    live = square[~empty]
    middle = float(np.median(live)) if len(live) else 1.0
    ratio = np.where(empty, 1.0, square / middle)
    # A sparse column is made shorter only where it outweighs whole rows, never longer: its penalty changes with it.
    common = ratio <= SPREAD
    ordinary = float(square[common] @ (stored[common] / max(n, 1)))
    within = (common | (square <= OUTWEIGHS * ordinary)) & (not dense)
    exponent = np.where(within, 0.0, np.round(0.5 * np.log2(ratio)))
    unit = np.where(empty & full, 0.0, 2.0**-exponent)
    center = np.where(dense | full & (~within | (center * center > SPREAD * square)), center, 0.0)
    trivial = bool((unit == 1.0).all() and not center.any())
    rows, norms = source.rows, None
    if dense:
        norms = _dense_norms(source.X, center, unit)
    elif trivial:
        norms = source.square_norms()
    else:
        matrix = source.matrix.copy()
        columns = matrix.indices
        matrix.data = (matrix.data - center[columns]) * unit[columns]
        scaled = as_source(matrix, pool=source.pool)
        rows, norms = scaled.rows, scaled.square_norms()
    problem.passes += 0.5
    levels, kinds = np.unique(np.where(unit > 0.0, unit, 1.0), return_inverse=True)
    bias = 0.0
    if intercept:  # as large as an entry, but not so small that it lags behind
        mean = float(problem.p @ norms)
        bias = max(mean * n / max(float(stored.sum()), 1.0), 0.1 * mean) or 1.0
    traits = problem.traits
    return Coordinates(
        rows, dense, center, unit, kinds.astype(np.uint32), traits.l1 * levels, traits.l2 * levels**2, norms,
        bias, trivial,
    )  # fmt: skip


def _dense_norms(X: AnyArray, center: FloatArray, unit: FloatArray) -> FloatArray:
    out, step = np.empty(len(X)), max(1, CHUNK // max(X.shape[1], 1))
    for low in range(0, len(X), step):
        part = (X[low : low + step] - center) * unit
        out[low : low + step] = np.einsum("ij,ij->i", part, part)
    return out


@dataclass(slots=True)
class Draw:
    """How rows are drawn: all alike (``q`` of length 0), or with probabilities q; and ``max_i p_i L_i / q_i``."""

    n: int
    q: FloatArray
    factors: FloatArray  # p / q, or of length 0 for all 1
    smoothness: float

    def order(self, rng: np.random.Generator, count: int) -> AnyArray:
        """``count`` rows."""
        kind = unsigned(self.n)
        rows: AnyArray
        if not len(self.q):
            parts = [Shuffled(self.n).epoch(0, int(rng.integers(2**63))).rows for _ in range(-(-count // self.n))]
            return parts[0] if count == self.n else np.concatenate(parts)[:count]
        # a comb of `count` teeth, thrown once: each row gets count q_i of them, rounded up or down
        edges = np.floor(np.cumsum(self.q) * count + rng.random()).astype(np.int64)
        edges[-1] = max(edges[-1], count)
        rows = np.repeat(np.arange(self.n, dtype=kind), np.diff(edges, prepend=0))[:count]
        rng.shuffle(rows)
        return rows


def draw(p: FloatArray, sizes: FloatArray) -> Draw:
    """The draw for rows of weight p, of sum 1, whose losses have the smoothness ``sizes`` in w."""
    n = len(p)
    weighted = p * sizes
    total, top = float(weighted.sum()), float(weighted.max(initial=0.0))
    if not total > 0.0:
        return Draw(n, _NONE, _NONE if np.ptp(p) == 0.0 else n * p, 1.0)
    if n * top <= UNEVEN * total:
        alike = float(np.ptp(p)) <= 1e-12 * float(p.max())
        return Draw(n, _NONE, _NONE if alike else n * p, n * top)
    q = 0.5 * (p + weighted / total)
    factors = np.divide(p, q, out=np.zeros(n), where=q > 0.0)
    return Draw(n, q, factors, float((factors * sizes).max()))


def local_smoothness(problem: Any, at: Evaluation) -> Any:
    """The Lipschitz constant of the slope in z: of the loss, or of each row's at these scores where it has none."""
    bound = float(problem.loss.smoothness)
    if 0.0 < bound < math.inf:
        return bound
    if problem.layout.n_outputs > 1 or not problem.traits.has_curvature:
        return 1.0
    h = np.divide(problem.curvatures(at), problem.p, out=np.zeros_like(problem.p), where=problem.p > 0.0)
    h = np.abs(h)
    return np.maximum(h, max(float(problem.p @ h), 1e-300))


@dataclass(slots=True)
class VarianceState:
    """The last point that counts, the slopes kept and their sum, and what a round needs."""

    problem: Any
    w: FloatArray
    seed: int
    at: Evaluation | None = None
    space: Coordinates | None = None
    drawn: Draw | None = None
    u: FloatArray = field(default_factory=lambda: np.empty(0))
    G: FloatArray | None = None  # None: u and G are to be taken from the point
    pull: FloatArray = field(default_factory=lambda: np.empty(0))
    multiple: float = FIRST
    inner: float = 1.0
    rounds: int = 0


class VarianceReduced:
    """Rounds of variance-reduced steps; `SVRG` and `SAGA` say which slopes are kept.

    Parameters
    ----------
    step : "auto" or float
        The length of a step in the scaled problem; "auto" adapts it, see `steepest.solvers.variance`.
    inner : "auto" or float
        Steps of a round, in passes over the rows; "auto": one, and up to `INNER_MOST` where they are soon done.
    seed : int
        Of the draws; the same seed gives the same bits.
    """

    name = ""
    patience = 40
    keep = False

    def __init__(self, *, step: Any = "auto", inner: Any = "auto", seed: int = 0) -> None:
        number = isinstance(step, int | float) and not isinstance(step, bool)
        if not (step == "auto" if isinstance(step, str) else number and 0.0 < step < math.inf):
            raise InvalidParameterError(f"step: expected 'auto' or a finite number > 0, got {step!r}. Use 'auto'.")
        number = isinstance(inner, int | float) and not isinstance(inner, bool)
        if not (inner == "auto" if isinstance(inner, str) else number and 0.0 < inner < math.inf):
            raise InvalidParameterError(f"inner: expected 'auto' or a number of passes > 0, got {inner!r}. Use 'auto'.")
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InvalidParameterError(f"seed: expected an integer >= 0, got {seed!r}. Use 0.")
        self.step, self.inner, self.seed = step, inner, int(seed)
        self.notes: list[str] = []

    def missing(self, traits: Traits) -> str | None:
        """A smooth loss is all that is needed."""
        return None if traits.smooth else "a smooth loss"

    def start(self, problem: Any, w: FloatArray) -> VarianceState:
        """Nothing is computed yet."""
        if problem.source.kind not in ("dense", "csr"):
            raise IncompatibleError(
                f"solver: '{self.name}' takes rows in memory, in random order; got a stream of batches. "
                "Use solver='lbfgs'."
            )
        return VarianceState(problem, np.asarray(w, dtype=np.float64), self.seed)

    def advance(self, state: VarianceState) -> Round:
        """The evaluation of the start, then an epoch of steps and the evaluation of where it ends."""
        problem = state.problem
        if state.at is None:
            state.at = problem.evaluate(state.w)
            return Round(state.at, math.nan)
        if state.space is None:
            self._prepare(state)
        assert state.space is not None
        assert state.drawn is not None
        if not 0.0 < float(problem.loss.smoothness) < math.inf:  # local: as it is at this point
            sizes = local_smoothness(problem, state.at) * (state.space.norms + state.space.bias)
            state.drawn = draw(problem.p, sizes)
        if state.G is None or not self.keep:
            self._take(state)
        eta = self._eta(state)
        state.rounds += 1
        count = max(1, round(state.inner * problem.source.shape[0]))
        w = self._epoch(state, state.drawn.order(generator(state.seed, state.rounds), count), eta)
        problem.passes += count / problem.source.shape[0]
        before, at = state.at, problem.evaluate(w)
        if self.step != "auto":
            state.at = at
            return Round(at, eta)
        if not at.value <= before.value + tolerance(problem, before.value):
            state.multiple *= SHRINK
            state.G = None
            return Round(before, eta, exhausted=state.multiple < LEAST)
        state.at = at
        if self._slope(state, at) > NOISE * self._slope(state, before):
            state.multiple = max(state.multiple * CALM, min(state.multiple, LEAST_CALM))
        else:
            state.multiple = min(state.multiple * EAGER, MOST)
        return Round(at, eta)

    def _slope(self, state: VarianceState, at: Evaluation) -> float:
        """The squared gradient of the scaled problem, or with l1 the least subgradient: what noise leaves of it."""
        problem, space = state.problem, state.space
        assert space is not None
        g, total = problem.layout.split(at.gradient)
        w, l1 = problem.layout.split(at.w)[0], problem.traits.l1
        if l1 > 0.0:
            g = np.where(w != 0.0, g + l1 * np.sign(w), np.sign(g) * np.maximum(np.abs(g) - l1, 0.0))
        k = problem.layout.n_outputs
        if len(total):
            g = space.gradient(g, total[0] if k == 1 else total)
        return float(np.vdot(g, g)) + space.bias * float(total @ total)

    def _eta(self, state: VarianceState) -> float:
        if self.step != "auto":
            return float(self.step)
        assert state.drawn is not None
        smooth = state.drawn.smoothness
        mu = len(state.problem.p) * state.problem.traits.l2  # what an epoch's steps see of strong convexity
        smooth += min(mu, 0.5 * smooth)  # as in 1 / (2 L + min(2 n mu, L))
        return state.multiple / smooth if smooth > 0.0 else state.multiple

    def _prepare(self, state: VarianceState) -> None:
        problem = state.problem
        assert state.at is not None
        work = max(1, problem.source.nnz * problem.layout.n_outputs)
        state.space = space = coordinates(problem)
        state.drawn = draw(problem.p, local_smoothness(problem, state.at) * (space.norms + space.bias))
        state.inner = float(max(1, min(INNER_MOST, INNER_WORK // work))) if self.inner == "auto" else float(self.inner)
        rows = "rows alike" if not len(state.drawn.q) else "rows by weight and smoothness"
        columns = "columns as they are" if space.trivial else f"columns in {len(space.l2)} magnitudes"
        length = "a fixed step" if self.step != "auto" else "step by the objective, from 1 / (2 L + min(2 n l2, L))"
        self.notes = [f"{self.name}: {state.inner:g} n steps a round, {rows}, {columns}, {length}"]

    def _take(self, state: VarianceState) -> None:
        """Slopes and their sum from the point: exact."""
        problem, at, space = state.problem, state.at, state.space
        assert at is not None
        assert space is not None
        g, total = problem.layout.split(at.gradient)
        g = g - problem.traits.l2 * problem.layout.split(at.w)[0]
        k = problem.layout.n_outputs
        state.pull = np.array(total) if len(total) else np.zeros(k)
        state.G = space.gradient(g, state.pull[0] if k == 1 else state.pull)
        state.u = at.slopes.copy() if self.keep else at.slopes

    def _epoch(self, state: VarianceState, order: AnyArray, eta: float) -> FloatArray:
        """Where an epoch from the point ends."""
        problem, space, drawn, G = state.problem, state.space, state.drawn, state.G
        assert space is not None
        assert drawn is not None
        assert state.at is not None
        assert G is not None
        k, d = problem.layout.n_outputs, problem.layout.n_features
        head, tail = problem.layout.split(state.at.w)
        v, b = space.into(np.ascontiguousarray(head), tail[0] if k == 1 and len(tail) else tail if len(tail) else 0.0)
        shared = (problem.loss, space.rows, problem.y, order, drawn.factors, problem.p, state.u, eta, space.bias)
        if k > 1:
            b = np.zeros(k) + b
            plain = not space.dense  # then rows are x already
            center, unit = (np.zeros(d), np.ones(d)) if plain else (space.center, space.unit)
            variance_vector.vector_epoch(
                *shared, space.l1, space.l2, space.kinds, center, unit, v, G, b, state.pull, self.keep
            )
        else:
            pair = np.array([float(b), state.pull[0]])
            if space.dense:
                by_kind = (space.l1[space.kinds], space.l2[space.kinds], space.center, space.unit)
                variance_scalar.full_epoch(*shared, *by_kind, v, G, pair, self.keep)
            elif problem.traits.l1 > 0.0:
                V = np.zeros((d, 4))
                V[:, 0], V[:, 2] = v, G
                variance_l1.sparse_l1_epoch(*shared, space.l1, space.l2, space.kinds, V, pair, self.keep)
                v, state.G = V[:, 0], V[:, 2].copy()
            else:
                V = np.column_stack([v, G])
                variance_scalar.sparse_epoch(*shared, space.l2, space.kinds, V, pair, self.keep)
                v, state.G = V[:, 0], V[:, 1].copy()
            b, state.pull = pair[0], pair[1:]
        w, shift = space.back(v, b)
        if not problem.layout.intercept:
            return w.ravel()
        return np.append(w.ravel(), shift)
