"""A multilayer perceptron in plain NumPy, written from the formulas: what the library's networks are compared with.

With rows of a batch as rows of matrices, and ``A_0 = X``, the layers and their errors D are

    Z_l = A_{l-1} V_l + 1 b_l',    A_l = M_l * phi(N_l(Z_l)),            N_l: batch normalisation or nothing, M_l: mask
    D_l = N_l^(D_{l+1} V_{l+1}' * M_l * phi'),    dV_l = A_{l-1}' D_l,    db_l = D_l' 1,

and D of the scores is ``s_i / m`` times the slope of row i's loss.  It shares no code with the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit

Array = Any
EPS = 1e-5  # beside the variance in batch normalisation


def by_entry(phi: Callable[..., Array], slope: Callable[..., Array]) -> tuple[Any, Any]:
    return phi, lambda z, d: d * slope(z)


def maxout(pieces: int) -> tuple[Any, Any]:
    """The largest of sums, piece p of unit j in column ``p width + j``; the first of equal ones takes the error."""

    def phi(z: Array) -> Array:
        return z.reshape(len(z), pieces, -1).max(axis=1)

    def back(z: Array, d: Array) -> Array:
        first = z.reshape(len(z), pieces, -1).argmax(axis=1)
        return (d[:, None, :] * (np.arange(pieces)[:, None] == first[:, None, :])).reshape(z.shape)

    return phi, back


UNITS: dict[str, tuple[Any, Any]] = {
    "identity": by_entry(lambda z: z, np.ones_like),
    "sigmoid": by_entry(expit, lambda z: expit(z) * expit(-z)),
    "tanh": by_entry(np.tanh, lambda z: 1.0 / np.cosh(z) ** 2),
    "relu": by_entry(lambda z: np.where(z > 0, z, 0.0), lambda z: 1.0 * (z > 0)),
    "leaky_relu": by_entry(lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": by_entry(lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.exp(np.minimum(z, 0.0))),
    "softplus": by_entry(lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0), expit),
    "maxout": maxout(2),
}


def softmax_loss(z: Array, y: Array) -> tuple[Array, Array]:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p, rows = e / e.sum(axis=1, keepdims=True), np.arange(len(z))
    return -np.log(p[rows, y]), p - np.eye(z.shape[1])[y]


LOSSES: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {  # of each row: value, slope in its scores
    "cross_entropy": softmax_loss,
    "log_loss": lambda z, y: ((np.logaddexp(0.0, z) - y * z).sum(axis=1), expit(z) - y),
    "squared_error": lambda z, y: (0.5 * ((z - y) ** 2).sum(axis=1), z - y),
}


@dataclass
class Layer:
    """Weights (fan_in, units), bias or None, gamma and beta or None, the unit, and a mask of A or None."""

    weights: Array
    bias: Array | None
    unit: str = "identity"
    gamma: Array | None = None
    beta: Array | None = None
    mask: Array | None = None
    kept: dict[str, Array] = field(default_factory=dict)

    def forward(self, A: Array, moments: tuple[Array, Array] | None = None) -> Array:
        """``A_l``; with ``moments`` (prediction) those in place of the batch's, and no mask."""
        Z = A @ self.weights if self.bias is None else A @ self.weights + self.bias
        self.kept = {"A": A}
        if self.gamma is not None:
            mean, variance = moments or (Z.mean(axis=0), Z.var(axis=0))
            root = np.sqrt(variance + EPS)
            H = (Z - mean) / root
            self.kept |= {"mean": mean, "variance": variance, "root": root, "H": H}
            Z = self.gamma * H + self.beta
        self.kept |= {"Z": Z, "out": UNITS[self.unit][0](Z)}
        return self.kept["out"] if self.mask is None or moments else self.mask * self.kept["out"]

    def backward(self, D: Array) -> tuple[Array, dict[str, Array]]:
        """From the error in ``A_l`` to that in ``A_{l-1}``, and the gradients of this layer."""
        D = UNITS[self.unit][1](self.kept["Z"], D if self.mask is None else D * self.mask)
        out = {}
        if self.gamma is not None:
            H = self.kept["H"]
            out |= {"gamma": (D * H).sum(axis=0), "beta": D.sum(axis=0)}
            D = self.gamma / self.kept["root"] * (D - D.mean(axis=0) - H * (D * H).mean(axis=0))
        out["weights"] = self.kept["A"].T @ D
        if self.bias is not None:
            out["bias"] = D.sum(axis=0)
        return D @ self.weights.T, out


def scores(layers: Sequence[Layer], X: Array, moments: Sequence[Any] | None = None) -> Array:
    A = X
    for k, layer in enumerate(layers):
        A = layer.forward(A, moments[k] if moments else None)
    return A


def objective(layers: Sequence[Layer], X: Array, y: Array, loss: str, s: Array | None = None) -> tuple[float, Any]:
    """``(1/m) sum_i s_i loss_i`` and its gradient: for each layer, by name."""
    values, slopes = LOSSES[loss](scores(layers, X), y)
    share = (np.ones(len(X)) if s is None else s) / len(X)
    D, out = share[:, None] * slopes, []
    for layer in reversed(layers):
        D, own = layer.backward(D)
        out.append(own)
    return float(share @ values), out[::-1]


def renewed(old: tuple[Array, Array], layer: Layer, momentum: float = 0.1) -> tuple[Array, Array]:
    """Running mean and variance after a batch; the variance of the batch counted with m - 1."""
    m = len(layer.kept["H"])
    unbiased = layer.kept["variance"] * m / (m - 1)
    return (1 - momentum) * old[0] + momentum * layer.kept["mean"], (1 - momentum) * old[1] + momentum * unbiased


class Walker:
    """A rule in vectors: ``step(w, g)`` returns the next w; ``penalised`` marks what decays."""

    def __init__(self, rule: str, rate: float, penalised: Array | None = None, **options: float) -> None:
        self.rule, self.rate, self.options, self.penalised = rule, rate, options, penalised
        self.t, self.first, self.second = 0, 0.0, 0.0

    def step(self, w: Array, g: Array) -> Array:
        o, self.t = self.options, self.t + 1
        if self.rule in ("momentum", "nesterov"):
            self.first = o["momentum"] * self.first - self.rate * g
            return w + (self.first if self.rule == "momentum" else o["momentum"] * self.first - self.rate * g)
        if self.rule in ("adam", "adamw"):
            self.first = o["beta1"] * self.first + (1 - o["beta1"]) * g
            self.second = o["beta2"] * self.second + (1 - o["beta2"]) * g**2
            if self.rule == "adamw":
                w = np.where(True if self.penalised is None else self.penalised, (1 - self.rate * o["decay"]) * w, w)
            unbiased = self.first / (1 - o["beta1"] ** self.t), self.second / (1 - o["beta2"] ** self.t)
            return w - self.rate * unbiased[0] / (np.sqrt(unbiased[1]) + o["eps"])
        if self.rule in ("rmsprop", "adagrad"):
            keep, take = (o["rho"], 1 - o["rho"]) if self.rule == "rmsprop" else (1.0, 1.0)
            self.second = keep * self.second + take * g**2
            return w - self.rate * g / (np.sqrt(self.second) + o["eps"])
        return w - self.rate * g
