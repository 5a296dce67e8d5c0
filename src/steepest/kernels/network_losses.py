"""Losses of the registry on the outputs of a network: one number, slope and curvature an entry or a row."""

from __future__ import annotations

import math

import numpy as np

from steepest.jit import kernel
from steepest.losses.registry import curvature, slope, value, value_slope


@kernel
def entry_values(loss, z, y, out):
    """loss(z, y), entry by entry; arithmetic in float64."""
    for i in range(z.shape[0]):
        out[i] = value(loss, float(z[i]), float(y[i]))


@kernel
def entry_slopes(loss, z, y, out):
    """The derivative in z."""
    for i in range(z.shape[0]):
        out[i] = slope(loss, float(z[i]), float(y[i]))


@kernel
def entry_curvatures(loss, z, y, out):
    """The second derivative in z."""
    for i in range(z.shape[0]):
        out[i] = curvature(loss, float(z[i]), float(y[i]))


@kernel
def row_values(loss, Z, y, z, u, out):
    """The loss of each row of scores; z and u are float64 vectors to work in."""
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            z[j] = Z[i, j]
        out[i] = value_slope(loss, z, np.int64(y[i]), u)


@kernel
def row_slopes(loss, Z, y, z, u, out):
    """The gradient of each row's loss in its scores."""
    for i in range(Z.shape[0]):
        for j in range(Z.shape[1]):
            z[j] = Z[i, j]
        value_slope(loss, z, np.int64(y[i]), u)
        for j in range(Z.shape[1]):
            out[i, j] = u[j]


@kernel
def mean_entries(loss, Z, y, s, factor, shift, out):
    """``(1/m) sum_i s_i sum_j loss(Z_ij, factor y_ij + shift)`` as the last entry, before it the gradient in Z."""
    rows, columns = Z.shape
    total = 0.0
    for i in range(rows):
        weight = float(s[i])
        for j in range(columns):
            z, target = float(Z[i, j]), factor * float(y[i, j]) + shift
            total += weight * value(loss, z, target)
            out[i * columns + j] = slope(loss, z, target) * (weight / rows)
    out[rows * columns] = total / rows


@kernel
def mean_divergence(Z, y, s, out):
    """``(1/m) sum_i s_i KL(y_i | softmax Z_i)`` as the last entry, before it the gradient in Z; 0 log 0 = 0."""
    rows, columns = Z.shape
    found = 0.0
    for i in range(rows):
        top = float(Z[i, 0])
        for j in range(1, columns):
            top = max(top, float(Z[i, j]))
        total, mass = 0.0, 0.0
        for j in range(columns):
            total += math.exp(float(Z[i, j]) - top)
            mass += float(y[i, j])
        lost, weight = math.log(total), float(s[i])
        for j in range(columns):
            z, share = float(Z[i, j]) - top, float(y[i, j])
            if share > 0.0:
                found += weight * share * (math.log(share) + lost - z)
            out[i * columns + j] = (mass * math.exp(z) / total - share) * (weight / rows)
    out[rows * columns] = found / rows
