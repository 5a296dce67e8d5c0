"""The garbage collector rests while modules and machine code are loaded: what they make is no garbage.

A first fit makes half a million objects that stay.  Python's collector would walk through all of them again and
again, for about a sixth of the seconds to a first answer.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """No collection inside the block; what was made there is filed as old, so that the next one is short.

    Nothing is kept from being collected for good: a full collection looks at the oldest objects too.

    Examples
    --------
    >>> import gc
    >>> with resting():
    ...     gc.isenabled()
    False
    >>> gc.isenabled()
    True
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count() == 0:  # else the program freezes objects of its own, which stay frozen
            gc.freeze()  # all objects leave their generations,
            gc.unfreeze()  # and return to the oldest: the walk through the young ones is saved
        gc.enable()
