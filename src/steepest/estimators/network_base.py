"""What networks share as estimators: parameters, the fit, and the attributes after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from steepest.estimators.callbacks import CallbackSupport
from steepest.estimators.parameters import (
    ANYTHING,
    BOOL,
    NONE,
    Rule,
    Rules,
    integer,
    one_of,
    real,
)


def _is_sizes(value: Any) -> bool:
    return np.ndim(value) == 1 or (np.ndim(value) == 0 and isinstance(value, int | np.integer | Sequence))


SIZES = Rule("an int >= 1 or a sequence of them", lambda v: not isinstance(v, str | bool) and _is_sizes(v))
DTYPE = Rule("'float32' or 'float64'", lambda v: _float_name(v) in ("float32", "float64"))
CLIP = (real(0), NONE)
ENDLESS = Rule("infinity", lambda v: v == np.inf)


def _float_name(value: Any) -> str:
    try:
        return str(np.dtype(value))
    except TypeError:
        return ""


#: Of the constructor, beside those that every estimator has.
RULES_OF_NETWORKS: dict[str, Rules] = {
    "hidden_layer_sizes": (SIZES,),
    "activation": (ANYTHING,),  # the table of units names what it knows
    "solver": (ANYTHING,),
    "alpha": (real(0, closed="left"),),
    "batch_size": (integer(1), one_of("auto")),
    "learning_rate": (ANYTHING,),
    "learning_rate_init": (real(0),),
    "power_t": (real(0, closed="left"),),
    "max_iter": (integer(0),),
    "shuffle": (BOOL,),
    "tol": (real(0, closed="left"), NONE),
    "momentum": (real(0, 1, closed="left"),),
    "nesterovs_momentum": (BOOL,),
    "early_stopping": (BOOL,),
    "validation_fraction": (real(0, 1, closed="left"),),
    "beta_1": (real(0, 1, closed="left"),),
    "beta_2": (real(0, 1, closed="left"),),
    "epsilon": (real(0),),
    "n_iter_no_change": (integer(1), ENDLESS),
    "max_fun": (integer(1),),
    "weight_decay": (real(0, closed="left"),),
    "clip_norm": CLIP,
    "clip_value": CLIP,
    "scale": (one_of("standard", "range"), NONE),
    "dtype": (DTYPE,),
    "probes": (BOOL, integer(1), one_of("auto")),
    "average": (BOOL,),
    "order": (Rule("a str or an order value", lambda v: isinstance(v, str) or hasattr(v, "epoch")), NONE),
}


class NetworkModel(CallbackSupport, BaseEstimator):  # type: ignore[misc]
    """Base of `MLPClassifier` and `MLPRegressor`: one path from ``fit`` to a certified network."""
