"""Newton systems that only a few rows take part in.

    [ D + A'hA   A'h   ] [ d ]       [ g ]
    [   h'A     sum h  ] [ s ]  =  - [ r ]

A are the rows of positive curvature h, D > 0 the diagonal that the penalty gives, and the last line, with the
intercept, is optional.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from steepest.protocols import AnyArray, FloatArray
from steepest.solvers.newton import SafeFactor

GRAM_MOST = 1000  # features up to which the matrix is formed and factored
_CHECK = 4  # iterations of conjugate gradients between two looks at the primal residual


def gram_step(
    problem: Any,
    h: FloatArray,
    diagonal: FloatArray | float,
    g: FloatArray,
    r: float,
    means: FloatArray | None = None,
) -> tuple[FloatArray, float]:
    """(d, s) by Cholesky: half the sum of squared row lengths of A (dense: rows d^2), and d^3 / 3.

    ``means``, with an intercept: the system is that of the rows less these, whose step ``s + means.d`` of the
    intercept is the same step, without the rounding that large means bring.

    Of many rows, as there are at the start only, an even sample stands for all: the step is then not exact.
    """
    source, intercept = problem.source, problem.layout.intercept
    n, m = source.shape
    rows: AnyArray | None = np.flatnonzero(h)
    assert rows is not None
    most = max(20_000, 30 * m)
    weights = h[rows]
    if len(rows) > 2 * most:
        total = float(weights.sum())
        rows = rows[:: len(rows) // most]
        weights = h[rows]
        weights *= total / float(weights.sum())
    elif len(rows) == n:
        rows = None
    centred = means is not None and intercept and source.kind == "dense"
    if centred:
        means = means.astype(source.dtype).astype(np.float64)  # type: ignore[union-attr]
        g = g - means * r
        G = source.gram(weights, rows, shift=means.astype(source.dtype))
    else:
        G = source.gram(weights, rows)
    problem.passes += 0.5 * (n if rows is None else len(rows)) / n
    H = G if intercept else np.ascontiguousarray(G[:m, :m])
    H[np.arange(m), np.arange(m)] += diagonal
    right = np.append(g, r) if intercept else g
    if intercept and not H[m, m] > 0.0:  # no row at a kink: nothing tells how far the intercept should go
        H[m, m], right[m] = 1.0, 0.0
    try:
        factor = cho_factor(H, lower=True, check_finite=False)
        step = cho_solve(factor, right, check_finite=False)
    except LinAlgError:
        step = SafeFactor(H, semidefinite=True).solve(right)
    if not np.all(np.isfinite(step)):
        step = SafeFactor(H, semidefinite=True).solve(right)
    if not intercept:
        return -step, 0.0
    return -step[:m], -float(step[m]) + (float(means @ step[:m]) if centred else 0.0)


def rows_step(
    problem: Any, h: FloatArray, diagonal: FloatArray | float, g: FloatArray, r: float, eta: float, most: int = 500
) -> tuple[FloatArray, float]:
    """(d, s) by conjugate gradients in the space of the rows, until ``|D d + A'h(A d + s) + g| <= eta |g|``.

    With ``B = h^1/2 A`` the unknown v of ``(I + B D^-1 B') v = -B D^-1 g + s h^1/2`` has one entry a row, and
    ``d = -D^-1 (g + B'v)`` descends whatever the accuracy is.  With an intercept, v stays in the plane
    ``h^1/2 . v = -r``.  Cost: two products with A an iteration.  Extra memory: a float64 copy of A.
    """
    source, intercept = problem.source, problem.layout.intercept
    n = source.shape[0]
    rows = np.flatnonzero(h)
    if not len(rows):
        return -g / diagonal, 0.0
    root = np.sqrt(h[rows])
    if source.kind == "csr":
        taken = source.matrix[rows].astype(np.float64)
        B = (sp.diags_array(root) @ taken).tocsr()
    else:
        B = source.X[rows] * root[:, None]
    inverse = 1.0 / diagonal
    share = len(rows) / n
    normal = root / math.sqrt(float(root @ root)) if intercept else None

    def flat(v: FloatArray) -> FloatArray:
        return v if normal is None else v - normal * float(normal @ v)

    start = np.zeros(len(rows)) if normal is None else normal * (-r / math.sqrt(float(root @ root)))
    right = -(B @ (inverse * g))
    v = start
    product = v + B @ (inverse * (B.T @ v)) if r else np.zeros(len(rows))
    residual = flat(right - product)
    p = residual.copy()
    rr = float(residual @ residual)
    goal = eta * math.sqrt(float(g @ g))
    iterations = 0
    for k in range(most):
        if rr == 0.0:
            break
        if k % _CHECK == 0:
            left = B.T @ residual
            problem.passes += 0.5 * share
            if math.sqrt(float(left @ left)) <= goal:
                break
        Kp = p + B @ (inverse * (B.T @ p))
        iterations += 1
        Kp = flat(Kp)
        alpha = rr / float(p @ Kp)
        v = v + alpha * p
        residual = residual - alpha * Kp
        rr, before = float(residual @ residual), rr
        p = residual + (rr / before) * p
    problem.passes += share * (iterations + 0.5)
    d = -inverse * (g + B.T @ v)
    if normal is None:
        return d, 0.0
    s = float(normal @ (v - right + B @ (inverse * (B.T @ v)))) / math.sqrt(float(root @ root))
    return d, s
