"""Augmentation: every change against pictures that are known, its numbers' statistics, and who decides them."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from steepest import Augmenter, LogisticRegression, load, save
from steepest.exceptions import DataError, InvalidParameterError
from steepest.transforms.augmentation import USUAL, as_augmenter

MOVES = {"rotate": 40.0, "shift": 2, "zoom": 0.3, "shear": 0.2, "crop": 0.3}
ALL = {"flip": "both", **MOVES, "elastic": 0.7, "cut_rows": 2, "cut_columns": 2, "erase": 0.2, "noise": 0.1}
SHAPES = [(12, 12), (9, 14), (7, 5, 3)]


def pictures(n, shape, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 1.5, (n, int(np.prod(shape)))).astype(dtype)


def versions(X, shape, *, epoch=0, seed=0, rows=None, **changes):
    """What training sees, and the numbers that were drawn."""
    ready = Augmenter(shape, **changes).prepared(X.shape[1])
    rows, Z = np.arange(len(X)) if rows is None else rows, X.copy()
    ready.apply(Z, rows, epoch, seed)
    return Z, ready.drawn(rows, epoch, seed)


def drawn(n=40_000, shape=(28, 20), *, epoch=0, seed=0, **changes):
    return Augmenter(shape, **changes).prepared(int(np.prod(shape))).drawn(np.arange(n), epoch, seed)


@parametrize_with_checks([Augmenter(), Augmenter(noise=0.5, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ----------------------------------------------------------------------------------------- known pictures


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "changes",
    [{}, {"fill": 7.0}, {"rotate": 0.0, "shift": 0, "zoom": 0.0, "elastic": 0.0, "cut_rows": 0, "erase": 0.0}],
)
def test_nothing_asked_changes_no_bit(changes, shape, dtype):
    X = pictures(6, shape, dtype)
    X[0, :2] = -0.0, np.finfo(dtype).tiny / 4
    Z, _ = versions(X, shape, **changes)
    assert Z.tobytes() == X.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_flips_are_exact(flip, shape, dtype):
    X = pictures(40, shape, dtype)
    Z, p = versions(X, shape, flip=flip)
    assert set(p["flip_horizontal"]) == ({0.0, 1.0} if flip != "vertical" else {0.0})
    assert set(p["flip_vertical"]) == ({0.0, 1.0} if flip != "horizontal" else {0.0})
    for x, z, across, down in zip(X, Z, p["flip_horizontal"], p["flip_vertical"], strict=True):
        expected = x.reshape(shape)[:: -1 if down else 1, :: -1 if across else 1]
        assert np.array_equal(z.reshape(shape), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 11), (11, 2)])
def test_shifts_are_exact(shape, dtype):
    X, most = pictures(120, shape, dtype), max(shape[:2])
    Z, p = versions(X, shape, shift=most, fill=-3.0)
    for x, z, down, right in zip(X, Z, p["shift_rows"].astype(int), p["shift_columns"].astype(int), strict=True):
        expected = np.full(shape, -3.0, dtype)
        for y in range(shape[0]):
            for k in range(shape[1]):
                if 0 <= y + down < shape[0] and 0 <= k + right < shape[1]:
                    expected[y + down, k + right] = x.reshape(shape)[y, k]
        assert np.array_equal(z.reshape(shape), expected)


def places(shape, p, i):
    """Where pixels of the result come from: the inverse of zoom, shear, rotation and shift, then the window."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    middle_y, middle_x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    cos, sin, k = np.cos(p["angle"][i]), np.sin(p["angle"][i]), p["shear"][i]
    turn = np.array([[cos, sin], [-sin, cos]])  # of (right, down): counter-clockwise as one looks at it
    M = turn @ np.array([[1.0, k], [0.0, 1.0]]) * p["zoom"][i]
    right = p["crop_side"][i] * (x - middle_x) + p["crop_column"][i] - p["shift_columns"][i]
    down = p["crop_side"][i] * (y - middle_y) + p["crop_row"][i] - p["shift_rows"][i]
    from_x, from_y = np.einsum("ij,jyx->iyx", np.linalg.inv(M), np.stack([right, down]))
    return from_y + middle_y, from_x + middle_x


@pytest.mark.parametrize(("dtype", "close"), [(np.float32, 5e-5), (np.float64, 1e-12)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("names", [[name] for name in MOVES if name != "shift"] + [list(MOVES)], ids=",".join)
def test_moves_are_one_bilinear_interpolation(names, shape, dtype, close):
    X = pictures(30, shape, dtype)
    Z, p = versions(X, shape, fill=0.25, **{name: MOVES[name] for name in names})
    for i, (x, z) in enumerate(zip(X, Z, strict=True)):
        at = places(shape, p, i)
        for c in range(shape[2] if len(shape) == 3 else 1):
            picture = x.reshape(*shape[:2], -1)[:, :, c].astype(float)
            expected = map_coordinates(picture, at, order=1, mode="grid-constant", cval=0.25)
            assert np.abs(z.reshape(*shape[:2], -1)[:, :, c] - expected).max() < close


def test_a_quarter_turn():
    ready = Augmenter((9, 9), rotate=180.0).prepared(81)
    angles = ready.drawn(np.arange(100_000), 0, 0)["angle"]
    for quarters in (-1, 0, 1):
        row = np.abs(angles - quarters * np.pi / 2).argmin(keepdims=True)
        X = pictures(1, (9, 9))
        Z = X.copy()
        ready.apply(Z, row, 0, 0)
        assert np.allclose(Z.reshape(9, 9), np.rot90(X.reshape(9, 9), quarters), atol=1e-3)


def test_zoom_makes_larger():
    X = np.zeros((60, 21 * 21), np.float32)
    X.reshape(60, 21, 21)[:, 6:15, 6:15] = 1.0
    Z, p = versions(X, (21, 21), zoom=0.3)
    assert np.allclose(np.sqrt(Z.sum(axis=1) / 81.0), p["zoom"], rtol=0.06)
    Z, p = versions(X, (21, 21), crop=0.3)  # a window is blown up
    inside = Z.reshape(60, 21, 21)[:, [0, -1]].max(axis=(1, 2)) == 0.0
    assert inside.sum() > 20
    assert np.allclose(np.sqrt(Z.sum(axis=1) / 81.0)[inside], 1.0 / p["crop_side"][inside], rtol=0.06)


@pytest.mark.parametrize("shape", SHAPES)
def test_bands_and_rectangles_are_filled_and_the_rest_stays(shape):
    X = pictures(80, shape)
    Z, p = versions(X, shape, cut_rows=3, cut_columns=2, erase=0.4, fill=-1.0)
    names = ("cut_row", "cut_rows", "cut_column", "cut_columns", "erase_row", "erase_rows", "erase_column")
    for i, (x, z) in enumerate(zip(X, Z, strict=True)):
        at, height, column, width, top, rows, left = (int(p[name][i]) for name in names)
        expected = x.reshape(shape).copy()
        expected[at : at + height] = -1.0
        expected[:, column : column + width] = -1.0
        expected[top : top + rows, left : left + int(p["erase_columns"][i])] = -1.0
        assert np.array_equal(z.reshape(shape), expected)


def displacements(shape, deviation, n=400, dtype=np.float64):
    """Along the columns and along the rows, away from the border: ramps tell them."""
    rows, columns = shape
    ramps = np.stack([np.indices(shape)[axis].ravel() for axis in (0, 1)]).astype(dtype)
    found = []
    for ramp in ramps:
        Z, _ = versions(np.repeat(ramp[None], n, axis=0), shape, elastic=deviation)
        found.append((Z - ramp).reshape(n, rows, columns)[:, 5:-5, 5:-5])
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(28, 28), (24, 40)])
def test_elastic_displacements_are_smooth_and_of_the_size_asked(shape, dtype):
    for part in displacements(shape, 0.8, dtype=dtype):
        assert abs(part.mean()) < 0.05
        assert np.sqrt((part**2).mean()) == pytest.approx(0.8, rel=0.06)
        assert np.sqrt((np.diff(part, axis=1) ** 2).mean()) < 0.3 * 0.8
        assert np.sqrt((np.diff(part, n=2, axis=2) ** 2).mean()) < 0.15 * 0.8
    down, right = displacements(shape, 0.8, dtype=dtype)
    assert abs(np.corrcoef(down.ravel(), right.ravel())[0, 1]) < 0.06


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_its_moments(dtype):
    X = np.zeros((400, 28 * 20), dtype)
    Z, _ = versions(X, (28, 20), noise=0.3)
    z = Z.astype(np.float64) / 0.3
    assert abs(z.mean()) < 4.0 / np.sqrt(z.size)
    assert z.std() == pytest.approx(1.0, rel=0.01)
    assert (z**4).mean() == pytest.approx(2.7, rel=0.03)  # of four uniform numbers; 3 of normal ones
    assert 3.0 < np.abs(z).max() < 3.47
    assert np.abs(np.corrcoef(z[:, :12].T) - np.eye(12)).max() < 5.0 / np.sqrt(400)
    assert np.abs(np.corrcoef(z[:12]) - np.eye(12)).max() < 5.0 / np.sqrt(560)


def test_a_far_fill_is_background_too():
    X = np.full((50, 100), 5.0)
    Z, _ = versions(X, (10, 10), fill=5.0, **{**ALL, "noise": 0.0})
    assert np.array_equal(Z, X)


# -------------------------------------------------------------------------------------- the numbers drawn


@pytest.mark.parametrize(
    ("changes", "name", "low", "high"),
    [
        ({"rotate": 30.0}, "angle", -np.pi / 6, np.pi / 6),
        ({"zoom": 0.2}, "zoom", 0.8, 1.2),
        ({"shear": 0.3}, "shear", -0.3, 0.3),
        ({"crop": 0.4}, "crop_side", 0.6, 1.0),
    ],
)
def test_uniform_numbers(changes, name, low, high):
    values = drawn(**changes)[name]
    assert low <= values.min() < low + 0.001 * (high - low)
    assert high - 0.001 * (high - low) < values.max() <= high
    shares = np.histogram(values, 20, (low, high))[0]
    assert ((shares - 2000.0) ** 2 / 2000.0).sum() < 50.0  # chi squared with 19 degrees: 1e-4


def test_whole_numbers():
    p = drawn(shift=3, cut_rows=4, cut_columns=2, flip="both")
    for name, values in [
        ("shift_rows", range(-3, 4)),
        ("shift_columns", range(-3, 4)),
        ("cut_rows", range(5)),
        ("cut_columns", range(3)),
        ("flip_horizontal", range(2)),
        ("flip_vertical", range(2)),
    ]:
        found, counts = np.unique(p[name], return_counts=True)
        assert found.tolist() == list(values)
        expected = 40_000 / len(found)
        assert ((counts - expected) ** 2 / expected).sum() < 30.0
    assert (p["cut_row"] + p["cut_rows"]).max() == 28
    assert (p["cut_column"] + p["cut_columns"]).max() == 20


def test_windows_and_rectangles_lie_inside():
    p = drawn(crop=0.5, erase=0.3)
    for middle, size in (("crop_row", 28), ("crop_column", 20)):
        reach = np.abs(p[middle]) + 0.5 * size * p["crop_side"]
        assert 0.49 * size < reach.max() <= 0.5 * size + 1e-9
    assert p["erase_row"].min() == p["erase_column"].min() == 0
    assert (p["erase_row"] + p["erase_rows"]).max() == 28
    assert (p["erase_column"] + p["erase_columns"]).max() == 20
    share = p["erase_rows"] * p["erase_columns"] / (28 * 20)
    assert share.mean() == pytest.approx(0.15, abs=0.01)
    assert share.max() < 0.34  # of whole pixels


def test_numbers_of_rows_epochs_seeds_and_changes_are_not_related():
    changes = {**ALL, "noise": 0.0}
    numbers = drawn(**changes)
    for size in ("crop_row", "crop_column"):  # the window's middle goes as far as its size lets it
        del numbers[size]
    table = [value[:-1] for value in numbers.values()]
    others = (drawn(epoch=1, **changes)["angle"][:-1], drawn(seed=1, **changes)["angle"][:-1], numbers["angle"][1:])
    related = np.corrcoef(np.stack([*table, *others]))
    kinds = [name.rstrip("s") if name.startswith("cut") else name for name in numbers]
    kinds = ["erase" if kind.startswith("erase") else kind for kind in kinds] + ["epoch", "seed", "row"]
    apart = np.array([[a != b for a in kinds] for b in kinds])  # place and size of one band or rectangle are related
    assert np.abs(related[apart]).max() < 5.0 / np.sqrt(40_000)


def test_another_change_leaves_what_the_others_draw():
    alone, together = drawn(rotate=20.0), drawn(**{**ALL, "rotate": 20.0})
    assert np.array_equal(alone["angle"], together["angle"])


# ---------------------------------------------------------------------------------- seed, epoch, row alone


@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6), far=st.integers(0, 2**40))
def test_batches_and_their_order_change_no_bit(data, seed, epoch, far):
    shape = data.draw(st.sampled_from(SHAPES))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    X, rows = pictures(11, shape, dtype), np.arange(11) + far
    whole, _ = versions(X, shape, epoch=epoch, seed=seed, rows=rows, **ALL)
    order = np.array(data.draw(st.permutations(range(11))))
    cuts = sorted(data.draw(st.lists(st.integers(0, 11), max_size=4)))
    kind = data.draw(st.sampled_from([np.int64, np.uint64]))
    parts = [
        versions(X[part], shape, epoch=epoch, seed=seed, rows=rows[part].astype(kind), **ALL)[0]
        for part in np.split(order, cuts)
    ]
    assert np.concatenate(parts).tobytes() == whole[order].tobytes()


def test_threads_change_no_bit():
    X = pictures(400, (12, 12), np.float32)
    ready, rows = Augmenter((12, 12), **ALL).prepared(144), np.arange(400)
    alone, shared = X.copy(), X.copy()
    ready.apply(alone, rows, 3, 5)
    together = threading.Barrier(2)

    def work(part):
        together.wait()
        for low in range(part.start, part.stop, 20):
            ready.apply(shared[low : low + 20], rows[low : low + 20], 3, 5)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, [slice(0, 200), slice(200, 400)]))
    assert shared.tobytes() == alone.tobytes()


def test_seed_epoch_and_row_each_decide():
    X = np.repeat(pictures(1, (12, 12)), 2, axis=0)
    base, _ = versions(X, (12, 12), **ALL)
    assert not np.array_equal(base[0], base[1])
    for other in ({"seed": 1}, {"epoch": 1}, {"seed": 2**32}, {"rows": np.array([2, 3])}):
        Z, _ = versions(X, (12, 12), **other, **ALL)
        assert not (base == Z).all(axis=1).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_is_float64_rounded(shape):
    X = pictures(50, shape, np.float32)
    narrow, _ = versions(X, shape, **ALL)
    wide, _ = versions(X.astype(np.float64), shape, **ALL)
    assert np.abs(narrow - wide).max() < 1e-4


# --------------------------------------------------------------------------------------- the transformer


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int64, np.uint64, np.float16, np.float32, np.float64])
def test_versions_are_of_the_type_of_x(dtype):
    X = (pictures(20, (8, 8)) * 100.0).astype(dtype)
    Z = Augmenter(random_state=0, **{**ALL, "noise": 1.0}).fit(X)
    Z = Z.sample(X, copies=2)
    assert Z.dtype == X.dtype
    assert Z.shape == (40, 64)
    assert not np.array_equal(Z[:20], X)


def test_whole_numbers_are_rounded_and_kept_in_range():
    X = np.random.default_rng(0).integers(0, 256, (30, 64), dtype=np.uint8)
    changes = {"rotate": 20.0, "noise": 60.0, "random_state": 3}
    Z, wide = (Augmenter(**changes).fit(x).augment(x) for x in (X, X.astype(np.float32)))
    assert wide.min() < 0.0
    assert wide.max() > 255.0
    assert np.array_equal(Z, np.clip(np.rint(wide), 0, 255))
    for dtype in (np.int64, np.uint64):  # whose largest is no float
        far = Augmenter(shift=3, fill=1e30, random_state=0).fit(X.astype(dtype)).augment(X.astype(dtype))
        assert far.max() > 2**62


def test_copies_are_epochs_and_targets_follow():
    X, y = pictures(7, (6, 6)), np.array(list("abcdefg"))
    augmenter = Augmenter(**ALL, random_state=1).fit(X)
    Z, targets = augmenter.sample(X, y, copies=3)
    assert np.array_equal(Z, np.concatenate([augmenter.augment(X, epoch=k) for k in range(3)]))
    assert targets.tolist() == [*y.tolist()] * 3
    assert np.array_equal(augmenter.augment(X), augmenter.augment(X))
    free = Augmenter(**ALL, random_state=np.random.RandomState(0)).fit(X)
    assert not np.array_equal(free.augment(X), free.augment(X))


def test_what_is_given_stays():
    X = pictures(5, (6, 6))
    before = X.copy()
    Augmenter(**ALL).fit(X).sample(X, copies=2)
    assert np.array_equal(X, before)
    Z = np.asfortranarray(X)
    assert np.array_equal(
        Augmenter(shift=1, random_state=0).fit(Z).augment(Z), Augmenter(shift=1, random_state=0).fit(X).augment(X)
    )


def test_rows_to_predict_are_not_changed(tmp_path):
    X, y = pictures(60, (6, 6)), np.arange(60) % 2
    X[y == 1, :18] += 1.0
    augmenter = Augmenter(**ALL, random_state=0)
    assert np.array_equal(augmenter.fit_transform(X), X)
    model = make_pipeline(augmenter, LogisticRegression()).fit(X, y)
    plain = LogisticRegression().fit(X, y)
    assert np.array_equal(model.predict_proba(X), plain.predict_proba(X))
    save(model, tmp_path / "model.steepest")
    again = load(tmp_path / "model.steepest")
    assert np.array_equal(again.predict_proba(X), plain.predict_proba(X))
    assert again[0].get_params() == augmenter.get_params()
    assert np.array_equal(again[0].augment(X), augmenter.augment(X))


def test_clones_and_pickles_draw_the_same():
    X = pictures(5, (9, 14))
    augmenter = Augmenter((9, 14), **ALL, random_state=4).fit(X)
    for other in (clone(augmenter).fit(X), pickle.loads(pickle.dumps(augmenter))):
        assert other.get_params() == augmenter.get_params()
        assert np.array_equal(other.augment(X), augmenter.augment(X))
    ready = pickle.loads(pickle.dumps(augmenter.prepared(126)))
    Z = X.copy()
    ready.apply(Z, np.arange(5), 0, 0)
    assert np.array_equal(Z, versions(X, (9, 14), **ALL)[0])


# ------------------------------------------------------------------------------------------------ words


def test_words():
    given = Augmenter.parse(" shift, rotate=10,elastic ")
    assert given.get_params() == Augmenter(shift=2, rotate=10.0, elastic=1.2).get_params()
    assert Augmenter.parse("cut-rows=3,flip=both,noise=0.5,image_shape=32x16x3").get_params() == (
        Augmenter((32, 16, 3), cut_rows=3, flip="both", noise=0.5).get_params()
    )
    assert Augmenter.parse(",".join(USUAL)).get_params() == Augmenter(**USUAL).get_params()
    assert as_augmenter("shift", (4, 9)).prepared(36).plan[:3] == (4, 9, 1)
    assert as_augmenter({"shift": 1, "image_shape": (9, 4)}, (4, 9)).prepared(36).plan[:3] == (9, 4, 1)
    own = Augmenter(zoom=0.1)
    assert as_augmenter(own) is own


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected names of flip, rotate, shift"),
        ("shift,turn=3", "expected names of .*, got 'turn' in 'shift,turn=3'"),
        ("noise", "noise needs a value, as in 'noise=0.1'"),
        ("image_shape", "as in 'image_shape=28x28'"),
        ("rotate=much", "expected a number for rotate, got 'much'"),
        ("shift=1.5", "expected a whole number for shift, got '1.5'"),
        ("shift=", "expected a whole number for shift, got ''"),
        ("image_shape=28xa", "expected sizes, as in 28x28 for image_shape, got '28xa'"),
        ("shift,zoom,shift=3", "every name once, got 'shift' twice"),
    ],
)
def test_bad_words(text, message):
    with pytest.raises(InvalidParameterError, match=f"augment: .*{message}"):
        Augmenter.parse(text)


# ----------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flip": "left"}, "flip: expected one of .*'both'.*, got 'left'. Try flip='horizontal'"),
        ({"rotate": -1}, "rotate: expected a number of at least 0 and at most 180, got -1.0. Try rotate=10.0"),
        ({"rotate": 181.0}, "rotate: .* at most 180, got 181.0"),
        ({"rotate": "10"}, "rotate: expected a number, got '10'"),
        ({"rotate": np.nan}, "rotate: expected a finite number, got nan"),
        ({"shift": 1.5}, r"shift: expected a whole number of pixels, of 0 to 6, got 1.5. Try shift=2"),
        ({"shift": 7}, "shift: .* of 0 to 6, got 7"),
        ({"shift": True}, "shift: .* got True"),
        ({"cut_rows": 7}, "cut_rows: .* of 0 to 6, got 7. Try cut_rows=4"),
        ({"cut_columns": -1}, "cut_columns: .* got -1"),
        ({"zoom": 1.0}, "zoom: .* less than 1, got 1.0"),
        ({"crop": 1.0}, "crop: .* less than 1, got 1.0"),
        ({"erase": 1.1}, "erase: .* at most 1, got 1.1"),
        ({"shear": 1e30}, r"shear: .* at most 6, got 1e\+30"),
        ({"elastic": 1e30}, r"elastic: .* at most 6, got 1e\+30"),
        ({"noise": -0.1}, "noise: expected a number of at least 0, got -0.1. Try noise=0.1"),
        ({"fill": np.inf}, "fill: expected a finite number"),
        ({"image_shape": (6,)}, r"image_shape: expected \(rows, columns\) or .*, got \(6,\). Try"),
        ({"image_shape": 36}, "image_shape: .* got 36"),
        ({"image_shape": (6, 0)}, r"image_shape: .* got \(6, 0\)"),
        ({"image_shape": (4, 8)}, "image_shape: 4 x 8 pixels are 32 features, and X has 36. Give the shape"),
    ],
)
def test_bad_parameters(changes, message):
    X = pictures(3, (6, 6))
    for call in (Augmenter(**changes).fit, lambda X: Augmenter(**changes).prepared(X.shape[1])):
        with pytest.raises(InvalidParameterError, match=message):
            call(X)


def test_bad_data():
    X = pictures(4, (6, 6))
    with pytest.raises(InvalidParameterError, match=r"12 features are no square. Give it as"):
        Augmenter(shift=1).fit(X[:, :12])
    assert Augmenter(noise=1.0).fit(X[:, :12]).image_shape_ == (1, 12, 1)  # nothing that needs a shape
    augmenter = Augmenter(shift=1).fit(X)
    with pytest.raises(InvalidParameterError, match="copies: expected a whole number of at least 1, got 0"):
        augmenter.sample(X, copies=0)
    for y in (np.zeros(3), 3):
        with pytest.raises(DataError, match="y: expected 4 entries, one a row of X, got 3"):
            augmenter.sample(X, y, copies=2)
    with pytest.raises(InvalidParameterError, match="epoch: expected a whole number, got 'a'"):
        augmenter.augment(X, "a")
    with pytest.raises(InvalidParameterError, match=r"augment: expected an Augmenter, .* got 3"):
        as_augmenter(3)
    with pytest.raises(InvalidParameterError, match=r"augment: expected parameters of Augmenter, .*; got 'turn'"):
        as_augmenter({"turn": 3})


@pytest.mark.parametrize(
    ("batch", "rows", "message"),
    [
        (np.zeros((4, 36), np.float16), np.arange(4), "batch: .* got float16 of shape"),
        (np.zeros((4, 36), np.uint8), np.arange(4), "batch: .*float32 or float64 .* got uint8.*Use np.array"),
        (np.zeros((36, 4)).T, np.arange(4), "batch: expected a C-contiguous"),
        (np.zeros((4, 35)), np.arange(4), "batch: .* rows of 36 numbers .* shape .4, 35."),
        (np.zeros((4, 36)), np.arange(5), "rows: expected 4 numbers, one a row of the batch, got 5"),
        (np.zeros((4, 36)), np.arange(4.0), "rows: expected a vector of whole numbers, got float64"),
        (np.zeros((4, 36)), np.arange(4)[:, None], "rows: expected a vector"),
    ],
)
def test_what_a_kernel_cannot_take_is_refused(batch, rows, message):
    ready = Augmenter((6, 6), shift=1).prepared(36)
    with pytest.raises(DataError, match=message):
        ready.apply(batch, rows, 0, 0)
    assert not batch.any()
