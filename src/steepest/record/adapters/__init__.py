"""Fits in other tools: factories for `steepest.observe`, each of which imports its tool when it is made.

They log the objective, the proven gap, the gradient norm, the step, what the validation rows say, and at the end the
certificate.
"""

from steepest.record.adapters.mlflow import MLflow
from steepest.record.adapters.tensorboard import TensorBoard

__all__ = ["MLflow", "TensorBoard"]
