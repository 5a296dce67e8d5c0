"""What a network's parameters ask for, as values: layers, rule, rates, solver."""

from __future__ import annotations

import difflib
import math
import numbers
from typing import Any, NamedTuple

import numpy as np

from steepest.estimators.rates import rule_value
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.protocols import AnyArray, FloatArray
from steepest.rules.registry import RULES, rules_of_networks
from steepest.solvers.network_batch import NAMES
from steepest.solvers.schedule_names import get_schedule
from steepest.solvers.schedules import Constant
from steepest.solvers.schedules_rows import InverseRows

AUTO_ROWS = 200  # of a batch, as scikit-learn's
LITTLE = 1 << 21  # rows times weights up to which float64 costs no time


class Method(NamedTuple):
    """How the objective is minimised: ``name`` is that of a method on all rows, or of the rule."""

    name: str
    rule: Any  # None for methods on all rows

    @property
    def batch(self) -> bool:
        """Whether every step sees all rows."""
        return self.rule is None


def method_of(model: Any) -> Method:
    """``optimizer``, or ``solver`` where it is None.

    Raises
    ------
    InvalidParameterError
        Names the parameter, what there is, and the nearest.
    """
    given, named = (model.optimizer, "optimizer") if model.optimizer is not None else (model.solver, "solver")
    known = sorted([*rules_of_networks(), *NAMES])
    if isinstance(given, str):
        rules: dict[str, Any] = {**RULES}
        key = given.replace("-", "_")
        if key in NAMES:
            return Method(key, None)
        if given == "adam":
            return Method("adam", rules["adam"](model.beta_1, model.beta_2, model.epsilon))
        if given == "adamw":
            return Method(
                "adamw", rules["adamw"](model.beta_1, model.beta_2, model.epsilon, model.weight_decay or 0.01)
            )
        if given == "sgd" and named == "solver" and model.momentum > 0.0:
            kind = rules["nesterov" if model.nesterovs_momentum else "momentum"]
            return Method("sgd", kind(model.momentum))
        if given in ("momentum", "nesterov"):
            return Method(given, rules[given](model.momentum))
        if given not in RULES:
            near = difflib.get_close_matches(given, known, n=1)
            raise InvalidParameterError(
                f"The '{named}' parameter of {type(model).__name__} must be a str among {known} or a rule value. "
                f"Got {given!r} instead.{f' Did you mean {near[0]!r}?' if near else ''}"
            )
    try:
        rule = rule_value(given)
    except InvalidParameterError:
        raise InvalidParameterError(
            f"{named}: expected one of {known} or a rule value, got {given!r:.100}. Try 'adam'."
        ) from None
    if rule.not_for_networks:
        raise IncompatibleError(f"{named}: '{rule.name}' {rule.not_for_networks}. Use 'adam'.")
    return Method(rule.name, rule)


def decay_of(model: Any, method: Method) -> float:
    """Decay beside the rule; AdamW by name has it inside."""
    return (
        0.0
        if method.name == "adamw" and isinstance(model.optimizer or model.solver, str)
        else float(model.weight_decay)
    )


# --------------------------------------------------------------------------------------------------------- layers


def layers_of(model: Any) -> tuple[Dense, ...]:
    """The hidden layers."""
    if model.layers is not None:
        given = model.layers
        if isinstance(given, Dense | numbers.Integral) and not isinstance(given, bool):
            given = [given]
        items = list(given) if isinstance(given, list | tuple | np.ndarray) else None
        if items is None:
            raise InvalidParameterError(
                f"layers: expected a list of layers, got {given!r:.100}. Write [Dense(256, 'relu'), Dense(128)]."
            )
        return tuple(_layer(model, item, "layers") for item in items)
    sizes = model.hidden_layer_sizes
    items = list(sizes) if np.ndim(sizes) == 1 else [sizes]
    for size in items:
        if not _is_count(size):
            raise InvalidParameterError(
                f"hidden_layer_sizes must be > 0, got {items}. Give whole numbers, as (100,), or layers=[Dense(100)]."
            )
    return tuple(_layer(model, size, "hidden_layer_sizes") for size in items)


def _is_count(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def _layer(model: Any, item: Any, named: str) -> Dense:
    if isinstance(item, Dense):
        return item
    if not _is_count(item):
        raise InvalidParameterError(
            f"{named}: expected numbers of units of at least 1, or layers as Dense(256, 'relu'), got {item!r:.80}."
        )
    return Dense(int(item), model.activation, init=model.init)


def stack_of(model: Any, shape: tuple[int, int], n_outputs: int, before: Any = None) -> Stack:
    """The network that the parameters describe.

    Parameters
    ----------
    model : estimator
    shape : tuple of int
        Of X.
    n_outputs : int
    before : dtype, optional
        What "auto" was when the network began.
    """
    unit = "identity" if model.output_activation is None else model.output_activation
    made = Stack(shape[1], layers_of(model), n_outputs, output_activation=unit, output_init=model.init)
    auto = isinstance(model.dtype, str) and model.dtype == "auto"
    little = shape[0] * made.decayed <= LITTLE
    own = ("float64" if little else "float32") if before is None else before
    made.dtype = np.dtype(own if auto else model.dtype)
    return made


# ---------------------------------------------------------------------------------------------------------- rates


def schedule_of(model: Any, n: int, steps: int) -> Any:
    """The rates of the steps.

    Parameters
    ----------
    model : estimator
    n, steps : int
        Rows, and steps of an epoch.
    """
    given, first = model.learning_rate, float(model.learning_rate_init)
    if not isinstance(given, str):
        return _schedule(given)
    if given == "adaptive":
        return given
    if given == "constant":
        return Constant(first)
    if given == "invscaling":
        return InverseRows(first, float(model.power_t), n, steps)
    if given in ("auto", "optimal", "pegasos"):
        raise InvalidParameterError(
            f"learning_rate: '{given}' is for convex problems. Use 'constant', 'invscaling', 'adaptive', a number or a "
            "schedule of steepest.solvers.schedules."
        )
    return _schedule(given, eta0=first)


def _schedule(given: Any, **first: float) -> Any:
    try:
        return get_schedule(given, **first)
    except InvalidParameterError as error:
        raise InvalidParameterError(str(error).replace("'auto', ", "", 1)) from None


def batch_rows(model: Any, n: int) -> int:
    """Rows of a step."""
    return min(AUTO_ROWS if isinstance(model.batch_size, str) else int(model.batch_size), n)


# --------------------------------------------------------------------------------------------------- augmentation


class Rescaled:
    """An augmentation of rows whose columns were scaled: it sees them in the units of the data.

    Parameters
    ----------
    inner : object
        With ``apply``.
    shift, factor : array or None
        Batches hold ``(x - shift) * factor``.
    """

    def __init__(self, inner: Any, shift: FloatArray | None, factor: FloatArray | None, dtype: Any) -> None:
        self.inner = inner
        self.shift = None if shift is None else np.asarray(shift, dtype)
        self.factor = None if factor is None else np.asarray(factor, dtype)

    def apply(self, batch: AnyArray, rows: AnyArray, epoch: int, seed: int) -> None:
        """As that of the augmentation inside."""
        if self.factor is not None:
            batch /= self.factor
        if self.shift is not None:
            batch += self.shift
        self.inner.apply(batch, rows, epoch, seed)
        if self.shift is not None:
            batch -= self.shift
        if self.factor is not None:
            batch *= self.factor


def augmentation_of(model: Any, n_features: int, shift: Any, factor: Any, dtype: Any) -> Any:
    """What changes batches at random, ready to run; None where nothing does."""
    shape = model.image_shape
    if shape is not None:
        good = isinstance(shape, tuple | list) and len(shape) in (2, 3) and all(_is_count(size) for size in shape)
        if not good or math.prod(shape) != n_features:
            raise InvalidParameterError(
                f"image_shape: expected height and width (and channels) of rows of {n_features} features, got "
                f"{shape!r}. {_square(n_features)}"
            )
    if model.augment is None:
        return None
    from steepest.transforms.augmentation import as_augmenter

    ready = as_augmenter(model.augment, shape).prepared(n_features)
    return ready if shift is None and factor is None else Rescaled(ready, shift, factor, dtype)


def channels_of(model: Any, n_features: int) -> int:
    """Channels of the pictures whose pixels get the values of others at random; 0 where none do."""
    ready = augmentation_of(model, n_features, None, None, None)
    return ready.plan.channels if ready is not None and ready.mixes else 0


def _square(n_features: int) -> str:
    side = math.isqrt(n_features)
    return f"Use ({side}, {side})." if side * side == n_features else "Their product is the number of features."


# ---------------------------------------------------------------------------------------------- what cannot be


def check_normalised(stack: Stack, rows: int, n: int) -> None:
    """Raises where batches of one row would be normalised."""
    if rows > 1 or not stack.statistics_size:
        return
    named, got = ("X", f"{n}") if n == 1 else ("batch_size", "1")
    raise InvalidParameterError(
        f"{named}: batch normalisation takes the mean of a batch: expected at least 2 rows, got {got}. "
        f"{'Give more rows' if n == 1 else 'Use batch_size=2 or more'}, or layers without batch_norm."
    )


def check_batch(method: Method, model: Any) -> None:
    """Raises where a method on all rows is asked for what only batches have."""
    if not method.batch:
        return
    how = f"{'optimizer' if model.optimizer is not None else 'solver'}: '{method.name}'"
    for parameter in ("augment", "clip_norm", "clip_value"):
        if getattr(model, parameter) is not None:
            raise IncompatibleError(
                f"{parameter}: {how} sees no batches to change. Use solver='adam', or leave it out."
            )
    if model.weight_decay:
        raise IncompatibleError(
            f"weight_decay: {how} minimises an objective, to which decay beside it does not belong. Use alpha."
        )
