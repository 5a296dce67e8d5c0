"""The section about margins: its numbers are those of the model, of two classes, of more, and of a regression."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

import steepest
from steepest import LinearSVC, LinearSVR
from steepest.readers import Dataset, read_dataset
from steepest.report.given import parts
from steepest.report.html import render
from steepest.report.margin_sections import margin_section, margin_words
from steepest.report.svg_columns import Group, column_chart


def boxes(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))


def table(page: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", page, re.DOTALL).group(1)
    return [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in body.split("</tr>") if row]


@pytest.fixture(scope="module")
def tumours():
    data = read_dataset("breast_cancer")
    return data, make_pipeline(steepest.Scaler(), LinearSVC(loss="hinge", C=0.1, tol=1e-7)).fit(data.X, data.y)


def test_two_classes(tumours):
    data, pipeline = tumours
    model, shown = pipeline[-1], parts(pipeline)[1]
    page = margin_section(shown, data)
    found = boxes(page)
    assert found["width 2/|w|"] == f"{model.margin_:.4g}"
    assert found["support vectors"] == f"{len(model.support_)} of 569"
    a = np.abs(model.dual_coef_[0])
    assert found["at the limit C"] == str((a > 0.1 * (1 - 1e-6)).sum())
    assert int(found["free"]) + int(found["at the limit C"]) == len(model.support_)
    assert found["on the wrong side"] == str((model.slacks_ > 1.0).sum())
    rows = table(page)
    assert [row[0] for row in rows] == ["malignant", "benign"]
    assert [int(row[2]) for row in rows] == model.n_support_.tolist()
    assert sum(int(row[5]) for row in rows) == (model.slacks_ > 1e-3).sum()
    columns = re.findall(r"<title>(?:malignant|benign): ([\d,]+) from", page)
    assert sum(map(int, columns)) == (model.slacks_ > 1e-3).sum()
    whole = render(shown, dataset=data)
    assert page in whole
    words = margin_words(shown, data)
    assert f"2/|w| = {model.margin_:.4g}; {len(model.support_)} support vectors of 569 rows (malignant " in words[0]
    assert f"{(model.slacks_ > 1.0).sum()} of them on the wrong side" in words[1]


def test_without_rows_and_on_other_rows(tumours):
    data, pipeline = tumours
    model = pipeline[-1]
    bare = margin_section(model)
    assert boxes(bare)["width 2/|w|"] == f"{model.margin_:.4g}"
    assert [row[0] for row in table(bare)] == ["rows"]
    other = Dataset(data.X[:50], data.y[:50], name="part", source="a part")
    assert table(margin_section(model, other)) == table(bare)
    assert margin_section(steepest.Ridge().fit(data.X, data.y), data) == ""
    assert margin_words(steepest.Ridge().fit(data.X, data.y), data) == []


def test_hard_margins_and_squared_slacks():
    data = read_dataset("iris")
    X, y = data.X[data.y < 2], data.y[data.y < 2]
    two = Dataset(X, y, name="two", source="iris")
    hard = LinearSVC(hard_margin=True).fit(X, y)
    page = margin_section(hard, two)
    assert "no row is inside" in page
    assert "with a slack" not in page
    squared = LinearSVC(C=0.05).fit(X, y)
    assert "2 C s times the slack" in margin_section(squared, two)
    np.testing.assert_allclose(np.abs(squared.dual_coef_[0]), 2.0 * 0.05 * squared.slacks_, atol=1e-4)
    weighted = LinearSVC(loss="hinge").fit(X, y, np.linspace(0.01, 3.0, 100))
    assert "at the limit C" not in margin_section(weighted, two)
    assert "The rows have weights" in margin_section(weighted, two)


def test_several_classes():
    data = read_dataset("iris")
    model = LinearSVC(loss="hinge", tol=1e-6).fit(data.X, data.y)
    page = margin_section(model, data)
    rows = table(page)
    assert [row[0] for row in rows] == ["setosa", "versicolor", "virginica"]
    assert [row[1] for row in rows] == [f"{width:.4g}" for width in model.margin_]
    assert [int(row[2]) for row in rows] == model.n_support_.tolist()
    assert [int(row[5]) for row in rows] == (model.slacks_ > 1e-3).sum(axis=0).tolist()
    assert "for each" not in margin_words(model, data)[0]
    assert f"{len(model.support_)} support vectors of 150 rows (setosa " in margin_words(model, data)[0]


@pytest.mark.parametrize("kind", ["crammer_singer", "weston_watkins"])
def test_all_classes_in_one_problem(kind):
    data = read_dataset("iris")
    model = LinearSVC(loss="hinge", multi_class=kind, tol=1e-4).fit(data.X, data.y)
    page = margin_section(model, data)
    rows = table(page)
    assert [row[0] for row in rows] == ["setosa", "versicolor", "virginica"]
    assert [int(row[1]) for row in rows] == model.n_support_.tolist()
    for j, row in enumerate(rows):
        apart = np.linalg.norm(model.coef_ - model.coef_[j], axis=1)
        assert row[2] == rows[int(np.argmax(apart))][0]
        assert row[3] == f"{2.0 / apart.max():.4g}"
    assert "2/|w - v| of two classes" in margin_words(model, data)[0]


def test_a_regression():
    data = read_dataset("diabetes")
    model = LinearSVR(epsilon=20.0, C=50.0, tol=1e-6).fit(data.X, data.y)
    page = margin_section(model, data)
    found = boxes(page)
    assert found["epsilon"] == "20"
    out = int((model.slacks_ > 1e-3 * model.slacks_.max()).sum())
    assert found["outside the tube"] == str(out)
    inside = sum(map(int, re.findall(r"<title>in the tube: ([\d,]+) from", page)))
    outside = sum(map(int, re.findall(r"<title>outside: ([\d,]+) from", page)))
    assert inside + outside == data.n_samples
    assert outside >= out
    assert margin_words(model, data)[0].startswith(f"tube: epsilon 20; {out} rows outside")
    assert "Residuals and the tube" not in margin_section(model)


def test_columns_stand_on_each_other():
    bins = np.array([0.0, 1.0, 2.0, 3.0])
    groups = [Group("a<b", np.array([2, 0, 1])), Group("c", np.array([1, 0, 3]), "second")]
    page = column_chart(bins, groups, title="T", x_label="x", levels=[1.0])
    assert "a&lt;b: 2 from 0 to 1" in page
    found = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"', page)
    assert [kind for kind, *_ in found] == ["main", "main", "second", "second"]
    low, high = found[0], found[2]
    assert float(high[2]) + float(high[3]) == pytest.approx(float(low[2]), abs=0.02)  # one begins where the other ends
    assert float(low[3]) == pytest.approx(2.0 * float(high[3]), rel=0.01)
    assert page.count('class="level"') == 1
