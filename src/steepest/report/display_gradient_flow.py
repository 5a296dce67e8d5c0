"""What probes saw of each layer of a network while it was trained, as a matplotlib picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.probe_table import ProbeTable
from steepest.protocols import FloatArray
from steepest.report.display_convergence import last_step

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: What can be shown, as it is named at the scale.
SHOWN = {
    "gradient_norm": "norm of the gradient in the weights",
    "flow": "gradient at the layer / at the output",
    "delta_norm": "norm of the gradient in the sums",
    "delta_bound": "product bound of it",
    "gradient_bound": "product bound of the gradient in the weights",
    "weight_norm": "norm of the weights",
    "update_norm": "norm of an update",
    "ratio": "update / weights",
    "activation_mean": "mean output",
    "activation_variance": "variance of outputs",
    "factor": "bound of the norm of the weights",
    "slope_mean": "mean slope of the units",
    "slope_max": "largest slope of the units",
    "saturated": "share of outputs at their limits",
    "dead": "share of units that are off",
}
SHARES = ("saturated", "dead")
_LINEAR = ("activation_mean", "slope_mean", "slope_max", *SHARES)
_EMPTY = "0.88"


def probes_of(model: Any) -> ProbeTable:
    """The probes of a fitted network, or of the last step of a pipeline.

    Raises
    ------
    InvalidParameterError
        Where there are none.
    """
    model = last_step(model)
    if isinstance(model, ProbeTable):
        return model
    if not hasattr(model, "stack_"):
        raise InvalidParameterError(
            f"estimator: expected a fitted MLPClassifier or MLPRegressor, got {type(model).__name__}. Fit one."
        )
    found = getattr(model, "probes_", None)
    if not isinstance(found, ProbeTable) or not len(found):
        raise InvalidParameterError(
            "estimator: this network was trained without probes. Fit it with probes=True by a stochastic solver."
        )
    return found


def numbers_of(probes: ProbeTable, column: str) -> FloatArray:
    """A column, or the flow, of shape (looks, layers)."""
    if column not in SHOWN:
        raise InvalidParameterError(f"column: expected one of {', '.join(SHOWN)}, got {column!r}.")
    return probes.flow() if column == "flow" else probes[column]


class GradientFlowDisplay:
    """Layers of a network against the steps of its training; colours tell a norm, or another number of a layer.

    Parameters
    ----------
    probes : ProbeTable

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    image_ : matplotlib.collections.QuadMesh

    Notes
    -----
    The output is at the top, as gradients come from there.  Colours are logarithmic but for shares, means and slopes;
    grey cells have no number, or 0.  Beside each layer stands its number at the last look.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import GradientFlowDisplay, MLPClassifier
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((8, 8), max_iter=20, probes=5, random_state=0, on_unconverged="ignore").fit(X, y)
    >>> display = GradientFlowDisplay.from_estimator(model)
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['layer 1', 'layer 2', 'output']
    """

    def __init__(self, probes: ProbeTable) -> None:
        self.probes = probes

    @classmethod
    def from_estimator(cls, estimator: Any, *, column: str = "gradient_norm", ax: Axes | None = None) -> Self:
        """Draw what the probes of a fitted network saw.

        Parameters
        ----------
        estimator : fitted MLPClassifier or MLPRegressor, or a pipeline that ends with one
        column : str
            "gradient_norm", "flow" (what arrives at a layer of the gradient at the output), "update_norm", "ratio",
            "activation_mean", "activation_variance", "saturated", "dead", "delta_norm", "delta_bound", ...
        ax : matplotlib.axes.Axes, optional
        """
        return cls(probes_of(estimator)).plot(column=column, ax=ax)

    def plot(self, *, column: str = "gradient_norm", ax: Axes | None = None) -> Self:
        """Draw the cells.

        Parameters
        ----------
        column, ax
            As for `from_estimator`.

        Returns
        -------
        GradientFlowDisplay
            Itself.
        """
        import matplotlib.pyplot as plt
        from matplotlib.colors import LogNorm, Normalize

        values = numbers_of(self.probes, column)
        layers = self.probes.layers
        if ax is None:
            _, ax = plt.subplots(figsize=(7.5, 1.4 + 0.32 * max(len(layers), 5)), layout="constrained")
        linear = column in _LINEAR
        shown = np.ma.masked_invalid(values if linear else np.where(values > 0.0, values, np.nan))
        norm: Normalize
        if column in SHARES:
            norm = Normalize(0.0, 1.0)
        else:
            low, high = (float(shown.min()), float(shown.max())) if shown.count() else (1.0, 10.0)
            if not high > low:
                low, high = (low - 0.5, high + 0.5) if linear else (low / 3.0, high * 3.0)
            norm = Normalize(low, high) if linear else LogNorm(low, high)
        ax.set_facecolor(_EMPTY)
        steps = np.asarray(self.probes.steps, dtype=np.float64)
        edges = np.append(steps, steps[-1] + self.probes.every)  # what was seen stands until the next look
        self.image_ = ax.pcolormesh(edges, np.arange(len(layers) + 1) - 0.5, shown.T, norm=norm, cmap="viridis")
        few = range(len(layers)) if len(layers) <= 40 else range(0, len(layers), -(-len(layers) // 30))
        ax.set_yticks(list(few), [layers[k] for k in few])
        ax.set(xlabel="steps", title=SHOWN[column][0].upper() + SHOWN[column][1:])
        ax.tick_params(axis="y", length=0)
        for k in few:
            seen = values[:, k][np.isfinite(values[:, k])]
            said = f"{seen[-1]:.2g}" if seen.size else "–"
            ax.text(1.01, k, said, transform=ax.get_yaxis_transform(), va="center", fontsize="small", color="0.3")
        ax.text(1.01, len(layers) - 0.4, "last", transform=ax.get_yaxis_transform(), va="bottom", fontsize="small",
                color="0.5")  # fmt: skip
        ax.figure.colorbar(self.image_, ax=ax, pad=0.09, fraction=0.05)
        self.ax_, self.figure_ = ax, ax.figure
        return self
