"""Sections, heat maps and displays of networks say what the networks hold."""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
import subprocess
import warnings
import zlib

import matplotlib
import numpy as np
import pytest

import steepest
from steepest import Dense, FirstLayerDisplay, GradientFlowDisplay, MLPClassifier, MLPRegressor, write_report
from steepest.exceptions import InvalidParameterError
from steepest.networks.probe_table import COLUMNS, ProbeTable
from steepest.readers import read_dataset
from steepest.readers.builtin import split
from steepest.report.html import render
from steepest.report.metrics import score
from steepest.report.network_sections import architecture, first_pictures, flow, learning, network_words, striking
from steepest.report.svg_heat import colours, heat_map
from steepest.report.view import Reported

matplotlib.use("Agg")
import matplotlib.pyplot as plt


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def digits():
    train, test = split(read_dataset("digits"), stratify=True)
    layers = [Dense(24, "relu", batch_norm=True, dropout=0.1), Dense(12, "tanh")]
    model = MLPClassifier(
        layers=layers, max_iter=8, tol=None, learning_rate_init=0.01, probes=10, random_state=0, image_shape=(8, 8)
    )
    return model.fit(train.X, train.y, X_val=test.X, y_val=test.y), train, test


def embedded(text):
    (found,) = re.findall(r'<script type="application/json" id="steepest-report">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def pixels(address):
    """The pixels of a PNG in a data address, as it was packed by us."""
    raw = base64.b64decode(address.split(",")[1])
    width, height = struct.unpack(">II", raw[16:24])
    body = zlib.decompress(raw[raw.index(b"IDAT") + 4 : raw.index(b"IEND") - 8])
    return np.frombuffer(body, np.uint8).reshape(height, 1 + 4 * width)[:, 1:].reshape(height, width, 4)


def test_a_report_of_a_network(digits):
    model, train, test = digits
    text = render(model, dataset=train, test=test)
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "How it got there",
        "On the test part",
        "Worst mistakes",
        "Weights of the first layer",
        "What flowed through the layers",
        "Layers",
        "Settings and circumstances",
    ]
    for words in ("Loss by epochs", "validation loss", "Confusion matrix", "taken for", "Norm of the gradient"):
        assert words in text
    assert "Coefficients" not in text
    assert "relative gap" not in text
    assert "✗" not in text
    assert text.count('alt="Weights of a unit') == 24
    found = embedded(text)
    assert found["scores"] == score(model, test).to_dict()
    assert found["record"]["solver"]["probes"] == model.probes_.to_dict()


def test_without_pictures_without_probes_and_for_numbers():
    train, test = split(read_dataset("diabetes"), stratify=False)
    model = MLPRegressor(
        hidden_layer_sizes=(5,), max_iter=3, probes=False, scale="standard", dtype="float32", on_unconverged="ignore"
    )
    model.fit(train.X, train.y)
    text = render(model, dataset=train, test=test)
    assert model.probes_ is None
    assert "Weights of the first layer" not in text
    assert "What flowed" not in text
    assert "True against predicted" in text
    assert "coefficient x (value - mean)" not in text  # a network has none
    assert "<h2>Layers</h2>" in text
    assert network_words(model) == ["network: 10 → 5 → 1, 61 parameters in float32"]


def test_rounds_of_a_method_on_all_rows_are_no_epochs():
    train, _ = split(read_dataset("iris"), stratify=True)
    model = MLPClassifier((4,), "tanh", solver="lbfgs", max_iter=30, on_unconverged="ignore").fit(train.X, train.y)
    text = render(model, dataset=train)
    assert "Loss by rounds" in text
    assert "epochs" not in text.split("Settings and circumstances")[0]
    model = MLPClassifier((2,), "tanh", optimizer="newton", max_iter=4, on_unconverged="ignore").fit(train.X, train.y)
    assert "Loss by rounds" in learning(model.fit_record_)


def test_a_network_behind_steps_of_a_pipeline(digits, tmp_path):
    from sklearn.pipeline import make_pipeline

    _, train, test = digits
    model = make_pipeline(steepest.Scaler(), MLPClassifier((6,), max_iter=2, on_unconverged="ignore"))
    model.fit(train.X, train.y)
    write_report(tmp_path / "r.html", model, train.X, train.y, X_test=test.X, y_test=test.y)
    found = embedded((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert found["scores"]["accuracy"] == pytest.approx(model.score(test.X, test.y))


def test_the_table_of_layers_counts_what_is_learned(digits):
    model = digits[0]
    text = re.sub(r"<[^>]+>", " ", architecture(model))
    words = " ".join(text.split())
    assert "layer 1 64 → 24 relu batch normalisation, dropout 10 % He, normal 1,584" in words  # 64 * 24 + 2 * 24
    assert "layer 2 24 → 12 tanh – Glorot, uniform 300" in words
    assert "output 12 → 10 identity – Glorot, uniform 130" in words
    assert f"{1584 + 300 + 130:,} parameters in {model.stack_.dtype}: weights, biases, gammas" in words
    fixed = MLPClassifier(layers=[Dense(7, "maxout", trainable=False)], max_iter=1, on_unconverged="ignore")
    fixed.fit(digits[1].X, digits[1].y)
    words = " ".join(re.sub(r"<[^>]+>", " ", architecture(fixed)).split())
    assert "64 → 7 maxout, 2 pieces not trained" in words
    assert "80 parameters" in words


def test_a_stored_model_has_the_same_sections(digits, tmp_path):
    model, train, test = digits
    steepest.save(model, tmp_path / "m.skops")
    again = steepest.load(tmp_path / "m.skops")
    assert isinstance(again.probes_, ProbeTable)
    for name in COLUMNS:
        np.testing.assert_array_equal(again.probes_[name], model.probes_[name])
    pages = [re.sub(r"<footer>.*?</footer>", "", render(m, dataset=train, test=test)) for m in (model, again)]
    assert pages[0] == pages[1]
    alone = render(again)  # without rows
    assert "Weights of the first layer" in alone
    assert "What flowed through the layers" in alone


def table(**columns):
    shape = np.shape(next(iter(columns.values())))
    names = [*(f"layer {k + 1}" for k in range(shape[1] - 1)), "output"]
    full = {name: np.full(shape, np.nan) for name in COLUMNS}
    full |= {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    return ProbeTable(names, np.arange(shape[0]) * 5, full, 5)


def test_what_is_striking_is_said():
    nan = np.nan
    lines = striking(table(delta_norm=[[1e-9, 1e-5, 1.0]], dead=[[0.5, nan, nan]], saturated=[[nan, 0.9, nan]]))
    assert lines == [
        "Gradients vanish: at layer 1 a share of 1e-09 of the gradient at the output arrives (2 layers are such).",
        "At layer 1 50 % of its units no row of a batch switches on.",
        "At layer 2 90 % of its outputs are at their limits.",
    ]
    (line,) = striking(table(delta_norm=[[5e4, 1.0, 1.0]]))
    assert line == "Gradients explode: at layer 1 5e+04 times the gradient at the output arrives."
    (line,) = striking(table(delta_norm=[[np.inf, 1.0, 1.0]]))
    assert "more than a finite multiple" in line
    assert striking(table(delta_norm=[[0.5, 1.0, 1.0]])) == []


def test_shares_near_zero_are_not_drawn():
    class Seen:
        probes_ = table(gradient_norm=[[1.0, 2.0]] * 3, dead=[[0.001, np.nan]] * 3, saturated=[[0.6, np.nan]] * 3)

    text = flow(Seen())
    assert "Share of units that are off" not in text
    assert "Share of outputs at their limits" in text
    assert "Norm of the gradient in the weights" in text
    Seen.probes_ = table(gradient_norm=np.empty((0, 2)))
    assert flow(Seen()) == ""


def test_cells_of_a_heat_map():
    values = np.array([[1.0, 100.0], [10.0, np.nan], [0.0, 1.0]])
    text = heat_map(["first", "out"], values, np.array([0.0, 5.0, 10.0, 15.0]), title="A <title>", x_label="steps")
    assert "A &lt;title&gt;" in text
    shown = pixels(re.search(r'href="(data:[^"]+)"', text).group(1))
    assert shown.shape == (2, 3, 4)
    low, middle, high = (colours(np.array([share]))[0].tolist() for share in (0.0, 0.5, 1.0))
    assert shown[0].tolist() == [high, [0, 0, 0, 0], low]  # the last name is at the top
    assert shown[1].tolist() == [low, middle, [0, 0, 0, 0]]
    assert re.findall(r">(first|out|1|0|100|10)<", text)[:4] == ["first", "0", "out", "1"]
    assert heat_map(["a"], np.full((2, 1), np.nan), np.arange(3.0), title="", x_label="") == ""


@pytest.mark.parametrize("values", [[[2.0]], [[1e-300]], [[-3.0], [5.0]], [[0.0]], [[1e30], [1e-30]]])
@pytest.mark.parametrize("log", [True, False])
def test_heat_maps_of_extreme_numbers_are_finite(values, log):
    numbers = np.array(values)
    text = heat_map(["a"], numbers, np.arange(len(numbers) + 1.0), title="t", x_label="x", log=log)
    assert not re.search(r'"[^"]*(nan|inf)[^"]*"', re.sub(r'href="[^"]*"', "", text))
    assert bool(text) == (not log or bool((numbers > 0).any()))


def test_gradient_flow_is_what_the_probes_saw(digits):
    model = digits[0]
    display = GradientFlowDisplay.from_estimator(model)
    drawn = np.asarray(display.image_.get_array()).reshape(3, -1).T
    np.testing.assert_allclose(drawn, model.probes_["gradient_norm"])
    assert display.ax_.get_xlim()[0] == 0.0
    said = [text.get_text() for text in display.ax_.texts]
    assert said[:3] == [f"{value:.2g}" for value in model.probes_["gradient_norm"][-1]]
    assert GradientFlowDisplay.from_estimator(model, column="saturated").image_.norm.vmax == 1.0
    figure, ax = plt.subplots()
    assert GradientFlowDisplay.from_estimator(model, column="flow", ax=ax).figure_ is figure
    with pytest.raises(InvalidParameterError, match="column: expected one of gradient_norm"):
        GradientFlowDisplay.from_estimator(model, column="loss")


@pytest.mark.parametrize("column", ["activation_mean", "dead", "ratio", "slope_max"])
def test_other_columns_can_be_drawn(digits, column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GradientFlowDisplay.from_estimator(digits[0], column=column).figure_.canvas.draw()


def test_displays_of_what_is_no_network():
    with pytest.raises(InvalidParameterError, match="fitted MLPClassifier or MLPRegressor, got Ridge"):
        GradientFlowDisplay.from_estimator(steepest.Ridge())
    with pytest.raises(InvalidParameterError, match="got Ridge"):
        FirstLayerDisplay.from_estimator(steepest.Ridge())


def test_first_weights_are_the_largest_in_order(digits):
    model = digits[0]
    display = FirstLayerDisplay.from_estimator(model, most=5)
    norms = np.linalg.norm(model.coefs_[0], axis=0)
    best = np.argsort(-norms, kind="stable")[:5]
    for ax, unit in zip(display.axes_, best, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), model.coefs_[0][:, unit].reshape(8, 8))
        assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax == -display.scale_
    assert "5 of 24 units" in display.figure_.get_suptitle()


@pytest.mark.parametrize("shape", [(7, 8), (8, 8, 2), (64,), (4, 4, 4), 64])
def test_shapes_that_do_not_fit(digits, shape):
    with pytest.raises(InvalidParameterError, match="image_shape: expected height and width"):
        FirstLayerDisplay.from_estimator(digits[0], shape)


@pytest.mark.parametrize("most", [0, -1, 2.5, True])
def test_numbers_of_pictures_that_are_none(digits, most):
    with pytest.raises(InvalidParameterError, match="most: expected a number of pictures of at least 1"):
        FirstLayerDisplay.from_estimator(digits[0], most=most)


def test_weights_of_mixed_columns_are_no_pictures(digits):
    _, train, _ = digits
    scaler, whitener = steepest.Scaler().fit(train.X), steepest.Whitener("zca").fit(train.X)
    model = MLPClassifier((3,), max_iter=1, on_unconverged="ignore").fit(train.X, train.y)
    assert "Weights of the first layer" in first_pictures(Reported(model, [("scale", scaler)]), train)
    assert first_pictures(Reported(model, [("whiten", whitener)]), train) == ""


def test_colours_and_squares():
    colour = FirstLayerDisplay(np.random.default_rng(0).normal(size=(3, 4, 5, 3))).plot()
    assert len(colour.figure_.axes) >= 3
    train, _ = split(read_dataset("diabetes"), stratify=False)
    model = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, on_unconverged="ignore").fit(train.X, train.y)
    with pytest.raises(InvalidParameterError, match="10 columns are no square"):
        FirstLayerDisplay.from_estimator(model)
    assert FirstLayerDisplay.from_estimator(model, (2, 5)).pictures.shape == (3, 2, 5)


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: install it to see reports as people see them")
def test_a_browser_shows_it(tmp_path, digits):
    import matplotlib.image

    model, train, test = digits
    write_report(tmp_path / "r.html", model, dataset=train, test=test)
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars", *quiet]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"]
    command += ["--window-size=420,9000", (tmp_path / "r.html").as_uri()]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    seen = matplotlib.image.imread(tmp_path / "page.png")[..., :3]
    dark = colours(np.array([0.0]))[0, :3] / 255.0
    assert (
        np.abs(seen - dark).max(axis=-1) < 0.02
    ).sum() > 100  # the lowest colour of a heat map: pictures are allowed
