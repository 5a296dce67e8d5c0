"""The rule of patience, apart from any fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.record.validation import Monitor

NUMBERS = st.lists(st.floats(-5, 5) | st.just(math.nan), min_size=1, max_size=40)


def feed(values: list[float], **options: float | None) -> tuple[Monitor, int]:
    """A monitor that reads its loss from the parameters, and after how many rounds it asked to stop."""
    monitor = Monitor(lambda w: float(w[0]), **options)  # type: ignore[arg-type]
    for k, value in enumerate(values):
        if monitor.see(np.array([value])):
            return monitor, k + 1
    return monitor, len(values)


@given(NUMBERS, st.integers(1, 6))
def test_the_best_round_is_kept_and_patience_counts_from_it(values: list[float], patience: int) -> None:
    monitor, seen = feed(values, patience=patience)
    rounds = np.array(values[:seen])
    if np.isnan(rounds).all():
        assert not monitor.selects
        assert seen == len(values)
        return
    best = np.flatnonzero(rounds == np.nanmin(rounds))
    assert monitor.best_round == best[-1]
    assert monitor.best == rounds[best[-1]]
    assert monitor.weights is not None
    assert monitor.weights[0] == monitor.best
    if seen < len(values) and not np.isnan(rounds[: seen - patience]).all():
        assert seen == best[0] + 1 + patience


@given(NUMBERS)
def test_without_patience_nothing_stops_or_selects(values: list[float]) -> None:
    monitor, seen = feed(values)
    assert seen == len(values)
    assert not monitor.selects


def test_small_gains_do_not_count_but_the_best_is_kept() -> None:
    values = [1.0, 0.99, 0.98, 0.97, 0.5]
    monitor, seen = feed(values, patience=3, min_delta=0.1)
    assert (seen, monitor.best_round, monitor.best) == (4, 3, 0.97)
    monitor, seen = feed(values, patience=3)
    assert (seen, monitor.best_round) == (5, 4)


def test_a_score_is_better_when_higher() -> None:
    scores = iter([0.5, 0.9, 0.7, 0.9, 0.8])
    monitor = Monitor(lambda w: 1.0, lambda w: next(scores), patience=3, name="accuracy")
    asked = [monitor.see(np.array([float(k)])) for k in range(5)]
    assert asked == [False, False, False, False, True]
    assert (monitor.best, monitor.best_round) == (0.9, 3)
    assert monitor.row == {"validation_loss": 1.0, "validation_score": 0.8}
    assert monitor.reason() == "the validation accuracy was best in round 3 of 4, 0.9: its parameters are kept"


def test_parameters_that_are_not_finite_are_not_measured() -> None:
    def fail(w: object) -> float:
        raise AssertionError

    monitor = Monitor(fail, patience=1)
    assert not monitor.see(np.array([math.inf]))
    assert math.isnan(monitor.row["validation_loss"])
    assert monitor.seconds >= 0.0
    assert monitor.summary() == {"monitor": "loss", "best": pytest.approx(math.nan, nan_ok=True), "best_round": -1,
                                 "patience": 1}  # fmt: skip
