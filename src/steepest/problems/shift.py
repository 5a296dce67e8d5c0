"""The best intercepts at given scores for losses of several scores with kinks, by cutting planes in a trust region."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from steepest.protocols import FloatArray

MOST = 128  # scores: beyond, the linear programs cost more than they gain
ROUNDS = 40
CLOSE = 1e-9  # of the value: where the model promises less, it is done


def best_shift_by_cuts(
    value_slopes: Callable[[FloatArray], tuple[float, FloatArray]], p: FloatArray, shift: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    """Intercepts of mean zero that are no worse than ``shift``, their loss and slopes.

    The convex piecewise linear function ``f(b) = sum_i p_i loss(z_i + b)`` is replaced by the largest of its tangents
    so far, least in a box around the best b; the box halves where that was no better, and doubles where it was.

    Parameters
    ----------
    value_slopes : callable
        ``b -> (f(b), slopes (n, k))``.
    p : array of shape (n,)
    shift : array of shape (k,)
        Where to begin.

    Notes
    -----
    Cost: O(n k) and a linear program of k + 1 variables for each of at most 40 rounds.  Source: Kelley 1960, The
    cutting-plane method for solving convex programs (J. SIAM 8); boxes as in Marsten, Hogan and Blankenship 1975.
    """
    from scipy.optimize import linprog  # loads much that other fits do without

    k = len(shift)
    best, (value, U) = shift - shift.mean(), value_slopes(shift - shift.mean())
    slope = p @ U
    if k > MOST:
        return best, value, U
    normals, offsets = [slope], [value - float(slope @ best)]  # f(b) >= offset + normal.b
    reach = 1.0
    for _ in range(ROUNDS):
        if not (np.isfinite(value) and np.abs(slope).max() > 1e-15):
            break
        found = linprog(
            np.append(np.zeros(k), 1.0),
            A_ub=np.column_stack([np.array(normals), -np.ones(len(normals))]),
            b_ub=-np.array(offsets),
            A_eq=np.append(np.ones(k), 0.0)[None, :],
            b_eq=[0.0],
            bounds=[*((c - reach, c + reach) for c in best), (None, None)],
        )
        if found.status != 0 or value - found.fun <= CLOSE * abs(value):
            break
        trial = found.x[:k] - found.x[:k].mean()
        reached, V = value_slopes(trial)
        normal = p @ V
        normals.append(normal)
        offsets.append(reached - float(normal @ trial))
        if reached < value:
            best, value, U, slope = trial, reached, V, normal
            reach *= 2.0
        else:
            reach *= 0.5
    return best, value, U
