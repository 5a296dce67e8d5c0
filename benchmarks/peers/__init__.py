"""The contestants: one small adapter a library.

An adapter module has one name, ``PEER``; a new contestant is one file and one line in `NAMES`.  Its
``variants`` say which algorithms of the library solve the given problem, each with a ladder of rungs
(tolerances, from loose to tight; 0 for a direct solver); ``fit`` turns the problem's data into a coefficient
array, conversions included.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.objective import Facts, Problem

NAMES = (
    "steepest",
    "sklearn",
    "liblinear",
    "liblinear_multicore",
    "snapml",
    "glum",
    "skglm",
    "celer",
    "numpy",
    "torch",
)
PEERS_FOLDER = Path(__file__).parents[1] / "_work" / "peers"
THREADS = 2

Ladder = tuple[float, ...]
Fitted = tuple[np.ndarray, dict[str, Any]]


@dataclass(frozen=True)
class Peer:
    """A library in the race.

    ``load`` imports it (timed apart); ``paths`` go in front of its process's import path; ``interpreter`` is
    the Python that runs it; ``jit`` says that a first fit compiles, so that only a second one is timed.
    """

    name: str
    distributions: tuple[str, ...]
    load: Callable[[], Any]
    variants: Callable[[Facts], dict[str, Ladder]]
    fit: Callable[[Problem, str, float], Fitted]
    jit: bool = False
    paths: tuple[str, ...] = ()
    interpreter: str = sys.executable


def get(name: str) -> Peer:
    """The adapter of one library."""
    if name not in NAMES:
        raise ValueError(f"peer must be one of {', '.join(NAMES)}, got {name!r}")
    peer = importlib.import_module(f"benchmarks.peers.{name}").PEER
    assert isinstance(peer, Peer)
    return peer


def ladder(loosest: int, tightest: int, half: bool = True) -> Ladder:
    """Powers of ten from 10**loosest down to 10**tightest, with 3 x in between where ``half``."""
    out: list[float] = []
    for exponent in range(loosest, tightest - 1, -1):
        out.append(float(f"1e{exponent}"))
        if half and exponent > tightest:
            out.append(float(f"3e{exponent - 1}"))
    return tuple(out)
