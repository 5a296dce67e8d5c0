"""The contracts of steepest, on one page.

One equation is the whole program::

    minimise over w:  P(w) = sum_i p_i loss(z_i, y_i) + penalty(w),   z = X W + b,   p_i = s_i / sum s

    fit(X, y)  ->  w,  a certificate,  a record

with sample weights ``s`` (default 1); the weights may be held in a convex set.
``w`` is one flat float64 vector: the ``(d, k)`` weights in C
order, then the ``k`` intercepts where they are fitted (``k = 1`` for a scalar loss).  ``penalty`` never
touches an intercept.

Data flow one way.  A *source* wraps X.  A *problem* joins source, target, weights, loss and penalty; it
alone multiplies by X.  A *solver* turns a problem and a start into rounds and never judges itself.  The
*loop* drives a solver, records its rounds and stops it.  *certify* recomputes, from the final ``w``
alone, what is proven.  An *estimator* is the scikit-learn face of all this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
AnyArray: TypeAlias = NDArray[Any]

# --------------------------------------------------------------------------------------------- losses


@runtime_checkable
class ScalarLoss(Protocol):
    """A loss of one score, ``loss(z, y)``: a NamedTuple whose fields are floats.

    Methods must be compilable by Numba; their first argument must be named ``self``.  Besides ``value``
    and ``slope`` (the derivative in z, or the stated subgradient at a kink) a loss may have

    - ``curvature(self, z, y)``: second derivative (a chosen generalised one at a kink of the slope);
    - ``conjugate(self, u, y)``: ``sup_z u z - loss(z, y)``, ``inf`` outside its domain;
    - ``prox(self, z, y, step)``: ``argmin_v loss(v, y) + (v - z)^2 / (2 step)``.

    Facts stand as class attributes, set without annotation so that they are not fields; see
    `steepest.losses.registry` for their defaults: ``name``, ``convex``, ``smoothness`` (Lipschitz
    constant of the slope in z; inf where there is none), ``self_concordance`` (R with
    ``|loss'''| <= R loss''``; nan where unknown), ``targets`` and ``link``.
    """

    def value(self, z: float, y: float) -> float: ...
    def slope(self, z: float, y: float) -> float: ...


@runtime_checkable
class VectorLoss(Protocol):
    """A loss of a score vector per row; ``y`` is a class index or a row of a distribution.

    ``value_slope(self, z, y, out)`` writes the gradient in z into ``out`` (length k) and returns the
    value; ``conjugate(self, u, y)`` takes the vector u.
    """

    def value_slope(self, z: FloatArray, y: Any, out: FloatArray) -> float: ...


class Penalty(Protocol):
    """A separable penalty ``l1 |w|_1 + l2/2 |w|^2`` or another proximable function of the weights."""

    @property
    def l1(self) -> float: ...
    @property
    def l2(self) -> float: ...
    def value(self, w: FloatArray) -> float: ...
    def prox(self, w: FloatArray, step: float | FloatArray) -> FloatArray: ...
    def conjugate(self, v: FloatArray) -> float: ...


# ----------------------------------------------------------------------------------------------- data


class Source(Protocol):
    """Rows of X, wherever they live.  The only code that knows the type of X is behind this."""

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    kind: Literal["dense", "csr"]
    rows: Any  # the NamedTuple of arrays that kernels take (DenseRows or CSRRows)

    @property
    def nnz(self) -> int: ...
    def matvec(self, w: FloatArray) -> FloatArray:
        """X w, for w of shape (d,) or (d, k)."""
        ...

    def rmatvec(self, u: FloatArray) -> FloatArray:
        """X^T u, for u of shape (n,) or (n, k)."""
        ...

    def gram(self, weights: FloatArray, rows: slice | None = None) -> FloatArray:
        """X^T diag(weights) X of the rows, (d, d) float64."""
        ...

    def moments(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted column sums of X and of X**2."""
        ...


# -------------------------------------------------------------------------------------------- problems


class Traits(NamedTuple):
    """What theory may assume of a problem; solvers state what they need of it."""

    convex: bool
    smooth: bool  # the loss part has a Lipschitz or at least continuous slope
    quadratic: bool
    has_curvature: bool
    has_conjugate: bool
    l1: float
    l2: float  # the strong convexity in the weights
    n_outputs: int
    has_prox: bool = False
    constrained: bool = False  # weights are held in a set; only solvers with ``constraints = True`` do that


@dataclass(slots=True)
class Evaluation:
    """A point and what has been computed there; arrays must not be written to.

    ``value`` is P(w) with the whole penalty, ``gradient`` that of the smooth part (loss and l2 term, not
    the l1 term), ``scores`` is z of shape (n,) or (n, k), ``slopes`` the unweighted loss derivative.
    """

    w: FloatArray
    value: float
    loss: float
    gradient: FloatArray
    scores: FloatArray
    slopes: FloatArray
    extra: dict[str, Any] = field(default_factory=dict)


class Ray(Protocol):
    """P along ``w + t d``: any t costs O(n k) after one product with X."""

    def value(self, t: float) -> float: ...
    def value_slope(self, t: float) -> tuple[float, float]: ...


class Problem(Protocol):
    """The function to be minimised, as solvers see it."""

    traits: Traits
    size: int
    passes: float  # passes over the data so far (a product with X or X^T is half a pass)

    def start(self) -> FloatArray: ...
    def evaluate(self, w: FloatArray) -> Evaluation: ...
    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation: ...
    def along(self, at: Evaluation, d: FloatArray, ahead: Evaluation | None = None) -> Ray: ...
    def hvp(self, at: Evaluation, v: FloatArray) -> FloatArray: ...
    def inner(self, a: FloatArray, b: FloatArray) -> float: ...
    def weights(self, w: FloatArray) -> FloatArray:
        """The flat (d k [+ k]) parameters that w stands for (w itself but for reparametrised problems)."""
        ...


# --------------------------------------------------------------------------------------------- solvers


class Round(NamedTuple):
    """One iteration or epoch as it happened.  It carries no verdict; nan where a number is not known."""

    at: Evaluation | None  # None: not evaluated, and w says where it ended
    step: float
    note: str = ""
    exhausted: bool = False  # the solver cannot move any further (line search at rounding level ...)
    settled: bool = False  # a direct method is done; whether it is right, the certificate tells
    bound: Bound | None = None  # a bound that the solver knows already, in place of the cheap one
    dual: FloatArray | None = None  # loss slopes (n,) that prove more than those at the scores; certify verifies them
    w: FloatArray | None = None
    part: bool = False  # the round is not finished: a moment to look at the clock
    seen: float | None = None  # where ``at`` is None: the objective as the batches of the round met it


class Solver(Protocol):
    """An algorithm as a sequence of rounds: ``start`` makes its state, each ``advance`` one iteration or epoch."""

    name: str  # a solver that keeps weights in `problem.constraint` says ``constraints = True``, or "limits"
    patience: int  # rounds without decrease after which the loop calls it stagnation

    def missing(self, traits: Traits) -> str | None:
        """The trait that this solver needs and the problem lacks, in words; None where all is there."""
        ...

    def start(self, problem: Problem, w: FloatArray) -> Any: ...
    def advance(self, state: Any) -> Round: ...


class Observer(Protocol):
    """Sees rounds; never changes them.  ``round`` returns True to ask for a stop."""

    def begin(self, info: dict[str, Any]) -> None: ...
    def round(self, row: dict[str, float], w: FloatArray) -> bool | None: ...
    def end(self, certificate: Certificate) -> None: ...


# -------------------------------------------------------------------------------------------- verdicts


class Status(StrEnum):
    """How a fit ended; the value is the stable code, `certificate.reason` the sentence."""

    CERTIFIED = "certified"  # the bound is proven and at most tol
    APPROXIMATE = "approximate"  # a bound is known, nothing was asked of it or it cannot be proven
    STOPPED_EARLY = "stopped_early"  # validation rows chose an earlier point, as was asked; not the optimum
    STALLED = "stalled"  # no further progress possible, bound above tol
    BUDGET = "budget"  # max_iter or max_time
    INTERRUPTED = "interrupted"  # Ctrl-C or an observer
    DIVERGED = "diverged"  # not finite, or the objective grows without end
    ILL_POSED = "ill_posed"  # there is no minimiser


CertificateKind: TypeAlias = Literal[
    "duality_gap", "strong_convexity", "prox_residual", "second_order", "gradient_norm", "none"
]
Bounds: TypeAlias = Literal["suboptimality", "distance", "stationarity", "nothing"]


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound on the optimum: ``value >= P(w) - P*`` where ``bounds`` is "suboptimality"."""

    kind: CertificateKind
    value: float
    relative: float
    bounds: Bounds
    primal: float
    dual: float  # the lower bound on P*; nan where none is known


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proven about the returned parameters, recomputed from them in float64 on all the data.

    ``value`` bounds P(w) - P* (where ``bounds == "suboptimality"``), ``relative`` is value over the scale
    of the optimum (the lower bound, see `steepest.certify.bounds.relative_to`), and ``passed`` says that
    ``relative <= tol``.

    Examples
    --------
    >>> facts = ("duality_gap", 1.2e-5, 4.3e-5, 1e-4, True, "suboptimality", 0.27, 0.26)
    >>> print(Certificate(*facts, Status.CERTIFIED, "the duality gap is 4.3e-05 of the optimum; 0.0001 was asked"))
    certified: the duality gap is 4.3e-05 of the optimum; 0.0001 was asked
    """

    kind: CertificateKind
    value: float
    relative: float
    tol: float
    passed: bool
    bounds: Bounds
    primal: float
    dual: float
    status: Status
    reason: str
    fallbacks: tuple[str, ...] = ()
    evidence: dict[str, Any] = field(default_factory=dict)  # e.g. the separating direction

    def __str__(self) -> str:
        """Status and reason, for people; ``repr`` has the numbers."""
        return f"{self.status}: {self.reason}" if self.reason else str(self.status)

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for JSON."""
        from dataclasses import asdict

        out = asdict(self)
        out["status"] = str(self.status)
        out["evidence"] = {
            key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in self.evidence.items()
        }
        return out


HISTORY_COLUMNS: Sequence[str] = (
    "iteration",
    "passes",
    "seconds",
    "objective",
    "gap",
    "relative_gap",
    "gradient_norm",
    "step",
    "validation_loss",
    "validation_score",
)
