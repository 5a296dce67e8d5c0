"""Exact maximisers by dynamic programming: the best labelling of a chain, and of a forest of yes-or-no labels."""

from __future__ import annotations

import numpy as np

from steepest.jit import kernel


@kernel
def best_chains(U, T, starts, true, costs, out):
    """Viterbi's algorithm: for each sequence the labels of the highest score, O(length K^2).

    ``sum_t U[t, y_t] + sum_t T[y_(t-1), y_t]`` is maximised, plus ``costs[i]`` for every place of sequence i where
    ``y_t != true[t]``, if ``true`` has a label for each place; places of sequence i are ``starts[i]`` to
    ``starts[i + 1]``.  Labels go to ``out``; of equal scores the first label wins.
    """
    k = U.shape[1]
    augmented = len(true) > 0
    longest = 0
    for i in range(len(starts) - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    back = np.empty((longest, k), np.int64)
    best = np.empty(k)
    fresh = np.empty(k)
    for i in range(len(starts) - 1):
        a = starts[i]
        b = starts[i + 1]
        if a == b:
            continue
        for t in range(a, b):
            for label in range(k):
                score = U[t, label]
                if augmented and label != true[t]:
                    score += costs[i]
                if t > a:
                    way = 0
                    top = best[0] + T[0, label]
                    for before in range(1, k):
                        value = best[before] + T[before, label]
                        if value > top:
                            top = value
                            way = before
                    back[t - a, label] = way
                    score += top
                fresh[label] = score
            for label in range(k):
                best[label] = fresh[label]
        last = 0
        for label in range(1, k):
            if best[label] > best[last]:
                last = label
        out[b - 1] = last
        for t in range(b - 1, a, -1):
            last = back[t - a, last]
            out[t - 1] = last


@kernel
def best_forests(U, parents, order, couplings, out):
    """Max-product on a forest of labels in {0, 1}: for each row of U the labels of the highest score, O(k) a row.

    ``sum_j U[i, j] y_j + sum_j couplings[i, j] y_j y_parents[j]`` is maximised; ``parents[j] < 0`` for a root, whose
    coupling is not read.  ``order`` has every label after its parent.  Of equal scores 0 wins.
    """
    n, k = U.shape
    b = np.empty(k)
    for i in range(n):
        for j in range(k):
            b[j] = U[i, j]
        for at in range(k - 1, -1, -1):
            j = order[at]
            if parents[j] >= 0:
                b[parents[j]] += max(0.0, b[j] + couplings[i, j]) - max(0.0, b[j])
        for at in range(k):
            j = order[at]
            gain = b[j]
            if parents[j] >= 0 and out[i, parents[j]] > 0:
                gain += couplings[i, j]
            out[i, j] = 1 if gain > 0.0 else 0


@kernel
def forest_margins(U, parents, order, couplings, out):
    """What `best_forests` would lose: for each label the highest score with it, less the highest without it.

    The second pass goes from the roots down: a label hears from its parent what that gains without it.
    """
    n, k = U.shape
    up = np.empty(k)
    for i in range(n):
        for j in range(k):
            out[i, j] = U[i, j]
        for at in range(k - 1, -1, -1):
            j = order[at]
            if parents[j] >= 0:
                up[j] = max(0.0, out[i, j] + couplings[i, j]) - max(0.0, out[i, j])
                out[i, parents[j]] += up[j]
        for at in range(k):
            j = order[at]
            if parents[j] >= 0:
                rest = out[i, parents[j]] - up[j]
                out[i, j] += max(0.0, rest + couplings[i, j]) - max(0.0, rest)
