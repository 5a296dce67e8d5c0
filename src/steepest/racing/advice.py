"""The sentence at the end of a race: which solver to use, and why, in numbers.

Of the runs that succeeded the fastest is recommended.  "auto" is preferred to a solver that is hardly faster than it:
the difference is within what a second race would change, and on other data "auto" would choose again; and to the
solver that it chose, which is the same one.  Where nothing
succeeded, the run that came lowest is named, and what would be needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from steepest.protocols import Status
from steepest.report.words import number, seconds

if TYPE_CHECKING:
    from steepest.racing.result import Race, Run

CLOSE = 1.2  # times within this factor are equal, for this purpose
SMALL = 0.01  # and so are times that differ by less than so many seconds
BASIN = 1e-6  # of the decrease: minima of a function whose values differ by more are different minima

_ENDS = {
    Status.BUDGET: "when its budget ended",
    Status.STALLED: "where it stalled",
    Status.DIVERGED: "where it diverged",
    Status.INTERRUPTED: "when it was interrupted",
}


def advise(race: Race) -> tuple[Run, str]:
    """The run to recommend, and the sentence."""
    won = [run for run in race.runs if run.success]
    if race.kind == "function":
        least = min((run.objective for run in won), default=math.nan)
        won = [run for run in won if run.objective - least <= BASIN * race.scale]
    if not won:
        return _nothing(race)
    ranked = sorted(won, key=lambda run: run.seconds)
    best = ranked[0]
    auto = next((run for run in ranked if run.name == "auto"), None)
    if auto is not None and (auto.seconds <= max(CLOSE * best.seconds, best.seconds + SMALL) or _same(auto, best)):
        best = auto
    parts = [f"Use {_called(best)}: {_reached(race, best)} in {seconds(best.seconds)} and {_cost(race, best)}"]
    others = [run for run in ranked if run is not best and not _same(run, best)]
    if others:
        second = others[0]
        ratio = second.seconds / max(best.seconds, 1e-9)
        words = f"took {ratio:,.1f} times as long" if ratio > CLOSE else "took about as long"
        parts.append(f"the next, {_called(second)}, {words}")
    parts += _losers(race, [run for run in race.runs if run not in won])
    return best, "; ".join(parts) + "."


def _nothing(race: Race) -> tuple[Run, str]:
    ill = next((run for run in race.runs if run.status is Status.ILL_POSED), None)
    if ill is not None:
        return ill, f"Use none of them: {ill.certificate.reason.rstrip('.')}."
    finite = [run for run in race.runs if math.isfinite(run.objective)]
    best = min(finite, key=lambda run: (race.gap(run), run.seconds), default=race.runs[0])
    what = f"certified to {race.tol:g}" if race.kind == "data" else "found to be at a minimum"
    text = f"No solver was {what}. Nearest came {_called(best)}"
    if not math.isfinite(best.objective):
        return best, f"{text}, whose objective is not finite: {best.certificate.reason.rstrip('.')}."
    text += f": objective {number(best.objective)}"
    if math.isfinite(race.lower):
        text += f", at most {race.relative_gap(best):.0e} above the optimum"
    text += f" after {seconds(best.seconds)} and {_cost(race, best)} ({best.status})"
    more = {
        Status.BUDGET: "use it with a larger max_time or max_iter, or ask for a larger tol",
        Status.STALLED: "use it if that is near enough: rounding, or the method itself, stopped it",
    }
    return best, f"{text}; {more.get(best.status, 'look at its certificate for the reason')}."


def _called(run: Run) -> str:
    own = run.name.startswith(run.solver)
    return f"'{run.name}'" if own else f"'{run.name}' ({run.solver})"


def _same(run: Run, other: Run) -> bool:
    """Whether two runs are one solver by two names: "auto", and what it chose."""
    return "auto" in (run.name, other.name) and run.solver == other.solver and not (run.options or other.options)


def _reached(race: Race, run: Run) -> str:
    if race.kind == "function":
        return f"a minimum, {number(run.objective)},"
    return f"certified to {race.tol:g}"


def _cost(race: Race, run: Run) -> str:
    what = "pass" if race.kind == "data" else "call"
    if run.passes == 1.0:
        return f"1 {what}"
    size = f"{run.passes:,.4g}" if run.passes < 1000.0 else f"{run.passes:,.0f}"
    return f"{size} {what}{'es' if what == 'pass' else 's'}"


def _losers(race: Race, runs: Sequence[Run]) -> list[str]:
    """The ones that did not succeed: the nearest by its number, the rest counted."""
    if not runs:
        return []
    finite = [run for run in runs if math.isfinite(run.objective)]
    if not finite:
        names = ", ".join(_called(run) for run in runs[:3])
        return [f"{names} diverged"]
    nearest = min(finite, key=race.gap)
    mark = "the bound" if race.kind == "data" else "the least value"
    where = f"{race.relative_gap(nearest):.0e} above {mark} {_ENDS.get(nearest.status, f'({nearest.status})')}"
    if race.kind == "function" and nearest.success:
        where = f"found another, higher minimum, {number(nearest.objective)}"
        return [f"{_called(nearest)} {where}"]
    if len(runs) == 1:
        return [f"{_called(nearest)} was {where}"]
    return (
        [f"{len(runs)} others were not certified, the nearest, {_called(nearest)}, {where}"]
        if (race.kind == "data")
        else [f"{len(runs)} others ended elsewhere, the nearest, {_called(nearest)}, {where}"]
    )
