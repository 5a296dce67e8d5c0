"""Every registered loss of steepest, by its name alone: a new loss is tested without a new test."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import steepest.losses as sl
from steepest.jit import kernel
from steepest.losses import check_loss, conjugate, curvature, get_loss, has, slope, value

OURS = sorted(
    name
    for name, cls in sl.SCALAR_LOSSES.items()
    if cls.__module__.startswith("steepest.") and cls is not sl.WeightedSum  # which needs terms
)
VARIANTS = [
    *map(get_loss, OURS),
    sl.ModifiedHuber(knee=-1.0),
    sl.Quantile(0.9),
    sl.Huber(0.3),
    sl.EpsilonInsensitive(0.0),
    sl.EpsilonInsensitive(2.0),
    sl.SquaredEpsilonInsensitive(1.5),
    sl.sum_of(("logistic", 1.0), ("squared_hinge", 0.5)),
    sl.sum_of(("squared", 2.0), ("absolute", 0.3), (sl.Huber(0.5), 1.0)),
]
SMOOTH = [loss for loss in VARIANTS if has(loss, "curvature")]
WITH_CONJUGATE = [loss for loss in VARIANTS if has(loss, "conjugate")]
CONVEX = [loss for loss in VARIANTS if loss.convex]
EXTREMES = [0.0, -0.0, 5e-324, 1e-300, 1e-16, 1.0, 700.0, 710.0, 746.0, 1e4, 1e150, 1e300, 1.7e308]
EXTREMES = np.array([*EXTREMES, *(-x for x in EXTREMES)])

scores = st.floats(-30.0, 30.0)


def targets_of(loss):
    return {
        "sign": st.sampled_from([-1.0, 1.0]),
        "unit": st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.0, 1.0)),
        "nonnegative": st.one_of(st.integers(0, 50).map(float), st.floats(0.0, 50.0)),
        "real": st.floats(-20.0, 20.0),
    }[loss.targets]


def some_targets(loss):
    return {"sign": [-1.0, 1.0], "unit": [0.0, 0.3, 1.0], "nonnegative": [0.0, 2.5, 7.0], "real": [-3.0, 0.0, 2.0]}[
        loss.targets
    ]


@kernel
def evaluate(loss, z, y, out):
    for i in range(z.shape[0]):
        out[i, 0] = value(loss, z[i], y[i])
        out[i, 1] = slope(loss, z[i], y[i])


@kernel
def evaluate_curvature(loss, z, y, out):
    for i in range(z.shape[0]):
        out[i] = curvature(loss, z[i], y[i])


@kernel
def evaluate_conjugate(loss, u, y, out):
    for i in range(u.shape[0]):
        out[i] = conjugate(loss, u[i], y[i])


def test_the_list_is_the_whole_list():
    assert set(OURS) == {
        *("logistic", "bernoulli", "hinge", "squared_hinge", "modified_huber", "exponential", "sigmoid", "perceptron"),
        *("sigmoid_squared", "zero_one", "squared", "absolute", "quantile", "huber", "epsilon_insensitive"),
        *("squared_epsilon_insensitive", "poisson"),
    }


@pytest.mark.parametrize("loss", [*VARIANTS, sl.Softmax()], ids=repr)
def test_check_loss_passes(loss):
    report = check_loss(loss, rng=7)
    assert report.ok, str(report)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_slope_is_between_the_one_sided_differences(loss, data):
    z, y = data.draw(scores), data.draw(targets_of(loss))
    h = 1e-6 * max(1.0, abs(z))
    at, up, down = (loss.value(t, y) for t in (z, z + h, z - h))
    left, right = (at - down) / h, (up - at) / h
    slack = 1e-9 * (abs(at) + abs(up) + abs(down) + abs(y * z)) + 1e-7 + 1e-5 * abs(right)
    assert min(left, right) - slack <= loss.slope(z, y) <= max(left, right) + slack


@pytest.mark.parametrize("loss", SMOOTH, ids=repr)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_curvature_is_between_the_one_sided_differences_of_the_slope(loss, data):
    z, y = data.draw(scores), data.draw(targets_of(loss))
    h = 1e-6 * max(1.0, abs(z))
    at, up, down = (loss.slope(t, y) for t in (z, z + h, z - h))
    left, right = (at - down) / h, (up - at) / h
    slack = 1e-9 * (abs(at) + abs(up) + abs(down) + abs(y) + abs(z)) + 1e-6 + 1e-5 * abs(right)
    assert min(left, right) - slack <= loss.curvature(z, y) <= max(left, right) + slack


@pytest.mark.parametrize("loss", CONVEX, ids=repr)
@given(data=st.data(), t=st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_convex_where_stated(loss, data, t):
    a, b, y = data.draw(scores), data.draw(scores), data.draw(targets_of(loss))
    va, vb, vm = loss.value(a, y), loss.value(b, y), loss.value((1 - t) * a + t * b, y)
    slack = 1e-12 * (1.0 + abs(va) + abs(vb))
    assert vm <= (1 - t) * va + t * vb + slack
    assert vb >= va + loss.slope(a, y) * (b - a) - slack - 1e-12 * abs(loss.slope(a, y)) * (abs(a) + abs(b))


def test_the_losses_that_are_not_convex_are_seen_to_be_so():
    """A chord under the value: the statement is not only cautious."""
    for name, (a, b) in {"sigmoid": (-20.0, 0.0), "zero_one": (-20.0, 0.5), "sigmoid_squared": (-20.0, 0.0)}.items():
        loss = get_loss(name)
        assert not loss.convex
        assert loss.value(0.5 * (a + b), 1.0) > 0.5 * (loss.value(a, 1.0) + loss.value(b, 1.0)) + 0.1


@pytest.mark.parametrize("loss", [v for v in VARIANTS if math.isfinite(v.smoothness)], ids=repr)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_smoothness(loss, data):
    a, b, y = data.draw(scores), data.draw(scores), data.draw(targets_of(loss))
    slack = 1e-14 * (1.0 + abs(a) + abs(b) + abs(y))
    assert abs(loss.slope(a, y) - loss.slope(b, y)) <= loss.smoothness * abs(a - b) + slack


@pytest.mark.parametrize("loss", [v for v in VARIANTS if math.isfinite(v.smoothness)], ids=repr)
def test_smoothness_is_the_least_constant(loss):
    """A solver's step 1/L is not needlessly short."""
    z = np.linspace(-8.0, 8.0, 20001)
    quotients = [np.abs(np.diff([loss.slope(t, y) for t in z])).max() / (z[1] - z[0]) for y in some_targets(loss)]
    assert max(quotients) == pytest.approx(loss.smoothness, rel=1e-3)


@pytest.mark.parametrize("loss", WITH_CONJUGATE, ids=repr)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_fenchel_young(loss, data):
    z, y, u = data.draw(scores), data.draw(targets_of(loss)), data.draw(st.floats(-5.0, 5.0))
    v, c = loss.value(z, y), loss.conjugate(u, y)
    assert v + c >= u * z - 1e-12 * (1.0 + abs(v) + abs(u * z) + abs(u * y))
    s = loss.slope(z, y)
    c = loss.conjugate(s, y)
    assert v + c == pytest.approx(s * z, abs=1e-12 * (1.0 + abs(v) + abs(c) + abs(s * z) + abs(s * y)))


@pytest.mark.parametrize("loss", WITH_CONJUGATE, ids=repr)
def test_conjugate_is_the_supremum(loss):
    """Against a numerical maximisation, inside the domain and, as growth without end, outside."""
    for y in some_targets(loss):
        for u in np.linspace(-3.0, 3.0, 25):
            c = loss.conjugate(u, y)

            def negative(z, u=u, y=y):
                return loss.value(z, y) - u * z

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                if math.isinf(c):
                    assert min(negative(1e6), negative(-1e6), negative(600.0), negative(-600.0)) < -50.0
                else:
                    best = minimize_scalar(negative, bounds=(-60.0, 60.0), method="bounded", options={"xatol": 1e-10})
                    assert c == pytest.approx(-best.fun, abs=2e-5)


@pytest.mark.parametrize("loss", [v for v in SMOOTH if math.isfinite(v.self_concordance)], ids=repr)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_self_concordance(loss, data):
    a, b, y = data.draw(scores), data.draw(scores), data.draw(targets_of(loss))
    change = abs(math.log(loss.curvature(a, y)) - math.log(loss.curvature(b, y)))
    assert change <= loss.self_concordance * abs(a - b) + 1e-12 * (1.0 + abs(a) + abs(b))


def test_only_some_losses_state_a_finite_self_concordance():
    assert {v.name for v in VARIANTS if math.isfinite(v.self_concordance)} == {
        *("logistic", "bernoulli", "exponential", "squared", "poisson")
    }


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_extreme_scores_neither_raise_nor_give_nan(loss):
    """Plain Python and compiled code, at scores up to the largest float."""
    ys = np.array(some_targets(loss))
    z, y = (a.ravel().copy() for a in np.broadcast_arrays(EXTREMES[:, None], ys[None, :]))
    out = np.empty((z.size, 2))
    evaluate(loss, z, y, out)
    assert not np.isnan(out).any()
    plain = np.array([[loss.value(a, b), loss.slope(a, b)] for a, b in zip(z.tolist(), y.tolist(), strict=True)])
    np.testing.assert_allclose(out, plain, rtol=1e-12)
    if math.isfinite(loss.lower):
        assert (out[:, 0] >= loss.lower).all()
    if has(loss, "curvature"):
        curved = np.empty(z.size)
        evaluate_curvature(loss, z, y, curved)
        assert not np.isnan(curved).any()
        assert (curved >= 0.0).all() or not loss.convex
    if has(loss, "conjugate"):
        c = np.empty(z.size)
        evaluate_conjugate(loss, z, y, c)
        assert not np.isnan(c).any()
        assert not (c == -np.inf).any()


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_a_nan_score_gives_a_nan_value(loss):
    out = np.empty((1, 2))
    for y in some_targets(loss):
        evaluate(loss, np.array([np.nan]), np.array([y]), out)
        assert math.isnan(out[0, 0])
        assert math.isnan(loss.value(math.nan, y))


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_compiled_equals_plain_python(loss):
    rng = np.random.default_rng(3)
    z = rng.normal(size=400) * rng.choice([0.1, 1.0, 20.0], 400)
    y = rng.choice(some_targets(loss), 400)
    out, plain = np.empty((400, 2)), np.empty((400, 2))
    evaluate(loss, z, y, out)
    evaluate.py_func(loss, z, y, plain)
    np.testing.assert_allclose(out, plain, rtol=1e-14)


@pytest.mark.parametrize("loss", VARIANTS, ids=repr)
def test_float32_scores(loss):
    rng = np.random.default_rng(4)
    z = (rng.normal(size=300) * 5).astype(np.float32)
    y = rng.choice(some_targets(loss), 300)
    for targets in (y, y.astype(np.float32)):
        out, exact = np.empty((300, 2)), np.empty((300, 2))
        evaluate(loss, z, targets, out)
        evaluate(loss, z.astype(np.float64), targets.astype(np.float64), exact)
        size = 1.0 + np.abs(exact) + np.abs(z * y)[:, None]
        assert (np.abs(out - exact) <= 2e-5 * size).all()
