"""Scaling: columns of mean zero and deviation one."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.exceptions import InvalidParameterError
from steepest.protocols import AnyArray, FloatArray
from steepest.transforms.moments import Moments, blocks, check_weights, moments

FLOATS = [np.float64, np.float32]


class Scaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Standardise columns: z = (x - mean) / deviation, the z-score.

    Parameters
    ----------
    with_mean : bool or "auto", default="auto"
        Subtract the mean.  "auto" does so for dense rows and leaves sparse rows sparse.
    with_std : bool, default=True
        Divide by the standard deviation about the mean (divisor n); a constant column is divided by 1.

    Attributes
    ----------
    mean_ : array of shape (n_features,)
        Means of the training rows, subtracted or not.
    var_ : array of shape (n_features,)
        Variances about the mean.
    scale_ : array of shape (n_features,)
        What is divided by: roots of the variances, 1 for constant columns and without ``with_std``.
    constant_ : array of bool of shape (n_features,)
        Columns without variance beyond rounding.
    n_samples_seen_ : int

    Notes
    -----
    Cost: two passes over X for the mean, whose second takes up the rounding of the first, and one for the
    variance.  Columns are measured in units of a power of two near their largest magnitude, so neither 1e200
    nor 1e-200 leaves the range of float64.  Sparse rows stay sparse and are never centred.

    The solvers of this package scale implicitly and leave the objective as it is.  Scaling here changes the
    objective, since a penalty acts on the scaled coefficients: that is often what is meant.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import Scaler
    >>> Scaler().fit_transform(np.array([[1.0, 100.0], [3.0, 300.0]]))
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    _seen: Moments  # of the columns over _unit
    _unit: FloatArray
    _centred: bool

    def __init__(self, *, with_mean: bool | str = "auto", with_std: bool = True) -> None:
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find means and scales.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
        y : ignored
        sample_weight : array of shape (n,), optional
            A weight of 2 counts as two equal rows.
        """
        for name in ("_seen", "_unit"):
            self.__dict__.pop(name, None)
        return self.partial_fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add a batch of rows; any split into batches gives the same scales up to rounding.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
        y : ignored
        sample_weight : array of shape (n,), optional
        """
        if not isinstance(self.with_mean, bool | np.bool_) and self.with_mean != "auto":
            raise InvalidParameterError(f"with_mean: expected True, False or 'auto', got {self.with_mean!r}.")
        if not isinstance(self.with_std, bool | np.bool_):
            raise InvalidParameterError(f"with_std: expected True or False, got {self.with_std!r}.")
        first = not hasattr(self, "_seen")
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=first)
        sparse = sp.issparse(X)
        if sparse and self.with_mean is True:
            raise InvalidParameterError(
                "with_mean: True would make every entry of a sparse matrix non-zero. Use with_mean='auto' or False."
            )
        weights = check_weights(sample_weight, X.shape[0])
        unit = _power_of_two(_largest(X))
        if not first:
            unit = np.maximum(unit, self._unit)
        seen = moments(_divided(X, unit), weights, center=True, full=False)
        if not first:
            ratio = self._unit / unit
            before = Moments(self._seen.rows, self._seen.weight, self._seen.mean * ratio, self._seen.scatter * ratio**2)
            seen = before.merged(seen, True)
        self._seen, self._unit = seen, unit
        self._centred = not sparse and bool(self.with_mean) and (first or self._centred)
        self._finish()
        return self

    def _finish(self) -> None:
        seen, unit = self._seen, self._unit
        deviation = np.sqrt(np.maximum(seen.scatter / seen.weight, 0.0))
        # a column far from zero that varies by its own rounding alone is constant
        self.constant_ = deviation <= 4.0 * np.finfo(np.float64).eps * np.abs(seen.mean)
        self.mean_ = seen.mean * unit
        with np.errstate(over="ignore", under="ignore"):
            self.var_ = (deviation * unit) ** 2
        self.n_samples_seen_ = seen.rows
        self.scale_ = np.where(self.constant_ | (not self.with_std), 1.0, deviation * unit)

    def transform(self, X: Any) -> Any:
        """(x - mean) / scale; float32 rows give float32, sparse rows sparse ones.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        if sp.issparse(X):
            self._refuse_sparse()
            return _divided(X, self.scale_)
        out, center = np.empty_like(X), self.mean_ if self._centred else 0.0
        for low, high in blocks(X):
            # in float64: the difference of large float32 numbers has no digits to lose
            out[low:high] = (X[low:high].astype(np.float64) - center) / self.scale_
        return out

    def inverse_transform(self, X: Any) -> Any:
        """Rows in the units of the training rows.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, d)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        if sp.issparse(X):
            self._refuse_sparse()
            return _divided(X, 1.0 / self.scale_)
        out, center = np.empty_like(X), self.mean_ if self._centred else 0.0
        for low, high in blocks(X):
            out[low:high] = X[low:high].astype(np.float64) * self.scale_ + center
        return out

    def _refuse_sparse(self) -> None:
        if self._centred:
            raise InvalidParameterError(
                "X: this Scaler was fitted on dense rows and subtracts means, which sparse rows cannot keep. "
                "Fit it on sparse rows, or with with_mean=False."
            )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _largest(X: Any) -> FloatArray:
    """The largest magnitude of each column, in float64."""
    if sp.issparse(X):
        return np.asarray(abs(X).max(axis=0).toarray(), dtype=np.float64).ravel()
    return np.asarray(np.maximum(X.max(axis=0), -X.min(axis=0)), dtype=np.float64)


def _divided(X: Any, scale: FloatArray) -> Any:
    """X / scale by columns, in the precision and form of X, in a copy."""
    if sp.issparse(X):
        out = X.copy()
        out.data = (X.data / scale[X.indices]).astype(X.dtype, copy=False)
        return out
    return _Divided(X, scale)


def _power_of_two(largest: FloatArray) -> FloatArray:
    """The power of two next above each number, 1 for zero: dividing by it rounds nothing."""
    _, exponent = np.frexp(largest)
    return np.where(largest > 0.0, np.ldexp(1.0, np.minimum(exponent, 1023)), 1.0)


class _Divided:
    """A view of dense rows that divides a slice when it is taken: no second X in memory."""

    def __init__(self, X: AnyArray, scale: FloatArray) -> None:
        self.X, self.divisor, self.shape = X, scale, X.shape

    def __getitem__(self, rows: slice) -> FloatArray:
        return np.asarray(self.X[rows].astype(np.float64) / self.divisor)
