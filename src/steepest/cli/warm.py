"""``steepest warm``: compile now what the first fits would compile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from steepest.cli.saying import errors, say


def warm(
    everything: Annotated[
        bool, typer.Option("--all", help="Every loss and solver too, not only the usual estimators.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Compile now what later fits would compile.

    The code of the usual fits goes into the cache, so that none waits for the compiler: for images of containers,
    shared machines and class rooms.  Exit code 0: done.  2: no cache can be written.
    """
    from steepest.exceptions import SteepestError

    with errors():
        from steepest.jit import KERNELS, cache_directory, compile_clock

        folder = cache_directory()
        if folder is None:
            raise SteepestError(
                "no folder for compiled code can be written to; set NUMBA_CACHE_DIR to one that can, and run it again"
            )
        began = time.perf_counter()
        before = sum(kernel.misses() for kernel in KERNELS)
        with compile_clock() as clock:
            for name, task in _shown(list(_tasks(everything)), quiet=quiet or as_json):
                del name
                task()
        made = sum(kernel.misses() for kernel in KERNELS) - before
    seconds = time.perf_counter() - began
    if as_json:
        about = {"folder": str(folder), "compiled": made, "seconds": seconds, "compile_seconds": clock.seconds}
        typer.echo(json.dumps(about))
    elif not quiet:
        said = f"{made} pieces compiled" if made else "everything was compiled already"
        say(f"{said}, in {seconds:.1f} s; they are kept in {folder}")


def _shown(tasks: list[tuple[str, Callable[[], Any]]], *, quiet: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The tasks, with a bar on standard error where it is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield from tasks
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("compiling", total=len(tasks))
        for item in tasks:
            bar.update(task, description=f"compiling for {item[0]}")
            yield item
            bar.advance(task)


def _tasks(everything: bool) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Small fits that meet the kernels of large ones: shapes decide the solver, not the code."""
    import numpy as np
    import scipy.sparse as sp

    import steepest

    rng = np.random.default_rng(0)
    n, d = 3000, 30
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.3)
    score = X @ rng.standard_normal(d)
    two, three = (score > 0).astype(int), np.digitize(score, [-1.0, 1.0])
    y = score + rng.standard_normal(n)
    forms = {
        "float64": X,
        "float32": X.astype(np.float32),
        "sparse": sp.csr_array(X),
        "sparse float32": sp.csr_array(X.astype(np.float32)),
    }
    quiet: dict[str, Any] = {"on_unconverged": "ignore"}
    models: list[tuple[Any, Any]] = [
        (steepest.LogisticRegression(**quiet), two),
        (steepest.LogisticRegression(fit_intercept=False, **quiet), two),
        (steepest.LogisticRegression(l1_ratio=1.0, C=0.1, **quiet), two),
        (steepest.LogisticRegression(**quiet), three),
        (steepest.LogisticRegression(fit_intercept=False, **quiet), three),
        (steepest.LinearRegression(**quiet), y),
        (steepest.Ridge(**quiet), y),
        (steepest.Lasso(alpha=0.1, **quiet), y),
        (steepest.ElasticNet(alpha=0.1, **quiet), y),
    ]
    if everything:
        from steepest.losses.registry import SCALAR_LOSSES, is_composed

        losses: dict[str, Any] = {name: cls for name, cls in SCALAR_LOSSES.items() if not is_composed(cls)}
        for name, loss in losses.items():
            classifies = loss.targets in ("sign", "unit")
            kind: Any = steepest.LinearClassifier if classifies else steepest.LinearRegressor
            goal = two if classifies else np.exp(0.1 * np.clip(y, -3, 3))
            models += [
                (kind(loss=name, penalty=penalty, max_iter=20, alpha=1e-2, **quiet), goal) for penalty in ("l2", "l1")
            ]
        solvers = ("lbfgs", "newton-cg", "newton-cholesky", "gradient_descent", "bfgs", "fista", "proximal_gradient")
        models += [(steepest.LinearClassifier(loss="logistic", solver=s, max_iter=5, **quiet), two) for s in solvers]
    for model, goal in models:
        for form, data in forms.items():
            yield f"{model!r:.60}, {form}".replace("\n", " "), _task(model, data, goal)
    yield from _networks(X, two, three, y, quiet, everything)


def _networks(
    X: Any, two: Any, three: Any, y: Any, quiet: dict[str, Any], everything: bool
) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Fits of networks: nothing is compiled for a shape, but for what X and y are and what the layers hold."""
    import numpy as np
    import scipy.sparse as sp

    import steepest

    few = X[:150]
    mapped = few.astype(np.float32)
    mapped.flags.writeable = False  # as files that are mapped are
    forms = {
        "float32": few.astype(np.float32),
        "float64": few,
        "bytes": np.abs(few * 50).astype(np.uint8),
        "float32, mapped": mapped,
        "sparse": sp.csr_array(few),
    }
    kinds: list[tuple[Any, Any, dict[str, Any]]] = [
        (steepest.MLPClassifier, three, {"dtype": "float32"}),
        (steepest.MLPClassifier, three, {"dtype": "float64"}),
        (steepest.MLPClassifier, two, {"dtype": "float32"}),
        (steepest.MLPClassifier, two, {"dtype": "float64"}),
        (steepest.MLPRegressor, y, {"dtype": "float32"}),
        (steepest.MLPRegressor, y, {"dtype": "float64"}),
        (steepest.MLPClassifier, three, {"dtype": "float32", "solver": "sgd"}),
        (steepest.MLPClassifier, two, {"dtype": "float32", "early_stopping": True}),
        (steepest.MLPClassifier, two, {"dtype": "float64", "solver": "lbfgs"}),
    ]
    if everything:
        kinds += [
            (steepest.MLPClassifier, three, {"dtype": "float32", "optimizer": rule})
            for rule in ("adamw", "rmsprop", "adagrad", "momentum", "nesterov")
        ]
        norm = [steepest.Dense(8, "relu", batch_norm=True, dropout=0.2)]
        pieces = [steepest.Dense(8, "maxout", dropout=0.2)]
        for dtype in ("float32", "float64"):
            kinds += [(steepest.MLPClassifier, three, {"dtype": dtype, "layers": some}) for some in (norm, pieces)]
    for kind, goal, options in kinds:
        model = kind(hidden_layer_sizes=(8, 4), max_iter=2, batch_size=64, tol=None, **options, **quiet)
        for form, data in forms.items():
            yield f"{model!r:.60}, {form}".replace("\n", " "), _task(model, data, goal[:150])
    rare = np.eye(8_192, 160)  # columns that are nearly always zero, and enough work for it to matter
    large = steepest.MLPClassifier((256,), batch_size=128, max_iter=1, tol=None, dtype="float32", **quiet)
    for name in ("float32", "uint8"):
        yield f"columns of zeros, {name}", _task(large, rare.astype(name), np.arange(8_192) % 3)


def _task(model: Any, X: Any, y: Any) -> Callable[[], Any]:
    def run() -> None:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y)

    return run
