"""Rates that fall with the rows seen, epoch by epoch, as scikit-learn's networks have them."""
# mypy: disable-error-code="misc"
# `_make` validates, as that of a NamedTuple does not.

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from steepest.protocols import FloatArray
from steepest.solvers.schedules import BaseSchedule, RobbinsMonro, check_number


class _Rows(NamedTuple):
    eta0: float
    power: float
    rows: int
    steps: int


class InverseRows(BaseSchedule, _Rows):
    """``eta0 / (1 + rows e)^power`` in epoch e = 0, 1, ...: constant within an epoch.

    Meets both conditions for powers above 1/2 up to 1.

    Parameters
    ----------
    eta0, power : float
    rows, steps : int
        Of an epoch.

    Examples
    --------
    >>> InverseRows(1.0, 0.5, 99, 2).rates(0, 4)
    array([1. , 1. , 0.1, 0.1])
    """

    __slots__ = ()

    def __new__(cls, eta0: float = 0.01, power: float = 0.5, rows: int = 1, steps: int = 1) -> InverseRows:
        check_number("eta0", eta0)
        check_number("power", power, open_low=False)
        check_number("rows", rows, low=1, open_low=False)
        check_number("steps", steps, low=1, open_low=False)
        return super().__new__(cls, float(eta0), float(power), int(rows), int(steps))

    @property
    def robbins_monro(self) -> RobbinsMonro:
        return RobbinsMonro(self.power <= 1.0, self.power > 0.5)

    def _law(self, t: FloatArray) -> FloatArray:
        return np.asarray(self.eta0 / (1.0 + self.rows * np.floor(t / self.steps)) ** self.power)
