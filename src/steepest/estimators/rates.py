"""Losses and learning rates by scikit-learn's names for stochastic gradient descent, as values."""

from __future__ import annotations

from typing import Any

from steepest.exceptions import InvalidParameterError
from steepest.losses import EpsilonInsensitive, Huber, ModifiedHuber, SquaredEpsilonInsensitive
from steepest.losses.registry import get_loss
from steepest.rules import get_rule
from steepest.solvers.schedule_names import get_schedule
from steepest.solvers.schedules import Constant, InverseScaling, ReduceOnPlateau

#: Names that mean the same loss here under another name.
_RENAMED = {"log_loss": "logistic", "squared_error": "squared"}
_WITH_EPSILON: dict[str, Any] = {
    "huber": Huber,
    "epsilon_insensitive": EpsilonInsensitive,
    "squared_epsilon_insensitive": SquaredEpsilonInsensitive,
}
_SCIKIT_LEARNS: Any = ModifiedHuber
_PASSIVE = ("pa1", "pa2")


def loss_value(given: Any, epsilon: float) -> Any:
    """The loss of a name of scikit-learn's, of a name here, or a value as it is.

    Where both know a name, it means scikit-learn's loss: "modified_huber" has its knee at -1, and "huber" and the
    epsilon-insensitive losses take ``epsilon``.

    Examples
    --------
    >>> loss_value("log_loss", 0.1), loss_value("huber", 0.1), loss_value("modified_huber", 0.1)
    (Logistic(), Huber(delta=0.1), ModifiedHuber(knee=-1.0))
    """
    if isinstance(given, str):
        if given == "modified_huber":
            return _SCIKIT_LEARNS(-1.0)
        if given in _WITH_EPSILON:
            return _WITH_EPSILON[given](epsilon)
        given = _RENAMED.get(given, given)
    return get_loss(given)


def rule_value(given: Any) -> Any:
    """The update rule of a name, or a value as it is; errors name the parameter.

    Examples
    --------
    >>> rule_value("momentum")
    Momentum(momentum=0.9)
    """
    try:
        return get_rule(given)
    except InvalidParameterError as error:
        raise InvalidParameterError(f"optimizer: {str(error).removeprefix('rule: ')}") from None


def schedule(given: Any, *, alpha: float, eta0: float, power_t: float, patience: int, observed: bool) -> Any:
    """The schedule of ``learning_rate``: "auto", or a value.

    Parameters
    ----------
    given : str, float or schedule
        "constant", "optimal", "invscaling", "adaptive" as scikit-learn means them, "auto", or as for `get_schedule`.
    alpha, eta0, power_t : float
    patience : int
        Epochs without progress after which "adaptive" divides the rate by 5.
    observed : bool
        Whether progress is looked at; where it is not, "adaptive" is constant.

    Raises
    ------
    InvalidParameterError
    """
    if isinstance(given, str) and given == "auto":
        return given
    if not isinstance(given, str):
        return get_schedule(given)
    if given in _PASSIVE:
        raise InvalidParameterError(
            f"learning_rate: '{given}' (passive-aggressive steps) is not offered. Use 'auto', or 'optimal'."
        )
    if given == "adaptive":
        if not observed:
            return Constant(_first(given, eta0))
        return ReduceOnPlateau(_first(given, eta0), factor=0.2, patience=patience - 1, threshold=0.0)
    if given == "constant":
        return Constant(_first(given, eta0))
    if given == "invscaling":
        return InverseScaling(_first(given, eta0), power_t)
    if given == "optimal" and not alpha > 0.0:
        raise InvalidParameterError(
            f"alpha: must be > 0 since learning_rate is 'optimal', which is 1 / (alpha t), got {alpha!r}. "
            "Use learning_rate='auto'."
        )
    return get_schedule(given, eta0=None if given == "optimal" else eta0, alpha=alpha)


def _first(given: str, eta0: float) -> float:
    if not eta0 > 0.0:
        raise InvalidParameterError(
            f"eta0: must be > 0 with learning_rate='{given}', got {eta0!r}. Try 0.01, or learning_rate='auto'."
        )
    return eta0
