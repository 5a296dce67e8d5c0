from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder  # noqa: F401  (compute_class_weight would import it within a deadline)
from sklearn.utils.class_weight import compute_class_weight

from steepest import LinearClassifier, LogisticRegression
from steepest.estimators.targets import Labels, apply_class_weight, check_weights, encode, normalise, plain_labels
from steepest.exceptions import DataError, InvalidParameterError


def labels_of(values: list[Any], **kinds: Any) -> Labels:
    return encode(np.asarray(values, **kinds), None, "Model")


@pytest.mark.parametrize(
    "y",
    [
        np.array([3, -1, 3, 7]),
        np.array([0, 255, 7], dtype=np.uint8),
        np.array([-128, 127, 0], dtype=np.int8),
        np.array([2**63 - 1, -(2**63), 0]),
        np.array([2**64 - 1, 2**64 - 3], dtype=np.uint64),
        np.array([10**9, 0, 10**9]),
        np.array([-1.0, 1.0, 1.0]),
        np.array([0.0, 1e300]),
        np.array([-0.0, 0.0, 1.0]),
        np.array([1.0, 2.0], dtype=np.float32),
        np.array([True, False, True]),
        np.array(["b", "a", "b"]),
        np.array([b"b", b"a"]),
        np.array(["b", "a", "b"], dtype=object),
        np.array([2, 1, 2], dtype=object),
        np.array([2.0, 1, True], dtype=object),
        np.array(["b", "a"], dtype=np.dtypes.StringDType()),
        np.arange(5000)[::-1] * 3,
    ],
    ids=lambda y: f"{y.dtype}-{len(y)}",
)
def test_classes_and_codes_are_those_of_unique(y: Any) -> None:
    found = encode(y, None, "Model")
    classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(found.classes, classes)
    np.testing.assert_array_equal(found.codes, codes)
    np.testing.assert_array_equal(found.mass, counts)
    assert found.classes.dtype == y.dtype
    assert found.codes.dtype == np.int64
    assert found.codes.flags.writeable
    np.testing.assert_array_equal(found.classes[found.codes], y)


@given(
    st.lists(st.tuples(st.integers(-40, 40), st.sampled_from([0.0, 0.5, 1.0, 3.0])), min_size=2, max_size=40),
    st.sampled_from([np.int64, np.int16, np.float64, str, object]),
)
def test_rows_of_weight_zero_are_absent(rows: list[tuple[int, float]], kind: Any) -> None:
    y = np.array([label for label, _ in rows]).astype(kind)
    s = np.array([weight for _, weight in rows])
    there = s > 0.0
    if len(np.unique(y[there])) < 2:
        with pytest.raises(DataError):
            encode(y, s, "Model")
        return
    found, kept = encode(y, s, "Model"), encode(y[there], s[there], "Model")
    np.testing.assert_array_equal(found.classes, kept.classes)
    np.testing.assert_array_equal(found.codes[there], kept.codes)
    np.testing.assert_allclose(found.mass, kept.mass, rtol=1e-14)
    assert found.codes.min() >= 0
    assert found.codes.max() < len(found.classes)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([0.5, 1.0]), "continuous.*Model takes class labels, got .*0.5"),
        (np.array([1 + 2j, 0]), "Unknown label type"),
        (np.array(["a", 1], dtype=object), r"one kind that sorts, got \['int', 'str'\]"),
        (np.array([(1, 2), (3, 4), None], dtype=object)[:2], "of type tuple"),
        (np.array([0.5, 1.5], dtype=object), "Unknown label type: unknown"),
        (np.array([7, 7, 7]), "only one class: 7"),
        (np.array(["a", "a"]), "only one class: 'a'"),
    ],
)
def test_what_is_no_set_of_classes(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(y, None, "Model")


def test_one_class_left_after_weights() -> None:
    with pytest.raises(DataError, match="only one class with a weight above zero: 2"):
        encode(np.array([1, 2, 2]), np.array([0.0, 1.0, 1.0]), "Model")


@pytest.mark.parametrize(
    ("s", "message"),
    [
        ([1.0, 2.0], r"shape == \(2,\), expected \(3,\)"),
        ([[1.0, 2.0, 3.0]], "1D array or scalar"),
        ([1.0, np.nan, 1.0], "finite"),
        ([1.0, np.inf, 1.0], "finite"),
        ([1.0, -1.0, 1.0], ">= 0, got -1"),
        ([0.0, 0.0, 0.0], "at least one non-zero number"),
        (["a", "b", "c"], "expected numbers"),
    ],
)
def test_bad_weights(s: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_weights(s, 3)


def test_weights() -> None:
    assert check_weights(None, 3) is None
    np.testing.assert_array_equal(check_weights(2, 3), [2.0, 2.0, 2.0])
    plain = normalise(None, 4)
    assert (plain.total, plain.raw) == (4.0, None)
    np.testing.assert_array_equal(plain.p, 0.25)
    weighted = normalise(np.array([1.0, 3.0]), 2)
    assert weighted.total == 4.0
    np.testing.assert_array_equal(weighted.p, [0.25, 0.75])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=4, max_size=30))
def test_balanced_classes_weigh_the_same(rows: list[tuple[int, int]]) -> None:
    y, s = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    if len(np.unique(y)) < 2:
        return
    labels = encode(y, s, "Model")
    weights, factor = apply_class_weight("balanced", labels, s, "Model")
    assert weights is not None
    per_class = np.bincount(labels.codes, weights=weights)
    np.testing.assert_allclose(per_class, s.sum() / len(labels.classes), rtol=1e-12)
    repeated = np.repeat(y, s.astype(int))
    expected = compute_class_weight("balanced", classes=labels.classes, y=repeated)
    np.testing.assert_allclose(factor, expected, rtol=1e-12)


def test_class_weights_by_label() -> None:
    labels = labels_of(["a", "b", "b", "c"])
    weights, factor = apply_class_weight({"b": 3}, labels, None, "Model")
    np.testing.assert_array_equal(factor, [1.0, 3.0, 1.0])
    np.testing.assert_array_equal(weights, [1.0, 3.0, 3.0, 1.0])
    weights, _ = apply_class_weight({"a": 0.0}, labels, np.array([1.0, 2.0, 1.0, 1.0]), "Model")
    np.testing.assert_array_equal(weights, [0.0, 2.0, 1.0, 1.0])
    assert apply_class_weight(None, labels, None, "Model")[0] is None
    assert apply_class_weight({}, labels, None, "Model")[0] is None
    booleans = labels_of([True, False])
    np.testing.assert_array_equal(apply_class_weight({True: 2, False: 5}, booleans, None, "Model")[1], [5.0, 2.0])
    # keys that are no classes are no error as long as every class has a weight
    np.testing.assert_array_equal(
        apply_class_weight({"a": 1, "b": 2, "c": 3, "d": 4}, labels, None, "Model")[1], [1.0, 2.0, 3.0]
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"d": 2.0}, r"\['a', 'b'\], are not in class_weight"),
        ({"a": -1.0}, ">= 0"),
        ({"a": np.inf}, "finite"),
        ({"a": 0.0}, "at least 2 classes"),
    ],
)
def test_bad_class_weights(given: Any, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        apply_class_weight(given, labels_of(["a", "b"]), None, "Model")


@pytest.mark.parametrize(
    ("dtype", "values", "classes"),
    [
        ("Int64", [3, 5, 3, 5], np.array([3, 5])),
        ("UInt8", [0, 200, 0, 200], np.array([0, 200], dtype=np.uint8)),
        ("boolean", [True, False, True, False], np.array([False, True])),
        ("Float64", [0.0, 1.0, 0.0, 1.0], np.array([0.0, 1.0])),
        ("int32[pyarrow]", [3, 5, 3, 5], np.array([3, 5], dtype=np.int32)),
        ("bool[pyarrow]", [True, False, True, False], np.array([False, True])),
        ("string", ["a", "b", "a", "b"], np.array(["a", "b"], dtype=object)),
        ("string[pyarrow]", ["a", "b", "a", "b"], np.array(["a", "b"], dtype=object)),
        ("category", ["a", "b", "a", "b"], np.array(["a", "b"], dtype=object)),
        ("int64", [3, 5, 3, 5], np.array([3, 5])),
    ],
)
@pytest.mark.parametrize(
    "model", [LogisticRegression(), LinearClassifier("hinge")], ids=["LogisticRegression", "hinge"]
)
def test_classes_are_of_the_kind_that_a_pandas_column_holds(dtype: str, values: Any, classes: Any, model: Any) -> None:
    X = np.array([[0.0], [1.0], [0.1], [0.9]])
    for y in (pd.Series(values, dtype=dtype), pd.Series(values, dtype=dtype).array):
        model.fit(X, y)
        np.testing.assert_array_equal(model.classes_, classes)
        assert model.classes_.dtype == classes.dtype
        assert model.predict(X).dtype == classes.dtype


def test_a_missing_label_is_an_error() -> None:
    y = pd.Series([0, 1, None], dtype="Int64")
    assert plain_labels(y) is y
    with pytest.raises(ValueError, match="NaN"):
        LogisticRegression().fit(np.ones((3, 1)), y)
