"""Update rules, step by step: against NumPy written from the papers, and against PyTorch where it is installed."""

from __future__ import annotations

import importlib.util
import pickle
import warnings

import numpy as np
import pytest

from steepest.exceptions import InvalidParameterError
from steepest.rules import (
    FTRL,
    RULES,
    SGD,
    Adagrad,
    AdagradFull,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RMSProp,
    Stepper,
    get_rule,
    rules_of_networks,
    unpenalised,
)

STEPS = 100
rng = np.random.default_rng(0)
A = rng.standard_normal((40, 7)) * np.array([3, 1, 1, 0.3, 2, 1, 0.1])
H = A.T @ A / 40
START = rng.standard_normal(7)
NOISE = 0.1 * rng.standard_normal((STEPS, 7))


def gradient(w: np.ndarray, t: int) -> np.ndarray:
    return H @ w + np.sin(3.0 * w) + NOISE[t]


def path(rule, eta: float, start=START) -> np.ndarray:
    stepper = Stepper(rule, len(start))
    w = start.copy()
    out = []
    for t in range(STEPS):
        stepper.step(w, gradient(w, t), eta)
        out.append(w.copy())
    return np.array(out)


def by_numpy(name: str, eta: float, start=START) -> np.ndarray:
    w, m, v = start.copy(), np.zeros(7), np.zeros(7)
    out = []
    for t in range(STEPS):
        g = gradient(w, t)
        if name == "sgd":
            w = w - eta * g
        elif name == "momentum":
            v = 0.8 * v - eta * g
            w = w + v
        elif name == "nesterov":
            new = 0.8 * v - eta * g
            w = w + 0.8 * new - eta * g
            v = new
        elif name == "adagrad":
            v = v + g**2
            w = w - eta * g / (np.sqrt(v) + 1e-8)
        elif name == "rmsprop":
            v = 0.95 * v + 0.05 * g**2
            w = w - eta * g / (np.sqrt(v) + 1e-8)
        elif name in ("adam", "adamw"):
            m = 0.8 * m + 0.2 * g
            v = 0.99 * v + 0.01 * g**2
            if name == "adamw":
                w = w - eta * 0.1 * w
            w = w - eta * (m / (1 - 0.8 ** (t + 1))) / (np.sqrt(v / (1 - 0.99 ** (t + 1))) + 1e-8)
        elif name == "ftrl":  # m is z, v is n
            sigma = (np.sqrt(v + g**2) - np.sqrt(v)) / eta
            m = m + g - sigma * w
            v = v + g**2
            w = np.where(np.abs(m) <= 0.7, 0.0, -(m - np.sign(m) * 0.7) / ((1.5 + np.sqrt(v)) / eta + 0.3))
        out.append(w.copy())
    return np.array(out)


CASES = {
    "sgd": SGD(),
    "momentum": Momentum(0.8),
    "nesterov": Nesterov(0.8),
    "adagrad": Adagrad(1e-8),
    "rmsprop": RMSProp(0.95, 1e-8),
    "adam": Adam(0.8, 0.99, 1e-8),
    "adamw": AdamW(0.8, 0.99, 1e-8, 0.1),
}


@pytest.mark.parametrize("name", CASES)
def test_steps_equal_the_formulas(name: str) -> None:
    np.testing.assert_allclose(path(CASES[name], 0.05), by_numpy(name, 0.05), rtol=0, atol=1e-12)


def test_ftrl_equals_the_formula_and_has_zeros() -> None:
    zero = np.zeros(7)
    ours = path(FTRL(1.5, 0.7, 0.3), 0.4, zero)
    np.testing.assert_allclose(ours, by_numpy("ftrl", 0.4, zero), rtol=0, atol=1e-12)
    assert np.any(ours[-1] == 0.0)
    assert np.any(ours[-1] != 0.0)


def test_full_adagrad_equals_dense_linear_algebra() -> None:
    w, seen = START.copy(), []
    ours = path(AdagradFull(1e-3), 0.3)
    for t in range(STEPS):
        g = gradient(w, t)
        seen.append(g)
        _, sizes, V = np.linalg.svd(np.array(seen))  # G = V' sizes^2 V, without forming it
        root = np.zeros(7)
        root[: len(sizes)] = sizes
        w = w - 0.3 * np.linalg.solve(1e-3 * np.eye(7) + V.T @ np.diag(root) @ V, g)
        # the root of G is not smooth at directions hardly seen: exact to rounding once G is regular
        np.testing.assert_allclose(ours[t], w, rtol=0, atol=1e-10 if t >= 7 else 1e-4)
        w = ours[t].copy()


def test_full_adagrad_is_the_diagonal_one_where_gradients_are_axes() -> None:
    full, diagonal = Stepper(AdagradFull(1e-3), 3), Stepper(Adagrad(1e-3), 3)
    u, w = np.ones(3), np.ones(3)
    for t in range(30):
        g = np.zeros(3)
        g[t % 3] = 1.0 + t
        full.step(u, g, 0.1)
        diagonal.step(w, g, 0.1)
        np.testing.assert_allclose(u, w, rtol=0, atol=1e-12)


def torch_optimiser(torch, name: str, parameters, lr: float):
    optim = torch.optim
    return {
        "sgd": lambda: optim.SGD(parameters, lr=lr),
        "momentum": lambda: optim.SGD(parameters, lr=lr, momentum=0.8),
        "nesterov": lambda: optim.SGD(parameters, lr=lr, momentum=0.8, nesterov=True),
        "adagrad": lambda: optim.Adagrad(parameters, lr=lr, eps=1e-8),
        "rmsprop": lambda: optim.RMSprop(parameters, lr=lr, alpha=0.95, eps=1e-8),
        "adam": lambda: optim.Adam(parameters, lr=lr, betas=(0.8, 0.99), eps=1e-8),
        "adamw": lambda: optim.AdamW(parameters, lr=lr, betas=(0.8, 0.99), eps=1e-8, weight_decay=0.1),
    }[name]()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
@pytest.mark.parametrize("name", CASES)
def test_steps_equal_those_of_pytorch(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        p = torch.tensor(START.copy(), requires_grad=True)
        optimiser = torch_optimiser(torch, name, [p], 0.05)
        ours = path(CASES[name], 0.05)
        for t in range(STEPS):
            p.grad = torch.tensor(gradient(p.detach().numpy(), t))
            optimiser.step()
            np.testing.assert_allclose(ours[t], p.detach().numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", sorted(RULES))
def test_state_is_one_block_that_resets_and_pickles(name: str) -> None:
    stepper = Stepper(name, 7)
    rows = 7 if stepper.rule.whole else stepper.rule.slots
    assert stepper.state.shape == (rows, 7)
    assert rows <= 2 or stepper.rule.whole
    block = stepper.state
    w = np.zeros(7)
    for t in range(5):
        stepper.step(w, gradient(w, t), 0.1)
    first = w.copy()
    again = pickle.loads(pickle.dumps(stepper))
    u = w.copy()
    stepper.step(w, NOISE[9], 0.1)
    again.step(u, NOISE[9], 0.1)
    assert np.array_equal(w, u)
    assert again.t == 6
    stepper.reset()
    assert stepper.state is block
    assert not stepper.state.any()
    w[:] = 0.0
    for t in range(5):
        stepper.step(w, gradient(w, t), 0.1)
    assert np.array_equal(w, first)


@pytest.mark.parametrize("name", sorted(RULES))
def test_rules_are_values(name: str) -> None:
    value = get_rule(name)
    assert value == get_rule(RULES[name]) == pickle.loads(pickle.dumps(value))
    assert value
    assert all(isinstance(field, float) for field in value)
    assert hash(value) == hash(RULES[name]())
    assert all(getattr(unpenalised(value), field) == 0.0 for field in value.absorbs)


def test_equal_numbers_are_not_equal_rules() -> None:
    assert Momentum(0.5) != Nesterov(0.5)
    assert Momentum(0.5) != Momentum(0.6)


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Momentum(1.0), "momentum"),
        (lambda: Nesterov(-0.1), "momentum"),
        (lambda: Adam(beta2=1.0), "beta2"),
        (lambda: Adam(beta1=float("nan")), "beta1"),
        (lambda: RMSProp(eps=0.0), "eps"),
        (lambda: FTRL(l1=-1.0), "l1"),
        (lambda: AdamW(decay="much"), "decay"),
        (lambda: AdagradFull(0.0), "delta"),
        (lambda: Momentum(0.5)._replace(momentum=2.0), "momentum"),
        (lambda: get_rule("adamm"), "Did you mean 'adam'"),
        (lambda: get_rule(3), "rule"),
        (lambda: Stepper("sgd", 3).step(np.zeros(2), np.zeros(3), 0.1), "w: "),
        (lambda: Stepper("sgd", 3).step(np.zeros(3), np.zeros(3, np.float32), 0.1), "g: "),
    ],
)
def test_refusals_name_the_argument(make, argument: str) -> None:
    with pytest.raises(InvalidParameterError, match=argument):
        make()


def test_rules_that_train_no_network_say_why() -> None:
    said = {name: kind.not_for_networks for name, kind in RULES.items() if kind.not_for_networks}
    assert said == {
        "adagrad_full": "couples all weights",
        "ftrl": "begins at zero weights, where a network stays",
    }
    assert rules_of_networks() == sorted(set(RULES) - set(said))
