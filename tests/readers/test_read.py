"""The door to all formats: names, splits, and files that are none of them."""

from __future__ import annotations

import numpy as np
import pytest

from steepest.exceptions import DataError
from steepest.readers import read_dataset
from steepest.readers.builtin import BUILTIN, split


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_sets(name):
    data = read_dataset(name)
    assert data.n_samples == len(data.y)
    assert len(data.feature_names) == data.n_features
    assert (data.y.dtype == np.int64) == (name != "diabetes")


@pytest.mark.parametrize("name", BUILTIN)
def test_split_is_fixed_complete_and_stratified(name):
    data = read_dataset(name)
    stratify = name != "diabetes"
    train, test = split(data, stratify=stratify)
    again, _ = split(data, stratify=stratify)
    assert np.array_equal(train.X, again.X)
    rows = np.vstack([train.X, test.X])
    assert np.array_equal(rows[np.lexsort(rows.T)], data.X[np.lexsort(data.X.T)])
    assert abs(test.n_samples / data.n_samples - 0.25) < 0.015
    if stratify:
        shares = [np.bincount(part.y) / part.n_samples for part in (train, test)]
        assert np.abs(shares[0] - shares[1]).max() < 0.015


def test_names_of_classes_and_features():
    data = read_dataset("iris")
    assert data.label_name(np.int64(2)) == "virginica"
    assert data.label_name("x") == "x"
    assert data.feature_name(0) == "sepal length (cm)"


def test_a_missing_file_names_the_nearest(tmp_path):
    with pytest.raises(DataError, match="did you mean 'digits'"):
        read_dataset("digit")
    (tmp_path / "a9a.txt").write_text("1 1:1\n")
    with pytest.raises(DataError, match=r"no such file .*did you mean '.*a9a\.txt'"):
        read_dataset(tmp_path / "a9a.tx")
    with pytest.raises(DataError, match="built-in names are digits, iris"):
        read_dataset("/nowhere/at/all")


def test_files_of_other_formats(tmp_path):
    for name, content, words in [
        ("x.csv", b"a,b\n1,2\n", "cannot read .csv files"),
        ("x.csv.gz", b"a,b\n1,2\n", "cannot read .csv files"),
        ("x.npy", b"\x93NUMPY", "cannot read .npy files"),
        ("empty", b"", "the file is empty"),
        ("binary", b"\x7fELF\x00\x01", "binary data that is no idx file"),
        ("prose", b"Once upon a time\n", "line 1, column 1: expected a label"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=words):
            read_dataset(tmp_path / name)


def test_built_in_as_test_part_must_fit():
    with pytest.raises(DataError, match="has 4 features, the train part has 64"):
        read_dataset("iris", n_features=64)
