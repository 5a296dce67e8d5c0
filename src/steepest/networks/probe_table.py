"""What probes have seen of a training, layer by layer, and the plain facts in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray

#: What is measured at each look of each layer, in the order of `ProbeTable.to_dict`.
COLUMNS = {
    "gradient_norm": "gradient of the loss in the weights",
    "gradient_bound": "bound of it: norm of what comes in times the bound of delta",
    "weight_norm": "weights",
    "update_norm": "one update of the weights",
    "ratio": "update / weights",
    "activation_mean": "mean of what the units give",
    "activation_variance": "variance of what the units give",
    "saturated": "share of outputs of bounded units near their limits (slope below 5 % of the largest)",
    "dead": "share of units that no row of the batch switches on",
    "slope_mean": "mean of |phi'| at the sums",
    "slope_max": "largest |phi'|, masks of dropout included",
    "factor": "bound of the spectral norm of the weights, of batch normalisation included",
    "delta_norm": "gradient of the loss in the sums (delta)",
    "delta_bound": "product bound of delta",
}


@dataclass(frozen=True, eq=False)
class ProbeTable:
    """Numbers of each look at each layer; kept in model files and in fit records.

    Norms are Frobenius norms over the batch; ``delta_l`` is the gradient of the mean loss in the sums of layer l, those
    that its units are given, of all rows of the batch.  The product bound is::

        ||delta_l|| <= max |phi'_l| N(V_{l+1}) ||delta_{l+1}|| <= ... <= prod_k max |phi'_k| N(V_{k+1}) ||delta_L||
        ||dP/dV_l|| <= ||a_{l-1}|| (bound of delta_l)

    with N(V) at least the spectral norm of V (`steepest.networks.probe_norms.norm_bound`).  Where every factor is below
    one, gradients must vanish towards the first layer; a measured norm is never above its bound.

    Attributes
    ----------
    layers : list of str
        From the first to the output.
    steps : array of int of shape (t,)
        Updates done before each look.
    table : dict of str to array of shape (t, layers)
        See `COLUMNS`; nan where a number has no meaning for a layer.
    every : int
        Steps between looks at the end; looks are thinned as a training gets long.

    References
    ----------
    Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, 1991; Pascanu, Mikolov and Bengio, On the difficulty of
    training recurrent neural networks, ICML 2013, for the product bound.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest.networks.probe_table import ProbeTable
    >>> seen = ProbeTable(["first", "output"], np.array([0]), {"delta_norm": np.array([[1e-9, 2.0]])})
    >>> seen.vanishing()
    {'first': 5e-10}
    """

    layers: list[str]
    steps: AnyArray
    table: dict[str, FloatArray]
    every: int = 1

    def __len__(self) -> int:
        """Looks."""
        return len(self.steps)

    def __getitem__(self, column: str) -> FloatArray:
        """One number of all looks and layers."""
        return self.table[column]

    def __repr__(self) -> str:
        return f"ProbeTable({len(self)} looks at {len(self.layers)} layers, every {self.every} steps)"

    # ------------------------------------------------------------------------------------------------- facts

    def flow(self) -> FloatArray:
        """``||delta_l|| / ||delta_L||``: what arrives at each layer of the gradient at the output; (t, layers)."""
        delta = self.table["delta_norm"]
        last = delta[:, -1:]
        return np.asarray(np.divide(delta, last, out=np.full_like(delta, np.nan), where=last > 0.0))

    def vanishing(self, below: float = 1e-3) -> dict[str, float]:
        """Layers that less than a share of the gradient at the output reaches: the median over all looks.

        Parameters
        ----------
        below : float
        """
        return self._named(_median(self.flow()), lambda value: value < below)

    def exploding(self, above: float = 1e3) -> dict[str, float]:
        """Layers whose delta is this many times that of the output, or is not finite: the median over all looks.

        Parameters
        ----------
        above : float
        """
        flow = _median(self.flow())
        broken = ~np.isfinite(self.table["delta_norm"]).all(axis=0)
        return self._named(np.where(broken, np.inf, flow), lambda value: value > above)

    def dead(self, above: float = 0.25) -> dict[str, float]:
        """Layers with more than a share of units that no row switches on: the median of the last quarter of looks.

        Parameters
        ----------
        above : float
        """
        return self._named(_median(self._late("dead")), lambda value: value > above)

    def saturated(self, above: float = 0.5) -> dict[str, float]:
        """Layers with more than a share of outputs at their limits: the median of the last quarter of looks.

        Parameters
        ----------
        above : float
        """
        return self._named(_median(self._late("saturated")), lambda value: value > above)

    def summary(self) -> dict[str, Any]:
        """The facts in one dictionary, and the last look's numbers of each layer."""
        last = {} if not len(self) else {name: _plain(values[-1]) for name, values in self.table.items()}
        return {
            "looks": len(self),
            "every": int(self.every),
            "layers": list(self.layers),
            "vanishing": self.vanishing() if len(self) else {},
            "exploding": {name: _number(value) for name, value in self.exploding().items()} if len(self) else {},
            "dead": self.dead() if len(self) else {},
            "saturated": self.saturated() if len(self) else {},
            "last": last,
        }

    def _late(self, column: str) -> FloatArray:
        values = self.table[column]
        return values[-max(1, len(values) // 4) :]

    def _named(self, values: FloatArray, chosen: Any) -> dict[str, float]:
        return {
            name: float(value)
            for name, value in zip(self.layers, values.tolist(), strict=True)
            if not np.isnan(value) and chosen(value)
        }

    # ------------------------------------------------------------------------------------------------- storing

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: rows of looks, None where a number is not finite."""
        return {
            "layers": list(self.layers),
            "steps": [int(step) for step in self.steps],
            "every": int(self.every),
            "table": {name: [_plain(row) for row in values] for name, values in self.table.items()},
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ProbeTable:
        """The table that `to_dict` wrote; what was not finite is nan.

        Raises
        ------
        DataError
            For another shape than looks x layers.
        """
        layers, steps = [str(name) for name in raw["layers"]], np.asarray(raw["steps"], dtype=np.int64)
        table = {}
        for name, rows in raw["table"].items():
            values = np.array([[np.nan if cell is None else cell for cell in row] for row in rows], dtype=np.float64)
            table[str(name)] = values.reshape(len(rows), -1) if rows else np.empty((0, len(layers)))
            if table[str(name)].shape != (len(steps), len(layers)):
                raise DataError(
                    f"table: expected {len(steps)} looks at {len(layers)} layers in {name!r}, got "
                    f"{table[str(name)].shape}. The file was changed, or is of another version."
                )
        return cls(layers, steps, table, int(raw.get("every", 1)))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _plain(row: FloatArray) -> list[float | None]:
    return [_number(value) for value in row.tolist()]


def _median(values: FloatArray) -> FloatArray:
    """The median of each column over what is finite; nan where nothing is."""
    out = np.full(values.shape[1], np.nan)
    for j in range(values.shape[1]):
        seen = values[:, j][np.isfinite(values[:, j])]
        if seen.size:
            out[j] = np.median(seen)
    return out
