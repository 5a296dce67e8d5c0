"""From a network and its data to certified parameters: the run of one fit."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import numpy as np

from steepest.estimators.network_data import SomeRows, make_feed
from steepest.estimators.network_model import Trained
from steepest.estimators.network_objective import describe_network
from steepest.estimators.network_parts import blas_threads, make_epochs, make_monitor, make_probes, make_problem
from steepest.estimators.network_plan import batch_rows
from steepest.estimators.network_record import facts_of
from steepest.estimators.network_start import Start
from steepest.estimators.network_values import Asked, Ended, Given
from steepest.estimators.network_watch import NetworkMonitor
from steepest.estimators.network_work import Work
from steepest.jit import compile_clock
from steepest.networks.stack import Stack
from steepest.protocols import Observer
from steepest.record.observers import watching
from steepest.solvers.loop import Limits, Outcome, run
from steepest.solvers.network_batch import network_solver

NEVER = -1.0  # a target that no bound meets


def run_network(
    model: Any, stack: Stack, start: Start, given: Given, asked: Asked, began: float, onlookers: Any
) -> Ended:
    """Train, certify, record; ``onlookers.statistics`` becomes the running statistics as they are at any time."""
    validated = time.perf_counter() - began
    feed = make_feed(given.X, stack.dtype, given.scaling)
    if given.train is not None:
        feed = SomeRows(feed, given.train)
    with ExitStack() as context:
        clock = context.enter_context(compile_clock())
        context.enter_context(blas_threads(stack, feed.n if asked.method.batch else batch_rows(model, feed.n)))
        context.enter_context(np.errstate(all="ignore"))  # loop and certificate judge the numbers themselves
        observers: list[Observer] = context.enter_context(watching())
        if model.verbose:
            from steepest.record.progress import Progress

            progress = Progress(title=type(model).__name__)
            context.callback(progress.close)
            observers.append(progress)
        problem = make_problem(stack, start, given, float(model.alpha), feed)
        onlookers.statistics = problem.statistics
        probes = None if asked.method.batch else make_probes(model, stack, feed.n)
        monitor = make_monitor(stack, problem, given, asked.watch)
        if asked.method.batch:
            tol = 0.0 if model.tol is None else float(model.tol)
            solver: Any = network_solver(asked.method.name, problem, tol=tol, most=float(min(model.max_fun, 2**62)))
        else:
            waits = monitor is not None and monitor.patience is not None
            solver = make_epochs(model, asked, stack, feed.n, probes, None, waits)
        work = Work(model, stack, problem, solver, monitor)
        limits = Limits(NEVER, int(model.max_iter), model.max_time, lambda: float(clock.seconds))
        outcome = run(
            solver,
            problem,
            problem.start() if asked.method.batch else start.w,
            limits=limits,
            certify=work.judge,
            null_value=problem.null_value,
            observers=observers,
            info={
                "title": type(model).__name__,
                "solver": asked.method.name,
                "round": "iteration" if asked.method.batch else "epoch",
                "value": "objective" if asked.method.batch else "loss",
            },
            monitor=monitor,
        )
    work.check(outcome)
    statistics = work.statistics(outcome.w)
    net = Trained.of(stack, outcome.w, statistics, given.scaling)
    losses = work.losses(outcome)
    seconds = {**outcome.seconds, "total": time.perf_counter() - began, "validate": validated, "compile": clock.seconds}
    ended = Ended(
        net=net,
        memory=work.memory(net),
        certificate=outcome.certificate,
        history=outcome.history,
        losses=losses,
        validation_scores=_scores(outcome, monitor),
        iterations=outcome.iterations if asked.method.batch else len(losses),  # whole epochs
        rows=feed.n,
        batch=asked.method.batch,
        seed=asked.seed,
        rule=type(asked.method.rule).__name__,
        rates=None if asked.method.batch else solver.schedule,
        probes=None if probes is None else probes.result(),
        objective=describe_network(problem, given, float(model.alpha)),
    )
    ended.facts = facts_of(given, feed, problem, outcome, asked, monitor, seconds, ended)
    return ended


def _scores(outcome: Outcome, monitor: NetworkMonitor | None) -> list[float] | None:
    """What was scored after each epoch."""
    if monitor is None or not monitor.rows_.scorable:
        return None
    return [float(value) for value in outcome.history["validation_score"][1:]]
