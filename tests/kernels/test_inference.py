"""Dynamic programming against the best of all labellings, listed."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.kernels.inference import best_chains, best_forests, forest_margins


def grid(rng, shape):
    """Small multiples of 1/4: sums are exact, and ties happen."""
    return rng.integers(-8, 9, size=shape) / 4.0


def chain_score(U, T, y, true=None, cost=0.0):
    value = U[np.arange(len(y)), y].sum() + T[y[:-1], y[1:]].sum()
    return value if true is None else value + cost * np.count_nonzero(y != true)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(1, 3), st.booleans())
def test_a_chain_is_the_best_of_all(seed, lengths, k, augmented):
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    U, T = grid(rng, (starts[-1], k)), grid(rng, (k, k))
    true = rng.integers(0, k, size=starts[-1]) if augmented else np.empty(0, dtype=np.int64)
    costs = np.abs(grid(rng, len(lengths)))
    out = np.full(starts[-1], -1)
    best_chains(U, T, starts, true, costs, out)
    for i, (a, b) in enumerate(itertools.pairwise(starts)):
        extra = (true[a:b], costs[i]) if augmented else ()
        scores = [
            chain_score(U[a:b], T, np.array(y, dtype=int), *extra) for y in itertools.product(range(k), repeat=b - a)
        ]
        assert chain_score(U[a:b], T, out[a:b], *extra) == max(scores)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 3))
def test_a_forest_is_the_best_of_all(seed, k, n):
    rng = np.random.default_rng(seed)
    order = rng.permutation(k)
    parents = np.full(k, -1)
    for at in range(1, k):
        parents[order[at]] = order[rng.integers(0, at)] if rng.random() < 0.8 else -1
    U, couplings = grid(rng, (n, k)), grid(rng, (n, k))
    out, margins = np.empty((n, k), dtype=np.int8), np.empty((n, k))
    best_forests(U, parents, order, couplings, out)
    forest_margins(U, parents, order, couplings, margins)
    inner = parents >= 0

    def score(u, c, y):
        return u @ y + c[inner] @ (y[inner] * y[parents[inner]])

    sets = [np.array(y) for y in itertools.product((0, 1), repeat=k)]
    for u, c, y, margin in zip(U, couplings, out, margins, strict=True):
        assert score(u, c, y) == max(score(u, c, other) for other in sets)
        for j in range(k):
            best = [max(score(u, c, other) for other in sets if other[j] == value) for value in (0, 1)]
            assert margin[j] == best[1] - best[0]


def test_without_couplings_every_label_decides_alone():
    U = np.array([[1.0, 0.0, -1.0], [-0.5, 2.0, 0.25]])
    out = np.empty((2, 3), dtype=np.int8)
    best_forests(U, np.full(3, -1), np.arange(3), np.zeros((2, 3)), out)
    np.testing.assert_array_equal(out, [[1, 0, 0], [0, 1, 1]])
