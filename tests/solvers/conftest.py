"""A catalogue of problems that every solver must bring to the optimum, and a driver that records rounds."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.certify.bounds import quick_bound
from steepest.data.source import as_source
from steepest.losses import get_loss
from steepest.parallel import Pool
from steepest.penalties import L2, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem


def build(
    loss="logistic", n=120, d=8, l2=0.05, intercept=True, kind="dense", dtype=np.float64, weights="equal", shift=0.0,
    scale=1.0, seed=0, jobs=1, noise=0.5,
):  # fmt: skip
    """Targets follow a linear model with noise; columns are shifted by ``shift`` and scaled by ``scale**j``."""
    rng = np.random.default_rng(seed)
    loss = get_loss(loss) if isinstance(loss, str) else loss
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.8)
    k = 3
    z = X @ rng.standard_normal(d) + noise * rng.standard_normal(n)
    if loss.targets == "class":
        y = np.argmax(X @ rng.standard_normal((d, k)) + noise * rng.standard_normal((n, k)), axis=1)
    elif loss.targets == "sign":
        y = np.where(z > 0.0, 1.0, -1.0)
    elif loss.targets == "nonnegative":
        y = rng.poisson(np.exp(np.clip(0.3 * z, -2.0, 2.0))).astype(float)
    else:
        y = z
    X = ((X + shift) * scale ** np.arange(d)).astype(dtype)
    p = np.ones(n) if weights == "equal" else rng.integers(0, 4, n).astype(float)
    p /= p.sum()
    source = as_source(X if kind == "dense" else sp.csr_array(X), pool=Pool(jobs))
    penalty = L2(l2) if l2 else NoPenalty()
    if loss.targets == "class":
        return MulticlassProblem(source, y, p, loss, penalty, intercept, k)
    return LinearProblem(source, y, p, loss, penalty, intercept)


CATALOGUE = {
    "logistic": {},
    "logistic_sparse": {"kind": "csr", "d": 15},
    "logistic_float32": {"dtype": np.float32},
    "logistic_weights": {"weights": "counts"},
    "logistic_wide": {"n": 30, "d": 60, "l2": 0.1},
    "logistic_means": {"shift": 3.0},
    "squared": {"loss": "squared"},
    "squared_scales": {"loss": "squared", "scale": 1.3, "intercept": False},
    "huber": {"loss": "huber"},
    "squared_hinge": {"loss": "squared_hinge", "kind": "csr"},
    "poisson": {"loss": "poisson"},
    "softmax": {"loss": "softmax", "intercept": False},
    "softmax_sparse": {"loss": "softmax", "kind": "csr", "weights": "counts", "intercept": False},
}


def drive(solver, problem, w=None, tol=1e-8, most=200):
    """Rounds until the cheap bound meets ``tol``, or the solver stops; with the values on the way."""
    state = solver.start(problem, problem.start() if w is None else w)
    rounds, relative = [], math.inf
    for _ in range(most):
        round_ = solver.advance(state)
        rounds.append(round_)
        bound = quick_bound(problem, round_.at, 1e-14) if round_.bound is None else round_.bound
        relative = bound.relative if bound.bounds == "suboptimality" else math.inf
        if relative <= tol or round_.exhausted or round_.settled:
            break
    return SimpleNamespace(
        at=rounds[-1].at,
        relative=relative,
        rounds=rounds,
        values=np.array([r.at.value for r in rounds]),
        steps=np.array([r.step for r in rounds]),
        notes=[r.note for r in rounds if r.note],
    )


@pytest.fixture
def catalogue():
    """Settings of the problems by name."""
    return CATALOGUE


@pytest.fixture
def make_problem():
    """The builder of problems."""
    return build


@pytest.fixture
def run():
    """The driver."""
    return drive
