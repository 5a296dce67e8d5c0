"""When more epochs of a stochastic method are not worth their time: stagnation, which is no proof."""

from __future__ import annotations

import math

FIRST = 64  # rounds before which nothing is said
PROSPECT = 4.0  # doublings of the rounds within which a gap must be expected to close


class Doublings:
    """Compares the best objective with that of half as many rounds.

    Errors of stochastic methods fall as powers of the rounds, so progress is what a doubling brings.  Where it brings
    less than ``tol`` of the objective, rounds go on only as long as the gap, at its rate of the last doubling, will
    meet ``tol`` within four more and within the limit.

    Parameters
    ----------
    tol : float
        Relative; nothing is said for 0 or less, which ask for all rounds.
    max_rounds : int or None

    Examples
    --------
    >>> watch = Doublings(1e-3, 1000)
    >>> said = [watch.see(rounds, 1.0 + 0.01 / (rounds + 1), 0.5) for rounds in (0, 1, 2, 4, 8, 16, 32, 64)]
    >>> said[:-1] == [None] * 7
    True
    >>> said[-1]
    'the objective fell by 0.00015 of itself from round 32 to 64: this is stagnation, not proof'
    """

    def __init__(self, tol: float, max_rounds: int | None = None) -> None:
        self.tol = tol
        self.most = math.inf if max_rounds is None else float(max_rounds)
        self.seen: list[tuple[int, float, float]] = []  # rounds, best objective, relative gap

    def see(self, rounds: int, value: float, relative: float) -> str | None:
        """A measured round; why the run should end, where it should.  O(log rounds) where rounds are geometric."""
        if not self.tol > 0.0 or not math.isfinite(value):
            return None
        gap = relative if relative >= 0.0 else math.inf
        if self.seen:
            value = min(value, self.seen[-1][1])  # but not the gap: those of early rounds are estimates
        self.seen.append((rounds, value, gap))
        if rounds < FIRST:
            return None
        half = next((entry for entry in reversed(self.seen) if 2 * entry[0] <= rounds + 1), None)
        if half is None:
            return None
        then, before, gap_before = half
        gain = (before - value) / max(abs(value), 1e-300)
        if gain >= self.tol or self._closing(rounds, gap, gap_before):
            return None
        fell = f"fell by {gain:.2g} of itself" if gain > 0.0 else "did not fall"
        return f"the objective {fell} from round {then} to {rounds}: this is stagnation, not proof"

    def _closing(self, rounds: int, gap: float, before: float) -> bool:
        """Whether the gap is on its way."""
        if gap <= self.tol:
            return True
        if not gap < 0.95 * before or not math.isfinite(before):
            return False
        doublings = math.log(gap / self.tol) / math.log(before / gap)
        return doublings <= PROSPECT and rounds * 2.0**doublings <= self.most
