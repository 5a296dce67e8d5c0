"""``steepest fit TRAIN``: data in, a certified model, its report and its file out."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from steepest.cli.checks import (
    CERTIFIED,
    MODELS,
    NOT_CERTIFIED,
    ON_UNCONVERGED,
    PENALTIES,
    WHITENING,
    between,
    complete,
    jobs,
    one_of,
    share,
)
from steepest.cli.margins import margin_parameters
from steepest.cli.networks import network_parameters, of_data, went_well
from steepest.cli.options import Epsilon, HardMargin, Header, Ignored, MarginC, MarginLoss, Scaled, Target
from steepest.cli.options_network import (
    Activation,
    Augment,
    BatchNorm,
    BatchSize,
    Dropout,
    Epochs,
    Layers,
    LearningRate,
    Optimizer,
    Regress,
    Schedule,
    WeightDecay,
)
from steepest.cli.ranking import check_queries, of_ranker, rank_parameters
from steepest.cli.saying import errors, say, silent
from steepest.cli.spelling import spelling

if TYPE_CHECKING:
    from steepest.cli.inputs import Inputs
    from steepest.report.metrics import Scores


def fit(
    train: Annotated[
        str,
        typer.Argument(
            metavar="TRAIN",
            help="A table (CSV, Parquet), LIBSVM text, idx images (the label file is found by name) or a folder of "
            "them, each plain or packed, or one of digits, iris, breast_cancer, wine, diabetes.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            help=f"One of {', '.join(MODELS)}.", callback=one_of(list(MODELS)), autocompletion=complete(list(MODELS))
        ),
    ],
    test: Annotated[
        str | None,
        typer.Option(metavar="FILE|SHARE", help="Test data, in any form that TRAIN may have, or a share of its rows."),
    ] = None,
    valid: Annotated[
        str | None,
        typer.Option(metavar="FILE|SHARE", help="Validation data, measured every round; see --patience."),
    ] = None,
    target: Target = None,
    ignore: Ignored = None,
    header: Header = "auto",
    scale: Scaled = False,
    whiten: Annotated[
        str | None,
        typer.Option(
            metavar="FORM",
            help=f"Whiten the columns first: {', '.join(WHITENING)}.",
            callback=one_of(WHITENING),
            autocompletion=complete(WHITENING),
        ),
    ] = None,
    components: Annotated[
        int | None, typer.Option(callback=between(1), help="Directions that --whiten keeps.  [default: all]")
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            callback=between(0), help="Strength of the penalty: mean loss + alpha * penalty.  [default: 1e-4]"
        ),
    ] = None,
    penalty: Annotated[
        str | None,
        typer.Option(
            help=f"For softmax, logistic and svm (l2, l1): one of {', '.join(PENALTIES)}.  [default: l2]",
            callback=one_of(PENALTIES),
            autocompletion=complete(PENALTIES),
        ),
    ] = None,
    l1_ratio: Annotated[
        float | None,
        typer.Option(callback=between(0, 1), help="Share of l1 in an elasticnet penalty.  [default: 0.5]"),
    ] = None,
    loss: MarginLoss = None,
    C: MarginC = None,
    epsilon: Epsilon = None,
    hard_margin: HardMargin = False,
    layers: Layers = None,
    activation: Activation = None,
    batch_norm: BatchNorm = False,
    dropout: Dropout = None,
    augment: Augment = None,
    optimizer: Optimizer = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    schedule: Schedule = None,
    weight_decay: WeightDecay = None,
    regress: Regress = False,
    solver: Annotated[str, typer.Option(help="Name of a solver; auto chooses and says why.")] = "auto",
    tol: Annotated[
        float | None,
        typer.Option(
            callback=between(0, above=True),
            help="Relative suboptimality to be proven; of mlp: what epochs must gain.  [default: 1e-4]",
        ),
    ] = None,
    max_iter: Annotated[int | None, typer.Option(callback=between(1), help="Most rounds of the solver.")] = None,
    max_time: Annotated[
        float | None, typer.Option(callback=between(0, above=True), help="Most seconds for the fit.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            callback=between(1), help="With --valid: stop after so many rounds without improvement, keep the best."
        ),
    ] = None,
    monitor: Annotated[
        str, typer.Option(help="With --valid: what is watched, loss or the name of a scikit-learn scorer.")
    ] = "loss",
    jobs: Annotated[int, typer.Option(callback=jobs, help="Threads; -1 is all cores.")] = -1,
    seed: Annotated[int, typer.Option(callback=between(0), help="Seed of whatever draws random numbers.")] = 0,
    intercept: Annotated[bool, typer.Option("--intercept/--no-intercept", help="Fit an intercept.")] = True,
    on_unconverged: Annotated[
        str,
        typer.Option(
            help="ignore: print the verdict; warn: a warning too; raise: stop, write nothing. The exit code is 3 in "
            "any case.",
            callback=one_of(ON_UNCONVERGED),
            autocompletion=complete(ON_UNCONVERGED),
        ),
    ] = "ignore",
    out: Annotated[
        Path | None, typer.Option(help="Write the model to this file, for steepest predict and steepest.load.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
) -> None:
    """Fit a model and say what is proven about it.

    Exit code 0: certified to --tol, or stopped by --patience; of mlp, for which nothing global can be certified,
    trained to its end.  3: not certified, or diverged.  2: bad usage or data.
    """
    networks: dict[str, Any] = {"layers": layers, "activation": activation, "batch_norm": batch_norm or None}
    networks |= {"dropout": dropout, "augment": augment, "optimizer": optimizer, "epochs": epochs}
    networks |= {"batch_size": batch_size, "learning_rate": learning_rate, "schedule": schedule}
    networks |= {"weight_decay": weight_decay, "regress": regress or None}
    foreign = next((name for name, value in networks.items() if value is not None), None)
    if foreign is not None and model != "mlp":
        raise typer.BadParameter(f"--{foreign.replace('_', '-')} belongs to --model mlp, got it with --model {model}")
    margins = {"loss": loss, "C": C, "epsilon": epsilon, "hard_margin": hard_margin or None}
    if model == "mlp":
        parameters = {}  # made below
    elif model == "rank":
        idle = {"penalty": None if penalty == "l2" else penalty, "l1_ratio": l1_ratio, "patience": patience}
        idle |= {
            "epsilon": epsilon,
            "hard_margin": hard_margin or None,
            "monitor": None if monitor == "loss" else monitor,
        }
        parameters = rank_parameters({"loss": loss, "C": C, "alpha": alpha, **idle})
    elif MODELS[model].margin:
        parameters = margin_parameters(model, margins, {"alpha": alpha, "l1_ratio": l1_ratio}, penalty)
        if patience is not None or monitor != "loss":
            raise typer.BadParameter(f"--patience and --monitor do not go with --model {model}; leave them out")
    else:
        given = next((name for name, value in margins.items() if value is not None), None)
        if given is not None:
            option = "--" + given.replace("_", "-")
            raise typer.BadParameter(f"{option} belongs to --model svm, svr or rank, got it with --model {model}")
        parameters = _parameters(model, alpha, penalty, l1_ratio)
    if augment is not None and whiten is not None:
        raise typer.BadParameter("--augment changes images, and whitened columns are none; leave out one of the two")
    if components is not None and whiten is None:
        raise typer.BadParameter("--components belongs to --whiten; give --whiten pca")
    if valid is None and (patience is not None or monitor != "loss"):
        raise typer.BadParameter("--patience and --monitor need --valid, a file or a share of the rows such as 0.1")
    for part in (test, valid):
        if part is not None:
            share(part)  # a number that is no share is told here, with the usage
    verbose = 0 if quiet or as_json else 1
    if model == "mlp":
        common = {"alpha": alpha, "solver": solver, "tol": tol, "max_iter": max_iter, "max_time": max_time}
        common |= {"patience": patience, "monitor": monitor, "watched": valid is not None, "seed": seed}
        common |= {"verbose": verbose, "on_unconverged": on_unconverged, "scale": scale}
        others: dict[str, tuple[Any, Any]] = {name: (value, None) for name, value in margins.items()}
        others |= {"penalty": (None if penalty == "l2" else penalty, None), "l1_ratio": (l1_ratio, None)}
        others |= {"no_intercept": (intercept, True), "jobs": (jobs, -1)}
        parameters, scale = network_parameters(networks, common, others), False
    else:
        parameters.update(
            solver=solver,
            tol=1e-4 if tol is None else tol,
            max_time=max_time,
            fit_intercept=intercept,
            n_jobs=jobs,
            random_state=seed,
            verbose=verbose,
            on_unconverged=on_unconverged,
        )
        if max_iter is not None:
            parameters["max_iter"] = max_iter
    if valid is not None and not MODELS[model].margin and model != "mlp":
        parameters.update(patience=patience, monitor=monitor)
    if model == "rank":
        parameters = of_ranker(parameters)
    with errors(spelling(model)):
        from steepest.cli.inputs import Wanted

        kinds = False if regress else MODELS[model].classifies
        options = (tuple(ignore or ()), kinds, seed, quiet or as_json, model == "rank")
        wanted = Wanted(target, header, *options)
        code = _run(
            (train, test, valid),
            wanted,
            model,
            parameters,
            (whiten, components, scale),
            (out, report),
            as_json=as_json,
            quiet=quiet,
        )
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


def _check_targets(inputs: Inputs, model: str) -> None:
    from steepest.exceptions import DataError

    for part in (inputs.train, inputs.test, inputs.valid):
        if part is None or MODELS[model].classifies is None:
            continue
        kind = part.y.dtype.kind
        if MODELS[model].classifies and kind == "f":
            raise DataError(
                f"{part.source}: --model {model} needs class labels (whole numbers or text), the targets are real "
                f"numbers such as {part.y[0]:g}; use --model ridge, lasso, elasticnet or linear"
            )
        if not MODELS[model].classifies and kind in "UOSb":
            raise DataError(
                f"{part.source}: --model {model} needs numbers to predict, the targets are labels such as "
                f"{str(part.y[0])!r}; use --model logistic or softmax, or name another column with --target"
            )


def _run(
    files: tuple[str, str | None, str | None],
    wanted: Any,
    model: str,
    parameters: dict[str, Any],
    before: tuple[str | None, int | None, bool],
    written: tuple[Path | None, Path | None],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    from steepest.atomic import check_writable, write_text
    from steepest.cli.inputs import read_inputs
    from steepest.protocols import Status
    from steepest.report.words import count, is_local, seconds, verdict

    out, report = written
    for path, example in ((out, "model.skops"), (report, "report.html")):
        if path is not None:
            check_writable(path, example)
    tell = silent if as_json or quiet else say
    start = time.perf_counter()
    inputs = read_inputs(*files, wanted)
    _check_targets(inputs, model)
    if model == "rank":
        check_queries(inputs)
    data = inputs.train
    read = time.perf_counter() - start
    tell(f"Fitting {MODELS[model].words} on {data.source}")
    tell(f"  {data.describe()}")
    for line in filter(None, data.note.split("; ")):
        tell(f"  note: {line}")
    if inputs.valid is not None:
        tell(f"  validation: {inputs.valid.source}")
    if inputs.test is not None:
        tell(f"  test: {inputs.test.source}")
    estimator, steps = _fit(model, parameters, inputs, before, wanted.classifies)
    fitted = time.perf_counter() - start - read

    from steepest.report.html import render
    from steepest.report.margin_sections import margin_words
    from steepest.report.metrics import score
    from steepest.report.network_sections import by_epochs, network_words
    from steepest.report.view import Reported

    record, said = estimator.fit_record_, verdict(estimator.certificate_)
    shown = Reported(estimator, steps)
    watched = inputs.valid if model == "rank" else None  # other models have watched theirs during the fit
    parts = (("train", data), ("validation", watched), ("test", inputs.test))
    scores = {name: score(shown, part) for name, part in parts if part is not None}
    if out is not None:
        from sklearn.pipeline import Pipeline

        import steepest

        every = [*inputs.steps, *steps]
        steepest.save(Pipeline([*every, ("model", estimator)]) if every else estimator, out)
    if report is not None:
        last = scores.get("test", scores["train"])
        page = render(shown, dataset=data, test=inputs.test, scores=last, title=f"{model} on {data.name}")
        write_text(report, page)
    if as_json:
        clock = {"read": read, "fit": fitted}
        typer.echo(json.dumps(_json(said.text(), estimator, scores, clock, out, report)))
    else:
        tell(f"  minimised {record.objective}")
        name = record.solver.get("name", parameters.get("solver"))
        turns = count(record.iterations, "epoch" if by_epochs(record) else "round")
        tell(f"  by {name}: {turns}, {record.passes:.4g} passes over the data")
        local = is_local(estimator.certificate_)
        say(spelling(model)(said.text()), style="bold green" if said.passed else "bold" if local else "bold yellow")
        for line in network_words(estimator):
            tell(f"  {line}")
        for line in margin_words(shown, data):
            tell(f"  {line}")
        for part, found in scores.items():
            tell(f"  {part}: {_metrics(found)} ({found.n_samples:,} rows)")
        compiled = record.seconds.get("compile", 0.0)
        inside = f", {seconds(compiled)} of it compiling or loading compiled code" if compiled > 0.01 else ""
        tell(f"  time: {seconds(read)} reading, {seconds(fitted)} fitting{inside}")
        for name, path in (("model", out), ("report", report)):
            if path is not None:
                tell(f"  {name}: {path}")
    asked = estimator.certificate_.status is Status.STOPPED_EARLY  # by --patience: what the user wanted
    asked = asked or (model == "mlp" and went_well(estimator.certificate_))
    return CERTIFIED if said.passed or asked else NOT_CERTIFIED


def _fit(
    model: str,
    parameters: dict[str, Any],
    inputs: Inputs,
    before: tuple[str | None, int | None, bool],
    classes: bool | None,
) -> tuple[Any, list[tuple[str, Any]]]:
    """The fitted estimator, and the transformers between the data set and it."""
    import steepest
    from steepest.exceptions import DataError, SteepestError

    whiten, components, scale = before
    data, valid = inputs.train, inputs.valid
    chosen = MODELS[model]
    classes = data.y.dtype.kind != "f" if classes is None else classes
    room = "MLP" if model == "mlp" else "Linear"
    kind = getattr(steepest, chosen.margin or f"{room}{'Classifier' if classes else 'Regressor'}")
    try:
        steps: list[tuple[str, Any]] = []
        X, held = data.X, None if valid is None else valid.X
        for name, step in (
            ("scale", steepest.Scaler() if scale else None),
            ("whiten", steepest.Whitener(whiten, n_components=components) if whiten else None),
        ):
            if step is not None:
                X = step.fit_transform(X)
                held = held if held is None else step.transform(held)
                steps.append((name, step))
        if model == "rank":
            return kind(**parameters).fit(X, data.y, data.qid), steps
        if model == "mlp":
            parameters = (
                of_data(parameters, data) if not steps else of_data(parameters, replace(data, image_shape=None))
            )
        more = {} if valid is None else {"X_val": held, "y_val": valid.y}
        return kind(**parameters).fit(X, data.y, **more), steps
    except SteepestError:
        raise
    except ValueError as error:  # scikit-learn's checks of the data
        raise DataError(f"{data.source}: {error}") from error


def _metrics(scores: Scores) -> str:
    from steepest.report.words import metric

    return ", ".join(f"{name} {metric(name, value)}" for name, value in scores.values.items())


def _json(
    said: str,
    estimator: Any,
    scores: dict[str, Scores],
    clock: dict[str, float],
    out: Path | None,
    report: Path | None,
) -> dict[str, Any]:
    record = estimator.fit_record_.to_dict()
    probes = getattr(estimator, "probes_", None)
    return {
        "verdict": said,
        "certificate": record["certificate"],
        **({} if probes is None else {"probes": probes.summary()}),
        "metrics": {part: found.to_dict() for part, found in scores.items()},
        "seconds": clock,
        "model": None if out is None else str(out),
        "report": None if report is None else str(report),
        "record": record,
    }
