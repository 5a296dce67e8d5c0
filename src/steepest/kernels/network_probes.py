"""What the outputs of a layer look like, over a batch: one pass."""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, kernel


@kernel
def output_facts(a, mask, low, high, on, out):
    """Mean, variance, and shares of outputs at their limits and of units that nothing switches on.

    Parameters
    ----------
    a : float array of shape (rows, units)
        Outputs, times the mask.
    mask : float array of shape (rows, units) or (0, 0)
        Of dropout: 0 or 1/(1 - p); entries with 0 do not count, the others are divided by it.
    low, high : float
        Outputs at most ``low``, or at least ``high``, are at their limits.
    on : bool array of shape (units,)
        Written: whether some row has an output above zero.
    out : float64 array of shape (4,)
        Written.  Sums are those of differences from the first output, so that equal outputs have variance 0.
    """
    rows, units = a.shape
    masked = mask.shape[0] == rows
    on[:] = False
    count, first, total, squares, at_limit = 0, 0.0, 0.0, 0.0, 0
    for i in range(rows):
        for j in range(units):
            value = np.float64(a[i, j])
            if masked:
                if mask[i, j] == 0.0:
                    continue
                value /= np.float64(mask[i, j])
            if count == 0:
                first = value
            count += 1
            shifted = value - first
            total += shifted
            squares += shifted * shifted
            if value <= low or value >= high:
                at_limit += 1
            if value > 0.0:
                on[j] = True
    size = max(count, 1)
    mean = total / size
    out[0] = first + mean
    out[1] = max(squares / size - mean * mean, 0.0)
    out[2] = at_limit / size
    off = 0
    for j in range(units):
        off += not on[j]
    out[3] = off / units


@kernel
def slope_facts(slopes, out):
    """Sum and largest of ``|slopes|``, float64; nan where one is nan."""
    total, largest = 0.0, 0.0
    for i in range(slopes.shape[0]):
        for j in range(slopes.shape[1]):
            size = abs(np.float64(slopes[i, j]))
            total += size
            if size > largest:
                largest = size
    out[0] = total
    out[1] = largest if total == total else total


@fast_kernel
def norm(x):
    """The Euclidean norm of a vector, summed in float64."""
    total = 0.0
    for i in range(x.shape[0]):
        value = np.float64(x[i])
        total += value * value
    return np.sqrt(total)


@fast_kernel
def difference_norm(x, y):
    """The Euclidean norm of ``x - y``, summed in float64."""
    total = 0.0
    for i in range(x.shape[0]):
        value = np.float64(x[i]) - np.float64(y[i])
        total += value * value
    return np.sqrt(total)
