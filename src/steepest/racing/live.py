"""The table of a race while it runs: one line a solver, redrawn in place on a terminal; plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from steepest.racing.result import cost
from steepest.report.words import seconds

if TYPE_CHECKING:
    from steepest.racing.result import Run
    from steepest.racing.tracks import Entrant, Track

REDRAW = 0.1  # seconds between two pictures
_STYLES = {"certified": "green", "minimum": "green", "running": "bold", "waiting": "dim", "not run": "dim"}


class Live:
    """Shows a race with rich, on standard error.

    Parameters
    ----------
    track : Track
    entrants : sequence of Entrant
    max_time : float or None
        The budget of each.
    console : rich.console.Console, optional
    """

    def __init__(self, track: Track, entrants: Sequence[Entrant], max_time: float | None, console: Any = None) -> None:
        self.track, self.console = track, console
        self.budget = "" if max_time is None else f", at most {seconds(max_time)} each"
        self.lines: dict[str, tuple[str, ...]] = {
            entrant.name: (entrant.name, "", "", "", "", "waiting") for entrant in entrants
        }
        self.unit = "passes" if track.kind == "data" else "calls"
        self.now = ""
        self._live: Any = None
        self._last = -math.inf

    def open(self) -> None:
        """Begins the picture, or says what is run."""
        from rich.console import Console

        if self.console is None:
            self.console = Console(stderr=True, highlight=False)
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            from rich.live import Live as RichLive

            self._live = RichLive(self._table(), console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        else:
            self._say(f"race: {len(self.lines)} solvers on {self.track.where}{self.budget}")

    def start(self, name: str) -> None:
        """The next solver."""
        self.now = name
        self._set(name, (name, "", "", "", "", "running"), force=True)

    def round(self, row: dict[str, float]) -> None:
        """A round of the solver that runs."""
        if time.monotonic() - self._last >= REDRAW:
            self._set(self.now, (self.now, *_numbers(row), "running"))

    def done(self, run: Run) -> None:
        """The last line of a solver."""
        row = {"passes": run.passes, "seconds": run.seconds, "objective": run.objective}
        status = "minimum" if self.track.kind == "function" and run.success else str(run.status).replace("_", " ")
        proven = run.certificate.relative if run.certificate.bounds == "suboptimality" else math.nan
        line = (run.name, *_numbers({**row, "relative_gap": proven}), status)
        self._set(run.name, line, force=True)
        if self._live is None and len(run.times) == 1:  # not again for every repetition
            passes, spent, objective, gap = line[1:5]
            words = f", proven gap {gap}" if gap else ""
            self._say(f"  {run.name}: {status} in {spent}, {passes} {self.unit}, objective {objective}{words}")

    def skip(self, name: str, why: str) -> None:
        """A solver that does not fit leaves the picture."""
        self.lines.pop(name, None)
        if self._live is None:
            self._say(f"  {name}: not run: {why}")

    def close(self) -> None:
        """Gives the terminal back; harmless when called twice."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _set(self, name: str, line: tuple[str, ...], force: bool = False) -> None:
        self.lines[name] = line
        if self._live is not None and (force or time.monotonic() - self._last >= REDRAW):
            self._last = time.monotonic()
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(f"race on {self.track.where}{self.budget}"), title_justify="left", box=None)
        for name in ("solver", self.unit, "seconds", "objective", "gap", "status"):
            table.add_column(name, justify="left" if name in ("solver", "status") else "right", no_wrap=True)
        for line in self.lines.values():
            table.add_row(*map(Text, line), style=_STYLES.get(line[-1], ""))
        return table

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _numbers(row: dict[str, float]) -> tuple[str, str, str, str]:
    gap = row.get("relative_gap", math.nan)
    value = row["objective"]
    return (
        cost(row["passes"]),
        seconds(max(row["seconds"], 0.0)),
        f"{value:.8g}",
        f"{gap:.1e}" if math.isfinite(gap) else "",
    )
