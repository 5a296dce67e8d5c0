"""Penalties on the weights."""

from steepest.penalties.separable import L1, L2, ElasticNet, NoPenalty, get_penalty
from steepest.penalties.strength import C_from_alpha, alpha_from_C, alpha_from_sum, sum_from_alpha

__all__ = [
    "L1",
    "L2",
    "C_from_alpha",
    "ElasticNet",
    "NoPenalty",
    "alpha_from_C",
    "alpha_from_sum",
    "get_penalty",
    "sum_from_alpha",
]
