"""What the estimators with built-in cross-validation share: routing, grids, collected certificates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from steepest.estimators.collecting import hand_in, warn_once_a_search
from steepest.estimators.parameters import NONE, Rule, Rules, integer
from steepest.estimators.path import missed
from steepest.exceptions import InvalidParameterError, NotConvergedError
from steepest.protocols import AnyArray, Certificate, FloatArray
from steepest.solvers.path import Point


def _is_list(value: Any) -> bool:
    return bool(not isinstance(value, str | bytes) and np.ndim(value) == 1 and len(value) > 0)


def _is_cv(value: Any) -> bool:
    if isinstance(value, int | np.integer):
        return int(value) >= 2
    return hasattr(value, "split") or isinstance(value, Iterable)


LIST = Rule("an array-like", _is_list)
CV = Rule(
    "an int >= 2, a splitter or an iterable of splits",
    _is_cv,
)
GRID: Rules = (integer(1), LIST)
CV_RULES: Rules = (CV, NONE)
SCORING: Rules = (Rule("the name of a scorer or a callable", lambda v: isinstance(v, str) or callable(v)), NONE)


def routing_enabled() -> bool:
    """Whether scikit-learn routes metadata."""
    return bool(get_config().get("enable_metadata_routing", False))


def routed(owner: Any, params: dict[str, Any], sample_weight: Any, scored: bool) -> tuple[dict[str, Any], Any]:
    """Arguments of the splitter's ``split``, and of the scorer.

    Without scikit-learn's metadata routing only sample weights go to a scorer, and other arguments are refused.
    """
    if routing_enabled():
        found = process_routing(owner, "fit", sample_weight=sample_weight, **params)
        return dict(found.splitter.split), dict(found.scorer.score) if scored else {}
    if params:
        raise InvalidParameterError(
            f"fit: {sorted(params)} are not supported without metadata routing. "
            "Switch it on with sklearn.set_config(enable_metadata_routing=True)."
        )
    return {}, {"sample_weight": sample_weight} if scored and sample_weight is not None else {}


def router(owner: Any, splitter: Any, scorer: Any = None, score_too: bool = False) -> Any:
    """The metadata that the splitter and the scorer of an estimator ask for."""
    made = MetadataRouter(owner=owner).add_self_request(owner)
    made = made.add(splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split"))
    if scorer is None:
        return made
    mapping = MethodMapping().add(caller="fit", callee="score")
    if score_too:
        mapping = mapping.add(caller="score", callee="score")
    return made.add(scorer=scorer, method_mapping=mapping)


def check_strengths(values: Any, name: str, owner: str, zero: bool, top: float = math.inf) -> FloatArray:
    """Strengths of a grid as float64; positive, or at least zero."""
    array = np.asarray(values)
    good = array.ndim == 1 and len(array) > 0 and array.dtype.kind in "fiu"
    if good:
        array = array.astype(np.float64)
        bad = ~((array > 0.0) | (zero & (array == 0.0))) | (array > top)
        good = not bad.any()
    if not good:
        low = "[0" if zero else "(0"
        raise InvalidParameterError(
            f"The '{name}' parameter of {owner} must be a list of floats in the range {low}, {top:g}"
            f"{']' if math.isinf(top) and name == 'Cs' else ')'}. Got {values!r} instead."
        )
    return array


def collect(shape: tuple[int, ...]) -> Any:
    """An empty array of certificates."""
    return np.empty(shape, dtype=object)


def coefficients(points: list[Point], d: int, k: int, intercept: bool) -> tuple[FloatArray, FloatArray]:
    """(m, k, d) weights and (m, k) intercepts of the points of one job."""
    W = np.stack([point.w for point in points])
    coef = W[:, : d * k].reshape(len(W), d, k).transpose(0, 2, 1)
    return np.ascontiguousarray(coef), (W[:, d * k :].copy() if intercept else np.zeros((len(W), k)))


def conclude(model: Any, certificates: AnyArray) -> None:
    """One warning, or error, for all points that are not certified; called by ``fit``."""
    how = getattr(model, "on_unconverged", "warn")
    every: list[Certificate] = [c for c in np.ravel(certificates) if c is not None]
    parameters = model.fit_record_.parameters
    collected = hand_in(type(model).__name__, parameters, [*every, model.certificate_], how == "ignore")
    if how == "ignore":
        return
    text = missed(type(model).__name__, [*every, model.certificate_])
    if not text:
        return
    if how == "raise":
        raise NotConvergedError(text, model.certificate_, model)
    if not collected:
        warn_once_a_search(text, stacklevel=3)
