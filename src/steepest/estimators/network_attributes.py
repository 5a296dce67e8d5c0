"""The numbers of a fitted network as its attributes: weights, biases, and what batch normalisation keeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from steepest.estimators.network_model import Trained
from steepest.exceptions import PersistenceError
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray

Layered = list[AnyArray | None]  # one a layer; None where a layer has none


class NetworkAttributes:
    """What `MLPClassifier` and `MLPRegressor` show of their numbers; a mixin."""

    _net: Trained
    _meaning: Any
    _objective: str
    n_features_in_: int

    def _fitted(self, name: str) -> Trained:
        if "_net" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}: it is not fitted yet. Call fit.")
        return self._net

    @property
    def stack_(self) -> Stack:
        """The network itself."""
        return self._fitted("stack_").stack

    @property
    def coefs_(self) -> list[AnyArray]:
        """Weights of each layer, (inputs, sums); views."""
        net = self._fitted("coefs_")
        named = net.parameters()
        return [named[f"layers.{k}.weights"] for k in range(len(net.stack.layers))]

    @property
    def intercepts_(self) -> list[AnyArray]:
        """Biases of each layer, (sums,); the betas where batch normalisation stands in their place; views."""
        net = self._fitted("intercepts_")
        named, out = net.parameters(), []
        for k, layer in enumerate(net.stack.layers):
            found = named.get(f"layers.{k}.bias", named.get(f"layers.{k}.beta"))
            out.append(np.zeros(layer.columns, net.stack.dtype) if found is None else found)
        return out

    @property
    def gammas_(self) -> Layered:
        """Factors of batch normalisation of each layer, (sums,), None where it has none; views."""
        net = self._fitted("gammas_")
        named = net.parameters()
        return [named.get(f"layers.{k}.gamma") for k in range(len(net.stack.layers))]

    @property
    def running_means_(self) -> Layered:
        """Running means of the sums of each layer, None where it has no batch normalisation; views."""
        return self._running("running_means_", "mean")

    @property
    def running_variances_(self) -> Layered:
        """Running variances of the sums of each layer, None where it has no batch normalisation; views."""
        return self._running("running_variances_", "variance")

    def _running(self, name: str, kind: str) -> Layered:
        net = self._fitted(name)
        pieces = {b.layer: net.statistics[b.slice] for b in net.stack.statistics_blocks if b.kind == kind}
        return [pieces.get(k) for k in range(len(net.stack.layers))]

    @property
    def column_shift_(self) -> AnyArray | None:
        """What ``scale`` takes from the columns of X before their factor, (d,); None where nothing."""
        return self._fitted("column_shift_").scaling.shift

    @property
    def column_factor_(self) -> AnyArray | None:
        """What ``scale`` multiplies the columns by after their shift, (d,); None where nothing."""
        return self._fitted("column_factor_").scaling.factor

    @property
    def objective_(self) -> str:
        """The exact function that was minimised, with its numbers."""
        check_is_fitted(self)
        return self._objective

    def _check_numbers(self) -> None:
        """Raises where the numbers of a stored network are not those of its layers."""
        net, stack = self._net, self._net.stack
        wanted = {"w": stack.size, "fixed": sum(math.prod(b.shape) for b in stack.fixed_blocks)}
        wanted["statistics"] = stack.statistics_size
        for name, size in wanted.items():
            found = getattr(net, name)
            if np.shape(found) != (size,) or found.dtype != stack.dtype:
                raise PersistenceError(
                    f"its network has {name} of shape {np.shape(found)}, but its layers have {size} numbers of "
                    f"{stack.dtype}; get the original file"
                )
        scaled = [np.shape(array) for array in net.scaling if array is not None]
        if self.n_features_in_ != stack.n_features or any(shape != (stack.n_features,) for shape in scaled):
            raise PersistenceError(
                f"its network takes {stack.n_features} features, but the model expects {self.n_features_in_}; "
                "get the original file"
            )
        if self._meaning.n_outputs != stack.n_outputs:
            raise PersistenceError("its network has other outputs than its targets; get the original file")
