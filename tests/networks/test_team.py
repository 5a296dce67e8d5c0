"""Products and updates in parts: right, the same bits whoever computes them, and nothing beside them touched."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.kernels.network_gather import add_sparse_product, gather_columns, gather_dense, sparse_gradient
from steepest.kernels.network_update import update
from steepest.networks import team as rooms
from steepest.networks.team import Task, Team
from steepest.rules import get_rule, narrowed

SIZES = st.sampled_from([1, 2, 3, 5, 8, 15, 16, 17, 31, 32, 33, 48, 64, 65, 100, 257, 300])


def make(dtype: type, threads: int = 2, size: int = 10) -> Team:
    w = np.zeros(size, dtype)
    return Team(narrowed(get_rule("adam"), dtype), w, np.zeros((2, size), dtype), np.zeros(size, dtype), 1e9, threads)


TEAMS = {(dtype, threads): make(dtype, threads) for dtype in (np.float32, np.float64) for threads in (1, 3)}


@given(
    m=SIZES,
    n=SIZES,
    k=SIZES,
    turned=st.sampled_from(["", "left", "right"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    work=st.sampled_from([1.0, 300.0, 1e5, 1e9]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_products_are_those_of_numpy_and_touch_nothing_else(
    m: int, n: int, k: int, turned: str, dtype: type, work: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k, m)).astype(dtype).T if turned == "left" else rng.standard_normal((m, k)).astype(dtype)
    b = rng.standard_normal((n, k)).astype(dtype).T if turned == "right" else rng.standard_normal((k, n)).astype(dtype)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    found = []
    before, rooms.PRODUCT = rooms.PRODUCT, work  # into how many parts it falls
    try:
        for threads in (1, 3):
            room = np.full((m + 2, n + 3), 7.0, dtype)
            team = TEAMS[dtype, threads]
            call = team.take_over(partial(np.matmul, a, b, room[1:-1, 2 : n + 2]))
            assert isinstance(call, Task)
            with team:
                call()
            found.append(room)
    finally:
        rooms.PRODUCT = before
    np.testing.assert_array_equal(*found)
    room = found[0]
    scale = (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)).max() + 1.0
    np.testing.assert_allclose(room[1:-1, 2 : n + 2], expected, rtol=0, atol=k * np.finfo(dtype).eps * scale)
    room[1:-1, 2 : n + 2] = 7.0
    assert (room == 7.0).all()


def test_parts_decide_no_bit() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((70, 600), (600, 333)))
    found = []
    before = rooms.PRODUCT
    try:
        for work in (1e9, 3e6, 1e5, 1.0):
            rooms.PRODUCT = work
            out = np.empty((70, 333), np.float32)
            TEAMS[np.float32, 1].take_over(partial(np.matmul, a, b, out))()
            found.append(out)
    finally:
        rooms.PRODUCT = before
    for out in found[1:]:
        np.testing.assert_array_equal(out, found[0])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((3, 4), np.float64), np.ones((4, 5), np.float32)),  # another type
        (np.ones((4, 3), np.float32).T, np.ones((5, 4), np.float32).T),  # both transposed
        (np.ones((3, 8), np.float32)[:, ::2], np.ones((4, 5), np.float32)),  # gaps in a row
        (np.ones((2, 3, 4), np.float32), np.ones((2, 4, 5), np.float32)),  # a stack
    ],
)
def test_what_it_cannot_do_is_left_to_numpy(a: np.ndarray, b: np.ndarray) -> None:
    out = np.empty((*a.shape[:-1], b.shape[-1]), np.result_type(a, b))
    call = partial(np.matmul, a, b, out)
    assert TEAMS[np.float32, 1].take_over(call) is call


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_are_those_of_one_kernel(dtype: type, threads: int) -> None:
    size = 100_003
    rng = np.random.default_rng(0)
    rule = narrowed(get_rule("adam"), dtype)
    w, g = (rng.standard_normal(size).astype(dtype) for _ in range(2))
    state = np.abs(rng.standard_normal((2, size))).astype(dtype)
    alone, kept = w.copy(), state.copy()
    team = Team(rule, w, state, g, 1e9, threads)
    numbers = (0.1, 0.5, 2.0, 0.9, 1e-2, 3.0)
    with team:
        squares = team.update(7, size - 5, *numbers)
    expected = update(rule, alone, kept, g, 7, size - 5, *numbers)
    np.testing.assert_array_equal(w, alone)
    np.testing.assert_array_equal(state, kept)
    assert squares == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_rows_are_gathered_and_multiplied_as_by_one_kernel(threads: int, scaled: bool, kind: type) -> None:
    rng = np.random.default_rng(1)
    X = rng.integers(0, 255, (500, 200)).astype(kind)
    X[:, 120:] *= (rng.random((500, 80)) < 0.05).astype(kind)
    rows = rng.integers(0, 500, 128).astype(np.uint32)
    columns = np.arange(120, dtype=np.uint32)
    shift = rng.random(200).astype(np.float32) if scaled else np.empty(0, np.float32)
    factor = rng.random(200).astype(np.float32) if scaled else np.empty(0, np.float32)
    counts = np.concatenate([[0], np.cumsum((X[:, 120:] != 0).sum(axis=1))]).astype(np.uint32)
    indices = np.nonzero(X[:, 120:])[1].astype(np.uint16)
    data = X[:, 120:][X[:, 120:] != 0]
    W, D = (rng.standard_normal(shape).astype(np.float32) for shape in ((80, 90), (128, 90)))
    rare = (counts, indices, data, rows, factor[120:])
    team = TEAMS[np.float32, threads]
    cases = [
        (gather_dense, (X, rows, shift, factor), (128, 200)),
        (gather_columns, (X, rows, columns, shift[:120], factor[:120]), (128, 120)),
        (add_sparse_product, (*rare, W), (128, 90)),
        (sparse_gradient, (*rare, D), (80, 90)),
    ]
    for kernel, given_, shape in cases:
        expected = np.ones(shape, np.float32)
        kernel(*given_, expected)
        out = np.ones(shape, np.float32)
        call = team.take_over(partial(kernel, *given_, out))
        assert isinstance(call, Task)
        with team:
            call()
        np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-4)


def test_a_team_that_nobody_helps_does_all() -> None:
    """Threads that the system holds up, or that cannot be had, are not waited for."""
    team = make(np.float32, 3)
    a = np.ones((300, 300), np.float32)
    out = np.empty_like(a)
    team.take_over(partial(np.matmul, a, a, out))()  # never entered
    assert (out == 300.0).all()


def helpers() -> int:
    return sum(thread.name == rooms.NAME for thread in threading.enumerate())


def none_left() -> bool:
    until = time.monotonic() + 30.0
    while helpers() and time.monotonic() < until:
        time.sleep(0.01)
    return helpers() == 0


def test_threads_end_with_the_team() -> None:
    team = make(np.float32, 3)
    for _ in range(3):
        with team:
            assert helpers() == 2
        assert helpers() == 0
    with pytest.raises(KeyboardInterrupt), team:
        raise KeyboardInterrupt
    assert helpers() == 0


def test_an_interrupt_while_threads_start_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    start, team = threading.Thread.start, make(np.float32, 4)

    def interrupted(self: threading.Thread) -> None:
        start(self)
        if helpers() == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        team.__enter__()
    monkeypatch.undo()
    assert none_left()
    with team:
        assert helpers() == 3


def test_an_interrupt_waits_for_what_is_being_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    join, team, asked = threading.Thread.join, make(np.float32, 3), []

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        asked.append(self)
        if len(asked) == 1:
            raise KeyboardInterrupt
        join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt), team:
        pass
    assert helpers() == 0
    assert len(asked) == 3


def test_a_team_that_was_never_left() -> None:
    """An interrupt may come before its end has done anything: the next entry ends its threads, or its own end does."""
    team = make(np.float32, 3)
    team.__enter__()
    team.__enter__()
    assert helpers() == 2
    del team
    assert none_left()


def test_threads_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    team, a, out = make(np.float32, 3), np.ones((300, 300), np.float32), np.empty((300, 300), np.float32)
    with team:
        team.take_over(partial(np.matmul, a, a, out))()
    assert (out == 300.0).all()


def test_squares_that_overflow_are_infinite() -> None:
    """No exception: the training then says that its numbers are no longer finite."""
    team = make(np.float64, 1, size=100_000)
    team.w[:] = 1e152
    assert np.isfinite(team.update(0, 10_000, 0.0, 1.0, np.inf, 1.0, 0.0, 1.0))
    assert team.update(0, 100_000, 0.0, 1.0, np.inf, 1.0, 0.0, 1.0) == np.inf


def test_teams_of_several_threads_at_once() -> None:
    """Each of its own; code that several compile first is compiled."""
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal((200, 200)).astype(np.float32) for _ in range(2))
    outs = [np.empty((200, 200), np.float32) for _ in range(4)]

    def work(out: np.ndarray) -> None:
        team = make(np.float32, 2)
        call = team.take_over(partial(np.matmul, a, b, out))
        with team:
            for _ in range(20):
                call()

    before, rooms.PRODUCT = rooms.PRODUCT, 1e5
    try:
        threads = [threading.Thread(target=work, args=(out,)) for out in outs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        rooms.PRODUCT = before
    for out in outs[1:]:
        np.testing.assert_array_equal(out, outs[0])
    np.testing.assert_allclose(outs[0], a @ b, rtol=0, atol=1e-3)


def test_without_compiling() -> None:
    """NUMBA_DISABLE_JIT, as one sets it to debug: no team, the same weights but for rounding."""
    code = """
import numpy as np
from steepest.networks.feed import as_feed
from steepest.networks.layers import Dense
from steepest.networks.stack import Stack
from steepest.networks.targets_loss import Objective
from steepest.networks.training import Training

X, y = np.random.default_rng(0).standard_normal((12, 3)), np.arange(12) % 2
cost = Objective("cross_entropy", 2)
training = Training(Stack(3, (Dense(4),), 2, dtype=np.float64), cost, as_feed(X, np.float64), cost.targets(y))
training.steps(np.arange(12, dtype=np.uint32), np.empty(0), np.full(1, 0.1), 0, 1)
print(*training.w.tolist())
"""
    found = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"NUMBA_DISABLE_JIT": switch},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for switch in ("0", "1")
    ]
    compiled, plain = (np.array(out.split(), dtype=float) for out in found)
    assert len(plain) == 26
    np.testing.assert_allclose(plain, compiled, rtol=1e-9)


def test_many_small_tasks_on_more_threads_than_processors() -> None:
    team = make(np.float32, 8)
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((40, 64)).astype(np.float32), rng.standard_normal((64, 96)).astype(np.float32)
    out, first = np.empty((40, 96), np.float32), np.empty((40, 96), np.float32)
    before, rooms.PRODUCT = rooms.PRODUCT, 1.0
    try:
        call = team.take_over(partial(np.matmul, a, b, out))
    finally:
        rooms.PRODUCT = before
    with team:
        call()
        first[:] = out
        until = time.monotonic() + 1.0
        count = 0
        while count < 3000 and time.monotonic() < until:
            out.fill(np.nan)
            call()
            assert np.array_equal(out, first)
            count += 1
    assert count > 10
