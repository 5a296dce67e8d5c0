"""Structured prediction: what an oracle is, a check of one, and the solvers that need nothing but an oracle.

Names are imported from their modules when they are first asked for.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from steepest.structured.chain import ChainOracle as ChainOracle
    from steepest.structured.multilabel import MultilabelOracle as MultilabelOracle
    from steepest.structured.oracle import Oracle as Oracle
    from steepest.structured.oracle import Planes as Planes
    from steepest.structured.oracle import check_oracle as check_oracle
    from steepest.structured.taxonomy import TaxonomyOracle as TaxonomyOracle

_HOMES = {
    "ChainOracle": "steepest.structured.chain",
    "MultilabelOracle": "steepest.structured.multilabel",
    "Oracle": "steepest.structured.oracle",
    "Planes": "steepest.structured.oracle",
    "TaxonomyOracle": "steepest.structured.taxonomy",
    "check_oracle": "steepest.structured.oracle",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> _Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(_HOMES)}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
