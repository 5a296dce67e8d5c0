"""The benchmark of networks measures what it says."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import networks, targets
from benchmarks.networks_contestants import BATCH, CELLS, Cell, Products, ScikitLearn, epoch_seconds, takes


def _digits(n: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    X = rng.random((n, 784), dtype=np.float32)
    y = np.arange(n) % 10
    X[np.arange(n), y] += 9.0
    return X, y, X, y


@pytest.mark.parametrize("cell", [Cell((8, 4)), Cell((5,))], ids=["two hidden", "one hidden"])
def test_bare_products_are_those_of_a_step(cell: Cell) -> None:
    products = Products(cell, _digits(BATCH + 7))
    done = products.train(2, True)
    assert len(done.seconds) == 2
    assert not done.accuracy
    widths = cell.widths
    multiplications = sum(a.shape[0] * a.shape[1] * b.shape[1] for a, b, _ in products.full)
    forward = sum(a * b for a, b in zip(widths, widths[1:], strict=False))
    assert multiplications == BATCH * (3 * forward - widths[0] * widths[1])  # no gradient of the pixels
    assert products.rest[0][0].shape == (7, 784)
    assert all(c.flags.c_contiguous and c.dtype == np.float32 for *_, c in products.full)


def test_parameters_are_counted() -> None:
    assert CELLS["784-256-128-10"].parameters == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert Cell((3,), True).parameters == 784 * 3 + 3 + 3 * 10 + 10 + 2 * 3
    assert not takes("scikit-learn", Cell((3,), True))
    assert takes("scikit-learn", Cell((3,)))


def test_scikit_learn_trains_an_epoch_at_a_time() -> None:
    done = ScikitLearn(Cell((32,)), _digits(5000)).train(2, True)
    assert sorted(done.accuracy) == [1, 2]
    assert len(done.seconds) == 2
    assert 0.5 < done.accuracy[2] <= 1.0


class _Fitted:
    def __init__(self, passes: list[float], seconds: list[float]) -> None:
        self.history_ = {"passes": np.array(passes), "seconds": np.array(seconds)}


def test_seconds_of_an_epoch_come_from_the_history() -> None:
    assert epoch_seconds(_Fitted([1.0, 2.0], [0.5, 0.75]), 2) == [0.5, 0.25]
    assert epoch_seconds(_Fitted([0.0, 0.5, 1.0, 2.0], [0.1, 0.2, 0.5, 0.75]), 2) == [0.4, 0.25]
    with pytest.raises(RuntimeError, match="2 epochs"):
        epoch_seconds(_Fitted([1.0], [0.5]), 2)


def test_ratios_and_targets() -> None:
    cell = "784-256-128-10"
    least = {"products": 0.3, "steepest": 0.33, "jax": 0.33, "torch fused": 0.9, "torch eager": 1.0}
    found = networks.ratios(cell, least)
    assert found[f"{cell}: steepest over products"] == pytest.approx(1.1)
    assert found[f"{cell}: best torch over steepest"] == pytest.approx(0.9 / 0.33)
    found |= {"accuracy, plain: test accuracy": 0.983, "accuracy, plain: seconds": 100.0}
    words = "784-256-128-10, X as uint8: memory over 1.2 X, parameters, states and a batch"
    found |= {words: 0.9, words.replace("uint8", "float32"): 1.1}
    verdicts = {verdict.words: verdict for verdict in targets.networks(found)}
    assert verdicts[f"an epoch of {cell}, over its bare matrix products: at most 1.2x"].met is True
    assert verdicts[f"an epoch of {cell}, against best torch: at least 2x"].met is True
    assert verdicts["MNIST, plain: test accuracy at least 98.4% within 10 minutes"].met is False
    assert verdicts["MNIST, augmented: test accuracy at least 99.2% within 10 minutes"].met is None
    assert verdicts[f"an epoch of {cell}, against scikit-learn"].met is None
    assert [v.measured for v in verdicts.values() if v.words.startswith("memory")] == ["1.1x"]
    assert all(verdict.met is None for verdict in targets.networks({}))


def test_a_contestant_that_fails_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(networks.sys, "executable", "/bin/false")
    process = networks.Process("products", "784-256-128-10", 10)
    assert process.ask(30.0, epochs=1, score=False) is None
    assert "products: left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "given"), [("--cells", "784-256"), ("--only", "epochs,ends"), ("--contestants", "steepest,jaxx")]
)
def test_what_is_not_there_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, given: str
) -> None:
    monkeypatch.setattr("sys.argv", ["networks", option, given])
    with pytest.raises(SystemExit):
        networks.main()
    said = capsys.readouterr().err
    assert f"{option}: expected some of" in said
    assert f"got '{given.split(',')[-1]}'" in said
