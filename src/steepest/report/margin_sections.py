"""The section of a report about margins: width, support vectors, slacks and multipliers; and the same in a line."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.exceptions import DataError
from steepest.protocols import AnyArray, FloatArray
from steepest.report.margin_plane import edges
from steepest.report.margins import SLACK, Counts, Multipliers, is_margin_model, multipliers
from steepest.report.svg import Series, line_chart
from steepest.report.svg_columns import Group, column_chart
from steepest.report.words import count, number

if TYPE_CHECKING:
    from steepest.readers import Dataset

MOST_CLASSES = 30
MOST_ROWS = 4000  # of a curve of multipliers
BINS = 24
STYLES = ("main", "second")


class _Facts:
    """A margin model as the section shows it."""

    def __init__(self, model: Any, data: Dataset | None) -> None:
        self.model = model
        signed = np.atleast_2d(model.dual_coef_)
        self.n = signed.shape[1]
        y = data.y if data is not None and data.n_samples == self.n else None
        try:
            self.duals: Multipliers = multipliers(model, y if getattr(model, "classes_", None) is not None else None)
        except DataError:  # rows of another data set
            y, self.duals = None, multipliers(model)
        self.y: AnyArray | None = y
        label: Callable[[Any], str] = str if data is None else data.label_name
        self.names = [label(name) for name in getattr(model, "classes_", ())]
        slacks = np.asarray(model.slacks_, dtype=np.float64)
        self.slacks: FloatArray = slacks[None, :] if slacks.ndim == 1 else slacks.T
        self.support = len(model.support_)
        self.counts = [self.duals.counts(problem) for problem in range(len(signed))]

    @property
    def squared(self) -> bool:
        """Whether multipliers have no upper limit."""
        hard = bool(getattr(self.model, "hard_margin", False))
        return hard or str(self.model.loss).startswith("squared")


def margin_words(estimator: Any, data: Dataset | None = None) -> list[str]:
    """Width, support vectors and slacks in one or two lines; none for models that have no margin.

    Parameters
    ----------
    estimator : fitted estimator
    data : Dataset, optional
        The rows of the fit.
    """
    if not is_margin_model(estimator):
        return []
    facts = _Facts(estimator, data)
    lines = []
    share = f"{count(facts.support, 'support vector')} of {facts.n:,} rows"
    if not facts.names:
        out = int((facts.slacks[0] > SLACK * facts.slacks[0].max(initial=0.0)).sum())
        return [f"tube: epsilon {estimator.epsilon:g}; {out:,} rows outside; {share}{_limits(facts, facts.counts[0])}"]
    widths = np.atleast_1d(np.asarray(estimator.margin_, dtype=np.float64))
    by_class = ", ".join(f"{name} {n:,}" for name, n in zip(facts.names[:8], estimator.n_support_, strict=False))
    more = ", ..." if len(facts.names) > 8 else ""
    if len(widths) == 1:
        lines.append(f"margin: 2/|w| = {widths[0]:.4g}; {share} ({by_class}){_limits(facts, facts.counts[0])}")
        inside, wrong = int((facts.slacks[0] > SLACK).sum()), int((facts.slacks[0] > 1.0).sum())
        lines.append(f"slacks: {inside:,} rows inside the margin or beyond, {wrong:,} of them on the wrong side")
    else:
        finite = widths[np.isfinite(widths)]
        kind = "2/|w|" if widths.ndim == 1 else "2/|w - v| of two classes"
        between = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "none to none"
        lines.append(f"margins: {kind} from {between}; {share} ({by_class}{more})")
    return lines


def _limits(facts: _Facts, counts: Counts) -> str:
    return (
        "" if facts.duals.limits is None else f"; multipliers: {counts.at_limit:,} at the limit, {counts.free:,} free"
    )


def margin_section(estimator: Any, data: Dataset | None = None) -> str:
    """The section as HTML; "" for models without margins.

    Parameters
    ----------
    estimator : fitted estimator, or the view of one
    data : Dataset, optional
        The rows of the fit: for counts by class, and for residuals.
    """
    if not is_margin_model(estimator):
        return ""
    facts = _Facts(estimator, data)
    if not facts.names:
        return f"<h2>Tube</h2>{_regression(facts, data)}"
    several = len(np.atleast_1d(estimator.margin_)) > 1
    heading = "Margins" if several else "Margin"
    return f"<h2>{heading}</h2>{_several(facts) if several else _two(facts)}"


def _boxes(pairs: list[tuple[str, str]]) -> str:
    inner = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in pairs)
    return f'<dl class="figures">{inner}</dl>'


def _support_boxes(facts: _Facts) -> list[tuple[str, str]]:
    boxes = [("support vectors", f"{facts.support:,} of {facts.n:,}")]
    if facts.duals.limits is not None and len(facts.counts) == 1:
        boxes += [("at the limit C", f"{facts.counts[0].at_limit:,}"), ("free", f"{facts.counts[0].free:,}")]
    return boxes


def _two(facts: _Facts) -> str:
    model, slack = facts.model, facts.slacks[0]
    hard = bool(getattr(model, "hard_margin", False))
    boxes = [("width 2/|w|", f"{float(np.ravel(model.margin_)[0]):.4g}"), *_support_boxes(facts)]
    inside = int((slack > SLACK).sum())
    boxes += [] if hard else [("with a slack", f"{inside:,}"), ("on the wrong side", f"{int((slack > 1.0).sum()):,}")]
    parts = [_boxes(boxes)]
    groups = _by_class(facts)
    if not hard:
        parts.append(f'<div class="card">{_class_table(facts, groups)}</div>')
    charts = [_slack_chart(facts, groups), _dual_chart(facts, groups)]
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts if chart)
    parts.append(f'<div class="grid">{cards}</div>')
    said = "A hard margin: no row is inside." if hard else _explained(facts)
    return "".join(parts) + f'<p class="soft">{said}</p>'


def _explained(facts: _Facts) -> str:
    width = "The width is in units of the columns that the model was fitted on."
    if facts.squared:
        return f"{width} With squared slacks a multiplier is 2 C s times the slack of its row; there is no upper limit."
    if facts.duals.limits is None:
        return f"{width} The rows have weights, so each has its own limit of its multiplier."
    return (
        f"{width} Rows with a slack have their multiplier at the limit C s, rows on a margin line are free, and all "
        "others have none: the model would be the same without them."
    )


def _by_class(facts: _Facts) -> list[tuple[str, AnyArray]]:
    codes = facts.duals.codes
    if codes is None:  # the sign of a multiplier tells the class of a support vector
        return [("rows", np.ones(facts.n, dtype=bool))]
    return [(name, codes == code) for code, name in enumerate(facts.names)]


def _class_table(facts: _Facts, groups: list[tuple[str, AnyArray]]) -> str:
    slack = facts.slacks[0]
    limited = facts.duals.limits is not None
    heads = ["class", "rows", "support vectors", *(["at the limit C", "free"] if limited else []), "with a slack",
             "on the wrong side", "sum of slacks"]  # fmt: skip
    rows = []
    for code, (name, mine) in enumerate(groups):
        counts = facts.duals.counts(0, code if facts.duals.codes is not None else None)
        cells = [int(mine.sum()), counts.support, *([counts.at_limit, counts.free] if limited else [])]
        cells += [int((slack[mine] > SLACK).sum()), int((slack[mine] > 1.0).sum())]
        rows.append([escape(name), *(f"{cell:,}" for cell in cells), number(float(slack[mine].sum()))])
    return _table(heads, rows)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _slack_chart(facts: _Facts, groups: list[tuple[str, AnyArray]]) -> str:
    slack = facts.slacks.max(axis=0)
    shown = slack > SLACK
    if not shown.any() or getattr(facts.model, "hard_margin", False):
        return ""
    bins = edges(slack[shown], np.array([0.0, 1.0]), BINS)
    columns = [
        Group(name, np.histogram(slack[mine & shown], bins)[0], STYLES[i % 2]) for i, (name, mine) in enumerate(groups)
    ]
    if len(groups) > 2:
        columns = [Group("rows", np.histogram(slack[shown], bins)[0], "main")]
    without = facts.n - int(shown.sum())
    together = getattr(facts.model, "multi_class", "ovr") != "ovr"
    said = "slack" if together else "slack [1 - yz]+; beyond 1: the wrong side"
    return column_chart(
        bins,
        columns,
        title="Slacks",
        x_label=f"{said}; {without:,} rows have none",
        levels=[] if together else [1.0],
        describe=f"{int(shown.sum())} rows have a slack, the largest is {number(float(slack.max()))}.",
    )


def _dual_chart(facts: _Facts, groups: list[tuple[str, AnyArray]]) -> str:
    a = np.abs(facts.duals.values[0])
    limits = facts.duals.limits
    if limits is not None:
        a = np.divide(a, limits, out=np.zeros_like(a), where=limits > 0.0)
    largest = float(a.max(initial=0.0))
    if not largest > 0.0:
        return ""
    series = []
    for i, (name, mine) in enumerate(groups):
        values = np.sort(a[mine])[::-1]
        values = values[: min(int((values > 1e-9 * largest).sum()) + 1, MOST_ROWS)]
        series.append(Series(f"{name} ({int((a[mine] > 1e-9 * largest).sum()):,})", np.arange(1.0, len(values) + 1.0),
                             values, STYLES[i % 2]))  # fmt: skip
    return line_chart(
        series,
        title="Multipliers" if limits is None else "Multipliers, in units of their limit C s",
        x_label="rows, largest multiplier first",
        y_label="multiplier",
        describe=f"{facts.support} of {facts.n} multipliers are above zero.",
    )


def _several(facts: _Facts) -> str:
    model = facts.model
    widths = np.asarray(model.margin_, dtype=np.float64)
    if getattr(model, "multi_class", "ovr") != "ovr":
        return _together(facts, widths)
    boxes = [("widths 2/|w|", f"{widths.min():.3g} to {widths.max():.3g}"), *_support_boxes(facts)]
    limited = facts.duals.limits is not None
    heads = ["class", "width 2/|w|", "support vectors of the class", "of its problem, all classes"]
    heads += [*(["at the limit C"] if limited else []), "with a slack"]
    rows = []
    for j, name in enumerate(facts.names[:MOST_CLASSES]):
        counts = facts.counts[j]
        cells = [escape(name), f"{widths[j]:.4g}", f"{int(model.n_support_[j]):,}", f"{counts.support:,}"]
        cells += [*([f"{counts.at_limit:,}"] if limited else []), f"{int((facts.slacks[j] > SLACK).sum()):,}"]
        rows.append(cells)
    chart = _slack_chart(facts, [("rows", np.ones(facts.n, dtype=bool))])
    picture = f'<div class="card">{chart}</div>' if chart else ""
    said = "Each class against the rest is a problem of its own; a row is a support vector where it is one of any."
    return (
        f'{_boxes(boxes)}<div class="card">{_table(heads, rows)}</div>{picture}'
        f'<p class="soft">{said}{" The picture shows the largest slack of each row." if picture else ""}'
        f"{_first(facts)}</p>"
    )


def _first(facts: _Facts) -> str:
    return f" The first {MOST_CLASSES} of {len(facts.names)} are shown." if len(facts.names) > MOST_CLASSES else ""


def _together(facts: _Facts, widths: FloatArray) -> str:
    """One problem for all classes: margins between pairs of them, and one slack a row."""
    finite = widths[np.isfinite(widths)]
    between = f"{finite.min():.3g} to {finite.max():.3g}" if finite.size else "none"
    boxes = [("widths between two classes", between), *_support_boxes(facts)]
    heads = ["class", "support vectors", "narrowest margin with", "its width"]
    rows = []
    for j, name in enumerate(facts.names[:MOST_CLASSES]):
        others = np.where(np.arange(len(widths)) == j, np.inf, widths[j])
        near = int(np.argmin(others))
        rows.append(
            [escape(name), f"{int(facts.model.n_support_[j]):,}", escape(facts.names[near]), f"{others[near]:.4g}"]
        )
    chart = _slack_chart(facts, [("rows", np.ones(facts.n, dtype=bool))])
    picture = f'<div class="card">{chart}</div>' if chart else ""
    return (
        f'{_boxes(boxes)}<div class="card">{_table(heads, rows)}</div>{picture}<p class="soft">One problem for all '
        f"classes: the margin of two is 2/|w - v|, of their weights w and v.{_first(facts)}</p>"
    )


def _regression(facts: _Facts, data: Dataset | None) -> str:
    model, slack = facts.model, facts.slacks[0]
    epsilon = float(model.epsilon)
    out = int((slack > SLACK * slack.max(initial=0.0)).sum())
    boxes = [("epsilon", f"{epsilon:g}"), *_support_boxes(facts), ("outside the tube", f"{out:,}")]
    charts = []
    if facts.y is not None and data is not None:
        residual = np.asarray(facts.y, dtype=np.float64) - np.asarray(model.predict(data.X), dtype=np.float64).ravel()
        levels = [-epsilon, epsilon] if epsilon > 0.0 else [0.0]
        bins = edges(residual, np.asarray(levels), 2 * BINS)
        inside = np.abs(residual) <= epsilon * (1.0 + 1e-9)
        charts.append(
            column_chart(
                bins,
                [
                    Group("in the tube", np.histogram(residual[inside], bins)[0], "main"),
                    Group("outside", np.histogram(residual[~inside], bins)[0], "second"),
                ],
                title="Residuals and the tube",
                x_label="residual: true less predicted",
                levels=levels,
                describe=f"{int(inside.sum())} of {facts.n} residuals are within {epsilon:g}.",
            )
        )
    signed = facts.duals.values[0]
    groups = [("above the line", signed > 0.0), ("below the line", signed < 0.0)]
    charts.append(_dual_chart(facts, groups))
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts if chart)
    said = "Rows within epsilon of the line have no multiplier: the model would be the same without them."
    return f'{_boxes(boxes)}<div class="grid">{cards}</div><p class="soft">{said}</p>'
