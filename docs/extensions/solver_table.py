"""The directives ``solver-table`` and ``automatic-choice``: tables made by asking the solvers themselves."""

import math
import re
from typing import Any, NamedTuple

import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from scipy.sparse import csr_array
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from steepest.data.source import as_source
from steepest.exceptions import IncompatibleError
from steepest.losses import VECTOR_LOSSES, get_loss, scalar_loss
from steepest.penalties import get_constraint, get_penalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem
from steepest.solvers.auto import SOLVERS, choose


@scalar_loss(name="docs_uncurved")
class Uncurved(NamedTuple):
    """log cosh without its curvature."""

    convex = True
    smoothness = 1.0

    def value(self, z: float, y: float) -> float:
        return math.log(math.cosh(z - y))

    def slope(self, z: float, y: float) -> float:
        return math.tanh(z - y)


def problem(
    loss: str, penalty: str, n: int = 40, d: int = 5, classes: int = 3, intercept: bool = True, sparse: bool = False
) -> Any:
    """A problem of that kind and shape; ``penalty`` may name a set for the weights after a comma."""
    penalty, _, held = penalty.partition(", ")
    constraint = get_constraint(held or None)
    X: Any = np.random.default_rng(0).standard_normal((n, d))
    X = csr_array(X) if sparse else X
    value, p = get_loss(loss), np.full(n, 1.0 / n)
    strength = get_penalty(penalty, 0.01)
    if loss in VECTOR_LOSSES:
        return MulticlassProblem(
            as_source(X), np.arange(n) % classes, p, value, strength, intercept, classes, constraint
        )
    y = np.where(np.arange(n) % 2, 1.0, -1.0)
    y = np.abs(y) if loss == "poisson" else y
    return LinearProblem(as_source(X), y, p, value, strength, intercept, constraint)


#: Kinds of problems: heading, loss, penalty.
KINDS = (
    ("squared, l2", "squared", "l2"),
    ("smooth, l2", "logistic", "l2"),
    ("no curvature", "docs_uncurved", "l2"),
    ("kinks", "hinge", "l2"),
    ("squared hinge, l2", "squared_hinge", "l2"),
    ("l1", "logistic", "l1"),
    ("softmax, l2", "softmax", "l2"),
    ("softmax, l1", "softmax", "l1"),
    ("classes with kinks", "crammer_singer", "l2"),
    ("w >= 0", "logistic", "l2, nonnegative"),
    ("L1 ball", "logistic", "l2, l1_ball"),
)


def chosen(name: str, loss: str, penalty: str) -> tuple[Any, str]:
    """The solver for a problem of that kind, and on what terms: "yes", "no intercept" ..., or None and a dash."""
    for intercept, sparse, words in ((True, False, "yes"), (False, False, "no intercept"), (True, True, "sparse")):
        try:
            return choose(problem(loss, penalty, intercept=intercept, sparse=sparse), name).solver, words
        except IncompatibleError:
            continue
    return None, "–"


def summary(name: str) -> str:
    """The first sentence of what the solver says about itself."""
    for _, loss, penalty in KINDS:
        solver, _ = chosen(name, loss, penalty)
        if solver is None:
            continue
        speaker = getattr(solver, "direction", solver)
        text = " ".join((type(speaker).__doc__ or "").split("\n\n")[0].split())
        text = re.sub(r" \([A-Z]\d+(, [A-Z]\d+)*\)", "", re.split(r"(?<=[^.]\.)\s", text)[0])  # ids of methods
        return re.sub(r"(?<!`)`(?!`)([^`]+)`", r"\1", text)
    raise LookupError(f"no kind of problem suits the solver {name!r}")


def list_table(rows: list[list[str]], widths: str) -> list[str]:
    lines = [".. list-table::", "    :header-rows: 1", f"    :widths: {widths}", ""]
    for row in rows:
        lines += [("      - " if number else "    * - ") + cell for number, cell in enumerate(row)]
    return lines


class Table(SphinxDirective):
    """A table whose rows are made when the page is read."""

    def rows(self) -> tuple[list[list[str]], str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # what the page says depends on more than its own text
        rows, widths = self.rows()
        node = nodes.container()
        self.state.nested_parse(StringList(list_table(rows, widths), source="solvers"), self.content_offset, node)
        return node.children


class SolverTable(Table):
    """Every solver, what it is, and the kinds of problems that it takes."""

    def rows(self) -> tuple[list[list[str]], str]:
        rows = [["solver", "what it does", *(kind for kind, _, _ in KINDS)]]
        for name in SOLVERS:
            marks = [chosen(name, loss, penalty)[1] for _, loss, penalty in KINDS]
            rows.append([f"``{name}``", summary(name), *marks])
        return rows, " ".join(["20", "36", *["8"] * len(KINDS)])


class AutomaticChoice(Table):
    """What ``solver="auto"`` takes for some problems, and the reason that the record gives."""

    CASES = (
        ("squared", "l2", 2000, 50),
        ("squared", "none", 30, 100),
        ("squared", "l1", 500, 100),
        ("logistic", "l2", 500, 30),
        ("logistic", "l2", 4000, 1000),
        ("logistic", "l2", 200, 6000),
        ("logistic", "l2", 6000, 4000),
        ("logistic", "l1", 500, 100),
        ("hinge", "l2", 500, 30),
        ("quantile", "l2", 500, 30),
        ("poisson", "l2", 500, 30),
        ("sigmoid", "l2", 500, 30),
        ("softmax", "l2", 150, 4),
        ("softmax", "l2", 2000, 300),
        ("softmax", "l1", 500, 50),
        ("squared", "none, nonnegative", 500, 30),
        ("logistic", "l2, simplex", 500, 30),
    )

    def rows(self) -> tuple[list[list[str]], str]:
        rows = [["loss", "penalty", "rows x features", "solver", "why"]]
        for loss, penalty, n, d in self.CASES:
            plan = choose(problem(loss, penalty, n, d))
            rows.append([loss, penalty, f"{n} x {d}", f"``{plan.name}``", plan.why])
        return rows, "10 9 13 22 46"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("solver-table", SolverTable)
    app.add_directive("automatic-choice", AutomaticChoice)
    return {"version": "1", "parallel_read_safe": True}
