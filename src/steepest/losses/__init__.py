"""Losses: what a wrong score costs.  Importing defines; nothing is compiled before it is used.

A loss of one's own is a NamedTuple with the methods ``value`` and ``slope``, in the part of Python that Numba
compiles; its fields are its parameters, and facts about it stand without annotation.  `check_loss` verifies it.

Examples
--------
Welsch's loss: quadratic near the target, flat far from it, so that outliers hardly pull.  Not convex.

>>> import math
>>> from typing import NamedTuple
>>> from steepest.losses import check_loss, scalar_loss
>>> @scalar_loss
... class Welsch(NamedTuple):
...     c: float = 1.0
...
...     smoothness = 1.0
...
...     def value(self, z, y):
...         return 0.5 * self.c**2 * (1 - math.exp(-(((z - y) / self.c) ** 2)))
...
...     def slope(self, z, y):
...         return (z - y) * math.exp(-(((z - y) / self.c) ** 2))
>>> report = check_loss(Welsch(2.0))
>>> report.ok
True
>>> report["convexity"].message
'not convex, and not stated to be'
>>> report["bounded slope"].message
'|slope| <= 0.857... on scores up to 1e+08'
"""

from steepest.losses.checks import Finding, LossReport, check_loss
from steepest.losses.compiling import LossCompileError, require_compiled
from steepest.losses.divergences import cross_entropy, entropy, kl_divergence
from steepest.losses.margin import (
    Bernoulli,
    Exponential,
    Hinge,
    Logistic,
    ModifiedHuber,
    PerceptronLoss,
    SigmoidLoss,
    SigmoidSquared,
    SquaredHinge,
    ZeroOne,
)
from steepest.losses.margin_multiclass import CrammerSinger, WestonWatkins
from steepest.losses.multiclass import Softmax
from steepest.losses.registry import (
    FACTS,
    SCALAR_LOSSES,
    VECTOR_LOSSES,
    conjugate,
    curvature,
    get_loss,
    has,
    scalar_loss,
    slope,
    value,
    value_slope,
    vector_loss,
)
from steepest.losses.regression import (
    Absolute,
    EpsilonInsensitive,
    Huber,
    Poisson,
    Quantile,
    Squared,
    SquaredEpsilonInsensitive,
)
from steepest.losses.sums import WeightedSum, sum_of

__all__ = [
    "FACTS",
    "SCALAR_LOSSES",
    "VECTOR_LOSSES",
    "Absolute",
    "Bernoulli",
    "CrammerSinger",
    "EpsilonInsensitive",
    "Exponential",
    "Finding",
    "Hinge",
    "Huber",
    "Logistic",
    "LossCompileError",
    "LossReport",
    "ModifiedHuber",
    "PerceptronLoss",
    "Poisson",
    "Quantile",
    "SigmoidLoss",
    "SigmoidSquared",
    "Softmax",
    "Squared",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "WeightedSum",
    "WestonWatkins",
    "ZeroOne",
    "check_loss",
    "conjugate",
    "cross_entropy",
    "curvature",
    "entropy",
    "get_loss",
    "has",
    "kl_divergence",
    "require_compiled",
    "scalar_loss",
    "slope",
    "sum_of",
    "value",
    "value_slope",
    "vector_loss",
]
