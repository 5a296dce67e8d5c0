"""What probes have seen of a training, layer by layer, and the plain facts in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from steepest.protocols import AnyArray, FloatArray


@dataclass(frozen=True, eq=False)
class ProbeTable:
    """Numbers of each look at each layer; kept in model files and in fit records.

    Attributes
    ----------
    layers : list of str
        From the first to the output.
    steps : array of int of shape (t,)
        Updates done before each look.
    table : dict of str to array of shape (t, layers)
        gradient_norm, weight_norm, update_norm, ratio, activation_mean, activation_variance, saturated, dead,
        slope_mean, slope_max, delta_norm, delta_bound, gradient_bound.
    every : int
        Steps between looks at the end.
    """

    layers: list[str]
    steps: AnyArray
    table: dict[str, FloatArray]
    every: int = 1
    units: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        raise NotImplementedError

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> ProbeTable:
        """The table that `to_dict` wrote."""
        raise NotImplementedError
