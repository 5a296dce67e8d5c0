"""Which types a model file may hold.

skops makes objects of the classes that a file names, once these are trusted.  Before skops sees a file, every
object in it is checked here against a list, by *how* it would be made and *what* it would be:

- plain values: numbers, text, lists, tuples, sets, dictionaries, slices, bytes;
- NumPy arrays, scalars and types, random states; SciPy's compressed rows and columns, with their indices checked;
- NumPy's and SciPy's ufuncs, by name (``FunctionTransformer(np.log1p)``);
- estimators of this package, and the transformers of scikit-learn in `PREPARATION`;
- types that the caller names in ``trusted``.

Everything else, such as bound methods, partial functions, calls of ``operator``, other functions, other estimators,
is refused by name.  skops then checks the same file again by its own rules.
"""

from __future__ import annotations

import importlib
import inspect
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from steepest.exceptions import PersistenceError
from steepest.persistence.archive import Members

_ROOMS = ("steepest.estimators.", "steepest.transforms.")
_SCALARS = frozenset(
    f"{kind.__module__}.{kind.__name__}"
    for kind in set(np.sctypeDict.values())
    if kind is not np.object_ and kind is not np.void
)
_KEY_TYPES = frozenset({"builtins.str", "builtins.int", "builtins.float", "builtins.bool", "builtins.object"})
_PLAIN = {
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict"}),
    "ListNode": frozenset({"builtins.list"}),
    "SetNode": frozenset({"builtins.set"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "BytesNode": frozenset({"builtins.bytes"}),
    "NdArrayNode": frozenset({"numpy.ndarray"}) | _SCALARS,
    "TypeNode": _SCALARS | _KEY_TYPES,
    "DTypeNode": frozenset({"numpy.dtype"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "SparseMatrixNode": frozenset(
        f"scipy.sparse.{module}.{name}{kind}"
        for module, name in (("_csr", "csr"), ("_csc", "csc"))
        for kind in ("_matrix", "_array")
    ),
}
#: Steps of scikit-learn that stand before a linear model, and what may hold one.
CONTAINERS = frozenset(
    {"sklearn.pipeline.Pipeline", "sklearn.compose._target.TransformedTargetRegressor"},
)
PREPARATION = CONTAINERS | frozenset(
    {
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.compose._column_transformer.make_column_selector",
        "sklearn.decomposition._pca.PCA",
        "sklearn.decomposition._truncated_svd.TruncatedSVD",
        "sklearn.feature_extraction._dict_vectorizer.DictVectorizer",
        "sklearn.feature_extraction._hash.FeatureHasher",
        "sklearn.feature_extraction.text.CountVectorizer",
        "sklearn.feature_extraction.text.HashingVectorizer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.feature_selection._univariate_selection.SelectKBest",
        "sklearn.feature_selection._univariate_selection.SelectPercentile",
        "sklearn.feature_selection._variance_threshold.VarianceThreshold",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.kernel_approximation.Nystroem",
        "sklearn.kernel_approximation.RBFSampler",
        "sklearn.pipeline.FeatureUnion",
        "sklearn.preprocessing._data.Binarizer",
        "sklearn.preprocessing._data.MaxAbsScaler",
        "sklearn.preprocessing._data.MinMaxScaler",
        "sklearn.preprocessing._data.Normalizer",
        "sklearn.preprocessing._data.PowerTransformer",
        "sklearn.preprocessing._data.QuantileTransformer",
        "sklearn.preprocessing._data.RobustScaler",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._discretization.KBinsDiscretizer",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelBinarizer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.preprocessing._polynomial.PolynomialFeatures",
        "sklearn.preprocessing._polynomial.SplineTransformer",
        "sklearn.preprocessing._target_encoder.TargetEncoder",
    }
)
#: Functions that some of them take as a parameter.
FUNCTIONS = frozenset(
    f"sklearn.feature_selection._univariate_selection.{name}" for name in ("chi2", "f_classif", "f_regression")
)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def name_of(kind: Any) -> str:
    """``module.Class``, as files name types."""
    return kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"


def is_own(name: str) -> bool:
    """Whether a name is that of an estimator, or another class, of the rooms ``estimators`` and ``transforms``."""
    module, _, kind = name.rpartition(".")
    if not (name.startswith(_ROOMS) and _NAME.fullmatch(name)):
        return False
    try:
        found = getattr(importlib.import_module(module), kind, None)
    except ImportError:
        return False
    return inspect.isclass(found) and found.__module__ == module


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object that a schema describes."""
    waiting = [schema]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("__loader__"), str):
                yield item
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _is_ufunc(module: str, name: str) -> bool:
    import scipy.special

    home = {"numpy": np, "scipy.special": scipy.special, "scipy.special._ufuncs": scipy.special}.get(module)
    return home is not None and isinstance(getattr(home, name, None), np.ufunc)


#: Ways of making an object that a caller's trust may extend to; methods, partial functions and operators never.
_TRUSTABLE = ("ObjectNode", "FunctionNode", "TupleNode", "TypeNode", "ConstructorFromReduceNode")
OLDEST_PROTOCOL = 2  # of skops; what it reads of older ones has rules of its own


class Survey(NamedTuple):
    """Types in a file: allowed ones that skops must be told of, foreign ones, and those that are never made."""

    allowed: frozenset[str]
    foreign: frozenset[str]
    forbidden: frozenset[str]


def _is_allowed(loader: str, module: Any, kind: Any) -> bool:
    full = f"{module}.{kind}"
    if full in _PLAIN.get(loader, ()):
        return True
    if loader == "ObjectNode":
        return full in PREPARATION or is_own(full)
    return loader == "FunctionNode" and (_is_ufunc(module, kind) or full in FUNCTIONS)


def survey(schema: dict[str, Any]) -> Survey:
    """Sorts every object that a schema describes."""
    allowed, foreign, forbidden = {"numpy.dtype"}, set(), set()
    for node in nodes(schema):
        loader, module, kind = node["__loader__"], node.get("__module__"), node.get("__class__")
        full = f"{module}.{kind}"
        if _is_allowed(loader, module, kind):
            allowed.add(full)
        elif loader in _TRUSTABLE and _NAME.fullmatch(full) and full not in PREPARATION:
            foreign.add(full)
        else:
            forbidden.add(f"{full} by {loader}")
    return Survey(frozenset(allowed), frozenset(foreign), frozenset(forbidden))


def audit(schema: dict[str, Any], members: Members, trusted: Sequence[Any] = ()) -> list[str]:
    """The types that skops must be told to trust; raises before anything is made where one is not on the list.

    Parameters
    ----------
    schema : dict
        ``schema.json`` of the file.
    members : dict of bytes
    trusted : sequence of types or of their names
        The caller's own.

    Raises
    ------
    PersistenceError
        Names what is not trusted, and how to trust it.
    """
    protocol = schema.get("protocol")
    if isinstance(protocol, bool) or not isinstance(protocol, int) or protocol < OLDEST_PROTOCOL:
        raise PersistenceError(
            f"it has protocol {protocol!r} of skops, {OLDEST_PROTOCOL} or later was expected; save the model again"
        )
    named = frozenset(map(name_of, trusted))
    found = survey(schema)
    if found.forbidden:
        raise PersistenceError(
            f"it holds {', '.join(sorted(found.forbidden)[:5])}, which could run any code when it is made; "
            "such files are never loaded. Train the model again and store it with steepest.save."
        )
    refused = sorted(found.foreign - named)
    if refused:
        raise PersistenceError(
            f"it holds {', '.join(refused[:5])}, which is not part of steepest nor of the steps of scikit-learn that "
            "it knows, so loading would run foreign code. Where this is your own code and you trust the file, say so: "
            f"steepest.load(path, trusted={refused[:5]})"
        )
    for node in nodes(schema):
        file = node.get("file")
        if file is not None and (not isinstance(file, str) or file not in members):
            raise PersistenceError(f"its member {file!r} is missing; get the original file")
        if node["__loader__"] == "SparseMatrixNode":
            _check_sparse(members[str(file)])
    return sorted(found.allowed | (found.foreign & named))


def _check_sparse(content: bytes) -> None:
    """Indices outside the matrix would be read and written by compiled code without a look."""
    matrix = sp.load_npz(io.BytesIO(content))  # without pickle
    if matrix.format not in ("csr", "csc"):
        raise PersistenceError(f"it holds a sparse matrix of format '{matrix.format}', 'csr' or 'csc' was expected")
    matrix.check_format(full_check=True)
