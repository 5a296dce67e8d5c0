"""Words that threads share: read, written and exchanged as a whole, in order.

Numba has none of these for integers on the processor.  All take a one-dimensional array of uint64 and an index that is
not checked.  A value that is read "acquires" what the thread that stored it had written before.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_BYTES = 8
_X86 = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
_ARM = platform.machine().lower() in ("aarch64", "arm64")


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """The address of the word that is meant."""
    held = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(held.data, [context.cast(builder, args[1], signature.args[1], types.intp)])


@intrinsic
def load(typingctx: Any, words: Any, index: Any) -> Any:
    """The word."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, args), "acquire", _BYTES)

    return types.uint64(words, index), generate


@intrinsic
def store(typingctx: Any, words: Any, index: Any, value: Any) -> Any:
    """Write the word."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _place(context, builder, signature, args), "release", _BYTES)
        return context.get_dummy_value()

    return types.void(words, index, types.uint64), generate


@intrinsic
def add(typingctx: Any, words: Any, index: Any, value: Any) -> Any:
    """Add to the word; what it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _place(context, builder, signature, args), args[2], "acq_rel")

    return types.uint64(words, index, types.uint64), generate


@intrinsic
def exchange(typingctx: Any, words: Any, index: Any, expected: Any, value: Any) -> Any:
    """Write the word where it is as expected; what it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], "acq_rel", "acquire"), 0)

    return types.uint64(words, index, types.uint64, types.uint64), generate


@intrinsic
def pause(typingctx: Any) -> Any:
    """Some cycles of rest in a loop that waits: the other thread of the core may use them."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        void, word = ir.VoidType(), ir.IntType(32)
        if _X86:
            rest = cgutils.get_or_insert_function(builder.module, ir.FunctionType(void, []), "llvm.x86.sse2.pause")
            builder.call(rest, [])
        elif _ARM:
            rest = cgutils.get_or_insert_function(builder.module, ir.FunctionType(void, [word]), "llvm.aarch64.hint")
            builder.call(rest, [ir.Constant(word, 1)])  # YIELD
        return context.get_dummy_value()

    return types.void(), generate
