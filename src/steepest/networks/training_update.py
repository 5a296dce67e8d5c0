"""The update of a step: clipping, penalty, decay and a rule on the flat vector, by the threads of a team.

For networks of some 100,000 weights a rule waits for memory: it reads and writes up to seven numbers a weight, which
fit into no core's cache.  Two threads have two caches.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from steepest.exceptions import InvalidParameterError
from steepest.kernels.network_update import square_sum, update
from steepest.networks.team import Team
from steepest.rules import get_rule, narrowed, rules_of_networks, unpenalised


class Move:
    """Moves a flat vector along its gradient.

    Parameters
    ----------
    rule : rule
    size, decayed : int
        Of the vector, and of its first part, which the penalty and decay touch.
    dtype : dtype
    l2, decay, clip_norm, clip_value
        As of `steepest.networks.training.Training`.

    Attributes
    ----------
    rule : rule
        As the vector's first part has it, of its dtype.
    """

    def __init__(
        self,
        rule: Any,
        size: int,
        decayed: int,
        dtype: Any,
        *,
        l2: float,
        decay: float,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        self.l2, self.decay = number("l2", l2), number("decay", decay)
        self.clip_norm = math.inf if clip_norm is None else number("clip_norm", clip_norm, positive=True)
        self.clip_value = math.inf if clip_value is None else number("clip_value", clip_value, positive=True)
        self._absorbed = "decay" in rule.absorbs  # the rule decays weights itself
        if self._absorbed and self.decay > 0.0:
            rule = rule._replace(decay=self.decay)
        self.rule, self._free = narrowed(rule, dtype), narrowed(unpenalised(rule), dtype)
        self.size, self.decayed = size, decayed

    def __call__(self, team: Team, rate: float, t: int) -> float:
        """Step t from 1 on, at a rate, of the team's vector; the squared norm of the weights before."""
        scale, limit, step = 1.0, self.clip_value, float(t)
        if self.clip_norm < math.inf:
            length = math.sqrt(square_sum(team.g, limit))
            scale = 1.0 if length <= self.clip_norm else self.clip_norm / length
        keep = 1.0 if self._absorbed else max(0.0, 1.0 - rate * self.decay)
        squares = team.update(0, self.decayed, self.l2, scale, limit, keep, rate, step)
        update(self._free, team.w, team.slots, team.g, self.decayed, self.size, 0.0, scale, limit, 1.0, rate, step)
        return squares


def stepping(rule: Any) -> Any:
    """The rule, where it can train a network."""
    chosen = get_rule(rule)
    if chosen.not_for_networks:
        raise InvalidParameterError(
            f"rule: expected one of {rules_of_networks()}, got '{chosen.name}', which {chosen.not_for_networks}. "
            "Use 'adam'."
        )
    return chosen


def number(name: str, given: Any, positive: bool = False) -> float:
    """A finite number that is not negative."""
    good = isinstance(given, numbers.Real) and not isinstance(given, bool) and 0.0 <= float(given) < math.inf
    if not good or (positive and float(given) == 0.0):
        raise InvalidParameterError(
            f"{name}: expected a number {'>' if positive else '>='} 0, got {given!r}. Leave it out for none."
        )
    return float(given)
