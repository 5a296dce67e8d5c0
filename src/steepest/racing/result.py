"""What came of a race: one `Run` a solver, and a `Race` of all of them measured by one proven lower bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.certify.bounds import relative_to
from steepest.protocols import Certificate, FloatArray, Status
from steepest.racing.advice import advise
from steepest.record.history import History
from steepest.record.record import plain
from steepest.report.words import number
from steepest.report.words import seconds as duration

if TYPE_CHECKING:
    from steepest.report.display_race import RaceDisplay

COLUMNS = ("name", "solver", "status", "seconds", "passes", "iterations", "objective", "gap", "relative_gap")


@dataclass(frozen=True, slots=True)
class Run:
    """One solver in a race.

    Attributes
    ----------
    name : str
        As in the table; options, where some were given, are part of it.
    solver : str
        The solver itself: what "auto" chose.
    options : dict
    success : bool
        Of data: certified to tol.  Of a function: a minimum to second order.
    certificate : Certificate
        What the run proved by itself.
    seconds, compile_seconds : float
        Without and for compiling; of several repetitions, the fastest.
    passes : float
        Passes over the data, those of the certificate included; of a function, calls of it and of its derivatives.
    iterations : int
    history : History
        ``history["seconds"]`` without compiling.
    result : fitted estimator or Minimum
    times : tuple of float
        Seconds of every repetition.
    """

    name: str
    solver: str
    options: dict[str, Any]
    success: bool
    certificate: Certificate
    seconds: float
    compile_seconds: float
    passes: float
    iterations: int
    history: History = field(repr=False)
    result: Any = field(repr=False)
    times: tuple[float, ...] = ()

    @property
    def status(self) -> Status:
        """How the run ended."""
        return self.certificate.status

    @property
    def objective(self) -> float:
        """P at the parameters that the run returned, in float64 on all the data."""
        return self.certificate.primal


@dataclass(slots=True)
class Race:
    """Solvers on one problem; ``print`` shows them as a table, ranked.

    The optimum is not known, but it lies between two numbers: ``lower``, the largest lower bound that any run proved,
    and ``upper``, the least objective that any run reached.  Every run is measured from ``lower``, so a solver that can
    prove little by itself gets the bound of one that can, and no gap in the table is smaller than the true one.

    Attributes
    ----------
    kind : {"data", "function"}
    objective : str
        The function that was minimised, as a formula.
    where : str
        The data, or the start, in words.
    tol, max_time : float
    runs : list of Run
        In the order in which they ran.
    skipped : dict of str to str
        Solvers that did not run, and why.
    seconds, compile_seconds : float
        The whole race, and the part of it spent compiling.
    interrupted : bool
        Whether Ctrl-C ended it; what was finished is here.
    known : float
        The least value where it is known beforehand, as of a `steepest.functions.TestFunction`; nan else.
    """

    kind: str
    objective: str
    where: str
    tol: float
    max_time: float | None
    runs: list[Run]
    skipped: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    compile_seconds: float = 0.0
    interrupted: bool = False
    known: float = math.nan

    # ------------------------------------------------------------------------------------------ the bounds

    @property
    def upper(self) -> float:
        """The least objective that a run returned."""
        return min((run.objective for run in self.runs if math.isfinite(run.objective)), default=math.nan)

    @property
    def lower(self) -> float:
        """The largest proven lower bound of the optimum (the known least value, of a test function); nan without."""
        if math.isfinite(self.known):
            return self.known
        proofs = [run.certificate for run in self.runs if run.certificate.bounds == "suboptimality"]
        proven = [proof.dual for proof in proofs if math.isfinite(proof.dual)]
        return min(max(proven), self.upper) if proven else math.nan  # above it by rounding alone

    @property
    def bound(self) -> str:
        """Where ``lower`` comes from, in words."""
        if math.isfinite(self.known):
            return "the known least value"
        if not math.isfinite(self.lower):
            return "the least value that any run saw: no lower bound is proven"
        names = [run.name for run in self.runs if run.certificate.dual >= self.lower]
        return f"the lower bound that '{names[0]}' proved"

    @property
    def reference(self) -> float:
        """What suboptimality is counted from: ``lower``, or else the least value that any run saw."""
        if math.isfinite(self.lower):
            return self.lower
        seen = [run.history["objective"] for run in self.runs]
        every = np.concatenate([*seen, [run.objective for run in self.runs]])
        finite = every[np.isfinite(every)]
        return float(finite.min()) if finite.size else math.nan

    @property
    def scale(self) -> float:
        """What relative gaps are shares of: the optimum; of a function, the decrease from its start."""
        reference = self.reference
        if self.kind == "function":
            first = [float(run.history["objective"][0]) for run in self.runs if len(run.history)]
            drop = max((value - reference for value in first if math.isfinite(value)), default=0.0)
            return drop if drop > 0.0 else max(abs(reference), 1.0)
        return 1.0 / relative_to(1.0, reference, self.upper, 0.0)

    def suboptimality(self, run: Run) -> FloatArray:
        """Objective above ``reference``, as a share of ``scale``, one number a round; at least 0 but for rounding."""
        found: FloatArray = (run.history["objective"] - self.reference) / self.scale
        return found

    def gap(self, run: Run) -> float:
        """How far at most the result of a run is above the optimum."""
        return max(run.objective - self.reference, 0.0)

    def relative_gap(self, run: Run) -> float:
        """The gap as a share of ``scale``."""
        return self.gap(run) / self.scale

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """Solvers that did not run, with commas between those of one reason, and the reason."""
        every = dict.fromkeys(self.skipped.values())
        return [(", ".join(name for name, why in self.skipped.items() if why == one), one) for one in every]

    def ended(self, run: Run) -> str:
        """How a run ended, in a word or two: its status, but of a function "minimum" where one was found."""
        found = self.kind == "function" and run.success
        return "minimum" if found else str(run.status).replace("_", " ")

    # ---------------------------------------------------------------------------------------- what it says

    @property
    def best(self) -> Run:
        """The run that `advice` recommends."""
        return advise(self)[0]

    @property
    def advice(self) -> str:
        """Which solver to use, and why, with numbers."""
        return advise(self)[1]

    @property
    def ranking(self) -> list[Run]:
        """The runs that succeeded, the fastest first, then the others, the nearest first."""
        won = sorted((run for run in self.runs if run.success), key=lambda run: run.seconds)
        rest = [run for run in self.runs if not run.success]
        return won + sorted(rest, key=lambda run: self.gap(run) if math.isfinite(run.objective) else math.inf)

    @property
    def table(self) -> list[dict[str, Any]]:
        """The ranking as plain dicts, with the keys of `COLUMNS`."""
        rows = []
        for run in self.ranking:
            own = {name: getattr(run, name) for name in COLUMNS[:-2]}
            rows.append(
                {**own, "status": str(run.status), "gap": self.gap(run), "relative_gap": self.relative_gap(run)}
            )
        return rows

    def to_frame(self) -> Any:
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.table, columns=list(COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the models, as plain values for JSON: what is not finite is None."""
        rows = self.table
        for row, run in zip(rows, self.ranking, strict=True):
            row.update(
                options={name: repr(value) for name, value in run.options.items()},
                success=run.success,
                compile_seconds=run.compile_seconds,
                times=list(run.times),
                certificate=run.certificate.to_dict(),
                history=run.history.to_dict(),
            )
        names = (
            "kind",
            "objective",
            "where",
            "tol",
            "max_time",
            "seconds",
            "compile_seconds",
            "interrupted",
            "skipped",
        )
        more = {"best": self.best.name, "advice": self.advice, "lower": self.lower, "upper": self.upper}
        found = {name: getattr(self, name) for name in names} | more | {"bound": self.bound, "runs": rows}
        return plain(found)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        head = ("solver", "status", "seconds", "passes" if self.kind == "data" else "calls", "objective", "gap")
        lines = [
            (shown(run), self.ended(run), duration(run.seconds), cost(run.passes), number(run.objective),
             f"{self.relative_gap(run):.1e}")
            for run in self.ranking
        ]  # fmt: skip
        widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
        text = []
        for line in [head, *lines]:
            left = "  ".join(cell.ljust(width) for cell, width in zip(line[:2], widths, strict=False))
            right = "  ".join(cell.rjust(width) for cell, width in zip(line[2:], widths[2:], strict=True))
            text.append(f"{left}  {right}")
        text += [f"{names}: not run: {why}" for names, why in self.reasons]
        text.append(f"gap: relative, above {self.bound} ({number(self.reference)})")
        if self.interrupted:
            text.append("interrupted: the runs above are those that had begun")
        return "\n".join([*text, self.advice])

    def plot(self, **keywords: Any) -> RaceDisplay:
        """Curves of all runs; see `RaceDisplay.from_race`."""
        from steepest.report.display_race import RaceDisplay

        return RaceDisplay.from_race(self, **keywords)

    def save_html(self, path: str | Path, *, title: str | None = None) -> None:
        """Write one self-contained HTML page: sentence, curves, table and circumstances; whole or not at all."""
        from steepest.atomic import write_text
        from steepest.racing.page import render

        write_text(Path(path), render(self, title=title))


def shown(run: Run) -> str:
    """The name of a run, and in brackets the solver that it stands for.

    >>> from types import SimpleNamespace
    >>> shown(SimpleNamespace(name="auto", solver="lbfgs"))
    'auto (lbfgs)'
    """
    return run.name if run.name.startswith(run.solver) else f"{run.name} ({run.solver})"


def cost(passes: float) -> str:
    """Passes or calls for reading.

    >>> cost(17.0), cost(62.5), cost(13471.0)
    ('17', '62.5', '13,471')
    """
    return f"{passes:,.4g}" if passes < 1000.0 else f"{passes:,.0f}"
