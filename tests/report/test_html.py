"""The report: self-contained, escaped, true to the record, and readable by a real browser."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from steepest.readers import Dataset
from steepest.record.history import History
from steepest.report import write_report
from steepest.report.html import render


class Page(html.parser.HTMLParser):
    """Tags with their attributes, the text, and a check that tags close in order."""

    VOID = {"meta", "img", "path", "circle", "rect", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def embedded(text: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="steepest-report">(.*?)</script>', text, re.DOTALL).group(1)
    )


def test_certified_digits(digits, tmp_path):
    estimator, train, test = digits
    write_report(tmp_path / "r.html", estimator, dataset=train, test=test)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "✓ Certified" in page.text
    assert "On the test part" in page.text
    pictures = [attributes for tag, attributes in page.tags if tag == "img" and "Coefficients" in attributes["alt"]]
    assert len(pictures) == 10
    assert all(picture["src"].startswith("data:image/png;base64,") and picture["alt"] for picture in pictures)
    assert sum(tag == "svg" for tag, _ in page.tags) == 4
    assert os.listdir(tmp_path) == ["r.html"]


def test_the_numbers_can_be_read_back(digits):
    estimator, train, test = digits
    found = embedded(render(estimator, dataset=train, test=test))
    certificate = estimator.certificate_
    assert found["record"]["certificate"]["relative"] == certificate.relative
    assert found["record"]["certificate"]["passed"] is True
    assert found["record"]["history"]["objective"] == estimator.history_["objective"].tolist()
    accuracy = float((estimator.predict(test.X) == test.y).mean())
    assert found["scores"]["accuracy"] == pytest.approx(accuracy, abs=1e-15)
    assert f"{100 * accuracy:.2f} %" in Page(render(estimator, dataset=train, test=test)).text
    assert np.sum(found["scores"]["confusion"]) == test.n_samples


def test_nothing_comes_from_the_network(digits, wine, diabetes):
    for estimator, train, test in (digits, wine, diabetes):
        page = Page(render(estimator, dataset=train, test=test))
        names = {name for _, attributes in page.tags for name in attributes}
        assert not names & {"href", "srcset", "onload", "onclick"}
        sources = [attributes["src"] for _, attributes in page.tags if "src" in attributes]
        assert all(source.startswith("data:") for source in sources)
        kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
        assert kinds == ["application/json"]
        styles = re.search(r"<style>(.*?)</style>", render(estimator, dataset=train, test=test), re.DOTALL).group(1)
        assert "url(" not in styles
        assert "@import" not in styles


def test_not_certified_is_said_first(wine):
    estimator, train, test = wine
    page = Page(render(estimator, dataset=train, test=test))
    assert "✗ Not certified" in page.text
    assert "max_iter=25 rounds were used up." in page.text
    assert "✓" not in page.text


def test_features_by_name_and_residuals(diabetes):
    estimator, train, _ = diabetes
    page = Page(render(estimator, dataset=train))
    assert "On the training rows" in page.text
    assert "bmi" in page.text
    circles = sum(tag == "circle" and attributes["class"] == "dot" for tag, attributes in page.tags)
    assert circles == 2 * train.n_samples  # residuals, and true values, against predictions


def test_every_text_is_escaped(wine):
    estimator, train, test = wine
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>&"
    rename = {"name": evil, "source": evil, "note": evil, "target_names": (evil,) * 3, "feature_names": (evil,) * 13}
    record = dataclasses.replace(estimator.fit_record_, objective=evil, solver={"name": evil, "why": evil})
    other = type(
        "Other", (), {**vars(estimator), "fit_record_": record, "predict": lambda self, X: estimator.predict(X)}
    )()
    text = render(
        other, dataset=dataclasses.replace(train, **rename), test=dataclasses.replace(test, **rename), title=evil
    )
    page = Page(text)
    assert [attributes for tag, attributes in page.tags if tag == "img"] == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert evil in page.text
    assert embedded(text)["train"]["name"] == evil


def test_an_empty_history_renders(wine):
    estimator, train, test = wine
    record = dataclasses.replace(estimator.fit_record_, history=History())
    other = type(
        "Other", (), {**vars(estimator), "fit_record_": record, "predict": lambda self, X: estimator.predict(X)}
    )()
    page = Page(render(other, dataset=train, test=test))
    assert "A direct solution" in page.text


def test_a_history_of_one_round_without_gap_renders(wine):
    estimator, train, test = wine
    history = History()
    history.append(iteration=0, passes=1, seconds=0.0, objective=-3.0)
    record = dataclasses.replace(estimator.fit_record_, history=history)
    other = type(
        "Other", (), {**vars(estimator), "fit_record_": record, "predict": lambda self, X: estimator.predict(X)}
    )()
    page = Page(render(other, dataset=train, test=test))
    assert "A direct solution" in page.text


class Many:
    """A model of many classes and features, all coefficients but one 0."""

    def __init__(self, donor, k: int, d: int) -> None:
        self.fit_record_, self.certificate_ = donor.fit_record_, donor.certificate_
        self.classes_, self.coef_ = np.arange(k), np.zeros((k, d))
        self.coef_[0, 3] = 2.0

    def predict(self, X):
        return np.roll(np.arange(len(X)) % len(self.classes_), 1)


def test_many_classes_stay_readable(wine):
    model = Many(wine[0], 200, 50)
    data = Dataset(np.zeros((400, 50)), np.arange(400) % 200, name="many", source="made")
    text = render(model, dataset=data)
    page = Page(text)
    assert "Most confused classes" in page.text
    assert "The first 24 of 200 classes are shown." in page.text
    assert "Exactly 0: 9,999 of 10,000." in page.text
    assert "feature 4" in page.text
    assert len(text) < 1_500_000


def test_a_failing_report_leaves_nothing(tmp_path, digits):
    estimator, train, _ = digits
    broken = dataclasses.replace(train, X=train.X[:, :5])
    with pytest.raises(ValueError, match="matmul"):
        write_report(tmp_path / "r.html", estimator, dataset=broken)
    assert os.listdir(tmp_path) == []


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_a_browser_shows_it(tmp_path, digits):
    estimator, train, test = digits
    write_report(tmp_path / "r.html", estimator, dataset=train, test=test)
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    done = subprocess.run(
        [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet]
        + [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "r.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = embedded(done.stdout)
    assert found["record"]["certificate"]["value"] == estimator.certificate_.value
    assert done.stdout.count("<svg") == 4
    assert "✓ Certified" in done.stdout


def chromium(tmp_path, *arguments):
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars", *quiet]
    command += [f"--user-data-dir={tmp_path / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium: install it to see reports as people see them")
@pytest.mark.parametrize("fit", ["softmax", "two classes", "margin", "regression", "watched"])
def test_a_browser_reads_the_numbers_of_every_kind_of_fit(tmp_path, fit):
    """What the page shows is what the estimator says, in a window as wide as a phone; the picture is not blank."""
    import matplotlib.image

    from steepest import LinearClassifier, LinearRegressor
    from steepest.readers import read_dataset
    from steepest.readers.builtin import split
    from steepest.report.metrics import score

    quiet = {"on_unconverged": "ignore"}
    name, model = {
        "softmax": ("digits", LinearClassifier("softmax", alpha=1e-2, **quiet)),
        "two classes": ("breast_cancer", LinearClassifier("logistic", alpha=1e-2, **quiet)),
        "margin": ("breast_cancer", LinearClassifier("squared_hinge", alpha=1e-2, max_iter=2, **quiet)),
        "regression": ("diabetes", LinearRegressor(penalty="l1", alpha=0.1, **quiet)),
        "watched": ("wine", LinearClassifier("softmax", validation_fraction=0.2, patience=3, **quiet)),
    }[fit]
    train, test = split(read_dataset(name), stratify=name != "diabetes")
    model.fit(train.X, train.y)
    write_report(tmp_path / "r.html", model, dataset=train, test=test)
    address = (tmp_path / "r.html").as_uri()
    shown = chromium(tmp_path, "--dump-dom", address)
    found = embedded(shown)
    assert found["record"]["certificate"]["value"] == model.certificate_.value
    assert found["scores"] == score(model, test).to_dict()
    assert ("✓ Certified" in shown) == model.certificate_.passed
    assert ("ROC curve" in shown) == (fit in ("two classes", "margin"))
    assert ("Calibration" in shown) == (fit in ("softmax", "two classes", "watched"))
    assert ("True against predicted" in shown) == (fit == "regression")
    assert ("Validation loss" in shown) == (fit == "watched")
    picture = tmp_path / "page.png"
    chromium(tmp_path, f"--screenshot={picture}", "--window-size=420,3000", address)
    pixels = matplotlib.image.imread(picture)
    assert pixels.shape[:2] == (3000, 420)
    written = (np.ptp(pixels[..., :3], axis=(1, 2)) > 0.3).mean()
    assert written > 0.3  # lines of pixels with something dark on something light


def test_one_vs_rest_curves_say_what_they_are():
    """The certificate is for the sum of the problems, so its lower bound has no place beside one curve."""
    from steepest import LinearClassifier
    from steepest.readers import read_dataset

    data = read_dataset("iris")
    several = LinearClassifier("logistic", alpha=1e-3).fit(data.X, data.y)
    text = render(several, dataset=data)
    assert "one of 3 independent problems" in text
    assert "proven lower bound</text>" not in text
    one = LinearClassifier("softmax", alpha=1e-3).fit(data.X, data.y)
    text = render(one, dataset=data)
    assert "independent problems" not in text
    assert "proven lower bound</text>" in text
    assert "Coefficients" in text
