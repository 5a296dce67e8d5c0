"""Sections that judge predictions: discrimination, calibration, residuals, and the worst mistakes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.protocols import AnyArray, FloatArray
from steepest.report.metrics import Scores
from steepest.report.picture import data_address, grey
from steepest.report.ranks import Curve, precision_recall, reliability, roc, thinned
from steepest.report.svg import Series, bar_chart, line_chart, scatter_chart
from steepest.report.words import number

if TYPE_CHECKING:
    from steepest.readers import Dataset

MOST_POINTS = 2000
MOST_BARS = 24
MOST_PICTURES = 24
MOST_ROWS = 10
REASONS = 4  # features named as reasons of a mistake
_DIAGONAL = Series("chance", np.array([0.0, 1.0]), np.array([0.0, 1.0]), "chance")


def discrimination(scores: Scores, data: Dataset) -> str:
    """ROC and precision-recall curves of two classes; of several, each one's area against the rest."""
    if scores.scores is None or scores.classes is None or scores.known is None:
        return ""
    assert scores.target is not None
    values, target = scores.scores, scores.target
    if values.ndim == 1:
        name = data.label_name(scores.classes[scores.known[-1]])
        positive = target == scores.known[-1]
        if positive.all() or not positive.any():
            return '<p class="soft">One class alone has rows here: there is no ROC curve.</p>'
        return _two_curves(roc(positive, values), precision_recall(positive, values), name, float(positive.mean()))
    values = values if scores.probabilities is None else scores.probabilities  # comparable between rows
    labels = [data.label_name(scores.classes[j]) for j in scores.known]
    areas = np.array([roc(target == j, values[:, k]).area for k, j in enumerate(scores.known)])
    worst = np.argsort(np.where(np.isfinite(areas), areas, 2.0), kind="stable")[:MOST_BARS]
    shown = [int(k) for k in worst if np.isfinite(areas[k])]
    if not shown:
        return ""
    which = f"the {len(shown)} hardest of {len(areas)} classes" if len(areas) > len(shown) else "hardest first"
    chart = bar_chart(
        [labels[k] for k in shown], areas[shown], title=f"ROC AUC against the rest, {which}", scale=1.0, signed=False
    )
    return f'<div class="card">{chart}</div>'


def _two_curves(rates: Curve, precision: Curve, name: str, share: float) -> str:
    rates, precision = thinned(rates), thinned(precision)
    left = line_chart(
        [Series(f"area {rates.area:.4f}", rates.x, rates.y), _DIAGONAL],
        title=f"ROC curve: {name}",
        x_label="false-positive rate",
        y_label="true-positive rate",
        unit=True,
        describe=f"Area under the curve {rates.area:.4f}; 0.5 is chance.",
    )
    level = Series("chance", np.array([0.0, 1.0]), np.array([share, share]), "chance")
    right = line_chart(
        [Series(f"average precision {precision.area:.4f}", precision.x, precision.y), level],
        title=f"Precision and recall: {name}",
        x_label="recall",
        y_label="precision",
        unit=True,
        describe=f"Average precision {precision.area:.4f}; {share:.4f} is chance.",
    )
    return f'<div class="grid"><div class="card">{left}</div><div class="card">{right}</div></div>'


def calibration(scores: Scores, data: Dataset) -> str:
    """Predicted against observed shares: of the second of two classes, or of the class that is predicted."""
    if scores.probabilities is None or scores.known is None or scores.classes is None:
        return ""
    assert scores.target is not None
    chances = scores.probabilities
    if chances.shape[1] == 2:
        name = data.label_name(scores.classes[scores.known[1]])
        found = reliability(chances[:, 1], scores.target == scores.known[1])
        x_label, y_label = f"predicted probability of {name}", "share observed"
    else:
        best = chances.argmax(axis=1)
        found = reliability(chances[np.arange(len(best)), best], scores.target == scores.known[best])
        x_label, y_label = "probability of the predicted class", "share predicted rightly"
    chart = line_chart(
        [
            Series("observed", found.predicted, found.observed),
            Series("perfect", _DIAGONAL.x, _DIAGONAL.y, "chance"),
        ],
        title="Calibration",
        x_label=x_label,
        y_label=y_label,
        unit=True,
        describe=f"Mean distance from the diagonal {found.error:.4f}.",
    )
    rows = "".join(
        f"<tr><td>{p:.3f}</td><td>{o:.3f}</td><td>{n:,}</td></tr>"
        for p, o, n in zip(found.predicted, found.observed, found.rows.tolist(), strict=True)
    )
    table = (
        "<h3>By bins of probability</h3>"
        "<table><thead><tr><th>predicted</th><th>observed</th><th>rows</th></tr></thead>"
        f'<tbody>{rows}</tbody></table><p class="soft">On average {found.error:.2g} apart (expected calibration '
        "error).</p>"
    )
    return f'<div class="grid"><div class="card">{chart}</div><div class="card">{table}</div></div>'


def residuals(scores: Scores) -> str:
    """True against predicted, residuals against predicted, and how residuals spread."""
    assert scores.target is not None
    assert scores.predicted is not None
    target, predicted = np.asarray(scores.target, float), np.asarray(scores.predicted, float)
    n = len(target)
    pick = np.arange(n) if n <= MOST_POINTS else np.random.default_rng(0).choice(n, MOST_POINTS, replace=False)
    error = target - predicted
    left = scatter_chart(
        predicted[pick],
        error[pick],
        title="Residuals (true - predicted)",
        x_label="predicted",
        y_label="residual",
        describe=f"Residuals of {len(pick)} rows against their predictions.",
    )
    right = scatter_chart(
        predicted[pick],
        target[pick],
        title="True against predicted",
        x_label="predicted",
        y_label="true",
        describe=f"True values of {len(pick)} rows against their predictions.",
        diagonal=True,
    )
    shares = (5, 25, 50, 75, 95)
    cells = "".join(f"<td>{number(float(q))}</td>" for q in np.quantile(error, np.array(shares) / 100.0))
    heads = "".join(f"<th>{share} %</th>" for share in shares)
    table = (
        f'<div class="scroll"><table class="numbers"><tr><th>residual below</th>{heads}</tr>'
        f"<tr><td></td>{cells}</tr></table></div>"
    )
    note = f'<p class="soft">{MOST_POINTS:,} of {n:,} rows, picked at random.</p>' if n > MOST_POINTS else ""
    return (
        f'<div class="grid"><div class="card">{left}</div><div class="card">{right}</div></div>{note}'
        f'<div class="card">{table}</div>'
    )


def mistakes(estimator: Any, scores: Scores, data: Dataset) -> str:
    """The rows that the model is most wrong about, and which features made it so."""
    if scores.classes is None:
        return _largest_residuals(estimator, scores, data)
    assert scores.target is not None
    assert scores.predicted is not None
    wrong = np.flatnonzero(scores.target != scores.predicted)
    if not len(wrong):
        return '<p class="soft">No row was predicted wrongly.</p>'
    certainty = _certainty(scores)
    order = wrong if certainty is None else wrong[np.argsort(-certainty[wrong], kind="stable")]
    names = [data.label_name(label) for label in scores.classes]
    if data.image_shape is not None and data.n_features == int(np.prod(data.image_shape)):
        return _picture_mistakes(order, certainty, scores, data, names)
    what = [f"true {names[scores.target[i]]}, predicted {names[scores.predicted[i]]}" for i in order[:MOST_ROWS]]
    sure = None if certainty is None else [f"{certainty[i]:.3g}" for i in order[:MOST_ROWS]]
    return _table(estimator, scores, data, order[:MOST_ROWS], what, sure, _certainty_name(scores)) + (
        f'<p class="soft">{len(wrong):,} of {scores.n_samples:,} rows were predicted wrongly.</p>'
    )


def _certainty_name(scores: Scores) -> str:
    return "probability" if scores.probabilities is not None else "margin"


def _certainty(scores: Scores) -> FloatArray | None:
    """How sure the prediction was: its probability, or its score less that of the true class."""
    rows = np.arange(scores.n_samples)
    assert scores.target is not None
    if scores.probabilities is not None:
        return np.asarray(scores.probabilities.max(axis=1))
    if scores.scores is None or scores.known is None or scores.classes is None:
        return None
    if scores.scores.ndim == 1:
        return np.abs(scores.scores)
    place = np.full(len(scores.classes), -1)
    place[scores.known] = np.arange(len(scores.known))
    true = place[scores.target]
    own = np.where(true >= 0, scores.scores[rows, np.maximum(true, 0)], scores.scores.min(axis=1))
    return np.asarray(scores.scores.max(axis=1) - own)


def _picture_mistakes(
    order: AnyArray, certainty: FloatArray | None, scores: Scores, data: Dataset, names: list[str]
) -> str:
    assert scores.target is not None
    assert scores.predicted is not None
    assert data.image_shape is not None
    height, width = data.image_shape
    figures = []
    for i in order[:MOST_PICTURES].tolist():
        row = data.X[[i]]
        pixels = np.asarray(row.toarray() if hasattr(row, "toarray") else row, dtype=np.float64).reshape(height, width)
        sure = f" ({certainty[i]:.2g})" if certainty is not None else ""
        caption = f"{names[scores.target[i]]}, taken for {names[scores.predicted[i]]}{sure}"
        figures.append(
            f'<figure><img src="{data_address(grey(pixels))}" width="{width}" height="{height}" '
            f'alt="Row {i + 1}: {escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
        )
    said = (
        f"; in brackets the {_certainty_name(scores)} of the prediction, largest first" if certainty is not None else ""
    )
    return (
        f'<div class="card"><div class="pictures">{"".join(figures)}</div><p class="soft">{len(order):,} of '
        f"{scores.n_samples:,} rows were predicted wrongly{said}.</p></div>"
    )


def _largest_residuals(estimator: Any, scores: Scores, data: Dataset) -> str:
    assert scores.target is not None
    assert scores.predicted is not None
    error = np.asarray(scores.target - scores.predicted, dtype=np.float64)
    order = np.argsort(-np.abs(error), kind="stable")[:MOST_ROWS]
    what = [f"true {number(float(scores.target[i]))}, predicted {number(float(scores.predicted[i]))}" for i in order]
    return _table(estimator, scores, data, order, what, [number(float(error[i])) for i in order], "residual")


def _table(
    estimator: Any,
    scores: Scores,
    data: Dataset,
    rows: AnyArray,
    what: list[str],
    sure: list[str] | None,
    sure_name: str,
) -> str:
    why = None if getattr(estimator, "coef_", None) is None else _reasons(estimator, scores, data, rows)
    lines = []
    for at, i in enumerate(rows.tolist()):
        extra = f"<td>{escape(sure[at])}</td>" if sure is not None else ""
        reason = "" if why is None else f"<td>{escape(why[at])}</td>"
        lines.append(f"<tr><td>{i + 1:,}</td><td>{escape(what[at])}</td>{extra}{reason}</tr>")
    head = f"<th>{sure_name}</th>" if sure is not None else ""
    head += "" if why is None else "<th>what moved the score most: coefficient x (value - mean)</th>"
    kind = "numbers" if why is None else "mistakes"
    return (
        f'<div class="card scroll"><table class="{kind}"><thead><tr><th>row</th><th>what</th>'
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if 100.0 <= abs(value) < 1e7 else f"{value:+.2g}"


def _reasons(estimator: Any, scores: Scores, data: Dataset, rows: AnyArray) -> list[str]:
    """The features whose distance from their mean, times the coefficient, moved each score most."""
    coef = estimator.coef_
    W = np.atleast_2d(np.asarray(coef.toarray() if hasattr(coef, "toarray") else coef, dtype=np.float64))
    if W.shape[1] != data.n_features:
        return [""] * len(rows)
    mean = np.asarray(data.X.mean(axis=0), dtype=np.float64).ravel()
    place: dict[int, int] = {}
    if scores.known is not None:
        place = {int(j): k for k, j in enumerate(scores.known)}
    out = []
    for i in rows.tolist():
        row = data.X[[i]]
        x = np.asarray(row.toarray() if hasattr(row, "toarray") else row, dtype=np.float64).ravel()
        w = W[0]
        if len(W) > 1 and scores.predicted is not None:
            w = W[place.get(int(scores.predicted[i]), 0)]
            if scores.target is not None and int(scores.target[i]) in place:
                w = w - W[place[int(scores.target[i])]]
        part = w * (x - mean)
        top = np.argsort(-np.abs(part), kind="stable")[:REASONS]
        out.append(", ".join(f"{data.feature_name(int(j))} {_signed(part[j])}" for j in top if part[j] != 0.0))
    return out
