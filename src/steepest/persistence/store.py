"""`save`, `load` and `describe`."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from steepest.atomic import check_writable, write_bytes
from steepest.exceptions import DataError, PersistenceError
from steepest.persistence import archive
from steepest.persistence.archive import MANIFEST, SCHEMA, Members
from steepest.persistence.codec import Decoder, Encoder
from steepest.persistence.manifest import final, manifest
from steepest.persistence.migrations import migrate
from steepest.persistence.policy import CONTAINERS, audit, is_own, name_of, survey


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Errors name the file, and whatever goes wrong inside is an error about the file."""
    try:
        yield
    except PersistenceError as error:
        said = str(error)
        raise PersistenceError(said if said.startswith(str(path)) else f"{path}: {said}") from error.__cause__
    except Exception as error:  # a crafted file can make any of its readers fail in any way
        raise PersistenceError(
            f"{path}: damaged, or made by other means than steepest.save ({type(error).__name__}: {error}); "
            "get the original file, or train the model again"
        ) from error


def _check_names(names: Sequence[str]) -> None:
    """Types of the user's must be found again by their names, or the file could never be loaded."""
    for name in names:
        module, _, kind = name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), kind)
        except (ImportError, AttributeError):
            found = None
        if found is None:
            raise PersistenceError(
                f"estimator: holds {name}, which cannot be found again by that name. "
                "Define it at the top of a module that can be imported"
            )


def save(estimator: Any, path: str | os.PathLike[str]) -> Path:
    """Store a fitted model, without pickle.

    Coefficients, certificate, history and record come back as they were; see `load`.

    Parameters
    ----------
    estimator : fitted estimator
        One of this package, or a scikit-learn Pipeline (or TransformedTargetRegressor) that ends in one.
    path : str or path-like
        By custom ``name.skops``.  The file is replaced in one step: others see the old model or the new one.

    Returns
    -------
    Path
        Where the model is.

    Raises
    ------
    PersistenceError
        Not a fitted model of this package; holds a function without a name; the place cannot be written to.

    Notes
    -----
    A loss that you wrote yourself is stored by the name of its class, and `load` must be told to trust it.

    Examples
    --------
    >>> import steepest, tempfile, pathlib
    >>> model = steepest.Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = steepest.save(model, pathlib.Path(folder) / "ridge.skops")
    ...     again = steepest.load(path)
    >>> bool((again.coef_ == model.coef_).all()), again.certificate_.passed
    (True, True)
    """
    import skops.io

    path = Path(path)
    try:
        check_writable(path, "model.skops")
    except DataError as error:
        raise PersistenceError(str(error)) from None
    about = manifest(estimator)
    try:
        members = archive.unpack(path, skops.io.dumps(Encoder()(estimator)))
    except PersistenceError:
        raise
    except Exception as error:
        raise PersistenceError(
            f"estimator: cannot be stored ({error}). Leave out what is not part of the model, such as open files"
        ) from error
    found = survey(json.loads(members[SCHEMA]))
    if found.forbidden:
        raise PersistenceError(
            f"estimator: holds {', '.join(sorted(found.forbidden)[:5])}, which no file may hold. "
            "Use a function of NumPy, or a class or function of your own with a name"
        )
    _check_names(sorted(found.foreign))
    about["needs_trust"] = sorted(found.foreign)
    about["members"] = {name: archive.digest(content) for name, content in members.items()}
    members[MANIFEST] = json.dumps(about, indent=1).encode()
    write_bytes(path, archive.pack(members))
    return path


def _documents(path: Path) -> tuple[Members, dict[str, Any], dict[str, Any]]:
    """Members, manifest and schema of a file, checked and in the present format; no object is made."""
    members = archive.unpack(path, archive.read(path))
    schema = archive.parse(path, members, SCHEMA)
    if MANIFEST in members:
        about = archive.parse(path, members, MANIFEST)
        archive.check_digests(path, members, about)
    else:
        about = {"format": 0}
    about, schema = migrate(about, schema)
    return members, about, schema


def _check_root(schema: dict[str, Any], trusted: Sequence[Any]) -> None:
    root = f"{schema.get('__module__')}.{schema.get('__class__')}"
    if root in CONTAINERS or is_own(root) or root in map(name_of, trusted):
        return
    raise PersistenceError(
        f"it holds {root}, not a model of steepest; a model of another library is loaded with skops.io.load"
    )


def load(path: str | os.PathLike[str], *, trusted: Sequence[Any] = ()) -> Any:
    """Load a model that `save` has stored.

    No pickle is read.  Objects are made only of this package's estimators, the usual transformers of scikit-learn,
    arrays and plain values; any other type is refused by name before anything is made.

    Parameters
    ----------
    path : str or path-like
    trusted : sequence of types or names, optional
        Types of your own that the file may hold, for instance the class of a loss or of a transformer.  Their code
        runs, so trust no file because it asks for it.

    Returns
    -------
    estimator
        As it was saved: the same predictions bit for bit, its certificate, history and record.

    Raises
    ------
    PersistenceError
        No model file, or damaged, changed, of a newer format, or with types that are not trusted.

    Notes
    -----
    The digests in the file show damage.  They do not show who wrote it: whoever can write the file can write any
    coefficients.
    """
    import skops.io

    path = Path(path)
    with _about(path):
        members, _, schema = _documents(path)
        _check_root(schema, trusted)
        needed = audit(schema, members, trusted)
        content = {name: item for name, item in members.items() if name != MANIFEST}
        content[SCHEMA] = json.dumps(schema).encode()
        estimator = Decoder()(skops.io.loads(archive.pack(content), trusted=needed))
        _check_model(estimator)
    return estimator


def _check_model(estimator: Any) -> None:
    model = final(estimator)
    if hasattr(model, "_check_numbers"):
        model._check_numbers()
        return
    shape, features = np.shape(model.coef_), getattr(model, "n_features_in_", None)
    if features is None or not shape or shape[-1] != features:
        raise PersistenceError(
            f"its coefficients have shape {shape}, but the model expects {features} features; get the original file"
        )


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model file says about its model, without making any object of it.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    dict
        ``estimator``, ``steps`` of a pipeline, ``expects`` (``n_features`` and ``feature_names``), ``classes``,
        ``coef_shape``, ``objective``, ``certificate``, ``record`` (parameters, data, solver, seconds), ``versions``,
        ``created``, ``format``, and ``needs_trust``: what `load` must be told to trust.

    Raises
    ------
    PersistenceError
        As for `load`.
    """
    path = Path(path)
    with _about(path):
        _, about, schema = _documents(path)
        about.pop("members", None)
        about.setdefault("needs_trust", sorted(survey(schema).foreign))
    return about
