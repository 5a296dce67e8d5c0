"""Tables to numbers: missing values filled in, numbers standardised, categories one column a level."""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from steepest.exceptions import DataError, InvalidParameterError
from steepest.protocols import AnyArray
from steepest.transforms.encoding_rows import Plan, counted, dense_rows, finite, sparse_rows
from steepest.transforms.frames import CATEGORY, Column, columns_of, is_frame

_SHOWN = 5
NOT_KEPT = -1


class UnseenDataWarning(UserWarning):
    """Data to predict that differ from those of the fit: unseen categories, columns too many."""


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode a table of numbers and categories as a matrix, with readable feature names.

    ===========================  ====================================================  =====================
    column                       becomes                                               missing values
    ===========================  ====================================================  =====================
    numbers, dates (in days)     (x - mean) / standard deviation                       median or mean
    0 and 1 only, true/false     itself                                                median or mean
    categories                   1 in the column of its level, 0 in the others         a level of their own
    constant, or all missing     nothing: no model can learn from it (see ``notes_``)
    ===========================  ====================================================  =====================

    Columns of frames are found by name, in any order; of arrays by position.

    Parameters
    ----------
    numbers : {"standardize", "keep"}
        With "keep" numbers stay in their units.
    impute : {"median", "mean"}
        What a missing number becomes.
    missing : {"level", "most_frequent"}
        Whether missing categories are a level ("workclass=missing") or the most frequent one.
    max_levels : int
        Most features of one categorical column; with more levels the rarest share one, "city=infrequent".
    handle_unknown : {"warn", "ignore", "error"}
        For levels that the fit has not seen.  They are encoded as infrequent where there is such a feature, else
        as zeros; "warn" counts and names them in an `UnseenDataWarning`.
    categorical : sequence of str
        Columns of numbers that are categories (codes, years, postcodes).
    sparse : {"auto", True, False}
        Whether the result is a `scipy.sparse.csr_array`; "auto" where less than ``density`` of it is not zero.
    density : float

    Attributes
    ----------
    feature_names_in_ : ndarray of str
    n_features_in_ : int
    kinds_ : list of str
        "number", "boolean", "date" or "category" for every column.
    levels_ : list of list of str
        For every column, the levels with a feature of their own; empty for numbers.
    fill_, center_, scale_ : ndarray of shape (n_features,)
    dropped_ : dict of str to str
        Columns left out, and why.
    notes_ : list of str
        What a person may want to know, in words.
    sparse_ : bool
    layout_ : dict or None
        How a table file was laid out that `steepest.readers` read; reading another file needs it.

    Notes
    -----
    The same as a ``ColumnTransformer`` of ``SimpleImputer``, ``StandardScaler`` and ``OneHotEncoder``, but text is
    compared once a level in place of once a row, and the result is filled in batches of rows: memory is that of
    the result and one column.  Cost: one pass a column to fit, one over all to transform.

    Examples
    --------
    >>> import pandas as pd
    >>> from steepest import TableEncoder
    >>> frame = pd.DataFrame({"age": [20, 40, None, 30], "job": ["cook", "smith", "cook", None]})
    >>> encoder = TableEncoder().fit(frame)
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'job=cook', 'job=smith', 'job=missing']
    >>> encoder.transform(frame).round(2)
    array([[-1.41,  1.  ,  0.  ,  0.  ],
           [ 1.41,  0.  ,  1.  ,  0.  ],
           [ 0.  ,  1.  ,  0.  ,  0.  ],
           [ 0.  ,  0.  ,  0.  ,  1.  ]])
    """

    def __init__(
        self,
        *,
        numbers: str = "standardize",
        impute: str = "median",
        missing: str = "level",
        max_levels: int = 100,
        handle_unknown: str = "warn",
        categorical: Sequence[str] = (),
        sparse: str | bool = "auto",
        density: float = 0.3,
    ) -> None:
        self.numbers = numbers
        self.impute = impute
        self.missing = missing
        self.max_levels = max_levels
        self.handle_unknown = handle_unknown
        self.categorical = categorical
        self.sparse = sparse
        self.density = density

    # ------------------------------------------------------------------------------------------------ fit

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn fills, scales and levels, one column at a time."""
        self._check_parameters()
        columns = self._columns(X, fitting=True)
        n = columns[0].n
        unknown = [name for name in self.categorical if name not in [column.name for column in columns]]
        if unknown:
            raise InvalidParameterError(
                f"categorical: no column is called {unknown[0]!r}{_near(unknown[0], [c.name for c in columns])}"
            )
        layout = getattr(X, "layout", None)
        self.layout_: dict[str, Any] | None = None if layout is None else layout.to_dict()
        width = len(columns)
        self.kinds_: list[str] = []
        self.levels_: list[list[str]] = []
        self.rare_: list[list[str]] = []
        self.fill_, self.center_, self.scale_ = np.full(width, math.nan), np.zeros(width), np.ones(width)
        self.fill_level_: list[str] = []
        self.dropped_: dict[str, str] = {}
        self.notes_: list[str] = []
        self._names: list[list[str]] = []
        filled = 0.0  # entries of a row that are not zero, on average
        for k, column in enumerate(columns):
            if column.name in self.categorical:
                column = column.as_kind(CATEGORY)
            self.kinds_.append(column.kind)
            learn = self._learn_levels if column.kind == CATEGORY else self._learn_number
            names, share = learn(k, column)
            self._names.append(names)
            filled += share
        if n > 1 and self.dropped_:
            self.notes_.append(
                "left out: " + ", ".join(f"{name} ({why})" for name, why in list(self.dropped_.items())[:20])
            )
        self.encoded_names_ = [name for names in self._names for name in names]
        self.sizes_ = [len(names) for names in self._names]
        del self._names
        total = len(self.encoded_names_)
        if not total:
            raise DataError(
                f"X: no column varies (n_samples = {n:,}), so there is nothing to learn from ("
                + "; ".join(f"{name}: {why}" for name, why in list(self.dropped_.items())[:_SHOWN])
                + "); give at least one column with two values"
            )
        self.sparse_ = bool(filled < self.density * total) if self.sparse == "auto" else bool(self.sparse)
        return self

    def _learn_number(self, k: int, column: Column) -> tuple[list[str], float]:
        """Fill, center and scale of column k; its feature names and how often it is not zero."""
        self._no_levels()
        values = finite(column, 0, column.n)
        gone = np.isnan(values)
        lost = int(np.count_nonzero(gone))
        if lost == column.n:
            return self._drop(column, "every value is missing")
        known = values[~gone] if lost else values
        fill = float(np.median(known)) if self.impute == "median" else float(known.mean())
        self.fill_[k] = fill
        low, high = float(known.min()), float(known.max())
        if low == high:
            return self._drop(column, f"every value is {low:g}")
        if lost:
            self.notes_.append(
                f"{column.name}: {lost:,} of {column.n:,} values are missing and become the {self.impute}, {fill:.6g}"
            )
            values = np.where(gone, fill, values)
        indicator = low == 0.0 and high == 1.0 and bool(((known == 0.0) | (known == 1.0)).all())
        if indicator or self.numbers == "keep":
            return [column.name], float(np.count_nonzero(values)) / column.n
        if high - low <= 8 * np.finfo(np.float64).eps * max(abs(low), abs(high)):
            return self._drop(column, f"every value is {low:g} up to rounding")
        if not math.isfinite(high - low):
            raise DataError(
                f"X: column {column.name!r} runs from {low:g} to {high:g}, too wide for float64; rescale it"
            )
        unit = high - low  # so that squares stay in the range of float64
        spread = (values - low) / unit
        shift = float(spread.mean())
        spread -= shift
        self.center_[k] = low + unit * shift
        self.scale_[k] = unit * math.sqrt(float(spread @ spread) / column.n)
        return [column.name], 1.0

    def _learn_levels(self, k: int, column: Column) -> tuple[list[str], float]:
        """Levels of column k that get a feature; the names, and how often one of them is 1."""
        self._no_levels()
        counts, lost = counted(column)
        if not counts:
            return self._drop(column, "every value is missing")
        levels = sorted(counts, key=_order)
        self.fill_level_[k] = max(levels, key=lambda level: counts[level])
        as_level = bool(lost) and self.missing == "level"
        if len(levels) == 1 and not as_level:
            return self._drop(column, f"every value is {levels[0]!r}")
        rare: list[str] = []
        if len(levels) > self.max_levels:
            if len(levels) == column.n - lost:
                return self._drop(column, f"all {len(levels):,} texts differ, like names or numbers of rows")
            order = sorted(levels, key=lambda level: -counts[level])
            kept = set(order[: self.max_levels - 1])
            rare = [level for level in levels if level not in kept]
            levels = [level for level in levels if level in kept]
            self.notes_.append(
                f"{column.name}: the {len(rare):,} rarest of {len(rare) + len(levels):,} levels share one feature"
            )
        self.levels_[k], self.rare_[k] = levels, rare
        extra = [("infrequent", bool(rare)), ("missing", as_level)]
        if lost:
            told = "are a level of their own" if as_level else f"become {self.fill_level_[k]!r}"
            self.notes_.append(f"{column.name}: {lost:,} of {column.n:,} values are missing and {told}")
        words = [word if word not in levels else f"({word})" for word, there in extra if there]
        return [f"{column.name}={level}" for level in [*levels, *words]], 1.0

    def _no_levels(self) -> None:
        self.levels_.append([])
        self.rare_.append([])
        self.fill_level_.append("")

    def _drop(self, column: Column, why: str) -> tuple[list[str], float]:
        self.dropped_[column.name] = why
        return [], 0.0

    # ------------------------------------------------------------------------------------------ transform

    def transform(self, X: Any) -> Any:
        """Encode the rows of X.

        Parameters
        ----------
        X : pandas or polars frame, Arrow table, `steepest.readers.Table`, or array of shape (n, d)

        Returns
        -------
        Z : ndarray or scipy.sparse.csr_array of shape (n, features), float64
        """
        check_is_fitted(self)
        columns = self._columns(X, fitting=False)
        n = columns[0].n
        starts = [0, *np.cumsum(self.sizes_)[:-1].tolist()]
        plans = [self._plan(k, column, starts[k]) for k, column in enumerate(columns) if self.sizes_[k]]
        fill = sparse_rows if self.sparse_ else dense_rows
        return fill(plans, n, self._n_features_out)

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Names of the encoded features: "age", "job=cook", "job=missing"."""
        check_is_fitted(self)
        return np.array(self.encoded_names_, dtype=object)

    @property
    def _n_features_out(self) -> int:
        return len(self.encoded_names_)

    def _plan(self, k: int, column: Column, at: int) -> Plan:
        """What column k of the data becomes; unseen levels are counted and told."""
        column = column.as_kind(self.kinds_[k])
        if column.kind != CATEGORY:
            return Plan(column, at, float(self.fill_[k]), float(self.center_[k]), float(self.scale_[k]), None)
        levels, rare = self.levels_[k], set(self.rare_[k])
        place = {level: at + j for j, level in enumerate(levels)}
        other = at + len(levels) if rare else NOT_KEPT
        has_missing = self.sizes_[k] == len(levels) + bool(rare) + 1
        if has_missing:
            gone = at + self.sizes_[k] - 1
        else:
            gone = place.get(self.fill_level_[k], other) if self.missing == "most_frequent" else NOT_KEPT
        slots = np.empty(len(column.levels) + 1, dtype=np.int64)
        slots[-1] = gone  # found by code -1
        unseen = []
        for j, level in enumerate(column.levels):
            if level is None:
                slots[j] = gone
            else:
                slots[j] = place.get(level, other)
                if level not in place and level not in rare:
                    unseen.append(level)
        lost = gone == NOT_KEPT
        if (unseen or lost) and self.handle_unknown != "ignore":
            self._tell(column, set(unseen), lost, other)
        return Plan(column, at, 0.0, 0.0, 1.0, slots)

    def _tell(self, column: Column, unseen: set[str], lost: bool, other: int) -> None:
        counts, missing = counted(column)
        found = sorted(((counts[level], level) for level in unseen if level in counts), reverse=True)
        rows = sum(count for count, _ in found) + (missing if lost else 0)
        if not rows:
            return
        shown = [f"{level!r} ({count:,})" for count, level in found[:_SHOWN]]
        shown += [f"{len(found) - _SHOWN:,} more"] if len(found) > _SHOWN else []
        shown += [f"missing ({missing:,})"] if lost and missing else []
        what = f"column {column.name!r}: {rows:,} of {column.n:,} rows hold values that the fit has not seen: "
        if self.handle_unknown == "error":
            raise DataError(f'X: {what}{", ".join(shown)}; map them to known ones, or set handle_unknown="warn"')
        how = "as infrequent" if other != NOT_KEPT else "as zeros"
        warnings.warn(f"{what}{', '.join(shown)}; they are encoded {how}", UnseenDataWarning, stacklevel=4)

    # -------------------------------------------------------------------------------------------- columns

    def _columns(self, X: Any, *, fitting: bool) -> list[Column]:
        """The columns of X, those of the fit in their order."""
        if not is_frame(X):
            X = validate_data(self, X, reset=fitting, dtype=None, ensure_all_finite=False)
            return columns_of(X)
        columns = columns_of(X)
        if not columns or not columns[0].n:
            raise DataError(
                f"X: Found array with {columns[0].n if columns else 0} sample(s) (shape={_shape(columns)}) while a "
                f"minimum of 1 is required by {type(self).__name__}; give at least one row and one column"
            )
        names = [column.name for column in columns]
        repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if repeated:
            raise DataError(f"X: the column name {repeated[0]!r} stands twice; rename one of the columns")
        if fitting:
            self.feature_names_in_ = np.array(names, dtype=object)
            self.n_features_in_ = len(names)
            return columns
        if not hasattr(self, "feature_names_in_"):
            if len(columns) != self.n_features_in_:
                raise DataError(
                    f"X has {len(columns)} features, but {type(self).__name__} is expecting {self.n_features_in_} "
                    "features as input; give the columns of the fit"
                )
            return columns
        return self._by_name(columns)

    def _by_name(self, columns: list[Column]) -> list[Column]:
        found = {column.name: column for column in columns}
        wanted = self.feature_names_in_.tolist()
        known = set(wanted)
        absent = [name for name in wanted if name not in found]
        if absent:
            extra = [name for name in found if name not in known]
            more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
            raise DataError(
                f"X: lacks {'the column' if len(absent) == 1 else f'{len(absent)} columns'} "
                f"{', '.join(map(repr, absent[:_SHOWN]))}{more} of the training data{_near(absent[0], extra)}; add "
                f"{'it' if len(absent) == 1 else 'them'}, with empty cells where the values are not known"
            )
        extra = [name for name in found if name not in known]
        if extra and self.handle_unknown != "ignore":
            more = f" and {len(extra) - _SHOWN} more" if len(extra) > _SHOWN else ""
            warnings.warn(
                f"columns that the fit has not seen are ignored: {', '.join(extra[:_SHOWN])}{more}",
                UnseenDataWarning,
                stacklevel=5,
            )
        return [found[name] for name in wanted]

    def _check_parameters(self) -> None:
        allowed: dict[str, Iterable[Any]] = {
            "numbers": ("standardize", "keep"),
            "impute": ("median", "mean"),
            "missing": ("level", "most_frequent"),
            "handle_unknown": ("warn", "ignore", "error"),
            "sparse": ("auto", True, False),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise InvalidParameterError(
                    f"{name} must be one of {', '.join(map(repr, values))}, got {getattr(self, name)!r}"
                )
        if not (isinstance(self.max_levels, int | np.integer) and self.max_levels >= 2):
            raise InvalidParameterError(f"max_levels must be a whole number of at least 2, got {self.max_levels!r}")
        if not 0.0 <= self.density <= 1.0:
            raise InvalidParameterError(f"density must be between 0 and 1, got {self.density!r}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _order(level: str) -> tuple[int, float, str]:
    """Numbers by size, then texts by letters."""
    try:
        value = float(level)
    except ValueError:
        return 1, 0.0, level
    return (0, value, level) if math.isfinite(value) else (1, 0.0, level)


def _near(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _shape(columns: list[Column]) -> tuple[int, int]:
    return (columns[0].n if columns else 0, len(columns))
