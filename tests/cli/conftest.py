from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from steepest.cli import app


@pytest.fixture
def run():
    def call(*arguments):
        result = CliRunner().invoke(app, [*map(str, arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return call


@pytest.fixture
def people(tmp_path):
    """A table with numbers, categories and gaps, in two files: label "rich" or "poor", and a height to predict."""
    rng = np.random.default_rng(0)

    def rows(n, label=True):
        lines = ["age,job,city,height" + (",class" if label else "")]
        for _ in range(n):
            age, job = rng.integers(18, 80), rng.choice(["cook", "smith", "clerk"])
            city = rng.choice(["Ulm", "", "Bern"])
            height = 150 + 0.3 * age + 5 * (job == "smith") + rng.normal()
            rich = age + 20 * (job == "clerk") + 5 * rng.normal() > 55
            line = f"{age},{job},{city},{height:.2f}"
            lines.append(f"{line},{'rich' if rich else 'poor'}" if label else line)
        return "\n".join(lines) + "\n"

    train, test, bare = tmp_path / "people.csv", tmp_path / "people_test.csv", tmp_path / "bare.csv"
    train.write_text(rows(400))
    test.write_text(rows(100))
    bare.write_text(rows(20, label=False))
    return train, test, bare
