"""The contract of an oracle: what a check of one finds, and the planes that are made of its answers."""

from __future__ import annotations

import numpy as np
import pytest
from listed import Listed, Sign, listed

from steepest.exceptions import DataError
from steepest.structured import check_oracle
from steepest.structured.oracle import OraclePlanes, bound_planes


@pytest.fixture
def case():
    return listed(np.random.default_rng(0))


def change(oracle, **methods):
    """The oracle with other methods."""
    return type("Changed", (type(oracle),), methods)(oracle.losses)


def test_a_right_oracle_passes(case):
    oracle, X, Y = case
    check_oracle(oracle, X, Y, candidates=range(4), n_examples=12)


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        ({"size": lambda self, X, Y: 0}, r"oracle.size: expected .* at least 1, got 0"),
        ({"size": lambda self, X, Y: 7}, r"oracle.joint_feature: expected an array of shape \(7,\)"),
        ({"joint_feature": lambda self, x, y: x[y] * np.nan}, "oracle.joint_feature: expected finite numbers"),
        ({"joint_feature": lambda self, x, y: ([9], [1.0])}, "as many values as indices, from 0 to 4"),
        ({"joint_feature": lambda self, x, y: ([0, 1], [1.0])}, "2 indices and 1 values"),
        ({"loss": lambda self, t, y: 0.5}, "oracle.loss: expected 0 for the truth itself, got 0.5"),
        ({"loss": lambda self, t, y: 0.0 if t == y else -1.0}, "oracle.loss: expected a finite number of at least 0"),
        ({"maximise_many": lambda self, w, X, Y=None: []}, "oracle.maximise_many: expected one label for each"),
        # forgets the loss
        ({"maximise": lambda self, w, x, y_true=None: int(np.argmax(x @ w))}, r"maximise\(w, x, y_true\) gave"),
        # finds the smallest
        ({"maximise": lambda self, w, x, y_true=None: int(np.argmin(x @ w))}, "oracle.maximise: .* the label"),
        # adds the loss where no truth is given
        (
            {"maximise": lambda self, w, x, y_true=None: int(np.argmax(x @ w + 9.0 * self.losses[y_true or 0]))},
            r"oracle.maximise: maximise\(w, x",
        ),
    ],
)
def test_a_wrong_oracle_is_named(case, methods, said):
    oracle, X, Y = case
    with pytest.raises(DataError, match=said):
        check_oracle(change(oracle, **methods), X, Y, candidates=range(4))


def test_one_that_says_so_may_be_wrong(case):
    oracle, X, Y = case
    check_oracle(change(oracle, exact=False, maximise=lambda self, w, x, y_true=None: 0), X, Y)


def test_numbers_of_examples(case):
    oracle, X, Y = case
    with pytest.raises(DataError, match="expected a label for each of the 12 examples, at least one, got 11"):
        check_oracle(oracle, X, Y[:-1])
    with pytest.raises(DataError, match="at least one, got 0"):
        check_oracle(oracle, [], [])


def test_planes_are_differences_at_the_maximisers(case):
    oracle, X, Y = case
    planes = bound_planes(oracle, X, Y)
    assert isinstance(planes, OraclePlanes)
    assert (planes.n, planes.width, planes.exact, planes.features) == (12, 5, True, None)
    w = np.random.default_rng(1).standard_normal(5)
    rows = np.array([3, 0, 7])
    losses, codes = planes.planes(w, rows)
    for k, i in enumerate(rows):
        values = oracle.losses[Y[i]] + (X[i] - X[i][Y[i]]) @ w
        assert losses[k] + codes[[k]].toarray()[0] @ w == pytest.approx(values.max(), rel=1e-14)


def test_sparse_features_are_the_same_as_dense_ones(case):
    oracle, X, Y = case

    def pairs(self, x, y):
        at = np.array([4, 0, 1, 2, 3, 0])  # in any order, and one in two parts
        return at, np.where(at == 0, 0.5, 1.0) * x[y][at]

    w = np.random.default_rng(2).standard_normal(5)
    rows = np.arange(12)
    losses, codes = OraclePlanes(oracle, X, Y).planes(w, rows)
    other_losses, other = OraclePlanes(change(oracle, joint_feature=pairs), X, Y).planes(w, rows)
    np.testing.assert_array_equal(losses, other_losses)
    np.testing.assert_allclose(codes.toarray(), other.toarray(), rtol=1e-14)


def test_many_at_once_are_asked_at_once(case):
    oracle, X, Y = case
    asked = []

    def many(self, w, X, Y=None):
        asked.append(len(X))
        return [self.maximise(w, x, y) for x, y in zip(X, Y, strict=True)]

    w = np.ones(5)
    losses, _ = OraclePlanes(change(oracle, maximise_many=many), X, Y).planes(w, np.arange(12))
    assert asked == [12]
    np.testing.assert_array_equal(losses, OraclePlanes(oracle, X, Y).planes(w, np.arange(12))[0])


def test_an_oracle_may_bind_the_data_itself():
    class Bound(Sign):
        def bind(self, X, Y):
            return "planes of its own"

    assert bound_planes(Bound(), [[1.0]], [1]) == "planes of its own"


def test_labels_may_be_arrays():
    class Rows(Listed):
        def joint_feature(self, x, y):
            return x[int(y[0])]

        def loss(self, y_true, y):
            return self.losses[int(y_true[0]), int(y[0])]

        def maximise(self, w, x, y_true=None):
            return np.array([super().maximise(w, x, None if y_true is None else int(y_true[0]))])

    oracle, X, Y = listed(np.random.default_rng(3))
    check_oracle(Rows(oracle.losses), X, np.array(Y)[:, None])
