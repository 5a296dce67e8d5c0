"""Networks by methods on all rows: L-BFGS, Newton's method by conjugate gradients, and in a trust region.

These are the solvers of every smooth function (`steepest.solvers.batch`, `steepest.solvers.trust`).  What networks need
beside them is an end that people know from elsewhere, no entry of the gradient above tol, and a way off saddles, where
all gradients vanish: networks have one wherever all weights are zero.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.certify.network import FEWEST, WORK, look_network, product_work
from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.protocols import Evaluation, FloatArray, Round, Traits

NAMES = ("lbfgs", "newton_cg", "newton")
NEWTON_LARGEST = 500  # parameters up to which "newton" forms their Hessian
LEAVES = 20  # saddles left in one run
_LOOK = FEWEST + 5.0  # products with the Hessian in a look, or a fourth of the passes so far
_SADDLE = 1e-4  # of the objective: what a step off a saddle must promise


@dataclass(slots=True)
class NetworkState:
    """The inner solver's state, and the saddles that were left."""

    problem: Any
    inner: Any
    before: float  # passes until here
    leaves: int = 0


class NetworkDescent:
    """Runs a solver until no entry of the gradient is above ``tol``, and off the saddles that it meets.

    Parameters
    ----------
    solver : Solver
    tol : float or None
        None: the run ends where the solver cannot move.
    steer : bool
        Whether saddles are left, along the smallest curvature.  A look costs about 25 products with the Hessian
        where the solver ends, and is taken where that is a fraction of a second.
    most : float
        Passes over the rows after which it ends.

    Attributes
    ----------
    rested, spent : bool
        Whether the run ended because no entry of the gradient was above tol, or because of ``most``.
    """

    def __init__(self, solver: Any, tol: float | None, steer: bool = True, most: float = math.inf) -> None:
        self.solver, self.tol, self.steer, self.most = solver, tol, steer, most
        self.name, self.patience = solver.name, solver.patience
        self.rested = self.spent = False

    @property
    def notes(self) -> list[str]:
        """Those of the solver."""
        return list(getattr(self.solver, "notes", []))

    def missing(self, traits: Traits) -> str | None:
        """What the solver needs and the problem lacks."""
        return self.solver.missing(traits)  # type: ignore[no-any-return]

    def start(self, problem: Any, w: FloatArray) -> NetworkState:
        """Nothing is computed yet."""
        return NetworkState(problem, self.solver.start(problem, w), float(problem.passes))

    def advance(self, state: NetworkState) -> Round:
        """One round of the solver, or one step off a saddle."""
        done: Round = self.solver.advance(state.inner)
        at = done.at
        if at is None or not math.isfinite(at.value):
            return done
        slope = float(np.abs(at.gradient).max(initial=0.0))
        rests = self.tol is not None and slope <= self.tol
        if state.problem.passes - state.before >= self.most and not rests:
            self.spent = True
            return done._replace(exhausted=True, note=f"{self.most:g} passes over the rows were made")
        if not rests and not done.exhausted:
            return done
        left = self._left(state, at)
        if left is not None:
            return left
        self.rested = rests
        note = f"the largest entry of the gradient is {slope:.2g}, not above tol={self.tol:g}" if rests else done.note
        return done._replace(exhausted=True, note=note)

    def _left(self, state: NetworkState, at: Evaluation) -> Round | None:
        """A step off a saddle; None where there is none, or nobody looked."""
        if not self.steer or state.leaves >= LEAVES or not state.problem.traits.smooth:
            return None
        products = max(_LOOK, 0.25 * (state.problem.passes - state.before))
        seen = look_network(state.problem, at, _SADDLE, min(0.1 * WORK, products * product_work(state.problem)))
        if seen is None or seen.verdict != "saddle":
            return None
        from steepest.solvers.settling import leave

        found = leave(state.problem, at, seen.direction)
        if found is None:
            return None
        new, t = found
        if not at.value - new.value > 1e-3 * seen.allowed:
            return None
        state.leaves += 1
        reset = getattr(getattr(self.solver, "direction", None), "reset", None)
        if reset is not None:
            reset()
        state.inner = getattr(self.solver, "start_here", self.solver.start)(state.problem, new.w)
        return Round(new, t, f"left a saddle along curvature {seen.smallest:.3g}")


def network_solver(
    name: str,
    problem: Any,
    *,
    tol: float | None = 1e-4,
    steer: bool = True,
    most: float = math.inf,
    **options: Any,
) -> NetworkDescent:
    """The solver of that name for a `steepest.problems.network.NetworkProblem`.

    Parameters
    ----------
    name : {"lbfgs", "newton_cg", "newton"}
        "newton" has a trust region and forms the Hessian: for some hundreds of parameters.
    problem : NetworkProblem
    tol : float or None
        The run ends where no entry of the gradient is above it.
    steer : bool
        Whether saddles are left.
    most : float
        Passes over the rows, after which it ends.
    **options
        Of the method, such as ``memory`` of "lbfgs" or ``max_products`` of "newton_cg".

    Raises
    ------
    IncompatibleError
        For layers with batch normalisation or dropout, whose training function changes from batch to batch; for a loss
        with kinks; for a network too large for "newton".
    """
    from steepest.solvers.catalogue import make  # many modules, which a network trained by epochs does without
    from steepest.solvers.trust import NewtonModel, TrustRegion

    key = name.replace("-", "_") if isinstance(name, str) else name
    if key not in NAMES:
        raise InvalidParameterError(f"solver: expected one of {list(NAMES)} for all rows at once, got {name!r}.")
    number = isinstance(tol, int | float | np.number) and not isinstance(tol, bool)
    if tol is not None and not (number and 0.0 <= tol < math.inf):
        raise InvalidParameterError(f"tol: expected a number >= 0 or None, got {tol!r}. Leave it out for 1e-4.")
    for k, layer in enumerate(problem.stack.layers):
        which = "batch_norm" if layer.batch_norm else "dropout" if layer.dropout else ""
        if which:
            raise IncompatibleError(
                f"solver: '{name}' follows one function of the weights, but {which} of layer {k} makes another of "
                f"every batch. Use solver='adam', or leave {which} out."
            )
    if problem.objective.kinks:
        raise IncompatibleError(
            f"solver: '{name}' needs losses whose slope does not jump, as that of '{problem.objective.kinks[0]}' does. "
            "Use solver='adam'."
        )
    if key != "lbfgs" and not problem.traits.has_curvature:
        raise IncompatibleError(
            f"solver: '{name}' needs second derivatives, which '{problem.objective.name}' does not state. "
            "Use solver='lbfgs'."
        )
    if key == "newton":
        if problem.size > NEWTON_LARGEST:
            raise IncompatibleError(
                f"solver: 'newton' forms the Hessian of {problem.size} parameters; the most is {NEWTON_LARGEST}. "
                "Use solver='newton_cg'."
            )
        if options:
            raise InvalidParameterError(f"solver options: 'newton' takes none, got {sorted(options)}. Leave them out.")
        inner: Any = TrustRegion("newton", NewtonModel())
    else:
        inner = make("newton-cg" if key == "newton_cg" else key, problem, **options)
    return NetworkDescent(inner, None if tol is None else float(tol), steer, most)
