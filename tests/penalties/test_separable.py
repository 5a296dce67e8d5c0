"""L1, L2, elastic net and none: prox, conjugate, and their identities."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize_scalar

from steepest.exceptions import InvalidParameterError
from steepest.penalties import L1, L2, ElasticNet, NoPenalty, get_penalty

PENALTIES = [NoPenalty(), L1(0.7), L2(0.4), ElasticNet(1.3, 0.25), ElasticNet(0.5, 1.0), ElasticNet(0.5, 0.0), L1(0.0)]
VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-10.0, 10.0))


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@given(w=VECTORS, step=st.floats(0.01, 10.0))
@settings(max_examples=50, deadline=None)
def test_prox_is_the_argmin(penalty, w, step):
    out = penalty.prox(w, step)
    for x, p in zip(w, out, strict=True):

        def objective(v, x=x):
            return penalty.value(np.array([v])) + (v - x) ** 2 / (2 * step)

        best = minimize_scalar(objective, bounds=(-10.5, 10.5), method="bounded", options={"xatol": 1e-10})
        assert objective(p) <= min(best.fun, objective(0.0)) + 1e-12
        assert p == pytest.approx(best.x, abs=2e-4)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@given(w=VECTORS, v=VECTORS)
@settings(max_examples=50, deadline=None)
def test_fenchel_young(penalty, w, v):
    assert penalty.value(w) + penalty.conjugate(v) >= w @ v - 1e-10
    u = w - penalty.prox(w, 1.0)  # a subgradient at the prox, so equality
    p = penalty.prox(w, 1.0)
    scaled = u if penalty.l2 > 0 else np.clip(u, -penalty.l1, penalty.l1)
    assert penalty.value(p) + penalty.conjugate(scaled) == pytest.approx(scaled @ p, abs=1e-10)


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
@given(w=VECTORS, step=st.floats(0.05, 5.0))
@settings(max_examples=50, deadline=None)
def test_moreau_identity(penalty, w, step):
    """w = prox_step(w) + step prox*_{1/step}(w / step), the second by maximising the conjugate's own objective."""
    rest = (w - penalty.prox(w, step)) / step
    # `rest` must be the prox of the conjugate: no feasible neighbour does better in conj(v) + step/2 |v - w/step|^2.
    if penalty.l2 == 0:
        rest = np.clip(rest, -penalty.l1, penalty.l1)

    def objective(v):
        return penalty.conjugate(v) + 0.5 * step * np.sum((v - w / step) ** 2)

    at = objective(rest)
    assert math.isfinite(at)
    rng = np.random.default_rng(0)
    for size in (1.0, 1e-2, 1e-4):
        for _ in range(5):
            assert objective(rest + size * rng.normal(size=3)) >= at - 1e-9 * (1 + abs(at))


def test_vector_steps_are_a_step_a_coordinate():
    w, steps = np.array([3.0, -0.1, -2.0]), np.array([1.0, 2.0, 0.5])
    for penalty in PENALTIES:
        each = [penalty.prox(w[[i]], steps[i])[0] for i in range(3)]
        np.testing.assert_array_equal(penalty.prox(w, steps), each)


def test_by_hand():
    w = np.array([3.0, -4.0])
    assert NoPenalty().value(w) == 0.0
    assert L1(0.5).value(w) == 3.5
    assert L2(0.5).value(w) == 6.25
    net = ElasticNet(2.0, 0.25)
    assert (net.l1, net.l2) == (0.5, 1.5)
    assert net.value(w) == pytest.approx(0.5 * 7 + 0.75 * 25)
    np.testing.assert_allclose(net.prox(w, 2.0), [2.0 / 4.0, -3.0 / 4.0])
    assert L1(1.0).conjugate(np.array([1.0, -1.0])) == 0.0
    assert L1(1.0).conjugate(np.array([1.0, -1.0 - 1e-12])) == math.inf
    assert L2(2.0).conjugate(np.array([2.0, 4.0])) == 5.0
    assert net.conjugate(np.array([0.4, 2.0])) == pytest.approx(1.5**2 / 3.0)
    assert NoPenalty().conjugate(np.zeros(2)) == 0.0
    assert NoPenalty().conjugate(np.array([0.0, 1e-300])) == math.inf


def test_a_point_scaled_onto_the_box_is_in_it():
    """Rounding of the scaling must not make a dual value infinite."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        v, alpha = rng.normal(size=5), rng.exponential()
        assert L1(alpha).conjugate(v * (alpha / np.abs(v).max())) == 0.0


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_extreme_and_odd_weights(penalty):
    for w in (np.array([1e300, -1e300, 1.7e308]), np.array([5e-324, -0.0, 1e-310]), np.empty(0), np.ones((2, 3))):
        before = w.copy()
        assert penalty.value(w) >= 0.0
        out = penalty.prox(w, 0.5)
        assert out.shape == w.shape
        assert np.isfinite(out).all()
        assert (np.abs(out) <= np.abs(w)).all()
        assert penalty.conjugate(w) >= 0.0
        np.testing.assert_array_equal(w, before)
        assert not np.shares_memory(out, w) or w.size == 0
    nan = np.array([1.0, np.nan])
    assert np.isnan(penalty.prox(nan, 1.0)[1])
    assert math.isnan(penalty.conjugate(nan))
    if penalty.l1 or penalty.l2:
        assert math.isnan(penalty.value(nan))
    out = penalty.prox(np.float32([1.5, -2.0]), 0.5)
    assert out.dtype == np.float64


def test_penalties_are_values():
    assert L1(1) == L1(1.0)
    assert L1(1.0) != L2(1.0)
    assert type(L1(1).alpha) is float
    assert bool(NoPenalty())
    assert len({L1(1.0), L2(1.0), NoPenalty(), ElasticNet(1.0, 0.5)}) == 4
    for penalty in PENALTIES:
        again = pickle.loads(pickle.dumps(penalty))
        assert again == penalty
        assert type(again) is type(penalty)
    assert L1(1.0)._replace(alpha=3) == L1(3.0)
    with pytest.raises(InvalidParameterError, match=r"^alpha: expected"):
        L1(1.0)._replace(alpha=-3)


def test_get_penalty():
    assert get_penalty("l1", 0.3) == L1(0.3)
    assert get_penalty("l2", 0.3) == L2(0.3)
    assert get_penalty("elasticnet", 0.3, 0.7) == ElasticNet(0.3, 0.7)
    assert get_penalty(None) == NoPenalty() == get_penalty("none", 3.0)
    given_value = L1(5.0)
    assert get_penalty(given_value, 1.0) is given_value
    for wrong in ("L3", 3, L1):
        with pytest.raises(InvalidParameterError, match=r"^penalty: expected 'l1'"):
            get_penalty(wrong)


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf, "a", None])
def test_strengths_are_checked(wrong):
    for make in (L1, L2, ElasticNet, lambda alpha: get_penalty("l2", alpha)):
        with pytest.raises(InvalidParameterError, match=r"^alpha: expected a finite number >= 0"):
            make(wrong)
    with pytest.raises(InvalidParameterError, match=r"^l1_ratio: expected"):
        ElasticNet(1.0, wrong)


def test_l1_ratio_above_one():
    with pytest.raises(InvalidParameterError, match=r"^l1_ratio: expected a number in \[0, 1\]"):
        ElasticNet(1.0, 1.1)
