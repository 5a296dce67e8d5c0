"""Networks that train on changed pictures: what augment, image_shape and scale do together."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits

from steepest import Augmenter, MLPClassifier, MLPRegressor, load, save
from steepest.estimators.network_data import find_scaling, make_feed
from steepest.estimators.network_plan import augmentation_of, channels_of
from steepest.exceptions import IncompatibleError, InvalidParameterError

DIGITS, TEN = load_digits(return_X_y=True)
X, y = DIGITS[:200], TEN[:200]
FAST = {"max_iter": 3, "tol": None, "curvature": False, "on_unconverged": "ignore", "random_state": 0}
CHANGES = "shift=2,rotate=15,elastic=0.5,erase=0.2"


def made(**options):
    return MLPClassifier((12,), **{"augment": CHANGES, "image_shape": (8, 8), **FAST, **options})


def same(a, b):
    return all(np.array_equal(u, v) for u, v in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


def batch_of(model, given, dtype, weights=None):
    """A batch as the network sees it in training, the same one unscaled, and the scaling."""
    d, rows = given.shape[1], np.arange(given.shape[0])[::-1]
    scaling = find_scaling(model.scale, given, None, weights, channels_of(model, d))
    seen = np.empty((len(rows), d), dtype)
    make_feed(given, dtype, scaling).take(rows, seen)
    augmentation_of(model, d, scaling.shift, scaling.factor, dtype).apply(seen, rows, 4, 7)
    plain = np.array(given.toarray() if sp.issparse(given) else given, np.float64)[rows]
    augmentation_of(model, d, None, None, np.float64).apply(plain, rows, 4, 7)
    return seen, plain, scaling


def colours(n=60):
    """Pictures of (6, 5, 3): a bright square in the middle of a background of 0, three levels."""
    rng = np.random.default_rng(0)
    out = np.zeros((n, 6, 5, 3))
    out[:, 2:5, 1:4] = rng.uniform(0.5, 1.0, (n, 3, 3, 3)) * np.array([250.0, 40.0, 5.0])
    return out.reshape(n, -1)


# --------------------------------------------------------------------------------- background and scale


@pytest.mark.parametrize("scale", [None, "range", "standard"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["digits", "bytes", "sparse", "colours"])
def test_background_stays_background(kind, dtype, scale):
    given = {"digits": X, "bytes": X.astype(np.uint8), "sparse": sp.csr_array(X), "colours": colours()}[kind]
    model = made(scale=scale, image_shape=(6, 5, 3) if kind == "colours" else (8, 8))
    seen, plain, scaling = batch_of(model, given, dtype)
    shift = 0.0 if scaling.shift is None else scaling.shift
    factor = 1.0 if scaling.factor is None else scaling.factor
    nothing = np.broadcast_to((0.0 - shift) * factor, seen.shape)
    close = 1e-4 if dtype == np.float32 else 1e-12
    assert 0.2 < (plain == 0.0).mean() < 0.95
    np.testing.assert_allclose(seen[plain == 0.0], nothing[plain == 0.0], rtol=0, atol=close)
    if scaling.shift is None:
        assert not seen[plain == 0.0].any()
    np.testing.assert_allclose(seen, (plain - shift) * factor, rtol=close, atol=close)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("exponent", [0, 200, -200])
def test_standard_is_one_scale_a_channel_where_pixels_move(weighted, exponent):
    given, scaled = colours(), colours() * 10.0**exponent
    weights = np.arange(60.0) % 4 if weighted else None
    scaling = find_scaling("standard", scaled, None, weights, 3)
    rows = given if weights is None else np.repeat(given, weights.astype(int), axis=0)
    pixels = rows.reshape(-1, 3) * 10.0**exponent
    size = np.abs(pixels).max(axis=0)
    np.testing.assert_allclose(scaling.shift, np.tile(pixels.mean(axis=0), 30), rtol=1e-10)
    np.testing.assert_allclose(scaling.factor, np.tile(1.0 / ((pixels / size).std(axis=0) * size), 30), rtol=1e-10)


@pytest.mark.parametrize("change", [*CHANGES.split(","), "flip", "zoom", "shear", "crop", "cut_rows", "cut_columns"])
def test_no_number_is_far_out_where_strokes_come_into_columns_that_had_none(change):
    model = made(scale="standard", augment=change)
    assert X[:, 0].max() == 0.0  # a corner that is background in every row
    seen, _, scaling = batch_of(model, X, np.float64)
    assert np.abs(seen).max() < 3.0
    assert len(set(scaling.shift)) == len(set(scaling.factor)) == 1


def test_columns_have_their_own_scale_where_pixels_stay():
    noisy = made(scale="standard", augment="noise=0.1")
    assert channels_of(noisy, 64) == channels_of(made(augment=None), 64) == 0
    table = MLPClassifier((4,), augment="noise=0.1", scale="standard", **FAST).fit(X[:, 1:8], y)
    np.testing.assert_allclose(table._net.shift, X[:, 1:8].mean(axis=0), rtol=1e-12)


def test_a_constant_channel_keeps_its_scale():
    scaling = find_scaling("standard", np.full((4, 12), 3.0), None, None, 2)
    assert scaling.shift.tolist() == [3.0] * 12
    assert scaling.factor.tolist() == [1.0] * 12
    empty = find_scaling("standard", np.zeros((5, 12)), None, None, 2)
    assert empty.shift.tolist() == [0.0] * 12
    assert empty.factor.tolist() == [1.0] * 12


# ------------------------------------------------------------------------------------------- whole fits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scale_is_pictures_that_were_scaled_before(dtype):
    scaled = made(scale="range", dtype=dtype).fit(X, y)  # by 1/16, which rounds nothing
    before = made(dtype=dtype).fit(X / 16.0, y)
    assert same(scaled, before)
    assert not same(before, made(augment=None, dtype=dtype).fit(X / 16.0, y))


@pytest.mark.parametrize("scale", [None, "range", "standard"])
def test_fits_repeat_and_calls_for_single_epochs_are_one_fit(scale):
    whole, again = made(scale=scale).fit(X, y), made(scale=scale).fit(X, y)
    assert same(whole, again)
    parts = made(scale=scale)
    for _ in range(3):
        parts.partial_fit(X, y, classes=np.unique(y))
    assert same(whole, parts)
    assert not same(whole, made(scale=scale, random_state=1).fit(X, y))


def test_regressors_too():
    a, b = (
        MLPRegressor(hidden_layer_sizes=(6,), augment=augment, image_shape=(8, 8), scale="standard", **FAST).fit(
            X, y.astype(float)
        )
        for augment in (CHANGES, None)
    )
    assert len(set(a._net.factor)) == 1
    assert len(set(b._net.factor)) > 20
    assert not same(a, b)


@pytest.mark.parametrize("scale", [None, "standard"])
def test_predictions_change_nothing_and_models_are_kept(scale, tmp_path):
    augmenter = Augmenter(shift=1, elastic=0.5)
    model = made(augment=augmenter, scale=scale).fit(X, y)
    assert not hasattr(model.augment, "image_shape_")  # the value that was given is not fitted
    assert np.array_equal(model.predict_proba(X), model.predict_proba(X))
    np.testing.assert_allclose(model.predict_proba(X)[::-1], model.predict_proba(X[::-1]), rtol=1e-5)
    save(model, tmp_path / "model.steepest")
    again = load(tmp_path / "model.steepest")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.augment.get_params() == augmenter.get_params()
    assert same(clone(model).fit(X, y), model)
    assert same(made(augment="shift=1,elastic=0.5", scale=scale).fit(X, y), model)
    assert same(made(augment={"shift": 1, "elastic": 0.5}, scale=scale).fit(X, y), model)
    assert not same(clone(model).set_params(augment__shift=2).fit(X, y), model)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"augment": "turn"}, InvalidParameterError, "augment: expected names of .*, got 'turn'"),
        ({"augment": 3}, InvalidParameterError, "augment: expected an Augmenter"),
        ({"augment": "shift=9"}, InvalidParameterError, "shift: .* of 0 to 8, got 9. Try shift=2"),
        ({"image_shape": (8, 9)}, InvalidParameterError, r"image_shape: .* 64 features, got \(8, 9\). Use \(8, 8\)"),
        ({"solver": "lbfgs"}, IncompatibleError, "augment: solver: 'lbfgs' sees no batches"),
    ],
)
def test_what_cannot_be_is_said(options, error, message):
    model = made(**options)
    with pytest.raises(error, match=message):
        model.fit(X, y)
    assert not hasattr(model, "coefs_")


def test_wide_sparse_rows_are_no_pictures():
    given = sp.random_array((30, 5000), density=0.001, rng=np.random.default_rng(0), format="csr")
    with pytest.raises(IncompatibleError, match="augment: expected dense rows, got sparse ones"):
        made(image_shape=(50, 100)).fit(given, y[:30])
