"""Hessians for certificates: float64 whatever the precision of X, for any sign of the curvature."""

from __future__ import annotations

from typing import Any

import numpy as np

from steepest.protocols import Evaluation, FloatArray


def hessian(problem: Any, at: Evaluation) -> FloatArray:
    """Hessian of the smooth part, (size, size), float64.

    One score: ``X^T diag(p loss'') X``, one weighted Gram matrix, two where a loss is not convex.  Softmax: a Gram
    matrix for each pair of classes, ``X^T diag(p q_a (1[a = b] - q_b)) X``.
    """
    layout, source = problem.layout, problem.source
    d, k = layout.n_features, layout.n_outputs
    if k == 1:
        h = problem.curvatures(at)
        H = source.gram(np.maximum(h, 0.0), dtype=np.float64)
        if not problem.traits.convex and np.any(h < 0.0):
            H = H - source.gram(np.maximum(-h, 0.0), dtype=np.float64)
        problem.passes += 0.5
        H = H if layout.intercept else H[:d, :d].copy()
    else:
        q = np.maximum(problem.probabilities(at), 0.0)
        blocks = np.empty((d + 1, k, d + 1, k))
        for a in range(k):
            for b in range(a + 1):
                weights = problem.p * q[:, a] * ((1.0 - q[:, a]) if a == b else q[:, b])
                G = source.gram(np.maximum(weights, 0.0), dtype=np.float64)
                blocks[:, a, :, b] = G if a == b else -G
                blocks[:, b, :, a] = blocks[:, a, :, b]
        problem.passes += 0.25 * k * (k + 1)
        H = blocks.reshape((d + 1) * k, (d + 1) * k)
        H = H if layout.intercept else H[: d * k, : d * k].copy()
    m = layout.n_weights
    H[np.arange(m), np.arange(m)] += problem.traits.l2
    return H  # type: ignore[no-any-return]


def flops(problem: Any) -> float:
    """About the multiply-adds of `hessian`."""
    n, d = problem.source.shape
    k = problem.layout.n_outputs
    width: float = float(problem.source.nnz) / max(1, n)
    pairs: float = 1.0 if k == 1 else 0.5 * k * (k + 1)
    return pairs * (float(n) * width * (float(d) if problem.source.kind == "dense" else width) + float(d) ** 2)
