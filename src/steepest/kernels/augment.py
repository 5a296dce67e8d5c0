"""Random versions of images, in place, decided by (seed, epoch, row) alone.

Every row has a state of its own, a hash of the three, and every number drawn for it is a hash of this state and of
the number's place: batches, threads and the order of rows change nothing, and an operation that is switched on leaves
what the others draw.  The hash is the finaliser of SplitMix64.

Rotation, zoom, shear, shift, crop and distortion are one map from the pixels of the result to places of the image,
and one bilinear interpolation there; pixels outside the image have the value ``fill``.  With shifts alone no number
is changed.

References
----------
Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators.  Simard, Steinkraus, Platt (2003), Best
practices for convolutional neural networks applied to visual document analysis.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from steepest.jit import inner, kernel

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_NOISE = np.uint64(0xD1342543DE82EF95)
_LOW = np.uint64(0xFFFF)
_LOW_HALF = np.uint64(0xFFFFFFFF)
_AMPLITUDE = math.sqrt(3.0) * 315.0 / 151.0  # of a control point, for a field of deviation 1 on average over the pixels
_FIELD = 64  # the place from which on a state's numbers are those of the distortion

#: What is drawn for a row, in the order of the columns of ``drawn``.
DRAWN = (
    "flip_horizontal",
    "flip_vertical",
    "angle",
    "zoom",
    "shear",
    "shift_rows",
    "shift_columns",
    "crop_side",
    "crop_row",
    "crop_column",
    "cut_row",
    "cut_rows",
    "cut_column",
    "cut_columns",
    "erase_row",
    "erase_column",
    "erase_rows",
    "erase_columns",
)
(
    _FLIP_H,
    _FLIP_V,
    _ANGLE,
    _ZOOM,
    _SHEAR,
    _DOWN,
    _RIGHT,
    _SIDE,
    _CROP_Y,
    _CROP_X,
    _CUT_Y,
    _CUT_H,
    _CUT_X,
    _CUT_W,
    _ERASE_Y,
    _ERASE_X,
    _ERASE_H,
    _ERASE_W,
) = range(len(DRAWN))


class Plan(NamedTuple):
    """Shape of the images and the largest size of every change; ``rotate`` in radians."""

    rows: int
    columns: int
    channels: int
    horizontal: bool
    vertical: bool
    rotate: float
    shift: int
    zoom: float
    shear: float
    crop: float
    cut_rows: int
    cut_columns: int
    erase: float
    elastic: float
    noise: float
    fill: float


@inner
def _mixed(z):
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@inner
def _state(seed, epoch, row):
    key = _mixed(_mixed(seed + _STEP) + (epoch + np.uint64(1)) * _STEP)
    return _mixed(key + (np.uint64(row) + np.uint64(1)) * _STEP)


@inner
def _uniform(state, place):
    """A number of [0, 1)."""
    return np.float64(_mixed(state + np.uint64(place + 1) * _STEP) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inner
def _signed(state, place):
    """A number of [-1, 1)."""
    return 2.0 * _uniform(state, place) - 1.0


@inner
def _draw(plan, state, p):
    """What happens to one image: the numbers of `DRAWN`."""
    p[_FLIP_H] = 1.0 if plan.horizontal and _uniform(state, _FLIP_H) < 0.5 else 0.0
    p[_FLIP_V] = 1.0 if plan.vertical and _uniform(state, _FLIP_V) < 0.5 else 0.0
    p[_ANGLE] = plan.rotate * _signed(state, _ANGLE)
    p[_ZOOM] = 1.0 + plan.zoom * _signed(state, _ZOOM)
    p[_SHEAR] = plan.shear * _signed(state, _SHEAR)
    p[_DOWN] = math.floor(_uniform(state, _DOWN) * (2 * plan.shift + 1)) - plan.shift
    p[_RIGHT] = math.floor(_uniform(state, _RIGHT) * (2 * plan.shift + 1)) - plan.shift
    side = 1.0 - plan.crop * _uniform(state, _SIDE)
    p[_SIDE] = side
    p[_CROP_Y] = 0.5 * (1.0 - side) * plan.rows * _signed(state, _CROP_Y)  # of the window's middle from the image's
    p[_CROP_X] = 0.5 * (1.0 - side) * plan.columns * _signed(state, _CROP_X)
    height = math.floor(_uniform(state, _CUT_H) * (plan.cut_rows + 1))
    width = math.floor(_uniform(state, _CUT_W) * (plan.cut_columns + 1))
    p[_CUT_H], p[_CUT_W] = height, width
    p[_CUT_Y] = math.floor(_uniform(state, _CUT_Y) * (plan.rows - height + 1))
    p[_CUT_X] = math.floor(_uniform(state, _CUT_X) * (plan.columns - width + 1))
    # a rectangle of a share of the area, up to three times as high as wide or as wide as high
    area = plan.erase * _uniform(state, _ERASE_H)
    ratio = math.exp(_signed(state, _ERASE_W) * math.log(3.0))
    height = min(math.floor(math.sqrt(area * ratio) * plan.rows + 0.5), plan.rows)
    width = min(math.floor(math.sqrt(area / ratio) * plan.columns + 0.5), plan.columns)
    p[_ERASE_H], p[_ERASE_W] = height, width
    p[_ERASE_Y] = math.floor(_uniform(state, _ERASE_Y) * (plan.rows - height + 1))
    p[_ERASE_X] = math.floor(_uniform(state, _ERASE_X) * (plan.columns - width + 1))


@inner
def _flip(plan, image, across, down):
    rows, columns, channels = plan.rows, plan.columns, plan.channels
    if across:
        for y in range(rows):
            for x in range(columns // 2):
                for c in range(channels):
                    a = (y * columns + x) * channels + c
                    b = (y * columns + columns - 1 - x) * channels + c
                    image[a], image[b] = image[b], image[a]
    if down:
        width = columns * channels
        for y in range(rows // 2):
            for e in range(width):
                a = y * width + e
                b = (rows - 1 - y) * width + e
                image[a], image[b] = image[b], image[a]


@inner
def _copy(source, start, target, to, count):
    start, to = np.uint64(start), np.uint64(to)
    for e in range(np.uint64(count)):
        target[to + e] = source[start + e]


@inner
def _pad(plan, image, padded):
    """Copy an image into one with a frame of ``fill``, one pixel wide, that is there already."""
    width = plan.columns * plan.channels
    wide = (plan.columns + 2) * plan.channels
    for y in range(plan.rows):
        _copy(image, y * width, padded, (y + 1) * wide + plan.channels, width)


@inner
def _move(plan, image, padded, down, right, fill):
    """Shift by whole pixels: copies, no arithmetic."""
    channels = plan.channels
    width, wide = plan.columns * channels, (plan.columns + 2) * channels
    low, high = max(right, 0) * channels, (plan.columns + min(right, 0)) * channels
    for y in range(plan.rows):
        source = y - down
        if low >= high or source < 0 or source >= plan.rows:
            image[y * width : (y + 1) * width] = fill
            continue
        image[y * width : y * width + low] = fill
        image[y * width + high : (y + 1) * width] = fill
        _copy(padded, (source + 1) * wide + (1 - right) * channels + low, image, y * width + low, high - low)


@inner
def _field(state, amplitude, coefficients):
    """Random displacements of the control points: (2, rows, columns) of them."""
    points = coefficients.shape[1] * coefficients.shape[2]
    kind = coefficients.dtype.type
    scale = amplitude * (2.0 / 4294967296.0)
    for k in range(points):
        z = _mixed(state + np.uint64(_FIELD + k) * _STEP)
        a, b = k // coefficients.shape[2], k % coefficients.shape[2]
        coefficients[0, a, b] = kind(scale * np.float64(z >> np.uint64(32)) - amplitude)
        coefficients[1, a, b] = kind(scale * np.float64(z & _LOW_HALF) - amplitude)


@inner
def _expand(coefficients, first, weights, wide):
    """The field's splines along the rows of control points: wide[:, i] <- their values at the pixels of a row."""
    for i in range(coefficients.shape[1]):
        for x in range(weights.shape[1]):
            a = coefficients.dtype.type(0)
            b = coefficients.dtype.type(0)
            for t in range(4):
                j = np.uint64(first[x] + t)
                a += weights[t, x] * coefficients[0, i, j]
                b += weights[t, x] * coefficients[1, i, j]
            wide[0, i, x] = a
            wide[1, i, x] = b


@inner
def _displace(wide, i, a, b, c, d, v, u):
    """Add the splines down the columns of control points, i the first of four, to the places of a row of pixels."""
    i, j, k, h = np.uint64(i), np.uint64(i + 1), np.uint64(i + 2), np.uint64(i + 3)
    for x in range(u.shape[0]):
        v[x] += a * wide[0, i, x] + b * wide[0, j, x] + c * wide[0, k, x] + d * wide[0, h, x]
        u[x] += a * wide[1, i, x] + b * wide[1, j, x] + c * wide[1, k, x] + d * wide[1, h, x]


@inner
def _locate(plan, v, u, corner):
    """Places <- what lies beyond the pixel above and left of them, whose number goes to ``corner``."""
    kind = v.dtype.type
    low, high_x, high_y = kind(0), kind(plan.columns + 1), kind(plan.rows + 1)
    end_x, end_y = np.int32(plan.columns), np.int32(plan.rows)
    step_y, step_x = np.int32((plan.columns + 2) * plan.channels), np.int32(plan.channels)
    for x in range(u.shape[0]):
        y_at = min(max(v[x], low), high_y)
        x_at = min(max(u[x], low), high_x)
        j = min(np.int32(y_at), end_y)
        i = min(np.int32(x_at), end_x)
        v[x] = y_at - kind(j)
        u[x] = x_at - kind(i)
        corner[x] = np.uint32(j * step_y + i * step_x)


@inner
def _interpolate(padded, corner, v, u, wide, channels, out):
    """A row of pixels, bilinearly: ``wide`` numbers of ``padded`` from one row to the next."""
    if channels == 1:
        one = np.uint64(1)
        for x in range(np.uint64(u.shape[0])):
            k = np.uint64(corner[x])
            a, b, c, d = padded[k], padded[k + one], padded[k + wide], padded[k + wide + one]
            a += u[x] * (b - a)
            c += u[x] * (d - c)
            out[x] = a + v[x] * (c - a)
        return
    step = np.uint64(channels)
    for x in range(np.uint64(u.shape[0])):
        for e in range(step):
            k = np.uint64(corner[x]) + e
            a, b, c, d = padded[k], padded[k + step], padded[k + wide], padded[k + wide + step]
            a += u[x] * (b - a)
            c += u[x] * (d - c)
            out[x * step + e] = a + v[x] * (c - a)


@inner
def _warp(plan, image, padded, p, first, weights, wide, v, u, corner):
    """Image <- the padded copy at A (pixel - middle) + offset + displacement, interpolated."""
    kind = image.dtype.type
    cos, sin = math.cos(p[_ANGLE]), math.sin(p[_ANGLE])
    scale = p[_SIDE] / p[_ZOOM]
    # the inverse of: zoom, then shear (x += shear y), then rotate counter-clockwise, then shift; then the window
    yy, yx = scale * cos, scale * sin
    xy, xx = scale * (-sin - p[_SHEAR] * cos), scale * (cos - p[_SHEAR] * sin)
    middle_y, middle_x = 0.5 * (plan.rows - 1), 0.5 * (plan.columns - 1)
    from_y = (p[_CROP_Y] - p[_DOWN]) / p[_SIDE] - middle_y
    from_x = (p[_CROP_X] - p[_RIGHT]) / p[_SIDE] - middle_x
    step_y, step_x = kind(yx), kind(xx)
    width = plan.columns * plan.channels
    for y in range(plan.rows):
        start_y = kind(middle_y + 1.0 + yy * (y + from_y) + yx * from_x)  # by one more, for the frame
        start_x = kind(middle_x + 1.0 + xy * (y + from_y) + xx * from_x)
        for x in range(plan.columns):
            v[x] = start_y + step_y * kind(x)
            u[x] = start_x + step_x * kind(x)
        if plan.elastic > 0.0:
            _displace(wide, first[y], weights[0, y], weights[1, y], weights[2, y], weights[3, y], v, u)
        _locate(plan, v, u, corner)
        out = image[y * width : (y + 1) * width]
        _interpolate(padded, corner, v, u, np.uint64((plan.columns + 2) * plan.channels), plan.channels, out)


@inner
def _blank(plan, image, row, column, rows, columns, fill):
    """A rectangle of pixels <- fill."""
    for y in range(row, row + rows):
        for e in range(column * plan.channels, (column + columns) * plan.channels):
            image[y * plan.columns * plan.channels + e] = fill


@inner
def _noise(image, state, deviation):
    """Add numbers of mean zero: sums of four uniform ones, close to normal and never beyond 3.47 deviations."""
    kind = image.dtype.type
    scale = deviation * math.sqrt(3.0 / (65536.0 * 65536.0 - 1.0))
    key = _mixed(state ^ _NOISE)
    for e in range(np.uint64(image.shape[0])):
        z = _mixed(key + (e + np.uint64(1)) * _STEP)
        total = (z & _LOW) + ((z >> np.uint64(16)) & _LOW) + ((z >> np.uint64(32)) & _LOW) + (z >> np.uint64(48))
        image[e] += kind(scale * (np.float64(np.int64(total)) - 131070.0))


@kernel
def draw(rows, epoch, seed, plan, drawn):
    """What `augment` does to rows: drawn[i] <- the numbers of `DRAWN` for row rows[i].

    Parameters
    ----------
    rows : (m,) integers
    epoch, seed : uint64
    plan : Plan
    drawn : (m, 18) float64
    """
    for i in range(rows.shape[0]):
        _draw(plan, _state(seed, epoch, rows[i]), drawn[i])


@kernel
def augment(batch, rows, epoch, seed, plan, spline_rows, spline_columns):
    """Make each image of a batch a random version of itself, in place.

    Parameters
    ----------
    batch : (m, d) float32 or float64, C-contiguous
        Images, row by row of pixels, the channels of a pixel side by side.
    rows : (m,) integers
        Their numbers in the data set.
    epoch, seed : uint64
    plan : Plan
    spline_rows, spline_columns : (first, weights)
        Of the distortion: the first of the four control points that reach a pixel, and their weights (4, pixels) of
        batch.dtype.
    """
    down_first, down_weights = spline_rows
    across_first, across_weights = spline_columns
    padded = np.full((plan.rows + 2) * (plan.columns + 2) * plan.channels, plan.fill, batch.dtype)
    v, u = np.empty(plan.columns, batch.dtype), np.empty(plan.columns, batch.dtype)
    corner = np.empty(plan.columns, np.uint32)
    points_down = down_first[-1] + 4 if plan.elastic > 0.0 else 0
    points_across = across_first[-1] + 4 if plan.elastic > 0.0 else 0
    coefficients = np.empty((2, points_down, points_across), batch.dtype)
    wide = np.empty((2, points_down, plan.columns), batch.dtype)
    p = np.empty(len(DRAWN))
    fill = batch.dtype.type(plan.fill)
    warped = plan.rotate > 0.0 or plan.zoom > 0.0 or plan.shear > 0.0 or plan.crop > 0.0 or plan.elastic > 0.0
    for i in range(rows.shape[0]):
        image = batch[i]
        state = _state(seed, epoch, rows[i])
        _draw(plan, state, p)
        _flip(plan, image, p[_FLIP_H] > 0.0, p[_FLIP_V] > 0.0)
        if warped:
            _pad(plan, image, padded)
            if plan.elastic > 0.0:
                _field(state, plan.elastic * _AMPLITUDE, coefficients)
                _expand(coefficients, across_first, across_weights, wide)
            _warp(plan, image, padded, p, down_first, down_weights, wide, v, u, corner)
        elif plan.shift > 0:
            _pad(plan, image, padded)
            _move(plan, image, padded, int(p[_DOWN]), int(p[_RIGHT]), fill)
        _blank(plan, image, int(p[_CUT_Y]), 0, int(p[_CUT_H]), plan.columns, fill)
        _blank(plan, image, 0, int(p[_CUT_X]), plan.rows, int(p[_CUT_W]), fill)
        _blank(plan, image, int(p[_ERASE_Y]), int(p[_ERASE_X]), int(p[_ERASE_H]), int(p[_ERASE_W]), fill)
        if plan.noise > 0.0:
            _noise(image, state, plan.noise)
