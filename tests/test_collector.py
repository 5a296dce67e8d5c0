"""The collector rests inside, runs again after, and still collects what became garbage inside."""

import gc
import weakref

import pytest

from steepest.collector import resting


class Node:
    """Something that can point at itself."""


def test_rests_and_runs_again_even_after_an_error():
    assert gc.isenabled()
    with pytest.raises(KeyError), resting():
        assert not gc.isenabled()
        raise KeyError("x")
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with resting():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_garbage_made_inside_is_collected_later():
    with resting():
        node = Node()
        node.itself = node
        seen = weakref.ref(node)
        del node
    assert seen() is not None
    gc.collect()
    assert seen() is None


def test_objects_that_the_program_froze_stay_frozen():
    gc.collect()
    before = gc.get_freeze_count()
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        assert frozen > before
        with resting():
            pass
        assert gc.get_freeze_count() >= frozen - 100  # some die by their reference count
    finally:
        gc.unfreeze()


def test_what_was_made_inside_is_filed_as_old():
    with resting():
        made = [[] for _ in range(5000)]
    young = {id(item) for generation in (0, 1) for item in gc.get_objects(generation)}
    assert not any(id(item) in young for item in made)
