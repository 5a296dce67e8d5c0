"""Options of ``steepest fit --model mlp``."""

from __future__ import annotations

from typing import Annotated

import typer

from steepest.cli.checks import SCHEDULES, UNITS, between, complete, one_of

Layers = Annotated[
    str | None,
    typer.Option(metavar="WIDTHS", help="Of mlp: units of the hidden layers, such as 256,128.  [default: 100]"),
]
Activation = Annotated[
    str | None,
    typer.Option(
        help=f"Of mlp: units of the hidden layers, one of {', '.join(UNITS)}.  [default: relu]",
        callback=one_of(UNITS),
        autocompletion=complete(UNITS),
    ),
]
BatchNorm = Annotated[bool, typer.Option("--batch-norm", help="Of mlp: normalise the sums of hidden layers by batch.")]
Dropout = Annotated[
    float | None,
    typer.Option(callback=between(0, 1), help="Of mlp: share of the outputs of hidden layers dropped in training."),
]
Augment = Annotated[
    str | None,
    typer.Option(metavar="CHANGES", help="Of mlp, for images: random changes, such as shift,rotate or shift=3."),
]
Optimizer = Annotated[
    str | None,
    typer.Option(help="Of mlp: adam, sgd, nesterov, rmsprop, adamw ..., lbfgs or newton_cg.  [default: adam]"),
]
Epochs = Annotated[
    int | None,
    typer.Option(callback=between(1), help="Of mlp: passes over the data, all of them unless --tol or --patience end."),
]
BatchSize = Annotated[int | None, typer.Option(callback=between(1), help="Of mlp: rows of a step.  [default: 200]")]
LearningRate = Annotated[
    float | None, typer.Option(callback=between(0, above=True), help="Of mlp: the first rate.  [default: 0.001]")
]
Schedule = Annotated[
    str | None,
    typer.Option(
        help=f"Of mlp: how rates go on, one of {', '.join(SCHEDULES)}; cosine falls to 0 over all epochs.  "
        "[default: constant]",
        callback=one_of(SCHEDULES),
        autocompletion=complete(SCHEDULES),
    ),
]
WeightDecay = Annotated[
    float | None, typer.Option(callback=between(0), help="Of mlp: decay of weights beside --alpha.")
]
Regress = Annotated[
    bool, typer.Option("--regress", help="Of mlp: whole numbers as targets are numbers to predict, not classes.")
]
