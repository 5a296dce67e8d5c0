from __future__ import annotations

import numpy as np
from scipy.special import log_softmax as reference
from scipy.special import softmax as reference_softmax

from steepest.estimators.links import LINKS, log_expit, log_softmax, softmax
from steepest.losses import SCALAR_LOSSES, VECTOR_LOSSES
from steepest.losses.registry import is_composed


def test_every_loss_has_a_link_of_the_table() -> None:
    for cls in [*SCALAR_LOSSES.values(), *VECTOR_LOSSES.values()]:
        assert is_composed(cls) or cls.link in LINKS


def test_softmax_against_scipy() -> None:
    z = np.random.default_rng(0).normal(size=(20, 4)) * 50.0
    before = z.copy()
    np.testing.assert_allclose(softmax(z), reference_softmax(z, axis=1), rtol=1e-13)
    np.testing.assert_allclose(log_softmax(z), reference(z, axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(z, before)


def test_links_stay_finite_at_extreme_scores() -> None:
    z = np.array([-1e300, -1e4, 0.0, 1e4, 1e300])
    for name in ("log", "logistic", "sign", "identity"):
        assert np.isfinite(LINKS[name](z)).all()
    wide = np.array([[-1e300, 1e300], [1e4, -1e4]])
    np.testing.assert_array_equal(softmax(wide), [[0.0, 1.0], [1.0, 0.0]])
    assert np.isfinite(log_softmax(wide)).all()
    assert np.isfinite(log_expit(z)).all()
    assert log_expit(np.array([-800.0]))[0] == -800.0
    np.testing.assert_array_equal(LINKS["sign"](np.array([-2.0, 0.5])), [-1.0, 1.0])
