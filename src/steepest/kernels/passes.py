"""Passes over the data for one score a row: products, the fused gradient sweep, sums along a ray.

A sweep takes a block of rows that fits the cache, computes scores, losses and slopes, and adds the block
to the gradient while it is still there: X is read from memory once for a full gradient.  Rows of weight 0
are absent: their loss is not added even where it is infinite, and their slope and curvature count as 0.
"""

from __future__ import annotations

from steepest.jit import fast_inner, fast_kernel, kernel
from steepest.kernels.rows import accumulate, scores, square_norms, square_sums
from steepest.losses.registry import conjugate, curvature, slope, value


@fast_kernel
def product(rows, w, b, start, stop, z):
    """z = X w + b."""
    scores(rows, w, b, start, stop, z)


@fast_kernel
def transposed(rows, p, u, start, stop, g):
    """g += X^T (p u); returns sum p u."""
    return accumulate(rows, p, u, start, stop, g)


@fast_inner
def take_losses(loss, z, y, p, u):
    """Slopes u of known scores, 0 in absent rows; returns sum p loss.

    Two loops, though they share an exponential: one that sums and stores would be compiled twice, as vectors
    for arrays that lie far apart and as numbers for others, and its sum would depend on where memory was free.
    """
    total = 0.0
    for i in range(z.shape[0]):
        v = value(loss, z[i], y[i])
        total += p[i] * v if p[i] != 0.0 else 0.0
    for i in range(z.shape[0]):
        u[i] = slope(loss, z[i], y[i]) if p[i] != 0.0 else 0.0
    return total


@fast_kernel
def sweep(loss, rows, y, p, w, b, start, stop, block, z, u, g):
    """Scores z, slopes u, gradient g; returns (sum p loss, sum p u)."""
    total = 0.0
    slopes = 0.0
    for low in range(start, stop, block):
        high = min(low + block, stop)
        scores(rows, w, b, low, high, z)
        # slices begin at 0: an index that might be negative keeps a loop from becoming vectors
        total += take_losses(loss, z[low:high], y[low:high], p[low:high], u[low:high])
        slopes += accumulate(rows, p, u, low, high, g)
    return total, slopes


@fast_kernel
def losses_slopes(loss, z, y, p, u):
    """Slopes u of known scores; returns sum p loss."""
    return take_losses(loss, z, y, p, u)


@fast_kernel
def losses_sum(loss, z, y, p):
    """sum p loss."""
    total = 0.0
    for i in range(z.shape[0]):
        v = value(loss, z[i], y[i])
        total += p[i] * v if p[i] != 0.0 else 0.0
    return total


@fast_kernel
def along_ray(loss, z, dz, t, y, p):
    """(sum p loss, its derivative in t) at the scores z + t dz."""
    total = 0.0
    derivative = 0.0
    for i in range(z.shape[0]):
        s = z[i] + t * dz[i]
        v = value(loss, s, y[i])
        total += p[i] * v if p[i] != 0.0 else 0.0
        derivative += p[i] * slope(loss, s, y[i]) * dz[i] if p[i] != 0.0 else 0.0
    return total, derivative


@fast_kernel
def curvatures(loss, z, y, p, h):
    """h = p loss''."""
    for i in range(z.shape[0]):
        h[i] = p[i] * curvature(loss, z[i], y[i]) if p[i] != 0.0 else 0.0


@fast_kernel
def curved_sweep(rows, h, v, b, start, stop, block, t, g):
    """Hessian times vector: g += X^T h (X v + b); returns sum h (X v + b)."""
    total = 0.0
    for low in range(start, stop, block):
        high = min(low + block, stop)
        scores(rows, v, b, low, high, t)
        total += accumulate(rows, h, t, low, high, g)
    return total


@kernel
def conjugates_sum(loss, u, y, p):
    """sum p loss*(u); inf where a u with positive weight leaves the domain."""
    total = 0.0
    for i in range(u.shape[0]):
        if p[i] != 0.0:
            total += p[i] * conjugate(loss, u[i], y[i])
    return total


@fast_kernel
def column_moments(rows, p, start, stop, first, second):
    """Adds the weighted sums of x and x**2 by column."""
    square_sums(rows, p, start, stop, first, second)


@fast_kernel
def row_norms(rows, start, stop, out):
    """out = |x_i|**2."""
    square_norms(rows, start, stop, out)
