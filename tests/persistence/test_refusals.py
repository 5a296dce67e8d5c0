"""Files that are no models, or models that were tampered with: refused with the file, a reason and a way on."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import zipfile

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

import steepest
from steepest.exceptions import DataError, PersistenceError, SteepestError
from steepest.persistence import archive, describe, load, migrations, save

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X @ np.array([1.0, -2.0, 0.5])


@pytest.fixture
def path(tmp_path):
    return save(make_pipeline(StandardScaler(), steepest.Ridge()).fit(X, Y), tmp_path / "model.skops")


def refused(path, match, **kwargs):
    with pytest.raises(PersistenceError, match=match) as caught:
        load(path, **kwargs)
    assert str(caught.value).startswith(str(path))


def rewrite(path, change, digests=True):
    """The file with its members changed, and the digests made to fit, as one would who means harm."""
    members = archive.unpack(path, path.read_bytes())
    schema = json.loads(members["schema.json"])
    about = json.loads(members["steepest.json"])
    change(schema, about, members)
    members["schema.json"] = json.dumps(schema).encode()
    if digests:
        about["members"] = {name: archive.digest(c) for name, c in members.items() if name != "steepest.json"}
    members["steepest.json"] = json.dumps(about).encode()
    path.write_bytes(archive.pack(members))
    return path


def test_the_error_is_one_of_ours():
    assert issubclass(PersistenceError, DataError)
    assert issubclass(PersistenceError, SteepestError)


class Bomb:
    """A pickle of it runs code when it is loaded."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_pickles_are_not_loaded(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.skops"
    path.write_bytes(pickle.dumps(Bomb(), protocol=protocol))
    refused(path, "not a model file")
    path.write_bytes(gzip.compress(path.read_bytes()))
    refused(path, "gzip file, perhaps a compressed pickle")
    for compress in (0, 3):
        joblib.dump(Bomb(), path, compress=compress)
        refused(path, r"pickle.*steepest\.save")
    assert not (tmp_path / "exploded").exists()


def test_other_files(tmp_path):
    refused(tmp_path / "none.skops", "no such file")
    refused(tmp_path, "is a folder")
    path = tmp_path / "other.skops"
    path.write_bytes(b"")
    refused(path, "empty")
    path.write_text("a,b\n1,2\n")
    refused(path, "not a model file; give a file")
    np.save(tmp_path / "array.npy", X)
    refused(tmp_path / "array.npy", "a NumPy array")
    np.savez(tmp_path / "arrays.npz", X=X)
    refused(tmp_path / "arrays.npz", r"zip archive without 'schema\.json'")


@pytest.mark.parametrize("model", [LogisticRegression(), SVC(), make_pipeline(StandardScaler(), LogisticRegression())])
def test_models_of_another_library(model, tmp_path):
    path = tmp_path / "other.skops"
    skops.io.dump(model.fit(X, Y > 0), path)
    refused(path, r"sklearn\.(linear_model|svm|pipeline)|Pipeline|LogisticRegression")


def test_a_pipeline_that_ends_in_another_model(path, tmp_path):
    other = tmp_path / "scaled.skops"
    skops.io.dump(make_pipeline(StandardScaler()).fit(X), other)
    refused(other, "expected a model of steepest, got StandardScaler")


def test_every_truncation(path):
    content = path.read_bytes()
    for share in np.linspace(0.0, 0.999, 40):
        path.write_bytes(content[: int(share * len(content))])
        refused(path, r"truncated or damaged|empty|not a model file|without 'schema")


def test_flipped_bits(path):
    """Whatever bit of an archive flips, the model is refused or the same."""
    content = bytearray(path.read_bytes())
    expected = load(path).predict(X)
    rng = np.random.default_rng(1)
    told = 0
    for place in rng.choice(len(content), size=150, replace=False):
        changed = content.copy()
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        try:
            found = load(path).predict(X)
        except PersistenceError:
            told += 1
        else:
            assert (found == expected).all()
    assert told > 100


def test_changed_members(path):
    def change(schema, about, members):
        name = next(name for name in members if name.endswith(".npy"))
        buffer = io.BytesIO()
        np.save(buffer, 2.0 * np.load(io.BytesIO(members[name])))
        members[name] = buffer.getvalue()

    refused(rewrite(path, change, digests=False), "changed after it was written.*npy")


def inject(node):
    def change(schema, about, members):
        schema["content"]["content"]["steps"]["content"].append(node)

    return change


ATTACKS = {
    "a builtin": {"__class__": "eval", "__module__": "builtins", "__loader__": "TypeNode"},
    "a function": {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
    "an estimator": {
        "__class__": "DecisionTreeRegressor",
        "__module__": "sklearn.tree._classes",
        "__loader__": "ObjectNode",
    },
    "an attribute of a module of ours": {
        "__class__": "importlib",
        "__module__": "steepest.estimators.base",
        "__loader__": "ObjectNode",
    },
    "a module that runs": {"__class__": "app", "__module__": "steepest.__main__", "__loader__": "ObjectNode"},
    "a dictionary of another kind": {
        "__class__": "Popen",
        "__module__": "subprocess",
        "__loader__": "DictNode",
        "content": {},
        "key_types": {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []},
    },
    "a scalar of another kind": {
        "__class__": "fromfile",
        "__module__": "numpy",
        "__loader__": "NdArrayNode",
        "type": "json",
        "content": [],
    },
}
NEVER = {
    "a method": {"__class__": "Ridge", "__module__": "steepest.estimators.least_squares", "__loader__": "MethodNode"},
    "a partial": {"__class__": "partial", "__module__": "functools", "__loader__": "PartialNode"},
    "an operator": {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode"},
    "a loader without name": {"__class__": "dict", "__module__": "builtins", "__loader__": "NoSuchNode"},
    "no names": {"__class__": None, "__module__": ["os"], "__loader__": "ObjectNode"},
}


@pytest.mark.parametrize("name", ATTACKS)
def test_types_that_are_not_on_the_list(name, path):
    refused(rewrite(path, inject(ATTACKS[name])), "it holds")


@pytest.mark.parametrize("name", NEVER)
def test_makers_that_no_trust_opens(name, path):
    node = NEVER[name]
    refused(rewrite(path, inject(node)), "it holds", trusted=[f"{node['__module__']}.{node['__class__']}"])


def test_objects_hidden_in_shared_references(path):
    """A node that another one hides by its id is looked at all the same."""

    def change(schema, about, members):
        node = {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode", "__id__": schema["__id__"]}
        inject(node)(schema, about, members)

    refused(rewrite(path, change), r"os\.system")


def test_old_rules_of_skops(path):
    for protocol in (0, 1, True, "2", None):
        refused(rewrite(path, lambda schema, about, members, p=protocol: schema.update(protocol=p)), "protocol")


def test_sparse_indices_outside_the_matrix(tmp_path):
    """Compiled code would follow them without a look."""
    model = steepest.Ridge().fit(X, Y)
    model.coef_ = sp.csr_matrix(model.coef_[None, :])
    path = save(model, tmp_path / "model.skops")
    assert (load(path).coef_ != model.coef_).nnz == 0

    def change(schema, about, members):
        name = next(name for name in members if name.endswith(".npz"))
        matrix = sp.load_npz(io.BytesIO(members[name]))
        matrix.indices[0] = 1_000_000
        buffer = io.BytesIO()
        np.savez(
            buffer, format=b"csr", shape=matrix.shape, **{k: getattr(matrix, k) for k in ("data", "indices", "indptr")}
        )
        members[name] = buffer.getvalue()

    refused(rewrite(path, change), "damaged, or made by other means")


def tagged(schema, kind):
    """The plain form of a value in the last step of the pipeline."""
    last = schema["content"]["content"]["steps"]["content"][-1]["content"][1]
    return last["content"]["content"][kind]["content"]


def test_damaged_values(path, tmp_path):
    def unknown(schema, about, members):
        tagged(schema, "certificate_")["steepest:value"]["content"] = '"Other"'

    def without_a_field(schema, about, members):
        del tagged(schema, "certificate_")["fields"]["content"]["kind"]

    def of_another_kind(schema, about, members):
        tagged(schema, "certificate_")["fields"]["content"]["status"]["content"] = '"perfect"'

    def another_shape(schema, about, members):
        last = schema["content"]["content"]["steps"]["content"][-1]["content"][1]
        node = last["content"]["content"]["n_features_in_"]
        node["content"] = "7"
        node.pop("__id__")  # by which an equal number elsewhere would stand for it

    def member_gone(schema, about, members):
        members.pop(next(name for name in members if name.endswith(".npy")))

    content = path.read_bytes()
    for change, match in (
        (unknown, "unknown kind 'Other'"),
        (without_a_field, "field 'kind' of its Certificate is missing"),
        (of_another_kind, "kind 'Certificate' in it is damaged"),
        (another_shape, "expects 7 features"),
        (member_gone, "is missing"),
    ):
        path.write_bytes(content)
        refused(rewrite(path, change), match)


def test_archives_that_steepest_does_not_write(path):
    members = archive.unpack(path, path.read_bytes())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    refused(path, "compressed")
    path.write_bytes(archive.pack({**members, "../evil.npy": b""}))
    refused(path, "unexpected members")
    path.write_bytes(archive.pack({**members, "schema_json": b"{}"}).replace(b"schema_json", b"schema.json"))
    refused(path, "unexpected members")
    path.write_bytes(archive.pack({**members, "schema.json": b"[" * 100_000}))
    refused(path, "not JSON")
    path.write_bytes(archive.pack({**members, "schema.json": b"[]"}))
    refused(path, "no object")


def test_what_is_not_saved(tmp_path):
    path = tmp_path / "model.skops"
    search = GridSearchCV(steepest.Ridge(), {"alpha": [1.0, 2.0]}).fit(X, Y)
    for estimator, match in (
        (steepest.Ridge(), "not fitted.*call fit"),
        (make_pipeline(StandardScaler(), steepest.Ridge()), "not fitted"),
        (DecisionTreeRegressor().fit(X, Y), "expected a model of steepest, got DecisionTreeRegressor"),
        (search, "store its best_estimator_"),
        ("text", "got str"),
    ):
        with pytest.raises(PersistenceError, match=match):
            save(estimator, path)
    save(search.best_estimator_, path)
    with pytest.raises(PersistenceError, match=r"model\.skops"):
        save(search.best_estimator_, tmp_path)
    with pytest.raises(PersistenceError, match="does not exist"):
        save(search.best_estimator_, tmp_path / "none" / "model.skops")


# ----------------------------------------------------------------------------------------------- formats


def test_a_newer_format(path):
    newer = rewrite(path, lambda schema, about, members: about.update(format=2, versions={"steepest": "9.0"}))
    for read in (load, describe):
        with pytest.raises(PersistenceError, match=r"format 2, written by steepest 9\.0.*Upgrade steepest"):
            read(newer)


@pytest.mark.parametrize("given", [None, "1", True, -1, 1.0])
def test_no_format(given, path):
    refused(rewrite(path, lambda schema, about, members: about.update(format=given)), "its format is")


def test_format_0_is_a_bare_skops_file(tmp_path):
    model = steepest.Ridge().fit(X, Y)
    expected = model.predict(X)
    for name in ("certificate_", "history_", "fit_record_"):
        delattr(model, name)
    path = tmp_path / "old.skops"
    skops.io.dump(model, path)
    again = load(path)
    assert (again.predict(X) == expected).all()
    told = describe(path)
    assert told["format"] == 1
    assert told["estimator"] == "Ridge"
    assert told["expects"]["n_features"] == 3
    assert told["objective"] == model.objective_
    assert told["certificate"] is None
    renewed = save(again.fit(X, Y), tmp_path / "new.skops")
    assert describe(renewed)["certificate"]["passed"]


def test_steps_between_formats_are_taken_in_order(path, monkeypatch):
    monkeypatch.setattr(migrations, "FORMAT", 3)

    def step(name):
        def apply(about, schema):
            return {**about, "taken": [*about.get("taken", []), (about["format"], name)]}, schema

        return apply

    monkeypatch.setitem(migrations.MIGRATIONS, 1, step("one"))
    monkeypatch.setitem(migrations.MIGRATIONS, 2, step("two"))
    assert describe(path)["taken"] == [(1, "one"), (2, "two")]
    assert describe(path)["format"] == 3
    load(path)
    monkeypatch.delitem(migrations.MIGRATIONS, 2)
    refused(path, "format 2, written by steepest .* no longer reads.*train the model again")


def test_a_description_makes_no_object(path, monkeypatch):
    poisoned = rewrite(path, inject(ATTACKS["a function"]))
    monkeypatch.setattr(skops.io, "loads", None)
    assert describe(poisoned)["estimator"] == "Ridge"
