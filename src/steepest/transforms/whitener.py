"""Whitening: a linear map after which the columns have unit variance and no correlation."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_array, check_is_fitted, validate_data

from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import AnyArray, FloatArray
from steepest.transforms.moments import Moments, blocks, check_weights, moments

METHODS = ("pca", "zca", "cholesky")
FLOATS = [np.float64, np.float32]
GRADED = 1e10  # condition of the covariance from which its small eigenvalues come from a Jacobi method
REFINED = 1e-10  # distance from the identity that one more pass over the rows is worth
REFINEMENTS = 3  # such passes at most
MOST_SPARSE = 30_000  # columns of a sparse matrix whose covariance is still formed


class Whitener(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Whiten columns: z = T (x - mean), with T^T T the inverse of the covariance on its range.

    With the covariance Phi Lambda Phi^T of the training rows, ``T = Lambda^(-1/2) Phi^T`` ("pca"), that rotated
    back, ``Phi Lambda^(-1/2) Phi^T`` ("zca", the whitened data nearest to the original), or the triangular
    factor ("cholesky", each output a combination of a column and those after it).  All three turn the covariance
    of the training rows into the identity; they differ by a rotation.

    Parameters
    ----------
    method : {"pca", "zca", "cholesky"}, default="pca"
        The form of T.
    n_components : int, float in (0, 1) or None, default=None
        Directions kept, largest variance first: a number, a share of the variance, or all of the numerical rank.
    center : bool, default=True
        Subtract the mean.  Otherwise moments are about zero, and so is the identity reached.
    ridge : float, default=0.0
        Added to every eigenvalue, in units of the largest one: T = (Lambda + ridge lambda_1 I)^(-1/2) Phi^T.
        Keeps directions of almost no variance, mostly noise, from being blown up; 1e-6 to 1e-2 are usual.

    Attributes
    ----------
    mean_ : array of shape (n_features,)
    whitening_ : array of shape (n_out, n_features)
        T.
    dewhitening_ : array of shape (n_features, n_out)
        The pseudo-inverse of T, which `inverse_transform` applies.
    explained_variance_ : array of shape (n_components,)
        Eigenvalues of the covariance that were kept.
    explained_variance_ratio_ : array of shape (n_components,)
        The same as shares of the whole variance.
    n_components_ : int
        Directions kept.
    rank_ : int
        Numerical rank of the covariance; directions beyond it are dropped.
    n_samples_seen_ : int

    Notes
    -----
    The covariance has the divisor n - 1 about the mean, as `sklearn.decomposition.PCA`, and n about zero.
    Cost: n d^2 multiply-adds and O(d^3) for the eigenvectors; memory O(d^2) beside X.  ``fit`` looks at the
    rows a second time where the condition of the covariance makes rounding visible, and corrects the map.
    ``partial_fit`` cannot, so a batch-wise fit of data of condition kappa is accurate to kappa * 1e-16.  The
    rank is that of the correlations, so that a column's unit does not decide whether it counts.

    Fit on the training rows and apply to the test rows: within a `sklearn.pipeline.Pipeline` this happens by
    itself.  A penalty acts on the whitened coefficients; to whiten for speed alone, leave it to the solvers,
    which do so without changing the objective.

    References
    ----------
    Kessy, Lewin, Strimmer (2018), "Optimal whitening and decorrelation", The American Statistician 72(4).

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import Whitener
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 3)) @ np.array([[5.0, 0.0, 0.0], [4.0, 1.0, 0.0], [0.0, 2.0, 0.1]])
    >>> Z = Whitener().fit_transform(X)
    >>> bool(np.allclose(np.cov(Z.T), np.eye(3)))
    True
    """

    _allowed: ClassVar[Mapping[str, str]] = {
        "n_components": "None, a positive whole number, or a share between 0 and 1",
        "center": "True or False",
        "ridge": "a finite number of at least 0",
    }

    def __init__(
        self, method: str = "pca", *, n_components: int | float | None = None, center: bool = True, ridge: float = 0.0
    ) -> None:
        self.method = method
        self.n_components = n_components
        self.center = center
        self.ridge = ridge

    # ------------------------------------------------------------------------------------------- fitting

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Find the map.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
            At least two rows.
        y : ignored
        sample_weight : array of shape (n,), optional
            A weight of 2 counts as two equal rows.
        """
        self._check_parameters()
        X = self._check(X, reset=True)
        weights = check_weights(sample_weight, X.shape[0])
        self._moments = self._batch(X, weights)
        self._solve()
        self._refine(X, weights)
        return self

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Add a batch of rows; any split into batches gives the same map up to rounding.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
        y : ignored
        sample_weight : array of shape (n,), optional
        """
        self._check_parameters()
        first = not hasattr(self, "_moments")
        X = self._check(X, reset=first, least=1)
        batch = self._batch(X, check_weights(sample_weight, X.shape[0]))
        self._moments = batch if first else self._moments.merged(batch, self.center)
        self._solve()
        return self

    def _check_parameters(self) -> None:
        if self.method not in METHODS:
            raise InvalidParameterError(f"method: expected one of {', '.join(METHODS)}, got {self.method!r}.")
        k, ridge = self.n_components, self.ridge
        whole = isinstance(k, numbers.Integral) and not isinstance(k, bool) and k >= 1
        share = isinstance(k, numbers.Real) and not isinstance(k, numbers.Integral) and 0.0 < k < 1.0
        good = {
            "n_components": k is None or whole or share,
            "center": isinstance(self.center, bool | np.bool_),
            "ridge": isinstance(ridge, numbers.Real) and not isinstance(ridge, bool) and 0.0 <= ridge < np.inf,
        }
        for name, allowed in self._allowed.items():
            if not good[name]:
                raise InvalidParameterError(f"{name}: expected {allowed}, got {getattr(self, name)!r}.")

    def _check(self, X: Any, *, reset: bool, least: int = 2) -> Any:
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=reset, ensure_min_samples=least)

    def _batch(self, X: Any, weights: FloatArray | None) -> Moments:
        d = X.shape[1]
        if sp.issparse(X) and d > MOST_SPARSE:
            raise DataError(
                f"X: whitening forms a covariance of {d:,} x {d:,} numbers, the limit is {MOST_SPARSE:,} columns. "
                "Reduce the columns first, for instance with TruncatedSVD."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            found = moments(X, weights, center=self.center)
        if not np.isfinite(found.scatter).all():
            raise DataError("X: squares of the columns exceed what float64 can hold. Scale the columns, with Scaler.")
        return found

    def _solve(self) -> None:
        """The map from the moments."""
        known = self._moments
        spread = known.weight - 1.0 if self.center else known.weight
        S = known.scatter / spread if spread > 0.0 else np.zeros_like(known.scatter)
        values, vectors, rank = eigenpairs(S)
        self.rank_ = rank
        whole = float(np.trace(S))
        kept = self._kept(values, rank, len(S), whole)
        lifted = values[:kept] + float(self.ridge) * (values[0] if len(values) else 0.0)
        lifted = np.where(lifted > 0.0, lifted, 1.0)  # no variance at all: such columns stay as they are, zero
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
        vectors = vectors * np.where(largest < 0.0, -1.0, 1.0)  # eigenvectors have no sign of their own
        root = np.sqrt(lifted)
        self._basis = vectors[:, :kept].T / root[:, None]
        self._back = vectors[:, :kept] * root
        self._directions = np.ascontiguousarray(vectors[:, :kept])
        if self.method == "cholesky":
            Q, R = scipy.linalg.qr(self._basis, mode="economic")
            signs = np.where(np.diagonal(R) < 0.0, -1.0, 1.0)
            self._basis, self._back = signs[:, None] * R, (self._back @ Q) * signs
        self.mean_ = known.mean.copy()
        self.n_samples_seen_ = known.rows
        self.n_components_ = kept
        self.explained_variance_ = values[:kept].copy()
        self.explained_variance_ratio_ = values[:kept] / whole if whole > 0.0 else np.zeros(kept)
        self._form()

    def _form(self) -> None:
        """The map as the method has it: "zca" turns the whitened rows back to their own directions."""
        zca = self.method == "zca"
        T = self._directions @ self._basis if zca else self._basis
        back = self._back @ self._directions.T if zca else self._back
        self.whitening_, self.dewhitening_ = np.ascontiguousarray(T), np.ascontiguousarray(back)
        self._n_features_out = len(T)

    def _kept(self, values: FloatArray, rank: int, d: int, whole: float) -> int:
        most = max(rank, 1)
        if self.n_components is None:
            return most
        if isinstance(self.n_components, numbers.Integral):
            if self.n_components > d:
                raise InvalidParameterError(
                    f"n_components: expected at most {d}, the number of columns, got {self.n_components}."
                )
            return min(int(self.n_components), most)
        shares = np.cumsum(values) / whole if whole > 0.0 else np.ones(len(values))
        return min(int(np.searchsorted(shares, float(self.n_components))) + 1, most)

    def _refine(self, X: Any, weights: FloatArray | None) -> None:
        """Whitens what rounding has left correlated, by the covariance of the whitened rows themselves."""
        if self.ridge > 0.0 or self.rank_ == 0:
            return
        condition = self.explained_variance_[0] / self.explained_variance_[-1]
        if condition * np.finfo(np.float64).eps * len(self._basis) <= REFINED:
            return
        for _ in range(REFINEMENTS):
            Z = self._apply(X, self._basis, np.float64)
            found = moments(Z, weights, center=self.center)
            C = found.scatter / (found.weight - 1.0 if self.center else found.weight)
            values, vectors = np.linalg.eigh(C)
            if max(values[-1] - 1.0, 1.0 - values[0]) <= REFINED or not values[0] > 0.0:
                break
            if self.method == "cholesky":  # triangular times triangular stays triangular
                upper = scipy.linalg.cholesky(C[::-1, ::-1], lower=True)[::-1, ::-1]  # C = U U^T, U upper
                self._basis = scipy.linalg.solve_triangular(upper, self._basis)
                self._back = self._back @ upper
            else:
                root = np.sqrt(values)
                self._basis = (vectors / root) @ vectors.T @ self._basis
                self._back = self._back @ ((vectors * root) @ vectors.T)
        self._form()

    # ------------------------------------------------------------------------------------------ applying

    def transform(self, X: Any) -> AnyArray:
        """T (x - mean) for every row; float32 rows give float32.

        Parameters
        ----------
        X : array, sparse matrix or frame of shape (n, d)
        """
        check_is_fitted(self)
        X = self._check(X, reset=False, least=1)
        return self._apply(X, self.whitening_, X.dtype)

    def _apply(self, X: Any, T: FloatArray, dtype: Any) -> AnyArray:
        if sp.issparse(X):
            return np.asarray(X @ T.T - self.mean_ @ T.T).astype(dtype, copy=False)
        out = np.empty((X.shape[0], len(T)), dtype=dtype)
        for low, high in blocks(X):
            # centred in float64: the difference of large float32 numbers has no digits to lose
            out[low:high] = (X[low:high].astype(np.float64) - self.mean_) @ T.T
        return out

    def inverse_transform(self, X: Any) -> AnyArray:
        """Rows whose whitened form is X: exact up to rounding where no direction was dropped.

        Parameters
        ----------
        X : array of shape (n, n_out)
        """
        check_is_fitted(self)
        X = check_array(X, dtype=FLOATS)
        if X.shape[1] != len(self.whitening_):
            raise DataError(f"X: expected {len(self.whitening_)} whitened columns, got {X.shape[1]}.")
        return np.asarray(X.astype(np.float64) @ self.dewhitening_.T + self.mean_).astype(X.dtype, copy=False)

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """The columns' own names for "zca", whose outputs stand for them; whitener0, whitener1 ... otherwise."""
        check_is_fitted(self)
        if self.method == "zca":
            return np.asarray(_check_feature_names_in(self, input_features))
        return np.asarray(super().get_feature_names_out(input_features))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def eigenpairs(S: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    """Eigenvalues, largest first, eigenvectors and rank of a covariance, all to high relative accuracy.

    The rank is that of the correlations, S = D K D with K of unit diagonal.  Where the eigenvalues of S span
    more than float64 can resolve, they are the squared singular values of D K^(1/2) by one-sided Jacobi
    rotations, which do not mind the scales D (Drmac, Veselic 2008, LAPACK's gejsv).

    Returns
    -------
    (values (d,), vectors (d, d), rank)
    """
    d = len(S)
    deviation = np.sqrt(np.maximum(np.diagonal(S), 0.0))
    scale = np.where(deviation > 0.0, deviation, 1.0)
    K = S / scale / scale[:, None]
    theta, U = np.linalg.eigh(K)
    rounding = max(d, 10) * np.finfo(np.float64).eps * max(float(theta[-1]), 0.0) * 4.0
    good = theta > rounding
    rank = int(good.sum())
    values, vectors = np.linalg.eigh(S)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if rank > 0 and values[0] > GRADED * values[rank - 1]:
        G = scale[:, None] * (U[:, good] * np.sqrt(theta[good]))
        unit = float(np.abs(G).max())
        sva, u, _, workspace, _, info = scipy.linalg.lapack.dgejsv(G / unit, joba=2, jobu=0, jobv=3)
        if info == 0:
            values = np.zeros(d)
            values[:rank] = (sva * (workspace[0] / workspace[1]) * unit) ** 2
            # the rest of the space, orthogonal to the directions of variance
            vectors = np.concatenate([u[:, :rank], scipy.linalg.null_space(u[:, :rank].T)[:, : d - rank]], axis=1)
    return values, vectors, rank
