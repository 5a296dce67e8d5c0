"""Shards depend on the data alone, results keep their order, and errors come out."""

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steepest.exceptions import InvalidParameterError
from steepest.parallel import MAX_SHARDS, Pool, effective_jobs, shard_bounds


class TestJobs:
    def test_numbers(self, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
        assert [effective_jobs(j) for j in (1, 3, 50, -1, -2, -6, -100)] == [1, 3, 50, 6, 5, 1, 1]
        assert effective_jobs(np.int64(2)) == 2

    def test_none_takes_what_blas_would(self, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert effective_jobs(None) == 6
        for value, want in [("2", 2), ("64", 6), ("3,1", 3), ("", 6), ("many", 6), ("0", 1)]:
            monkeypatch.setenv("OMP_NUM_THREADS", value)
            assert effective_jobs(None) == want

    @pytest.mark.parametrize("bad", [0, 1.5, "2", True])
    def test_wrong(self, bad):
        with pytest.raises(InvalidParameterError, match="n_jobs"):
            effective_jobs(bad)


@given(st.integers(0, 10_000), st.floats(0, 1e12), st.integers(0, 10**6))
def test_shards_of_equal_rows_cover_all_once(n, work, width):
    bounds = shard_bounds(n, work, width)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    assert all(a[1] == b[0] for a, b in zip(bounds[:-1], bounds[1:], strict=True))
    assert len(bounds) <= MAX_SHARDS
    assert len(bounds) & (len(bounds) - 1) == 0
    if len(bounds) > 1:
        sizes = [b - a for a, b in bounds]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=300), st.sampled_from([np.int32, np.int64, np.uint64]))
def test_shards_of_unequal_rows_have_about_equal_work(lengths, dtype):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(dtype)
    bounds = shard_bounds(offsets, 1e9, 1)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == len(lengths)
    assert all(a[1] == b[0] for a, b in zip(bounds[:-1], bounds[1:], strict=True))
    assert all(a <= b for a, b in bounds)
    share = int(offsets[-1]) / len(bounds)
    assert all(int(offsets[b]) - int(offsets[a]) <= share + max(lengths) + 1 for a, b in bounds)


def test_little_work_is_one_shard_and_much_is_many():
    assert shard_bounds(1000, 1000.0, 10) == [(0, 1000)]
    assert len(shard_bounds(10**6, 1e9, 10)) == MAX_SHARDS
    assert len(shard_bounds(10**6, 1e9, 10**9)) == 1  # private sums as long as the data


class TestPool:
    @pytest.mark.parametrize("jobs", [1, 2, 3, 8])
    @pytest.mark.parametrize("count", [0, 1, 2, 7, 16])
    def test_results_keep_their_order(self, jobs, count):
        pool = Pool(jobs)
        try:
            assert pool.map(lambda k: k * k, list(range(count))) == [k * k for k in range(count)]
        finally:
            pool.close()

    def test_the_caller_works_and_others_too(self):
        pool, names = Pool(2), []
        meet = threading.Barrier(2, timeout=20)  # both must be running at once, or this breaks

        def task(k):
            meet.wait()
            names.append(threading.current_thread().name)

        pool.map(task, [0, 1])
        pool.close()
        assert threading.current_thread().name in names
        assert any(name.startswith("steepest") for name in names)

    def test_one_job_starts_no_thread(self):
        before = threading.active_count()
        names = Pool(1).map(lambda _: threading.current_thread().name, [0, 1, 2])
        assert set(names) == {threading.current_thread().name}
        assert threading.active_count() == before

    @pytest.mark.parametrize("bad", [0, 1, 5])
    def test_errors_come_out(self, bad):
        def task(k):
            if k == bad:
                raise ZeroDivisionError(f"item {k}")
            time.sleep(0.001)
            return k

        pool = Pool(2)
        with pytest.raises(ZeroDivisionError, match=f"item {bad}"):
            pool.map(task, list(range(6)))
        assert pool.map(lambda k: k, [1, 2]) == [1, 2]  # and the pool lives
        pool.close()

    def test_closing_ends_the_threads_and_may_be_repeated(self):
        before = threading.active_count()
        pool = Pool(3)
        pool.map(lambda k: time.sleep(0.001), [0, 1, 2])
        pool.close()
        pool.close()
        assert threading.active_count() == before
        assert pool.map(lambda k: k, [1, 2]) == [1, 2]  # starts again where it is needed
        pool.close()
