"""``learning_rate="auto"``: rates from the curvature of the loss on the rows, or from a short test on some of them.

Plain steps and those with momentum, for a loss with a Lipschitz slope.  A row's gradient step is stable up to rates
of the order of ``1 / (L R^2)`` with ``R^2 = sum p q^2 / sum p q`` and ``q = |x_i|^2``; a batch of B rows to
``1 / (L (R^2 / B + lambda))`` with lambda the largest eigenvalue of ``X^T P X``.  That is the first rate.  It fades as
``(1 + decay t)^-3/4``, which suits averaging (Xu 2011), or ``^-0.85`` for a loss with kinks, with
a decay of at least ``eta0 l2``.  Many rows for few columns are noise to be averaged out: the decay grows with their
ratio, from 0.1 to 10 an epoch.

Other rules and losses: rates three apart are tried from the start on a sample, a step a row, as long as they get
better, and the best one is taken (Bottou 2012).  The decay is 1 an epoch, none for rules whose steps fade by
themselves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from steepest.data.source import as_source
from steepest.exceptions import DataError
from steepest.penalties.nearest import norm
from steepest.protocols import FloatArray
from steepest.solvers.schedules import Constant, Fading
from steepest.solvers.steps import Memory, Steps

FIRST = {"adagrad": 0.1, "rmsprop": 0.01, "adam": 0.01, "adamw": 0.01, "ftrl": 0.1}  # rates tried first
STEADY = ("adagrad", "ftrl")  # rules whose steps fade by themselves
CURVED = ("sgd", "momentum", "nesterov")
POWER = 0.75
KINKED = 0.85  # noise about a kink is what keeps the gap of such a loss open: it fades a little sooner
FACTOR = 3.0  # between rates that are tried
TRIALS = 9
ROWS = 4096  # of a sample
LONGEST = 1e304  # squared length of a row whose rate is still a number
SETTLED = 16  # epochs before which a gap that does not fall means nothing
UNEVEN = 100.0  # ratio of the scales of columns that is worth a note
ENTRIES = 4e6  # of a sample, numbers of X


def auto(problem: Any, rule: Any, size: int, *, averaging: bool = True, seed: int = 0) -> tuple[Any, str]:
    """A schedule, and what it is for the record.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
    rule : rule
    size : int
        Rows of a batch.
    averaging : bool
        Whether the mean of the iterates will be the result.
    seed : int
        Of the sample.
    """
    n, d = problem.source.shape
    epoch = max(1.0, n / size)
    noise, strength = float(np.clip(0.1 * n / max(1, d), 0.1, 10.0)), problem.traits.l2
    bound = float(problem.loss.smoothness)
    if rule.name in CURVED and 0.0 < bound < math.inf:
        row, all_rows = row_curvature(problem), 0.0
        if size > 1:
            all_rows = 1.1 * largest_curvature(problem, seed)  # of a sample: a little more than it says
        curvature = bound * (row / size + (1.0 - 1.0 / size) * all_rows)
        eta0 = (1.0 - getattr(rule, "momentum", 0.0)) / max(curvature + strength, 1e-300)
        whence = f"a curvature of {curvature:.3g} a step"
        noise *= bound * row / size / max(curvature, 1e-300)
    else:
        eta0, tried = tested(problem, rule, size, averaging, seed)
        noise = 1.0
        whence = f"the best of {tried} rates tried on {len(sample(problem, seed))} rows"
    if rule.name in STEADY or size >= n:  # no noise in a whole batch
        return Constant(eta0), f"learning_rate='auto': {eta0:.3g}, from {whence}"
    decay = max(eta0 * strength, noise / epoch)
    power = POWER if problem.traits.smooth else KINKED
    return Fading(eta0, decay, power), f"learning_rate='auto': {eta0:.3g} (1 + {decay:.3g} t)^-{power}, from {whence}"


def steered(schedule: Any, t: int, noise: float, bias: float) -> Any:
    """A schedule of "auto" after t steps, with the decay that brings the parts of a duality gap into balance.

    With ``noise ~ eta`` and ``bias ~ 1 / (eta t)^2`` their sum is least at ``noise = 2 bias``.  The rate changes at
    most twofold, and never beyond the first.

    Examples
    --------
    >>> steered(Fading(1.0, 0.02, 1.0), 100, noise=1e-3, bias=0.5e-3).decay, steered(
    ...     Fading(1.0, 0.02, 1.0), 100, noise=1e-3, bias=1.0
    ... ).decay
    (0.02, 0.005)
    """
    if not isinstance(schedule, Fading) or t == 0 or not (0.0 <= noise < math.inf and 0.0 <= bias < math.inf):
        return schedule
    change = float(np.clip(math.cbrt(2.0 * bias / max(noise, 1e-300)), 0.5, 2.0))
    wanted = (1.0 + schedule.decay * t) * change ** (-1.0 / schedule.power)
    return schedule._replace(decay=max(wanted - 1.0, 1e-300) / t)


def unevenness(problem: Any) -> float:
    """The ratio of the largest and least root mean square of the columns of dense rows; 1 for others.  Half a pass."""
    if problem.source.kind != "dense":
        return 1.0  # the mean squares of rare columns are small, and that is no fault
    second = problem.source.moments(problem.p)[1]
    problem.passes += 0.5
    live = second[second > 0.0]
    return math.sqrt(float(live.max() / live.min())) if len(live) else 1.0


def advice(problem: Any, history: Any, tol: float, automatic: bool) -> str:
    """Why a run of epochs has proven no more, and how many more epochs would do.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
    history : History
    tol : float
    automatic : bool
        Whether the rate was found from the data.
    """
    said = []
    ratio = unevenness(problem)
    if ratio >= UNEVEN:
        said.append(
            f"The columns of X differ {ratio:.0e}-fold in scale, and a stochastic step has one rate for all: put "
            "steepest.Scaler() in front."
        )
    epochs, gaps = history["iteration"], history["relative_gap"]
    known = np.isfinite(gaps) & (epochs > 0)
    epochs, gaps = epochs[known], gaps[known]
    needed = math.inf
    if len(epochs) and tol > 0.0:
        at = int(np.searchsorted(epochs, 0.5 * epochs[-1]))
        last, before = float(gaps[-1]), float(gaps[at])
        if tol < last < 0.95 * before:
            rounds = float(epochs[-1] / epochs[at])
            needed = float(epochs[-1]) * math.exp(
                min(math.log(last / tol) * math.log(rounds) / math.log(before / last), 99.0)
            )
    if math.isfinite(needed):
        said.append(f"At the pace of the last epochs, about {needed:.1g} epochs would prove tol.")
    elif len(epochs) and epochs[-1] >= SETTLED:
        said.append("The gap of these steps is not closing.")
    elif len(epochs):
        said.append(f"{epochs[-1]:.0f} epochs are few: raise max_iter.")
    if not automatic:
        said.append("learning_rate='auto' finds a rate from the data.")
    return " ".join(said)


def uneven(problem: Any) -> str:
    """A note where columns of dense rows differ much in scale; empty elsewhere: half a pass.

    Plain steps have one rate for all columns, and the steps of adaptive rules are of one length for all.
    """
    ratio = unevenness(problem)
    if ratio < UNEVEN:
        return ""
    return f"columns of X differ {ratio:.0e}-fold in scale: stochastic steps are slow. Standardise X, or use 'lbfgs'"


# ------------------------------------------------------------------------------------------------ curvature


def row_curvature(problem: Any) -> float:
    """``n sum (p q)^2 / sum p q`` with ``q = |x_i|^2``, plus 1 for an intercept: half a pass."""
    q = problem.p * (problem.source.square_norms() + float(problem.layout.intercept))
    problem.passes += 0.5
    top = float(q.max(initial=0.0))
    if not top < LONGEST:
        raise DataError(f"X: no rate suits rows of squared length {top:.3g}, beyond the range of numbers. Scale X.")
    if top == 0.0 or len(q) == 1:
        return top
    q /= top  # its squares may overflow
    return top * (len(q) * float(q @ q) / float(q.sum()))


def largest_curvature(problem: Any, seed: int = 0, most: int = 12) -> float:
    """The largest eigenvalue of ``X^T P X``, intercept included, on a sample: power iterations."""
    part = shortened(problem, seed)
    source, p = part.source, part.p
    v: FloatArray = np.random.default_rng(seed).standard_normal(source.shape[1] + 1)
    value = 0.0
    for _ in range(most):
        length = norm(v)
        if not length > 0.0:
            return 0.0
        v /= length
        z = source.matvec(v[:-1], float(v[-1]) if part.layout.intercept else 0.0)
        g, total = source.rmatvec(p, z)
        v = np.append(g, total if part.layout.intercept else 0.0)
        part.passes += 1.0
        before, value = value, norm(v)
        if abs(value - before) <= 0.01 * value:
            break
    return value


# ----------------------------------------------------------------------------------------------- range test


def sample(problem: Any, seed: int) -> Any:
    """Row numbers, drawn once for a seed."""
    n = problem.source.shape[0]
    wide = max(1.0, problem.source.nnz * problem.layout.n_outputs / max(1, n))
    most = int(min(n, max(64, min(ROWS, ENTRIES / wide))))
    return np.arange(n) if most >= n else np.sort(np.random.default_rng([seed, 1]).choice(n, most, replace=False))


def shortened(problem: Any, seed: int) -> Any:
    """The problem on a sample of its rows, whose passes count as their share."""
    rows, n = sample(problem, seed), problem.source.shape[0]
    source = problem.source
    if len(rows) == n and source.kind != "stream":
        return problem
    if source.kind == "stream":
        X = source.take(rows)
    else:
        X = source.X[rows] if source.kind == "dense" else source.matrix[rows]
    p = problem.p[rows]
    total = float(p.sum())
    extra = () if problem.layout.n_outputs == 1 else (problem.layout.n_outputs,)
    part = getattr(problem, "in_memory", type(problem))(
        as_source(X, pool=source.pool),
        np.ascontiguousarray(problem.y[rows]),
        p / total if total > 0.0 else np.full(len(rows), 1.0 / len(rows)),
        problem.loss,
        problem.penalty,
        problem.layout.intercept,
        *extra,
        constraint=problem.constraint,
    )
    part.parent = (problem, len(rows) / n)
    return part


def tested(problem: Any, rule: Any, size: int, averaging: bool, seed: int) -> tuple[float, int]:
    """The rate whose steps over a sample end lowest, and how many were tried."""
    part = shortened(problem, seed)
    n = part.source.shape[0]
    size = max(1, min(size, n // 64))  # at least 64 steps
    order = np.random.default_rng([seed, 2]).permutation(n).astype(np.uint32)
    values: dict[int, float] = {}
    first = FIRST.get(rule.name)
    if first is None:
        typical = row_curvature(part)
        first = (1.0 - getattr(rule, "momentum", 0.0)) / typical if typical > 0.0 else 1.0

    def reached(power: int) -> float:
        if power not in values:
            values[power] = _value(part, rule, size, order, first * FACTOR**power, averaging)
        return values[power]

    best = 0
    for way in (1, -1):
        while len(values) < TRIALS and reached(best + way) < reached(best):
            best += way
        if best > 0:
            break
    return first * FACTOR**best, len(values)


def _value(part: Any, rule: Any, size: int, order: Any, rate: float, averaging: bool) -> float:
    """The objective after the steps, at the mean of their second half where averages are meant."""
    steps = Steps(part, rule, size)
    w = part.start()
    memory = Memory(w, steps.state(w, rate), 0, 0, Constant(rate))
    mean, weight = np.zeros(part.size), 0
    length = -(-len(order) // (8 * size)) * size
    for start in range(0, len(order), length):
        later = averaging and 2 * start >= len(order)
        total = np.zeros(part.size) if later and not steps.lazy else None
        before = memory.t
        steps.run(memory, order[start : start + length], np.empty(0), total)
        if later:
            mean += (memory.t - before) * memory.w if total is None else total
            weight += memory.t - before
    point = mean / weight if weight else memory.w
    value = float(part.evaluate(point).value) if np.all(np.isfinite(point)) else math.inf
    return value if math.isfinite(value) else math.inf


def bounded(problem: Any, rule: Any, size: int | None, schedule: Any) -> Any:
    """A schedule of "auto", found on other rows, at a first rate that does not diverge on these: half a pass.

    Parameters
    ----------
    problem : LinearProblem or MulticlassProblem
    rule : rule
    size : int or None
        Rows of a batch; None for all.
    schedule : schedule
    """
    bound = float(problem.loss.smoothness)
    if rule.name not in CURVED or not 0.0 < bound < math.inf or not isinstance(schedule, Constant | Fading):
        return schedule
    n = problem.source.shape[0]
    size = n if size is None else min(size, n)
    least = 1.0 - getattr(rule, "momentum", 0.0)
    curvature = bound * row_curvature(problem)
    if size > 1 and not schedule.eta0 * curvature <= 2.0 * least:  # that of single rows is at least that of batches
        curvature = curvature / size + (1.0 - 1.0 / size) * bound * 1.1 * largest_curvature(problem)
    if schedule.eta0 * curvature <= 2.0 * least:
        return schedule
    return schedule._replace(eta0=least / curvature)
