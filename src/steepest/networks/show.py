"""A graph with the value and the gradient of every node, as a table and as a picture.

Nodes stand in columns by their depth, the leaves on the left; above each line its value runs forward, in the node the
gradient of the output in it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.derivatives import gradient, leading, reached
from steepest.networks.node import FLOATS, Constant, Input, Node, Parameter, ancestors
from steepest.networks.program import Program
from steepest.networks.shaping import Reshape
from steepest.protocols import AnyArray

MOST = 400  # nodes up to which a graph is drawn
_INFIX = {"+", "-", "*", "/", "**", "@"}
_SHOWN = {"*": "\u00d7", "-": "\u2212", "/": "\u00f7", "square": "( )\u00b2", "neg": "\u2212", "sigmoid": "\u03c3"}
_WIDE, _HIGH, _ACROSS, _DOWN = 112, 56, 168, 84
_Spot = tuple[float, float]


class Shown(NamedTuple):
    """A node as it is shown."""

    label: str  # its name, or v1, v2 ...
    what: str  # "x + y", "input" ...
    kind: str  # "input" | "parameter" | "constant" | "operation"
    short: str  # what stands in the box
    value: AnyArray
    gradient: AnyArray | None
    inputs: tuple[int, ...]  # rows of the table
    depth: int
    named: bool


@dataclass(frozen=True, eq=False)
class Drawing:
    """What `Graph.show` returns: prints as a table, and draws itself in a notebook.

    Attributes
    ----------
    rows : list of Shown
        In the order of computation.

    Examples
    --------
    >>> from steepest import networks
    >>> x, y = networks.Input((), "x"), networks.Input((), "y")
    >>> print(networks.Graph(x * y + y).show(x=2.0, y=-3.0))
    node  is        value  gradient
    x     input         2        -3
    y     input        -3         3
    v1    x * y        -6         1
    v2    v1 + y       -9         1
    """

    rows: list[Shown]

    def __str__(self) -> str:
        cells = [("node", "is", "value", "gradient")]
        cells += [(row.label, row.what, brief(row.value), brief(row.gradient)) for row in self.rows]
        widths = [max(len(line[k]) for line in cells) for k in range(4)]
        return "\n".join(
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in cells
        )

    __repr__ = __str__

    def svg(self) -> str:
        """The picture, complete in itself."""
        places, ways = _layout(self.rows)
        wide = max(x for x, _ in places) + _WIDE + 20
        high = max(y for way in (places, *ways) for _, y in way) + _HIGH + 34
        body = [_line(way) for way in ways]
        body += [_box(place, row) for place, row in zip(places, self.rows, strict=True)]
        names = ", ".join(f"{row.label} = {row.what}: {brief(row.value)}" for row in self.rows)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
            f'style="max-width:{wide}px;width:100%;height:auto;background:#fff;font-family:system-ui,sans-serif">'
            f"<title>computational graph</title><desc>{escape(names)}</desc>"
            '<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a94a0"/></marker></defs>'
            f"{''.join(body)}{_key(high)}</svg>"
        )

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("node", "is", "value", "gradient"))
        lines = "".join(
            f"<tr><td>{escape(row.label)}</td><td>{escape(row.what)}</td><td>{escape(brief(row.value))}</td>"
            f"<td>{escape(brief(row.gradient))}</td></tr>"
            for row in self.rows
        )
        table = f"<details><summary>as a table</summary><table><tr>{head}</tr>{lines}</table></details>"
        return f"<div>{self.svg()}{table}</div>"


def brief(array: AnyArray | None) -> str:
    """A number to six digits; of an array shape and root mean square.

    >>> import numpy as np
    >>> brief(np.array(0.5)), brief(np.array([3.0, 4.0])), brief(np.ones((20, 3))), brief(None)
    ('0.5', '[3, 4]', '(20, 3), rms 1', '')
    """
    if array is None:
        return ""
    if array.size == 1:
        return f"{array.item():.6g}"
    if array.ndim == 1 and array.size <= 3:
        return f"[{', '.join(f'{v:.4g}' for v in array.tolist())}]"
    size = "(" + ", ".join(str(n) for n in array.shape) + ("," if array.ndim == 1 else "") + ")"
    return f"{size}, rms {_root_mean_square(array):.4g}"


def _root_mean_square(array: AnyArray) -> float:
    """Of what can be squared; infinite beyond, without a warning: diverging graphs are shown too."""
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def draw(
    output: Node, inputs: Mapping[str, Input], parameters: Mapping[str, Parameter], bind: Mapping[Node, AnyArray]
) -> Drawing:
    """Compute every node of a graph and the gradient of the output in it."""
    order = ancestors([output])
    if len(order) > MOST:
        raise InvalidParameterError(
            f"show: expected a graph of at most {MOST} nodes, got {len(order)}. Show a part of it: Graph(node).show()."
        )
    moving = reached(order, [n for n in order if isinstance(n, Input | Parameter) and n.dtype in FLOATS])
    wanted: list[Node] = []
    slopes: list[Node] = []
    if output.shape == () and output in moving:
        towards = leading(output)
        wanted = [node for node in order if node in moving and node in towards]
        slopes = gradient(output, wanted)
    program = Program(order, slopes, bind=bind)
    program.run()
    found = dict(zip(wanted, slopes, strict=True))
    names: dict[Node, str] = {node: name for table in (inputs, parameters) for name, node in table.items()}
    labels: dict[Node, str] = {}
    rows: list[Shown] = []
    index: dict[Node, int] = {}
    count = 0
    for node in order:
        if isinstance(node.operation, Reshape) and node is not output and not node.name:  # the same numbers
            labels[node], index[node] = labels[node.inputs[0]], index[node.inputs[0]]
            continue
        depth = 1 + max((rows[index[x]].depth for x in node.inputs), default=-1)
        if node.operation is None:
            kind = "input" if isinstance(node, Input) else "parameter" if isinstance(node, Parameter) else "constant"
            label = names.get(node, node.name)
            if isinstance(node, Constant) and not label:
                label = f"{float(node.value):g}" if node.shape == () else f"constant {node.shape}"
            what, short = kind, label
        else:
            kind, what = "operation", _formula(node, labels)
            count += not node.name
            label = node.name or f"v{count}"
            short = _SHOWN.get(node.operation.symbol, node.operation.symbol)
        labels[node] = label
        index[node] = len(rows)
        slope = program.values[found[node]].copy() if node in found else None
        value = program.values[node].copy()
        rows.append(
            Shown(label, what, kind, short, value, slope, tuple(index[x] for x in node.inputs), depth, bool(node.name))
        )
    return Drawing(rows)


def _formula(node: Node, labels: Mapping[Node, str]) -> str:
    assert node.operation is not None
    symbol, operands = node.operation.symbol, [labels[x] for x in node.inputs]
    if symbol in _INFIX:
        return f" {symbol} ".join(operands)
    return f"-{operands[0]}" if symbol == "neg" else f"{symbol}({', '.join(operands)})"


# --------------------------------------------------------------------------------------------------- picture


def _layout(rows: list[Shown]) -> tuple[list[_Spot], list[list[_Spot]]]:
    """The upper left corners of the boxes, and for each edge the spots that it goes through.

    Columns go by depth, a leaf stands one before its first reader; an edge over several columns has a place of its own
    in each between, so that it passes no box.
    """
    column = [row.depth for row in rows]
    for k in range(len(rows) - 1, -1, -1):
        readers = [column[r] for r, row in enumerate(rows) if k in row.inputs]
        if not rows[k].inputs and readers:
            column[k] = min(readers) - 1
    before: list[list[int]] = [[] for _ in rows]
    after: list[list[int]] = [[] for _ in rows]
    ways = []
    for k, row in enumerate(rows):
        for i in row.inputs:
            way = [i]
            for c in range(column[i] + 1, column[k]):
                column.append(c)
                before.append([])
                after.append([])
                way.append(len(column) - 1)
            way.append(k)
            for start, end in zip(way[:-1], way[1:], strict=True):
                after[start].append(end)
                before[end].append(start)
            ways.append(way)
    groups: dict[int, list[int]] = {}
    for k, c in enumerate(column):
        groups.setdefault(c, []).append(k)
    height = [0.0] * len(column)
    for group in groups.values():
        for place, k in enumerate(group):
            height[k] = place - (len(group) - 1) / 2
    for sweep in range(12):  # each to the middle of its neighbours; those of one column stay apart
        near = before if sweep % 2 == 0 else after
        for c in sorted(groups, reverse=sweep % 2 == 1):
            group = groups[c]
            aim = {k: _middle([height[j] for j in near[k]], height[k]) for k in group}
            group.sort(key=lambda k: (aim[k], k))
            spot = -np.inf
            for k in group:
                spot = max(aim[k], spot + 1.0)
                height[k] = spot
            shift = sum(aim[k] - height[k] for k in group) / len(group)
            for k in group:
                height[k] += shift
    top, left = min(height), min(column)
    spots = [(20.0 + _ACROSS * (c - left), 16.0 + _DOWN * (h - top)) for c, h in zip(column, height, strict=True)]
    return spots[: len(rows)], [[spots[k] for k in way] for way in ways]


def _middle(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _line(way: list[_Spot]) -> str:
    x, y = way[0][0] + _WIDE, way[0][1] + _HIGH / 2
    path = f"M{x:.1f} {y:.1f}"
    for spot in way[1:]:
        to, at = spot[0], spot[1] + _HIGH / 2
        bend = max(20.0, (to - x) / 2)
        path += f"C{x + bend:.1f} {y:.1f} {to - bend:.1f} {at:.1f} {to:.1f} {at:.1f}"
        if spot is not way[-1]:
            path += f"H{to + _WIDE:.1f}"
        x, y = to + _WIDE, at
    return f'<path d="{path}" fill="none" stroke="#8a94a0" stroke-width="1.4" marker-end="url(#to)"/>'


_FILL = {"input": "#e8f1fd", "parameter": "#fdf0e1", "constant": "#f1f3f5", "operation": "#ffffff"}


def _box(place: tuple[float, float], row: Shown) -> str:
    x, y = place
    middle = x + _WIDE / 2
    named = row.kind == "operation" and row.named
    title = f"{row.label} = {row.short}" if named else row.short
    lines = [_short(row.value), _short(row.gradient)]
    return (
        f"<g><title>{escape(row.label)}: {escape(row.what)}; value {escape(brief(row.value))}; gradient "
        f'{escape(brief(row.gradient) or "none")}</title><rect x="{x:.1f}" y="{y:.1f}" width="{_WIDE}" '
        f'height="{_HIGH}" rx="7" fill="{_FILL[row.kind]}" stroke="#5a6572" stroke-width="1.2"/>'
        f'<text x="{middle:.1f}" y="{y + 17:.1f}" text-anchor="middle" font-size="14" font-weight="600" '
        f'fill="#1b2129">{escape(title)}</text>'
        f'<text x="{middle:.1f}" y="{y + 33:.1f}" text-anchor="middle" font-size="12" fill="#1a5fb4">{escape(lines[0])}'
        f'</text><text x="{middle:.1f}" y="{y + 48:.1f}" text-anchor="middle" font-size="12" fill="#b3400a">'
        f"{escape(lines[1])}</text></g>"
    )


def _short(array: AnyArray | None) -> str:
    """What fits into a box."""
    if array is None:
        return ""
    if array.size == 1:
        return f"{array.item():.5g}"
    if array.ndim == 1 and array.size <= 2:
        return brief(array)
    size = "\u00d7".join(str(n) for n in array.shape)
    return f"{size}, rms {_root_mean_square(array):.2g}"


def _key(high: float) -> str:
    return (
        f'<text x="20" y="{high - 8:.1f}" font-size="12" fill="#5a6572">in each box: <tspan fill="#1a5fb4">the value'
        '</tspan>, below it <tspan fill="#b3400a">the gradient of the output</tspan></text>'
    )
