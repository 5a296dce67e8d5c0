"""Dropout masks by a generator that counts: any mask of a run can be drawn by itself, and in any order.

References
----------
Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov (2014), Dropout: a simple way to prevent neural networks from
overfitting.  Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import inner, kernel

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_BITS = 16  # of a unit's draw
_DRAWS = 4  # units of a number of 64 bits
_LOW = np.uint64(0xFFFF)


@inner
def mixed(z):
    """SplitMix64's mixing: every bit of the result depends on every bit of z."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@kernel
def draw_mask(seed, t, layer, keep, out):
    """out <- ``1 / keep`` with probability ``keep`` (to 2^-17), else 0; entry j depends on (seed, t, layer, j) alone.

    Parameters
    ----------
    seed, t, layer : uint64
    keep : float
        In (0, 1].
    out : (size,) float32 or float64
    """
    key = mixed(mixed(mixed(seed + _STEP) + t + _STEP) + layer + _STEP)
    limit = np.uint64(round(keep * (1 << _BITS)))
    on, off = out.dtype.type(1.0 / keep), out.dtype.type(0.0)
    whole = out.shape[0] // _DRAWS
    for i in range(whole):
        z = mixed(key + np.uint64(i + 1) * _STEP)
        j = _DRAWS * i
        out[j] = on if (z & _LOW) < limit else off
        out[j + 1] = on if ((z >> np.uint64(16)) & _LOW) < limit else off
        out[j + 2] = on if ((z >> np.uint64(32)) & _LOW) < limit else off
        out[j + 3] = on if (z >> np.uint64(48)) < limit else off
    z = mixed(key + np.uint64(whole + 1) * _STEP)
    for j in range(_DRAWS * whole, out.shape[0]):
        out[j] = on if (z & _LOW) < limit else off
        z >>= np.uint64(_BITS)
