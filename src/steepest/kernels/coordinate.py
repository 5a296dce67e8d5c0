"""Coordinate descent on a quadratic model with an l1 term, and the column access it needs.

The model of a step d from w is ``q.d + d'Hd/2 + sum_j lam_j |w_j + d_j|``.  Two kernels minimise it one
coordinate at a time: `gram_descent` keeps the whole gradient ``q + H d`` and never sees data;
`column_descent` keeps ``t = X d`` and reads columns.  An unpenalised intercept is eliminated: the columns act
as centred by the weights of the model, at one product a step.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from steepest.jit import fast_dispatch, fast_kernel, inner, kernel
from steepest.kernels.limits import within


@inner
def _shrunk(u, lam, h):
    """argmin_v h v^2 / 2 - u v + lam |v|."""
    if u > lam:
        return (u - lam) / h
    if u < -lam:
        return (u + lam) / h
    return 0.0


@fast_kernel
def gram_descent(H, lam, limits, w, q, tol, most, before):
    """Cyclic descent with the gradient q kept up to date; w, which keeps to the limits, and q change in place.

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
                    w[j] = within(limits, j, 0.0)
                    last += lam * (abs(old) - abs(w[j]))
                continue
            new = within(limits, j, _shrunk(h * old - q[j], lam, h))
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


class SparseColumns(NamedTuple):
    """Compressed columns: column j has the ``values`` at the ``rows`` beside, from ``offsets[j]`` on."""

    values: Any
    rows: Any
    offsets: Any

    def column_sum(self, j, h, t):
        s = 0.0
        for e in range(self.offsets[j], self.offsets[j + 1]):
            i = self.rows[e]
            s += h[i] * self.values[e] * t[i]
        return s

    def column_add(self, j, step, t):
        for e in range(self.offsets[j], self.offsets[j + 1]):
            t[self.rows[e]] += step * self.values[e]

    def column_difference(self, j, h, t, s):
        total = 0.0
        for e in range(self.offsets[j], self.offsets[j + 1]):
            i = self.rows[e]
            total += h[i] * self.values[e] * (t[i] - s[i])
        return total

    def column_add_weighted(self, j, step, h, t):
        for e in range(self.offsets[j], self.offsets[j + 1]):
            i = self.rows[e]
            t[i] += step * h[i] * self.values[e]

    def column_moments(self, j, h):
        a = 0.0
        b = 0.0
        for e in range(self.offsets[j], self.offsets[j + 1]):
            x = self.values[e]
            c = h[self.rows[e]] * x
            a += c
            b += c * x
        return a, b


class DenseColumns(NamedTuple):
    """Column j of X as the contiguous row ``values[j]``."""

    values: Any

    def column_sum(self, j, h, t):
        X = self.values
        s = 0.0
        for i in range(X.shape[1]):
            s += h[i] * X[j, i] * t[i]
        return s

    def column_add(self, j, step, t):
        X = self.values
        for i in range(X.shape[1]):
            t[i] += step * X[j, i]

    def column_difference(self, j, h, t, s):
        X = self.values
        total = 0.0
        for i in range(X.shape[1]):
            total += h[i] * X[j, i] * (t[i] - s[i])
        return total

    def column_add_weighted(self, j, step, h, t):
        X = self.values
        for i in range(X.shape[1]):
            t[i] += step * h[i] * X[j, i]

    def column_moments(self, j, h):
        X = self.values
        a = 0.0
        b = 0.0
        for i in range(X.shape[1]):
            c = h[i] * X[j, i]
            a += c
            b += c * X[j, i]
        return a, b


@fast_dispatch
def column_sum(self: Any, j: Any, h: Any, t: Any) -> Any:
    """sum_i h_i x_ij t_i."""
    return self.column_sum(j, h, t)


@fast_dispatch
def column_add(self: Any, j: Any, step: Any, t: Any) -> Any:
    """t += step x_j."""
    return self.column_add(j, step, t)


@fast_dispatch
def column_difference(self: Any, j: Any, h: Any, t: Any, s: Any) -> Any:
    """sum_i h_i x_ij (t_i - s_i)."""
    return self.column_difference(j, h, t, s)


@fast_dispatch
def column_add_weighted(self: Any, j: Any, step: Any, h: Any, t: Any) -> Any:
    """t += step h x_j."""
    return self.column_add_weighted(j, step, h, t)


@fast_dispatch
def column_moments(self: Any, j: Any, h: Any) -> Any:
    """(sum_i h_i x_ij, sum_i h_i x_ij^2)."""
    return self.column_moments(j, h)


@fast_kernel
def all_moments(columns, h, first, second):
    """`column_moments` of every column."""
    for j in range(len(first)):
        a, b = column_moments(columns, j, h)
        first[j] = a
        second[j] = b


@fast_kernel
def column_descent(columns, h, centre, mass, diagonal, lam, ridge, limits, q, old, w, t, tol, most, prior):
    """Cyclic descent over columns with row weights h; ``w``, within limits, and ``t = X (w - old)`` change in place.

    ``centre = X'h`` and ``mass = sum h`` eliminate the intercept; ``mass = 0`` means there is none.  Epochs
    go over the coordinates that moved or are not zero until they settle, then over all.  A visited column
    costs its entries, twice where its weight changes.  Ends after ``most`` epochs, or when an epoch over all
    lowers the model by at most ``tol`` of all the decrease, that of earlier calls (``prior``) included.
    Returns (epochs, whether that happened, decrease of all).
    """
    k = len(w)
    active = np.ones(k, dtype=np.bool_)
    everything = True
    done = 0.0
    last = 0.0
    moved = 0.0  # centre . (w - old)
    for j in range(k):
        moved += centre[j] * (w[j] - old[j])
    for epoch in range(most):
        last = 0.0
        for j in range(k):
            if not everything and not active[j]:
                continue
            c = diagonal[j]
            before = w[j]
            if c <= 0.0:
                if before != 0.0 and lam > 0.0:  # a column of zeros: any weight costs and none helps
                    w[j] = within(limits, j, 0.0)
                    last += lam * (abs(before) - abs(w[j]))
                continue
            slope = q[j] + ridge * (before - old[j]) + column_sum(columns, j, h, t)
            if mass > 0.0:
                slope -= centre[j] * moved / mass
            new = within(limits, j, _shrunk(c * before - slope, lam, c))
            step = new - before
            active[j] = new != 0.0 or step != 0.0
            if step != 0.0:
                w[j] = new
                last += 0.5 * c * step * step
                moved += step * centre[j]
                column_add(columns, j, step, t)
        done += last
        if last <= tol * (prior + done):
            if everything:
                return epoch + 1, True, done
            everything = True
        else:
            everything = False
    return most, False, done


@fast_kernel
def softmax_descent(columns, H, Q, diagonal, lam, ridge, limits, g, tail, mass, old, w, b, T, S, tol, most, prior):
    """`column_descent` for the Hessian ``diag(q) - q q'`` of the softmax, all arrays by class.

    ``Q`` (k, n) are the probabilities and ``H = p Q``; ``g``, ``diagonal``, ``old``, ``w`` are (k, d), and of the
    intercepts ``tail``, ``mass`` and the step ``b`` (k,), with mass 0 for none.  ``T = X (w - old) + b`` by class and
    ``S = sum_c q_c T_c`` change in place.  A visited entry costs its column, twice where the weight changes.
    Returns (epochs, whether it settled, decrease of all).
    """
    k, d = w.shape
    n = len(S)
    active = np.ones((k, d), dtype=np.bool_)
    everything = True
    done = 0.0
    last = 0.0
    for epoch in range(most):
        last = 0.0
        for c in range(k):
            if mass[c] > 0.0:
                slope = tail[c]
                for i in range(n):
                    slope += H[c, i] * (T[c, i] - S[i])
                step = -slope / mass[c]
                b[c] += step
                last += 0.5 * mass[c] * step * step
                for i in range(n):
                    T[c, i] += step
                    S[i] += step * Q[c, i]
            for j in range(d):
                if not everything and not active[c, j]:
                    continue
                a = diagonal[c, j]
                before = w[c, j]
                if a <= 0.0:
                    if before != 0.0 and lam > 0.0:
                        w[c, j] = within(limits, j, 0.0)
                        last += lam * (abs(before) - abs(w[c, j]))
                    continue
                slope = g[c, j] + ridge * (before - old[c, j]) + column_difference(columns, j, H[c], T[c], S)
                new = within(limits, j, _shrunk(a * before - slope, lam, a))
                step = new - before
                active[c, j] = new != 0.0 or step != 0.0
                if step != 0.0:
                    w[c, j] = new
                    last += 0.5 * a * step * step
                    column_add(columns, j, step, T[c])
                    column_add_weighted(columns, j, step, Q[c], S)
        done += last
        if last <= tol * (prior + done):
            if everything:
                return epoch + 1, True, done
            everything = True
        else:
            everything = False
    return most, False, done


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
