"""Sources: the only place that looks at the type of X.

A source gives products with X, weighted Gram matrices, blocks of rows, and the rows value that compiled
kernels take.  It never copies float data in C order or CSR form; other forms are converted once, and
`Source.notes` says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import DataError
from steepest.parallel import Pool
from steepest.protocols import AnyArray


def as_source(X: Any, *, pool: Pool | None = None) -> Any:
    """The source for a matrix in memory.

    Parameters
    ----------
    X : array-like, scipy sparse array or matrix, pandas or polars frame; shape (n, d)
        float32 and float64 stay as they are; integers and booleans become float64.  Read-only and
        memory-mapped arrays are used in place.
    pool : Pool, optional
        Threads for passes; default one.

    Returns
    -------
    DenseSource or SparseSource

    Raises
    ------
    DataError
        X is not two-dimensional or not numeric.

    Notes
    -----
    Fortran-ordered arrays and CSC, COO ... matrices are converted, at the price of one copy.
    """
    from steepest.data.dense import DenseSource
    from steepest.data.sparse import SparseSource

    pool = pool or Pool()
    if isinstance(X, DenseSource | SparseSource) or getattr(X, "kind", "") == "stream":
        return X
    if sp.issparse(X):
        return SparseSource(X, pool)
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.dtype.kind == "O" and all(getattr(t, "kind", "O") in "fiub" for t in getattr(X, "dtypes", ["none"])):
        array = X.to_numpy(dtype=np.float64, na_value=np.nan)  # a frame of numbers with dtypes of its own
    if array.ndim != 2:
        raise DataError(f"X: expected a matrix of shape (rows, features), got {array.ndim} dimension(s).")
    if array.dtype.kind not in "fiub":
        raise DataError(f"X: expected numbers, got dtype {array.dtype}. Encode text columns first.")
    return DenseSource(array, pool)


def canonical_float(array: AnyArray) -> AnyArray:
    """float32 and float64 in native byte order as they are, everything else as float64."""
    if array.dtype == np.float32 or array.dtype == np.float64:
        return array
    return array.astype(np.float64)


def frozen(array: AnyArray) -> AnyArray:
    """A read-only view: one type for the compiler, whatever the caller's flags and subclass are."""
    view = array.view(np.ndarray)
    if view is array:
        view = array[...]
    view.flags.writeable = False
    return view
