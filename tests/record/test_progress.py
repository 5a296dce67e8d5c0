from __future__ import annotations

import io
import math

import numpy as np
import pytest
from rich.console import Console

from steepest.protocols import Certificate, Status
from steepest.record import progress as module
from steepest.record.progress import Progress


def row(iteration: int, gap: float = 0.1) -> dict[str, float]:
    return {
        "iteration": float(iteration),
        "passes": 1.0,
        "seconds": 0.1 * iteration,
        "objective": 1.0 / (1 + iteration),
        "gap": gap,
        "relative_gap": gap,
        "gradient_norm": 0.5,
        "step": 1.0,
    }


CERTIFICATE = Certificate("duality_gap", 1e-6, 2e-6, 1e-4, True, "suboptimality", 0.5, 0.499999, Status.CERTIFIED, "")


def drive(progress: Progress, rounds: int) -> None:
    progress.begin({"title": "Ridge"})
    for i in range(rounds):
        progress.round(row(i, math.nan if i == 0 else 0.1), np.zeros(2))
    progress.end(CERTIFICATE)


def test_a_pipe_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 100.0, 0.3))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    out = io.StringIO()
    drive(Progress(Console(file=out, force_terminal=False, width=40)), 10)
    text = out.getvalue()
    assert all(character.isprintable() or character == "\n" for character in text)
    lines = text.splitlines()
    assert [line.split("objective")[0] for line in lines[:-1]] == [f"Ridge: round {i}  " for i in (0, 4, 8)]
    assert "gap" not in lines[0]
    assert "gap 1.00e-01" in lines[1]
    assert lines[-1] == "Ridge: certified after 0.90 s, objective 0.5, proven relative gap 2.00e-06"


def test_a_terminal_gets_one_line_redrawn_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(np.arange(0.0, 100.0, 0.03))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=True, width=100, color_system=None))
    drive(progress, 41)  # 1.2 seconds
    text = out.getvalue()
    drawn = text.count("Ridge: round")
    assert 8 <= drawn <= 13
    assert "\x1b[?25l" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
    assert text.rstrip().endswith("proven relative gap 2.00e-06")
    progress.close()


def test_close_gives_the_terminal_back_without_a_verdict() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=True, color_system=None))
    progress.begin({})
    progress.round(row(0), np.zeros(1))
    progress.close()
    progress.close()
    assert out.getvalue().count("\x1b[?25h") == 1


def test_a_verdict_without_rounds_or_bound() -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, force_terminal=False))
    progress.begin({})
    progress.end(
        Certificate("none", math.nan, math.inf, 1e-4, False, "nothing", math.nan, math.nan, Status.DIVERGED, "no")
    )
    assert out.getvalue() == "fit: diverged, objective nan\n"
