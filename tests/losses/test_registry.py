"""Registration: what is asked of a loss class, and what is said where it is not met."""

import math
from typing import NamedTuple

import pytest

from steepest.exceptions import InvalidParameterError
from steepest.losses import FACTS, SCALAR_LOSSES, VECTOR_LOSSES, Huber, Logistic, get_loss, has, scalar_loss


@pytest.fixture(autouse=True)
def _same_tables():
    before = dict(SCALAR_LOSSES), dict(VECTOR_LOSSES)
    yield
    SCALAR_LOSSES.clear(), VECTOR_LOSSES.clear()
    SCALAR_LOSSES.update(before[0]), VECTOR_LOSSES.update(before[1])


def test_a_bare_decorator_takes_the_name_and_the_default_facts():
    @scalar_loss
    class Mine(NamedTuple):
        scale: float = 2

        def value(self, z, y):
            return self.scale * abs(z - y)

        def slope(self, z, y):
            return self.scale

    assert Mine.name == "mine"
    assert get_loss("mine") == Mine(2.0)
    assert type(get_loss("mine").scale) is float
    for fact, default in FACTS.items():
        stated = getattr(Mine, fact)
        assert stated == default or math.isnan(stated)
    assert Mine(3)._replace(scale=4).scale == 4.0
    assert not has(Mine(), "conjugate")


def test_lookup():
    assert get_loss("huber") == Huber()
    assert get_loss(Huber) == Huber()
    given = Huber(2.0)
    assert get_loss(given) is given
    with pytest.raises(InvalidParameterError, match=r"got 'hubber'\. Did you mean 'huber'\?"):
        get_loss("hubber")
    for wrong in (3.0, object, (1.0,)):
        with pytest.raises(InvalidParameterError, match="expected a name or a registered loss"):
            get_loss(wrong)


def _value(self, z, y):
    return z


def _with(**attributes):
    cls = NamedTuple("Tried", [])  # noqa: UP014
    for name, attribute in attributes.items():
        setattr(cls, name, attribute)
    return cls


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: type("Plain", (), {"value": _value, "slope": _value}),
            "Plain: expected a NamedTuple, got a plain class",
        ),
        (lambda: _with(value=_value), r"Tried: expected a method slope\(self, z, y\), got only \['value'\]"),
        (
            lambda: _with(value=_value, slope=lambda self, x, t: x),
            r"Tried\.slope: expected the parameters \(self, z, y\)",
        ),
        (
            lambda: _with(value=_value, slope=_value, conjugate=_value),
            r"Tried\.conjugate: expected the parameters \(self, u, y\)",
        ),
        (lambda: _with(value=_value, slope=_value, _fields=("convex",)), "the fact 'convex' is a field"),
    ],
)
def test_what_is_wrong_with_a_class_is_said_where_it_is_decorated(make, message):
    with pytest.raises(InvalidParameterError, match=message):
        scalar_loss(make())


def test_the_names_of_steepest_cannot_be_taken():
    with pytest.raises(InvalidParameterError, match=r"'logistic' belongs to steepest's Logistic\. Choose another name"):
        scalar_loss(name="logistic")(_with(value=_value, slope=_value))
    assert type(get_loss("logistic")) is Logistic


def test_a_users_own_loss_may_be_defined_again():
    """As a notebook does at each run of a cell."""
    first = scalar_loss(name="again")(_with(value=_value, slope=_value))
    second = scalar_loss(name="again")(_with(value=_value, slope=_value))
    assert first is not second
    assert type(get_loss("again")) is second
