"""What linear problems with one and with several scores share: penalty, layout, traits, the pass meter."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.losses.registry import has
from steepest.penalties.constraints import check_size
from steepest.problems.layout import Layout
from steepest.protocols import Evaluation, FloatArray, Traits


class LinearBase:
    """``P(w) = sum_i p_i loss(x_i W + b, y_i) + penalty(W)`` with weights p that sum to 1.

    Parameters
    ----------
    source : Source
    y : array of shape (n,)
        Encoded targets: float64, or class codes for vector losses.
    p : array of shape (n,)
        Sample weights over their sum.
    loss, penalty
        Values from `steepest.losses` and `steepest.penalties`.
    fit_intercept : bool
    n_outputs : int
    constraint : optional
        A set from `steepest.penalties.constraints` for the weights; with several outputs, for those of each of them.
    """

    ray_first = False  # whether a search along a ray costs no pass, so that it should come before any step

    def __init__(
        self,
        source: Any,
        y: Any,
        p: FloatArray,
        loss: Any,
        penalty: Any,
        fit_intercept: bool,
        n_outputs: int,
        constraint: Any = None,
    ) -> None:
        self.source = source
        self.y = y
        self.p = p
        self.loss = loss
        self.penalty = penalty
        self.constraint = constraint
        if constraint is not None:
            check_size(constraint, source.shape[1])
        self.layout = Layout(source.shape[1], n_outputs, fit_intercept)
        self.size = self.layout.size
        self.parent: tuple[LinearBase, float] | None = None  # whose rows these are a share of, and the share
        self._passes = 0.0
        self.precise = True  # False: block products in the precision of X where that is float32
        self.traits = Traits(
            convex=bool(loss.convex),
            smooth=not np.isinf(loss.smoothness) or has(loss, "curvature"),
            quadratic=loss.name == "squared",
            has_curvature=has(loss, "curvature") or (n_outputs > 1 and loss.link == "softmax"),
            has_conjugate=has(loss, "conjugate"),
            l1=float(penalty.l1),
            l2=float(penalty.l2),
            n_outputs=n_outputs,
            has_prox=has(loss, "prox"),
            constrained=constraint is not None,
        )

    @property
    def passes(self) -> float:
        """Passes over the data so far; those over a share of the rows count as that share."""
        return self._passes if self.parent is None else self.parent[0].passes

    @passes.setter
    def passes(self, value: float) -> None:
        if self.parent is None:
            self._passes = value
        else:
            whole, share = self.parent
            whole.passes += share * (value - whole.passes)

    def penalty_value(self, w: FloatArray) -> float:
        """l1 |W|_1 + l2/2 |W|**2; the intercept is free."""
        head = w[: self.layout.n_weights]
        value = 0.5 * self.traits.l2 * float(head @ head) if self.traits.l2 else 0.0
        return value + (self.traits.l1 * float(np.abs(head).sum()) if self.traits.l1 else 0.0)

    def project(self, w: FloatArray) -> FloatArray:
        """The nearest parameters whose weights are in the constraint; the intercept stays.  w where there is none."""
        if self.constraint is None:
            return w
        head, tail = self.layout.split(w)
        return np.concatenate([self.constraint.project(head).ravel(), tail])

    def add_ridge(self, gradient: FloatArray, w: FloatArray) -> None:
        """Adds the gradient of the l2 part, in place."""
        if self.traits.l2:
            m = self.layout.n_weights
            gradient[:m] += self.traits.l2 * w[:m]

    def null_value(self) -> float:
        """P at zero parameters: O(n k), no pass."""
        k = self.layout.n_outputs
        zeros = np.zeros(self.source.shape[0]) if k == 1 else np.zeros((self.source.shape[0], k))
        return self.losses_at(zeros)

    def losses_at(self, scores: FloatArray) -> float:
        """Weighted loss at known scores."""
        raise NotImplementedError

    def start(self) -> FloatArray:
        """Zero weights, or the nearest that a constraint allows; the intercept is left to the first step."""
        return self.project(np.zeros(self.size))

    def inner(self, a: FloatArray, b: FloatArray) -> float:
        """The scalar product in which gradients are meant."""
        return float(a @ b)

    def weights(self, w: FloatArray) -> FloatArray:
        """The parameters themselves, moved into the constraint where rounding has left it."""
        return self.project(w)

    def step(self, at: Evaluation, d: FloatArray, t: float) -> Evaluation:
        """Everything at ``w + t d``, in one pass."""
        return self.evaluate(at.w + t * d)

    def evaluate(self, w: FloatArray) -> Evaluation:
        raise NotImplementedError


class PenaltyRay:
    """The penalty along ``w + t d``: O(1) for the quadratic part, O(d) for the l1 part."""

    def __init__(self, problem: LinearBase, w: FloatArray, d: FloatArray) -> None:
        m = problem.layout.n_weights
        self.l1, self.l2 = problem.traits.l1, problem.traits.l2
        self.w, self.d = w[:m], d[:m]
        self.ww, self.wd, self.dd = (
            (float(self.w @ self.w), float(self.w @ self.d), float(self.d @ self.d)) if self.l2 else (0.0, 0.0, 0.0)
        )

    def value_slope(self, t: float) -> tuple[float, float]:
        """Value and right derivative in t."""
        value = 0.5 * self.l2 * (self.ww + t * (2.0 * self.wd + t * self.dd))
        slope = self.l2 * (self.wd + t * self.dd)
        if self.l1:
            point = self.w + t * self.d
            value += self.l1 * float(np.abs(point).sum())
            slope += self.l1 * float(np.where(point != 0.0, np.sign(point) * self.d, np.abs(self.d)).sum())
        return value, slope
