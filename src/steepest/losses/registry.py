"""How a loss becomes usable everywhere: the decorator, the facts about it, and the functions kernels call.

    @scalar_loss(name="welsch")
    class Welsch(NamedTuple):
        c: float = 1.0
        def value(self, z, y): return 0.5 * self.c**2 * (1 - math.exp(-(((z - y) / self.c) ** 2)))
        def slope(self, z, y): return (z - y) * math.exp(-(((z - y) / self.c) ** 2))

Kernels never name a loss; they call ``value(loss, z, y)``, ``slope(loss, z, y)``, ... below.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import numbers
from collections.abc import Callable
from typing import Any, TypeVar, overload

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.jit import dispatch

T = TypeVar("T", bound=type)

SCALAR_LOSSES: dict[str, type] = {}
VECTOR_LOSSES: dict[str, type] = {}

#: Facts that a loss may state as class attributes, with what is assumed where it does not.
FACTS: dict[str, Any] = {
    "convex": False,  # in z, for every y
    "smoothness": math.nan,  # Lipschitz constant of the slope in z (inf: none, nan: unknown)
    "self_concordance": math.nan,  # R with |loss'''| <= R loss'' (nan: unknown, inf: none)
    "lower": 0.0,  # a lower bound of the loss
    "targets": "real",  # "sign" (-1, +1) | "unit" (0, 1, or between) | "real" | "nonnegative" | "class"
    "link": "identity",  # from score to prediction: "identity" | "logistic" | "log" | "softmax" | "sign" | "argmax"
    "trainable": True,  # False: for evaluation only (its slope is zero almost everywhere)
}

# ------------------------------------------------------------------------------- what kernels may call


@dispatch
def value(self: Any, z: Any, y: Any) -> Any:
    """loss(z, y)."""
    return self.value(z, y)


@dispatch
def slope(self: Any, z: Any, y: Any) -> Any:
    """d loss / d z, or the stated subgradient at a kink."""
    return self.slope(z, y)


@dispatch
def curvature(self: Any, z: Any, y: Any) -> Any:
    """d2 loss / d z2 (generalised at a kink of the slope)."""
    return self.curvature(z, y)


@dispatch
def conjugate(self: Any, u: Any, y: Any) -> Any:
    """sup over z of u z - loss(z, y); inf outside the domain."""
    return self.conjugate(u, y)


@dispatch
def prox(self: Any, z: Any, y: Any, step: Any) -> Any:
    """argmin over v of loss(v, y) + (v - z)**2 / (2 step)."""
    return self.prox(z, y, step)


@dispatch
def value_slope(self: Any, z: Any, y: Any, out: Any) -> Any:
    """Vector losses: the value; the gradient in z goes into ``out``."""
    return self.value_slope(z, y, out)


# --------------------------------------------------------------------------------------- registration


#: The methods that a loss may have, with the parameters that compiled code expects.
METHODS: dict[str, tuple[str, ...]] = {
    "value": ("self", "z", "y"),
    "slope": ("self", "z", "y"),
    "curvature": ("self", "z", "y"),
    "conjugate": ("self", "u", "y"),
    "prox": ("self", "z", "y", "step"),
    "value_slope": ("self", "z", "y", "out"),
}


def _finish(cls: type, name: str, table: dict[str, type], required: tuple[str, ...]) -> None:
    if not (issubclass(cls, tuple) and hasattr(cls, "_fields")):
        raise InvalidParameterError(
            f"{cls.__name__}: expected a NamedTuple, got a plain class. Write 'class {cls.__name__}(NamedTuple):'."
        )
    for method in required:
        if not callable(getattr(cls, method, None)):
            raise InvalidParameterError(
                f"{cls.__name__}: expected a method {method}({', '.join(METHODS[method])}), "
                f"got only {sorted(_methods(cls))}. Add it."
            )
    for method, parameters in METHODS.items():
        function = getattr(cls, method, None)
        if inspect.isfunction(function) and tuple(inspect.signature(function).parameters) != parameters:
            raise InvalidParameterError(
                f"{cls.__name__}.{method}: expected the parameters ({', '.join(parameters)}), "
                f"got {inspect.signature(function)}. Rename them."
            )
    annotated = sorted(set(cls._fields) & {"name", *FACTS})
    if annotated:
        raise InvalidParameterError(
            f"{cls.__name__}: the fact '{annotated[0]}' is a field. Write '{annotated[0]} = ...' without annotation."
        )
    holder = SCALAR_LOSSES.get(name) or VECTOR_LOSSES.get(name)
    if holder is not None and is_ours(holder) and _home(holder) != _home(cls):
        raise InvalidParameterError(f"name: '{name}' belongs to steepest's {holder.__qualname__}. Choose another name.")
    for fact, default in FACTS.items():
        if not hasattr(cls, fact):
            setattr(cls, fact, default)
    cls.name = name  # type: ignore[attr-defined]
    _make_value_class(cls)
    table[name] = cls


def _home(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def is_ours(cls: type) -> bool:
    """Whether the class is one of steepest's own."""
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]


def _make_value_class(cls: Any) -> None:
    original = cls.__new__
    validate = getattr(cls, "validate", None)

    # A field given as an int would be another type for the compiler, and compile every kernel again.
    @functools.wraps(original)
    def new(klass: type, *args: Any, **kwargs: Any) -> Any:
        made: tuple[Any, ...] = original(klass, *args, **kwargs)
        out: Any = tuple.__new__(klass, (_field(cls, name, v) for name, v in zip(cls._fields, made, strict=True)))
        if validate is not None:
            validate(out)
        return out

    # Tuples compare by content alone: Hinge() would equal Logistic(), and both would be false.
    cls.__new__ = new
    cls._make = classmethod(lambda klass, fields: klass(*fields))  # so that _replace goes through `new`
    cls.__eq__ = lambda self, other: type(self) is type(other) and _content(self) == _content(other)
    cls.__ne__ = lambda self, other: not cls.__eq__(self, other)
    cls.__hash__ = lambda self: hash((type(self).__qualname__, _content(self)))
    cls.__bool__ = lambda self: True


def _field(cls: Any, name: str, value: Any) -> Any:
    """A number as a float; where the default is an array, a float64 array of its own that nobody can write to."""
    if isinstance(value, numbers.Real):
        return float(value)
    if not isinstance(cls._field_defaults.get(name), np.ndarray):
        return value
    try:
        out = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"{name}: expected an array of numbers, got {value!r}. Give rows of one length."
        ) from error
    out.flags.writeable = False
    return out


def _content(loss: Any) -> tuple[Any, ...]:
    """The fields in a form that compares as one; -0.0 is 0.0."""
    return tuple((v.shape, tuple(v.ravel().tolist())) if isinstance(v, np.ndarray) else v for v in loss)


def _methods(cls: type) -> set[str]:
    return {k for k in vars(cls) if callable(getattr(cls, k)) and not k.startswith("_")}


@overload
def scalar_loss(cls: T) -> T: ...
@overload
def scalar_loss(cls: None = None, *, name: str | None = None) -> Callable[[T], T]: ...
def scalar_loss(cls: Any = None, *, name: str | None = None) -> Any:
    """Register a loss of one score; usable by its name, or as a value, in every solver its facts allow.

    Parameters
    ----------
    cls : type
        A NamedTuple with methods ``value(self, z, y)`` and ``slope(self, z, y)``, written in the part of
        Python that Numba compiles.  ``curvature(self, z, y)`` opens Newton's method, ``conjugate(self, u,
        y)`` duality gaps, and ``prox(self, z, y, step)`` a solver for losses with kinks.  Facts (``convex =
        True``, ``smoothness = 1.0`` ...) stand without annotation.
    name : str, optional
        Default: the class's name in lower case.

    Returns
    -------
    type
        The same class.

    See Also
    --------
    steepest.check_loss : verify the methods and the facts numerically.
    """

    def decorate(klass: T) -> T:
        _finish(klass, name or klass.__name__.lower(), SCALAR_LOSSES, ("value", "slope"))
        return klass

    return decorate if cls is None else decorate(cls)


def vector_loss(name: str) -> Callable[[T], T]:
    """Register a loss of a score vector: ``value_slope(self, z, y, out)`` and optionally ``conjugate``."""

    def decorate(klass: T) -> T:
        _finish(klass, name, VECTOR_LOSSES, ("value_slope",))
        return klass

    return decorate


def get_loss(loss: Any) -> Any:
    """The loss value for a name, a registered class, or a value itself.

    Raises
    ------
    InvalidParameterError
        With the known names and the nearest of them.
    """
    import steepest.losses  # noqa: F401  (fills the tables)

    if isinstance(loss, str):
        known = {k: cls for k, cls in (SCALAR_LOSSES | VECTOR_LOSSES).items() if not is_composed(cls)}
        if loss in known:
            return known[loss]()
        near = difflib.get_close_matches(loss, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"loss: expected one of {sorted(known)} or a loss value, got '{loss}'.{hint}")
    registered = (*SCALAR_LOSSES.values(), *VECTOR_LOSSES.values())
    if isinstance(loss, type) and loss in registered and not is_composed(loss):
        return loss()
    if type(loss) in registered:
        return loss
    raise InvalidParameterError(
        f"loss: expected a name or a registered loss, got {loss!r}. Decorate its class with @steepest.scalar_loss."
    )


def is_composed(cls: type) -> bool:
    """Whether the losses of a class hold others, so that facts and methods depend on the value."""
    return callable(getattr(cls, "offers", None))


def has(loss: Any, method: str) -> bool:
    """Whether the loss offers an optional method."""
    if is_composed(type(loss)):
        return bool(loss.offers(method))
    return callable(getattr(type(loss), method, None))
