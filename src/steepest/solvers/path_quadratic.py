"""Paths of the squared loss from second moments: the data are read once for all strengths, and once to certify.

With centred rows, ``G = X_c^T P X_c`` and ``c = X_c^T P y_c`` say all about the objective::

    P(w) = (y_c^T P y_c - 2 c.w + w^T G w) / 2 + penalty(w)

so the l1 path is coordinate descent on G with a gap that needs no row, and the l2 path is closed in the eigenvectors
of G (or of the rows' kernel matrix where rows are fewer).  Certificates do not trust G: the scores of many points at
once are recomputed from the rows, by one product with all coefficients, and each point is judged by its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh

from steepest.certify.bounds import FLOOR, relative_to
from steepest.certify.certificate import certify
from steepest.certify.gap import penalty_gap
from steepest.kernels import coordinate
from steepest.kernels.limits import Unlimited
from steepest.problems.linear import LinearProblem
from steepest.protocols import AnyArray, Evaluation, FloatArray
from steepest.record.history import History
from steepest.solvers.coordinate import MATRIX_COLUMNS, matrix_pays
from steepest.solvers.coordinate_model import newton_on_support
from steepest.solvers.path import Point, set_penalty

EIGEN_MOST = 3000  # order of the largest matrix whose eigenvectors are worth their 10 Cholesky factors
BLOCK_BYTES = 64 << 20  # scores held at a time for certificates
ROUNDS = 60
AIM = 0.5  # of tol: what the gap from moments must reach, as the rows may say a little more


class Moments(NamedTuple):
    """Second moments of centred rows, for all targets on the same rows and weights."""

    G: FloatArray
    mean: FloatArray


def moments(source: Any, p: FloatArray, intercept: bool) -> Moments:
    """``(X_c^T P X_c, mean row)``; without intercept the mean is zero.  Cost: ``n d^2 / 2`` multiply-adds."""
    d = source.shape[1]
    if not intercept:
        return Moments(np.ascontiguousarray(source.gram(p)[:d, :d]), np.zeros(d))
    if source.kind == "dense":
        first = source.rmatvec(p, np.ones(len(p)))[0]
        shift = first.astype(source.dtype)
        G = source.gram(p, shift=shift)
        rest = G[:d, d]
        return Moments(G[:d, :d] - np.outer(rest, rest), shift.astype(np.float64) + rest)
    G = source.gram(p)
    mean = G[:d, d].copy()
    return Moments(G[:d, :d] - np.outer(mean, mean), mean)


def products(source: Any, p: FloatArray, y: FloatArray, mean: FloatArray, intercept: bool) -> tuple[FloatArray, Any]:
    """``(X_c^T P y_c, y_c)``: half a pass."""
    yc = y - float(p @ y) if intercept else y
    c, total = source.rmatvec(p, yc)
    return c - mean * float(total), yc


def suits_moments(problem: Any) -> bool:
    """Squared loss, and few enough columns that a matrix of them pays."""
    return bool(problem.traits.quadratic and problem.source.shape[1] <= MATRIX_COLUMNS and matrix_pays(problem.source))


def suits_eigen(problem: Any) -> bool:
    """Squared loss, and rows or columns few enough for eigenvectors."""
    n, d = problem.source.shape
    dense = problem.source.kind == "dense" or n < d or matrix_pays(problem.source)
    return bool(problem.traits.quadratic and min(n, d) <= EIGEN_MOST and dense)


# ------------------------------------------------------------------------------------------------ l1 paths


def sparse_path(
    problem: Any, penalties: Sequence[Any], tol: float, null_value: float, shared: dict[str, Any]
) -> tuple[FloatArray, list[int], FloatArray]:
    """Coefficients (m, d) of all strengths by coordinate descent on G, the epochs and the seconds of each.

    Each point begins at the last one with the gradient that it left.  Ends where the duality gap, computed from G in
    O(d), is at most half of ``tol``; a Newton step on the support follows three epochs (see `coordinate_model`).
    """
    source, p, intercept = problem.source, problem.p, problem.layout.intercept
    if "moments" not in shared:
        shared["moments"] = moments(source, p, intercept)
        problem.passes += 0.5
    G, mean = shared["moments"]
    c, yc = products(source, p, problem.y, mean, intercept)
    problem.passes += 0.5
    square = float(p @ (yc * yc))
    floor = FLOOR * abs(null_value)
    d = source.shape[1]
    H, diagonal, place = G.copy(), np.diag(G).copy(), np.arange(d)
    w, g = np.zeros(d), -c  # g = G w - c, the gradient of the loss
    found, epochs, seconds = np.empty((len(penalties), d)), [], np.empty(len(penalties))
    for i, penalty in enumerate(penalties):
        began, used = time.perf_counter(), 0
        l1, l2 = float(penalty.l1), float(penalty.l2)
        H[place, place] = diagonal + l2
        q = g + l2 * w
        for round_ in range(ROUNDS):
            if _gap(w, q - l2 * w, c, square, l1, l2, floor) <= AIM * tol:
                break
            used += coordinate.gram_descent(H, l1, Unlimited(), w, q, 1e-14, 3 if round_ else 2, 0.0)[0]
            if round_ and round_ % 2 == 0:
                newton_on_support(H, l1, w, q)
        g = q - l2 * w
        if i % 10 == 9:  # the gradient as it is, without what updates have left of rounding
            g = w @ G - c
        found[i] = w
        epochs.append(used)
        seconds[i] = time.perf_counter() - began
    return found, epochs, seconds


def _gap(w: FloatArray, g: FloatArray, c: FloatArray, square: float, l1: float, l2: float, floor: float) -> float:
    """Relative duality gap at the scaled residuals from moments alone: O(d)."""
    residual = max(square - float(c @ w) + float(g @ w), 0.0)
    value = 0.5 * residual + l1 * float(np.abs(w).sum()) + 0.5 * l2 * float(w @ w)
    most = float(np.abs(g).max(initial=0.0))
    inside = min(1.0, l1 / most * (1.0 - 1e-15)) if most > 0.0 else 1.0
    gap = min(
        0.5 * residual * (1.0 - s) ** 2 + penalty_gap(w, s * g, l1, l2)
        for s in ({inside, 1.0} if l2 > 0.0 else {inside})
    )
    return relative_to(gap, value - gap, value, floor)


# ------------------------------------------------------------------------------------------------ l2 paths


class RidgeFactor:
    """Eigenvectors of the centred second moments, or of the rows' kernel matrix where rows are fewer.

    One factorisation gives ``w(l2) = (X_c^T P X_c + l2 I)^-1 X_c^T P y_c`` for every strength and target, and the
    leverages for leave-one-out residuals.  Cost: ``n d min(n, d)`` and about 10 times ``min(n, d)^3`` multiply-adds,
    then ``d min(n, d)`` a point.  Memory: two matrices of order ``min(n, d)``.
    """

    def __init__(self, source: Any, p: FloatArray, intercept: bool) -> None:
        n, d = source.shape
        self.source, self.p, self.intercept = source, p, intercept
        self.by_columns = d <= n
        if self.by_columns:
            self.G, self.mean = moments(source, p, intercept)
            self.values, self.vectors = eigh(self.G, check_finite=False, driver="evd")
        else:
            self.mean = source.rmatvec(p, np.ones(n))[0] if intercept else np.zeros(d)
            self.root = np.sqrt(p)
            self.values, self.vectors = eigh(self._kernel(), check_finite=False, driver="evd")
        self.values = np.maximum(self.values, 0.0)

    def _kernel(self) -> FloatArray:
        s = self.root
        if self.source.kind == "dense":
            A = (self.source.X - self.mean) * s[:, None]
            K: FloatArray = A @ A.T
            return K
        S = self.source.matrix
        K = (S @ S.T).toarray().astype(np.float64, copy=False)
        along = S @ self.mean
        K -= along[:, None] + along - float(self.mean @ self.mean)
        K *= s[:, None] * s
        return K

    def coefficients(self, y: FloatArray, l2: FloatArray) -> FloatArray:
        """(m, d) for the strengths l2 of shape (m,)."""
        weights = 1.0 / (self.values[:, None] + l2)
        if self.by_columns:
            c, _ = products(self.source, self.p, y, self.mean, self.intercept)
            W: Any = self.vectors @ (weights * (self.vectors.T @ c)[:, None])
            out: FloatArray = np.ascontiguousarray(W.T)
            return out
        alpha = self.vectors @ (weights * (self.vectors.T @ (self.root * self._centred(y)))[:, None])
        W = self.source.rmatvec(self.root, np.ascontiguousarray(alpha))[0]
        W -= np.outer(self.mean, self.root @ alpha)
        shaped: FloatArray = np.ascontiguousarray(W.T)
        return shaped

    def _centred(self, y: FloatArray) -> FloatArray:
        return y - float(self.p @ y) if self.intercept else y

    def left_out(self, y: FloatArray, l2: FloatArray) -> FloatArray:
        r"""Residuals ``y_i - x_i.w_(-i) - b_(-i)`` of fits without row i, (n, m): exact, without a fit.

        ``r_i / (1 - h_i)`` with the leverage ``h_i = p_i (1 + x_ci^T (X_c^T P X_c + l2 I)^-1 x_ci)`` (without
        intercept: without the 1).  Leaving row i out keeps the *sum* form ``sum s (y - xw)^2 / 2 + l2 S |w|^2 / 2``.
        Source: Rifkin & Lippert (2007), Notes on regularized least squares.
        """
        p = self.p[:, None]
        own = p if self.intercept else 0.0
        if not self.by_columns:
            shrink = l2 / (self.values[:, None] + l2)
            Q = self.vectors
            residual: FloatArray = Q @ (shrink * (Q.T @ (self.root * self._centred(y)))[:, None])
            kept = (Q * Q) @ shrink - own
            present = self.root > 0.0
            out: FloatArray = np.empty_like(residual)
            out[present] = residual[present] / (kept[present] * self.root[present, None])
            if not present.all():
                out[~present] = self._residuals(y, l2)[~present]
            return out
        T: FloatArray = self.source.matvec(np.ascontiguousarray(self.vectors), -(self.mean @ self.vectors))
        T *= T
        leverage = p * (T @ (1.0 / (self.values[:, None] + l2))) + own
        return np.asarray(self._residuals(y, l2) / (1.0 - leverage))

    def _residuals(self, y: FloatArray, l2: FloatArray) -> FloatArray:
        W = self.coefficients(y, l2)
        Z: FloatArray = y[:, None] - self.source.matvec(np.ascontiguousarray(W.T), 0.0)
        if self.intercept:
            Z -= self.p @ Z
        return Z


# -------------------------------------------------------------------------------------------- certificates


class _Seen(LinearProblem):
    """A problem one point of which has been evaluated together with others."""

    known: Evaluation

    def evaluate(self, w: FloatArray) -> Evaluation:
        return self.known if w is self.known.w else super().evaluate(w)


def judged(
    problem: Any,
    penalties: Sequence[Any],
    W: FloatArray,
    epochs: Sequence[int],
    seconds: FloatArray,
    tol: float,
    null_value: float,
) -> list[Point]:
    """Points for the rows of W: intercepts at their best, and a certificate each from the rows of X.

    The scores of a block of points are one product, and so are their gradients; in float64.
    """
    source, p, y, intercept = problem.source, problem.p, problem.y, problem.layout.intercept
    n = len(p)
    seen = _Seen(source, y, p, problem.loss, problem.penalty, intercept)
    points: list[Point] = []
    size = int(np.clip(BLOCK_BYTES // (8 * max(n, 1)), 1, 64))
    for low in range(0, len(W), size):
        began = time.perf_counter()
        part = W[low : low + size]
        Z = source.matvec(np.ascontiguousarray(part.T), 0.0)
        shift = p @ (y[:, None] - Z) if intercept else np.zeros(len(part))
        Z += shift
        R = Z - y[:, None]
        C, total = source.rmatvec(p, R)
        passes = 1.0
        scores = np.ascontiguousarray(Z.T)
        slopes = scores - y  # as R, without another transposition
        each = (time.perf_counter() - began) / len(part)
        for j in range(len(part)):
            at_began = time.perf_counter()
            set_penalty(seen, penalties[low + j])
            w = np.append(part[j], shift[j]) if intercept else part[j].copy()
            loss = 0.5 * float(p @ (slopes[j] * slopes[j]))
            gradient = np.append(C[:, j], total[j]) if intercept else np.ascontiguousarray(C[:, j])
            seen.add_ridge(gradient, w)
            value = loss + seen.penalty_value(w)
            seen.known = Evaluation(w, value, loss, gradient, scores[j], slopes[j])
            seen.passes = 0.0
            certificate = certify(seen, w, tol=tol, null_value=null_value)
            spent = float(seconds[low + j]) + each + time.perf_counter() - at_began
            history = History()
            history.append(
                iteration=epochs[low + j],
                passes=passes,
                seconds=spent,
                objective=certificate.primal,
                gap=certificate.value,
                relative_gap=certificate.relative,
                gradient_norm=math.sqrt(float(gradient @ gradient)),
            )
            points.append(Point(w, certificate, history, epochs[low + j], passes + float(seen.passes), spent))
        problem.passes += passes * len(part)
    return points


def strengths_of(penalties: Sequence[Any]) -> AnyArray:
    """The l2 parts."""
    return np.array([float(penalty.l2) for penalty in penalties])
