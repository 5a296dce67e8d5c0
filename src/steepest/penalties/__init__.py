"""Penalties on the weights, and sets that weights may be held in."""

from steepest.penalties.constraints import Box, L1Ball, L2Ball, NonNegative, Simplex, get_constraint
from steepest.penalties.separable import L1, L2, ElasticNet, NoPenalty, get_penalty
from steepest.penalties.strength import C_from_alpha, alpha_from_C, alpha_from_sum, sum_from_alpha

__all__ = [
    "L1",
    "L2",
    "Box",
    "C_from_alpha",
    "ElasticNet",
    "L1Ball",
    "L2Ball",
    "NoPenalty",
    "NonNegative",
    "Simplex",
    "alpha_from_C",
    "alpha_from_sum",
    "get_constraint",
    "get_penalty",
    "sum_from_alpha",
]
