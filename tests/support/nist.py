"""The nonlinear regression problems of the NIST Statistical Reference Datasets: models, and a reader of the files.

The models are written from the formulas in the files.  They are analytic, so that their Jacobians come out exact to
rounding by complex steps: ``Im f(b + i h e_j) / h`` has no cancellation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def rational(p, q):
    """Polynomials of degree p over q with constant 1 below, coefficients in rising order."""

    def model(b, x):
        above = sum(b[i] * x**i for i in range(p + 1))
        below = 1.0 + sum(b[p + i] * x**i for i in range(1, q + 1))
        return above / below

    return model


def gauss(b, x):
    """An exponential and two Gaussian peaks."""
    peaks = b[2] * np.exp(-((x - b[3]) ** 2) / b[4] ** 2) + b[5] * np.exp(-((x - b[6]) ** 2) / b[7] ** 2)
    return b[0] * np.exp(-b[1] * x) + peaks


def exponentials(b, x):
    """Three decaying exponentials."""
    return b[0] * np.exp(-b[1] * x) + b[2] * np.exp(-b[3] * x) + b[4] * np.exp(-b[5] * x)


def waves(b, x):
    """A yearly wave and two of unknown period."""
    t = 2.0 * np.pi * x
    year = b[1] * np.cos(t / 12.0) + b[2] * np.sin(t / 12.0)
    other = b[4] * np.cos(t / b[3]) + b[5] * np.sin(t / b[3]) + b[7] * np.cos(t / b[6]) + b[8] * np.sin(t / b[6])
    return b[0] + year + other


MODELS: dict[str, Callable] = {
    "Bennett5": lambda b, x: b[0] * (b[1] + x) ** (-1.0 / b[2]),
    "BoxBOD": lambda b, x: b[0] * (1.0 - np.exp(-b[1] * x)),
    "Chwirut1": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "Chwirut2": lambda b, x: np.exp(-b[0] * x) / (b[1] + b[2] * x),
    "DanWood": lambda b, x: b[0] * x ** b[1],
    "ENSO": waves,
    "Eckerle4": lambda b, x: b[0] / b[1] * np.exp(-0.5 * ((x - b[2]) / b[1]) ** 2),
    "Gauss1": gauss,
    "Gauss2": gauss,
    "Gauss3": gauss,
    "Hahn1": rational(3, 3),
    "Kirby2": rational(2, 2),
    "Lanczos1": exponentials,
    "Lanczos2": exponentials,
    "Lanczos3": exponentials,
    "MGH09": lambda b, x: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "MGH10": lambda b, x: b[0] * np.exp(b[1] / (x + b[2])),
    "MGH17": lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Misra1a": lambda b, x: b[0] * (1.0 - np.exp(-b[1] * x)),
    "Misra1b": lambda b, x: b[0] * (1.0 - (1.0 + b[1] * x / 2.0) ** (-2)),
    "Misra1c": lambda b, x: b[0] * (1.0 - (1.0 + 2.0 * b[1] * x) ** (-0.5)),
    "Misra1d": lambda b, x: b[0] * b[1] * x / (1.0 + b[1] * x),
    "Nelson": lambda b, x: b[0] - b[1] * x[:, 0] * np.exp(-b[2] * x[:, 1]),
    "Rat42": lambda b, x: b[0] / (1.0 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda b, x: b[0] / (1.0 + np.exp(b[1] - b[2] * x)) ** (1.0 / b[3]),
    "Roszman1": lambda b, x: b[0] - b[1] * x - np.arctan(b[2] / (x - b[3])) / np.pi,
    "Thurber": rational(3, 3),
}


@dataclass(frozen=True)
class Nist:
    """A problem: residuals and their Jacobian, two starts, the certified parameters and sum of squares."""

    name: str
    x: np.ndarray
    y: np.ndarray
    starts: np.ndarray
    certified: np.ndarray
    sum_of_squares: float

    def residuals(self, b):
        """Model minus data."""
        return MODELS[self.name](b, self.x) - self.y

    def jacobian(self, b):
        """By complex steps."""
        columns = []
        for j in range(len(b)):
            h = 1e-30 * (abs(b[j]) or 1.0)
            moved = b.astype(complex)
            moved[j] += 1j * h
            columns.append(np.imag(MODELS[self.name](moved, self.x)) / h)
        return np.array(columns).T

    def digits(self, b):
        """Correct digits of the worst parameter; -inf where it is not finite."""
        error = np.max(np.abs(np.asarray(b) - self.certified) / np.abs(self.certified))
        return float(-np.log10(max(error, 1e-12))) if np.isfinite(error) else -np.inf


def read(path: Path) -> Nist:
    """One file."""
    lines = path.read_text(encoding="latin-1").splitlines()

    def section(name):
        first, last = re.search(rf"{name}\s*\(lines\s+(\d+) to\s+(\d+)\)", "\n".join(lines[:12])).groups()
        return lines[int(first) - 1 : int(last)]

    table = [line.partition("=")[2].split() for line in section("Starting Values") if "=" in line]
    values = np.array([[float(v) for v in row] for row in table])
    data = np.array([[float(v) for v in row.split()] for row in section("Data") if row.strip()])
    squares = next(float(line.split()[-1]) for line in lines if line.startswith("Residual Sum of Squares"))
    y, x = data[:, 0], data[:, 1:]
    name = path.stem
    if name == "Nelson":
        y = np.log(y)
    return Nist(name, x if x.shape[1] > 1 else x[:, 0], y, values[:, :2].T, values[:, 2], squares)
