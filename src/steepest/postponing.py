"""Libraries that are imported beside what is needed, and seldom used: they wait until somebody asks for a name.

scikit-learn's base classes import all of pandas, where it is installed, and ``scipy.stats``, for helpers that few
programs reach.  That is about a third of the seconds from the start of Python to a first fitted model.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

SELDOM = ("pandas", "scipy.stats")  # what scikit-learn's base imports and does not use
NEEDED_BY = "sklearn.utils.fixes"  # the module that does; where it is there, nothing is left to postpone


class _Later(ModuleType):
    """Stands for a module that is imported when one of its names is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def postponed(*names: str, unless: str = NEEDED_BY) -> Iterator[None]:
    """Modules that the block imports but takes no name from are not loaded.

    Who keeps such a module holds a stand-in, which loads the real one when a name of it is asked for.  After the
    block, and after that first question, ``import`` finds the real module as ever.

    Parameters
    ----------
    *names : str
        What to postpone, by default `SELDOM`; those of libraries that are not installed, and those that are loaded
        already, are left alone.
    unless : str
        Nothing is done where this module is loaded.

    Examples
    --------
    >>> import sys
    >>> with postponed("wave", unless="no.such.module"):
    ...     import wave
    >>> "wave" in sys.modules
    False
    >>> wave.WAVE_FORMAT_PCM, "wave" in sys.modules
    (1, True)
    """
    if unless in sys.modules:
        yield
        return
    made: list[_Later] = []
    try:
        for name in names or SELDOM:
            if name in sys.modules:
                continue
            if _installed(name.partition(".")[0]):
                later = _Later(name)
                later.__spec__ = ModuleSpec(name, None)
                sys.modules[name] = later
                made.append(later)
        yield
    finally:
        for later in made:
            if sys.modules.get(later.__name__) is later:
                del sys.modules[later.__name__]


def _installed(library: str) -> bool:
    """Whether a library could be loaded; it is not, for that."""
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False
