"""What tests of several folders share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

# What tests import is no test: looked through for examples, a loss would be registered a second time.
collect_ignore = ["support"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as a terminal has it: a shell starts its background jobs with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
