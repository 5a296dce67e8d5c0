"""Stochastic steps on a linear problem: which compiled epoch, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest.kernels.epochs import gather_notes, plain_epoch
from steepest.kernels.epochs_projected import BALL, DIAMOND, SEPARABLE, SIMPLEX, projected_epoch, projected_epoch_many
from steepest.kernels.epochs_rules import rule_epoch
from steepest.kernels.epochs_softmax import plain_epoch_many, rule_epoch_many
from steepest.protocols import AnyArray, FloatArray
from steepest.rules import unpenalised

_NONE = np.empty(0)
KINDS = {"l2_ball": BALL, "l1_ball": DIAMOND, "simplex": SIMPLEX}
LONGEST = 2e7  # multiply-adds in one call of a kernel: a fraction of a second, between which Ctrl-C is heard


@dataclass(slots=True)
class Memory:
    """All that a stochastic method remembers between two epochs; picklable.

    Attributes
    ----------
    w : array of shape (size,)
        The last iterate.
    state : array of shape (slots, size)
        What the rule remembers.
    t, epoch : int
        Steps and epochs so far.
    schedule : schedule
        As it stands now.
    mean : array of shape (size,), or None
        The average of iterates, which is the result where it is kept.
    weight : float
        What the average weighs.
    """

    w: FloatArray
    state: FloatArray
    t: int
    epoch: int
    schedule: Any
    mean: FloatArray | None = None
    weight: float = 0.0

    def point(self) -> FloatArray:
        """The parameters that stand for the method now."""
        return self.w if self.mean is None or self.weight == 0.0 else self.mean

    def copy(self) -> Memory:
        """The same numbers in arrays of their own."""
        mean = None if self.mean is None else self.mean.copy()
        return Memory(self.w.copy(), self.state.copy(), self.t, self.epoch, self.schedule, mean, self.weight)


class Steps:
    """Runs a rule over rows of a problem.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
    rule : rule
    size : int
        Rows of a batch.
    bias_rate : float
        What multiplies the rate of intercepts (the plain rule alone).
    mean_weight : float
        The mean weight of a row.
    """

    def __init__(self, problem: Any, rule: Any, size: int, bias_rate: float = 1.0, mean_weight: float = 1.0) -> None:
        n = problem.source.shape[0]
        if problem.source.kind == "csr" and rule.name != "sgd":  # steps that go by squares of slopes, or in momentum
            problem.source.distinct()
        self.problem, self.rule, self.size, self.bias_rate = problem, rule, size, bias_rate
        low, high = (float(problem.p.min()) * n * mean_weight, float(problem.p.max()) * n * mean_weight)
        equal = 1.0 - 1e-12 <= low <= high <= 1.0 + 1e-12  # rounding of n / n
        self.p: FloatArray = _NONE if equal else problem.p * (n * mean_weight)
        self.constraint = getattr(problem, "constraint", None)
        self.plain = rule.name == "sgd" and self.constraint is None
        layout = problem.layout
        self.growing = rule.name == "ftrl" and (problem.traits.l1 > 0.0 or problem.traits.l2 > 0.0)
        self.l1: float = 0.0 if self.growing else problem.traits.l1
        self.l2: float = 0.0 if self.growing else problem.traits.l2
        if rule.name == "adamw" and rule.decay == problem.traits.l2:  # the rule holds the squared penalty
            self.l2 = 0.0
        penalised = self.growing or self.l1 > 0.0 or self.l2 > 0.0
        nnz = max(float(problem.source.nnz), 1.0)
        # weights as last touched have not paid for the steps since: only those between two calls can be averaged
        self.lazy = penalised and problem.source.kind == "csr" and not self.plain and self.constraint is None
        self.calls = int(np.clip(nnz / (8.0 * layout.n_features), 4, 64)) if self.lazy else 1  # of an epoch
        self.longest = max(int(LONGEST * n / (nnz * layout.n_outputs)), size)

    def state(self, w: FloatArray, rate: float) -> FloatArray:
        """What the rule remembers at the start."""
        state = np.zeros((0 if self.plain else 2, self.problem.size))
        if self.rule.name == "ftrl":  # w is a function of z
            state[0] = -w * (self.rule.beta / rate)
        return state

    def run(
        self,
        memory: Memory,
        order: AnyArray,
        factors: FloatArray,
        total: FloatArray | None,
        slopes: FloatArray | None = None,
        mix: float = 1.0,
    ) -> float:
        """Steps over the rows of ``order``; ``total`` gains the sum of the iterates.  The last rate.

        ``slopes``, of shape (n,) or (n, k), moves by ``mix`` of the way to the slopes that rows had at their visits.
        """
        problem, layout = self.problem, self.problem.layout
        rates = memory.schedule.rates(memory.t, -(-len(order) // self.size))
        mean = _NONE if total is None else total
        d, k = layout.n_features, layout.n_outputs
        shape = 0 if slopes is None else len(order)
        noted = np.empty(shape if k == 1 else (shape, k))
        w = memory.w
        data = (
            problem.loss,
            problem.source.rows,
            problem.y,
            self.p,
            order,
            factors,
            rates,
            self.size,
            self.l2,
            self.l1,
        )
        rule = self._grown(memory, len(rates), float(rates[0])) if self.growing else self.rule
        t = float(memory.t)
        if self.constraint is not None:
            self._projected(data, w, memory.state, t, mean, noted)
        elif self.plain:
            scratch = (np.empty(d if self.l1 > 0.0 else 0), mean, np.empty(len(mean)))
            if k == 1:
                plain_epoch(*data, self.bias_rate, w, d, *scratch, noted)
            else:
                plain_epoch_many(*data, self.bias_rate, w, d, k, *scratch, noted)
        elif k == 1:
            rule_epoch(rule, unpenalised(rule), *data, w, d, memory.state, t, mean, noted)
        else:
            gradient = np.zeros(d * k if self.size > 1 else 0)
            seen = np.empty((2, d))
            rule_epoch_many(rule, unpenalised(rule), *data, w, d, k, memory.state, seen, t, gradient, mean, noted)
        if slopes is not None:
            gather_notes(noted.ravel(), order, mix, slopes.ravel(), k)
        memory.t += len(rates)
        problem.passes += len(order) / max(1, problem.source.shape[0])
        return float(rates[-1])

    def _projected(
        self, data: tuple[Any, ...], w: FloatArray, state: FloatArray, t: float, mean: FloatArray, noted: FloatArray
    ) -> None:
        """Steps that end in the set of the constraint."""
        layout = self.problem.layout
        held: Any = self.constraint
        kind = SEPARABLE if held.separable else KINDS[held.name]
        size = float(getattr(held, "radius", getattr(held, "total", 0.0)))
        one = layout.n_outputs == 1
        shape = (layout.n_features,) if one else (layout.n_features, layout.n_outputs)
        args: list[Any] = [self.rule, unpenalised(self.rule), held, kind, size, *data, w, *shape, state, t, mean, noted]
        (projected_epoch if one else projected_epoch_many)(*args)

    def _grown(self, memory: Memory, steps: int, rate: float) -> Any:
        """FTRL with the penalties of all steps up to the end of these: its penalties stand against sums."""
        traits, m = self.problem.traits, self.problem.layout.n_weights
        until = float(memory.t + steps)
        rule = self.rule._replace(l1=traits.l1 * until, l2=traits.l2 * until)
        z, n = memory.state[0, :m], memory.state[1, :m]
        beyond = np.maximum(np.abs(z) - rule.l1, 0.0)
        memory.w[:m] = -np.copysign(beyond, z) / ((rule.beta + np.sqrt(n)) / rate + rule.l2)
        return rule
