from __future__ import annotations

import numpy as np

from steepest.protocols import Certificate
from steepest.record.observers import RoundCallback, active, observe


def test_blocks_nest_and_end() -> None:
    seen: list[float] = []

    def outer(row: dict[str, float], w: np.ndarray) -> None:
        seen.append(row["objective"])

    class Inner:
        def begin(self, info: dict[str, object]) -> None: ...
        def round(self, row: dict[str, float], w: np.ndarray) -> None: ...
        def end(self, certificate: Certificate) -> None: ...

    inner = Inner()
    with observe(outer):
        assert len(active()) == 1
        with observe(inner):
            first, second = active()
            assert isinstance(first, RoundCallback)
            assert second is inner
            first.round({"objective": 2.0}, np.zeros(1))
        assert len(active()) == 1
    assert active() == ()
    assert seen == [2.0]


def test_block_ends_after_an_error() -> None:
    try:
        with observe(lambda row, w: None):
            raise RuntimeError
    except RuntimeError:
        pass
    assert active() == ()


def test_a_true_result_asks_for_a_stop() -> None:
    assert RoundCallback(lambda row, w: row["iteration"] >= 2).round({"iteration": 2.0}, np.zeros(1)) is True
    assert RoundCallback(lambda row, w: None).round({"iteration": 2.0}, np.zeros(1)) is False
