"""Names at the ends of curves: places that do not overlap, and colours and dashes that tell curves apart.

The colours are those of Okabe and Ito (2008), Color universal design, without the yellow that is lost on white; beyond
seven curves dashes tell equal colours apart, so that no difference rests on colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6b6b6b")
DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (1.5, 1.5), (6.0, 2.0, 1.5, 2.0))


def style(i: int) -> tuple[str, tuple[float, ...]]:
    """Colour and dashes of the i-th curve.

    >>> style(0), style(8)
    (('#0072b2', ()), ('#d55e00', (5.0, 2.0)))
    """
    return COLOURS[i % len(COLOURS)], DASHES[(i // len(COLOURS)) % len(DASHES)]


def darker(colour: str, share: float = 0.78) -> str:
    """A colour for text: letters are thinner than lines.

    >>> darker("#56b4e9")
    '#438cb5'
    """
    if not (colour.startswith("#") and len(colour) == 7):
        return colour
    return "#" + "".join(f"{int(int(colour[k : k + 2], 16) * share):02x}" for k in (1, 3, 5))


def spread(wanted: Sequence[float], least: float, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Places near the wanted ones, in the same order, ``least`` apart, and from low to high where they fit.

    Labels that would touch form a group around the mean of what its members want; groups that touch are joined.
    Cost: O(n log n).

    Examples
    --------
    >>> [round(place, 2) for place in spread([0.5, 0.5, 0.9], 0.1)]
    [0.45, 0.55, 0.9]
    >>> spread([0.0, 0.0], 0.25)
    [0.0, 0.25]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    least = min(least, (high - low) / max(len(order) - 1, 1))
    groups: list[tuple[float, list[int]]] = []  # where the first of the group stands, and its members

    def place(members: list[int]) -> float:
        size = least * (len(members) - 1)
        middle = sum(wanted[i] for i in members) / len(members)
        return min(max(middle - size / 2.0, low), high - size)

    for i in order:
        groups.append((place([i]), [i]))
        while len(groups) > 1 and groups[-2][0] + least * len(groups[-2][1]) > groups[-1][0] + 1e-12:
            last = groups.pop()[1]
            members = groups.pop()[1] + last
            groups.append((place(members), members))
    found = [0.0] * len(order)
    for first, members in groups:
        for k, i in enumerate(members):
            found[i] = first + least * k
    return found
