"""Orders of rows: what each promises, repeatable, and unbiased where the draws are not uniform."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from steepest.data.orders import (
    ORDERS,
    BlockShuffled,
    ClassAlternating,
    Cyclic,
    LargeErrorFirst,
    Shuffled,
    WithReplacement,
    batches,
    unsigned,
)
from steepest.exceptions import DataError, InvalidParameterError

N = 1000
CODES = np.random.default_rng(0).integers(0, 4, N)
ERRORS = np.random.default_rng(1).exponential(size=N)
ALL = [
    Cyclic(N),
    Shuffled(N),
    WithReplacement(N),
    BlockShuffled(N, 64),
    ClassAlternating(CODES),
    LargeErrorFirst(ERRORS),
]


@pytest.mark.parametrize("order", ALL, ids=lambda o: type(o).__name__)
def test_an_epoch_depends_on_its_number_and_the_seed_alone(order) -> None:
    first = order.epoch(3, 7)
    for again in (order.epoch(3, 7), pickle.loads(pickle.dumps(order)).epoch(3, 7)):
        assert np.array_equal(first.rows, again.rows)
        assert np.array_equal(first.factors, again.factors)
    if not isinstance(order, Cyclic):
        assert not np.array_equal(first.rows, order.epoch(4, 7).rows)
        assert not np.array_equal(first.rows, order.epoch(3, 8).rows)
    assert first.rows.dtype == np.uint32
    assert len(first.rows) == N
    assert first.rows.max() < N
    if isinstance(order, Cyclic | Shuffled | BlockShuffled | ClassAlternating):
        assert np.array_equal(np.sort(first.rows), np.arange(N))
    assert len(first.factors) == (N if isinstance(order, LargeErrorFirst) else 0)


@pytest.mark.parametrize("make", [Cyclic, Shuffled, WithReplacement, BlockShuffled])
@pytest.mark.parametrize("n", [1, 2, 65])
def test_few_rows(make, n: int) -> None:
    rows = make(n).epoch(0).rows
    assert len(rows) == n
    assert rows.max() < n
    for order in (ClassAlternating(np.zeros(n, dtype=int)), LargeErrorFirst(np.ones(n)), LargeErrorFirst(np.zeros(n))):
        assert len(order.epoch(0).rows) == n


def test_shuffled_rows_go_anywhere() -> None:
    """Every row in every place, equally often: a table of counts, by its chi square."""
    counts = np.zeros((6, 6))
    for number in range(3000):
        counts[np.arange(6), Shuffled(6).epoch(number, 1).rows] += 1
    chi = ((counts - 500.0) ** 2 / 500.0).sum()
    assert chi < 60.0  # 25 degrees of freedom: beyond 60 with probability 1e-4


def test_draws_with_replacement_are_uniform() -> None:
    counts = np.bincount(np.concatenate([WithReplacement(10).epoch(k).rows for k in range(3000)]), minlength=10)
    assert ((counts - 3000.0) ** 2 / 3000.0).sum() < 35.0  # 9 degrees of freedom
    rows = WithReplacement(N).epoch(0).rows
    assert 0.55 * N < len(np.unique(rows)) < 0.72 * N  # 1 - 1/e


@pytest.mark.parametrize("n", [64, 100, 1000])
def test_blocks_stay_together(n: int) -> None:
    rows = BlockShuffled(n, 64).epoch(2).rows.astype(int)
    changes = np.count_nonzero(np.diff(rows // 64))
    assert changes == -(-n // 64) - 1
    assert not np.array_equal(rows, np.sort(rows))
    blocks = rows // 64
    for b in np.unique(blocks):
        assert not np.array_equal(rows[blocks == b], np.sort(rows[blocks == b]))


@pytest.mark.parametrize("counts", [(50, 50), (51, 50), (30, 30, 30), (40, 25, 10, 5), (20, 20, 1), (7, 3, 3, 1)])
def test_neighbours_are_of_different_classes(counts: tuple[int, ...]) -> None:
    codes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    for number in range(20):
        seen = codes[ClassAlternating(codes).epoch(number).rows]
        assert np.all(seen[1:] != seen[:-1])


def test_a_class_of_more_than_half() -> None:
    codes = np.repeat([0, 1, 2], [80, 15, 5])
    places = []
    for number in range(200):
        seen = codes[ClassAlternating(codes).epoch(number).rows]
        assert np.all((seen[1:] == 0) | (seen[:-1] == 0))
        places.append(np.flatnonzero(seen == 2))
    assert 45.0 < np.mean(places) < 54.0  # spread over the epoch


@pytest.mark.parametrize("size", [1, 7, N])
def test_batches_are_consecutive_pieces(size: int) -> None:
    rows = Shuffled(N).epoch(0).rows
    made = batches(rows, size)
    assert np.array_equal(np.concatenate(made), rows)
    assert {len(b) for b in made[:-1]} <= {size}
    assert len(made) == -(-N // size)


# ------------------------------------------------------------------------------------ importance sampling


@pytest.mark.parametrize("mix", [0.1, 0.5, 1.0])
def test_weighted_draws_are_unbiased(mix: float) -> None:
    order = LargeErrorFirst(ERRORS, mix=mix)
    q = order.probabilities()
    assert q.sum() == pytest.approx(1.0, abs=1e-12)
    # the expectation of factor * value over the draws, in closed form, with the factors that the epoch hands out
    visit = order.epoch(0)
    np.testing.assert_allclose(visit.factors * (N * q[visit.rows]), 1.0, rtol=1e-12)
    assert visit.factors.max() <= 1.0 / mix + 1e-9
    values = np.random.default_rng(2).standard_normal(N) + ERRORS
    means = [np.mean(v.factors * values[v.rows]) for v in (order.epoch(k) for k in range(400))]
    assert abs(np.mean(means) - values.mean()) < 5.0 * np.std(means) / np.sqrt(400)


def test_draws_follow_the_probabilities() -> None:
    order = LargeErrorFirst(np.array([0.0, 1.0, 2.0, 5.0]), mix=0.2, guard=np.inf)
    counts = np.bincount(np.concatenate([order.epoch(k).rows for k in range(5000)]), minlength=4)
    expected = 20000 * order.probabilities()
    np.testing.assert_allclose(order.probabilities(), 0.05 + 0.8 * np.array([0.0, 1.0, 2.0, 5.0]) / 8.0)
    assert ((counts - expected) ** 2 / expected).sum() < 25.0  # 3 degrees of freedom


def test_less_variance_where_gradients_go_with_the_errors() -> None:
    wild = np.r_[np.full(900, 0.01), np.full(100, 1.0)]
    order = LargeErrorFirst(wild, mix=0.1)
    by_errors = [np.mean((wild[v.rows] * v.factors)[:50]) for v in (order.epoch(k) for k in range(500))]
    uniform = [np.mean(wild[WithReplacement(N).epoch(k).rows[:50]]) for k in range(500)]
    assert np.var(by_errors) < 0.2 * np.var(uniform)
    assert np.mean(by_errors) == pytest.approx(wild.mean(), rel=0.05)


def test_large_errors_first() -> None:
    visit = LargeErrorFirst(ERRORS, sort=True).epoch(0)
    assert np.all(np.diff(np.minimum(ERRORS[visit.rows], np.quantile(ERRORS, 0.95) * 5)) <= 0.0)
    loose = LargeErrorFirst(ERRORS, sort=False).epoch(0)
    assert np.array_equal(np.sort(visit.rows), np.sort(loose.rows))


def test_outliers_do_not_take_the_epoch() -> None:
    errors = np.r_[np.random.default_rng(3).random(N - 2), 1e6, 1e9]
    order = LargeErrorFirst(errors)
    assert order.outliers().tolist() == [N - 2, N - 1]
    assert order.probabilities()[-2:].sum() < 0.03
    unguarded = LargeErrorFirst(errors, guard=np.inf)
    assert unguarded.outliers().size == 0
    assert unguarded.probabilities()[-1] > 0.75
    assert LargeErrorFirst(np.random.default_rng(4).random(N)).outliers().size == 0
    sparse = np.zeros(N)
    sparse[:3] = 1.0  # nearly all fitted: the others are no outliers
    assert LargeErrorFirst(sparse).outliers().size == 0
    assert LargeErrorFirst(np.r_[np.ones(99), np.inf]).probabilities()[-1] < 0.1


def test_indices_grow_with_the_rows() -> None:
    assert unsigned(2**32) is np.uint32
    assert unsigned(2**32 + 1) is np.uint64
    assert set(ORDERS.values()) == {type(order) for order in ALL}


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda: LargeErrorFirst(ERRORS, mix=0.0).epoch(0), InvalidParameterError, "mix"),
        (lambda: LargeErrorFirst(ERRORS, guard=0.5).epoch(0), InvalidParameterError, "guard"),
        (lambda: LargeErrorFirst(ERRORS, quantile=1.0).epoch(0), InvalidParameterError, "quantile"),
        (lambda: LargeErrorFirst(-ERRORS).epoch(0), DataError, "errors"),
        (lambda: LargeErrorFirst(np.array([np.nan, 1.0])).epoch(0), DataError, "errors"),
        (lambda: LargeErrorFirst(np.array([np.inf, 1.0]), guard=np.inf).epoch(0), DataError, "errors"),
        (lambda: BlockShuffled(5, 0).epoch(0), InvalidParameterError, "block"),
        (lambda: batches(np.arange(3), 0), InvalidParameterError, "size"),
    ],
)
def test_refusals_name_the_argument(make, error, name: str) -> None:
    with pytest.raises(error, match=f"^{name}: "):
        make()
