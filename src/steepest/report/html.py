"""A fit as one self-contained HTML file: no network, no scripts to run, light, dark, phone and print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steepest.atomic import write_text
from steepest.protocols import Certificate
from steepest.record.record import FitRecord, environment
from steepest.report import judgement, network_sections, sections
from steepest.report.margin_sections import margin_section
from steepest.report.metrics import Scores, score
from steepest.report.ranking import ranking_section
from steepest.report.style import CSS
from steepest.report.words import is_local, metric, number, seconds, verdict

if TYPE_CHECKING:
    from steepest.readers import Dataset

# The page may use its own styles and pictures; the browser refuses everything else.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_report(
    path: str | Path,
    model: Any,
    X: Any = None,
    y: Any = None,
    *,
    X_test: Any = None,
    y_test: Any = None,
    dataset: Dataset | None = None,
    test: Dataset | None = None,
    title: str | None = None,
) -> None:
    """Write the report of a fitted model to ``path``, whole or not at all.

    Parameters
    ----------
    path : str or Path
    model : fitted estimator, or a pipeline that ends with one
        Coefficients are shown by the names that the steps before it give their columns, and in the units before
        scaling and whitening.
    X, y : array, frame or table, and targets, optional
        The rows of the fit.
    X_test, y_test : optional
        Rows for the metrics; without them they are those of ``X``, and the report says so; without either the
        report is about the model alone.
    dataset, test : Dataset, optional
        The same from the readers, in the columns of an estimator, in place of arrays.
    title : str, optional

    Notes
    -----
    The numbers stand in the file as JSON too, in the element with the id ``steepest-report``.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import steepest
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = steepest.LogisticRegression().fit(X, y)
    >>> page = pathlib.Path(tempfile.mkdtemp()) / "iris.html"
    >>> steepest.write_report(page, model, X, y)
    >>> "petal length (cm)" in page.read_text(encoding="utf-8")
    True
    """
    from steepest.report import given

    before, shown = given.parts(model)
    if dataset is None and X is not None:
        dataset = given.dataset(before, X, y, "X")
    if test is None and X_test is not None:
        test = given.dataset(before, X_test, y_test, "X_test")
    names = None
    if dataset is None and test is None:
        names = _names(model, before)
    write_text(Path(path), render(shown, dataset=dataset, test=test, title=title, feature_names=names))


def _names(model: Any, before: list[tuple[str, Any]]) -> list[str] | None:
    """Names of the columns where no rows were given."""
    step = before[-1][1] if before else None
    if step is not None:
        found = step.get_feature_names_out() if hasattr(step, "get_feature_names_out") else None
    else:
        found = getattr(model, "feature_names_in_", None)
    return None if found is None else [str(name) for name in found]


def render(
    estimator: Any,
    *,
    dataset: Dataset | None = None,
    test: Dataset | None = None,
    title: str | None = None,
    scores: Scores | None = None,
    feature_names: Sequence[str] | None = None,
) -> str:
    """The report as text.

    ``scores`` are those of ``test`` (or of ``dataset``) where they are known already.  Without any rows, as for a
    model read from a file, the sections about predictions are left out; ``feature_names`` then name coefficients.
    """
    record: FitRecord = estimator.fit_record_
    scored = dataset if test is None else test
    if scores is None and scored is not None:
        scores = score(estimator, scored)
    title = title or (record.estimator if scored is None else f"{record.estimator} on {scored.name}")
    where = "On the training rows" if test is None else "On the test part"
    network = network_sections.is_network(estimator)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">Minimised: {escape(record.objective)}</p>',
        _verdict(record),
        _figures(record, scores, where),
        f"<h2>How it got there</h2>{network_sections.learning(record) if network else sections.curves(record)}",
        margin_section(estimator, dataset),
    ]
    if scores is not None and scored is not None and hasattr(estimator, "rank"):
        others = {"train": score(estimator, dataset)} if dataset is not None and test is not None else {}
        name = "test" if test is not None else "train"
        body.append(f"<h2>{where}</h2>{ranking_section(scores, name, others)}")
    elif scores is not None and scored is not None:
        body += [
            f"<h2>{where}</h2>{sections.predictions(scores, scored)}",
            f"<h2>Worst mistakes</h2>{judgement.mistakes(estimator, scores, scored)}",
        ]
    if network:
        body += [
            network_sections.first_pictures(estimator, dataset or test),
            network_sections.flow(estimator),
            f"<h2>Layers</h2>{network_sections.architecture(estimator)}",
        ]
    else:
        body.append(f"<h2>Coefficients</h2>{sections.coefficients(estimator, dataset or test, feature_names)}")
    body += [
        f'<h2>Settings and circumstances</h2><div class="columns">{_circumstances(record, dataset, test)}</div>',
    ]
    return document(title, body, _data(record, dataset, test, scores), "steepest-report")


def document(title: str, body: Sequence[str], content: Any, name: str, style: str = "") -> str:
    """A whole page: its parts, and its numbers as JSON in the element of that name.

    Parameters
    ----------
    title : str
    body : sequence of str
        HTML.
    content
        Plain values without nan; written so that they cannot end the element that they stand in.
    name : str
        The id of the element.
    style : str
        More rules for the style sheet.
    """
    version = str(environment().get("steepest", ""))
    written = datetime.now().astimezone().isoformat(timespec="seconds")
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    text = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{CSS}{style}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + f"\n<footer>Written by steepest {escape(version)} on {escape(written)}. "
        "All numbers of this page stand in its source as JSON.</footer></main>\n"
        f'<script type="application/json" id="{name}">{text}</script>\n'
        "</body></html>\n"
    )


def _verdict(record: FitRecord) -> str:
    said = verdict(record.certificate)
    mark, kind = ("✓ ", " passed") if said.passed else ("", " local") if is_local(record.certificate) else ("✗ ", "")
    proven = said.proven[0].upper() + said.proven[1:]
    fallbacks = record.certificate.fallbacks
    parts = [f"<p>{escape(proven)}.</p>"]
    if said.reason:
        parts.append(f"<p>{escape(said.reason)}</p>")
    if fallbacks:
        parts.append(f'<p class="soft">On the way: {escape("; ".join(fallbacks))}.</p>')
    return f'<div class="card verdict{kind}"><strong>{mark}{said.headline}</strong>{"".join(parts)}</div>'


def _figures(record: FitRecord, scores: Scores | None, where: str) -> str:
    certificate = record.certificate
    quality = []
    if scores is not None:
        name, value = next(iter(scores.values.items()))
        quality = [(f"{'train' if where == 'On the training rows' else 'test'} {name}", metric(name, value))]
    pairs = [
        ("objective of a sample" if "sample" in certificate.evidence else "objective", number(certificate.primal)),
        _proof(certificate),
        *quality,
        ("epochs" if network_sections.by_epochs(record) else "rounds", number(record.iterations)),
        ("data passes", f"{record.passes:.4g}"),
        ("time", seconds(record.seconds.get("total", 0.0))),
    ]
    return (
        f'<dl class="figures">{"".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs)}</dl>'
    )


def _proof(certificate: Certificate) -> tuple[str, str]:
    """The number that a certificate is about."""
    if certificate.bounds == "stationarity":
        return "gradient norm", number(certificate.evidence.get("gradient_norm", certificate.value))
    return "relative gap", f"{certificate.relative:.2g}" if isfinite(certificate.relative) else "unknown"


def _circumstances(record: FitRecord, dataset: Dataset | None, test: Dataset | None) -> str:
    certificate, solver = record.certificate, record.solver
    data: list[tuple[str, Any]] = []
    for name, part in (("train", dataset), ("test", test)):
        if part is not None:
            data += [(name, part.source), (f"{name} size", part.describe())]
    if dataset is not None and dataset.note:
        data.append(("on reading", dataset.note))
    chosen = [(key, solver[key]) for key in ("name", "why", "expected") if solver.get(key)]
    if solver.get("notes"):
        chosen.append(("notes", "; ".join(solver["notes"])))
    proof = [
        ("status", str(certificate.status)),
        ("kind", certificate.kind.replace("_", " ")),
        ("bounds", certificate.bounds),
        ("value", certificate.value),
        ("relative", certificate.relative),
        ("tol", certificate.tol),
        ("objective", certificate.primal),
        ("proven lower bound", certificate.dual),
        *([("examined", certificate.evidence["sample"])] if "sample" in certificate.evidence else []),
    ]
    facts_of_data = [(key, value) for key, value in record.data.items() if key != "kind"]
    options = [*solver.get("options", {}).items(), ("deterministic", record.deterministic)]
    times = [(name, seconds(value)) for name, value in record.seconds.items()]
    return "".join(
        [
            sections.facts("Certificate", proof),
            sections.facts("Solver", [*chosen, *options]),
            sections.facts("Data", [*data, *facts_of_data]),
            sections.facts("Parameters", record.parameters),
            sections.facts("Time", times),
            sections.facts("Environment", record.environment),
        ]
    )


def _data(record: FitRecord, dataset: Dataset | None, test: Dataset | None, scores: Scores | None) -> dict[str, Any]:
    """The numbers of the page."""

    def about(part: Dataset | None) -> dict[str, str] | None:
        return None if part is None else {"name": part.name, "source": part.source, "note": part.note}

    return {
        "record": record.to_dict(),
        "train": about(dataset),
        "test": about(test),
        "scores": None if scores is None else scores.to_dict(),
    }
