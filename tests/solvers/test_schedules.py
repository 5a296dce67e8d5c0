"""Schedules: their formulas, and whether the sums behave as each one states."""

from __future__ import annotations

import importlib.util
import math
import pickle
import warnings

import numpy as np
import pytest

from steepest.exceptions import InvalidParameterError
from steepest.solvers.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Fading,
    Inverse,
    InverseNext,
    InverseRoot,
    InverseScaling,
    Pegasos,
    ReduceOnPlateau,
    RobbinsMonro,
    StepDecay,
    WarmUp,
)

ALL = [
    Constant(0.1),
    Inverse(2.0),
    InverseNext(2.0),
    InverseRoot(0.3),
    *(InverseScaling(0.5, power) for power in (0.0, 0.3, 0.5, 0.6, 0.75, 1.0, 1.2, 2.0)),
    *(Fading(0.5, 0.1, power) for power in (0.5, 0.75, 1.0)),
    Pegasos(0.01),
    Pegasos(1.0, 30.0),
    StepDecay(1.0, 10, 0.5),
    StepDecay(1.0, 10, 1.0),
    Cosine(1.0, 100),
    Cosine(1.0, 100, 0.01),
    WarmUp(Inverse(1.0), 50),
    WarmUp(InverseRoot(1.0), 50),
    WarmUp(StepDecay(1.0, 7, 0.9), 5),
]


def series_diverges(block) -> bool:
    """Whether a series of monotone terms diverges, from its dyadic blocks (Cauchy's condensation).

    Blocks of ``t^-q`` go as ``2^(m (1 - q))``: the sum is infinite where they do not shrink.
    """
    early, late = block(18), block(19)
    if early < 1e-12:
        return False
    return bool(math.log2(late / early) > -1e-3)


@pytest.mark.parametrize("schedule", ALL, ids=repr)
def test_the_sums_behave_as_stated(schedule) -> None:
    def block(power):
        return lambda m: float((schedule.rates(2**m, 2**m) ** power).sum())

    stated = schedule.robbins_monro
    assert stated == RobbinsMonro(series_diverges(block(1)), not series_diverges(block(2)))
    assert stated.holds == (stated.sum_diverges and stated.squares_converge)


@pytest.mark.parametrize(
    ("schedule", "law"),
    [
        (Constant(0.1), lambda k: 0.1),
        (Inverse(2.0), lambda k: 2.0 / k),
        (InverseNext(2.0), lambda k: 2.0 / (k + 1)),
        (InverseRoot(2.0), lambda k: 2.0 / math.sqrt(k)),
        (InverseScaling(2.0, 0.7), lambda k: 2.0 / k**0.7),
        (Pegasos(0.2), lambda k: 1.0 / (0.2 * k)),
        (Pegasos(0.2, 9.0), lambda k: 1.0 / (0.2 * (k + 9))),
        (StepDecay(2.0, 3, 0.5), lambda k: 2.0 * 0.5 ** ((k - 1) // 3)),
        (Cosine(2.0, 8, 0.5), lambda k: 0.5 + 0.75 * (1 + math.cos(math.pi * min(k - 1, 8) / 8))),
        (WarmUp(Inverse(2.0), 4), lambda k: 2.0 * k / 4 if k <= 4 else 2.0 / (k - 4)),
    ],
    ids=lambda x: repr(x) if isinstance(x, tuple) else "",
)
def test_rates_follow_the_law_from_any_step_on(schedule, law) -> None:
    truth = [law(k) for k in range(1, 31)]
    np.testing.assert_allclose(schedule.rates(0, 30), truth, rtol=1e-14)
    np.testing.assert_array_equal(np.append(schedule.rates(0, 11), schedule.rates(11, 19)), schedule.rates(0, 30))
    assert schedule.rates(5, 0).shape == (0,)
    assert schedule.observed(1.0) == schedule == pickle.loads(pickle.dumps(schedule))


def test_plateau() -> None:
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=2, threshold=0.1, floor=0.3)
    seen = []
    for value in (5.0, 4.0, 3.9, 3.8, 3.7, 3.7, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, math.nan):
        schedule = schedule.observed(value)
        seen.append(schedule.rate)
    # 3.9, 3.8 and 3.7 gain less than a tenth of 4: the third of them halves; then the floor holds
    assert seen == [1.0] * 4 + [0.5] * 5 + [0.3] * 5
    assert schedule.rates(100, 2).tolist() == [0.3, 0.3]
    assert schedule == pickle.loads(pickle.dumps(schedule))
    assert schedule.robbins_monro.holds is False
    assert ReduceOnPlateau(1.0).robbins_monro.holds is None
    warmed = WarmUp(ReduceOnPlateau(1.0, factor=0.5, patience=0), 2).observed(1.0).observed(1.0)
    assert warmed.rates(0, 3).tolist() == [0.25, 0.5, 0.5]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_plateau_cosine_and_steps_are_those_of_pytorch() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch

        values = np.random.default_rng(0).random(60) + np.linspace(2, 1, 60)
        makers = [
            (
                lambda o: torch.optim.lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=3, threshold=1e-2),
                ReduceOnPlateau(1.0, 0.5, 3, 1e-2),
            ),
            (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 60, eta_min=0.1), Cosine(1.0, 60, 0.1)),
            (lambda o: torch.optim.lr_scheduler.StepLR(o, 7, gamma=0.3), StepDecay(1.0, 7, 0.3)),
        ]
        for make, schedule in makers:
            optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            theirs = make(optimiser)
            ours = schedule
            for epoch, value in enumerate(values):
                assert optimiser.param_groups[0]["lr"] == pytest.approx(float(ours.rates(epoch, 1)[0]), rel=1e-9)
                optimiser.step()
                ours = ours.observed(value)
                theirs.step(value) if isinstance(schedule, ReduceOnPlateau) else theirs.step()


def test_schedules_of_equal_numbers_differ() -> None:
    assert Inverse(1.0) != InverseRoot(1.0)
    assert len({Inverse(1.0), InverseRoot(1.0), Constant(1.0), Inverse(1)}) == 3
    assert all(issubclass(cls, tuple) for cls in SCHEDULES.values())


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Constant(0.0), "eta0"),
        (lambda: Inverse(math.nan), "eta0"),
        (lambda: InverseScaling(1.0, -1.0), "power"),
        (lambda: Pegasos(0.0), "alpha"),
        (lambda: StepDecay(1.0, 0), "every"),
        (lambda: StepDecay(1.0, 3, 1.5), "factor"),
        (lambda: Cosine(1.0, 10, 2.0), "floor"),
        (lambda: WarmUp(0.1), "then"),
        (lambda: ReduceOnPlateau(1.0, patience=-1), "patience"),
        (lambda: Constant("fast"), "eta0"),
        (lambda: Constant(1.0)._replace(eta0=-1.0), "eta0"),
    ],
)
def test_refusals_name_the_argument(make, name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"^{name}: "):
        make()
