"""How an update rule becomes usable everywhere: the decorator, its facts, and the functions that kernels call.

A rule is a value: a NamedTuple of floats.  What it remembers of the past is one block of shape (slots, size), kept
outside.  A rule says how *one coordinate* moves, number by number (handing an array on would cost more than the
step), so the same few lines serve a dense vector, where the loop over coordinates is fused and vectorised, and the
non-zeros of a sparse row.

On sparse rows a coordinate is *resting* while rows do not touch it.  `rest` makes up for the steps that it missed,
where the rule has a closed form for them.  A penalty is made up for by one proximal step in the rule's metric,
whose length is the sum of the rates of the steps missed.  The facts ``exact``, ``exact_l1`` and ``exact_l2`` say
where this is the same as visiting every coordinate at every step; elsewhere the sparse form is a definition of its
own, as that of PyTorch's SparseAdam.
"""

from __future__ import annotations

import difflib
import functools
import numbers
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.jit import dispatch

T = TypeVar("T", bound=type)

RULES: dict[str, type] = {}

#: Facts that a rule states as class attributes, with what is assumed where it does not.
FACTS: dict[str, Any] = {
    "slots": 0,  # numbers remembered a coordinate, at most 2
    "exact": False,  # sparse steps without a penalty equal dense ones
    "exact_l1": False,  # ... with l1
    "exact_l2": False,  # ... with l2
    "absorbs": (),  # fields that hold a penalty of its own; none may be applied beside l1 and l2 held there
    "whole": False,  # couples the coordinates: there is no step of one
    "not_for_networks": "",  # why it cannot train a network, for errors: "couples all weights" where it is whole
}


@dispatch
def constants(self: Any, eta: Any, t: Any) -> Any:
    """Three numbers that all coordinates share in step ``t = 1, 2, ...`` at rate ``eta``."""
    return self.constants(eta, t)


@dispatch
def advance(self: Any, w: Any, s: Any, r: Any, g: Any, a: Any, b: Any, c: Any) -> Any:
    """The weight and its two remembered numbers ``w, s, r`` after a step by g; ``a, b, c`` are its constants."""
    return self.advance(w, s, r, g, a, b, c)


@dispatch
def rest(self: Any, w: Any, s: Any, r: Any, missed: Any, c: Any) -> Any:
    """``w, s, r`` after ``missed >= 1`` steps without a gradient; c is the last constant of the last of them."""
    return self.rest(w, s, r, missed, c)


@dispatch
def stiffness(self: Any, s: Any, r: Any, a: Any, b: Any, c: Any) -> Any:
    """The rule's metric: a gradient g moves a coordinate by ``eta g / stiffness``; 0 where nothing is known yet."""
    return self.stiffness(s, r, a, b, c)


def unpenalised(given: Any) -> Any:
    """The rule for coordinates that no penalty touches: an intercept neither decays nor is drawn to zero."""
    return given._replace(**dict.fromkeys(given.absorbs, 0.0))


def narrowed(given: Any, dtype: Any) -> Any:
    """The rule with fields of a dtype, for kernels whose arithmetic is to be that of float32.

    Its constants are those of the rounded fields: what the rule forgets and what is made up for belong together.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest.rules import Momentum
    >>> narrowed(Momentum(0.9), np.float32)
    Momentum(momentum=np.float32(0.9))
    """
    kind = np.dtype(dtype)
    if kind == np.float64:
        return given
    return tuple.__new__(type(given), tuple(kind.type(value) for value in given))  # a rule makes its fields float64


def rule(name: str) -> Callable[[T], T]:
    """Register a rule under a name; fields become floats, equality sees the class."""

    def decorate(cls: T) -> T:
        made: Any = cls
        for fact, default in FACTS.items():
            if not hasattr(made, fact):
                setattr(made, fact, default)
        if made.whole and not made.not_for_networks:
            made.not_for_networks = "couples all weights"
        made.name = name
        original, validate = made.__new__, made.validate

        # A field given as an int would be another type for the compiler, and compile every kernel again.
        @functools.wraps(original)
        def new(klass: type, *args: Any, **kwargs: Any) -> Any:
            fields = original(klass, *args, **kwargs)
            for field, value in zip(made._fields, fields, strict=True):
                if not isinstance(value, numbers.Real) or isinstance(value, bool):
                    raise InvalidParameterError(f"{field}: expected a number, got {value!r}. Write it as a float.")
            out: Any = tuple.__new__(klass, tuple(float(v) for v in fields))
            validate(out)
            return out

        made.__new__ = new
        made._make = classmethod(lambda klass, fields: klass(*fields))
        made.__eq__ = lambda self, other: type(self) is type(other) and tuple(self) == tuple(other)
        made.__ne__ = lambda self, other: not made.__eq__(self, other)
        made.__hash__ = lambda self: hash((type(self).__qualname__, tuple(self)))
        made.__bool__ = lambda self: True
        RULES[name] = cls
        return cls

    return decorate


def between(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    """Raise unless ``low <= value < high`` (``low <`` with ``open_low``)."""
    if not (low < value < high or (value == low and not open_low)):
        left = "(" if open_low else "["
        raise InvalidParameterError(
            f"{name}: expected a number in {left}{low:g}, {high:g}), got {value!r}. Leave it out for the usual one."
        )


def rules_of_networks() -> list[str]:
    """Names of the rules that can train networks, sorted.

    Examples
    --------
    >>> "adam" in rules_of_networks(), "ftrl" in rules_of_networks()
    (True, False)
    """
    import steepest.rules  # noqa: F401  (fills the table)

    table: dict[str, Any] = {**RULES}
    return sorted(name for name, kind in table.items() if not kind.not_for_networks)


def get_rule(given: Any) -> Any:
    """The rule for a name, a registered class, or a value itself.

    Raises
    ------
    InvalidParameterError
        With the known names and the nearest of them.
    """
    import steepest.rules  # noqa: F401  (fills the table)

    if isinstance(given, str):
        if given in RULES:
            return RULES[given]()
        near = difflib.get_close_matches(given, RULES, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise InvalidParameterError(f"rule: expected one of {sorted(RULES)} or a rule value, got '{given}'.{hint}")
    if isinstance(given, type) and given in RULES.values():
        return given()
    if type(given) in RULES.values():
        return given
    raise InvalidParameterError(f"rule: expected one of {sorted(RULES)} or a rule value, got {given!r}. Try 'sgd'.")
