"""Why a loss does not compile, in one sentence: the method, the line, the offending operation."""

from __future__ import annotations

import inspect
import re
from types import FunctionType
from typing import Any

import numba
from numba.core import types

from steepest.exceptions import InvalidParameterError
from steepest.losses.registry import METHODS, VECTOR_LOSSES, is_ours


class LossCompileError(InvalidParameterError):
    """A method of a loss is outside the part of Python that Numba compiles."""


def require_compiled(loss: Any) -> None:
    """Compile each method of the loss alone; raise `LossCompileError` for the first that cannot be.

    Costs a few tenths of a second, so it is meant for when a kernel has failed, or for a new loss; steepest's
    own losses are not compiled again.

    Parameters
    ----------
    loss : loss value
    """
    if numba.config.DISABLE_JIT:
        return
    for part in loss:  # the terms of a sum
        if isinstance(part, tuple):
            require_compiled(part)
    if is_ours(type(loss)):
        return
    for method in METHODS:
        function = getattr(type(loss), method, None)
        if inspect.isfunction(function):
            problem = _compile(loss, method, function)
            if problem is not None:
                raise LossCompileError(problem)


def _compile(loss: Any, method: str, function: Any) -> str | None:
    """What is wrong with one method, or None."""
    where = f"{type(loss).__name__}.{method}"
    plain = FunctionType(function.__code__, function.__globals__, function.__name__, None, function.__closure__)
    scores = types.Array(types.float64, 1, "C")
    if type(loss) in VECTOR_LOSSES.values():
        arguments = (scores, types.int64, scores) if method == "value_slope" else (scores, types.int64)
    else:
        arguments = (types.float64,) * (len(METHODS[method]) - 1)
    dispatcher = numba.njit(error_model="numpy")(plain)
    try:
        dispatcher.compile((numba.typeof(loss), *arguments))
    except Exception as error:  # the compiler lets many kinds through
        line = _line(function, error)
        return f"{where} cannot be compiled{line}: {_reason(str(error))}"
    returned = dispatcher.nopython_signatures[0].return_type
    if not isinstance(returned, types.Float | types.Integer):
        line = _line(function, None)
        what = "nothing" if isinstance(returned, types.NoneType) else f"{returned}"
        return f"{where} must return one number{line}, it returns {what}. Return a float on every path."
    return None


def _line(function: Any, error: Exception | None) -> str:
    first = function.__code__.co_firstlineno
    try:
        lines, _ = inspect.getsourcelines(function)
    except (OSError, TypeError):  # typed at a prompt
        lines = []
    number = first
    if error is not None:
        found = [int(n) for n in re.findall(r"line (\d+)|\((\d+)\)", str(error)) for n in n if n]
        loc = getattr(error, "loc", None)
        if loc is not None:
            found.append(loc.line)
        inside = [n for n in found if first <= n < first + max(len(lines), 1)]
        named = [first + i for i, text in enumerate(lines) for name in _last_quoted(error) if name in text]
        number = (inside or named or [first])[-1]
    text = lines[number - first].strip() if lines else ""
    return f" at line {number}" + (f" `{text}`" if text else "")


def _last_quoted(error: Exception) -> list[str]:
    return re.findall(r"'(\w+)'", str(error))[-1:]


_READINGS: tuple[tuple[str, str], ...] = (
    (
        r"Unknown attribute '(\w+)' of type (?:BoundFunction\()?Module\(<module '([\w.]+)'",
        "{1}.{0} is not known to Numba. Use another function of math or numpy.",
    ),
    (
        r"Unknown attribute '(\w+)' of type ([\w.]+)\(",
        "{1} has no field '{0}'. Compiled code sees fields only: declare '{0}: float = ...'.",
    ),
    (r"NameError: name '(\w+)' is not defined", "the name '{0}' is not defined. Import or define it in the module."),
    (
        r"Untyped global name '(\w+)':?[^\n]*(?:\n[^\n]*)?",
        "the name '{0}' is not a number, a Numba function or a module. Decorate a helper with @numba.njit.",
    ),
    (
        r"No implementation of function Function\(<(?:built-in function|ufunc|function|class|intrinsic) '?(\w+)'?[^\n]*"
        r"found for signature:\s*>>> ([^\n]+)",
        "{0} does not take these types: {1}. Use math or numpy functions of plain numbers.",
    ),
    (r"Exception object cannot be stored into variable", "an exception cannot be kept: write 'except Exception:'."),
    (r"No implementation of function Function\((\S+)", "{0} is not known to Numba for these arguments."),
    (r"Cannot unify ([^\n]+?) and ([^\n]+?) for '([\w.]+)'", "'{2}' is {0} on one path and {1} on another."),
    (r"Can't unify return type from the following types: ([^\n]+)", "it returns {0} on different paths."),
    (r"(Use of unsupported [^\n]+|[^\n]*(?:is not supported|not supported)[^\n]*)", "{0}."),
)


def _reason(message: str) -> str:
    message = re.sub(r"\x1b\[[0-9;]*m", "", message)
    for pattern, sentence in _READINGS:
        match = re.search(pattern, message)
        if match:
            return sentence.format(*(part.strip().rstrip(".") for part in match.groups()))
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[1] if len(lines) > 1 and lines[0].startswith("Failed in nopython") else lines[0]
