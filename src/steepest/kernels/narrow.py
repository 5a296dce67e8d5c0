"""Products of dense rows with a few columns, where BLAS is slow.

``X W`` with ten columns keeps a matrix library from blocking well: it runs at a third of its speed.  Here W
is kept by columns, as k vectors of length d, so that both loops below run along the features: four rows
meet five columns at a time in registers, and eight rows are added to one gradient vector at a time.
Sums over the features are in the precision of the weights given (float32 or float64); callers add blocks
of rows in float64.
"""

from __future__ import annotations

from steepest.jit import fast_kernel, inner


@inner
def store(Z, b, i, c, a0, a1, a2, a3, a4):
    """Five scores of one row."""
    Z[i, c] = a0 + b[c]
    Z[i, c + 1] = a1 + b[c + 1]
    Z[i, c + 2] = a2 + b[c + 2]
    Z[i, c + 3] = a3 + b[c + 3]
    Z[i, c + 4] = a4 + b[c + 4]


@fast_kernel
def narrow_scores(X, W, b, start, stop, Z):
    """Z[i, c] = x_i . W[c] + b[c], with W of shape (k, d)."""
    d = X.shape[1]
    k = W.shape[0]
    fives = k // 5 * 5
    whole = start + (stop - start) // 4 * 4
    zero = W.dtype.type(0)
    for i in range(start, whole, 4):
        x0 = X[i]
        x1 = X[i + 1]
        x2 = X[i + 2]
        x3 = X[i + 3]
        for c in range(0, fives, 5):
            w0 = W[c]
            w1 = W[c + 1]
            w2 = W[c + 2]
            w3 = W[c + 3]
            w4 = W[c + 4]
            a00 = a01 = a02 = a03 = a04 = zero
            a10 = a11 = a12 = a13 = a14 = zero
            a20 = a21 = a22 = a23 = a24 = zero
            a30 = a31 = a32 = a33 = a34 = zero
            for j in range(d):
                q0 = x0[j]
                q1 = x1[j]
                q2 = x2[j]
                q3 = x3[j]
                v = w0[j]
                a00 += q0 * v
                a10 += q1 * v
                a20 += q2 * v
                a30 += q3 * v
                v = w1[j]
                a01 += q0 * v
                a11 += q1 * v
                a21 += q2 * v
                a31 += q3 * v
                v = w2[j]
                a02 += q0 * v
                a12 += q1 * v
                a22 += q2 * v
                a32 += q3 * v
                v = w3[j]
                a03 += q0 * v
                a13 += q1 * v
                a23 += q2 * v
                a33 += q3 * v
                v = w4[j]
                a04 += q0 * v
                a14 += q1 * v
                a24 += q2 * v
                a34 += q3 * v
            store(Z, b, i, c, a00, a01, a02, a03, a04)
            store(Z, b, i + 1, c, a10, a11, a12, a13, a14)
            store(Z, b, i + 2, c, a20, a21, a22, a23, a24)
            store(Z, b, i + 3, c, a30, a31, a32, a33, a34)
        for c in range(fives, k):
            w0 = W[c]
            a0 = a1 = a2 = a3 = zero
            for j in range(d):
                v = w0[j]
                a0 += x0[j] * v
                a1 += x1[j] * v
                a2 += x2[j] * v
                a3 += x3[j] * v
            Z[i, c] = a0 + b[c]
            Z[i + 1, c] = a1 + b[c]
            Z[i + 2, c] = a2 + b[c]
            Z[i + 3, c] = a3 + b[c]
    for i in range(whole, stop):
        x0 = X[i]
        for c in range(k):
            w0 = W[c]
            a0 = zero
            for j in range(d):
                a0 += x0[j] * w0[j]
            Z[i, c] = a0 + b[c]


@fast_kernel
def narrow_accumulate(X, V, start, stop, G):
    """G[c] += sum_i V[i - start, c] x_i, with G of shape (k, d) in the precision of V."""
    d = X.shape[1]
    k = V.shape[1]
    whole = (stop - start) // 8 * 8
    for r in range(0, whole, 8):
        i = start + r
        x0 = X[i]
        x1 = X[i + 1]
        x2 = X[i + 2]
        x3 = X[i + 3]
        x4 = X[i + 4]
        x5 = X[i + 5]
        x6 = X[i + 6]
        x7 = X[i + 7]
        for c in range(k):
            g = G[c]
            v0 = V[r, c]
            v1 = V[r + 1, c]
            v2 = V[r + 2, c]
            v3 = V[r + 3, c]
            v4 = V[r + 4, c]
            v5 = V[r + 5, c]
            v6 = V[r + 6, c]
            v7 = V[r + 7, c]
            for j in range(d):
                g[j] += (v0 * x0[j] + v1 * x1[j] + v2 * x2[j] + v3 * x3[j]) + (
                    v4 * x4[j] + v5 * x5[j] + v6 * x6[j] + v7 * x7[j]
                )
    for r in range(whole, stop - start):
        x0 = X[start + r]
        for c in range(k):
            g = G[c]
            v0 = V[r, c]
            for j in range(d):
                g[j] += v0 * x0[j]
