"""Margin models row by row: scores, slacks, multipliers and their limits, for pictures, reports and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import AnyArray, FloatArray

AT_ZERO = 1e-9  # of the largest multiplier, as in ``support_``
AT_LIMIT = 1e-6  # of the limit
SLACK = 1e-3  # less counts as none: a row on its margin line, up to the accuracy of the fit


class Counts(NamedTuple):
    """How many multipliers are at zero, between the limits, and at the upper one (0 where there is none)."""

    at_zero: int
    free: int
    at_limit: int

    @property
    def support(self) -> int:
        """Those that are not zero."""
        return self.free + self.at_limit


@dataclass(frozen=True, slots=True)
class Multipliers:
    """The dual variables of a fitted margin model.

    Attributes
    ----------
    values : array of shape (problems, n)
        ``a >= 0``; of a regression with the sign of the error.
    limits : array of shape (n,) or None
        ``C s_i``; None where there are none (squared losses) or the weights of the rows are not known.
    codes : array of shape (n,) or None
        Class of each row.
    classes : tuple of str
        Empty for a regression.
    """

    values: FloatArray
    limits: FloatArray | None
    codes: AnyArray | None
    classes: tuple[str, ...]

    def counts(self, problem: int = 0, code: int | None = None) -> Counts:
        """Of one problem, and of the rows of one class."""
        a = np.abs(self.values[problem])
        used = a > AT_ZERO * a.max(initial=0.0)
        full = np.zeros(len(a), dtype=bool) if self.limits is None else used & (a >= (1.0 - AT_LIMIT) * self.limits)
        if code is not None:
            assert self.codes is not None
            mine = self.codes == code
            used, full = used[mine], full[mine]
        return Counts(len(used) - int(used.sum()), int(used.sum()) - int(full.sum()), int(full.sum()))


def last(estimator: Any) -> Any:
    """The estimator itself, or the last step of a pipeline."""
    return last(estimator.steps[-1][1]) if hasattr(estimator, "steps") else estimator


def is_margin_model(estimator: Any) -> bool:
    """Whether a fitted model has multipliers of its rows and slacks, as `LinearSVC` and `LinearSVR` do."""
    return all(hasattr(estimator, name) for name in ("dual_coef_", "slacks_", "support_", "C"))


def require(estimator: Any) -> Any:
    """The fitted margin model in what was given, or an error that says what would do."""
    model = last(estimator)
    if not is_margin_model(model):
        raise InvalidParameterError(
            f"estimator: expected a fitted LinearSVC or LinearSVR, got {type(model).__name__}, which has no "
            "multipliers of its rows. Call fit first, or use MarginDisplay."
        )
    return model


def classes_of(model: Any) -> tuple[str, ...]:
    """Labels as words; empty for a regression."""
    found = getattr(model, "classes_", None)
    return () if found is None else tuple(str(label) for label in found)


def codes_of(model: Any, y: Any, n: int) -> NDArray[np.intp]:
    """The class of each row, as a position in ``classes_``."""
    labels, classes = np.asarray(y).ravel(), np.asarray(model.classes_)
    if len(labels) != n:
        raise DataError(f"y: expected a label for each of the {n} rows, got {len(labels)}. Give those of X.")
    place = np.searchsorted(classes, labels)
    place = np.minimum(place, len(classes) - 1)
    if np.any(classes[place] != labels):
        unknown = labels[classes[place] != labels][0]
        raise DataError(f"y: expected labels among {classes.tolist()}, got {unknown!r}. Give those of the fit.")
    return np.asarray(place, dtype=np.intp)


def multipliers(estimator: Any, y: Any = None, sample_weight: Any = None) -> Multipliers:
    """The dual variables of a fitted `LinearSVC` or `LinearSVR`.

    Parameters
    ----------
    estimator : fitted estimator
    y : array of shape (n,), optional
        Labels of the fit; without them a row with a multiplier of zero has no class, unless there are as many problems
        as classes.
    sample_weight : array of shape (n,), optional
        Those of the fit.
    """
    model = require(estimator)
    signed = np.atleast_2d(np.asarray(model.dual_coef_, dtype=np.float64))
    n = signed.shape[1]
    classes = classes_of(model)
    codes = None if y is None or not classes else codes_of(model, y, n)
    limits = _limits(model, signed, y, codes, sample_weight)
    return Multipliers(np.abs(signed) if classes else signed, limits, codes, classes)


def _limits(model: Any, signed: FloatArray, y: Any, codes: AnyArray | None, sample_weight: Any) -> FloatArray | None:
    squared = str(model.loss).startswith("squared") or bool(getattr(model, "hard_margin", False))
    if squared or getattr(model, "multi_class", "ovr") != "ovr":
        return None
    n = signed.shape[1]
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64).ravel()
    if len(s) != n:
        raise DataError(f"sample_weight: expected {n} numbers, one a row, got {len(s)}. Give those of the fit.")
    weights = getattr(model, "class_weight", None)
    if sample_weight is None and weights is None and "sum_i s_i " in str(getattr(model, "objective_", "")):
        return None  # rows had weights, and nobody says which
    if weights is not None:
        if codes is None:
            return None
        from steepest.estimators.targets import apply_class_weight, encode

        labels = encode(np.asarray(y), s, type(model).__name__)
        s = np.asarray(apply_class_weight(weights, labels, s, type(model).__name__)[0], dtype=np.float64)
    limits = float(model.C) * s
    if sample_weight is None:
        # a fit with weights that are not told shows: beyond the limit, or below it with a large slack
        sizes = np.abs(signed)
        slacks = np.asarray(model.slacks_, dtype=np.float64)
        slacks = slacks[None, :] if slacks.ndim == 1 else slacks.T
        far = slacks > 0.1 * max(1.0, float(slacks.max(initial=0.0)))
        if np.any(sizes > limits * (1.0 + 1e-6)) or np.any(
            sizes[far] < 0.9 * np.broadcast_to(limits, sizes.shape)[far]
        ):
            return None
    return limits
