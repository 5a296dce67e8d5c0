"""LIBSVM text: what is read, exactly, and what is refused, in which words."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steepest.exceptions import DataError
from steepest.readers import read_dataset
from steepest.readers.libsvm import read_libsvm

HERE = Path("made.libsvm")
PACKERS = [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]


def read(text: str | bytes, **kwargs):
    return read_libsvm(HERE, text.encode() if isinstance(text, str) else text, **kwargs)


def refusal(text: str | bytes, **kwargs) -> str:
    with pytest.raises(DataError) as caught:
        read(text, **kwargs)
    return str(caught.value)


def test_rows_labels_and_comments():
    data = read("+1 1:0.5 3:-2e1 # a comment 7:9\n\n# only a comment\n-1\t2:.25 \r\n+1")
    assert data.X.toarray().tolist() == [[0.5, 0, -20.0], [0, 0.25, 0], [0, 0, 0]]
    assert data.y.tolist() == [1, -1, 1]
    assert data.y.dtype == np.int64
    assert data.X.indices.dtype == np.int32
    assert data.X.indptr.dtype == np.int32
    assert data.qid is None


def test_labels_that_are_not_whole_stay_floats():
    assert read("1.5 1:1\n2 1:1\n").y.tolist() == [1.5, 2.0]


def test_query_ids_are_kept():
    data = read("2 qid:10 1:0.1 2:1 #docid = GX1\n0 qid:11 2:3\n")
    assert data.qid.tolist() == [10, 11]
    assert data.X.toarray().tolist() == [[0.1, 1.0], [0.0, 3.0]]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False).map(repr),
            st.decimals(allow_nan=False, allow_infinity=False, places=3, max_value=10**6).map(str),
            st.from_regex(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_every_number_is_rounded_as_python_rounds_it(numbers):
    row = " ".join(f"{index}:{number}" for index, number in enumerate(numbers, 1))
    data = read(f"{numbers[0]} {row}\n")
    expected = np.array([float(number) for number in numbers])
    assert data.X.data.tobytes() == expected.tobytes()  # to the bit, the sign of zero included
    assert float(data.y[0]) == expected[0]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("1 0:5\n", 1, 3, "expected indices from 1, as LIBSVM text counts, got '0:5'"),
        ("1 1:5\n-1 3:1 2:1\n", 2, 8, "increasing order without repeats, got '2:1'"),
        ("1 1:5 1:6\n", 1, 7, "increasing order"),
        ("1 1:nan\n", 1, 5, "expected a finite number, got 'nan'"),
        ("1 1:-inf\n", 1, 5, "expected a finite number"),
        ("1 1:1e999\n", 1, 5, "expected a finite number, got '1e999'"),
        ("nan 1:1\n", 1, 1, "expected a finite number"),
        ("1 1:1\nspam 1:1\n", 2, 1, "expected a label (one number) at the start of the row, got 'spam'"),
        ("1,3 1:1\n", 1, 2, "expected one label"),
        ("1:0.5 2:1\n", 1, 2, "expected one label"),
        ("1 x:1\n", 1, 3, "whole number from 1 as index, got 'x:1'"),
        ("1 -2:1\n", 1, 3, "whole number from 1 as index"),
        ("1 2\n", 1, 4, "expected ':' after the feature index, got the end of the line"),
        ("1 2:\n", 1, 5, "expected a number after ':', got the end of the line"),
        ("1 2:", 1, 5, "got the end of the file"),
        ("1 2:3x\n", 1, 6, "expected a space after the number, got 'x'"),
        ("1 2:1e\n", 1, 5, "expected a number after ':', got '1e'"),
        ("1 99999999999:1\n", 1, 3, "at most 2,147,483,647"),
        ("1 qid:1 1:1\n1 1:1\n", 2, 3, "expected 'qid:' after the label"),
        ("1 1:1\n1 qid:1 1:1\n", 2, 3, "expected no 'qid:'"),
        ("1 qid:a 1:1\n", 1, 7, "after 'qid:', got 'a'"),
        ("# x\n\n1 1:1 # fine\n1 1:1 2:\xe9\n", 4, 9, "expected a number after ':'"),
    ],
)
def test_bad_text_is_refused_with_line_and_column(text, line, column, words):
    message = refusal(text)
    assert message.startswith(f"made.libsvm, line {line}, column {column}: ")
    assert words in message


def test_a_test_part_takes_its_width_from_the_train_part():
    assert read("1 2:1\n", n_features=5).X.shape == (1, 5)
    message = refusal("1 1:1\n1 6:1\n", n_features=5)
    assert "line 2, column 3" in message
    assert "at most 5, the features of the train part, got '6:1'" in message


@pytest.mark.parametrize("text", ["\n\n", "# nothing\n", " \r\n"])
def test_text_without_rows(text):
    assert "no rows" in refusal(text)


def test_rows_without_any_feature():
    assert "no row has any feature" in refusal("1\n-1\n")


@pytest.mark.parametrize(("ending", "pack"), [("", bytes), *PACKERS])
def test_compressed_files(tmp_path, ending, pack):
    path = tmp_path / f"a9a.t{ending}"
    path.write_bytes(pack(b"1 1:2\n-1 2:3\n"))
    data = read_dataset(path)
    assert data.X.toarray().tolist() == [[2, 0], [0, 3]]
    assert data.name == "a9a.t"


@pytest.mark.parametrize(("ending", "pack"), PACKERS)
def test_truncated_and_mislabelled_compression(tmp_path, ending, pack):
    path = tmp_path / f"x{ending}"
    path.write_bytes(pack(b"1 1:2\n" * 5000)[:-9])
    with pytest.raises(DataError, match=f"{ending[1:]} data is truncated or damaged"):
        read_dataset(path)
    path.write_bytes(b"1 1:2\n")
    with pytest.raises(DataError, match=f"the name ends in {ending}"):
        read_dataset(path)


def test_a9a_has_its_published_counts(data_folder):
    data = read_dataset(data_folder / "a9a.xz")
    assert data.X.shape == (32561, 123)
    assert data.X.nnz == 451_592
    assert (int((data.y == 1).sum()), int((data.y == -1).sum())) == (7841, 24720)
    test = read_dataset(data_folder / "a9a.t.xz", n_features=123)
    assert test.X.shape == (16281, 123)


def test_agrees_with_an_independent_reader(data_folder):
    from sklearn.datasets import load_svmlight_file

    for name, options in {"MQ2008/S1.txt.gz": {"query_id": True}, "a9a.t.xz": {}}.items():
        data = read_dataset(data_folder / name)
        raw = data_folder / name
        if name.endswith(".xz"):
            import io

            source = io.BytesIO(lzma.decompress(raw.read_bytes()))
        else:
            source = str(raw)
        X, y, *qid = load_svmlight_file(source, **options)
        assert (data.X - X).nnz == 0
        assert data.X.shape == X.shape
        assert np.array_equal(data.y, y)
        if qid:
            assert np.array_equal(data.qid, qid[0])
