"""Small problems of every kind, and derivatives by differences."""

import numpy as np
import pytest
import scipy.sparse as sp

from steepest.data.source import as_source
from steepest.losses import get_loss
from steepest.parallel import Pool
from steepest.penalties import L2, ElasticNet, NoPenalty
from steepest.problems.linear import LinearProblem
from steepest.problems.multiclass import MulticlassProblem


def targets(loss, n, rng, n_outputs=3):
    if loss.targets == "class":
        return rng.integers(0, n_outputs, n)
    if loss.targets == "sign":
        return rng.choice([-1.0, 1.0], n)
    if loss.targets == "unit":
        return rng.random(n)
    y = rng.standard_normal(n)
    return np.abs(y) if loss.targets == "nonnegative" else y


def build(
    loss="logistic", n=40, d=6, l1=0.0, l2=0.1, intercept=True, kind="dense", dtype=np.float64, seed=0, jobs=1, p=None
):
    """A random problem; ``loss`` is a name or a value."""
    rng = np.random.default_rng(seed)
    loss = get_loss(loss)
    X = (rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.7)).astype(dtype)
    if p is None:
        p = rng.random(n)
        p[::7] = 0.0
    p = p / p.sum()
    penalty = ElasticNet(l1 + l2, l1 / (l1 + l2)) if l1 else (L2(l2) if l2 else NoPenalty())
    source = as_source(X if kind == "dense" else sp.csr_array(X), pool=Pool(jobs))
    y = targets(loss, n, rng)
    if loss.targets == "class":
        return MulticlassProblem(source, y, p, loss, penalty, intercept, 3)
    return LinearProblem(source, y, p, loss, penalty, intercept)


@pytest.fixture
def make():
    """The builder of random problems."""
    return build


@pytest.fixture
def differences():
    """Central differences of a vector function along every coordinate, with a step that suits float64."""

    def gradient(function, w, h=1e-6):
        eye = np.eye(len(w)) * h
        return np.array([(function(w + e) - function(w - e)) / (2.0 * h) for e in eye])

    return gradient
