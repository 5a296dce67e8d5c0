"""`certify`: what is proven about parameters, recomputed from them alone.

No solver is asked and none is imported.  The problem is evaluated afresh in float64 on all the data; the bound is
the best of those that the problem allows:

==============================================  ==================================  ===========================
problem                                         bound                               cost beside one evaluation
==============================================  ==================================  ===========================
convex loss, l2 > 0                             duality gap, in closed form         O(n); half a pass where the
                                                                                    intercept is not at its best
convex loss with conjugate, l1 > 0              duality gap at scaled slopes        the same
convex loss without conjugate, l2 > 0           strong convexity, the same number   the same
convex, self-concordant, no or a tiny penalty   second derivatives, local           one Hessian
convex with conjugate, no or a tiny penalty     duality gap after a Newton step     one Hessian, two passes
convex with conjugate, fitted exactly           duality gap at u = 0                O(n)
weights held in a set, convex                   duality gap of the penalty on that  the same; one Hessian
                                                set                                 where no end and no penalty
                                                                                    bounds a weight
smooth, not convex                              none: a second-order verdict        a Hessian or Lanczos steps
==============================================  ==================================  ===========================

Only a proven suboptimality of at most tol passes.  A non-convex loss, an unpenalised loss without curvature, and
data without a minimiser never pass, however small the gradient is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.certify.bounds import FLOOR, relative_to
from steepest.certify.columns import culprit
from steepest.certify.consistency import contradiction
from steepest.certify.gap import Gap, duality_gap, gap_at_zero, has_dual
from steepest.certify.held import bounded
from steepest.certify.proposal import gap_of_proposal, scored
from steepest.certify.second_order import WORK, applies, concordant, factor, local_bound, newton_dual, stationarity
from steepest.certify.separability import Direction, quasi_separating, separating
from steepest.certify.verdict import certificate_of, joined, missed
from steepest.certify.words import hidden, measured
from steepest.exceptions import InvalidParameterError
from steepest.protocols import Bound, Certificate, CertificateKind, Evaluation, FloatArray, Status

_LOOSE = 1e3  # times tol: a gap that more rounds will close
_OUTSIDE = 1e-12  # of a constraint: what rounding may leave
_CHEAP = 5e7  # multiply-adds of a Hessian beside a gap that missed, while the solver can still go on


def certify(
    problem: Any,
    w: FloatArray,
    *,
    tol: float,
    status: Status = Status.CERTIFIED,
    reason: str = "",
    null_value: float = 0.0,
    fallbacks: tuple[str, ...] = (),
    dual: Any = None,
    deep: bool = True,
) -> Certificate:
    """The certificate of parameters ``w``.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
        In the user's parameters (not a reparametrised problem).
    w : array of shape (problem.size,)
    tol : float
        Relative suboptimality to be proven.
    status, reason : Status, str
        How the run ended.  Where the certificate does not pass, an early end (budget, stalled, interrupted,
        diverged) is kept; "certified" becomes "approximate".
    null_value : float
        The objective at zero parameters: the scale of the floor of relative bounds.
    fallbacks : tuple of str
        What had to be done differently on the way; handed through.
    dual : array of shape (n,) or (n, k), optional
        A dual point that a solver proposes, in the units of slopes.  It is made feasible and verified.  Where the
        problem is penalised it is tried first; if it misses tol, the better bound is kept.
    deep : bool
        False leaves out what costs more than a pass or two: Hessians, Lanczos, the linear program.

    Returns
    -------
    Certificate

    Examples
    --------
    >>> import numpy as np
    >>> from steepest.data.source import as_source
    >>> from steepest.losses import Squared
    >>> from steepest.penalties import L2
    >>> from steepest.problems.linear import LinearProblem
    >>> X, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    >>> problem = LinearProblem(as_source(X), y, np.full(2, 0.5), Squared(), L2(0.5), fit_intercept=False)
    >>> certify(problem, np.array([5.0 / 6.0]), tol=1e-9, null_value=1.25).passed
    True
    >>> wrong = certify(problem, np.array([0.8]), tol=1e-9, null_value=1.25)
    >>> wrong.status.value, round(wrong.value, 9)
    ('approximate', 0.001666667)
    """
    w = np.ascontiguousarray(w, dtype=np.float64)
    if w.shape != (problem.size,):
        raise InvalidParameterError(f"w: expected shape ({problem.size},), got {w.shape}. Pass the flat parameters.")
    precise = problem.precise
    problem.precise = True
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            judge = _Judge(problem, tol, status, reason, null_value, fallbacks, deep)
            return judge.certificate(w, dual)
    finally:
        problem.precise = precise


class _Judge:
    """One certificate in the making: what was asked, and how the answer is phrased."""

    def __init__(
        self,
        problem: Any,
        tol: float,
        status: Status,
        reason: str,
        null_value: float,
        fallbacks: tuple[str, ...],
        deep: bool,
    ) -> None:
        self.problem, self.tol, self.status, self.reason = problem, float(tol), status, reason
        self.floor = FLOOR * abs(null_value) if math.isfinite(null_value) else 0.0
        self.fallbacks, self.deep = fallbacks, deep
        self._proposed: Gap | None = None  # the gap at the solver's dual point, once it is known

    # ------------------------------------------------------------------------------------- the way through

    def certificate(self, w: FloatArray, dual: Any) -> Certificate:
        problem = self.problem
        trouble = _unusable(problem, w)
        if trouble is not None:
            return self._nothing(math.nan, *trouble)
        if problem.traits.constrained:
            outside = problem.constraint.violation(problem.layout.split(w)[0])
            if outside > _OUTSIDE:
                return self._outside(outside)
        proven = self._proven_by(w, dual)
        if proven is not None:
            return proven
        at = problem.evaluate(w)
        if not (math.isfinite(at.value) and np.all(np.isfinite(at.gradient))):
            return self._nothing(at.value, Status.DIVERGED, _not_finite(problem, at))
        penalised = has_dual(problem)
        kept = problem.traits.l1 > 0.0 or problem.traits.l2 > 0.0 or (problem.traits.constrained and bounded(problem))
        direction = separating(problem, at) if not kept else None
        if direction is not None:
            return self._no_minimiser(at, direction)
        if problem.traits.convex:
            wrong = contradiction(problem, at)
            if wrong is not None:
                return self._nothing(at.value, missed(self.status), self._joined(wrong[0]), wrong[1])
        bound, evidence = self._best_bound(at, dual, penalised)
        if bound is not None and bound.relative <= self.tol:
            return self._passed(bound, evidence)
        direction = separating(problem, at) if kept else None
        if direction is None and not kept and self.deep:
            direction = quasi_separating(problem, at)
        if direction is not None:
            return self._no_minimiser(at, direction)
        if bound is not None and math.isfinite(bound.value):
            return self._missed(at, bound, evidence)
        return self._stationary(at)

    def _proven_by(self, w: FloatArray, dual: Any) -> Certificate | None:
        """The certificate by the proposed dual point, where that alone passes: one pass, and no gradient."""
        problem, traits = self.problem, self.problem.traits
        if dual is None or not (traits.convex and traits.has_conjugate and has_dual(problem)):
            return None
        if len(dual) != len(problem.p):
            return None
        at = scored(problem, w)
        if not math.isfinite(at.value) or contradiction(problem, at) is not None:
            return None
        self._proposed = gap_of_proposal(problem, at, dual)
        if self._proposed is None:
            return None
        bound = self._bound(at, "duality_gap", self._proposed.value)
        return self._passed(bound, {}) if bound.relative <= self.tol else None

    def _best_bound(self, at: Evaluation, dual: Any, penalised: bool) -> tuple[Bound | None, dict[str, Any]]:
        """The smallest proven bound; dearer ones are tried only where cheaper ones miss tol."""
        problem, traits = self.problem, self.problem.traits
        if not traits.convex:
            return None, {}
        best: Bound | None = None
        evidence: dict[str, Any] = {}

        def offer(kind: CertificateKind, value: float, facts: dict[str, Any] | None = None) -> bool:
            nonlocal best, evidence
            if not math.isnan(value) and (best is None or value < best.value):
                best, evidence = self._bound(at, kind, value), facts or {}
            return best is not None and best.relative <= self.tol

        if penalised:
            gap = duality_gap(problem, at, 0.02 * self.tol * max(abs(at.value), self.floor))
            if gap is not None:
                conjugate = gap.fenchel_used or traits.has_conjugate
                if offer("duality_gap" if conjugate else "strong_convexity", gap.value):
                    return best, evidence
        if dual is not None:
            proposed = self._proposed if self._proposed is not None else gap_of_proposal(problem, at, dual)
            if proposed is not None and offer("duality_gap", proposed.value):
                return best, evidence
        if self._hessian_pays(best, penalised):
            found = factor(problem, at)
            local = local_bound(problem, at, found) if found is not None and concordant(problem) else None
            if local is not None:
                facts = {"decrement": local.decrement, "self_concordance_product": local.product}
                if offer("second_order", local.value, facts):
                    return best, evidence
            if found is not None and traits.has_conjugate:
                value, moved = newton_dual(problem, at, found)
                if offer("duality_gap", value):
                    return best, evidence
                if math.isinf(value) and not penalised:  # some rows left the domain: the others make up for them
                    proposed = gap_of_proposal(problem, at, moved)
                    if proposed is not None and offer("duality_gap", proposed.value):
                        return best, evidence
        fit = gap_at_zero(problem, at)
        if fit is not None:
            offer("duality_gap", fit.value)
        return best, evidence

    def _hessian_pays(self, best: Bound | None, penalised: bool) -> bool:
        """Whether second derivatives are worth their cost where a gap has missed.

        A run that ended well can still go on: more rounds are cheaper, unless the gap is hopelessly loose.  Who
        interrupted a run waits for its end.
        """
        if not self.deep:
            return False
        going = penalised and self.status is Status.CERTIFIED
        if going and best is not None and best.relative <= _LOOSE * self.tol:
            return False
        return applies(self.problem, _CHEAP if going or self.status is Status.INTERRUPTED else WORK)

    def _bound(self, at: Evaluation, kind: CertificateKind, value: float) -> Bound:
        lower = at.value - value
        relative = relative_to(value, lower, at.value, self.floor)
        return Bound(kind, value, relative, "suboptimality", at.value, lower)

    # ------------------------------------------------------------------------------------------- verdicts

    def _joined(self, what: str) -> str:
        return joined(self.status, self.reason, what)

    def _passed(self, bound: Bound, evidence: dict[str, Any]) -> Certificate:
        return self._of(bound, True, Status.CERTIFIED, self._joined(measured(bound, self.tol)), evidence)

    def _missed(self, at: Evaluation, bound: Bound, evidence: dict[str, Any]) -> Certificate:
        status = missed(self.status)
        said = measured(bound, self.tol)
        huge = culprit(self.problem, at, self.tol)
        if huge is not None:
            said += f"; {hidden(huge, self.problem.traits.l1)}"
            evidence = {**evidence, "column": huge.column, "column_size": huge.size, "column_error": huge.error}
        return self._of(bound, False, status, self._joined(said), evidence)

    def _no_minimiser(self, at: Evaluation, direction: Direction) -> Certificate:
        evidence = {
            "direction": direction.vector,
            "margin": direction.margin,
            "largest_margin": direction.largest,
        }
        return self._nothing(at.value, Status.ILL_POSED, direction.reason, evidence)

    def _stationary(self, at: Evaluation) -> Certificate:
        problem, traits = self.problem, self.problem.traits
        status = missed(self.status)
        seen = stationarity(problem, at, self.tol, self.floor, self.deep and not traits.convex)
        kind: CertificateKind = "prox_residual" if traits.l1 > 0.0 or traits.constrained else "gradient_norm"
        evidence: dict[str, Any] = {"verdict": seen.name, "gradient_norm": seen.gradient_norm}
        size = f"the {'projected ' if traits.constrained else ''}gradient norm is {seen.gradient_norm:.2g}"
        if math.isfinite(seen.smallest_curvature):
            kind = "second_order"
            evidence |= {
                "smallest_curvature": seen.smallest_curvature,
                "predicted_decrease": seen.predicted_decrease,
            }
            size += f", the smallest curvature {seen.smallest_curvature:.2g}"
        if not traits.convex:
            said = f"{_AS[seen.name]}: {size}; the loss is not convex, so nothing is proven about other minima"
        else:
            said = f"{size}; no bound of the suboptimality is known for an unpenalised loss without more structure"
            if has_dual(problem):
                said = f"{size}; no bound of the suboptimality is known for this loss and penalty"
        bound = Bound(kind, seen.gradient_norm, math.inf, "stationarity", at.value, math.nan)
        return self._of(bound, False, status, self._joined(said), evidence)

    def _outside(self, violation: float) -> Certificate:
        status = missed(self.status)
        said = (
            f"the weights are outside the constraint {self.problem.constraint!r} by {violation:.2g}, so nothing is "
            "proven about them; project them onto it"
        )
        return self._nothing(math.nan, status, self._joined(said), {"violation": violation})

    def _nothing(
        self, primal: float, status: Status, reason: str, evidence: dict[str, Any] | None = None
    ) -> Certificate:
        bound = Bound("none", math.inf, math.inf, "nothing", primal, math.nan)
        return self._of(bound, False, status, reason, evidence or {})

    def _of(self, bound: Bound, passed: bool, status: Status, reason: str, evidence: dict[str, Any]) -> Certificate:
        return certificate_of(bound, self.tol, passed, status, reason, self.fallbacks, evidence)


_AS = {
    "minimum to second order": "a minimum to second order",
    "saddle": "a saddle",
    "stationary": "a stationary point",
    "not stationary": "not a stationary point",
}


def _unusable(problem: Any, w: FloatArray) -> tuple[Status, str] | None:
    """What stands against any evaluation."""
    bad = int(np.count_nonzero(~np.isfinite(w)))
    if bad:
        return Status.DIVERGED, f"{bad} of {len(w)} parameters are not finite"
    p = problem.p
    total = float(p.sum())
    if not (math.isfinite(total) and total > 0.0) or float(p.min(initial=0.0)) < 0.0:
        return (
            Status.ILL_POSED,
            "the sample weights must be finite, not negative, and have a positive sum: there is no objective",
        )
    return None


def _not_finite(problem: Any, at: Evaluation) -> str:
    """The first row that makes an objective or gradient overflow or not a number."""
    seen = problem.p > 0.0
    for what, values in (("score", at.scores), ("slope", at.slopes)):
        finite = np.isfinite(values) if values.ndim == 1 else np.all(np.isfinite(values), axis=1)
        rows = np.flatnonzero(seen & ~finite)
        if len(rows):
            return (
                f"the {what} of row {int(rows[0])} is not finite ({len(rows)} such row(s)): the objective is {at.value}"
            )
    return f"the objective is {at.value} and its gradient has norm {float(np.linalg.norm(at.gradient)):.3g}"
