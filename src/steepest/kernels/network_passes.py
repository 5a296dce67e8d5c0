"""Passes over the sums of a layer: bias, unit and mask at once, and back; batch normalization; the softmax loss.

Arrays are C-contiguous float32 or float64 and all arithmetic on their entries is of their type (a literal would make
it float64).  Sums over the rows of a batch are taken of groups of four rows and added up in float64.  A mask or a bias
of size 0 stands for none.  A result that belongs to all rows lies behind them, in rows of its own, so that one call
can hand back both.
"""

from __future__ import annotations

import math

from steepest.jit import fast_kernel, inner
from steepest.kernels.network_units import apply_unit, apply_unit_slope, exp_below


@inner
def _mask_row(A, mask, i):
    a, m = A[i], mask[i]
    for j in range(a.shape[0]):
        a[j] *= m[j]


@inner
def _add_columns(D, rows, total):
    """total[j] += sum_i D[i, j] over the first rows."""
    columns = D.shape[1]
    whole = rows // 4 * 4
    for i in range(0, whole, 4):
        d0, d1, d2, d3 = D[i], D[i + 1], D[i + 2], D[i + 3]
        for j in range(columns):
            total[j] += (d0[j] + d1[j]) + (d2[j] + d3[j])
    for i in range(whole, rows):
        d0 = D[i]
        for j in range(columns):
            total[j] += d0[j]


@fast_kernel
def bias_unit(A, b, code, parameter, mask):
    """``phi(A + b) * mask``, written over A."""
    for i in range(A.shape[0]):
        if b.size > 0:
            a = A[i]
            for j in range(a.shape[0]):
                a[j] += b[j]
        apply_unit(code, parameter, A, i)
        if mask.size > 0:
            _mask_row(A, mask, i)


@fast_kernel
def bias_unit_back(G, A, code, parameter, mask, keep, D):
    """``dZ = G * mask * phi'``, from the outputs A."""
    for i in range(A.shape[0]):
        apply_unit_slope(code, parameter, A, G, D, i, keep)
        if mask.size > 0:
            _mask_row(D, mask, i)


@fast_kernel
def bias_unit_sums(G, A, code, parameter, mask, keep, total, out):
    """As `bias_unit_back`, with the sums over the rows (the gradient in the bias) in a row behind; total is float64."""
    rows = A.shape[0]
    for i in range(rows):
        apply_unit_slope(code, parameter, A, G, out, i, keep)
        if mask.size > 0:
            _mask_row(out, mask, i)
    column_sums(out, rows, total, out[rows])


@inner
def column_sums(D, rows, total, out):
    """out[j] = sum_i D[i, j]; total is float64 to work in."""
    for j in range(total.shape[0]):
        total[j] = 0.0
    _add_columns(D, rows, total)
    for j in range(total.shape[0]):
        out[j] = total[j]


@fast_kernel
def sum_rows(D, total, out):
    """out[j] = sum_i D[i, j]; total is float64 to work in."""
    column_sums(D, D.shape[0], total, out)


# ---------------------------------------------------------------------------------------------- batch normalization


@fast_kernel
def norm_unit(Z, gamma, beta, code, parameter, mask, epsilon, work, factors, out):
    """``phi(gamma (Z - mean) / sqrt(variance + epsilon) + beta) * mask``; behind it, the means and the variances.

    Parameters
    ----------
    Z : array of shape (m, k)
    work : float64 array of shape (2, k)
    factors : array of shape (k,)
    out : array of shape (m + 2, k)
    """
    rows, columns = Z.shape
    first, second = work[0], work[1]
    mean, variance = out[rows], out[rows + 1]
    column_sums(Z, rows, first, mean)
    for j in range(columns):
        mean[j] = first[j] / rows
        first[j] = 0.0
        second[j] = 0.0
    whole = rows // 4 * 4
    for i in range(0, whole, 4):
        z0, z1, z2, z3 = Z[i], Z[i + 1], Z[i + 2], Z[i + 3]
        for j in range(columns):
            m = mean[j]
            d0, d1, d2, d3 = z0[j] - m, z1[j] - m, z2[j] - m, z3[j] - m
            first[j] += (d0 + d1) + (d2 + d3)
            second[j] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
    for i in range(whole, rows):
        z0 = Z[i]
        for j in range(columns):
            d0 = z0[j] - mean[j]
            first[j] += d0
            second[j] += d0 * d0
    for j in range(columns):
        rest = first[j] / rows  # what rounding left of the mean
        spread = max(second[j] / rows - rest * rest, 0.0) if second[j] == second[j] else second[j]
        mean[j] += rest
        variance[j] = spread
        factors[j] = gamma[j] / math.sqrt(spread + epsilon)
    for i in range(rows):
        z, a = Z[i], out[i]
        for j in range(columns):
            a[j] = (z[j] - mean[j]) * factors[j] + beta[j]
        apply_unit(code, parameter, out, i)
        if mask.size > 0:
            _mask_row(out, mask, i)


@fast_kernel
def norm_unit_back(G, A, Z, moments, gamma, code, parameter, mask, keep, epsilon, work, factors, out):
    """The gradients in Z, and behind them those in gamma and beta.

    With ``u = (Z - mean) / std`` and dY the gradient in ``gamma u + beta``::

        dgamma = sum_i dY u,   dbeta = sum_i dY,   dZ = gamma / std (dY - (dbeta + u dgamma) / m)

    Parameters
    ----------
    G, A, Z : array of shape (m, k)
    moments : array of shape (2, k)
    work : float64 array of shape (2, k)
    factors : array of shape (3, k)
    out : array of shape (m + 2, k)
    """
    rows, columns = Z.shape
    dgamma, dbeta = work[0], work[1]
    mean, variance = moments[0], moments[1]
    inverse, slope, offset = factors[0], factors[1], factors[2]
    for j in range(columns):
        dgamma[j] = 0.0
        dbeta[j] = 0.0
        inverse[j] = 1.0 / math.sqrt(variance[j] + epsilon)
    for i in range(rows):
        apply_unit_slope(code, parameter, A, G, out, i, keep)
        if mask.size > 0:
            _mask_row(out, mask, i)
    whole = rows // 2 * 2
    for i in range(0, whole, 2):
        z0, z1, d0, d1 = Z[i], Z[i + 1], out[i], out[i + 1]
        for j in range(columns):
            m = mean[j]
            dbeta[j] += d0[j] + d1[j]
            dgamma[j] += d0[j] * (z0[j] - m) + d1[j] * (z1[j] - m)
    for i in range(whole, rows):
        z0, d0 = Z[i], out[i]
        for j in range(columns):
            dbeta[j] += d0[j]
            dgamma[j] += d0[j] * (z0[j] - mean[j])
    last, next_to_last = out[rows + 1], out[rows]
    for j in range(columns):
        dgamma[j] *= inverse[j]
        next_to_last[j] = dgamma[j]
        last[j] = dbeta[j]
        slope[j] = dgamma[j] * inverse[j] / rows
        offset[j] = dbeta[j] / rows
        inverse[j] *= gamma[j]
    for i in range(rows):
        z, d = Z[i], out[i]
        for j in range(columns):
            d[j] = inverse[j] * ((d[j] - offset[j]) - (z[j] - mean[j]) * slope[j])


@fast_kernel
def move_moments(running, moments, momentum, rows):
    """``running += momentum (moments - running)``, rows of means and of variances, these made unbiased."""
    unbiased = rows / (rows - 1.0)
    for j in range(running.shape[1]):
        running[0, j] += momentum * (moments[0, j] - running[0, j])
        running[1, j] += momentum * (moments[1, j] * unbiased - running[1, j])


# ----------------------------------------------------------------------------------------------------------- maxout


@inner
def _raise_to(z, b, p, best, which):
    """Piece p of a row is where it is larger than what came before; NaN stays."""
    start = p * best.shape[0]
    for j in range(best.shape[0]):
        v = z[start + j] + b[start + j]
        new = p == 0 or v > best[j] or v != v
        best[j] = v if new else best[j]
        which[j] = p if new else which[j]


@fast_kernel
def maxout(Z, b, mask, which, out):
    """The largest of the pieces ``Z[:, p * width + j] + b``, times the mask.  which has shape (width,), to work in."""
    for i in range(out.shape[0]):
        for p in range(Z.shape[1] // out.shape[1]):
            _raise_to(Z[i], b, p, out[i], which)
        if mask.size > 0:
            _mask_row(out, mask, i)


@fast_kernel
def maxout_back(G, Z, b, mask, work, total, out):
    """The gradient in Z goes to the first largest piece; sums over the rows lie behind.  work has shape (2, width)."""
    rows, width = G.shape
    zero = out.dtype.type(0)
    best, which = work[0], work[1]
    for i in range(rows):
        pieces = Z.shape[1] // width
        for p in range(pieces):
            _raise_to(Z[i], b, p, best, which)
        g, d = G[i], out[i]
        for j in range(width):
            best[j] = g[j] * mask[i, j] if mask.size > 0 else g[j]
        for p in range(pieces):
            start = p * width
            for j in range(width):
                d[start + j] = best[j] if which[j] == p else zero
    column_sums(out, rows, total, out[rows])


# ------------------------------------------------------------------------------------------------- softmax and loss


@fast_kernel
def mean_cross_entropy(Z, y, s, out):
    """``(1 / m) sum_i s_i (log sum_j exp Z_ij - Z_iy)`` as the last entry, before it the gradient in Z."""
    rows, columns = Z.shape
    flat = Z.reshape(rows * columns)
    for i in range(rows):
        z = Z[i]
        most = z[0]
        for j in range(1, columns):
            most = z[j] if z[j] > most else most
        start = i * columns
        for j in range(columns):
            out[start + j] = z[j] - most
    value = 0.0
    for i in range(rows):
        value -= s[i] * out[i * columns + y[i]]
    for k in range(flat.shape[0]):
        out[k] = exp_below(out[k])
    for i in range(rows):
        start = i * columns
        total = out.dtype.type(0)
        for j in range(columns):
            total += out[start + j]
        value += s[i] * math.log(total)
        share = s[i] / rows
        factor = out.dtype.type(share / total)
        for j in range(columns):
            out[start + j] *= factor
        out[start + y[i]] -= share
    out[rows * columns] = value / rows
