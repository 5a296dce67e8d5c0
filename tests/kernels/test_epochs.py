"""Epoch kernels: sparse, lazy steps against dense, eager ones; weights, batches, averages; cost."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier

from steepest.data.source import as_source
from steepest.kernels.epochs import plain_epoch
from steepest.kernels.epochs_rules import ROOM, rule_epoch
from steepest.losses import Hinge, Logistic, Squared
from steepest.rules import FTRL, SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp, unpenalised

N, D = 90, 25
NONE = np.empty(0)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    X = sp.random_array((N, D), density=0.12, rng=rng, format="csr")
    X.data = rng.standard_normal(X.nnz)
    return X, np.where(rng.random(N) < 0.5, 1.0, -1.0), rng.permutation(N).astype(np.uint32), rng.random(N) * 2.0


def rates_for(steps: int) -> np.ndarray:
    return 0.5 / np.sqrt(1.0 + np.arange(steps))


def soft(w, by):
    return np.sign(w) * np.maximum(np.abs(w) - by, 0.0)


def eager(loss, X, y, p, order, factors, rates, size, l2, l1, w, bias=1.0):
    """The dense formula of `plain_epoch`, a step at a time; the parameters after each."""
    w, out = w.copy(), []
    for step, eta in enumerate(rates):
        at = np.arange(step * size, min(len(order), step * size + size))
        rows = order[at]
        c = np.array([loss.slope(X[i] @ w[:D] + w[D], y[i]) * p[i] for i in rows]) * factors[at]
        g = X[rows].T @ c / len(at)
        w[:D] = soft(max(0.0, 1.0 - eta * l2) * w[:D] - eta * g, eta * l1)
        w[D] -= bias * eta * c.mean()
        out.append(w.copy())
    return np.array(out)


def plain(loss, X, y, p, order, factors, rates, size, l2, l1, w, average=False, bias=1.0):
    w = w.copy()
    mean = np.zeros(D + 1) if average else NONE
    seen = np.zeros(D) if l1 > 0 else NONE
    rows = as_source(X).rows
    scratch = (seen, mean, np.zeros_like(mean))
    plain_epoch(loss, rows, y, p, order, factors, rates, size, l2, l1, bias, w, D, *scratch, NONE)
    return (w, mean / len(rates)) if average else w


@pytest.mark.parametrize("loss", [Logistic(), Hinge(), Squared()], ids=lambda x: x.name)
@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.05), (0.2, 0.03)])
@pytest.mark.parametrize("size", [1, 7, N])
def test_sparse_steps_equal_dense_ones(data, loss, l2: float, l1: float, size: int) -> None:
    X, y, order, p = data
    factors = np.linspace(0.5, 1.5, N)
    rates = rates_for(-(-N // size))
    start = np.linspace(-1.0, 1.0, D + 1)
    truth = eager(loss, X.toarray(), y, p, order, factors, rates, size, l2, l1, start)[-1]
    for form in (X, X.toarray()):
        w = plain(loss, form, y, p, order, factors, rates, size, l2, l1, start)
        np.testing.assert_allclose(w, truth, rtol=0, atol=1e-12)
    if l1 > 0:
        assert np.array_equal(truth == 0.0, plain(loss, X, y, p, order, factors, rates, size, l2, l1, start) == 0.0)


def test_without_an_intercept_there_is_none(data) -> None:
    X, y, order, p = data
    rates, w = rates_for(N), np.zeros(D)
    truth = np.zeros(D)
    for i, eta in zip(order, rates, strict=True):
        x = X[[int(i)]].toarray()[0]
        truth = (1.0 - 0.1 * eta) * truth - eta * p[i] * Logistic().slope(x @ truth, y[i]) * x
    plain_epoch(Logistic(), as_source(X).rows, y, p, order, NONE, rates, 1, 0.1, 0.0, 1.0, w, D, NONE, NONE, NONE, NONE)
    np.testing.assert_allclose(w, truth, rtol=0, atol=1e-12)


def test_rows_of_single_precision(data) -> None:
    X, y, order, p = data
    single = X.toarray().astype(np.float32)
    start, rates = np.linspace(-1.0, 1.0, D + 1), rates_for(N)
    truth = eager(Logistic(), single.astype(float), y, p, order, np.ones(N), rates, 1, 0.1, 0.01, start)[-1]
    for form in (single, sp.csr_array(single)):
        w = plain(Logistic(), form, y, p, order, NONE, rates, 1, 0.1, 0.01, start)
        np.testing.assert_allclose(w, truth, rtol=0, atol=1e-12)


@pytest.mark.parametrize("l2", [1.0, 0.99])
def test_a_rate_that_wipes_the_weights_out(data, l2: float) -> None:
    """Rates 1 / (l2 k) begin with a factor of zero; fast decay makes the scale tiny."""
    X, y, order, p = data
    for rates in (1.0 / (l2 * np.arange(1.0, N + 1)), np.full(N, 0.9), np.full(N, 2.0)):
        start = np.ones(D + 1)
        truth = eager(Logistic(), X.toarray(), y, p, order, np.ones(N), rates, 1, l2, 1e-3, start)
        w, mean = plain(Logistic(), X, y, p, order, NONE, rates, 1, l2, 1e-3, start, average=True)
        np.testing.assert_allclose(w, truth[-1], rtol=0, atol=1e-11)
        assert np.all(np.isfinite(mean))


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("l2", [0.0, 0.3, 40.0])
def test_the_mean_is_that_of_all_iterates(data, size: int, l2: float) -> None:
    X, y, order, p = data
    rates = rates_for(-(-N // size))
    start = np.linspace(-1.0, 1.0, D + 1)
    truth = eager(Logistic(), X.toarray(), y, p, order, np.ones(N), rates, size, l2, 0.0, start)
    w, mean = plain(Logistic(), X, y, p, order, NONE, rates, size, l2, 0.0, start, average=True)
    np.testing.assert_allclose(w, truth[-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(mean, truth.mean(axis=0), rtol=0, atol=1e-12)


def test_steps_equal_those_of_scikit_learn(data) -> None:
    X, y, _, p = data
    theirs = SGDClassifier(
        loss="log_loss", alpha=0.01, learning_rate="constant", eta0=0.1, shuffle=False, max_iter=3, tol=None
    ).fit(X.toarray(), y, sample_weight=p)
    w = np.zeros(D + 1)
    order = np.arange(N, dtype=np.uint32)
    for _ in range(3):
        w = plain(Logistic(), X, y, p, order, NONE, np.full(N, 0.1), 1, 0.01, 0.0, w)
    np.testing.assert_allclose(w[:D], theirs.coef_[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(w[D], theirs.intercept_[0], rtol=0, atol=1e-9)


# --------------------------------------------------------------------------------------------- any rule


def run(rule, loss, X, y, p, order, rates, size, l2, l1, epochs=2, average=False, start=None):
    w = np.zeros(D + 1) if start is None else start.copy()
    state = np.zeros((4, D + 1))
    mean = np.zeros(D + 1) if average else NONE
    t = 0.0
    rows = as_source(X).rows
    for _ in range(epochs):
        args = (NONE, rates, size, l2, l1, w, D, state, t, mean, NONE)
        t = rule_epoch(rule, unpenalised(rule), loss, rows, y, p, order, *args)
    assert t == epochs * len(rates)
    return (w, mean / t) if average else w


def visiting_all(X):
    """The same rows, every entry stored: each coordinate is touched in every step, so nothing is made up for."""
    n, d = X.shape
    dense = X.toarray()
    return sp.csr_array((dense.ravel(), np.tile(np.arange(d), n), np.arange(0, n * d + 1, d)), shape=(n, d))


RULES = [SGD(), Momentum(0.8), Nesterov(0.8), Adagrad(), RMSProp(0.9), Adam(), AdamW(decay=0.1), FTRL(1.0, 0.3, 0.2)]


@pytest.mark.parametrize("rule", RULES, ids=lambda x: x.name)
@pytest.mark.parametrize("size", [1, 6])
@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.0, 0.01), (0.05, 0.01)])
def test_lazy_steps_equal_eager_ones_where_the_facts_say_so(data, rule, size: int, l2: float, l1: float) -> None:
    X, y, order, p = data
    rates = rates_for(-(-N // size))
    start = np.zeros(D + 1) if rule.name == "ftrl" else np.linspace(-1.0, 1.0, D + 1)
    if rule.name == "ftrl":
        rates[:] = 0.3
    lazy, full, stored = (
        run(rule, Logistic(), form, y, p, order, rates, size, l2, l1, start=start)
        for form in (X, X.toarray(), visiting_all(X))
    )
    np.testing.assert_allclose(full, stored, rtol=0, atol=1e-12)
    same = (rule.exact and l1 == l2 == 0.0) or (rule.exact_l1 and l2 == 0.0) or rule.name == "ftrl"
    if same:
        np.testing.assert_allclose(lazy, full, rtol=0, atol=1e-10)
    else:  # a definition of its own
        assert np.abs(lazy - full).max() > 1e-10
        assert np.all(np.isfinite(lazy))


@pytest.mark.parametrize("rule", [Momentum(0.8), Adagrad(), RMSProp(0.9), Adam()], ids=lambda x: x.name)
@pytest.mark.parametrize("size", [1, 6])
def test_dense_steps_equal_the_formula(data, rule, size: int) -> None:
    """Against the rule on a flat vector, then the proximal step in its metric."""
    X, y, order, p = data
    X, l2, l1 = X.toarray(), 0.05, 0.02
    rates = rates_for(-(-N // size))
    w, state = np.zeros(D + 1), np.zeros((2, D + 1))
    for step, eta in enumerate(rates):
        rows = order[step * size : step * size + size]
        c = np.array([Logistic().slope(X[i] @ w[:D] + w[D], y[i]) * p[i] for i in rows]) / len(rows)
        g = np.append(X[rows].T @ c, c.sum())
        constants = rule.constants(eta, step + 1.0)
        for j in range(D + 1):
            w[j], state[0, j], state[1, j] = rule.advance(w[j], state[0, j], state[1, j], g[j], *constants)
        q = np.array([rule.stiffness(state[0, j], state[1, j], *constants) for j in range(D)])
        known = np.flatnonzero(q)
        w[known] = soft(w[known] * q[known], eta * l1) / (q[known] + eta * l2)
    ours = run(rule, Logistic(), X, y, p, order, rates, size, l2, l1, epochs=1)
    np.testing.assert_allclose(ours, w, rtol=0, atol=1e-11)


def test_decay_of_missed_steps(data) -> None:
    """AdamW: coordinates that no row touches decay by every step all the same; the intercept by none."""
    _, _, order, p = data
    empty = sp.csr_array((N, D))
    w = run(
        AdamW(decay=0.3), Squared(), empty, np.ones(N), p, order, np.full(N, 0.1), 1, 0.0, 0.0, 1, start=np.ones(D + 1)
    )
    np.testing.assert_allclose(w[:D], 0.97**N, rtol=1e-12)
    assert w[D] == 1.0  # the targets are met: no gradient, and no decay


@pytest.mark.parametrize("rule", [Adagrad(), RMSProp(0.9), FTRL(1.0, 0.1, 0.1)], ids=lambda x: x.name)
def test_the_mean_of_rules_that_let_resting_weights_stand(data, rule) -> None:
    X, y, order, p = data
    lazy, mean = run(rule, Logistic(), X, y, p, order, np.full(N, 0.2), 1, 0.0, 0.0, average=True)
    full, truth = run(rule, Logistic(), X.toarray(), y, p, order, np.full(N, 0.2), 1, 0.0, 0.0, average=True)
    np.testing.assert_allclose(lazy, full, rtol=0, atol=1e-10)
    np.testing.assert_allclose(mean, truth, rtol=0, atol=1e-10)


def test_sparse_adam_is_that_of_pytorch(data) -> None:
    torch = pytest.importorskip("torch")
    X, y, order, p = data
    w = torch.zeros(D, 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SparseAdam([w], lr=0.1, betas=(0.9, 0.999), eps=1e-20)  # which stands elsewhere there
    for i in order:
        row = X[[int(i)]]
        score = float(row.data @ w.detach().numpy()[row.indices, 0])
        u = Logistic().slope(score, y[i]) * p[i]
        at = torch.tensor(np.array([row.indices], dtype=np.int64))
        w.grad = torch.sparse_coo_tensor(at, torch.tensor(u * row.data).reshape(-1, 1), (D, 1), check_invariants=True)
        optimiser.step()
    rows, ours = as_source(X).rows, np.zeros(D)
    args = (NONE, np.full(N, 0.1), 1, 0.0, 0.0, ours, D, np.zeros((4, D)), 0.0, NONE, NONE)
    rule_epoch(Adam(eps=1e-20), Adam(eps=1e-20), Logistic(), rows, y, p, order, *args)
    np.testing.assert_allclose(ours, w.detach().numpy()[:, 0], rtol=0, atol=1e-10)


def test_penalised_minimum_is_a_fixed_point_of_adaptive_rules() -> None:
    """Coordinates seen every time, and one in ten times: both end at the minimum of the same objective."""
    rng = np.random.default_rng(0)
    n = 4000
    rare = rng.random(n) < 0.1
    X = np.column_stack([np.ones(n), rare.astype(float)])
    y = X @ np.array([1.0, 3.0])
    l2 = 0.1
    truth = np.linalg.solve(X.T @ X / n + l2 * np.eye(2), X.T @ y / n)
    S, w, state = as_source(sp.csr_array(X)).rows, np.zeros(2), np.zeros((4, 2))
    t = 0.0
    for epoch in range(60):
        order = rng.permutation(n).astype(np.uint32)
        rates = np.full(n, 0.5 / (1.0 + epoch))
        args = (NONE, rates, 1, l2, 0.0, w, 2, state, t, NONE, NONE)
        t = rule_epoch(Adagrad(), Adagrad(), Squared(), S, y, NONE, order, *args)
    np.testing.assert_allclose(w, truth, rtol=0.01)


def test_a_step_costs_the_entries_of_its_row() -> None:
    """Ten times the columns, the same rows: the same numbers are touched, and no others."""
    rng = np.random.default_rng(1)
    small = sp.random_array((40, 30), density=0.1, rng=rng, format="csr")
    wide = sp.csr_array((small.data, small.indices * 1000, small.indptr), shape=(40, 30_000))
    y, order = np.where(rng.random(40) < 0.5, 1.0, -1.0), np.arange(40, dtype=np.uint32)
    seen = []
    for X, d in ((small, 30), (wide, 30_000)):
        w, state = np.zeros(d), np.zeros((4, d))
        args = (NONE, np.full(40, 0.1), 1, 0.1, 0.001, w, d, state, 0.0, NONE, NONE)
        rule_epoch(Adagrad(), Adagrad(), Logistic(), as_source(X).rows, y, NONE, order, *args)
        seen.append(w)
    np.testing.assert_array_equal(seen[0], seen[1][::1000])
    assert np.count_nonzero(seen[1]) == np.count_nonzero(seen[0]) > 0


@pytest.mark.parametrize("rule", RULES, ids=lambda x: x.name)
def test_columns_listed_twice_or_out_of_order(data, rule) -> None:
    """What a row lists of a column is summed before the column moves."""
    X, y, order, p = data
    rng = np.random.default_rng(5)
    indices, values, indptr = [], [], [0]
    for i in range(N):
        row = X[[i]]
        at = rng.permutation(2 * row.nnz) if i % 3 else np.arange(2 * row.nnz)
        indices.append(np.tile(row.indices, 2)[at])
        values.append(np.concatenate([0.25 * row.data, 0.75 * row.data])[at])
        indptr.append(indptr[-1] + 2 * row.nnz)
    twice = sp.csr_array((np.concatenate(values), np.concatenate(indices), np.array(indptr)), shape=(N, D))
    mixed = sp.vstack([X[: N // 2], twice[N // 2 :]]).tocsr()  # rows of both kinds take turns
    rates = np.full(N, 0.3)
    args = (y, p, order, rates, 1, 0.05, 0.01)
    for average in (False, True):
        truth = run(rule, Logistic(), X, *args, average=average)
        for form in (twice, mixed):
            assert not form.has_canonical_format
            np.testing.assert_allclose(run(rule, Logistic(), form, *args, average=average), truth, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rule", RULES, ids=lambda x: x.name)
@pytest.mark.parametrize("d", [1, 7, 8, 9, int(ROOM) - 1, int(ROOM), int(ROOM) + 1])
def test_rows_of_any_length(rule, d: int) -> None:
    """Whole registers and parts of them, and more entries than are collected at once: as the formula says."""
    rng = np.random.default_rng(d)
    n = 5
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    X[1], X[3, d // 2 :] = 0.0, 0.0  # an empty row, and a shorter one
    y, rates = np.array([1.0, -1.0, 1.0, 1.0, -1.0]), np.full(n, 0.2)
    w, state = np.zeros(d), np.zeros((2, d))
    for step in range(n):
        constants = rule.constants(0.2, step + 1.0)
        g = Logistic().slope(X[step] @ w, y[step]) * X[step]
        for j in range(d):
            w[j], state[0, j], state[1, j] = rule.advance(w[j], state[0, j], state[1, j], g[j], *constants)
    ours = np.zeros(d)
    args = (NONE, rates, 1, 0.0, 0.0, ours, d, np.zeros((4, d)), 0.0, NONE, NONE)
    rule_epoch(rule, rule, Logistic(), as_source(X).rows, y, NONE, np.arange(n, dtype=np.uint32), *args)
    np.testing.assert_allclose(ours, w, rtol=0, atol=1e-12)
    if rule.exact:
        lazy = np.zeros(d)
        args = (NONE, rates, 1, 0.0, 0.0, lazy, d, np.zeros((4, d)), 0.0, NONE, NONE)
        rows = as_source(sp.csr_array(X)).rows
        rule_epoch(rule, rule, Logistic(), rows, y, NONE, np.arange(n, dtype=np.uint32), *args)
        np.testing.assert_allclose(lazy, w, rtol=0, atol=1e-12)
