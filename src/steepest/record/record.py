"""The record of a fit: what was asked, on what, how it was solved, and what came of it."""

from __future__ import annotations

import functools
import json
import math
import os
import platform
import re
import sys
from dataclasses import dataclass, field
from typing import Any

from steepest.protocols import Certificate
from steepest.record.history import History

SCHEMA_VERSION = 1


@functools.cache
def _environment() -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform()}
    for package, module in (
        ("steepest", ""),
        ("numpy", "numpy"),
        ("scipy", "scipy"),
        ("numba", "numba"),
        ("scikit-learn", "sklearn"),
    ):
        loaded = getattr(sys.modules.get(module), "__version__", None)  # reading the installed metadata is slower
        try:
            found[package] = loaded or version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    affinity = getattr(os, "sched_getaffinity", None)
    found["cpus"] = len(affinity(0)) if affinity is not None else os.cpu_count()
    return found


def environment() -> dict[str, Any]:
    """Versions and machine facts that a result may depend on; looked up once a process."""
    return dict(_environment())


@dataclass(slots=True)
class FitRecord:
    """Everything about one fit but its data and its coefficients.

    Attributes
    ----------
    estimator : str
        Class name.
    objective : str
        The exact function that was minimised, as a formula with its numbers.
    parameters : dict
        Constructor parameters of the estimator.
    data : dict
        ``n_samples, n_features, n_outputs, nnz, density, dtype, kind, bytes``; where rows were held out
        ``validation``: their number, the monitor, its best value and round, the patience.
    solver : dict
        ``name``, ``why`` (why it was chosen), ``expected`` (what was expected of it), ``options``.
    seconds : dict
        ``total, validate, compile, solve, certify``, and ``monitor`` where validation rows were watched.
    passes : float
        Passes over the data, those of the certificate included.
    iterations : int
        Rounds of the solver.
    deterministic : bool
        Whether another run gives the same bits: always, for any ``n_jobs``, but for "hogwild" with several threads.
    certificate : Certificate
    history : History
    """

    estimator: str
    objective: str
    parameters: dict[str, Any]
    data: dict[str, Any]
    solver: dict[str, Any]
    seconds: dict[str, float]
    passes: float
    iterations: int
    certificate: Certificate
    history: History
    deterministic: bool = True
    environment: dict[str, Any] = field(default_factory=environment)
    schema_version: int = SCHEMA_VERSION

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values; not-a-number and infinities become None, as JSON has none."""
        raw = {name: getattr(self, name) for name in self.__slots__ if name not in ("certificate", "history")}
        raw["certificate"] = self.certificate.to_dict()
        raw["history"] = self.history.to_dict()
        return plain(raw)  # type: ignore[no-any-return]

    def to_json(self, **kwargs: Any) -> str:
        """The record as JSON text."""
        return json.dumps(self.to_dict(), **kwargs)


def plain(value: Any) -> Any:
    """Values as JSON has them: no arrays, numbers that are not finite as None, other objects as they show themselves.

    >>> plain({"w": [1.0, float("inf")], 2: (True, None)})
    {'w': [1.0, None], '2': [True, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(value))  # an address says nothing and changes
