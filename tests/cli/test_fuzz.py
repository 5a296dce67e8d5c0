"""Whatever a file holds, the command line answers in words: no traceback, and an exit code that says how it ended."""

from __future__ import annotations

import csv
import io
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from steepest.cli import app

CELLS = st.one_of(
    st.sampled_from(["", "?", "NA", "nan", "inf", "1e999", "0", "1", "yes", "no", "2020-01-02", "1,5", "0x10", " 3 "]),
    st.integers(-99, 99).map(str),
    st.floats(-1e3, 1e3).map(str),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
)


@st.composite
def files(draw):
    """A table as the csv module writes it, sometimes with bytes replaced."""
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=12))
    label = draw(st.sampled_from([["0", "1"], ["a", "b", "c"], ["1.5", "2.25", "-3"], ["x"]]))
    for k, row in enumerate(rows):
        row.append(label[k % len(label)])
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=draw(st.sampled_from(",;\t|")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    if draw(st.booleans()):
        writer.writerow([*(f"c{k}" for k in range(width)), "class"])
    writer.writerows(rows)
    raw = bytearray(text.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "cp1252"])), "replace"))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + 2] = draw(st.sampled_from([b"", b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b"1:2 "]))
    return bytes(raw)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    files(),
    st.sampled_from(["t.csv", "t.data", "t.tsv", "t.libsvm"]),
    st.sampled_from(["logistic", "ridge", "softmax"]),
)
def test_fit_and_predict_of_any_file(tmp_path_factory, content, name, kind):
    folder = tmp_path_factory.mktemp("fuzz")
    path, model = folder / name, folder / "m.skops"
    path.write_bytes(content)
    for arguments in (
        ["fit", path, "--model", kind, "--out", model, "--max-time", "2"],
        ["predict", model, path, "--out", folder / "out.csv"],
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), (content, result.exception)
        assert "Traceback" not in result.output
        if result.exit_code:
            assert result.output.strip()
            return
