"""Objectives of networks: values, derivatives, sums of terms, checks of targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network._base import binary_log_loss, log_loss, poisson_loss, squared_loss

from steepest.exceptions import IncompatibleError, InvalidParameterError
from steepest.losses import Huber, Quantile
from steepest.networks import Input, Parameter, Program, curvature, gradient
from steepest.networks.targets_loss import Objective

ROWS, K = 7, 3


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def _targets(objective: Objective, rng: np.random.Generator) -> np.ndarray:
    k = objective.n_outputs
    made = {
        "class": lambda: rng.integers(0, k, ROWS),
        "shares": lambda: rng.dirichlet(np.ones(k), ROWS),
        "unit": lambda: rng.integers(0, 2, (ROWS, k)),
        "sign": lambda: rng.choice([-1, 1], (ROWS, k)),
        "nonnegative": lambda: rng.poisson(2.0, (ROWS, k)),
        "real": lambda: 2.0 * rng.normal(size=(ROWS, k)),
    }
    return objective.targets(made[objective.targets_kind]())


SMOOTH = ["cross_entropy", "kl", "log_loss", "squared_error", "huber", "poisson", "squared_hinge", "logistic"]
KINKED = ["crammer_singer", "weston_watkins", "quantile", "absolute_error", "hinge", "epsilon_insensitive"]
SUMS = [
    [(1.0, "squared_error"), (0.3, "absolute_error")],
    [(0.5, "squared_error"), (2.0, "poisson"), (0.1, Huber(0.5))],
    [(1.0, "cross_entropy"), (0.4, "crammer_singer")],
    [(1.0, "log_loss"), (0.4, "hinge")],
    [(1.0, "kl"), (0.2, "squared_error")],
]


def _run(objective, scores, y, s, direction, fused):
    """Value, gradient and (unfused) product with the Hessian in the scores."""
    z = Parameter(scores)
    v = Input(scores.shape)
    inputs = objective.inputs(len(scores), np.float64)
    cost = objective.node(z, *inputs, fused=fused)
    wanted = [cost, *gradient(cost, [z])]
    if not fused:
        wanted += curvature(cost, [z], [v])
    program = Program(wanted, bind={inputs[0]: y, inputs[1]: s, v: direction})
    program.run()
    return [np.array(program.values[node]) for node in wanted]


@pytest.mark.parametrize("terms", [*SMOOTH, *KINKED, *SUMS], ids=str)
def test_derivatives_are_those_of_the_values(terms, rng):
    objective = Objective(terms, K)
    y = _targets(objective, rng)
    scores, d = rng.normal(size=(ROWS, K)), rng.normal(size=(ROWS, K))
    s = rng.uniform(0.0, 2.0, ROWS)

    def at(t):
        return float(objective.values(scores + t * d, y) @ s) / ROWS

    value, g, product = _run(objective, scores, y, s, d, fused=False)
    assert value == pytest.approx(at(0.0), rel=1e-13)
    h = 1e-6
    assert float(np.sum(g * d)) == pytest.approx((at(h) - at(-h)) / (2 * h), rel=1e-6, abs=1e-8)
    ahead, behind = (_run(objective, scores + t * d, y, s, d, fused=False)[1] for t in (h, -h))
    np.testing.assert_allclose(product, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)
    quick, slope = _run(objective, scores, y, s, d, fused=True)
    assert quick == pytest.approx(float(value), rel=1e-13)
    np.testing.assert_allclose(slope, g, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("terms", SUMS, ids=str)
def test_the_gradient_of_a_sum_is_the_sum_of_the_gradients(terms, rng):
    whole = Objective(terms, K)
    y = _targets(whole, rng)
    scores, s = rng.normal(size=(ROWS, K)), rng.uniform(0.5, 1.5, ROWS)
    got = _run(whole, scores, y, s, scores, fused=True)[1]
    total = np.zeros_like(got)
    for weight, loss in terms:
        one = Objective(loss, K)
        wanted = 2.0 * y - 1.0 if one.targets_kind == "sign" else y
        total += weight * _run(one, scores, wanted, s, scores, fused=True)[1]
    np.testing.assert_allclose(got, total, rtol=1e-12, atol=1e-15)


def test_values_are_those_of_scikit_learn(rng):
    scores = rng.normal(size=(ROWS, K))
    labels = rng.integers(0, K, ROWS)
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    mean = Objective("cross_entropy", K).values(scores, labels).mean()
    assert mean == pytest.approx(log_loss(np.eye(K)[labels], p), rel=1e-12)
    marks = rng.integers(0, 2, (ROWS, K)).astype(float)
    mean = Objective("log_loss", K).values(scores, marks).mean()
    assert mean == pytest.approx(binary_log_loss(marks, 1 / (1 + np.exp(-scores))), rel=1e-12)
    counts = rng.poisson(2.0, (ROWS, K)).astype(float)
    mean = Objective("poisson", K).values(scores, counts).mean()
    assert mean == pytest.approx(poisson_loss(counts, np.exp(scores)), rel=1e-12)
    real = rng.normal(size=(ROWS, 1))
    mean = Objective("squared_error", 1).values(scores[:, :1], real).mean()
    assert mean == pytest.approx(squared_loss(real, scores[:, :1]), rel=1e-12)


def test_divergence_is_zero_for_the_shares_themselves():
    shares = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        scores = np.maximum(np.log(shares), -800.0)
    np.testing.assert_allclose(Objective("kl", 3).values(scores, shares), 0.0, atol=1e-15)
    s = np.ones(3)
    value, g = _run(Objective("kl", 3), scores, shares, s, scores, fused=True)
    assert abs(float(value)) < 1e-15
    np.testing.assert_allclose(g, 0.0, atol=1e-15)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(-300, 300))
def test_softmax_losses_do_not_change_with_a_shift_of_the_scores(seed, shift):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(ROWS, K))
    for loss in ("cross_entropy", "kl", "crammer_singer", "weston_watkins"):
        objective = Objective(loss, K)
        y = _targets(objective, rng)
        values = objective.values(scores, y)
        assert np.all(values >= -1e-15)
        np.testing.assert_allclose(objective.values(scores + shift, y), values, atol=1e-11)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_divergence_from_one_class_is_its_cross_entropy(seed):
    rng = np.random.default_rng(seed)
    scores, labels = 5.0 * rng.normal(size=(ROWS, K)), rng.integers(0, K, ROWS)
    soft = Objective("kl", K).values(scores, np.eye(K)[labels])
    np.testing.assert_allclose(soft, Objective("cross_entropy", K).values(scores, labels), rtol=1e-12, atol=1e-14)


def test_huge_scores_have_finite_losses():
    scores = np.array([[1e3, -1e3, 0.0], [-1e3, 1e3, 0.0]])
    assert Objective("cross_entropy", 3).values(scores, np.array([1, 1])).tolist() == [2000.0, 0.0]
    assert Objective("log_loss", 3).values(scores, np.zeros((2, 3))).tolist() == pytest.approx([1000 + np.log(2)] * 2)


def test_facts():
    assert Objective("cross_entropy", 3).link == "softmax"
    assert Objective([(1, "log_loss"), (0.5, "hinge")], 2).kinks == ("hinge",)
    assert Objective([(1, "squared_error"), (0.5, Quantile(0.9))], 2).has_curvature
    assert Objective("modified_huber", 1).targets_kind == "sign"
    assert Objective([(1, "squared_error"), (0.5, "poisson")], 2).targets_kind == "nonnegative"
    assert Objective("poisson", 1).lower == 0.0


def test_a_term_of_weight_zero_is_left_out():
    objective = Objective([(1.0, "squared_error"), (0.0, "poisson")], 1)
    scores, y = np.array([[2000.0]]), np.array([[1999.0]])  # whose exponential is infinite
    assert objective.values(scores, y).tolist() == [0.5]
    for fused in (False, True):
        value, slope = _run(objective, scores, y, np.ones(1), scores, fused=fused)[:2]
        assert float(value) == 0.5
        assert slope.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("terms", "k", "said"),
    [
        ("cross_entrpy", 3, "Did you mean 'cross_entropy'"),
        ("zero_one", 1, "no slope"),
        ([], 1, "at least one pair"),
        ([(0.0, "squared_error")], 1, "above zero"),
        ([(-1.0, "squared_error")], 1, "finite weights >= 0"),
        ([(float("nan"), "squared_error")], 1, "finite weights >= 0"),
        (3, 1, "pairs"),
    ],
)
def test_terms_that_are_refused(terms, k, said):
    with pytest.raises(InvalidParameterError, match=said):
        Objective(terms, k)


def test_losses_that_do_not_fit_together():
    with pytest.raises(IncompatibleError, match="different targets"):
        Objective([(1, "cross_entropy"), (1, "squared_error")], 3)
    with pytest.raises(IncompatibleError, match="at least 2 outputs"):
        Objective("cross_entropy", 1)


@pytest.mark.parametrize(
    ("loss", "k", "y", "said"),
    [
        ("cross_entropy", 3, [0, 1, 3], "row 2"),
        ("cross_entropy", 3, [0, -1], "0 to 2"),
        ("cross_entropy", 3, [0.5, 1.0], "integer labels"),
        ("cross_entropy", 2, np.eye(2), "shape"),
        ("cross_entropy", 3, ["a", "b"], "Encode"),
        ("kl", 2, [[0.5, 0.6]], "sum 1"),
        ("kl", 2, [[1.5, -0.5]], "not negative"),
        ("log_loss", 1, [0.0, 2.0], "0 to 1"),
        ("hinge", 1, [0.0, 1.0], "-1 or 1"),
        ("poisson", 1, [1.0, -1.0], ">= 0"),
        ("squared_error", 1, [1.0, np.nan], "finite"),
        ("squared_error", 2, [1.0, 2.0], "2 column"),
        ("squared_error", 1, [], "Give a target for each row"),
    ],
)
def test_targets_that_are_refused(loss, k, y, said):
    with pytest.raises(InvalidParameterError, match=said):
        Objective(loss, k).targets(y)


def test_single_precision(rng):
    for loss in (*SMOOTH, *KINKED):
        objective = Objective(loss, K)
        y = _targets(objective, rng)
        scores = rng.normal(size=(ROWS, K)).astype(np.float32)
        z = Parameter(scores)
        inputs = objective.inputs(ROWS, np.float32)
        cost = objective.node(z, *inputs)
        program = Program([cost, *gradient(cost, [z])])
        program.values[inputs[0]][...] = y
        program.values[inputs[1]][...] = 1.0
        program.run()
        assert cost.dtype == np.float32
        assert float(program.values[cost]) == pytest.approx(objective.values(scores, y).mean(), rel=2e-5, abs=1e-6)
