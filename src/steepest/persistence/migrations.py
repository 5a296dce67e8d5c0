"""Model files of older formats, brought up to the present one step at a time.

Format 0 is what ``skops.io.dump`` writes by itself: no manifest, and, as skops cannot store one, no record.  Such
files are read; their certificate is unknown.  A step takes ``(manifest, schema)`` of its format to the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from steepest.exceptions import PersistenceError
from steepest.persistence.manifest import FORMAT

Documents = tuple[dict[str, Any], dict[str, Any]]


def _attribute(node: dict[str, Any], name: str) -> Any:
    """A plain attribute of the object that a node describes; None where it is not there, or not plain."""
    try:
        found = node["content"]["content"][name]
        return json.loads(found["content"]) if found["__loader__"] == "JsonNode" else None
    except (KeyError, TypeError, ValueError):
        return None


def _from_0(manifest: dict[str, Any], schema: dict[str, Any]) -> Documents:
    """A manifest with what the schema tells."""
    made = {
        "format": 1,
        "versions": {"skops": schema.get("_skops_version")},
        "created": None,
        "estimator": schema.get("__class__"),
        "type": f"{schema.get('__module__')}.{schema.get('__class__')}",
        "steps": [],
        "expects": {"n_features": _attribute(schema, "n_features_in_"), "feature_names": None},
        "classes": None,
        "coef_shape": None,
        "objective": _attribute(schema, "_objective"),
        "certificate": None,
        "record": None,
    }
    return {**manifest, **made}, schema


#: format -> the step to the next one.
MIGRATIONS: dict[int, Callable[[dict[str, Any], dict[str, Any]], Documents]] = {0: _from_0}


def migrate(manifest: dict[str, Any], schema: dict[str, Any]) -> Documents:
    """Both documents in the present format.

    Raises
    ------
    PersistenceError
        A newer format, or an older one that no step leads on from.
    """
    version = manifest.get("format")
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise PersistenceError(f"its format is {version!r}, a number was expected; get the original file")
    writer = (manifest.get("versions") or {}).get("steepest", "an unknown version")
    if version > FORMAT:
        raise PersistenceError(
            f"it has format {version}, written by steepest {writer}; this version reads up to {FORMAT}. "
            "Upgrade steepest: pip install --upgrade steepest"
        )
    while version < FORMAT:
        if version not in MIGRATIONS:
            raise PersistenceError(
                f"it has format {version}, written by steepest {writer}, which this version no longer reads. "
                "Load and save it once with a version in between, or train the model again."
            )
        manifest, schema = MIGRATIONS[version](manifest, schema)
        version += 1
        manifest = {**manifest, "format": version}
    return manifest, schema
