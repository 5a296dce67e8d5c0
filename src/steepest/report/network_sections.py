"""Sections of a report about networks: layers, epochs, what flowed through them, and first weights as pictures."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from steepest.exceptions import InvalidParameterError
from steepest.networks.probe_table import ProbeTable
from steepest.protocols import AnyArray, FloatArray
from steepest.record.record import FitRecord
from steepest.report.display_first_layer import common_scale, first_weights
from steepest.report.display_gradient_flow import SHOWN
from steepest.report.picture import data_address, diverging
from steepest.report.svg import Series, line_chart
from steepest.report.svg_heat import heat_map
from steepest.report.words import count, number, percent
from steepest.solvers.network_batch import NAMES

if TYPE_CHECKING:
    from steepest.readers import Dataset

MOST_PICTURES = 48
_SHARES = (("saturated", False), ("dead", False))
_DULL = 0.05  # shares below are not drawn
_LEAST = 4  # pixels a side below which a row is no picture


def is_network(estimator: Any) -> bool:
    """Whether an estimator, or the view of one, is a fitted network."""
    return getattr(estimator, "stack_", None) is not None


def network_words(estimator: Any) -> list[str]:
    """Layers, and what is striking in the probes, in lines; none for other models."""
    if not is_network(estimator):
        return []
    stack = estimator.stack_
    widths = " → ".join(f"{n:,}" for n in (stack.n_features, *(layer.width for layer in stack.layers)))
    probes = getattr(estimator, "probes_", None)
    lines = [f"network: {widths}, {stack.size:,} parameters in {stack.dtype}"]
    return lines + (striking(probes) if isinstance(probes, ProbeTable) else [])


def architecture(estimator: Any) -> str:
    """The layers in a table, with the numbers that they learn and how these began."""
    stack = estimator.stack_
    counts = dict.fromkeys(range(len(stack.layers)), 0)
    for block in stack.blocks:
        counts[block.layer] += block.slice.stop - block.slice.start
    rows, before = [], stack.n_features
    for k, layer in enumerate(stack.layers):
        extras = [
            *(["batch normalisation"] if layer.batch_norm else []),
            *([f"dropout {percent(layer.dropout)}"] if layer.dropout > 0.0 else []),
            *([] if layer.trainable else ["not trained"]),
        ]
        last = k == len(stack.layers) - 1
        cells = [
            "output" if last else f"layer {k + 1}",
            f"{before:,} → {layer.width:,}",
            layer.unit.name.replace("_", " ") + (f", {layer.unit.pieces} pieces" if layer.unit.pieces > 1 else ""),
            ", ".join(extras) or "–",
            _initializer(layer.initializer),
            f"{counts[k]:,}",
        ]
        first, *others = (escape(cell) for cell in cells)
        rows.append(f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>')
        before = layer.width
    heads = ("layer", "from → to", "units", "with", "weights began as", "parameters")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    what = f"{stack.size:,} parameters in {stack.dtype}: weights, biases"
    what += ", gammas and betas of batch normalisation" if any(layer.batch_norm for layer in stack.layers) else ""
    return (
        f'<div class="card"><div class="scroll"><table class="numbers"><thead><tr>{head}</tr></thead>'
        f'<tbody>{"".join(rows)}</tbody></table></div><p class="soft">{what}. Biases began at 0.</p></div>'
    )


def _initializer(value: Any) -> str:
    name = type(value).__name__
    said = {"FanIn": "1/√fan-in", "Zeros": "zeros"}.get(name, name)
    kind = getattr(value, "distribution", None)
    std = getattr(value, "std", None)
    return said + (f", {kind}" if kind else "") + (f", std {std:g}" if std is not None and name == "Normal" else "")


def learning(record: FitRecord) -> str:
    """Training loss, validation loss and score, and the gradient, by epochs."""
    history = record.history
    if len(history) < 2:
        return '<p class="soft">One round, and so no curve.</p>'
    label = "epochs" if by_epochs(record) else "rounds"
    x = history["iteration"]
    losses = [Series("training objective", x, history["objective"])]
    if np.isfinite(history["validation_loss"]).any():
        losses.append(Series("validation loss", x, history["validation_loss"], "second"))
    score = history["validation_score"]
    charts = [_chart(losses, f"Loss by {label}", label, "loss")]
    for column, title, y_label in (
        ("validation_score", "Validation score", "score"),
        ("gradient_norm", "Gradient norm", "gradient norm"),
        ("step", "Learning rate" if by_epochs(record) else "Step", "rate" if by_epochs(record) else "step"),
    ):
        if column != "step" or _varies(history[column]):
            steep = False if column == "validation_score" else None
            own = [Series(title.lower(), x, history[column])]
            charts.append(_chart(own, f"{title} by {label}", label, y_label, steep=steep))
    timed = [Series("training objective", history["seconds"], history["objective"])]
    charts.append(_chart(timed, "Loss against seconds", "seconds", "loss"))
    cards = "".join(f'<div class="card">{chart}</div>' for chart in charts if chart)
    best = ""
    if np.isfinite(score).any():
        at = int(np.nanargmax(score))
        best = f" The best validation score was {number(float(score[at]))}, after {label[:-1]} {int(x[at])}."
    said = (
        "The training objective of an epoch is the mean over its batches as they were met, with dropout and "
        f"augmentation; the validation loss has neither, and no penalty.{best}"
        if by_epochs(record)
        else best
    )
    return f'<div class="grid">{cards}</div><p class="soft">{escape(said)}</p>'


def by_epochs(record: FitRecord) -> bool:
    """Whether the rounds of a fit were epochs of a network's training."""
    return record.estimator.startswith("MLP") and record.solver.get("name") not in NAMES


def _varies(values: FloatArray) -> bool:
    seen = values[np.isfinite(values)]
    return bool(seen.size > 1 and float(np.ptp(seen)) > 1e-9 * float(np.abs(seen).max()))


def _chart(series: list[Series], title: str, x_label: str, y_label: str, *, steep: bool | None = None) -> str:
    every = np.concatenate([curve.y for curve in series])
    seen, own = (values[np.isfinite(values)] for values in (every, series[0].y))
    if not own.size:
        return ""
    log = steep if steep is not None else bool(seen.min() > 0.0 and seen.max() > 30.0 * seen.min())
    words = f"From {number(float(own[0]))} to {number(float(own[-1]))}."
    return line_chart(series, title=title, x_label=x_label, y_label=y_label, log_y=log, describe=words)


def flow(estimator: Any) -> str:
    """What probes saw: heat maps of layers against steps, and what is striking in them; "" without probes."""
    probes = getattr(estimator, "probes_", None)
    if not isinstance(probes, ProbeTable) or not len(probes):
        return ""
    steps = np.append(np.asarray(probes.steps, dtype=np.float64), float(probes.steps[-1] + probes.every))
    charts = []
    for column, log in (("gradient_norm", True), ("ratio", True), ("activation_variance", True), *_SHARES):
        values, names = probes[column], probes.layers
        if not log:  # of some layers only, and dull where nothing is near 1
            kept: AnyArray = np.asarray(np.isfinite(values).any(axis=0))
            if not kept.any() or float(np.nanmax(values)) < _DULL:
                continue
            values, names = values[:, kept], [name for name, own in zip(names, kept.tolist(), strict=True) if own]
        title = SHOWN[column][0].upper() + SHOWN[column][1:]
        chart = heat_map(
            names, values, steps, title=title, x_label="steps", log=log, unit=not log,
            describe=f"{title} of {len(names)} layers at {len(probes)} steps.",
        )  # fmt: skip
        charts.append(f'<div class="card">{chart}</div>' if chart else "")
    facts = "".join(f"<li>{escape(line)}</li>" for line in striking(probes))
    listed = f'<div class="card"><ul>{facts}</ul></div>' if facts else ""
    return (
        f'<h2>What flowed through the layers</h2>{listed}<div class="grid">{"".join(charts)}</div>'
        f'<p class="soft">Sampled at {count(len(probes), "step")}, one in {probes.every:,}, each on its batch; the '
        "output is at the top. Sampling changes nothing.</p>"
    )


def striking(probes: ProbeTable) -> list[str]:
    """What stands out in the table, in sentences; none where nothing does."""
    if not len(probes):
        return []
    lines = []
    small, large = probes.vanishing(), probes.exploding()
    if small:
        layer = min(small, key=lambda name: small[name])
        size = percent(small[layer]) if small[layer] > 1e-6 else f"a share of {small[layer]:.2g}"
        lines.append(f"Gradients vanish: at {layer} {size} of the gradient at the output arrives{_more(small)}.")
    if large:
        layer = max(large, key=lambda name: large[name])
        size = f"{large[layer]:.2g} times" if np.isfinite(large[layer]) else "more than a finite multiple of"
        lines.append(f"Gradients explode: at {layer} {size} the gradient at the output arrives{_more(large)}.")
    for found, words in (
        (probes.dead(), "of its units no row of a batch switches on"),
        (probes.saturated(), "of its outputs are at their limits"),
    ):
        lines += [f"At {layer} {percent(share)} {words}." for layer, share in found.items()]
    return lines


def _more(found: dict[str, float]) -> str:
    return f" ({len(found)} layers are such)" if len(found) > 1 else ""


def first_pictures(estimator: Any, data: Dataset | None) -> str:
    """Weights of the first layer as pictures; "" where rows are no images."""
    given = getattr(estimator, "image_shape", None)
    if given is None and data is not None:
        given = data.image_shape
    if given is None or min(given[:2]) < _LEAST or getattr(estimator, "whitened", False):
        return ""
    try:
        pictures, shape, units = first_weights(estimator, given, MOST_PICTURES)
    except InvalidParameterError:  # the columns of another step
        return ""
    if len(shape) == 3:
        pictures, shape = pictures.mean(axis=-1), shape[:2]
    scale = common_scale(pictures)
    figures = "".join(
        f'<figure><img src="{data_address(diverging(picture, scale))}" width="{shape[1]}" height="{shape[0]}" '
        f'alt="Weights of a unit of the first layer, number {k + 1} by size"></figure>'
        for k, picture in enumerate(pictures)
    )
    rest = f"The {len(pictures)} of {units:,} units with the largest weights." if units > len(pictures) else ""
    return (
        f'<h2>Weights of the first layer</h2><div class="card"><div class="pictures">{figures}</div>'
        f'<div class="key"><span>{-scale:.3g}</span><span class="bar"></span><span>{scale:.3g}</span></div>'
        '<p class="soft">One picture a unit: red pixels switch it on, blue pixels off; one scale for all. '
        f"{rest}</p></div>"
    )
