"""What a model says about itself: read without making any object, for `describe` and for reports."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from steepest.exceptions import PersistenceError

FORMAT = 1
PACKAGES = ("steepest", "scikit-learn", "numpy", "scipy", "skops")


def final(estimator: Any) -> Any:
    """The model at the end of pipelines and target transformers.

    Raises
    ------
    PersistenceError
        It is none of this package, or not fitted.
    """
    model = estimator
    while True:
        if isinstance(model, Pipeline):
            model = model.steps[-1][1]
        elif hasattr(model, "regressor_"):
            model = model.regressor_
        else:
            break
    if not any(kind.__module__.startswith("steepest.estimators.") for kind in type(model).__mro__):
        best = getattr(model, "best_estimator_", None)
        hint = (
            "store its best_estimator_" if best is not None else "give a steepest estimator, or a Pipeline ending in it"
        )
        raise PersistenceError(f"estimator: expected a model of steepest, got {type(model).__name__}; {hint}")
    try:
        check_is_fitted(model)
    except ValueError:
        raise PersistenceError(
            f"estimator: {type(model).__name__} is not fitted, so there is nothing to keep; call fit first"
        ) from None
    return model


def _steps(estimator: Any) -> list[list[str]]:
    if not isinstance(estimator, Pipeline):
        return []
    return [[str(name), type(step).__name__] for name, step in estimator.steps]


def _listed(values: Any) -> list[Any] | None:
    """Labels or names as JSON has them; what it has no word for as text."""
    if values is None:
        return None
    flat = values.tolist() if hasattr(values, "tolist") else list(values)
    return [item if isinstance(item, str | int | float | bool) or item is None else str(item) for item in flat]


def _shape(model: Any) -> list[Any]:
    """The shape of the coefficients; of a network those of its layers."""
    if hasattr(model, "coefs_"):
        return [[int(size) for size in weights.shape] for weights in model.coefs_]
    return [int(size) for size in np.shape(model.coef_)]


def facts(estimator: Any) -> dict[str, Any]:
    """Model, expected data, certificate and settings, as plain values.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
    """
    model = final(estimator)
    record = getattr(model, "fit_record_", None)
    said: dict[str, Any] = {} if record is None else record.to_dict()
    said.pop("history", None)
    certificate = said.pop("certificate", None)
    if certificate is not None:
        certificate.pop("evidence", None)  # may be as long as the coefficients
    n_features = getattr(estimator, "n_features_in_", None)  # a pipeline that begins with texts has none
    return {
        "estimator": type(model).__name__,
        "type": f"{type(model).__module__}.{type(model).__qualname__}",
        "steps": _steps(estimator),
        "expects": {
            "n_features": None if n_features is None else int(n_features),
            "feature_names": _listed(getattr(estimator, "feature_names_in_", None)),
        },
        "classes": _listed(getattr(model, "classes_", None)),
        "coef_shape": _shape(model),
        "objective": getattr(model, "objective_", None),
        "certificate": certificate,
        "record": said or None,
    }


def manifest(estimator: Any) -> dict[str, Any]:
    """What is stored beside the objects, but for the digests."""
    return {
        "format": FORMAT,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **facts(estimator),
    }
