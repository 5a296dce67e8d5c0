"""Coordinate descent on a quadratic model with an l1 term, and the column access it needs.

The model of a step d from w is ``q.d + d'Hd/2 + sum_j lam_j |w_j + d_j|``.  Two kernels minimise it one
coordinate at a time: `gram_descent` keeps the whole gradient ``q + H d`` and never sees data;
`column_descent` keeps ``t = X d`` and reads columns.  An unpenalised intercept is eliminated: the columns act
as centred by the weights of the model, at one product a step.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import fast_kernel, inner, kernel


@inner
def _shrunk(u, lam, h):
    """argmin_v h v^2 / 2 - u v + lam |v|."""
    if u > lam:
        return (u - lam) / h
    if u < -lam:
        return (u + lam) / h
    return 0.0


@fast_kernel
def gram_descent(H, lam, w, q, tol, most, before):
    """Cyclic descent with the gradient q kept up to date; w and q change in place.

    A coordinate at zero whose gradient is within lam costs one comparison, a changed one ``len(w)`` products.
    Ends after ``most`` epochs, or when an epoch lowers the model by at most ``tol`` of all the decrease, that
    of earlier calls (``before``) included.  Returns (epochs, decrease of the last, decrease of all).
    """
    k = len(w)
    done = 0.0
    last = 0.0
    for epoch in range(most):
        last = 0.0
        for j in range(k):
            old = w[j]
            if old == 0.0 and abs(q[j]) <= lam:
                continue
            h = H[j, j]
            if h <= 0.0:
                if old != 0.0 and lam > 0.0:  # a column of zeros: any weight costs and none helps
                    w[j] = 0.0
                    last += lam * abs(old)
                continue
            new = _shrunk(h * old - q[j], lam, h)
            step = new - old
            if step != 0.0:
                w[j] = new
                last += 0.5 * h * step * step
                for i in range(k):
                    q[i] += step * H[j, i]
        done += last
        if last <= tol * (before + done):
            return epoch + 1, last, done
    return most, last, done


@fast_kernel
def column_descent(data, indices, indptr, h, centre, mass, q, diagonal, lam, ridge, old, w, t, shift, tol, most):
    """Cyclic descent over compressed columns with weights h; ``w`` and ``t = X (w - old)`` change in place.

    ``centre = X'h`` and ``mass = sum h`` eliminate the intercept, whose step is ``shift - centre.(w - old) / mass``;
    ``mass = 0`` means there is none.  Epochs go over the coordinates that moved or are not zero, until they
    settle; then over all.  A visited column costs its entries, twice where its weight changes.
    Returns (epochs, decrease of the last, decrease of all).
    """
    k = len(w)
    active = np.ones(k, dtype=np.bool_)
    everything = True
    done = 0.0
    last = 0.0
    moved = 0.0  # centre . (w - old)
    for epoch in range(most):
        last = 0.0
        for j in range(k):
            if not everything and not active[j]:
                continue
            c = diagonal[j]
            if c <= 0.0:
                if w[j] != 0.0 and lam > 0.0:
                    last += lam * abs(w[j])
                    w[j] = 0.0
                continue
            slope = q[j] + ridge * (w[j] - old[j])
            for e in range(indptr[j], indptr[j + 1]):
                slope += h[indices[e]] * data[e] * t[indices[e]]
            if mass > 0.0:
                slope -= centre[j] * moved / mass
            new = _shrunk(c * w[j] - slope, lam, c)
            step = new - w[j]
            active[j] = new != 0.0 or step != 0.0
            if step != 0.0:
                w[j] = new
                last += 0.5 * c * step * step
                moved += step * centre[j]
                for e in range(indptr[j], indptr[j + 1]):
                    t[indices[e]] += step * data[e]
        done += last
        if last <= tol * done:
            if everything:
                return epoch + 1, last, done
            everything = True
        else:
            everything = last == 0.0
    return most, last, done


@fast_kernel
def column_moments(data, indices, indptr, h, first, second):
    """first = X'h and second = (X*X)'h by compressed columns."""
    for j in range(len(first)):
        a = 0.0
        b = 0.0
        for e in range(indptr[j], indptr[j + 1]):
            c = h[indices[e]] * data[e]
            a += c
            b += c * data[e]
        first[j] = a
        second[j] = b


# ------------------------------------------------------------------------------------------ chosen columns


@kernel
def keep_columns(data, indices, indptr, position, start, stop, kept, where, counts):
    """The entries of the rows whose column has a ``position >= 0``, renumbered; returns how many.

    ``kept`` and ``where`` (values and new columns) hold one entry more than these rows, ``counts[i]`` becomes
    the number kept in row i.  Every entry is written and the cursor moves on only for those kept: no branch.
    """
    at = 0
    for i in range(start, stop):
        begin = at
        for e in range(indptr[i], indptr[i + 1]):
            c = position[indices[e]]
            kept[at] = data[e]
            where[at] = c
            at += 1 if c >= 0 else 0
        counts[i] = at - begin
    return at


@kernel
def by_columns(data, indices, indptr, offsets, values, rows):
    """Compressed rows to compressed columns; ``offsets`` holds the column starts and is moved to their ends."""
    for i in range(len(indptr) - 1):
        for e in range(indptr[i], indptr[i + 1]):
            at = offsets[indices[e]]
            values[at] = data[e]
            rows[at] = i
            offsets[indices[e]] = at + 1
