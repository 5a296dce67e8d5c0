"""Entropy, cross-entropy and Kullback-Leibler divergence of discrete distributions.

Arrays hold one distribution along ``axis``; the other axes broadcast.  ``0 log 0 = 0``; the cross-entropy and
the divergence are infinite where ``q = 0 < p``.  Natural logarithm, or that of ``base``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from steepest.exceptions import InvalidParameterError
from steepest.protocols import FloatArray


def entropy(p: ArrayLike, *, axis: int = -1, base: float | None = None) -> Any:
    """``H(p) = -sum_j p_j log p_j``: the mean length of the best code for p.

    Parameters
    ----------
    p : array
        Distributions along ``axis``: non-negative, sum 1.
    axis : int
    base : float, optional
        Of the logarithm: 2 for bits.  Default: e.

    Returns
    -------
    float or array
        The shape of p without ``axis``; between 0 and ``log k``.

    Examples
    --------
    >>> round(entropy([0.25, 0.75], base=2), 6)
    0.811278
    """
    p = _distributions("p", p, axis)
    return _result(-_xlogy(p, p).sum(axis=-1), base)


def cross_entropy(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> Any:
    """``H(p, q) = -sum_j p_j log q_j``: the mean length for p of the best code for q; inf where q = 0 < p.

    Parameters
    ----------
    p, q : array
        Distributions along ``axis``, of shapes that broadcast.
    axis, base
        As for `entropy`.

    Examples
    --------
    >>> cross_entropy([0.25, 0.75], [0.5, 0.5], base=2)
    1.0
    >>> cross_entropy([0.5, 0.5], [1.0, 0.0])
    inf
    """
    p, q = _pair(p, q, axis)
    return _result(-_xlogy(p, q).sum(axis=-1), base)


def kl_divergence(p: ArrayLike, q: ArrayLike, *, axis: int = -1, base: float | None = None) -> Any:
    """``KL(p | q) = sum_j p_j log(p_j / q_j) = H(p, q) - H(p)``: never negative, 0 only for p = q, not symmetric.

    Summed as ``p log(p / q) - p + q``, term by term not negative; the terms added sum to nothing.  So close
    distributions keep their digits, where the difference of two entropies would lose them.

    Parameters
    ----------
    p, q : array
        Distributions along ``axis``, of shapes that broadcast.
    axis, base
        As for `entropy`.

    Examples
    --------
    >>> p, q = [0.25, 0.75], [0.5, 0.5]
    >>> round(kl_divergence(p, q), 6), round(kl_divergence(q, p), 6)
    (0.130812, 0.143841)
    """
    p, q = _pair(p, q, axis)
    p, q = np.broadcast_arrays(p, q)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        far = p * (np.log(p) - np.log(q)) + (q - p)
        x = (q - p) / p
        near = p * (x - np.log1p(x))
        terms = np.where(np.abs(x) <= 0.5, near, far)
    terms = np.where(p == 0.0, q, terms)
    return _result(np.maximum(terms, 0.0).sum(axis=-1), base)


def _xlogy(p: FloatArray, q: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p == 0.0, 0.0, p * np.log(q))


def _result(nats: FloatArray, base: float | None) -> Any:
    if base is not None:
        if not (0.0 < base < math.inf and base != 1.0):
            raise InvalidParameterError(f"base: expected a positive number other than 1, got {base!r}. Use 2 for bits.")
        nats = nats / math.log(base)
    nats = nats + 0.0  # no -0
    return float(nats) if np.ndim(nats) == 0 else nats


def _pair(p: ArrayLike, q: ArrayLike, axis: int) -> tuple[FloatArray, FloatArray]:
    a, b = _distributions("p", p, axis), _distributions("q", q, axis)
    try:
        if a.shape[-1] != b.shape[-1]:
            raise ValueError
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise InvalidParameterError(
            f"q: expected a shape that broadcasts with p {np.shape(p)} and as many classes along axis {axis}, "
            f"got {np.shape(q)}."
        ) from None
    return a, b


def _distributions(name: str, values: ArrayLike, axis: int) -> FloatArray:
    given = np.asarray(values)
    if given.ndim == 0 or not -given.ndim <= axis < given.ndim or given.dtype.kind not in "fiub":
        raise InvalidParameterError(
            f"{name}: expected an array of numbers with an axis {axis}, got shape {given.shape} of {given.dtype}."
        )
    array = np.moveaxis(given.astype(np.float64), axis, -1)
    bad = ~((array >= 0.0) & (array < np.inf))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InvalidParameterError(
            f"{name}: expected finite numbers >= 0, got {array[where]} at {where} (axis {axis} moved last)."
        )
    totals = array.sum(axis=-1)
    slack = {2: 1e-2, 4: 1e-5}.get(given.dtype.itemsize, 1e-8) if given.dtype.kind == "f" else 1e-8
    wrong = np.abs(totals - 1.0) > slack
    if wrong.any():
        raise InvalidParameterError(
            f"{name}: expected sums of 1 along axis {axis}, got {np.atleast_1d(totals)[np.atleast_1d(wrong)][0]}. "
            f"Divide by the sum."
        )
    return array
