"""``steepest predict MODEL DATA``: predictions of a stored model, as CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from steepest.cli.options import Header
from steepest.cli.saying import errors, say, silent


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A file written by steepest fit --out.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Rows in the form that the model was fitted on; targets may be absent."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write to this .csv or .parquet file.  [default: CSV to standard output]")
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add the probability of every class.")] = False,
    header: Header = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="With --out: print one JSON object about the predictions.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what was asked for.")] = False,
) -> None:
    """Predict with a stored model.

    Where DATA has the targets, say how good the predictions are.

    Exit code 0: done.  2: bad usage, model or data.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise typer.BadParameter(f"--out must end in .csv or .parquet, got {out}")
    if as_json and out is None:
        raise typer.BadParameter("--json needs --out, as the predictions take standard output")
    with errors():
        _run(model, data, out, header, proba=proba, as_json=as_json, quiet=quiet or as_json)


def _run(path: Path, data: str, out: Path | None, header: str, *, proba: bool, as_json: bool, quiet: bool) -> None:
    import numpy as np

    from steepest.atomic import check_writable, write_bytes
    from steepest.cli.inputs import Wanted
    from steepest.cli.models import load, rows_for
    from steepest.exceptions import DataError
    from steepest.report.metrics import score
    from steepest.report.words import metric

    if out is not None:
        check_writable(out, "predictions.csv")
    model = load(path)
    shown = model.shown
    if proba and not hasattr(shown, "predict_proba"):
        raise DataError(f"{path}: {shown.fit_record_.estimator} has no probabilities; leave out --proba")
    try:
        given = rows_for(model, data, Wanted(header=header, quiet=quiet))
        columns: dict[str, Any] = {"prediction": np.asarray(shown.predict(given.X))}
        if columns["prediction"].ndim == 2:
            many = columns.pop("prediction")
            columns = {f"prediction_{k + 1}": many[:, k] for k in range(many.shape[1])}
        if proba:
            chances = np.asarray(shown.predict_proba(given.X))
            columns.update({f"probability_{label}": chances[:, k] for k, label in enumerate(shown.classes_.tolist())})
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{data}: {error}") from error
    scores = None
    if given.y is not None and _comparable(shown, given.y):
        scores = score(shown, given.dataset(Path(data).name))
    n = len(next(iter(columns.values())))
    content = _parquet(columns) if out is not None and out.suffix.lower() == ".parquet" else _csv(columns)
    if out is None:
        sys.stdout.write(content.decode())
    else:
        write_bytes(out, content)
    if as_json:
        about = {"rows": n, "out": str(out), "metrics": None if scores is None else scores.to_dict()}
        typer.echo(json.dumps(about))
    tell = silent if quiet else (say if out is not None else _aside)
    for note in given.notes:
        tell(f"  note: {note}")
    if scores is not None:
        tell(f"  {', '.join(f'{name} {metric(name, value)}' for name, value in scores.values.items())} ({n:,} rows)")
    if out is not None:
        tell(f"  {n:,} predictions: {out}")


def _aside(text: str, style: str | None = None) -> None:
    """Words beside predictions that take standard output."""
    typer.echo(text, err=True)


def _comparable(estimator: Any, y: Any) -> bool:
    """Whether the targets of the file can be those of the model: labels with labels, numbers with numbers."""
    labels = getattr(estimator, "classes_", None)
    if labels is None:
        return bool(y.dtype.kind in "iuf")
    return bool((labels.dtype.kind in "US") == (y.dtype.kind in "US"))


def _csv(columns: dict[str, Any]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    # repr keeps every digit of a float, and a whole prediction stays whole
    writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
    return text.getvalue().encode()


def _parquet(columns: dict[str, Any]) -> bytes:
    from steepest.readers.files import need_arrow

    need_arrow("writing Parquet files")
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), sink)
    return bytes(sink.getvalue())
