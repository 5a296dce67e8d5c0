"""Margin losses of a vector of k scores a row: every wrong class, or the worst of them, must stay behind the target.

A target is a class index.  Both losses have kinks and no conjugate beyond a polytope, where it is linear: their duals
are quadratic programs.
"""
# mypy: disable-error-code="misc"
# Facts stand in a NamedTuple without annotation, or they would become fields.

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import vector_loss
from steepest.protocols import FloatArray

UNIFORM: FloatArray = np.empty((0, 0))  # costs of 1 between all different classes, for any number of them
UNIFORM.flags.writeable = False


@vector_loss("weston_watkins")
class WestonWatkins(NamedTuple):
    """The sum over wrong classes, ``sum_{j != y} [1 + z_j - z_y]_+``.

    Slope: ``u_j = 1`` for a wrong class with ``1 + z_j - z_y > 0``, else 0, and ``u_y`` minus their number; of all
    subgradients at a kink the one without the terms that are zero.  Conjugate: ``-sum_{j != y} u_j`` for ``u_j`` in
    [0, 1] and ``u_y = -sum_{j != y} u_j``, else infinite; entries and sums may be off by rounding, ``4 (k + 4)`` units
    of 2^-52 for every score.  Cost: O(k).

    Source: Weston and Watkins 1999, Support vector machines for multi-class pattern recognition (ESANN).

    Examples
    --------
    >>> z, out = np.array([3.0, -5.0, 2.5]), np.empty(3)
    >>> float(WestonWatkins().value_slope(z, 0, out)), out.tolist()
    (0.5, [-1.0, 0.0, 1.0])
    """

    convex = True
    smoothness = math.inf
    self_concordance = math.inf
    targets = "class"
    link = "argmax"

    def value_slope(self, z: FloatArray, y: Any, out: FloatArray) -> float:
        own = 1.0 - z[y]
        total = 0.0
        count = 0.0
        for j in range(z.shape[0]):
            gap = own + z[j]
            if j == y or gap <= 0.0:  # NaN goes on
                out[j] = 0.0
            else:
                out[j] = 1.0
                count += 1.0
                total += gap
        out[y] = -count
        return total

    def conjugate(self, u: FloatArray, y: Any) -> float:
        k = u.shape[0]
        slack = 4.0 * (k + 4) * 2.0**-52
        total = 0.0
        for j in range(k):
            if j != y:
                if u[j] < -slack or u[j] > 1.0 + slack:
                    return math.inf
                total += u[j]
        if abs(total + u[y]) > slack * k:
            return math.inf
        return -total


@vector_loss("crammer_singer")
class CrammerSinger(NamedTuple):
    """The worst of the classes, ``max_j [costs_yj + z_j - z_y]`` with ``costs_yy = 0``: never negative.

    Slope: ``e_j - e_y`` for the class j that attains the maximum; where several do, y if it is one of them, else the
    first.  Conjugate, with ``q = u + e_y``: ``-sum_j costs_yj q_j`` on the simplex, infinite outside; entries and sums
    may be off by rounding, ``4 (k + 4)`` units of 2^-52.  Cost: O(k).

    Source: Crammer and Singer 2001, On the algorithmic implementation of multiclass kernel-based vector machines
    (JMLR 2); costs as in Tsochantaridis et al. 2005 (JMLR 6), with the margin rescaled.

    Parameters
    ----------
    costs : array of shape (k, k), optional
        ``costs[y, j]``: by how much the score of y must exceed that of j.  Classes in the order of ``classes_``; zero
        on the diagonal, finite and not negative elsewhere.  Default: 1 for all different classes.

    Examples
    --------
    >>> z, out = np.array([3.0, -5.0, 2.5]), np.empty(3)
    >>> float(CrammerSinger().value_slope(z, 0, out)), out.tolist()
    (0.5, [-1.0, 0.0, 1.0])
    >>> float(CrammerSinger([[0, 9, 1], [9, 0, 1], [1, 1, 0]]).value_slope(z, 0, out)), out.tolist()
    (1.0, [-1.0, 1.0, 0.0])
    """

    costs: FloatArray = UNIFORM

    convex = True
    smoothness = math.inf
    self_concordance = math.inf
    targets = "class"
    link = "argmax"

    def value_slope(self, z: FloatArray, y: Any, out: FloatArray) -> float:
        given = self.costs.shape[0] > 0
        own = z[y]
        worst = 0.0 if own == own else math.nan
        at = y
        for j in range(z.shape[0]):
            out[j] = 0.0
            if j != y:
                gap = (self.costs[y, j] if given else 1.0) + (z[j] - own)
                if not (gap <= worst) and worst == worst:  # the first NaN stays
                    worst = gap
                    at = j
        out[at] += 1.0
        out[y] -= 1.0
        return worst

    def conjugate(self, u: FloatArray, y: Any) -> float:
        k = u.shape[0]
        given = self.costs.shape[0] > 0
        slack = 4.0 * (k + 4) * 2.0**-52
        total = 0.0
        result = 0.0
        for j in range(k):
            q = u[j] + 1.0 if j == y else u[j]
            if q < -slack:
                return math.inf
            total += q
            if j != y:
                result -= (self.costs[y, j] if given else 1.0) * q
        if abs(total - 1.0) > slack:
            return math.inf
        return result

    def validate(self) -> None:
        costs = np.asarray(self.costs)
        if costs.ndim != 2 or costs.shape[0] != costs.shape[1]:
            raise InvalidParameterError(
                f"costs: expected a square matrix, a row and a column for each class, got the shape {costs.shape}. "
                "Leave it out for costs of 1."
            )
        bad = ~np.isfinite(costs) | (costs < 0.0) | (np.eye(len(costs), dtype=bool) & (costs != 0.0))
        if bad.any():
            i, j = (int(at) for at in np.argwhere(bad)[0])
            allowed = "0 on the diagonal" if i == j else "a finite number that is not negative"
            raise InvalidParameterError(
                f"costs: expected {allowed} at [{i}, {j}], got {costs[i, j]:g}. Replace the number."
            )

    @property
    def n_scores(self) -> int:
        """How many classes the costs are for; 0 for any number."""
        return len(self.costs)

    def matrix(self, k: int) -> FloatArray:
        """The costs of k classes, (k, k); raises where they are given for another number."""
        require_scores(self, k)
        return np.array(self.costs) if len(self.costs) else 1.0 - np.eye(k)

    def __repr__(self) -> str:
        return f"CrammerSinger(costs={self.costs.tolist()})" if len(self.costs) else "CrammerSinger()"


def require_scores(loss: Any, k: int) -> None:
    """Raises where the costs of a loss are given for another number of classes than k."""
    fixed = getattr(loss, "n_scores", 0)
    if fixed not in (0, k):
        raise InvalidParameterError(
            f"costs: expected a ({k}, {k}) matrix for {k} classes in the order of classes_, got ({fixed}, {fixed}). "
            "Give every class of y a row and a column."
        )
