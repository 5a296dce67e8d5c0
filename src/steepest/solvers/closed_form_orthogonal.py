"""Least squares and ridge by orthogonal factors of the rows, for every rank and scale."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular, svd

from steepest.protocols import FloatArray
from steepest.solvers.closed_form_systems import System


class Orthogonal(System):
    """QR of the rows in blocks, then the singular values of R: backward stable for every rank and scale.

    ``[P^(1/2), P^(1/2) (X - c), P^(1/2) Y]`` is reduced block by block (TSQR: Demmel et al. 2012); its first
    column takes out the mean exactly.  For ``l2 = 0`` columns are scaled to unit length before the rank is
    decided, so that the unit of a column does not decide whether it counts; singular values below
    ``eps * max(n, d)^(1/2) * 8`` of the largest, eps that of X, are zero; and of all minimisers the one of least
    norm in the user's units is taken.  For ``l2 > 0``: ``sigma / (sigma^2 + l2)``.

    Cost: ``2 n d^2`` multiply-adds.  Extra memory: blocks of at most 16 MiB or ``d^2`` numbers.
    """

    exact = True

    def solve(self, Y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weights and intercepts."""
        means = self.target_means(Y)
        d = self.source.shape[1]
        centre = np.zeros(d)
        if self.intercept:
            centre = self.transposed(self.p, np.ones((len(Y), 1)))[0][:, 0] / self.mass
        R = self._reduce(Y - means, centre)
        self.passes += 0.5
        lead = int(self.intercept)
        RX, RY = R[lead:, lead : lead + d], R[lead:, lead + d :]
        W = self._ridge(RX, RY) if self.l2 > 0.0 else self._least(RX, RY, centre)
        if not self.intercept:
            return W, means
        self.mean = centre + R[0, 1 : 1 + d] / R[0, 0]
        return W, means + R[0, 1 + d :] / R[0, 0] - self.mean @ W

    def _reduce(self, Y: FloatArray, centre: FloatArray) -> FloatArray:
        """The triangular factor of the weighted, shifted, bordered rows."""
        source, lead = self.source, int(self.intercept)
        n, d = source.shape
        width = lead + d + Y.shape[1]
        size = max(width, (16 << 20) // (8 * width))
        R = np.zeros((0, width))
        for low in range(0, n, size):
            high = min(low + size, n)
            block = np.empty((len(R) + high - low, width))
            block[: len(R)] = R
            new = block[len(R) :]
            rows = source.X[low:high] if source.kind == "dense" else source.matrix[low:high].toarray()
            np.subtract(rows, centre, out=new[:, lead : lead + d])
            new[:, lead + d :] = Y[low:high]
            if lead:
                new[:, 0] = 1.0
            new *= np.sqrt(self.p[low:high])[:, None]
            R = np.asarray(np.linalg.qr(block, mode="r"))
        return R

    def _ridge(self, RX: FloatArray, RY: FloatArray) -> FloatArray:
        U, s, Vt = svd(RX, full_matrices=False, check_finite=False)
        self._V, self._weights = Vt.T, 1.0 / (s * s + self.l2)
        return Vt.T @ ((s * self._weights)[:, None] * (U.T @ RY))  # type: ignore[no-any-return]

    def _least(self, RX: FloatArray, RY: FloatArray, centre: FloatArray) -> FloatArray:
        eps = float(np.finfo(self.source.dtype).eps)
        lengths = np.sqrt(np.einsum("ij,ij->j", RX, RX))
        dead = lengths <= 8.0 * eps * np.abs(centre) * np.sqrt(self.mass)
        scale = np.where(dead | (lengths == 0.0), 0.0, 1.0 / np.where(lengths > 0.0, lengths, 1.0))
        U, s, Vt = svd(RX * scale, full_matrices=False, check_finite=False)
        cut = 8.0 * eps * np.sqrt(max(self.source.shape)) * float(s.max(initial=0.0))
        r = int(np.sum(s > cut))
        self.rank = r
        d = len(lengths)
        self._weights = np.ones(r)
        if r == d:
            self._V = scale[:, None] * Vt.T / s
            return self._V @ (U.T @ RY)  # type: ignore[no-any-return]
        note = f"closed form: rank {r} of {d} columns; the solution of least norm is taken"
        if note not in self.notes:
            self.notes.append(note)
        # rows span the columns of B = D V: least norm with B' w = t is B (B'B)^-1 t
        Q, T = np.linalg.qr(np.where(scale > 0.0, lengths, 0.0)[:, None] * Vt[:r].T)
        self._V = Q @ solve_triangular(T, np.diag(1.0 / s[:r]), trans=1, check_finite=False) if r else np.zeros((d, 0))
        return self._V @ (U[:, :r].T @ RY)  # type: ignore[no-any-return]

    def step(self, G: FloatArray) -> FloatArray:
        """Correction inside the row space."""
        return self._V @ (self._weights[:, None] * (self._V.T @ G))  # type: ignore[no-any-return]

    def inverse(self, V: FloatArray) -> FloatArray:
        """The (pseudo-)inverse times V."""
        inside = self.step(V)
        if self.l2 > 0.0 and self._V.shape[1] < len(V):
            inside += (V - self._V @ (self._V.T @ V)) / self.l2
        return inside
