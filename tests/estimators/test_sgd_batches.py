"""fit_batches: data read in pieces give what the same data in memory give, with the certificate."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import scipy.sparse as sp

from steepest import SGDClassifier, SGDRegressor
from steepest.exceptions import DataError, InvalidParameterError

CUTS = (0, 31, 32, 70, 90)


def pieces(X, y, s=None):
    def read():
        for low, high in zip(CUTS, CUTS[1:], strict=False):
            yield (X[low:high], y[low:high]) if s is None else (X[low:high], y[low:high], s[low:high])

    return read


def test_single_plain_steps_have_the_same_bits(class_data):
    X, y = class_data()
    options = {"loss": "log_loss", "penalty": None, "order": "cyclic", "average": False, "max_iter": 4, "tol": None}
    whole = SGDClassifier(**options).fit(X, y)
    parts = SGDClassifier(**options).fit_batches(pieces(X, y))
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)
    assert parts.n_iter_ == 4
    assert parts.t_ == whole.t_


@pytest.mark.parametrize("case", ["l2", "l1", "softmax", "sparse", "weights"])
def test_other_steps_and_the_certificate_are_the_same_up_to_rounding(case, class_data):
    X, y = class_data(k=3 if case == "softmax" else 2)
    s = np.random.default_rng(0).uniform(0.5, 2.0, len(y)) if case == "weights" else None
    X = sp.csr_array(X) if case == "sparse" else X
    options = {
        "loss": "softmax" if case == "softmax" else "log_loss",
        "penalty": "l1" if case == "l1" else "l2",
        "alpha": 1e-2,
        "order": "cyclic",
        "average": False,
        "max_iter": 6,
        "tol": None,
    }
    whole = SGDClassifier(**options).fit(X, y, sample_weight=s)
    parts = SGDClassifier(**options).fit_batches(pieces(X, y, s))
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9, atol=1e-12)
    a, b = parts.certificate_, whole.certificate_
    assert (a.kind, a.status, a.bounds) == (b.kind, b.status, b.bounds)
    np.testing.assert_allclose(a.primal, b.primal, rtol=1e-7)
    assert b.value <= a.value * (1.0 + 1e-7)  # rows in memory can carry a dual point along
    np.testing.assert_allclose(parts.history_["objective"], whole.history_["objective"], rtol=1e-10)


def test_it_stops_when_the_whole_stream_is_proven(regression_data):
    X, y = regression_data(n=90)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = SGDRegressor(alpha=1e-2, tol=1e-3).fit_batches(list(pieces(X, y)()))
    assert model.certificate_.passed
    assert model.certificate_.kind == "duality_gap"
    from_memory = SGDRegressor(alpha=1e-2, tol=1e-3).fit(X, y)
    np.testing.assert_allclose(model.certificate_.primal, from_memory.certificate_.primal, rtol=2e-3)


def test_pieces_are_let_go():
    """At no time are more than two pieces alive: the one that is used, and the one that is made."""
    random = np.random.default_rng(0)
    X, y = random.normal(size=(200, 5)), np.tile([0, 1], 100)
    alive, most = [], []

    def read():
        for low in range(0, 200, 10):
            piece = X[low : low + 10].copy()
            alive.append(weakref.ref(piece))
            most.append(sum(ref() is not None for ref in alive))
            yield piece, y[low : low + 10]

    SGDClassifier("log_loss", max_iter=3, tol=None).fit_batches(read)
    assert len(most) >= 4 * 20
    assert max(most) <= 2


def test_labels_are_those_that_come_or_those_that_are_named(class_data):
    X, y = class_data()
    names = np.array(["no", "yes"])[np.sort(y)]
    model = SGDClassifier("log_loss", max_iter=2, tol=None).fit_batches(pieces(X, names))
    assert model.classes_.tolist() == ["no", "yes"]
    more = SGDClassifier("log_loss", max_iter=2, tol=None, on_unconverged="ignore")
    more.fit_batches(pieces(X, names), classes=["no", "yes", "zero"])
    assert "class zero" in more.certificate_.reason
    assert more.coef_.shape == (3, 4)
    more.partial_fit(X, names)


def test_epochs_can_be_given(class_data):
    X, y = class_data()
    assert SGDClassifier(tol=None).fit_batches(pieces(X, y), max_iter=3).n_iter_ == 3
    assert SGDClassifier(tol=None).fit_batches(pieces(sp.csr_array(X), y), max_iter=3).n_iter_ == 3


def test_errors(class_data):
    X, y = class_data()
    model = SGDClassifier()
    with pytest.raises(DataError, match="batches: expected a callable"):
        model.fit_batches(pieces(X, y)())
    with pytest.raises(DataError, match="at least one batch"):
        model.fit_batches([])
    with pytest.raises(DataError, match=r"tuples \(X, y\)"):
        model.fit_batches([X])
    with pytest.raises(ValueError, match="expecting 4 features"):
        model.fit_batches([(X, y), (X[:, :2], y)])
    with pytest.raises(InvalidParameterError, match="early_stopping"):
        SGDClassifier(early_stopping=True).fit_batches(pieces(X, y))
    counts = iter([90, 80, 70])

    def shrinking():
        n = next(counts)
        return iter([(X[:n], y[:n])])

    with pytest.raises(DataError, match="90 rows of the first pass again"):
        model.fit_batches(shrinking)
    assert not hasattr(model, "coef_")
