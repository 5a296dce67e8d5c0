"""The driver: limits, retries, held-out rows, and what it hands to observers; with a solver made for the test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from steepest.certify.certificate import certify
from steepest.data.source import as_source
from steepest.losses import Squared
from steepest.penalties import L2
from steepest.problems.linear import LinearProblem
from steepest.protocols import Certificate, Round, Status
from steepest.record.validation import Monitor
from steepest.solvers.loop import Limits, Outcome, accept, run


class Scripted:
    """Visits given points, then has nothing left."""

    name = "scripted"
    patience = 100

    def __init__(self, points: Sequence[Any]) -> None:
        self.points = [np.asarray(point, dtype=np.float64) for point in points]

    def start(self, problem: Any, w: Any) -> dict[str, Any]:
        return {"problem": problem, "k": 0}

    def advance(self, state: dict[str, Any]) -> Round:
        k = state["k"]
        state["k"] += 1
        last = k >= len(self.points) - 1
        return Round(state["problem"].evaluate(self.points[min(k, len(self.points) - 1)]), 1.0, exhausted=last)


def problem() -> LinearProblem:
    """P(w) = (w - 1)^2 / 2 + l2 / 2 w^2, almost: two equal rows."""
    X = np.array([[1.0], [1.0]])
    return LinearProblem(as_source(X), np.ones(2), np.full(2, 0.5), Squared(), L2(1e-3), False)


def drive(points: Sequence[float], monitor: Monitor | None = None, **limits: Any) -> Outcome:
    p = problem()

    def judge(w: Any, status: Status, reason: str, dual: Any) -> Certificate:
        return certify(p, w, tol=1e-6, status=status, reason=reason, null_value=0.5, dual=dual)

    script = Scripted([[point] for point in points])
    bounds = Limits(1e-6, **limits)
    return run(script, p, np.zeros(1), limits=bounds, certify=judge, null_value=0.5, monitor=monitor)


def away_from(target: float, **options: Any) -> Monitor:
    return Monitor(lambda w: abs(float(w[0]) - target), **options)


def test_a_monitor_without_patience_only_measures() -> None:
    points = [0.0, 0.5, 0.9, 0.95]
    plain, seen = drive(points), drive(points, away_from(0.5))
    np.testing.assert_array_equal(plain.w, seen.w)
    assert seen.certificate == plain.certificate
    assert seen.history["validation_loss"].tolist() == pytest.approx([0.5, 0.0, 0.4, 0.45])
    assert np.isnan(plain.history["validation_loss"]).all()
    assert "monitor" in seen.seconds
    assert "monitor" not in plain.seconds


def test_patience_stops_and_the_best_is_returned_untouched() -> None:
    outcome = drive([0.0, 0.5, 0.9, 0.95, 0.99], away_from(0.5, patience=2))
    assert outcome.w.tolist() == [0.5]
    assert outcome.iterations == 3
    assert outcome.certificate.status is Status.STOPPED_EARLY
    assert outcome.certificate.primal == pytest.approx(0.125 + 0.5e-3 * 0.25)
    optimum = 1.0 / (1.0 + 1e-3)
    least = 0.5 * (1.0 - optimum) ** 2 + 0.5e-3 * optimum**2
    assert outcome.certificate.dual <= least
    assert not outcome.certificate.passed


def test_the_optimum_that_is_also_best_is_certified() -> None:
    optimum = 1.0 / (1.0 + 1e-3)
    outcome = drive([0.0, 0.5, optimum], away_from(optimum, patience=2))
    assert outcome.certificate.status is Status.CERTIFIED
    assert outcome.certificate.passed
    # the optimum was reached, but an earlier round was better on the held-out rows
    outcome = drive([0.0, 0.5, optimum], away_from(0.4, patience=9))
    assert outcome.w.tolist() == [0.5]
    assert outcome.certificate.status is Status.STOPPED_EARLY


def test_a_limit_keeps_its_name() -> None:
    outcome = drive([0.0, 0.5, 0.9, 0.95, 0.99], away_from(0.5, patience=9), max_iter=3)
    assert outcome.w.tolist() == [0.5]
    assert outcome.certificate.status is Status.BUDGET
    assert outcome.certificate.reason.startswith("max_iter=3 reached; the validation loss was best in round 1 of 3")


def test_nothing_measurable_selects_nothing() -> None:
    outcome = drive([0.0, 0.5, 0.9], Monitor(lambda w: math.nan, patience=1))
    assert outcome.w.tolist() == [0.9]
    assert outcome.certificate.status is Status.STALLED


def test_compiling_is_not_counted_as_time() -> None:
    points = [0.0, 0.5, 0.9]
    assert drive(points, max_time=1e-9).certificate.status is Status.BUDGET
    clock = iter([0.0] + [1e6] * 100)  # what the compiler took since the run began
    outcome = drive(points, max_time=1e-9, compiling=lambda: next(clock))
    assert outcome.certificate.status is Status.STALLED
    assert outcome.iterations == 2


def test_observers_see_the_columns_and_an_accepted_start() -> None:
    rows: list[dict[str, float]] = []
    told: list[Any] = []

    class Watcher:
        def begin(self, info: dict[str, Any]) -> None:
            told.append(info["title"])

        def round(self, row: dict[str, float], w: Any) -> None:
            rows.append(row)

        def end(self, certificate: Certificate) -> None:
            told.append(certificate.status)

    p = problem()
    w = np.array([1.0 / (1.0 + 1e-3)])
    certificate = certify(p, w, tol=1e-6, null_value=0.5)
    outcome = accept(
        p,
        w,
        certificate,
        limits=Limits(1e-6),
        observers=[Watcher()],
        info={"title": "a start"},
        monitor=away_from(0.5),
    )
    assert told == ["a start", Status.CERTIFIED]
    assert rows[0]["validation_loss"] == pytest.approx(abs(w[0] - 0.5))
    assert rows[0]["objective"] == certificate.primal
    assert outcome.iterations == 0
    assert outcome.certificate is certificate
    assert len(outcome.history) == 1


def test_rounds_are_counted_in_the_word_of_the_solver() -> None:
    class Steady(Scripted):
        patience = 1

    def said(kind: type[Scripted], points: Sequence[float]) -> str:
        p = problem()

        def judge(w: Any, status: Status, reason: str, dual: Any) -> Certificate:
            return certify(p, w, tol=1e-6, status=status, reason=reason, null_value=0.5, dual=dual)

        script = kind([[point] for point in points])
        return run(script, p, np.zeros(1), limits=Limits(1e-6), certify=judge, null_value=0.5).certificate.reason

    class Epochs(Steady):
        turn, patience = "epoch", 2

    assert "no decrease of the objective in 1 round;" in said(Steady, [0.5, 0.4, 0.9])
    assert "no decrease of the objective in 2 epochs;" in said(Epochs, [0.5, 0.4, 0.3, 0.9])


def test_a_round_that_is_interrupted_does_not_count() -> None:
    class Interrupted(Scripted):
        def advance(self, state: dict[str, Any]) -> Round:
            if state["k"] == 2:
                raise KeyboardInterrupt
            return super().advance(state)

    p = problem()

    def judge(w: Any, status: Status, reason: str, dual: Any) -> Certificate:
        return certify(p, w, tol=1e-6, status=status, reason=reason, null_value=0.5, dual=dual)

    script = Interrupted([[0.0], [0.5], [0.6], [0.7]])
    outcome = run(script, p, np.zeros(1), limits=Limits(1e-6), certify=judge, null_value=0.5)
    assert outcome.iterations == 1
    assert outcome.w.tolist() == [0.5]
