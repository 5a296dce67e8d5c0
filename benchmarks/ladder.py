"""From runs to results: which rung of a ladder reaches a target first.  Pure functions over records."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

TARGETS = (1e-3, 1e-6)


@dataclass
class Run:
    """One rung fitted in one process, judged by the harness.

    ``seconds`` are the timed fits, ``first`` the untimed warm-up (nan where there was none), ``relative`` the
    suboptimality of the coefficients, ``certified`` what the contestant itself claims to have proven (None: nothing).
    """

    peer: str
    variant: str
    rung: float
    seconds: list[float]
    first: float
    value: float
    relative: float
    peak: float
    first_peak: float
    certified: float | None = None
    screening: bool = False
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> float:
        """The fastest of the timed fits of this process."""
        return min(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """The time of one variant to one target: the median over processes, with the extremes."""

    peer: str
    variant: str
    rung: float
    seconds: float
    low: float
    high: float
    runs: int
    peak: float
    first: float


def reaches(run: Run, target: float, certified: bool = False) -> bool:
    """Whether a run is within the target; with ``certified``, whether it also proves so itself."""
    if not run.relative <= target:  # also where it is not a number
        return False
    return not certified or (run.certified is not None and run.certified <= target)


def pick(runs: Iterable[Run], target: float, certified: bool = False) -> float | None:
    """The rung that reaches the target in the least time in *all* its runs, None where none does.

    Where the clock is noisy the median over a rung's processes decides.
    """
    by_rung: dict[float, list[Run]] = {}
    for run in runs:
        by_rung.setdefault(run.rung, []).append(run)
    reached = {
        rung: statistics.median(run.best for run in group)
        for rung, group in by_rung.items()
        if all(reaches(run, target, certified) for run in group)
    }
    return min(reached, key=lambda rung: reached[rung]) if reached else None


def results(runs: Sequence[Run], target: float, certified: bool = False) -> list[Result]:
    """Each variant's result at one target, fastest first; screening runs count only where nothing else was run."""
    out = []
    for peer, variant in dict.fromkeys((run.peer, run.variant) for run in runs):
        mine = [run for run in runs if (run.peer, run.variant) == (peer, variant)]
        timed = [run for run in mine if not run.screening]
        pool = timed if pick(timed, target, certified) is not None else mine
        rung = pick(pool, target, certified)
        if rung is None:
            continue
        chosen = [run for run in pool if run.rung == rung]
        seconds = [run.best for run in chosen]
        out.append(
            Result(
                *(peer, variant, rung, statistics.median(seconds), min(seconds), max(seconds), len(chosen)),
                peak=max(run.peak for run in chosen),
                first=next((run.first for run in mine if math.isfinite(run.first)), math.nan),
            )
        )
    return sorted(out, key=lambda result: result.seconds)


def fastest(found: Iterable[Result], peer: str | None = None, against: str | None = None) -> Result | None:
    """The fastest result of one library, or of all but one."""
    mine = [r for r in found if (peer is None or r.peer == peer) and r.peer != against]
    return min(mine, key=lambda r: r.seconds, default=None)


def contenders(runs: Sequence[Run], within: float, always: Sequence[str]) -> list[tuple[str, str, float]]:
    """The (peer, variant, rung) worth timing again: all of the libraries ``always``'s best, others near the fastest."""
    chosen: dict[tuple[str, str, float], None] = {}
    for target in TARGETS:
        for certified in (False, True):
            found = results(runs, target, certified)
            if not found:
                continue
            limit = within * found[0].seconds
            keep = {id(fastest(found, name)) for name in always}
            for result in found:
                if result.seconds <= limit or id(result) in keep:
                    chosen[result.peer, result.variant, result.rung] = None
    return list(chosen)


def geometric_mean(ratios: Sequence[float]) -> float:
    """exp(mean(log)); nan for none."""
    return math.exp(statistics.fmean(map(math.log, ratios))) if ratios else math.nan


def false_claims(runs: Iterable[Run], best: float) -> list[Run]:
    """Runs whose claimed gap is below the true suboptimality, beyond float64 rounding of P."""
    out = []
    for run in runs:
        gap = run.said.get("gap")
        if gap is not None and run.value - best > gap * (1 + 1e-9) + 1e-12 * abs(best):
            out.append(run)
    return out
