"""Threads that share the work of a training step, without a lock and without the interpreter.

A *task* is a row of numbers: what to do, into how many parts it falls, addresses, sizes.  The thread that trains
publishes a task and takes parts of it from the front; the others take parts from the back.  What is left, and whose it
is, is one word, exchanged atomically, so a thread that the system holds up takes nothing, and is waited for only where
it holds a part already: on a loaded machine the training thread does nearly all by itself.  Nobody begins a task before
all parts of the last one are done.

What to do is the address of compiled code (see `steepest.jit.Entry`), or 0 for the update, whose rule has fields.

Which thread computes a part decides nothing: parts write to different places, and depend on sizes alone.
"""

from __future__ import annotations

import numpy as np

from steepest.jit import called, fast_kernel
from steepest.kernels import atomics
from steepest.kernels.addresses import PARTS, ROOM, SIZES, WHAT, call_at, stand_alone
from steepest.kernels.network_update import update_range
from steepest.kernels.products import part_of

# words that threads share, a cache line each
OPEN, DONE, WORDS = 0, 8, 16
UPDATE = 0

SPINS = 20_000  # looks at a word before the interpreter may give the processor to others
_ONE, _FRONT = np.uint64(1), np.uint64(1 << 16)
_LOW, _SIXTEEN, _THIRTYTWO = np.uint64(0xFFFF), np.uint64(16), np.uint64(32)


@called
def _work(task, numbers, part, scratch, context):
    """A part of a task."""
    stand_alone()
    if task[WHAT] != UPDATE:
        call_at(task[WHAT], task, part, scratch)
        return
    rule, w, state, g, sums = context
    parts, first, count = task[PARTS], task[SIZES], task[SIZES + 1]
    low, high = first + part_of(count, part, parts), first + part_of(count, part + 1, parts)
    sums[part] = update_range(
        rule, w, state, g, low, high, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]
    )


@fast_kernel
def team(leads, words, task, numbers, scratch, context, given):
    """Do a task, or wait for tasks and help; what is missing, 0 where nothing is.

    Parameters
    ----------
    leads : bool
        Whether this is the thread that trains.  It comes back when the task is done, or, where others hold parts of it
        for long, with the number of these: it must come again then, with nothing given.  The others come back now and
        then, with 0, and with 1 for good.
    words : (WORDS,), uint64
        Shared: what is open of the present task (how many tasks there were, the first part, one after the last), and
        how many parts are done.
    task : (ROOM,), int64
        Shared: the present one.
    numbers : (6,), float64
        Shared: those of an update, as of `update_range` from l2 on.
    scratch : at least SCRATCH bytes
        Of this thread alone, of the type of the matrices.
    context : tuple
        (rule, w, state, g, sums) of the update; the squares of a part go to ``sums``.
    given : (ROOM,), (0,) or (1,), int64
        The task, or nothing; sizes of an update are the first weight and how many.  For the others a number that
        becomes 1 when they shall end.
    """
    if leads:
        if given.shape[0] > 0:
            for i in range(ROOM):  # an assignment of slices compiles its error for seconds
                task[i] = given[i]
            if task[PARTS] == 1:
                _work(task, numbers, 0, scratch, context)
                return 0
            atomics.store(words, DONE, np.uint64(0))
            count = (atomics.load(words, OPEN) >> _THIRTYTWO) + _ONE
            atomics.store(words, OPEN, (count << _THIRTYTWO) | np.uint64(task[PARTS]))
        while True:
            word = atomics.load(words, OPEN)
            front = (word >> _SIXTEEN) & _LOW
            if front >= word & _LOW:
                break
            if atomics.exchange(words, OPEN, word, word + _FRONT) == word:
                _work(task, numbers, np.int64(front), scratch, context)
                atomics.add(words, DONE, _ONE)
        for _ in range(SPINS):
            if np.int64(atomics.load(words, DONE)) == task[PARTS]:
                return 0
            atomics.pause()
        return task[PARTS] - np.int64(atomics.load(words, DONE))
    idle = 0
    while idle < SPINS:
        if atomics.load(given, 0) != np.uint64(0):
            return 1
        word = atomics.load(words, OPEN)
        back = word & _LOW
        if (word >> _SIXTEEN) & _LOW < back:
            if atomics.exchange(words, OPEN, word, word - _ONE) == word:
                _work(task, numbers, np.int64(back) - 1, scratch, context)
                atomics.add(words, DONE, _ONE)
                idle = 0
        else:
            atomics.pause()
            idle += 1
    return 0
