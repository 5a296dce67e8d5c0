"""Entropy, cross-entropy and Kullback-Leibler divergence."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import entr, rel_entr

from steepest.exceptions import InvalidParameterError
from steepest.losses import cross_entropy, entropy, kl_divergence

P, Q = [0.25, 0.75], [0.5, 0.5]
POSITIVE = hnp.arrays(np.float64, 4, elements=st.floats(0.0, 1.0))


def test_by_hand_both_ways():
    """p = (1/4, 3/4), q = (1/2, 1/2)."""
    assert entropy(P) == pytest.approx(2 * math.log(2) - 0.75 * math.log(3), rel=1e-15)
    assert entropy(Q) == pytest.approx(math.log(2), rel=1e-15)
    assert cross_entropy(P, Q) == pytest.approx(math.log(2), rel=1e-15)
    assert cross_entropy(Q, P) == pytest.approx(2 * math.log(2) - 0.5 * math.log(3), rel=1e-15)
    assert kl_divergence(P, Q) == pytest.approx(0.75 * math.log(3) - math.log(2), rel=1e-14)
    assert kl_divergence(Q, P) == pytest.approx(math.log(2) - 0.5 * math.log(3), rel=1e-14)
    assert kl_divergence(P, Q) != pytest.approx(kl_divergence(Q, P), rel=0.05)
    assert entropy(P, base=2) == pytest.approx(2 - 0.75 * math.log2(3), rel=1e-15)
    assert kl_divergence(P, Q, base=2) == pytest.approx(0.75 * math.log2(3) - 1, rel=1e-14)


@given(p=POSITIVE, q=POSITIVE)
@settings(max_examples=200, deadline=None)
def test_divergence_is_cross_entropy_minus_entropy_and_never_negative(p, q):
    assume(p.sum() > 1e-3 and q.sum() > 1e-3)
    p, q = p / p.sum(), q / q.sum()
    kl, ce, h = kl_divergence(p, q), cross_entropy(p, q), entropy(p)
    assert kl >= 0.0
    assert 0.0 <= h <= math.log(4) + 1e-15
    if math.isinf(kl) or math.isinf(ce):
        assert kl == ce == math.inf
        assert ((q == 0) & (p > 0)).any()
    else:
        assert kl == pytest.approx(ce - h, abs=1e-12 * (1 + ce))
        assert kl == pytest.approx(rel_entr(p, q).sum(), abs=1e-13 * (1 + kl))
    assert h == pytest.approx(entr(p).sum(), abs=1e-14)
    assert kl_divergence(p, p) == 0.0


def test_zeros():
    assert entropy([1.0, 0.0]) == 0.0
    assert math.copysign(1.0, entropy([1.0, 0.0])) == 1.0
    assert cross_entropy([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl_divergence([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2), rel=1e-15)
    assert kl_divergence([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert kl_divergence([1.0, 5e-324], [0.5, 0.5]) == pytest.approx(math.log(2), rel=1e-15)


def test_close_distributions_keep_their_digits():
    """KL of (1/2, 1/2) and (1/2 + e, 1/2 - e) is 2 e^2; the difference of two entropies would give noise."""
    e = 2.0**-30
    assert kl_divergence(Q, [0.5 + e, 0.5 - e]) == pytest.approx(2 * e**2, rel=1e-6)


def test_arrays_axes_and_broadcasting():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(3), (5, 2)), rng.dirichlet(np.ones(3))
    out = kl_divergence(p, q)
    assert out.shape == (5, 2)
    assert out[3, 1] == pytest.approx(kl_divergence(p[3, 1], q), rel=1e-14)
    np.testing.assert_array_equal(entropy(np.moveaxis(p, -1, 0), axis=0), entropy(p))
    assert entropy(p.astype(np.float32)).dtype == np.float64
    assert isinstance(entropy(P), float)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropy([0.5, 0.6]), r"p: expected sums of 1 along axis -1, got 1\.1"),
        (lambda: entropy([[0.5, 0.5], [1.5, -0.5]]), r"p: expected finite numbers >= 0, got -0\.5 at \(1, 1\)"),
        (lambda: entropy([np.nan, 1.0]), r"p: expected finite numbers >= 0, got nan at \(0,\)"),
        (lambda: cross_entropy(P, [np.inf, 0.0]), r"q: expected finite numbers"),
        (lambda: kl_divergence(P, [0.2, 0.3, 0.5]), r"q: expected a shape that broadcasts with p \(2,\)"),
        (lambda: entropy(0.5), r"p: expected an array of numbers with an axis -1"),
        (lambda: entropy(["a"]), r"p: expected an array of numbers"),
        (lambda: entropy(P, axis=3), r"p: expected an array of numbers with an axis 3"),
        (lambda: entropy(P, base=1.0), r"base: expected a positive number other than 1"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(InvalidParameterError, match=message):
        call()
