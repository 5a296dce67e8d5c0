"""The command line: ``steepest fit TRAIN``.

Exit codes: 0 certified, 3 not certified, 2 bad usage or data.  Nothing heavy is imported before a command
runs, so that ``steepest --help`` answers at once.
"""

from __future__ import annotations

import difflib
import json
import math
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from steepest.readers import Dataset
    from steepest.report.metrics import Scores

CERTIFIED, BAD_INPUT, NOT_CERTIFIED = 0, 2, 3


class _Model(NamedTuple):
    """What ``--model`` stands for; ``penalty`` is None where ``--penalty`` decides."""

    classifies: bool
    loss: str
    penalty: str | None
    words: str


MODELS = {
    "softmax": _Model(True, "softmax", None, "softmax regression"),
    "logistic": _Model(True, "logistic", None, "logistic regression"),
    "linear": _Model(False, "squared", "none", "least squares"),
    "ridge": _Model(False, "squared", "l2", "ridge regression"),
    "lasso": _Model(False, "squared", "l1", "the lasso"),
    "elasticnet": _Model(False, "squared", "elasticnet", "the elastic net"),
}
PENALTIES = ("l2", "l1", "elasticnet", "none")
ON_UNCONVERGED = ("ignore", "warn", "raise")

app = typer.Typer(
    name="steepest", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _one_of(allowed: Sequence[str]) -> Callable[[str | None], str | None]:
    """A check of an option that answers an unknown name with the nearest known one."""

    def check(value: str | None) -> str | None:
        if value is None or value in allowed:
            return value
        near = difflib.get_close_matches(value, allowed, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise typer.BadParameter(f"must be one of {', '.join(allowed)}, got {value!r}{hint}")

    return check


def _between(low: float, high: float = math.inf, *, above: bool = False) -> Callable[[float | None], float | None]:
    """A check that a number is finite and in [low, high], or in (low, high] where it must be ``above``."""
    limit = f"above {low:g}" if above else f"at least {low:g}"
    words = limit if high == math.inf else f"between {low:g} and {high:g}"

    def check(value: float | None) -> float | None:
        if value is None or (math.isfinite(value) and low <= value <= high and not (above and value == low)):
            return value
        raise typer.BadParameter(f"must be {words}, got {value:g}")

    return check


def _jobs(value: int) -> int:
    if value == 0 or value < -1:
        raise typer.BadParameter(f"must be 1 or more, or -1 for all cores, got {value}")
    return value


def _version(asked: bool) -> None:
    if asked:
        import steepest

        typer.echo(f"steepest {steepest.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Linear models trained by gradient methods, with a certificate of how good the result is."""


@app.command()
def fit(
    train: Annotated[
        str,
        typer.Argument(
            metavar="TRAIN",
            help="idx images (the label file is found by name) or a folder of them, LIBSVM text (plain, .gz, "
            ".bz2, .xz), or one of digits, iris, breast_cancer, wine, diabetes.",
        ),
    ],
    model: Annotated[str, typer.Option(help=f"One of {', '.join(MODELS)}.", callback=_one_of(list(MODELS)))],
    test: Annotated[str | None, typer.Option(help="Test data, in any form that TRAIN may have.")] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            callback=_between(0), help="Strength of the penalty: mean loss + alpha * penalty.  [default: 1e-4]"
        ),
    ] = None,
    penalty: Annotated[
        str | None,
        typer.Option(
            help=f"For softmax and logistic: one of {', '.join(PENALTIES)}.  [default: l2]", callback=_one_of(PENALTIES)
        ),
    ] = None,
    l1_ratio: Annotated[
        float | None,
        typer.Option(callback=_between(0, 1), help="Share of l1 in an elasticnet penalty.  [default: 0.5]"),
    ] = None,
    solver: Annotated[str, typer.Option(help="Name of a solver; auto chooses and says why.")] = "auto",
    tol: Annotated[
        float, typer.Option(callback=_between(0, above=True), help="Relative suboptimality to be proven.")
    ] = 1e-4,
    max_iter: Annotated[int | None, typer.Option(callback=_between(1), help="Most rounds of the solver.")] = None,
    max_time: Annotated[
        float | None, typer.Option(callback=_between(0, above=True), help="Most seconds for the fit.")
    ] = None,
    jobs: Annotated[int, typer.Option(callback=_jobs, help="Threads; -1 is all cores.")] = -1,
    seed: Annotated[int, typer.Option(callback=_between(0), help="Seed of solvers that draw random numbers.")] = 0,
    intercept: Annotated[bool, typer.Option("--intercept/--no-intercept", help="Fit an intercept.")] = True,
    on_unconverged: Annotated[
        str,
        typer.Option(
            help="ignore: print the verdict; warn: a warning too; raise: stop, write nothing. The exit code is 3 in "
            "any case.",
            callback=_one_of(ON_UNCONVERGED),
        ),
    ] = "ignore",
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:
    """Fit a model and say what is proven about it.

    Exit code 0: certified to --tol.  3: not certified.  2: bad usage or data.
    """
    from steepest.exceptions import NotConvergedError, SteepestError

    parameters = _parameters(model, alpha, penalty, l1_ratio)
    parameters.update(
        solver=solver,
        tol=tol,
        max_time=max_time,
        fit_intercept=intercept,
        n_jobs=jobs,
        random_state=seed,
        verbose=0 if quiet or as_json else 1,
        on_unconverged=on_unconverged,
    )
    if max_iter is not None:
        parameters["max_iter"] = max_iter
    try:
        code = _run(train, test, model, parameters, report, as_json=as_json, quiet=quiet)
    except NotConvergedError as error:
        _fail(str(error), NOT_CERTIFIED)
    except SteepestError as error:
        _fail(str(error), BAD_INPUT)
    raise typer.Exit(code)


def _fail(message: str, code: int) -> None:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def _parameters(model: str, alpha: float | None, penalty: str | None, l1_ratio: float | None) -> dict[str, Any]:
    """Loss and penalty of the estimator; combinations that would silently ignore an option are refused."""
    chosen = MODELS[model]
    if penalty is not None and chosen.penalty is not None and penalty != chosen.penalty:
        raise typer.BadParameter(
            f"--model {model} has the penalty {chosen.penalty!r}, got {penalty!r}; leave out --penalty, or choose "
            "--model ridge, lasso or elasticnet"
        )
    used = chosen.penalty or penalty or "l2"
    if used == "none" and alpha:
        raise typer.BadParameter(
            f"--alpha {alpha:g} needs a penalty, and --model {model} has none here; use --model ridge"
        )
    if used != "elasticnet" and l1_ratio is not None:
        raise typer.BadParameter(f"--l1-ratio belongs to the elasticnet penalty, got it with {used!r}")
    parameters: dict[str, Any] = {"loss": chosen.loss, "penalty": None if used == "none" else used}
    if used != "none":
        parameters["alpha"] = 1e-4 if alpha is None else alpha
    if used == "elasticnet":
        parameters["l1_ratio"] = 0.5 if l1_ratio is None else l1_ratio
    return parameters


def _read(train: str, test: str | None, model: str) -> tuple[Dataset, Dataset | None]:
    """Train and test part; built-in sets are split, and a folder brings its own test images."""
    from steepest.exceptions import DataError
    from steepest.readers import read_dataset
    from steepest.readers.builtin import BUILTIN, split
    from steepest.readers.idx import has_images

    data = read_dataset(train)
    held: Dataset | None = None
    if test is not None:
        held = read_dataset(test, n_features=data.n_features, part="test")
    elif train in BUILTIN:
        data, held = split(data, stratify=train != "diabetes")
    elif Path(train).is_dir() and has_images(Path(train), "test"):
        held = read_dataset(train, n_features=data.n_features, part="test")
    for part in (data, held):
        if part is not None and MODELS[model].classifies and part.y.dtype.kind == "f":
            raise DataError(
                f"{part.source}: --model {model} needs class labels (whole numbers), the targets are real numbers such "
                f"as {part.y[0]:g}; use --model ridge, lasso, elasticnet or linear"
            )
    return data, held


def _run(
    train: str,
    test: str | None,
    model: str,
    parameters: dict[str, Any],
    report: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    from steepest.atomic import check_writable, write_text
    from steepest.report.words import count, seconds, verdict

    if report is not None:
        check_writable(report)
    say = _silent if as_json or quiet else _say
    start = time.perf_counter()
    data, held = _read(train, test, model)
    read = time.perf_counter() - start
    say(f"Fitting {MODELS[model].words} on {data.source}")
    say(f"  {data.describe()}" + (f", {data.note}" if data.note else ""))
    if held is not None:
        say(f"  test: {held.source}")
    estimator = _fit(model, parameters, data)
    fitted = time.perf_counter() - start - read

    from steepest.report.html import render
    from steepest.report.metrics import score

    record, said = estimator.fit_record_, verdict(estimator.certificate_)
    scores = {"train": score(estimator, data)}
    if held is not None:
        scores["test"] = score(estimator, held)
    if report is not None:
        last = scores["train"] if held is None else scores["test"]
        write_text(report, render(estimator, dataset=data, test=held, scores=last, title=f"{model} on {data.name}"))
    if as_json:
        typer.echo(json.dumps(_json(said.text(), estimator, scores, {"read": read, "fit": fitted}, report)))
    else:
        say(f"  minimised {record.objective}")
        name = record.solver.get("name", parameters["solver"])
        say(f"  by {name}: {count(record.iterations, 'round')}, {record.passes:.4g} passes over the data")
        _say(said.text(), style="bold green" if said.passed else "bold yellow")
        for part, found in scores.items():
            say(f"  {part}: {_metrics(found)} ({found.n_samples:,} rows)")
        compiled = record.seconds.get("compile", 0.0)
        inside = f", {seconds(compiled)} of it compiling or loading compiled code" if compiled > 0.01 else ""
        say(f"  time: {seconds(read)} reading, {seconds(fitted)} fitting{inside}")
        if report is not None:
            say(f"  report: {report}")
    return CERTIFIED if said.passed else NOT_CERTIFIED


def _fit(model: str, parameters: dict[str, Any], data: Dataset) -> Any:
    """The fitted estimator; its warnings go to standard error as lines."""
    import steepest
    from steepest.exceptions import DataError, SteepestError

    kind = steepest.LinearClassifier if MODELS[model].classifies else steepest.LinearRegressor
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = kind(**parameters).fit(data.X, data.y)
        except SteepestError:
            raise
        except ValueError as error:  # scikit-learn's checks of the data
            raise DataError(f"{data.source}: {error}") from error
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                typer.echo(f"warning: {message}", err=True)
    return estimator


def _metrics(scores: Scores) -> str:
    from steepest.report.words import metric

    return ", ".join(f"{name} {metric(name, value)}" for name, value in scores.values.items())


def _json(
    said: str, estimator: Any, scores: dict[str, Scores], clock: dict[str, float], report: Path | None
) -> dict[str, Any]:
    record = estimator.fit_record_.to_dict()
    return {
        "verdict": said,
        "certificate": record["certificate"],
        "metrics": {part: found.to_dict() for part, found in scores.items()},
        "seconds": clock,
        "report": None if report is None else str(report),
        "record": record,
    }


def _silent(text: str, style: str | None = None) -> None:
    """Say nothing."""


def _say(text: str, style: str | None = None) -> None:
    """A line on standard output; colours only where it is a terminal."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, soft_wrap=True).print(text, style=style, markup=False)
