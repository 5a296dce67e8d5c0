"""Live progress of a fit: objective and proven gap, one line.

In a terminal the line is redrawn in place, at most ten times a second.  In a pipe or a file plain lines come
at most once a second, without control characters.  A last line says how the fit ended.
"""

from __future__ import annotations

import math
import time
from typing import Any

from steepest.protocols import Certificate, FloatArray

REDRAW = 0.1  # seconds between two pictures in a terminal
PRINT = 1.0  # seconds between two lines in a pipe


class Progress:
    """An observer that shows rounds with rich.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to draw; default standard error.
    title : str
        What stands before the numbers.

    Notes
    -----
    rich is imported when the first fit begins, so a silent fit never loads it.
    """

    def __init__(self, console: Any = None, title: str = "fit") -> None:
        self.console = console
        self.title = title
        self._live: Any = None
        self._last = -math.inf
        self._row: dict[str, float] = {}
        self._round, self._value = "round", "objective"  # how a round and what it measures are called

    def begin(self, info: dict[str, Any]) -> None:
        """Opens the line."""
        from rich.console import Console

        if self.console is None:
            self.console = Console(stderr=True, highlight=False)
        self.title = str(info.get("title", self.title))
        self._round, self._value = str(info.get("round", "round")), str(info.get("value", "objective"))
        self._last, self._row = -math.inf, {}
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()

    def round(self, row: dict[str, float], w: FloatArray) -> None:
        """Draws, where the last picture is old enough."""
        # a round that was not measured says where it is; what was measured last stands beside it
        self._row = row = {**self._row, **{name: v for name, v in row.items() if name not in self._row or v == v}}
        now = time.monotonic()
        if now - self._last < (REDRAW if self._live is not None else PRINT):
            return
        self._last = now
        if self._live is not None:
            self._live.update(self._text(row), refresh=True)
        else:
            self._print(self._line(row))

    def end(self, certificate: Certificate) -> None:
        """The verdict, as the last line."""
        self.close()
        gap = f", proven relative gap {certificate.relative:.2e}" if certificate.bounds == "suboptimality" else ""
        seconds = f" after {self._row['seconds']:.2f} s" if self._row else ""
        of = f" of {certificate.evidence['sample']}" if "sample" in certificate.evidence else ""
        self._print(f"{self.title}: {certificate.status}{seconds}, objective {certificate.primal:.8g}{of}{gap}")

    def close(self) -> None:
        """Gives the terminal back; harmless when called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, row: dict[str, float]) -> str:
        shown = (
            ("objective", self._value, ".8g"),
            ("relative_gap", "gap", ".2e"),
            ("validation_loss", "validation loss", ".6g"),
            ("validation_score", "validation score", ".6g"),
            ("gradient_norm", "gradient", ".2e"),
        )
        numbers = "".join(
            f"  {text} {row[name]:{form}}" for name, text, form in shown if math.isfinite(row.get(name, math.nan))
        )
        passes = f"  passes {row['passes']:.1f}" if self._round != "epoch" else ""
        return f"{self.title}: {self._round} {row['iteration']:.0f}{numbers}{passes}  {row['seconds']:.1f} s"

    def _text(self, row: dict[str, float]) -> Any:
        from rich.text import Text

        return Text(self._line(row), overflow="ellipsis", no_wrap=True)

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
