"""Losses: what a wrong score costs.  Importing defines; nothing is compiled before it is used."""

from steepest.losses.margin import Logistic
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
from steepest.losses.regression import Squared

__all__ = [
    "FACTS",
    "SCALAR_LOSSES",
    "VECTOR_LOSSES",
    "Logistic",
    "Softmax",
    "Squared",
    "conjugate",
    "curvature",
    "get_loss",
    "has",
    "scalar_loss",
    "slope",
    "value",
    "value_slope",
    "vector_loss",
]
