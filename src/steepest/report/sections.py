"""The sections of a report, each a function from what was fitted to a piece of HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.protocols import HISTORY_COLUMNS, AnyArray, FloatArray
from steepest.record.history import History
from steepest.record.record import FitRecord
from steepest.report.judgement import calibration, discrimination, residuals
from steepest.report.metrics import Scores
from steepest.report.picture import data_address, diverging
from steepest.report.svg import Series, bar_chart, line_chart
from steepest.report.words import metric, number

if TYPE_CHECKING:
    from steepest.readers import Dataset

MOST_PICTURES = 64
MOST_CHARTS = 24
MOST_CLASSES = 30
_SATURATED = 0.998


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """Small boxes with a name and a number each."""
    boxes = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in pairs)
    return f'<dl class="figures">{boxes}</dl>'


def facts(title: str, rows: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """A card with a two-column table."""
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    lines = [f'<tr><th scope="row">{escape(str(key))}</th><td>{escape(_cell(value))}</td></tr>' for key, value in pairs]
    return f'<section class="card"><h3>{escape(title)}</h3><table class="facts">{"".join(lines)}</table></section>'


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_cell(item)}" for key, item in value.items()) or "none"
    return "none" if value is None else (str(value) or "none")


def curves(record: FitRecord) -> str:
    """Objective and relative gap, each against passes over the data and against seconds."""
    history, certificate = record.history, record.certificate
    if len(history) < 2:
        return '<p class="soft">A direct solution: one step, and so no curve.</p>'
    charts: list[str] = []
    objective, gap = history["objective"], history["relative_gap"]
    seen = objective[np.isfinite(objective) & (objective > 0)]
    fall = float(np.ptp(seen)) if seen.size else 0.0
    # One-vs-rest: the certificate is for the sum of the problems, the history of the longest one.
    reached = float(np.nanmin(objective)) if np.isfinite(objective).any() else np.nan
    whole = abs(reached - certificate.primal) <= 1e-6 * max(abs(certificate.primal), abs(reached))
    steep = seen.size == objective.size and seen.size > 0 and seen.max() > 100 * seen.min()
    for column, label in (("passes", "passes over the data"), ("seconds", "seconds")):
        x = history[column]
        series = [Series("objective", x, objective)]
        # A bound far below the curve would only flatten it.
        if whole and certificate.bounds == "suboptimality" and certificate.primal - certificate.dual <= fall:
            series.append(Series("proven lower bound", x[-1:], np.array([certificate.dual]), "bound"))
        charts.append(
            line_chart(
                series,
                title=f"Objective against {label}",
                x_label=label,
                y_label="objective",
                log_y=bool(steep),
                describe=f"From {number(objective[0])} to {number(objective[-1])} in {len(history)} rounds.",
            )
        )
    for column, label in (("passes", "passes over the data"), ("seconds", "seconds")):
        x = history[column]
        charts.append(
            line_chart(
                [
                    Series("relative gap", x, gap),
                    Series(f"asked: {certificate.tol:g}", x[-1:], np.array([certificate.tol]), "asked"),
                ],
                title=f"Relative gap against {label}",
                x_label=label,
                y_label="relative gap",
                log_y=True,
                describe=f"The certificate of the result is {number(certificate.relative)}.",
            )
            if np.isfinite(gap).any()
            else ""
        )
    charts += _validation(history)
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts if chart)
    missing = "" if np.isfinite(gap).any() else '<p class="soft">No gap was measured before the end of this fit.</p>'
    k = int(record.data.get("n_outputs", 1))
    if k > 1 and not whole:
        missing += (
            f'<p class="soft">The curves are those of one of {k} independent problems, one a target: that with most '
            "rounds. The certificate covers them all.</p>"
        )
    return f'<div class="grid">{cards}</div>{missing}'


def _validation(history: History) -> list[str]:
    """What was measured on the validation rows, where there were any."""
    charts = []
    for column in (name for name in HISTORY_COLUMNS if name.startswith("validation")):
        values = history[column]
        if not np.isfinite(values).any():
            continue
        name = column.replace("_", " ")
        charts.append(
            line_chart(
                [Series(name, history["passes"], values)],
                title=f"{name.capitalize()} against passes over the data",
                x_label="passes over the data",
                y_label=name,
                describe=f"From {number(float(values[np.isfinite(values)][0]))} to "
                f"{number(float(values[np.isfinite(values)][-1]))}.",
            )
        )
    return charts


def coefficients(estimator: Any, data: Dataset | None, feature_names: Sequence[str] | None = None) -> str:
    """Pictures where the rows are images, else the largest coefficients as bars."""
    coef = np.atleast_2d(np.asarray(estimator.coef_, dtype=np.float64))
    label: Callable[[Any], str] = str if data is None else data.label_name
    names = _output_names(estimator, label, len(coef))
    known = data is not None and data.n_features == coef.shape[1]
    shape = data.image_shape if known and data is not None else None
    if shape is not None and coef.shape[1] == shape[0] * shape[1]:
        return _pictures(coef, names, shape)
    if known and data is not None:
        return _bars(coef, names, data.feature_name)
    given = feature_names if feature_names is not None and len(feature_names) == coef.shape[1] else None
    return _bars(coef, names, lambda j: f"feature {j + 1}" if given is None else given[j])


def _output_names(estimator: Any, label: Callable[[Any], str], k: int) -> list[str]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return ["prediction"] if k == 1 else [f"output {j + 1}" for j in range(k)]
    labels = [label(name) for name in classes]
    return [f"{labels[1]} against {labels[0]}"] if k == 1 and len(labels) == 2 else labels


def _pictures(coef: FloatArray, names: list[str], shape: tuple[int, int]) -> str:
    sizes = np.abs(coef[coef != 0])
    scale = float(np.quantile(sizes, _SATURATED)) if sizes.size else 0.0
    figures = [
        f'<figure><img src="{data_address(diverging(row.reshape(shape), scale))}" '
        f'width="{shape[1]}" height="{shape[0]}" '
        f'alt="Coefficients of {escape(name)} as a picture"><figcaption>{escape(name)}</figcaption></figure>'
        for name, row in zip(names[:MOST_PICTURES], coef, strict=False)
    ]
    rest = f" The first {MOST_PICTURES} of {len(names)} are shown." if len(names) > MOST_PICTURES else ""
    return (
        f'<div class="card"><div class="pictures">{"".join(figures)}</div>'
        f'<div class="key"><span>{-scale:.3g}</span><span class="bar"></span><span>{scale:.3g}</span></div>'
        '<p class="soft">Red pixels speak for the class, blue pixels against it; one scale for all pictures, '
        f"deepest for the largest {100 * (1 - _SATURATED):.1g} % of the coefficients.{rest}</p></div>"
    )


def _bars(coef: FloatArray, names: list[str], feature: Callable[[int], str]) -> str:
    k, d = coef.shape
    count = min(d, 20 if k == 1 else 8)
    scale = float(np.abs(coef).max(initial=0.0))
    zeros = int((coef == 0).sum())
    charts = []
    for name, row in zip(names[:MOST_CHARTS], coef, strict=False):
        top = np.argpartition(np.abs(row), d - count)[d - count :]
        top = top[np.argsort(-np.abs(row[top]), kind="stable")]
        top = top[row[top] != 0]
        labels = [feature(int(j)) for j in top]
        title = name if k > 1 else f"Largest coefficients: {name}"
        chart = (
            bar_chart(labels, row[top], title=title, scale=scale) if len(top) else f"<p>{escape(name)}: all are 0.</p>"
        )
        charts.append(f'<div class="card">{chart}</div>')
    shown = f"The first {MOST_CHARTS} of {k} classes are shown. " if k > MOST_CHARTS else ""
    return (
        f'<div class="grid">{"".join(charts)}</div><p class="soft">{shown}The largest {count} of {d:,} coefficients'
        f"{' a class' if k > 1 else ''} by size, in the units of the fitted columns: those on a larger scale "
        f"have smaller coefficients. Exactly 0: {zeros:,} of {coef.size:,}.</p>"
    )


def predictions(scores: Scores, data: Dataset) -> str:
    """Metrics with the confusion matrix, or with the residuals against the predictions."""
    boxes = figures(
        [("rows", number(scores.n_samples)), *((name, metric(name, v)) for name, v in scores.values.items())]
    )
    if scores.confusion is not None and scores.classes is not None:
        picture = _confusion(scores, data)
    else:
        return f"{boxes}{residuals(scores)}"
    judged = f"{discrimination(scores, data)}{calibration(scores, data)}"
    return f'{boxes}<div class="card">{picture}</div>{judged}'


def _confusion(scores: Scores, data: Dataset) -> str:
    assert scores.confusion is not None
    assert scores.classes is not None
    matrix, labels = scores.confusion, [data.label_name(label) for label in scores.classes]
    if len(labels) > MOST_CLASSES:
        return _confused_pairs(matrix, labels)
    totals = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    small = " small" if len(labels) > 12 else ""
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    rows = []
    for i, label in enumerate(labels):
        cells = []
        for j, count in enumerate(matrix[i].tolist()):
            share = count / float(totals[i, 0])
            hit = ' class="hit"' if i == j else ""
            style = f' style="--a:{0.08 + 0.5 * share:.2f}"' if count else ""
            cells.append(f"<td{hit}{style}>{count:,}</td>" if count else f"<td{hit}>·</td>")
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{"".join(cells)}</tr>')
    return (
        f'<h3>Confusion matrix</h3><p class="soft">Rows: true class. Columns: predicted class.</p>'
        f'<div class="scroll"><table class="confusion{small}">'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _confused_pairs(matrix: AnyArray, labels: list[str], most: int = 20) -> str:
    off = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-off, axis=None, kind="stable")[:most]
    pairs = [(divmod(int(at), len(labels)), int(off.flat[at])) for at in order if off.flat[at] > 0]
    rows = "".join(
        f"<tr><td>{escape(labels[i])}</td><td>{escape(labels[j])}</td><td>{count:,}</td></tr>"
        for (i, j), count in pairs
    )
    return (
        f"<h3>Most confused classes</h3><table><thead><tr><th>true</th><th>predicted</th><th>rows</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
