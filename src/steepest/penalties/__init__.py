"""Penalties on the weights."""

from steepest.penalties.separable import L1, L2, ElasticNet, NoPenalty, get_penalty

__all__ = ["L1", "L2", "ElasticNet", "NoPenalty", "get_penalty"]
