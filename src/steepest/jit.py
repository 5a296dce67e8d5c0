"""Compilation: kernels, their cache on disk, and the clock of compile seconds.

A *kernel* is a function that Numba compiles without the interpreter lock, the first time it is called
with new argument types; importing steepest compiles nothing.  Machine code is kept on disk, so a second
process loads it in milliseconds.

Losses, penalties and rows of data reach kernels as NamedTuple values.  `dispatch` makes a plain function,
for instance ``slope(loss, z, y)``, call the method of the value's class from compiled code; it is the one
mechanism by which any loss is compiled into any kernel.  Numba names a NamedTuple by its importable class,
which makes the types, and so the cache, stable across processes.  (jitclass instances, functions as
arguments, and closures over compiled functions would never be found again.)

The cache knows only the file of a kernel itself.  Ours is stamped with the content of every file that
kernels are compiled from, and keyed by the file of a user's loss, so an edit in either drops stale code.
Classes of ``__main__``, of notebooks and of function bodies cannot be found by another process: kernels
that meet one run through an uncached twin.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

import numba
import numpy as np
from numba.core import event
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.runtime import rtsys
from numba.core.types import NamedTuple, NamedUniTuple
from numba.extending import overload

from steepest.collector import resting

F = TypeVar("F", bound=Callable[..., Any])

_STAMPED = ("jit.py", "elementary.py", "losses", "penalties", "rules", "data", "kernels")
_LEAN = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}  # nobody calls kernels from C
_FUSE = {"contract"}  # fused multiply-add alone: the order of operations stands
_REASSOCIATE = {"contract", "reassoc"}  # fused multiply-add and vector sums; NaN and inf stay exact

KERNELS: list[Kernel] = []

# ---------------------------------------------------------------------------------------- the disk cache


@functools.cache
def source_stamp() -> str:
    """Hash of every source file that may be compiled into a kernel."""
    root = Path(__file__).parent
    digest = hashlib.sha256(numba.__version__.encode())
    for name in _STAMPED:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:20]


@functools.cache
def cache_directory() -> Path | None:
    """Where machine code is kept; None where no place can be written to.

    ``NUMBA_CACHE_DIR`` where it is set, else ``$XDG_CACHE_HOME/steepest`` or ``~/.cache/steepest``.
    """
    bases = [numba.config.CACHE_DIR] if numba.config.CACHE_DIR else []
    if not bases:
        bases = [os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")]
    for base in bases:
        path = Path(base) / "steepest"
        try:
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except OSError:
            continue
        return path
    return None


class _Locator(_CacheLocator):  # type: ignore[misc]
    """Keeps a kernel of this package under `cache_directory`, fresh by `source_stamp`."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        # the 2 is the format of the index: an older one is not looked at
        self._disambiguator = f"{py_func.__module__}-{py_func.__code__.co_firstlineno}-2"

    def get_cache_path(self) -> str:
        return str(cache_directory())

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        return self._disambiguator

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator | None:
        return cls(py_func, py_file) if cache_directory() is not None else None


class _CacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_Locator]


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's cache, with the files of user-written losses in the key."""

    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        # Numba's own would first load all that compiling needs, its typing of the whole of NumPy: 0.15 s of a
        # first fit.  Machine code needs the runtime of arrays alone; a miss compiles, which loads the rest.
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        # As text: an index that holds a class can only be read where its module can be imported, so one user's
        # loss would stop every kernel of every other program.
        _, *rest = super()._index_key(sig, codegen)
        held = [part for arg in getattr(sig, "args", sig) for part in _with_parts(arg)]
        return (str(sig), *rest, tuple(filter(None, map(_class_stamp, held))))


def _class_stamp(arg: Any) -> str | None:
    cls = getattr(arg, "instance_class", None)
    if cls is None or cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
        return None  # not a NamedTuple, or one of ours, which `source_stamp` covers
    # The whole file, for methods may call helpers beside the class.
    return hashlib.sha256(Path(inspect.getfile(cls)).read_bytes()).hexdigest()


@functools.cache
def cacheable(cls: type) -> bool:
    """Whether another process can import ``cls`` under its name and so find the compiled code again."""
    if cls.__module__.startswith("steepest.") and "<locals>" not in cls.__qualname__:
        return True  # looking for its source takes milliseconds
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        return False
    module = sys.modules.get(cls.__module__)
    if getattr(module, cls.__qualname__, None) is not cls:
        return False
    try:
        inspect.getsource(cls)
    except (OSError, TypeError):  # notebooks, exec
        return False
    return True


# ------------------------------------------------------------------------------------------- decorators


def _classes(value: tuple[Any, ...]) -> list[type]:
    """The class of a value and of the values it holds."""
    return [type(value), *(cls for part in value if isinstance(part, tuple) for cls in _classes(part))]


def _with_parts(arg: Any) -> Iterator[Any]:
    """A Numba type, and the types of what its values hold."""
    yield arg
    for part in getattr(arg, "types", ()):
        yield from _with_parts(part)


class Kernel:
    """A compiled function with a cached and an uncached dispatcher over one Python source."""

    def __init__(self, function: Callable[..., Any], fastmath: bool) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._options = _LEAN | {"fastmath": _REASSOCIATE if fastmath else False}
        self._dispatchers: dict[tuple[type, ...], Callable[..., Any]] = {}
        self._shared: Callable[..., Any] | None = None
        self._names: dict[str, type] = {}  # of the classes that the shared dispatcher has met
        KERNELS.append(self)

    def prepared(self, *args: Any) -> Callable[[], Any]:
        """A call on these very arguments, compiled now and not yet run; it costs half a microsecond less."""
        classes = tuple([cls for arg in args if isinstance(arg, tuple) for cls in _classes(arg)])
        dispatcher: Any = self._dispatchers.get(classes)
        if dispatcher is None:
            dispatcher = self._dispatchers.setdefault(classes, self._dispatcher(classes))
        if hasattr(dispatcher, "compile"):  # else compiling is switched off
            with resting():
                dispatcher.compile(tuple([numba.typeof(arg) for arg in args]))
        return functools.partial(dispatcher, *args)

    def __call__(self, *args: Any) -> Any:
        classes = tuple([cls for arg in args if isinstance(arg, tuple) for cls in _classes(arg)])
        dispatcher = self._dispatchers.get(classes)
        if dispatcher is None:
            dispatcher = self._dispatchers.setdefault(classes, self._dispatcher(classes))
            with resting():  # compiling and loading make objects that stay
                return dispatcher(*args)
        return dispatcher(*args)

    def _dispatcher(self, classes: tuple[type, ...]) -> Callable[..., Any]:
        # Numba finds compiled code again by the bare name of a NamedTuple's class, so a class defined anew (a
        # notebook's cell run twice, two modules with a loss of one name) would run the old code: it gets a
        # dispatcher of its own.
        if cache_directory() is None or not all(cls is tuple or cacheable(cls) for cls in classes):
            return self._new(cached=False)
        if any(self._names.setdefault(cls.__name__, cls) is not cls for cls in classes):
            return self._new(cached=True)
        if self._shared is None:
            self._shared = self._new(cached=True)
        return self._shared

    def _new(self, cached: bool) -> Callable[..., Any]:
        if numba.config.DISABLE_JIT:  # compiled code does not warn either
            return np.errstate(all="ignore")(self.py_func)
        dispatcher = numba.njit(**self._options)(self.py_func)
        if cached:
            dispatcher._cache = _KernelCache(self.py_func)
        return dispatcher  # type: ignore[no-any-return]

    def misses(self) -> int:
        """Specialisations that this process had to compile although they could have been on disk."""
        made: dict[int, Any] = {id(dispatcher): dispatcher for dispatcher in self._dispatchers.values()}
        caching = [d for d in made.values() if isinstance(getattr(d, "_cache", None), _KernelCache)]
        return sum(sum(d.stats.cache_misses.values()) for d in caching)


class Entry:
    """A function that compiled code calls by its address, with pointers; compiled for their types, cached on disk.

    Numba compiles a kernel anew for every combination of the types that it meets.  What a kernel calls by address is
    compiled for its own types alone.

    The function takes a pointer to int64, an int64, and pointers; it returns nothing and must raise nothing.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__doc__ = function.__doc__
        self.py_func = function
        self._made: dict[tuple[str, ...], Any] = {}

    def address(self, *dtypes: Any) -> int:
        """Where the machine code for pointers to these types of numbers begins; None stands for a pointer to any."""
        key = tuple("" if given is None else np.dtype(given).str for given in dtypes)
        made = self._made.get(key)
        if made is None:
            from numba.core.ccallback import CFunc

            pointers = [numba.types.voidptr if not name else _pointer_to(name) for name in key]
            signature = ((_pointer_to("i8"), numba.types.int64, *pointers), numba.types.void)
            options = {"error_model": "numpy", "fastmath": _REASSOCIATE}
            made = CFunc(self.py_func, signature, {}, options)
            if cache_directory() is not None:
                made._cache = _KernelCache(self.py_func)
            with resting():
                made.compile()
            made = self._made.setdefault(key, made)  # of two threads that compile it one is second
        return int(made.address)


def _pointer_to(name: str) -> Any:
    return numba.types.CPointer(numba.from_dtype(np.dtype(name)))


def entry(function: Callable[..., Any]) -> Entry:
    """A function that is called by its address, see `Entry`."""
    return Entry(function)


def kernel(function: F) -> F:
    """An entry point from Python: compiled on first use, cached on disk, runs without the interpreter lock.

    Arithmetic is exact IEEE in the order written.
    """
    return Kernel(function, fastmath=False)  # type: ignore[return-value]


def fast_kernel(function: F) -> F:
    """As `kernel`, where sums may be reassociated into vector lanes and products fused.

    NaN and infinities keep their meaning.  Tests bound the difference from the order written.
    """
    return Kernel(function, fastmath=True)  # type: ignore[return-value]


def inner(function: F) -> F:
    """A function that kernels call; compiled into them, never by itself on disk."""
    return numba.njit(**_LEAN, forceinline=True)(function)  # type: ignore[no-any-return]


def called(function: F) -> F:
    """As `inner`, for long functions that are called at several places: compiled once, with the kernel."""
    return numba.njit(**_LEAN)(function)  # type: ignore[no-any-return]


def fused_inner(function: F) -> F:
    """As `inner`, with products fused into sums; nothing is reordered, so alone and inside a loop it gives one result.

    Every sum must have one product at most: of two, the compiler chooses which to fuse.
    """
    return numba.njit(**_LEAN, forceinline=True, fastmath=_FUSE)(function)  # type: ignore[no-any-return]


def fast_inner(function: F) -> F:
    """As `inner`, with reassociated sums."""
    return numba.njit(**_LEAN, forceinline=True, fastmath=_REASSOCIATE)(function)  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------- dispatch on class


def value_class(arg: Any) -> type | None:
    """The Python class behind a Numba type of a NamedTuple, else None (both kinds of tuple type)."""
    if isinstance(arg, NamedTuple | NamedUniTuple):
        return arg.instance_class  # type: ignore[no-any-return]
    return None


def _dispatch(function: F, fastmath: bool, inlined: bool) -> F:
    name = function.__name__
    parameters = list(inspect.signature(function).parameters)
    if not parameters or parameters[0] != "self":
        raise TypeError(f"dispatch: the first parameter of {name} must be named 'self', got {parameters[:1]}")

    def choose(self, *args):  # type: ignore[no-untyped-def]
        method = getattr(value_class(self), name, None)
        return _without_annotations(method) if inspect.isfunction(method) else None

    # Numba matches the stub's signature with the method's, so give the stub the very same one.
    scope: dict[str, Any] = {"choose": choose}
    listing = ", ".join(parameters)
    exec(f"def stub({listing}):\n    return choose({listing})\n", scope)
    options = _LEAN | {
        "forceinline": inlined,
        "fastmath": _REASSOCIATE if fastmath else False,
    }
    overload(function, jit_options=options)(scope["stub"])
    return function


@functools.cache
def _without_annotations(method: Any) -> Any:
    # Numba compares the whole signature with the stub's, where an annotation counts as a difference.
    return FunctionType(method.__code__, method.__globals__, method.__name__, method.__defaults__, method.__closure__)


def dispatch(function: F) -> F:
    """Make ``function(self, ...)`` call the method of the same name, from Python and from compiled code.

    The decorated function's own body is what plain Python runs: ``return self.name(...)``.  Its first
    parameter must be called ``self`` and its parameters must have the names that the methods use.
    """
    return _dispatch(function, fastmath=False, inlined=True)


def fast_dispatch(function: F) -> F:
    """As `dispatch`, for methods with loops over many rows, whose sums may be reassociated."""
    return _dispatch(function, fastmath=True, inlined=False)


def row_dispatch(function: F) -> F:
    """As `fast_dispatch`, for loops over the entries of one row: a call would be dear beside a few of them."""
    return _dispatch(function, fastmath=True, inlined=True)


# ------------------------------------------------------------------------------------------ compile clock


class _Clock(event.Listener):  # type: ignore[misc]
    """Adds up the seconds during which any thread of the process holds the compiler."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._timer = event.TimingListener()
        self._depth = 0

    def on_start(self, ev: Any) -> None:
        if self._depth == 0:
            self._timer = event.TimingListener()
            self._timer.on_start(ev)
        self._depth += 1

    def on_end(self, ev: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._timer.on_end(ev)
            self.seconds += self._timer.duration


@contextmanager
def compile_clock() -> Iterator[_Clock]:
    """Measure the seconds spent compiling, or loading compiled code, inside the block."""
    clock = _Clock()
    event.register("numba:compiler_lock", clock)
    try:
        yield clock
    finally:
        event.unregister("numba:compiler_lock", clock)
