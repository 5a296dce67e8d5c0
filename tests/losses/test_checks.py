"""`check_loss` finds what is planted, names the sample, and lets what is right pass."""

import math
from typing import NamedTuple

import numba
import numpy as np
import pytest

from steepest.exceptions import InvalidParameterError
from steepest.losses import (
    LossCompileError,
    Softmax,
    Squared,
    check_loss,
    require_compiled,
    scalar_loss,
    value_slope,
    vector_loss,
)
from steepest.losses.registry import SCALAR_LOSSES, VECTOR_LOSSES


@scalar_loss(name="tests_welsch")
class Welsch(NamedTuple):
    """The example of the documentation: bounded, smooth, not convex."""

    c: float = 1.0

    smoothness = 1.0

    def value(self, z, y):
        return 0.5 * self.c**2 * (1 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-(((z - y) / self.c) ** 2))


@scalar_loss(name="tests_wrong_welsch")
class WrongWelsch(NamedTuple):
    """Without the square in the exponent: equal to the slope near 0 and one unit away only."""

    c: float = 1.0

    def value(self, z, y):
        return 0.5 * self.c**2 * (1 - math.exp(-(((z - y) / self.c) ** 2)))

    def slope(self, z, y):
        return (z - y) * math.exp(-abs((z - y) / self.c))


@scalar_loss(name="tests_half_squared")
class Planted(NamedTuple):
    """The squared loss, right in everything; tests replace one method or fact at a time."""

    convex = True
    smoothness = 1.0
    self_concordance = 0.0

    def value(self, z, y):
        return 0.5 * (z - y) * (z - y)

    def slope(self, z, y):
        return z - y

    def curvature(self, z, y):
        return 1.0

    def conjugate(self, u, y):
        return 0.5 * u * u + u * y


@pytest.fixture
def plant():
    """A fresh copy of `Planted` with some attributes replaced, forgotten by the registry afterwards."""
    made = []

    def make(**changes):
        body = {k: v for k, v in vars(Planted).items() if k in ("value", "slope", "curvature", "conjugate")}
        facts = {"convex": True, "smoothness": 1.0, "self_concordance": 0.0, **changes}
        cls = NamedTuple("Copy", [])  # noqa: UP014
        for key, attribute in {**body, **facts}.items():
            if attribute is None:
                continue
            setattr(cls, key, attribute)
        name = f"tests_copy_{len(made)}"
        made.append(name)
        return scalar_loss(name=name)(cls)()

    yield make
    for name in made:
        SCALAR_LOSSES.pop(name)


def failing(report):
    return {finding.check for finding in report.failures}


def test_welsch_passes():
    for c in (1.0, 2.0, 0.5):
        report = check_loss(Welsch(c))
        assert report.ok, str(report)
        assert report["convexity"].message == "not convex, and not stated to be"
        assert "0.9999" in report["smoothness"].message or "1 seen" in report["smoothness"].message
        assert report["bounded slope"].message.startswith("|slope| <= ")


def test_a_wrong_slope_is_found_with_its_worst_sample():
    report = check_loss(WrongWelsch(1.0))
    assert not report.ok
    assert "slope" in failing(report)
    worst = report["slope"].worst
    z, y = worst["z"], worst["y"]
    assert worst["got"] == pytest.approx(WrongWelsch(1.0).slope(z, y), rel=1e-12)
    assert worst["expected"] == pytest.approx(Welsch(1.0).slope(z, y), abs=1e-5)
    assert abs(worst["got"] - worst["expected"]) > 0.05
    text = str(report)
    assert "FAIL  slope             differs from the differences of the value (worst at z = " in text
    assert f"z = {z:.6g}, y = {y:.6g}" in text
    assert text.startswith("WrongWelsch(c=1.0): ")


def test_the_right_loss_passes(plant):
    report = check_loss(plant())
    assert report.ok, str(report)
    assert report["bounded slope"].verdict == "note"
    assert "all checks passed" in str(report)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"slope": lambda self, z, y: 1.0001 * (z - y)}, "slope"),
        ({"slope": lambda self, z, y: y - z}, "slope"),
        ({"slope": lambda self, z, y: z - y + (1e-3 if z > 5.0 else 0.0)}, "slope"),
        ({"slope": lambda self, z, y: math.nan if z > 8.0 else z - y}, "slope"),
        ({"curvature": lambda self, z, y: 1.001}, "curvature"),
        ({"curvature": lambda self, z, y: -1.0}, "curvature"),
        ({"conjugate": lambda self, u, y: 0.5 * u * u - u * y}, "conjugate"),
        ({"conjugate": lambda self, u, y: 0.5 * u * u + u * y + 1e-6}, "conjugate"),
        ({"conjugate": lambda self, u, y: 0.49 * u * u + u * y}, "Fenchel-Young"),
        ({"conjugate": lambda self, u, y: math.inf if u > 3.0 else 0.5 * u * u + u * y}, "conjugate"),
        ({"conjugate": lambda self, u, y: math.nan}, "conjugate"),
        ({"lower": 1e-3}, "lower"),
        ({"value": lambda self, z, y: 0.5 * (z - y) * (z - y) - 0.1}, "lower"),
        ({"value": lambda self, z, y: math.nan if z > 8.0 else 0.5 * (z - y) * (z - y)}, "lower"),
        ({"smoothness": 0.999}, "smoothness"),
        (
            {
                "value": lambda self, z, y: 1.0 - math.cos(z - y),
                "slope": lambda self, z, y: math.sin(z - y),
                "curvature": lambda self, z, y: math.cos(z - y),
                "conjugate": None,
                "self_concordance": math.inf,
            },
            "convexity",
        ),
        (
            {
                "value": lambda self, z, y: math.log(math.cosh(z - y)),
                "slope": lambda self, z, y: math.tanh(z - y),
                "curvature": lambda self, z, y: 1.0 / math.cosh(z - y) ** 2,
                "conjugate": None,
                "self_concordance": 1.9,
            },
            "self-concordance",
        ),
    ],
)
def test_each_planted_fault_is_found(plant, changes, expected):
    report = check_loss(plant(**changes))
    assert expected in failing(report), str(report)
    assert report[expected].worst, "a failure shows its sample"


def test_the_right_self_concordance_of_log_cosh_passes(plant):
    """The constant is 2: the test above at 1.9 fails for the right reason."""
    report = check_loss(
        plant(
            value=lambda self, z, y: abs(z - y) + math.log1p(math.exp(-2 * abs(z - y))) - math.log(2.0),
            slope=lambda self, z, y: math.tanh(z - y),
            curvature=lambda self, z, y: 4.0 / (math.exp(z - y) + math.exp(y - z)) ** 2,
            conjugate=None,
            self_concordance=2.0,
        )
    )
    assert report.ok, str(report)


def test_convexity_that_could_be_stated_is_noted(plant):
    report = check_loss(plant(convex=False, smoothness=math.nan))
    assert report.ok
    assert report["convexity"].verdict == "note"
    assert "'convex = True'" in report["convexity"].message
    assert "at least 1" in report["smoothness"].message


def test_conjugate_that_should_be_infinite_outside_is_found(plant):
    """The absolute loss, whose conjugate lacks its domain."""
    report = check_loss(
        plant(
            value=lambda self, z, y: abs(z - y),
            slope=lambda self, z, y: 1.0 if z > y else (-1.0 if z < y else 0.0),
            curvature=None,
            conjugate=lambda self, u, y: u * y,
            smoothness=math.inf,
            self_concordance=math.inf,
        )
    )
    assert failing(report) == {"Fenchel-Young"}
    assert abs(report["Fenchel-Young"].worst["u"]) > 1.0


needs_compiler = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@needs_compiler
def test_compiled_and_plain_that_differ_are_found(plant):
    """A global number is frozen into compiled code; what changes it afterwards only plain Python sees."""
    loss = plant(slope=_scaled)
    try:
        assert check_loss(loss).ok
        globals()["_SCALE"] = 1.5
        assert failing(check_loss(loss)) == {"plain Python"}
    finally:
        globals()["_SCALE"] = 1.0


_SCALE = 1.0


def _scaled(self, z, y):
    return _SCALE * (z - y)


def test_planted_faults_in_a_vector_loss():
    faults = {}

    class Wrong(NamedTuple):
        convex = True
        smoothness = 0.5
        targets = "class"
        link = "softmax"

        def value_slope(self, z, y, out):
            v = value_slope(Softmax(), z, y, out)
            out[0] += 0.01
            return v

    class TooSmooth(NamedTuple):
        convex = True
        smoothness = 0.4
        targets = "class"

        def value_slope(self, z, y, out):
            return value_slope(Softmax(), z, y, out)

    class WrongConjugate(NamedTuple):
        convex = True
        smoothness = 0.5
        targets = "class"

        def value_slope(self, z, y, out):
            return value_slope(Softmax(), z, y, out)

        def conjugate(self, u, y):
            return 0.0 * u[0]

    try:
        for cls in (Wrong, TooSmooth, WrongConjugate):
            report = check_loss(vector_loss(f"tests_{cls.__name__}")(cls), n_samples=400)
            faults[cls.__name__] = {check.split(" (")[0] for check in failing(report)}
    finally:
        for cls in (Wrong, TooSmooth, WrongConjugate):
            VECTOR_LOSSES.pop(f"tests_{cls.__name__}", None)
    assert {"slope"} <= faults["Wrong"]
    assert faults["TooSmooth"] == {"smoothness"}
    assert {"conjugate"} <= faults["WrongConjugate"]


def _helper(x):
    return x


@needs_compiler
@pytest.mark.parametrize(
    ("slope", "line", "reason"),
    [
        (lambda self, z, y: np.linalg.expm(z), "np.linalg.expm(z)", "has no attribute 'expm'"),
        (lambda self, z, y: self.missing * z, "self.missing * z", "Copy has no field 'missing'"),
        (lambda self, z, y: _helper(z), "_helper(z)", "the name '_helper' is not a number"),
        (lambda self, z, y: sum(z), "sum(z)", r"sum does not take these types: sum\(float64\)"),
        (lambda self, z, y: undefined_name(z), "undefined_name(z)", "'undefined_name' is not defined"),  # noqa: F821
        (lambda self, z, y: None, "lambda self, z, y: None", "it returns nothing. Return a float on every path"),
        (lambda self, z, y: np.where(z > 0, z, y), "np.where", r"it returns array\(float64, 0d, C\)"),
        (lambda self, z, y: math.exp(z, 2), "math.exp(z, 2)", "exp does not take these types"),
        (lambda self, z, y: "high" if z > y else z, '"high" if', "(unify|on one path)"),
    ],
)
def test_a_method_that_does_not_compile_is_named_in_one_line(plant, slope, line, reason):
    loss = plant(slope=slope)
    for call in (lambda: check_loss(loss), lambda: require_compiled(loss)):
        with pytest.raises(LossCompileError, match=reason) as caught:
            call()
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(
            ("Copy.slope cannot be compiled at line ", "Copy.slope must return one number at line ")
        )
        assert line in message
        number = int(message.split("at line ")[1].split(" ")[0])
        assert slope.__code__.co_firstlineno == number


def test_samples_arguments():
    assert check_loss("squared", n_samples=10).ok
    assert check_loss(Squared, rng=np.random.default_rng(3), targets=[1.0, 5.0]).ok
    with pytest.raises(InvalidParameterError, match=r"^n_samples: expected an integer of at least 10"):
        check_loss("squared", n_samples=3)
    with pytest.raises(InvalidParameterError, match=r"^loss: expected one of .* Did you mean 'logistic'"):
        check_loss("logistc")
    a, b = check_loss("huber", rng=1), check_loss("huber", rng=1)
    assert str(a) == str(b)
    with pytest.raises(KeyError, match="nothing"):
        a["nothing"]
