"""The proximal map of an l1 penalty on a set against the definition of a minimum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.penalties import Box, L1Ball, L2Ball, NonNegative, Simplex
from steepest.penalties.constrained import constrained_prox

SETS = {
    "box": Box(-0.5, 1.0),
    "shifted_box": Box(0.25, 2.0),
    "nonnegative": NonNegative(),
    "l2_ball": L2Ball(1.0),
    "l1_ball": L1Ball(1.0),
    "simplex": Simplex(1.5),
}
D = 4
VECTOR = st.lists(st.floats(-4.0, 4.0), min_size=D, max_size=D).map(np.array)
METRIC = st.lists(st.floats(0.05, 20.0), min_size=D, max_size=D).map(np.array)


@pytest.mark.parametrize("name", sorted(SETS))
@settings(max_examples=60, deadline=None)
@given(w=VECTOR, q=METRIC, l1=st.floats(0.0, 3.0), seed=st.integers(0, 2**32 - 1))
def test_no_point_of_the_set_is_better(name, w, q, l1, seed):
    constraint = SETS[name]

    def value(v):
        return l1 * np.abs(v).sum() + 0.5 * float(q @ (v - w) ** 2)

    p = constrained_prox(constraint, w, q, l1)
    assert constraint.contains(p)
    rng = np.random.default_rng(seed)
    size = 1e-12 * (1.0 + value(np.zeros(D)))
    for _ in range(60):
        v = constraint.project(p + 10.0 ** rng.uniform(-6.0, 0.5) * rng.normal(size=D))
        assert value(p) <= value(v) + size


def test_columns_are_taken_each_by_itself():
    rng = np.random.default_rng(2)
    W, Q = rng.normal(size=(D, 3)), rng.uniform(0.5, 2.0, size=(D, 3))
    for constraint in SETS.values():
        P = constrained_prox(constraint, W, Q, 0.3)
        for k in range(3):
            np.testing.assert_array_equal(P[:, k], constrained_prox(constraint, W[:, k], Q[:, k], 0.3))
