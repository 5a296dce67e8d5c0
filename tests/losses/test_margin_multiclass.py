"""Weston-Watkins and Crammer-Singer: values against their definitions, conjugates by linear programs, costs."""

import copy
import pickle

import cvxpy as cp
import numpy as np
import pytest

from steepest.exceptions import InvalidParameterError
from steepest.losses import CrammerSinger, WestonWatkins, check_loss, conjugate, get_loss, value_slope
from steepest.losses.margin_multiclass import require_scores

COSTS = np.array([[0.0, 2.0, 0.5], [1.0, 0.0, 3.0], [0.25, 0.0, 0.0]])


def by_definition(loss, z, y):
    others = [j for j in range(len(z)) if j != y]
    if isinstance(loss, WestonWatkins):
        return sum(max(0.0, 1.0 + z[j] - z[y]) for j in others)
    costs = loss.matrix(len(z))
    return max(costs[y, j] + z[j] - z[y] for j in range(len(z)))


@pytest.mark.parametrize("loss", [WestonWatkins(), CrammerSinger(), CrammerSinger(COSTS)])
def test_values_and_slopes(loss):
    rng = np.random.default_rng(0)
    for _ in range(200):
        z, y = 2.0 * rng.normal(size=3), int(rng.integers(3))
        out, moved = np.empty(3), np.empty(3)
        value = value_slope(loss, z, y, out)
        assert value == pytest.approx(by_definition(loss, z, y), abs=1e-14)
        assert out.sum() == 0.0
        other = z + rng.normal(size=3)
        assert value_slope(loss, other, y, moved) >= value + out @ (other - z) - 1e-12
        assert conjugate(loss, out, y) == pytest.approx(out @ z - value, abs=1e-12)


def test_one_wrong_class_inside_the_margin():
    out = np.empty(3)
    for loss in (WestonWatkins(), CrammerSinger()):
        assert value_slope(loss, np.array([3.0, -5.0, 2.5]), 0, out) == 0.5


def test_they_differ_where_two_classes_are_inside_the_margin():
    out, z = np.empty(3), np.array([0.0, 0.5, 0.25])
    assert value_slope(WestonWatkins(), z, 0, out) == 2.75
    assert out.tolist() == [-2.0, 1.0, 1.0]
    assert value_slope(CrammerSinger(), z, 0, out) == 1.5
    assert out.tolist() == [-1.0, 1.0, 0.0]


def test_kinks_take_the_stated_subgradient():
    out = np.empty(3)
    assert value_slope(CrammerSinger(), np.array([1.0, 0.0, 0.0]), 0, out) == 0.0
    assert out.tolist() == [0.0, 0.0, 0.0]
    value_slope(CrammerSinger(), np.array([0.0, 0.5, 0.5]), 0, out)
    assert out.tolist() == [-1.0, 1.0, 0.0]
    assert value_slope(WestonWatkins(), np.array([1.0, 0.0, 0.5]), 0, out) == 0.5
    assert out.tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("loss", [WestonWatkins(), CrammerSinger(), CrammerSinger(COSTS)])
def test_conjugates_are_the_suprema(loss):
    rng = np.random.default_rng(1)
    z = cp.Variable(3)
    for y in range(3):
        for inside in (True, False):
            u = rng.dirichlet(np.ones(3)) if isinstance(loss, CrammerSinger) else rng.random(3)
            u[y] = u[y] - 1.0 if isinstance(loss, CrammerSinger) else -(u.sum() - u[y])
            u[(y + 1) % 3] += 0.0 if inside else 0.02
            others = [j for j in range(3) if j != y]
            if isinstance(loss, WestonWatkins):
                value = sum(cp.pos(1.0 + z[j] - z[y]) for j in others)
            else:
                value = cp.maximum(0.0, *(loss.matrix(3)[y, j] + z[j] - z[y] for j in others))
            # the supremum of a piecewise linear function: the program is unbounded outside the domain
            program = cp.Problem(cp.Maximize(u @ z - value), [cp.abs(z) <= 1e3])
            best = program.solve(solver="CLARABEL")
            if inside:
                assert conjugate(loss, u, y) == pytest.approx(best, abs=1e-5)
            else:
                assert conjugate(loss, u, y) == np.inf
                assert best > 5.0


@pytest.mark.parametrize("loss", [WestonWatkins(), CrammerSinger(), CrammerSinger(COSTS)])
def test_not_a_number_stays(loss):
    out = np.empty(3)
    for place in range(3):
        for y in range(3):
            z = np.array([3.0, 1.0, 2.0])
            z[place] = np.nan
            assert np.isnan(value_slope(loss, z, y, out))


@pytest.mark.parametrize("loss", ["weston_watkins", "crammer_singer", CrammerSinger(COSTS)])
def test_all_checks_pass(loss):
    report = check_loss(loss, n_samples=400, rng=0)
    assert report.ok, str(report)


def test_uniform_costs_given_change_nothing():
    rng = np.random.default_rng(2)
    plain, given = CrammerSinger(), CrammerSinger(CrammerSinger().matrix(4))
    a, b = np.empty(4), np.empty(4)
    for y in range(4):
        z = rng.normal(size=4)
        assert value_slope(plain, z, y, a) == value_slope(given, z, y, b)
        np.testing.assert_array_equal(a, b)


def test_costs_are_a_value():
    loss = CrammerSinger(COSTS)
    assert loss == CrammerSinger(COSTS.tolist()) != CrammerSinger() == get_loss("crammer_singer")
    assert hash(loss) == hash(CrammerSinger(COSTS))
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), loss._replace(costs=COSTS)):
        assert twin == loss
        assert not twin.costs.flags.writeable
    mine = COSTS.copy()
    kept = CrammerSinger(mine)
    mine[0, 1] = 7.0
    assert kept == loss
    assert repr(CrammerSinger()) == "CrammerSinger()"
    assert eval(repr(loss)) == loss


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        (np.zeros((2, 3)), "square"),
        (np.zeros(4), "square"),
        ([[0.0, 1.0], [1.0]], "one length"),
        ([[0.0, "much"], [1.0, 0.0]], "numbers"),
        ([[0.0, -1.0], [1.0, 0.0]], r"not negative at \[0, 1\], got -1"),
        ([[0.0, 1.0], [1.0, 0.5]], r"0 on the diagonal at \[1, 1\], got 0.5"),
        ([[0.0, np.inf], [1.0, 0.0]], "finite"),
    ],
)
def test_costs_that_are_none_are_named(costs, said):
    with pytest.raises(InvalidParameterError, match=said):
        CrammerSinger(costs)


def test_costs_of_other_classes_are_named():
    with pytest.raises(InvalidParameterError, match=r"expected a \(4, 4\) matrix .* got \(3, 3\)"):
        CrammerSinger(COSTS).matrix(4)
    require_scores(WestonWatkins(), 5)
    np.testing.assert_array_equal(CrammerSinger().matrix(2), [[0.0, 1.0], [1.0, 0.0]])
